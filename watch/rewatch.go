package watch

import (
	"container/heap"
	"net/netip"
	"reflect"
	"slices"

	"depeer/bgp"
	"depeer/bgp/rib"
)

// Rewatch puts another watchlist and another policy in force, at the present
// second, and loses nothing that is known of whom the new list names too; hosters
// are told apart by their ids. What the same list again says changes nothing.
//
// A hoster that stays keeps its state, its open incident, and what was learned of
// it. Its name, tags, place in the list, allowed origins and dates may be others from
// now on. A prefix or an AS number that it loses takes its routes out of the counts
// and the baselines alike; one that it gains is taken in as something that was
// there all along.
//
// A hoster that is added, or gains a prefix or an AS number, is not seeded: peers
// have told their tables, but nobody let its routes in. Until most of them have told
// them again (a dump, a new session), nothing that is heard of it is called new, and
// its losses are judged as where there was no table to start from. The feeds should
// ask for it: see [Detector.Followed].
//
// A hoster that is removed is silent from now on. Its open incident is resolved as
// [Unwatched]; [Detector.Revisions] gives that revision.
//
// Events of one second are in the order of the list that is in force at its end.
func (d *Detector) Rewatch(list Watchlist, policy Policy) {
	if !reflect.DeepEqual(policy, d.policy) {
		d.rule(policy)
		d.markAll()
	}
	if !d.canaries.same(list.Canaries) {
		d.rewatchCanaries(list.Canaries)
		d.forget()
	}
	if d.watches(list) {
		return
	}
	w := rewatch{d: d, before: map[*prefix]int{}, families: map[*family]int{}}
	w.remove(list)
	w.takeOut()
	w.enter(list)
	w.takeIn()
	for _, h := range d.hosters {
		w.settle(h)
	}
	w.learn()
	w.counts.apply(d, w.before, w.families)
	for f := range w.families { // only of those to whom anything changed: a story is looked at when it asks for it
		if f.h.incident != nil {
			d.mark(f.h.incident)
		}
	}
	w.references()
	d.forget()
	d.purge()
}

// Rewatch is [Detector.Rewatch], at the second up to which all has been judged.
func (i *Intake) Rewatch(list Watchlist, policy Policy) { i.d.Rewatch(list, policy) }

// watches reports whether the list is the one in force.
func (d *Detector) watches(list Watchlist) bool {
	return slices.EqualFunc(d.hosters, list.Hosters, func(h *hoster, x Hoster) bool { return reflect.DeepEqual(h.Hoster, x) })
}

// rewatch is a change of the watchlist under way. What it takes out of the counts
// and into them is one composition: baselines go along, and nothing falls or rises.
type rewatch struct {
	d        *Detector
	counts   composition
	before   map[*prefix]int // eligible peers
	families map[*family]int // eligible pairs
	kept     map[*hoster]*Hoster
	moved    []moved
	fresh    []*hoster // those that were added, or gained something
}

// moved is a route that means something else from now on.
type moved struct {
	p    *prefix
	peer *rib.Peer
	slot *rib.Slot
}

// remove lets go of the hosters that the list does not name.
func (w *rewatch) remove(list Watchlist) {
	d := w.d
	named := map[string]*Hoster{}
	for i := range list.Hosters {
		named[list.Hosters[i].ID] = &list.Hosters[i]
	}
	w.kept = map[*hoster]*Hoster{}
	for _, h := range d.hosters {
		if x := named[h.ID]; x != nil {
			w.kept[h] = x
			continue
		}
		if inc := h.incident; inc != nil {
			inc.resolve(d, d.now, Unwatched)
			inc.publish(d, d.now)
		}
		h.removed = true
		for _, p := range d.of(h) {
			d.unfollow(p)
		}
	}
}

// of lists what is followed for a hoster, in order.
func (d *Detector) of(h *hoster) (out []*prefix) {
	for p := range d.followed() {
		if p.h == h {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, comparePrefixes)
	return out
}

// unfollow lets go of a prefix, for one hoster. The table keeps what is known of it
// until it is clear that nobody else wants it: see forget.
func (d *Detector) unfollow(p *prefix) {
	rest := slices.DeleteFunc(d.prefixes[p.Prefix], func(x *prefix) bool { return x == p })
	d.prefixes[p.Prefix] = rest
	if len(rest) == 0 {
		delete(d.prefixes, p.Prefix)
	}
	p.removed = true
	if p.h != nil && p.h.incident != nil {
		delete(p.h.incident.prefixes, p)
		p.h.incident.forgetOrigins(p.origins)
	}
}

func (inc *incident) forgetOrigins(origins map[uint32]*origin) {
	for _, o := range origins {
		delete(inc.origins, o)
	}
}

// takeOut takes out, as the old list has it, every route that is something else to
// its hoster by the new one.
func (w *rewatch) takeOut() {
	for p := range w.d.followed() {
		x := w.kept[p.h]
		if x == nil || p.entry == nil || slices.Equal(p.h.ASNs, x.ASNs) && slices.Equal(p.h.AllowedOrigins, x.AllowedOrigins) {
			continue
		}
		for _, peer := range w.d.table.Peers() {
			s := p.entry.Slot(peer)
			if s == nil || s.Node == nil || !p.isCounted(peer) || !w.differs(s, &p.h.Hoster, x) {
				continue
			}
			w.touch(p)
			w.counts.take(w.d, p, peer, s, -1)
			w.moved = append(w.moved, moved{p, peer, s})
		}
	}
}

// touch remembers who was eligible before anything was changed.
func (w *rewatch) touch(p *prefix) {
	if _, ok := w.before[p]; !ok {
		w.before[p] = p.eligible
	}
	for v := range p.h.own {
		for _, f := range []*family{p.h.own[v], p.h.transit[v]} {
			if _, ok := w.families[f]; !ok {
				w.families[f] = f.eligible
			}
		}
	}
}

// place is what a route says of a hoster.
type place struct {
	passes, own, allowed bool
	upstream, via        uint32
	origin               uint32
}

func (x *Hoster) place(r *route) place {
	out := place{origin: r.origin, own: slices.Contains(x.ASNs, r.origin), allowed: slices.Contains(x.AllowedOrigins, r.origin)}
	at := slices.IndexFunc(r.hops, func(hop bgp.Hop) bool { return hop.Set == nil && slices.Contains(x.ASNs, hop.ASN) })
	if len(x.ASNs) == 0 && r.origin != 0 {
		at = len(r.hops) - 1
	}
	if out.passes = at >= 0; out.passes {
		out.upstream, out.via = left(r.hops, at)
	}
	return out
}

func (w *rewatch) differs(s *rib.Slot, was, is *Hoster) bool {
	other := func(n *rib.Node) bool {
		r := w.d.routeOf(n)
		return was.place(r) != is.place(r)
	}
	return other(s.Node) || slices.ContainsFunc(s.More, func(x rib.Extra) bool { return other(x.Node) })
}

// enter puts the new list in force.
func (w *rewatch) enter(list Watchlist) {
	d := w.d
	byID := map[string]*hoster{}
	for h := range w.kept {
		byID[h.ID] = h
	}
	d.hosters = d.hosters[:0:0]
	var z *horizon
	if d.now != 0 {
		z = &horizon{at: d.now, begun: d.table.Begun, turn: -1}
	}
	for i := range list.Hosters {
		x := &list.Hosters[i]
		h := byID[x.ID]
		if h == nil {
			h = d.newHoster(*x, i)
			h.horizon = z
			w.fresh = append(w.fresh, h)
		} else if gains(&h.Hoster, x) {
			h.horizon = z
			for v := range h.own { // what carried it for long may carry the rest for as long
				h.own[v].reborn(d.now)
				h.transit[v].reborn(d.now)
			}
			w.fresh = append(w.fresh, h)
		}
		h.Hoster = *x
		d.hosters = append(d.hosters, h)
	}
	d.number()
	d.table.Untag()
}

// gains reports whether a hoster has more AS numbers or prefixes than it had.
func gains(was, is *Hoster) bool {
	return slices.ContainsFunc(is.ASNs, func(a uint32) bool { return !slices.Contains(was.ASNs, a) }) ||
		slices.ContainsFunc(is.Prefixes, func(q netip.Prefix) bool { return !slices.Contains(was.Prefixes, q) })
}

func (f *family) reborn(t int64) {
	if f.born != 0 {
		f.born = t
	}
}

// takeIn counts again what was taken out, as the new list has it. Who originates
// something and was found so is not new, and who may do so now is no stranger.
func (w *rewatch) takeIn() {
	seen := map[*prefix]bool{}
	for _, x := range w.moved {
		w.counts.take(w.d, x.p, x.peer, x.slot, 1)
		seen[x.p] = true
	}
	for p := range seen {
		for a, o := range p.origins {
			if slices.Contains(p.h.ASNs, a) || slices.Contains(p.h.AllowedOrigins, a) {
				if p.h.incident != nil {
					delete(p.h.incident.origins, o)
				}
				o.removed = true
				delete(p.origins, a)
			} else if len(o.peers) > 0 && !o.told {
				o.known = true
			}
		}
		if p.ownPeers > 0 {
			p.known = true
		}
		w.d.touch(p)
	}
}

// settle makes of each prefix of a hoster what it is to it by the new list: first
// what it originates, then what that leaves.
func (w *rewatch) settle(h *hoster) {
	d := w.d
	for _, q := range h.Prefixes {
		if p := find(d.prefixes[q], h); p == nil {
			p = d.follow(q, h, ownPrefix)
			p.from, p.entry = d.now, d.table.Entry(q)
			w.welcome(p)
		}
	}
	ps := d.of(h)
	for _, p := range ps {
		if own := w.owns(p); own != (p.kind == ownPrefix) {
			if own {
				w.regard(p, ownPrefix)
			} else {
				w.regard(p, foreignPrefix)
			}
		}
	}
	for _, p := range ps {
		if p.kind == ownPrefix {
			continue
		}
		kind := w.kindOf(p.Prefix, p.entry, h)
		if p.kind == transitPrefix && kind != 0 {
			continue
		}
		if kind != p.kind {
			w.regard(p, kind)
		}
	}
}

// owns reports whether a prefix is the hoster's own: it is listed with it, or it
// comes from it, or did before it was withdrawn.
func (w *rewatch) owns(p *prefix) bool {
	if slices.Contains(p.h.Prefixes, p.Prefix) {
		return true
	}
	if p.entry == nil {
		return false
	}
	heard := false
	for i := range p.entry.Slots {
		s := &p.entry.Slots[i]
		for _, n := range []*rib.Node{s.Node, s.Prev} {
			if r := w.d.routeOf(n); r != nil {
				heard = true
				if slices.Contains(p.h.ASNs, r.origin) {
					return true
				}
				if n == s.Node {
					break
				}
			}
		}
	}
	return !heard && p.kind == ownPrefix
}

// kindOf is what a prefix that is not the hoster's own is to it; 0 for nothing.
func (w *rewatch) kindOf(q netip.Prefix, e *rib.Entry, h *hoster) prefixKind {
	if e == nil {
		return 0
	}
	if slices.Contains(w.d.owners(q), h) {
		return foreignPrefix
	}
	if h.own[rib.Family(q)].prefixes > 0 || h.carried >= maxCarried {
		return 0
	}
	for i := range e.Slots {
		if r := w.d.routeOf(e.Slots[i].Node); r != nil && slices.ContainsFunc(r.passes, func(x pass) bool { return x.h == h }) {
			return transitPrefix
		}
	}
	return 0
}

// regard makes something else of a prefix; 0 is nothing.
func (w *rewatch) regard(p *prefix, kind prefixKind) {
	d := w.d
	w.touch(p)
	for _, peer := range d.table.Peers() {
		if p.entry != nil && p.isCounted(peer) {
			w.counts.take(d, p, peer, p.entry.Slot(peer), -1)
		}
		d.setCounted(p, peer, false)
	}
	switch p.kind {
	case ownPrefix:
		if p.entry != nil {
			p.h.own[p.v6].prefixes--
		}
		p.h.prefixes = slices.DeleteFunc(p.h.prefixes, func(x *prefix) bool { return x == p })
	case transitPrefix:
		p.h.carried--
	}
	delete(w.counts.sight, p)
	w.before[p] = 0
	for _, o := range p.origins {
		o.removed = true
	}
	if p.h.incident != nil {
		p.h.incident.forgetOrigins(p.origins)
		if kind != ownPrefix {
			delete(p.h.incident.prefixes, p)
		}
	}
	if kind == 0 {
		delete(w.before, p)
		d.unfollow(p)
		return
	}
	*p = prefix{Prefix: p.Prefix, kind: kind, h: p.h, v6: p.v6, entry: p.entry, from: p.from}
	d.enroll(p)
	w.welcome(p)
}

// welcome counts what is known of a prefix that begins to be what it is.
func (w *rewatch) welcome(p *prefix) {
	d := w.d
	w.touch(p)
	if p.entry == nil {
		return
	}
	if p.kind == ownPrefix {
		p.h.own[p.v6].prefixes++
	}
	for _, peer := range d.table.Peers() {
		if s := p.entry.Slot(peer); peer.State == rib.Up && d.eligible(p, peer, s) {
			d.setCounted(p, peer, true)
			w.counts.take(d, p, peer, s, 1)
		}
	}
	p.known = p.ownPeers > 0
	for _, o := range p.origins {
		o.known = true
	}
	d.touch(p)
}

// learn looks for the hosters that are new to the detector in what it follows for
// others: what they originate, then the rest.
func (w *rewatch) learn() {
	d := w.d
	if len(w.fresh) == 0 {
		return
	}
	var all []netip.Prefix
	d.table.Entries(func(e *rib.Entry) { all = append(all, e.Prefix) })
	slices.SortFunc(all, netip.Prefix.Compare)
	for _, q := range all {
		e := d.table.Entry(q)
		for _, h := range w.originators(e) {
			if p := find(d.prefixes[q], h); p == nil {
				w.begin(q, h, ownPrefix, e)
			}
		}
	}
	for _, q := range all {
		for _, h := range w.fresh {
			if find(d.prefixes[q], h) != nil {
				continue
			}
			e := d.table.Entry(q)
			if kind := w.kindOf(q, e, h); kind != 0 {
				w.begin(q, h, kind, e)
			}
		}
	}
}

func (w *rewatch) begin(q netip.Prefix, h *hoster, kind prefixKind, e *rib.Entry) {
	p := w.d.follow(q, h, kind)
	p.entry, p.from = e, w.d.now
	w.welcome(p)
}

// originators are the fresh hosters that originate the prefix, in order.
func (w *rewatch) originators(e *rib.Entry) (out []*hoster) {
	if e == nil {
		return nil
	}
	for i := range e.Slots {
		r := w.d.routeOf(e.Slots[i].Node)
		if r == nil {
			continue
		}
		for _, x := range r.passes {
			if x.own && !slices.Contains(out, x.h) && slices.Contains(w.fresh, x.h) {
				out = append(out, x.h)
			}
		}
	}
	slices.SortFunc(out, func(a, b *hoster) int { return a.index - b.index })
	return out
}

// references lets go of the upstreams that carry nobody who is watched, and of
// their references.
func (w *rewatch) references() {
	d := w.d
	wanted := map[uint32]bool{}
	for _, h := range d.hosters {
		for _, u := range h.Upstreams {
			wanted[u] = true
		}
		for v := range h.own {
			for u := range h.own[v].edges {
				wanted[u] = true
			}
			for u := range h.transit[v].edges {
				wanted[u] = true
			}
		}
	}
	for u, r := range d.upstreams {
		if wanted[u] {
			continue
		}
		r.removed = true
		delete(d.upstreams, u)
		for _, p := range r.prefixes {
			still := false
			for _, other := range d.upstreams {
				still = still || other.prefixes[p.Prefix] == p
			}
			if !still {
				d.unfollow(p)
			}
		}
	}
}

// forget drops from the table what nobody follows any more.
func (d *Detector) forget() {
	var unwanted []netip.Prefix
	d.table.Entries(func(e *rib.Entry) {
		if len(d.prefixes[e.Prefix]) == 0 && !d.canaries.set[e.Prefix] {
			unwanted = append(unwanted, e.Prefix)
		}
	})
	for _, q := range unwanted {
		d.table.Forget(q)
	}
}

// gone reports whether what would be judged is not watched any more.
func gone(j judged) bool {
	switch x := j.(type) {
	case *hoster:
		return x.removed
	case *edge:
		return x.f.h.removed
	case *prefix:
		return x.removed || x.h.removed
	case *origin:
		return x.removed || x.p.removed || x.p.h.removed
	case *incident:
		return x.h.removed
	case *reference:
		return x.removed
	}
	return false
}

// purge forgets what was to be judged of those that are gone.
func (d *Detector) purge() {
	for j := range d.dirty {
		if gone(j) {
			delete(d.dirty, j)
		}
	}
	for j := range d.queued {
		if gone(j) {
			delete(d.queued, j)
		}
	}
	d.timers = slices.DeleteFunc(d.timers, func(x timer) bool { return gone(x.what) })
	heap.Init(&d.timers)
}

// markAll has everything judged at the end of the second.
func (d *Detector) markAll() {
	for _, h := range d.hosters {
		d.mark(h)
		for v := range h.own {
			for _, f := range []*family{h.own[v], h.transit[v]} {
				for _, e := range f.edges {
					d.mark(e)
				}
				for _, e := range f.vias {
					d.mark(e)
				}
			}
		}
		if h.incident != nil {
			d.mark(h.incident)
		}
	}
	for p := range d.followed() {
		if p.kind == referencePrefix {
			continue
		}
		d.mark(p)
		for _, o := range p.origins {
			d.mark(o)
		}
	}
	for _, r := range d.upstreams {
		d.mark(r)
	}
	for _, f := range d.feeds {
		d.mark(f)
	}
}
