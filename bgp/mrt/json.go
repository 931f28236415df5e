package mrt

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// AppendJSON appends an element as one JSON object with a line feed. The keys are
// those of evidence: at, collector (where known), peer, peer_asn, type, prefix,
// path; beside them path_id, next_hop, origin, local_pref, med, communities,
// atomic_aggregate and aggregator where the message has them, and old_state and
// new_state for a change of state.
func (p *Printer) AppendJSON(dst []byte, el *Element, collector string) []byte {
	e := p.event
	dst = append(dst, `{"type":"`...)
	dst = append(dst, el.Type)
	dst = append(dst, `","at":"`...)
	dst = time.Unix(int64(e.Sec), int64(e.Micro)*1000).UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, '"')
	if collector != "" {
		dst = append(dst, `,"collector":`...)
		dst = strconv.AppendQuote(dst, collector)
	}
	dst = append(dst, `,"peer":"`...)
	dst = e.Peer().AppendTo(dst)
	dst = append(dst, `","peer_asn":`...)
	dst = appendUint(dst, e.PeerAS)
	if el.Type == 'S' {
		dst = append(dst, `,"old_state":`...)
		dst = appendUint(dst, uint32(e.Old))
		dst = append(dst, `,"new_state":`...)
		dst = appendUint(dst, uint32(e.New))
		return append(dst, "}\n"...)
	}
	dst = append(dst, `,"prefix":"`...)
	dst = el.Prefix.Netip().AppendTo(dst)
	dst = append(dst, '"')
	if e.Format.AddPath() {
		dst = append(dst, `,"path_id":`...)
		dst = appendUint(dst, el.Prefix.ID)
	}
	if el.Family.SAFI != wire.Unicast {
		dst = append(dst, `,"safi":`...)
		dst = appendUint(dst, uint32(el.Family.SAFI))
	}
	if el.Type != 'W' {
		dst = p.appendAttributes(dst, el)
	}
	return append(dst, "}\n"...)
}

func (p *Printer) appendAttributes(dst []byte, el *Element) []byte {
	u := p.event.Update
	dst = append(dst, `,"path":`...)
	dst = appendPathJSON(dst, u.PathInto(&p.path))
	if len(el.NextHop) >= 4 {
		dst = append(dst, `,"next_hop":"`...)
		dst = nextHopAddr(el.NextHop).AppendTo(dst)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"origin":"`...)
	dst = append(dst, originWord(u)...)
	dst = append(dst, '"')
	if v, ok := u.Attr(wire.AttrLocalPref); ok {
		dst = append(dst, `,"local_pref":`...)
		dst = appendUint(dst, binary.BigEndian.Uint32(v))
	}
	if v, ok := u.Attr(wire.AttrMED); ok {
		dst = append(dst, `,"med":`...)
		dst = appendUint(dst, binary.BigEndian.Uint32(v))
	}
	if _, ok := u.Attr(wire.AttrCommunities); ok {
		dst = append(dst, `,"communities":[`...)
		dst = appendCommunities(dst, u, ',', '"')
		dst = append(dst, ']')
	}
	if _, ok := u.Attr(wire.AttrAtomicAggregate); ok {
		dst = append(dst, `,"atomic_aggregate":true`...)
	}
	if asn, addr, ok := u.Aggregator(); ok {
		dst = append(dst, `,"aggregator":{"asn":`...)
		dst = appendUint(dst, asn)
		dst = append(dst, `,"address":"`...)
		dst = appendAddr(dst, addr[:])
		dst = append(dst, `"}`...)
	}
	return dst
}

// nextHopAddr is the global address of the 4, 16 or 32 octets of a next hop.
func nextHopAddr(nh []byte) netip.Addr {
	if len(nh) >= 16 {
		return netip.AddrFrom16([16]byte(nh))
	}
	return netip.AddrFrom4([4]byte(nh))
}

// appendPathJSON writes a path as [bgp.Path.MarshalJSON] does.
func appendPathJSON(dst []byte, path bgp.Path) []byte {
	dst = append(dst, '[')
	first := true
	for _, s := range path {
		if s.Type == bgp.ASSet {
			if !first {
				dst = append(dst, ',')
			}
			dst = append(dst, '[')
		}
		for i, a := range s.ASNs {
			if i > 0 || s.Type != bgp.ASSet && !first {
				dst = append(dst, ',')
			}
			dst = appendUint(dst, a)
			first = false
		}
		if s.Type == bgp.ASSet {
			dst = append(dst, ']')
		}
	}
	return append(dst, ']')
}
