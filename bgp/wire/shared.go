package wire

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"depeer/bgp"
)

// List is a watchlist as a feed knows it: numbers and prefixes, no names.
type List struct {
	ASNs      []uint32       // watched anywhere in a path
	Prefixes  []netip.Prefix // watched with their more specifics
	Exact     []netip.Prefix // watched alone: references, canaries
	Upstreams []uint32       // whose other customers are followed as references
}

// Watch makes the filter of a list. It learns (see Watch.Learn).
func (l List) Watch() *Watch {
	w := NewWatch()
	w.Learn = true
	for _, a := range l.ASNs {
		w.AddASN(a)
	}
	for _, p := range l.Prefixes {
		w.AddPrefix(p)
	}
	for _, p := range l.Exact {
		w.AddExact(p)
	}
	for _, a := range l.Upstreams {
		w.AddUpstream(a)
	}
	return w
}

// Shared is one watchlist for all live feeds: what one learns, all know, and it
// can be replaced while they run. Its methods may be called from any goroutine.
type Shared struct {
	mu      sync.Mutex
	watch   *Watch        // guarded by mu
	list    List          // guarded by mu; what watch was made of
	changed chan struct{} // guarded by mu; closed by Replace
}

// NewShared makes a shared watchlist.
func NewShared(l List) *Shared {
	return &Shared{watch: l.journaled(), list: l, changed: make(chan struct{})}
}

func (l List) journaled() *Watch {
	w := l.Watch()
	w.learnt.journaled = true
	return w
}

// Cursor is a place in what was learned. The zero value is before its beginning.
type Cursor struct {
	watch *Watch
	n     int
}

// Since gives what was learned since a cursor was given out, whoever learned it:
// a feed that hears only what it subscribed to must subscribe to it as well. Anew
// says that the list was replaced since, or that the cursor is new: the feed
// forgets what it knew and begins with what is given now. The slice is not to be
// changed.
func (s *Shared) Since(c Cursor) (learned []Followed, next Cursor, anew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.watch.learnt.journal
	if anew = c.watch != s.watch; anew {
		c.n = 0
	}
	return j[c.n:len(j):len(j)], Cursor{s.watch, len(j)}, anew
}

// Wanting gives the upstreams that want more reference prefixes, in ascending
// order: they can only be learned from routes through these ASes.
func (s *Shared) Wanting() []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []uint32
	for asn, u := range s.watch.learnt.upstreams {
		if u.references != nil {
			list = append(list, asn)
		}
	}
	slices.Sort(list)
	return list
}

// List gives the present list, and a channel that is closed when it is replaced:
// a feed that subscribed by the list, or that can ask for routes again, does so.
// What the feeds learned meanwhile is not in the list.
func (s *Shared) List() (List, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list, s.changed
}

// Replace puts another list in force. What had been learned is forgotten unless
// the new list names it.
func (s *Shared) Replace(l List) {
	w := l.journaled()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch, s.list = w, l
	close(s.changed)
	s.changed = make(chan struct{})
}

// Do lets f use the filter. Nothing may be kept of it, and f must not block.
func (s *Shared) Do(f func(*Watch)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.watch)
}

// Door is where the UPDATEs of one peer meet the watchlist: every live feed has
// one for each peer. It turns messages into updates: what is wanted, an EndOfRIB,
// and one Heard a minute, so that the judgement knows who speaks and how much.
// It is not safe for concurrent use.
type Door struct {
	Peer    bgp.Peer
	Traffic bgp.Traffic // all prefixes that went through, wanted or not

	watch  *Shared
	update Update
	minute int64 // of the last Heard
}

// Door makes the door of a peer.
func (s *Shared) Door(peer bgp.Peer) *Door { return &Door{Peer: peer, watch: s} }

// Update takes in the body of one UPDATE (what follows the header), received at
// the time given, and appends what it means to dst. A malformed message appends
// nothing but the Heard that may be due: see Fault. The message is not kept.
func (d *Door) Update(dst []bgp.Update, body []byte, s Session, at time.Time) ([]bgp.Update, Fault) {
	u := &d.update
	f := u.Split(body, s)
	if f != None {
		return d.Hear(dst, at), f
	}
	announced, withdrawn := u.Counts()
	d.Traffic.Announced += uint64(announced)
	d.Traffic.Withdrawn += uint64(withdrawn)
	dst = d.Hear(dst, at)
	if announced+withdrawn == 0 {
		if family, ok := u.EndOfRIB(); ok && family.SAFI == Unicast {
			dst = append(dst, bgp.Update{At: at, Peer: d.Peer, Kind: bgp.EndOfRIB, V6: family.V6()})
		}
		return dst, None
	}
	d.watch.mu.Lock()
	defer d.watch.mu.Unlock()
	if h := d.watch.watch.Match(u); h != 0 {
		dst = d.watch.watch.Append(dst, u, h, at, d.Peer)
	}
	return dst, None
}

// Split gives the message that Update has just taken apart, until the next one.
func (d *Door) Split() *Update { return &d.update }

// Hear notes that the peer spoke, with a KEEPALIVE for instance. The first time
// in each minute appends a Heard.
func (d *Door) Hear(dst []bgp.Update, at time.Time) []bgp.Update {
	if m := at.Unix() / 60; m > d.minute {
		d.minute = m
		dst = append(dst, bgp.Update{At: at, Peer: d.Peer, Kind: bgp.Heard, Heard: d.Traffic})
	}
	return dst
}

// Missed makes the next message append a Heard: the feed has just said Unheard of
// the peer, and what is heard next ends that.
func (d *Door) Missed() { d.minute = 0 }
