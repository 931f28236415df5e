package notify

import (
	"fmt"
	"slices"
	"time"
)

// Rules are the subscriptions and silences in force, made ready. They are not changed
// once made.
type Rules struct {
	cfg       Config
	receivers []string
	subs      []*subscription
	routes    map[string][]*route // by receiver
	silences  []silence
}

// subscription is a Subscription made ready.
type subscription struct {
	Subscription
	match                     matcher
	except                    []matcher
	hours, quiet, maintenance windows
}

// route leads from a subscription to a receiver: at once, or by a step of its escalation.
type route struct {
	id      string
	sub     *subscription
	step    int // -1: at once
	after   time.Duration
	mention []string
}

type silence struct {
	Silence
	match matcher
}

// NewRules makes rules of the configuration and of what was made at run time.
// receivers are the names there are. What is wrong with one of those made at run
// time is an error too: whoever makes one validates it first.
func NewRules(cfg Config, receivers []string, subs []Subscription, silences []Silence) (*Rules, error) {
	r := &Rules{cfg: cfg, receivers: receivers, routes: map[string][]*route{}}
	for _, s := range append(slices.Clone(cfg.Subscriptions), subs...) {
		if err := s.Validate(receivers, cfg.Zone); err != nil {
			return nil, fmt.Errorf("subscription %s: %w", s.Name, err)
		}
		r.add(s)
	}
	for _, s := range append(slices.Clone(cfg.Silences), silences...) {
		r.silences = append(r.silences, silence{Silence: s, match: s.Match.unwanted()})
	}
	return r, nil
}

func (r *Rules) add(s Subscription) {
	c := &subscription{Subscription: s, match: s.Match.wanted()}
	for _, m := range s.Except {
		c.except = append(c.except, m.unwanted())
	}
	ready := func(list []Window) (out windows) {
		for i := range list {
			if w, err := list[i].compile(r.cfg.Zone); err == nil { // validated
				out = append(out, w)
			}
		}
		return out
	}
	c.hours, c.quiet, c.maintenance = ready(s.Hours), ready(s.Quiet.Windows), ready(s.Maintenance)
	r.subs = append(r.subs, c)
	for _, to := range s.To {
		r.routes[to] = append(r.routes[to], &route{id: s.Name, sub: c, step: -1, mention: s.Mention})
	}
	for i, e := range s.Escalate {
		for _, to := range e.To {
			r.routes[to] = append(r.routes[to], &route{id: fmt.Sprintf("%s/%d", s.Name, i), sub: c, step: i, after: time.Duration(e.After), mention: e.Mention})
		}
	}
}

// wants reports whether a subscription wants the story.
func (s *subscription) wants(x *Story) bool {
	if x.Kind == DigestStory {
		return x.Digest != nil && x.Digest.Subscription == s.Name
	}
	if s.Digest.Every != "" || !s.match.matches(x) {
		return false
	}
	return !slices.ContainsFunc(s.except, func(m matcher) bool { return m.matches(x) })
}

// matches reports whether it wants any story of the thread.
func (s *subscription) matches(t *Thread) bool {
	for i := range t.Stories {
		if s.wants(&t.Stories[i]) {
			return true
		}
	}
	return false
}

// covers reports whether the silence holds for all that is not over in the thread.
func (s *silence) covers(t *Thread, at time.Time) bool {
	if at.Before(s.From) || !at.Before(s.Until) {
		return false
	}
	for i := range t.Stories {
		x := &t.Stories[i]
		if (!x.Over || !t.Ended.IsZero()) && !s.match.matches(x) {
			return false
		}
	}
	return true
}

// Covering gives the silences that keep a story from being told at a moment, in their order.
func Covering(silences []Silence, s *Story, at time.Time) []Silence {
	return slices.DeleteFunc(slices.Clone(silences), func(x Silence) bool {
		one := silence{Silence: x, match: x.Match.unwanted()}
		t := &Thread{Stories: []Story{*s}}
		if s.Over { // what is over is asked about too
			t.Ended = at
		}
		return !one.covers(t, at)
	})
}

// wanted reports whether any subscription of the receiver wants the story, and by
// what the first of them groups it.
func (r *Rules) wanted(receiver string, s *Story) (by string, ok bool) {
	for _, rt := range r.routes[receiver] {
		if rt.sub.wants(s) {
			return rt.sub.Group.By, true
		}
	}
	return "", false
}
