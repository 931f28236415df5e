package timeline

import (
	"encoding/json"
	"net/netip"
	"time"

	"depeer/watch"
)

// RecordKind says what a Record is.
type RecordKind string

// The kinds of records.
const (
	Event     RecordKind = "event"     // watch.Event
	Incident  RecordKind = "incident"  // one revision of a watch.Incident
	Gap       RecordKind = "gap"       // one revision of a watch.Gap
	Sighting  RecordKind = "sighting"  // a C&C server was seen
	Migration RecordKind = "migration" // one revision of a C&C family's move
	Delivery  RecordKind = "delivery"  // a message was sent, or was not, and why
	Note      RecordKind = "note"      // a person acknowledged, or commented on, an incident
)

// Record is one judged or reported fact. (Kind, ID, Revision) is unique: what is written
// again is not stored again.
type Record struct {
	Kind     RecordKind
	ID       string
	Revision int // of incidents, gaps and migrations; 0 otherwise
	At       time.Time
	Until    time.Time // end of what lasts (gap, incident); zero for a moment, and while it lasts
	Recorded time.Time // zero until it is stored

	// What it can be looked up by, where it has it.
	Hoster    string
	Word      string // kind of an event, class of an incident, reason of a gap, family of a sighting or migration, receiver of a delivery
	Severity  watch.Severity
	Incident  string
	Upstream  uint32
	ASN       uint32 // the hoster's, or the other's (new origin, where a family went)
	Collector string
	Prefixes  []netip.Prefix // a sighting's address is a prefix of full length

	Body json.RawMessage // JSON of the kind
}
