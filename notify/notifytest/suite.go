package notifytest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"depeer/notify"
)

// Shown is one message as people see it at the service.
type Shown struct {
	Title   string   // all that is seen of it in a list
	Text    string   // everything that can be read, Title included, markup resolved
	Replies []string // in its thread
	Edits   int      // how often it was changed in place
	Closed  bool
	Picture []byte   // nil: none
	Active  []string // what acts rather than reads: links, mentions, headers, tags that are no plain formatting
}

// Screen is what people see at the service.
type Screen interface {
	Shown() []Shown   // oldest first
	Faults() []string // what the requests had in them that the protocol forbids
}

// Subject is a receiver under test.
type Subject struct {
	// Open starts a service, and gives a receiver for it with every secret planted.
	Open    func(t *testing.T) (notify.Receiver, Screen)
	Secrets []string
	// Doubles says why a message that is sent again without its receipt is shown twice:
	// the protocol gives no means against it. "" where it does.
	Doubles string
	// Appends says that a change is a message of its own: the protocol has no edit.
	Appends  bool
	Quiet    bool // changes that are not loud are left out, as each would be a message
	Pictures bool // pictures are shown
	NoClose  bool // the protocol has no closing; the text says it
	// Short is set where only the title and some of the text is shown.
	Short bool
	// MayActive allows what acts beside the link of the message.
	MayActive []string
}

// long is far more than anything here takes: it ends a test that hangs.
const long = time.Minute

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), long)
	t.Cleanup(cancel)
	return ctx
}

// What was sent may have arrived, nobody knows, and the story has moved on: the next
// message has another id, and no receipt.
func (s Subject) overtaken(t *testing.T) {
	if s.Appends || s.Doubles != "" {
		t.Skip("each revision is a message of its own, or cannot be recognised")
	}
	r, screen := s.Open(t)
	m := Blackout()
	s.send(t, r, m)
	next := Revise(m, 4, nil)
	next.Unsure = true
	s.send(t, r, next)
	got := s.only(t, screen)
	if !s.Short && !strings.Contains(got.Text, "McColo is back behind AS1299, revision 4.") {
		t.Errorf("it still says:\n%s", got.Text)
	}
}

// Contents runs what holds for every receiver while nothing breaks.
func Contents(t *testing.T, s Subject) {
	t.Run("message", s.message)
	t.Run("picture", s.picture)
	t.Run("twice", s.twice)
	t.Run("overtaken", s.overtaken)
	t.Run("story", s.story)
	t.Run("huge", s.huge)
	t.Run("hostile", s.hostile)
	t.Run("without incident", s.withoutIncident)
	t.Run("side by side", s.sideBySide)
	t.Run("ended context", s.ended)
}

func (s Subject) send(t *testing.T, r notify.Receiver, m *notify.Message) notify.Receipt {
	t.Helper()
	receipt, err := r.Send(bounded(t), m)
	if err != nil {
		t.Fatalf("%s %s: %v", m.Reason, m.ID, err)
	}
	s.noLeak(t, fmt.Sprint(receipt))
	return receipt
}

// only checks the rules and gives the one message that is to be there.
func (s Subject) only(t *testing.T, screen Screen) Shown {
	t.Helper()
	s.rules(t, screen)
	shown := screen.Shown()
	if len(shown) != 1 {
		t.Fatalf("%d messages are shown, want one: %+v", len(shown), shown)
	}
	return shown[0]
}

func (s Subject) rules(t *testing.T, screen Screen) {
	t.Helper()
	for _, f := range screen.Faults() {
		t.Errorf("the protocol forbids: %s", f)
	}
	for _, m := range screen.Shown() {
		s.noLeak(t, m.Text)
		if !utf8.ValidString(m.Text) {
			t.Errorf("not UTF-8: %.200q", m.Text)
		}
	}
}

func (s Subject) noLeak(t *testing.T, text string) {
	t.Helper()
	for _, secret := range s.Secrets {
		if strings.Contains(text, secret) {
			t.Errorf("the secret %q is in %.1000q", secret, text)
		}
	}
}

func (s Subject) message(t *testing.T) {
	r, screen := s.Open(t)
	m := Blackout()
	s.send(t, r, m)
	got := s.only(t, screen)
	want := []string{m.Title, "One of 40 peers still has a path", "AS6939 (was 62 %)"}
	if !s.Short {
		want = append(want, m.Next)
		for _, f := range m.Facts {
			want = append(want, f.Name, f.Value)
		}
	}
	for _, w := range want {
		if !strings.Contains(got.Text, w) {
			t.Errorf("%q is not to be read in:\n%s", w, got.Text)
		}
	}
	if !strings.Contains(got.Title, m.Title) {
		t.Errorf("the title is %q", got.Title)
	}
	if got.Closed {
		t.Error("an open incident is shown as closed")
	}
	if !strings.Contains(got.Title+got.Text, "CRITICAL") && !strings.Contains(strings.ToLower(got.Text), "critical") {
		t.Errorf("the severity is not a word in:\n%s", got.Text)
	}
	if got.Picture != nil {
		t.Error("a picture out of nothing")
	}
	if !strings.Contains(got.Text+strings.Join(got.Active, " "), m.Link) {
		t.Errorf("no way to the page: %s, %q", got.Text, got.Active)
	}
}

func (s Subject) picture(t *testing.T) {
	r, screen := s.Open(t)
	m := Blackout()
	m.Picture = &notify.Picture{PNG: PNG(1), Alt: "McColo's upstreams"}
	receipt := s.send(t, r, m)
	got := s.only(t, screen)
	if s.Pictures && string(got.Picture) != string(PNG(1)) {
		t.Errorf("the picture has %d bytes, want %d", len(got.Picture), len(PNG(1)))
	}
	next := Revise(m, 4, receipt)
	next.Loud = s.Quiet
	next.Picture = &notify.Picture{PNG: PNG(2), Alt: "McColo's upstreams, later"}
	s.send(t, r, next)
	s.rules(t, screen)
	shown := screen.Shown()
	if last := shown[len(shown)-1]; s.Pictures && string(last.Picture) != string(PNG(2)) {
		t.Error("the picture of the change is not shown")
	}
}

// The process died between sending and recording: the message comes again, without a receipt.
func (s Subject) twice(t *testing.T) {
	r, screen := s.Open(t)
	m := Blackout()
	first := s.send(t, r, m)
	again := *m
	again.Unsure = true
	if s.Doubles == "" {
		s.send(t, r, &again)
		s.only(t, screen)
	}
	if s.Appends {
		return
	}
	again.Before = first
	s.send(t, r, &again)
	s.only(t, screen)
	next := Revise(m, 4, first)
	s.send(t, r, next)
	next.Unsure = true
	s.send(t, r, next)
	if got := s.only(t, screen); len(got.Replies) > 1 {
		t.Errorf("one change was replied %d times: %q", len(got.Replies), got.Replies)
	}
}

func (s Subject) story(t *testing.T) {
	r, screen := s.Open(t)
	m := Blackout()
	receipt := s.send(t, r, m)
	for n := 4; n < 7; n++ {
		m = Revise(m, n, receipt)
		m.Loud = s.Quiet
		receipt = s.send(t, r, m)
		s.rules(t, screen)
		shown := screen.Shown()
		last := shown[len(shown)-1]
		if !s.Appends && len(shown) != 1 {
			t.Fatalf("revision %d is a message of its own: %+v", n, shown)
		}
		if !s.Short && !strings.Contains(last.Text+strings.Join(last.Replies, "\n"), fmt.Sprintf("revision %d", n)) {
			t.Errorf("revision %d is not to be read in:\n%s\n%q", n, last.Text, last.Replies)
		}
	}
	end := Resolve(m, 7, receipt)
	s.send(t, r, end)
	s.rules(t, screen)
	shown := screen.Shown()
	last := shown[len(shown)-1]
	if !s.NoClose && !last.Closed {
		t.Errorf("the end does not close it: %+v", last)
	}
	if !strings.Contains(last.Title, end.Title) && !s.NoClose {
		t.Errorf("the title is %q after the end", last.Title)
	}
	if s.NoClose && !strings.Contains(last.Text, "RESOLVED") {
		t.Errorf("nothing says RESOLVED in:\n%s", last.Text)
	}
	if !s.Appends && len(shown) != 1 {
		t.Errorf("the end is a message of its own")
	}
}

func (s Subject) huge(t *testing.T) {
	r, screen := s.Open(t)
	receipt := s.send(t, r, Huge())
	got := s.only(t, screen)
	if !strings.Contains(got.Title, "Huge story ä") {
		t.Errorf("the title is lost: %.200q", got.Title)
	}
	m := Revise(Huge(), 4, receipt)
	m.Changes = Huge().Changes
	s.send(t, r, m)
	s.rules(t, screen)
}

func (s Subject) hostile(t *testing.T) {
	r, screen := s.Open(t)
	m := Hostile()
	m.Loud = false
	receipt := s.send(t, r, m)
	s.inert(t, m, screen)
	next := Revise(m, 4, receipt)
	next.Text, next.Changes, next.Thread = m.Text, m.Changes, m.Thread
	s.send(t, r, next)
	s.inert(t, m, screen)
}

func (s Subject) inert(t *testing.T, m *notify.Message, screen Screen) {
	t.Helper()
	s.rules(t, screen)
	shown := screen.Shown()
	if len(shown) == 0 {
		t.Fatal("nothing is shown")
	}
	for _, got := range shown {
		for _, a := range got.Active {
			ok := a == m.Link
			for _, may := range s.MayActive {
				ok = ok || a == may
			}
			if !ok {
				t.Errorf("%q acts", a)
			}
		}
		if !strings.Contains(got.Title, "Evil a Bcc: victim@evil.example body") {
			t.Errorf("the title is %q", got.Title)
		}
		for _, bad := range []string{"\x00", "\x07", "\x1b", "\u202e", "\u2066"} {
			if strings.Contains(got.Text+got.Title+strings.Join(got.Replies, ""), bad) {
				t.Errorf("%q comes through", bad)
			}
		}
		if !s.Short && !strings.Contains(got.Text+strings.Join(got.Replies, "\n"), "<!channel>") {
			t.Errorf("<!channel> cannot be read as it was written in:\n%s", got.Text)
		}
	}
}

func (s Subject) withoutIncident(t *testing.T) {
	r, screen := s.Open(t)
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	s.send(t, r, &notify.Message{
		ID: "m-digest-1", Key: "k-digest-1", Receiver: "noc", Reason: notify.Digest, At: at, Severity: "info",
		Title: "The week: 2 lost, 1 gained", Text: "McColo Corp. is still routed by AS1299.",
	})
	if got := s.only(t, screen); !strings.Contains(got.Title, "The week: 2 lost, 1 gained") {
		t.Errorf("the digest is %+v", got)
	}
	s.send(t, r, &notify.Message{ID: "m-test-1", Key: "k-test-1", Receiver: "noc", Reason: notify.Test, At: at, Severity: "info", Title: "depeer can reach you"})
	s.rules(t, screen)
	if got := screen.Shown(); len(got) != 2 || !strings.Contains(got[1].Title, "depeer can reach you") {
		t.Errorf("after the test message: %+v", got)
	}
}

func (s Subject) sideBySide(t *testing.T) {
	r, screen := s.Open(t)
	const many = 8
	var wg sync.WaitGroup
	ctx := bounded(t)
	for n := range many {
		wg.Go(func() {
			m := Blackout()
			m.ID, m.Key = fmt.Sprintf("m-%d", n), fmt.Sprintf("k-%d", n)
			i := *m.Incident
			i.ID = fmt.Sprintf("i%d", n)
			m.Incident = &i
			if _, err := r.Send(ctx, m); err != nil {
				t.Errorf("%d: %v", n, err)
			}
		})
	}
	wg.Wait()
	s.rules(t, screen)
	if got := len(screen.Shown()); got != many {
		t.Errorf("%d messages are shown, want %d", got, many)
	}
}

func (s Subject) ended(t *testing.T) {
	r, screen := s.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Send(ctx, Blackout()); err == nil {
		t.Error("it was sent although nobody waits for it any more")
	} else {
		s.CheckError(t, err, true)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v is not the context's error", err)
		}
	}
	if got := screen.Shown(); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}
