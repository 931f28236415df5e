package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/bgp"
	"depeer/notify"
	"depeer/watch"
	"depeer/web"
	"depeer/web/client"
)

type rehearseFlags struct {
	from, to, file string
	held           bool
}

func subscriptionsTestCommand() *cobra.Command {
	var f rehearseFlags
	c := &cobra.Command{
		Use:   "test [NAME...]",
		Short: "Say what would have been told to whom, when, and what not, and why",
		Long: `test plays what happened, the last week unless told otherwise, through the subscriptions of
the configuration and those made at run time, as if every message had arrived at once.
Nothing is sent. With names, only those subscriptions are tried.`,
		Example: `  depeer subscriptions test -c depeer.yaml --from 2026-03-01 --to 2026-03-08
  depeer replay -c mccolo.yaml --json updates/ > found.json && depeer subscriptions test -c mccolo.yaml --events found.json`,
		RunE: func(cmd *cobra.Command, args []string) error { return rehearse(cmd, args, &f) },
	}
	l := c.Flags()
	l.StringVar(&f.from, "from", "", "earliest `TIME`, UTC; a week ago where there is none")
	l.StringVar(&f.to, "to", "", "latest `TIME`; a day alone means its end")
	l.StringVar(&f.file, "events", "", "what happened: a `FILE` that replay --json wrote, instead of the streams")
	l.BoolVar(&f.held, "held", true, "also say what was not told, and why")
	return asksServer(c)
}

// rehearse plays stories through the subscriptions.
func rehearse(cmd *cobra.Command, names []string, f *rehearseFlags) error {
	from, to, err := window(f.from, f.to)
	if err != nil {
		return err
	}
	if serverGiven(cmd) {
		return rehearseThere(cmd, web.Rehearse{Names: names, From: from, To: to}, f)
	}
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	hoster := func(id string) *watch.Hoster {
		if i := slices.IndexFunc(cfg.Hosters, func(h watch.Hoster) bool { return h.ID == id }); i >= 0 {
			return &cfg.Hosters[i]
		}
		return nil
	}
	var kept notify.Kept
	var stories []notify.Story
	if f.file != "" {
		stories, err = storiesOfFile(f.file, hoster, from, to)
		if err != nil {
			return err
		}
	} else {
		if from.IsZero() {
			from = time.Now().Add(-7 * 24 * time.Hour)
		}
		there := false // the depeer that runs has what is needed
		err := withPeople(cmd, func(p *people) error {
			if p.http != nil {
				there = true
				return nil
			}
			var err error
			if kept, err = p.desk.ledger.All(cmd.Context()); err != nil {
				return err
			}
			stories, err = storiesOf(cmd.Context(), p.bus, hoster, from, to)
			return err
		})
		if err != nil {
			return err
		}
		if there {
			return rehearseThere(cmd, web.Rehearse{Names: names, From: from, To: to}, f)
		}
	}
	r, err := newRehearsal(&cfg.Notify, kept, names)
	if err != nil {
		return err
	}
	return playStories(cmd, r, stories, to, f.held)
}

// rehearseThere lets the depeer that runs say what it would have told.
func rehearseThere(cmd *cobra.Command, q web.Rehearse, f *rehearseFlags) error {
	if f.file != "" {
		return usagef("--events is a file of this machine: without --server")
	}
	var x *web.Rehearsed
	if _, err := asking(cmd.Context(), cmd, func(ctx context.Context, c *client.Client) (err error) {
		x, err = c.Rehearse(ctx, q)
		return err
	}); err != nil {
		return err
	}
	return writeRehearsal(cmd.OutOrStdout(), x, f.held)
}

// writeRehearsal writes what would have been told, and where held is set what not.
func writeRehearsal(w io.Writer, x *web.Rehearsed, held bool) error {
	out := bufio.NewWriter(w)
	for i := range x.Lines {
		l := &x.Lines[i]
		at := l.At.UTC().Format("2006-01-02 15:04:05")
		switch {
		case l.Sent:
			writeRehearsed(out, at, l)
		case held && l.Receiver == "":
			fmt.Fprintf(out, "%s  nobody  no subscription matches: %s\n", at, l.Title)
		case held:
			fmt.Fprintf(out, "%s  %s  not now: %s\n", at, l.Receiver, l.Why)
		}
	}
	if x.More > 0 {
		fmt.Fprintf(out, "... and %d more\n", x.More)
	}
	fmt.Fprintf(out, "\n%s of what happened", plural(x.Heard, "revision"))
	for _, s := range x.Sums {
		fmt.Fprintf(out, "; to %s %s and %s", s.Receiver, plural(s.New, "new message"), plural(s.Changes, "change"))
	}
	if len(x.Sums) == 0 {
		fmt.Fprint(out, "; nobody would have been told anything")
	}
	fmt.Fprintln(out)
	return out.Flush()
}

// writeRehearsed writes a message that would have been sent.
func writeRehearsed(out io.Writer, at string, l *web.Rehearsal) {
	loud := ""
	if l.Loud {
		loud = ", wakes people"
	}
	fmt.Fprintf(out, "%s  %s  %s (%s%s; %s)\n", at, l.Receiver, l.Title, l.Reason, loud, strings.Join(l.For, ", "))
	for _, line := range strings.Split(l.Text, "\n") {
		fmt.Fprintf(out, "    %s\n", line)
	}
	for _, line := range l.Changes {
		fmt.Fprintf(out, "    * %s\n", line)
	}
	if l.Next != "" {
		fmt.Fprintf(out, "    > %s\n", l.Next)
	}
}

// newRehearsal makes one of the subscriptions that have one of the names, or of all.
func newRehearsal(cfg *NotifyConfig, kept notify.Kept, names []string) (*notify.Rehearsal, error) {
	c := cfg.Config
	known := []string{}
	pick := func(all []notify.Subscription) (out []notify.Subscription) {
		for _, s := range all {
			known = append(known, s.Name)
			if len(names) == 0 || slices.Contains(names, s.Name) {
				out = append(out, s)
			}
		}
		return out
	}
	c.Subscriptions = pick(c.Subscriptions)
	kept.Subscriptions = pick(kept.Subscriptions)
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, usagef("%q is no subscription%s", n, didYouMean(n, known))
		}
	}
	rules, err := notify.NewRules(c, cfg.names(), kept.Subscriptions, kept.Silences)
	if err != nil {
		return nil, usageError{err}
	}
	return notify.NewRehearsal(rules, cfg.types())
}

// playStories plays them here. What was begun is followed for a day where no end is given.
func playStories(cmd *cobra.Command, r *notify.Rehearsal, stories []notify.Story, to time.Time, held bool) error {
	if n := len(stories); n > 0 && to.IsZero() {
		to = stories[n-1].At.Add(24 * time.Hour)
	}
	return writeRehearsal(cmd.OutOrStdout(), rehearsed(r, stories, web.Rehearse{To: to}, math.MaxInt), held)
}

// storiesOfFile reads what replay --json wrote.
func storiesOfFile(file string, hoster func(string) *watch.Hoster, from, to time.Time) (out []notify.Story, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, usageError{err}
	}
	defer f.Close()
	within := func(at time.Time) bool { return (from.IsZero() || !at.Before(from)) && (to.IsZero() || !at.After(to)) }
	events := map[string]watch.Event{}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 16<<20)
	for n := 1; s.Scan(); n++ {
		var head struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(s.Bytes(), &head); err != nil {
			return nil, usagef("%s:%d: %v", file, n, err)
		}
		switch head.Type {
		case "event":
			e, m, err := notify.ReadEvent(s.Bytes())
			if err != nil {
				return nil, usagef("%s:%d: %v", file, n, err)
			}
			switch {
			case m != nil && within(m.At):
				out = append(out, notify.OfMigration(*m, hoster(m.Hoster)))
			case m != nil:
			case e.Incident != nil:
				events[e.ID] = e
			case within(e.At):
				var h *watch.Hoster
				if e.Hoster != nil {
					h = hoster(*e.Hoster)
				}
				out = append(out, notify.OfEvent(e, h))
			}
		case "incident":
			var i watch.Incident
			if err := json.Unmarshal(s.Bytes(), &i); err != nil {
				return nil, usagef("%s:%d: %v", file, n, err)
			}
			if within(i.At) {
				out = append(out, notify.OfIncident(i, pickEvents(events, i.Events), hoster(i.Hoster)))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b notify.Story) int { return a.At.Compare(b.At) })
	return out, s.Err()
}

// readJSONFile reads a file of JSON that has no unknown keys.
func readJSONFile(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func parseASNFlag(s string) (uint32, error) {
	a, err := bgp.ParseASN(s)
	if err == nil && a == 0 {
		err = errors.New("0 is nobody's (RFC 7607)")
	}
	return a, err
}
