// Package wire reads BGP UPDATE messages from their raw bytes without
// allocating, and decides on those bytes whether anybody wants to know
// (see [Watch]). It is the fast path that every feed shares.
//
// The contract: [Update.Split] checks the whole message by RFC 4271, RFC 4760,
// RFC 6793, RFC 7606, RFC 7911 and RFC 8654 and keeps where its parts lie; it
// refuses a malformed one with a [Fault], and then nothing of it may be
// believed, neither an announcement nor a withdrawal. An Update refers to the
// message it was split from and is valid as long as those bytes are. What the
// decoding methods return ([Update.Path], [Update.Append]) is a copy.
package wire

import "encoding/binary"

// Message types of RFC 4271 section 4.1 and RFC 2918.
const (
	TypeOpen         = 1
	TypeUpdate       = 2
	TypeNotification = 3
	TypeKeepalive    = 4
	TypeRouteRefresh = 5
)

// HeaderLen is the size of the BGP message header: 16 octets of marker, 2 of
// length and 1 of type (RFC 4271 section 4.1).
const HeaderLen = 19

// Session is what two speakers agreed upon when they opened the session, and
// without which their UPDATEs cannot be read.
type Session struct {
	AS4      bool // AS numbers have 4 octets (RFC 6793)
	AddPath4 bool // IPv4 routes carry a path identifier (RFC 7911)
	AddPath6 bool // IPv6 routes do
}

// Address families and subsequent ones that bgpdump, too, can print.
const (
	AFI4             = 1
	AFI6             = 2
	Unicast          = 1
	Multicast        = 2
	UnicastMulticast = 3 // RFC 2858 section 7; taken back by RFC 4760
)

// Family is an address family (AFI and SAFI of RFC 4760).
type Family struct {
	AFI  uint16
	SAFI uint8
}

// known reports whether the routes of the family are plain prefixes.
func (f Family) known() bool {
	return (f.AFI == AFI4 || f.AFI == AFI6) && f.SAFI >= Unicast && f.SAFI <= UnicastMulticast
}

// V6 reports whether it is a family of IPv6.
func (f Family) V6() bool { return f.AFI == AFI6 }

// Header reads the header of a message: its type and its body. A message may
// be up to 65,535 octets long (RFC 8654). With BadLength, the body is what there
// is of it if the message reaches beyond msg, else nil.
func Header(msg []byte) (typ uint8, body []byte, f Fault) {
	if len(msg) < HeaderLen {
		return 0, nil, BadLength
	}
	if binary.LittleEndian.Uint64(msg)&binary.LittleEndian.Uint64(msg[8:]) != ^uint64(0) {
		return 0, nil, BadMarker
	}
	n := int(binary.BigEndian.Uint16(msg[16:]))
	if n > len(msg) {
		return msg[18], msg[HeaderLen:], BadLength
	}
	if n < HeaderLen {
		return msg[18], nil, BadLength
	}
	return msg[18], msg[HeaderLen:n], None
}
