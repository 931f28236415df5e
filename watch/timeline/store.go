package timeline

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// Batch is what is stored together: all of it, with the positions, or nothing.
type Batch struct {
	Recorded time.Time // the time of recording of everything in it; microseconds
	Changes  []Change  // in the order in which they were observed
	Records  []Record
	Cursors  map[string]uint64 // by the name of a log: the number of its last message that is in the store now; never goes back
	Kept     map[string][]byte // by name: what the writer must know after a restart (Recorder.Save); stored in place of what was there
}

// Writer takes in what is to be remembered. One at a time per store; readers do not wait
// for it.
type Writer interface {
	// Write stores a batch, whole or not at all. A batch of which every cursor is at or behind the stored one
	// was stored before and is passed over.
	Write(ctx context.Context, b *Batch) error
	// Cursors gives the stored position of every log.
	Cursors(ctx context.Context) (map[string]uint64, error)
	// Kept gives what was kept under a name; nil where nothing was.
	Kept(ctx context.Context, name string) ([]byte, error)
}

// Scope says which prefixes are meant: those that satisfy everything that is set.
type Scope struct {
	Hoster   string       // of this hoster's story
	Origin   uint32       // ever originated by this AS
	Through  uint32       // ever carried by this AS, at any place of a path
	Prefix   netip.Prefix // this prefix,
	Covering bool         // and those that cover it,
	Covered  bool         // and those that it covers
}

// Span is what is read.
type Span struct {
	Prefixes []netip.Prefix // none: all
	From, To time.Time      // changes with From < At <= To, preceded by the state at From; a zero From: from the beginning, a zero To: to the end
	Believed time.Time      // only what had been recorded by then; zero: all
}

// RecordQuery says which records are wanted: those that satisfy everything that is set.
type RecordQuery struct {
	Kinds    []RecordKind
	IDs      []string
	Hosters  []string
	Words    []string
	Incident string
	Upstream uint32
	ASN      uint32
	Prefix   netip.Prefix // concerned: equal to, covering or covered by it
	From, To time.Time    // At (or, of what lasts, any part) within; zero: no bound
	Believed time.Time    // recorded by then
	Latest   bool         // of each (Kind, ID) only the last revision that had been recorded by then, if that one satisfies the rest
	Lasting  bool         // what has no end: of incidents and gaps those that last
	Newest   bool         // newest first; otherwise oldest first
	Limit    int          // 0: all
	After    string       // behind this cursor, which Reader.Records gave
}

// ErrCursor is what a Reader's error wraps where RecordQuery.After is none of its cursors.
var ErrCursor = errors.New("no cursor")

// PrefixInfo is one prefix that the store knows.
type PrefixInfo struct {
	Prefix  netip.Prefix `json:"prefix"`
	Hosters []string     `json:"hosters"` // ids, in order
	First   time.Time    `json:"first"`   // its first change,
	Last    time.Time    `json:"last"`    // and its last one
	Changes uint64       `json:"changes"`
}

// Reader answers. Its methods may be called from many goroutines, also while another
// process writes; each answers as of one moment of the store.
type Reader interface {
	// Prefixes lists the prefixes of a scope, in order.
	Prefixes(ctx context.Context, s Scope) ([]PrefixInfo, error)
	// Changes calls f for the changes of a span: first the state at From (the last word on every peer, in order of peers; then every
	// route held then, as Known with the At of the change that made it so, by prefix, peer and path id), then every change in order of
	// At. Of one moment the sessions come first, then the prefixes in order, each one's changes as they were written. A Change is f's only
	// until it returns, its Path and Hosters are shared. f may ask the store. An error of f ends it.
	Changes(ctx context.Context, s Span, f func(*Change) error) error
	// Records lists records, and the cursor behind the last of them, "" where there are no more.
	Records(ctx context.Context, q RecordQuery) ([]Record, string, error)
	// Coverage gives what was kept under names that begin with KeptCoverage.
	Coverage(ctx context.Context) ([]Coverage, error)
}

// Retention says for how long what is kept, at least: stores may drop whole months. Zero is
// for ever. What is dropped changes no answer about what is kept: the routes that hold at its
// beginning stay, and a record stays with all its revisions while one of them is young, or it
// is open. Answers about earlier moments are short of what was dropped, and what was
// believed of them is not known any more.
type Retention struct {
	Changes time.Duration `yaml:"changes"` // of routes
	Records time.Duration `yaml:"records"` // of everything else
}

// Maintenance is what Maintain did.
type Maintenance struct {
	Packed, Merged, Dropped int   // chunks written from what had come in, merged into larger ones, dropped with age
	Bytes                   int64 // size of the store
}

// Store is a memory: package sqlite has one in a file, package postgres one on a server.
type Store interface {
	Writer
	Reader
	// Maintain packs what came in, merges what is old, drops what is older than its retention, and writes checkpoints. It is done
	// in steps that hold up neither writer nor readers for long, and may be ended at any point.
	Maintain(ctx context.Context, now time.Time, r Retention) (Maintenance, error)
	Close() error
}
