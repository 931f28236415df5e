package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bus"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/postgres"
	"depeer/watch/timeline/postgres/postgrestest"
	"depeer/watch/timeline/sqlite"
	"depeer/watch/timeline/timelinetest"
)

// stored is everything in a store but the times of recording, in an order that does not
// depend on them.
func stored(t *testing.T, r timeline.Reader) (out []string) {
	t.Helper()
	ctx := context.Background()
	err := r.Changes(ctx, timeline.Span{}, func(c *timeline.Change) error {
		out = append(out, fmt.Sprintf("%s %d %s %s %d %s %s", c.At.UTC().Format(time.RFC3339Nano), c.What, c.Peer, c.Prefix, c.PathID, c.Path, c.Cause))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	records, _, err := r.Records(ctx, timeline.RecordQuery{})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(records, func(a, b timeline.Record) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID), a.Revision-b.Revision)
	})
	for _, x := range records {
		out = append(out, fmt.Sprintf("%s %s %d %s %s %s", x.Kind, x.ID, x.Revision, x.At, x.Word, x.Body))
	}
	return out
}

// readInto reads the whole log of a depeer that has ended into a store, up to its end.
func readInto(t *testing.T, dir string, hosters []watch.Hoster, store timeline.Store) {
	t.Helper()
	cfg := bus.DefaultConfig()
	cfg.Embedded.Dir = dir
	b, err := bus.Open(t.Context(), cfg, bus.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	m, err := newMemory(t.Context(), b, slog.New(slog.NewTextHandler(io.Discard, nil)), store, newRoll(hosters), watch.DefaultPolicy(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	ends := map[string]uint64{}
	for _, s := range []bus.Stream{bus.Routes, bus.Events, bus.Incidents, bus.Gaps, bus.Sightings, bus.Deliveries} {
		where, err := b.Position(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		if where.Last >= where.First {
			ends[cursorOf(s, where.Made)] = where.Last
		}
	}
	done := make(chan error, 1)
	go func() { done <- m.run(ctx) }()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for ; ctx.Err() == nil; <-ticker.C {
		have, err := store.Cursors(ctx)
		if err != nil {
			t.Fatal(err)
		}
		behind := false
		for name, n := range ends {
			behind = behind || have[name] < n
		}
		if !behind {
			break
		}
	}
	if ctx.Err() != nil {
		t.Fatal("the log was not read to its end")
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// What a depeer remembers that was killed again and again is what one remembers that reads
// the same log undisturbed: nothing is lost, and nothing doubled.
func TestRunRemembersThroughKills(t *testing.T) {
	t.Parallel()
	r := newBare(t)
	path := filepath.Join(r.dir, "timeline.db")
	r.sources = r.speaker(3)
	r.more = fmt.Sprintf("timeline: {sqlite: {path: %q}, maintain: 1s}", path)
	r.configure(r.text())
	r.start()
	held := []netip.Prefix{mccolo1, mccolo2}
	for round := range 4 {
		for i := 1; i <= 3; i++ {
			s := r.connect(i, []uint32{6939, 3549}[i%2], held...)
			if round%2 == 1 {
				if err := s.Withdraw(mccolo2); err != nil {
					t.Fatal(err)
				}
				if err := s.Announce(bgp.PathOf(uint32(64600+i), 1299, 26780), mccolo1); err != nil {
					t.Fatal(err)
				}
			}
		}
		r.await("all is heard", func() bool {
			h := r.hoster()
			return h.Eligible == 3 && (round%2 == 0) == (h.Withdrawn == 0) && h.Prefixes == 2
		})
		r.judged(time.Duration(round+1) * 700 * time.Millisecond)
		r.kill()
		r.start()
	}
	r.stop()

	hosters := []watch.Hoster{{ID: "mccolo", Name: "McColo Corp.", ASNs: []uint32{26780}}}
	calm := &timelinetest.Memory{}
	readInto(t, filepath.Join(r.dir, "bus"), hosters, calm)
	wild, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer wild.Close()
	readInto(t, filepath.Join(r.dir, "bus"), hosters, wild) // what its last second told
	want, have := stored(t, calm), stored(t, wild)
	if len(want) < 20 {
		t.Fatalf("only %d things were remembered:\n%s", len(want), strings.Join(want, "\n"))
	}
	if !slices.Equal(want, have) {
		for _, x := range want {
			if !slices.Contains(have, x) {
				t.Errorf("lost: %s", x)
			}
		}
		for i, x := range have {
			if !slices.Contains(want, x) || i > 0 && have[i-1] == x {
				t.Errorf("too much: %s", x)
			}
		}
	}
	p, err := wild.Prefixes(t.Context(), timeline.Scope{Hoster: "mccolo"})
	if err != nil || len(p) != 2 {
		t.Errorf("prefixes of the hoster: %+v, %v", p, err)
	}
}

// A server that is away holds up nobody but the memory, which says so, and catches up.
func TestRunRemembersOnAServer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, err := postgrestest.Start(ctx)
	if errors.Is(err, postgrestest.ErrMissing) && os.Getenv("DEPEER_INTEROP") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	dsn, err := server.Schema(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := newBare(t)
	r.sources = r.speaker(2)
	late := filepath.Join(r.dir, "dsn")
	if err := os.WriteFile(late, []byte("postgres://depeer@/postgres?host="+r.dir+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.more = fmt.Sprintf("timeline: {postgres: {dsn: %q}, maintain: 1s}", "file:"+late)
	r.configure(r.text())
	r.start()
	for i := 1; i <= 2; i++ {
		r.connect(i, 6939, mccolo1, mccolo2)
	}
	r.await("all is heard, and that nothing is remembered is said", func() bool {
		h, s := r.hoster(), r.status()
		return h.Eligible == 2 && h.Visibility == 1 && !s.Ready && strings.Contains(strings.Join(s.Reasons, "\n"), "the timeline cannot be written")
	})
	r.judged(2 * time.Second)
	r.stop()

	if err := os.WriteFile(late, []byte(dsn), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	for i := 1; i <= 2; i++ {
		r.connect(i, 6939, mccolo1)
	}
	r.events(untilKind(watch.RouteWithdrawn))
	store, err := postgres.Open(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var words []string
	r.await("what was heard before the server answered is remembered too", func() bool {
		records, _, err := store.Records(ctx, timeline.RecordQuery{Hosters: []string{"mccolo"}, Kinds: []timeline.RecordKind{timeline.Event}})
		if err != nil {
			t.Fatal(err)
		}
		words = nil
		for _, x := range records {
			words = append(words, x.Word)
		}
		return slices.Contains(words, string(watch.RouteWithdrawn))
	})
	r.stop()
	routes := map[timeline.What]int{}
	err = store.Changes(ctx, timeline.Span{}, func(c *timeline.Change) error {
		routes[c.What]++
		return nil
	})
	if err != nil || routes[timeline.Announced]+routes[timeline.Known] < 4 || routes[timeline.Missing]+routes[timeline.Withdrawn] < 2 || routes[timeline.Left] < 2 {
		t.Errorf("%v changes, %v", routes, err)
	}
}

// Every stream is remembered, with what it can be looked up by.
func TestEveryStreamIsRemembered(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "bus")
	cfg := bus.DefaultConfig()
	cfg.Embedded.Dir = dir
	b, err := bus.Open(t.Context(), cfg, bus.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2008, 11, 15, 12, 0, 0, 0, time.UTC)
	hoster, incident := "mccolo", "i1"
	if err := errors.Join(
		b.PublishEvent(t.Context(), watch.Event{Type: "event", ID: "e1", Kind: watch.UpstreamLost, At: at, FirstSeen: at, Hoster: &hoster, Upstream: 6939, Incident: &incident, Severity: watch.Critical}),
		b.PublishIncident(t.Context(), watch.Incident{Type: "incident", ID: "i1", Revision: 2, Hoster: hoster, At: at, Opened: at, Class: watch.Blackout}),
		b.PublishGap(t.Context(), watch.Gap{Type: "gap", ID: "g1", Revision: 1, Collector: "rrc00", Reason: "silent", From: at}),
		b.PublishSighting(t.Context(), "sensor", "s1", at, []byte(`{"type":"sighting","id":"s1","source":"sensor","at":"2008-11-15T12:00:00Z","family":"rustock","kind":"cnc","addr":"208.72.169.3","place":{"prefix":"208.72.168.0/21","origins":[26780],"hoster":"mccolo","from":"timeline","at":"2008-11-15T12:00:00Z"}}`)),
		b.PublishSighting(t.Context(), "sensor", "raw", at, []byte(`{"addr":"208.72.169.4"}`)),
		b.PublishDelivery(t.Context(), "noc", "d1", "i1", at, []byte(`{"type":"delivery","id":"d1","at":"2008-11-15T12:00:00Z","receiver":"noc","outcome":"sent","incident":"i1","hoster":"mccolo"}`)),
		b.Flush(t.Context()), b.Close(),
	); err != nil {
		t.Fatal(err)
	}
	store := &timelinetest.Memory{}
	readInto(t, dir, nil, store)
	records, _, err := store.Records(t.Context(), timeline.RecordQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range records {
		got = append(got, fmt.Sprintf("%s %s %d %s %s %s %d %d %s %v", x.Kind, x.ID, x.Revision, x.Hoster, x.Word, x.Incident, x.Upstream, x.ASN, x.Collector, x.Prefixes))
	}
	slices.Sort(got)
	want := []string{
		"delivery d1 0 mccolo noc i1 0 0  []",
		"event e1 0 mccolo upstream.lost i1 6939 0  []",
		"gap g1 1  silent  0 0 rrc00 []",
		"incident i1 2 mccolo blackout i1 0 0  []",
		"sighting s1 0 mccolo rustock  0 26780  [208.72.169.3/32]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("remembered\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What left the watchlist is forgotten, and a prefix that has another hoster stays.
func TestRollGivesWhatIsNobodysAnyMore(t *testing.T) {
	a, b := watch.Hoster{ID: "a", ASNs: []uint32{64500}}, watch.Hoster{ID: "b", ASNs: []uint32{64501}}
	r := newRoll([]watch.Hoster{a, b})
	say := func(q netip.Prefix, path ...uint32) {
		r.of(&bgp.Update{Kind: bgp.Announce, Prefix: q, Path: bgp.PathOf(path...)})
	}
	say(mccolo1, 64601, 64500)
	say(mccolo2, 64601, 64501, 64500)
	if got := r.replace([]watch.Hoster{b}); !slices.Equal(got, []netip.Prefix{mccolo1}) {
		t.Errorf("dropped %v, want %v", got, mccolo1)
	}
}
