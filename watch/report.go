package watch

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"depeer/bgp/rib"
)

func at(t int64) time.Time { return time.Unix(t, 0).UTC() }

// stableID is the same for the same fact, on any replica, live or replayed.
func stableID(parts ...string) string {
	sum := sha256.Sum256([]byte(key(parts...)))
	return hex.EncodeToString(sum[:10])
}

func share(n, of float64) float64 {
	if of <= 0 {
		return 0
	}
	return math.Round(min(n/of, 1)*10000) / 10000
}

func (d *Detector) newEvent(kind EventKind, h *hoster, onset, t int64) Event {
	e := Event{Type: "event", Kind: kind, At: at(t), FirstSeen: at(min(onset, t)),
		Prefixes: []netip.Prefix{}, Sources: []string{}, Evidence: []Evidence{}}
	if h != nil {
		id := h.ID
		e.Hoster = &id
		if len(h.ASNs) > 0 {
			e.ASN = h.ASNs[0]
		}
	}
	return e
}

func (d *Detector) emit(e Event, h *hoster) {
	subject := ""
	if e.Prefix != nil {
		subject = e.Prefix.String()
	}
	id := ""
	if e.Hoster != nil {
		id = *e.Hoster
	}
	u := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	e.ID = stableID(string(e.Kind), id, u(e.Upstream), u(e.Via), u(e.Origin), strconv.Itoa(e.Family), subject,
		cmp.Or(e.Collector, e.Source), strconv.FormatInt(e.FirstSeen.Unix(), 10))
	d.emitted++
	d.events = append(d.events, e)
	d.story.hear(d, h, &d.events[len(d.events)-1])
}

func familyNumber(v6 int) int { return 4 + 2*v6 }

// upstreamEvent tells of an edge, or of the hop above one. ref is the count
// before; 0 where the count grew.
func (d *Detector) upstreamEvent(e *edge, kind EventKind, onset, t int64, ref float64) {
	h := e.f.h
	ev := d.newEvent(kind, h, onset, t)
	ev.Upstream, ev.Via, ev.Family = e.asn, e.via, familyNumber(e.f.v6)
	eligible := float64(e.f.possible())
	now := share(float64(e.pairs.n), eligible)
	switch kind {
	case UpstreamLost, TransitLost:
		ev.Before, ev.After = share(ref, eligible), now
		ev.Severity = Warning
		if ev.Before >= 0.25 {
			ev.Severity = Critical
		}
		if r := d.upstreams[e.asn]; r != nil && r.failing(d, e, t) {
			ev.UpstreamFailing = true
			ev.Severity = Info
		}
		if kind == TransitLost && ev.Severity == Critical {
			ev.Severity = Warning
		}
	case UpstreamGained:
		ev.After, ev.Severity = now, Warning
	default:
		ev.After, ev.Severity = now, Info
		ev.Before = share(float64(e.pairs.bottom), eligible)
	}
	away := kind == UpstreamLost || kind == TransitLost
	through := func(n *rib.Node) bool {
		x, ok := d.routeOf(n).pass(h)
		return ok && x.upstream == e.asn && (e.via == 0 || x.via == e.via)
	}
	w := witness{d: d, since: ev.FirstSeen.UnixNano()}
	for _, p := range h.members(d, e.f) {
		w.add(p, func(s *rib.Slot) bool {
			if away {
				return through(s.Prev) && !through(s.Node)
			}
			return through(s.Node)
		})
	}
	if away && len(w.seen) == 0 { // they hunted for paths on the way: what they said last
		for _, p := range h.members(d, e.f) {
			w.add(p, func(s *rib.Slot) bool { return !through(s.Node) })
		}
	}
	w.into(&ev)
	ev.Eligible = d.eligiblePeers(h, e.f.v6)
	if len(ev.Prefixes) == 0 {
		for _, p := range h.members(d, e.f) {
			ev.Prefixes = append(ev.Prefixes, p.Prefix)
		}
		ev.Prefixes = ev.Prefixes[:min(len(ev.Prefixes), maxListed)]
	}
	d.emit(ev, h)
}

// possible counts the pairs that could run through an edge: the eligible ones, or,
// when all of it has long been withdrawn, those that used to be.
func (f *family) possible() int {
	if f.eligible > 0 || !f.own {
		return f.eligible
	}
	n := 0
	for _, p := range f.h.prefixes {
		if p.v6 == f.v6 {
			n += p.eligible
		}
	}
	return n
}

// members is the hoster's prefixes that make up the family, in order.
func (h *hoster) members(d *Detector, f *family) []*prefix {
	var out []*prefix
	if f.own {
		for _, p := range h.prefixes {
			if p.v6 == f.v6 && p.entry != nil {
				out = append(out, p)
			}
		}
		return out
	}
	for p := range d.followed() {
		if p.kind == transitPrefix && p.h == h && p.v6 == f.v6 {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, comparePrefixes)
	return out
}

func (d *Detector) eligiblePeers(h *hoster, v6 int) int {
	seen := map[int]bool{}
	for p := range d.followed() {
		if p.h == h && p.v6 == v6 && (p.kind == ownPrefix || p.kind == transitPrefix && h.transit[v6].active()) {
			for i, c := range p.counted {
				if c {
					seen[i] = true
				}
			}
		}
	}
	return len(seen)
}

func (d *Detector) routeEvent(p *prefix, kind EventKind, onset, t int64, ref float64) {
	ev := d.newEvent(kind, p.h, onset, t)
	q := p.Prefix
	ev.Prefix, ev.Prefixes = &q, []netip.Prefix{q}
	ev.Family, ev.Eligible = familyNumber(p.v6), p.eligible
	ev.After = share(float64(p.sight.n), float64(p.eligible))
	ev.Severity = Info
	w := witness{d: d, since: ev.FirstSeen.UnixNano()}
	switch kind {
	case RouteWithdrawn:
		ev.Before = share(ref, float64(p.eligible))
		ev.Severity = Warning
		ev.Zombies = p.zombies
		w.add(p, func(s *rib.Slot) bool { return s.Node == nil })
	case RouteRestored:
		ev.Before = share(float64(p.sight.bottom), float64(p.eligible))
		w.add(p, func(s *rib.Slot) bool { return s.Node != nil })
	case PrefixNew:
		if r, ok := d.originOf(p); ok {
			ev.Origin = r
		}
		fallthrough
	default:
		w.add(p, func(s *rib.Slot) bool { return s.Node != nil })
	}
	w.into(&ev)
	ev.Prefixes = []netip.Prefix{q}
	d.emit(ev, p.h)
}

// originOf is the hoster's AS that most peers see as the origin.
func (d *Detector) originOf(p *prefix) (uint32, bool) {
	count := map[uint32]int{}
	d.holders(p, func(_ *rib.Peer, s *rib.Slot) {
		if r := d.routeOf(s.Node); r != nil && slices.Contains(p.h.ASNs, r.origin) {
			count[r.origin]++
		}
	})
	var best uint32
	for a, n := range count {
		if n > count[best] || n == count[best] && a < best {
			best = a
		}
	}
	return best, best != 0
}

func (d *Detector) hosterEvent(h *hoster, kind EventKind, onset, t int64) {
	ev := d.newEvent(kind, h, onset, t)
	ev.Severity = Critical
	w := witness{d: d, since: ev.FirstSeen.UnixNano()}
	eligible, seen := 0, 0
	before := h.total.base(t, d.sight)
	for _, p := range h.prefixes {
		if p.entry == nil {
			continue
		}
		eligible += p.eligible
		seen += p.sight.n
		w.add(p, func(s *rib.Slot) bool { return (s.Node != nil) == (kind == HosterReturned) })
	}
	w.into(&ev)
	if kind == HosterDark {
		ev.Before = share(before, float64(eligible))
	}
	ev.After = share(float64(seen), float64(eligible))
	ev.Eligible = max(d.eligiblePeers(h, 0), d.eligiblePeers(h, 1))
	if kind == HosterReturned {
		ev.Prefixes = ev.Prefixes[:0]
		for _, p := range h.prefixes {
			if p.sight.n > 0 && p.sight.mode != lost {
				ev.Prefixes = append(ev.Prefixes, p.Prefix)
			}
		}
	}
	d.emit(ev, h)
}

func (d *Detector) originEvent(o *origin, kind EventKind, onset, t int64) {
	p := o.p
	ev := d.newEvent(kind, p.h, onset, t)
	q := p.Prefix
	ev.Prefix, ev.Prefixes, ev.Origin = &q, []netip.Prefix{q}, o.asn
	ev.Family = 0
	ev.ExpectedOrigins = slices.Sorted(slices.Values(append(slices.Clone(p.h.ASNs), p.h.AllowedOrigins...)))
	more := p.kind == foreignPrefix
	ev.MoreSpecific = &more
	ev.RPKI = "unknown"
	if d.Validate != nil {
		ev.RPKI = cmp.Or(d.Validate(q, o.asn), ev.RPKI)
	}
	if ev.Eligible = p.eligible; ev.Eligible == 0 {
		ev.Eligible = d.joined
	}
	ev.After = share(float64(len(o.peers)), float64(ev.Eligible))
	w := witness{d: d, since: ev.FirstSeen.UnixNano()}
	carried := len(o.peers) > 0
	w.add(p, func(s *rib.Slot) bool {
		r := d.routeOf(s.Node)
		if kind == OriginGone {
			return r == nil || r.origin != o.asn
		}
		if r == nil || r.origin != o.asn {
			return false
		}
		if _, ok := r.pass(p.h); !ok || len(p.h.ASNs) == 0 {
			carried = false
		}
		return true
	})
	w.into(&ev)
	ev.Prefixes = []netip.Prefix{q}
	ev.Severity = Critical
	if kind == OriginGone || carried {
		ev.Severity = Info // what runs through the hoster itself is its customer
	}
	d.emit(ev, p.h)
}

// witness gathers the updates behind an event, and who saw them.
type witness struct {
	d     *Detector
	since int64 // Unix nanoseconds
	seen  []sighted
}

type sighted struct {
	p    *prefix
	peer *rib.Peer
	slot *rib.Slot
}

func (w *witness) add(p *prefix, want func(*rib.Slot) bool) {
	w.d.holders(p, func(peer *rib.Peer, s *rib.Slot) {
		if s.Changed >= w.since && want(s) {
			w.seen = append(w.seen, sighted{p, peer, s})
		}
	})
}

// into writes what was gathered into the event: the earliest updates as
// evidence, the collectors, the prefixes.
func (w *witness) into(ev *Event) {
	slices.SortFunc(w.seen, func(a, b sighted) int {
		return cmp.Or(cmp.Compare(a.slot.Changed, b.slot.Changed), a.peer.Peer.Compare(b.peer.Peer), comparePrefixes(a.p, b.p))
	})
	var prefixes []*prefix
	for i, x := range w.seen {
		if !slices.Contains(ev.Sources, x.peer.Collector) {
			ev.Sources = append(ev.Sources, x.peer.Collector)
		}
		if !slices.Contains(prefixes, x.p) {
			prefixes = append(prefixes, x.p)
		}
		if i < maxEvidence {
			y := Evidence{At: time.Unix(0, x.slot.Changed).UTC(), Collector: x.peer.Collector, Peer: x.peer.Addr,
				PeerASN: x.peer.ASN, Type: "W", Prefix: x.p.Prefix}
			if x.slot.Node != nil {
				y.Type, y.Path = "A", x.slot.Node.Path
			}
			ev.Evidence = append(ev.Evidence, y)
		}
	}
	slices.Sort(ev.Sources)
	slices.SortFunc(prefixes, comparePrefixes)
	for _, p := range prefixes[:min(len(prefixes), maxListed)] {
		ev.Prefixes = append(ev.Prefixes, p.Prefix)
	}
}
