package bgptest

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"depeer/bgp"
)

// Numbers of invented ASes. They are 32-bit private ones (RFC 6996), so that
// nobody real is ever said to have done something.
const (
	firstTransientAS = 4200000001 // met on the longer paths of path hunting
	firstRegionalAS  = 4200000100 // carry the background table
	firstTableAS     = 4200001000 // originate it
	firstReferenceAS = 4200500000 // customers of the upstreams with reference networks
	endOfInvented    = 4201500000
	transientASes    = 60
	regionalASes     = 50
)

// Where invented prefixes and session addresses lie. Timelines may not use
// these for networks.
var (
	inventedV4 = netip.MustParsePrefix("10.0.0.0/8")    // RFC 1918
	inventedV6 = netip.MustParsePrefix("3fff::/20")     // RFC 9637
	sessionsV4 = netip.MustParsePrefix("198.18.0.0/15") // RFC 2544
	sessionsV6 = netip.MustParsePrefix("2001:db8:ffff::/48")
)

// Scenario is a world of collectors, peers and networks, and what happens in it
// between two moments. It is read-only once parsed: every run over it begins anew.
type Scenario struct {
	name       string
	seed       uint64
	start, end int64 // microseconds since the Unix epoch
	fileEvery  int64 // microseconds that one update file covers
	plain      bool  // files without compression
	hunting    int   // of 10,000: peers that try longer paths before they settle
	duplicates int   // of 10,000: announcements that are said twice
	churnGap   int64 // mean microseconds between background updates, 0 for none
	ribEvery   int64 // microseconds between table dumps, 0 for none but those in the timeline

	collectors []*collector
	peers      []*peer
	transits   []uint32
	networks   []*network
	byASN      map[uint32]*network
	prefixes   []netip.Prefix
	prefixIDs  map[netip.Prefix]int
	events     []*event
	small      []int // ids of the background prefixes, which churn
	nextV4     uint32
	nextV6     uint32
	wayCount   int

	tableASes, referenceASes uint32 // how many have been invented
}

type collector struct {
	name     string
	number   int
	format   Format
	v6       bool // sessions over IPv6
	families families
	firstAS  uint32
	peers    []*peer
}

// families are the address families that a session carries.
type families struct{ v4, v6 bool }

func (f families) carry(p netip.Prefix) bool { return p.Addr().Is4() && f.v4 || p.Addr().Is6() && f.v6 }

type peer struct {
	bgp.Peer
	col     *collector
	index   int // in Scenario.peers
	number  int // in its collector, from 1
	partial int // of 10,000: prefixes that this peer sends, 10,000 for a full table
	slots   int // routes per prefix: 2 where the session uses ADD-PATH
}

// network is an AS that originates prefixes, and the ways that lead to it.
type network struct {
	asn        uint32
	prefixes   []int // those that it originates from the start
	ways       []*way
	background bool
}

// way is a path tail that leads to a network, as an AS_PATH has it: the hop
// nearest to the network comes last.
type way struct {
	id      int
	net     *network
	hops    []uint32
	share   int // of 10,000: peers that prefer it among those that can see it
	prepend int // how often the network repeats itself
	scope   scope
	seenBy  audience
	asns    []uint32 // hops, then the network, for matching
}

// audience says which peers something reaches: everybody, those listed, or a
// share of all.
type audience struct {
	peers map[int]bool // nil for everybody
	share int          // of 10,000, where peers is nil; 0 for everybody
}

// scope narrows a sentence to address families, networks and prefixes. What is
// empty narrows nothing; networks and prefixes add up.
type scope struct {
	v4, v6     bool
	references bool // all networks that reference sentences made
	networks   map[uint32]bool
	prefixes   map[netip.Prefix]bool
}

func (s scope) empty() bool {
	return !s.v4 && !s.v6 && !s.references && len(s.networks) == 0 && len(s.prefixes) == 0
}

func (s scope) match(asn uint32, p netip.Prefix) bool {
	if (s.v4 || s.v6) && !(families{s.v4, s.v6}).carry(p) {
		return false
	}
	if !s.references && len(s.networks) == 0 && len(s.prefixes) == 0 {
		return true
	}
	return s.networks[asn] || s.prefixes[p] || s.references && asn >= firstReferenceAS && asn < endOfInvented
}

func (s scope) equal(t scope) bool {
	if s.v4 != t.v4 || s.v6 != t.v6 || s.references != t.references || len(s.networks) != len(t.networks) || len(s.prefixes) != len(t.prefixes) {
		return false
	}
	for a := range s.networks {
		if !t.networks[a] {
			return false
		}
	}
	for p := range s.prefixes {
		if !t.prefixes[p] {
			return false
		}
	}
	return true
}

// edge is two neighbours in an AS_PATH: left is nearer to the peers.
type edge struct{ left, right uint32 }

// event is one sentence of the timeline.
type event struct {
	at       int64
	verb     string
	over     int64 // microseconds in which everybody settles
	edges    []edge
	asns     []uint32
	scope    scope
	except   map[int]bool
	prefixes []int
	net      *network
	to       *network
	way      *way
	share    int
	peers    []*peer
	whole    bool // peers are a whole collector
	col      *collector
	down     int64
	every    int64
	count    int
	gaps     bool
}

// rng is the only source of chance: a PCG seeded by the scenario's seed and by
// what is being drawn. So a new line in a timeline does not change what other
// lines draw. Only whole numbers are drawn: the same on any machine.
func (s *Scenario) rng(what string, keys ...uint64) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed, mix(what, keys...)))
}

// draw is one number below n, for the same keys always the same.
func (s *Scenario) draw(n uint64, what string, keys ...uint64) uint64 {
	return scramble(s.seed^mix(what, keys...)) % n
}

// mix folds a label and numbers into one (FNV-1a over the label, then SplitMix64
// steps).
func mix(what string, keys ...uint64) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(what) {
		h = (h ^ uint64(what[i])) * 1099511628211
	}
	for _, k := range keys {
		h = scramble(h ^ scramble(k))
	}
	return h
}

func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func micro(t time.Time) int64    { return t.UnixMicro() }
func instant(us int64) time.Time { return time.UnixMicro(us).UTC() }

const second = int64(1e6)
