package watch

import (
	"slices"

	"depeer/bgp"
	"depeer/bgp/rib"
)

// route is what a path says of the hosters in it. It is computed once per
// path, and kept at the node of the table.
type route struct {
	hops   []bgp.Hop
	origin uint32 // 0: none, or an AS_SET
	passes []pass
}

// pass is a hoster in a path, at its leftmost place (the one nearest to us).
type pass struct {
	h        *hoster
	upstream uint32 // directly left of the hoster; 0: the peer is the hoster, or an AS_SET stands there
	via      uint32 // left of the upstream; 0: none
	own      bool   // the origin is one of the hoster's ASNs
}

// routeOf reads a node's path.
func (d *Detector) routeOf(n *rib.Node) *route {
	if n == nil {
		return nil
	}
	if r, ok := n.Tag.(*route); ok {
		return r
	}
	r := &route{hops: n.Path.Hops(nil)}
	if k := len(r.hops); k > 0 && r.hops[k-1].Set == nil {
		r.origin = r.hops[k-1].ASN
	}
	for i, hop := range r.hops {
		if hop.Set != nil {
			continue
		}
		for _, h := range d.byASN[hop.ASN] {
			if slices.ContainsFunc(r.passes, func(p pass) bool { return p.h == h }) {
				continue
			}
			p := pass{h: h, own: slices.Contains(h.ASNs, r.origin)}
			p.upstream, p.via = left(r.hops, i)
			r.passes = append(r.passes, p)
		}
	}
	n.Tag = r
	return r
}

func left(hops []bgp.Hop, i int) (upstream, via uint32) {
	if i > 0 && hops[i-1].Set == nil {
		upstream = hops[i-1].ASN
		if i > 1 && hops[i-2].Set == nil {
			via = hops[i-2].ASN
		}
	}
	return upstream, via
}

// pass is the hoster's place in the path. A hoster that is watched by its
// prefixes alone stands where its routes begin.
func (r *route) pass(h *hoster) (pass, bool) {
	if r == nil {
		return pass{}, false
	}
	for _, p := range r.passes {
		if p.h == h {
			return p, true
		}
	}
	if len(h.ASNs) == 0 && r.origin != 0 {
		p := pass{h: h, own: true}
		p.upstream, p.via = left(r.hops, len(r.hops)-1)
		return p, true
	}
	return pass{}, false
}
