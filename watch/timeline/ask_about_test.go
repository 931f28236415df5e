package timeline_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"depeer/watch"
	"depeer/watch/timeline"
)

func TestStepsFromChangeToChange(t *testing.T) {
	other := tell(22, timeline.Withdrawn, peerA, net24) // of another prefix: no step of this one
	m := store(t, append(mccoloDay(), tell(5, timeline.Announced, peerA, net24, 64501, 6939, 26780), other)...)
	a := asker(m)
	for _, x := range []struct{ at, previous, next int }{
		{1, 0, 2}, {2, 0, 3}, {3, 2, 20}, {10, 3, 20}, {20, 3, 25}, {21, 20, 25}, {26, 25, 30}, {40, 30, 50}, {50, 40, 0}, {5000, 50, 0},
	} {
		r, err := a.RoutesAt(context.Background(), timeline.Asking{Prefix: net22, To: minute(x.at)})
		if err != nil {
			t.Fatal(err)
		}
		if !isMinute(r.Previous, x.previous) || !isMinute(r.Next, x.next) {
			t.Errorf("at %d: previous %v, next %v; want %d and %d", x.at, r.Previous, r.Next, x.previous, x.next)
		}
	}
}

// A step may be far: a year of nothing is no end.
func TestAStepOverAYear(t *testing.T) {
	m := store(t, tell(1, timeline.Joined, peerA, none), tell(2, timeline.Announced, peerA, net22, 64501, 6939, 26780), tell(365*24*60, timeline.Withdrawn, peerA, net22))
	r, err := asker(m).RoutesAt(context.Background(), timeline.Asking{Prefix: net22, To: minute(200 * 24 * 60)})
	if err != nil || !isMinute(r.Previous, 2) || !isMinute(r.Next, 365*24*60) {
		t.Errorf("%v %v %v", r.Previous, r.Next, err)
	}
}

// What was not yet recorded is no step.
func TestStepsOfWhatWasBelieved(t *testing.T) {
	m := store(t, tell(1, timeline.Joined, peerA, none), tell(2, timeline.Announced, peerA, net22, 64501, 6939, 26780))
	keep(t, m, timeline.Batch{Recorded: minute(500), Changes: []timeline.Change{tell(30, timeline.Withdrawn, peerA, net22)}})
	for believed, next := range map[int]int{400: 0, 600: 30} {
		r, err := asker(m).RoutesAt(context.Background(), timeline.Asking{Prefix: net22, To: minute(10), Believed: minute(believed)})
		if err != nil || !isMinute(r.Next, next) {
			t.Errorf("believed at %d: next %v, %v; want %d", believed, r.Next, err, next)
		}
	}
}

// isMinute: 0 is none.
func isMinute(got *time.Time, n int) bool {
	if n == 0 {
		return got == nil
	}
	return got != nil && got.Equal(minute(n))
}

func TestAbout(t *testing.T) {
	inner, outer := netip.MustParsePrefix("208.66.195.0/24"), netip.MustParsePrefix("208.64.0.0/13")
	m := store(t, append(mccoloDay(), tell(6, timeline.Announced, peerA, net24, 64501, 3549, 26780), tell(7, timeline.Announced, peerB, inner, 64502, 6939, 26780),
		tell(8, timeline.Announced, peerB, outer, 64502, 6939))...)
	a := asker(m)
	x, err := a.About(context.Background(), timeline.Asking{Prefix: net22, To: minute(30)})
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Prefixes) != 1 || len(x.Covering) != 1 || len(x.Covered) != 2 || x.Covering[0].Prefix != outer || x.Covered[0].Prefix != net24 || x.Covered[1].Prefix != inner {
		t.Fatalf("%+v", x)
	}
	// Peer A held it and is heard, peer B holds it, peer C is not heard.
	if s := x.Prefixes[0]; s.Peers != 1 || s.Eligible != 2 || len(s.Origins) != 1 || s.Origins[0] != 26780 || len(s.Upstreams) != 1 || s.Upstreams[0] != 1299 {
		t.Errorf("%+v", s)
	}
	address, err := a.About(context.Background(), timeline.Asking{Addr: netip.MustParseAddr("208.66.195.15"), To: minute(30)})
	if err != nil || address.Longest != inner || len(address.Prefixes) != 1 || address.Prefixes[0].Prefix != inner || len(address.Covering) != 2 || address.Covering[0].Prefix != net22 {
		t.Errorf("%+v, %v", address, err)
	}
	as, err := a.About(context.Background(), timeline.Asking{ASN: 26780})
	if err != nil || len(as.Prefixes) != 3 || as.Through != 3 || !as.At.Equal(minute(50)) || len(as.Missing) != 0 {
		t.Errorf("%+v, %v", as, err)
	}
}

// Nothing is an answer too, and says why.
func TestAboutNothing(t *testing.T) {
	a := asker(store(t, mccoloDay()...))
	for _, q := range []timeline.Asking{{ASN: 64999}, {Addr: netip.MustParseAddr("192.0.2.1")}, {Prefix: netip.MustParsePrefix("192.0.2.0/24")}} {
		x, err := a.About(context.Background(), q)
		if err != nil || len(x.Prefixes) != 0 || len(x.Missing) != 1 || !strings.Contains(x.Missing[0], "Nothing is remembered of "+x.Subject) {
			t.Errorf("%+v: %+v, %v", q, x, err)
		}
	}
	x, err := a.About(context.Background(), timeline.Asking{ASN: 1299})
	if err != nil || x.Through != 1 || len(x.Missing) != 1 || !strings.Contains(x.Missing[0], "stands in the paths of 1 prefixes of others") {
		t.Errorf("%+v, %v", x, err)
	}
	if _, err := a.About(context.Background(), timeline.Asking{}); err == nil {
		t.Error("a question about nothing is answered")
	}
}

func TestLeagueOfAnUpstream(t *testing.T) {
	reference := tell(3, timeline.Announced, peerA, net6, 64501, 6939, 64800)
	reference.Hosters = nil // of a network that is followed for comparison
	other := func(at int, what timeline.What, path ...uint32) timeline.Change {
		c := tell(at, what, peerA, netip.MustParsePrefix("192.0.2.0/24"), path...)
		c.Hosters = []string{"other"}
		return c
	}
	m := store(t, append(mccoloDay(), reference, other(15, timeline.Announced, 64501, 6939, 64900), other(18, timeline.Withdrawn),
		// Within one moment it comes and goes: that was not so.
		other(25, timeline.Announced, 64501, 6939, 64900), other(25, timeline.Withdrawn), other(28, timeline.Announced, 64501, 6939, 64900))...)
	x, err := asker(m).Carried(context.Background(), timeline.Asking{ASN: 6939, From: minute(10), To: minute(60)})
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Hosters) != 2 {
		t.Fatalf("%+v", x.Hosters)
	}
	h, o := x.Hosters[0], x.Hosters[1]
	if h.Hoster != "mccolo" || h.Name != "McColo Corp." || h.Before != 1 || h.After != 0 || h.Most != 1 || h.Peers != 2 || h.Gained != nil || !isMinute(h.Dropped, 20) {
		t.Errorf("%+v", h)
	}
	if o.Name != "other" || o.Before != 0 || o.After != 1 || !isMinute(o.Gained, 15) || o.Dropped != nil || o.Peers != 1 {
		t.Errorf("%+v", o)
	}
	want := []timeline.Load{{At: minute(10), Hosters: 1, Prefixes: 1}, {At: minute(15), Hosters: 2, Prefixes: 2}, {At: minute(18), Hosters: 1, Prefixes: 1}, {At: minute(20)}, {At: minute(28), Hosters: 1, Prefixes: 1}}
	if len(x.Course) != len(want) {
		t.Fatalf("%+v", x.Course)
	}
	for i := range want {
		if !x.Course[i].At.Equal(want[i].At) || x.Course[i].Hosters != want[i].Hosters || x.Course[i].Prefixes != want[i].Prefixes {
			t.Errorf("step %d: %+v, want %+v", i, x.Course[i], want[i])
		}
	}
	late, err := asker(m).Carried(context.Background(), timeline.Asking{ASN: 6939, From: minute(61), To: minute(90)})
	if err != nil || len(late.Hosters) != 1 || late.Hosters[0].Before != 1 || len(late.Course) != 1 || late.Course[0].Hosters != 1 {
		t.Errorf("%+v, %v", late, err)
	}
}

// Of a long course the least and the most are kept, and no point is made up.
func TestALongCourseIsThinned(t *testing.T) {
	changes := []timeline.Change{tell(0, timeline.Joined, peerA, none)}
	for i := range 6000 {
		c := tell(0, timeline.Announced, peerA, net22, 64501, 6939, 26780)
		if i%2 == 1 {
			c.What, c.Path = timeline.Withdrawn, nil
		}
		c.At = minute(1).Add(time.Duration(i) * time.Second)
		changes = append(changes, c)
	}
	q := timeline.Asking{ASN: 6939, From: minute(0), To: minute(200)}
	a := &timeline.Asker{Reader: store(t, changes...), Hosters: []watch.Hoster{mccolo}}
	for exact, most := range map[bool]int{true: 6000, false: 4000} {
		q.Exact = exact
		x, err := a.Carried(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(x.Course); n > most || exact && n != most || n < 500 {
			t.Errorf("exact %v: %d steps", exact, n)
		}
		for i, c := range x.Course {
			if c.Hosters != c.Prefixes || c.Hosters > 1 || i > 0 && !c.At.After(x.Course[i-1].At) {
				t.Fatalf("step %d: %+v", i, c)
			}
		}
	}
}

// A table that tells what had been so is no gain, whenever it comes; nor does the course claim
// anything of the time before.
func TestWhatATableToldIsNoGain(t *testing.T) {
	other := tell(30, timeline.Known, peerB, netip.MustParsePrefix("192.0.2.0/24"), 64502, 6939, 64900)
	other.Hosters = []string{"other"}
	m := store(t, tell(10, timeline.Joined, peerA, none), tell(10, timeline.Known, peerA, net22, 64501, 6939, 26780), tell(30, timeline.Joined, peerB, none), other,
		tell(40, timeline.Announced, peerA, net24, 64501, 6939, 26780), tell(50, timeline.Withdrawn, peerA, net22), tell(51, timeline.Withdrawn, peerA, net24))
	x, err := asker(m).Carried(context.Background(), timeline.Asking{ASN: 6939, From: minute(0), To: minute(60)})
	if err != nil || len(x.Hosters) != 2 || len(x.Prefixes) != 3 {
		t.Fatalf("%+v, %v", x, err)
	}
	if h := x.Hosters[0]; h.Before != 1 || h.Most != 2 || h.Gained != nil || !isMinute(h.Dropped, 51) {
		t.Errorf("%+v", h)
	}
	if h := x.Hosters[1]; h.Before != 1 || h.After != 1 || h.Gained != nil || h.Dropped != nil {
		t.Errorf("%+v", h)
	}
	for _, p := range x.Prefixes {
		if gained := map[netip.Prefix]int{net24: 40}[p.Prefix]; !isMinute(p.Gained, gained) || (gained == 0) != (p.Before == 1) {
			t.Errorf("%+v", p)
		}
	}
	if c := x.Course[0]; !c.At.Equal(minute(10)) || c.Hosters != 1 || c.Prefixes != 1 {
		t.Errorf("the course begins with %+v", c)
	}
}
