package watch

import "depeer/bgp/rib"

// horizon is from when on a hoster has been watched, where the detector is older.
// A table that a peer told before says nothing of the hoster, since nobody let its
// routes in: that a peer was silent about it then is no knowledge, and what the
// peer says of it for the first time may be as old as the hills.
type horizon struct {
	at       int64  // second
	begun    uint64 // transfers and dumps of the table that had begun by then
	turn     int    // complete is as of that turn of the detector
	complete [2]int // by family: peers whose whole table was told since
}

// knows reports whether the peer has told its whole table of the family since.
func (z *horizon) knows(peer *rib.Peer, v6 int) bool {
	return peer.Complete[v6] && peer.Whole[v6] > z.begun
}

// known counts the peers that have.
func (z *horizon) known(d *Detector) [2]int {
	if z.turn == d.turns {
		return z.complete
	}
	z.turn, z.complete = d.turns, [2]int{}
	for _, p := range d.table.Peers() {
		for v := range z.complete {
			if p.State == rib.Up && z.knows(p, v) {
				z.complete[v]++
			}
		}
	}
	return z.complete
}

// since is the second from which on the hoster has been watched; 0: from the first.
func (h *hoster) since() int64 {
	if h == nil || h.horizon == nil {
		return 0
	}
	return h.horizon.at
}

// heardWhole reports whether the peer's silence about the prefix would be
// knowledge: it told its whole table since the hoster has been watched.
func (p *prefix) heardWhole(peer *rib.Peer) bool {
	if p.h == nil || p.h.horizon == nil {
		return peer.Complete[p.v6]
	}
	return p.h.horizon.knows(peer, p.v6)
}
