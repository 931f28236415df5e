package watch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"depeer/bgp"
	"depeer/bgp/bgptest"
)

// smallWorld is what all scenarios of this file begin with.
const smallWorld = `
seed %d
start 2024-05-01T00:00:00Z
end +4h
collector rrc00 peers 5 as 64600+ %s
collector route-views2 peers 4 as 64700+ writing microseconds
transit 3356 174 701
table 30 prefixes
table 10 ipv6 prefixes
churn 6 per minute
network 64510 192.0.2.0/24 198.51.100.0/24 2001:db8:10::/48
route 64510 via 6939 at 60%%
route 64510 via 3549 at 40%%
network 64505
route 64505 via 174 at 100%%
reference behind 6939 8 prefixes multihomed 30%%
reference behind 3549 8 prefixes multihomed 30%%
`

// troubles are what happens in them, in ways that touch every kind of event.
var troubles = map[string]string{
	"lost and restored": `
at +0s rib
at 01:00 drop 6939-64510 over 90s
at 02:00 restore 6939-64510 over 60s
at 02:30 flap 3549-64510 every 4m 3 times`,
	"dark and back behind somebody else": `
at +0s rib
at 01:00 withdraw 64510 over 90s except rrc00 peer 2
at 02:45 announce 64510 192.0.2.0/24 over 60s
at 03:00 route 64510 via 1299 at 50% over 60s
at 03:10 announce 64510 over 60s
at 03:30 fail 3549 over 60s`,
	"hijack and move": `
at +0s rib
at 01:00 announce 64505 192.0.2.0/25 at 100% over 60s
at 01:30 announce 64505 198.51.100.0/24 at 40% over 60s
at 02:00 withdraw 64505 over 60s
at 02:30 move 192.0.2.0/24 from 64510 to 64505 over 2m`,
	"sessions and dumps": `
at +0s rib
at 00:30 reset rrc00 peer 1 down 30s
at 01:00 reset route-views2 down 3m
at 01:20 silence rrc00 for 40m
at 01:30 drop 3549-64510 over 60s
at 02:10 rib
at 02:20 noise rrc00 peer 4 about 64510 20 times every 20s
at 02:50 reset rrc00 down 20s
at 02:50 withdraw 64510 over 2m
at 03:15 rib`,
	"no table to start from": `
at 00:20 hunt 64510 over 5m
at 00:40 hunt 64510 over 5m with withdrawals
at 01:00 drop 6939-64510 over 90s
at 02:00 route 64510 via 1299 at 70% over 60s
at 02:20 restore 6939-64510 over 60s
at 03:00 withdraw 64510 over 60s
at 03:30 announce 64510 over 60s`,
}

type recorded struct {
	name    string
	updates []bgp.Update
}

var scenarios = sync.OnceValue(func() (out []recorded) {
	for name, timeline := range troubles {
		for seed, format := range []string{"", "writing microseconds", "writing add-path"} {
			s, err := bgptest.Parse(name, fmt.Sprintf(smallWorld, seed+1, format)+timeline)
			if err != nil {
				panic(err)
			}
			r := recorded{name: fmt.Sprintf("%s, %d", name, seed)}
			for u := range s.Updates() {
				r.updates = append(r.updates, u)
			}
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b recorded) int { return strings.Compare(a.name, b.name) })
	return out
})

func drawScenario(t *rapid.T) recorded {
	all := scenarios()
	return all[rapid.IntRange(0, len(all)-1).Draw(t, "scenario")]
}

func scenarioWatchlist() Watchlist {
	h := example()
	h.Upstreams = []uint32{6939, 3549}
	return Watchlist{Hosters: []Hoster{h, {ID: "other", ASNs: []uint32{64505}}}}
}

// judgement is everything that a detector says, as bytes, one object a line.
type judgement struct {
	d    *Detector
	laws laws
	said []string // events
	told []string // revisions of incidents
}

// tb is what a rapid check and a test have in common.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

func verdicts(t tb, updates []bgp.Update, between func(*judgement, bgp.Update, bgp.Update)) []string {
	t.Helper()
	j := &judgement{d: NewDetector(scenarioWatchlist(), DefaultPolicy())}
	for i, u := range updates {
		j.take(t, j.d.Observe(u))
		if between != nil && i+1 < len(updates) {
			between(j, u, updates[i+1])
		}
	}
	j.take(t, j.d.Advance(day.Add(5*time.Hour)))
	return append(j.said, j.told...)
}

func (j *judgement) take(t tb, events []Event) {
	revisions := j.d.Revisions()
	if err := j.laws.check(events, revisions); err != nil {
		t.Fatalf("%v", err)
	}
	for i := range events {
		j.said = append(j.said, encode(&events[i]))
	}
	for i := range revisions {
		j.told = append(j.told, encode(&revisions[i]))
	}
}

func encode(x any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	if err := e.Encode(x); err != nil {
		return err.Error()
	}
	return b.String()
}

// same compares two judgements and shows where they part.
func same(t tb, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		line := func(s []string) string {
			if i < len(s) {
				return s[i]
			}
			return "nothing"
		}
		if line(got) != line(want) {
			t.Fatalf("%s: line %d is\n%s\nand was\n%s", what, i+1, line(got), line(want))
		}
	}
}

// TestSomethingIsSaid keeps the properties below from being true of silence.
func TestSomethingIsSaid(t *testing.T) {
	kinds := map[EventKind]bool{}
	for _, s := range scenarios() {
		for _, l := range verdicts(t, s.updates, nil) {
			var e Event
			if err := json.Unmarshal([]byte(l), &e); err == nil && e.Type == "event" {
				kinds[e.Kind] = true
			}
		}
	}
	for _, k := range []EventKind{RouteWithdrawn, RouteRestored, UpstreamLost, UpstreamRestored, UpstreamGained, OriginNew, OriginGone,
		PrefixNew, HosterDark, HosterReturned, FeedLost, FeedStale, FeedRestored} {
		if !kinds[k] {
			t.Errorf("no scenario has an event %s", k)
		}
	}
}

// TestTwice: the same input gives the same bytes.
func TestTwice(t *testing.T) {
	for _, s := range scenarios() {
		same(t, s.name, verdicts(t, s.updates, nil), verdicts(t, s.updates, nil))
	}
}

// TestDuplicates: what is recorded several times in place is said once.
func TestDuplicates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScenario(t)
		often := rapid.Uint64().Draw(t, "how often")
		var updates []bgp.Update
		for i, u := range s.updates {
			for range 1 + int(chance(often, i)%3) {
				updates = append(updates, u)
			}
		}
		same(t, s.name, verdicts(t, updates, nil), verdicts(t, s.updates, nil))
	})
}

// chance is a number that depends on the draw and the place alone.
func chance(seed uint64, i int) uint64 {
	x := seed + uint64(i)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// TestInterleaving: in which order the peers are met within a second changes nothing.
func TestInterleaving(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScenario(t)
		seed := rapid.Uint64().Draw(t, "order")
		updates := slices.Clone(s.updates)
		for from := 0; from < len(updates); {
			to := from
			for to < len(updates) && updates[to].At.Unix() == updates[from].At.Unix() {
				to++
			}
			interleave(updates[from:to], seed)
			from = to
		}
		same(t, s.name, verdicts(t, updates, nil), verdicts(t, s.updates, nil))
	})
}

// interleave deals the updates of one second out anew, each peer's own in order.
func interleave(updates []bgp.Update, seed uint64) {
	own := map[bgp.Peer][]bgp.Update{}
	var left []bgp.Peer // one for each update
	for _, u := range updates {
		own[u.Peer] = append(own[u.Peer], u)
		left = append(left, u.Peer)
	}
	for i := range left {
		j := i + int(chance(seed, i)%uint64(len(left)-i))
		left[i], left[j] = left[j], left[i]
	}
	for i, p := range left {
		updates[i] = own[p][0]
		own[p] = own[p][1:]
	}
}

// TestAdvance: telling the time between updates, however often, changes nothing.
func TestAdvance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScenario(t)
		seed := rapid.Uint64().Draw(t, "when")
		n := 0
		ticking := func(j *judgement, u, next bgp.Update) {
			gap := next.At.Unix() - u.At.Unix()
			for at := u.At.Unix(); gap > 0 && chance(seed, n)%2 == 0; n++ {
				if at += 1 + int64(chance(seed, -n)%uint64(gap)); at > next.At.Unix() {
					break
				}
				j.take(t, j.d.Advance(time.Unix(at, int64(chance(seed, n)%1e9))))
			}
			n++
		}
		same(t, s.name, verdicts(t, s.updates, ticking), verdicts(t, s.updates, nil))
	})
}

// TestQuietSessions: peers that go and come back with the same table, at any
// moments of a quiet day, say nothing about a hoster.
func TestQuietSessions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &quietWorld{d: NewDetector(Watchlist{Hosters: []Hoster{example()}}, DefaultPolicy())}
		peers := rapid.IntRange(1, 9).Draw(t, "peers")
		w.start(t, peers)
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			w.at = w.at.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "pause")) * time.Second)
			w.step(t, rapid.IntRange(0, peers-1).Draw(t, "peer"), rapid.IntRange(0, 3).Draw(t, "what"))
		}
		w.at = w.at.Add(3 * time.Hour)
		w.take(t, w.d.Advance(w.at))
	})
}

// quietWorld is a table in which no route ever changes.
type quietWorld struct {
	d     *Detector
	at    time.Time
	peers []bgp.Peer
	up    []bool
	laws  laws
}

func (w *quietWorld) take(t tb, events []Event) {
	if err := w.laws.check(events, w.d.Revisions()); err != nil {
		t.Fatalf("%v", err)
	}
	for i := range events {
		if events[i].Hoster != nil {
			t.Fatalf("nothing happened, and this was said: %s", encode(&events[i]))
		}
	}
}

func (w *quietWorld) observe(t tb, u bgp.Update) {
	u.At = w.at
	w.take(t, w.d.Observe(u))
}

// routes are the peer's: most hold everything, by either upstream.
func (w *quietWorld) routes(i int) (out []bgp.Update) {
	up := []uint32{6939, 6939, 3549}[i%3]
	for j, q := range []string{one, two, six} {
		if i%4 == 3 && j == 1 {
			continue // not everybody has everything
		}
		u := bgp.Update{Peer: w.peers[i], Kind: bgp.Announce, Path: bgp.PathOf(w.peers[i].ASN, 3356, up, 64510)}
		u.Prefix = mustPrefix(q)
		out = append(out, u)
	}
	return out
}

func (w *quietWorld) start(t tb, peers int) {
	w.at = day
	for i := range peers {
		w.peers = append(w.peers, bgp.Peer{Collector: []string{"rrc00", "route-views2"}[i%2], Addr: addrOf(i), ASN: uint32(64601 + i)})
		w.up = append(w.up, true)
		for _, v6 := range []bool{false, true} {
			w.observe(t, bgp.Update{Peer: w.peers[i], Kind: bgp.TableStart, V6: v6})
			for _, u := range w.routes(i) {
				if u.Prefix.Addr().Is6() == v6 {
					u.Kind = bgp.TableRoute
					w.observe(t, u)
				}
			}
			w.observe(t, bgp.Update{Peer: w.peers[i], Kind: bgp.TableEnd, V6: v6, Heard: bgp.Traffic{Routes: 1000}})
		}
	}
}

// step is one thing that a peer does: say the same again, lose its session, or
// come back with its table, with End-of-RIB or without.
func (w *quietWorld) step(t tb, i, what int) {
	p := w.peers[i]
	switch {
	case what == 0 && w.up[i]:
		for _, u := range w.routes(i) {
			w.observe(t, u)
		}
	case w.up[i]:
		w.up[i] = false
		w.observe(t, bgp.Update{Peer: p, Kind: bgp.PeerDown})
	default:
		w.up[i] = true
		w.observe(t, bgp.Update{Peer: p, Kind: bgp.PeerUp})
		for _, u := range w.routes(i) {
			w.observe(t, u)
		}
		if what != 3 {
			w.observe(t, bgp.Update{Peer: p, Kind: bgp.EndOfRIB})
			w.observe(t, bgp.Update{Peer: p, Kind: bgp.EndOfRIB, V6: true})
		}
	}
}
