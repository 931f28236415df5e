package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"depeer/watch"
)

// Thread is what one receiver is told under one key: of one incident, or of several
// that were grouped, or that came back soon after their end. It is kept, so that a
// process that was killed, or another one, goes on with it.
type Thread struct {
	Key      string    `json:"key"`
	Receiver string    `json:"receiver"`
	Group    string    `json:"group,omitempty"` // what its stories have in common: upstream:174
	Since    time.Time `json:"since"`           // when the first was heard
	Joined   time.Time `json:"joined"`          // when the last was
	Stories  []Story   `json:"stories"`
	Ended    time.Time `json:"ended,omitzero"`  // when it was heard that all are over; zero while one is not
	Again    int       `json:"again,omitempty"` // how often it went on after its end
	Rose     time.Time `json:"rose,omitzero"`   // when it was heard that it is worse than before
	Ack      *Note     `json:"ack,omitempty"`   // of who takes care of it
	Said     *Note     `json:"said,omitempty"`  // what was said of it last
	News     []string  `json:"news,omitempty"`  // what was heard since the last message, a line each

	Told     Told      `json:"told,omitzero"`  // the last message that arrived
	Subs     []string  `json:"subs,omitempty"` // subscriptions for which something was told
	Receipt  Receipt   `json:"receipt,omitempty"`
	Claim    *Told     `json:"claim,omitempty"`    // a message that is being sent, or was when its sender died
	Unsure   bool      `json:"unsure,omitempty"`   // a message that was given up may have arrived
	Attempts int       `json:"attempts,omitempty"` // to deliver the claim
	Tried    time.Time `json:"tried,omitzero"`     // when the first of them began
	Dead     string    `json:"dead,omitempty"`     // id of a message that is not tried again
	Error    string    `json:"error,omitempty"`    // of the last attempt
	Held     string    `json:"held,omitempty"`     // why nothing is told now, as published

	revision uint64    // of the store; 0: not written yet
	dirty    bool      // changed since
	queued   bool      // it waits for its receiver
	flying   bool      // its claim is on its way
	retry    time.Time // not before
	forced   bool      // somebody asked for it to be sent again
	wake     time.Time // when it is looked at again; zero: when something is heard
}

// Told is a message: what it said, and why.
type Told struct {
	ID     string         `json:"id"`
	At     time.Time      `json:"at"`
	Loud   time.Time      `json:"loud,omitzero"` // when people were last woken
	Number int            `json:"number"`        // of messages, from 1
	Mark   string         `json:"mark"`          // which revisions it told
	Reason Reason         `json:"reason"`
	Wakes  bool           `json:"wakes,omitempty"`
	For    []string       `json:"for,omitempty"`     // subscriptions
	Pings  []string       `json:"mention,omitempty"` // see Message.Mention
	Steps  []string       `json:"steps,omitempty"`   // all escalations so far
	Worst  watch.Severity `json:"severity,omitempty"`
	Class  watch.Class    `json:"class,omitempty"`
	Over   bool           `json:"over,omitempty"`
	Again  int            `json:"again,omitempty"`
	Said   time.Time      `json:"said,omitzero"`  // the last note that it told
	News   int            `json:"news,omitempty"` // of the lines of Thread.News, how many it told
	Was    []brief        `json:"was,omitempty"`  // each story as it was told
}

// brief is what the next message is compared with.
type brief struct {
	ID        string         `json:"id"`
	Revision  int            `json:"revision"`
	Class     watch.Class    `json:"class,omitempty"`
	Severity  watch.Severity `json:"severity,omitempty"`
	Phase     watch.Phase    `json:"phase,omitempty"`
	Lost      []uint32       `json:"lost,omitempty"`
	Gained    []uint32       `json:"gained,omitempty"`
	Remaining []uint32       `json:"remaining,omitempty"`
}

// Note is what somebody said of an incident.
type Note struct {
	Who     string    `json:"who"`
	At      time.Time `json:"at"`
	Comment string    `json:"comment,omitempty"`
	Ack     bool      `json:"ack"` // he takes care of it; else it is only a comment
}

// ident makes an id of parts; the same parts make the same id anywhere.
func ident(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// keyOf is what a receiver edits, threads and de-duplicates by.
func keyOf(receiver string, s *Story) string { return ident("key", receiver, s.ID) }

const (
	maxStories = 200 // in one message; the next one begins another
	maxOver    = 20  // of those that came back, ended ones that are kept
	maxNews    = 50
	joinWithin = time.Hour // of the last that joined: later ones are another event
)

// take brings a story of the thread up to date, or adds it. It reports whether that is news.
func (t *Thread) take(s Story, now time.Time) bool {
	was := -1
	if len(t.Stories) > 0 {
		was = rank(t.lead().Severity)
	}
	i := slices.IndexFunc(t.Stories, func(x Story) bool { return x.ID == s.ID })
	switch {
	case i >= 0 && s.Revision <= t.Stories[i].Revision:
		return false
	case i >= 0:
		s.succeed(&t.Stories[i])
		t.Stories[i] = s
	default:
		t.Stories, t.Joined = append(t.Stories, s), now
		t.forgetOver()
	}
	switch n := len(t.Stories); {
	case n == 2:
		t.Stories[0].slim()
		t.Stories[1].slim()
	case n > 2 && i >= 0:
		t.Stories[i].slim()
	case n > 2:
		t.Stories[n-1].slim()
	}
	over := !slices.ContainsFunc(t.Stories, func(x Story) bool { return !x.Over })
	switch {
	case over && t.Ended.IsZero():
		t.Ended = now
	case !over && !t.Ended.IsZero():
		t.Ended = time.Time{}
		t.Again++
	}
	if rank(t.lead().Severity) > was {
		t.Rose = now
	}
	t.News = append(t.News, s.At.UTC().Format(time.TimeOnly)+" "+line(s.Summary, 300))
	if n := len(t.News) - maxNews; n > 0 {
		t.News = slices.Delete(t.News, 0, n)
		if t.Claim != nil {
			t.Claim.News = max(0, t.Claim.News-n)
		}
	}
	return true
}

// forgetOver drops the oldest of those that ended, where a thread goes on and on.
func (t *Thread) forgetOver() {
	if t.Group != "" {
		return
	}
	for len(t.Stories) > maxOver && t.Stories[0].Over {
		t.Stories = slices.Delete(t.Stories, 0, 1)
	}
}

// mark names the revisions of which the thread knows. A message of one incident has its revision.
func (t *Thread) mark() string {
	var b strings.Builder
	for i := range t.Stories {
		b.WriteString(t.Stories[i].ID + "." + strconv.Itoa(t.Stories[i].Revision) + " ")
	}
	return b.String()
}

// lead is the story that a message is about where there are several: the worst of
// those that are not over, and of these the first.
func (t *Thread) lead() *Story {
	best := &t.Stories[0]
	for i := range t.Stories {
		s := &t.Stories[i]
		if best.Over != s.Over {
			if best.Over {
				best = s
			}
			continue
		}
		if rank(s.Severity) > rank(best.Severity) || best.Over && t.Group == "" {
			best = s
		}
	}
	return best
}

// flaps is how often something was lost again, in all.
func (t *Thread) flaps() int {
	n := t.Again
	for i := range t.Stories {
		n = max(n, t.Again+t.Stories[i].flaps())
	}
	return n
}

// acked is whether somebody takes care of it.
func (t *Thread) acked() bool { return t.Ack != nil }

// hear takes in the notes of an incident, oldest first. It reports whether that is news.
func (t *Thread) hear(notes []Note) bool {
	news := false
	for i := range notes {
		n := notes[i]
		if n.Ack && (t.Ack == nil || n.At.Before(t.Ack.At)) {
			t.Ack, news = &n, true
		}
		if t.Said == nil || n.At.After(t.Said.At) {
			t.Said, news = &n, true
		}
	}
	return news
}

// claim notes the message that is about to be sent: afterwards it is known what it
// said, whatever is heard meanwhile.
func (t *Thread) claim(d Decision, now time.Time) *Told {
	lead := t.lead()
	c := &Told{
		Number: t.Told.Number + 1, At: now, Loud: t.Told.Loud, Mark: t.mark(), Reason: d.Reason, Wakes: d.Loud, For: d.For, Pings: d.Mention,
		Steps: union(slices.Clone(t.Told.Steps), d.Steps...), Worst: lead.Severity, Class: lead.Class, Over: !t.Ended.IsZero(), Again: t.Again, News: len(t.News),
	}
	if d.Loud {
		c.Loud = now
	}
	if t.Said != nil {
		c.Said = t.Said.At
	}
	for i := range t.Stories {
		c.Was = append(c.Was, briefOf(&t.Stories[i]))
	}
	c.ID = t.messageID(d)
	if t.Claim != nil {
		t.Unsure = true
		if t.Claim.ID != c.ID {
			t.Attempts, t.Tried = 0, time.Time{}
		}
	}
	t.Claim = c
	return c
}

// messageID is that of (incident, revision, receiver), and of the reason: a reminder says nothing new.
func (t *Thread) messageID(d Decision) string {
	number := ""
	if d.Reason == Reminder || d.Reason == Escalation {
		number = strconv.Itoa(t.Told.Number)
	}
	said := ""
	if t.Said != nil {
		said = t.Said.At.UTC().Format(time.RFC3339Nano)
	}
	return ident("message", t.Receiver, t.Key, t.mark(), said, string(d.Reason), number)
}

func briefOf(s *Story) brief {
	b := brief{ID: s.ID, Revision: s.Revision, Class: s.Class, Severity: s.Severity}
	if i := s.Incident; i != nil {
		b.Phase, b.Lost, b.Gained, b.Remaining = i.Phase, i.Lost, i.Gained, i.Remaining
	}
	return b
}

// arrived notes that the claim was delivered.
func (t *Thread) arrived(r Receipt, now time.Time) {
	c := t.Claim
	t.Told, t.Claim, t.Attempts, t.Tried, t.Unsure, t.Dead, t.Error = *c, nil, 0, time.Time{}, false, "", ""
	t.Told.At = now
	if c.Wakes {
		t.Told.Loud = now
	}
	t.Subs = union(t.Subs, c.For...)
	t.News = slices.Delete(t.News, 0, min(c.News, len(t.News)))
	t.Told.News = 0
	if r != nil {
		t.Receipt = r
	}
}

// line is one line of text of at most n characters.
func line(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
