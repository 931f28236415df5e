package speaker

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// setKey makes the kernel demand, on a listening socket, that whoever connects
// from the prefix signs every segment with the key (RFC 2385). A connection
// without the right signature never reaches us. Accepted sockets inherit the key.
func setKey(c syscall.RawConn, from netip.Prefix, key Secret) error {
	sig := unix.TCPMD5Sig{Keylen: uint16(len(key))}
	if from.Addr().Is4() {
		sig.Addr.Family = unix.AF_INET
		copy(sig.Addr.Data[2:], from.Addr().AsSlice()) // behind the port of a sockaddr_in
	} else {
		sig.Addr.Family = unix.AF_INET6
		copy(sig.Addr.Data[6:], from.Addr().AsSlice()) // behind port and flow of a sockaddr_in6
	}
	copy(sig.Key[:], key)
	opt := unix.TCP_MD5SIG
	if !from.IsSingleIP() {
		opt = unix.TCP_MD5SIG_EXT
		sig.Flags = unix.TCP_MD5SIG_FLAG_PREFIX
		sig.Prefixlen = uint8(from.Bits())
	}
	return control(c, fmt.Sprintf("TCP MD5 for %v", from), func(fd int) error {
		return unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, opt, &sig)
	})
}

// setTTL makes our packets leave with TTL 255, which a neighbour with TTL
// security asks for (RFC 5082 section 3).
func setTTL(c syscall.RawConn, v6 bool) error {
	return control(c, "TTL 255", func(fd int) error {
		if v6 {
			return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 255)
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, 255)
	})
}

// setHops makes the kernel drop what came over more than that many hops.
func setHops(c syscall.RawConn, v6 bool, hops int) error {
	return control(c, fmt.Sprintf("TTL security of %d hops", hops), func(fd int) error {
		if v6 {
			return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT, 256-hops)
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, 256-hops)
	})
}

// plainTCP refuses a socket that is not one: on multipath TCP neither MD5 nor
// TTL security works.
func plainTCP(c syscall.RawConn) error {
	return control(c, "plain TCP", func(fd int) error {
		p, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
		if err == nil && p != unix.IPPROTO_TCP {
			err = fmt.Errorf("the socket speaks protocol %d", p)
		}
		return err
	})
}

// signed lets a dialling socket sign for one destination: for the trial alone.
func signed(key Secret) func(network, address string, c syscall.RawConn) error {
	return func(_, address string, c syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return setKey(c, netip.PrefixFrom(to.Addr(), to.Addr().BitLen()), key)
	}
}

func control(c syscall.RawConn, what string, f func(fd int) error) error {
	var failed error
	if err := c.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		failed = err
	}
	if failed != nil {
		return fmt.Errorf("%s: %w", what, failed)
	}
	return nil
}

// rawOf gives the socket of a connection.
func rawOf(c net.Conn) (syscall.RawConn, error) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%T has no socket", c)
	}
	return s.SyscallConn()
}
