package timelinetest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/timeline"
)

var suiteDay = time.Date(2008, 10, 30, 0, 0, 0, 0, time.UTC)

var suitePrefixes = func() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{"0.0.0.0/0", "198.51.0.0/16", "198.51.100.0/24", "198.51.100.0/22", "198.51.100.7/32", "203.0.113.0/24", "203.0.112.0/23",
		"::/0", "2001:db8::/32", "2001:db8::/48", "2001:db8:1::/48", "255.255.255.255/32"} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}()

var suitePeers = []bgp.Peer{
	{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64501},
	{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.2"), ASN: 64502},
	{Collector: "rrc01", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64501},
	{Collector: "edge", Addr: netip.MustParseAddr("2001:db8::1"), ASN: 4200000001},
	{Collector: "", Addr: netip.Addr{}, ASN: 0},
}

// world makes batches that nobody would think of: in and out of order, late, repeated in
// time, over months, with ADD-PATH and sets.
type world struct {
	*rand.Rand
	now    time.Time // of recording
	at     time.Time
	cursor uint64
	record int
}

func newWorld(seed uint64) *world {
	return &world{Rand: rand.New(rand.NewPCG(seed, 4)), now: suiteDay.Add(time.Hour), at: suiteDay}
}

func pick[T any](w *world, list []T) T { return list[w.IntN(len(list))] }

// pause is from nothing to most of a month, mostly short.
func (w *world) pause() time.Duration {
	return pick(w, []time.Duration{0, 0, time.Microsecond, time.Millisecond, time.Second, time.Second, 7 * time.Second, time.Minute, time.Hour, 26 * time.Hour}) *
		time.Duration(1+w.IntN(3))
}

func (w *world) path() bgp.Path {
	asns := []uint32{64501, 3549, 6939, 1299, 26780, 4200000001}
	switch w.IntN(8) {
	case 0:
		return bgp.Path{}
	case 1:
		return bgp.Path{{Type: bgp.ASSequence, ASNs: []uint32{pick(w, asns), pick(w, asns)}}, {Type: bgp.ASSet, ASNs: []uint32{pick(w, asns), 64999}}}
	case 2:
		return bgp.Path{{Type: bgp.ASConfedSequence, ASNs: []uint32{65001}}, {Type: bgp.ASSequence, ASNs: []uint32{pick(w, asns)}}}
	}
	var list []uint32
	for range 1 + w.IntN(4) {
		list = append(list, pick(w, asns))
	}
	return bgp.PathOf(list...)
}

func (w *world) change() timeline.Change {
	w.at = w.at.Add(w.pause())
	c := timeline.Change{At: w.at, Peer: pick(w, suitePeers)}
	if w.IntN(6) == 0 { // late
		c.At = suiteDay.Add(time.Duration(w.Int64N(int64(w.at.Sub(suiteDay)) + 1))).Truncate(time.Microsecond)
	}
	if w.IntN(8) == 0 {
		c.What = pick(w, []timeline.What{timeline.Left, timeline.Joined})
		if c.What == timeline.Left && w.IntN(2) == 0 {
			c.Cause = pick(w, []string{"cease, administrative shutdown: maintenance", "silent"})
		}
		return c
	}
	c.What = pick(w, []timeline.What{timeline.Announced, timeline.Announced, timeline.Announced, timeline.Withdrawn, timeline.Missing, timeline.Known})
	c.Prefix = pick(w, suitePrefixes)
	if w.IntN(4) == 0 {
		c.PathID = pick(w, []uint32{1, 2, 1<<32 - 1})
	}
	if c.Held() {
		c.Path = w.path()
	}
	c.Hosters = pick(w, [][]string{nil, {"mccolo"}, {"mccolo"}, {"atrivo", "mccolo"}})
	return c
}

var suiteKinds = []timeline.RecordKind{timeline.Event, timeline.Incident, timeline.Gap, timeline.Sighting, timeline.Migration, timeline.Delivery, timeline.Note}

func (w *world) note() timeline.Record {
	w.record++
	r := timeline.Record{Kind: pick(w, suiteKinds), ID: "r" + strconv.Itoa(w.IntN(40)), Revision: w.IntN(4), At: w.at.Add(w.pause()).Truncate(time.Microsecond),
		Hoster: pick(w, []string{"", "mccolo", "atrivo"}), Word: pick(w, []string{"upstream.lost", "depeered", "silent", "rustock"}),
		Severity: pick(w, []watch.Severity{"", watch.Info, watch.Critical}), Incident: pick(w, []string{"", "i1", "i2"}),
		Upstream: pick(w, []uint32{0, 3549, 6939}), ASN: pick(w, []uint32{0, 26780, 4200000001}), Collector: pick(w, []string{"", "rrc00"}),
		Body: json.RawMessage(`{"number":` + strconv.Itoa(w.record) + `,"text":"it's “quoted” ?"}`)}
	if w.IntN(2) == 0 {
		r.Until = r.At.Add(w.pause())
	}
	for range w.IntN(3) {
		r.Prefixes = append(r.Prefixes, pick(w, suitePrefixes))
	}
	return r
}

func (w *world) batch() *timeline.Batch {
	b := &timeline.Batch{}
	for range w.IntN(40) {
		b.Changes = append(b.Changes, w.change())
	}
	for range w.IntN(6) {
		b.Records = append(b.Records, w.note())
	}
	w.now = w.now.Add(w.pause() + time.Microsecond)
	if w.now.Before(w.at) {
		w.now = w.at.Add(time.Second)
	}
	b.Recorded = w.now
	if w.IntN(3) > 0 {
		w.cursor += uint64(w.IntN(3))
		b.Cursors = map[string]uint64{"routes": w.cursor}
		b.Kept = map[string][]byte{"recorder": fmt.Append(nil, w.cursor)}
	}
	return b
}

// moments are such at which something changes, just before and just after it, and far away.
func (w *world) moment() time.Time {
	switch w.IntN(6) {
	case 0:
		return time.Time{}
	case 1:
		return w.at.Add(w.pause())
	}
	return suiteDay.Add(time.Duration(w.Int64N(int64(w.at.Sub(suiteDay)) + 1)))
}

func (w *world) span() timeline.Span {
	s := timeline.Span{From: w.moment(), To: w.moment()}
	if !s.From.IsZero() && !s.To.IsZero() && s.To.Before(s.From) {
		s.From, s.To = s.To, s.From
	}
	if w.IntN(2) == 0 {
		for range 1 + w.IntN(3) {
			s.Prefixes = append(s.Prefixes, pick(w, suitePrefixes))
		}
	}
	if w.IntN(2) == 0 {
		s.Believed = suiteDay.Add(time.Duration(w.Int64N(int64(w.now.Sub(suiteDay)) + 1)))
	}
	return s
}

func (w *world) scope() timeline.Scope {
	var s timeline.Scope
	if w.IntN(2) == 0 {
		s.Prefix, s.Covering, s.Covered = pick(w, suitePrefixes), w.IntN(2) == 0, w.IntN(2) == 0
	}
	switch w.IntN(4) {
	case 0:
		s.Hoster = pick(w, []string{"mccolo", "atrivo", "nobody"})
	case 1:
		s.Origin = pick(w, []uint32{26780, 3549, 64999, 1})
	case 2:
		s.Through = pick(w, []uint32{26780, 3549, 64999, 65001, 1})
	}
	return s
}

func (w *world) query() timeline.RecordQuery {
	q := timeline.RecordQuery{Latest: w.IntN(2) == 0, Newest: w.IntN(2) == 0, Limit: w.IntN(5), From: w.moment(), To: w.moment()}
	switch w.IntN(8) {
	case 0:
		q.Kinds = []timeline.RecordKind{pick(w, suiteKinds), pick(w, suiteKinds)}
	case 1:
		q.Hosters = []string{"mccolo"}
	case 2:
		q.Words = []string{"upstream.lost", "silent"}
	case 3:
		q.Incident = "i1"
	case 4:
		q.Upstream, q.ASN = 3549, 26780
	case 5:
		q.Prefix = pick(w, suitePrefixes)
	case 6:
		q.IDs = []string{"r1", "r2", "r3", "r4", "r5"}
	}
	if w.IntN(3) == 0 {
		q.Believed = w.moment()
	}
	q.Lasting = w.IntN(4) == 0
	return q
}

// worlds is how many are tried: DEPEER_WORLDS, or two.
func worlds() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("DEPEER_WORLDS"), 10, 32); err == nil {
		return n
	}
	return 2
}

// testWorlds: whatever is written, packed and asked in whatever order, the store answers as
// the reference does.
func testWorlds(t *testing.T, open Opener) {
	for seed := range worlds() {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			w, p := newWorld(seed), newPair(t, open)
			for range 24 {
				switch n := w.IntN(12); {
				case n < 6:
					b := w.batch()
					p.write(b)
					if w.IntN(4) == 0 && b.Cursors != nil { // told again
						again := *b
						again.Recorded = b.Recorded.Add(time.Hour)
						p.write(&again)
					}
				case n < 8:
					p.maintain(w.now)
				case n == 8:
					p.reopen()
				case n == 9:
					p.sameRecords(w.query())
				case n == 10:
					p.samePrefixes(w.scope())
				}
				p.same(w.span())
			}
			p.maintain(w.now.AddDate(1, 0, 0)) // every month is over
			p.all(w)
		})
	}
}

// all asks a lot.
func (p *pair) all(w *world) {
	p.t.Helper()
	p.same(timeline.Span{})
	for range 7 {
		p.same(w.span())
		p.samePrefixes(w.scope())
		p.sameRecords(w.query())
	}
}

// testOrder: changes of one moment come in the order of writing, within a prefix, also
// across batches, chunks and their merging.
func testOrder(t *testing.T, open Opener) {
	p := newPair(t, open)
	w := newWorld(99)
	for i := range 12 {
		b := w.batch()
		b.Cursors, b.Records = nil, nil
		for j := range b.Changes {
			b.Changes[j].At = suiteDay.Add(time.Duration(i%2) * time.Second)
		}
		p.write(b)
		if i%3 == 0 {
			p.maintain(w.now)
		}
		p.same(timeline.Span{From: suiteDay.Add(-time.Second)})
		p.same(timeline.Span{From: suiteDay, Prefixes: slices.Clone(suitePrefixes[:3])})
	}
}

// Story gives the same n batches whenever it is told the same seed: read from a log named
// "log" of which each is one message, from 1.
func Story(seed uint64, n int) []*timeline.Batch {
	w := newWorld(seed)
	out := make([]*timeline.Batch, n)
	for i := range out {
		out[i] = w.batch()
		out[i].Cursors = map[string]uint64{"log": uint64(i + 1)}
		out[i].Kept = map[string][]byte{"recorder": fmt.Append(nil, i)}
	}
	return out
}

// Equal fails the test where the store is not what the batches, each stored once, make.
func Equal(t *testing.T, s timeline.Store, batches []*timeline.Batch) {
	t.Helper()
	p := &pair{t: t, store: s, memory: &Memory{}}
	for _, b := range batches {
		if err := p.memory.Write(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	p.same(timeline.Span{})
	p.samePrefixes(timeline.Scope{})
	p.sameRecords(timeline.RecordQuery{})
	for name, want := range batches[len(batches)-1].Kept {
		if got, err := s.Kept(context.Background(), name); err != nil || string(got) != string(want) {
			t.Errorf("kept under %s: %q, %v; not %q", name, got, err, want)
		}
	}
	got, err := s.Cursors(context.Background())
	if want, _ := p.memory.Cursors(context.Background()); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("cursors %v, %v; not %v", got, err, want)
	}
}
