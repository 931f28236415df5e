package main

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"depeer/watch/cnc"
	"depeer/watch/timeline"
	"depeer/web"
)

// familiesOf answers what is known of C&C families, from the judgement of migrations.
type familiesOf struct {
	moves *migrator
	names *cnc.Families
	now   func() time.Time
}

var _ web.Families = familiesOf{}

// Housed is what all hosters house and housed.
func (f familiesOf) Housed(context.Context) ([]cnc.Housed, error) {
	f.moves.mu.Lock()
	defer f.moves.mu.Unlock()
	return f.moves.judge.Housed(f.now()), nil
}

// Residences is where a family was seen.
func (f familiesOf) Residences(_ context.Context, family string) ([]cnc.Residence, error) {
	f.moves.mu.Lock()
	defer f.moves.mu.Unlock()
	list, ok := f.moves.judge.Residences(family, f.now())
	if !ok {
		return nil, fmt.Errorf("%w: %s was not seen anywhere", web.ErrUnknown, family)
	}
	return list, nil
}

// Names is the table of families.
func (f familiesOf) Names() *cnc.Families { return f.names }

const mostSpace = 200 // prefixes of an answer

// space gives the watched prefixes around a prefix, and then some within it: those of the
// watchlist, and those that were heard, where something remembers them.
func (m *monitor) space(ctx context.Context, past *pastOf, p netip.Prefix) ([]web.Space, error) {
	known := map[netip.Prefix]*web.Space{}
	of := func(q netip.Prefix, hosters ...string) *web.Space {
		x := known[q]
		if x == nil {
			x = &web.Space{Prefix: q}
			known[q] = x
		}
		for _, id := range hosters {
			if !slices.Contains(x.Hosters, id) {
				x.Hosters = append(x.Hosters, id)
			}
		}
		return x
	}
	hosters := m.lists.hosters()
	for i := range hosters {
		for _, q := range hosters[i].Prefixes {
			if q.Overlaps(p) {
				of(q, hosters[i].ID).Listed = true
			}
		}
	}
	if past != nil {
		store, err := past.store(ctx)
		if err != nil {
			return nil, err
		}
		list, err := store.Prefixes(ctx, timeline.Scope{Prefix: p, Covering: true, Covered: true})
		if err != nil {
			return nil, err
		}
		for _, x := range list {
			of(x.Prefix, x.Hosters...)
		}
	}
	return aroundFirst(known, p), nil
}

// aroundFirst puts what covers a prefix before what it covers, the nearest first.
func aroundFirst(known map[netip.Prefix]*web.Space, p netip.Prefix) []web.Space {
	out := make([]web.Space, 0, len(known))
	for _, x := range known {
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b web.Space) int {
		inA, inB := a.Prefix.Bits() > p.Bits(), b.Prefix.Bits() > p.Bits()
		switch {
		case inA != inB && inB:
			return -1
		case inA != inB:
			return 1
		case inA:
			return cmp.Or(cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()), a.Prefix.Addr().Compare(b.Prefix.Addr()))
		}
		return cmp.Compare(b.Prefix.Bits(), a.Prefix.Bits())
	})
	return out[:min(len(out), mostSpace)]
}
