package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"depeer/bgp/bgptest"
	"depeer/watch"
)

// collector keeps what a replay finds.
type collector struct {
	events []watch.Event
}

func (c *collector) found(events []watch.Event, _ []watch.Incident) error {
	c.events = append(c.events, events...)
	return nil
}

func (c *collector) end(*replayer) error { return nil }

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
	x, err := bgptest.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := parseTruth(x.Expected)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte(x.Config), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := LoadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	scenario, err := bgptest.Parse(file, x.Timeline)
	if err != nil {
		t.Fatal(err)
	}
	mrt := filepath.Join(dir, "mrt")
	if _, err := scenario.WriteDir(mrt); err != nil {
		t.Fatal(err)
	}
	r := newReplayer(cfg)
	got := &collector{}
	r.sinks = append(r.sinks, got)
	if err := r.run(context.Background(), []string{mrt}, nil, time.Time{}, time.Time{}, &progress{}); err != nil {
		t.Fatal(err)
	}
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	return want.compare(got.events, r.incidents), r
}
