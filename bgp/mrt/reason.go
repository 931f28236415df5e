package mrt

import (
	"strconv"

	"depeer/bgp/wire"
)

// Reason says why a record, or a part of one, was passed over. What is passed
// over changes nothing that is known; it is counted under its reason.
type Reason uint8

// The reasons beside those of package wire, which keep their numbers: see [Malformed].
const (
	faults             = 64 + iota // below: wire.Fault
	UnknownType                    // an MRT type that speaks of no BGP, or that nobody defined
	UnknownSubtype                 // a subtype that nobody defined
	ShortRecord                    // a record that ends before its own fields do
	OtherAFI                       // a peer or a table of an address family other than IPv4 and IPv6
	OtherFamily                    // routes of a family that is not read (VPN, labels, EVPN, ...)
	OldEntry                       // BGP4MP_ENTRY and BGP4MP_SNAPSHOT (RFC 6396 appendix B.2)
	NoPeerIndex                    // a RIB record before any PEER_INDEX_TABLE
	BadPeerIndex                   // a RIB entry that points beyond the index
	OtherMessage                   // a BGP message of a type that nobody defined
	NoPeerAddress                  // a state change that does not say whose (8 octets, written by old zebra)
	DiscardedAttribute             // the message stands, an attribute of it does not (RFC 7606)
	CutMessage                     // the message stands, of its prefixes some may be missing: the collector cut it
	reasonEnd
)

var reasonNames = [...]string{"unknown-type", "unknown-subtype", "short-record", "other-afi", "other-family",
	"bgp4mp-entry", "no-peer-index", "bad-peer-index", "unknown-message-type", "state-without-address", "discarded-attribute", "cut-message"}

// Malformed is the reason for a message that package wire refused.
func Malformed(f wire.Fault) Reason { return Reason(f) }

// String gives the word that the command line, logs and metrics use.
func (r Reason) String() string {
	switch {
	case r < faults:
		return wire.Fault(r).String()
	case r > faults && r < reasonEnd:
		return reasonNames[r-faults-1]
	}
	return "reason(" + strconv.Itoa(int(r)) + ")"
}

// Counts counts what was passed over, by reason.
type Counts [reasonEnd]uint64

// Total sums all reasons but [DiscardedAttribute] and [CutMessage], whose messages were read.
func (c *Counts) Total() (n uint64) {
	for r, k := range c {
		if Reason(r) != DiscardedAttribute && Reason(r) != CutMessage {
			n += k
		}
	}
	return n
}

// Add adds the counts of another.
func (c *Counts) Add(d *Counts) {
	for i, k := range d {
		c[i] += k
	}
}

// Map gives the reasons that occurred, by their words.
func (c *Counts) Map() map[string]uint64 {
	m := map[string]uint64{}
	for r, k := range c {
		if k > 0 {
			m[Reason(r).String()] = k
		}
	}
	return m
}
