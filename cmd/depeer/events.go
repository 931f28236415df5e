package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/bgp"
	"depeer/bus"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/web/client"
)

// factFlags are the conditions of events and incidents as they were written: those of a
// subscription.
type factFlags struct {
	hosters, kinds, classes []string
	upstreams, asns         []string
	prefixes                []string
	severity, from, to      string
	believed                string
	limit                   int
	json, follow            bool
}

func eventsCommand() *cobra.Command {
	var f factFlags
	c := &cobra.Command{
		Use:     "events",
		GroupID: groupWatch,
		Short:   "List what was judged, or follow it: upstreams lost, prefixes withdrawn, new origins",
		Long: `events lists the events of the memory, the newest last. Conditions of different flags
must all hold; of the values of one flag any may. --follow tells those of the depeer
that runs with the same configuration as they come, until it is ended.`,
		Example: `  depeer events -c depeer.yaml --hoster mccolo --from 2008-11-11
  depeer events -c depeer.yaml --kind upstream.lost --upstream AS6939 --json
  depeer events -c depeer.yaml --follow --severity warning`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return listFacts(cmd, &f, timeline.Event) },
	}
	f.register(c)
	return c
}

func incidentsCommand() *cobra.Command {
	var f factFlags
	c := &cobra.Command{
		Use:     "incidents",
		GroupID: groupWatch,
		Short:   "List the incidents, or follow them",
		Long: `incidents lists the incidents of the memory in their latest revision, the newest last:
those that any part of lies between --from and --to. Conditions of different flags must
all hold; of the values of one flag any may. --follow tells each revision of the depeer
that runs with the same configuration as it comes, until it is ended.`,
		Example: `  depeer incidents -c depeer.yaml --from 2008-11-01 --to 2008-11-30
  depeer incidents -c depeer.yaml --class blackout --severity critical
  depeer incidents -c depeer.yaml --follow --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return listFacts(cmd, &f, timeline.Incident) },
	}
	f.register(c)
	c.AddCommand(ackCommand(), commentCommand())
	return c
}

func (f *factFlags) register(c *cobra.Command) {
	l := c.Flags()
	l.StringSliceVar(&f.hosters, "hoster", nil, "`ID` of a hoster")
	l.StringSliceVar(&f.kinds, "kind", nil, "`KIND` of event (upstream.lost; upstream.* for all of them)")
	l.StringSliceVar(&f.classes, "class", nil, "`CLASS` of incident (blackout, depeered, ...)")
	l.StringVar(&f.severity, "severity", "", "least `SEVERITY`: info, warning or critical")
	l.StringSliceVar(&f.upstreams, "upstream", nil, "`AS` number that was lost or gained")
	l.StringSliceVar(&f.prefixes, "prefix", nil, "`PREFIX` or address that is concerned, or a part of it")
	l.StringSliceVar(&f.asns, "asn", nil, "`AS` number of the hoster, or a new origin")
	l.StringVar(&f.from, "from", "", "earliest `TIME`, UTC (2008-11-11, 2008-11-11T21:00, RFC 3339 or seconds since 1970)")
	l.StringVar(&f.to, "to", "", "latest `TIME`; a day alone means its end")
	l.StringVar(&f.believed, "believed", "", "only what had been recorded by this `TIME`")
	l.IntVar(&f.limit, "limit", 100, "at most so many, the newest; 0 is no limit")
	l.BoolVar(&f.json, "json", false, "one JSON object a line")
	l.BoolVarP(&f.follow, "follow", "f", false, "tell what the running depeer finds, as it comes")
	for _, other := range []string{"from", "to", "believed", "limit"} {
		c.MarkFlagsMutuallyExclusive("follow", other)
	}
	asksServer(c)
}

var (
	eventKinds = []watch.EventKind{watch.RouteWithdrawn, watch.RouteRestored, watch.UpstreamLost, watch.UpstreamRestored, watch.UpstreamGained,
		watch.TransitLost, watch.OriginNew, watch.OriginGone, watch.PrefixNew, watch.HosterDark, watch.HosterReturned, watch.FeedLost, watch.FeedStale, watch.FeedRestored}
	incidentClasses = []watch.Class{watch.Depeered, watch.Blackout, watch.Rewired, watch.Moved, watch.Repeered, watch.UpstreamFailure, watch.HijackSuspect}
	severities      = []watch.Severity{watch.Info, watch.Warning, watch.Critical}
)

// condition is what an event or an incident must satisfy.
type condition struct {
	hosters         []string
	kinds           []watch.EventKind
	classes         []watch.Class
	severity        int // index in severities
	upstreams, asns []uint32
	prefixes        []netip.Prefix
	from, to        time.Time
	believed        time.Time
	hosterASNs      map[string][]uint32
}

// condition reads the flags. All faults are told together.
func (f *factFlags) condition(cfg *Config) (*condition, error) {
	c := &condition{hosterASNs: map[string][]uint32{}}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	var ids []string
	for _, h := range cfg.Hosters {
		ids = append(ids, h.ID)
		c.hosterASNs[h.ID] = h.ASNs
	}
	for _, id := range f.hosters {
		if !slices.Contains(ids, id) {
			if hint := didYouMean(id, ids); hint != "" || !hosterWord(id) {
				fault("--hoster: %q is no hoster of the configuration%s", id, hint)
			}
		}
		c.hosters = append(c.hosters, id) // one that is no longer watched may be in the memory
	}
	c.kinds = eventKindsOf(f.kinds, fault)
	for _, w := range f.classes {
		if !slices.Contains(incidentClasses, watch.Class(w)) {
			fault("--class: %q is none of %s%s", w, oneOf(incidentClasses), didYouMean(w, words(incidentClasses)))
		}
		c.classes = append(c.classes, watch.Class(w))
	}
	if f.severity != "" {
		if c.severity = slices.Index(severities, watch.Severity(f.severity)); c.severity < 0 {
			fault("--severity: %q is none of %s%s", f.severity, oneOf(severities), didYouMean(f.severity, words(severities)))
		}
	}
	c.upstreams, c.asns = asNumbers("upstream", f.upstreams, fault), asNumbers("asn", f.asns, fault)
	for _, w := range f.prefixes {
		p, err := parsePrefixOrAddr(w)
		if err != nil {
			fault("--prefix: %w", err)
		}
		c.prefixes = append(c.prefixes, p)
	}
	var err error
	if c.from, c.to, err = window(f.from, f.to); err != nil {
		faults = append(faults, err)
	}
	if f.believed != "" {
		if c.believed, err = instant("believed", f.believed); err != nil {
			faults = append(faults, err)
		}
	}
	if f.limit < 0 {
		fault("--limit: %d is negative", f.limit)
	}
	if len(faults) > 0 {
		return nil, usageError{errors.Join(faults...)}
	}
	return c, nil
}

// hosterWord reports whether the word may be the id of a hoster.
func hosterWord(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func eventKindsOf(list []string, fault func(string, ...any)) (out []watch.EventKind) {
	for _, w := range list {
		n := len(out)
		for _, k := range eventKinds {
			if family, ok := strings.CutSuffix(w, "*"); string(k) == w || ok && strings.HasPrefix(string(k), family) {
				out = append(out, k)
			}
		}
		if len(out) == n {
			fault("--kind: %q is none of %s%s", w, oneOf(eventKinds), didYouMean(w, words(eventKinds)))
		}
	}
	return out
}

func asNumbers(flag string, list []string, fault func(string, ...any)) (out []uint32) {
	for _, w := range list {
		n, err := bgp.ParseASN(w)
		if err != nil {
			fault("--%s: %w", flag, err)
		}
		out = append(out, n)
	}
	return out
}

func words[T ~string](list []T) (out []string) {
	for _, x := range list {
		out = append(out, string(x))
	}
	return out
}

func oneOf[T ~string](list []T) string { return strings.Join(words(list), ", ") }

// hasAny reports whether one of what is wanted is there; true where nothing is wanted.
func hasAny[T comparable](wanted, have []T) bool {
	return len(wanted) == 0 || slices.ContainsFunc(have, func(x T) bool { return slices.Contains(wanted, x) })
}

func (c *condition) touches(prefixes []netip.Prefix) bool {
	return len(c.prefixes) == 0 || slices.ContainsFunc(c.prefixes, func(p netip.Prefix) bool { return slices.ContainsFunc(prefixes, p.Overlaps) })
}

// event reports whether an event satisfies all but the class.
func (c *condition) event(e *watch.Event) bool {
	prefixes := e.Prefixes
	if e.Prefix != nil {
		prefixes = append(slices.Clone(prefixes), *e.Prefix)
	}
	return hasAny(c.hosters, []string{deref(e.Hoster)}) && hasAny(c.kinds, []watch.EventKind{e.Kind}) && slices.Index(severities, e.Severity) >= c.severity &&
		hasAny(c.upstreams, []uint32{e.Upstream, e.Via}) && hasAny(c.asns, []uint32{e.ASN, e.Origin}) && c.touches(prefixes)
}

// incident reports whether an incident satisfies all but the kind.
func (c *condition) incident(i *watch.Incident) bool {
	return hasAny(c.hosters, []string{i.Hoster}) && hasAny(c.classes, []watch.Class{i.Class}) && slices.Index(severities, i.Severity) >= c.severity &&
		hasAny(c.upstreams, slices.Concat(i.Lost, i.Gained)) && hasAny(c.asns, slices.Concat(c.hosterASNs[i.Hoster], i.Origins)) && c.touches(i.Prefixes)
}

func listFacts(cmd *cobra.Command, f *factFlags, what timeline.RecordKind) (err error) {
	cfg, err := configOrServer(cmd)
	if err != nil {
		return err
	}
	c, err := f.condition(cfg)
	if err != nil {
		return err
	}
	p := &factPrinter{out: &checked{w: cmd.OutOrStdout()}, json: f.json, ink: inkFor(cmd.OutOrStdout()), width: width(cmd.OutOrStdout())}
	p.story = newStoryteller(p.out, cfg.Hosters, true)
	ctx := cmd.Context()
	if f.follow && serverGiven(cmd) {
		return usagef("--follow reads the bus of this machine; a server tells on GET /api/v1/stream")
	}
	if f.follow {
		return followFacts(ctx, cfg, c, what, p)
	}
	var n int
	var more bool
	if serverGiven(cmd) {
		_, err = asking(ctx, cmd, func(ctx context.Context, server *client.Client) (err error) {
			n, more, err = c.list(ctx, serverRecords{c: server}, what, f.limit, p)
			return err
		})
	} else {
		store, fault := openTimelineReader(ctx, cfg)
		if fault != nil {
			return fault
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		n, more, err = c.list(ctx, store, what, f.limit, p)
	}
	if err == nil && n == 0 && !f.json {
		fmt.Fprintf(p.out, "no %ss in the memory that match\n", what)
	}
	if err == nil && more && !f.json {
		fmt.Fprintf(p.out, "only the newest %d; --limit 0 lists all\n", n)
	}
	return errors.Join(err, p.out.fault())
}

// list prints what is in the memory, the newest last.
func (c *condition) list(ctx context.Context, r timeline.Reader, what timeline.RecordKind, limit int, p *factPrinter) (n int, more bool, err error) {
	within, err := c.related(ctx, r, what)
	if err != nil {
		return 0, false, err
	}
	q := timeline.RecordQuery{Kinds: []timeline.RecordKind{what}, Hosters: c.hosters, From: c.from, To: c.to, Believed: c.believed, Latest: true, Newest: true, Limit: 1000}
	if what == timeline.Event {
		q.Words = words(c.kinds)
	} else {
		q.Words = words(c.classes)
	}
	if len(c.prefixes) == 1 {
		q.Prefix = c.prefixes[0]
	}
	var found []func() error
	for {
		list, next, err := r.Records(ctx, q)
		if err != nil {
			return 0, false, err
		}
		for i := range list {
			show, err := c.matching(&list[i], within, p)
			if err != nil {
				return 0, false, err
			}
			if show == nil {
				continue
			}
			if limit > 0 && len(found) == limit {
				more = true
				break
			}
			found = append(found, show)
		}
		if q.After = next; next == "" || more {
			break
		}
	}
	for _, show := range slices.Backward(found) {
		if err := show(); err != nil {
			return len(found), more, err
		}
	}
	return len(found), more, p.out.err
}

// matching gives what prints the record; nil where it does not match.
func (c *condition) matching(r *timeline.Record, within map[string]bool, p *factPrinter) (func() error, error) {
	if r.Kind == timeline.Event {
		var e watch.Event
		if err := json.Unmarshal(r.Body, &e); err != nil {
			return nil, fmt.Errorf("event %s: %w", r.ID, err)
		}
		if !c.event(&e) || within != nil && !within[deref(e.Incident)] {
			return nil, nil
		}
		return func() error { return p.event(&e) }, nil
	}
	var i watch.Incident
	if err := json.Unmarshal(r.Body, &i); err != nil {
		return nil, fmt.Errorf("incident %s: %w", r.ID, err)
	}
	if !c.incident(&i) || within != nil && !within[i.ID] {
		return nil, nil
	}
	return func() error { return p.incident(&i) }, nil
}

// related gives the incidents that the condition of the other kind leaves: those of a
// class for events, those with an event of a kind for incidents. nil: all.
func (c *condition) related(ctx context.Context, r timeline.Reader, what timeline.RecordKind) (map[string]bool, error) {
	q := timeline.RecordQuery{Believed: c.believed, Hosters: c.hosters, Latest: true}
	switch {
	case what == timeline.Event && len(c.classes) > 0:
		q.Kinds, q.Words = []timeline.RecordKind{timeline.Incident}, words(c.classes)
	case what == timeline.Incident && len(c.kinds) > 0:
		q.Kinds, q.Words = []timeline.RecordKind{timeline.Event}, words(c.kinds)
	default:
		return nil, nil
	}
	list, _, err := r.Records(ctx, q)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, x := range list {
		if x.Incident != "" {
			out[x.Incident] = true
		}
	}
	return out, nil
}

// factPrinter prints events and incidents, each on a line.
type factPrinter struct {
	out   *checked
	json  bool
	ink   ink
	width int
	story *storyteller
}

func (p *factPrinter) event(e *watch.Event) error {
	if p.json {
		return json.NewEncoder(p.out).Encode(e)
	}
	mark, text := eventLine(p.story, e)
	if began := e.At.Sub(e.FirstSeen); began >= 2*time.Second {
		text += p.ink.faint(" (began " + moment(e.FirstSeen, e.At) + ")")
	}
	fmt.Fprintf(p.out, "%s  %s  %s\n", when(e.At), p.ink.severity(e.Severity, mark), wrap(text, 24, p.width))
	return p.out.err
}

func (p *factPrinter) incident(i *watch.Incident) error {
	if p.json {
		return json.NewEncoder(p.out).Encode(i)
	}
	end := string(i.Phase)
	if i.Resolved != nil {
		end = "until " + moment(*i.Resolved, i.Opened)
		if i.Resolution != nil {
			end += " (" + *i.Resolution + ")"
		}
	}
	fmt.Fprintf(p.out, "%s  %s, %s  %s\n    %s  %s\n", when(i.Opened), p.ink.severity(i.Severity, string(i.Class)), end, wrap(i.Summary, 23, p.width),
		p.ink.faint(i.ID), p.ink.faint(fmt.Sprintf("revision %d, %s", i.Revision, plural(len(i.Events), "event"))))
	return p.out.err
}

// followFacts prints what the running depeer publishes.
func followFacts(ctx context.Context, cfg *Config, c *condition, what timeline.RecordKind, p *factPrinter) error {
	stream := bus.Events
	switch {
	case what == timeline.Event && len(c.classes) > 0:
		return usagef("--class is said of incidents: follow them with `depeer incidents --follow`")
	case what == timeline.Incident && len(c.kinds) > 0:
		return usagef("--kind is said of events: follow them with `depeer events --follow`")
	case what == timeline.Incident:
		stream = bus.Incidents
	}
	b, err := joinBus(ctx, cfg)
	if err != nil {
		return err
	}
	defer b.Close()
	return b.Consume(ctx, stream, bus.Consumer{New: true}, func(_ context.Context, m bus.Message) error {
		if what == timeline.Event && m.IsMigration() {
			return nil // `depeer migrations` tells of those
		}
		if what == timeline.Event {
			e, err := m.Event()
			if err != nil {
				return fmt.Errorf("%w: %w", bus.ErrDrop, err)
			}
			if !c.event(&e) {
				return nil
			}
			return p.event(&e)
		}
		i, err := m.Incident()
		if err != nil {
			return fmt.Errorf("%w: %w", bus.ErrDrop, err)
		}
		if !c.incident(&i) {
			return nil
		}
		return p.incident(&i)
	})
}

// joinBus connects to the bus of the depeer that runs with the same configuration.
func joinBus(ctx context.Context, cfg *Config) (*bus.Bus, error) {
	b := cfg.Bus
	if len(b.URLs) == 0 {
		if b.Embedded.Listen == "" {
			return nil, usagef("the bus of the running depeer lets nobody in: set bus.embedded.listen (127.0.0.1:4222), or name servers in bus.urls")
		}
		scheme := "nats://"
		if b.TLS.Cert != "" || b.TLS.CA != "" {
			scheme = "tls://"
		}
		b.URLs, b.Embedded = []string{scheme + b.Embedded.Listen}, bus.Embedded{}
	}
	return bus.Open(ctx, b, bus.Deps{})
}
