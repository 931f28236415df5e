package bmp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
)

// closed waits until the station has closed a connection.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	must(t, c.SetReadDeadline(time.Now().Add(patience)))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection is open: %v", err)
	}
}

// Where a message ends is not known any more: the connection ends with the router and
// the octet, and the other routers go on.
func TestFramingError(t *testing.T) {
	hello := len(bgptest.AppendBMPInitiation(nil, "core1", "bgptest"))
	for name, tt := range map[string]struct{ octets, want string }{
		"version":   {"\x02\x00\x00\x00\x06\x04", "version 2 is neither 3 nor 4"},
		"too short": {"\x03\x00\x00\x00\x05\x04", "a message of 5 octets is shorter than its header"},
		"too long":  {"\x03\xff\xff\xff\xff\x00", "a message of 4294967295 octets is longer than max_message (262144)"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil)
			y := r.dial("core2")
			must(t, y.Up(peerSix), y.Update(peerSix, announce(one, six)))
			x := r.dial("core1")
			must(t, x.Up(peerOne), x.EndOfRIB(peerOne, false))
			r.saw(who + "end-of-rib")
			up := len(bgptest.AppendBMPPeerUp(nil, peerOne, netip.IPv4Unspecified(), bgptest.BMPCapabilities{ASN: 1}, bgptest.BMPCapabilities{ASN: 1}))
			eor := len(bgptest.AppendBMPRoute(nil, peerOne, bgptest.AppendEndOfRIB(nil, false)))
			must(t, x.Send([]byte(tt.octets)))
			closed(t, x.Conn)
			u := r.wait("unheard", func(all []bgp.Update) bool { return all[len(all)-1].Kind == bgp.Unheard })
			want := "router core1: octet " + itoa(hello+up+eor) + ": " + tt.want
			if got := u[len(u)-1].Cause.Text; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if !strings.Contains(r.log.String(), want) {
				t.Error("the log does not say so")
			}
			r.counted("malformed", "framing", 1)
			must(t, y.Update(peerSix, withdraw(six)))
			r.saw("core2/2001:db8::7 AS4200000007 withdraw 2001:db8:7::/48")
		})
	}
}

func itoa(n int) string { return big.NewInt(int64(n)).String() }

// A message cut by the end of the connection is nothing; one that is longer than the
// read buffer is one message.
func TestCutAndLargeMessages(t *testing.T) {
	r := start(t, nil)
	x := r.dial("core1")
	must(t, x.Up(peerOne), x.Send(bgptest.AppendBMP(nil, bgptest.BMPRouteMirroring, append(bgptest.AppendBMPPeer(nil, peerOne), make([]byte, 200_000)...))),
		x.Update(peerOne, announce(one, mccolo)))
	b, err := bgptest.AppendUpdate(nil, withdraw(mccolo), bgptest.Encoding{})
	must(t, err)
	b = bgptest.AppendBMPRoute(nil, peerOne, b)
	must(t, x.Send(b[:len(b)-1]), x.Conn.Close())
	r.expect(who+"peer-up", who+"announce 208.66.192.0/22 64500 3549 26780",
		who+"unheard: the router closed the connection within a message")
	r.counted("messages", "route-mirroring", 1)
}

// Who is not listed is refused and counted, and says nothing to anybody.
func TestAccessList(t *testing.T) {
	r := start(t, func(c *Config) {
		c.Routers = []Router{{Prefix: netip.MustParsePrefix("192.0.2.0/24")}, {Address: netip.MustParseAddr("127.0.0.2"), Name: "two"}}
	})
	refused := dialRaw(t, r)
	closed(t, refused)
	refused.Close()
	r.counted("refused", "not-listed", 1)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	c, err := d.DialContext(r.ctx, "tcp", r.addr)
	if err != nil {
		t.Skipf("no address 127.0.0.2: %v", err)
	}
	defer c.Close()
	x := &bgptest.BMPRouter{Conn: c}
	must(t, x.Send(bgptest.AppendBMPInitiation(nil, "somebody else", "")), x.Up(peerOne), x.EndOfRIB(peerOne, false))
	r.expect("two/192.0.2.7 AS64500 peer-up", "two/192.0.2.7 AS64500 end-of-rib")
	if !strings.Contains(r.log.String(), `address=127.0.0.1 reason="is not in routers"`) {
		t.Error("the log does not say who was refused")
	}
}

// Without a list, only this host may connect.
func TestLoopbackOnlyWithoutAList(t *testing.T) {
	s, err := New(DefaultConfig(), Deps{Watch: everything()})
	must(t, err)
	for addr, want := range map[string]bool{"127.0.0.1": true, "127.1.2.3": true, "::1": true, "192.0.2.1": false, "2001:db8::1": false} {
		if got := s.admit(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
}

// There are never more routers, and peers of one, than the configuration allows.
func TestBounds(t *testing.T) {
	r := start(t, func(c *Config) { c.MaxRouters, c.MaxPeers = 1, 2 })
	x := r.dial("core1")
	for i := range byte(4) {
		p := peerOne
		p.Addr = netip.AddrFrom4([4]byte{192, 0, 2, 10 + i})
		must(t, x.Up(p), x.EndOfRIB(p, false))
	}
	r.counted("peers", "", 2)
	r.counted("ignored", "too-many-peers", 2)
	r.counted("ignored", "no-peer-up", 2)
	closed(t, dialRaw(t, r))
	r.counted("refused", "max-routers", 1)
	must(t, x.Conn.Close())
	r.health("place", func(h bgp.Health) bool { return !h.Ready })
	y := r.dial("core2")
	must(t, y.Up(peerOne), y.EndOfRIB(peerOne, false))
	r.saw("core2/192.0.2.7 AS64500 end-of-rib")
}

// A router that connects again while the former connection looks alive takes its place.
func TestNewerConnectionReplaces(t *testing.T) {
	r := start(t, nil, func(s *Station) { s.drain = 10 * time.Millisecond })
	x := r.dial("core1")
	must(t, x.Up(peerOne), x.Update(peerOne, announce(one, mccolo)))
	r.saw(who + "announce 208.66.192.0/22 64500 3549 26780")
	y := r.dial("core1")
	must(t, y.Up(peerOne), y.Update(peerOne, announce(one, other)))
	r.expect(who+"peer-up", who+"announce 208.66.192.0/22 64500 3549 26780",
		who+"unheard: replaced by a newer connection of the same router",
		who+"peer-up", who+"announce 198.51.100.0/24 64500 3549 26780")
	closed(t, x.Conn)
	r.counted("superseded", "", 1)
	r.health("router", func(h bgp.Health) bool { return h.Ready && len(h.Sessions) == 1 && h.Sessions[0].Up })
}

// A router that calls itself what the configuration calls another one is not that one.
func TestNamesAreNotStolen(t *testing.T) {
	r := start(t, func(c *Config) {
		c.Routers = []Router{{Address: netip.MustParseAddr("127.0.0.9"), Name: "core1"}, {Prefix: netip.MustParsePrefix("127.0.0.0/8")}}
	})
	x := r.dial("core1")
	must(t, x.Up(peerOne), x.EndOfRIB(peerOne, false))
	r.saw("127.0.0.1/192.0.2.7 AS64500 end-of-rib")
	h := r.station.Health(time.Now())
	if len(h.Sessions) != 2 || h.Sessions[1].Name != "core1 127.0.0.9" || h.Sessions[1].Up || h.Sessions[1].Reason != "has not connected yet" {
		t.Errorf("sessions %+v", h.Sessions)
	}
}

// While emit blocks, nothing is read: TCP slows the routers, and nothing is lost.
func TestBackPressure(t *testing.T) {
	r := start(t, nil)
	release := make(chan struct{})
	entered := make(chan struct{}, 1)
	r.mu.Lock()
	r.hold = func() {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-release
	}
	r.mu.Unlock()
	names := []string{"core1", "core2"}
	const messages = 60_000 // of 113 octets: more than the sockets and buffers hold
	sent := make(chan error, len(names))
	stalled := make(chan struct{}, len(names))
	for _, name := range names {
		x := r.dial(name)
		must(t, x.Up(peerOne))
		go func() {
			var b []byte
			for i := range messages {
				p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
				u, err := bgptest.AppendUpdate(nil, announce(one, p), bgptest.Encoding{})
				if err != nil {
					sent <- err
					return
				}
				b = bgptest.AppendBMPRoute(b, peerOne, u)
			}
			// What one write within a second cannot take is more than was buffered.
			_ = x.Conn.SetWriteDeadline(time.Now().Add(time.Second))
			n, err := x.Conn.Write(b)
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				sent <- errors.New("nothing held the router back")
				return
			}
			stalled <- struct{}{}
			_ = x.Conn.SetWriteDeadline(time.Time{})
			_, err = x.Conn.Write(b[n:])
			sent <- err
		}()
	}
	<-entered
	for range names {
		select {
		case <-stalled:
		case err := <-sent:
			t.Fatal(err)
		case <-time.After(patience):
			t.Fatal("a router is not held back")
		}
	}
	close(release)
	for range names {
		must(t, <-sent)
	}
	all := r.wait("all routes", func(all []bgp.Update) bool { return len(all) >= len(names)*messages })
	next := map[string]int{}
	for _, u := range all {
		if u.Kind != bgp.Announce {
			continue
		}
		a := u.Prefix.Addr().As4()
		if i := int(a[1])<<16 | int(a[2])<<8 | int(a[3]); i != next[u.Peer.Collector] {
			t.Fatalf("%s: route %d instead of %d", u.Peer, i, next[u.Peer.Collector])
		}
		next[u.Peer.Collector]++
	}
	if next["core1"] != messages || next["core2"] != messages {
		t.Errorf("heard %v, want %d each", next, messages)
	}
}

// A router that stops within a message holds up nobody.
func TestSlowRouterHoldsUpNobody(t *testing.T) {
	r := start(t, nil)
	slow := r.dial("slow")
	must(t, slow.Up(peerOne), slow.Update(peerOne, announce(one, mccolo)), slow.Send([]byte{3, 0, 0, 1, 0, 0, 0}))
	r.saw("slow/192.0.2.7 AS64500 announce 208.66.192.0/22 64500 3549 26780") // what it had said before goes out
	x := r.dial("core1")
	must(t, x.Up(peerOne), x.Update(peerOne, announce(one, mccolo)))
	r.saw(who + "announce 208.66.192.0/22 64500 3549 26780")
}

// An error of emit ends Run with it.
func TestEmitError(t *testing.T) {
	c := DefaultConfig()
	c.Listen = []string{"127.0.0.1:0"}
	s, err := New(c, Deps{Watch: everything()})
	must(t, err)
	full := errors.New("the disk is full")
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context(), func([]bgp.Update) error { return full }) }()
	addrs, err := s.Addrs(t.Context())
	must(t, err)
	x, err := bgptest.DialBMP(t.Context(), addrs[0].String(), "core1", nil)
	must(t, err, x.Up(peerOne), x.EndOfRIB(peerOne, false))
	defer x.Conn.Close()
	if err := <-done; !errors.Is(err, full) {
		t.Errorf("Run: %v", err)
	}
}

func TestListenError(t *testing.T) {
	r := start(t, nil)
	c := DefaultConfig()
	c.Listen = []string{"127.0.0.1:0", r.addr}
	s, err := New(c, Deps{Watch: wire.NewShared(wire.List{})})
	must(t, err)
	if err := s.Run(r.ctx, r.emit); err == nil || !strings.HasPrefix(err.Error(), "bmp: listen on "+r.addr+": ") {
		t.Errorf("Run: %v", err)
	}
}

// The station connects to a router that waits for one, and again when it is lost.
func TestConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	r := start(t, func(c *Config) { c.Listen, c.Connect = nil, []string{l.Addr().String()} })
	for i, want := range []int{2, 5} {
		c, err := l.Accept()
		must(t, err)
		x := &bgptest.BMPRouter{Conn: c}
		must(t, x.Send(bgptest.AppendBMPInitiation(nil, "core1", "")), x.Up(peerOne), x.EndOfRIB(peerOne, false))
		r.wait("table", func(all []bgp.Update) bool { return len(lines(all)) >= want })
		if i == 0 {
			must(t, x.Close())
		} else {
			defer c.Close()
		}
	}
	r.expect(who+"peer-up", who+"end-of-rib", who+"unheard: terminated by the router: administratively closed", who+"peer-up", who+"end-of-rib")
}

// A silent router is stale; with a read timeout, its connection ends.
func TestSilence(t *testing.T) {
	r := start(t, func(c *Config) { c.ReadTimeout = 50 * time.Millisecond })
	x := r.dial("core1")
	must(t, x.Up(peerOne), x.EndOfRIB(peerOne, false))
	r.saw(who + "unheard: the router was silent for too long")

	r = start(t, nil)
	x = r.dial("core1")
	must(t, x.Up(peerOne), x.EndOfRIB(peerOne, false))
	r.saw(who + "end-of-rib")
	if h := r.station.Health(time.Now().Add(59 * time.Minute)); !h.Ready || h.Reason != "" || time.Since(h.Heard) > patience {
		t.Errorf("after 59 minutes: %+v", h)
	}
	h := r.station.Health(time.Now().Add(61 * time.Minute))
	if h.Ready || h.Sessions[0].Up || h.Sessions[0].State != "stale" || !strings.Contains(h.Reason, "core1 127.0.0.1 has said nothing since ") {
		t.Errorf("after 61 minutes: %+v", h)
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ca, caKey := certificate(t, dir, "ca", nil, nil)
	certificate(t, dir, "station", ca, caKey)
	certificate(t, dir, "router", ca, caKey)
	file := func(name string) string { return filepath.Join(dir, name) }
	r := start(t, func(c *Config) {
		c.TLS = TLS{Cert: file("station.crt"), Key: file("station.key"), ClientCA: file("ca.crt")}
	})
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	pair, err := tls.LoadX509KeyPair(file("router.crt"), file("router.key"))
	must(t, err)
	x, err := bgptest.DialBMP(r.ctx, r.addr, "core1", &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{pair}})
	must(t, err)
	defer x.Conn.Close()
	must(t, x.Up(peerOne), x.Update(peerOne, announce(one, mccolo)))
	r.saw(who + "announce 208.66.192.0/22 64500 3549 26780")

	// Without a certificate, and without TLS at all.
	y, err := bgptest.DialBMP(r.ctx, r.addr, "core2", &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
	if err == nil {
		closed(t, y.Conn)
		y.Conn.Close()
	}
	z := r.dial("core3")
	_, _ = io.Copy(io.Discard, z.Conn)
	r.counted("refused", "tls", 2)
	if slices.ContainsFunc(r.heard(), func(u bgp.Update) bool { return u.Peer.Collector != "core1" }) {
		t.Error("somebody else was heard")
	}
}

// certificate makes a certificate for 127.0.0.1, signed by ca or by itself, and
// writes it and its key to dir.
func certificate(t *testing.T, dir, name string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: ca == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if ca == nil {
		ca, caKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, ca, &key.PublicKey, caKey)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, name+".crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(filepath.Join(dir, name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	out, err := x509.ParseCertificate(der)
	must(t, err)
	return out, key
}
