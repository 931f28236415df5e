package notify

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// leader is the one that tells: it owns the book, in one goroutine, from the moment at
// which it got the lease. All that it must not forget it writes before it acts.
type leader struct {
	n       *Notifier
	ledger  map[string]Entry
	book    *Book
	lines   map[string]*post
	wakes   wakes
	dirty   []*Thread
	landed  chan landing
	flying  int
	began   time.Time
	catchUp time.Time // nothing is sent before this, or before all incidents that waited were heard
	sending context.Context
	err     error // why it cannot go on
}

func newLeader(n *Notifier) *leader {
	l := &leader{n: n, ledger: map[string]Entry{}, lines: map[string]*post{}, landed: make(chan landing, len(n.names)*n.cfg.Parallel+1)}
	for _, name := range n.names {
		l.lines[name] = &post{name: name, receiver: n.deps.Receivers[name]}
	}
	return l
}

const (
	catchUpWait = 300 * time.Millisecond // for what waits in the log to begin to come
	catchUpMost = time.Minute
	lastWords   = 3 * time.Second // for messages on their way when it ends
)

// run leads until ctx ends, or it cannot go on. What is on its way when it is only asked to
// end may arrive; when it lost the lease (ctx ends before asked) it is cut off.
func (l *leader) run(ctx, asked context.Context) error {
	if err := l.load(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var cut context.CancelFunc
	l.sending, cut = context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	ended := make(chan error, 3)
	start := func(name string, work func() error) {
		go func() {
			err := work()
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			} else if ctx.Err() == nil {
				err = fmt.Errorf("%s: ended", name)
			}
			stop(err)
			ended <- err
		}()
	}
	ready := make(chan struct{})
	start("ledger", func() error { return l.watchLedger(ctx, ready) })
	if !l.hearLedger(ctx, ready) {
		<-ended
		return context.Cause(ctx)
	}
	start("incidents", func() error { return l.n.deps.Log.Incidents(ctx, l.n.hearIncident) })
	start("events", func() error { return l.n.deps.Log.Events(ctx, l.n.hearEvent) })
	l.n.leads.Store(true)
	l.began = time.Now()
	l.catchUp = l.began.Add(catchUpWait)
	l.loop(ctx)
	stop(l.err)
	if asked.Err() == nil {
		cut()
	}
	l.finish(cut)
	for range 3 {
		<-ended
	}
	if l.err != nil {
		return l.err
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// load reads the threads that another process, or an earlier one, left.
func (l *leader) load(ctx context.Context) error {
	rules, err := NewRules(l.n.cfg, l.n.names, nil, nil)
	if err != nil {
		return err
	}
	l.book = NewBook(rules)
	entries, err := everything(ctx, l.n.deps.Threads, ">")
	if err != nil {
		return err
	}
	now := time.Now()
	for _, e := range entries {
		t, err := thread(e)
		if err != nil {
			l.n.log.Warn("what was kept cannot be read, and is left alone", "key", e.Key, "err", err)
			continue
		}
		if l.lines[t.Receiver] == nil || l.book.done(t, Decision{}, now) {
			continue
		}
		if t.Dead != "" && t.Claim == nil && !t.Ended.IsZero() {
			continue // listed and sent again from the store
		}
		l.book.put(t)
	}
	return nil
}

func thread(e Entry) (*Thread, error) {
	t := &Thread{revision: e.Revision}
	if err := json.Unmarshal(e.Value, t); err != nil {
		return nil, err
	}
	if len(t.Stories) == 0 || t.place() != e.Key {
		return nil, errors.New("is no thread of this place")
	}
	return t, nil
}

// recall gives a thread that was kept and is not in the book.
func (l *leader) recall(ctx context.Context) func(string) *Thread {
	return func(place string) *Thread {
		e, err := l.n.deps.Threads.Get(ctx, place)
		if err != nil {
			l.fail(err)
			return nil
		}
		if e.Value == nil {
			return nil
		}
		t, err := thread(e)
		if err != nil {
			l.n.log.Warn("what was kept cannot be read, and is written anew", "key", place, "err", err)
			return nil
		}
		return t
	}
}

// watchLedger hands the ledger over, entry by entry; ready is closed when it was told once.
func (l *leader) watchLedger(ctx context.Context, ready chan struct{}) error {
	first := true
	return l.n.deps.Ledger.Watch(ctx, ">", func(e Entry) error {
		if e.Key == "" {
			if first {
				first = false
				close(ready)
			}
			return nil
		}
		select {
		case l.n.notes <- e:
			return nil
		case <-ctx.Done():
			return nil
		}
	})
}

func (l *leader) hearLedger(ctx context.Context, ready chan struct{}) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case e := <-l.n.notes:
			if e.Value != nil {
				l.ledger[e.Key] = e
			}
		case <-ready:
			l.applyLedger()
			for key, e := range l.ledger {
				if strings.HasPrefix(key, keyNote) {
					l.note(e)
				}
			}
			return true
		}
	}
}

// loop does one thing after the other until ctx ends or it cannot go on.
func (l *leader) loop(ctx context.Context) {
	now := time.Now()
	for _, t := range l.book.sorted() {
		l.look(t, now)
	}
	for key, e := range l.ledger {
		if strings.HasPrefix(key, keyResend) {
			l.resend(ctx, e)
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		l.pump(ctx, time.Now())
		l.write(ctx)
		if l.err != nil || ctx.Err() != nil {
			return
		}
		timer.Reset(l.next(time.Now()))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			l.wake(time.Now())
		case h := <-l.n.inbox:
			l.hear(ctx, h)
		case e := <-l.n.notes:
			l.change(ctx, e)
		case x := <-l.landed:
			l.land(ctx, x)
		}
	}
}

// hear takes in a story, begins what is due, keeps it, and only then says that it was heard.
func (l *leader) hear(ctx context.Context, h heard) {
	now := time.Now()
	if now.Before(l.catchUp) {
		l.catchUp = now.Add(catchUpWait)
		if h.last || now.Sub(l.began) > catchUpMost {
			l.catchUp = now
		}
	}
	changed := l.book.Hear(h.story, now, l.recall(ctx))
	for _, t := range changed {
		l.touch(t)
		l.look(t, now)
	}
	if len(changed) == 0 && h.story.Revision == 1 && h.story.Kind == IncidentStory && len(l.n.names) > 0 {
		l.unwanted(ctx, &h.story, now)
	}
	l.pump(ctx, now)
	l.write(ctx)
	h.kept <- l.err
}

// unwanted notes that nobody asked for it.
func (l *leader) unwanted(ctx context.Context, s *Story, now time.Time) {
	for _, name := range l.n.names {
		if l.book.story[place(name, s.ID)] != nil {
			return
		}
	}
	l.publish(ctx, Delivery{Type: "delivery", ID: ident("delivery", s.ID, string(Unwanted)), At: now.UTC(), Receiver: "nobody", Outcome: Unwanted, Incident: s.ID,
		Revision: s.Revision, Hoster: s.Hoster})
}

func (l *leader) publish(ctx context.Context, d Delivery) {
	if err := l.n.deps.Log.Delivered(ctx, d); err != nil && ctx.Err() == nil {
		l.n.log.Warn("a delivery cannot be published", "receiver", d.Receiver, "err", err)
	}
}

// touch notes that a thread has to be written.
func (l *leader) touch(t *Thread) {
	if !t.dirty {
		t.dirty = true
		l.dirty = append(l.dirty, t)
	}
}

// look decides about a thread.
func (l *leader) look(t *Thread, now time.Time) {
	t.wake = time.Time{}
	if t.flying || t.queued {
		return // it is looked at when it has landed, or when its turn comes
	}
	d := l.decide(t, now)
	switch {
	case d.Send && t.retry.After(now):
		l.wakeAt(t, t.retry)
	case d.Send:
		l.enqueue(t, now)
	case !d.At.IsZero():
		l.wakeAt(t, d.At)
	case l.book.done(t, d, now):
		l.forget(t)
	case !t.Ended.IsZero():
		l.wakeAt(t, t.Ended.Add(l.n.cfg.Settle+time.Second))
	}
	l.hold(t, d, now)
}

// decide is Decide, less what was given up.
func (l *leader) decide(t *Thread, now time.Time) Decision {
	d := l.book.rules.Decide(t, now)
	if t.forced && !d.Send {
		d = Decision{Send: true, Reason: Changed}
	}
	if d.Send && t.Dead != "" && t.Dead == t.messageID(d) && !t.forced {
		return Decision{Why: "given up: " + t.Error}
	}
	return d
}

// hold notes why nothing is told now, where that is a reason.
func (l *leader) hold(t *Thread, d Decision, now time.Time) {
	why := d.Why
	if d.Send || !d.Held {
		why = ""
	}
	if why == t.Held {
		return
	}
	if t.Held = why; why == "" {
		return
	}
	l.n.count(t.Receiver, func(c *Counts) { c.Held++ })
	x := Delivery{ID: ident("delivery", t.place(), t.mark(), why), At: now.UTC(), Outcome: Held, Why: why}
	l.publish(l.sending, x.of(t))
}

// forget drops a thread from the book, when it is written.
func (l *leader) forget(t *Thread) {
	if !t.dirty {
		l.book.drop(t)
	}
}

// write keeps what changed.
func (l *leader) write(ctx context.Context) {
	for _, t := range l.dirty {
		if t.dirty {
			l.save(ctx, t)
		}
	}
	l.dirty = l.dirty[:0]
}

// save keeps a thread. An error ends the leading: nothing may be done that is not kept.
func (l *leader) save(ctx context.Context, t *Thread) bool {
	if l.err != nil {
		return false
	}
	text, err := json.Marshal(t)
	if err != nil {
		l.fail(err)
		return false
	}
	revision, err := l.n.deps.Threads.Put(ctx, t.place(), text, t.revision)
	if err != nil {
		l.fail(err)
		return false
	}
	t.revision, t.dirty = revision, false
	return true
}

func (l *leader) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// change takes in what somebody said or asked for at run time.
func (l *leader) change(ctx context.Context, e Entry) {
	now := time.Now()
	if e.Value == nil {
		delete(l.ledger, e.Key)
	} else {
		l.ledger[e.Key] = e
	}
	switch {
	case strings.HasPrefix(e.Key, keyNote):
		for _, t := range l.note(e) {
			l.touch(t)
			l.look(t, now)
		}
	case strings.HasPrefix(e.Key, keyResend):
		l.resend(ctx, e)
	default:
		l.applyLedger()
		for _, t := range l.book.sorted() {
			l.look(t, now)
		}
	}
}

func (l *leader) note(e Entry) []*Thread {
	k := Kept{Notes: map[string][]Note{}}
	if e.Value == nil {
		return nil
	}
	if err := k.add(e); err != nil {
		l.n.log.Warn("ledger", "err", err)
		return nil
	}
	var out []*Thread
	for incident, notes := range k.Notes {
		out = append(out, l.book.Note(incident, notes)...)
	}
	return out
}

// applyLedger makes rules of the configuration and the ledger. What does not fit any
// more, because its receiver is gone, is left out and named.
func (l *leader) applyLedger() {
	var k Kept
	k.Notes = map[string][]Note{}
	keys := make([]string, 0, len(l.ledger))
	for key := range l.ledger {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if err := k.add(l.ledger[key]); err != nil {
			l.n.log.Warn("ledger", "err", err)
		}
	}
	k.Subscriptions = slices.DeleteFunc(k.Subscriptions, func(s Subscription) bool {
		err := s.Validate(l.n.names, l.n.cfg.Zone)
		if err == nil && slices.ContainsFunc(l.n.cfg.Subscriptions, func(c Subscription) bool { return c.Name == s.Name }) {
			err = ErrTaken
		}
		if err != nil {
			l.n.log.Warn("a subscription made at run time has no effect", "subscription", s.Name, "err", err)
		}
		return err != nil
	})
	rules, err := NewRules(l.n.cfg, l.n.names, k.Subscriptions, k.Silences)
	if err != nil {
		l.n.log.Warn("the rules stay as they are", "err", err)
		return
	}
	l.book.rules = rules
	l.n.rules.Store(rules)
}

// resend takes up a dead letter again.
func (l *leader) resend(ctx context.Context, e Entry) {
	if e.Value == nil {
		return
	}
	where := strings.TrimPrefix(e.Key, keyResend)
	t := l.book.threads[where]
	if t == nil {
		if t = l.recall(ctx)(where); t != nil && l.lines[t.Receiver] != nil {
			l.book.put(t)
		} else {
			t = nil
		}
	}
	if t != nil && t.Dead != "" && !t.flying {
		t.Dead, t.Attempts, t.Tried, t.retry, t.forced = "", 0, time.Time{}, time.Time{}, true
		l.touch(t)
		l.look(t, time.Now())
		l.write(ctx)
	}
	if l.err != nil {
		return
	}
	if _, err := l.n.deps.Ledger.Put(ctx, e.Key, nil, e.Revision); err != nil && !errors.Is(err, ErrChanged) {
		l.fail(err)
	}
}

// wakes are the threads that are to be looked at again, soonest first.
type wakes []wakeUp

type wakeUp struct {
	at time.Time
	t  *Thread
}

func (w wakes) Len() int           { return len(w) }
func (w wakes) Less(i, j int) bool { return w[i].at.Before(w[j].at) }
func (w wakes) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }

// Push and Pop are for container/heap.
func (w *wakes) Push(x any) { *w = append(*w, x.(wakeUp)) }
func (w *wakes) Pop() any {
	x := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return x
}

func (l *leader) wakeAt(t *Thread, at time.Time) {
	t.wake = at
	heap.Push(&l.wakes, wakeUp{at, t})
	if len(l.wakes) > 64+4*len(l.book.threads) { // most of them are outdated
		l.wakes = slices.DeleteFunc(l.wakes, func(w wakeUp) bool { return !w.t.wake.Equal(w.at) })
		heap.Init(&l.wakes)
	}
}

// wake looks at the threads whose time has come.
func (l *leader) wake(now time.Time) {
	for len(l.wakes) > 0 && !l.wakes[0].at.After(now) {
		w := heap.Pop(&l.wakes).(wakeUp)
		if w.t.wake.Equal(w.at) && l.book.threads[w.t.place()] == w.t {
			l.look(w.t, now)
		}
	}
}

// next is how long there is nothing to do.
func (l *leader) next(now time.Time) time.Duration {
	at := now.Add(time.Hour)
	if len(l.wakes) > 0 && l.wakes[0].at.Before(at) {
		at = l.wakes[0].at
	}
	for _, p := range l.lines {
		if from := later(p.until, l.catchUp); len(p.queue) > 0 && from.After(now) && from.Before(at) {
			at = from
		}
	}
	return max(0, at.Sub(now))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
