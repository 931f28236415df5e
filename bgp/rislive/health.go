package rislive

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"depeer/bgp"
)

// The counters that have reasons.
const (
	countMalformed = iota
	countIgnored
	countControl
	countFamilies
)

var messageTypes = [...]string{"UPDATE", "KEEPALIVE", "OPEN", "NOTIFICATION", "RIS_PEER_STATE", "STATE", "other"}

// counts is everything that moves. Its methods may be called from any goroutine.
type counts struct {
	types                                                                    [len(messageTypes)]atomic.Uint64
	read, bytes, connections, lost, refused, updates, dropped, stale, future atomic.Uint64
	twoOctets, peers, subscriptions, missing, longLines                      atomic.Uint64

	mu    sync.Mutex
	named [countFamilies]map[string]uint64 // guarded by mu
}

func (c *counts) add(family int, reason string, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.named[family] == nil {
		c.named[family] = map[string]uint64{}
	}
	c.named[family][reason] += n
}

func (c *counts) message(typ []byte) {
	i := 0
	for i < len(messageTypes)-1 && string(typ) != messageTypes[i] {
		i++
	}
	c.types[i].Add(1)
}

// list gives the counters in order of name and reason.
func (c *counts) list(queued int) []bgp.Count {
	var out []bgp.Count
	add := func(name, reason, help string, gauge bool, v uint64) {
		out = append(out, bgp.Count{Name: name, Reason: reason, Help: help, Gauge: gauge, Value: float64(v)})
	}
	named := func(family int, name, help string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, r := range slices.Sorted(maps.Keys(c.named[family])) {
			add(name, r, help, false, c.named[family][r])
		}
	}
	add("bytes", "", "Octets of messages that were read from the server.", false, c.bytes.Load())
	add("connections", "", "Connections to the server that came up.", false, c.connections.Load())
	add("connections_lost", "", "Connections to the server that were lost.", false, c.lost.Load())
	add("connections_refused", "", "Attempts to connect that failed.", false, c.refused.Load())
	named(countControl, "control", "Messages of the server about the stream, by type.")
	add("dropped", "", "Messages that were dropped because the queue was full.", false, c.dropped.Load())
	add("future", "", "Messages with a stamp in the future, taken in as of their arrival.", false, c.future.Load())
	named(countIgnored, "ignored", "Messages that were well formed and not taken in, by reason.")
	const malformed = "Messages that were refused, by reason."
	named(countMalformed, "malformed", malformed)
	add("malformed", string(tooLong), malformed, false, c.longLines.Load())
	for i, t := range messageTypes {
		add("messages", t, "Messages of collectors, by type.", false, c.types[i].Load())
	}
	add("peers", "", "Sessions of collectors that are told apart.", true, c.peers.Load())
	add("read", "", "Messages that were read from the server.", false, c.read.Load())
	add("queue", "", "Messages that wait.", true, uint64(queued))
	add("stale", "", "Messages with a stamp more than an hour old.", false, c.stale.Load())
	add("subscriptions", "", "Subscriptions in force on the present connection.", true, c.subscriptions.Load())
	add("two_octets", "", "Messages whose AS numbers have two octets.", false, c.twoOctets.Load())
	add("unsubscribed", "", "What is watched and not subscribed to, because it is too much.", true, c.missing.Load())
	add("updates", "", "Updates that were emitted.", false, c.updates.Load())
	slices.SortStableFunc(out, func(a, b bgp.Count) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Reason, b.Reason))
	})
	return out
}

// board says how the feed is. Its methods may be called from any goroutine.
type board struct {
	now func() time.Time

	heard     atomic.Int64 // arrival of the last message, Unix microseconds
	lag       atomic.Int64 // microseconds
	confirmed atomic.Bool  // the server has answered on this connection
	objected  atomic.Bool  // it has objected to a subscription that we can do without

	mu         sync.Mutex
	ready      bool                    // guarded by mu, as all below
	since      time.Time               // of ready
	connected  bool                    // there is a connection
	down       string                  // why there is none
	complaint  string                  // what the server said against our subscriptions
	shortage   string                  // why we do not hear all that is watched
	lenient    bool                    // a complaint is about a subscription that we can do without
	collectors map[string]*bgp.Session // by name
	queue      *queue
}

func newBoard(now func() time.Time, hosts []string) *board {
	b := &board{now: now, since: now(), down: "not started", collectors: map[string]*bgp.Session{}}
	for _, h := range hosts {
		name := collectorOf(h)
		b.collectors[name] = &bgp.Session{Name: name, State: "silent", Since: b.since, Reason: "not heard yet"}
	}
	return b
}

// judge is called, with mu held, after any change.
func (b *board) judge() {
	if ready := b.reason() == ""; ready != b.ready {
		b.ready, b.since = ready, b.now()
	}
}

// reason says why the feed is not ready.
func (b *board) reason() string {
	switch {
	case !b.connected:
		return b.down
	case b.complaint != "":
		return "RIS Live refuses: " + b.complaint
	case b.shortage != "":
		return b.shortage
	case !b.confirmed.Load():
		return "connected; RIS Live has not answered yet"
	}
	return ""
}

func (b *board) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	b.judge()
}

// open notes a new connection. Where answered is set the server has said yes already.
func (b *board) open(q *queue, answered, lenient bool) {
	b.change(func() {
		b.connected, b.down, b.complaint, b.shortage, b.queue = true, "", "", "", q
		b.lenient = lenient && !b.objected.Load()
		b.confirmed.Store(answered)
	})
}

// close notes that there is no connection.
func (b *board) close(why string) {
	b.change(func() {
		b.connected, b.down = false, why
		b.confirmed.Store(false)
		for _, s := range b.collectors {
			if s.Up {
				s.State, s.Up, s.Since = "silent", false, b.now()
			}
			s.Reason = why
		}
	})
}

func (b *board) answered() {
	if !b.confirmed.Load() {
		b.change(func() { b.confirmed.Store(true) })
	}
}

// hear notes a message of a peer.
func (b *board) hear(arrived, stamp int64) {
	b.heard.Store(arrived)
	b.lag.Store(max(arrived-stamp, 0))
	b.answered()
}

// complain notes what the server said against us.
func (b *board) complain(text string) {
	b.change(func() {
		if b.lenient {
			b.lenient = false
			b.objected.Store(true)
			return
		}
		b.complaint = text
	})
}

// said gives the last complaint of this connection.
func (b *board) said() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.complaint
}

// short notes that we do not hear all that is watched, or do again.
func (b *board) short(why string) { b.change(func() { b.shortage = why }) }

// collector notes that a collector is heard on this connection.
func (b *board) collector(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.collectors[name] = &bgp.Session{Name: name, State: "streaming", Up: true, Since: b.now()}
}

// Health says how the feed is. Its sessions are the collectors: "streaming" where
// one was heard on the present connection, else "silent". The lag is that of the
// last message, by its collector's clock.
func (f *Feed) Health(time.Time) bgp.Health {
	b := f.board
	b.mu.Lock()
	h := bgp.Health{Ready: b.ready, Reason: b.reason(), Since: b.since}
	for _, s := range b.collectors {
		h.Sessions = append(h.Sessions, *s)
	}
	q := b.queue
	b.mu.Unlock()
	slices.SortFunc(h.Sessions, func(x, y bgp.Session) int { return strings.Compare(x.Name, y.Name) })
	if at := b.heard.Load(); at != 0 {
		h.Heard, h.Lag = time.UnixMicro(at).UTC(), time.Duration(b.lag.Load())*time.Microsecond
	}
	queued := 0
	if q != nil {
		queued = q.len()
	}
	h.Counts = f.counts.list(queued)
	return h
}
