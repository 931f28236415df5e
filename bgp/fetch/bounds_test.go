package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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
