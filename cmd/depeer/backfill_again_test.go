package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What could not be read is not in the memory: no later call may say that it is. A file that
// is whole again, and a folder with more in it, are stored.
func TestBackfillOfWhatWasMended(t *testing.T) {
	recorded := recordStory(t, story)
	names, err := filepath.Glob(filepath.Join(recorded, "*", "*"))
	if err != nil || len(names) < 3 {
		t.Fatal(names, err)
	}
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(in, filepath.Base(name)), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "depeer.yaml")
	text := fmt.Sprintf("hosters:\n  - {id: mccolo, name: McColo Corp., asns: [26780]}\ntimeline: {sqlite: {path: %s}}\n", filepath.Join(dir, "t.db"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	const already = "in the memory already"
	put(names[0], []byte("hello\n"))
	for range 2 {
		if code, out, errOut := runDepeer("backfill", "-c", config, in); code != exitFailed || strings.Contains(out, already) || !strings.Contains(out, "Not all of it could be read") {
			t.Errorf("not a recording: exit %d\n%s%s", code, out, errOut)
		}
	}
	for i, n := range names {
		whole, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		put(n, whole)
		if i == 0 || i == len(names)-1 {
			if code, out, errOut := runDepeer("backfill", "-c", config, in); code != exitDone || strings.Contains(out, already) || !strings.Contains(out, fmt.Sprintf("%s, ", plural(i+1, "file"))) {
				t.Errorf("%d files: exit %d\n%s%s", i+1, code, out, errOut)
			}
		}
	}
	if code, out, errOut := runDepeer("backfill", "-c", config, in, filepath.Join(in, filepath.Base(names[0]))); code != exitDone || !strings.Contains(out, already) {
		t.Errorf("the same, one of them named twice: exit %d\n%s%s", code, out, errOut)
	}
	if code, out, _ := runDepeer("timeline", "mccolo", "-c", config); code != exitDone || !strings.Contains(out, "AS6939") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

// Of the days between two recordings nothing is claimed: not that all went on as the first one left
// it, nor that what the second one lacks was withdrawn.
func TestBetweenTwoBackfills(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "depeer.yaml")
	text := fmt.Sprintf("hosters:\n  - {id: mccolo, name: McColo Corp., asns: [26780]}\ntimeline: {sqlite: {path: %s}}\n", filepath.Join(dir, "t.db"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	// The first ends before anything was lost; at the beginning of the second 3549 alone carries it.
	calm := story[:strings.Index(story, "at 18:40")]
	later := strings.ReplaceAll(calm[:strings.Index(calm, "route")], "2008-11-11", "2008-11-14") + "route 26780 via 3549 at 100%\nat +0s rib\n"
	for _, x := range []string{calm, later} {
		if code, out, errOut := runDepeer("backfill", "-c", config, recordStory(t, x)); code != exitDone {
			t.Fatalf("exit %d\n%s%s", code, out, errOut)
		}
	}
	ask := func(at string) string {
		code, out, errOut := runDepeer("timeline", "208.66.192.0/22", "-c", config, "--at", at)
		if code != exitDone {
			t.Fatalf("exit %d\n%s%s", code, out, errOut)
		}
		return out
	}
	for at, known := range map[string]int{"2008-11-11T19:00": 6, "2008-11-12T12:00": 0, "2008-11-14T18:30": 6, "2008-11-20": 0} {
		out := ask(at)
		if strings.Count(out, "✓") != known || known == 0 && !strings.Contains(out, "nothing was recorded") {
			t.Errorf("at %s: want %d that are known\n%s", at, known, out)
		}
	}
	if out := ask("2008-11-14T18:30"); strings.Contains(out, "6939") {
		t.Errorf("who carried it on the 11th\n%s", out)
	}
	code, out, errOut := runDepeer("timeline", "mccolo", "-c", config)
	if code != exitDone || !strings.Contains(out, "nothing was recorded") {
		t.Errorf("exit %d\n%s%s", code, out, errOut)
	}
	t.Log(out)
}
