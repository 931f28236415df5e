package watch

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"depeer/bgp"
)

// carried is the world that most facts begin in: eight peers with known tables,
// five of them behind AS6939, three behind AS3549, both prefixes at all of them.
func carried(t testing.TB) *world {
	return behind(newWorld(t, 8, example()))
}

// single is the hoster with one prefix alone.
func single() Hoster {
	h := example()
	h.Prefixes = h.Prefixes[:1]
	return h
}

func behind(w *world) *world {
	return w.holds("1-5", one, "6939 64510").holds("1-5", two, "6939 64510").
		holds("6-8", one, "3549 64510").holds("6-8", two, "3549 64510").dump().after(time.Hour).wants()
}

// both does something for each prefix of the hoster.
func both(do func(prefix string)) {
	do(one)
	do(two)
}

func TestUpstreams(t *testing.T) {
	tests := []struct {
		name  string
		story func(t *testing.T, w *world)
	}{
		{"lost: confirmed at once when nobody is left to hunt, a second later", func(t *testing.T, w *world) {
			both(func(p string) { w.announce("1-5", p, "3549 64510") })
			w.after(time.Second).wants().after(time.Second).
				wants("01:00:01 upstream.lost example AS6939 (0.62 to 0.00 of 8) critical")
			if e := w.event(UpstreamLost); e.FirstSeen != day.Add(time.Hour) || len(e.Evidence) != 10 || len(e.Prefixes) != 2 || e.Family != 4 {
				t.Errorf("%s", encode(e))
			}
		}},
		{"lost: one peer of many hunts on, so the hold time counts, from the onset", func(t *testing.T, _ *world) {
			w := newWorld(t, 30, single()).holds("1-30", one, "6939 64510").dump().after(time.Hour)
			w.announce("1-20", one, "3549 64510").after(30*time.Second).announce("21-29", one, "3549 64510").
				after(29*time.Second).wants().after(2*time.Second).
				wants("01:01:00 upstream.gained example AS3549 (0.00 to 0.97 of 30) warning",
					"01:01:00 upstream.lost example AS6939 (1.00 to 0.03 of 30) critical")
		}},
		{"not lost: back before the hold time is over", func(t *testing.T, _ *world) {
			w := newWorld(t, 30, single()).holds("1-30", one, "6939 64510").dump().after(time.Hour)
			w.announce("1-29", one, "174 3549 64510").after(40*time.Second).announce("1-29", one, "6939 64510").after(time.Hour).wants()
		}},
		{"not lost: less than all but a twentieth goes", func(t *testing.T, w *world) {
			both(func(p string) { w.announce("1-4", p, "3549 64510") })
			w.after(time.Hour).wants()
		}},
		{"restored: at half of what it was, a minute long", func(t *testing.T, w *world) {
			both(func(p string) { w.announce("1-5", p, "3549 64510") })
			w.after(10 * time.Minute).sent()
			both(func(p string) { w.announce("1-2", p, "6939 64510") })
			w.after(10 * time.Minute).wants() // two fifths
			both(func(p string) { w.announce("3", p, "6939 64510") })
			w.after(2 * time.Minute)
			if got := w.kinds(); got != "upstream.restored" {
				t.Errorf("said: %s", got)
			}
			if e := w.event(UpstreamRestored); e.After != 0.375 || e.Severity != Info {
				t.Errorf("%s", encode(e))
			}
		}},
		{"gained: never seen, at two peers, a minute long", func(t *testing.T, w *world) {
			both(func(p string) { w.announce("1", p, "1299 64510") })
			w.after(10 * time.Minute).wants() // one peer makes no upstream
			both(func(p string) { w.announce("2", p, "1299 64510") })
			w.after(59 * time.Second).wants().after(2 * time.Second).
				wants("01:11:00 upstream.gained example AS1299 (0.00 to 0.25 of 8) warning")
		}},
		{"not gained: seen three days ago", func(t *testing.T, w *world) {
			both(func(p string) { w.announce("1-2", p, "1299 64510") })
			w.after(2 * time.Hour)
			both(func(p string) { w.announce("1-2", p, "6939 64510") })
			w.after(72 * time.Hour).sent()
			both(func(p string) { w.announce("1-4", p, "1299 64510") })
			w.after(time.Hour)
			if got := w.kinds(); got == "upstream.gained" {
				t.Errorf("said: %s", got)
			}
		}},
		{"gained: not seen for longer than the baseline", func(t *testing.T, w *world) {
			both(func(p string) { w.announce("1-2", p, "1299 64510") })
			w.after(2 * time.Hour)
			both(func(p string) { w.announce("1-2", p, "6939 64510") })
			w.after(8 * 24 * time.Hour).sent()
			both(func(p string) { w.announce("1-2", p, "1299 64510") })
			if w.after(time.Hour); w.kinds() != "upstream.gained" {
				t.Error("eight days later it is new")
			}
		}},
		{"an edge at one peer is no upstream: it loses none", func(t *testing.T, _ *world) {
			w := newWorld(t, 8, example()).holds("1-7", one, "6939 64510").holds("8", one, "226 64510").dump().after(time.Hour)
			w.announce("8", one, "6939 64510").after(time.Hour).wants()
		}},
		{"where there is a single peer, it is enough", func(t *testing.T, _ *world) {
			w := newWorld(t, 1, single()).holds("1", one, "6939 64510").dump().after(time.Hour)
			w.announce("1", one, "1299 64510").after(2*time.Minute).
				wants("01:00:00 upstream.gained example AS1299 (0.00 to 1.00 of 1) warning",
					"01:00:01 upstream.lost example AS6939 (1.00 to 0.00 of 1) critical")
		}},
		{"IPv4 and IPv6 are judged apart", func(t *testing.T, _ *world) {
			w := newWorld(t, 4, example()).holds("all", one, "6939 64510").holds("1-2", six, "6939 64510").holds("3-4", six, "3549 64510").dump().after(time.Hour)
			w.announce("1-2", six, "3549 64510").after(2 * time.Minute).
				wants("01:00:01 upstream.lost example AS6939 in IPv6 (0.50 to 0.00 of 4) critical")
		}},
		{"peers that lose their session take their part with them, and lose nothing", func(t *testing.T, w *world) {
			w.session("1-5", bgp.PeerDown).after(30 * time.Minute)
			if got := w.kinds(); got != "feed.lost" {
				t.Errorf("said: %s", got)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.story(t, carried(t)) })
	}
}

func TestPathsAreRead(t *testing.T) {
	two := single()
	two.ASNs = []uint32{64510, 64511}
	tests := []struct {
		name, before, after string
		want                string // the kinds said when all peers go from before to after
	}{
		{"another upstream", "6939 64510", "3549 64510", "upstream.gained upstream.lost"},
		{"the hoster prepends itself", "6939 64510", "6939 64510 64510 64510", ""},
		{"the upstream prepends itself", "6939 64510", "6939 6939 64510", ""},
		{"a confederation in between is dropped", "6939 64510", "6939 ~65001 64510", ""},
		{"a hop above the upstream", "6939 64510", "174 6939 64510", ""},
		{"two ASes of the hoster are one", "6939 64511", "6939 64511 64510", ""},
		{"twice in the path: the leftmost counts", "6939 64510", "6939 64510 174 64511", ""},
		{"twice in the path: the rightmost does not", "3549 64510", "6939 64510 3549 64511", "upstream.gained upstream.lost"},
		{"an AS_SET makes no edge", "6939 64510", "{6939,3549} 64510", "upstream.lost"},
		{"an AS_SET of one is that AS", "6939 64510", "{6939} 64510", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 4, two).holds("all", one, tt.before).dump().after(time.Hour)
			w.announce("all", one, tt.after).after(10 * time.Minute)
			if got := w.kinds(); got != tt.want {
				t.Errorf("said %q, not %q", got, tt.want)
			}
		})
	}
}

// TestTransit: a hoster's customers are its too.
func TestTransit(t *testing.T) {
	h := Hoster{ID: "carrier", ASNs: []uint32{64510}}
	w := newWorld(t, 4, h).holds("all", one, "6939 64510 64999").dump().after(time.Hour)
	w.announce("all", one, "3549 64510 64999").after(2*time.Minute).
		wants("01:00:00 upstream.gained carrier AS3549 (0.00 to 1.00 of 4) warning",
			"01:00:01 upstream.lost carrier AS6939 (1.00 to 0.00 of 4) critical")
}

// TestCutOneLevelUp: the hop above an upstream goes, the upstream stays.
func TestCutOneLevelUp(t *testing.T) {
	start := func(t *testing.T) *world {
		return newWorld(t, 8, single()).holds("1-4", one, "3549 23342 64510").holds("5-8", one, "1299 23342 64510").dump().after(time.Hour)
	}
	t.Run("cut", func(t *testing.T) {
		w := start(t).announce("1-4", one, "1299 23342 64510").after(10 * time.Minute)
		if got := w.kinds(); got != "transit.lost" {
			t.Fatalf("said: %s", got)
		}
		if e := w.event(TransitLost); e.Upstream != 23342 || e.Via != 3549 || e.Before != 0.5 || e.After != 0 {
			t.Errorf("%s", encode(e))
		}
		w.tells("depeered open warning: Example Hosting is cut one level up: AS3549 no longer reaches it through AS23342; all prefixes stay visible")
	})
	t.Run("the upstream went too", func(t *testing.T) {
		w := start(t).announce("all", one, "6939 64510").after(10 * time.Minute)
		if got := w.kinds(); got != "upstream.gained upstream.lost" {
			t.Errorf("said: %s", got)
		}
	})
	t.Run("a hunt above the upstream", func(t *testing.T) {
		w := start(t).announce("1-4", one, "1299 23342 64510").after(2*time.Minute).announce("1-4", one, "3549 23342 64510").after(time.Hour)
		w.wants()
	})
}

func TestOrigins(t *testing.T) {
	tests := []struct {
		name  string
		story func(t *testing.T, w *world)
	}{
		{"somebody else announces a prefix of it", func(t *testing.T, w *world) {
			w.announce("1-3", one, "174 64999").after(2 * time.Minute).
				wants("01:01:00 origin.new example " + one + " from AS64999 (0.00 to 0.38 of 8) critical").
				tells("hijack-suspect open critical: " + w.story2())
			if e := w.event(OriginNew); e.MoreSpecific == nil || *e.MoreSpecific || !slices.Equal(e.ExpectedOrigins, []uint32{64510}) || e.RPKI != "unknown" {
				t.Errorf("%s", encode(e))
			}
			w.announce("1-3", one, "6939 64510").after(2 * time.Minute).wants("01:02:00 origin.gone example " + one + " from AS64999 (0.00 to 0.00 of 8) info")
		}},
		{"somebody else announces a part of one", func(t *testing.T, w *world) {
			w.announce("1-6", "192.0.2.128/25", "174 64999").after(2 * time.Minute)
			if e := w.event(OriginNew); e.MoreSpecific == nil || !*e.MoreSpecific || e.Prefix.String() != "192.0.2.128/25" || e.Severity != Critical || e.Origin != 64999 {
				t.Errorf("%s", encode(e))
			}
		}},
		{"a single peer says so", func(t *testing.T, w *world) {
			w.announce("1", one, "174 64999").after(time.Hour).wants()
		}},
		{"for less than a minute", func(t *testing.T, w *world) {
			w.announce("1-3", one, "174 64999").after(50*time.Second).announce("1-3", one, "6939 64510").after(time.Hour).wants()
		}},
		{"it is the hoster's customer: behind it", func(t *testing.T, w *world) {
			w.announce("all", "192.0.2.128/25", "6939 64510 64999").after(2 * time.Minute)
			if e := w.event(OriginNew); e.Severity != Info || e.Incident != nil {
				t.Errorf("%s", encode(e))
			}
		}},
		{"its whole prefix is a customer's now, behind it", func(t *testing.T, w *world) {
			w.announce("1-5", one, "6939 64510 64999").announce("6-8", one, "3549 64510 64999").after(2 * time.Minute)
			if e := w.event(OriginNew); e.Severity != Info || e.Incident != nil {
				t.Errorf("%s", encode(e))
			}
			w.tells()
		}},
		{"all of it comes from somebody else: it moved", func(t *testing.T, w *world) {
			w.announce("all", one, "174 64999").after(2 * time.Minute).wants("01:00:00 origin.new example " + one + " from AS64999 (0.00 to 1.00 of 8) critical")
			w.after(48 * time.Hour).wants()
			if got := w.latest[*w.event(OriginNew).Incident]; got.Class != Moved || got.Resolution == nil || *got.Resolution != NewNormal {
				t.Errorf("%s", encode(got))
			}
			// Half a year later it is the other's: what befalls it is no story of the hoster.
			w.withdraw("all", one).after(time.Hour)
			if got := w.kinds(); got != "origin.gone" {
				t.Errorf("said: %s", got)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.story(t, carried(t)) })
	}
	t.Run("an origin that is allowed", func(t *testing.T) {
		h := example()
		h.AllowedOrigins = []uint32{64999}
		w := behind(newWorld(t, 8, h))
		w.announce("1-3", one, "174 64999").announce("all", "192.0.2.128/25", "174 64999").after(time.Hour)
		for _, e := range w.events {
			if e.Kind == OriginNew {
				t.Errorf("%s", show(&e))
			}
		}
	})
}

func (w *world) story2() string {
	for _, x := range w.latest {
		return x.Summary
	}
	return ""
}

func TestNewPrefixes(t *testing.T) {
	t.Run("known tables", func(t *testing.T) {
		w := carried(t)
		w.announce("1-5", three, "6939 64510").after(2 * time.Minute)
		if e := w.event(PrefixNew); e.Origin != 64510 || e.Prefix.String() != three || e.After != 0.625 || e.Incident != nil {
			t.Errorf("%s", encode(e))
		}
	})
	t.Run("unknown tables: it may always have been", func(t *testing.T) {
		w := newWorld(t, 8, example())
		both(func(p string) { w.announce("all", p, "6939 64510") })
		w.after(10*time.Minute).announce("all", three, "6939 64510").after(2*time.Hour).announce("all", "203.0.114.0/24", "6939 64510").
			after(time.Hour).wants()
	})
	t.Run("learned from a later dump", func(t *testing.T) {
		w := newWorld(t, 8, example())
		w.announce("all", one, "6939 64510").after(10 * time.Minute)
		w.holds("all", one, "6939 64510").holds("all", two, "3549 64510").holds("all", three, "1299 64510").dump().after(time.Hour).wants()
	})
	t.Run("one peer", func(t *testing.T) {
		carried(t).announce("1", three, "6939 64510").after(time.Hour).wants()
	})
}

func TestWithdrawn(t *testing.T) {
	tests := []struct {
		name  string
		story func(t *testing.T, w *world)
	}{
		{"a prefix, everywhere", func(t *testing.T, w *world) {
			w.withdraw("all", one).after(2*time.Minute).
				wants("01:00:01 route.withdrawn example "+one+" (1.00 to 0.00 of 8) warning").
				announce("all", one, "6939 64510").after(2 * time.Minute).
				wants("01:02:00 route.restored example " + one + " (0.00 to 1.00 of 8) info")
		}},
		{"a prefix, at seven of eight", func(t *testing.T, w *world) {
			w.withdraw("1-7", one).after(80 * time.Minute).wants()
		}},
		{"everything: dark, when it is confirmed and not before", func(t *testing.T, w *world) {
			w.withdraw("all", one, two).after(time.Second).wants().after(time.Minute)
			if got := w.kinds(); got != "upstream.lost route.withdrawn hoster.dark" {
				t.Errorf("said: %s", got)
			}
			if e := w.event(HosterDark); e.At != day.Add(time.Hour+time.Second) || e.FirstSeen != day.Add(time.Hour) || e.Before != 1 || e.After != 0 || e.Eligible != 8 || e.Severity != Critical {
				t.Errorf("%s", encode(e))
			}
		}},
		{"everything, for a second", func(t *testing.T, w *world) {
			w.withdraw("all", one, two).after(time.Second)
			both(func(p string) { w.announce("1-5", p, "6939 64510").announce("6-8", p, "3549 64510") })
			w.after(time.Hour).wants()
		}},
		{"returned: any prefix is back", func(t *testing.T, w *world) {
			w.withdraw("all", one, two).after(30 * time.Minute).sent()
			w.announce("all", two, "6939 64510").after(time.Second).after(time.Second)
			if got := w.kinds(); got != "route.restored hoster.returned" {
				t.Errorf("said: %s", got)
			}
			if e := w.event(HosterReturned); len(e.Prefixes) != 1 || e.Prefixes[0].String() != two || e.After != 0.5 {
				t.Errorf("%s", encode(e))
			}
		}},
		{"the session of everybody is lost: nothing is withdrawn", func(t *testing.T, w *world) {
			w.session("all", bgp.PeerDown).after(48 * time.Hour)
			if got := w.kinds(); got != "feed.lost" {
				t.Errorf("said: %s", got)
			}
		}},
		{"the session of everybody is lost, and its table comes back without the hoster", func(t *testing.T, w *world) {
			w.session("all", bgp.PeerDown).after(5 * time.Second)
			for _, p := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
				w.session(p, bgp.PeerUp).session(p, bgp.EndOfRIB).after(3 * time.Second)
			}
			w.after(2 * time.Minute)
			w.wants("01:00:00 feed.lost rrc00 (1.00 to 0.00 of 0) warning",
				"01:00:09 upstream.lost example AS6939 (0.62 to 0.00 of 2) critical",
				"01:00:09 route.withdrawn example "+one+" (1.00 to 0.00 of 2) warning",
				"01:00:09 route.withdrawn example "+two+" (1.00 to 0.00 of 2) warning",
				"01:00:09 hoster.dark example (1.00 to 0.00 of 2) critical",
				"01:00:23 feed.restored rrc00 (0.00 to 1.00 of 7) info",
				"01:00:24 upstream.lost example AS3549 (0.38 to 0.00 of 7) critical")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.story(t, carried(t)) })
	}
}

// TestDarkness weighs prefixes by their address space.
func TestDarkness(t *testing.T) {
	h := Hoster{ID: "example", ASNs: []uint32{64510}}
	tests := []struct {
		name string
		has  []string
		left string
		dark bool
	}{
		{"a /24 of a /20 and more remains: 5.9 %", []string{"198.18.0.0/20", "203.0.113.0/24"}, "203.0.113.0/24", false},
		{"a /24 beside a /19 remains, seen as usual: 3 %, and not dark all the same", []string{"198.18.0.0/19", "203.0.113.0/24"}, "203.0.113.0/24", false},
		{"a /24 inside the /20 remains", []string{"198.18.0.0/20", "198.18.3.0/24"}, "198.18.3.0/24", false},
		{"all IPv6 remains", []string{"198.18.0.0/20", six}, six, false},
		{"nothing remains", []string{"198.18.0.0/20", six}, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 6, h)
			for _, p := range tt.has {
				w.holds("all", p, "6939 64510")
			}
			w.dump().after(time.Hour)
			for _, p := range tt.has {
				if p != tt.left {
					w.withdraw("all", p)
				}
			}
			w.after(time.Hour)
			dark := slices.ContainsFunc(w.events, func(e Event) bool { return e.Kind == HosterDark })
			if dark != tt.dark {
				t.Errorf("dark: %t; said: %v", dark, w.sent())
			}
		})
	}
}

// TestDarkTwice: a hoster that shows a little and goes dark again is told twice,
// the second time from when it went again.
func TestDarkTwice(t *testing.T) {
	h := Hoster{ID: "example", ASNs: []uint32{64510}}
	w := newWorld(t, 6, h)
	var all []string
	for i := range 8 {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i), 0}), 24).String())
		w.holds("all", all[i], "6939 64510")
	}
	w.dump().after(time.Hour)
	w.withdraw("all", all...).after(10*time.Minute).announce("all", all[3], "6939 64510").after(20*time.Minute).withdraw("all", all[3]).after(10 * time.Minute)
	var dark []Event
	for _, e := range w.events {
		if e.Kind == HosterDark {
			dark = append(dark, e)
		}
	}
	if len(dark) != 2 || dark[1].FirstSeen != day.Add(90*time.Minute) || dark[0].ID == dark[1].ID {
		t.Errorf("%d times dark: %s", len(dark), encode(dark))
	}
}

func TestZombie(t *testing.T) {
	w := newWorld(t, 16, single()).holds("all", one, "6939 64510").dump().after(time.Hour)
	w.withdraw("1-15", one).after(89 * time.Minute)
	if got := w.kinds(); got != "route.withdrawn hoster.dark" {
		t.Errorf("said: %s", got)
	}
	w.after(3 * time.Minute)
	if e := w.event(UpstreamLost); e.Upstream != 6939 || e.After != 0 {
		t.Errorf("%s", encode(e))
	}
	p := find(w.d.prefixes[netip.MustParsePrefix(one)], w.d.hosters[0])
	if !slices.Equal(p.zombies, []string{w.peers[15].String()}) {
		t.Errorf("zombies: %v", p.zombies)
	}
	w.announce("16", one, "3549 64510").after(time.Minute)
	if s := p.entry.Slot(w.d.table.Peers()[15]); s.Zombie {
		t.Error("it spoke again, and is still taken for a zombie")
	}
}

func TestFeeds(t *testing.T) {
	t.Run("more than a fifth of the peers are lost", func(t *testing.T) {
		w := newWorld(t, 10, example()).holds("all", one, "6939 64510").dump().after(time.Hour)
		w.session("1-2", bgp.PeerDown).after(time.Hour).wants()
		w.session("3", bgp.PeerDown).after(2 * time.Minute)
		if e := w.event(FeedLost); e.PeersLost != 3 || e.Eligible != 7 || e.At.Sub(e.FirstSeen) != time.Minute || e.Collector != "rrc00" || e.Source != "rrc00" {
			t.Errorf("%s", encode(e))
		}
		w.session("3", bgp.PeerUp).announce("3", one, "6939 64510").session("3", bgp.EndOfRIB).after(time.Minute)
		if e := w.event(FeedRestored); e.Severity != Info {
			t.Errorf("%s", encode(e))
		}
	})
	talk := func(w *world, every time.Duration, times int) *world {
		for i := range times {
			w.observe(bgp.Update{Peer: w.peers[i%len(w.peers)], Kind: bgp.Heard})
			w.after(every)
		}
		return w
	}
	t.Run("a collector that spoke every minute falls silent", func(t *testing.T) {
		w := newWorld(t, 4, example()).holds("all", one, "6939 64510").dump()
		talk(w, time.Minute, 60).after(14 * time.Minute).wants()
		w.after(time.Minute)
		if e := w.event(FeedStale); e.At.Sub(e.FirstSeen) != 15*time.Minute || e.PeersLost != 4 {
			t.Errorf("%s", encode(e))
		}
		w.sent()
		talk(w.after(time.Hour), time.Minute, 1)
		if got := w.kinds(); got != "feed.restored" {
			t.Errorf("said: %s", got)
		}
	})
	t.Run("a collector that speaks every ten minutes is not stale after a day", func(t *testing.T) {
		w := newWorld(t, 4, example()).holds("all", one, "6939 64510").dump()
		talk(w, 10*time.Minute, 30).after(24 * time.Hour).wants()
	})
}

func TestValidity(t *testing.T) {
	h := example()
	h.Valid = Validity{From: day.Add(2 * time.Hour), To: day.Add(24 * time.Hour)}
	w := behind(newWorld(t, 8, h)) // it is one o'clock
	w.withdraw("all", one).after(30*time.Minute).wants().announce("all", one, "6939 64510").after(40 * time.Minute).wants()
	w.after(time.Hour).withdraw("all", one).after(time.Minute).
		wants("03:10:01 route.withdrawn example " + one + " (1.00 to 0.00 of 8) warning")
	w.announce("all", one, "6939 64510").after(22 * time.Hour).sent()
	w.withdraw("all", one, two).after(time.Hour).wants()
}
