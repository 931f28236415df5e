// Package rib holds what each peer says right now: Apply turns updates into
// changes of the table.
//
// It is pure: time comes with the updates, and with [Table.Advance]. Its
// memory is bounded by what is fed to it (the watched routes), not by the
// Internet's table.
//
// A table keeps apart what a peer said and what it was never heard to say. A
// session that ends withdraws nothing: the peer leaves ([Left]) with all its
// routes, and joins again ([Joined]) with the same routes when its next table
// transfer is complete; only then what did not come back is a change. A peer that the
// feed lost sight of (Unheard) leaves too, and joins with what it had said as soon
// as it is heard again: its session went on. A newer word is never overwritten by an older one of the same peer and prefix. A dump
// (TableStart ... TableEnd) corrects the table, except where an update is newer
// than [Backlog] before the dump.
package rib

import (
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"depeer/bgp"
)

// State is what we know of a peer's table.
type State uint8

// The states of a peer. Only an Up peer is eligible for any judgement.
const (
	Unknown State = iota // nothing consistent was heard
	Syncing              // a table transfer is under way
	Up                   // its table is what we hold
	Stale                // it used to speak and does not any more
	Down                 // its session is lost
)

var stateNames = [...]string{"unknown", "syncing", "up", "stale", "down"}

func (s State) String() string { return stateNames[s] }

const (
	// Backlog is how long before a dump an update still beats it: collectors
	// take that long to write a table (BGPView: RT_RIB_BACKLOG_TIME).
	Backlog = 60 * time.Second
	// staleAfter is how long a peer that spoke in nearly every minute may be silent.
	staleAfter = time.Hour
	// syncLimit ends a table transfer that never grows calm.
	syncLimit = 30 * time.Minute
	// A peer that announces so much within a few minutes, and withdraws nearly
	// nothing, re-sends its table although nobody recorded the reset (the idea
	// of minimum collection time, Zhang et al. 2005).
	transferRoutes = 100_000
	transferSpan   = 3 * time.Minute
	// fullFeed is the part of the largest table from which a peer counts as full-feed.
	fullFeed = 0.5
)

// Peer is a vantage point and what we know of its table.
type Peer struct {
	bgp.Peer
	Index     int   // dense, from 0, in order of first appearance
	State     State // changed by Table only
	Since     int64 // of the state, Unix nanoseconds
	Cause     bgp.Cause
	Missed    bool // the feed lost sight of it: not its own doing
	Suspended bool // Table.Suspend took it out

	Complete [2]bool   // by family (0 IPv4, 1 IPv6): the table was transferred or dumped whole, silence is knowledge
	Whole    [2]uint64 // by family: which of Table.Begun made it complete last
	Routes   [2]int    // by family: size of the table, 0 where unknown

	sync      [2]map[netip.Prefix]said // routes said during the transfer or the dump, by family
	pending   [2]bool                  // by family: the transfer has not ended
	begun     int64                    // start of the transfer, Unix nanoseconds
	number    [2]uint64                // by family: the transfer or dump that is being read, of Table.Begun
	dump      [2]int64                 // time of the dump being read, 0 when none
	void      [2]bool                  // by family: the dump being read met a transfer, and says nothing
	joined    bool                     // its routes are counted
	known     bool                     // it was Up before: what a transfer does not bring back is lost
	lastBulk  int64                    // end of the last minute of a transfer that was busy
	busiest   uint64                   // announcements in the busiest minute of the transfer
	lastHeard int64                    // Unix nanoseconds
	minutes   uint64                   // bit i: it spoke i minutes before lastHeard's
	heardFor  int                      // minutes since it was first heard, at most 64
	window    []heard                  // for the detection of unrecorded transfers
	resent    int64                    // start of an unrecorded transfer, Unix nanoseconds, 0 when none
}

// Eligible reports whether the peer's routes count.
func (p *Peer) Eligible() bool { return p.State == Up }

// LastHeard is when the peer last spoke, watched or not.
func (p *Peer) LastHeard() time.Time { return time.Unix(0, p.lastHeard).UTC() }

// Node is a path as the table shares it between routes. Tag belongs to the
// table's user, who may keep there what it computed from the path.
type Node struct {
	Path bgp.Path
	Tag  any `snapshot:"-"`
	mark bool
}

// Slot is what one peer says of one prefix.
type Slot struct {
	Node     *Node   // nil: it holds no route
	More     []Extra // further routes of an ADD-PATH peer
	At       int64   // Unix nanoseconds of its last word on it
	Prev     *Node   // what it held before Node, nil for nothing
	Changed  int64   // Unix nanoseconds of the change from Prev to Node
	LastHeld int64   // when it last held a route, 0 for never
	id       uint32  // ADD-PATH identifier of Node
	Known    bool    // it ever spoke of it
	Zombie   bool    // set by the table's user: stuck, left out until it speaks again
}

// Extra is a further route of an ADD-PATH peer (RFC 7911).
type Extra struct {
	ID   uint32
	Node *Node
}

// PathID is the ADD-PATH identifier of Node (RFC 7911), 0 without.
func (s *Slot) PathID() uint32 { return s.id }

// Entry is one prefix and what each peer says of it.
type Entry struct {
	Prefix netip.Prefix
	Slots  []Slot // by Peer.Index; may be shorter than the number of peers
	Tag    any    `snapshot:"-"` // belongs to the table's user
}

// Slot is what the peer says of the prefix; nil where it never spoke of it.
func (e *Entry) Slot(p *Peer) *Slot {
	if p.Index >= len(e.Slots) || !e.Slots[p.Index].Known {
		return nil
	}
	return &e.Slots[p.Index]
}

// What says what a [Change] is.
type What uint8

// The kinds of changes.
const (
	Said    What = iota + 1 // the peer changed its word on a prefix
	Learned                 // a dump told us what the peer had been holding all along: knowledge, no change
	Left                    // the peer's routes count no more
	Joined                  // the peer's routes count (again), as they are in the table
)

// Change is a change of the table. Old and New are the routes before and after;
// nil is none. For Left and Joined only Peer is set.
type Change struct {
	What  What
	At    time.Time
	Peer  *Peer
	Entry *Entry
	Old   Slot // as it was
	First bool // Said: the peer had never spoken of this prefix before
}

// Table is the routes of all peers. Not safe for concurrent use.
type Table struct {
	// SyncQuiet ends a table transfer without End-of-RIB: the peer has been calm this long.
	SyncQuiet time.Duration

	peers   map[bgp.Peer]*Peer
	order   []*Peer
	entries map[netip.Prefix]*Entry
	nodes   map[string]*Node `snapshot:"-"` // see Restored
	sweepAt int
	most    [2]int // by family: the largest table of any peer
	key     []byte `snapshot:"-"`
	syncing map[*Peer]struct{}

	Begun     uint64 // transfers and dumps that have begun, in the order in which they were observed
	Late      uint64 // updates older than what was known: ignored
	Completed uint64 // families of peers whose tables became whole by a transfer
	Transfers uint64 // table transfers found without a recorded reset
}

// New makes an empty table.
func New(syncQuiet time.Duration) *Table {
	return &Table{SyncQuiet: syncQuiet, peers: map[bgp.Peer]*Peer{}, entries: map[netip.Prefix]*Entry{},
		nodes: map[string]*Node{}, sweepAt: 1 << 14, syncing: map[*Peer]struct{}{}}
}

// Peers lists the peers in order of first appearance.
func (t *Table) Peers() []*Peer { return t.order }

// Entry is what is known of a prefix, nil where nothing is.
func (t *Table) Entry(p netip.Prefix) *Entry { return t.entries[p] }

// Entries calls f for every prefix, in no order.
func (t *Table) Entries(f func(*Entry)) {
	for _, e := range t.entries {
		f(e)
	}
}

// FullFeed reports whether the peer's table of the family is of the size of a
// full table: at least half of the largest that any peer has.
func (t *Table) FullFeed(p *Peer, family int) bool {
	if !p.Complete[family] {
		return false
	}
	return float64(p.Routes[family]) >= fullFeed*float64(t.most[family])
}

// Family is the index of a prefix's address family: 0 for IPv4, 1 for IPv6.
func Family(p netip.Prefix) int {
	if p.Addr().Is4() {
		return 0
	}
	return 1
}

func family(v6 bool) int {
	if v6 {
		return 1
	}
	return 0
}

// Apply takes in one update and calls emit for each change of the table, after
// it was made.
func (t *Table) Apply(u bgp.Update, emit func(Change)) {
	p := t.peer(u.Peer)
	at := u.At.UnixNano()
	if at < p.lastHeard-int64(Backlog) && (u.Kind == bgp.PeerUp || u.Kind == bgp.PeerDown || u.Kind == bgp.EndOfRIB || u.Kind == bgp.Unheard) {
		t.Late++ // an archive tells of a session that has long been heard again
		return
	}
	if u.Kind != bgp.Unheard {
		t.hear(p, at)
	}
	switch u.Kind {
	case bgp.Announce, bgp.Withdraw:
		t.word(p, u, at, emit)
	case bgp.PeerDown:
		if p.State != Down {
			p.Cause, p.Missed, p.Suspended = u.Cause, false, false
			t.leave(p, Down, at, emit)
		}
	case bgp.Unheard:
		t.lose(p, u.Cause, at, emit)
	case bgp.PeerUp:
		t.leave(p, Syncing, at, emit)
		t.begin(p, at)
	case bgp.EndOfRIB:
		if f := family(u.V6); p.pending[f] {
			t.complete(p, f, true, at, emit)
		}
	case bgp.TableStart:
		if f := family(u.V6); p.State == Syncing {
			p.void[f] = true // what the peer says itself is newer, and not to be mixed with it
		} else {
			p.dump[f], p.void[f], p.sync[f] = at, false, map[netip.Prefix]said{}
			p.number[f] = t.count()
		}
	case bgp.TableRoute:
		f := Family(u.Prefix)
		if p.void[f] || p.State == Syncing {
			return
		}
		if p.sync[f] == nil {
			p.dump[f], p.sync[f] = at, map[netip.Prefix]said{}
			p.number[f] = t.count()
		}
		t.collect(p, f, u, at)
	case bgp.TableEnd, bgp.TableCut:
		t.dumped(p, u, at, emit)
	case bgp.Heard:
		t.traffic(p, u, at, emit)
	}
}

// count gives the next transfer or dump its number.
func (t *Table) count() uint64 {
	t.Begun++
	return t.Begun
}

func (t *Table) peer(q bgp.Peer) *Peer {
	p := t.peers[q]
	if p == nil {
		p = &Peer{Peer: q, Index: len(t.order)}
		t.peers[q] = p
		t.order = append(t.order, p)
	}
	return p
}

// word is an announcement or withdrawal.
func (t *Table) word(p *Peer, u bgp.Update, at int64, emit func(Change)) {
	switch p.State {
	case Down:
		// Nobody recorded that it is back; its table is not what it was.
		t.begin(p, at)
	case Unknown, Stale:
		t.join(p, at, emit)
	}
	f := Family(u.Prefix)
	if p.pending[f] {
		p.lastBulk = max(p.lastBulk, at)
	}
	if p.State == Syncing {
		t.collect(p, f, u, at)
		return
	}
	e := t.entry(u.Prefix)
	s := e.slot(p)
	if s.Known && at < s.At {
		t.Late++
		return
	}
	c := Change{What: Said, At: u.At, Peer: p, Entry: e, Old: *s, First: !s.Known}
	s.Known, s.At, s.Zombie = true, at, false
	if u.Kind == bgp.Announce {
		s.set(u.PathID, t.node(u.Path))
	} else {
		s.unset(u.PathID)
	}
	if s.Node != nil || c.Old.Node != nil {
		s.LastHeld = at
	}
	s.changed(c.Old.Node, at)
	if s.Node == c.Old.Node && !c.First && !c.Old.Zombie && len(s.More) == 0 && len(c.Old.More) == 0 {
		return // the same once more
	}
	emit(c)
}

func (s *Slot) changed(old *Node, at int64) {
	if s.Node != old {
		s.Prev, s.Changed = old, at
	}
}

func (s *Slot) set(id uint32, n *Node) {
	if s.Node == nil || s.id == id {
		s.Node, s.id = n, id
		return
	}
	s.More = slices.Clone(s.More) // Change.Old shares the old one
	for i := range s.More {
		if s.More[i].ID == id {
			s.More[i].Node = n
			return
		}
	}
	s.More = append(s.More, Extra{id, n})
}

func (s *Slot) unset(id uint32) {
	if s.Node == nil {
		return
	}
	if s.id == id {
		s.Node = nil
		if len(s.More) > 0 {
			s.Node, s.id = s.More[0].Node, s.More[0].ID
			s.More = slices.Clone(s.More[1:])
		}
		return
	}
	s.More = slices.DeleteFunc(slices.Clone(s.More), func(x Extra) bool { return x.ID == id })
}

// sameRoutes reports whether both hold the same routes, in whatever order a peer
// with ADD-PATH listed them.
func (s *Slot) sameRoutes(x *Slot) bool {
	if len(s.More) != len(x.More) || (s.Node == nil) != (x.Node == nil) {
		return false
	}
	has := func(id uint32, n *Node) bool {
		return x.id == id && x.Node == n || slices.Contains(x.More, Extra{id, n})
	}
	return has(s.id, s.Node) && !slices.ContainsFunc(s.More, func(y Extra) bool { return !has(y.ID, y.Node) })
}

// undump gives up a dump that is being read: the session ended or began meanwhile.
func (p *Peer) undump() {
	for f, at := range p.dump {
		p.void[f] = p.void[f] || at != 0
	}
	p.dump = [2]int64{}
}

// hear notes that the peer spoke.
func (t *Table) hear(p *Peer, at int64) {
	if at <= p.lastHeard {
		return
	}
	m := at / int64(time.Minute)
	if p.lastHeard == 0 {
		p.minutes, p.heardFor = 1, 1
	} else if d := m - p.lastHeard/int64(time.Minute); d > 0 {
		p.minutes = p.minutes<<min(uint64(d), 64) | 1
		p.heardFor = int(min(int64(p.heardFor)+d, 64))
	}
	p.lastHeard = at
}

// Talkative reports whether a speaker that was heard in those minutes (bit i:
// i minutes before the last) over so many minutes speaks in nearly every one, so
// that its silence means something.
func Talkative(minutes uint64, over int) bool {
	return over >= 10 && bits.OnesCount64(minutes)*5 >= over*4
}

// Seen reports whether the peer's routes ever counted.
func (p *Peer) Seen() bool { return p.known }

// Silence marks as stale the peers that used to speak in nearly every minute
// and have said nothing for an hour. It is to be asked about once a minute.
func (t *Table) Silence(now time.Time, emit func(Change)) {
	at := now.UnixNano()
	for _, p := range t.order {
		if p.State == Up && at-p.lastHeard >= int64(staleAfter) && Talkative(p.minutes, p.heardFor) {
			t.leave(p, Stale, at, emit)
		}
	}
}

// MarkStale takes an Up peer out because its collector fell silent.
func (t *Table) MarkStale(p *Peer, now time.Time, emit func(Change)) {
	if p.State == Up {
		t.leave(p, Stale, now.UnixNano(), emit)
	}
}

// Suspend takes an Up peer out until [Table.Resume] or its next session: its table is
// not to be believed. What it says meanwhile is kept.
func (t *Table) Suspend(p *Peer, now time.Time, emit func(Change)) {
	if p.State == Up {
		p.Suspended = true
		t.leave(p, Stale, now.UnixNano(), emit)
	}
}

// Resume counts a suspended peer's routes again, as they are now.
func (t *Table) Resume(p *Peer, now time.Time, emit func(Change)) {
	if p.Suspended {
		p.Suspended = false
		if p.State == Stale {
			t.join(p, now.UnixNano(), emit)
		}
	}
}

// Peer is what is known of a peer, nil where it never spoke.
func (t *Table) Peer(q bgp.Peer) *Peer { return t.peers[q] }

func (t *Table) entry(q netip.Prefix) *Entry {
	e := t.entries[q]
	if e == nil {
		e = &Entry{Prefix: q}
		t.entries[q] = e
	}
	return e
}

// Forget drops a prefix that nobody watches any more.
func (t *Table) Forget(q netip.Prefix) { delete(t.entries, q) }

func (e *Entry) slot(p *Peer) *Slot {
	for len(e.Slots) <= p.Index {
		e.Slots = append(e.Slots, Slot{})
	}
	return &e.Slots[p.Index]
}

// node shares equal paths.
func (t *Table) node(path bgp.Path) *Node {
	k := t.keyOf(path)
	if n := t.nodes[string(k)]; n != nil {
		return n
	}
	if len(t.nodes) >= t.sweepAt {
		t.sweep()
	}
	n := &Node{Path: path}
	t.nodes[string(k)] = n
	return n
}

// sweep drops the paths that no route uses, so that memory follows the routes
// and not the history.
func (t *Table) sweep() {
	t.each(func(n *Node) { n.mark = true })
	for k, n := range t.nodes {
		if !n.mark {
			delete(t.nodes, k)
		}
		n.mark = false
	}
	t.sweepAt = max(1<<14, 2*len(t.nodes))
}
