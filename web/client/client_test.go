package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/timelinetest"
	"depeer/web"
	"depeer/web/access"
	"depeer/web/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2008, 11, 11, 12, 0, 0, 0, time.UTC)

var mccolo = netip.MustParsePrefix("208.66.192.0/22")

type board struct{}

func (board) Status() web.Status {
	return web.Status{Version: "test", Ready: true, Hosters: []watch.Standing{{Hoster: "mccolo", State: "dark", Upstreams: []watch.UpstreamShare{{ASN: 6939, Family: 4, Lost: true}}}}}
}

func (board) Explain(word string) ([]watch.Explanation, error) {
	if word != "mccolo" && word != mccolo.String() {
		return nil, errors.New(word + " is not watched")
	}
	return []watch.Explanation{{Hoster: "mccolo", Prefix: mccolo, Verdict: "withdrawn"}}, nil
}

func (board) Gaps(time.Time, time.Time) []watch.Gap {
	return []watch.Gap{{ID: "g1", Collector: "rrc00"}}
}

// server is a depeer with a memory, that asks for tokens.
func server(t *testing.T, deps web.Deps) (*web.Server, map[access.Scope]access.Secret) {
	t.Helper()
	memory := &timelinetest.Memory{}
	hoster := "mccolo"
	e := watch.Event{Type: "event", ID: "e1", Kind: watch.UpstreamLost, At: noon.Add(time.Minute), FirstSeen: noon, Hoster: &hoster, Upstream: 6939, Prefixes: []netip.Prefix{mccolo}, Severity: watch.Critical}
	i := watch.Incident{Type: "incident", ID: "i1", Revision: 1, At: noon, Hoster: hoster, Phase: watch.Open, Class: watch.Depeered, Opened: noon, Events: []string{"e1"}}
	var records []timeline.Record
	for _, f := range []func() (timeline.Record, error){func() (timeline.Record, error) { return timeline.OfEvent(&e) }, func() (timeline.Record, error) { return timeline.OfIncident(&i) }} {
		r, err := f()
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	peer := bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64501}
	err := memory.Write(t.Context(), &timeline.Batch{Recorded: noon, Records: records, Cursors: map[string]uint64{"x": 1}, Changes: []timeline.Change{
		{At: noon, What: timeline.Joined, Peer: peer}, {At: noon, What: timeline.Announced, Peer: peer, Prefix: mccolo, Path: bgp.PathOf(64501, 6939, 26780), Hosters: []string{hoster}},
		{At: noon.Add(time.Minute), What: timeline.Withdrawn, Peer: peer, Prefix: mccolo, Hosters: []string{hoster}}}})
	if err != nil {
		t.Fatal(err)
	}
	asker := &timeline.Asker{Reader: memory, Hosters: []watch.Hoster{{ID: hoster, ASNs: []uint32{26780}}}}
	tokens := access.NewTokens(filepath.Join(t.TempDir(), access.TokenFile))
	secrets := map[access.Scope]access.Secret{}
	for _, scope := range access.Scopes() {
		secret, _, err := tokens.Create(string(scope), scope, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		secrets[scope] = access.Secret(secret)
	}
	deps.Monitor, deps.Metrics, deps.Logger, deps.Tokens = board{}, http.NotFoundHandler(), slog.New(slog.DiscardHandler), tokens
	deps.History, deps.Records, deps.BGPlay, deps.Still, deps.Difference = asker, memory, asker.BGPlay, asker.StillRouted, asker.Difference
	cfg := web.DefaultConfig()
	cfg.Listen, cfg.Auth.Tokens = "127.0.0.1:0", true
	s, err := web.Listen(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, secrets
}

func dial(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestQuestions(t *testing.T) {
	s, secrets := server(t, web.Deps{})
	c := dial(t, client.Config{Server: s.Addr().String(), Token: secrets[access.Viewer]})
	ctx := t.Context()
	check := func(what string, ok bool, err error) {
		t.Helper()
		if err != nil || !ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	status, err := c.Status(ctx)
	check("status", err == nil && status.Version == "test" && len(status.Hosters) == 1, err)
	h, err := c.Hoster(ctx, "mccolo")
	check("hoster", err == nil && h.State == "dark", err)
	x, err := c.Explain(ctx, "", mccolo.String())
	check("explain", err == nil && x.Explanations[0].Verdict == "withdrawn", err)
	gaps, err := c.Gaps(ctx, noon, noon.Add(time.Hour))
	check("gaps", len(gaps) == 1, err)
	who, err := c.WhoAmI(ctx)
	check("whoami", err == nil && who.Scope == access.Viewer && who.Via == "token", err)
	for _, q := range []timeline.Asking{{Hoster: "mccolo"}, {Prefix: mccolo}, {ASN: 26780}, {Addr: netip.MustParseAddr("208.66.195.1")}} {
		q.From, q.To = noon, noon.Add(time.Hour)
		line, err := c.Timeline(ctx, q)
		check("timeline", err == nil && len(line.Prefixes) == 1 && len(line.Upstreams) == 1 && line.Upstreams[0].ASN == 6939, err)
		play, err := c.BGPlay(ctx, q)
		check("bgplay", err == nil && play.Status == "ok" && len(play.Data.Events) == 1, err)
		diff, err := c.Difference(ctx, q)
		check("difference", err == nil && len(diff.Went) == 1, err)
		q.To = noon.Add(30 * time.Second)
		routes, err := c.RoutesAt(ctx, q)
		check("routes", err == nil && len(routes.Routes) == 1 && routes.Routes[0].Upstream == 6939 && routes.Routes[0].Path.String() == "64501 6939 26780", err)
	}
	up, err := c.Upstream(ctx, 6939, noon, noon.Add(time.Hour), time.Time{})
	check("upstream", err == nil && len(up.Carries) == 1 && up.History != nil && len(up.History.Prefixes) == 1, err)
	still, err := c.Still(ctx, noon.Add(time.Second), time.Time{})
	check("still", len(still) == 1 && still[0].Routed, err)
	events, err := c.Events(ctx, client.Filter{From: noon, Hosters: []string{"mccolo"}, Words: []string{"upstream.lost"}, Upstream: 6939, Severity: "critical", Oldest: true, Limit: 5})
	check("events", err == nil && len(events.Items) == 1 && events.Items[0].ID == "e1", err)
	none, err := c.Events(ctx, client.Filter{Words: []string{"hoster.dark"}})
	check("no events", err == nil && len(none.Items) == 0, err)
	incidents, err := c.Incidents(ctx, client.Filter{Phases: []string{"open"}})
	check("incidents", err == nil && len(incidents.Items) == 1, err)
	story, err := c.Incident(ctx, "i1")
	check("incident", err == nil && story.Incident.Class == watch.Depeered && len(story.Revisions) == 1, err)
}

func TestProblems(t *testing.T) {
	s, secrets := server(t, web.Deps{})
	viewer := dial(t, client.Config{Server: "http://" + s.Addr().String() + "/", Token: secrets[access.Viewer]})
	stranger := dial(t, client.Config{Server: s.Addr().String()})
	operator := dial(t, client.Config{Server: s.Addr().String(), Token: secrets[access.Operator]})
	ctx := t.Context()
	_, unknown := viewer.Hoster(ctx, "a/b?c")
	_, strange := stranger.Status(ctx)
	_, small := viewer.Ack(ctx, "i1", "")
	_, absent := operator.Ack(ctx, "i1", "")
	_, none := viewer.Subscriptions(ctx)
	gone := operator.Unsilence(ctx, "x")
	for _, x := range []struct {
		err    error
		status int
		words  string
	}{{unknown, 404, "a/b?c"}, {strange, 401, "depeer tokens create"}, {small, 403, "this needs operator"}, {absent, 501, "notify"}, {none, 501, "notify"}, {gone, 501, "notify"}} {
		var p *client.Problem
		if !errors.As(x.err, &p) || p.Status != x.status || !strings.Contains(p.Error(), x.words) {
			t.Errorf("%v, want %d", x.err, x.status)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := dial(t, client.Config{Server: l.Addr().String()}).Status(ctx); !errors.Is(err, client.ErrNobody) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestServersThatAreRefused(t *testing.T) {
	for _, cfg := range []client.Config{{Server: ""}, {Server: "ftp://x"}, {Server: "http://"}, {Server: "https://u:p@x"}, {Server: "http://depeer.example.net", Token: "depeer_x"},
		{Server: "https://x", CA: "/nowhere"}, {Server: "https://x?y=z"}} {
		if _, err := client.New(cfg); err == nil || strings.Contains(err.Error(), "depeer_x") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// A server that is none of ours: a redirect gets no token, and no text is taken for an answer.
func TestStrangeServer(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	answer := func(w http.ResponseWriter) {}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	defer s.Close()
	c := dial(t, client.Config{Server: s.URL, Token: "depeer_secret"})
	for name, a := range map[string]func(http.ResponseWriter){
		"redirect": func(w http.ResponseWriter) { w.Header().Set("Location", other.URL); w.WriteHeader(http.StatusFound) },
		"page":     func(w http.ResponseWriter) { fmt.Fprint(w, "<html>hello") },
		"error": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, "<html>depeer_secret")
		},
		"torn": func(w http.ResponseWriter) { fmt.Fprint(w, `{"version":"x","hosters":[`) },
	} {
		answer = a
		if _, err := c.Status(t.Context()); err == nil || strings.Contains(err.Error(), "depeer_secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) > 0 {
		t.Errorf("the other server was asked with %q", seen)
	}
}

// tape is a log of the stream in memory.
type tape struct {
	mu   sync.Mutex
	list []web.Entry
	news chan struct{}
}

func (p *tape) put(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, web.Entry{Kind: "event", Number: uint64(n), Body: fmt.Appendf(nil, `{"number":%d}`, n)})
	close(p.news)
	p.news = make(chan struct{})
}

func (p *tape) Ends(context.Context) (web.Position, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return web.Position{"event": uint64(len(p.list))}, nil
}

func (p *tape) Follow(ctx context.Context, after web.Position, tell func(web.Entry) error) error {
	for i := int(after["event"]); ; {
		p.mu.Lock()
		todo, news := slices.Clone(p.list[min(i, len(p.list)):]), p.news
		p.mu.Unlock()
		for _, e := range todo {
			if err := tell(e); err != nil {
				return err
			}
			i++
		}
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		}
	}
}

// The connection is cut again and again; every entry is told once, in order.
func TestStreamComesAgain(t *testing.T) {
	log := &tape{news: make(chan struct{})}
	s, secrets := server(t, web.Deps{Log: log})
	// A proxy that ends every stream after a few hundred octets.
	target := s.Addr().String()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	defer all.Wait()
	defer l.Close()
	var connections int
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections++
			all.Go(func() { cutAfter(conn, target, 1500) })
		}
	})
	c := dial(t, client.Config{Server: l.Addr().String(), Token: secrets[access.Viewer]})
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	const n = 40
	var got []int
	err = c.Stream(ctx, "", nil, func(told client.Told) error {
		switch told.Type {
		case "hello":
			if len(got) == 0 {
				for i := 1; i <= n; i++ {
					log.put(i)
				}
			}
		case "event":
			var x struct{ Number int }
			if err := json.Unmarshal(told.Data, &x); err != nil {
				return err
			}
			if got = append(got, x.Number); x.Number == n {
				return errEnough
			}
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Errorf("%v after %v", err, got)
	}
	for i, x := range got {
		if x != i+1 {
			t.Fatalf("told %v", got)
		}
	}
}

var errEnough = errors.New("enough")

// cutAfter passes a connection on until so much has come back.
func cutAfter(conn net.Conn, target string, most int) {
	defer conn.Close()
	to, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		defer to.Close()
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	b := make([]byte, most)
	for most > 0 {
		n, err := to.Read(b[:most])
		if err != nil {
			return
		}
		if _, err := conn.Write(b[:n]); err != nil {
			return
		}
		most -= n
	}
}

func TestStreamThatIsRefused(t *testing.T) {
	s, secrets := server(t, web.Deps{})
	tell := func(client.Told) error { return nil }
	var p *client.Problem
	if err := dial(t, client.Config{Server: s.Addr().String()}).Stream(t.Context(), "", nil, tell); !errors.As(err, &p) || p.Status != 401 {
		t.Errorf("%v", err)
	}
	c := dial(t, client.Config{Server: s.Addr().String(), Token: secrets[access.Viewer]})
	if err := c.Stream(t.Context(), "nonsense", nil, tell); !errors.As(err, &p) || p.Status != 400 {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := c.Stream(ctx, "", nil, func(client.Told) error { cancel(); return nil }); err != nil {
		t.Errorf("%v", err)
	}
}
