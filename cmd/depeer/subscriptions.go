package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"depeer/bus"
	"depeer/notify"
	"depeer/web"
	"depeer/web/client"
)

func subscriptionsCommand() *cobra.Command {
	return family(&cobra.Command{
		Use:     "subscriptions",
		GroupID: groupConfig,
		Short:   "Say who wants to hear of what, where, and when not",
		Long: `subscriptions lists, makes, takes away and tries subscriptions. Those of the configuration
(section notify) are changed there; those made here are kept in NATS, and hold in every
process at once.`,
	}, subscriptionsListCommand(), subscriptionsAddCommand(), subscriptionsRemoveCommand(), subscriptionsTestCommand(), deliveriesCommand(), deadCommand(), resendCommand())
}

// people is the desk of a depeer, reached as well as it can be: over its NATS, or over
// HTTP where its NATS is within it and lets nobody in.
type people struct {
	cfg     *Config
	desk    *desk          // nil over HTTP
	threads notify.Store   // nil over HTTP
	bus     *bus.Bus       // nil over HTTP
	http    *client.Client // nil over NATS
	where   string
}

// openPeople reaches the desk of the depeer of the configuration, and begs no process to run.
func openPeople(cmd *cobra.Command) (*people, error) {
	if serverGiven(cmd) {
		return askPeople(cmd, nil)
	}
	cfg, err := loadConfig(cmd)
	if err != nil {
		return nil, err
	}
	if len(cfg.Notify.Receivers) == 0 {
		return nil, usagef("%s: the configuration names no receivers (notify.receivers): nobody is told anything", configFile(cmd))
	}
	p := &people{cfg: cfg}
	ctx := cmd.Context()
	p.bus, err = openSharedBus(ctx, cfg)
	if errors.Is(err, bus.ErrInUse) && cfg.Web.Listen != "" {
		return askPeople(cmd, cfg)
	}
	if err != nil {
		return p, err
	}
	ledger, err := openLedger(ctx, p.bus)
	if err == nil {
		p.threads, err = openStore(ctx, p.bus, bucketThreads, keepThreads)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	p.desk = newDesk(ledger, func() *NotifyConfig { return &cfg.Notify })
	return p, nil
}

// askPeople reaches the desk over HTTP: of --server, or of the depeer that runs with the configuration.
func askPeople(cmd *cobra.Command, cfg *Config) (p *people, err error) {
	p = &people{cfg: cfg}
	p.http, p.where, err = newClient(cmd)
	return p, err
}

// openSharedBus opens the bus of the configuration beside a depeer that may be running: its
// servers, or the listener of the embedded one, or the folder where nobody uses it.
func openSharedBus(ctx context.Context, cfg *Config) (*bus.Bus, error) {
	b, err := bus.Open(ctx, cfg.Bus, bus.Deps{})
	if errors.Is(err, bus.ErrInUse) && cfg.Bus.Embedded.Listen != "" {
		beside := cfg.Bus
		beside.Embedded, beside.URLs = bus.Embedded{}, []string{"nats://" + cfg.Bus.Embedded.Listen}
		return bus.Open(ctx, beside, bus.Deps{})
	}
	return b, err
}

func (p *people) close() error {
	if p.bus != nil {
		return p.bus.Close()
	}
	if p.http != nil {
		p.http.Close()
	}
	return nil
}

// withPeople reaches the desk for the time of some work.
func withPeople(cmd *cobra.Command, work func(*people) error) (err error) {
	p, err := openPeople(cmd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	err = work(p)
	if errors.Is(err, client.ErrNobody) {
		return fmt.Errorf("nobody answers at %s", p.where)
	}
	return err
}

// who is the person at the command line.
func who() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "somebody"
}

// noteIncident acknowledges an incident, or says something of it: `incidents ack|comment ID`.
func noteIncident(cmd *cobra.Command, incident, text string, ack bool) error {
	return withPeople(cmd, func(p *people) error {
		ctx := cmd.Context()
		var err error
		switch {
		case p.http != nil && ack:
			_, err = p.http.Ack(ctx, incident, text)
		case p.http != nil:
			_, err = p.http.Comment(ctx, incident, text)
		case ack:
			err = p.desk.Ack(ctx, incident, who(), text)
		default:
			err = p.desk.Comment(ctx, incident, who(), text)
		}
		return err
	})
}

// ackCommand and commentCommand are for the family incidents.
func ackCommand() *cobra.Command {
	return asksServer(&cobra.Command{
		Use:   "ack ID [COMMENT...]",
		Short: "Take care of an incident: nobody is reminded of it any more, and nobody else is told",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return noteIncident(cmd, args[0], strings.Join(args[1:], " "), true)
		},
	})
}

func commentCommand() *cobra.Command {
	return asksServer(&cobra.Command{
		Use:   "comment ID TEXT...",
		Short: "Say something of an incident to all who were told of it",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return noteIncident(cmd, args[0], strings.Join(args[1:], " "), false)
		},
	})
}

func (p *people) subscriptions(ctx context.Context) (out []notify.Subscription, err error) {
	if p.http == nil {
		return p.desk.subscriptions(ctx)
	}
	all, err := p.http.Subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	return out, carry(all, &out)
}

func subscriptionsListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the subscriptions: of the configuration, and made at run time",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withPeople(cmd, func(p *people) error {
				all, err := p.subscriptions(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return encodeLines(cmd.OutOrStdout(), all)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "NAME\tTO\tABOUT\tFROM")
				for _, s := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Name, strings.Join(s.To, ", "), sayMatch(s.Match, s.Digest), cmp.Or(s.By, "configuration"))
				}
				return w.Flush()
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return asksServer(c)
}

// sayMatch is a match in the words of the configuration.
func sayMatch(m notify.Match, d notify.DigestTimes) string {
	text, err := json.Marshal(m)
	said := strings.NewReplacer(`"`, "", "{", "", "}", "").Replace(string(text))
	if err != nil || said == "" {
		said = "incidents from severity warning on"
	}
	if d.Every != "" {
		said = d.Every + " digest of " + said
	}
	return said
}

func encodeLines[T any](w io.Writer, all []T) error {
	enc := json.NewEncoder(w)
	for _, x := range all {
		if err := enc.Encode(x); err != nil {
			return err
		}
	}
	return nil
}

// matchFlags are the conditions that can be given on the command line.
type matchFlags struct {
	match    notify.Match
	asns     []string
	upstream []string
	prefixes []string
	classes  []string
	severity string
}

func (f *matchFlags) register(c *cobra.Command) {
	l := c.Flags()
	l.StringSliceVar(&f.match.Incidents, "incident", nil, "`ID` of an incident")
	l.StringSliceVar(&f.match.Hosters, "hoster", nil, "`ID` of a hoster")
	l.StringSliceVar(&f.match.Tags, "tag", nil, "`TAG` of a hoster")
	l.StringSliceVar(&f.asns, "asn", nil, "`ASN` of the hoster, or a new origin of its prefixes")
	l.StringSliceVar(&f.upstream, "upstream", nil, "`ASN` of an upstream that was lost or gained")
	l.StringSliceVar(&f.prefixes, "prefix", nil, "`PREFIX` that covers one that is concerned, or is covered by it")
	l.StringSliceVar(&f.match.Kinds, "kind", nil, "`KIND` of an event: upstream.lost, feed.*")
	l.StringSliceVar(&f.classes, "class", nil, "`CLASS` of an incident: depeered, blackout, ...")
	l.StringVar(&f.severity, "severity", "", "at least this `SEVERITY`: info, warning, critical")
	l.Float64Var(&f.match.Score, "score", 0, "at least this `SCORE` of a migration")
	l.StringSliceVar(&f.match.Sources, "source", nil, "`NAME` of a feed or collector that saw it")
}

// read gives the match by way of JSON, whose reader knows AS numbers, prefixes and classes.
func (f *matchFlags) read() (notify.Match, error) {
	m := f.match
	for _, x := range []struct {
		flag string
		from []string
		into *[]uint32
	}{{"asn", f.asns, &m.ASNs}, {"upstream", f.upstream, &m.Upstreams}} {
		for _, s := range x.from {
			a, err := parseASNFlag(s)
			if err != nil {
				return m, usagef("--%s: %v", x.flag, err)
			}
			*x.into = append(*x.into, a)
		}
	}
	for _, s := range f.prefixes {
		p, err := parsePrefix(s)
		if err != nil {
			return m, usagef("--prefix: %v", err)
		}
		m.Prefixes = append(m.Prefixes, p.Masked())
	}
	if err := carry(map[string]any{"classes": f.classes, "severity": f.severity}, &m); err != nil {
		return m, usageError{err}
	}
	return m, nil
}

func subscriptionsAddCommand() *cobra.Command {
	var f matchFlags
	var s notify.Subscription
	var wait, repeat, every, file string
	c := &cobra.Command{
		Use:   "add NAME --to RECEIVER...",
		Short: "Make a subscription",
		Long: `add makes a subscription that holds at once in every process. What has no flag is given as a
file in the JSON that list --json prints: quiet hours, escalation, digests and the rest.`,
		Example: `  depeer subscriptions add noc --to slack --tag bulletproof --severity critical --repeat 4h -c depeer.yaml
  depeer subscriptions list --json -c depeer.yaml | jq 'select(.name=="noc") | .name="night" | .quiet={windows:[{hours:["22:00-07:00"]}],unless:"critical"}' > night.json
  depeer subscriptions add night --file night.json -c depeer.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if s.Match, err = f.read(); err != nil {
				return err
			}
			for flag, x := range map[string]struct {
				text string
				into *notify.Span
			}{"wait": {wait, &s.Wait}, "repeat": {repeat, &s.Repeat}, "every": {every, &s.Every}} {
				if x.text == "" {
					continue
				}
				if err := x.into.UnmarshalText([]byte(x.text)); err != nil {
					return usagef("--%s: %v", flag, err)
				}
			}
			if file != "" {
				if err := readJSONFile(file, &s); err != nil {
					return usageError{err}
				}
			}
			s.Name = args[0]
			return withPeople(cmd, func(p *people) error {
				if p.http == nil {
					return p.desk.subscribe(cmd.Context(), who(), s, false)
				}
				var x web.Subscription
				if err := carry(s, &x); err != nil {
					return err
				}
				_, err := p.http.Subscribe(cmd.Context(), x)
				return err
			})
		},
	}
	f.register(c)
	l := c.Flags()
	l.StringSliceVar(&s.To, "to", nil, "`RECEIVER` of the configuration")
	l.StringSliceVar(&s.Mention, "mention", nil, "whom to wake, in the receiver's own way")
	l.StringVar(&wait, "wait", "", "before the first message; what is over by then is never told (`DURATION`)")
	l.StringVar(&repeat, "repeat", "", "remind this often of what is open and not acknowledged (`DURATION`)")
	l.StringVar(&every, "every", "", "at most one change in this time (`DURATION`)")
	l.StringVar(&file, "file", "", "read it from this `FILE` of JSON; flags come first")
	return asksServer(c)
}

func subscriptionsRemoveCommand() *cobra.Command {
	return asksServer(&cobra.Command{
		Use:   "remove NAME",
		Short: "Take away a subscription that was made at run time",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withPeople(cmd, func(p *people) error {
				if p.http != nil {
					return p.http.Unsubscribe(cmd.Context(), args[0])
				}
				return p.desk.unsubscribe(cmd.Context(), args[0])
			})
		},
	})
}

// errNotHere is what commands answer that need the NATS of a running depeer.
func (p *people) errNotHere() error {
	return fmt.Errorf("the depeer that runs keeps its NATS to itself: set bus.embedded.listen (127.0.0.1:4222), or bus.urls; or stop it first")
}

// deliveries gives what came of telling people of the incidents, of all where none is named, oldest first.
func (p *people) deliveries(ctx context.Context, incidents []string) (out []notify.Delivery, err error) {
	if p.http == nil {
		return deliveriesOf(ctx, p.bus, incidents...)
	}
	if len(incidents) == 0 {
		incidents = []string{""}
	}
	for _, id := range incidents {
		for cursor := ""; ; {
			page, err := p.http.Deliveries(ctx, id, cursor)
			if err != nil {
				return nil, err
			}
			var part []notify.Delivery
			if err := carry(page.Items, &part); err != nil {
				return nil, err
			}
			out = append(out, part...)
			if cursor = page.Next; cursor == "" {
				break
			}
		}
	}
	slices.SortStableFunc(out, func(a, b notify.Delivery) int { return a.At.Compare(b.At) })
	return out, nil
}

// deliveriesCommand answers: was I told, when, and why not?
func deliveriesCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "deliveries [INCIDENT...]",
		Short: "Say who was told of an incident, when, and why not",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withPeople(cmd, func(p *people) error {
				all, err := p.deliveries(cmd.Context(), args)
				if err != nil || asJSON {
					return errors.Join(err, encodeLines(cmd.OutOrStdout(), all))
				}
				for i := range all {
					fmt.Fprintln(cmd.OutOrStdout(), all[i].String())
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return asksServer(c)
}

func deadCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "dead",
		Short: "List the messages that were given up",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withPeople(cmd, func(p *people) error {
				if p.http != nil {
					return p.errNotHere()
				}
				all, err := notify.Dead(cmd.Context(), p.threads)
				if err != nil || asJSON {
					return errors.Join(err, encodeLines(cmd.OutOrStdout(), all))
				}
				for _, l := range all {
					fmt.Fprintf(cmd.OutOrStdout(), "%s\n  %s  %s\n  %s: %s\n", l.Place, l.Since.UTC().Format("2006-01-02 15:04:05"), l.Summary, plural(l.Attempts, "attempt"), l.Error)
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func resendCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "resend [PLACE...]",
		Short: "Send messages again that were given up",
		Long:  "resend asks the depeer that tells to send again what `dead` lists, each in its latest state.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usagef("give the places that `depeer subscriptions dead` lists, or --all")
			}
			return withPeople(cmd, func(p *people) error {
				if p.http != nil {
					return p.errNotHere()
				}
				letters, err := notify.Dead(cmd.Context(), p.threads)
				if err != nil {
					return err
				}
				n := 0
				for _, l := range letters {
					if !all && !slices.Contains(args, l.Place) {
						continue
					}
					if err := p.desk.ledger.Resend(cmd.Context(), l.Place); err != nil {
						return err
					}
					n++
				}
				if n < len(args) {
					return fmt.Errorf("%d of %s were given up; the others are not", n, plural(len(args), "message"))
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s asked for again\n", plural(n, "message"))
				return nil
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all of them")
	return c
}

func silencesCommand() *cobra.Command {
	return family(&cobra.Command{
		Use:     "silences",
		GroupID: groupConfig,
		Short:   "Tell nobody for a while",
		Long:    "silences lists, makes and ends silences. Each has an end and a reason.",
	}, silencesListCommand(), silencesAddCommand(), silencesRemoveCommand())
}

func silencesListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the silences that have not ended",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withPeople(cmd, func(p *people) error {
				var all []notify.Silence
				var err error
				if p.http == nil {
					all, err = p.desk.silences(cmd.Context())
				} else if list, failed := p.http.Silences(cmd.Context()); failed != nil {
					err = failed
				} else {
					err = carry(list, &all)
				}
				if err != nil || asJSON {
					return errors.Join(err, encodeLines(cmd.OutOrStdout(), all))
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tUNTIL\tABOUT\tBY\tREASON")
				for _, s := range all {
					about := sayMatch(s.Match, notify.DigestTimes{})
					if text, err := json.Marshal(s.Match); err == nil && string(text) == "{}" {
						about = "everything"
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.ID, s.Until.UTC().Format(time.RFC3339), about, cmp.Or(s.By, "configuration"), s.Reason)
				}
				return w.Flush()
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return asksServer(c)
}

// areHosters refuses ids that are nobody's: a typing error would silence nobody, and say
// nothing. Where others' lists are watched, who is on them today is not known here.
func areHosters(cmd *cobra.Command, ids []string) error {
	if len(ids) == 0 || serverGiven(cmd) && configFile(cmd) == "" {
		return nil
	}
	cfg, err := loadConfig(cmd)
	if err != nil || len(cfg.Watchlists) > 0 || len(cfg.Hosters) == 0 {
		return err
	}
	var known []string
	for i := range cfg.Hosters {
		known = append(known, cfg.Hosters[i].ID)
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			return usagef("--hoster: %s has no hoster %q%s", configFile(cmd), id, didYouMean(id, known))
		}
	}
	return nil
}

func silencesAddCommand() *cobra.Command {
	var f matchFlags
	var lasts, until, reason string
	c := &cobra.Command{
		Use:     "add --for DURATION|--until TIME --reason TEXT",
		Short:   "Tell nobody of what matches, until the end; of everything where nothing is given",
		Example: `  depeer silences add --hoster mccolo --for 4h --reason "planned move" -c depeer.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := notify.Silence{Reason: reason, By: who()}
			var err error
			if s.Match, err = f.read(); err != nil {
				return err
			}
			if err := areHosters(cmd, s.Match.Hosters); err != nil {
				return err
			}
			if (lasts == "") == (until == "") {
				return usagef("a silence has an end: --for DURATION or --until TIME")
			}
			if lasts != "" {
				var d notify.Span
				if err := d.UnmarshalText([]byte(lasts)); err != nil {
					return usagef("--for: %v", err)
				}
				s.Until = time.Now().Add(time.Duration(d)).UTC().Truncate(time.Second)
			} else if s.Until, err = instant("until", until); err != nil {
				return err
			}
			return withPeople(cmd, func(p *people) error {
				if p.http == nil {
					s, err = p.desk.silence(cmd.Context(), s)
				} else {
					var x web.Silence
					if err := carry(s, &x); err != nil {
						return err
					}
					made, failed := p.http.Silence(cmd.Context(), x)
					if err = failed; made != nil {
						s.ID = made.ID
					}
				}
				if err == nil {
					fmt.Fprintln(cmd.OutOrStdout(), s.ID)
				}
				return err
			})
		},
	}
	f.register(c)
	c.Flags().StringVar(&lasts, "for", "", "how long (`DURATION`: 30m, 4h, 7d)")
	c.Flags().StringVar(&until, "until", "", "until this `TIME`, UTC")
	c.Flags().StringVar(&reason, "reason", "", "why; others want to know")
	return asksServer(c)
}

func silencesRemoveCommand() *cobra.Command {
	return asksServer(&cobra.Command{
		Use:   "remove ID",
		Short: "End a silence that was made at run time",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withPeople(cmd, func(p *people) error {
				if p.http != nil {
					return p.http.Unsilence(cmd.Context(), args[0])
				}
				return p.desk.unsilence(cmd.Context(), args[0])
			})
		},
	})
}
