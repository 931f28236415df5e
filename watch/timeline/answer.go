package timeline

import (
	"net/netip"
	"time"

	"depeer/bgp"
	"depeer/watch"
)

// Asking is what a question is about: one of Hoster, Prefix, ASN and Addr, a period, and
// what was believed when.
type Asking struct {
	Hoster   string       // id
	Prefix   netip.Prefix // masked; alone
	ASN      uint32       // what it originates; where that is nothing, what it carries
	Addr     netip.Addr   // its longest prefix at the end of the period
	From, To time.Time    // zero: from the first change on, up to the last one
	Since    time.Time    // peers count that held a prefix from then on; zero, or less than Baseline before From: Baseline before From
	Believed time.Time    // zero: all that is known
	Exact    bool         // every step of a series, however many; otherwise, beyond 4000, what a drawing shows of them
}

// Route is what one peer said of one prefix at a moment.
type Route struct {
	Peer     bgp.Peer     `json:"peer"`
	Prefix   netip.Prefix `json:"prefix"`
	PathID   uint32       `json:"path_id,omitempty"`
	Path     bgp.Path     `json:"path"`
	Origin   uint32       `json:"origin,omitempty"`   // 0 where the path ends in a set
	Upstream uint32       `json:"upstream,omitempty"` // the AS left of the hoster, or of the origin; 0 where there is none
	Since    time.Time    `json:"since"`
	Known    bool         `json:"known"`            // the peer was heard at that moment; otherwise this is its last word
	Reason   string       `json:"reason,omitempty"` // why it is not known
}

// Routes answers "what were the routes at T".
type Routes struct {
	At       time.Time    `json:"at"`
	Believed time.Time    `json:"believed,omitzero"`
	Longest  netip.Prefix `json:"longest,omitzero"` // Asking.Addr: the prefix that was found
	Routes   []Route      `json:"routes"`           // by prefix and peer
	Peers    int          `json:"peers"`            // of all peers those that were heard at that moment
	Previous *time.Time   `json:"previous"`         // of the last change before the moment; null where none is known
	Next     *time.Time   `json:"next"`             // of the first change after it
	Gaps     []watch.Gap  `json:"gaps"`             // that touch the moment
	Missing  []string     `json:"missing"`          // what could not be seen, in sentences
}

// Difference answers "what is different at To from what was at From".
type Difference struct {
	From     time.Time     `json:"from"`
	To       time.Time     `json:"to"`
	Believed time.Time     `json:"believed,omitzero"`
	Went     []Route       `json:"went"`    // held at From, withdrawn by To; as at From
	Came     []Route       `json:"came"`    // held at To, and not at From
	Changed  []RouteChange `json:"changed"` // held at both, along another path
	Unknown  []Route       `json:"unknown"` // held at From by peers that were not heard at To; their last word
	Same     int           `json:"same"`    // held at both, along the same path
	Gaps     []watch.Gap   `json:"gaps"`
	Missing  []string      `json:"missing"`
}

// RouteChange is a route that runs along another path.
type RouteChange struct {
	Before Route `json:"before"`
	After  Route `json:"after"`
}

// Carried answers "what did an upstream carry, gain and drop".
type Carried struct {
	ASN      uint32          `json:"asn"`
	From     time.Time       `json:"from"`
	To       time.Time       `json:"to"`
	Believed time.Time       `json:"believed,omitzero"`
	Hosters  []CarriedHoster `json:"hosters"`  // in order of their ids
	Course   []Load          `json:"course"`   // how many it carried; the first is at the beginning of the period, or where the memory begins
	Prefixes []Carriage      `json:"prefixes"` // by hoster and prefix
	Through  int             `json:"through"`  // prefixes that it stood in a path of at any place
	Gaps     []watch.Gap     `json:"gaps"`
	Missing  []string        `json:"missing"`
}

// CarriedHoster is one hoster that an AS was the upstream of, with any of its prefixes.
type CarriedHoster struct {
	Hoster  string     `json:"hoster"`
	Name    string     `json:"name"`
	Before  int        `json:"before"`  // prefixes that it had through it at the beginning
	After   int        `json:"after"`   // and at the end
	Most    int        `json:"most"`    // and most at a time
	Peers   int        `json:"peers"`   // most peers at a time that had one of its prefixes so
	Gained  *time.Time `json:"gained"`  // when the first prefix came, where there was none at the beginning
	Dropped *time.Time `json:"dropped"` // when the last one went, where there is none at the end
}

// Load is how much an AS was the upstream of, from At on until the next.
type Load struct {
	At       time.Time `json:"at"`
	Hosters  int       `json:"hosters"`  // that are watched
	Prefixes int       `json:"prefixes"` // of theirs
}

// Carriage is one prefix that an AS was the upstream of.
type Carriage struct {
	Hoster  string       `json:"hoster,omitempty"`
	Prefix  netip.Prefix `json:"prefix"`
	Origin  uint32       `json:"origin,omitempty"` // of the last route that it carried
	Before  int          `json:"before"`           // peers that had the prefix through it at the beginning
	After   int          `json:"after"`            // and at the end
	Most    int          `json:"most"`             // and most at a time
	Gained  *time.Time   `json:"gained"`           // when the first peer had it so, where none did at the beginning
	Dropped *time.Time   `json:"dropped"`          // when the last one had it so, where none does at the end
}

// Still answers "by whom is a hoster still routed, and for how long has it been known".
type Still struct {
	Hoster     string      `json:"hoster"`
	Name       string      `json:"name"`
	At         time.Time   `json:"at"`
	Routed     bool        `json:"routed"` // by any peer that is heard
	By         []StillBy   `json:"by"`     // upstreams, largest share first
	Reported   *time.Time  `json:"reported"`
	ReportedBy string      `json:"reported_by,omitempty"` // "given", "sighting", or the kind of the first record
	Days       int         `json:"days"`                  // calendar days (UTC) from the one to the other
	Gaps       []watch.Gap `json:"gaps"`                  // open at that moment
}

// StillBy is one upstream that carries a hoster.
type StillBy struct {
	ASN    uint32    `json:"asn"`
	Family int       `json:"family"`
	Share  float64   `json:"share"`
	Peers  int       `json:"peers"`
	Since  time.Time `json:"since"` // of the oldest of these routes
}

// Interval is a time in which a prefix was held the same way by so many peers.
type Interval struct {
	Prefix   netip.Prefix `json:"prefix"`
	Origin   uint32       `json:"origin"`
	Upstream uint32       `json:"upstream"`
	Path     bgp.Path     `json:"path,omitempty"` // where intervals of paths were asked for
	Peer     *bgp.Peer    `json:"peer,omitempty"` // likewise
	From     time.Time    `json:"from"`
	To       *time.Time   `json:"to"`              // null: still so at the end of the period
	Open     bool         `json:"open,omitempty"`  // it was so before the period began
	Peers    int          `json:"peers,omitempty"` // most peers at a time
}

// Point is one step of a series: from At on it is so, until the next.
type Point struct {
	At       time.Time `json:"at"`
	Value    float64   `json:"value"`    // part of one
	Eligible int       `json:"eligible"` // peers (visibility) or (prefix, peer) pairs (share) that could have seen it; 0: nobody was there to see
}

// Lane is the course of one thing: the visibility of an address family, the share of an
// upstream, the share of an origin.
type Lane struct {
	Family int      `json:"family"`        // 4 or 6
	ASN    uint32   `json:"asn,omitempty"` // upstream or origin
	Name   string   `json:"name,omitempty"`
	Role   string   `json:"role,omitempty"` // of an origin: "own", "customer" (seen behind it), "allowed", "other"
	Points []Point  `json:"points"`         // in order; the first is at the beginning of the period
	Peak   float64  `json:"peak"`
	Peers  int      `json:"peers"`            // most peers at a time
	Events []string `json:"events,omitempty"` // ids of the events about it
}

// Sight is a C&C server that was seen.
type Sight struct {
	At     time.Time    `json:"at"`
	Until  time.Time    `json:"until,omitzero"` // last seen, where it was seen again
	Family string       `json:"family"`
	Kind   string       `json:"kind,omitempty"` // "cnc", "malware", ...: see cnc.Kind
	Addr   netip.Addr   `json:"addr"`
	Prefix netip.Prefix `json:"prefix,omitzero"`
	ASN    uint32       `json:"asn,omitempty"`
	Source string       `json:"source"`
	ID     string       `json:"id"`
}

// Timeline is the story of a hoster, a prefix or an AS between two moments: what is drawn,
// and what the API gives.
type Timeline struct {
	Title      string           `json:"title"`   // "McColo Corp.", "208.66.192.0/22"
	Subject    string           `json:"subject"` // as it was asked for: "mccolo", "208.66.192.0/22", "AS26780"
	Hoster     string           `json:"hoster,omitempty"`
	From       time.Time        `json:"from"`
	To         time.Time        `json:"to"`
	Believed   time.Time        `json:"believed,omitzero"`
	Prefixes   []PrefixInfo     `json:"prefixes"`
	Visibility []Lane           `json:"visibility"` // one per family
	Upstreams  []Lane           `json:"upstreams"`  // largest peak first
	Origins    []Lane           `json:"origins"`
	Intervals  []Interval       `json:"intervals"` // by prefix, origin, upstream
	Events     []watch.Event    `json:"events"`
	Incidents  []watch.Incident `json:"incidents"` // latest revisions
	Sightings  []Sight          `json:"sightings"`
	Gaps       []watch.Gap      `json:"gaps"`              // that touch the period: what was so there is not known
	Missing    []string         `json:"missing"`           // what could not be seen, in sentences
	Longest    netip.Prefix     `json:"longest,omitzero"`  // Asking.Addr: the prefix that was found
	Carried    *Carried         `json:"carried,omitempty"` // Asking.ASN: what it was the upstream of
}
