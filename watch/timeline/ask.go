package timeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/watch"
)

// Asker answers questions from what a Reader gives. It computes and keeps nothing; its
// methods may be called from many goroutines.
//
// # What counts
//
// A peer's word on a prefix is a pair. A pair is eligible from the moment at which the
// peer held the prefix for the first time within Baseline before the period (or from Asking.Since on,
// where that is earlier) or since, for as long as the peer is heard: after Left it is not, until Joined. Visibility is
// the share of the eligible pairs that hold a route; the share of an upstream or of an
// origin is that of the eligible pairs whose route runs along it. So much a store can know: not which
// peers had a full table and never held the prefix, nor which are stuck with a route (the
// judgement leaves both out, DESIGN section 6).
//
// The upstream of a route is the AS left of the hoster's leftmost AS in the path, or of
// the origin where the path passes no AS of a hoster; a set has none, and is none.
// Shares of upstreams count routes that pass the hoster alone.
//
// Between two recordings, and after the last of them, the peers of a collector are not heard,
// unless a process listened meanwhile (Coverage); what the later recording does not tell
// again is forgotten when it begins: it is neither held nor withdrawn.
//
// Everything at one moment is one fact: what was withdrawn and announced again within it
// leaves no trace in an answer.
type Asker struct {
	Reader   Reader
	Hosters  []watch.Hoster // whose AS numbers and names are known
	Baseline time.Duration  // 0: 7 days
}

const baseline = 7 * 24 * time.Hour

// ErrNothing says that nothing was ever stored of what was asked about.
var ErrNothing = errors.New("nothing is known")

// target is what a question is about.
type target struct {
	q       Asking
	title   string
	subject string
	hoster  *watch.Hoster // nil where it is about none, or several
	group   *group        // of all its prefixes; nil: each has its own
	infos   []PrefixInfo
	longest netip.Prefix
}

func (t *target) prefixes() []netip.Prefix {
	out := make([]netip.Prefix, len(t.infos))
	for i := range t.infos {
		out[i] = t.infos[i].Prefix
	}
	return out
}

// find reads what the question names.
func (a *Asker) find(ctx context.Context, q Asking) (*target, error) {
	t := &target{q: q}
	var err error
	switch {
	case q.Hoster != "":
		err = a.findHoster(ctx, t)
	case q.Prefix.IsValid():
		err = a.findPrefix(ctx, t, q.Prefix)
	case q.ASN != 0:
		err = a.findASN(ctx, t)
	case q.Addr.IsValid():
		err = a.findAddr(ctx, t)
	default:
		err = errors.New("the question names no hoster, prefix, AS or address")
	}
	if err != nil {
		return nil, err
	}
	if err := t.bound(); err != nil {
		return nil, err
	}
	return t, nil
}

// bound gives a period without bounds those of what is known.
func (t *target) bound() error {
	if q := &t.q; !q.From.IsZero() && !q.To.IsZero() && q.To.Before(q.From) {
		return fmt.Errorf("the period ends (%s) before it begins (%s)", stamp(q.To), stamp(q.From))
	}
	if len(t.infos) == 0 {
		return fmt.Errorf("%w of %s", ErrNothing, t.subject)
	}
	first, last := t.infos[0].First, t.infos[0].Last
	for _, x := range t.infos {
		if x.First.Before(first) {
			first = x.First
		}
		if x.Last.After(last) {
			last = x.Last
		}
	}
	if t.q.From.IsZero() {
		t.q.From = first
		if !t.q.To.IsZero() && t.q.To.Before(first) {
			t.q.From = t.q.To
		}
	}
	if t.q.To.IsZero() {
		t.q.To = last
		if last.Before(t.q.From) {
			t.q.To = t.q.From
		}
	}
	return nil
}

// Known gives when the first and the last change of what is asked about was.
func (a *Asker) Known(ctx context.Context, q Asking) (first, last time.Time, err error) {
	q.From, q.To = time.Time{}, time.Time{}
	t, err := a.find(ctx, q)
	if err != nil {
		return first, last, err
	}
	return t.q.From, t.q.To, nil
}

func (a *Asker) findHoster(ctx context.Context, t *target) (err error) {
	t.subject, t.title = t.q.Hoster, t.q.Hoster
	t.group = &group{}
	if t.hoster = a.hoster(t.q.Hoster); t.hoster != nil {
		t.title = t.hoster.Title()
		t.group = &group{asns: t.hoster.ASNs, allowed: t.hoster.AllowedOrigins}
	} else {
		t.hoster = &watch.Hoster{ID: t.q.Hoster}
	}
	t.infos, err = a.Reader.Prefixes(ctx, Scope{Hoster: t.q.Hoster})
	return err
}

func (a *Asker) findPrefix(ctx context.Context, t *target, p netip.Prefix) (err error) {
	t.title, t.subject = p.String(), p.String()
	t.infos, err = a.Reader.Prefixes(ctx, Scope{Prefix: p})
	if err == nil && len(t.infos) == 1 && len(t.infos[0].Hosters) == 1 {
		t.hoster = a.hoster(t.infos[0].Hosters[0])
	}
	return err
}

func (a *Asker) findASN(ctx context.Context, t *target) (err error) {
	t.subject = bgp.ASN(t.q.ASN)
	t.title = t.subject
	t.group = &group{asns: []uint32{t.q.ASN}}
	for i := range a.Hosters {
		if h := &a.Hosters[i]; slices.Contains(h.ASNs, t.q.ASN) {
			t.hoster, t.title = h, t.subject+" "+h.Title()
			t.group.allowed = h.AllowedOrigins
		}
	}
	t.infos, err = a.Reader.Prefixes(ctx, Scope{Origin: t.q.ASN})
	if err == nil && len(t.infos) == 0 {
		t.infos, err = a.Reader.Prefixes(ctx, Scope{Through: t.q.ASN})
	}
	return err
}

// findAddr takes the longest prefix that anybody held at the end of the period, or else
// within it, or else ever.
func (a *Asker) findAddr(ctx context.Context, t *target) error {
	t.subject = t.q.Addr.String()
	list, err := a.Covering(ctx, netip.PrefixFrom(t.q.Addr, t.q.Addr.BitLen()), t.q.To, t.q.Believed)
	if err != nil || len(list) == 0 {
		return err
	}
	best := list[0]
	for _, x := range list[1:] {
		if x.Peers > 0 && best.Peers == 0 {
			best = x
		}
	}
	if best.Peers == 0 && !t.q.From.IsZero() {
		for _, x := range list {
			if !x.Last.Before(t.q.From) {
				best = x
				break
			}
		}
	}
	t.longest = best.Prefix
	return a.findPrefix(ctx, t, best.Prefix)
}

// Cover is a prefix that covers what was asked for.
type Cover struct {
	PrefixInfo
	Peers int `json:"peers"` // that are heard and held it at that moment
}

// Covering lists the prefixes that were ever stored and that cover p, p itself among
// them, the longest first, with how many peers held each at a moment (zero: at the end).
func (a *Asker) Covering(ctx context.Context, p netip.Prefix, at, believed time.Time) ([]Cover, error) {
	infos, err := a.Reader.Prefixes(ctx, Scope{Prefix: p.Masked(), Covering: true})
	if err != nil || len(infos) == 0 {
		return nil, err
	}
	out, last := make([]Cover, len(infos)), time.Time{}
	for i := range infos {
		out[i].PrefixInfo = infos[i]
		if infos[i].Last.After(last) {
			last = infos[i].Last
		}
	}
	if at.IsZero() {
		at = last
	}
	slices.SortFunc(out, func(a, b Cover) int { return cmp.Compare(b.Prefix.Bits(), a.Prefix.Bits()) })
	s := newSweep(a, &target{infos: infos})
	if err := s.state(ctx, at, believed); err != nil {
		return nil, err
	}
	for i := range out {
		for _, p := range s.subjects[out[i].Prefix].pairs {
			if p != nil && len(p.routes) > 0 && !p.v.away {
				out[i].Peers++
			}
		}
	}
	return out, nil
}

func (a *Asker) hoster(id string) *watch.Hoster {
	for i := range a.Hosters {
		if a.Hosters[i].ID == id {
			return &a.Hosters[i]
		}
	}
	return nil
}

func (a *Asker) before(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(-cmp.Or(a.Baseline, baseline))
}

// Gaps lists the gaps in what was seen that touch a period, in their latest revision,
// oldest first, and the times between recordings.
func (a *Asker) Gaps(ctx context.Context, from, to, believed time.Time) ([]watch.Gap, error) {
	list, _, err := a.Reader.Records(ctx, RecordQuery{Kinds: []RecordKind{Gap}, From: from, To: to, Believed: believed, Latest: true})
	if err != nil {
		return nil, err
	}
	out, err := decodeAll(list, func(g *watch.Gap) bool { return g.Touches(from, to) && (g.To == nil || g.To.After(g.From)) })
	if err != nil {
		return nil, err
	}
	covered, err := a.covered(ctx, believed)
	if more := gapsOf(holesOf(covered), from, to); len(more) > 0 {
		out = append(out, more...)
		slices.SortStableFunc(out, func(a, b watch.Gap) int { return a.From.Compare(b.From) })
	}
	return out, err
}

// decodeAll reads the bodies of records, and keeps those that keep wants; never nil.
func decodeAll[T any](list []Record, keep func(*T) bool) ([]T, error) {
	out := make([]T, 0, len(list))
	for i := range list {
		var x T
		if err := json.Unmarshal(list[i].Body, &x); err != nil {
			return nil, fmt.Errorf("%s %s, revision %d: %w", list[i].Kind, list[i].ID, list[i].Revision, err)
		}
		if keep == nil || keep(&x) {
			out = append(out, x)
		}
	}
	return out, nil
}

// quiet is how long after the last change an answer says that there was none: the routes
// of a memory that nobody fed any more look as if they had stayed.
const quiet = 15 * time.Minute

// missing says what could not be seen: never nil.
func missing(s *sweep, gaps []watch.Gap, q *Asking) []string {
	out := []string{}
	first, last := time.Time{}, time.Time{}
	for _, x := range s.target.infos {
		if first.IsZero() || x.First.Before(first) {
			first = x.First
		}
		if x.Last.After(last) {
			last = x.Last
		}
	}
	if q.To.Sub(last) > quiet && !s.listened(q.To) {
		out = append(out, fmt.Sprintf("Nothing was recorded of it after %s: it is shown as it was then, which holds only if depeer went on listening.", stamp(last)))
	}
	if first.After(q.From) {
		out = append(out, fmt.Sprintf("Nothing was recorded of it before %s: what was so until then is not known.", stamp(first)))
	}
	learned, whole := s.known()
	switch {
	case whole == 0 && learned > 0:
		out = append(out, "No table (RIB) told what the peers held before: a route that never changed while they were watched was not seen.")
	case learned > 0:
		out = append(out, fmt.Sprintf("Of %d of the %d peers no table (RIB) told what they held before: a route of theirs that never changed was not seen.", learned, learned+whole))
	}
	var away []string
	for _, v := range s.order {
		if v.away && len(v.pairs) > 0 {
			away = append(away, v.String())
		}
	}
	if n := len(away); n > 0 {
		slices.Sort(away)
		if n > 3 {
			away = append(away[:3], fmt.Sprintf("%d more", n-3))
		}
		out = append(out, fmt.Sprintf("At the end %d of the peers that had it were not heard: %s. What they said last is known, not what they hold.", n, strings.Join(away, ", ")))
	}
	open, filled := 0, 0
	for i := range gaps {
		switch {
		case gaps[i].Filled != nil:
			filled++
		case gaps[i].To == nil:
			open++
		}
	}
	if n := len(gaps); n > 0 {
		text := fmt.Sprintf("%d gaps in what was seen touch it", n)
		if n == 1 {
			text = "1 gap in what was seen touches it"
		}
		if open > 0 {
			text += fmt.Sprintf(", %d still open", open)
		}
		if filled > 0 {
			text += fmt.Sprintf(", %d filled from the archives since", filled)
		}
		out = append(out, text+": the peers in a gap count neither for nor against.")
	}
	if !q.Believed.IsZero() {
		out = append(out, fmt.Sprintf("This is what had been recorded by %s; what became known later is left out.", stamp(q.Believed)))
	}
	return out
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }
