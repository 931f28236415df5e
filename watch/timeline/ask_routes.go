package timeline

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// RoutesAt gives the routes of what is asked about at the end of the period, as each peer
// held them: the last word of those too that were not heard then.
func (a *Asker) RoutesAt(ctx context.Context, q Asking) (*Routes, error) {
	t, err := a.find(ctx, q)
	if err != nil {
		return nil, err
	}
	at := t.q.To
	s := newSweep(a, t)
	if err := s.state(ctx, at, q.Believed); err != nil {
		return nil, err
	}
	out := &Routes{At: at, Believed: q.Believed, Longest: t.longest, Routes: s.routes()}
	for _, v := range s.order {
		if !v.away {
			out.Peers++
		}
	}
	previous, next, err := s.neighbours(ctx, at, q.Believed)
	if err != nil {
		return nil, err
	}
	if !previous.IsZero() {
		out.Previous = &previous
	}
	if !next.IsZero() {
		out.Next = &next
	}
	if out.Gaps, err = a.Gaps(ctx, at, at, q.Believed); err != nil {
		return nil, err
	}
	t.q.From = at
	out.Missing = missing(s, out.Gaps, &t.q)
	if len(t.infos) == 1 {
		if n := known(out.Routes); n < out.Peers {
			out.Missing = append(out.Missing, fmt.Sprintf("Of %d peers that were heard, %d are known to have held it; the others had withdrawn it, or never spoke of it.", out.Peers, n))
		}
	}
	return out, nil
}

// known counts the peers of routes that are known.
func known(routes []Route) int {
	n := 0
	for i := range routes {
		if routes[i].Known && (i == 0 || routes[i].Peer != routes[i-1].Peer) {
			n++
		}
	}
	return n
}

// routes lists what is held, by prefix, peer and path id; never nil.
func (s *sweep) routes() []Route {
	out := []Route{}
	for _, x := range s.subjects {
		for _, p := range x.pairs {
			if p == nil {
				continue
			}
			for i := range p.routes {
				out = append(out, p.route(&p.routes[i]))
			}
		}
	}
	slices.SortFunc(out, compareRoutes)
	return out
}

func compareRoutes(a, b Route) int {
	return cmp.Or(comparePrefixes(a.Prefix, b.Prefix), a.Peer.Compare(b.Peer), cmp.Compare(a.PathID, b.PathID))
}

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// Difference compares the routes at the end of the period with those at its beginning.
func (a *Asker) Difference(ctx context.Context, q Asking) (*Difference, error) {
	t, err := a.find(ctx, q)
	if err != nil {
		return nil, err
	}
	before, after := newSweep(a, t), newSweep(a, t)
	if err := before.state(ctx, t.q.From, q.Believed); err != nil {
		return nil, err
	}
	if err := after.state(ctx, t.q.To, q.Believed); err != nil {
		return nil, err
	}
	out := &Difference{From: t.q.From, To: t.q.To, Believed: q.Believed, Went: []Route{}, Came: []Route{}, Changed: []RouteChange{}, Unknown: []Route{}}
	was, is := before.routes(), after.routes()
	for i, j := 0, 0; i < len(was) || j < len(is); {
		order := 0
		switch {
		case i == len(was):
			order = 1
		case j == len(is):
			order = -1
		default:
			order = compareRoutes(was[i], is[j])
		}
		switch {
		case order < 0:
			out.Went = append(out.Went, was[i])
		case order > 0:
			if is[j].Known {
				out.Came = append(out.Came, is[j])
			} else {
				out.Unknown = append(out.Unknown, is[j])
			}
		case !is[j].Known:
			out.Unknown = append(out.Unknown, is[j])
		case samePath(was[i].Path, is[j].Path):
			out.Same++
		default:
			out.Changed = append(out.Changed, RouteChange{Before: was[i], After: is[j]})
		}
		if order <= 0 {
			i++
		}
		if order >= 0 {
			j++
		}
	}
	if out.Gaps, err = a.Gaps(ctx, t.q.From, t.q.To, q.Believed); err != nil {
		return nil, err
	}
	out.Missing = missing(after, out.Gaps, &t.q)
	return out, nil
}

// intervals makes the intervals of a sweep.
type intervals struct {
	from   time.Time
	order  []*stretch
	open   map[stretchKey]*stretch // the last stretch of each key
	routes bool                    // of every route by itself
}

// stretchKey is what an interval is the same by.
type stretchKey struct {
	s                *subject
	origin, upstream uint32
	pair             *pair // of every route by itself
	id               uint32
}

// stretch is an interval in the making.
type stretch struct {
	Interval
	n    int
	at   time.Time // of the last change of n
	last *stretch  // the one before of the same key
}

// settle notes how many there were until at: what is taken back within a moment was not so.
func (s *stretch) settle(at, from time.Time) {
	switch {
	case at.Equal(s.at):
		return
	case at.After(from):
		s.Peers = max(s.Peers, s.n)
	default:
		s.Peers = 0
	}
	s.at = at
}

// hear follows a sweep.
func (x *intervals) hear(s *sweep) { s.moved = x.moved }

func (x *intervals) moved(p *pair, old, now *held, at time.Time) {
	if x.routes {
		if old != nil {
			x.less(stretchKey{s: p.s, pair: p, id: old.id}, at)
		}
		if now != nil {
			x.more(stretchKey{s: p.s, pair: p, id: now.id}, p, now, at)
		}
		return
	}
	// The routes of the pair are as they are after the change.
	if old != nil && !p.runs(old.way) {
		x.less(keyOf(p, old), at)
	}
	if now != nil && p.count(now.way) == 1 && (old == nil || !old.way.same(now.way)) {
		x.more(keyOf(p, now), p, now, at)
	}
}

func keyOf(p *pair, r *held) stretchKey {
	return stretchKey{s: p.s, origin: r.way.origin, upstream: r.way.upstream}
}

func (w *way) same(x *way) bool { return w.origin == x.origin && w.upstream == x.upstream }

// runs reports whether a route of the pair runs that way.
func (p *pair) runs(w *way) bool { return p.count(w) > 0 }

func (p *pair) count(w *way) (n int) {
	for i := range p.routes {
		if p.routes[i].way.same(w) {
			n++
		}
	}
	return n
}

// less takes one from an interval, which ends with the last.
func (x *intervals) less(k stretchKey, at time.Time) {
	s := x.open[k]
	if s == nil || s.n == 0 {
		return
	}
	s.settle(at, x.from)
	if s.n--; s.n == 0 {
		s.To = &at
	}
}

// more adds one, and begins an interval with the first.
func (x *intervals) more(k stretchKey, p *pair, r *held, at time.Time) {
	before := x.open[k]
	s := before
	for s != nil && s.n == 0 && s.To.Equal(at) && !s.From.Before(at) {
		s = s.last // it lasted no moment
	}
	same := s != nil && (!x.routes || samePath(s.Path, r.path))
	switch {
	case same && s.n > 0:
	case same && s.To.Equal(at): // one gave it up in the moment in which another took it
		s.To = nil
		x.open[k] = s
	default:
		s = &stretch{Interval: Interval{Prefix: p.s.info.Prefix, Origin: r.way.origin, Upstream: r.way.upstream, From: r.since}}
		if x.routes {
			s.Path, s.Peer = r.path, &p.v.Peer
		}
		s.last, s.at = before, at
		x.open[k] = s
		x.order = append(x.order, s)
	}
	s.settle(at, x.from)
	s.n++
	if r.since.Before(s.From) {
		s.From = r.since
	}
}

// list gives the intervals that the period touches, by prefix and beginning; never nil.
func (x *intervals) list() []Interval {
	out := []Interval{}
	for _, s := range x.order {
		if s.To != nil && (!s.To.After(x.from) || !s.To.After(s.From)) {
			continue
		}
		s.Open = !s.From.After(x.from)
		if s.Peers = max(s.Peers, s.n); x.routes {
			s.Peers = 0
		}
		out = append(out, s.Interval)
	}
	slices.SortStableFunc(out, func(a, b Interval) int {
		return cmp.Or(comparePrefixes(a.Prefix, b.Prefix), a.From.Compare(b.From), cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Upstream, b.Upstream), comparePeers(a, b))
	})
	return out
}

func comparePeers(a, b Interval) int {
	if a.Peer == nil || b.Peer == nil {
		return 0
	}
	return a.Peer.Compare(*b.Peer)
}

// Intervals gives when each route of each peer was held along which path. (Those of a
// Timeline tell peers and paths together that have origin and upstream in common.)
func (a *Asker) Intervals(ctx context.Context, q Asking) ([]Interval, error) {
	t, err := a.find(ctx, q)
	if err != nil {
		return nil, err
	}
	s := newSweep(a, t)
	x := &intervals{from: t.q.From, open: map[stretchKey]*stretch{}, routes: true}
	x.hear(s)
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	return x.list(), nil
}
