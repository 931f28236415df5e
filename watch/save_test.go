package watch

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/bgptest/realdata"
	"depeer/bgp/mrt"
	"depeer/bgp/snapshot"
)

// reload saves the detector and gives the one that was loaded, which must be saved
// as the same bytes.
func reload(t tb, d *Detector) *Detector {
	t.Helper()
	var first, second bytes.Buffer
	if err := d.Save(&first); err != nil {
		t.Fatalf("%v", err)
	}
	loaded, err := LoadDetector(bytes.NewReader(first.Bytes()))
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := loaded.Save(&second); err != nil {
		t.Fatalf("%v", err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Fatalf("saved again, it is %d octets instead of %d, or others", second.Len(), first.Len())
	}
	return loaded
}

// shown is all that a detector shows when it is asked.
func shown(d *Detector) []string {
	out := append([]string{encode(d.Board())}, d.Feeds()...)
	for _, h := range d.hosters {
		x, _ := d.ExplainHoster(h.ID)
		out = append(out, encode(x))
	}
	return append(out, encode(d.Explain(mustPrefix("0.0.0.0/0"))), encode(d.Explain(mustPrefix("::/0"))), encode(d.Followed()))
}

// goOn tells a recording to a detector that is saved and loaded at the cuts, and
// gives what it says and, at the cuts and at the end, shows.
func goOn(t tb, s recorded, list Watchlist, cuts []int, load bool) []string {
	t.Helper()
	j := &judgement{d: NewDetector(list, DefaultPolicy())}
	var seen []string
	for i, u := range s.updates {
		if slices.Contains(cuts, i) {
			if load {
				j.d = reload(t, j.d)
			}
			seen = append(seen, shown(j.d)...)
		}
		events := j.d.Observe(u)
		if i%7 == 0 && load { // in the snapshot there are events that nobody took
			if slices.Contains(cuts, i+1) {
				j.d.events = events
				j.d = reload(t, j.d)
				events = j.d.take()
			}
		}
		j.take(t, events)
	}
	j.take(t, j.d.Advance(s.updates[len(s.updates)-1].At.Add(25*time.Hour)))
	return append(append(j.said, j.told...), append(seen, shown(j.d)...)...)
}

// TestLoadedGoesOn: saved and loaded at random moments, a detector says what it
// would have said.
func TestLoadedGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScenario(t)
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(s.updates)-1), 1, 4).Draw(t, "cuts")
		same(t, s.name, goOn(t, s, scenarioWatchlist(), cuts, true), goOn(t, s, scenarioWatchlist(), cuts, false))
	})
}

// TestLoadedScenarios does the same with the reconstructions.
func TestLoadedScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d scenarios: %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			f, err := bgptest.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			list, updates := reconstruction(t, name, f)
			cuts := []int{0, len(updates) - 1}
			for i := range 4 {
				cuts = append(cuts, int(chance(uint64(len(name)), i)%uint64(len(updates))))
			}
			s := recorded{name, updates}
			same(t, name, goOn(t, s, list, cuts, true), goOn(t, s, list, cuts, false))
		})
	}
}

// TestLoadedRealDay does the same with the first hours of a recorded day: a watchlist
// by AS numbers alone, learned as it goes.
func TestLoadedRealDay(t *testing.T) {
	dir, err := realdata.Find("mrt", "routeviews2-2008-02")
	if err != nil {
		t.Skip(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "updates.20080223.0*.bz2"))
	if len(files) == 0 {
		t.Fatalf("nothing of the day 2008-02-23 is in %s", dir)
	}
	var list Watchlist
	for _, a := range []uint32{26780, 27595, 44033, 8443, 30890, 16190} {
		list.Hosters = append(list.Hosters, Hoster{ID: fmt.Sprintf("as%d", a), ASNs: []uint32{a}})
	}
	s := recorded{name: "2008-02-23"}
	source := mrt.NewSource(mrt.Config{Inputs: files[:min(len(files), 12)], Watch: NewDetector(list, DefaultPolicy()).Followed().Watch()})
	if err := source.Run(t.Context(), func(batch []bgp.Update) error {
		s.updates = append(s.updates, batch...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	cuts := []int{0, len(s.updates) - 1}
	for i := range 5 {
		cuts = append(cuts, int(chance(26780, i)%uint64(len(s.updates))))
	}
	want := goOn(t, s, list, cuts, false)
	same(t, s.name, goOn(t, s, list, cuts, true), want)
	t.Logf("%d updates, %d lines said and shown", len(s.updates), len(want))
	if len(want) < 20 {
		t.Errorf("nothing was said")
	}
}

// TestLoadedIntake: an intake that is saved between any two of the things that it is
// told goes on as one that was not: with updates waiting, feeds known, gaps open.
func TestLoadedIntake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScenario(t)
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(s.updates)-1), 1, 4).Draw(t, "cuts")
		ready := rapid.IntRange(0, len(s.updates)-1).Draw(t, "not ready from")
		told := func(load bool) (out []string) {
			i := NewIntake(NewDetector(scenarioWatchlist(), DefaultPolicy()))
			for k, u := range s.updates {
				if load && slices.Contains(cuts, k) {
					var first, second bytes.Buffer
					err := i.Save(&first)
					if err != nil {
						t.Fatalf("%v", err)
					}
					if i, err = LoadIntake(bytes.NewReader(first.Bytes())); err != nil {
						t.Fatalf("%v", err)
					}
					if err := i.Save(&second); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
						t.Fatalf("saved again, it is another: %v", err)
					}
				}
				i.Updates("feed-"+u.Peer.Collector, []bgp.Update{u})
				if k%5 == 0 { // each feed tells how far it is, one a little behind
					until := u.At.Add(-time.Duration(k%3) * time.Second)
					i.Pulse(Pulse{Source: "feed-rrc00", Run: day, Until: until, Ready: k < ready || k > ready+500, Reason: "it fell out of the window"})
					i.Pulse(Pulse{Source: "feed-route-views2", Run: day, Until: until.Add(-time.Second), Ready: true})
				}
				if k%97 == 0 || k+1 == len(s.updates) {
					events, incidents, gaps := i.Take()
					out = append(out, encode(events), encode(incidents), encode(gaps), encode(i.Eyes()), encode(i.Late()), encode(i.Detector().Board()))
				}
			}
			return out
		}
		same(t, s.name, told(true), told(false))
	})
}

// reconstruction is the watchlist of a scenario, valid for ever, and its updates.
func reconstruction(t *testing.T, name string, f *bgptest.File) (Watchlist, []bgp.Update) {
	t.Helper()
	var config struct {
		Hosters []struct {
			ID, Name       string
			ASNs           []uint32 `yaml:"asns"`
			Prefixes       []string
			Upstreams      []uint32
			AllowedOrigins []uint32 `yaml:"allowed_origins"`
		}
	}
	if err := yaml.Unmarshal([]byte(f.Config), &config); err != nil {
		t.Fatal(err)
	}
	var list Watchlist
	for _, x := range config.Hosters {
		h := Hoster{ID: x.ID, Name: x.Name, ASNs: x.ASNs, Upstreams: x.Upstreams, AllowedOrigins: x.AllowedOrigins}
		for _, q := range x.Prefixes {
			h.Prefixes = append(h.Prefixes, mustPrefix(q))
		}
		list.Hosters = append(list.Hosters, h)
	}
	if err := list.Validate(); err != nil || len(list.Hosters) == 0 {
		t.Fatalf("%d hosters: %v", len(list.Hosters), err)
	}
	s, err := bgptest.Parse(name, f.Timeline)
	if err != nil {
		t.Fatal(err)
	}
	var updates []bgp.Update
	for u := range s.Updates() {
		updates = append(updates, u)
	}
	return list, updates
}

// TestSchema: what can be judged was named to the schema. (That nothing in a detector
// cannot be saved is seen when the package is loaded.)
func TestSchema(t *testing.T) {
	text := func(x any) string {
		var b bytes.Buffer
		_ = ast.Fprint(&b, nil, x, nil)
		return b.String()
	}
	files, _ := filepath.Glob("*.go")
	var judging []string
	named := ""
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			if x, ok := decl.(*ast.FuncDecl); ok && x.Recv != nil && x.Name.Name == "rank" {
				judging = append(judging, x.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name)
			}
		}
		if name == "save.go" {
			named = text(f)
		}
	}
	if len(judging) < 7 {
		t.Fatalf("only %q are judged", judging)
	}
	for _, x := range judging {
		if !strings.Contains(named, `Name: "`+x+`"`) {
			t.Errorf("%s is judged, and not named to the schema", x)
		}
	}
}

// TestDamagedSave: a snapshot with any octet changed, or cut anywhere, is refused.
func TestDamagedSave(t *testing.T) {
	w := newWorld(t, 3, example()).holds("all", one, "6939 64510").dump().after(time.Hour)
	var b bytes.Buffer
	if err := w.d.Save(&b); err != nil {
		t.Fatal(err)
	}
	var schema *snapshot.SchemaError
	for i := range b.Len() {
		if _, err := LoadDetector(bytes.NewReader(b.Bytes()[:i])); !errors.Is(err, snapshot.ErrDamaged) {
			t.Fatalf("cut after %d octets: %v", i, err)
		}
		x := bytes.Clone(b.Bytes())
		x[i] ^= 0x10
		if _, err := LoadDetector(bytes.NewReader(x)); !errors.Is(err, snapshot.ErrDamaged) && !errors.As(err, &schema) {
			t.Fatalf("octet %d changed: %v", i, err)
		}
	}
}
