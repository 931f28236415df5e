package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"depeer/bgp"
	"depeer/bgp/fetch"
	"depeer/bgp/mrt"
	"depeer/bgp/mrt/archive"
	"depeer/bgp/wire"
	"depeer/bus"
	"depeer/watch"
)

// fetcher is the one polite downloader of the process.
func newFetcher(cfg RunConfig, deps fetch.Deps) (*fetch.Fetcher, error) {
	f := fetch.DefaultConfig()
	f.Dir = filepath.Join(cfg.State, "fetched")
	f.UserAgent = "depeer/" + thisBuild().Version
	return fetch.New(f, deps)
}

// archiveFeed readies an archive that is followed.
func (m *monitor) archiveFeed(f *liveFeed, s *SourceConfig, shared *wire.Shared) {
	deps := archive.Deps{Watch: shared, Fetch: m.fetch, Dir: filepath.Join(m.cfg.Run.State, "cursors", f.name),
		Logger: m.log.With("feed", f.name), Fresh: m.judge != nil && m.judge.fresh}
	f.careful = true
	f.make = func() (bgp.Feed, error) {
		a, err := archive.New(s.Archive, deps)
		deps.Fresh = false // what it told before it failed is in the log
		return a, err
	}
	f.delay = time.Hour
	if a, err := archive.New(s.Archive, deps); err == nil {
		f.delay = a.Delay()
	}
	f.until = func(feed bgp.Feed) time.Time { return feed.(*archive.Feed).Until() }
}

// archiveJobs look for files that are late, of the archives that are followed; those that
// come in time the feed knows when to expect.
func (m *monitor) archiveJobs() (out []job) {
	if m.collect.Load() == nil {
		return nil
	}
	for i, f := range m.collect.Load().feeds {
		if !m.cfg.Sources[i].isArchive() {
			continue
		}
		out = append(out, job{"archive " + f.name, cmp.Or(m.cfg.Sources[i].Archive.Every, time.Minute), func(context.Context) error {
			if feed := f.feed.Load(); feed != nil {
				(*feed).(*archive.Feed).Kick()
			}
			return nil
		}})
	}
	return out
}

// recordingFeed readies a recording that is read once, as the past of what the
// other feeds hear.
func (m *monitor) recordingFeed(f *liveFeed, s *SourceConfig, shared *wire.Shared) {
	f.careful, f.delay = true, recordedDelay
	f.make = func() (bgp.Feed, error) {
		return &recording{input: s.MRT.Path + s.MRT.URL, shared: shared, since: time.Now()}, nil
	}
	f.until = func(feed bgp.Feed) time.Time { return feed.(*recording).reached() }
}

// recordedDelay marks a feed that tells of the past: no live feed waits for it.
const recordedDelay = 365 * 24 * time.Hour

// recording is a file, a folder or an address of MRT records as a feed.
type recording struct {
	input  string
	shared *wire.Shared

	mu    sync.Mutex
	since time.Time // guarded by mu; of the present state
	done  bool      // guarded by mu
	last  time.Time // guarded by mu; of the last update that was emitted
	count uint64    // guarded by mu
}

var _ bgp.Feed = (*recording)(nil)

// Run reads the recording, and then waits for the end.
func (r *recording) Run(ctx context.Context, emit func([]bgp.Update) error) error {
	s := mrt.NewSource(mrt.Config{Inputs: []string{r.input}, Shared: r.shared})
	err := s.Run(ctx, func(batch []bgp.Update) error {
		r.mu.Lock()
		for i := range batch {
			if batch[i].At.After(r.last) {
				r.last = batch[i].At
			}
		}
		r.count += uint64(len(batch))
		r.mu.Unlock()
		return emit(batch)
	})
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.done, r.since = true, time.Now()
	r.last = r.last.Add(time.Minute) // its last second is over
	r.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

func (r *recording) reached() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Health is ready once all has been read.
func (r *recording) Health(time.Time) bgp.Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := bgp.Health{Ready: r.done, Since: r.since, Heard: r.last,
		Counts: []bgp.Count{{Name: "recorded_updates", Help: "watched updates read from the recording", Value: float64(r.count)}}}
	if !r.done {
		h.Busy, h.Reason = true, "the recording is still being read"
	}
	return h
}

// Gaps are filled when the archives are likely to have them, and not for ever.
const (
	fillAfter  = 7 * time.Minute // RIS writes a file every 5 minutes
	fillWithin = 48 * time.Hour
	fillsAJob  = 20
)

// holeBook is what the ledger of the judgement, in this process or another one, says of
// the gaps that may still be filled.
type holeBook struct {
	mu   sync.Mutex
	gaps map[string]watch.Gap // guarded by mu; the latest revision of each, by id
}

// read follows the ledger until ctx ends.
func (h *holeBook) read(ctx context.Context, b *bus.Bus) error {
	return b.Consume(ctx, bus.Gaps, bus.Consumer{}, func(_ context.Context, m bus.Message) error {
		g, err := m.Gap()
		if err != nil {
			return fmt.Errorf("%w: %w", bus.ErrDrop, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.gaps[g.ID] = g
		if g.Filled != nil || g.To != nil && time.Since(*g.To) > fillWithin {
			delete(h.gaps, g.ID)
		}
		return nil
	})
}

// due lists the gaps that the archives are likely to have by now, the oldest first.
func (h *holeBook) due(now time.Time) (out []watch.Gap) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, g := range h.gaps {
		switch {
		case g.To == nil || now.Sub(*g.To) < fillAfter:
		case now.Sub(*g.To) > fillWithin:
			delete(h.gaps, id)
		default:
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b watch.Gap) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.ID, b.ID)) })
	return out
}

// forget: it was filled, or cannot be.
func (h *holeBook) forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.gaps, id)
}

// fillGaps reads from the archives what the feeds missed. What is told late corrects
// the table, and what is judged from it is told as of now.
func (m *monitor) fillGaps(ctx context.Context) error {
	var errs []error
	done := 0
	for _, g := range m.holes.due(time.Now()) {
		r, feed := m.readerFor(g.Collector)
		if r == nil {
			m.holes.forget(g.ID) // nobody recorded it
			continue
		}
		if done++; done > fillsAJob {
			break
		}
		if err := m.fill(ctx, r, feed, g); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// fill reads what one gap missed.
func (m *monitor) fill(ctx context.Context, r *archive.Reader, feed *liveFeed, g watch.Gap) error {
	n := 0
	// The pulse before the gap was the last that is sure; files begin on full minutes.
	err := r.Backfill(ctx, g.Collector, g.From.Add(-time.Minute), g.To.Add(time.Minute), func(batch []bgp.Update) error {
		words := batch[:0:0]
		for _, u := range batch {
			// Of the sessions the ledger knows; what the peers said is missing.
			if u.Kind == bgp.Announce || u.Kind == bgp.Withdraw {
				words = append(words, u)
			}
		}
		n += len(words)
		return m.collect.Load().emit(ctx, m.collect.Load().filler, words)
	})
	if slices.ContainsFunc(archive.Holes(err), func(h *archive.Hole) bool { return h.Coming }) || ctx.Err() != nil {
		return nil // not all of it is in the archive yet: the next time
	}
	m.holes.forget(g.ID)
	if err != nil {
		return fmt.Errorf("the gap of %s from %s to %s stays: %w", g.Collector, g.From.Format(time.RFC3339), g.To.Format(time.RFC3339), err)
	}
	feed.mu.Lock()
	feed.filled = append(feed.filled, g.ID)
	feed.mu.Unlock()
	m.log.Info("a gap was filled from the archive", "collector", g.Collector, "from", g.From, "to", *g.To, "updates", n)
	return nil
}

// readerFor finds the archive that has what a collector of a live feed heard.
func (m *monitor) readerFor(collector string) (*archive.Reader, *liveFeed) {
	kind := ""
	switch {
	case strings.HasPrefix(collector, "rrc"):
		kind = archive.RIS
	case strings.HasPrefix(collector, "route-views"):
		kind = archive.RouteViews
	default:
		return nil, nil // our own sessions: nobody recorded them
	}
	var feed *liveFeed
	cfg := archive.DefaultConfig()
	for i := range m.cfg.Sources {
		s := &m.cfg.Sources[i]
		if s.Type == "rislive" && kind == archive.RIS {
			feed = m.collect.Load().feeds[i]
		}
		if s.isArchive() && s.Archive.Archive == kind {
			cfg = s.Archive
		}
	}
	if feed == nil {
		return nil, nil // an archive has no gaps that it could fill itself
	}
	cfg.Archive, cfg.Collectors = kind, []string{collector}
	r, err := archive.NewReader(cfg, archive.Deps{Watch: m.collect.Load().shared, Fetch: m.fetch, Logger: m.log})
	if err != nil {
		m.log.Error("fill gaps", "collector", collector, "err", err)
		return nil, nil
	}
	return r, feed
}

// fillerName is the feed of what was read later from the archives.
const fillerName = "backfill"
