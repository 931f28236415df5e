package mrt

import (
	"cmp"
	"maps"
	"slices"
	"unsafe"

	"depeer/bgp"
)

// reorder holds updates back until the whole input is read, or so many that they
// no longer fit, and gives them out by the second of their time, then by peer,
// each peer's own in the order in which it said them. So the order in which a
// collector wrote its peers' records into a file changes nothing.
//
// The rule when they do not fit: the older three quarters go out. What is met later and
// is older than what went out goes out with the next ones, late and counted.
type reorder struct {
	limit   int64
	emit    func([]bgp.Update) error
	updates []bgp.Update
	bytes   int64
	order   []orderKey
	batch   []bgp.Update
	emitted int64 // second of the newest update given out
	late    uint64
}

type orderKey struct {
	sec   int64
	peer  int32 // see places
	index int32
}

const updateSize = int64(unsafe.Sizeof(bgp.Update{})) + int64(unsafe.Sizeof(orderKey{}))

// emitBatch is how many updates are given out in one call.
const emitBatch = 1024

// grown counts updates from index n on, and gives the older part out if there
// are too many. before is called ahead of that, to add what is owed.
func (r *reorder) grown(n int, before func()) error {
	for i := n; i < len(r.updates); i++ {
		r.bytes += r.size(i)
		if r.updates[i].At.Unix() < r.emitted {
			r.late++
		}
	}
	if r.bytes < r.limit {
		return nil
	}
	before()
	return r.flush(len(r.updates) * 3 / 4)
}

// size is what an update takes in memory. Updates of one message share their path.
func (r *reorder) size(i int) int64 {
	n := updateSize
	p := r.updates[i].Path
	if i > 0 && len(p) > 0 && len(r.updates[i-1].Path) > 0 && &p[0] == &r.updates[i-1].Path[0] {
		return n
	}
	for _, s := range p {
		n += int64(unsafe.Sizeof(s)) + 4*int64(len(s.ASNs))
	}
	return n
}

// places numbers the peers in their order, which is dear to compare.
func (r *reorder) places() map[bgp.Peer]int32 {
	place := map[bgp.Peer]int32{}
	for i := range r.updates {
		place[r.updates[i].Peer] = 0
	}
	for i, p := range slices.SortedFunc(maps.Keys(place), bgp.Peer.Compare) {
		place[p] = int32(i)
	}
	return place
}

// flush gives out the first n updates in order; those that stay keep the order
// in which they came.
func (r *reorder) flush(n int) error {
	r.order = r.order[:0]
	place := r.places()
	for i := range r.updates {
		r.order = append(r.order, orderKey{r.updates[i].At.Unix(), place[r.updates[i].Peer], int32(i)})
	}
	slices.SortFunc(r.order, func(a, b orderKey) int {
		return cmp.Or(cmp.Compare(a.sec, b.sec), cmp.Compare(a.peer, b.peer), cmp.Compare(a.index, b.index))
	})
	for n < len(r.order) && n > 0 && r.order[n].sec == r.order[n-1].sec {
		n++ // a second is never torn apart
	}
	for i := 0; i < n; {
		r.batch = r.batch[:0]
		for ; i < n && len(r.batch) < emitBatch; i++ {
			r.batch = append(r.batch, r.updates[r.order[i].index])
		}
		r.emitted = r.batch[len(r.batch)-1].At.Unix()
		if err := r.emit(r.batch); err != nil {
			return err
		}
	}
	rest := r.order[n:]
	slices.SortFunc(rest, func(a, b orderKey) int { return cmp.Compare(a.index, b.index) })
	for i, k := range rest {
		r.updates[i] = r.updates[k.index]
	}
	clear(r.updates[len(rest):])
	r.updates = r.updates[:len(rest)]
	r.bytes = 0
	for i := range r.updates {
		r.bytes += r.size(i)
	}
	return nil
}
