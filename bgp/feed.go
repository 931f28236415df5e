package bgp

import "time"

// Feed is a [Source] that runs until its context ends, and says how it is.
// Health may be called at any time and from any goroutine, before Run too.
type Feed interface {
	Source
	Health(now time.Time) Health
}

// Health is how a feed is at a moment: whether our eyes are open.
type Health struct {
	Ready    bool          // it hears what it is configured to hear
	Busy     bool          // it is not ready because it still reads what it begins with, and nothing is wrong
	Reason   string        // why it is not ready: a sentence for the operator
	Since    time.Time     // of Ready's present value
	Heard    time.Time     // when its last message arrived, zero before the first
	Lag      time.Duration // how old that message was, by its sender's clock; 0 where it has none
	Sessions []Session     // configured and present neighbours, routers or collectors, in order of name
	Counts   []Count       // everything that moves, in order of name and reason
}

// Session is one connection of a feed: a BGP neighbour, a router that sends BMP,
// a collector of an archive.
type Session struct {
	Name   string    // "192.0.2.7 AS64500", "rrc00"
	State  string    // in the words of its protocol: "established", "idle"; "connected"
	Up     bool      // that state is the one in which it is heard
	Since  time.Time // of State
	Reason string    // why it is not Up
}

// Count is a counter or a gauge of a feed. A counter only grows while the
// process lives.
type Count struct {
	Name   string // "messages", "dropped", "malformed": the same word in logs, metrics and pages
	Reason string // further distinction, "" for none: why a message was malformed
	Help   string // one sentence, what is counted, with its unit
	Gauge  bool   // it may fall
	Value  float64
}
