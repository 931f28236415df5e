package bmp

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
)

var one = bgp.PathOf(64500, 3549, 26780)

const who = "core1/192.0.2.7 AS64500 "

// Every reason of a Peer Down (RFC 7854 section 4.9, RFC 9069 section 5.4).
func TestPeerDownReasons(t *testing.T) {
	note := func(code, subcode byte, data ...byte) []byte {
		return bgptest.AppendBMPNotification(nil, code, subcode, data)
	}
	hard := append([]byte{6, 4}, bgptest.ShutdownText("maintenance")...)
	for _, tt := range []struct {
		reason byte
		data   []byte
		want   string
		cause  bgp.Cause
	}{
		{1, note(4, 0), "peer-down", bgp.Cause{Code: 4}},
		{1, note(6, 4, bgptest.ShutdownText("line\nbroken \xff")...), "peer-down", bgp.Cause{Code: 6, Subcode: 4, Text: "line broken"}},
		{1, nil, "peer-down", bgp.Cause{Text: "closed by the router with a notification"}},
		{2, []byte{0, 18}, "peer-down", bgp.Cause{Text: "closed by the router, event 18 (TcpConnectionFails)"}},
		{2, []byte{0, 0}, "peer-down", bgp.Cause{Text: "closed by the router"}},
		{2, []byte{1, 0}, "peer-down", bgp.Cause{Text: "closed by the router, event 256"}},
		{3, note(6, 2, bgptest.ShutdownText("goodbye")...), "peer-down", bgp.Cause{Code: 6, Subcode: 2, Text: "goodbye"}},
		{3, note(6, 2, 200, 'x'), "peer-down", bgp.Cause{Code: 6, Subcode: 2}},
		{3, note(6, 9, hard...), "peer-down", bgp.Cause{Code: 6, Subcode: 9, Text: "maintenance"}},
		{4, nil, "peer-down", bgp.Cause{Text: "closed by the peer without a notification"}},
		{5, nil, "unheard", bgp.Cause{Text: "the router no longer reports this peer"}},
		{9, nil, "peer-down", bgp.Cause{Text: "reason 9"}},
	} {
		t.Run(tt.want+" "+tt.cause.String(), func(t *testing.T) {
			r := start(t, nil)
			x := r.dial("core1")
			must(t, x.Up(peerOne), x.Update(peerOne, announce(one, mccolo)), x.Down(peerOne, tt.reason, tt.data))
			u := r.saw(who + tt.want + ": " + tt.cause.String())
			if u.Cause != tt.cause {
				t.Errorf("cause %+v, want %+v", u.Cause, tt.cause)
			}
			// What the router says of a peer that is down is not believed.
			must(t, x.Update(peerOne, withdraw(mccolo)))
			r.counted("ignored", "no-peer-up", 1)
		})
	}
}

// The router's own table, and what it tells others.
func TestLocRIBAndAdjRIBOut(t *testing.T) {
	r := start(t, func(c *Config) {
		c.Views = []string{"adj-rib-out", "loc-rib"}
		c.Routers = []Router{{Address: netip.MustParseAddr("127.0.0.1"), Name: "edge.1"}}
	})
	x := r.dial("core1") // who is configured is called what the configuration says
	loc := bgptest.BMPPeer{Type: bgptest.BMPLocRIB, Flags: 0x80, ASN: 64999}
	out := peerOne
	out.Flags = bgptest.BMPFlagOut | bgptest.BMPFlagPost
	must(t, x.Up(peerOne), x.Up(loc),
		x.Update(peerOne, announce(one, other)), // Adj-RIB-In: not asked for
		x.Update(loc, announce(bgp.PathOf(64500, 26780), mccolo)), x.EndOfRIB(loc, false),
		x.Update(out, announce(bgp.PathOf(64999, 64500, 26780), mccolo)),
		x.Down(loc, 6, []byte{0, 3, 0, 6, 'g', 'l', 'o', 'b', 'a', 'l'}))
	r.expect(
		"edge.1/127.0.0.1 AS64999 peer-up",
		"edge.1/127.0.0.1 AS64999 announce 208.66.192.0/22 64500 26780",
		"edge.1/127.0.0.1 AS64999 end-of-rib",
		"edge.1/192.0.2.7 AS64999 peer-up",
		"edge.1/192.0.2.7 AS64999 announce 208.66.192.0/22 64999 64500 26780",
		"edge.1/127.0.0.1 AS64999 peer-down: closed by the router, table global")
	r.counted("ignored", "view", 1)
}

// GoBGP reports its Loc-RIB without a Peer Up.
func TestLocRIBWithoutPeerUp(t *testing.T) {
	r := start(t, func(c *Config) { c.Views = []string{"loc-rib"} })
	x := r.dial("gobgp1")
	loc := bgptest.BMPPeer{Type: bgptest.BMPLocRIB, ASN: 64999}
	must(t, x.Update(loc, announce(one, mccolo)))
	r.expect("gobgp1/127.0.0.1 AS64999 peer-up", "gobgp1/127.0.0.1 AS64999 announce 208.66.192.0/22 64500 3549 26780")
	r.counted("implied_peer_ups", "", 1)
}

// ADD-PATH in one direction only, AS numbers of two octets, a VRF, an unknown type.
func TestHowUpdatesAreRead(t *testing.T) {
	r := start(t, nil)
	x := r.dial("core1")
	local := netip.MustParseAddr("192.0.2.99")
	up := func(p bgptest.BMPPeer, sent, received byte) error {
		return x.Send(bgptest.AppendBMPPeerUp(nil, p, local, bgptest.BMPCapabilities{ASN: 64999, AddPath4: sent, AddPath6: sent},
			bgptest.BMPCapabilities{ASN: p.ASN, AddPath4: received, AddPath6: received, Extended: true}))
	}
	route := func(p bgptest.BMPPeer, id uint32, e bgptest.Encoding, prefix netip.Prefix) error {
		m := announce(bgp.PathOf(p.ASN, 26780), prefix)
		m.Announce[0].PathID = id
		b, err := bgptest.AppendUpdate(nil, m, e)
		if err != nil {
			return err
		}
		return x.Send(bgptest.AppendBMPRoute(nil, p, b))
	}
	two := bgptest.BMPPeer{Addr: netip.MustParseAddr("192.0.2.8"), ASN: 64501, Flags: bgptest.BMPFlagAS2}
	vrf := bgptest.BMPPeer{Type: bgptest.BMPVRF, Distinguisher: 64999<<32 | 7, Addr: peerOne.Addr, ASN: 64500}
	local2 := vrf
	local2.Type = bgptest.BMPLocal
	must(t,
		up(peerOne, 1, 2), route(peerOne, 5, bgptest.Encoding{AddPath: true}, mccolo), // it receives, the peer sends
		up(peerSix, 2, 1), route(peerSix, 0, bgptest.Encoding{}, six), // the other way round: not from the peer
		up(two, 0, 0), route(two, 0, bgptest.Encoding{AS2: true}, other),
		up(vrf, 0, 0), route(vrf, 0, bgptest.Encoding{}, other), up(local2, 0, 0), route(local2, 0, bgptest.Encoding{}, other),
		x.Send(bgptest.AppendBMP(nil, 200, []byte("whatever"))),
		x.Down(two, 4, nil))
	r.expect(
		"core1/192.0.2.7 AS64500 peer-up", "core1/192.0.2.7 AS64500 announce 208.66.192.0/22 path 5 64500 26780",
		"core1/2001:db8::7 AS4200000007 peer-up", "core1/2001:db8::7 AS4200000007 announce 2001:db8:7::/48 4200000007 26780",
		"core1/192.0.2.8 AS64501 peer-up", "core1/192.0.2.8 AS64501 announce 198.51.100.0/24 64501 26780",
		"core1/192.0.2.8 AS64501 peer-down: closed by the peer without a notification")
	r.counted("ignored", "vrf", 4)
	r.counted("messages", "other", 1)
}

// What a router says about time is believed within reason.
func TestStamps(t *testing.T) {
	r := start(t, nil)
	x := r.dial("core1")
	must(t, x.Up(peerOne), x.EndOfRIB(peerOne, false))
	up := r.saw(who + "end-of-rib")
	stamped := func(at time.Time, p netip.Prefix) time.Time {
		t.Helper()
		peer := peerOne
		peer.At = at
		b, err := bgptest.AppendUpdate(nil, announce(one, p), bgptest.Encoding{})
		must(t, err, x.Send(bgptest.AppendBMPRoute(nil, peer, b)))
		return r.saw(who + "announce " + p.String() + " 64500 3549 26780").At
	}
	sub := func(i byte) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, i, 0}), 24) }
	arrived := func(name string, at time.Time) {
		t.Helper()
		if d := time.Since(at); d < 0 || d > patience {
			t.Errorf("%s: %s is not when it arrived", name, at)
		}
	}
	now := time.Now().Truncate(time.Microsecond)
	arrived("none", stamped(time.Time{}, sub(1)))
	arrived("an hour ahead", stamped(now.Add(time.Hour), sub(2)))
	arrived("an hour old", stamped(now.Add(-time.Hour), sub(3)))
	arrived("the router's uptime", stamped(time.Unix(86400, 5000), sub(4)))
	ahead := time.Now().Add(3 * time.Second).Truncate(time.Microsecond)
	if got := stamped(ahead, sub(5)); !got.Equal(ahead) {
		t.Errorf("%s became %s", ahead, got)
	}
	if got := stamped(up.At, sub(6)); !got.Equal(ahead) {
		t.Errorf("%s, before what was said last (%s), became %s", up.At, ahead, got)
	}
	h := r.station.Health(time.Now())
	for reason, want := range map[string]float64{"none": 1, "future": 1, "old": 2} {
		if n := count(h, "stamps", reason); n != want {
			t.Errorf("stamps %s: %v, want %v", reason, n, want)
		}
	}
	if count(h, "stamps", "out-of-order") < 1 {
		t.Error("nothing was out of order")
	}
}

// Statistics are the router's own words; they keep a peer heard.
func TestStatistics(t *testing.T) {
	r := start(t, nil)
	x := r.dial("core1")
	must(t, x.Up(peerOne), x.Up(peerSix),
		x.Send(bgptest.AppendBMPStats(nil, peerOne, bgptest.BMPStat{Type: 0, Value: 3}, bgptest.BMPStat{Type: 7, Value: 1_000_000, Gauge: true})),
		x.Send(bgptest.AppendBMPStats(nil, peerSix, bgptest.BMPStat{Type: 7, Value: 5, Gauge: true}, bgptest.BMPStat{Type: 40, Value: 1}, bgptest.BMPStat{Type: 999, Value: 1})),
		x.Send(bgptest.AppendBMPStats(nil, peerOne, bgptest.BMPStat{Type: 0, Value: 4})))
	r.counted("messages", "statistics", 3)
	r.counted("router_stats", "core1 rejected-by-policy", 4)
	r.counted("router_stats", "core1 routes-adj-rib-in", 1_000_005)
	r.counted("router_stats", "core1 type-40", 1)
	must(t, x.Down(peerSix, 4, nil))
	r.counted("router_stats", "core1 routes-adj-rib-in", 1_000_000)
}

// A router that lost what it was to mirror: a gap, which the next word ends.
func TestMirroringLost(t *testing.T) {
	r := start(t, nil)
	x := r.dial("core1")
	must(t, x.Up(peerOne), x.Update(peerOne, announce(one, mccolo)), x.EndOfRIB(peerOne, false), x.EndOfRIB(peerOne, true),
		x.Send(bgptest.AppendBMPLost(nil, peerOne)))
	r.saw(who + "unheard: the router lost messages that it was to mirror")
	if got := holds(r.heard(), 0, mccolo); len(got) != 0 {
		t.Errorf("after the gap: %v", got)
	}
	must(t, x.Update(peerOne, announce(one, other)))
	r.saw(who + "announce 198.51.100.0/24 64500 3549 26780")
	if got := holds(r.heard(), 0, mccolo); len(got) != 1 || got[0] != "AS64500 64500 3549 26780" {
		t.Errorf("heard again: %v", got)
	}
}

// What cannot be read is counted and withdraws nothing; the connection goes on.
func TestMalformed(t *testing.T) {
	r := start(t, nil)
	x := r.dial("core1")
	good, err := bgptest.AppendUpdate(nil, announce(one, other), bgptest.Encoding{})
	must(t, err)
	torn := append([]byte(nil), good...)
	binary.BigEndian.PutUint16(torn[16:], uint16(len(torn)+1))
	noHop := withoutNextHop(t, good)
	must(t, x.Up(peerOne), x.Update(peerOne, announce(one, mccolo)),
		x.Send(bgptest.AppendBMPRoute(nil, peerOne, torn)),
		x.Send(bgptest.AppendBMPRoute(nil, peerOne, noHop)), // before the policy: the peer's fault
		x.Send(bgptest.AppendBMPRoute(nil, peerOne, bgptest.AppendBMPNotification(nil, 6, 2, nil))),
		x.Send(bgptest.AppendBMPRoute(nil, peerOne, append(append([]byte(nil), good...), 1, 2, 3))),
		x.Send(bgptest.AppendBMP(nil, bgptest.BMPPeerUp, bgptest.AppendBMPPeer(nil, peerSix))),
		x.Send(bgptest.AppendBMP(nil, bgptest.BMPRouteMonitoring, make([]byte, 41))),
		x.Send(bgptest.AppendBMP(nil, bgptest.BMPStatistics, append(bgptest.AppendBMPPeer(nil, peerOne), 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1))),
		x.Send(bgptest.AppendBMP(nil, bgptest.BMPPeerDown, bgptest.AppendBMPPeer(nil, peerOne))),
		x.Update(peerOne, withdraw(mccolo)))
	r.expect(who+"peer-up", who+"announce 208.66.192.0/22 64500 3549 26780", who+"withdraw 208.66.192.0/22")
	h := r.station.Health(time.Now())
	for reason, want := range map[string]float64{"bgp-message": 2, "missing-attribute": 1, "not-an-update": 1, "peer-up": 1,
		"peer-header": 1, "statistics": 1, "peer-down": 1} {
		if n := count(h, "malformed", reason); n != want {
			t.Errorf("malformed %s: %v, want %v", reason, n, want)
		}
	}
}

// A table that FRR wrote without a next hop (RFC 8950) is a table all the same.
func TestNoNextHop(t *testing.T) {
	r := start(t, func(c *Config) { c.Views = []string{"adj-rib-in-post"} })
	x := r.dial("frr1")
	post := peerOne
	post.Flags = bgptest.BMPFlagPost
	b, err := bgptest.AppendUpdate(nil, announce(one, mccolo), bgptest.Encoding{})
	must(t, err, x.Up(post), x.Send(bgptest.AppendBMPRoute(nil, post, withoutNextHop(t, b))), x.Send(bgptest.AppendBMPRoute(nil, post, withoutNextHop(t, b))))
	r.expect("frr1/192.0.2.7 AS64500 peer-up", "frr1/192.0.2.7 AS64500 announce 208.66.192.0/22 64500 3549 26780",
		"frr1/192.0.2.7 AS64500 announce 208.66.192.0/22 64500 3549 26780")
	r.counted("no_next_hop", "", 2)
}

func withoutNextHop(t *testing.T, update []byte) []byte {
	t.Helper()
	i := strings.Index(string(update), "\x40\x03\x04")
	if i < 0 {
		t.Fatal("no NEXT_HOP")
	}
	out := append(append([]byte(nil), update[:i]...), update[i+7:]...)
	binary.BigEndian.PutUint16(out[16:], uint16(len(out)))
	binary.BigEndian.PutUint16(out[21:], binary.BigEndian.Uint16(out[21:])-7)
	return out
}

// FRR reports its neighbours' paths as if it sent them on.
func TestOwnASIsTakenOff(t *testing.T) {
	r := start(t, nil)
	x := r.dial("frr1")
	x.Local = 64999
	must(t, x.Up(peerOne), x.Update(peerOne, announce(bgp.PathOf(64999, 64500, 26780), mccolo, other)),
		x.Update(peerOne, announce(bgp.PathOf(64999, 64501, 26780), six))) // a loop, or a route server: as it was said
	r.expect("frr1/192.0.2.7 AS64500 peer-up",
		"frr1/192.0.2.7 AS64500 announce 208.66.192.0/22 64500 26780",
		"frr1/192.0.2.7 AS64500 announce 198.51.100.0/24 64500 26780",
		"frr1/192.0.2.7 AS64500 announce 2001:db8:7::/48 64999 64501 26780")
	r.counted("own_as_stripped", "", 1)
}

// A Peer Up that nobody announced a Peer Down for: the same once more, another session,
// and another AS at the same address.
func TestPeerUpOverPeerUp(t *testing.T) {
	r := start(t, nil)
	x := r.dial("core1")
	must(t, x.Up(peerOne), x.Update(peerOne, announce(one, mccolo)), x.Up(peerOne))
	r.counted("ignored", "repeated-peer-up", 1)
	another := peerOne
	another.ASN = 64501
	must(t, x.Send(bgptest.AppendBMPPeerUp(nil, peerOne, netip.MustParseAddr("192.0.2.98"), bgptest.BMPCapabilities{ASN: 64999}, bgptest.BMPCapabilities{ASN: 64500})),
		x.Up(another), x.EndOfRIB(another, false))
	r.expect(who+"peer-up", who+"announce 208.66.192.0/22 64500 3549 26780", who+"peer-up",
		who+"peer-down: another session came up in its place",
		"core1/192.0.2.7 AS64501 peer-up", "core1/192.0.2.7 AS64501 end-of-rib")
	r.counted("peers", "", 1)
}
