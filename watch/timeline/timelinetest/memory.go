package timelinetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"depeer/bgp"
	"depeer/watch/timeline"
)

// Memory is a timeline.Store that keeps everything in slices and looks at all of it for
// every question: the reference that other stores are compared with. The zero value is
// empty and ready.
//
// Where the interface leaves an order open, this is Memory's: records of one moment come as
// they were written.
type Memory struct {
	mu      sync.Mutex
	changes []timeline.Change    // guarded by mu; in order of At; of one moment, as they were written
	records []timeline.Record    // guarded by mu; likewise
	cursors map[string]uint64    // guarded by mu
	kept    map[string][]byte    // guarded by mu
	writes  uint64               // guarded by mu; records ever written: the age of the youngest
	ages    map[recordKey]uint64 // guarded by mu
	closed  bool                 // guarded by mu
}

var _ timeline.Store = (*Memory)(nil)

type recordKey struct {
	kind     timeline.RecordKind
	id       string
	revision int
}

func keyOf(r *timeline.Record) recordKey { return recordKey{r.Kind, r.ID, r.Revision} }

// ErrClosed is what a closed Memory answers.
var ErrClosed = errors.New("the store is closed")

// enter takes the lock, unless the store is closed or ctx has ended.
func (m *Memory) enter(ctx context.Context) error {
	m.mu.Lock()
	err := ctx.Err()
	if m.closed {
		err = ErrClosed
	}
	if err != nil {
		m.mu.Unlock()
	}
	return err
}

// Write stores a batch.
func (m *Memory) Write(ctx context.Context, b *timeline.Batch) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if b.Recorded.IsZero() {
		return errors.New("write a batch: it has no time of recording")
	}
	if len(b.Cursors) > 0 && !m.ahead(b.Cursors) {
		return nil
	}
	for _, c := range b.Changes {
		c.At, c.Recorded = micro(c.At), micro(b.Recorded)
		c.Hosters = slices.Clone(c.Hosters)
		m.changes = append(m.changes, c)
	}
	slices.SortStableFunc(m.changes, func(a, b timeline.Change) int { return a.At.Compare(b.At) })
	if m.ages == nil {
		m.ages = map[recordKey]uint64{}
	}
	for _, r := range b.Records {
		if _, ok := m.ages[keyOf(&r)]; ok {
			continue
		}
		m.writes++
		m.ages[keyOf(&r)] = m.writes
		r.At, r.Until, r.Recorded = micro(r.At), micro(r.Until), micro(b.Recorded)
		r.Prefixes, r.Body = slices.Clone(r.Prefixes), bytes.Clone(r.Body)
		m.records = append(m.records, r)
	}
	slices.SortStableFunc(m.records, func(a, b timeline.Record) int { return a.At.Compare(b.At) })
	if m.cursors == nil {
		m.cursors, m.kept = map[string]uint64{}, map[string][]byte{}
	}
	for name, n := range b.Cursors {
		m.cursors[name] = max(m.cursors[name], n)
	}
	for name, body := range b.Kept {
		m.kept[name] = bytes.Clone(body)
	}
	return nil
}

// ahead reports whether one of the positions is beyond what is stored.
func (m *Memory) ahead(cursors map[string]uint64) bool {
	for name, n := range cursors {
		if stored, ok := m.cursors[name]; !ok || n > stored {
			return true
		}
	}
	return false
}

func micro(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Microsecond)
}

// Cursors gives the stored positions.
func (m *Memory) Cursors(ctx context.Context) (map[string]uint64, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	out := map[string]uint64{}
	maps.Copy(out, m.cursors)
	return out, nil
}

// Kept gives what was kept under a name.
func (m *Memory) Kept(ctx context.Context, name string) ([]byte, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return bytes.Clone(m.kept[name]), nil
}

// Coverage gives what was kept of it.
func (m *Memory) Coverage(ctx context.Context) (out []timeline.Coverage, err error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.kept)) {
		if !strings.HasPrefix(name, timeline.KeptCoverage) {
			continue
		}
		list, err := timeline.DecodeCoverage(m.kept[name])
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// Prefixes lists the prefixes of a scope.
func (m *Memory) Prefixes(ctx context.Context, s timeline.Scope) ([]timeline.PrefixInfo, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	infos := map[netip.Prefix]*timeline.PrefixInfo{}
	origin, through := map[netip.Prefix]bool{}, map[netip.Prefix]bool{}
	for i := range m.changes {
		c := &m.changes[i]
		if !c.Prefix.IsValid() {
			continue
		}
		x := infos[c.Prefix]
		if x == nil {
			x = &timeline.PrefixInfo{Prefix: c.Prefix, First: c.At}
			infos[c.Prefix] = x
		}
		x.Last = c.At
		x.Changes++
		x.Hosters = append(x.Hosters, c.Hosters...)
		if o, ok := c.Path.Origin(); ok && o == s.Origin {
			origin[c.Prefix] = true
		}
		if carries(c.Path, s.Through) {
			through[c.Prefix] = true
		}
	}
	var out []timeline.PrefixInfo
	for p, x := range infos {
		slices.Sort(x.Hosters)
		x.Hosters = slices.Compact(x.Hosters)
		if (s.Hoster == "" || slices.Contains(x.Hosters, s.Hoster)) && (s.Origin == 0 || origin[p]) && (s.Through == 0 || through[p]) && meant(&s, p) {
			out = append(out, *x)
		}
	}
	slices.SortFunc(out, func(a, b timeline.PrefixInfo) int { return comparePrefixes(a.Prefix, b.Prefix) })
	return out, nil
}

// carries reports whether the AS stands in the path, as a member of an AS_SET too.
func carries(path bgp.Path, asn uint32) bool {
	return slices.ContainsFunc(path.Hops(nil), func(h bgp.Hop) bool { return h.Set == nil && h.ASN == asn || slices.Contains(h.Set, asn) })
}

// meant reports whether the scope's Prefix means p.
func meant(s *timeline.Scope, p netip.Prefix) bool {
	q := s.Prefix
	return !q.IsValid() || p == q ||
		s.Covering && p.Bits() < q.Bits() && p.Contains(q.Addr()) ||
		s.Covered && q.Bits() < p.Bits() && q.Contains(p.Addr())
}

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// Changes tells the changes of a span.
func (m *Memory) Changes(ctx context.Context, s timeline.Span, f func(*timeline.Change) error) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	all := slices.Clone(m.changes) // f may ask something else
	m.mu.Unlock()
	var before, within []timeline.Change
	for _, c := range all {
		switch {
		case c.Prefix.IsValid() && len(s.Prefixes) > 0 && !slices.Contains(s.Prefixes, c.Prefix):
		case !s.Believed.IsZero() && c.Recorded.After(s.Believed):
		case !s.To.IsZero() && c.At.After(s.To):
		case !s.From.IsZero() && !c.At.After(s.From):
			before = append(before, c)
		default:
			within = append(within, c)
		}
	}
	slices.SortStableFunc(within, func(a, b timeline.Change) int {
		return cmp.Or(a.At.Compare(b.At), compareBool(a.Prefix.IsValid(), b.Prefix.IsValid()), comparePrefixes(a.Prefix, b.Prefix))
	})
	for _, c := range append(state(before), within...) {
		if err := f(&c); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// state is what the changes leave: the last word on every peer, and every route that is held.
func state(changes []timeline.Change) []timeline.Change {
	type key struct {
		peer   bgp.Peer
		prefix netip.Prefix
		id     uint32
	}
	last := map[key]timeline.Change{}
	for _, c := range changes {
		last[key{c.Peer, c.Prefix, c.PathID}] = c
	}
	var out []timeline.Change
	for k, c := range last {
		switch {
		case !k.prefix.IsValid():
			out = append(out, c)
		case c.Held():
			c.What = timeline.Known
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b timeline.Change) int {
		return cmp.Or(compareBool(a.Prefix.IsValid(), b.Prefix.IsValid()), comparePrefixes(a.Prefix, b.Prefix), a.Peer.Compare(b.Peer), cmp.Compare(a.PathID, b.PathID))
	})
	return out
}

// compareBool puts false first.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Records lists records.
func (m *Memory) Records(ctx context.Context, q timeline.RecordQuery) ([]timeline.Record, string, error) {
	if err := m.enter(ctx); err != nil {
		return nil, "", err
	}
	defer m.mu.Unlock()
	after, err := parseCursor(q.After)
	if err != nil {
		return nil, "", err
	}
	var out []timeline.Record
	for _, r := range m.records {
		if q.Believed.IsZero() || !r.Recorded.After(q.Believed) {
			out = append(out, r)
		}
	}
	if q.Latest {
		out = latest(out)
	}
	out = slices.DeleteFunc(out, func(r timeline.Record) bool { return !wanted(&q, &r) })
	if q.Newest {
		slices.Reverse(out)
	}
	if q.After != "" {
		out = slices.DeleteFunc(out, func(r timeline.Record) bool {
			order := cmp.Or(r.At.Compare(after.at), cmp.Compare(m.ages[keyOf(&r)], after.age))
			return order == 0 || (order < 0) != q.Newest
		})
	}
	next := ""
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
		last := &out[len(out)-1]
		next = cursor{last.At, m.ages[keyOf(last)]}.String()
	}
	for i := range out {
		out[i].Prefixes, out[i].Body = slices.Clone(out[i].Prefixes), bytes.Clone(out[i].Body)
	}
	return out, next, nil
}

// latest leaves the last revision of each.
func latest(records []timeline.Record) []timeline.Record {
	type key struct {
		kind timeline.RecordKind
		id   string
	}
	last := map[key]int{}
	for _, r := range records {
		if n, ok := last[key{r.Kind, r.ID}]; !ok || r.Revision > n {
			last[key{r.Kind, r.ID}] = r.Revision
		}
	}
	return slices.DeleteFunc(records, func(r timeline.Record) bool { return r.Revision != last[key{r.Kind, r.ID}] })
}

// wanted reports whether the record satisfies everything that is set.
func wanted(q *timeline.RecordQuery, r *timeline.Record) bool {
	end := r.Until
	if end.IsZero() {
		end = r.At
		if lasts(r.Kind) {
			end = time.Unix(1<<40, 0)
		}
	}
	return (len(q.Kinds) == 0 || slices.Contains(q.Kinds, r.Kind)) &&
		(len(q.IDs) == 0 || slices.Contains(q.IDs, r.ID)) &&
		(len(q.Hosters) == 0 || slices.Contains(q.Hosters, r.Hoster)) &&
		(len(q.Words) == 0 || slices.Contains(q.Words, r.Word)) &&
		(q.Incident == "" || r.Incident == q.Incident) &&
		(q.Upstream == 0 || r.Upstream == q.Upstream) &&
		(q.ASN == 0 || r.ASN == q.ASN) &&
		(!q.Prefix.IsValid() || slices.ContainsFunc(r.Prefixes, q.Prefix.Overlaps)) &&
		(!q.Lasting || r.Until.IsZero()) &&
		(q.To.IsZero() || !r.At.After(q.To)) &&
		(q.From.IsZero() || !end.Before(q.From))
}

// lasts reports whether a record of the kind lasts while it has no end.
func lasts(k timeline.RecordKind) bool { return k == timeline.Incident || k == timeline.Gap }

// cursor is a place in the order of the records.
type cursor struct {
	at  time.Time
	age uint64
}

func (c cursor) String() string {
	return strconv.FormatInt(c.at.UnixMicro(), 10) + "." + strconv.FormatUint(c.age, 10)
}

func parseCursor(s string) (cursor, error) {
	if s == "" {
		return cursor{}, nil
	}
	a, b, _ := strings.Cut(s, ".")
	at, err1 := strconv.ParseInt(a, 10, 64)
	age, err2 := strconv.ParseUint(b, 10, 64)
	if err1 != nil || err2 != nil {
		return cursor{}, fmt.Errorf("%q is %w", s, timeline.ErrCursor)
	}
	return cursor{time.UnixMicro(at).UTC(), age}, nil
}

// Maintain drops what is older than its retention: of the routes what was overtaken by
// then, so that every answer about later moments stays what it was.
func (m *Memory) Maintain(ctx context.Context, now time.Time, r timeline.Retention) (timeline.Maintenance, error) {
	if err := m.enter(ctx); err != nil {
		return timeline.Maintenance{}, err
	}
	defer m.mu.Unlock()
	had := len(m.changes) + len(m.records)
	if r.Changes > 0 {
		limit := now.Add(-r.Changes)
		i := slices.IndexFunc(m.changes, func(c timeline.Change) bool { return c.At.After(limit) })
		if i < 0 {
			i = len(m.changes)
		}
		kept := state(m.changes[:i])
		slices.SortStableFunc(kept, func(a, b timeline.Change) int { return a.At.Compare(b.At) })
		m.changes = append(kept, m.changes[i:]...)
	}
	if r.Records > 0 {
		limit := now.Add(-r.Records)
		type key struct {
			kind timeline.RecordKind
			id   string
		}
		stay := map[key]bool{} // what is open, or of which any revision is young, stays with all of them
		for _, x := range m.records {
			stay[key{x.Kind, x.ID}] = stay[key{x.Kind, x.ID}] || !x.At.Before(limit) || !x.Until.Before(limit)
		}
		for _, x := range latest(slices.Clone(m.records)) {
			stay[key{x.Kind, x.ID}] = stay[key{x.Kind, x.ID}] || x.Until.IsZero() && lasts(x.Kind)
		}
		m.records = slices.DeleteFunc(m.records, func(x timeline.Record) bool { return !stay[key{x.Kind, x.ID}] })
	}
	return timeline.Maintenance{Dropped: had - len(m.changes) - len(m.records)}, nil
}

// Close ends the store. What is in it is gone.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
