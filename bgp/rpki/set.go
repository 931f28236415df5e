package rpki

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"
)

// State is the outcome of origin validation, in the words of CONTRACT section 3.
type State string

// The states (RFC 6811 section 2).
const (
	Valid    State = "valid"
	Invalid  State = "invalid"
	NotFound State = "not-found"
	Unknown  State = "unknown" // there are no data, or they have expired
)

// VRP is a validated ROA payload: ASN may originate Prefix and its more specifics down to MaxLen. AS 0 may originate nothing.
type VRP struct {
	Prefix netip.Prefix // masked
	MaxLen uint8
	ASN    uint32
}

// check reports what no VRP is.
func (v VRP) check() error {
	switch {
	case !v.Prefix.IsValid() || v.Prefix.Addr().Is4In6():
		return fmt.Errorf("%s is no prefix", v.Prefix)
	case v.Prefix != v.Prefix.Masked():
		return fmt.Errorf("%s has bits beyond its length", v.Prefix)
	case int(v.MaxLen) < v.Prefix.Bits() || int(v.MaxLen) > v.Prefix.Addr().BitLen():
		return fmt.Errorf("%s cannot have a maximum length of %d", v.Prefix, v.MaxLen)
	}
	return nil
}

// Set is a set of VRPs.
type Set struct {
	t bart.Table[[]grant]
	n int
}

type grant struct {
	asn uint32
	max uint8
}

// NewSet makes a set; the list may hold repetitions.
func NewSet(list []VRP) *Set {
	s := &Set{}
	for _, v := range list {
		s.t.Modify(v.Prefix.Masked(), func(have []grant, _ bool) ([]grant, bool) {
			g := grant{v.ASN, v.MaxLen}
			if !slices.Contains(have, g) {
				have = append(have, g)
				s.n++
			}
			return have, false
		})
	}
	return s
}

// Len is the number of VRPs.
func (s *Set) Len() int { return s.n }

// Validate is RFC 6811 section 2: an announcement that no VRP covers is NotFound.
func (s *Set) Validate(p netip.Prefix, origin uint32) State {
	if !p.IsValid() {
		return Unknown
	}
	state := NotFound
	for _, grants := range s.t.Supernets(p.Masked()) {
		for _, g := range grants {
			if g.asn == origin && origin != 0 && p.Bits() <= int(g.max) {
				return Valid
			}
			state = Invalid
		}
	}
	return state
}

// Validator answers by the set in force. The zero value knows nothing. Its methods may be called from any goroutine.
type Validator struct {
	now atomic.Pointer[force]
}

type force struct {
	set   *Set
	from  string
	at    time.Time
	until time.Time // zero: for ever
}

// Use puts a set in force. from says where it came from. It is believed until a time; the zero time is for ever.
func (v *Validator) Use(s *Set, from string, at, until time.Time) {
	v.now.Store(&force{s, from, at, until})
}

// Validate is Unknown without data, or where they have expired at now.
func (v *Validator) Validate(p netip.Prefix, origin uint32, now time.Time) State {
	f := v.now.Load()
	if f == nil || !f.until.IsZero() && now.After(f.until) {
		return Unknown
	}
	return f.set.Validate(p, origin)
}

// Status says what is in force: nothing where from is "".
func (v *Validator) Status() (from string, vrps int, at, until time.Time) {
	f := v.now.Load()
	if f == nil {
		return
	}
	return f.from, f.set.Len(), f.at, f.until
}
