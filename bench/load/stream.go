package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"depeer/bus"
	"depeer/watch"
)

// part is what was measured in a part of a round.
type part struct {
	delays   []time.Duration // from the last neighbour's withdrawal to the event on the bus
	missing  int             // probes without an event
	rate     float64         // updates a second that were sent
	late     time.Duration   // the most that the ingest was behind
	cpu, rss float64         // of depeer: cores, MB
	reached  []time.Duration // from the withdrawal to the last reader
	told     *told
}

// stream measures detection in turn: with the ingest alone, and with readers and requests.
func stream(ctx context.Context, o *options, p *process) error {
	in, err := connect(ctx, p)
	if err != nil {
		return err
	}
	seen, err := hear(ctx, p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- in.run(ctx, o.rate) }()
	probe := &prober{in: in, seen: seen}
	if _, err := probe.run(ctx, 5*time.Second); err != nil { // what is done once is done
		return err
	}
	var quiet, busy []part
	var failed []error
	for n := range o.rounds {
		a, err := o.alone(ctx, p, in, probe)
		if err != nil {
			return err
		}
		b, err := o.crowded(ctx, p, in, probe, &failed)
		if err != nil {
			return err
		}
		quiet, busy = append(quiet, a), append(busy, b)
		fmt.Printf("round %d\n  alone         %s\n  with readers  %s\n", n+1, a.line(), b.line())
		select {
		case err := <-ended:
			return errors.Join(errors.New("the ingest ended"), err)
		default:
		}
	}
	report(quiet, busy)
	return errors.Join(failed...)
}

// measure takes what depeer uses while work lasts.
func (o *options) measure(p *process, in *ingest, work func() error) (x part, err error) {
	in.late.Store(0)
	before, sent, began := p.used(), in.sent.Load(), time.Now()
	err = work()
	after, took := p.used(), time.Since(began).Seconds()
	x.rate, x.late = float64(in.sent.Load()-sent)/took, time.Duration(in.late.Load())
	x.cpu, x.rss = (after.cpu-before.cpu)/took, after.rss
	return x, err
}

func (o *options) alone(ctx context.Context, p *process, in *ingest, probe *prober) (part, error) {
	var found []found
	x, err := o.measure(p, in, func() (err error) {
		found, err = probe.run(ctx, time.Duration(o.seconds)*time.Second)
		return err
	})
	x.take(found)
	return x, err
}

// crowded is the same with readers and requests.
func (o *options) crowded(ctx context.Context, p *process, in *ingest, probe *prober, failed *[]error) (x part, err error) {
	r, err := o.startReaders(ctx, p)
	if err != nil {
		return x, err
	}
	var found []found
	asked := o.startRequests(ctx, p)
	x, err = o.measure(p, in, func() (err error) {
		found, err = probe.run(ctx, time.Duration(o.seconds)*time.Second)
		return err
	})
	answers := <-asked
	x.told, err = r.end(), errors.Join(err, ctx.Err())
	if err != nil {
		return x, err
	}
	x.take(found)
	*failed = append(*failed, answers.faults(), x.told.faults(o.readers))
	fmt.Print(answers.text)
	return x, nil
}

func (x *part) take(list []found) {
	for _, f := range list {
		if f.event.IsZero() {
			x.missing++
			continue
		}
		x.delays = append(x.delays, f.event.Sub(f.sent))
		if x.told != nil {
			if s, ok := x.told.Seen[f.id]; ok {
				x.reached = append(x.reached, time.Unix(0, s[1]).Sub(f.sent))
			}
		}
	}
	slices.Sort(x.delays)
	slices.Sort(x.reached)
}

func (x *part) line() string {
	s := fmt.Sprintf("%6.0f updates/s (at most %3d ms behind), event after p50 %3d p99 %3d ms (%d probes, %d without), %.2f cores, %.0f MB",
		x.rate, x.late.Milliseconds(), at(x.delays, 50).Milliseconds(), at(x.delays, 99).Milliseconds(), len(x.delays)+x.missing, x.missing, x.cpu, x.rss)
	if t := x.told; t != nil {
		s += fmt.Sprintf("; %d readers were told %d entries (%.1f MB), the last of them after p50 %d p99 %d ms; %d cut off",
			t.Readers, t.Entries, float64(t.Octets)/1e6, at(x.reached, 50).Milliseconds(), at(x.reached, 99).Milliseconds(), t.Cut)
	}
	return s
}

func at(list []time.Duration, percent int) time.Duration {
	if len(list) == 0 {
		return 0
	}
	return list[(len(list)-1)*percent/100]
}

// report gives the medians of the rounds' ratios.
func report(quiet, busy []part) {
	ratio := func(name string, of func(*part) float64) {
		var list []float64
		for i := range quiet {
			if q := of(&quiet[i]); q > 0 {
				list = append(list, of(&busy[i])/q)
			}
		}
		if slices.Sort(list); len(list) > 0 {
			fmt.Printf("%-32s x %.2f (%.2f to %.2f)\n", name, list[len(list)/2], list[0], list[len(list)-1])
		}
	}
	fmt.Println("with readers and requests, beside without (median of the rounds, least and greatest):")
	ratio("event after the update, p50", func(x *part) float64 { return float64(at(x.delays, 50)) })
	ratio("event after the update, p99", func(x *part) float64 { return float64(at(x.delays, 99)) })
	ratio("updates taken a second", func(x *part) float64 { return x.rate })
	ratio("CPU of depeer", func(x *part) float64 { return x.cpu })
	ratio("memory of depeer", func(x *part) float64 { return x.rss })
}

// found is what became of a probe.
type found struct {
	sent  time.Time
	event time.Time // zero: it did not come
	id    string
}

// prober lets hosters lose prefixes, one after the other.
type prober struct {
	in   *ingest
	seen <-chan heard
	next int
}

const (
	probeEvery = 250 * time.Millisecond
	probeLasts = 3 * time.Second
	probeWait  = 20 * time.Second
)

// run probes for so long, and waits for the last events.
func (x *prober) run(ctx context.Context, d time.Duration) ([]found, error) {
	type lost struct {
		hoster  int
		prefix  netip.Prefix
		restore time.Time
	}
	var out []found
	var away []lost
	places := map[netip.Prefix]int{} // of out
	open := 0
	end := time.Now().Add(d)
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for stop := end.Add(probeWait); time.Now().Before(end) || (open > 0 || len(away) > 0) && time.Now().Before(stop); {
		select {
		case e := <-x.seen:
			if i, ok := places[e.prefix]; ok && out[i].event.IsZero() && e.kind == watch.RouteWithdrawn {
				out[i].event, out[i].id = e.at, e.id
				open--
			}
			continue
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		for len(away) > 0 && time.Now().After(away[0].restore) {
			if err := x.in.restore(away[0].hoster, away[0].prefix); err != nil {
				return nil, err
			}
			away = away[1:]
		}
		if time.Now().After(end) {
			continue
		}
		hosters := x.in.w.Hosters
		n := min(probed, len(hosters)/2)
		h := len(hosters) - n + x.next%n
		p := hosters[h].Prefixes[x.next/n%len(hosters[h].Prefixes)]
		x.next++
		if _, twice := places[p]; twice {
			continue
		}
		sent, err := x.in.withdraw(p)
		if err != nil {
			return nil, err
		}
		places[p] = len(out)
		out = append(out, found{sent: sent})
		away = append(away, lost{h, p, sent.Add(probeLasts)})
		open++
	}
	return out, nil
}

// heard is an event as a subscriber of the bus got it.
type heard struct {
	at     time.Time
	kind   watch.EventKind
	prefix netip.Prefix
	id     string
}

// hear subscribes to the events.
func hear(ctx context.Context, p *process) (<-chan heard, error) {
	cfg := bus.DefaultConfig()
	cfg.URLs = []string{"nats://" + p.nats}
	b, err := bus.Open(ctx, cfg, bus.Deps{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	out := make(chan heard, 10_000)
	context.AfterFunc(ctx, func() { _ = b.Close() })
	go func() {
		_ = b.Consume(ctx, bus.Events, bus.Consumer{New: true}, func(_ context.Context, m bus.Message) error {
			now := time.Now()
			if e, err := m.Event(); err == nil && e.Prefix != nil {
				select {
				case out <- heard{now, e.Kind, *e.Prefix, e.ID}:
				default: // nobody probes
				}
			}
			return nil
		})
	}()
	return out, nil
}

// child is the process of the readers.
type child struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

// polite is how a client is started: as if it were on another machine, it takes what is left of this one.
func polite(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nice", append([]string{"-n", "10", name}, args...)...)
}

func (o *options) startReaders(ctx context.Context, p *process) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: polite(ctx, self, "-readers", strconv.Itoa(o.readers), "readers", p.url("/api/v1/stream"))}
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	_, err = c.out.ReadString('\n') // all of them read
	return c, err
}

// end lets them go, and gives what they were told.
func (c *child) end() *told {
	var t told
	_ = c.in.Close()
	err := json.NewDecoder(c.out).Decode(&t)
	if err = errors.Join(err, c.cmd.Wait()); err != nil {
		t.Wrong = append(t.Wrong, err.Error())
	}
	return &t
}

func (t *told) faults(readers int) error {
	if n := len(t.Wrong); n > 0 {
		return fmt.Errorf("readers: %d faults: %q", n, t.Wrong[:min(n, 5)])
	}
	if t.Cut > 0 {
		return fmt.Errorf("%d of %d readers were cut off", t.Cut, readers)
	}
	return nil
}

// answers is what came of the requests.
type answers struct {
	text string
	err  error
}

func (a answers) faults() error { return a.err }

// startRequests lets wrk ask; where it is not installed nobody does.
func (o *options) startRequests(ctx context.Context, p *process) <-chan answers {
	out := make(chan answers, 1)
	if _, err := exec.LookPath("wrk"); err != nil || o.requests == 0 {
		out <- answers{text: "  nobody asks: wrk is not installed\n"}
		return out
	}
	cmd := polite(ctx, "wrk", "--threads", "1", "--connections", "20", "--duration", strconv.Itoa(o.seconds)+"s", "--timeout", "20s", "--script", o.lua, p.url("/"), "--", strconv.Itoa(o.requests))
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	go func() {
		err := cmd.Run()
		a := answers{}
		if _, own, ok := strings.Cut(text.String(), "\n  asked "); ok { // what the script says; wrk's own lines say the same at length
			a.text = "  asked " + own
		}
		if err != nil {
			a.err = fmt.Errorf("wrk: %w", err)
		} else if bytes.Contains(text.Bytes(), []byte("faults")) {
			a.err = errors.New("wrk: there were faults among the answers")
		}
		out <- a
	}()
	return out
}
