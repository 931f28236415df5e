package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"depeer/bgp/fetch"
	"depeer/bgp/wire"
	"depeer/bus"
	"depeer/watch"
	"depeer/watch/roster"
)

// lists is who is watched: the hosters of the configuration, and those of the
// watchlists that are fetched.
type lists struct {
	log     *slog.Logger
	fetched []*roster.List

	mu     sync.Mutex
	cfg    *Config        // guarded by mu; of the file as it was last read without fault
	joined []watch.Hoster // guarded by mu; replaced whole
	told   string         // guarded by mu; the conflicts that were last told
}

// loadLists reads the watchlists as they were last fetched, and fetches those that
// never were. One that cannot be had is told, and tried again on its schedule.
func loadLists(ctx context.Context, cfg *Config, f *fetch.Fetcher, log *slog.Logger) (*lists, error) {
	l := &lists{log: log}
	for i := range cfg.Watchlists {
		list, err := roster.New(cfg.Watchlists[i], roster.Deps{Fetch: f, Logger: log})
		if err != nil {
			return nil, err
		}
		l.fetched = append(l.fetched, list)
		if list.Load() {
			continue
		}
		first, cancel := context.WithTimeout(ctx, 20*time.Second)
		if _, err := list.Refresh(first); err != nil {
			log.Error("a watchlist cannot be had", "watchlist", cfg.Watchlists[i].Name, "err", err)
		}
		cancel()
	}
	l.configure(cfg)
	return l, nil
}

// configure takes in another configuration.
func (l *lists) configure(cfg *Config) {
	l.mu.Lock()
	l.cfg = cfg
	l.mu.Unlock()
	l.join()
}

// join makes one list of all.
func (l *lists) join() {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([][]watch.Hoster, len(l.fetched))
	for i, f := range l.fetched {
		all[i] = f.Hosters()
	}
	joined, conflicts := roster.Merge(l.cfg.Hosters, all...)
	l.joined = joined
	told := fmt.Sprint(conflicts)
	if told != l.told && len(conflicts) > 0 {
		l.log.Info("several watchlists name the same", "conflicts", len(conflicts), "first", conflicts[0].String())
	}
	l.told = told
}

// refresh looks for a new copy of a watchlist.
func (m *monitor) refresh(ctx context.Context, list *roster.List) error {
	changed, err := list.Refresh(ctx)
	if err != nil {
		return fmt.Errorf("the last good copy stays: %w", err)
	}
	if changed {
		m.lists.join()
		m.applyLists(ctx, "watchlist "+list.Status().Name)
	}
	return nil
}

func (l *lists) hosters() []watch.Hoster {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.joined
}

// watchlist is who is watched, and by which rules.
func (l *lists) watchlist() (watch.Watchlist, watch.Policy) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return watch.Watchlist{Hosters: l.joined, Canaries: l.cfg.Canaries}, l.cfg.Policy
}

// wireList is the lists as the feeds know them.
func (l *lists) wireList() wire.List {
	var out wire.List
	list, _ := l.watchlist()
	for _, h := range list.Hosters {
		out.ASNs = append(out.ASNs, h.ASNs...)
		out.Prefixes = append(out.Prefixes, h.Prefixes...)
		out.Upstreams = append(out.Upstreams, h.Upstreams...)
	}
	out.Exact = append(out.Exact, list.Canaries...)
	return out
}

// merge joins two lists; each value is there once, in order.
func merge(a, b wire.List) wire.List {
	numbers := func(x, y []uint32) []uint32 {
		out := slices.Concat(x, y)
		slices.Sort(out)
		return slices.Compact(out)
	}
	prefixes := func(x, y []netip.Prefix) []netip.Prefix {
		out := slices.Concat(x, y)
		slices.SortFunc(out, netip.Prefix.Compare)
		return slices.Compact(out)
	}
	return wire.List{ASNs: numbers(a.ASNs, b.ASNs), Upstreams: numbers(a.Upstreams, b.Upstreams),
		Prefixes: prefixes(a.Prefixes, b.Prefixes), Exact: prefixes(a.Exact, b.Exact)}
}

// saveFollowed keeps what the judgement follows, for collectors in other processes
// that start later.
func (j *judge) saveFollowed(ctx context.Context) error {
	var list wire.List
	j.ask(func(i *watch.Intake) { list = i.Detector().Followed() })
	return j.bus.SaveState(ctx, stateFollowed, nil, func(w io.Writer) error { return json.NewEncoder(w).Encode(list) })
}

func loadFollowed(ctx context.Context, b *bus.Bus) (wire.List, error) {
	var list wire.List
	r, _, err := b.LoadState(ctx, stateFollowed)
	if errors.Is(err, bus.ErrNoState) {
		return list, nil
	}
	if err != nil {
		return list, err
	}
	defer r.Close()
	if err := json.NewDecoder(r).Decode(&list); err != nil {
		return wire.List{}, fmt.Errorf("load what is followed: %w", err)
	}
	return list, nil
}
