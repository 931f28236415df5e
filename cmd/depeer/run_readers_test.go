package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"depeer/bgp/bgptest"
	"depeer/bus"
	"depeer/web"
)

// Whoever reads the stream and asks, however many they are, changes nothing of what is found; and
// each of them is told everything once, in order, while a recording is judged as fast as can be.
func TestRunReadersChangeNothing(t *testing.T) {
	t.Parallel()
	s, err := bgptest.Parse("readers", strings.Replace(interleavedWorld, "churn 10 per minute", "churn 60 per minute", 1))
	if err != nil {
		t.Fatal(err)
	}
	recorded := t.TempDir()
	if _, err := s.WriteDir(recorded); err != nil {
		t.Fatal(err)
	}
	start := func() *running {
		r := newBare(t)
		_, r.hosters, _ = strings.Cut(interleavedConfig, "hosters:\n")
		r.sources = fmt.Sprintf("  - {type: mrt, path: %s}", recorded)
		r.more = "timeline: {sqlite: {path: " + filepath.Join(r.dir, "timeline.db") + "}}"
		r.configure(r.text())
		return r.start()
	}
	// The last minutes may be judged or not: nothing comes after them.
	end := s.End().Add(-5 * time.Minute)
	judged := func(r *running) {
		r.await("the recording is judged", func() bool { return !r.status().Judged.Before(end) })
	}
	alone := start()
	judged(alone)
	want := foundBefore(alone, end)
	alone.stop()
	if len(want) < 10 {
		t.Fatalf("only %d events: nothing to compare", len(want))
	}

	r := start()
	readers := 40
	if raceEnabled {
		readers = 10
	}
	crowd := r.crowd(readers)
	judged(r)
	if got := foundBefore(r, end); !slices.Equal(got, want) {
		t.Errorf("with readers\n%s\nwithout\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	crowd.leave(r.ends())
	r.stop()
}

// foundBefore gives the events of hosters up to a moment.
func foundBefore(r *running, end time.Time) (out []string) {
	for _, e := range r.events(nil) {
		if e.Hoster != nil && e.At.Before(end) {
			body, err := json.Marshal(&e)
			if err != nil {
				r.t.Fatal(err)
			}
			out = append(out, string(body))
		}
	}
	return out
}

// ends gives how many messages the streams of events and incidents hold.
func (r *running) ends() web.Position {
	r.t.Helper()
	cfg := bus.DefaultConfig()
	cfg.URLs = []string{"nats://" + r.nats}
	b, err := bus.Open(r.t.Context(), cfg, bus.Deps{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer b.Close()
	out := web.Position{}
	for kind, stream := range map[string]bus.Stream{"event": bus.Events, "incident": bus.Incidents} {
		where, err := b.Position(r.t.Context(), stream)
		if err != nil {
			r.t.Fatal(err)
		}
		out[kind] = where.Last
	}
	return out
}

// crowd is many who read and ask.
type crowd struct {
	r    *running
	stop context.CancelFunc
	all  sync.WaitGroup
	want atomic.Pointer[web.Position] // up to here they read
	done sync.WaitGroup               // the readers
}

func (r *running) crowd(readers int) *crowd {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	c := &crowd{r: r, stop: cancel}
	for range readers {
		c.done.Add(1)
		c.all.Go(func() { c.read(ctx) })
	}
	for _, path := range []string{"/api/v1/status", "/api/v1/still", "/api/v1/hosters/example/timeline", "/api/v1/incidents?phase=open,recovering"} {
		c.all.Go(func() {
			answered := false // before the memory is there it says so, with 503; then never again
			for ctx.Err() == nil {
				code, body := r.get(path)
				if code == http.StatusOK {
					answered = true
				}
				if code >= 500 && (answered || code != http.StatusServiceUnavailable) {
					r.t.Errorf("%s: %d %s", path, code, body)
				}
			}
		})
	}
	return c
}

// leave waits until every reader has been told everything up to the ends, and sends all away.
func (c *crowd) leave(ends web.Position) {
	c.want.Store(&ends)
	c.done.Wait()
	c.stop()
	c.all.Wait()
}

// read is one reader: from the first entry on, whenever it comes.
func (c *crowd) read(ctx context.Context) {
	var once sync.Once
	defer once.Do(c.done.Done)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.r.web+"/api/v1/stream?after=event.0-gap.0-incident.0", nil)
	if err != nil {
		c.r.t.Error(err)
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.r.t.Error(err)
		return
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	kind, have := "", web.Position{}
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "event":
			kind = value
			if kind == "cut" || kind == "reset" {
				c.r.t.Errorf("a reader was told: %s", kind)
				return
			}
		case name == "id" && kind != "hello":
			at, err := web.ParsePosition(value)
			if err != nil || at[kind] != have[kind]+1 {
				c.r.t.Errorf("%s %s after %s: %v", kind, value, have, err)
				return
			}
			have[kind]++
		}
		if w := c.want.Load(); w != nil && have["event"] >= (*w)["event"] && have["incident"] >= (*w)["incident"] {
			return
		}
	}
	if ctx.Err() == nil {
		c.r.t.Errorf("the stream ended at %s: %v", have, lines.Err())
		return
	}
	c.r.t.Errorf("a reader was told %s, and no more", have)
}
