package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"depeer/watch"
	"depeer/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixed answers every question with what it is given.
type fixed struct {
	mu     sync.Mutex
	status web.Status
}

func (f *fixed) Status() web.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// change changes the board.
func (f *fixed) change(how func(*web.Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how(&f.status)
}

func (f *fixed) Explain(word string) ([]watch.Explanation, error) {
	if word != "mccolo" {
		return nil, errors.New(word + " is not watched")
	}
	return []watch.Explanation{{Hoster: word, Verdict: "no alert"}}, nil
}

func (f *fixed) Gaps(from, _ time.Time) []watch.Gap {
	if from.Year() == 2008 {
		return []watch.Gap{{Collector: "rrc00", From: from}}
	}
	return []watch.Gap{}
}

// serve runs a server and gives a way to ask it.
func serve(t *testing.T, m web.Monitor) func(path, host string) (int, string, string) {
	t.Helper()
	s, err := web.Listen(web.Config{Listen: "127.0.0.1:0"}, web.Deps{Monitor: m, Logger: slog.New(slog.DiscardHandler),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "depeer_events_total 3\n") })})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	return func(path, host string) (int, string, string) {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, "http://"+s.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("Content-Type"), string(body)
	}
}

func TestAnswers(t *testing.T) {
	m := &fixed{status: web.Status{Reasons: []string{"feed rislive: connecting"}, Hosters: []watch.Standing{{Hoster: "mccolo", State: "dark"}}}}
	get := serve(t, m)
	for _, x := range []struct {
		path, host string
		status     int
		kind, text string
	}{
		{"/healthz", "", 200, "text/plain; charset=utf-8", "ok"},
		{"/readyz", "", 503, "text/plain; charset=utf-8", "feed rislive: connecting"},
		{"/metrics", "", 200, "text/plain; charset=utf-8", "depeer_events_total 3"},
		{"/api/v1/hosters", "", 200, "application/json", `"state": "dark"`},
		{"/api/v1/hosters/mccolo", "", 200, "application/json", `"hoster": "mccolo"`},
		{"/api/v1/hosters/none", "", 404, "application/problem+json", "no hoster has the id none"},
		{"/api/v1/gaps?from=2008-11-11T21:00:00Z", "", 200, "application/json", `"collector": "rrc00"`},
		{"/api/v1/gaps", "", 200, "application/json", "[]"},
		{"/api/v1/gaps?to=yesterday", "", 400, "application/problem+json", `to: \"yesterday\" is no time`},
		{"/api/v1/explain?hoster=mccolo", "", 200, "application/json", `"verdict": "no alert"`},
		{"/api/v1/explain?prefix=192.0.2.0/24", "", 404, "application/problem+json", "192.0.2.0/24 is not watched"},
		{"/api/v1/explain", "", 400, "application/problem+json", "ask for one of"},
		{"/nothing", "", 404, "application/problem+json", "nothing is served at /nothing"},
		// A page of somebody else, whose name was made to point here.
		{"/api/v1/status", "evil.example:8080", 403, "application/problem+json", "ask for localhost"},
		{"/api/v1/status", "localhost:8080", 200, "application/json", `"reasons"`},
	} {
		status, kind, body := get(x.path, x.host)
		if status != x.status || kind != x.kind || !strings.Contains(body, x.text) {
			t.Errorf("%s: %d %s %s", x.path, status, kind, body)
		}
	}
	m.change(func(s *web.Status) { s.Ready = true })
	if status, _, body := get("/readyz", ""); status != 200 || body != "ready\n" {
		t.Errorf("/readyz: %d %s", status, body)
	}
	_, _, body := get("/api/v1/status", "")
	var s web.Status
	if err := json.Unmarshal([]byte(body), &s); err != nil || !s.Ready || s.Hosters[0].Hoster != "mccolo" {
		t.Errorf("%v %s", err, body)
	}
}

// Nobody is asked who they are, so nobody from outside may ask.
func TestLoopbackOnly(t *testing.T) {
	for listen, ok := range map[string]bool{"127.0.0.1:8080": true, "[::1]:8080": true, "localhost:0": true, "": true,
		"0.0.0.0:8080": false, ":8080": false, "192.0.2.1:8080": false, "[::]:80": false, "127.0.0.1": false, "127.0.0.1:x": false} {
		c := web.Config{Listen: listen}
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", listen, err)
		}
	}
	d := web.DefaultConfig()
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
}
