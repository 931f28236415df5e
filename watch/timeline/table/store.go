package table

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"depeer/watch/timeline"
)

// Sizes, in changes. They are variables of a Store so that tests reach their borders
// with little.
type sizes struct {
	tail   int // the tail is packed by Write from here on
	chunk  int // the most in a chunk
	stride int // between two checkpoints of a prefix
	window int // the most that is read at a time where everything is asked for
}

var usual = sizes{tail: 1 << 20, chunk: 4096, stride: 4096, window: 1 << 21}

// Store is a timeline.Store in SQL tables.
type Store struct {
	d     Dialect
	read  *sql.DB
	write *sql.DB // nil: read only
	sizes sizes

	writing sync.Mutex // one writer; guards what follows
	peers   dictionary
	paths   dictionary
	words   dictionary
	index   index

	known cache // for readers
	tails tailCache
}

var _ timeline.Store = (*Store)(nil)

// Option changes what a Store does by itself.
type Option func(*Store)

// Small lets a store of few changes behave as one of many does: for tests. The tail is
// packed from so many changes on, no chunk holds more than another so many, as many lie
// between checkpoints, and so many are read at a time.
func Small(tail, chunk, stride, window int) Option {
	return func(s *Store) { s.sizes = sizes{tail: tail, chunk: chunk, stride: stride, window: window} }
}

// New makes a store of two pools of connections, which from then on are its own. The
// tables are there (Migrate). write may be nil: then what writes gives ErrReadOnly.
func New(read, write *sql.DB, d Dialect, options ...Option) *Store {
	s := &Store{d: d, read: read, write: write, sizes: usual}
	s.peers, s.paths, s.words = dictionary{table: "peer"}, dictionary{table: "path"}, dictionary{table: "word"}
	s.forget()
	for _, o := range options {
		o(s)
	}
	return s
}

// ErrReadOnly is what writing to a store that was opened for reading gives.
var ErrReadOnly = errors.New("the store was opened for reading only")

// forget drops what the writer keeps in memory: it may come from a transaction that failed.
// The caller holds s.writing, or has the only reference.
func (s *Store) forget() {
	for _, d := range []*dictionary{&s.peers, &s.paths, &s.words} {
		d.ids = map[string]uint32{}
	}
	s.index = newIndex()
}

// update runs f in the one writing transaction and commits it. The caller holds s.writing.
func (s *Store) update(ctx context.Context, f func(*transaction) error) error {
	if s.write == nil {
		return ErrReadOnly
	}
	x, err := s.begin(ctx, s.write, s.d.Write)
	if err != nil {
		return err
	}
	defer x.close()
	if s.d.Lock != nil {
		if err := s.d.Lock(ctx, x.tx); err != nil {
			return s.d.explain(err)
		}
	}
	for _, d := range []*dictionary{&s.peers, &s.paths, &s.words} {
		d.next = 0 // another process may have written meanwhile
	}
	if err := f(x); err != nil {
		s.forget()
		return err
	}
	if err := x.commit(); err != nil {
		s.forget()
		return err
	}
	return nil
}

// view runs f in a transaction that sees one moment of the store.
func (s *Store) view(ctx context.Context, f func(*transaction) error) error {
	x, err := s.begin(ctx, s.read, s.d.Read)
	if err != nil {
		return err
	}
	defer x.close()
	return f(x)
}

// Close closes the connections.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	var err error
	if s.read != s.write {
		err = s.read.Close() // first: the last writer to go leaves the files in order
	}
	if s.write != nil {
		err = errors.Join(err, s.write.Close())
	}
	return err
}

func micro(t time.Time) int64 { return t.UnixMicro() }

func moment(us int64) time.Time { return time.UnixMicro(us).UTC() }

// bound is a time in microseconds; a zero time bounds nothing, and is open.
func bound(t time.Time, open int64) int64 {
	if t.IsZero() {
		return open
	}
	return micro(t)
}

// month numbers the months: year*12 + month-1.
func month(us int64) int64 {
	y, m, _ := moment(us).Date()
	return int64(y)*12 + int64(m) - 1
}

// monthEnd is the first microsecond after a month.
func monthEnd(n int64) int64 {
	return time.Date(int(n/12), time.Month(n%12+2), 1, 0, 0, 0, 0, time.UTC).UnixMicro()
}
