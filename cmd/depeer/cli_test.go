package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"depeer/bgp/bgptest"
)

func TestMain(m *testing.M) {
	// Tests of a running depeer wait far more than they work.
	if f := flag.Lookup("test.parallel"); f != nil && os.Getenv("DEPEER_CHAOS") == "" {
		_ = f.Value.Set("8")
	}
	testscript.Main(m, map[string]func(){"depeer": main, notifyVictim: victim})
}

// TestScript runs depeer as a process, as each testdata/script/*.txtar says.
// There `exits CODE ARGS...` runs depeer and wants that very exit code, and
// $CONFIGS is the folder of the configurations that depeer comes with.
func TestScript(t *testing.T) {
	configs, err := filepath.Abs("../../configs")
	if err != nil {
		t.Fatal(err)
	}
	mccolo := recordMcColo(t)
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("CONFIGS", configs)
			e.Setenv("MCCOLO", mccolo)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// recordMcColo makes the recordings that $MCCOLO names: mrt/, config.yaml, and the
// scenario they come from.
func recordMcColo(t *testing.T) string {
	t.Helper()
	const scenario = "../../watch/testdata/mccolo-2008.txtar"
	x, err := bgptest.ReadFile(scenario)
	if err != nil {
		t.Fatal(err)
	}
	c, err := scenarioCase(scenario)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(scenario)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := c.scenario.WriteDir(filepath.Join(dir, "mrt")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"config.yaml": []byte(x.Config), "mccolo-2008.txtar": text} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("exits: %v", err)
	}
	have := 0
	if err := ts.Exec("depeer", args[1:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("depeer: %v", err)
		}
		have = exit.ExitCode()
	}
	if have != want {
		ts.Fatalf("depeer %v: exit code %d, want %d", args[1:], have, want)
	}
}
