package watch

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"depeer/bgp"
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

// late is a hoster that nobody watched from the first: AS64520, one prefix.
func late() Hoster { return Hoster{ID: "late", Name: "Late Hosting", ASNs: []uint32{64520}} }

// established is a world of eight peers that carries the example hoster for an hour.
func established(t *testing.T, more ...Hoster) *world {
	w := newWorld(t, 8, append([]Hoster{example()}, more...)...)
	both(func(p string) { w.holds("1-5", p, "6939 64510").holds("6-8", p, "3549 64510") })
	for _, h := range more {
		if h.ID == "late" {
			w.holds("1-5", three, "6939 64520").holds("6-8", three, "3549 64520")
		}
	}
	w.dump().after(time.Hour).wants()
	return w
}

func (w *world) rewatch(hosters ...Hoster) *world {
	list := Watchlist{Hosters: hosters}
	if err := list.Validate(); err != nil {
		w.t.Fatal(err)
	}
	w.d.Rewatch(list, w.d.policy)
	w.take(nil)
	if err := audit(w.d); err != nil {
		w.t.Fatal(err)
	}
	return w
}

// TestRewatchStories are what people do to a watchlist while the monitor runs.
func TestRewatchStories(t *testing.T) {
	tests := []struct {
		name  string
		story func(t *testing.T)
	}{
		{"another list in the middle of a fall", func(t *testing.T) {
			w := established(t)
			both(func(p string) { w.announce("1-4", p, "3549 64510") })
			w.after(30 * time.Second)
			renamed := example()
			renamed.Name, renamed.Tags = "Example, renamed", []string{"bulletproof"}
			w.rewatch(late(), renamed)
			both(func(p string) { w.announce("5", p, "3549 64510") })
			w.after(2 * time.Minute).
				wants("01:00:31 upstream.lost example AS6939 (0.62 to 0.00 of 8) critical").
				tells("depeered open critical: Example, renamed: AS6939 dropped it (62 % of its routes before); carried by AS3549 (100 %); all prefixes stay visible")
		}},
		{"added, and learned as it is announced again", func(t *testing.T) {
			w := established(t).rewatch(example(), late())
			w.announce("1", three, "6939 64520").after(time.Minute)
			if b := w.d.Board(); b[1].Eligible != 1 || b[1].Visibility != 1 {
				t.Errorf("who told its table before has said nothing of it: %s", encode(b[1]))
			}
			for _, who := range []string{"1", "6", "2-4", "7", "5", "8"} {
				up := "6939 64520"
				if who > "5" {
					up = "3549 64520"
				}
				w.announce(who, three, up).after(10 * time.Minute)
			}
			w.after(2 * time.Hour).wants()
			w.announce("1-5", three, "3549 64520").after(2 * time.Minute).
				wants("04:01:01 upstream.lost late AS6939 (0.62 to 0.00 of 8) critical")
		}},
		{"added, and learned from a dump of tables", func(t *testing.T) {
			w := established(t).rewatch(example(), late())
			both(func(p string) { w.holds("1-5", p, "6939 64510").holds("6-8", p, "3549 64510") })
			w.holds("1-5", three, "6939 64520").holds("6-8", three, "3549 64520").dump().after(time.Hour).wants()
			w.announce("all", "198.18.7.0/24", "6939 64520").after(2 * time.Minute)
			if got := w.sent(); len(got) != 1 || !slices.Contains(got, "02:00:00 prefix.new late 198.18.7.0/24 from AS64520 (0.00 to 1.00 of 8) info") {
				t.Errorf("now it is known, and something new: %q", got)
			}
			w.withdraw("all", three).after(2 * time.Minute)
			if k := w.kinds(); k != "upstream.lost route.withdrawn" {
				t.Errorf("%s", k)
			}
		}},
		{"added, and its sessions begin anew", func(t *testing.T) {
			w := established(t).rewatch(example(), late())
			w.session("all", bgp.PeerDown).after(time.Second).session("all", bgp.PeerUp)
			both(func(p string) { w.announce("1-5", p, "6939 64510").announce("6-8", p, "3549 64510") })
			w.announce("1-5", three, "6939 64520").announce("6-8", three, "3549 64520").session("all", bgp.EndOfRIB).after(time.Hour)
			for _, k := range w.sent() {
				if !strings.Contains(k, " feed.") {
					t.Errorf("%s", k)
				}
			}
			w.announce("1-3", three, "1299 64520").after(2 * time.Minute)
			if got := w.event(UpstreamGained); *got.Hoster != "late" || got.Upstream != 1299 {
				t.Errorf("%s", show(&got))
			}
		}},
		{"added, with a prefix that others announce too", func(t *testing.T) {
			h := late()
			h.Prefixes = []netip.Prefix{mustPrefix(three)}
			w := established(t).rewatch(example(), h)
			w.announce("1-4", three, "174 64999").after(20 * time.Minute)
			w.announce("5-8", three, "3549 64520").after(2 * time.Hour).wants()
		}},
		{"added where there is no table, with a prefix that everybody has from others", func(t *testing.T) {
			h := late()
			h.Prefixes = []netip.Prefix{mustPrefix(three)}
			w := newWorld(t, 8, single()).announce("all", one, "6939 64510").after(2*time.Hour).rewatch(single(), h)
			w.announce("all", three, "174 64999").after(2 * time.Hour).wants()
		}},
		{"an AS number is added, and somebody carries it for whom that is old", func(t *testing.T) {
			h := example()
			h.ASNs = append(h.ASNs, 64520)
			w := established(t).after(2 * time.Hour).rewatch(h)
			w.announce("all", three, "3549 64520").after(time.Minute).announce("1-4", three, "1299 64520").after(20 * time.Minute).wants()
		}},
		{"added, and carried by what is followed for others", func(t *testing.T) {
			w := newWorld(t, 8, single()).holds("1-5", one, "6939 64510").holds("6-8", one, "3549 64520 64510").dump().after(time.Hour)
			w.rewatch(single(), late()).after(2 * time.Hour).wants()
			w.holds("1-5", one, "6939 64510").holds("6-8", one, "3549 64520 64510").dump().after(2 * time.Hour).wants()
			if b := w.d.Board(); b[1].Hoster != "late" || len(b[1].Upstreams) != 1 || b[1].Upstreams[0].ASN != 3549 || b[1].Upstreams[0].Baseline != 0.375 {
				t.Errorf("it is a customer's transit: %s", encode(b[1]))
			}
		}},
		{"removed, in the middle of its story", func(t *testing.T) {
			w := established(t, late())
			w.announce("1-5", three, "3549 64520").after(2 * time.Minute).
				wants("01:00:01 upstream.lost late AS6939 (0.62 to 0.00 of 8) critical")
			w.announce("8", three, "1299 64520").after(time.Second).rewatch(example()).
				tells("depeered resolved critical: Late Hosting: AS6939 dropped it (62 % of its routes before); carried by AS3549 (88 %) and AS1299 (12 %); all prefixes stay visible; not watched any more").
				lasts(Unwatched, 2*time.Minute+time.Second)
			w.withdraw("all", three).after(26 * time.Hour).wants()
			if x := w.d.Explain(mustPrefix(three)); x != nil || len(w.told) != 2 {
				t.Errorf("it is still followed: %s", encode(x))
			}
			if l := w.d.Followed(); !slices.Equal(l.Upstreams, []uint32{3549, 6939}) {
				t.Errorf("upstreams %d", l.Upstreams)
			}
			if l := w.d.Followed(); slices.Contains(l.ASNs, 64520) || slices.Contains(l.Prefixes, mustPrefix(three)) {
				t.Errorf("the feeds are told of it: %s", encode(l))
			}
			w.rewatch(example(), late()).announce("all", three, "1299 64520").after(time.Hour).wants() // and back, as somebody new
		}},
		{"an AS number is added, that had been its upstream", func(t *testing.T) {
			w := newWorld(t, 8, single()).holds("1-5", one, "6939 64520 64510").holds("6-8", one, "3549 64520 64510").dump().after(time.Hour)
			h := single()
			h.ASNs = append(h.ASNs, 64520)
			w.rewatch(h).after(2 * time.Hour).wants()
			w.announce("1-5", one, "3549 64520 64510").after(2 * time.Minute).
				wants("03:00:01 upstream.lost example AS6939 (0.62 to 0.00 of 8) critical")
		}},
		{"an AS number is taken away, and its prefixes with it", func(t *testing.T) {
			h := single()
			h.ASNs = append(h.ASNs, 64520)
			w := newWorld(t, 8, h).holds("1-5", one, "6939 64510").holds("6-8", one, "3549 64510").
				holds("all", three, "1299 64520").dump().after(time.Hour)
			w.rewatch(single()).after(25 * time.Hour).wants()
			w.withdraw("all", three).after(2 * time.Minute).wants()
			if b := w.d.Board(); b[0].Prefixes != 1 || len(b[0].Upstreams) != 2 || b[0].Visibility != 1 {
				t.Errorf("%s", encode(b))
			}
		}},
		{"it gets another id: somebody new, of whom much is known", func(t *testing.T) {
			h := example()
			h.ID = "again"
			w := established(t).rewatch(h).after(2 * time.Hour).wants()
			both(func(p string) { w.announce("1-5", p, "3549 64510") })
			w.after(2 * time.Minute).wants("03:00:01 upstream.lost again AS6939 (0.62 to 0.00 of 8) critical")
		}},
		{"an AS number goes from one hoster to another", func(t *testing.T) {
			a, b := single(), late()
			a.ASNs = append(a.ASNs, 64530)
			w := newWorld(t, 8, a, b).holds("all", one, "6939 64510").holds("all", two, "6939 64530").holds("all", three, "3549 64520").dump().after(time.Hour)
			a.ASNs, b.ASNs = a.ASNs[:1], append(b.ASNs, 64530)
			w.rewatch(a, b).after(2 * time.Hour).wants()
			w.withdraw("all", two).after(2 * time.Minute)
			if got := w.event(UpstreamLost); *got.Hoster != "late" || got.Upstream != 6939 {
				t.Errorf("%s", show(&got))
			}
		}},
		{"a prefix is listed that others originate, and is taken off again", func(t *testing.T) {
			w := newWorld(t, 8, single(), late()).holds("all", one, "6939 64510").holds("all", three, "3549 64520").dump().after(time.Hour)
			h := single()
			h.Prefixes = append(h.Prefixes, mustPrefix(three))
			w.rewatch(h, late()).after(2 * time.Hour).wants()
			w.rewatch(single(), late()).after(2 * time.Hour).wants()
		}},
		{"who announced its space is allowed to", func(t *testing.T) {
			w := established(t).announce("1-3", one, "174 64999").after(2 * time.Minute)
			if k := w.kinds(); k != "origin.new" {
				t.Fatalf("%s", k)
			}
			h := example()
			h.AllowedOrigins = []uint32{64999}
			w.rewatch(h).after(time.Hour).wants().lasts(Recovered, 12*time.Minute)
		}},
		{"the hold time is made shorter while it runs", func(t *testing.T) {
			w := established(t)
			both(func(p string) { w.withdraw("1-7", p) })
			w.after(20 * time.Second)
			p := DefaultPolicy()
			p.Hold, p.WithdrawnBelow = 25*time.Second, 0.2
			w.d.Rewatch(Watchlist{Hosters: []Hoster{example()}}, p)
			w.after(20 * time.Second)
			for _, e := range w.news {
				if e.Kind != UpstreamLost && e.At != day.Add(time.Hour+25*time.Second) {
					t.Errorf("%s", show(&e))
				}
			}
			if k := w.kinds(); k != "upstream.lost route.withdrawn hoster.dark" {
				t.Errorf("%s", k)
			}
		}},
	}
	for _, x := range tests {
		t.Run(x.name, x.story)
	}
}
