package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
	maxErrors  = 10 // told one by one in one error
)

// Stats counts messages since Open.
type Stats struct {
	Published  uint64 // handed over
	Acked      uint64 // acknowledged, duplicates among them
	Duplicates uint64 // acknowledged and not stored: the stream has the id
	Retried    uint64 // sent again
	Failed     uint64 // given up; Flush told
	Pending    int    // on their way
}

// outbox bounds what is on its way, sends again what got lost, and knows when all
// that was published before some moment is acknowledged.
type outbox struct {
	send     func(*nats.Msg) error
	slots    chan struct{} // one taken per message on its way
	patience time.Duration
	where    string
	log      *slog.Logger

	mu      sync.Mutex // never held while calling into nats.go, which calls acked and refused under locks of its own
	flights map[*nats.Msg]*flight
	flying  map[uint64]struct{} // by number
	next    uint64              // number of the next message
	low     uint64              // no message before this one is on its way
	waiters []waiter
	errs    []error // not yet told by flush, at most maxErrors
	untold  int     // errors beyond those
	stats   Stats
	closed  bool
}

// flight is one message on its way.
type flight struct {
	number uint64
	until  time.Time
	delay  time.Duration
	retry  *time.Timer // nil unless waiting to be sent again
}

// waiter is told when no message before number is on its way.
type waiter struct {
	number uint64
	done   chan struct{}
}

func newOutbox(cfg Config, where string, log *slog.Logger) *outbox {
	return &outbox{
		slots: make(chan struct{}, cfg.Pending), patience: cfg.Patience, where: where, log: log,
		flights: map[*nats.Msg]*flight{}, flying: map[uint64]struct{}{},
	}
}

// publish sends the message, or says why it cannot be sent at all.
func (o *outbox) publish(ctx context.Context, m *nats.Msg) error {
	select {
	case o.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("publish %s: %w (%d messages wait for %s to acknowledge them)", m.Subject, ctx.Err(), len(o.slots), o.where)
	}
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		<-o.slots
		return fmt.Errorf("publish %s: %w", m.Subject, ErrClosed)
	}
	f := &flight{number: o.next, until: time.Now().Add(o.patience), delay: firstRetry}
	o.next++
	o.stats.Published++
	o.flights[m] = f
	o.flying[f.number] = struct{}{}
	o.mu.Unlock()

	err := o.send(m)
	if err == nil {
		return nil
	}
	if retryable(err) {
		o.refused(nil, m, err)
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stats.Failed++
	o.land(m, f)
	return fmt.Errorf("publish %s to %s: %w", m.Subject, o.where, err)
}

// retryable reports whether the same message may get through later. What a stream
// refuses (too large, full with discard: new, not allowed) it refuses again.
func retryable(err error) bool {
	for _, lost := range []error{
		nats.ErrDisconnected, nats.ErrReconnectBufExceeded, nats.ErrTimeout,
		jetstream.ErrAsyncPublishTimeout, jetstream.ErrNoStreamResponse, jetstream.ErrTooManyStalledMsgs,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}

// acked is called by nats.go for each acknowledgement.
func (o *outbox) acked(_ jetstream.JetStream, m *nats.Msg, ack *jetstream.PubAck) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.flights[m]
	if f == nil {
		return
	}
	o.stats.Acked++
	if ack.Duplicate {
		o.stats.Duplicates++
	}
	o.land(m, f)
}

// refused is called by nats.go for each message without an acknowledgement.
func (o *outbox) refused(_ jetstream.JetStream, m *nats.Msg, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.flights[m]
	if f == nil {
		return
	}
	if retryable(err) && !o.closed && time.Now().Before(f.until) {
		o.stats.Retried++
		f.retry = time.AfterFunc(f.delay, func() { o.again(m) })
		f.delay = min(2*f.delay, lastRetry)
		return
	}
	o.fail(m, f, err)
}

// again sends a message that got lost. Its id keeps it from being stored twice.
func (o *outbox) again(m *nats.Msg) {
	o.mu.Lock()
	f := o.flights[m]
	if f == nil || f.retry == nil {
		o.mu.Unlock()
		return
	}
	f.retry = nil
	o.mu.Unlock()
	if err := o.send(m); err != nil {
		o.refused(nil, m, err)
	}
}

// fail gives a message up. The caller holds mu.
func (o *outbox) fail(m *nats.Msg, f *flight, err error) {
	o.stats.Failed++
	err = fmt.Errorf("publish %s (id %s) to %s: %w", m.Subject, m.Header.Get(nats.MsgIdHdr), o.where, err)
	if len(o.errs) < maxErrors {
		o.errs = append(o.errs, err)
	} else {
		o.untold++
	}
	o.land(m, f)
}

// land takes a message off the way. The caller holds mu.
func (o *outbox) land(m *nats.Msg, f *flight) {
	delete(o.flights, m)
	delete(o.flying, f.number)
	<-o.slots
	for o.low < o.next {
		if _, ok := o.flying[o.low]; ok {
			break
		}
		o.low++
	}
	rest := o.waiters[:0]
	for _, w := range o.waiters {
		if w.number <= o.low {
			close(w.done)
		} else {
			rest = append(rest, w)
		}
	}
	clear(o.waiters[len(rest):])
	o.waiters = rest
}

// flush waits until all that was published before it has landed.
func (o *outbox) flush(ctx context.Context) error {
	o.mu.Lock()
	w := waiter{number: o.next, done: make(chan struct{})}
	if w.number <= o.low {
		close(w.done)
	} else {
		o.waiters = append(o.waiters, w)
	}
	o.mu.Unlock()
	var late error
	select {
	case <-w.done:
	case <-ctx.Done():
		o.mu.Lock()
		late = fmt.Errorf("%w: %d messages wait for %s to acknowledge them", ctx.Err(), len(o.flying), o.where)
		o.mu.Unlock()
	}
	return errors.Join(o.told(), late)
}

// told takes the errors that nobody was told yet.
func (o *outbox) told() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	errs := o.errs
	if o.untold > 0 {
		errs = append(errs, fmt.Errorf("and %d more messages were not published", o.untold))
	}
	o.errs, o.untold = nil, 0
	return errors.Join(errs...)
}

// close gives up what is still on its way and lets nothing more in.
func (o *outbox) close() error {
	o.mu.Lock()
	o.closed = true
	for m, f := range o.flights {
		if f.retry != nil {
			f.retry.Stop()
		}
		o.fail(m, f, ErrClosed)
	}
	o.mu.Unlock()
	return o.told()
}

func (o *outbox) snapshot() Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.stats
	s.Pending = len(o.flights)
	return s
}
