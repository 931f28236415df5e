package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"depeer/bus"
	"depeer/notify"
	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/timeline"
	"depeer/web"
)

// rehearsedDesk is the desk of a demo: the same rules decide, at the time of the story, who is
// told what and when, and every message is noted as if it had arrived. Nothing is sent.
//
// What is unexported is called with the lock of the stage held; people come from outside of it.
type rehearsedDesk struct {
	*webDesk
	stage     *stage
	rehearsal *notify.Rehearsal
	events    map[string]watch.Event
	said      []heard // all that was heard, for subscriptions that come later
	n         int     // deliveries
	mute      bool    // what is told now was told before
	failed    error
}

// heard is something that the rehearsal took in.
type heard struct {
	at    time.Time
	story *notify.Story // nil: a note
	id    string
	note  notify.Note
}

var (
	_ web.Desk          = (*rehearsedDesk)(nil)
	_ web.Subscriptions = (*rehearsedDesk)(nil)
	_ web.Silences      = (*rehearsedDesk)(nil)
)

// demoReceiver says what it is where people see its type.
const demoReceiver = "rehearsal: noted here, sent nowhere"

func newRehearsedDesk(ctx context.Context, s *stage) (*rehearsedDesk, error) {
	n := &s.cfg.Notify
	n.Config = notify.DefaultConfig()
	n.Receivers = []ReceiverConfig{{Name: "noc", Type: demoReceiver}, {Name: "on-call", Type: demoReceiver}}
	n.Subscriptions = []notify.Subscription{
		{Name: "noc", To: []string{"noc"}},
		{Name: "on-call", To: []string{"on-call"}, Match: notify.Match{Severity: watch.Critical}},
		{Name: "botnet-hunters", To: []string{"noc"}, Match: notify.Match{Kinds: []string{"cnc.*"}}},
	}
	l, err := openLedger(ctx, s.bus)
	if err != nil {
		return nil, err
	}
	d := newDesk(l, func() *NotifyConfig { return n })
	d.now = s.Now
	w := &rehearsedDesk{webDesk: &webDesk{d}, stage: s, events: map[string]watch.Event{}}
	return w, w.begin(notify.Kept{})
}

// begin makes the rehearsal of the subscriptions and silences that there are, and lets it hear
// what was heard.
func (w *rehearsedDesk) begin(kept notify.Kept) error {
	r, err := newRehearsal(w.desk.cfg(), kept, nil)
	if err != nil {
		return err
	}
	r.Told, r.Held = w.told, w.held
	w.rehearsal = r
	w.mute = true
	for _, x := range w.said {
		w.take(x)
	}
	if len(w.said) > 0 {
		r.Advance(w.stage.Now())
	}
	w.mute = false
	return nil
}

func (w *rehearsedDesk) take(x heard) {
	if x.story == nil {
		w.rehearsal.Note(x.id, x.note)
		return
	}
	if !w.rehearsal.Hear(*x.story, x.at) && x.story.Kind == notify.IncidentStory && x.story.Revision == 1 {
		w.deliver(notify.Delivery{At: x.at, Receiver: "nobody", Outcome: notify.Unwanted, Incident: x.story.ID, Revision: 1, Hoster: x.story.Hoster, Title: x.story.Summary})
	}
}

func (w *rehearsedDesk) hear(x heard) {
	w.said = append(w.said, x)
	w.take(x)
}

func (w *rehearsedDesk) hoster(id string) *watch.Hoster {
	list := w.stage.cfg.Hosters
	if i := slices.IndexFunc(list, func(h watch.Hoster) bool { return h.ID == id }); i >= 0 {
		return &list[i]
	}
	return nil
}

func (w *rehearsedDesk) found(events []watch.Event, revisions []watch.Incident) {
	for _, e := range events {
		if e.Incident != nil {
			w.events[e.ID] = e
			continue
		}
		story := notify.OfEvent(e, w.hoster(deref(e.Hoster)))
		w.hear(heard{at: e.At, story: &story})
	}
	for _, i := range revisions {
		story := notify.OfIncident(i, pickEvents(w.events, i.Events), w.hoster(i.Hoster))
		w.hear(heard{at: i.At, story: &story})
	}
}

func (w *rehearsedDesk) moved(list []cnc.Migration) {
	for _, m := range list {
		story := notify.OfMigration(m, w.hoster(m.Hoster))
		w.hear(heard{at: m.At, story: &story})
	}
}

func (w *rehearsedDesk) advance(now time.Time) { w.rehearsal.Advance(now) }

// told notes a message.
func (w *rehearsedDesk) told(now time.Time, m *notify.Message, subscriptions []string) {
	d := notify.Delivery{At: now, Receiver: m.Receiver, Outcome: notify.Sent, Reason: m.Reason, Loud: m.Loud, Key: m.Key, Message: m.ID, Attempt: 1, Title: m.Title, For: subscriptions}
	if m.Incident != nil {
		d.Incident, d.Revision, d.Hoster = m.Incident.ID, m.Incident.Revision, m.Incident.Hoster
	} else if i := slices.IndexFunc(w.stage.cfg.Hosters, func(h watch.Hoster) bool { return h.Title() == m.Hoster || h.ID == m.Hoster }); i >= 0 {
		d.Hoster = w.stage.cfg.Hosters[i].ID
	}
	w.deliver(d)
}

// held notes why nothing is told now.
func (w *rehearsedDesk) held(now time.Time, t *notify.Thread, why string) {
	d := notify.Delivery{At: now, Receiver: t.Receiver, Outcome: notify.Held, Key: t.Key, Why: why}
	if n := len(t.Stories); n > 0 {
		x := &t.Stories[n-1]
		d.Incident, d.Revision, d.Hoster, d.Title = x.ID, x.Revision, x.Hoster, x.Summary
	}
	w.deliver(d)
}

func (w *rehearsedDesk) deliver(d notify.Delivery) {
	if w.mute {
		return
	}
	w.n++
	d.Type, d.ID, d.At = "delivery", fmt.Sprintf("rehearsed-%d", w.n), d.At.UTC()
	err := w.stage.keep(d, d.ID, func(m bus.Message) (timeline.Record, error) { return deliveryRecord(m) })
	if err == nil {
		var body []byte
		if body, err = json.Marshal(d); err == nil {
			err = w.stage.bus.PublishDelivery(w.stage.ctx, d.Receiver, d.ID, d.Incident, d.At, body)
		}
	}
	if err != nil && w.failed == nil {
		w.failed = err
	}
}

// Ack is as the desk's, and the rehearsal hears of it.
func (w *rehearsedDesk) Ack(ctx context.Context, incident, who, comment string) error {
	return w.note(incident, notify.Note{Who: who, Ack: true, Comment: comment}, w.webDesk.Ack(ctx, incident, who, comment))
}

// Comment is as the desk's, and the rehearsal hears of it.
func (w *rehearsedDesk) Comment(ctx context.Context, incident, who, text string) error {
	return w.note(incident, notify.Note{Who: who, Comment: text}, w.webDesk.Comment(ctx, incident, who, text))
}

func (w *rehearsedDesk) note(incident string, n notify.Note, err error) error {
	if err != nil {
		return err
	}
	w.stage.mu.Lock()
	defer w.stage.mu.Unlock()
	n.At = w.stage.Now()
	w.hear(heard{at: n.At, id: incident, note: n})
	return w.stage.write()
}

// anew puts other subscriptions and silences in force.
func (w *rehearsedDesk) anew(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	kept, err := w.desk.ledger.All(ctx)
	if err != nil {
		return err
	}
	w.stage.mu.Lock()
	defer w.stage.mu.Unlock()
	return w.begin(kept)
}

// Subscribe is as the desk's, and what happens from now on is told by it.
func (w *rehearsedDesk) Subscribe(ctx context.Context, who string, s web.Subscription) (web.Subscription, error) {
	s, err := w.webDesk.Subscribe(ctx, who, s)
	return s, w.anew(ctx, err)
}

// Unsubscribe is as the desk's.
func (w *rehearsedDesk) Unsubscribe(ctx context.Context, who, name string) error {
	return w.anew(ctx, w.webDesk.Unsubscribe(ctx, who, name))
}

// Silence is as the desk's.
func (w *rehearsedDesk) Silence(ctx context.Context, who string, s web.Silence) (web.Silence, error) {
	s, err := w.webDesk.Silence(ctx, who, s)
	return s, w.anew(ctx, err)
}

// Unsilence is as the desk's.
func (w *rehearsedDesk) Unsilence(ctx context.Context, who, id string) error {
	return w.anew(ctx, w.webDesk.Unsilence(ctx, who, id))
}

// demoRegister names the networks of the story, as they were called in 2008.
type demoRegister struct{}

var demoNames = map[uint32]string{26780: "McColo Corp.", 6939: "Hurricane Electric", 3549: "Global Crossing", 226: "Los Nettos", 1299: "TeliaSonera"}

// AS names a network; those that stand for unknown ones (RFC 5398) say so.
func (demoRegister) AS(asn uint32, _ time.Time) (cnc.ASFacts, bool) {
	f := cnc.ASFacts{Name: demoNames[asn], Customers: -1, Prefixes: -1}
	if asn >= 64496 && asn <= 64511 {
		f.Name = "stands for a network that was not published"
	}
	return f, strings.TrimSpace(f.Name) != ""
}
