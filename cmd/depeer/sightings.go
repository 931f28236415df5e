package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"depeer/bgp"
	"depeer/bus"
	"depeer/watch/cnc"
	"depeer/watch/cnc/feed"
	"depeer/web"
	"depeer/web/client"
)

func sightingsCommand() *cobra.Command {
	return family(&cobra.Command{
		Use:     "sightings",
		Short:   "Take in sightings of C&C servers, or list those that are known",
		GroupID: groupRead,
	}, sightingsImportCommand(), sightingsListCommand())
}

// importFlags say what the files do not.
type importFlags struct {
	format, source, family, kind, at string
	json                             bool
}

func sightingsImportCommand() *cobra.Command {
	f := &importFlags{}
	c := &cobra.Command{
		Use:                   "import [--config FILE] [--json] [FLAGS] FILE|DIR...",
		DisableFlagsInUseLine: true,
		Short:                 "Check files of sightings, and hand them to a running depeer or print them",
		Long: `Read files of trackers, sharing platforms and researchers, plain or gzip, and bring what
they say into one form. Each file is checked whole before any of it is used: one that is
empty, cut off or no list is refused, and the exit code is 1; so it is where not one entry
of a file is accepted.

With --config, what is accepted goes to the depeer that runs with that configuration, or,
where none runs, into its streams; with --server to the depeer there. With --json it is printed instead, one sighting a line,
and the summary goes to standard error. With neither, the files are only checked.

The formats: ` + strings.Join(feed.Names(), ", ") + `.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	l := c.Flags()
	l.StringVar(&f.format, "format", "", "`NAME` of the format; found by content where missing")
	l.StringVar(&f.source, "source", "import", "who says it: [a-z0-9-]{1,32}")
	l.StringVar(&f.family, "family", "", "`FAMILY` of entries that name none")
	l.StringVar(&f.kind, "kind", "", "`KIND` of entries that say none: cnc, malware, phishing, ...")
	l.StringVar(&f.at, "at", "", "`TIME` or day of entries that have none; such are refused otherwise")
	l.BoolVar(&f.json, "json", false, "print sightings as JSON, one a line")
	return asksServer(c)
}

// options are the flags as the parsers know them, without a file.
func (f *importFlags) options(families *cnc.Families) (feed.Options, error) {
	o := feed.Options{Source: f.source, Families: families, Family: f.family, Kind: cnc.Kind(f.kind), Now: time.Now().UTC()}
	if _, ok := feed.Formats[f.format]; f.format != "" && !ok {
		return o, usagef("--format: %q is none of %s%s", f.format, strings.Join(feed.Names(), ", "), didYouMean(f.format, feed.Names()))
	}
	if f.kind != "" && !slices.Contains(cnc.Kinds(), o.Kind) {
		return o, usagef("--kind: %q is none of %v", f.kind, cnc.Kinds())
	}
	probe := feed.DefaultConfig()
	probe.Name, probe.Format, probe.Path = f.source, "plain", "-"
	if err := probe.Validate(); err != nil {
		return o, usagef("--source: %q must match [a-z0-9-]{1,32}", f.source)
	}
	if f.at != "" {
		at, day, err := parseTime(f.at)
		if err != nil {
			return o, usagef("--at: %v", err)
		}
		o.At = at
		if day {
			o.Precision = "day"
		}
	}
	return o, nil
}

func (f *importFlags) run(cmd *cobra.Command, args []string) error {
	families, file := cnc.DefaultFamilies(), configFile(cmd)
	if file != "" {
		cfg, err := LoadConfig(file)
		if err != nil {
			return err
		}
		if families, err = cnc.NewFamilies(cfg.Sightings.Families); err != nil {
			return err
		}
	}
	o, err := f.options(families)
	if err != nil {
		return err
	}
	files, err := filesOf(args)
	if err != nil {
		return err
	}
	emit, done, err := f.sink(cmd, file)
	if err != nil {
		return err
	}
	var all feed.Stats
	var errs []error
	read := 0
	summary := cmd.ErrOrStderr()
	if !f.json {
		summary = cmd.OutOrStdout()
	}
	for _, name := range files {
		if err := cmd.Context().Err(); err != nil {
			return err
		}
		stats, err := f.file(name, o, emit)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		read++
		all.Add(stats)
		if err := nothingTaken(&stats); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	told, err := done()
	errs = append(errs, err)
	writeImportSummary(summary, read, len(files), &all, told)
	return errors.Join(errs...)
}

// nothingTaken is the fault of a file of which nothing could be used: whoever imports it every
// night must hear of that.
func nothingTaken(s *feed.Stats) error {
	if s.Accepted > 0 || s.Entries == 0 {
		return nil
	}
	text := fmt.Sprintf("nothing in it was accepted: %s", s.Reasons())
	if s.Refused[cnc.NoTime] > 0 {
		text += "; --at says when they were seen"
	}
	return errors.New(text)
}

// file reads a file twice: to see whether it is whole, and to use it.
func (f *importFlags) file(name string, o feed.Options, emit func(cnc.Sighting) error) (feed.Stats, error) {
	o.Name = name
	format := f.format
	if format == "" {
		r, err := os.Open(name)
		if err != nil {
			return feed.Stats{}, err
		}
		format = feed.Guess(r, name)
		st, err := r.Stat()
		r.Close()
		if err == nil && st.Size() == 0 {
			return feed.Stats{}, errors.New("the file is empty")
		}
		if format == "" {
			return feed.Stats{}, errors.New("it is in no format that is known by its content: give --format")
		}
	}
	pass := func(into func(cnc.Sighting)) (feed.Stats, error) {
		r, err := os.Open(name)
		if err != nil {
			return feed.Stats{}, err
		}
		defer r.Close()
		return feed.Parse(format, r, o, into)
	}
	stats, err := pass(func(cnc.Sighting) {})
	if err != nil {
		return stats, err
	}
	var failed error
	_, err = pass(func(s cnc.Sighting) {
		if failed == nil {
			failed = emit(s)
		}
	})
	return stats, errors.Join(failed, err)
}

// filesOf lists the files of the arguments, of a folder all within it, in order.
func filesOf(args []string) ([]string, error) {
	var out []string
	for _, a := range args {
		err := filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !strings.HasPrefix(d.Name(), ".") {
				out = append(out, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, usagef("there is no file in %s", strings.Join(args, ", "))
	}
	return out, nil
}

// sink is where sightings go; done says what became of them.
func (f *importFlags) sink(cmd *cobra.Command, file string) (emit func(cnc.Sighting) error, done func() (string, error), err error) {
	switch {
	case f.json:
		w := bufio.NewWriter(cmd.OutOrStdout())
		enc := json.NewEncoder(w)
		return func(s cnc.Sighting) error { return enc.Encode(s) }, func() (string, error) { return "", w.Flush() }, nil
	case file == "" && !serverGiven(cmd):
		return func(cnc.Sighting) error { return nil }, func() (string, error) {
			return "only checked: --config hands them to a depeer, --json prints them", nil
		}, nil
	}
	r := &reporter{cmd: cmd}
	return r.add, r.done, nil
}

// reporter hands sightings to the depeer of the configuration: to the running one, or into its streams.
type reporter struct {
	cmd      *cobra.Command
	batch    []cnc.Sighting
	own      *sightings // none runs: its streams are ours
	accepted int
	refused  []web.Reason
	where    string
}

const reportBatch = 2000

func (r *reporter) add(s cnc.Sighting) error {
	if r.batch = append(r.batch, s); len(r.batch) < reportBatch {
		return nil
	}
	return r.send()
}

func (r *reporter) send() error {
	if len(r.batch) == 0 {
		return nil
	}
	batch := r.batch
	r.batch = nil
	if r.own == nil && r.canAsk() {
		var taken *web.Taken
		where, err := asking(r.cmd.Context(), r.cmd, func(ctx context.Context, c *client.Client) error {
			var err error
			taken, err = c.Report(ctx, batch)
			if errors.Is(err, client.ErrNobody) && !serverGiven(r.cmd) {
				return errNobodyRuns
			}
			return err
		})
		if !errors.Is(err, errNobodyRuns) {
			if err == nil {
				r.where = where
				r.accepted += taken.Accepted
				r.refused = append(r.refused, taken.Refused...)
			}
			return err
		}
	}
	if r.own == nil {
		if err := r.open(); err != nil {
			return err
		}
	}
	said, err := r.own.Take(r.cmd.Context(), "import", batch)
	for i, e := range said {
		if e != nil {
			r.refused = append(r.refused, web.Reason{Index: i, Reason: e.Error()})
		} else {
			r.accepted++
		}
	}
	return err
}

// canAsk reports whether there is a depeer that could be asked: one without a listener cannot.
func (r *reporter) canAsk() bool {
	if serverGiven(r.cmd) {
		return true
	}
	cfg, err := loadConfig(r.cmd)
	return err != nil || cfg.Web.Listen != ""
}

var errNobodyRuns = errors.New("no depeer runs with this configuration")

// open opens the streams of the configuration.
func (r *reporter) open() error {
	cfg, err := loadConfig(r.cmd)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	b, err := bus.Open(r.cmd.Context(), cfg.Bus, bus.Deps{Logger: log})
	if err != nil {
		return err
	}
	x, err := newSightings(cfg, b, log)
	if err == nil {
		x.known, err = b.IDs(r.cmd.Context(), bus.Sightings, time.Time{})
	}
	if err == nil {
		_, err = x.tables.Load(r.cmd.Context())
	}
	if err != nil {
		return errors.Join(err, b.Close())
	}
	r.own, r.where = x, "the streams of "+configFile(r.cmd)
	return nil
}

func (r *reporter) done() (string, error) {
	err := r.send()
	if r.own != nil {
		err = errors.Join(err, r.own.bus.Close())
	}
	if r.where == "" {
		return "nothing was handed over", err
	}
	text := fmt.Sprintf("%d handed to %s", r.accepted, r.where)
	if n := len(r.refused); n > 0 {
		text += fmt.Sprintf(", %d refused there (%s)", n, r.refused[0].Reason)
	}
	return text, err
}

// writeImportSummary says what the files held.
func writeImportSummary(w io.Writer, read, of int, s *feed.Stats, told string) {
	fmt.Fprintf(w, "%d of %d files read: %d entries, %d sightings", read, of, s.Entries, s.Accepted)
	if !s.First.IsZero() {
		fmt.Fprintf(w, ", %s to %s", s.First.Format(time.DateOnly), s.Last.Format(time.DateOnly))
	}
	fmt.Fprintln(w)
	names := slices.SortedFunc(maps.Keys(s.Families), func(a, b string) int {
		return cmp.Or(s.Families[b]-s.Families[a], strings.Compare(a, b))
	})
	for i, name := range names {
		if i == 20 {
			fmt.Fprintf(w, "  and %d more families\n", len(names)-i)
			break
		}
		fmt.Fprintf(w, "  %8d  %s\n", s.Families[name], name)
	}
	if len(s.Refused) > 0 {
		fmt.Fprintf(w, "refused: %s\n", s.Reasons())
		for _, f := range s.Faults[:min(3, len(s.Faults))] {
			fmt.Fprintf(w, "  for instance %s\n", f)
		}
	}
	if told != "" {
		fmt.Fprintln(w, told)
	}
}

// listFlags say which sightings are wanted.
type listFlags struct {
	families         []string
	hosters          []string
	from, to, prefix string
	limit            int
	json             bool
}

func sightingsListCommand() *cobra.Command {
	f := &listFlags{}
	c := &cobra.Command{
		Use:                   "list --config FILE [--family FAMILY] [--hoster ID] [--prefix CIDR] [--from TIME] [--to TIME] [--json]",
		DisableFlagsInUseLine: true,
		Short:                 "List the sightings that a running depeer knows, the newest first",
		Args:                  cobra.NoArgs,
		RunE:                  func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	l := c.Flags()
	l.StringSliceVar(&f.families, "family", nil, "`FAMILY`, by any of its names")
	l.StringSliceVar(&f.hosters, "hoster", nil, "`ID` of a hoster")
	l.StringVar(&f.prefix, "prefix", "", "addresses within `CIDR`")
	l.StringVar(&f.from, "from", "", "not before `TIME` or day")
	l.StringVar(&f.to, "to", "", "before `TIME`, or to the end of the day")
	l.IntVar(&f.limit, "limit", 1000, "at most `N`; 0: all")
	l.BoolVar(&f.json, "json", false, "print JSON, one sighting a line")
	return asksServer(c)
}

func (f *listFlags) run(cmd *cobra.Command) error {
	q := client.Filter{Hosters: f.hosters, Prefix: f.prefix}
	for _, x := range f.families {
		q.Words = append(q.Words, cnc.DefaultFamilies().Canonical(x))
	}
	for _, x := range []struct {
		name, text string
		to         *time.Time
	}{{"from", f.from, &q.From}, {"to", f.to, &q.To}} {
		if x.text == "" {
			continue
		}
		at, day, err := parseTime(x.text)
		if err != nil {
			return usagef("--%s: %v", x.name, err)
		}
		if day && x.name == "to" {
			at = at.Add(24 * time.Hour)
		}
		*x.to = at
	}
	if f.limit < 0 {
		return usagef("--limit: %d is negative", f.limit)
	}
	w := bufio.NewWriter(cmd.OutOrStdout())
	enc := json.NewEncoder(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	n := 0
	for {
		q.Limit = 500
		if f.limit > 0 {
			q.Limit = min(q.Limit, f.limit-n)
		}
		var page *web.List[cnc.Sighting]
		_, err := asking(cmd.Context(), cmd, func(ctx context.Context, c *client.Client) error {
			var err error
			page, err = c.Sightings(ctx, q)
			return err
		})
		if err != nil {
			return err
		}
		for i := range page.Items {
			if f.json {
				if err := enc.Encode(page.Items[i]); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintln(t, listedSighting(&page.Items[i]))
		}
		n += len(page.Items)
		if q.Cursor = page.Next; q.Cursor == "" || len(page.Items) == 0 || f.limit > 0 && n >= f.limit {
			break
		}
	}
	return errors.Join(t.Flush(), w.Flush())
}

// listedSighting is a sighting as a line of a table.
func listedSighting(s *cnc.Sighting) string {
	at := s.At.Format(time.RFC3339)
	if s.Precision == "day" {
		at = s.At.Format(time.DateOnly)
	}
	host := s.Host()
	if s.Addr.IsValid() && s.Name != "" {
		host += " " + s.Name
	}
	if s.Port != 0 {
		host += fmt.Sprintf(" port %d", s.Port)
	}
	where := ""
	if s.Place != nil && len(s.Place.Origins) > 0 {
		where = bgp.ASN(s.Place.Origins[0]) + " " + s.Place.Name
	}
	return strings.TrimRight(strings.Join([]string{at, s.Family, string(s.Kind), host, where, s.Source}, "\t"), "\t")
}
