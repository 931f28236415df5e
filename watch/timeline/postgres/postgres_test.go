package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/watch/timeline"
	"depeer/watch/timeline/postgres/postgrestest"
	"depeer/watch/timeline/table"
	"depeer/watch/timeline/timelinetest"
)

var server *postgrestest.Server

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	var err error
	server, err = postgrestest.Start(ctx)
	cancel()
	switch {
	case errors.Is(err, postgrestest.ErrMissing) && os.Getenv("DEPEER_INTEROP") != "1":
		fmt.Println("skipped:", err)
		return
	case err != nil:
		fmt.Println(err)
		os.Exit(1)
	}
	code := m.Run()
	if err := server.Stop(); err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

func schema(t *testing.T) string {
	t.Helper()
	dsn, err := server.Schema(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// opener opens stores in schemas of the test's own.
func opener(options ...table.Option) timelinetest.Opener {
	var mu sync.Mutex
	schemas := map[string]string{}
	return func(t *testing.T, name string) timeline.Store {
		t.Helper()
		mu.Lock()
		key := t.Name() + "/" + name
		if schemas[key] == "" {
			schemas[key] = schema(t)
		}
		dsn := schemas[key]
		mu.Unlock()
		s, err := Open(context.Background(), dsn, options...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestStore(t *testing.T) { timelinetest.Run(t, opener()) }

// TestSmallStore: the borders that a store of many changes meets.
func TestSmallStore(t *testing.T) { timelinetest.Run(t, opener(table.Small(100, 4, 8, 50))) }

// What is wrong with the connection is said without the password.
func TestErrorsKeepThePassword(t *testing.T) {
	good := schema(t)
	for _, dsn := range []string{
		"postgres://depeer:Hunter2Hunter2@127.0.0.1:1/x?connect_timeout=5",
		"postgres://depeer:Hunter2Hunter2@/x?host=/nowhere",
		"postgres://depeer:Hunter2Hunter2@127.0.0.1:port/x",
		strings.Replace(good, "depeer@", "stranger:Hunter2Hunter2@", 1),
	} {
		_, err := Open(t.Context(), dsn)
		if err == nil {
			t.Fatalf("%s was opened", dsn)
		}
		if strings.Contains(err.Error(), "Hunter2") {
			t.Errorf("the password is in %q", err)
		}
		if !strings.HasPrefix(err.Error(), "open the timeline on PostgreSQL: ") {
			t.Errorf("%q does not say what failed", err)
		}
	}
}

// A month's chunks are a partition, and retention drops it.
func TestPartitions(t *testing.T) {
	dsn := schema(t)
	s, err := Open(t.Context(), dsn, table.Small(4, 4, 8, 50))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db, err := connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	peer := bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64500}
	q := netip.MustParsePrefix("208.66.192.0/22")
	months := []time.Time{time.Date(2008, 11, 11, 0, 0, 0, 0, time.UTC), time.Date(2009, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	var all []timeline.Change
	for i, at := range months {
		for n := range 6 {
			all = append(all, timeline.Change{At: at.Add(time.Duration(n) * time.Hour), What: timeline.Announced, Peer: peer, Prefix: q, Path: bgp.PathOf(64500, uint32(100*i+n+1), 26780)})
		}
	}
	if err := s.Write(t.Context(), &timeline.Batch{Recorded: months[2], Changes: all, Cursors: map[string]uint64{"log": 1}}); err != nil {
		t.Fatal(err)
	}
	maintain := func(r timeline.Retention) []string {
		t.Helper()
		if _, err := s.Maintain(t.Context(), months[2].Add(24*time.Hour), r); err != nil {
			t.Fatal(err)
		}
		names, err := partitions(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if got, want := maintain(timeline.Retention{}), []string{"chunk_2008_11", "chunk_2009_01", "chunk_2026_11"}; !slices.Equal(got, want) {
		t.Errorf("partitions %q, want %q", got, want)
	}
	// The state at the beginning of what is kept stays, in a month of its own.
	got := maintain(timeline.Retention{Changes: 365 * 24 * time.Hour})
	if slices.Contains(got, "chunk_2008_11") || slices.Contains(got, "chunk_2009_01") || !slices.Contains(got, "chunk_2026_11") {
		t.Errorf("after retention partitions %q", got)
	}
}

// Two processes that start at once make the tables once, and take turns in writing.
func TestTwoWriters(t *testing.T) {
	dsn := schema(t)
	var all sync.WaitGroup
	var stores [2]*Store
	for i := range stores {
		all.Go(func() {
			s, err := Open(t.Context(), dsn)
			if err != nil {
				t.Error(err)
				return
			}
			stores[i] = s
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	const batches = 20
	for i, s := range stores {
		all.Go(func() {
			for n := range uint64(batches) {
				// Both write the same batches: one of the two each time comes too late.
				b := &timeline.Batch{Recorded: time.Unix(int64(n), 0), Cursors: map[string]uint64{"log": n + 1},
					Records: []timeline.Record{{Kind: timeline.Event, ID: fmt.Sprint(n), At: time.Unix(int64(n), 0), Body: []byte("{}")}}}
				if err := s.Write(t.Context(), b); err != nil {
					t.Errorf("writer %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
	records, _, err := stores[0].Records(t.Context(), timeline.RecordQuery{})
	if err != nil || len(records) != batches {
		t.Errorf("%d records, %v; want %d", len(records), err, batches)
	}
	for _, s := range stores {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A store that a later version has written is left alone.
func TestLaterVersion(t *testing.T) {
	dsn := schema(t)
	s, err := Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)"); err != nil {
		t.Fatal(err)
	}
	var later *table.LaterError
	if _, err := Open(t.Context(), dsn); !errors.As(err, &later) || later.Found != 99 {
		t.Errorf("opened for writing: %v", err)
	}
	if _, err := OpenReader(t.Context(), dsn); !errors.As(err, &later) || later.Found != 99 {
		t.Errorf("opened for reading: %v", err)
	}
}

// A connection that dies in the middle loses the batch that was being written, whole, and
// nothing else; the store goes on by itself.
func TestConnectionDies(t *testing.T) {
	dsn := schema(t)
	s, err := Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db, err := connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	wrote := 0
	for n := range uint64(10) {
		if n%3 == 2 {
			if _, err := db.ExecContext(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'depeer' AND pid <> pg_backend_pid()"); err != nil {
				t.Fatal(err)
			}
		}
		b := &timeline.Batch{Recorded: time.Unix(int64(n), 0), Cursors: map[string]uint64{"log": n + 1},
			Records: []timeline.Record{{Kind: timeline.Event, ID: fmt.Sprint(n), At: time.Unix(int64(n), 0), Body: []byte("{}")}}}
		err := s.Write(t.Context(), b)
		for tries := 0; err != nil && tries < 10; tries++ {
			err = s.Write(t.Context(), b)
		}
		if err != nil {
			t.Fatal(err)
		}
		wrote++
	}
	records, _, err := s.Records(t.Context(), timeline.RecordQuery{})
	if err != nil {
		records, _, err = s.Records(t.Context(), timeline.RecordQuery{})
	}
	if err != nil || len(records) != wrote {
		t.Errorf("%d records, %v; want %d", len(records), err, wrote)
	}
}
