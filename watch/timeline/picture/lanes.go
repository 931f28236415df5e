package picture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/timeline"
)

// Heights of lanes, and how many there may be.
const (
	tall     = 54.0
	flat     = 22.0
	between  = 4.0
	mostUp   = 10 // upstreams of IPv4; of IPv6 where there are both, half of it
	mostFrom = 7  // origins of a family
)

// tints are the colours of an area.
type tints struct{ full, pale, edge role }

var (
	seenTints = tints{seen, seenPale, seenEdge}
	upTints   = tints{up, upPale, upEdge}
	ownTints  = tints{own, ownPale, ownEdge}
	allyTints = tints{ally, allyPale, allyEdge}
	elseTints = tints{other, otherPale, otherEdge}
)

// peak is the most that a lane reaches, where it was seen.
func peak(l *timeline.Lane) float64 {
	most, _ := part(l.Peak)
	for _, p := range l.Points {
		if v, ok := part(p.Value); ok && p.Eligible > 0 {
			most = max(most, v)
		}
	}
	return most
}

// ground draws the band of a lane and notes it for what lies over all lanes.
func (d *drawing) ground(y, h float64) {
	d.scene.rect(back, stripe, d.x0, y, d.x1-d.x0, h)
	d.lanes = append(d.lanes, stretch{y, y + h})
}

// course draws what a lane was over time: an area from the bottom, hatched where nobody was there to see.
func (d *drawing) course(points []timeline.Point, full, y, h float64, c tints) {
	height := func(v float64) float64 {
		if v <= 0 {
			return 0
		}
		return max(v*h, 1.5) // little is not nothing
	}
	var solid, pale [][]point
	var edge [][]point
	var run []point
	flush := func() {
		if len(run) > 1 {
			edge = append(edge, run)
		}
		run = nil
	}
	var blank []stretch
	for _, x := range d.columns(points, full) {
		if x.blind {
			blank = append(blank, stretch{x.x0, x.x1})
		}
		if !x.seen {
			flush()
			continue
		}
		low, high := height(x.low), height(x.high)
		solid = grow(solid, x.x0, x.x1, y+h-low, y+h)
		if high > low {
			pale = grow(pale, x.x0, x.x1, y+h-high, y+h-low)
			d.pales++
		}
		top := y + h - high
		if n := len(run); n == 0 {
			run = append(run, point{x.x0, top}, point{x.x1, top})
		} else if run[n-1].y == top {
			run[n-1].x = x.x1
		} else {
			run = append(run, point{x.x0, top}, point{x.x1, top})
		}
	}
	flush()
	if len(pale) > 0 {
		d.scene.add(area, shape{kind: polygons, rings: pale, ink: c.pale})
	}
	if len(solid) > 0 {
		d.scene.add(area, shape{kind: polygons, rings: solid, ink: c.full})
	}
	if len(edge) > 0 {
		d.scene.add(line, shape{kind: lines, rings: edge, ink: c.edge, width: 1.2})
	}
	for _, b := range union(blank) {
		if b.x1-b.x0 < 1.5 {
			b.x0, b.x1 = max(d.x0, b.x1-1.5), max(b.x1, d.x0+1.5)
		}
		d.used[keyBlind] = true
		d.blank(b, y, h)
	}
}

// grow adds a box to an area, one outline to all boxes that touch.
func grow(rings [][]point, x0, x1, top, bottom float64) [][]point {
	if bottom-top < 0.005 {
		return rings
	}
	if n := len(rings); n > 0 {
		r := rings[n-1]
		if last := r[len(r)-1]; last.y == bottom && r[0].y == bottom && tidy(last.x) == tidy(x0) {
			r = r[:len(r)-1]
			if r[len(r)-1].y == top {
				r[len(r)-1].x = x1
			} else {
				r = append(r, point{x0, top}, point{x1, top})
			}
			rings[n-1] = append(r, point{x1, bottom})
			return rings
		}
	}
	return append(rings, []point{{x0, bottom}, {x0, top}, {x1, top}, {x1, bottom}})
}

// blank is a time in which nobody was there to see.
func (d *drawing) blank(b stretch, y, h float64) {
	d.scene.rect(back, shade, b.x0, y, b.x1-b.x0, h)
	d.scene.hatch(over, blind, b.x0, y, b.x1-b.x0, h, everyBlind, 0.9)
}

// caption writes the name of a lane and, at the right of its column, a number.
func (d *drawing) caption(y, h float64, name string, st style, number string) {
	small := style{size: sizeSmall, ink: muted, on: paper}
	base := y + h/2 + 4
	room := d.x0 - 8 - d.left
	first, _, _ := strings.Cut(name, " ") // an AS number is not cut: rather there is no other number
	if w := d.scene.measure(number, small); number != "" && w+8+d.scene.measure(first, st) <= room {
		d.scene.write(d.x0-8-w, base, small, number)
		room -= w + 8
	}
	d.scene.write(d.left, base, st, d.fitName(name, st, room))
}

// fitName cuts a name, but never an AS number, which would read as another.
func (d *drawing) fitName(name string, st style, room float64) string {
	number, rest, _ := strings.Cut(clean(name), " ")
	if !strings.HasPrefix(number, "AS") || rest == "" {
		return d.scene.fit(name, st, room)
	}
	cut := d.scene.fit(rest, st, room-d.scene.measure(number+" ", st))
	if len([]rune(cut)) < 4 && cut != rest {
		return d.scene.fit(number, st, room)
	}
	return number + " " + cut
}

// section writes a heading above lanes, and at its right what the heights mean.
func (d *drawing) section(y float64, words, scale string) float64 {
	st := style{size: sizeSmall, bold: true, ink: ink, on: paper}
	small := style{size: sizeSmall, ink: muted, on: paper}
	words = d.scene.fit(words, st, d.right-d.left)
	end := d.scene.write(d.left, y+rowSmall-2, st, words)
	if x := max(d.x0, end+12); x+d.scene.measure(scale, small) <= d.right {
		d.scene.write(x, y+rowSmall-2, small, scale)
	}
	return y + rowSmall + 4
}

// familyOf is a lane's address family as a word, "" where it has none.
func familyOf(n int) string {
	if n == 4 || n == 6 {
		return fmt.Sprintf("IPv%d", n)
	}
	return ""
}

// split gives the lanes of each address family, IPv4 first.
func split(lanes []timeline.Lane) [][]timeline.Lane {
	by := map[int][]timeline.Lane{}
	var families []int
	for _, l := range lanes {
		if by[l.Family] == nil {
			families = append(families, l.Family)
		}
		by[l.Family] = append(by[l.Family], l)
	}
	slices.Sort(families)
	var out [][]timeline.Lane
	for _, f := range families {
		out = append(out, by[f])
	}
	return out
}

// visibility draws how many of the peers held a route.
func (d *drawing) visibility(y float64) float64 {
	if len(d.t.Visibility) == 0 {
		return y
	}
	y = d.section(y, "Visibility", "part of the peers that hold a route")
	small := style{size: sizeSmall, ink: muted, on: paper}
	for _, lanes := range split(d.t.Visibility) {
		for i := range lanes {
			l := &lanes[i]
			d.ground(y, tall)
			for _, v := range []float64{0, 0.5, 1} {
				d.scene.segment(back, grid, d.x0, y+tall*(1-v), d.x1, y+tall*(1-v), 1, false)
			}
			d.course(l.Points, 1, y, tall, seenTints)
			name := cmp.Or(familyOf(l.Family), l.Name, "all")
			d.scene.write(d.left, y+tall/2+4, style{size: sizeText, bold: true, ink: ink, on: paper}, d.scene.fit(name, style{size: sizeText, bold: true}, d.x0-d.left-56))
			for _, v := range []struct {
				words string
				base  float64
			}{{"100 %", 9}, {"50 %", tall/2 + 4}, {"0", tall}} {
				d.scene.write(d.x0-8-d.scene.measure(v.words, small), y+v.base, small, v.words)
			}
			y += tall + 2*between
		}
	}
	return y
}

// fullHeight is the round number that the tallest lane of a group is drawn against.
func fullHeight(lanes []timeline.Lane) float64 {
	most := 0.0
	for i := range lanes {
		most = max(most, peak(&lanes[i]))
	}
	for _, v := range []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5} {
		if most <= v {
			return v
		}
	}
	return 1
}

// upstreams draws a lane for each upstream, by address family.
func (d *drawing) upstreams(y float64) float64 {
	for i, lanes := range split(d.t.Upstreams) {
		most := mostUp
		if i > 0 {
			most = mostUp / 2
		}
		rest := 0
		if len(lanes) > most+1 {
			rest = len(lanes) - most
			more := sum(lanes[most:])
			for _, l := range lanes[most:] {
				more.Events = append(more.Events, l.Events...)
			}
			more.Family = lanes[0].Family
			lanes = append(slices.Clone(lanes[:most]), more)
		}
		full := fullHeight(lanes)
		y = d.section(y+2, "Upstreams "+familyOf(lanes[0].Family), "share of the routes, full height "+percent(full))
		for j := range lanes {
			l := &lanes[j]
			name, st := bgp.ASN(l.ASN), style{size: sizeText, ink: ink, on: paper}
			if l.Name != "" {
				name += " " + l.Name
			}
			if rest > 0 && j == len(lanes)-1 {
				name, st.ink = fmt.Sprintf("and %d more", rest), muted
			}
			d.ground(y, flat)
			d.course(l.Points, full, y, flat, upTints)
			d.caption(y, flat, name, st, percent(peak(l)))
			d.onLane(l, y, flat)
			y += flat + between
		}
	}
	return y
}

// standing orders origins: the hoster's own, then strangers, then its customers and those that are allowed.
func standing(role string) int {
	switch role {
	case "own":
		return 0
	case "customer":
		return 2
	case "allowed":
		return 3
	}
	return 1
}

// origins draws a lane for each AS that the prefixes came from. A stranger stands out by its frame, its word and its colour.
func (d *drawing) origins(y float64) float64 {
	for _, lanes := range split(d.t.Origins) {
		slices.SortStableFunc(lanes, func(a, b timeline.Lane) int { return cmp.Compare(standing(a.Role), standing(b.Role)) })
		rest := 0
		if len(lanes) > mostFrom+1 {
			rest = len(lanes) - mostFrom
			more := sum(lanes[mostFrom:])
			more.Role, more.Family = lanes[mostFrom].Role, lanes[0].Family
			for _, l := range lanes[mostFrom:] {
				more.Events = append(more.Events, l.Events...)
			}
			lanes = append(slices.Clone(lanes[:mostFrom]), more)
		}
		full := fullHeight(lanes)
		y = d.section(y+2, "Origins "+familyOf(lanes[0].Family), "share of the routes, full height "+percent(full))
		for j := range lanes {
			l := &lanes[j]
			folded := rest > 0 && j == len(lanes)-1
			d.origin(l, full, y, folded, rest)
			y += flat + between
		}
	}
	return y
}

func (d *drawing) origin(l *timeline.Lane, full, y float64, folded bool, rest int) {
	c, st := elseTints, style{size: sizeText, bold: true, ink: alarm, on: paper}
	word := "other"
	switch l.Role {
	case "own":
		c, st, word = ownTints, style{size: sizeText, ink: ink, on: paper}, "own"
	case "customer", "allowed":
		c, st, word = allyTints, style{size: sizeText, ink: ink, on: paper}, l.Role
	}
	name := bgp.ASN(l.ASN)
	if l.ASN == 0 {
		name = "not known"
	}
	if l.Name != "" {
		name += " " + l.Name
	}
	if folded {
		name = fmt.Sprintf("and %d more", rest)
	}
	d.ground(y, flat)
	d.course(l.Points, full, y, flat, c)
	if word == "other" {
		d.scene.frame(line, otherEdge, d.x0-1, y-1, d.x1-d.x0+2, flat+2, 1.6)
	}
	number := word + " " + percent(peak(l))
	if d.scene.width < narrow {
		number = word
	}
	d.caption(y, flat, name, st, number)
	d.onLane(l, y, flat)
}

// onLane puts the signs of a lane's events on it. Signs that would overlap are drawn once.
func (d *drawing) onLane(l *timeline.Lane, y, h float64) {
	if len(l.Events) == 0 {
		return
	}
	about := map[string]bool{}
	for _, id := range l.Events {
		about[id] = true
	}
	type sign struct {
		x float64
		e *watch.Event
	}
	var last []sign
	for _, e := range d.events {
		if !about[e.ID] {
			continue
		}
		x := d.at(onset(e))
		if n := len(last); n > 0 && x-last[n-1].x < 9 {
			if weight(e) > weight(last[n-1].e) {
				last[n-1].e = e
			}
			continue
		}
		last = append(last, sign{x, e})
	}
	if len(last) > 16 { // signs side by side would hide the lane
		if h >= flat {
			d.rug(about, y)
		}
		return
	}
	for _, s := range last {
		d.sign(s.e.Kind, min(max(s.x, d.x0+5), d.x1-5), y+h/2, min(4.5, h*0.35))
	}
}

// rug marks each event of a lane by a tick at its top.
func (d *drawing) rug(about map[string]bool, y float64) {
	last := -10.0
	for _, e := range d.events {
		if x := min(max(d.at(onset(e)), d.x0+1), d.x1-1); about[e.ID] && x >= last+2.5 {
			d.scene.segment(front, paper, x, y, x, y+6, 2.4, false)
			d.scene.segment(front, ink, x, y, x, y+5, 1.2, false)
			last = x
		}
	}
}
