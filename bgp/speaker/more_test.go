package speaker

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/rib"
	"depeer/bgp/wire"
)

// TestRefresh: routes of a watchlist that was replaced are asked for again.
func TestRefresh(t *testing.T) {
	r := start(t, testConfig(here), nil)
	x := r.dial(bgptest.Speaker{})
	r.until("PeerUp", 0, kind(bgp.PeerUp))
	fresh := prefixes("198.51.100.0/24")
	must(t, x.Announce(bgp.PathOf(theirASN, 3356), fresh...), x.Announce(bgp.PathOf(theirASN, 3356), prefixes("10.1.0.0/16")...))
	r.until("the watched one", 0, kind(bgp.Announce))
	r.watch.Replace(wire.List{Prefixes: append(fresh, watched...)})
	for _, afi := range []byte{1, 2} {
		_, err := x.WaitFor(r.ctx, func(m bgptest.Message) bool {
			return m.Type == wire.TypeRouteRefresh && len(m.Body) == 4 && m.Body[1] == afi && m.Body[3] == 1
		})
		must(t, err)
	}
	must(t, x.Announce(bgp.PathOf(theirASN, 3356), fresh...))
	r.until("the one newly watched", 0, func(u bgp.Update) bool { return u.Prefix == fresh[0] })
	if n := r.count("refreshes", ""); n != 2 {
		t.Errorf("%v refreshes, want one for each family", n)
	}
}

// TestGracefulRestart: a router that restarts and brings back all but one of its
// routes has lost that one, and nothing else, as the table sees it.
func TestGracefulRestart(t *testing.T) {
	r := start(t, testConfig(here), nil)
	path := bgp.PathOf(theirASN, 3356)
	x := r.dial(bgptest.Speaker{Graceful: true})
	must(t, x.Announce(path, prefixes("10.1.0.0/16", "10.2.0.0/16")...), x.EndOfRIB(false), x.EndOfRIB(true))
	r.until("End-of-RIB", 0, func(u bgp.Update) bool { return u.Kind == bgp.EndOfRIB && u.V6 })
	// It comes back before anybody noticed that it was gone (RFC 4724 section 4.2).
	y := r.dial(bgptest.Speaker{Graceful: true, Restart: true})
	down := r.until("PeerDown", 0, kind(bgp.PeerDown))
	up := r.until("PeerUp", down, kind(bgp.PeerUp))
	must(t, y.Announce(path, prefixes("10.1.0.0/16")...), y.EndOfRIB(false), y.EndOfRIB(true))
	r.until("End-of-RIB", up, func(u bgp.Update) bool { return u.Kind == bgp.EndOfRIB && u.V6 })
	table := rib.New(time.Minute)
	var lost []string
	for _, u := range r.updates() {
		if u.Kind == bgp.Withdraw {
			t.Errorf("a withdrawal: %v", line(u))
		}
		table.Apply(u, func(c rib.Change) {
			if c.What == rib.Said && c.Old.Node != nil {
				lost = append(lost, c.Entry.Prefix.String())
			}
		})
	}
	if len(lost) != 1 || lost[0] != "10.2.0.0/16" {
		t.Errorf("the table lost %v, want 10.2.0.0/16 alone", lost)
	}
}

// TestRefused: who may not connect does not, and is counted by the reason.
func TestRefused(t *testing.T) {
	cfg := testConfig(here)
	cfg.Dynamic = []Dynamic{{Prefix: netip.MustParsePrefix("127.0.1.0/24"), ASNs: []uint32{theirASN, 64501}, MaxPeers: 1}}
	r := start(t, cfg, nil)
	other := netip.MustParseAddr("127.0.9.9")
	if _, err := r.tryDial(bgptest.Speaker{Local: other}, patience); err == nil {
		t.Error("a stranger got in")
	}
	var no bgptest.Refused
	if _, err := r.tryDial(bgptest.Speaker{ASN: 64777}, patience); !errors.As(err, &no) || no.Code != 2 || no.Subcode != 2 {
		t.Errorf("another AS number: %v, want 2/2", err)
	}
	eventually(t, "refusal", func() bool { return r.count("refused", refusedASN) == 1 })
	r.dial(bgptest.Speaker{Local: netip.MustParseAddr("127.0.1.1"), ASN: 64501})
	r.until("PeerUp of the range", 0, kind(bgp.PeerUp))
	if _, err := r.tryDial(bgptest.Speaker{Local: netip.MustParseAddr("127.0.1.2")}, patience); !errors.As(err, &no) || no.Code != 6 {
		t.Errorf("one more than max_peers: %v", err)
	}
	r.dial(bgptest.Speaker{})
	r.until("PeerUp", 0, func(u bgp.Update) bool { return u.Kind == bgp.PeerUp && u.Peer.Addr == here })
	if _, err := r.tryDial(bgptest.Speaker{}, patience); !errors.As(err, &no) || no.Code != 6 {
		t.Errorf("a second connection: %v", err)
	}
	for _, reason := range []string{refusedUnknown, refusedASN, refusedFull, refusedConnected} {
		if n := r.count("refused", reason); n != 1 {
			t.Errorf("refused %s %v, want 1", reason, n)
		}
	}
	h := r.s.Health(time.Now())
	if !h.Ready || len(h.Sessions) != 2 || !h.Sessions[0].Up {
		t.Errorf("health %+v", h)
	}
}

// TestHealth: not ready, and why.
func TestHealth(t *testing.T) {
	r := start(t, testConfig(here), nil)
	h := r.s.Health(time.Now())
	if want := "1 of 1 neighbours are not established: 127.0.0.1 AS64500"; h.Ready || h.Reason != want {
		t.Errorf("ready %v: %q, want %q", h.Ready, h.Reason, want)
	}
	x := r.dial(bgptest.Speaker{})
	r.until("PeerUp", 0, kind(bgp.PeerUp))
	if h = r.s.Health(time.Now()); !h.Ready || h.Reason != "" {
		t.Errorf("ready %v: %q", h.Ready, h.Reason)
	}
	must(t, x.Close(bgp.Cause{Code: 6, Subcode: 2, Text: "bye"}))
	r.until("PeerDown", 0, kind(bgp.PeerDown))
	eventually(t, "reason", func() bool {
		h = r.s.Health(time.Now())
		return !h.Ready && h.Sessions[0].Reason == "cease, administrative shutdown: bye"
	})
}

// TestHoldTime: a session without one is refused, for its end would not be seen.
func TestHoldTime(t *testing.T) {
	r := start(t, testConfig(here), nil)
	var no bgptest.Refused
	if _, err := r.tryDial(bgptest.Speaker{Hold: -1}, patience); !errors.As(err, &no) || no.Code != 2 || no.Subcode != 6 {
		t.Errorf("%v, want 2/6", err)
	}
}

// TestIPv6Transport: and long messages (RFC 8654) over it.
func TestIPv6Transport(t *testing.T) {
	at := netip.IPv6Loopback()
	r := start(t, testConfig(at), nil)
	x := r.dial(bgptest.Speaker{Local: at, Extended: true, AddPath: true})
	r.until("PeerUp", 0, kind(bgp.PeerUp))
	body := []byte{0, 0, 0, 0}
	for i := range 8000 { // 32,004 octets of withdrawn routes
		body = append(body[:2+4*i], 24, 10, byte(i>>8), byte(i))
	}
	body = append(body, 0, 0)
	body[0], body[1] = byte(4*8000>>8), byte(4*8000&255)
	must(t, x.Send(bgptest.RawMessage(wire.TypeUpdate, body)))
	eventually(t, "long message", func() bool { return r.count("withdrawn", "") == 8000 })
}

// TestConfig: what is wrong is told, all of it.
func TestConfig(t *testing.T) {
	good := testConfig(here)
	must(t, good.Validate())
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Name = "A b" }, `name: "A b" is not 1 to 32 of a-z, 0-9 and -`},
		{func(c *Config) { c.Listen = []string{"localhost:179"} }, `listen[0]: "localhost:179" has no address before the port`},
		{func(c *Config) { c.ASN = 23456 }, "asn: 23456 is no AS number that can be used"},
		{func(c *Config) { c.RouterID = at6 }, "router_id: ::1 is not an IPv4 address"},
		{func(c *Config) { c.HoldTime = time.Second }, "hold_time: 1s is not a whole number of seconds from 3s to 65535s"},
		{func(c *Config) { c.Peers[0].ASN = 0 }, "peers[0].asn: 0 is no AS number that can be used"},
		{func(c *Config) { c.Peers = append(c.Peers, c.Peers[0]) }, "peers[1].address: 127.0.0.1 is also peers[0].address"},
		{func(c *Config) { c.Peers[0].TTLSecurity = 300 }, "peers[0].ttl_security: 300 is not a number of hops from 1 to 254, or 0"},
		{func(c *Config) { c.Dynamic = []Dynamic{{Prefix: netip.MustParsePrefix("127.1.0.0/16")}} }, "dynamic[0].asns: no AS number is given, and accepting any is not possible"},
		{func(c *Config) {
			c.Dynamic = []Dynamic{{Prefix: netip.MustParsePrefix("127.0.0.0/16"), ASNs: []uint32{1}, Password: "x"}}
		}, "peers[0].password: none is given, and 127.0.0.1 lies in dynamic[0].prefix 127.0.0.0/16, which has one"},
	} {
		cfg := testConfig(here)
		c.change(&cfg)
		if err := cfg.Validate(); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
	if err := (Config{}).Validate(); strings.Count(err.Error(), "\n") < 5 {
		t.Errorf("not all faults are told: %v", err)
	}
}

var at6 = netip.IPv6Loopback()

// TestHeld holds the set of routes against a map.
func TestHeld(t *testing.T) {
	h, m := newHeld(), map[wire.Prefix]bool{}
	x := uint64(1)
	for range 200_000 {
		x = x*6364136223846793005 + 1442695040888963407
		p := wire.Prefix{Hi: (x >> 40 % 3000) << 40, Bits: 24, ID: uint32(x >> 33 & 1)}
		if x>>62 == 0 {
			if h.remove(p) != m[p] {
				t.Fatalf("remove %+v", p)
			}
			delete(m, p)
		} else {
			if h.add(p) == m[p] {
				t.Fatalf("add %+v", p)
			}
			m[p] = true
		}
		if h.n != len(m) || h.has(p) != m[p] {
			t.Fatalf("%d held, want %d", h.n, len(m))
		}
	}
}

// FuzzOpen: what a stranger sends first.
func FuzzOpen(f *testing.F) {
	for _, s := range []bgptest.Speaker{{ASN: 64500}, {ASN: 4_200_000_000, AddPath: true, Graceful: true, Restart: true, Extended: true}, {ASN: 1, AS2: true, NoRoute: true, OnlyIPv6: true}} {
		f.Add(s.Open()[wire.HeaderLen:])
	}
	f.Add([]byte{4, 1, 2, 0, 90, 1, 2, 3, 4, 255, 255, 0, 7, 2, 0, 4, 1, 2, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := parseOpen(body)
		if err != nil {
			return
		}
		msg := append(header(wire.TypeOpen), body...)
		if len(msg) > maxMessage {
			return
		}
		longer := withExtended(finish(msg))
		if len(longer) == len(msg) {
			return
		}
		again, err := parseOpen(longer[wire.HeaderLen:])
		o.extended = true
		if err != nil || !reflect.DeepEqual(o, again) {
			t.Errorf("with one capability more: %+v, %v; want %+v", again, err, o)
		}
	})
}

// FuzzReader: whatever comes, however it is cut, gives the same messages.
func FuzzReader(f *testing.F) {
	f.Add(append(bgptest.Speaker{ASN: 1}.Open(), keepalive...), uint8(3))
	f.Add(bgptest.RawMessage(wire.TypeUpdate, []byte{0, 0, 0, 0}), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		all := func(n int) (out []string) {
			r := newReader(&pieces{b, n}, readSize)
			for {
				m, f, err := r.next()
				if err != nil || f != wire.None {
					return append(out, f.String())
				}
				out = append(out, string(m.raw))
			}
		}
		if a, b := all(len(b)+1), all(int(cut)+1); !reflect.DeepEqual(a, b) {
			t.Errorf("%q and %q", a, b)
		}
	})
}

// pieces gives at most n octets at once.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, errors.New("end")
	}
	n := copy(b[:min(len(b), p.n)], p.b)
	p.b = p.b[n:]
	return n, nil
}
