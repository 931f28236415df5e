package rib

import (
	"net/netip"
	"slices"
	"time"

	"depeer/bgp"
)

type heard struct {
	at        int64
	announced uint64
	withdrawn uint64
}

// said is a peer's last word on a prefix in a transfer or a dump: no route, where
// it took back what it had said.
type said struct {
	at     int64
	routes Slot // Node and More
}

// collect keeps what is said during a transfer or read from a dump.
func (t *Table) collect(p *Peer, f int, u bgp.Update, at int64) {
	if p.sync[f] == nil {
		p.sync[f] = map[netip.Prefix]said{}
	}
	x := p.sync[f][u.Prefix]
	if x.at > at {
		t.Late++
		return
	}
	x.at = at
	if u.Kind == bgp.Withdraw {
		x.routes.unset(u.PathID)
	} else {
		x.routes.set(u.PathID, t.node(u.Path))
	}
	p.sync[f][u.Prefix] = x
}

// begin starts a table transfer.
func (t *Table) begin(p *Peer, at int64) {
	p.State, p.Since, p.begun, p.lastBulk, p.busiest = Syncing, at, at, at, 0
	p.Suspended = false
	p.pending = [2]bool{true, true}
	n := t.count()
	p.number = [2]uint64{n, n}
	p.undump()
	p.sync = [2]map[netip.Prefix]said{{}, {}}
	t.syncing[p] = struct{}{}
}

// leave takes the peer's routes out of every count. They stay in the table.
func (t *Table) leave(p *Peer, to State, at int64, emit func(Change)) {
	delete(t.syncing, p)
	p.undump()
	p.pending, p.sync, p.resent = [2]bool{}, [2]map[netip.Prefix]said{}, 0
	was := p.joined
	p.joined = false
	p.State, p.Since = to, at
	if was {
		emit(Change{What: Left, At: time.Unix(0, at).UTC(), Peer: p})
	}
}

// join counts the peer's routes.
func (t *Table) join(p *Peer, at int64, emit func(Change)) {
	if p.Suspended {
		return
	}
	p.State, p.Since, p.known, p.Missed = Up, at, true, false
	if !p.joined {
		p.joined = true
		emit(Change{What: Joined, At: time.Unix(0, at).UTC(), Peer: p})
	}
}

// complete ends the transfer of one family: what it did not bring is gone. The
// peer is Up from the first family on; the other one's routes stand as they were
// until its own transfer ends.
func (t *Table) complete(p *Peer, f int, told bool, at int64, emit func(Change)) {
	p.pending[f] = false
	// A session that carries no IPv6 ends by calm like one whose IPv6 is done: that
	// says nothing of IPv6, unless the transfer brought some.
	if f == 0 || told || len(p.sync[f]) > 0 {
		if !p.Complete[f] {
			t.Completed++
		}
		p.Complete[f], p.Whole[f] = true, p.number[f]
	}
	if !p.pending[1-f] {
		delete(t.syncing, p)
	}
	p.window = p.window[:0] // this transfer was recorded: its bulk is no other one
	switch {
	case p.joined:
		t.compare(p, f, nil, p.begun, at, true, emit)
	case !p.known:
		t.fill(p, 0, emit)
		t.fill(p, 1, emit)
		t.join(p, at, emit)
	default:
		got := p.sync
		p.sync = [2]map[netip.Prefix]said{}
		t.join(p, at, emit)
		for g := range got {
			// What was said in the very moment of the start was said in the old session.
			t.compare(p, g, got[g], p.begun+1, at, g == f, emit)
		}
	}
}

// fill puts the first table of a peer in place, before it joins.
func (t *Table) fill(p *Peer, f int, emit func(Change)) {
	for _, q := range sorted(p.sync[f]) {
		x := p.sync[f][q]
		if x.routes.Node == nil {
			continue
		}
		e := t.entry(q)
		s := e.slot(p)
		c := Change{What: Learned, At: time.Unix(0, x.at).UTC(), Peer: p, Entry: e, Old: *s}
		s.Known, s.At, s.LastHeld = true, x.at, x.at
		s.Node, s.id, s.More = x.routes.Node, x.routes.id, x.routes.More
		emit(c)
	}
	p.sync[f] = nil
}

// compare makes the peer's routes of a family be those of got. Words not older than
// since stand. Where all is false, what got does not list is left alone.
func (t *Table) compare(p *Peer, f int, got map[netip.Prefix]said, since, at int64, all bool, emit func(Change)) {
	var gone []netip.Prefix
	if all {
		for q, e := range t.entries {
			if s := e.Slot(p); s != nil && s.Node != nil && Family(q) == f && s.At < since {
				if got[q].routes.Node == nil {
					gone = append(gone, q)
				}
			}
		}
	}
	slices.SortFunc(gone, comparePrefixes)
	for _, q := range sorted(got) {
		x := got[q]
		if x.routes.Node == nil {
			continue
		}
		e := t.entry(q)
		s := e.slot(p)
		if s.Known && s.At >= since {
			continue
		}
		c := Change{What: Said, At: time.Unix(0, at).UTC(), Peer: p, Entry: e, Old: *s}
		if !s.Known {
			c.What = Learned
		}
		s.Known, s.At, s.LastHeld, s.Zombie = true, max(s.At, x.at), at, false
		if s.sameRoutes(&x.routes) {
			continue
		}
		s.Node, s.id, s.More = x.routes.Node, x.routes.id, x.routes.More
		s.changed(c.Old.Node, at)
		emit(c)
	}
	for _, q := range gone {
		e := t.entries[q]
		s := e.slot(p)
		c := Change{What: Said, At: time.Unix(0, at).UTC(), Peer: p, Entry: e, Old: *s}
		s.Node, s.More, s.At, s.LastHeld = nil, nil, at, at
		s.changed(c.Old.Node, at)
		emit(c)
	}
}

// dumped takes in a dump that has ended.
func (t *Table) dumped(p *Peer, u bgp.Update, at int64, emit func(Change)) {
	f := family(u.V6)
	void := p.void[f]
	p.void[f] = false
	if p.dump[f] == 0 || void {
		return
	}
	whole := u.Kind == bgp.TableEnd
	if whole {
		p.Complete[f], p.Whole[f], p.Routes[f] = true, p.number[f], max(u.Heard.Routes, len(p.sync[f]))
		t.most[f] = max(t.most[f], p.Routes[f])
	}
	begun := p.dump[f]
	p.dump[f] = 0
	got := p.sync[f]
	p.sync[f] = nil
	switch p.State {
	case Up:
		t.compare(p, f, got, begun-int64(Backlog), at, whole, emit)
	case Unknown, Stale:
		if !p.known {
			p.sync[f] = got
			t.fill(p, f, emit)
			t.join(p, at, emit)
			return
		}
		t.join(p, at, emit)
		t.compare(p, f, got, begun-int64(Backlog), at, whole, emit)
	case Down, Syncing:
		// The collector wrote its table while the session was away: stale.
	}
}

func sorted(m map[netip.Prefix]said) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(m))
	for q := range m {
		out = append(out, q)
	}
	slices.SortFunc(out, comparePrefixes)
	return out
}

func comparePrefixes(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

// traffic looks for a table transfer that nobody recorded, and for the end of one.
func (t *Table) traffic(p *Peer, u bgp.Update, at int64, emit func(Change)) {
	switch {
	case p.State == Unknown || p.State == Stale:
		t.join(p, at, emit)
	case p.State == Down && at > p.Since:
		t.begin(p, at) // nobody recorded that it is back
	}
	h := heard{at, u.Heard.Announced, u.Heard.Withdrawn}
	if n := len(p.window); n > 0 && p.window[n-1].announced > h.announced {
		p.window = p.window[:0] // another source counts from anew
	}
	if p.pending != [2]bool{} && len(p.window) > 0 {
		last := p.window[len(p.window)-1]
		if n := h.announced - last.announced; n > 1000 && n*10 >= p.busiest {
			p.busiest = max(p.busiest, n)
			p.lastBulk = at
		}
	}
	p.window = append(p.window, h)
	for len(p.window) > 1 && at-p.window[1].at >= int64(transferSpan) {
		p.window = slices.Delete(p.window, 0, 1)
	}
	first := p.window[0]
	said, taken := h.announced-first.announced, h.withdrawn-first.withdrawn
	limit := uint64(transferRoutes)
	if n := p.Routes[0] + p.Routes[1]; n > 0 {
		limit = uint64(max(n*6/10, 1000))
	}
	switch {
	case p.State != Up || p.pending != [2]bool{}:
		p.resent = 0
	case p.resent == 0 && said >= limit && taken*50 < said:
		t.Transfers++
		// The window may reach back over hours of silence, in which nothing was
		// sent: a peer is heard once in each minute in which it speaks.
		p.resent = max(first.at, p.window[1].at-int64(time.Minute))
	case p.resent != 0 && said < limit/10:
		t.forgetOlder(p, p.resent, at, emit)
		p.resent = 0
	}
}

// forgetOlder ends an unrecorded transfer: what the peer did not send again it
// may or may not hold. That is not known any more, and no withdrawal.
func (t *Table) forgetOlder(p *Peer, since, at int64, emit func(Change)) {
	t.leave(p, Syncing, at, emit)
	t.wipe(p, since)
	t.join(p, at, emit)
}

// wipe makes unknown what the peer said before since.
func (t *Table) wipe(p *Peer, since int64) {
	for _, e := range t.entries {
		if s := e.Slot(p); s != nil && s.At < since {
			*s = Slot{}
		}
	}
}

// lose takes out a peer that the feed lost sight of. What an established session
// had said stands. A session that was away, or that was sending its table, may do
// so unseen: what it holds then is not known, and its silence about a prefix is no
// withdrawal.
func (t *Table) lose(p *Peer, cause bgp.Cause, at int64, emit func(Change)) {
	p.Missed = p.Missed || p.State == Up || p.State == Syncing
	switch p.State {
	case Up:
		p.Cause = cause
		t.leave(p, Stale, at, emit)
	case Down, Syncing:
		p.Cause = cause
		t.leave(p, Unknown, at, emit)
		t.wipe(p, at+1)
		p.known, p.Complete = false, [2]bool{}
	}
}

// Next is when [Table.Advance] has something to do, the zero time for never.
func (t *Table) Next() time.Time {
	var next int64
	for p := range t.syncing {
		if d := t.syncEnd(p); next == 0 || d < next {
			next = d
		}
	}
	if next == 0 {
		return time.Time{}
	}
	return time.Unix(0, next).UTC()
}

func (t *Table) syncEnd(p *Peer) int64 {
	return min(max(p.begun+2*int64(t.SyncQuiet), p.lastBulk+int64(t.SyncQuiet)), p.begun+int64(syncLimit))
}

// Advance ends what time ends: table transfers that have grown calm, peers that
// fell silent.
func (t *Table) Advance(now time.Time, emit func(Change)) {
	at := now.UnixNano()
	if len(t.syncing) > 0 {
		for _, p := range t.order {
			if _, ok := t.syncing[p]; ok && t.syncEnd(p) <= at {
				for f, open := range p.pending {
					if open {
						t.complete(p, f, false, at, emit)
					}
				}
			}
		}
	}
}
