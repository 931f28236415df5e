package notify

import (
	"fmt"
	"slices"
	"time"

	"depeer/watch"
)

// Decision is what is to be done about a thread at one moment.
type Decision struct {
	Send    bool
	Reason  Reason
	Loud    bool      // people are to be woken
	For     []string  // the subscriptions that ask for it
	Mention []string  //
	Steps   []string  // escalations that it fulfils
	At      time.Time // when to decide again; zero: when something is heard
	Why     string    // nothing is sent: one line
	Held    bool      // something would be, but for Why
}

// Decide says what is to be done about a thread now. It is pure: the same rules, thread
// and time give the same decision.
func (r *Rules) Decide(t *Thread, now time.Time) Decision {
	var d Decision
	var held verdict
	for _, rt := range r.routes[t.Receiver] {
		v := r.judge(rt, t, now)
		switch {
		case v.due.IsZero():
			if held.due.IsZero() && v.why != "" && (held.why == "" || v.weight > held.weight) {
				held = v
			}
		case v.due.After(now):
			if d.At.IsZero() || v.due.Before(d.At) {
				d.At = v.due
			}
			if held.due.IsZero() || v.due.Before(held.due) {
				held = v
			}
		default:
			d.Send = true
			d.Loud = d.Loud || v.loud
			if d.Reason == "" || reasonRank(v.reason) < reasonRank(d.Reason) {
				d.Reason = v.reason
			}
			d.For = union(d.For, rt.sub.Name)
			if v.loud {
				d.Mention = union(d.Mention, rt.mention...)
			}
			if rt.step >= 0 && v.reason == Escalation {
				d.Steps = union(d.Steps, rt.id)
			}
		}
	}
	if d.Send {
		d.At = time.Time{}
	} else {
		d.Why, d.Held = held.why, held.weight >= 3
	}
	return d
}

// reasonRank orders the reasons by which one a message that has several is named.
func reasonRank(r Reason) int {
	return slices.Index([]Reason{Digest, Opened, Escalation, Resolved, Acked, Changed, Reminder}, r)
}

// verdict is what one subscription wants of a thread.
type verdict struct {
	due    time.Time // zero: nothing
	reason Reason
	loud   bool
	why    string
	weight int // of why, among those that want nothing
}

func never(weight int, format string, args ...any) verdict {
	return verdict{why: fmt.Sprintf(format, args...), weight: weight}
}

func (r *Rules) judge(rt *route, t *Thread, now time.Time) verdict {
	s := rt.sub
	if !slices.Contains(t.Subs, s.Name) && !s.matches(t) {
		return never(0, "no subscription of %s matches", t.Receiver)
	}
	v := r.want(rt, t, now)
	if v.due.IsZero() {
		return v
	}
	return r.unmute(rt, t, v, now)
}

// want is what a subscription would have told, and when, if nothing kept it from it.
func (r *Rules) want(rt *route, t *Thread, now time.Time) verdict {
	if t.lead().Kind == DigestStory {
		return wantDigest(rt, t)
	}
	s := rt.sub
	begins := t.Since.Add(s.wait())
	if rt.step >= 0 {
		begins = r.firstDue(rt, t, begins).Add(rt.after)
	}
	told := t.Told.Number > 0
	heard := slices.Contains(t.Subs, s.Name) || told && rt.step < 0 && len(rt.mention) == 0 && !begins.After(now)
	loud := rank(t.lead().Severity) > rank(watch.Info) && t.Ended.IsZero()
	switch {
	case rt.step >= 0 && !slices.Contains(t.Told.Steps, rt.id):
		switch {
		case t.acked():
			return r.follow(rt, t, heard, never(2, "acknowledged by %s", t.Ack.Who))
		case !t.Ended.IsZero():
			return r.follow(rt, t, heard, never(1, "over before it escalated"))
		}
		escalates := verdict{due: begins, reason: Escalation, loud: loud, why: fmt.Sprintf("escalates at %s unless somebody acknowledges", clock(begins))}
		if v := r.follow(rt, t, heard, never(0, "")); !v.due.IsZero() && v.due.Before(escalates.due) {
			return v
		}
		return escalates
	case heard:
		return r.follow(rt, t, true, never(1, "nothing new"))
	case !t.Ended.IsZero() && t.Ended.Before(begins):
		return never(3, "over before its first message was due (wait %s)", Span(s.wait()))
	case told: // another subscription's message, which woke others
		return verdict{due: begins, reason: Changed, loud: loud, why: fmt.Sprintf("waits until %s", clock(begins))}
	}
	return verdict{due: begins, reason: Opened, loud: loud, why: fmt.Sprintf("waits for more until %s", clock(begins))}
}

// wantDigest: a digest is told once, to those who asked for it.
func wantDigest(rt *route, t *Thread) verdict {
	if t.Told.Number > 0 || rt.step >= 0 {
		return never(1, "nothing new")
	}
	return verdict{due: t.Since, reason: Digest}
}

// firstDue is when the first message of a subscription was due: escalation counts
// from then, so that whoever was not woken has time too.
func (r *Rules) firstDue(rt *route, t *Thread, at time.Time) time.Time {
	if rt.sub.Quiet.Unless != "" {
		if _, in := rt.sub.quiet.inside(at); in && t.Rose.After(at) {
			at = t.Rose
		}
	}
	for range 20 {
		m, why, _ := r.muted(rt, t, at, false)
		if why == "" || !m.until.After(at) {
			break
		}
		at = m.until
	}
	return at
}

// follow is what comes after a first message: changes, the end, who takes care of it, reminders.
func (r *Rules) follow(rt *route, t *Thread, heard bool, otherwise verdict) verdict {
	if !heard {
		return otherwise
	}
	s, last := rt.sub, &t.Told
	over := !t.Ended.IsZero()
	if t.Said != nil && !t.Said.At.Equal(last.Said) {
		return verdict{due: t.Said.At, reason: Acked}
	}
	news := t.mark() != last.Mark
	worse := rank(t.lead().Severity) > rank(last.Worst) || t.Again > last.Again || weighty(t.lead().Class) && t.lead().Class != last.Class && !over
	v := otherwise
	switch {
	case !news:
	case s.Updates == NoUpdates:
		v = never(1, "only the first message is wanted (updates)")
	case s.Updates == ImportantUpdates && !worse && over == last.Over:
		v = never(1, "only what is important is wanted (updates)")
	default:
		v = verdict{due: last.At.Add(r.pause(s, t)), reason: Changed, loud: worse && !over}
		if over && !last.Over {
			v.reason = Resolved
		}
		v.why = fmt.Sprintf("changes are told together at %s", clock(v.due))
	}
	if s.Repeat > 0 && !over && !t.acked() && lasts(t.lead().Kind) {
		again := last.Loud.Add(time.Duration(s.Repeat))
		if last.Loud.IsZero() {
			again = last.At.Add(time.Duration(s.Repeat))
		}
		if v.due.IsZero() || again.Before(v.due) {
			return verdict{due: again, reason: Reminder, loud: true, why: fmt.Sprintf("reminds at %s unless somebody acknowledges", clock(again))}
		}
	}
	return v
}

// pause is how long changes are gathered. What flaps is told more rarely.
func (r *Rules) pause(s *subscription, t *Thread) time.Duration {
	every := time.Duration(s.Every)
	if every == 0 {
		every = time.Duration(r.cfg.Every)
	}
	if every <= 0 {
		return 0
	}
	return max(every, min(every*time.Duration(1+t.flaps()), longestPause))
}

// longestPause is how long changes of what flaps are gathered at most.
const longestPause = 10 * time.Minute

// weighty are classes that change what has to be done.
func weighty(c watch.Class) bool {
	return slices.Contains([]watch.Class{watch.Blackout, watch.Moved, watch.HijackSuspect, watch.Repeered}, c)
}

// lasts reports whether a story has an end of which we hear.
func lasts(k StoryKind) bool { return k == IncidentStory || k == FeedStory }

// unmute moves what is due out of the times in which it must not be told.
func (r *Rules) unmute(rt *route, t *Thread, v verdict, now time.Time) verdict {
	s, over := rt.sub, !t.Ended.IsZero()
	at := v.due
	if at.Before(now) {
		at = now
	}
	closing := over && t.Told.Number > 0
	for range 20 {
		later, why, gone := r.muted(rt, t, at, over && !closing)
		switch {
		case gone:
			return never(4, "%s, and was over before that ended", why)
		case why == "":
			if at.After(v.due) && at.After(now) {
				v.due = at
			}
			return v
		}
		if closing && later.silence { // it is only closed, and wakes nobody
			v.loud = false
			return v
		}
		at, v.why, v.weight = later.until, why, 4
		if !at.Before(always) {
			return never(4, "%s", why)
		}
		v.due = at
	}
	return never(4, "%s: there is no time at which %s wants to be told", v.why, s.Name)
}

// mute is a time in which nothing is told.
type mute struct {
	until   time.Time
	silence bool
}

// muted says what keeps a thread from being told at a moment: why is empty where nothing does.
// gone: it was over before that ended, and is not told afterwards.
func (r *Rules) muted(rt *route, t *Thread, at time.Time, over bool) (m mute, why string, gone bool) {
	s := rt.sub
	for _, x := range r.silences {
		if x.covers(t, at) {
			by := ""
			if x.By != "" {
				by = " by " + x.By
			}
			return mute{until: x.Until, silence: true}, fmt.Sprintf("silenced%s until %s: %s", by, clock(x.Until), line(x.Reason, 100)), over
		}
	}
	if end, in := s.maintenance.inside(at); in {
		return mute{until: end}, "maintenance until " + clock(end), over
	}
	if len(s.hours) > 0 {
		if _, in := s.hours.inside(at); !in {
			next := s.hours.next(at)
			return mute{until: next}, fmt.Sprintf("outside the hours of %s, until %s", s.Name, clock(next)), over
		}
	}
	if s.Quiet.Unless != "" && rank(t.lead().Severity) >= rank(s.Quiet.Unless) {
		return mute{}, "", false
	}
	if end, in := s.quiet.inside(at); in {
		return mute{until: end}, "quiet hours until " + clock(end), false
	}
	return mute{}, "", false
}

func clock(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05") + " UTC" }
