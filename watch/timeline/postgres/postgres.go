// Package postgres remembers on a PostgreSQL server: the store of those who have outgrown a
// file, who run several depeers, or want their database's replication and backups.
//
// The tables and questions are those of package table. The chunks of routes are partitioned
// by month; a partition that retention has emptied is dropped. Everything is made in
// the schema that the connection writes to first (search_path), by its user, who needs no
// other right than to create tables there.
//
// A batch is on the server when Write returns, as safe as its synchronous_commit says. Writers of
// several processes take turns by an advisory lock of the schema; readers wait for nobody and read
// one snapshot (REPEATABLE READ).
package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"depeer/watch/timeline"
	"depeer/watch/timeline/table"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is a timeline.Store on a server.
type Store struct{ *table.Store }

var _ timeline.Store = (*Store)(nil)

const readers = 8 // connections that answer questions at a time

// Open opens the store that a connection string (postgres://user:password@host/database)
// leads to, and makes its tables where there are none. Errors do not repeat the string.
func Open(ctx context.Context, dsn string, options ...table.Option) (*Store, error) {
	write, err := connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	d := dialect()
	if err := migrate(ctx, write, d); err != nil {
		return nil, errors.Join(fmt.Errorf("open the timeline on PostgreSQL: %w", err), write.Close())
	}
	read, err := connect(ctx, dsn)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &Store{table.New(read, write, d, options...)}, nil
}

// OpenReader opens the store for questions only: what writes gives table.ErrReadOnly. Its
// tables must be there, of the version of this program.
func OpenReader(ctx context.Context, dsn string) (*Store, error) {
	read, err := connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	d := dialect()
	if err := table.Check(ctx, read, d); err != nil {
		return nil, errors.Join(fmt.Errorf("open the timeline on PostgreSQL: %w", err), read.Close())
	}
	return &Store{table.New(read, nil, d)}, nil
}

func connect(ctx context.Context, dsn string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The driver's error repeats the string, which may hold a password.
		return nil, errors.New("open the timeline on PostgreSQL: the connection string cannot be read (want postgres://user:password@host/database)")
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "depeer"
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the timeline on PostgreSQL: %w", explain(err)), db.Close())
	}
	return db, nil
}

// migrate makes the tables. Two processes that start together take turns.
func migrate(ctx context.Context, db *sql.DB, d table.Dialect) error {
	guard, err := db.Conn(ctx)
	if err != nil {
		return explain(err)
	}
	defer guard.Close()
	// The only connection of the pool would be taken by the guard.
	db.SetMaxOpenConns(2)
	defer db.SetMaxOpenConns(1)
	if _, err := guard.ExecContext(ctx, "SELECT pg_advisory_lock("+lockKey+")"); err != nil {
		return explain(err)
	}
	err = table.Migrate(ctx, db, d)
	_, unlock := guard.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock("+lockKey+")")
	return errors.Join(err, explain(unlock))
}

// lockKey names the schema among those of the database.
const lockKey = "hashtext('depeer timeline'), hashtext(current_schema())"

func dialect() table.Dialect {
	sub, _ := fs.Sub(migrations, "migrations")
	return table.Dialect{
		Goose: goose.DialectPostgres, Migrations: sub, Numbered: true,
		Read: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		Lock: lock, Bucket: bucket, Tidy: tidy, Size: size, Explain: explain,
	}
}

func lock(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock("+lockKey+")")
	return err
}

// partition is the table of the chunks of a month (year*12 + month-1).
func partition(month int64) string { return fmt.Sprintf("chunk_%04d_%02d", month/12, month%12+1) }

// bucket makes a month's partition. The writer has the lock: nobody else makes it.
func bucket(ctx context.Context, tx *sql.Tx, month int64) error {
	var there bool
	if err := tx.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", partition(month)).Scan(&there); err != nil || there {
		return err
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf("CREATE TABLE %s PARTITION OF chunk FOR VALUES FROM (%d) TO (%d)", partition(month), month, month+1))
	return err
}

// tidy drops the partitions that are empty. Who is in the way is not waited for long:
// there is another time.
func tidy(ctx context.Context, db *sql.DB) error {
	names, err := partitions(ctx, db)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := dropEmpty(ctx, db, name); err != nil {
			var e *pgconn.PgError
			if errors.As(err, &e) && e.Code == "55P03" { // lock_not_available
				continue
			}
			return err
		}
	}
	return nil
}

func partitions(ctx context.Context, db *sql.DB) (names []string, err error) {
	rows, err := db.QueryContext(ctx, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'chunk'::regclass ORDER BY 1")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

func dropEmpty(ctx context.Context, db *sql.DB, name string) error {
	var some bool
	if err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM "+name+")").Scan(&some); err != nil || some {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := lock(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "SET LOCAL lock_timeout = '1s'"); err != nil {
		return err
	}
	// Under the lock nobody writes: what is empty now stays so.
	if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM "+name+")").Scan(&some); err != nil || some {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DROP TABLE "+name); err != nil {
		return err
	}
	return tx.Commit()
}

// size is of all tables of the schema with their indexes.
func size(ctx context.Context, db *sql.DB) (n int64, err error) {
	err = db.QueryRowContext(ctx, `SELECT COALESCE(SUM(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'`).Scan(&n)
	return n, err
}

// explain says what the operator can do about an error of the server.
func explain(err error) error {
	var refused *pgconn.ConnectError
	if errors.As(err, &refused) {
		// Its text names host, user and database, and no password.
		return fmt.Errorf("the server cannot be reached, or lets us not in: %w", err)
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Code == "53100":
		return fmt.Errorf("the server's disk is full, nothing of this was stored: %w", err)
	case e.Code == "25006":
		return fmt.Errorf("the server is a replica, or read only: %w", err)
	case e.Code == "42501":
		return fmt.Errorf("the user has not the rights (he has to create tables in the schema): %w", err)
	case strings.HasPrefix(e.Code, "57P0"): // shutdown, crash, cannot connect now
		return fmt.Errorf("the server is being shut down or started: %w", err)
	case strings.HasPrefix(e.Code, "XX"):
		return fmt.Errorf("the server found its data damaged: %w", err)
	}
	return err
}
