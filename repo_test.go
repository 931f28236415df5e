// Package depeer_test checks the repository itself: which way its arrows point,
// what its packages promise, and that what it ships and tells readers is true.
package depeer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath   string
	Name         string
	Dir          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Dir,GoFiles,Imports,TestImports,XTestImports", "./...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var packages []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 3 {
		t.Fatalf("go list found %d packages", len(packages))
	}
	return packages
}

// A rule forbids the packages that match from, save those that match unless, to
// import what matches to, save what matches but. Tests are held to it where tests
// is set.
type rule struct {
	from, unless string
	to, but      string
	tests        bool
	reason       string
}

// anything outside the standard library has a dot in its first element, or is ours.
const foreign = `^(depeer(/|$)|[^/]*\.[^/]*/)`

var rules = []rule{
	{from: `^depeer/bgp$`, to: foreign, reason: "bgp holds the facts that every feed, table and judge shares: the standard library only"},
	{from: `^depeer/bgp(/|$)`, to: `^depeer/(watch|bus|notify|web|cmd)(/|$)`, tests: true, reason: "facts know nothing of what is concluded from them, or of who is told"},
	{from: `^depeer/watch$`, to: foreign, but: `^depeer/bgp(/|$)`, reason: "judgement is pure: what is not arithmetic over facts does not belong there"},
	{from: `^depeer/watch(/|$)`, to: `^depeer/(bus|notify|web|cmd)(/|$)`, tests: true, reason: "judgement says what happened, not who is told, and how"},
	{from: `^depeer/bus(/|$)`, to: `^depeer/(notify|web|cmd)(/|$)`, tests: true, reason: "bus, notify and web never meet; cmd joins them"},
	{from: `^depeer/notify(/|$)`, to: `^depeer/(bus|web|cmd)(/|$)`, tests: true, reason: "bus, notify and web never meet; cmd joins them"},
	{from: `^depeer/web(/|$)`, to: `^depeer/(bus|notify|cmd)(/|$)`, tests: true, reason: "bus, notify and web never meet; cmd joins them"},
	{from: `.`, to: `^depeer/cmd(/|$)`, tests: true, reason: "cmd joins everything, so nothing may depend on it"},
	{from: `^depeer`, unless: `^depeer/bus(/|$)`, to: `^github\.com/nats-io/`, tests: true, reason: "bus hides NATS, so that nobody else depends on how it delivers"},
	{from: `^depeer`, unless: `^depeer/cmd/depeer$`, to: `^github\.com/go-co-op/gocron`, tests: true, reason: "jobs are wiring: only cmd/depeer runs something on a schedule"},
	{from: `^depeer`, unless: `^depeer/bgp/speaker(/|$)`, to: `^github\.com/osrg/gobgp/v\d+/pkg/server`, reason: "GoBGP's server could announce: bgp/speaker keeps it passive and behind its front"},
	{from: `^depeer`, unless: `^depeer/bgp(/|$)`, to: `^github\.com/osrg/gobgp/`, reason: "GoBGP's types stay behind bgp.Source, so that moving to its next version is small"},
	{from: `^depeer/`, unless: `^depeer/(bgp/bgptest|watch/timeline/timelinetest|notify/notifytest)$`, to: `^(testing|net/http/httptest)$`, reason: "the program does not carry test code"},
}

// broken names each arrow of the package that a rule forbids.
func (p goPackage) broken() []string {
	var out []string
	for _, r := range rules {
		if !matches(r.from, p.ImportPath) || matches(r.unless, p.ImportPath) {
			continue
		}
		imports := slices.Clone(p.Imports)
		if r.tests {
			imports = append(append(imports, p.TestImports...), p.XTestImports...)
		}
		slices.Sort(imports)
		for _, i := range slices.Compact(imports) {
			if i == p.ImportPath || !matches(r.to, i) || matches(r.but, i) {
				continue
			}
			out = append(out, fmt.Sprintf("%s imports %s: %s", p.ImportPath, i, r.reason))
		}
	}
	return out
}

func matches(pattern, s string) bool {
	return pattern != "" && regexp.MustCompile(pattern).MatchString(s)
}

func TestArrowsPointOneWay(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, b := range p.broken() {
			t.Error(b)
		}
	}
}

// A rule that forbids nothing would pass for ever.
func TestImportRuleForbids(t *testing.T) {
	for arrow, forbidden := range map[string]bool{
		"depeer/bgp github.com/gaissmai/bart":                    true,
		"depeer/bgp depeer/bgp/wire":                             true,
		"depeer/bgp net/netip":                                   false,
		"depeer/bgp/mrt github.com/klauspost/compress/zstd":      false,
		"depeer/bgp/mrt depeer/watch":                            true,
		"depeer/bgp/rib depeer/bgp":                              false,
		"depeer/watch depeer/bgp/rib":                            false,
		"depeer/watch github.com/google/go-cmp/cmp":              true,
		"depeer/watch depeer/watch/timeline":                     true,
		"depeer/watch/timeline depeer/watch":                     false,
		"depeer/watch/timeline depeer/bus":                       true,
		"depeer/watch/timeline/sqlite modernc.org/sqlite":        false,
		"depeer/bus depeer/watch":                                false,
		"depeer/bus github.com/nats-io/nats.go":                  false,
		"depeer/bus depeer/notify":                               true,
		"depeer/notify depeer/bus":                               true,
		"depeer/notify/slack depeer/notify":                      false,
		"depeer/web depeer/notify":                               true,
		"depeer/web depeer/watch/timeline":                       false,
		"depeer/web depeer/cmd/depeer":                           true,
		"depeer/cmd/depeer depeer/web":                           false,
		"depeer/cmd/depeer github.com/nats-io/nats.go":           true,
		"depeer/cmd/depeer github.com/go-co-op/gocron/v2":        false,
		"depeer/watch/cnc github.com/go-co-op/gocron/v2":         true,
		"depeer/bgp/speaker github.com/osrg/gobgp/v3/pkg/server": false,
		"depeer/bgp/bgptest github.com/osrg/gobgp/v3/pkg/server": true,
		"depeer/bgp/sflow github.com/osrg/gobgp/v3/pkg/server":   true,
		"depeer/cmd/depeer github.com/osrg/gobgp/v3/pkg/server":  true,
		"depeer/notify github.com/osrg/gobgp/v3/pkg/packet/bgp":  true,
		"depeer/bgp/mrt github.com/osrg/gobgp/v3/pkg/packet/bgp": false,
		"depeer/notify net/http/httptest":                        true,
	} {
		from, to, _ := strings.Cut(arrow, " ")
		p := goPackage{ImportPath: from, Imports: []string{to}}
		if got := p.broken(); (len(got) > 0) != forbidden {
			t.Errorf("%s: %v, want forbidden: %t", arrow, got, forbidden)
		}
	}
	inTest := goPackage{ImportPath: "depeer/watch", XTestImports: []string{"depeer/bus", "github.com/google/go-cmp/cmp"}}
	if got := inTest.broken(); len(got) != 1 || !strings.Contains(got[0], "imports depeer/bus: ") {
		t.Errorf("a test of watch: %v", got)
	}
}

// The judge reads no clock, starts nothing and reads nothing: its package doc says so.
func TestJudgementIsPure(t *testing.T) {
	for _, p := range listPackages(t) {
		if p.ImportPath != "depeer/watch" {
			continue
		}
		for _, i := range p.Imports {
			if slices.Contains([]string{"os", "os/exec", "io", "net", "net/http", "sync", "sync/atomic", "context", "log", "log/slog", "math/rand", "math/rand/v2"}, i) {
				t.Errorf("watch imports %s: it does no I/O, has no goroutines and leaves nothing to chance", i)
			}
		}
		for _, name := range p.GoFiles {
			for _, where := range impure(t, filepath.Join(p.Dir, name), nil) {
				t.Error(where)
			}
		}
		return
	}
	t.Error("there is no package watch")
}

// impure names each go statement and each look at the clock in a file.
func impure(t *testing.T, name string, src any) []string {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			out = append(out, fmt.Sprintf("%s: a goroutine", set.Position(n.Pos())))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{
				"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker",
			}, n.Sel.Name) {
				out = append(out, fmt.Sprintf("%s: time.%s; time is an argument here", set.Position(n.Pos()), n.Sel.Name))
			}
		}
		return true
	})
	return out
}

func TestImpureIsSeen(t *testing.T) {
	got := impure(t, "x.go", "package watch\nimport \"time\"\nfunc f() { go f(); _ = time.Now(); _ = time.Unix(0, 0) }")
	if len(got) != 2 {
		t.Errorf("%q", got)
	}
}

// Each package says in one place what it promises.
func TestPackageDocs(t *testing.T) {
	for _, p := range listPackages(t) {
		var found []string
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc == nil {
				continue
			}
			found = append(found, name)
			want := "Package " + p.Name + " "
			if p.Name == "main" {
				want = "Command " + filepath.Base(p.Dir) + " "
			}
			if text := file.Doc.Text(); !strings.HasPrefix(text, want) {
				t.Errorf("%s/%s: the package doc begins with %q, want %q", p.ImportPath, name, text[:min(len(text), 30)], want)
			}
		}
		if len(p.GoFiles) > 0 && len(found) != 1 {
			t.Errorf("%s has %d package docs %v, want one", p.ImportPath, len(found), found)
		}
	}
}

// A folder is a noun of the flow.
func TestFolderNames(t *testing.T) {
	refused := []string{"pkg", "internal", "util", "utils", "common", "types", "helper", "helpers", "misc", "lib", "shared"}
	walk(t, func(path string, d fs.DirEntry) {
		if d.IsDir() && slices.Contains(refused, d.Name()) {
			t.Errorf("%s: a name that says nothing of what is in it", path)
		}
	})
	root, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range root {
		if !strings.HasSuffix(name, "_test.go") {
			t.Errorf("%s: the root folder holds only tests of the repository; the program is in cmd/depeer", name)
		}
	}
}

// walk visits what belongs to the repository, from its root.
func walk(t *testing.T, visit func(path string, d fs.DirEntry)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "bin", "dist", "web/ui/dist", "web/ui/node_modules", "web/ui/shots"}, filepath.ToSlash(path)) {
			return fs.SkipDir
		}
		if path != "." {
			visit(path, d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
