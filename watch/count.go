package watch

import (
	"iter"
	"slices"
	"strings"

	"depeer/bgp/rib"
)

// change takes a change of the table into the counts.
func (d *Detector) change(c rib.Change) {
	switch c.What {
	case rib.Left:
		d.peerLeft(c.Peer)
		d.ledger.left(c.Peer, d.feedOf(c.Peer.Collector).source, c.At)
	case rib.Joined:
		d.peerJoined(c.Peer)
		d.ledger.joined(c.Peer, c.At)
	default:
		d.routeChanged(c)
	}
}

func (d *Detector) routeChanged(c rib.Change) {
	slot := c.Entry.Slot(c.Peer)
	q := c.Entry.Prefix
	known := d.prefixes[q]
	canary := d.canaries.set[q]
	if canary {
		d.canaries.dirty[c.Peer] = true
	}
	fresh := 0 // of those at the end of d.prefixes[q], the ones that this change made
	for _, x := range d.claims(q, slot, len(known) == 0) {
		p := find(known, x.h)
		switch {
		case p == nil:
			p = d.follow(q, x.h, x.kind)
			fresh++
			p.entry, p.from = c.Entry, d.now
			d.found(p, c)
		case x.kind < p.kind:
			d.reclassify(p, x.kind, &c)
		}
	}
	if len(known)+fresh == 0 {
		if !canary {
			d.table.Forget(q)
		}
		return
	}
	for _, p := range known {
		d.prefixChanged(p, c, slot)
	}
}

// prefixChanged takes a change into the counts of one hoster's prefix.
func (d *Detector) prefixChanged(p *prefix, c rib.Change, slot *rib.Slot) {
	switch {
	case p.entry == nil:
		p.entry, p.from = c.Entry, d.now
		d.found(p, c)
		return
	case p.counting:
		p.counting = false // it was just counted with this change in it
		return
	case p.kind == referencePrefix:
		d.referenceChanged(p, c.Peer, &c.Old, slot)
		return
	case c.Peer.State != rib.Up:
		return
	case c.What == rib.Learned:
		// Knowledge, not a change: the baseline takes it as it is.
		d.composePair(p, c.Peer, &c.Old, slot)
		return
	}
	trusted := p.heardWhole(c.Peer) || !c.First
	if p.isCounted(c.Peer) {
		d.pair(p, c.Peer, &c.Old, -1, false)
	} else {
		d.setCounted(p, c.Peer, true)
	}
	d.pair(p, c.Peer, slot, 1, trusted)
	if !p.heardWhole(c.Peer) && trusted && !d.wasOwn(p, &c.Old) {
		d.doubtOrigin(p, c.Peer, slot)
	}
	d.touch(p)
}

// wasOwn reports whether the route was the hoster's own.
func (d *Detector) wasOwn(p *prefix, old *rib.Slot) bool {
	r := d.routeOf(old.Node)
	return r != nil && slices.Contains(p.h.ASNs, r.origin)
}

// doubtOrigin takes back that an origin was seen to come, where the peer did not
// have the prefix from the hoster before: it may say again what it always said.
func (d *Detector) doubtOrigin(p *prefix, peer *rib.Peer, s *rib.Slot) {
	if r := d.routeOf(s.Node); r != nil {
		if o := p.origins[r.origin]; o != nil && o.peers[peer.Index] {
			o.peers[peer.Index] = false
			o.fresh--
		}
	}
}

// found counts the first word on a prefix, together with what other peers may
// have said of it before it was followed.
func (d *Detector) found(p *prefix, c rib.Change) {
	if p.kind == ownPrefix {
		p.h.own[p.v6].prefixes++
	}
	if p.kind == referencePrefix {
		d.enlist(p, p.entry.Slot(c.Peer))
		return
	}
	for _, peer := range d.table.Peers() {
		if peer.State != rib.Up {
			continue
		}
		s := p.entry.Slot(peer)
		if !d.eligible(p, peer, s) {
			continue
		}
		d.setCounted(p, peer, true)
		if s == nil {
			continue
		}
		if peer == c.Peer && c.What == rib.Said {
			d.pair(p, peer, s, 1, p.heardWhole(peer))
		} else {
			d.composePair(p, peer, &rib.Slot{}, s)
		}
	}
	d.touch(p)
}

func comparePrefixes(a, b *prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

func (d *Detector) setCounted(p *prefix, peer *rib.Peer, on bool) {
	for len(p.counted) <= peer.Index {
		p.counted = append(p.counted, false)
	}
	if p.counted[peer.Index] == on {
		return
	}
	p.counted[peer.Index] = on
	n := 1
	if !on {
		n = -1
	}
	p.eligible += n
	if f := p.family(); f != nil && !p.retired {
		f.eligible += n
	}
}

func (p *prefix) family() *family {
	switch p.kind {
	case ownPrefix:
		return p.h.own[p.v6]
	case transitPrefix:
		return p.h.transit[p.v6]
	}
	return nil
}

// pair adds a peer's route to the counts, or takes it out.
func (d *Detector) pair(p *prefix, peer *rib.Peer, s *rib.Slot, n int, trusted bool) {
	if s.Node == nil || s.Zombie {
		return
	}
	p.sight.n += n
	if p.kind == ownPrefix {
		p.h.total.n += n
	}
	for r := range d.ways(s, p.h) {
		d.pairEdge(p, peer, r, n, trusted)
	}
	d.pairOrigin(p, peer, d.routeOf(s.Node), n, trusted)
}

// ways ranges over the routes of a slot, and over no two behind the same upstream
// of the hoster: of an ADD-PATH peer each upstream counts once.
func (d *Detector) ways(s *rib.Slot, h *hoster) iter.Seq[*route] {
	return func(yield func(*route) bool) {
		r := d.routeOf(s.Node)
		if !yield(r) {
			return
		}
		for i, x := range s.More {
			more := d.routeOf(x.Node)
			if sameEdge(more, r, h) || slices.ContainsFunc(s.More[:i], func(y rib.Extra) bool { return sameEdge(d.routeOf(y.Node), more, h) }) {
				continue
			}
			if !yield(more) {
				return
			}
		}
	}
}

func sameEdge(a, b *route, h *hoster) bool {
	x, _ := a.pass(h)
	y, _ := b.pass(h)
	return x.upstream == y.upstream
}

func (d *Detector) pairEdge(p *prefix, peer *rib.Peer, r *route, n int, trusted bool) {
	f := p.family()
	if f == nil {
		return
	}
	x, ok := r.pass(p.h)
	if !ok || x.upstream == 0 {
		return
	}
	if f.born == 0 {
		f.born = d.now
	}
	d.reference(x.upstream)
	d.addTo(f.edge(x.upstream), peer, n, trusted)
	if x.via != 0 && x.via != peer.ASN {
		d.addTo(f.viaEdge(x.via, x.upstream), peer, n, trusted)
	}
}

func (f *family) edge(u uint32) *edge {
	e := f.edges[u]
	if e == nil {
		e = &edge{f: f, asn: u}
		f.edges[u] = e
	}
	return e
}

func (f *family) viaEdge(via, u uint32) *edge {
	k := [2]uint32{via, u}
	e := f.vias[k]
	if e == nil {
		e = &edge{f: f, asn: u, via: via}
		f.vias[k] = e
	}
	return e
}

func (d *Detector) addTo(e *edge, peer *rib.Peer, n int, trusted bool) {
	e.pairs.n += n
	e.count(peer, n, trusted)
	d.mark(e)
}

// count keeps the routes of an edge by peer.
func (e *edge) count(peer *rib.Peer, n int, trusted bool) {
	for len(e.byPeer) <= peer.Index {
		e.byPeer = append(e.byPeer, 0)
		e.trusted = append(e.trusted, 0)
	}
	i := peer.Index
	was, wasFresh := e.byPeer[i], e.trusted[i]
	e.byPeer[i] += int32(n)
	switch {
	case n > 0 && trusted:
		e.trusted[i]++
	case n < 0:
		e.trusted[i] = min(e.trusted[i], e.byPeer[i])
	}
	e.peers += sign(e.byPeer[i]) - sign(was)
	e.fresh += sign(e.trusted[i]) - sign(wasFresh)
}

func sign(n int32) int {
	if n > 0 {
		return 1
	}
	return 0
}

func (d *Detector) pairOrigin(p *prefix, peer *rib.Peer, r *route, n int, trusted bool) {
	if p.kind != ownPrefix && p.kind != foreignPrefix || r.origin == 0 {
		return
	}
	if slices.Contains(p.h.ASNs, r.origin) {
		p.ownPeers += n
		if trusted && n > 0 {
			p.fresh++
		} else if n < 0 {
			p.fresh = min(p.fresh, p.ownPeers)
		}
		return
	}
	if slices.Contains(p.h.AllowedOrigins, r.origin) {
		return
	}
	o := p.origins[r.origin]
	if o == nil {
		o = &origin{p: p, asn: r.origin, peers: map[int]bool{}}
		if p.origins == nil {
			p.origins = map[uint32]*origin{}
		}
		p.origins[r.origin] = o
	}
	if o.peers[peer.Index] {
		o.fresh--
	}
	if n > 0 {
		o.peers[peer.Index] = trusted
		if trusted {
			o.fresh++
		}
	} else {
		delete(o.peers, peer.Index)
	}
	d.mark(o)
}

// touch has a prefix and its hoster judged at the end of the second.
func (d *Detector) touch(p *prefix) {
	d.mark(p)
	if p.kind == ownPrefix {
		d.mark(p.h)
	}
}

func key(parts ...string) string { return strings.Join(parts, "|") }
