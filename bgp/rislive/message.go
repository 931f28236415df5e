package rislive

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"strconv"
)

// message is one line of RIS Live, taken apart. The slices are of the line, or
// of the scanner's own storage, and hold until the next one is read.
type message struct {
	kind []byte // "ris_message", "ris_error", "ris_subscribe_ok", "ris_rrc_list", "pong"

	// Of data. Strings are without their quotes; nil where the key is absent or its
	// value is of another sort.
	typ, host, peer, state, raw, direction, text []byte
	asn                                          []byte // of a string or a number
	stamp                                        []byte // a number as it was written

	// JSON values, nil where absent.
	path, origin, announcements, withdrawals []byte
}

// maxDepth is how deep arrays and objects may lie in each other. An AS_SET in a
// path is 4 deep, a capability of an OPEN 5.
const maxDepth = 32

// scanner reads JSON (RFC 8259) strictly: what encoding/json refuses, it refuses.
// It allocates only for strings with escapes, of which RIS Live writes none.
type scanner struct {
	b []byte
	i int
}

// parse takes a line apart. It is false where the line is no JSON object. Where a
// key comes twice, the last one counts.
func (m *message) parse(line []byte) bool {
	*m = message{}
	s := scanner{b: line}
	for first := true; ; first = false {
		key, more, ok := s.key(first)
		if !ok {
			return false
		}
		if !more {
			break
		}
		switch string(key) {
		case "type":
			ok = s.text(&m.kind)
		case "data":
			ok = m.data(&s)
		default:
			_, ok = s.value(2)
		}
		if !ok {
			return false
		}
	}
	s.space()
	return s.i == len(s.b)
}

// data reads the value of data. What is no object is passed over.
func (m *message) data(s *scanner) bool {
	if s.peek() != '{' {
		_, ok := s.value(2)
		return ok
	}
	for first := true; ; first = false {
		key, more, ok := s.key(first)
		if !ok || !more {
			return ok
		}
		if !m.member(s, key) {
			return false
		}
	}
}

// member reads one member of data.
func (m *message) member(s *scanner, key []byte) bool {
	var into *[]byte
	switch string(key) {
	case "timestamp":
		return s.number(&m.stamp)
	case "peer_asn":
		if s.peek() != '"' {
			return s.number(&m.asn)
		}
		into = &m.asn
	case "type":
		into = &m.typ
	case "host":
		into = &m.host
	case "peer":
		into = &m.peer
	case "state":
		into = &m.state
	case "raw":
		into = &m.raw
	case "direction":
		into = &m.direction
	case "message":
		into = &m.text
	default:
		v, ok := s.value(3)
		switch string(key) {
		case "path":
			m.path = v
		case "origin":
			m.origin = v
		case "announcements":
			m.announcements = v
		case "withdrawals":
			m.withdrawals = v
		}
		return ok
	}
	return s.text(into)
}

func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) space() {
	// Between its values RIS Live writes none, or one.
	for s.i < len(s.b) && s.b[s.i] <= ' ' {
		if c := s.b[s.i]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return
		}
		s.i++
	}
}

// next skips white space, and a byte if it is the one given.
func (s *scanner) next(c byte) bool {
	s.space()
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

// key reads on to the next value of an object, which the caller reads, and gives its
// key. The first time it reads the bracket too; more is false after the last.
func (s *scanner) key(first bool) (key []byte, more, ok bool) {
	if more, ok = s.follow(first, '{', '}'); !ok || !more {
		return nil, false, ok
	}
	if s.peek() != '"' || !s.text(&key) || !s.next(':') {
		return nil, false, false
	}
	s.space()
	return key, true, true
}

// element reads on to the next value of an array, as key does in an object.
func (s *scanner) element(first bool) (more, ok bool) { return s.follow(first, '[', ']') }

func (s *scanner) follow(first bool, open, end byte) (more, ok bool) {
	if first {
		if !s.next(open) {
			return false, false
		}
		if s.next(end) {
			return false, true
		}
	} else if !s.next(',') {
		return false, s.next(end)
	}
	s.space()
	return true, true
}

// text reads a string. A value of another sort is passed over and gives nil.
func (s *scanner) text(into *[]byte) bool {
	if s.peek() != '"' {
		*into = nil
		_, ok := s.value(3)
		return ok
	}
	v, plain, ok := s.str()
	if !ok {
		return false
	}
	if !plain {
		var t string
		if json.Unmarshal(s.b[s.i-len(v)-2:s.i], &t) != nil {
			return false
		}
		v = []byte(t)
	}
	*into = v
	return true
}

// number reads a number as it is written. A value of another sort is passed over
// and gives nil.
func (s *scanner) number(into *[]byte) bool {
	c := s.peek()
	v, ok := s.value(3)
	if c == '-' || c >= '0' && c <= '9' {
		*into = v
	} else {
		*into = nil
	}
	return ok
}

// value passes over any value and gives what it read.
func (s *scanner) value(depth int) (v []byte, ok bool) {
	from := s.i
	switch c := s.peek(); c {
	case '"':
		_, _, ok = s.str()
	case '{':
		ok = depth < maxDepth
		for first, more := true, true; ok && more; first = false {
			if _, more, ok = s.key(first); more {
				_, ok = s.value(depth + 1)
			}
		}
	case '[':
		ok = depth < maxDepth
		for first, more := true, true; ok && more; first = false {
			if more, ok = s.element(first); more {
				_, ok = s.value(depth + 1)
			}
		}
	case 't':
		ok = s.word("true")
	case 'f':
		ok = s.word("false")
	case 'n':
		ok = s.word("null")
	default:
		ok = s.digits()
	}
	if !ok {
		return nil, false
	}
	return s.b[from:s.i], true
}

func (s *scanner) word(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

// digits reads a number by the grammar of RFC 8259 section 6.
func (s *scanner) digits() bool {
	b, i := s.b, s.i
	if i < len(b) && b[i] == '-' {
		i++
	}
	from := i
	if i = digitsEnd(b, i); i == from || i > from+1 && b[from] == '0' {
		return false
	}
	if i < len(b) && b[i] == '.' {
		from = i + 1
		if i = digitsEnd(b, from); i == from {
			return false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from = i
		if i = digitsEnd(b, from); i == from {
			return false
		}
	}
	s.i = i
	return true
}

// digitsEnd gives the end of the decimal digits that begin at i.
func digitsEnd(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// str reads a string, and tells whether it is what it says, without escapes.
func (s *scanner) str() (v []byte, plain, ok bool) {
	s.i++
	from := s.i
	plain = true
	for {
		s.i += special(s.b[s.i:])
		if s.i >= len(s.b) {
			return nil, false, false
		}
		switch s.b[s.i] {
		case '"':
			v = s.b[from:s.i]
			s.i++
			return v, plain, true
		case '\\':
			plain = false
			if !s.escape() {
				return nil, false, false
			}
		default: // a control character
			return nil, false, false
		}
	}
}

func (s *scanner) escape() bool {
	if len(s.b)-s.i < 2 {
		return false
	}
	switch s.b[s.i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i += 2
		return true
	case 'u':
		if len(s.b)-s.i < 6 {
			return false
		}
		for _, c := range s.b[s.i+2 : s.i+6] {
			if c-'0' > 9 && c|0x20-'a' > 5 {
				return false
			}
		}
		s.i += 6
		return true
	}
	return false
}

// special gives the place of the first quote, backslash or control character,
// eight octets at a time; the length of b where there is none.
func special(b []byte) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	i := 0
	for ; len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		q, e := x^ones*'"', x^ones*'\\'
		// In the lowest octet that is marked the mark is true; a borrow may make
		// more of them above it.
		m := ((x-ones*0x20)&^x | (q-ones)&^q | (e-ones)&^e) & highs
		if m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < 0x20 {
			break
		}
	}
	return i
}

// The seconds that a stamp may have: the year 2001 to the year 2286.
const minStamp, maxStamp = 1_000_000_000, 10_000_000_000

// microseconds reads the stamp of a message, seconds since 1970-01-01 UTC with a
// fraction, digit by digit: a float64 would be off by a quarter of a microsecond,
// and the same moment would differ from the one in the archives.
func microseconds(number []byte) (int64, bool) {
	var sec, frac int64
	i, digits := 0, 0
	for ; i < len(number) && number[i]-'0' <= 9; i++ {
		if sec = sec*10 + int64(number[i]-'0'); sec > maxStamp {
			return 0, false
		}
	}
	if i < len(number) && number[i] == '.' {
		for i++; i < len(number) && number[i]-'0' <= 9; i++ {
			if digits < 6 {
				frac = frac*10 + int64(number[i]-'0')
				digits++
			}
		}
	}
	for ; digits < 6; digits++ {
		frac *= 10
	}
	if i < len(number) { // a sign or an exponent
		f, err := strconv.ParseFloat(string(number), 64)
		if err != nil || f < minStamp || f > maxStamp {
			return 0, false
		}
		return int64(f*1e6 + 0.5), true
	}
	if sec < minStamp {
		return 0, false
	}
	return sec*1e6 + frac, true
}

// uint32Of reads a number of digits alone.
func uint32Of(b []byte) (uint32, bool) {
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	return uint32(n), n < 1<<32
}
