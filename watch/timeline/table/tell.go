package table

import (
	"container/heap"
	"context"
	"errors"

	"depeer/bgp"
	"depeer/watch/timeline"
	"depeer/watch/timeline/chunk"
)

// name loads the paths and words of rows.
func (r *reading) name(rows []told) error {
	paths, words := map[uint32]bgp.Path{}, map[uint32][]string{}
	for i := range rows {
		if p := rows[i].Path; p != 0 && p < tailBase {
			if _, ok := r.paths[p]; !ok {
				paths[p] = nil
			}
		}
		if w := rows[i].Word; w != 0 && w < tailBase {
			if _, ok := r.words[w]; !ok {
				words[w] = nil
			}
		}
		if int(rows[i].Peer) >= len(r.peers) {
			return damagedRow("peer", rows[i].Peer, errors.New("there is none of that number"))
		}
	}
	if err := load(r.x, &r.s.known.mu, &r.s.known.paths, "path", paths, chunk.ParsePath); err != nil {
		return err
	}
	if err := load(r.x, &r.s.known.mu, &r.s.known.words, "word", words, splitWord); err != nil {
		return err
	}
	for id, p := range paths {
		if p == nil {
			return damagedRow("path", id, errors.New("there is none of that number"))
		}
		r.paths[id] = p
	}
	for id, w := range words {
		r.words[id] = w
	}
	return nil
}

// change makes a Change of a row.
func (r *reading) change(c *timeline.Change, t *told) {
	*c = timeline.Change{At: moment(t.At), Recorded: moment(t.Recorded), What: timeline.What(t.What), Peer: r.peers[t.Peer],
		Prefix: r.subjects[t.subject].prefix, PathID: t.PathID}
	if t.Path >= tailBase {
		c.Path = r.tailPaths[t.Path-tailBase]
	} else if t.Path != 0 {
		c.Path = r.paths[t.Path]
	}
	var words []string
	if t.Word >= tailBase {
		words = r.tailWords[t.Word-tailBase]
	} else if t.Word != 0 {
		words = r.words[t.Word]
	}
	switch {
	case c.What != timeline.Left:
		c.Hosters = words
	case len(words) > 0:
		c.Cause = words[0]
	}
}

// tell calls f for the rows: as they are, or, where runs says where the rows of each subject
// end, in order of time, and of one moment in order of the subjects.
func (r *reading) tell(ctx context.Context, rows []told, runs []int, f func(*timeline.Change) error) error {
	var c timeline.Change
	emit := func(i int) error {
		if i&1023 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		r.change(&c, &rows[i])
		return f(&c)
	}
	if runs == nil {
		for i := range rows {
			if err := emit(i); err != nil {
				return err
			}
		}
		return nil
	}
	q := runQueue{rows: rows}
	begin := 0
	for _, end := range runs {
		if begin < end {
			q.runs = append(q.runs, run{begin, end})
		}
		begin = end
	}
	heap.Init(&q)
	for len(q.runs) > 0 {
		x := &q.runs[0]
		if err := emit(x.next); err != nil {
			return err
		}
		if x.next++; x.next < x.end {
			heap.Fix(&q, 0)
		} else {
			heap.Pop(&q)
		}
	}
	return nil
}

// runQueue merges the runs of the subjects.
type runQueue struct {
	rows []told
	runs []run
}

type run struct{ next, end int }

func (q *runQueue) Len() int { return len(q.runs) }

func (q *runQueue) Less(i, j int) bool {
	a, b := &q.rows[q.runs[i].next], &q.rows[q.runs[j].next]
	if a.At != b.At {
		return a.At < b.At
	}
	return a.subject < b.subject
}

func (q *runQueue) Swap(i, j int) { q.runs[i], q.runs[j] = q.runs[j], q.runs[i] }
func (q *runQueue) Push(x any)    { q.runs = append(q.runs, x.(run)) }
func (q *runQueue) Pop() any {
	x := q.runs[len(q.runs)-1]
	q.runs = q.runs[:len(q.runs)-1]
	return x
}
