// Package bgp holds the facts: what routers told us, and nothing that was
// concluded from it. It imports the standard library only, so that every feed,
// every table and every judge can share its words.
//
// An [Update] is what one [Peer] said at one moment. Updates of one peer are in
// the order in which that peer said them; between peers only their times relate
// them. All times are event times, never the time of reading.
//
// The words are those of RFC 4271 (announce, withdraw, origin, AS_PATH), RFC
// 6396 (table dumps) and RFC 4724 (End-of-RIB).
package bgp

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Peer is one BGP session of one collector: the vantage point of a route.
// It is comparable and serves as a map key.
type Peer struct {
	Collector string     `json:"collector"` // "rrc00", "route-views2", or the name of our own speaker
	Addr      netip.Addr `json:"addr"`      // the neighbour's address, unmapped, without a zone
	ASN       uint32     `json:"asn"`       // the neighbour's AS number
}

// String gives "rrc00/192.0.2.7 AS64500".
func (p Peer) String() string {
	return p.Collector + "/" + p.Addr.String() + " AS" + strconv.FormatUint(uint64(p.ASN), 10)
}

// Compare orders peers by collector, address and AS number, so that any output
// that lists them is the same whatever the order in which they were met.
func (p Peer) Compare(q Peer) int {
	return cmp.Or(strings.Compare(p.Collector, q.Collector), p.Addr.Compare(q.Addr), cmp.Compare(p.ASN, q.ASN))
}

// Kind says what an [Update] is.
type Kind uint8

// The kinds of updates. Announce, Withdraw and TableRoute carry a prefix; the
// others speak of the session or of the table as a whole.
const (
	Announce   Kind = iota + 1 // the peer has a route to Prefix, along Path
	Withdraw                   // the peer has no route to Prefix any more
	PeerUp                     // the session is established; a table transfer follows
	PeerDown                   // the session is lost, for Cause. Not one withdrawal
	EndOfRIB                   // the table transfer of one address family is complete (RFC 4724 section 2)
	TableStart                 // a dump of the peer's table begins; Heard.Routes holds its size where known
	TableRoute                 // one route of a dumped table; At is the time of the dump, not of the route
	TableEnd                   // the dump is complete: what it did not list, the peer does not hold
	TableCut                   // the dump ended early: what it did not list is unknown
	Heard                      // nothing for us, but the peer spoke: see Heard
	Unheard                    // the feed lost sight of the peer, for Cause: what it says from then on is not known, what it said stands, until it is heard again
)

var kindNames = [...]string{"unknown", "announce", "withdraw", "peer-up", "peer-down", "end-of-rib",
	"table-start", "table-route", "table-end", "table-cut", "heard", "unheard"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Cause is why a session ended, where the source says so.
type Cause struct {
	Code    uint8  // NOTIFICATION error code (RFC 4271 section 4.5), 0 where none was seen
	Subcode uint8  // NOTIFICATION error subcode
	Text    string // shutdown communication (RFC 8203), or the collector's own words
}

// Traffic counts what a peer said, watched or not. The counts are cumulative
// since the source began, so that hearing the same count twice changes nothing.
type Traffic struct {
	Announced uint64 // prefixes announced
	Withdrawn uint64 // prefixes withdrawn
	Routes    int    // TableStart, TableEnd: routes of the family in the dump; otherwise 0
}

// Update is what one peer said at one moment.
type Update struct {
	At     time.Time
	Peer   Peer
	Kind   Kind
	V6     bool         // EndOfRIB, TableStart, TableEnd, TableCut: the family spoken of
	Prefix netip.Prefix // Announce, Withdraw, TableRoute: masked
	PathID uint32       // ADD-PATH identifier (RFC 7911), 0 without
	Path   Path         // Announce, TableRoute
	Cause  Cause        // PeerDown, Unheard
	Heard  Traffic      // Heard, TableStart, TableEnd
}

// Source is a feed. Run emits batches of updates, in order per peer, until the
// feed ends or ctx does. It returns when everything that it started has ended.
// The batch belongs to emit only until it returns.
type Source interface {
	Run(ctx context.Context, emit func([]Update) error) error
}

// ASN is how an AS number reads on a screen: "AS64500".
func ASN(n uint32) string { return "AS" + strconv.FormatUint(uint64(n), 10) }

// ParseASN reads an AS number written as "AS64500", "as64500", "64500" or in
// asdot notation (RFC 5396), "1.10".
func ParseASN(s string) (uint32, error) {
	t := strings.TrimSpace(s)
	if len(t) > 2 && strings.EqualFold(t[:2], "as") {
		t = t[2:]
	}
	if hi, lo, ok := strings.Cut(t, "."); ok {
		h, err1 := strconv.ParseUint(hi, 10, 16)
		l, err2 := strconv.ParseUint(lo, 10, 16)
		if err1 != nil || err2 != nil {
			return 0, fmt.Errorf("%q is no AS number", s)
		}
		return uint32(h)<<16 | uint32(l), nil
	}
	n, err := strconv.ParseUint(t, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no AS number (0 to 4294967295)", s)
	}
	return uint32(n), nil
}
