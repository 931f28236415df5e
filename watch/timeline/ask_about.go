package timeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"depeer/bgp"
)

// About is what is remembered of a hoster, a prefix, an address or an AS, and how it stood at one moment.
type About struct {
	Subject  string       `json:"subject"` // as it was asked for: "208.66.192.0/22", "AS26780"
	At       time.Time    `json:"at"`
	Longest  netip.Prefix `json:"longest,omitzero"` // Asking.Addr: the prefix that was found
	Prefixes []Stand      `json:"prefixes"`         // the prefix itself; those that the AS ever originated; those of the hoster
	Covering []Stand      `json:"covering"`         // of a prefix: those around it, the longest first
	Covered  []Stand      `json:"covered"`          // of a prefix: those within it, in order
	Through  int          `json:"through"`          // of an AS: prefixes in whose paths it ever stood, at any place
	Missing  []string     `json:"missing"`          // what could not be said, in sentences
}

// Stand is how a prefix stood at one moment.
type Stand struct {
	PrefixInfo
	Peers     int      `json:"peers"`     // that were heard and held it
	Eligible  int      `json:"eligible"`  // that were heard, and held it within the baseline or then
	Origins   []uint32 `json:"origins"`   // of the routes that were held then, in order
	Upstreams []uint32 `json:"upstreams"` // likewise
}

// mostStands is how many prefixes an About looks at.
const mostStands = 500

// About gives what is remembered of a hoster, a prefix, an address or an AS, and how it stood at the end
// of the period (zero: at the last change). What nothing is remembered of is no error: Missing says why.
func (a *Asker) About(ctx context.Context, q Asking) (*About, error) {
	q.From = time.Time{}
	out := &About{At: q.To, Prefixes: []Stand{}, Covering: []Stand{}, Covered: []Stand{}, Missing: []string{}}
	t := &target{}
	infos, err := a.nearby(ctx, &q, out, t)
	if err != nil {
		return nil, err
	}
	if len(infos) > mostStands {
		out.Missing = append(out.Missing, fmt.Sprintf("%d prefixes are remembered: the first %d are shown.", len(infos), mostStands))
		infos = infos[:mostStands]
	}
	if len(infos) == 0 {
		return out, nil
	}
	if q.To.IsZero() {
		for _, x := range infos {
			if x.Last.After(q.To) {
				q.To = x.Last
			}
		}
	}
	q.From, out.At = q.To, q.To
	t.q, t.infos = q, infos
	s := newSweep(a, t)
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	for i := range infos {
		x := s.subjects[infos[i].Prefix].stand()
		switch {
		case q.Hoster != "" || q.ASN != 0 || x.Prefix == q.Prefix:
			out.Prefixes = append(out.Prefixes, x)
		case x.Prefix.Bits() < q.Prefix.Bits():
			out.Covering = append(out.Covering, x)
		default:
			out.Covered = append(out.Covered, x)
		}
	}
	slices.Reverse(out.Covering) // the store has the shortest first
	return out, nil
}

// nearby finds the prefixes that an answer is about, and for a hoster whose AS numbers count. Of an address
// it asks for its longest prefix.
func (a *Asker) nearby(ctx context.Context, q *Asking, out *About, t *target) (infos []PrefixInfo, err error) {
	switch {
	case q.Hoster != "":
		out.Subject, t.q = q.Hoster, *q
		if err = a.findHoster(ctx, t); err == nil && len(t.infos) == 0 {
			out.Missing = append(out.Missing, fmt.Sprintf("Nothing is remembered of %s: no route of it was seen while depeer listened.", q.Hoster))
		}
		return t.infos, err
	case q.Addr.IsValid():
		out.Subject = q.Addr.String()
		t := &target{q: *q}
		if err := a.findAddr(ctx, t); err != nil {
			return nil, err
		}
		if !t.longest.IsValid() {
			out.Missing = append(out.Missing, nothingOf(out.Subject))
			return nil, nil
		}
		q.Prefix, out.Longest = t.longest, t.longest
	case q.Prefix.IsValid():
		out.Subject = q.Prefix.String()
	case q.ASN != 0:
		return a.originated(ctx, q, out)
	default:
		return nil, errors.New("the question names no hoster, prefix, AS or address")
	}
	infos, err = a.Reader.Prefixes(ctx, Scope{Prefix: q.Prefix, Covering: true, Covered: true})
	if err != nil {
		return nil, err
	}
	// What is around it comes first, so that it is not cut off.
	slices.SortStableFunc(infos, func(a, b PrefixInfo) int {
		return cmp.Compare(min(a.Prefix.Bits(), q.Prefix.Bits()+1), min(b.Prefix.Bits(), q.Prefix.Bits()+1))
	})
	if !slices.ContainsFunc(infos, func(x PrefixInfo) bool { return x.Prefix == q.Prefix }) {
		out.Missing = append(out.Missing, nothingOf(out.Subject))
	}
	return infos, nil
}

func (a *Asker) originated(ctx context.Context, q *Asking, out *About) ([]PrefixInfo, error) {
	out.Subject = bgp.ASN(q.ASN)
	infos, err := a.Reader.Prefixes(ctx, Scope{Origin: q.ASN})
	if err != nil {
		return nil, err
	}
	through, err := a.Reader.Prefixes(ctx, Scope{Through: q.ASN})
	if err != nil {
		return nil, err
	}
	out.Through = len(through)
	switch {
	case len(infos) == 0 && len(through) == 0:
		out.Missing = append(out.Missing, nothingOf(out.Subject))
	case len(infos) == 0:
		out.Missing = append(out.Missing, fmt.Sprintf("%s originated nothing that is remembered: it stands in the paths of %d prefixes of others. The memory follows what is watched.", out.Subject, len(through)))
	}
	return infos, nil
}

// nothingOf says why there is nothing.
func nothingOf(subject string) string {
	return fmt.Sprintf("Nothing is remembered of %s: the memory follows the prefixes of the hosters that are watched, of their customers (at most 256 of a hoster), and some of other networks behind the same upstreams, for comparison. It is none of these, or nobody announced it while depeer listened.", subject)
}

// stand is how the prefix stands after a sweep.
func (x *subject) stand() Stand {
	out := Stand{PrefixInfo: *x.info, Origins: []uint32{}, Upstreams: []uint32{}}
	for _, p := range x.pairs {
		if p == nil || p.v.away || !p.ever {
			continue
		}
		out.Eligible++
		if len(p.routes) > 0 {
			out.Peers++
		}
		for i := range p.routes {
			w := p.routes[i].way
			if w.origin != 0 {
				out.Origins = append(out.Origins, w.origin)
			}
			if w.upstream != 0 {
				out.Upstreams = append(out.Upstreams, w.upstream)
			}
		}
	}
	slices.Sort(out.Origins)
	slices.Sort(out.Upstreams)
	out.Origins, out.Upstreams = slices.Compact(out.Origins), slices.Compact(out.Upstreams)
	return out
}

// Steps looks this far at first, and then further and further: most steps are near.
const (
	firstLook  = time.Hour
	furtherOut = 8
)

var errFound = errors.New("found")

// neighbours finds the last change of the target's routes before a moment, and the first one
// after it; zero where there is none.
func (s *sweep) neighbours(ctx context.Context, at, believed time.Time) (previous, next time.Time, err error) {
	first, last := at, at
	for _, x := range s.target.infos {
		if x.First.Before(first) {
			first = x.First
		}
		if x.Last.After(last) {
			last = x.Last
		}
	}
	for look, to := firstLook, at.Add(-time.Microsecond); previous.IsZero() && !to.Before(first); look *= furtherOut {
		from := to.Add(-look)
		previous, _, err = s.look(ctx, from, to, believed, false)
		if err != nil {
			return previous, next, err
		}
		to = from
	}
	for look, from := firstLook, at; next.IsZero() && from.Before(last); look *= furtherOut {
		to := from.Add(look)
		_, next, err = s.look(ctx, from, to, believed, true)
		if err != nil {
			return previous, next, err
		}
		from = to
	}
	return previous, next, nil
}

// look finds the last change of a time (without its beginning), or the first one.
func (s *sweep) look(ctx context.Context, from, to, believed time.Time, one bool) (last, first time.Time, err error) {
	holds := map[bgp.Peer]bool{} // whether it ever held a route: that others come and go is no change
	err = s.a.Reader.Changes(ctx, Span{Prefixes: s.target.prefixes(), From: from, To: to, Believed: believed}, func(c *Change) error {
		if c.Prefix.IsValid() {
			holds[c.Peer] = holds[c.Peer] || c.Held()
		}
		if !c.At.After(from) || c.What == Known || !holds[c.Peer] {
			return nil
		}
		last = c.At
		if one {
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		return last, last, nil
	}
	return last, last, err
}
