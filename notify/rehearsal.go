package notify

import (
	"time"
)

// Rehearsal is telling without receivers: what would be told to whom, and when, if
// every message arrived at once. Time is an argument.
type Rehearsal struct {
	Told func(now time.Time, m *Message, subscriptions []string) // of each message
	Held func(now time.Time, t *Thread, why string)              // each time the reason for which nothing is told changes; may be nil

	rules  *Rules
	book   *Book
	render *renderer
	due    map[*Thread]time.Time
}

// NewRehearsal begins one. types are those of the receivers, by name.
func NewRehearsal(r *Rules, types map[string]string) (*Rehearsal, error) {
	render, err := newRenderer(&r.cfg, types)
	if err != nil {
		return nil, err
	}
	return &Rehearsal{rules: r, book: NewBook(r), render: render, due: map[*Thread]time.Time{}}, nil
}

// Hear tells what is due before now, and takes in a story. It reports whether any
// subscription wants it.
func (h *Rehearsal) Hear(s Story, now time.Time) bool {
	h.Advance(now)
	h.settle(h.book.Hear(s, now, func(string) *Thread { return nil }), now)
	for _, receiver := range h.rules.receivers {
		if h.book.story[place(receiver, s.ID)] != nil {
			return true
		}
		if _, ok := h.rules.wanted(receiver, &s); ok {
			return true
		}
	}
	return false
}

// Note tells what is due before now, and takes in what somebody said of an incident.
func (h *Rehearsal) Note(incident string, n Note) {
	h.Advance(n.At)
	h.settle(h.book.Note(incident, append(h.book.notes[incident], n)), n.At)
}

// Silence puts a silence in force.
func (h *Rehearsal) Silence(s Silence, now time.Time) {
	h.Advance(now)
	h.rules.silences = append(h.rules.silences, silence{Silence: s, match: s.Match.unwanted()})
	h.settle(h.book.sorted(), now)
}

// Advance tells what is due up to now, each at its time.
func (h *Rehearsal) Advance(now time.Time) {
	for {
		var next *Thread
		for _, t := range h.book.sorted() {
			if at, ok := h.due[t]; ok && !at.After(now) && (next == nil || at.Before(h.due[next])) {
				next = t
			}
		}
		if next == nil {
			return
		}
		h.settle([]*Thread{next}, h.due[next])
	}
}

func (h *Rehearsal) settle(threads []*Thread, now time.Time) {
	for _, t := range threads {
		d := h.rules.Decide(t, now)
		for n := 0; d.Send && n < 3; n++ {
			t.claim(d, now)
			h.Told(now, h.render.message(t), d.For)
			t.arrived(nil, now)
			t.Held = ""
			d = h.rules.Decide(t, now)
		}
		delete(h.due, t)
		if !d.At.IsZero() {
			h.due[t] = d.At
		}
		if d.Why == "nothing new" {
			d.Why = ""
		}
		if d.Why != t.Held {
			t.Held = d.Why
			if h.Held != nil && d.Why != "" {
				h.Held(now, t, d.Why)
			}
		}
		if h.book.done(t, d, now) {
			h.book.drop(t)
		}
	}
}
