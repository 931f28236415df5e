package mrt

import (
	"cmp"
	"context"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// archive is one input before it is opened.
type archive struct {
	name      string
	collector string    // "" where the path does not say, until nameArchives
	kind      string    // "rib", "updates", or "" where the name does not say
	named     time.Time // the time in its name, zero without one
	seed      bool      // read whole, whatever the bounds of time
}

// stamp finds the time in names like updates.20080223.0003.bz2, rib.20080501.0644
// and bview.20100701.0759.gz. It tells in which order the archives of a collector
// were begun, and nothing else: RouteViews wrote local time until 2003.
var stamp = regexp.MustCompile(`(?:^|[._-])(updates|rib|ribs|bview)\.?.*?([0-9]{8})[._-]?([0-9]{4})(?:[^0-9]|$)`)

// epochStamp finds it in names like ris.rrc06.updates.1427846400.gz.
var epochStamp = regexp.MustCompile(`(?:^|[._-])(updates|rib|ribs|bview)\.(1?[0-9]{9})(?:[^0-9]|$)`)

func describe(name string) archive {
	a := archive{name: name, collector: Collector(name)}
	base := filepath.Base(name)
	if m := stamp.FindStringSubmatch(base); m != nil {
		if t, err := time.Parse("200601021504", m[2]+m[3]); err == nil {
			a.kind, a.named = dumpKind(m[1]), t
		}
	} else if m := epochStamp.FindStringSubmatch(base); m != nil {
		if t, _, err := parseEpoch(m[2]); err == nil {
			a.kind, a.named = dumpKind(m[1]), t
		}
	}
	return a
}

func dumpKind(word string) string {
	if word == "updates" {
		return word
	}
	return "rib"
}

func parseEpoch(s string) (time.Time, int64, error) {
	var n int64
	for _, c := range s {
		n = n*10 + int64(c-'0')
	}
	return time.Unix(n, 0).UTC(), n, nil
}

// chain is a run of archives of one collector and kind that follow one another,
// so that no more than one of them, and the next, is ever open.
type chain struct {
	archives []archive
	next     *opening // the archive behind the one being read, opened ahead

	in      *Input
	decoder *Decoder
	current archive
	event   Event
	ready   bool // event holds what comes next
	at      uint32
}

// chains puts archives into as few chains as their names allow. Those that do
// not tell when they were begun, or tell the same as another, stand alone: only
// their first record shows where they belong.
func chains(list []archive) []*chain {
	type key struct {
		folder, collector, kind string
		seed                    bool
	}
	at := map[key]*chain{}
	var out []*chain
	// The order of the arguments decides only between archives of which nothing is known.
	slices.SortStableFunc(list, func(a, b archive) int {
		return cmp.Or(a.named.Compare(b.named), strings.Compare(a.collector, b.collector), strings.Compare(a.kind, b.kind))
	})
	for _, a := range list {
		k := key{collector: a.collector, kind: a.kind, seed: a.seed}
		if Collector(a.name) == "" {
			k.folder = filepath.Dir(a.name)
		}
		if c := at[k]; c != nil && !a.named.IsZero() && a.named.After(c.archives[len(c.archives)-1].named) {
			c.archives = append(c.archives, a)
			continue
		}
		c := &chain{archives: []archive{a}}
		out = append(out, c)
		if !a.named.IsZero() && at[k] == nil {
			at[k] = c
		}
	}
	return out
}

// opening is an archive that is being opened in the background.
type opening struct {
	in   *Input
	err  error
	done chan struct{}
}

func openAhead(ctx context.Context, name string) *opening {
	o := &opening{done: make(chan struct{})}
	go func() {
		defer close(o.done)
		o.in, o.err = OpenInput(ctx, name)
	}()
	return o
}

func (o *opening) wait() (*Input, error) {
	<-o.done
	return o.in, o.err
}

func (o *opening) close() {
	if o == nil {
		return
	}
	if in, _ := o.wait(); in != nil {
		in.Close()
	}
}

// notNames are folders that tell what lies in them, not whose it is.
var notNames = []string{"rib", "ribs", "bview", "bviews", "table", "tables", "dump", "dumps", "seed", "seeds", "update", "updates", "upd", "bgpdata", "mrt", "data"}

// folderName is the collector of an archive whose path names none: the folder,
// or the one above where that is named for what lies in it.
func folderName(name string) string {
	if name == "-" {
		return "mrt"
	}
	up := filepath.Dir(name)
	if slices.Contains(notNames, strings.ToLower(filepath.Base(up))) {
		if above := filepath.Base(filepath.Dir(up)); above != "." && above != "/" && !strings.HasSuffix(above, ":") {
			return above
		}
	}
	d := filepath.Base(up)
	if d == "." || d == "/" || strings.HasSuffix(d, ":") {
		return "mrt"
	}
	return d
}

// Sequence opens archives one after the other, each while the one before is
// still being read, so that decompressing never waits for a file to end.
type Sequence struct {
	ctx   context.Context
	names []string
	next  *opening
}

// NewSequence opens nothing yet.
func NewSequence(ctx context.Context, names []string) *Sequence {
	return &Sequence{ctx: ctx, names: names}
}

// Next gives the next archive and its name, or io.EOF. The caller closes it. An
// archive that cannot be opened gives its error; the next call goes on.
func (s *Sequence) Next() (string, *Input, error) {
	if len(s.names) == 0 {
		return "", nil, io.EOF
	}
	name := s.names[0]
	s.names = s.names[1:]
	if s.next == nil {
		s.next = openAhead(s.ctx, name)
	}
	in, err := s.next.wait()
	s.next = nil
	if len(s.names) > 0 && s.names[0] != "-" {
		s.next = openAhead(s.ctx, s.names[0])
	}
	return name, in, err
}

// Close closes what was opened ahead.
func (s *Sequence) Close() {
	s.next.close()
	s.next, s.names = nil, nil
}
