package notify

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"depeer/watch"
	"depeer/watch/cnc"
)

// StoryKind is what a story is made of.
type StoryKind string

// The kinds of stories.
const (
	IncidentStory  StoryKind = "incident"
	FeedStory      StoryKind = "feed"      // our own eyes: feed.lost or feed.stale, to feed.restored
	EventStory     StoryKind = "event"     // an event that belongs to no incident
	MigrationStory StoryKind = "migration" // cnc.moved, cnc.watch
	DigestStory    StoryKind = "digest"    // what happened in a day or a week
)

// Story is one thing that can be told, as it is at one revision, with all that
// subscriptions match on. Of what it is made of, one is set.
type Story struct {
	Kind      StoryKind      `json:"kind"`
	ID        string         `json:"id"`
	Revision  int            `json:"revision"`
	At        time.Time      `json:"at"`             // of the revision, in the time of what happened
	Name      string         `json:"name,omitempty"` // of the hoster, on screen
	Over      bool           `json:"over,omitempty"`
	Severity  watch.Severity `json:"severity"`
	Class     watch.Class    `json:"class,omitempty"`
	Hoster    string         `json:"hoster,omitempty"`
	Summary   string         `json:"summary"`
	Score     float64        `json:"score,omitempty"`
	Tags      []string       `json:"tags,omitempty"`
	ASNs      []uint32       `json:"asns,omitempty"`
	Upstreams []uint32       `json:"upstreams,omitempty"`
	Prefixes  []netip.Prefix `json:"prefixes,omitempty"`
	Kinds     []string       `json:"kinds,omitempty"`
	Sources   []string       `json:"sources,omitempty"`

	Incident  *watch.Incident `json:"incident,omitempty"`
	Event     *watch.Event    `json:"event,omitempty"`
	Migration *cnc.Migration  `json:"migration,omitempty"`
	Digest    *DigestText     `json:"digest,omitempty"`
}

// What is kept of lists: a story is written with every change of it.
const (
	keptPrefixes = 50
	keptEvents   = 50
	keptWords    = 20
)

// OfIncident makes a story of a revision of an incident. events are those of the
// incident that are known; who the hoster is may be unknown (nil).
func OfIncident(i watch.Incident, events []watch.Event, h *watch.Hoster) Story {
	s := Story{Kind: IncidentStory, ID: i.ID, Revision: i.Revision, At: i.At, Over: i.Phase == watch.Resolved, Severity: i.Severity, Class: i.Class,
		Hoster: i.Hoster, Name: i.Hoster, Summary: i.Summary}
	s.Upstreams = union(nil, i.Lost...)
	s.Upstreams = union(s.Upstreams, i.Gained...)
	s.ASNs = union(nil, i.Origins...)
	s.Prefixes = first(i.Prefixes, keptPrefixes)
	for _, e := range events {
		s.add(e)
	}
	s.know(h)
	i.Prefixes, i.Events, i.Summary = first(i.Prefixes, keptPrefixes), last(i.Events, keptEvents), clip(i.Summary, maxText)
	s.Summary = i.Summary
	s.Incident = &i
	return s
}

// OfEvent makes a story of an event that belongs to no incident. One of our own eyes
// is lost until an event says that it is restored: all that is told of it
// meanwhile is one story, whose id is that of the first.
func OfEvent(e watch.Event, h *watch.Hoster) Story {
	s := Story{Kind: EventStory, ID: e.ID, Revision: 1, At: e.At, Severity: e.Severity}
	switch e.Kind {
	case watch.FeedLost, watch.FeedStale:
		s.Kind = FeedStory
	case watch.FeedRestored:
		s.Kind, s.Over = FeedStory, true
	}
	if e.Hoster != nil {
		s.Hoster, s.Name = *e.Hoster, *e.Hoster
	}
	s.add(e)
	s.know(h)
	e.Evidence, e.Prefixes = nil, first(e.Prefixes, keptPrefixes)
	s.Event = &e
	s.Summary = sayEvent(&e, s.Name)
	return s
}

// OfMigration makes a story of a family of a hoster that is seen elsewhere.
func OfMigration(m cnc.Migration, h *watch.Hoster) Story {
	s := Story{Kind: MigrationStory, ID: m.ID, Revision: m.Revision, At: m.At, Severity: watch.Severity(m.Severity), Hoster: m.Hoster, Name: m.Hoster,
		Summary: m.Summary, Score: m.Score, Kinds: []string{m.Kind}}
	for _, a := range []uint32{m.ASN, m.From.ASN, m.To.ASN} {
		if a != 0 {
			s.ASNs = union(s.ASNs, a)
		}
	}
	for _, p := range []netip.Prefix{m.From.Prefix, m.To.Prefix} {
		if p.IsValid() {
			s.Prefixes = union(s.Prefixes, p)
		}
	}
	s.know(h)
	s.Migration = &m
	return s
}

// add takes in what can be matched on of an event.
func (s *Story) add(e watch.Event) {
	s.Kinds = union(s.Kinds, string(e.Kind))
	for _, a := range []uint32{e.Upstream, e.Via} {
		if a != 0 {
			s.Upstreams = first(union(s.Upstreams, a), keptWords)
		}
	}
	if e.Origin != 0 {
		s.ASNs = first(union(s.ASNs, e.Origin), keptWords)
	}
	if e.Prefix != nil {
		s.Prefixes = first(union(s.Prefixes, *e.Prefix), keptPrefixes)
	}
	s.Prefixes = first(union(s.Prefixes, e.Prefixes...), keptPrefixes)
	for _, source := range append(slices.Clone(e.Sources), e.Source, e.Collector) {
		if source != "" {
			s.Sources = first(union(s.Sources, source), keptWords)
		}
	}
}

// know adds what is known of the hoster.
func (s *Story) know(h *watch.Hoster) {
	if h == nil {
		return
	}
	s.Name = line(h.Title(), 100)
	s.Tags = h.Tags
	s.ASNs = first(union(s.ASNs, h.ASNs...), keptWords)
}

// succeed takes over what an earlier revision knew of events that are not known any more.
func (s *Story) succeed(old *Story) {
	s.Kinds = union(s.Kinds, old.Kinds...)
	s.Sources = first(union(s.Sources, old.Sources...), keptWords)
	s.Upstreams = first(union(s.Upstreams, old.Upstreams...), keptWords)
	s.Prefixes = first(union(s.Prefixes, old.Prefixes...), keptPrefixes)
	s.Tags = union(s.Tags, old.Tags...)
	s.ASNs = first(union(s.ASNs, old.ASNs...), keptWords)
	if s.Name == s.Hoster {
		s.Name = cmp.Or(old.Name, s.Name)
	}
}

// slim keeps what a message needs of one among many.
func (s *Story) slim() {
	if s.Incident != nil {
		i := *s.Incident
		i.Prefixes, i.Events, i.Summary = first(i.Prefixes, 5), last(i.Events, 5), line(i.Summary, maxLine)
		i.Lost, i.Gained, i.Remaining, i.Origins = first(i.Lost, keptWords), first(i.Gained, keptWords), first(i.Remaining, keptWords), first(i.Origins, keptWords)
		s.Incident = &i
	}
	s.Prefixes, s.Upstreams, s.Summary = first(s.Prefixes, 5), first(s.Upstreams, keptWords), line(s.Summary, maxLine)
}

// opened is when what the story is about began.
func (s *Story) opened() time.Time {
	switch {
	case s.Incident != nil:
		return s.Incident.Opened
	case s.Event != nil:
		return s.Event.FirstSeen
	}
	return s.At
}

// flaps is how often something was lost again.
func (s *Story) flaps() int {
	if s.Incident == nil {
		return 0
	}
	return s.Incident.Flaps
}

// eye is which of our own eyes a feed story is about.
func (s *Story) eye() string {
	if s.Kind != FeedStory || s.Event == nil {
		return ""
	}
	return s.Event.Source + "/" + s.Event.Collector
}

func union[T comparable](to []T, more ...T) []T {
	for _, x := range more {
		if !slices.Contains(to, x) {
			to = append(slices.Clip(to), x)
		}
	}
	return to
}

func first[T any](s []T, n int) []T { return s[:min(n, len(s))] }
func last[T any](s []T, n int) []T  { return s[max(0, len(s)-n):] }
