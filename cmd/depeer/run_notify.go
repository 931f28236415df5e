package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"depeer/bus"
	"depeer/notify"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/picture"
)

// herald is the role notify: a notifier with the receivers of the configuration, which is
// made anew when that changes.
type herald struct {
	m       *monitor
	owner   string
	stores  [3]notify.Store // threads, ledger, leases
	changed chan struct{}   // holds one token when cfg is another

	mu       sync.Mutex
	cfg      NotifyConfig               // guarded by mu
	notifier *notify.Notifier           // guarded by mu
	made     map[string]notify.Receiver // guarded by mu
}

// startNotify tells people, where there are receivers, and lets those that hear people listen.
func (m *monitor) startNotify(ctx context.Context, s *stopper) error {
	h := &herald{m: m, cfg: m.cfg.Notify, changed: make(chan struct{}, 1)}
	if len(h.cfg.Receivers) == 0 {
		m.log.Info("nobody is told: the configuration names no receivers (notify.receivers)")
	}
	var release func() error
	var err error
	if h.owner, release, err = ownerOf(m.cfg.Run.State); err != nil {
		return err
	}
	s.add("owner", func(context.Context) error { return release() })
	for i, x := range []struct {
		name string
		keep time.Duration
	}{{bucketThreads, keepThreads}, {bucketLedger, 0}, {bucketLease, h.cfg.Lease}} {
		if h.stores[i], err = openStore(ctx, m.bus, x.name, x.keep); err != nil {
			return err
		}
	}
	if err := rememberNotify(ctx, m.bus); err != nil {
		return err
	}
	if err := h.make(); err != nil {
		return err
	}
	m.herald = h
	m.start(s, "notify", h.run)
	return nil
}

// make makes the notifier of the configuration.
func (h *herald) make() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.m
	cfg := h.cfg
	d := newDesk(notify.NewLedger(h.stores[1]), h.configured)
	d.ask = askSelf(m.file)
	receivers, err := cfg.receivers(d, m.log)
	if err != nil {
		return err
	}
	deps := notify.Deps{
		Log: notifyLog{bus: m.bus, log: m.log}, Threads: h.stores[0], Ledger: h.stores[1], Leases: h.stores[2], Receivers: receivers, Types: cfg.types(),
		Hoster: m.hoster, Picture: m.incidentPicture(), Owner: h.owner, Logger: m.log,
		Recall: func(ctx context.Context, i watch.Incident) []watch.Event { return recallEvents(ctx, m.bus, m.log, i) },
	}
	n, err := notify.New(cfg.Config, deps)
	if err != nil {
		return err
	}
	h.notifier, h.made = n, receivers
	return nil
}

// run tells until ctx ends; with another configuration from the moment at which there is one.
func (h *herald) run(ctx context.Context) error {
	for ctx.Err() == nil {
		inner, stop := context.WithCancel(ctx)
		var all sync.WaitGroup
		h.mu.Lock()
		n, made := h.notifier, h.made
		h.mu.Unlock()
		failed := make(chan error, 1)
		work := func(name string, run func(context.Context) error) {
			all.Go(func() {
				if err := run(inner); err != nil && inner.Err() == nil {
					select {
					case failed <- fmt.Errorf("%s: %w", name, err):
					default:
					}
				}
			})
		}
		work("notifier", n.Run)
		for name, r := range made {
			if x, ok := r.(interface{ Run(context.Context) error }); ok { // it hears people, too
				work("receiver "+name, x.Run)
			}
		}
		var err error
		select {
		case <-ctx.Done():
		case <-h.changed:
		case err = <-failed:
		}
		stop()
		all.Wait()
		if err != nil {
			return err
		}
	}
	return nil
}

// hook is the receiver of a name, where it hears people by requests; nil where it does not.
func (h *herald) hook(name string) http.Handler {
	h.mu.Lock()
	defer h.mu.Unlock()
	x, _ := h.made[name].(http.Handler)
	return x
}

// configure puts another section in force; one that cannot be used changes nothing.
func (h *herald) configure(cfg NotifyConfig) error {
	h.mu.Lock()
	was := h.cfg
	h.cfg = cfg
	h.mu.Unlock()
	if err := h.make(); err != nil {
		h.mu.Lock()
		h.cfg = was
		h.mu.Unlock()
		return err
	}
	select {
	case h.changed <- struct{}{}:
	default:
	}
	return nil
}

// configured is the section in force.
func (h *herald) configured() *NotifyConfig {
	h.mu.Lock()
	defer h.mu.Unlock()
	cfg := h.cfg
	return &cfg
}

// Notifier is the one in force.
func (h *herald) Notifier() *notify.Notifier {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.notifier
}

// newWebDesk is what people do about incidents, for the pages; nil where nobody is told anything.
func (m *monitor) newWebDesk(ctx context.Context) (*webDesk, error) {
	if len(m.cfg.Notify.Receivers) == 0 {
		return nil, nil
	}
	l, err := openLedger(ctx, m.bus)
	if err != nil {
		return nil, err
	}
	cfg := func() *NotifyConfig { return &m.cfg.Notify }
	if m.herald != nil {
		cfg = m.herald.configured
	}
	return &webDesk{newDesk(l, cfg)}, nil
}

func (m *monitor) hoster(id string) *watch.Hoster {
	list := m.lists.hosters()
	if i := slices.IndexFunc(list, func(h watch.Hoster) bool { return h.ID == id }); i >= 0 {
		return &list[i]
	}
	return nil
}

// incidentPicture draws the timeline of an incident from the memory.
func (m *monitor) incidentPicture() func(context.Context, watch.Incident) (*notify.Picture, error) {
	if m.cfg.Timeline.Off {
		return nil
	}
	return func(ctx context.Context, i watch.Incident) (*notify.Picture, error) {
		a, done, err := openAsker(ctx, m.cfg)
		if err != nil {
			return nil, err
		}
		defer func() { _ = done() }() // it was only read
		if err := m.remembers(ctx, a.Reader, &i); err != nil {
			return nil, err
		}
		a.Hosters = m.lists.hosters()
		lead := max(i.At.Sub(i.Opened)/2, time.Hour)
		x, err := a.Timeline(ctx, timeline.Asking{Hoster: i.Hoster, From: i.Opened.Add(-lead), To: i.At.Add(lead / 4)})
		if errors.Is(err, timeline.ErrNothing) {
			return nil, nil // nothing is stored yet
		}
		if err != nil {
			return nil, err
		}
		var png bytes.Buffer
		if err := picture.PNG(&png, x, picture.Options{Now: i.At}); err != nil {
			return nil, err
		}
		return &notify.Picture{PNG: png.Bytes(), Alt: picture.Alt(x)}, nil
	}
}

// remembers waits until the timeline holds what an incident says: a picture of the moment
// before would show a hoster that is dark as if nothing had happened. It ends with ctx.
func (m *monitor) remembers(ctx context.Context, r timeline.Reader, i *watch.Incident) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		routes := true
		if x := m.memory.Load(); x != nil {
			routes = !x.upTo().Before(i.At)
		}
		list, _, err := r.Records(ctx, timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Incident}, IDs: []string{i.ID}, Latest: true})
		if err != nil {
			return err
		}
		if routes && len(list) > 0 && list[0].Revision >= i.Revision {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the timeline is behind: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

// digests hands over the digests that are due.
func (m *monitor) digests(ctx context.Context) error {
	return m.herald.Notifier().Digests(ctx, time.Now(), func(ctx context.Context, from, to time.Time) ([]notify.Story, []notify.Routed, error) {
		stories, err := storiesOf(ctx, m.bus, m.hoster, from, to)
		if err != nil {
			return nil, nil, err
		}
		var board []notify.Routed
		if m.judge != nil {
			m.judge.ask(func(i *watch.Intake) { board = routed(i.Detector().Board(), m.hoster) })
		}
		return stories, board, nil
	})
}

// routed is the board as a digest wants it.
func routed(board []watch.Standing, hoster func(string) *watch.Hoster) (out []notify.Routed) {
	for _, s := range board {
		if s.State == "unknown" || s.State == "not valid now" {
			continue
		}
		x := notify.Routed{Hoster: s.Hoster, Name: cmp.Or(s.Name, s.Hoster)}
		if h := hoster(s.Hoster); h != nil {
			x.Tags = h.Tags
		}
		for _, u := range s.Upstreams {
			if u.Share > 0 && !u.Lost && !slices.Contains(x.By, u.ASN) {
				x.By = append(x.By, u.ASN)
			}
		}
		out = append(out, x)
	}
	return out
}

// storiesOf reads what happened between two moments: incidents, and facts that belong to none.
func storiesOf(ctx context.Context, b *bus.Bus, hoster func(string) *watch.Hoster, from, to time.Time) ([]notify.Story, error) {
	var out []notify.Story
	within := func(at time.Time) bool { return !at.Before(from) && (to.IsZero() || at.Before(to)) }
	events := map[string]watch.Event{}
	err := b.Read(ctx, bus.Events, nil, func(m bus.Message) error {
		e, migration, err := notify.ReadEvent(m.Body)
		switch {
		case err != nil:
			return nil // it was counted when it was heard
		case migration != nil && within(migration.At):
			out = append(out, notify.OfMigration(*migration, hoster(migration.Hoster)))
		case migration != nil:
		case e.Incident != nil:
			e.Evidence = nil
			events[e.ID] = e
		case within(e.At):
			var h *watch.Hoster
			if e.Hoster != nil {
				h = hoster(*e.Hoster)
			}
			out = append(out, notify.OfEvent(e, h))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = b.Read(ctx, bus.Incidents, nil, func(m bus.Message) error {
		i, err := m.Incident()
		if err != nil || !within(i.At) {
			return nil
		}
		out = append(out, notify.OfIncident(i, pickEvents(events, i.Events), hoster(i.Hoster)))
		return nil
	})
	slices.SortStableFunc(out, func(a, b notify.Story) int { return a.At.Compare(b.At) })
	return out, err
}

func pickEvents(all map[string]watch.Event, ids []string) (out []watch.Event) {
	for _, id := range ids {
		if e, ok := all[id]; ok {
			out = append(out, e)
		}
	}
	return out
}

// ownerOf is the name of this process among those that could tell: the one that the
// folder has, so that a process that is started again takes up at once what the killed one
// held; another one where a second process shares the folder.
func ownerOf(dir string) (string, func() error, error) {
	f, err := os.OpenFile(filepath.Join(dir, "notify-owner"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, err
	}
	ours, err := bus.LockFile(f)
	if err != nil || !ours {
		return notify.NewID(), f.Close, err
	}
	text := make([]byte, 64)
	n, _ := f.ReadAt(text, 0)
	if id := strings.TrimSpace(string(text[:n])); id != "" {
		return id, f.Close, nil
	}
	id := notify.NewID()
	if _, err := f.WriteAt([]byte(id+"\n"), 0); err != nil {
		return "", nil, errors.Join(err, f.Close())
	}
	return id, f.Close, nil
}
