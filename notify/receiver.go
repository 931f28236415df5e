package notify

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"depeer/watch"
)

// Reason is why a message is sent. The same word stands in logs, metrics, templates and
// the timeline.
type Reason string

// The reasons.
const (
	Opened     Reason = "opened"     // the first that this receiver hears of it
	Changed    Reason = "changed"    // the story moved on
	Resolved   Reason = "resolved"   // and is over
	Reminder   Reason = "reminder"   // it is still open (repeat interval)
	Escalation Reason = "escalation" // nobody acknowledged it
	Acked      Reason = "acked"      // somebody did, or commented
	Digest     Reason = "digest"     // the summary of a day or a week
	Test       Reason = "test"       // somebody asked whether it works
)

// Message is what one receiver is to know of one incident now. It is rendered: a receiver
// arranges it, and computes nothing.
type Message struct {
	ID       string    // of (incident, revision, receiver): the same message has the same id, whoever sends it
	Key      string    // of (incident, receiver): what is edited, threaded or de-duplicated by
	Receiver string    // its name in the configuration
	Reason   Reason    //
	At       time.Time // of the revision
	Severity watch.Severity
	Resolved bool
	Loud     bool // people are to be woken or pinged: mentions apply, and a quiet edit is not enough

	Title   string   // one line: who, what
	Text    string   // one to three sentences that can be read aloud; plain text
	Facts   []Fact   // in order of importance, at most 10
	Changes []string // what is new since the last message, a line each, at most 10
	Next    string   // what to do next, one sentence
	Link    string   // page of the incident; "" where there is no board
	Mention []string // in the receiver's own syntax, from the subscription

	Picture  *Picture        // of the timeline; nil where there is none
	Incident *watch.Incident // nil for a digest, a test, and where one of our own eyes was lost; of several, the worst
	Hoster   string          // its name on screen
	Events   []watch.Event   // of the incident, oldest first, at most 50
	Thread   []string        // what each revision since the last message said, "21:31:50 McColo Corp. is dark: ...", oldest first, at most 50: receivers with threads reply with them

	Before Receipt // what the receiver answered to the last message under Key; empty: none
	Unsure bool    // a message under Key that Before knows nothing of may have arrived: its sender died, or waited in vain. Look before making a second one
}

// Fact is one line of a table.
type Fact struct{ Name, Value string }

// Picture is a drawing of the timeline.
type Picture struct {
	PNG []byte
	Alt string // what it shows, in a sentence
}

// Receipt is what a receiver needs to know of a message to edit it, or to answer in its thread: its own
// ids. It is kept, and given back in Message.Before.
type Receipt map[string]string

// Receiver delivers messages to one place. Send may be called again with the same
// message after an error, and after the death of the process: it must not make a second
// message where the receiver's protocol gives any means against it (edit, dedup key,
// idempotency key, Message-ID).
type Receiver interface {
	Send(ctx context.Context, m *Message) (Receipt, error)
}

// Error says whether to try again.
type Error struct {
	Retry bool          // it may work later
	After time.Duration // not before this long (Retry-After); 0: as the back-off says
	Err   error         // names the act and the answer, never a secret
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Permanent is an error after which trying again is of no use.
func Permanent(format string, args ...any) error {
	return &Error{Err: fmt.Errorf(format, args...)}
}

// Temporary is an error after which the message is sent again.
func Temporary(after time.Duration, format string, args ...any) error {
	return &Error{Retry: true, After: after, Err: fmt.Errorf(format, args...)}
}

// Secret is a string that no log, error, message or page shows.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "<secret>"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Desk is what a person can do from a receiver that hears back (Slack's buttons and commands).
type Desk interface {
	Ack(ctx context.Context, incident, who, comment string) error
	Silence(ctx context.Context, incident, who string, d time.Duration, reason string) error
	// Ask answers "status", "timeline mccolo", "explain 208.66.192.0/22" in plain text, with a picture where there is one.
	Ask(ctx context.Context, words []string) (string, *Picture, error)
}
