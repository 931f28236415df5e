package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"depeer/bgp"
	"depeer/bgp/fetch"
	"depeer/bgp/mrt"
)

// collector is one collector that is followed. Only Run's goroutine uses it; what
// Health shows is copied (see Feed.show).
type collector struct {
	name     string
	cur      cursor
	sessions *mrt.Sessions
	begun    bool      // it has been seeded, or goes on from its cursor
	anew     bool      // the cursor is not gone on from
	next     time.Time // when there is something to do, zero: now
	dumpAt   time.Time // when to look for the dump that is owed
	relist   time.Time // when the index was last read because a file was not there
	failed   int       // errors in a row
	state    string    // "starting", "seeding", "catching up", "following", "late", "unreachable"
	since    time.Time
	reason   string
	heard    time.Time     // when a file was last read
	lag      time.Duration // how old its last record was then
}

// soon is how long a file takes to appear after its time is over, at best.
const soon = 20 * time.Second

// work does the next thing that is due for a collector: at most one file. It sets
// when the next one is. Its error is fatal.
func (f *Feed) work(ctx context.Context, c *collector, emit func([]bgp.Update) error) error {
	var err error
	switch {
	case !c.begun:
		err = f.begin(ctx, c, emit)
	case !c.cur.Owed.IsZero() && !f.now().Before(c.dumpAt):
		err = f.correct(ctx, c, emit)
	default:
		err = f.follow(ctx, c, emit)
	}
	if over, ok := err.(fatal); ok {
		return over.error
	}
	if err == nil {
		c.failed = 0
		return nil
	}
	return f.trouble(c, err, emit)
}

// trouble waits after an error that is not a file's but of the way to it, and says
// that nothing is heard when that lasts.
func (f *Feed) trouble(c *collector, err error, emit func([]bgp.Update) error) error {
	c.failed++
	f.count("errors", 1)
	now := f.now()
	c.next = now.Add(min(f.every(), time.Minute<<min(c.failed-1, 10)))
	if e, ok := errors.AsType[*fetch.Error](err); ok && e.Retry.After(c.next) {
		c.next = e.Retry
	}
	c.become(f, "unreachable", err.Error())
	f.reader.deps.Logger.Warn("an archive cannot be read", "feed", f.cfg.Name, "collector", c.name, "error", err, "again", c.next)
	if c.begun && now.After(c.cur.Until.Add(f.reader.layout.updates+f.cfg.Patience)) {
		return f.lose(c, c.cur.Until, err.Error(), emit)
	}
	return nil
}

// begin starts a collector: where it stopped, or with a table.
func (f *Feed) begin(ctx context.Context, c *collector, emit func([]bgp.Update) error) error {
	now := f.now()
	goOn := !c.anew && !c.cur.Done.IsZero()
	if goOn && f.cfg.Seed && now.Sub(c.cur.Until) > f.cfg.CatchUp {
		why := fmt.Sprintf("%s: %s behind, more than catch_up (%s): begins anew with a table", c.name, now.Sub(c.cur.Until).Round(time.Minute), f.cfg.CatchUp)
		if err := f.lose(c, c.cur.Until, why, emit); err != nil {
			return fatal{err}
		}
		goOn = false
	}
	switch {
	case goOn && f.cfg.Seed:
		c.become(f, "seeding", "reads its last table, to know which routes are wanted")
		_, _, err := f.reader.seed(ctx, c.name, c.cur.Until, mrt.NewSessions(), func([]bgp.Update) error { return nil })
		if err != nil && !errors.Is(err, errNoDump) {
			return err
		}
	case goOn:
	case f.cfg.Seed:
		if err := f.seed(ctx, c, now, emit); err != nil {
			return err
		}
	default:
		c.start(now, f.reader.layout.updates)
	}
	c.begun, c.anew = true, false
	c.become(f, "catching up", "")
	return nil
}

// start follows a collector from the file that is complete already.
func (c *collector) start(at time.Time, step time.Duration) {
	c.cur.Done, c.cur.Named = at.Truncate(step).Add(-2*step), false
	if c.cur.Until.Before(c.cur.Done) {
		c.cur.Until = c.cur.Done.Add(step)
	}
}

// seed emits the latest table, and sets the cursor to before it: the updates since
// follow. Where there is none, the next one that appears is read.
func (f *Feed) seed(ctx context.Context, c *collector, at time.Time, emit func([]bgp.Update) error) error {
	c.become(f, "seeding", "reads its latest table")
	c.sessions = mrt.NewSessions()
	dump, s, err := f.reader.seed(ctx, c.name, at, c.sessions, emit)
	f.add(s)
	switch {
	case errors.Is(err, errNoDump):
		f.count("seeds_missing", 1)
		f.reader.deps.Logger.Warn("no table to begin with", "feed", f.cfg.Name, "collector", c.name, "error", err)
		c.start(at, f.reader.layout.updates)
		c.cur.Owed, c.dumpAt = at, at
	case err != nil:
		return err
	default:
		f.count("seeds", 1)
		first, err := f.reader.fileAt(ctx, c.name, dump)
		if err != nil {
			return err
		}
		c.cur.Done, c.cur.Named, c.cur.Owed = first.Add(-1), false, time.Time{}
		if c.cur.Until.Before(dump) {
			c.cur.Until = dump
		}
	}
	c.cur.meet(c.sessions.Peers(c.name))
	return f.save(c)
}

// correct reads the table dump that follows something that was missed.
func (f *Feed) correct(ctx context.Context, c *collector, emit func([]bgp.Update) error) error {
	c.dumpAt = f.now().Add(f.reader.layout.dumps / 8)
	list, err := f.reader.dumpsBefore(ctx, c.name, c.cur.Until)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.at.Before(c.cur.Owed) {
			break
		}
		s, err := f.reader.read(ctx, d, reading{collector: c.name, sessions: c.sessions}, emit)
		f.add(s)
		if _, ok := err.(fatal); ok {
			return err
		}
		if err == nil {
			f.count("seeds", 1)
			c.cur.Owed = time.Time{}
			c.cur.meet(c.sessions.Peers(c.name))
			return f.save(c)
		}
	}
	return nil
}

// follow reads the next file of updates, if it is there.
func (f *Feed) follow(ctx context.Context, c *collector, emit func([]bgp.Update) error) error {
	now, l := f.now(), &f.reader.layout
	list, known, err := f.reader.between(ctx, c.name, updates, c.cur.Done.Add(-24*time.Hour), now, f.age(c))
	if err != nil {
		return err
	}
	pace := l.pace(list)
	for len(list) > 0 && !list[0].at.After(c.cur.Done) {
		list = list[1:]
	}
	expected := l.derived(c.name, updates, c.cur.Done.Add(pace))
	if !c.cur.Named {
		expected = l.derived(c.name, updates, c.cur.Done.Truncate(pace).Add(pace))
	}
	if len(list) > 0 && (!c.cur.Named || !hole(c.cur.Done, list[0].at, pace)) {
		err := f.take(ctx, c, list[0], pace, emit)
		if err != nil && fetch.Missing(err) { // named, and not there
			return f.overdue(c, list[0], list[1:], known, pace, emit)
		}
		return err
	}
	if len(list) == 0 && now.Before(expected.at.Add(pace+soon)) {
		c.become(f, "following", "")
		c.next = expected.at.Add(pace + soon)
		return nil
	}
	if err := f.tryExpected(ctx, c, expected, pace, emit); err != errMissing {
		return err
	}
	if known && now.Sub(c.relist) >= max(pace, now.Sub(c.cur.Until)/8) {
		c.relist = now // the index is read anew at once: files had other names, or were later
		return nil
	}
	return f.overdue(c, expected, list, known, pace, emit)
}

// age is how old an index may be: a file that is not there makes us read it again.
func (f *Feed) age(c *collector) time.Duration {
	now := f.now()
	if d := now.Sub(c.relist); d < f.reader.layout.updates {
		return max(d, 1)
	}
	return 24 * time.Hour
}

// tryExpected asks for a file that no index names: the index may be older than it.
func (f *Feed) tryExpected(ctx context.Context, c *collector, expected file, pace time.Duration, emit func([]bgp.Update) error) error {
	err := f.take(ctx, c, expected, pace, emit)
	if err != nil && fetch.Missing(err) {
		return errMissing
	}
	return err
}

// overdue deals with a file that is not there.
func (f *Feed) overdue(c *collector, expected file, list []file, known bool, pace time.Duration, emit func([]bgp.Update) error) error {
	now := f.now()
	c.next = now.Add(max(f.every(), now.Sub(c.cur.Until)/16))
	limit := expected.at.Add(pace + f.cfg.Patience)
	if now.Before(limit) {
		c.become(f, "late", expected.name+" is not there yet")
		if c.next.After(limit) {
			c.next = limit
		}
		return nil
	}
	why := fmt.Sprintf("%s %s is missing: not there %s after its time", c.name, expected.name, now.Sub(expected.at.Add(pace)).Round(time.Minute))
	if len(list) == 0 && known {
		// Nothing newer either: the collector, or the archive, is silent. Its next
		// file may have any name, so we stay here.
		c.become(f, "late", why)
		return wrapFatal(f.lose(c, c.cur.Until, why, emit))
	}
	f.count("files_missing", 1)
	if err := f.lose(c, c.cur.Until, why, emit); err != nil {
		return fatal{err}
	}
	c.cur.Done, c.cur.Named = expected.at, true
	if len(list) > 0 {
		for hole(c.cur.Done, list[0].at, pace) {
			c.cur.Done = c.cur.Done.Add(pace) // one story for all that are missing in a row
			f.count("files_missing", 1)
		}
	}
	c.cur.Until = maxTime(c.cur.Until, c.cur.Done.Add(pace))
	c.owe(expected.at)
	c.next = time.Time{}
	return f.save(c)
}

func wrapFatal(err error) error {
	if err != nil {
		return fatal{err}
	}
	return nil
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// owe notes that something is missing from a moment on.
func (c *collector) owe(at time.Time) {
	if c.cur.Owed.IsZero() {
		c.cur.Owed, c.dumpAt = at, time.Time{}
	}
}

// take reads a file of updates and moves the cursor behind it.
func (f *Feed) take(ctx context.Context, c *collector, x file, pace time.Duration, emit func([]bgp.Update) error) error {
	s, err := f.reader.read(ctx, x, reading{collector: c.name, sessions: c.sessions}, emit)
	f.add(s)
	if _, ok := err.(fatal); ok {
		return err
	}
	now := f.now()
	if b, ok := errors.AsType[*brokenFile](err); ok {
		// A table must not hear the counts of the same records twice as new ones.
		c.sessions = mrt.NewSessions()
		if limit := x.at.Add(pace + f.cfg.Patience); now.Before(limit) {
			c.next = minTime(now.Add(f.every()), limit)
			c.become(f, "late", x.name+" is not whole yet: "+b.Error())
			return nil
		}
		return f.skip(c, x, pace, s.Last, b, emit)
	}
	if err != nil {
		return err
	}
	f.count("files", 1)
	c.heard, c.cur.Lost = now, false
	if !s.Last.IsZero() {
		c.lag = max(now.Sub(s.Last), 0)
	}
	c.cur.Done, c.cur.Named, c.cur.Until = x.at, true, maxTime(c.cur.Until, x.at.Add(pace))
	c.cur.meet(c.sessions.Peers(c.name))
	c.next = time.Time{}
	if now.Sub(x.at) < 3*pace+f.cfg.Patience {
		c.become(f, "following", "")
	}
	return f.save(c)
}

// skip goes on behind a file that stays broken.
func (f *Feed) skip(c *collector, x file, pace time.Duration, last time.Time, b error, emit func([]bgp.Update) error) error {
	f.count("files_broken", 1)
	from := x.at
	if last.After(from) {
		from = last
	}
	why := fmt.Sprintf("%s %s is broken: %v", c.name, x.name, b)
	f.reader.deps.Logger.Warn("a file is broken", "feed", f.cfg.Name, "collector", c.name, "file", x.name, "error", b)
	if !last.IsZero() {
		c.cur.Lost = false // what could be read of it was heard
	}
	if err := f.lose(c, from, why, emit); err != nil {
		return fatal{err}
	}
	c.cur.Done, c.cur.Named, c.cur.Until = x.at, true, maxTime(c.cur.Until, x.at.Add(pace))
	c.owe(from)
	c.next = time.Time{}
	return f.save(c)
}

// lose says, once, that the peers of a collector are not heard from a moment on.
func (f *Feed) lose(c *collector, at time.Time, why string, emit func([]bgp.Update) error) error {
	if c.cur.Lost || len(c.cur.Peers) == 0 {
		return nil
	}
	batch := make([]bgp.Update, 0, len(c.cur.Peers))
	for _, p := range c.cur.Peers {
		batch = append(batch, bgp.Update{At: at, Peer: p, Kind: bgp.Unheard, Cause: bgp.Cause{Text: why}})
	}
	f.reader.deps.Logger.Warn("a collector is not heard", "feed", f.cfg.Name, "collector", c.name, "from", at, "why", why)
	f.count("gaps", 1)
	if err := emit(batch); err != nil {
		return err
	}
	c.cur.Lost = true
	return f.save(c)
}

// save notes what was accepted. A cursor that cannot be written costs a repeat
// after a restart, and no more.
func (f *Feed) save(c *collector) error {
	if err := f.saveCursor(c); err != nil {
		f.count("cursor_errors", 1)
		f.reader.deps.Logger.Error("the cursor of an archive cannot be kept", "feed", f.cfg.Name, "collector", c.name, "error", err)
	}
	return nil
}
