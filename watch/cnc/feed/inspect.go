package feed

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"depeer/watch/cnc"
)

// Limits say what of a download is not believed. Parts are parts of one.
type Limits struct {
	MinKeep    float64       `yaml:"min_keep"`    // of the entries of the last good download; less is near-empty
	MaxEntries int           `yaml:"max_entries"` // more is oversized
	MaxBytes   int64         `yaml:"max_bytes"`   // likewise, unpacked
	MaxUnread  float64       `yaml:"max_unread"`  // of the entries, not understood
	MaxPoison  float64       `yaml:"max_poison"`  // of the entries: private, reserved, or well known for something else
	MaxFuture  float64       `yaml:"max_future"`  // of the entries: later than now
	OneNetwork float64       `yaml:"one_network"` // of the addresses, in one /24 (IPv6: /48)
	OneAS      float64       `yaml:"one_as"`      // of the addresses, in one AS, where a table knows it
	FamilyFall float64       `yaml:"family_fall"` // a family with less than this part of its entries fell at the tracker
	FamilyRise float64       `yaml:"family_rise"` // and with more than so many times them rose there
	Few        int           `yaml:"few"`         // lists and families with fewer entries are not compared by parts
	Patience   time.Duration `yaml:"patience"`    // what has been in quarantine for so long is how it is now; 0: never
}

// DefaultLimits fit the lists that were recorded from 2016 to 2026; no download of theirs is refused.
func DefaultLimits() Limits {
	return Limits{MinKeep: 0.2, MaxEntries: 500_000, MaxBytes: 512 << 20, MaxUnread: 0.5, MaxPoison: 0.05, MaxFuture: 0.02, OneNetwork: 0.5, OneAS: 0.95,
		FamilyFall: 0.1, FamilyRise: 10, Few: 20, Patience: 72 * time.Hour}
}

// Validate reports every fault, each as "key: text".
func (l *Limits) Validate() error {
	var errs []error
	for _, p := range []struct {
		key string
		v   float64
	}{{"min_keep", l.MinKeep}, {"max_unread", l.MaxUnread}, {"max_poison", l.MaxPoison}, {"max_future", l.MaxFuture}, {"one_network", l.OneNetwork}, {"one_as", l.OneAS}, {"family_fall", l.FamilyFall}} {
		if !(p.v >= 0 && p.v <= 1) {
			errs = append(errs, fmt.Errorf("%s: %v is not between 0 and 1", p.key, p.v))
		}
	}
	if l.MaxEntries < 1 {
		errs = append(errs, fmt.Errorf("max_entries: %d is less than 1", l.MaxEntries))
	}
	if l.MaxBytes < 1 {
		errs = append(errs, fmt.Errorf("max_bytes: %d is less than 1", l.MaxBytes))
	}
	if !(l.FamilyRise > 1) {
		errs = append(errs, fmt.Errorf("family_rise: %v is not above 1", l.FamilyRise))
	}
	if l.Few < 1 {
		errs = append(errs, fmt.Errorf("few: %d is less than 1", l.Few))
	}
	if l.Patience < 0 {
		errs = append(errs, fmt.Errorf("patience: %s is negative", l.Patience))
	}
	return errors.Join(errs...)
}

// Profile is what a download is judged by. Its JSON is kept for the next one.
type Profile struct {
	Entries   int                `json:"entries"`
	Accepted  int                `json:"accepted"`
	Refused   map[cnc.Reason]int `json:"refused,omitempty"`
	Families  map[string]int     `json:"families,omitempty"`
	Addresses int                `json:"addresses"` // distinct
	Network   netip.Prefix       `json:"network,omitzero"`
	InNetwork int                `json:"in_network"` // addresses in the fullest /24 or /48
	AS        uint32             `json:"as"`
	InAS      int                `json:"in_as"`    // addresses in the fullest AS
	KnownAS   int                `json:"known_as"` // addresses of which the AS is known
	Dated     time.Time          `json:"dated,omitzero"`
	Last      time.Time          `json:"last,omitzero"`
	Fault     string             `json:"fault,omitempty"` // why it could not be read to its end
}

// gather makes a profile of what is accepted.
type gather struct {
	asn      func(netip.Addr) uint32 // nil: nobody knows
	seen     map[netip.Addr]struct{}
	networks map[netip.Prefix]int
	as       map[uint32]int
}

func newGather(asn func(netip.Addr) uint32) *gather {
	return &gather{asn: asn, seen: map[netip.Addr]struct{}{}, networks: map[netip.Prefix]int{}, as: map[uint32]int{}}
}

func (g *gather) add(s cnc.Sighting) {
	if !s.Addr.IsValid() {
		return
	}
	if _, ok := g.seen[s.Addr]; ok {
		return
	}
	g.seen[s.Addr] = struct{}{}
	bits := 24
	if s.Addr.Is6() {
		bits = 48
	}
	if p, err := s.Addr.Prefix(bits); err == nil {
		g.networks[p]++
	}
	if g.asn != nil {
		if a := g.asn(s.Addr); a != 0 {
			g.as[a]++
		}
	}
}

func (g *gather) profile(s Stats, err error) Profile {
	p := Profile{Entries: s.Entries, Accepted: s.Accepted, Refused: s.Refused, Families: s.Families, Addresses: len(g.seen), Dated: s.Dated, Last: s.Last}
	if err != nil {
		p.Fault = err.Error()
	}
	for q, n := range g.networks {
		if n > p.InNetwork || n == p.InNetwork && q.Compare(p.Network) < 0 {
			p.Network, p.InNetwork = q, n
		}
	}
	for a, n := range g.as {
		p.KnownAS += n
		if n > p.InAS || n == p.InAS && a < p.AS {
			p.AS, p.InAS = a, n
		}
	}
	return p
}

// Action is what becomes of a download.
type Action string

// The actions.
const (
	Believe    Action = "believed"
	Quarantine Action = "quarantined" // kept aside for people to look at; believed when it stays so (Limits.Patience)
	Refuse     Action = "refused"     // broken, or poison
)

// Verdict is the judgement of a download as a whole.
type Verdict struct {
	Action   Action
	Why      []string // the reasons, each a sentence with its numbers
	Risen    []string // families that rose everywhere at once: of a believed download too, these are not taken
	Fallen   []string // families that fell everywhere at once: at the tracker, not in the world
	Shrunken bool     // a reason is that less is there than before, which time may show to be so
}

// Inspect judges a download by what it is, and against the last one that was believed, nil where there is none.
func Inspect(p Profile, last *Profile, l Limits) Verdict {
	v := Verdict{Action: Believe}
	say := func(a Action, format string, args ...any) {
		v.Why = append(v.Why, fmt.Sprintf(format, args...))
		if v.Action != Refuse {
			v.Action = a
		}
	}
	part := func(n, of int) float64 { return float64(n) / float64(max(1, of)) }
	unread := p.Refused[cnc.Malformed] + p.Refused[cnc.Unmatched] + p.Refused[cnc.BadHost] + p.Refused[cnc.BadTime] + p.Refused[cnc.NoTime] + p.Refused[cnc.BadPort] + p.Refused[cnc.OtherFormat] + p.Refused[cnc.LongText]
	poison := p.Refused[cnc.Bogon] + p.Refused[cnc.WellKnown]
	switch {
	case p.Fault != "":
		say(Refuse, "it %s", p.Fault)
	case p.Entries == 0:
		say(Refuse, "it is empty")
	case p.Entries > l.MaxEntries:
		say(Refuse, "it is oversized: %d entries, at most %d (max_entries)", p.Entries, l.MaxEntries)
	case part(unread, p.Entries) > l.MaxUnread:
		say(Refuse, "%d of its %d entries cannot be read (max_unread %g)", unread, p.Entries, l.MaxUnread)
	case p.Accepted == 0 && poison > 0:
		say(Refuse, "it is poisoned: all of its %d hosts are private, reserved or well-known addresses", poison)
	}
	if v.Action == Refuse {
		return v
	}
	// One odd entry of a short list is an accident; that is dropped, and the others stay.
	if poison > 1 && part(poison, p.Entries) > l.MaxPoison {
		say(Quarantine, "it is poisoned: %d of its %d entries are private, reserved or well-known addresses (max_poison %g)", poison, p.Entries, l.MaxPoison)
	}
	if n := p.Refused[cnc.Future]; n > 1 && part(n, p.Entries) > l.MaxFuture {
		say(Quarantine, "%d of its %d entries are in the future (max_future %g)", n, p.Entries, l.MaxFuture)
	}
	if p.Addresses >= l.Few && part(p.InNetwork, p.Addresses) > l.OneNetwork {
		say(Quarantine, "%d of its %d addresses are in %s (one_network %g)", p.InNetwork, p.Addresses, p.Network, l.OneNetwork)
	}
	if p.KnownAS >= l.Few && part(p.InAS, p.KnownAS) > l.OneAS {
		say(Quarantine, "%d of its %d addresses are in AS%d (one_as %g)", p.InAS, p.KnownAS, p.AS, l.OneAS)
	}
	if last != nil && last.Accepted >= l.Few && float64(p.Accepted) < l.MinKeep*float64(last.Accepted) {
		say(Quarantine, "it has %d sightings, the last good one %d: less than min_keep (%g)", p.Accepted, last.Accepted, l.MinKeep)
		v.Shrunken = true
	}
	if last != nil && last.Accepted >= l.Few && !v.Shrunken {
		v.compareFamilies(p, last, l)
	}
	return v
}

// compareFamilies finds what fell or rose everywhere at once.
func (v *Verdict) compareFamilies(p Profile, last *Profile, l Limits) {
	for _, f := range slices.Sorted(maps.Keys(last.Families)) {
		if had, has := last.Families[f], p.Families[f]; had >= l.Few && float64(has) < l.FamilyFall*float64(had) {
			v.Fallen = append(v.Fallen, f)
			v.Why = append(v.Why, fmt.Sprintf("%s fell everywhere at once, from %d to %d: the tracker changed", f, had, has))
		}
	}
	for _, f := range slices.Sorted(maps.Keys(p.Families)) {
		had, has := max(last.Families[f], l.Few), p.Families[f]
		if float64(has) > l.FamilyRise*float64(had) {
			v.Risen = append(v.Risen, f)
			v.Why = append(v.Why, fmt.Sprintf("%s rose everywhere at once, from %d to %d (family_rise %g): it is kept aside", f, last.Families[f], has, l.FamilyRise))
		}
	}
}
