package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"depeer/bus"
	"depeer/notify"
	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/timeline"
	"depeer/watch/timeline/picture"
	"depeer/web"
	"depeer/web/access"
	"depeer/web/ui"
)

// startWeb opens the listener, and serves until everything else that it asks has ended.
func (m *monitor) startWeb(s *stopper) error {
	server, err := web.Listen(m.cfg.Web, m.webDeps(s))
	if err != nil {
		return err
	}
	m.web.Store(server)
	m.start(s, "web", server.Run)
	return nil
}

func (m *monitor) webAddr() string {
	if server := m.web.Load(); server != nil {
		return server.Addr().String()
	}
	return ""
}

// pages is where a browser finds the board, or why it does not.
func (m *monitor) pages() string {
	if _, built := ui.Files(); m.web.Load() == nil {
		return "none: nothing listens (web.listen)"
	} else if !built {
		return "none: this depeer was built without them"
	}
	return serverOf(&Config{Web: web.Config{Listen: m.webAddr(), URL: m.cfg.Web.URL, TLS: m.cfg.Web.TLS, Auth: m.cfg.Web.Auth}}) + "/"
}

// tokenFile is where the API tokens of a configuration lie.
func tokenFile(cfg *Config) *access.Tokens {
	return access.NewTokens(filepath.Join(cfg.Run.State, access.TokenFile))
}

// webDeps joins the parts that answer.
func (m *monitor) webDeps(s *stopper) web.Deps {
	d := web.Deps{Monitor: m, Metrics: m.metrics, Logger: m.log, Version: thisBuild().Version, Log: busLog{m.bus}, Tokens: tokenFile(m.cfg)}
	var past *pastOf
	if !m.cfg.Timeline.Off {
		past = &pastOf{m: m}
		s.add("past", func(context.Context) error { return past.close() })
		d.History, d.Records, d.BGPlay, d.Still, d.Difference = past, past, past.BGPlay, past.Still, past.Difference
		d.About, d.StillOf = past.About, past.StillOf
		d.Pictures = drawPicture
		d.ExplainAt = past.ExplainAt
	}
	d.Space = func(ctx context.Context, p netip.Prefix) ([]web.Space, error) { return m.space(ctx, past, p) }
	d.Next = func(i watch.Incident) string { return notify.Next(&i) }
	if m.seen != nil {
		d.Sightings, d.RPKI = m.seen, m.seen.validate
	}
	if m.people != nil {
		d.Desk, d.Subscribe, d.Silence, d.Said = m.people, m.people, m.people, m.people.Said
		d.Receivers = m.people.Receivers
		d.Rehearse = func(ctx context.Context, q web.Rehearse) (*web.Rehearsed, error) {
			return m.people.Rehearse(ctx, m.bus, m.hoster, q)
		}
		d.Silenced = func(ctx context.Context, i watch.Incident, events []watch.Event) ([]web.Silence, error) {
			return m.people.Silenced(ctx, i, events, m.hoster(i.Hoster))
		}
	}
	if m.herald != nil {
		d.Hook = m.herald.hook
	}
	if m.moves != nil {
		d.Dossier = m.dossier
		d.Families = familiesOf{m.moves, m.seen.families, func() time.Time { return time.Now().UTC() }}
		d.Register = m.seen.register()
	}
	return d
}

// dossier is what is known of the C&C servers of a hoster.
func (m *monitor) dossier(_ context.Context, hoster string) (*cnc.Dossier, error) {
	m.moves.mu.Lock()
	defer m.moves.mu.Unlock()
	d, ok := m.moves.judge.Dossier(hoster, time.Now().UTC())
	if !ok {
		return nil, fmt.Errorf("%w: no hoster has the id %s", web.ErrUnknown, hoster)
	}
	return &d, nil
}

func drawPicture(w io.Writer, t *timeline.Timeline, p web.Picture) error {
	o := picture.Options{Width: p.Width, Scale: p.Scale, Theme: picture.Theme(p.Theme), Now: p.Now}
	if p.PNG {
		return picture.PNG(w, t, o)
	}
	return picture.SVG(w, t, o)
}

// busLog is what the streams of the bus hold, for the live stream of the pages.
type busLog struct{ bus *bus.Bus }

var _ web.Log = busLog{}

var toldStreams = []struct {
	kind   string
	stream bus.Stream
}{{"event", bus.Events}, {"incident", bus.Incidents}, {"gap", bus.Gaps}}

// Ends gives the number of the last message of each stream.
func (b busLog) Ends(ctx context.Context) (web.Position, error) {
	p := web.Position{}
	for _, s := range toldStreams {
		where, err := b.bus.Position(ctx, s.stream)
		if err != nil {
			return nil, err
		}
		p[s.kind] = where.Last
	}
	return p, nil
}

// Follow reads the streams side by side, and tells one message after the other.
func (b busLog) Follow(ctx context.Context, after web.Position, tell func(web.Entry) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	var one sync.Mutex
	for _, s := range toldStreams {
		n, known := after[s.kind]
		all.Go(func() {
			err := b.bus.Consume(ctx, s.stream, bus.Consumer{After: n, New: !known}, func(_ context.Context, msg bus.Message) error {
				one.Lock()
				defer one.Unlock()
				if ctx.Err() != nil {
					return nil
				}
				return tell(web.Entry{Kind: s.kind, Number: msg.Sequence, Body: msg.Body})
			})
			if err == nil && ctx.Err() == nil {
				err = fmt.Errorf("%s: the stream has ended", s.stream)
			}
			cancel(err)
		})
	}
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// pastOf answers questions about the past: from the memory of this process where it judges, and from the
// store of the configuration where another one does.
type pastOf struct {
	m *monitor

	mu     sync.Mutex
	reader timeline.Store // guarded by mu; opened when it is asked for first, by a process without a memory of its own
	closed bool           // guarded by mu
}

var (
	_ web.History = (*pastOf)(nil)
	_ web.Records = (*pastOf)(nil)
)

func (p *pastOf) store(ctx context.Context) (timeline.Reader, error) {
	if x := p.m.memory.Load(); x != nil {
		return x.store, nil
	}
	if p.m.has(roleDetect) {
		return nil, fmt.Errorf("the timeline is not there yet%s: %w", cmp.Or(prefixed(": ", p.m.memoryTrouble()), ""), web.ErrLater)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("depeer is stopping: %w", web.ErrLater)
	}
	if p.reader == nil {
		reader, err := openTimelineReader(ctx, p.m.cfg)
		if err != nil {
			return nil, fmt.Errorf("the timeline cannot be read: %w: %w", err, web.ErrLater)
		}
		p.reader = reader
	}
	return p.reader, nil
}

func prefixed(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}

func (p *pastOf) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.reader == nil {
		return nil
	}
	return p.reader.Close()
}

func (p *pastOf) asker(ctx context.Context) (*timeline.Asker, error) {
	store, err := p.store(ctx)
	if err != nil {
		return nil, err
	}
	return &timeline.Asker{Reader: store, Hosters: p.m.lists.hosters(), Baseline: p.m.cfg.Policy.Baseline}, nil
}

// asked puts one question to the past.
func asked[T any](ctx context.Context, p *pastOf, question func(*timeline.Asker) (T, error)) (T, error) {
	a, err := p.asker(ctx)
	if err != nil {
		var none T
		return none, err
	}
	return question(a)
}

func (p *pastOf) Timeline(ctx context.Context, q timeline.Asking) (*timeline.Timeline, error) {
	return asked(ctx, p, func(a *timeline.Asker) (*timeline.Timeline, error) { return a.Timeline(ctx, q) })
}

func (p *pastOf) RoutesAt(ctx context.Context, q timeline.Asking) (*timeline.Routes, error) {
	return asked(ctx, p, func(a *timeline.Asker) (*timeline.Routes, error) { return a.RoutesAt(ctx, q) })
}

func (p *pastOf) Carried(ctx context.Context, q timeline.Asking) (*timeline.Carried, error) {
	return asked(ctx, p, func(a *timeline.Asker) (*timeline.Carried, error) { return a.Carried(ctx, q) })
}

// BGPlay gives the routes as BGPlay reads them.
func (p *pastOf) BGPlay(ctx context.Context, q timeline.Asking) (*timeline.BGPlay, error) {
	return asked(ctx, p, func(a *timeline.Asker) (*timeline.BGPlay, error) { return a.BGPlay(ctx, q) })
}

// Difference compares two moments.
func (p *pastOf) Difference(ctx context.Context, q timeline.Asking) (*timeline.Difference, error) {
	return asked(ctx, p, func(a *timeline.Asker) (*timeline.Difference, error) { return a.Difference(ctx, q) })
}

// About says what is remembered of a hoster, a prefix, an address or an AS.
func (p *pastOf) About(ctx context.Context, q timeline.Asking) (*timeline.About, error) {
	return asked(ctx, p, func(a *timeline.Asker) (*timeline.About, error) { return a.About(ctx, q) })
}

// Still says by whom every hoster is still routed.
func (p *pastOf) Still(ctx context.Context, at, believed time.Time) ([]timeline.Still, error) {
	return asked(ctx, p, func(a *timeline.Asker) ([]timeline.Still, error) { return a.StillRouted(ctx, at, believed) })
}

// StillOf says it of one hoster.
func (p *pastOf) StillOf(ctx context.Context, hoster string, at, believed time.Time) (*timeline.Still, error) {
	return asked(ctx, p, func(a *timeline.Asker) (*timeline.Still, error) { return a.StillOf(ctx, hoster, at, believed) })
}

// Records gives what was concluded and reported.
func (p *pastOf) Records(ctx context.Context, q timeline.RecordQuery) ([]timeline.Record, string, error) {
	store, err := p.store(ctx)
	if err != nil {
		return nil, "", err
	}
	return store.Records(ctx, q)
}

// web adds what moves in the listener.
func (x metrics) web(add addMetric) {
	server := x.m.web.Load()
	if server == nil {
		return
	}
	c := server.Counts()
	for status, n := range c.Answers {
		add(prometheus.CounterValue, "web_answers_total", "answers, by status", float64(n), "status", status)
	}
	for reason, n := range c.Refused {
		add(prometheus.CounterValue, "web_refused_total", "requests that were refused before they were looked at", float64(n), "reason", reason)
	}
	add(prometheus.GaugeValue, "web_stream_readers", "clients that read the live stream", float64(c.Readers))
	add(prometheus.CounterValue, "web_stream_cut_total", "readers of the live stream that were too slow and were sent away", float64(c.Cut))
}
