package watch

import (
	"cmp"
	"container/heap"
	"net/netip"
	"slices"
	"time"

	"depeer/bgp"
	"depeer/bgp/rib"
)

// Detector turns updates into events and incidents. It is not safe for
// concurrent use.
type Detector struct {
	policy    Policy
	edges     bounds // for shares of edges
	sight     bounds // for the visibility of prefixes
	hosters   []*hoster
	byASN     map[uint32][]*hoster
	table     *rib.Table
	prefixes  map[netip.Prefix][]*prefix // one of each hoster that has to do with it
	upstreams map[uint32]*reference      // upstreams of hosters, and the references behind them
	feeds     map[string]*feed           // by collector

	now      int64        // the second that is being gathered, Unix; 0 before the first
	second   []bgp.Update // what was said in it
	started  int64        // the first second
	minute   int64        // of the last look for silence
	joined   int          // peers that are counted
	most     int          // the most that ever were: one of many is not all that there is
	complete [2]int       // of these, peers whose whole table of the family is known
	turns    int          // how often any of these changed

	dirty   map[judged]struct{}
	todo    []ranked `snapshot:"-"`
	timers  timerQueue
	queued  map[judged]int64 // the earliest timer of each
	events  []Event          // of the present second
	emitted uint64
	story   story
	ledger  ledger
	early   early

	completed uint64 // rib.Table.Completed as of complete

	canaries canaries

	// Validate says what the RPKI knows of an origin of a prefix, in the words of
	// Event.RPKI; nil, and what it answers with "", is "unknown". It is asked when an
	// origin.new is raised. It is the caller's: a saved detector comes back without it.
	Validate func(netip.Prefix, uint32) string `snapshot:"-"`
}

// judged is what the end of a second looks at.
type judged interface {
	judge(d *Detector, t int64) (again int64)
	rank() rank
}

// rank orders what is judged in one second, and so the events of it: by hoster,
// edges before the hops above them, then prefixes, then the hoster as a whole,
// then other origins. It depends on what is judged alone, not on when it was met.
type rank struct {
	hoster, kind int
	key          [4]uint64
}

// The kinds of what is judged. Feeds and references go before all hosters.
const (
	rankEdge = iota
	rankVia
	rankPrefix
	rankHoster
	rankOrigin
	rankIncident

	ofFeeds      = -2
	ofReferences = -1
)

func (r rank) compare(q rank) int {
	return cmp.Or(cmp.Compare(r.hoster, q.hoster), cmp.Compare(r.kind, q.kind), slices.Compare(r.key[:], q.key[:]))
}

type ranked struct {
	rank
	judged
}

// hoster is a watched entity and what is known of it.
type hoster struct {
	Hoster
	d        *Detector
	index    int
	prefixes []*prefix  // its own, in order
	own      [2]*family // by family: what it originates
	transit  [2]*family // what it carries for others
	carried  int        // prefixes of others that it is followed by
	dark     bool
	darkFrom int64
	lit      int64    // when it last returned
	total    level    // routes of its own, in all
	horizon  *horizon // nil: it was watched from the first
	removed  bool     // and is not watched any more
	incident *incident
	lossLog  []int64 // seconds of upstream losses, for the story
}

// family is a hoster's edges in one address family.
type family struct {
	h        *hoster
	v6       int
	own      bool
	eligible int // pairs of (prefix, eligible peer)
	edges    map[uint32]*edge
	vias     map[[2]uint32]*edge // (via, upstream)
	prefixes int
	born     int64
}

// edge is (upstream, hoster), or the hop above it.
type edge struct {
	f         *family
	asn       uint32 // the upstream
	via       uint32 // the hop above; 0 for the edge itself
	pairs     level
	byPeer    []int32 // routes, by peer
	trusted   []int32 // of these: routes seen to come, not just found there
	peers     int
	fresh     int     // peers with trusted routes
	held      int     // peers at the baseline
	known     bool    // it is, or was within the baseline, an upstream
	lastSeen  int64   // when it last was
	rising    int64   // since when enough peers have it, while not known
	lostAt    int64   // when its last loss was told
	lostOnset int64   // and when that began
	lostLast  int64   // and when the last routes went
	lostRef   float64 // and its count before
}

// prefixKind is what a prefix is to its hoster.
type prefixKind uint8

const (
	ownPrefix     prefixKind = iota + 1 // it originates it, or it is configured
	transitPrefix                       // it carries it for a customer
	foreignPrefix                       // somebody else originates a part of its space
	referencePrefix
)

// prefix is a followed prefix.
type prefix struct {
	netip.Prefix
	kind     prefixKind
	h        *hoster // nil for references
	v6       int
	entry    *rib.Entry
	counted  []bool // by peer: eligible
	eligible int
	sight    level
	origins  map[uint32]*origin
	ownPeers int // peers that have it from the hoster
	fresh    int // of these, seen to come
	known    bool
	rising   int64
	retired  bool  // withdrawn for so long that it counts no more
	away     int64 // since when somebody else originates it, and the hoster does not
	counting bool  // the change being told is counted already
	zombies  []string
	from     int64 // first seen
	removed  bool  // it is not followed any more
}

// origin is somebody else's origination of a hoster's space.
type origin struct {
	p       *prefix
	asn     uint32
	peers   map[int]bool // by peer: true where it was seen to come
	fresh   int
	known   bool
	rising  int64
	told    bool
	onset   int64
	removed bool
}

// NewDetector makes a detector for a watchlist. Both are copied.
func NewDetector(list Watchlist, policy Policy) *Detector {
	d := &Detector{
		byASN: map[uint32][]*hoster{}, table: rib.New(policy.SyncQuiet),
		prefixes: map[netip.Prefix][]*prefix{}, upstreams: map[uint32]*reference{}, feeds: map[string]*feed{},
		dirty: map[judged]struct{}{}, queued: map[judged]int64{},
	}
	d.rule(policy)
	for i := range list.Hosters {
		d.hosters = append(d.hosters, d.newHoster(list.Hosters[i], i))
	}
	d.number()
	for _, h := range d.hosters {
		for _, q := range h.Prefixes {
			if find(d.prefixes[q], h) == nil {
				d.follow(q, h, ownPrefix)
			}
		}
	}
	d.story.init(d)
	d.ledger = newLedger()
	d.canaries = newCanaries(list.Canaries)
	return d
}

// rule puts a policy in force.
func (d *Detector) rule(policy Policy) {
	seconds := func(x time.Duration) int64 { return int64(x / time.Second) }
	d.policy, d.table.SyncQuiet = policy, policy.SyncQuiet
	d.edges = bounds{lo: policy.LostBelow, hi: policy.RestoredAbove, hold: seconds(policy.Hold),
		settle: seconds(policy.Settle), newNormal: seconds(policy.NewNormal), reonset: 15 * 60}
	d.sight = d.edges
	d.sight.lo = policy.WithdrawnBelow
}

func (d *Detector) newHoster(x Hoster, index int) *hoster {
	h := &hoster{Hoster: x, d: d, index: index}
	for v := range h.own {
		h.own[v] = newFamily(h, v, true)
		h.transit[v] = newFamily(h, v, false)
	}
	return h
}

// number finds the hosters by what they are listed with.
func (d *Detector) number() {
	clear(d.byASN)
	for i, h := range d.hosters {
		h.index = i
		for _, a := range h.ASNs {
			d.byASN[a] = append(d.byASN[a], h)
		}
		for _, u := range h.Upstreams {
			d.reference(u)
		}
	}
}

func newFamily(h *hoster, v6 int, own bool) *family {
	return &family{h: h, v6: v6, own: own, edges: map[uint32]*edge{}, vias: map[[2]uint32]*edge{}}
}

// Observe takes in one update and returns the events that it completes: those
// of all seconds before the update's. The clock is the update's time.
func (d *Detector) Observe(u bgp.Update) []Event {
	if s := u.At.Unix(); s > d.now {
		d.pass(s)
		d.now = s
	}
	if d.started == 0 {
		d.started = d.now
	}
	d.second = append(d.second, u)
	return d.take()
}

// Advance tells that it is now, and that nothing older will come: hold times
// that end by now, end.
func (d *Detector) Advance(now time.Time) []Event {
	if s := now.Unix(); s > d.now {
		d.pass(s)
		d.now = s
	}
	if d.early.at != 0 && now.UnixNano() >= d.early.at && d.early.at/int64(time.Second) == d.now {
		d.settle(d.now)
	}
	return d.take()
}

// Revisions returns the incidents that changed since it was last asked, each in
// its latest state per change, in order.
func (d *Detector) Revisions() []Incident { return d.story.take() }

// Now is the second being gathered; the zero time before the first.
func (d *Detector) Now() time.Time {
	if d.now == 0 {
		return time.Time{}
	}
	return time.Unix(d.now, 0).UTC()
}

func (d *Detector) take() []Event {
	out := d.events
	d.events = nil
	return out
}

// pass ends the present second and every timer before the second until.
func (d *Detector) pass(until int64) {
	if d.now != 0 {
		d.endSecond(d.now)
	}
	if d.now == 0 {
		return
	}
	longest := d.now + 2*24*3600
	for {
		next := until
		if len(d.timers) > 0 && d.timers[0].at < next {
			next = max(d.timers[0].at, d.now)
		}
		if n := d.table.Next(); !n.IsZero() {
			if s := max(ceilSecond(n), d.now+1); s < next {
				next = s
			}
		}
		if m := (d.minute + 1) * 60; m > d.now && m < next {
			if next = m; m > longest { // a record of the next century: all have long been silent
				d.minute = until / 60
				continue
			}
		}
		if next >= until {
			return
		}
		for len(d.timers) > 0 && d.timers[0].at <= next {
			x := heap.Pop(&d.timers).(timer)
			if d.queued[x.what] == x.at {
				delete(d.queued, x.what)
			}
			d.dirty[x.what] = struct{}{}
		}
		d.now = next
		d.endSecond(next)
	}
}

func ceilSecond(t time.Time) int64 {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return s
}

// endSecond applies what was said in the second, and judges.
func (d *Detector) endSecond(t int64) {
	d.settle(t)
	last := lastWord(d.second)
	slices.SortStableFunc(d.second, func(a, b bgp.Update) int {
		return a.Peer.Compare(b.Peer)
	})
	for i := range d.second {
		u := &d.second[i]
		d.hearFeed(u)
		d.table.Apply(*u, d.change)
		if len(d.canaries.set) > 0 {
			d.canaries.session(u, d.table.Peer(u.Peer))
		}
		if u.Kind == bgp.TableEnd || u.Kind == bgp.EndOfRIB {
			d.recount(u.Peer)
		}
	}
	d.second = d.second[:0]
	d.table.Advance(time.Unix(t, 0).UTC(), d.change)
	if d.completed != d.table.Completed { // a family ended by calm: nobody said so
		d.countComplete()
	}
	d.judgeCanaries(t)
	if m := t / 60; m > d.minute {
		d.minute = m
		d.everyMinute(t)
	}
	d.judgeAll(t)
	if d.early.at = max(last+int64(calm), (t+1)*int64(time.Second)); last == 0 || len(d.early.what) == 0 {
		d.early = early{}
	}
	d.story.tell(d, t)
}

type timer struct {
	at   int64
	what judged
}

type timerQueue []timer

func (q timerQueue) Len() int           { return len(q) }
func (q timerQueue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q timerQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *timerQueue) Push(x any)        { *q = append(*q, x.(timer)) }
func (q *timerQueue) Pop() any {
	o := *q
	x := o[len(o)-1]
	*q = o[:len(o)-1]
	return x
}

func (d *Detector) mark(j judged) { d.dirty[j] = struct{}{} }

// seeded reports whether most peers' whole tables of the family are known, as far
// as they are about the hoster (nil: any), so that what was never heard of is
// really new.
func (d *Detector) seeded(h *hoster, v6 int) bool {
	complete := d.complete
	if h != nil && h.horizon != nil {
		complete = h.horizon.known(d)
	}
	return complete[v6]*2 >= d.joined && d.joined > 0
}

// least is the number of peers that make an edge or a sight: min_peers, or all
// where there are fewer; without tables to start from, so many that the silence
// of the others does not matter.
func (d *Detector) least(h *hoster, v6 int) int {
	n := min(d.policy.MinPeers, max(d.most, 1))
	if !d.seeded(h, v6) {
		n = max(n, int(d.policy.MinKnown*float64(d.joined)+0.999))
	}
	return n
}

// later has something judged again at t.
func (d *Detector) later(t int64, j judged) {
	t = max(t, d.now+1)
	if q, ok := d.queued[j]; ok && q <= t {
		return // it is asked again before, and asks again itself
	}
	d.queued[j] = t
	heap.Push(&d.timers, timer{t, j})
}
