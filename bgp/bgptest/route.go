package bgptest

import (
	"cmp"
	"encoding/binary"
	"slices"

	"depeer/bgp"
)

// path is an AS path that some peer uses, with the way that it follows. Paths
// of the same way and the same ASes are the same pointer.
type path struct {
	bgp.Path
	asns []uint32
	way  *way
}

// block keeps routes from being used: an edge that is cut, an AS that fails, or
// a network that stopped originating prefixes.
type block struct {
	cut    *edge
	failed uint32
	net    *network // stopped originating the prefixes
	only   map[int]bool
	scope  scope
	except map[int]bool // peers that have not heard of it
}

func (b *block) hits(y *way, q *peer, prefix int, s *sim) bool {
	if b.except[q.index] || !b.scope.match(y.net.asn, s.prefixes[prefix]) {
		return false
	}
	switch {
	case b.cut != nil:
		return y.has(*b.cut)
	case b.failed != 0:
		return slices.Contains(y.asns, b.failed)
	default:
		return b.net == y.net && b.only[prefix]
	}
}

// origination is one network's claim to a prefix.
type origination struct {
	net   *network
	share int // of 10,000: peers that prefer it to those before it
}

// candidates lists the ways from a peer to a prefix that are open now, the
// preferred one first.
func (s *sim) candidates(q *peer, prefix int) []*way {
	list := s.scratch[:0]
	origins := s.origins[prefix]
	favourite := 0
	for i := 1; i < len(origins); i++ {
		if int(s.draw(10000, "origin", uint64(q.index), uint64(prefix), uint64(i))) < origins[i].share {
			favourite = i
		}
	}
	for i := range origins {
		// The favourite first, then the others in their order.
		k := i
		if i == 0 {
			k = favourite
		} else if i <= favourite {
			k = i - 1
		}
		for _, y := range s.preference(q, origins[k].net, prefix) {
			if s.open(y, q, prefix) {
				list = append(list, y)
			}
		}
	}
	s.scratch = list
	return list
}

func (s *sim) open(y *way, q *peer, prefix int) bool {
	for i := range s.blocks {
		if s.blocks[i].hits(y, q, prefix, s) {
			return false
		}
	}
	return true
}

// preference orders the ways of a network as a peer prefers them: the one that
// its share gave to the peer, then the others roughly by share, back-ups last.
func (s *sim) preference(q *peer, n *network, prefix int) []*way {
	key := preferenceKey{n, s.groupOf(n, prefix)}
	table, ok := s.preferences[key]
	if !ok {
		table = s.prefer(n, prefix)
		s.preferences[key] = table
	}
	return table[q.index]
}

// preferenceKey names the prefixes of a network to which the same ways lead.
type preferenceKey struct {
	net   *network
	group string
}

func (s *sim) groupOf(n *network, prefix int) string {
	var b []byte
	for i, y := range s.ways[n] {
		if i%8 == 0 {
			b = append(b, 0)
		}
		if y.scope.match(n.asn, s.prefixes[prefix]) {
			b[i/8] |= 1 << (i % 8)
		}
	}
	if s.prefixes[prefix].Addr().Is6() {
		b = append(b, 6) // other peers carry it
	}
	return string(b)
}

// prefer gives the ways of a network to the peers. A way takes its share of the
// peers that can see it, first of those that have none yet, then from others:
// so a way that is added later takes its part away from the earlier ones.
func (s *sim) prefer(n *network, prefix int) [][]*way {
	claimed := make([]*way, len(s.peers))
	visible := make([][]*way, len(s.peers))
	order := s.shuffled(n)
	whole := 0 // of 10,000, what ways that everybody sees have taken so far
	for _, y := range s.ways[n] {
		if !y.scope.match(n.asn, s.prefixes[prefix]) {
			continue
		}
		var can []int
		for _, i := range order {
			if q := s.peers[i]; q.col.families.carry(s.prefixes[prefix]) && s.sees(q, y) {
				can = append(can, i)
				visible[i] = append(visible[i], y)
			}
		}
		// Rounding the running sum, not each share, lets 62 % and 38 % of any number be everybody.
		take := rounded(y.share, len(can))
		if y.seenBy.peers == nil && y.seenBy.share == 0 {
			take = rounded(min(whole+y.share, 10000), len(can)) - rounded(min(whole, 10000), len(can))
			if whole += y.share; whole > 10000 {
				take = rounded(y.share, len(can))
			}
		}
		for _, free := range []bool{true, false} {
			for _, i := range can {
				if take > 0 && (claimed[i] == nil) == free && claimed[i] != y {
					claimed[i] = y
					take--
				}
			}
		}
	}
	for i := range visible {
		s.sortWays(visible[i], claimed[i], uint64(i))
	}
	return visible
}

func rounded(share, of int) int { return (share*of + 5000) / 10000 }

// sees reports whether the peer is in the audience of the way.
func (s *sim) sees(q *peer, y *way) bool {
	switch {
	case y.seenBy.peers != nil:
		return y.seenBy.peers[q.index]
	case y.seenBy.share > 0:
		order := s.shuffled(y.net)
		return slices.Index(order, q.index) < max(1, rounded(y.seenBy.share, len(order)))
	}
	return true
}

// shuffled is the order in which the peers are given to the ways of a network.
func (s *sim) shuffled(n *network) []int {
	if order, ok := s.orders[n]; ok {
		return order
	}
	order := make([]int, len(s.peers))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(s.draw(1<<62, "order", uint64(n.asn), uint64(a)), s.draw(1<<62, "order", uint64(n.asn), uint64(b))), a-b)
	})
	s.orders[n] = order
	return order
}

// sortWays puts the claimed way first. Among the others a number drawn for each
// is divided by the share, so that larger shares tend to the front.
func (s *sim) sortWays(ways []*way, claimed *way, peer uint64) {
	rank := func(y *way) uint64 {
		n := s.draw(1<<40, "fallback", peer, uint64(y.id))
		switch {
		case y == claimed:
			return 0
		case y.share == 0:
			return 1<<50 + n
		}
		return 1 + n/uint64(y.share)
	}
	slices.SortStableFunc(ways, func(a, b *way) int { return cmp.Compare(rank(a), rank(b)) })
}

// pathOf is the path that a peer has along a way. variant 0 is its usual one;
// others go through another transit. It is nil where no transit is left.
func (s *sim) pathOf(q *peer, y *way, variant int) *path {
	key := pathKey{q.index, y, variant}
	if p, ok := s.paths[key]; ok {
		return p
	}
	var asns []uint32
	upper := s.transit(q, y, variant)
	if upper == nil && len(s.transits) > 0 {
		s.paths[key] = nil
		return nil
	}
	asns = append(append(append(asns, q.ASN), upper...), y.asns...)
	p := s.intern(y, cutLoops(asns))
	s.paths[key] = p
	return p
}

type pathKey struct {
	peer    int
	way     *way
	variant int
}

// transit picks one or two of the tier-1s between the peer and the first hop of
// the way: those that work, in the peer's own order of preference.
func (s *sim) transit(q *peer, y *way, variant int) []uint32 {
	var open []uint32
	for _, t := range s.transits {
		if !s.transitBlocked(q, t, y.hops[0]) {
			open = append(open, t)
		}
	}
	if len(open) == 0 {
		return nil
	}
	slices.SortFunc(open, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(s.draw(1<<62, "transit", uint64(q.index), uint64(a)), s.draw(1<<62, "transit", uint64(q.index), uint64(b))), cmp.Compare(a, b))
	})
	i := variant % len(open)
	upper := []uint32{open[i]}
	if len(open) > 1 && s.draw(3, "second transit", uint64(q.index), uint64(y.hops[0]), uint64(variant)) == 0 {
		upper = append(upper, open[(i+1)%len(open)])
	}
	return upper
}

// transitBlocked reports whether the tier-1 failed as a whole, or its edge to
// the first hop of a way is cut.
func (s *sim) transitBlocked(q *peer, transit, hop uint32) bool {
	for _, b := range s.blocks {
		if !b.scope.empty() || b.except[q.index] {
			continue
		}
		if b.failed == transit || b.cut != nil && *b.cut == (edge{transit, hop}) {
			return true
		}
	}
	return false
}

// cutLoops removes what lies between two appearances of an AS: nobody accepts a
// path with a loop (RFC 4271 section 9.1.2).
func cutLoops(asns []uint32) []uint32 {
	out := asns[:0]
	for _, a := range asns {
		if i := slices.Index(out, a); i >= 0 {
			out = out[:i]
		}
		out = append(out, a)
	}
	return out
}

// intern gives the one path of these ASes, prepended as the way wants it.
func (s *sim) intern(y *way, asns []uint32) *path {
	for range y.prepend {
		asns = append(asns, y.net.asn)
	}
	var key []byte
	for _, a := range asns {
		key = binary.BigEndian.AppendUint32(key, a)
	}
	k := internKey{y, string(key)}
	if p, ok := s.interned[k]; ok {
		return p
	}
	asns = slices.Clone(asns)
	p := &path{Path: bgp.PathOf(asns...), asns: asns, way: y}
	s.interned[k] = p
	return p
}

type internKey struct {
	way  *way
	asns string
}

// detour is the n-th of the paths that a peer tries when it loses one (path
// hunting): the neighbours that have not heard yet still offer the old way, and
// each such path is longer than the one before.
func (s *sim) detour(q *peer, old *path, n int) *path {
	r := s.rng("detour", uint64(q.index), uint64(old.way.id), uint64(n))
	asns := []uint32{q.ASN}
	need := len(old.asns) - old.way.prepend + n // longer than the old path by n
	used := append(slices.Clone(old.way.asns), q.ASN)
	for _, k := range r.Perm(len(s.transits)) {
		if t := s.transits[k]; len(asns) < 3 && !slices.Contains(used, t) {
			asns, used = append(asns, t), append(used, t)
		}
	}
	for _, k := range r.Perm(transientASes) {
		if len(asns)+len(old.way.asns) >= need {
			break
		}
		if a := uint32(firstTransientAS + k); !slices.Contains(used, a) {
			asns, used = append(asns, a), append(used, a)
		}
	}
	return s.intern(old.way, cutLoops(append(asns, old.way.asns...)))
}
