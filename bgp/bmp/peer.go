package bmp

import (
	"hash/maphash"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

const (
	// stampAhead is how far a router's clock may be in front of ours.
	stampAhead = 5 * time.Second
	// heldBack is how long a router that used to send a peer before its policy may
	// send it after its policy only, until it is believed to have changed its mind.
	heldBack = 10 * time.Minute
)

// at is the time of a message of a vantage point, never before what was said of it last.
func (c *conn) at(m *message, v *vantage) time.Time {
	at := c.last.Truncate(time.Microsecond)
	switch stamp := m.stamp(); {
	case stamp.IsZero():
		c.s.counts.add(stampNone)
	case stamp.After(at.Add(stampAhead)):
		c.s.counts.add(stampFuture)
	case stamp.Before(at.Add(-c.s.cfg.StampTolerance)):
		c.s.counts.add(stampOld) // a table that is sent anew has the times of its routes
	case stamp.Nanosecond() == 0 && stamp.Before(at) && at.Sub(stamp) < time.Second:
		// A clock of whole seconds: the arrival says more.
		c.s.lag.Store(0)
	default:
		c.s.lag.Store(int64(at.Sub(stamp)))
		at = stamp
	}
	floor := v.last
	if floor.Before(c.since) {
		floor = c.since
	}
	if at.Before(floor) {
		c.s.counts.add(stampEarly)
		at = floor
	}
	v.last = at
	return at
}

func (c *conn) say(v *vantage, kind bgp.Kind, at time.Time, cause bgp.Cause) {
	c.batch = append(c.batch, bgp.Update{At: at, Peer: v.peer, Kind: kind, Cause: cause})
	switch kind {
	case bgp.PeerUp:
		v.told = toldUp
	case bgp.PeerDown:
		v.told = toldDown
	case bgp.Unheard:
		v.told = toldUnheard
		v.door.Missed()
	}
}

// elsewhere reports whether the peer is none of the global table: another VRF, or an
// address that is none.
func (m *message) elsewhere() counter {
	h := m.header
	switch {
	case h[0] > locRIBPeer || h[0] == vrfPeer || [8]byte(h[2:10]) != [8]byte{}:
		return ignoredVRF
	case h[0] != locRIBPeer && !m.peer().addr.IsValid():
		return ignoredNoAddress
	}
	return 0
}

func (c *conn) find(m *message) *monitored {
	if c.lastPeer == nil || m.key != c.lastKey {
		c.lastKey, c.lastPeer = m.key, c.peers[m.key]
	}
	return c.lastPeer
}

// monitor makes the vantage points of a peer that came up.
func (c *conn) monitor(m *message, u *up) (*monitored, counter) {
	if len(c.peers) >= c.s.cfg.MaxPeers {
		return nil, ignoredPeers
	}
	h := m.peer()
	p := &monitored{sessions: sessions(&u.sent, &u.received), own: u.sent.asn}
	add := func(g group, k vantageKey) bool {
		if c.s.wanted[g].first == noView {
			return true
		}
		k.group = g
		p.vantage[g] = c.router.vantage(k, c.s.watch, c.s.cfg.MaxPeers)
		return p.vantage[g] != nil
	}
	var ok bool
	if h.typ == locRIBPeer {
		ok = add(groupLoc, vantageKey{addr: c.addr, asn: h.asn})
	} else {
		ok = add(groupIn, vantageKey{addr: h.addr, asn: h.asn}) && add(groupOut, vantageKey{addr: h.addr, asn: p.own})
	}
	if !ok {
		return nil, ignoredPeers
	}
	return p, 0
}

func (c *conn) put(key peerKey, p *monitored) {
	if c.peers[key] == nil {
		c.router.addPeers(1)
	}
	c.peers[key], c.lastPeer = p, nil
}

func (c *conn) drop(key peerKey) {
	if c.peers[key] != nil {
		c.router.addPeers(-1)
	}
	delete(c.peers, key)
	c.lastPeer = nil
	c.router.mu.Lock()
	delete(c.router.stats, key)
	c.router.mu.Unlock()
}

func (c *conn) peerUp(m *message) counter {
	if f := m.elsewhere(); f != 0 {
		return f
	}
	u, f := m.peerUp()
	if f == badPeerUp {
		return f
	}
	if f != 0 {
		c.s.counts.add(f) // its TLVs: what else it says stands
	}
	// Some routers say it once for each view (RFC 8671 section 6.1 says once): the same
	// addresses, ports and OPEN messages are the same session.
	seal := maphash.Bytes(seed, m.body)
	if old := c.peers[m.key]; old != nil && old.seal == seal {
		return ignoredRepeat
	}
	old := c.peers[m.key]
	if old != nil {
		c.drop(m.key) // it was lost and is back, and nobody said so
	}
	p, f := c.monitor(m, &u)
	if old != nil {
		c.replaced(m, old, p)
	}
	if f != 0 {
		return f
	}
	p.seal = seal
	c.put(m.key, p)
	for _, v := range p.vantage {
		if v != nil && v.view != noView {
			c.say(v, bgp.PeerUp, c.at(m, v), bgp.Cause{})
		}
	}
	return 0
}

// replaced ends the vantage points of a session in whose place another one came up,
// with other AS numbers: nobody speaks for them any more.
func (c *conn) replaced(m *message, old, p *monitored) {
	for g, v := range old.vantage {
		if v != nil && v.told == toldUp && (p == nil || p.vantage[g] != v) {
			c.say(v, bgp.PeerDown, c.at(m, v), bgp.Cause{Text: "another session came up in its place"})
		}
	}
}

func (c *conn) peerDown(m *message) counter {
	if f := m.elsewhere(); f != 0 {
		return f
	}
	p := c.find(m)
	if p == nil {
		return ignoredNoPeerUp
	}
	d, f := m.peerDown()
	if f != 0 && d.reason == 0 {
		return f
	}
	c.drop(m.key)
	for _, v := range p.vantage {
		if v == nil || v.told == toldNothing {
			continue
		}
		at := c.at(m, v)
		if d.reason == downUnmonitored {
			// RFC 7854 section 4.9: it may well be up.
			if v.told != toldUnheard {
				c.s.counts.add(unheardConfig)
				c.say(v, bgp.Unheard, at, d.cause)
			}
			v.view = noView
		} else if v.told != toldDown {
			c.say(v, bgp.PeerDown, at, d.cause)
		}
	}
	return f
}

// reported finds the peer of a Route Monitoring message.
func (c *conn) reported(m *message) (*monitored, counter) {
	if p := c.find(m); p != nil {
		return p, 0
	}
	if m.header[0] != locRIBPeer || c.s.wanted[groupLoc].first == noView {
		return nil, ignoredNoPeerUp
	}
	// GoBGP says no Peer Up for its Loc-RIB. Nothing but ADD-PATH would be in it.
	p, f := c.monitor(m, &up{})
	if f == 0 {
		c.s.counts.add(impliedUp)
		c.put(m.key, p)
	}
	return p, f
}

// route takes in a Route Monitoring message.
func (c *conn) route(m *message) counter {
	if f := m.elsewhere(); f != 0 {
		return f
	}
	p, f := c.reported(m)
	if f != 0 {
		return f
	}
	view := m.view()
	v := p.vantage[view.group()]
	if v == nil {
		return ignoredView
	}
	session := p.sessions[view.group()]
	session.AS4 = m.as4()
	body, f := m.update(&session)
	if f != 0 {
		return f
	}
	if view != v.view || v.told == toldDown {
		var fault wire.Fault
		if body, fault = c.examine(body, session, view); fault != wire.None {
			c.s.counts.addFault(fault)
			return 0
		}
		// Some routers send a VPN family before the policy, and the Internet's after it.
		if !unicast(&c.scratch) {
			return ignoredFamily
		}
		if f := c.choose(m, v, view); f != 0 {
			return f
		}
	}
	if v.told == toldUnheard {
		// Missed made the door ready: what comes now says that it is heard again.
		v.told = toldUp
	}
	first, at := len(c.batch), c.at(m, v)
	var fault wire.Fault
	c.batch, fault = v.door.Update(c.batch, body, session, at)
	if fault == wire.MissingAttr {
		if body, fault = c.examine(body, session, view); fault == wire.None {
			c.batch, fault = v.door.Update(c.batch, body, session, at)
		}
	}
	if view.group() == groupIn && p.own != v.peer.ASN && stripOwn(c.batch[first:], p.own, v.peer.ASN) {
		c.s.counts.add(ownStripped)
	}
	switch {
	case fault != wire.None:
		c.s.counts.addFault(fault)
	case v.door.Split().OtherFamily():
		return ignoredFamily
	}
	return 0
}

// examine splits an UPDATE beside the door, and gives it as it is to be read. What a router made of its own table
// is believed without a next hop; what a peer sent is not, for then the router
// would not believe it either (RFC 7606 section 3 (d)).
func (c *conn) examine(body []byte, session wire.Session, view view) ([]byte, wire.Fault) {
	fault := c.scratch.Split(body, session)
	if fault != wire.MissingAttr || view == inPre {
		return body, fault
	}
	c.patched = withNextHop(c.patched[:0], body)
	if fault = c.scratch.Split(c.patched, session); fault != wire.None {
		return body, fault
	}
	c.s.counts.add(noNextHop)
	return c.patched, wire.None
}

// unicast reports whether a message speaks of IPv4 or IPv6 unicast.
func unicast(u *wire.Update) bool {
	if f, ok := u.EndOfRIB(); ok {
		return (f.AFI == wire.AFI4 || f.AFI == wire.AFI6) && f.SAFI == wire.Unicast
	}
	announced, withdrawn := u.Counts()
	return announced+withdrawn > 0
}

// stripOwn takes the router's own AS number off paths that begin with it and go on
// with the peer's. No neighbour outside its AS can have sent those (RFC 4271 section
// 9.1.2): FRR reports what it received as if it were sending it. With that, the router would
// be the upstream of each of its neighbours.
func stripOwn(batch []bgp.Update, own, peer uint32) (stripped bool) {
	var from, to bgp.Path
	for i := range batch {
		u := &batch[i]
		if u.Kind != bgp.Announce || len(u.Path) == 0 || u.Path[0].Type != bgp.ASSequence {
			continue
		}
		if from != nil && &u.Path[0] == &from[0] { // those of one message share it
			u.Path = to
			continue
		}
		first := u.Path[0].ASNs
		switch {
		case first[0] != own:
			continue
		case len(first) > 1 && first[1] == peer:
			to = append(bgp.Path{{Type: bgp.ASSequence, ASNs: first[1:]}}, u.Path[1:]...)
		case len(first) == 1 && len(u.Path) > 1 && u.Path[1].Type == bgp.ASSequence && u.Path[1].ASNs[0] == peer:
			to = u.Path[1:]
		default:
			continue
		}
		from, u.Path, stripped = u.Path, to, true
	}
	return stripped
}

// choose decides whether a message of another view than the present one counts: 0 if
// so, and then PeerUp has been said.
func (c *conn) choose(m *message, v *vantage, view view) counter {
	w := c.s.wanted[view.group()]
	switch {
	case view == w.first:
		c.begin(m, v, view, v.used != noView && v.used != view)
	case view != w.second:
		return ignoredView
	case v.view != noView:
		return ignoredOther
	case v.used == w.first:
		if v.held.IsZero() {
			v.held = c.last
		}
		return ignoredHeld
	default:
		// What was known of it, by whoever reads this, may be of the other view.
		c.begin(m, v, view, v.used != view)
	}
	return 0
}

// begin starts the table of a vantage point on this connection.
func (c *conn) begin(m *message, v *vantage, view view, anew bool) {
	at := c.at(m, v)
	c.say(v, bgp.PeerUp, at, bgp.Cause{})
	if anew {
		c.s.counts.add(unheardView)
		c.say(v, bgp.Unheard, at, bgp.Cause{Text: "from here on heard as " + view.String()})
		c.say(v, bgp.PeerUp, at, bgp.Cause{})
	}
	v.view, v.used, v.held = view, view, time.Time{}
}

// heldTooLong gives up waiting for the view before the policy. The router has to
// send its tables again for that: the connection ends.
func (c *conn) heldTooLong(m *message) error {
	c.s.counts.add(ignoredHeld)
	v := c.find(m).vantage[m.view().group()]
	if c.last.Sub(v.held) < heldBack {
		return nil
	}
	v.used = noView // its table is no longer one to compare with
	return errEnd(v.peer.String() + " is no longer sent as " + c.s.wanted[m.view().group()].first.String() + ": to be heard anew as " + m.view().String())
}

// stats keeps a Statistics Report. It is word of the peer's session, too.
func (c *conn) stats(m *message) counter {
	if f := m.elsewhere(); f != 0 {
		return f
	}
	p := c.find(m)
	if p == nil {
		return ignoredNoPeerUp
	}
	got := &statistics{}
	if f := m.eachStat(func(typ uint16, _ wire.Family, value uint64) { got.keep(typ, value) }); f != 0 {
		return f
	}
	r := c.router
	r.mu.Lock()
	s := r.stats[m.key]
	if s == nil {
		s = &statistics{}
		r.stats[m.key] = s
	}
	for typ := range uint16(maxStat) {
		if got.has>>typ&1 != 0 {
			s.has |= 1 << typ
			s.value[typ] = got.value[typ]
		}
	}
	r.mu.Unlock()
	for _, v := range p.vantage {
		if v != nil && v.view != noView && v.told != toldDown {
			v.told = toldUp
			c.batch = v.door.Hear(c.batch, c.at(m, v))
		}
	}
	return 0
}

// mirror counts a Route Mirroring message. Where the router lost some, it may have
// lost more than those.
func (c *conn) mirror(m *message) counter {
	lost, f := m.lost()
	if f != 0 || !lost {
		return max(f, ignoredMirror)
	}
	if f := m.elsewhere(); f != 0 {
		return f
	}
	p := c.find(m)
	if p == nil {
		return ignoredNoPeerUp
	}
	for _, v := range p.vantage {
		if v != nil && v.told == toldUp {
			c.s.counts.add(unheardMirror)
			c.say(v, bgp.Unheard, c.at(m, v), bgp.Cause{Text: "the router lost messages that it was to mirror"})
		}
	}
	return 0
}

// unhear says Unheard of every vantage point of the router that anybody was told of.
func (c *conn) unhear(reason string) {
	for _, v := range sortedVantages(c.router.peers) {
		if v.told != toldUp && v.told != toldDown {
			continue
		}
		at := c.last.Truncate(time.Microsecond)
		if at.Before(v.last) {
			at = v.last
		}
		v.last = at
		c.s.counts.add(unheardLost)
		c.say(v, bgp.Unheard, at, bgp.Cause{Text: reason})
	}
}
