package feed

import (
	"strconv"
	"strings"
	"time"

	"depeer/watch/cnc"
)

// when reads a time in any of the ways in which feeds write it, and says how exact it is: "" to the
// second, "day", "month". Zero times where the text is empty or a word for nothing.
func when(s string) (t time.Time, precision string, ok bool) {
	s = strings.TrimSpace(strings.Trim(strings.TrimSpace(s), `"'`))
	switch strings.ToLower(s) {
	case "", "null", "none", "-", "n/a", "never", "unknown":
		return time.Time{}, "", true
	}
	s = strings.TrimSuffix(strings.TrimSuffix(s, " UTC"), " GMT")
	for _, x := range layouts(s) {
		if t, err := time.Parse(x.layout, s); err == nil {
			return t.UTC(), x.precision, plausible(t)
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) >= 9 {
		switch {
		case n > 1e17:
			t = time.Unix(0, n)
		case n > 1e14:
			t = time.UnixMicro(n)
		case n > 1e11:
			t = time.UnixMilli(n)
		default:
			t = time.Unix(n, 0)
		}
		return t.UTC(), "", plausible(t)
	}
	return time.Time{}, "", false
}

type layout struct{ layout, precision string }

// layouts are those that a text of this shape can have: a failed attempt is dear, and lists are long.
func layouts(s string) []layout {
	switch {
	case len(s) > 10 && (s[10] == 'T' || s[10] == 't'):
		return []layout{{time.RFC3339Nano, ""}, {"2006-01-02T15:04:05.999999999", ""}, {"2006-01-02T15:04:05.999999999-0700", ""}}
	case len(s) > 10 && s[4] == '/':
		return []layout{{"2006/01/02 15:04:05", ""}}
	case len(s) > 10 && s[4] == '-':
		return []layout{{"2006-01-02 15:04:05.999999999", ""}, {"2006-01-02 15:04", ""}, {"2006-01-02 15:04:05.999999999-07:00", ""}, {"2006-01-02 15:04:05.999999999 -0700", ""}}
	case len(s) == 10:
		return []layout{{time.DateOnly, "day"}, {"2006/01/02", "day"}, {"02.01.2006", "day"}}
	case len(s) == 8:
		return []layout{{"20060102", "day"}}
	case len(s) == 7:
		return []layout{{"2006-01", "month"}}
	case len(s) > 20:
		return []layout{{time.RFC1123, ""}, {time.RFC1123Z, ""}}
	}
	return nil
}

func plausible(t time.Time) bool { return t.Year() >= 1970 && t.Year() <= 9998 }

// span puts the first and last sight of a row into a sighting; false where one cannot be read.
func span(s *cnc.Sighting, first, last string) bool {
	f, fp, ok1 := when(first)
	l, lp, ok2 := when(last)
	if !ok1 || !ok2 {
		return false
	}
	switch {
	case l.IsZero():
		s.At, s.Precision = f, fp
	case f.After(l): // the day of the last sight is the day of the first: its hour is known
		s.At, s.Precision = f, fp
	default:
		s.At, s.Precision, s.First = l, lp, f
	}
	return true
}

// dayIn finds a day in a name: 2021-10-07, 02.05.2022, 20220502. It is the last of them.
func dayIn(name string) (day time.Time) {
	const width = 10
	for i := 0; i+8 <= len(name); i++ {
		if i > 0 && name[i-1] >= '0' && name[i-1] <= '9' {
			continue
		}
		if i+width <= len(name) && (i+width == len(name) || name[i+width] < '0' || name[i+width] > '9') {
			for _, layout := range [...]string{time.DateOnly, "02.01.2006", "2006_01_02", "02-01-2006"} {
				if t, err := time.Parse(layout, name[i:i+width]); err == nil && t.Year() > 1997 && t.Year() < 2200 {
					day = t
				}
			}
		}
		if i+8 == len(name) || name[i+8] < '0' || name[i+8] > '9' {
			if t, err := time.Parse("20060102", name[i:i+8]); err == nil && t.Year() > 1997 && t.Year() < 2200 {
				day = t
			}
		}
	}
	return day
}
