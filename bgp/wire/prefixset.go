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
// first 16 bits of the address choose a bit of 8 KiB; only where that is set,
// the next 8 choose one of the 256 of a populated /16; only where that is set,
// the exact maps are asked, once for each length that is in use.
type prefixSet struct {
	top4   [1 << 10]uint64  // one bit for each /16
	page4  [1 << 16]uint32  // of a /16: index in pages4
	pages4 [][4]uint64      // one bit for each /24 of a populated /16; pages4[0] is all ones
	exact4 map[uint64]uint8 // address<<8 | length
	lens4  uint64           // lengths of subtrees
	top6   [1 << 12]uint64  // one bit for each hash of the first 32 bits
	exact6 map[Prefix]uint8 // ID is always 0
	lens6  [3]uint64        // lengths of subtrees, 0 to 128
	wide6  bool             // there is a subtree so short that top6 cannot hold its hashes
}

// minTop6 is the shortest IPv6 subtree whose first 32 bits are all marked in
// top6: 4,096 marks. A shorter one makes every IPv6 prefix a candidate.
const minTop6 = 20

func (s *prefixSet) init() {
	s.pages4 = [][4]uint64{{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}}
	s.exact4, s.exact6 = map[uint64]uint8{}, map[Prefix]uint8{}
}

func (s *prefixSet) len() int { return len(s.exact4) + len(s.exact6) }

func key4(p Prefix) uint64 { return p.Hi>>24 | uint64(p.Bits) }

// flags gives what is known of exactly this prefix.
func (s *prefixSet) flags(p Prefix) uint8 {
	if p.V6 {
		p.ID = 0
		return s.exact6[p]
	}
	return s.exact4[key4(p)]
}

// add puts a masked prefix into the set.
func (s *prefixSet) add(p Prefix, flag uint8) {
	p.ID = 0
	if p.V6 {
		s.add6(p, flag)
		return
	}
	s.exact4[key4(p)] |= flag
	a := uint32(p.Hi >> 32)
	if flag&subtree == 0 {
		s.mark4(a>>16, a>>8&255, 1)
		return
	}
	s.lens4 |= 1 << p.Bits
	switch {
	case p.Bits <= 16:
		for i := range uint32(1) << (16 - p.Bits) {
			n := a>>16 + i
			s.top4[n>>6] |= 1 << (n & 63)
			s.page4[n] = 0
		}
	case p.Bits <= 24:
		s.mark4(a>>16, a>>8&255, 1<<(24-p.Bits))
	default:
		s.mark4(a>>16, a>>8&255, 1)
	}
}

// mark4 sets n bits, from the /24 on, in the page of a /16.
func (s *prefixSet) mark4(p16, p24 uint32, n int) {
	if s.top4[p16>>6]>>(p16&63)&1 == 0 {
		s.top4[p16>>6] |= 1 << (p16 & 63)
		s.pages4 = append(s.pages4, [4]uint64{})
		s.page4[p16] = uint32(len(s.pages4) - 1)
	} else if s.page4[p16] == 0 {
		return
	}
	page := &s.pages4[s.page4[p16]]
	for i := range uint32(n) {
		page[(p24+i)>>6] |= 1 << ((p24 + i) & 63)
	}
}

// maybe4 says no for certain, in a nanosecond, to nearly all that is not in the set.
func (s *prefixSet) maybe4(a uint32) bool {
	n := a >> 16
	if s.top4[n>>6]>>(n&63)&1 == 0 {
		return false
	}
	i := a >> 8 & 255
	return s.pages4[s.page4[n]][i>>6]>>(i&63)&1 != 0
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
		if t := a >> 16; s.top4[t>>6]>>(t&63)&1 != 0 && s.maybe4(a) {
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
	if s.exact4[key4(p)] != 0 {
		return true
	}
	for m := s.lens4 & (1<<p.Bits - 1); m != 0; m &= m - 1 {
		n := uint8(bits.TrailingZeros64(m))
		if s.exact4[key4(Prefix{Hi: p.Hi & mask64(n), Bits: n})]&subtree != 0 {
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
