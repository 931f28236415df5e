package archive

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"depeer/bgp"
	"depeer/bgp/fetch"
	"depeer/bgp/mrt"
)

// Reader does errands in an archive. Its methods may be called from any goroutine.
type Reader struct {
	layout layout
	cfg    Config
	deps   Deps

	mu      sync.Mutex
	indexes map[string]*index // guarded by mu; by folder
}

// NewReader readies a reader of the archive that cfg names; its collectors are not
// used. Nothing is fetched.
func NewReader(cfg Config, deps Deps) (*Reader, error) {
	if err := errors.Join(cfg.place()...); err != nil {
		return nil, err
	}
	if err := deps.ready(); err != nil {
		return nil, err
	}
	return &Reader{layout: layoutOf(cfg.Archive, cfg.URL), cfg: cfg, deps: deps, indexes: map[string]*index{}}, nil
}

// Hole is a part of what was asked for that an archive could not give.
type Hole struct {
	Collector string
	From, To  time.Time
	File      string // its name
	Coming    bool   // it may still appear: asking later makes sense
	Err       error
}

func (h *Hole) Error() string { return h.Collector + " " + h.File + ": " + h.Err.Error() }

func (h *Hole) Unwrap() error { return h.Err }

// Holes gives the holes that an error of Seed or Backfill tells of, in order.
func Holes(err error) (out []*Hole) {
	if h, ok := err.(*Hole); ok {
		return []*Hole{h}
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			out = append(out, Holes(e)...)
		}
	}
	return out
}

var (
	errMissing = errors.New("is missing")
	errNotYet  = errors.New("is not there yet")
	errNoDump  = errors.New("no table dump can be read")
)

// fatal is an error that is not the archive's: of the emit function or the context.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// reading is how a file is read.
type reading struct {
	collector string
	from, to  time.Time
	sessions  *mrt.Sessions
}

// read fetches a file and emits what is wanted of it. An error that is not fatal
// is the file's; what precedes the fault has been emitted.
func (r *Reader) read(ctx context.Context, f file, as reading, emit func([]bgp.Update) error) (mrt.Stats, error) {
	got, err := r.deps.Fetch.Get(ctx, fetch.Request{URL: f.url})
	if ctx.Err() != nil {
		got.Close()
		return mrt.Stats{}, fatal{ctx.Err()}
	}
	if err != nil {
		return mrt.Stats{}, err
	}
	defer got.Close()
	if err := sound(got, f.name); err != nil {
		return mrt.Stats{}, &brokenFile{err}
	}
	var refused error
	s := mrt.NewSource(mrt.Config{Inputs: []string{got.Path}, Of: as.collector, From: as.from, To: as.to,
		Shared: r.deps.Watch, Sessions: as.sessions})
	err = s.Run(ctx, func(batch []bgp.Update) error {
		refused = emit(batch)
		return refused
	})
	switch {
	case refused != nil:
		return s.Stats(), fatal{refused}
	case ctx.Err() != nil:
		return s.Stats(), fatal{ctx.Err()}
	case err != nil:
		return s.Stats(), &brokenFile{err}
	}
	return s.Stats(), nil
}

// brokenFile is a file that was fetched and cannot be read to its end.
type brokenFile struct{ error }

func (b *brokenFile) Unwrap() error { return b.error }

// seed emits the latest table before a moment. It gives the dump's time.
func (r *Reader) seed(ctx context.Context, collector string, at time.Time, sessions *mrt.Sessions, emit func([]bgp.Update) error) (time.Time, mrt.Stats, error) {
	var all mrt.Stats
	tries, err := r.dumpsBefore(ctx, collector, at)
	if err != nil {
		return time.Time{}, all, err
	}
	var faults []error
	for _, f := range tries {
		s, err := r.read(ctx, f, reading{collector: collector, sessions: sessions}, emit)
		add(&all, s)
		if err == nil {
			return f.at, all, nil
		}
		_, over := err.(fatal)
		_, broken := errors.AsType[*brokenFile](err)
		if over || !broken && !fetch.Missing(err) {
			return time.Time{}, all, err // it could not be asked for
		}
		faults = append(faults, fmt.Errorf("%s: %w", f.name, err))
		r.deps.Logger.Warn("a table dump cannot be read", "collector", collector, "file", f.name, "error", err)
	}
	return time.Time{}, all, fmt.Errorf("%w: %w", errNoDump, errors.Join(faults...))
}

// add sums what was read.
func add(to *mrt.Stats, s mrt.Stats) {
	to.Files += s.Files
	to.Messages += s.Messages
	to.Elements += s.Elements
	to.Matched += s.Matched
	to.Late += s.Late
	to.Skipped.Add(&s.Skipped)
}

// Seed emits what every peer of the collectors held at a moment: for each the
// latest table before it, and the updates up to it. A live feed of the same
// collectors is seeded so before it starts; since the last minutes are not in the
// archive yet, their Hole is Coming, and is to be filled with Backfill later.
//
// What cannot be had of one collector does not keep the others from being read;
// the errors come together. An error of emit ends it at once.
func (r *Reader) Seed(ctx context.Context, collectors []string, at time.Time, emit func([]bgp.Update) error) error {
	var faults []error
	for _, c := range collectors {
		if err := r.cfg.collector(c); err != nil {
			faults = append(faults, err)
			continue
		}
		sessions := mrt.NewSessions()
		dump, _, err := r.seed(ctx, c, at, sessions, emit)
		if err == nil {
			// The dump takes a while to write: what was said meanwhile is in the updates.
			err = r.backfill(ctx, c, dump, at, sessions, emit)
		} else if _, ok := err.(fatal); !ok {
			err = &Hole{Collector: c, To: at, File: "table dump", Err: err}
		}
		if f, ok := err.(fatal); ok {
			return f.error
		}
		if err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// Backfill emits the updates of a collector that were recorded between two
// moments, both included. What the archive does not have is told as [Hole]s, after
// all else has been emitted; nil means that nothing is missing.
func (r *Reader) Backfill(ctx context.Context, collector string, from, to time.Time, emit func([]bgp.Update) error) error {
	if err := r.cfg.collector(collector); err != nil {
		return err
	}
	err := r.backfill(ctx, collector, from, to, mrt.NewSessions(), emit)
	if f, ok := err.(fatal); ok {
		return f.error
	}
	return err
}

func (r *Reader) backfill(ctx context.Context, collector string, from, to time.Time, sessions *mrt.Sessions, emit func([]bgp.Update) error) error {
	list, pace, err := r.covering(ctx, collector, from, to)
	if err != nil {
		if ctx.Err() != nil {
			return fatal{ctx.Err()}
		}
		return err
	}
	var faults []error
	missing := func(f file, to time.Time, err error) {
		coming := r.deps.Now().Before(f.at.Add(pace + r.patience()))
		if coming && err == errMissing {
			err = errNotYet
		}
		faults = append(faults, &Hole{Collector: collector, From: f.at, To: to, File: f.name, Coming: coming, Err: err})
	}
	until := from // all before has been read, or is a hole
	for i, f := range list {
		if i > 0 && hole(list[i-1].at, f.at, pace) {
			missing(r.layout.derived(collector, updates, list[i-1].at.Add(pace)), f.at, errMissing)
		} else if i == 0 && f.at.After(from) {
			missing(r.layout.derived(collector, updates, from), f.at, errMissing)
		}
		until = f.at.Add(pace)
		_, err := r.read(ctx, f, reading{collector: collector, from: from, to: to, sessions: sessions}, emit)
		if err == nil {
			continue
		}
		if _, ok := err.(fatal); ok {
			return err
		}
		if fetch.Missing(err) {
			err = errMissing
		}
		missing(f, minTime(until, to), err)
	}
	if until.Before(to) {
		missing(r.layout.derived(collector, updates, until), to, errMissing)
	}
	return errors.Join(faults...)
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// covering gives the files of updates that cover the time between two moments:
// from the index, or derived where there is none.
func (r *Reader) covering(ctx context.Context, collector string, from, to time.Time) ([]file, time.Duration, error) {
	// A day before, to find the file in which from lies, and the pace.
	list, known, err := r.between(ctx, collector, updates, from.Add(-24*time.Hour), to, r.layout.updates)
	if err != nil {
		return nil, 0, err
	}
	if !known && len(list) == 0 {
		step := r.layout.updates
		for t := from.UTC().Truncate(step); !t.After(to); t = t.Add(step) {
			list = append(list, r.layout.derived(collector, updates, t))
		}
		return list, step, nil
	}
	pace := r.layout.pace(list)
	first := 0
	for i, f := range list {
		if !f.at.After(from) {
			first = i
		}
	}
	if len(list) > 0 && hole(list[first].at, from, pace) && list[first].at.Before(from) {
		first++ // it ended long before
	}
	return list[first:], pace, nil
}

func (r *Reader) patience() time.Duration {
	if r.cfg.Patience > 0 {
		return r.cfg.Patience
	}
	return DefaultConfig().Patience
}
