package archive

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"time"
)

// Recording is a file of an archive.
type Recording struct {
	At      time.Time // when it begins
	Address string    // its path where the mirror is one of files
}

// Files names what a collector recorded between two moments: the latest table before the
// first, nil where there is none, and every file of updates from that table (or else from the first moment)
// to the last. What the index says is missing is told as [Hole]s, beside all else.
func (r *Reader) Files(ctx context.Context, collector string, from, to time.Time) (table *Recording, list []Recording, err error) {
	if err := r.cfg.collector(collector); err != nil {
		return nil, nil, err
	}
	tables, err := r.dumpsBefore(ctx, collector, from)
	if err != nil {
		return nil, nil, err
	}
	_, known, err := r.between(ctx, collector, dumps, from.Add(-48*time.Hour), from, 24*time.Hour)
	if err != nil {
		return nil, nil, err
	}
	begin := from
	if len(tables) > 0 && known {
		table, begin = &Recording{tables[0].at, place(tables[0].url)}, tables[0].at
	}
	files, pace, err := r.covering(ctx, collector, begin, to)
	if err != nil {
		return nil, nil, err
	}
	var holes []error
	missing := func(at, until time.Time) {
		holes = append(holes, &Hole{Collector: collector, From: at, To: until, File: r.layout.derived(collector, updates, at).name, Err: errMissing})
	}
	until := begin
	for i, f := range files {
		if i > 0 && hole(files[i-1].at, f.at, pace) || i == 0 && f.at.After(begin) {
			missing(until, f.at)
		}
		until = f.at.Add(pace)
		list = append(list, Recording{f.at, place(f.url)})
	}
	if until.Before(to) {
		missing(until, to)
	}
	return table, list, errors.Join(holes...)
}

// place is the path of a file that a mirror of files has.
func place(address string) string {
	if u, err := url.Parse(address); err == nil && u.Scheme == "file" {
		return filepath.FromSlash(u.Path)
	}
	return address
}
