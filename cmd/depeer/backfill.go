package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/bgp/fetch"
	"depeer/bgp/mrt"
	"depeer/bgp/mrt/archive"
	"depeer/bgp/wire"
)

type backfillFlags struct {
	archive, mirror string
	collectors      []string
	from, to        string
	seed            []string
	json            bool
}

func backfillCommand() *cobra.Command {
	var f backfillFlags
	c := &cobra.Command{
		Use:     "backfill FILE|DIR|URL... | --archive ris|routeviews --collectors LIST --from TIME --to TIME",
		GroupID: groupRead,
		Short:   "Fill the memory from recordings, as if the hosters had been watched then",
		Long: `backfill judges recorded routes as replay does, and stores in the memory what depeer
run would have stored: every change of a watched route, events, incidents, and the
gaps in what was recorded. Nothing is published, and nobody is told.

What is stored bears today's time of recording: what had been believed before can
still be asked for (timeline --believed).

It may be ended, or killed, at any moment. The same call goes on where the store
stopped: it reads from the beginning what it had read, and stores what it had not. A
call that was finished stores nothing. Where files were added, or are whole that were
cut, it is another call, and all of it is stored again; answers do not change by that.`,
		Example: `  depeer backfill -c depeer.yaml --archive routeviews --collectors route-views2 --from 2008-11-01 --to 2008-12-01
  depeer backfill -c depeer.yaml --seed rib.20081110.2200.bz2 updates.200811*.bz2`,
		DisableFlagsInUseLine: true,
		RunE:                  func(cmd *cobra.Command, args []string) error { return backfill(cmd, args, &f) },
	}
	l := c.Flags()
	l.StringVar(&f.archive, "archive", "", "read from this `ARCHIVE`: ris or routeviews")
	l.StringSliceVar(&f.collectors, "collectors", nil, "`COLLECTORS` of the archive: rrc00, route-views2, ...")
	l.StringVar(&f.mirror, "mirror", "", "`URL` of a mirror of the archive: http, https or file")
	l.StringVar(&f.from, "from", "", "earliest `TIME`, UTC (2008-11-11, 2008-11-11T21:00, RFC 3339 or seconds since 1970)")
	l.StringVar(&f.to, "to", "", "latest `TIME`; a day alone means its end")
	l.StringSliceVar(&f.seed, "seed", nil, "`RIB` to start from, read before everything else")
	l.BoolVar(&f.json, "json", false, "tell what was stored as a JSON object")
	return c
}

// validate finds what is wrong with the call before anything is tried.
func (f *backfillFlags) validate(args []string) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	archives := []string{archive.RIS, archive.RouteViews}
	switch {
	case f.archive == "" && len(args) == 0:
		fault("name recordings, or an archive with --archive, --collectors, --from and --to")
	case f.archive == "":
		for _, list := range [][]string{args, f.seed} {
			if _, err := mrt.Expand(list); err != nil {
				faults = append(faults, err)
			}
		}
		if len(f.collectors) > 0 || f.mirror != "" {
			fault("--collectors and --mirror need --archive")
		}
	case len(args) > 0 || len(f.seed) > 0:
		fault("either recordings or --archive, not both")
	default:
		if !slices.Contains(archives, f.archive) {
			fault("--archive: %q is none of %s%s", f.archive, strings.Join(archives, ", "), didYouMean(f.archive, archives))
		}
		if len(f.collectors) == 0 {
			fault("--archive needs --collectors (rrc00, route-views2, ...)")
		}
		if f.from == "" || f.to == "" {
			fault("--archive needs --from and --to")
		}
	}
	if len(faults) > 0 {
		return usageError{errors.Join(faults...)}
	}
	return nil
}

func backfill(cmd *cobra.Command, args []string, f *backfillFlags) (err error) {
	if err := f.validate(args); err != nil {
		return err
	}
	from, to, err := window(f.from, f.to)
	if err != nil {
		return usageError{err}
	}
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	if len(cfg.Hosters) == 0 {
		return usagef("%s: the configuration names no hosters: nothing is watched", configFile(cmd))
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memoryLimit))
	ctx := cmd.Context()
	args = once(args)
	p := &plan{Parts: []part{{Inputs: args, Seeds: f.seed}}, From: from, To: to}
	p.name = nameOf(cfg, fingerprints(args), fingerprints(f.seed), from, to)
	if f.archive != "" {
		if p, err = f.fromArchive(ctx, cfg, from, to); err != nil {
			return err
		}
	}
	store, err := openTimeline(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	b := newBackfiller(cfg, store, p, time.Now)
	fault := b.run(ctx, newProgress(cmd.ErrOrStderr()))
	return errors.Join(b.report(cmd.OutOrStdout(), f.json), fault, p.holes)
}

// plan is what is to be read: parts, one after the other. The same plan for the same
// watchlist has the same name, and is the same errand.
type plan struct {
	name     string // of its cursor
	Parts    []part
	From, To time.Time
	fetch    *fetch.Fetcher // for addresses; nil: they are read as they are
	holes    error          // what the archive does not have
}

// part is what is read together: a day of an archive.
type part struct{ Inputs, Seeds []string }

// fromArchive finds the files of the archive.
func (f *backfillFlags) fromArchive(ctx context.Context, cfg *Config, from, to time.Time) (*plan, error) {
	fetcher, err := newFetcher(cfg.Run, fetch.Deps{})
	if err != nil {
		return nil, err
	}
	a := archive.DefaultConfig()
	a.Archive, a.URL = f.archive, f.mirror
	r, err := archive.NewReader(a, archive.Deps{Watch: wire.NewShared(wire.List{}), Fetch: fetcher})
	if err != nil {
		return nil, usageError{err}
	}
	p := &plan{From: from, To: to, fetch: fetcher}
	days, seeds := map[string][]string{}, []string(nil)
	for _, c := range f.collectors {
		table, list, err := r.Files(ctx, c, from, to)
		gaps := archive.Holes(err)
		if err != nil && len(gaps) == 0 {
			return nil, err
		}
		for _, h := range gaps {
			p.holes = errors.Join(p.holes, h)
		}
		if table != nil {
			seeds = append(seeds, table.Address)
		}
		for _, x := range list {
			day := x.At.Format(time.DateOnly)
			days[day] = append(days[day], x.Address)
		}
	}
	for _, day := range slices.Sorted(maps.Keys(days)) {
		p.Parts = append(p.Parts, part{Inputs: days[day]})
	}
	p.name = nameOf(cfg, f.archive, f.mirror, f.collectors, from, to, seeds, days) // an archive gets what it lacked
	if len(p.Parts) == 0 {
		return nil, errors.Join(fmt.Errorf("the archive has nothing of %s in that time", strings.Join(f.collectors, ", ")), p.holes)
	}
	if p.Parts[0].Seeds = seeds; len(seeds) > 0 {
		p.From = time.Time{} // what was said between the table and the beginning belongs to it
	}
	return p, nil
}

// nameOf tells one errand from another: another watchlist stores something else.
func nameOf(cfg *Config, what ...any) string {
	h := sha256.New()
	_ = json.NewEncoder(h).Encode([]any{what, cfg.Watchlist(), cfg.Policy})
	return "backfill " + hex.EncodeToString(h.Sum(nil)[:12])
}

// once lists the files that are named, each of them once: what is named twice was not said
// twice.
func once(args []string) []string {
	names, err := mrt.Expand(args)
	if err != nil {
		return args // reading them tells what is wrong
	}
	seen := make(map[string]bool, len(names))
	return slices.DeleteFunc(names, func(name string) bool {
		if real, err := filepath.EvalSymlinks(name); err == nil {
			if real, err = filepath.Abs(real); err == nil {
				name = real
			}
		}
		had := seen[name]
		seen[name] = true
		return had
	})
}

// fingerprints name recordings so that others get another name: a folder that has grown, a
// file that was cut and is whole now. What comes through a pipe is never the same.
func fingerprints(args []string) []string {
	names, err := mrt.Expand(args)
	if err != nil {
		names = args // reading them tells what is wrong
	}
	out := slices.Clone(names)
	for i, s := range names {
		switch {
		case s == "-":
			out[i] = fmt.Sprint("- ", time.Now().UnixNano())
		case !strings.Contains(s, "://"):
			if abs, err := filepath.Abs(s); err == nil {
				out[i] = abs
			}
			if st, err := os.Stat(s); err == nil {
				out[i] += fmt.Sprint(" ", st.Size())
			}
		}
	}
	return out
}

// ready gives the files of a part, fetched whole: what is read must be the same whenever
// it is read. Those that the archive does not have any more are holes.
func (p *plan) ready(ctx context.Context, x part) (inputs, seeds []string, release func(), err error) {
	var held []*fetch.File
	release = func() {
		for _, f := range held {
			f.Close()
		}
	}
	get := func(names []string) (out []string, err error) {
		for _, n := range names {
			if p.fetch == nil || !strings.Contains(n, "://") {
				out = append(out, n)
				continue
			}
			f, err := p.fetch.Get(ctx, fetch.Request{URL: n, Fresh: 365 * 24 * time.Hour})
			switch {
			case fetch.Missing(err):
				p.holes = errors.Join(p.holes, err)
				continue
			case err != nil:
				return nil, err
			}
			held = append(held, f)
			out = append(out, f.Path)
		}
		return out, nil
	}
	if inputs, err = get(x.Inputs); err == nil {
		seeds, err = get(x.Seeds)
	}
	if err != nil {
		release()
	}
	return inputs, seeds, release, err
}
