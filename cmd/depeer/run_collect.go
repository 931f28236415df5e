package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
	"depeer/bus"
	"depeer/watch"
)

// collector runs the feeds and writes what they tell into the log, with a pulse of
// each: the clock of the judgement.
type collector struct {
	bus    *bus.Bus
	log    *slog.Logger
	roll   *roll
	shared *wire.Shared
	feeds  []*liveFeed
	filler *liveFeed // what is read later from the archives; it has no pulse
	began  time.Time
	spoke  atomic.Int64 // when something was last said of a watched prefix, Unix nanoseconds
}

// liveFeed is a source that runs.
type liveFeed struct {
	name, kind string
	make       func() (bgp.Feed, error)
	ends       string                   // see watch.Pulse
	slack      time.Duration            // how long after its time an update may be emitted
	delay      time.Duration            // see watch.Pulse
	until      func(bgp.Feed) time.Time // up to when it has told all; nil: up to now, less slack
	careful    bool                     // what is emitted must be acknowledged before emit returns: the feed will not tell it again

	mu     sync.Mutex // held while a batch is published, and a pulse: so all that precedes the pulse is in the log before it
	pulsed time.Time  // guarded by mu
	filled []string   // guarded by mu; gaps that were filled since the last pulse

	// Asked while mu is held for as long as NATS is away.
	failed  atomic.Pointer[string] // why it does not run now
	updates atomic.Uint64
	restart atomic.Uint64 // how often it ended with an error
	feed    atomic.Pointer[bgp.Feed]
}

// The rhythm of the pulses. No time passes for the judgement between two of them.
const (
	pulseEvery = time.Second           // while something is happening, and for alertness after
	pulseIdle  = 5 * time.Second       // when nothing was said for as long as
	alertness  = 3 * time.Minute       // this
	pulseFine  = 50 * time.Millisecond // just after something was said: a loss that leaves nothing to hunt for is told within a second
	fineFor    = 1500 * time.Millisecond
)

// run runs all feeds until ctx ends, and returns when they have.
func (c *collector) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, f := range c.feeds {
		all.Add(1)
		go func() {
			defer all.Done()
			c.keep(ctx, f)
		}()
	}
	all.Add(1)
	go func() {
		defer all.Done()
		c.beat(ctx)
	}()
	all.Wait()
}

// keep runs a feed, and again when it ends.
func (c *collector) keep(ctx context.Context, f *liveFeed) {
	wait := time.Second
	for ctx.Err() == nil {
		began := time.Now()
		err := c.once(ctx, f)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it ended")
		}
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		f.failed.Store(new(err.Error()))
		f.restart.Add(1)
		c.log.Error("a feed ended", "feed", f.name, "err", err, "again", wait)
		select {
		case <-time.After(wait + rand.N(wait/2)):
		case <-ctx.Done():
		}
		wait = min(2*wait, time.Minute)
	}
}

func (c *collector) once(ctx context.Context, f *liveFeed) error {
	feed, err := f.make()
	if err != nil {
		return err
	}
	f.feed.Store(&feed)
	f.failed.Store(nil)
	return feed.Run(ctx, func(batch []bgp.Update) error { return c.emit(ctx, f, batch) })
}

// emit writes a batch into the log, in its order, by hoster.
func (c *collector) emit(ctx context.Context, f *liveFeed, batch []bgp.Update) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(batch) > 0 {
		ids := c.roll.of(&batch[0])
		n := 1
		for n < len(batch) && slices.Equal(ids, c.roll.of(&batch[n])) {
			n++
		}
		for _, id := range ids {
			if err := c.bus.PublishRoutes(ctx, f.name, id, batch[:n]); err != nil {
				return err
			}
		}
		if ids[0] != bus.Everyone {
			c.spoke.Store(time.Now().UnixNano())
		}
		f.updates.Add(uint64(n))
		batch = batch[n:]
	}
	if f.careful {
		return c.bus.Flush(ctx)
	}
	return nil
}

// beat sends the pulses of all feeds, on the second.
func (c *collector) beat(ctx context.Context) {
	ticker := time.NewTicker(pulseFine)
	defer ticker.Stop()
	for {
		now := time.Now()
		quiet := time.Duration(now.UnixNano() - c.spoke.Load())
		for _, f := range c.feeds {
			if f.due(now, quiet) {
				c.pulse(ctx, f)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// due reports whether it is time for a pulse, after so long a quiet. A feed that is
// busy publishing sends none: the time of its updates has not come to an end.
func (f *liveFeed) due(now time.Time, quiet time.Duration) bool {
	if !f.mu.TryLock() {
		return false
	}
	defer f.mu.Unlock()
	since := now.Sub(f.pulsed)
	switch {
	case quiet < fineFor && f.slack < fineFor:
		return true
	case quiet < alertness:
		return now.Truncate(pulseEvery).After(f.pulsed)
	default:
		return since >= pulseIdle || len(f.filled) > 0
	}
}

func (c *collector) pulse(ctx context.Context, f *liveFeed) {
	h := f.health(time.Now())
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	until := now.Add(-f.slack - f.delay)
	if f.until != nil {
		feed := f.feed.Load()
		if feed == nil {
			return // how far into the past it begins is not known yet: a guess would make all of that late
		}
		until = f.until(*feed)
	}
	p := watch.Pulse{Source: f.name, Run: c.began, Until: until.UTC(), Delay: f.delay, Ends: f.ends,
		Ready: h.Ready, Busy: h.Busy, Reason: h.Reason, Filled: f.filled}
	if err := c.bus.PublishPulse(ctx, p); err != nil {
		if ctx.Err() == nil {
			c.log.Error("pulse", "feed", f.name, "err", err)
		}
		return
	}
	f.pulsed, f.filled = now, nil
}

// health is how the feed is, whether it runs at the moment or not.
func (f *liveFeed) health(now time.Time) bgp.Health {
	failed, feed := f.failed.Load(), f.feed.Load()
	switch {
	case failed != nil:
		return bgp.Health{Reason: *failed}
	case feed == nil:
		return bgp.Health{Reason: "has not begun"}
	}
	return (*feed).Health(now)
}
