package cnc

import (
	"net/netip"
	"slices"
	"time"

	"depeer/watch"
)

// hoster is a watched hoster and what its routes did.
type hoster struct {
	ID, Name  string
	ASNs      []uint32
	Listed    []netip.Prefix // of the watchlist
	Learned   []netip.Prefix // that events named as its own
	Upstreams []uint32
	Valid     watch.Validity
	Facts     []fact // in order of onset
	Incidents map[string]*incidentFact
	Moves     map[netip.Prefix]*moveFact
	changed   bool
}

// fact is an event, as far as the judgement needs it.
type fact struct {
	ID        string
	Kind      watch.EventKind
	Onset, At int64
	Upstream  uint32
	Via       uint32
	Origin    uint32
	Family    int
	Prefix    netip.Prefix
	Prefixes  []netip.Prefix
	Incident  string
	Failing   bool // the upstream's own failure
	RPKI      string
	Before    float64
	After     float64
	Behind    uint32 // origin.new: the AS before the new origin
}

type incidentFact struct {
	Class  watch.Class
	Opened int64
	Ended  int64
	Lost   []uint32
	Gained []uint32
}

// moveFact is a prefix of the hoster that comes from another AS.
type moveFact struct {
	To    uint32
	Since int64
	Until int64 // 0 while it does
}

const (
	maxFacts   = 4000
	maxLearned = 4000
)

// holds reports whether a host is the hoster's: by the origin of its route, or where
// that is not known by its address.
func (h *hoster) holds(a netip.Addr, origins []uint32, p *Place) bool {
	if len(origins) > 0 {
		return slices.ContainsFunc(origins, func(o uint32) bool { return slices.Contains(h.ASNs, o) })
	}
	if p != nil && p.Hoster == h.ID {
		return true
	}
	if !a.IsValid() || len(h.ASNs) == 0 {
		return false
	}
	in := func(q netip.Prefix) bool { return q.Contains(a) }
	return slices.ContainsFunc(h.Listed, in) || slices.ContainsFunc(h.Learned, in)
}

// moved gives the prefix around an address that came from somebody else at a moment.
func (h *hoster) moved(a netip.Addr, t int64) (best netip.Prefix, m *moveFact) {
	for p, x := range h.Moves {
		if p.Contains(a) && t >= x.Since && (x.Until == 0 || t < x.Until) && (m == nil || p.Bits() > best.Bits()) {
			best, m = p, x
		}
	}
	return best, m
}

func (h *hoster) event(e *watch.Event) {
	f := fact{ID: e.ID, Kind: e.Kind, Onset: e.FirstSeen.Unix(), At: e.At.Unix(), Upstream: e.Upstream, Via: e.Via, Origin: e.Origin,
		Family: e.Family, Failing: e.UpstreamFailing, RPKI: e.RPKI, Before: e.Before, After: e.After}
	if e.Incident != nil {
		f.Incident = *e.Incident
	}
	if e.Prefix != nil {
		f.Prefix = *e.Prefix
	}
	switch e.Kind {
	case watch.OriginNew:
		f.Behind = behind(e)
		if !slices.Contains(h.ASNs, e.Origin) {
			h.Moves[f.Prefix] = &moveFact{To: e.Origin, Since: f.Onset}
		}
	case watch.OriginGone:
		if m := h.Moves[f.Prefix]; m != nil && m.To == e.Origin && m.Until == 0 {
			m.Until = f.Onset
		}
	case watch.RouteWithdrawn, watch.PrefixNew:
		h.learn(f.Prefix)
	case watch.HosterDark, watch.HosterReturned, watch.UpstreamLost, watch.UpstreamGained, watch.UpstreamRestored, watch.TransitLost:
		for _, p := range e.Prefixes {
			h.learn(p)
		}
	default:
		return
	}
	if slices.ContainsFunc(h.Facts, func(o fact) bool { return o.ID == f.ID }) {
		return
	}
	i, _ := slices.BinarySearchFunc(h.Facts, f, compareFacts)
	h.Facts = slices.Insert(h.Facts, i, f)
	if len(h.Facts) > maxFacts {
		h.Facts = slices.Delete(h.Facts, 0, len(h.Facts)-maxFacts)
	}
	h.changed = true
}

func compareFacts(a, b fact) int {
	if a.Onset != b.Onset {
		return int(min(max(a.Onset-b.Onset, -1), 1))
	}
	if a.ID < b.ID {
		return -1
	} else if a.ID > b.ID {
		return 1
	}
	return 0
}

// behind is the AS before the new origin in the paths of the evidence.
func behind(e *watch.Event) uint32 {
	for i := range e.Evidence {
		hops := e.Evidence[i].Path.Hops(nil)
		if n := len(hops); n > 1 && hops[n-1].ASN == e.Origin {
			return hops[n-2].ASN
		}
	}
	return 0
}

func (h *hoster) learn(p netip.Prefix) {
	if p.IsValid() && len(h.Learned) < maxLearned && !slices.Contains(h.Learned, p) {
		h.Learned = append(h.Learned, p)
	}
}

func (h *hoster) incident(i *watch.Incident) {
	x := h.Incidents[i.ID]
	if x == nil {
		x = &incidentFact{}
		h.Incidents[i.ID] = x
	}
	x.Class, x.Opened, x.Lost, x.Gained = i.Class, i.Opened.Unix(), i.Lost, i.Gained
	if i.Resolved != nil {
		x.Ended = i.Resolved.Unix()
	}
	h.changed = true
}

func (h *hoster) forget(before int64) {
	h.Facts = slices.DeleteFunc(h.Facts, func(f fact) bool { return f.Onset < before })
	for id, i := range h.Incidents {
		if i.Opened < before && i.Ended != 0 && i.Ended < before {
			delete(h.Incidents, id)
		}
	}
}

// class is that of the incident of a fact, "" where it belongs to none.
func (h *hoster) class(f *fact) watch.Class {
	if i := h.Incidents[f.Incident]; i != nil {
		return i.Class
	}
	return ""
}

// real reports whether a fact is one about the hoster: not the failure of an upstream
// that took many with it, nor somebody else's announcement of its space.
func (h *hoster) real(f *fact) bool {
	class := h.class(f)
	switch f.Kind {
	case watch.UpstreamLost, watch.TransitLost:
		return !f.Failing && class != watch.UpstreamFailure
	case watch.HosterDark:
		return class != watch.UpstreamFailure
	case watch.OriginNew:
		return class != watch.HijackSuspect && f.RPKI != "invalid" && !h.brieflyMoved(f) && !slices.Contains(h.ASNs, f.Origin)
	}
	return false
}

// brieflyMoved reports whether what came from another AS went back within a day: a
// leak, or a hijack.
func (h *hoster) brieflyMoved(f *fact) bool {
	m := h.Moves[f.Prefix]
	return m != nil && m.To == f.Origin && m.Until != 0 && m.Until-m.Since < 86400
}

// chain is a cut: losses no further apart than Config.Chain.
type chain struct {
	facts    []*fact // that are real, in order
	start    int64   // onset of the first
	dark     []span  // Last 0 while it lasts
	incident string  // of the first fact that has one
}

// chains are the cuts of a hoster, in order.
func (h *hoster) chains(gap time.Duration) []chain {
	var out []chain
	for i := range h.Facts {
		f := &h.Facts[i]
		if f.Kind == watch.HosterReturned && len(out) > 0 {
			c := &out[len(out)-1]
			if n := len(c.dark); n > 0 && c.dark[n-1].Last == 0 {
				c.dark[n-1].Last = f.Onset
			}
		}
		if !h.real(f) {
			continue
		}
		if len(out) == 0 || f.Onset-out[len(out)-1].last() > int64(gap/time.Second) {
			out = append(out, chain{start: f.Onset})
		}
		c := &out[len(out)-1]
		c.facts = append(c.facts, f)
		if c.incident == "" {
			c.incident = f.Incident
		}
		if f.Kind == watch.HosterDark {
			c.dark = append(c.dark, span{First: f.Onset})
		}
	}
	return out
}

func (c *chain) last() int64 { return c.facts[len(c.facts)-1].Onset }

// darkAt reports whether the hoster was dark at a moment, as far as the cut goes.
func (c *chain) darkAt(t int64) bool {
	return slices.ContainsFunc(c.dark, func(s span) bool { return t >= s.First && (s.Last == 0 || t < s.Last) })
}

// back is the last return before or at a moment: when the hoster was back in between.
func (c *chain) back(t int64) (span, bool) {
	for i, s := range c.dark {
		if s.Last == 0 || s.Last > t {
			continue
		}
		end := int64(0)
		if i+1 < len(c.dark) {
			end = c.dark[i+1].First
		}
		if end == 0 || t <= end {
			return span{s.Last, end}, true
		}
	}
	return span{}, false
}
