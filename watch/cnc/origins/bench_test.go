package origins

import (
	"compress/gzip"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"depeer/bgp/bgptest/realdata"
	"depeer/watch/cnc"
	"depeer/watch/cnc/feed"
)

// synthetic is a table of the size of tomorrow's Internet: 1.2 million IPv4 and 0.3 million IPv6 prefixes, as long as today's are.
func synthetic(tb testing.TB, prefixes int, at time.Time) *Table {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	b := newBuilder("synthetic", 0)
	b.At = at
	for b.t.Size() < prefixes {
		asn := 1 + r.Uint32N(64000)
		if r.IntN(5) == 0 {
			v := [16]byte{0x20 | byte(r.IntN(4)), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
			p, _ := netip.AddrFrom16(v).Prefix(32 + 4*r.IntN(5))
			b.add(p, asn)
			continue
		}
		bits := 24
		if n := r.IntN(100); n < 40 {
			bits = 16 + r.IntN(8)
		}
		p, _ := netip.AddrFrom4([4]byte{byte(1 + r.IntN(222)), byte(r.Uint32()), byte(r.Uint32()), 0}).Prefix(bits)
		b.add(p, asn)
	}
	return b.done()
}

func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// TestMemoryOfATable: 1.5 million prefixes take less than 120 MB.
func TestMemoryOfATable(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has memory of its own")
	}
	before := heap()
	x := synthetic(t, 1_500_000, day("2026-01-01"))
	took := heap() - before
	runtime.KeepAlive(x)
	t.Logf("%d prefixes: %.1f MB", x.Len(), took/1e6)
	if took > 120e6 {
		t.Errorf("%d prefixes take %.1f MB", x.Len(), took/1e6)
	}
}

func BenchmarkBuild(b *testing.B) {
	path, err := realdata.Find("rib", "as-prefix-2026-06", "prefix_origin.tsv.gz")
	if err != nil {
		b.Skip(err)
	}
	for b.Loop() {
		before := heap()
		x, _, err := Load(b.Context(), path, day("2026-06-19"))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric((heap()-before)/1e6, "MB")
		b.ReportMetric(float64(x.Len()), "prefixes")
		runtime.KeepAlive(x)
	}
}

// BenchmarkJoinAMillion joins a million sightings to where they were: those of C2-Tracker, by their own times, against
// tables of two dates.
func BenchmarkJoinAMillion(b *testing.B) {
	var list []cnc.Sighting
	add := func(s cnc.Sighting) {
		if len(list) < 1_000_000 {
			list = append(list, cnc.Sighting{Addr: s.Addr, At: s.At})
		}
	}
	tables := Of(synthetic(b, 1_500_000, day("2022-01-01")), synthetic(b, 1_500_000, day("2024-01-01")))
	if path, err := realdata.Find("cnc", "c2-tracker", "weekly_to_2025-05.tsv.gz"); err == nil {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			b.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := feed.Parse("c2-tracker", strings.NewReader(string(text)), feed.Options{Source: "x"}, add); err != nil {
			b.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for len(list) < 1_000_000 {
		a := netip.AddrFrom4([4]byte{byte(1 + r.IntN(222)), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
		add(cnc.Sighting{Addr: a, At: day("2022-06-01").AddDate(0, 0, r.IntN(1000))})
	}
	b.ReportAllocs()
	known := 0
	for b.Loop() {
		known = 0
		for i := range list {
			if _, ok := tables.Place(list[i].Addr, list[i].At); ok {
				known++
			}
		}
	}
	b.ReportMetric(float64(known)/1e6, "known")
}
