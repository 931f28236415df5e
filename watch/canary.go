package watch

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"depeer/bgp"
	"depeer/bgp/rib"
)

// canaries are stable prefixes of networks that have nothing to do with the hosters.
// A peer that loses most of those it held has lost its table (its own upstream, its
// collector's, a filter that went wrong): what it no longer holds of a hoster is no
// withdrawal. It is left out until it holds them again.
type canaries struct {
	set   map[netip.Prefix]bool
	best  []int              // by peer: the most that it held in this session
	dirty map[*rib.Peer]bool // whose canaries changed in this second
}

// leastCanaries is how many a peer must have held to be judged by them.
const leastCanaries = 3

func newCanaries(list []netip.Prefix) canaries {
	c := canaries{set: map[netip.Prefix]bool{}, dirty: map[*rib.Peer]bool{}}
	for _, q := range list {
		c.set[q.Masked()] = true
	}
	return c
}

// same reports whether the list is the one in force.
func (c *canaries) same(list []netip.Prefix) bool { return maps.Equal(c.set, newCanaries(list).set) }

// rewatchCanaries puts another list in force. Who was left out because of the old one
// counts again.
func (d *Detector) rewatchCanaries(list []netip.Prefix) {
	for _, p := range d.table.Peers() {
		d.table.Resume(p, at(d.now), d.change)
	}
	d.canaries = newCanaries(list)
}

func (c *canaries) of(p *rib.Peer) *int {
	for len(c.best) <= p.Index {
		c.best = append(c.best, 0)
	}
	return &c.best[p.Index]
}

// session forgets what a peer held in its last session.
func (c *canaries) session(u *bgp.Update, p *rib.Peer) {
	if p != nil && (u.Kind == bgp.PeerUp || u.Kind == bgp.PeerDown) {
		*c.of(p) = 0
	}
}

// held counts the canaries that the peer holds.
func (d *Detector) heldCanaries(p *rib.Peer) (n int) {
	for q := range d.canaries.set {
		if e := d.table.Entry(q); e != nil {
			if s := e.Slot(p); s != nil && s.Node != nil {
				n++
			}
		}
	}
	return n
}

// judgeCanaries takes out who has lost most of the canaries, and lets in who has them
// again, before anything else is judged.
func (d *Detector) judgeCanaries(t int64) {
	if len(d.canaries.dirty) == 0 {
		return
	}
	list := slices.SortedFunc(maps.Keys(d.canaries.dirty), func(a, b *rib.Peer) int { return a.Index - b.Index })
	clear(d.canaries.dirty)
	for _, p := range list {
		n, best := d.heldCanaries(p), d.canaries.of(p)
		*best = max(*best, n)
		if *best < leastCanaries {
			continue
		}
		if 2*n < *best {
			d.table.Suspend(p, time.Unix(t, 0).UTC(), d.change)
		} else {
			d.table.Resume(p, time.Unix(t, 0).UTC(), d.change)
		}
	}
}
