package table

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/chunk"
)

// lasts are the kinds of records that last while they have no end.
const lasts = "('incident', 'gap')"

// noTime is what is stored for the zero time.
const noTime = math.MinInt64

// storeRecord stores a record, unless it was stored before.
func storeRecord(x *transaction, r *timeline.Record, recorded int64) error {
	var id int64
	fresh, err := x.one(`INSERT INTO record (kind, name, revision, at, until, recorded, hoster, word, severity, incident, upstream, asn, collector, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, name, revision) DO NOTHING RETURNING id`,
		[]any{string(r.Kind), r.ID, int64(r.Revision), micro(r.At), bound(r.Until, noTime), recorded, r.Hoster, r.Word, string(r.Severity), r.Incident,
			int64(r.Upstream), int64(r.ASN), r.Collector, string(r.Body)}, &id)
	if err != nil || !fresh {
		return err
	}
	for i, p := range r.Prefixes {
		if !p.IsValid() {
			return fmt.Errorf("record %s %s: its prefix %s is none", r.Kind, r.ID, p)
		}
		if err := x.exec("INSERT INTO record_prefix (record, place, body) VALUES (?, ?, ?)", id, i, chunk.AppendPrefix(nil, p)); err != nil {
			return err
		}
	}
	return nil
}

// question gathers conditions.
type question struct {
	where []string
	args  []any
}

func (q *question) and(condition string, args ...any) {
	q.where = append(q.where, condition)
	q.args = append(q.args, args...)
}

// oneOf asks that a column be one of some values, where there are any.
func oneOf[T ~string](q *question, column string, values []T) {
	if len(values) == 0 {
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = string(v)
	}
	q.and(column+" IN (?"+strings.Repeat(",?", len(values)-1)+")", args...)
}

func (q *question) sql() string {
	if len(q.where) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(q.where, " AND ")
}

func ask(q *timeline.RecordQuery) (*question, error) {
	a := &question{}
	oneOf(a, "r.kind", q.Kinds)
	oneOf(a, "r.name", q.IDs)
	oneOf(a, "r.hoster", q.Hosters)
	oneOf(a, "r.word", q.Words)
	if q.Incident != "" {
		a.and("r.incident = ?", q.Incident)
	}
	if q.Upstream != 0 {
		a.and("r.upstream = ?", int64(q.Upstream))
	}
	if q.ASN != 0 {
		a.and("r.asn = ?", int64(q.ASN))
	}
	if q.Prefix.IsValid() {
		where, args := within(&timeline.Scope{Prefix: q.Prefix.Masked(), Covering: true, Covered: true})
		a.and("r.id IN (SELECT p.record FROM record_prefix p WHERE "+where[0]+")", args...)
	}
	if !q.To.IsZero() {
		a.and("r.at <= ?", micro(q.To))
	}
	if !q.From.IsZero() {
		a.and("(r.until >= ? OR r.until = ? AND (r.at >= ? OR r.kind IN "+lasts+"))", micro(q.From), int64(noTime), micro(q.From))
	}
	if q.Lasting {
		a.and("r.until = ?", int64(noTime))
	}
	if !q.Believed.IsZero() {
		a.and("r.recorded <= ?", micro(q.Believed))
	}
	if q.Latest {
		later := "NOT EXISTS (SELECT 1 FROM record l WHERE l.kind = r.kind AND l.name = r.name AND l.revision > r.revision"
		if q.Believed.IsZero() {
			a.and(later + ")")
		} else {
			a.and(later+" AND l.recorded <= ?)", micro(q.Believed))
		}
	}
	if q.After != "" {
		at, id, err := parseCursor(q.After)
		if err != nil {
			return nil, err
		}
		sign := ">"
		if q.Newest {
			sign = "<"
		}
		a.and("(r.at "+sign+" ? OR r.at = ? AND r.id "+sign+" ?)", at, at, id)
	}
	return a, nil
}

func parseCursor(s string) (at, id int64, err error) {
	a, b, _ := strings.Cut(s, ".")
	at, err1 := strconv.ParseInt(a, 10, 64)
	id, err2 := strconv.ParseInt(b, 10, 64)
	if err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("%q is %w", s, timeline.ErrCursor)
	}
	return at, id, nil
}

// Records lists records.
func (s *Store) Records(ctx context.Context, q timeline.RecordQuery) ([]timeline.Record, string, error) {
	a, err := ask(&q)
	if err != nil {
		return nil, "", err
	}
	query := `SELECT r.id, r.kind, r.name, r.revision, r.at, r.until, r.recorded, r.hoster, r.word, r.severity, r.incident, r.upstream, r.asn, r.collector, r.body
		FROM record r` + a.sql()
	if q.Newest {
		query += " ORDER BY r.at DESC, r.id DESC"
	} else {
		query += " ORDER BY r.at, r.id"
	}
	if q.Limit > 0 {
		query += " LIMIT " + strconv.Itoa(q.Limit+1)
	}
	var out []timeline.Record
	var ids []int64
	next := ""
	err = s.view(ctx, func(x *transaction) error {
		err := x.each(query, a.args, func(scan func(...any) error) error {
			id, r, err := scanRecord(scan)
			out, ids = append(out, r), append(ids, id)
			return err
		})
		if err != nil {
			return err
		}
		if q.Limit > 0 && len(out) > q.Limit {
			out, ids = out[:q.Limit], ids[:q.Limit]
			next = fmt.Sprintf("%d.%d", micro(out[q.Limit-1].At), ids[q.Limit-1])
		}
		return prefixesOf(x, out, ids)
	})
	if err != nil {
		return nil, "", err
	}
	return out, next, nil
}

func scanRecord(scan func(...any) error) (int64, timeline.Record, error) {
	var r timeline.Record
	var id, at, until, recorded int64
	var kind, severity, body string
	err := scan(&id, &kind, &r.ID, &r.Revision, &at, &until, &recorded, &r.Hoster, &r.Word, &severity, &r.Incident, &r.Upstream, &r.ASN, &r.Collector, &body)
	r.Kind, r.Severity, r.At, r.Recorded = timeline.RecordKind(kind), watch.Severity(severity), moment(at), moment(recorded)
	if until != noTime {
		r.Until = moment(until)
	}
	if body != "" {
		r.Body = []byte(body)
	}
	return id, r, err
}

// prefixesOf reads the prefixes of records, for many at a time.
func prefixesOf(x *transaction, out []timeline.Record, ids []int64) error {
	const atOnce = 50
	query := "SELECT record, body FROM record_prefix WHERE record IN (?" + strings.Repeat(",?", atOnce-1) + ") ORDER BY record, place"
	args := make([]any, atOnce)
	for begin := 0; begin < len(ids); begin += atOnce {
		end := min(begin+atOnce, len(ids))
		places := make(map[int64]int, atOnce)
		for i := range args {
			at := min(begin+i, end-1)
			args[i], places[ids[at]] = ids[at], at
		}
		err := x.each(query, args, func(scan func(...any) error) error {
			var id int64
			var body []byte
			if err := scan(&id, &body); err != nil {
				return err
			}
			p, err := chunk.ParsePrefix(body)
			r := &out[places[id]]
			r.Prefixes = append(r.Prefixes, p)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
