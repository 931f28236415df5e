package rib

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
)

// day is the first second of the stories told here.
var day = time.Date(2008, 11, 11, 0, 0, 0, 0, time.UTC)

var (
	anna = bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64601}
	bert = bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.2"), ASN: 64602}
)

// teller speaks for peers to a table, and writes down what changes.
type teller struct {
	t     *testing.T
	table *Table
	at    time.Time
	said  []string
}

func tell(t *testing.T) *teller {
	return &teller{t: t, table: New(time.Minute), at: day}
}

// after lets time pass, second by second of whatever Advance has to do.
func (s *teller) after(d time.Duration) *teller {
	s.at = s.at.Add(d)
	for {
		next := s.table.Next()
		if next.IsZero() || next.After(s.at) {
			return s
		}
		s.table.Advance(next, s.note)
	}
}

func (s *teller) note(c Change) {
	name := map[bgp.Peer]string{anna: "anna", bert: "bert"}[c.Peer.Peer]
	switch c.What {
	case Left:
		s.said = append(s.said, name+" left")
	case Joined:
		s.said = append(s.said, name+" joined")
	default:
		verb := map[What]string{Said: "said", Learned: "learned"}[c.What]
		s.said = append(s.said, fmt.Sprintf("%s %s %s: %s -> %s", name, verb, c.Entry.Prefix, routes(&c.Old), routes(c.Entry.Slot(c.Peer))))
	}
}

// routes writes a slot: "none", or its paths, the further ones of ADD-PATH with their identifiers.
func routes(s *Slot) string {
	if s == nil || s.Node == nil {
		return "none"
	}
	out := []string{s.Node.Path.String()}
	for _, x := range s.More {
		out = append(out, fmt.Sprintf("%d:%s", x.ID, x.Node.Path))
	}
	return strings.Join(out, " + ")
}

func (s *teller) apply(u bgp.Update) *teller {
	u.At = s.at
	s.table.Apply(u, s.note)
	return s
}

func (s *teller) announce(p bgp.Peer, prefix string, path ...uint32) *teller {
	return s.apply(bgp.Update{Peer: p, Kind: bgp.Announce, Prefix: netip.MustParsePrefix(prefix), Path: bgp.PathOf(path...)})
}

func (s *teller) withdraw(p bgp.Peer, prefix string) *teller {
	return s.apply(bgp.Update{Peer: p, Kind: bgp.Withdraw, Prefix: netip.MustParsePrefix(prefix)})
}

func (s *teller) session(p bgp.Peer, k bgp.Kind) *teller {
	return s.apply(bgp.Update{Peer: p, Kind: k})
}

func (s *teller) endOfRIB(p bgp.Peer, v6 bool) *teller {
	return s.apply(bgp.Update{Peer: p, Kind: bgp.EndOfRIB, V6: v6})
}

// dump tells the peer's IPv4 table: "prefix path" for each of its routes.
func (s *teller) dump(p bgp.Peer, end bgp.Kind, lines ...string) *teller {
	s.apply(bgp.Update{Peer: p, Kind: bgp.TableStart})
	for _, l := range lines {
		s.line(p, l)
	}
	return s.apply(bgp.Update{Peer: p, Kind: end, Heard: bgp.Traffic{Routes: len(lines)}})
}

func (s *teller) line(p bgp.Peer, l string) *teller {
	w := strings.Fields(l)
	var path []uint32
	for _, x := range w[1:] {
		a, err := bgp.ParseASN(x)
		if err != nil {
			s.t.Fatal(err)
		}
		path = append(path, a)
	}
	return s.apply(bgp.Update{Peer: p, Kind: bgp.TableRoute, Prefix: netip.MustParsePrefix(w[0]), Path: bgp.PathOf(path...)})
}

// wants compares what was written down since it was last asked.
func (s *teller) wants(lines ...string) *teller {
	s.t.Helper()
	if !slices.Equal(s.said, lines) {
		s.t.Errorf("at %s the changes were\n  %s\nbut should be\n  %s", s.at.Format(time.TimeOnly), strings.Join(s.said, "\n  "), strings.Join(lines, "\n  "))
	}
	s.said = nil
	return s
}

func (s *teller) peer(p bgp.Peer) *Peer {
	for _, x := range s.table.Peers() {
		if x.Peer == p {
			return x
		}
	}
	return &Peer{Peer: p}
}

func (s *teller) state(p bgp.Peer, want State) *teller {
	s.t.Helper()
	if got := s.peer(p); got.State != want || got.Eligible() != (want == Up) {
		s.t.Errorf("at %s %s is %s (eligible: %t), not %s", s.at.Format(time.TimeOnly), p, got.State, got.Eligible(), want)
	}
	return s
}

func (s *teller) holds(p bgp.Peer, prefix, want string) *teller {
	s.t.Helper()
	got := "none"
	if e := s.table.Entry(netip.MustParsePrefix(prefix)); e != nil {
		got = routes(e.Slot(s.peer(p)))
	}
	if got != want {
		s.t.Errorf("at %s %s holds for %s: %s, not %s", s.at.Format(time.TimeOnly), p, prefix, got, want)
	}
	return s
}

const (
	one   = "208.66.192.0/22"
	two   = "208.72.168.0/21"
	three = "208.72.173.0/24"
	six   = "2001:db8:10::/48"
)

func TestStory(t *testing.T) {
	tests := []struct {
		name  string
		story func(*teller)
	}{
		{"a peer that only ever speaks is up from its first word", func(s *teller) {
			s.state(anna, Unknown).
				announce(anna, one, 64601, 3549, 26780).state(anna, Up).
				wants("anna joined", "anna said "+one+": none -> 64601 3549 26780").
				after(time.Second).announce(anna, one, 64601, 6939, 26780).
				wants("anna said "+one+": 64601 3549 26780 -> 64601 6939 26780").
				after(time.Second).withdraw(anna, one).
				wants("anna said " + one + ": 64601 6939 26780 -> none")
		}},
		{"losing the session withdraws nothing", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).wants("anna joined", "anna said "+one+": none -> 64601 3549 26780").
				after(time.Minute).session(anna, bgp.PeerDown).state(anna, Down).wants("anna left").
				holds(anna, one, "64601 3549 26780").
				after(time.Hour).state(anna, Down).holds(anna, one, "64601 3549 26780").wants()
		}},
		{"the same table again is no change", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).announce(anna, six, 64601, 6939, 26780).
				after(time.Minute).session(anna, bgp.PeerDown).
				after(time.Minute).session(anna, bgp.PeerUp).state(anna, Syncing)
			s.said = nil
			s.after(time.Second).announce(anna, one, 64601, 3549, 26780).announce(anna, six, 64601, 6939, 26780).
				wants().state(anna, Syncing).
				after(time.Second).endOfRIB(anna, false).endOfRIB(anna, true).
				wants("anna joined").state(anna, Up).
				after(time.Hour).wants()
		}},
		{"what the transfer did not bring back is a change, when End-of-RIB comes", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780).
				after(time.Minute).session(anna, bgp.PeerDown).
				after(time.Minute).session(anna, bgp.PeerUp)
			s.said = nil
			s.after(time.Second).announce(anna, two, 64601, 6939, 26780).
				after(5*time.Second).endOfRIB(anna, false).
				wants("anna joined",
					"anna said "+two+": 64601 3549 26780 -> 64601 6939 26780",
					"anna said "+one+": 64601 3549 26780 -> none")
		}},
		{"each family ends its own transfer", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).announce(anna, six, 64601, 3549, 26780).
				after(time.Minute).session(anna, bgp.PeerDown).
				after(time.Minute).session(anna, bgp.PeerUp)
			s.said = nil
			s.after(time.Second).endOfRIB(anna, false).
				wants("anna joined", "anna said "+one+": 64601 3549 26780 -> none").
				holds(anna, six, "64601 3549 26780").
				after(time.Second).endOfRIB(anna, true).
				wants("anna said " + six + ": 64601 3549 26780 -> none")
		}},
		{"a family may follow its End-of-RIB late, while the other one is long complete", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).announce(anna, six, 64601, 3549, 26780).
				after(time.Minute).session(anna, bgp.PeerDown).
				after(time.Minute).session(anna, bgp.PeerUp)
			s.said = nil
			s.after(time.Second).announce(anna, one, 64601, 3549, 26780).
				after(time.Second).endOfRIB(anna, false).wants("anna joined")
			for i := range 10 { // IPv6 takes another five minutes; the watched prefix comes last
				s.after(30 * time.Second).apply(bgp.Update{Peer: anna, Kind: bgp.Heard, Heard: bgp.Traffic{Announced: uint64(20_000 * (i + 1))}})
			}
			s.announce(anna, six, 64601, 3549, 26780).endOfRIB(anna, true).holds(anna, six, "64601 3549 26780")
			for _, l := range s.said {
				if strings.HasSuffix(l, "-> none") {
					s.t.Errorf("withdrawn while the transfer went on: %s", l)
				}
			}
		}},
		{"without End-of-RIB the transfer ends when the peer has been calm", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780).
				after(time.Minute).session(anna, bgp.PeerDown).
				after(time.Minute).session(anna, bgp.PeerUp)
			s.said = nil
			up := s.at
			s.after(90*time.Second).announce(anna, two, 64601, 3549, 26780).
				after(59*time.Second).state(anna, Syncing).
				after(time.Second).state(anna, Up).
				wants("anna joined", "anna said "+one+": 64601 3549 26780 -> none")
			if got := s.table.Entry(netip.MustParsePrefix(one)).Slot(s.peer(anna)).Changed; got != up.Add(150*time.Second).UnixNano() {
				s.t.Errorf("changed at %s, not a minute after the last word", time.Unix(0, got).UTC())
			}
		}},
		{"a transfer that never grows calm ends after half an hour", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).session(anna, bgp.PeerDown).session(anna, bgp.PeerUp)
			s.said = nil
			for range 59 {
				s.after(30*time.Second).announce(anna, two, 64601, 3549, 26780)
			}
			s.state(anna, Syncing).after(30*time.Second).state(anna, Up)
		}},
		{"losing the session again in the middle of a transfer withdraws nothing", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780).
				after(time.Minute).session(anna, bgp.PeerDown).
				after(time.Minute).session(anna, bgp.PeerUp).
				after(time.Second).announce(anna, two, 64601, 3549, 26780).
				after(time.Second).session(anna, bgp.PeerDown)
			s.said = nil
			s.after(time.Hour).state(anna, Down).holds(anna, one, "64601 3549 26780").wants().
				session(anna, bgp.PeerUp).after(time.Second).
				announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780).endOfRIB(anna, false).
				wants("anna joined")
		}},
		{"a peer that nobody saw come back sends its table anew", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780).
				after(time.Minute).session(anna, bgp.PeerDown)
			s.said = nil
			s.after(time.Hour).announce(anna, one, 64601, 3549, 26780).state(anna, Syncing).wants().
				after(2*time.Minute).state(anna, Up).
				wants("anna joined", "anna said "+two+": 64601 3549 26780 -> none")
		}},
		{"a withdrawal during the transfer takes back what it brought", func(s *teller) {
			s.session(anna, bgp.PeerUp).announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780).
				after(time.Second).withdraw(anna, one).endOfRIB(anna, false).
				wants("anna learned "+two+": none -> 64601 3549 26780", "anna joined").
				holds(anna, one, "none")
		}},
		{"the first table is learned before the peer joins", func(s *teller) {
			s.session(anna, bgp.PeerUp).announce(anna, two, 64601, 3549, 26780).announce(anna, one, 64601, 3549, 26780).
				announce(anna, six, 64601, 3549, 26780).state(anna, Syncing).wants().
				endOfRIB(anna, false).
				wants("anna learned "+one+": none -> 64601 3549 26780", "anna learned "+two+": none -> 64601 3549 26780",
					"anna learned "+six+": none -> 64601 3549 26780", "anna joined")
		}},
		{"a dump is the first table of a peer that nobody heard before", func(s *teller) {
			s.dump(anna, bgp.TableEnd, one+" 64601 3549 26780", two+" 64601 6939 26780").
				wants("anna learned "+one+": none -> 64601 3549 26780", "anna learned "+two+": none -> 64601 6939 26780", "anna joined").
				state(anna, Up)
			if p := s.peer(anna); !p.Complete[0] || p.Complete[1] || p.Routes != [2]int{2, 0} {
				s.t.Errorf("complete %v with %v routes", p.Complete, p.Routes)
			}
		}},
		{"a dump of a peer that is down is of yesterday", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).session(anna, bgp.PeerDown)
			s.said = nil
			s.after(time.Minute).dump(anna, bgp.TableEnd, two+" 64601 3549 26780").
				wants().state(anna, Down).holds(anna, one, "64601 3549 26780").holds(anna, two, "none")
		}},
		{"a dump takes out what it does not list", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780).announce(anna, six, 64601, 3549, 26780)
			s.said = nil
			s.after(time.Hour).dump(anna, bgp.TableEnd, two+" 64601 3549 26780").
				wants("anna said "+one+": 64601 3549 26780 -> none").holds(anna, six, "64601 3549 26780")
		}},
		{"a dump that was cut takes nothing out, and corrects what it lists", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780)
			s.said = nil
			s.after(time.Hour).dump(anna, bgp.TableCut, two+" 64601 6939 26780").
				wants("anna said "+two+": 64601 3549 26780 -> 64601 6939 26780").holds(anna, one, "64601 3549 26780")
			if s.peer(anna).Complete[0] {
				s.t.Error("a dump that was cut makes no table complete")
			}
		}},
		{"an announcement in the minute before the dump beats it: not listed", func(s *teller) {
			s.after(time.Hour).announce(anna, one, 64601, 3549, 26780)
			s.said = nil
			s.after(60*time.Second).dump(anna, bgp.TableEnd).wants().holds(anna, one, "64601 3549 26780").
				after(time.Second).dump(anna, bgp.TableEnd).wants("anna said " + one + ": 64601 3549 26780 -> none")
		}},
		{"a withdrawal in the minute before the dump beats it: still listed", func(s *teller) {
			s.after(time.Hour).announce(anna, one, 64601, 3549, 26780).after(time.Hour).withdraw(anna, one)
			s.said = nil
			s.after(30*time.Second).dump(anna, bgp.TableEnd, one+" 64601 3549 26780").wants().holds(anna, one, "none").
				after(time.Hour).dump(anna, bgp.TableEnd, one+" 64601 3549 26780").
				wants("anna said " + one + ": none -> 64601 3549 26780")
		}},
		{"another path in the minute before the dump beats it: listed as it was", func(s *teller) {
			s.after(time.Hour).announce(anna, one, 64601, 3549, 26780).after(time.Hour).announce(anna, one, 64601, 6939, 26780)
			s.said = nil
			s.after(30*time.Second).dump(anna, bgp.TableEnd, one+" 64601 3549 26780").wants().holds(anna, one, "64601 6939 26780")
		}},
		{"what is said while the dump is read beats it, before its line and after", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780).announce(anna, three, 64601, 1299, 26780).after(time.Hour)
			s.said = nil
			s.apply(bgp.Update{Peer: anna, Kind: bgp.TableStart}).line(anna, one+" 64601 3549 26780").
				after(time.Second).withdraw(anna, one).withdraw(anna, two).
				after(time.Second).line(anna, two+" 64601 3549 26780").line(anna, three+" 64601 1299 26780").
				apply(bgp.Update{Peer: anna, Kind: bgp.TableEnd}).
				wants("anna said "+one+": 64601 3549 26780 -> none", "anna said "+two+": 64601 3549 26780 -> none")
		}},
		{"a dump in the middle of a transfer disturbs nothing", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780).
				after(time.Minute).session(anna, bgp.PeerDown).after(time.Minute).session(anna, bgp.PeerUp).
				after(time.Second).announce(anna, one, 64601, 3549, 26780)
			s.said = nil
			s.dump(anna, bgp.TableEnd, one+" 64601 3549 26780").
				after(time.Second).announce(anna, two, 64601, 3549, 26780).endOfRIB(anna, false).
				wants("anna joined")
		}},
		{"a transfer that begins or ends in the middle of a dump makes the dump void", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780).after(time.Hour).
				apply(bgp.Update{Peer: anna, Kind: bgp.TableStart}).line(anna, one+" 64601 3549 26780").
				after(time.Second).session(anna, bgp.PeerDown).after(time.Second).session(anna, bgp.PeerUp).
				announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780).endOfRIB(anna, false).
				after(2 * time.Minute)
			s.said = nil
			s.line(anna, two+" 64601 3549 26780").apply(bgp.Update{Peer: anna, Kind: bgp.TableEnd}).
				wants().holds(anna, one, "64601 3549 26780")
		}},
		{"an older word never overwrites a newer one of the same peer and prefix", func(s *teller) {
			s.after(time.Minute).announce(anna, one, 64601, 3549, 26780)
			s.said = nil
			s.at = s.at.Add(-10 * time.Second)
			s.withdraw(anna, one).wants().holds(anna, one, "64601 3549 26780").
				announce(anna, two, 64601, 3549, 26780).wants("anna said "+two+": none -> 64601 3549 26780").
				announce(bert, one, 64602, 3549, 26780).wants("bert joined", "bert said "+one+": none -> 64602 3549 26780")
			if s.table.Late != 1 {
				s.t.Errorf("%d updates late, not 1", s.table.Late)
			}
			s.at = s.at.Add(10 * time.Second)
			s.withdraw(anna, one).wants("anna said " + one + ": 64601 3549 26780 -> none") // of the same moment: the later word
		}},
		{"an older word never overwrites a newer one, in a transfer either", func(s *teller) {
			s.session(anna, bgp.PeerUp).after(time.Minute).announce(anna, one, 64601, 3549, 26780).announce(anna, two, 64601, 3549, 26780)
			s.at = s.at.Add(-10 * time.Second)
			s.withdraw(anna, one).announce(anna, two, 64601, 6939, 26780)
			s.at = s.at.Add(10 * time.Second)
			s.endOfRIB(anna, false).holds(anna, one, "64601 3549 26780").holds(anna, two, "64601 3549 26780")
			if s.table.Late != 2 {
				s.t.Errorf("%d updates late, not 2", s.table.Late)
			}
		}},
		{"a withdrawal of what was never announced is a word, and no route", func(s *teller) {
			s.withdraw(anna, one).holds(anna, one, "none").wants("anna joined", "anna said "+one+": none -> none")
			if x := s.table.Entry(netip.MustParsePrefix(one)).Slot(s.peer(anna)); x.LastHeld != 0 {
				s.t.Error("it never held it")
			}
		}},
		{"the session ends with its reason", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).
				apply(bgp.Update{Peer: anna, Kind: bgp.PeerDown, Cause: bgp.Cause{Code: 6, Subcode: 2, Text: "maintenance"}})
			if c := s.peer(anna).Cause; c.Code != 6 || c.Subcode != 2 || c.Text != "maintenance" {
				s.t.Errorf("cause %+v", c)
			}
		}},
		{"a slot remembers what it held before, since when, and when last", func(s *teller) {
			s.announce(anna, one, 64601, 3549, 26780).after(time.Minute).announce(anna, one, 64601, 6939, 26780).
				after(time.Minute).announce(anna, one, 64601, 6939, 26780).after(time.Minute).withdraw(anna, one).after(time.Minute).withdraw(anna, one)
			x := s.table.Entry(netip.MustParsePrefix(one)).Slot(s.peer(anna))
			since := func(ns int64) time.Duration { return time.Unix(0, ns).Sub(day) }
			if x.Node != nil || x.Prev == nil || x.Prev.Path.String() != "64601 6939 26780" || since(x.Changed) != 3*time.Minute ||
				since(x.LastHeld) != 3*time.Minute || since(x.At) != 4*time.Minute {
				s.t.Errorf("%+v", x)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tell(t)
			tt.story(s)
		})
	}
}

// path is one route of an ADD-PATH peer.
func (s *teller) path(p bgp.Peer, k bgp.Kind, id uint32, prefix string, path ...uint32) *teller {
	return s.apply(bgp.Update{Peer: p, Kind: k, PathID: id, Prefix: netip.MustParsePrefix(prefix), Path: bgp.PathOf(path...)})
}

func TestAddPath(t *testing.T) {
	s := tell(t)
	s.path(anna, bgp.Announce, 1, one, 64601, 3549, 26780).path(anna, bgp.Announce, 2, one, 64601, 6939, 26780).
		path(anna, bgp.Announce, 3, one, 64601, 1299, 26780).
		holds(anna, one, "64601 3549 26780 + 2:64601 6939 26780 + 3:64601 1299 26780")
	before := s.table.Entry(netip.MustParsePrefix(one)).Slots[0]
	s.path(anna, bgp.Withdraw, 2, one).holds(anna, one, "64601 3549 26780 + 3:64601 1299 26780")
	if got := routes(&before); got != "64601 3549 26780 + 2:64601 6939 26780 + 3:64601 1299 26780" {
		t.Errorf("a slot that was kept changed: %s", got)
	}
	s.path(anna, bgp.Announce, 3, one, 64601, 174, 26780).holds(anna, one, "64601 3549 26780 + 3:64601 174 26780").
		path(anna, bgp.Withdraw, 1, one).holds(anna, one, "64601 174 26780").
		path(anna, bgp.Withdraw, 7, one).holds(anna, one, "64601 174 26780").
		path(anna, bgp.Withdraw, 3, one).holds(anna, one, "none").
		path(anna, bgp.Withdraw, 3, one).holds(anna, one, "none")
}

// TestAddPathTables: a dump and a transfer list several routes of one prefix, and
// the same routes again are no change.
func TestAddPathTables(t *testing.T) {
	const both = "64601 3549 26780 + 2:64601 6939 26780"
	dump := func(s *teller) {
		s.apply(bgp.Update{Peer: anna, Kind: bgp.TableStart}).
			path(anna, bgp.TableRoute, 1, one, 64601, 3549, 26780).path(anna, bgp.TableRoute, 2, one, 64601, 6939, 26780).
			apply(bgp.Update{Peer: anna, Kind: bgp.TableEnd})
	}
	t.Run("first", func(t *testing.T) {
		s := tell(t)
		dump(s)
		s.holds(anna, one, both)
	})
	t.Run("again", func(t *testing.T) {
		s := tell(t)
		s.path(anna, bgp.Announce, 1, one, 64601, 3549, 26780).path(anna, bgp.Announce, 2, one, 64601, 6939, 26780).after(time.Hour)
		s.said = nil
		dump(s)
		s.wants().holds(anna, one, both)
	})
	t.Run("one less", func(t *testing.T) {
		s := tell(t)
		s.path(anna, bgp.Announce, 1, one, 64601, 3549, 26780).path(anna, bgp.Announce, 2, one, 64601, 6939, 26780).
			path(anna, bgp.Announce, 3, one, 64601, 1299, 26780).after(time.Hour)
		s.said = nil
		dump(s)
		s.wants("anna said " + one + ": " + both + " + 3:64601 1299 26780 -> " + both)
	})
	t.Run("transfer", func(t *testing.T) {
		s := tell(t)
		s.path(anna, bgp.Announce, 1, one, 64601, 3549, 26780).path(anna, bgp.Announce, 2, one, 64601, 6939, 26780).
			after(time.Hour).session(anna, bgp.PeerDown).session(anna, bgp.PeerUp)
		s.said = nil
		s.path(anna, bgp.Announce, 2, one, 64601, 6939, 26780).path(anna, bgp.Announce, 1, one, 64601, 3549, 26780).
			path(anna, bgp.Announce, 3, one, 64601, 1299, 26780).path(anna, bgp.Withdraw, 3, one).
			endOfRIB(anna, false).wants("anna joined").holds(anna, one, both)
	})
}
