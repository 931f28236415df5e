package table

import (
	"context"
	"database/sql"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

// Dialect is what a database does in its own way. Statements are written with ? for
// parameters, BIGINTs for numbers and binary columns for bytes, and
// "INSERT ... ON CONFLICT", which SQLite and PostgreSQL understand alike.
type Dialect struct {
	Goose      goose.Dialect
	Migrations fs.FS // numbered SQL files (goose), in its root
	Numbered   bool  // parameters are $1, $2, ...

	Read  *sql.TxOptions // of a transaction that sees one moment of the store
	Write *sql.TxOptions

	// Lock makes the transaction the only one that writes, until it ends; nil where
	// beginning it did so.
	Lock func(ctx context.Context, tx *sql.Tx) error
	// Bucket makes room for the chunks of a month (year*12 + month-1); nil where there is no need.
	Bucket func(ctx context.Context, tx *sql.Tx, month int64) error
	// Tidy gives space back after much was dropped or merged; nil where there is no need.
	Tidy func(ctx context.Context, db *sql.DB) error
	// Size is the size of the store in octets.
	Size func(ctx context.Context, db *sql.DB) (int64, error)
	// Explain makes a sentence of an error of the driver, or gives it back as it is; nil for the latter.
	Explain func(error) error
}

// bind writes a statement's parameters as the database wants them.
func (d *Dialect) bind(query string) string {
	if !d.Numbered {
		return query
	}
	var b strings.Builder
	n := 0
	for _, c := range query {
		if c != '?' {
			b.WriteRune(c)
			continue
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

func (d *Dialect) explain(err error) error {
	if err == nil || d.Explain == nil {
		return err
	}
	return d.Explain(err)
}

// transaction is one transaction and the statements prepared in it.
type transaction struct {
	ctx        context.Context
	tx         *sql.Tx
	d          *Dialect
	statements map[string]*sql.Stmt
}

func (s *Store) begin(ctx context.Context, db *sql.DB, options *sql.TxOptions) (*transaction, error) {
	tx, err := db.BeginTx(ctx, options)
	if err != nil {
		return nil, s.d.explain(err)
	}
	return &transaction{ctx: ctx, tx: tx, d: &s.d, statements: map[string]*sql.Stmt{}}, nil
}

func (x *transaction) statement(query string) (*sql.Stmt, error) {
	if s := x.statements[query]; s != nil {
		return s, nil
	}
	s, err := x.tx.PrepareContext(x.ctx, x.d.bind(query))
	if err != nil {
		return nil, x.d.explain(err)
	}
	x.statements[query] = s
	return s, nil
}

func (x *transaction) exec(query string, args ...any) error {
	_, err := x.affect(query, args...)
	return err
}

// affect runs a statement and gives the number of rows that it touched.
func (x *transaction) affect(query string, args ...any) (int64, error) {
	s, err := x.statement(query)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(x.ctx, args...)
	if err != nil {
		return 0, x.d.explain(err)
	}
	n, err := result.RowsAffected()
	return n, x.d.explain(err)
}

// one reads the first row into the places given; false where there is none.
func (x *transaction) one(query string, args []any, into ...any) (bool, error) {
	s, err := x.statement(query)
	if err != nil {
		return false, err
	}
	switch err := s.QueryRowContext(x.ctx, args...).Scan(into...); err {
	case nil:
		return true, nil
	case sql.ErrNoRows:
		return false, nil
	default:
		return false, x.d.explain(err)
	}
}

// each calls f for every row.
func (x *transaction) each(query string, args []any, f func(scan func(...any) error) error) error {
	s, err := x.statement(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(x.ctx, args...)
	if err != nil {
		return x.d.explain(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return x.d.explain(err)
		}
	}
	return x.d.explain(rows.Err())
}

// close ends a transaction whose work is not wanted, or was only reading.
func (x *transaction) close() { _ = x.tx.Rollback() }

func (x *transaction) commit() error { return x.d.explain(x.tx.Commit()) }
