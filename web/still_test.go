package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"depeer/watch/timeline"
	"depeer/web"
)

// stillDeps answers by whom hosters are still routed, and counts how often it had to.
type stillDeps struct {
	calls atomic.Int32
	clock atomic.Int64  // of the world, Unix seconds
	begun chan struct{} // closed at the first question
	gate  chan struct{} // nil: open
	fail  atomic.Bool
}

func (d *stillDeps) still(ctx context.Context, at, _ time.Time) ([]timeline.Still, error) {
	if d.calls.Add(1) == 1 {
		close(d.begun)
	}
	if d.gate != nil {
		select {
		case <-d.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if d.fail.Load() {
		return nil, errors.New("the disk is gone")
	}
	return []timeline.Still{{Hoster: "mccolo", Name: strings.Repeat("McColo ", 300), At: at, By: []timeline.StillBy{}}}, nil
}

func (d *stillDeps) start(t *testing.T) *caller {
	deps := newWorld(t).deps()
	d.begun = make(chan struct{})
	d.clock.Store(1_226_361_600) // 2008-11-11
	deps.Still, deps.Now = d.still, func() time.Time { return time.Unix(d.clock.Load(), 0) }
	return newCaller(t, start(t, web.Config{}, deps))
}

// Many who ask at one moment share one answer, which is made once.
func TestStillIsShared(t *testing.T) {
	d := &stillDeps{gate: make(chan struct{})}
	c := d.start(t)
	const many = 40
	var all sync.WaitGroup
	answers := make([]answered, many)
	for i := range many {
		all.Go(func() { answers[i] = c.get("/api/v1/still") })
	}
	<-d.begun
	close(d.gate)
	all.Wait()
	for i, a := range answers {
		if a.status != http.StatusOK || a.body != answers[0].body || a.header.Get("ETag") == "" || a.header.Get("ETag") != answers[0].header.Get("ETag") {
			t.Fatalf("%d: %d %v %s", i, a.status, a.header, a.body)
		}
	}
	if n := d.calls.Load(); n != 1 {
		t.Errorf("made %d times", n)
	}
	if a := c.ask(http.MethodGet, "/api/v1/still", nil, "If-None-Match", answers[0].header.Get("ETag")); a.status != http.StatusNotModified {
		t.Errorf("who has it already: %d", a.status)
	}
	a := c.ask(http.MethodGet, "/api/v1/still", nil, "Accept-Encoding", "gzip")
	if a.header.Get("Content-Encoding") != "gzip" || len(a.body) >= len(answers[0].body) {
		t.Errorf("packed: %v, %d octets", a.header, len(a.body))
	}
}

// Every answer says of which moment it is; one that is too old, or of the future of a story that was wound back, is not given.
func TestStillGrowsOld(t *testing.T) {
	d := &stillDeps{}
	c := d.start(t)
	asked := func(path string, at int64) {
		t.Helper()
		if a := c.get(path); a.status != http.StatusOK || !strings.Contains(a.body, time.Unix(at, 0).UTC().Format(time.RFC3339)) {
			t.Errorf("%s: %d %s, wanted %s", path, a.status, a.body, time.Unix(at, 0).UTC())
		}
	}
	begin := d.clock.Load()
	asked("/api/v1/still", begin)
	asked("/api/v1/still", begin)
	d.clock.Store(begin + 3600)
	asked("/api/v1/still", begin+3600)
	d.clock.Store(begin + 60)
	asked("/api/v1/still", begin+60)
	if n := d.calls.Load(); n != 3 {
		t.Errorf("made %d times", n)
	}
	// A moment that is named is not now.
	asked("/api/v1/still?at=2008-11-10T00:00:00Z", begin-24*3600)
	if n := d.calls.Load(); n != 4 {
		t.Errorf("made %d times", n)
	}
}

// What went wrong is told, and not kept.
func TestStillFails(t *testing.T) {
	d := &stillDeps{}
	c := d.start(t)
	d.fail.Store(true)
	for range 2 {
		if a := c.get("/api/v1/still"); a.status != http.StatusInternalServerError || !strings.Contains(a.body, "the disk is gone") {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	d.fail.Store(false)
	if a := c.get("/api/v1/still"); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	if n := d.calls.Load(); n != 3 {
		t.Errorf("made %d times", n)
	}
}

// A server that ends does not wait for an answer that takes its time.
func TestStillEnds(t *testing.T) {
	d := &stillDeps{gate: make(chan struct{})}
	c := d.start(t) // the end of the test ends it
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/api/v1/still", nil)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if resp, err := c.client.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-d.begun
	cancel() // who asked went; the answer is still being made
	<-gone
}
