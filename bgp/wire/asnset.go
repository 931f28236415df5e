package wire

// asnSet is a set of AS numbers that answers in about a nanosecond: the upper
// 16 bits choose a page, the lower 16 a bit of it. Most paths hold numbers of
// the same few pages, so what is touched stays in the first-level cache.
type asnSet struct {
	page  [1 << 16]uint16 // 0: no page; n: pages[n-1]
	pages []*[1024]uint64 // 8 KiB each
	n     int
}

func (s *asnSet) has(asn uint32) bool {
	p := s.page[asn>>16]
	if p == 0 {
		return false
	}
	return s.pages[p-1][asn>>6&1023]>>(asn&63)&1 != 0
}

func (s *asnSet) add(asn uint32) {
	p := s.page[asn>>16]
	if p == 0 {
		if len(s.pages) == 1<<16-1 {
			// The 65,536th page cannot be numbered. AS 4294901760 and above are
			// reserved (RFC 7300); nobody can watch all others and these.
			return
		}
		s.pages = append(s.pages, new([1024]uint64))
		p = uint16(len(s.pages))
		s.page[asn>>16] = p
	}
	w := &s.pages[p-1][asn>>6&1023]
	if *w>>(asn&63)&1 == 0 {
		*w |= 1 << (asn & 63)
		s.n++
	}
}

func (s *asnSet) remove(asn uint32) {
	if s.has(asn) {
		s.pages[s.page[asn>>16]-1][asn>>6&1023] &^= 1 << (asn & 63)
		s.n--
	}
}

// anyIn4 reports whether the set holds an AS of a well-formed path of 4 octets each.
func (s *asnSet) anyIn4(v []byte) bool {
	for len(v) >= 2 {
		n := int(v[1]) * 4
		if len(v) < 2+n {
			return false
		}
		for as := v[2 : 2+n]; len(as) >= 4; as = as[4:] {
			if s.has(uint32(as[0])<<24 | uint32(as[1])<<16 | uint32(as[2])<<8 | uint32(as[3])) {
				return true
			}
		}
		v = v[2+n:]
	}
	return false
}

// anyIn2 is anyIn4 for AS numbers of 2 octets.
func (s *asnSet) anyIn2(v []byte) bool {
	if s.page[0] == 0 {
		return false
	}
	page := s.pages[s.page[0]-1]
	for len(v) >= 2 {
		n := int(v[1]) * 2
		if len(v) < 2+n {
			return false
		}
		// Gathered without a branch for each: nearly always the answer is no.
		var found uint64
		as := v[2 : 2+n]
		for i := 1; i < len(as); i += 2 {
			a := uint(as[i-1])<<8 | uint(as[i])
			found |= page[a>>6] >> (a & 63)
		}
		if found&1 != 0 {
			return true
		}
		v = v[2+n:]
	}
	return false
}
