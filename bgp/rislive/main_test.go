package rislive

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/bgptest/realdata"
	"depeer/bgp/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testData finds recorded data, which is not part of the repository.
func testData(t testing.TB, part string) string {
	t.Helper()
	dir, err := realdata.Find(part)
	if err != nil {
		t.Skip(err)
	}
	return dir
}

// testLines reads the lines of a recorded file.
func testLines(t testing.TB, name string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testData(t, "rislive"), name))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for line := range bytes.Lines(b) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out = append(out, line)
		}
	}
	return out
}

var everything = wire.List{Prefixes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}

// testIntake takes lines in, all having arrived at one moment.
func testIntake(t testing.TB, l wire.List, change func(*Config)) (*intake, *counts) {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	f, err := New(cfg, Deps{Watch: wire.NewShared(l)})
	if err != nil {
		t.Fatal(err)
	}
	return newIntake(cfg, f.deps, f.counts, f.board), f.counts
}

func (c *counts) get(name, reason string) float64 {
	for _, x := range c.list(0) {
		if x.Name == name && x.Reason == reason {
			return x.Value
		}
	}
	return 0
}

// running is a feed that runs, and what it emitted.
type running struct {
	t      testing.TB
	feed   *Feed
	server *bgptest.RISLive
	ctx    context.Context // of the test
	stop   func() error    // ends Run and gives its error

	mu      sync.Mutex
	updates []bgp.Update  // guarded by mu
	change  chan struct{} // guarded by mu; closed when updates grow
	gate    chan struct{} // where not nil, each emit waits for it to be closed
}

// testConfig is quick.
func testConfig(url string) Config {
	c := DefaultConfig()
	c.URL, c.BackOffMin, c.BackOffMax, c.FutureTolerance = url, 10*time.Millisecond, 40*time.Millisecond, time.Second
	return c
}

func testServer(t testing.TB) *bgptest.RISLive {
	t.Helper()
	s, err := bgptest.NewRISLive()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// run starts a feed.
func run(t testing.TB, s *bgptest.RISLive, cfg Config, watch *wire.Shared, gate chan struct{}) *running {
	t.Helper()
	f, err := New(cfg, Deps{Watch: watch})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	runCtx, end := context.WithCancel(ctx)
	r := &running{t: t, feed: f, server: s, ctx: ctx, change: make(chan struct{}), gate: gate}
	done := make(chan error, 1)
	go func() {
		done <- f.Run(runCtx, func(list []bgp.Update) error {
			if r.gate != nil {
				select {
				case <-r.gate:
				case <-runCtx.Done():
					return runCtx.Err()
				}
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.updates = append(r.updates, list...)
			close(r.change)
			r.change = make(chan struct{})
			return nil
		})
	}()
	var once sync.Once
	var result error
	r.stop = func() error {
		once.Do(func() { end(); result = <-done })
		return result
	}
	t.Cleanup(func() { r.stop(); cancel() })
	return r
}

// subscribed waits until the server knows all of these subscriptions.
func (r *running) subscribed(want ...string) {
	r.t.Helper()
	err := r.server.Await(r.ctx, func(s *bgptest.RISLive) bool {
		have := "\n" + strings.Join(s.Subscriptions(), "\n") + "\n"
		for _, w := range want {
			if !strings.Contains(have, "\n"+w+"\n") {
				return false
			}
		}
		return true
	})
	if err != nil {
		r.t.Fatalf("want %q: %v", want, err)
	}
}

// await waits until what was emitted satisfies the condition.
func (r *running) await(what string, condition func([]bgp.Update) bool) []bgp.Update {
	r.t.Helper()
	for {
		r.mu.Lock()
		list, change := r.updates[:len(r.updates):len(r.updates)], r.change
		r.mu.Unlock()
		if condition(list) {
			return list
		}
		select {
		case <-change:
		case <-r.ctx.Done():
			r.t.Fatalf("no %s: %d updates %v; health %+v", what, len(list), brief(list), r.feed.Health(time.Now()).Reason)
		}
	}
}

// brief writes updates without the Heards.
func brief(list []bgp.Update) (out []string) {
	for _, u := range list {
		s := u.Kind.String()
		switch u.Kind {
		case bgp.Heard:
			continue
		case bgp.Announce:
			s += " " + u.Prefix.String() + " " + u.Path.String()
		case bgp.Withdraw:
			s += " " + u.Prefix.String()
		}
		out = append(out, u.Peer.Addr.String()+" "+s)
	}
	return out
}

func count(list []bgp.Update, k bgp.Kind) (n int) {
	for _, u := range list {
		if u.Kind == k {
			n++
		}
	}
	return n
}

// until waits for a condition that nothing announces.
func until(t testing.TB, ctx context.Context, what string, condition func() bool) {
	t.Helper()
	for !condition() {
		if ctx.Err() != nil {
			t.Fatalf("no %s: %v", what, ctx.Err())
		}
		runtime.Gosched()
	}
}
