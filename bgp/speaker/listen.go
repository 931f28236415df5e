package speaker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// listen opens every configured socket with the options that its neighbours
// need, or none.
func (s *Speaker) listen(ctx context.Context) (list []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range list {
				l.Close()
			}
		}
	}()
	for _, text := range s.cfg.Listen {
		addrs, err := parseListen(text)
		if err != nil {
			return list, err
		}
		for _, a := range addrs {
			if len(addrs) == 2 && len(list) > 0 && a.Port() == 0 {
				a = netip.AddrPortFrom(a.Addr(), portOf(list[len(list)-1].Addr())) // the same for both families
			}
			l, err := listenOn(ctx, a, s.neighbours)
			if err != nil {
				if len(addrs) == 2 && a.Addr().Is6() && errors.Is(err, syscall.EAFNOSUPPORT) {
					continue // ":179" on a system without IPv6
				}
				return list, fmt.Errorf("listen on %v: %w", a, err)
			}
			list = append(list, l)
		}
	}
	return list, nil
}

// listenOn opens one socket. The options are set before it listens, so that
// nobody connects meanwhile without a signature.
func listenOn(ctx context.Context, a netip.AddrPort, neighbours []*neighbour) (net.Listener, error) {
	network := "tcp4"
	if a.Addr().Is6() {
		network = "tcp6"
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		if err := plainTCP(c); err != nil {
			return err
		}
		if err := setTTL(c, a.Addr().Is6()); err != nil {
			return err
		}
		for _, n := range neighbours {
			if n.password == "" || n.prefix.Addr().Is4() != a.Addr().Is4() {
				continue
			}
			if err := setKey(c, n.prefix, n.password); err != nil {
				return err
			}
		}
		return nil
	}}
	lc.SetMultipathTCP(false)
	return lc.Listen(ctx, network, a.String())
}

const (
	trialSigned   = 2 * time.Second        // a loopback connection takes this long at most
	trialUnsigned = 300 * time.Millisecond // one that must not come about gets this long
)

// try proves on loopback, before anybody may connect, that what the neighbours
// ask for works here: that a signed connection comes about, that an unsigned one
// does not, and that TTL security can be set. Setting an option without an error
// proves neither.
func (s *Speaker) try(ctx context.Context) error {
	var key, hops bool
	for _, n := range s.neighbours {
		key, hops = key || n.password != "", hops || n.hops != 0
	}
	if !key && !hops {
		return nil
	}
	self := netip.MustParseAddr("127.0.0.1")
	trial := &neighbour{prefix: netip.PrefixFrom(self, 32)}
	if key {
		trial.password = "trial"
	}
	l, err := listenOn(ctx, netip.AddrPortFrom(self, 0), []*neighbour{trial})
	if err != nil {
		return fmt.Errorf("cannot protect sessions: %w", err)
	}
	defer l.Close()
	d := net.Dialer{Timeout: trialSigned}
	d.SetMultipathTCP(false)
	if key {
		d.Control = signed(trial.password)
	}
	c, err := d.DialContext(ctx, "tcp4", l.Addr().String())
	if err != nil {
		return fmt.Errorf("cannot protect sessions: a connection with the right TCP MD5 signature does not come about: %w", err)
	}
	defer c.Close()
	raw, err := rawOf(c)
	if err == nil && hops {
		err = setHops(raw, false, 1)
	}
	if err != nil {
		return fmt.Errorf("cannot protect sessions: %w", err)
	}
	if !key {
		return nil
	}
	d.Control, d.Timeout = nil, trialUnsigned
	if c, err := d.DialContext(ctx, "tcp4", l.Addr().String()); err == nil {
		c.Close()
		return errors.New("cannot protect sessions: this system lets connections without a TCP MD5 signature in")
	} else if !errors.Is(err, os.ErrDeadlineExceeded) && !isTimeout(err) {
		return fmt.Errorf("cannot protect sessions: trial of an unsigned connection: %w", err)
	}
	return ctx.Err()
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func portOf(a net.Addr) uint16 {
	if t, ok := a.(*net.TCPAddr); ok {
		return uint16(t.Port)
	}
	return 0
}

// addrOf is the address of a connection's other end, unmapped and without a zone.
func addrOf(c net.Conn) netip.Addr {
	if t, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
