package timeline

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"depeer/bgp"
)

// sweep follows the routes of some prefixes through time.
type sweep struct {
	a        *Asker
	target   *target
	peers    map[bgp.Peer]*vantage
	order    []*vantage
	subjects map[netip.Prefix]*subject
	groups   map[string]*group
	ways     map[wayKey]*way
	covered  []Coverage // when somebody listened
	holes    []hole     // in it, by their beginnings
	lapsed   int        // of them, those that have begun

	what   What                                        // of the change that is taken in
	counts *counts                                     // nil: nobody wants series
	moved  func(p *pair, old, now *held, at time.Time) // nil: nobody wants to hear of single routes; old or now is nil
}

// vantage is a peer and what is known of it.
type vantage struct {
	bgp.Peer
	index  int
	away   bool // it left
	lapsed bool // nobody recorded what it said, since it was heard
	since  time.Time
	cause  string
	heard  bool // it was heard to hold a route
	whole  bool // what it held before was known then: a table told it, or the store
	pairs  []*pair
}

// subject is a prefix that was asked for.
type subject struct {
	info  *PrefixInfo
	group *group
	v6    int
	pairs []*pair
}

// pair is a peer's word on a prefix.
type pair struct {
	v      *vantage
	s      *subject
	ever   bool // it held a route
	routes []held
}

// held is a route.
type held struct {
	id    uint32
	path  bgp.Path
	way   *way
	since time.Time
}

// group is the AS numbers left of which the upstream stands.
type group struct {
	asns, allowed []uint32
	hoster        string
}

// way is what a path says of a group.
type way struct {
	origin, upstream uint32
	passes           bool // it runs along the group; the upstream counts
}

type wayKey struct {
	g    *group
	path *bgp.Segment // paths are shared: the first segment names one
	n    int
}

func newSweep(a *Asker, t *target) *sweep {
	s := &sweep{a: a, target: t, peers: map[bgp.Peer]*vantage{}, subjects: make(map[netip.Prefix]*subject, len(t.infos)),
		groups: map[string]*group{}, ways: map[wayKey]*way{}}
	for i := range t.infos {
		x := &t.infos[i]
		sub := &subject{info: x, group: t.group}
		if sub.group == nil {
			sub.group = s.groupOf(x.Hosters)
		}
		if !x.Prefix.Addr().Is4() {
			sub.v6 = 1
		}
		s.subjects[x.Prefix] = sub
	}
	return s
}

// groupOf gives the AS numbers of the hosters.
func (s *sweep) groupOf(ids []string) *group {
	key := strings.Join(ids, " ")
	g := s.groups[key]
	if g == nil {
		g = &group{}
		for _, id := range ids {
			if h := s.a.hoster(id); h != nil {
				g.asns = append(g.asns, h.ASNs...)
				g.allowed = append(g.allowed, h.AllowedOrigins...)
			}
		}
		if len(ids) > 0 {
			g.hoster = ids[0]
		}
		s.groups[key] = g
	}
	return g
}

// read follows the routes from before the period on, so that at its beginning it is known
// who held them in the baseline.
func (s *sweep) read(ctx context.Context) error {
	q := &s.target.q
	from := s.a.before(q.From)
	if !q.Since.IsZero() && q.Since.Before(from) {
		from = q.Since
	}
	err := s.span(ctx, Span{From: from, To: q.To, Believed: q.Believed})
	if err == nil && s.counts != nil {
		s.counts.end()
	}
	return err
}

// state reads what was so at a moment.
func (s *sweep) state(ctx context.Context, at, believed time.Time) error {
	return s.span(ctx, Span{From: at, To: at, Believed: believed})
}

func (s *sweep) span(ctx context.Context, x Span) error {
	x.Prefixes = s.target.prefixes()
	if len(x.Prefixes) == 0 {
		return nil
	}
	if err := s.begin(ctx, x.From, x.Believed); err != nil {
		return err
	}
	err := s.a.Reader.Changes(ctx, x, func(c *Change) error {
		s.take(c, x.From)
		return nil
	})
	if err == nil && !x.To.IsZero() {
		s.lapse(x.To)
	}
	return err
}

// begin reads what was not recorded.
func (s *sweep) begin(ctx context.Context, from, believed time.Time) (err error) {
	s.covered, err = s.a.covered(ctx, believed)
	s.holes = holesOf(s.covered)
	s.startAt(from)
	return err
}

// startAt passes over the holes that had begun when a span begins.
func (s *sweep) startAt(from time.Time) {
	for s.lapsed = 0; !from.IsZero() && s.lapsed < len(s.holes) && s.holes[s.lapsed].begun(from); s.lapsed++ {
	}
}

// apply takes in one change.
func (s *sweep) apply(c *Change) {
	if s.counts != nil {
		s.counts.reach(c.At)
	}
	v := s.peers[c.Peer]
	if v == nil {
		v = &vantage{Peer: c.Peer, index: len(s.order)}
		s.peers[c.Peer] = v
		s.order = append(s.order, v)
	}
	if !c.Prefix.IsValid() {
		s.word(v, c)
		return
	}
	sub := s.subjects[c.Prefix]
	if sub == nil {
		return
	}
	s.what = c.What
	p := sub.pair(v)
	if !v.heard && c.Held() {
		v.heard, v.whole = true, c.What == Known
	}
	i := slices.IndexFunc(p.routes, func(r held) bool { return r.id == c.PathID })
	if !c.Held() {
		if i >= 0 {
			s.change(p, i, nil, c.At)
		}
		return
	}
	if i >= 0 && samePath(p.routes[i].path, c.Path) {
		return
	}
	s.change(p, i, &held{id: c.PathID, path: c.Path, way: s.way(sub.group, c.Path), since: c.At}, c.At)
}

// word is a peer that leaves, or is back.
func (s *sweep) word(v *vantage, c *Change) {
	away := c.What == Left
	v.since, v.cause = c.At, c.Cause
	if away == v.away {
		return
	}
	if s.counts != nil {
		for _, p := range v.pairs {
			s.counts.pair(p, -1)
		}
	}
	v.away = away
	if s.counts != nil {
		for _, p := range v.pairs {
			s.counts.pair(p, 1)
		}
	}
}

// change puts a route in the place of the i-th one; i < 0: beside them, now nil: it goes.
func (s *sweep) change(p *pair, i int, now *held, at time.Time) {
	if s.counts != nil {
		s.counts.pair(p, -1)
	}
	var old *held
	if i >= 0 {
		was := p.routes[i]
		old = &was
	}
	switch {
	case now == nil:
		p.routes = slices.Delete(p.routes, i, i+1)
	case i < 0:
		p.ever = true
		p.routes = append(p.routes, *now)
	default:
		p.routes[i] = *now
	}
	if s.counts != nil {
		s.counts.pair(p, 1)
	}
	if s.moved != nil {
		s.moved(p, old, now, at)
	}
}

func (x *subject) pair(v *vantage) *pair {
	for len(x.pairs) <= v.index {
		x.pairs = append(x.pairs, nil)
	}
	p := x.pairs[v.index]
	if p == nil {
		p = &pair{v: v, s: x}
		x.pairs[v.index] = p
		v.pairs = append(v.pairs, p)
	}
	return p
}

func samePath(a, b bgp.Path) bool {
	if len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] {
		return true
	}
	return a.Equal(b)
}

// way reads a path.
func (s *sweep) way(g *group, path bgp.Path) *way {
	if len(path) == 0 {
		return &way{}
	}
	key := wayKey{g, &path[0], len(path)}
	w := s.ways[key]
	if w == nil {
		w = g.way(path)
		s.ways[key] = w
	}
	return w
}

func (g *group) way(path bgp.Path) *way {
	var buf [32]bgp.Hop
	hops := path.Hops(buf[:0])
	w := &way{}
	n := len(hops)
	if n == 0 {
		return w
	}
	if hops[n-1].Set == nil {
		w.origin = hops[n-1].ASN
	}
	at := n - 1
	if i := slices.IndexFunc(hops, func(h bgp.Hop) bool { return h.Set == nil && slices.Contains(g.asns, h.ASN) }); i >= 0 {
		at, w.passes = i, true
	} else if len(g.asns) == 0 && w.origin != 0 {
		w.passes = true
	}
	if at > 0 && hops[at-1].Set == nil && (w.passes || w.origin != 0) {
		w.upstream = hops[at-1].ASN
	}
	return w
}

// known counts the peers that had a route here, by whether more than updates told it.
func (s *sweep) known() (learned, whole int) {
	for _, v := range s.order {
		switch {
		case !v.heard:
		case v.whole:
			whole++
		default:
			learned++
		}
	}
	return learned, whole
}

// route gives a route as an answer.
func (p *pair) route(r *held) Route {
	x := Route{Peer: p.v.Peer, Prefix: p.s.info.Prefix, PathID: r.id, Path: r.path, Origin: r.way.origin, Upstream: r.way.upstream, Since: r.since, Known: !p.v.away}
	if p.v.away {
		x.Reason = "not heard since " + stamp(p.v.since)
		if p.v.cause != "" {
			x.Reason += ": " + p.v.cause
		}
	}
	return x
}
