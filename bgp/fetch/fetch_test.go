package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("FETCH_TEST_CHILD") != "" {
		child()
	}
	goleak.VerifyTestMain(m)
}

func someBytes(n int) []byte {
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func testConfig(dir string) Config {
	c := DefaultConfig()
	c.Dir, c.Pause, c.MaxPause, c.Idle = dir, time.Millisecond, 5*time.Second, 5*time.Second
	return c
}

func newFetcher(t *testing.T, c Config) *Fetcher {
	t.Helper()
	tr := transport(c).(*http.Transport)
	t.Cleanup(tr.CloseIdleConnections)
	f, err := New(c, Deps{Transport: tr})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// site serves one file, with faults.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	body  []byte        // guarded by mu
	etag  string        // guarded by mu
	heads []http.Header // guarded by mu; of the requests
	fault func(w http.ResponseWriter, r *http.Request, n int) bool
}

func newSite(t *testing.T, body []byte, fault func(w http.ResponseWriter, r *http.Request, n int) bool) *site {
	s := &site{body: body, etag: `"one"`, fault: fault}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.heads = append(s.heads, r.Header.Clone())
		n, body, etag := len(s.heads), s.body, s.etag
		s.mu.Unlock()
		if s.fault != nil && s.fault(w, r, n) {
			return
		}
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}))
	t.Cleanup(s.Close)
	return s
}

// cut sends the header of the whole and n bytes of it, and hangs up.
func (s *site) cut(w http.ResponseWriter, n int) bool {
	w.Header().Set("ETag", `"one"`)
	w.Header().Set("Content-Length", strconv.Itoa(len(s.body)))
	w.Write(s.body[:n])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func (s *site) requests() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heads
}

func get(t *testing.T, f *Fetcher, req Request) *File {
	t.Helper()
	file, err := f.Get(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(file.Close)
	return file
}

func wantContent(t *testing.T, file *File, want []byte) {
	t.Helper()
	got, err := os.ReadFile(file.Path)
	if err != nil || !bytes.Equal(got, want) || file.Size != int64(len(want)) {
		t.Errorf("%s holds %d bytes (%v), says %d; want %d", file.Path, len(got), err, file.Size, len(want))
	}
}

func TestAsksConditionally(t *testing.T) {
	body := someBytes(1000)
	s := newSite(t, body, nil)
	dir := t.TempDir()
	first := get(t, newFetcher(t, testConfig(dir)), Request{URL: s.URL + "/list.json"})
	wantContent(t, first, body)
	f := newFetcher(t, testConfig(dir)) // as after a restart
	second := get(t, f, Request{URL: s.URL + "/list.json"})
	wantContent(t, second, body)
	if first.NotModified || !second.NotModified {
		t.Errorf("not modified: first %t, second %t", first.NotModified, second.NotModified)
	}
	heads := s.requests()
	if len(heads) != 2 || heads[1].Get("If-None-Match") != `"one"` || heads[1].Get("User-Agent") != "depeer (BGP route monitor)" {
		t.Errorf("requests %v", heads)
	}
	get(t, f, Request{URL: s.URL + "/list.json", Fresh: time.Hour})
	if n := len(s.requests()); n != 2 {
		t.Errorf("a fresh copy was asked for: %d requests", n)
	}
	s.mu.Lock()
	s.body, s.etag = someBytes(2000), `"two"`
	s.mu.Unlock()
	third := get(t, f, Request{URL: s.URL + "/list.json"})
	wantContent(t, third, someBytes(2000))
	if third.NotModified {
		t.Error("a new file passed for the old one")
	}
}

// A transfer that breaks goes on where it stopped; in the next process as well.
func TestResumes(t *testing.T) {
	body := someBytes(300_000)
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart=%t", restart), func(t *testing.T) {
			var s *site
			s = newSite(t, body, func(w http.ResponseWriter, _ *http.Request, n int) bool {
				return n == 1 && s.cut(w, 100_000)
			})
			c := testConfig(t.TempDir())
			if restart {
				c.Tries = 1
				if _, err := newFetcher(t, c).Get(context.Background(), Request{URL: s.URL}); err == nil {
					t.Fatal("half of a file was taken for whole")
				}
			}
			f := newFetcher(t, c)
			if f.Cached(s.URL) != nil {
				t.Fatal("half of a file is in the cache")
			}
			wantContent(t, get(t, f, Request{URL: s.URL}), body)
			heads := s.requests()
			if len(heads) != 2 || heads[1].Get("Range") != "bytes=100000-" || heads[1].Get("If-Range") != `"one"` {
				t.Errorf("%d requests, the last %v", len(heads), heads[len(heads)-1])
			}
			if n := f.n.resumed.Load(); n != 1 {
				t.Errorf("%d resumed", n)
			}
		})
	}
}

// A file that changed meanwhile is fetched anew, never mixed.
func TestChangedWhileBroken(t *testing.T) {
	var s *site
	s = newSite(t, someBytes(300_000), func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n != 1 {
			return false
		}
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.body, s.etag = someBytes(200_000), `"two"`
		}()
		return s.cut(w, 100_000)
	})
	wantContent(t, get(t, newFetcher(t, testConfig(t.TempDir())), Request{URL: s.URL}), someBytes(200_000))
}

// Nothing to resume by: the file is fetched anew.
func TestBrokenWithoutValidator(t *testing.T) {
	body := someBytes(300_000)
	s := newSite(t, body, func(w http.ResponseWriter, _ *http.Request, n int) bool {
		if n == 1 {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.Write(body[:1000])
			panic(http.ErrAbortHandler)
		}
		return false
	})
	s.etag = ""
	wantContent(t, get(t, newFetcher(t, testConfig(t.TempDir())), Request{URL: s.URL}), body)
	if h := s.requests()[1]; h.Get("Range") != "" {
		t.Errorf("resumed without a validator: %v", h)
	}
}

func TestSilentBodyIsBroken(t *testing.T) {
	body := someBytes(200_000)
	s := newSite(t, body, func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n > 1 {
			return false
		}
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body[:100_000])
		w.(http.Flusher).Flush()
		<-r.Context().Done() // until the client gives up
		return true
	})
	c := testConfig(t.TempDir())
	c.Idle = 50 * time.Millisecond
	wantContent(t, get(t, newFetcher(t, c), Request{URL: s.URL}), body)
}

// answers is a server without a network, for clocks that are not ours.
type answers func(r *http.Request) *http.Response

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	res := a(r)
	if res == nil {
		return nil, errors.New("connection refused")
	}
	res.Request, res.Proto, res.ProtoMajor, res.ProtoMinor = r, "HTTP/1.1", 1, 1
	return res, nil
}

func answer(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Header: h,
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
}

func TestBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		c := DefaultConfig()
		c.Dir = t.TempDir()
		f, _ := New(c, Deps{Transport: answers(func(*http.Request) *http.Response {
			at = append(at, time.Since(began))
			switch len(at) {
			case 1:
				return nil
			case 2:
				return answer(500, "")
			case 3:
				return answer(503, "", "Retry-After", "40")
			}
			return answer(200, "whole")
		})})
		get(t, f, Request{URL: "http://192.0.2.1/x"})
		if len(at) != 4 {
			t.Fatalf("asked at %v", at)
		}
		between := func(i int, low, high time.Duration) {
			if d := at[i] - at[i-1]; d < low || d > high {
				t.Errorf("pause %d is %s, want %s to %s", i, d, low, high)
			}
		}
		between(1, 500*time.Millisecond, 1500*time.Millisecond)
		between(2, time.Second, 3*time.Second)
		between(3, 40*time.Second, 40*time.Second)
	})
}

// A server that wants to be left alone for long is, by everybody.
func TestLeavesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := DefaultConfig()
		c.Dir = t.TempDir()
		f, _ := New(c, Deps{Transport: answers(func(*http.Request) *http.Response {
			if asked++; asked == 1 {
				return answer(429, "", "Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			}
			return answer(200, "whole")
		})})
		for _, path := range []string{"/a", "/b"} {
			_, err := f.Get(t.Context(), Request{URL: "http://192.0.2.1" + path})
			e, ok := errors.AsType[*Error](err)
			if !ok || time.Until(e.Retry) < 59*time.Minute || time.Until(e.Retry) > time.Hour {
				t.Fatalf("%s: %v", path, err)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		time.Sleep(time.Hour) // of the bubble's clock
		get(t, f, Request{URL: "http://192.0.2.1/b"})
	})
}

func TestGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		want   string
		asked  int
	}{
		"not there":  {404, "http://192.0.2.1/x?...: the server answers 404 Not Found", 1},
		"forbidden":  {403, "http://192.0.2.1/x?...: the server answers 403 Forbidden", 1},
		"overloaded": {502, "http://192.0.2.1/x?...: the server answers 502 Bad Gateway (tried 5 times)", 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				cfg := DefaultConfig()
				cfg.Dir = t.TempDir()
				f, _ := New(cfg, Deps{Transport: answers(func(*http.Request) *http.Response { asked++; return answer(c.status, "") })})
				_, err := f.Get(t.Context(), Request{URL: "http://192.0.2.1/x?key=hunter2"})
				if err == nil || err.Error() != c.want || asked != c.asked || Missing(err) != (c.status == 404) {
					t.Errorf("after %d requests: %v", asked, err)
				}
			})
		})
	}
}

func TestShowsNoSecret(t *testing.T) {
	c := testConfig(t.TempDir())
	c.Tries = 1
	f, _ := New(c, Deps{Transport: answers(func(*http.Request) *http.Response { return nil })})
	for _, u := range []string{"http://me:hunter2@192.0.2.1/x?key=hunter2", "gopher://me:hunter2@192.0.2.1/", "http://192.0.2.1/\x7fhunter2", "http:///hunter"} {
		_, err := f.Get(context.Background(), Request{URL: u})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", u, err)
		}
	}
	err := filepath.WalkDir(c.Dir, func(path string, d os.DirEntry, err error) error {
		if b, _ := os.ReadFile(path); bytes.Contains(b, []byte("hunter2")) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// However many ask, a host sees one connection at a time.
func TestOneConnection(t *testing.T) {
	var now, most atomic.Int32
	s := newSite(t, someBytes(1000), nil)
	s.Config.Handler = func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			h.ServeHTTP(w, r)
		})
	}(s.Config.Handler)
	f := newFetcher(t, testConfig(t.TempDir()))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			file, err := f.Get(context.Background(), Request{URL: fmt.Sprintf("%s/%d", s.URL, i)})
			if err != nil {
				t.Error(err)
			}
			file.Close()
		})
	}
	wg.Wait()
	if most.Load() != 1 || len(s.requests()) != 20 {
		t.Errorf("%d at a time, %d requests", most.Load(), len(s.requests()))
	}
}

func TestBounds(t *testing.T) {
	c := testConfig(t.TempDir())
	c.MaxFile, c.MaxBytes = 1000, 2500
	told := newSite(t, someBytes(1001), nil)
	f := newFetcher(t, c)
	if _, err := f.Get(context.Background(), Request{URL: told.URL}); err == nil || !strings.Contains(err.Error(), "more than max_file (1000)") {
		t.Errorf("a file that is told to be too large: %v", err)
	}
	untold := newSite(t, nil, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		for range 20 {
			w.Write(someBytes(100))
			w.(http.Flusher).Flush()
		}
		return true
	})
	if _, err := f.Get(context.Background(), Request{URL: untold.URL}); err == nil || !strings.Contains(err.Error(), "larger than max_file") {
		t.Errorf("a file that is too large: %v", err)
	}
	// MaxBytes: the oldest goes, but not what is kept, and not what is in use.
	s := newSite(t, someBytes(500), nil)
	name := func(i int) string { return fmt.Sprintf("%s/%d", s.URL, i) }
	for i := range 6 {
		file, err := f.Get(context.Background(), Request{URL: name(i), Keep: i == 0})
		if err != nil {
			t.Fatal(err)
		}
		if i != 1 {
			file.Close()
		} else {
			defer file.Close()
		}
		old := time.Now().Add(time.Duration(i-100) * time.Minute)
		k := keyOf(mustParse(t, name(i)))
		m, err := f.readMeta(k.hash)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(f.path(k.name), old, old); err != nil {
			t.Fatal(err)
		}
		m.Checked = old
		if err := f.saveMeta(k, m); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		if got, want := f.Cached(name(i)) != nil, i != 2 && i != 3 && i != 4; got != want && i != 4 {
			t.Errorf("file %d in the cache: %t, want %t", i, got, want)
		}
	}
	var total int64
	entries, _ := os.ReadDir(c.Dir)
	for _, e := range entries {
		st, _ := e.Info()
		total += st.Size()
	}
	if total > c.MaxBytes+300 { // the meta that this test wrote again
		t.Errorf("the cache holds %d bytes, %d allowed", total, c.MaxBytes)
	}
}

func TestRedirects(t *testing.T) {
	s := newSite(t, someBytes(10), func(w http.ResponseWriter, r *http.Request, _ int) bool {
		n, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if r.URL.Path == "/file" {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(302)
			return true
		}
		if n == 0 {
			return false
		}
		http.Redirect(w, r, fmt.Sprintf("/%d", n-1), http.StatusFound)
		return true
	})
	f := newFetcher(t, testConfig(t.TempDir()))
	get(t, f, Request{URL: s.URL + "/4"})
	for path, want := range map[string]string{"/9": "more than 5 redirects", "/file": "redirected to a file address"} {
		n := len(s.requests())
		if _, err := f.Get(context.Background(), Request{URL: s.URL + path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
		if n = len(s.requests()) - n; n > 6 {
			t.Errorf("%s: %d requests", path, n)
		}
	}
}

// What is not accepted does not take the place of the last good copy, and neither
// does what comes of a file in place.
func TestAcceptKeepsTheLastGood(t *testing.T) {
	good, bad := []byte(`{"asn":64500}`), []byte("<html>sorry")
	judge := func(path string) error {
		if b, _ := os.ReadFile(path); bytes.HasPrefix(b, []byte("<")) {
			return errors.New("is a web page")
		}
		return nil
	}
	s := newSite(t, good, nil)
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, good, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{s.URL, "file://" + file} {
		c := testConfig(t.TempDir())
		f := newFetcher(t, c)
		req := Request{URL: address, Accept: judge}
		get(t, f, req)
		s.mu.Lock()
		s.body, s.etag = bad, `"two"`
		s.mu.Unlock()
		if err := os.WriteFile(file, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		for range 2 { // asked again, it is judged again
			if _, err := f.Get(context.Background(), req); err == nil || !strings.HasSuffix(err.Error(), "is a web page") {
				t.Fatalf("%s: %v", address, err)
			}
		}
		kept := newFetcher(t, c).Cached(address)
		if kept == nil {
			t.Fatal("the last good copy is gone")
		}
		wantContent(t, kept, good)
		kept.Close()
		s.mu.Lock()
		s.body, s.etag = good, `"one"`
		s.mu.Unlock()
		if err := os.WriteFile(file, good, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEndsWithItsContext(t *testing.T) {
	s := newSite(t, nil, func(_ http.ResponseWriter, r *http.Request, _ int) bool { <-r.Context().Done(); return true })
	f := newFetcher(t, testConfig(t.TempDir()))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	for range 2 { // one waits for the server, the other for its turn
		go func() { _, err := f.Get(ctx, Request{URL: s.URL}); done <- err }()
	}
	cancel()
	for range 2 {
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("does not end")
		}
	}
}

func TestConfigFaults(t *testing.T) {
	c := DefaultConfig()
	c.Dir = "x"
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	err := (&Config{}).Validate()
	want := "dir: is empty: name a folder for what is downloaded\nmax_file: 0 is less than 1\ntimeout: 0s is not positive\nidle: 0s is not positive\npause: 0s is not positive\ntries: 0 is less than 1\nuser_agent: is empty: a server's operator must be able to see who asks"
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v", err)
	}
}
