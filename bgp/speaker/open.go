package speaker

import (
	"encoding/binary"
	"errors"

	"depeer/bgp/wire"
)

// asTrans stands for an AS number that does not fit in two octets (RFC 6793
// section 9).
const asTrans = 23456

// Capability codes (the IANA registry "Capability Codes").
const (
	capMultiprotocol = 1  // RFC 4760
	capRefresh       = 2  // RFC 2918
	capExtended      = 6  // RFC 8654
	capGraceful      = 64 // RFC 4724
	capAS4           = 65 // RFC 6793
	capAddPath       = 69 // RFC 7911
)

// open is what an OPEN says (RFC 4271 section 4.2, RFC 5492).
type open struct {
	asn      uint32
	hold     uint16 // seconds
	as4      bool
	refresh  bool
	extended bool
	graceful bool
	restart  bool    // Restart State (RFC 4724 section 3): it has just come back
	families [2]bool // IPv4 and IPv6 unicast
	paths    [2]byte // ADD-PATH by family: 1 receive, 2 send, 3 both
}

var errOpen = errors.New("malformed OPEN")

// parseOpen reads the body of an OPEN. What it does not know it passes over: to
// refuse an OPEN is GoBGP's business.
func parseOpen(body []byte) (o open, err error) {
	if len(body) < 10 {
		return o, errOpen
	}
	o.asn = uint32(binary.BigEndian.Uint16(body[1:]))
	o.hold = binary.BigEndian.Uint16(body[3:])
	params, size := body[10:], 1 // size of a parameter's length field
	n := int(body[9])
	if n == 255 && len(params) > 0 && params[0] == 255 { // RFC 9072 section 2
		if len(params) < 3 {
			return o, errOpen
		}
		n, params, size = int(binary.BigEndian.Uint16(params[1:])), params[3:], 2
	}
	if n != len(params) {
		return o, errOpen
	}
	multi := false
	for len(params) > 0 {
		if len(params) < 1+size {
			return o, errOpen
		}
		typ, n := params[0], int(params[1])
		if size == 2 {
			n = int(binary.BigEndian.Uint16(params[1:]))
		}
		params = params[1+size:]
		if n > len(params) {
			return o, errOpen
		}
		if typ == 2 && !o.capabilities(params[:n], &multi) {
			return o, errOpen
		}
		params = params[n:]
	}
	if !multi {
		o.families[0] = true // RFC 4271 alone
	}
	return o, nil
}

func (o *open) capabilities(b []byte, multi *bool) bool {
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return false
		}
		code, v := b[0], b[2:2+int(b[1])]
		b = b[2+len(v):]
		switch code {
		case capMultiprotocol:
			*multi = true
			if f, ok := familyOf(v); ok && len(v) == 4 {
				o.families[f] = true
			}
		case capRefresh:
			o.refresh = true
		case capExtended:
			o.extended = true
		case capGraceful:
			o.graceful = len(v) >= 2
			o.restart = o.graceful && v[0]&0x80 != 0
		case capAS4:
			if len(v) == 4 {
				o.as4, o.asn = true, binary.BigEndian.Uint32(v)
			}
		case capAddPath:
			for ; len(v) >= 4; v = v[4:] {
				if f, ok := familyOf([]byte{v[0], v[1], 0, v[2]}); ok {
					o.paths[f] = v[3]
				}
			}
		}
	}
	return true
}

// familyOf gives 0 for IPv4 and 1 for IPv6 unicast: AFI, a reserved octet, SAFI.
func familyOf(v []byte) (int, bool) {
	if len(v) < 4 || v[0] != 0 || v[3] != wire.Unicast || v[1] != wire.AFI4 && v[1] != wire.AFI6 {
		return 0, false
	}
	return int(v[1]) - wire.AFI4, true
}

// agreed is what both OPENs together make of the session.
func agreed(ours, theirs open) wire.Session {
	path := func(f int) bool { return ours.paths[f]&1 != 0 && theirs.paths[f]&2 != 0 }
	return wire.Session{AS4: ours.as4 && theirs.as4, AddPath4: path(0), AddPath6: path(1)}
}

// withExtended gives an OPEN message with the capability of long messages (RFC
// 8654), which GoBGP does not know and the front can take. It gives the message
// as it is where there is no room.
func withExtended(msg []byte) []byte {
	const add = 4
	at := wire.HeaderLen + 9
	if len(msg) <= at || int(msg[at])+add >= 255 {
		return msg
	}
	out := append([]byte(nil), msg...)
	out = append(out, 2, 2, capExtended, 0)
	out[at] += add
	binary.BigEndian.PutUint16(out[16:], uint16(len(out)))
	return out
}
