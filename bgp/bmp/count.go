package bmp

import (
	"cmp"
	"slices"
	"strconv"
	"sync/atomic"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// counter is something that is counted: the index of its name.
type counter uint8

// The first typeEnd counters are the message types. 0 as a fault means none:
// no message is refused for being a Route Monitoring message.
const (
	otherType counter = iota + typeEnd
	badPeerHeader
	badPeerUp
	badPeerDown
	badTLV
	badStats
	badUpdate
	notUpdate
	badFrame
	ignoredVRF
	ignoredView
	ignoredOther
	ignoredHeld
	ignoredNoPeerUp
	ignoredNoAddress
	ignoredPeers
	ignoredFamily
	ignoredMirror
	ignoredRepeat
	impliedUp
	stampNone
	stampFuture
	stampOld
	stampEarly
	refusedAddress
	refusedFull
	refusedTLS
	connections
	superseded
	unheardLost
	unheardMirror
	unheardView
	unheardConfig
	noInitiation
	ownStripped
	noNextHop
	counterEnd
)

type counterName struct{ name, reason, help string }

const (
	helpMessages  = "BMP messages received, by type"
	helpMalformed = "BMP messages, and UPDATEs in them, that could not be read and changed nothing"
	helpIgnored   = "BMP messages that were understood and left out"
	helpStamps    = "messages whose own time was not believed"
	helpRefused   = "connections that were closed unread"
	helpUnheard   = "peers that the station lost sight of"
)

var counterNames = [counterEnd]counterName{
	routeMonitoring:  {"messages", "route-monitoring", helpMessages},
	statisticsReport: {"messages", "statistics", helpMessages},
	peerDown:         {"messages", "peer-down", helpMessages},
	peerUp:           {"messages", "peer-up", helpMessages},
	initiation:       {"messages", "initiation", helpMessages},
	termination:      {"messages", "termination", helpMessages},
	routeMirroring:   {"messages", "route-mirroring", helpMessages},
	otherType:        {"messages", "other", helpMessages},
	badPeerHeader:    {"malformed", "peer-header", helpMalformed},
	badPeerUp:        {"malformed", "peer-up", helpMalformed},
	badPeerDown:      {"malformed", "peer-down", helpMalformed},
	badTLV:           {"malformed", "tlv", helpMalformed},
	badStats:         {"malformed", "statistics", helpMalformed},
	badUpdate:        {"malformed", "bgp-message", helpMalformed},
	notUpdate:        {"malformed", "not-an-update", helpMalformed},
	badFrame:         {"malformed", "framing", helpMalformed},
	ignoredVRF:       {"ignored", "vrf", helpIgnored},
	ignoredView:      {"ignored", "view", helpIgnored},
	ignoredOther:     {"ignored", "same-peer-other-policy", helpIgnored},
	ignoredHeld:      {"ignored", "waiting-for-pre-policy", helpIgnored},
	ignoredNoPeerUp:  {"ignored", "no-peer-up", helpIgnored},
	ignoredNoAddress: {"ignored", "no-peer-address", helpIgnored},
	ignoredPeers:     {"ignored", "too-many-peers", helpIgnored},
	ignoredFamily:    {"ignored", "other-family", helpIgnored},
	ignoredMirror:    {"ignored", "mirrored", helpIgnored},
	ignoredRepeat:    {"ignored", "repeated-peer-up", helpIgnored},
	impliedUp:        {"implied_peer_ups", "", "Loc-RIBs that were reported without a Peer Up"},
	stampNone:        {"stamps", "none", helpStamps},
	stampFuture:      {"stamps", "future", helpStamps},
	stampOld:         {"stamps", "old", helpStamps},
	stampEarly:       {"stamps", "out-of-order", helpStamps},
	refusedAddress:   {"refused", "not-listed", helpRefused},
	refusedFull:      {"refused", "max-routers", helpRefused},
	refusedTLS:       {"refused", "tls", helpRefused},
	connections:      {"connections", "", "connections of routers that were let in"},
	superseded:       {"superseded", "", "connections that were replaced by a newer one of the same router"},
	unheardLost:      {"unheard", "connection-lost", helpUnheard},
	unheardMirror:    {"unheard", "mirroring-lost-messages", helpUnheard},
	unheardView:      {"unheard", "view-changed", helpUnheard},
	unheardConfig:    {"unheard", "no-longer-reported", helpUnheard},
	noInitiation:     {"no_initiation", "", "connections whose first message was no Initiation"},
	ownStripped:      {"own_as_stripped", "", "messages whose paths began with the router's own AS number, which its peer did not send"},
	noNextHop:        {"no_next_hop", "", "messages about a router's own table that lacked the next hop, which is not needed"},
}

// faults are all reasons for which an UPDATE may be refused.
const faults = 32

// counts is what a station counts. Safe for concurrent use.
type counts struct {
	by     [counterEnd]atomic.Uint64
	faults [faults]atomic.Uint64 // by wire.Fault
}

func (c *counts) add(k counter) { c.by[k].Add(1) }

func (c *counts) addFault(f wire.Fault) { c.faults[min(int(f), faults-1)].Add(1) }

func (c *counts) append(dst []bgp.Count) []bgp.Count {
	for k, n := range counterNames {
		dst = append(dst, bgp.Count{Name: n.name, Reason: n.reason, Help: n.help, Value: float64(c.by[k].Load())})
	}
	for f := range c.faults {
		if n := c.faults[f].Load(); n > 0 {
			dst = append(dst, bgp.Count{Name: "malformed", Reason: wire.Fault(f).String(), Help: helpMalformed, Value: float64(n)})
		}
	}
	return dst
}

func sortCounts(c []bgp.Count) {
	slices.SortFunc(c, func(a, b bgp.Count) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Reason, b.Reason))
	})
}

// statNames are the statistics of RFC 7854 section 4.8 and RFC 8671 section 6.2.
var statNames = [...]string{"rejected-by-policy", "duplicate-announcements", "duplicate-withdrawals", "cluster-list-loops",
	"as-path-loops", "originator-id-loops", "confederation-loops", "routes-adj-rib-in", "routes-loc-rib",
	"routes-adj-rib-in-by-family", "routes-loc-rib-by-family", "updates-treated-as-withdraw", "prefixes-treated-as-withdraw",
	"duplicate-updates", "routes-adj-rib-out-pre", "routes-adj-rib-out-post", "routes-adj-rib-out-pre-by-family",
	"routes-adj-rib-out-post-by-family"}

// maxStat bounds the statistics that are kept: those of RFC 9972 end at 38.
const maxStat = 64

func statName(typ uint16) string {
	if int(typ) < len(statNames) {
		return statNames[typ]
	}
	return "type-" + strconv.Itoa(int(typ))
}
