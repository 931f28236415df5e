package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Outcome is what came of telling somebody something.
type Outcome string

// The outcomes.
const (
	Sent     Outcome = "sent"     // the receiver has it
	Failed   Outcome = "failed"   // it is tried again
	DeadEnd  Outcome = "dead"     // it is not tried again, unless somebody asks for it
	Held     Outcome = "held"     // nothing is told now; Why says why, and until when
	Unwanted Outcome = "unwanted" // no subscription matches
)

// Delivery is one answer to: was I told, when, and why not? Its JSON is the body of
// depeer.delivery.<receiver>.
type Delivery struct {
	Type     string    `json:"type"` // "delivery"
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	Receiver string    `json:"receiver"` // "nobody" where it is unwanted
	Outcome  Outcome   `json:"outcome"`
	Reason   Reason    `json:"reason,omitempty"` // why it was to be sent
	Loud     bool      `json:"loud,omitempty"`
	Incident string    `json:"incident,omitempty"` // or another story
	Revision int       `json:"revision,omitempty"`
	Stories  []string  `json:"stories,omitempty"` // all that the message is about, where they are several
	Hoster   string    `json:"hoster,omitempty"`
	Key      string    `json:"key,omitempty"`
	Message  string    `json:"message,omitempty"` // its id
	Attempt  int       `json:"attempt,omitempty"`
	Seconds  float64   `json:"seconds,omitempty"` // that the attempt took
	Title    string    `json:"title,omitempty"`
	For      []string  `json:"for,omitempty"` // subscriptions
	Why      string    `json:"why,omitempty"` // not: an error, or what holds it
}

// About reports whether the delivery is about an incident.
func (d *Delivery) About(incident string) bool {
	return d.Incident == incident || slices.Contains(d.Stories, incident)
}

// String says a delivery in a line.
func (d *Delivery) String() string {
	at := d.At.UTC().Format("2006-01-02 15:04:05")
	switch d.Outcome {
	case Sent:
		return fmt.Sprintf("%s  %s was told: %s (%s)", at, d.Receiver, d.Title, d.Reason)
	case Failed:
		return fmt.Sprintf("%s  %s could not be told (attempt %d, tried again): %s", at, d.Receiver, d.Attempt, d.Why)
	case DeadEnd:
		return fmt.Sprintf("%s  %s could not be told, given up: %s", at, d.Receiver, d.Why)
	case Unwanted:
		return fmt.Sprintf("%s  nobody is told: no subscription matches", at)
	}
	return fmt.Sprintf("%s  %s is not told now: %s", at, d.Receiver, d.Why)
}

// of fills in what a delivery says of a thread.
func (d Delivery) of(t *Thread) Delivery {
	lead := t.lead()
	d.Type, d.Receiver, d.Key, d.Incident, d.Revision, d.Hoster = "delivery", t.Receiver, t.Key, lead.ID, lead.Revision, lead.Hoster
	if len(t.Stories) > 1 {
		for i := range t.Stories {
			d.Stories = append(d.Stories, t.Stories[i].ID)
		}
	}
	return d
}

// Letter is a message that was given up.
type Letter struct {
	Place    string    `json:"place"` // what Ledger.Resend wants
	Receiver string    `json:"receiver"`
	Incident string    `json:"incident"`
	Summary  string    `json:"summary"`
	Since    time.Time `json:"since"`
	Attempts int       `json:"attempts"`
	Error    string    `json:"error"`
}

// Dead lists the messages that were given up.
func Dead(ctx context.Context, threads Store) ([]Letter, error) {
	entries, err := everything(ctx, threads, ">")
	if err != nil {
		return nil, err
	}
	var out []Letter
	for _, e := range entries {
		var t Thread
		if err := json.Unmarshal(e.Value, &t); err != nil {
			return nil, fmt.Errorf("what is kept as %s: %w", e.Key, err)
		}
		if t.Dead == "" || len(t.Stories) == 0 {
			continue
		}
		lead := t.lead()
		out = append(out, Letter{Place: e.Key, Receiver: t.Receiver, Incident: lead.ID, Summary: lead.Summary, Since: t.Since, Attempts: t.Attempts, Error: t.Error})
	}
	slices.SortFunc(out, func(a, b Letter) int { return strings.Compare(a.Place, b.Place) })
	return out, nil
}
