package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"depeer/watch"
)

// TestRealDay replays a recorded day of route-views2, updates only, and compares
// every event but those about single prefixes with what was counted from the
// records. Those are compared with the records in TestRealDayPrefixes.
func TestRealDay(t *testing.T) {
	day := realDay(t)
	truth, hosters, err := readTruth("testdata/truth/2008-02-23.txt")
	if err != nil || hosters != nil {
		t.Fatal(err)
	}
	r, got, out := replayed(t, day)
	events := slices.DeleteFunc(slices.Clone(got.events), func(e watch.Event) bool { return e.Kind == watch.RouteWithdrawn })
	s := truth.compare(events, r.incidents)
	for _, f := range s.Faults {
		t.Error(f)
	}
	for _, i := range r.incidents {
		if i.Hoster == "mccolo" || i.Hoster == "intercage" {
			t.Errorf("incident about %s: %s", i.Hoster, i.Summary)
		}
	}
	if _, _, again := replayed(t, day); !bytes.Equal(out, again) {
		t.Error("the same input gave different bytes")
	}
}

// realDay finds the archives of the day.
func realDay(t *testing.T) []string {
	t.Helper()
	day, err := filepath.Glob(filepath.Join(scanTestData(t, "routeviews2-2008-02"), "updates.20080223.*.bz2"))
	if err != nil || len(day) == 0 {
		t.Skip("the recorded day 2008-02-23 is not among the data")
	}
	return day
}

// TestRealDayPrefixes compares each event about a single prefix with the lines that
// scan prints of that prefix: who held it at the end of that second.
func TestRealDayPrefixes(t *testing.T) {
	day := realDay(t)
	_, got, _ := replayed(t, day)
	args := append([]string{"--exact"}, day...)
	var events []watch.Event
	for _, e := range got.events {
		if e.Kind == watch.RouteWithdrawn || e.Kind == watch.RouteRestored {
			events = append(events, e)
			args = append(args, "--prefix", e.Prefix.String())
		}
	}
	if len(events) < 20 {
		t.Fatalf("%d events about prefixes: the day has more", len(events))
	}
	_, out, _ := runScan(t, args...)
	holders, ever := map[string]map[string]bool{}, map[string]map[string]bool{}
	usual := map[string]float64{} // peers that held it before, as the event says
	next := 0
	check := func(until int64) {
		for ; next < len(events) && events[next].At.Unix() < until; next++ {
			e := &events[next]
			q := e.Prefix.String()
			n, of := len(holders[q]), len(ever[q])
			if e.Kind == watch.RouteWithdrawn {
				usual[q] = e.Before * float64(e.Eligible)
			}
			withdrawn, back := float64(n) <= 0.10*usual[q]+0.01, float64(n) >= 0.50*usual[q]-0.01
			if e.Kind == watch.RouteWithdrawn && (!withdrawn || usual[q] > float64(of)+0.01) || e.Kind == watch.RouteRestored && !back {
				t.Errorf("%s: in the records %d of %d peers hold it", line(e), n, of)
			}
			if said := e.After * float64(e.Eligible); math.Abs(said-float64(n)) > 0.01 {
				t.Errorf("%s: %.1f peers are said to hold it, in the records %d do", line(e), said, n)
			}
		}
	}
	for l := range strings.Lines(out) {
		w := strings.Split(strings.TrimSpace(l), "|")
		sec, err := strconv.ParseInt(w[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		check(sec)
		peer, q := w[3], w[5]
		if holders[q] == nil {
			holders[q], ever[q] = map[string]bool{}, map[string]bool{}
		}
		if w[2] == "A" {
			holders[q][peer], ever[q][peer] = true, true
		} else {
			delete(holders[q], peer)
		}
	}
	check(1 << 62)
}

// replayed replays recordings with the watchlist of that day, and gives what
// --json prints too.
func replayed(t *testing.T, files []string) (*replayer, *eventSink, []byte) {
	t.Helper()
	cfg, err := LoadConfig("../../configs/2008-02-23.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := newReplayer(cfg)
	got := &eventSink{}
	var out bytes.Buffer
	r.sinks = append(r.sinks, got, &jsonSink{enc: json.NewEncoder(&out)})
	if err := r.run(context.Background(), files, nil, time.Time{}, time.Time{}, &progress{}); err != nil {
		t.Fatal(err)
	}
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	return r, got, out.Bytes()
}
