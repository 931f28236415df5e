package rislive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"depeer/bgp"
)

// Feed is RIS Live as a feed. See the package for what it promises.
type Feed struct {
	cfg     Config
	deps    Deps
	http    *http.Client
	now     func() time.Time
	counts  *counts
	board   *board
	learned chan struct{} // a token where Run has emitted something, and may have learned
}

var _ bgp.Feed = (*Feed)(nil)

// New readies a feed; nothing is opened.
func New(cfg Config, deps Deps) (*Feed, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Watch == nil {
		return nil, errors.New("rislive: no watchlist")
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Random == nil {
		deps.Random = rand.Float64
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	return &Feed{cfg: cfg, deps: deps, now: deps.Now, counts: &counts{}, board: newBoard(deps.Now, cfg.Hosts), learned: make(chan struct{}, 1)}, nil
}

// hosts gives the collectors to ask for, "" alone for all. RIS writes hosts in full
// and understands, by its manual, the short name: both are asked for, and what comes
// twice counts once.
func (f *Feed) hosts() []string {
	if len(f.cfg.Hosts) == 0 {
		return []string{""}
	}
	var out []string
	for _, h := range f.cfg.Hosts {
		out = append(out, h)
		if c := collectorOf(h); c != h {
			out = append(out, c)
		} else if len(c) == len("rrc00") && c[:3] == "rrc" {
			out = append(out, c+".ripe.net")
		}
	}
	return out
}

// emitError is an error of emit, which ends Run.
type emitError struct{ error }

// Run hears RIS Live until ctx ends or emit returns an error, which it returns.
func (f *Feed) Run(ctx context.Context, emit func([]bgp.Update) error) error {
	f.http = f.deps.HTTP
	if f.http == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableCompression = true // the stream would cost more to unpack than to read
		defer t.CloseIdleConnections()
		f.http = &http.Client{Transport: t}
	}
	in := newIntake(f.cfg, f.deps, f.counts, f.board)
	pause := backOff{min: f.cfg.BackOffMin, max: f.cfg.BackOffMax, random: f.deps.Random}
	for {
		began := f.now()
		f.board.close("connecting")
		err := f.connection(ctx, in, emit)
		var failed *emitError
		switch {
		case errors.As(err, &failed):
			f.board.close("stopped")
			return failed.error
		case ctx.Err() != nil:
			f.board.close("stopped")
			return ctx.Err()
		}
		wait := pause.next(f.now().Sub(began))
		var status *statusError
		if errors.As(err, &status) {
			wait = max(wait, status.after)
		}
		f.board.close(fmt.Sprintf("%v; the next attempt is %v later", err, wait.Round(time.Millisecond)))
		f.deps.Logger.Warn("RIS Live is not connected", "source", f.cfg.Name, "error", err, "wait", wait)
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			f.board.close("stopped")
			return ctx.Err()
		case <-t.C:
		}
	}
}

// connection connects, and hears until the connection is lost. It says why.
func (f *Feed) connection(run context.Context, in *intake, emit func([]bgp.Update) error) error {
	t, err := f.dial(run)
	if err != nil {
		f.counts.refused.Add(1)
		return fmt.Errorf("connect: %w", err)
	}
	f.counts.connections.Add(1)
	in.connection++
	q := newQueue(f.cfg.Queue)
	_, isStream := t.(*stream)
	f.board.open(q, isStream, !isStream && f.cfg.Subscribe != SubscribeAll)
	f.deps.Logger.Info("RIS Live is connected", "source", f.cfg.Name)

	ctx, cancel := context.WithCancelCause(run)
	defer context.AfterFunc(ctx, t.close)()
	var wg sync.WaitGroup
	var last atomic.Int64 // arrival of the last message, Unix microseconds
	last.Store(f.now().UnixMicro())
	wg.Go(func() { cancel(f.reader(t, q, &last)) })
	wg.Go(func() { f.pinger(ctx, cancel, t, &last) })
	wg.Go(func() { f.watcher(ctx, cancel, &last) })
	if !isStream {
		wg.Go(func() {
			s := &subscriber{f: f, t: t}
			if err := s.run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	err = f.consume(q, in, emit)
	cancel(err)
	t.close()
	wg.Wait()
	if err != nil {
		return err
	}
	err = context.Cause(ctx)
	if said := f.board.said(); said != "" {
		err = fmt.Errorf("%s (%w)", said, err)
	}
	f.counts.subscriptions.Store(0)
	if run.Err() != nil {
		return run.Err() // nothing is said any more
	}
	f.counts.lost.Add(1)
	f.board.close("connection lost: " + err.Error())
	in.unheard("RIS Live: connection lost: "+err.Error(), nil, 0)
	if err := f.flush(in, emit); err != nil {
		return err
	}
	return fmt.Errorf("connection lost: %w", err)
}

// reader moves messages from the socket to the queue and waits for nobody.
func (f *Feed) reader(t transport, q *queue, last *atomic.Int64) error {
	defer q.close()
	for {
		line, err := t.read()
		if err != nil {
			return err
		}
		now := f.now().UnixMicro()
		last.Store(now)
		f.counts.bytes.Add(uint64(len(line)))
		q.put(line, now)
		f.counts.read.Add(1)
	}
}

// pinger pings, and ends a connection whose server does not answer.
func (f *Feed) pinger(ctx context.Context, cancel context.CancelCauseFunc, t transport, last *atomic.Int64) {
	tick := time.NewTicker(f.cfg.Ping)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c, stop := context.WithTimeout(ctx, f.cfg.ReadTimeout)
		err := t.ping(c)
		stop()
		if errors.Is(err, context.DeadlineExceeded) && f.quiet(last) < f.cfg.ReadTimeout {
			continue // the answer is on its way behind a flood of messages: it lives
		}
		if err != nil {
			cancel(fmt.Errorf("no answer to a ping: %w", err))
			return
		}
	}
}

// watcher ends a connection from which nothing comes.
func (f *Feed) watcher(ctx context.Context, cancel context.CancelCauseFunc, last *atomic.Int64) {
	tick := time.NewTicker(max(f.cfg.ReadTimeout/10, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if quiet := f.quiet(last); quiet >= f.cfg.ReadTimeout {
			cancel(fmt.Errorf("nothing came for %v", quiet.Round(time.Second)))
			return
		}
	}
}

// quiet is how long nothing has come.
func (f *Feed) quiet(last *atomic.Int64) time.Duration {
	return f.now().Sub(time.UnixMicro(last.Load()))
}

// consume takes in what the queue holds until it is closed and empty.
func (f *Feed) consume(q *queue, in *intake, emit func([]bgp.Update) error) error {
	var b *block
	for {
		if b = q.take(b); b == nil {
			return nil
		}
		for i := range b.ends {
			in.take(b.line(i), b.arrived[i])
			if len(in.out) >= maxBatch {
				if err := f.flush(in, emit); err != nil {
					return err
				}
			}
		}
		if b.gap.messages > 0 {
			in.missed(b.gap)
			f.deps.Logger.Warn("messages of RIS Live were dropped: depeer is too slow", "source", f.cfg.Name, "messages", b.gap.messages)
		}
		if err := f.flush(in, emit); err != nil {
			return err
		}
	}
}

// flush emits what was gathered.
func (f *Feed) flush(in *intake, emit func([]bgp.Update) error) error {
	if len(in.out) == 0 {
		return nil
	}
	n := len(in.out)
	if err := emit(in.out); err != nil {
		return &emitError{err}
	}
	f.counts.updates.Add(uint64(n))
	clear(in.out) // paths are not to be kept from the collector of garbage
	in.out = in.out[:0]
	select {
	case f.learned <- struct{}{}:
	default:
	}
	return nil
}
