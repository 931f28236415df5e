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
	"depeer/watch/cnc"
)

// migrator reads what was seen of C&C servers and what was judged of routes, and publishes
// where families went. What it knows is a function of three streams; it is saved now and then
// with the place in each of them, so that after a restart only their ends are read again.
type migrator struct {
	bus      *bus.Bus
	log      *slog.Logger
	list     watch.Watchlist
	rule     cnc.Config
	register cnc.Register // what is known of AS numbers; nil: nothing is
	where    cnc.Where    // joins sightings that come without a place; nil: nothing does

	mu     sync.Mutex
	judge  *cnc.Judge          // guarded by mu
	at     [3]uint64           // guarded by mu; of the last message of each stream that was taken in
	saved  [3]uint64           // guarded by mu
	known  map[string]struct{} // guarded by mu; ids published before the restart
	broken bool                // guarded by mu; something was found and not published
	counts migratorCounts      // guarded by mu
	end    [3]uint64           // where the streams ended at the start
	caught chan struct{}       // closed when they have been read up to there
}

// migratorCounts is everything that moves in it.
type migratorCounts struct {
	Sightings, Events, Incidents, Bad uint64
	Published, Repeated               uint64
	Saves, SaveErrors                 uint64
}

var migratorStreams = [3]bus.Stream{bus.Sightings, bus.Events, bus.Incidents}

const stateMigrations = "migrations"

func newMigrator(b *bus.Bus, log *slog.Logger, list watch.Watchlist, rule cnc.Config, where cnc.Where) *migrator {
	return &migrator{bus: b, log: log, list: list, rule: rule, where: where, caught: make(chan struct{})}
}

// load takes up where the last process stopped.
func (m *migrator) load(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	since := time.Time{}
	r, notes, err := m.bus.LoadState(ctx, stateMigrations)
	switch {
	case errors.Is(err, bus.ErrNoState):
	case err != nil:
		return err
	default:
		defer r.Close()
		m.judge, err = cnc.LoadJudge(r, m.rule, m.list, m.register)
		if err != nil {
			m.log.Warn("what was known of migrations cannot be used: sightings and events are read from their beginning", "err", err)
			m.judge = nil
			break
		}
		since, _ = time.Parse(time.RFC3339Nano, notes["at"])
		since = since.Add(-time.Minute) // clocks of several machines
		for i, s := range migratorStreams {
			m.at[i], _ = strconv.ParseUint(notes[string(s)], 10, 64)
		}
		m.saved = m.at
	}
	if m.judge == nil {
		m.judge = cnc.NewJudge(m.rule, m.list, m.register)
	}
	if m.known, err = m.bus.IDs(ctx, bus.Events, since); err != nil {
		return err
	}
	for i, s := range migratorStreams {
		where, err := m.bus.Position(ctx, s)
		if err != nil {
			return err
		}
		m.end[i] = where.Last
	}
	return nil
}

// run takes in the three streams until ctx ends: what lies in them at the start in order
// of time, what comes then as it comes.
func (m *migrator) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	var in [3]chan bus.Message
	failed := make(chan error, len(in))
	for i, s := range migratorStreams {
		in[i] = make(chan bus.Message)
		m.mu.Lock()
		after := m.at[i]
		m.mu.Unlock()
		all.Add(1)
		go func() {
			defer all.Done()
			failed <- m.bus.Consume(ctx, s, bus.Consumer{After: after}, func(ctx context.Context, x bus.Message) error {
				select {
				case in[i] <- x:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		}()
	}
	defer all.Wait()
	defer cancel()
	if err := m.catchUp(ctx, in, failed); err != nil {
		return err
	}
	return m.follow(ctx, in, failed)
}

// catchUp merges what the streams held at the start by time.
func (m *migrator) catchUp(ctx context.Context, in [3]chan bus.Message, failed chan error) error {
	var head [3]*bus.Message
	for {
		next := -1
		for i := range in {
			m.mu.Lock()
			done := m.at[i] >= m.end[i]
			m.mu.Unlock()
			if done {
				continue
			}
			if head[i] == nil {
				select {
				case x := <-in[i]:
					head[i] = &x
				case err := <-failed:
					return err
				case <-ctx.Done():
					return nil
				}
			}
			if next < 0 || head[i].At.Before(head[next].At) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		if err := m.pass(ctx, head[next].At); err != nil {
			return err
		}
		m.take(next, *head[next], head[next].At)
		head[next] = nil
	}
	m.mu.Lock()
	messages := m.counts.Sightings + m.counts.Events + m.counts.Incidents
	m.mu.Unlock()
	m.log.Info("all that was seen of C&C before is judged", "messages", messages)
	close(m.caught)
	return nil
}

// follow takes in what comes from now on. It is judged once a second, so that what comes
// together is judged together.
func (m *migrator) follow(ctx context.Context, in [3]chan bus.Message, failed chan error) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case x := <-in[0]:
			m.take(0, x, time.Now())
		case x := <-in[1]:
			m.take(1, x, time.Now())
		case x := <-in[2]:
			m.take(2, x, time.Now())
		case <-ticker.C:
			if err := m.pass(ctx, time.Now()); err != nil {
				return err
			}
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// take takes in one message, at a moment.
func (m *migrator) take(stream int, x bus.Message, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.read(stream, x, now); err != nil {
		m.counts.Bad++
		m.log.Warn("a message cannot be read", "err", err)
	}
	m.at[stream] = x.Sequence
}

func (m *migrator) read(stream int, x bus.Message, now time.Time) error {
	switch migratorStreams[stream] {
	case bus.Sightings:
		s, err := x.Sighting()
		if err != nil {
			return err
		}
		if s.ID == "" || s.ID != x.ID {
			return nil // a sensor's own word: what was accepted of it follows, under its id
		}
		if s.At.IsZero() {
			return fmt.Errorf("message %d on %s: a sighting without a time", x.Sequence, x.Subject)
		}
		m.counts.Sightings++
		if s.At.After(now) {
			s.At = now // clocks differ
		}
		if s.Place == nil && s.Addr.IsValid() && m.where != nil {
			if p, ok := m.where.Place(s.Addr, s.At); ok {
				s.Place = &p
			}
		}
		m.judge.Observe(s)
	case bus.Events:
		if x.IsMigration() {
			return nil // our own
		}
		e, err := x.Event()
		if err != nil {
			return err
		}
		m.counts.Events++
		m.judge.Event(e)
	default:
		i, err := x.Incident()
		if err != nil {
			return err
		}
		m.counts.Incidents++
		m.judge.Incident(i)
	}
	return nil
}

// pass lets time pass.
func (m *migrator) pass(ctx context.Context, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.publish(ctx, m.judge.Advance(now))
}

// publish publishes what was found, unless that was done before.
func (m *migrator) publish(ctx context.Context, list []cnc.Migration) error {
	for i := range list {
		x := &list[i]
		if _, ok := m.known[x.ID+"."+strconv.Itoa(x.Revision)]; ok {
			m.counts.Repeated++
			continue
		}
		if err := m.bus.PublishMigration(ctx, *x); err != nil {
			m.broken = true
			return err
		}
		m.counts.Published++
		m.log.Info("migration", "kind", x.Kind, "hoster", x.Hoster, "family", x.Family, "to", x.To.ASN, "score", x.Score, "id", x.ID, "revision", x.Revision, "summary", x.Summary)
	}
	return nil
}

// save keeps what is known, for the next start.
func (m *migrator) save(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at == m.saved || m.broken || !m.upToDate() {
		return nil
	}
	// What was concluded is acknowledged before its premises are forgotten.
	if err := m.bus.Flush(ctx); err != nil {
		m.counts.SaveErrors++
		return fmt.Errorf("save what is known of migrations: %w", err)
	}
	notes := map[string]string{"at": time.Now().UTC().Format(time.RFC3339Nano), "version": version}
	for i, s := range migratorStreams {
		notes[string(s)] = strconv.FormatUint(m.at[i], 10)
	}
	if err := m.bus.SaveState(ctx, stateMigrations, notes, func(w io.Writer) error { return m.judge.Save(w) }); err != nil {
		m.counts.SaveErrors++
		return err
	}
	m.saved = m.at
	m.counts.Saves++
	return nil
}

func (m *migrator) upToDate() bool {
	select {
	case <-m.caught:
		return true
	default:
		return false
	}
}

// rewatch puts another watchlist in force.
func (m *migrator) rewatch(list watch.Watchlist) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = list
	m.judge.Rewatch(list)
}

// startMigrations starts the judgement of migrations.
func (m *monitor) startMigrations(ctx context.Context, s *stopper) error {
	list, _ := m.lists.watchlist()
	m.moves = newMigrator(m.bus, m.log, list, m.cfg.Migration, m.seen)
	m.moves.register = m.seen.register()
	if err := m.moves.load(ctx); err != nil {
		return err
	}
	s.add("migrations known", func(stop context.Context) error {
		if failure(ctx) != nil {
			return nil
		}
		return m.moves.save(stop)
	})
	m.start(s, "migrations", m.moves.run)
	return nil
}
