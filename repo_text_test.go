package depeer_test

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// program builds depeer, once for all tests.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programDir, "depeer")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "./cmd/depeer").CombinedOutput()
	if err != nil {
		return "", &buildError{err, out}
	}
	return path, nil
})

type buildError struct {
	err error
	out []byte
}

func (e *buildError) Error() string {
	return "go build ./cmd/depeer: " + e.err.Error() + "\n" + string(e.out)
}
func (e *buildError) Unwrap() error { return e.err }

var programDir string

func TestMain(m *testing.M) {
	var err error
	if programDir, err = os.MkdirTemp("", "depeer"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(programDir)
	os.Exit(code)
}

// depeer runs the program and gives what it prints.
func depeer(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	return string(out), err
}

func TestShippedConfigsAreValid(t *testing.T) {
	files, err := filepath.Glob("configs/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("configs/ is empty")
	}
	for _, file := range files {
		if out, err := depeer(t, "check", "--config", file); err != nil {
			t.Errorf("depeer check --config %s: %v\n%s", file, err, out)
		}
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("hosterz: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := depeer(t, "check", "--config", bad); err == nil {
		t.Errorf("depeer check accepts a key that it does not know: %s", out)
	}
}

var makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):(?:[^=]|$)`)

func makeTargets(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range makeTarget.FindAllStringSubmatch(string(text), -1) {
		out = append(out, m[1])
	}
	return out
}

func TestMakeTargets(t *testing.T) {
	have := makeTargets(t)
	for _, want := range []string{"demo", "run", "test", "bench", "interop", "backtest", "lint", "build"} {
		if !slices.Contains(have, want) {
			t.Errorf("there is no make %s; people's scripts rely on it", want)
		}
	}
}

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")

// commands gives the commands of the README's shell blocks, continued lines joined,
// comments and what follows a pipe or redirection left out.
func commands(readme string) [][]string {
	var out [][]string
	for _, block := range shellBlock.FindAllStringSubmatch(readme, -1) {
		for _, line := range strings.Split(strings.ReplaceAll(block[1], "\\\n", " "), "\n") {
			line, _, _ = strings.Cut(" "+line, " #")
			var words []string
			for _, w := range strings.Fields(line) {
				if w == "|" || w == "&&" || strings.HasPrefix(w, ">") {
					break
				}
				words = append(words, strings.Trim(w, `"'`))
			}
			if len(words) > 0 {
				out = append(out, words)
			}
		}
	}
	return out
}

func TestReadmeCommands(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	targets := makeTargets(t)
	var seen []string
	for _, words := range commands(string(text)) {
		line := strings.Join(words, " ")
		seen = append(seen, line)
		switch name := filepath.Base(words[0]); name {
		case "make":
			for _, target := range words[1:] {
				if !strings.Contains(target, "=") && !slices.Contains(targets, target) {
					t.Errorf("README: %s: the Makefile has no %s", line, target)
				}
			}
		case "depeer":
			checkUsage(t, words[1:])
		case "git", "cd", "go":
		default:
			t.Errorf("README: %s: this test does not know how to check %s", line, name)
		}
	}
	for _, want := range []string{"make demo", "make test"} {
		if !slices.Contains(seen, want) {
			t.Errorf("the README does not tell %q", want)
		}
	}
}

// checkUsage sees whether the program knows the command and each of its flags.
func checkUsage(t *testing.T, args []string) {
	t.Helper()
	line := strings.Join(args, " ")
	out, err := depeer(t, append(slices.Clone(args), "--help")...)
	if err != nil {
		t.Errorf("README: depeer %s: %v\n%s", line, err, out)
		return
	}
	// An unknown command prints the help of the whole program, and exits with 0.
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") && !regexp.MustCompile(`(?m)^\s*depeer `+regexp.QuoteMeta(args[0])+`\b`).MatchString(out) {
		t.Errorf("README: depeer %s: the program has no command %s", line, args[0])
	}
}

func TestReadmeCommandsAreRead(t *testing.T) {
	got := commands("x\n```sh\nmake demo # see\nbin/depeer scan --origin 26780 \\\n  \"updates.gz\" | head\n\n```\n```go\nmake no\n```\n")
	if len(got) != 2 || strings.Join(got[0], " ") != "make demo" || strings.Join(got[1], " ") != "bin/depeer scan --origin 26780 updates.gz" {
		t.Errorf("%q", got)
	}
}

// What is written here is written in parts, or this file would be the first to fail.
var outside = []struct {
	pattern *regexp.Regexp
	tests   bool // tests may have it
	why     string
}{
	{regexp.MustCompile(`(?i)\b(proxy|sum|index)\.golang` + `\.org|registry\.npmjs` + `\.org|\bpypi` + `\.org|pythonhosted` + `\.org|` +
		`\bcrates` + `\.io|rubygems` + `\.org|registry-1\.docker` + `\.io|\bghcr` + `\.io|\bquay` + `\.io|deb\.debian` + `\.org`), false,
		"a package registry's host: the place it is fetched from is the operator's choice"},
	{regexp.MustCompile("(^|[\\s\"'`(=:,])/" + `work/`), false, "a path of one machine"},
	{regexp.MustCompile("(^|[\\s\"'`(=:,])/" + `root/`), false, "a path of one machine"},
	{regexp.MustCompile(`\.\./` + `shared\b`), true, "a path outside the repository"},
}

// told names what in a text belongs to one machine or one registry.
func told(path string, text []byte) []string {
	var out []string
	for i, line := range strings.Split(string(text), "\n") {
		for _, o := range outside {
			if o.tests && strings.HasSuffix(path, "_test.go") {
				continue
			}
			if m := o.pattern.FindString(line); m != "" {
				out = append(out, strings.Join([]string{path, ":", strconv.Itoa(i + 1), ": ", strings.TrimSpace(m), ": ", o.why}, ""))
			}
		}
	}
	return out
}

func TestRepositorySpeaksOfTheProductAlone(t *testing.T) {
	texts := 0
	walk(t, func(path string, d fs.DirEntry) {
		if !d.Type().IsRegular() || filepath.Base(path) == "go.sum" {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			return
		}
		if bytes.IndexByte(text, 0) >= 0 {
			return // not text
		}
		texts++
		for _, found := range told(path, text) {
			t.Error(found)
		}
	})
	if texts < 20 {
		t.Errorf("%d texts were read", texts)
	}
	sample := "see proxy.golang" + ".org\nin \"/" + "work/main\"\nat ../" + "shared/data\nnetwork/work, a/work/b"
	if got := told("x.md", []byte(sample)); len(got) != 3 {
		t.Errorf("of three samples %d are seen: %q", len(got), got)
	}
	if got := told("x_test.go", []byte(sample)); len(got) != 2 {
		t.Errorf("in a test, of three samples %d are seen: %q", len(got), got)
	}
}

func TestGoFiles(t *testing.T) {
	fuzzed := 0
	walk(t, func(path string, d fs.DirEntry) {
		if !d.Type().IsRegular() || filepath.Ext(path) != ".go" {
			return
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			return
		}
		formatted, err := format.Source(src)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		if !bytes.Equal(src, formatted) {
			t.Errorf("%s: not gofmt-ed", path)
		}
		if strings.HasSuffix(path, "_test.go") {
			file, err := parser.ParseFile(token.NewFileSet(), path, src, 0)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				return
			}
			fuzzed += seeded(t, path, file)
		}
	})
	if fuzzed == 0 {
		t.Error("no fuzz target found")
	}
}

// seeded counts the fuzz targets of a file, and wants a seed or a corpus for each.
func seeded(t *testing.T, path string, file *ast.File) int {
	n := 0
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Fuzz") {
			continue
		}
		n++
		corpus, err := filepath.Glob(filepath.Join(filepath.Dir(path), "testdata", "fuzz", f.Name.Name, "*"))
		if err != nil {
			t.Fatal(err)
		}
		if !addsSeed(f) && len(corpus) == 0 {
			t.Errorf("%s: %s begins with nothing: give it f.Add or a corpus", path, f.Name.Name)
		}
	}
	return n
}

// addsSeed reports whether the target calls Add on its *testing.F, or hands that to
// a function which does so for several targets.
func addsSeed(f *ast.FuncDecl) bool {
	if len(f.Type.Params.List) != 1 || len(f.Type.Params.List[0].Names) != 1 {
		return false
	}
	name, found := f.Type.Params.List[0].Names[0].Name, false
	isF := func(e ast.Expr) bool { x, ok := e.(*ast.Ident); return ok && x.Name == name }
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && isF(sel.X) && sel.Sel.Name == "Add" {
				found = true
			}
			if id, ok := call.Fun.(*ast.Ident); ok && strings.Contains(strings.ToLower(id.Name), "seed") && slices.ContainsFunc(call.Args, isF) {
				found = true
			}
		}
		return !found
	})
	return found
}

// untagged modules are there because a tagged one requires them as they are.
var untagged = map[string]string{
	"github.com/mitchellh/colorstring":          "progressbar needs it; it has no tags",
	"github.com/dgryski/go-farm":                "GoBGP needs it; it has no tags",
	"github.com/jackc/pgservicefile":            "pgx needs it; it has no tags",
	"github.com/remyoudompheng/bigfft":          "SQLite's C library in Go needs it; it has no tags",
	"github.com/munnerz/goautoneg":              "client_golang needs it; it has no tags",
	"google.golang.org/genproto/googleapis/rpc": "grpc, which GoBGP needs, wants it; it has no tags",
}

func TestModule(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^module depeer$`).Match(text) || !regexp.MustCompile(`(?m)^go 1\.26(\.\d+)?$`).Match(text) {
		t.Error("go.mod: want module depeer and go 1.26")
	}
	if m := regexp.MustCompile(`(?m)^replace .*$`).Find(text); m != nil {
		t.Errorf("go.mod: %s: whoever installs depeer with go install gets something else", m)
	}
	for _, m := range regexp.MustCompile(`(?m)^\s*(?:require )?(\S+\.\S+) v\S*[-.]\d{14}-[0-9a-f]{12}\b`).FindAllSubmatch(text, -1) {
		if untagged[string(m[1])] == "" {
			t.Errorf("go.mod: %s is a commit, not a release; list it here with the reason if it has to be", m[1])
		}
	}
}
