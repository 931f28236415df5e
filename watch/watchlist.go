package watch

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"time"
)

// Hoster is an entity on the watchlist: a set of AS numbers and prefixes that
// belonged to it between two dates.
type Hoster struct {
	ID             string         `yaml:"id" json:"id"`     // [a-z0-9-]{1,32}; used in subjects and URLs
	Name           string         `yaml:"name" json:"name"` // on screen; ID where empty
	ASNs           []uint32       `yaml:"asns" json:"asns"`
	Prefixes       []netip.Prefix `yaml:"prefixes" json:"prefixes,omitempty"`               // learned from what ASNs originate, beside these
	Upstreams      []uint32       `yaml:"upstreams" json:"upstreams,omitempty"`             // learned from the baseline, beside these
	AllowedOrigins []uint32       `yaml:"allowed_origins" json:"allowed_origins,omitempty"` // origins that raise no origin.new
	Valid          Validity       `yaml:"valid" json:"valid,omitzero"`
	Reported       time.Time      `yaml:"reported" json:"reported,omitzero"` // when it was first said in public what it is; learned from sightings where it is not given
	Tags           []string       `yaml:"tags" json:"tags,omitempty"`
}

// Validity bounds the time in which the resources belonged to the hoster: AS
// numbers and prefixes are re-issued, and then the alarm is about somebody else.
// A zero time is no bound. To is a whole day when it was given as one.
type Validity struct {
	From time.Time `yaml:"from" json:"from,omitzero"`
	To   time.Time `yaml:"to" json:"to,omitzero"` // exclusive
}

// Holds reports whether at lies within the validity.
func (v Validity) Holds(at time.Time) bool {
	return (v.From.IsZero() || !at.Before(v.From)) && (v.To.IsZero() || at.Before(v.To))
}

// LastDay is the moment before To, which names the day that people mean by it:
// what is valid to the end of 2008 ends with 2008-12-31.
func (v Validity) LastDay() time.Time { return v.To.Add(-1) }

// Title is the hoster's name on a screen.
func (h *Hoster) Title() string {
	if h.Name != "" {
		return h.Name
	}
	return h.ID
}

// Watchlist is what is watched.
type Watchlist struct {
	Hosters  []Hoster
	Canaries []netip.Prefix // stable prefixes of others: a peer that loses most of them has lost its table, and says nothing of any hoster
}

var hosterID = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Validate reports every fault of the watchlist, each with its path and value.
func (w *Watchlist) Validate() error {
	var errs []error
	fault := func(i int, field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("hosters[%d].%s: %s", i, field, fmt.Sprintf(format, args...)))
	}
	ids := map[string]int{}
	owners := map[uint32][]int{} // the hosters of an AS number, one after the other
	for i := range w.Hosters {
		h := &w.Hosters[i]
		if !hosterID.MatchString(h.ID) {
			fault(i, "id", "%q must match [a-z0-9-]{1,32}", h.ID)
		} else if j, ok := ids[h.ID]; ok {
			fault(i, "id", "%q is already hosters[%d]", h.ID, j)
		} else {
			ids[h.ID] = i
		}
		if len(h.ASNs) == 0 && len(h.Prefixes) == 0 {
			fault(i, "asns", "a hoster needs at least one AS number or prefix")
		}
		for k, a := range h.ASNs {
			if a == 0 || a == 23456 {
				fault(i, fmt.Sprintf("asns[%d]", k), "%d can be nobody's (RFC 7607, RFC 6793)", a)
				continue
			}
			others := owners[a]
			if n := len(others); n > 0 && others[n-1] == i {
				fault(i, fmt.Sprintf("asns[%d]", k), "%d is listed twice", a)
				continue
			}
			for _, j := range others {
				if w.Hosters[j].Valid.Overlaps(h.Valid) {
					fault(i, fmt.Sprintf("asns[%d]", k), "%d belongs to hosters[%d] (%s) at the same time", a, j, w.Hosters[j].ID)
					break
				}
			}
			owners[a] = append(others, i)
		}
		listed := make(map[netip.Prefix]bool, len(h.Prefixes))
		for k, p := range h.Prefixes {
			if !p.IsValid() {
				fault(i, fmt.Sprintf("prefixes[%d]", k), "no prefix")
			} else if p != p.Masked() {
				fault(i, fmt.Sprintf("prefixes[%d]", k), "%s has bits beyond its length (did you mean %s?)", p, p.Masked())
			} else if p.Bits() == 0 {
				fault(i, fmt.Sprintf("prefixes[%d]", k), "%s would watch the whole Internet", p)
			} else if listed[p] {
				fault(i, fmt.Sprintf("prefixes[%d]", k), "%s is listed twice", p)
			}
			listed[p] = true
		}
		for k, u := range h.Upstreams {
			if slices.Contains(h.ASNs, u) {
				fault(i, fmt.Sprintf("upstreams[%d]", k), "%d is the hoster's own AS", u)
			}
		}
		if !h.Valid.From.IsZero() && !h.Valid.To.IsZero() && !h.Valid.From.Before(h.Valid.To) {
			fault(i, "valid", "ends (%s) before it begins (%s)", h.Valid.LastDay().Format(time.DateOnly), h.Valid.From.Format(time.DateOnly))
		}
	}
	return errors.Join(errs...)
}

// Overlaps reports whether some moment lies within both.
func (v Validity) Overlaps(w Validity) bool {
	return (v.To.IsZero() || w.From.IsZero() || w.From.Before(v.To)) && (w.To.IsZero() || v.From.IsZero() || v.From.Before(w.To))
}
