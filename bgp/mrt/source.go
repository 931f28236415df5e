package mrt

import (
	"context"
	"errors"
	"slices"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// Config says what a [Source] reads.
type Config struct {
	Inputs    []string     // files, folders, addresses, "-": see [Expand]
	Seeds     []string     // likewise, but read whole, whatever From and To: tables to start from
	Collector string       // of archives whose path names none; "": see nameArchives
	Of        string       // the collector of all archives, whatever their paths name; "": see Collector
	From, To  time.Time    // what was recorded before From or after To is passed over; zero: no bound
	Watch     *wire.Watch  // what is wanted; nil: everything, or what Shared wants
	Shared    *wire.Shared // the watchlist of all live feeds, in place of Watch
	Sessions  *Sessions    // what is known of the peers already; nil: nothing
	Buffer    int64        // bytes of updates held back to be put in order; 0: 64 MiB
	Progress  func(Progress)
}

// DefaultBuffer is how much a [Source] holds back to put it in order.
const DefaultBuffer = 64 << 20

// Progress says how far a source has come. Total is -1 where it is not known.
type Progress struct {
	Read, Total int64 // bytes as stored
	File        string
	At          time.Time // the time of the record just read
}

// Stats is what a source has read.
type Stats struct {
	Files    int
	Messages uint64 // BGP messages
	Elements uint64 // prefixes announced and withdrawn, entries of tables
	Matched  uint64 // of them, those that were emitted
	Late     uint64 // emitted after something younger: see [Source]
	Skipped  Counts
	First    time.Time
	Last     time.Time
}

// Source reads recordings as a feed, in the order of their time across files and
// collectors, whatever the order of its inputs.
//
// Archives of one collector follow one another by the time in their name; those
// of different collectors, and tables beside updates, are read together by the
// time of their records. So no more archives are open than there are collectors
// and kinds, and one more of each. What is wanted is held back and emitted by
// second, then by peer, each peer's own in its order, when the input ends or
// Config.Buffer is full; then the older three quarters are emitted. A record that turns up
// later than that, and is older than what was emitted, is emitted late and
// counted in Stats.Late.
//
// For each peer that speaks there is, beside what is wanted, one Heard a minute
// at most, and every change of its session. A table gives TableStart for every
// peer of its index when the first route of a family is met, and at its end
// TableEnd, or TableCut where the archive broke off. Messages that the collector
// itself sent (BGP4MP_MESSAGE_LOCAL) are no peer's and are passed over.
//
// A source runs once.
type Source struct {
	cfg       Config
	stats     Stats
	out       reorder
	tables    map[string]*peerTable
	faults    []error
	total     int64
	finished  int64 // stored bytes of archives that are done
	reported  time.Time
	firstSec  uint32
	lastSec   uint32
	chainList []*chain
}

var _ bgp.Source = (*Source)(nil)

// NewSource readies a source; nothing is opened.
func NewSource(cfg Config) *Source {
	if cfg.Buffer <= 0 {
		cfg.Buffer = DefaultBuffer
	}
	if cfg.Sessions == nil {
		cfg.Sessions = NewSessions()
	}
	return &Source{cfg: cfg, tables: cfg.Sessions.tables, out: reorder{limit: cfg.Buffer}, firstSec: ^uint32(0)}
}

// Stats is valid once Run has returned.
func (s *Source) Stats() Stats { return s.stats }

// Run reads all inputs. An archive that cannot be read to its end does not keep
// the others from being read: the errors are returned together, at the end.
func (s *Source) Run(ctx context.Context, emit func([]bgp.Update) error) error {
	names, err := Expand(s.cfg.Inputs)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.out.emit = emit
	seeds, err := Expand(s.cfg.Seeds)
	if err != nil {
		return err
	}
	s.total = totalSize(append(slices.Clone(seeds), names...))
	list := make([]archive, 0, len(seeds)+len(names))
	for i, n := range append(seeds, names...) {
		a := describe(n)
		a.seed = i < len(seeds)
		if s.cfg.Of != "" {
			a.collector = s.cfg.Of
		}
		list = append(list, a)
	}
	nameArchives(ctx, list, s.cfg.Collector)
	s.chainList = chains(list)
	readers := make([]*feed, 0, len(s.chainList))
	defer func() {
		for _, f := range readers {
			f.close()
		}
	}()
	for _, c := range s.chainList {
		readers = append(readers, &feed{s: s, c: c, suspended: true})
	}
	if err := s.merge(ctx, readers); err != nil {
		return err
	}
	s.settle()
	if err := s.out.flush(len(s.out.updates)); err != nil {
		return err
	}
	s.stats.Late = s.out.late
	if s.lastSec != 0 {
		s.stats.First, s.stats.Last = time.Unix(int64(s.firstSec), 0).UTC(), time.Unix(int64(s.lastSec), 0).UTC()
	}
	return errors.Join(s.faults...)
}

// maxOpen is how many archives that are not due yet may stay open, each with
// its decompressor. One that is closed is opened again when it is due.
const maxOpen = 16

// merge reads from the feed that stands earliest until another one does.
func (s *Source) merge(ctx context.Context, feeds []*feed) error {
	live := make([]*feed, 0, len(feeds))
	open := 0
	for _, f := range feeds {
		if !f.start(ctx) {
			continue
		}
		live = append(live, f)
		if open++; open > maxOpen {
			f.suspend()
		}
	}
	for len(live) > 0 {
		first, limit := earliest(live)
		f := live[first]
		if f.suspended && !f.start(ctx) {
			live = append(live[:first], live[first+1:]...)
			continue
		}
		more, err := f.run(ctx, limit)
		if err != nil {
			return err
		}
		if !more {
			live = append(live[:first], live[first+1:]...)
		}
	}
	return ctx.Err()
}

// earliest gives the feed that is due, and the time at which another one is.
func earliest(live []*feed) (first int, limit uint32) {
	limit = ^uint32(0)
	for i, f := range live[1:] {
		switch at := f.c.at; {
		case at < live[first].c.at:
			limit = live[first].c.at
			first = i + 1
		case at < limit:
			limit = at
		}
	}
	return first, limit
}

func (s *Source) fault(err error) {
	s.faults = append(s.faults, err)
}

// table finds the sessions of a collector.
func (s *Source) table(collector string) *peerTable {
	t := s.tables[collector]
	if t == nil {
		t = newPeerTable(collector)
		s.tables[collector] = t
	}
	return t
}

// settle adds what is owed for peers that have spoken and were not heard since.
func (s *Source) settle() {
	for _, t := range s.tables {
		for _, p := range t.all {
			if p.pending {
				s.out.updates = append(s.out.updates, p.owed())
			}
		}
	}
}

// progress tells, at most ten times a second, how far the source is.
func (s *Source) progress(f *feed) {
	if s.cfg.Progress == nil {
		return
	}
	now := time.Now()
	if now.Sub(s.reported) < 100*time.Millisecond {
		return
	}
	s.reported = now
	read := s.finished
	for _, c := range s.chainList {
		if c.in != nil {
			read += c.in.Consumed()
		}
	}
	s.cfg.Progress(Progress{Read: read, Total: s.total, File: f.c.current.name, At: time.Unix(int64(f.c.at), 0).UTC()})
}

// bounds gives From and To as the seconds of a record.
func (c *Config) bounds() (from, to uint32) {
	to = ^uint32(0)
	if !c.From.IsZero() {
		from = uint32(min(max(c.From.Unix(), 0), int64(to)))
	}
	if !c.To.IsZero() {
		to = uint32(min(max(c.To.Unix(), 0), int64(to)))
	}
	return from, to
}
