package wire

import (
	"net/netip"
	"time"

	"depeer/bgp"
)

// Watch is the watchlist pushed down to a feed: it decides from the raw bytes
// of a message whether anybody wants to know about it, at a cost that does not
// depend on the length of the list. With Learn it also follows what the watched
// AS numbers carry (see learn.go). It is not safe for concurrent use.
type Watch struct {
	// Learn makes Match remember the prefixes that watched AS numbers originate
	// or carry, and reference prefixes behind their upstreams.
	Learn bool

	seen     asnSet // watched AS numbers, and upstreams in want of references
	watched  asnSet
	prefixes prefixSet
	learnt   learned
	messages int // matched against so far
}

// NewWatch makes an empty list, which matches nothing.
func NewWatch() *Watch {
	w := &Watch{}
	w.prefixes.init()
	w.learnt.init()
	return w
}

// AddASN watches an AS number, anywhere in a path.
func (w *Watch) AddASN(asn uint32) {
	w.watched.add(asn)
	w.seen.add(asn)
}

// AddPrefix watches a prefix and its more specifics.
func (w *Watch) AddPrefix(p netip.Prefix) { w.prefixes.add(PrefixOf(p), subtree) }

// AddExact watches a prefix without its more specifics.
func (w *Watch) AddExact(p netip.Prefix) { w.prefixes.add(PrefixOf(p), exact) }

// Len gives how many AS numbers and prefixes are watched, learned ones included.
func (w *Watch) Len() (asns, prefixes int) { return w.watched.n, w.prefixes.len() }

// WatchesASN reports whether the AS number is watched.
func (w *Watch) WatchesASN(asn uint32) bool { return w.watched.has(asn) }

// WatchesPrefix reports whether the prefix is watched, or inside one that is.
func (w *Watch) WatchesPrefix(p Prefix) bool { return w.prefixes.has(p) }

// Hit says why a message is wanted: any of the bits below, or 0.
type Hit uint8

// The reasons for which a message is wanted.
const (
	ByPath   Hit = 1 << iota // a watched AS is in the path of what it announces
	ByPrefix                 // a prefix that it announces or withdraws is watched
)

// Match decides about a message that was split without a fault. It allocates
// nothing unless it learns something.
func (w *Watch) Match(u *Update) (h Hit) {
	w.messages++
	if u.nAnn != 0 && w.pathSeen(u) {
		h = w.onPath(u)
	}
	if (u.mayHold4(&w.prefixes) || !u.Plain()) && w.anyPrefix(u) {
		h |= ByPrefix
	}
	return h
}

// MatchRoute decides about an entry of a dumped table.
func (w *Watch) MatchRoute(p Prefix, u *Update) (h Hit) {
	if w.pathSeen(u) && w.onRoute(p, u) {
		h = ByPath
	}
	if w.prefixes.has(p) {
		h |= ByPrefix
	}
	return h
}

// MatchPath reports whether a watched AS is in the path.
func (w *Watch) MatchPath(u *Update) bool {
	if !w.pathSeen(u) {
		return false
	}
	return w.watchedPath(u)
}

// pathSeen is the quick look: it may say yes for an AS in AS4_PATH that merging
// would drop, or for an upstream, and never says no wrongly.
func (w *Watch) pathSeen(u *Update) bool {
	switch {
	case u.seen&bitPath == 0 || w.seen.n == 0:
		return false
	case u.s.AS4:
		return w.seen.anyIn4(u.value(AttrPath))
	}
	return w.seen.anyIn2(u.value(AttrPath)) ||
		u.seen&(1<<AttrAS4Path) != 0 && w.seen.anyIn4(u.value(AttrAS4Path))
}

// watchedPath looks for a watched AS in the path as it is after merging.
func (w *Watch) watchedPath(u *Update) bool {
	for _, s := range u.PathInto(&w.learnt.scratch) {
		for _, a := range s.ASNs {
			if w.watched.has(a) {
				return true
			}
		}
	}
	return false
}

// anyPrefix looks at every unicast prefix of the message, both ways.
func (w *Watch) anyPrefix(u *Update) bool {
	if w.prefixes.len() == 0 {
		return false
	}
	s := &w.prefixes
	if u.mayHold4(s) && (s.anyOf(u.Announced()) || s.anyOf(u.Withdrawn())) {
		return true
	}
	if u.seen&(bitReach|bitUnreach) == 0 {
		return false
	}
	if f, _, x, ok := u.Reach(); ok && f.SAFI == Unicast && s.anyOf(x) {
		return true
	}
	f, x, ok := u.Unreach()
	return ok && f.SAFI == Unicast && s.anyOf(x)
}

func (s *prefixSet) anyOf(x Prefixes) bool {
	for p, ok := x.Next(); ok; p, ok = x.Next() {
		if s.has(p) {
			return true
		}
	}
	return false
}

// Append decodes what is wanted of a message: all that it announces if the path
// was the reason, else what is watched; of what it withdraws, what is watched.
// Withdrawals come first, as a router would apply them (RFC 4271 section 4.3
// forbids a prefix in both). The updates share one path.
func (w *Watch) Append(dst []bgp.Update, u *Update, h Hit, at time.Time, peer bgp.Peer) []bgp.Update {
	emit := func(x Prefixes, k bgp.Kind, path bgp.Path, all bool) {
		for p, ok := x.Next(); ok; p, ok = x.Next() {
			if all || w.prefixes.has(p) {
				dst = append(dst, bgp.Update{At: at, Peer: peer, Kind: k, Prefix: p.Netip(), PathID: p.ID, Path: path})
			}
		}
	}
	emit(u.Withdrawn(), bgp.Withdraw, nil, false)
	if f, x, ok := u.Unreach(); ok && f.SAFI == Unicast {
		emit(x, bgp.Withdraw, nil, false)
	}
	if u.nAnn == 0 {
		return dst
	}
	path := u.Path()
	emit(u.Announced(), bgp.Announce, path, h&ByPath != 0)
	if f, _, x, ok := u.Reach(); ok && f.SAFI == Unicast {
		emit(x, bgp.Announce, path, h&ByPath != 0)
	}
	return dst
}

// Append decodes all that a message says, watched or not.
func (u *Update) Append(dst []bgp.Update, at time.Time, peer bgp.Peer) []bgp.Update {
	emit := func(x Prefixes, k bgp.Kind, path bgp.Path) {
		for p, ok := x.Next(); ok; p, ok = x.Next() {
			dst = append(dst, bgp.Update{At: at, Peer: peer, Kind: k, Prefix: p.Netip(), PathID: p.ID, Path: path})
		}
	}
	emit(u.Withdrawn(), bgp.Withdraw, nil)
	if f, x, ok := u.Unreach(); ok && f.SAFI == Unicast {
		emit(x, bgp.Withdraw, nil)
	}
	if u.nAnn == 0 {
		return dst
	}
	path := u.Path()
	emit(u.Announced(), bgp.Announce, path)
	if f, _, x, ok := u.Reach(); ok && f.SAFI == Unicast {
		emit(x, bgp.Announce, path)
	}
	return dst
}
