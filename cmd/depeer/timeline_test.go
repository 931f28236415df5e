package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"depeer/bus"
	"depeer/watch"
	"depeer/watch/timeline"
)

// By whom they are still routed, as a person reads it.
func TestStillRoutedOnTheBoard(t *testing.T) {
	reported, sighted := night.Add(-27*24*time.Hour), night.Add(-10*24*time.Hour)
	var b bytes.Buffer
	writeStill(&b, []timeline.Still{
		{Name: "McColo Corp.", Routed: true, Reported: &reported, ReportedBy: "given", Days: 27,
			By: []timeline.StillBy{{ASN: 6939, Family: 4, Share: 0.62, Peers: 25}, {ASN: 3549, Family: 4, Share: 0.38, Peers: 15}, {ASN: 701, Family: 4, Share: 0.01, Peers: 1}}},
		{Name: "InterCage", Reported: &sighted, ReportedBy: "sighting", Days: 10},
		{Name: "One peer", Routed: true, By: []timeline.StillBy{{ASN: 64500, Family: 6, Share: 1, Peers: 1}}},
		{Name: "Unheard of"},
	}, 2)
	const want = `
Still routed
  McColo Corp.  by AS6939 62 %, AS3549 38 %  27 days since first reported (2008-10-15)
  InterCage     no more, as far as is heard  10 days since its first C&C server was seen (2008-11-01)
  One peer      by AS64500 100 % (IPv6)      nothing was reported of it
`
	if b.String() != want {
		t.Errorf("have\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if writeStill(&b, nil, 2); b.Len() > 0 {
		t.Errorf("without a memory: %q", b.String())
	}
}

// When hardly anybody saw it: from the first step at or below, to the first one above.
func TestLows(t *testing.T) {
	at := func(m int, v float64, eligible int) timeline.Point {
		return timeline.Point{At: night.Add(time.Duration(m) * time.Minute), Value: v, Eligible: eligible}
	}
	l := &timeline.Lane{Points: []timeline.Point{at(0, 1, 40), at(5, 0.1, 40), at(6, 0, 40), at(9, 0.5, 40), at(20, 0, 0), at(30, 0.05, 40)}}
	got := lows(l, night.Add(time.Hour), 0.1)
	if len(got) != 2 || got[0].open || got[0].least != 0 || got[0].to.Sub(got[0].from) != 4*time.Minute || !got[1].open || got[1].least != 0.05 {
		t.Errorf("%+v", got)
	}
	var many []timeline.Point
	for i := range 50 {
		many = append(many, at(10*i, 1, 40), at(10*i+i%7+1, 0, 40))
	}
	if got := lows(&timeline.Lane{Points: many}, night, 0.1); len(got) != mostLows || got[0].from.After(got[1].from) {
		t.Errorf("%d of them, %+v", len(got), got)
	}
}

// buffer may be read while a command writes it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// What the running depeer finds is told as it comes, to whoever follows.
func TestFollow(t *testing.T) {
	t.Parallel()
	r := newBare(t)
	r.sources = r.speaker(1)
	r.configure(r.text())
	r.start()
	ctx, stop := context.WithCancel(t.Context())
	var events, incidents buffer
	var all sync.WaitGroup
	config := filepath.Join(r.dir, "depeer.yaml")
	follow := func(out *buffer, what string, more ...string) {
		all.Go(func() {
			var errOut bytes.Buffer
			args := append([]string{what, "--config", config, "--follow"}, more...)
			if code := run(ctx, args, strings.NewReader(""), out, &errOut); code != exitDone && ctx.Err() == nil {
				t.Errorf("%s: exit %d: %s", what, code, errOut.String())
			}
		})
	}
	follow(&events, "events", "--kind", "route.*", "--hoster", "mccolo", "--json")
	follow(&incidents, "incidents", "--class", "blackout")
	cfg := bus.DefaultConfig()
	cfg.URLs = []string{"nats://" + r.nats}
	b, err := bus.Open(ctx, cfg, bus.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	hoster, n := "mccolo", 0
	r.await("both are told", func() bool { // what was published before they listen is not theirs
		n++
		for _, kind := range []watch.EventKind{watch.UpstreamLost, watch.RouteWithdrawn} {
			e := watch.Event{Type: "event", ID: fmt.Sprint(kind, n), Kind: kind, At: night, FirstSeen: night, Hoster: &hoster, Prefix: &mccolo1, Severity: watch.Critical}
			if err := b.PublishEvent(ctx, e); err != nil {
				t.Fatal(err)
			}
		}
		for _, class := range []watch.Class{watch.Rewired, watch.Blackout} {
			i := watch.Incident{Type: "incident", ID: string(class), Revision: n, At: night, Opened: night, Hoster: hoster, Class: class, Phase: watch.Open, Severity: watch.Critical, Summary: "it is dark"}
			if err := b.PublishIncident(ctx, i); err != nil {
				t.Fatal(err)
			}
		}
		return strings.Contains(events.String(), "\n") && strings.Contains(incidents.String(), "\n")
	})
	stop()
	all.Wait()
	line, _, _ := strings.Cut(events.String(), "\n")
	var e watch.Event
	if err := json.Unmarshal([]byte(line), &e); err != nil || e.Kind != watch.RouteWithdrawn || strings.Contains(events.String(), string(watch.UpstreamLost)) {
		t.Errorf("%+v, %v\n%s", e, err, events.String())
	}
	if got := incidents.String(); !strings.Contains(got, "blackout, open  it is dark") || strings.Contains(got, "rewired") {
		t.Error(got)
	}
	r.stopped()
}
