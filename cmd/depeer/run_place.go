package main

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/gaissmai/bart"

	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/timeline"
)

// watchedSpace says of addresses in watched space where they were at a moment: what the
// peers said then, as the timeline holds it.
type watchedSpace struct {
	reader  func() timeline.Reader // nil while there is none
	hosters func() []watch.Hoster
	log     *slog.Logger

	mu     sync.Mutex
	table  *bart.Table[[]string] // guarded by mu; hosters of the prefixes that were ever theirs
	looked time.Time             // guarded by mu; when the table was made
}

// placeRefresh is for how long the list of watched prefixes is good: a new one is in the
// timeline before anybody reports a server in it.
const placeRefresh = time.Minute

var _ cnc.Where = (*watchedSpace)(nil)

// Place is false for what was not watched, or held by nobody, at that moment.
func (w *watchedSpace) Place(addr netip.Addr, at time.Time) (cnc.Place, bool) {
	r := w.reader()
	if r == nil {
		return cnc.Place{}, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ids, ok, err := w.of(ctx, r, addr)
	if err != nil {
		w.log.Warn("the timeline cannot say where an address was", "address", addr, "err", err)
	}
	if !ok || err != nil {
		return cnc.Place{}, false
	}
	hosters := w.hosters()
	a := &timeline.Asker{Reader: r, Hosters: hosters}
	routes, err := a.RoutesAt(ctx, timeline.Asking{Addr: addr, To: at})
	if err != nil {
		return cnc.Place{}, false // nothing was known of it then
	}
	p := cnc.Place{Prefix: routes.Longest, From: "timeline", At: at}
	origins, upstreams := map[uint32]int{}, map[uint32]int{}
	for i := range routes.Routes {
		if x := &routes.Routes[i]; x.Known {
			origins[x.Origin]++
			upstreams[x.Upstream]++
		}
	}
	p.Origins, p.Upstreams = byCount(origins), byCount(upstreams)
	if len(p.Origins) == 0 {
		return cnc.Place{}, false
	}
	for i := range hosters {
		if h := &hosters[i]; slices.Contains(ids, h.ID) && h.Valid.Holds(at) {
			p.Hoster = h.ID
			if slices.Contains(h.ASNs, p.Origins[0]) {
				p.Name = h.Title()
			}
			break
		}
	}
	return p, true
}

// of gives the hosters of the longest watched prefix around an address.
func (w *watchedSpace) of(ctx context.Context, r timeline.Reader, addr netip.Addr) ([]string, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.table == nil || time.Since(w.looked) > placeRefresh {
		all, err := r.Prefixes(ctx, timeline.Scope{})
		if err != nil {
			return nil, false, err
		}
		w.table, w.looked = new(bart.Table[[]string]), time.Now()
		for i := range all {
			if len(all[i].Hosters) > 0 {
				w.table.Insert(all[i].Prefix, all[i].Hosters)
			}
		}
	}
	ids, ok := w.table.Lookup(addr)
	return ids, ok, nil
}

// byCount lists AS numbers, the one that most peers named first; none for what has none.
func byCount(n map[uint32]int) []uint32 {
	delete(n, 0)
	return slices.SortedFunc(maps.Keys(n), func(a, b uint32) int { return cmp.Or(n[b]-n[a], cmp.Compare(a, b)) })
}
