package cnc

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"depeer/watch"
)

// Controls is what the judge says of cuts that never happened: the same correlation,
// against hosters and moments at which nothing is known to have happened. What it calls a
// move is a false alarm.
type Controls struct {
	Hosters int         `json:"hosters"`
	Cuts    int         `json:"cuts"`
	Years   float64     `json:"hoster_years"` // that were watched around the cuts
	Alarms  int         `json:"alarms"`       // cnc.moved
	Watch   int         `json:"watch"`        // cnc.watch
	Scores  []Score     `json:"-"`            // of all that was said
	Said    []Migration `json:"-"`            // the false alarms
}

// Score is what a migration got.
type Score struct{ Score, Routing, CNC float64 }

// PerYear is the false alarms in a hoster-year.
func (c *Controls) PerYear() float64 {
	if c.Years == 0 {
		return 0
	}
	return float64(c.Alarms) / c.Years
}

func (c *Controls) String() string {
	return fmt.Sprintf("%d false alarms in %.0f hoster-years (%d cuts that never happened, %d hosters): %.2f per hoster-year", c.Alarms, c.Years, c.Cuts, c.Hosters, c.PerYear())
}

// Control plays sightings, which are in order of time, to a judge that is told of invented
// cuts: each hoster goes dark for good at moments drawn with the seed, as far apart as the judge
// links. The hosts in them go on being seen as they were.
func Control(cfg Config, hosters []watch.Hoster, list []Sighting, seed uint64) Controls {
	c := Controls{Hosters: len(hosters)}
	if len(list) == 0 || len(hosters) == 0 {
		return c
	}
	events := invented(cfg, hosters, list[0].At, list[len(list)-1].At, seed)
	for _, e := range events {
		if e.Kind == watch.UpstreamLost {
			c.Cuts++
			c.Years += watched(cfg, e.At, list[0].At, list[len(list)-1].At)
		}
	}
	j := NewJudge(cfg, watch.Watchlist{Hosters: hosters}, nil)
	best := map[string]Migration{}
	say := func(out []Migration) {
		for _, m := range out {
			best[m.ID] = m
		}
	}
	for _, s := range list {
		for len(events) > 0 && !events[0].At.After(s.At) {
			say(j.Advance(events[0].At))
			j.Event(events[0])
			events = events[1:]
		}
		say(j.Advance(s.At))
		j.Observe(s)
	}
	say(j.Advance(list[len(list)-1].At.Add(time.Hour)))
	for _, id := range slices.Sorted(keys(best)) {
		m := best[id]
		switch m.Kind {
		case KindMoved:
			c.Alarms++
			c.Said = append(c.Said, m)
		case KindWatch:
			c.Watch++
		default:
			continue
		}
		c.Scores = append(c.Scores, Score{m.Score, m.Routing, m.CNC})
	}
	return c
}

// watched is how much of the time around a cut the sightings show, in years.
func watched(cfg Config, at, from, to time.Time) float64 {
	begin, end := at.Add(-cfg.Back), at.Add(cfg.Link)
	if begin.Before(from) {
		begin = from
	}
	if end.After(to) {
		end = to
	}
	return end.Sub(begin).Hours() / 24 / 365.25
}

// Add puts what another run gave beside what this one did.
func (c *Controls) Add(o Controls) {
	c.Hosters += o.Hosters
	c.Cuts += o.Cuts
	c.Years += o.Years
	c.Alarms += o.Alarms
	c.Watch += o.Watch
	c.Scores, c.Said = append(c.Scores, o.Scores...), append(c.Said, o.Said...)
}

// invented makes cuts: an upstream is lost, an hour later all is withdrawn, and it is back when
// nothing is linked to it any more.
func invented(cfg Config, hosters []watch.Hoster, from, to time.Time, seed uint64) []watch.Event {
	random := rand.New(rand.NewPCG(seed, 0x0dee9ee7))
	var out []watch.Event
	for i := range hosters {
		h := &hosters[i]
		apart := cfg.Link + cfg.Back + cfg.Chain
		// Half a year is learned from before the first, where there is so much.
		quarter := to.Sub(from) / 4
		at := from.Add(min(cfg.Back+90*oneDay, quarter) + time.Duration(random.Int64N(int64(min(apart, quarter))+1)))
		for ; at.Add(min(cfg.Link, quarter)).Before(to); at = at.Add(apart + time.Duration(random.Int64N(int64(apart/4)+1))) {
			id := func(kind string) string { return idOf("control", kind, h.ID, at.String()) }
			out = append(out,
				watch.Event{Type: "event", ID: id("lost"), Kind: watch.UpstreamLost, At: at, FirstSeen: at, Hoster: &h.ID, Upstream: 64496, Before: 0.5},
				watch.Event{Type: "event", ID: id("dark"), Kind: watch.HosterDark, At: at.Add(time.Hour), FirstSeen: at.Add(time.Hour), Hoster: &h.ID, Before: 1},
				watch.Event{Type: "event", ID: id("back"), Kind: watch.HosterReturned, At: at.Add(cfg.Link), FirstSeen: at.Add(cfg.Link), Hoster: &h.ID, After: 1})
		}
	}
	slices.SortFunc(out, func(a, b watch.Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return out
}

// ControlHosters picks networks to invent cuts for: those of sightings, no large cloud and no front, with at
// least so many hosts, n of them drawn with the seed.
func ControlHosters(cfg Config, list []Sighting, least, n int, seed uint64) []watch.Hoster {
	all := map[uint32]map[netip.Addr]bool{}
	for i := range list {
		s := &list[i]
		asn := s.ASN
		if s.Place != nil && len(s.Place.Origins) > 0 {
			asn = s.Place.Origins[0]
		}
		if asn == 0 || slices.Contains(cfg.Clouds, asn) || slices.Contains(cfg.Fronts, asn) {
			continue
		}
		if all[asn] == nil {
			all[asn] = map[netip.Addr]bool{}
		}
		if x := all[asn]; len(x) < least {
			x[s.Addr] = true
		}
	}
	var asns []uint32
	for a, x := range all {
		if len(x) >= least {
			asns = append(asns, a)
		}
	}
	slices.Sort(asns)
	random := rand.New(rand.NewPCG(seed, 0xc0ffee))
	random.Shuffle(len(asns), func(i, k int) { asns[i], asns[k] = asns[k], asns[i] })
	var out []watch.Hoster
	for _, a := range asns[:min(n, len(asns))] {
		out = append(out, watch.Hoster{ID: "as" + asText(a)[2:], Name: asText(a), ASNs: []uint32{a}})
	}
	return out
}
