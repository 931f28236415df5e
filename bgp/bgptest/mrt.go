package bgptest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"time"

	"depeer/bgp"
)

// MRT types and subtypes (RFC 6396 section 4, RFC 8050 for ADD-PATH).
const (
	typeTableDumpV2 = 13
	typeBGP4MP      = 16
	typeBGP4MPET    = 17

	subPeerIndex       = 1
	subRIBIPv4         = 2
	subRIBIPv6         = 4
	subRIBIPv4AddPath  = 8
	subRIBIPv6AddPath  = 10
	subStateChange     = 0
	subMessage         = 1
	subMessageAS4      = 4
	subStateChangeAS4  = 5
	subMessageAddPath  = 8
	subMessageAS4APath = 9
)

// The states of the BGP state machine, as state changes number them (RFC 6396
// section 4.4.1).
const (
	StateIdle        = 1
	StateConnect     = 2
	StateActive      = 3
	StateOpenSent    = 4
	StateOpenConfirm = 5
	StateEstablished = 6
)

// Format is how a collector writes what it hears.
type Format struct {
	Encoding
	Microseconds bool // BGP4MP_ET (RFC 6396 section 3) instead of whole seconds
}

// Local is the collector's own end of a session.
type Local struct {
	Addr netip.Addr
	ASN  uint32
}

// Writer writes MRT records (RFC 6396), one Write call for each.
type Writer struct {
	w   io.Writer
	f   Format
	buf []byte
}

// NewWriter makes a writer of records to w. It does not buffer.
func NewWriter(w io.Writer, f Format) *Writer { return &Writer{w: w, f: f} }

// Record writes one record of any type: the header with the time in whole
// seconds, and body as it is.
func (w *Writer) Record(at time.Time, typ, subtype uint16, body []byte) error {
	b := w.header(at, typ, subtype)
	return w.finish(append(b, body...))
}

// Message writes what the peer said: msg is a whole BGP message, header
// included, of any type and as broken as wanted.
func (w *Writer) Message(at time.Time, peer bgp.Peer, local Local, msg []byte) error {
	subtype := uint16(subMessageAS4)
	switch {
	case w.f.AS2 && w.f.AddPath:
		subtype = subMessageAddPath
	case w.f.AS2:
		subtype = subMessage
	case w.f.AddPath:
		subtype = subMessageAS4APath
	}
	b, err := w.session(at, subtype, peer, local)
	if err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return w.finish(append(b, msg...))
}

// State writes a state change of the session, from one of the State constants
// to another.
func (w *Writer) State(at time.Time, peer bgp.Peer, local Local, from, to uint16) error {
	subtype := uint16(subStateChangeAS4)
	if w.f.AS2 {
		subtype = subStateChange
	}
	b, err := w.session(at, subtype, peer, local)
	if err != nil {
		return fmt.Errorf("write state change: %w", err)
	}
	b = binary.BigEndian.AppendUint16(b, from)
	return w.finish(binary.BigEndian.AppendUint16(b, to))
}

// PeerIndex writes the PEER_INDEX_TABLE that the following RIB records refer to
// (RFC 6396 section 4.3.1). Peers are numbered as in the slice, from 0.
func (w *Writer) PeerIndex(at time.Time, collector netip.Addr, view string, peers []bgp.Peer) error {
	if !collector.Is4() || len(view) > 0xffff || len(peers) > 0xffff {
		return fmt.Errorf("write peer index: collector %s, view name of %d octets, %d peers", collector, len(view), len(peers))
	}
	b := w.header(at, typeTableDumpV2, subPeerIndex)
	b = append(b, collector.AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(view)))
	b = append(b, view...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(peers)))
	for i, p := range peers {
		kind := byte(2) // bit 1: AS number of four octets
		if p.Addr.Is6() {
			kind |= 1
		}
		b = append(b, kind)
		b = append(b, 10, 0, byte(i>>8), byte(i)) // BGP identifier: any, but each its own
		b = append(b, p.Addr.AsSlice()...)
		b = binary.BigEndian.AppendUint32(b, p.ASN)
	}
	return w.finish(b)
}

// RIBEntry is one peer's route in a RIB record.
type RIBEntry struct {
	Peer        int       // its number in the peer index
	Learned     time.Time // when the collector heard it
	PathID      uint32    // written where the format says ADD-PATH
	Path        bgp.Path
	NextHop     netip.Addr // of the prefix's family
	Communities []uint32
}

// RIB writes all routes to one prefix (RFC 6396 section 4.3.2, RFC 8050 section
// 4.1). seq counts the RIB records of a dump, from 0.
func (w *Writer) RIB(at time.Time, seq uint32, prefix netip.Prefix, entries []RIBEntry) error {
	subtype := uint16(subRIBIPv4)
	switch v6 := prefix.Addr().Is6(); {
	case v6 && w.f.AddPath:
		subtype = subRIBIPv6AddPath
	case v6:
		subtype = subRIBIPv6
	case w.f.AddPath:
		subtype = subRIBIPv4AddPath
	}
	b := w.header(at, typeTableDumpV2, subtype)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = appendNLRI(b, NLRI{Prefix: prefix}, false)
	b = binary.BigEndian.AppendUint16(b, uint16(len(entries)))
	for _, e := range entries {
		b = binary.BigEndian.AppendUint16(b, uint16(e.Peer))
		b = binary.BigEndian.AppendUint32(b, uint32(e.Learned.Unix()))
		if w.f.AddPath {
			b = binary.BigEndian.AppendUint32(b, e.PathID)
		}
		// RFC 6396 section 4.3.4: four-octet AS numbers always, and MP_REACH_NLRI cut down to the next hop.
		a := attributes{path: e.Path, communities: e.Communities}
		mark := len(b)
		b = append(b, 0, 0)
		if prefix.Addr().Is4() {
			b = a.append(b, e.NextHop, false)
		} else {
			b = a.append(b, netip.Addr{}, false)
			b = appendAttribute(b, flagOptional, attrMPReach, append([]byte{16}, e.NextHop.AsSlice()...))
		}
		binary.BigEndian.PutUint16(b[mark:], uint16(len(b)-mark-2))
	}
	return w.finish(b)
}

// header starts a record: time, type, subtype, a length to be filled in, and
// the microseconds of an extended timestamp.
func (w *Writer) header(at time.Time, typ, subtype uint16) []byte {
	b := binary.BigEndian.AppendUint32(w.buf[:0], uint32(at.Unix()))
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, subtype)
	b = append(b, 0, 0, 0, 0)
	if typ == typeBGP4MPET {
		b = binary.BigEndian.AppendUint32(b, uint32(at.Nanosecond()/1000))
	}
	return b
}

func (w *Writer) finish(b []byte) error {
	w.buf = b
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	_, err := w.w.Write(b)
	return err
}

// session starts a BGP4MP record with the two ends of the session (RFC 6396
// sections 4.4.1 to 4.4.5).
func (w *Writer) session(at time.Time, subtype uint16, peer bgp.Peer, local Local) ([]byte, error) {
	if peer.Addr.Is4() != local.Addr.Is4() || !peer.Addr.IsValid() {
		return nil, fmt.Errorf("peer %s and collector %s are of different families", peer.Addr, local.Addr)
	}
	typ := uint16(typeBGP4MP)
	if w.f.Microseconds {
		typ = typeBGP4MPET
	}
	b := w.header(at, typ, subtype)
	if w.f.AS2 {
		if peer.ASN > 0xffff || local.ASN > 0xffff {
			return nil, fmt.Errorf("AS%d and AS%d do not both fit in two octets", peer.ASN, local.ASN)
		}
		b = binary.BigEndian.AppendUint16(b, uint16(peer.ASN))
		b = binary.BigEndian.AppendUint16(b, uint16(local.ASN))
	} else {
		b = binary.BigEndian.AppendUint32(b, peer.ASN)
		b = binary.BigEndian.AppendUint32(b, local.ASN)
	}
	afi := uint16(1)
	if peer.Addr.Is6() {
		afi = 2
	}
	b = binary.BigEndian.AppendUint16(b, 0) // interface index
	b = binary.BigEndian.AppendUint16(b, afi)
	b = append(b, peer.Addr.AsSlice()...)
	return append(b, local.Addr.AsSlice()...), nil
}
