package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"depeer/web"
	"depeer/web/access"
)

// patience is how long a test waits for what must come.
const patience = 40 * time.Second

// listener reads the stream.
type listener struct {
	t     testing.TB
	resp  *http.Response
	lines *bufio.Scanner
	end   context.CancelFunc
}

// heard is one server-sent event.
type heard struct{ kind, id, data string }

func (c *caller) listen(path string, headers ...string) *listener {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	l := &listener{c.t, resp, bufio.NewScanner(resp.Body), cancel}
	l.lines.Buffer(nil, 1<<20)
	c.t.Cleanup(l.close)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		text, _ := io.ReadAll(resp.Body)
		c.t.Fatalf("%s: %d %s", path, resp.StatusCode, text)
	}
	return l
}

func (l *listener) close() {
	l.end()
	l.resp.Body.Close()
}

// next is the next event, false at the end of the stream.
func (l *listener) next() (h heard, ok bool) {
	for l.lines.Scan() {
		name, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch name {
		case "event":
			h.kind = value
		case "id":
			h.id = value
		case "data":
			h.data = value
		case "":
			if h.data != "" {
				return h, true
			}
		}
	}
	return h, false
}

// hello reads the first event, and gives where one stands.
func (l *listener) hello() string {
	l.t.Helper()
	h, ok := l.next()
	if !ok || h.kind != "hello" {
		l.t.Fatalf("want hello, have %+v %v", h, l.lines.Err())
	}
	return h.id
}

// take reads so many events of the log.
func (l *listener) take(n int) (out []heard) {
	l.t.Helper()
	for len(out) < n {
		h, ok := l.next()
		if !ok {
			l.t.Fatalf("the stream ended after %d of %d: %v", len(out), n, l.lines.Err())
		}
		if h.kind != "status" {
			out = append(out, h)
		}
	}
	return out
}

func numbered(i int) []byte {
	return fmt.Appendf(nil, `{"type":"event","kind":"upstream.lost","hoster":"mccolo","severity":"critical","number":%d}`, i)
}

func numbersOf(list []heard) (out []int) {
	for _, h := range list {
		var x struct {
			Number int `json:"number"`
		}
		_ = json.Unmarshal([]byte(h.data), &x)
		out = append(out, x.Number)
	}
	return out
}

func count(from, to int) (out []int) {
	for i := from; i <= to; i++ {
		out = append(out, i)
	}
	return out
}

func TestStreamTellsWhatHappens(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	everything, hosters, incidents := c.listen("/api/v1/stream"), c.listen("/api/v1/stream?hoster=atrivo&severity=warning"), c.listen("/api/v1/stream?type=incident")
	for _, l := range []*listener{everything, hosters, incidents} {
		l.hello()
	}
	w.log.put("event", 101, []byte(`{"type":"event","kind":"upstream.lost","hoster":"mccolo","severity":"critical","number":101}`))
	w.log.put("event", 102, []byte("{\"type\":\"event\",\n\"kind\":\"feed.lost\",\"hoster\":null,\"severity\":\"critical\",\"number\":102}"))
	w.log.put("event", 103, []byte(`{"type":"event","kind":"route.restored","hoster":"atrivo","severity":"info","number":103}`))
	w.log.put("incident", 51, []byte(`{"type":"incident","class":"depeered","hoster":"atrivo","severity":"critical","number":51}`))
	got := everything.take(4)
	if n := numbersOf(got); !slices.Equal(n, []int{101, 102, 103, 51}) {
		t.Errorf("everything: %v", n)
	}
	if got[0].kind != "event" || got[3].kind != "incident" || !strings.Contains(got[3].id, "event.103") || !strings.Contains(got[3].id, "incident.51") {
		t.Errorf("%+v", got)
	}
	if n := numbersOf(hosters.take(2)); !slices.Equal(n, []int{102, 51}) {
		t.Errorf("of one hoster: %v", n) // and our own eyes, which concern everybody
	}
	if n := numbersOf(incidents.take(1)); !slices.Equal(n, []int{51}) {
		t.Errorf("incidents: %v", n)
	}
}

// What somebody says about an incident is told to all who read, without an id of its own.
func TestStreamTellsNotes(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	everything, notes, others := c.listen("/api/v1/stream"), c.listen("/api/v1/stream?type=note"), c.listen("/api/v1/stream?type=event")
	for _, l := range []*listener{everything, notes, others} {
		l.hello()
	}
	post(t, c, "/api/v1/incidents/i1/ack", `{"text":"on it"}`, 200)
	for _, l := range []*listener{everything, notes} {
		got := l.take(1)
		for got[0].kind == "change" { // that somebody did something, which we may know too
			got = l.take(1)
		}
		var n web.Said
		if err := json.Unmarshal([]byte(got[0].data), &n); err != nil || got[0].kind != "note" || got[0].id != "" || n.Type != "note" || n.Incident != "i1" || !n.Ack || n.Text != "on it" || n.Who != "local" {
			t.Errorf("%+v %v", got[0], err)
		}
	}
	w.log.put("event", 101, numbered(101))
	if n := numbersOf(others.take(1)); !slices.Equal(n, []int{101}) {
		t.Errorf("%v", n)
	}
}

// Who comes again misses nothing and hears nothing twice: shortly after, long after, and after
// depeer was started again.
func TestStreamGoesOn(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	l := c.listen("/api/v1/stream")
	l.hello()
	for i := 101; i <= 110; i++ {
		w.log.put("event", uint64(i), numbered(i))
	}
	got := l.take(4)
	l.close()
	last := got[3].id
	if n := numbersOf(got); !slices.Equal(n, count(101, 104)) {
		t.Fatalf("%v", n)
	}
	again := c.listen("/api/v1/stream", "Last-Event-ID", last)
	if id := again.hello(); id != last {
		t.Errorf("it begins at %s, want %s", id, last)
	}
	if n := numbersOf(again.take(6)); !slices.Equal(n, count(105, 110)) {
		t.Errorf("shortly after: %v", n)
	}
	again.close()

	// More has happened than the hub keeps.
	for i := 111; i <= 6000; i++ {
		w.log.put("event", uint64(i), numbered(i))
	}
	until(t, "all of it was read", func() bool {
		l := c.listen("/api/v1/stream")
		defer l.close()
		return strings.HasPrefix(l.hello(), "event.6000-")
	})
	late := c.listen("/api/v1/stream?after=" + last)
	late.hello()
	if n := numbersOf(late.take(5896)); !slices.Equal(n, count(105, 6000)) {
		t.Errorf("long after: %d, %v ... %v", len(n), n[:3], n[len(n)-3:])
	}
	w.log.put("event", 6001, numbered(6001))
	if n := numbersOf(late.take(1)); n[0] != 6001 {
		t.Errorf("and then: %v", n)
	}
	late.close()

	// Another process, with the same log.
	c = newCaller(t, start(t, web.Config{}, w.deps()))
	for _, from := range []string{"event.5990-gap.6-incident.7", "event.5990", last} {
		l := c.listen("/api/v1/stream?type=event", "Last-Event-ID", from)
		l.hello()
		want := count(5991, 6001)
		if from == last {
			want = count(105, 6001)
		}
		if n := numbersOf(l.take(len(want))); !slices.Equal(n, want) {
			t.Errorf("after a restart, from %s: %d, %v", from, len(n), n[:3])
		}
		l.close()
	}
}

// An id of a log that is no more: the reader has to load everything anew.
func TestStreamOfAnotherLog(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	l := c.listen("/api/v1/stream", "Last-Event-ID", "event.99999")
	if h, ok := l.next(); !ok || h.kind != "reset" {
		t.Errorf("%+v", h)
	}
	l.hello()
	w.log.put("event", 101, numbered(101))
	if n := numbersOf(l.take(1)); n[0] != 101 {
		t.Errorf("%v", n)
	}
}

func TestStreamTellsChangesOfTheBoard(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	l := c.listen("/api/v1/stream?type=status")
	l.hello()
	w.change(func(s *web.Status) {
		s.Hosters = slices.Clone(s.Hosters)
		s.Hosters[0].State = "dark"
		s.Ready, s.Reasons = false, []string{"feed rislive: connecting"}
	})
	h, ok := l.next()
	var got web.Change
	if err := json.Unmarshal([]byte(h.data), &got); err != nil || !ok || h.kind != "status" || h.id != "" {
		t.Fatalf("%+v %v", h, err)
	}
	if len(got.Hosters) != 1 || got.Hosters[0].State != "dark" || got.Ready || len(got.Reasons) != 1 || len(got.Feeds) != 0 {
		t.Errorf("%+v", got)
	}
}

// Who did what is for admins.
func TestStreamTellsWhoDidWhat(t *testing.T) {
	w := newWorld(t)
	deps := w.deps()
	tokens := access.NewTokens(filepath.Join(t.TempDir(), access.TokenFile))
	deps.Tokens = tokens
	secret := func(scope access.Scope) string {
		s, _, err := tokens.Create(string(scope), scope, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + s
	}
	cfg := web.DefaultConfig()
	cfg.Listen, cfg.Auth.Tokens = "127.0.0.1:0", true
	c := newCaller(t, start(t, cfg, deps))
	admin, viewer := c.listen("/api/v1/stream?type=change,event", "Authorization", secret(access.Admin)), c.listen("/api/v1/stream?type=change,event", "Authorization", secret(access.Viewer))
	admin.hello()
	viewer.hello()
	if a := c.ask(http.MethodPost, "/api/v1/incidents/i1/ack", nil, "Authorization", secret(access.Operator)); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	w.log.put("event", 101, numbered(101))
	got := admin.take(2)
	if got[0].kind != "change" || !strings.Contains(got[0].data, `"who":"operator"`) || !strings.Contains(got[0].data, "/incidents/i1/ack") || got[1].kind != "event" {
		t.Errorf("admin: %+v", got)
	}
	if got := viewer.take(1); got[0].kind != "event" {
		t.Errorf("viewer: %+v", got)
	}
	if notes, err := w.desk.Notes(t.Context(), "i1"); err != nil || len(notes) != 1 || notes[0].Who != "operator" {
		t.Errorf("notes %+v %v", notes, err)
	}
}

// A reader that does not read is sent away, the others hear everything, and it finds everything
// when it comes again.
func TestSlowReaderHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	s := start(t, web.Config{}, w.deps(), func(s *web.Server) { s.SetRoom(1 << 20) })
	c := newCaller(t, s)
	began := time.Now()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(128 << 10)
	fmt.Fprintf(conn, "GET /api/v1/stream?type=event HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	until(t, "the slow one is heard", func() bool { return s.Counts().Readers == 1 })
	quick := c.listen("/api/v1/stream?type=event")
	quick.hello()
	// More than its room and the kernel's buffers hold.
	filler := strings.Repeat("x", 32_000)
	const n, step = 500, 20
	for i := 101; i < 101+n; i += step {
		for j := i; j < i+step; j++ {
			w.log.put("event", uint64(j), []byte(fmt.Sprintf(`{"number":%d,"filler":"`, j)+filler+`"}`))
		}
		if got := numbersOf(quick.take(step)); !slices.Equal(got, count(i, i+step-1)) {
			t.Fatalf("the quick one: %v", got[:3])
		}
	}
	// Now the slow one reads: what it gets ends with the word that it was too slow, or, where the
	// quick one took long, with the connection.
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	text, _ := io.ReadAll(conn)
	if told := strings.Contains(string(text), "event: cut\n"); !told && time.Since(began) < 15*time.Second {
		t.Errorf("it was not told: %d bytes, ... %q", len(text), text[max(0, len(text)-200):])
	}
	until(t, "it is gone", func() bool { x := s.Counts(); return x.Readers == 1 && x.Cut == 1 })
	id := lastID(string(text))
	again := c.listen("/api/v1/stream?type=event", "Last-Event-ID", id)
	again.hello()
	p, err := web.ParsePosition(id)
	if err != nil {
		t.Fatal(err)
	}
	from := int(p["event"]) + 1
	if got := numbersOf(again.take(101 + n - from)); !slices.Equal(got, count(from, 100+n)) {
		t.Errorf("again, from %d: %d", from, len(got))
	}
}

// lastID is the last id in a text of events, of those that came whole.
func lastID(text string) (id string) {
	for part := range strings.SplitSeq(text, "\n\n") {
		for line := range strings.SplitSeq(part, "\n") {
			if x, ok := strings.CutPrefix(line, "id: "); ok && strings.Contains(part, "\ndata: ") {
				id = x
			}
		}
	}
	return id
}

// until waits for what must come true.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-ticker.C {
		if ok() {
			return
		}
	}
	t.Fatalf("it never came to pass: %s", what)
}

func TestStreamIsFull(t *testing.T) {
	w := newWorld(t)
	cfg := web.DefaultConfig()
	cfg.Listen, cfg.Limits.Readers = "127.0.0.1:0", 2
	s := start(t, cfg, w.deps())
	c := newCaller(t, s)
	one, two := c.listen("/api/v1/stream"), c.listen("/api/v1/stream")
	one.hello()
	two.hello()
	if a := c.get("/api/v1/stream"); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "web.limits.readers") {
		t.Errorf("%d %s", a.status, a.body)
	}
	one.close()
	until(t, "there is room", func() bool { return s.Counts().Readers == 1 })
	c.listen("/api/v1/stream").hello()
}

// 500 readers hear the same, each everything.
func TestFiveHundredReaders(t *testing.T) {
	w := newWorld(t)
	s := start(t, web.Config{}, w.deps())
	c := newCaller(t, s)
	const readers, events = 500, 50
	var all sync.WaitGroup
	var ready sync.WaitGroup
	for range readers {
		l := c.listen("/api/v1/stream?type=event")
		ready.Add(1)
		all.Go(func() {
			l.hello()
			ready.Done()
			if got := numbersOf(l.take(events)); !slices.Equal(got, count(101, 100+events)) {
				t.Errorf("a reader heard %v", got)
			}
		})
	}
	ready.Wait()
	for i := 101; i <= 100+events; i++ {
		w.log.put("event", uint64(i), numbered(i))
	}
	all.Wait()
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	if w.log.follows > 1 {
		t.Errorf("the log was read %d times", w.log.follows)
	}
}
