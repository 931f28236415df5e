package watch

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestStories are the incidents: each class, how it ends, and the sentence that
// one would read aloud.
func TestStories(t *testing.T) {
	tests := []struct {
		name  string
		story func(t *testing.T, w *world)
	}{
		{"depeered, and carried again", func(t *testing.T, w *world) {
			both(func(p string) { w.announce("1-5", p, "3549 64510") })
			w.after(2 * time.Minute).
				tells("depeered open critical: Example Hosting: AS6939 dropped it (62 % of its routes before); carried by AS3549 (100 %); all prefixes stay visible")
			both(func(p string) { w.announce("1-5", p, "6939 64510") })
			w.after(time.Minute).
				tells("depeered recovering critical: Example Hosting: AS6939 dropped it (62 % of its routes before) and carries it again; carried by AS6939 (62 %) and AS3549 (38 %); all prefixes stay visible; back since 01:02:00")
			w.after(10 * time.Minute).
				tells("depeered resolved critical: Example Hosting: AS6939 dropped it (62 % of its routes before) and carries it again; carried by AS6939 (62 %) and AS3549 (38 %); all prefixes stay visible; over after 2 minutes")
			w.lasts(Recovered, 2*time.Minute+10*time.Minute)
		}},
		{"depeered, and it stays so", func(t *testing.T, w *world) {
			both(func(p string) { w.announce("1-5", p, "3549 64510") })
			w.after(25 * time.Hour).
				tells("depeered resolved critical: Example Hosting: AS6939 dropped it (62 % of its routes before); carried by AS3549 (100 %); all prefixes stay visible; unchanged for 24 hours, taken as the new normal")
			w.lasts(NewNormal, 24*time.Hour+time.Second)
		}},
		{"depeered, and hardly anybody sees it", func(t *testing.T, w *world) {
			w.withdraw("1-7", one, two).after(2 * time.Minute).
				tells("depeered open critical: Example Hosting: AS6939 dropped it (62 % of its routes before); carried by AS3549 (12 %); seen by 12 % of the peers")
		}},
		{"flapping is one story", func(t *testing.T, w *world) {
			for range 3 {
				both(func(p string) { w.announce("1-5", p, "3549 64510") })
				w.after(3 * time.Minute)
				both(func(p string) { w.announce("1-5", p, "6939 64510") })
				w.after(3 * time.Minute)
			}
			w.tells("depeered recovering critical: Example Hosting: AS6939 dropped it (62 % of its routes before) and carries it again; carried by AS6939 (62 %) and AS3549 (38 %); all prefixes stay visible; it flaps (lost again 2 times); back since 01:15:00")
			if w.after(25 * time.Minute); w.latest[*w.events[0].Incident].Phase != Recovering {
				t.Error("what flapped must be calm for longer than ten minutes")
			}
			w.after(10 * time.Minute).
				tells("depeered resolved critical: Example Hosting: AS6939 dropped it (62 % of its routes before) and carries it again; carried by AS6939 (62 %) and AS3549 (38 %); all prefixes stay visible; it flaps (lost again 2 times); over after 15 minutes")
		}},
		{"blackout, and back as it was", func(t *testing.T, w *world) {
			w.withdraw("1-5", one, two).after(30*time.Minute).withdraw("6-8", one, two).after(2 * time.Minute).
				tells("blackout open critical: Example Hosting is dark: AS6939 and AS3549 dropped it within 30 minutes")
			w.after(88 * time.Minute)
			both(func(p string) { w.announce("1-5", p, "6939 64510").announce("6-8", p, "3549 64510") })
			w.after(time.Minute).
				tells("blackout recovering critical: Example Hosting was dark for 90 minutes: AS6939 and AS3549 dropped it within 30 minutes; back since 03:00:00")
			w.after(time.Hour).
				tells("blackout resolved critical: Example Hosting was dark for 90 minutes: AS6939 and AS3549 dropped it within 30 minutes; over after 2 hours")
		}},
		{"blackout, but for one peer", func(t *testing.T, _ *world) {
			w := newWorld(t, 16, single()).holds("1-15", one, "6939 64510").holds("16", one, "226 64510").dump().after(time.Hour)
			w.withdraw("1-15", one).after(2 * time.Minute).
				tells("blackout open critical: Example Hosting is dark: AS6939 dropped it; 1 of 16 peers still has a path through AS226")
		}},
		{"blackout of a part: half of the space", func(t *testing.T, w *world) {
			w.withdraw("all", one).after(2 * time.Minute)
			if got := w.latest[*w.event(RouteWithdrawn).Incident]; got.Class != Blackout || got.Severity != Critical {
				t.Errorf("%s", encode(got))
			}
		}},
		{"repeered: back behind somebody who never carried it", func(t *testing.T, w *world) {
			w.withdraw("1-5", one, two).after(40*time.Minute).withdraw("6-8", one, two).after(5 * time.Hour)
			both(func(p string) { w.announce("all", p, "1299 64510") })
			w.after(2 * time.Minute).
				tells("repeered open critical: Example Hosting is back behind AS1299 (100 %) after 5 hours in the dark; all prefixes are visible")
		}},
		{"repeered, for two hours, after its darkness had become normal", func(t *testing.T, w *world) {
			w.withdraw("1-5", one, two).after(40*time.Minute).withdraw("6-8", one, two).after(25 * time.Hour)
			both(func(p string) { w.announce("all", p, "1299 64510") })
			w.after(2 * time.Hour)
			const blackout = "blackout resolved critical: Example Hosting is dark: AS6939 and AS3549 dropped it within 40 minutes; unchanged for 24 hours, taken as the new normal"
			w.tells(blackout, "repeered open critical: Example Hosting is back behind AS1299 (100 %); all prefixes are visible")
			w.withdraw("all", one, two).after(30*time.Minute).
				tells(blackout, "repeered resolved critical: Example Hosting came back behind AS1299; gone again after 2 hours")
		}},
		{"repeered, without having been dark", func(t *testing.T, w *world) {
			both(func(p string) { w.announce("1-5", p, "3549 64510") })
			w.after(30 * time.Hour)
			both(func(p string) { w.announce("1-5", p, "1299 64510") })
			w.after(2 * time.Minute)
			if got := w.story(); len(got) != 2 || got[1] != "repeered open critical: Example Hosting has a new upstream after its losses: AS1299 (62 %); all prefixes stay visible" {
				t.Errorf("%q", got)
			}
		}},
		{"rewired: one upstream for another", func(t *testing.T, w *world) {
			both(func(p string) { w.announce("1-5", p, "1299 64510") })
			w.after(2 * time.Minute).
				tells("rewired open critical: Example Hosting moved from AS6939 to AS1299 (62 %), which never carried it before; all prefixes stay visible")
		}},
		{"rewired: one more upstream", func(t *testing.T, w *world) {
			both(func(p string) { w.announce("1-3", p, "1299 64510") })
			w.after(2 * time.Minute).
				tells("rewired open warning: Example Hosting has a new upstream: AS1299 (38 %); all prefixes stay visible")
			both(func(p string) { w.announce("1-3", p, "6939 64510") })
			w.after(20*time.Minute).lasts(Recovered, 12*time.Minute)
		}},
		{"moved", func(t *testing.T, w *world) {
			w.announce("all", one, "174 64999").after(2 * time.Hour).
				tells("moved open critical: Example Hosting: " + one + " now comes from AS64999 instead of AS64510")
			w.announce("all", one, "6939 64510").after(20 * time.Minute).
				tells("moved resolved critical: Example Hosting: " + one + " came from AS64999 instead of AS64510; over after 2 hours")
		}},
		{"hijack-suspect", func(t *testing.T, w *world) {
			both(func(p string) { w.announce("1-3", p, "174 64999") })
			w.after(2 * time.Minute).
				tells("hijack-suspect open critical: Example Hosting: " + one + " and " + two + " are also announced by AS64999, which is neither the hoster nor allowed: a hijack, or a move that begins")
		}},
		{"moved: dark, and its prefixes come back from somebody else, the hoster does not", func(t *testing.T, w *world) {
			w.withdraw("all", one, two).after(10 * time.Minute).sent()
			both(func(p string) { w.announce("all", p, "174 64999") })
			w.after(5 * time.Minute).
				tells("moved open critical: Example Hosting: " + one + " and " + two + " now come from AS64999 instead of AS64510")
			if got := w.kinds(); got != "route.restored origin.new" {
				t.Errorf("said: %s", got)
			}
			both(func(p string) { w.announce("all", p, "6939 64510") })
			w.after(2 * time.Minute)
			if got := w.kinds(); got != "upstream.restored hoster.returned origin.gone" {
				t.Errorf("said: %s", got)
			}
		}},
		{"moved, and hijack-suspect, of a hoster without AS numbers", func(t *testing.T, _ *world) {
			h := example()
			h.ASNs = nil
			w := behind(newWorld(t, 8, h))
			w.announce("1-3", one, "6939 64999").after(5 * time.Minute).
				tells("hijack-suspect open critical: Example Hosting: " + one + " is also announced by AS64999, which is neither the hoster nor allowed: a hijack, or a move that begins")
			w.announce("4-8", one, "6939 64999").after(5 * time.Minute).
				tells("moved open critical: Example Hosting: " + one + " now comes from AS64999 instead of the origin before")
		}},
		{"carried again, after its loss had become normal", func(t *testing.T, w *world) {
			both(func(p string) { w.announce("1-5", p, "3549 64510") })
			w.after(48 * time.Hour)
			both(func(p string) { w.announce("1-5", p, "6939 64510") })
			w.after(2 * time.Minute)
			if got := w.story(); len(got) != 2 || got[1] != "repeered open critical: Example Hosting is carried again by AS6939 (62 %), which had dropped it; all prefixes stay visible" {
				t.Errorf("%q", got)
			}
		}},
		{"hijack-suspect, for an hour", func(t *testing.T, w *world) {
			w.announce("1-3", one, "174 64999").after(time.Hour).announce("1-3", one, "6939 64510").after(20 * time.Minute).
				tells("hijack-suspect resolved critical: Example Hosting: " + one + " was also announced by AS64999, which is neither the hoster nor allowed: a hijack, or a move that begins; over after 60 minutes")
		}},
		{"blackout: zombies say nothing of how fast the upstreams went", func(t *testing.T, _ *world) {
			w := newWorld(t, 60, single()).holds("1-30", one, "6939 64510").holds("31-60", one, "3549 64510").dump().after(time.Hour)
			w.withdraw("4-30", one).withdraw("31-60", one).after(20 * time.Second).after(2 * time.Hour)
			got := w.story()
			if want := "blackout open critical: Example Hosting is dark: AS3549 and AS6939 dropped it in the same second"; got[len(got)-1] != want {
				t.Errorf("%q", got)
			}
		}},
		{"upstream-failure: its other customers lost it, too", func(t *testing.T, _ *world) {
			w := withCustomers(t, 5, 6, 7, 8)
			customers(w, []int{5, 6, 7, 8}, "3549")
			w.announce("1-5", one, "3549 64510").after(2 * time.Minute).
				tells("upstream-failure open info: Example Hosting lost AS6939, and so did most other networks behind it: the upstream is failing or leaving, this is no de-peering; carried by AS3549 (100 %)")
			if e := w.event(UpstreamLost); !e.UpstreamFailing || e.Severity != Info {
				t.Errorf("%s", encode(e))
			}
		}},
		{"upstream-failure: its other customers lost it half a minute later", func(t *testing.T, _ *world) {
			w := withCustomers(t, 5, 6, 7, 8)
			w.announce("1-5", one, "3549 64510").after(30 * time.Second)
			const was = "depeered open critical: Example Hosting: AS6939 dropped it (62 % of its routes before); carried by AS3549 (100 %); all prefixes stay visible"
			w.tells(was)
			customers(w, []int{5, 6, 7, 8}, "3549")
			w.after(time.Minute).
				tells("upstream-failure open info: Example Hosting lost AS6939, and so did most other networks behind it: the upstream is failing or leaving, this is no de-peering; carried by AS3549 (100 %)")
		}},
		{"no upstream-failure: its other customers leave it ten minutes later", func(t *testing.T, _ *world) {
			w := withCustomers(t, 5, 6, 7, 8)
			w.announce("1-5", one, "3549 64510").after(10 * time.Minute)
			customers(w, []int{5, 6, 7, 8}, "3549")
			w.after(2 * time.Hour).
				tells("depeered open critical: Example Hosting: AS6939 dropped it (62 % of its routes before); carried by AS3549 (100 %); all prefixes stay visible")
		}},
		{"upstream-failure: the hoster has no other, and is dark with it", func(t *testing.T, _ *world) {
			w := withCustomers(t, 5, 6, 7, 8)
			w.announce("6-8", one, "6939 64510").after(25 * time.Hour)
			w = w.withdraw("all", one)
			customers(w, []int{5, 6, 7, 8}, "3549")
			w.after(2 * time.Minute)
			got := w.story()
			if want := "upstream-failure open info: Example Hosting is dark: it lost AS6939, and so did most other networks behind it: the upstream is failing or leaving, this is no de-peering"; got[len(got)-1] != want {
				t.Errorf("%q", got)
			}
		}},
		{"no upstream-failure: what stayed behind others is withdrawn, an hour after the upstream failed", func(t *testing.T, _ *world) {
			w := withCustomers(t, 5, 6, 7, 8)
			customers(w, []int{5, 6, 7, 8}, "3549")
			w.announce("1-5", one, "3549 64510").after(time.Hour).withdraw("all", one).after(2 * time.Minute)
			if got := w.latest[*w.event(HosterDark).Incident]; got.Class != Blackout || got.Severity != Critical {
				t.Errorf("%s", encode(got))
			}
		}},
		{"no upstream-failure: one of four customers lost it, too", func(t *testing.T, _ *world) {
			w := withCustomers(t, 5, 6, 7, 8)
			customers(w, []int{5}, "3549")
			w.announce("1-5", one, "3549 64510").after(2 * time.Minute)
			if e := w.event(UpstreamLost); e.UpstreamFailing || w.latest[*e.Incident].Class != Depeered {
				t.Errorf("%s", encode(e))
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.story(t, carried(t)) })
	}
}

// lasts checks how the only incident ended, and how long after its opening.
func (w *world) lasts(how string, long time.Duration) {
	w.t.Helper()
	for _, x := range w.latest {
		if x.Resolution == nil || *x.Resolution != how || x.Resolved.Sub(x.Opened) != long {
			w.t.Errorf("not %s after %s: %s", how, long, encode(x))
		}
	}
}

// withCustomers is a world where AS6939 carries these customers beside the hoster.
func withCustomers(t *testing.T, numbers ...int) *world {
	w := newWorld(t, 8, single())
	table := func() {
		w.holds("1-5", one, "6939 64510").holds("6-8", one, "3549 64510")
		for _, i := range numbers {
			w.holds("1-5", fmt.Sprintf("10.0.%d.0/24", i), fmt.Sprintf("6939 %d", 65000+i))
			w.holds("6-8", fmt.Sprintf("10.0.%d.0/24", i), fmt.Sprintf("3549 %d", 65000+i))
		}
		w.dump().after(time.Hour)
	}
	table()
	table() // the upstreams are known by now
	w.at = day.Add(2 * time.Hour)
	return w
}

func customers(w *world, numbers []int, upstream string) {
	for _, i := range numbers {
		w.announce("1-5", fmt.Sprintf("10.0.%d.0/24", i), fmt.Sprintf("%s %d", upstream, 65000+i))
	}
}

// TestOneStory: however many prefixes and peers go, it is one incident, whose
// revisions list all of them.
func TestOneStory(t *testing.T) {
	h := Hoster{ID: "example", ASNs: []uint32{64510}}
	w := newWorld(t, 6, h)
	var all []string
	for i := range 120 {
		all = append(all, fmt.Sprintf("198.18.%d.0/24", i))
		w.holds("all", all[i], "6939 64510")
	}
	w.dump().after(time.Hour)
	for _, p := range all {
		w.withdraw("all", p).after(time.Second)
	}
	w.after(10 * time.Minute)
	if len(w.latest) != 1 {
		t.Fatalf("%d incidents", len(w.latest))
	}
	last := w.told[len(w.told)-1]
	if last.Class != Blackout || len(last.Prefixes) != 120 || !slices.Equal(last.Lost, []uint32{6939}) || len(last.Remaining) != 0 {
		t.Errorf("%s", encode(last))
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 seconds", 0: "0 seconds", time.Second: "a second", 90 * time.Second: "90 seconds", 119 * time.Second: "119 seconds",
		2 * time.Minute: "2 minutes", 119 * time.Minute: "119 minutes", 2 * time.Hour: "2 hours", 47 * time.Hour: "47 hours", 48 * time.Hour: "2 days", 60 * 24 * time.Hour: "60 days",
	} {
		if got := span(d); got != want {
			t.Errorf("%s reads %q, not %q", d, got, want)
		}
	}
	for f, want := range map[float64]string{0: "0 %", 0.004: "under 1 %", 0.01: "1 %", 0.624: "62 %", 1: "100 %"} {
		if got := percent(f); got != want {
			t.Errorf("%v reads %q, not %q", f, got, want)
		}
	}
}
