package watch

import (
	"slices"
	"time"
)

// story keeps the incidents: which events belong together, and where each
// hoster's story stands.
type story struct {
	new       []int // events of the present second, as indexes into Detector.events
	about     []*hoster
	revisions []Incident
	opened    int
}

// incident is a story that is being told.
type incident struct {
	Incident
	h         *hoster
	wasDark   bool              // it opened with the return of a dark hoster
	everDark  bool              // the hoster was dark in its course
	returned  bool              // and came back
	lost      map[*edge]float64 // edges lost in its course, with their share before
	gained    []*edge
	vias      []*edge
	prefixes  map[*prefix]bool // withdrawn in its course
	origins   map[*origin]bool
	again     [2]int         // how often an upstream was lost again, and the hoster dark again: one thing seen twice
	failed    map[*edge]bool // losses that were the upstream's own
	confirmed int64
	changed   int64 // last loss, gain or return
	backSince int64
	darkAt    int64
	backAt    int64
	dirty     bool
}

func (s *story) init(*Detector) {}

func (s *story) take() []Incident {
	out := s.revisions
	s.revisions = nil
	return out
}

// hear notes an event; it is told at the end of the second.
func (s *story) hear(d *Detector, h *hoster, _ *Event) {
	s.new = append(s.new, len(d.events)-1)
	s.about = append(s.about, h)
}

// tell adds the events of the second to their stories.
func (s *story) tell(d *Detector, t int64) {
	var touched []*incident
	for i, at := range s.new {
		ev, h := &d.events[at], s.about[i]
		if h == nil {
			continue
		}
		inc := h.incident
		if inc == nil {
			if !d.opens(ev, h, t) {
				continue
			}
			inc = d.open(ev, h, t)
			s.opened++
		}
		id := inc.ID
		ev.Incident = &id
		inc.add(d, ev, t)
		if !slices.Contains(touched, inc) {
			touched = append(touched, inc)
		}
	}
	s.new, s.about = s.new[:0], s.about[:0]
	for _, inc := range touched {
		if again := inc.judge(d, t); again > 0 {
			d.later(again, inc)
		}
	}
}

// opens reports whether an event begins a story. A prefix of many does not.
func (d *Detector) opens(ev *Event, h *hoster, t int64) bool {
	if h.dark && h.darkFrom < t && (ev.Kind == UpstreamLost || ev.Kind == TransitLost || ev.Kind == RouteWithdrawn) {
		return false // what little was left of a hoster that is dark
	}
	switch ev.Kind {
	case UpstreamLost, UpstreamGained, HosterDark, HosterReturned:
		return true
	case TransitLost:
		return !ev.UpstreamFailing
	case OriginNew:
		return ev.Severity != Info
	case RouteWithdrawn:
		all, live := h.space(d, t)
		for v := range all {
			if all[v] > 0 && all[v]-live[v] >= d.policy.IncidentSpace*all[v] {
				return true
			}
		}
	case UpstreamRestored:
		// Back after its loss had become normal: that is news.
		return ev.FirstSeen.Sub(h.own[0].lastLoss(ev)) > d.policy.NewNormal
	}
	return false
}

// lastLoss is when the upstream was lost, as far as the family knows.
func (f *family) lastLoss(ev *Event) time.Time {
	for _, g := range []*family{f.h.own[0], f.h.own[1], f.h.transit[0], f.h.transit[1]} {
		if e := g.edges[ev.Upstream]; e != nil && familyNumber(g.v6) == ev.Family && e.lostAt != 0 {
			return at(e.lostAt)
		}
	}
	return ev.FirstSeen
}

func (d *Detector) open(ev *Event, h *hoster, t int64) *incident {
	inc := &incident{h: h, lost: map[*edge]float64{}, prefixes: map[*prefix]bool{}, origins: map[*origin]bool{}, failed: map[*edge]bool{}, confirmed: t, changed: t}
	inc.Incident = Incident{Type: "incident", ID: stableID("incident", h.ID, ev.ID), Hoster: h.ID, Phase: Open,
		Opened: ev.FirstSeen, Confirmed: at(t), Events: []string{}}
	// What comes first in the second of the return was heard of a dark hoster, too.
	inc.wasDark = ev.Kind == HosterReturned || ev.Kind != HosterDark && (h.dark && h.darkFrom < t || h.lit == t)
	h.incident = inc
	return inc
}

// add takes an event into the story.
func (inc *incident) add(d *Detector, ev *Event, t int64) {
	h := inc.h
	inc.dirty = true
	defer func() { inc.Flaps = max(inc.again[0], inc.again[1]) }()
	inc.Events = append(inc.Events, ev.ID)
	if ev.FirstSeen.Before(inc.Opened) {
		inc.Opened = ev.FirstSeen
	}
	family := h.own[(ev.Family%4)/2]
	if !family.active() {
		family = h.transit[(ev.Family%4)/2]
	}
	switch ev.Kind {
	case UpstreamLost:
		e := family.edge(ev.Upstream)
		if _, again := inc.lost[e]; again {
			inc.again[0]++
		}
		inc.lost[e], inc.failed[e] = ev.Before, ev.UpstreamFailing
		h.lossLog = append(h.lossLog, t)
		inc.changed = t
	case TransitLost:
		e := family.viaEdge(ev.Via, ev.Upstream)
		inc.vias, inc.failed[e] = append(inc.vias, e), ev.UpstreamFailing
		inc.changed = t
	case UpstreamGained:
		if e := family.edge(ev.Upstream); !slices.Contains(inc.gained, e) {
			inc.gained = append(inc.gained, e)
		}
		inc.changed = t
	case UpstreamRestored:
		if inc.wasDark || len(inc.lost) == 0 {
			if e := family.edge(ev.Upstream); !slices.Contains(inc.gained, e) {
				inc.gained = append(inc.gained, e)
			}
		}
	case RouteWithdrawn:
		if p := find(d.prefixes[*ev.Prefix], h); p != nil {
			inc.prefixes[p] = true
		}
	case HosterDark:
		if inc.everDark {
			inc.again[1]++
		}
		inc.everDark, inc.darkAt, inc.changed = true, ev.FirstSeen.Unix(), t
	case HosterReturned:
		inc.returned, inc.backAt, inc.changed = true, ev.FirstSeen.Unix(), t
	case OriginNew:
		if p := find(d.prefixes[*ev.Prefix], h); p != nil && p.origins[ev.Origin] != nil {
			inc.origins[p.origins[ev.Origin]] = true
		}
		inc.changed = t
	}
}

func (inc *incident) rank() rank {
	return rank{hoster: inc.h.index, kind: rankIncident, key: [4]uint64{uint64(inc.confirmed)}}
}

// judge brings the story up to date, and publishes a revision where it changed.
func (inc *incident) judge(d *Detector, t int64) (again int64) {
	if inc.Phase == Resolved {
		return 0
	}
	again = inc.doubt(d, t)
	if len(inc.origins) > 0 && inc.class(d, t) != inc.Class {
		inc.dirty = true // who began with a few peers has all of them by now, or the other way round
	}
	back := inc.atBaseline(d, t)
	switch {
	case !back:
		if inc.Phase == Recovering {
			inc.Phase, inc.dirty = Open, true
		}
		inc.backSince = 0
	case inc.Phase == Open:
		inc.Phase, inc.backSince, inc.dirty = Recovering, t, true
	}
	// What flapped must be calm for longer, so that it stays one story.
	resolve := int64(d.policy.Resolve.Seconds()) * int64(1+min(inc.Flaps, 5))
	normal := inc.changed + int64(d.policy.NewNormal.Seconds())
	switch {
	case back && t >= inc.backSince+resolve:
		inc.resolve(d, t, Recovered)
	case t >= normal && !back:
		inc.resolve(d, t, NewNormal)
	case back:
		again = soonest(again, inc.backSince+resolve)
	default:
		// It may creep back without any further event: look now and then.
		again = soonest(again, min(normal, t+60))
	}
	inc.publish(d, t)
	return again
}

func (inc *incident) resolve(d *Detector, t int64, how string) {
	when := at(t)
	inc.Phase, inc.Resolved, inc.Resolution, inc.dirty = Resolved, &when, &how, true
	inc.h.incident = nil
}

// atBaseline reports whether all is as it was before the story began.
func (inc *incident) atBaseline(d *Detector, t int64) bool {
	if inc.wasDark {
		for _, e := range inc.gained {
			if !inc.returned && e.pairs.n > 0 {
				return false // it is on its way back
			}
		}
		return inc.h.dark
	}
	if inc.h.dark {
		return false
	}
	for e := range inc.lost {
		if e.pairs.mode == lost || float64(e.pairs.n) < d.policy.ResolveAbove*min(e.pairs.base(t, d.edges), e.lostRef) {
			return false
		}
	}
	for _, e := range inc.vias {
		if e.pairs.mode == lost {
			return false
		}
	}
	for p := range inc.prefixes {
		if p.sight.mode == lost {
			return false
		}
	}
	for o := range inc.origins {
		if o.told {
			return false
		}
	}
	if len(inc.lost)+len(inc.vias)+len(inc.prefixes)+len(inc.origins) == 0 && !inc.everDark {
		for _, e := range inc.gained { // nothing was lost: it is over when what came is gone
			if e.pairs.n > 0 {
				return false
			}
		}
	}
	return true
}

// publish writes a revision, where something changed.
func (inc *incident) publish(d *Detector, t int64) {
	if !inc.dirty {
		return
	}
	inc.dirty = false
	before := inc.Incident
	inc.describe(d, t)
	if inc.Revision > 0 && before.Summary == inc.Summary && before.Phase == inc.Phase && before.Class == inc.Class {
		return // one more prefix of the same: the next revision lists it
	}
	inc.Revision++
	inc.At = at(t)
	out := inc.Incident
	out.Lost, out.Remaining, out.Gained = slices.Clone(inc.Lost), slices.Clone(inc.Remaining), slices.Clone(inc.Gained)
	out.Prefixes, out.Events, out.Origins = slices.Clone(inc.Prefixes), slices.Clone(inc.Events), slices.Clone(inc.Origins)
	d.story.revisions = append(d.story.revisions, out)
}
