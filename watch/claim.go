package watch

import (
	"iter"
	"net/netip"
	"slices"

	"depeer/bgp/rib"
)

func find(list []*prefix, h *hoster) *prefix {
	for _, p := range list {
		if p.h == h {
			return p
		}
	}
	return nil
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

// shortestSpace is the length from which on a prefix is a space of its hoster, of
// which others can announce a part.
const shortestSpace = 8

// owners are the hosters of whose own prefixes the prefix is a part.
func (d *Detector) owners(q netip.Prefix) (out []*hoster) {
	for bits := q.Bits() - 1; bits >= shortestSpace; bits-- {
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
				d.pair(p, peer, s, 1, p.heardWhole(peer) && s.Changed >= d.now*1e9)
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
	return p.kind == ownPrefix && p.entry != nil && d.table.FullFeed(peer, p.v6) && p.heardWhole(peer)
}

func (p *prefix) isCounted(peer *rib.Peer) bool {
	return peer.Index < len(p.counted) && p.counted[peer.Index]
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

// ownHolders counts the peers that have the prefix from the hoster, or from an
// origin that raises no alarm where the hoster itself is not the one that is expected.
func (p *prefix) ownHolders() int {
	if len(p.h.ASNs) > 0 && len(p.h.AllowedOrigins) == 0 {
		return p.ownPeers
	}
	n := p.sight.n
	for _, o := range p.origins {
		if o.told {
			n -= len(o.peers)
		}
	}
	return max(p.ownPeers, n)
}
