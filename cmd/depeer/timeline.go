package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/picture"
	"depeer/web/client"
)

type timelineFlags struct {
	from, to, at, believed string
	json, bgplay, diff     bool
	svg, png               string
}

func timelineCommand() *cobra.Command {
	var f timelineFlags
	c := &cobra.Command{
		Use:     "timeline HOSTER|PREFIX|ASN|IP",
		GroupID: groupWatch,
		Short:   "Tell what became of a hoster, a prefix or an AS: who carried it, and when it went",
		Long: `timeline tells from the memory what became of a hoster, a prefix, an AS, or the
longest prefix of an address: who carried it, when exactly each went, what it looked
like before and after, and what could not be seen. Of an upstream it tells what it
carried, gained and dropped.

Without --from and --to it is about the last 30 days that are known. The memory is the one of
the configuration (section timeline): depeer run fills it, and so does depeer backfill.`,
		Example: `  depeer timeline mccolo -c depeer.yaml
  depeer timeline 208.66.192.0/22 -c depeer.yaml --from 2008-11-01 --to 2008-11-30
  depeer timeline mccolo -c depeer.yaml --at 2008-11-11T21:20          the routes at that moment
  depeer timeline mccolo -c depeer.yaml --from 2008-11-11 --to 2008-11-12 --diff
  depeer timeline AS6939 -c depeer.yaml --svg upstream.svg
  depeer timeline mccolo -c depeer.yaml --bgplay > mccolo.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return showTimeline(cmd, args[0], &f) },
	}
	l := c.Flags()
	l.StringVar(&f.from, "from", "", "earliest `TIME`, UTC (2008-11-11, 2008-11-11T21:00, RFC 3339 or seconds since 1970)")
	l.StringVar(&f.to, "to", "", "latest `TIME`; a day alone means its end")
	l.StringVar(&f.at, "at", "", "the routes at this `TIME`, as each peer held them")
	l.StringVar(&f.believed, "believed", "", "only what had been recorded by this `TIME`: what was believed then")
	l.BoolVar(&f.diff, "diff", false, "only what is different at --to from what was at --from")
	l.BoolVar(&f.json, "json", false, "the whole answer as JSON")
	l.BoolVar(&f.bgplay, "bgplay", false, "the JSON that BGPlay draws (as RIPEstat's data call bgplay)")
	l.StringVar(&f.svg, "svg", "", "draw it into this `FILE` (- is standard output)")
	l.StringVar(&f.png, "png", "", "draw it into this `FILE` (- is standard output)")
	c.MarkFlagsMutuallyExclusive("at", "from")
	c.MarkFlagsMutuallyExclusive("at", "to")
	for _, other := range []string{"diff", "bgplay", "svg", "png"} {
		c.MarkFlagsMutuallyExclusive("at", other)
	}
	c.MarkFlagsMutuallyExclusive("json", "bgplay")
	c.MarkFlagsMutuallyExclusive("diff", "bgplay")
	c.MarkFlagsMutuallyExclusive("diff", "svg")
	c.MarkFlagsMutuallyExclusive("diff", "png")
	return asksServer(c)
}

// asking reads the words of the call.
func (f *timelineFlags) asking(word string, cfg *Config) (q timeline.Asking, err error) {
	if q, err = subject(word, cfg); err != nil {
		return q, err
	}
	if q.From, q.To, err = window(f.from, f.to); err != nil {
		return q, usageError{err}
	}
	if f.at != "" {
		if q.To, err = instant("at", f.at); err != nil {
			return q, err
		}
	}
	if f.believed != "" {
		if q.Believed, err = instant("believed", f.believed); err != nil {
			return q, err
		}
	}
	return q, nil
}

// instant reads a flag that names one moment; a day alone means its end.
func instant(flag, s string) (time.Time, error) {
	_, t, err := window("", s)
	if err != nil {
		return t, usagef("--%s%s", flag, strings.TrimPrefix(err.Error(), "--to"))
	}
	return t, nil
}

// subject reads whom a word names: a hoster, an AS, a prefix or an address.
func subject(word string, cfg *Config) (q timeline.Asking, err error) {
	var ids []string
	for i := range cfg.Hosters {
		h := &cfg.Hosters[i]
		if h.ID == word || strings.EqualFold(h.Title(), word) {
			q.Hoster = h.ID
			return q, nil
		}
		ids = append(ids, h.ID)
	}
	if a, err := netip.ParseAddr(word); err == nil && a.Zone() == "" {
		q.Addr = a.Unmap()
		return q, nil
	}
	if strings.Contains(word, "/") {
		if q.Prefix, err = parsePrefixOrAddr(word); err != nil {
			return q, usageError{err}
		}
		return q, nil
	}
	if n, err := bgp.ParseASN(word); err == nil && n != 0 {
		q.ASN = n
		return q, nil
	}
	return q, usagef("%q is neither a hoster of the configuration nor a prefix, an AS or an address%s", word, didYouMean(strings.ToLower(word), ids))
}

func showTimeline(cmd *cobra.Command, word string, f *timelineFlags) (err error) {
	cfg, err := configOrServer(cmd)
	if err != nil {
		return err
	}
	q, err := f.asking(word, cfg)
	if err != nil && serverGiven(cmd) && hosterWord(word) { // whom the server watches, it knows
		x := *cfg
		x.Hosters = []watch.Hoster{{ID: word}}
		q, err = f.asking(word, &x)
	}
	if err != nil {
		return err
	}
	if f.diff && (f.from == "" || f.to == "") {
		return usagef("--diff compares two moments: give --from and --to")
	}
	ctx := cmd.Context()
	if serverGiven(cmd) {
		return f.askServer(cmd, q, cfg, word)
	}
	a, done, err := openAsker(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if f.at == "" && !f.diff {
		if err := lastDays(ctx, a, &q); err != nil {
			return nothingKnown(err, cmd)
		}
	}
	t := &teller{out: &checked{w: cmd.OutOrStdout()}, ink: inkFor(cmd.OutOrStdout()), width: width(cmd.OutOrStdout()), config: configFile(cmd), word: word, cfg: cfg}
	err = nothingKnown(f.tell(ctx, a, q, t), cmd)
	return errors.Join(err, t.out.fault())
}

// askServer tells what a server knows.
func (f *timelineFlags) askServer(cmd *cobra.Command, q timeline.Asking, cfg *Config, word string) error {
	if f.at == "" && !f.diff {
		if q.To.IsZero() {
			q.To = time.Now().UTC().Truncate(time.Second)
		}
		if q.From.IsZero() {
			q.From = q.To.Add(-shownDays)
		}
	}
	t := &teller{out: &checked{w: cmd.OutOrStdout()}, ink: inkFor(cmd.OutOrStdout()), width: width(cmd.OutOrStdout()), config: configFile(cmd), word: word, cfg: cfg}
	_, err := asking(cmd.Context(), cmd, func(ctx context.Context, c *client.Client) error { return f.tell(ctx, c, q, t) })
	return errors.Join(err, t.out.fault())
}

// openAsker opens the memory of the configuration for questions. done closes it.
func openAsker(ctx context.Context, cfg *Config) (a *timeline.Asker, done func() error, err error) {
	store, err := openTimelineReader(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	return &timeline.Asker{Reader: store, Hosters: cfg.Hosters, Baseline: cfg.Policy.Baseline}, store.Close, nil
}

// nothingKnown says what to do where the memory knows nothing.
func nothingKnown(err error, cmd *cobra.Command) error {
	if !errors.Is(err, timeline.ErrNothing) {
		return err
	}
	return fmt.Errorf("%w: the memory holds what `depeer run` heard of the hosters of %s, and what `depeer backfill` read of the archives", err, configFile(cmd))
}

// shownDays is how much is told where nobody says how much.
const shownDays = 30 * 24 * time.Hour

// lastDays gives a period without bounds the last days that are known.
func lastDays(ctx context.Context, a *timeline.Asker, q *timeline.Asking) error {
	if !q.From.IsZero() && !q.To.IsZero() {
		return nil
	}
	first, last, err := a.Known(ctx, *q)
	if err != nil {
		return err
	}
	if q.To.IsZero() {
		if q.To = time.Now().UTC().Truncate(time.Second); q.To.Sub(last) > 24*time.Hour {
			q.To = last.Add(time.Second)
		}
		if q.To.Before(q.From) {
			q.To = q.From
		}
	}
	if q.From.IsZero() {
		if q.From = q.To.Add(-shownDays); q.From.Before(first) && !q.To.Before(first) {
			q.From = first
		}
	}
	return nil
}

// tell asks, and prints or draws the answer.
func (f *timelineFlags) tell(ctx context.Context, a historian, q timeline.Asking, t *teller) error {
	switch {
	case f.at != "":
		x, err := a.RoutesAt(ctx, q)
		if err != nil || f.json {
			return f.encode(t.out, x, err)
		}
		t.routes(x)
		return nil
	case f.diff:
		x, err := a.Difference(ctx, q)
		if err != nil || f.json {
			return f.encode(t.out, x, err)
		}
		t.difference(x)
		return nil
	case f.bgplay:
		x, err := a.BGPlay(ctx, q)
		return f.encode(t.out, x, err)
	}
	x, err := a.Timeline(ctx, q)
	if err != nil {
		return err
	}
	drawn, err := f.draw(t, x)
	switch {
	case err != nil:
		return err
	case f.json:
		return f.encode(t.out, x, nil)
	case !drawn:
		t.timeline(x)
	}
	return nil
}

func (f *timelineFlags) encode(w io.Writer, x any, err error) error {
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	if !f.bgplay {
		enc.SetIndent("", "  ")
	}
	return enc.Encode(x)
}

// draw writes the pictures that are asked for.
func (f *timelineFlags) draw(t *teller, x *timeline.Timeline) (drawn bool, err error) {
	for _, p := range []struct {
		file string
		draw func(io.Writer, *timeline.Timeline, picture.Options) error
	}{{f.svg, picture.SVG}, {f.png, picture.PNG}} {
		if p.file == "" {
			continue
		}
		drawn = true
		if err := drawInto(p.file, t.out, func(w io.Writer) error { return p.draw(w, x, picture.Options{}) }); err != nil {
			return drawn, err
		}
	}
	return drawn, nil
}

// drawInto writes a file whole or not at all; "-" is out.
func drawInto(file string, out io.Writer, draw func(io.Writer) error) error {
	if file == "-" {
		return draw(out)
	}
	f, err := os.Create(file + ".part")
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	err = errors.Join(draw(w), w.Flush(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
