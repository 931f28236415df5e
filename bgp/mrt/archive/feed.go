package archive

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"depeer/bgp"
	"depeer/bgp/mrt"
)

// Feed follows an archive.
type Feed struct {
	cfg    Config
	reader *Reader
	kick   chan struct{} // of capacity 1

	mu      sync.Mutex
	shown   []shown            // guarded by mu; by collector, in order of name
	counts  map[string]float64 // guarded by mu
	skipped mrt.Counts         // guarded by mu
	ready   bool               // guarded by mu
	busy    bool               // guarded by mu
	reason  string             // guarded by mu
	since   time.Time          // guarded by mu
}

var _ bgp.Feed = (*Feed)(nil)

// shown is what Health knows of a collector.
type shown struct {
	name   string
	state  string
	since  time.Time
	reason string
	until  time.Time
	heard  time.Time
	lag    time.Duration
	lost   bool
	peers  int
}

// New readies a feed; nothing is fetched, and nothing is written.
func New(cfg Config, deps Deps) (*Feed, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r, err := NewReader(cfg, deps)
	if err != nil {
		return nil, err
	}
	f := &Feed{cfg: cfg, reader: r, kick: make(chan struct{}, 1), counts: map[string]float64{}, reason: "not started"}
	for _, name := range slices.Sorted(slices.Values(cfg.Collectors)) {
		f.shown = append(f.shown, shown{name: name, state: "starting", reason: "not started"})
	}
	for _, c := range countHelp {
		f.counts[c.name] = 0
	}
	return f, nil
}

// Reader does errands in the same archive.
func (f *Feed) Reader() *Reader { return f.reader }

// Kick lets Run look now for what is due. It never blocks, and may be called
// before Run and after it: whoever schedules jobs calls it (Deps.Scheduled).
func (f *Feed) Kick() {
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// Every is how often to look for what is late, and to Kick a scheduled feed.
func (f *Feed) Every() time.Duration { return f.every() }

func (f *Feed) every() time.Duration {
	if f.cfg.Every > 0 {
		return f.cfg.Every
	}
	return time.Minute
}

// Delay is how far behind the world the feed always is: a file tells of what
// happened since it was begun.
func (f *Feed) Delay() time.Duration { return f.reader.layout.updates + 5*time.Minute }

// Until is the moment up to which all has been told of every collector, or told to
// be missing; zero before that is known.
func (f *Feed) Until() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	var least time.Time
	for i, s := range f.shown {
		if i == 0 || s.until.Before(least) {
			least = s.until
		}
	}
	return least
}

func (f *Feed) now() time.Time { return f.reader.deps.Now().UTC() }

// Run follows the collectors until ctx ends, or emit fails: its error is Run's.
// When the watchlist is replaced, every collector begins anew with its table, so
// that the new list is told what its routes are.
func (f *Feed) Run(ctx context.Context, emit func([]bgp.Update) error) error {
	list := make([]*collector, 0, len(f.shown))
	for _, s := range f.shown {
		c := &collector{name: s.name, sessions: mrt.NewSessions()}
		cur, err := f.loadCursor(s.name)
		if err != nil {
			f.count("cursor_errors", 1)
			f.reader.deps.Logger.Error("the cursor of an archive cannot be read: begins anew", "feed", f.cfg.Name, "error", err)
		}
		c.cur = cur
		c.become(f, "starting", "")
		list = append(list, c)
	}
	defer f.stopped()
	_, changed := f.reader.deps.Watch.List()
	for {
		select {
		case <-changed:
			_, changed = f.reader.deps.Watch.List()
			for _, c := range list {
				c.begun, c.anew, c.next = false, true, time.Time{}
			}
		default:
		}
		c, at := due(list)
		if c != nil && !f.now().Before(at) {
			if err := f.work(ctx, c, emit); err != nil {
				return err
			}
			f.show(c)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		if err := f.sleep(ctx, at, changed); err != nil {
			return err
		}
	}
}

// due chooses the collector whose turn is first: among those that are due now, the
// one that is furthest behind, so that files are read in order of time across
// collectors.
func due(list []*collector) (first *collector, at time.Time) {
	for _, c := range list {
		switch {
		case first == nil, c.next.Before(first.next),
			c.next.Equal(first.next) && c.rank().Before(first.rank()):
			first = c
		}
	}
	return first, first.next
}

// rank is where a collector stands: tables come before updates.
func (c *collector) rank() time.Time {
	if !c.begun {
		return time.Time{}
	}
	return c.cur.Done
}

// sleep waits until a moment, or for a kick where the feed is scheduled, or for
// another watchlist.
func (f *Feed) sleep(ctx context.Context, at time.Time, changed <-chan struct{}) error {
	var wake <-chan time.Time
	if !f.reader.deps.Scheduled {
		t := time.NewTimer(at.Sub(f.now()))
		defer t.Stop()
		wake = t.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wake:
	case <-changed:
	case <-f.kick:
	}
	return nil
}

// become notes a collector's state for Health.
func (c *collector) become(f *Feed, state, reason string) {
	if c.state != state {
		c.state, c.since = state, f.now()
	}
	c.reason = reason
	f.show(c)
}

func (f *Feed) show(c *collector) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i, ok := slices.BinarySearchFunc(f.shown, c.name, func(s shown, name string) int { return strings.Compare(s.name, name) })
	if ok {
		f.shown[i] = shown{c.name, c.state, c.since, c.reason, c.cur.Until, c.heard, c.lag, c.cur.Lost, len(c.cur.Peers)}
	}
	f.judge()
}

// up reports whether a collector is heard.
func (s *shown) up() bool {
	return !s.lost && (s.state == "following" || s.state == "late" || s.state == "unreachable") && !s.until.IsZero()
}

// judge sets whether the feed is ready. It is called with mu held.
func (f *Feed) judge() {
	ready, busy, reason := true, true, ""
	for _, s := range f.shown {
		if s.up() {
			continue
		}
		busy = busy && s.reason == "" && (s.state == "starting" || s.state == "seeding" || s.state == "catching up")
		if ready {
			ready, reason = false, s.name+" is "+s.state
			if s.reason != "" {
				reason += ": " + s.reason
			}
		}
	}
	if ready != f.ready || f.since.IsZero() {
		f.since = f.now()
	}
	f.ready, f.busy, f.reason = ready, busy && !ready, reason
}

func (f *Feed) stopped() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ready {
		f.since = f.now()
	}
	f.ready, f.busy, f.reason = false, false, "stopped"
}
