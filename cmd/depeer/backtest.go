package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/bgp/bgptest"
	"depeer/bgp/mrt"
	"depeer/watch"
	"depeer/watch/cnc"
)

func backtestCommand() *cobra.Command {
	var truthFile string
	var asJSON, fit bool
	var sightings []string
	c := &cobra.Command{
		Use:     "backtest [--truth FILE] MRT...|SCENARIO.txtar...",
		GroupID: groupWatch,
		Short:   "Compare what would have been said with what is known to have happened",
		Long: `backtest replays recordings and compares every event with a ground truth: how many
of its facts were found inside their windows (recall), how many of the events are in
it (precision), and how long after its onset each was confirmed (delay).

The truth is a file of documented incidents (YAML, which brings its own watchlist
unless --config is given) or of facts, one a line. A scenario (.txtar) holds its own
configuration, timeline and truth; the recordings are made from the timeline.

Where sightings of C&C servers are given, the moves of families are compared too, and cuts
are invented for networks and moments where nothing happened: what is called a move there
is a false alarm. --fit shows what other thresholds would give, and how often a score is right.`,
		Example: `  depeer backtest --truth incidents.yaml archive/2008/
  depeer backtest watch/testdata/*.txtar`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cases, err := backtestCases(cmd, args, truthFile)
			if err != nil {
				return err
			}
			if len(sightings) > 0 {
				last := &cases[len(cases)-1]
				if last.scenario != nil {
					return usagef("--sightings is for recordings: a scenario brings its own")
				}
				if last.seen, err = readSightings(sightings); err != nil {
					return err
				}
			}
			var all []verdict
			for _, c := range cases {
				v, err := c.run(cmd)
				if err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				all = append(all, v)
				if !asJSON {
					v.print(cmd.OutOrStdout())
				}
			}
			sum := total(all)
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				for _, v := range append(all, sum) {
					if err := enc.Encode(v); err != nil {
						return err
					}
				}
				return nil
			}
			if fit {
				printFit(cmd.OutOrStdout(), &sum)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "\nprecision %.3f  recall %.3f  median delay %s  (%d of %d facts found, %d of %d events not in the truth, %d faults in %s)%s\n",
				sum.Precision, sum.Recall, sum.MedianDelay, sum.Found, sum.Facts, sum.False, sum.Said, len(sum.Faults), plural(len(all), "case"), sum.movesLine())
			return nil
		},
	}
	c.Flags().StringVar(&truthFile, "truth", "", "ground truth `FILE`")
	c.Flags().StringSliceVar(&sightings, "sightings", nil, "`FILE` of C&C sightings, for recordings")
	c.Flags().BoolVar(&fit, "fit", false, "what other thresholds would give, and how often a score is right")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a case, and one in all")
	return c
}

// backtestCase is one replay with its truth.
type backtestCase struct {
	name     string
	cfg      *Config
	truth    *truth
	inputs   []string
	scenario *bgptest.Scenario
	seen     []cnc.Sighting
}

func backtestCases(cmd *cobra.Command, args []string, truthFile string) ([]backtestCase, error) {
	var cases []backtestCase
	var inputs []string
	for _, a := range args {
		if !strings.HasSuffix(a, ".txtar") {
			inputs = append(inputs, a)
			continue
		}
		c, err := scenarioCase(a)
		if err != nil {
			return nil, usageError{err}
		}
		cases = append(cases, c)
	}
	if len(inputs) == 0 {
		if truthFile != "" {
			return nil, usagef("--truth is for recordings: a scenario brings its own")
		}
		return cases, nil
	}
	if truthFile == "" {
		return nil, usagef("recordings need a ground truth to be compared with: --truth FILE")
	}
	if _, err := mrt.Expand(inputs); err != nil {
		return nil, usageError{err}
	}
	t, hosters, err := readTruth(truthFile)
	if err != nil {
		return nil, err
	}
	cfg := DefaultConfig()
	cfg.Hosters = hosters
	if configFile(cmd) != "" {
		if cfg, err = loadConfig(cmd); err != nil {
			return nil, err
		}
	}
	if len(cfg.Hosters) == 0 {
		return nil, usagef("%s brings no watchlist: --config FILE", truthFile)
	}
	return append(cases, backtestCase{name: filepath.Base(truthFile), cfg: cfg, truth: t, inputs: inputs}), nil
}

// scenarioCase reads a scenario file.
func scenarioCase(path string) (backtestCase, error) {
	x, err := bgptest.ReadFile(path)
	if err != nil {
		return backtestCase{}, err
	}
	return caseOf(strings.TrimSuffix(filepath.Base(path), ".txtar"), path, x)
}

func caseOf(name, path string, x *bgptest.File) (c backtestCase, err error) {
	c.name = name
	if c.truth, err = parseTruth(x.Expected); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	if c.cfg, err = newConfigReader().parse(path, []byte(x.Config)); err != nil {
		return c, err
	}
	if c.seen, err = parseSightings(path, x.Sightings); err != nil {
		return c, err
	}
	c.scenario, err = bgptest.Parse(path, x.Timeline)
	return c, err
}

// verdict is how a case went.
type verdict struct {
	Type        string  `json:"type"` // "case", or "total"
	Name        string  `json:"name"`
	Precision   float64 `json:"precision"`
	Recall      float64 `json:"recall"`
	MedianDelay string  `json:"median_delay"`
	score
	Controls cnc.Controls `json:"controls"`
	delays   []time.Duration
}

func (c *backtestCase) run(cmd *cobra.Command) (verdict, error) {
	r := newReplayer(c.cfg)
	got := &eventSink{}
	r.sinks = append(r.sinks, got)
	r.hearSightings(c.cfg, c.seen, nil, nil)
	inputs := c.inputs
	if c.scenario != nil {
		dir, err := os.MkdirTemp("", "depeer-scenario-")
		if err != nil {
			return verdict{}, err
		}
		defer os.RemoveAll(dir)
		if _, err := c.scenario.WriteDir(dir); err != nil {
			return verdict{}, err
		}
		inputs = []string{dir}
	}
	err := r.run(cmd.Context(), inputs, nil, time.Time{}, time.Time{}, newProgress(cmd.ErrOrStderr()))
	if err = errors.Join(err, r.finish()); err != nil {
		return verdict{}, err
	}
	t, outside := c.truth.during(r.stats.First, r.stats.Last.Add(c.cfg.Policy.Hold))
	s := t.compareMoves(t.compare(got.events, r.incidents), got.migrations())
	s.Outside = outside
	v := newVerdict("case", c.name, s, s.Delays)
	v.Controls = c.controls()
	return v, nil
}

func newVerdict(kind, name string, s score, delays []time.Duration) verdict {
	v := verdict{Type: kind, Name: name, score: s, delays: delays, Precision: 1, Recall: 1}
	if s.Said > 0 {
		v.Precision = float64(s.Said-s.False) / float64(s.Said)
	}
	if s.Facts > 0 {
		v.Recall = float64(s.Found) / float64(s.Facts)
	}
	delays = slices.Sorted(slices.Values(delays))
	v.MedianDelay = "-"
	if n := len(delays); n > 0 {
		v.MedianDelay = delays[n/2].String()
	}
	return v
}

func total(all []verdict) verdict {
	var s score
	var delays []time.Duration
	var controls cnc.Controls
	for _, v := range all {
		controls.Add(v.Controls)
		s.MoveFacts += v.MoveFacts
		s.MovesFound += v.MovesFound
		s.MovesSaid += v.MovesSaid
		s.MovesFalse += v.MovesFalse
		s.Scored = append(s.Scored, v.Scored...)
		s.Facts += v.Facts
		s.Found += v.Found
		s.Said += v.Said
		s.False += v.False
		s.Incidents += v.Incidents
		s.Faults = append(s.Faults, v.Faults...)
		delays = append(delays, v.delays...)
	}
	v := newVerdict("total", "", s, delays)
	v.Controls = controls
	return v
}

func (v *verdict) print(w io.Writer) {
	fmt.Fprintf(w, "%-28s %2d of %2d facts, %2d of %2d events not in the truth, %s, median delay %s\n", v.Name, v.Found, v.Facts, v.False, v.Said, plural(v.Incidents, "incident"), v.MedianDelay)
	if v.Outside > 0 {
		fmt.Fprintf(w, "    %s of another time than the recordings: not tested\n", plural(v.Outside, "fact"))
	}
	for _, f := range v.Faults {
		fmt.Fprintf(w, "    %s\n", f)
	}
}

// eventSink keeps the events, and the last revision of each migration.
type eventSink struct {
	events []watch.Event
	moves  map[string]cnc.Migration
	order  []string
}

func (s *eventSink) moved(list []cnc.Migration) error {
	if s.moves == nil {
		s.moves = map[string]cnc.Migration{}
	}
	for _, m := range list {
		if _, ok := s.moves[m.ID]; !ok {
			s.order = append(s.order, m.ID)
		}
		s.moves[m.ID] = m
	}
	return nil
}

func (s *eventSink) migrations() []cnc.Migration {
	out := make([]cnc.Migration, 0, len(s.order))
	for _, id := range s.order {
		out = append(out, s.moves[id])
	}
	return out
}

func (s *eventSink) found(events []watch.Event, _ []watch.Incident) error {
	s.events = append(s.events, events...)
	return nil
}

func (s *eventSink) end(*replayer) error { return nil }
