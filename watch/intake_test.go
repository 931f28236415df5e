package watch

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
)

// post is a line of the log that a live depeer writes.
type post struct {
	source string
	batch  []bgp.Update
	pulse  *Pulse
}

// studio writes the log of live feeds, second by second, and reads it.
type studio struct {
	t     *testing.T
	in    *Intake
	at    time.Time
	log   []post
	feeds []*liveFeed
	said  []string
}

type liveFeed struct {
	name, ends string
	run        time.Time
	peers      []bgp.Peer
	delay      time.Duration
	broken     string
	dead       bool
}

func newStudio(t *testing.T, feeds ...*liveFeed) *studio {
	s := &studio{t: t, at: day, feeds: feeds, in: NewIntake(NewDetector(Watchlist{Hosters: []Hoster{example()}}, DefaultPolicy()))}
	for _, f := range feeds {
		f.run = day
	}
	return s
}

// settled is a studio whose peers have all sent their tables, an hour ago.
func settled(t *testing.T, feeds ...*liveFeed) *studio {
	t.Helper()
	s := newStudio(t, feeds...)
	s.after(time.Second)
	for _, f := range feeds {
		s.table(f, one, two)
	}
	return s.after(time.Hour).wants()
}

func liveFeedOf(name, ends string, peers int) *liveFeed {
	f := &liveFeed{name: name, ends: ends}
	for i := range peers {
		f.peers = append(f.peers, bgp.Peer{Collector: name + "-c", Addr: netip.AddrFrom4([4]byte{198, 18, byte(len(name)), byte(i + 1)}), ASN: uint32(64601 + i)})
	}
	return f
}

func (s *studio) write(p post) {
	s.log = append(s.log, p)
	s.said = append(s.said, s.in.read(p)...)
}

// read gives one line for each event, and for each gap that opened or closed.
func (i *Intake) read(p post) (out []string) {
	if p.pulse != nil {
		i.Pulse(*p.pulse)
	} else {
		i.Updates(p.source, p.batch)
	}
	events, _, gaps := i.Take()
	for _, e := range events {
		about := e.Source
		if e.Hoster != nil {
			about = *e.Hoster
		}
		out = append(out, fmt.Sprintf("%s %s %s", e.At.Format(time.TimeOnly), e.Kind, about))
	}
	for _, g := range gaps {
		if g.To != nil {
			out = append(out, fmt.Sprintf("gap %s %s to %s: %d peers, %s: %s, filled %t", g.Collector, g.From.Format(time.TimeOnly), g.To.Format(time.TimeOnly), g.Peers, g.Reason, g.Cause, g.Filled != nil))
		}
	}
	return out
}

func (s *studio) tell(f *liveFeed, kind bgp.Kind, mod func(*bgp.Update, int)) {
	var batch []bgp.Update
	for i, p := range f.peers {
		u := bgp.Update{At: s.at.Add(-f.delay).Add(300 * time.Millisecond), Peer: p, Kind: kind}
		if mod != nil {
			mod(&u, i)
		}
		batch = append(batch, u)
	}
	s.write(post{source: f.name, batch: batch})
}

// originOf is the hoster, or somebody else for the canaries.
func originOf(prefix string) uint32 {
	if slices.Contains(stable, prefix) {
		return 64999
	}
	return 64510
}

// table has every peer of the feed send its table.
func (s *studio) table(f *liveFeed, prefixes ...string) {
	s.tell(f, bgp.PeerUp, nil)
	for _, q := range prefixes {
		s.tell(f, bgp.Announce, func(u *bgp.Update, i int) {
			u.Prefix, u.Path = netip.MustParsePrefix(q), bgp.PathOf(u.Peer.ASN, []uint32{6939, 3549}[i%2], originOf(q))
		})
	}
	s.tell(f, bgp.EndOfRIB, nil)
	s.tell(f, bgp.EndOfRIB, func(u *bgp.Update, _ int) { u.V6 = true })
}

func (s *studio) withdraw(f *liveFeed, prefixes ...string) {
	for _, q := range prefixes {
		s.tell(f, bgp.Withdraw, func(u *bgp.Update, _ int) { u.Prefix = netip.MustParsePrefix(q) })
	}
}

// after lets seconds pass: every feed that lives sends its pulse, and its peers speak.
func (s *studio) after(d time.Duration) *studio {
	for end := s.at.Add(d); s.at.Before(end); {
		s.at = s.at.Add(time.Second)
		for _, f := range s.feeds {
			if f.dead {
				continue
			}
			if f.broken == "" && s.at.Second() == 7 {
				s.tell(f, bgp.Heard, nil)
			}
			s.write(post{pulse: &Pulse{Source: f.name, Run: f.run, Until: s.at.Add(-f.delay), Delay: f.delay, Ends: f.ends, Ready: f.broken == "", Reason: f.broken}})
		}
	}
	return s
}

func (s *studio) wants(lines ...string) *studio {
	s.t.Helper()
	if !slices.Equal(s.said, lines) {
		s.t.Errorf("at %s it said\n  %s\nbut should\n  %s", s.at.Format(time.TimeOnly), strings.Join(s.said, "\n  "), strings.Join(lines, "\n  "))
	}
	s.said = nil
	return s
}

func TestIntake(t *testing.T) {
	for _, x := range []struct {
		name  string
		story func(t *testing.T)
	}{
		{"a second is judged when every feed has told all of it", func(t *testing.T) {
			a, b := liveFeedOf("speaker", "peer-down", 4), liveFeedOf("rislive", "unheard", 4)
			s := settled(t, a, b)
			s.withdraw(a, one, two)
			s.withdraw(b, one, two)
			s.at = s.at.Add(3 * time.Second)
			s.write(post{pulse: &Pulse{Source: a.name, Run: a.run, Until: s.at, Ends: a.ends, Ready: true}})
			s.wants() // the other one may still say something of this second
			s.write(post{pulse: &Pulse{Source: b.name, Run: b.run, Until: s.at, Ends: b.ends, Ready: true}})
			s.wants("01:00:02 upstream.lost example", "01:00:02 upstream.lost example",
				"01:00:02 route.withdrawn example", "01:00:02 route.withdrawn example", "01:00:02 hoster.dark example")
		}},
		{"depeer was not running: nobody withdrew anything, and what did not come back is told", func(t *testing.T) {
			a := liveFeedOf("speaker", "peer-down", 4)
			s := settled(t, a)
			s.at, a.run = s.at.Add(10*time.Minute), s.at.Add(10*time.Minute)
			s.after(2 * time.Second)
			s.table(a, one)
			s.after(10*time.Minute).wants(
				"01:00:01 feed.lost speaker-c", "01:10:03 feed.restored speaker-c", "01:10:04 route.withdrawn example",
				"gap speaker-c 01:00:01 to 01:10:03: 4 peers, session lost: depeer was not running, filled false")
		}},
		{"killed and started within the second: what did not come back is told", func(t *testing.T) {
			a := liveFeedOf("speaker", "peer-down", 3)
			s := newStudio(t, a)
			s.after(time.Second)
			s.table(a, one, two)
			s.after(3 * time.Second).wants()
			pulse := func(d time.Duration) {
				s.write(post{pulse: &Pulse{Source: a.name, Run: a.run, Until: s.at.Add(d), Ends: a.ends, Ready: true}})
			}
			pulse(50 * time.Millisecond)
			a.run = s.at.Add(100 * time.Millisecond)
			pulse(110 * time.Millisecond)
			s.table(a, one)
			s.after(3 * time.Second).wants("00:00:05 route.withdrawn example")
		}},
		{"killed between the withdrawal and its judgement: all of it is told", func(t *testing.T) {
			a := liveFeedOf("speaker", "peer-down", 4)
			s := settled(t, a)
			s.withdraw(a, one, two)
			s.write(post{pulse: &Pulse{Source: a.name, Run: a.run, Until: s.at.Add(500 * time.Millisecond), Ends: a.ends, Ready: true}})
			a.run = s.at.Add(700 * time.Millisecond)
			s.write(post{pulse: &Pulse{Source: a.name, Run: a.run, Until: a.run, Ends: a.ends, Ready: true}})
			s.at = s.at.Add(time.Second)
			s.table(a)
			s.after(3 * time.Minute)
			kinds := map[string]int{}
			for _, l := range s.said {
				if w := strings.Fields(l); w[len(w)-1] == "example" {
					kinds[w[1]]++
				}
			}
			if fmt.Sprint(kinds) != "map[hoster.dark:1 route.withdrawn:2 upstream.lost:2]" {
				t.Errorf("it said\n%s", strings.Join(s.said, "\n"))
			}
		}},
		{"what is left of a hoster is not dark while nobody is there to see it", func(t *testing.T) {
			for _, pause := range []time.Duration{0, 400 * time.Millisecond, 900 * time.Millisecond, 2500 * time.Millisecond} {
				a := liveFeedOf("speaker", "peer-down", 3)
				s := settled(t, a)
				s.withdraw(a, two)
				s.after(3 * time.Second).wants("01:00:02 route.withdrawn example")
				s.write(post{pulse: &Pulse{Source: a.name, Run: a.run, Until: s.at.Add(50 * time.Millisecond), Ends: a.ends, Ready: true}})
				a.run = s.at.Add(pause + 60*time.Millisecond)
				s.write(post{pulse: &Pulse{Source: a.name, Run: a.run, Until: a.run, Ends: a.ends, Ready: true}})
				s.at = s.at.Add(pause)
				s.table(a, one)
				s.after(5 * time.Second)
				for _, l := range s.said {
					if strings.Contains(l, "example") {
						t.Errorf("after %s: %s", pause, l)
					}
				}
			}
		}},
		{"the sessions are reset one after the other, and none brings the prefix back", func(t *testing.T) {
			a := liveFeedOf("speaker", "peer-down", 6)
			s := settled(t, a)
			for i := range a.peers {
				alone := *a
				alone.peers = a.peers[i : i+1]
				s.tell(&alone, bgp.PeerDown, nil)
				s.after(10 * time.Second)
				s.tell(&alone, bgp.PeerUp, nil)
				s.tell(&alone, bgp.Announce, func(u *bgp.Update, _ int) {
					u.Prefix, u.Path = netip.MustParsePrefix(one), bgp.PathOf(u.Peer.ASN, []uint32{6939, 3549}[i%2], 64510)
				})
				s.tell(&alone, bgp.EndOfRIB, nil)
				s.after(20 * time.Second)
			}
			var told []string
			for _, l := range s.said {
				if !strings.HasPrefix(l, "gap") {
					told = append(told, l)
				}
			}
			s.said = told
			s.wants("01:02:32 route.withdrawn example")
		}},
		{"a feed is lost: one event, and its routes stand", func(t *testing.T) {
			a, b := liveFeedOf("speaker", "peer-down", 4), liveFeedOf("rislive", "unheard", 40)
			s := settled(t, a, b)
			b.broken = "connection lost"
			s.tell(b, bgp.Unheard, func(u *bgp.Update, _ int) { u.Cause.Text = "connection lost" })
			s.after(2 * time.Minute).wants("01:01:02 feed.lost rislive")
			b.broken = ""
			s.after(time.Minute).wants("01:02:01 feed.restored rislive",
				"gap rislive-c 01:00:01 to 01:02:07: 40 peers, feed lost: connection lost, filled false")
		}},
		{"the process of a feed is gone: the others are judged on", func(t *testing.T) {
			a, b := liveFeedOf("speaker", "peer-down", 4), liveFeedOf("rislive", "unheard", 4)
			s := settled(t, a, b)
			b.dead = true
			s.after(10 * time.Second)
			s.withdraw(a, one, two)
			s.after(2 * time.Minute)
			s.wants("01:00:12 upstream.lost example", "01:00:12 upstream.lost example",
				"01:00:12 route.withdrawn example", "01:00:12 route.withdrawn example", "01:00:12 hoster.dark example",
				"01:01:32 feed.lost rislive")
		}},
		{"all feeds are gone, and time passes", func(t *testing.T) {
			a := liveFeedOf("speaker", "peer-down", 4)
			s := settled(t, a)
			a.dead = true
			tick := func(d time.Duration) {
				for end := s.at.Add(d); s.at.Before(end); {
					s.at = s.at.Add(time.Second)
					s.write(post{pulse: &Pulse{Clock: true, Until: s.at}})
				}
			}
			tick(2 * time.Minute)
			s.wants("01:00:01 feed.lost speaker-c", "01:01:32 feed.lost speaker")
			a.dead, a.run = false, s.at
			s.after(2 * time.Second)
			s.table(a, one, two)
			tick(2 * time.Second)
			s.after(2 * time.Minute)
			s.wants("01:02:01 feed.restored speaker", "01:02:03 feed.restored speaker-c",
				"gap speaker-c 01:00:01 to 01:02:03: 4 peers, session lost: no word from the process that hears it, filled false")
		}},
		{"a clock alone lets no time pass: a recording may be read from another process", func(t *testing.T) {
			a := liveFeedOf("archive", "", 4)
			a.delay = 20 * time.Minute
			s := newStudio(t, a)
			s.write(post{pulse: &Pulse{Clock: true, Until: s.at}})
			s.after(time.Second)
			s.write(post{pulse: &Pulse{Clock: true, Until: s.at}})
			s.table(a, one, two)
			s.after(time.Hour)
			if want := s.at.Add(-a.delay); !s.in.Now().Equal(want) {
				t.Errorf("it is %s, not %s", s.in.Now(), want)
			}
		}},
		{"an archive that never began is lost since now", func(t *testing.T) {
			a, b := liveFeedOf("rislive", "unheard", 4), liveFeedOf("archive", "", 4)
			b.dead = true
			s := newStudio(t, a, b)
			s.after(time.Minute).wants()
			for range 90 {
				s.write(post{pulse: &Pulse{Source: b.name, Run: b.run, Delay: 10 * time.Minute, Reason: "no route to host"}})
				s.after(time.Second)
			}
			s.wants("00:02:00 feed.lost archive")
		}},
		{"an archive that reads its first table is not lost", func(t *testing.T) {
			a, b := liveFeedOf("rislive", "unheard", 4), liveFeedOf("archive", "", 4)
			b.dead = true
			s := newStudio(t, a, b)
			say := func(seconds int, busy, ready bool, reason string) {
				for range seconds {
					s.write(post{pulse: &Pulse{Source: b.name, Run: b.run, Delay: 10 * time.Minute, Busy: busy, Ready: ready, Reason: reason}})
					s.after(time.Second)
				}
			}
			s.after(time.Minute)
			say(300, true, false, "rrc00 is seeding")
			s.wants()
			say(59, false, false, "no route to host")
			s.wants() // it has been trying for less than the hold time
			say(10, false, false, "no route to host")
			s.wants("00:07:00 feed.lost archive")
			say(5, false, true, "")
			s.wants("00:07:09 feed.restored archive")
		}},
		{"an archive is behind, and nobody waits for it", func(t *testing.T) {
			a, b := liveFeedOf("rislive", "unheard", 4), liveFeedOf("archive", "", 4)
			b.delay = 20 * time.Minute
			s := newStudio(t, a, b)
			s.after(time.Second)
			s.table(a, one, two)
			s.table(b, one, two)
			s.after(3 * time.Hour).wants()
			s.withdraw(a, one, two)
			s.after(time.Second).wants()
			s.after(20 * time.Minute)
			s.withdraw(b, one, two)
			s.after(2 * time.Second)
			if got := strings.Join(s.said, "\n"); !strings.Contains(got, "hoster.dark") || strings.Contains(got, "feed.") {
				t.Errorf("it said\n%s", got)
			}
		}},
	} {
		t.Run(x.name, x.story)
	}
}

// Whoever reads the log again from the beginning finds the same.
func TestIntakeReadsTheLogAgain(t *testing.T) {
	a, b := liveFeedOf("speaker", "peer-down", 4), liveFeedOf("rislive", "unheard", 4)
	s := newStudio(t, a, b)
	s.after(time.Second)
	s.table(a, one, two)
	s.table(b, one, two)
	s.after(time.Hour)
	s.withdraw(a, one)
	s.after(5 * time.Second)
	s.withdraw(b, one)
	s.after(90 * time.Second)
	a.run = s.at
	s.after(5 * time.Second)
	s.table(a, one, two)
	s.after(10 * time.Minute)
	again := NewIntake(NewDetector(Watchlist{Hosters: []Hoster{example()}}, DefaultPolicy()))
	var said []string
	for _, p := range s.log {
		said = append(said, again.read(p)...)
	}
	if len(said) < 4 || !slices.Equal(said, s.said) {
		t.Errorf("read again it says\n  %s\nand said\n  %s", strings.Join(said, "\n  "), strings.Join(s.said, "\n  "))
	}
}

// told writes down what it is told.
type told struct {
	updates []bgp.Update
	times   []time.Time
}

func (t *told) Observe(u bgp.Update)  { t.updates = append(t.updates, u) }
func (t *told) Advance(now time.Time) { t.times = append(t.times, now) }

// Whoever remembers routes hears them second by second, from the feed that speaks for
// the peer, and the detector behind the intake holds none.
func TestDivert(t *testing.T) {
	start := time.Date(2008, 11, 11, 21, 0, 0, 0, time.UTC)
	peer := bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64500}
	q := netip.MustParsePrefix("208.66.192.0/22")
	say := func(second int, k bgp.Kind) bgp.Update {
		u := bgp.Update{At: start.Add(time.Duration(second) * time.Second), Peer: peer, Kind: k}
		if k == bgp.Announce {
			u.Prefix, u.Path = q, bgp.PathOf(64500, 6939, 26780)
		}
		return u
	}
	i := NewIntake(NewDetector(Watchlist{Hosters: []Hoster{{ID: "mccolo", ASNs: []uint32{26780}}}}, DefaultPolicy()))
	var l told
	i.Divert(&l)
	pulse := func(source string, second int) {
		i.Pulse(Pulse{Source: source, Run: start, Until: start.Add(time.Duration(second) * time.Second), Ready: true})
	}
	pulse("a", 0)
	pulse("b", 0)
	i.Updates("a", []bgp.Update{say(1, bgp.PeerUp), say(3, bgp.Announce)})
	i.Updates("b", []bgp.Update{say(2, bgp.Announce), say(2, bgp.PeerDown)}) // b does not speak for the peer
	pulse("a", 10)
	if len(l.updates) != 0 {
		t.Fatalf("told before both feeds had told the second: %v", l.updates)
	}
	pulse("b", 10)
	var kinds []bgp.Kind
	for _, u := range l.updates {
		kinds = append(kinds, u.Kind)
	}
	if want := []bgp.Kind{bgp.PeerUp, bgp.Announce, bgp.Announce}; !slices.Equal(kinds, want) || l.updates[1].At.After(l.updates[2].At) {
		t.Errorf("told %v, want %v in order of time", l.updates, want)
	}
	if n := len(l.times); n == 0 || !l.times[n-1].Equal(start.Add(10*time.Second)) {
		t.Errorf("the time was told as %v", l.times)
	}
	pulse("a", 11)
	pulse("b", 11)
	if p := i.Detector().Peers(); len(p) != 1 || p[0].State == "unknown" {
		t.Errorf("the session is known as %+v", p)
	}
	if x := i.Detector().Explain(q); len(x) != 0 {
		t.Errorf("the detector holds the route: %+v", x)
	}
}
