package watch

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
)

// TestMain lets random tests draw the same in every run; -rapid.seed and
// -rapid.checks look further.
func TestMain(m *testing.M) {
	flag.Parse()
	set := func(name, value string) {
		if f := flag.Lookup(name); f != nil && f.Value.String() == f.DefValue {
			_ = f.Value.Set(value)
		}
	}
	set("rapid.seed", "26780")
	set("rapid.checks", "40")
	set("rapid.nofailfile", "true")
	os.Exit(m.Run())
}

// day is the first second of the stories told here.
var day = time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)

// example is the hoster of most stories: AS64510, two prefixes.
func example() Hoster {
	return Hoster{ID: "example", Name: "Example Hosting", ASNs: []uint32{64510},
		Prefixes: []netip.Prefix{netip.MustParsePrefix(one), netip.MustParsePrefix(two)}}
}

const (
	one   = "192.0.2.0/24"
	two   = "198.51.100.0/24"
	three = "203.0.113.0/24"
	six   = "2001:db8:10::/48"
)

// world is a number of peers, AS64601 and on, that speak to a detector. It checks
// at every step what holds of every event and incident.
type world struct {
	t      testing.TB
	d      *Detector
	at     time.Time
	peers  []bgp.Peer
	staged map[int][]bgp.Update
	events []Event
	news   []Event // since it was last asked
	latest map[string]Incident
	told   []Incident
	laws   laws
}

func newWorld(t testing.TB, peers int, hosters ...Hoster) *world {
	return worldWith(t, DefaultPolicy(), peers, hosters...)
}

func worldWith(t testing.TB, p Policy, peers int, hosters ...Hoster) *world {
	list := Watchlist{Hosters: hosters}
	if err := list.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, d: NewDetector(list, p), at: day, staged: map[int][]bgp.Update{}, latest: map[string]Incident{}}
	for i := range peers {
		w.peers = append(w.peers, bgp.Peer{Collector: "rrc00", Addr: netip.AddrFrom4([4]byte{198, 18, 0, byte(i + 1)}), ASN: uint32(64601 + i)})
	}
	return w
}

// of reads "1-3,5" as peers, counted from 1; "all" is everybody.
func (w *world) of(who string) (out []int) {
	if who == "all" {
		for i := range w.peers {
			out = append(out, i)
		}
		return out
	}
	for _, part := range strings.Split(who, ",") {
		a, b, ok := strings.Cut(part, "-")
		if !ok {
			b = a
		}
		from, err1 := strconv.Atoi(a)
		to, err2 := strconv.Atoi(b)
		if err1 != nil || err2 != nil || from < 1 || to > len(w.peers) {
			w.t.Fatalf("who is %q of %d peers?", who, len(w.peers))
		}
		for i := from; i <= to; i++ {
			out = append(out, i-1)
		}
	}
	return out
}

// path is what the peer sends: itself, and the tail ("{1,2}" is an AS_SET, "(1 2)" a confederation).
func (w *world) path(peer int, tail string) bgp.Path {
	p := bgp.PathOf(w.peers[peer].ASN)
	for _, s := range strings.Fields(strings.NewReplacer("{", " {", "}", "} ").Replace(tail)) {
		if set, ok := strings.CutPrefix(s, "{"); ok {
			seg := bgp.Segment{Type: bgp.ASSet}
			for _, a := range strings.Split(strings.TrimSuffix(set, "}"), ",") {
				seg.ASNs = append(seg.ASNs, w.asn(a))
			}
			p = append(p, seg)
			continue
		}
		if c, ok := strings.CutPrefix(s, "~"); ok {
			p = append(p, bgp.Segment{Type: bgp.ASConfedSequence, ASNs: []uint32{w.asn(c)}})
			continue
		}
		if last := &p[len(p)-1]; last.Type == bgp.ASSequence {
			last.ASNs = append(last.ASNs, w.asn(s))
		} else {
			p = append(p, bgp.Segment{Type: bgp.ASSequence, ASNs: []uint32{w.asn(s)}})
		}
	}
	return p
}

func (w *world) asn(s string) uint32 {
	a, err := bgp.ParseASN(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) observe(u bgp.Update) {
	if u.At.IsZero() {
		u.At = w.at
	}
	w.take(w.d.Observe(u))
}

func (w *world) take(events []Event) {
	w.news = append(w.news, events...)
	w.events = append(w.events, events...)
	revisions := w.d.Revisions()
	for _, x := range revisions {
		w.latest[x.ID] = x
	}
	w.told = append(w.told, revisions...)
	if err := w.laws.check(events, revisions); err != nil {
		w.t.Fatalf("at %s: %v", w.at.Format(time.RFC3339), err)
	}
}

// after lets time pass.
func (w *world) after(d time.Duration) *world {
	w.at = w.at.Add(d)
	w.take(w.d.Advance(w.at))
	return w
}

func (w *world) announce(who, prefix, tail string) *world {
	for _, i := range w.of(who) {
		w.observe(bgp.Update{Peer: w.peers[i], Kind: bgp.Announce, Prefix: netip.MustParsePrefix(prefix), Path: w.path(i, tail)})
	}
	return w
}

func (w *world) withdraw(who string, prefixes ...string) *world {
	for _, i := range w.of(who) {
		for _, p := range prefixes {
			w.observe(bgp.Update{Peer: w.peers[i], Kind: bgp.Withdraw, Prefix: netip.MustParsePrefix(p)})
		}
	}
	return w
}

func (w *world) session(who string, k bgp.Kind) *world {
	for _, i := range w.of(who) {
		w.observe(bgp.Update{Peer: w.peers[i], Kind: k})
	}
	return w
}

// holds puts a route into the table that the next dump tells.
func (w *world) holds(who, prefix, tail string) *world {
	for _, i := range w.of(who) {
		w.staged[i] = append(w.staged[i], bgp.Update{Peer: w.peers[i], Kind: bgp.TableRoute, Prefix: netip.MustParsePrefix(prefix), Path: w.path(i, tail)})
	}
	return w
}

// dump tells the whole tables of all peers, both families.
func (w *world) dump() *world {
	for i, p := range w.peers {
		for _, v6 := range []bool{false, true} {
			w.observe(bgp.Update{Peer: p, Kind: bgp.TableStart, V6: v6})
			for _, u := range w.staged[i] {
				if u.Prefix.Addr().Is6() == v6 {
					w.observe(u)
				}
			}
			w.observe(bgp.Update{Peer: p, Kind: bgp.TableEnd, V6: v6, Heard: bgp.Traffic{Routes: 1000}})
		}
	}
	clear(w.staged)
	return w
}

// sent shows the events since it was last asked, without their evidence.
func (w *world) sent() (out []string) {
	for i := range w.news {
		out = append(out, show(&w.news[i]))
	}
	w.news = nil
	return out
}

func show(e *Event) string {
	s := e.At.Format(time.TimeOnly) + " " + string(e.Kind)
	if e.Hoster != nil {
		s += " " + *e.Hoster
	} else {
		s += " " + e.Collector
	}
	if e.Prefix != nil {
		s += " " + e.Prefix.String()
	}
	if e.Origin != 0 {
		s += " from " + bgp.ASN(e.Origin)
	}
	if e.Upstream != 0 {
		s += " " + bgp.ASN(e.Upstream)
	}
	if e.Via != 0 {
		s += " via " + bgp.ASN(e.Via)
	}
	if e.Family == 6 {
		s += " in IPv6"
	}
	return s + fmt.Sprintf(" (%.2f to %.2f of %d) %s", e.Before, e.After, e.Eligible, e.Severity)
}

// wants compares the events since it was last asked.
func (w *world) wants(lines ...string) *world {
	w.t.Helper()
	if got := w.sent(); !slices.Equal(got, lines) {
		w.t.Errorf("by %s this was said:\n  %s\nbut should be:\n  %s", w.at.Format(time.TimeOnly), strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
	return w
}

// kinds are the kinds of the events since it was last asked, each once, in order.
func (w *world) kinds() string {
	var out []string
	for _, e := range w.news {
		if k := string(e.Kind); !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	w.news = nil
	return strings.Join(out, " ")
}

// story shows the incidents, each in its latest revision, in order of opening.
func (w *world) story() (out []string) {
	var seen []string
	for _, x := range w.told {
		if !slices.Contains(seen, x.ID) {
			seen = append(seen, x.ID)
			y := w.latest[x.ID]
			out = append(out, fmt.Sprintf("%s %s %s: %s", y.Class, y.Phase, y.Severity, y.Summary))
		}
	}
	return out
}

func (w *world) tells(lines ...string) *world {
	w.t.Helper()
	if got := w.story(); !slices.Equal(got, lines) {
		w.t.Errorf("at %s the incidents are:\n  %s\nbut should be:\n  %s", w.at.Format(time.TimeOnly), strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
	return w
}

// event is the only event of its kind.
func (w *world) event(k EventKind) Event {
	w.t.Helper()
	var found []Event
	for _, e := range w.events {
		if e.Kind == k {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("%d events of kind %s, not 1", len(found), k)
	}
	return found[0]
}

// laws are what holds of all events and incidents, whatever was observed.
type laws struct {
	ids      map[string]string // of events, with what they say
	revision map[string]int
	open     map[string]string // by hoster
	ended    map[string]bool
	claimed  map[string]string // incident of an event that is not published yet
	last     time.Time
}

func (l *laws) check(events []Event, revisions []Incident) error {
	if l.ids == nil {
		*l = laws{ids: map[string]string{}, revision: map[string]int{}, open: map[string]string{}, ended: map[string]bool{}, claimed: map[string]string{}}
	}
	for i := range events {
		if err := l.event(&events[i]); err != nil {
			text, _ := json.Marshal(events[i])
			return fmt.Errorf("%w: %s", err, text)
		}
	}
	for i := range revisions {
		if err := l.incident(&revisions[i]); err != nil {
			text, _ := json.Marshal(revisions[i])
			return fmt.Errorf("%w: %s", err, text)
		}
	}
	for id, event := range l.claimed {
		if l.revision[id] == 0 {
			return fmt.Errorf("event %s belongs to incident %s, which was not published", event, id)
		}
		delete(l.claimed, id)
	}
	return nil
}

func (l *laws) event(e *Event) error {
	part := func(x float64) bool { return x >= 0 && x <= 1 }
	var last Evidence
	for i, x := range e.Evidence {
		if x.At.Before(last.At) {
			return fmt.Errorf("evidence %d is older than the one before", i)
		}
		if x.At.Unix() > e.At.Unix() || x.At.Before(e.FirstSeen) {
			return fmt.Errorf("evidence %d is not of its time", i)
		}
		last = x
	}
	before, again := l.ids[e.ID]
	switch {
	case e.ID == "" || e.Type != "event":
		return fmt.Errorf("no id, or no event")
	case again:
		return fmt.Errorf("its id is that of %s", before)
	case e.At.Before(e.FirstSeen):
		return fmt.Errorf("confirmed before it was first seen")
	case e.At.Before(l.last):
		return fmt.Errorf("older than the event before")
	case len(e.Evidence) > 10:
		return fmt.Errorf("%d pieces of evidence", len(e.Evidence))
	case !part(e.Before) || !part(e.After):
		return fmt.Errorf("shares are parts of one")
	case e.Eligible < 0:
		return fmt.Errorf("nobody is less than eligible")
	case !slices.IsSorted(e.Sources):
		return fmt.Errorf("sources are not sorted")
	case e.Prefixes == nil || e.Sources == nil || e.Evidence == nil:
		return fmt.Errorf("a list is null")
	case (e.Hoster == nil) != strings.HasPrefix(string(e.Kind), "feed."):
		return fmt.Errorf("events of feeds have no hoster, all others have one")
	}
	l.ids[e.ID], l.last = show(e), e.At
	if e.Incident != nil {
		l.claimed[*e.Incident] = show(e)
	}
	return nil
}

func (l *laws) incident(x *Incident) error {
	open := l.open[x.Hoster]
	switch {
	case x.Revision != l.revision[x.ID]+1:
		return fmt.Errorf("revision %d after %d", x.Revision, l.revision[x.ID])
	case l.ended[x.ID]:
		return fmt.Errorf("it was resolved")
	case x.Phase != Open && x.Phase != Recovering && x.Phase != Resolved:
		return fmt.Errorf("phase %q is published", x.Phase)
	case open != "" && open != x.ID:
		return fmt.Errorf("incident %s of that hoster is not resolved", open)
	case (x.Resolved != nil) != (x.Phase == Resolved) || (x.Resolution != nil) != (x.Phase == Resolved):
		return fmt.Errorf("phase %s, resolved %v", x.Phase, x.Resolved)
	case x.Resolved != nil && x.Resolved.Before(x.Confirmed) || x.Confirmed.Before(x.Opened) || x.At.Before(x.Confirmed):
		return fmt.Errorf("opened, confirmed and resolved in that order")
	case len(x.Events) == 0 || x.Summary == "" || x.Class == "" || x.Severity == "":
		return fmt.Errorf("it says nothing")
	}
	for _, id := range x.Events {
		if l.ids[id] == "" {
			return fmt.Errorf("event %s was never published", id)
		}
	}
	for _, a := range x.Remaining {
		if slices.Contains(x.Gained, a) {
			return fmt.Errorf("%s was gained, so it cannot remain", bgp.ASN(a))
		}
	}
	l.revision[x.ID] = x.Revision
	l.open[x.Hoster] = x.ID
	if x.Phase == Resolved {
		l.ended[x.ID] = true
		delete(l.open, x.Hoster)
	}
	return nil
}

func mustPrefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func addrOf(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 18, 1, byte(i + 1)}) }
