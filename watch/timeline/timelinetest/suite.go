package timelinetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"depeer/watch/timeline"
)

// Opener gives a store. Called again with the same name in the same test, it opens what was
// stored under that name before, as after a restart. The test closes it.
type Opener func(t *testing.T, name string) timeline.Store

// Run holds a store against what package timeline promises, and against [Memory].
func Run(t *testing.T, open Opener) {
	t.Helper()
	for _, x := range []struct {
		name string
		test func(*testing.T, Opener)
	}{
		{"Empty", testEmpty},
		{"Worlds", testWorlds},
		{"Order", testOrder},
		{"Once", testOnce},
		{"Late", testLate},
		{"Retention", testRetention},
		{"Forgotten", testForgotten},
		{"RetentionOfRecords", testRetentionOfRecords},
		{"Readers", testReaders},
		{"CutShort", testCutShort},
		{"Bounded", testBounded},
		{"Coverage", testCoverage},
	} {
		t.Run(x.name, func(t *testing.T) { x.test(t, open) })
	}
}

// pair is a store and the reference, told the same.
type pair struct {
	t      *testing.T
	open   Opener
	store  timeline.Store
	memory *Memory
}

func newPair(t *testing.T, open Opener) *pair {
	p := &pair{t: t, open: open, store: open(t, "store"), memory: &Memory{}}
	t.Cleanup(func() {
		if err := p.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// reopen ends the store and opens it again.
func (p *pair) reopen() {
	p.t.Helper()
	if err := p.store.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.store = p.open(p.t, "store")
}

func (p *pair) write(b *timeline.Batch) {
	p.t.Helper()
	for _, s := range []timeline.Store{p.store, p.memory} {
		if err := s.Write(context.Background(), b); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *pair) maintain(now time.Time) timeline.Maintenance {
	p.t.Helper()
	done, err := p.store.Maintain(context.Background(), now, timeline.Retention{})
	if err != nil {
		p.t.Fatal(err)
	}
	return done
}

// line writes a change so that two that differ in anything read differently.
func line(c *timeline.Change) string {
	prefix, path := "", "-"
	if c.Prefix.IsValid() {
		prefix = c.Prefix.String()
	}
	if c.Held() {
		path = fmt.Sprint(c.Path, len(c.Path))
	}
	return fmt.Sprintf("%s %d %s %s#%d [%s] %q %v recorded %s", c.At.UTC().Format("02T15:04:05.000000"), c.What, c.Peer, prefix, c.PathID, path,
		c.Cause, c.Hosters, c.Recorded.UTC().Format("02T15:04:05.000000"))
}

// Lines gives what a store tells of a span, a line for each change.
func Lines(ctx context.Context, s timeline.Reader, span timeline.Span) ([]string, error) {
	var out []string
	err := s.Changes(ctx, span, func(c *timeline.Change) error {
		out = append(out, line(c))
		return nil
	})
	return out, err
}

// same compares what both tell of a span.
func (p *pair) same(span timeline.Span) {
	p.t.Helper()
	got, err := Lines(context.Background(), p.store, span)
	if err != nil {
		p.t.Fatal(err)
	}
	want, err := Lines(context.Background(), p.memory, span)
	if err != nil {
		p.t.Fatal(err)
	}
	if d := difference(got, want); d != "" {
		p.t.Fatalf("%+v: %s", span, d)
	}
}

// difference says where two lists part; "" where they do not.
func difference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("%d of %d, the next is missing:\n%s", len(got), len(want), want[i])
		case i >= len(want):
			return fmt.Sprintf("%d of %d, the next is too much:\n%s", len(got), len(want), got[i])
		case got[i] != want[i]:
			return fmt.Sprintf("number %d of %d is\n%s\nand should be\n%s", i, len(want), got[i], want[i])
		}
	}
	return ""
}

func (p *pair) samePrefixes(s timeline.Scope) {
	p.t.Helper()
	var told [2][]string
	for i, x := range []timeline.Store{p.store, p.memory} {
		infos, err := x.Prefixes(context.Background(), s)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, f := range infos {
			told[i] = append(told[i], fmt.Sprintf("%s %v %s %s %d", f.Prefix, f.Hosters, f.First.UTC(), f.Last.UTC(), f.Changes))
		}
	}
	if d := difference(told[0], told[1]); d != "" {
		p.t.Fatalf("prefixes of %+v: %s", s, d)
	}
}

// sameRecords pages through both, by the limit of the query.
func (p *pair) sameRecords(q timeline.RecordQuery) {
	p.t.Helper()
	var told [2][]string
	for i, x := range []timeline.Store{p.store, p.memory} {
		q.After = ""
		for pages := 0; ; pages++ {
			list, next, err := x.Records(context.Background(), q)
			if err != nil {
				p.t.Fatal(err)
			}
			for _, r := range list {
				told[i] = append(told[i], fmt.Sprintf("page %d: %+v %s", pages, r, r.Body))
			}
			if q.After = next; next == "" {
				break
			}
		}
	}
	if d := difference(told[0], told[1]); d != "" {
		p.t.Fatalf("records of %+v: %s", q, d)
	}
}

func testEmpty(t *testing.T, open Opener) {
	ctx := context.Background()
	p := newPair(t, open)
	p.same(timeline.Span{})
	p.same(timeline.Span{From: suiteDay, To: suiteDay.Add(time.Hour), Prefixes: suitePrefixes[:2]})
	p.samePrefixes(timeline.Scope{})
	p.sameRecords(timeline.RecordQuery{})
	p.maintain(suiteDay)
	if c, err := p.store.Cursors(ctx); err != nil || len(c) > 0 {
		t.Errorf("cursors %v, %v", c, err)
	}
	if b, err := p.store.Kept(ctx, "x"); err != nil || b != nil {
		t.Errorf("kept %v, %v", b, err)
	}
	if err := p.store.Write(ctx, &timeline.Batch{}); err == nil {
		t.Error("a batch without a time of recording was stored")
	}
	for _, after := range []string{"nonsense", "1", "1.x", "."} {
		if _, _, err := p.store.Records(ctx, timeline.RecordQuery{After: after}); err == nil || !strings.Contains(err.Error(), after) {
			t.Errorf("cursor %q: %v", after, err)
		}
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := p.store.Cursors(done); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context ended: %v", err)
	}
}
