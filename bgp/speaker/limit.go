package speaker

import (
	"hash/maphash"

	"depeer/bgp/wire"
)

// held counts the routes of a peer exactly, at 16 octets or fewer each and a
// constant cost for each prefix: it keeps a keyed hash of 64 bits of every
// (prefix, path identifier). That two of a million share one has a chance of
// one in 36 million.
type held struct {
	seed  maphash.Seed
	table []uint64 // open addressing, linear probing; 0 is free
	n     int
}

func newHeld() *held { return &held{seed: maphash.MakeSeed(), table: make([]uint64, 1<<10)} }

func (h *held) hash(p wire.Prefix) uint64 {
	return max(maphash.Comparable(h.seed, p), 1)
}

// find gives the place of a hash, or the free one where it belongs.
func (h *held) find(x uint64) int {
	mask := len(h.table) - 1
	i := int(x) & mask
	for h.table[i] != 0 && h.table[i] != x {
		i = (i + 1) & mask
	}
	return i
}

// add notes a route, and reports whether it is new.
func (h *held) add(p wire.Prefix) bool {
	x := h.hash(p)
	i := h.find(x)
	if h.table[i] == x {
		return false
	}
	h.table[i] = x
	if h.n++; h.n > len(h.table)/4*3 {
		old := h.table
		h.table = make([]uint64, 2*len(old))
		for _, y := range old {
			if y != 0 {
				h.table[h.find(y)] = y
			}
		}
	}
	return true
}

// has reports whether a route is held.
func (h *held) has(p wire.Prefix) bool { return h.table[h.find(h.hash(p))] != 0 }

// remove forgets a route, and reports whether it was held.
func (h *held) remove(p wire.Prefix) bool {
	i := h.find(h.hash(p))
	if h.table[i] == 0 {
		return false
	}
	h.n--
	mask := len(h.table) - 1
	for j := i; ; { // close the gap, so that probing finds what lies behind it
		h.table[i] = 0
		for {
			j = (j + 1) & mask
			if h.table[j] == 0 {
				return true
			}
			if home := int(h.table[j]) & mask; (j-home)&mask >= (j-i)&mask {
				break
			}
		}
		h.table[i] = h.table[j]
		i = j
	}
}

// count applies a message to the routes held, withdrawals first.
func (h *held) count(u *wire.Update) {
	each := func(x wire.Prefixes, f func(wire.Prefix) bool) {
		for p, ok := x.Next(); ok; p, ok = x.Next() {
			f(p)
		}
	}
	each(u.Withdrawn(), h.remove)
	if f, x, ok := u.Unreach(); ok && f.SAFI == wire.Unicast {
		each(x, h.remove)
	}
	each(u.Announced(), h.add)
	if f, _, x, ok := u.Reach(); ok && f.SAFI == wire.Unicast {
		each(x, h.add)
	}
}
