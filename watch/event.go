package watch

import (
	"net/netip"
	"strings"
	"time"

	"depeer/bgp"
)

// EventKind is what an event says.
type EventKind string

// The kinds of events; DESIGN section 6 and [Policy] say when each is raised.
const (
	RouteWithdrawn   EventKind = "route.withdrawn"   // a watched prefix is seen by hardly anybody any more
	RouteRestored    EventKind = "route.restored"    // and is back
	UpstreamLost     EventKind = "upstream.lost"     // an upstream carries the hoster no more
	UpstreamRestored EventKind = "upstream.restored" // and does again
	UpstreamGained   EventKind = "upstream.gained"   // an upstream never seen in the baseline carries the hoster
	TransitLost      EventKind = "transit.lost"      // the hop above an upstream went, the upstream stays: a cut one level up
	OriginNew        EventKind = "origin.new"        // a watched prefix, or a more specific, comes from somebody else
	OriginGone       EventKind = "origin.gone"       // and does no more
	PrefixNew        EventKind = "prefix.new"        // the hoster originates a prefix that it did not
	HosterDark       EventKind = "hoster.dark"       // all prefixes of the hoster are withdrawn
	HosterReturned   EventKind = "hoster.returned"   // any is back
	FeedLost         EventKind = "feed.lost"         // a collector lost many of its peers at once: we are going blind
	FeedStale        EventKind = "feed.stale"        // a collector says nothing any more
	FeedRestored     EventKind = "feed.restored"     // we see again
)

// Token is the kind as a subject token: dots become dashes.
func (k EventKind) Token() string { return strings.ReplaceAll(string(k), ".", "-") }

// Severity says who should look, and when.
type Severity string

// The severities, least first.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Evidence is one update behind an event.
type Evidence struct {
	At        time.Time    `json:"at"`
	Collector string       `json:"collector"`
	Peer      netip.Addr   `json:"peer"`
	PeerASN   uint32       `json:"peer_asn"`
	Type      string       `json:"type"` // A announce, W withdraw, B from a table dump, S session state
	Prefix    netip.Prefix `json:"prefix,omitzero"`
	Path      bgp.Path     `json:"path,omitempty"`
}

// Event is one judged fact at one moment. Its JSON is CONTRACT section 3.
type Event struct {
	Type            string         `json:"type"` // "event"
	ID              string         `json:"id"`
	Kind            EventKind      `json:"kind"`
	At              time.Time      `json:"at"`         // confirmed
	FirstSeen       time.Time      `json:"first_seen"` // onset
	Hoster          *string        `json:"hoster"`     // null for feed.*
	ASN             uint32         `json:"asn,omitempty"`
	Upstream        uint32         `json:"upstream,omitempty"`
	Via             uint32         `json:"via,omitempty"`    // transit.lost: the hop that went
	Family          int            `json:"family,omitempty"` // 4 or 6
	Prefix          *netip.Prefix  `json:"prefix"`
	Prefixes        []netip.Prefix `json:"prefixes"` // those concerned, at most [maxListed]
	Origin          uint32         `json:"origin,omitempty"`
	ExpectedOrigins []uint32       `json:"expected_origins,omitempty"`
	MoreSpecific    *bool          `json:"more_specific,omitempty"`
	RPKI            string         `json:"rpki,omitempty"`
	Before          float64        `json:"before"` // share or visibility, of the eligible
	After           float64        `json:"after"`
	Eligible        int            `json:"eligible"` // peers that could have seen it
	Severity        Severity       `json:"severity"`
	Incident        *string        `json:"incident"` // null where the event opened none and belongs to none
	Sources         []string       `json:"sources"`  // collectors whose peers saw it
	Source          string         `json:"source,omitempty"`
	Collector       string         `json:"collector,omitempty"`
	PeersLost       int            `json:"peers_lost,omitempty"`
	Reason          string         `json:"reason,omitempty"`           // feed.*: why, where a live feed says so
	Zombies         []string       `json:"zombies,omitempty"`          // peers left out because they are stuck
	UpstreamFailing bool           `json:"upstream_failing,omitempty"` // its reference networks went too
	Evidence        []Evidence     `json:"evidence"`                   // at most [maxEvidence]
}

const (
	maxEvidence = 10
	maxListed   = 200
)
