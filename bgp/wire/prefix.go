package wire

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Prefix is one entry of a route field, always masked: bits beyond the length
// are irrelevant on the wire (RFC 4271 section 4.3).
type Prefix struct {
	Hi, Lo uint64 // the address, most significant bit first; IPv4 lies in the upper half of Hi
	ID     uint32 // ADD-PATH identifier (RFC 7911), 0 without
	Bits   uint8
	V6     bool
}

// Netip gives the prefix as the rest of the program knows it.
func (p Prefix) Netip() netip.Prefix {
	if !p.V6 {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], uint32(p.Hi>>32))
		return netip.PrefixFrom(netip.AddrFrom4(a), int(p.Bits))
	}
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], p.Hi)
	binary.BigEndian.PutUint64(a[8:], p.Lo)
	return netip.PrefixFrom(netip.AddrFrom16(a), int(p.Bits))
}

// PrefixOf is the inverse of [Prefix.Netip]. The prefix must be valid.
func PrefixOf(p netip.Prefix) Prefix {
	n := uint8(p.Bits())
	if p.Addr().Is4() {
		a := p.Addr().As4()
		return Prefix{Hi: uint64(binary.BigEndian.Uint32(a[:])) << 32 & mask64(n), Bits: n}
	}
	a := p.Addr().As16()
	return mask128(Prefix{Hi: binary.BigEndian.Uint64(a[:8]), Lo: binary.BigEndian.Uint64(a[8:]), Bits: n, V6: true})
}

// mask64 keeps the first n bits; n beyond 64 keeps all.
func mask64(n uint8) uint64 { return ^(^uint64(0) >> n) }

func mask128(p Prefix) Prefix {
	p.Hi &= mask64(p.Bits)
	if p.Bits <= 64 {
		p.Lo = 0
	} else {
		p.Lo &= mask64(p.Bits - 64)
	}
	return p
}

// covers reports whether q is p or a more specific of it.
func (p Prefix) covers(q Prefix) bool {
	if p.V6 != q.V6 || p.Bits > q.Bits {
		return false
	}
	if p.Bits <= 64 {
		return bits.LeadingZeros64(p.Hi^q.Hi) >= int(p.Bits)
	}
	return p.Hi == q.Hi && bits.LeadingZeros64(p.Lo^q.Lo) >= int(p.Bits)-64
}

// Covers reports whether q is p or a more specific of it.
func (p Prefix) Covers(q Prefix) bool { return p.covers(q) }

// Same reports whether both are the same prefix, whatever their path identifiers.
func (p Prefix) Same(q Prefix) bool {
	return p.Hi == q.Hi && p.Lo == q.Lo && p.Bits == q.Bits && p.V6 == q.V6
}

// Prefixes walks a route field that [Update.Split] found well formed.
type Prefixes struct {
	b       []byte
	v6      bool
	addPath bool
}

// Next gives the next prefix, or false at the end of the field.
func (x *Prefixes) Next() (p Prefix, ok bool) {
	b := x.b
	if len(b) == 0 {
		return p, false
	}
	if x.addPath {
		if len(b) < 5 {
			x.b = nil
			return p, false
		}
		p.ID = binary.BigEndian.Uint32(b)
		b = b[4:]
	}
	p.Bits = b[0]
	b = b[1:]
	n := (int(p.Bits) + 7) >> 3
	if n > len(b) || n > 16 {
		x.b = nil
		return p, false
	}
	x.b = b[n:]
	if !x.v6 {
		var v uint32
		if len(b) >= 4 {
			v = binary.BigEndian.Uint32(b)
		} else {
			for i := range n {
				v |= uint32(b[i]) << (24 - 8*i)
			}
		}
		p.Hi = uint64(v) << 32 & mask64(p.Bits)
		return p, true
	}
	p.V6 = true
	if len(b) >= 16 {
		p.Hi, p.Lo = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	} else {
		var a [16]byte
		copy(a[:], b[:n])
		p.Hi, p.Lo = binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
	}
	return mask128(p), true
}

// Empty reports whether nothing is left.
func (x *Prefixes) Empty() bool { return len(x.b) == 0 }

// countPrefixes checks a route field and counts its entries: no prefix may be
// longer than max bits, and the last one must end where the field ends.
func countPrefixes(b []byte, maxBits uint8, addPath bool) (n int, ok bool) {
	i := 0
	if addPath {
		for i < len(b) {
			if len(b)-i < 5 {
				return n, false
			}
			l := b[i+4]
			if l > maxBits {
				return n, false
			}
			i += 5 + int(l+7)>>3
			n++
		}
		return n, i == len(b)
	}
	for i < len(b) {
		l := b[i]
		if l > maxBits {
			return n, false
		}
		i += 1 + int(l+7)>>3
		n++
	}
	return n, i == len(b)
}

// wholePrefixes counts the entries that a cut field holds as a whole, and tells
// where the last of them ends. It is false where one is longer than max bits.
func wholePrefixes(b []byte, maxBits uint8, addPath bool) (n, end int, ok bool) {
	head := 1
	if addPath {
		head = 5
	}
	for len(b)-end >= head {
		l := b[end+head-1]
		if l > maxBits {
			return n, end, false
		}
		next := end + head + int(l+7)>>3
		if next > len(b) {
			break
		}
		n, end = n+1, next
	}
	return n, end, true
}
