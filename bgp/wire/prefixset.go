package wire

import (
	"encoding/binary"
	"math/bits"
)

// What a prefix in the set stands for.
const (
	subtree   = 1 << iota // it and its more specifics
	exact                 // it alone
	reference             // it alone, and only as an example of what an upstream carries
)

// prefixSet is a set of prefixes made for the answer no. Of an IPv4 prefix the
// first 20 bits of the address choose one bit of 128 KiB, which stay in the
// second-level cache and are looked up while the next prefix is already read;
// only where that is set, the exact table is asked, once for each length that is
// in use.
type prefixSet struct {
	top4   [1 << 14]uint64 // one bit for each /20
	exact4 table4
	lens4  uint64           // lengths of subtrees
	added4 int              // how often IPv4 prefixes were added: what was looked up before knows nothing of them
	top6   [1 << 12]uint64  // one bit for each hash of the first 32 bits
	exact6 map[Prefix]uint8 // ID is always 0
	lens6  [3]uint64        // lengths of subtrees, 0 to 128
	wide6  bool             // there is a subtree so short that top6 cannot hold its hashes
}

// topBits is how many bits of an IPv4 address choose a bit of top4.
const topBits = 20

// table4 holds IPv4 prefixes and their flags: open addressing, at most half full.
// An entry is flags<<40 | address<<8 | length.
type table4 struct {
	slots []uint64
	n     int
}

func (t *table4) slot(key uint64) *uint64 {
	mask := uint64(len(t.slots) - 1)
	i := key * 0x9E3779B97F4A7C15 >> 24 & mask
	for t.slots[i] != 0 && t.slots[i]&(1<<40-1) != key {
		i = (i + 1) & mask
	}
	return &t.slots[i]
}

func (t *table4) get(key uint64) uint8 { return uint8(*t.slot(key) >> 40) }

// or adds flags, which are not 0, to a key.
func (t *table4) or(key uint64, flags uint8) {
	s := t.slot(key)
	if *s != 0 {
		*s |= uint64(flags) << 40
		return
	}
	*s = uint64(flags)<<40 | key
	if t.n++; 2*t.n <= len(t.slots) {
		return
	}
	old := t.slots
	t.slots = make([]uint64, 2*len(old))
	for _, e := range old {
		if e != 0 {
			*t.slot(e & (1<<40 - 1)) = e
		}
	}
}

// minTop6 is the shortest IPv6 subtree whose first 32 bits are all marked in
// top6: 4,096 marks. A shorter one makes every IPv6 prefix a candidate.
const minTop6 = 20

func (s *prefixSet) init() {
	s.exact4.slots = make([]uint64, 1<<10)
	s.exact6 = map[Prefix]uint8{}
}

func (s *prefixSet) len() int { return s.exact4.n + len(s.exact6) }

func key4(p Prefix) uint64 { return p.Hi>>24 | uint64(p.Bits) }

// flags gives what is known of exactly this prefix.
func (s *prefixSet) flags(p Prefix) uint8 {
	if p.V6 {
		p.ID = 0
		return s.exact6[p]
	}
	return s.exact4.get(key4(p))
}

// add puts a masked prefix into the set.
func (s *prefixSet) add(p Prefix, flag uint8) {
	p.ID = 0
	if p.V6 {
		s.add6(p, flag)
		return
	}
	s.added4++
	s.exact4.or(key4(p), flag)
	first, n := uint32(p.Hi>>(64-topBits)), uint32(1)
	if flag&subtree != 0 {
		s.lens4 |= 1 << p.Bits
		if p.Bits < topBits {
			n = 1 << (topBits - p.Bits)
		}
	}
	for i := first; i < first+n; i++ {
		s.top4[i>>6] |= 1 << (i & 63)
	}
}

// maybe4 says no for certain, in a nanosecond, to nearly all that is not in the set.
func (s *prefixSet) maybe4(a uint32) bool {
	t := a >> (32 - topBits)
	return s.top4[t>>6]>>(t&63)&1 != 0
}

// walk4 checks and counts the IPv4 prefixes of b[p:end], and tells whether any
// of them may be in the set.
func (s *prefixSet) walk4(b []byte, p, end int) (n int, maybe, ok bool) {
	for p < end {
		l := b[p]
		if l > 32 {
			return n, maybe, false
		}
		var a uint32
		if p+5 <= len(b) {
			a = binary.BigEndian.Uint32(b[p+1:])
		} else {
			a = tail4(b[p+1:])
		}
		a &= ^uint32(uint64(0xFFFFFFFF) >> (l & 63))
		if s.maybe4(a) {
			maybe = true
		}
		p += 1 + int(l+7)>>3
		n++
	}
	return n, maybe, p == end
}

// tail4 reads the first octets of an address of which the rest is not there.
func tail4(b []byte) (a uint32) {
	for i, v := range b {
		a |= uint32(v) << (24 - 8*i)
	}
	return a
}

// match4 looks the prefix up in the exact maps.
func (s *prefixSet) match4(p Prefix) bool {
	if s.exact4.get(key4(p)) != 0 {
		return true
	}
	for m := s.lens4 & (1<<p.Bits - 1); m != 0; m &= m - 1 {
		n := uint8(bits.TrailingZeros64(m))
		if s.exact4.get(key4(Prefix{Hi: p.Hi & mask64(n), Bits: n}))&subtree != 0 {
			return true
		}
	}
	return false
}

func hash6(top uint32) uint32 { return top * 0x9E3779B1 >> 14 }

func (s *prefixSet) add6(p Prefix, flag uint8) {
	s.exact6[p] |= flag
	top := uint32(p.Hi >> 32)
	n := uint32(1)
	if flag&subtree != 0 {
		s.lens6[p.Bits>>6] |= 1 << (p.Bits & 63)
		if p.Bits < minTop6 {
			s.wide6 = true
			return
		}
		if p.Bits < 32 {
			n = 1 << (32 - p.Bits)
		}
	}
	for i := range n {
		h := hash6(top + i)
		s.top6[h>>6] |= 1 << (h & 63)
	}
}

func (s *prefixSet) maybe6(hi uint64) bool {
	h := hash6(uint32(hi >> 32))
	return s.top6[h>>6]>>(h&63)&1 != 0 || s.wide6
}

func (s *prefixSet) match6(p Prefix) bool {
	p.ID = 0
	if s.exact6[p] != 0 {
		return true
	}
	for w, m := range s.lens6 {
		for ; m != 0; m &= m - 1 {
			n := uint8(w<<6 + bits.TrailingZeros64(m))
			if n >= p.Bits {
				return false
			}
			q := p
			q.Bits = n
			if s.exact6[mask128(q)]&subtree != 0 {
				return true
			}
		}
	}
	return false
}

// has reports whether the prefix is in the set, or a more specific of a subtree in it.
func (s *prefixSet) has(p Prefix) bool {
	if p.V6 {
		return s.maybe6(p.Hi) && s.match6(p)
	}
	return s.maybe4(uint32(p.Hi>>32)) && s.match4(p)
}
