package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"depeer/bus"
	"depeer/watch/cnc"
	"depeer/watch/cnc/feed"
	"depeer/watch/cnc/origins"
)

// TestSightingsOfARunningSystem: what feeds, sensors and people say is published once each, joined to where it was; what is
// no sighting is counted and told.
func TestSightingsOfARunningSystem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cfg := DefaultConfig()
	cfg.Run.State = filepath.Join(dir, "state")
	cfg.Bus.Embedded.Dir = filepath.Join(dir, "bus")
	cfg.Sightings.Resolver.Every = 0
	list := feed.DefaultConfig()
	list.Name, list.Format, list.Path = "tracker", "feodo-csv", write("list.csv", "Firstseen,DstIP,DstPort,LastOnline,Malware\n2024-04-01 10:00:00,5.6.7.8,443,2024-04-30,Heodo\n2024-04-01 10:00:00,10.6.7.8,443,,Heodo\n")
	cfg.Sightings.Feeds = []feed.Config{list}
	cfg.Sightings.Origins.Tables = []origins.Source{{Path: write("pfx-2024-01-01.txt", "5.6.7.0/24\t3356\n")}}
	cfg.Sightings.VRPs.Path = write("vrps.csv", "ASN,IP Prefix,Max Length\nAS3356,5.6.0.0/16,16\n")
	b, err := bus.Open(t.Context(), cfg.Bus, bus.Deps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	open := func() *sightings {
		x, err := newSightings(cfg, b, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if x.known, err = b.IDs(t.Context(), bus.Sightings, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := x.tables.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := x.loadVRPs(t.Context()); err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := open()
	for range 2 {
		if err := x.refresh(t.Context(), x.feeds[0]); err != nil {
			t.Fatal(err)
		}
	}
	// A sensor says what it saw; another lies, and a third is broken.
	sensor := func(id, body string) {
		if err := b.PublishSighting(t.Context(), "sensor-1", id, time.Now(), json.RawMessage(body)); err != nil {
			t.Fatal(err)
		}
	}
	sensor("a", `{"at":"2024-05-01T10:00:00Z","family":"costrat","addr":"5.6.7.9","place":{"prefix":"9.0.0.0/8","origins":[9],"from":"x"}}`)
	sensor("b", `{"at":"2024-05-01T10:00:00Z","family":"costrat","addr":"192.168.0.9"}`)
	sensor("c", `[]`)
	said, err := x.Take(t.Context(), "anna", []cnc.Sighting{{At: time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC), Family: "Qbot", Name: "c2.example.com"}, {Family: "x", Name: "c2.example.com"}})
	if err != nil || said[0] != nil || said[1] == nil {
		t.Error(said, err)
	}
	// Everything in the stream is heard, also what was published because of it.
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	seen := map[string]cnc.Sighting{}
	err = b.Consume(ctx, bus.Sightings, bus.Consumer{}, func(ctx context.Context, m bus.Message) error {
		if err := x.heard(ctx, m); err != nil {
			return err
		}
		var s cnc.Sighting
		if json.Unmarshal(m.Body, &s) == nil && s.ID == m.ID {
			seen[s.Source] = s
		}
		if len(seen) == 3 {
			cancel()
		}
		return nil
	})
	if err != nil || len(seen) != 3 {
		t.Fatal(err, seen)
	}
	for source, want := range map[string]string{"tracker": "Emotet 5.6.7.8 3356", "sensor-1": "Rustock 5.6.7.9 3356", "anna": "QakBot c2.example.com"} {
		s := seen[source]
		got := s.Family + " " + s.Host()
		if s.Place != nil && slices.Equal(s.Place.Origins, []uint32{3356}) && s.Place.From == "pfx-2024-01-01.txt" {
			got += " 3356"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
	if x.counts.Published != 3 || x.counts.Refused[cnc.Bogon] != 1 || x.counts.Refused[cnc.Malformed] != 1 || x.counts.Refused[cnc.NoTime] != 1 {
		t.Errorf("%+v", x.counts)
	}
	if n := x.book.Counts().Names; n != 1 {
		t.Errorf("%d names to resolve", n)
	}
	if got := x.validate(netip.MustParsePrefix("5.6.7.0/24"), 3356); got != "invalid" {
		t.Errorf("RPKI: %s", got)
	}
	// The next process publishes none of it again.
	y := open()
	if err := y.refresh(t.Context(), y.feeds[0]); err != nil {
		t.Fatal(err)
	}
	if said, err := y.Take(t.Context(), "anna", []cnc.Sighting{seen["anna"]}); err != nil || said[0] != nil {
		t.Error(said, err)
	}
	if y.counts.Published != 0 || y.counts.Repeated != 1 {
		t.Errorf("%+v", y.counts)
	}
}
