package mrt

import (
	"encoding/binary"
	"net/netip"

	"depeer/bgp/wire"
)

// ribCursor stands within a record that holds several entries.
type ribCursor struct {
	b       []byte // what follows
	left    int    // entries to come; -1: as many as there are bytes (TABLE_DUMP)
	format  Format
	family  wire.Family
	prefix  wire.Prefix // TABLE_DUMP_V2: one for all entries
	addPath bool
	as4     bool
	n       int // TABLE_DUMP: octets of an address
}

func (d *Decoder) nextEntry(e *Event) bool {
	if d.rib.left < 0 {
		return d.nextV1(e)
	}
	return d.nextV2(e)
}

// tableDump reads TABLE_DUMP (RFC 6396 section 4.2). RIS wrote, until 2000, all
// peers' entries of many prefixes into one record, behind one view and sequence
// number, and did not count those 4 octets in the record's length.
func (d *Decoder) tableDump() {
	c := &d.rib
	*c = ribCursor{format: FormatTableDump, n: 4, family: wire.Family{AFI: wire.AFI4, SAFI: wire.Unicast}}
	switch d.rec.Subtype {
	case dumpIPv4AS4:
		c.as4 = true
	case dumpIPv6, dumpIPv6AS4:
		c.n, c.as4 = 16, d.rec.Subtype == dumpIPv6AS4
		c.family.AFI = wire.AFI6
	case dumpIPv4:
	default:
		d.skip(OtherAFI)
		return
	}
	if len(d.rec.Body) < 4 {
		d.skip(ShortRecord)
		return
	}
	if d.missingV1(d.rec.Body[4:]) == 4 {
		d.r.extend(&d.rec, 4)
	}
	c.b = d.rec.Body[4:]
	if len(c.b) == 0 {
		d.skip(ShortRecord)
		return
	}
	c.left = -1
}

// sizeV1 is the size of a TABLE_DUMP entry up to its attributes: prefix, length,
// status, time, peer, AS, length of the attributes.
func (c *ribCursor) sizeV1() int {
	n := 2*c.n + 6 + 2 + 2
	if c.as4 {
		n += 2
	}
	return n
}

// missingV1 tells how many octets the last entry lacks.
func (d *Decoder) missingV1(b []byte) int {
	head := d.rib.sizeV1()
	for len(b) > 0 {
		if len(b) < head {
			return head - len(b)
		}
		n := head + int(binary.BigEndian.Uint16(b[head-2:]))
		if n > len(b) {
			return n - len(b)
		}
		b = b[n:]
	}
	return 0
}

func (d *Decoder) nextV1(e *Event) bool {
	c := &d.rib
	head := c.sizeV1()
	for len(c.b) > 0 {
		b := c.b
		if len(b) < head {
			c.left = 0
			return d.skip(ShortRecord)
		}
		n := head + int(binary.BigEndian.Uint16(b[head-2:]))
		if n > len(b) {
			c.left = 0
			return d.skip(ShortRecord)
		}
		c.b = b[n:]
		d.Entries++
		p, ok := makePrefix(b[:c.n], b[c.n])
		if !ok {
			d.skip(Malformed(wire.BadPrefix))
			continue
		}
		b = b[c.n+6:]
		e.addr = b[:c.n]
		b = b[c.n:]
		if c.as4 {
			e.PeerAS = binary.BigEndian.Uint32(b)
			b = b[6:]
		} else {
			e.PeerAS = uint32(binary.BigEndian.Uint16(b))
			b = b[4:]
		}
		if f := d.update.SplitAttributes(b[:n-head], wire.Session{AS4: c.as4}); f != wire.None {
			d.skip(Malformed(f))
			continue
		}
		d.route(e, p)
		return true
	}
	c.left = 0
	return false
}

// route completes the event of a table entry.
func (d *Decoder) route(e *Event, p wire.Prefix) {
	d.partial()
	e.Kind, e.Format, e.Family = Route, d.rib.format, d.rib.family
	e.Sec, e.Micro = d.rec.Sec, 0
	e.Prefix, e.Update = p, &d.update
}

// makePrefix makes a masked prefix of address octets, of which some may be missing.
func makePrefix(addr []byte, bits uint8) (wire.Prefix, bool) {
	if int(bits) > 8*len(addr) {
		return wire.Prefix{}, false
	}
	if len(addr) == 4 {
		return wire.PrefixOf(netip.PrefixFrom(netip.AddrFrom4([4]byte(addr)), int(bits))), true
	}
	return wire.PrefixOf(netip.PrefixFrom(netip.AddrFrom16([16]byte(addr)), int(bits))), true
}

// tableDumpV2 reads TABLE_DUMP_V2 (RFC 6396 section 4.3).
func (d *Decoder) tableDumpV2(e *Event) bool {
	sub := d.rec.Subtype
	c := &d.rib
	*c = ribCursor{format: FormatTableDumpV2, as4: true}
	switch sub {
	case v2PeerIndex:
		return d.peerIndex(e)
	case v2IPv4UnicastAddPath, v2IPv4MulticastAddPath, v2IPv6UnicastAddPath, v2IPv6MulticastAddPath, v2GenericAddPath:
		c.addPath = true
		c.format |= formatAddPath
	}
	switch sub {
	case v2IPv4Unicast, v2IPv4UnicastAddPath:
		c.family = wire.Family{AFI: wire.AFI4, SAFI: wire.Unicast}
	case v2IPv4Multicast, v2IPv4MulticastAddPath:
		c.family = wire.Family{AFI: wire.AFI4, SAFI: wire.Multicast}
	case v2IPv6Unicast, v2IPv6UnicastAddPath:
		c.family = wire.Family{AFI: wire.AFI6, SAFI: wire.Unicast}
	case v2IPv6Multicast, v2IPv6MulticastAddPath:
		c.family = wire.Family{AFI: wire.AFI6, SAFI: wire.Multicast}
	case v2Generic, v2GenericAddPath:
	case v2GeoPeer:
		return false // where the peers are (RFC 6397): nothing of routes
	default:
		return d.skip(UnknownSubtype)
	}
	if !d.index {
		return d.skip(NoPeerIndex)
	}
	return d.ribRecord(e)
}

// ribRecord reads what precedes the entries of a RIB record.
func (d *Decoder) ribRecord(e *Event) bool {
	c, b := &d.rib, d.rec.Body
	if len(b) < 4 {
		return d.skip(ShortRecord)
	}
	b = b[4:] // sequence number
	if c.family.AFI == 0 {
		// RIB_GENERIC (section 4.3.3): AFI, SAFI and one NLRI.
		if len(b) < 3 {
			return d.skip(ShortRecord)
		}
		c.family = wire.Family{AFI: binary.BigEndian.Uint16(b), SAFI: b[2]}
		b = b[3:]
		if c.family.AFI != wire.AFI4 && c.family.AFI != wire.AFI6 || c.family.SAFI > wire.Multicast || c.family.SAFI == 0 {
			return d.skip(OtherFamily)
		}
	}
	var a [16]byte
	limit := 32
	if c.family.V6() {
		limit = 128
	}
	if len(b) < 1 {
		return d.skip(ShortRecord)
	}
	bits := int(b[0])
	n := (bits + 7) / 8
	if bits > limit {
		return d.skip(Malformed(wire.BadPrefix))
	}
	if len(b) < 1+n+2 {
		return d.skip(ShortRecord)
	}
	copy(a[:], b[1:1+n])
	c.prefix, _ = makePrefix(a[:limit/8], uint8(bits))
	c.left = int(binary.BigEndian.Uint16(b[1+n:]))
	c.b = b[1+n+2:]
	return false // the entries follow
}

func (d *Decoder) nextV2(e *Event) bool {
	c := &d.rib
	head := 8
	if c.addPath {
		head = 12
	}
	for c.left > 0 {
		b := c.b
		if len(b) < head {
			c.left = 0
			return d.skip(ShortRecord)
		}
		n := head + int(binary.BigEndian.Uint16(b[head-2:]))
		if n > len(b) {
			c.left = 0
			return d.skip(ShortRecord)
		}
		c.left--
		c.b = b[n:]
		d.Entries++
		p := c.prefix
		if c.addPath {
			p.ID = binary.BigEndian.Uint32(b[6:])
		}
		i := int(binary.BigEndian.Uint16(b))
		if i >= len(d.peers) {
			d.skip(BadPeerIndex)
			continue
		}
		e.PeerAS, e.addr = d.peers[i].ASN, d.peers[i].addr
		// In TABLE_DUMP_V2 AS numbers have 4 octets whatever the session had (section 4.3.4).
		if f := d.update.SplitAttributes(b[head:n], wire.Session{AS4: true, AddPath4: c.addPath, AddPath6: c.addPath}); f != wire.None {
			d.skip(Malformed(f))
			continue
		}
		d.route(e, p)
		return true
	}
	return false
}

// peerIndex reads PEER_INDEX_TABLE (RFC 6396 section 4.3.1).
func (d *Decoder) peerIndex(e *Event) bool {
	b := d.rec.Body
	d.peers, d.index = nil, false
	if len(b) < 6 {
		return d.skip(ShortRecord)
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	b = b[6:]
	if len(b) < n+2 {
		return d.skip(ShortRecord)
	}
	d.view = string(b[:n])
	count := int(binary.BigEndian.Uint16(b[n:]))
	b = b[n+2:]
	if len(b) < 11*count {
		return d.skip(ShortRecord) // before allocating what cannot be there
	}
	peers := make([]PeerEntry, 0, count)
	for range count {
		if len(b) < 5 {
			return d.skip(ShortRecord)
		}
		ip, as := 4, 2
		if b[0]&1 != 0 {
			ip = 16
		}
		if b[0]&2 != 0 {
			as = 4
		}
		if len(b) < 5+ip+as {
			return d.skip(ShortRecord)
		}
		p := PeerEntry{addr: append([]byte(nil), b[5:5+ip]...)}
		p.Addr, _ = netip.AddrFromSlice(p.addr)
		if as == 4 {
			p.ASN = binary.BigEndian.Uint32(b[5+ip:])
		} else {
			p.ASN = uint32(binary.BigEndian.Uint16(b[5+ip:]))
		}
		peers = append(peers, p)
		b = b[5+ip+as:]
	}
	d.peers, d.index = peers, true
	e.Kind, e.Format, e.Sec, e.Micro = Index, FormatTableDumpV2, d.rec.Sec, 0
	e.PeerAS, e.addr, e.Update = 0, nil, nil
	return true
}
