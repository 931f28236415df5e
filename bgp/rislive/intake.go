package rislive

import (
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"
	"net/netip"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/bgp/mrt"
	"depeer/bgp/wire"
)

const (
	maxPeers      = 20_000          // that are told apart; RIS has about 1,500
	maxSpellings  = 4 * maxPeers    // of their names
	maxCollectors = 256             // that are told apart; RIS has about 25
	maxHosts      = 64              // that a configuration may name
	staleAfter    = time.Hour       // a stamp as old as this is counted
	causeHolds    = 5 * time.Second // a NOTIFICATION is the cause of what follows within
	maxBatch      = 4096            // updates that are emitted together
)

// intake turns messages into updates. It belongs to Run's goroutine.
type intake struct {
	watch     *wire.Shared
	hosts     map[string]bool // nil: all
	tolerance int64           // microseconds
	counts    *counts
	board     *board

	connection int // counts them, from 1

	message    message
	build      builder
	octets     []byte
	shown      wire.Update         // the path that the collector shows
	paths      [2]wire.PathScratch // shown and read
	key        []byte
	seed       maphash.Seed
	spellings  map[string]*peer // by collector, address and AS as the server writes them
	peers      map[bgp.Peer]*peer
	order      []*peer
	collectors map[string]*collector // by host as the server writes it
	named      map[string]*collector
	out        []bgp.Update
}

// collector is a host of RIS.
type collector struct {
	name string
	keep bool
	last int64 // newest stamp that was taken in, Unix microseconds

	connection int // in which it was heard last
}

// peer is a session of a collector.
type peer struct {
	*wire.Door
	at     *collector
	last   int64 // newest stamp, Unix microseconds
	heard  bool  // since it was told Unheard
	up     bool  // its state was told, and it has said nothing since
	twin   uint64
	cause  bgp.Cause
	caused int64 // when cause was said
}

func newIntake(cfg Config, deps Deps, c *counts, b *board) *intake {
	in := &intake{
		watch: deps.Watch, tolerance: cfg.FutureTolerance.Microseconds(), counts: c, board: b, seed: maphash.MakeSeed(),
		spellings: map[string]*peer{}, peers: map[bgp.Peer]*peer{}, collectors: map[string]*collector{}, named: map[string]*collector{},
	}
	for _, h := range cfg.Hosts {
		if in.hosts == nil {
			in.hosts = map[string]bool{}
		}
		in.hosts[collectorOf(h)] = true
	}
	return in
}

// collectorOf names a collector as the archives do: "rrc21" for "rrc21.ripe.net".
func collectorOf(host string) string {
	if c := mrt.Collector(host); c != "" {
		return c
	}
	return strings.ToLower(host)
}

// take reads one line of the stream, which arrived at the time given (Unix
// microseconds), and appends what it means to out.
func (in *intake) take(line []byte, arrived int64) {
	m := &in.message
	if !m.parse(line) {
		in.refuse(badJSON)
		return
	}
	switch string(m.kind) {
	case "ris_message":
		in.bgp(m, line, arrived)
	case "ris_error":
		in.counts.add(countControl, "ris_error", 1)
		in.board.complain(string(m.text[:min(len(m.text), 300)]))
	case "ris_subscribe_ok", "ris_unsubscribe_ok", "ris_rrc_list", "pong":
		in.counts.add(countControl, string(m.kind), 1)
		in.board.answered()
	case "":
		in.refuse(badEnvelope)
	default:
		in.counts.add(countControl, "other", 1)
	}
}

func (in *intake) refuse(r reason) { in.counts.add(countMalformed, string(r), 1) }

func (in *intake) ignore(why string) { in.counts.add(countIgnored, why, 1) }

// bgp takes in what a collector recorded of a session.
func (in *intake) bgp(m *message, line []byte, arrived int64) {
	in.counts.message(m.typ)
	p := in.peer(m)
	if p == nil {
		return
	}
	stamp, ok := microseconds(m.stamp)
	if !ok {
		in.refuse(badStamp)
		return
	}
	if string(m.direction) == "sent" {
		in.ignore("sent-by-collector")
		return
	}
	twin := maphash.Bytes(in.seed, line)
	if twin == p.twin {
		in.ignore("duplicate")
		return
	}
	p.twin = twin
	in.board.hear(arrived, stamp)
	if p.at.connection != in.connection {
		p.at.connection = in.connection
		in.board.collector(p.at.name)
	}
	switch {
	case stamp > arrived+in.tolerance:
		in.counts.future.Add(1)
		stamp = arrived
	case arrived-stamp >= staleAfter.Microseconds():
		in.counts.stale.Add(1)
	}
	p.last = max(p.last, stamp)
	p.at.last = max(p.at.last, stamp)
	in.judge(p, m, time.UnixMicro(stamp).UTC())
}

// judge decides by the type of a message.
func (in *intake) judge(p *peer, m *message, at time.Time) {
	switch string(m.typ) {
	case "UPDATE":
		in.update(p, m, at)
	case "KEEPALIVE":
		in.spoke(p)
		in.out = p.Hear(in.out, at)
	case "RIS_PEER_STATE", "STATE":
		in.state(p, m, at)
	case "NOTIFICATION":
		in.notification(p, m, at)
	case "OPEN":
		// Of an attempt: whether a session comes of it, the state will tell.
	default:
		in.ignore("unknown-type")
	}
}

func (in *intake) spoke(p *peer) { p.heard, p.up = true, false }

// update takes in an UPDATE: its octets, where they are there.
func (in *intake) update(p *peer, m *message, at time.Time) {
	body, r := in.body(m, wire.TypeUpdate)
	if r == okay && body == nil {
		body, r = in.build.update(m)
		if r == okay && body == nil {
			in.ignore("no-prefixes")
			in.spoke(p)
			in.out = p.Hear(in.out, at)
			return
		}
	}
	if r != okay {
		in.refuse(r)
		return
	}
	in.spoke(p)
	out, fault := p.Update(in.out, body, wire.Session{AS4: true}, at)
	if fault == wire.BadPath && m.raw != nil && in.twoOctets(p, m, body) {
		out, fault = p.Update(out, body, wire.Session{}, at)
	}
	in.out = out
	if fault != wire.None {
		in.refuse(reason(fault.String()))
	}
}

// twoOctets reports whether the message is of a session whose AS numbers have 2
// octets: read so, it must have the very path that the collector, who knows the
// session, shows beside it.
func (in *intake) twoOctets(p *peer, m *message, body []byte) bool {
	u := p.Split()
	if u.Split(body, wire.Session{}) != wire.None || m.path == nil {
		return false
	}
	in.build.path = in.build.path[:0]
	if in.build.segments(m.path) != okay {
		return false
	}
	d := append(in.build.body[:0], 0, 0, 0, 0, 0x40, wire.AttrOrigin, 1, 0)
	d = attribute(d, 0x40, wire.AttrPath, in.build.path)
	binary.BigEndian.PutUint16(d[2:], uint16(len(d)-4))
	in.build.body = d
	if in.shown.Split(d, wire.Session{AS4: true}) != wire.None ||
		!in.shown.PathInto(&in.paths[0]).Equal(u.PathInto(&in.paths[1])) {
		return false
	}
	in.counts.twoOctets.Add(1)
	return true
}

// body gives the body of the octets of a message, nil where there are none.
func (in *intake) body(m *message, typ uint8) ([]byte, reason) {
	if len(m.raw) == 0 {
		return nil, okay
	}
	n := len(m.raw) / 2
	if cap(in.octets) < n {
		in.octets = make([]byte, 2*n)
	}
	if _, err := hex.Decode(in.octets[:n], m.raw); err != nil {
		return nil, badHex
	}
	t, body, f := wire.Header(in.octets[:n])
	switch {
	case f != wire.None:
		return nil, reason(f.String())
	case t != typ || wire.HeaderLen+len(body) != n:
		return nil, badRaw
	}
	return body, okay
}

// state takes in what the collector says of a session.
func (in *intake) state(p *peer, m *message, at time.Time) {
	switch strings.ToLower(string(m.state)) {
	case "connected", "up", "established":
		if p.up {
			return // "connected" and "up" are one session, if it said nothing between
		}
		p.heard, p.up = true, true
		in.out = append(in.out, bgp.Update{At: at, Peer: p.Peer, Kind: bgp.PeerUp})
	case "down":
		c := p.cause
		if p.caused == 0 || at.UnixMicro()-p.caused > causeHolds.Microseconds() {
			c = bgp.Cause{Text: "the collector says that the session is down"}
		}
		p.heard, p.up, p.caused = true, false, 0
		in.out = append(in.out, bgp.Update{At: at, Peer: p.Peer, Kind: bgp.PeerDown, Cause: c})
	default:
		in.ignore("unknown-state")
	}
}

// notification keeps why a session may be about to end.
func (in *intake) notification(p *peer, m *message, at time.Time) {
	body, r := in.body(m, wire.TypeNotification)
	if r != okay {
		in.refuse(r)
		return
	}
	if len(body) < 2 {
		return
	}
	p.cause, p.caused = bgp.Cause{Code: body[0], Subcode: body[1]}, at.UnixMicro()
	// RFC 9003 section 2: the shutdown communication of an administrative shutdown
	// or reset, its length first.
	if text := body[2:]; body[0] == 6 && (body[1] == 2 || body[1] == 4) && len(text) > 1 && int(text[0]) < len(text) {
		p.cause.Text = strings.ToValidUTF8(string(text[1:1+int(text[0])]), "\uFFFD")
	}
}

// peer finds who spoke. It is nil where the message was refused.
func (in *intake) peer(m *message) *peer {
	c := in.collectors[string(m.host)]
	if c == nil {
		if c = in.collector(m.host); c == nil {
			return nil
		}
	}
	if !c.keep {
		in.ignore("other-host")
		return nil
	}
	in.key = append(append(append(append(append(in.key[:0], m.host...), ' '), m.peer...), ' '), m.asn...)
	if p := in.spellings[string(in.key)]; p != nil {
		return p
	}
	addr, err := netip.ParseAddr(string(m.peer))
	asn, ok := uint32Of(m.asn)
	if err != nil || !ok {
		in.refuse(badPeer)
		return nil
	}
	id := bgp.Peer{Collector: c.name, Addr: addr.Unmap().WithZone(""), ASN: asn}
	p := in.peers[id]
	if p == nil {
		if len(in.order) >= maxPeers {
			in.ignore("too-many-peers")
			return nil
		}
		p = &peer{Door: in.watch.Door(id), at: c}
		in.peers[id] = p
		in.order = append(in.order, p)
		in.counts.peers.Store(uint64(len(in.order)))
	}
	if len(in.spellings) < maxSpellings {
		in.spellings[string(in.key)] = p
	}
	return p
}

// collector makes the collector of a host that was not met before.
func (in *intake) collector(host []byte) *collector {
	if !validHost.Match(host) {
		in.refuse(badHost)
		return nil
	}
	name := collectorOf(string(host))
	c := in.named[name]
	if c == nil {
		if len(in.named) >= maxCollectors {
			in.ignore("too-many-collectors")
			return nil
		}
		c = &collector{name: name, keep: in.hosts == nil || in.hosts[name]}
		in.named[name] = c
	}
	if len(in.collectors) < 4*maxCollectors {
		in.collectors[string(host)] = c
	}
	return c
}

// unheard says of every peer that was heard that something is missing from the
// moment on that its collector's stamps had reached. After dropped messages that is
// the stamp of the first of them, where its collector is known to be that far.
func (in *intake) unheard(text string, from *collector, stamp int64) {
	for _, p := range in.order {
		if !p.heard {
			continue
		}
		at := p.at.last
		if from != nil && (p.at == from || stamp < at) {
			at = stamp
		}
		at = max(at, p.last)
		p.heard, p.up, p.caused, p.twin = false, false, 0, 0
		p.Missed()
		in.out = append(in.out, bgp.Update{At: time.UnixMicro(at).UTC(), Peer: p.Peer, Kind: bgp.Unheard, Cause: bgp.Cause{Text: text}})
	}
}

// missed says what the dropping of messages means.
func (in *intake) missed(g gap) {
	in.counts.dropped.Add(uint64(g.messages))
	stamp := g.arrived
	from := &collector{}
	if m := &in.message; m.parse(g.first) {
		if t, ok := microseconds(m.stamp); ok && t <= g.arrived+in.tolerance {
			stamp = t
		}
		if c := in.collectors[string(m.host)]; c != nil {
			from = c
		}
	}
	noun := " messages"
	if g.messages == 1 {
		noun = " message"
	}
	in.unheard(thousands(g.messages)+noun+" dropped: depeer is too slow", from, stamp)
}

// thousands writes 12345 as "12,345".
func thousands(n int) string {
	var s []byte
	for i := 0; ; i++ {
		if i > 0 && i%3 == 0 {
			s = append(s, ',')
		}
		s = append(s, byte('0'+n%10))
		if n /= 10; n == 0 {
			break
		}
	}
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
	return string(s)
}
