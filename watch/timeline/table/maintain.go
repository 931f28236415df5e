package table

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"depeer/watch/timeline"
	"depeer/watch/timeline/chunk"
)

const (
	stepRows  = 1 << 18       // changes packed or merged in one transaction
	manyOnce  = 8             // chunks of a month that lasts are merged from so many new ones on
	settled   = 2 * 24 * 3600 // seconds after which a month is over: what comes later is late
	settling  = time.Hour     // no checkpoint is younger: collectors tell the last hour in any order
	stateCost = 8             // so many times as many changes as routes lie between checkpoints, at least
)

// Maintain packs what came in, merges, drops and writes checkpoints: each in transactions
// of some hundred thousand changes.
func (s *Store) Maintain(ctx context.Context, now time.Time, r timeline.Retention) (timeline.Maintenance, error) {
	var done timeline.Maintenance
	if s.write == nil {
		return done, ErrReadOnly
	}
	err := s.packAll(ctx, &done)
	if err == nil {
		err = s.mergeAll(ctx, now, &done)
	}
	if err == nil && r.Changes > 0 {
		err = s.dropChanges(ctx, month(micro(now.Add(-r.Changes))), &done)
	}
	if err == nil && r.Records > 0 {
		err = s.dropRecords(ctx, micro(now.Add(-r.Records)), &done)
	}
	if err == nil {
		err = s.checkpoints(ctx, micro(now.Add(-settling)))
	}
	if err == nil && s.d.Tidy != nil {
		s.writing.Lock()
		err = s.d.explain(s.d.Tidy(ctx, s.write))
		s.writing.Unlock()
	}
	if err != nil {
		return done, err
	}
	done.Bytes, err = s.d.Size(ctx, s.read)
	return done, s.d.explain(err)
}

// step is one transaction of the maintenance; a writer may come between two.
func (s *Store) step(ctx context.Context, f func(*transaction) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.update(ctx, f)
}

func (s *Store) packAll(ctx context.Context, done *timeline.Maintenance) error {
	for {
		s.writing.Lock()
		n, chunks, err := s.pack(ctx, min(stepRows, s.sizes.tail))
		s.writing.Unlock()
		done.Packed += chunks
		if err != nil || n == 0 {
			return err
		}
	}
}

// place is the chunks of a prefix in a month.
type place struct {
	prefix, month int64
}

func (s *Store) mergeAll(ctx context.Context, now time.Time, done *timeline.Maintenance) error {
	over := month(micro(now) - settled*1e6)
	var places []place
	err := s.view(ctx, func(x *transaction) error {
		return x.each("SELECT prefix, month FROM todo WHERE chunks >= ? OR month < ? ORDER BY prefix, month", []any{manyOnce, over},
			func(scan func(...any) error) error {
				var p place
				err := scan(&p.prefix, &p.month)
				places = append(places, p)
				return err
			})
	})
	for err == nil && len(places) > 0 {
		err = s.step(ctx, func(x *transaction) error {
			for rows := 0; len(places) > 0 && rows < stepRows; places = places[1:] {
				n, merged, err := s.merge(x, places[0], places[0].month < over)
				if err != nil {
					return err
				}
				rows += n + 64
				done.Merged += merged
			}
			return nil
		})
	}
	return err
}

// header is a chunk without its body.
type header struct {
	seq, first, last int64
	n                int
}

// merge makes fewer chunks of those of a month, where that is worth it, and gives how many
// changes and chunks it read. Those of a month that is over become full ones that do not
// overlap.
func (s *Store) merge(x *transaction, p place, over bool) (rows, merged int, err error) {
	var list []header
	err = x.each("SELECT seq, first_at, last_at, n FROM chunk WHERE prefix = ? AND month = ? ORDER BY seq", []any{p.prefix, p.month},
		func(scan func(...any) error) error {
			var h header
			err := scan(&h.seq, &h.first, &h.last, &h.n)
			list = append(list, h)
			return err
		})
	if err != nil {
		return 0, 0, err
	}
	list = list[s.worth(list, over):]
	if len(list) > 1 {
		if rows, err = s.rewrite(x, p, list); err != nil {
			return 0, 0, err
		}
		merged = len(list)
	}
	if over {
		return rows, merged, x.exec("DELETE FROM todo WHERE prefix = ? AND month = ?", p.prefix, p.month)
	}
	return rows, merged, x.exec("UPDATE todo SET chunks = 0 WHERE prefix = ? AND month = ?", p.prefix, p.month)
}

// worth gives the place from which on chunks are to be merged. While a month lasts, one that
// is larger than all behind it together is left alone, so that each change is written again
// only a few times.
func (s *Store) worth(list []header, over bool) int {
	if over {
		latest := int64(math.MinInt64)
		for i, h := range list {
			if h.n < s.sizes.chunk || h.first < latest {
				for i > 0 && list[i-1].last > earliest(list[i:]) {
					i--
				}
				return i
			}
			latest = max(latest, h.last)
		}
		return len(list)
	}
	i, total := len(list), 0
	for i > 0 && (total == 0 || list[i-1].n <= 2*total) && list[i-1].n < s.sizes.chunk {
		i--
		total += list[i].n
	}
	return i
}

func earliest(list []header) int64 {
	first := int64(math.MaxInt64)
	for _, h := range list {
		first = min(first, h.first)
	}
	return first
}

// rewrite makes full chunks of neighbours, in their place in the order of writing.
func (s *Store) rewrite(x *transaction, p place, list []header) (int, error) {
	var rows []chunk.Row
	for _, h := range list {
		var body []byte
		if _, err := x.one("SELECT body FROM chunk WHERE prefix = ? AND month = ? AND seq = ?", []any{p.prefix, p.month, h.seq}, &body); err != nil {
			return 0, err
		}
		var err error
		if rows, err = chunk.Decode(rows, body); err != nil {
			return 0, damagedRow("chunk", h.seq, err)
		}
	}
	if (len(rows)+s.sizes.chunk-1)/s.sizes.chunk > len(list) {
		return len(rows), nil // chunks were larger once: these stay as they are
	}
	byTime(rows)
	err := x.exec("DELETE FROM chunk WHERE prefix = ? AND month = ? AND seq >= ?", p.prefix, p.month, list[0].seq)
	i := 0
	for part := range slices.Chunk(rows, s.sizes.chunk) {
		if err == nil {
			err = storeChunk(x, uint32(p.prefix), p.month, list[i].seq, part)
		}
		i++
	}
	return len(rows), err
}

// checkpoints writes those that are due, none after a time.
func (s *Store) checkpoints(ctx context.Context, until int64) error {
	var ids []int64
	err := s.view(ctx, func(x *transaction) error {
		return x.each("SELECT id FROM prefix WHERE since >= ? ORDER BY id", []any{2 * s.sizes.stride}, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	for err == nil && len(ids) > 0 {
		err = s.step(ctx, func(x *transaction) error {
			for rows := 0; len(ids) > 0 && rows < stepRows; ids = ids[1:] {
				n, err := s.check(x, ids[0], until)
				if err != nil {
					return err
				}
				rows += n + 64
			}
			return nil
		})
	}
	return err
}

// check writes the checkpoints of a prefix behind its last one, and gives how many changes it
// read.
func (s *Store) check(x *transaction, id, until int64) (int, error) {
	at, rests := int64(math.MinInt64), int64(math.MinInt64)
	var body []byte
	_, err := x.one("SELECT at, rests, body FROM checkpoint WHERE prefix = ? ORDER BY at DESC LIMIT 1", []any{id}, &at, &rests, &body)
	if err != nil {
		return 0, err
	}
	var state []chunk.Row
	if body != nil {
		if state, err = chunk.Decode(nil, body); err != nil {
			return 0, damagedRow("checkpoint of prefix", id, err)
		}
	}
	months, err := monthsOf(x, id, at)
	if err != nil {
		return 0, err
	}
	read, carried := 0, len(state) // of state, what the last checkpoint left
	for _, m := range months {
		rows, err := s.monthRows(x, place{id, m}, at)
		if err != nil {
			return 0, err
		}
		read += len(rows)
		state = append(state, rows...)
		// A checkpoint is due where enough has come since; never between changes of one moment.
		for {
			stride := max(s.sizes.stride, stateCost*carried)
			cut := carried + stride
			for cut < len(state) && state[cut].At == state[cut-1].At {
				cut++
			}
			if cut >= len(state) || state[cut-1].At > until {
				break
			}
			for i := range state[:cut] {
				rests = max(rests, state[i].Recorded)
			}
			at = state[cut-1].At
			kept := held(state[:cut], id == 0)
			err := x.exec("INSERT INTO checkpoint (prefix, at, rests, body) VALUES (?, ?, ?, ?)", id, at, rests, chunk.Append(nil, kept))
			if err != nil {
				return 0, err
			}
			carried = len(kept)
			state = append(kept, state[cut:]...)
		}
	}
	var since int64
	for i := range state {
		if state[i].At > at {
			since++
		}
	}
	return read, x.exec("UPDATE prefix SET since = ? WHERE id = ?", since, id)
}

// monthsOf lists the months in which a prefix has chunks, from a time on.
func monthsOf(x *transaction, id, from int64) ([]int64, error) {
	low := int64(math.MinInt32)
	if from > math.MinInt64 {
		low = month(from)
	}
	var out []int64
	err := x.each("SELECT DISTINCT month FROM chunk WHERE prefix = ? AND month >= ? ORDER BY month", []any{id, low}, func(scan func(...any) error) error {
		var m int64
		err := scan(&m)
		out = append(out, m)
		return err
	})
	return out, err
}

// monthRows reads the changes of a month after a time, in order.
func (s *Store) monthRows(x *transaction, p place, after int64) ([]chunk.Row, error) {
	var rows []chunk.Row
	err := x.each("SELECT seq, body FROM chunk WHERE prefix = ? AND month = ? AND last_at > ? ORDER BY seq", []any{p.prefix, p.month, after},
		func(scan func(...any) error) error {
			var seq int64
			var body []byte
			if err := scan(&seq, &body); err != nil {
				return err
			}
			var err error
			if rows, err = chunk.Decode(rows, body); err != nil {
				return damagedRow("chunk", seq, err)
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	byTime(rows)
	n, _ := slices.BinarySearchFunc(rows, after, func(r chunk.Row, at int64) int {
		return cmp.Or(cmp.Compare(r.At, at), -1) // behind those of the moment
	})
	return rows[n:], nil
}
