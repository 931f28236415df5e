package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/fetch"
	"depeer/bgp/mrt"
	"depeer/bgp/rib"
	"depeer/bgp/wire"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if dir, err := worldDir(); err == nil {
			os.RemoveAll(dir)
		}
		os.Exit(code)
	}))
}

// mirror serves a tree of files as the archives do: an index for each folder, a
// file from when its time is over.
type mirror struct {
	now     func() time.Time
	noIndex bool
	fault   func(w http.ResponseWriter, r *http.Request, n int) bool // of the nth request for the path

	mu    sync.Mutex
	files map[string]content // guarded by mu; by path
	asked []string           // guarded by mu; paths, with "?range" and "?if" where they were
	times map[string]int     // guarded by mu
}

type content struct {
	at   time.Time // from when it is there
	file string    // on disk
	body []byte    // else
}

func newMirror(now func() time.Time) *mirror {
	return &mirror{now: now, files: map[string]content{}, times: map[string]int{}}
}

func (m *mirror) put(p string, c content) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[p] = c
}

func (m *mirror) remove(p string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, p)
}

// requests gives the paths that were asked for and contain a text.
func (m *mirror) requests(with string) (out []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.asked {
		if strings.Contains(p, with) {
			out = append(out, p)
		}
	}
	return out
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	p := r.URL.Path
	note := p
	if r.Header.Get("Range") != "" {
		note += "?range"
	}
	if r.Header.Get("If-None-Match") != "" {
		note += "?if"
	}
	m.asked = append(m.asked, note)
	m.times[p]++
	n := m.times[p]
	c, there := m.files[p]
	there = there && !m.now().Before(c.at)
	var names []string
	for q, d := range m.files {
		if strings.HasSuffix(p, "/") && strings.HasPrefix(q, p) && !m.now().Before(d.at) {
			names = append(names, q[len(p):])
		}
	}
	m.mu.Unlock()
	if m.fault != nil && m.fault(w, r, n) {
		return
	}
	switch {
	case strings.HasSuffix(p, "/") && !m.noIndex && len(names) > 0:
		slices.Sort(names)
		fmt.Fprintf(w, "<html><head><title>Index of %s</title></head><body><h1>Index</h1><pre><a href=\"../\">../</a>\n", p)
		for _, name := range names {
			fmt.Fprintf(w, "<a href=\"%s\">%s</a>          23-Feb-2008 00:29      12345\n", name, name)
		}
		io.WriteString(w, "</pre></body></html>")
	case !there:
		http.NotFound(w, r)
	default:
		body := c.body
		if c.file != "" {
			body, _ = os.ReadFile(c.file)
		}
		w.Header().Set("ETag", fmt.Sprintf(`"%d-%d"`, len(body), c.at.Unix()))
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}
}

// RoundTrip answers without a network, so that time in a test may be its own.
func (m *mirror) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	res := w.Result()
	res.Request = r
	if res.ContentLength < 0 {
		res.ContentLength = int64(w.Body.Len())
	}
	return res, nil
}

// start is when the scenario of these tests begins.
var start = time.Date(2008, 11, 11, 16, 0, 0, 0, time.UTC)

const world = `
start 2008-11-11T16:00:00Z
end +2h
collector rrc00 peers 6 as 64600+
collector rrc21 peers 4 as 64700+ over ipv6
transit 3356 174
table 60 prefixes
churn 30 per minute
network 26780 208.66.192.0/22 208.72.168.0/21
route 26780 via 6939 at 60%
route 26780 via 3549 at 40%
at 16:00 rib
at 16:40 drop 6939-26780 over 60s
at 16:50 reset rrc00 peer 2
at 17:10 restore 6939-26780 over 60s
at 17:20 drop 3549-26780 over 60s
at 17:30 withdraw 26780 208.66.192.0/22 over 60s
`

// world is written once.
var worldDir = sync.OnceValues(func() (string, error) {
	s, err := bgptest.Parse("world", world)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "depeer-archive-test")
	if err != nil {
		return "", err
	}
	_, err = s.WriteDir(dir)
	return dir, err
})

// worldMirror puts the scenario's files where RIS has them, each from when its
// time is over.
func worldMirror(t *testing.T, now func() time.Time) *mirror {
	t.Helper()
	dir, err := worldDir()
	if err != nil {
		t.Fatal(err)
	}
	m := newMirror(now)
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	for _, f := range files {
		collector, name := filepath.Base(filepath.Dir(f)), filepath.Base(f)
		at := stampOf(t, name)
		if strings.HasPrefix(name, "updates") {
			at = at.Add(5 * time.Minute)
		} else {
			at = at.Add(time.Minute)
		}
		m.put(path.Join("/", collector, "2008.11", name), content{at: at, file: f})
	}
	if len(m.files) < 40 {
		t.Fatalf("%d files in the mirror", len(m.files))
	}
	return m
}

func stampOf(t *testing.T, name string) time.Time {
	t.Helper()
	parts := strings.Split(name, ".")
	at, err := time.Parse("20060102.1504", parts[1]+"."+parts[2])
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// everything is a watchlist of the whole world.
func everything() *wire.Shared {
	return wire.NewShared(wire.List{Prefixes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}})
}

func newFetch(t *testing.T, dir string, via http.RoundTripper) *fetch.Fetcher {
	t.Helper()
	c := fetch.DefaultConfig()
	c.Dir, c.Pause, c.MaxPause = dir, 10*time.Millisecond, time.Minute
	f, err := fetch.New(c, fetch.Deps{Transport: via})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// heard collects what is emitted.
type heard struct {
	mu    sync.Mutex
	all   []bgp.Update // guarded by mu
	table *rib.Table   // guarded by mu
	fail  func([]bgp.Update) error
}

func newHeard() *heard { return &heard{table: rib.New(time.Minute)} }

func (h *heard) emit(batch []bgp.Update) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		if err := h.fail(batch); err != nil {
			return err
		}
	}
	h.all = append(h.all, batch...)
	for _, u := range batch {
		h.table.Advance(u.At, func(rib.Change) {})
		h.table.Apply(u, func(rib.Change) {})
	}
	return nil
}

func (h *heard) of(k bgp.Kind) (out []bgp.Update) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, u := range h.all {
		if u.Kind == k {
			out = append(out, u)
		}
	}
	return out
}

// routes writes the table: every peer that is up, and what it holds.
func (h *heard) routes() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]string{}
	for _, p := range h.table.Peers() {
		out[p.Peer.String()] = p.State.String()
	}
	h.table.Entries(func(e *rib.Entry) {
		for _, p := range h.table.Peers() {
			if s := e.Slot(p); s != nil && s.Node != nil {
				out[p.Peer.String()+" "+e.Prefix.String()] = fmt.Sprint(s.Node.Path)
			}
		}
	})
	return out
}

// truth is what reading all the files of the scenario at once gives, up to a moment.
func truth(t *testing.T, to time.Time) map[string]string {
	t.Helper()
	dir, err := worldDir()
	if err != nil {
		t.Fatal(err)
	}
	h := newHeard()
	s := mrt.NewSource(mrt.Config{Inputs: []string{dir}, To: to})
	if err := s.Run(context.Background(), h.emit); err != nil {
		t.Fatal(err)
	}
	return h.routes()
}

func compare(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if len(want) < 500 {
		t.Fatalf("%s: only %d routes are wanted", what, len(want))
	}
	faults := 0
	for k, v := range want {
		if got[k] != v && faults < 5 {
			faults++
			t.Errorf("%s: %s: got %q, want %q", what, k, got[k], v)
		}
	}
	for k, v := range got {
		if _, ok := want[k]; !ok && faults < 5 {
			faults++
			t.Errorf("%s: %s: got %q, want none", what, k, v)
		}
	}
}
