package timelinetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/watch/timeline"
)

var (
	day    = time.Date(2008, 2, 23, 0, 0, 0, 0, time.UTC)
	peerA  = bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64501}
	peerB  = bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.2"), ASN: 64502}
	prefix = netip.MustParsePrefix("198.51.100.0/24")
	other  = netip.MustParsePrefix("198.51.0.0/16")
)

func minute(n int) time.Time { return day.Add(time.Duration(n) * time.Minute) }

func said(at int, what timeline.What, p bgp.Peer, q netip.Prefix, path ...uint32) timeline.Change {
	c := timeline.Change{At: minute(at), What: what, Peer: p, Prefix: q, Path: bgp.PathOf(path...)}
	if q.IsValid() {
		c.Hosters = []string{"h"}
	}
	return c
}

// told is what Changes calls f with, one line each.
func told(t *testing.T, m *Memory, s timeline.Span) []string {
	t.Helper()
	var out []string
	err := m.Changes(context.Background(), s, func(c *timeline.Change) error {
		line := fmt.Sprintf("%d %d %s", int(c.At.Sub(day)/time.Minute), c.What, c.Peer.Addr)
		if c.Prefix.IsValid() {
			line += fmt.Sprintf(" %s [%s]", c.Prefix, c.Path)
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t *testing.T, m *Memory, b timeline.Batch) {
	t.Helper()
	if b.Recorded.IsZero() {
		b.Recorded = minute(60)
	}
	if err := m.Write(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
}

func TestStateAndWhatFollows(t *testing.T) {
	m := &Memory{}
	var none netip.Prefix
	write(t, m, timeline.Batch{Changes: []timeline.Change{
		said(1, timeline.Joined, peerA, none), said(1, timeline.Announced, peerA, prefix, 64501, 1), said(2, timeline.Announced, peerB, prefix, 64502, 1),
		said(3, timeline.Announced, peerA, other, 64501, 2), said(4, timeline.Withdrawn, peerB, prefix), said(6, timeline.Left, peerA, none),
	}})
	// What comes late takes its place in time, and is not believed before it was recorded.
	write(t, m, timeline.Batch{Recorded: minute(90), Changes: []timeline.Change{said(5, timeline.Announced, peerA, prefix, 64501, 9, 1)}})
	for _, x := range []struct {
		name string
		span timeline.Span
		want []string
	}{
		{"state, then changes", timeline.Span{From: minute(5), Prefixes: []netip.Prefix{prefix}},
			[]string{"1 6 192.0.2.1", "5 4 192.0.2.1 198.51.100.0/24 [64501 9 1]", "6 5 192.0.2.1"}},
		{"what was believed", timeline.Span{From: minute(5), Prefixes: []netip.Prefix{prefix}, Believed: minute(89)},
			[]string{"1 6 192.0.2.1", "1 4 192.0.2.1 198.51.100.0/24 [64501 1]", "6 5 192.0.2.1"}},
		{"the end belongs to it, the beginning to the state", timeline.Span{From: minute(3), To: minute(4)},
			[]string{"1 6 192.0.2.1", "3 4 192.0.2.1 198.51.0.0/16 [64501 2]", "1 4 192.0.2.1 198.51.100.0/24 [64501 1]",
				"2 4 192.0.2.2 198.51.100.0/24 [64502 1]", "4 2 192.0.2.2 198.51.100.0/24 []"}},
		{"from the beginning", timeline.Span{To: minute(1)}, []string{"1 6 192.0.2.1", "1 1 192.0.2.1 198.51.100.0/24 [64501 1]"}},
	} {
		if got := told(t, m, x.span); !slices.Equal(got, x.want) {
			t.Errorf("%s:\n got %q\nwant %q", x.name, got, x.want)
		}
	}
}

func TestBatchOnce(t *testing.T) {
	m := &Memory{}
	b := timeline.Batch{Changes: []timeline.Change{said(1, timeline.Announced, peerA, prefix, 1)}, Cursors: map[string]uint64{"routes": 7}, Kept: map[string][]byte{"x": {1}}}
	write(t, m, b)
	write(t, m, b)
	b.Cursors = map[string]uint64{"routes": 6}
	write(t, m, b)
	if got := told(t, m, timeline.Span{}); len(got) != 1 {
		t.Errorf("stored %q", got)
	}
	b.Cursors = map[string]uint64{"routes": 6, "events": 1}
	b.Kept = map[string][]byte{"x": {2}}
	write(t, m, b)
	if got, _ := m.Cursors(context.Background()); !reflect.DeepEqual(got, map[string]uint64{"routes": 7, "events": 1}) {
		t.Errorf("cursors %v", got)
	}
	if got, _ := m.Kept(context.Background(), "x"); !slices.Equal(got, []byte{2}) {
		t.Errorf("kept %v", got)
	}
	if err := m.Write(context.Background(), &timeline.Batch{}); err == nil {
		t.Error("a batch without a time of recording was stored")
	}
}

func TestScopes(t *testing.T) {
	m := &Memory{}
	set := bgp.Path{{Type: bgp.ASSequence, ASNs: []uint32{64501, 3}}, {Type: bgp.ASSet, ASNs: []uint32{5, 6}}}
	c := said(2, timeline.Announced, peerA, other)
	c.Path, c.Hosters = set, []string{"g"}
	write(t, m, timeline.Batch{Changes: []timeline.Change{said(1, timeline.Announced, peerA, prefix, 64501, 3, 1), c, said(3, timeline.Withdrawn, peerA, prefix)}})
	for _, x := range []struct {
		scope timeline.Scope
		want  []netip.Prefix
	}{
		{timeline.Scope{}, []netip.Prefix{other, prefix}},
		{timeline.Scope{Hoster: "h"}, []netip.Prefix{prefix}},
		{timeline.Scope{Origin: 1}, []netip.Prefix{prefix}},
		{timeline.Scope{Origin: 6}, nil},
		{timeline.Scope{Through: 6}, []netip.Prefix{other}},
		{timeline.Scope{Through: 3}, []netip.Prefix{other, prefix}},
		{timeline.Scope{Through: 3, Hoster: "g"}, []netip.Prefix{other}},
		{timeline.Scope{Prefix: prefix}, []netip.Prefix{prefix}},
		{timeline.Scope{Prefix: netip.MustParsePrefix("198.51.100.7/32")}, nil},
		{timeline.Scope{Prefix: netip.MustParsePrefix("198.51.100.7/32"), Covering: true}, []netip.Prefix{other, prefix}},
		{timeline.Scope{Prefix: other, Covered: true}, []netip.Prefix{other, prefix}},
		{timeline.Scope{Prefix: prefix, Covered: true}, []netip.Prefix{prefix}},
	} {
		infos, err := m.Prefixes(context.Background(), x.scope)
		if err != nil {
			t.Fatal(err)
		}
		var got []netip.Prefix
		for _, i := range infos {
			got = append(got, i.Prefix)
			if i.Prefix == prefix && (i.Changes != 2 || !i.First.Equal(minute(1)) || !i.Last.Equal(minute(3)) || !slices.Equal(i.Hosters, []string{"h"})) {
				t.Errorf("%+v", i)
			}
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%+v: got %v, want %v", x.scope, got, x.want)
		}
	}
}

func TestRecords(t *testing.T) {
	m := &Memory{}
	rec := func(kind timeline.RecordKind, id string, revision, at, until int) timeline.Record {
		r := timeline.Record{Kind: kind, ID: id, Revision: revision, At: minute(at), Hoster: "h", Word: "w" + id, Prefixes: []netip.Prefix{prefix}, Body: json.RawMessage(`{}`)}
		if until > 0 {
			r.Until = minute(until)
		}
		return r
	}
	write(t, m, timeline.Batch{Records: []timeline.Record{rec(timeline.Event, "a", 0, 5, 0), rec(timeline.Gap, "b", 1, 1, 0), rec(timeline.Event, "c", 0, 5, 0)}})
	write(t, m, timeline.Batch{Recorded: minute(90), Records: []timeline.Record{rec(timeline.Gap, "b", 2, 1, 3), rec(timeline.Event, "a", 0, 5, 0), rec(timeline.Event, "d", 0, 2, 0)}})
	for _, x := range []struct {
		name string
		q    timeline.RecordQuery
		want string
	}{
		{"all, written twice once", timeline.RecordQuery{}, "b1 b2 d0 a0 c0"},
		{"newest", timeline.RecordQuery{Newest: true}, "c0 a0 d0 b2 b1"},
		{"latest", timeline.RecordQuery{Latest: true}, "b2 d0 a0 c0"},
		{"latest that was believed", timeline.RecordQuery{Latest: true, Believed: minute(60)}, "b1 a0 c0"},
		{"a gap that is closed does not touch what follows", timeline.RecordQuery{Latest: true, From: minute(4)}, "a0 c0"},
		{"it was open", timeline.RecordQuery{Latest: true, From: minute(4), Believed: minute(60)}, "b1 a0 c0"},
		{"what lasts touches", timeline.RecordQuery{Latest: true, From: minute(2), To: minute(4)}, "b2 d0"},
		{"kinds", timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Gap}}, "b1 b2"},
		{"words", timeline.RecordQuery{Words: []string{"wa", "wd"}}, "d0 a0"},
		{"prefix", timeline.RecordQuery{Prefix: netip.MustParsePrefix("198.51.100.128/25"), IDs: []string{"a"}}, "a0"},
		{"another prefix", timeline.RecordQuery{Prefix: netip.MustParsePrefix("203.0.113.0/24")}, ""},
	} {
		for _, limit := range []int{0, 1, 2} {
			q, got := x.q, ""
			q.Limit = limit
			for {
				list, next, err := m.Records(context.Background(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range list {
					got += fmt.Sprintf(" %s%d", r.ID, r.Revision)
				}
				if q.After = next; next == "" {
					break
				}
			}
			if want := x.want; got != "" && got[1:] != want || got == "" && want != "" {
				t.Errorf("%s, by %d: got%s, want %s", x.name, limit, got, want)
			}
		}
	}
	if _, _, err := m.Records(context.Background(), timeline.RecordQuery{After: "nonsense"}); err == nil {
		t.Error("a cursor that is none was taken")
	}
}

func TestRetentionChangesNoLaterAnswer(t *testing.T) {
	m := &Memory{}
	write(t, m, timeline.Batch{Changes: []timeline.Change{said(1, timeline.Announced, peerA, prefix, 64501, 1), said(2, timeline.Announced, peerA, prefix, 64501, 2),
		said(3, timeline.Withdrawn, peerB, prefix), said(30, timeline.Withdrawn, peerA, prefix)}})
	before := told(t, m, timeline.Span{From: minute(20)})
	done, err := m.Maintain(context.Background(), minute(40), timeline.Retention{Changes: 20 * time.Minute})
	if err != nil || done.Dropped != 2 {
		t.Errorf("%+v, %v", done, err)
	}
	if got := told(t, m, timeline.Span{From: minute(20)}); !slices.Equal(got, before) {
		t.Errorf("got %q, was %q", got, before)
	}
}

func TestClosed(t *testing.T) {
	m := &Memory{}
	_ = m.Close()
	if _, err := m.Cursors(context.Background()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (&Memory{}).Cursors(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
