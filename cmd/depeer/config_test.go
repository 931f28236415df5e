package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"depeer/bgp/mrt/archive"
	"depeer/bgp/rislive"
	"depeer/bus"
	"depeer/watch"
)

var update = flag.Bool("update", false, "write what was seen as what is expected")

// testReader knows a fixed environment and no file.
var testReader = configReader{
	env: func(name string) (string, bool) {
		v, ok := map[string]string{"ID": "mccolo", "ASN": "AS26780", "NAME": "McColo", "HOLD": "2m", "PREFIX": "192.0.2.0/24"}[name]
		return v, ok
	},
	readFile: func(path string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	},
}

// TestConfigFaults reads each bad configuration and wants exactly the sentences
// beside it, all of them, in order.
func TestConfigFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no bad configurations", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			bad, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = testReader.parse(filepath.Base(file), bad)
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("want faults, have %v", err)
			}
			want := strings.TrimSuffix(file, ".yaml") + ".want"
			have := faults.Error() + "\n"
			if *update {
				if err := os.WriteFile(want, []byte(have), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(text), have); diff != "" {
				t.Errorf("want (-), have (+):\n%s", diff)
			}
		})
	}
}

func TestConfigValues(t *testing.T) {
	c, err := testReader.parse("x.yaml", []byte(`
hosters:
  - id: ${ID}
    name: "${NAME} $$5 at $x"
    asns: [26780, AS64500, as64501, 1.10, "${ASN}0"]
    prefixes: [208.66.192.0/22, "2001:DB8::/32", "${PREFIX}"]
    upstreams:
    valid: {from: 2006-11-17, to: 2008-12-31}
  - {id: later, asns: [26780], valid: {from: "2009-01-01T01:00:00+01:00"}, tags: [a, 'b c']}
bus: {embedded: {dir: /var/lib/depeer}, auth: {token: "${NAME}"}, streams: {routes: {max_bytes: 2GiB, max_age: 3d}}}
policy: {hold: 1d12h, zombie: 2d, lost_below: 0.1, min_peers: 3}
sources:
  - {type: mrt, archive: ris, collectors: [rrc00]}
  - {type: rislive, hosts: rrc21}
notify: {receivers: []}
`))
	if err != nil {
		t.Fatal(err)
	}
	policy := watch.DefaultPolicy()
	policy.Hold, policy.Zombie, policy.LostBelow, policy.MinPeers = 36*time.Hour, 48*time.Hour, 0.1, 3
	want := DefaultConfig()
	want.Policy = policy
	want.Bus.Embedded.Dir, want.Bus.Auth.Token = "/var/lib/depeer", "McColo"
	want.Bus.Streams.Routes.MaxBytes, want.Bus.Streams.Routes.MaxAge = 2<<30, 72*time.Hour
	want.Hosters = []watch.Hoster{{
		ID: "mccolo", Name: "McColo $5 at $x", ASNs: []uint32{26780, 64500, 64501, 65546, 267800},
		Prefixes: []netip.Prefix{netip.MustParsePrefix("208.66.192.0/22"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("192.0.2.0/24")},
		// The last day belongs to it: the end is the midnight after.
		Valid: watch.Validity{From: time.Date(2006, 11, 17, 0, 0, 0, 0, time.UTC), To: time.Date(2009, 1, 1, 0, 0, 0, 0, time.UTC)},
	}, {
		ID: "later", ASNs: []uint32{26780}, Tags: []string{"a", "b c"},
		Valid: watch.Validity{From: time.Date(2009, 1, 1, 0, 0, 0, 0, time.UTC)},
	}}
	want.Sources = []SourceConfig{
		{Type: "mrt", Archive: archive.DefaultConfig()},
		{Type: "rislive", RISLive: rislive.DefaultConfig()},
	}
	want.Sources[0].Archive.Name = "ris"
	want.Sources[0].Archive.Archive, want.Sources[0].Archive.Collectors = "ris", []string{"rrc00"}
	want.Sources[1].RISLive.Hosts = []string{"rrc21"}
	if diff := cmp.Diff(want, c, comparePrefix, compareAddr); diff != "" {
		t.Errorf("want (-), have (+):\n%s", diff)
	}
}

var (
	comparePrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	compareAddr   = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
)

func TestEmptyConfigIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "hosters:\npolicy:\nsources:\n"} {
		c, err := testReader.parse("x.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if diff := cmp.Diff(DefaultConfig(), c, comparePrefix, compareAddr); diff != "" {
			t.Errorf("%q: default (-), have (+):\n%s", text, diff)
		}
	}
}

// TestPrefixInBraces: an IPv6 prefix needs no quotes, whoever reads the text: the
// name with an accent is none for parsePlain.
func TestPrefixInBraces(t *testing.T) {
	for _, name := range []string{"Cafe", "Café"} {
		c, err := testReader.parse("x.yaml", []byte("- {id: a, name: "+name+", prefixes: [192.0.2.0/24, 2001:db8::/32, 3fff:1:2::/48]}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if want := prefixes("192.0.2.0/24", "2001:db8::/32", "3fff:1:2::/48"); !slices.Equal(c.Hosters[0].Prefixes, want) || c.Hosters[0].Name != name {
			t.Errorf("%s: have %+v", name, c.Hosters[0])
		}
	}
}

// TestSecret: a secret may lie in a file, and no fault shows one.
func TestSecret(t *testing.T) {
	r := configReader{env: testReader.env, readFile: func(path string) ([]byte, error) {
		if path == "/run/secrets/token" {
			return []byte("hush\n"), nil
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}}
	for text, want := range map[string]bus.Secret{"file:/run/secrets/token": "hush", "plain": "plain", "${NAME}": "McColo"} {
		c, err := r.parse("x.yaml", []byte(`bus: {auth: {token: "`+text+`"}}`))
		if err != nil {
			t.Fatal(err)
		}
		if c.Bus.Auth.Token != want {
			t.Errorf("%s: have %q, want %q", text, string(c.Bus.Auth.Token), string(want))
		}
	}
	for _, text := range []string{"hush${", "hush${MISSING}", "{a: hush}", "[hush]", `"hush", user: u, password: p`} {
		_, err := r.parse("x.yaml", []byte("bus: {auth: {token: "+text+"}}"))
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// inText writes a value as YAML (as JSON, which is YAML), by its `yaml` tags.
func inText(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case netip.Prefix:
		return x.String()
	case netip.Addr:
		return x.String()
	case time.Duration:
		return x.String()
	case time.Time:
		return x.Format(time.RFC3339Nano)
	case SourceConfig:
		field := map[string]any{"speaker": x.Speaker, "rislive": x.RISLive, "bmp": x.BMP, "mrt": x.MRT}[x.Type]
		if x.isArchive() {
			field = x.Archive
		}
		out, _ := inText(reflect.ValueOf(field)).(map[string]any)
		out["type"] = x.Type
		return out
	}
	switch v.Kind() {
	case reflect.String:
		return strings.ReplaceAll(v.String(), "$", "$$")
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = inText(v.Index(i))
		}
		return out
	case reflect.Struct:
		out := map[string]any{}
		for i, name := range fieldNames(v.Type()) {
			// All but hosters have defaults: a zero is a value there, save of an address.
			defaults := v.Type() != reflect.TypeFor[watch.Hoster]() && v.Field(i).Type() != reflect.TypeFor[netip.Addr]()
			if name != "" && (defaults || !v.Field(i).IsZero()) {
				out[name] = inText(v.Field(i))
			}
		}
		return out
	default:
		return v.Interface()
	}
}

// FuzzConfig: no text makes the reader panic or hang, every fault has its words, and what
// is accepted is valid, and the same when it is written and read again.
func FuzzConfig(f *testing.F) {
	for _, pattern := range []string{"testdata/config/*.yaml", "../../configs/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	for _, text := range plainTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		// The fuzzing engine waits for ever.
		hung := time.AfterFunc(20*time.Second, func() { panic(fmt.Sprintf("no end with %q", text)) })
		defer hung.Stop()
		c, err := testReader.parse("x.yaml", text)
		if err != nil {
			var faults Faults
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("an error without faults: %v", err)
			}
			for _, f := range faults {
				if f.Text == "" || f.Line < 0 || f.Line > bytes.Count(text, []byte("\n"))+bytes.Count(text, []byte("\r"))+2 {
					t.Fatalf("fault %+v", f)
				}
			}
			return
		}
		if err := errors.Join(c.Watchlist().Validate(), c.Policy.Validate(), c.Bus.Validate()); err != nil {
			t.Fatalf("accepted and not valid: %v", err)
		}
		var again bytes.Buffer
		e := json.NewEncoder(&again)
		e.SetEscapeHTML(false)
		if err := e.Encode(inText(reflect.ValueOf(*c))); err != nil {
			t.Fatal(err)
		}
		d, err := testReader.parse("x.yaml", again.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, again.Bytes())
		}
		if diff := cmp.Diff(c, d, comparePrefix, compareAddr, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Config{}, "Notes")); diff != "" {
			t.Fatalf("read (-), written and read (+):\n%s\n%s", diff, again.Bytes())
		}
	})
}
