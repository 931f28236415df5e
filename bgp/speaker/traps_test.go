package speaker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
)

// eventually waits for a condition that nothing announces.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		<-tick.C
	}
}

// TestSessionLossIsNoWithdrawal: whatever way a session ends, there is one
// PeerDown with its cause, and not one withdrawal.
func TestSessionLossIsNoWithdrawal(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*bgptest.Session) error
		hold int
		want string
	}{
		{"notification", func(x *bgptest.Session) error { return x.Close(bgp.Cause{Code: 6, Subcode: 4, Text: "new software"}) }, 0, "cease, administrative reset: new software"},
		{"end of the connection", func(x *bgptest.Session) error { return x.Close(bgp.Cause{}) }, 0, "connection "},
		{"reset of the connection", func(x *bgptest.Session) error { return x.Reset() }, 0, "connection reset by the neighbour"},
		{"silence", func(*bgptest.Session) error { return nil }, 3, "hold timer expired: sent by us: hold timer expired"},
		{"another OPEN", func(x *bgptest.Session) error { return x.Send(bgptest.Speaker{ASN: theirASN}.Open()) }, 0, "finite state machine error, subcode 3: sent by us: an OPEN in an established session"},
		{"unknown type", func(x *bgptest.Session) error { return x.Send(bgptest.RawMessage(9, nil)) }, 0, "message header error, subcode 3: sent by us: unknown type of message"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, testConfig(here), nil)
			x := r.dial(bgptest.Speaker{Graceful: true, Hold: c.hold, Mute: c.hold != 0})
			var many []netip.Prefix
			for i := range 1000 {
				many = append(many, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
			}
			must(t, x.Announce(bgp.PathOf(theirASN, 3356), many...), x.EndOfRIB(false))
			r.until("EndOfRIB", 0, kind(bgp.EndOfRIB))
			must(t, c.end(x))
			i := r.until("PeerDown", 0, kind(bgp.PeerDown))
			if got := r.updates()[i].Cause.String(); !strings.HasPrefix(got, c.want) { // closed or, where it left something unread, reset
				t.Errorf("cause %q, want %q", got, c.want)
			}
			for _, u := range r.updates() {
				if u.Kind == bgp.Withdraw {
					t.Fatalf("a lost session withdrew %v", u.Prefix)
				}
			}
		})
	}
}

// TestMD5 proves that TCP MD5 does not fail open: neither for one neighbour nor
// for a range does anybody get in without the key, or with another one.
func TestMD5(t *testing.T) {
	for _, dynamic := range []bool{false, true} {
		t.Run(fmt.Sprintf("dynamic=%v", dynamic), func(t *testing.T) {
			cfg := testConfig(here)
			cfg.Peers[0].Password = "correct horse"
			if dynamic {
				cfg.Peers = nil
				cfg.Dynamic = []Dynamic{{Prefix: netip.MustParsePrefix("127.0.0.0/24"), ASNs: []uint32{theirASN}, Password: "correct horse"}}
			}
			r := start(t, cfg, nil)
			for _, wrong := range []string{"", "battery staple"} {
				if _, err := r.tryDial(bgptest.Speaker{MD5: wrong}, 500*time.Millisecond); err == nil {
					t.Fatalf("a session with key %q came up", wrong)
				} else if !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
					t.Fatalf("key %q: %v, want a time-out: the kernel answers nothing", wrong, err)
				}
			}
			if r.count("md5_dropped", "missing")+r.count("md5_dropped", "wrong") == 0 {
				t.Error("the kernel's count of dropped segments is not told")
			}
			if h := r.s.Health(time.Now()); !dynamic && !strings.Contains(h.Sessions[0].Reason, "check the password") {
				t.Errorf("the session's reason %q does not name the signature", h.Sessions[0].Reason)
			}
			r.dial(bgptest.Speaker{MD5: "correct horse"})
			r.until("PeerUp", 0, kind(bgp.PeerUp))
		})
	}
}

// TestTTLSecurity: what came over too many hops is not heard (RFC 5082).
func TestTTLSecurity(t *testing.T) {
	for _, at := range []netip.Addr{here, netip.IPv6Loopback()} {
		t.Run(at.String(), func(t *testing.T) {
			cfg := testConfig(at)
			cfg.Peers[0].TTLSecurity = 1
			r := start(t, cfg, nil)
			// The OPEN may slip in before the option is set on its connection; what
			// answers ours does not.
			if x, err := r.tryDial(bgptest.Speaker{Local: at, TTL: 254}, 700*time.Millisecond); err == nil {
				ctx, cancel := context.WithTimeout(r.ctx, 500*time.Millisecond)
				_, _ = x.WaitFor(ctx, func(bgptest.Message) bool { return false })
				cancel()
				must(t, x.Reset())
			}
			if n := r.count("established", ""); n != 0 {
				t.Fatal("a session over two hops came up")
			}
			r.dial(bgptest.Speaker{Local: at, TTL: 255})
			r.until("PeerUp", 0, kind(bgp.PeerUp))
		})
	}
}

// TestPlainTCP: the sockets are no multipath sockets, on which MD5 does not work
// (Go makes those by default).
func TestPlainTCP(t *testing.T) {
	l, err := listenOn(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), nil)
	must(t, err)
	defer l.Close()
	raw, err := l.(interface {
		SyscallConn() (syscall.RawConn, error)
	}).SyscallConn()
	must(t, err)
	must(t, plainTCP(raw))
}

// TestTreatAsWithdraw: a malformed UPDATE of that class says nothing, the session
// goes on, and GoBGP never sees it.
func TestTreatAsWithdraw(t *testing.T) {
	r := start(t, testConfig(here), nil)
	x := r.dial(bgptest.Speaker{})
	p := prefixes("10.1.0.0/16")
	must(t, x.Announce(bgp.PathOf(theirASN, 3356), p...))
	bad, err := bgptest.AppendUpdate(nil, bgptest.UpdateMessage{Announce: []bgptest.NLRI{{Prefix: p[0]}}, Path: bgp.PathOf(theirASN, 174),
		NextHop4: netip.MustParseAddr("192.0.2.1")}, x.Encoding)
	must(t, err)
	bad[wire.HeaderLen+4+3] = 9 // ORIGIN (RFC 7606 section 7.1)
	must(t, x.Send(bad), x.Announce(bgp.PathOf(theirASN, 3356), prefixes("10.2.0.0/16")...))
	r.until("the announcement behind it", 0, func(u bgp.Update) bool { return u.Prefix == netip.MustParsePrefix("10.2.0.0/16") })
	for _, u := range r.updates() {
		if u.Kind == bgp.Withdraw || u.Kind == bgp.PeerDown || u.Kind == bgp.Announce && u.Path.String() == "64500 174" {
			t.Errorf("a malformed UPDATE gave %s", line(u))
		}
	}
	if n := r.count("malformed", "bad-origin"); n != 1 {
		t.Errorf("malformed bad-origin %v, want 1", n)
	}
	if n := r.count("gobgp_refused", ""); n != 0 {
		t.Errorf("GoBGP saw %v malformed UPDATEs", n)
	}
}

// TestSessionReset: after an UPDATE whose routes cannot be told, the session ends
// with the NOTIFICATION of RFC 4271 section 6.3.
func TestSessionReset(t *testing.T) {
	for _, c := range []struct {
		name    string
		body    []byte
		code    uint8
		subcode uint8
	}{
		{"length fields", []byte{0, 200, 0, 0}, 3, 1},
		{"prefix", []byte{0, 2, 77, 10, 0, 0}, 3, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, testConfig(here), nil)
			x := r.dial(bgptest.Speaker{})
			must(t, x.Send(bgptest.RawMessage(wire.TypeUpdate, c.body)))
			i := r.until("PeerDown", 0, kind(bgp.PeerDown))
			if got := r.updates()[i].Cause; got.Code != c.code || got.Subcode != c.subcode {
				t.Errorf("cause %+v, want %d/%d", got, c.code, c.subcode)
			}
			m, err := x.WaitFor(r.ctx, func(m bgptest.Message) bool { return m.Type == wire.TypeNotification })
			must(t, err)
			if got := m.Cause(); got.Code != c.code || got.Subcode != c.subcode {
				t.Errorf("the router got %+v, want %d/%d", got, c.code, c.subcode)
			}
		})
	}
}

// TestOwnAS: a path with our own AS in it is told as any other.
func TestOwnAS(t *testing.T) {
	r := start(t, testConfig(here), nil)
	x := r.dial(bgptest.Speaker{})
	must(t, x.Announce(bgp.PathOf(theirASN, ourASN, 64510), prefixes("10.1.0.0/16")...))
	i := r.until("announcement", 0, kind(bgp.Announce))
	if got := r.updates()[i].Path.String(); got != "64500 64512 64510" {
		t.Errorf("path %q", got)
	}
}

// TestMaxPrefixes: a warning, then the end, then a while of refusal. A prefix
// that is announced again, or was withdrawn, does not count.
func TestMaxPrefixes(t *testing.T) {
	cfg := testConfig(here)
	cfg.Peers[0].MaxPrefixes = 10
	r := start(t, cfg, nil)
	x := r.dial(bgptest.Speaker{})
	path := bgp.PathOf(theirASN, 3356)
	list := func(from, n int) (out []netip.Prefix) {
		for i := range n {
			out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(from + i), 0}), 24)) // not watched: they count too
		}
		return out
	}
	for range 5 {
		must(t, x.Announce(path, list(0, 9)...))
	}
	must(t, x.Withdraw(list(0, 9)...), x.Announce(path, list(20, 10)...))
	eventually(t, "warning", func() bool { return r.count("prefix_warnings", "") == 1 })
	if n := r.count("down", "cease, maximum number of prefixes reached"); n != 0 {
		t.Fatal("the session ended at its limit, not beyond it")
	}
	must(t, x.Announce(path, list(40, 1)...))
	i := r.until("PeerDown", 0, kind(bgp.PeerDown))
	if got := r.updates()[i].Cause; got.Code != 6 || got.Subcode != 1 {
		t.Errorf("cause %+v, want 6/1 (RFC 4486)", got)
	}
	_, err := r.tryDial(bgptest.Speaker{}, patience)
	var refused bgptest.Refused
	if !errors.As(err, &refused) || refused.Code != 6 || refused.Subcode != 5 {
		t.Errorf("it came back at once: %v", err)
	}
	if n := r.count("refused", refusedIdle); n != 1 {
		t.Errorf("refused idle-hold %v, want 1", n)
	}
}

// TestLimitIsLinear: GoBGP counts by walking its table, at a cost that grows with
// the square of what a peer announces. Ours costs the same for each prefix.
func TestLimitIsLinear(t *testing.T) {
	h := newHeld()
	cost := func(n int) time.Duration {
		began := time.Now()
		for i := range n {
			h.add(wire.Prefix{Hi: uint64(i) << 40, Bits: 24})
		}
		return time.Since(began)
	}
	cost(1000)
	h = newHeld()
	small := cost(100_000)
	h = newHeld()
	large := cost(1_600_000)
	if h.n != 1_600_000 {
		t.Fatalf("%d held", h.n)
	}
	if large > 16*8*small { // sixteen times the prefixes; a square would be 256 times
		t.Errorf("100,000 prefixes took %v, 1,600,000 took %v", small, large)
	}
}

// TestBackPressure: while emit blocks, memory does not grow and the router's
// socket fills, the session stays, and nothing is lost.
func TestBackPressure(t *testing.T) {
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	cfg := testConfig(here)
	cfg.HoldTime = 3 * time.Second
	r := start(t, cfg, func(us []bgp.Update) error {
		for _, u := range us {
			if u.Kind == bgp.Announce {
				<-gate
				break
			}
		}
		return nil
	})
	t.Cleanup(open) // before the speaker is stopped
	x := r.dial(bgptest.Speaker{Hold: 3})
	const lots, chunk = 20_000, 50 // watched
	const filler = 16_000          // messages that nobody watches: more than all socket buffers hold
	number := func(k int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(k >> 16), byte(k >> 8), byte(k)}), 32)
	}
	var stuff []bgptest.NLRI
	for i := range 800 {
		stuff = append(stuff, bgptest.NLRI{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16 + byte(i>>8), byte(i), 0}), 24)})
	}
	fill, err := bgptest.AppendUpdate(nil, bgptest.UpdateMessage{Announce: stuff, Path: bgp.PathOf(theirASN, 174), NextHop4: netip.MustParseAddr("192.0.2.1")}, x.Encoding)
	must(t, err)
	const total = lots + 1
	sent := make(chan error, 1)
	progress := make(chan int, lots+filler)
	go func() {
		for i := 0; i < lots; i += chunk {
			var list []netip.Prefix
			for j := range chunk {
				list = append(list, number(i+j))
			}
			if err := x.Announce(bgp.PathOf(theirASN, 3356, uint32(64600+i%100)), list...); err != nil {
				sent <- err
				return
			}
		}
		for i := range filler {
			if err := x.Send(fill); err != nil {
				sent <- err
				return
			}
			progress <- i
		}
		sent <- x.Announce(bgp.PathOf(theirASN, 3356), number(lots))
	}()
	// The sender stands still for longer than the hold time, and the session lives.
	// (Its KEEPALIVEs wait behind the UPDATEs, in a socket that nobody reads.)
	last, still := -1, time.NewTimer(4*time.Second)
	defer still.Stop()
	for stuck := false; !stuck; {
		select {
		case last = <-progress:
			still.Reset(4 * time.Second)
		case err := <-sent:
			t.Fatalf("everything was taken while nobody took it: %v", err)
		case <-still.C:
			stuck = true
		}
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 64<<20 {
		t.Errorf("%d MB of heap while nobody takes anything", m.HeapAlloc>>20)
	}
	t.Logf("the sender stood still at message %d of %d with %d MB of heap", last, filler, m.HeapAlloc>>20)
	open()
	must(t, <-sent)
	n, to := 0, number(lots)
	r.until("last announcement", 0, func(u bgp.Update) bool {
		if u.Kind == bgp.Announce {
			n++
		}
		return u.Prefix == to || u.Kind == bgp.PeerDown
	})
	if n != total {
		t.Errorf("%d of %d announcements", n, total)
	}
	if r.count("held_seconds", "") < 3 || r.count("keepalives_injected", "") == 0 {
		t.Errorf("held for %v s, %v KEEPALIVEs injected", r.count("held_seconds", ""), r.count("keepalives_injected", ""))
	}
}

// TestNothingAnnounced: GoBGP, were it to have a route, could not send it.
func TestNothingAnnounced(t *testing.T) {
	for _, c := range []struct {
		name string
		body []byte
		want bool
	}{
		{"End-of-RIB IPv4", []byte{0, 0, 0, 0}, true},
		{"End-of-RIB IPv6", []byte{0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1}, true},
		{"End-of-RIB IPv6, extended length", []byte{0, 0, 0, 7, 0x90, 15, 0, 3, 0, 2, 1}, true},
		{"withdrawal", []byte{0, 2, 8, 10, 0, 0}, false},
		{"NLRI", []byte{0, 0, 0, 0, 8, 10}, false},
		{"withdrawal IPv6", []byte{0, 0, 0, 8, 0x80, 15, 5, 0, 2, 1, 8, 0x20}, false},
		{"MP_REACH", []byte{0, 0, 0, 6, 0x80, 14, 3, 0, 2, 1}, false},
		{"short", []byte{0, 0, 0}, false},
	} {
		if got := isEndOfRIB(c.body); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	cfg := testConfig(here)
	cfg.Peers = nil
	cfg.Dynamic = []Dynamic{{Prefix: netip.MustParsePrefix("127.0.0.0/8"), ASNs: []uint32{theirASN, 64501}}}
	r := start(t, cfg, nil)
	a := r.dial(bgptest.Speaker{Graceful: true})
	b := r.dial(bgptest.Speaker{Graceful: true, ASN: 64501, Local: netip.MustParseAddr("127.0.0.2")})
	must(t, a.Announce(bgp.PathOf(theirASN, 3356), prefixes("10.1.0.0/16", "2001:db8:1::/48")...), a.EndOfRIB(false))
	r.until("EndOfRIB", 0, kind(bgp.EndOfRIB))
	must(t, b.Send(bgptest.RawMessage(wire.TypeRouteRefresh, []byte{0, 1, 0, 1})), b.Send(bgptest.RawMessage(wire.TypeKeepalive, nil)))
	eventually(t, "route refresh", func() bool { return r.count("messages", "route-refresh") == 1 })
	r.stop()
	for _, x := range []*bgptest.Session{a, b} {
		_, _ = x.WaitFor(context.Background(), func(bgptest.Message) bool { return false }) // all there was
		for _, m := range x.Received() {
			if m.Type == wire.TypeUpdate && !isEndOfRIB(m.Body) {
				t.Errorf("a router was sent an UPDATE: %x", m.Body)
			}
		}
	}
	if n := r.count("suppressed", ""); n != 0 {
		t.Errorf("GoBGP tried to announce %v times", n)
	}
}
