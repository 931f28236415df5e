package mrt

import (
	"encoding/binary"
	"io"
	"net/netip"

	"depeer/bgp/wire"
)

// EventKind says what an [Event] holds.
type EventKind uint8

// The kinds of events.
const (
	Message EventKind = iota + 1 // an UPDATE: Update
	State                        // a session changed its state: Old, New
	Route                        // an entry of a dumped table: Prefix, Update
	Index                        // a dump of TABLE_DUMP_V2 begins: see [Decoder.Peers]
)

// Event is one thing that an archive tells. What it refers to is valid until the next one.
type Event struct {
	Kind   EventKind
	Format Format
	Sec    uint32
	Micro  uint32
	PeerAS uint32
	Old    uint16 // State: as RFC 6396 section 4.4.1 numbers them, and 7 and 8 of Quagga
	New    uint16
	Family wire.Family  // Route
	Prefix wire.Prefix  // Route
	Update *wire.Update // Message, Route
	addr   []byte       // the peer's address, 4 or 16 octets; nil where the record has none

	element Element // see Elements
}

// Peer gives the address of the peer, 0.0.0.0 where the record does not name it.
func (e *Event) Peer() netip.Addr {
	switch len(e.addr) {
	case 4:
		return netip.AddrFrom4([4]byte(e.addr))
	case 16:
		return netip.AddrFrom16([16]byte(e.addr))
	}
	return netip.IPv4Unspecified()
}

// PeerEntry is a peer of a PEER_INDEX_TABLE (RFC 6396 section 4.3.1).
type PeerEntry struct {
	Addr netip.Addr
	ASN  uint32
	addr []byte
}

// Decoder reads the events of an archive. Zero allocations per event.
type Decoder struct {
	// Torn wants the whole prefixes of UPDATEs whose last one is torn as well, as
	// bgpdump shows them. The message is counted as malformed all the same.
	Torn bool
	// Skipped counts what was passed over.
	Skipped Counts
	// Messages counts records that hold a BGP message, Entries those of tables.
	Messages, Entries uint64

	r      *Reader
	rec    Record
	update wire.Update
	view   string
	peers  []PeerEntry
	index  bool // a PEER_INDEX_TABLE was seen
	rib    ribCursor
	from   uint32
	to     uint32
}

// NewDecoder reads events from r. The name is for errors.
func NewDecoder(name string, r io.Reader) *Decoder {
	return &Decoder{r: NewReader(name, r), to: ^uint32(0)}
}

// Between passes over, unlooked at, what was recorded before from or after to
// (seconds since 1970-01-01 UTC). A PEER_INDEX_TABLE is always read.
func (d *Decoder) Between(from, to uint32) { d.from, d.to = from, to }

// Expect tells which list the messages will be matched against, which makes
// matching cheaper and changes nothing else.
func (d *Decoder) Expect(w *wire.Watch) { d.update.Expect(w) }

// Reader gives the place in the archive.
func (d *Decoder) Reader() *Reader { return d.r }

// Time gives the time of the record just read.
func (d *Decoder) Time() uint32 { return d.rec.Sec }

// Peers gives the peers of the last PEER_INDEX_TABLE and its view's name.
func (d *Decoder) Peers() ([]PeerEntry, string) { return d.peers, d.view }

// Next reads on to the next event. Its errors are those of [Reader.Next].
func (d *Decoder) Next(e *Event) error {
	for {
		if d.rib.left != 0 && d.nextEntry(e) {
			return nil
		}
		if err := d.r.Next(&d.rec); err != nil {
			return err
		}
		if d.rec.Sec < d.from || d.rec.Sec > d.to {
			if d.rec.Type != typeTableDumpV2 || d.rec.Subtype != v2PeerIndex {
				continue
			}
		}
		switch d.rec.Type {
		case typeBGP4MP, typeBGP4MPET:
			if d.bgp4mp(e) {
				return nil
			}
		case typeTableDumpV2:
			if d.tableDumpV2(e) {
				return nil
			}
		case typeTableDump:
			d.tableDump()
		case typeBGP, typeBGP4Plus, typeBGP4Plus01:
			if d.oldBGP(e) {
				return nil
			}
		default:
			d.Skipped[UnknownType]++
		}
	}
}

func (d *Decoder) skip(r Reason) bool {
	d.Skipped[r]++
	return false
}

// shape of a BGP4MP subtype.
type shape struct {
	message, state, as4, local, addPath bool

	format  Format
	ipv4    int // where the addresses of a message begin
	session wire.Session
}

var shapes = func() [12]shape {
	list := subtypes
	for i := range list {
		s := &list[i]
		s.format = FormatBGP4MP
		if s.local {
			s.format |= formatLocal
		}
		if s.addPath {
			s.format |= formatAddPath
		}
		s.session = wire.Session{AS4: s.as4, AddPath4: s.addPath, AddPath6: s.addPath}
		if s.message {
			s.ipv4 = 8
			if s.as4 {
				s.ipv4 = 12
			}
		}
	}
	return list
}()

var subtypes = [12]shape{
	mpStateChange:         {state: true},
	mpMessage:             {message: true},
	mpEntry:               {},
	mpSnapshot:            {},
	mpMessageAS4:          {message: true, as4: true},
	mpStateChangeAS4:      {state: true, as4: true},
	mpMessageLocal:        {message: true, local: true},
	mpMessageAS4Local:     {message: true, as4: true, local: true},
	mpMessageAddPath:      {message: true, addPath: true},
	mpMessageAS4AddPath:   {message: true, as4: true, addPath: true},
	mpMessageLocalAddPath: {message: true, local: true, addPath: true},
	mpMessageAS4LocalAP:   {message: true, as4: true, local: true, addPath: true},
}

// bgp4mp reads BGP4MP and BGP4MP_ET (RFC 6396 section 4.4).
func (d *Decoder) bgp4mp(e *Event) bool {
	if int(d.rec.Subtype) >= len(shapes) {
		return d.skip(UnknownSubtype)
	}
	s := &shapes[d.rec.Subtype]
	b := d.rec.Body
	if n := s.ipv4; n != 0 && len(b) > n+8 && binary.BigEndian.Uint16(b[n-2:]) == wire.AFI4 {
		// What nearly every record is: a message of an IPv4 session.
		if s.as4 {
			e.PeerAS = binary.BigEndian.Uint32(b)
		} else {
			e.PeerAS = uint32(binary.BigEndian.Uint16(b))
		}
		e.addr = b[n : n+4]
		d.stamp(e, s)
		return d.message(e, b[n+8:], s)
	}
	if !s.message && !s.state {
		return d.skip(OldEntry)
	}
	if !s.as4 {
		if len(b) < 8 {
			return d.skip(ShortRecord)
		}
		e.PeerAS = uint32(binary.BigEndian.Uint16(b))
		if s.state && len(b) == 8 {
			// Old zebra left interface, family and addresses out.
			e.Kind, e.addr = State, nil
			e.Old, e.New = binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
			d.stamp(e, s)
			return true
		}
		b = b[4:]
	} else {
		if len(b) < 12 {
			return d.skip(ShortRecord)
		}
		e.PeerAS = binary.BigEndian.Uint32(b)
		b = b[8:]
	}
	n := 4
	switch binary.BigEndian.Uint16(b[2:]) {
	case wire.AFI4:
	case wire.AFI6:
		n = 16
	case 0xFFFF:
		// Old zebra writes an OPEN without interface, family and addresses: these
		// 4 octets are the first of the marker.
		if binary.BigEndian.Uint16(b) == 0xFFFF {
			d.Messages++
			return false
		}
		return d.skip(OtherAFI)
	default:
		return d.skip(OtherAFI)
	}
	if len(b) < 4+2*n {
		return d.skip(ShortRecord)
	}
	e.addr = b[4 : 4+n]
	b = b[4+2*n:]
	d.stamp(e, s)
	if s.state {
		if len(b) < 4 {
			return d.skip(ShortRecord)
		}
		e.Kind = State
		e.Old, e.New = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		return true
	}
	return d.message(e, b, s)
}

func (d *Decoder) stamp(e *Event, s *shape) {
	e.Sec, e.Micro, e.Format = d.rec.Sec, d.rec.Micro, s.format
	if d.rec.Type == typeBGP4MPET {
		e.Format |= formatET
	}
}

// message reads the BGP message of a record.
func (d *Decoder) message(e *Event, b []byte, s *shape) bool {
	d.Messages++
	typ, body, f := wire.Header(b)
	if f != wire.None {
		if typ == wire.TypeUpdate && body != nil {
			return d.cut(e, body, s.session)
		}
		return d.skip(Malformed(f))
	}
	switch typ {
	case wire.TypeUpdate:
		return d.split(e, body, s.session)
	case wire.TypeOpen, wire.TypeNotification, wire.TypeKeepalive, wire.TypeRouteRefresh, oldRouteRefresh:
		return false
	}
	return d.skip(OtherMessage)
}

// oldRouteRefresh is the number that Cisco gave to ROUTE-REFRESH before RFC 2918.
const oldRouteRefresh = 128

// cut reads a message of which the collector did not keep the end.
func (d *Decoder) cut(e *Event, body []byte, s wire.Session) bool {
	if f := d.update.SplitCut(body, s); f != wire.None {
		return d.skip(Malformed(f))
	}
	d.Skipped[CutMessage]++
	d.partial()
	e.Kind, e.Update = Message, &d.update
	return true
}

func (d *Decoder) split(e *Event, body []byte, s wire.Session) bool {
	if f := d.update.Split(body, s); f != wire.None {
		d.skip(Malformed(f))
		// What is whole of a message that is not may be shown, never judged.
		if !d.Torn || f != wire.BadPrefix || d.update.SplitCut(body, s) != wire.None {
			return false
		}
	}
	if !d.update.Plain() {
		d.partial()
	}
	e.Kind, e.Update = Message, &d.update
	return true
}

// partial counts what was passed over in a message that stands.
func (d *Decoder) partial() {
	if d.update.Discarded() != 0 {
		d.Skipped[DiscardedAttribute]++
	}
	if d.update.OtherFamily() {
		d.Skipped[OtherFamily]++
	}
}

// oldBGP reads the types BGP, BGP4PLUS and BGP4PLUS_01 of 1999 and 2000 (RFC
// 6396 appendix B.2). Their messages have no BGP header.
func (d *Decoder) oldBGP(e *Event) bool {
	n := 4
	if d.rec.Type != typeBGP {
		n = 16
	}
	b := d.rec.Body
	e.Sec, e.Micro, e.Format = d.rec.Sec, 0, FormatBGP
	switch d.rec.Subtype {
	case bgpUpdate:
		if len(b) < 2*(2+n) {
			return d.skip(ShortRecord)
		}
		d.Messages++
		e.PeerAS, e.addr = uint32(binary.BigEndian.Uint16(b)), b[2:2+n]
		return d.split(e, b[2*(2+n):], wire.Session{})
	case bgpStateChange:
		if len(b) < 2+n+4 {
			return d.skip(ShortRecord)
		}
		e.Kind = State
		e.PeerAS, e.addr = uint32(binary.BigEndian.Uint16(b)), b[2:2+n]
		b = b[2+n:]
		e.Old, e.New = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		return true
	case bgpOpen, bgpNotify, bgpKeepalive:
		d.Messages++
		return false
	case bgpNull, bgpPrefUpdate, bgpSync:
		return d.skip(OldEntry)
	}
	return d.skip(UnknownSubtype)
}
