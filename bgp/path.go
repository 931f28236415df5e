package bgp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// SegmentType is the type of an AS_PATH segment (RFC 4271 section 4.3, RFC 5065 section 3).
type SegmentType uint8

// The segment types of RFC 4271 and RFC 5065.
const (
	ASSet            SegmentType = 1
	ASSequence       SegmentType = 2
	ASConfedSequence SegmentType = 3
	ASConfedSet      SegmentType = 4
)

// Segment is one AS_PATH segment.
type Segment struct {
	Type SegmentType
	ASNs []uint32
}

// Path is an AS_PATH as it was received: nearest AS first, origin last. The
// segments are shared and never changed.
type Path []Segment

// PathOf makes a path of one AS_SEQUENCE.
func PathOf(asns ...uint32) Path {
	if len(asns) == 0 {
		return nil
	}
	return Path{{Type: ASSequence, ASNs: asns}}
}

// Hop is one step of a path that has been made plain: one AS, or the set of ASes of an AS_SET.
type Hop struct {
	ASN uint32   // 0 where the hop is a set of more than one AS
	Set []uint32 // the members of an AS_SET
}

// Hops makes the path plain, as every judgement wants it: prepending is
// collapsed, confederation segments are dropped, an AS_SET stays one hop which
// makes no edge (an AS_SET of one member is that AS). It appends to buf.
func (p Path) Hops(buf []Hop) []Hop {
	for _, s := range p {
		switch s.Type {
		case ASSequence:
			for _, a := range s.ASNs {
				if n := len(buf); n > 0 && buf[n-1].Set == nil && buf[n-1].ASN == a {
					continue
				}
				buf = append(buf, Hop{ASN: a})
			}
		case ASSet:
			if len(s.ASNs) == 1 {
				if n := len(buf); n == 0 || buf[n-1].Set != nil || buf[n-1].ASN != s.ASNs[0] {
					buf = append(buf, Hop{ASN: s.ASNs[0]})
				}
			} else if len(s.ASNs) > 1 {
				buf = append(buf, Hop{Set: s.ASNs})
			}
		}
	}
	return buf
}

// Origin is the AS that originates the route: the last AS of the path. It is
// false where the path is empty or ends in an AS_SET of several.
func (p Path) Origin() (uint32, bool) {
	var buf [32]Hop
	hops := p.Hops(buf[:0])
	if len(hops) == 0 || hops[len(hops)-1].Set != nil {
		return 0, false
	}
	return hops[len(hops)-1].ASN, true
}

// Equal reports whether both paths are the same, segment by segment.
func (p Path) Equal(q Path) bool {
	return slices.EqualFunc(p, q, func(a, b Segment) bool { return a.Type == b.Type && slices.Equal(a.ASNs, b.ASNs) })
}

// String writes the path as bgpdump does: "3549 26780", AS_SETs as "{1,2}",
// confederation segments in "(1 2)" and "[1,2]".
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		if i > 0 {
			b.WriteByte(' ')
		}
		open, sep, end := "", " ", ""
		switch s.Type {
		case ASSet:
			open, sep, end = "{", ",", "}"
		case ASConfedSequence:
			open, sep, end = "(", " ", ")"
		case ASConfedSet:
			open, sep, end = "[", ",", "]"
		}
		b.WriteString(open)
		for j, a := range s.ASNs {
			if j > 0 {
				b.WriteString(sep)
			}
			b.WriteString(strconv.FormatUint(uint64(a), 10))
		}
		b.WriteString(end)
	}
	return b.String()
}

// MarshalJSON writes the path as numbers, an AS_SET as an array inside
// ([3549,26780,[64500,64501]]), as RIS Live does.
func (p Path) MarshalJSON() ([]byte, error) {
	out := make([]any, 0, 8)
	for _, s := range p {
		if s.Type == ASSet {
			out = append(out, s.ASNs)
			continue
		}
		for _, a := range s.ASNs {
			out = append(out, a)
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes: numbers are one AS_SEQUENCE, an
// array among them is an AS_SET. What MarshalJSON cannot say (confederation
// segments, where one sequence ends and the next begins) does not come back.
func (p *Path) UnmarshalJSON(data []byte) error {
	var hops []json.RawMessage
	if err := json.Unmarshal(data, &hops); err != nil {
		return err
	}
	var out Path
	for _, h := range hops {
		if len(h) > 0 && h[0] == '[' {
			var set []uint32
			if err := json.Unmarshal(h, &set); err != nil {
				return err
			}
			out = append(out, Segment{Type: ASSet, ASNs: set})
			continue
		}
		n, err := strconv.ParseUint(string(h), 10, 32)
		if err != nil {
			return fmt.Errorf("path: %s is no AS number", h)
		}
		if k := len(out); k == 0 || out[k-1].Type != ASSequence {
			out = append(out, Segment{Type: ASSequence})
		}
		last := &out[len(out)-1]
		last.ASNs = append(last.ASNs, uint32(n))
	}
	*p = out
	return nil
}
