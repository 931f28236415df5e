package table

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"depeer/watch/timeline"
	"depeer/watch/timeline/chunk"
)

func damagedRow(table string, id any, err error) error {
	return fmt.Errorf("%s %v: %w", table, id, err)
}

// Write stores a batch.
func (s *Store) Write(ctx context.Context, b *timeline.Batch) error {
	if b.Recorded.IsZero() {
		return errors.New("write a batch: it has no time of recording")
	}
	for i := range b.Changes {
		if c := &b.Changes[i]; c.What < timeline.Announced || c.What > timeline.Joined || c.Prefix != c.Prefix.Masked() {
			return fmt.Errorf("write a batch: change %d is of no kind that is known, or its prefix %s is not masked", i, c.Prefix)
		}
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.write == nil {
		return ErrReadOnly
	}
	if err := s.makeRoom(ctx, len(b.Changes)); err != nil {
		return fmt.Errorf("pack what came in: %w", err)
	}
	tail := packTail(b.Changes, b.Recorded)
	err := s.update(ctx, func(x *transaction) error { return store(x, b, tail) })
	if err != nil {
		return fmt.Errorf("write a batch: %w", err)
	}
	return nil
}

func store(x *transaction, b *timeline.Batch, tail []packed) error {
	if len(b.Cursors) > 0 {
		stored, err := cursors(x)
		if err != nil {
			return err
		}
		if !ahead(b.Cursors, stored) {
			return nil
		}
	}
	for _, t := range tail {
		if err := x.exec("INSERT INTO tail (n, body) VALUES (?, ?)", t.n, t.body); err != nil {
			return err
		}
	}
	for i := range b.Records {
		if err := storeRecord(x, &b.Records[i], micro(b.Recorded)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.Cursors)) {
		err := x.exec(`INSERT INTO log_position (name, n) VALUES (?, ?) ON CONFLICT (name) DO UPDATE
			SET n = CASE WHEN excluded.n > log_position.n THEN excluded.n ELSE log_position.n END`, name, int64(b.Cursors[name]))
		if err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.Kept)) {
		body := b.Kept[name]
		if body == nil {
			body = []byte{}
		}
		if err := x.exec("INSERT INTO kept (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body", name, body); err != nil {
			return err
		}
	}
	return nil
}

// ahead reports whether one of the positions is beyond what is stored.
func ahead(wanted, stored map[string]uint64) bool {
	for name, n := range wanted {
		if at, ok := stored[name]; !ok || n > at {
			return true
		}
	}
	return false
}

func cursors(x *transaction) (map[string]uint64, error) {
	out := map[string]uint64{}
	err := x.each("SELECT name, n FROM log_position", nil, func(scan func(...any) error) error {
		var name string
		var n int64
		err := scan(&name, &n)
		out[name] = uint64(n)
		return err
	})
	return out, err
}

// Cursors gives the stored position of every log.
func (s *Store) Cursors(ctx context.Context) (map[string]uint64, error) {
	var out map[string]uint64
	err := s.view(ctx, func(x *transaction) (err error) {
		out, err = cursors(x)
		return err
	})
	return out, err
}

// Kept gives what was kept under a name.
func (s *Store) Kept(ctx context.Context, name string) ([]byte, error) {
	var body []byte
	err := s.view(ctx, func(x *transaction) error {
		_, err := x.one("SELECT body FROM kept WHERE name = ?", []any{name}, &body)
		return err
	})
	return body, err
}

// makeRoom packs the tail where it has grown long, before n more come. The caller holds
// s.writing.
func (s *Store) makeRoom(ctx context.Context, n int) error {
	var have int64
	err := s.view(ctx, func(x *transaction) error {
		_, err := x.one("SELECT COALESCE(SUM(n), 0) FROM tail", nil, &have)
		return err
	})
	for err == nil && have > 0 && have+int64(n) > int64(s.sizes.tail) {
		var packed int
		packed, _, err = s.pack(ctx, s.sizes.tail)
		have -= int64(packed)
	}
	return err
}

// rowsOf numbers the rows of a batch as the store does.
func (s *Store) rowsOf(x *transaction, b *chunk.Batch, prefixID func(*chunk.Batch, int) (uint32, error)) error {
	peers, err := numberAll(len(b.Peers), func(i int) (uint32, error) { return s.peerID(x, b.Peers[i]) })
	if err != nil {
		return err
	}
	var scratch []byte
	paths, err := numberAll(len(b.Paths), func(i int) (uint32, error) {
		scratch = chunk.AppendPath(scratch[:0], b.Paths[i])
		return s.paths.id(x, scratch)
	})
	if err != nil {
		return err
	}
	words, err := numberAll(len(b.Words), func(i int) (uint32, error) { return s.words.id(x, []byte(b.Words[i])) })
	if err != nil {
		return err
	}
	prefixes, err := numberAll(len(b.Prefixes), func(i int) (uint32, error) { return prefixID(b, i) })
	if err != nil {
		return err
	}
	for i := range b.Rows {
		r := &b.Rows[i]
		r.Peer, r.Path, r.Word, r.Prefix = peers[r.Peer], paths[r.Path], words[r.Word], prefixes[r.Prefix]
	}
	return nil
}

// numberAll gives the number of each of n things, from place 1; 0 stays 0.
func numberAll(n int, id func(int) (uint32, error)) ([]uint32, error) {
	out := make([]uint32, n+1)
	for i := range n {
		var err error
		if out[i+1], err = id(i); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Coverage gives what was kept of it.
func (s *Store) Coverage(ctx context.Context) (out []timeline.Coverage, err error) {
	err = s.view(ctx, func(x *transaction) error {
		out = nil
		return x.each("SELECT name, body FROM kept WHERE name LIKE '"+timeline.KeptCoverage+"%' ORDER BY name", nil, func(scan func(...any) error) error {
			var name string
			var body []byte
			if err := scan(&name, &body); err != nil {
				return err
			}
			list, err := timeline.DecodeCoverage(body)
			if err != nil {
				return fmt.Errorf("what is kept as %q is damaged: %w", name, err)
			}
			out = append(out, list...)
			return nil
		})
	})
	return out, err
}
