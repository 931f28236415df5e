package rislive

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/mrt"
	"depeer/bgp/wire"
)

// The watchlist of the day: McColo, InterCage, and the networks that lost an
// upstream on it.
var dayList = wire.List{
	ASNs: []uint32{26780, 27595, 44033, 8443, 30890, 16190},
	Prefixes: []netip.Prefix{netip.MustParsePrefix("208.66.192.0/22"), netip.MustParsePrefix("208.72.168.0/21"),
		netip.MustParsePrefix("64.28.176.0/20"), netip.MustParsePrefix("85.255.112.0/20")},
	Upstreams: []uint32{3549, 6939, 1299},
}

const dayFolder = "mrt/routeviews2-2008-02"

// dayFiles lists the archives of 2008-02-23, or the first few of them.
func dayFiles(t testing.TB, most int) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(testData(t, dayFolder), "updates.20080223.*"))
	if err != nil || len(names) == 0 {
		t.Skipf("no archives of 2008-02-23 in %s: %v", dayFolder, err)
	}
	slices.Sort(names)
	return names[:min(most, len(names))]
}

// dayMessages reads the archives one after the other.
func dayMessages(t testing.TB, names []string) iter.Seq2[bgptest.RISMessage, error] {
	return func(yield func(bgptest.RISMessage, error) bool) {
		for _, name := range names {
			in, err := mrt.OpenInput(t.Context(), name)
			if err != nil {
				yield(bgptest.RISMessage{}, err)
				return
			}
			for m, err := range bgptest.RISArchive(filepath.Base(name), "route-views2", in) {
				if !yield(m, err) {
					in.Close()
					return
				}
			}
			in.Close()
		}
	}
}

// tally counts what was emitted, and sums it up so that any difference shows.
type tally struct {
	announced, withdrawn, states, unheard int
	own                                   int // announcements through a watched AS number
	sums                                  map[bgp.Peer]uint64
}

func (y *tally) add(list []bgp.Update) {
	if y.sums == nil {
		y.sums = map[bgp.Peer]uint64{}
	}
	for _, u := range list {
		switch u.Kind {
		case bgp.Announce:
			y.announced++
			if slices.ContainsFunc(u.Path, func(s bgp.Segment) bool {
				return slices.ContainsFunc(s.ASNs, func(a uint32) bool { return slices.Contains(dayList.ASNs, a) })
			}) {
				y.own++
			}
		case bgp.Withdraw:
			y.withdrawn++
		case bgp.PeerUp, bgp.PeerDown:
			y.states++
		case bgp.Unheard:
			y.unheard++
			continue
		default:
			continue
		}
		h := fnv.New64a()
		fmt.Fprint(h, y.sums[u.Peer], u.At.UnixMicro(), u.Kind, u.Prefix, u.Path)
		y.sums[u.Peer] = h.Sum64()
	}
}

// TestReplay sends a recorded half hour through the fake server's WebSocket, as fast as
// it goes, and has what is emitted be what the archives hold, update by update. With
// DEPEER_REPLAY=day it is the whole day of 6.3 million elements; DEPEER_SPEED is the
// multiple of real time (0: as fast as it goes), DEPEER_SUBSCRIBE the way of hearing.
// What is missing must have been named.
func TestReplay(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a recorded half hour")
	}
	files, limit := 2, 5*time.Minute
	if os.Getenv("DEPEER_REPLAY") == "day" {
		files, limit = 1000, 3*time.Hour
	}
	speed, _ := strconv.ParseFloat(os.Getenv("DEPEER_SPEED"), 64)
	names := dayFiles(t, files)
	s := testServer(t)
	cfg := testConfig(s.URL())
	if cfg.Subscribe = os.Getenv("DEPEER_SUBSCRIBE"); cfg.Subscribe == "" {
		cfg.Subscribe = SubscribeAll
	}
	f, err := New(cfg, Deps{Watch: wire.NewShared(dayList)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var mu sync.Mutex
	var got tally
	done := make(chan error, 1)
	go func() {
		done <- f.Run(ctx, func(list []bgp.Update) error {
			mu.Lock()
			defer mu.Unlock()
			got.add(list)
			return nil
		})
	}()
	if err := s.Await(ctx, func(s *bgptest.RISLive) bool {
		n := len(s.Subscriptions())
		return n == 1 && cfg.Subscribe == SubscribeAll || n >= len(dayList.ASNs)+len(dayList.Prefixes)+len(sessionTypes)
	}); err != nil {
		t.Fatal(err)
	}

	// The same messages, straight through a door.
	var want tally
	direct := newIntake(cfg, Deps{Watch: wire.NewShared(dayList)}, &counts{}, newBoard(time.Now, nil))
	var text []byte
	began := time.Now()
	n, late, err := s.Replay(ctx, dayMessages(t, names), speed, func(m *bgptest.RISMessage) bool {
		text, err = m.AppendJSON(text[:0], true)
		if err != nil {
			t.Error(err)
			return false
		}
		direct.out = direct.out[:0]
		direct.take(text, time.Now().UnixMicro())
		want.add(direct.out)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	sent := s.Sent()
	until(t, ctx, "last message", func() bool { return f.counts.read.Load() >= sent && f.Health(time.Now()).Counts != nil })
	messages := func() (n uint64) {
		for i := range f.counts.types {
			n += f.counts.types[i].Load()
		}
		return n
	}
	var m bgptest.RISMessage // one more, behind all others
	m.Host, m.Peer, m.ASN, m.Type, m.State, m.At = "route-views2", netip.MustParseAddr("192.0.2.99"), 1, "RIS_PEER_STATE", "down", time.Unix(1_203_900_000, 0)
	if err := s.Send(m); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, "end", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return got.sums[bgp.Peer{Collector: "route-views2", Addr: m.Peer, ASN: 1}] != 0
	})
	cancel()
	<-done
	delete(got.sums, bgp.Peer{Collector: "route-views2", Addr: m.Peer, ASN: 1})
	got.states--
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("%s, %s: %d messages of %d files in %v (%.0f/s, %.0f times real time, at most %v late), %d received, %d dropped, %d connections lost; announced %d of %d (through a watched AS %d of %d), withdrawn %d of %d, states %d of %d, unheard %d; heap %d MiB",
		cfg.Subscribe, speedText(speed), n, len(names), took.Round(time.Second), float64(n)/took.Seconds(), float64(len(names))*900/took.Seconds(), late.Round(time.Millisecond),
		messages(), f.counts.dropped.Load(), f.counts.lost.Load(), got.announced, want.announced, got.own, want.own, got.withdrawn, want.withdrawn, got.states, want.states, got.unheard, memory.HeapInuse>>20)
	if n == 0 || want.announced == 0 || want.withdrawn == 0 {
		t.Fatal("nothing was replayed")
	}
	named := f.counts.dropped.Load() > 0 || f.counts.lost.Load() > 0
	if named && got.unheard == 0 {
		t.Error("something was lost, and nobody was told")
	}
	if cfg.Subscribe != SubscribeAll || named {
		return
	}
	for p, sum := range want.sums {
		if got.sums[p] != sum {
			t.Errorf("%v: what was emitted is not what was sent", p)
		}
	}
	if len(got.sums) != len(want.sums) {
		t.Errorf("%d peers, want %d", len(got.sums), len(want.sums))
	}
}

func speedText(speed float64) string {
	if speed == 0 {
		return "as fast as it goes"
	}
	return strconv.FormatFloat(speed, 'g', -1, 64) + " times real time"
}

// A recording that was made of an archive says what the archive says.
func TestArchiveAsRISMessages(t *testing.T) {
	names := dayFiles(t, 1)
	in, _ := testIntake(t, everything, nil)
	plain, _ := testIntake(t, everything, nil)
	n := 0
	for m, err := range dayMessages(t, names) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n > 20_000 {
			break
		}
		for i, x := range []*intake{in, plain} {
			text, err := m.AppendJSON(nil, i == 0)
			if err != nil {
				t.Fatal(err)
			}
			x.out = x.out[:0]
			x.take(bytes.Clone(text), time.Now().UnixMicro())
		}
		a, b := words(in.out), words(plain.out)
		if m.Type == "UPDATE" && !slices.Equal(a, b) {
			t.Fatalf("octets %q\nJSON %q", strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
	}
}
