package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"depeer/bgp"
	"depeer/bus"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/postgres"
	"depeer/watch/timeline/sqlite"
	"depeer/watch/timeline/table"
)

// memory writes into the timeline what the streams tell: what the feeds said of routes
// through a Recorder, in the order of the judgement, and everything else as it is. It
// reads the streams on its own account: where the store is slow, or away, it falls
// behind and the judgement does not, and it goes on where the store stopped. What was
// stored, and up to which message, are stored together.
type memory struct {
	bus    *bus.Bus
	log    *slog.Logger
	store  timeline.Store
	roll   *roll
	policy watch.Policy
	keep   time.Duration // between two savings of what the recorder knows

	mu       sync.Mutex
	room     *sync.Cond         // mu; batch has been taken
	intake   *watch.Intake      // guarded by mu
	recorder *timeline.Recorder // guarded by mu
	batch    timeline.Batch     // guarded by mu; gathered, not stored
	weight   int                // guarded by mu; of the batch, about bytes
	stored   uint64             // guarded by mu; changes up to this message of the log are in the store
	kept     time.Time          // guarded by mu
	covered  timeline.Coverage  // guarded by mu; when a process like this one listened
	ended    bool               // guarded by mu
	reached  time.Time          // guarded by mu; all routes up to this moment are in the store
	trouble  string             // guarded by mu; why nothing can be stored at the moment
	counts   memoryCounts       // guarded by mu
}

// memoryCounts is everything that moves in the memory.
type memoryCounts struct {
	Changes, Records, Batches, Errors, Bad uint64
	Packed, Merged, Dropped                uint64
	Bytes                                  float64
}

const (
	memoryEvery  = 500 * time.Millisecond // between two writings
	memoryWeight = 16 << 20               // bytes that may wait to be stored
	memoryRetry  = 5 * time.Second

	keptIntake, keptRecorder = "intake", "recorder"
	keptCoverage             = timeline.KeptCoverage + "live"
)

// startMemory lets the process remember. A server that is away is waited for, and the
// judgement goes on meanwhile; a file that cannot be opened is a fault of the configuration.
func (m *monitor) startMemory(ctx context.Context, s *stopper) error {
	if m.cfg.Timeline.Off {
		return nil
	}
	store, err := openTimeline(ctx, m.cfg)
	if err != nil && m.cfg.Timeline.Postgres.DSN == "" {
		return err
	}
	m.start(s, "timeline", func(ctx context.Context) error {
		for err != nil {
			var later *table.LaterError
			if errors.As(err, &later) {
				return err
			}
			m.trouble.Store(new(err.Error()))
			m.log.Error("nothing is remembered until the server answers", "err", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(memoryRetry):
			}
			store, err = openTimeline(ctx, m.cfg)
		}
		m.trouble.Store(nil)
		defer store.Close()
		x, err := newMemory(ctx, m.bus, m.log, store, newRoll(m.lists.hosters()), m.cfg.Policy, m.cfg.Run.Save)
		if err != nil {
			return err
		}
		m.memory.Store(x)
		defer m.memory.Store(nil)
		return x.run(ctx)
	})
	return nil
}

// maintain packs what came into the timeline, and drops what is too old.
func (m *monitor) maintain(ctx context.Context) error {
	x := m.memory.Load()
	if x == nil {
		return nil
	}
	done, err := x.store.Maintain(ctx, time.Now().UTC(), m.cfg.Timeline.Retention)
	x.mu.Lock()
	defer x.mu.Unlock()
	if err == nil {
		x.counts.Bytes = float64(done.Bytes)
		x.counts.Packed += uint64(done.Packed)
		x.counts.Merged += uint64(done.Merged)
		x.counts.Dropped += uint64(done.Dropped)
	}
	return err
}

// memoryTrouble says why nothing can be remembered at the moment, "" where nothing is wrong.
func (m *monitor) memoryTrouble() string {
	if x := m.trouble.Load(); x != nil {
		return *x
	}
	if x := m.memory.Load(); x != nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.trouble
	}
	return ""
}

// openTimeline opens the store of the configuration for writing, and makes it where there
// is none.
func openTimeline(ctx context.Context, cfg *Config) (timeline.Store, error) {
	switch t := &cfg.Timeline; {
	case t.Off:
		return nil, errNoTimeline
	case t.Postgres.DSN != "":
		return postgres.Open(ctx, string(t.Postgres.DSN))
	default:
		return sqlite.Open(ctx, cfg.timelineFile())
	}
}

// openTimelineReader opens it for questions, beside a depeer that writes.
func openTimelineReader(ctx context.Context, cfg *Config) (timeline.Store, error) {
	switch t := &cfg.Timeline; {
	case t.Off:
		return nil, errNoTimeline
	case t.Postgres.DSN != "":
		return postgres.OpenReader(ctx, string(t.Postgres.DSN))
	default:
		return sqlite.OpenReader(ctx, cfg.timelineFile())
	}
}

var errNoTimeline = errors.New("the configuration says that nothing is remembered (timeline.off)")

// newMemory takes up where the store stopped.
func newMemory(ctx context.Context, b *bus.Bus, log *slog.Logger, store timeline.Store, r *roll, policy watch.Policy, keep time.Duration) (*memory, error) {
	m := &memory{bus: b, log: log, store: store, roll: r, policy: policy, keep: keep, kept: time.Now()}
	m.room = sync.NewCond(&m.mu)
	if err := m.load(ctx); err != nil {
		return nil, fmt.Errorf("timeline: %w", err)
	}
	m.intake.Divert(m)
	return m, nil
}

// load reads what the recorder knew. Without it the log is read from its beginning,
// and changes that are stored are not stored again.
func (m *memory) load(ctx context.Context) error {
	intake, err := m.store.Kept(ctx, keptIntake)
	if err != nil {
		return err
	}
	recorder, err := m.store.Kept(ctx, keptRecorder)
	if err != nil {
		return err
	}
	if err := m.loadCoverage(ctx, intake != nil); err != nil {
		return err
	}
	if intake != nil && recorder != nil {
		m.intake, err = watch.LoadIntake(bytes.NewReader(intake))
		if err == nil {
			m.recorder, err = timeline.LoadRecorder(bytes.NewReader(recorder))
		}
		if err == nil {
			return nil
		}
		m.log.Warn("what the timeline's writer knew cannot be used: the log is read from its beginning", "err", err)
	}
	m.intake = watch.NewIntake(watch.NewDetector(watch.Watchlist{}, m.policy))
	m.recorder = timeline.NewRecorder(m.policy.SyncQuiet)
	return nil
}

// loadCoverage reads since when somebody listened. A store of a time when that was not
// written down has listened since its first change.
func (m *memory) loadCoverage(ctx context.Context, used bool) error {
	body, err := m.store.Kept(ctx, keptCoverage)
	if err != nil {
		return err
	}
	list, err := timeline.DecodeCoverage(body)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		m.covered = list[0]
		return nil
	}
	if !used {
		return nil
	}
	known, err := m.store.Prefixes(ctx, timeline.Scope{})
	for _, x := range known {
		if m.covered.From.IsZero() || x.First.Before(m.covered.From) {
			m.covered.From = x.First
		}
	}
	return err
}

// cover gives what is kept of the time in which this process listens. The lock is held.
func (m *memory) cover() ([]byte, error) {
	now := m.intake.Now().UTC()
	if m.covered.From.IsZero() {
		m.covered.From = now
	}
	if now.After(m.covered.To) {
		m.covered.To = now
	}
	if m.covered.Recorded.IsZero() {
		m.covered.Recorded = time.Now().UTC().Truncate(time.Microsecond)
	}
	return timeline.EncodeCoverage([]timeline.Coverage{m.covered})
}

// cursorOf names a stream's position in the store. A stream that was made anew counts
// from one again.
func cursorOf(stream bus.Stream, made time.Time) string {
	return string(stream) + " " + made.Format(time.RFC3339Nano)
}

const stateCursor = "state of "

// run reads all streams until ctx ends, and stores what was gathered.
func (m *memory) run(ctx context.Context) error {
	err := m.read(ctx)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil // it had only begun
	}
	return err
}

func (m *memory) read(ctx context.Context) error {
	cursors, err := m.store.Cursors(ctx)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	failed := make(chan error, len(remembered)+1)
	inner, stop := context.WithCancel(ctx)
	defer stop()
	read := func(stream bus.Stream, cursor string, after uint64, take func(bus.Message, string) error) {
		all.Go(func() {
			err := m.bus.Consume(inner, stream, bus.Consumer{After: after}, func(_ context.Context, x bus.Message) error { return take(x, cursor) })
			if err != nil && inner.Err() == nil {
				failed <- fmt.Errorf("%s: %w", stream, err)
				stop()
			}
		})
	}
	for _, r := range remembered {
		cursor, after, err := m.begin(inner, r.stream, cursors, "")
		if err != nil {
			return err
		}
		read(r.stream, cursor, after, func(x bus.Message, cursor string) error { return m.remember(x, cursor, r.record) })
	}
	cursor, after, err := m.begin(inner, bus.Routes, cursors, stateCursor)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.stored = cursors[cursor]
	m.mu.Unlock()
	read(bus.Routes, cursor, after, m.routes)
	all.Go(func() { m.write(inner) })
	<-inner.Done()
	m.mu.Lock()
	m.ended = true
	m.room.Broadcast()
	m.mu.Unlock()
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return m.last()
	}
}

// begin finds where to read a stream on.
func (m *memory) begin(ctx context.Context, stream bus.Stream, cursors map[string]uint64, prefix string) (cursor string, after uint64, err error) {
	where, err := m.bus.Position(ctx, stream)
	if err != nil {
		return "", 0, err
	}
	cursor = cursorOf(stream, where.Made)
	after = cursors[prefix+cursor]
	if n := int64(where.First) - int64(after) - 1; n > 0 && (after > 0 || where.First > 1) {
		m.log.Error("the timeline lacks what the stream no longer holds", "stream", stream, "messages", n)
	}
	return cursor, after, nil
}

// remember takes in a message that is stored as it is.
func (m *memory) remember(x bus.Message, cursor string, record func(bus.Message) (timeline.Record, error)) error {
	r, err := record(x)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case errors.Is(err, errOther):
	case err != nil:
		m.counts.Bad++
		m.log.Warn("a message cannot be remembered", "subject", x.Subject, "sequence", x.Sequence, "err", err)
	default:
		m.batch.Records = append(m.batch.Records, r)
		m.weight += len(r.Body) + 200
	}
	m.at(cursor, x.Sequence)
	return m.wait()
}

// routes takes in a message of the log.
func (m *memory) routes(x bus.Message, cursor string) error {
	p, isPulse, err := x.Pulse()
	var updates []bgp.Update
	if err == nil && !isPulse {
		updates, err = x.Routes()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil:
		m.counts.Bad++
		m.log.Warn("a message of the log cannot be remembered", "sequence", x.Sequence, "err", err)
	case isPulse:
		m.intake.Pulse(p)
	default:
		m.intake.Updates(x.Feed, updates)
	}
	m.intake.Take() // what it says of sessions, the judgement says too
	changes := m.recorder.Take()
	if x.Sequence > m.stored {
		m.batch.Changes = append(m.batch.Changes, changes...)
		m.weight += 150 * len(changes)
		m.at(cursor, x.Sequence)
	}
	if time.Since(m.kept) >= m.keep {
		if err := m.keepState(cursor, x.Sequence); err != nil {
			return err
		}
	}
	return m.wait()
}

// rewatch puts another watchlist in force. Nobody tells any more of what left it: that a
// peer's next table lacks it would be no news.
func (m *memory) rewatch(hosters []watch.Hoster) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, q := range m.roll.replace(hosters) {
		m.recorder.Forget(q)
	}
}

var _ watch.Listener = (*memory)(nil)

// Observe is called by the intake, within routes.
func (m *memory) Observe(u bgp.Update) {
	var hosters []string
	if u.Prefix.IsValid() {
		hosters = m.roll.of(&u)
		if slices.Equal(hosters, m.roll.everyone) {
			hosters = nil
		}
	}
	m.recorder.Observe(hosters, u)
}

// Advance is called by the intake, within routes.
func (m *memory) Advance(now time.Time) { m.recorder.Advance(now) }

func (m *memory) at(cursor string, sequence uint64) {
	if m.batch.Cursors == nil {
		m.batch.Cursors = map[string]uint64{}
	}
	m.batch.Cursors[cursor] = sequence
}

// wait holds up the reader while too much waits to be stored. The lock is held.
func (m *memory) wait() error {
	for m.weight > memoryWeight && !m.ended {
		m.room.Wait()
	}
	return nil
}

// keepState puts what the recorder knows into the batch. The lock is held.
func (m *memory) keepState(cursor string, sequence uint64) error {
	var intake, recorder bytes.Buffer
	if err := m.intake.Save(&intake); err != nil {
		return err
	}
	if err := m.recorder.Save(&recorder); err != nil {
		return err
	}
	covered, err := m.cover()
	if err != nil {
		return err
	}
	m.batch.Kept = map[string][]byte{keptIntake: intake.Bytes(), keptRecorder: recorder.Bytes(), keptCoverage: covered}
	m.at(stateCursor+cursor, sequence)
	m.kept = time.Now()
	return nil
}

// write stores what was gathered, again and again, until ctx ends.
func (m *memory) write(ctx context.Context) {
	ticker := time.NewTicker(memoryEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		b, upTo := m.take()
		for len(b.Cursors) > 0 {
			err := m.store.Write(ctx, b)
			m.wrote(b, upTo, err)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				m.giveBack(b)
				return
			case <-time.After(memoryRetry):
			}
		}
	}
}

// take takes what was gathered; its weight is let go when it is stored.
func (m *memory) take() (*timeline.Batch, time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.batch
	m.batch = timeline.Batch{}
	if b.Recorded.IsZero() {
		b.Recorded = time.Now().UTC().Truncate(time.Microsecond)
	}
	return &b, m.intake.Now()
}

// upTo is the moment up to which the store holds every route that was heard.
func (m *memory) upTo() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reached
}

func (m *memory) wrote(b *timeline.Batch, upTo time.Time, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.counts.Errors++
		if m.trouble == "" {
			m.log.Error("the timeline cannot be written: it is tried again, and the log keeps what it lacks", "err", err)
		}
		m.trouble = err.Error()
		return
	}
	if m.trouble != "" {
		m.log.Info("the timeline is written again")
	}
	m.trouble, m.reached = "", upTo
	m.counts.Batches++
	m.counts.Changes += uint64(len(b.Changes))
	m.counts.Records += uint64(len(b.Records))
	m.weight = 0
	for _, r := range m.batch.Records {
		m.weight += len(r.Body) + 200
	}
	m.weight += 150 * len(m.batch.Changes)
	m.room.Broadcast()
}

// giveBack puts a batch that was not stored before what was gathered since.
func (m *memory) giveBack(b *timeline.Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b.Changes = append(b.Changes, m.batch.Changes...)
	b.Records = append(b.Records, m.batch.Records...)
	for name, n := range m.batch.Cursors {
		b.Cursors[name] = n
	}
	if m.batch.Kept != nil {
		b.Kept = m.batch.Kept
	}
	m.batch = *b
}

// last stores what is left at the end, with what the recorder knows.
func (m *memory) last() error {
	m.mu.Lock()
	for name, n := range m.batch.Cursors {
		if strings.HasPrefix(name, string(bus.Routes)) {
			if err := m.keepState(name, n); err != nil {
				m.mu.Unlock()
				return err
			}
			break
		}
	}
	m.mu.Unlock()
	b, upTo := m.take()
	if len(b.Cursors) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), memoryRetry)
	defer cancel()
	err := m.store.Write(ctx, b)
	m.wrote(b, upTo, err)
	return err
}
