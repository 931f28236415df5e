package cnc

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"depeer/watch"
)

// The names of the evidence that routes give. DESIGN section 7 has the table.
const (
	ItemUpstreamLost = "upstream-lost"
	ItemTransitLost  = "transit-lost"
	ItemWithdrawn    = "withdrawn"
	ItemReannounced  = "reannounced"
	ItemShortHop     = "short-hop"
	ItemMesh         = "upstream-mesh"
	ItemNewOrigin    = "new-origin"
	ItemTogether     = "prefixes-together"
	ItemSplit        = "allocation-split"
	ItemShared       = "shared-upstream"
)

// routingItems says that an item is of routes.
var routingItems = []string{ItemUpstreamLost, ItemTransitLost, ItemWithdrawn, ItemReannounced, ItemShortHop, ItemMesh, ItemNewOrigin, ItemTogether, ItemSplit, ItemShared}

// Routing reports whether the item is about routes; the others are about C&C.
func (i *Item) Routing() bool { return slices.Contains(routingItems, i.Name) }

const maxRecords = 20

func records(ids ...string) []string {
	out := []string{}
	for _, id := range ids {
		if id != "" && !slices.Contains(out, id) && len(out) < maxRecords {
			out = append(out, id)
		}
	}
	return out
}

func factIDs(facts []*fact) []string {
	var ids []string
	for _, f := range facts {
		ids = append(ids, f.ID)
	}
	return records(ids...)
}

// cutItems is what the cut itself says: the same for every network that a family might
// have gone to.
func (j *Judge) cutItems(h *hoster, c *chain) []Item {
	p := &j.Cfg.Points
	var items []Item
	var lost, transit, dark []*fact
	var ups []string
	for _, f := range c.facts {
		switch f.Kind {
		case watch.UpstreamLost:
			// The last one to go makes it dark: that is said by another item. So is what little
			// was left of a dark one.
			darkens := slices.ContainsFunc(c.dark, func(s span) bool { return s.First >= f.Onset-600 && s.First <= f.Onset+600 })
			if !darkens && !c.darkAt(f.Onset) && !slices.ContainsFunc(lost, func(o *fact) bool { return o.Upstream == f.Upstream }) {
				lost = append(lost, f)
				ups = append(ups, asText(f.Upstream))
			}
		case watch.TransitLost:
			transit = append(transit, f)
		case watch.HosterDark:
			dark = append(dark, f)
		}
	}
	if len(lost) > 0 {
		n := min(len(lost), 3)
		items = append(items, Item{ItemUpstreamLost, p.UpstreamLost * float64(n), fmt.Sprintf("%s dropped it from %s on, others remained", list(ups), stamp(lost[0].Onset)), factIDs(lost)})
	}
	if len(transit) > 0 {
		f := transit[0]
		items = append(items, Item{ItemTransitLost, p.TransitLost, fmt.Sprintf("cut one level up: not reached over %s behind %s any more since %s", asText(f.Via), asText(f.Upstream), stamp(f.Onset)), factIDs(transit)})
	}
	if len(dark) > 0 {
		items = append(items, Item{ItemWithdrawn, p.Withdrawn, fmt.Sprintf("withdrawn everywhere at %s", stamp(dark[0].Onset)), factIDs(dark)})
	}
	items = append(items, j.returnItems(h, c)...)
	return append(items, j.meshItem(h, c)...)
}

// reannounceWithin is from Atrivo, McColo and Troyak: all returns came within 96 hours.
const reannounceWithin = 100 * 3600

// returnItems speak of a return behind an upstream that was never seen before.
func (j *Judge) returnItems(h *hoster, c *chain) []Item {
	for _, s := range c.dark {
		if s.Last == 0 || s.Last-s.First > reannounceWithin {
			continue
		}
		for i := range h.Facts {
			f := &h.Facts[i]
			if f.Kind != watch.UpstreamGained || f.Onset < s.Last-3600 || f.Onset > s.Last+3600 || slices.Contains(h.Upstreams, f.Upstream) {
				continue
			}
			hours := float64(s.Last-s.First) / 3600
			text := fmt.Sprintf("back after %.0f hours behind %s, never seen before", hours, asText(f.Upstream))
			items := []Item{{ItemReannounced, j.Cfg.Points.Reannounced, text, records(f.ID)}}
			when := time.Unix(s.Last, 0).UTC()
			few := j.facts(f.Upstream, when).Customers
			switch day := when.Weekday(); {
			case few >= 0 && few < 5:
				items = append(items, Item{ItemShortHop, j.Cfg.Points.ShortHop, fmt.Sprintf("%s had %d customers", asText(f.Upstream), few), records(f.ID)})
			case day == time.Saturday || day == time.Sunday:
				items = append(items, Item{ItemShortHop, j.Cfg.Points.ShortHop, "on a " + day.String(), records(f.ID)})
			}
			return items
		}
	}
	return nil
}

// meshItem speaks of upstreams that take turns.
func (j *Judge) meshItem(h *hoster, c *chain) []Item {
	var gained []*fact
	for i := range h.Facts {
		f := &h.Facts[i]
		if f.Kind == watch.UpstreamGained && f.Onset >= c.start-7*daySeconds && f.Onset <= c.last()+7*daySeconds &&
			!slices.ContainsFunc(gained, func(o *fact) bool { return o.Upstream == f.Upstream }) {
			gained = append(gained, f)
		}
	}
	for i := 0; i+2 < len(gained); i++ {
		if three := gained[i : i+3]; three[2].Onset-three[0].Onset <= 7*daySeconds {
			return []Item{{ItemMesh, j.Cfg.Points.Mesh, fmt.Sprintf("%s, %s and %s took turns within 7 days", asText(three[0].Upstream), asText(three[1].Upstream), asText(three[2].Upstream)), factIDs(three)}}
		}
	}
	return nil
}

// handover is what of a hoster's space comes from one other AS.
type handover struct {
	to       uint32
	facts    []*fact // in order, one a prefix
	prefixes []netip.Prefix
}

// manyOrigins is from where on space that goes to many is sold or leased, not moved: hundreds
// of origins in the largest known case, at most three in those that were moves.
const manyOrigins = 8

// handovers are the ASes that prefixes of the hoster went to, and how many there are.
func (h *hoster) handovers() ([]*handover, int) {
	byAS := map[uint32]*handover{}
	var out []*handover
	for i := range h.Facts {
		f := &h.Facts[i]
		if f.Kind != watch.OriginNew || !h.real(f) {
			continue
		}
		if m := h.Moves[f.Prefix]; m == nil || m.To != f.Origin || m.Until != 0 {
			continue
		}
		o := byAS[f.Origin]
		if o == nil {
			o = &handover{to: f.Origin}
			byAS[f.Origin] = o
			out = append(out, o)
		}
		if !slices.Contains(o.prefixes, f.Prefix) {
			o.prefixes = append(o.prefixes, f.Prefix)
			o.facts = append(o.facts, f)
		}
	}
	return out, len(out)
}

// originItems is what speaks for it that the hoster itself moved into an AS.
func (j *Judge) originItems(h *hoster, o *handover, all []*handover) (items []Item, caveats []string) {
	p := &j.Cfg.Points
	first := o.facts[0]
	when := time.Unix(first.Onset, 0).UTC()
	x := j.facts(o.to, when)
	text := fmt.Sprintf("%s originates %s of its prefixes since %s", asText(o.to), count(len(o.prefixes), "one", "%d"), stamp(first.Onset))
	switch age := when.Sub(x.First); {
	case slices.Contains(j.Cfg.Clouds, o.to) || slices.Contains(j.Cfg.Fronts, o.to):
		items = append(items, Item{ItemNewOrigin, p.LargeOrigin, text + "; a large network where anybody rents", factIDs(o.facts)})
	case !x.First.IsZero() && age < j.Cfg.Young:
		items = append(items, Item{ItemNewOrigin, p.YoungOrigin, fmt.Sprintf("%s; that AS was %s old", text, days(age)), factIDs(o.facts)})
	case x.Prefixes > 500 || x.Customers > 50:
		items = append(items, Item{ItemNewOrigin, p.LargeOrigin, text + "; a large network", factIDs(o.facts)})
	default:
		if x.First.IsZero() {
			text += "; how old that AS is is not known"
		}
		items = append(items, Item{ItemNewOrigin, p.OtherOrigin, text, factIDs(o.facts)})
	}
	if f := together(o.facts); f != nil {
		items = append(items, Item{ItemTogether, p.Together, fmt.Sprintf("%d of its prefixes within 7 days", len(f)), factIDs(f)})
	}
	if a, b, with := h.split(o, all); a.IsValid() {
		who := "went to " + asText(with)
		if with == 0 {
			who = "stayed"
		}
		items = append(items, Item{ItemSplit, p.Split, fmt.Sprintf("%s went there and its neighbour %s %s", a, b, who), factIDs(o.facts)})
	}
	for _, f := range o.facts {
		if f.Behind != 0 && (slices.Contains(h.Upstreams, f.Behind) || h.everBehind(f.Behind)) {
			items = append(items, Item{ItemShared, p.Shared, fmt.Sprintf("behind %s, as the hoster was", asText(f.Behind)), records(f.ID)})
			break
		}
	}
	if len(all) > manyOrigins {
		caveats = append(caveats, fmt.Sprintf("its space went to %d other ASes in the same time: a sale or lease, not a move", len(all)))
		for i := range items {
			items[i].Points = min(items[i].Points, 0)
		}
	}
	return items, caveats
}

func (h *hoster) everBehind(asn uint32) bool {
	return slices.ContainsFunc(h.Facts, func(f fact) bool {
		return f.Upstream == asn && (f.Kind == watch.UpstreamLost || f.Kind == watch.UpstreamGained || f.Kind == watch.UpstreamRestored)
	})
}

// together gives at least three facts of seven days, the earliest such.
func together(facts []*fact) []*fact {
	for i := range facts {
		n := i
		for n < len(facts) && facts[n].Onset-facts[i].Onset <= 7*daySeconds {
			n++
		}
		if n-i >= 3 {
			return facts[i:n]
		}
	}
	return nil
}

// split finds two neighbours of one allocation (the same /20, IPv6 /32) in different hands:
// one that went to o, another that went elsewhere, or stayed while the first went.
func (h *hoster) split(o *handover, all []*handover) (a, b netip.Prefix, with uint32) {
	for _, mine := range o.prefixes {
		for _, other := range all {
			if other == o {
				continue
			}
			for _, q := range other.prefixes {
				if neighbours(mine, q) {
					return mine, q, other.to
				}
			}
		}
	}
	moved := func(q netip.Prefix) bool {
		m := h.Moves[q]
		return m != nil && m.Until == 0
	}
	for _, mine := range o.prefixes {
		for _, q := range h.Listed {
			if !moved(q) && neighbours(mine, q) {
				return mine, q, 0
			}
		}
	}
	return netip.Prefix{}, netip.Prefix{}, 0
}

func neighbours(p, q netip.Prefix) bool {
	bits := 20
	if p.Addr().Is6() {
		bits = 32
	}
	if p == q || p.Addr().Is4() != q.Addr().Is4() || p.Overlaps(q) || p.Bits() < bits || q.Bits() < bits {
		return false
	}
	a, _ := p.Addr().Prefix(bits)
	b, _ := q.Addr().Prefix(bits)
	return a == b
}

func stamp(t int64) string { return time.Unix(t, 0).UTC().Format("2006-01-02 15:04") }

func days(d time.Duration) string {
	n := int(d.Hours()/24 + 0.5)
	return count(n, "1 day", "%d days")
}

// count says a number: one for 1, else many with the number.
func count(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

// list joins words as people do: a, b and c.
func list(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}
