package web_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/timeline"
	"depeer/watch/timeline/picture"
	"depeer/watch/timeline/timelinetest"
	"depeer/web"
)

// The eleventh of November 2008, from 12:00 on.
var noon = time.Date(2008, 11, 11, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

var mccolo = netip.MustParsePrefix("208.66.192.0/22")

func pointer[T any](x T) *T { return &x }

// world is a depeer of one hoster, whose story has happened.
type world struct {
	*fixed
	memory *timelinetest.Memory
	log    *shelf
	desk   *desk
	tape   *tape
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{memory: &timelinetest.Memory{}, log: newShelf(), desk: &desk{heard: make(chan web.Said, 1000)}, tape: newTape()}
	w.fixed = &fixed{status: web.Status{Version: "test", Started: noon, Now: at(60), Judged: at(60), Ready: true, Reasons: []string{},
		Hosters: []watch.Standing{{Hoster: "mccolo", Name: "McColo Corp.", ASNs: []uint32{26780}, State: "partly", Prefixes: 2, Withdrawn: 1, Visibility: 0.5, Eligible: 3, Incident: "i1",
			Upstreams: []watch.UpstreamShare{{ASN: 6939, Family: 4, Share: 0, Baseline: 0.6, Lost: true, Since: at(30), LostAt: 0.03}, {ASN: 3549, Family: 4, Share: 0.4, Baseline: 0.4, Peers: 2}}}},
		Feeds:     []web.Feed{{Name: "rislive", Type: "rislive", Ready: true, Heard: at(60), Collectors: []string{"rrc00"}, Peers: 3, Up: 3, Sessions: []web.Session{{Name: "ws", State: "open", Up: true}}}},
		Peers:     []web.Peer{{Collector: "rrc00", Address: netip.MustParseAddr("192.0.2.1"), ASN: 64501, State: "up", Table: [2]bool{true, false}}},
		Incidents: []watch.Incident{incident(2)}, Gaps: []watch.Gap{gap()}}}
	if err := w.memory.Write(context.Background(), &timeline.Batch{Recorded: at(60), Changes: changes(), Records: records(t), Cursors: map[string]uint64{"routes": 1}}); err != nil {
		t.Fatal(err)
	}
	for i, r := range records(t) {
		if slices.Contains([]timeline.RecordKind{timeline.Event, timeline.Incident, timeline.Gap}, r.Kind) {
			w.log.put(string(r.Kind), uint64(i+1), r.Body)
		}
	}
	return w
}

func incident(revision int) watch.Incident {
	return watch.Incident{Type: "incident", ID: "i1", Revision: revision, At: at(30 + revision), Hoster: "mccolo", Phase: watch.Open, Class: watch.Depeered, Severity: watch.Critical,
		Opened: at(30), Confirmed: at(31), Lost: []uint32{6939}, Remaining: []uint32{3549}, Gained: []uint32{}, Prefixes: []netip.Prefix{mccolo}, Events: []string{"e1"},
		Summary: "AS6939 dropped McColo Corp.; AS3549 carries it on"}
}

func gap() watch.Gap {
	return watch.Gap{Type: "gap", ID: "g1", Revision: 1, Source: "rislive", Collector: "rrc00", Reason: "session lost", From: at(10), To: pointer(at(12)), Peers: 1, Listed: []string{"AS64501 192.0.2.1 at rrc00"}}
}

func event() watch.Event {
	return watch.Event{Type: "event", ID: "e1", Kind: watch.UpstreamLost, At: at(31), FirstSeen: at(30), Hoster: pointer("mccolo"), ASN: 26780, Upstream: 6939, Family: 4,
		Prefixes: []netip.Prefix{mccolo}, Before: 0.6, Eligible: 3, Severity: watch.Critical, Incident: pointer("i1"), Sources: []string{"rrc00"},
		Evidence: []watch.Evidence{{At: at(30), Collector: "rrc00", Peer: netip.MustParseAddr("192.0.2.1"), PeerASN: 64501, Type: "A", Prefix: mccolo, Path: bgp.PathOf(64501, 3549, 26780)}}}
}

func migration() cnc.Migration {
	return cnc.Migration{Type: "event", ID: "m1", Revision: 1, Kind: "cnc.moved", At: at(50), Seen: at(45), Hoster: "mccolo", ASN: 26780, Incident: "i1", Family: "rustock",
		From: cnc.End{IP: netip.MustParseAddr("208.66.195.15"), Prefix: mccolo, ASN: 26780, Name: "MCCOLO"}, To: cnc.End{IP: netip.MustParseAddr("198.51.100.9"), ASN: 64999},
		How: "address", Lag: cnc.Lag(15 * time.Minute), Score: 6.5, Routing: 4, CNC: 2.5, Severity: "critical", Evidence: []cnc.Item{{Name: "upstream-lost", Points: 1, Text: "AS6939 lost", Records: []string{"e1"}}},
		Summary: "Rustock's move to AS64999 coincides with McColo's loss of AS6939", Caveats: []string{"one source"}}
}

func sighting() cnc.Sighting {
	return cnc.Sighting{Type: "sighting", ID: "s1", Source: "tracker", At: at(5), Family: "rustock", Label: "=Rustock", Kind: cnc.CNC, Addr: netip.MustParseAddr("208.66.195.15"), Port: 80, Confidence: 75,
		Place: &cnc.Place{Prefix: mccolo, Origins: []uint32{26780}, Upstreams: []uint32{6939, 3549}, Hoster: "mccolo", From: "timeline", At: at(5)}}
}

func changes() (out []timeline.Change) {
	for i, asn := range []uint32{64501, 64502, 64503} {
		peer := bgp.Peer{Collector: "rrc00", Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), ASN: asn}
		out = append(out, timeline.Change{At: at(0), What: timeline.Joined, Peer: peer},
			timeline.Change{At: at(0), What: timeline.Announced, Peer: peer, Prefix: mccolo, Path: bgp.PathOf(asn, 6939, 26780), Hosters: []string{"mccolo"}},
			timeline.Change{At: at(30), What: timeline.Announced, Peer: peer, Prefix: mccolo, Path: bgp.PathOf(asn, 3549, 26780), Hosters: []string{"mccolo"}})
	}
	slices.SortStableFunc(out, func(a, b timeline.Change) int { return a.At.Compare(b.At) })
	return out
}

func records(t testing.TB) []timeline.Record {
	t.Helper()
	body := func(x any) json.RawMessage {
		b, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	e, g, m, s := event(), gap(), migration(), sighting()
	eyes := watch.Event{Type: "event", ID: "e2", Kind: watch.FeedStale, At: at(40), FirstSeen: at(25), Severity: watch.Warning, Source: "rislive", Collector: "rrc00", PeersLost: 1}
	out := []timeline.Record{
		{Kind: timeline.Sighting, ID: "s1", At: s.At, Hoster: "mccolo", Word: "rustock", ASN: 26780, Prefixes: []netip.Prefix{netip.PrefixFrom(s.Addr, 32)}, Body: body(s)},
		{Kind: timeline.Migration, ID: "m1", Revision: 1, At: m.At, Hoster: "mccolo", Word: "rustock", ASN: 64999, Incident: "i1", Severity: watch.Critical, Body: body(m)},
		{Kind: timeline.Delivery, ID: "d1", At: at(33), Hoster: "mccolo", Incident: "i1", Word: "slack", Body: body(map[string]any{"type": "delivery", "id": "d1", "at": at(33), "receiver": "slack", "outcome": "failed", "incident": "i1", "revision": 1, "attempt": 2, "for": []string{"noc"}, "why": "503"})},
	}
	add := func(r timeline.Record, err error) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	add(timeline.OfEvent(&e))
	add(timeline.OfEvent(&eyes))
	add(timeline.OfGap(&g))
	for revision := 1; revision <= 2; revision++ {
		i := incident(revision)
		add(timeline.OfIncident(&i))
	}
	return out
}

func (w *world) deps() web.Deps {
	asker := &timeline.Asker{Reader: w.memory, Hosters: []watch.Hoster{{ID: "mccolo", Name: "McColo Corp.", ASNs: []uint32{26780}}}}
	return web.Deps{Monitor: w, Metrics: metricsPage, Logger: slog.New(slog.DiscardHandler), Version: "test",
		History: asker, BGPlay: asker.BGPlay, Still: asker.StillRouted, Difference: asker.Difference, About: asker.About, StillOf: asker.StillOf, Records: w.memory, Log: w.log,
		Said: w.desk.follow, Next: func(i watch.Incident) string { return "Check your own routes to " + i.Prefixes[0].String() },
		Silenced: func(ctx context.Context, i watch.Incident, _ []watch.Event) ([]web.Silence, error) {
			all, err := w.desk.Silences(ctx)
			return slices.DeleteFunc(all, func(s web.Silence) bool { return !slices.Contains(s.Match.Incidents, i.ID) }), err
		},
		Receivers: w.desk.Receivers, Rehearse: w.desk.Rehearse, ExplainAt: w.explainAt,
		Desk: w.desk, Subscribe: w.desk, Silence: w.desk, Sightings: w.desk, Playback: w.tape,
		Pictures: func(out io.Writer, t *timeline.Timeline, p web.Picture) error {
			o := picture.Options{Width: p.Width, Scale: p.Scale, Theme: picture.Theme(p.Theme), Now: p.Now}
			if p.PNG {
				return picture.PNG(out, t, o)
			}
			return picture.SVG(out, t, o)
		},
		Families: families{}, Register: families{}, Space: w.space,
		Dossier: func(_ context.Context, hoster string) (*cnc.Dossier, error) {
			if hoster != "mccolo" {
				return nil, fmt.Errorf("no hoster has the id %s: %w", hoster, web.ErrUnknown)
			}
			return &cnc.Dossier{Type: "dossier", Hoster: hoster, Name: "McColo Corp.", At: at(60), Families: []cnc.DossierFamily{{Family: "rustock", Since: at(5), Last: at(5), Hosts: 1, Fate: cnc.Moved, Moves: []cnc.Migration{migration()}}}}, nil
		},
	}
}

var metricsPage = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "depeer_events_total 3\n") })

// start serves until the test ends.
func start(t testing.TB, cfg web.Config, deps web.Deps, before ...func(*web.Server)) *web.Server {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	s, err := web.Listen(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range before {
		f(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	return s
}

// answered is an answer that was read.
type answered struct {
	status int
	header http.Header
	body   string
}

// caller asks, with headers as pairs.
type caller struct {
	t      testing.TB
	base   string
	client *http.Client
}

func newCaller(t testing.TB, s *web.Server) *caller {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &caller{t, "http://" + s.Addr().String(), &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (c *caller) ask(method, path string, body io.Reader, headers ...string) answered {
	c.t.Helper()
	req, err := http.NewRequest(method, c.base+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		} else {
			req.Header.Add(headers[i], headers[i+1])
		}
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answered{resp.StatusCode, resp.Header, string(text)}
}

func (c *caller) get(path string, headers ...string) answered {
	return c.ask(http.MethodGet, path, nil, headers...)
}

// shelf is a log in memory.
type shelf struct {
	mu      sync.Mutex
	entries []web.Entry
	news    chan struct{}
	follows int // how often it was read
}

func newShelf() *shelf { return &shelf{news: make(chan struct{})} }

func (s *shelf) put(kind string, number uint64, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, web.Entry{Kind: kind, Number: number, Body: body})
	close(s.news)
	s.news = make(chan struct{})
}

func (s *shelf) Ends(context.Context) (web.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := web.Position{"event": 0, "incident": 0, "gap": 0}
	for _, e := range s.entries {
		p[e.Kind] = max(p[e.Kind], e.Number)
	}
	return p, nil
}

func (s *shelf) Follow(ctx context.Context, after web.Position, tell func(web.Entry) error) error {
	s.mu.Lock()
	s.follows++
	s.mu.Unlock()
	for i := 0; ; {
		s.mu.Lock()
		todo, news := s.entries[i:], s.news
		s.mu.Unlock()
		for _, e := range todo {
			if ctx.Err() != nil {
				return nil
			}
			if e.Number > after[e.Kind] {
				if err := tell(e); err != nil {
					return err
				}
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

// desk keeps what people do, in memory.
type desk struct {
	mu     sync.Mutex
	notes  map[string][]web.Note
	subs   []web.Subscription
	quiet  []web.Silence
	taken  []cnc.Sighting
	who    []string
	number int
	heard  chan web.Said // what is said, for the stream
}

func (d *desk) follow(ctx context.Context, tell func(web.Said)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-d.heard:
			tell(n)
		}
	}
}

func (d *desk) say(incident, who, text string, ack bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if incident != "i1" {
		return fmt.Errorf("no incident has the id %s: %w", incident, web.ErrUnknown)
	}
	if d.notes == nil {
		d.notes = map[string][]web.Note{}
	}
	d.notes[incident] = append(d.notes[incident], web.Note{At: at(60), Who: who, Ack: ack, Text: text})
	d.heard <- web.Said{Incident: incident, Note: web.Note{At: at(60), Who: who, Ack: ack, Text: text}}
	return nil
}

func (d *desk) Ack(_ context.Context, incident, who, text string) error {
	return d.say(incident, who, text, true)
}

func (d *desk) Comment(_ context.Context, incident, who, text string) error {
	return d.say(incident, who, text, false)
}

func (d *desk) Notes(_ context.Context, incident string) ([]web.Note, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.notes[incident]), nil
}

func (d *desk) Subscriptions(context.Context) ([]web.Subscription, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.subs), nil
}

func (d *desk) Subscribe(_ context.Context, who string, s web.Subscription) (web.Subscription, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(s.To, "slack") {
		return s, fmt.Errorf("to[0]: %q is no receiver (slack): %w", s.To, web.ErrRefused)
	}
	s.By = who
	d.subs = append(slices.DeleteFunc(d.subs, func(x web.Subscription) bool { return x.Name == s.Name }), s)
	slices.SortFunc(d.subs, func(a, b web.Subscription) int { return cmp.Compare(a.Name, b.Name) })
	return s, nil
}

func (d *desk) Unsubscribe(_ context.Context, _, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.subs)
	if d.subs = slices.DeleteFunc(d.subs, func(x web.Subscription) bool { return x.Name == name }); len(d.subs) == n {
		return fmt.Errorf("no subscription is called %s: %w", name, web.ErrUnknown)
	}
	return nil
}

func (d *desk) Silences(context.Context) ([]web.Silence, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.quiet), nil
}

func (d *desk) Silence(_ context.Context, _ string, s web.Silence) (web.Silence, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.number++
	s.ID = fmt.Sprint("q", d.number)
	d.quiet = append(d.quiet, s)
	return s, nil
}

func (d *desk) Unsilence(_ context.Context, _, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.quiet)
	if d.quiet = slices.DeleteFunc(d.quiet, func(x web.Silence) bool { return x.ID == id }); len(d.quiet) == n {
		return fmt.Errorf("no silence has the id %s: %w", id, web.ErrUnknown)
	}
	return nil
}

func (d *desk) Take(_ context.Context, who string, list []cnc.Sighting) ([]error, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]error, len(list))
	for i, s := range list {
		if s.Addr.IsPrivate() {
			out[i] = errors.New("addr: a private address is nobody's")
			continue
		}
		d.taken, d.who = append(d.taken, s), append(d.who, who)
	}
	return out, nil
}
