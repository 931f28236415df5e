package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A node is one value of the YAML text, kept as it was written: the decoder, not
// YAML, knows that 1.10 is an AS number and 2008-12-31 a day.
type node struct {
	kind  nodeKind
	line  int
	text  string // scalar
	keys  []key  // mapping
	items []node // list; mapping: the value of the key with the same index
}

type key struct {
	name string
	line int
}

type nodeKind uint8

const (
	nothing nodeKind = iota // null, or nothing written after the key
	scalar
	list
	mapping
	unread // something that YAML has and this configuration has not; a fault says so
)

func (k nodeKind) String() string {
	return [...]string{"nothing", "a single value", "a list", "a mapping", "unread"}[k]
}

// get is the value of a mapping's key, nil without.
func (n *node) get(name string) *node {
	for i := range n.keys {
		if n.keys[i].name == name {
			return &n.items[i]
		}
	}
	return nil
}

const (
	maxConfig = 64 << 20 // bytes; a thousand hosters take 0.3 MB
	maxDepth  = 100      // brackets within brackets; the deepest key takes 6
)

// parseTree reads one YAML document. Faults it can name are added to f; it
// returns nil only where the text is not YAML at all.
func parseTree(text []byte, f *faults) *node {
	if len(text) > maxConfig {
		f.add(0, "", "more than %d MiB", maxConfig>>20)
		return nil
	}
	if !utf8.Valid(text) {
		bad := bytes.IndexFunc(text, func(r rune) bool { return r == utf8.RuneError })
		f.add(1+bytes.Count(text[:bad], []byte("\n")), "", "not YAML: not in UTF-8")
		return nil
	}
	// The parser recurses, and Go cannot recover from a stack that ran out.
	if line := tooDeep(text); line > 0 {
		f.add(line, "", "not YAML: more than %d levels", maxDepth)
		return nil
	}
	if root, ok := parsePlain(string(text)); ok {
		return root
	}
	return parseYAML(text, f)
}

// parseYAML reads any YAML, with the library.
func parseYAML(text []byte, f *faults) (root *node) {
	defer func() {
		if r := recover(); r != nil {
			f.add(0, "", "not YAML: the reader gave up (%v)", r)
			root = nil
		}
	}()
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var y yaml.Error
		if errors.As(err, &y) {
			f.add(lineOf(y.GetToken()), "", "not YAML: %s", y.GetMessage())
		} else {
			f.add(0, "", "not YAML: %v", err)
		}
		return nil
	}
	b := treeBuilder{faults: f}
	out := &node{}
	found := false
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if found {
			f.add(lineOf(doc.Body.GetToken()), "", "a second document; one file holds one")
			break
		}
		b.build(doc.Body, out)
		found = true
	}
	return out
}

type treeBuilder struct{ *faults }

// refuse notes that the present value is something that is not read here.
func (b *treeBuilder) refuse(to *node, format string, args ...any) {
	to.kind = unread
	b.add(to.line, b.here(), format, args...)
}

func lineOf(t *token.Token) int {
	if t == nil || t.Position == nil {
		return 0
	}
	return t.Position.Line
}

// build turns YAML's nodes into ours.
func (b *treeBuilder) build(from ast.Node, to *node) {
	to.line = lineOf(from.GetToken())
	switch n := from.(type) {
	case *ast.NullNode:
		to.kind = nothing
	case *ast.StringNode:
		to.kind, to.text = scalar, n.Value
	case *ast.LiteralNode:
		to.kind, to.text = scalar, n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		to.kind, to.text = scalar, from.GetToken().Value
	case *ast.SequenceNode:
		to.kind, to.items = list, make([]node, len(n.Values))
		for i, v := range n.Values {
			b.in(step{index: i}, func() { b.build(v, &to.items[i]) })
		}
	case *ast.MappingValueNode:
		b.pairs([]*ast.MappingValueNode{n}, to)
	case *ast.MappingNode:
		if s, ok := glued(n); ok {
			to.kind, to.text = scalar, s
			return
		}
		b.pairs(n.Values, to)
	case *ast.AnchorNode, *ast.AliasNode:
		b.refuse(to, "anchors and aliases (& and *) are not read here: write the value out")
	case *ast.TagNode:
		b.refuse(to, "tags (!) are not read here")
	default:
		b.refuse(to, "%s is not read here", strings.ToLower(from.Type().String()))
	}
}

// glued puts together what the library takes apart: in {prefixes: [2001:db8::/32]}
// it reads the prefix as a mapping of 2001 to db8::/32. A colon without a blank
// behind it belongs to the value (YAML 1.2 section 7.3.3).
func glued(n *ast.MappingNode) (string, bool) {
	if len(n.Values) != 1 || n.Start == nil || n.Start.Type != token.MappingValueType {
		return "", false
	}
	k, colon, v := n.Values[0].Key.GetToken(), n.Start, n.Values[0].Value.GetToken()
	if _, single := n.Values[0].Value.(ast.ScalarNode); !single || v.Type == token.ImplicitNullType || k.Indicator == token.QuotedScalarIndicator || v.Indicator == token.QuotedScalarIndicator {
		return "", false
	}
	touching := k.Position.Line == colon.Position.Line && v.Position.Line == colon.Position.Line &&
		k.Position.Column+utf8.RuneCountInString(k.Value) == colon.Position.Column && v.Position.Column == colon.Position.Column+1
	return k.Value + ":" + v.Value, touching
}

func (b *treeBuilder) pairs(from []*ast.MappingValueNode, to *node) {
	to.kind = mapping
	if len(from) > 0 {
		to.line = lineOf(from[0].Key.GetToken())
	}
	seen := make(map[string]int, len(from))
	for _, p := range from {
		b.in(step{key: keyText(p.Key)}, func() { b.pair(p, to, seen) })
	}
}

func (b *treeBuilder) pair(p *ast.MappingValueNode, to *node, seen map[string]int) {
	k := key{name: keyText(p.Key), line: lineOf(p.Key.GetToken())}
	if _, merge := p.Key.(*ast.MergeKeyNode); merge {
		b.add(k.line, b.here(), "merge keys (<<) are not read here: write the value out")
		return
	}
	if first, dup := seen[k.name]; dup {
		b.harmless = append(b.harmless, len(b.all))
		b.add(k.line, b.here(), "is already given in line %d", first)
		return
	}
	seen[k.name] = k.line
	to.keys = append(to.keys, k)
	to.items = append(to.items, node{})
	value := &to.items[len(to.items)-1]
	if b.build(p.Value, value); value.kind == nothing {
		value.line = k.line // the library says where the next line begins
	}
}

func keyText(k ast.MapKeyNode) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	return k.GetToken().Value
}

// tooDeep gives the line in which brackets, or dashes in one line, nest deeper
// than maxDepth; 0 where they do not. It does not know about quotes: a text with
// a hundred brackets that never close is refused, whatever it is.
func tooDeep(text []byte) int {
	line, open, dashes := 1, 0, 0
	for i, c := range text {
		switch c {
		case '\n':
			line, dashes = line+1, 0
		case '[', '{':
			open++
		case ']', '}':
			open = max(0, open-1)
		case '-', '?', ':': // "- - - a" is a list in a list in a list; "----" is not
			if i+1 < len(text) && (text[i+1] == ' ' || text[i+1] == '\t') {
				dashes++
			}
		}
		if open > maxDepth || dashes > maxDepth {
			return line
		}
	}
	return 0
}

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	File string
	Line int    // 0 where it has none
	Path string // hosters[1].asns[0]; "" where the text itself is wrong
	Text string
}

func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	b.WriteString(": ")
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Text)
	return b.String()
}

// Faults is everything that is wrong with a configuration, by line.
type Faults []Fault

// Error is one line per fault.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

// faults collects, and knows where in the text it is.
type faults struct {
	file     string
	all      Faults
	harmless []int // indexes of all: these made no value wrong
	path     []step
}

// step is one part of a path: a key, or an index where the key is "".
type step struct {
	key   string
	index int
}

func (f *faults) add(line int, path, format string, args ...any) {
	f.all = append(f.all, Fault{File: f.file, Line: line, Path: path, Text: fmt.Sprintf(format, args...)})
}

// in does the work one step further down.
func (f *faults) in(s step, work func()) {
	f.path = append(f.path, s)
	work()
	f.path = f.path[:len(f.path)-1]
}

// here is the present path: hosters[1].asns[0].
func (f *faults) here() string {
	var b strings.Builder
	for _, s := range f.path {
		switch {
		case s.key == "":
			fmt.Fprintf(&b, "[%d]", s.index)
		case b.Len() > 0:
			b.WriteString("." + s.key)
		default:
			b.WriteString(s.key)
		}
	}
	return b.String()
}

// unknownKey says that k, at the present path, is none of the known ones.
func (f *faults) unknownKey(k key, known []string) {
	f.harmless = append(f.harmless, len(f.all))
	f.add(k.line, f.here(), "unknown key%s", didYouMean(k.name, known))
}

// broken are the paths whose values could not be read.
func (f *faults) broken() []string {
	var paths []string
	for i := range f.all {
		if f.all[i].Path != "" && !slices.Contains(f.harmless, i) {
			paths = append(paths, f.all[i].Path)
		}
	}
	return paths
}
