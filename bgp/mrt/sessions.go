package mrt

import (
	"slices"

	"depeer/bgp"
)

// Sessions is what sources know of the peers that they met: who they are, and how
// much each has said. Given to one [Source] after the other, it lets the counts of
// [bgp.Traffic] go on where a file ends; a new one lets them begin anew, which is
// right where files are read a second time. It serves one source at a time.
type Sessions struct {
	tables map[string]*peerTable
}

// NewSessions knows nobody.
func NewSessions() *Sessions { return &Sessions{tables: map[string]*peerTable{}} }

// Peers gives the peers met at a collector, in order.
func (s *Sessions) Peers(collector string) []bgp.Peer {
	t := s.tables[collector]
	if t == nil {
		return nil
	}
	out := make([]bgp.Peer, 0, len(t.all))
	for _, p := range t.all {
		out = append(out, p.peer)
	}
	slices.SortFunc(out, bgp.Peer.Compare)
	return slices.Compact(out)
}
