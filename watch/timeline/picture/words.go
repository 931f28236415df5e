package picture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/timeline"
)

// percent says a part of one; it rounds nothing to none or all.
func percent(v float64) string {
	v, _ = part(v)
	switch p := v * 100; {
	case p == 0:
		return "0"
	case p < 1:
		return "under 1 %"
	case p > 99 && p < 100:
		return "over 99 %"
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// onset is when an event began in the world.
func onset(e *watch.Event) time.Time {
	if !e.FirstSeen.IsZero() && !e.FirstSeen.After(e.At) {
		return e.FirstSeen.UTC()
	}
	return e.At.UTC()
}

// deed is one line of the legend: an event, or several of one kind that happened together.
type deed struct {
	event  *watch.Event
	at     time.Time
	n      int // events in it
	number int // in the legend

	repeated string // which of many times it is
}

// together is the time in which the same thing happening to several prefixes is told as one.
const together = 10 * time.Minute

// deeds folds events that say the same of many prefixes at one time, in order of time.
func deeds(events []*watch.Event) []*deed {
	type key struct {
		kind   watch.EventKind
		hoster string
		origin uint32
		family int
	}
	open := map[key]*deed{}
	var out []*deed
	for _, e := range events {
		d := &deed{event: e, at: onset(e), n: 1}
		switch e.Kind {
		case watch.RouteWithdrawn, watch.RouteRestored, watch.PrefixNew, watch.OriginNew, watch.OriginGone:
			k := key{kind: e.Kind, origin: e.Origin, family: e.Family}
			if e.Hoster != nil {
				k.hoster = *e.Hoster
			}
			if o := open[k]; o != nil && d.at.Sub(o.at) <= together {
				o.n++
				continue
			}
			open[k] = d
		}
		out = append(out, d)
	}
	return out
}

// order gives the events within a period in order of their onset.
func order(t *timeline.Timeline, c *clock) []*watch.Event {
	var out []*watch.Event
	for i := range t.Events {
		if at := onset(&t.Events[i]); c.holds(at) && !at.After(c.end) {
			out = append(out, &t.Events[i])
		}
	}
	slices.SortStableFunc(out, func(a, b *watch.Event) int {
		// Of one moment what matters less comes first: it led to the other.
		return cmp.Or(onset(a).Compare(onset(b)), a.At.Compare(b.At), cmp.Compare(kinds[a.Kind], kinds[b.Kind]), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// kinds is how much each kind of event matters to a reader.
var kinds = map[watch.EventKind]float64{
	watch.HosterDark: 9, watch.HosterReturned: 8.5, watch.OriginNew: 8, watch.UpstreamLost: 7, watch.UpstreamGained: 6.5, watch.OriginGone: 6,
	watch.TransitLost: 5, watch.UpstreamRestored: 4.5, watch.RouteWithdrawn: 4, watch.RouteRestored: 3, watch.PrefixNew: 3,
	watch.FeedLost: 2, watch.FeedStale: 1.5, watch.FeedRestored: 1,
}

// weight says how much an event matters to a reader.
func weight(e *watch.Event) float64 {
	w := kinds[e.Kind]
	switch e.Severity {
	case watch.Critical:
		w += 6
	case watch.Warning:
		w += 2
	}
	before, ok1 := part(e.Before)
	after, ok2 := part(e.After)
	if ok1 && ok2 {
		w += 2 * max(before-after, after-before)
	}
	return w
}

// Of what happened over and over, only the first and the last time are named: of one that happened often, if there is room; of one that happened
// more than many times, even then.
const (
	often = 3
	many  = 12
)

// important chooses at most n deeds, in order of time, and numbers them.
func important(all []*deed, n int) []*deed {
	type subject struct {
		kind  watch.EventKind
		other uint32
		six   bool
	}
	of := func(d *deed) subject {
		return subject{d.event.Kind, cmp.Or(d.event.Upstream, d.event.Origin), d.event.Family == 6}
	}
	times, passed := map[subject]int{}, map[subject]int{}
	for _, d := range all {
		times[of(d)]++
	}
	type ranked struct {
		i int
		w float64
	}
	var rank []ranked
	for i, d := range all {
		s := of(d)
		passed[s]++
		w := weight(d.event) + float64(min(d.n, 20))/10
		if total := times[s]; total > often && len(all) > n {
			switch passed[s] {
			case 1:
				d.repeated = fmt.Sprintf("first of %d times", total)
			case total:
				d.repeated = fmt.Sprintf("last of %d times", total)
			default:
				if total > many {
					continue
				}
				w -= 100
			}
		}
		rank = append(rank, ranked{i, w})
	}
	slices.SortStableFunc(rank, func(a, b ranked) int { return cmp.Compare(b.w, a.w) })
	rank = rank[:min(n, len(rank))]
	slices.SortFunc(rank, func(a, b ranked) int { return cmp.Compare(a.i, b.i) })
	var out []*deed
	for _, r := range rank {
		d := all[r.i]
		out = append(out, d)
		d.number = len(out)
	}
	return out
}

// naming knows what the ASes are called, and whether both families are in the picture.
type naming struct {
	names    map[uint32]string
	families bool
}

func newNaming(t *timeline.Timeline) naming {
	n := naming{names: map[uint32]string{}}
	var has [2]bool
	for _, lanes := range [][]timeline.Lane{t.Visibility, t.Upstreams, t.Origins} {
		for i := range lanes {
			if l := &lanes[i]; l.Name != "" && l.ASN != 0 && n.names[l.ASN] == "" {
				n.names[l.ASN] = l.Name
			}
			has[min(max(lanes[i].Family/6, 0), 1)] = true
		}
	}
	n.families = has[0] && has[1]
	return n
}

func (n naming) as(asn uint32) string {
	if asn == 0 {
		return "an AS that is not known"
	}
	if name := n.names[asn]; name != "" {
		return bgp.ASN(asn) + " " + brief(name, 32)
	}
	return bgp.ASN(asn)
}

// say is what happened, in words a person reads.
func (n naming) say(d *deed) string {
	e := d.event
	change := ", " + percent(e.Before) + " → " + percent(e.After)
	prefix := "a prefix"
	switch {
	case d.n > 1:
		prefix = count(d.n, "prefix", "prefixes")
	case e.Prefix != nil:
		prefix = e.Prefix.String()
	}
	var s string
	switch e.Kind {
	case watch.UpstreamLost:
		s = "upstream lost: " + n.as(e.Upstream) + change
	case watch.UpstreamRestored:
		s = "upstream restored: " + n.as(e.Upstream) + change
	case watch.UpstreamGained:
		s = "upstream gained: " + n.as(e.Upstream) + change
	case watch.TransitLost:
		s = "transit lost: " + n.as(e.Via) + " above " + n.as(e.Upstream) + change
	case watch.RouteWithdrawn:
		s = "withdrawn: " + prefix
	case watch.RouteRestored:
		s = "restored: " + prefix
	case watch.PrefixNew:
		s = "new prefix: " + prefix
	case watch.OriginNew:
		s = "new origin: " + prefix + " from " + n.as(e.Origin)
		if d.n == 1 && e.MoreSpecific != nil && *e.MoreSpecific {
			s += ", a more specific"
		}
		if d.n == 1 && e.RPKI == "invalid" {
			s += ", RPKI invalid"
		}
	case watch.OriginGone:
		s = "origin gone: " + prefix + " no more from " + n.as(e.Origin)
	case watch.HosterDark:
		s = "dark: all prefixes withdrawn"
	case watch.HosterReturned:
		s = "returned: routed again"
	case watch.FeedLost, watch.FeedStale, watch.FeedRestored:
		s = n.sayFeed(e)
	default:
		s = strings.ReplaceAll(string(e.Kind), ".", " ")
	}
	if d.n == 1 && (e.Kind == watch.RouteWithdrawn || e.Kind == watch.RouteRestored) {
		s += change
	}
	if (e.Family == 4 || e.Family == 6) && (n.families || e.Family == 6) {
		s += fmt.Sprintf(" (IPv%d)", e.Family)
	}
	if d.repeated != "" {
		s += ", " + d.repeated
	}
	return s
}

func (n naming) sayFeed(e *watch.Event) string {
	s := map[watch.EventKind]string{watch.FeedLost: "feed lost", watch.FeedStale: "feed silent", watch.FeedRestored: "feed restored"}[e.Kind]
	if where := cmp.Or(e.Collector, e.Source); where != "" {
		s += ": " + where
	}
	if e.PeersLost > 0 {
		s += ", " + count(e.PeersLost, "peer", "peers")
	}
	return s
}

// sayClass is an incident's class as it is written in the band.
func sayClass(c watch.Class) string { return strings.ReplaceAll(string(c), "-", " ") }

// moment writes a time to the second, or to what the period calls for.
func (c *clock) moment(t time.Time) string {
	if c.span() < 120 {
		return t.UTC().Format("2006-01-02 15:04:05.000")
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// minute writes the edge of the period, with seconds where it has some.
func minute(t time.Time) string {
	t = t.UTC()
	switch {
	case t.Nanosecond() != 0:
		return t.Format("2006-01-02 15:04:05.000")
	case t.Second() != 0:
		return t.Format("2006-01-02 15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}

// span says the length of a period as people do, without claiming more than it is.
func span(from, to time.Time) string {
	s := to.Unix() - from.Unix()
	switch {
	case s < 120:
		return count(int(s), "second", "seconds")
	case s < 2*3600:
		return about(s, 60, "minute")
	case s < 2*86400:
		return about(s, 3600, "hour")
	case s < 730*86400:
		return about(s, 86400, "day")
	}
	if f, t := from.UTC(), to.UTC(); f.AddDate(t.Year()-f.Year(), 0, 0).Equal(t) {
		return count(t.Year()-f.Year(), "year", "years")
	}
	return fmt.Sprintf("about %.1f years", float64(s)/(365.2425*86400))
}

func about(s, unit int64, word string) string {
	n := (s + unit/2) / unit
	words := count(int(n), word, word+"s")
	if s%unit != 0 {
		return "about " + words
	}
	return words
}
