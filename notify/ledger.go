package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Ledger is what people said and asked for at run time: subscriptions, silences,
// acknowledgements, comments, what is to be sent again. It lies in a Store, so that it
// does not matter which process is asked. Its methods may be called from any goroutine.
type Ledger struct{ store Store }

// NewLedger makes one over a store of its own.
func NewLedger(s Store) *Ledger { return &Ledger{store: s} }

// Kept is a whole ledger.
type Kept struct {
	Subscriptions []Subscription
	Silences      []Silence
	Notes         map[string][]Note // by incident, oldest first
	resend        []Entry
}

// The keys.
const (
	keySubscription = "subscription."
	keySilence      = "silence."
	keyNote         = "note."
	keyResend       = "resend."
)

const maxNotes = 100 // of one incident; then the oldest comments go

// ErrUnknown is what is answered for a name that nobody has.
var ErrUnknown = errors.New("there is none of that name")

// ErrTaken is what is answered for a name that is taken.
var ErrTaken = errors.New("the name is taken")

// Subscribe keeps a subscription that was validated, in place of one of its name where
// that is wanted.
func (l *Ledger) Subscribe(ctx context.Context, s Subscription, replace bool) error {
	if !replace {
		return l.create(ctx, keySubscription+s.Name, s)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	e, err := l.store.Get(ctx, keySubscription+s.Name)
	if err != nil {
		return err
	}
	_, err = l.store.Put(ctx, e.Key, text, e.Revision)
	return err
}

// Notes are what was said of an incident, oldest first.
func (l *Ledger) Notes(ctx context.Context, incident string) ([]Note, error) {
	if err := validIncident(incident); err != nil {
		return nil, err
	}
	e, err := l.store.Get(ctx, keyNote+incident)
	if err != nil || e.Value == nil {
		return nil, err
	}
	var notes []Note
	if err := json.Unmarshal(e.Value, &notes); err != nil {
		return nil, fmt.Errorf("what was said of incident %s: %w", incident, err)
	}
	return notes, nil
}

// FollowNotes tells every note that is made from now on, in order for each incident, until
// ctx ends (nil) or tell fails. A note that is made while nobody follows is not told.
func (l *Ledger) FollowNotes(ctx context.Context, tell func(incident string, n Note) error) error {
	last := map[string]Note{} // by key: what was told last, or was there
	begun := false
	return l.store.Watch(ctx, keyNote+">", func(e Entry) error {
		if e.Key == "" {
			begun = true
			return nil
		}
		incident, is := strings.CutPrefix(e.Key, keyNote)
		if !is {
			return nil
		}
		var notes []Note
		if e.Value != nil {
			if err := json.Unmarshal(e.Value, &notes); err != nil {
				return fmt.Errorf("what is kept as %s: %w", e.Key, err)
			}
		}
		was, known := last[e.Key]
		fresh := notes
		if known { // the oldest ones may have gone meanwhile: what is new stands behind the last
			for i := range slices.Backward(notes) {
				if sameNote(notes[i], was) {
					fresh = notes[i+1:]
					break
				}
			}
		}
		if len(notes) > 0 {
			last[e.Key] = notes[len(notes)-1]
		}
		if !begun {
			return nil
		}
		for _, n := range fresh {
			if err := tell(incident, n); err != nil {
				return err
			}
		}
		return nil
	})
}

func sameNote(a, b Note) bool {
	return a.Who == b.Who && a.Comment == b.Comment && a.Ack == b.Ack && a.At.Equal(b.At)
}

// Unsubscribe forgets a subscription.
func (l *Ledger) Unsubscribe(ctx context.Context, name string) error {
	return l.remove(ctx, keySubscription, name)
}

// Silence keeps a silence that was validated.
func (l *Ledger) Silence(ctx context.Context, s Silence) error {
	return l.create(ctx, keySilence+s.ID, s)
}

// EndSilence ends a silence now.
func (l *Ledger) EndSilence(ctx context.Context, id string) error {
	return l.remove(ctx, keySilence, id)
}

// SilenceIncident keeps an incident from being told for a while.
func (l *Ledger) SilenceIncident(ctx context.Context, incident, who string, now time.Time, d time.Duration, reason string) error {
	if err := validIncident(incident); err != nil {
		return err
	}
	s := Silence{ID: ident("silence", incident, who, now.UTC().Format(time.RFC3339Nano))[:12], Match: Match{Incidents: []string{incident}}, Until: now.Add(d).UTC(), Reason: reason, By: who}
	if d <= 0 {
		return fmt.Errorf("silence for %s: is not positive", d)
	}
	if err := s.Validate(); err != nil {
		return err
	}
	return l.Silence(ctx, s)
}

// Ack notes that somebody takes care of an incident: reminders and escalation stop.
func (l *Ledger) Ack(ctx context.Context, incident, who, comment string, now time.Time) error {
	return l.note(ctx, incident, Note{Who: who, At: now.UTC(), Comment: comment, Ack: true})
}

// Comment notes what somebody says of an incident.
func (l *Ledger) Comment(ctx context.Context, incident, who, comment string, now time.Time) error {
	if strings.TrimSpace(comment) == "" {
		return errors.New("the comment is empty")
	}
	return l.note(ctx, incident, Note{Who: who, At: now.UTC(), Comment: comment})
}

// ErrRefusedID is what is answered for what can be nobody's id.
var ErrRefusedID = errors.New("is no id of an incident")

// NewID makes an id that nobody has.
func NewID() string { return strings.ToLower(rand.Text()[:12]) }

var incidentID = regexp.MustCompile(`^[A-Za-z0-9_=-]{1,64}$`)

func validIncident(id string) error {
	if !incidentID.MatchString(id) {
		return fmt.Errorf("%q %w", id, ErrRefusedID)
	}
	return nil
}

func (l *Ledger) note(ctx context.Context, incident string, n Note) error {
	if err := validIncident(incident); err != nil {
		return err
	}
	if n.Who == "" {
		return errors.New("who says so?")
	}
	n.Who, n.Comment = line(n.Who, 100), clip(n.Comment, 1000)
	for {
		e, err := l.store.Get(ctx, keyNote+incident)
		if err != nil {
			return err
		}
		var notes []Note
		if e.Value != nil {
			if err := json.Unmarshal(e.Value, &notes); err != nil {
				return fmt.Errorf("what was said of incident %s: %w", incident, err)
			}
		}
		notes = append(notes, n)
		if len(notes) > maxNotes { // the first of those who acknowledged stays
			for i := range notes {
				if !notes[i].Ack || i > 0 {
					notes = append(notes[:i:i], notes[i+1:]...)
					break
				}
			}
		}
		text, err := json.Marshal(notes)
		if err != nil {
			return err
		}
		if _, err = l.store.Put(ctx, e.Key, text, e.Revision); !errors.Is(err, ErrChanged) {
			return err
		}
		if ctx.Err() != nil { // somebody else said something at the same time: once more
			return ctx.Err()
		}
	}
}

// Resend asks for a dead letter to be sent again: its place, as [Dead] gives it.
func (l *Ledger) Resend(ctx context.Context, place string) error {
	if !regexp.MustCompile(`^[a-z0-9-]+\.[0-9a-f]+$`).MatchString(place) {
		return fmt.Errorf("%q is no place of a message", place)
	}
	err := l.create(ctx, keyResend+place, true)
	if errors.Is(err, ErrTaken) {
		return nil // it is asked for already
	}
	return err
}

// All gives the whole ledger.
func (l *Ledger) All(ctx context.Context) (Kept, error) {
	k := Kept{Notes: map[string][]Note{}}
	entries, err := everything(ctx, l.store, ">")
	if err != nil {
		return k, err
	}
	for _, e := range entries {
		if err := k.add(e); err != nil {
			return k, err
		}
	}
	return k, nil
}

func (k *Kept) add(e Entry) error {
	kind, name, _ := strings.Cut(e.Key, ".")
	var err error
	switch kind + "." {
	case keySubscription:
		var s Subscription
		if err = json.Unmarshal(e.Value, &s); err == nil {
			k.Subscriptions = append(k.Subscriptions, s)
		}
	case keySilence:
		var s Silence
		if err = json.Unmarshal(e.Value, &s); err == nil {
			k.Silences = append(k.Silences, s)
		}
	case keyNote:
		var n []Note
		if err = json.Unmarshal(e.Value, &n); err == nil {
			k.Notes[name] = n
		}
	case keyResend:
		k.resend = append(k.resend, e)
	}
	if err != nil {
		return fmt.Errorf("what is kept as %s: %w", e.Key, err)
	}
	return nil
}

func (l *Ledger) create(ctx context.Context, key string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = l.store.Put(ctx, key, text, 0)
	if errors.Is(err, ErrChanged) {
		_, name, _ := strings.Cut(key, ".")
		return fmt.Errorf("%q: %w", name, ErrTaken)
	}
	return err
}

func (l *Ledger) remove(ctx context.Context, kind, name string) error {
	if !subscriptionName.MatchString(name) {
		return fmt.Errorf("%q: %w", name, ErrUnknown)
	}
	e, err := l.store.Get(ctx, kind+name)
	if err != nil {
		return err
	}
	if e.Value == nil {
		return fmt.Errorf("%q: %w", name, ErrUnknown)
	}
	_, err = l.store.Put(ctx, e.Key, nil, e.Revision)
	return err
}
