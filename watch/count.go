package watch

import (
	"iter"
	"net/netip"
	"slices"
	"strings"

	"depeer/bgp"
	"depeer/bgp/rib"
)

// change takes a change of the table into the counts.
func (d *Detector) change(c rib.Change) {
	switch c.What {
	case rib.Left:
		d.peerLeft(c.Peer)
	case rib.Joined:
		d.peerJoined(c.Peer)
	default:
		d.routeChanged(c)
	}
}

func (d *Detector) routeChanged(c rib.Change) {
	slot := c.Entry.Slot(c.Peer)
	q := c.Entry.Prefix
	known := d.prefixes[q]
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
		d.table.Forget(q)
		return
	}
	for _, p := range known {
		d.prefixChanged(p, c, slot)
	}
}

func find(list []*prefix, h *hoster) *prefix {
	for _, p := range list {
		if p.h == h {
			return p
		}
	}
	return nil
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
	trusted := c.Peer.Complete[p.v6] || !c.First
	if p.isCounted(c.Peer) {
		d.pair(p, c.Peer, &c.Old, -1, false)
	} else {
		d.setCounted(p, c.Peer, true)
	}
	d.pair(p, c.Peer, slot, 1, trusted)
	if !c.Peer.Complete[p.v6] && trusted && !d.wasOwn(p, &c.Old) {
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
			d.pair(p, peer, s, 1, peer.Complete[p.v6])
		} else {
			d.composePair(p, peer, &rib.Slot{}, s)
		}
	}
	d.touch(p)
}

// claim is what a route makes of its prefix for a hoster.
type claim struct {
	h    *hoster
	kind prefixKind
}

// claims lists the hosters to whom a prefix with such a route is something: who
// originates it, who carries it, of whose space it is a part.
// Whose part it is is asked but once, when nobody follows it yet.
func (d *Detector) claims(q netip.Prefix, s *rib.Slot, first bool) []claim {
	r := d.routeOf(s.Node)
	if r == nil {
		return nil
	}
	now := d.Now()
	var out []claim
	for _, x := range r.passes {
		switch {
		case !x.h.Valid.Holds(now):
		case x.own:
			out = append(out, claim{x.h, ownPrefix})
		case x.h.own[rib.Family(q)].prefixes == 0 && (x.h.carried < maxCarried || find(d.prefixes[q], x.h) != nil):
			// What it carries matters where it originates nothing, and some of it
			// stands for all.
			out = append(out, claim{x.h, transitPrefix})
		}
	}
	if !first {
		return out
	}
	for _, h := range d.owners(q) {
		if h.Valid.Holds(now) && !slices.ContainsFunc(out, func(x claim) bool { return x.h == h && x.kind == ownPrefix }) {
			out = append(slices.DeleteFunc(out, func(x claim) bool { return x.h == h }), claim{h, foreignPrefix})
		}
	}
	if len(out) == 0 && d.wantsReference(r) {
		return []claim{{nil, referencePrefix}}
	}
	return out
}

// owners are the hosters of whose own prefixes the prefix is a part.
func (d *Detector) owners(q netip.Prefix) (out []*hoster) {
	for bits := q.Bits() - 1; bits >= 8; bits-- {
		up, err := q.Addr().Prefix(bits)
		if err != nil {
			return out
		}
		for _, p := range d.prefixes[up] {
			if p.kind == ownPrefix && !slices.Contains(out, p.h) {
				out = append(out, p.h)
			}
		}
	}
	return out
}

// follow begins to follow a prefix.
func (d *Detector) follow(q netip.Prefix, h *hoster, kind prefixKind) *prefix {
	p := &prefix{Prefix: q, kind: kind, h: h, v6: rib.Family(q)}
	d.prefixes[q] = append(d.prefixes[q], p)
	d.enroll(p)
	return p
}

// maxCarried is how many prefixes of others a hoster is followed by.
const maxCarried = 256

func (d *Detector) enroll(p *prefix) {
	if p.kind == transitPrefix {
		p.h.carried++
	}
	if p.kind != ownPrefix {
		return
	}
	i, _ := slices.BinarySearchFunc(p.h.prefixes, p, comparePrefixes)
	p.h.prefixes = slices.Insert(p.h.prefixes, i, p)
}

func comparePrefixes(a, b *prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

// reclassify makes something else of a prefix than it was taken for, with all
// that was said of it up to now. c is the change that is its reason, which the
// table holds already and the counts do not; nil where time is the reason.
func (d *Detector) reclassify(p *prefix, kind prefixKind, c *rib.Change) {
	for _, peer := range d.table.Peers() {
		if s := p.entry.Slot(peer); p.isCounted(peer) && s != nil {
			if c != nil && c.Peer == peer {
				s = &c.Old
			}
			d.pair(p, peer, s, -1, false)
		}
		d.setCounted(p, peer, false)
	}
	p.counting = c != nil
	if p.kind == ownPrefix {
		p.h.own[p.v6].prefixes--
		p.h.prefixes = slices.DeleteFunc(p.h.prefixes, func(x *prefix) bool { return x == p })
	}
	for _, o := range p.origins { // the end of what was told is told too
		clear(o.peers)
		o.fresh = 0
		d.mark(o)
	}
	p.kind, p.known, p.rising, p.retired = kind, false, 0, false
	p.sight, p.ownPeers, p.fresh = level{}, 0, 0
	d.enroll(p)
	if kind == ownPrefix {
		p.h.own[p.v6].prefixes++
	}
	for _, peer := range d.table.Peers() {
		s := p.entry.Slot(peer)
		if peer.State == rib.Up && d.eligible(p, peer, s) {
			d.setCounted(p, peer, true)
			if s != nil {
				d.pair(p, peer, s, 1, peer.Complete[p.v6] && s.Changed >= d.now*1e9)
			}
		}
	}
	d.touch(p)
}

// eligible reports whether the peer's word on the prefix counts: it held it
// within the baseline, or has a full table and would.
func (d *Detector) eligible(p *prefix, peer *rib.Peer, s *rib.Slot) bool {
	if s != nil {
		if s.Zombie {
			return false
		}
		if s.Node != nil || s.LastHeld > (d.now-int64(d.policy.Baseline.Seconds()))*1e9 && s.LastHeld != 0 {
			return true
		}
	}
	return p.kind == ownPrefix && p.entry != nil && d.table.FullFeed(peer, p.v6)
}

func (p *prefix) isCounted(peer *rib.Peer) bool {
	return peer.Index < len(p.counted) && p.counted[peer.Index]
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
		e.count(peer, n, false)
		if q.via != 0 && q.via != peer.ASN {
			e := f.viaEdge(q.via, q.upstream)
			x.edges[e] += n
			e.count(peer, n, false)
		}
	}
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
	d.complete = [2]int{}
	for _, x := range d.table.Peers() {
		for v := range x.Complete {
			if x.State == rib.Up && x.Complete[v] {
				d.complete[v]++
			}
		}
	}
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

// followed ranges over every prefix of every hoster, and the references, in no order.
func (d *Detector) followed() iter.Seq[*prefix] {
	return func(yield func(*prefix) bool) {
		for _, list := range d.prefixes {
			for _, p := range list {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// touch has a prefix and its hoster judged at the end of the second.
func (d *Detector) touch(p *prefix) {
	d.mark(p)
	if p.kind == ownPrefix {
		d.mark(p.h)
	}
}

func key(parts ...string) string { return strings.Join(parts, "|") }
