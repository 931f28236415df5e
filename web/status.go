package web

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"depeer/watch"
	"depeer/watch/timeline"
)

// Monitor answers what is asked. Its methods are called from many goroutines.
type Monitor interface {
	Status() Status
	Explain(hosterOrPrefix string) ([]watch.Explanation, error)
	Gaps(from, to time.Time) []watch.Gap
}

// Status is everything the board shows, at one moment.
type Status struct {
	Version   string           `json:"version"`
	Started   time.Time        `json:"started"`
	Now       time.Time        `json:"now"`    // of the answer
	Judged    time.Time        `json:"judged"` // all that was told before this has been judged
	Ready     bool             `json:"ready"`
	Reasons   []string         `json:"reasons"` // why it is not
	Hosters   []watch.Standing `json:"hosters"`
	Feeds     []Feed           `json:"feeds"`
	Peers     []Peer           `json:"peers"`
	Incidents []watch.Incident `json:"incidents"` // those that are not resolved
	Gaps      []watch.Gap      `json:"gaps"`      // that are open, or ended within a day
}

// Feed is one of our eyes.
type Feed struct {
	Name       string    `json:"name"`
	Type       string    `json:"type"`
	Ready      bool      `json:"ready"`
	Reason     string    `json:"reason,omitempty"`
	Since      time.Time `json:"since,omitzero"`
	Heard      time.Time `json:"heard,omitzero"` // arrival of its last message
	Lag        float64   `json:"lag_seconds"`    // age of that message on arrival
	Collectors []string  `json:"collectors"`
	Peers      int       `json:"peers"`
	Up         int       `json:"up"`
	Sessions   []Session `json:"sessions"`
}

// Session is one connection of a feed.
type Session struct {
	Name   string    `json:"name"`
	State  string    `json:"state"`
	Up     bool      `json:"up"`
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

// Peer is a vantage point as the judgement knows it.
type Peer struct {
	Collector string     `json:"collector"`
	Address   netip.Addr `json:"address"`
	ASN       uint32     `json:"asn"`
	State     string     `json:"state"`
	Since     time.Time  `json:"since,omitzero"`
	Heard     time.Time  `json:"heard,omitzero"`
	Cause     string     `json:"cause,omitempty"`
	Table     [2]bool    `json:"table"` // IPv4, IPv6: its whole table is known
}

// Explanations is the answer to explain.
type Explanations struct {
	Explanations []watch.Explanation `json:"explanations"`
	Gaps         []watch.Gap         `json:"gaps"` // that touch the last day
	Told         []Told              `json:"told"` // whom the last messages about it went to, or did not, newest first, at most 20
}

// Told is what came of telling somebody something: a delivery, as package notify publishes it.
type Told struct {
	At       time.Time `json:"at"`
	Receiver string    `json:"receiver"`
	Outcome  string    `json:"outcome"`
	Reason   string    `json:"reason,omitempty"` // why it was to be sent
	Incident string    `json:"incident,omitempty"`
	Attempt  int       `json:"attempt,omitempty"`
	Title    string    `json:"title,omitempty"`
	Why      string    `json:"why,omitempty"` // not
}

// told reads the last deliveries about hosters. Where nothing is remembered there are none.
func told(ctx context.Context, r Records, hosters []string) []Told {
	out := []Told{}
	if r == nil || len(hosters) == 0 {
		return out
	}
	list, _, err := r.Records(ctx, timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Delivery}, Hosters: hosters, Newest: true, Limit: 20})
	if err != nil {
		return out // the explanation does not wait for the memory
	}
	for i := range list {
		var x Told
		if json.Unmarshal(list[i].Body, &x) == nil {
			out = append(out, x)
		}
	}
	return out
}
