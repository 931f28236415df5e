package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// treeOf reads text with the YAML library alone.
func treeOf(text string) (*node, Faults) {
	f := &faults{file: "x.yaml"}
	n := parseYAML([]byte(text), f)
	return n, f.all
}

// samePlain fails where the short way reads what the library does not, or reads
// it differently. It reports whether the short way was taken.
func samePlain(t *testing.T, text string) bool {
	t.Helper()
	short, ok := parsePlain(text)
	if !ok {
		return false
	}
	long, faults := treeOf(text)
	if len(faults) > 0 || long == nil {
		t.Fatalf("the library refuses %q: %v; the short way reads %+v", text, faults, short)
	}
	if diff := cmp.Diff(long, short, cmp.AllowUnexported(node{}, key{}), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%q: library (-), short way (+):\n%s", text, diff)
	}
	return true
}

var plainTexts = []string{
	"",
	"# nothing but a comment\n",
	"hosters: []\n",
	"hosters:\n",
	"hosters:\n- id: a\n  asns: [1]\n- id: b\n",
	"hosters:\n  - id: a # first\n    asns: [1, AS2, 1.10]\n    prefixes:\n      - 192.0.2.0/24\n      - 2001:db8::/32\n\n  # second\n  - id: b\n    valid: {from: 2006-11-17, to: 2008-12-31T10:00:00Z}\npolicy:\n  hold: 60s\n",
	"hosters:\n  - id: a\n    asns: [1,\n      2, 3]\n    name: \"A: B\"\n    tags: ['x y', z]\n",
	"policy: {hold: 1m, min_peers: 2}\nbus: {embedded: {dir: /var/lib/depeer}}\n",
	"- id: a\n  asns: [1]\n- id: b",
	"a: b   \nc: d e  # f\n",
	"a:\n  b:\n    c:\n  d: 1\n",
	"a:\n- b\n- c\nd: 1\n",
	"a: {\n  b: c,\n  d: [\n    e, f\n  ]\n}\n",
	"- {id: a, prefixes: [2001:db8::/32 , 192.0.2.0/24, fe80:1:2::/48]}\n",
}

func TestPlainIsTaken(t *testing.T) {
	for _, text := range plainTexts {
		if !samePlain(t, text) {
			t.Errorf("the short way gives up at %q", text)
		}
	}
	for _, brackets := range []bool{true, false} {
		if !samePlain(t, string(bigWatchlist(20, 5, brackets))) {
			t.Errorf("the short way gives up at a watchlist (brackets %v)", brackets)
		}
	}
}

func TestPlainGivesUp(t *testing.T) {
	for _, text := range []string{
		"a: &x 1\n", "a: *x\n", "a: |\n  b\n", "a: >\n  b\n", "a: b\n  c\n", "a: b: c\n", "a: [1, 2\n", "a: [1,]\n", "a: 1\na: 2\n",
		"a: \"b\\n\"\n", "a: 'it''s'\n", "\ta: 1\n", "a: b\r\n", "---\na: 1\n", "a: !!str b\n", "? a\n: b\n", "a: ~\n", "a: null\n",
		"- - a\n", "-\n", "- a: 1\n   b: 2\n", "a:\n  b: 1\n c: 2\n", "a: {b}\n", "a: {b:1}\n", "a:b\n", "a: b#c\n", "a: [b #c\n]\n", "a b: c\n",
		"a: 1\n- b\n", "- a\nb: 1\n", "a: [{b: 1}, [c]]]\n", "a: \"b\" c\n", "${A}: b\n", "a: ${B}\n", "a: é\n",
	} {
		if n, ok := parsePlain(text); ok {
			t.Errorf("the short way reads %q: %+v", text, n)
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, text := range plainTexts {
		f.Add(text)
	}
	files, _ := filepath.Glob("testdata/config/*.yaml")
	more, _ := filepath.Glob("../../configs/*.yaml")
	for _, name := range append(files, more...) {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if tooDeep([]byte(text)) > 0 {
			t.Skip()
		}
		samePlain(t, text)
	})
}
