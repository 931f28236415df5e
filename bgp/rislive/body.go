package rislive

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"unsafe"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// builder makes the body of an UPDATE from what the JSON of a message says, so
// that what has no raw octets goes through the same door as what has. It holds
// what the watchlist and the table want to know: prefixes, both ways, and the
// path. Next hops are made up. Its storage is used again.
type builder struct {
	body       []byte
	path       []byte // segments
	out4, out6 []byte // withdrawn
	in4, in6   []byte // announced
	seen       []netip.Prefix
	many       map[netip.Prefix]struct{}
}

// reason why a message was refused; the word of the counter.
type reason string

// The reasons that are not those of package wire.
const (
	okay        reason = ""
	badJSON     reason = "json"
	badEnvelope reason = "envelope"
	badStamp    reason = "timestamp"
	badPeer     reason = "peer"
	badHost     reason = "host"
	badHex      reason = "raw-hex"
	badRaw      reason = "raw-message" // the header, or octets beyond the message
	badPath     reason = "path"
	badPrefix   reason = "prefix"
	badShape    reason = "shape"
	tooLong     reason = "too-long"
)

// update makes the body. It is nil where the message names no prefix: without its
// octets such a message may be the End-of-RIB of any family, or speak of a family
// that is not read.
func (b *builder) update(m *message) ([]byte, reason) {
	b.path, b.out4, b.out6, b.in4, b.in6 = b.path[:0], b.out4[:0], b.out6[:0], b.in4[:0], b.in6[:0]
	if r := b.withdrawn(m.withdrawals); r != okay {
		return nil, r
	}
	if r := b.announced(m.announcements); r != okay {
		return nil, r
	}
	announces := len(b.in4)+len(b.in6) > 0
	if !announces && len(b.out4)+len(b.out6) == 0 {
		return nil, okay
	}
	if announces {
		if m.path == nil {
			return nil, reason(wire.MissingAttr.String())
		}
		if r := b.segments(m.path); r != okay {
			return nil, r
		}
	}
	b.write(m, announces)
	if len(b.body) > 65535 {
		return nil, tooLong
	}
	return b.body, okay
}

// write puts the parts together (RFC 4271 section 4.3, RFC 4760).
func (b *builder) write(m *message, announces bool) {
	d := binary.BigEndian.AppendUint16(b.body[:0], uint16(len(b.out4)))
	d = append(d, b.out4...)
	mark := len(d)
	d = append(d, 0, 0)
	if announces {
		d = append(d, 0x40, wire.AttrOrigin, 1, origin(m.origin))
		d = attribute(d, 0x40, wire.AttrPath, b.path)
	}
	if len(b.in4) > 0 {
		d = append(d, 0x40, wire.AttrNextHop, 4, 0, 0, 0, 0)
	}
	if len(b.in6) > 0 {
		d = binary.BigEndian.AppendUint16(append(d, 0x90, wire.AttrReach), uint16(21+len(b.in6)))
		d = append(d, 0, wire.AFI6, wire.Unicast, 16)
		d = append(d, make([]byte, 17)...) // the next hop, and a reserved octet
		d = append(d, b.in6...)
	}
	if len(b.out6) > 0 {
		d = binary.BigEndian.AppendUint16(append(d, 0x90, wire.AttrUnreach), uint16(3+len(b.out6)))
		d = append(d, 0, wire.AFI6, wire.Unicast)
		d = append(d, b.out6...)
	}
	binary.BigEndian.PutUint16(d[mark:], uint16(len(d)-mark-2))
	b.body = append(d, b.in4...)
}

func attribute(d []byte, flags, code byte, value []byte) []byte {
	if len(value) > 255 {
		d = binary.BigEndian.AppendUint16(append(d, flags|0x10, code), uint16(len(value)))
	} else {
		d = append(d, flags, code, byte(len(value)))
	}
	return append(d, value...)
}

func origin(v []byte) byte {
	switch {
	case bytes.EqualFold(v, []byte(`"igp"`)):
		return 0
	case bytes.EqualFold(v, []byte(`"egp"`)):
		return 1
	}
	return 2
}

func absent(v []byte) bool { return v == nil || string(v) == "null" }

func (b *builder) withdrawn(v []byte) reason {
	if absent(v) {
		return okay
	}
	return b.prefixes(v, false)
}

// manyPrefixes is from where on what was seen is kept in a map.
const manyPrefixes = 32

// announced reads [{"next_hop": ..., "prefixes": [...]}, ...]. An IPv6 route with
// a link-local next hop beside the global one comes twice, once for each: it is
// announced once.
func (b *builder) announced(v []byte) reason {
	if absent(v) {
		return okay
	}
	b.seen = b.seen[:0]
	clear(b.many)
	s := scanner{b: v}
	var before []byte
	for first := true; ; first = false {
		more, ok := s.element(first)
		if !ok {
			return badShape
		}
		if !more {
			return okay
		}
		list, ok := s.member("prefixes")
		if !ok {
			return badShape
		}
		if absent(list) || bytes.Equal(list, before) {
			continue
		}
		before = list
		if r := b.prefixes(list, true); r != okay {
			return r
		}
	}
}

// member reads an object and gives the value of one of its keys.
func (s *scanner) member(name string) (v []byte, ok bool) {
	for first := true; ; first = false {
		key, more, ok := s.key(first)
		if !ok || !more {
			return v, ok
		}
		w, ok := s.value(0)
		if !ok {
			return nil, false
		}
		if string(key) == name {
			v = w
		}
	}
}

func (b *builder) announce(p netip.Prefix) {
	if len(b.seen) < manyPrefixes {
		if slices.Contains(b.seen, p) {
			return
		}
	} else {
		if b.many == nil {
			b.many = map[netip.Prefix]struct{}{}
		}
		if len(b.seen) == manyPrefixes {
			for _, q := range b.seen {
				b.many[q] = struct{}{}
			}
		}
		if _, twice := b.many[p]; twice {
			return
		}
		b.many[p] = struct{}{}
	}
	b.seen = append(b.seen, p)
	b.in4, b.in6 = put(b.in4, b.in6, p)
}

// prefixes reads an array of prefixes.
func (b *builder) prefixes(v []byte, announced bool) reason {
	s := scanner{b: v}
	for first := true; ; first = false {
		more, ok := s.element(first)
		if !ok {
			return badShape
		}
		if !more {
			return okay
		}
		var t []byte
		if s.peek() != '"' || !s.text(&t) {
			return badShape
		}
		// The string is looked at and not kept: no copy of it is needed.
		p, err := netip.ParsePrefix(unsafe.String(unsafe.SliceData(t), len(t)))
		if err != nil {
			return badPrefix
		}
		if p = p.Masked(); announced {
			b.announce(p)
		} else {
			b.out4, b.out6 = put(b.out4, b.out6, p)
		}
	}
}

// put appends a prefix as the wire has it.
func put(to4, to6 []byte, p netip.Prefix) ([]byte, []byte) {
	n := (p.Bits() + 7) / 8
	if p.Addr().Is4() {
		a := p.Addr().As4()
		return append(append(to4, byte(p.Bits())), a[:n]...), to6
	}
	a := p.Addr().As16()
	return to4, append(append(to6, byte(p.Bits())), a[:n]...)
}

// maxSegment is how many AS numbers a segment of a path holds (RFC 4271 section 4.3).
const maxSegment = 255

// segments reads a path: numbers, and an array for an AS_SET.
func (b *builder) segments(v []byte) reason {
	s := scanner{b: v}
	open := -1 // where the AS_SEQUENCE begins that goes on
	for first := true; ; first = false {
		more, ok := s.element(first)
		if !ok {
			return badPath
		}
		if !more {
			return okay
		}
		if s.peek() == '[' {
			if open = -1; !b.set(&s) {
				return badPath
			}
			continue
		}
		if open < 0 || b.path[open+1] == maxSegment {
			open = len(b.path)
			b.path = append(b.path, byte(bgp.ASSequence), 0)
		}
		b.path[open+1]++
		if !b.asn(&s) {
			return badPath
		}
	}
}

// set reads an AS_SET.
func (b *builder) set(s *scanner) bool {
	at := len(b.path)
	b.path = append(b.path, byte(bgp.ASSet), 0)
	for first := true; ; first = false {
		more, ok := s.element(first)
		if !ok || !more {
			return ok && b.path[at+1] > 0
		}
		if b.path[at+1] == maxSegment || !b.asn(s) {
			return false
		}
		b.path[at+1]++
	}
}

// asn reads an AS number, written as a number or as a string.
func (b *builder) asn(s *scanner) bool {
	var t []byte
	if s.peek() == '"' {
		if !s.text(&t) {
			return false
		}
	} else if !s.number(&t) {
		return false
	}
	n, ok := uint32Of(t)
	b.path = binary.BigEndian.AppendUint32(b.path, n)
	return ok
}
