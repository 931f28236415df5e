package mrt

import (
	"encoding/binary"
	"strconv"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// Printer writes elements as `bgpdump -m` does. What the elements of a message
// have in common is written once and copied.
type Printer struct {
	head, tail []byte
	group      int
	event      *Event
	path       wire.PathScratch
}

// Begin turns to an event. The elements that are appended then must be its.
func (p *Printer) Begin(e *Event) { p.event, p.group = e, -1 }

// Append appends the line of an element, with its line feed.
func (p *Printer) Append(dst []byte, el *Element) []byte {
	if p.group != int(el.group) {
		p.group = int(el.group)
		p.head = p.appendHead(p.head[:0], el.Type)
		p.tail = p.appendTail(p.tail[:0], el)
	}
	dst = append(dst, p.head...)
	if el.Type == 'S' {
		return append(dst, p.tail...)
	}
	dst = appendPrefix(dst, &el.Prefix)
	if p.event.Format.AddPath() {
		dst = append(dst, '|')
		dst = appendUint(dst, el.Prefix.ID)
	}
	return append(dst, p.tail...)
}

var typeWords = [256]string{'A': "|A|", 'W': "|W|", 'B': "|B|", 'S': "|STATE|"}

func (p *Printer) appendHead(b []byte, typ byte) []byte {
	e := p.event
	f := e.Format
	if typ == 'S' {
		f &^= formatLocal | formatAddPath
	}
	b = append(b, f.String()...)
	b = append(b, '|')
	b = appendUint(b, e.Sec)
	if f.ET() {
		b = append(b, '.')
		b = appendMicro(b, e.Micro)
	}
	b = append(b, typeWords[typ]...)
	b = appendAddr(b, e.addr)
	b = append(b, '|')
	b = appendUint(b, e.PeerAS)
	return append(b, '|')
}

func (p *Printer) appendTail(b []byte, el *Element) []byte {
	e := p.event
	switch el.Type {
	case 'W':
		return append(b, '\n')
	case 'S':
		b = appendUint(b, uint32(e.Old))
		b = append(b, '|')
		b = appendUint(b, uint32(e.New))
		return append(b, '\n')
	}
	u := e.Update
	b = append(b, '|')
	b = appendPath(b, u.PathInto(&p.path))
	b = append(b, '|')
	b = append(b, originWord(u)...)
	b = append(b, '|')
	b = appendNextHop(b, el.NextHop)
	b = append(b, '|')
	b = appendNumber(b, u, wire.AttrLocalPref)
	b = append(b, '|')
	b = appendNumber(b, u, wire.AttrMED)
	if _, ok := u.Attr(wire.AttrCommunities); ok || e.Format != FormatBGP {
		// In lines of type BGP bgpdump leaves this column out.
		b = append(b, '|')
		b = appendCommunities(b, u, ' ', 0)
	}
	if _, ok := u.Attr(wire.AttrAtomicAggregate); ok {
		b = append(b, "|AG|"...)
	} else {
		b = append(b, "|NAG|"...)
	}
	if asn, addr, ok := u.Aggregator(); ok && addr != [4]byte{255, 255, 255, 255} {
		b = appendUint(b, asn)
		b = append(b, ' ')
		b = appendAddr(b, addr[:])
	}
	return append(b, "|\n"...)
}

var originWords = [3]string{"IGP", "EGP", "INCOMPLETE"}

func originWord(u *wire.Update) string {
	if v, ok := u.Attr(wire.AttrOrigin); ok {
		return originWords[v[0]]
	}
	return originWords[2]
}

// appendNumber writes MULTI_EXIT_DISC or LOCAL_PREF, 0 where it is not there.
func appendNumber(b []byte, u *wire.Update, typ uint8) []byte {
	v, ok := u.Attr(typ)
	if !ok {
		return append(b, '0')
	}
	return appendUint(b, binary.BigEndian.Uint32(v))
}

// appendNextHop writes the global one of an IPv6 pair, and what bgpdump writes
// where there is none.
func appendNextHop(b, nh []byte) []byte {
	switch {
	case len(nh) >= 16:
		return appendAddr(b, nh[:16])
	case len(nh) >= 4:
		return appendAddr(b, nh[:4])
	}
	return append(b, "255.255.255.255"...)
}

// The communities of RFC 1997 that have names.
const (
	noExport    = 0xFFFFFF01
	noAdvertise = 0xFFFFFF02
	localAS     = 0xFFFFFF03
)

// appendCommunities writes COMMUNITIES (RFC 1997), each between quotes unless quote is 0.
func appendCommunities(b []byte, u *wire.Update, sep, quote byte) []byte {
	v, _ := u.Attr(wire.AttrCommunities)
	for i := 0; i+4 <= len(v); i += 4 {
		if i > 0 {
			b = append(b, sep)
		}
		if quote != 0 {
			b = append(b, quote)
		}
		switch c := binary.BigEndian.Uint32(v[i:]); c {
		case noExport:
			b = append(b, "no-export"...)
		case noAdvertise:
			b = append(b, "no-advertise"...)
		case localAS:
			b = append(b, "local-AS"...)
		default:
			b = appendUint(b, c>>16)
			b = append(b, ':')
			b = appendUint(b, c&0xFFFF)
		}
		if quote != 0 {
			b = append(b, quote)
		}
	}
	return b
}

// appendPath writes a path as [bgp.Path.String] does.
func appendPath(b []byte, p bgp.Path) []byte {
	for i, s := range p {
		if i > 0 {
			b = append(b, ' ')
		}
		sep := byte(' ')
		switch s.Type {
		case bgp.ASSet:
			b, sep = append(b, '{'), ','
		case bgp.ASConfedSequence:
			b = append(b, '(')
		case bgp.ASConfedSet:
			b, sep = append(b, '['), ','
		}
		for j, a := range s.ASNs {
			if j > 0 {
				b = append(b, sep)
			}
			b = appendUint(b, a)
		}
		switch s.Type {
		case bgp.ASSet:
			b = append(b, '}')
		case bgp.ASConfedSequence:
			b = append(b, ')')
		case bgp.ASConfedSet:
			b = append(b, ']')
		}
	}
	return b
}

// appendPrefix writes an address and its length.
func appendPrefix(b []byte, p *wire.Prefix) []byte {
	if p.V6 {
		var a [16]byte
		binary.BigEndian.PutUint64(a[:8], p.Hi)
		binary.BigEndian.PutUint64(a[8:], p.Lo)
		b = appendAddr(b, a[:])
	} else {
		b = append4(b, uint32(p.Hi>>32))
	}
	b = append(b, '/')
	return append(b, octets[p.Bits]...)
}

// appendAddr writes an address of 4 or 16 octets as bgpdump does, 0.0.0.0 for none.
func appendAddr(b, a []byte) []byte {
	switch len(a) {
	case 4:
		return append4(b, binary.BigEndian.Uint32(a))
	case 16:
		return append6(b, [16]byte(a))
	}
	return append(b, "0.0.0.0"...)
}

// append6 writes an IPv6 address as bgpdump's own inet_ntop does. It differs from
// RFC 5952, and so from netip, in that even a single zero becomes "::" and that
// IPv4-compatible addresses (RFC 4291 section 2.5.5.1) show their IPv4 half.
func append6(b []byte, a [16]byte) []byte {
	var w [8]uint16
	for i := range w {
		w[i] = binary.BigEndian.Uint16(a[2*i:])
	}
	from, size := -1, 0
	for i := 0; i < 8; i++ {
		n := i
		for n < 8 && w[n] == 0 {
			n++
		}
		if n-i > size {
			from, size = i, n-i
		}
		i = n
	}
	for i := 0; i < 8; i++ {
		if i == from {
			b = append(b, ':', ':')
			i += size - 1
			continue
		}
		if i > 0 && i != from+size {
			b = append(b, ':')
		}
		if i == 6 && from == 0 && (size == 6 || size == 5 && w[5] == 0xFFFF) {
			return append4(b, binary.BigEndian.Uint32(a[12:]))
		}
		b = strconv.AppendUint(b, uint64(w[i]), 16)
	}
	return b
}

var octets = func() (s [256]string) {
	for i := range s {
		b := []byte{byte(i/100) + '0', byte(i/10%10) + '0', byte(i%10) + '0'}
		switch {
		case i < 10:
			b = b[2:]
		case i < 100:
			b = b[1:]
		}
		s[i] = string(b)
	}
	return s
}()

func append4(b []byte, a uint32) []byte {
	b = append(b, octets[a>>24]...)
	b = append(b, '.')
	b = append(b, octets[a>>16&255]...)
	b = append(b, '.')
	b = append(b, octets[a>>8&255]...)
	b = append(b, '.')
	return append(b, octets[a&255]...)
}

const digits = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

// appendUint writes a number in decimal.
func appendUint(b []byte, n uint32) []byte {
	if n < 256 {
		return append(b, octets[n]...)
	}
	var buf [10]byte
	i := len(buf)
	for n >= 100 {
		d := n % 100 * 2
		n /= 100
		i -= 2
		buf[i], buf[i+1] = digits[d], digits[d+1]
	}
	if n >= 10 {
		i -= 2
		buf[i], buf[i+1] = digits[n*2], digits[n*2+1]
	} else {
		i--
		buf[i] = byte(n) + '0'
	}
	return append(b, buf[i:]...)
}

// appendMicro writes at least six digits.
func appendMicro(b []byte, n uint32) []byte {
	for d := uint32(100_000); d > n && d > 1; d /= 10 {
		b = append(b, '0')
	}
	return appendUint(b, n)
}
