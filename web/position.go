package web

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Position is how far somebody has read: by the kind of entry, the number of the last
// one. Its text is the id of server-sent events: "event.120-incident.7".
type Position map[string]uint64

// maxPosition is how long a text may be: what is longer is none of ours.
const maxPosition = 400

func (p Position) String() string {
	var b strings.Builder
	for i, kind := range slices.Sorted(maps.Keys(p)) {
		if i > 0 {
			b.WriteByte('-')
		}
		fmt.Fprintf(&b, "%s.%d", kind, p[kind])
	}
	return b.String()
}

// ParsePosition reads the text.
func ParsePosition(s string) (Position, error) {
	bad := fmt.Errorf("%.40q is no position (want event.120-incident.7)", s)
	if len(s) > maxPosition {
		return nil, bad
	}
	p := Position{}
	for part := range strings.SplitSeq(s, "-") {
		kind, number, ok := strings.Cut(part, ".")
		n, err := strconv.ParseUint(number, 10, 63)
		if !ok || err != nil || kind == "" || strings.ContainsFunc(kind, func(r rune) bool { return r < 'a' || r > 'z' }) {
			return nil, bad
		}
		if _, twice := p[kind]; twice {
			return nil, bad
		}
		p[kind] = n
	}
	return p, nil
}

// reaches reports whether p is as far as q, or farther, in every kind.
func (p Position) reaches(q Position) bool {
	for kind, n := range q {
		if p[kind] < n {
			return false
		}
	}
	return true
}
