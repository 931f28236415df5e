package watch

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"depeer/bgp"
)

// million is a detector that holds 1,000 prefixes of 10 hosters, each from 1,000
// peers: a million routes, of which a tenth changed since the dump.
func million() *Detector {
	var list Watchlist
	for i := range 10 {
		list.Hosters = append(list.Hosters, Hoster{ID: fmt.Sprintf("hoster-%d", i), ASNs: []uint32{uint32(64500 + i)}})
	}
	d := NewDetector(list, DefaultPolicy())
	peer := func(i int) bgp.Peer {
		return bgp.Peer{Collector: fmt.Sprintf("rrc%02d", i%20), Addr: netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), ASN: uint32(65000 + i)}
	}
	prefix := func(j int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(j >> 8), byte(j), 0}), 24)
	}
	path := func(i, j, way int) bgp.Path {
		return bgp.PathOf(uint32(65000+i), uint32(100+(i*7+j+way)%40), uint32(3000+(i+j%5+way)%6), uint32(64500+j%10))
	}
	for i := range 1000 {
		p := peer(i)
		at := day.Add(time.Duration(i) * 3 * time.Millisecond)
		d.Observe(bgp.Update{At: at, Peer: p, Kind: bgp.TableStart})
		for j := range 1000 {
			d.Observe(bgp.Update{At: at, Peer: p, Kind: bgp.TableRoute, Prefix: prefix(j), Path: path(i, j, 0)})
		}
		d.Observe(bgp.Update{At: at, Peer: p, Kind: bgp.TableEnd, Heard: bgp.Traffic{Routes: 1000}})
	}
	for k := range 100_000 {
		i, j := k*37%1000, k*101%997
		at := day.Add(time.Hour + time.Duration(k)*7_013_511)
		d.Observe(bgp.Update{At: at, Peer: peer(i), Kind: bgp.Announce, Prefix: prefix(j), Path: path(i, j, 1+k%3)})
	}
	d.Advance(day.Add(3 * time.Hour))
	d.Revisions()
	return d
}

// BenchmarkSave is the pause that a live monitor feels, when it writes to memory.
func BenchmarkSave(b *testing.B) {
	d := million()
	var buf bytes.Buffer
	if err := d.Save(&buf); err != nil {
		b.Fatal(err)
	}
	size := buf.Len()
	for b.Loop() {
		buf.Reset()
		if err := d.Save(&buf); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(size))
	b.ReportMetric(float64(size)/1e6, "B/route")
	b.ReportMetric(72e6*float64(b.N)/b.Elapsed().Seconds()/1e6, "MB-of-slots/s")
}

func BenchmarkLoad(b *testing.B) {
	var buf bytes.Buffer
	if err := million().Save(&buf); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := LoadDetector(bytes.NewReader(buf.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(buf.Len()))
}
