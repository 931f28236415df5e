package timeline

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"depeer/bgp"
	"depeer/watch"
)

// Carried gives what the AS was the upstream of within the period: what it had, gained
// and dropped. Peers that are not heard count with their last word: that they left is
// no loss of the upstream's. What a table told that had been so all along is no gain: it counts
// as Before, from the first moment on at which it is known.
func (a *Asker) Carried(ctx context.Context, q Asking) (*Carried, error) {
	if q.ASN == 0 {
		return nil, fmt.Errorf("the question names no upstream")
	}
	q.Hoster = ""
	infos, err := a.Reader.Prefixes(ctx, Scope{Through: q.ASN})
	if err != nil {
		return nil, err
	}
	t := &target{q: q, subject: bgp.ASN(q.ASN), infos: infos}
	if err := t.bound(); err != nil {
		return nil, err
	}
	s := newSweep(a, t)
	loads := map[*subject]*load{}
	all := &league{from: t.q.From, first: t.begin(), customers: map[string]*customer{}}
	s.moved = func(p *pair, old, now *held, at time.Time) {
		all.reach(at)
		l := loads[p.s]
		if l == nil {
			l = &load{}
			loads[p.s] = l
		}
		l.moved(q.ASN, p, old, now, at, t.q.From, s.what == Known)
		all.touch(p.s.group.hoster, l)
	}
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	out := &Carried{ASN: q.ASN, From: t.q.From, To: t.q.To, Believed: q.Believed, Prefixes: []Carriage{}}
	for sub, l := range loads {
		l.settle(t.q.To.Add(1), t.q.From)
		if l.through {
			out.Through++
		}
		if l.most == 0 {
			continue
		}
		c := Carriage{Hoster: sub.group.hoster, Prefix: sub.info.Prefix, Origin: l.origin, Before: l.before, After: l.now, Most: l.most}
		if l.before == 0 {
			c.Gained = &l.gained
		}
		if l.now == 0 {
			c.Dropped = &l.dropped
		}
		out.Prefixes = append(out.Prefixes, c)
		if l.customer != nil {
			l.customer.Peers = max(l.customer.Peers, l.most)
		}
	}
	out.Hosters, out.Course = all.end(a, t.q.To, q.Exact)
	slices.SortFunc(out.Prefixes, func(a, b Carriage) int {
		return cmp.Or(cmp.Compare(a.Hoster, b.Hoster), comparePrefixes(a.Prefix, b.Prefix))
	})
	if out.Gaps, err = a.Gaps(ctx, t.q.From, t.q.To, q.Believed); err != nil {
		return nil, err
	}
	out.Missing = missing(s, out.Gaps, &t.q)
	return out, nil
}

// load is what an AS carries of one prefix.
type load struct {
	now, before, most int       // pairs of which it is the upstream
	any               int       // routes of which it is a part
	through           bool      // any was not zero within the period
	at                time.Time // of the last change
	was               int       // as it was before at
	gained, dropped   time.Time
	origin            uint32
	came              int // rises within the moment that were changes in the world

	customer *customer // whose prefix it is; nil where nobody's who is watched
	counted  bool      // it is among those that are carried
	marked   bool      // it is among those that changed
}

func (l *load) moved(asn uint32, p *pair, old, now *held, at, from time.Time, known bool) {
	l.settle(at, from)
	if old != nil && old.way.upstream == asn && !slices.ContainsFunc(p.routes, func(r held) bool { return r.way.upstream == asn }) {
		l.now--
	}
	if now != nil && now.way.upstream == asn {
		n := 0
		for i := range p.routes {
			if p.routes[i].way.upstream == asn {
				n++
			}
		}
		if n == 1 && (old == nil || old.way.upstream != asn) {
			l.now++
			if !known {
				l.came++
			}
		}
		l.origin = now.way.origin
	}
	if old != nil && contains(old.path, asn) {
		l.any--
	}
	if now != nil && contains(now.path, asn) {
		l.any++
	}
}

func contains(path bgp.Path, asn uint32) bool {
	return slices.ContainsFunc(path, func(s bgp.Segment) bool { return slices.Contains(s.ASNs, asn) })
}

// settle ends the moment that was gathered, where at is a later one.
func (l *load) settle(at, from time.Time) {
	if at.Equal(l.at) {
		return
	}
	if !l.at.After(from) { // at the beginning of the period, so far
		l.before, l.most, l.through = l.now, l.now, l.any > 0
		if at.After(from) {
			l.gained, l.dropped = time.Time{}, time.Time{}
		}
	} else {
		switch {
		case l.now == 0 || l.was > 0 || l.before > 0 || !l.gained.IsZero():
		case l.came > 0:
			l.gained = l.at
		default:
			l.before = l.now
		}
		if l.now == 0 && l.was > 0 {
			l.dropped = l.at
		}
		l.most, l.through = max(l.most, l.now), l.through || l.any > 0
	}
	l.was, l.at, l.came = l.now, at, 0
}

// StillRouted gives, for each hoster of the Asker, who carries it at a moment, and for how
// many days it has been known: since Hoster.Reported where that is set, or else since the first
// sighting of a C&C server there, or else since the first record of it.
func (a *Asker) StillRouted(ctx context.Context, at, believed time.Time) ([]Still, error) {
	out := make([]Still, 0, len(a.Hosters))
	gaps, err := a.Gaps(ctx, at, at, believed)
	if err != nil {
		return nil, err
	}
	covered, err := a.covered(ctx, believed)
	if err != nil {
		return nil, err
	}
	holes := holesOf(covered)
	of, err := a.prefixesByHoster(ctx)
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(a.Hosters, sweptAtOnce) {
		sweeps := make([]*sweep, len(part))
		for i := range part {
			h := &part[i]
			t := &target{q: Asking{Hoster: h.ID, From: at, To: at, Believed: believed}, group: &group{asns: h.ASNs, allowed: h.AllowedOrigins}, infos: of[h.ID]}
			sweeps[i] = newSweep(a, t)
			sweeps[i].counts, sweeps[i].holes = newCounts(sweeps[i]), holes
		}
		if err := a.sweepTogether(ctx, sweeps, Span{From: a.before(at), To: at, Believed: believed}); err != nil {
			return nil, err
		}
		for i, s := range sweeps {
			x, err := a.still(ctx, &part[i], s, at, believed)
			if err != nil {
				return nil, err
			}
			x.Gaps = gaps
			out = append(out, x)
		}
	}
	return out, nil
}

const (
	sweptAtOnce = 100 // hosters that share one reading of the changes: each keeps all peers in memory meanwhile
	askedApart  = 8   // up to so many hosters are asked for one by one, beyond that for all prefixes there are
)

// prefixesByHoster gives the prefixes of the Asker's hosters.
func (a *Asker) prefixesByHoster(ctx context.Context) (map[string][]PrefixInfo, error) {
	of := make(map[string][]PrefixInfo, len(a.Hosters))
	if len(a.Hosters) <= askedApart {
		for i := range a.Hosters {
			list, err := a.Reader.Prefixes(ctx, Scope{Hoster: a.Hosters[i].ID})
			if err != nil {
				return nil, err
			}
			of[a.Hosters[i].ID] = list
		}
		return of, nil
	}
	list, err := a.Reader.Prefixes(ctx, Scope{})
	for _, x := range list {
		for _, h := range x.Hosters {
			of[h] = append(of[h], x)
		}
	}
	return of, err
}

// sweepTogether does for several sweeps, whose holes are set, what read does for one.
func (a *Asker) sweepTogether(ctx context.Context, sweeps []*sweep, x Span) error {
	byPrefix := map[netip.Prefix][]*sweep{}
	for _, s := range sweeps {
		s.startAt(x.From)
		for p := range s.subjects {
			if byPrefix[p] == nil {
				x.Prefixes = append(x.Prefixes, p)
			}
			byPrefix[p] = append(byPrefix[p], s)
		}
	}
	if len(x.Prefixes) > 0 { // none would be all
		err := a.Reader.Changes(ctx, x, func(c *Change) error {
			list := sweeps // of the sessions
			if c.Prefix.IsValid() {
				list = byPrefix[c.Prefix]
			}
			for _, s := range list {
				s.take(c, x.From)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, s := range sweeps {
		s.lapse(x.To)
		s.counts.end()
	}
	return nil
}

// still gives the answer of one hoster, of what its sweep has found.
func (a *Asker) still(ctx context.Context, h *watch.Hoster, s *sweep, at, believed time.Time) (Still, error) {
	x := Still{Hoster: h.ID, Name: h.Title(), At: at, By: []StillBy{}}
	for i := range s.counts.family {
		f := &s.counts.family[i]
		x.Routed = x.Routed || f.sight.n > 0
		for asn, u := range f.upstreams {
			if u.n > 0 {
				x.By = append(x.By, StillBy{ASN: asn, Family: 4 + 2*i, Share: float64(u.n) / float64(f.eligible), Peers: u.peers, Since: s.oldest(i, asn)})
			}
		}
	}
	slices.SortFunc(x.By, func(a, b StillBy) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(b.Share, a.Share), cmp.Compare(a.ASN, b.ASN))
	})
	since, by, err := a.reported(ctx, h, believed)
	if err != nil {
		return x, err
	}
	if !since.IsZero() && !since.After(at) {
		x.Reported, x.ReportedBy, x.Days = &since, by, int(at.Truncate(24*time.Hour).Sub(since.Truncate(24*time.Hour))/(24*time.Hour)) // by the calendar: dates are shown
	}
	return x, nil
}

// oldest is since when the oldest route runs along the upstream.
func (s *sweep) oldest(family int, upstream uint32) (since time.Time) {
	for _, v := range s.order {
		for _, p := range v.pairs {
			if v.away || p.s.v6 != family {
				continue
			}
			for _, r := range p.routes {
				if r.way.passes && r.way.upstream == upstream && (since.IsZero() || r.since.Before(since)) {
					since = r.since
				}
			}
		}
	}
	return since
}

// reported is since when it has been known what a hoster is, and how.
func (a *Asker) reported(ctx context.Context, h *watch.Hoster, believed time.Time) (time.Time, string, error) {
	if !h.Reported.IsZero() {
		return h.Reported, "given", nil
	}
	for _, kinds := range [][]RecordKind{{Sighting}, nil} {
		list, _, err := a.Reader.Records(ctx, RecordQuery{Kinds: kinds, Hosters: []string{h.ID}, Believed: believed, Limit: 1})
		if err != nil {
			return time.Time{}, "", err
		}
		if len(list) > 0 {
			return list[0].At, string(list[0].Kind), nil
		}
	}
	return time.Time{}, "", nil
}
