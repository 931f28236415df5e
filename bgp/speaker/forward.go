package speaker

import (
	"encoding/binary"

	"depeer/bgp"
	"depeer/bgp/wire"
)

const (
	maxMessage = 4096 // RFC 4271 section 4.1
	maxLong    = 65535
	// maxTable is how many routes of one session GoBGP is given: at about a
	// kilobyte each, its table stays below 50 MB a session, whatever a router
	// announces below a watched prefix.
	maxTable = 50_000
	// A marker goes through GoBGP's unbounded queue after so many UPDATEs, and we
	// wait where so many have not come out.
	perBarrier  = 64
	maxBarriers = 4
)

// forwarder writes anew for GoBGP what the watchlist wants of a session. GoBGP
// sees no attribute that was not checked, no message of more than 4,096 octets,
// and no withdrawal of what it was not given: each of these has cost a GoBGP v3 its
// life or its memory.
type forwarder struct {
	s      wire.Session
	inner  bool // iBGP: LOCAL_PREF means something
	known  *held
	out    []byte
	attrs  []byte
	routes [4][]byte // NLRI to write: see the kinds below
	sent   int       // UPDATEs since the last marker
	beyond uint64    // routes kept from GoBGP because they are too many or too long
	ends   int       // End-of-RIB markers written
}

// Kinds of routes in a message.
const (
	gone4  = iota // withdrawn routes
	gone6         // MP_UNREACH_NLRI
	plain4        // NLRI
	multi         // MP_REACH_NLRI, of either family
)

// write gives the messages for what one UPDATE meant, valid until the next call.
// u is the UPDATE, taken apart.
func (f *forwarder) write(us []bgp.Update, u *wire.Update) []byte {
	f.out = f.out[:0]
	for i := range f.routes {
		f.routes[i] = f.routes[i][:0]
	}
	reach, hop, _, mp := u.Reach()
	for _, x := range us {
		switch x.Kind {
		case bgp.Withdraw:
			f.withdraw(x)
		case bgp.Announce:
			f.announce(x, mp && reach.V6() == x.Prefix.Addr().Is6())
		case bgp.EndOfRIB:
			f.end(x.V6)
		}
	}
	f.flush(gone4, nil, nil)
	f.flush(gone6, nil, nil)
	if len(f.routes[plain4])+len(f.routes[multi]) > 0 {
		f.attributes(u)
		f.flush(plain4, f.attrs, nil)
		f.flush(multi, f.attrs, multiHead(reach, hop))
	}
	if f.sent >= perBarrier {
		f.end(false)
	}
	return f.out
}

func multiHead(f wire.Family, hop []byte) []byte {
	head := []byte{0, byte(f.AFI), f.SAFI, byte(len(hop))}
	return append(append(head, hop...), 0)
}

func (f *forwarder) withdraw(x bgp.Update) {
	p := wire.PrefixOf(x.Prefix)
	p.ID = x.PathID
	if !f.known.remove(p) {
		return
	}
	kind := gone4
	if p.V6 {
		kind = gone6
	}
	f.add(kind, x)
}

func (f *forwarder) announce(x bgp.Update, mp bool) {
	p := wire.PrefixOf(x.Prefix)
	p.ID = x.PathID
	if f.known.n >= maxTable && !f.known.has(p) {
		f.beyond++
		return
	}
	f.known.add(p)
	kind := plain4
	if mp {
		kind = multi
	}
	f.add(kind, x)
}

func (f *forwarder) add(kind int, x bgp.Update) {
	b := f.routes[kind]
	if v6 := x.Prefix.Addr().Is6(); v6 && f.s.AddPath6 || !v6 && f.s.AddPath4 {
		b = binary.BigEndian.AppendUint32(b, x.PathID)
	}
	n := x.Prefix.Bits()
	b = append(b, byte(n))
	f.routes[kind] = append(b, x.Prefix.Addr().AsSlice()[:(n+7)/8]...)
}

// carried are the attributes that GoBGP is given, with their flags.
var carried = []struct{ typ, flags byte }{{wire.AttrOrigin, 0x40}, {wire.AttrPath, 0x40}, {wire.AttrNextHop, 0x40},
	{wire.AttrMED, 0x80}, {wire.AttrLocalPref, 0x40}, {wire.AttrAS4Path, 0xC0}, {wire.AttrCommunities, 0xC0}}

// attributes copies those that were checked.
func (f *forwarder) attributes(u *wire.Update) {
	f.attrs = f.attrs[:0]
	for _, a := range carried {
		v, ok := u.Attr(a.typ)
		if !ok || a.typ == wire.AttrLocalPref && !f.inner || a.typ == wire.AttrNextHop && len(f.routes[plain4]) == 0 {
			continue
		}
		if a.typ == wire.AttrCommunities && len(f.attrs)+len(v) > maxMessage/2 {
			continue // of a long message; the routes matter more
		}
		f.attrs = appendAttribute(f.attrs, a.flags, a.typ, v)
	}
}

func appendAttribute(b []byte, flags, typ byte, v []byte) []byte {
	b = append(b, flags|0x10, typ) // extended length is always allowed
	b = binary.BigEndian.AppendUint16(b, uint16(len(v)))
	return append(b, v...)
}

// flush writes the routes of one kind, in as many messages as it takes.
func (f *forwarder) flush(kind int, attrs, head []byte) {
	const fixed = wire.HeaderLen + 4 + 4 + 3 // lengths, one attribute's header, its family
	room := maxMessage - fixed - len(attrs) - len(head)
	rest := f.routes[kind]
	for len(rest) > 0 {
		n := 0
		for n < len(rest) {
			size := f.size(kind, head, rest[n:])
			if n+size > room {
				break
			}
			n += size
		}
		if n == 0 {
			f.beyond++
			return
		}
		f.message(kind, attrs, head, rest[:n])
		rest = rest[n:]
	}
}

// size of the first route in b.
func (f *forwarder) size(kind int, head, b []byte) int {
	v6 := kind == gone6 || kind == multi && head[1] == wire.AFI6
	n := 0
	if v6 && f.s.AddPath6 || !v6 && f.s.AddPath4 {
		n = 4
	}
	return n + 1 + (int(b[n])+7)/8
}

func (f *forwarder) message(kind int, attrs, head, routes []byte) {
	start := len(f.out)
	b := append(f.out, keepalive[:wire.HeaderLen]...)
	b[start+18] = wire.TypeUpdate
	switch kind {
	case gone4:
		b = binary.BigEndian.AppendUint16(b, uint16(len(routes)))
		b = append(append(b, routes...), 0, 0)
	case gone6:
		b = append(b, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(4+3+len(routes)))
		b = append(b, 0x90, wire.AttrUnreach)
		b = binary.BigEndian.AppendUint16(b, uint16(3+len(routes)))
		b = append(append(b, 0, wire.AFI6, wire.Unicast), routes...)
	case plain4:
		b = append(b, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(attrs)))
		b = append(append(b, attrs...), routes...)
	case multi:
		n := len(head) + len(routes)
		b = append(b, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(attrs)+4+n))
		b = append(append(b, attrs...), 0x90, wire.AttrReach)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
		b = append(append(b, head...), routes...)
	}
	binary.BigEndian.PutUint16(b[start+16:], uint16(len(b)-start))
	f.out = b
	f.sent++
}

// end writes an End-of-RIB marker (RFC 4724 section 2).
func (f *forwarder) end(v6 bool) {
	start := len(f.out)
	b := append(f.out, keepalive[:wire.HeaderLen]...)
	b[start+18] = wire.TypeUpdate
	b = append(b, 0, 0, 0, 0)
	if v6 {
		b[len(b)-1] = 6
		b = append(b, 0x80, wire.AttrUnreach, 3, 0, wire.AFI6, wire.Unicast)
	}
	binary.BigEndian.PutUint16(b[start+16:], uint16(len(b)-start))
	f.out = b
	f.ends++
	f.sent = 0
}
