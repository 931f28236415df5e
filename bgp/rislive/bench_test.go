package rislive

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fastjson"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
)

// benchList is 60 hosters' AS numbers and 10,000 prefixes.
func benchList() wire.List {
	var l wire.List
	for i := range 60 {
		l.ASNs = append(l.ASNs, uint32(4_200_000_000+i))
	}
	for i := range 10_000 {
		l.Prefixes = append(l.Prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(i >> 8), byte(i), 0}), 24))
	}
	return l
}

// cpuTime is what this process has used, in user and system mode: on a machine that
// others use too, wall-clock time tells little.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFilter takes in the 1,000 recorded messages, none of which is watched,
// again and again: one operation is one message. Beside it, in the same run, what
// others need to parse the same messages and do nothing with them. Run with
// -cpu 1: go test -run - -bench Filter -cpu 1 -benchmem ./bgp/rislive
func BenchmarkFilter(b *testing.B) {
	octets := testLines(b, "morrowc-rislive/1k-msgs.ndjson")
	var text [][]byte
	for _, l := range octets {
		text = append(text, without(b, l))
	}
	watch := wire.NewShared(benchList())
	filter := func(lines [][]byte) func(b *testing.B) {
		return func(b *testing.B) {
			in := newIntake(DefaultConfig(), Deps{Watch: watch}, &counts{}, newBoard(time.Now, nil))
			b.ReportAllocs()
			n := 0
			begin := cpuTime(b)
			for b.Loop() {
				if n%len(lines) == 0 {
					in.out = in.out[:0]
					for _, p := range in.order {
						p.twin = 0 // the same message comes again
					}
				}
				in.take(lines[n%len(lines)], 1_700_000_000_000_000)
				n++
			}
			report(b, begin)
			if in.counts.types[0].Load() == 0 || in.counts.get("ignored", "duplicate") > 0 {
				b.Fatal("nothing was filtered")
			}
		}
	}
	b.Run("raw", filter(octets))
	b.Run("json", filter(text))
	b.Run("parse-only", func(b *testing.B) {
		var m message
		n := 0
		begin := cpuTime(b)
		for b.Loop() {
			if !m.parse(octets[n%len(octets)]) {
				b.Fatal("refused")
			}
			n++
		}
		report(b, begin)
	})
	b.Run("fastjson-fields-only", func(b *testing.B) {
		var p fastjson.Parser
		n := 0
		begin := cpuTime(b)
		for b.Loop() {
			v, err := p.ParseBytes(octets[n%len(octets)])
			if err != nil || string(v.GetStringBytes("type")) != "ris_message" {
				b.Fatal(err)
			}
			data := v.Get("data")
			for _, key := range [...]string{"host", "peer", "peer_asn", "type", "raw", "direction", "state"} {
				data.GetStringBytes(key)
			}
			for _, key := range [...]string{"timestamp", "path", "origin", "announcements", "withdrawals"} {
				data.Get(key)
			}
			n++
		}
		report(b, begin)
	})
	b.Run("encoding-json-parse-only", func(b *testing.B) {
		type data struct {
			Timestamp     float64 `json:"timestamp"`
			Peer          string  `json:"peer"`
			PeerASN       string  `json:"peer_asn"`
			Host          string  `json:"host"`
			Type          string  `json:"type"`
			Path          []any   `json:"path"`
			Announcements []struct {
				NextHop  string   `json:"next_hop"`
				Prefixes []string `json:"prefixes"`
			} `json:"announcements"`
			Withdrawals []string `json:"withdrawals"`
		}
		b.ReportAllocs()
		n := 0
		begin := cpuTime(b)
		for b.Loop() {
			var e struct {
				Type string `json:"type"`
				Data data   `json:"data"`
			}
			if err := json.Unmarshal(octets[n%len(octets)], &e); err != nil {
				b.Fatal(err)
			}
			n++
		}
		report(b, begin)
	})
}

// report gives the cost of one message, and how many of them a core takes in a second.
func report(b *testing.B, begin time.Duration) {
	took := cpuTime(b) - begin
	b.ReportMetric(float64(took)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/took.Seconds(), "messages/cpu-s")
}

// BenchmarkLatency sends 20,000 messages a second through a WebSocket, one in ten of
// them watched, for as long as -benchtime says (in messages: 200000x is ten
// seconds), and reports how long it takes from before the server's write to emit. The
// server and the feed share the machine.
func BenchmarkLatency(b *testing.B) {
	s := testServer(b)
	cfg := testConfig(s.URL())
	cfg.Subscribe = SubscribeAll
	f, err := New(cfg, Deps{Watch: wire.NewShared(wire.List{Prefixes: []netip.Prefix{netip.MustParsePrefix("208.66.192.0/22")}})})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	wanted := (b.N + 9) / 10
	var mu sync.Mutex
	var took []time.Duration
	all, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- f.Run(ctx, func(list []bgp.Update) error {
			now := time.Now()
			mu.Lock()
			defer mu.Unlock()
			for _, u := range list {
				if u.Kind == bgp.Withdraw {
					if took = append(took, now.Sub(u.At)); len(took) == wanted {
						close(all)
					}
				}
			}
			return nil
		})
	}()
	if err := s.Await(ctx, func(s *bgptest.RISLive) bool { return len(s.Subscriptions()) == 1 }); err != nil {
		b.Fatal(err)
	}
	const rate, step = 20_000, 20 // twenty messages each millisecond
	tick := time.NewTicker(step * time.Second / rate)
	defer tick.Stop()
	b.ResetTimer()
	begin, late := time.Now(), time.Duration(0)
	var text []byte
	for i := 0; i < b.N; i++ {
		if i%step == 0 {
			due := begin.Add(time.Duration(i) * time.Second / rate)
			for wait := time.Until(due); wait > 0; wait = time.Until(due) {
				<-tick.C
			}
			late = max(late, time.Since(due))
		}
		now := time.Now().UnixMicro()
		text = append(text[:0], `{"type":"ris_message","data":{"timestamp":`...)
		text = strconv.AppendInt(text, now/1e6, 10)
		text = append(text, '.')
		micro := strconv.AppendInt(nil, 1_000_000+now%1_000_000, 10)
		text = append(text, micro[1:]...)
		text = append(text, `,"peer":"192.0.2.1","peer_asn":"64500","id":"192.0.2.1-`...)
		text = strconv.AppendInt(text, int64(i), 10)
		text = append(text, `","host":"rrc21.ripe.net","type":"UPDATE","path":[64500,3549,174,64510],"community":[[64500,1],[64500,2],[3549,3]],"origin":"igp","announcements":[{"next_hop":"192.0.2.1","prefixes":["10.0.0.0/8","172.16.0.0/12"]}],"withdrawals":["`...)
		if i%10 == 0 {
			text = append(text, `208.66.192.0/22"]}}`...)
		} else {
			text = append(text, `192.0.2.0/24"]}}`...)
		}
		s.SendLine(text)
	}
	sent := time.Since(begin)
	select {
	case <-all:
	case <-ctx.Done():
		b.Fatalf("%d of %d arrived", len(took), wanted)
	}
	b.StopTimer()
	cancel()
	<-done
	slices.Sort(took)
	at := func(q float64) float64 {
		return float64(took[int(q*float64(len(took)-1))]) / float64(time.Millisecond)
	}
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(at(1), "max-ms")
	b.ReportMetric(float64(b.N)/sent.Seconds(), "messages/s")
	b.ReportMetric(float64(late)/float64(time.Millisecond), "sent-late-max-ms")
	if n := f.counts.dropped.Load(); n > 0 {
		b.Errorf("%d messages were dropped", n)
	}
}
