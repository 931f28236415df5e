package table

import (
	"context"
	"math"
	"net/netip"
	"slices"
	"strings"

	"depeer/watch/timeline"
	"depeer/watch/timeline/chunk"
)

// found is a prefix of a scope.
type found struct {
	timeline.PrefixInfo
	first, last int64
	matches     [3]bool // what of Hoster, Origin, Through is so, by the chunks or by the tail
}

// Prefixes lists the prefixes of a scope.
func (s *Store) Prefixes(ctx context.Context, scope timeline.Scope) ([]timeline.PrefixInfo, error) {
	var all map[netip.Prefix]*found
	err := s.view(ctx, func(x *transaction) error {
		tail, err := s.tail(x)
		if err != nil {
			return err
		}
		all, err = s.scan(x, &scope, len(tail) > 0)
		if err != nil {
			return err
		}
		for _, b := range tail {
			addTail(all, b, &scope)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	wanted := [3]bool{scope.Hoster != "", scope.Origin != 0, scope.Through != 0}
	var out []timeline.PrefixInfo
	for _, f := range all {
		fits := true
		for i, w := range wanted {
			fits = fits && (!w || f.matches[i])
		}
		if !fits {
			continue
		}
		slices.Sort(f.Hosters)
		f.Hosters = slices.Compact(f.Hosters)
		f.First, f.Last = moment(f.first), moment(f.last)
		out = append(out, f.PrefixInfo)
	}
	slices.SortFunc(out, func(a, b timeline.PrefixInfo) int { return comparePrefixes(a.Prefix, b.Prefix) })
	return out, nil
}

// scan finds the stored prefixes of a scope; with loose, all that lie where Scope.Prefix
// says, because the tail may say the rest.
func (s *Store) scan(x *transaction, scope *timeline.Scope, loose bool) (map[netip.Prefix]*found, error) {
	where, args := within(scope)
	columns := "p.id, p.body, p.first_at, p.last_at, p.n"
	conditions := [3]string{
		"EXISTS (SELECT 1 FROM member m WHERE m.hoster = ? AND m.prefix = p.id)",
		"EXISTS (SELECT 1 FROM carried c WHERE c.role = 0 AND c.asn = ? AND c.prefix = p.id)",
		"EXISTS (SELECT 1 FROM carried c WHERE c.role = 1 AND c.asn = ? AND c.prefix = p.id)",
	}
	values := [3]any{scope.Hoster, int64(scope.Origin), int64(scope.Through)}
	var shown []any
	for i, w := range []bool{scope.Hoster != "", scope.Origin != 0, scope.Through != 0} {
		switch {
		case !w:
			columns += ", 0"
		case loose:
			columns += ", CASE WHEN " + conditions[i] + " THEN 1 ELSE 0 END"
			shown = append(shown, values[i])
		default:
			columns += ", 1"
			where = append(where, "p.id IN (SELECT prefix FROM "+[3]string{"member WHERE hoster = ?", "carried WHERE role = 0 AND asn = ?", "carried WHERE role = 1 AND asn = ?"}[i]+")")
			args = append(args, values[i])
		}
	}
	all := map[netip.Prefix]*found{}
	byID := map[int64]*found{}
	query := "SELECT " + columns + " FROM prefix p WHERE p.id > 0 AND p.n > 0"
	for _, w := range where {
		query += " AND " + w
	}
	err := x.each(query, append(shown, args...), func(scan func(...any) error) error {
		var id int64
		var body []byte
		f := &found{}
		var m [3]int
		if err := scan(&id, &body, &f.first, &f.last, &f.Changes, &m[0], &m[1], &m[2]); err != nil {
			return err
		}
		p, err := chunk.ParsePrefix(body)
		if err != nil {
			return damagedRow("prefix", id, err)
		}
		f.Prefix = p
		for i := range m {
			f.matches[i] = m[i] != 0
		}
		all[p], byID[id] = f, f
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, members(x, byID)
}

// members fills in whose the prefixes are.
func members(x *transaction, byID map[int64]*found) error {
	query, args := "SELECT hoster, prefix FROM member", [][]any{nil}
	if len(byID) <= 64 {
		query, args = "SELECT hoster, prefix FROM member WHERE prefix = ?", nil
		for id := range byID {
			args = append(args, []any{id})
		}
	}
	for _, a := range args {
		err := x.each(query, a, func(scan func(...any) error) error {
			var hoster string
			var id int64
			if err := scan(&hoster, &id); err != nil {
				return err
			}
			if f := byID[id]; f != nil {
				f.Hosters = append(f.Hosters, hoster)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// within says in SQL where a prefix lies. The order of the column is that of the prefixes.
func within(s *timeline.Scope) (where []string, args []any) {
	q := s.Prefix
	if !q.IsValid() {
		return nil, nil
	}
	q = q.Masked()
	parts := []string{"p.body = ?"}
	args = append(args, chunk.AppendPrefix(nil, q))
	if s.Prefix != q {
		parts, args = nil, nil // it has bits behind its length: it is no prefix itself
	}
	if s.Covered {
		parts = append(parts, "p.body > ? AND p.body <= ?")
		args = append(args, chunk.AppendPrefix(nil, q), chunk.AppendPrefix(nil, lastOf(q)))
	}
	if s.Covering {
		var marks []string
		for bits := range q.Bits() {
			up, _ := q.Addr().Prefix(bits)
			marks = append(marks, "?")
			args = append(args, chunk.AppendPrefix(nil, up))
		}
		if len(marks) > 0 {
			parts = append(parts, "p.body IN ("+strings.Join(marks, ",")+")")
		}
	}
	if len(parts) == 0 {
		return []string{"1 = 0"}, nil
	}
	return []string{"(" + strings.Join(parts, " OR ") + ")"}, args
}

// lastOf is the prefix of full length at the end of q.
func lastOf(q netip.Prefix) netip.Prefix {
	a := q.Addr().AsSlice()
	for i := q.Bits(); i < len(a)*8; i++ {
		a[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(a)
	return netip.PrefixFrom(last, last.BitLen())
}

// meant reports whether the scope's Prefix means p.
func meant(s *timeline.Scope, p netip.Prefix) bool {
	q := s.Prefix
	return !q.IsValid() || p == q ||
		s.Covering && p.Bits() < q.Bits() && p.Contains(q.Addr()) ||
		s.Covered && q.Bits() < p.Bits() && q.Contains(p.Addr())
}

// addTail adds what a batch of the tail says of the prefixes of a scope.
func addTail(all map[netip.Prefix]*found, b *chunk.Batch, scope *timeline.Scope) {
	of := make([]*found, len(b.Prefixes)+1)
	for i, p := range b.Prefixes {
		f := all[p]
		if f == nil && meant(scope, p) {
			f = &found{first: math.MaxInt64, last: math.MinInt64}
			f.Prefix = p
			all[p] = f
		}
		of[i+1] = f
	}
	paths := make([]carriers, len(b.Paths)+1)
	if scope.Origin != 0 || scope.Through != 0 {
		for i, p := range b.Paths {
			paths[i+1] = carriersOf(p)
		}
	}
	for i := range b.Rows {
		r := &b.Rows[i]
		f := of[r.Prefix]
		if f == nil {
			continue
		}
		f.first, f.last = min(f.first, r.At), max(f.last, r.At)
		f.Changes++
		if c := &paths[r.Path]; r.Path != 0 {
			f.matches[1] = f.matches[1] || scope.Origin != 0 && c.origin == scope.Origin
			f.matches[2] = f.matches[2] || scope.Through != 0 && slices.Contains(c.all, scope.Through)
		}
		if r.Word == 0 || r.What == uint8(timeline.Left) {
			continue
		}
		for _, h := range splitWords(b.Words[r.Word-1]) {
			f.matches[0] = f.matches[0] || h == scope.Hoster
			if !slices.Contains(f.Hosters, h) {
				f.Hosters = append(f.Hosters, h)
			}
		}
	}
}
