package table

import (
	"cmp"
	"context"
	"maps"
	"math"
	"net/netip"
	"slices"

	"depeer/bgp"
	"depeer/watch/timeline"
	"depeer/watch/timeline/chunk"
)

// seqStep is how many chunks of one prefix and month a packing can make. The number of the
// first row of the tail that was packed is what comes before: chunks of a month are in the
// order of writing.
const seqStep = 1 << 20

// pack moves about as many changes of the tail as given into chunks, in one transaction,
// and gives how many, and how many chunks. The caller holds s.writing.
func (s *Store) pack(ctx context.Context, atMost int) (int, int, error) {
	total, chunks := 0, 0
	err := s.update(ctx, func(x *transaction) error {
		var ids []int64
		full := false
		err := x.each("SELECT id, n FROM tail ORDER BY id", nil, func(scan func(...any) error) error {
			var id int64
			var n int
			err := scan(&id, &n)
			if full = full || len(ids) > 0 && total+n > atMost; !full {
				ids, total = append(ids, id), total+n
			}
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		p := &packing{s: s, x: x, seq: ids[0] * seqStep, rows: map[uint32][]chunk.Row{}, names: map[netip.Prefix]uint32{}, of: map[uint32]netip.Prefix{},
			carriers: map[uint32]carriers{}, hosters: map[uint32][]string{}}
		for _, id := range ids {
			if err := p.take(id); err != nil {
				return err
			}
		}
		for _, id := range slices.Sorted(maps.Keys(p.rows)) {
			if err := p.store(id, p.rows[id]); err != nil {
				return err
			}
		}
		chunks = p.chunks
		return x.exec("DELETE FROM tail WHERE id <= ?", ids[len(ids)-1])
	})
	if err != nil {
		return 0, 0, err
	}
	return total, chunks, nil
}

// packing is one move from the tail into chunks.
type packing struct {
	s        *Store
	x        *transaction
	seq      int64
	rows     map[uint32][]chunk.Row // by prefix, in the order of writing
	names    map[netip.Prefix]uint32
	of       map[uint32]netip.Prefix
	carriers map[uint32]carriers // by path
	hosters  map[uint32][]string // by word
	months   map[int64]bool
	chunks   int // written
}

// carriers is the ASes of a path.
type carriers struct {
	origin uint32
	all    []uint32
}

func carriersOf(path bgp.Path) carriers {
	var c carriers
	c.origin, _ = path.Origin()
	for _, h := range path.Hops(nil) {
		if h.Set == nil {
			c.all = append(c.all, h.ASN)
		}
		c.all = append(c.all, h.Set...)
	}
	slices.Sort(c.all)
	c.all = slices.Compact(c.all)
	return c
}

// take adds a row of the tail.
func (p *packing) take(id int64) error {
	b, err := readTail(p.x, id)
	if err != nil {
		return err
	}
	if err := p.s.rowsOf(p.x, b, func(b *chunk.Batch, i int) (uint32, error) { return p.prefixID(b.Prefixes[i]) }); err != nil {
		return err
	}
	counts := map[uint32]int{}
	for i := range b.Rows {
		counts[b.Rows[i].Prefix]++
	}
	for id, n := range counts {
		p.rows[id] = slices.Grow(p.rows[id], n)
	}
	for _, r := range b.Rows {
		p.rows[r.Prefix] = append(p.rows[r.Prefix], r)
	}
	for _, path := range b.Paths {
		n, err := p.s.paths.id(p.x, chunk.AppendPath(nil, path))
		if err != nil {
			return err
		}
		if _, ok := p.carriers[n]; !ok {
			p.carriers[n] = carriersOf(path)
		}
	}
	for _, w := range b.Words {
		n, err := p.s.words.id(p.x, []byte(w))
		if err != nil {
			return err
		}
		p.hosters[n] = splitWords(w)
	}
	return nil
}

// prefixID numbers a prefix. Its row is made here, and filled in by store.
func (p *packing) prefixID(q netip.Prefix) (uint32, error) {
	if id, ok := p.names[q]; ok {
		return id, nil
	}
	var id uint32
	body := chunk.AppendPrefix(nil, q)
	found, err := p.x.one("SELECT id FROM prefix WHERE body = ?", []any{body}, &id)
	if err != nil {
		return 0, err
	}
	if !found {
		err = p.x.exec("INSERT INTO prefix (body, first_at, last_at, n, since) VALUES (?, ?, ?, 0, 0)", body, int64(math.MaxInt64), int64(math.MinInt64))
		if err != nil {
			return 0, err
		}
		if _, err := p.x.one("SELECT id FROM prefix WHERE body = ?", []any{body}, &id); err != nil {
			return 0, err
		}
	}
	p.names[q], p.of[id] = id, q
	return id, nil
}

// store writes the changes of one prefix as chunks, and what can be looked up of them.
func (p *packing) store(id uint32, rows []chunk.Row) error {
	byTime(rows)
	if err := p.account(id, rows); err != nil {
		return err
	}
	if err := p.describe(id, rows); err != nil {
		return err
	}
	seq := p.seq
	for len(rows) > 0 {
		m := month(rows[0].At)
		end := monthEnd(m)
		n := sortedUntil(rows, end)
		chunks := 0
		if err := p.bucket(m); err != nil {
			return err
		}
		for part := range slices.Chunk(rows[:n], p.s.sizes.chunk) {
			if err := storeChunk(p.x, id, m, seq, part); err != nil {
				return err
			}
			seq++
			chunks++
		}
		err := p.x.exec(`INSERT INTO todo (prefix, month, chunks) VALUES (?, ?, ?) ON CONFLICT (prefix, month) DO UPDATE
			SET chunks = todo.chunks + excluded.chunks`, int64(id), m, chunks)
		if err != nil {
			return err
		}
		p.chunks += chunks
		rows = rows[n:]
	}
	return nil
}

func (p *packing) bucket(m int64) error {
	if p.s.d.Bucket == nil || p.months[m] {
		return nil
	}
	if p.months == nil {
		p.months = map[int64]bool{}
	}
	p.months[m] = true
	return p.s.d.explain(p.s.d.Bucket(p.x.ctx, p.x.tx, m))
}

// sortedUntil counts the rows before a time.
func sortedUntil(rows []chunk.Row, end int64) int {
	n, _ := slices.BinarySearchFunc(rows, end, func(r chunk.Row, at int64) int { return cmp.Compare(r.At, at) })
	return n
}

// byTime puts rows in order of At; those of one moment stay in the order of writing.
func byTime(rows []chunk.Row) {
	for i := 1; i < len(rows); i++ {
		if rows[i].At < rows[i-1].At {
			slices.SortStableFunc(rows, func(a, b chunk.Row) int { return cmp.Compare(a.At, b.At) })
			return
		}
	}
}

func storeChunk(x *transaction, prefix uint32, month, seq int64, rows []chunk.Row) error {
	earliest := rows[0].Recorded
	for i := range rows {
		earliest = min(earliest, rows[i].Recorded)
	}
	return x.exec("INSERT INTO chunk (prefix, month, seq, first_at, last_at, recorded, n, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		int64(prefix), month, seq, rows[0].At, rows[len(rows)-1].At, earliest, len(rows), chunk.Append(nil, rows))
}

// account brings the prefix's own row up to date, and drops the checkpoints that do not
// rest on what comes now.
func (p *packing) account(id uint32, rows []chunk.Row) error {
	first, last := rows[0].At, rows[len(rows)-1].At
	var before int64
	if _, err := p.x.one("SELECT last_at FROM prefix WHERE id = ?", []any{int64(id)}, &before); err != nil {
		return err
	}
	since := "since + ?"
	if first <= before {
		dropped, err := p.x.affect("DELETE FROM checkpoint WHERE prefix = ? AND at >= ?", int64(id), first)
		if err != nil {
			return err
		}
		if dropped > 0 {
			since = "n + ?" // all that follows the remaining ones, at most
		}
	}
	return p.x.exec(`UPDATE prefix SET first_at = CASE WHEN first_at > ? THEN ? ELSE first_at END,
		last_at = CASE WHEN last_at < ? THEN ? ELSE last_at END, n = n + ?, since = `+since+` WHERE id = ?`,
		first, first, last, last, len(rows), len(rows), int64(id))
}

// index is what the writer remembers to have stored for look-ups.
type index struct {
	carried map[carriedKey][2]int64 // first and last month
	members map[memberKey]bool
}

type carriedKey struct {
	role   uint8
	asn    uint32
	prefix uint32
}

type memberKey struct {
	word, prefix uint32
}

// What an AS is of a prefix.
const (
	origin  = 0
	carrier = 1
)

func newIndex() index {
	return index{carried: map[carriedKey][2]int64{}, members: map[memberKey]bool{}}
}

// describe stores who originated and carried a prefix, and whose it is.
func (p *packing) describe(id uint32, rows []chunk.Row) error {
	if id == 0 {
		return nil
	}
	type seenPath struct {
		path  uint32
		month int64
	}
	seen := map[seenPath]bool{}
	m, end, lastWord := int64(0), int64(math.MinInt64), uint32(0)
	for i := range rows {
		r := &rows[i]
		if r.At >= end {
			m = month(r.At)
			end = monthEnd(m)
		}
		if k := (seenPath{r.Path, m}); r.Path != 0 && !seen[k] {
			seen[k] = true
			c := p.carriers[r.Path]
			if err := p.carried(carriedKey{origin, c.origin, id}, m); err != nil {
				return err
			}
			for _, asn := range c.all {
				if err := p.carried(carriedKey{carrier, asn, id}, m); err != nil {
					return err
				}
			}
		}
		if r.Word != 0 && r.Word != lastWord && r.What != uint8(timeline.Left) {
			lastWord = r.Word
			if err := p.member(memberKey{r.Word, id}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *packing) carried(k carriedKey, m int64) error {
	have, known := p.s.index.carried[k]
	if known && have[0] <= m && m <= have[1] || k.asn == 0 {
		return nil
	}
	if len(p.s.index.carried) >= 4*most {
		clear(p.s.index.carried)
		known = false
	}
	if !known {
		have = [2]int64{m, m}
	}
	have = [2]int64{min(have[0], m), max(have[1], m)}
	p.s.index.carried[k] = have
	return p.x.exec(`INSERT INTO carried (role, asn, prefix, first_month, last_month) VALUES (?, ?, ?, ?, ?) ON CONFLICT (role, asn, prefix) DO UPDATE
		SET first_month = CASE WHEN excluded.first_month < carried.first_month THEN excluded.first_month ELSE carried.first_month END,
		last_month = CASE WHEN excluded.last_month > carried.last_month THEN excluded.last_month ELSE carried.last_month END`,
		int64(k.role), int64(k.asn), int64(k.prefix), have[0], have[1])
}

func (p *packing) member(k memberKey) error {
	if p.s.index.members[k] {
		return nil
	}
	if len(p.s.index.members) >= most {
		clear(p.s.index.members)
	}
	p.s.index.members[k] = true
	for _, h := range p.hosters[k.word] {
		if err := p.x.exec("INSERT INTO member (hoster, prefix) VALUES (?, ?) ON CONFLICT DO NOTHING", h, int64(k.prefix)); err != nil {
			return err
		}
	}
	return nil
}
