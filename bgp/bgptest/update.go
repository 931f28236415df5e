package bgptest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"depeer/bgp"
)

// ASTrans stands for an AS number that does not fit in two octets (RFC 6793
// section 9).
const ASTrans = 23456

// MaxMessage is the size of the largest BGP message without the extension of
// RFC 8654, in octets.
const MaxMessage = 4096

// Path attribute type codes and flags (RFC 4271 section 4.3, RFC 4760, RFC
// 1997, RFC 6793).
const (
	attrOrigin      = 1
	attrASPath      = 2
	attrNextHop     = 3
	attrMED         = 4
	attrCommunities = 8
	attrMPReach     = 14
	attrMPUnreach   = 15
	attrAS4Path     = 17

	flagOptional   = 0x80
	flagTransitive = 0x40
	flagExtended   = 0x10
)

// NLRI is one prefix on the wire, with its path identifier where the session
// uses ADD-PATH (RFC 7911 section 3).
type NLRI struct {
	Prefix netip.Prefix
	PathID uint32
}

// Encoding is what the two ends of a session agreed on, which a reader of the
// message must know.
type Encoding struct {
	AS2     bool // AS numbers of two octets; larger ones go to AS4_PATH (RFC 6793)
	AddPath bool // every prefix carries a path identifier (RFC 7911)
}

// UpdateMessage is a BGP UPDATE to encode. IPv4 prefixes use the fields of RFC
// 4271, IPv6 prefixes MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760); one message
// may hold both.
type UpdateMessage struct {
	Withdraw    []NLRI
	Announce    []NLRI
	Path        bgp.Path
	NextHop4    netip.Addr // needed where an IPv4 prefix is announced
	NextHop6    netip.Addr // needed where an IPv6 prefix is announced
	MED         uint32     // sent where it is not 0
	Communities []uint32
}

// AppendUpdate appends the message, header included, to dst. It is an error when
// the message is longer than [MaxMessage] or a next hop is missing.
func AppendUpdate(dst []byte, m UpdateMessage, e Encoding) ([]byte, error) {
	start := len(dst)
	dst = appendHeader(dst)
	mark := len(dst)
	dst = append(dst, 0, 0)
	for _, n := range m.Withdraw {
		if n.Prefix.Addr().Is4() {
			dst = appendNLRI(dst, n, e.AddPath)
		}
	}
	binary.BigEndian.PutUint16(dst[mark:], uint16(len(dst)-mark-2))
	mark = len(dst)
	dst = append(dst, 0, 0)
	dst, err := appendMessageAttributes(dst, m, e)
	if err != nil {
		return dst[:start], err
	}
	binary.BigEndian.PutUint16(dst[mark:], uint16(len(dst)-mark-2))
	for _, n := range m.Announce {
		if n.Prefix.Addr().Is4() {
			dst = appendNLRI(dst, n, e.AddPath)
		}
	}
	if len(dst)-start > MaxMessage {
		return dst[:start], fmt.Errorf("encode UPDATE: %d octets, at most %d fit", len(dst)-start, MaxMessage)
	}
	binary.BigEndian.PutUint16(dst[start+16:], uint16(len(dst)-start))
	return dst, nil
}

// AppendEndOfRIB appends the End-of-RIB marker of one address family: an empty
// UPDATE for IPv4, an empty MP_UNREACH_NLRI for IPv6 (RFC 4724 section 2).
func AppendEndOfRIB(dst []byte, v6 bool) []byte {
	start := len(dst)
	dst = append(appendHeader(dst), 0, 0)
	if v6 {
		dst = append(dst, 0, 6, flagOptional, attrMPUnreach, 3, 0, 2, 1)
	} else {
		dst = append(dst, 0, 0)
	}
	binary.BigEndian.PutUint16(dst[start+16:], uint16(len(dst)-start))
	return dst
}

// appendHeader appends marker, a length to be filled in, and the type UPDATE
// (RFC 4271 section 4.1).
func appendHeader(dst []byte) []byte {
	for range 16 {
		dst = append(dst, 0xff)
	}
	return append(dst, 0, 0, 2)
}

func appendMessageAttributes(dst []byte, m UpdateMessage, e Encoding) ([]byte, error) {
	var reach4, reach6 bool
	for _, n := range m.Announce {
		reach4 = reach4 || n.Prefix.Addr().Is4()
		reach6 = reach6 || n.Prefix.Addr().Is6()
	}
	if reach4 && !m.NextHop4.Is4() {
		return dst, errors.New("encode UPDATE: an IPv4 prefix needs an IPv4 next hop")
	}
	if reach6 && !m.NextHop6.Is6() {
		return dst, errors.New("encode UPDATE: an IPv6 prefix needs an IPv6 next hop")
	}
	if reach4 || reach6 {
		a := attributes{m.Path, m.MED, m.Communities}
		hop := netip.Addr{}
		if reach4 {
			hop = m.NextHop4
		}
		dst = a.append(dst, hop, e.AS2)
	}
	if reach6 {
		body := []byte{0, 2, 1, 16}
		body = append(body, m.NextHop6.AsSlice()...)
		body = append(body, 0)
		for _, n := range m.Announce {
			if n.Prefix.Addr().Is6() {
				body = appendNLRI(body, n, e.AddPath)
			}
		}
		dst = appendAttribute(dst, flagOptional, attrMPReach, body)
	}
	var gone []byte
	for _, n := range m.Withdraw {
		if n.Prefix.Addr().Is6() {
			gone = appendNLRI(gone, n, e.AddPath)
		}
	}
	if gone != nil {
		dst = appendAttribute(dst, flagOptional, attrMPUnreach, append([]byte{0, 2, 1}, gone...))
	}
	return dst, nil
}

// attributes are the path attributes that an UPDATE and a RIB entry share.
type attributes struct {
	path        bgp.Path
	med         uint32
	communities []uint32
}

// append writes ORIGIN, AS_PATH, NEXT_HOP (where the hop is valid), MED,
// COMMUNITIES and, where two octets do not hold the path, AS4_PATH.
func (a attributes) append(dst []byte, hop netip.Addr, as2 bool) []byte {
	dst = appendAttribute(dst, flagTransitive, attrOrigin, []byte{0})
	dst = appendAttribute(dst, flagTransitive, attrASPath, appendPath(nil, a.path, as2))
	if hop.IsValid() {
		dst = appendAttribute(dst, flagTransitive, attrNextHop, hop.AsSlice())
	}
	if a.med != 0 {
		dst = appendAttribute(dst, flagOptional, attrMED, binary.BigEndian.AppendUint32(nil, a.med))
	}
	if len(a.communities) > 0 {
		var body []byte
		for _, c := range a.communities {
			body = binary.BigEndian.AppendUint32(body, c)
		}
		dst = appendAttribute(dst, flagOptional|flagTransitive, attrCommunities, body)
	}
	if as2 && hasAS4(a.path) {
		dst = appendAttribute(dst, flagOptional|flagTransitive, attrAS4Path, appendPath(nil, a.path, false))
	}
	return dst
}

func hasAS4(p bgp.Path) bool {
	for _, s := range p {
		for _, a := range s.ASNs {
			if a > 0xffff {
				return true
			}
		}
	}
	return false
}

// appendPath writes the segments; a segment of more than 255 ASes is split, as
// RFC 4271 section 5.1.2 has a speaker do.
func appendPath(dst []byte, p bgp.Path, as2 bool) []byte {
	for _, s := range p {
		for rest := s.ASNs; len(rest) > 0; {
			n := min(len(rest), 255)
			dst = append(dst, byte(s.Type), byte(n))
			for _, a := range rest[:n] {
				switch {
				case !as2:
					dst = binary.BigEndian.AppendUint32(dst, a)
				case a > 0xffff:
					dst = binary.BigEndian.AppendUint16(dst, ASTrans)
				default:
					dst = binary.BigEndian.AppendUint16(dst, uint16(a))
				}
			}
			rest = rest[n:]
		}
	}
	return dst
}

func appendAttribute(dst []byte, flags, code byte, body []byte) []byte {
	if len(body) > 255 {
		dst = append(dst, flags|flagExtended, code)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(body)))
	} else {
		dst = append(dst, flags, code, byte(len(body)))
	}
	return append(dst, body...)
}

func appendNLRI(dst []byte, n NLRI, addPath bool) []byte {
	if addPath {
		dst = binary.BigEndian.AppendUint32(dst, n.PathID)
	}
	bits := n.Prefix.Bits()
	dst = append(dst, byte(bits))
	return append(dst, n.Prefix.Masked().Addr().AsSlice()[:(bits+7)/8]...)
}
