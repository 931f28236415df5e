package rib

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"depeer/bgp"
)

func TestPathsAreShared(t *testing.T) {
	s := tell(t)
	s.announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780).announce(bert, one, 64601, 3549, 26780)
	e, f := s.table.Entry(netip.MustParsePrefix(one)), s.table.Entry(netip.MustParsePrefix(two))
	if a := e.Slots[0].Node; a != e.Slots[1].Node || a != f.Slots[0].Node {
		t.Error("equal paths are not the same node")
	}
	set := bgp.Path{{Type: bgp.ASSet, ASNs: []uint32{64601, 3549, 26780}}}
	s.apply(bgp.Update{Peer: bert, Kind: bgp.Announce, Prefix: netip.MustParsePrefix(two), Path: set})
	if f.Slots[0].Node == f.Slots[1].Node {
		t.Error("an AS_SET is no AS_SEQUENCE")
	}
}

// TestMemoryFollowsTheRoutes: 200,000 paths one after the other leave hardly more
// behind than the few that are in use, and those stay the same nodes.
func TestMemoryFollowsTheRoutes(t *testing.T) {
	table := New(time.Minute)
	nothing := func(Change) {}
	for i := range 100 {
		q := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 0}), 24)
		table.Apply(bgp.Update{At: day, Peer: bert, Kind: bgp.Announce, Prefix: q, Path: bgp.PathOf(64602, uint32(i)+1)}, nothing)
	}
	keep := table.Entry(netip.MustParsePrefix("10.0.7.0/24")).Slot(table.Peers()[0]).Node
	table.Apply(bgp.Update{At: day, Peer: anna, Kind: bgp.PeerUp}, nothing)
	most := 0
	for i := range uint32(200_000) {
		k := bgp.Announce
		if i%3 == 0 {
			k = bgp.Withdraw
		}
		u := bgp.Update{At: day.Add(time.Duration(i) * time.Millisecond), Peer: anna, Kind: k, PathID: i % 4,
			Prefix: netip.MustParsePrefix("192.0.2.0/24"), Path: bgp.PathOf(64601, i, 26780)}
		if i == 100_000 {
			table.Apply(bgp.Update{At: u.At, Peer: anna, Kind: bgp.EndOfRIB}, nothing)
		}
		table.Apply(u, nothing)
		most = max(most, len(table.nodes))
	}
	if most > 1<<15 {
		t.Errorf("%d paths were kept for 101 routes", most)
	}
	if table.sweep(); len(table.nodes) > 110 {
		t.Errorf("%d paths are kept for 101 routes", len(table.nodes))
	}
	again := bgp.Update{At: day.Add(time.Hour), Peer: bert, Kind: bgp.Announce, Prefix: netip.MustParsePrefix("10.0.200.0/24"), Path: bgp.PathOf(64602, 8)}
	table.Apply(again, nothing)
	if e := table.Entry(again.Prefix); e.Slot(table.Peers()[0]).Node != keep {
		t.Error("a path in use was forgotten: the same path is another node now")
	}
}

func TestForget(t *testing.T) {
	s := tell(t)
	s.announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780)
	s.table.Forget(netip.MustParsePrefix(one))
	var left []netip.Prefix
	s.table.Entries(func(e *Entry) { left = append(left, e.Prefix) })
	if fmt.Sprint(left) != "["+two+"]" || s.table.Entry(netip.MustParsePrefix(one)) != nil {
		t.Errorf("%v are left", left)
	}
	s.said = nil
	s.after(time.Minute).session(anna, bgp.PeerDown).session(anna, bgp.PeerUp).endOfRIB(anna, false).
		wants("anna left", "anna joined", "anna said "+two+": 64601 3549 26780 -> none")
}
