package watch

import (
	"maps"
	"net/netip"
	"slices"

	"depeer/bgp/wire"
)

// Followed is what the feeds must watch so that nothing that was learned is lost:
// after a restart, or when the watchlist was changed. AS numbers, prefixes with
// their more specifics (what hosters originate, or are listed with), prefixes
// alone (what hosters carry for others, what others originate of their space,
// references), upstreams; each in order, and none twice.
func (d *Detector) Followed() wire.List {
	var l wire.List
	for _, h := range d.hosters {
		l.ASNs = append(l.ASNs, h.ASNs...)
		l.Prefixes = append(l.Prefixes, h.Prefixes...)
	}
	for p := range d.followed() {
		// The whole Internet is a more specific of a default route.
		if p.kind == ownPrefix && p.Bits() >= shortestSpace {
			l.Prefixes = append(l.Prefixes, p.Prefix)
		} else {
			l.Exact = append(l.Exact, p.Prefix)
		}
	}
	l.Upstreams = slices.Sorted(maps.Keys(d.upstreams))
	slices.Sort(l.ASNs)
	l.ASNs = slices.Compact(l.ASNs)
	l.Prefixes, l.Exact = inOrder(l.Prefixes), inOrder(l.Exact)
	l.Exact = slices.DeleteFunc(l.Exact, func(q netip.Prefix) bool {
		_, listed := slices.BinarySearchFunc(l.Prefixes, q, netip.Prefix.Compare)
		return listed
	})
	return l
}

func inOrder(list []netip.Prefix) []netip.Prefix {
	slices.SortFunc(list, netip.Prefix.Compare)
	return slices.Compact(list)
}
