package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/watch"
)

// storyteller prints what a replay finds as a story in order of time: the
// revisions of the incidents as sentences, and beside them the events that are no
// part of one.
type storyteller struct {
	out   *checked
	ink   ink
	width int
	names map[string]string // of hosters, by id
	all   bool              // every event, not only what the sentences leave out

	day      string
	routes   []watch.Event     // prefix events of one second, told together
	sentence map[string]string // last of each incident
}

func newStoryteller(out io.Writer, hosters []watch.Hoster, all bool) *storyteller {
	s := &storyteller{out: &checked{w: out}, ink: inkFor(out), width: width(out), names: map[string]string{}, all: all, sentence: map[string]string{}}
	for i := range hosters {
		s.names[hosters[i].ID] = hosters[i].Title()
	}
	return s
}

// checked remembers that a line could not be written: a story on a full disk must
// not end as if it had been told.
type checked struct {
	w    io.Writer
	err  error
	told bool
}

// fault gives the error, once.
func (c *checked) fault() error {
	if c.told || c.err == nil {
		return nil
	}
	c.told = true
	return c.err
}

func (c *checked) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.w.Write(p)
	c.err = err
	return n, err
}

func (s *storyteller) event(e *watch.Event) {
	if e.Kind == watch.RouteWithdrawn || e.Kind == watch.RouteRestored {
		if len(s.routes) > 0 && (s.routes[0].Kind != e.Kind || *s.routes[0].Hoster != *e.Hoster || !s.routes[0].At.Equal(e.At)) {
			s.flush()
		}
		s.routes = append(s.routes, *e)
		return
	}
	s.flush()
	if !s.all && e.Incident != nil && (e.Kind == watch.HosterDark || e.Kind == watch.HosterReturned || e.Kind == watch.UpstreamLost ||
		e.Kind == watch.UpstreamGained) {
		return // the sentence of the incident says it
	}
	mark, text := s.sentenceOf(e)
	s.line(e.At, e.FirstSeen, s.ink.severity(e.Severity, mark), text)
}

// flush tells the prefix events that came together.
func (s *storyteller) flush() {
	if len(s.routes) == 0 {
		return
	}
	e := s.routes[0]
	verb, mark := "withdrawn", "▼"
	if e.Kind == watch.RouteRestored {
		verb, mark = "back", "▲"
	}
	what := e.Prefix.String()
	if n := len(s.routes); n > 3 {
		what = fmt.Sprintf("%d prefixes (%s, %s, ...)", n, s.routes[0].Prefix, s.routes[1].Prefix)
	} else if n > 1 {
		var ps []string
		for _, r := range s.routes {
			ps = append(ps, r.Prefix.String())
		}
		what = strings.Join(ps, ", ")
	}
	text := fmt.Sprintf("%s: %s %s, seen by %s of %d peers", s.name(&e), what, verb, percent(e.After), e.Eligible)
	s.line(e.At, e.FirstSeen, s.ink.severity(e.Severity, mark), text)
	s.routes = s.routes[:0]
}

func (s *storyteller) name(e *watch.Event) string {
	if e.Hoster == nil {
		return e.Collector
	}
	return s.ink.bold(s.names[*e.Hoster])
}

// sentenceOf says an event on one line.
func (s *storyteller) sentenceOf(e *watch.Event) (mark, text string) {
	name := s.name(e)
	v6 := ""
	if e.Family == 6 {
		v6 = " in IPv6"
	}
	switch e.Kind {
	case watch.UpstreamLost:
		why := ""
		if e.UpstreamFailing {
			why = "; so did most other networks behind it"
		}
		return "✂", fmt.Sprintf("%s lost %s%s: %s of its routes, now %s%s", name, bgp.ASN(e.Upstream), v6, percent(e.Before), percent(e.After), why)
	case watch.UpstreamRestored:
		return "↺", fmt.Sprintf("%s has %s again%s, for %s of its routes", name, bgp.ASN(e.Upstream), v6, percent(e.After))
	case watch.UpstreamGained:
		return "✚", fmt.Sprintf("%s gained %s%s, never seen before, for %s of its routes", name, bgp.ASN(e.Upstream), v6, percent(e.After))
	case watch.TransitLost:
		return "✂", fmt.Sprintf("%s is not reached over %s behind %s any more%s: %s of its routes before", name, bgp.ASN(e.Via), bgp.ASN(e.Upstream), v6, percent(e.Before))
	case watch.OriginNew:
		what := ""
		if e.MoreSpecific != nil && *e.MoreSpecific {
			what = ", a part of its space,"
		}
		return "⚑", fmt.Sprintf("%s: %s%s comes from %s, seen by %s of %d peers", name, e.Prefix, what, bgp.ASN(e.Origin), percent(e.After), e.Eligible)
	case watch.OriginGone:
		return "⚐", fmt.Sprintf("%s: %s no longer comes from %s", name, e.Prefix, bgp.ASN(e.Origin))
	case watch.PrefixNew:
		return "✚", fmt.Sprintf("%s announces %s, which it did not before", name, e.Prefix)
	case watch.HosterDark:
		return "●", fmt.Sprintf("%s is dark", name)
	case watch.HosterReturned:
		return "○", fmt.Sprintf("%s is back", name)
	case watch.FeedLost:
		return "◌", fmt.Sprintf("we are going blind: %s lost %d of its peers", e.Collector, e.PeersLost)
	case watch.FeedStale:
		return "◌", fmt.Sprintf("we are blind: %s has said nothing since %s", e.Collector, clock(e.FirstSeen))
	case watch.FeedRestored:
		return "◉", fmt.Sprintf("we see again: %s is back", e.Collector)
	}
	return "·", fmt.Sprintf("%s: %s", name, e.Kind)
}

func (s *storyteller) incident(r *watch.Incident) {
	s.flush()
	if s.sentence[r.ID] == r.Summary {
		return
	}
	s.sentence[r.ID] = r.Summary
	label := strings.ToUpper(string(r.Class))
	switch r.Phase {
	case watch.Recovering:
		label = s.ink.paint("32", label+", recovering")
	case watch.Resolved:
		label = s.ink.paint("32", label+", over")
	default:
		label = s.ink.severity(r.Severity, label)
	}
	s.line(r.At, r.At, "■", label+"  "+s.ink.bold(r.Summary))
}

// line prints one line of the story; the onset stands behind it where it was earlier.
func (s *storyteller) line(at, onset time.Time, mark, text string) {
	if day := at.UTC().Format("Monday, 2 January 2006"); day != s.day {
		s.day = day
		fmt.Fprintf(s.out, "\n%s (UTC)\n\n", s.ink.bold(day))
	}
	if at.Sub(onset) >= 2*time.Second {
		since := clock(onset)
		if onset.UTC().Format(time.DateOnly) != at.UTC().Format(time.DateOnly) {
			since = onset.UTC().Format("2006-01-02 15:04")
		}
		text += s.ink.faint(" (began " + since + ")")
	}
	fmt.Fprintf(s.out, "%s  %s  %s\n", s.ink.faint(clock(at)), mark, wrap(text, 13, s.width))
}

// board prints how every hoster stands at the end, and what could not be seen.
func (s *storyteller) board(at time.Time, list []watch.Standing, incidents []watch.Incident) {
	s.flush()
	fmt.Fprintf(s.out, "\n%s\n", s.ink.bold("How they stand at "+at.UTC().Format("2006-01-02 15:04:05")+" UTC"))
	for i := range list {
		s.standing(&list[i], incidents)
	}
}

func (s *storyteller) standing(x *watch.Standing, incidents []watch.Incident) {
	var asns []string
	for _, a := range x.ASNs {
		asns = append(asns, bgp.ASN(a))
	}
	state := x.State
	switch x.State {
	case "dark":
		state = s.ink.severity(watch.Critical, state)
	case "partly":
		state = s.ink.severity(watch.Warning, "partly withdrawn")
	case "visible":
		state = s.ink.paint("32", state)
	}
	id := strings.Join(asns, ", ")
	if id == x.Name {
		id = x.Hoster
	}
	fmt.Fprintf(s.out, "\n%s  %s  %s", s.ink.bold(x.Name), s.ink.faint(id), state)
	if x.Prefixes == 0 {
		fmt.Fprintf(s.out, "  nothing was heard of it\n")
	} else {
		fmt.Fprintf(s.out, "  %d prefixes, %d withdrawn, seen by %s (%d peers)\n", x.Prefixes, x.Withdrawn, percent(x.Visibility), x.Eligible)
	}
	for _, u := range x.Upstreams {
		note := ""
		if u.Lost {
			note = s.ink.severity(watch.Critical, "lost since "+u.Since.UTC().Format("2006-01-02 15:04:05"))
		} else if u.Baseline > 0 && u.Share < u.Baseline/2 {
			note = s.ink.severity(watch.Warning, "usually "+percent(u.Baseline))
		}
		v6 := ""
		if u.Family == 6 {
			v6 = " IPv6"
		}
		fmt.Fprintf(s.out, "  %-12s %s %5s  %d peers%s  %s\n", bgp.ASN(u.ASN)+v6, bar(u.Share, 20), percent(u.Share), u.Peers, "", note)
	}
	for i := range incidents {
		r := &incidents[i]
		if r.Hoster != x.Hoster {
			continue
		}
		fmt.Fprintf(s.out, "  %s  %s\n", s.ink.faint(r.Opened.UTC().Format("2006-01-02 15:04:05")), wrap(s.ink.severity(r.Severity, string(r.Class))+": "+r.Summary, 23, s.width))
	}
}
