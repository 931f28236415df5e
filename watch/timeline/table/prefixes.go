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
		if all, err = s.scan(x, &scope, mentioned(tail, &scope)); err != nil {
			return err
		}
		for _, u := range tail {
			findInTail(all, u, &scope)
		}
		for _, u := range tail {
			addTail(all, u)
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

// criterion is what of Hoster, Origin, Through is looked for first; -1: none of them.
func criterion(scope *timeline.Scope) int {
	return slices.Index([]bool{scope.Hoster != "", scope.Origin != 0, scope.Through != 0}, true)
}

// mentioned lists the prefixes that the tail finds by the first criterion of a scope.
func mentioned(tail []*unpacked, scope *timeline.Scope) map[netip.Prefix]bool {
	out := map[netip.Prefix]bool{}
	for _, u := range tail {
		for _, place := range u.matching(scope, criterion(scope)) {
			if place > 0 && meant(scope, u.Prefixes[place-1]) {
				out[u.Prefixes[place-1]] = true
			}
		}
	}
	return out
}

// matching gives the places of what the batch knows to satisfy one of Hoster, Origin, Through.
func (u *unpacked) matching(scope *timeline.Scope, criterion int) []int {
	switch criterion {
	case 0:
		return u.hosters[scope.Hoster]
	case 1:
		return u.carriedBy(0, scope.Origin)
	case 2:
		return u.carriedBy(1, scope.Through)
	}
	return nil
}

// scan finds the stored prefixes of a scope: those that satisfy its first criterion by what is stored, and those
// that the tail says to. What else has to hold is looked at, and not asked for: the tail may say the rest.
func (s *Store) scan(x *transaction, scope *timeline.Scope, tail map[netip.Prefix]bool) (map[netip.Prefix]*found, error) {
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
		if !w {
			columns += ", 0"
			continue
		}
		columns += ", CASE WHEN " + conditions[i] + " THEN 1 ELSE 0 END"
		shown = append(shown, values[i])
	}
	if i := criterion(scope); i >= 0 {
		where = append(where, "p.id IN (SELECT prefix FROM "+[3]string{"member WHERE hoster = ?", "carried WHERE role = 0 AND asn = ?", "carried WHERE role = 1 AND asn = ?"}[i]+")")
		args = append(args, values[i])
	}
	all := map[netip.Prefix]*found{}
	byID := map[int64]*found{}
	take := func(scan func(...any) error) error {
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
	}
	query := "SELECT " + columns + " FROM prefix p WHERE p.id > 0 AND p.n > 0"
	full := query
	for _, w := range where {
		full += " AND " + w
	}
	if err := x.each(full, append(slices.Clone(shown), args...), take); err != nil {
		return nil, err
	}
	for p := range tail {
		if all[p] != nil {
			continue
		}
		if err := x.each(query+" AND p.body = ?", append(slices.Clone(shown), chunk.AppendPrefix(nil, p)), take); err != nil {
			return nil, err
		}
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

// findInTail adds the prefixes that a batch of the tail finds, and which criteria are satisfied by it.
func findInTail(all map[netip.Prefix]*found, u *unpacked, scope *timeline.Scope) {
	known := func(p netip.Prefix) *found {
		f := all[p]
		if f == nil {
			f = &found{first: math.MaxInt64, last: math.MinInt64}
			f.Prefix = p
			all[p] = f
		}
		return f
	}
	first := criterion(scope)
	if first < 0 {
		for _, p := range u.Prefixes {
			if meant(scope, p) {
				known(p)
			}
		}
	}
	for i := range 3 {
		for _, place := range u.matching(scope, i) {
			if place == 0 {
				continue
			}
			p := u.Prefixes[place-1]
			if f := all[p]; f != nil || i == first && meant(scope, p) {
				known(p).matches[i] = true
			}
		}
	}
}

// addTail adds what a batch of the tail says of the prefixes that were found.
func addTail(all map[netip.Prefix]*found, u *unpacked) {
	add := func(f *found, m *mention) {
		f.first, f.last = min(f.first, m.first), max(f.last, m.last)
		f.Changes += uint64(len(m.rows))
		for _, h := range m.hosters {
			if !slices.Contains(f.Hosters, h) {
				f.Hosters = append(f.Hosters, h)
			}
		}
	}
	if len(all) < len(u.Prefixes) {
		for p, f := range all {
			if place, ok := u.places[p]; ok {
				add(f, &u.mention[place])
			}
		}
		return
	}
	for i, p := range u.Prefixes {
		if f := all[p]; f != nil {
			add(f, &u.mention[i+1])
		}
	}
}
