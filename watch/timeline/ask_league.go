package timeline

import (
	"maps"
	"slices"
	"time"
)

// league counts the hosters that an AS carries, through time.
type league struct {
	from      time.Time
	first     time.Time // where the course begins: the memory may begin later than the period
	at        time.Time // of the moment that is gathered
	dirty     []*load   // of which something changed within it
	customers map[string]*customer
	hosters   int // that are carried
	prefixes  int // of theirs
	course    []Load
}

// customer is one hoster that the AS carries.
type customer struct {
	CarriedHoster
	now             int // prefixes
	gained, dropped time.Time
	was             int  // as it was before the moment
	came            bool // within the moment, by a change in the world
	marked          bool
}

// touch notes that the load of a prefix changed.
func (x *league) touch(hoster string, l *load) {
	if hoster == "" { // of a network that is not watched: it is followed for comparison
		return
	}
	if l.customer == nil {
		l.customer = x.customers[hoster]
		if l.customer == nil {
			l.customer = &customer{CarriedHoster: CarriedHoster{Hoster: hoster}}
			x.customers[hoster] = l.customer
		}
	}
	if !l.marked {
		l.marked = true
		x.dirty = append(x.dirty, l)
	}
}

// reach ends the moment that was gathered, where at is a later one.
func (x *league) reach(at time.Time) {
	if at.Equal(x.at) {
		return
	}
	x.settle()
	if !x.at.After(x.from) && at.After(x.from) {
		x.begin()
	}
	x.at = at
}

// begin makes what is so by now that of the beginning.
func (x *league) begin() {
	for _, c := range x.customers {
		c.Before, c.Most, c.Peers = c.now, c.now, 0
		c.gained, c.dropped = time.Time{}, time.Time{}
	}
	if x.first.Equal(x.from) {
		x.course = []Load{{At: x.from, Hosters: x.hosters, Prefixes: x.prefixes}}
	}
}

// settle counts what changed within the moment: what was taken back in it was not so.
func (x *league) settle() {
	var touched []*customer
	for _, l := range x.dirty {
		l.marked = false
		if has := l.now > 0; has != l.counted {
			c := l.customer
			if !c.marked {
				c.marked, c.was, c.came = true, c.now, false
				touched = append(touched, c)
			}
			l.counted = has
			c.came = c.came || has && l.came > 0
			if has {
				c.now++
				x.prefixes++
			} else {
				c.now--
				x.prefixes--
			}
		}
	}
	x.dirty = x.dirty[:0]
	for _, c := range touched {
		c.marked = false
		c.Most = max(c.Most, c.now)
		switch {
		case c.was == 0 && c.now > 0:
			x.hosters++
			switch {
			case c.Before > 0 || !c.gained.IsZero():
			case c.came:
				c.gained = x.at
			default: // a table told that it had been so
				c.Before = c.now
			}
		case c.was > 0 && c.now == 0:
			x.hosters--
			c.dropped = x.at
		}
	}
	if n := len(x.course); x.at.After(x.from) && (n == 0 || x.course[n-1].Hosters != x.hosters || x.course[n-1].Prefixes != x.prefixes) {
		x.course = append(x.course, Load{At: x.at, Hosters: x.hosters, Prefixes: x.prefixes})
	}
}

// begin is when the knowledge of a target's period begins.
func (t *target) begin() time.Time {
	var first time.Time
	for _, x := range t.infos {
		if first.IsZero() || x.First.Before(first) {
			first = x.First
		}
	}
	if first.After(t.q.From) && !first.After(t.q.To) {
		return first
	}
	return t.q.From
}

// end gives the hosters, in order of their ids, and the course.
func (x *league) end(a *Asker, to time.Time, exact bool) ([]CarriedHoster, []Load) {
	x.settle()
	if !x.at.After(x.from) {
		x.begin()
	}
	out := []CarriedHoster{}
	for _, id := range slices.Sorted(maps.Keys(x.customers)) {
		c := x.customers[id]
		if c.Most == 0 {
			continue
		}
		c.After, c.Name = c.now, id
		if h := a.hoster(id); h != nil {
			c.Name = h.Title()
		}
		if c.Before == 0 {
			c.Gained = &c.gained
		}
		if c.After == 0 {
			c.Dropped = &c.dropped
		}
		out = append(out, c.CarriedHoster)
	}
	if exact {
		return out, x.course
	}
	return out, thinLoads(x.course, x.from, to)
}

// thinLoads bounds a course as thin does a series: of each column the first, those with the fewest and the most prefixes, and the last.
func thinLoads(course []Load, from, to time.Time) []Load {
	points := make([]Point, len(course))
	for i := range course {
		points[i] = Point{At: course[i].At, Value: float64(course[i].Prefixes), Eligible: i}
	}
	points = thin(points, from, to)
	out := make([]Load, len(points))
	for i := range points {
		out[i] = course[points[i].Eligible]
	}
	return out
}
