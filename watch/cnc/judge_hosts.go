package cnc

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// place is where a host is: its AS, or where nobody knows it the /24 (IPv6: /48) around it.
type place struct {
	ASN    uint32
	Prefix netip.Prefix // only where ASN is 0
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.ASN, q.ASN), p.Prefix.Addr().Compare(q.Prefix.Addr()), cmp.Compare(p.Prefix.Bits(), q.Prefix.Bits()))
}

// around is the block that stands for an address whose AS is not known.
func around(a netip.Addr) netip.Prefix {
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, _ := a.Prefix(bits)
	return p
}

// hostKey tells hosts apart: an address that changes its AS label is another host, which
// [family.labels] links to the first.
type hostKey struct {
	Addr  netip.Addr
	Name  string // where there is no address
	Place place
}

func (k hostKey) compare(o hostKey) int {
	return cmp.Or(k.Addr.Compare(o.Addr), cmp.Compare(k.Name, o.Name), k.Place.compare(o.Place))
}

// host is one address of a family in one place.
type host struct {
	hostKey
	Hoster      string // watched hoster that it belonged to
	Prefix      netip.Prefix
	PlaceName   string
	First, Last int64  // seconds
	Seen        uint32 // how often
	Names       []string
	Offline     int64 // a source said that it was down, after it had been seen
	FirstID     string
	LastID      string
	Source      string // the first one
	Several     bool   // sources
	Generated   bool
	DualUse     bool
	Labelled    bool   // the place is the source's own label
	Relabelled  bool   // the same address was seen in another place before: the label changed, not the host
	Initial     bool   // from the first day of a source of this family: it may have been there for long
	Precision   string // of First
	Fingerprint string
}

const maxHostNames = 8

// dayCount is how many hosts were first seen in a place on a day.
type dayCount struct {
	Day     int32
	N       uint32
	Initial uint32 // of them, on the first day of a source
}

// arrivals are day counts in order of days, none of them empty.
type arrivals []dayCount

func (a *arrivals) add(day int32, initial bool) {
	i, found := slices.BinarySearchFunc(*a, day, func(d dayCount, day int32) int { return cmp.Compare(d.Day, day) })
	if !found {
		*a = slices.Insert(*a, i, dayCount{Day: day})
	}
	(*a)[i].N++
	if initial {
		(*a)[i].Initial++
	}
}

// during counts the arrivals of days from..to, without those of a day on which a whole
// list was seen for the first time.
func (a arrivals) during(from, to int32, bulk map[int32]bool) int {
	i, _ := slices.BinarySearchFunc(a, from, func(d dayCount, day int32) int { return cmp.Compare(d.Day, day) })
	n := 0
	for ; i < len(a) && a[i].Day <= to; i++ {
		n += int(a[i].N)
		if bulk[a[i].Day] {
			n -= int(a[i].Initial)
		}
	}
	return n
}

func (a *arrivals) forget(before int32) {
	i, _ := slices.BinarySearchFunc(*a, before, func(d dayCount, day int32) int { return cmp.Compare(d.Day, day) })
	*a = slices.Delete(*a, 0, i)
}

// presence is a family in one place.
type presence struct {
	Days  arrivals
	Hosts []*host
	Seen  []int32 // days on which it was seen there, in order
}

const maxSeenDays = 500

// noteDay puts a day into a list of days.
func noteDay(list []int32, d int32) []int32 {
	i, found := slices.BinarySearch(list, d)
	if found {
		return list
	}
	list = slices.Insert(list, i, d)
	if len(list) > maxSeenDays {
		list = slices.Delete(list, 0, 1)
	}
	return list
}

// seenBefore is the last day before a moment on which the family was seen anywhere: what
// is new in the next round of a tracker may have come at any time since.
func (f *family) seenBefore(t int64) int64 {
	i, _ := slices.BinarySearch(f.Seen, day(t))
	if i == 0 {
		return t
	}
	return min(int64(f.Seen[i-1])*daySeconds, t)
}

// seenWithin reports whether it was seen on a day from..to.
func (p *presence) seenWithin(from, to int32) bool {
	i, _ := slices.BinarySearch(p.Seen, from)
	return i < len(p.Seen) && p.Seen[i] <= to
}

// family is all that is known of one family.
type family struct {
	Name     string
	Tool     bool
	Hosts    map[hostKey]*host
	Addrs    map[netip.Addr]place // where an address was first
	Places   map[place]*presence
	Homes    map[string][]*host // hosts at watched hosters
	Total    arrivals
	Bulk     map[int32]bool // days on which a source showed a whole list for the first time
	Sources  map[string]*sourceFamily
	First    int64
	Names    map[string]*nameTrack
	Prints   map[string]map[place]int64 // fingerprint, where it was first seen when
	Seen     []int32                    // days on which it was seen anywhere, in order
	changed  bool
	LastSeen int64
}

// sourceFamily is how a source tells of a family.
type sourceFamily struct {
	FirstDay int32
	OnFirst  int // hosts on that day
}

// bulkHosts on its first day make what a source says a list, not news.
const bulkHosts = 20

// nameTrack is where a name pointed.
type nameTrack struct {
	Places map[place]span
	Flux   bool // it points everywhere: fast flux
}

type span struct{ First, Last int64 }

const (
	maxNames     = 20_000 // of one family; the rest is not followed
	maxPrints    = 20_000
	maxNamePlace = 24
	fluxPlaces   = 5 // a name that was in so many ASes ...
	fluxWithin   = 7 * 24 * 3600
)

func day(t int64) int32 { return int32(t / 86400) }

func (f *family) see(s *Sighting, key hostKey, h seenAt, t int64) *host {
	f.changed = true
	f.LastSeen = max(f.LastSeen, t)
	if f.First == 0 || t < f.First {
		f.First = t
	}
	f.Seen = noteDay(f.Seen, day(t))
	src := f.Sources[s.Source]
	if src == nil {
		src = &sourceFamily{FirstDay: day(t)}
		f.Sources[s.Source] = src
	}
	x := f.Hosts[key]
	if x == nil {
		initial := src.FirstDay == day(t)
		if initial {
			if src.OnFirst++; src.OnFirst == bulkHosts {
				f.Bulk[src.FirstDay] = true
			}
		}
		x = &host{hostKey: key, Hoster: h.hoster, Prefix: h.prefix, PlaceName: h.name, First: t, Last: t, FirstID: s.ID, Source: s.Source,
			Initial: initial, Precision: s.Precision, Labelled: h.labelled}
		f.Hosts[key] = x
		if key.Addr.IsValid() {
			if was, ok := f.Addrs[key.Addr]; !ok {
				f.Addrs[key.Addr] = key.Place
			} else if was != key.Place {
				x.Relabelled = true
			}
		}
		if h.hoster != "" {
			f.Homes[h.hoster] = append(f.Homes[h.hoster], x)
		}
		if key.Addr.IsValid() {
			// A host that only changed its label is nobody's arrival.
			p := f.Places[key.Place]
			if p == nil {
				p = &presence{}
				f.Places[key.Place] = p
			}
			p.Hosts = append(p.Hosts, x)
			if !x.Relabelled {
				p.Days.add(day(t), initial)
				f.Total.add(day(t), initial)
			}
		}
	}
	if p := f.Places[key.Place]; p != nil {
		p.Seen = noteDay(p.Seen, day(t))
	}
	x.Seen++
	x.Several = x.Several || x.Source != s.Source
	if s.Online != nil && !*s.Online {
		if t >= x.Last {
			x.Offline = t
		}
		if x.Seen == 1 {
			x.Last = t
		}
	} else {
		if t >= x.Last {
			x.Last, x.LastID = t, s.ID
			if t > x.Offline {
				x.Offline = 0
			}
		}
		if t < x.First {
			x.First, x.FirstID, x.Precision = t, s.ID, s.Precision
		}
	}
	if !s.First.IsZero() && s.First.Unix() < x.First && s.First.Unix() > t-int64(400*24*time.Hour/time.Second) {
		x.First = s.First.Unix()
	}
	x.Generated = x.Generated || s.Generated
	x.DualUse = x.DualUse || s.DualUse
	if x.Fingerprint == "" {
		x.Fingerprint = s.Fingerprint
	}
	f.follow(s, x, t)
	return x
}

// follow notes where the name and the fingerprint of a sighting are.
func (f *family) follow(s *Sighting, x *host, t int64) {
	if s.Name != "" && x.Addr.IsValid() {
		if !slices.Contains(x.Names, s.Name) && len(x.Names) < maxHostNames {
			x.Names = append(x.Names, s.Name)
		}
		n := f.Names[s.Name]
		if n == nil && len(f.Names) < maxNames {
			n = &nameTrack{Places: map[place]span{}}
			f.Names[s.Name] = n
		}
		if n != nil {
			n.see(x.Place, t)
		}
	}
	if s.Fingerprint != "" && x.Addr.IsValid() {
		p := f.Prints[s.Fingerprint]
		if p == nil && len(f.Prints) < maxPrints {
			p = map[place]int64{}
			f.Prints[s.Fingerprint] = p
		}
		if first, ok := p[x.Place]; p != nil && len(p) < 64 && (!ok || t < first) {
			p[x.Place] = t
		}
	}
}

func (n *nameTrack) see(p place, t int64) {
	s, ok := n.Places[p]
	if !ok {
		if len(n.Places) >= maxNamePlace {
			n.Flux = true
			return
		}
		s = span{t, t}
	}
	n.Places[p] = span{min(s.First, t), max(s.Last, t)}
	// Many ASes within a week, none of them for long: fast flux.
	lively := 0
	for _, q := range n.Places {
		if q.First > t-fluxWithin && q.Last <= t && q.Last-q.First < fluxWithin/2 {
			lively++
		}
	}
	n.Flux = n.Flux || lively >= fluxPlaces
}

// flux reports whether all that points to the host is fast flux.
func (f *family) flux(x *host) bool {
	if len(x.Names) == 0 {
		return false
	}
	for _, name := range x.Names {
		if n := f.Names[name]; n == nil || !n.Flux {
			return false
		}
	}
	return true
}

// forget drops what was not seen since a moment.
func (f *family) forget(before int64) {
	for k, x := range f.Hosts {
		if x.Last < before {
			delete(f.Hosts, k)
		}
	}
	clear(f.Addrs)
	for k, x := range f.Hosts {
		if k.Addr.IsValid() && !x.Relabelled {
			f.Addrs[k.Addr] = k.Place
		}
	}
	old := func(x *host) bool { return x.Last < before }
	for k, p := range f.Places {
		p.Days.forget(day(before))
		if p.Hosts = slices.DeleteFunc(p.Hosts, old); len(p.Hosts) == 0 {
			delete(f.Places, k)
		}
	}
	for id, list := range f.Homes {
		if f.Homes[id] = slices.DeleteFunc(list, old); len(f.Homes[id]) == 0 {
			delete(f.Homes, id)
		}
	}
	f.Total.forget(day(before))
	for d := range f.Bulk {
		if d < day(before) {
			delete(f.Bulk, d)
		}
	}
	for name, n := range f.Names {
		last := int64(0)
		for _, s := range n.Places {
			last = max(last, s.Last)
		}
		if last < before {
			delete(f.Names, name)
		}
	}
}
