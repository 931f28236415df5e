package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bus"
	"depeer/watch"
)

// birdConfig makes BIRD a neighbour that carries McColo behind AS6939.
const birdConfig = `
log stderr { error, fatal, bug };
router id 192.0.2.%[1]d;
protocol device { scan time 600; }
protocol static mccolo {
  ipv4;
  route 208.66.192.0/22 blackhole;
  route 208.72.168.0/21 blackhole;
}
protocol static others {
  ipv4;
  route 198.51.100.0/24 blackhole;
}
filter behind {
  if proto = "mccolo" then { bgp_path.prepend(26780); bgp_path.prepend(6939); }
  accept;
}
protocol bgp depeer {
  local 127.0.1.%[1]d port %[4]d as %[2]d;
  neighbor 127.0.0.1 port %[3]s as 64512;
  multihop; strict bind yes;
  connect retry time 1; connect delay time 1; error wait time 1,2;
  ipv4 { import none; export filter behind; next hop address 192.0.2.%[1]d; };
}
`

// startBird starts BIRD, and gives what speaks to it.
func startBird(t *testing.T, i int, r *running) func(args ...string) string {
	t.Helper()
	for _, name := range []string{"bird", "birdc"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("DEPEER_INTEROP") == "1" {
				t.Fatalf("%s is not installed (Debian: bird2)", name)
			}
			t.Skipf("%s is not installed (Debian: bird2)", name)
		}
	}
	dir := t.TempDir()
	conf, control := filepath.Join(dir, "bird.conf"), filepath.Join(dir, "ctl")
	port := r.bgp[strings.LastIndex(r.bgp, ":")+1:]
	own := freePort(t)
	var ownPort int
	if _, err := fmt.Sscanf(own[strings.LastIndex(own, ":")+1:], "%d", &ownPort); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, fmt.Appendf(nil, birdConfig, i, 64600+i, port, ownPort), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bird", "-f", "-c", conf, "-s", control)
	cmd.Stderr = &r.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return func(args ...string) string {
		t.Helper()
		out, err := exec.Command("birdc", append([]string{"-s", control}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("birdc %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
}

// From the withdrawal on real routers to the confirmed event on NATS, as somebody
// who subscribed there sees it: under a second at the median, where nothing is left
// to hunt for.
func TestRunWithRealRouters(t *testing.T) {
	r := newRunning(t, 2, "").start()
	birds := []func(...string) string{startBird(t, 1, r), startBird(t, 2, r)}
	r.await("both are heard", func() bool { h := r.hoster(); return h.Prefixes == 2 && h.Eligible == 2 && h.Visibility == 1 })

	cfg := bus.DefaultConfig()
	cfg.URLs = []string{"nats://" + r.nats}
	b, err := bus.Open(t.Context(), cfg, bus.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard, ended := make(chan watch.Event, 100), make(chan error, 1)
	go func() {
		ended <- b.Consume(ctx, bus.Events, bus.Consumer{New: true}, func(_ context.Context, m bus.Message) error {
			e, err := m.Event()
			heard <- e
			return err
		})
	}()
	until := func(k watch.EventKind) {
		t.Helper()
		for timeout := time.After(patience); ; {
			select {
			case e := <-heard:
				if e.Kind == k {
					return
				}
			case err := <-ended:
				t.Fatal(err)
			case <-timeout:
				t.Fatalf("%s never came\n%s", k, r.log.String())
			}
		}
	}
	var took []time.Duration
	for round := range 5 {
		r.judged(time.Second)
		// A second that has just begun ends later than one that is nearly over: take all kinds.
		r.await("the moment", func() bool { return time.Now().Nanosecond()/200_000_000 == round })
		began := time.Now()
		for _, bird := range birds {
			bird("disable", "mccolo")
		}
		until(watch.HosterDark)
		took = append(took, time.Since(began))
		for _, bird := range birds {
			bird("enable", "mccolo")
		}
		until(watch.HosterReturned)
		t.Logf("round %d: told after %s", round+1, took[round])
	}
	slices.Sort(took)
	t.Logf("median %s, all %s", took[len(took)/2], took)
	for i, bird := range birds {
		// Nothing was ever announced to the router.
		if out := bird("show", "route", "protocol", "depeer", "count"); !strings.Contains(out, "0 of 0 routes") && !strings.Contains(out, "0 of 3 routes") {
			t.Errorf("BIRD %d has routes from depeer: %s", i+1, out)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
