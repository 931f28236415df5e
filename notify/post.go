package notify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// post is the way to one receiver: what waits for it, and how it does.
type post struct {
	name     string
	receiver Receiver
	queue    []*Thread // in order; each once
	flying   int
	failures int           // in a row
	pause    time.Duration // of the breaker, 0 where it is closed
	until    time.Time     // nothing is sent before
}

// landing is what came of sending a message.
type landing struct {
	t       *Thread
	m       *Message
	receipt Receipt
	err     error
	took    time.Duration
}

// enqueue puts a thread behind those that wait for its receiver.
func (l *leader) enqueue(t *Thread, now time.Time) {
	p := l.lines[t.Receiver]
	t.queued = true
	p.queue = append(p.queue, t)
	if len(p.queue) > l.n.cfg.Waiting {
		oldest := p.queue[0]
		p.queue = p.queue[1:]
		oldest.queued = false
		if d := l.decide(oldest, now); d.Send {
			oldest.claim(d, now)
			l.bury(oldest, nil, fmt.Errorf("more than %d messages wait for %s", l.n.cfg.Waiting, p.name), now)
		}
	}
	l.tally(p, now)
}

func (l *leader) tally(p *post, now time.Time) {
	l.n.count(p.name, func(c *Counts) { c.Waiting, c.Flying, c.Paused = len(p.queue), p.flying, p.until.After(now) })
}

// pump sends what waits, as far as the receivers take it.
func (l *leader) pump(ctx context.Context, now time.Time) {
	if now.Before(l.catchUp) || ctx.Err() != nil {
		return
	}
	for _, name := range l.n.names {
		p := l.lines[name]
		for len(p.queue) > 0 && l.err == nil && p.flying < p.width(l.n.cfg.Parallel) && !p.until.After(now) {
			t := p.queue[0]
			p.queue = p.queue[1:]
			t.queued = false
			l.dispatch(ctx, p, t, now)
		}
		l.tally(p, now)
	}
}

// width is how many messages may be on their way: one, to see whether it works again.
func (p *post) width(parallel int) int {
	if p.pause > 0 {
		return 1
	}
	return parallel
}

// dispatch notes what is about to be sent, and sends it. Whoever cannot note it (another
// process did) does not send.
func (l *leader) dispatch(ctx context.Context, p *post, t *Thread, now time.Time) {
	d := l.decide(t, now)
	if !d.Send {
		l.look(t, now)
		return
	}
	t.claim(d, now)
	t.Held = ""
	if t.Tried.IsZero() {
		t.Tried = now
	}
	if !l.save(ctx, t) {
		return
	}
	m := l.n.render.message(t)
	t.flying = true
	p.flying++
	l.flying++
	ctx = l.sending
	go func() {
		began := time.Now()
		receipt, err := l.n.send(ctx, p.receiver, m)
		l.landed <- landing{t: t, m: m, receipt: receipt, err: err, took: time.Since(began)}
	}()
}

// send adds what takes time to a message, and sends it.
func (n *Notifier) send(ctx context.Context, r Receiver, m *Message) (receipt Receipt, err error) {
	defer func() {
		if x := recover(); x != nil { // a receiver's fault is its own
			n.log.Error("a receiver panicked", "receiver", m.Receiver, "panic", x, "stack", string(debug.Stack()))
			err = Permanent("panic: %v", x)
		}
	}()
	if i := m.Incident; i != nil {
		m.Events, _ = n.memory.recall(last(i.Events, keptEvents))
		if n.deps.Picture != nil && n.cfg.Picture > 0 {
			m.Picture = n.picture(ctx, m)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	return r.Send(ctx, m)
}

// picture draws, for as long as a message can wait.
func (n *Notifier) picture(ctx context.Context, m *Message) *Picture {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Picture)
	defer cancel()
	drawn := make(chan *Picture, 1)
	n.drawing.Go(func() {
		defer func() {
			if x := recover(); x != nil {
				n.log.Error("a picture panicked", "panic", x)
				drawn <- nil
			}
		}()
		p, err := n.deps.Picture(ctx, *m.Incident)
		if err != nil {
			n.log.Warn("a message goes without its picture", "incident", m.Incident.ID, "err", err)
		}
		drawn <- p
	})
	select {
	case p := <-drawn:
		return p
	case <-ctx.Done():
		n.log.Warn("a message goes without its picture", "incident", m.Incident.ID, "after", n.cfg.Picture)
		return nil
	}
}

// land takes in what came of a message.
func (l *leader) land(ctx context.Context, x landing) {
	now := time.Now()
	t, p := x.t, l.lines[x.t.Receiver]
	t.flying = false
	p.flying--
	l.flying--
	t.Attempts++
	d := Delivery{At: now.UTC(), Reason: x.m.Reason, Loud: x.m.Loud, Message: x.m.ID, Attempt: t.Attempts, Seconds: x.took.Seconds(), Title: x.m.Title, For: t.Claim.For}.of(t)
	var e *Error
	retry := !errors.As(x.err, &e) || e.Retry
	switch {
	case x.err == nil:
		p.failures, p.pause, p.until = 0, 0, time.Time{}
		t.forced = false
		// First told, then kept: what a killed process does again has the same id.
		d.ID, d.Outcome = ident("delivery", x.m.ID, string(Sent)), Sent
		l.publish(ctx, d)
		t.arrived(x.receipt, now)
		l.save(ctx, t)
		l.n.count(p.name, func(c *Counts) { c.Sent++ })
	case !retry:
		l.bury(t, &d, x.err, now)
	case now.Sub(t.Tried) >= l.n.cfg.Retry.GiveUp:
		l.stumble(p, e, now)
		l.bury(t, &d, fmt.Errorf("given up after %s and %d attempts: %w", span(now.Sub(t.Tried)), t.Attempts, x.err), now)
	default:
		l.stumble(p, e, now)
		t.Error = line(x.err.Error(), maxLine)
		t.retry = now.Add(l.backoff(t.Attempts))
		d.ID, d.Outcome, d.Why = ident("delivery", x.m.ID, string(Failed), d.At.String()), Failed, t.Error
		l.publish(ctx, d)
		l.touch(t)
		l.n.count(p.name, func(c *Counts) { c.Failed++ })
	}
	l.tally(p, now)
	l.look(t, now)
}

// stumble notes a failure that is the receiver's, not the message's.
func (l *leader) stumble(p *post, e *Error, now time.Time) {
	p.failures++
	if e != nil && e.After > 0 {
		p.until = later(p.until, now.Add(e.After))
	}
	if p.failures < l.n.cfg.Breaker.Failures || p.pause > 0 && p.until.After(now) {
		return // it works well enough, or this was on its way when the pause began
	}
	p.pause = min(max(2*p.pause, l.n.cfg.Breaker.Pause), max(l.n.cfg.Retry.Most, l.n.cfg.Breaker.Pause))
	p.until = later(p.until, now.Add(p.pause))
	if p.failures == l.n.cfg.Breaker.Failures {
		l.n.log.Warn("a receiver fails again and again, and is left alone for a while", "receiver", p.name, "pause", p.pause)
	}
}

// backoff doubles with each attempt, a third more or less by chance.
func (l *leader) backoff(attempts int) time.Duration {
	d := l.n.cfg.Retry.First
	for range min(attempts-1, 30) {
		d = min(2*d, l.n.cfg.Retry.Most)
	}
	return time.Duration(float64(d) * (2 + 2*rand.Float64()) / 3)
}

// bury gives a message up. It is listed, and sent again if somebody asks for that; what is
// heard later is told all the same.
func (l *leader) bury(t *Thread, d *Delivery, err error, now time.Time) {
	t.Error = line(err.Error(), maxLine)
	if d == nil {
		x := Delivery{At: now.UTC(), Reason: t.Claim.Reason, Message: t.Claim.ID, For: t.Claim.For}.of(t)
		d = &x
	}
	t.Dead, t.forced, t.Unsure = t.Claim.ID, false, true
	t.Claim = nil
	d.ID, d.Outcome, d.Why = ident("delivery", d.Message, string(DeadEnd), d.At.String()), DeadEnd, t.Error
	l.publish(l.sending, *d)
	l.touch(t)
	l.n.log.Error("a message was given up: depeer notify dead lists it", "receiver", t.Receiver, "incident", d.Incident, "err", t.Error)
	l.n.count(t.Receiver, func(c *Counts) { c.Dead++ })
}

// finish waits a little for what is on its way, and keeps what came of it.
func (l *leader) finish(cut context.CancelFunc) {
	timer := time.AfterFunc(lastWords, cut)
	defer timer.Stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.sending), lastWords+l.n.cfg.Timeout)
	defer cancel()
	for l.flying > 0 {
		x := <-l.landed
		if x.err == nil && l.err == nil {
			l.land(ctx, x)
			continue
		}
		l.flying--
	}
	l.write(ctx)
}
