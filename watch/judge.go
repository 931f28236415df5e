package watch

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"

	"depeer/bgp/rib"
)

func (e *edge) rank() rank {
	r := rank{hoster: e.f.h.index, kind: rankEdge, key: [4]uint64{uint64(e.f.v6), 0, uint64(e.asn), uint64(e.via)}}
	if e.via != 0 {
		r.kind = rankVia
	}
	if !e.f.own {
		r.key[1] = 1
	}
	return r
}

func (p *prefix) rank() rank { return rank{hoster: p.h.index, kind: rankPrefix, key: p.key(0)} }

// key orders prefixes as comparePrefixes does, and what more there is about one.
func (p *prefix) key(more uint32) [4]uint64 {
	a := p.Addr().As16()
	return [4]uint64{uint64(p.v6), binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:]), uint64(p.Bits())<<32 | uint64(more)}
}

func (h *hoster) rank() rank { return rank{hoster: h.index, kind: rankHoster} }

func (o *origin) rank() rank { return rank{hoster: o.p.h.index, kind: rankOrigin, key: o.p.key(o.asn)} }

// active reports whether the family is what the hoster is judged by: what it
// originates, or, where it is known to originate nothing, what it carries.
func (f *family) active() bool {
	return f.own == (f.h.own[f.v6].prefixes > 0 || !f.h.d.seeded(f.h, f.v6))
}

func (e *edge) judge(d *Detector, t int64) (again int64) {
	e.pairs.commit(t, d.edges)
	if !e.f.active() || !e.f.h.Valid.Holds(d.Now()) {
		return 0
	}
	if e.via != 0 {
		return e.judgeVia(d, t)
	}
	again = e.judgeGain(d, t)
	base := e.pairs.base(t, d.edges)
	if e.pairs.mode == steady && (base > 0 || e.pairs.n > 0) && float64(e.pairs.n) >= 0.9*base {
		e.held = e.peers
	}
	v, more := e.pairs.judge(t, d.edges, e.held >= d.least(e.f.h, e.f.v6))
	switch v {
	case fell:
		e.lostAt, e.lostOnset, e.lostRef = t, e.pairs.onset, e.pairs.ref
		e.lostLast = min(t, max(e.pairs.onset, e.pairs.moved))
		d.upstreamEvent(e, UpstreamLost, e.pairs.onset, t, e.pairs.ref)
	case cameBack:
		d.upstreamEvent(e, UpstreamRestored, e.pairs.rise, t, 0)
	}
	return soonest(again, more)
}

func soonest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// judgeGain tells an upstream that was never seen in the baseline.
func (e *edge) judgeGain(d *Detector, t int64) (again int64) {
	need := d.least(e.f.h, e.f.v6)
	if e.peers < need {
		e.rising = 0
		if e.known && e.peers < min(d.policy.MinPeers, need) && e.lastSeen == 0 {
			e.lastSeen = t
		}
		return 0
	}
	if e.known && e.lastSeen != 0 && t-e.lastSeen > int64(d.policy.Baseline.Seconds()) {
		e.known = false
		if e.pairs.mode == lost {
			e.pairs.mode, e.pairs.ring = steady, [24]float32{}
		}
	}
	e.lastSeen = 0
	if e.known {
		return 0
	}
	if e.peers-e.fresh >= min(d.policy.MinPeers, need) || !d.knowsAll(e.f, t) {
		e.known = true // found there: it may always have been
		return 0
	}
	if e.rising == 0 {
		e.rising = t
	}
	if t < e.rising+d.edges.hold && e.pairs.n < e.f.possible() {
		return e.rising + d.edges.hold
	}
	e.known = true
	d.upstreamEvent(e, UpstreamGained, e.rising, t, 0)
	return 0
}

// knowsAll reports whether an edge that was never heard of can be called new:
// the tables are known, or so much was heard of the hoster for so long that an
// old edge would hardly have hidden.
func (d *Detector) knowsAll(f *family, t int64) bool {
	if d.seeded(f.h, f.v6) {
		return true
	}
	return f.born != 0 && t-f.born >= 3600 && f.prefixes > 0 && 2*f.eligible >= f.prefixes*d.joined
}

// visible counts the pairs that have a route.
func (f *family) visible() int {
	n := 0
	for _, p := range f.h.prefixes {
		if p.v6 == f.v6 {
			n += p.sight.n
		}
	}
	return n
}

// transitHold is how many hold times a cut one level up waits: all sorts of
// rerouting above an upstream look like one for a while.
const transitHold = 5

// judgeVia tells a cut one level up: the hop above the upstream is gone for this
// hoster, while the upstream stays.
func (e *edge) judgeVia(d *Detector, t int64) int64 {
	u := e.f.edges[e.asn]
	base := e.pairs.base(t, d.edges)
	if e.pairs.mode == steady && float64(e.pairs.n) >= 0.9*base {
		e.held = e.peers
	}
	b := d.edges
	armed := u != nil && e.held >= d.least(e.f.h, e.f.v6) && base >= d.policy.ViaMinShare*u.pairs.base(t, b)
	v, again := e.pairs.judge(t, b, armed)
	switch v {
	case fell:
		e.rising = max(t, e.pairs.onset+transitHold*b.hold) // owed, when the upstream has settled
	case cameBack:
		e.rising = 0
	}
	if e.rising == 0 || e.pairs.mode != lost {
		return again
	}
	switch {
	case u == nil || u.pairs.mode == lost || u.peers < min(d.policy.MinPeers, d.joined):
		e.rising = 0
	case u.pairs.mode == falling && t < u.pairs.moved+2*b.hold:
		return soonest(again, u.pairs.moved+2*b.hold)
	case t < e.rising:
		return soonest(again, e.rising)
	case !e.stays(d, u, t):
		e.rising = 0
	default:
		e.rising = 0
		d.upstreamEvent(e, TransitLost, e.pairs.onset, t, e.pairs.ref)
	}
	return again
}

// stays reports whether the upstream lost nothing to other upstreams: a hop above
// it that vanished because the hoster's routes went elsewhere was not cut.
func (e *edge) stays(d *Detector, u *edge, t int64) bool {
	without := max(0, e.f.eligible-e.f.visible())
	return float64(u.pairs.n+without) >= d.policy.RestoredAbove*u.pairs.base(t, d.edges)
}

func (p *prefix) judge(d *Detector, t int64) (again int64) {
	p.sight.commit(t, d.sight)
	if p.kind != ownPrefix || !p.h.Valid.Holds(d.Now()) {
		return 0
	}
	again = soonest(p.judgeNew(d, t), p.judgeAway(d, t))
	if p.kind != ownPrefix {
		return again
	}
	v, more := p.sight.judge(t, d.sight, p.armed(d, t))
	switch v {
	case fell:
		d.mark(p.h)
		d.routeEvent(p, RouteWithdrawn, p.sight.onset, t, p.sight.ref)
	case cameBack:
		d.mark(p.h)
		p.zombies = nil
		d.routeEvent(p, RouteRestored, p.sight.rise, t, 0)
	}
	if p.sight.mode == lost && !p.retired {
		again = soonest(again, p.judgeZombies(d, t))
	}
	return soonest(again, soonest(more, p.judgeRetired(d, t)))
}

// judgeRetired takes a prefix out of the shares when it has been withdrawn for so
// long that this is the new normal, and in again when somebody sees it.
func (p *prefix) judgeRetired(d *Detector, t int64) int64 {
	gone := p.sight.mode == lost && float64(p.sight.n) <= d.sight.lo*p.sight.ref
	end := p.sight.since + d.sight.newNormal
	if retired := gone && t >= end; retired != p.retired {
		p.retired = retired
		n := p.eligible
		if retired {
			n = -n
		}
		p.h.own[p.v6].eligible += n
		d.mark(p.h)
	}
	if gone && t < end {
		return end
	}
	return 0
}

// armed reports whether enough peers see the prefix for its loss to mean something.
func (p *prefix) armed(d *Detector, t int64) bool {
	base := p.sight.base(t, d.sight)
	return base >= float64(d.least(p.h, p.v6)) && base >= d.policy.WithdrawnBelow*float64(p.eligible)
}

// judgeNew tells a prefix that the hoster did not originate before.
func (p *prefix) judgeNew(d *Detector, t int64) int64 {
	if p.known || p.ownPeers == 0 {
		if p.ownPeers == 0 {
			p.rising = 0
		}
		return 0
	}
	need := min(d.policy.MinPeers, max(d.joined, 1))
	switch {
	case !d.seeded(p.h, p.v6) || p.ownPeers-p.fresh >= need:
		p.known = true
	case p.ownPeers >= need:
		if p.rising == 0 {
			p.rising = t
		}
		if t < p.rising+d.sight.hold && p.ownPeers < p.eligible {
			return p.rising + d.sight.hold
		}
		p.known = true
		d.mark(p.h)
		d.routeEvent(p, PrefixNew, p.rising, t, 0)
	default:
		p.rising = 0
	}
	return 0
}

// judgeAway lets a prefix go that somebody else has originated, and the hoster has
// not, until that is the new normal: what befalls it then befalls the other.
func (p *prefix) judgeAway(d *Detector, t int64) int64 {
	if p.ownPeers > 0 || p.sight.n == 0 || len(p.h.ASNs) == 0 {
		p.away = 0
		return 0
	}
	if p.away == 0 {
		p.away = t
	}
	if end := p.away + d.sight.newNormal; t < end {
		return end
	}
	p.away = 0
	d.mark(p.h)
	d.reclassify(p, foreignPrefix, nil)
	return 0
}

// judgeZombies leaves out the peers that still hold a route long after all the
// others withdrew it, when it is the old route through an upstream that is lost.
func (p *prefix) judgeZombies(d *Detector, t int64) int64 {
	if at := p.sight.since + int64(d.policy.Zombie.Seconds()); t < at {
		if p.sight.n == 0 {
			return 0
		}
		return at
	}
	var zombies []*rib.Peer
	for _, peer := range d.table.Peers() {
		s := p.entry.Slot(peer)
		if s == nil || s.Node == nil || s.Zombie || !p.isCounted(peer) || s.Changed >= p.sight.onset*1e9 {
			continue
		}
		x, ok := d.routeOf(s.Node).pass(p.h)
		if !ok || x.upstream == 0 {
			continue
		}
		e := p.h.own[p.v6].edges[x.upstream]
		if e == nil || e.pairs.mode == steady || float64(e.pairs.n) > 2*d.policy.WithdrawnBelow*e.pairs.ref {
			continue // not the way that all others lost: a path of its own, however few see it
		}
		zombies = append(zombies, peer)
	}
	for _, peer := range zombies {
		s := p.entry.Slot(peer)
		before, fbefore := map[*prefix]int{p: p.eligible}, map[*family]int{p.family(): p.family().eligible}
		var c composition
		c.take(d, p, peer, s, -1)
		d.setCounted(p, peer, false)
		c.apply(d, before, fbefore)
		s.Zombie = true
		p.zombies = append(p.zombies, peer.String())
	}
	slices.Sort(p.zombies)
	return 0
}

func (h *hoster) judge(d *Detector, t int64) (again int64) {
	h.total.commit(t, d.sight)
	_, again = h.total.judge(t, d.sight, true)
	if !h.Valid.Holds(d.Now()) {
		return again
	}
	all, live := h.space(d, t)
	gone := all[0]+all[1] > 0 && !h.alive()
	for v := range all {
		if all[v] > 0 && live[v] > (1-d.policy.DarkAbove)*all[v] {
			gone = false
		}
	}
	switch {
	case gone && !h.dark:
		h.dark, h.darkFrom = true, t
		onset := h.total.onset
		if h.total.mode == steady || onset <= h.lit { // or it fell before it was last back
			onset = t
			for _, p := range h.prefixes {
				if p.sight.mode == lost && p.sight.onset > h.lit {
					onset = min(onset, p.sight.onset)
				}
			}
		}
		d.hosterEvent(h, HosterDark, onset, t)
	case !gone && h.dark && live[0]+live[1] > 0 && h.itself(d):
		h.dark, h.lit = false, t
		onset := t
		for _, p := range h.prefixes {
			if p.sight.mode != lost && p.sight.rise > h.darkFrom {
				onset = min(onset, p.sight.rise)
			}
		}
		d.hosterEvent(h, HosterReturned, onset, t)
	}
	return again
}

// itself reports whether what is seen of the hoster is its own: a prefix that
// comes back from somebody else has not brought it back.
func (h *hoster) itself(d *Detector) bool {
	for _, p := range h.prefixes {
		if p.sight.mode == lost || p.sight.n == 0 {
			continue
		}
		own := 0
		d.holders(p, func(_ *rib.Peer, s *rib.Slot) {
			if r := d.routeOf(s.Node); r != nil {
				if _, ok := r.pass(h); ok || slices.Contains(h.AllowedOrigins, r.origin) {
					own++
				}
			}
		})
		if own >= min(d.least(p.h, p.v6), p.sight.n) {
			return true
		}
	}
	return false
}

// alive reports whether any prefix is seen as usual: however small it is, the
// hoster is not dark then.
func (h *hoster) alive() bool {
	return slices.ContainsFunc(h.prefixes, func(p *prefix) bool { return p.sight.mode == steady && p.sight.n > 0 })
}

// space is the hoster's address space by family (in units of one address of
// IPv4, one /64 of IPv6), and how much of it is not withdrawn. Space inside a
// larger prefix counts once.
func (h *hoster) space(d *Detector, t int64) (all, live [2]float64) {
	var alive, known []*prefix
	for _, p := range h.prefixes {
		if p.retired && !h.dark {
			continue
		}
		up := p.sight.mode != lost && (p.sight.n > 0 || p.sight.mode == falling) // not before its loss is confirmed
		hidden := p.entry == nil && !d.seeded(p.h, p.v6) ||                      // configured, and nobody spoke of it: it may be well;
			p.sight.mode != lost && p.sight.away > 0 // or who held it is not heard now
		if up || hidden {
			alive = append(alive, p)
		}
		if up || hidden || p.sight.mode != steady || p.armed(d, t) {
			known = append(known, p)
		}
	}
	return union(known), union(alive)
}

// union is the address space of prefixes that are in order, by family.
func union(ps []*prefix) (size [2]float64) {
	var last netip.Prefix
	for _, p := range ps {
		if last.IsValid() && last.Overlaps(p.Prefix) && last.Bits() <= p.Bits() {
			continue
		}
		last = p.Prefix
		bits := 32
		if p.v6 == 1 {
			bits = 64
		}
		size[p.v6] += math.Exp2(float64(bits - p.Bits()))
	}
	return size
}

func (o *origin) judge(d *Detector, t int64) int64 {
	p := o.p
	if !p.h.Valid.Holds(d.Now()) {
		return 0
	}
	need := d.least(p.h, p.v6)
	n := len(o.peers)
	if n < need {
		o.rising = 0
		if o.told && n == 0 {
			o.told = false
			d.originEvent(o, OriginGone, t, t)
		}
		return 0
	}
	if o.known {
		return 0
	}
	exact := p.kind == ownPrefix
	if n-o.fresh >= min(d.policy.MinPeers, need) {
		if d.unheard(p, t) {
			if 4*n < 3*d.joined {
				return t + d.sight.hold // it may yet reach the others, if it is new
			}
		} else {
			o.known = true // found there
			return 0
		}
	}
	if o.rising == 0 {
		o.rising = t
	}
	if t < o.rising+d.sight.hold && (n < p.eligible || !exact || !d.seeded(p.h, p.v6)) {
		return o.rising + d.sight.hold
	}
	o.known, o.told, o.onset = true, true, o.rising
	d.originEvent(o, OriginNew, o.rising, t)
	return 0
}

// unheard reports, where no tables are known, whether the prefix had not been
// spoken of for long when somebody else began to announce it. Where hardly a peer
// is silent about it then, it is new: what was there all along, and changed a
// little, would not make all of them speak.
func (d *Detector) unheard(p *prefix, t int64) bool {
	return !d.seeded(p.h, p.v6) && p.from-max(d.started, p.h.since()) >= 3600 && t-p.from < 3600
}

// holders calls f for every counted route of the prefix.
func (d *Detector) holders(p *prefix, f func(*rib.Peer, *rib.Slot)) {
	if p.entry == nil {
		return
	}
	for _, peer := range d.table.Peers() {
		if s := p.entry.Slot(peer); s != nil && (p.isCounted(peer) || p.kind == foreignPrefix && peer.State == rib.Up) {
			f(peer, s)
		}
	}
}
