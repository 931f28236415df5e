package access

import "slices"

// Scope is what somebody may do. Each one holds those before it.
type Scope string

// The scopes, least first.
const (
	None     Scope = ""         // nothing is needed
	Viewer   Scope = "viewer"   // reads
	Operator Scope = "operator" // acknowledges, comments, silences, subscribes, reports sightings
	Admin    Scope = "admin"    // takes subscriptions away, and reads who did what
)

var scopes = []Scope{None, Viewer, Operator, Admin}

// Scopes lists those that somebody can have.
func Scopes() []Scope { return scopes[1:] }

// Holds reports whether who has s may do what needs the other.
func (s Scope) Holds(need Scope) bool {
	return slices.Index(scopes, s) >= slices.Index(scopes, need)
}

// Known reports whether there is such a scope.
func (s Scope) Known() bool { return s != None && slices.Contains(scopes, s) }
