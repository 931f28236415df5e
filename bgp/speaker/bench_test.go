package speaker

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
)

// The benchmark's feed: a full table, 800,000 IPv4 and 200,000 IPv6 prefixes in
// about 480,000 UPDATEs, from another process. Of the prefixes 10,000 are watched.
const (
	bench4      = 800_000
	bench6      = 200_000
	benchEnv    = "DEPEER_TEST_SENDER" // address to send to
	benchFrom   = "DEPEER_TEST_FROM"
	benchWindow = 100 // one of so many prefixes is watched
)

func bench4Prefix(i int) netip.Prefix {
	i += 1 << 16 // from 1.0.0.0/24 on
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 0}), 24)
}

func bench6Prefix(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x24, byte(i >> 16), byte(i >> 8), byte(i)}), 48)
}

// senderMain is the other process of the benchmark: it sends the table to an
// address, and stays until its standard input ends.
func senderMain() bool {
	to := os.Getenv(benchEnv)
	if to == "" {
		return false
	}
	if err := sendTable(to, netip.MustParseAddr(os.Getenv(benchFrom))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// table is the feed's bytes, and how many UPDATEs it has.
func table() (out []byte, updates int, err error) {
	rng := rand.New(rand.NewPCG(2008, 11))
	add := func(n int, prefix func(int) netip.Prefix) {
		for i := 0; i < n && err == nil; updates++ {
			k := min(1+rng.IntN(3)+rng.IntN(12)/11, n-i) // 2.08 on average
			m := bgptest.UpdateMessage{NextHop4: netip.MustParseAddr("192.0.2.1"), NextHop6: netip.MustParseAddr("2001:db8::1")}
			for range k {
				m.Announce = append(m.Announce, bgptest.NLRI{Prefix: prefix(i)})
				i++
			}
			path := []uint32{theirASN}
			for range 2 + rng.IntN(5) {
				path = append(path, 1+uint32(rng.IntN(60_000)))
			}
			m.Path = bgp.PathOf(path...)
			for range rng.IntN(8) {
				m.Communities = append(m.Communities, rng.Uint32())
			}
			out, err = bgptest.AppendUpdate(out, m, bgptest.Encoding{})
		}
	}
	add(bench4, bench4Prefix)
	add(bench6, bench6Prefix)
	out = bgptest.AppendEndOfRIB(out, false)
	return bgptest.AppendEndOfRIB(out, true), updates, err
}

func sendTable(to string, from netip.Addr) error {
	feed, n, err := table()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		x, err := bgptest.Dial(ctx, to, bgptest.Speaker{ASN: theirASN, Local: from, Graceful: true})
		if err == nil {
			defer x.Close(bgp.Cause{})
			if err := x.Send(feed); err != nil {
				return err
			}
			fmt.Println(n)
			_, _ = os.Stdin.Read(make([]byte, 1)) // until the other side is done
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// startSender runs the other process, and gives what ends it.
func startSender(b testing.TB, to string, from netip.Addr) func() {
	b.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), benchEnv+"="+to, benchFrom+"="+from.String())
	in, err := c.StdinPipe()
	must(b, err)
	c.Stderr = os.Stderr
	must(b, c.Start())
	return func() {
		in.Close()
		_ = c.Wait()
	}
}

func cpuSeconds(b testing.TB) float64 {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// peakRSS is the high-water mark of a process's memory, in MB.
func peakRSS(pid string) float64 {
	s, _ := os.ReadFile(filepath.Join("/proc", pid, "status"))
	_, rest, _ := strings.Cut(string(s), "VmHWM:")
	n, _ := strconv.ParseFloat(strings.Fields(rest + " 0")[0], 64)
	return n / 1024
}

// BenchmarkFullTable takes a table of one million routes with 10,000 of them
// watched. It reports the CPU seconds and the peak memory of this process alone;
// the sender is another one. Then BIRD, where it is installed, takes the same feed.
func BenchmarkFullTable(b *testing.B) {
	var list wire.List
	for i := 0; i < bench4; i += benchWindow {
		list.Prefixes = append(list.Prefixes, bench4Prefix(i))
	}
	for i := 0; i < bench6; i += benchWindow {
		list.Prefixes = append(list.Prefixes, bench6Prefix(i))
	}
	for _, limit := range []int{0, 2_000_000} {
		b.Run(fmt.Sprintf("depeer/max_prefixes=%d", limit), func(b *testing.B) {
			for range b.N {
				benchSpeaker(b, list, limit)
			}
		})
	}
	b.Run("bird", func(b *testing.B) {
		for range b.N {
			benchBird(b)
		}
	})
}

func benchSpeaker(b *testing.B, list wire.List, limit int) {
	b.StopTimer()
	cfg := testConfig(here)
	cfg.Peers[0].MaxPrefixes = limit
	announced, ends := 0, make(chan struct{}, 2)
	var s *Speaker
	s, err := New(cfg, Deps{Watch: wire.NewShared(list)})
	must(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Run(ctx, func(us []bgp.Update) error {
			for _, u := range us {
				switch u.Kind {
				case bgp.Announce:
					announced++
				case bgp.EndOfRIB:
					ends <- struct{}{}
				}
			}
			return nil
		})
	}()
	addrs, err := s.Listening(ctx)
	must(b, err)
	runtime.GC()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // the high-water mark begins anew
	before, began := cpuSeconds(b), time.Now()
	b.StartTimer()
	stop := startSender(b, addrs[0].String(), here)
	<-ends
	<-ends
	b.StopTimer()
	cpu, wall := cpuSeconds(b)-before, time.Since(began)
	b.ReportMetric(cpu, "cpu-s/op")
	b.ReportMetric(peakRSS("self"), "peak-MB")
	b.ReportMetric(wall.Seconds(), "wall-s/op")
	b.ReportMetric(float64(announced), "watched/op")
	if want := len(list.Prefixes); announced != want {
		b.Errorf("%d watched routes, want %d", announced, want)
	}
	if cpu > 2 || peakRSS("self") > 150 {
		b.Errorf("%.2f CPU seconds and %.0f MB, at most 2 and 150 are promised", cpu, peakRSS("self"))
	}
	stop()
	cancel()
	<-ended
}

// benchBird lets BIRD take the same feed.
func benchBird(b *testing.B) {
	if _, err := exec.LookPath("bird"); err != nil {
		b.Skip("bird is not installed")
	}
	b.StopTimer()
	dir := b.TempDir()
	conf := fmt.Sprintf("router id 127.0.0.1;\nprotocol device { scan time 600; }\nprotocol bgp c { local 127.0.0.1 port 17901 as %d; neighbor 127.0.0.18 as %d; multihop; passive yes; strict bind yes; graceful restart on;\n ipv4 { import all; export none; }; ipv6 { import all; export none; }; }\n", ourASN, theirASN)
	must(b, os.WriteFile(filepath.Join(dir, "c"), []byte(conf), 0o600))
	c := exec.Command("bird", "-f", "-c", "c", "-s", "s")
	c.Dir = dir
	must(b, c.Start())
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	b.StartTimer()
	stop := startSender(b, "127.0.0.1:17901", netip.MustParseAddr("127.0.0.18"))
	defer stop()
	deadline := time.Now().Add(2 * time.Minute)
	for time.Now().Before(deadline) {
		q := exec.Command("birdc", "-s", "s", "show", "route", "count")
		q.Dir = dir
		if out, err := q.Output(); err == nil && bytes.Contains(out, []byte(fmt.Sprintf("%d routes for", bench4+bench6))) ||
			err == nil && bytes.Contains(out, []byte(fmt.Sprint(bench4)+" of ")) && bytes.Contains(out, []byte(fmt.Sprint(bench6)+" of ")) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.StopTimer()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.Process.Pid))
	must(b, err)
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	user, _ := strconv.ParseFloat(f[11], 64)
	sys, _ := strconv.ParseFloat(f[12], 64)
	b.ReportMetric((user+sys)/100, "cpu-s/op")
	b.ReportMetric(peakRSS(strconv.Itoa(c.Process.Pid)), "peak-MB")
}

// BenchmarkLatency is the time from a router's write to emit, at one UPDATE at a
// time.
func BenchmarkLatency(b *testing.B) {
	got := make(chan time.Time, 1)
	r := start(b, testConfig(here), func(us []bgp.Update) error {
		for _, u := range us {
			if u.Kind == bgp.Announce {
				got <- time.Now()
			}
		}
		return nil
	})
	x := r.dial(bgptest.Speaker{})
	all := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for i := range b.N {
		m, err := bgptest.AppendUpdate(nil, bgptest.UpdateMessage{Announce: []bgptest.NLRI{{Prefix: route4(i % 1000)}},
			Path: bgp.PathOf(theirASN, uint32(1+i%60_000)), NextHop4: netip.MustParseAddr("192.0.2.1")}, x.Encoding)
		must(b, err)
		began := time.Now()
		must(b, x.Send(m))
		all = append(all, (<-got).Sub(began))
	}
	b.StopTimer()
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-us")
}
