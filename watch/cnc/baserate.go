package cnc

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// growth is what a family did in one place in one window after (or before) a cut, held
// against what it does anyway.
//
// expected is the family's own rate of new hosts in that place over Config.Base before the
// cut, times the length of the window, times how much the family grew everywhere else in the
// window: where a tracker begins to look harder, all places grow, and none of it is news. A
// place that the family was never seen in expects its share of what all families do there.
//
// others is how many other places grew as much by chance in a window as long, before the cut:
// a kit that anybody rents turns up somewhere new every week, and one of the places is
// always the one that is looked at. Its logarithm is taken off the points.
type growth struct {
	points   float64
	seen     int
	expected float64
	others   float64
	weight   float64
	from, to int64
	hosts    []*host
}

const daySeconds = 86400

// learnt is how long a family has to be known before a host of it is believed to be new
// where no cut says so: what was there when the looking began is not.
const learnt = 14 * daySeconds

// reach is one window of the kernel of lags.
type reach struct {
	from, to time.Duration
	weight   float64
}

const oneDay = 24 * time.Hour

// kernel weighs lags: most families that move do so within five days, some take a month
// (11 documented moves, 2008 to 2010).
func (c *Config) kernel() []reach {
	k := []reach{{0, 5 * oneDay, 1}, {0, 16 * oneDay, 0.7}, {0, 35 * oneDay, 0.4}, {0, c.Link, 0.1}}
	if c.Back > 0 {
		k = append(k, reach{-min(16*oneDay, c.Back), 0, 0.7}, reach{-c.Back, 0, 0.4})
	}
	return k
}

// growth gives the best of the windows around a moment, for a family in a place.
//
// most is how many new hosts the hosts that left can account for.
func (j *Judge) growth(f *family, p place, h *hoster, anchor, now int64, most int) (best growth) {
	for _, r := range j.Cfg.kernel() {
		from, to := anchor+int64(r.from/time.Second), min(anchor+int64(r.to/time.Second), now)
		if to <= from {
			continue
		}
		g := growth{from: from, to: to, weight: r.weight}
		for _, x := range f.Places[p].Hosts {
			if x.First >= from && x.First <= to && (r.from < 0) == (x.First < anchor) && x.Hoster != h.ID && j.counts(f, x) && (r.from >= 0 || x.First >= f.First+learnt) {
				g.hosts = append(g.hosts, x)
			}
		}
		if g.seen = len(g.hosts); g.seen == 0 {
			continue
		}
		byFirst(g.hosts)
		since := max(f.seenBefore(from), from-14*daySeconds)
		g.expected = j.expected(f, p, since, to)
		seen := min(g.seen, most)
		ratio := math.Log((float64(seen) + 0.5) / (g.expected + 0.5))
		if ratio > 0 {
			g.others = j.elsewhere(f, p, since, to, seen)
			ratio = max(ratio-math.Log1p(g.others), 0)
		}
		g.points = min(r.weight*max(ratio, 0), j.Cfg.Points.Rate)
		if best.seen == 0 || g.points > best.points {
			best = g
		}
	}
	return best
}

// byFirst puts hosts in an order that does not depend on that in which they were told.
func byFirst(hosts []*host) {
	slices.SortFunc(hosts, func(a, b *host) int { return cmp.Or(cmp.Compare(a.First, b.First), a.compare(b.hostKey)) })
}

// counts reports whether a host is evidence at all.
func (j *Judge) counts(f *family, x *host) bool {
	if x.DualUse || x.Relabelled || x.Initial && f.Bulk[day(x.First)] || j.front(x.Place.ASN) || f.flux(x) {
		return false
	}
	s := j.Shared[x.Addr]
	return s == nil || len(s.Families) < sharedFamilies
}

func (j *Judge) front(asn uint32) bool {
	for _, a := range j.Cfg.Fronts {
		if a == asn {
			return true
		}
	}
	return false
}

// pseudo is how many hosts of a family are counted as if spread like those of all
// families, beside those that it had.
const pseudo = 5

// expected is how many new hosts of the family a place would see anyway between two
// moments.
func (j *Judge) expected(f *family, p place, from, to int64) float64 {
	b := j.base(f, from)
	if b.days == 0 {
		return 0
	}
	mine := float64(f.Places[p].Days.during(b.from, b.to, f.Bulk))
	all := float64(b.all)
	length := max(float64(to-from)/daySeconds, 1)
	popular := 0.0
	if c := j.Spread[p]; c != nil && j.NumHosts > 0 {
		popular = max(float64(c.Hosts)-float64(len(f.Places[p].Hosts)), 0) / float64(j.NumHosts)
	}
	if all == 0 {
		return 0
	}
	rate := all / b.days * (mine + pseudo*popular) / (all + pseudo)
	now := float64(f.Total.during(day(from), day(to), f.Bulk) - f.Places[p].Days.during(day(from), day(to), f.Bulk))
	then := (all - mine) / b.days * length
	trend := min(max((now+2)/(then+2), 0.5), 8)
	return rate * length * trend
}

// baseline is the time before a window that rates are learned from.
type baseline struct {
	from, to int32
	days     float64
	all      int // new hosts of the family, all places
}

func (j *Judge) base(f *family, before int64) baseline {
	b := baseline{from: max(day(before-int64(j.Cfg.Base/time.Second)), day(f.First)), to: day(before) - 1}
	if b.to < b.from {
		return baseline{}
	}
	b.days = max(float64(b.to-b.from+1), 14)
	b.all = f.Total.during(b.from, b.to, f.Bulk)
	return b
}

// elsewhere is how many other places saw as many new hosts of the family within a time of
// the same length, on average over the time before. Places where that is usual are not
// counted: they are no surprise.
func (j *Judge) elsewhere(f *family, p place, from, to int64, seen int) float64 {
	key := burstKey{f.Name, from, to, seen}
	if n, ok := j.scratch.bursts[key]; ok {
		return n
	}
	b := j.base(f, from)
	width := int32(max((to-from)/daySeconds, 1))
	windows := (b.to - b.from + 1) / width
	n := 0.0
	if b.days > 0 && windows > 0 {
		for _, q := range f.Places {
			n += float64(bursts(q.Days, f.Bulk, b.to-windows*width+1, width, int(windows), seen))
		}
		n /= float64(windows)
	}
	if j.scratch.bursts == nil {
		j.scratch.bursts = map[burstKey]float64{}
	}
	j.scratch.bursts[key] = n
	return n
}

// bursts counts the windows in which a place saw at least so many new hosts.
func bursts(a arrivals, bulk map[int32]bool, start, width int32, windows, seen int) int {
	count, total, current, in := 0, 0, int32(-1), 0
	flush := func() {
		if in >= seen {
			count++
		}
		in = 0
	}
	for _, d := range a {
		w := (d.Day - start) / width
		if d.Day < start || int(w) >= windows {
			continue
		}
		if w != current {
			flush()
			current = w
		}
		n := int(d.N)
		if bulk[d.Day] {
			n -= int(d.Initial)
		}
		in += n
		total += n
	}
	flush()
	if float64(total)/float64(windows) >= float64(seen)/2 {
		return 0
	}
	return count
}

// scratch is what is computed once for a moment.
type scratch struct {
	bursts   map[burstKey]float64
	homes    map[homeKey]home
	families []*family
}

type burstKey struct {
	family   string
	from, to int64
	seen     int
}

type homeKey struct {
	family, hoster string
	ref, cut       int64
}

// home is how much of a family lived at a hoster at a moment, and what became of it.
type home struct {
	hosts  []*host // alive there
	others int     // alive elsewhere
	stayed int     // of hosts, seen there afterwards
	kept   int     // of others, seen again afterwards
}

// share is the part of the family that lived there.
func (x *home) share() float64 {
	if len(x.hosts) == 0 {
		return 0
	}
	return float64(len(x.hosts)) / float64(len(x.hosts)+x.others)
}

// left is how sure it is that the family left, 0 to 1: what is seen there no more, held
// against how much of it is seen again elsewhere. A source that stops, or that tells each host only once,
// sees nothing again anywhere: then nothing is known but that it was not seen.
func (x *home) left(dark bool) float64 {
	if len(x.hosts) == 0 {
		return 0
	}
	stayed := float64(x.stayed) / float64(len(x.hosts))
	kept := 0.0
	if x.others > 0 {
		kept = float64(x.kept) / float64(x.others)
	}
	switch {
	case kept >= 0.2:
		return max(1-stayed/kept, 0)
	case stayed > 0:
		return 1 - min(stayed, 1)
	case dark:
		return 1
	}
	return 0.5
}

// grace is how long after a cut a sighting may still be of the time before.
const grace = daySeconds

// homeAt takes stock of a family at a hoster. ref is the moment of it, cut that from which
// on what is seen there is seen after the cut; in(t) tells moments at which the hoster was back.
func (j *Judge) homeAt(f *family, h *hoster, ref, cut int64, back func(int64) bool) home {
	key := homeKey{f.Name, h.ID, ref, cut}
	if x, ok := j.scratch.homes[key]; ok {
		return x
	}
	var x home
	for _, window := range []time.Duration{j.Cfg.Alive, j.Cfg.Back + j.Cfg.Alive} {
		x = home{}
		since := ref - int64(window/time.Second)
		for _, o := range f.Homes[h.ID] {
			if o.First > ref || o.Last < since || !j.counts(f, o) && !o.Initial {
				continue
			}
			x.hosts = append(x.hosts, o)
			if o.Last > cut+grace && !back(o.Last) {
				x.stayed++
			}
		}
		if len(x.hosts) == 0 {
			continue
		}
		byFirst(x.hosts)
		for _, o := range f.Hosts {
			if o.Hoster == h.ID || o.First > ref || o.Last < since || !o.Addr.IsValid() {
				continue
			}
			x.others++
			if o.Last > cut+grace {
				x.kept++
			}
		}
		break
	}
	if j.scratch.homes == nil {
		j.scratch.homes = map[homeKey]home{}
	}
	j.scratch.homes[key] = x
	return x
}
