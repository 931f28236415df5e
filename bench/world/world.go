// Package world makes up a large world for measurements: hosters with prefixes and upstreams,
// and a year (or any number of days) of what became of them, in a timeline store.
//
// The same Size and end make the same world, byte for byte. Nothing in it is real. A few
// hosters have most of the changes, as in the Internet: the weight of the n-th is that
// of 1/(n+1)^0.8.
package world

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/watch"
)

// Size says how large a world is.
type Size struct {
	Hosters int
	Changes int // of routes, in all the days together
	Days    int
	Peers   int // that told of the past
}

// Large is what the board has to carry.
func Large() Size { return Size{Hosters: 1000, Changes: 5_000_000, Days: 365, Peers: 30} }

// World is a world. It is never changed.
type World struct {
	Size
	From, To time.Time // of its past
	Hosters  []Hoster
	peers    []bgp.Peer
	weights  []float64 // cumulative, ends with 1
}

// Hoster is one of them.
type Hoster struct {
	watch.Hoster
	Prefixes []netip.Prefix // what it announces; none are configured, all are learned
	Upstream []uint32       // two or three, the first carries most
}

const (
	firstASN      = 300_000
	firstUpstream = 3000
	upstreams     = 40
	collectors    = 3
)

// New makes a world whose past ends at a moment.
func New(size Size, end time.Time) *World {
	end = end.UTC().Truncate(time.Hour)
	w := &World{Size: size, From: end.AddDate(0, 0, -size.Days), To: end}
	random := rand.New(rand.NewPCG(1, 1))
	next, sum := 0, 0.0
	for i := range size.Hosters {
		h := Hoster{Hoster: watch.Hoster{ID: fmt.Sprintf("h%04d", i), Name: fmt.Sprintf("%s %04d", names[i%len(names)], i), ASNs: []uint32{firstASN + uint32(i)}}}
		for range 1 + random.IntN(8) {
			h.Prefixes = append(h.Prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{45 + byte(next>>16), byte(next >> 8), byte(next), 0}), 24))
			next++
		}
		for range 2 + random.IntN(2) {
			h.Upstream = append(h.Upstream, firstUpstream+uint32((i+13*len(h.Upstream))%upstreams))
		}
		w.Hosters = append(w.Hosters, h)
		sum += math.Pow(float64(i+1), -0.8)
		w.weights = append(w.weights, sum)
	}
	for i := range w.weights {
		w.weights[i] /= sum
	}
	for i := range size.Peers {
		w.peers = append(w.peers, bgp.Peer{Collector: fmt.Sprintf("rrc%02d", i%collectors), Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i)}), ASN: 64100 + uint32(i)})
	}
	return w
}

var names = []string{"Harbour Servers", "Night Rack", "Blue Cage Hosting", "Steppe Cloud", "Offshore Bits", "Quiet Colocation", "Ridge Networks", "Copper Vault"}

// Path is how an AS reaches a hoster through the n-th of its upstreams, in circles.
func (w *World) Path(from uint32, hoster, n int) bgp.Path {
	h := &w.Hosters[hoster]
	return bgp.PathOf(from, 2000+from%7, h.Upstream[n%len(h.Upstream)], h.ASNs[0])
}

// Usual is which of its upstreams an AS uses for a hoster when nothing is wrong.
func (w *World) Usual(peer, hoster int) int {
	if n := len(w.Hosters[hoster].Upstream); (peer+hoster)%3 == 0 {
		return 1 + (peer+hoster)/3%(n-1)
	}
	return 0
}

// YAML is the list of hosters for a configuration.
func (w *World) YAML() string {
	var b strings.Builder
	b.WriteString("hosters:\n")
	for i := range w.Hosters {
		h := &w.Hosters[i]
		fmt.Fprintf(&b, "  - {id: %s, name: %q, asns: [%d], tags: [bench]}\n", h.ID, h.Name, h.ASNs[0])
	}
	return b.String()
}
