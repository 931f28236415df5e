package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/bgp"
	"depeer/bgp/mrt"
	"depeer/bgp/wire"
	"depeer/watch"
)

// scanFlags are the flags of scan as they were written.
type scanFlags struct {
	asns, origins, upstreams []string
	prefixes, peers          []string
	types, from, to          string
	exact, more, less        bool
	watchlist, json, count   bool
}

func scanCommand() *cobra.Command {
	var f scanFlags
	c := &cobra.Command{
		Use:     "scan FILE|DIR|URL...",
		GroupID: groupRead,
		Short:   "Print the route elements of recordings that match",
		Long: `scan prints every route element of MRT recordings that matches: one line for each
prefix announced (A), withdrawn (W) or held in a table (B), and for each change of
a session's state (S), as "bgpdump -m" writes them. "-" is standard input.

Conditions of different flags must all hold; of the values of one flag any may.
A withdrawal and a state change have no path, so --asn, --origin and --upstream
never choose them. What could not be read is counted by reason on standard error.`,
		Example: `  depeer scan --asn AS26780 updates.20081111.*.bz2
  depeer scan --prefix 208.66.192.0/22 --type W --from 2008-11-11 updates/
  depeer scan --origin 26780 --upstream 6939 --count rib.20081101.0000.bz2`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return scan(cmd, args, &f) },
	}
	l := c.Flags()
	l.StringSliceVar(&f.asns, "asn", nil, "`AS` number anywhere in the path")
	l.StringSliceVar(&f.origins, "origin", nil, "`AS` number that originates the route")
	l.StringSliceVar(&f.upstreams, "upstream", nil, "`AS` number directly left of that of --asn or --origin, else of the origin")
	l.StringSliceVar(&f.prefixes, "prefix", nil, "`PREFIX` or address")
	l.BoolVar(&f.exact, "exact", false, "only the very prefix")
	l.BoolVar(&f.more, "more-specific", false, "the prefix and those inside it (the default)")
	l.BoolVar(&f.less, "less-specific", false, "the prefix and those around it")
	l.StringSliceVar(&f.peers, "peer", nil, "`PEER`: its address or AS number")
	l.StringVar(&f.types, "type", "", "`TYPES` of element: any of A, W, B, S")
	l.StringVar(&f.from, "from", "", "earliest `TIME`, UTC (2008-11-11, 2008-11-11T21:00, RFC 3339 or seconds since 1970)")
	l.StringVar(&f.to, "to", "", "latest `TIME`; a day alone means its end")
	l.BoolVar(&f.watchlist, "watchlist", false, "what the hosters of the configuration have: AS numbers anywhere, prefixes")
	l.BoolVar(&f.json, "json", false, "one JSON object a line")
	l.BoolVar(&f.count, "count", false, "only the number of matching elements")
	c.MarkFlagsMutuallyExclusive("exact", "more-specific", "less-specific")
	c.MarkFlagsMutuallyExclusive("json", "count")
	return c
}

func scan(cmd *cobra.Command, args []string, f *scanFlags) error {
	// What lives is a few MiB whatever the size of the archives, and next to
	// nothing is allocated on the way: collecting more rarely costs nothing.
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	filter, err := f.filter()
	if err != nil {
		return err
	}
	from, to, err := f.window()
	if err != nil {
		return err
	}
	if f.watchlist {
		cfg, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		filter.Watch = watchOf(cfg.Hosters)
	}
	names, err := mrt.Expand(args)
	if err != nil {
		return usageError{err}
	}
	s := &scanner{filter: filter, out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr(), json: f.json, count: f.count, from: from, to: to}
	return s.run(cmd.Context(), names)
}

// watchOf makes the list that is pushed down to the decoder. Everything a hoster
// ever had is in it: when it was its, a person reading old records may judge.
func watchOf(hosters []watch.Hoster) *wire.Watch {
	w := wire.NewWatch()
	for _, h := range hosters {
		for _, a := range h.ASNs {
			w.AddASN(a)
		}
		for _, p := range h.Prefixes {
			w.AddPrefix(p)
		}
	}
	return w
}

// filter reads the conditions. All faults are told together.
func (f *scanFlags) filter() (*mrt.Filter, error) {
	out := &mrt.Filter{}
	var faults []error
	asns := func(flag string, words []string) (list []uint32) {
		for _, w := range words {
			a, err := bgp.ParseASN(w)
			if err != nil {
				faults = append(faults, fmt.Errorf("--%s: %w", flag, err))
			}
			list = append(list, a)
		}
		return list
	}
	out.ASNs, out.Origins, out.Upstreams = asns("asn", f.asns), asns("origin", f.origins), asns("upstream", f.upstreams)
	for _, w := range f.prefixes {
		p, err := parsePrefixOrAddr(w)
		if err != nil {
			faults = append(faults, fmt.Errorf("--prefix: %w", err))
		}
		out.Prefixes = append(out.Prefixes, p)
	}
	for _, w := range f.peers {
		if a, err := netip.ParseAddr(w); err == nil {
			out.Peers = append(out.Peers, a.Unmap())
		} else if n, err := bgp.ParseASN(w); err == nil {
			out.PeerASNs = append(out.PeerASNs, n)
		} else {
			faults = append(faults, fmt.Errorf("--peer: %q is neither an address nor an AS number", w))
		}
	}
	out.Types = strings.ToUpper(strings.ReplaceAll(f.types, ",", ""))
	if i := strings.IndexFunc(out.Types, func(r rune) bool { return !strings.ContainsRune("AWBS", r) }); i >= 0 {
		faults = append(faults, fmt.Errorf("--type: %q holds something other than A, W, B and S", f.types))
	}
	switch {
	case f.exact:
		out.Mode = mrt.Exact
	case f.less:
		out.Mode = mrt.LessSpecific
	}
	if (f.exact || f.less || f.more) && len(f.prefixes) == 0 {
		faults = append(faults, errors.New("--exact, --more-specific and --less-specific need --prefix"))
	}
	if len(faults) > 0 {
		return nil, usageError{errors.Join(faults...)}
	}
	out.Prepare()
	return out, nil
}

func parsePrefixOrAddr(s string) (netip.Prefix, error) {
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is no prefix", s)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("%q has bits behind its length: do you mean %s?", s, p.Masked())
	}
	return p, nil
}

// window reads --from and --to as seconds since 1970.
func (f *scanFlags) window() (from, to uint32, err error) {
	to = ^uint32(0)
	if f.from != "" {
		if from, _, err = parseSecond(f.from); err != nil {
			return 0, 0, usagef("--from: %v", err)
		}
	}
	if f.to != "" {
		var day bool
		if to, day, err = parseSecond(f.to); err != nil {
			return 0, 0, usagef("--to: %v", err)
		}
		if day {
			to += 24*3600 - 1
		}
	}
	if from > to {
		return 0, 0, usagef("--from %s is after --to %s", f.from, f.to)
	}
	return from, to, nil
}

// parseSecond reads a moment; MRT knows those from 1970 to 2106 (RFC 6396 section 2).
func parseSecond(s string) (sec uint32, day bool, err error) {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil && len(s) > 4 {
		return uint32(n), false, nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", time.DateTime, time.RFC3339} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if u := t.Unix(); u >= 0 && u <= int64(^uint32(0)) {
			return uint32(u), layout == time.DateOnly, nil
		}
	}
	return 0, false, fmt.Errorf("%q is no moment between 1970 and 2106", s)
}

// scanner prints or counts the elements of one archive after the other.
type scanner struct {
	filter   *mrt.Filter
	out      io.Writer
	errOut   io.Writer
	json     bool
	count    bool
	from, to uint32

	matched uint64
	skipped mrt.Counts
	printer mrt.Printer
	buf     []byte
}

// flushSize is how much is printed at a time.
const flushSize = 256 << 10

func (s *scanner) run(ctx context.Context, names []string) error {
	s.buf = make([]byte, 0, flushSize+64<<10)
	var failed []error
	sequence := mrt.NewSequence(ctx, names)
	defer sequence.Close()
	for {
		name, in, err := sequence.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = s.file(name, in)
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil || errors.As(err, new(*outputError)) {
			return err
		}
		failed = append(failed, err)
	}
	if s.count {
		s.buf = strconv.AppendUint(s.buf, s.matched, 10)
		s.buf = append(s.buf, '\n')
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.reportSkipped()
	return errors.Join(failed...)
}

// outputError is a failure to print: nothing that is read later could be shown.
type outputError struct{ error }

func (s *scanner) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	_, err := s.out.Write(s.buf)
	s.buf = s.buf[:0]
	if err != nil {
		return &outputError{fmt.Errorf("print: %w", err)}
	}
	return nil
}

func (s *scanner) file(name string, in *mrt.Input) (err error) {
	defer in.Close()
	d := mrt.NewDecoder(name, in)
	d.Torn = true
	d.Expect(s.filter.Watch)
	d.Between(s.from, s.to)
	collector := ""
	if s.json {
		collector = mrt.Collector(name)
	}
	var e mrt.Event
	for {
		if err = d.Next(&e); err != nil {
			break
		}
		if !s.filter.Begin(&e) {
			continue
		}
		if s.count {
			s.matched += s.filter.Count(&e)
			continue
		}
		s.print(&e, collector)
		if len(s.buf) >= flushSize {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	s.skipped.Add(&d.Skipped)
	if err == io.EOF {
		return nil
	}
	return err
}

func (s *scanner) print(e *mrt.Event, collector string) {
	s.printer.Begin(e)
	for el := range e.Elements {
		if !s.filter.Wants(el) {
			continue
		}
		if s.json {
			s.buf = s.printer.AppendJSON(s.buf, el, collector)
		} else {
			s.buf = s.printer.Append(s.buf, el)
		}
	}
}

// reportSkipped says what was not read, by reason.
func (s *scanner) reportSkipped() {
	var parts []string
	for r, n := range s.skipped {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", mrt.Reason(r), n))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(s.errOut, "depeer: skipped: %s\n", strings.Join(parts, ", "))
	}
}
