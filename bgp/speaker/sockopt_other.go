//go:build !linux

package speaker

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
)

var errSystem = errors.New("the speaker runs on Linux only")

func setKey(syscall.RawConn, netip.Prefix, Secret) error { return errSystem }
func setTTL(syscall.RawConn, bool) error                 { return errSystem }
func setHops(syscall.RawConn, bool, int) error           { return errSystem }
func plainTCP(syscall.RawConn) error                     { return errSystem }
func rawOf(net.Conn) (syscall.RawConn, error)            { return nil, errSystem }

func signed(Secret) func(string, string, syscall.RawConn) error {
	return func(string, string, syscall.RawConn) error { return errSystem }
}
