package table

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/netip"
	"slices"

	"depeer/bgp"
	"depeer/watch/timeline"
	"depeer/watch/timeline/chunk"
)

// reading is one question about changes.
type reading struct {
	s                  *Store
	x                  *transaction
	from, to, believed int64
	subjects           []subject
	places             map[netip.Prefix]int // of subjects

	peers []bgp.Peer
	paths map[uint32]bgp.Path
	words map[uint32][]string

	tailPaths []bgp.Path
	tailWords [][]string
}

// subject is a prefix that is asked about, or the sessions.
type subject struct {
	prefix netip.Prefix
	id     uint32      // of the store; 0 also where only the tail knows it
	stored bool        // it has chunks
	tail   []chunk.Row // that are believed, in the order of writing
	oldest int64       // of its changes in the tail, believed or not
}

// tailBase is where the numbers of paths and words begin that only the tail has.
const tailBase = 1 << 31

var errTooMany = errors.New("more than is read at a time")

// Changes calls f for the changes of a span.
func (s *Store) Changes(ctx context.Context, span timeline.Span, f func(*timeline.Change) error) error {
	r := &reading{s: s, from: bound(span.From, math.MinInt64), to: bound(span.To, math.MaxInt64), believed: bound(span.Believed, math.MaxInt64),
		places: map[netip.Prefix]int{}, paths: map[uint32]bgp.Path{}, words: map[uint32][]string{}}
	var state []told
	var changes []told
	var runs []int
	err := s.view(ctx, func(x *transaction) error {
		r.x = x
		err := r.begin(span.Prefixes)
		if err != nil {
			return err
		}
		state, changes, runs, err = r.all()
		if errors.Is(err, errTooMany) {
			changes = nil
			return r.inWindows(ctx, f)
		}
		if err != nil {
			return err
		}
		if err := r.name(state); err != nil {
			return err
		}
		return r.name(changes)
	})
	if err != nil {
		return err
	}
	// What follows needs the store no more: f may ask it.
	if err := r.tell(ctx, state, nil, f); err != nil {
		return err
	}
	if changes == nil {
		return ctx.Err()
	}
	return r.tell(ctx, changes, runs, f)
}

// told is a row of a subject.
type told struct {
	chunk.Row
	subject int
}

// begin finds the subjects, and what the tail has of them.
func (r *reading) begin(prefixes []netip.Prefix) error {
	r.subjects = append(r.subjects, subject{stored: true, oldest: math.MaxInt64})
	if err := r.s.loadPeers(r.x); err != nil {
		return err
	}
	peerIDs := map[bgp.Peer]uint32{}
	r.peers = r.s.known.peerList()
	for i, p := range r.peers {
		if i > 0 {
			peerIDs[p] = uint32(i)
		}
	}
	tail, err := r.s.tail(r.x)
	if err != nil {
		return err
	}
	if err := r.find(prefixes, tail); err != nil {
		return err
	}
	for i, p := range r.subjects {
		r.places[p.prefix] = i
	}
	for _, b := range tail {
		r.takeTail(b, peerIDs)
	}
	return nil
}

// find lists the subjects: the sessions, then the prefixes in order.
func (r *reading) find(prefixes []netip.Prefix, tail []*unpacked) error {
	have := map[netip.Prefix]bool{}
	if len(prefixes) > 0 {
		for _, p := range prefixes {
			if have[p] || !p.IsValid() {
				continue
			}
			have[p] = true
			x := subject{prefix: p, oldest: math.MaxInt64}
			var err error
			if x.stored, err = r.x.one("SELECT id FROM prefix WHERE body = ?", []any{chunk.AppendPrefix(nil, p)}, &x.id); err != nil {
				return err
			}
			r.subjects = append(r.subjects, x)
		}
	} else {
		err := r.x.each("SELECT id, body FROM prefix WHERE id > 0", nil, func(scan func(...any) error) error {
			x := subject{stored: true, oldest: math.MaxInt64}
			var body []byte
			if err := scan(&x.id, &body); err != nil {
				return err
			}
			p, err := chunk.ParsePrefix(body)
			if err != nil {
				return damagedRow("prefix", x.id, err)
			}
			x.prefix, have[p] = p, true
			r.subjects = append(r.subjects, x)
			return nil
		})
		if err != nil {
			return err
		}
		for _, b := range tail {
			for _, p := range b.Prefixes {
				if !have[p] {
					have[p] = true
					r.subjects = append(r.subjects, subject{prefix: p, oldest: math.MaxInt64})
				}
			}
		}
	}
	slices.SortFunc(r.subjects[1:], func(a, b subject) int { return comparePrefixes(a.prefix, b.prefix) })
	return nil
}

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// takeTail sorts the rows of a batch of the tail to their subjects.
func (r *reading) takeTail(u *unpacked, peerIDs map[bgp.Peer]uint32) {
	peers, paths, words := map[uint32]uint32{}, map[uint32]uint32{}, map[uint32]uint32{} // of the batch, and what they are called here
	take := func(n, place int) {
		x := &r.subjects[n]
		x.oldest = min(x.oldest, u.mention[place].first)
		for _, i := range u.mention[place].rows {
			row := u.Rows[i]
			if row.Recorded > r.believed || row.At > r.to {
				continue
			}
			row.Peer = called(peers, row.Peer, func() uint32 {
				p := u.Peers[row.Peer-1]
				id, ok := peerIDs[p]
				if !ok {
					id = uint32(len(r.peers))
					r.peers = append(r.peers, p)
					peerIDs[p] = id
				}
				return id
			})
			if row.Path != 0 {
				row.Path = called(paths, row.Path, func() uint32 {
					r.tailPaths = append(r.tailPaths, u.Paths[row.Path-1])
					return uint32(tailBase + len(r.tailPaths) - 1)
				})
			}
			if row.Word != 0 {
				row.Word = called(words, row.Word, func() uint32 {
					r.tailWords = append(r.tailWords, u.words[row.Word-1])
					return uint32(tailBase + len(r.tailWords) - 1)
				})
			}
			x.tail = append(x.tail, row)
		}
	}
	take(0, 0) // the sessions
	if len(r.subjects) < len(u.places) {
		for n := range r.subjects[1:] {
			if place, ok := u.places[r.subjects[n+1].prefix]; ok {
				take(n+1, place)
			}
		}
		return
	}
	for i, p := range u.Prefixes {
		if n, ok := r.places[p]; ok {
			take(n, i+1)
		}
	}
}

// called gives the other name of a number, which is made where there is none.
func called(names map[uint32]uint32, number uint32, make func() uint32) uint32 {
	name, ok := names[number]
	if !ok {
		name = make()
		names[number] = name
	}
	return name
}

// rows gives what is known of a subject after lo and until hi, in order of time, and of
// writing.
func (r *reading) rows(dst []chunk.Row, i int, lo, hi int64) ([]chunk.Row, error) {
	x := &r.subjects[i]
	start := len(dst)
	if x.stored {
		low, high := int64(math.MinInt32), int64(math.MaxInt32)
		if lo > math.MinInt64 {
			low = month(lo)
		}
		if hi < math.MaxInt64 {
			high = month(hi)
		}
		err := r.x.each(`SELECT seq, body FROM chunk WHERE prefix = ? AND month >= ? AND month <= ? AND last_at > ? AND first_at <= ? AND recorded <= ?
			ORDER BY month, seq`, []any{int64(x.id), low, high, lo, hi, r.believed}, func(scan func(...any) error) error {
			var seq int64
			var body []byte
			if err := scan(&seq, &body); err != nil {
				return err
			}
			begin := len(dst)
			var err error
			if dst, err = chunk.Decode(dst, body); err != nil {
				return damagedRow("chunk", seq, err)
			}
			dst = r.within(dst, begin, lo, hi)
			return nil
		})
		if err != nil {
			return dst, err
		}
	}
	for _, row := range x.tail {
		if row.At > lo && row.At <= hi {
			dst = append(dst, row)
		}
	}
	byTime(dst[start:])
	return dst, nil
}

// within drops what is not asked for from dst[begin:].
func (r *reading) within(dst []chunk.Row, begin int, lo, hi int64) []chunk.Row {
	kept := begin
	for _, row := range dst[begin:] {
		if row.At > lo && row.At <= hi && row.Recorded <= r.believed {
			dst[kept] = row
			kept++
		}
	}
	return dst[:kept]
}

// checkpoint gives the rows of the last checkpoint that can be relied upon, and its time.
func (r *reading) checkpoint(dst []chunk.Row, i int) ([]chunk.Row, int64, error) {
	x := &r.subjects[i]
	if !x.stored || r.from == math.MinInt64 {
		return dst, math.MinInt64, nil
	}
	var at int64
	var body []byte
	found, err := r.x.one("SELECT at, body FROM checkpoint WHERE prefix = ? AND at <= ? AND at < ? AND rests <= ? ORDER BY at DESC LIMIT 1",
		[]any{int64(x.id), r.from, x.oldest, r.believed}, &at, &body)
	if err != nil || !found {
		return dst, math.MinInt64, err
	}
	if dst, err = chunk.Decode(dst, body); err != nil {
		return dst, 0, damagedRow("checkpoint of prefix", x.id, err)
	}
	return dst, at, nil
}

// subject reads what leads to the state of a subject at the beginning, and what follows:
// from the place given on.
func (r *reading) subject(i int, buf []chunk.Row) ([]chunk.Row, int, error) {
	buf, lo, err := r.checkpoint(buf[:0], i)
	if err != nil {
		return buf, 0, err
	}
	at := len(buf)
	if buf, err = r.rows(buf, i, lo, r.to); err != nil || r.from == math.MinInt64 {
		return buf, 0, err
	}
	return buf, at + sortedUntil(buf[at:], r.from+1), nil
}

// all reads everything at once. runs are where the changes of each subject end.
func (r *reading) all() (state, changes []told, runs []int, err error) {
	var buf []chunk.Row
	changes = []told{}
	for i := range r.subjects {
		if err := r.x.ctx.Err(); err != nil {
			return nil, nil, nil, err
		}
		var n int
		if buf, n, err = r.subject(i, buf); err != nil {
			return nil, nil, nil, err
		}
		for _, row := range r.fold(i, buf[:n]) {
			state = append(state, told{row, i})
		}
		changes = slices.Grow(changes, len(buf)-n)
		for _, row := range buf[n:] {
			changes = append(changes, told{row, i})
		}
		runs = append(runs, len(changes))
		if len(changes) > r.s.sizes.window {
			return nil, nil, nil, errTooMany
		}
	}
	return state, changes, runs, nil
}

// inWindows tells the state, and then one part of the time after the other: each as long as
// what is read at a time.
func (r *reading) inWindows(ctx context.Context, f func(*timeline.Change) error) error {
	to := r.to
	r.to = r.from
	var state []told
	if r.from > math.MinInt64 {
		var err error
		if state, _, _, err = r.all(); err != nil {
			return err
		}
		if err := r.name(state); err != nil {
			return err
		}
		if err := r.tell(ctx, state, nil, f); err != nil {
			return err
		}
	}
	lo, hi, err := r.extent(r.from, to)
	if err != nil {
		return err
	}
	for width := hi - lo; lo < hi; {
		end := hi
		if width < hi-lo {
			end = lo + width
		}
		changes, runs, err := r.part(lo, end)
		if errors.Is(err, errTooMany) {
			width = (end - lo) / 2
			continue
		}
		if err != nil {
			return err
		}
		if err := r.name(changes); err != nil {
			return err
		}
		if err := r.tell(ctx, changes, runs, f); err != nil {
			return err
		}
		clear(r.paths)
		if lo = end; len(changes) < r.s.sizes.window/4 {
			width *= 2
		}
	}
	return nil
}

// extent narrows a span to where changes are.
func (r *reading) extent(lo, hi int64) (int64, int64, error) {
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range r.subjects {
		x := &r.subjects[i]
		if x.stored {
			var a, b int64
			if _, err := r.x.one("SELECT first_at, last_at FROM prefix WHERE id = ?", []any{int64(x.id)}, &a, &b); err != nil {
				return 0, 0, err
			}
			first, last = min(first, a), max(last, b)
		}
		for _, row := range x.tail {
			first, last = min(first, row.At), max(last, row.At)
		}
	}
	if first > last {
		return 0, 0, nil
	}
	return max(lo, first-1), min(hi, last), nil
}

// part reads what lies in a part of the time; errTooMany where that is more than is read at
// a time, unless it is a single moment.
func (r *reading) part(lo, hi int64) ([]told, []int, error) {
	var out []told
	var runs []int
	var buf []chunk.Row
	for i := range r.subjects {
		if err := r.x.ctx.Err(); err != nil {
			return nil, nil, err
		}
		var err error
		if buf, err = r.rows(buf[:0], i, lo, hi); err != nil {
			return nil, nil, err
		}
		for _, row := range buf {
			out = append(out, told{row, i})
		}
		runs = append(runs, len(out))
		if len(out) > r.s.sizes.window && hi-lo > 1 {
			return nil, nil, errTooMany
		}
	}
	return out, runs, nil
}

// fold leaves of the rows, in order of time, the routes that are held, or the last word on
// every peer, in the order in which they are told.
func (r *reading) fold(i int, rows []chunk.Row) []chunk.Row {
	out := held(rows, i == 0)
	slices.SortFunc(out, func(a, b chunk.Row) int {
		if a.Peer == b.Peer {
			return cmp.Compare(a.PathID, b.PathID)
		}
		return r.peers[a.Peer].Compare(r.peers[b.Peer])
	})
	if i > 0 {
		for j := range out {
			out[j].What = uint8(timeline.Known)
		}
	}
	return out
}

// held gives what the rows leave, in order of time.
func held(rows []chunk.Row, sessions bool) []chunk.Row {
	type key struct{ peer, id uint32 }
	last := make(map[key]int, 64)
	for j := range rows {
		last[key{rows[j].Peer, rows[j].PathID}] = j
	}
	out := make([]chunk.Row, 0, len(last))
	for _, j := range last {
		if what := timeline.What(rows[j].What); sessions || what == timeline.Announced || what == timeline.Known {
			out = append(out, rows[j])
		}
	}
	slices.SortFunc(out, func(a, b chunk.Row) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.PathID, b.PathID))
	})
	return out
}
