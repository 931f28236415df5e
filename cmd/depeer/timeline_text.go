package main

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

// teller writes answers of the memory for somebody who was woken.
type teller struct {
	out    *checked
	ink    ink
	width  int
	config string // the file, for the commands that it proposes
	word   string // what was asked about
	cfg    *Config
}

func (t *teller) printf(format string, args ...any) { fmt.Fprintf(t.out, format, args...) }

func (t *teller) head(text string) { t.printf("\n%s\n", t.ink.bold(text)) }

func when(x time.Time) string { return x.UTC().Format("2006-01-02 15:04:05") }

// timeline tells a story: first how it stands, then who carried it and when that ended,
// what was concluded, what could not be seen, and what to ask next.
func (t *teller) timeline(x *timeline.Timeline) {
	title := t.ink.bold(x.Title)
	if x.Longest.IsValid() {
		title += " (of " + t.word + ")"
	}
	t.printf("%s  %s to %s UTC", title, when(x.From), when(x.To))
	if !x.Believed.IsZero() {
		t.printf(", as believed at %s", when(x.Believed))
	}
	t.printf("\n")
	carrier := onlyCarries(x)
	for i := range x.Visibility {
		if !carrier {
			t.visibility(&x.Visibility[i], x)
		}
	}
	t.carriers(x)
	if !carrier {
		t.foreign(x)
	}
	if x.Carried != nil {
		t.carried(x.Carried)
	}
	t.concluded(x)
	t.sightings(x.Sightings)
	t.blind(x.Gaps, x.Missing, x.To)
	t.next(x)
}

// onlyCarries reports whether it is about an AS that originates nothing: what it carries
// for others is not its own to lose.
func onlyCarries(x *timeline.Timeline) bool {
	return x.Carried != nil && !slices.ContainsFunc(x.Origins, func(l timeline.Lane) bool { return l.Role == "own" || l.ASN == x.Carried.ASN })
}

// visibility tells how a family was seen at both ends, and when hardly anybody saw it.
func (t *teller) visibility(l *timeline.Lane, x *timeline.Timeline) {
	n := 0
	for _, p := range x.Prefixes {
		if p.Prefix.Addr().Is4() == (l.Family == 4) {
			n++
		}
	}
	first, last := &l.Points[0], &l.Points[len(l.Points)-1]
	t.printf("  IPv%d, %s: at the beginning %s, at the end %s\n", l.Family, plural(n, "prefix"), seen(first), seen(last))
	for _, s := range lows(l, x.To, t.cfg.Policy.WithdrawnBelow) {
		text := fmt.Sprintf("%s to %s (%s)", when(s.from), when(s.to), duration(s.to.Sub(s.from)))
		if s.open {
			text = fmt.Sprintf("since %s", when(s.from))
		}
		t.printf("    %s  %s\n", t.ink.severity(watch.Critical, "gone, down to "+percent(s.least)), text)
	}
}

func seen(p *timeline.Point) string {
	if p.Eligible == 0 {
		return "nothing was known of it"
	}
	return fmt.Sprintf("%s of %s", percent(p.Value), plural(p.Eligible, "route"))
}

// low is a time in which hardly anybody saw it.
type low struct {
	from, to time.Time
	open     bool
	least    float64
}

// mostLows is how many are told: the longest.
const mostLows = 8

// lows finds when a lane was at or below a part of one, while somebody was there to see it.
func lows(l *timeline.Lane, end time.Time, below float64) []low {
	var out []low
	for i, p := range l.Points {
		n := len(out)
		is := p.Eligible > 0 && p.Value <= below
		open := n > 0 && out[n-1].open
		switch {
		case is && open:
			out[n-1].least = min(out[n-1].least, p.Value)
		case is && (i > 0 || len(l.Points) > 1 || p.Value == 0):
			out = append(out, low{from: p.At, open: true, least: p.Value})
		case open:
			out[n-1].to, out[n-1].open = p.At, false
		}
	}
	for i := range out {
		if out[i].open {
			out[i].to = end
		}
	}
	if len(out) > mostLows {
		slices.SortFunc(out, func(a, b low) int { return cmp.Compare(b.to.Sub(b.from), a.to.Sub(a.from)) })
		out = out[:mostLows]
		slices.SortFunc(out, func(a, b low) int { return a.from.Compare(b.from) })
	}
	return out
}

// carriers tells of each upstream its share before and after, and when it came and went.
func (t *teller) carriers(x *timeline.Timeline) {
	if len(x.Upstreams) == 0 {
		return
	}
	t.head("Who carried it")
	few := 0
	rows := [][]string{{"UPSTREAM", "FAMILY", "BEFORE", "MOST", "AFTER", ""}}
	for i := range x.Upstreams {
		l := &x.Upstreams[i]
		if l.Peers < t.cfg.Policy.MinPeers && enough(x.Upstreams, t.cfg.Policy.MinPeers) {
			few++
			continue
		}
		if len(rows) > 20 {
			few++
			continue
		}
		rows = append(rows, []string{strings.TrimSpace(bgp.ASN(l.ASN) + " " + l.Name), fmt.Sprintf("IPv%d", l.Family), percent(l.Points[0].Value),
			fmt.Sprintf("%s, %s", percent(l.Peak), plural(l.Peers, "peer")), percent(l.Points[len(l.Points)-1].Value), course(l, x)})
	}
	writeTable(t.out, rows)
	if few > 0 {
		t.printf("  and %d more that fewer peers ever had at a time (path hunting, mostly): --json lists them\n", few)
	}
}

func enough(lanes []timeline.Lane, peers int) bool {
	return slices.ContainsFunc(lanes, func(l timeline.Lane) bool { return l.Peers >= peers })
}

// course says when a lane began and ended.
func course(l *timeline.Lane, x *timeline.Timeline) string {
	var came, went time.Time
	flaps := 0
	for i := range l.Points {
		p, had := &l.Points[i], i > 0 && l.Points[i-1].Value > 0
		switch {
		case p.Eligible == 0:
		case p.Value > 0 && !had:
			if came.IsZero() && i > 0 {
				came = p.At
			}
			if !went.IsZero() {
				flaps++
			}
			went = time.Time{}
		case p.Value == 0 && had:
			went = p.At
		}
	}
	var parts []string
	if !came.IsZero() && l.Points[0].Value == 0 {
		parts = append(parts, "came "+moment(came, x.From))
	}
	if flaps > 0 {
		parts = append(parts, "was away "+plural(flaps, "time"))
	}
	if !went.IsZero() {
		parts = append(parts, "went "+moment(went, x.From))
	}
	return strings.Join(parts, ", ")
}

// foreign tells who else originated it.
func (t *teller) foreign(x *timeline.Timeline) {
	var rows [][]string
	for i := range x.Origins {
		if l := &x.Origins[i]; l.Role == "other" || l.Role == "" && len(x.Origins) > 1 {
			rows = append(rows, []string{bgp.ASN(l.ASN), fmt.Sprintf("IPv%d", l.Family), "up to " + percent(l.Peak), plural(l.Peers, "peer"), course(l, x)})
		}
	}
	if len(rows) == 0 {
		return
	}
	title := "Others that originated it"
	if len(x.Origins) > 0 && x.Origins[0].Role == "" {
		title = "Who originated it"
	}
	t.head(title)
	writeTable(t.out, rows[:min(len(rows), 10)])
	if n := len(rows) - 10; n > 0 {
		t.printf("  and %d more\n", n)
	}
}

// carried tells what an upstream carried.
func (t *teller) carried(c *timeline.Carried) {
	t.head("What " + bgp.ASN(c.ASN) + " carried")
	rows := [][]string{{"HOSTER", "PREFIX", "BEFORE", "MOST", "AFTER", ""}}
	gained, dropped, others := 0, 0, 0
	list := slices.Clone(c.Prefixes)
	changed := func(x *timeline.Carriage) int { return 2*orderOf(x.Dropped) + orderOf(x.Gained) }
	slices.SortStableFunc(list, func(a, b timeline.Carriage) int { return cmp.Compare(changed(&b), changed(&a)) })
	for i := range list {
		x := &list[i]
		var notes []string
		if x.Gained != nil {
			gained++
			notes = append(notes, "gained "+moment(*x.Gained, c.From))
		}
		if x.Dropped != nil {
			dropped++
			notes = append(notes, "dropped "+moment(*x.Dropped, c.From))
		}
		if x.Hoster == "" && len(notes) == 0 {
			others++ // followed to tell the upstream's own failure from a de-peering
			continue
		}
		rows = append(rows, []string{cmp.Or(x.Hoster, "-"), x.Prefix.String(), plural(x.Before, "peer"), fmt.Sprint(x.Most), fmt.Sprint(x.After), strings.Join(notes, ", ")})
	}
	const most = 40
	more := len(rows) - 1 - most
	if more > 0 {
		rows = rows[:most+1]
	}
	writeTable(t.out, rows)
	if more > 0 {
		t.printf("  and %d more: --json lists them\n", more)
	}
	t.printf("  %s in all; %d gained, %d dropped; %d of others, as before; it stood in paths to %s\n", plural(len(c.Prefixes), "prefix"), gained, dropped, others, plural(c.Through, "prefix"))
}

// orderOf puts what has a time before what has none.
func orderOf(t *time.Time) int {
	if t == nil {
		return 0
	}
	return 1
}

// concluded tells the incidents, and the events that are in none.
func (t *teller) concluded(x *timeline.Timeline) {
	if len(x.Incidents)+len(x.Events) == 0 {
		return
	}
	t.head("What was concluded")
	for i := range x.Incidents {
		n := &x.Incidents[i]
		t.printf("  %s  %s  %s\n", when(n.Opened), t.ink.severity(n.Severity, string(n.Class)+", "+string(n.Phase)), wrap(n.Summary, 23, t.width))
	}
	s := newStoryteller(t.out, t.cfg.Hosters, true)
	const most = 20
	events := slices.Clone(x.Events)
	slices.SortStableFunc(events, func(a, b watch.Event) int { return a.FirstSeen.Compare(b.FirstSeen) })
	for i := range events {
		if i == most {
			t.printf("  and %d more: depeer events %s --from %s --to %s\n", len(events)-most, t.filter(x), stampArg(x.From), stampArg(x.To))
			break
		}
		e := &events[i]
		mark, text := eventLine(s, e)
		t.printf("  %s  %s %s\n", when(e.FirstSeen), t.ink.severity(e.Severity, mark), wrap(text, 25, t.width))
	}
}

// eventLine says an event on one line, those about prefixes too.
func eventLine(s *storyteller, e *watch.Event) (mark, text string) {
	name := s.name(e)
	if e.Prefix != nil {
		switch e.Kind {
		case watch.RouteWithdrawn:
			return "▼", fmt.Sprintf("%s: %s withdrawn, seen by %s of %d peers", name, e.Prefix, percent(e.After), e.Eligible)
		case watch.RouteRestored:
			return "▲", fmt.Sprintf("%s: %s back, seen by %s of %d peers", name, e.Prefix, percent(e.After), e.Eligible)
		}
	}
	return s.sentenceOf(e)
}

func (t *teller) filter(x *timeline.Timeline) string {
	if x.Hoster != "" {
		return "--hoster " + x.Hoster
	}
	return "--prefix " + t.word
}

func (t *teller) sightings(list []timeline.Sight) {
	if len(list) == 0 {
		return
	}
	t.head("C&C servers seen there")
	const most = 10
	for i, s := range list {
		if i == most {
			t.printf("  and %d more\n", len(list)-most)
			break
		}
		until := ""
		if !s.Until.IsZero() {
			until = " to " + when(s.Until)
		}
		t.printf("  %s%s  %s at %s (%s)\n", when(s.At), until, s.Family, s.Addr, s.Source)
	}
}

// blind tells what could not be seen.
func (t *teller) blind(gaps []watch.Gap, missing []string, now time.Time) {
	if len(missing)+len(gaps) == 0 {
		return
	}
	t.head("What could not be seen")
	for _, m := range missing {
		t.printf("  %s\n", wrap(m, 2, t.width))
	}
	const most = 10
	for i := range gaps {
		if i == most {
			t.printf("  and %d more\n", len(gaps)-most)
			break
		}
		t.printf("  %s\n", gapLine(&gaps[i], now))
	}
}

// next proposes what to ask: the routes just before it went, and why.
func (t *teller) next(x *timeline.Timeline) {
	lost := lastLoss(x.Events)
	for i := range x.Visibility {
		if !lost.IsZero() || onlyCarries(x) {
			break
		}
		for _, s := range lows(&x.Visibility[i], x.To, t.cfg.Policy.WithdrawnBelow) {
			if s.from.After(x.From) {
				lost = s.from
			}
		}
	}
	if lost.IsZero() && len(x.Upstreams) > 0 {
		for _, p := range x.Upstreams[0].Points[1:] {
			if p.Value == 0 && p.Eligible > 0 {
				lost = p.At
			}
		}
	}
	t.head("Next")
	flags := "-c " + t.config
	if !lost.IsZero() {
		t.printf("  depeer timeline %s %s --at %s\n      the routes just before it went\n", t.word, flags, stampArg(lost.Add(-time.Second)))
		t.printf("  depeer timeline %s %s --from %s --to %s --diff\n      what is different a minute later\n", t.word, flags, stampArg(lost.Add(-time.Second)), stampArg(lost.Add(time.Minute)))
		if x.Hoster != "" {
			t.printf("  depeer explain %s %s --at %s\n      what counted then, and from where on it would have been an alert\n", cmp.Or(x.Hoster, t.word), flags, stampArg(lost))
		}
	}
	for i, l := range x.Upstreams {
		if i < 2 && l.Peak > 0 {
			t.printf("  depeer timeline %s %s\n      what else it carries, and dropped\n", bgp.ASN(l.ASN), flags)
		}
	}
	t.printf("  depeer timeline %s %s --svg timeline.svg\n      the same as a picture\n", t.word, flags)
}

// lastLoss is when the last of what matters most began: going dark before the loss of an
// upstream, and that before the loss of a prefix; the zero time where nothing was lost.
func lastLoss(events []watch.Event) (at time.Time) {
	for _, kinds := range [][]watch.EventKind{{watch.HosterDark}, {watch.UpstreamLost, watch.TransitLost}, {watch.RouteWithdrawn}} {
		for i := range events {
			if slices.Contains(kinds, events[i].Kind) && events[i].FirstSeen.After(at) {
				at = events[i].FirstSeen
			}
		}
		if !at.IsZero() {
			return at
		}
	}
	return at
}

// stampArg is a time as the flags take it.
func stampArg(x time.Time) string { return x.UTC().Format("2006-01-02T15:04:05") }

// duration says how long something took, as people do.
func duration(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// routes prints the routes at a moment, by prefix.
func (t *teller) routes(x *timeline.Routes) {
	t.printf("%s  at %s UTC", t.ink.bold(t.word), when(x.At))
	if x.Longest.IsValid() {
		t.printf(", in %s", x.Longest)
	}
	if !x.Believed.IsZero() {
		t.printf(", as believed at %s", when(x.Believed))
	}
	t.printf("  %s heard then\n", plural(x.Peers, "peer"))
	if len(x.Routes) == 0 {
		t.printf("  nobody is known to have held a route\n")
	}
	for i := 0; i < len(x.Routes); {
		j := i
		for j < len(x.Routes) && x.Routes[j].Prefix == x.Routes[i].Prefix {
			j++
		}
		t.prefixRoutes(x.Routes[i:j])
		i = j
	}
	t.blind(x.Gaps, x.Missing, x.At)
}

func (t *teller) prefixRoutes(list []timeline.Route) {
	known := 0
	for i := range list {
		if list[i].Known {
			known++
		}
	}
	t.head(fmt.Sprintf("%s  %s", list[0].Prefix, plural(known, "route")))
	var rows [][]string
	for i := range list {
		rows = append(rows, t.routeRow(&list[i]))
	}
	writeTable(t.out, rows)
}

func (t *teller) routeRow(r *timeline.Route) []string {
	mark, note := "✓", ""
	if !r.Known {
		mark, note = "?", r.Reason
	}
	return []string{mark, r.Peer.String(), "since " + when(r.Since), r.Path.String(), note}
}

// difference prints what is different at one moment from what was at another.
func (t *teller) difference(x *timeline.Difference) {
	t.printf("%s  %s UTC compared with %s\n", t.ink.bold(t.word), when(x.To), when(x.From))
	t.printf("  %d went, %d came, %d changed, %d as before, %d not known\n", len(x.Went), len(x.Came), len(x.Changed), x.Same, len(x.Unknown))
	for _, part := range []struct {
		title, mark string
		list        []timeline.Route
	}{{"Went", "-", x.Went}, {"Came", "+", x.Came}, {"Not known", "?", x.Unknown}} {
		if len(part.list) == 0 {
			continue
		}
		t.head(part.title)
		var rows [][]string
		for i := range part.list {
			r := &part.list[i]
			rows = append(rows, []string{part.mark, r.Prefix.String(), r.Peer.String(), r.Path.String(), r.Reason})
		}
		writeTable(t.out, rows)
	}
	if len(x.Changed) > 0 {
		t.head("Changed")
		for i := range x.Changed {
			b, a := &x.Changed[i].Before, &x.Changed[i].After
			t.printf("  %s  %s\n    - %s\n    + %s\n", b.Prefix, b.Peer, b.Path, a.Path)
		}
	}
	t.blind(x.Gaps, x.Missing, x.To)
}
