package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bus"
	"depeer/watch"
	"depeer/watch/timeline/sqlite"
)

// demoFlags are how somebody wants to see it.
type demoFlags struct {
	speed        float64
	paused, stay bool
	listen, web  string
	noOpen       bool
}

func demoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:     "demo",
		GroupID: groupWatch,
		Short:   "McColo, November 2008, offline: a reconstruction, on the board and here",
		Long: `demo makes MRT recordings of McColo's last days from published facts, replays them
through the whole engine, and opens the board with those weeks running through it in
about two minutes, with pause, speed and chapters. Here it tells the same story in lines,
and publishes every event and every revision of an incident on an embedded NATS server.
Sightings of C&C servers come in between: it says where the botnets went that McColo had
housed.

It is a reconstruction: prefixes, AS numbers and times are those that were published,
as precisely as they are known; the peers, the background and the exact seconds are
invented.

On a terminal the board stays after the end until Ctrl-C, elsewhere with --stay.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.speed < 0 {
				return usagef("--speed %v is negative", f.speed)
			}
			return demo(cmd, &f)
		},
	}
	l := c.Flags()
	l.Float64Var(&f.speed, "speed", usualSpeed, "seconds of 2008 in a second of today, where nothing is to be read; quiet days go by faster; 0: as fast as it goes")
	l.StringVar(&f.listen, "listen", "", "let other NATS clients listen in at this loopback `ADDRESS` (127.0.0.1:4222)")
	l.StringVar(&f.web, "web", demoWeb, "the board is at this `ADDRESS`, at any free port where that one is taken; empty: there is none")
	l.BoolVar(&f.stay, "stay", false, "the board stays after the end, until Ctrl-C")
	l.BoolVar(&f.paused, "paused", false, "wait at the beginning until somebody presses play on the board")
	l.BoolVar(&f.noOpen, "no-open", false, "do not open a browser (one is opened on a terminal alone)")
	return c
}

const (
	demoScenario = "testdata/mccolo-2008.txtar"
	demoWeb      = "127.0.0.1:8080"
)

func demo(cmd *cobra.Command, f *demoFlags) (err error) {
	text, err := watch.Scenarios.ReadFile(demoScenario)
	if err != nil {
		return err
	}
	x, err := bgptest.ParseFile(demoScenario, text)
	if err != nil {
		return err
	}
	c, err := caseOf("mccolo-2008", demoScenario, x)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "depeer-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx := cmd.Context()
	out := cmd.OutOrStdout()
	k := inkFor(out)
	fmt.Fprintf(out, "%s\n\n%s\n", k.bold("McColo, November 2008 — A RECONSTRUCTION"), x.Comment)

	recordings := filepath.Join(dir, "mrt")
	files, err := c.scenario.WriteDir(recordings)
	if err != nil {
		return err
	}
	cfg := bus.DefaultConfig()
	cfg.Embedded.Dir, cfg.Embedded.Listen = filepath.Join(dir, "bus"), f.listen
	b, err := bus.Open(ctx, cfg, bus.Deps{})
	if err != nil {
		return err
	}
	defer b.Close()
	store, err := sqlite.Open(ctx, filepath.Join(dir, "timeline.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	where := "in this process"
	if a := b.Addr(); a != "" {
		where = "at " + a + ": nats sub 'depeer.>'"
	}
	fmt.Fprintf(out, "\n%s\n", k.faint(fmt.Sprintf("%d MRT files of %d peers made; NATS %s", len(files), len(c.scenario.Peers()), where)))

	r := newReplayer(c.cfg)
	s := newStage(ctx, c.cfg, b, store, r, c.seen)
	published := &busSink{ctx: ctx, bus: b}
	r.sinks = append(r.sinks, s, &storySink{storyteller: newStoryteller(out, c.cfg.Hosters, false)}, published)
	s.moves = r.hearSightings(c.cfg, c.seen, nil, nil)
	if s.desk, err = newRehearsedDesk(ctx, s); err != nil {
		return err
	}
	p := newPlayer(c.scenario.Start(), storyEnd(&c), demoChapters, f.speed, s.advance)
	p.paused = f.paused
	board, err := showDemo(cmd, f, s, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, board.close()) }()
	if err := s.perform(ctx, p, recordings); err != nil {
		return err
	}
	if err := tellDemo(ctx, out, s, published); err != nil {
		return err
	}
	return board.stay(ctx)
}

// storyEnd is when the last thing happens: routes or sightings.
func storyEnd(c *backtestCase) time.Time {
	end := c.scenario.End()
	if n := len(c.seen); n > 0 && c.seen[n-1].At.After(end) {
		end = c.seen[n-1].At
	}
	return end.Add(time.Hour)
}

// tellDemo says at the end what there is to say here.
func tellDemo(ctx context.Context, out io.Writer, s *stage, published *busSink) error {
	heard, err := listenBack(ctx, s.bus, published.n+published.k, published.m)
	if err != nil {
		return err
	}
	k := inkFor(out)
	fmt.Fprintf(out, "\n%s\n", k.bold("What it asks by itself"))
	var next []string
	for _, x := range s.suggestions() {
		next = append(next, bgp.ASN(x.ASN))
	}
	fmt.Fprintf(out, "  %s\n", wrap("Families of McColo were seen in "+strings.Join(next, ", ")+" afterwards: watch them too? (depeer watchlist suggest)", 2, width(out)))
	fmt.Fprintf(out, "\n%s\n", k.bold("On the bus"))
	fmt.Fprintf(out, "  %d events and %d revisions of %s were published, and read back from the streams, with %d findings about C&C:\n", published.n, published.m, plural(len(s.replay.incidents), "incident"), published.k)
	for _, line := range heard {
		fmt.Fprintf(out, "  %s\n", k.faint(line))
	}
	fmt.Fprintf(out, "\nNow with your own watchlist: %s\n", demoNext)
	return nil
}

// The commands that lead on.
const (
	demoNext  = "depeer replay --config configs/mccolo.yaml RIB UPDATES..."
	demoWatch = "depeer run --config configs/depeer.yaml"
)

// listenBack reads what was published from the streams, as any subscriber would,
// and says how many messages each subject carried.
func listenBack(ctx context.Context, b *bus.Bus, events, revisions int) ([]string, error) {
	count := map[string]int{}
	var order []string
	for stream, left := range map[bus.Stream]int{bus.Events: events, bus.Incidents: revisions} {
		if left == 0 {
			continue
		}
		inner, stop := context.WithTimeout(ctx, 10*time.Second)
		err := b.Consume(inner, stream, bus.Consumer{}, func(_ context.Context, m bus.Message) error {
			if count[m.Subject]++; count[m.Subject] == 1 {
				order = append(order, m.Subject)
			}
			if left--; left == 0 {
				stop()
			}
			return nil
		})
		stop()
		if err != nil {
			return nil, err
		}
		if left > 0 {
			return nil, fmt.Errorf("%s lacks %d of the messages that were published", stream, left)
		}
	}
	slices.Sort(order)
	out := make([]string, 0, len(order))
	for _, s := range order {
		out = append(out, fmt.Sprintf("%3d  %s", count[s], s))
	}
	return out, ctx.Err()
}
