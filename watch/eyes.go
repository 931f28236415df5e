package watch

import (
	"cmp"
	"slices"
	"time"

	"depeer/bgp"
	"depeer/bgp/rib"
)

// eyes is a live feed: whether it hears what it is meant to hear, and whom.
type eyes struct {
	name  string
	index int
	run   time.Time
	ends  bgp.Kind // what its end means for its peers, 0 for nothing
	until int64    // Unix nanoseconds
	delay time.Duration
	ended bool // its process is gone, and its peers were told so

	met        bool
	ready      bool
	busy       bool
	reason     string
	since      int64 // second of the present values
	blind      bool  // its loss was told
	peers      map[bgp.Peer]struct{}
	collectors map[string]struct{}
}

// hears reports whether the feed is there to say what becomes of its peers.
func (e *eyes) hears() bool { return !e.ended && e.ready }

// speaks notes whose words come through this feed.
func (e *eyes) speaks(d *Detector, p bgp.Peer) {
	if _, ok := e.peers[p]; ok {
		return
	}
	e.peers[p] = struct{}{}
	if _, ok := e.collectors[p.Collector]; !ok {
		e.collectors[p.Collector] = struct{}{}
		f := d.feedOf(p.Collector)
		if f.source == "" {
			f.source = e.name
		}
		f.delay = int64(e.delay / time.Second)
	}
}

// list gives the peers in order.
func (e *eyes) list() []bgp.Peer {
	out := make([]bgp.Peer, 0, len(e.peers))
	for p := range e.peers {
		out = append(out, p)
	}
	slices.SortFunc(out, bgp.Peer.Compare)
	return out
}

func (e *eyes) set(d *Detector, ready, busy bool, reason string, t int64) {
	if !e.met || e.ready != ready || e.busy != busy {
		e.met, e.ready, e.busy, e.since = true, ready, busy, t
	}
	e.reason = reason
	for c := range e.collectors {
		d.feedOf(c).delay = int64(e.delay / time.Second)
	}
	if e.ready == e.blind {
		d.mark(e)
	}
}

func (e *eyes) rank() rank { return rank{hoster: ofFeeds, kind: 1, key: [4]uint64{uint64(e.index)}} }

func (e *eyes) judge(d *Detector, t int64) int64 {
	switch {
	case e.busy:
	case !e.ready && !e.blind:
		if end := e.since + d.edges.hold; t < end {
			return end
		}
		e.blind = true
		d.sourceEvent(e, FeedLost, t)
	case e.ready && e.blind:
		e.blind = false
		d.sourceEvent(e, FeedRestored, t)
	}
	return 0
}

// sourceEvent tells that a whole feed was lost, or is back.
func (d *Detector) sourceEvent(e *eyes, kind EventKind, t int64) {
	ev := d.newEvent(kind, nil, e.since, t)
	ev.Source, ev.Reason = e.name, e.reason
	ev.Severity = Warning
	for c := range e.collectors {
		ev.Sources = append(ev.Sources, c)
	}
	slices.Sort(ev.Sources)
	for _, p := range d.table.Peers() {
		if _, ok := e.peers[p.Peer]; !ok {
			continue
		}
		if p.State == rib.Up {
			ev.Eligible++
		} else if p.Seen() {
			ev.PeersLost++
		}
	}
	if n := float64(ev.Eligible + ev.PeersLost); n > 0 {
		ev.Before, ev.After = 1, share(float64(ev.Eligible), n)
	}
	if kind == FeedRestored {
		ev.Severity, ev.PeersLost = Info, 0
		ev.Before, ev.After = 0, 1
	}
	d.emit(ev, nil)
}

// Eyes is how a feed stands in the judgement.
type Eyes struct {
	Source     string    `json:"source"`
	Ready      bool      `json:"ready"`
	Reason     string    `json:"reason,omitempty"`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"` // all before was told
	Collectors []string  `json:"collectors"`
	Peers      int       `json:"peers"`
	Up         int       `json:"up"` // of the peers, those that count
}

// Eyes lists the feeds by name.
func (i *Intake) Eyes() []Eyes {
	up := map[bgp.Peer]bool{}
	for _, p := range i.d.table.Peers() {
		up[p.Peer] = p.State == rib.Up
	}
	out := []Eyes{}
	for _, e := range i.sources {
		x := Eyes{Source: e.name, Ready: e.ready && !e.ended, Reason: e.reason, Since: at(e.since), Until: time.Unix(0, e.until).UTC(), Collectors: []string{}, Peers: len(e.peers)}
		for c := range e.collectors {
			x.Collectors = append(x.Collectors, c)
		}
		slices.Sort(x.Collectors)
		for p := range e.peers {
			if up[p] {
				x.Up++
			}
		}
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b Eyes) int { return cmp.Compare(a.Source, b.Source) })
	return out
}

// Gaps returns the gaps that changed since it was last asked.
func (d *Detector) Gaps() []Gap { return d.ledger.take() }

// GapsTouching lists the gaps that touch the time between two moments, newest first;
// a zero moment is no bound.
func (d *Detector) GapsTouching(from, to time.Time) []Gap { return d.ledger.touching(from, to, nil) }
