package main

import (
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/timelinetest"
)

// A sighting in watched space is joined to the routes of its own time: behind whom the
// hoster was then, and not to what came after.
func TestPlaceInWatchedSpace(t *testing.T) {
	at := time.Date(2008, 11, 11, 12, 0, 0, 0, time.UTC)
	store := &timelinetest.Memory{}
	say := func(hours int, what timeline.What, peer uint32, path ...uint32) timeline.Change {
		c := timeline.Change{At: at.Add(time.Duration(hours) * time.Hour), What: what, Path: bgp.PathOf(path...),
			Peer: bgp.Peer{Collector: "rrc00", Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(peer)}), ASN: peer}}
		if what != timeline.Joined {
			c.Prefix, c.Hosters = mccolo1, []string{"mccolo"}
		}
		return c
	}
	if err := store.Write(t.Context(), &timeline.Batch{Recorded: at, Changes: []timeline.Change{
		say(0, timeline.Joined, 1), say(0, timeline.Joined, 2), say(0, timeline.Joined, 3),
		say(1, timeline.Announced, 1, 1, 6939, 26780), say(1, timeline.Announced, 2, 2, 6939, 26780), say(1, timeline.Announced, 3, 3, 3549, 26780),
		say(9, timeline.Withdrawn, 1), say(9, timeline.Withdrawn, 2), say(9, timeline.Withdrawn, 3),
		say(96, timeline.Announced, 1, 1, 1299, 26780),
	}}); err != nil {
		t.Fatal(err)
	}
	w := &watchedSpace{log: slog.Default(), reader: func() timeline.Reader { return store },
		hosters: func() []watch.Hoster {
			return []watch.Hoster{{ID: "mccolo", Name: "McColo Corp.", ASNs: []uint32{26780}}}
		}}
	server := netip.MustParseAddr("208.66.194.23")
	for _, x := range []struct {
		hours     int
		upstreams []uint32
	}{{2, []uint32{6939, 3549}}, {97, []uint32{1299}}} {
		p, ok := w.Place(server, at.Add(time.Duration(x.hours)*time.Hour))
		if !ok || p.Prefix != mccolo1 || !slices.Equal(p.Origins, []uint32{26780}) || !slices.Equal(p.Upstreams, x.upstreams) || p.Hoster != "mccolo" || p.Name != "McColo Corp." || p.From != "timeline" {
			t.Errorf("after %d hours %+v, %v; want it behind %v", x.hours, p, ok, x.upstreams)
		}
	}
	for _, hours := range []int{-1, 20} {
		if p, ok := w.Place(server, at.Add(time.Duration(hours)*time.Hour)); ok {
			t.Errorf("after %d hours nobody held it, and it was at %+v", hours, p)
		}
	}
	if p, ok := w.Place(netip.MustParseAddr("192.0.2.1"), at.Add(2*time.Hour)); ok {
		t.Errorf("what nobody watches was at %+v", p)
	}
}
