package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/bgp"
	"depeer/bgp/mrt"
	"depeer/notify"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/web"
	"depeer/web/client"
)

func explainCommand() *cobra.Command {
	var at string
	var seed []string
	var asJSON bool
	c := &cobra.Command{
		Use:     "explain PREFIX|HOSTER [FILE|DIR|URL...]",
		GroupID: groupWatch,
		Short:   "Say why there was an alert at a moment, or none",
		Long: `explain replays recordings up to a moment and shows what was known then of a prefix,
or of each prefix of a hoster: which peers were eligible, how many held a route, what
is usual, from where on it would count as withdrawn or back, what was waiting for its
hold time, and who was left out. Without recordings the depeer that runs with the same
configuration is asked about this moment, and with --at the memory about that one; with
--server another depeer, about either.`,
		Example: `  depeer explain mccolo --config depeer.yaml
  depeer explain mccolo --config depeer.yaml --at 2008-11-11T21:25
  depeer explain 194.116.192.0/23 --at 2008-02-23T04:58 --config configs/2008-02-23.yaml updates/
  depeer explain mccolo --at 2008-11-12 -c mccolo.yaml archive/`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if len(seed) > 0 {
					return usagef("--seed needs recordings")
				}
				var moment time.Time
				if at != "" {
					var err error
					if moment, err = instant("at", at); err != nil {
						return err
					}
					if !serverGiven(cmd) {
						return explainMemory(cmd, args[0], moment, asJSON)
					}
				}
				return explainLive(cmd, args[0], moment, asJSON)
			}
			_, until, err := window("", at)
			if err != nil {
				return usagef("--at%s", strings.TrimPrefix(err.Error(), "--to"))
			}
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			if _, err := mrt.Expand(args[1:]); err != nil {
				return usageError{err}
			}
			r := newReplayer(cfg)
			r.until = until
			fault := r.run(cmd.Context(), args[1:], seed, time.Time{}, until, newProgress(cmd.ErrOrStderr()))
			fault = errors.Join(fault, r.finish())
			list, err := explanations(r.detector, args[0])
			if err != nil {
				return errors.Join(err, fault)
			}
			for i := range list {
				if !until.IsZero() {
					list[i].At = until // the engine stands a second later, to have judged this one
				}
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				for i := range list {
					if err := enc.Encode(&list[i]); err != nil {
						return err
					}
				}
				return fault
			}
			for i := range list {
				explain(cmd.OutOrStdout(), &list[i], r)
			}
			now := r.detector.Now()
			writeGaps(cmd.OutOrStdout(), r.detector.GapsTouching(now.Add(-24*time.Hour), now), now)
			return fault
		},
	}
	l := c.Flags()
	l.StringVar(&at, "at", "", "the `TIME` asked about, UTC; the end of the recordings where it is not given")
	l.StringSliceVar(&seed, "seed", nil, "`RIB` to start from, read before everything else")
	l.BoolVar(&asJSON, "json", false, "one JSON object a prefix")
	return asksServer(c)
}

// explainLive asks a depeer that runs; with a moment, its memory.
func explainLive(cmd *cobra.Command, word string, at time.Time, asJSON bool) error {
	cfg, err := configOrServer(cmd)
	if err != nil {
		return err
	}
	hoster, prefix := word, ""
	if p, err := parsePrefixOrAddr(word); err == nil {
		hoster, prefix = "", p.String()
	}
	var x *web.Explanations
	if _, err := asking(cmd.Context(), cmd, func(ctx context.Context, c *client.Client) (err error) {
		if at.IsZero() {
			x, err = c.Explain(ctx, hoster, prefix)
		} else {
			x, err = c.ExplainAt(ctx, hoster, prefix, at)
		}
		return err
	}); err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	if asJSON {
		return json.NewEncoder(w).Encode(x)
	}
	r := newReplayer(cfg)
	if !at.IsZero() {
		r = &replayer{incidents: x.Incidents}
	}
	for i := range x.Explanations {
		explain(w, &x.Explanations[i], r)
	}
	if !at.IsZero() {
		slices.Reverse(x.Events) // as they happened
		writeFound(w, cfg, x.Events)
	}
	writeTold(w, x.Told)
	writeGaps(w, x.Gaps, cmp.Or(at, time.Now()))
	return nil
}

// writeTold says who was told, when, and why not.
func writeTold(w io.Writer, list []web.Told) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", inkFor(w).bold("Who was told"))
	for _, x := range list {
		d := notify.Delivery{At: x.At, Receiver: x.Receiver, Outcome: notify.Outcome(x.Outcome), Reason: notify.Reason(x.Reason), Attempt: x.Attempt, Title: x.Title, Why: x.Why}
		fmt.Fprintf(w, "  %s\n", d.String())
	}
}

// toldOf reads what came of telling people of hosters around a moment.
func toldOf(ctx context.Context, r timeline.Reader, list []watch.Explanation, at time.Time) ([]web.Told, error) {
	q := timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Delivery}, From: at.Add(-explainedBefore), To: at.Add(explainedBefore), Limit: 20}
	for i := range list {
		if h := list[i].Hoster; h != "" && !slices.Contains(q.Hosters, h) {
			q.Hosters = append(q.Hosters, h)
		}
	}
	if len(q.Hosters) == 0 {
		return nil, nil
	}
	records, _, err := r.Records(ctx, q)
	var out []web.Told
	for i := range records {
		var x web.Told
		if json.Unmarshal(records[i].Body, &x) == nil {
			out = append(out, x)
		}
	}
	return out, err
}

// explanations finds what the word names: a hoster, a prefix or an address.
func explanations(d *watch.Detector, word string) ([]watch.Explanation, error) {
	if list, ok := d.ExplainHoster(word); ok {
		if len(list) == 0 {
			return nil, fmt.Errorf("%s: no peer spoke of any prefix of it up to then", word)
		}
		return list, nil
	}
	p, err := parsePrefixOrAddr(word)
	if err != nil {
		return nil, usagef("%q is neither a hoster of the configuration nor a prefix", word)
	}
	list := d.Explain(p)
	for bits := p.Bits() - 1; len(list) == 0 && bits >= 8; bits-- { // an address: the prefix that covers it
		up, _ := p.Addr().Prefix(bits)
		for _, x := range d.Explain(up) {
			if x.Prefix == up {
				list = append(list, x)
			}
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: no watched prefix covers it, and none lies inside it, up to then", word)
	}
	return list, nil
}

// explain prints one explanation.
func explain(w io.Writer, x *watch.Explanation, r *replayer) {
	k := inkFor(w)
	fmt.Fprintf(w, "\n%s  %s  at %s UTC\n", k.bold(x.Prefix.String()), x.Hoster, x.At.Format("2006-01-02 15:04:05"))
	fmt.Fprintf(w, "  %s\n", k.bold(x.Verdict))
	if x.State == "never seen" {
		return
	}
	state := x.State
	if !x.Since.IsZero() {
		state += " since " + x.Since.Format("2006-01-02 15:04:05")
	}
	fmt.Fprintf(w, "  state      %s\n", state)
	fmt.Fprintf(w, "  seen by    %d of %d eligible peers; usually %.0f\n", x.Holding, x.Eligible, x.Baseline)
	fmt.Fprintf(w, "  withdrawn  at %.1f or fewer (withdrawn_below), back at %.1f or more (restored_above)\n", x.LostAt, x.BackAt)
	known := "whole tables are known"
	if !x.Seeded {
		known = "learned from updates alone: min_known"
	}
	fmt.Fprintf(w, "  believed   from %d peers on (%s)\n", x.Least, known)
	if !x.HoldEnds.IsZero() {
		fmt.Fprintf(w, "  hold       ends %s\n", x.HoldEnds.Format("15:04:05"))
	}
	if len(x.Zombies) > 0 {
		fmt.Fprintf(w, "  left out   %s: stuck with a route that all others withdrew\n", strings.Join(x.Zombies, ", "))
	}
	for _, u := range x.Upstreams {
		lost := ""
		switch since := u.Since.Format("2006-01-02 15:04:05"); {
		case u.Lost:
			lost = "  lost since " + since
		case !u.HoldEnds.IsZero():
			lost = "  falling since " + since + ": an alert is pending, hold ends " + u.HoldEnds.Format("15:04:05")
		case !u.Since.IsZero():
			lost = "  falling since " + since + ", lost at " + percent(u.LostAt) + " (lost_below)"
		}
		fmt.Fprintf(w, "  upstream   %-10s IPv%d %5s now, %5s usually, %d peers%s\n", bgp.ASN(u.ASN), u.Family, percent(u.Share), percent(u.Baseline), u.Peers, lost)
	}
	for _, v := range x.Peers {
		mark := "·"
		if v.Holds {
			mark = "✓"
		} else if v.Counted {
			mark = "✗"
		}
		note := ""
		if !v.Counted {
			note = "  not counted"
		}
		since := ""
		if !v.Since.IsZero() {
			since = v.Since.Format("2006-01-02 15:04:05")
		}
		fmt.Fprintf(w, "  %s %-46s %-8s %-19s %s%s\n", mark, v.Peer, v.State, since, v.Path, k.faint(note))
	}
	for i := range r.incidents {
		if in := &r.incidents[i]; in.Hoster == x.Hoster && in.Phase != watch.Resolved {
			fmt.Fprintf(w, "  incident   %s %s: %s\n", in.ID, in.Phase, in.Summary)
		}
	}
}
