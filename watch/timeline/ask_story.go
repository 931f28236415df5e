package timeline

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"depeer/watch"
)

// Timeline gives the whole story of a hoster, a prefix, an AS or the prefix of an address.
func (a *Asker) Timeline(ctx context.Context, q Asking) (*Timeline, error) {
	t, err := a.find(ctx, q)
	if err != nil {
		return nil, err
	}
	s := newSweep(a, t)
	s.counts = newCounts(s)
	x := &intervals{from: t.q.From, open: map[stretchKey]*stretch{}}
	x.hear(s)
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	to := t.q.To
	out := &Timeline{Title: t.title, Subject: t.subject, From: t.q.From, To: to, Believed: q.Believed, Longest: t.longest, Prefixes: t.infos,
		Visibility: s.counts.visibility(to), Intervals: x.list()}
	if t.hoster != nil {
		out.Hoster = t.hoster.ID
	}
	out.Upstreams = s.counts.lanes(func(f *familyCounts) map[uint32]*track { return f.upstreams }, to, func(l *Lane, _ *track) { l.Name = a.nameOf(l.ASN) })
	out.Origins = s.counts.lanes(func(f *familyCounts) map[uint32]*track { return f.origins }, to, func(l *Lane, t *track) {
		l.Name, l.Role = a.nameOf(l.ASN), s.role(l.ASN, t.behind)
	})
	if err := a.records(ctx, t, out); err != nil {
		return nil, err
	}
	if q.ASN != 0 {
		if err := a.carriedBy(ctx, t, out); err != nil {
			return nil, err
		}
	}
	out.mark()
	out.Missing = missing(s, out.Gaps, &t.q)
	return out, nil
}

// carriedBy adds what the AS was the upstream of, where it was one.
func (a *Asker) carriedBy(ctx context.Context, t *target, out *Timeline) error {
	c, err := a.Carried(ctx, t.q)
	if errors.Is(err, ErrNothing) {
		return nil
	}
	if err == nil && len(c.Prefixes) > 0 {
		out.Carried = c
	}
	return err
}

// nameOf is the name of the hoster whose AS it is.
func (a *Asker) nameOf(asn uint32) string {
	for i := range a.Hosters {
		if slices.Contains(a.Hosters[i].ASNs, asn) {
			return a.Hosters[i].Title()
		}
	}
	return ""
}

// role says whose an origin is. One that was seen behind the hoster is its customer,
// whatever other upstreams it has.
func (s *sweep) role(asn uint32, behind bool) string {
	own, allowed, any := false, false, false
	for _, x := range s.subjects {
		own = own || slices.Contains(x.group.asns, asn)
		allowed = allowed || slices.Contains(x.group.allowed, asn)
		any = any || len(x.group.asns) > 0
	}
	switch {
	case own:
		return "own"
	case allowed:
		return "allowed"
	case any && behind:
		return "customer"
	case any:
		return "other"
	}
	return ""
}

// about gives the queries that find the records about the target.
func (t *target) about() []RecordQuery {
	switch {
	case t.q.Hoster != "":
		return []RecordQuery{{Hosters: []string{t.q.Hoster}}}
	case t.q.ASN != 0 && t.hoster != nil:
		return []RecordQuery{{Hosters: []string{t.hoster.ID}}}
	case t.q.ASN != 0:
		return []RecordQuery{{ASN: t.q.ASN}, {Upstream: t.q.ASN}}
	}
	return []RecordQuery{{Prefix: t.infos[0].Prefix}}
}

// records reads what was concluded within the period, and what was sighted.
func (a *Asker) records(ctx context.Context, t *target, out *Timeline) (err error) {
	q := &t.q
	var list []Record
	for _, x := range t.about() {
		x.Kinds, x.From, x.To, x.Believed, x.Latest = []RecordKind{Event, Incident, Sighting}, q.From, q.To, q.Believed, true
		more, _, err := a.Reader.Records(ctx, x)
		if err != nil {
			return err
		}
		for _, r := range more {
			if !slices.ContainsFunc(list, func(o Record) bool { return o.Kind == r.Kind && o.ID == r.ID }) {
				list = append(list, r)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Record) int { return a.At.Compare(b.At) })
	of := func(k RecordKind) []Record {
		return slices.DeleteFunc(slices.Clone(list), func(r Record) bool { return r.Kind != k })
	}
	if out.Events, err = decodeAll[watch.Event](of(Event), nil); err != nil {
		return err
	}
	if out.Incidents, err = decodeAll[watch.Incident](of(Incident), nil); err != nil {
		return err
	}
	if out.Sightings, err = sights(of(Sighting)); err != nil {
		return err
	}
	out.Gaps, err = a.Gaps(ctx, q.From, q.To, q.Believed)
	return err
}

// sighted is what is read of the JSON of a sighting (package cnc).
type sighted struct {
	ID     string     `json:"id"`
	Source string     `json:"source"`
	At     time.Time  `json:"at"`
	Family string     `json:"family"`
	Kind   string     `json:"kind"`
	Addr   netip.Addr `json:"addr"`
	Place  *struct {
		Prefix  netip.Prefix `json:"prefix"`
		Origins []uint32     `json:"origins"`
	} `json:"place"`
}

// sights puts the sightings of one server by one source together.
func sights(list []Record) ([]Sight, error) {
	all, err := decodeAll[sighted](list, nil)
	if err != nil {
		return nil, err
	}
	type key struct {
		family, kind, source string
		addr                 netip.Addr
	}
	out, at := []Sight{}, map[key]int{}
	for _, x := range all {
		k := key{x.Family, x.Kind, x.Source, x.Addr}
		if i, ok := at[k]; ok && x.Addr.IsValid() {
			out[i].Until = x.At
			continue
		}
		s := Sight{At: x.At, Family: x.Family, Kind: x.Kind, Addr: x.Addr, Source: x.Source, ID: x.ID}
		if x.Place != nil {
			s.Prefix = x.Place.Prefix
			if len(x.Place.Origins) > 0 {
				s.ASN = x.Place.Origins[0]
			}
		}
		at[k] = len(out)
		out = append(out, s)
	}
	return out, nil
}

// mark notes at each lane which events are about it.
func (t *Timeline) mark() {
	for i := range t.Events {
		e := &t.Events[i]
		switch e.Kind {
		case watch.UpstreamLost, watch.UpstreamRestored, watch.UpstreamGained, watch.TransitLost:
			markIn(t.Upstreams, e, e.Upstream)
		case watch.OriginNew, watch.OriginGone:
			markIn(t.Origins, e, e.Origin)
		case watch.RouteWithdrawn, watch.RouteRestored, watch.HosterDark, watch.HosterReturned, watch.PrefixNew:
			markIn(t.Visibility, e, 0)
		}
	}
}

// markIn: what is said of no family is said of both.
func markIn(lanes []Lane, e *watch.Event, asn uint32) {
	for i := range lanes {
		if lanes[i].ASN == asn && (e.Family == 0 || lanes[i].Family == cmp.Or(e.Family, lanes[i].Family)) {
			lanes[i].Events = append(lanes[i].Events, e.ID)
		}
	}
}
