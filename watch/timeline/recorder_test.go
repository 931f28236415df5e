package timeline

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/rib"
	"depeer/bgp/snapshot"
)

var (
	recordDay = time.Date(2008, 11, 11, 0, 0, 0, 0, time.UTC)
	anna      = bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64601}
	bert      = bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.2"), ASN: 64602}
	mccolo    = netip.MustParsePrefix("208.66.192.0/22")
	other6    = netip.MustParsePrefix("2001:db8::/32")
)

// hear makes an update at a second of the day.
func hear(second int, k bgp.Kind, p bgp.Peer, q netip.Prefix, path ...uint32) bgp.Update {
	u := bgp.Update{At: recordDay.Add(time.Duration(second) * time.Second), Kind: k, Peer: p, Prefix: q}
	if len(path) > 0 {
		u.Path = bgp.PathOf(path...)
	}
	return u
}

var whatNames = [...]string{"", "announced", "withdrawn", "missing", "known", "left", "joined"}

// spell writes changes for people, one line each.
func spell(changes []Change) []string {
	var out []string
	for _, c := range changes {
		s := fmt.Sprintf("%d %s %s", int(c.At.Sub(recordDay)/time.Second), c.Peer.Addr, whatNames[c.What])
		if c.Prefix.IsValid() {
			s += " " + c.Prefix.String()
		}
		if c.PathID > 0 {
			s += fmt.Sprintf("#%d", c.PathID)
		}
		if c.Path != nil {
			s += " " + c.Path.String()
		}
		if c.Cause != "" {
			s += " (" + c.Cause + ")"
		}
		if len(c.Hosters) > 0 {
			s += " of " + strings.Join(c.Hosters, "+")
		}
		out = append(out, s)
	}
	return out
}

func TestRecorder(t *testing.T) {
	h := []string{"mccolo"}
	var none netip.Prefix
	id := func(u bgp.Update, n uint32) bgp.Update { u.PathID = n; return u }
	down := hear(100, bgp.PeerDown, anna, none)
	down.Cause = bgp.Cause{Code: 6, Subcode: 2, Text: "maintenance"}
	unheard := hear(50, bgp.Unheard, anna, none)
	unheard.Cause = bgp.Cause{Text: "the feed was lost"}
	for _, x := range []struct {
		name    string
		updates []bgp.Update
		end     int // seconds, of the last Advance
		want    []string
	}{
		{"a word, the same again, another, none", []bgp.Update{hear(1, bgp.Announce, anna, mccolo, 1, 2), hear(2, bgp.Announce, anna, mccolo, 1, 2),
			hear(3, bgp.Announce, anna, mccolo, 1, 3), hear(4, bgp.Withdraw, anna, mccolo), hear(5, bgp.Withdraw, anna, mccolo)}, 10,
			[]string{"1 192.0.2.1 joined", "1 192.0.2.1 announced 208.66.192.0/22 1 2 of mccolo", "3 192.0.2.1 announced 208.66.192.0/22 1 3 of mccolo",
				"4 192.0.2.1 withdrawn 208.66.192.0/22 of mccolo"}},
		{"a session that comes back without the route", []bgp.Update{hear(1, bgp.Announce, anna, mccolo, 1, 2), hear(2, bgp.Announce, anna, other6, 1, 2), down,
			hear(110, bgp.PeerUp, anna, none), hear(111, bgp.Announce, anna, other6, 1, 9), hear(120, bgp.EndOfRIB, anna, none)}, 600,
			[]string{"1 192.0.2.1 joined", "1 192.0.2.1 announced 208.66.192.0/22 1 2 of mccolo", "2 192.0.2.1 announced 2001:db8::/32 1 2 of mccolo",
				"100 192.0.2.1 left (cease, administrative shutdown: maintenance)", "120 192.0.2.1 joined", "120 192.0.2.1 missing 208.66.192.0/22 of mccolo",
				"120 192.0.2.1 announced 2001:db8::/32 1 9 of mccolo"}},
		{"time ends a transfer, at its own time", []bgp.Update{hear(0, bgp.PeerUp, anna, none), hear(1, bgp.Announce, anna, mccolo, 1, 2)}, 10_000,
			[]string{"1 192.0.2.1 known 208.66.192.0/22 1 2 of mccolo", "120 192.0.2.1 joined"}},
		{"a dump", []bgp.Update{hear(0, bgp.TableStart, anna, none), hear(0, bgp.TableRoute, anna, mccolo, 1, 2), hear(1, bgp.TableEnd, anna, none),
			hear(1000, bgp.TableStart, anna, none), hear(1001, bgp.TableEnd, anna, none)}, 2000,
			[]string{"0 192.0.2.1 known 208.66.192.0/22 1 2 of mccolo", "1 192.0.2.1 joined", "1001 192.0.2.1 missing 208.66.192.0/22 of mccolo"}},
		{"several paths", []bgp.Update{id(hear(1, bgp.Announce, anna, mccolo, 1, 2), 7), id(hear(2, bgp.Announce, anna, mccolo, 1, 3), 8),
			id(hear(3, bgp.Announce, anna, mccolo, 1, 3), 8), id(hear(4, bgp.Withdraw, anna, mccolo), 7), id(hear(5, bgp.Withdraw, anna, mccolo), 8)}, 10,
			[]string{"1 192.0.2.1 joined", "1 192.0.2.1 announced 208.66.192.0/22#7 1 2 of mccolo", "2 192.0.2.1 announced 208.66.192.0/22#8 1 3 of mccolo",
				"4 192.0.2.1 withdrawn 208.66.192.0/22#7 of mccolo", "5 192.0.2.1 withdrawn 208.66.192.0/22#8 of mccolo"}},
		{"lost sight of, and heard again", []bgp.Update{hear(1, bgp.Announce, anna, mccolo, 1, 2), unheard, hear(60, bgp.Heard, anna, none)}, 100,
			[]string{"1 192.0.2.1 joined", "1 192.0.2.1 announced 208.66.192.0/22 1 2 of mccolo", "50 192.0.2.1 left (the feed was lost)", "60 192.0.2.1 joined"}},
		{"lost sight of while its session was away: it may hold nothing of what it said", []bgp.Update{hear(1, bgp.Announce, anna, mccolo, 1, 2),
			hear(40, bgp.PeerDown, anna, none), unheard, hear(60, bgp.Heard, anna, none)}, 100,
			[]string{"1 192.0.2.1 joined", "1 192.0.2.1 announced 208.66.192.0/22 1 2 of mccolo", "40 192.0.2.1 left", "50 192.0.2.1 missing 208.66.192.0/22 of mccolo",
				"60 192.0.2.1 joined"}},
		{"filled in: what was missed between two words", []bgp.Update{hear(1, bgp.Announce, anna, mccolo, 1, 2), hear(500, bgp.Announce, anna, mccolo, 1, 2),
			hear(100, bgp.Withdraw, anna, mccolo), hear(200, bgp.Announce, anna, mccolo, 1, 2)}, 600,
			[]string{"1 192.0.2.1 joined", "1 192.0.2.1 announced 208.66.192.0/22 1 2 of mccolo", "100 192.0.2.1 withdrawn 208.66.192.0/22 of mccolo",
				"500 192.0.2.1 known 208.66.192.0/22 1 2 of mccolo", "200 192.0.2.1 announced 208.66.192.0/22 1 2 of mccolo"}},
		{"filled in: the same word, in whole seconds", []bgp.Update{hear(1, bgp.Announce, anna, mccolo, 1, 2), hear(500, bgp.Announce, anna, mccolo, 1, 3),
			hear(499, bgp.Announce, anna, mccolo, 1, 3)}, 600,
			[]string{"1 192.0.2.1 joined", "1 192.0.2.1 announced 208.66.192.0/22 1 2 of mccolo", "500 192.0.2.1 announced 208.66.192.0/22 1 3 of mccolo"}},
		{"filled in: before a change", []bgp.Update{hear(1, bgp.Announce, anna, mccolo, 1, 2), hear(500, bgp.Withdraw, anna, mccolo), hear(300, bgp.Announce, anna, mccolo, 1, 3)}, 600,
			[]string{"1 192.0.2.1 joined", "1 192.0.2.1 announced 208.66.192.0/22 1 2 of mccolo", "500 192.0.2.1 withdrawn 208.66.192.0/22 of mccolo",
				"300 192.0.2.1 announced 208.66.192.0/22 1 3 of mccolo"}},
	} {
		r := NewRecorder(time.Minute)
		for _, u := range x.updates {
			r.Observe(h, u)
		}
		r.Advance(recordDay.Add(time.Duration(x.end) * time.Second))
		if got := spell(r.Take()); !slices.Equal(got, x.want) {
			t.Errorf("%s:\n got %q\nwant %q", x.name, got, x.want)
		}
		if r.Take() != nil {
			t.Errorf("%s: changes were given twice", x.name)
		}
	}
}

// TestUnrecordedTransfer: what a peer did not send again is missing, and it leaves and joins.
func TestUnrecordedTransfer(t *testing.T) {
	r := NewRecorder(time.Minute)
	var none netip.Prefix
	traffic := func(second int, announced uint64) bgp.Update {
		u := hear(second, bgp.Heard, anna, none)
		u.Heard.Announced = announced
		return u
	}
	for _, u := range []bgp.Update{hear(1, bgp.Announce, anna, mccolo, 1, 2), hear(1, bgp.Announce, anna, other6, 1, 2), traffic(1000, 10), traffic(1060, 90_000),
		hear(1070, bgp.Announce, anna, other6, 1, 2), traffic(1120, 200_000), traffic(1180, 200_010), traffic(1400, 200_020), traffic(1700, 200_030)} {
		r.Observe(nil, u)
	}
	var got []string
	for _, s := range spell(r.Take())[3:] {
		got = append(got, s[strings.Index(s, " ")+1:])
	}
	want := []string{"192.0.2.1 left", "192.0.2.1 joined", "192.0.2.1 missing 208.66.192.0/22"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHostersAddUp(t *testing.T) {
	r := NewRecorder(time.Minute)
	r.Observe([]string{"b"}, hear(1, bgp.Announce, anna, mccolo, 1, 2))
	r.Observe([]string{"a"}, hear(1, bgp.Announce, anna, mccolo, 1, 2)) // the same word, in the log of another hoster
	r.Observe(nil, hear(2, bgp.Withdraw, anna, mccolo))
	want := []string{"1 192.0.2.1 joined", "1 192.0.2.1 announced 208.66.192.0/22 1 2 of b", "2 192.0.2.1 withdrawn 208.66.192.0/22 of a+b"}
	if got := spell(r.Take()); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestForget: a prefix that nobody watches any more is not missing after the next transfer.
func TestForget(t *testing.T) {
	var none netip.Prefix
	r := NewRecorder(time.Minute)
	for _, p := range []bgp.Peer{anna, bert} {
		r.Observe([]string{"h"}, hear(1, bgp.Announce, p, mccolo, 1, 2))
		r.Observe([]string{"h"}, hear(1, bgp.Announce, p, other6, 1, 2))
	}
	if got := r.Prefixes(); !slices.Equal(got, []netip.Prefix{mccolo, other6}) {
		t.Errorf("%v", got)
	}
	r.Take()
	r.Forget(mccolo)
	r.Observe(nil, hear(10, bgp.PeerUp, anna, none))
	r.Observe(nil, hear(11, bgp.EndOfRIB, anna, none))
	r.Advance(recordDay.Add(time.Hour))
	if got, want := spell(r.Take()), []string{"10 192.0.2.1 left", "11 192.0.2.1 joined", "130 192.0.2.1 missing 2001:db8::/32 of h"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := r.Prefixes(); !slices.Equal(got, []netip.Prefix{other6}) {
		t.Errorf("%v", got)
	}
}

// randomUpdates is what peers might say, in order for each.
func randomUpdates(w *rand.Rand, n int) []bgp.Update {
	prefixes := []netip.Prefix{mccolo, other6, netip.MustParsePrefix("192.0.2.0/24")}
	kinds := []bgp.Kind{bgp.Announce, bgp.Announce, bgp.Announce, bgp.Announce, bgp.Withdraw, bgp.Withdraw, bgp.PeerDown, bgp.PeerUp, bgp.EndOfRIB, bgp.Unheard, bgp.Heard,
		bgp.TableStart, bgp.TableRoute, bgp.TableRoute, bgp.TableEnd, bgp.TableCut}
	var out []bgp.Update
	at := recordDay
	for range n {
		at = at.Add([]time.Duration{0, time.Second, 7 * time.Second, 90 * time.Second, 20 * time.Minute}[w.IntN(5)])
		u := bgp.Update{At: at, Peer: []bgp.Peer{anna, bert}[w.IntN(2)], Kind: kinds[w.IntN(len(kinds))], V6: w.IntN(2) == 0}
		switch u.Kind {
		case bgp.Announce, bgp.Withdraw, bgp.TableRoute:
			u.Prefix, u.PathID = prefixes[w.IntN(3)], uint32(w.IntN(6)/4)
			if u.Kind != bgp.Withdraw {
				u.Path = bgp.PathOf(u.Peer.ASN, uint32(1+w.IntN(3)), 26780)
			}
		case bgp.Heard:
			u.Heard.Announced = uint64(w.IntN(5)) * 60_000
		}
		out = append(out, u)
	}
	return out
}

// TestChangesTellTheTable: who keeps the last change of every (peer, prefix, path id) has
// what the tables hold, and who keeps the last word on every peer knows who counts; at any
// moment, and whatever is said.
func TestChangesTellTheTable(t *testing.T) {
	for seed := range uint64(300) {
		w := rand.New(rand.NewPCG(seed, 1))
		r := NewRecorder(time.Minute)
		type key struct {
			peer   bgp.Peer
			prefix netip.Prefix
			id     uint32
		}
		told := map[key]string{}
		joined := map[bgp.Peer]bool{}
		for _, u := range randomUpdates(w, 60) {
			r.Observe(nil, u)
			for _, c := range r.Take() {
				k := key{c.Peer, c.Prefix, c.PathID}
				switch {
				case !c.Prefix.IsValid():
					if joined[c.Peer] == (c.What == Joined) {
						t.Fatalf("seed %d: %s twice", seed, whatNames[c.What])
					}
					joined[c.Peer] = c.What == Joined
				case c.Held():
					told[k] = c.Path.String()
				default:
					delete(told, k)
				}
			}
			held := map[key]string{}
			for _, p := range r.order {
				q := r.tables[p].Peer(p)
				if joined[p] != (q.State == rib.Up) {
					t.Fatalf("seed %d: %s is %s", seed, p, q.State)
				}
				r.tables[p].Entries(func(e *rib.Entry) {
					for _, x := range routesOf(e.Slot(q)) {
						held[key{p, e.Prefix, x.id}] = x.node.Path.String()
					}
				})
			}
			if fmt.Sprint(told) != fmt.Sprint(held) {
				t.Fatalf("seed %d, after %+v:\ntold %v\nheld %v", seed, u, told, held)
			}
		}
	}
}

// TestPeersDoNotMatterToEachOther: however peers are mixed, each one's changes are the same;
// and a recorder that was saved and loaded at any point goes on as it would have.
func TestPeersDoNotMatterToEachOther(t *testing.T) {
	of := func(changes []Change, p bgp.Peer) []string {
		return spell(slices.DeleteFunc(changes, func(c Change) bool { return c.Peer != p }))
	}
	end := recordDay.AddDate(0, 0, 2)
	for seed := range uint64(60) {
		w := rand.New(rand.NewPCG(seed, 2))
		updates := randomUpdates(w, 80)
		whole := NewRecorder(time.Minute)
		for _, u := range updates {
			whole.Observe([]string{"h"}, u)
		}
		whole.Advance(end)
		want := whole.Take()
		mixed := slices.Clone(updates)
		slices.SortStableFunc(mixed, func(a, b bgp.Update) int { return a.Peer.Compare(b.Peer) })
		other := NewRecorder(time.Minute)
		var got []Change
		for _, u := range mixed {
			other.Observe([]string{"h"}, u)
			if w.IntN(8) == 0 {
				got = append(got, other.Take()...)
			}
			if w.IntN(8) == 0 {
				var b bytes.Buffer
				if err := other.Save(&b); err != nil {
					t.Fatal(err)
				}
				var err error
				if other, err = LoadRecorder(&b); err != nil {
					t.Fatal(err)
				}
			}
		}
		other.Advance(end)
		got = append(got, other.Take()...)
		for _, p := range []bgp.Peer{anna, bert} {
			if a, b := of(slices.Clone(got), p), of(slices.Clone(want), p); !slices.Equal(a, b) {
				t.Fatalf("seed %d: %s\n%q\n%q", seed, p, a, b)
			}
		}
	}
}

func TestLoadRecorderRefuses(t *testing.T) {
	r := NewRecorder(time.Minute)
	r.Observe([]string{"h"}, hear(1, bgp.Announce, anna, mccolo, 1, 2))
	var b bytes.Buffer
	if err := r.Save(&b); err != nil {
		t.Fatal(err)
	}
	for n := range b.Len() {
		if _, err := LoadRecorder(bytes.NewReader(b.Bytes()[:n])); err == nil {
			t.Fatalf("%d of %d octets were enough", n, b.Len())
		}
	}
	bad := slices.Clone(b.Bytes())
	bad[len(bad)/2] ^= 1
	if _, err := LoadRecorder(bytes.NewReader(bad)); !errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("damaged: %v", err)
	}
}

// TestRecorderOfAStory: of a whole scenario, the changes leave at its end what the
// scenario's own peers hold.
func TestRecorderOfAStory(t *testing.T) {
	s, err := bgptest.Parse("story", `start 2008-11-11T18:00:00Z
end +4h
collector rrc00 peers 6 as 64600+
transit 3356 174
table 30 prefixes
churn 5 per minute
network 26780 208.66.192.0/22 208.72.168.0/21
route 26780 via 6939 at 62%
route 26780 via 3549 at 38%
at +0s rib
at 19:00 drop 6939-26780 over 90s
at 19:30 reset rrc00 peer 2 down 5m
at 20:00 drop 3549-26780 over 90s
at 21:00 restore 3549-26780
`)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRecorder(time.Minute)
	n := 0
	for u := range s.Updates() {
		r.Observe(nil, u)
		n++
	}
	r.Advance(s.End())
	changes := r.Take()
	if len(changes) == 0 || len(changes) >= n {
		t.Errorf("%d changes of %d updates", len(changes), n)
	}
	held, joined := map[bgp.Peer]bool{}, map[bgp.Peer]bool{}
	for _, c := range changes {
		switch {
		case c.What == Joined || c.What == Left:
			joined[c.Peer] = c.What == Joined
		case c.Prefix == mccolo:
			held[c.Peer] = c.Held()
		}
	}
	for _, p := range s.Peers() {
		if !held[p] || !joined[p] {
			t.Errorf("%s at the end: holds the route: %t, counts: %t", p, held[p], joined[p])
		}
	}
}
