package mrt

import (
	"encoding/binary"
	"net/netip"
	"time"

	"depeer/bgp"
)

// peerState is what the source knows of one session.
type peerState struct {
	peer    bgp.Peer
	traffic bgp.Traffic
	heard   uint32 // second of its last record
	pending bool   // a Heard for the minute of heard is owed
}

// peerTable finds the sessions of one collector by what a record says. Nearly
// all have IPv4 addresses, and those fit a word with their AS number.
type peerTable struct {
	collector string
	slots     []peerSlot // open addressing, a power of two, at most half full
	used      int
	others    map[otherPeer]*peerState
	byAddr    map[netip.Addr]*peerState // the first session of each address
	all       []*peerState
}

// asTrans stands in records with 2 octets for an AS number that needs 4 (RFC 6793
// section 9): the session is then known by its address.
const asTrans = 23456

type peerSlot struct {
	key  uint64 // address<<32 | AS
	peer *peerState
}

type otherPeer struct {
	addr [16]byte
	asn  uint32
}

func newPeerTable(collector string) *peerTable {
	return &peerTable{collector: collector, slots: make([]peerSlot, 256), others: map[otherPeer]*peerState{}, byAddr: map[netip.Addr]*peerState{}}
}

// of gives the session of an event.
func (t *peerTable) of(addr []byte, asn uint32) *peerState {
	if len(addr) == 4 {
		return t.of4(uint64(binary.BigEndian.Uint32(addr))<<32 | uint64(asn))
	}
	var k otherPeer
	copy(k.addr[:], addr)
	k.asn = asn
	p := t.others[k]
	if p == nil {
		a, _ := netip.AddrFromSlice(addr)
		if !a.IsValid() {
			a = netip.IPv4Unspecified()
		}
		if a = a.Unmap(); a.Is4() {
			// The same session as the one that other records name with 4 octets.
			b := a.As4()
			p = t.of4(uint64(binary.BigEndian.Uint32(b[:]))<<32 | uint64(asn))
		} else {
			p = t.add(a, asn)
		}
		t.others[k] = p
	}
	return p
}

func (t *peerTable) of4(key uint64) *peerState {
	mask := uint64(len(t.slots) - 1)
	i := key * 0x9E3779B97F4A7C15 >> 32 & mask
	for t.slots[i].peer != nil {
		if t.slots[i].key == key {
			return t.slots[i].peer
		}
		i = (i + 1) & mask
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(key>>32))
	p := t.add(netip.AddrFrom4(b), uint32(key))
	t.slots[i] = peerSlot{key, p}
	if t.used++; t.used*2 > len(t.slots) {
		t.grow()
	}
	return p
}

func (t *peerTable) grow() {
	old := t.slots
	t.slots = make([]peerSlot, 2*len(old))
	mask := uint64(len(t.slots) - 1)
	for _, s := range old {
		if s.peer == nil {
			continue
		}
		i := s.key * 0x9E3779B97F4A7C15 >> 32 & mask
		for t.slots[i].peer != nil {
			i = (i + 1) & mask
		}
		t.slots[i] = s
	}
}

func (t *peerTable) add(a netip.Addr, asn uint32) *peerState {
	first := t.byAddr[a]
	if first != nil && (asn == asTrans || first.peer.ASN == asTrans) {
		return first
	}
	p := &peerState{peer: bgp.Peer{Collector: t.collector, Addr: a, ASN: asn}}
	t.all = append(t.all, p)
	if first == nil {
		t.byAddr[a] = p
	}
	return p
}

// owed gives the Heard of the last minute in which the peer spoke.
func (p *peerState) owed() bgp.Update {
	p.pending = false
	return bgp.Update{At: time.Unix(int64(p.heard), 0).UTC(), Peer: p.peer, Kind: bgp.Heard, Heard: p.traffic}
}
