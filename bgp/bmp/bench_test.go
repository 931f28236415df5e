package bmp

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	gobmp "github.com/osrg/gobgp/v3/pkg/packet/bmp"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
)

// routes makes a connection of so many Route Monitoring messages of 4 prefixes each,
// one of a hundred of which is about a watched AS.
func routes(tb testing.TB, n int) (head, messages []byte) {
	tb.Helper()
	local := netip.MustParseAddr("192.0.2.99")
	head = bgptest.AppendBMPInitiation(nil, "core1", "x")
	head = bgptest.AppendBMPPeerUp(head, peerOne, local, bgptest.BMPCapabilities{ASN: 64999}, bgptest.BMPCapabilities{ASN: 64500})
	for i := range n {
		origin := uint32(1000 + i%5000)
		if i%100 == 0 {
			origin = 26780
		}
		var p [4]netip.Prefix
		for j := range p {
			k := 4*i + j
			p[j] = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(1 + k>>16), byte(k >> 8), byte(k), 0}), 24)
		}
		m := announce(bgp.PathOf(64500, 3356, 1299, 174, origin), p[:]...)
		m.Communities = []uint32{64500<<16 | 1, 64500<<16 | 2, 64500<<16 | 3}
		u, err := bgptest.AppendUpdate(nil, m, bgptest.Encoding{})
		if err != nil {
			tb.Fatal(err)
		}
		q := peerOne
		q.At = time.Now()
		messages = bgptest.AppendBMPRoute(messages, q, u)
	}
	return head, messages
}

// benchWatch is a watchlist of 10,000 prefixes and one AS.
func benchWatch() *wire.Shared {
	l := wire.List{ASNs: []uint32{26780}}
	for i := range 10_000 {
		l.Prefixes = append(l.Prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{200, byte(i >> 8), byte(i), 0}), 24))
	}
	return wire.NewShared(l)
}

const benchMessages = 100_000

// BenchmarkRouteMonitoring is the station from the connection to emit, without the
// socket, beside GoBGP's parser on the same octets. The figures are for one message.
func BenchmarkRouteMonitoring(b *testing.B) {
	head, messages := routes(b, benchMessages)
	var station, theirs float64
	b.Run("station", func(b *testing.B) {
		b.SetBytes(int64(len(messages)) / benchMessages)
		cfg := DefaultConfig()
		b.ReportAllocs()
		b.ResetTimer()
		for done := 0; done < b.N; done += benchMessages {
			s, err := New(cfg, Deps{Watch: benchWatch(), Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			wanted := 0
			s.emit = func(batch []bgp.Update) error { wanted += len(batch); return nil }
			part := messages[:len(messages)/benchMessages*min(benchMessages, b.N-done)]
			c := &conn{s: s, net: &deadEnd{}, addr: netip.MustParseAddr("127.0.0.1"), since: s.now(), peers: map[peerKey]*monitored{},
				br: bufio.NewReaderSize(&joined{parts: [][]byte{head, part}}, readBuffer)}
			if err := s.serve(context.Background(), c); err != nil {
				b.Fatal(err)
			}
			if n := s.counts.by[routeMonitoring].Load(); n != uint64(min(benchMessages, b.N-done)) || wanted == 0 {
				b.Fatalf("%d messages, %d updates", n, wanted)
			}
		}
		station = float64(b.Elapsed()) / float64(b.N)
		b.ReportMetric(1e9/station, "messages/s")
	})
	b.Run("gobgp", func(b *testing.B) {
		b.SetBytes(int64(len(messages)) / benchMessages)
		b.ReportAllocs()
		rest := messages
		for range b.N {
			if len(rest) == 0 {
				rest = messages
			}
			n, err := frame(rest, mostMessage)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := gobmp.ParseBMPMessage(rest[:n]); err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
		theirs = float64(b.Elapsed()) / float64(b.N)
		b.ReportMetric(1e9/theirs, "messages/s")
		if station > 0 {
			b.ReportMetric(theirs/station, "times-station")
		}
	})
}

// joined reads one part after the other.
type joined struct{ parts [][]byte }

func (j *joined) Read(p []byte) (int, error) {
	for len(j.parts) > 0 {
		if n := copy(p, j.parts[0]); n > 0 {
			j.parts[0] = j.parts[0][n:]
			return n, nil
		}
		j.parts = j.parts[1:]
	}
	return bytes.NewReader(nil).Read(p)
}
