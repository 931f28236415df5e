package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/sqlite"
)

// dumpLine is one line of `bgpdump -m`, read here and by nothing of depeer.
type dumpLine struct {
	at     int64
	peer   string // address
	prefix string
	path   string // as written; "" for a withdrawal
}

// dumpDay is what bgpdump says of the prefixes that a watched AS was seen to carry in their
// very first line: what was said before is let in or not for other reasons (references,
// more specifics), of which bgpdump knows nothing. Of those that a watched AS carries for
// others the first hundred are taken: the door takes in no more than 256.
type dumpDay struct {
	asns  []uint32
	lines map[string][]dumpLine // by prefix
	owner map[string][]uint32   // watched ASes that were in a path to it
	other map[string]bool       // prefixes that are left out
	mixed map[uint32]bool       // watched ASes that were in a path to one of those
	carry map[uint32]int        // prefixes that a watched AS carries for others
	peers map[string]bool
	times []int64
}

// readDump reads the output of bgpdump for files in order.
func readDump(t *testing.T, files []string, asns []uint32) *dumpDay {
	t.Helper()
	program, err := exec.LookPath("bgpdump")
	if err != nil {
		if os.Getenv("DEPEER_INTEROP") == "1" {
			t.Fatal(err)
		}
		t.Skip("bgpdump is not installed")
	}
	d := &dumpDay{asns: asns, lines: map[string][]dumpLine{}, owner: map[string][]uint32{}, other: map[string]bool{}, mixed: map[uint32]bool{}, carry: map[uint32]int{}, peers: map[string]bool{}}
	watched := map[string]uint32{}
	for _, a := range asns {
		watched[strconv.Itoa(int(a))] = a
	}
	for _, f := range files {
		cmd := exec.Command(program, "-m", f)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s := bufio.NewScanner(out)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			d.line(s.Text(), watched)
		}
		if err := cmp.Or(s.Err(), cmd.Wait()); err != nil {
			t.Fatal(f, err)
		}
	}
	return d
}

func (d *dumpDay) line(text string, watched map[string]uint32) {
	w := strings.SplitN(text, "|", 8)
	if len(w) < 6 || w[2] != "A" && w[2] != "W" {
		return
	}
	l := dumpLine{peer: w[3], prefix: w[5]}
	var owners []uint32
	if w[2] == "A" {
		l.path = w[6]
		for tok := range strings.FieldsFuncSeq(l.path, func(r rune) bool { return r == ' ' || r == '{' || r == '}' || r == ',' }) {
			if a, ok := watched[tok]; ok && !slices.Contains(owners, a) {
				owners = append(owners, a)
			}
		}
	}
	if d.lines[l.prefix] == nil && !d.other[l.prefix] {
		d.other[l.prefix] = !d.takes(l.path, owners)
	}
	if d.other[l.prefix] {
		for _, a := range owners {
			d.mixed[a] = true
		}
		return
	}
	for _, a := range owners {
		if !slices.Contains(d.owner[l.prefix], a) {
			d.owner[l.prefix] = append(d.owner[l.prefix], a)
		}
	}
	l.at, _ = strconv.ParseInt(w[1], 10, 64)
	d.lines[l.prefix] = append(d.lines[l.prefix], l)
	d.peers[l.peer] = true
	d.times = append(d.times, l.at)
}

// takes decides by its first line whether a prefix is compared.
func (d *dumpDay) takes(path string, owners []uint32) bool {
	if len(owners) == 0 {
		return false
	}
	if _, origin, _ := upstreamIn(path, nil); slices.Contains(owners, origin) {
		return true
	}
	for _, a := range owners {
		if d.carry[a]++; d.carry[a] > 100 {
			return false
		}
	}
	return true
}

// at gives the path that each peer holds at the end of a second.
func (d *dumpDay) at(prefix string, t int64) map[string]string {
	out := map[string]string{}
	for _, l := range d.lines[prefix] {
		if l.at > t {
			break
		}
		if out[l.peer] = l.path; l.path == "" {
			delete(out, l.peer)
		}
	}
	return out
}

// ever gives the peers that held it up to the end of a second; one that took it back
// within the second did not.
func (d *dumpDay) ever(prefix string, t int64) map[string]bool {
	out := map[string]bool{}
	for _, l := range d.lines[prefix] {
		if l.at <= t && l.path != "" {
			out[l.peer] = true
		}
	}
	return out
}

// dumpHops makes a path plain: prepending collapsed, a set is one word in braces.
func dumpHops(path string) []string {
	hops := strings.Fields(path)
	for i, h := range hops {
		if strings.HasPrefix(h, "{") && !strings.Contains(h, ",") {
			hops[i] = strings.Trim(h, "{}")
		}
	}
	return slices.Compact(hops)
}

// upstreamIn is the AS left of the leftmost of the ASes, or of the origin where none is
// there; passes is whether one was.
func upstreamIn(path string, asns []uint32) (upstream, origin uint32, passes bool) {
	hops := dumpHops(path)
	number := func(s string) uint32 {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return 0 // a set
		}
		return uint32(n)
	}
	if len(hops) == 0 {
		return 0, 0, false
	}
	origin = number(hops[len(hops)-1])
	i := slices.IndexFunc(hops, func(h string) bool { return slices.Contains(asns, number(h)) && number(h) != 0 })
	if passes = i >= 0; !passes {
		i = len(hops) - 1
		if origin == 0 {
			return 0, 0, false
		}
	}
	if i > 0 {
		upstream = number(hops[i-1])
	}
	return upstream, origin, passes
}

// memoryDay is a part of the recorded day in a store, and beside it as bgpdump tells it.
type memoryDay struct {
	*dumpDay
	a    *timeline.Asker
	rand *rand.Rand
}

// The first and last file of the day that are read: with AS44033's darkness in them. The
// whole day takes a minute of bgpdump alone: DEPEER_WHOLE_DAY=1 reads it. Under the
// race detector, which makes reading lines ten times as slow, half an hour has to do.
const memoryFirst, memoryLast, memoryLastRaced = "updates.20080223.0447", "updates.20080223.0534", "updates.20080223.0503"

// watched50 are 50 ASes: McColo and InterCage, those of the day's losses, and others of which
// much was said. None carries more prefixes for others than the watchlist at the door learns.
var watched50 = []uint32{
	26780, 27595, 44033, 8443, 7590, 16190, 12389, 7137, 33924, 278, 17443, 2697, 28720, 25607, 23700, 17727, 7303,
	21603, 6057, 3741, 29049, 14522, 31200, 39278, 21565, 24731, 6568, 17565, 6163, 4775, 13760, 34772, 6389,
	4621, 7713, 4795, 38548, 3225, 3357, 9341, 10131, 8697, 29294, 34727, 31554, 15083, 29157, 21433, 8513, 21580,
}

func openMemoryDay(t *testing.T) *memoryDay {
	t.Helper()
	files := realDay(t)
	if os.Getenv("DEPEER_WHOLE_DAY") == "" {
		last := memoryLast
		if raceEnabled {
			last = memoryLastRaced
		}
		files = slices.DeleteFunc(files, func(f string) bool {
			name := f[strings.LastIndex(f, "/")+1:]
			return name < memoryFirst || name > last
		})
	}
	d := &memoryDay{dumpDay: readDump(t, files, watched50), rand: rand.New(rand.NewPCG(2008, 223))}
	cfg := DefaultConfig()
	for _, a := range watched50 {
		cfg.Hosters = append(cfg.Hosters, watch.Hoster{ID: fmt.Sprintf("as%d", a), ASNs: []uint32{a}})
	}
	store, err := sqlite.Open(t.Context(), t.TempDir()+"/timeline.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	b := newBackfiller(cfg, store, &plan{name: "day", Parts: []part{{Inputs: files}}}, time.Now)
	if err := b.run(t.Context(), newProgress(io.Discard)); err != nil {
		t.Fatal(err)
	}
	if b.done.Changes < 10_000 || len(d.lines) < 300 {
		t.Fatalf("%d changes of %d prefixes: the day has more", b.done.Changes, len(d.lines))
	}
	t.Logf("%d changes, %d prefixes, %d peers", b.done.Changes, len(d.lines), len(d.peers))
	d.a = &timeline.Asker{Reader: store, Hosters: cfg.Hosters}
	return d
}

// moment draws a second of the day.
func (d *memoryDay) moment() int64 { return d.times[d.rand.IntN(len(d.times))] }

// draw draws a prefix, by how much was said of it.
func (d *memoryDay) draw() string {
	for {
		names := d.names()
		p := names[d.rand.IntN(len(names))]
		if len(d.lines[p]) > 3 {
			return p
		}
	}
}

func (d *memoryDay) names() []string {
	out := make([]string, 0, len(d.lines))
	for p := range d.lines {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

func unix(s int64) time.Time { return time.Unix(s, 0).UTC() }

// TestMemoryOfARealDay loads hours of a recorded day for 50 ASes, and compares every
// answer with one that is computed from the lines of `bgpdump -m` alone. No table (RIB)
// comes with that day: a route that nobody spoke of is in neither, and a prefix is known from
// the moment on at which a watched AS was first seen in a path to it.
func TestMemoryOfARealDay(t *testing.T) {
	d := openMemoryDay(t)
	t.Run("routes at a moment", d.routesAt)
	t.Run("intervals", d.intervals)
	t.Run("visibility and shares", d.shares)
	t.Run("what an upstream carried", d.carried)
	t.Run("difference", d.difference)
	t.Run("bgplay", d.bgplay)
}

// routesAt draws 100 times a prefix, a second and a peer that ever spoke of it.
func (d *memoryDay) routesAt(t *testing.T) {
	held := 0
	for range 100 {
		prefix, at := d.draw(), d.moment()
		lines := d.lines[prefix]
		peer := lines[d.rand.IntN(len(lines))].peer
		want := d.at(prefix, at)
		x, err := d.a.RoutesAt(t.Context(), timeline.Asking{Prefix: netip.MustParsePrefix(prefix), To: unix(at)})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, r := range x.Routes {
			got[r.Peer.Addr.String()] = r.Path.String()
			up, origin, _ := upstreamIn(r.Path.String(), d.owner[prefix])
			if !r.Known || r.Upstream != up || r.Origin != origin {
				t.Errorf("%s at %d: %+v, want upstream %d, origin %d", prefix, at, r, up, origin)
			}
		}
		if got[peer] != want[peer] {
			t.Errorf("%s at %d by %s: %q, want %q", prefix, at, peer, got[peer], want[peer])
		}
		if len(got) != len(want) {
			t.Errorf("%s at %d: %d routes, want %d", prefix, at, len(got), len(want))
		}
		if want[peer] != "" {
			held++
		}
	}
	if held < 20 {
		t.Errorf("only %d of the 100 were held: the draw shows nothing", held)
	}
}

// intervals compares when each peer held which path.
func (d *memoryDay) intervals(t *testing.T) {
	for range 20 {
		prefix := d.draw()
		type open struct {
			path string
			from int64
		}
		state, want := map[string]open{}, []string{}
		line := func(peer string, o open, to string) {
			want = append(want, fmt.Sprintf("%s [%s] %d %s", peer, o.path, o.from, to))
		}
		lines := d.lines[prefix]
		for i, l := range lines {
			if slices.ContainsFunc(lines[i+1:], func(m dumpLine) bool { return m.peer == l.peer && m.at == l.at }) {
				continue // taken back within the second
			}
			o, ok := state[l.peer]
			if ok && o.path == l.path {
				continue
			}
			if ok {
				line(l.peer, o, fmt.Sprint(l.at))
				delete(state, l.peer)
			}
			if l.path != "" {
				state[l.peer] = open{l.path, l.at}
			}
		}
		for peer, o := range state {
			line(peer, o, "open")
		}
		list, err := d.a.Intervals(t.Context(), timeline.Asking{Prefix: netip.MustParsePrefix(prefix)})
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, i := range list {
			to := "open"
			if i.To != nil {
				to = fmt.Sprint(i.To.Unix())
			}
			got = append(got, fmt.Sprintf("%s [%s] %d %s", i.Peer.Addr, i.Path, i.From.Unix(), to))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", prefix, got, want)
		}
	}
}

// shares compares the visibility of hosters, and the shares of their upstreams, at
// seconds of the day.
func (d *memoryDay) shares(t *testing.T) {
	compared := 0
	for _, asn := range d.whole(5) {
		var mine []string
		for p, owners := range d.owner {
			if slices.Contains(owners, asn) {
				mine = append(mine, p)
			}
		}
		if len(mine) == 0 {
			continue
		}
		x, err := d.a.Timeline(t.Context(), timeline.Asking{Hoster: fmt.Sprintf("as%d", asn), Exact: true})
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			at := d.moment()
			if at <= x.From.Unix() || at > x.To.Unix() {
				continue
			}
			eligible, held, ups := 0, 0, map[uint32]int{}
			for _, p := range mine {
				eligible += len(d.ever(p, at))
				for _, path := range d.at(p, at) {
					held++
					if up, _, passes := upstreamIn(path, []uint32{asn}); passes && up != 0 {
						ups[up]++
					}
				}
			}
			if got, want := valueAt(&x.Visibility[0], at), part1(held, eligible); math.Abs(got-want) > 1e-9 {
				t.Errorf("AS%d at %d: visibility %v, want %d of %d", asn, at, got, held, eligible)
			}
			for _, l := range x.Upstreams {
				if got, want := valueAt(&l, at), part1(ups[l.ASN], eligible); math.Abs(got-want) > 1e-9 {
					t.Errorf("AS%d behind AS%d at %d: %v, want %d of %d", asn, l.ASN, at, got, ups[l.ASN], eligible)
				}
				delete(ups, l.ASN)
			}
			if len(ups) > 0 {
				t.Errorf("AS%d at %d: nobody tells of upstreams %v", asn, at, ups)
			}
			compared++
		}
	}
	if compared < 10 {
		t.Errorf("only %d moments were compared", compared)
	}
}

// whole gives some watched ASes all of whose prefixes are compared, those of most lines first.
func (d *memoryDay) whole(n int) []uint32 {
	lines := map[uint32]int{}
	for p, owners := range d.owner {
		for _, a := range owners {
			lines[a] += len(d.lines[p])
		}
	}
	list := slices.DeleteFunc(slices.Clone(d.asns), func(a uint32) bool { return d.mixed[a] || lines[a] == 0 })
	slices.SortFunc(list, func(a, b uint32) int { return cmp.Or(cmp.Compare(lines[b], lines[a]), cmp.Compare(a, b)) })
	return list[:min(n, len(list))]
}

func part1(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

func valueAt(l *timeline.Lane, at int64) (v float64) {
	for _, p := range l.Points {
		if p.At.Unix() > at {
			break
		}
		v = p.Value
	}
	return v
}

// carried compares what upstreams carried, gained and dropped within an hour.
func (d *memoryDay) carried(t *testing.T) {
	from, to := slices.Min(d.times)+600, slices.Max(d.times)-300
	for _, asn := range d.upstreams(5) {
		want := []string{}
		for _, p := range d.names() {
			if line := d.load(p, asn, from, to); line != "" {
				want = append(want, line)
			}
		}
		x, err := d.a.Carried(t.Context(), timeline.Asking{ASN: asn, From: unix(from), To: unix(to)})
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, c := range x.Prefixes {
			if d.lines[c.Prefix.String()] == nil {
				continue // spoken of before
			}
			got = append(got, fmt.Sprintf("%s %d %d %d %d %d", c.Prefix, c.Before, c.After, c.Most, orZero(c.Gained), orZero(c.Dropped)))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("AS%d: %d prefixes, want %d; only here %q, missing %q", asn, len(got), len(want), without(got, want), without(want, got))
		}
		if len(want) == 0 {
			t.Errorf("AS%d carried nothing: the draw shows nothing", asn)
		}
	}
}

// upstreams gives those that most was said of.
func (d *memoryDay) upstreams(n int) (list []uint32) {
	lines := map[uint32]int{}
	for p, of := range d.lines {
		for _, l := range of {
			if up, _, _ := upstreamIn(l.path, d.owner[p]); up != 0 {
				lines[up]++
			}
		}
	}
	for a := range lines {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b uint32) int { return cmp.Or(cmp.Compare(lines[b], lines[a]), cmp.Compare(a, b)) })
	return list[:n]
}

func without(a, b []string) []string {
	out := slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
	return out[:min(len(out), 5)]
}

func orZero(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.Unix()
}

// load follows how many peers had a prefix through an upstream.
func (d *memoryDay) load(prefix string, asn uint32, from, to int64) string {
	state := map[string]bool{}
	before, most, now, gained, dropped := 0, 0, 0, int64(0), int64(0)
	lines := d.lines[prefix]
	for i, l := range lines {
		if l.at > to {
			break
		}
		was := now
		up, _, _ := upstreamIn(l.path, d.owner[prefix])
		if state[l.peer] = l.path != "" && up == asn; !state[l.peer] {
			delete(state, l.peer)
		}
		if i+1 < len(lines) && lines[i+1].at == l.at {
			continue // the second is not over
		}
		now = len(state)
		switch {
		case l.at <= from:
			before, most = now, now
		case now > 0 && was == 0 && gained == 0:
			gained = l.at
		case now == 0 && was > 0:
			dropped = l.at
		}
		most = max(most, now)
	}
	if most == 0 {
		return ""
	}
	if before > 0 {
		gained = 0
	}
	if now > 0 {
		dropped = 0
	}
	return fmt.Sprintf("%s %d %d %d %d %d", prefix, before, now, most, gained, dropped)
}

// difference compares the routes of hosters at two seconds.
func (d *memoryDay) difference(t *testing.T) {
	for _, asn := range d.whole(8) {
		a, b := d.moment(), d.moment()
		a, b = min(a, b), max(a, b)
		went, came, changed, same := 0, 0, 0, 0
		for p, owners := range d.owner {
			if !slices.Contains(owners, asn) {
				continue
			}
			was, is := d.at(p, a), d.at(p, b)
			for peer, path := range was {
				switch now, ok := is[peer]; {
				case !ok:
					went++
				case now == path:
					same++
				default:
					changed++
				}
				delete(is, peer)
			}
			came += len(is)
		}
		x, err := d.a.Difference(t.Context(), timeline.Asking{Hoster: fmt.Sprintf("as%d", asn), From: unix(a), To: unix(b)})
		if err != nil {
			t.Fatal(err)
		}
		if len(x.Went) != went || len(x.Came) != came || len(x.Changed) != changed || x.Same != same || len(x.Unknown) != 0 {
			t.Errorf("AS%d: %d went, %d came, %d changed, %d the same; want %d, %d, %d, %d", asn, len(x.Went), len(x.Came), len(x.Changed), x.Same, went, came, changed, same)
		}
	}
}

// bgplay plays the export of a prefix to its end, and compares what is shown then.
func (d *memoryDay) bgplay(t *testing.T) {
	for range 5 {
		prefix, from, to := d.draw(), d.moment(), d.moment()
		from, to = min(from, to), max(from, to)
		x, err := d.a.BGPlay(context.Background(), timeline.Asking{Prefix: netip.MustParsePrefix(prefix), From: unix(from), To: unix(to)})
		if err != nil {
			t.Fatal(err)
		}
		shown, address := map[string][]uint32{}, map[string]string{}
		for _, s := range x.Data.Sources {
			address[s.ID] = s.IP.String()
		}
		for _, s := range x.Data.Initial {
			shown[address[s.Source]] = s.Path
		}
		for _, e := range x.Data.Events {
			if shown[address[e.Attrs.Source]] = e.Attrs.Path; e.Type == "W" {
				delete(shown, address[e.Attrs.Source])
			}
		}
		want := d.at(prefix, to)
		if len(shown) != len(want) {
			t.Errorf("%s: %d routes at the end, want %d", prefix, len(shown), len(want))
		}
		for peer, path := range want {
			plain := bgp.PathOf(shown[peer]...).String()
			if hops := slices.DeleteFunc(strings.Fields(path), func(h string) bool { return strings.Contains(h, ",") }); plain != strings.NewReplacer("{", "", "}", "").Replace(strings.Join(hops, " ")) {
				t.Errorf("%s by %s: %q, want %q", prefix, peer, plain, path)
			}
		}
	}
}
