package bgptest

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// happen does what one sentence of the timeline says.
func (s *sim) happen(e *event) {
	switch e.verb {
	case "drop", "fail":
		s.close(e)
	case "restore", "recover":
		s.reopen(e)
	case "flap":
		for i := range int64(e.count) {
			s.later(s.now+i*e.every, func() { s.close(e) })
			s.later(s.now+i*e.every+e.every/2, func() { s.reopen(e) })
		}
	case "route":
		n := e.way.net
		s.ways[n] = append(s.ways[n], e.way)
		maps.DeleteFunc(s.preferences, func(k preferenceKey, _ [][]*way) bool { return k.net == n })
		s.reroute(s.prefixesOf(func(y *way) bool { return y == e.way }), e, false)
	case "announce":
		s.originate(e.net, e.prefixes, e.share)
		s.reroute(e.prefixes, e, false)
	case "withdraw":
		s.blocks = append(s.blocks, block{net: e.net, only: setOf(e.prefixes), except: e.except})
		s.reroute(e.prefixes, e, true)
	case "move":
		s.originate(e.to, e.prefixes, 10000)
		s.blocks = append(s.blocks, block{net: e.net, only: setOf(e.prefixes)})
		s.reroute(e.prefixes, e, false)
	case "hunt":
		s.hunt(e)
	case "noise":
		s.noise(e)
	case "reset":
		s.reset(e)
	case "silence":
		s.silent[e.col] = max(s.silent[e.col], s.now+e.down)
	case "malformed":
		s.misspeak(e)
	case "rib":
		s.dump()
	}
}

func setOf(ids []int) map[int]bool {
	m := make(map[int]bool, len(ids))
	for _, id := range ids {
		m[id] = true
	}
	return m
}

// close cuts edges, or lets ASes fail.
func (s *sim) close(e *event) {
	for i := range e.edges {
		s.blocks = append(s.blocks, block{cut: &e.edges[i], scope: e.scope, except: e.except})
	}
	for _, a := range e.asns {
		s.blocks = append(s.blocks, block{failed: a, scope: e.scope, except: e.except})
	}
	clear(s.paths)
	s.reroute(s.prefixesOf(s.concerned(e)), e, true)
}

// reopen takes cuts and failures back: of the same scope, or of any where none
// is named.
func (s *sim) reopen(e *event) {
	s.blocks = slices.DeleteFunc(s.blocks, func(b block) bool {
		if !e.scope.empty() && !e.scope.equal(b.scope) {
			return false
		}
		return b.cut != nil && slices.Contains(e.edges, *b.cut) || b.failed != 0 && slices.Contains(e.asns, b.failed)
	})
	clear(s.paths)
	s.reroute(s.prefixesOf(s.concerned(e)), e, false)
}

// concerned tells the ways that an edge or an AS is part of, the transit above
// them included.
func (s *sim) concerned(e *event) func(*way) bool {
	return func(y *way) bool {
		for _, x := range e.edges {
			if y.has(x) || y.hops[0] == x.right && slices.Contains(s.transits, x.left) {
				return true
			}
		}
		for _, a := range e.asns {
			if slices.Contains(y.asns, a) || slices.Contains(s.transits, a) {
				return true
			}
		}
		return false
	}
}

// prefixesOf lists the prefixes of all networks that have such a way.
func (s *sim) prefixesOf(test func(*way) bool) []int {
	hit := map[*network]bool{}
	for n, ways := range s.ways {
		hit[n] = slices.ContainsFunc(ways, test)
	}
	var ids []int
	for id, origins := range s.origins {
		if slices.ContainsFunc(origins, func(o origination) bool { return hit[o.net] }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// originate lets a network announce prefixes, for the first time or again.
func (s *sim) originate(n *network, prefixes []int, share int) {
	for i := range s.blocks {
		if s.blocks[i].net != n {
			continue
		}
		for _, id := range prefixes {
			delete(s.blocks[i].only, id)
		}
	}
	s.blocks = slices.DeleteFunc(s.blocks, func(b block) bool { return b.net != nil && len(b.only) == 0 })
	for _, id := range prefixes {
		if !slices.ContainsFunc(s.origins[id], func(o origination) bool { return o.net == n }) {
			s.origins[id] = append(s.origins[id], origination{n, share})
		}
	}
}

// change is what one peer will do with prefixes that share their fate.
type change struct {
	slot     int
	old, new *path
	prefixes []int
	turns    []uint32
}

// reroute lets every peer choose anew for these prefixes; whoever chooses
// otherwise settles within its time. hunting says that routes were lost: then
// peers may try longer paths first, and those that had wandered to a path which is
// lost now come home, too.
func (s *sim) reroute(prefixes []int, e *event, hunting bool) {
	s.serial++
	event := s.serial
	type key struct {
		slot     int
		old, new *path
	}
	for _, q := range s.peers {
		var list []change
		index := map[key]int{}
		for _, id := range prefixes {
			best := s.choose(q, id)
			for slot := range q.slots {
				r := s.route(q, slot, id)
				if r.wanted == best[slot] && (!hunting || r.held == r.wanted || !e.breaks(r.held)) {
					continue
				}
				r.wanted = best[slot]
				r.turn++
				k := key{slot, r.held, r.wanted}
				i, ok := index[k]
				if !ok {
					i = len(list)
					index[k] = i
					list = append(list, change{slot: slot, old: r.held, new: r.wanted})
				}
				list[i].prefixes = append(list[i].prefixes, id)
				list[i].turns = append(list[i].turns, r.turn)
			}
		}
		for _, c := range list {
			s.converge(q, c, e.over, hunting, event)
		}
	}
}

// breaks reports whether a path runs over what the sentence takes away.
func (e *event) breaks(p *path) bool {
	if p == nil {
		return false
	}
	for _, x := range e.edges {
		for i := 1; i < len(p.asns); i++ {
			if p.asns[i-1] == x.left && p.asns[i] == x.right {
				return true
			}
		}
	}
	return slices.ContainsFunc(e.asns, func(a uint32) bool { return slices.Contains(p.asns, a) })
}

// mrai is a MinRouteAdvertisementInterval for eBGP with its jitter: 22.5 to 30
// seconds (RFC 4271 sections 9.2.1.1 and 10).
func mrai(r *rand.Rand) int64 { return 22500000 + r.Int64N(7500001) }

// converge queues the steps from the old path to the new one. Most peers hear
// early, few late; between two paths of path hunting lie 22.5 to 30 seconds,
// the jittered MinRouteAdvertisementInterval of RFC 4271 section 9.2.1.1 and
// 10, or less where the time is short.
func (s *sim) converge(q *peer, c change, over int64, hunting bool, event uint64) {
	origin := uint64(0)
	for _, p := range []*path{c.old, c.new} {
		if p != nil {
			origin = uint64(p.way.net.asn)
		}
	}
	r := s.rng("converge", event, uint64(q.index), origin, uint64(c.slot))
	at := over/50 + min(r.Int64N(over/2+1), r.Int64N(over/2+1))
	paths := 0
	if hunting && c.old != nil && c.slot == 0 && over >= 4*second && r.IntN(10000) < s.hunting {
		paths = 1 + r.IntN(3)
	} else {
		at += r.Int64N(min(30*second, over-at) + 1)
	}
	gap := mrai(r)
	if paths > 0 {
		gap = min(gap, (over-at)/int64(paths))
	}
	for n := range paths {
		p := s.detour(q, c.old, n+1)
		s.later(s.now+at, func() { s.step(q, c.slot, c.prefixes, c.turns, p) })
		at += gap
	}
	s.later(s.now+at, func() { s.step(q, c.slot, c.prefixes, c.turns, c.new) })
}

// turned starts a change of mind about prefixes of one slot and gives the turns.
func (s *sim) turned(q *peer, slot int, prefixes []int) []uint32 {
	turns := make([]uint32, len(prefixes))
	for i, id := range prefixes {
		r := s.route(q, slot, id)
		r.turn++
		turns[i] = r.turn
	}
	return turns
}

// settleDown brings prefixes back to where the peer wants them, path by path.
func (s *sim) settleDown(q *peer, slot int, prefixes []int, turns []uint32) {
	for i, id := range prefixes {
		s.step(q, slot, []int{id}, turns[i:i+1], s.route(q, slot, id).wanted)
	}
}

// hunt lets every peer wander over longer paths, or withdraw one after the
// other, and come back.
func (s *sim) hunt(e *event) {
	s.serial++
	r := s.rng("hunt", s.serial)
	order := r.Perm(len(s.peers))
	for i, q := range s.peers {
		held := s.held(q, e.prefixes)
		if len(held) == 0 {
			continue
		}
		turns := s.turned(q, 0, held)
		if e.gaps {
			width := e.over / int64(len(s.peers))
			at := s.now + int64(order[i])*width
			s.later(at, func() { s.step(q, 0, held, turns, nil) })
			s.later(at+width/2, func() { s.settleDown(q, 0, held, turns) })
			continue
		}
		count := 1 + r.IntN(3)
		gap := min(mrai(r), e.over/int64(count+1))
		at := s.now + r.Int64N(e.over-gap*int64(count)+1)
		for n := range count {
			s.later(at, func() {
				for k, id := range held {
					if old := s.route(q, 0, id).wanted; old != nil {
						s.step(q, 0, held[k:k+1], turns[k:k+1], s.detour(q, old, n+1))
					}
				}
			})
			at += gap
		}
		s.later(at, func() { s.settleDown(q, 0, held, turns) })
	}
}

func (s *sim) held(q *peer, prefixes []int) []int {
	var list []int
	for _, id := range prefixes {
		if s.route(q, 0, id).held != nil {
			list = append(list, id)
		}
	}
	return list
}

// noise lets single peers withdraw and announce again.
func (s *sim) noise(e *event) {
	for _, q := range e.peers {
		for i := range int64(e.count) {
			s.later(s.now+i*e.every, func() {
				held := s.held(q, e.prefixes)
				turns := s.turned(q, 0, held)
				s.step(q, 0, held, turns, nil)
				s.later(s.now+e.every/2, func() { s.settleDown(q, 0, held, turns) })
			})
		}
	}
}
