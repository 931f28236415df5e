package watch

import (
	"net/netip"

	"depeer/bgp/rib"
)

// reference is an upstream and the prefixes of other networks behind it, which
// tell its own failure from a de-peering.
type reference struct {
	asn      uint32
	prefixes map[netip.Prefix]*prefix
	behind   map[uint32]int // reference prefixes, by the AS right of the upstream
	pairs    level          // (reference prefix, peer) through the upstream and that AS
}

// perNeighbour bounds the references behind one neighbour of the upstream, so
// that one customer's failure is not taken for the upstream's.
const perNeighbour = 2

func (d *Detector) reference(u uint32) *reference {
	r := d.upstreams[u]
	if r == nil {
		r = &reference{asn: u, prefixes: map[netip.Prefix]*prefix{}, behind: map[uint32]int{}}
		d.upstreams[u] = r
	}
	return r
}

// wantsReference reports whether the route would serve as a reference for an
// upstream, and notes it.
func (d *Detector) wantsReference(q netip.Prefix, r *route) bool {
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

func (d *Detector) referenceChanged(p *prefix, peer *rib.Peer, old, now *rib.Slot) {
	if peer.State != rib.Up {
		return
	}
	d.referenceCount(p, old, -1)
	d.referenceCount(p, now, 1)
}

func (d *Detector) referencePeer(p *prefix, peer *rib.Peer, s *rib.Slot, n int) {
	r := d.routeOf(s.Node)
	if r == nil {
		return
	}
	for _, hop := range r.hops {
		if ref := d.upstreams[hop.ASN]; ref != nil && hop.Set == nil && ref.prefixes[p.Prefix] != nil && r.after(hop.ASN) != 0 {
			ref.pairs.compose(n, d.now, d.edges, 0, 0)
		}
	}
}

func (d *Detector) referenceCount(p *prefix, s *rib.Slot, n int) {
	r := d.routeOf(s.Node)
	if r == nil {
		return
	}
	for i, hop := range r.hops[:max(0, len(r.hops)-1)] {
		ref := d.upstreams[hop.ASN]
		if ref == nil || hop.Set != nil || r.hops[i+1].Set != nil {
			continue
		}
		if ref.prefixes[p.Prefix] == nil {
			if n < 0 || !ref.room(r.hops[i+1].ASN, d.policy.References) {
				continue
			}
			ref.prefixes[p.Prefix] = p
			ref.behind[r.hops[i+1].ASN]++
		}
		ref.pairs.n += n
		d.mark(ref)
	}
}

func (r *reference) judge(d *Detector, t int64) int64 {
	r.pairs.commit(t, d.edges)
	_, again := r.pairs.judge(t, d.edges, true)
	return again
}

func (r *reference) rank() (int, int, string) { return -1, 0, string(rune(r.asn)) }

// failing reports whether the upstream's other customers lost it too, in the
// same fall as the edge: enough references, of several networks, with most of
// their routes gone.
func (r *reference) failing(d *Detector, e *edge, t int64) bool {
	if len(r.prefixes) < 3 || len(r.behind) < 2 {
		return false
	}
	base := r.pairs.base(t, d.edges)
	if base < 3 || float64(r.pairs.n) > (1-d.policy.ReferenceGone)*base {
		return false
	}
	// An upstream that failed long ago does not explain today's loss.
	return r.pairs.mode != steady && e.pairs.onset-r.pairs.onset < int64(d.policy.NewNormal.Seconds())/24 &&
		r.pairs.onset-e.pairs.onset < int64(d.policy.NewNormal.Seconds())/24
}
