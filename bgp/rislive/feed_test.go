package rislive

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
)

var (
	peerA = netip.MustParseAddr("192.0.2.1")
	peerB = netip.MustParseAddr("192.0.2.2")
)

// said is a message of a peer of rrc21, a moment ago.
func said(peer netip.Addr, change func(*bgptest.RISMessage)) bgptest.RISMessage {
	m := bgptest.RISMessage{At: time.Now().Truncate(time.Microsecond), Host: "rrc21.ripe.net", Peer: peer, ASN: 64500, Type: "UPDATE"}
	change(&m)
	return m
}

func announce(peer netip.Addr, prefix string, path ...uint32) bgptest.RISMessage {
	return said(peer, func(m *bgptest.RISMessage) {
		m.Path = bgp.PathOf(path...)
		m.Announce = []bgptest.RISAnnouncement{{NextHop: peer.String(), Prefixes: []netip.Prefix{netip.MustParsePrefix(prefix)}}}
	})
}

func withdraw(peer netip.Addr, prefix string) bgptest.RISMessage {
	return said(peer, func(m *bgptest.RISMessage) { m.Withdraw = []netip.Prefix{netip.MustParsePrefix(prefix)} })
}

func state(peer netip.Addr, typ, s string) bgptest.RISMessage {
	return said(peer, func(m *bgptest.RISMessage) { m.Type, m.State = typ, s })
}

// Who subscribes by AS alone hears routes come and never go: the withdrawal names
// no AS. What was announced is subscribed to before that.
func TestWithdrawalOfALearnedPrefix(t *testing.T) {
	s := testServer(t)
	r := run(t, s, testConfig(s.URL()), wire.NewShared(wire.List{ASNs: []uint32{26780}}), nil)
	r.subscribed("|UPDATE|||\"26780\"||true|false", "|KEEPALIVE|||||true|false", "|STATE|||||true|false")
	if err := s.Send(announce(peerA, "208.66.192.0/22", 64500, 3549, 26780), announce(peerA, "198.51.100.0/24", 64500, 3549, 7)); err != nil {
		t.Fatal(err)
	}
	r.subscribed("|UPDATE||||\"208.66.192.0/22\"|true|false")
	if err := s.Send(withdraw(peerA, "208.66.192.0/22"), withdraw(peerA, "198.51.100.0/24"), withdraw(peerB, "208.66.193.0/24")); err != nil {
		t.Fatal(err)
	}
	got := brief(r.await("withdrawals", func(l []bgp.Update) bool { return count(l, bgp.Withdraw) == 2 }))
	want := []string{"192.0.2.1 announce 208.66.192.0/22 64500 3549 26780", "192.0.2.1 withdraw 208.66.192.0/22", "192.0.2.2 withdraw 208.66.193.0/24"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if h := r.feed.Health(time.Now()); !h.Ready || len(h.Sessions) != 1 || h.Sessions[0].Name != "rrc21" || !h.Sessions[0].Up {
		t.Errorf("health %+v", h)
	}
}
