package bmp

import (
	"encoding/binary"

	"depeer/bgp/wire"
)

// open is what an OPEN of a Peer Up offers (RFC 4271 section 4.2, RFC 5492).
type open struct {
	asn      uint32 // from the capability where there is one (RFC 6793)
	hold     uint16
	id       [4]byte
	as4      bool
	extended bool            // RFC 8654
	families []wire.Family   // RFC 4760
	addPath  []addPathFamily // RFC 7911
}

type addPathFamily struct {
	family  wire.Family
	receive bool // it can receive several paths
	send    bool // it can send them
}

// Capability codes.
const (
	capMultiprotocol = 1
	capExtended      = 6
	capAS4           = 65
	capAddPath       = 69
)

// takeOpen reads the OPEN at the beginning of b, and gives what follows.
func takeOpen(b []byte) (o open, rest []byte, ok bool) {
	typ, body, f := wire.Header(b)
	if f != wire.None || typ != wire.TypeOpen || !o.read(body) {
		return o, nil, false
	}
	return o, b[wire.HeaderLen+len(body):], true
}

// read takes in the body of an OPEN.
func (o *open) read(body []byte) bool {
	if len(body) < 10 {
		return false
	}
	o.asn = uint32(binary.BigEndian.Uint16(body[1:]))
	o.hold = binary.BigEndian.Uint16(body[3:])
	o.id = [4]byte(body[5:9])
	return o.parameters(body[9:])
}

// parameters reads the optional parameters, also the long ones of RFC 9072.
func (o *open) parameters(b []byte) bool {
	n, b, lenOctets := int(b[0]), b[1:], 1
	if n == 255 && len(b) >= 3 && b[0] == 255 {
		n, b, lenOctets = int(binary.BigEndian.Uint16(b[1:])), b[3:], 2
	}
	if n != len(b) {
		return false
	}
	for len(b) > 0 {
		if len(b) < 1+lenOctets {
			return false
		}
		n := int(b[1])
		if lenOctets == 2 {
			n = int(binary.BigEndian.Uint16(b[1:]))
		}
		n += 1 + lenOctets
		if n > len(b) || b[0] == 2 && !o.capabilities(b[1+lenOctets:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

func (o *open) capabilities(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 2 || 2+int(b[1]) > len(b) {
			return false
		}
		v := b[2 : 2+int(b[1])]
		switch b[0] {
		case capMultiprotocol:
			if len(v) == 4 {
				o.families = append(o.families, wire.Family{AFI: binary.BigEndian.Uint16(v), SAFI: v[3]})
			}
		case capExtended:
			o.extended = true
		case capAS4:
			if len(v) == 4 {
				o.as4, o.asn = true, binary.BigEndian.Uint32(v)
			}
		case capAddPath:
			o.addPaths(v)
		}
		b = b[2+len(v):]
	}
	return true
}

// addPaths reads the capability of RFC 7911 section 4.
func (o *open) addPaths(v []byte) {
	for ; len(v) >= 4; v = v[4:] {
		if v[3] == 0 || v[3] > 3 {
			continue // "MUST be ignored"
		}
		o.addPath = append(o.addPath, addPathFamily{wire.Family{AFI: binary.BigEndian.Uint16(v), SAFI: v[2]}, v[3]&1 != 0, v[3]&2 != 0})
	}
}

func (o *open) receives(f wire.Family) bool {
	for _, x := range o.addPath {
		if x.family == f && x.receive {
			return true
		}
	}
	return false
}

func (o *open) sends(f wire.Family) bool {
	for _, x := range o.addPath {
		if x.family == f && x.send {
			return true
		}
	}
	return false
}

// names reports whether ADD-PATH is offered for the family in either direction.
func (o *open) names(f wire.Family) bool { return o.receives(f) || o.sends(f) }

// sessions says how the UPDATEs of a peer are written, by group: what the router
// received from it, what it sent to it, what it holds itself. The Loc-RIB was sent
// by nobody: its OPEN messages are made up to name what is needed (RFC 9069
// section 5.4). Whether AS numbers have four octets is for each message to say.
func sessions(sent, received *open) (s [groups]wire.Session) {
	v4, v6 := wire.Family{AFI: wire.AFI4, SAFI: wire.Unicast}, wire.Family{AFI: wire.AFI6, SAFI: wire.Unicast}
	s[groupIn] = wire.Session{AddPath4: received.sends(v4) && sent.receives(v4), AddPath6: received.sends(v6) && sent.receives(v6)}
	s[groupOut] = wire.Session{AddPath4: sent.sends(v4) && received.receives(v4), AddPath6: sent.sends(v6) && received.receives(v6)}
	s[groupLoc] = wire.Session{AddPath4: sent.names(v4) || received.names(v4), AddPath6: sent.names(v6) || received.names(v6)}
	return s
}
