package archive

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"errors"

	"depeer/bgp/fetch"
)

// maxIndex bounds the page that lists a folder: a month of RIS is 1 MB.
const maxIndex = 32 << 20

// index is what the server says is in a folder.
type index struct {
	read  time.Time
	known bool // there is an index
	files [2][]file
}

// list gives the index of a folder, read not longer than age ago. An index that
// is not there is no error: names are derived then.
func (r *Reader) list(ctx context.Context, folder string, age time.Duration) (*index, error) {
	now := r.deps.Now()
	r.mu.Lock()
	x := r.indexes[folder]
	r.mu.Unlock()
	if x != nil && now.Sub(x.read) < age {
		return x, nil
	}
	page, err := r.page(ctx, folder)
	if err != nil {
		return nil, err
	}
	x = &index{read: now, known: page != nil, files: parseIndex(page, folder)}
	r.mu.Lock()
	defer r.mu.Unlock()
	for f, y := range r.indexes { // last month's is of no use any more
		if now.Sub(y.read) > 24*time.Hour {
			delete(r.indexes, f)
		}
	}
	r.indexes[folder] = x
	return x, nil
}

// page gives the index as the server renders it; nil where it has none.
func (r *Reader) page(ctx context.Context, folder string) ([]byte, error) {
	if u, err := url.Parse(folder); err == nil && u.Scheme == "file" {
		entries, err := os.ReadDir(filepath.FromSlash(u.Path))
		if err != nil {
			return nil, nil
		}
		page := []byte{'\n'}
		for _, e := range entries {
			page = append(append(page, e.Name()...), '\n')
		}
		return page, nil
	}
	f, err := r.deps.Fetch.Get(ctx, fetch.Request{URL: folder})
	if err != nil {
		e, ok := errors.AsType[*fetch.Error](err)
		if ok && (fetch.Missing(err) || e.Status == http.StatusForbidden || e.Status == http.StatusMethodNotAllowed) {
			return nil, nil
		}
		return nil, err
	}
	defer f.Close()
	in, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	page, err := io.ReadAll(io.LimitReader(in, maxIndex))
	if err != nil {
		return nil, err
	}
	if !listed.Match(page) && !bytes.Contains(bytes.ToLower(page[:min(len(page), 4096)]), []byte("<a ")) {
		return nil, nil // an answer, but no index
	}
	return page, nil
}

// between lists the files of a kind that begin after one moment and not after
// another, and whether there is an index for all months of that time.
func (r *Reader) between(ctx context.Context, collector string, k kind, after, until time.Time, age time.Duration) (out []file, known bool, err error) {
	known = true
	for m := monthOf(after); !m.After(until); m = m.AddDate(0, 1, 0) {
		x, err := r.list(ctx, r.layout.folder(collector, k, m), age)
		if err != nil {
			return nil, false, err
		}
		// A month that has just begun has no folder yet.
		known = known && (x.known || m.Equal(monthOf(until)) && !m.Equal(monthOf(after)))
		out = append(out, x.files[k]...)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].at.Before(out[j].at) })
	from := sort.Search(len(out), func(i int) bool { return out[i].at.After(after) })
	to := sort.Search(len(out), func(i int) bool { return out[i].at.After(until) })
	return out[from:max(from, to)], known, nil
}

// fileAt is when the file of updates begins that a moment lies in.
func (r *Reader) fileAt(ctx context.Context, collector string, at time.Time) (time.Time, error) {
	step := r.layout.updates
	list, _, err := r.between(ctx, collector, updates, at.Add(-2*step), at, 24*time.Hour)
	if err != nil || len(list) == 0 {
		return at.Truncate(step), err
	}
	return list[len(list)-1].at, nil
}

// dumpTries is how many dumps are tried, the newest first: the last one may be
// being written, or broken.
const dumpTries = 3

// dumpsBefore gives the dumps that begin not after a moment, newest first.
func (r *Reader) dumpsBefore(ctx context.Context, collector string, at time.Time) ([]file, error) {
	// Two days, and so the month before where this one has just begun.
	list, known, err := r.between(ctx, collector, dumps, at.Add(-48*time.Hour), at, r.layout.dumps/8)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 && !known {
		for t := at.UTC().Truncate(r.layout.dumps); len(list) < dumpTries; t = t.Add(-r.layout.dumps) {
			list = append(list, r.layout.derived(collector, dumps, t))
		}
		return list, nil
	}
	out := make([]file, 0, dumpTries)
	for i := len(list) - 1; i >= 0 && len(out) < dumpTries; i-- {
		out = append(out, list[i])
	}
	return out, nil
}

// sound looks at the first bytes of a file, before it is read as an archive: a
// page that says sorry is not one.
func sound(f *fetch.File, name string) error {
	if f.Size == 0 {
		return errors.New("is empty")
	}
	magic, what := "\x1f\x8b", "gzip"
	if strings.HasSuffix(name, ".bz2") {
		magic, what = "BZh", "bzip2"
	}
	in, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(in, head); err != nil || string(head) != magic {
		if f.ContentType != "" {
			return errors.New("is no " + what + " (the server calls it " + f.ContentType + ")")
		}
		return errors.New("is no " + what)
	}
	return nil
}
