package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/cnc"
)

// truth is what is known to have happened, one fact a line:
//
//	upstream.lost mccolo 6939 between 2008-11-11T21:00:00Z and 2008-11-11T21:10:00Z
//	transit.lost atrivo 23342 via 3549 between ... and ...
//	origin.new stark 33993 171.22.119.0/24 between ... and ...
//	hoster.dark mccolo between ... and ...
//	feed.lost rrc00 between ... and ...
//	never route.withdrawn mccolo [between ... and ...]
//	cnc.moved mccolo Srizbi 39823 between ... and ... brief 13h
//	cnc.no-gap mccolo Cutwail
//	class blackout          at least one incident is of it
//	never class moved       none is
//	incidents 2             so many in all
//	silent                  nothing is said about any hoster
//
// A fact may carry "family 4" or "family 6". # begins a comment.
type truth struct {
	facts     []fact
	never     []fact
	classes   []watch.Class
	notOf     []watch.Class
	incidents int // -1: not said
	silent    bool
}

// fact is an event that must be found within a window, or must not be.
type fact struct {
	kind     watch.EventKind
	subject  string // hoster or collector; "": any
	number   uint32 // upstream, or origin
	via      uint32
	family   int
	prefix   netip.Prefix
	from, to time.Time
	malware  string        // cnc.*: the family
	brief    time.Duration // cnc.moved: it stayed there no longer than about this
	text     string
}

// implied are the kinds that follow from what a truth names: it need not list them.
var implied = []watch.EventKind{watch.UpstreamRestored, watch.RouteRestored, watch.OriginGone, watch.FeedRestored}

func parseTruth(text string) (*truth, error) {
	t := &truth{incidents: -1}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := t.line(words); err != nil {
			return nil, fmt.Errorf("expected, line %d: %q: %w", i+1, strings.TrimSpace(line), err)
		}
	}
	return t, nil
}

func (t *truth) line(w []string) error {
	not := w[0] == "never"
	if not {
		w = w[1:]
	}
	switch {
	case len(w) == 0:
		return fmt.Errorf("never what?")
	case w[0] == "silent" && len(w) == 1:
		t.silent = true
	case w[0] == "incidents" && len(w) == 2:
		n, err := strconv.Atoi(w[1])
		if err != nil || n < 0 {
			return fmt.Errorf("%q is no number of incidents", w[1])
		}
		t.incidents = n
	case w[0] == "class" && len(w) == 2:
		c := watch.Class(w[1])
		if !slices.Contains([]watch.Class{watch.Depeered, watch.Blackout, watch.Rewired, watch.Moved, watch.Repeered, watch.UpstreamFailure, watch.HijackSuspect}, c) {
			return fmt.Errorf("%q is no class", w[1])
		}
		if not {
			t.notOf = append(t.notOf, c)
		} else {
			t.classes = append(t.classes, c)
		}
	default:
		f, err := parseFact(w)
		if err != nil {
			return err
		}
		if not {
			t.never = append(t.never, f)
		} else {
			t.facts = append(t.facts, f)
		}
	}
	return nil
}

func parseFact(w []string) (fact, error) {
	f := fact{kind: watch.EventKind(w[0]), text: strings.Join(w, " ")}
	if !strings.Contains(w[0], ".") {
		return f, fmt.Errorf("%q is no kind of event", w[0])
	}
	for i := 1; i < len(w); i++ {
		next := func() string {
			if i++; i < len(w) {
				return w[i]
			}
			return ""
		}
		var err error
		switch {
		case w[i] == "via":
			f.via, err = bgp.ParseASN(next())
		case w[i] == "brief":
			f.brief, err = parseEvery(next())
		case strings.HasPrefix(w[0], "cnc.") && i == 2 && w[i] != "between":
			f.malware = cnc.DefaultFamilies().Canonical(strings.ReplaceAll(w[i], "_", " "))
		case w[i] == "family":
			f.family, err = strconv.Atoi(next())
		case w[i] == "between":
			f.from, err = time.Parse(time.RFC3339, next())
			if err == nil && next() != "and" {
				err = fmt.Errorf("between needs two times joined by and")
			}
			if err == nil {
				f.to, err = time.Parse(time.RFC3339, next())
			}
		case i == 1:
			f.subject = w[i]
		case strings.Contains(w[i], "/"):
			f.prefix, err = netip.ParsePrefix(w[i])
		default:
			f.number, err = bgp.ParseASN(w[i])
		}
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

// fits reports whether the event is what the fact says, its time aside.
func (f *fact) fits(e *watch.Event) bool {
	subject := e.Collector
	if e.Hoster != nil {
		subject = *e.Hoster
	}
	return f.kind == e.Kind && (f.subject == "" || f.subject == subject) &&
		(f.number == 0 || f.number == e.Upstream || f.number == e.Origin) &&
		(f.via == 0 || f.via == e.Via) && (f.family == 0 || f.family == e.Family) &&
		(!f.prefix.IsValid() || e.Prefix != nil && f.prefix == *e.Prefix)
}

// within reports whether the event was confirmed, or began, inside the fact's window.
func (f *fact) within(e *watch.Event) bool {
	in := func(t time.Time) bool { return !t.Before(f.from) && !t.After(f.to) }
	return f.from.IsZero() || in(e.At) || in(e.FirstSeen)
}

// score is how what was found compares with the truth.
type score struct {
	Facts     int             `json:"facts"`
	Found     int             `json:"found"`
	Said      int             `json:"said"`  // events that a truth would list
	False     int             `json:"false"` // of these, those that it does not
	Incidents int             `json:"incidents"`
	Delays    []time.Duration `json:"-"`
	Outside   int             `json:"outside"` // facts of another time than the recordings
	Faults    []string        `json:"faults"`  // what differs, in words

	MoveFacts  int             `json:"move_facts"`  // of C&C
	MovesFound int             `json:"moves_found"` // of these
	MovesSaid  int             `json:"moves_said"`  // cnc.moved
	MovesFalse int             `json:"moves_false"` // of these, those that the truth does not list
	Lags       []time.Duration `json:"-"`
	Scored     []scored        `json:"-"`
}

// during leaves out the facts that recordings of that time cannot show.
func (t *truth) during(first, last time.Time) (*truth, int) {
	u := *t
	u.facts = slices.DeleteFunc(slices.Clone(t.facts), func(f fact) bool {
		return !f.aboutMoves() && (f.to.Before(first) || f.from.After(last))
	})
	return &u, len(t.facts) - len(u.facts)
}

// compare scores the events and the last revisions of the incidents.
func (t *truth) compare(events []watch.Event, incidents []watch.Incident) score {
	s := score{Incidents: len(incidents)}
	for i := range t.facts {
		f := &t.facts[i]
		if f.aboutMoves() {
			continue
		}
		s.Facts++
		at := slices.IndexFunc(events, func(e watch.Event) bool { return f.fits(&e) && f.within(&e) })
		if at < 0 {
			s.Faults = append(s.Faults, "not found: "+f.text)
			continue
		}
		s.Found++
		s.Delays = append(s.Delays, events[at].At.Sub(events[at].FirstSeen))
	}
	for i := range events {
		e := &events[i]
		for j := range t.never {
			if f := &t.never[j]; f.fits(e) && f.within(e) {
				s.Faults = append(s.Faults, "must not be said: "+line(e))
			}
		}
		if slices.Contains(implied, e.Kind) {
			continue
		}
		s.Said++
		if !t.covers(e) {
			s.False++
			s.Faults = append(s.Faults, "not in the truth: "+line(e))
		}
	}
	return t.compareIncidents(s, incidents)
}

// covers reports whether the truth lists the event, or implies it: of a hoster
// that goes dark or returns, its prefixes do too.
func (t *truth) covers(e *watch.Event) bool {
	for i := range t.facts {
		f := t.facts[i]
		if f.fits(e) && f.within(e) {
			return true
		}
		whole := f.kind == watch.HosterDark && e.Kind == watch.RouteWithdrawn || f.kind == watch.HosterReturned && e.Kind == watch.RouteRestored
		if f.kind = e.Kind; whole && f.fits(e) && f.within(e) {
			return true
		}
	}
	return false
}

func (t *truth) compareIncidents(s score, incidents []watch.Incident) score {
	has := func(c watch.Class) bool {
		return slices.ContainsFunc(incidents, func(i watch.Incident) bool { return i.Class == c })
	}
	for _, c := range t.classes {
		if !has(c) {
			s.Faults = append(s.Faults, fmt.Sprintf("no incident of class %s", c))
		}
	}
	for _, c := range t.notOf {
		if has(c) {
			s.Faults = append(s.Faults, fmt.Sprintf("an incident of class %s", c))
		}
	}
	if t.incidents >= 0 && len(incidents) != t.incidents {
		s.Faults = append(s.Faults, fmt.Sprintf("%d incidents, not %d", len(incidents), t.incidents))
	}
	return s
}

// line is an event in the words of a truth.
func line(e *watch.Event) string {
	w := []string{string(e.Kind)}
	if e.Hoster != nil {
		w = append(w, *e.Hoster)
	} else {
		w = append(w, e.Collector)
	}
	for _, n := range []uint32{e.Upstream, e.Origin} {
		if n != 0 {
			w = append(w, strconv.FormatUint(uint64(n), 10))
		}
	}
	if e.Via != 0 {
		w = append(w, "via", strconv.FormatUint(uint64(e.Via), 10))
	}
	if e.Prefix != nil {
		w = append(w, e.Prefix.String())
	}
	return fmt.Sprintf("%s at %s (began %s, %.2f to %.2f of %d)", strings.Join(w, " "), e.At.Format(time.RFC3339), e.FirstSeen.Format(time.RFC3339), e.Before, e.After, e.Eligible)
}
