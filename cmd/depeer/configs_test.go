package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"depeer/bgp/bmp"
	"depeer/bgp/mrt/archive"
	"depeer/bgp/rislive"
	"depeer/bgp/speaker"
	"depeer/bus"
	"depeer/watch"
	"depeer/watch/roster"
	"depeer/web"
)

// TestConfigsLoad: what depeer comes with is in order.
func TestConfigsLoad(t *testing.T) {
	files, err := filepath.Glob("../../configs/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if _, err := LoadConfig(file); err != nil {
			t.Error(err)
		}
	}
}

// TestReferenceConfig: depeer.yaml shows every key of the configuration, with the
// value that holds where the key is missing.
func TestReferenceConfig(t *testing.T) {
	const file = "../../configs/depeer.yaml"
	c, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Hosters = c.Hosters // examples: nobody is watched by default
	want.Sources, want.Canaries = c.Sources, c.Canaries
	want.Bus.Embedded.Dir, want.Bus.Embedded.Sync = bus.DefaultDir, time.Second
	if diff := cmp.Diff(want, c, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
		t.Errorf("shipped (-), %s (+):\n%s", file, diff)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rislive.DefaultConfig(), c.Sources[0].RISLive, cmpopts.EquateEmpty()); diff != "" || len(c.Sources) != 1 {
		t.Errorf("shipped (-), %s (+):\n%s", file, diff)
	}
	for _, part := range []any{Config{}, watch.Hoster{}, watch.Validity{}, watch.Policy{}, MRTSource{},
		speaker.Config{}, speaker.Peer{}, speaker.Dynamic{}, rislive.Config{}, bmp.Config{}, bmp.Router{}, bmp.TLS{}, archive.Config{},
		roster.Config{}, roster.Columns{}, web.Config{}, RunConfig{},
		bus.Config{}, bus.Embedded{}, bus.Auth{}, bus.TLS{}, bus.Streams{}, bus.Limits{}} {
		for _, key := range fieldNames(reflect.TypeOf(part)) {
			if key != "" && !strings.Contains(string(text), key+":") {
				t.Errorf("%s does not explain %s of %T", file, key, part)
			}
		}
	}
	for _, key := range later {
		if !strings.Contains(string(text), key) {
			t.Errorf("%s does not mention %s", file, key)
		}
	}
}

// TestSampleSources: the sources and watchlists that depeer.yaml shows as comments can
// be taken as they are, and show what holds where a key is missing.
func TestSampleSources(t *testing.T) {
	text, err := os.ReadFile("../../configs/depeer.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	comment, in := "", false
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "#   watchlists:"):
			comment, in = "#   ", true
		case strings.HasPrefix(line, "sources:"):
			comment, in = "# ", true
		case strings.HasPrefix(line, "watchlists:") || strings.HasPrefix(line, "# ---"):
			in = false
		}
		if in {
			b.WriteString(strings.TrimPrefix(line, comment))
		}
	}
	r := testReader
	r.readFile = func(string) ([]byte, error) { return []byte("hush"), nil }
	c, err := r.parse("samples", []byte(b.String()))
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if len(c.Watchlists) != 2 || len(c.Sources) != 6 {
		t.Fatalf("%d watchlists, %d sources", len(c.Watchlists), len(c.Sources))
	}
	speak, station, follow := c.Sources[1].Speaker, c.Sources[2].BMP, c.Sources[3].Archive
	if d := speaker.DefaultConfig(); speak.HoldTime != d.HoldTime || speak.IdleHold != d.IdleHold || speak.Peers[0].Password != "hush" {
		t.Errorf("speaker: %+v", speak)
	}
	d := bmp.DefaultConfig()
	d.Routers = station.Routers
	if diff := cmp.Diff(d, station, compareAddr, comparePrefix, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("bmp: shipped (-), shown (+):\n%s", diff)
	}
	a := archive.DefaultConfig()
	a.Name, a.Archive, a.Collectors, a.Every = "ris", "ris", follow.Collectors, time.Minute
	if diff := cmp.Diff(a, follow); diff != "" {
		t.Errorf("archive: shipped (-), shown (+):\n%s", diff)
	}
}

// TestRecordedIncidents: the two hosters are the ones of 2008, and of no other time.
func TestRecordedIncidents(t *testing.T) {
	c, err := LoadConfig("../../configs/mccolo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	asn := map[string]uint32{"mccolo": 26780, "intercage": 27595}
	for _, h := range c.Hosters {
		if len(h.ASNs) != 1 || h.ASNs[0] != asn[h.ID] {
			t.Errorf("%s has %v", h.ID, h.ASNs)
		}
		last := time.Date(2008, 12, 31, 23, 59, 59, 0, time.UTC)
		if !h.Valid.Holds(last) || h.Valid.Holds(last.Add(time.Second)) {
			t.Errorf("%s does not end with 2008", h.ID)
		}
	}
	if len(c.Hosters) != len(asn) {
		t.Errorf("%d hosters", len(c.Hosters))
	}
}
