package watch

import (
	"fmt"
	"maps"
	"slices"

	"depeer/bgp/rib"
)

// audit counts everything anew from the table and compares it with what the detector
// has been counting.
func audit(d *Detector) error {
	for i, h := range d.hosters {
		if h.index != i || h.removed {
			return fmt.Errorf("%s is at place %d, and says %d", h.ID, i, h.index)
		}
		if err := auditHoster(d, h); err != nil {
			return fmt.Errorf("%s: %w", h.ID, err)
		}
	}
	for q, list := range d.prefixes {
		for _, p := range list {
			switch {
			case p.removed || p.h != nil && p.h.removed || p.Prefix != q:
				return fmt.Errorf("%s is followed, and gone", q)
			case p.entry != nil && p.entry != d.table.Entry(q):
				return fmt.Errorf("%s: another entry of the table", q)
			}
		}
	}
	var unwanted error
	d.table.Entries(func(e *rib.Entry) {
		if len(d.prefixes[e.Prefix]) == 0 {
			unwanted = fmt.Errorf("%s is in the table, and nobody follows it", e.Prefix)
		}
	})
	if unwanted != nil {
		return unwanted
	}
	for _, x := range d.timers {
		if gone(x.what) {
			return fmt.Errorf("a timer of a %T that is gone", x.what)
		}
	}
	return nil
}

type counted struct {
	pairs    map[[3]uint32]int // by own (0, 1), upstream, via
	peers    map[[4]uint32]int // and by peer
	eligible map[*family]int
	prefixes [2]int
}

func auditHoster(d *Detector, h *hoster) error {
	var own []*prefix
	for v := range h.own {
		x := counted{pairs: map[[3]uint32]int{}, peers: map[[4]uint32]int{}, eligible: map[*family]int{}}
		for _, p := range d.of(h) {
			if p.v6 != v {
				continue
			}
			if err := x.count(d, p); err != nil {
				return fmt.Errorf("%s: %w", p.Prefix, err)
			}
			if p.kind == ownPrefix {
				own = append(own, p)
			}
		}
		if h.own[v].prefixes != x.prefixes[1] {
			return fmt.Errorf("%d own prefixes, counted %d", x.prefixes[1], h.own[v].prefixes)
		}
		for i, f := range []*family{h.transit[v], h.own[v]} {
			if err := x.edges(uint32(i), f); err != nil {
				return fmt.Errorf("IPv%d: %w", familyNumber(v), err)
			}
		}
	}
	slices.SortFunc(own, comparePrefixes)
	if !slices.Equal(own, h.prefixes) {
		return fmt.Errorf("its prefixes are %d, listed %d", len(own), len(h.prefixes))
	}
	total := 0
	for _, p := range own {
		total += p.sight.n
	}
	if total != h.total.n {
		return fmt.Errorf("%d routes, counted %d", total, h.total.n)
	}
	return nil
}

// count counts one prefix, and compares what is kept with it.
func (x *counted) count(d *Detector, p *prefix) error {
	f, i := p.family(), uint32(0)
	if p.kind == ownPrefix {
		i = 1
	}
	if p.entry != nil {
		x.prefixes[i]++
	}
	eligible, sight, own, origins := 0, 0, 0, map[uint32]int{}
	for _, peer := range d.table.Peers() {
		if !p.isCounted(peer) {
			continue
		}
		eligible++
		s := p.entry.Slot(peer)
		if peer.State != rib.Up {
			return fmt.Errorf("%s counts, and is %s", peer, peer.State)
		}
		if s == nil || s.Node == nil || s.Zombie {
			continue
		}
		sight++
		r := d.routeOf(s.Node)
		if slices.Contains(p.h.ASNs, r.origin) {
			own++
		} else if r.origin != 0 && !slices.Contains(p.h.AllowedOrigins, r.origin) {
			origins[r.origin]++
		}
		for r := range d.ways(s, p.h) {
			q, ok := r.pass(p.h)
			if f == nil || !ok || q.upstream == 0 {
				continue
			}
			x.pairs[[3]uint32{i, q.upstream}]++
			x.peers[[4]uint32{i, q.upstream, 0, uint32(peer.Index)}]++
			if q.via != 0 && q.via != peer.ASN {
				x.pairs[[3]uint32{i, q.upstream, q.via}]++
				x.peers[[4]uint32{i, q.upstream, q.via, uint32(peer.Index)}]++
			}
		}
	}
	if f != nil && !p.retired {
		x.eligible[f] += eligible
	}
	switch {
	case eligible != p.eligible || sight != p.sight.n:
		return fmt.Errorf("%d of %d peers see it, counted %d of %d", sight, eligible, p.sight.n, p.eligible)
	case p.kind != transitPrefix && own != p.ownPeers:
		return fmt.Errorf("%d peers have it from the hoster, counted %d", own, p.ownPeers)
	}
	if p.kind == transitPrefix {
		return nil
	}
	for a, n := range origins {
		if o := p.origins[a]; o == nil || len(o.peers) != n {
			return fmt.Errorf("%d peers have it from AS%d, counted others", n, a)
		}
	}
	for a, o := range p.origins {
		fresh := 0
		for _, trusted := range o.peers {
			if trusted {
				fresh++
			}
		}
		if len(o.peers) != origins[a] || fresh != o.fresh {
			return fmt.Errorf("from AS%d: %d peers (%d fresh), counted %d (%d)", a, origins[a], fresh, len(o.peers), o.fresh)
		}
	}
	return nil
}

func (x *counted) edges(i uint32, f *family) error {
	if f.eligible != x.eligible[f] {
		return fmt.Errorf("own %d: %d pairs are eligible, counted %d", i, x.eligible[f], f.eligible)
	}
	for _, e := range slices.Concat(slices.Collect(maps.Values(f.edges)), slices.Collect(maps.Values(f.vias))) {
		peers := 0
		for peer, n := range e.byPeer {
			if int(n) != x.peers[[4]uint32{i, e.asn, e.via, uint32(peer)}] {
				return fmt.Errorf("own %d: AS%d (above it AS%d): peer %d has %d routes, counted %d", i, e.asn, e.via, peer, x.peers[[4]uint32{i, e.asn, e.via, uint32(peer)}], n)
			}
			peers += sign(n)
		}
		k := [3]uint32{i, e.asn, e.via}
		if e.pairs.n != x.pairs[k] || peers != e.peers {
			return fmt.Errorf("own %d: AS%d (above it AS%d): %d routes, counted %d", i, e.asn, e.via, x.pairs[k], e.pairs.n)
		}
		delete(x.pairs, k)
	}
	for k, n := range x.pairs {
		if k[0] == i {
			return fmt.Errorf("own %d: nobody counts the %d routes through AS%d (above it AS%d)", i, n, k[1], k[2])
		}
	}
	return nil
}
