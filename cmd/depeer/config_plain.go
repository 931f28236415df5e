package main

import (
	"slices"
	"strings"
)

// parsePlain reads the plain part of YAML in which watchlists are written: block
// mappings and lists, lists and mappings in brackets, values of one line, with or
// without quotes, comments. It is there because the YAML library needs four times
// as long, and a list of ten thousand prefixes is read before every scan. It gives
// up (false) at anything else, well-formed or not, and the library takes over:
// what it does read, it reads as the library does (FuzzPlain).
func parsePlain(text string) (*node, bool) {
	p := plain{text: text, line: 1}
	root := &node{}
	if !p.skip() {
		return nil, false
	}
	if p.at < len(p.text) && !p.block(root, p.column) || p.at < len(p.text) {
		return nil, false
	}
	return root, true
}

// plain is a position in the text. Between two calls of block it is at the first
// character of a line's content, or at the end.
type plain struct {
	text   string
	at     int
	line   int
	column int // indentation of the content that begins at at
}

// skip goes to the first character of the next line with content; it begins at
// the start of a line.
func (p *plain) skip() bool {
	for p.at < len(p.text) {
		start := p.at
		for p.at < len(p.text) && p.text[p.at] == ' ' {
			p.at++
		}
		switch {
		case p.at == len(p.text):
			return true
		case p.text[p.at] == '\n':
			p.at++
			p.line++
		case p.text[p.at] == '#':
			if !p.comment() {
				return false
			}
		default:
			p.column = p.at - start
			return true
		}
	}
	return true
}

// comment goes past a comment and its line.
func (p *plain) comment() bool {
	end := strings.IndexByte(p.text[p.at:], '\n')
	if end < 0 {
		end = len(p.text) - p.at - 1
	}
	for _, c := range []byte(p.text[p.at : p.at+end+1]) {
		if c != '\n' && (c < ' ' || c == 0x7f) {
			return false
		}
	}
	p.at += end + 1
	p.line++
	return true
}

// endLine goes from behind a value to the next line with content.
func (p *plain) endLine() bool {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
	switch {
	case p.at == len(p.text):
		return true
	case p.text[p.at] == '\n':
		p.at++
		p.line++
	case p.text[p.at] == '#' && p.at > start:
		if !p.comment() {
			return false
		}
	default:
		return false
	}
	return p.skip()
}

// block reads the mapping or list whose lines begin at column.
func (p *plain) block(to *node, column int) bool {
	to.line = p.line
	first := p.at
	for p.at < len(p.text) && p.column == column && (p.at == first || p.lineStart()) {
		if p.dash() {
			if to.kind == mapping {
				return false
			}
			to.kind = list
			to.items = append(to.items, node{})
			p.at, p.column = p.at+2, column+2
			if !p.entry(&to.items[len(to.items)-1], column+2) {
				return false
			}
			continue
		}
		if to.kind == list {
			break // a list may stand as far left as the key that it belongs to
		}
		if !p.pair(to, column) {
			return false
		}
	}
	return to.kind != nothing && p.column <= column || p.at == len(p.text)
}

// lineStart reports whether only spaces stand before the content.
func (p *plain) lineStart() bool {
	return p.at-p.column >= 0 && (p.at == p.column || p.text[p.at-p.column-1] == '\n')
}

func (p *plain) dash() bool { return strings.HasPrefix(p.text[p.at:], "- ") }

// entry reads what follows "- ": a value, or a mapping whose further lines begin
// at column.
func (p *plain) entry(to *node, column int) bool {
	if p.at < len(p.text) && p.text[p.at] == ' ' || p.dash() {
		return false
	}
	if p.key() > 0 {
		return p.block(to, column)
	}
	return p.value(to, false) && p.endLine()
}

// key is the length of the key at the position, 0 where there is none.
func (p *plain) key() int {
	n := p.at
	for n < len(p.text) && (p.text[n] >= 'a' && p.text[n] <= 'z' || p.text[n] == '_') {
		n++
	}
	if n == p.at || n >= len(p.text) || p.text[n] != ':' || n+1 < len(p.text) && p.text[n+1] != ' ' && p.text[n+1] != '\n' || isNull(p.text[p.at:n]) {
		return 0
	}
	return n - p.at
}

// newKey adds the key at the position to the mapping and goes past its colon.
func (p *plain) newKey(to *node) *node {
	n := p.key()
	if n == 0 {
		return nil
	}
	name := p.text[p.at : p.at+n]
	if slices.ContainsFunc(to.keys, func(k key) bool { return k.name == name }) {
		return nil // the slow way says so
	}
	if to.kind = mapping; len(to.keys) == 0 {
		to.line = p.line // of its first key, wherever its brace is
	}
	to.keys = append(to.keys, key{name: name, line: p.line})
	to.items = append(to.items, node{line: p.line})
	p.at += n + 1
	return &to.items[len(to.items)-1]
}

// pair reads "key: value", or "key:" and the lines that belong to it.
func (p *plain) pair(to *node, column int) bool {
	value := p.newKey(to)
	if value == nil {
		return false
	}
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
	if p.at < len(p.text) && p.text[p.at] != '\n' && p.text[p.at] != '#' {
		return p.value(value, false) && p.endLine()
	}
	if p.at < len(p.text) && p.text[p.at] == '#' && p.text[p.at-1] != ' ' || !p.endLine() {
		return false
	}
	switch {
	case p.at == len(p.text) || p.column < column || p.column == column && !p.dash():
		return true // nothing
	default:
		return p.block(value, p.column)
	}
}

// value reads one value; within brackets, commas and brackets end it.
func (p *plain) value(to *node, bracketed bool) bool {
	to.line = p.line
	if p.at == len(p.text) {
		return false
	}
	switch c := p.text[p.at]; c {
	case '[':
		return p.brackets(to, ']')
	case '{':
		return p.brackets(to, '}')
	case '"', '\'':
		return p.quoted(to, c)
	}
	start := p.at
	for p.at < len(p.text) && plainByte[p.text[p.at]] {
		p.at++
	}
	// A colon ends a key where a space follows it, and "a #b" ends in a comment.
	s := strings.TrimRight(p.text[start:p.at], " ")
	p.at = start + len(s)
	if s == "" || !letterOrDigit(s[0]) && s[0] != '/' || strings.Contains(s, ": ") || strings.Contains(s, " :") || s[len(s)-1] == ':' || isNull(s) {
		return false
	}
	if bracketed && strings.Contains(s, ":") && strings.Contains(s, " ") {
		return false // within brackets a colon is more than a colon to the library
	}
	if !bracketed && p.at < len(p.text) && (p.text[p.at] == ',' || p.text[p.at] == ']') {
		return false
	}
	to.kind, to.text = scalar, s
	return true
}

// plainByte says which bytes an unquoted value may hold.
var plainByte = func() (ok [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._/:-") {
		ok[c] = true
	}
	return ok
}()

func letterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isNull(s string) bool { return s == "null" || s == "Null" || s == "NULL" }

func (p *plain) quoted(to *node, quote byte) bool {
	end := strings.IndexByte(p.text[p.at+1:], quote)
	if end < 0 {
		return false
	}
	s := p.text[p.at+1 : p.at+1+end]
	for _, c := range []byte(s) {
		if c < ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	p.at += end + 2
	to.kind, to.text = scalar, s
	// 'it''s', and "key": value
	return p.at == len(p.text) || strings.IndexByte(" \n,]}", p.text[p.at]) >= 0
}

// space goes past blanks and line ends within brackets.
func (p *plain) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\n') {
		if p.text[p.at] == '\n' {
			p.line++
		}
		p.at++
	}
}

// brackets reads [a, b] or {a: b, c: d}.
func (p *plain) brackets(to *node, end byte) bool {
	to.kind = list
	if end == '}' {
		to.kind = mapping
	}
	p.at++
	p.space()
	if p.at < len(p.text) && p.text[p.at] == end {
		p.at++
		return true
	}
	for {
		value := (*node)(nil)
		if end == '}' {
			if value = p.newKey(to); value == nil || p.at == len(p.text) || p.text[p.at] != ' ' {
				return false
			}
			p.space()
		} else {
			to.items = append(to.items, node{})
			value = &to.items[len(to.items)-1]
		}
		if !p.value(value, true) {
			return false
		}
		p.space()
		if p.at == len(p.text) {
			return false
		}
		p.at++
		switch p.text[p.at-1] {
		case end:
			return true
		case ',':
			p.space()
		default:
			return false
		}
	}
}
