package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"
)

// TestScenarios replays every scenario of watch/testdata from the MRT files that
// it makes, and compares what is said with what the scenario expects.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../../watch/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			s, r := replayScenario(t, file)
			for _, f := range s.Faults {
				t.Error(f)
			}
			if t.Failed() {
				for _, i := range r.incidents {
					t.Logf("%s %s rev %d: %s", i.Class, i.Phase, i.Revision, i.Summary)
				}
			}
		})
	}
}

func replayScenario(t *testing.T, file string) (score, *replayer) {
	t.Helper()
	c, err := scenarioCase(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := c.scenario.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	r := newReplayer(c.cfg)
	got := &eventSink{}
	r.sinks = append(r.sinks, got)
	r.hearSightings(c.cfg, c.seen, nil, nil)
	if err := r.run(context.Background(), []string{dir}, nil, time.Time{}, time.Time{}, &progress{}); err != nil {
		t.Fatal(err)
	}
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	if testing.Verbose() {
		for _, m := range got.migrations() {
			t.Log(moveLine(&m), m.Summary, m.Caveats)
			for _, e := range m.Evidence {
				t.Logf("    %5.2f %s: %s", e.Points, e.Name, e.Text)
			}
		}
	}
	return c.truth.compareMoves(c.truth.compare(got.events, r.incidents), got.migrations()), r
}
