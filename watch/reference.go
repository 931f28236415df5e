package watch

import (
	"iter"
	"net/netip"

	"depeer/bgp"
	"depeer/bgp/rib"
)

// reference is an upstream and the prefixes of other networks behind it, which
// tell its own failure from a de-peering.
type reference struct {
	asn      uint32
	prefixes map[netip.Prefix]*prefix
	behind   map[uint32]int    // reference prefixes, by the AS right of the upstream
	pairs    level             // (reference prefix, peer) through the upstream and that AS
	vias     map[uint32]*level // of these, by the hop above the upstream
	removed  bool              // it carries nobody who is watched
}

// perNeighbour bounds the references behind one neighbour of the upstream, so
// that one customer's failure is not taken for the upstream's.
const perNeighbour = 2

func (d *Detector) reference(u uint32) *reference {
	r := d.upstreams[u]
	if r == nil {
		r = &reference{asn: u, prefixes: map[netip.Prefix]*prefix{}, behind: map[uint32]int{}, vias: map[uint32]*level{}}
		d.upstreams[u] = r
	}
	return r
}

// wantsReference reports whether the route would serve as a reference for an
// upstream, and notes it.
func (d *Detector) wantsReference(r *route) bool {
	if d.policy.References == 0 || len(r.passes) > 0 {
		return false
	}
	for i, hop := range r.hops[:max(0, len(r.hops)-1)] {
		if hop.Set != nil {
			continue
		}
		if ref := d.upstreams[hop.ASN]; ref != nil && r.hops[i+1].Set == nil && ref.room(r.hops[i+1].ASN, d.policy.References) {
			return true
		}
	}
	return false
}

func (r *reference) room(next uint32, most int) bool {
	return len(r.prefixes) < most && r.behind[next] < perNeighbour
}

// referenceChanged counts a change of a reference's route.
func (d *Detector) referenceChanged(p *prefix, peer *rib.Peer, old, now *rib.Slot) {
	if peer.State == rib.Up {
		for ref, v := range d.references(p, old) {
			ref.add(d, v, -1)
		}
		for ref, v := range d.references(p, now) {
			ref.add(d, v, 1)
		}
	}
	d.enlist(p, now)
}

func (r *reference) add(d *Detector, via *level, n int) {
	r.pairs.n += n
	if via != nil {
		via.n += n
	}
	d.mark(r)
}

// references ranges over the upstreams that a route runs through and for which
// its prefix is a reference, each with the level of the hop above it.
func (d *Detector) references(p *prefix, s *rib.Slot) iter.Seq2[*reference, *level] {
	return func(yield func(*reference, *level) bool) {
		r := d.routeOf(s.Node)
		if r == nil {
			return
		}
		for i, hop := range r.hops[:max(0, len(r.hops)-1)] {
			ref := d.upstreams[hop.ASN]
			if ref == nil || hop.Set != nil || r.hops[i+1].Set != nil || ref.prefixes[p.Prefix] == nil {
				continue
			}
			if !yield(ref, ref.via(r.hops, i)) {
				return
			}
		}
	}
}

// enlist makes a prefix a reference of every upstream on its route that has room.
func (d *Detector) enlist(p *prefix, s *rib.Slot) {
	r := d.routeOf(s.Node)
	if r == nil {
		return
	}
	for i, hop := range r.hops[:max(0, len(r.hops)-1)] {
		ref := d.upstreams[hop.ASN]
		if ref == nil || hop.Set != nil || r.hops[i+1].Set != nil || ref.prefixes[p.Prefix] != nil || !ref.room(r.hops[i+1].ASN, d.policy.References) {
			continue
		}
		ref.prefixes[p.Prefix] = p
		ref.behind[r.hops[i+1].ASN]++
		for _, peer := range d.table.Peers() {
			if x := p.entry.Slot(peer); x != nil && peer.State == rib.Up {
				for other, v := range d.references(p, x) {
					if other == ref {
						ref.add(d, v, 1)
					}
				}
			}
		}
	}
}

// referencePeer counts a route of a peer that joins or leaves.
func (d *Detector) referencePeer(p *prefix, s *rib.Slot, n int) {
	for ref, v := range d.references(p, s) {
		ref.pairs.compose(n, d.now, d.edges, 0, 0)
		if v != nil {
			v.compose(n, d.now, d.edges, 0, 0)
		}
	}
}

// via counts the routes that reach the upstream over the hop above it.
func (r *reference) via(hops []bgp.Hop, i int) *level {
	if i < 2 || hops[i-1].Set != nil { // the first hop is the peer itself
		return nil
	}
	v := r.vias[hops[i-1].ASN]
	if v == nil {
		v = &level{}
		r.vias[hops[i-1].ASN] = v
	}
	return v
}

func (r *reference) judge(d *Detector, t int64) int64 {
	r.pairs.commit(t, d.edges)
	_, again := r.pairs.judge(t, d.edges, true)
	for _, v := range r.vias {
		if v.n == v.done && v.mode == steady {
			continue
		}
		v.commit(t, d.edges)
		_, more := v.judge(t, d.edges, true)
		again = soonest(again, more)
	}
	return again
}

func (r *reference) rank() rank { return rank{hoster: ofReferences, key: [4]uint64{uint64(r.asn)}} }

// failing reports whether the upstream's other customers lost it too, in the
// same fall as the edge: enough references, of several networks, with most of
// their routes gone.
func (r *reference) failing(d *Detector, e *edge, t int64) bool {
	if len(r.prefixes) < 3 || len(r.behind) < 2 {
		return false
	}
	pairs := &r.pairs
	if e.via != 0 {
		if pairs = r.vias[e.via]; pairs == nil {
			return false
		}
	}
	base := pairs.base(t, d.edges)
	if base < 3 || float64(pairs.n) > (1-d.policy.ReferenceGone)*base {
		return false
	}
	// An upstream that leaves a region takes days to drop one customer after the
	// other. References that go after the hoster did are another matter.
	apart := e.pairs.onset - pairs.onset
	return pairs.mode != steady && -int64(d.policy.NewNormal.Seconds())/24 < apart && apart < int64(d.policy.Baseline.Seconds())
}
