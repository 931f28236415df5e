package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bus"
	"depeer/watch"
	"depeer/web"
)

// patience is how long a test waits for what must come.
const patience = 2 * time.Minute

// running is a depeer in a process of its own, which can be killed.
type running struct {
	t     *testing.T
	dir   string
	web   string
	bgp   string
	nats  string
	cmd   *exec.Cmd
	log   lockedBuffer
	ended chan error

	hosters, sources, bus, run, more string // parts of the configuration, see text
	args                             []string
	end                              func() // where it runs within the test
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// lastPort is the port that was given last. They lie below those that the kernel gives to
// connections (ip_local_port_range begins at 32768): nobody takes one before it is used.
var lastPort atomic.Uint32

// freePort is a port of loopback that nobody has, and that is given once.
func freePort(t *testing.T) string {
	t.Helper()
	lastPort.CompareAndSwap(0, 12000+uint32(os.Getpid()%500)*40)
	for range 20_000 {
		addr := fmt.Sprintf("127.0.0.1:%d", 12000+(lastPort.Add(1)-12000)%20_000)
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

// newRunning writes a configuration: a speaker with so many neighbours, 127.0.1.1 and on.
func newRunning(t *testing.T, neighbours int, more string) *running {
	r := newBare(t)
	r.sources = r.speaker(neighbours)
	r.more = more
	r.configure(r.text())
	return r
}

// newBare has a place to live, and no configuration yet.
func newBare(t *testing.T) *running {
	r := &running{t: t, dir: t.TempDir(), web: freePort(t), bgp: freePort(t), nats: freePort(t)}
	r.hosters = "  - {id: mccolo, name: McColo Corp., asns: [26780]}"
	r.bus = fmt.Sprintf(`{embedded: {dir: %s, listen: "%s"}}`, filepath.Join(r.dir, "bus"), r.nats)
	r.run = "save: 10s, reload: 1s"
	return r
}

func (r *running) speaker(neighbours int) string {
	var peers []string
	for i := range neighbours {
		peers = append(peers, fmt.Sprintf("{address: 127.0.1.%d, asn: %d}", i+1, 64601+i))
	}
	return fmt.Sprintf("  - {type: speaker, listen: %q, asn: 64512, router_id: 192.0.2.1, peers: [%s]}", r.bgp, strings.Join(peers, ", "))
}

// text is the configuration.
func (r *running) text() string {
	sources := ""
	if r.sources != "" {
		sources = "sources:\n" + r.sources
	}
	return fmt.Sprintf("hosters:\n%s\n%s\nbus: %s\nweb: {listen: %q}\nrun: {state: %s, %s}\n%s\n",
		r.hosters, sources, r.bus, r.web, filepath.Join(r.dir, "state"), r.run, r.more)
}

func (r *running) configure(text string) {
	if err := os.WriteFile(filepath.Join(r.dir, "depeer.yaml"), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// start starts the process and waits until it answers.
func (r *running) start() *running {
	r.t.Helper()
	self, err := exec.LookPath("depeer") // this test's own binary, by testscript.Main
	if err != nil {
		r.t.Fatal(err)
	}
	r.cmd = exec.Command(self, append([]string{"run", "--config", filepath.Join(r.dir, "depeer.yaml")}, r.args...)...)
	r.cmd.Stderr, r.cmd.Stdout = &r.log, &r.log
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan error) { ended <- cmd.Wait() }(r.cmd, r.ended)
	r.t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	r.await("it answers", func() bool { return !r.status().Now.IsZero() })
	return r
}

// kill ends it as a power cut of the process would.
func (r *running) kill() {
	_ = r.cmd.Process.Kill()
	<-r.ended
}

// stop asks it to end and gives how long that took.
func (r *running) stop() time.Duration {
	began := time.Now()
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	if err := <-r.ended; err != nil {
		r.t.Errorf("it ended with %v\n%s", err, r.log.String())
	}
	return time.Since(began)
}

// await polls for a condition that must come true.
func (r *running) await(what string, ok func() bool) {
	r.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-ticker.C {
		if ok() {
			return
		}
		select {
		case err := <-r.ended:
			r.ended <- err
			r.t.Fatalf("it ended (%v) before: %s\nlog\n%s", err, what, r.log.String())
		default:
		}
	}
	s, _ := json.MarshalIndent(r.status(), "", " ")
	r.t.Fatalf("it never came to pass: %s\nstatus %s\nlog\n%s", what, s, r.log.String())
}

func (r *running) get(path string) (int, []byte) {
	resp, err := http.Get("http://" + r.web + path)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	_, _ = b.ReadFrom(resp.Body)
	return resp.StatusCode, b.Bytes()
}

func (r *running) status() (s web.Status) {
	if _, body := r.get("/api/v1/status"); body != nil {
		_ = json.Unmarshal(body, &s)
	}
	return s
}

func (r *running) hoster() watch.Standing {
	for _, h := range r.status().Hosters {
		if h.Hoster == "mccolo" {
			return h
		}
	}
	return watch.Standing{}
}

// judged waits until so much more time has been judged.
func (r *running) judged(more time.Duration) {
	r.t.Helper()
	end := r.status().Judged.Add(more)
	r.await("time passes", func() bool { return !r.status().Judged.Before(end) })
}

// connect brings a neighbour up, with routes through an upstream.
func (r *running) connect(i int, upstream uint32, prefixes ...netip.Prefix) *bgptest.Session {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	asn := uint32(64600 + i)
	local := netip.AddrFrom4([4]byte{127, 0, 1, byte(i)})
	var s *bgptest.Session
	var err error
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for ; s == nil; <-ticker.C {
		if s, err = bgptest.Dial(ctx, r.bgp, bgptest.Speaker{ASN: asn, RouterID: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), Local: local}); err != nil && ctx.Err() != nil {
			r.t.Fatal(err, r.log.String())
		}
	}
	if len(prefixes) > 0 {
		if err := s.Announce(bgp.PathOf(asn, upstream, 26780), prefixes...); err != nil {
			r.t.Fatal(err)
		}
	}
	for _, v6 := range []bool{false, true} {
		if err := s.EndOfRIB(v6); err != nil {
			r.t.Fatal(err)
		}
	}
	r.t.Cleanup(func() { _ = s.Reset() })
	return s
}

// events reads what was published, from outside, until enough is there; nil is all
// that is there now.
func (r *running) events(enough func([]watch.Event) bool) []watch.Event {
	r.t.Helper()
	cfg := bus.DefaultConfig()
	cfg.URLs = []string{"nats://" + r.nats}
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	b, err := bus.Open(ctx, cfg, bus.Deps{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer b.Close()
	where, err := b.Position(ctx, bus.Events)
	if err != nil {
		r.t.Fatal(err)
	}
	if enough == nil {
		if where.Last < where.First {
			return nil
		}
		enough = func(got []watch.Event) bool { return uint64(len(got)) > where.Last-where.First }
	}
	var got []watch.Event
	err = b.Consume(ctx, bus.Events, bus.Consumer{}, func(_ context.Context, m bus.Message) error {
		e, err := m.Event()
		got = append(got, e)
		if enough(got) {
			cancel()
		}
		return err
	})
	if err != nil || !enough(got) {
		r.t.Fatalf("%v; events %s\n%s", err, kindsOf(got), r.log.String())
	}
	return got
}

func kindsOf(events []watch.Event) string {
	var out []string
	for _, e := range events {
		about := e.Source
		if e.Hoster != nil {
			about = *e.Hoster
		}
		if e.Upstream != 0 {
			about += fmt.Sprint(" AS", e.Upstream)
		}
		out = append(out, string(e.Kind)+" "+about)
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func untilKind(k watch.EventKind) func([]watch.Event) bool {
	return func(got []watch.Event) bool {
		return slices.ContainsFunc(got, func(e watch.Event) bool { return e.Kind == k })
	}
}

var (
	mccolo1 = netip.MustParsePrefix("208.66.192.0/22")
	mccolo2 = netip.MustParsePrefix("208.72.168.0/21")
)

// The story of this program, live: three neighbours carry McColo; it is killed and
// starts again while the hoster is cut off, and says so once.
func TestRunKilledWhileTheHosterIsCutOff(t *testing.T) {
	r := newRunning(t, 3, "").start()
	for i := 1; i <= 3; i++ {
		r.connect(i, []uint32{6939, 3549}[i%2], mccolo1, mccolo2)
	}
	r.await("all three are heard", func() bool { h := r.hoster(); return h.Prefixes == 2 && h.Eligible == 3 && h.Visibility == 1 })
	if code, body := r.get("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz: %d %s", code, body)
	}
	r.judged(2 * time.Second)
	r.kill()

	// While it is away the hoster loses one prefix at everybody.
	r.start()
	for i := 1; i <= 3; i++ {
		r.connect(i, []uint32{6939, 3549}[i%2], mccolo1)
	}
	r.events(untilKind(watch.RouteWithdrawn))
	r.judged(2 * time.Second)
	r.kill()

	// Again: nothing has changed, and nothing is said twice.
	r.start()
	for i := 1; i <= 3; i++ {
		r.connect(i, []uint32{6939, 3549}[i%2], mccolo1)
	}
	r.await("all three are heard again", func() bool { h := r.hoster(); return h.Eligible == 3 && h.Withdrawn == 1 })
	r.judged(3 * time.Second)
	var hosters []string
	for _, e := range r.events(nil) {
		if e.Hoster != nil {
			hosters = append(hosters, string(e.Kind))
		}
	}
	if !slices.Equal(hosters, []string{"route.withdrawn"}) {
		t.Errorf("events of the hoster: %q", hosters)
	}
	if took := r.stop(); took > 10*time.Second {
		t.Errorf("it took %s to stop", took)
	}
}
