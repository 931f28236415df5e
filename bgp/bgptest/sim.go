package bgptest

import (
	"container/heap"
	"net/netip"
	"slices"
	"time"

	"depeer/bgp"
)

// sink takes what the simulation says, in the order of time.
type sink interface {
	update(u bgp.Update, q *peer, tag uint16) // Announce, Withdraw, PeerUp, PeerDown, EndOfRIB
	malformed(at time.Time, q *peer, msg []byte)
	table(at int64, s *sim)
}

// sim is one run of a scenario. Nothing in it outlives the run.
type sim struct {
	*Scenario
	sink
	stopped bool // the sink wants no more
	now     int64
	queue   queue
	serial  uint64
	dumped  int64 // minute of the last table dump

	origins     [][]origination // by prefix
	ways        map[*network][]*way
	blocks      []block
	preferences map[preferenceKey][][]*way
	orders      map[*network][]int
	paths       map[pathKey]*path
	interned    map[internKey]*path
	scratch     []*way

	sessions []session
	silent   map[*collector]int64 // nothing is recorded before this time
	routes   [][]route            // by peer; then by slot times number of prefixes plus prefix
	sorted   []int                // prefix ids in the order of a table dump, IPv4 first
}

// route is what one peer knows of one prefix.
type route struct {
	wanted *path  // where it will settle
	held   *path  // what the router has
	told   *path  // what the collector was told in this session
	since  int64  // when it was told
	turn   uint32 // counts changes of mind: a step of an older turn is void
}

// session is the state of the session between a peer and its collector.
type session struct {
	down  bool
	epoch int   // counts losses
	busy  int64 // until then a table transfer is going on
}

// task is something that will happen.
type task struct {
	at     int64
	serial uint64
	do     func()
}

type queue []task

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].serial < q[j].serial
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(task)) }
func (q *queue) Pop() any {
	old := *q
	t := old[len(old)-1]
	old[len(old)-1] = task{}
	*q = old[:len(old)-1]
	return t
}

// later queues a task. Tasks of the same moment are done in the order of queueing.
func (s *sim) later(at int64, do func()) {
	s.serial++
	heap.Push(&s.queue, task{at, s.serial, do})
}

// run plays the whole scenario into the sink.
func (s *Scenario) run(out sink) *sim {
	m := &sim{
		Scenario: s, sink: out, now: s.start,
		origins: make([][]origination, len(s.prefixes)), ways: map[*network][]*way{},
		preferences: map[preferenceKey][][]*way{}, orders: map[*network][]int{},
		paths: map[pathKey]*path{}, interned: map[internKey]*path{},
		sessions: make([]session, len(s.peers)), silent: map[*collector]int64{}, routes: make([][]route, len(s.peers)),
	}
	m.settle()
	for _, e := range s.events {
		m.later(e.at, func() { m.happen(e) })
	}
	if s.ribEvery > 0 {
		for at := s.start; at < s.end; at += s.ribEvery {
			m.later(at, func() { m.dump() })
		}
	}
	if s.churnGap > 0 {
		m.startChurn()
	}
	return m
}

// play works off the queue until the end or until the sink has enough.
func (s *sim) play() {
	for len(s.queue) > 0 && !s.stopped {
		t := heap.Pop(&s.queue).(task)
		if t.at >= s.end {
			return
		}
		s.now = t.at
		t.do()
	}
}

// settle gives every peer the table that it has before anything happens.
func (s *sim) settle() {
	for _, n := range s.networks {
		s.ways[n] = slices.Clone(n.ways)
		for _, id := range n.prefixes {
			s.origins[id] = append(s.origins[id], origination{n, 5000})
		}
	}
	s.sorted = make([]int, len(s.prefixes))
	for i := range s.sorted {
		s.sorted[i] = i
	}
	slices.SortFunc(s.sorted, func(a, b int) int { return comparePrefix(s.prefixes[a], s.prefixes[b]) })
	for i, q := range s.peers {
		s.routes[i] = make([]route, q.slots*len(s.prefixes))
		for id := range s.prefixes {
			best := s.choose(q, id)
			for slot := range q.slots {
				p := best[slot]
				*s.route(q, slot, id) = route{wanted: p, held: p, told: p, since: s.start}
			}
		}
	}
}

func comparePrefix(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

func (s *sim) route(q *peer, slot, prefix int) *route {
	return &s.routes[q.index][slot*len(s.prefixes)+prefix]
}

// carries reports whether the peer sends the prefix at all.
func (s *sim) carries(q *peer, prefix int) bool {
	return q.col.families.carry(s.prefixes[prefix]) &&
		(q.partial == 10000 || int(s.draw(10000, "partial", uint64(q.index), uint64(prefix))) < q.partial)
}

// choose gives the best path from the peer to the prefix for each of its slots;
// nil for none.
func (s *sim) choose(q *peer, prefix int) [2]*path {
	var out [2]*path
	if !s.carries(q, prefix) {
		return out
	}
	slot := 0
	for _, y := range s.candidates(q, prefix) {
		if p := s.pathOf(q, y, 0); p != nil {
			out[slot] = p
			if slot++; slot == q.slots {
				break
			}
		}
	}
	return out
}

// tell passes on what a peer says about a prefix, where anybody listens.
func (s *sim) tell(q *peer, slot, prefix int, p *path, tag uint16) {
	if s.sessions[q.index].down {
		return
	}
	r := s.route(q, slot, prefix)
	if p == nil && r.told == nil {
		return
	}
	r.told, r.since = p, s.now
	u := bgp.Update{At: q.stamp(s.now), Peer: q.Peer, Kind: bgp.Withdraw, Prefix: s.prefixes[prefix], PathID: q.pathID(slot)}
	if p != nil {
		u.Kind, u.Path = bgp.Announce, p.Path
	}
	s.record(u, q, tag)
}

func (q *peer) pathID(slot int) uint32 {
	if q.slots == 1 {
		return 0
	}
	return uint32(slot + 1)
}

// record passes on what the collector writes down.
func (s *sim) record(u bgp.Update, q *peer, tag uint16) {
	if s.now >= s.silent[q.col] && !s.stopped {
		s.update(u, q, tag)
	}
}

// stamp is the time that the collector of the peer writes down: whole seconds
// unless it writes microseconds.
func (q *peer) stamp(at int64) time.Time {
	if q.col.format.Microseconds {
		return instant(at)
	}
	return instant(at - at%second)
}

// step changes what a peer has for some prefixes, unless it changed its mind
// since; during a table transfer it waits.
func (s *sim) step(q *peer, slot int, prefixes []int, turns []uint32, p *path) {
	if busy := s.sessions[q.index].busy; s.now < busy {
		s.later(busy, func() { s.step(q, slot, prefixes, turns, p) })
		return
	}
	for i, id := range prefixes {
		r := s.route(q, slot, id)
		if r.turn != turns[i] || r.held == p {
			continue
		}
		r.held = p
		tag := uint16(s.draw(1000, "tag", uint64(q.index), uint64(s.now)))
		s.tell(q, slot, id, p, tag)
		if p != nil && int(s.draw(10000, "duplicate", uint64(q.index), uint64(id), uint64(s.now))) < s.duplicates {
			s.repeat(q, slot, id, r.turn, p, tag)
		}
	}
}

// repeat says an announcement a second time, some seconds later, with another
// community: most duplicates in recorded updates are of that kind.
func (s *sim) repeat(q *peer, slot, prefix int, turn uint32, p *path, tag uint16) {
	gap := 1 + int64(s.draw(20, "repeat", uint64(q.index), uint64(prefix), uint64(s.now)))
	s.later(s.now+gap*second, func() {
		r := s.route(q, slot, prefix)
		if r.turn == turn && r.held == p && r.told == p && s.now >= s.sessions[q.index].busy {
			s.tell(q, slot, prefix, p, tag+1)
		}
	})
}

// dump writes the tables of all collectors, at most once a minute: their file
// names say no more.
func (s *sim) dump() {
	if minute := s.now / (60 * second); !s.stopped && minute != s.dumped {
		s.dumped = minute
		s.table(s.now-s.now%second, s)
	}
}
