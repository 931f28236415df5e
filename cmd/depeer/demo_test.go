package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/web"
	"depeer/web/client"
)

// liveDemo is a demo that runs, and is asked.
type liveDemo struct {
	t    *testing.T
	url  string
	out  *mouth
	stop context.CancelFunc
	code chan int
}

// mouth is what a command prints, which may be read meanwhile.
type mouth struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (m *mouth) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.Write(p)
}

func (m *mouth) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.text.String()
}

var boardAt = regexp.MustCompile(`The board: (http://127\.0\.0\.1:\d+)/`)

func showDemoFor(t *testing.T, args ...string) *liveDemo {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &liveDemo{t: t, out: &mouth{}, stop: stop, code: make(chan int, 1)}
	go func() {
		s.code <- run(ctx, append([]string{"demo", "--stay", "--web", "127.0.0.1:0"}, args...), strings.NewReader(""), s.out, s.out)
	}()
	t.Cleanup(func() {
		stop()
		if code := <-s.code; code != exitDone {
			t.Errorf("it ended with %d\n%s", code, s.out)
		}
		s.code <- exitDone // for who asks again
	})
	s.await("it says where the board is", func() bool {
		m := boardAt.FindStringSubmatch(s.out.String())
		if m != nil {
			s.url = m[1]
		}
		return m != nil
	})
	return s
}

// await waits for a condition, which is asked again and again.
func (s *liveDemo) await(what string, is func() bool) {
	s.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); !is(); <-ticker.C {
		if time.Now().After(end) {
			s.t.Fatalf("it never came: %s\n%s", what, s.out)
		}
	}
}

// ask asks, and wants an answer.
func (s *liveDemo) ask(path string, into any) {
	s.t.Helper()
	s.answer(http.MethodGet, path, nil, into)
}

func (s *liveDemo) answer(method, path string, body, into any) {
	s.t.Helper()
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+"/api/v1"+path, in)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %d %s %v", method, path, a.StatusCode, text, err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			s.t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
}

func (s *liveDemo) playing() (p web.Playing) {
	s.t.Helper()
	s.ask("/playback", &p)
	return p
}

func (s *liveDemo) status() (x web.Status) {
	s.t.Helper()
	s.ask("/status", &x)
	return x
}

// The whole story at once, and everything that the pages may want to know of it afterwards.
func TestDemoAnswers(t *testing.T) {
	t.Parallel()
	s := showDemoFor(t, "--speed", "0")
	s.await("the story is over", func() bool { return s.playing().Over })

	x := s.status()
	if len(x.Hosters) != 1 || x.Hosters[0].State != "dark" || x.Hosters[0].Eligible != 40 || !x.Ready || len(x.Peers) != 40 || len(x.Feeds) != 2 || len(x.Incidents) != 0 || len(x.Gaps) != 0 {
		t.Errorf("the board: %+v", x)
	}
	if x.Playback == nil || !x.Playback.Over || x.Now.Format(time.DateOnly) != "2008-12-08" || x.Judged.After(x.Now) {
		t.Errorf("its time: %s, judged %s, %+v", x.Now, x.Judged, x.Playback)
	}

	var routes timeline.Routes
	for at, want := range map[string]int{"2008-11-11T20:59:00Z": 80, "2008-11-11T21:40:00Z": 4, "2008-11-14T00:00:00Z": 0, "2008-11-15T13:00:00Z": 80, "2008-11-17T00:00:00Z": 0} {
		s.ask("/hosters/mccolo/routes?at="+at, &routes)
		if n := len(routes.Routes); n != want {
			t.Errorf("%s: %d routes, want %d", at, n, want)
		}
	}
	var still []timeline.Still
	s.ask("/still?at=2008-11-11T20:59:00Z", &still)
	if len(still) != 1 || !still[0].Routed || still[0].Days != 37 {
		t.Errorf("still: %+v", still)
	}
	var why web.Explanations
	s.ask("/explain?hoster=mccolo", &why)
	if len(why.Explanations) != 2 || len(why.Told) == 0 || why.Told[0].Outcome != "sent" || why.Told[0].At.Year() != 2008 {
		t.Errorf("explain: %+v", why)
	}
	s.peopleOf()
	s.movesOf()
}

// peopleOf: who would be told, and what people do.
func (s *liveDemo) peopleOf() {
	t := s.t
	t.Helper()
	var incidents web.List[watch.Incident]
	s.ask("/incidents?order=oldest", &incidents)
	if len(incidents.Items) != 2 || incidents.Items[0].Class != watch.Blackout || incidents.Items[1].Class != watch.Repeered {
		t.Fatalf("incidents: %+v", incidents.Items)
	}
	id := incidents.Items[0].ID
	var note web.Note
	s.answer(http.MethodPost, "/incidents/"+id+"/ack", map[string]string{"text": "mine"}, &note)
	if !note.Ack || note.At.Year() != 2008 {
		t.Errorf("a note: %+v", note)
	}
	var made web.Subscription
	s.answer(http.MethodPost, "/subscriptions", web.Subscription{Name: "me", To: []string{"noc"}}, &made)
	var all []web.Subscription
	s.ask("/subscriptions", &all)
	if len(all) != 4 {
		t.Errorf("subscriptions: %+v", all)
	}
	var silence web.Silence
	s.answer(http.MethodPost, "/silences", web.Silence{Match: web.Match{Hosters: []string{"mccolo"}}, Until: time.Date(2008, 12, 24, 0, 0, 0, 0, time.UTC), Reason: "holidays"}, &silence)
	s.answer(http.MethodDelete, "/silences/"+silence.ID, nil, nil)
}

// movesOf: where the botnets went, and that the stream holds it all.
func (s *liveDemo) movesOf() {
	t := s.t
	t.Helper()
	var housed []struct{ Family, Fate string }
	s.ask("/families?hoster=mccolo", &housed)
	fates := map[string]string{}
	for _, x := range housed {
		fates[x.Family] = x.Fate
	}
	if len(fates) != 5 || fates["Asprox"] != "moved" || fates["Cutwail"] == "moved" {
		t.Errorf("families: %v", fates)
	}
	for path, want := range map[string]string{"/hosters/mccolo/timeline.svg": "</svg>", "/migrations": "AS39823", "/search?q=srizbi": "Srizbi", "/hosters/mccolo/dossier": "Mega-D", "/events?format=csv": "hoster.dark"} {
		r, err := http.Get(s.url + "/api/v1" + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK || !strings.Contains(string(text), want) {
			t.Errorf("%s: %d %.300s", path, r.StatusCode, text)
		}
	}
	c, err := client.New(client.Config{Server: s.url})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n, enough := 0, errors.New("enough")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = c.Stream(ctx, "event.0-incident.0", nil, func(x client.Told) error {
		if x.Type == "incident" {
			if n++; n == 9 {
				return enough
			}
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("the stream: %v after %d revisions", err, n)
	}
}

// The story waits, goes to where it is wanted, and the board is that of the moment.
func TestDemoIsPlayed(t *testing.T) {
	t.Parallel()
	s := showDemoFor(t, "--paused")
	s.await("the tables are read", func() bool { return s.status().Hosters[0].Eligible == 40 })
	x := s.status()
	if h := x.Hosters[0]; h.State != "visible" || len(h.Upstreams) != 2 || len(x.Incidents) != 0 || !x.Playback.Paused || x.Now.After(demoChapters[0].At.Add(2*time.Minute)) {
		t.Errorf("at first: %+v", x)
	}
	for _, step := range []struct{ to, state, says string }{
		{"2008-11-11T21:10:00Z", "visible", "AS6939 dropped it"},
		{"2008-11-11T21:40:00Z", "dark", "is dark"},
		{"2008-11-15T13:00:00Z", "visible", "is back behind AS1299"},
		{"2008-11-16T01:00:00Z", "dark", "gone again after 12 hours"},
		{"2008-11-24T01:00:00Z", "dark", "Rustock appeared in AS64502"},
	} {
		to, err := time.Parse(time.RFC3339, step.to)
		if err != nil {
			t.Fatal(err)
		}
		s.answer(http.MethodPost, "/playback", web.Wish{To: &to}, nil)
		s.await("it is "+step.to, func() bool { return s.playing().Now.Equal(to) })
		p, x := s.playing(), s.status()
		if !x.Now.Equal(to) || x.Hosters[0].State != step.state || len(p.Headlines) == 0 || !strings.Contains(p.Headlines[0].Text, step.says) || !p.Paused {
			t.Errorf("%s: %s at %s, %+v", step.to, x.Hosters[0].State, x.Now, p.Headlines)
		}
		if p.Headlines[0].At.After(to) {
			t.Errorf("%s: it says what comes later: %+v", step.to, p.Headlines[0])
		}
	}
	s.answer(http.MethodPost, "/playback", web.Wish{Paused: new(false), Speed: new(0.0)}, nil)
	s.await("it is over", func() bool { return s.playing().Over })
	s.await("it says that it stays", func() bool { return strings.Contains(s.out.String(), "the board stays at "+s.url) })
	if !strings.Contains(s.out.String(), "15 events and 9 revisions of 2 incidents were published") {
		t.Error(s.out)
	}
}

// Ended in the middle, it leaves nothing behind.
func TestDemoEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &mouth{}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"demo", "--paused", "--web", "127.0.0.1:0"}, strings.NewReader(""), out, out)
	}()
	s := &liveDemo{t: t, out: out}
	s.await("the board is there", func() bool { return boardAt.MatchString(out.String()) })
	stop()
	if n := <-code; n != exitFailed || !strings.Contains(out.String(), "interrupted") {
		t.Errorf("%d\n%s", n, out)
	}
	http.DefaultClient.CloseIdleConnections()
	s.await("all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}
