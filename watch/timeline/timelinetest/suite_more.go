package timelinetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/watch/timeline"
)

// announced is a plain change.
func announced(at time.Time, peer, prefix int, path ...uint32) timeline.Change {
	return timeline.Change{At: at, What: timeline.Announced, Peer: suitePeers[peer], Prefix: suitePrefixes[prefix], Path: bgp.PathOf(path...), Hosters: []string{"mccolo"}}
}

// testOnce: a batch that was stored is passed over, whole; positions do not go back; what is
// kept is replaced; also after a restart.
func testOnce(t *testing.T, open Opener) {
	ctx := context.Background()
	p := newPair(t, open)
	b := timeline.Batch{Recorded: suiteDay, Changes: []timeline.Change{announced(suiteDay, 0, 2, 1, 2)}, Cursors: map[string]uint64{"routes": 1 << 40},
		Kept: map[string][]byte{"recorder": {0, 1, 2}, "empty": {}}, Records: []timeline.Record{{Kind: timeline.Event, ID: "e", At: suiteDay, Body: []byte("{}")}}}
	for i := range 4 {
		p.write(&b)
		if i == 1 {
			p.reopen()
		}
		if i == 2 {
			p.maintain(suiteDay)
		}
	}
	b.Cursors = map[string]uint64{"routes": 7}
	b.Kept = map[string][]byte{"recorder": {9}}
	p.write(&b) // behind what is stored
	p.same(timeline.Span{})
	b.Cursors = map[string]uint64{"routes": 7, "events": 0}
	p.write(&b) // one is not behind: 0 is a position too
	p.same(timeline.Span{})
	p.sameRecords(timeline.RecordQuery{})
	for _, s := range []timeline.Store{p.store, p.memory} {
		c, err := s.Cursors(ctx)
		if want := map[string]uint64{"routes": 1 << 40, "events": 0}; err != nil || !reflect.DeepEqual(c, want) {
			t.Errorf("%T: cursors %v, %v", s, c, err)
		}
		for name, want := range map[string]string{"recorder": "[9]", "empty": "[]", "other": "nil"} {
			got := "nil"
			k, err := s.Kept(ctx, name)
			if k != nil {
				got = fmt.Sprint(k)
			}
			if err != nil || got != want && !(name == "empty" && got == "nil") {
				t.Errorf("%T: kept under %s: %s, %v", s, name, got, err)
			}
		}
	}
}

// testLate: what comes late takes its place, is not believed before it was recorded, and
// leaves alone what was believed before, wherever chunks and checkpoints lie.
func testLate(t *testing.T, open Opener) {
	p := newPair(t, open)
	for i := range 45 {
		at := suiteDay.Add(time.Duration(i) * time.Hour)
		b := timeline.Batch{Recorded: at.Add(time.Second)}
		for j := range 3 {
			b.Changes = append(b.Changes, announced(at, j, 2, uint32(i+1), 26780))
		}
		p.write(&b)
		if i%15 == 14 {
			p.maintain(at.Add(3 * time.Hour))
		}
	}
	believed := suiteDay.AddDate(0, 0, 5)
	asked := timeline.Span{From: suiteDay.Add(40*time.Hour + time.Minute), Believed: believed}
	before, err := Lines(context.Background(), p.store, asked)
	if err != nil {
		t.Fatal(err)
	}
	late := timeline.Batch{Recorded: believed.Add(time.Hour)}
	for j, at := range []time.Duration{-time.Hour, 0, 90 * time.Minute, 40*time.Hour + 30*time.Second, 100 * time.Hour} {
		c := announced(suiteDay.Add(at), j%3, 2, 64999, 26780)
		if j == 3 {
			c.What, c.Path = timeline.Withdrawn, nil
		}
		late.Changes = append(late.Changes, c)
	}
	p.write(&late)
	for round := range 3 { // in the tail; packed; merged
		after, err := Lines(context.Background(), p.store, asked)
		if err != nil || !slices.Equal(after, before) {
			t.Fatalf("round %d: what was believed is another thing now: %v, %s", round, err, difference(after, before))
		}
		for i := range 25 {
			from := suiteDay.Add(time.Duration(i)*2*time.Hour - time.Hour + time.Minute)
			p.same(timeline.Span{From: from, To: from.Add(3 * time.Hour), Prefixes: suitePrefixes[2:3]})
			p.same(timeline.Span{From: from, To: from, Believed: believed})
		}
		p.maintain(believed.AddDate(0, 2*round, 0))
	}
}

// testRetention: what is dropped changes no answer about what is kept, also where more comes
// late, and again later.
func testRetention(t *testing.T, open Opener) {
	for seed := range worlds() {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			w, p := newWorld(1000+seed), newPair(t, open)
			r := timeline.Retention{Changes: 20 * 24 * time.Hour}
			limit := suiteDay
			for round := range 8 {
				for range 3 {
					b := w.batch()
					b.Records = nil
					for i := range b.Changes { // what is older than what is kept comes no more: a store may have let go of its state
						if b.Changes[i].At.Before(limit) {
							b.Changes[i].At = limit.Add(time.Duration(i) * time.Second)
						}
					}
					p.write(b)
				}
				w.at = w.at.AddDate(0, 0, 9)
				now := w.at
				if w.now.Before(now) {
					w.now = now
				}
				for _, s := range []timeline.Store{p.store, p.memory} {
					if _, err := s.Maintain(context.Background(), now, r); err != nil {
						t.Fatal(err)
					}
				}
				limit = now.Add(-r.Changes)
				for range 5 {
					s := w.span()
					s.Believed = time.Time{} // memory lets go of what was overtaken by what came later
					if s.From.Before(limit) {
						s.From = limit.Add(time.Duration(w.Int64N(int64(now.Sub(limit)))))
					}
					if !s.To.IsZero() && s.To.Before(s.From) {
						s.To = s.From.Add(time.Hour)
					}
					p.same(s)
				}
				if round == 4 {
					p.reopen()
				}
			}
		})
	}
}

// testForgotten: a prefix of which nothing is left is known no more, and may come again.
func testForgotten(t *testing.T, open Opener) {
	p := newPair(t, open)
	gone := announced(suiteDay.Add(time.Hour), 0, 3, 3549, 26780)
	gone.What, gone.Path = timeline.Withdrawn, nil
	first := timeline.Batch{Recorded: suiteDay, Changes: []timeline.Change{announced(suiteDay, 0, 3, 3549, 26780), announced(suiteDay, 0, 2, 3549, 26780), gone}}
	p.write(&first)
	for _, months := range []int{1, 3, 5} {
		now := suiteDay.AddDate(0, months, 0)
		for _, s := range []timeline.Store{p.store, p.memory} {
			if _, err := s.Maintain(context.Background(), now, timeline.Retention{Changes: 24 * time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		if months == 1 {
			continue // some of the month may be kept
		}
		p.samePrefixes(timeline.Scope{})
		p.samePrefixes(timeline.Scope{Through: 3549})
		p.same(timeline.Span{})
	}
	back := announced(suiteDay.AddDate(0, 5, 0), 1, 3, 6939, 26780)
	back.Hosters = nil
	p.write(&timeline.Batch{Recorded: back.At, Changes: []timeline.Change{back}})
	p.maintain(back.At)
	p.samePrefixes(timeline.Scope{})
	p.samePrefixes(timeline.Scope{Hoster: "mccolo"})
	p.samePrefixes(timeline.Scope{Through: 3549})
	p.same(timeline.Span{})
}

// testRetentionOfRecords: what is over goes with all its revisions; what is open stays with
// all of them.
func testRetentionOfRecords(t *testing.T, open Opener) {
	w, p := newWorld(77), newPair(t, open)
	for range 40 {
		b := w.batch()
		b.Changes = nil
		p.write(b)
		w.at = w.at.Add(11 * time.Hour)
	}
	for _, age := range []time.Duration{1000 * 24 * time.Hour, 15 * 24 * time.Hour, 5 * 24 * time.Hour, time.Hour} {
		for _, s := range []timeline.Store{p.store, p.memory} {
			if _, err := s.Maintain(context.Background(), w.at, timeline.Retention{Records: age}); err != nil {
				t.Fatal(err)
			}
		}
		p.sameRecords(timeline.RecordQuery{})
		p.sameRecords(timeline.RecordQuery{Latest: true, Prefix: suitePrefixes[1]})
	}
}

// testReaders: whoever asks while others write and maintain sees batches whole, one after
// the other.
func testReaders(t *testing.T, open Opener) {
	const batches, each = 25, 7
	store := open(t, "store")
	defer func() { _ = store.Close() }()
	ctx := context.Background()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			seen := 0
			for last := false; !last; {
				select {
				case <-done:
					last = true
				default:
				}
				n := 0
				err := store.Changes(ctx, timeline.Span{}, func(c *timeline.Change) error {
					if want := suiteDay.Add(time.Duration(n/each) * time.Second); !c.At.Equal(want) {
						return fmt.Errorf("change %d is of %s", n, c.At)
					}
					n++
					if n%50 == 1 { // f may ask, too
						_, err := store.Cursors(ctx)
						return err
					}
					return nil
				})
				if err != nil || n%each != 0 || n < seen {
					t.Errorf("%d changes after %d: %v", n, seen, err)
					return
				}
				seen = n
			}
			if seen != batches*each {
				t.Errorf("%d changes at the end", seen)
			}
		})
	}
	for i := range batches {
		b := timeline.Batch{Recorded: suiteDay.Add(time.Duration(i) * time.Second)}
		for j := range each {
			b.Changes = append(b.Changes, announced(b.Recorded, j%3, j%5, uint32(i), uint32(j)))
		}
		if err := store.Write(ctx, &b); err != nil {
			t.Error(err)
		}
		if i%9 == 8 {
			if _, err := store.Maintain(ctx, suiteDay.AddDate(1, 0, 0), timeline.Retention{}); err != nil {
				t.Error(err)
			}
		}
	}
	close(done)
	wg.Wait()
}

// testCutShort: an error of f ends the answer; writing and maintaining that is cut short
// loses and doubles nothing.
func testCutShort(t *testing.T, open Opener) {
	w, p := newWorld(5), newPair(t, open)
	for range 10 {
		b := w.batch()
		b.Cursors = nil
		p.write(b)
	}
	enough := errors.New("enough")
	n := 0
	if err := p.store.Changes(context.Background(), timeline.Span{}, func(*timeline.Change) error { n++; return enough }); !errors.Is(err, enough) || n != 1 {
		t.Errorf("after %d changes: %v", n, err)
	}
	cut := 0
	for i := range 24 {
		ctx := &dying{Context: context.Background(), calls: 7 * i, done: make(chan struct{})}
		if _, err := p.store.Maintain(ctx, w.now, timeline.Retention{}); err != nil {
			cut++
		}
		if i%10 == 0 {
			p.same(timeline.Span{})
		}
		b := w.batch()
		b.Cursors = map[string]uint64{"routes": uint64(1000 + i)}
		ctx = &dying{Context: context.Background(), calls: i % 31, done: make(chan struct{})}
		if err := p.store.Write(ctx, b); err != nil {
			cut++
		}
		p.write(b) // again, or at last
		p.same(w.span())
	}
	if cut < 5 {
		t.Errorf("only %d were cut short", cut)
	}
	p.maintain(w.now)
	p.all(w)
}

// dying is a context that ends when it was looked at so often.
type dying struct {
	context.Context
	mu    sync.Mutex
	calls int // guarded by mu
	done  chan struct{}
}

func (d *dying) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls--; d.calls == -1 {
		close(d.done)
	}
	return d.done
}

func (d *dying) Err() error {
	select {
	case <-d.done:
		return context.Canceled
	default:
		return nil
	}
}

// testBounded: a long story of one prefix, asked at many moments, with everything that makes
// the reading short in place.
func testBounded(t *testing.T, open Opener) {
	p := newPair(t, open)
	w := newWorld(8)
	for range 8 {
		b := timeline.Batch{}
		for range 250 {
			w.at = w.at.Add(time.Duration(w.IntN(600)) * time.Second)
			c := announced(w.at, w.IntN(len(suitePeers)), 2+w.IntN(2), uint32(w.IntN(4)), 26780)
			if w.IntN(3) == 0 {
				c.What, c.Path = timeline.Withdrawn, nil
			}
			b.Changes = append(b.Changes, c)
		}
		b.Recorded = w.at
		p.write(&b)
		p.maintain(w.at.Add(2 * time.Hour))
	}
	w.now = w.at
	for range 15 {
		p.same(w.span())
	}
	p.samePrefixes(timeline.Scope{})
}

// testCoverage: each writer's time of listening is under a name of its own, in place of what was there.
func testCoverage(t *testing.T, open Opener) {
	p := newPair(t, open)
	at := time.Date(2008, 11, 11, 0, 0, 0, 0, time.UTC)
	say := func(name string, list ...timeline.Coverage) {
		body, err := timeline.EncodeCoverage(list)
		if err != nil {
			t.Fatal(err)
		}
		p.write(&timeline.Batch{Recorded: at, Kept: map[string][]byte{timeline.KeptCoverage + name: body, "coverage": []byte("is none"), "another": body}})
	}
	compare := func(want int) {
		t.Helper()
		have, err := p.store.Coverage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ref, err := p.memory.Coverage(t.Context())
		if err != nil || len(have) != want || fmt.Sprint(have) != fmt.Sprint(ref) {
			t.Errorf("have %v, want %d: %v (%v)", have, want, ref, err)
		}
	}
	compare(0)
	day := func(collector string, n int) timeline.Coverage {
		return timeline.Coverage{Collector: collector, From: at.AddDate(0, 0, n), To: at.AddDate(0, 0, n+1), Recorded: at}
	}
	say("one", day("rrc00", 0), day("rrc01", 0))
	say("live", day("", 4))
	compare(3)
	say("one", day("rrc00", 1))
	compare(2)
	p.reopen()
	compare(2)
}
