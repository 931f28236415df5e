package watch

import (
	"net/netip"
	"time"
)

// Phase is where an incident stands.
type Phase string

// The phases, in order. A hoster has at most one incident that is not resolved.
const (
	Pending    Phase = "pending"    // a fall has begun, its hold time has not ended: never published
	Open       Phase = "open"       // confirmed
	Recovering Phase = "recovering" // back at the baseline, for less than Policy.Resolve
	Resolved   Phase = "resolved"
)

// Class is what the events of an incident add up to.
type Class string

// The classes. Later events may change the class of an open incident.
const (
	Depeered        Class = "depeered"         // upstreams dropped the hoster, others carry it on
	Blackout        Class = "blackout"         // the hoster is dark, or much of it
	Rewired         Class = "rewired"          // a never-seen upstream took it over, without an outage
	Moved           Class = "moved"            // its prefixes now come from another AS, and no more from it
	Repeered        Class = "repeered"         // it came back, behind an upstream never seen before
	UpstreamFailure Class = "upstream-failure" // the upstream itself fails or leaves: its other customers lost it too
	HijackSuspect   Class = "hijack-suspect"   // somebody else announces its space while it still does
)

// The resolutions of an incident.
const (
	Recovered = "recovered"  // back at the baseline
	NewNormal = "new-normal" // it has lasted so long that it is the baseline now
	Unwatched = "unwatched"  // the hoster was taken off the watchlist: what became of it is not known
)

// Incident is one hoster's story: the events that belong together, from opening
// to resolution. Each revision is published whole. Its JSON is CONTRACT section 3.
type Incident struct {
	Type       string         `json:"type"` // "incident"
	ID         string         `json:"id"`   // from the hoster and its first event
	Revision   int            `json:"revision"`
	At         time.Time      `json:"at"` // of this revision
	Hoster     string         `json:"hoster"`
	Phase      Phase          `json:"phase"`
	Class      Class          `json:"class"`
	Severity   Severity       `json:"severity"`
	Opened     time.Time      `json:"opened"` // onset of its first event
	Confirmed  time.Time      `json:"confirmed"`
	Resolved   *time.Time     `json:"resolved"`
	Resolution *string        `json:"resolution"`
	Lost       []uint32       `json:"lost"`      // upstreams that carry it no more
	Remaining  []uint32       `json:"remaining"` // upstreams of the baseline that do
	Gained     []uint32       `json:"gained"`    // upstreams that did not before
	Origins    []uint32       `json:"origins,omitempty"`
	Prefixes   []netip.Prefix `json:"prefixes"`
	Events     []string       `json:"events"`
	Flaps      int            `json:"flaps,omitempty"` // how often something was lost again
	Summary    string         `json:"summary"`
}
