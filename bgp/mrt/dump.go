package mrt

import (
	"slices"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// dump follows a table while it is read: whose it is, and how many routes each
// of its peers had.
type dump struct {
	open     [2]bool // per family: a route was met
	peers    []*peerState
	routes   [2]map[*peerState]int
	at       time.Time // of the last entry
	prepared bool
}

// route handles an entry of a table.
func (d *dump) route(f *feed, e *Event) {
	s := f.s
	if e.Family.SAFI != wire.Unicast {
		return
	}
	p := f.session(e.addr, e.PeerAS)
	d.at = f.at(e)
	v6 := 0
	if e.Family.V6() {
		v6 = 1
	}
	if !d.open[v6] {
		d.start(f, e, v6)
	}
	n, ok := d.routes[v6][p]
	if !ok {
		// TABLE_DUMP names its peers entry by entry.
		if !slices.Contains(d.peers, p) {
			d.peers = append(d.peers, p)
		}
		d.begin(f, p, v6 == 1)
	}
	d.routes[v6][p] = n + 1
	s.stats.Elements++
	if _, ok := e.Update.Attr(wire.AttrPath); !ok {
		return // the collector's own route: no peer said it
	}
	switch {
	case s.cfg.Shared != nil:
		var h wire.Hit
		s.cfg.Shared.Do(func(w *wire.Watch) { h = w.MatchRoute(e.Prefix, e.Update) })
		if h == 0 {
			return
		}
	case s.cfg.Watch != nil && s.cfg.Watch.MatchRoute(e.Prefix, e.Update) == 0:
		return
	}
	s.stats.Matched++
	s.out.updates = append(s.out.updates, bgp.Update{At: d.at, Peer: p.peer, Kind: bgp.TableRoute,
		Prefix: e.Prefix.Netip(), PathID: e.Prefix.ID, Path: e.Update.Path()})
}

// start begins a family of the table for all peers of the index, those without a
// route included: that they hold none is what the table says.
func (d *dump) start(f *feed, e *Event, v6 int) {
	d.open[v6] = true
	d.routes[v6] = map[*peerState]int{}
	if !d.prepared {
		d.prepared = true
		if e.Format&^formatAddPath == FormatTableDumpV2 {
			entries, _ := f.c.decoder.Peers()
			for _, x := range entries {
				if p := f.session(x.addr, x.ASN); x.ASN != 0 && !slices.Contains(d.peers, p) {
					d.peers = append(d.peers, p)
				}
			}
		}
	}
	for _, p := range d.peers {
		d.begin(f, p, v6 == 1)
		d.routes[v6][p] = 0
	}
}

func (d *dump) begin(f *feed, p *peerState, v6 bool) {
	f.s.out.updates = append(f.s.out.updates, bgp.Update{At: d.at, Peer: p.peer, Kind: bgp.TableStart, V6: v6})
}

// end completes the table for every peer and family of it, or cuts it.
func (d *dump) end(f *feed, cut bool) {
	for v6, open := range d.open {
		if !open {
			continue
		}
		for _, p := range d.peers {
			n, ok := d.routes[v6][p]
			if !ok {
				continue
			}
			u := bgp.Update{At: d.at, Peer: p.peer, Kind: bgp.TableEnd, V6: v6 == 1, Heard: p.traffic}
			u.Heard.Routes = n
			if cut {
				u.Kind = bgp.TableCut
			}
			f.s.out.updates = append(f.s.out.updates, u)
		}
	}
	*d = dump{}
}
