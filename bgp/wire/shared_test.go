package wire_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
)

// One feed learns what a watched AS originates; another one, whose peer only ever
// withdraws it, is asked the same list.
func TestSharedWatchlistOfTwoPeers(t *testing.T) {
	prefix := netip.MustParsePrefix("198.51.100.0/24")
	shared := wire.NewShared(wire.List{ASNs: []uint32{64510}})
	one := shared.Door(bgp.Peer{Collector: "a", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64501})
	two := shared.Door(bgp.Peer{Collector: "b", Addr: netip.MustParseAddr("192.0.2.2"), ASN: 64502})
	at := time.Date(2008, 11, 11, 21, 0, 0, 0, time.UTC)
	session := wire.Session{AS4: true}

	announce := body(t, bgptest.UpdateMessage{Announce: []bgptest.NLRI{{Prefix: prefix}},
		Path: bgp.PathOf(64501, 6939, 64510), NextHop4: netip.MustParseAddr("192.0.2.1")})
	withdraw := body(t, bgptest.UpdateMessage{Withdraw: []bgptest.NLRI{{Prefix: prefix}}})
	tell := func(d *wire.Door, message []byte, at time.Time) (kinds []bgp.Kind) {
		got, fault := d.Update(nil, message, session, at)
		if fault != wire.None {
			t.Fatal(fault)
		}
		for _, u := range got {
			kinds = append(kinds, u.Kind)
		}
		return kinds
	}
	expect := func(what string, got []bgp.Kind, want ...bgp.Kind) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("%s: %v, want %v", what, got, want)
			}
		}
	}
	expect("unknown prefix", tell(two, withdraw, at), bgp.Heard)
	expect("learned", tell(one, announce, at), bgp.Heard, bgp.Announce)
	expect("known to the other, and heard this minute already", tell(two, withdraw, at.Add(time.Second)), bgp.Withdraw)
	expect("a new minute", tell(two, withdraw, at.Add(time.Minute)), bgp.Heard, bgp.Withdraw)
	two.Missed()
	expect("after a gap", tell(two, withdraw, at.Add(time.Minute)), bgp.Heard, bgp.Withdraw)
	if want := (bgp.Traffic{Withdrawn: 4}); two.Traffic != want {
		t.Errorf("traffic %+v, want %+v", two.Traffic, want)
	}

	_, changed := shared.List()
	shared.Replace(wire.List{ASNs: []uint32{64599}})
	select {
	case <-changed:
	default:
		t.Error("a replaced list was not told")
	}
	expect("no longer watched", tell(one, announce, at.Add(time.Second)))
	if _, fault := one.Update(nil, announce[:len(announce)-1], session, at); fault == wire.None {
		t.Error("a torn message was believed")
	}
}

// What one feed learns, another one asks for, once; and all of it again when the
// list was replaced.
func TestSharedTellsWhatWasLearned(t *testing.T) {
	shared := wire.NewShared(wire.List{ASNs: []uint32{64510}, Upstreams: []uint32{3549}})
	door := shared.Door(bgp.Peer{Collector: "a", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64501})
	announce := func(prefix string, path ...uint32) {
		t.Helper()
		message := body(t, bgptest.UpdateMessage{Announce: []bgptest.NLRI{{Prefix: netip.MustParsePrefix(prefix)}},
			Path: bgp.PathOf(path...), NextHop4: netip.MustParseAddr("192.0.2.1")})
		if _, fault := door.Update(nil, message, wire.Session{AS4: true}, time.Unix(1226437200, 0)); fault != wire.None {
			t.Fatal(fault)
		}
	}
	_, cursor, anew := shared.Since(wire.Cursor{})
	if !anew {
		t.Error("the first question was not told to be that")
	}
	announce("198.51.100.0/24", 64501, 6939, 64510)
	announce("203.0.113.0/24", 64501, 64510, 64511)
	got, next, anew := shared.Since(cursor)
	want := []wire.Followed{{Prefix: netip.MustParsePrefix("198.51.100.0/24"), Subtree: true}, {Prefix: netip.MustParsePrefix("203.0.113.0/24")}}
	if !slices.Equal(got, want) || anew {
		t.Errorf("learned %v, anew %v; want %v", got, anew, want)
	}
	if got, _, _ := shared.Since(next); len(got) != 0 {
		t.Errorf("told twice: %v", got)
	}
	if got, want := shared.Wanting(), []uint32{3549, 6939, 64501}; !slices.Equal(got, want) {
		t.Errorf("upstreams in want of references: %v, want %v", got, want)
	}
	shared.Replace(wire.List{ASNs: []uint32{64511}})
	announce("203.0.113.0/24", 64501, 64510, 64511)
	got, _, anew = shared.Since(next)
	if want := []wire.Followed{{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Subtree: true}}; !slices.Equal(got, want) || !anew {
		t.Errorf("after another list: %v, anew %v; want %v", got, anew, want)
	}
}

// body is the message without its header.
func body(t *testing.T, m bgptest.UpdateMessage) []byte {
	t.Helper()
	message, err := bgptest.AppendUpdate(nil, m, bgptest.Encoding{})
	if err != nil {
		t.Fatal(err)
	}
	_, b, fault := wire.Header(message)
	if fault != wire.None {
		t.Fatal(fault)
	}
	return b
}
