package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"depeer/watch/timeline"
	"depeer/watch/timeline/chunk"
	"depeer/watch/timeline/timelinetest"
)

// BenchmarkMemory loads changes made of a real day (see timelinetest.Mix) into a store and
// asks it, beside a plain table with a row per change. DEPEER_CHANGES says how many (a
// million where it does not), DEPEER_ROWS how many of them the plain table gets at most (a
// million), DEPEER_ARCHIVES how many archives of the day are read (all), DEPEER_BENCH_DIR
// where the files are made. One iteration is all of it:
//
//	DEPEER_CHANGES=100000000 go test -run '^$' -bench Memory -benchtime 1x -timeout 2h
//
// Reported: changes loaded a second (writing, packing, merging and checkpoints included),
// octets of the file per change, and for three questions the 99th percentile in
// milliseconds. x-rows: so many times better than the plain table, which is of the size of
// min(DEPEER_CHANGES, DEPEER_ROWS).
func BenchmarkMemory(b *testing.B) {
	total, rows := number("DEPEER_CHANGES", 1_000_000), number("DEPEER_ROWS", 1_000_000)
	mix, err := timelinetest.NewMix(uint32(number("DEPEER_PART", 16)), number("DEPEER_ARCHIVES", 1000))
	if err != nil {
		b.Skip("needs recorded data: ", err)
	}
	b.Logf("%d prefixes of %d origins, %d changes a day: %d days", len(mix.Prefixes), len(mix.Hosters), mix.PerDay, total/mix.PerDay+1)
	for b.Loop() {
		dir, err := os.MkdirTemp(os.Getenv("DEPEER_BENCH_DIR"), "depeer-memory")
		if err != nil {
			b.Fatal(err)
		}
		ours := loadPacked(b, dir, mix, total)
		theirs := loadRows(b, dir, mix, min(rows, total))
		b.ReportMetric(ours.rate, "changes/s")
		b.ReportMetric(ours.rate/theirs.rate, "x-rows-load")
		b.ReportMetric(ours.octets, "B/change")
		b.ReportMetric(theirs.octets/ours.octets, "x-rows-size")
		for i, name := range []string{"routes", "month", "year"} {
			b.ReportMetric(ours.p99[i], "ms-"+name+"-p99")
			b.ReportMetric(theirs.p99[i]/ours.p99[i], "x-rows-"+name)
		}
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
	}
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// measured is what a store did.
type measured struct {
	rate, octets float64
	p99          [3]float64 // routes at a moment, a month of a prefix, a year of a hoster; milliseconds
}

const benchBatch = 10_000

// questions draws what is asked: prefixes and hosters as they come, moments anywhere.
type questions struct {
	random   *rand.Rand
	mix      *timelinetest.Mix
	from, to time.Time
	hosters  []string
}

func newQuestions(mix *timelinetest.Mix, to time.Time) *questions {
	q := &questions{random: rand.New(rand.NewPCG(7, 7)), mix: mix, from: mix.Start, to: to}
	for h := range mix.Hosters {
		q.hosters = append(q.hosters, h)
	}
	slices.Sort(q.hosters)
	return q
}

func (q *questions) moment() time.Time {
	return q.from.Add(time.Duration(q.random.Int64N(int64(q.to.Sub(q.from)) + 1))).Truncate(time.Microsecond)
}

func (q *questions) prefix() netip.Prefix { return q.mix.Prefixes[q.random.IntN(len(q.mix.Prefixes))] }
func (q *questions) hoster() []netip.Prefix {
	return q.mix.Hosters[q.hosters[q.random.IntN(len(q.hosters))]]
}

// p99 asks so often and gives the 99th percentile, in milliseconds.
func p99(b *testing.B, n int, ask func() (int, error)) float64 {
	b.Helper()
	times := make([]float64, n)
	told := 0
	for i := range times {
		begin := time.Now()
		k, err := ask()
		if err != nil {
			b.Fatal(err)
		}
		times[i] = float64(time.Since(begin).Microseconds()) / 1000
		told += k
	}
	slices.Sort(times)
	b.Logf("%d answers of %d changes in the mean: median %.2f ms, p99 %.2f ms, longest %.2f ms", n, told/n, times[n/2], times[n*99/100], times[n-1])
	return times[n*99/100]
}

const (
	benchAsks     = 1000
	benchHosters  = 300
	benchMonth    = 30 * 24 * time.Hour
	benchProgress = 10_000_000
)

func loadPacked(b *testing.B, dir string, mix *timelinetest.Mix, total int) measured {
	b.Helper()
	ctx := context.Background()
	s, err := Open(ctx, filepath.Join(dir, "packed.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var spent time.Duration
	var last time.Time
	var writing, maintaining time.Duration
	maintain := func() {
		begin := time.Now()
		if _, err := s.Maintain(ctx, last, timeline.Retention{}); err != nil {
			b.Fatal(err)
		}
		maintaining += time.Since(begin)
	}
	for n := 0; n < total; {
		changes := mix.Next(min(benchBatch, total-n))
		n += len(changes)
		last = changes[len(changes)-1].At
		begin := time.Now()
		if err := s.Write(ctx, &timeline.Batch{Recorded: last.Add(time.Second), Changes: changes}); err != nil {
			b.Fatal(err)
		}
		writing += time.Since(begin)
		if n%benchProgress == 0 {
			maintain()
			b.Logf("%d changes: writing %s, maintaining %s", n, writing.Round(time.Second), maintaining.Round(time.Second))
		}
	}
	last = last.AddDate(0, 2, 0) // every month is over
	maintain()
	last = last.AddDate(0, -2, 0)
	spent = writing + maintaining
	m := measured{rate: float64(total) / spent.Seconds()}
	m.octets = fileSize(b, dir, "packed.db", s) / float64(total)
	m.p99 = askStore(b, s, newQuestions(mix, last))
	return m
}

func askStore(b *testing.B, s timeline.Reader, q *questions) (out [3]float64) {
	count := func(span timeline.Span) (int, error) {
		n := 0
		err := s.Changes(context.Background(), span, func(*timeline.Change) error { n++; return nil })
		return n, err
	}
	out[0] = p99(b, benchAsks, func() (int, error) {
		at := q.moment()
		return count(timeline.Span{Prefixes: []netip.Prefix{q.prefix()}, From: at, To: at})
	})
	out[1] = p99(b, benchAsks, func() (int, error) {
		from := q.moment()
		return count(timeline.Span{Prefixes: []netip.Prefix{q.prefix()}, From: from, To: from.Add(benchMonth)})
	})
	out[2] = p99(b, benchHosters, func() (int, error) {
		return count(timeline.Span{Prefixes: q.hoster(), From: q.to.AddDate(-1, 0, 0), To: q.to})
	})
	return out
}

// fileSize is of the file once everything is in it.
func fileSize(b *testing.B, dir, name string, s *Store) float64 {
	b.Helper()
	if s != nil {
		if err := s.Settle(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	f, err := os.Stat(filepath.Join(dir, name))
	if err != nil {
		b.Fatal(err)
	}
	return float64(f.Size())
}

// loadRows is the plain way: a row per change, with an index for each question.
func loadRows(b *testing.B, dir string, mix *timelinetest.Mix, total int) measured {
	b.Helper()
	db, err := connect(filepath.Join(dir, "rows.db"), "rwc", "immediate")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for _, statement := range []string{
		`CREATE TABLE change (ts INTEGER, prefix INTEGER, peer INTEGER, seq INTEGER, kind INTEGER, origin INTEGER, upstream INTEGER, path BLOB,
			PRIMARY KEY (prefix, ts, peer, seq)) WITHOUT ROWID`,
		"CREATE INDEX change_origin ON change (origin, ts)", "CREATE INDEX change_upstream ON change (upstream, ts)",
	} {
		if _, err := db.Exec(statement); err != nil {
			b.Fatal(err)
		}
	}
	t := &rowTable{db: db, prefixes: map[netip.Prefix]int{}, peers: map[string]int{}}
	var spent time.Duration
	var first, last time.Time
	for n := 0; n < total; {
		changes := mix.Next(min(benchBatch, total-n))
		if n == 0 {
			first = changes[0].At
		}
		n += len(changes)
		last = changes[len(changes)-1].At
		begin := time.Now()
		if err := t.insert(changes); err != nil {
			b.Fatal(err)
		}
		spent += time.Since(begin)
	}
	if _, err := db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		b.Fatal(err)
	}
	m := measured{rate: float64(total) / spent.Seconds()}
	m.octets = fileSize(b, dir, "rows.db", nil) / float64(total)
	q := newQuestions(mix, last)
	q.from = first
	m.p99 = [3]float64{
		p99(b, benchAsks, func() (int, error) { return t.state(q.prefix(), q.moment()) }),
		p99(b, benchAsks, func() (int, error) {
			p, from := q.prefix(), q.moment()
			n, err := t.state(p, from)
			if err != nil {
				return 0, err
			}
			k, err := t.between(p, from, from.Add(benchMonth))
			return n + k, err
		}),
		p99(b, benchHosters, func() (int, error) {
			n := 0
			for _, p := range q.hoster() {
				k, err := t.between(p, q.to.AddDate(-1, 0, 0), q.to)
				if err != nil {
					return 0, err
				}
				n += k
			}
			return n, nil
		}),
	}
	return m
}

type rowTable struct {
	db       *sql.DB
	prefixes map[netip.Prefix]int
	peers    map[string]int
	seq      int
}

func (t *rowTable) insert(changes []timeline.Change) error {
	tx, err := t.db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	s, err := tx.Prepare("INSERT INTO change VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	var path []byte
	for i := range changes {
		c := &changes[i]
		if _, ok := t.prefixes[c.Prefix]; !ok {
			t.prefixes[c.Prefix] = len(t.prefixes) + 1
		}
		peer := c.Peer.String()
		if _, ok := t.peers[peer]; !ok {
			t.peers[peer] = len(t.peers) + 1
		}
		t.seq++
		path = chunk.AppendPath(path[:0], c.Path)
		origin, _ := c.Path.Origin()
		upstream := uint32(0)
		if hops := c.Path.Hops(nil); len(hops) > 1 {
			upstream = hops[len(hops)-2].ASN
		}
		if _, err := s.Exec(c.At.UnixMicro(), t.prefixes[c.Prefix], t.peers[peer], t.seq, int(c.What), int64(origin), int64(upstream), path); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// state finds each peer's last row until a moment.
func (t *rowTable) state(p netip.Prefix, at time.Time) (int, error) {
	rows, err := t.db.Query("SELECT peer, MAX(ts), kind, path FROM change WHERE prefix = ? AND ts <= ? GROUP BY peer", t.prefixes[p], at.UnixMicro())
	return scanRows(rows, err)
}

func (t *rowTable) between(p netip.Prefix, from, to time.Time) (int, error) {
	rows, err := t.db.Query("SELECT peer, ts, kind, path FROM change WHERE prefix = ? AND ts > ? AND ts <= ? ORDER BY ts", t.prefixes[p], from.UnixMicro(), to.UnixMicro())
	return scanRows(rows, err)
}

func scanRows(rows *sql.Rows, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	n := 0
	var peer, ts, kind int64
	var path []byte
	for rows.Next() {
		if err := rows.Scan(&peer, &ts, &kind, &path); err != nil {
			return 0, fmt.Errorf("row %d: %w", n, err)
		}
		if _, err := chunk.ParsePath(path); err != nil {
			return 0, err
		}
		n++
	}
	return n, rows.Err()
}
