package speaker

import (
	"context"
	"errors"
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

func TestMain(m *testing.M) {
	if senderMain() {
		return
	}
	goleak.VerifyTestMain(m)
}

const patience = 10 * time.Second

// rig is a running speaker and what it said.
type rig struct {
	t      testing.TB
	s      *Speaker
	watch  *wire.Shared
	addr   string
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan error

	mu   sync.Mutex
	got  []bgp.Update  // guarded by mu
	more chan struct{} // guarded by mu; closed when got grows
	hook func([]bgp.Update) error
}

var (
	here    = netip.MustParseAddr("127.0.0.1")
	watched = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
)

const (
	ourASN   = 64512
	theirASN = 64500
)

// testConfig listens on a free port of the address for one peer, at the same address.
func testConfig(at netip.Addr) Config {
	c := DefaultConfig()
	c.Listen = []string{netip.AddrPortFrom(at, 0).String()}
	c.ASN, c.RouterID = ourASN, netip.MustParseAddr("192.0.2.255")
	c.Peers = []Peer{{Address: at, ASN: theirASN}}
	return c
}

// start runs a speaker until the test ends.
func start(t testing.TB, cfg Config, hook func([]bgp.Update) error) *rig {
	t.Helper()
	r := &rig{t: t, watch: wire.NewShared(wire.List{Prefixes: watched}), ended: make(chan error, 1), more: make(chan struct{}), hook: hook}
	r.ctx, r.cancel = context.WithTimeout(context.Background(), 2*time.Minute)
	var err error
	r.s, err = New(cfg, Deps{Watch: r.watch, Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))})
	if err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.s.Run(r.ctx, r.emit) }()
	t.Cleanup(func() { r.stop() })
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	addrs, err := r.s.Listening(ctx)
	if err != nil {
		select {
		case err = <-r.ended:
		default:
		}
		t.Fatalf("does not listen: %v", err)
	}
	r.addr = addrs[0].String()
	return r
}

func (r *rig) stop() error {
	r.cancel()
	err := <-r.ended
	r.ended <- err
	return err
}

func (r *rig) emit(us []bgp.Update) error {
	if r.hook != nil {
		if err := r.hook(us); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, us...)
	close(r.more)
	r.more = make(chan struct{})
	return nil
}

// until waits for an update that is wanted, from the i-th on, and gives its index.
func (r *rig) until(what string, i int, want func(bgp.Update) bool) int {
	r.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		r.mu.Lock()
		got, more := r.got, r.more
		r.mu.Unlock()
		for ; i < len(got); i++ {
			if want(got[i]) {
				return i
			}
		}
		select {
		case <-more:
		case err := <-r.ended:
			r.ended <- err
			r.t.Fatalf("no %s: Run ended: %v", what, err)
		case <-deadline.C:
			r.t.Fatalf("no %s within %v; last of %d: %+v", what, patience, len(got), got[max(0, len(got)-5):])
		}
	}
}

func kind(k bgp.Kind) func(bgp.Update) bool { return func(u bgp.Update) bool { return u.Kind == k } }

func (r *rig) updates() []bgp.Update {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func (r *rig) dial(s bgptest.Speaker) *bgptest.Session {
	r.t.Helper()
	x, err := r.tryDial(s, patience)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { x.Close(bgp.Cause{}) })
	return x
}

func (r *rig) tryDial(s bgptest.Speaker, within time.Duration) (*bgptest.Session, error) {
	ctx, cancel := context.WithTimeout(r.ctx, within)
	defer cancel()
	if s.ASN == 0 {
		s.ASN = theirASN
	}
	if !s.Local.IsValid() {
		s.Local = here
	}
	return bgptest.Dial(ctx, r.addr, s)
}

func (r *rig) count(name, reason string) float64 {
	for _, c := range r.s.Health(time.Now()).Counts {
		if c.Name == name && c.Reason == reason {
			return c.Value
		}
	}
	return 0
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// line is an update as a test reads it.
func line(u bgp.Update) string {
	f := []string{u.Kind.String()}
	if u.Prefix.IsValid() {
		f = append(f, u.Prefix.String())
	}
	if u.Path != nil {
		f = append(f, u.Path.String())
	}
	if u.Kind == bgp.EndOfRIB && u.V6 {
		f = append(f, "ipv6")
	}
	if u.Kind == bgp.PeerDown {
		f = append(f, u.Cause.String())
	}
	return strings.Join(f, " ")
}

func lines(us []bgp.Update) (out []string) {
	for _, u := range us {
		if u.Kind != bgp.Heard {
			out = append(out, line(u))
		}
	}
	return out
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestSession is the walk of a session from its beginning to its end.
func TestSession(t *testing.T) {
	r := start(t, testConfig(here), nil)
	before := time.Now().Add(-time.Millisecond)
	x := r.dial(bgptest.Speaker{Graceful: true})
	must(t, x.Announce(bgp.PathOf(64500, 3356, 64510), prefixes("10.1.0.0/16", "192.0.2.0/24", "2001:db8:1::/48", "3fff::/32")...),
		x.Announce(bgp.PathOf(64500, 174, 64510), prefixes("10.2.0.0/16")...),
		x.EndOfRIB(false), x.EndOfRIB(true), x.Withdraw(prefixes("10.1.0.0/16", "2001:db8:1::/48", "192.0.2.0/24")...))
	r.until("second withdrawal", 0, func(u bgp.Update) bool { return u.Kind == bgp.Withdraw && u.Prefix.Addr().Is6() })
	must(t, x.Close(bgp.Cause{Code: 6, Subcode: 2, Text: "maintenance until 4 o'clock"}))
	r.until("PeerDown", 0, kind(bgp.PeerDown))
	want := []string{"peer-up", "announce 10.1.0.0/16 64500 3356 64510", "announce 2001:db8:1::/48 64500 3356 64510",
		"announce 10.2.0.0/16 64500 174 64510", "end-of-rib", "end-of-rib ipv6", "withdraw 10.1.0.0/16", "withdraw 2001:db8:1::/48",
		"peer-down cease, administrative shutdown: maintenance until 4 o'clock"}
	got := r.updates()
	if !slices.Equal(lines(got), want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines(got), "\n"), strings.Join(want, "\n"))
	}
	peer := bgp.Peer{Collector: "speaker", Addr: here, ASN: theirASN}
	micro := false
	for _, u := range got {
		if u.Peer != peer {
			t.Errorf("%v is of %v, want %v", line(u), u.Peer, peer)
		}
		if u.At.Before(before) || u.At.After(time.Now()) || u.At.Nanosecond()%1000 != 0 {
			t.Errorf("%v is stamped %v, want the time of its arrival in microseconds", line(u), u.At)
		}
		micro = micro || u.At.Nanosecond()%1_000_000 != 0
	}
	if !micro {
		t.Error("no stamp is finer than a millisecond")
	}
	if a, w := r.count("announced", ""), r.count("withdrawn", ""); a != 5 || w != 3 {
		t.Errorf("announced %v, withdrawn %v; want 5 and 3", a, w)
	}
	if err := r.stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("Run ended with %v", err)
	}
}
