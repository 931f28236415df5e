package main

import (
	"net/netip"
	"slices"
	"sync"

	"depeer/bgp"
	"depeer/bus"
	"depeer/watch"
)

// roll knows whose story an update belongs to: the hosters whose AS numbers are in
// its path, who hold its prefix by configuration, or behind whom it was seen before.
// Its methods may be called from any goroutine.
type roll struct {
	mu       sync.Mutex
	byASN    map[uint32][]string       // guarded by mu
	byPrefix map[netip.Prefix][]string // guarded by mu; configured
	seen     map[netip.Prefix][]string // guarded by mu; learned from paths
	bits     [2][]int                  // guarded by mu; lengths of the configured prefixes, by family
	everyone []string
}

// maxSeen bounds what the roll learns, as the watchlist at the door does.
const maxSeen = 500_000

func newRoll(hosters []watch.Hoster) *roll {
	r := &roll{seen: map[netip.Prefix][]string{}, everyone: []string{bus.Everyone}}
	r.replace(hosters)
	return r
}

// replace puts other hosters in force. What was seen of those that stay is kept; the
// prefixes that are nobody's any more are given.
func (r *roll) replace(hosters []watch.Hoster) (dropped []netip.Prefix) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byASN, r.byPrefix, r.bits = map[uint32][]string{}, map[netip.Prefix][]string{}, [2][]int{}
	stays := map[string]bool{}
	for i := range hosters {
		h := &hosters[i]
		stays[h.ID] = true
		for _, a := range h.ASNs {
			r.byASN[a] = with(r.byASN[a], h.ID)
		}
		for _, q := range h.Prefixes {
			r.byPrefix[q] = with(r.byPrefix[q], h.ID)
			f := familyIndex(q.Addr())
			if !slices.Contains(r.bits[f], q.Bits()) {
				r.bits[f] = append(r.bits[f], q.Bits())
			}
		}
	}
	for q, ids := range r.seen {
		kept := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !stays[id] })
		if len(kept) == 0 {
			delete(r.seen, q)
			dropped = append(dropped, q)
		} else {
			r.seen[q] = kept
		}
	}
	return dropped
}

// learn adds what the judgement remembers from before a restart.
func (r *roll) learn(q netip.Prefix, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) < maxSeen {
		r.seen[q] = with(r.seen[q], id)
	}
}

// of gives the ids, in order; bus.Everyone for what concerns no single hoster.
func (r *roll) of(u *bgp.Update) []string {
	switch u.Kind {
	case bgp.Announce, bgp.Withdraw, bgp.TableRoute:
	default:
		return r.everyone
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.seen[u.Prefix]
	ids := was
	for _, s := range u.Path {
		for _, a := range s.ASNs {
			for _, id := range r.byASN[a] {
				ids = with(ids, id)
			}
		}
	}
	if len(ids) > len(was) && len(r.seen) < maxSeen {
		r.seen[u.Prefix] = ids
	}
	for _, b := range r.bits[familyIndex(u.Prefix.Addr())] {
		if b > u.Prefix.Bits() {
			continue
		}
		if cover, err := u.Prefix.Addr().Prefix(b); err == nil {
			for _, id := range r.byPrefix[cover] {
				ids = with(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return r.everyone
	}
	return ids
}

func familyIndex(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// with adds to a small ordered set, which others may share.
func with(ids []string, id string) []string {
	i, found := slices.BinarySearch(ids, id)
	if found {
		return ids
	}
	return slices.Insert(slices.Clone(ids), i, id)
}
