package bgptest

import (
	"encoding/binary"

	"depeer/bgp"
)

// reset takes sessions down and up again. The sessions of a whole collector go
// within two seconds and come back within twenty.
func (s *sim) reset(e *event) {
	s.serial++
	r := s.rng("reset", s.serial)
	for _, q := range e.peers {
		from, to := s.now, s.now+e.down
		if e.whole {
			from += r.Int64N(2*second + 1)
			to = max(to, from) + r.Int64N(20*second+1)
		}
		s.later(from, func() {
			if s.sessions[q.index].down {
				return
			}
			s.lose(q)
			s.later(max(to, s.now), func() { s.regain(q) })
		})
	}
}

func (s *sim) lose(q *peer) {
	x := &s.sessions[q.index]
	x.down, x.busy = true, 0
	x.epoch++
	for i := range s.routes[q.index] {
		s.routes[q.index][i].told = nil
	}
	s.record(bgp.Update{At: q.stamp(s.now), Peer: q.Peer, Kind: bgp.PeerDown}, q, 0)
}

// regain brings the session up. The peer sends its whole table, path by path,
// then End-of-RIB for each family; what it learns meanwhile waits.
func (s *sim) regain(q *peer) {
	x := &s.sessions[q.index]
	x.down = false
	s.record(bgp.Update{At: q.stamp(s.now), Peer: q.Peer, Kind: bgp.PeerUp}, q, 0)
	type batch struct {
		slot     int
		path     *path
		prefixes []int
	}
	type key struct {
		slot int
		path *path
		v6   bool
	}
	var batches []batch
	open := map[key]int{}
	total := int64(0)
	for _, id := range s.sorted {
		for slot := range q.slots {
			p := s.route(q, slot, id).held
			if p == nil {
				continue
			}
			k := key{slot, p, s.prefixes[id].Addr().Is6()}
			i, ok := open[k]
			if !ok || len(batches[i].prefixes) == 100 {
				i = len(batches)
				open[k] = i
				batches = append(batches, batch{slot, p, nil})
			}
			batches[i].prefixes = append(batches[i].prefixes, id)
			total++
		}
	}
	length := second + total*second/500
	epoch := x.epoch
	for i, b := range batches {
		s.later(s.now+length*int64(i+1)/int64(len(batches)+1), func() {
			if s.sessions[q.index].epoch != epoch {
				return
			}
			for _, id := range b.prefixes {
				s.tell(q, b.slot, id, b.path, uint16(s.draw(1000, "transfer", uint64(q.index), uint64(s.now))))
			}
		})
	}
	x.busy = s.now + length
	s.later(x.busy, func() {
		if s.sessions[q.index].epoch != epoch {
			return
		}
		for _, v6 := range []bool{false, true} {
			if f := q.col.families; v6 && f.v6 || !v6 && f.v4 {
				s.record(bgp.Update{At: q.stamp(s.now), Peer: q.Peer, Kind: bgp.EndOfRIB, V6: v6}, q, 0)
			}
		}
	})
}

// misspeak lets peers send messages that break RFC 4271, each in another way,
// about a prefix of the background.
func (s *sim) misspeak(e *event) {
	for _, q := range e.peers {
		at := s.now
		for i := range e.count {
			s.later(at, func() {
				if !s.sessions[q.index].down && s.now >= s.silent[q.col] && !s.stopped {
					s.malformed(q.stamp(s.now), q, broken(i, q.col.format.Encoding))
				}
			})
			at += second + int64(s.draw(4, "malformed", uint64(q.index), uint64(i)))*second
		}
	}
}

// broken makes the n-th of the malformed messages. The MRT record around it is whole.
func broken(n int, e Encoding) []byte {
	origin := []byte{flagTransitive, attrOrigin, 1, 0}
	asPath := appendAttribute(nil, flagTransitive, attrASPath, appendPath(nil, bgp.PathOf(firstTransientAS), e.AS2))
	hop := []byte{flagTransitive, attrNextHop, 4, 192, 0, 2, 1}
	nlri := []byte{24, 10, 255, 255}
	if e.AddPath {
		nlri = append([]byte{0, 0, 0, 1}, nlri...)
	}
	message := func(nlri []byte, parts ...[]byte) []byte {
		msg := append(appendHeader(nil), 0, 0, 0, 0)
		for _, p := range parts {
			msg = append(msg, p...)
		}
		binary.BigEndian.PutUint16(msg[21:], uint16(len(msg)-23))
		msg = append(msg, nlri...)
		binary.BigEndian.PutUint16(msg[16:], uint16(len(msg)))
		return msg
	}
	switch n % 6 {
	case 0: // ORIGIN of two octets
		return message(nlri, []byte{flagTransitive, attrOrigin, 2, 0, 0}, asPath, hop)
	case 1: // an AS_PATH segment that runs over its attribute
		return message(nlri, origin, []byte{flagTransitive, attrASPath, 2, 2, 9}, hop)
	case 2: // a prefix longer than its family
		long := append([]byte(nil), nlri...)
		long[len(long)-4] = 33
		return message(long, origin, asPath, hop)
	case 3: // no AS_PATH at all
		return message(nlri, origin, hop)
	case 4: // attributes longer than the message
		msg := message(nlri, origin, asPath, hop)
		binary.BigEndian.PutUint16(msg[21:], 0xfff0)
		return msg
	default: // cut in the middle
		msg := message(nlri, origin, asPath, hop)
		return msg[:len(msg)-9]
	}
}
