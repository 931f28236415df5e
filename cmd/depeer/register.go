package main

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/cnc/origins"
)

// asRegister is what the tables know of AS numbers, as evidence of migrations.
type asRegister struct{ tables *origins.Tables }

var _ cnc.Register = asRegister{}

// AS is false for what no table names.
func (r asRegister) AS(asn uint32, at time.Time) (cnc.ASFacts, bool) {
	f := cnc.ASFacts{Name: r.tables.Name(asn), Customers: -1, Prefixes: -1}
	known := f.Name != ""
	if first, older, ok := r.tables.FirstSeen(asn); ok {
		known = true
		if !older { // else it may be of any age
			f.First = first
		}
	}
	if x, _, ok := r.tables.Relations(asn, at); ok {
		known = true
		f.Customers = len(x.Customers)
	}
	return f, known
}

// register is nil where no tables are configured: then what they could tell is not evidence.
func (x *sightings) register() cnc.Register {
	if x == nil {
		return nil
	}
	return asRegister{x.tables}
}

// listed places addresses by the watchlist and by tables, where nobody heard routes.
type listed struct {
	hosters []watch.Hoster
	tables  *origins.Tables // nil: only what is on the watchlist has a place
}

var _ cnc.Where = listed{}

// Place is the longest listed prefix around the address that was valid then, or else what
// the table of the nearest day before says.
func (l listed) Place(addr netip.Addr, at time.Time) (cnc.Place, bool) {
	var best cnc.Place
	for i := range l.hosters {
		h := &l.hosters[i]
		for _, q := range h.Prefixes {
			if q.Contains(addr) && h.Valid.Holds(at) && (!best.Prefix.IsValid() || q.Bits() > best.Prefix.Bits()) {
				best = cnc.Place{Prefix: q, Hoster: h.ID, Name: h.Title(), From: "watchlist", At: at}
				if len(h.ASNs) > 0 {
					best.Origins = h.ASNs[:1]
				}
			}
		}
	}
	if best.Prefix.IsValid() && len(best.Origins) > 0 {
		return best, true
	}
	if l.tables == nil {
		return cnc.Place{}, false
	}
	p, ok := l.tables.Place(addr, at)
	for i := range l.hosters {
		for _, o := range p.Origins {
			if h := &l.hosters[i]; p.Hoster == "" && h.Valid.Holds(at) && owns(h, o) {
				p.Hoster = h.ID
			}
		}
	}
	return p, ok
}

func owns(h *watch.Hoster, asn uint32) bool {
	for _, a := range h.ASNs {
		if a == asn {
			return true
		}
	}
	return false
}

// offline loads what places addresses and knows AS numbers without a running depeer: the
// watchlist, and the tables of the configuration.
func offline(ctx context.Context, cfg *Config) (cnc.Where, cnc.Register, error) {
	c := cfg.Sightings.Origins
	if len(c.Tables)+len(c.Names)+len(c.Relationships)+len(c.Organisations) == 0 {
		return listed{hosters: cfg.Hosters}, nil, nil
	}
	t, err := origins.New(c, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return nil, nil, err
	}
	if _, err := t.Load(ctx); err != nil {
		return nil, nil, err
	}
	return listed{cfg.Hosters, t}, asRegister{t}, nil
}
