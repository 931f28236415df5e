package picture

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/timeline"
)

// signOf is the sign of an event's kind: its form says what its colour says.
func signOf(k watch.EventKind) key {
	switch k {
	case watch.UpstreamLost, watch.TransitLost, watch.RouteWithdrawn:
		return keyLost
	case watch.UpstreamGained, watch.UpstreamRestored, watch.RouteRestored, watch.PrefixNew:
		return keyGained
	case watch.OriginNew, watch.OriginGone:
		return keyOrigin
	case watch.HosterDark:
		return keyDark
	case watch.HosterReturned:
		return keyReturned
	}
	return keyPlain
}

func (d *drawing) sign(k watch.EventKind, x, y, r float64) { d.draw(signOf(k), x, y, r) }

// draw puts a sign with a rim of the paper's colour, so that it stands off whatever is behind it.
func (d *drawing) draw(k key, x, y, r float64) {
	d.used[k] = true
	s := d.scene
	switch k {
	case keyLost:
		s.poly(front, paper, point{x - r - 2, y - r - 0.6}, point{x + r + 2, y - r - 0.6}, point{x, y + r + 1.6})
		s.poly(front, loss, point{x - r, y - r + 0.6}, point{x + r, y - r + 0.6}, point{x, y + r - 0.6})
	case keyGained:
		s.poly(front, paper, point{x - r - 2, y + r + 0.6}, point{x, y - r - 1.6}, point{x + r + 2, y + r + 0.6})
		s.poly(front, gain, point{x - r, y + r - 0.6}, point{x, y - r + 0.6}, point{x + r, y + r - 0.6})
	case keyOrigin:
		o := r + 1.4
		s.poly(front, paper, point{x - o, y}, point{x, y - o}, point{x + o, y}, point{x, y + o})
		s.poly(front, strange, point{x - r, y}, point{x, y - r}, point{x + r, y}, point{x, y + r})
	case keyDark, keyReturned:
		i := r * 0.85
		s.rect(front, paper, x-i-1, y-i-1, 2*i+2, 2*i+2)
		s.rect(front, ink, x-i, y-i, 2*i, 2*i)
		if k == keyReturned {
			s.rect(front, paper, x-i+1.6, y-i+1.6, 2*i-3.2, 2*i-3.2)
		}
	default:
		s.disc(front, paper, x, y, r*0.8+1)
		s.disc(front, plain, x, y, r*0.8)
	}
}

// cluster is one sign of the row of events: one event, or those that would overlap.
type cluster struct {
	x           float64
	main        *watch.Event
	n           int
	first, last int // numbers of the legend in it; 0: none
	left, right float64
	words       string
}

// marks draws the row of events: each at its moment as a tick, a sign for those that are near each other, and the numbers of the legend.
func (d *drawing) marks(y float64) float64 {
	if len(d.events) == 0 {
		return y
	}
	number := map[*watch.Event]int{}
	for _, n := range d.told {
		number[n.event] = n.number
	}
	var all []cluster
	for _, e := range d.events {
		c := cluster{x: d.at(onset(e)), main: e, n: 1, first: number[e], last: number[e]}
		d.dress(&c)
		all = append(all, c)
		for len(all) > 1 && all[len(all)-2].right+4 > all[len(all)-1].left {
			a, b := &all[len(all)-2], all[len(all)-1]
			if weigh(&b) > weigh(a) {
				a.x, a.main = b.x, b.main
			}
			a.n += b.n
			a.first, a.last = cmp.Or(a.first, b.first), max(a.last, b.last) // numbers grow with time
			d.dress(a)
			all = all[:len(all)-1]
		}
	}
	top := y
	row := y + rowSmall + 9
	for i := range all {
		c := &all[i]
		st := d.numeral(c)
		d.scene.write(c.left, top+rowSmall-3, st, c.words)
		if c.words == "" && c.n > 1 {
			d.used[keyMany] = true
		}
		d.sign(c.main.Kind, c.x, row-2, 5.5)
		if c.first > 0 {
			d.guides = append(d.guides, c.x)
		}
	}
	last := -1.0
	for _, e := range d.events {
		if x := tidy(d.at(onset(e))); x >= last+1.5 {
			d.scene.segment(front, plain, x, row+6, x, row+11, 1, false)
			last = x
		}
	}
	d.scene.write(d.left, row+2, style{size: sizeText, bold: true, ink: ink, on: paper}, d.scene.fit("Events", style{size: sizeText, bold: true}, d.x0-d.left-60))
	small := style{size: sizeSmall, ink: muted, on: paper}
	w := d.scene.measure(fmt.Sprint(len(d.events)), small)
	d.scene.write(d.x0-8-w, row+2, small, fmt.Sprint(len(d.events)))
	return row + 18
}

// weigh says which event of a cluster gives it its sign: one of the legend before any that is not.
func weigh(c *cluster) float64 {
	w := kinds[c.main.Kind] + weight(c.main)/100
	if c.first > 0 {
		w += 100
	}
	return w
}

func (d *drawing) numeral(c *cluster) style {
	if c.first > 0 {
		return style{size: sizeSmall, bold: true, ink: ink, on: paper}
	}
	return style{size: sizeSmall, ink: muted, on: paper}
}

// dress gives a cluster its words and the room that it takes.
func (d *drawing) dress(c *cluster) {
	switch {
	case c.first > 0 && c.last > c.first:
		c.words = fmt.Sprintf("%d–%d", c.first, c.last)
	case c.first > 0:
		c.words = fmt.Sprint(c.first)
	case c.n > 1:
		c.words = fmt.Sprintf("%d×", c.n)
	default:
		c.words = ""
	}
	w := max(d.scene.measure(c.words, d.numeral(c)), 13)
	own := d.scene.measure(c.words, d.numeral(c))
	c.left = min(max(c.x-own/2, d.x0-6), d.right+6-own)
	c.right = max(c.left+own, c.x+w/2)
	if c.words == "" {
		c.left = c.x - w/2
	}
}

// bar is a stretch of a row with words.
type bar struct {
	stretch
	words string
	track int
}

// tracks puts bars that overlap under each other, at most so many; it gives how many are used, and how many bars found no room.
func tracks(bars []bar, most int) (used, lost int) {
	var ends []float64
	for i := range bars {
		b := &bars[i]
		b.track = -1
		for t := range ends {
			if b.x0 >= ends[t]+3 {
				b.track = t
				break
			}
		}
		if b.track < 0 && len(ends) < most {
			b.track = len(ends)
			ends = append(ends, 0)
		}
		if b.track < 0 {
			lost++
			continue
		}
		ends[b.track] = b.x1
	}
	return len(ends), lost
}

// stories gives the incidents that lie within the period, from left to right.
func (d *drawing) stories() []bar {
	var bars []bar
	for i := range d.t.Incidents {
		inc := &d.t.Incidents[i]
		to := d.end
		if inc.Resolved != nil && inc.Resolved.Before(to) {
			to = inc.Resolved.UTC()
		}
		if to.Before(d.from) || inc.Opened.After(d.end) || to.Before(inc.Opened) {
			continue
		}
		bars = append(bars, bar{stretch: d.wide(inc.Opened.UTC(), to, 3), words: sayClass(inc.Class)})
	}
	slices.SortStableFunc(bars, func(a, b bar) int { return cmp.Or(cmp.Compare(a.x0, b.x0), cmp.Compare(a.x1, b.x1)) })
	return bars
}

// incidents draws each incident as a band with its class.
func (d *drawing) incidents(y float64) float64 {
	bars := d.stories()
	if len(bars) == 0 {
		return y
	}
	const h, gap = 17.0, 3.0
	used, lost := tracks(bars, 3)
	d.bands(bars, y, h, gap, used)
	number := fmt.Sprint(len(bars))
	if lost > 0 {
		number = fmt.Sprintf("%d of %d", len(bars)-lost, len(bars))
	}
	d.caption(y, h, "Incidents", style{size: sizeText, bold: true, ink: ink, on: paper}, number)
	return y + float64(used)*(h+gap) + 5
}

// bands draws the bars of the incidents; their words stand inside, or to the right where there is room.
func (d *drawing) bands(bars []bar, y, h, gap float64, used int) {
	free := make([]float64, used) // where words may begin, from the right
	for t := range free {
		free[t] = d.right
	}
	for i := len(bars) - 1; i >= 0; i-- {
		b := &bars[i]
		if b.track < 0 {
			continue
		}
		top := y + float64(b.track)*(h+gap)
		d.scene.rect(area, story, b.x0, top, b.x1-b.x0, h)
		d.scene.rect(line, storyEnd, b.x0, top, min(2, b.x1-b.x0), h)
		d.scene.segment(line, storyEnd, b.x0, top+h-0.5, b.x1, top+h-0.5, 1, false)
		in := style{size: sizeSmall, ink: ink, on: story}
		out := style{size: sizeSmall, ink: muted, on: paper}
		w := d.scene.measure(b.words, in)
		switch {
		case w+10 <= b.x1-b.x0:
			d.scene.write(b.x0+6, top+h/2+4, in, b.words)
		case b.x1+4+w <= free[b.track]-4:
			d.scene.write(b.x1+4, top+h/2+4, out, b.words)
		}
		free[b.track] = b.x0
	}
}

// stay is how long a C&C family was seen in one AS.
type stay struct {
	asn      uint32
	from, to time.Time
	sights   []stretch
}

// kin is a C&C family with its stays.
type kin struct {
	name  string
	stays []stay
}

// relatives gathers the sightings of each family by AS, in order of the first.
func (d *drawing) relatives() []kin {
	index := map[string]int{}
	var out []kin
	all := slices.Clone(d.t.Sightings)
	slices.SortStableFunc(all, func(a, b timeline.Sight) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Family, b.Family), cmp.Compare(a.ASN, b.ASN), a.Until.Compare(b.Until))
	})
	for _, s := range all {
		from, to := s.At.UTC(), s.At.UTC()
		if s.Until.After(to) {
			to = s.Until.UTC()
		}
		if to.After(d.end) {
			to = d.end
		}
		if to.Before(d.from) || from.After(d.end) {
			continue
		}
		name := cmp.Or(clean(s.Family), "not named")
		i, ok := index[name]
		if !ok {
			i = len(out)
			index[name] = i
			out = append(out, kin{name: name})
		}
		k := &out[i]
		j := slices.IndexFunc(k.stays, func(x stay) bool { return x.asn == s.ASN })
		if j < 0 {
			j = len(k.stays)
			k.stays = append(k.stays, stay{asn: s.ASN, from: from, to: to})
		}
		x := &k.stays[j]
		if to.After(x.to) {
			x.to = to
		}
		x.sights = append(x.sights, d.wide(from, to, 3))
	}
	return out
}

// wide is where a time lies, at least so many pixels of it.
func (d *drawing) wide(from, to time.Time, least float64) stretch {
	s := stretch{d.at(from), d.at(to)}
	if s.x1-s.x0 < least {
		s.x1 = min(s.x0+least, d.x1)
		s.x0 = s.x1 - least
	}
	return s
}

const mostFamilies = 8

// families draws where the servers of each C&C family were seen: thick while a sight lasts, thin from the first to the last in an AS. What was seen outside the
// hoster's own ASes is hollow.
func (d *drawing) families(y float64) float64 {
	kins := d.relatives()
	if len(kins) == 0 {
		return y
	}
	home := map[uint32]bool{}
	for i := range d.t.Origins {
		if d.t.Origins[i].Role == "own" {
			home[d.t.Origins[i].ASN] = true
		}
	}
	scale := "seen, and the time between, in an AS"
	if len(home) > 0 {
		scale += "; hollow: outside the hoster's own"
	}
	y = d.section(y+2, "C&C", scale)
	more := 0
	if len(kins) > mostFamilies+1 {
		more = len(kins) - mostFamilies
		kins = kins[:mostFamilies]
	}
	for i := range kins {
		y = d.family(&kins[i], home, y)
	}
	if more > 0 {
		d.scene.write(d.left, y+rowSmall-3, style{size: sizeSmall, ink: muted, on: paper}, fmt.Sprintf("and %d more", more))
		y += rowSmall + 4
	}
	return y
}

func (d *drawing) family(k *kin, home map[uint32]bool, y float64) float64 {
	const h = 16.0
	small := style{size: sizeSmall, ink: ink, on: stripe}
	bars := make([]bar, len(k.stays))
	room := make([]bar, len(k.stays)) // with the words: to the right of the bar, to its left, or on it
	words := make([]float64, len(k.stays))
	for i, s := range k.stays {
		b := bar{stretch: d.wide(s.from, s.to, 3)}
		if s.asn != 0 {
			b.words = bgp.ASN(s.asn)
		}
		bars[i], room[i] = b, b
		w := d.scene.measure(b.words, small)
		switch {
		case w == 0:
		case b.x1+w+8 <= d.x1:
			words[i] = b.x1 + 5
			room[i].x1 += w + 8
		case b.x0-w-8 >= d.x0:
			words[i] = b.x0 - 5 - w
			room[i].x0 -= w + 8
		default:
			words[i] = (b.x0 + b.x1 - w) / 2
		}
	}
	used, lost := tracks(room, 4)
	height := float64(used)*h + 4
	d.ground(y, height)
	for i, b := range bars {
		if room[i].track < 0 {
			continue
		}
		mid := y + 2 + float64(room[i].track)*h + h/2
		d.scene.segment(area, cnc, b.x0, mid, b.x1, mid, 1.2, false)
		hollow := len(home) > 0 && !home[k.stays[i].asn]
		for _, s := range union(k.stays[i].sights) {
			d.scene.rect(area, cnc, s.x0, mid-4, s.x1-s.x0, 8)
			if hollow && s.x1-s.x0 > 3.4 {
				d.scene.rect(area, stripe, s.x0+1.4, mid-2.6, s.x1-s.x0-2.8, 5.2)
			}
		}
		if b.words != "" {
			d.scene.rect(front, stripe, words[i]-2, mid-6, d.scene.measure(b.words, small)+4, 12)
			d.scene.write(words[i], mid+4, small, b.words)
		}
	}
	number := ""
	if lost > 0 {
		number = fmt.Sprintf("+%d AS", lost)
	}
	d.caption(y, height, k.name, style{size: sizeText, ink: ink, on: paper}, number)
	return y + height + between
}
