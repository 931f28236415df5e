package mrt

import (
	"context"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"depeer/bgp"
	"depeer/bgp/wire"
)

func sourceUpdates(t *testing.T, cfg Config) ([]bgp.Update, Stats) {
	t.Helper()
	var out []bgp.Update
	s := NewSource(cfg)
	if err := s.Run(context.Background(), func(b []bgp.Update) error { out = append(out, b...); return nil }); err != nil {
		t.Fatal(err)
	}
	return out, s.Stats()
}

// The watchlist that live feeds share wants what one of our own wants, of
// messages and of tables, and learns the same.
func TestSharedIsWatch(t *testing.T) {
	dir := t.TempDir()
	file := archiveFile(t, dir, "rrc00/updates.20081111.2100",
		announced(t0, 1, 64501, 3549, 26780), announced(t0+1, 2, 64502, 6939, 64999), withdrawn(t0+2, 1), withdrawn(t0+70, 2))
	list := wire.List{ASNs: []uint32{26780}}
	alone, one := sourceUpdates(t, Config{Inputs: []string{file}, Watch: list.Watch()})
	shared := wire.NewShared(list)
	together, two := sourceUpdates(t, Config{Inputs: []string{file}, Shared: shared})
	if d := cmp.Diff(alone, together, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Error("with Watch (-) and with Shared (+):\n" + d)
	}
	if one != two || one.Matched != 4 {
		t.Errorf("with Watch %+v, with Shared %+v, want 4 matched", one, two)
	}
	shared.Do(func(w *wire.Watch) {
		if !w.WatchesPrefix(wire.PrefixOf(netip.MustParsePrefix("208.66.192.0/22"))) {
			t.Error("what the archive brought was not learned for all")
		}
	})
}

// The counts of a peer go on from one source to the next that shares its sessions,
// and the collector is what Of says, whatever the path says.
func TestSessionsGoOn(t *testing.T) {
	dir := t.TempDir()
	first := archiveFile(t, dir, "rrc00/updates.20081111.2100", announced(t0, 1, 64501, 3549, 26780))
	second := archiveFile(t, dir, "rrc00/updates.20081111.2105", withdrawn(t0+300, 1))
	s := NewSessions()
	var last bgp.Update
	for _, f := range []string{first, second} {
		out, _ := sourceUpdates(t, Config{Inputs: []string{f}, Of: "amsix.ams", Sessions: s})
		last = out[len(out)-1]
	}
	want := bgp.Peer{Collector: "amsix.ams", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64501}
	if last.Kind != bgp.Heard || last.Peer != want || last.Heard.Announced != 1 || last.Heard.Withdrawn != 1 {
		t.Errorf("last is %+v, want a Heard of %s with 1 announced and 1 withdrawn", last, want)
	}
	if got := s.Peers("amsix.ams"); len(got) != 1 || got[0] != want {
		t.Errorf("peers %v, want %s", got, want)
	}
	if got := s.Peers("rrc00"); got != nil {
		t.Errorf("peers of a collector never met: %v", got)
	}
}
