package watch

import (
	"testing"
	"time"

	"depeer/bgp"
)

// A second family whose transfer ends by calm makes the peer's table whole too, and
// a peer that leaves takes no more along than was counted.
func TestTablesThatEndByCalm(t *testing.T) {
	f := liveFeedOf("speaker", "peer-down", 3)
	s := newStudio(t, f)
	s.after(time.Second)
	s.tell(f, bgp.PeerUp, nil)
	s.announce(f, one, six)
	s.tell(f, bgp.EndOfRIB, func(u *bgp.Update, _ int) { u.V6 = true }) // of IPv6 alone
	s.after(10 * time.Minute)
	d := s.in.Detector()
	if d.complete != [2]int{3, 3} {
		t.Errorf("%v peers' tables are known, of 3", d.complete)
	}
	alone := *f
	alone.peers = f.peers[:1]
	s.tell(&alone, bgp.PeerDown, nil)
	s.after(5 * time.Second)
	if d.complete != [2]int{2, 2} {
		t.Errorf("%v peers' tables are known, of 2", d.complete)
	}
}
