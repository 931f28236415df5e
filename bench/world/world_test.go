package world

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/sqlite"
	"depeer/watch/timeline/timelinetest"
)

var end = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (w *World) asker(r timeline.Reader) *timeline.Asker {
	a := &timeline.Asker{Reader: r}
	for i := range w.Hosters {
		a.Hosters = append(a.Hosters, w.Hosters[i].Hoster)
	}
	return a
}

// The same size makes the same world, in any store; and its questions have answers.
func TestFill(t *testing.T) {
	size := Size{Hosters: 20, Changes: 3000, Days: 60, Peers: 5}
	file, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "timeline.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var told [2][]string
	for i, s := range []timeline.Store{file, &timelinetest.Memory{}} {
		w := New(size, end)
		if err := w.Fill(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if told[i], err = timelinetest.Lines(t.Context(), s, timeline.Span{}); err != nil {
			t.Fatal(err)
		}
		still, err := w.asker(s).StillRouted(t.Context(), w.To, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for n, x := range still {
			one := w.asker(s)
			one.Hosters = one.Hosters[n : n+1]
			if alone, err := one.StillRouted(t.Context(), w.To, time.Time{}); err != nil || len(alone) != 1 || !reflect.DeepEqual(alone[0], x) {
				t.Errorf("among all\n%+v\nalone\n%+v %v", x, alone, err)
			}
			if !x.Routed || len(x.By) < 2 || x.ReportedBy != string(timeline.Sighting) {
				t.Errorf("%+v", x)
			}
		}
		one, err := w.asker(s).Timeline(t.Context(), timeline.Asking{Hoster: "h0003", From: w.From, To: w.To})
		if err != nil {
			t.Fatal(err)
		}
		if len(one.Incidents) != 10*incidents || len(one.Events) != 20*incidents || len(one.Sightings) == 0 || len(one.Upstreams) < 2 || len(one.Gaps) == 0 {
			t.Errorf("%d incidents, %d events, %d sightings, %d upstreams, %d gaps", len(one.Incidents), len(one.Events), len(one.Sightings), len(one.Upstreams), len(one.Gaps))
		}
	}
	if !slices.Equal(told[0], told[1]) {
		t.Errorf("two worlds of one size: %d and %d lines", len(told[0]), len(told[1]))
	}
}

// BenchmarkQuestions asks the past of a large world: DEPEER_HOSTERS, DEPEER_CHANGES and
// DEPEER_DAYS say how large. DEPEER_WORLD is a folder in which it is kept for the next time.
func BenchmarkQuestions(b *testing.B) {
	size := Large()
	for name, n := range map[string]*int{"DEPEER_HOSTERS": &size.Hosters, "DEPEER_CHANGES": &size.Changes, "DEPEER_DAYS": &size.Days} {
		if v, err := strconv.Atoi(os.Getenv(name)); err == nil {
			*n = v
		}
	}
	dir := os.Getenv("DEPEER_WORLD")
	if dir == "" {
		dir = b.TempDir()
	}
	file := filepath.Join(dir, fmt.Sprintf("%d-%d-%d.db", size.Hosters, size.Changes, size.Days))
	_, missing := os.Stat(file)
	s, err := sqlite.Open(b.Context(), file)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	w := New(size, end)
	if missing != nil {
		began := time.Now()
		if err := w.Fill(b.Context(), s); err != nil {
			b.Fatal(err)
		}
		b.Logf("made in %s", time.Since(began))
		if err := w.Live(b.Context(), s, 100); err != nil {
			b.Fatal(err)
		}
	}
	a := w.asker(s)
	ask := func(name string, work func(context.Context, *watch.Hoster) error) {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if err := work(b.Context(), &a.Hosters[i*7919%len(a.Hosters)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	ask("still", func(ctx context.Context, _ *watch.Hoster) error {
		_, err := a.StillRouted(ctx, w.To, time.Time{})
		return err
	})
	for _, days := range []int{7, 365} {
		ask(fmt.Sprintf("timeline-%d", days), func(ctx context.Context, h *watch.Hoster) error {
			_, err := a.Timeline(ctx, timeline.Asking{Hoster: h.ID, From: w.To.AddDate(0, 0, -days), To: w.To})
			return err
		})
	}
	ask("timeline-busiest", func(ctx context.Context, _ *watch.Hoster) error {
		_, err := a.Timeline(ctx, timeline.Asking{Hoster: a.Hosters[0].ID, From: w.From, To: w.To})
		return err
	})
	ask("incidents", func(ctx context.Context, _ *watch.Hoster) error {
		_, _, err := s.Records(ctx, timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Incident}, Latest: true, Newest: true, Limit: 100})
		return err
	})
	ask("incidents-open", func(ctx context.Context, _ *watch.Hoster) error { // none is: all are looked at
		q := timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Incident}, Latest: true, Newest: true, Lasting: true, Limit: 100}
		_, _, err := s.Records(ctx, q)
		return err
	})
	ask("carried", func(ctx context.Context, h *watch.Hoster) error {
		_, err := a.Carried(ctx, timeline.Asking{ASN: 3000, From: w.To.AddDate(0, -1, 0), To: w.To})
		return err
	})
}
