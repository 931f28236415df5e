package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp/bgptest"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/timelinetest"
)

// recordStory writes the story's recordings.
func recordStory(t *testing.T, text string) string {
	t.Helper()
	scenario, err := bgptest.Parse("story", text)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := scenario.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// flapping has much to store, over several batches.
const flapping = story + `
at 19:10 route 26780 via 1299 at 100% over 60s
at 19:20 drop 1299-26780 over 30s
at 19:30 route 26780 via 3356 at 100% over 60s
at 19:40 drop 3356-26780 over 30s
`

func backfillConfig() *Config {
	cfg := DefaultConfig()
	cfg.Hosters = []watch.Hoster{{ID: "mccolo", Name: "McColo Corp.", ASNs: []uint32{26780}}}
	return cfg
}

func backfillInto(t *testing.T, store timeline.Store, weight int, dirs ...string) (*backfiller, error) {
	t.Helper()
	b := newBackfiller(backfillConfig(), store, &plan{name: "backfill x", Parts: []part{{Inputs: dirs}}}, time.Now)
	b.weight = weight
	return b, b.run(t.Context(), newProgress(io.Discard))
}

// dying is a store whose process is killed at a writing: before it is stored, or after.
type dying struct {
	*timelinetest.Memory
	left   int
	stores bool
}

var errKilled = errors.New("killed")

func (d *dying) Write(ctx context.Context, b *timeline.Batch) error {
	if d.left--; d.left > 0 {
		return d.Memory.Write(ctx, b)
	}
	if d.stores {
		if err := d.Memory.Write(ctx, b); err != nil {
			return err
		}
	}
	return errKilled
}

// However often and wherever it is killed, the store becomes the one of an undisturbed errand.
func TestBackfillGoesOnWhereItStopped(t *testing.T) {
	dir := recordStory(t, flapping)
	calm := &timelinetest.Memory{}
	if b, err := backfillInto(t, calm, 1<<30, dir); err != nil || !b.ended || b.done.Batches != 1 {
		t.Fatalf("%+v, %v", b.done, err)
	}
	want := stored(t, calm)
	if len(want) < 60 {
		t.Fatalf("only %d things are stored", len(want))
	}
	for _, stores := range []bool{false, true} {
		for _, weight := range []int{3, 40} {
			m, kills := &timelinetest.Memory{}, 0
			for n := 1; ; n++ {
				b, err := backfillInto(t, &dying{Memory: m, left: n%3 + 2, stores: stores}, weight, dir)
				if err == nil {
					if !b.ended {
						t.Fatal("it ended, and does not say so")
					}
					break
				}
				if !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
				if kills++; kills > 500 {
					t.Fatal("it gets nowhere")
				}
			}
			if have := stored(t, m); !slices.Equal(want, have) {
				t.Errorf("killed %d times, batches of %d, stored %v: lost %q, too much %q", kills, weight, stores, without(want, have), without(have, want))
			}
			if kills < 2 {
				t.Errorf("killed %d times only", kills)
			}
			if b, err := backfillInto(t, m, weight, dir); err != nil || b.n != 0 || b.done.Batches != 0 || !b.ended {
				t.Errorf("once more: %+v, %v", b.done, err)
			}
		}
	}
}

// Where the recordings are others than before nothing is mixed up: the errand is refused.
func TestBackfillOfOtherRecordings(t *testing.T) {
	m := &timelinetest.Memory{}
	if _, err := backfillInto(t, &dying{Memory: m, left: 3, stores: true}, 10, recordStory(t, flapping)); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	before := stored(t, m)
	// What was stored before it was killed says from when to when it is of.
	if c, err := m.Coverage(t.Context()); err != nil || len(c) != 1 || c[0].Collector != "rrc00" || !c[0].From.Equal(time.Date(2008, 11, 11, 18, 0, 0, 0, time.UTC)) || !c[0].To.After(c[0].From) {
		t.Errorf("%+v %v", c, err)
	}
	other := recordStory(t, strings.Replace(flapping, "18:40 drop 6939-26780", "18:35 drop 6939-26780", 1))
	_, err := backfillInto(t, m, 10, other)
	if err == nil || !strings.Contains(err.Error(), "the recordings are not those that an earlier call stored") {
		t.Error(err)
	}
	if have := stored(t, m); !slices.Equal(before, have) {
		t.Error("something was stored")
	}
}

// What is filled in is row for row what a running depeer remembers that hears the same.
func TestBackfillIsAsIfWatchedLive(t *testing.T) {
	t.Parallel()
	dir := recordStory(t, story)
	r := newBare(t)
	r.sources = fmt.Sprintf("  - {type: mrt, path: %s}", dir)
	r.more = fmt.Sprintf("timeline: {sqlite: {path: %q}}", filepath.Join(r.dir, "timeline.db"))
	r.configure(r.text())
	r.start()
	end := time.Date(2008, 11, 11, 20, 0, 0, 0, time.UTC)
	r.await("all is judged", func() bool {
		s := r.status()
		return len(s.Feeds) == 1 && s.Feeds[0].Ready && s.Judged.After(end)
	})
	r.stop()
	live, filled := &timelinetest.Memory{}, &timelinetest.Memory{}
	readInto(t, filepath.Join(r.dir, "bus"), backfillConfig().Hosters, live)
	if _, err := backfillInto(t, filled, 50, dir); err != nil {
		t.Fatal(err)
	}
	want, have := rows(t, live), rows(t, filled)
	if len(want) < 40 {
		t.Fatalf("only %d things were remembered", len(want))
	}
	if !slices.Equal(want, have) {
		t.Errorf("live and not filled %q\nfilled and not live %q", without(want, have), without(have, want))
	}
}

// rows are what is stored, but for gaps: a live depeer names the feed in them, and
// says that it ended, too.
func rows(t *testing.T, r timeline.Reader) []string {
	return slices.DeleteFunc(stored(t, r), func(s string) bool { return strings.HasPrefix(s, "gap ") })
}

// An archive is read day by day, from the table before; what it lacks is told.
func TestBackfillFromAnArchive(t *testing.T) {
	mirror := t.TempDir()
	recorded := recordStory(t, story)
	names, err := filepath.Glob(filepath.Join(recorded, "*", "*"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	month := filepath.Join(mirror, "rrc00", "2008.11")
	if err := os.MkdirAll(month, 0o755); err != nil {
		t.Fatal(err)
	}
	tables := 0
	for _, n := range names {
		text, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(n)
		if strings.HasPrefix(name, "rib.") || strings.HasPrefix(name, "bview.") {
			tables++
			name = strings.Replace(name, "rib.", "bview.", 1)
		}
		if err := os.WriteFile(filepath.Join(month, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if tables == 0 {
		t.Fatal("the story has no table", names)
	}
	missing := filepath.Join(month, "updates.20081111.1900.gz")
	if err := os.Remove(missing); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(mirror)))
	t.Cleanup(server.Close)
	for name, mirror := range map[string]string{"files": "file://" + mirror, "http": server.URL} {
		t.Run(name, func(t *testing.T) { backfillMirror(t, mirror) })
	}
}

func backfillMirror(t *testing.T, mirror string) {
	dir := t.TempDir()
	config := filepath.Join(dir, "depeer.yaml")
	text := fmt.Sprintf("hosters:\n  - {id: mccolo, name: McColo Corp., asns: [26780]}\nrun: {state: %s}\ntimeline: {sqlite: {path: %s}}\n", filepath.Join(dir, "state"), filepath.Join(dir, "t.db"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	call := []string{"backfill", "-c", config, "--archive", "ris", "--mirror", mirror, "--collectors", "rrc00", "--from", "2008-11-11T18:20", "--to", "2008-11-11T19:30", "--json"}
	code, out, errOut := runDepeer(call...)
	var done backfilled
	if err := json.Unmarshal([]byte(out), &done); err != nil {
		t.Fatal(err, out, errOut)
	}
	if code != exitFailed || !strings.Contains(errOut, "rrc00 updates.20081111.1900.gz: is missing") {
		t.Errorf("exit %d: %s", code, errOut)
	}
	if !done.Finished || done.Changes < 10 || done.Events < 1 {
		t.Errorf("%+v\n%s", done, errOut)
	}
	if _, out, _ = runDepeer(call...); !strings.Contains(out, `"changes":0,`) {
		t.Errorf("once more: %s", out)
	}
	// The table is from before the beginning, and what was said since belongs to it.
	code, out, _ = runDepeer("timeline", "208.66.192.0/22", "-c", config, "--at", "2008-11-11T18:20")
	if code != exitDone || strings.Count(out, "✓") != 6 {
		t.Errorf("exit %d\n%s", code, out)
	}
}

// runDepeer runs a command in this process.
func runDepeer(args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}
