//go:build !linux

package bgptest

import (
	"errors"
	"syscall"
)

// control refuses what this system was never tried with.
func (s Speaker) control(string, syscall.RawConn) error {
	if s.MD5 != "" || s.TTL != 0 {
		return errors.New("MD5 and TTL are set on Linux only")
	}
	return nil
}
