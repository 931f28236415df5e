package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"depeer/bgp/fetch"
	"depeer/bgp/rpki"
	"depeer/bus"
	"depeer/watch/cnc"
	"depeer/watch/cnc/feed"
	"depeer/watch/cnc/origins"
	"depeer/watch/cnc/resolve"
	"depeer/watch/timeline"
)

// sightings takes in what is seen of C&C servers: from feeds, sensors and the resolver. Each accepted one is published once.
type sightings struct {
	bus      *bus.Bus
	log      *slog.Logger
	families *cnc.Families
	tables   *origins.Tables
	watched  cnc.Where // what is watched: the timeline knows it to the second; nil: nothing is
	fetch    *fetch.Fetcher
	feeds    []*feed.Feed
	book     *resolve.Book
	resolver *resolve.Resolver // nil: nobody can be asked
	vrps     rpki.Validator
	rtr      *rpki.Client // nil: none is configured
	vrpsFrom VRPConfig

	mu     sync.Mutex
	known  map[string]struct{} // guarded by mu; ids in the stream
	counts sightingCounts      // guarded by mu
}

// sightingCounts is everything that moves.
type sightingCounts struct {
	Published, Repeated uint64
	Refused             map[cnc.Reason]uint64 // of sensors and of who reports
}

// newSightings readies what the configuration names; nothing is fetched.
func newSightings(cfg *Config, b *bus.Bus, log *slog.Logger) (*sightings, error) {
	c := &cfg.Sightings
	x := &sightings{bus: b, log: log, known: map[string]struct{}{}, vrpsFrom: c.VRPs}
	x.counts.Refused = map[cnc.Reason]uint64{}
	var err error
	if x.families, err = cnc.NewFamilies(c.Families); err != nil {
		return nil, err
	}
	if x.tables, err = origins.New(c.Origins, log); err != nil {
		return nil, err
	}
	x.book = resolve.NewBook(c.Resolver, x.families)
	if c.Resolver.Every > 0 {
		if x.resolver, err = resolve.NewResolver(c.Resolver); err != nil {
			log.Warn("names of C&C servers are not resolved", "err", err)
			x.resolver = nil
		}
	}
	f := fetch.DefaultConfig()
	f.Dir = filepath.Join(cfg.Run.State, "sightings", "fetched") // apart from the archives: those may push out what is old
	f.UserAgent = "depeer/" + thisBuild().Version
	if x.fetch, err = fetch.New(f, fetch.Deps{Logger: log, Transport: feed.Keys(nil, c.Feeds)}); err != nil {
		return nil, err
	}
	for i := range c.Feeds {
		one, err := feed.New(c.Feeds[i], feed.Deps{Fetch: x.fetch, Dir: filepath.Join(cfg.Run.State, "sightings"), Families: x.families, ASN: x.origin, Flush: b.Flush, Logger: log})
		if err != nil {
			return nil, fmt.Errorf("feed %s: %w", c.Feeds[i].Name, err)
		}
		x.feeds = append(x.feeds, one)
	}
	if c.VRPs.RTR != "" {
		if x.rtr, err = rpki.NewClient(rpki.ClientConfig{Address: c.VRPs.RTR}, rpki.ClientDeps{Validator: &x.vrps, Logger: log}); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func (x *sightings) origin(a netip.Addr) uint32 { return x.tables.Origin(a) }

// Place is cnc.Where: what peers said at that moment where the space is watched, and the
// table of the nearest day before it for the rest of the Internet.
func (x *sightings) Place(addr netip.Addr, at time.Time) (cnc.Place, bool) {
	if x.watched != nil {
		if p, ok := x.watched.Place(addr, at); ok {
			if p.Name == "" && len(p.Origins) > 0 {
				p.Name = x.tables.Name(p.Origins[0])
			}
			return p, true
		}
	}
	return x.tables.Place(addr, at)
}

// validate is what the detector asks of an origin.
func (x *sightings) validate(p netip.Prefix, origin uint32) string {
	return string(x.vrps.Validate(p, origin, time.Now()))
}

// startSightings reads what is on disk, and begins to listen to sensors. It comes before the judges: they ask it.
func (m *monitor) startSightings(ctx context.Context, s *stopper) error {
	x, err := newSightings(m.cfg, m.bus, m.log)
	if err != nil {
		return err
	}
	if x.known, err = m.bus.IDs(ctx, bus.Sightings, time.Time{}); err != nil {
		return err
	}
	if _, err := x.tables.Load(ctx); err != nil {
		m.log.Error("origins", "err", err)
	}
	if err := x.loadVRPs(ctx); err != nil {
		m.log.Error("vrps", "err", err)
	}
	if x.rtr != nil {
		m.start(s, "rtr", x.rtr.Run)
	}
	x.watched = &watchedSpace{log: m.log, hosters: m.lists.hosters, reader: func() timeline.Reader {
		if y := m.memory.Load(); y != nil {
			return y.store
		}
		return nil
	}}
	m.seen = x
	// Their jobs come after the first interval: what is new since the last process is fetched now.
	m.start(s, "feeds", func(ctx context.Context) error {
		for _, f := range x.feeds {
			if err := x.refresh(ctx, f); err != nil && ctx.Err() == nil {
				m.log.Error("a feed of sightings", "feed", f.Status().Name, "err", err)
			}
		}
		return nil
	})
	m.start(s, "sightings", func(ctx context.Context) error {
		return m.bus.Consume(ctx, bus.Sightings, bus.Consumer{}, x.heard)
	})
	return nil
}

// sightingJobs are what is looked at on a schedule.
func (m *monitor) sightingJobs() []job {
	if m.seen == nil {
		return nil
	}
	x := m.seen
	all := []job{}
	for _, f := range x.feeds {
		all = append(all, job{"feed " + f.Status().Name, f.Every(), func(ctx context.Context) error { return x.refresh(ctx, f) }})
	}
	if c := m.cfg.Sightings; x.resolver != nil && c.Resolver.Every > 0 {
		all = append(all, job{"resolve names", c.Resolver.Every / 8, x.resolve})
	}
	if len(m.cfg.Sightings.Origins.Tables) > 0 {
		all = append(all, job{"origins", 10 * time.Minute, func(ctx context.Context) error {
			_, err := x.tables.Load(ctx)
			return err
		}})
	}
	if c := m.cfg.Sightings.VRPs; c.Path != "" || c.URL != "" {
		all = append(all, job{"vrps", c.Every, x.loadVRPs})
	}
	return all
}

// refresh looks at a feed. What is not believed is told with its reason, and changes nothing.
func (x *sightings) refresh(ctx context.Context, f *feed.Feed) error {
	r, err := f.Refresh(ctx, time.Now().UTC(), func(s cnc.Sighting) error { return x.publish(ctx, s) })
	if err == nil && r.New {
		x.log.Info("sightings", "feed", f.Status().Name, "given", r.Given, "families", len(r.Stats.Families), "refused", r.Stats.Reasons(), "aside", r.Aside)
	}
	return err
}

// publish publishes an accepted sighting, unless the stream has it, joined to where it was.
func (x *sightings) publish(ctx context.Context, s cnc.Sighting) error {
	x.mu.Lock()
	_, repeated := x.known[s.ID]
	if repeated {
		x.counts.Repeated++
	}
	x.mu.Unlock()
	if repeated {
		return nil
	}
	if s.Addr.IsValid() {
		if p, ok := x.Place(s.Addr, s.At); ok {
			s.Place = &p
		}
	}
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := x.bus.PublishSighting(ctx, s.Source, s.ID, s.At, body); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.known[s.ID] = struct{}{}
	x.counts.Published++
	return nil
}

// heard is told everything in the stream: our own, whose names are to be resolved, and what sensors say, which is
// checked and published as it should be.
func (x *sightings) heard(ctx context.Context, m bus.Message) error {
	source := strings.TrimPrefix(m.Subject, "depeer.sighting.")
	var said cnc.Sighting
	if err := json.Unmarshal(m.Body, &said); err == nil && said.ID != "" && said.ID == m.ID {
		x.book.Add(&said)
		return nil
	}
	s, err := feed.One(m.Body, source, x.families, time.Now().UTC())
	if err != nil {
		x.refuse(err)
		x.log.Warn("a sensor's sighting is refused", "source", source, "sequence", m.Sequence, "err", err)
		return nil
	}
	return x.publish(ctx, s)
}

func (x *sightings) refuse(err error) {
	why := cnc.Malformed
	if r, ok := errors.AsType[*cnc.Refused](err); ok {
		why = r.Reason
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.counts.Refused[why]++
}

// Take takes in what somebody reports: an answer to each, and once all is kept.
func (x *sightings) Take(ctx context.Context, who string, list []cnc.Sighting) ([]error, error) {
	said := make([]error, len(list))
	for i, s := range list {
		if s.Source == "" {
			s.Source = who
		}
		s.Place, s.Resolved = nil, false
		if said[i] = s.Accept(x.families, time.Now().UTC()); said[i] != nil {
			x.refuse(said[i])
			continue
		}
		if err := x.publish(ctx, s); err != nil {
			return nil, err
		}
	}
	return said, x.bus.Flush(ctx)
}

// resolve asks for the names that are due.
func (x *sightings) resolve(ctx context.Context) error {
	return x.book.Ask(ctx, x.resolver, func() time.Time { return time.Now().UTC() }, func(s cnc.Sighting) error { return x.publish(ctx, s) })
}

// loadVRPs reads the VRPs of a file or address. What cannot be read leaves what was in force.
func (x *sightings) loadVRPs(ctx context.Context) error {
	c := x.vrpsFrom
	name := c.Path
	switch {
	case c.URL != "":
		f, err := x.fetch.Get(ctx, fetch.Request{URL: c.URL, Keep: true, Accept: func(path string) error {
			_, err := readVRPs(path)
			return err
		}})
		if err != nil {
			return err
		}
		defer f.Close()
		name = f.Path
	case c.Path == "":
		return nil
	}
	f, err := readVRPs(name)
	if err != nil {
		return err
	}
	if len(f.VRPs) > 0 {
		x.vrps.Use(rpki.NewSet(f.VRPs), "file", f.Made, time.Time{})
		x.log.Info("rpki", "vrps", len(f.VRPs), "made", f.Made, "expired", f.Expired, "unreadable", f.Bad)
	}
	return nil
}

func readVRPs(path string) (*rpki.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return rpki.Read(f, time.Now())
}
