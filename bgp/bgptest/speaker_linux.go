package bgptest

import (
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// control sets the socket options of a speaker before it connects.
func (s Speaker) control(address string, c syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	var failed error
	err = c.Control(func(fd uintptr) {
		if s.TTL != 0 {
			level, opt := unix.IPPROTO_IP, unix.IP_TTL
			if to.Addr().Is6() {
				level, opt = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
			}
			failed = unix.SetsockoptInt(int(fd), level, opt, s.TTL)
		}
		if s.MD5 != "" && failed == nil {
			failed = unix.SetsockoptTCPMD5Sig(int(fd), unix.IPPROTO_TCP, unix.TCP_MD5SIG, md5Of(to.Addr(), s.MD5))
		}
	})
	if err == nil && failed != nil {
		err = fmt.Errorf("socket options: %w", failed)
	}
	return err
}

func md5Of(to netip.Addr, key string) *unix.TCPMD5Sig {
	var sig unix.TCPMD5Sig
	if to.Is4() {
		sig.Addr.Family = unix.AF_INET
		copy(sig.Addr.Data[2:], to.AsSlice())
	} else {
		sig.Addr.Family = unix.AF_INET6
		copy(sig.Addr.Data[6:], to.AsSlice())
	}
	sig.Keylen = uint16(copy(sig.Key[:], key))
	return &sig
}
