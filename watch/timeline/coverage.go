package timeline

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"depeer/watch"
)

// Coverage is a time in which somebody listened for the store: a process that ran, or a
// collector that recorded what was filled in later. Where a collector is covered at some
// times, its peers are not heard at others: between two recordings nobody knows.
type Coverage struct {
	Collector string    `json:"collector,omitempty"` // "": all that were configured; what such a process did not hear is told by its own gaps
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Recorded  time.Time `json:"recorded"`
}

// KeptCoverage is what the names of [Batch].Kept begin with that hold coverage, as
// [EncodeCoverage] writes it; each writer has a name of its own.
const KeptCoverage = "coverage/"

// EncodeCoverage writes a list for Batch.Kept.
func EncodeCoverage(list []Coverage) ([]byte, error) { return json.Marshal(list) }

// DecodeCoverage reads what EncodeCoverage wrote.
func DecodeCoverage(body []byte) (out []Coverage, err error) {
	if len(body) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, fmt.Errorf("coverage: %w", err)
	}
	return out, nil
}

// hole is a time in which nobody listened to a collector, between others in which somebody did,
// or after the last of them.
type hole struct {
	collector string
	from, to  time.Time // a zero to: until now
}

// over reports whether the hole had ended by a moment.
func (h *hole) over(at time.Time) bool { return !h.to.IsZero() && !h.to.After(at) }

// begun reports whether the hole is to be reckoned with at a moment: recordings end a little
// before the time that they are of.
func (h *hole) begun(at time.Time) bool { return h.from.Add(quiet).Before(at) }

// holesOf gives the holes of all collectors that are named, by their beginnings.
func holesOf(list []Coverage) (out []hole) {
	of := map[string][]Coverage{}
	var all []Coverage
	for _, c := range list {
		if c.Collector == "" {
			all = append(all, c)
		} else {
			of[c.Collector] = append(of[c.Collector], c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		spans := append(of[name], all...)
		slices.SortFunc(spans, func(a, b Coverage) int { return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To)) })
		end := spans[0].To
		for _, c := range spans[1:] {
			if c.From.Sub(end) > quiet {
				out = append(out, hole{name, end, c.From})
			}
			if c.To.After(end) {
				end = c.To
			}
		}
		out = append(out, hole{collector: name, from: end})
	}
	slices.SortStableFunc(out, func(a, b hole) int { return a.from.Compare(b.from) })
	return out
}

// covered reads when somebody listened, as far as it was known.
func (a *Asker) covered(ctx context.Context, believed time.Time) ([]Coverage, error) {
	list, err := a.Reader.Coverage(ctx)
	return slices.DeleteFunc(list, func(c Coverage) bool { return !believed.IsZero() && c.Recorded.After(believed) || c.To.Before(c.From) }), err
}

// listened reports whether it is known of every peer that somebody listened to it at a moment, or that nobody
// did: then it is among the gaps.
func (s *sweep) listened(at time.Time) bool {
	for _, v := range s.order {
		if !slices.ContainsFunc(s.covered, func(c Coverage) bool {
			return c.Collector == v.Collector || c.Collector == "" && !c.From.After(at) && at.Sub(c.To) <= quiet
		}) {
			return false
		}
	}
	return len(s.order) > 0
}

const notRecorded = "nothing was recorded"

// gapsOf tells the holes that touch a period as gaps, those of several collectors at one
// time as one.
func gapsOf(holes []hole, from, to time.Time) (out []watch.Gap) {
	type when struct{ from, to time.Time }
	of := map[when]int{}
	for i := range holes {
		h := &holes[i]
		if !to.IsZero() && !h.begun(to) || h.over(from) && !from.IsZero() || to.IsZero() && h.to.IsZero() {
			continue
		}
		key := when{h.from, h.to}
		if n, ok := of[key]; ok {
			g := &out[n]
			g.Collector += ", " + h.collector
			continue
		}
		g := watch.Gap{Type: "gap", Revision: 1, Collector: h.collector, Reason: notRecorded, From: h.from, Listed: []string{}}
		if !h.to.IsZero() {
			g.To = &h.to
		}
		of[key] = len(out)
		out = append(out, g)
	}
	for i := range out {
		out[i].ID = strings.ReplaceAll(fmt.Sprintf("unrecorded-%s-%d", out[i].Collector, out[i].From.Unix()), ", ", "+")
	}
	return out
}

// take takes in a change of a span that begins at from, and before it what was not recorded.
func (s *sweep) take(c *Change, from time.Time) {
	if !from.IsZero() && !c.At.After(from) {
		s.stand(c, from)
		return
	}
	s.lapse(c.At)
	if v := s.peers[c.Peer]; v != nil && v.lapsed {
		s.rejoin(v, c.At)
	}
	s.apply(c)
}

// stand takes in what was so at the beginning of a span, as long as somebody listened since it was told.
func (s *sweep) stand(c *Change, from time.Time) {
	var first *hole
	for i := range s.holes {
		h := &s.holes[i]
		if h.collector != c.Peer.Collector || h.from.Before(c.At) || !h.begun(from) {
			continue
		}
		if first == nil {
			first = h
		}
		if c.Prefix.IsValid() && h.over(from) {
			return // what was held before it, the next recording tells again, or it is not known
		}
	}
	if first == nil {
		s.apply(c)
		return
	}
	if !c.Prefix.IsValid() && c.What == Joined {
		x := *c
		x.At, x.What, x.Cause = first.from, Left, notRecorded
		c = &x
	}
	s.apply(c)
	s.peers[c.Peer].lapsed = true
}

// lapse lets peers fall silent whose recordings end before a moment.
func (s *sweep) lapse(until time.Time) {
	for ; s.lapsed < len(s.holes) && s.holes[s.lapsed].begun(until); s.lapsed++ {
		h := &s.holes[s.lapsed]
		for _, v := range s.order {
			if v.Collector != h.collector {
				continue
			}
			if v.lapsed = true; !v.away {
				s.apply(&Change{At: h.from, What: Left, Peer: v.Peer, Cause: notRecorded})
			}
		}
	}
}

// rejoin lets a peer speak that another recording tells of: what it held before, it tells
// again, or it is not known.
func (s *sweep) rejoin(v *vantage, at time.Time) {
	if s.counts != nil {
		s.counts.reach(at)
	}
	v.lapsed = false
	for _, p := range v.pairs {
		for len(p.routes) > 0 {
			s.change(p, 0, nil, at)
		}
		p.ever = false
	}
	if v.away {
		s.apply(&Change{At: at, What: Joined, Peer: v.Peer})
	}
}
