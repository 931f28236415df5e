package bgptest

import (
	"net/netip"
)

// addPrefix gives the id of a prefix, a new one where it is met first.
func (s *Scenario) addPrefix(p netip.Prefix) int {
	if id, ok := s.prefixIDs[p]; ok {
		return id
	}
	id := len(s.prefixes)
	s.prefixes = append(s.prefixes, p)
	s.prefixIDs[p] = id
	return id
}

func (s *Scenario) addNetwork(asn uint32) *network {
	n := &network{asn: asn}
	s.networks = append(s.networks, n)
	s.byASN[asn] = n
	return n
}

// newWay makes a way; ids are unique in the scenario.
func (s *Scenario) newWay(n *network, hops ...uint32) *way {
	s.wayCount++
	return &way{id: s.wayCount, net: n, hops: hops, asns: append(append([]uint32(nil), hops...), n.asn)}
}

// inventPrefix takes the next free prefix of the invented space: /20 to /24, or
// /32 to /48 for IPv6, small ones being the most frequent.
func (s *Scenario) inventPrefix(v6 bool) (netip.Prefix, bool) {
	if v6 {
		// 3fff::/20 in steps of /40: 2^20 of them.
		n := s.nextV6
		s.nextV6++
		base := inventedV6.Addr().As16()
		base[2] |= byte(n >> 16 & 0x0f)
		base[3], base[4] = byte(n>>8), byte(n)
		bits := []int{40, 44, 48, 48, 48}[s.draw(5, "length", uint64(n), 6)]
		return netip.PrefixFrom(netip.AddrFrom16(base), bits), n < 1<<20
	}
	bits := []int{24, 24, 24, 24, 24, 24, 23, 22, 22, 20}[s.draw(10, "length", uint64(s.nextV4), 4)]
	size := uint32(1) << (32 - bits)
	at := (s.nextV4 + size - 1) &^ (size - 1)
	s.nextV4 = at + size
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(at >> 16), byte(at >> 8), byte(at)}), bits), at+size <= 1<<24
}

// inventTable makes the background: networks of one to six prefixes behind two
// of the regional ASes each.
func (s *Scenario) inventTable(count int, v6 bool) bool {
	family := uint64(4)
	if v6 {
		family = 6
	}
	for done := 0; done < count; {
		asn := firstTableAS + s.tableASes
		s.tableASes++
		n := s.addNetwork(asn)
		n.background = true
		r := s.rng("table", uint64(asn), family)
		first, second := uint32(r.IntN(regionalASes)), uint32(r.IntN(regionalASes-1))
		if second >= first {
			second++
		}
		a := s.newWay(n, firstRegionalAS+first)
		b := s.newWay(n, firstRegionalAS+second)
		if r.IntN(3) == 0 {
			a = s.newWay(n, firstRegionalAS+second, firstRegionalAS+first)
		}
		if r.IntN(8) == 0 {
			b.prepend = 1 + r.IntN(3)
		}
		a.share, b.share = 7000, 3000
		n.ways = []*way{a, b}
		for range min(1+r.IntN(6), count-done) {
			p, ok := s.inventPrefix(v6)
			if !ok {
				return false
			}
			id := s.addPrefix(p)
			n.prefixes = append(n.prefixes, id)
			s.small = append(s.small, id)
			done++
		}
	}
	return true
}

// inventReference makes customers of an upstream: one to four prefixes each,
// some of the customers with a second upstream.
func (s *Scenario) inventReference(hops []uint32, count, multihomed int, v6 bool) bool {
	for done := 0; done < count; {
		asn := firstReferenceAS + s.referenceASes
		s.referenceASes++
		n := s.addNetwork(asn)
		n.background = true
		r := s.rng("reference", uint64(asn))
		a := s.newWay(n, hops...)
		a.share = 10000
		n.ways = []*way{a}
		if r.IntN(10000) < multihomed {
			b := s.newWay(n, firstRegionalAS+uint32(r.IntN(regionalASes)))
			a.share, b.share = 6000, 4000
			n.ways = append(n.ways, b)
		}
		for range min(1+r.IntN(4), count-done) {
			p, ok := s.inventPrefix(v6)
			if !ok {
				return false
			}
			n.prefixes = append(n.prefixes, s.addPrefix(p))
			done++
		}
	}
	return true
}
