package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/spf13/cobra"

	"depeer/bgp/fetch"
	"depeer/bgp/wire"
	"depeer/bus"
	"depeer/watch"
	"depeer/web"
)

// The roles of a process. One may have all of them; several processes share the
// work over NATS.
const (
	roleCollect = "collect" // runs the sources and writes the log
	roleDetect  = "detect"  // judges the log
	roleNotify  = "notify"  // tells people
	roleWeb     = "web"     // answers questions
)

var allRoles = []string{roleCollect, roleDetect, roleNotify, roleWeb}

func runCommand() *cobra.Command {
	var roles []string
	c := &cobra.Command{
		Use:                   "run --config FILE [--roles ROLE,...]",
		DisableFlagsInUseLine: true,
		Short:                 "Watch the living Internet: every configured source, judged as it speaks",
		Long: `Watch the living Internet. Every source of the configuration is heard, what it says
of the watched hosters is written into a log (NATS JetStream, within depeer unless
configured otherwise), the log is judged, and events and incidents are published.

It only listens: it announces no route. Ctrl-C or SIGTERM ends it; SIGHUP, or a change
of the file, puts another watchlist in force without losing what is known. Killed at
any moment, it goes on where it stopped.

  depeer status --config FILE     shows the board of a running depeer`,
		GroupID: groupWatch,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, r := range roles {
				if !slices.Contains(allRoles, r) {
					return usagef("--roles: %q is none of %s%s", r, strings.Join(allRoles, ", "), didYouMean(r, allRoles))
				}
			}
			r := &monitor{file: configFile(cmd), roles: roles, began: time.Now().UTC(), out: cmd.ErrOrStderr()}
			r.reloading.loaded(r.file)
			var err error
			if r.cfg, err = loadConfig(cmd); err != nil {
				return err
			}
			return r.run(cmd.Context())
		},
	}
	c.Flags().StringSliceVar(&roles, "roles", allRoles, "what this process does")
	return c
}

// monitor is a running depeer.
type monitor struct {
	cfg   *Config // as it was at the start; hosters and policy: see lists
	file  string
	roles []string
	began time.Time
	out   io.Writer

	log     *slog.Logger
	bus     *bus.Bus
	lists   *lists
	judge   *judge                     // nil without the role
	seen    *sightings                 // nil without the role
	moves   *migrator                  // nil without the role
	collect atomic.Pointer[collector]  // nil without the role, and until it begins
	memory  atomic.Pointer[memory]     // nil without the role, and until the store is there
	trouble atomic.Pointer[string]     // why the store is not there
	web     atomic.Pointer[web.Server] // nil without the role, and until it listens
	herald  *herald                    // nil without the role
	people  *webDesk                   // what people do about incidents; nil where nobody is told anything
	metrics http.Handler
	fetch   *fetch.Fetcher
	holes   holeBook

	reloading fileState

	fail context.CancelCauseFunc // ends everything; the first error is why
}

func (m *monitor) has(role string) bool { return slices.Contains(m.roles, role) }

// run starts what the roles need, each thing after what it depends on, waits for the
// end, and stops in the reverse order.
func (m *monitor) run(ctx context.Context) (err error) {
	m.log = newLogger(m.out, m.cfg.Run)
	ctx, m.fail = context.WithCancelCause(ctx)
	defer m.fail(nil)
	// From the first moment: a SIGHUP that nobody waits for ends a process.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	if m.has(roleCollect) && len(m.cfg.Sources) == 0 {
		return usagef("%s: the configuration names no sources: nothing would be heard", m.file)
	}
	if err := os.MkdirAll(m.cfg.Run.State, 0o755); err != nil {
		return err
	}
	var s stopper
	defer func() { err = errors.Join(err, s.stop(m.cfg.Run.Stop, m.log)) }()

	m.bus, err = bus.Open(ctx, m.cfg.Bus, bus.Deps{Logger: m.log})
	if err != nil {
		return err
	}
	s.add("bus", func(context.Context) error { return m.bus.Close() })
	m.start(&s, "log", m.written)
	m.holes.gaps = map[string]watch.Gap{}
	if m.fetch, err = newFetcher(m.cfg.Run, fetch.Deps{Logger: m.log}); err != nil {
		return err
	}
	if m.lists, err = loadLists(ctx, m.cfg, m.fetch, m.log); err != nil {
		return err
	}
	if m.has(roleNotify) { // before anything can be found
		if err := m.startNotify(ctx, &s); err != nil {
			return err
		}
	}
	if m.has(roleDetect) {
		if err := m.startSightings(ctx, &s); err != nil {
			return err
		}
		if err := m.startJudge(ctx, &s); err != nil {
			return err
		}
	}
	if m.has(roleDetect) {
		if err := m.startMemory(ctx, &s); err != nil {
			return err
		}
	}
	if m.people, err = m.newWebDesk(ctx); err != nil {
		return err
	}
	if m.has(roleDetect) {
		if err := m.startMigrations(ctx, &s); err != nil {
			return err
		}
	}
	m.metrics = newMetrics(m)
	if m.has(roleWeb) && m.cfg.Web.Listen != "" {
		if err := m.startWeb(&s); err != nil {
			return err
		}
	}
	if m.has(roleDetect) && !m.awaitJudge(ctx) {
		return failure(ctx)
	}
	if m.has(roleCollect) {
		if err := m.startCollector(ctx, &s); err != nil {
			return err
		}
	}
	if err := m.startJobs(ctx, &s, hup); err != nil {
		return err
	}
	if list := m.lists.hosters(); examples(list) {
		m.log.Warn("only examples are watched, which nobody announces: put hosters of your own into the configuration", "file", m.file, "hosters", len(list))
	}
	m.log.Info("depeer runs", "status", "depeer status --config "+m.file, "version", thisBuild().Version, "roles", m.roles, "hosters", len(m.lists.hosters()), "sources", len(m.cfg.Sources), "web", m.webAddr(), "pages", m.pages())
	<-ctx.Done()
	m.log.Info("stopping", "reason", cmp.Or(errText(failure(ctx)), "asked to"))
	return failure(ctx)
}

// examples reports whether all AS numbers are those set aside for documentation
// (RFC 5398): the configuration is the one that depeer comes with.
func examples(hosters []watch.Hoster) bool {
	return !slices.ContainsFunc(hosters, func(h watch.Hoster) bool {
		return len(h.ASNs) == 0 || slices.ContainsFunc(h.ASNs, func(a uint32) bool {
			return (a < 64496 || a > 64511) && (a < 65536 || a > 65551)
		})
	})
}

// written fails once NATS did not take a message. Nobody knows then what is missing in
// the log, or among the events: to begin again with what was saved, and with the
// tables that all neighbours send again, is the one way to lose nothing.
func (m *monitor) written(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if n := m.bus.Stats().Failed; n > 0 {
			short, cancel := context.WithTimeout(ctx, time.Millisecond)
			why, _, _ := strings.Cut(errText(m.bus.Flush(short)), "\n")
			cancel()
			return fmt.Errorf("%d messages could not be written to NATS, tried for %s (bus.patience); started again, what they told is heard again: %s", n, m.cfg.Bus.Patience, why)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// failure is the error that ended the monitor; nil where it was asked to end, or runs.
func failure(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// stopper ends what was started, the last thing first.
type stopper struct{ steps []ending }

type ending struct {
	name string
	end  func(context.Context) error
}

func (s *stopper) add(name string, end func(context.Context) error) {
	s.steps = append(s.steps, ending{name, end})
}

// stop takes at most the time given.
func (s *stopper) stop(within time.Duration, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var errs []error
	for _, x := range slices.Backward(s.steps) {
		done := make(chan error, 1)
		go func() { done <- x.end(ctx) }()
		select {
		case err := <-done:
			if err != nil {
				errs = append(errs, fmt.Errorf("stop %s: %w", x.name, err))
			}
		case <-ctx.Done():
			log.Error("does not end, left behind", "part", x.name, "after", within)
			errs = append(errs, fmt.Errorf("stop %s: it did not end within %s", x.name, within))
		}
	}
	return errors.Join(errs...)
}

// start runs work in the background until it is stopped. An error is fatal.
func (m *monitor) start(s *stopper, name string, work func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Add(1)
	go func() {
		defer all.Done()
		if err := work(ctx); err != nil && ctx.Err() == nil {
			m.fail(fmt.Errorf("%s: %w", name, err))
		}
	}()
	s.add(name, func(context.Context) error {
		cancel()
		all.Wait()
		return nil
	})
}

func (m *monitor) startJudge(ctx context.Context, s *stopper) error {
	list, policy := m.lists.watchlist()
	m.judge = newJudge(m.bus, m.log, list, policy)
	if err := m.judge.load(ctx); err != nil {
		return err
	}
	m.judge.ask(func(i *watch.Intake) { i.Detector().Validate = m.seen.validate })
	whole := func(work func(context.Context) error) func(context.Context) error {
		return func(stop context.Context) error {
			if failure(ctx) != nil {
				return nil // what was judged since the last saving may have been lost
			}
			return work(stop)
		}
	}
	s.add("state", whole(m.judge.save))
	m.start(s, "detect", m.judge.run)
	if !m.has(roleCollect) {
		m.start(s, "clock", m.judge.tick)
	}
	// What the feeds said before they were stopped is judged before the end.
	s.add("log", whole(m.judge.drain))
	return nil
}

// awaitJudge waits until the judgement is up to date; false where the end came first.
func (m *monitor) awaitJudge(ctx context.Context) bool {
	select {
	case <-m.judge.caught:
		return true
	case <-ctx.Done():
		return false
	}
}

func (m *monitor) startCollector(ctx context.Context, s *stopper) error {
	hosters := m.lists.hosters()
	c := &collector{bus: m.bus, log: m.log, roll: newRoll(hosters), began: m.began, filler: &liveFeed{name: fillerName, careful: true}}
	list, err := m.followed(ctx, c.roll)
	if err != nil {
		return err
	}
	c.shared = wire.NewShared(list)
	for i := range m.cfg.Sources {
		c.feeds = append(c.feeds, m.feedOf(&m.cfg.Sources[i], c.shared))
	}
	m.collect.Store(c)
	m.start(s, "ledger", func(ctx context.Context) error { return m.holes.read(ctx, m.bus) })
	m.start(s, "collect", func(ctx context.Context) error {
		c.run(ctx)
		return nil
	})
	return nil
}

// stateFollowed is what the judgement follows, for collectors in other processes.
const stateFollowed = "followed"

// followed is what the feeds have to watch: the configured list, and what was
// learned before the restart.
func (m *monitor) followed(ctx context.Context, r *roll) (wire.List, error) {
	list := m.lists.wireList()
	if m.judge == nil {
		kept, err := loadFollowed(ctx, m.bus)
		return merge(list, kept), err
	}
	m.judge.ask(func(i *watch.Intake) {
		list = merge(list, i.Detector().Followed())
		i.Detector().Hosters(r.learn)
	})
	return list, nil
}

// startJobs starts what runs on a schedule.
func (m *monitor) startJobs(ctx context.Context, s *stopper, hup <-chan os.Signal) error {
	sched, err := gocron.NewScheduler(gocron.WithLocation(time.UTC), gocron.WithStopTimeout(m.cfg.Run.Stop/2), gocron.WithLogger(cronLogger{m.log}))
	if err != nil {
		return err
	}
	for _, j := range m.jobs() {
		if j.every == 0 {
			continue
		}
		_, err := sched.NewJob(gocron.DurationJob(j.every), gocron.NewTask(func(ctx context.Context) {
			if err := j.work(ctx); err != nil && ctx.Err() == nil {
				m.log.Error("job", "job", j.name, "err", err)
			}
		}), gocron.WithName(j.name), gocron.WithSingletonMode(gocron.LimitModeReschedule), gocron.WithContext(ctx))
		if err != nil {
			return fmt.Errorf("job %s: %w", j.name, err)
		}
	}
	sched.Start()
	s.add("jobs", func(context.Context) error { return sched.Shutdown() })
	m.start(s, "reload", func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hup:
				m.reload(ctx, "SIGHUP")
			}
		}
	})
	return nil
}

// job is something that is done again and again.
type job struct {
	name  string
	every time.Duration
	work  func(context.Context) error
}

func (m *monitor) jobs() []job {
	all := []job{{"reload", m.cfg.Run.Reload, m.lookForChange}}
	if m.judge != nil {
		all = append(all, job{"save", m.cfg.Run.Save, m.saveAll})
	}
	if m.has(roleDetect) && !m.cfg.Timeline.Off {
		all = append(all, job{"timeline", m.cfg.Timeline.Maintain, m.maintain})
	}
	if m.herald != nil {
		all = append(all, job{"digests", time.Minute, m.digests})
	}
	if m.collect.Load() != nil {
		all = append(all, job{"fill gaps", m.cfg.Run.Fill, m.fillGaps})
	}
	all = append(all, m.archiveJobs()...)
	all = append(all, m.sightingJobs()...)
	for _, l := range m.lists.fetched {
		all = append(all, job{"watchlist " + l.Status().Name, l.Every(), func(ctx context.Context) error { return m.refresh(ctx, l) }})
	}
	return all
}

// saveAll keeps what is known, for the next start and for other processes.
func (m *monitor) saveAll(ctx context.Context) error {
	if err := m.judge.save(ctx); err != nil {
		return err
	}
	if m.moves != nil {
		if err := m.moves.save(ctx); err != nil {
			return err
		}
	}
	return m.judge.saveFollowed(ctx)
}

func newLogger(w io.Writer, c RunConfig) *slog.Logger {
	level := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}[c.Log]
	opts := &slog.HandlerOptions{Level: level}
	if c.JSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// cronLogger lets gocron's own words through where they matter.
type cronLogger struct{ log *slog.Logger }

func (c cronLogger) Debug(string, ...any)          {}
func (c cronLogger) Info(string, ...any)           {}
func (c cronLogger) Warn(msg string, args ...any)  { c.log.Warn(msg, args...) }
func (c cronLogger) Error(msg string, args ...any) { c.log.Error(msg, args...) }
