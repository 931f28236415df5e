package cnc

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"
)

// Migration is a family seen leaving a hoster for another network, and what speaks for it.
// Its JSON is that of the event cnc.moved (CONTRACT section 3).
type Migration struct {
	Type     string    `json:"type"` // "event"
	ID       string    `json:"id"`   // from hoster, family, incident and the target AS
	Revision int       `json:"revision"`
	Kind     string    `json:"kind"`       // "cnc.moved"; "cnc.watch" below the threshold
	At       time.Time `json:"at"`         // when the evidence was enough
	Seen     time.Time `json:"first_seen"` // first sighting in the new place
	Hoster   string    `json:"hoster"`
	ASN      uint32    `json:"asn"`      // of the hoster
	Incident string    `json:"incident"` // "" where there is none yet: evacuation
	Family   string    `json:"family"`
	From     End       `json:"from"`
	To       End       `json:"to"`
	How      string    `json:"how"`      // "address", "name", "label": what changed
	Lag      Lag       `json:"lag"`      // from the first loss to Seen; negative before it
	Brief    *Lag      `json:"brief"`    // it stayed there no longer than this; null while it stays
	Score    float64   `json:"score"`    // sum of the points
	Routing  float64   `json:"routing"`  // of them, for what routes did
	CNC      float64   `json:"cnc"`      // and for what C&C did
	Severity string    `json:"severity"` // as of watch.Event
	Evidence []Item    `json:"evidence"` // largest first
	Summary  string    `json:"summary"`  // one sentence: "coincides", never "because"
	Caveats  []string  `json:"caveats"`  // what speaks against it, in sentences
}

// End is where a family was, or went.
type End struct {
	IP     netip.Addr   `json:"ip,omitzero"`
	Prefix netip.Prefix `json:"prefix,omitzero"`
	ASN    uint32       `json:"asn"`
	Name   string       `json:"name"`
}

// Lag is a duration in JSON as seconds.
type Lag time.Duration

// Item is one piece of evidence.
type Item struct {
	Name    string   `json:"name"` // "upstream-lost", "withdrawn", "new-as-rate", ...: see Points
	Points  float64  `json:"points"`
	Text    string   `json:"text"`    // one line with the numbers
	Records []string `json:"records"` // ids of events and sightings, at most 20
}

// MarshalJSON writes seconds.
func (l Lag) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(l).Seconds(), 'f', -1, 64), nil
}

// UnmarshalJSON reads seconds.
func (l *Lag) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.Abs(x) > math.MaxInt64/float64(time.Second) {
		return fmt.Errorf("%.40q is no number of seconds", text)
	}
	*l = Lag(math.Round(x * float64(time.Second)))
	return nil
}
