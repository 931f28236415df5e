package roster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"depeer/bgp/fetch"
	"depeer/watch"
)

// Keep decides whether a new list may replace the last good one: nil, or a
// [*Doubt] where it has less than MinKeep of the AS numbers and prefixes that the
// old one has. Who knows that a list really shrank sets min_keep to 0 once.
func (c *Config) Keep(old, next []watch.Hoster) error {
	have, get := size(old), size(next)
	if float64(get) < c.MinKeep*float64(have) {
		return &Doubt{Name: c.Name, Why: fmt.Sprintf("has %d AS numbers and prefixes, the last good one %d: less than min_keep (%g)", get, have, c.MinKeep)}
	}
	return nil
}

func size(list []watch.Hoster) (n int) {
	for i := range list {
		n += len(list[i].ASNs) + len(list[i].Prefixes)
	}
	return n
}

// Deps are what a [List] works with.
type Deps struct {
	Fetch  *fetch.Fetcher
	Logger *slog.Logger // nil: silent
}

// List is one list that is kept current. Its methods may be called from any goroutine.
type List struct {
	cfg Config
	url string
	get *fetch.Fetcher
	log *slog.Logger

	turn    sync.Mutex // held by who refreshes
	mu      sync.Mutex
	hosters []watch.Hoster // guarded by mu; never changed in place
	status  Status         // guarded by mu
}

// Status is how a list is.
type Status struct {
	Name    string
	Hosters int
	Fetched time.Time // when the copy in force was fetched, zero for none
	Checked time.Time // when it was last looked for
	Report  Report    // of the copy in force
	Err     error     // why the last look brought nothing, nil where it did
	Failed  int       // looks in a row that failed
}

// New readies a list; nothing is read.
func New(cfg Config, deps Deps) (*List, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Fetch == nil {
		return nil, errors.New("a watchlist needs a fetcher")
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	l := &List{cfg: cfg, url: cfg.URL, get: deps.Fetch, log: deps.Logger, status: Status{Name: cfg.Name}}
	if cfg.Path != "" {
		abs, err := filepath.Abs(cfg.Path)
		if err != nil {
			return nil, fmt.Errorf("path: %w", err)
		}
		l.url = (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs)}).String()
	}
	return l, nil
}

// Every is how often to Refresh.
func (l *List) Every() time.Duration { return l.cfg.Every }

// Hosters is the list in force. It is not to be changed.
func (l *List) Hosters() []watch.Hoster {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hosters
}

// Status says how the list is.
func (l *List) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// Load puts the last good copy on disk in force, without a network. It reports
// whether there is one.
func (l *List) Load() bool {
	l.turn.Lock()
	defer l.turn.Unlock()
	return l.load()
}

func (l *List) load() bool {
	f := l.get.Cached(l.url)
	if f == nil {
		return false
	}
	defer f.Close()
	hosters, report, err := l.parse(f.Path)
	if err != nil { // it was good for another configuration
		l.log.Warn("the copy of a watchlist cannot be used", "list", l.cfg.Name, "error", err)
		return false
	}
	l.put(hosters, report, f.Fetched)
	return true
}

func (l *List) parse(path string) ([]watch.Hoster, Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Report{}, err
	}
	defer f.Close()
	return Parse(f, l.cfg)
}

func (l *List) put(hosters []watch.Hoster, report Report, fetched time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hosters = hosters
	l.status.Hosters, l.status.Report, l.status.Fetched = len(hosters), report, fetched
}

// Refresh looks for a new list, and reports whether another one is in force than
// before. With an error the last good one stays in force; a [*Doubt] in it says that
// there was a list which is not believed.
func (l *List) Refresh(ctx context.Context) (changed bool, err error) {
	l.turn.Lock()
	defer l.turn.Unlock()
	defer func() { l.looked(err) }()
	if l.Hosters() == nil {
		changed = l.load() // what a new one is measured by
	}
	var hosters []watch.Hoster
	var report Report
	f, err := l.get.Get(ctx, fetch.Request{URL: l.url, Keep: true, Accept: func(path string) error {
		var err error
		if hosters, report, err = l.parse(path); err != nil {
			return err
		}
		return l.cfg.Keep(l.Hosters(), hosters)
	}})
	if err != nil {
		return changed, err
	}
	defer f.Close()
	if f.NotModified {
		if l.Hosters() != nil {
			return changed, nil
		}
		if hosters, report, err = l.parse(f.Path); err != nil {
			return changed, err
		}
	}
	if report.Refused > 0 {
		l.log.Warn("lines of a watchlist were refused", "list", l.cfg.Name, "refused", report.Refused, "lines", report.Lines, "first", report.Faults[0].String())
	}
	l.put(hosters, report, f.Fetched)
	return true, nil
}

func (l *List) looked(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Checked, l.status.Err = time.Now(), err
	if err == nil {
		l.status.Failed = 0
	} else {
		l.status.Failed++
	}
}
