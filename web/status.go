package web

import (
	"net/netip"
	"time"

	"depeer/watch"
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
	Playback  *Playing         `json:"playback,omitempty" doc:"the story that is played; missing where what happens now is watched"`
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

// Told is what came of telling somebody something: a delivery, as package notify publishes it.
type Told struct {
	At       time.Time `json:"at"`
	ID       string    `json:"id,omitempty"`
	Receiver string    `json:"receiver"`         // "nobody" where it is unwanted
	Outcome  string    `json:"outcome"`          // sent, failed (it is tried again), dead (given up), held, unwanted (no subscription matches)
	Reason   string    `json:"reason,omitempty"` // why it was to be sent: opened, changed, resolved, reminder, escalation, acked, digest, test
	Loud     bool      `json:"loud,omitempty"`   // people were to be woken
	Incident string    `json:"incident,omitempty"`
	Revision int       `json:"revision,omitempty"` // of the incident
	Stories  []string  `json:"stories,omitempty"`  // all incidents that the message is about, where they are several
	Hoster   string    `json:"hoster,omitempty"`
	Key      string    `json:"key,omitempty"`     // by which the receiver edits or threads
	Message  string    `json:"message,omitempty"` // its id
	Attempt  int       `json:"attempt,omitempty"`
	Seconds  float64   `json:"seconds,omitempty"` // that the attempt took
	Title    string    `json:"title,omitempty"`
	For      []string  `json:"for,omitempty"` // subscriptions
	Why      string    `json:"why,omitempty"` // not: an error, or what holds it
}
