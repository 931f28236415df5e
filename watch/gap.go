package watch

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"depeer/bgp/rib"
)

// Gap is a hole in what was seen: peers that were not heard between two moments.
// What happened there is not known unless it was filled from the archives.
// Peers of one collector that left in the same second for the same reason share a gap.
type Gap struct {
	Type      string     `json:"type"` // "gap"
	ID        string     `json:"id"`   // from the collector, the beginning and the reason
	Revision  int        `json:"revision"`
	Source    string     `json:"source,omitempty"` // the feed, where it is known
	Collector string     `json:"collector"`
	Reason    string     `json:"reason"` // "session lost", "feed lost", "silent", ...
	Cause     string     `json:"cause,omitempty"`
	From      time.Time  `json:"from"`
	To        *time.Time `json:"to"`     // null while it is open
	Peers     int        `json:"peers"`  // that left
	Away      int        `json:"away"`   // of them, not back yet
	Listed    []string   `json:"listed"` // of the peers, the first ten
	Filled    *time.Time `json:"filled"` // when the archives told what had been missed; null if not
}

// Touches reports whether the gap lies in part between two moments; a zero moment
// is no bound.
func (g *Gap) Touches(from, to time.Time) bool {
	return (to.IsZero() || !g.From.After(to)) && (from.IsZero() || g.To == nil || !g.To.Before(from))
}

const (
	maxGapListed = 10
	maxGaps      = 10_000 // kept in memory; beyond that the oldest closed ones go
)

// ledger is the gaps of all collectors, and who is in which.
type ledger struct {
	gaps    []*Gap             // in order of opening
	of      map[*rib.Peer]*Gap // open ones, by peer
	open    map[string]*Gap    // by id
	changed []*Gap             // since last asked, in order of first change
	pending map[string]bool    // ids in changed
	dropped uint64             // forgotten because there were too many
}

func newLedger() ledger {
	return ledger{of: map[*rib.Peer]*Gap{}, open: map[string]*Gap{}, pending: map[string]bool{}}
}

// left opens a gap for a peer, or adds it to the one of its fellows.
func (l *ledger) left(p *rib.Peer, source string, at time.Time) {
	if l.of[p] != nil {
		return
	}
	at = at.Truncate(time.Second)
	reason, cause := whyAway(p)
	id := stableID("gap", p.Collector, reason, cause, strconv.FormatInt(at.Unix(), 10))
	g := l.open[id]
	if g == nil {
		g = &Gap{Type: "gap", ID: id, Source: source, Collector: p.Collector, Reason: reason, Cause: cause, From: at, Listed: []string{}}
		l.open[id] = g
		l.gaps = append(l.gaps, g)
		l.trim()
	}
	g.Peers++
	g.Away++
	if len(g.Listed) < maxGapListed {
		g.Listed = append(g.Listed, p.String())
	}
	l.of[p] = g
	l.touch(g)
}

// joined takes a peer out of its gap, which ends with the last one.
func (l *ledger) joined(p *rib.Peer, at time.Time) {
	g := l.of[p]
	if g == nil {
		return
	}
	delete(l.of, p)
	g.Away--
	if g.Away == 0 {
		end := at.Truncate(time.Second)
		if end.Before(g.From) {
			end = g.From
		}
		g.To = &end
		delete(l.open, g.ID)
	}
	l.touch(g)
}

// fill notes that the archives have told what was missed.
func (l *ledger) fill(id string, at time.Time) {
	for _, g := range l.gaps {
		if g.ID == id && g.Filled == nil {
			at := at
			g.Filled = &at
			l.touch(g)
			return
		}
	}
}

func (l *ledger) touch(g *Gap) {
	if !l.pending[g.ID] {
		l.pending[g.ID] = true
		l.changed = append(l.changed, g)
		if len(l.changed) > maxGaps { // nobody asks
			delete(l.pending, l.changed[0].ID)
			l.changed = slices.Delete(l.changed, 0, 1)
		}
	}
}

// take gives the gaps that changed since it was last asked. A hole of no length is none.
func (l *ledger) take() []Gap {
	var out []Gap
	for _, g := range l.changed {
		if g.To != nil && g.To.Equal(g.From) {
			l.gaps = slices.DeleteFunc(l.gaps, func(x *Gap) bool { return x == g })
			if g.Revision == 0 {
				continue
			}
		}
		g.Revision++
		out = append(out, g.copy())
	}
	l.changed = l.changed[:0]
	clear(l.pending)
	return out
}

func (g *Gap) copy() Gap {
	c := *g
	c.Listed = slices.Clone(g.Listed)
	return c
}

func (l *ledger) trim() {
	for i := 0; len(l.gaps) > maxGaps && i < len(l.gaps); {
		if l.gaps[i].To == nil {
			i++
			continue
		}
		l.gaps = slices.Delete(l.gaps, i, i+1)
		l.dropped++
	}
}

// touching lists the gaps of the collectors that touch a span, newest first; all
// collectors where none is named.
func (l *ledger) touching(from, to time.Time, collectors map[string]bool) []Gap {
	out := []Gap{}
	for _, g := range l.gaps {
		if g.Touches(from, to) && (len(collectors) == 0 || collectors[g.Collector]) && (g.To == nil || g.To.After(g.From)) {
			out = append(out, g.copy())
		}
	}
	slices.SortStableFunc(out, func(a, b Gap) int { return cmp.Or(b.From.Compare(a.From), cmp.Compare(a.ID, b.ID)) })
	return out
}

// whyAway says why a peer's routes do not count, in the ledger's words.
func whyAway(p *rib.Peer) (reason, cause string) {
	switch {
	case p.Suspended:
		return "table lost", "most canaries are gone from it"
	case p.Missed:
		reason = "feed lost"
	case p.State == rib.Stale:
		return "silent", ""
	case p.State == rib.Syncing:
		reason = "sending its table again"
	default:
		reason = "session lost"
	}
	return reason, p.Cause.String()
}
