package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"depeer/bgp"
	"depeer/bgp/mrt"
	"depeer/bgp/wire"
	"depeer/bus"
	"depeer/watch"
)

type replayFlags struct {
	json, all, publish bool
	from, to           string
	seed               []string
	sightings          []string
}

func replayCommand() *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:     "replay FILE|DIR|URL...",
		GroupID: groupWatch,
		Short:   "Judge recorded routes as if they came in now",
		Long: `replay runs recorded MRT (tables and updates, of any collectors, in any order of
arguments: they are read in order of time) through the engine that judges live
routes, and tells who was cut off, by whom, and who took them in again.

A table (RIB) among the recordings, or given with --seed, tells what the peers held
before. Without one depeer learns it from the updates: then it says nothing of a
prefix that too few peers have spoken of, nor that something is new.`,
		Example: `  depeer replay --config configs/2008-02-23.yaml updates/
  depeer replay -c mccolo.yaml --seed rib.20081110.2200.bz2 updates.200811*.bz2
  depeer replay -c mccolo.yaml --json updates/ | jq 'select(.type=="incident")'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return replay(cmd, args, &f) },
	}
	l := c.Flags()
	l.BoolVar(&f.json, "json", false, "one JSON object a line: events, incidents, and a summary at the end")
	l.BoolVar(&f.all, "all", false, "tell every event, also those that an incident's sentence says")
	l.BoolVar(&f.publish, "publish", false, "publish what is found on the bus of the configuration")
	l.StringVar(&f.from, "from", "", "tell from this `TIME` on, UTC (2008-11-11, 2008-11-11T21:00, RFC 3339 or seconds since 1970); what was recorded before is what it begins with")
	l.StringVar(&f.to, "to", "", "latest `TIME`; a day alone means its end")
	l.StringSliceVar(&f.sightings, "sightings", nil, "`FILE` of C&C sightings: says where families went, too")
	l.StringSliceVar(&f.seed, "seed", nil, "`RIB` to start from, read before everything else")
	return c
}

func replay(cmd *cobra.Command, args []string, f *replayFlags) error {
	from, to, err := window(f.from, f.to)
	if err != nil {
		return err
	}
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	if len(cfg.Hosters) == 0 {
		return usagef("%s: the configuration names no hosters: nothing is watched", configFile(cmd))
	}
	for _, list := range [][]string{args, f.seed} {
		if _, err := mrt.Expand(list); err != nil {
			return usageError{err}
		}
	}
	// What lives is bounded by the watchlist; the memory around it is, by this.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memoryLimit))
	ctx := cmd.Context()
	r := newReplayer(cfg)
	bar := newProgress(cmd.ErrOrStderr())
	out := bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16)
	if f.json {
		r.sinks = append(r.sinks, &jsonSink{enc: json.NewEncoder(out)})
	} else {
		tell := newStoryteller(cmd.OutOrStdout(), cfg.Hosters, f.all)
		r.sinks = append(r.sinks, &storySink{storyteller: tell, before: bar.hide})
	}
	if f.publish {
		b, err := bus.Open(ctx, cfg.Bus, bus.Deps{})
		if err != nil {
			return err
		}
		defer b.Close()
		r.sinks = append(r.sinks, &busSink{ctx: ctx, bus: b})
	}
	if len(f.sightings) > 0 {
		list, err := readSightings(f.sightings)
		if err != nil {
			return err
		}
		where, register, err := offline(ctx, cfg)
		if err != nil {
			return err
		}
		r.hearSightings(cfg, list, where, register)
	}
	err = r.run(ctx, args, f.seed, from, to, bar)
	if done := r.finish(); done != nil {
		err = errors.Join(err, done)
	}
	return errors.Join(err, out.Flush())
}

// memoryLimit is from where on the collector works harder (runtime/debug).
const memoryLimit = 220 << 20

// replayBuffer is how much is held back to be put in order, in bytes: some hundred
// thousand watched updates, more than any collector was ever out of order.
const replayBuffer = 12 << 20

// window reads --from and --to; zero is no bound.
func window(from, to string) (a, b time.Time, err error) {
	x, y, err := (&scanFlags{from: from, to: to}).window()
	if from != "" {
		a = time.Unix(int64(x), 0).UTC()
	}
	if to != "" {
		b = time.Unix(int64(y), 0).UTC()
	}
	return a, b, err
}

// sink takes what the engine finds, in order.
type sink interface {
	found(events []watch.Event, revisions []watch.Incident) error
	end(r *replayer) error
}

// replayer drives the engine over recordings.
type replayer struct {
	detector *watch.Detector
	watch    *wire.Watch
	policy   watch.Policy
	sinks    []sink
	stats    mrt.Stats
	last     time.Time // of the last update that the engine saw
	from     time.Time // what is found before is not told: it is what the story begins with
	until    time.Time // stop here; zero: at the end

	judge func([]bgp.Update) error // takes the updates; nil: observe

	events    int
	incidents []watch.Incident // latest revision of each, in order of opening
	byID      map[string]int
}

func newReplayer(cfg *Config) *replayer {
	w := watchOf(cfg.Hosters)
	w.Learn = true
	for _, h := range cfg.Hosters {
		for _, u := range h.Upstreams {
			w.AddUpstream(u)
		}
	}
	return &replayer{detector: watch.NewDetector(*cfg.Watchlist(), cfg.Policy), watch: w, policy: cfg.Policy, byID: map[string]int{}}
}

// run reads the seeds and the recordings. What precedes a fault is judged;
// the fault is returned.
func (r *replayer) run(ctx context.Context, args, seeds []string, from, to time.Time, p *progress) error {
	defer p.end()
	r.from = from
	s := mrt.NewSource(mrt.Config{Inputs: args, Seeds: seeds, To: to, Watch: r.watch, Buffer: replayBuffer, Progress: p.show})
	judge := r.judge
	if judge == nil {
		judge = r.observe
	}
	err := ahead(func(emit func([]bgp.Update) error) error { return s.Run(ctx, emit) }, judge)
	r.add(s.Stats())
	if errors.Is(err, errUntil) {
		err = nil
	}
	return err
}

// batchesAhead is how many batches may wait to be judged.
const batchesAhead = 16

// ahead lets a source read on while what it emitted is judged, in its order, in
// another goroutine. It returns when both have ended. The first error of the judge
// ends the source.
func ahead(run func(emit func([]bgp.Update) error) error, judge func([]bgp.Update) error) error {
	batches, spare := make(chan []bgp.Update, batchesAhead), make(chan []bgp.Update, batchesAhead)
	stopped, judged := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		for b := range batches {
			if err == nil {
				if err = judge(b); err != nil {
					close(stopped)
				}
			}
			select {
			case spare <- b:
			default:
			}
		}
		judged <- err
	}()
	err := run(func(batch []bgp.Update) error {
		var own []bgp.Update // the batch is the source's again when this returns
		select {
		case own = <-spare:
		default:
		}
		own = append(own[:0], batch...)
		select {
		case batches <- own:
			return nil
		case <-stopped:
			return errStopped
		}
	})
	close(batches)
	if verdict := <-judged; verdict != nil {
		return verdict
	}
	return err
}

var errStopped = errors.New("judging has stopped")

var errUntil = errors.New("the moment asked about is reached")

func (r *replayer) observe(batch []bgp.Update) error {
	for i := range batch {
		if !r.until.IsZero() && batch[i].At.After(r.until) {
			return errUntil
		}
		if batch[i].At.After(r.last) {
			r.last = batch[i].At
		}
		if err := r.found(r.detector.Observe(batch[i])); err != nil {
			return err
		}
	}
	return nil
}

// finish ends the replay: nothing contrary was recorded, so the hold times that
// run at the end of the recording end.
func (r *replayer) finish() error {
	if !r.last.IsZero() {
		end := r.last.Add(r.policy.Hold + time.Second)
		if !r.until.IsZero() {
			end = r.until.Add(time.Second)
		}
		if err := r.found(r.detector.Advance(end)); err != nil {
			return err
		}
	}
	var errs []error
	for _, s := range r.sinks {
		errs = append(errs, s.end(r))
	}
	return errors.Join(errs...)
}

func (r *replayer) found(events []watch.Event) error {
	revisions := r.detector.Revisions()
	if !r.from.IsZero() {
		events = slices.DeleteFunc(events, func(e watch.Event) bool { return e.At.Before(r.from) })
		revisions = slices.DeleteFunc(revisions, func(i watch.Incident) bool { return i.At.Before(r.from) })
	}
	if len(events)+len(revisions) == 0 {
		return nil
	}
	r.events += len(events)
	for _, x := range revisions {
		if i, ok := r.byID[x.ID]; ok {
			r.incidents[i] = x
			continue
		}
		r.byID[x.ID] = len(r.incidents)
		r.incidents = append(r.incidents, x)
	}
	for _, s := range r.sinks {
		if err := s.found(events, revisions); err != nil {
			return err
		}
	}
	return nil
}

func (r *replayer) add(s mrt.Stats) {
	r.stats.Files += s.Files
	r.stats.Messages += s.Messages
	r.stats.Elements += s.Elements
	r.stats.Matched += s.Matched
	r.stats.Late += s.Late
	r.stats.Skipped.Add(&s.Skipped)
	if r.stats.First.IsZero() || !s.First.IsZero() && s.First.Before(r.stats.First) {
		r.stats.First = s.First
	}
	if s.Last.After(r.stats.Last) {
		r.stats.Last = s.Last
	}
}

// summary is the last line of --json (CONTRACT section 3).
type summary struct {
	Type      string            `json:"type"`
	Files     int               `json:"files"`
	Messages  uint64            `json:"messages"`
	Elements  uint64            `json:"elements"`
	Matched   uint64            `json:"matched"`
	Late      uint64            `json:"late"`
	Skipped   map[string]uint64 `json:"skipped"`
	Events    int               `json:"events"`
	Incidents int               `json:"incidents"`
	First     time.Time         `json:"first,omitzero"`
	Last      time.Time         `json:"last,omitzero"`
}

func (r *replayer) summary() summary {
	return summary{Type: "summary", Files: r.stats.Files, Messages: r.stats.Messages, Elements: r.stats.Elements, Matched: r.stats.Matched,
		Late: r.stats.Late, Skipped: r.stats.Skipped.Map(), Events: r.events, Incidents: len(r.incidents), First: r.stats.First, Last: r.stats.Last}
}

// jsonSink prints NDJSON.
type jsonSink struct{ enc *json.Encoder }

func (s *jsonSink) found(events []watch.Event, revisions []watch.Incident) error {
	for i := range events {
		if err := s.enc.Encode(&events[i]); err != nil {
			return err
		}
	}
	for i := range revisions {
		if err := s.enc.Encode(&revisions[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *jsonSink) end(r *replayer) error { return s.enc.Encode(r.summary()) }

// storySink prints the story, the board, and what could not be seen.
type storySink struct {
	*storyteller
	before func() // called before lines are printed
}

func (s *storySink) found(events []watch.Event, revisions []watch.Incident) error {
	if s.before != nil {
		s.before()
	}
	for i := range events {
		s.event(&events[i])
	}
	for i := range revisions {
		s.incident(&revisions[i])
	}
	return s.out.fault()
}

func (s *storySink) end(r *replayer) error {
	s.flush()
	if r.events == 0 {
		fmt.Fprintln(s.out, "\nNothing happened to the hosters of the watchlist that these recordings show.")
	}
	list := r.detector.Board()
	s.board(r.detector.Now(), list, r.incidents)
	s.blindness(r, list)
	return s.out.fault()
}

// blindness says what the recordings could not show.
func (s *storySink) blindness(r *replayer, list []watch.Standing) {
	x := r.summary()
	fmt.Fprintf(s.out, "\n%s\n", s.ink.bold("What this rests on"))
	fmt.Fprintf(s.out, "  %s, %s to %s: %s elements in %s messages, %s about the watchlist\n", plural(x.Files, "file"),
		x.First.Format("2006-01-02 15:04:05"), x.Last.Format("2006-01-02 15:04:05"), thousands(x.Elements), thousands(x.Messages), thousands(x.Matched))
	fmt.Fprintf(s.out, "  %s\n", strings.Join(r.detector.Feeds(), "; "))
	if !r.detector.Seeded() {
		fmt.Fprintln(s.out, "  "+wrap("No table (RIB) to start from: prefixes and upstreams were learned from the updates. What never changed was not seen, and nothing is called new.", 2, s.width))
	}
	var unseen []string
	for _, x := range list {
		if x.Prefixes == 0 {
			unseen = append(unseen, x.Name)
		}
	}
	if len(unseen) > 0 {
		fmt.Fprintln(s.out, "  "+wrap("Nothing was heard of "+strings.Join(unseen, ", ")+".", 2, s.width))
	}
	if gaps := r.detector.GapsTouching(time.Time{}, time.Time{}); len(gaps) > 0 {
		fmt.Fprintln(s.out, "  "+wrap(holes(gaps, r.last), 2, s.width))
	}
	if len(x.Skipped) > 0 {
		var parts []string
		for k, n := range x.Skipped {
			parts = append(parts, fmt.Sprintf("%s %s", thousands(n), k))
		}
		slices.Sort(parts)
		fmt.Fprintln(s.out, "  "+wrap("Passed over: "+strings.Join(parts, ", ")+".", 2, s.width))
	}
	if x.Late > 0 {
		fmt.Fprintf(s.out, "  %s updates came too late to be put in order.\n", thousands(x.Late))
	}
}

// holes says how much of the time some peers were not there to see anything.
func holes(gaps []watch.Gap, end time.Time) string {
	longest, most := 0, 0
	length := func(g *watch.Gap) time.Duration {
		if g.To == nil {
			return end.Sub(g.From)
		}
		return g.To.Sub(g.From)
	}
	for i := range gaps {
		if length(&gaps[i]) > length(&gaps[longest]) {
			longest = i
		}
		if gaps[i].Peers > gaps[most].Peers {
			most = i
		}
	}
	text := fmt.Sprintf("Holes in it: %d; the longest: %s", len(gaps), gapLine(&gaps[longest], end))
	if most != longest && gaps[most].Peers > gaps[longest].Peers {
		text += fmt.Sprintf("; that of most peers: %s", gapLine(&gaps[most], end))
	}
	return text + ". What happened there is not known."
}

// busSink publishes what is found.
type busSink struct {
	ctx  context.Context
	bus  *bus.Bus
	n, m int
	k    int // revisions of migrations
}

func (s *busSink) found(events []watch.Event, revisions []watch.Incident) error {
	for i := range events {
		if err := s.bus.PublishEvent(s.ctx, events[i]); err != nil {
			return err
		}
		s.n++
	}
	for i := range revisions {
		if err := s.bus.PublishIncident(s.ctx, revisions[i]); err != nil {
			return err
		}
		s.m++
	}
	return nil
}

// end waits until the bus has acknowledged everything.
func (s *busSink) end(*replayer) error {
	if err := s.bus.Flush(s.ctx); err != nil {
		return fmt.Errorf("publish %d events and %d revisions: %w", s.n, s.m, err)
	}
	return nil
}

// progress shows how far a long read has come, on a terminal.
type progress struct {
	out io.Writer // nil: no terminal

	mu  sync.Mutex // the story hides the bar while the source moves it
	bar *progressbar.ProgressBar
}

func newProgress(out io.Writer) *progress {
	if !inkFor(out).on {
		return &progress{}
	}
	return &progress{out: out}
}

func (p *progress) show(x mrt.Progress) {
	if p.out == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(x.Total, progressbar.OptionSetWriter(p.out), progressbar.OptionShowBytes(true),
			progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	p.bar.Describe(x.At.Format("2006-01-02 15:04"))
	_ = p.bar.Set64(x.Read)
}

// hide makes room for a line of the story; the bar comes back below it.
func (p *progress) hide() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
