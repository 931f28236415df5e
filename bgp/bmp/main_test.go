package bmp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// running is a station that runs, and all that it emitted.
type running struct {
	t       *testing.T
	station *Station
	addr    string
	ctx     context.Context
	stop    func() error // ends Run and gives its error; may be called again
	log     *syncBuffer

	mu   sync.Mutex
	all  []bgp.Update
	more chan struct{}
	hold func() // called in emit, where set
}

// everything is a watchlist that no test's route escapes.
func everything() *wire.Shared {
	return wire.NewShared(wire.List{Prefixes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}})
}

func start(t *testing.T, change func(*Config), tune ...func(*Station)) *running {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Listen = []string{"127.0.0.1:0"}
	if change != nil {
		change(&cfg)
	}
	r := &running{t: t, more: make(chan struct{}), log: &syncBuffer{}}
	var err error
	r.station, err = New(cfg, Deps{Watch: everything(), Logger: slog.New(slog.NewTextHandler(r.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tune {
		f(r.station)
	}
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithTimeout(context.Background(), 3*patience)
	done := make(chan error, 1)
	go func() { done <- r.station.Run(r.ctx, r.emit) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return errors.New("Run did not return")
		}
	})
	t.Cleanup(func() {
		if err := r.stop(); !errors.Is(err, context.Canceled) && !t.Failed() {
			t.Errorf("Run: %v", err)
		}
		if t.Failed() {
			t.Logf("the station's log:\n%s", r.log)
		}
	})
	addrs, err := r.station.Addrs(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(addrs) > 0 {
		r.addr = addrs[0].String()
	}
	return r
}

func (r *running) emit(batch []bgp.Update) error {
	r.mu.Lock()
	r.all = append(r.all, batch...)
	close(r.more)
	r.more = make(chan struct{})
	hold := r.hold
	r.mu.Unlock()
	if hold != nil {
		hold()
	}
	return nil
}

// wait waits until what was emitted satisfies ok, and gives it.
func (r *running) wait(what string, ok func([]bgp.Update) bool) []bgp.Update {
	r.t.Helper()
	late := time.After(patience)
	for {
		r.mu.Lock()
		more, found := r.more, ok(r.all)
		all := r.all[:len(r.all):len(r.all)]
		r.mu.Unlock()
		if found {
			return all
		}
		select {
		case <-more:
		case <-late:
			r.t.Fatalf("no %s within %s; heard:\n%s", what, patience, strings.Join(lines(all), "\n"))
		}
	}
}

// saw waits for one update of a kind that reads as said, see line.
func (r *running) saw(want string) bgp.Update {
	r.t.Helper()
	var found bgp.Update
	r.wait(want, func(all []bgp.Update) bool {
		i := slices.IndexFunc(all, func(u bgp.Update) bool { return line(u) == want })
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

// health waits until the station's health satisfies ok.
func (r *running) health(what string, ok func(bgp.Health) bool) bgp.Health {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		h := r.station.Health(time.Now())
		if ok(h) {
			return h
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("no %s within %s: %+v", what, patience, h)
		}
	}
}

// count gives a counter of the station.
func count(h bgp.Health, name, reason string) float64 {
	for _, c := range h.Counts {
		if c.Name == name && c.Reason == reason {
			return c.Value
		}
	}
	return -1
}

func (r *running) counted(name, reason string, want float64) {
	r.t.Helper()
	r.health(fmt.Sprintf("%s %s of %v", name, reason, want), func(h bgp.Health) bool { return count(h, name, reason) == want })
}

// dial is a router that says hello.
func (r *running) dial(name string) *bgptest.BMPRouter {
	r.t.Helper()
	x, err := bgptest.DialBMP(r.ctx, r.addr, name, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { x.Conn.Close() })
	return x
}

// line is an update in words; without its time.
func line(u bgp.Update) string {
	s := u.Peer.String() + " " + u.Kind.String()
	switch u.Kind {
	case bgp.Announce, bgp.Withdraw:
		s += " " + u.Prefix.String()
		if u.PathID != 0 {
			s += fmt.Sprintf(" path %d", u.PathID)
		}
		if u.Path != nil {
			s += " " + u.Path.String()
		}
	case bgp.EndOfRIB:
		if u.V6 {
			s += " IPv6"
		}
	case bgp.PeerDown, bgp.Unheard:
		s += ": " + u.Cause.String()
	}
	return s
}

// lines are the updates in words, without Heard, which comes by the minute.
func lines(all []bgp.Update) (out []string) {
	for _, u := range all {
		if u.Kind != bgp.Heard {
			out = append(out, line(u))
		}
	}
	return out
}

func (r *running) expect(want ...string) []bgp.Update {
	r.t.Helper()
	all := r.wait("last of what is expected: "+want[len(want)-1], func(all []bgp.Update) bool { return len(lines(all)) >= len(want) })
	if got := lines(all); !slices.Equal(got, want) {
		r.t.Fatalf("heard\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	return all
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// heard is all that was emitted so far.
func (r *running) heard() []bgp.Update {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}
