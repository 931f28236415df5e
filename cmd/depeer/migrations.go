package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/bgp"
	"depeer/bus"
	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/web"
	"depeer/web/client"
)

type migrationFlags struct {
	json              bool
	sightings, events []string
}

func (f *migrationFlags) register(c *cobra.Command) {
	l := c.Flags()
	l.BoolVar(&f.json, "json", false, "one JSON object a line")
	l.StringSliceVar(&f.sightings, "sightings", nil, "`FILE` of sightings, instead of a running depeer's")
	l.StringSliceVar(&f.events, "events", nil, "`FILE` of events and incidents (replay --json), beside --sightings")
}

func migrationsCommand() *cobra.Command {
	var f migrationFlags
	c := &cobra.Command{
		Use:     "migrations [HOSTER]",
		GroupID: groupWatch,
		Short:   "Where families of C&C servers went when a hoster was cut off",
		Long: `migrations lists what a running depeer found, or judges files: sightings, and the
events and incidents that replay --json printed. Each line says what coincides with
what, how many points speak for it, and what speaks against it.

Of one HOSTER it shows the dossier, where it judges files or asks a --server: which families were there, since when, and
what became of each after the cut.`,
		Example: `  depeer migrations --config depeer.yaml
  depeer replay -c mccolo.yaml --json updates/ > routes.ndjson
  depeer migrations mccolo -c mccolo.yaml --sightings seen.ndjson --events routes.ndjson`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			hoster := ""
			if len(args) > 0 {
				hoster = args[0]
			}
			list, judge, err := f.migrations(cmd)
			if err != nil {
				return err
			}
			list = slices.DeleteFunc(list, func(m cnc.Migration) bool { return hoster != "" && m.Hoster != hoster })
			if hoster != "" && (judge != nil || serverGiven(cmd)) {
				d, err := dossierOf(cmd, judge, hoster)
				if err != nil {
					return err
				}
				if f.json {
					return errors.Join(printMigrations(cmd.OutOrStdout(), list, true), json.NewEncoder(cmd.OutOrStdout()).Encode(d))
				}
				fmt.Fprint(cmd.OutOrStdout(), d.String())
				fmt.Fprintln(cmd.OutOrStdout())
			}
			return printMigrations(cmd.OutOrStdout(), list, f.json)
		},
	}
	f.register(c)
	return asksServer(c)
}

// dossierOf asks the judge, or the server where there is none.
func dossierOf(cmd *cobra.Command, judge *migrationSink, hoster string) (d cnc.Dossier, err error) {
	if judge != nil {
		var ok bool
		if d, ok = judge.judge.Dossier(hoster, judge.now); !ok {
			return d, usagef("no hoster %q is watched", hoster)
		}
		return d, nil
	}
	_, err = asking(cmd.Context(), cmd, func(ctx context.Context, c *client.Client) error {
		x, err := c.Dossier(ctx, hoster)
		if err == nil {
			d = *x
		}
		return err
	})
	return d, err
}

// migrations gives the latest revisions, in order, from files or from the streams of a
// running depeer; the judge is nil there.
func (f *migrationFlags) migrations(cmd *cobra.Command) ([]cnc.Migration, *migrationSink, error) {
	if len(f.sightings) == 0 {
		if len(f.events) > 0 {
			return nil, nil, usagef("--events needs --sightings: who was seen where")
		}
		if serverGiven(cmd) {
			list, err := servedMigrations(cmd)
			return list, nil, err
		}
		cfg, err := loadConfig(cmd)
		if err != nil {
			return nil, nil, err
		}
		list, err := publishedMigrations(cmd.Context(), cfg)
		return list, nil, err
	}
	seen, err := readSightings(f.sightings)
	if err != nil {
		return nil, nil, err
	}
	events, incidents, err := readRouteEvents(f.events)
	if err != nil {
		return nil, nil, err
	}
	cfg := DefaultConfig()
	if configFile(cmd) != "" {
		if cfg, err = loadConfig(cmd); err != nil {
			return nil, nil, err
		}
	} else {
		cfg.Hosters = hostersOf(events)
	}
	if len(cfg.Hosters) == 0 {
		return nil, nil, usagef("whose migrations? Name hosters with --config, or give their --events")
	}
	where, register, err := offline(cmd.Context(), cfg)
	if err != nil {
		return nil, nil, err
	}
	return judgeMigrations(cfg, seen, events, incidents, where, register)
}

// judgeMigrations plays sightings, events and incidents in order of time.
func judgeMigrations(cfg *Config, seen []cnc.Sighting, events []watch.Event, incidents []watch.Incident, where cnc.Where, register cnc.Register) ([]cnc.Migration, *migrationSink, error) {
	got := &eventSink{}
	s := &migrationSink{judge: cnc.NewJudge(cfg.Migration, *cfg.Watchlist(), register), list: seen, where: where, sinks: []sink{got}}
	for len(events)+len(incidents) > 0 {
		var err error
		if len(incidents) == 0 || len(events) > 0 && !events[0].At.After(incidents[0].At) {
			err = s.found(events[:1], nil)
			events = events[1:]
		} else {
			err = s.found(nil, incidents[:1])
			incidents = incidents[1:]
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if err := s.end(nil); err != nil {
		return nil, nil, err
	}
	return got.migrations(), s, nil
}

// readRouteEvents reads what replay --json printed: events and incidents, in order of time.
func readRouteEvents(files []string) (events []watch.Event, incidents []watch.Incident, err error) {
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, usageError{err}
		}
		s := bufio.NewScanner(bytes.NewReader(text))
		s.Buffer(nil, 16<<20)
		for n := 1; s.Scan(); n++ {
			if len(bytes.TrimSpace(s.Bytes())) == 0 {
				continue
			}
			var head struct{ Type, Kind string }
			err := json.Unmarshal(s.Bytes(), &head)
			switch {
			case err != nil:
			case head.Type == "event" && !strings.HasPrefix(head.Kind, "cnc."):
				var e watch.Event
				if err = json.Unmarshal(s.Bytes(), &e); err == nil {
					events = append(events, e)
				}
			case head.Type == "incident":
				var i watch.Incident
				if err = json.Unmarshal(s.Bytes(), &i); err == nil {
					incidents = append(incidents, i)
				}
			}
			if err != nil {
				return nil, nil, usagef("%s:%d: %v", name, n, err)
			}
		}
		if err := s.Err(); err != nil {
			return nil, nil, usagef("%s: %v", name, err)
		}
	}
	slices.SortStableFunc(events, func(a, b watch.Event) int { return a.At.Compare(b.At) })
	slices.SortStableFunc(incidents, func(a, b watch.Incident) int { return a.At.Compare(b.At) })
	return events, incidents, nil
}

// hostersOf makes a watchlist of those that events are about.
func hostersOf(events []watch.Event) []watch.Hoster {
	var out []watch.Hoster
	for _, e := range events {
		if e.Hoster == nil {
			continue
		}
		i := slices.IndexFunc(out, func(h watch.Hoster) bool { return h.ID == *e.Hoster })
		if i < 0 {
			out = append(out, watch.Hoster{ID: *e.Hoster})
			i = len(out) - 1
		}
		h := &out[i]
		if e.ASN != 0 && !slices.Contains(h.ASNs, e.ASN) {
			h.ASNs = append(h.ASNs, e.ASN)
		}
		own := e.Prefixes
		if e.Prefix != nil {
			own = append(slices.Clone(own), *e.Prefix)
		}
		for _, p := range own {
			if !slices.Contains(h.Prefixes, p) {
				h.Prefixes = append(h.Prefixes, p)
			}
		}
	}
	return out
}

// servedMigrations asks a server for all that it found, latest revisions, in order.
func servedMigrations(cmd *cobra.Command) (out []cnc.Migration, err error) {
	q := client.Filter{Oldest: true, Limit: 1000}
	for {
		var page *web.List[cnc.Migration]
		if _, err := asking(cmd.Context(), cmd, func(ctx context.Context, c *client.Client) (err error) {
			page, err = c.Migrations(ctx, q)
			return err
		}); err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return out, nil
		}
	}
}

// publishedMigrations reads what a running depeer published, latest revisions, in order.
func publishedMigrations(ctx context.Context, cfg *Config) ([]cnc.Migration, error) {
	b, err := joinBus(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	where, err := b.Position(ctx, bus.Events)
	if err != nil || where.Last < where.First {
		return nil, err
	}
	got := &eventSink{}
	inner, stop := context.WithCancel(ctx)
	defer stop()
	err = b.Consume(inner, bus.Events, bus.Consumer{}, func(_ context.Context, x bus.Message) error {
		if x.Sequence >= where.Last {
			defer stop()
		}
		m, ok, err := x.Migration()
		if ok && err == nil {
			return got.moved([]cnc.Migration{m})
		}
		return err
	})
	return got.migrations(), errors.Join(err, ctx.Err())
}

// printMigrations prints one a line, or each with its evidence and what speaks against it.
func printMigrations(w io.Writer, list []cnc.Migration, asJSON bool) error {
	out := &checked{w: w}
	if asJSON {
		enc := json.NewEncoder(out)
		for i := range list {
			if err := enc.Encode(&list[i]); err != nil {
				return err
			}
		}
		return nil
	}
	k, wide := inkFor(w), width(w)
	if len(list) == 0 {
		fmt.Fprintln(out, "No family was seen to move.")
	}
	for i := range list {
		m := &list[i]
		fmt.Fprintf(out, "%s  %s\n", k.faint(m.Seen.Format("2006-01-02 15:04")), wrap(k.bold(m.Summary), 18, wide))
		if m.Score != 0 {
			fmt.Fprintf(out, "                  %s, score %.1f: routes %.1f, C&C %.1f\n", m.Kind, m.Score, m.Routing, m.CNC)
		}
		for _, e := range m.Evidence {
			fmt.Fprintf(out, "    %5.2f  %-17s %s\n", e.Points, e.Name, wrap(e.Text, 29, wide))
		}
		for _, c := range m.Caveats {
			fmt.Fprintf(out, "    but    %s\n", wrap(c, 11, wide))
		}
	}
	return out.fault()
}

func watchlistSuggestCommand() *cobra.Command {
	var f migrationFlags
	c := &cobra.Command{
		Use:   "suggest",
		Short: "Networks that took in what watched hosters lost: watch them too?",
		Long: `suggest lists the networks to which families or prefixes of watched hosters went, best
reasons first, from a running depeer or from files. Large clouds, where anybody rents, and
fronts such as CDNs are never among them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, judge, err := f.migrations(cmd)
			if err != nil {
				return err
			}
			var found []cnc.Suggestion
			if judge != nil {
				found = judge.judge.Suggest()
			} else {
				cfg, err := loadConfig(cmd)
				if err != nil {
					return err
				}
				var own []uint32
				for _, h := range cfg.Hosters {
					own = append(own, h.ASNs...)
				}
				found = cnc.SuggestFrom(cfg.Migration, own, list)
			}
			return printSuggestions(cmd.OutOrStdout(), found, f.json)
		},
	}
	f.register(c)
	return c
}

func printSuggestions(w io.Writer, found []cnc.Suggestion, asJSON bool) error {
	out := &checked{w: w}
	if asJSON {
		enc := json.NewEncoder(out)
		for i := range found {
			if err := enc.Encode(&found[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(found) == 0 {
		fmt.Fprintln(out, "Nobody to suggest.")
	}
	for _, s := range found {
		name := cmp.Or(s.Name, bgp.ASN(s.ASN))
		fmt.Fprintf(out, "%s  %s, since %s, after %s\n", bgp.ASN(s.ASN), name, s.Since.Format(time.DateOnly), strings.Join(s.Hosters, ", "))
		for _, r := range s.Reasons {
			fmt.Fprintf(out, "    %s\n", wrap(r, 4, width(w)))
		}
		fmt.Fprintf(out, "    - {id: as%d, name: %q, asns: [%d]}\n", s.ASN, name, s.ASN)
	}
	return out.fault()
}
