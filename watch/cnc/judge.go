package cnc

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"depeer/bgp/snapshot"
	"depeer/watch"
)

// Judge says which families left a hoster for another network. It is pure: time is an
// argument, and the same sightings, events and incidents give the same migrations, in
// whatever order those of one moment come. It is not safe for concurrent use.
//
// Sightings may come late (a note of last month): they are put where they belong, and
// what follows from them is said at the present moment. Memory is bounded by
// Config.MaxHosts and Config.Keep; [Judge.Counts] tells what was dropped.
type Judge struct {
	Cfg      Config
	Hosters  []*hoster
	Families map[string]*family
	Shared   map[netip.Addr]*sharing
	Spread   map[place]*crowd // what all families do there: the base where one alone is new
	Sources  map[string]*source
	Now      int64
	Judged   int64
	Pending  int64 // the latest moment of what was taken in and is not judged; 0 where nothing is
	Pruned   int64
	Said     map[string]*verdict
	Tally    Counts
	NumHosts int
	register Register `snapshot:"-"`
	scratch  scratch  `snapshot:"-"`
}

// Counts is everything that moves in the judge.
type Counts struct {
	Sightings, Events, Incidents uint64 // taken in
	Unplaced                     uint64 // sightings of which nobody knows the place, and which have no address
	Forgotten                    uint64 // hosts dropped because Config.MaxHosts was reached
	Moved, Watched, Gone, NoGap  uint64 // first revisions said
}

// sharing is how many families an address was seen with: one that serves many is a
// sinkhole, a parking place or a front, and nobody's home.
type sharing struct {
	Families []string
	Last     int64
}

const sharedFamilies = 4

// crowd is how many hosts of all families were first seen in a place.
type crowd struct{ Hosts uint32 }

// source is one feed and the days on which it spoke.
type source struct {
	Days []int32 // in order, at most 400
	Last int64
	Seen uint64
}

// ASFacts is what is known of an AS at a moment.
type ASFacts struct {
	Name      string
	First     time.Time // first seen in any table; zero where not known
	Customers int       // -1 where not known
	Prefixes  int       // -1 where not known
}

// Register knows AS numbers: from tables, names and relationships that were loaded.
type Register interface {
	AS(asn uint32, at time.Time) (ASFacts, bool)
}

// NewJudge makes a judge for a watchlist. The register may be nil.
func NewJudge(cfg Config, list watch.Watchlist, register Register) *Judge {
	j := &Judge{Cfg: cfg, Families: map[string]*family{}, Shared: map[netip.Addr]*sharing{}, Spread: map[place]*crowd{}, Sources: map[string]*source{},
		Said: map[string]*verdict{}, register: register}
	j.Rewatch(list)
	return j
}

// Rewatch puts another watchlist in force; what is known of hosters that stay is kept.
func (j *Judge) Rewatch(list watch.Watchlist) {
	old := j.Hosters
	j.Hosters = nil
	for _, w := range list.Hosters {
		h := &hoster{ID: w.ID, Incidents: map[string]*incidentFact{}, Moves: map[netip.Prefix]*moveFact{}}
		if i := slices.IndexFunc(old, func(o *hoster) bool { return o.ID == w.ID }); i >= 0 {
			h = old[i]
		}
		h.Name, h.ASNs, h.Listed, h.Upstreams, h.Valid = w.Title(), w.ASNs, w.Prefixes, w.Upstreams, w.Valid
		h.changed = true
		j.Hosters = append(j.Hosters, h)
	}
}

// SetRegister gives the judge a register, after [LoadJudge] or a reload of tables.
func (j *Judge) SetRegister(r Register) { j.register = r }

// Counts tells what was taken in and dropped.
func (j *Judge) Counts() Counts { return j.Tally }

// Observe takes in a sighting that was joined with its place, where one is known.
func (j *Judge) Observe(s Sighting) {
	t := s.At.Unix()
	j.Tally.Sightings++
	name := s.Family
	if name == "" {
		name = DefaultFamilies().Canonical(s.Label)
	}
	if name == UnknownFamily {
		return // it belongs to nobody: it cannot move
	}
	j.take(t)
	src := j.Sources[s.Source]
	if src == nil {
		src = &source{}
		j.Sources[s.Source] = src
	}
	src.see(t)
	f := j.Families[name]
	if f == nil {
		x, _ := DefaultFamilies().Of(name)
		f = &family{Name: name, Tool: x.Tool, Hosts: map[hostKey]*host{}, Addrs: map[netip.Addr]place{}, Places: map[place]*presence{}, Homes: map[string][]*host{},
			Bulk: map[int32]bool{}, Sources: map[string]*sourceFamily{}, Names: map[string]*nameTrack{}, Prints: map[string]map[place]int64{}}
		j.Families[name] = f
	}
	at, key := j.locate(&s, t)
	if !key.Addr.IsValid() && at.hoster == "" {
		j.Tally.Unplaced++
	}
	before := len(f.Hosts)
	f.see(&s, key, at, t)
	if n := len(f.Hosts) - before; n > 0 {
		j.NumHosts++
		if key.Addr.IsValid() {
			j.share(key.Addr, name, t)
			c := j.Spread[key.Place]
			if c == nil {
				c = &crowd{}
				j.Spread[key.Place] = c
			}
			c.Hosts++
		}
		if j.NumHosts > j.Cfg.MaxHosts {
			j.prune(true)
		}
	} else if sh := j.Shared[key.Addr]; sh != nil {
		sh.Last = max(sh.Last, t)
	}
}

func (j *Judge) take(t int64) {
	j.Now = max(j.Now, t)
	j.Pending = max(j.Pending, t)
}

func (s *source) see(t int64) {
	s.Seen++
	s.Last = max(s.Last, t)
	i, found := slices.BinarySearch(s.Days, day(t))
	if !found {
		s.Days = slices.Insert(s.Days, i, day(t))
		if len(s.Days) > 400 {
			s.Days = slices.Delete(s.Days, 0, 1)
		}
	}
}

func (j *Judge) share(a netip.Addr, family string, t int64) {
	s := j.Shared[a]
	if s == nil {
		s = &sharing{}
		j.Shared[a] = s
	}
	s.Last = max(s.Last, t)
	if len(s.Families) < sharedFamilies && !slices.Contains(s.Families, family) {
		s.Families = append(s.Families, family)
	}
}

// seenAt is where a sighting was.
type seenAt struct {
	hoster   string
	prefix   netip.Prefix
	name     string
	labelled bool
}

// locate joins a sighting with a watched hoster or a place.
func (j *Judge) locate(s *Sighting, t int64) (at seenAt, key hostKey) {
	key.Addr = s.Addr.Unmap()
	if !key.Addr.IsValid() {
		key.Name = cmp.Or(s.Name, s.URL)
	}
	var origins []uint32
	if s.Place != nil {
		at.prefix, at.name, origins = s.Place.Prefix, s.Place.Name, s.Place.Origins
	}
	if key.Addr.IsValid() {
		for _, h := range j.Hosters {
			if p, m := h.moved(key.Addr, t); m != nil { // its prefix comes from somebody else by now
				key.Place.ASN = m.To
				at.prefix = p
				if !slices.Contains(origins, m.To) {
					at.name = ""
				}
				return at, key
			}
		}
	}
	for _, h := range j.Hosters {
		if h.Valid.Holds(s.At) && h.holds(key.Addr, origins, s.Place) {
			at.hoster = h.ID
			break
		}
	}
	switch {
	case len(origins) > 0:
		key.Place.ASN = slices.Min(origins)
	case at.hoster != "":
		key.Place.ASN = j.hoster(at.hoster).ASNs[0]
	case s.ASN != 0:
		key.Place.ASN, at.labelled = s.ASN, true
		for _, h := range j.Hosters {
			if h.Valid.Holds(s.At) && slices.Contains(h.ASNs, s.ASN) {
				at.hoster = h.ID
			}
		}
	case key.Addr.IsValid():
		key.Place.Prefix = around(key.Addr)
	}
	return at, key
}

// Event takes in a judged fact of the routes. Those of C&C itself are passed over.
func (j *Judge) Event(e watch.Event) {
	if e.Hoster == nil {
		return
	}
	h := j.hoster(*e.Hoster)
	if h == nil {
		return
	}
	j.Tally.Events++
	j.take(e.At.Unix())
	h.event(&e)
}

// Incident takes in a revision of an incident.
func (j *Judge) Incident(i watch.Incident) {
	h := j.hoster(i.Hoster)
	if h == nil {
		return
	}
	j.Tally.Incidents++
	j.take(i.At.Unix())
	h.incident(&i)
}

func (j *Judge) hoster(id string) *hoster {
	for _, h := range j.Hosters {
		if h.ID == id {
			return h
		}
	}
	return nil
}

// Advance tells that it is now, that nothing older is on its way, and gives the migrations
// that are new or changed since, in order. What was taken in is judged at the first multiple
// of Config.Every behind it: Advance has to be called before anything later than that is
// taken in. How often it is called beside that changes nothing.
func (j *Judge) Advance(now time.Time) []Migration {
	t, step := now.Unix(), int64(j.Cfg.Every/time.Second)
	var out []Migration
	if j.Pending != 0 {
		grid := max((j.Pending/step+1)*step, j.Judged)
		if grid > t {
			return nil
		}
		j.Pending = 0
		out = j.judgeAll(grid)
	}
	j.Now = max(j.Now, t)
	if t-j.Pruned > 86400 {
		j.Pruned = t
		j.prune(false)
	}
	return out
}

func (j *Judge) judgeAll(now int64) []Migration {
	j.Judged = now
	j.scratch = scratch{}
	var out []Migration
	for _, h := range j.Hosters {
		out = append(out, j.judge(h, now)...)
	}
	for _, f := range j.Families {
		f.changed = false
	}
	slices.SortStableFunc(out, func(a, b Migration) int {
		return cmp.Or(cmp.Compare(a.Hoster, b.Hoster), cmp.Compare(a.Family, b.Family), a.Seen.Compare(b.Seen), cmp.Compare(a.To.ASN, b.To.ASN), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// prune forgets what is old; where there is still too much, also what was not seen for
// longest.
func (j *Judge) prune(full bool) {
	before := j.Now - int64(j.Cfg.Keep/time.Second)
	facts := before
	if full {
		// A tenth more than there is room for, or every next one would begin this anew.
		var lasts []int64
		for _, f := range j.Families {
			for _, x := range f.Hosts {
				lasts = append(lasts, x.Last)
			}
		}
		slices.Sort(lasts)
		if over := len(lasts) - j.Cfg.MaxHosts*9/10; over > 0 {
			before = max(before, lasts[over])
		}
	}
	n := 0
	for name, f := range j.Families {
		f.forget(before)
		if n += len(f.Hosts); len(f.Hosts) == 0 {
			delete(j.Families, name)
		}
	}
	if full && n < j.NumHosts {
		j.Tally.Forgotten += uint64(j.NumHosts - n)
	}
	j.NumHosts = n
	for a, s := range j.Shared {
		if s.Last < before {
			delete(j.Shared, a)
		}
	}
	if len(j.Spread) > 200_000 {
		for p, c := range j.Spread {
			if c.Hosts <= 1 {
				delete(j.Spread, p)
			}
		}
	}
	for _, h := range j.Hosters {
		h.forget(facts)
	}
	for id, v := range j.Said {
		if v.Touched < facts {
			delete(j.Said, id)
		}
	}
}

// meaning is to be raised when a field of what is saved comes to mean something else.
const meaning = 1

var savedJudge = snapshot.MustOf[Judge](meaning)

// Save writes all that the judge knows; [LoadJudge] goes on from there as it would have.
func (j *Judge) Save(w snapshot.Writer) error { return savedJudge.Write(w, j) }

// LoadJudge reads what [Judge.Save] wrote, and puts the watchlist and the configuration of
// today in force. Its errors are those of watch.LoadIntake.
func LoadJudge(r snapshot.Reader, cfg Config, list watch.Watchlist, register Register) (*Judge, error) {
	j, err := savedJudge.Read(r)
	if err != nil {
		return nil, err
	}
	j.Cfg, j.register = cfg, register
	j.Rewatch(list)
	return j, nil
}

// Restored refuses a judge without what no judge is without.
func (j *Judge) Restored() bool { return j.Families != nil && j.Said != nil && j.Shared != nil }

// facts is what is known of an AS, by the register or by the watchlist.
func (j *Judge) facts(asn uint32, at time.Time) ASFacts {
	x := ASFacts{Customers: -1, Prefixes: -1}
	if j.register != nil {
		if y, ok := j.register.AS(asn, at); ok {
			x = y
		}
	}
	for _, h := range j.Hosters {
		if slices.Contains(h.ASNs, asn) {
			x.Name = cmp.Or(x.Name, h.Name)
			if x.First.IsZero() && !h.Valid.From.IsZero() {
				x.First = h.Valid.From
			}
		}
	}
	return x
}

func asText(asn uint32) string { return "AS" + strconv.FormatUint(uint64(asn), 10) }
