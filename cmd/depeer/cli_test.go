package main

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"depeer": main})
}

// TestScript runs depeer as a process, as each testdata/script/*.txtar says.
// There `exits CODE ARGS...` runs depeer and wants that very exit code, and
// $CONFIGS is the folder of the configurations that depeer comes with.
func TestScript(t *testing.T) {
	configs, err := filepath.Abs("../../configs")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("CONFIGS", configs)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
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
