package rib

import (
	"fmt"
	"maps"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"depeer/bgp"
)

// model is a table as one would write it down without a thought for speed.
type model struct {
	quiet time.Duration
	peers map[bgp.Peer]*modelPeer
}

type modelPeer struct {
	state     State
	known     bool
	routes    [2]map[netip.Prefix]modelWord
	collected [2]map[netip.Prefix]modelWord
	pending   [2]bool
	begun     time.Time
	last      time.Time
}

// modelWord is the last word on a prefix: the paths by ADD-PATH identifier.
type modelWord struct {
	at    time.Time
	paths map[uint32]string
}

func (m *model) peer(p bgp.Peer) *modelPeer {
	x := m.peers[p]
	if x == nil {
		x = &modelPeer{}
		for f := range x.routes {
			x.routes[f] = map[netip.Prefix]modelWord{}
		}
		m.peers[p] = x
	}
	return x
}

func (x *modelPeer) begin(at time.Time) {
	x.state, x.begun, x.last, x.pending = Syncing, at, at, [2]bool{true, true}
	x.collected = [2]map[netip.Prefix]modelWord{{}, {}}
}

func (x *modelPeer) join() { x.state, x.known = Up, true }

func (m *model) apply(u bgp.Update) {
	x := m.peer(u.Peer)
	switch u.Kind {
	case bgp.Announce, bgp.Withdraw:
		f := Family(u.Prefix)
		if x.state == Down {
			x.begin(u.At)
		}
		if x.state == Unknown || x.state == Stale {
			x.join()
		}
		if x.pending[f] {
			x.last = u.At
		}
		into := x.routes[f]
		if x.state == Syncing {
			into = x.collected[f]
		}
		into[u.Prefix] = into[u.Prefix].with(u)
	case bgp.PeerDown:
		x.state, x.pending = Down, [2]bool{}
	case bgp.PeerUp:
		x.begin(u.At)
	case bgp.EndOfRIB:
		x.complete(family(u.V6), u.At)
	}
}

func (w modelWord) with(u bgp.Update) modelWord {
	paths := maps.Clone(w.paths)
	if paths == nil {
		paths = map[uint32]string{}
	}
	delete(paths, u.PathID)
	if u.Kind != bgp.Withdraw {
		paths[u.PathID] = u.Path.String()
	}
	return modelWord{u.At, paths}
}

func (x *modelPeer) complete(f int, at time.Time) {
	if !x.pending[f] {
		return
	}
	x.pending[f] = false
	if x.state == Syncing {
		x.join()
		for g := range x.collected {
			for q, w := range x.collected[g] {
				if len(w.paths) > 0 {
					x.routes[g][q] = w
				}
			}
		}
	}
	for q, w := range x.routes[f] {
		if w.at.Before(x.begun) && len(w.paths) > 0 {
			x.routes[f][q] = modelWord{at: at}
		}
	}
}

func (m *model) advance(now time.Time) {
	for _, x := range m.peers {
		if x.pending == [2]bool{} {
			continue
		}
		end := x.begun.Add(2 * m.quiet)
		if calm := x.last.Add(m.quiet); calm.After(end) {
			end = calm
		}
		if limit := x.begun.Add(30 * time.Minute); limit.Before(end) {
			end = limit
		}
		if !end.After(now) {
			x.complete(0, end)
			x.complete(1, end)
		}
	}
}

// dump takes in a whole table of one family, or the beginning of one.
func (m *model) dump(p bgp.Peer, f int, at time.Time, lines []bgp.Update, whole bool) {
	x := m.peer(p)
	if x.state == Down || x.state == Syncing {
		return
	}
	x.join()
	since := at.Add(-Backlog)
	listed := map[netip.Prefix]modelWord{}
	for _, u := range lines {
		listed[u.Prefix] = listed[u.Prefix].with(u)
	}
	for q, w := range listed {
		if old, ok := x.routes[f][q]; !ok || old.at.Before(since) {
			x.routes[f][q] = w
		}
	}
	for q, w := range x.routes[f] {
		if _, ok := listed[q]; whole && !ok && w.at.Before(since) && len(w.paths) > 0 {
			x.routes[f][q] = modelWord{at: at}
		}
	}
}

var modelPrefixes = [2][]netip.Prefix{
	{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24")},
	{netip.MustParsePrefix("2001:db8:1::/48"), netip.MustParsePrefix("2001:db8:2::/48")},
}

func modelPeers() []bgp.Peer {
	return []bgp.Peer{anna, bert, {Collector: "route-views2", Addr: netip.MustParseAddr("2001:db8::1"), ASN: 64601}}
}

// TestModel: whatever peers say in whatever order, the table holds what the model
// does, and the changes tell all of it.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, m := New(time.Minute), &model{quiet: time.Minute, peers: map[bgp.Peer]*modelPeer{}}
		w := &changeWatcher{t: t, shadow: map[*Peer]map[netip.Prefix]string{}, joined: map[*Peer]bool{}}
		now := day
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Second, 7 * time.Second, 45 * time.Second, 2 * time.Minute, time.Hour}).Draw(t, "pause"))
			for next := table.Next(); !next.IsZero() && !next.After(now); next = table.Next() {
				table.Advance(next, w.see)
			}
			m.advance(now)
			p := rapid.SampledFrom(modelPeers()).Draw(t, "peer")
			if rapid.IntRange(0, 5).Draw(t, "dump") == 0 {
				drawDump(t, table, m, w, p, now)
			} else {
				u := drawUpdate(t, p, now)
				table.Apply(u, w.see)
				m.apply(u)
			}
			w.compare(table, m)
		}
	})
}

func drawUpdate(t *rapid.T, p bgp.Peer, at time.Time) bgp.Update {
	u := bgp.Update{At: at, Peer: p}
	u.Kind = rapid.SampledFrom([]bgp.Kind{bgp.Announce, bgp.Announce, bgp.Announce, bgp.Withdraw, bgp.Withdraw, bgp.PeerDown, bgp.PeerUp, bgp.EndOfRIB}).Draw(t, "kind")
	switch u.Kind {
	case bgp.Announce, bgp.Withdraw:
		drawRoute(t, &u, rapid.IntRange(0, 1).Draw(t, "family"))
	case bgp.EndOfRIB:
		u.V6 = rapid.Bool().Draw(t, "IPv6")
	}
	return u
}

func drawRoute(t *rapid.T, u *bgp.Update, f int) {
	u.Prefix = rapid.SampledFrom(modelPrefixes[f]).Draw(t, "prefix")
	u.PathID = rapid.Uint32Range(0, 2).Draw(t, "id")
	if u.Kind != bgp.Withdraw {
		u.Path = bgp.PathOf(u.Peer.ASN, rapid.SampledFrom([]uint32{3549, 6939, 1299}).Draw(t, "upstream"), 26780)
	}
}

func drawDump(t *rapid.T, table *Table, m *model, w *changeWatcher, p bgp.Peer, at time.Time) {
	f := rapid.IntRange(0, 1).Draw(t, "family")
	lines := make([]bgp.Update, rapid.IntRange(0, 5).Draw(t, "lines"))
	table.Apply(bgp.Update{At: at, Peer: p, Kind: bgp.TableStart, V6: f == 1}, w.see)
	for i := range lines {
		lines[i] = bgp.Update{At: at, Peer: p, Kind: bgp.TableRoute}
		drawRoute(t, &lines[i], f)
		table.Apply(lines[i], w.see)
	}
	end := rapid.SampledFrom([]bgp.Kind{bgp.TableEnd, bgp.TableCut}).Draw(t, "end")
	table.Apply(bgp.Update{At: at, Peer: p, Kind: end, V6: f == 1, Heard: bgp.Traffic{Routes: len(lines)}}, w.see)
	m.dump(p, f, at, lines, end == bgp.TableEnd)
}

// fataler is what a rapid check and a fuzz target have in common.
type fataler interface {
	Fatalf(format string, args ...any)
}

// changeWatcher rebuilds the table from its changes alone.
type changeWatcher struct {
	t      fataler
	shadow map[*Peer]map[netip.Prefix]string
	joined map[*Peer]bool
}

func (w *changeWatcher) see(c Change) {
	if w.shadow[c.Peer] == nil {
		w.shadow[c.Peer] = map[netip.Prefix]string{}
	}
	if c.What == Left || c.What == Joined {
		if w.joined[c.Peer] == (c.What == Joined) || c.Peer.Eligible() != (c.What == Joined) {
			w.t.Fatalf("%s left or joined twice, or is %s by then", c.Peer, c.Peer.State)
		}
		w.joined[c.Peer] = c.What == Joined
		return
	}
	if got, want := set(&c.Old), w.shadow[c.Peer][c.Entry.Prefix]; got != want {
		w.t.Fatalf("%s, %s: a change from %s, where the changes before it end with %s", c.Peer, c.Entry.Prefix, got, want)
	}
	if c.What == Said && !w.joined[c.Peer] {
		w.t.Fatalf("%s changed its word on %s without having joined", c.Peer, c.Entry.Prefix)
	}
	w.shadow[c.Peer][c.Entry.Prefix] = set(c.Entry.Slot(c.Peer))
}

// set writes a slot without regard to the order of its routes.
func set(s *Slot) string {
	if s == nil || s.Node == nil {
		return ""
	}
	paths := map[uint32]string{s.id: s.Node.Path.String()}
	for _, x := range s.More {
		paths[x.ID] = x.Node.Path.String()
	}
	if len(paths) != 1+len(s.More) {
		return "an identifier twice"
	}
	return fmt.Sprint(paths)
}

func (w *changeWatcher) compare(table *Table, m *model) {
	for _, p := range table.Peers() {
		x := m.peer(p.Peer)
		if p.State != x.state || w.joined[p] != p.Eligible() {
			w.t.Fatalf("%s is %s, not %s", p, p.State, x.state)
		}
		for f, list := range modelPrefixes {
			for _, q := range list {
				got, want := "", ""
				if e := table.Entry(q); e != nil {
					got = set(e.Slot(p))
				}
				if paths := x.routes[f][q].paths; len(paths) > 0 {
					want = fmt.Sprint(paths)
				}
				if got != want {
					w.t.Fatalf("%s holds for %s: %s, not %s", p, q, got, want)
				}
				if told := w.shadow[p][q]; told != got {
					w.t.Fatalf("%s holds for %s: %s, but the changes told %s", p, q, got, told)
				}
			}
		}
	}
}
