package wire

import "encoding/binary"

// Path attribute types that are looked at (the IANA registry "BGP Path Attributes").
const (
	AttrOrigin          = 1
	AttrPath            = 2
	AttrNextHop         = 3
	AttrMED             = 4
	AttrLocalPref       = 5
	AttrAtomicAggregate = 6
	AttrAggregator      = 7
	AttrCommunities     = 8
	AttrOriginatorID    = 9
	AttrClusterList     = 10
	AttrReach           = 14
	AttrUnreach         = 15
	AttrExtCommunities  = 16
	AttrAS4Path         = 17
	AttrAS4Aggregator   = 18
	AttrLargeComm       = 32
	attrEnd             = 64 // types from here on are passed over
)

// span is a piece of the message: from off to end. A message has at most
// 65,535 octets (RFC 8654), so 16 bits are enough.
type span struct{ off, end uint16 }

// Update is one UPDATE message, split into its parts. The zero value is ready
// for [Update.Split], and one Update serves for any number of messages.
type Update struct {
	b         []byte
	seen      uint64 // attributes present and believed, one bit a type
	discarded uint64 // attributes present and not believed (RFC 7606 section 2, "attribute discard")
	withdrawn span
	nlri      span
	attr      [attrEnd]span // values; only those in seen are meant
	reachNLRI span
	s         Session
	reach     Family
	unreach   Family
	table     bool // from a table dump: MP_REACH_NLRI may be abbreviated
	nAnn      int  // unicast prefixes announced
	nWdr      int  // unicast prefixes withdrawn
	filter    *prefixSet
	added4    int  // of filter, when the message was split
	maybe     bool // a prefix of the IPv4 fields may be in filter
}

// mayHold4 is false where no prefix of the IPv4 fields is in the set.
func (u *Update) mayHold4(s *prefixSet) bool {
	return u.maybe || u.filter != s || u.added4 != s.added4
}

// Expect makes Split look, while it walks the prefixes anyway, whether any may
// be wanted by w. It saves [Watch.Match] a second walk and changes no result.
func (u *Update) Expect(w *Watch) {
	u.filter = nil
	if w != nil {
		u.filter = &w.prefixes
	}
}

// rule is what an attribute must look like.
type rule struct {
	flags   uint8 // expected optional and transitive bits (0xC0)
	known   bool
	min     uint16 // length of the value
	max     uint16
	odd     uint8 // bits that the length must not have: 3 where it is a multiple of 4
	discard bool  // RFC 7606 section 7: a wrong length costs the attribute, not the routes
	noFlags bool  // a wrong flag is no fault either: RFC 6793 section 6 wants the attribute discarded
	form    bool  // the value has a form of its own: see special
}

const anyLen = 65535

var rules = [attrEnd]rule{
	AttrOrigin:          {flags: 0x40, known: true, min: 1, max: 1, form: true},
	AttrPath:            {flags: 0x40, known: true, max: anyLen, form: true},
	AttrNextHop:         {flags: 0x40, known: true, min: 4, max: 4},
	AttrMED:             {flags: 0x80, known: true, min: 4, max: 4},
	AttrLocalPref:       {flags: 0x40, known: true, min: 4, max: 4},
	AttrAtomicAggregate: {flags: 0x40, known: true, discard: true},
	AttrAggregator:      {flags: 0xC0, known: true, min: 6, max: 8, odd: 1, discard: true, form: true},
	AttrCommunities:     {flags: 0xC0, known: true, min: 4, max: anyLen, odd: 3},
	AttrOriginatorID:    {flags: 0x80, known: true, min: 4, max: 4},
	AttrClusterList:     {flags: 0x80, known: true, min: 4, max: anyLen, odd: 3},
	AttrReach:           {flags: 0x80, known: true, max: anyLen, form: true},
	AttrUnreach:         {flags: 0x80, known: true, min: 3, max: anyLen, form: true},
	AttrExtCommunities:  {flags: 0xC0, known: true, min: 8, max: anyLen, odd: 7},
	AttrAS4Path:         {flags: 0xC0, known: true, min: 6, max: anyLen, odd: 1, discard: true, noFlags: true, form: true},
	AttrAS4Aggregator:   {flags: 0xC0, known: true, min: 8, max: 8, odd: 7, discard: true, noFlags: true, form: true},
	AttrLargeComm:       {flags: 0xC0, known: true, min: 12, max: anyLen, form: true},
}

const (
	bitOrigin  = 1 << AttrOrigin
	bitPath    = 1 << AttrPath
	bitNextHop = 1 << AttrNextHop
	bitReach   = 1 << AttrReach
	bitUnreach = 1 << AttrUnreach
)

// Split takes the body of an UPDATE (what follows the 19 octets of header)
// apart. After a fault the Update holds nothing.
func (u *Update) Split(body []byte, s Session) Fault {
	u.b, u.s, u.table = body, s, false
	u.seen, u.discarded = 0, 0
	u.nAnn, u.nWdr = 0, 0
	f := u.split(body)
	if f != None {
		u.clear()
	}
	return f
}

// SplitCut is Split for the beginning of a body whose end was not kept: old
// collectors keep no more than 4,096 octets of a record, header and all. The
// prefixes that are there as a whole are believed; one that is cut, and a message
// that is cut within its attributes, are not.
func (u *Update) SplitCut(body []byte, s Session) Fault {
	if len(body) < 4 {
		u.clear()
		return TooShort
	}
	w := int(binary.BigEndian.Uint16(body))
	if w+4 > len(body) {
		// The cut is in the withdrawn routes: they are all there is.
		u.clear()
		n, end, ok := wholePrefixes(body[2:], 32, s.AddPath4)
		if !ok || len(body) > 65535 {
			return BadPrefix
		}
		u.b, u.s, u.table, u.maybe = body, s, false, true
		u.nWdr, u.withdrawn = n, span{2, uint16(2 + end)}
		return None
	}
	if a := w + 4 + int(binary.BigEndian.Uint16(body[w+2:])); a < len(body) {
		_, end, ok := wholePrefixes(body[a:], 32, s.AddPath4)
		if !ok { // not cut, but wrong
			u.clear()
			return BadPrefix
		}
		body = body[:a+end]
	}
	return u.Split(body, s)
}

func (u *Update) clear() {
	u.b, u.seen, u.discarded, u.nAnn, u.nWdr = nil, 0, 0, 0, 0
	u.withdrawn, u.nlri = span{}, span{}
}

func (u *Update) split(body []byte) Fault {
	if len(body) < 4 || len(body) > 65535 {
		return TooShort
	}
	w := 2 + int(binary.BigEndian.Uint16(body))
	if w+2 > len(body) {
		return BadLengths
	}
	a := w + 2 + int(binary.BigEndian.Uint16(body[w:]))
	if a > len(body) {
		return BadLengths
	}
	u.withdrawn = span{2, uint16(w)}
	u.nlri = span{uint16(a), uint16(len(body))}
	var ok bool
	u.maybe = false
	if u.filter != nil {
		u.added4 = u.filter.added4
	}
	if w == 2 && u.filter != nil && !u.s.AddPath4 { // nearly always
		if u.nAnn, u.maybe, ok = u.filter.walk4(body, a, len(body)); !ok {
			return BadPrefix
		}
	} else if w > 2 && !u.routes4(2, w, &u.nWdr) || a < len(body) && !u.routes4(a, len(body), &u.nAnn) {
		return BadPrefix
	}
	if f := u.attributes(w+2, a); f != None {
		return f
	}
	const need, needMP = bitOrigin | bitPath | bitNextHop, bitOrigin | bitPath
	if a < len(body) && u.seen&need != need ||
		u.seen&bitReach != 0 && u.seen&needMP != needMP {
		return MissingAttr
	}
	return None
}

// routes4 checks and counts a field of IPv4 prefixes.
func (u *Update) routes4(p, end int, n *int) (ok bool) {
	if u.filter == nil || u.s.AddPath4 {
		u.maybe = true
		*n, ok = countPrefixes(u.b[p:end], 32, u.s.AddPath4)
		return ok
	}
	var maybe bool
	*n, maybe, ok = u.filter.walk4(u.b, p, end)
	u.maybe = u.maybe || maybe
	return ok
}

// SplitAttributes takes the attributes of a table dump's entry (RFC 6396
// sections 4.2 and 4.3.4) apart. In TABLE_DUMP_V2 AS numbers always have 4
// octets, and MP_REACH_NLRI is cut down to its next hop; some writers put the
// whole attribute, which is understood too. An entry may lack any attribute: so
// stand the collector's own routes in its table.
func (u *Update) SplitAttributes(attrs []byte, s Session) Fault {
	u.b, u.s, u.table = attrs, s, true
	u.seen, u.discarded, u.nAnn, u.nWdr = 0, 0, 0, 0
	u.withdrawn, u.nlri = span{}, span{}
	f := BadLengths
	if len(attrs) <= 65535 {
		f = u.attributes(0, len(attrs))
	}
	if f != None {
		u.clear()
	}
	return f
}

// attributes walks the path attributes between two offsets.
func (u *Update) attributes(p, end int) (worst Fault) {
	b := u.b[:end]
	p = u.usual(b, p)
	for p < end {
		if end-p < 3 {
			return worse(worst, AttrOverrun)
		}
		flags, typ := b[p], b[p+1]
		n := int(b[p+2])
		p += 3
		if flags&0x10 != 0 {
			if p == end {
				return worse(worst, AttrOverrun)
			}
			n = n<<8 | int(b[p])
			p++
		}
		off := p
		p += n
		if p > end {
			return worse(worst, AttrOverrun)
		}
		if typ >= attrEnd {
			continue
		}
		r := &rules[typ]
		if !r.known {
			// Well-known and yet unknown to RFC 4271 cannot be passed on, nor trusted.
			if flags&0x80 == 0 {
				worst = worse(worst, UnknownAttr)
			}
			continue
		}
		bit := uint64(1) << typ
		if u.seen&bit != 0 {
			if typ == AttrReach || typ == AttrUnreach {
				worst = worse(worst, DuplicateMP)
			}
			continue // RFC 7606 section 3 (g): all but the first are discarded
		}
		if (flags^r.flags)&0xC0 != 0 || n < int(r.min) || n > int(r.max) || n&int(r.odd) != 0 {
			worst = worse(worst, u.misfit(typ, r, flags))
			continue
		}
		u.attr[typ] = span{uint16(off), uint16(p)}
		u.seen |= bit
		if r.form {
			if f := u.special(typ, b[off:p]); f != None {
				worst = worse(worst, f)
			}
		}
	}
	return worst
}

// usual reads ORIGIN, AS_PATH and NEXT_HOP where they come first, in this order
// and plainly, as in nearly every announcement, and gives the offset behind what
// it read. Whatever it does not take is left to the rules.
func (u *Update) usual(b []byte, p int) int {
	if len(b)-p < 4 || binary.BigEndian.Uint32(b[p:])>>8 != 0x400101 || b[p+3] > 2 {
		return p
	}
	u.attr[AttrOrigin] = span{uint16(p + 3), uint16(p + 4)}
	u.seen = bitOrigin
	p += 4
	if len(b)-p < 5 || b[p] != 0x40 || b[p+1] != AttrPath {
		return p
	}
	size := 2
	if u.s.AS4 {
		size = 4
	}
	end := p + 3 + int(b[p+2])
	if b[p+3]-1 > 3 || b[p+4] == 0 || p+5+int(b[p+4])*size != end || end > len(b) {
		return p // several segments, or none, or a fault
	}
	u.attr[AttrPath] = span{uint16(p + 3), uint16(end)}
	u.seen = bitOrigin | bitPath
	p = end
	if len(b)-p < 7 || binary.BigEndian.Uint32(b[p:])>>8 != 0x400304 {
		return p
	}
	u.attr[AttrNextHop] = span{uint16(p + 3), uint16(p + 7)}
	u.seen = bitOrigin | bitPath | bitNextHop
	return p + 7
}

// worse keeps the fault that asks for the stronger action, and of two alike the
// first (RFC 7606 section 3 (h)).
func worse(a, b Fault) Fault {
	if b.Class() > a.Class() {
		return b
	}
	return a
}

// misfit decides about an attribute whose flags or length are wrong.
func (u *Update) misfit(typ uint8, r *rule, flags uint8) Fault {
	wrongFlags := (flags^r.flags)&0xC0 != 0
	switch {
	case u.table && typ == AttrReach && !wrongFlags:
		return BadMP
	case wrongFlags && !r.noFlags:
		return AttrFlags
	case r.discard:
		u.discarded |= 1 << typ
		return None
	case typ == AttrUnreach:
		return BadMP
	}
	return AttrLength
}

// special checks the attributes whose value has a form of its own.
func (u *Update) special(typ uint8, v []byte) Fault {
	switch typ {
	case AttrOrigin:
		if v[0] > 2 {
			return BadOrigin
		}
	case AttrPath:
		size := 2
		if u.s.AS4 {
			size = 4
		}
		if !validPath(v, size, false) {
			return BadPath
		}
	case AttrAggregator:
		if (len(v) == 8) != u.s.AS4 {
			u.seen &^= 1 << AttrAggregator
			u.discarded |= 1 << AttrAggregator
		}
	case AttrAS4Path:
		// RFC 6793 section 6: a malformed AS4_PATH is discarded; and between
		// speakers that both know 4 octets it means nothing (section 4.1).
		if u.s.AS4 || !validPath(v, 4, true) {
			u.seen &^= 1 << AttrAS4Path
			u.discarded |= 1 << AttrAS4Path
		}
	case AttrAS4Aggregator:
		if u.s.AS4 {
			u.seen &^= 1 << AttrAS4Aggregator
			u.discarded |= 1 << AttrAS4Aggregator
		}
	case AttrLargeComm:
		if len(v)%12 != 0 {
			return AttrLength
		}
	case AttrReach:
		return u.mpReach(v)
	case AttrUnreach:
		return u.mpUnreach(v)
	}
	return None
}

// mpReach reads MP_REACH_NLRI (RFC 4760 section 3).
func (u *Update) mpReach(v []byte) Fault {
	u.reach, u.reachNLRI = Family{}, span{}
	off := u.attr[AttrReach].off
	if u.table && len(v) > 0 && v[0] != 0 {
		// RFC 6396 section 4.3.4: only the next hop's length and the next hop. An
		// AFI would begin with a zero.
		if int(v[0]) != len(v)-1 {
			return BadMP
		}
		u.attr[AttrReach].off++
		return None
	}
	if len(v) < 5 {
		return BadMP
	}
	u.reach = Family{AFI: binary.BigEndian.Uint16(v), SAFI: v[2]}
	nh := int(v[3])
	if 4+nh+1 > len(v) {
		return BadMP
	}
	u.attr[AttrReach] = span{off + 4, off + 4 + uint16(nh)}
	if !u.reach.known() {
		return None
	}
	if !nextHopFits(u.reach, nh) {
		return BadMP
	}
	i := 4 + nh + 1
	for range v[4+nh] { // SNPAs, which RFC 4760 has made a reserved octet
		if i >= len(v) {
			return BadMP
		}
		i += 1 + (int(v[i])+1)/2 // RFC 2858 section 2: the length counts semi-octets
	}
	if i > len(v) {
		return BadMP
	}
	n, ok := u.countFamily(u.reach, v[i:])
	if !ok {
		return BadPrefix
	}
	if u.reach.SAFI == Unicast {
		u.nAnn += n
	}
	u.reachNLRI = span{off + uint16(i), off + uint16(len(v))}
	return None
}

// nextHopFits: RFC 4760 section 3 for IPv4; RFC 2545 section 3 for IPv6 (32 with
// a link-local one beside it); RFC 8950 section 4 for IPv4 behind IPv6.
func nextHopFits(f Family, n int) bool {
	return n == 16 || n == 32 || n == 4 && f.AFI == AFI4
}

// mpUnreach reads MP_UNREACH_NLRI (RFC 4760 section 4).
func (u *Update) mpUnreach(v []byte) Fault {
	u.unreach = Family{AFI: binary.BigEndian.Uint16(v), SAFI: v[2]}
	u.attr[AttrUnreach].off += 3
	if !u.unreach.known() {
		return None
	}
	n, ok := u.countFamily(u.unreach, v[3:])
	if !ok {
		return BadPrefix
	}
	if u.unreach.SAFI == Unicast {
		u.nWdr += n
	}
	return None
}

func (u *Update) countFamily(f Family, b []byte) (int, bool) {
	if f.AFI == AFI4 {
		return countPrefixes(b, 32, u.s.AddPath4)
	}
	return countPrefixes(b, 128, u.s.AddPath6)
}
