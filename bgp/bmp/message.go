package bmp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

// Message types (RFC 7854 section 4.1).
const (
	routeMonitoring = iota
	statisticsReport
	peerDown
	peerUp
	initiation
	termination
	routeMirroring
	typeEnd
)

const (
	headerLen     = 6  // RFC 7854 section 4.1
	peerHeaderLen = 42 // RFC 7854 section 4.2
)

// Peer types (RFC 7854 section 4.2, RFC 9069 section 4.1).
const (
	globalPeer = 0
	vrfPeer    = 1
	localPeer  = 2
	locRIBPeer = 3
)

// Flags of the per-peer header (RFC 7854 section 4.2, RFC 8671 section 4). Those
// of the Loc-RIB are others (RFC 9069 section 4.2).
const (
	flagV6   = 0x80
	flagPost = 0x40
	flagAS2  = 0x20
	flagOut  = 0x10
)

// frameError is a header after which nobody knows where the next message begins.
type frameError string

func (e frameError) Error() string { return string(e) }

// frame reads a common header of 6 octets and gives the length of the message.
// Version 4 (draft-ietf-grow-bmp-tlv) has the same header.
func frame(head []byte, most int) (int, error) {
	if v := head[0]; v != 3 && v != 4 {
		return 0, frameError(fmt.Sprintf("version %d is neither 3 nor 4", v))
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < headerLen {
		return 0, frameError(fmt.Sprintf("a message of %d octets is shorter than its header", n))
	}
	if uint64(n) > uint64(most) {
		return 0, frameError(fmt.Sprintf("a message of %d octets is longer than max_message (%d)", n, most))
	}
	return int(n), nil
}

// peerKey tells the peers of a router apart: type, family, distinguisher and
// address, as they are on the wire (RFC 7854 section 4.2).
type peerKey [1 + 1 + 8 + 16]byte

// peerHeader is the per-peer header (RFC 7854 section 4.2).
type peerHeader struct {
	typ, flags    uint8
	distinguisher uint64
	addr          netip.Addr // not valid where it is zero, as for the Loc-RIB
	asn           uint32
	id            [4]byte
	sec, micro    uint32
}

// message is one BMP message. It refers to the octets that it was read from.
type message struct {
	version uint8
	typ     uint8
	key     peerKey // of types with a per-peer header
	header  []byte  // the per-peer header
	body    []byte  // what follows it
}

// hasPeer reports whether messages of the type carry a per-peer header.
func hasPeer(typ uint8) bool { return typ <= peerUp || typ == routeMirroring }

// parse takes apart one framed message.
func parse(b []byte) (message, counter) {
	m := message{version: b[0], typ: b[5], body: b[headerLen:]}
	if !hasPeer(m.typ) {
		return m, 0
	}
	if len(m.body) < peerHeaderLen {
		return m, badPeerHeader
	}
	m.header, m.body = m.body[:peerHeaderLen], m.body[peerHeaderLen:]
	m.key[0], m.key[1] = m.header[0], m.header[1]&flagV6
	if m.key[0] == locRIBPeer {
		m.key[1] = 0 // another flag: "filtered" (RFC 9069 section 4.2)
	}
	copy(m.key[2:], m.header[2:26])
	return m, 0
}

// peer reads the per-peer header.
func (m *message) peer() peerHeader {
	b := m.header
	h := peerHeader{
		typ: b[0], flags: b[1], distinguisher: binary.BigEndian.Uint64(b[2:]),
		asn: binary.BigEndian.Uint32(b[26:]), id: [4]byte(b[30:34]),
		sec: binary.BigEndian.Uint32(b[34:]), micro: binary.BigEndian.Uint32(b[38:]),
	}
	if h.typ == locRIBPeer {
		return h
	}
	if h.flags&flagV6 != 0 {
		h.addr = netip.AddrFrom16([16]byte(b[10:26])).Unmap()
	} else {
		h.addr = netip.AddrFrom4([4]byte(b[22:26]))
	}
	if h.addr.IsUnspecified() {
		h.addr = netip.Addr{}
	}
	return h
}

// stamp gives the time of the per-peer header, the zero time where there is none.
func (m *message) stamp() time.Time {
	sec, micro := binary.BigEndian.Uint32(m.header[34:]), binary.BigEndian.Uint32(m.header[38:])
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(int64(sec), int64(micro)*1000).UTC()
}

// view says which of the router's tables the message speaks of.
func (m *message) view() view {
	flags := m.header[1]
	switch {
	case m.header[0] == locRIBPeer:
		return locRIB
	case flags&flagOut != 0 && flags&flagPost != 0:
		return outPost
	case flags&flagOut != 0:
		return outPre
	case flags&flagPost != 0:
		return inPost
	}
	return inPre
}

// as4 reports whether the AS_PATH has AS numbers of four octets. The Loc-RIB has
// no such flag and always does (RFC 9069 section 4.2).
func (m *message) as4() bool { return m.header[0] == locRIBPeer || m.header[1]&flagAS2 == 0 }

// eachTLV walks type, length and value (RFC 7854 section 4.4). It is false where
// one reaches beyond b, or f says stop.
func eachTLV(b []byte, f func(typ uint16, value []byte) bool) bool {
	for len(b) > 0 {
		if len(b) < 4 {
			return false
		}
		n := 4 + int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) || !f(binary.BigEndian.Uint16(b), b[4:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

// eachIndexed walks the TLVs of version 4, which carry an index that the length does not count.
func eachIndexed(b []byte, f func(typ uint16, value []byte)) bool {
	for len(b) > 0 {
		if len(b) < 6 {
			return false
		}
		n := 6 + int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) {
			return false
		}
		f(binary.BigEndian.Uint16(b), b[6:n])
		b = b[n:]
	}
	return true
}
