package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"depeer/bus"
	"depeer/notify"
	"depeer/watch"
	"depeer/web"
)

// Receivers are those of the configuration, in order of their names.
func (w *webDesk) Receivers() []web.Receiver {
	out := []web.Receiver{}
	for name, kind := range w.desk.cfg().types() {
		out = append(out, web.Receiver{Name: name, Type: kind})
	}
	slices.SortFunc(out, func(a, b web.Receiver) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Rehearse plays what the streams hold of a time through the subscriptions, and sends nothing.
func (w *webDesk) Rehearse(ctx context.Context, b *bus.Bus, hoster func(string) *watch.Hoster, q web.Rehearse) (*web.Rehearsed, error) {
	kept, err := w.desk.ledger.All(ctx)
	if err != nil {
		return nil, err
	}
	cfg := *w.desk.cfg()
	names := q.Names
	if q.Subscription != nil {
		var s notify.Subscription
		if err := carry(*q.Subscription, &s); err != nil {
			return nil, fmt.Errorf("%v: %w", err, web.ErrRefused)
		}
		if err := s.Validate(cfg.names(), cfg.Zone); err != nil {
			return nil, fmt.Errorf("%v: %w", err, web.ErrRefused)
		}
		cfg.Subscriptions, kept.Subscriptions, names = nil, []notify.Subscription{s}, []string{s.Name}
	}
	stories, err := storiesOf(ctx, b, hoster, q.From, q.To)
	if err != nil {
		return nil, err
	}
	r, err := newRehearsal(&cfg, kept, names)
	if err != nil {
		return nil, webError(err)
	}
	return rehearsed(r, stories, q, web.MostLines), ctx.Err()
}

// rehearsed tells what a rehearsal tells, in so many lines at most.
func rehearsed(r *notify.Rehearsal, stories []notify.Story, q web.Rehearse, most int) *web.Rehearsed {
	out := &web.Rehearsed{From: q.From, To: q.To, Heard: len(stories), Lines: []web.Rehearsal{}, Sums: []web.Sum{}}
	line := func(x web.Rehearsal) {
		if len(out.Lines) < most {
			out.Lines = append(out.Lines, x)
		} else {
			out.More++
		}
	}
	sums := map[string]*web.Sum{}
	r.Told = func(now time.Time, m *notify.Message, subscriptions []string) {
		sum := sums[m.Receiver]
		if sum == nil {
			sum = &web.Sum{Receiver: m.Receiver}
			sums[m.Receiver] = sum
		}
		if m.Reason == notify.Opened || m.Reason == notify.Escalation && len(m.Changes) == 0 {
			sum.New++
		} else {
			sum.Changes++
		}
		line(web.Rehearsal{At: now.UTC(), Receiver: m.Receiver, Sent: true, Title: m.Title, Text: m.Text, Changes: m.Changes, Next: m.Next, Reason: string(m.Reason), Loud: m.Loud, For: subscriptions})
	}
	r.Held = func(now time.Time, t *notify.Thread, why string) {
		title := ""
		if n := len(t.Stories); n > 0 {
			title = t.Stories[n-1].Summary
		}
		line(web.Rehearsal{At: now.UTC(), Receiver: t.Receiver, Title: title, Why: why})
	}
	for _, s := range stories {
		if !r.Hear(s, s.At) && s.Revision == 1 && s.Kind == notify.IncidentStory {
			out.Unwanted++
			line(web.Rehearsal{At: s.At.UTC(), Title: s.Summary, Why: "no subscription matches"})
		}
	}
	if len(stories) > 0 {
		r.Advance(q.To)
	}
	for _, sum := range sums {
		out.Sums = append(out.Sums, *sum)
	}
	slices.SortFunc(out.Sums, func(a, b web.Sum) int { return cmp.Compare(a.Receiver, b.Receiver) })
	return out
}
