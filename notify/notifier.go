package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"depeer/watch"
	"depeer/watch/cnc"
)

// Log is where a notifier hears what happened, and tells what came of it.
type Log interface {
	// Incidents hands over each revision of an incident, at least once, also after a
	// restart: until handle answers nil. waiting is how many there are behind it.
	Incidents(ctx context.Context, handle func(ctx context.Context, i watch.Incident, waiting uint64) error) error
	// Events does the same with the bodies of events; see ReadEvent.
	Events(ctx context.Context, handle func(ctx context.Context, body []byte) error) error
	// Delivered publishes a delivery. It does not wait for it to be stored.
	Delivered(ctx context.Context, d Delivery) error
}

// Deps is what a notifier needs from its surroundings.
type Deps struct {
	Log       Log
	Threads   Store // what was said to whom
	Ledger    Store // see Ledger
	Leases    Store // that forgets a key which nobody writes for Config.Lease
	Receivers map[string]Receiver
	Types     map[string]string                                             // of the receivers, for templates
	Hoster    func(id string) *watch.Hoster                                 // nil: unknown
	Recall    func(ctx context.Context, i watch.Incident) []watch.Event     // events of an incident that were heard long ago; may be nil
	Picture   func(ctx context.Context, i watch.Incident) (*Picture, error) // may be nil
	Owner     string                                                        // of the lease: the same after a restart, and of no other process that runs
	Logger    *slog.Logger                                                  // slog.Default where nil
}

// Notifier tells people. Of all that run over the same stores, one does.
type Notifier struct {
	cfg    Config
	deps   Deps
	log    *slog.Logger
	names  []string // of receivers, sorted
	render *renderer
	memory memory
	inbox  chan heard
	notes  chan Entry // of the ledger
	rules  atomic.Pointer[Rules]
	leads  atomic.Bool

	drawing sync.WaitGroup

	mu     sync.Mutex
	counts map[string]*Counts // guarded by mu; by receiver
	told   map[string]bool    // guarded by mu; digests that were handed over
}

// Counts is what a notifier did for a receiver.
type Counts struct {
	Sent, Failed, Dead, Held uint64
	Waiting, Flying          int
	Paused                   bool // its breaker is open, or it asked for time
}

// New makes a notifier, and validates what it gets; nothing runs yet.
func New(cfg Config, deps Deps) (*Notifier, error) {
	n := &Notifier{cfg: cfg, deps: deps, log: cmp.Or(deps.Logger, slog.Default()).With("package", "notify"), inbox: make(chan heard), notes: make(chan Entry),
		counts: map[string]*Counts{}, told: map[string]bool{}}
	for name := range deps.Receivers {
		n.names = append(n.names, name)
		n.counts[name] = &Counts{}
	}
	slices.Sort(n.names)
	if err := cfg.Validate(n.names); err != nil {
		return nil, err
	}
	if deps.Log == nil || deps.Threads == nil || deps.Ledger == nil || deps.Leases == nil || deps.Owner == "" {
		return nil, errors.New("notify: a log, three stores and an owner are needed")
	}
	if n.deps.Hoster == nil {
		n.deps.Hoster = func(string) *watch.Hoster { return nil }
	}
	var err error
	if n.render, err = newRenderer(&n.cfg, deps.Types); err != nil {
		return nil, err
	}
	rules, err := NewRules(cfg, n.names, nil, nil)
	if err != nil {
		return nil, err
	}
	n.rules.Store(rules)
	n.memory.known = map[string]*watch.Event{}
	return n, nil
}

// again is the pause before another try to lead.
const again = time.Second

// Run tells people, whenever no other process does, until ctx ends.
func (n *Notifier) Run(ctx context.Context) error {
	defer n.drawing.Wait()
	l := &lease{store: n.deps.Leases, owner: n.deps.Owner}
	for ctx.Err() == nil {
		ok, err := l.take(ctx, time.Now())
		pause := n.cfg.Lease / 4
		switch {
		case ok:
			if err := n.leadWith(ctx, l); err != nil && ctx.Err() == nil {
				n.log.Warn("telling begins again", "err", err)
			}
			pause = again
		case err != nil && ctx.Err() == nil:
			n.log.Warn("the lease cannot be had, trying again", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// leadWith leads while the lease is held.
func (n *Notifier) leadWith(ctx context.Context, l *lease) error {
	leading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	all.Go(func() {
		l.hold(leading, n.cfg.Lease)
		stop(errLost)
	})
	err := newLeader(n).run(leading, ctx)
	n.leads.Store(false)
	stop(nil)
	all.Wait()
	if ctx.Err() != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		l.release(end)
		return nil
	}
	if errors.Is(context.Cause(leading), errLost) {
		return errLost
	}
	return err
}

var errLost = errors.New("another process tells now")

// Leads reports whether this process is the one that tells.
func (n *Notifier) Leads() bool { return n.leads.Load() }

// Rules are those in force.
func (n *Notifier) Rules() *Rules { return n.rules.Load() }

// Stats counts, by receiver.
func (n *Notifier) Stats() map[string]Counts {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := map[string]Counts{}
	for name, c := range n.counts {
		out[name] = *c
	}
	return out
}

func (n *Notifier) count(receiver string, f func(*Counts)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.counts[receiver]; c != nil {
		f(c)
	}
}

// heard is something for the leader: a story, and where to say that it is kept.
type heard struct {
	story Story
	kept  chan error
	last  bool // no incident waits behind it
}

// tell hands over a story. It returns when what is to be done about it is kept.
func (n *Notifier) tell(ctx context.Context, s Story, last bool) error {
	h := heard{story: s, kept: make(chan error, 1), last: last}
	select {
	case n.inbox <- h:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-h.kept:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *Notifier) hearIncident(ctx context.Context, i watch.Incident, waiting uint64) error {
	events, all := n.memory.recall(i.Events)
	if !all && n.deps.Recall != nil {
		n.memory.learn(n.deps.Recall(ctx, i), i.Events)
		events, _ = n.memory.recall(i.Events)
	}
	return n.tell(ctx, OfIncident(i, events, n.deps.Hoster(i.Hoster)), waiting == 0)
}

func (n *Notifier) hearEvent(ctx context.Context, body []byte) error {
	e, m, err := ReadEvent(body)
	if err != nil {
		n.log.Warn("an event cannot be read", "err", err)
		return nil
	}
	if m != nil {
		return n.tell(ctx, OfMigration(*m, n.deps.Hoster(m.Hoster)), false)
	}
	n.memory.add(e)
	if e.Incident != nil {
		return nil
	}
	var h *watch.Hoster
	if e.Hoster != nil {
		h = n.deps.Hoster(*e.Hoster)
	}
	return n.tell(ctx, OfEvent(e, h), false)
}

// ReadEvent reads the body of depeer.event.* and depeer.feed.*: an event, or a
// migration, whose kinds begin with "cnc.".
func ReadEvent(body []byte) (watch.Event, *cnc.Migration, error) {
	var head struct {
		ID   string `json:"id"`
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return watch.Event{}, nil, fmt.Errorf("event: %w", err)
	}
	if head.ID == "" || head.Kind == "" {
		return watch.Event{}, nil, errors.New("event: has no id or no kind")
	}
	if strings.HasPrefix(head.Kind, "cnc.") {
		var m cnc.Migration
		if err := json.Unmarshal(body, &m); err != nil {
			return watch.Event{}, nil, fmt.Errorf("event %s: %w", head.ID, err)
		}
		return watch.Event{}, &m, nil
	}
	var e watch.Event
	if err := json.Unmarshal(body, &e); err != nil {
		return watch.Event{}, nil, fmt.Errorf("event %s: %w", head.ID, err)
	}
	return e, nil, nil
}

// Digests hands over the digests whose time has come, within the last hour. gather
// gives the stories between two moments, and by whom hosters are routed now.
func (n *Notifier) Digests(ctx context.Context, now time.Time, gather func(ctx context.Context, from, to time.Time) ([]Story, []Routed, error)) error {
	if !n.Leads() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // another process may lead meanwhile
	defer cancel()
	rules := n.Rules()
	var errs []error
	for _, s := range rules.subs {
		if s.Digest.Every == "" {
			continue
		}
		from, to, err := s.Digest.Period(n.cfg.Zone, now)
		if err != nil || now.Sub(to) > time.Hour {
			errs = append(errs, err)
			continue
		}
		id := s.Name + " " + to.String()
		n.mu.Lock()
		done := n.told[id]
		n.mu.Unlock()
		if done {
			continue
		}
		stories, board, err := gather(ctx, from, to)
		if err == nil {
			if digest, ok := rules.Digest(s.Name, from, to, stories, board); ok {
				err = n.tell(ctx, digest, false)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("digest %s: %w", s.Name, err))
			continue
		}
		n.mu.Lock()
		n.told[id] = true
		n.mu.Unlock()
	}
	return errors.Join(errs...)
}

// memory is the events that were heard last, for what incidents say of them.
type memory struct {
	mu    sync.Mutex
	known map[string]*watch.Event // guarded by mu; nil: there is none to be had
	order []string                // guarded by mu; oldest first
}

const maxMemory = 10_000

func (m *memory) add(e watch.Event) {
	e.Evidence = nil
	e.Prefixes = first(e.Prefixes, keptPrefixes)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(e.ID, &e)
}

// put wants mu.
func (m *memory) put(id string, e *watch.Event) {
	if _, ok := m.known[id]; !ok {
		m.order = append(m.order, id)
	}
	m.known[id] = e
	for len(m.order) > maxMemory {
		delete(m.known, m.order[0])
		m.order = m.order[1:]
	}
}

// learn adds events, and notes of those that are not among them that they are lost.
func (m *memory) learn(events []watch.Event, asked []string) {
	for _, e := range events {
		m.add(e)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range asked {
		if _, ok := m.known[id]; !ok {
			m.put(id, nil)
		}
	}
}

// recall gives the events that are known, and whether it is worth asking for the others.
func (m *memory) recall(ids []string) (out []watch.Event, all bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all = true
	for _, id := range ids {
		e, heard := m.known[id]
		if e != nil {
			out = append(out, *e)
		}
		all = all && heard
	}
	return out, all
}
