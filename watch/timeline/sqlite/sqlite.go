// Package sqlite remembers in a file: the store of a depeer that needs no server.
//
// The tables and questions are those of package table. The file is in WAL mode: readers,
// of this and of other processes, do not wait for the writer, nor it for them. Beside it lie
// its -wal and -shm files, which belong to it.
//
// A batch is in the file when Write returns: kill -9 loses nothing of it. A power cut may lose
// the batches since the last checkpoint of the WAL, never a part of one; the log that they were read from
// still has them.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"depeer/watch/timeline"
	"depeer/watch/timeline/table"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is a timeline.Store in a file.
type Store struct {
	*table.Store
	path  string
	write *sql.DB // of table.Store, which closes it; nil where it was opened for reading
}

var _ timeline.Store = (*Store)(nil)

const (
	readers = 8      // connections that answer questions at a time
	busy    = 60_000 // milliseconds to wait for a writer of another process
)

// Open opens the store in the file, and makes it where there is none. A file of a later
// version of the program is refused with a *table.LaterError.
func Open(ctx context.Context, path string, options ...table.Option) (*Store, error) {
	s, err := open(ctx, path, options)
	if err != nil {
		return nil, fmt.Errorf("open the timeline %s: %w", path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string, options []table.Option) (*Store, error) {
	if err := writable(path); err != nil {
		return nil, err
	}
	d := dialect()
	write, err := connect(path, "rw", "immediate")
	if err != nil {
		return nil, explain(err)
	}
	write.SetMaxOpenConns(1)
	if err := table.Migrate(ctx, write, d); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read, err := connect(path, "ro", "deferred")
	if err != nil {
		return nil, errors.Join(explain(err), write.Close())
	}
	return &Store{table.New(read, write, d, options...), path, write}, nil
}

// OpenReader opens the store in the file for questions only: what writes gives
// table.ErrReadOnly. The file must be there, and of the version of this program.
func OpenReader(ctx context.Context, path string) (*Store, error) {
	s, err := openReader(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open the timeline %s: %w", path, err)
	}
	return s, nil
}

func openReader(ctx context.Context, path string) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errors.New("there is none: depeer run makes it, and depeer backfill")
		}
		return nil, err
	}
	read, err := connect(path, "ro", "deferred")
	if err != nil {
		return nil, explain(err)
	}
	d := dialect()
	if err := table.Check(ctx, read, d); err != nil {
		return nil, errors.Join(err, read.Close())
	}
	return &Store{table.New(read, nil, d), path, nil}, nil
}

// writable makes the file where it is not, for its owner alone, and says what is in the way
// in better words than the driver.
func writable(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	return f.Close()
}

// name is how the driver calls the file.
func name(path string, q url.Values) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

func connect(path, mode, lock string) (*sql.DB, error) {
	q := url.Values{"mode": {mode}, "_txlock": {lock}, "_busy_timeout": {strconv.Itoa(busy)}}
	if mode == "ro" {
		q.Set("_query_only", "1")
		q.Add("_pragma", "cache_size(-16384)")
	} else {
		q.Set("_auto_vacuum", "INCREMENTAL")
		q.Set("_journal_mode", "WAL")
		q.Set("_synchronous", "NORMAL")
		for _, p := range []string{"cache_size(-131072)", "wal_autocheckpoint(2000)", "journal_size_limit(67108864)"} {
			q.Add("_pragma", p)
		}
	}
	db, err := sql.Open("sqlite", name(path, q))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return db, nil
}

func dialect() table.Dialect {
	sub, _ := fs.Sub(migrations, "migrations")
	return table.Dialect{Goose: goose.DialectSQLite3, Migrations: sub, Explain: explain, Size: size, Tidy: tidy}
}

// size is of the file, with what is not moved into it yet.
func size(ctx context.Context, db *sql.DB) (int64, error) {
	var pages, octets int64
	if err := db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		return 0, err
	}
	err := db.QueryRowContext(ctx, "PRAGMA page_size").Scan(&octets)
	return pages * octets, err
}

// tidy gives free pages back to the file system, at most 128 MiB at a time: the writer waits
// for it.
func tidy(ctx context.Context, db *sql.DB) error {
	for range 8 {
		var free, pages int64
		if err := db.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free); err != nil {
			return err
		}
		if err := db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil || free*16 < pages {
			return err // what comes next needs some
		}
		rows, err := db.QueryContext(ctx, "PRAGMA incremental_vacuum(1024)")
		if err != nil {
			return err
		}
		for rows.Next() {
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	return nil
}

// explain says what the operator can do about an error of SQLite.
func explain(err error) error {
	var e *driver.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("the disk is full, nothing of this was stored: %w", err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("the file is damaged: %w", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("the file or its folder cannot be written: %w", err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("another process is writing for longer than %d s: %w", busy/1000, err)
	}
	return err
}

// Settle moves what lies in the -wal file into the file itself: before the file is copied,
// or measured. It waits for no reader, and moves what none of them needs.
func (s *Store) Settle(ctx context.Context) error {
	if s.write == nil {
		return table.ErrReadOnly
	}
	_, err := s.write.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return explain(err)
}
