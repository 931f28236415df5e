package watch

import (
	"depeer/bgp"
	"depeer/bgp/rib"
)

// composePair takes in what is now known of a pair and was so all along.
func (d *Detector) composePair(p *prefix, peer *rib.Peer, old, s *rib.Slot) {
	before, fbefore := p.eligible, 0
	f := p.family()
	if f != nil {
		fbefore = f.eligible
	}
	x := composition{}
	if p.isCounted(peer) {
		x.take(d, p, peer, old, -1)
	}
	d.setCounted(p, peer, true)
	x.take(d, p, peer, s, 1)
	x.apply(d, map[*prefix]int{p: before}, map[*family]int{f: fbefore})
	d.touch(p)
}

// composition gathers what a peer brings or takes away, level by level.
type composition struct {
	sight map[*prefix]int
	edges map[*edge]int
	total map[*hoster]int
}

func (x *composition) take(d *Detector, p *prefix, peer *rib.Peer, s *rib.Slot, n int) {
	if s == nil || s.Node == nil || s.Zombie {
		return
	}
	if x.sight == nil {
		x.sight, x.edges, x.total = map[*prefix]int{}, map[*edge]int{}, map[*hoster]int{}
	}
	x.sight[p] += n
	if p.kind == ownPrefix {
		x.total[p.h] += n
	}
	d.pairOrigin(p, peer, d.routeOf(s.Node), n, false)
	f := p.family()
	if f == nil {
		return
	}
	for r := range d.ways(s, p.h) {
		q, ok := r.pass(p.h)
		if !ok || q.upstream == 0 {
			continue
		}
		if f.born == 0 {
			f.born = d.now
		}
		d.reference(q.upstream)
		e := f.edge(q.upstream)
		x.edges[e] += n
		e.compose(peer, n)
		if q.via != 0 && q.via != peer.ASN {
			e := f.viaEdge(q.via, q.upstream)
			x.edges[e] += n
			e.compose(peer, n)
		}
	}
}

// compose counts a route that a peer brings or takes away, at the baseline too.
func (e *edge) compose(peer *rib.Peer, n int) {
	was := e.peers
	e.count(peer, n, false)
	e.held = max(0, e.held+e.peers-was)
}

// apply moves baselines and counts together. before holds the eligible peers of
// a prefix, and the eligible pairs of a family, as they were.
func (x *composition) apply(d *Detector, before map[*prefix]int, fbefore map[*family]int) {
	for p, was := range before {
		p.sight.compose(x.sight[p], d.now, d.sight, was, p.eligible)
	}
	totals := map[*hoster][2]int{}
	for f, was := range fbefore {
		if f == nil {
			continue
		}
		if f.own {
			t := totals[f.h]
			totals[f.h] = [2]int{t[0] + was, t[1] + f.eligible}
		}
		for _, e := range f.edges {
			e.pairs.compose(x.edges[e], d.now, d.edges, was, f.eligible)
			d.mark(e)
		}
		for _, e := range f.vias {
			e.pairs.compose(x.edges[e], d.now, d.edges, was, f.eligible)
			d.mark(e)
		}
	}
	for h, t := range totals {
		h.total.compose(x.total[h], d.now, d.sight, t[0], t[1])
	}
}

// peerLeft takes a peer out of every numerator and denominator.
func (d *Detector) peerLeft(peer *rib.Peer) {
	d.joined--
	d.turns++
	for v := range peer.Complete {
		if peer.Complete[v] {
			d.complete[v]--
		}
	}
	d.composePeer(peer, func(p *prefix, s *rib.Slot, x *composition) {
		if p.kind == referencePrefix {
			if s != nil {
				d.referencePeer(p, s, -1)
			}
			return
		}
		if p.isCounted(peer) {
			x.take(d, p, peer, s, -1)
			d.setCounted(p, peer, false)
		}
	})
	d.feedPeers(peer.Collector)
}

// peerJoined counts a peer's routes as they stand in the table.
func (d *Detector) peerJoined(peer *rib.Peer) {
	d.joined++
	d.turns++
	d.most = max(d.most, d.joined)
	for v := range peer.Complete {
		if peer.Complete[v] {
			d.complete[v]++
		}
	}
	d.composePeer(peer, func(p *prefix, s *rib.Slot, x *composition) {
		if p.kind == referencePrefix {
			if s != nil {
				d.referencePeer(p, s, 1)
			}
			return
		}
		if d.eligible(p, peer, s) {
			d.setCounted(p, peer, true)
			x.take(d, p, peer, s, 1)
		}
	})
	d.feedPeers(peer.Collector)
}

func (d *Detector) composePeer(peer *rib.Peer, each func(*prefix, *rib.Slot, *composition)) {
	var x composition
	before, fbefore := map[*prefix]int{}, map[*family]int{}
	for p := range d.followed() {
		if p.kind == referencePrefix {
			continue
		}
		before[p] = p.eligible
		if f := p.family(); f != nil {
			fbefore[f] = f.eligible
		}
	}
	for p := range d.followed() {
		var s *rib.Slot
		if p.entry != nil {
			s = p.entry.Slot(peer)
		}
		each(p, s, &x)
	}
	x.apply(d, before, fbefore)
	for p := range before {
		d.touch(p)
	}
}

// countComplete counts the peers whose whole tables are known, by family.
func (d *Detector) countComplete() {
	d.complete, d.completed = [2]int{}, d.table.Completed
	for _, x := range d.table.Peers() {
		for v := range x.Complete {
			if x.State == rib.Up && x.Complete[v] {
				d.complete[v]++
			}
		}
	}
}

// recount looks anew at who is eligible after a peer's table became known.
func (d *Detector) recount(q bgp.Peer) {
	var peer *rib.Peer
	for _, x := range d.table.Peers() {
		if x.Peer == q {
			peer = x
		}
	}
	if peer == nil || peer.State != rib.Up {
		return
	}
	d.turns++
	d.countComplete()
	for p := range d.followed() {
		if p.kind == referencePrefix || p.isCounted(peer) {
			continue
		}
		var s *rib.Slot
		if p.entry != nil {
			s = p.entry.Slot(peer)
		}
		if d.eligible(p, peer, s) {
			d.setCounted(p, peer, true)
		}
	}
}
