package fetch

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

func mustParse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// child fetches what its environment names, over and over, until it is killed.
func child() {
	f, err := New(testConfig(os.Getenv("FETCH_TEST_DIR")), Deps{})
	if err != nil {
		panic(err)
	}
	for {
		file, err := f.Get(context.Background(), Request{URL: os.Getenv("FETCH_TEST_CHILD")})
		if err == nil {
			file.Close()
		}
	}
}

// A process that is killed at any moment leaves a version of the file that the
// server had, whole, or none.
func TestKilled(t *testing.T) {
	const size = 1 << 20
	version := func(n int) []byte { return bytes.Repeat([]byte(fmt.Sprintf("%15d\n", n)), size/16) }
	var n, left atomic.Int64
	reached := make(chan struct{}, 1)
	s := newSite(t, nil, func(w http.ResponseWriter, r *http.Request, _ int) bool {
		k := int(n.Add(1)) / 2 // each version is asked for about twice
		w.Header().Set("ETag", fmt.Sprintf("%q", strconv.Itoa(k)))
		http.ServeContent(&tripwire{w, &left, reached}, r, "", time.Time{}, bytes.NewReader(version(k)))
		return true
	})
	dir := t.TempDir()
	for round := range 30 {
		left.Store(int64(round) * 110_000) // each round dies at another point
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "FETCH_TEST_CHILD="+s.URL, "FETCH_TEST_DIR="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-reached
		cmd.Process.Kill()
		cmd.Wait()
		file := newFetcher(t, testConfig(dir)).Cached(s.URL)
		if file == nil {
			continue
		}
		b, err := os.ReadFile(file.Path)
		file.Close()
		if err != nil || len(b) != size || !bytes.Equal(b, bytes.Repeat(b[:16], size/16)) {
			t.Fatalf("round %d: %d bytes (%v), begins %q", round, len(b), err, b[:min(16, len(b))])
		}
	}
	if newFetcher(t, testConfig(dir)).Cached(s.URL) == nil {
		t.Error("no round fetched anything")
	}
	get(t, newFetcher(t, testConfig(dir)), Request{URL: s.URL})
}

// tripwire tells when so many bytes have been sent.
type tripwire struct {
	http.ResponseWriter
	left    *atomic.Int64
	reached chan struct{}
}

func (w *tripwire) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	if now := w.left.Add(-int64(n)); now <= 0 && now+int64(n) >= 0 {
		select {
		case w.reached <- struct{}{}:
		default:
		}
	}
	return n, err
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "120", "-1", "99999999999999999999", "Sun, 22 Nov 2026 02:00:00 GMT", "Sun, 22 Nov 9999 02:00:00 GMT", "soon"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		at := retryAfter(s, now)
		if !at.IsZero() && (at.Before(now) || at.After(now.Add(longestRetry))) {
			t.Errorf("%q: %s", s, at)
		}
	})
}
