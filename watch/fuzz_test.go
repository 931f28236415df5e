package watch

import (
	"net/netip"
	"testing"
	"time"

	"depeer/bgp"
)

// fuzzPrefixes are the hoster's own, parts of them, and others'.
var fuzzPrefixes = []netip.Prefix{mustPrefix(one), mustPrefix("192.0.2.128/25"), mustPrefix(two), mustPrefix(three), mustPrefix(six), mustPrefix("2001:db8:99::/48"), mustPrefix("10.0.1.0/24"), {}}

// fuzzPaths end at the hoster, pass it, or have nothing to do with it. The peer
// comes before them, but for the last two.
var fuzzPaths = []bgp.Path{
	bgp.PathOf(6939, 64510), bgp.PathOf(3549, 64510), bgp.PathOf(174, 3549, 64510), bgp.PathOf(1299, 64510, 64510, 64511), bgp.PathOf(6939, 64510, 65001),
	bgp.PathOf(174, 64999), bgp.PathOf(6939, 65002), bgp.PathOf(64510, 174, 64511), {{Type: bgp.ASSet, ASNs: []uint32{6939, 3549}}, {Type: bgp.ASSequence, ASNs: []uint32{64510}}},
	{{Type: bgp.ASSequence, ASNs: []uint32{6939, 64510}}, {Type: bgp.ASSet, ASNs: []uint32{65001, 65002}}}, bgp.PathOf(64510), nil,
}

// FuzzDetector: whatever peers say, in whatever order of time, nothing panics and
// the laws of events and incidents hold; the same again gives the same bytes.
func FuzzDetector(f *testing.F) {
	f.Add([]byte{5, 0x20, 0x00, 6, 0x00, 0x00, 7, 0x00, 0x00, 1, 0x51, 0x05, 2, 0x00, 0x00, 0x0b, 0x60, 0x00})
	f.Add([]byte{1, 0x00, 0x00, 1, 0x01, 0x10, 1, 0x52, 0x08, 3, 0x50, 0x00, 4, 0x30, 0x00, 1, 0x00, 0x20, 5, 0x31, 0x00, 0x0b, 0x70, 0x00, 10, 0x72, 0x41})
	f.Add([]byte{0x41, 0x00, 0x00, 0x81, 0x00, 0x10, 0x44, 0x30, 0x00, 0x45, 0x00, 0x00, 0x41, 0x00, 0x00, 0x81, 0x00, 0x10, 0x82, 0x50, 0x00, 0x42, 0x50, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 3*400 {
			return // longer ones say no more
		}
		same(t, "again", fuzzed(t, data), fuzzed(t, data))
	})
}

func fuzzed(t *testing.T, data []byte) []string {
	pauses := []time.Duration{0, 0, 300 * time.Millisecond, time.Second, -7 * time.Second, 61 * time.Second, 20 * time.Minute, 25 * time.Hour}
	h := Hoster{ID: "example", ASNs: []uint32{64510, 64511}, Prefixes: []netip.Prefix{mustPrefix(one), mustPrefix(two)},
		Upstreams: []uint32{6939}, AllowedOrigins: []uint32{65002}, Valid: Validity{To: day.Add(20 * 24 * time.Hour)}}
	j := &judgement{d: NewDetector(Watchlist{Hosters: []Hoster{h, {ID: "other", ASNs: []uint32{64999}}, {ID: "space", Prefixes: []netip.Prefix{mustPrefix(three)}}}}, DefaultPolicy())}
	now, latest := day, day
	for ; len(data) >= 3; data = data[3:] {
		a, b, c := data[0], data[1], data[2]
		now = now.Add(pauses[b>>4&7])
		if now.Before(latest.Add(-time.Minute)) {
			now = latest
		}
		if now.After(latest) {
			latest = now
		}
		i := int(b & 15)
		u := bgp.Update{At: now, Kind: bgp.Kind(a & 15), V6: b&0x80 != 0, PathID: uint32(a >> 6), Prefix: fuzzPrefixes[c&7],
			Peer:  bgp.Peer{Collector: []string{"rrc00", "route-views2"}[i%2], Addr: addrOf(i % 6), ASN: uint32(64601 + i%6)},
			Heard: bgp.Traffic{Announced: uint64(a) << 14, Withdrawn: uint64(b), Routes: int(c)}}
		if p := int(c>>3) % len(fuzzPaths); p < len(fuzzPaths)-2 {
			u.Path = append(bgp.PathOf(u.Peer.ASN), fuzzPaths[p]...)
		} else {
			u.Path = fuzzPaths[p]
		}
		if u.Kind == 11 {
			j.take(t, j.d.Advance(latest))
			continue
		}
		j.take(t, j.d.Observe(u))
	}
	j.take(t, j.d.Advance(latest.Add(2*24*time.Hour)))
	_ = j.d.Board()
	return append(j.said, j.told...)
}
