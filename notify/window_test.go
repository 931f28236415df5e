package notify

import (
	"strings"
	"testing"
	"time"
)

func moment(t *testing.T, s string) time.Time {
	t.Helper()
	x, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestWindowsFollowTheClockOfTheirZone(t *testing.T) {
	night := Window{Hours: []string{"22:00-07:00"}, Zone: "Europe/Berlin"}
	weekend := Window{Days: []string{"sat", "sun"}, Zone: "Europe/Berlin"}
	office := Window{Days: []string{"mon-fri"}, Hours: []string{"09:00-12:00", "13:00-17:00"}, Zone: "America/New_York"}
	patch := Window{Days: []string{"tue"}, MonthDays: []string{"8-14"}, Hours: []string{"02:00-04:00"}}
	last := Window{MonthDays: []string{"-1"}}
	for _, c := range []struct {
		name string
		w    []Window
		at   string
		end  string // "": outside
		next string
	}{
		{"before the night", []Window{night}, "2026-01-10T20:59:59Z", "", "2026-01-10T21:00:00Z"},
		{"in the night", []Window{night}, "2026-01-10T21:00:00Z", "2026-01-11T06:00:00Z", ""},
		{"after midnight", []Window{night}, "2026-01-11T05:59:59Z", "2026-01-11T06:00:00Z", ""},
		{"its end is outside", []Window{night}, "2026-01-11T06:00:00Z", "", "2026-01-11T21:00:00Z"},
		{"the short night: clocks go forward", []Window{night}, "2026-03-28T22:00:00Z", "2026-03-29T05:00:00Z", ""},
		{"the long night: clocks go back", []Window{night}, "2026-10-24T21:00:00Z", "2026-10-25T06:00:00Z", ""},
		{"summer", []Window{night}, "2026-07-10T20:00:00Z", "2026-07-11T05:00:00Z", ""},
		{"a night runs into the weekend, and that into a night", []Window{night, weekend}, "2026-01-09T22:00:00Z", "2026-01-12T06:00:00Z", ""},
		{"office at lunch", []Window{office}, "2026-01-09T17:30:00Z", "", "2026-01-09T18:00:00Z"},
		{"office on Friday evening", []Window{office}, "2026-01-09T22:00:00Z", "", "2026-01-12T14:00:00Z"},
		{"office in summer", []Window{office}, "2026-07-09T13:00:00Z", "2026-07-09T16:00:00Z", ""},
		{"second Tuesday", []Window{patch}, "2026-01-13T02:30:00Z", "2026-01-13T04:00:00Z", ""},
		{"third Tuesday", []Window{patch}, "2026-01-20T02:30:00Z", "", "2026-02-10T02:00:00Z"},
		{"last of February", []Window{last}, "2026-02-28T10:00:00Z", "2026-03-01T00:00:00Z", ""},
		{"always", []Window{{}}, "2026-02-28T10:00:00Z", "9000-01-01T00:00:00Z", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ws windows
			for _, w := range c.w {
				x, err := w.compile("UTC")
				if err != nil {
					t.Fatal(err)
				}
				ws = append(ws, x)
			}
			now := moment(t, c.at)
			end, in := ws.inside(now)
			if in != (c.end != "") || in && !end.Equal(moment(t, c.end)) {
				t.Errorf("inside %t until %s, want %q", in, end.UTC().Format(time.RFC3339), c.end)
			}
			if c.next != "" && !ws.next(now).Equal(moment(t, c.next)) {
				t.Errorf("next %s, want %s", ws.next(now).UTC().Format(time.RFC3339), c.next)
			}
		})
	}
}

// A window in the hour that a clock leaves out does not begin that day, and nothing hangs.
func TestWindowInTheHourThatIsLeftOut(t *testing.T) {
	w, err := (&Window{Hours: []string{"02:10-02:50"}, Zone: "Europe/Berlin"}).compile("")
	if err != nil {
		t.Fatal(err)
	}
	for at := moment(t, "2026-03-28T22:00:00Z"); at.Before(moment(t, "2026-03-30T00:00:00Z")); at = at.Add(time.Minute) {
		if end, in := (windows{w}).inside(at); in && end.Sub(at) > 40*time.Minute {
			t.Fatalf("%s: inside until %s", at, end)
		}
		if next := (windows{w}).next(at); !next.After(at) || next.Sub(at) > 49*time.Hour {
			t.Fatalf("%s: next %s", at, next)
		}
	}
}

func TestWindowFaults(t *testing.T) {
	for want, w := range map[string]Window{
		`days[1]: "freitag" is no day`:               {Days: []string{"mon", "freitag"}},
		`hours[0]: "22-7" is no span of hours`:       {Hours: []string{"22-7"}},
		`hours[0]: "07:00-07:00" is no span`:         {Hours: []string{"07:00-07:00"}},
		`hours[0]: "22:60-07:00" is no span`:         {Hours: []string{"22:60-07:00"}},
		`month_days[0]: "0" is no day of a month`:    {MonthDays: []string{"0"}},
		`month_days[0]: "14-8" is no day of a month`: {MonthDays: []string{"14-8"}},
		`zone: "Europe/Atlantis" is no time zone`:    {Zone: "Europe/Atlantis"},
		`zone: "Local" is no time zone`:              {Zone: "Local"},
	} {
		if _, err := w.compile("UTC"); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
