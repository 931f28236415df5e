package table

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/pressly/goose/v3"
)

// LaterError says that a store was written by a later version of the program.
type LaterError struct{ Found, Known int64 }

func (e *LaterError) Error() string {
	return fmt.Sprintf("the store is of version %d, and this program knows versions up to %d: it was written by a later depeer, use that one", e.Found, e.Known)
}

// Migrate brings the tables to the version of this program. A store of a later version is
// left alone, with a *LaterError.
func Migrate(ctx context.Context, db *sql.DB, d Dialect) error {
	p, err := goose.NewProvider(d.Goose, db, d.Migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	found, known, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the store: %w", d.explain(err))
	}
	if found > known {
		return &LaterError{found, known}
	}
	if found == known {
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the store to version %d: %w", known, d.explain(err))
	}
	return nil
}

// Check looks whether a store has the version of this program, and changes nothing.
func Check(ctx context.Context, db *sql.DB, d Dialect) error {
	p, err := goose.NewProvider(d.Goose, db, d.Migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	known := int64(0)
	for _, s := range p.ListSources() {
		known = max(known, s.Version)
	}
	var found int64
	if err := db.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&found); err != nil {
		return fmt.Errorf("read the version of the store: %w", d.explain(err))
	}
	switch {
	case found > known:
		return &LaterError{found, known}
	case found < known:
		return fmt.Errorf("the store is of version %d, and this program needs %d: it has to be opened for writing once, by depeer run", found, known)
	}
	return nil
}
