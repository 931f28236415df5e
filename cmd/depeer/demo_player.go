package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"depeer/web"
)

// player lets the time of a story pass: slowly after something was said, so that it can be
// read, then faster and faster until something is said again.
type player struct {
	from, to time.Time
	chapters []web.Chapter                              // in order of time; each is something to read
	step     func(now time.Time) (said bool, err error) // lets the story go on to a moment

	mu     sync.Mutex
	now    time.Time     // guarded by mu; of the story
	speed  float64       // guarded by mu; 0: as fast as it goes
	paused bool          // guarded by mu
	begun  bool          // guarded by mu; somebody has pressed play
	over   bool          // guarded by mu
	skip   time.Time     // guarded by mu; up to here nothing is waited for
	calm   time.Duration // guarded by mu; for so long nothing was said, of today's time at the usual speed
	credit time.Duration // guarded by mu; of the story's time, that may pass before the next frame
	wished chan struct{} // guarded by mu; closed at a wish
}

const (
	usualSpeed = 3600.0 // an hour a second

	frame    = 40 * time.Millisecond
	slowest  = 200 * time.Millisecond  // a frame that took longer, on a machine that is busy, counts as this long
	reading  = 2500 * time.Millisecond // after something was said or a chapter began, the story goes on at twice its own speed
	doubling = 150 * time.Millisecond  // and then doubles that so often,
	fastest  = 72 * usualSpeed         // up to this
	welcome  = 6 * time.Second         // more, at the beginning: whoever opens the board finds it there
	overture = time.Minute             // of the story, that is not waited for: until then the tables are read, and nobody needs to see a board without them
	stride   = 20 * time.Second        // of the story at once, at most: what is said further apart is said one after the other
)

var demoSpeeds = []float64{usualSpeed / 4, usualSpeed / 2, usualSpeed, 2 * usualSpeed, 4 * usualSpeed}

func newPlayer(from, to time.Time, chapters []web.Chapter, speed float64, step func(time.Time) (bool, error)) *player {
	return &player{from: from, to: to, chapters: chapters, now: from, skip: from.Add(overture), calm: -welcome, speed: speed, step: step, wished: make(chan struct{})}
}

// pace is how fast the story goes when nothing was said for so long, at the usual speed: seconds a second.
func pace(calm time.Duration) float64 {
	const slow = 2.0
	rate := slow
	for left := calm - reading; left > 0 && rate < fastest; left -= doubling {
		rate *= 2
	}
	return min(rate, fastest)
}

// pass lets the story go on to a moment, which takes its time. It returns when the moment is
// there, or ctx has ended, or the story cannot go on.
func (p *player) pass(ctx context.Context, until time.Time) error {
	for {
		now, wait := p.next(until)
		if now.IsZero() && wait == nil {
			return ctx.Err()
		}
		if wait != nil {
			if err := p.wait(ctx, wait); err != nil {
				return err
			}
			continue
		}
		said, err := p.step(now)
		if err != nil {
			return err
		}
		p.passed(now, said)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// next is the moment to which the story may go on now; or what is to be waited for. Neither: it is there.
func (p *player) next(until time.Time) (now time.Time, wait <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := until.Sub(p.now)
	switch {
	case left <= 0:
		return time.Time{}, nil
	case p.now.Before(p.skip):
		return earlier(until, p.skip), nil
	case p.paused:
		return time.Time{}, p.wished
	case p.speed == 0:
		return until, nil
	case p.credit > 0:
		return earlier(p.now.Add(min(left, p.credit, stride)), p.chapterEnd()), nil
	}
	return time.Time{}, p.wished
}

// chapterEnd is when the next chapter begins; mu is held.
func (p *player) chapterEnd() time.Time {
	for _, c := range p.chapters {
		if c.At.After(p.now) {
			return c.At
		}
	}
	return p.to
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// passed notes that the story has come to a moment.
func (p *player) passed(now time.Time, said bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.credit -= now.Sub(p.now)
	begins := !now.Before(p.chapterEnd())
	p.now = now
	if said || begins {
		p.spoken()
	}
}

// said notes that something was said at this moment.
func (p *player) said() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoken()
}

func (p *player) spoken() { p.calm, p.credit = 0, 0 }

// wait waits for a wish, and while nothing is paused no longer than a frame, which it credits.
func (p *player) wait(ctx context.Context, wish <-chan struct{}) error {
	var tick <-chan time.Time
	p.mu.Lock()
	if !p.paused {
		timer := time.NewTimer(frame)
		defer timer.Stop()
		tick = timer.C
	}
	p.mu.Unlock()
	began := time.Now()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wish:
	case <-tick:
		p.mu.Lock()
		defer p.mu.Unlock()
		passed := float64(min(time.Since(began), slowest)) * p.speed / usualSpeed
		p.calm += time.Duration(passed)
		p.credit = max(p.credit, 0) + time.Duration(passed*pace(p.calm))
	}
	return nil
}

// where is where the story is.
func (p *player) where() web.Playing {
	p.mu.Lock()
	defer p.mu.Unlock()
	speeds := slices.Clone(demoSpeeds)
	if p.speed > 0 && !slices.Contains(speeds, p.speed) {
		speeds = append(speeds, p.speed)
		slices.Sort(speeds)
	}
	return web.Playing{From: p.from, To: p.to, Now: p.now, Speed: p.speed, Speeds: speeds, Paused: p.paused && !p.over, Begun: p.begun, Over: p.over, Chapters: p.chapters}
}

// play does what is wished, at once.
func (p *player) play(w web.Wish) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return fmt.Errorf("the story is over: call depeer demo again: %w", web.ErrRefused)
	}
	if w.To != nil && (!w.To.After(p.now) || w.To.After(p.to)) {
		return fmt.Errorf("to: %s is not between now, %s, and the end, %s: the story only goes on: %w", w.To.UTC().Format(time.RFC3339), p.now.Format(time.RFC3339), p.to.Format(time.RFC3339), web.ErrRefused)
	}
	if w.Paused != nil {
		p.paused, p.begun = *w.Paused, p.begun || !*w.Paused
	}
	if w.Speed != nil {
		p.speed = *w.Speed
	}
	if w.To != nil {
		p.skip, p.calm, p.credit = w.To.UTC(), 0, 0
	}
	close(p.wished)
	p.wished = make(chan struct{})
	return nil
}

// end: all is told.
func (p *player) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}
