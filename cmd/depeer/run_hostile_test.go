package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
)

// The disk of the log is full: it ends, says why, and comes back when there is room.
func TestRunOnAFullDisk(t *testing.T) {
	t.Parallel()
	r := newBare(t)
	disk := filepath.Join(r.dir, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("a small disk cannot be made here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	r.bus = fmt.Sprintf(`{embedded: {dir: %s, listen: %q}, timeout: 1s, patience: 3s}`, filepath.Join(disk, "bus"), r.nats)
	r.sources = r.speaker(2)
	r.configure(r.text())
	r.start()
	s := r.connect(1, 6939, mccolo1)
	r.await("it is heard", func() bool { return r.hoster().Eligible == 1 })
	ballast := filepath.Join(disk, "ballast")
	fill := func() {
		f, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for block := make([]byte, 64<<10); ; {
			if _, err := f.Write(block); err != nil {
				return
			}
		}
	}
	fill()
	paths := []bgp.Path{bgp.PathOf(64601, 6939, 26780), bgp.PathOf(64601, 3549, 26780)}
	ended := false
	for n, end := 0, time.Now().Add(patience); !ended && time.Now().Before(end); n++ {
		_ = s.Announce(paths[n%2], many(300)...)
		select {
		case err := <-r.ended:
			ended = true
			if err == nil {
				t.Error("it ended without an error")
			}
		case <-time.After(50 * time.Millisecond):
		}
	}
	if !ended {
		t.Fatalf("it went on, on a full disk\n%s", r.log.String())
	}
	out := r.log.String()
	t.Logf("the log ends with\n%s", out[max(0, len(out)-4000):])
	if !strings.Contains(out, "\ndepeer: log: ") || !strings.Contains(out, "no space left on device") {
		t.Errorf("it does not say why")
	}
	if len(out) > 100_000 {
		t.Errorf("%d octets of log", len(out))
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	r.start()
	_ = r.connect(1, 6939, mccolo1)
	r.await("it is heard again", func() bool { return r.hoster().Eligible == 1 })
	r.stopped()
}

func many(n int) (out []netip.Prefix) {
	for i := range n {
		out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, byte(i), 0}), 24+i/256))
	}
	return out
}

// Ten thousand hosters, and what is said of them.
func TestRunWatchesTenThousand(t *testing.T) {
	t.Parallel()
	r := newBare(t)
	many := 10_000
	if raceEnabled {
		many = 2_000
	}
	var hosters strings.Builder
	for i := range many {
		fmt.Fprintf(&hosters, "  - {id: h%d, name: Hoster %d, asns: [%d]}\n", i, i, 100_000+i)
	}
	r.hosters = strings.TrimSuffix(hosters.String(), "\n")
	r.sources = r.speaker(3)
	r.more = "policy: {settle: 1s}" // their tables were empty
	r.configure(r.text())
	began := time.Now()
	r.start()
	t.Logf("it answers after %s", time.Since(began))
	var all []*bgptest.Session
	for i := 1; i <= 3; i++ {
		all = append(all, r.connect(i, upstreamOf(i)))
	}
	r.await("all are up", func() bool { return len(r.status().Peers) == 3 })
	began = time.Now()
	for i, s := range all {
		for h := range many {
			if err := s.Announce(bgp.PathOf(uint32(64601+i), upstreamOf(i+1), uint32(100_000+h)), netip.PrefixFrom(netip.AddrFrom4([4]byte{101, byte(h >> 8), byte(h), 0}), 24)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var looked time.Time
	r.await("all are heard", func() bool {
		if time.Since(looked) < time.Second {
			return false // the page is long, and who makes it has the judgement's lock
		}
		looked = time.Now()
		v, _ := r.metric(`depeer_log_updates_total`)
		return v >= float64(3*many)
	})
	t.Logf("%d routes of %d hosters after %s", 3*many, many, time.Since(began))
	began = time.Now()
	if code, _ := r.get("/metrics"); code != 200 {
		t.Error(code)
	}
	t.Logf("/metrics takes %s", time.Since(began))
	began = time.Now()
	_, body := r.get("/api/v1/status")
	t.Logf("/api/v1/status takes %s, %d octets", time.Since(began), len(body))
	v, _ := r.metric("process_resident_memory_bytes")
	t.Logf("%.0f MB", v/1e6)
	if heap, _ := r.metric("go_memstats_heap_inuse_bytes"); heap > 500e6 {
		t.Errorf("%.0f MB of heap", heap/1e6)
	}
	r.judged(3 * time.Second)
	before := len(r.log.String())
	h := 7
	for _, s := range all {
		if err := s.Withdraw(netip.PrefixFrom(netip.AddrFrom4([4]byte{101, 0, byte(h), 0}), 24)); err != nil {
			t.Fatal(err)
		}
	}
	r.await("one of them is dark", func() bool { x, _ := r.hosterOf("h7"); return x.State == "dark" })
	t.Logf("%d octets of log for one story", len(r.log.String())-before)
	began = time.Now()
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	r.await("it was saved", func() bool { v, _ := r.metric("depeer_state_saves_total"); return v >= 1 })
	v, _ = r.metric("depeer_state_save_seconds")
	size, _ := r.metric("depeer_state_save_bytes")
	t.Logf("a reload with saving takes %s; saving %.2fs, %.1f MB", time.Since(began), v, size/1e6)
	if v > 8 { // 0.1 on an idle machine; the race detector and seven neighbours make it 3
		t.Errorf("nothing is judged for %.2fs", v)
	}
	r.kill()
	began = time.Now()
	r.start()
	r.await("it knows all", func() bool { x, _ := r.hosterOf("h7"); return x.State == "dark" && len(r.status().Hosters) == many })
	t.Logf("started again after %s", time.Since(began))
	r.stopped()
}

// Small talk costs no log.
func TestRunIsQuiet(t *testing.T) {
	t.Parallel()
	r := newRunning(t, 3, "").start()
	var all []*bgptest.Session
	for i := 1; i <= 3; i++ {
		all = append(all, r.connect(i, upstreamOf(i), mccolo1, mccolo2))
	}
	r.awaitTables(3, 2)
	r.judged(2 * time.Second)
	before, began := len(r.log.String()), time.Now()
	n := 0
	for round := range 350 {
		for i, s := range all {
			path := bgp.PathOf(uint32(64601+i), uint32(3000+round%2), upstreamOf(i+1), 26780)
			if err := s.Announce(path, mccolo1); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	r.await("all are judged", func() bool { v, _ := r.metric("depeer_log_updates_total"); return v >= float64(n) })
	t.Logf("%d updates: %d octets of log, %s", n, len(r.log.String())-before, time.Since(began))
	if got := len(r.log.String()) - before; got > 2000 {
		t.Errorf("%d octets of log for %d updates that change nothing:\n%s", got, n, r.log.String()[before:])
	}
	before = len(r.log.String())
	r.judged(15 * time.Second)
	if got := r.log.String()[before:]; got != "" {
		t.Errorf("it talks at rest:\n%s", got)
	}
	if events := r.events(nil); len(events) != 0 {
		t.Errorf("told: %s", kindsOf(events))
	}
	r.stopped()
}
