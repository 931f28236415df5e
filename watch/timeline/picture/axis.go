package picture

import (
	"time"
)

// clock places moments between two edges, in logical pixels.
type clock struct {
	from, to time.Time // UTC
	end      time.Time // nothing is known after it: Options.Now, or to
	x0, x1   float64
}

// at is where a moment stands, held within the edges.
func (c *clock) at(t time.Time) float64 {
	if !t.After(c.from) {
		return c.x0
	}
	if !t.Before(c.to) {
		return c.x1
	}
	// The seconds of the beginning are taken off as whole numbers first: a float has not room for both.
	part := float64(t.Unix()-c.from.Unix()) + float64(t.Nanosecond()-c.from.Nanosecond())/1e9
	return c.x0 + (c.x1-c.x0)*part/c.span()
}

// span is the length of the period in seconds.
func (c *clock) span() float64 {
	return float64(c.to.Unix()-c.from.Unix()) + float64(c.to.Nanosecond()-c.from.Nanosecond())/1e9
}

func (c *clock) holds(t time.Time) bool { return !t.Before(c.from) && !t.After(c.to) }

// step is a distance of ticks.
type step struct {
	milliseconds, days, months, years int // one of them
	label                             string
	context                           string // what is said once below: the date, or the year
}

var steps = func() []step {
	var out []step
	for _, ms := range []int{1, 2, 5, 10, 20, 50, 100, 200, 500} {
		out = append(out, step{milliseconds: ms, label: "15:04:05.000", context: "2 Jan 2006"})
	}
	for _, s := range []int{1, 2, 5, 10, 15, 30} {
		out = append(out, step{milliseconds: s * 1000, label: "15:04:05", context: "2 Jan 2006"})
	}
	for _, m := range []int{1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720} {
		out = append(out, step{milliseconds: m * 60_000, label: "15:04", context: "2 Jan 2006"})
	}
	for _, d := range []int{1, 2, 7, 14} {
		out = append(out, step{days: d, label: "2 Jan", context: "2006"})
	}
	for _, m := range []int{1, 2, 3, 6} {
		out = append(out, step{months: m, label: "Jan", context: "2006"})
	}
	for _, y := range []int{1, 2, 5, 10, 20, 50, 100, 200} {
		out = append(out, step{years: y, label: "2006"})
	}
	return out
}()

// apart is the usual length of a step in seconds.
func (s step) apart() float64 {
	return float64(s.milliseconds)/1000 + float64(s.days)*86400 + float64(s.months)*30.4*86400 + float64(s.years)*365.2*86400
}

// first is the first tick at or after a moment.
func (s step) first(t time.Time) time.Time {
	y, m, d := t.Date()
	var at time.Time
	switch {
	case s.years > 0:
		at = time.Date(y-y%s.years, 1, 1, 0, 0, 0, 0, time.UTC)
	case s.months > 0:
		at = time.Date(y, m-(m-1)%time.Month(s.months), 1, 0, 0, 0, 0, time.UTC)
	case s.days > 0: // counted from a Monday, so that weeks begin as people's do, whatever the period
		const monday = 4 * 86400
		n := int64(s.days) * 86400
		past := ((t.Unix()-monday)%n + n) % n
		at = time.Unix(t.Unix()-past, 0).UTC()
	default:
		day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		n := time.Duration(s.milliseconds) * time.Millisecond
		at = day.Add(t.Sub(day) / n * n)
	}
	if at.Before(t) {
		at = s.next(at)
	}
	return at
}

func (s step) next(t time.Time) time.Time {
	if s.milliseconds > 0 {
		return t.Add(time.Duration(s.milliseconds) * time.Millisecond)
	}
	return t.AddDate(s.years, s.months, s.days)
}

// ticks gives the moments of the axis and the step between them: as many as there is room for.
func (c *clock) ticks(measure func(string) float64) ([]time.Time, step) {
	chosen := steps[len(steps)-1]
	for _, s := range steps {
		if s.apart()/c.span()*(c.x1-c.x0) >= measure(c.to.Format(s.label))+12 {
			chosen = s
			break
		}
	}
	var out []time.Time
	for t := chosen.first(c.from); !t.After(c.to) && len(out) < 200; t = chosen.next(t) {
		out = append(out, t)
	}
	return out, chosen
}

// axis draws the ticks with their labels below y and gives where it ends; the lines through the lanes run from top to bottom.
func (d *drawing) axis(y float64) float64 {
	small := style{size: sizeSmall, ink: muted, on: paper}
	ticks, st := d.ticks(func(s string) float64 { return d.scene.measure(s, small) })
	d.gridlines = ticks
	d.scene.segment(line, guide, d.x0, y, d.x1, y, 1, false)
	last, lastBelow := d.left-8, d.left-8
	context, pending := "", (*time.Time)(nil)
	below := func(t time.Time) {
		words := t.Format(st.context)
		w := d.scene.measure(words, small)
		x := min(max(d.at(t)-w/2, d.left), d.right-w)
		if x < lastBelow+8 {
			return
		}
		d.scene.write(x, y+6+2*rowSmall, small, words)
		lastBelow = x + w
	}
	for _, t := range ticks {
		x := d.at(t)
		d.scene.segment(line, guide, x, y, x, y+4, 1, false)
		words := t.Format(st.label)
		w := d.scene.measure(words, small)
		left := min(max(x-w/2, d.left), d.right-w)
		if left >= last+8 {
			d.scene.write(left, y+5+rowSmall, small, words)
			last = left + w
		}
		if st.context == "" {
			continue
		}
		// What the labels leave out is said at the first tick, and again where it changes. Where the first is too near
		// to the change, the change is the better place.
		if c := t.Format(st.context); c != context {
			if context == "" {
				at := t
				pending = &at
			} else {
				if pending != nil && x-d.at(*pending) >= d.scene.measure(c, small)+8 {
					below(*pending)
				}
				pending = nil
				below(t)
			}
			context = c
		}
	}
	if pending != nil {
		below(*pending)
	}
	if st.context == "" {
		return y + 8 + rowSmall
	}
	return y + 9 + 2*rowSmall
}
