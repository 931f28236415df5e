package table

import (
	"context"
	"math"

	"depeer/watch/timeline"
	"depeer/watch/timeline/chunk"
)

// baseSeq is where the chunks begin that hold what was left of dropped months: they come
// before all others of their month.
const baseSeq = math.MinInt32

// dropChanges drops the changes before a month. What holds at its beginning stays: it is
// moved into the month before, as knowledge.
func (s *Store) dropChanges(ctx context.Context, from int64, done *timeline.Maintenance) error {
	limit := monthEnd(from - 1)
	var ids []int64
	err := s.view(ctx, func(x *transaction) error {
		return x.each("SELECT id FROM prefix WHERE first_at < ? ORDER BY id", []any{limit}, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	for err == nil && len(ids) > 0 {
		err = s.step(ctx, func(x *transaction) error {
			for rows := 0; len(ids) > 0 && rows < stepRows; ids = ids[1:] {
				n, chunks, err := s.drop(x, ids[0], from)
				if err != nil {
					return err
				}
				rows += n + 64
				done.Dropped += chunks
			}
			return nil
		})
	}
	return err
}

// drop drops the changes of one prefix before a month, and gives how many changes it read
// and how many chunks it dropped.
func (s *Store) drop(x *transaction, id, from int64) (int, int, error) {
	var one int
	old, err := x.one("SELECT 1 FROM chunk WHERE prefix = ? AND month < ? AND NOT (month = ? AND seq < 0) LIMIT 1", []any{id, from, from - 1}, &one)
	if err != nil || !old {
		return 0, 0, err
	}
	var state []chunk.Row
	read := 0
	months, err := monthsOf(x, id, math.MinInt64)
	if err != nil {
		return 0, 0, err
	}
	for _, m := range months {
		if m >= from {
			break
		}
		rows, err := s.monthRows(x, place{id, m}, math.MinInt64)
		if err != nil {
			return 0, 0, err
		}
		read += len(rows)
		state = append(state, rows...)
		byTime(state) // what an earlier dropping left lies in a month later than its time
		state = held(state, id == 0)
	}
	dropped, err := x.affect("DELETE FROM chunk WHERE prefix = ? AND month < ?", id, from)
	if err != nil {
		return 0, 0, err
	}
	if s.d.Bucket != nil && len(state) > 0 {
		if err := s.d.Bucket(x.ctx, x.tx, from-1); err != nil {
			return 0, 0, s.d.explain(err)
		}
	}
	kept, first := len(state), int64(math.MaxInt64)
	if kept > 0 {
		first = state[0].At
	} else if _, err := x.one("SELECT COALESCE(MIN(first_at), ?) FROM chunk WHERE prefix = ?", []any{first, id}, &first); err != nil {
		return 0, 0, err
	}
	for seq := int64(baseSeq); len(state) > 0; seq++ {
		n := min(len(state), s.sizes.chunk)
		for i := range state[:n] {
			if id > 0 {
				state[i].What = uint8(timeline.Known)
			}
		}
		if err := storeChunk(x, uint32(id), from-1, seq, state[:n]); err != nil {
			return 0, 0, err
		}
		state = state[n:]
	}
	if err := x.exec("DELETE FROM checkpoint WHERE prefix = ? AND at < ?", id, monthEnd(from-1)); err != nil {
		return 0, 0, err
	}
	if err := x.exec("DELETE FROM todo WHERE prefix = ? AND month < ?", id, from); err != nil {
		return 0, 0, err
	}
	err = x.exec("UPDATE prefix SET first_at = ?, n = n - ? WHERE id = ?", first, read-kept, id)
	if err != nil {
		return 0, 0, err
	}
	return read, int(dropped), s.forgetPrefix(x, id)
}

// forgetPrefix drops what is known of a prefix of which no change is left.
func (s *Store) forgetPrefix(x *transaction, id int64) error {
	var one int
	empty, err := x.one("SELECT 1 FROM prefix WHERE id = ? AND id > 0 AND n = 0", []any{id}, &one)
	if err != nil || !empty {
		return err
	}
	for _, statement := range []string{"DELETE FROM member WHERE prefix = ?", "DELETE FROM carried WHERE prefix = ?", "DELETE FROM checkpoint WHERE prefix = ?",
		"DELETE FROM todo WHERE prefix = ?", "DELETE FROM prefix WHERE id = ?"} {
		if err := x.exec(statement, id); err != nil {
			return err
		}
	}
	s.index = newIndex() // its number does not come again, but the memory of it is of no use
	return nil
}

// dropRecords drops what is over, with all its revisions, since before a time.
func (s *Store) dropRecords(ctx context.Context, limit int64, done *timeline.Maintenance) error {
	for {
		var n int64
		err := s.step(ctx, func(x *transaction) error {
			var ids []int64
			err := x.each(`SELECT r.id FROM record r WHERE r.at < ? AND NOT EXISTS (SELECT 1 FROM record l WHERE l.kind = r.kind AND l.name = r.name
				AND (l.at >= ? OR l.until >= ? OR l.until = ? AND l.kind IN `+lasts+` AND NOT EXISTS
				(SELECT 1 FROM record m WHERE m.kind = l.kind AND m.name = l.name AND m.revision > l.revision))) ORDER BY r.at, r.id LIMIT 1000`,
				[]any{limit, limit, limit, int64(noTime)}, func(scan func(...any) error) error {
					var id int64
					err := scan(&id)
					ids = append(ids, id)
					return err
				})
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := x.exec("DELETE FROM record_prefix WHERE record = ?", id); err != nil {
					return err
				}
				if err := x.exec("DELETE FROM record WHERE id = ?", id); err != nil {
					return err
				}
			}
			n = int64(len(ids))
			return nil
		})
		done.Dropped += int(n)
		if err != nil || n == 0 {
			return err
		}
	}
}
