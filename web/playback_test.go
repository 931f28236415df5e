package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"depeer/watch"
	"depeer/web"
	"depeer/web/access"
)

// tape is a story that stands still, and remembers what was wished.
type tape struct {
	mu     sync.Mutex
	state  web.Playing // guarded by mu
	wishes []web.Wish  // guarded by mu
}

func newTape() *tape {
	return &tape{state: web.Playing{Title: "McColo", Note: "a reconstruction", From: noon, To: at(600), Now: at(60), Speed: 3600, Speeds: []float64{1800, 3600},
		Chapters:  []web.Chapter{{At: at(30), Title: "cut", Text: "AS6939 dropped it", Source: "a newspaper"}},
		Headlines: []web.Headline{{At: at(31), Kind: "incident", Word: "depeered", Severity: watch.Critical, Text: "AS6939 dropped McColo", Incident: "i1", Hoster: "mccolo"}}}}
}

func (p *tape) Playing() web.Playing {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *tape) Play(w web.Wish) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.To != nil && w.To.Before(p.state.Now) {
		return fmt.Errorf("to: the story only goes on: %w", web.ErrRefused)
	}
	p.wishes = append(p.wishes, w)
	if w.Paused != nil {
		p.state.Paused = *w.Paused
	}
	if w.Speed != nil {
		p.state.Speed = *w.Speed
	}
	if w.To != nil {
		p.state.Now = *w.To
	}
	return nil
}

func TestPlayback(t *testing.T) {
	w := newWorld(t)
	deps := w.deps()
	c := newCaller(t, start(t, web.Config{}, deps))
	var p web.Playing
	read := func(a answered, status int) {
		t.Helper()
		if a.status != status {
			t.Fatalf("%d, want %d: %s", a.status, status, a.body)
		}
		if err := json.Unmarshal([]byte(a.body), &p); err != nil {
			t.Fatal(err)
		}
	}
	read(c.get("/api/v1/playback"), http.StatusOK)
	if p.Title != "McColo" || p.Paused || !p.Now.Equal(at(60)) || len(p.Chapters) != 1 || len(p.Headlines) != 1 {
		t.Errorf("%+v", p)
	}
	read(post(t, c, "/api/v1/playback", `{"paused":true}`, http.StatusOK), http.StatusOK)
	if !p.Paused || p.Speed != 3600 {
		t.Errorf("paused: %+v", p)
	}
	read(post(t, c, "/api/v1/playback", `{"speed":1800,"to":"2008-11-11T14:00:00Z"}`, http.StatusOK), http.StatusOK)
	if !p.Paused || p.Speed != 1800 || !p.Now.Equal(at(120)) {
		t.Errorf("slower, and on: %+v", p)
	}
	post(t, c, "/api/v1/playback", `{"to":"2008-11-11T12:00:00Z"}`, http.StatusBadRequest)
	for _, wrong := range []string{`{"speed":-1}`, `{"speed":1e9}`, `{"paused":"yes"}`, `{"faster":true}`, `{"to":"yesterday"}`} {
		if a := c.ask(http.MethodPost, "/api/v1/playback", strings.NewReader(wrong), "Content-Type", "application/json"); a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", wrong, a.status, a.body)
		}
	}
	if n := len(w.tape.wishes); n != 2 {
		t.Errorf("%d wishes were heard: %+v", n, w.tape.wishes)
	}
}

// A depeer that watches plays nothing, and says so; its board has no playback.
func TestNothingIsPlayed(t *testing.T) {
	w := newWorld(t)
	deps := w.deps()
	deps.Playback = nil
	c := newCaller(t, start(t, web.Config{}, deps))
	if a := c.get("/api/v1/playback"); a.status != http.StatusNotImplemented || !strings.Contains(a.body, "depeer demo") {
		t.Errorf("%d %s", a.status, a.body)
	}
	post(t, c, "/api/v1/playback", `{"paused":true}`, http.StatusNotImplemented)
	if a := c.get("/api/v1/status"); a.status != http.StatusOK || strings.Contains(a.body, "playback") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Who may only look may not stop the story for others.
func TestWhoMayPlay(t *testing.T) {
	w := newWorld(t)
	d, _ := document(t, newCaller(t, start(t, web.Config{}, w.deps())))
	if s := d.Paths["/api/v1/playback"]["post"].Scope; s != string(access.Operator) {
		t.Errorf("scope %q", s)
	}
	if s := d.Paths["/api/v1/playback"]["get"].Scope; s != string(access.Viewer) {
		t.Errorf("scope %q", s)
	}
}

// What is asked without a time is asked at the time of the world that is watched.
func TestTimeOfTheWorld(t *testing.T) {
	w := newWorld(t)
	deps := w.deps()
	now := at(40)
	deps.Now = func() time.Time { return now }
	c := newCaller(t, start(t, web.Config{}, deps))
	a := c.get("/api/v1/still")
	if a.status != http.StatusOK || !strings.Contains(a.body, at(40).Format(time.RFC3339)) {
		t.Errorf("still: %d %s", a.status, a.body)
	}
	post(t, c, "/api/v1/silences", `{"match":{"upstreams":[6939]},"until":"2008-11-11T12:30:00Z","reason":"over"}`, http.StatusBadRequest)
	post(t, c, "/api/v1/silences", `{"match":{"upstreams":[6939]},"until":"2008-11-11T13:30:00Z","reason":"not over"}`, http.StatusCreated)
	a = post(t, c, "/api/v1/incidents/i1/ack", ``, http.StatusOK)
	if !strings.Contains(a.body, at(40).Format(time.RFC3339)) {
		t.Errorf("a note: %s", a.body)
	}
}
