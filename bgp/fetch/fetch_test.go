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
