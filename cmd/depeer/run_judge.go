package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"depeer/bus"
	"depeer/watch"
)

// judge reads the log of the feeds, judges it, and publishes what it finds. What it
// knows is a function of the log: it is saved now and then, so that after a restart
// only the end of the log has to be read again.
type judge struct {
	bus  *bus.Bus
	log  *slog.Logger
	list watch.Watchlist
	rule watch.Policy

	mu       sync.Mutex
	intake   *watch.Intake       // guarded by mu
	sequence uint64              // guarded by mu; of the last message of the log that was judged
	saved    uint64              // guarded by mu; of the last message that the saved state knows
	known    map[string]struct{} // guarded by mu; ids published before the restart, nil once caught up
	silent   uint64              // guarded by mu; nothing is published up to this message: it was, by another version
	end      uint64              // where the log ended when the judge began
	fresh    bool                // nothing was known at the start, nor in the log
	caught   chan struct{}       // closed when the log has been read up to end
	counts   judgeCounts         // guarded by mu
	broken   bool                // guarded by mu; something was found and not published: what is known is not to be saved

	until time.Time // guarded by mu; the latest moment of any pulse that lets time pass
	heard time.Time // guarded by mu; when that was read
}

// judgeCounts is everything that moves in the judge.
type judgeCounts struct {
	Messages, Updates, Pulses, Bad    uint64
	Events, Incidents, Gaps, Repeated uint64
	Saves, SaveErrors                 uint64
	SaveSeconds, SaveBytes            float64
}

const stateDetector = "detector"

func newJudge(b *bus.Bus, log *slog.Logger, list watch.Watchlist, policy watch.Policy) *judge {
	return &judge{bus: b, log: log, list: list, rule: policy, caught: make(chan struct{})}
}

// load takes up where the last process stopped.
func (j *judge) load(ctx context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	where, err := j.bus.Position(ctx, bus.Routes)
	if err != nil {
		return err
	}
	j.end = where.Last
	since := time.Time{}
	r, notes, err := j.bus.LoadState(ctx, stateDetector)
	switch {
	case errors.Is(err, bus.ErrNoState):
		if n := where.Last + 1 - where.First; n > 0 {
			j.log.Info("nothing was saved: the log is read from its beginning", "messages", n)
		}
	case err != nil:
		return err
	default:
		defer r.Close()
		sequence, _ := strconv.ParseUint(notes["sequence"], 10, 64)
		since, _ = time.Parse(time.RFC3339Nano, notes["at"])
		since = since.Add(-time.Minute) // clocks of several machines
		j.intake, err = watch.LoadIntake(r)
		if err != nil {
			j.log.Warn("what was saved cannot be used: the log is read from its beginning", "err", err, "messages", where.Last+1-where.First)
			j.silent = sequence
			break
		}
		j.sequence, j.saved = sequence, sequence
		if where.First > sequence+1 {
			j.log.Error("the log no longer reaches back to what was saved", "missing", where.First-sequence-1)
		}
	}
	if j.intake == nil {
		j.fresh = where.Last < where.First
		j.intake = watch.NewIntake(watch.NewDetector(j.list, j.rule))
	}
	j.known = map[string]struct{}{}
	for _, stream := range []bus.Stream{bus.Events, bus.Incidents, bus.Gaps} {
		ids, err := j.bus.IDs(ctx, stream, since)
		if err != nil {
			return err
		}
		for id := range ids {
			j.known[id] = struct{}{}
		}
	}
	if j.sequence >= j.end {
		j.catchUp()
	}
	return nil
}

// catchUp: all that was in the log at the start has been judged. Now the watchlist
// of today holds.
func (j *judge) catchUp() {
	if j.known == nil {
		return
	}
	j.known = nil
	j.intake.Detector().Rewatch(j.list, j.rule)
	close(j.caught)
	if j.sequence > 0 {
		j.log.Info("all that was heard before is judged", "messages", j.sequence, "up_to", j.intake.Now())
	}
}

// run judges until ctx ends.
func (j *judge) run(ctx context.Context) error {
	j.mu.Lock()
	after := j.sequence
	j.mu.Unlock()
	return j.bus.Consume(ctx, bus.Routes, bus.Consumer{After: after}, j.handle)
}

func (j *judge) handle(ctx context.Context, m bus.Message) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts.Messages++
	if err := j.read(m); err != nil {
		j.counts.Bad++
		j.log.Warn("a message of the log cannot be read", "err", err)
	}
	if err := j.publish(ctx, m.Sequence); err != nil {
		j.broken = true
		return err
	}
	j.sequence = m.Sequence
	if m.Sequence >= j.end {
		j.catchUp()
	}
	return nil
}

func (j *judge) read(m bus.Message) error {
	p, isPulse, err := m.Pulse()
	if err != nil {
		return err
	}
	if isPulse {
		j.counts.Pulses++
		if p.Delay == 0 && p.Until.After(j.until) {
			j.until, j.heard = p.Until, time.Now()
		}
		j.intake.Pulse(p)
		return nil
	}
	updates, err := m.Routes()
	if err != nil {
		return err
	}
	j.counts.Updates += uint64(len(updates))
	j.intake.Updates(m.Feed, updates)
	return nil
}

// publish publishes what the message gave rise to, unless that was done before.
func (j *judge) publish(ctx context.Context, sequence uint64) error {
	events, incidents, gaps := j.intake.Take()
	fresh := func(id string) bool {
		if _, ok := j.known[id]; ok || sequence <= j.silent {
			j.counts.Repeated++
			return false
		}
		return true
	}
	for _, e := range events {
		if fresh(e.ID) {
			j.counts.Events++
			if err := j.bus.PublishEvent(ctx, e); err != nil {
				return err
			}
			j.log.Info("event", "kind", e.Kind, "at", e.At, "hoster", deref(e.Hoster), "source", e.Source, "collector", e.Collector,
				"upstream", e.Upstream, "id", e.ID, "reason", e.Reason)
		}
	}
	for _, i := range incidents {
		if fresh(i.ID + "." + strconv.Itoa(i.Revision)) {
			j.counts.Incidents++
			if err := j.bus.PublishIncident(ctx, i); err != nil {
				return err
			}
			j.log.Info("incident", "hoster", i.Hoster, "id", i.ID, "revision", i.Revision, "phase", i.Phase, "class", i.Class,
				"severity", i.Severity, "summary", i.Summary)
		}
	}
	for _, g := range gaps {
		if fresh(g.ID + "." + strconv.Itoa(g.Revision)) {
			j.counts.Gaps++
			if err := j.bus.PublishGap(ctx, g); err != nil {
				return err
			}
		}
	}
	return nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// save keeps what is known, for the next start. The feeds wait for as long as it
// takes, and lose nothing.
func (j *judge) save(ctx context.Context) error {
	if err := j.flush(ctx); err != nil { // without the lock: while NATS is away the pages answer
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.known != nil || j.sequence == j.saved || j.broken {
		return nil
	}
	// What was concluded must not be forgotten while the premises are: first it is acknowledged.
	if err := j.bus.Flush(ctx); err != nil {
		j.counts.SaveErrors++
		return fmt.Errorf("save the state: %w", err)
	}
	if n := j.bus.Stats().Failed; n > 0 {
		j.counts.SaveErrors++
		return fmt.Errorf("save the state: %d messages were given up, and their premises are kept", n)
	}
	began := time.Now()
	size := &countWriter{}
	notes := map[string]string{"sequence": strconv.FormatUint(j.sequence, 10), "at": began.UTC().Format(time.RFC3339Nano), "version": version}
	err := j.bus.SaveState(ctx, stateDetector, notes, func(w io.Writer) error {
		return j.intake.Save(io.MultiWriter(w, size))
	})
	if err != nil {
		j.counts.SaveErrors++
		return err
	}
	j.saved = j.sequence
	j.counts.Saves++
	j.counts.SaveSeconds, j.counts.SaveBytes = time.Since(began).Seconds(), float64(size.n)
	return nil
}

func (j *judge) flush(ctx context.Context) error {
	err := j.bus.Flush(ctx)
	if err == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts.SaveErrors++
	return fmt.Errorf("save the state: %w", err)
}

type countWriter struct{ n int64 }

func (c *countWriter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// rewatch puts another watchlist in force, and keeps everything that is known.
func (j *judge) rewatch(list watch.Watchlist, policy watch.Policy) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.list, j.rule = list, policy
	if j.known == nil {
		j.intake.Detector().Rewatch(list, policy)
	}
}

// tick lets time pass, where the feeds are in other processes, which may be gone. It
// counts on from what they said last: clocks of several machines differ.
func (j *judge) tick(ctx context.Context) error {
	ticker := time.NewTicker(pulseEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		j.mu.Lock()
		until, since := j.until, time.Since(j.heard)
		j.mu.Unlock()
		if until.IsZero() || since < pulseIdle+pulseEvery || !j.upToDate() {
			continue // a feed lets it pass
		}
		if err := j.bus.PublishPulse(ctx, watch.Pulse{Source: bus.Everyone, Clock: true, Until: until.Add(since)}); err != nil && ctx.Err() == nil {
			j.log.Error("clock", "err", err)
		}
	}
}

// ask lets f look at what is known.
func (j *judge) ask(f func(*watch.Intake)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(j.intake)
}

func (j *judge) upToDate() bool {
	select {
	case <-j.caught:
		return true
	default:
		return false
	}
}
