package wire

import (
	"encoding/binary"
	"iter"

	"depeer/bgp"
)

// asTrans stands for an AS number that does not fit 2 octets (RFC 6793 section 9).
const asTrans = 23456

// validPath checks the segments of a path whose AS numbers have size octets
// (RFC 7606 section 7.2): a known type, at least one AS, nothing left over.
// AS4_PATH may carry confederation segments too; merging drops them.
func validPath(v []byte, size int, as4 bool) bool {
	if as4 && len(v) == 0 {
		return false
	}
	i := 0
	for i < len(v) {
		if len(v)-i < 2 {
			return false
		}
		if t := v[i]; t == 0 || t > 4 || v[i+1] == 0 {
			return false
		}
		i += 2 + int(v[i+1])*size
	}
	return i == len(v)
}

// segments walks a well-formed path. as holds n AS numbers of size octets.
func segments(v []byte, size int) iter.Seq2[bgp.SegmentType, []byte] {
	return func(yield func(bgp.SegmentType, []byte) bool) {
		for len(v) >= 2 {
			n := 2 + int(v[1])*size
			if n > len(v) || !yield(bgp.SegmentType(v[0]), v[2:n]) {
				return
			}
			v = v[n:]
		}
	}
}

func asAt(v []byte, i, size int) uint32 {
	if size == 4 {
		return binary.BigEndian.Uint32(v[4*i:])
	}
	return uint32(binary.BigEndian.Uint16(v[2*i:]))
}

func confed(t bgp.SegmentType) bool { return t == bgp.ASConfedSequence || t == bgp.ASConfedSet }

// pathLen is the length of a path as RFC 6793 section 4.2.3 compares it: an
// AS_SET counts one (RFC 4271 section 9.1.2.2), confederation segments nothing
// (RFC 5065 section 5.3).
func pathLen(v []byte, size int) (n int) {
	for t, as := range segments(v, size) {
		switch t {
		case bgp.ASSequence:
			n += len(as) / size
		case bgp.ASSet:
			n++
		}
	}
	return n
}

// PathScratch holds a decoded path and its storage, so that decoding one path
// after another allocates nothing once it has grown.
type PathScratch struct {
	path bgp.Path
	asns []uint32
}

// Path decodes the AS_PATH, merged with AS4_PATH where the session knows only
// 2 octets (RFC 6793 section 4.2.3). The result is the caller's.
func (u *Update) Path() bgp.Path {
	var s PathScratch
	return u.PathInto(&s)
}

// PathInto is [Update.Path] into storage that the next call will overwrite.
func (u *Update) PathInto(s *PathScratch) bgp.Path {
	s.path, s.asns = s.path[:0], s.asns[:0]
	if u.seen&bitPath == 0 {
		return nil
	}
	v, size := u.value(AttrPath), 2
	if u.s.AS4 {
		size = 4
	}
	total := len(v) / size
	v4, merge := u.as4Path()
	if merge {
		total += len(v4) / 4
	}
	if cap(s.asns) < total {
		s.asns = make([]uint32, 0, total)
	}
	if !merge {
		s.add(v, size, -1, false)
		return s.path
	}
	s.add(v, size, pathLen(v, size)-pathLen(v4, 4), false)
	s.add(v4, 4, -1, true)
	return s.path
}

// as4Path gives the AS4_PATH, if it is to be believed: not where AGGREGATOR
// names another AS than AS_TRANS, for then a speaker that knows only 2 octets
// has aggregated since, nor where it is longer than AS_PATH (RFC 6793 section 4.2.3).
func (u *Update) as4Path() ([]byte, bool) {
	if u.s.AS4 || u.seen&(1<<AttrAS4Path) == 0 || u.seen&bitPath == 0 {
		return nil, false
	}
	const both = 1<<AttrAggregator | 1<<AttrAS4Aggregator
	if u.seen&both == both && binary.BigEndian.Uint16(u.value(AttrAggregator)) != asTrans {
		return nil, false
	}
	v4 := u.value(AttrAS4Path)
	return v4, pathLen(u.value(AttrPath), 2) >= pathLen(v4, 4)
}

// add appends the segments of a path until limit hops are reached (-1: all).
// The storage is never grown here: earlier segments point into it.
func (s *PathScratch) add(v []byte, size, limit int, dropConfed bool) {
	for t, as := range segments(v, size) {
		n := len(as) / size
		switch {
		case limit == 0:
			return
		case confed(t):
			if dropConfed {
				continue
			}
		case limit > 0 && t == bgp.ASSet:
			limit--
		case limit > 0:
			n = min(n, limit)
			limit -= n
		}
		at := len(s.asns)
		for i := range n {
			s.asns = append(s.asns, asAt(as, i, size))
		}
		if k := len(s.path) - 1; dropConfed && k >= 0 && t == bgp.ASSequence && s.path[k].Type == t {
			// The seam of the merge is no border of segments: what was prepended
			// and what AS4_PATH holds are one sequence.
			first := at - len(s.path[k].ASNs)
			s.path[k].ASNs = s.asns[first:len(s.asns):len(s.asns)]
			continue
		}
		s.path = append(s.path, bgp.Segment{Type: t, ASNs: s.asns[at:len(s.asns):len(s.asns)]})
	}
}

// Aggregator gives the AS and the address that formed an aggregate, the AS
// taken from AS4_AGGREGATOR where AGGREGATOR holds AS_TRANS (RFC 6793 section 4.2.3).
func (u *Update) Aggregator() (asn uint32, addr [4]byte, ok bool) {
	v, ok := u.Attr(AttrAggregator)
	if !ok {
		return 0, addr, false
	}
	if len(v) == 8 {
		return binary.BigEndian.Uint32(v), [4]byte(v[4:8]), true
	}
	asn = uint32(binary.BigEndian.Uint16(v))
	if v4, has := u.Attr(AttrAS4Aggregator); has && asn == asTrans {
		return binary.BigEndian.Uint32(v4), [4]byte(v4[4:8]), true
	}
	return asn, [4]byte(v[2:6]), true
}
