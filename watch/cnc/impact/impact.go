// Package impact says whether a series of measurements (spam a day, attacks an hour)
// changed when a hoster was cut off, and when it was back.
//
// A series is held against itself: the level of the days before the cut, without its weekly
// rhythm, is compared with the level after it, and the difference with those that blocks of the time
// before, put together anew, show by chance (moving block bootstrap, Künsch 1989: neighbouring days are
// alike, so they are drawn together). Levels are medians, so that one bad day is no change.
// What is too short, or moves as much anyway, proves nothing, and the answer says so. A
// change beside a cut coincides with it; why is not said.
//
// The package is pure: no clock, no I/O, and chance comes from a fixed seed, so the same series gives
// the same answer.
package impact

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Point is one measurement.
type Point struct {
	At    time.Time
	Value float64
}

// Options says what is compared; zero values take the default.
type Options struct {
	Before time.Duration // level before the cut; 16 weeks
	After  time.Duration // level after it; 2 weeks
	Chance float64       // a change is called one below this probability; 0.01
	Draws  int           // of the bootstrap; 2000
	Back   float64       // back: this part of the level before; 0.9
}

func (o Options) filled() Options {
	o.Before, o.After = cmp.Or(o.Before, 16*week), cmp.Or(o.After, 2*week)
	o.Chance, o.Draws, o.Back = cmp.Or(o.Chance, 0.01), cmp.Or(o.Draws, 2000), cmp.Or(o.Back, 0.9)
	return o
}

const (
	oneDay = 24 * time.Hour
	week   = 7 * oneDay
)

// Result is what a series shows at one cut.
type Result struct {
	Type     string        `json:"type"` // "impact"
	Series   string        `json:"series"`
	Hoster   string        `json:"hoster,omitempty"`
	Incident string        `json:"incident,omitempty"`
	Cut      time.Time     `json:"cut"`
	Before   float64       `json:"before"`            // level, without the weekly rhythm
	Day      float64       `json:"day"`               // level of the first day after the cut
	After    float64       `json:"after"`             // level of the time after
	Change   float64       `json:"change"`            // (Day-Before)/Before; 0 where Before is 0
	Lasting  float64       `json:"lasting"`           // (After-Before)/Before
	P        float64       `json:"p"`                 // probability of such a change by chance; 1 where it cannot be told
	Proven   bool          `json:"proven"`            // P is below Options.Chance
	Points   [2]int        `json:"points"`            // measurements before and after
	Weekly   bool          `json:"weekly"`            // a weekly rhythm was taken out
	Onset    time.Time     `json:"onset,omitzero"`    // where the series itself breaks, within two weeks of the cut
	Returned time.Time     `json:"returned,omitzero"` // back at the level before for a week, from here on
	Away     time.Duration `json:"-"`                 // Returned - Cut
	Why      string        `json:"why,omitempty"`     // why nothing is proven
	Summary  string        `json:"summary"`
}

const leastPoints = 14

// At tests the series, which must be in order of time, at a cut. An error says what cannot be
// computed with at all; a series that is too short is a Result that proves nothing.
func At(name string, series []Point, cut time.Time, o Options) (Result, error) {
	o = o.filled()
	r := Result{Type: "impact", Series: name, Cut: cut.UTC(), P: 1}
	if !slices.IsSortedFunc(series, func(a, b Point) int { return a.At.Compare(b.At) }) {
		return r, errors.New("the series is not in order of time")
	}
	for _, p := range series {
		if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
			return r, fmt.Errorf("%s: %v is no measurement", p.At.Format(time.RFC3339), p.Value)
		}
	}
	before := between(series, cut.Add(-o.Before), cut)
	factors := rhythm(before)
	r.Weekly = factors != nil
	flat := func(list []Point) []float64 { return flatten(list, factors) }
	was := flat(before)
	step := spacing(series)
	day := flat(between(series, cut, cut.Add(max(oneDay, step)+time.Second)))
	after := flat(between(series, cut, cut.Add(o.After)))
	r.Points = [2]int{len(was), len(after)}
	switch {
	case len(was) < leastPoints:
		r.Why = fmt.Sprintf("%d measurements before the cut are too few to know what is usual (%d are needed)", len(was), leastPoints)
	case len(after) < 2 || len(day) == 0:
		r.Why = "too little was measured after the cut"
	}
	if len(was) > 0 {
		r.Before = median(was)
	}
	if len(day) > 0 {
		r.Day = median(day)
	}
	if len(after) > 0 {
		r.After = median(after)
	}
	if r.Before != 0 {
		r.Change, r.Lasting = (r.Day-r.Before)/math.Abs(r.Before), (r.After-r.Before)/math.Abs(r.Before)
	}
	if r.Why == "" {
		r.P = chance(was, day, after, o.Draws, step)
		if r.Proven = r.P < o.Chance; !r.Proven {
			r.Why = fmt.Sprintf("it moves as much in %.0f %% of the times that look like the weeks before", r.P*100)
		}
		r.onset(series, factors)
	}
	if r.Proven {
		r.back(series, factors, o.Back)
	}
	r.Summary = r.sentence()
	return r, nil
}

func between(series []Point, from, to time.Time) []Point {
	i, _ := slices.BinarySearchFunc(series, from, func(p Point, t time.Time) int { return p.At.Compare(t) })
	k, _ := slices.BinarySearchFunc(series, to, func(p Point, t time.Time) int { return p.At.Compare(t) })
	return series[i:max(i, k)]
}

// spacing is the median time between two measurements.
func spacing(series []Point) time.Duration {
	if len(series) < 2 {
		return oneDay
	}
	var d []float64
	for i := 1; i < len(series); i++ {
		d = append(d, float64(series[i].At.Sub(series[i-1].At)))
	}
	return time.Duration(median(d))
}

// rhythm gives the factor of each weekday; nil where three weeks do not show one, or the
// values can be negative.
func rhythm(before []Point) []float64 {
	if len(before) < 21 || before[len(before)-1].At.Sub(before[0].At) < 3*week-oneDay {
		return nil
	}
	var byDay [7][]float64
	var all []float64
	for _, p := range before {
		if p.Value <= 0 {
			return nil
		}
		byDay[p.At.UTC().Weekday()] = append(byDay[p.At.UTC().Weekday()], p.Value)
		all = append(all, p.Value)
	}
	level := median(all)
	out := make([]float64, 7)
	for i, v := range byDay {
		if len(v) < 3 {
			return nil
		}
		out[i] = median(v) / level
	}
	return out
}

func flatten(list []Point, factors []float64) []float64 {
	out := make([]float64, len(list))
	for i, p := range list {
		out[i] = p.Value
		if factors != nil {
			out[i] /= factors[p.At.UTC().Weekday()]
		}
	}
	return out
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	if n == 0 {
		return 0
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

// chance is how often blocks of the time before, put together anew as long as what is
// compared, differ from the rest as much as the time after does: in its first day or as a whole, whichever is
// rarer, corrected for there being two.
func chance(was, day, after []float64, draws int, step time.Duration) float64 {
	level := median(was)
	seen := [2]float64{math.Abs(median(day) - level), math.Abs(median(after) - level)}
	block := max(int(2*week/max(step, time.Minute)), int(math.Cbrt(float64(len(was)))))
	block = max(1, min(block, len(was)/4))
	random := rand.New(rand.NewPCG(uint64(len(was)), 20081111))
	drawn := func(n int) []float64 {
		out := make([]float64, 0, n+block)
		for len(out) < n {
			i := random.IntN(len(was) - block + 1)
			out = append(out, was[i:i+block]...)
		}
		return out[:n]
	}
	hits := [2]int{}
	for range draws {
		base := median(drawn(len(was)))
		next := drawn(len(after))
		for i, n := range []int{len(day), len(after)} {
			if math.Abs(median(next[:min(n, len(next))])-base) >= seen[i] {
				hits[i]++
			}
		}
	}
	p := float64(min(hits[0], hits[1])+1) / float64(draws+1)
	return min(2*p, 1)
}

// onset finds where the series breaks by itself: the moment within two weeks of the cut that parts
// it best into two levels (least sum of absolute residuals).
func (r *Result) onset(series []Point, factors []float64) {
	list := between(series, r.Cut.Add(-4*week), r.Cut.Add(4*week))
	v := flatten(list, factors)
	best := math.Inf(1)
	for i := 3; i+3 <= len(v); i++ {
		if d := list[i].At.Sub(r.Cut); d < -2*week || d > 2*week {
			continue
		}
		if s := spread(v[:i]) + spread(v[i:]); s < best {
			best, r.Onset = s, list[i].At.UTC()
		}
	}
	if best > 0.95*spread(v) {
		r.Onset = time.Time{} // it does not break
	}
}

func spread(v []float64) float64 {
	m, sum := median(v), 0.0
	for _, x := range v {
		sum += math.Abs(x - m)
	}
	return sum
}

// back finds from when on a week is at the old level again.
func (r *Result) back(series []Point, factors []float64, part float64) {
	list := between(series, r.Cut.Add(oneDay), series[len(series)-1].At.Add(time.Second))
	v := flatten(list, factors)
	restored := func(x float64) bool {
		if r.Change < 0 {
			return x >= r.Before*part
		}
		return x <= r.Before/part
	}
	for i := range list {
		k := i
		for k < len(list) && list[k].At.Sub(list[i].At) < week {
			k++
		}
		if k == len(list) && (len(list) == 0 || list[len(list)-1].At.Sub(list[i].At) < week-oneDay) {
			return
		}
		if restored(v[i]) && restored(median(v[i:k])) {
			r.Returned = list[i].At.UTC()
			r.Away = r.Returned.Sub(r.Cut)
			return
		}
	}
}

// sentence says it: "-62 % within a day of the cut, back after 14 weeks".
func (r *Result) sentence() string {
	if !r.Proven {
		if r.Points[1] == 0 || r.Points[0] == 0 {
			return "proves nothing: " + r.Why
		}
		return fmt.Sprintf("%+.0f %% within a day of the cut, which proves nothing: %s", r.Change*100, r.Why)
	}
	s := fmt.Sprintf("%+.0f %% within a day of the cut", r.Change*100)
	if math.Abs(r.Lasting) > math.Abs(r.Change)+0.1 {
		s += fmt.Sprintf(", %+.0f %% in the weeks after", r.Lasting*100)
	}
	if !r.Onset.IsZero() && r.Onset.Before(r.Cut.Add(-2*oneDay)) {
		s += fmt.Sprintf(" (it began before, about %s)", r.Onset.Format(time.DateOnly))
	}
	if r.Returned.IsZero() {
		return s + ", not back as far as was measured"
	}
	if r.Away < 2*week {
		return s + fmt.Sprintf(", back after %.0f days", r.Away.Hours()/24)
	}
	return s + fmt.Sprintf(", back after %.0f weeks", r.Away.Hours()/24/7)
}
