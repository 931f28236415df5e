package main

import (
	"log/slog"
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
	"depeer/notify"
	"depeer/notify/slack"
	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/cnc/feed"
	"depeer/watch/cnc/origins"
	"depeer/watch/cnc/resolve"
	"depeer/watch/roster"
	"depeer/web"
	"depeer/web/access"
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
	for _, part := range []any{Config{}, watch.Hoster{}, watch.Validity{}, watch.Policy{}, cnc.Config{}, cnc.Threshold{}, cnc.GoneConfig{}, cnc.Points{}, MRTSource{},
		speaker.Config{}, speaker.Peer{}, speaker.Dynamic{}, rislive.Config{}, bmp.Config{}, bmp.Router{}, bmp.TLS{}, archive.Config{},
		roster.Config{}, roster.Columns{}, web.Config{}, web.TLS{}, web.Limits{}, access.Config{}, access.OIDC{}, RunConfig{},
		NotifyConfig{}, ReceiverConfig{}, notify.Config{}, notify.Subscription{}, notify.Match{}, notify.Quiet{}, notify.Window{}, notify.Group{}, notify.Step{},
		notify.DigestTimes{}, notify.Silence{}, notify.Template{}, notify.Retry{}, notify.Breaker{}, notify.HTTPConfig{}, slack.Channel{}, slack.Mention{},
		SightingsConfig{}, VRPConfig{}, cnc.Family{}, feed.Config{}, feed.Mapping{}, feed.Limits{}, resolve.Config{}, origins.Config{}, origins.Source{},
		bus.Config{}, bus.Embedded{}, bus.Auth{}, bus.TLS{}, bus.Streams{}, bus.Limits{}} {
		for _, key := range fieldNames(reflect.TypeOf(part)) {
			if key != "" && !strings.Contains(string(text), key+":") {
				t.Errorf("%s does not explain %s of %T", file, key, part)
			}
		}
	}
	for _, r := range receiverTypes {
		for _, key := range fieldNames(reflect.TypeOf(r.part()).Elem()) {
			if key != "" && !strings.Contains(string(text), key+":") {
				t.Errorf("%s does not explain %s of a receiver of type %s", file, key, r.name)
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

// TestSampleNotify: what depeer.yaml shows of receivers and subscriptions can be taken as it is.
func TestSampleNotify(t *testing.T) {
	text, err := os.ReadFile("../../configs/depeer.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, sample, ok := strings.Cut(string(text), "#   notify:\n")
	sample, _, end := strings.Cut(sample, "#   # notify ends here.")
	if !ok || !end {
		t.Fatal("no sample")
	}
	r := testReader
	r.readFile = func(path string) ([]byte, error) {
		samples := map[string]string{"slack-bot": "xoxb-1", "slack-app": "xapp-1", "telegram": "123456:abcdefghijklmnop", "soar-key": "0123456789abcdef0123456789abcdef", "ntfy-topic": "depeer"}
		name := filepath.Base(path)
		if s, ok := samples[name]; ok {
			return []byte(s), nil
		}
		return []byte("https://" + name + ".example.net/"), nil
	}
	c, err := r.parse("samples", []byte("notify:\n"+strings.ReplaceAll("\n"+sample, "\n#   ", "\n")))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, r := range c.Notify.Receivers {
		shown[r.Type] = true
	}
	for _, name := range receiverTypeNames() {
		if !shown[name] {
			t.Errorf("no receiver of type %s is shown", name)
		}
	}
	if len(c.Notify.Subscriptions) != 4 || len(c.Notify.Silences) != 1 || len(c.Notify.Templates) != 1 {
		t.Errorf("%d subscriptions, %d silences, %d templates", len(c.Notify.Subscriptions), len(c.Notify.Silences), len(c.Notify.Templates))
	}
	if _, err := c.Notify.receivers(nil, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
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
