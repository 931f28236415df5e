package notify

import (
	"net/netip"
	"slices"
	"strings"

	"depeer/watch"
)

// matcher is a Match made ready.
type matcher struct {
	Match
	least int  // severity
	alone bool // kinds are named: events without an incident count too
}

// wanted makes the match of a subscription ready. Whoever names neither a severity, a
// kind nor a class does not hear of what is only information.
func (m Match) wanted() matcher {
	c := matcher{Match: m, least: rank(watch.Warning), alone: len(m.Kinds) > 0}
	switch {
	case m.Severity != "":
		c.least = rank(m.Severity)
	case len(m.Kinds) > 0 || len(m.Classes) > 0:
		c.least = 0
	}
	return c
}

// unwanted makes the match of an exception or a silence ready: it is about everything
// that it does not exclude.
func (m Match) unwanted() matcher { return matcher{Match: m, least: rank(m.Severity), alone: true} }

// matches reports whether every condition that is given holds for the story.
func (m *matcher) matches(s *Story) bool {
	if rank(s.Severity) < m.least || s.Score < m.Score {
		return false
	}
	if !m.alone && (s.Kind == FeedStory || s.Kind == EventStory || slices.Contains(s.Kinds, string(kindWatched))) {
		return false // a fact on its own is told to those who name its kind
	}
	switch {
	case len(m.Incidents) > 0 && !slices.Contains(m.Incidents, s.ID),
		len(m.Hosters) > 0 && !slices.Contains(m.Hosters, s.Hoster),
		len(m.Tags) > 0 && !overlap(m.Tags, s.Tags),
		len(m.ASNs) > 0 && !overlap(m.ASNs, s.ASNs),
		len(m.Upstreams) > 0 && !overlap(m.Upstreams, s.Upstreams),
		len(m.Classes) > 0 && !slices.Contains(m.Classes, s.Class),
		len(m.Sources) > 0 && !overlap(m.Sources, s.Sources):
		return false
	}
	if len(m.Prefixes) > 0 && !slices.ContainsFunc(m.Prefixes, func(p netip.Prefix) bool { return slices.ContainsFunc(s.Prefixes, p.Overlaps) }) {
		return false
	}
	return len(m.Kinds) == 0 || slices.ContainsFunc(m.Kinds, func(k string) bool {
		return slices.ContainsFunc(s.Kinds, func(is string) bool { return kindMatches(k, watch.EventKind(is)) })
	})
}

// kindMatches reads feed.* as every kind of feed.
func kindMatches(pattern string, kind watch.EventKind) bool {
	if p, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasSuffix(p, ".") {
		return strings.HasPrefix(string(kind), p)
	}
	return pattern == string(kind)
}

func overlap[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(x T) bool { return slices.Contains(b, x) })
}
