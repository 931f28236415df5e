package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/watch"
	"depeer/watch/cnc/impact"
)

func impactCommand() *cobra.Command {
	var events, cuts []string
	var asJSON bool
	c := &cobra.Command{
		Use:     "impact HOSTER FILE|URL...",
		GroupID: groupWatch,
		Short:   "Did a series (spam, attacks) change when the hoster was cut off?",
		Long: `impact holds each series against the cuts of a hoster: how far it fell or rose within a
day, how likely that is by chance, and when it was back. A series is CSV (a time, a
value) or the answer of a Prometheus range query, from a file or a URL.

The cuts are the incidents that --events holds (replay --json), or moments given with
--cut. Where the series is too short, or moves as much anyway, it proves nothing and
the answer says so.`,
		Example: `  depeer impact mccolo spam.csv --events routes.ndjson
  depeer impact mccolo 'http://prometheus:9090/api/v1/query_range?query=sum(spam)&start=...&end=...&step=1h' --cut 2008-11-11T21:00`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := cutsOf(args[0], events, cuts)
			if err != nil {
				return err
			}
			for _, name := range args[1:] {
				series, err := readSeries(cmd.Context(), name)
				if err != nil {
					return err
				}
				for _, c := range at {
					r, err := impact.At(name, series, c.at, impact.Options{})
					if err != nil {
						return fmt.Errorf("%s: %w", name, err)
					}
					r.Hoster, r.Incident = args[0], c.incident
					if err := printImpact(cmd.OutOrStdout(), &r, asJSON); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
	l := c.Flags()
	l.StringSliceVar(&events, "events", nil, "`FILE` of events and incidents (replay --json)")
	l.StringSliceVar(&cuts, "cut", nil, "`TIME` of a cut, UTC")
	l.BoolVar(&asJSON, "json", false, "one JSON object for each series and cut")
	return c
}

// cutMoment is a cut and the incident that it belongs to.
type cutMoment struct {
	at       time.Time
	incident string
}

// cutsOf gives the moments that are given, and the onsets of the incidents in which the hoster lost
// something. Incidents within two weeks of another are one cut: their effects cannot be told apart.
func cutsOf(hoster string, files, given []string) ([]cutMoment, error) {
	var out []cutMoment
	for _, s := range given {
		t, err := parseSightingTime(s)
		if err != nil {
			return nil, usagef("--cut: %v", err)
		}
		out = append(out, cutMoment{at: t})
	}
	_, incidents, err := readRouteEvents(files)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(incidents, func(a, b watch.Incident) int { return a.Opened.Compare(b.Opened) })
	var last time.Time
	for _, i := range incidents {
		lost := i.Class == watch.Blackout || i.Class == watch.Depeered || i.Class == watch.Moved
		if i.Hoster != hoster || !lost || !last.IsZero() && i.Opened.Sub(last) < 14*24*time.Hour {
			continue
		}
		last = i.Opened
		out = append(out, cutMoment{i.Opened, i.ID})
	}
	if len(out) == 0 {
		return nil, usagef("no cut of %s is known: give --events with its incidents, or --cut TIME", hoster)
	}
	return out, nil
}

// mostSeries is how long a series may be, in bytes.
const mostSeries = 256 << 20

func readSeries(ctx context.Context, name string) ([]impact.Point, error) {
	var text []byte
	var err error
	if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		text, err = getSeries(ctx, name)
	} else if text, err = os.ReadFile(name); err != nil {
		return nil, usageError{err}
	}
	if err != nil {
		return nil, err
	}
	series, err := impact.Read(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return series, nil
}

func getSeries(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, usageError{err}
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(io.LimitReader(r.Body, mostSeries+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", q.URL.Redacted(), err)
	case len(text) > mostSeries:
		return nil, fmt.Errorf("read %s: more than %d bytes", q.URL.Redacted(), mostSeries)
	case r.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("read %s: %s: %.200s", q.URL.Redacted(), r.Status, text)
	}
	return text, nil
}

func printImpact(w io.Writer, r *impact.Result, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, "%s, cut of %s: %s\n    %s before (median of %d), %s within a day, %s in two weeks; by chance: p = %.2g\n", r.Series, r.Cut.Format("2006-01-02 15:04"), r.Summary,
		number(r.Before), r.Points[0], number(r.Day), number(r.After), r.P)
	return err
}

func number(x float64) string { return fmt.Sprintf("%.4g", x) }
