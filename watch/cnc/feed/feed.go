package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"depeer/bgp/fetch"
	"depeer/watch/cnc"
)

// Deps are what a [Feed] works with.
type Deps struct {
	Fetch    *fetch.Fetcher              // with a transport of [Keys] where feeds have keys
	Client   *http.Client                // of TAXII; nil: one of its own, 60 s a request
	Dir      string                      // where states and quarantine are kept
	Families *cnc.Families               // nil: DefaultFamilies
	ASN      func(netip.Addr) uint32     // who originates an address now; nil: nobody knows
	Flush    func(context.Context) error // waits until what was emitted is kept, before a download counts as handed out; nil: it is kept at once
	Logger   *slog.Logger                // nil: silent
}

// Report is what a look at a feed brought.
type Report struct {
	Verdict Verdict
	Stats   Stats
	New     bool // there was something that had not been handed out
	Given   int  // sightings that were handed out
	Aside   int  // of the accepted, those of families in quarantine
}

// Status is how a feed is.
type Status struct {
	Name    string
	Format  string
	Checked time.Time // when it was last looked for
	Good    time.Time // when a download was last believed
	Err     error     // why the last look brought nothing, nil where it did
	Failed  int       // looks in a row that failed
	Last    Report    // of the last download
}

// Feed is one source that is kept current. Its methods may be called from any goroutine.
type Feed struct {
	cfg  Config
	url  string
	dir  string
	deps Deps
	log  *slog.Logger

	turn  sync.Mutex // held by who refreshes
	state state      // guarded by turn
	known bool       // guarded by turn; the state was loaded

	mu     sync.Mutex
	status Status // guarded by mu
}

// New readies a feed; nothing is read.
func New(cfg Config, deps Deps) (*Feed, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Fetch == nil || deps.Dir == "" {
		return nil, errors.New("a feed needs a fetcher and a folder")
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Families == nil {
		deps.Families = cnc.DefaultFamilies()
	}
	if deps.Client == nil {
		deps.Client = &http.Client{Timeout: time.Minute, Transport: Keys(nil, []Config{cfg}), CheckRedirect: noRedirect}
	}
	f := &Feed{cfg: cfg, url: cfg.URL, dir: deps.Dir, deps: deps, log: deps.Logger, status: Status{Name: cfg.Name, Format: cfg.Format}}
	if cfg.Path != "" {
		abs, err := filepath.Abs(cfg.Path)
		if err != nil {
			return nil, fmt.Errorf("path: %w", err)
		}
		f.url = (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs)}).String()
	}
	return f, nil
}

// Every is how often to Refresh.
func (f *Feed) Every() time.Duration { return f.cfg.Every }

// Status says how the feed is.
func (f *Feed) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// Refresh looks for a new download, judges it, and hands its accepted sightings to emit. With an error
// nothing new is known: of a download that was not believed it is a [*Unbelieved]. A download is handed
// out until emit took all of it, also by the next process.
func (f *Feed) Refresh(ctx context.Context, now time.Time, emit func(cnc.Sighting) error) (r Report, err error) {
	f.turn.Lock()
	defer f.turn.Unlock()
	defer func() { f.looked(now, r, err) }()
	if !f.known {
		if err := f.loadState(); err != nil {
			return r, err
		}
		f.known = true
	}
	switch f.cfg.Format {
	case "taxii":
		return f.refreshTAXII(ctx, now, emit)
	case "misp-feed":
		return f.refreshMISP(ctx, now, emit)
	}
	return f.refreshFile(ctx, now, emit)
}

func (f *Feed) looked(now time.Time, r Report, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Checked, f.status.Err = now, err
	if r.New {
		f.status.Last = r
	}
	if err != nil {
		f.status.Failed++
		return
	}
	f.status.Failed, f.status.Good = 0, now
}

// Unbelieved is the error of a download that was refused or put in quarantine.
type Unbelieved struct {
	Name    string
	Verdict Verdict
}

func (u *Unbelieved) Error() string {
	return fmt.Sprintf("feed %s: %s: %s", u.Name, u.Verdict.Action, strings.Join(u.Verdict.Why, "; "))
}

// refreshFile is Refresh of a single file.
func (f *Feed) refreshFile(ctx context.Context, now time.Time, emit func(cnc.Sighting) error) (r Report, err error) {
	var profile Profile
	judged := false
	file, err := f.deps.Fetch.Get(ctx, fetch.Request{URL: f.url, Keep: true, Accept: func(path string) error {
		judged = true
		profile, r.Stats = f.survey([]string{path}, now, now)
		return f.judge(&r, profile, []string{path}, now)
	}})
	if err != nil {
		if u, ok := errors.AsType[*Unbelieved](err); ok {
			r.New = true
			return r, u
		}
		return r, err
	}
	defer file.Close()
	mark := file.Fetched.UTC().Format(time.RFC3339Nano)
	if mark == f.state.Done {
		return r, nil
	}
	if !judged { // it was fetched before, and not handed out whole
		profile, r.Stats = f.survey([]string{file.Path}, now, now)
		if err := f.judge(&r, profile, []string{file.Path}, now); err != nil {
			r.New = true
			return r, err
		}
	}
	if err := f.hand(ctx, &r, []string{file.Path}, f.seenAt(file, now), now, emit); err != nil {
		return r, err
	}
	f.state.Done, f.state.Profile, f.state.Since = mark, &profile, time.Time{}
	return r, f.saveState()
}

// seenAt is the time of entries that have none: when the list was made, as its server says, to the day, so
// that the same list gives the same sightings all day.
func (f *Feed) seenAt(file *fetch.File, now time.Time) time.Time {
	at := now
	if m := file.Modified; !m.IsZero() && m.Before(now) && now.Sub(m) < 31*24*time.Hour {
		at = m
	}
	return at.UTC().Truncate(24 * time.Hour)
}

func (f *Feed) options(at, now time.Time) Options {
	format := f.cfg.Format
	o := Options{Source: f.cfg.Name, Name: filepath.Base(f.cfg.Path), Families: f.deps.Families, Family: f.cfg.Family, Kind: cnc.Kind(f.cfg.Kind), Confidence: f.cfg.Confidence,
		At: at, Precision: "day", Now: now, Mapping: f.cfg.Mapping, MaxBytes: f.cfg.Limits.MaxBytes, MaxEntries: f.cfg.Limits.MaxEntries}
	if u, err := url.Parse(f.url); err == nil && f.cfg.Path == "" {
		o.Name, _ = url.PathUnescape(u.Path[strings.LastIndexByte(u.Path, '/')+1:])
	}
	if format == "notes" || format == "c2-tracker" {
		o.Name = f.url[strings.LastIndexByte(f.url, '/')+1:]
		if name, err := url.PathUnescape(o.Name); err == nil {
			o.Name = name
		}
	}
	return o
}

// read parses files, one after the other, as one download.
func (f *Feed) read(paths []string, o Options, into func(cnc.Sighting)) (all Stats, err error) {
	for _, p := range paths {
		file, err := os.Open(p)
		if err != nil {
			return all, err
		}
		stats, err := Parse(f.parser(), file, o, into)
		file.Close()
		all.Add(stats)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func (f *Feed) parser() string {
	switch f.cfg.Format {
	case "taxii":
		return "stix"
	case "misp-feed":
		return "misp"
	}
	return f.cfg.Format
}

// survey reads a download without believing it.
func (f *Feed) survey(paths []string, at, now time.Time) (Profile, Stats) {
	g := newGather(f.deps.ASN)
	stats, err := f.read(paths, f.options(at, now), g.add)
	return g.profile(stats, err), stats
}

// judge decides whether a download may be believed. One that is put in quarantine is kept aside.
func (f *Feed) judge(r *Report, p Profile, paths []string, now time.Time) error {
	r.Verdict = Inspect(p, f.state.Profile, f.cfg.Limits)
	if r.Verdict.Action == Believe {
		return nil
	}
	if r.Verdict.Action == Quarantine {
		if f.state.Since.IsZero() {
			f.state.Since = now
		}
		if wait := f.cfg.Limits.Patience; r.Verdict.Shrunken && len(r.Verdict.Why) == 1 && wait > 0 && now.Sub(f.state.Since) >= wait {
			f.log.Warn("a feed has been so for long: it is believed", "feed", f.cfg.Name, "since", f.state.Since, "why", r.Verdict.Why)
			r.Verdict.Action = Believe
			return nil
		}
		if err := f.keepAside(paths); err != nil {
			f.log.Error("quarantine", "feed", f.cfg.Name, "err", err)
		}
	}
	if err := f.saveState(); err != nil {
		return err
	}
	return &Unbelieved{f.cfg.Name, r.Verdict}
}

// keepAside copies what is in quarantine to where people find it: quarantine/NAME, the last one of each feed.
func (f *Feed) keepAside(paths []string) error {
	dir := filepath.Join(f.dir, "quarantine")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(dir, f.cfg.Name))
	if err != nil {
		return err
	}
	defer out.Close()
	for _, p := range paths {
		in, err := os.Open(p)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		in.Close()
		if err != nil {
			return err
		}
	}
	return out.Close()
}

// hand reads a believed download again and gives its sightings out.
func (f *Feed) hand(ctx context.Context, r *Report, paths []string, at, now time.Time, emit func(cnc.Sighting) error) error {
	r.New = true
	if len(r.Verdict.Why) > 0 {
		f.log.Warn("a feed changed", "feed", f.cfg.Name, "why", r.Verdict.Why)
	}
	var failed error
	_, err := f.read(paths, f.options(at, now), func(s cnc.Sighting) {
		if failed != nil {
			return
		}
		if slices.Contains(r.Verdict.Risen, s.Family) {
			r.Aside++
			return
		}
		s.DualUse = s.DualUse || f.cfg.DualUse
		if failed = emit(s); failed == nil {
			r.Given++
		}
	})
	if failed == nil && err == nil && f.deps.Flush != nil {
		failed = f.deps.Flush(ctx)
	}
	return errors.Join(failed, err)
}
