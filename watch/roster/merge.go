package roster

import (
	"fmt"
	"net/netip"
	"slices"

	"depeer/bgp"
	"depeer/watch"
)

// Conflict is a resource that two hosters claim. Winner has it.
type Conflict struct {
	Winner string // id
	Loser  string // id in its list
	What   string // "AS26780", "208.66.192.0/22"
	Joined bool   // both come from lists: Winner took over all of Loser
}

func (c Conflict) String() string {
	if c.Joined {
		return fmt.Sprintf("%s: %s is joined with %s", c.What, c.Loser, c.Winner)
	}
	return fmt.Sprintf("%s: is %s's by configuration, not %s's", c.What, c.Winner, c.Loser)
}

// Merge joins lists with the configured hosters into one list that a
// [watch.Watchlist] accepts, where the configured one is. A configured hoster is
// left as it is, and has what a list claims too, where both are valid at the same
// time. Hosters of lists that share an AS number or a prefix become one, with the
// tags of both, under the id of the first. An id that is taken is numbered. The
// order of the result is: configured, then the lists as they are given. What is
// given is not changed.
func Merge(configured []watch.Hoster, lists ...[]watch.Hoster) ([]watch.Hoster, []Conflict) {
	m := merger{configured: len(configured), ids: map[string]bool{}, asns: map[uint32][]int{}, prefixes: map[netip.Prefix][]int{}}
	for i := range configured {
		m.put(clone(&configured[i]))
	}
	for _, list := range lists {
		for i := range list {
			m.take(clone(&list[i]))
		}
	}
	return m.out, m.conflicts
}

func clone(h *watch.Hoster) watch.Hoster {
	c := *h
	c.ASNs, c.Prefixes, c.Upstreams = slices.Clone(h.ASNs), slices.Clone(h.Prefixes), slices.Clone(h.Upstreams)
	c.AllowedOrigins, c.Tags = slices.Clone(h.AllowedOrigins), slices.Clone(h.Tags)
	return c
}

type merger struct {
	configured int // hosters in out that come from the configuration
	out        []watch.Hoster
	conflicts  []Conflict
	ids        map[string]bool
	asns       map[uint32][]int       // who in out has the AS number
	prefixes   map[netip.Prefix][]int // likewise, exactly this prefix
}

// put adds a hoster that is in nobody's way.
func (m *merger) put(h watch.Hoster) {
	m.ids[h.ID] = true
	m.out = append(m.out, h)
	m.index(len(m.out) - 1)
}

func (m *merger) index(i int) {
	for _, a := range m.out[i].ASNs {
		m.asns[a] = appendNew(m.asns[a], i)
	}
	for _, q := range m.out[i].Prefixes {
		m.prefixes[q] = appendNew(m.prefixes[q], i)
	}
}

// owner finds who of out has a resource while h is valid; configured ones first.
func (m *merger) owner(of []int, h *watch.Hoster) int {
	found := -1
	for _, i := range of {
		if m.out[i].Valid.Overlaps(h.Valid) && (found < 0 || i < found) {
			found = i
		}
	}
	return found
}

// take adds a hoster of a list.
func (m *merger) take(h watch.Hoster) {
	into := -1
	keep := func(what string, of []int) bool {
		i := m.owner(of, &h)
		switch {
		case i < 0:
			return true
		case i < m.configured:
			m.conflicts = append(m.conflicts, Conflict{Winner: m.out[i].ID, Loser: h.ID, What: what})
		default:
			m.conflicts = append(m.conflicts, Conflict{Winner: m.out[i].ID, Loser: h.ID, What: what, Joined: true})
			if into < 0 || i < into {
				into = i
			}
		}
		return false
	}
	h.ASNs = slices.DeleteFunc(h.ASNs, func(a uint32) bool { return !keep(bgp.ASN(a), m.asns[a]) })
	h.Prefixes = slices.DeleteFunc(h.Prefixes, func(q netip.Prefix) bool { return !keep(q.String(), m.prefixes[q]) })
	switch {
	case into >= 0 && m.join(into, &h):
	case len(h.ASNs)+len(h.Prefixes) > 0:
		p := parser{ids: m.ids}
		h.ID = p.unique(h.ID)
		m.put(h)
	}
}

// join adds what is left of h to a hoster of an earlier list. It is false, and
// changes no resource, where the longer validity of both would be in another's way.
func (m *merger) join(into int, h *watch.Hoster) bool {
	x := &m.out[into]
	for _, t := range h.Tags {
		x.Tags = appendNew(x.Tags, t)
	}
	if x.Name == "" {
		x.Name = h.Name
	}
	if len(h.ASNs)+len(h.Prefixes) == 0 && x.Valid == h.Valid {
		return true
	}
	wide := union(x.Valid, h.Valid)
	for _, a := range append(slices.Clone(x.ASNs), h.ASNs...) {
		for _, i := range m.asns[a] {
			if i != into && m.out[i].Valid.Overlaps(wide) {
				return false
			}
		}
	}
	x.Valid = wide
	x.ASNs = append(x.ASNs, h.ASNs...)
	x.Prefixes = append(x.Prefixes, h.Prefixes...)
	m.index(into)
	return true
}

// union spans both validities.
func union(a, b watch.Validity) watch.Validity {
	u := watch.Validity{}
	if !a.From.IsZero() && !b.From.IsZero() {
		u.From = slices.MinFunc([]watch.Validity{a, b}, func(a, b watch.Validity) int { return a.From.Compare(b.From) }).From
	}
	if !a.To.IsZero() && !b.To.IsZero() {
		u.To = slices.MaxFunc([]watch.Validity{a, b}, func(a, b watch.Validity) int { return a.To.Compare(b.To) }).To
	}
	return u
}
