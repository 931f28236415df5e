package mrt

import (
	"net/netip"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// PrefixMode says which prefixes an asked-for prefix stands for.
type PrefixMode uint8

// The modes.
const (
	MoreSpecific PrefixMode = iota // it and those inside it
	Exact
	LessSpecific // it and those around it
)

// Filter chooses elements. All of its conditions must hold; of the values of
// one condition any may. A condition on the path is never met by a withdrawal or
// a state change, which have none, and one on prefixes never by a state change.
// It is not safe for concurrent use.
type Filter struct {
	ASNs      []uint32 // anywhere in the path
	Origins   []uint32 // last in the path
	Upstreams []uint32 // directly left of an AS of ASNs or Origins where there is one, else of the origin
	Prefixes  []netip.Prefix
	Mode      PrefixMode
	Peers     []netip.Addr
	PeerASNs  []uint32
	Types     string      // of the letters A, W, B and S; empty: all
	Watch     *wire.Watch // what is watched, by path or by prefix

	quick    *wire.Watch // AS numbers of which a path must hold one
	inside   *wire.Watch // prefixes that are wanted, unless Mode is LessSpecific
	around   []wire.Prefix
	hops     []bgp.Hop
	scratch  wire.PathScratch
	types    [256]bool
	some     bool // there is a condition other than Watch
	onPath   bool
	onPeer   bool
	all      bool // the event at hand: announcements and table routes are wanted whatever their prefix
	pathOK   bool // the event at hand: its path is wanted
	prepared bool
}

// Prepare readies the filter; after it the conditions must not change.
func (f *Filter) Prepare() {
	f.prepared = true
	for _, t := range []byte("AWBS") {
		f.types[t] = f.Types == ""
	}
	for i := range len(f.Types) {
		f.types[f.Types[i]] = true
	}
	f.onPath = len(f.ASNs)+len(f.Origins)+len(f.Upstreams) > 0
	f.onPeer = len(f.Peers)+len(f.PeerASNs) > 0
	f.some = f.onPath || f.onPeer || len(f.Prefixes) > 0 || f.Types != ""
	if f.onPath {
		f.quick = wire.NewWatch()
		switch must := f.ASNs; {
		case len(must) > 0:
			f.addAll(must)
		case len(f.Origins) > 0:
			f.addAll(f.Origins)
		default:
			f.addAll(f.Upstreams)
		}
	}
	if len(f.Prefixes) == 0 {
		return
	}
	f.inside = wire.NewWatch()
	for _, p := range f.Prefixes {
		switch f.Mode {
		case MoreSpecific:
			f.inside.AddPrefix(p)
		case Exact:
			f.inside.AddExact(p)
		case LessSpecific:
			f.around = append(f.around, wire.PrefixOf(p))
		}
	}
}

func (f *Filter) addAll(asns []uint32) {
	for _, a := range asns {
		f.quick.AddASN(a)
	}
}

// Begin turns to an event. False means that none of its elements is wanted.
func (f *Filter) Begin(e *Event) bool {
	if !f.prepared {
		f.Prepare()
	}
	if e.Kind == Index {
		return false
	}
	if !f.some {
		return f.Watch == nil || f.beginWatch(e)
	}
	if f.onPeer && !f.peer(e) {
		return false
	}
	f.pathOK = true
	if f.onPath {
		if e.Kind == State || !f.quick.MatchPath(e.Update) || !f.path(e.Update) {
			return false
		}
	}
	return f.Watch == nil || f.beginWatch(e)
}

// beginWatch asks the watchlist about the event as a whole.
func (f *Filter) beginWatch(e *Event) bool {
	switch e.Kind {
	case Message:
		h := f.Watch.Match(e.Update)
		if e.Update.Plain() {
			f.all = h&wire.ByPath != 0
			return h != 0
		}
		if g, _, _, ok := e.Update.Reach(); ok && g.SAFI != wire.Unicast {
			// Multicast is for printing only; the watchlist matches unicast.
			f.all = f.Watch.MatchPath(e.Update)
			return true
		}
		f.all = h&wire.ByPath != 0
		if h == 0 {
			g, _, ok := e.Update.Unreach()
			return ok && g.SAFI != wire.Unicast
		}
		return true
	case Route:
		h := f.Watch.MatchRoute(e.Prefix, e.Update)
		f.all = h != 0
		return h != 0
	}
	return false
}

// Wants reports whether an element of the event last begun is wanted.
func (f *Filter) Wants(el *Element) bool {
	if f.Watch != nil && (!f.all || el.Type == 'W') && !f.Watch.WatchesPrefix(el.Prefix) {
		return false
	}
	if !f.some {
		return true
	}
	if !f.types[el.Type] || f.onPath && el.Type == 'W' {
		return false
	}
	if len(f.Prefixes) == 0 {
		return true
	}
	if el.Type == 'S' {
		return false
	}
	if f.Mode != LessSpecific {
		return f.inside.WatchesPrefix(el.Prefix)
	}
	for _, p := range f.around {
		if el.Prefix.Covers(p) {
			return true
		}
	}
	return false
}

func (f *Filter) peer(e *Event) bool {
	for _, a := range f.PeerASNs {
		if a == e.PeerAS {
			return true
		}
	}
	if len(f.Peers) == 0 {
		return false
	}
	addr := e.Peer().Unmap()
	for _, a := range f.Peers {
		if a == addr {
			return true
		}
	}
	return false
}

func in(list []uint32, h bgp.Hop) bool {
	for _, a := range list {
		if h.Set == nil && a == h.ASN {
			return true
		}
		for _, b := range h.Set {
			if a == b {
				return true
			}
		}
	}
	return false
}

// path decides about the path, made plain: prepending collapsed, AS_SETs as one hop.
func (f *Filter) path(u *wire.Update) bool {
	full := u.PathInto(&f.scratch)
	f.hops = full.Hops(f.hops[:0])
	last := len(f.hops) - 1
	if len(f.ASNs) > 0 && !anywhere(full, f.ASNs) {
		return false
	}
	if len(f.Origins) > 0 && (last < 0 || !in(f.Origins, f.hops[last])) {
		return false
	}
	if len(f.Upstreams) == 0 {
		return true
	}
	for i := 1; i <= last; i++ {
		below := i == last && (len(f.ASNs) == 0 || len(f.Origins) > 0) || in(f.ASNs, f.hops[i])
		if below && in(f.Upstreams, f.hops[i-1]) {
			return true
		}
	}
	return false
}

// anywhere looks in confederation segments as well, which a plain path lacks.
func anywhere(p bgp.Path, list []uint32) bool {
	for _, s := range p {
		for _, a := range s.ASNs {
			for _, b := range list {
				if a == b {
					return true
				}
			}
		}
	}
	return false
}

// Count counts the wanted elements of the event last begun.
func (f *Filter) Count(e *Event) (n uint64) {
	for el := range e.Elements {
		if f.Wants(el) {
			n++
		}
	}
	return n
}
