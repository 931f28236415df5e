package wire

import "strconv"

// Fault says why an UPDATE was refused. The zero value means that it was not.
// A refused UPDATE says nothing about any route: a judge must never take it for
// a withdrawal, whatever RFC 7606 lets a router do with it.
type Fault uint8

// The faults. The comment names where the wire decides.
const (
	None        Fault = iota
	BadMarker         // RFC 4271 section 4.1: the marker is not all ones
	BadLength         // RFC 4271 section 4.1: the message length is below 19, or beyond what was captured
	TooShort          // RFC 4271 section 4.3: the two length fields do not fit
	BadLengths        // RFC 4271 section 6.3: withdrawn routes or attributes reach beyond the message
	AttrOverrun       // RFC 7606 section 4: an attribute reaches beyond the attributes
	AttrFlags         // RFC 7606 section 3 (c): optional or transitive bit is wrong
	AttrLength        // RFC 7606 section 7: an attribute has an impossible length
	BadOrigin         // RFC 7606 section 7.1
	BadPath           // RFC 7606 section 7.2: unknown or empty segment, or one that overruns
	MissingAttr       // RFC 7606 section 3 (d): NLRI without ORIGIN, AS_PATH or NEXT_HOP
	UnknownAttr       // RFC 4271 section 6.3: well-known, and yet unknown
	DuplicateMP       // RFC 7606 section 3 (g): two MP_REACH_NLRI or two MP_UNREACH_NLRI
	BadMP             // RFC 7606 section 7.11: MP_REACH_NLRI or MP_UNREACH_NLRI too short, or a next hop of an unexpected length
	BadPrefix         // RFC 7606 section 5.3: a prefix is too long or reaches beyond its field
	faultEnd
)

var faultNames = [faultEnd]string{"none", "bad-marker", "bad-message-length", "too-short", "length-fields",
	"attribute-overrun", "attribute-flags", "attribute-length", "bad-origin", "bad-as-path", "missing-attribute",
	"unknown-well-known-attribute", "duplicate-mp-attribute", "bad-mp-attribute", "bad-prefix"}

// String gives the word that counters and logs use.
func (f Fault) String() string {
	if f < faultEnd {
		return faultNames[f]
	}
	return "fault(" + strconv.Itoa(int(f)) + ")"
}

// Class is what RFC 7606 section 2 lets a router do about a fault.
type Class uint8

// The classes, mildest first. A discarded attribute is no fault: see [Update.Discarded].
const (
	NoFault         Class = iota
	TreatAsWithdraw       // the session goes on; the routes of the message are not believed
	SessionReset          // where the message ends, or which routes it names, cannot be known
)

func (c Class) String() string {
	switch c {
	case TreatAsWithdraw:
		return "treat-as-withdraw"
	case SessionReset:
		return "session-reset"
	}
	return "none"
}

// Class tells a message whose routes alone are lost from one after which the
// session cannot go on.
func (f Fault) Class() Class {
	switch f {
	case None:
		return NoFault
	case AttrOverrun, AttrFlags, AttrLength, BadOrigin, BadPath, MissingAttr, UnknownAttr:
		return TreatAsWithdraw
	}
	return SessionReset
}

// Err gives the fault as an error, or nil.
func (f Fault) Err() error {
	if f == None {
		return nil
	}
	return faultError(f)
}

type faultError Fault

func (e faultError) Error() string {
	return "malformed UPDATE: " + Fault(e).String() + " (" + Fault(e).Class().String() + ")"
}
