package notify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a container has no zones of its own
)

// Window is a time that comes again: on some days, between some hours, by the clock of
// a zone. On the days on which a clock is put forward or back, it begins and ends
// when that clock says so: the night of the change is an hour shorter or longer.
type Window struct {
	Days      []string `yaml:"days" json:"days,omitempty"`             // mon ... sun, or mon-fri; every day where empty
	Hours     []string `yaml:"hours" json:"hours,omitempty"`           // 22:00-07:00 ends on the next day; the whole day where empty
	MonthDays []string `yaml:"month_days" json:"month_days,omitempty"` // 1, 8-14, -1 (the last); every day where empty
	Zone      string   `yaml:"zone" json:"zone,omitempty"`             // Europe/Paris; that of the configuration where empty
}

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// window is a Window made ready.
type window struct {
	zone  *time.Location
	days  [7]bool
	month [][2]int // from, to; negative counts from the end: -1 is the last
	hours [][2]int // minutes of the day; the second is more than a day's where it passes midnight
}

const minutesOfDay = 24 * 60

// compile makes a window ready; the error begins with the key that is wrong.
func (w *Window) compile(zone string) (*window, error) {
	if w.Zone != "" {
		zone = w.Zone
	}
	c := &window{}
	var err error
	if c.zone, err = location(zone); err != nil {
		return nil, fmt.Errorf("zone: %w", err)
	}
	for i, d := range w.Days {
		if err := c.addDays(d); err != nil {
			return nil, fmt.Errorf("days[%d]: %w", i, err)
		}
	}
	if len(w.Days) == 0 {
		c.days = [7]bool{true, true, true, true, true, true, true}
	}
	for i, m := range w.MonthDays {
		from, to, err := monthDays(m)
		if err != nil {
			return nil, fmt.Errorf("month_days[%d]: %w", i, err)
		}
		c.month = append(c.month, [2]int{from, to})
	}
	for i, h := range w.Hours {
		from, to, ok := strings.Cut(h, "-")
		a, err1 := clockMinutes(from)
		b, err2 := clockMinutes(to)
		if !ok || err1 != nil || err2 != nil || a == b || a == minutesOfDay {
			return nil, fmt.Errorf("hours[%d]: %q is no span of hours (22:00-07:00)", i, h)
		}
		if b < a {
			b += minutesOfDay
		}
		c.hours = append(c.hours, [2]int{a, b})
	}
	if len(w.Hours) == 0 {
		c.hours = [][2]int{{0, minutesOfDay}}
	}
	return c, nil
}

func location(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone (UTC, Europe/Paris, America/New_York)", name)
	}
	return zone, nil
}

func (c *window) addDays(s string) error {
	from, to, isRange := strings.Cut(strings.ToLower(strings.TrimSpace(s)), "-")
	if !isRange {
		to = from
	}
	a, b := slices.Index(dayNames, from), slices.Index(dayNames, to)
	if a < 0 || b < 0 {
		return fmt.Errorf("%q is no day (%s, or mon-fri)", s, strings.Join(append(slices.Clone(dayNames[1:]), dayNames[0]), ", "))
	}
	for d := a; ; d = (d + 1) % 7 {
		c.days[d] = true
		if d == b {
			return nil
		}
	}
}

func monthDays(s string) (from, to int, err error) {
	bad := fmt.Errorf("%q is no day of a month (1, 8-14, -1 for the last)", s)
	if n, err := strconv.Atoi(s); err == nil {
		if n == 0 || n < -31 || n > 31 {
			return 0, 0, bad
		}
		return n, n, nil
	}
	a, b, _ := strings.Cut(s, "-")
	from, err1 := strconv.Atoi(a)
	to, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || from < 1 || to > 31 || from > to {
		return 0, 0, bad
	}
	return from, to, nil
}

func clockMinutes(s string) (int, error) {
	h, m, ok := strings.Cut(strings.TrimSpace(s), ":")
	a, err1 := strconv.ParseUint(h, 10, 8)
	b, err2 := strconv.ParseUint(m, 10, 8)
	if !ok || err1 != nil || err2 != nil || len(m) != 2 || b > 59 || a > 24 || a == 24 && b > 0 {
		return 0, fmt.Errorf("%q is no time of day (07:30)", s)
	}
	return int(a*60 + b), nil
}

// on reports whether the window begins on a day, and is a day that the calendar has.
func (c *window) on(y int, m time.Month, d int) bool {
	if !c.days[time.Date(y, m, d, 12, 0, 0, 0, time.UTC).Weekday()] {
		return false
	}
	if len(c.month) == 0 {
		return true
	}
	last := time.Date(y, m+1, 0, 12, 0, 0, 0, time.UTC).Day()
	for _, r := range c.month {
		from, to := r[0], r[1]
		if from < 0 {
			from, to = last+1+from, last+1+to
		}
		if d >= from && d <= to {
			return true
		}
	}
	return false
}

// spans calls f with each time of the window that ends after now, in the days around
// it and for days ahead.
func (c *window) spans(now time.Time, days int, f func(from, to time.Time) bool) {
	local := now.In(c.zone)
	for i := -1; i <= days; i++ {
		y, m, d := local.AddDate(0, 0, i).Date()
		if !c.on(y, m, d) {
			continue
		}
		for _, h := range c.hours {
			from := time.Date(y, m, d, 0, h[0], 0, 0, c.zone)
			to := time.Date(y, m, d, 0, h[1], 0, 0, c.zone)
			if to.After(now) && from.Before(to) && !f(from, to) {
				return
			}
		}
	}
}

// windows are several; being in any counts.
type windows []*window

// always is the end of what has none.
var always = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)

// inside reports whether now is in a window, and when it is in none any more.
func (ws windows) inside(now time.Time) (end time.Time, ok bool) {
	end = now
	for range 400 {
		longest := end
		for _, w := range ws {
			w.spans(end, 0, func(from, to time.Time) bool {
				if !from.After(end) && to.After(longest) {
					longest = to
				}
				return true
			})
		}
		if longest.Equal(end) {
			return end, end.After(now)
		}
		end = longest
	}
	return always, true
}

// next is when the next window begins; a year on there may be none.
func (ws windows) next(now time.Time) time.Time {
	first := always
	for _, w := range ws {
		w.spans(now, 366, func(from, _ time.Time) bool {
			if from.Before(first) && from.After(now) {
				first = from
			}
			return !from.After(now)
		})
	}
	return first
}
