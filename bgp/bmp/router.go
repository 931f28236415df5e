package bmp

import (
	"net/netip"
	"sync"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// router is a router that was heard once. It outlives its connections, so that
// what its peers count goes on, and what they were heard in is known.
type router struct {
	name  string
	addr  netip.Addr    // of the present or the last connection
	turn  chan struct{} // holds one: the connection whose router this is
	peers map[vantageKey]*vantage

	// Guarded by Station.mu.
	current     *conn // nil: not connected
	since       time.Time
	reason      string // why it is not connected
	configured  bool
	description string

	heard int64 // atomic; Unix nanoseconds of the last message

	mu    sync.Mutex
	stats map[peerKey]*statistics // guarded by mu
	up    int                     // guarded by mu; monitored peers
}

// statistics are the last values that the router told of a peer, by type.
type statistics struct {
	value [maxStat]uint64
	has   uint64 // bit n for type n
}

// vantageKey tells the vantage points of a router apart.
type vantageKey struct {
	group group
	addr  netip.Addr
	asn   uint32
}

// told is what was last said of a vantage point.
type told uint8

const (
	toldNothing told = iota
	toldUp
	toldDown
	toldUnheard
)

// vantage is one bgp.Peer. It belongs to the connection that has its router's turn.
type vantage struct {
	door *wire.Door
	peer bgp.Peer
	told told
	last time.Time // At of the last update
	used view      // the view that it was last heard in, over all connections

	// Of the present connection.
	view view      // the view that counts; noView until the first route
	held time.Time // since when the other view is held back, see conn.choose
}

// vantage finds or makes a vantage point. It is the only place where they are made,
// so they are bounded here: at most twice the peers of one connection.
func (r *router) vantage(k vantageKey, watch *wire.Shared, most int) *vantage {
	if v := r.peers[k]; v != nil {
		return v
	}
	if len(r.peers) >= 2*most*int(groups) {
		return nil
	}
	p := bgp.Peer{Collector: r.name, Addr: k.addr, ASN: k.asn}
	v := &vantage{door: watch.Door(p), peer: p}
	r.peers[k] = v
	return v
}

// forget makes room where a router that was away had many peers.
func (r *router) forget(most int) {
	for k, v := range r.peers {
		if len(r.peers) <= most {
			return
		}
		if v.told != toldUp {
			delete(r.peers, k)
		}
	}
}

// monitored is a peer that the router reports on this connection.
type monitored struct {
	sessions [groups]wire.Session
	vantage  [groups]*vantage // nil where the group does not count
	own      uint32           // the router's AS number in this session
	seal     uint64           // of the Peer Up: which session it spoke of
}

func (r *router) addPeers(n int) {
	r.mu.Lock()
	r.up += n
	r.mu.Unlock()
}

// keepStat notes a value of a peer; those of a family are added up.
func (s *statistics) keep(typ uint16, value uint64) {
	if typ >= maxStat {
		return
	}
	if s.has>>typ&1 == 0 {
		s.has |= 1 << typ
		s.value[typ] = 0
	}
	s.value[typ] += value
}
