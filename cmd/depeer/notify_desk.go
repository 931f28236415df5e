package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/notify"
	"depeer/watch"
	"depeer/web"
)

// desk is what people do about incidents, wherever they do it: on the command line, over
// HTTP, in Slack. It keeps that in the ledger, which every process sees.
type desk struct {
	ledger *notify.Ledger
	cfg    func() *NotifyConfig
	ask    func(ctx context.Context, words []string) (string, *notify.Picture, error) // nil: nobody answers
	now    func() time.Time
}

var (
	_ notify.Desk       = (*desk)(nil)
	_ web.Desk          = (*webDesk)(nil)
	_ web.Subscriptions = (*webDesk)(nil)
	_ web.Silences      = (*webDesk)(nil)
)

func newDesk(l *notify.Ledger, cfg func() *NotifyConfig) *desk {
	return &desk{ledger: l, cfg: cfg, now: time.Now}
}

// Ack notes that somebody takes care of an incident.
func (d *desk) Ack(ctx context.Context, incident, who, comment string) error {
	return d.ledger.Ack(ctx, incident, who, comment, d.now())
}

// Comment notes what somebody says of an incident.
func (d *desk) Comment(ctx context.Context, incident, who, text string) error {
	return d.ledger.Comment(ctx, incident, who, text, d.now())
}

// Silence keeps an incident from being told for a while.
func (d *desk) Silence(ctx context.Context, incident, who string, span time.Duration, reason string) error {
	return d.ledger.SilenceIncident(ctx, incident, who, d.now(), span, cmp.Or(reason, "silenced by "+who))
}

// Ask answers a question.
func (d *desk) Ask(ctx context.Context, words []string) (string, *notify.Picture, error) {
	if d.ask == nil {
		return "", nil, errors.New("nobody answers here")
	}
	return d.ask(ctx, words)
}

// subscriptions are those of the configuration, and those made at run time.
func (d *desk) subscriptions(ctx context.Context) ([]notify.Subscription, error) {
	k, err := d.ledger.All(ctx)
	if err != nil {
		return nil, err
	}
	all := append(slices.Clone(d.cfg().Subscriptions), k.Subscriptions...)
	slices.SortStableFunc(all, func(a, b notify.Subscription) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// subscribe keeps a subscription, in place of one of its name where that is wanted.
func (d *desk) subscribe(ctx context.Context, who string, s notify.Subscription, replace bool) error {
	s.By = who
	if err := s.Validate(d.cfg().names(), d.cfg().Zone); err != nil {
		return usageError{err}
	}
	if slices.ContainsFunc(d.cfg().Subscriptions, func(x notify.Subscription) bool { return x.Name == s.Name }) {
		return usagef("name: %q is the name of a subscription of the configuration: change it there", s.Name)
	}
	return d.ledger.Subscribe(ctx, s, replace)
}

func (d *desk) unsubscribe(ctx context.Context, name string) error {
	if slices.ContainsFunc(d.cfg().Subscriptions, func(x notify.Subscription) bool { return x.Name == name }) {
		return usagef("%q is a subscription of the configuration: take it away there", name)
	}
	return d.ledger.Unsubscribe(ctx, name)
}

// silences are those of the configuration and those made at run time that have not ended.
func (d *desk) silences(ctx context.Context) ([]notify.Silence, error) {
	k, err := d.ledger.All(ctx)
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(append(slices.Clone(d.cfg().Silences), k.Silences...), func(s notify.Silence) bool { return !s.Until.After(d.now()) })
	slices.SortStableFunc(all, func(a, b notify.Silence) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

// silence keeps a silence, and gives it an id where it has none.
func (d *desk) silence(ctx context.Context, s notify.Silence) (notify.Silence, error) {
	if s.ID == "" {
		s.ID = notify.NewID()
	}
	if !s.Until.After(d.now()) {
		return s, usagef("until: %s is over already", s.Until.UTC().Format(time.RFC3339))
	}
	if err := s.Validate(); err != nil {
		return s, usageError{err}
	}
	return s, d.ledger.Silence(ctx, s)
}

// silenced gives the silences in force that keep an incident from being told.
func (d *desk) silenced(ctx context.Context, i watch.Incident, events []watch.Event, h *watch.Hoster) ([]notify.Silence, error) {
	all, err := d.silences(ctx)
	if err != nil {
		return nil, err
	}
	s := notify.OfIncident(i, events, h)
	return notify.Covering(all, &s, d.now()), nil
}

func (d *desk) unsilence(ctx context.Context, id string) error {
	if slices.ContainsFunc(d.cfg().Silences, func(x notify.Silence) bool { return x.ID == id }) {
		return usagef("%q is a silence of the configuration: take it away there", id)
	}
	return d.ledger.EndSilence(ctx, id)
}

// webDesk is the desk as the web asks it. The words are the same (a test sees to that);
// JSON carries them over.
type webDesk struct{ desk *desk }

// Ack is as desk's.
func (w *webDesk) Ack(ctx context.Context, incident, who, comment string) error {
	return webError(w.desk.Ack(ctx, incident, who, comment))
}

// Comment is as desk's.
func (w *webDesk) Comment(ctx context.Context, incident, who, text string) error {
	return webError(w.desk.Comment(ctx, incident, who, text))
}

// Notes are what was said of an incident, oldest first.
func (w *webDesk) Notes(ctx context.Context, incident string) ([]web.Note, error) {
	notes, err := w.desk.ledger.Notes(ctx, incident)
	out := make([]web.Note, 0, len(notes))
	for _, n := range notes {
		out = append(out, web.Note{At: n.At, Who: n.Who, Ack: n.Ack, Text: n.Comment})
	}
	return out, webError(err)
}

// Subscriptions are all there are, in order of their names.
func (w *webDesk) Subscriptions(ctx context.Context) (out []web.Subscription, err error) {
	all, err := w.desk.subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	return out, carry(all, &out)
}

// Subscribe makes a subscription, or another of the same name.
func (w *webDesk) Subscribe(ctx context.Context, who string, s web.Subscription) (web.Subscription, error) {
	var x notify.Subscription
	if err := carry(s, &x); err != nil {
		return s, errors.Join(web.ErrRefused, err)
	}
	s.By = who
	return s, webError(w.desk.subscribe(ctx, who, x, true))
}

// Unsubscribe takes a subscription away.
func (w *webDesk) Unsubscribe(ctx context.Context, _, name string) error {
	return webError(w.desk.unsubscribe(ctx, name))
}

// Silences are those that have not ended, in order of their ends.
func (w *webDesk) Silences(ctx context.Context) (out []web.Silence, err error) {
	all, err := w.desk.silences(ctx)
	if err != nil {
		return nil, err
	}
	return out, carry(all, &out)
}

// Silence gives a silence its id, and keeps it.
func (w *webDesk) Silence(ctx context.Context, who string, s web.Silence) (web.Silence, error) {
	var x notify.Silence
	if err := carry(s, &x); err != nil {
		return s, errors.Join(web.ErrRefused, err)
	}
	x.By = who
	made, err := w.desk.silence(ctx, x)
	s.ID, s.By = made.ID, who
	return s, webError(err)
}

// Unsilence ends a silence.
func (w *webDesk) Unsilence(ctx context.Context, _, id string) error {
	return webError(w.desk.unsilence(ctx, id))
}

// Silenced are the silences in force that keep an incident from being told; h may be nil.
func (w *webDesk) Silenced(ctx context.Context, i watch.Incident, events []watch.Event, h *watch.Hoster) (out []web.Silence, err error) {
	all, err := w.desk.silenced(ctx, i, events, h)
	if err != nil {
		return nil, err
	}
	return out, carry(all, &out)
}

// Said follows what people say about incidents, wherever they say it.
func (w *webDesk) Said(ctx context.Context, tell func(web.Said)) error {
	return w.desk.ledger.FollowNotes(ctx, func(incident string, n notify.Note) error {
		tell(web.Said{Incident: incident, Note: web.Note{At: n.At, Who: n.Who, Ack: n.Ack, Text: n.Comment}})
		return nil
	})
}

// carry takes a value from one package's words to another's.
func carry(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(to)
}

// webError says what the web has to answer.
func webError(err error) error {
	var usage usageError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, notify.ErrUnknown):
		return fmt.Errorf("%v: %w", err, web.ErrUnknown)
	case errors.As(err, &usage), errors.Is(err, notify.ErrTaken), errors.Is(err, notify.ErrRefusedID):
		return fmt.Errorf("%v: %w", err, web.ErrRefused)
	}
	return err
}

// questions are those that may be put from outside, and the flags with which.
var questions = map[string][]string{
	"status": nil, "timeline": {"--at", "--from", "--to"}, "explain": {"--at"}, "events": {"--from", "--to"}, "incidents": {"--from", "--to"}, "migrations": nil,
}

// askSelf answers a question as the command of that name would: `timeline mccolo`. With a
// timeline comes its picture, where it can be drawn.
func askSelf(config string) func(ctx context.Context, words []string) (string, *notify.Picture, error) {
	return func(ctx context.Context, words []string) (string, *notify.Picture, error) {
		if len(words) == 0 {
			words = []string{"status"}
		}
		flags, ok := questions[words[0]]
		if !ok {
			return "", nil, fmt.Errorf("%q is none of status, timeline, explain, events, incidents, migrations", words[0])
		}
		for _, w := range words[1:] {
			name, _, _ := strings.Cut(w, "=")
			if strings.HasPrefix(w, "-") && !slices.Contains(flags, name) {
				return "", nil, fmt.Errorf("%s: %q may not be asked here", words[0], w)
			}
		}
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		answer, err := perform(ctx, config, words...)
		if err != nil || words[0] != "timeline" || slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "--at") }) {
			return answer, nil, err
		}
		return answer, drawTimeline(ctx, config, words[1:]), nil
	}
}

// commandTree is rootCommand, which refers to the run command, which answers questions:
// set when all of them are there.
var commandTree func() (*cobra.Command, *bool)

func init() { commandTree = rootCommand }

// perform runs a command of depeer, and gives what it prints.
func perform(ctx context.Context, config string, words ...string) (string, error) {
	root, _ := commandTree()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append(slices.Clone(words), "--config", config))
	if err := root.ExecuteContext(ctx); err != nil {
		return "", err
	}
	return out.String(), nil
}

func drawTimeline(ctx context.Context, config string, words []string) *notify.Picture {
	dir, err := os.MkdirTemp("", "depeer-picture-")
	if err != nil {
		return nil
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "timeline.png")
	if _, err := perform(ctx, config, append([]string{"timeline", "--png", file}, words...)...); err != nil {
		return nil
	}
	png, err := os.ReadFile(file)
	if err != nil || len(png) == 0 {
		return nil
	}
	return &notify.Picture{PNG: png, Alt: "timeline of " + strings.Join(words, " ")}
}
