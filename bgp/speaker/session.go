package speaker

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

const (
	openPatience = 30 * time.Second // for a router's OPEN, once it has connected
	lastWord     = time.Second      // for a NOTIFICATION to leave, and to be read
	keepEvery    = time.Second      // between KEEPALIVEs towards GoBGP for UPDATEs that it does not see
	pushAt       = 1024             // updates that one session gathers
)

// session is one connection of a router, and its counterpart to GoBGP. One
// goroutine reads the router (run), another one GoBGP (fromEngine).
type session struct {
	s     *Speaker
	n     *neighbour
	addr  netip.Addr
	conn  net.Conn
	wmu   sync.Mutex // one message at a time to conn
	reset bool       // guarded by wmu; the router broke the connection off, as a write was told

	// Set before the session is up, read by others while it is.
	peer   bgp.Peer
	theirs open
	ours   open

	replaced bool      // guarded by s.mu; a new connection waits for the end of this one
	up       bool      // guarded by s.mu; established
	state    string    // guarded by s.mu
	since    time.Time // guarded by s.mu; of state

	once   sync.Once
	over   chan struct{} // closed when the session is to end
	cause  bgp.Cause     // why; set before over is closed
	done   chan struct{} // closed when it has ended and said so
	agreed chan struct{} // closed when GoBGP's OPEN has gone to the router

	// Of run alone.
	in      *reader
	engine  net.Conn
	slot    *slot
	session wire.Session
	door    *wire.Door
	routes  *held // where there is a limit
	warned  bool
	forward forwarder
	waiting int       // markers that have not come out of GoBGP
	told    time.Time // when GoBGP last heard that the router lives
	out     []bgp.Update
}

func newSession(s *Speaker, n *neighbour, addr netip.Addr, c net.Conn, now time.Time) *session {
	return &session{s: s, n: n, addr: addr, conn: c, state: "connect", since: now, in: newReader(c, readSize),
		over: make(chan struct{}), done: make(chan struct{}), agreed: make(chan struct{})}
}

// end lets the session end for a cause, the first one that is given. With say,
// the router gets it as NOTIFICATION.
func (x *session) end(c bgp.Cause, say bool) {
	if say {
		x.endWith(c, notification(c))
	} else {
		x.endWith(c, nil)
	}
}

func (x *session) endWith(c bgp.Cause, word []byte) {
	x.once.Do(func() {
		x.cause = c
		close(x.over)
		_ = x.conn.SetWriteDeadline(time.Now().Add(lastWord))
		if word != nil {
			x.wmu.Lock()
			_, _ = x.conn.Write(word)
			x.wmu.Unlock()
		}
		_ = x.conn.SetReadDeadline(time.Unix(1, 0)) // run wakes up
	})
}

func (x *session) isOver() bool {
	select {
	case <-x.over:
		return true
	default:
		return false
	}
}

// run is the session from the connection to its end.
func (x *session) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		x.end(bgp.Cause{Code: cease, Subcode: ceaseShutdown, Text: "the monitor stops"}, true)
	})
	defer stop()
	reason := x.work(ctx)
	x.end(bgp.Cause{}, false) // no-op where there was a cause
	x.finish(reason)
	if x.slot != nil {
		x.s.engine.leave(x.slot)
	}
	x.bury()
}

// work gives the reason of a refusal where the session did not come about.
func (x *session) work(ctx context.Context) (refused string) {
	raw, refused := x.hello()
	if refused != "" {
		return refused
	}
	slot, c, err := x.s.engine.join(ctx, x.theirs.asn, x.n, x.s.cfg.HoldTime)
	if err != nil {
		if ctx.Err() == nil {
			x.s.log.Error("GoBGP takes no session", "peer", x.peer.String(), "error", err)
			x.end(bgp.Cause{Code: cease, Subcode: ceaseResources, Text: err.Error()}, true)
		}
		return refusedSession
	}
	x.slot, x.engine = slot, c
	var below sync.WaitGroup
	below.Go(x.fromEngine)
	defer below.Wait()
	defer c.Close()
	x.tell(raw)
	x.setState("openconfirm")
	select {
	case <-x.agreed:
	case <-x.over:
		return refusedSession
	}
	x.in.long = x.ours.extended && x.theirs.extended
	if !x.confirm() {
		return refusedSession
	}
	x.established()
	x.flush()
	for x.step() {
		if len(x.out) > 0 && (len(x.out) >= pushAt || !x.in.more()) {
			x.flush()
		}
	}
	x.flush()
	return ""
}

// hello reads the router's OPEN and decides what GoBGP is not asked about.
func (x *session) hello() (raw []byte, refused string) {
	x.setState("opensent")
	_ = x.conn.SetReadDeadline(time.Now().Add(openPatience))
	m, f, err := x.in.next()
	switch {
	case err != nil:
		x.end(x.causeOfRead(err), false)
		return nil, refusedSilent
	case f != wire.None:
		x.end(causeOfFault(f), true)
		return nil, refusedOpen
	case m.typ != wire.TypeOpen:
		x.end(bgp.Cause{Code: stateError, Subcode: 1, Text: "sent by us: no OPEN"}, true) // RFC 6608 section 3
		return nil, refusedOpen
	}
	x.count(m)
	x.theirs, err = parseOpen(m.body)
	switch {
	case err != nil:
		x.end(bgp.Cause{Code: openError, Text: "sent by us: " + err.Error()}, true)
		return nil, refusedOpen
	case !slices.Contains(x.n.asns, x.theirs.asn):
		x.end(bgp.Cause{Code: openError, Subcode: badAS, Text: "sent by us: " + bgp.ASN(x.theirs.asn) + " is not configured"}, true)
		return nil, refusedASN
	case x.theirs.hold == 0:
		// A session without a hold time never notices its end, and GoBGP v3 cannot
		// write to it (RFC 4271 section 4.2 lets us refuse).
		x.end(bgp.Cause{Code: openError, Subcode: badHoldTime, Text: "sent by us: a hold time of 0"}, true)
		return nil, refusedHold
	}
	x.s.mu.Lock()
	x.peer = bgp.Peer{Collector: x.s.cfg.Collector, Addr: x.addr, ASN: x.theirs.asn}
	x.s.mu.Unlock()
	return slices.Clone(m.raw), ""
}

// confirm waits for the KEEPALIVE that answers our OPEN.
func (x *session) confirm() bool {
	_ = x.conn.SetReadDeadline(time.Time{})
	if x.isOver() { // whose deadline this may have undone
		return false
	}
	m, f, err := x.in.next()
	if !x.sane(m, f, err) {
		return false
	}
	x.count(m)
	if m.typ == wire.TypeNotification {
		x.end(causeOf(m.body), false) // before GoBGP hears of it, and closes
		x.tell(m.raw)
		return false
	}
	if m.typ != wire.TypeKeepalive {
		x.end(bgp.Cause{Code: stateError, Subcode: 2, Text: "sent by us: no KEEPALIVE after OPEN"}, true)
		return false
	}
	x.tell(m.raw)
	select {
	case <-x.slot.up:
		return true
	case <-x.over:
		return false
	}
}

// sane ends the session where a message could not be read.
func (x *session) sane(m message, f wire.Fault, err error) bool {
	if err != nil {
		x.end(x.causeOfRead(err), false)
		return false
	}
	if f != wire.None {
		x.s.count.add(&x.s.count.malformed, f.String())
		x.end(causeOfFault(f), true)
		return false
	}
	if m.typ < wire.TypeOpen || m.typ > wire.TypeRouteRefresh {
		x.s.count.add(&x.s.count.malformed, "bad-message-type")
		c := bgp.Cause{Code: headerError, Subcode: 3, Text: "sent by us: unknown type of message"}
		x.endWith(c, notification(c, m.typ))
		return false
	}
	return true
}

func (x *session) setState(state string) {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.state, x.since = state, time.Now()
}

func (x *session) established() {
	at := x.in.at
	s := x.s
	x.door = s.watch.Door(x.peer)
	x.session = agreed(x.ours, x.theirs)
	x.forward = forwarder{s: x.session, inner: x.theirs.asn == x.n.localASN, known: newHeld()}
	if x.n.max > 0 {
		x.routes = newHeld()
	}
	s.mu.Lock()
	x.door.Traffic = s.traffic[x.peer]
	x.up, x.state, x.since = true, "established", at
	delete(s.last, x.n)
	s.mu.Unlock()
	s.count.up.Add(1)
	s.log.Info("session established", "peer", x.peer.String(), "as4", x.session.AS4, "add_path_ipv4", x.session.AddPath4,
		"add_path_ipv6", x.session.AddPath6, "extended_messages", x.in.long, "graceful_restart", x.theirs.graceful, "restarted", x.theirs.restart)
	x.out = append(x.out, bgp.Update{At: at, Peer: x.peer, Kind: bgp.PeerUp})
	x.out = x.door.Hear(x.out, at)
}

// finish says that the session is over, to whoever wants to know.
func (x *session) finish(refused string) {
	s, now := x.s, time.Now().Truncate(time.Microsecond)
	s.mu.Lock()
	up := x.up
	x.up = false
	if up {
		s.traffic[x.peer] = x.door.Traffic
	}
	if !x.n.dynamic {
		s.last[x.n] = status{now, x.cause.String()}
	}
	s.mu.Unlock()
	if up {
		s.log.Warn("session lost", "peer", x.peer.String(), "cause", x.cause.String())
		s.count.add(&s.count.down, causeWord(x.cause))
		x.out = append(x.out[:0], bgp.Update{At: now, Peer: x.peer, Kind: bgp.PeerDown, Cause: x.cause})
		s.out.push(x.out, func(room <-chan struct{}) { <-room })
	} else {
		s.count.add(&s.count.refused, refused)
		s.rare.refused.warn(s.log, now, "a session did not come about", "from", x.addr.String(), "reason", refused, "cause", x.cause.String())
	}
	s.mu.Lock()
	delete(s.sessions, x.addr)
	s.mu.Unlock()
	close(x.done)
}

// causeWord is a cause without its text: a bounded set.
func causeWord(c bgp.Cause) string {
	if c.Code == 0 {
		return "connection"
	}
	c.Text = ""
	return c.String()
}

// bury closes the connection such that the last word arrives: while something
// unread lies in our socket, closing it would take the NOTIFICATION back (RST).
func (x *session) bury() {
	defer x.conn.Close()
	if t, ok := x.conn.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
	_ = x.conn.SetReadDeadline(time.Now().Add(lastWord))
	_, _ = io.Copy(io.Discard, io.LimitReader(x.conn, 16<<20))
}

// fromEngine passes on what GoBGP says. No route gets through.
func (x *session) fromEngine() {
	r := newReader(x.engine, 4*maxMessage)
	for {
		m, f, err := r.next()
		if err != nil || f != wire.None {
			x.end(bgp.Cause{Code: cease, Subcode: ceaseResources, Text: errEngine.Error()}, true)
			return
		}
		switch m.typ {
		case wire.TypeOpen:
			select {
			case <-x.agreed:
				continue // one is enough
			default:
			}
			raw := withExtended(m.raw)
			if x.ours, err = parseOpen(raw[wire.HeaderLen:]); err != nil {
				x.end(bgp.Cause{Code: cease, Subcode: ceaseResources, Text: "GoBGP: " + err.Error()}, true)
				return
			}
			x.send(raw)
			close(x.agreed)
			continue
		case wire.TypeNotification:
			c := causeOf(m.body)
			c.Text = "sent by us: " + c.String()
			x.endWith(c, m.raw)
			return
		case wire.TypeUpdate:
			if !isEndOfRIB(m.body) {
				x.s.count.suppressed.Add(1)
				x.s.log.Error("kept an UPDATE from a neighbour that must never get one", "peer", x.peer.String())
				continue
			}
		}
		x.send(m.raw)
	}
}

// isEndOfRIB reports whether an UPDATE is nothing but the marker of a family (RFC
// 4724 section 2).
func isEndOfRIB(b []byte) bool {
	if len(b) < 4 || binary.BigEndian.Uint16(b) != 0 {
		return false
	}
	switch attrs := b[4:]; {
	case len(attrs) != int(binary.BigEndian.Uint16(b[2:])):
		return false // there is NLRI
	case len(attrs) == 0:
		return true
	case attrs[0]&0x10 != 0:
		return len(attrs) == 7 && attrs[1] == wire.AttrUnreach && attrs[2] == 0 && attrs[3] == 3
	default:
		return len(attrs) == 6 && attrs[1] == wire.AttrUnreach && attrs[2] == 3
	}
}

// send writes a message to the router. Where it does not read for the hold time,
// the session is over.
func (x *session) send(raw []byte) {
	if err := x.write(raw); err != nil {
		x.end(bgp.Cause{Text: "the neighbour does not read: " + err.Error()}, false)
	}
}

func (x *session) write(raw []byte) error {
	x.wmu.Lock()
	defer x.wmu.Unlock()
	if x.isOver() {
		return nil // the NOTIFICATION was the last word
	}
	_ = x.conn.SetWriteDeadline(time.Now().Add(x.s.cfg.HoldTime))
	if x.isOver() {
		_ = x.conn.SetWriteDeadline(time.Now().Add(lastWord))
	}
	_, err := x.conn.Write(raw)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if errors.Is(err, syscall.ECONNRESET) {
		x.reset = true // the kernel tells one of writer and reader: the other one finds the stream ended
	}
	return nil // any other end is noticed, and told better, where it is read
}

// causeOfRead is why the router's socket gives nothing more.
func (x *session) causeOfRead(err error) bgp.Cause {
	x.wmu.Lock() // a write that is just being told of it
	defer x.wmu.Unlock()
	if x.reset && errors.Is(err, io.EOF) {
		err = syscall.ECONNRESET
	}
	return causeOfRead(err)
}

// refresh asks for the routes of all families again, if the router can.
func (x *session) refresh() bool {
	if !x.theirs.refresh {
		return false
	}
	for f := range x.ours.families {
		if x.ours.families[f] && x.theirs.families[f] {
			x.s.count.refreshes.Add(1)
			x.send(refresh(byte(f + wire.AFI4)))
		}
	}
	return true
}
