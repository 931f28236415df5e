package main

import (
	"fmt"
	"io"
	"slices"

	"depeer/watch"
	"depeer/watch/cnc"
)

// controlSeeds are how often cuts are invented for a case: each time at other moments.
const controlSeeds = 20

// controls invents cuts for the networks of a case that are not its hosters', where nothing
// happened.
func (c *backtestCase) controls() cnc.Controls {
	var all cnc.Controls
	if len(c.seen) == 0 {
		return all
	}
	for seed := range uint64(controlSeeds) {
		hosters := cnc.ControlHosters(c.cfg.Migration, c.seen, 1, 5, seed)
		hosters = slices.DeleteFunc(hosters, func(h watch.Hoster) bool {
			return slices.ContainsFunc(c.cfg.Hosters, func(o watch.Hoster) bool { return slices.Contains(o.ASNs, h.ASNs[0]) })
		})
		all.Add(cnc.Control(c.cfg.Migration, hosters, c.seen, seed))
	}
	return all
}

// movesLine is the end of the last line: what was found of C&C.
func (v *verdict) movesLine() string {
	if v.MoveFacts == 0 && v.MovesSaid == 0 {
		return ""
	}
	precision, recall := 1.0, 1.0
	if v.MovesSaid > 0 {
		precision = float64(v.MovesSaid-v.MovesFalse) / float64(v.MovesSaid)
	}
	if v.MoveFacts > 0 {
		recall = float64(v.MovesFound) / float64(v.MoveFacts)
	}
	return fmt.Sprintf("; C&C: precision %.3f  recall %.3f  (%d of %d found, %d of %d moves not in the truth), controls: %.2f false alarms per hoster-year (%d in %.1f)",
		precision, recall, v.MovesFound, v.MoveFacts, v.MovesFalse, v.MovesSaid, v.Controls.PerYear(), v.Controls.Alarms, v.Controls.Years)
}

// printFit shows how often migrations of a score are right, and what other thresholds
// would find and say wrongly. What is said of invented cuts is wrong by construction.
func printFit(w io.Writer, v *verdict) {
	all := slices.Clone(v.Scored)
	for _, s := range v.Controls.Scores {
		all = append(all, scored{s.Score, s.Routing, s.CNC, false, false})
	}
	fmt.Fprintf(w, "\nHow often a score is right (reconstructions, and cuts that never happened)\n")
	edges := []float64{3, 5, 6, 7, 8, 10, 12, 100}
	for i := 0; i+1 < len(edges); i++ {
		n, right := 0, 0
		for _, s := range all {
			if s.Score >= edges[i] && s.Score < edges[i+1] {
				n++
				if s.Right {
					right++
				}
			}
		}
		if n > 0 {
			fmt.Fprintf(w, "  %3.0f to %3.0f  %4d said, %4d right  %3.0f %%\n", edges[i], edges[i+1], n, right, 100*float64(right)/float64(n))
		}
	}
	fmt.Fprintf(w, "\nWith another migration.moved.cnc (routing as it is)\n")
	right := 0
	for _, s := range v.Scored {
		if s.Right {
			right++
		}
	}
	for _, at := range []float64{1, 1.5, 2, 2.5, 3, 4} {
		found, wrong, alarms := 0, 0, 0
		for _, s := range v.Scored {
			if (s.Label && s.Routing >= 6) || s.Routing >= 3 && s.CNC >= at {
				if s.Right {
					found++
				} else {
					wrong++
				}
			}
		}
		for _, s := range v.Controls.Scores {
			if s.Routing >= 3 && s.CNC >= at {
				alarms++
			}
		}
		perYear := 0.0
		if v.Controls.Years > 0 {
			perYear = float64(alarms) / v.Controls.Years
		}
		fmt.Fprintf(w, "  %.1f  finds %d of %d, %d wrong, %.2f false alarms per hoster-year\n", at, found, right, wrong, perYear)
	}
}
