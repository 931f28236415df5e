package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"depeer/bus"
	"depeer/watch"
	"depeer/watch/cnc"
)

// migratorWorld is a bus with a migrator at it.
type migratorWorld struct {
	*testing.T
	bus  *bus.Bus
	list watch.Watchlist
}

func newMigratorWorld(t *testing.T) *migratorWorld {
	cfg := bus.DefaultConfig()
	cfg.Embedded.Dir = filepath.Join(t.TempDir(), "bus")
	b, err := bus.Open(t.Context(), cfg, bus.Deps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return &migratorWorld{T: t, bus: b, list: watch.Watchlist{Hosters: []watch.Hoster{{ID: "mccolo", Name: "McColo Corp.", ASNs: []uint32{26780}}}}}
}

// tell publishes sightings, one a line of a scenario.
func (w *migratorWorld) tell(text string) {
	w.Helper()
	list, err := parseSightings("test", text)
	if err != nil {
		w.Fatal(err)
	}
	for _, s := range list {
		body, err := json.Marshal(s)
		if err != nil {
			w.Fatal(err)
		}
		if err := w.bus.PublishSighting(w.Context(), s.Source, s.ID, s.At, body); err != nil {
			w.Fatal(err)
		}
	}
	if err := w.bus.Flush(w.Context()); err != nil {
		w.Fatal(err)
	}
}

// dark publishes that the hoster lost its upstreams.
func (w *migratorWorld) dark(at string) {
	w.Helper()
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		w.Fatal(err)
	}
	hoster := "mccolo"
	e := watch.Event{Type: "event", ID: "dark", Kind: watch.HosterDark, At: t, FirstSeen: t, Hoster: &hoster, ASN: 26780}
	if err := errors.Join(w.bus.PublishEvent(w.Context(), e), w.bus.Flush(w.Context())); err != nil {
		w.Fatal(err)
	}
}

// start runs a migrator; the function it gives ends it, and saves where it is told to.
func (w *migratorWorld) start() (*migrator, func(save bool)) {
	w.Helper()
	m := newMigrator(w.bus, slog.New(slog.DiscardHandler), w.list, cnc.DefaultConfig(), nil)
	if err := m.load(w.Context()); err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan error, 1)
	go func() { done <- m.run(ctx) }()
	return m, func(save bool) {
		if save {
			if err := m.save(w.Context()); err != nil {
				w.Error(err)
			}
		}
		cancel()
		if err := <-done; err != nil {
			w.Error(err)
		}
	}
}

// said reads what was published until there are n migrations.
func (w *migratorWorld) said(n int) []cnc.Migration {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 60*time.Second)
	defer cancel()
	var out []cnc.Migration
	err := w.bus.Consume(ctx, bus.Events, bus.Consumer{}, func(_ context.Context, x bus.Message) error {
		m, ok, err := x.Migration()
		if err != nil {
			return err
		}
		if ok {
			if want := "depeer.event.mccolo.cnc-moved"; x.Subject != want {
				w.Errorf("%s, want %s", x.Subject, want)
			}
			if out = append(out, m); len(out) == n {
				cancel()
			}
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	if len(out) != n {
		w.Fatalf("%d migrations, want %d", len(out), n)
	}
	return out
}

// ago is a time of the last weeks, as a scenario writes it: what is older than
// migration.keep is forgotten.
func ago(days int) string {
	return time.Now().UTC().AddDate(0, 0, -days).Format(time.DateOnly)
}

// TestMigrationsOfARunningSystem: sightings and events of the streams make cnc.moved,
// live and after a restart, with a saved state and without one: once per id and revision.
func TestMigrationsOfARunningSystem(t *testing.T) {
	t.Parallel()
	w := newMigratorWorld(t)
	w.tell(ago(60) + " to " + ago(21) + " every 1d Srizbi 208.72.169.10 208.72.169.22 as 26780\n")
	w.dark(ago(20) + "T21:00:00Z")
	m, stop := w.start()
	<-m.caught
	w.tell(ago(17) + " Srizbi 92.62.100.4 92.62.100.9 as 39823 name prpoqpsy.com generated\n")
	first := w.said(1)[0]
	if first.Family != "Srizbi" || first.To.ASN != 39823 || first.Hoster != "mccolo" || first.Routing < 3 || first.CNC < 2 {
		t.Errorf("%+v", first)
	}
	stop(true)

	// Nothing new: nothing is said again, from the saved state or from the beginning.
	m, stop = w.start()
	<-m.caught
	stop(false)
	again := newMigrator(w.bus, slog.New(slog.DiscardHandler), w.list, cnc.DefaultConfig(), nil)
	if err := again.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again.at[0] != again.end[0] || again.at[1] == 0 {
		t.Errorf("saved at %v of %v", again.at, again.end)
	}

	// What came while nobody ran is judged by the next one, which goes on from there.
	w.tell(ago(10) + " Srizbi 198.51.100.4 198.51.100.9 as 64510\n")
	_, stop = w.start()
	all := w.said(2)
	if all[1].To.ASN != 64510 || all[1].ID == all[0].ID || all[0].ID != first.ID {
		t.Errorf("%+v", all)
	}
	stop(false)

	// Killed before it saved: the end is read again, and what was said is not said again.
	m, stop = w.start()
	<-m.caught
	if err := m.pass(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	repeated, published := m.counts.Repeated, m.counts.Published
	m.mu.Unlock()
	if repeated == 0 || published != 0 {
		t.Errorf("%d repeated, %d published", repeated, published)
	}
	stop(true)
	w.said(2)
}
