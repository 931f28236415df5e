package picture

import (
	"cmp"
	"math"
	"slices"
	"time"

	"depeer/watch/timeline"
)

// column is what a lane was over some width: at least low, at most high, where it was seen.
type column struct {
	x0, x1    float64
	low, high float64
	seen      bool // somebody was there to see, at some time
	blind     bool // nobody was, at some time
}

// part holds a value within 0 and 1; false where it is none.
func part(v float64) (float64, bool) {
	return min(max(v, 0), 1), !math.IsNaN(v)
}

// columns gives the course of a lane from left to right: exact steps, or, where they are narrower than a pixel, what they
// range over. full is the value at full height.
func (c *clock) columns(points []timeline.Point, full float64) []column {
	var out []column
	add := func(from, to time.Time, v float64, seen bool) {
		if to.After(c.end) {
			to = c.end
		}
		if from.Before(c.from) {
			from = c.from
		}
		if !from.Before(to) {
			return
		}
		v = min(v/full, 1)
		x := column{x0: c.at(from), x1: c.at(to), low: v, high: v, seen: seen, blind: !seen}
		if n := len(out); n > 0 {
			p := &out[n-1]
			same := p.seen == x.seen && p.blind == x.blind && p.low == x.low && p.high == x.high
			if same || p.x1-p.x0 < 1 { // also the beginning of a wide step: an edge is where it is to a pixel
				if x.x1-x.x0 >= 1 && !same {
					edge := min(p.x0+1, x.x1)
					first := x
					first.x1 = edge
					p.join(first)
					if x.x0 = edge; x.x1-x.x0 > 0 {
						out = append(out, x)
					}
					return
				}
				p.join(x)
				return
			}
		}
		out = append(out, x)
	}
	at := c.from // what came before the first point is not known
	value, seen := 0.0, false
	for _, p := range points {
		if p.At.After(c.to) {
			break
		}
		if p.At.After(at) {
			add(at, p.At, value, seen)
			at = p.At
		}
		var ok bool
		value, ok = part(p.Value)
		seen = p.Eligible > 0 && ok
	}
	add(at, c.to, value, seen)
	return out
}

func (p *column) join(x column) {
	p.x1 = max(p.x1, x.x1)
	switch {
	case !x.seen:
	case !p.seen:
		p.low, p.high = x.low, x.high
	default:
		p.low, p.high = min(p.low, x.low), max(p.high, x.high)
	}
	p.seen = p.seen || x.seen
	p.blind = p.blind || x.blind
}

// sum adds lanes up to one. Somebody was there to see where anybody was for any of them.
func sum(lanes []timeline.Lane) timeline.Lane {
	type change struct {
		at   time.Time
		lane int
		p    timeline.Point
	}
	var all []change
	for i := range lanes {
		for _, p := range lanes[i].Points {
			all = append(all, change{p.At, i, p})
		}
	}
	slices.SortStableFunc(all, func(a, b change) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.lane, b.lane)) })
	var out timeline.Lane
	value, there := make([]float64, len(lanes)), make([]bool, len(lanes))
	total, eyes := 0.0, 0
	for i, c := range all {
		v, ok := part(c.p.Value)
		ok = ok && c.p.Eligible > 0
		if !ok {
			v = 0
		}
		if there[c.lane] {
			eyes--
		}
		if ok {
			eyes++
		}
		total += v - value[c.lane]
		value[c.lane], there[c.lane] = v, ok
		if i+1 < len(all) && all[i+1].at.Equal(c.at) {
			continue
		}
		// What adding and taking away leaves behind must not show as a share.
		p := timeline.Point{At: c.at, Value: min(math.Round(total*1e9)/1e9, 1), Eligible: eyes}
		out.Points = append(out.Points, p)
		out.Peak = max(out.Peak, p.Value)
	}
	return out
}

// stretch is a time between two places.
type stretch struct{ x0, x1 float64 }

// union joins stretches that touch.
func union(in []stretch) []stretch {
	slices.SortFunc(in, func(a, b stretch) int { return cmp.Or(cmp.Compare(a.x0, b.x0), cmp.Compare(a.x1, b.x1)) })
	var out []stretch
	for _, s := range in {
		if n := len(out); n > 0 && s.x0 <= out[n-1].x1+0.5 {
			out[n-1].x1 = max(out[n-1].x1, s.x1)
			continue
		}
		out = append(out, s)
	}
	return out
}
