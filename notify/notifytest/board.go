package notifytest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Board is the memory of a service: what is shown, by key, and which rules were broken.
// The zero value is empty. It may be used by many goroutines.
type Board struct {
	mu     sync.Mutex
	keys   []string // guarded by mu
	shown  map[string]*Shown
	faults []string
}

// Put shows s under key. What was there is edited: Edits counts, Replies stay.
func (b *Board) Put(key string, s Shown) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown == nil {
		b.shown = map[string]*Shown{}
	}
	if old := b.shown[key]; old != nil {
		s.Edits, s.Replies = old.Edits+1, old.Replies
	} else {
		b.keys = append(b.keys, key)
	}
	b.shown[key] = &s
}

// Change changes what is shown under key and reports whether there is anything.
func (b *Board) Change(key string, change func(*Shown)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.shown[key]
	if s == nil {
		return false
	}
	change(s)
	return true
}

// Has reports whether something is shown under key.
func (b *Board) Has(key string) bool { return b.Change(key, func(*Shown) {}) }

// Fault notes a broken rule.
func (b *Board) Fault(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// Want notes a broken rule unless ok.
func (b *Board) Want(ok bool, format string, args ...any) {
	if !ok {
		b.Fault(format, args...)
	}
}

// Shown gives all, oldest first.
func (b *Board) Shown() []Shown {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Shown
	for _, k := range b.keys {
		s := *b.shown[k]
		s.Replies = slices.Clone(s.Replies)
		out = append(out, s)
	}
	return out
}

// Faults gives the broken rules.
func (b *Board) Faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.faults)
}

// Flat is every text in a value decoded from JSON, one a line, with the names of the fields.
func Flat(v any) string {
	var b strings.Builder
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				fmt.Fprintf(&b, "%s\n", k)
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case nil:
		default:
			fmt.Fprintf(&b, "%v\n", v)
		}
	}
	walk(v)
	return b.String()
}
