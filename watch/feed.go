package watch

import (
	"slices"
	"strconv"
	"time"

	"depeer/bgp"
	"depeer/bgp/rib"
)

// feed is a collector as our eyes: whether it speaks, and how many of its peers
// are there.
type feed struct {
	name    string
	source  string // the live feed through which it is heard, "" in a replay
	delay   int64  // seconds that this feed is always behind
	index   int
	heard   int64  // second
	minutes uint64 // bit i: it spoke i minutes before heard's
	over    int    // minutes since it was first heard, at most 64
	silent  bool
	stopped int64 // when it fell silent

	blind   bool
	falling int64 // since when too many peers are away
	worst   int
}

func (d *Detector) feedOf(name string) *feed {
	f := d.feeds[name]
	if f == nil {
		f = &feed{name: name, index: len(d.feeds)}
		d.feeds[name] = f
	}
	return f
}

// hearFeed notes that a collector spoke.
func (d *Detector) hearFeed(u *bgp.Update) {
	f := d.feedOf(u.Peer.Collector)
	t := u.At.Unix()
	if t <= f.heard {
		return
	}
	m := t / 60
	switch gap := m - f.heard/60; {
	case f.heard == 0:
		f.minutes, f.over = 1, 1
	default:
		// A gap is noticed here too: a recording has no clock that ticks through it.
		d.feedSilence(f, t)
		f.minutes = f.minutes<<min(uint64(gap), 64) | 1
		f.over = int(min(int64(f.over)+gap, 64))
	}
	f.heard = t
	if f.silent {
		f.silent = false
		d.feedEvent(f, FeedRestored, f.stopped, t, 0)
	}
}

// everyMinute looks for silence.
func (d *Detector) everyMinute(t int64) {
	d.table.Silence(at(t), d.change)
	names := make([]string, 0, len(d.feeds))
	for n := range d.feeds {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		d.feedSilence(d.feeds[n], t)
	}
}

// feedSilence takes a collector's peers out once it has been silent too long.
func (d *Detector) feedSilence(f *feed, t int64) {
	if f.silent || t-f.heard < int64(d.policy.Silent.Seconds())+f.delay || !rib.Talkative(f.minutes, f.over) {
		return
	}
	lost := 0
	for _, p := range d.table.Peers() {
		if p.Collector == f.name && p.State == rib.Up {
			lost++
			d.table.MarkStale(p, at(t), d.change)
		}
	}
	if lost == 0 {
		return // its sessions are lost, and were told as that
	}
	f.silent, f.stopped = true, f.heard
	d.feedEvent(f, FeedStale, f.heard, t, lost)
}

// feedPeers looks at a collector after one of its peers came or went.
func (d *Detector) feedPeers(collector string) { d.mark(d.feedOf(collector)) }

// rank: collectors are few, and each is told in the order in which it was met, by peer.
func (f *feed) rank() rank { return rank{hoster: ofFeeds, key: [4]uint64{uint64(f.index)}} }

func (f *feed) judge(d *Detector, t int64) int64 {
	all, away := 0, 0
	for _, p := range d.table.Peers() {
		if p.Collector != f.name || !p.Seen() || p.Missed {
			continue // a session that comes up for the first time was not lost; a feed's loss is told as that
		}
		all++
		if p.State != rib.Up {
			away++
		}
	}
	f.worst = max(f.worst, away)
	many := float64(away) > d.policy.BlindAbove*float64(all)
	switch {
	case f.silent || all == 0:
	case many && !f.blind:
		if f.falling == 0 {
			f.falling = t
		}
		if end := f.falling + d.edges.hold; t < end && away < all {
			return end
		}
		f.blind = true
		d.feedEvent(f, FeedLost, f.falling, t, away)
	case !many && f.blind:
		f.blind = false
		d.feedEvent(f, FeedRestored, f.falling, t, 0)
		fallthrough
	case !many:
		f.falling, f.worst = 0, 0
	}
	return 0
}

func (d *Detector) feedEvent(f *feed, kind EventKind, onset, t int64, lost int) {
	ev := d.newEvent(kind, nil, onset, t)
	ev.Source, ev.Collector, ev.PeersLost = f.name, f.name, lost
	ev.Sources = []string{f.name}
	ev.Severity = Warning
	for _, p := range d.table.Peers() {
		if p.Collector != f.name {
			continue
		}
		if p.State == rib.Up {
			ev.Eligible++
		} else if kind != FeedRestored && p.Since >= onset*int64(time.Second) {
			ev.Evidence = append(ev.Evidence, Evidence{At: time.Unix(0, p.Since).UTC(), Collector: p.Collector, Peer: p.Addr, PeerASN: p.ASN, Type: "S"})
		}
	}
	slices.SortStableFunc(ev.Evidence, func(a, b Evidence) int { return a.At.Compare(b.At) })
	ev.Evidence = ev.Evidence[:min(len(ev.Evidence), maxEvidence)]
	if kind == FeedRestored {
		ev.Severity = Info
	}
	if n := float64(ev.Eligible + lost); n > 0 {
		ev.Before, ev.After = 1, share(float64(ev.Eligible), n)
		if kind == FeedRestored {
			ev.Before, ev.After = 0, 1
		}
	}
	d.emit(ev, nil)
}

// Feeds describes the collectors: "rrc00: 40 of 41 peers".
func (d *Detector) Feeds() []string {
	up, all := map[string]int{}, map[string]int{}
	for _, p := range d.table.Peers() {
		all[p.Collector]++
		if p.State == rib.Up {
			up[p.Collector]++
		}
	}
	var out []string
	for n := range all {
		out = append(out, n+": "+strconv.Itoa(up[n])+" of "+strconv.Itoa(all[n])+" peers")
	}
	slices.Sort(out)
	return out
}
