package main

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/rislive"
	"depeer/bgp/wire"
	"depeer/bus"
	"depeer/watch"
)

// BenchmarkRISLiveToNATS sends 20,000 messages a second through the RIS Live feed and
// the collector, and measures from the message on the server's socket to a consumer of
// the log, as percentiles. Server, feed, NATS and consumer share this machine.
//
//	go test -run '^$' -bench RISLiveToNATS -benchtime 200000x ./cmd/depeer
func BenchmarkRISLiveToNATS(b *testing.B) {
	for name, every := range map[string]int{"one in ten is watched": 10, "all are watched": 1} {
		b.Run(name, func(b *testing.B) { benchRISLiveToNATS(b, every) })
	}
}

func benchRISLiveToNATS(b *testing.B, every int) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	server, err := bgptest.NewRISLive()
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	quiet := slog.New(slog.DiscardHandler)
	cfg := bus.DefaultConfig()
	cfg.Embedded.Dir = b.TempDir()
	log, err := bus.Open(ctx, cfg, bus.Deps{Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()

	hosters := []watch.Hoster{{ID: "mccolo", ASNs: []uint32{26780}, Prefixes: []netip.Prefix{mccolo1}}}
	shared := wire.NewShared(wire.List{ASNs: []uint32{26780}, Prefixes: []netip.Prefix{mccolo1}})
	ris := rislive.DefaultConfig()
	ris.Name, ris.URL, ris.Subscribe = "rislive", server.URL(), "all"
	c := &collector{bus: log, log: quiet, roll: newRoll(hosters), shared: shared, began: time.Now()}
	c.feeds = []*liveFeed{{name: "rislive", kind: "rislive", slack: rislSlack, ends: bgp.Unheard.String(),
		make: func() (bgp.Feed, error) { return rislive.New(ris, rislive.Deps{Watch: shared, Logger: quiet}) }}}
	var parts sync.WaitGroup
	parts.Add(2)
	go func() {
		defer parts.Done()
		c.run(ctx)
	}()
	wanted := (b.N + every - 1) / every
	took, all := make([]time.Duration, 0, wanted), make(chan struct{})
	go func() {
		defer parts.Done()
		_ = log.Consume(ctx, bus.Routes, bus.Consumer{Filters: []string{"depeer.route.mccolo.withdraw"}}, func(_ context.Context, m bus.Message) error {
			now := time.Now()
			list, err := m.Routes()
			for _, u := range list {
				if took = append(took, now.Sub(u.At)); len(took) == wanted {
					close(all)
				}
			}
			return err
		})
	}()
	if err := server.Await(ctx, func(s *bgptest.RISLive) bool { return len(s.Subscriptions()) > 0 }); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	sendAt(b, server, 20_000, every)
	select {
	case <-all:
	case <-time.After(time.Minute):
		b.Fatalf("%d of %d arrived", len(took), wanted)
	}
	b.StopTimer()
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(took[(len(took)-1)*p/100].Microseconds())/1000, "ms-p"+strconv.Itoa(p))
	}
	cancel()
	parts.Wait()
}

// sendAt sends b.N messages at a rate, each stamped with the moment in which it is sent.
func sendAt(b *testing.B, s *bgptest.RISLive, rate, every int) {
	const step = 20 // messages at once
	begin := time.Now()
	tick := time.NewTicker(time.Duration(step) * time.Second / time.Duration(rate))
	defer tick.Stop()
	var text []byte
	for i := range b.N {
		if i%step == 0 {
			due := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
			for time.Until(due) > 0 {
				<-tick.C
			}
		}
		now := time.Now().UnixMicro()
		micro := strconv.AppendInt(nil, 1_000_000+now%1_000_000, 10)
		text = append(text[:0], `{"type":"ris_message","data":{"timestamp":`...)
		text = append(append(strconv.AppendInt(text, now/1e6, 10), '.'), micro[1:]...)
		text = append(text, `,"peer":"192.0.2.1","peer_asn":"64500","id":"192.0.2.1-`...)
		text = strconv.AppendInt(text, int64(i), 10)
		text = append(text, `","host":"rrc21.ripe.net","type":"UPDATE","path":[64500,3549,174,64510],"origin":"igp","announcements":[{"next_hop":"192.0.2.1","prefixes":["10.0.0.0/8","172.16.0.0/12"]}],"withdrawals":["`...)
		if i%every == 0 {
			text = append(text, `208.66.192.0/22"]}}`...)
		} else {
			text = append(text, `192.0.2.0/24"]}}`...)
		}
		s.SendLine(text)
	}
}
