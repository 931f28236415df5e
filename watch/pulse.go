package watch

import (
	"time"

	"depeer/bgp"
)

// Pulse is what a running feed says of itself once a second, in the same log as
// its updates. It is the clock of the live judgement: between two pulses no time
// passes, so that whoever reads the log again, from any point, judges the same.
type Pulse struct {
	Source string        `json:"source"`           // the feed's name
	Run    time.Time     `json:"run"`              // when the process that runs it began; another one is a restart
	Until  time.Time     `json:"until"`            // all that it heard before this moment has been told
	Delay  time.Duration `json:"delay"`            // how far behind the world it always is, in nanoseconds: archives; 0 for a live feed
	Ends   string        `json:"ends,omitempty"`   // what its end does to its peers: "peer-down", "unheard", or "" where it goes on from where it stopped
	Ready  bool          `json:"ready"`            // it hears what it is meant to hear
	Busy   bool          `json:"busy,omitempty"`   // it does not because it still reads what it begins with: no loss
	Reason string        `json:"reason,omitempty"` // why it does not
	Filled []string      `json:"filled,omitempty"` // ids of gaps that have been filled from the archives since the last pulse
	Clock  bool          `json:"clock,omitempty"`  // no feed's, but of a process that judges and hears nothing itself: only that it is Until
}

// ends is the kind of update that the end of the feed means for its peers.
func (p *Pulse) ends() bgp.Kind {
	switch p.Ends {
	case bgp.PeerDown.String():
		return bgp.PeerDown
	case bgp.Unheard.String():
		return bgp.Unheard
	}
	return 0
}
