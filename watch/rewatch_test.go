package watch

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestCountsAreRight: what a detector counts as it goes is what one counts who looks
// at the table, whatever lists it was told to watch on the way.
func TestCountsAreRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScenario(t)
		d := NewDetector(scenarioWatchlist(), DefaultPolicy())
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(s.updates)-1), 1, 5).Draw(t, "cuts")
		var laws laws
		for i, u := range s.updates {
			events := d.Observe(u)
			if slices.Contains(cuts, i) {
				if err := audit(d); err != nil {
					t.Fatalf("before: %v", err)
				}
				list := drawList(t)
				d.Rewatch(list, DefaultPolicy())
				if err := audit(d); err != nil {
					t.Fatalf("after %s: %v", encode(list), err)
				}
				if rapid.Bool().Draw(t, "reload") {
					d = reload(t, d)
				}
			}
			if err := laws.check(events, d.Revisions()); err != nil {
				t.Fatalf("%v", err)
			}
		}
		if err := laws.check(d.Advance(s.updates[len(s.updates)-1].At.Add(time.Hour)), d.Revisions()); err != nil {
			t.Fatalf("%v", err)
		}
		if err := audit(d); err != nil {
			t.Fatalf("in the end: %v", err)
		}
	})
}

// drawList makes a watchlist of parts of what the scenarios are about.
func drawList(t *rapid.T) Watchlist {
	numbers := []uint32{64510, 64505, 6939, 3549, 174, 3356}
	prefixes := []string{one, two, three, "2001:db8:10::/48", "192.0.2.0/25", "192.0.2.128/25"}
	used := map[uint32]bool{}
	var list Watchlist
	for _, id := range rapid.Permutation([]string{"example", "other", "third"}).Draw(t, "hosters")[:rapid.IntRange(1, 3).Draw(t, "n")] {
		h := Hoster{ID: id, Upstreams: []uint32{6939}}
		for _, a := range rapid.SliceOfNDistinct(rapid.SampledFrom(numbers), 0, 3, rapid.ID).Draw(t, "asns") {
			if !used[a] && a != 6939 {
				h.ASNs = append(h.ASNs, a)
				used[a] = true
			}
		}
		for _, q := range rapid.SliceOfNDistinct(rapid.SampledFrom(prefixes), 1, 3, rapid.ID).Draw(t, "prefixes") {
			h.Prefixes = append(h.Prefixes, mustPrefix(q))
		}
		if rapid.Bool().Draw(t, "allowed") {
			h.AllowedOrigins = []uint32{64505, 64510}
		}
		list.Hosters = append(list.Hosters, h)
	}
	if err := list.Validate(); err != nil {
		t.Fatalf("%v", err)
	}
	return list
}

// TestSameList: what the list in force says once more changes nothing, byte for byte.
func TestSameList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScenario(t)
		d := NewDetector(scenarioWatchlist(), DefaultPolicy())
		cut := rapid.IntRange(0, len(s.updates)-1).Draw(t, "cut")
		for _, u := range s.updates[:cut] {
			d.Observe(u)
		}
		var before, after bytes.Buffer
		if err := d.Save(&before); err != nil {
			t.Fatalf("%v", err)
		}
		d.Rewatch(scenarioWatchlist(), DefaultPolicy())
		if err := d.Save(&after); err != nil || !bytes.Equal(before.Bytes(), after.Bytes()) {
			t.Fatalf("it is another detector now: %v", err)
		}
	})
}

// TestOtherHosters: hosters come, go, change places and names, and the judgement of
// one that stays is what it would have been.
func TestOtherHosters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScenario(t)
		cut := rapid.IntRange(0, len(s.updates)-1).Draw(t, "cut")
		list := Watchlist{Hosters: []Hoster{example()}}
		list.Hosters[0].Upstreams = []uint32{6939, 3549}
		more := Watchlist{Hosters: []Hoster{{ID: "third", ASNs: []uint32{64777}, Prefixes: []netip.Prefix{mustPrefix(three)}}, list.Hosters[0], {ID: "other", ASNs: []uint32{64505}, Prefixes: list.Hosters[0].Prefixes[:1]}}}
		more.Hosters[1].Tags = []string{"bulletproof"}
		judge := func(rewatch bool) []string {
			j := &judgement{d: NewDetector(list, DefaultPolicy())}
			for i, u := range s.updates {
				if rewatch && i == cut {
					j.d.Rewatch(more, DefaultPolicy())
				}
				if rewatch && i == (cut+len(s.updates))/2 {
					j.d.Rewatch(list, DefaultPolicy())
				}
				j.take(t, j.d.Observe(u))
			}
			j.take(t, j.d.Advance(day.Add(5*time.Hour)))
			return slices.DeleteFunc(append(j.said, j.told...), func(l string) bool {
				return bytes.Contains([]byte(l), []byte(`"hoster":"other"`)) || bytes.Contains([]byte(l), []byte(`"hoster":"third"`))
			})
		}
		same(t, s.name, judge(true), judge(false))
	})
}
