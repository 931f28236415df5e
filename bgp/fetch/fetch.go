package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"depeer/bgp"
)

// Request is what to get.
type Request struct {
	URL string
	// Accept judges a new file before it takes the place of the last good one,
	// which stays where Accept returns an error. A file:// address is copied into
	// the cache where there is an Accept, so that it has a last good copy too.
	Accept func(path string) error
	Keep   bool          // never evicted
	Fresh  time.Duration // a copy that was checked so recently is given without asking
}

// File is a whole file in the cache. It stays there until Close.
type File struct {
	Path        string
	Size        int64
	NotModified bool      // it is the copy that the cache had
	Modified    time.Time // by its server; zero where it does not say
	Fetched     time.Time
	ContentType string // as the server named it

	release func()
}

// Close lets the file be evicted. It may be called twice, and on nil.
func (f *File) Close() {
	if f != nil && f.release != nil {
		f.release()
		f.release = nil
	}
}

// Error is what kept an address from being fetched. Status is the server's last
// answer, 0 where it gave none. Retry is when the server wants to be asked again,
// zero where it did not say.
type Error struct {
	URL    string // without password and query
	Status int
	Retry  time.Time
	Err    error
}

func (e *Error) Error() string { return e.URL + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Missing reports whether the error says that there is no such file (404, 410, or
// no such file in a file:// mirror), rather than that it could not be asked for.
func Missing(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Status == http.StatusNotFound || e.Status == http.StatusGone || errors.Is(e.Err, fs.ErrNotExist))
}

// Fetcher downloads into one cache.
type Fetcher struct {
	cfg    Config
	log    *slog.Logger
	client *http.Client
	n      counters

	mu    sync.Mutex
	hosts map[string]*host // guarded by mu
	used  map[string]int   // guarded by mu; names of files that are in use
}

// host is one server. Who holds turn may ask it.
type host struct {
	turn  chan struct{} // of capacity 1
	after time.Time     // held with turn: not to be asked before
}

type counters struct {
	requests, bytes, fetched, notModified, resumed, retries, failed, refused, evicted atomic.Uint64
}

// New readies a fetcher; nothing is touched.
func New(cfg Config, deps Deps) (*Fetcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Transport == nil {
		deps.Transport = transport(cfg)
	}
	return &Fetcher{cfg: cfg, log: deps.Logger, hosts: map[string]*host{}, used: map[string]int{},
		client: &http.Client{Transport: deps.Transport, CheckRedirect: redirect}}, nil
}

const maxRedirects = 5

// redirect follows few redirects, and none out of the encrypted web.
func redirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) >= maxRedirects:
		return final{fmt.Errorf("more than %d redirects", maxRedirects)}
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return final{fmt.Errorf("redirected to a %s address", req.URL.Scheme)}
	case via[0].URL.Scheme == "https" && req.URL.Scheme == "http":
		return final{errors.New("redirected from https to http")}
	}
	return nil
}

// final is an error that asking again would not change.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// Get gives the file at an address: from the cache where the server says that it
// has not changed, else fetched. It waits for its turn with the host, and returns
// the context's error where that ends first. The caller closes the file.
func (f *Fetcher) Get(ctx context.Context, req Request) (*File, error) {
	u, err := url.Parse(req.URL)
	if err != nil {
		return nil, &Error{URL: "(an address that cannot be parsed)", Err: errors.New("is no http, https or file address")}
	}
	t := &transfer{f: f, req: req, url: u, shown: shown(u), key: keyOf(u)}
	switch {
	case u.Scheme == "file" && u.Host == "":
		return t.local(ctx)
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
	default:
		return nil, t.fault(0, errors.New("is no http, https or file address"))
	}
	h := f.host(u.Scheme + "://" + u.Host)
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, t.fault(0, ctx.Err())
	}
	defer func() { <-h.turn }()
	if err := os.MkdirAll(f.cfg.Dir, 0o777); err != nil {
		return nil, t.fault(0, err)
	}
	if c := f.load(t.key); c != nil && req.Fresh > 0 && time.Since(c.meta.Checked) < req.Fresh {
		f.n.notModified.Add(1)
		return f.hold(t.key, c, true), nil
	}
	return t.run(ctx, h)
}

// Cached gives the copy in the cache, however old, without asking anybody. It is
// nil where there is none. The caller closes the file.
func (f *Fetcher) Cached(address string) *File {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	key := keyOf(u)
	if c := f.load(key); c != nil {
		return f.hold(key, c, true)
	}
	return nil
}

func (f *Fetcher) host(name string) *host {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.hosts[name]
	if h == nil {
		h = &host{turn: make(chan struct{}, 1)}
		f.hosts[name] = h
	}
	return h
}

// pause waits before another try: longer each time, not in step with others who
// were turned away together, and never less than the server asked for. It is an
// error where that is longer than we wait.
func (t *transfer) pause(ctx context.Context, h *host, failed int, cause *Error) error {
	c := &t.f.cfg
	d := min(c.Pause<<min(failed, 20), c.MaxPause)
	d = d/2 + rand.N(d)
	if asked := time.Until(cause.Retry); !cause.Retry.IsZero() && asked > d {
		d = asked
	}
	if d > c.MaxPause+c.MaxPause/2 {
		h.after = cause.Retry
		return cause
	}
	t.f.n.retries.Add(1)
	t.f.log.Debug("asking again", "url", t.shown, "after", d, "error", cause.Err)
	return sleep(ctx, d)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shown is the address as errors and logs may show it.
func shown(u *url.URL) string {
	v := *u
	v.RawQuery, v.Fragment = "", ""
	if u.RawQuery != "" {
		v.RawQuery = "..."
	}
	return v.Redacted()
}

// Counts gives everything that moves, in order of name.
func (f *Fetcher) Counts() []bgp.Count {
	count := func(name, help string, n *atomic.Uint64) bgp.Count {
		return bgp.Count{Name: name, Help: help, Value: float64(n.Load())}
	}
	return []bgp.Count{
		count("fetch_bytes", "bytes downloaded", &f.n.bytes),
		count("fetch_evicted", "files that left the cache to make room", &f.n.evicted),
		count("fetch_failed", "files that could not be fetched", &f.n.failed),
		count("fetch_fetched", "files fetched whole", &f.n.fetched),
		count("fetch_not_modified", "files that the cache had already", &f.n.notModified),
		count("fetch_refused", "files that were fetched and not accepted", &f.n.refused),
		count("fetch_requests", "requests sent", &f.n.requests),
		count("fetch_resumed", "transfers that went on where they had broken off", &f.n.resumed),
		count("fetch_retries", "requests repeated after a pause", &f.n.retries),
	}
}
