package speaker

import (
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// step takes in one message of an established session. It is false when that
// has ended.
func (x *session) step() bool {
	if !x.in.more() {
		x.still()
	}
	read := x.in.bytes
	m, f, err := x.in.next()
	x.s.count.octets.Add(x.in.bytes - read)
	if !x.sane(m, f, err) {
		return false
	}
	x.count(m)
	switch m.typ {
	case wire.TypeUpdate:
		return x.update(m.body)
	case wire.TypeKeepalive:
		x.out = x.door.Hear(x.out, x.in.at)
		x.tell(m.raw)
	case wire.TypeNotification:
		x.end(causeOf(m.body), false) // before GoBGP hears of it, and closes
		x.tell(m.raw)
		return false
	case wire.TypeRouteRefresh:
		x.out = x.door.Hear(x.out, x.in.at)
		if len(m.body) == 4 && m.body[2] == 0 { // RFC 7313 gave the third octet a meaning that we did not offer
			x.tell(m.raw)
		}
	case wire.TypeOpen:
		x.end(bgp.Cause{Code: stateError, Subcode: 3, Text: "sent by us: an OPEN in an established session"}, true) // RFC 6608 section 3
		return false
	}
	return true
}

func (x *session) count(m message) { x.s.count.messages[min(m.typ, 5)].Add(1) }

// update takes in an UPDATE.
func (x *session) update(body []byte) bool {
	c := &x.s.count
	had := len(x.out)
	before := x.door.Traffic
	var f wire.Fault
	x.out, f = x.door.Update(x.out, body, x.session, x.in.at)
	if f != wire.None {
		return x.malformed(f)
	}
	c.announced.Add(x.door.Traffic.Announced - before.Announced)
	c.withdrawn.Add(x.door.Traffic.Withdrawn - before.Withdrawn)
	if len(x.out) > had && !x.forwardAll(x.out[had:]) {
		return false
	}
	return x.routes == nil || x.limit()
}

// malformed is about an UPDATE that says nothing. It is no withdrawal, whatever a
// router would make of it: nobody sent one.
func (x *session) malformed(f wire.Fault) bool {
	x.s.count.add(&x.s.count.malformed, f.String())
	x.s.rare.malformed.warn(x.s.log, x.in.at, "malformed UPDATE", "peer", x.peer.String(), "fault", f.String(), "class", f.Class().String())
	if f.Class() == wire.SessionReset {
		x.end(causeOfFault(f), true)
		return false
	}
	return true
}

// limit ends a session that announced too much.
func (x *session) limit() bool {
	x.routes.count(x.door.Split())
	if !x.warned && float64(x.routes.n) > x.n.warnShare*float64(x.n.max) {
		x.warned = true
		x.s.count.warnings.Add(1)
		x.s.rare.prefixes.warn(x.s.log, x.in.at, "a neighbour comes near its max_prefixes", "peer", x.peer.String(), "prefixes", x.routes.n, "max_prefixes", x.n.max)
	}
	if x.routes.n <= x.n.max {
		return true
	}
	x.s.mu.Lock()
	x.s.idle[x.addr] = time.Now().Add(x.s.cfg.IdleHold)
	x.s.mu.Unlock()
	x.end(bgp.Cause{Code: cease, Subcode: ceasePrefixes, Text: "sent by us: more prefixes than max_prefixes"}, true)
	return false
}

// forwardAll gives GoBGP what the watchlist wants of the message just split.
func (x *session) forwardAll(us []bgp.Update) bool {
	ends := x.forward.ends
	b := x.forward.write(us, x.door.Split())
	if n := x.forward.beyond; n > 0 {
		x.s.count.beyond.Add(n)
		x.forward.beyond = 0
	}
	if len(b) == 0 {
		return true
	}
	x.tell(b)
	x.s.count.forwarded.Add(uint64(len(b)))
	x.waiting += x.forward.ends - ends
	for x.waiting > 0 {
		select {
		case <-x.slot.barrier:
			x.waiting--
			continue
		default:
		}
		if x.waiting <= maxBarriers {
			break
		}
		select {
		case <-x.slot.barrier:
			x.waiting--
		case <-x.over:
			return false
		}
	}
	return true
}

// tell writes to GoBGP. Only run does.
func (x *session) tell(b []byte) {
	x.told = time.Now()
	_, _ = x.engine.Write(b) // its end is noticed where it is read
}

// still tells GoBGP, which does not see the UPDATEs, that the router lives. RFC
// 4271 section 4.4 lets a router that sends UPDATEs leave its KEEPALIVEs out.
func (x *session) still() {
	if x.in.at.Sub(x.told) >= keepEvery {
		x.tell(keepalive)
		x.s.count.injected.Add(1)
	}
}

// flush hands over what has gathered. While nobody takes it the router is not
// read, and GoBGP is told that this is not the router's silence.
func (x *session) flush() {
	if len(x.out) == 0 {
		return
	}
	var began time.Time
	x.s.out.push(x.out, func(room <-chan struct{}) {
		if began.IsZero() {
			began = time.Now()
		}
		t := time.NewTicker(keepEvery)
		defer t.Stop()
		for {
			select {
			case <-room:
				return
			case <-t.C:
				x.tell(keepalive)
				x.s.count.injected.Add(1)
			}
		}
	})
	if !began.IsZero() {
		x.s.count.held.Add(int64(time.Since(began)))
	}
	x.s.mu.Lock()
	x.s.heard = x.in.at
	x.s.mu.Unlock()
	clear(x.out)
	x.out = x.out[:0]
}
