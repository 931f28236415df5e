package bus_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"depeer/bus"
)

// foreign starts a NATS server of somebody else's and gives its URL.
func foreign(t *testing.T, opts *server.Options) (*server.Server, string) {
	t.Helper()
	opts.Host, opts.NoSigs, opts.NoLog = "127.0.0.1", true, true
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the foreign server does not start")
	}
	return s, s.ClientURL()
}

func remote(url ...string) bus.Config {
	cfg := bus.DefaultConfig()
	cfg.URLs = url
	return cfg
}

func TestForeignServer(t *testing.T) {
	t.Parallel()
	_, url := foreign(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Username: "depeer", Password: "hunter2"})
	cfg := remote(url)
	cfg.Auth = bus.Auth{User: "depeer", Password: "hunter2"}
	b := open(t, cfg)
	publishAll(t, b)
	take(t, b, bus.Events, 2)
	take(t, b, bus.Routes, 4)

	cfg.Auth.Password = "wrong"
	if b, err := bus.Open(t.Context(), cfg, quiet); !errors.Is(err, nats.ErrAuthorization) || !strings.Contains(err.Error(), url) {
		t.Errorf("with a wrong password: %v, %v", b, err)
	}
}

func TestAbsentServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, err = bus.Open(t.Context(), remote("nats://depeer:hunter2@"+addr), quiet)
	if err == nil || !strings.HasPrefix(err.Error(), "connect to nats://depeer:xxxxx@"+addr+": ") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

// A server that accepts and says nothing.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := remote("nats://" + l.Addr().String())
	cfg.Timeout = 200 * time.Millisecond
	began := time.Now()
	_, err = bus.Open(t.Context(), cfg, quiet)
	if err == nil || !strings.HasPrefix(err.Error(), "connect to nats://"+l.Addr().String()+": ") {
		t.Errorf("%v", err)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("it took %s", d)
	}
}

func TestServerWithoutJetStream(t *testing.T) {
	t.Parallel()
	_, url := foreign(t, &server.Options{})
	_, err := bus.Open(t.Context(), remote(url), quiet)
	if err == nil || !strings.Contains(err.Error(), url+": stream DEPEER_ROUTES: ") || !strings.Contains(err.Error(), "start nats-server with -js") {
		t.Errorf("%v", err)
	}
}

// What is published while the server is away arrives when it is back, once.
func TestServerComesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, url := foreign(t, &server.Options{JetStream: true, StoreDir: dir})
	b := open(t, remote(url))
	publishEvents(t, b, "before")
	port := first.Addr().(*net.TCPAddr).Port
	first.Shutdown()
	first.WaitForShutdown()
	const n = 50
	for i := range n {
		if err := b.PublishEvent(t.Context(), event(fmt.Sprint("away", i))); err != nil {
			t.Fatal(err)
		}
	}
	foreign(t, &server.Options{JetStream: true, StoreDir: dir, Port: port})
	flush(t, b)
	seen := map[string]int{}
	for _, m := range take(t, b, bus.Events, n+1) {
		seen[m.ID]++
	}
	if len(seen) != n+1 || b.Stats().Pending != 0 || b.Stats().Failed != 0 {
		t.Errorf("%d different messages of %d, %+v", len(seen), n+1, b.Stats())
	}
}

func TestServerStaysAway(t *testing.T) {
	t.Parallel()
	s, url := foreign(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	cfg := remote(url)
	cfg.Timeout, cfg.Patience = 200*time.Millisecond, 300*time.Millisecond
	b, err := bus.Open(t.Context(), cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s.Shutdown()
	s.WaitForShutdown()
	if err := b.PublishEvent(t.Context(), event("lost")); err != nil {
		t.Fatal(err)
	}
	if err := b.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "(id lost) to "+url) {
		t.Errorf("flush: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestDirectoryHasOneOwner(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	b := open(t, cfg)
	if _, err := bus.Open(t.Context(), cfg, quiet); err == nil || !strings.HasPrefix(err.Error(), "bus.embedded.dir "+cfg.Embedded.Dir+": in use by another depeer") {
		t.Errorf("second owner: %v", err)
	}
	publishEvents(t, b, "a") // and the first is not disturbed
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, cfg)
}

func TestUnusableDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{"below a file": filepath.Join(file, "bus"), "a file": file}
	if os.Getuid() != 0 {
		closed := filepath.Join(t.TempDir(), "closed")
		if err := os.Mkdir(closed, 0o500); err != nil {
			t.Fatal(err)
		}
		dirs["not writable"] = closed
	}
	for name, dir := range dirs {
		cfg := config(t)
		cfg.Embedded.Dir = dir
		if _, err := bus.Open(t.Context(), cfg, quiet); err == nil || !strings.HasPrefix(err.Error(), "bus.embedded.dir "+dir+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The lock can be taken, but the server cannot make its store.
	cfg := config(t)
	if err := os.WriteFile(filepath.Join(cfg.Embedded.Dir, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.Open(t.Context(), cfg, quiet); err == nil || !strings.HasPrefix(err.Error(), "embedded NATS server in "+cfg.Embedded.Dir+": ") ||
		strings.Contains(err.Error(), "not ready") {
		t.Errorf("store is a file: %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := config(t)
	cfg.Embedded.Listen = l.Addr().String()
	cfg.Timeout = time.Second
	if _, err := bus.Open(t.Context(), cfg, quiet); err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("%v", err)
	}
}

func TestListenAsksWhoItIs(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Embedded.Listen = "127.0.0.1:0"
	cfg.Auth.Token = "hunter2"
	b := open(t, cfg)
	publishEvents(t, b, "a")
	if conn, err := nats.Connect("nats://" + b.Addr()); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("without a token: %v, %v", conn, err)
	}
	_, js := connect(t, "nats://"+b.Addr(), nats.Token("hunter2"))
	if _, err := js.Stream(t.Context(), string(bus.Events)); err != nil {
		t.Error(err)
	}
}

func TestNobodyListensByDefault(t *testing.T) {
	t.Parallel()
	if b := open(t, config(t)); b.Addr() != "" {
		t.Errorf("it listens on %s", b.Addr())
	}
}

func TestStreamsAreBoundedAndKept(t *testing.T) {
	t.Parallel()
	_, url := foreign(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	cfg := remote(url)
	open(t, cfg)
	_, js := connect(t, url)
	get := func(name bus.Stream) jetstream.StreamConfig {
		t.Helper()
		s, err := js.Stream(t.Context(), string(name))
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().Config
	}
	for name, subjects := range map[bus.Stream][]string{
		bus.Routes:    {"depeer.route.*.*"},
		bus.Events:    {"depeer.event.*.*", "depeer.feed.*.*"},
		bus.Incidents: {"depeer.incident.*"},
		bus.Sightings: {"depeer.sighting.*"},
	} {
		s := get(name)
		same(t, subjects, s.Subjects)
		if s.MaxAge <= 0 || s.MaxBytes <= 0 || s.Duplicates <= 0 || s.Storage != jetstream.FileStorage || s.Discard != jetstream.DiscardOld {
			t.Errorf("%s: %+v", name, s)
		}
	}

	// An operator's own settings stay; ours follow the configuration.
	theirs := get(bus.Routes)
	theirs.MaxMsgs = 12345
	if _, err := js.UpdateStream(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	cfg.Streams.Routes.MaxAge, cfg.Streams.Routes.MaxBytes = time.Hour, 1<<20
	open(t, cfg)
	s := get(bus.Routes)
	if s.MaxMsgs != 12345 || s.MaxAge != time.Hour || s.MaxBytes != 1<<20 {
		t.Errorf("%+v", s)
	}
}

// A directory of larger streams opens with smaller bounds.
func TestBoundsMayShrink(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	b, err := bus.Open(t.Context(), cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	publishAll(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, l := range []*bus.Limits{&cfg.Streams.Routes, &cfg.Streams.Events, &cfg.Streams.Incidents, &cfg.Streams.Sightings} {
		l.MaxBytes = 1 << 20
	}
	take(t, open(t, cfg), bus.Events, 2)
}

func TestFullStream(t *testing.T) {
	t.Parallel()
	for _, discard := range []bus.Discard{bus.DiscardOld, bus.DiscardNew} {
		cfg := config(t)
		cfg.Streams.Events.MaxBytes, cfg.Streams.Events.Discard = 1<<20, discard
		b, err := bus.Open(t.Context(), cfg, quiet)
		if err != nil {
			t.Fatal(err)
		}
		big := event("")
		big.Zombies = []string{strings.Repeat("x", 100_000)}
		for i := range 20 {
			big.ID = strconv.Itoa(i)
			if err := b.PublishEvent(t.Context(), big); err != nil {
				t.Fatal(err)
			}
		}
		err = b.Flush(t.Context())
		switch first := take(t, b, bus.Events, 1)[0].ID; discard {
		case bus.DiscardOld:
			if err != nil || first == "0" {
				t.Errorf("old: %v, oldest kept is %s", err, first)
			}
		case bus.DiscardNew:
			if err == nil || !strings.Contains(err.Error(), "maximum bytes exceeded") || first != "0" || b.Stats().Failed == 0 {
				t.Errorf("new: %v, oldest kept is %s, %+v", err, first, b.Stats())
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

const victimDir = "DEPEER_BUS_TEST_VICTIM_DIR"

// victim publishes until it is killed, and prints how many messages are
// acknowledged after each flush.
func victim(dir string) int {
	cfg := bus.DefaultConfig()
	cfg.Embedded.Dir = dir
	ctx := context.Background()
	b, err := bus.Open(ctx, cfg, quiet)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for n := 0; ; {
		for range 7 {
			if err := b.PublishEvent(ctx, event(strconv.Itoa(n))); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			n++
		}
		if err := b.Flush(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(n)
	}
}

// Acknowledged messages survive kill -9, each once, at whatever moment it comes.
func TestKilledProcessLosesNothing(t *testing.T) {
	t.Parallel()
	for _, rounds := range []int{1, 40, 333} {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victimDir+"="+dir)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acked, lines := 0, bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if acked, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
			if n == rounds {
				if err := cmd.Process.Kill(); err != nil { // SIGKILL
					t.Fatal(err)
				}
			}
		}
		io.Copy(io.Discard, out)
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("the victim ended by itself: %v %s", err, stderr.String())
		}
		cfg := bus.DefaultConfig()
		cfg.Embedded.Dir = dir
		b, err := bus.Open(t.Context(), cfg, quiet)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, m := range take(t, b, bus.Events, acked) {
			seen[m.ID] = true
		}
		for i := range acked {
			if !seen[strconv.Itoa(i)] {
				t.Fatalf("message %d of %d acknowledged ones is gone", i, acked)
			}
		}
		// The ids survive too: publishing them again stores none of them twice.
		for i := range acked {
			if err := b.PublishEvent(t.Context(), event(strconv.Itoa(i))); err != nil {
				t.Fatal(err)
			}
		}
		flush(t, b)
		if s := b.Stats(); s.Duplicates != uint64(acked) {
			t.Errorf("%d of %d repeats were stored again", acked-int(s.Duplicates), acked)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("%d acknowledged, all there", acked)
	}
}

func TestSyncAlways(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Embedded.SyncAlways = true
	b := open(t, cfg)
	publishEvents(t, b, "a", "b", "c")
	take(t, b, bus.Events, 3)
}

func BenchmarkPublishEvent(b *testing.B) {
	cfg := bus.DefaultConfig()
	cfg.Embedded.Dir = b.TempDir()
	for name, always := range map[string]bool{"interval": false, "always": true} {
		b.Run("sync="+name, func(b *testing.B) {
			cfg.Embedded.SyncAlways = always
			box, err := bus.Open(b.Context(), cfg, quiet)
			if err != nil {
				b.Fatal(err)
			}
			defer box.Close()
			for i := 0; b.Loop(); i++ {
				if err := box.PublishEvent(b.Context(), event(name+strconv.Itoa(i))); err != nil {
					b.Fatal(err)
				}
			}
			if err := box.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			if s := box.Stats(); s.Acked != s.Published || s.Failed != 0 {
				b.Errorf("%+v", s)
			}
		})
	}
}
