package main

import (
	"context"
	"fmt"
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
	"depeer/watch/cnc"
)

func demoCommand() *cobra.Command {
	var speed float64
	var listen string
	c := &cobra.Command{
		Use:     "demo",
		GroupID: groupWatch,
		Short:   "McColo, November 2008, offline: a reconstruction",
		Long: `demo makes MRT recordings of McColo's last days from published facts, replays them
through the whole engine at speed, tells the story, and publishes every event and
every revision of an incident on an embedded NATS server. Sightings of C&C servers come
in between: it says where the botnets went that McColo had housed.

It is a reconstruction: prefixes, AS numbers and times are those that were published,
as precisely as they are known; the peers, the background and the exact seconds are
invented.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if speed < 0 {
				return usagef("--speed %v is negative", speed)
			}
			return demo(cmd, speed, listen)
		},
	}
	c.Flags().Float64Var(&speed, "speed", 3600, "seconds of 2008 in a second of today; 0: as fast as it goes")
	c.Flags().StringVar(&listen, "listen", "", "let other NATS clients listen in at this loopback `ADDRESS` (127.0.0.1:4222)")
	return c
}

const demoScenario = "testdata/mccolo-2008.txtar"

func demo(cmd *cobra.Command, speed float64, listen string) error {
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
	cfg.Embedded.Dir, cfg.Embedded.Listen = filepath.Join(dir, "bus"), listen
	b, err := bus.Open(ctx, cfg, bus.Deps{})
	if err != nil {
		return err
	}
	defer b.Close()
	where := "in this process"
	if a := b.Addr(); a != "" {
		where = "at " + a + ": nats sub 'depeer.>'"
	}
	fmt.Fprintf(out, "\n%s\n", k.faint(fmt.Sprintf("%d MRT files of %d peers made; NATS %s", len(files), len(c.scenario.Peers()), where)))

	r := newReplayer(c.cfg)
	published := &busSink{ctx: ctx, bus: b}
	r.sinks = append(r.sinks, &pacedSink{ctx: ctx, speed: speed, sink: &storySink{storyteller: newStoryteller(out, c.cfg.Hosters, false)}}, published)
	moves := r.hearSightings(c.cfg, c.seen, nil, nil)
	err = r.run(ctx, []string{recordings}, nil, time.Time{}, time.Time{}, &progress{})
	if err == nil {
		err = r.finish()
	}
	if err != nil {
		return err
	}
	heard, err := listenBack(ctx, b, published.n+published.k, published.m)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n", k.bold("What it asks by itself"))
	var next []string
	for _, s := range moves.judge.Suggest() {
		next = append(next, bgp.ASN(s.ASN))
	}
	fmt.Fprintf(out, "  %s\n", wrap("Families of McColo were seen in "+strings.Join(next, ", ")+" afterwards: watch them too? (depeer watchlist suggest)", 2, width(out)))
	fmt.Fprintf(out, "\n%s\n", k.bold("On the bus"))
	fmt.Fprintf(out, "  %d events and %d revisions of %s were published, and read back from the streams, with %d findings about C&C:\n", published.n, published.m, plural(len(r.incidents), "incident"), published.k)
	for _, line := range heard {
		fmt.Fprintf(out, "  %s\n", k.faint(line))
	}
	fmt.Fprintf(out, "\nNow with your own watchlist: depeer replay --config configs/mccolo.yaml RIB UPDATES...\n")
	return nil
}

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

// pacedSink lets the time of the story pass, faster.
type pacedSink struct {
	sink
	ctx   context.Context
	speed float64
	at    time.Time
}

// longestPause is how long a story may be silent: nobody wants to wait for the
// third day to end.
const longestPause = 2500 * time.Millisecond

func (s *pacedSink) found(events []watch.Event, revisions []watch.Incident) error {
	var now time.Time
	if len(events) > 0 {
		now = events[0].At
	} else if len(revisions) > 0 {
		now = revisions[0].At
	}
	if err := s.pass(now); err != nil {
		return err
	}
	return s.sink.found(events, revisions)
}

func (s *pacedSink) moved(list []cnc.Migration) error {
	if err := s.pass(list[0].At); err != nil {
		return err
	}
	if m, ok := s.sink.(movedSink); ok {
		return m.moved(list)
	}
	return nil
}

// pass waits until it is now in the story.
func (s *pacedSink) pass(now time.Time) error {
	if s.speed > 0 && !s.at.IsZero() {
		pause := min(time.Duration(float64(now.Sub(s.at))/s.speed), longestPause)
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(max(pause, 0)):
		}
	}
	s.at = now
	return nil
}
