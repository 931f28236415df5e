package cnc

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// gone says that a family is seen no more at a hoster, without any change of routes. The
// family's course on all other networks decides whether that is news: a tracker that
// drops a family, loses its scanner or shortens its memory sees less of it everywhere.
func (j *Judge) gone(h *hoster, f *family, now int64) []Migration {
	hosts := f.Homes[h.ID]
	d, ok := j.departure(hosts, f, h)
	if !ok {
		return nil
	}
	m := Migration{Type: "event", Kind: KindGone, Severity: "warning", Hoster: h.ID, ASN: firstASN(h), Family: f.Name, How: "none",
		Seen: time.Unix(d.after, 0).UTC(), From: endOf(last(d.hosts)), Caveats: []string{}}
	m.From.Name = cmp.Or(m.From.Name, h.Name)
	v, key := j.known(&m, place{})
	if v != nil {
		v.Touched = now
		return nil
	}
	grew := j.grew(f, h, d.before, now)
	text := fmt.Sprintf("%d of %d hosts seen at %s on %s, %d at %s; elsewhere %d of %d are seen again", d.here, d.here, h.Name, stamp(d.before), d.still, stamp(d.after), d.kept, d.others)
	ids := []string{}
	byFirst(d.hosts)
	for _, x := range d.hosts {
		ids = append(ids, x.LastID)
	}
	m.Evidence = []Item{{ItemLeft, j.Cfg.Points.Home, text, records(ids...)}}
	m.Caveats = append(m.Caveats, "no route of the hoster changed in the time: who left, and why, is not known")
	if f.Tool {
		m.Caveats = append(m.Caveats, fmt.Sprintf("%s is a tool of many owners", f.Name))
	}
	m.Caveats = append(m.Caveats, grew...)
	m.CNC, m.Score = j.Cfg.Points.Home, j.Cfg.Points.Home
	m.ID, m.Revision, m.At = key, 1, time.Unix(now, 0).UTC()
	m.Summary = fmt.Sprintf("%s is gone from %s: %d hosts until %s, %s on %s; where it went is not proven", f.Name, h.Name, d.here,
		time.Unix(d.before, 0).UTC().Format(time.DateOnly), count(d.still, "1", "%d"), time.Unix(d.after, 0).UTC().Format(time.DateOnly))
	j.Said[m.ID] = &verdict{M: m, Touched: now}
	j.tally(m.Kind)
	return []Migration{m}
}

// departure is a family seen by sources in one round and not in the next.
type departure struct {
	before, after int64 // rounds
	hosts         []*host
	here, still   int // at the hoster in the round before; of these in the one after
	others, kept  int // likewise, everywhere else
}

// departure finds it in what the source that saw most of it said: only one that sees hosts
// again and again can miss them.
func (j *Judge) departure(hosts []*host, f *family, h *hoster) (departure, bool) {
	if len(hosts) < j.Cfg.Gone.Hosts {
		return departure{}, false
	}
	// The last round in which most of them were seen.
	var d departure
	at := map[int64]int{}
	for _, x := range hosts {
		at[x.Last]++
	}
	for t, n := range at {
		if n > d.here || n == d.here && t > d.before {
			d.before, d.here = t, n
		}
	}
	if d.here < j.Cfg.Gone.Hosts || f.LastSeen <= d.before {
		return d, false
	}
	d.here = 0
	for _, x := range hosts {
		switch {
		case x.Last == d.before:
			d.here++
			d.hosts = append(d.hosts, x)
		case x.Last > d.before && x.First <= d.before:
			d.here++
			d.still++
		case x.Last > d.before && x.First > d.before:
			d.still++ // a new one: the family is there
		}
	}
	var rounds []int64
	for _, x := range f.Hosts {
		if x.Hoster == h.ID || !x.Addr.IsValid() {
			continue
		}
		if x.First <= d.before && x.Last >= d.before {
			d.others++
			if x.Last > d.before {
				d.kept++
			}
		}
		if x.Last > d.before {
			rounds = append(rounds, x.Last)
		}
		if x.First > d.before {
			rounds = append(rounds, x.First)
		}
	}
	if len(rounds) == 0 || d.others < 20 {
		return d, false
	}
	d.after = slices.Min(rounds)
	if float64(d.still) > j.Cfg.Gone.Part*float64(d.here) || d.after-d.before > 45*daySeconds {
		return d, false
	}
	// The chance that so few are seen again, at the rate of all others.
	rate := min(float64(d.kept)/float64(d.others+1), 0.98)
	return d, binomialBelow(d.here, d.still, rate) <= j.Cfg.Gone.Chance
}

// binomialBelow is the probability of at most k of n at rate p.
func binomialBelow(n, k int, p float64) float64 {
	if p <= 0 {
		return 1
	}
	sum := 0.0
	for i := 0; i <= k; i++ {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return min(sum, 1)
}

// grew tells which networks saw most new hosts since, and how usual that is.
func (j *Judge) grew(f *family, h *hoster, since, now int64) []string {
	type place1 struct {
		p place
		g growth
	}
	var all []place1
	for p, x := range f.Places {
		if j.front(p.ASN) || slices.Contains(h.ASNs, p.ASN) || !slices.ContainsFunc(x.Hosts, func(o *host) bool { return o.First > since-16*daySeconds }) {
			continue
		}
		if g := j.growth(f, p, h, since, now, math.MaxInt); g.seen > 1 {
			all = append(all, place1{p, g})
		}
	}
	slices.SortFunc(all, func(a, b place1) int {
		return cmp.Or(cmp.Compare(b.g.points, a.g.points), cmp.Compare(b.g.seen, a.g.seen), a.p.compare(b.p))
	})
	var out []string
	for _, x := range all[:min(len(all), 3)] {
		s := fmt.Sprintf("%s: %s around that time, %.2g expected", where(x.p), count(x.g.seen, "1 new host", "%d new hosts"), x.g.expected)
		if x.g.others >= 0.05 {
			s += fmt.Sprintf(", and %.1f networks grow as much in such a time anyway", x.g.others)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		out = append(out, "no other network saw more than one new host of it since")
	}
	return out
}
