package picture

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"depeer/watch"
	"depeer/watch/timeline"
)

var noon = time.Date(2024, 2, 28, 12, 0, 0, 0, time.UTC)

// hundred is a clock of 100 hours on 100 pixels.
func hundred() *clock {
	return &clock{from: noon, to: noon.Add(100 * time.Hour), end: noon.Add(100 * time.Hour), x0: 0, x1: 100}
}

func hour(h float64, v float64, eligible int) timeline.Point {
	return timeline.Point{At: noon.Add(time.Duration(h * float64(time.Hour))), Value: v, Eligible: eligible}
}

func show(columns []column) string {
	var out []string
	for _, c := range columns {
		s := fmt.Sprintf("%.4g-%.4g", c.x0, c.x1)
		switch {
		case !c.seen:
			s += " blind"
		case c.low == c.high:
			s += fmt.Sprintf(" %g", c.low)
		default:
			s += fmt.Sprintf(" %g..%g", c.low, c.high)
		}
		if c.seen && c.blind {
			s += " in part"
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func TestColumns(t *testing.T) {
	for _, c := range []struct {
		name   string
		points []timeline.Point
		now    float64
		want   string
	}{
		{"nothing is known", nil, 100, "0-100 blind"},
		{"steps are where they are", []timeline.Point{hour(0, 1, 9), hour(20.5, 0.5, 9), hour(60, 0, 9)}, 100, "0-20.5 1; 20.5-60 0.5; 60-100 0"},
		{"nothing before the first point", []timeline.Point{hour(30, 1, 9)}, 100, "0-30 blind; 30-100 1"},
		{"nothing where nobody was", []timeline.Point{hour(0, 1, 9), hour(30, 1, 0), hour(50, 1, 9)}, 100, "0-30 1; 30-50 blind; 50-100 1"},
		{"nothing after now", []timeline.Point{hour(0, 1, 9), hour(80, 0, 9)}, 40, "0-40 1"},
		{"what was before holds", []timeline.Point{hour(-20, 0.25, 9)}, 100, "0-100 0.25"},
		{"a value that is none", []timeline.Point{hour(0, math.NaN(), 9), hour(50, 7, 9)}, 100, "0-50 blind; 50-100 1"},
		{"a minute's outage shows", []timeline.Point{hour(0, 1, 9), hour(50, 0, 9), hour(50.02, 1, 9)}, 100, "0-50 1; 50-51 0..1; 51-100 1"},
		{"a minute's blindness shows", []timeline.Point{hour(0, 1, 9), hour(50, 1, 0), hour(50.02, 1, 9)}, 100, "0-50 1; 50-51 1 in part; 51-100 1"},
		{"the same again is one", []timeline.Point{hour(0, 1, 9), hour(10, 1, 8), hour(20, 1, 7)}, 100, "0-100 1"},
	} {
		k := hundred()
		k.end = noon.Add(time.Duration(c.now * float64(time.Hour)))
		if got := show(k.columns(c.points, 1)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestSum(t *testing.T) {
	got := sum([]timeline.Lane{
		{Points: []timeline.Point{hour(0, 0.1, 10), hour(20, 0.3, 10), hour(40, 0.3, 0)}},
		{Points: []timeline.Point{hour(0, 0.2, 10), hour(20, 0, 10), hour(50, 0.5, 0)}},
	})
	if s := show(hundred().columns(got.Points, 1)); s != "0-40 0.3; 40-50 0; 50-100 blind" {
		t.Error(s)
	}
	if got.Peak != 0.3 {
		t.Error(got.Peak)
	}
}

// Whatever the period, the axis has ticks with room between them.
func TestTicks(t *testing.T) {
	for span := time.Millisecond; span < 100*366*24*time.Hour; span += span/2 + 1 {
		for _, width := range []float64{240, 568, 1300} {
			k := &clock{from: noon.Add(17 * time.Second), to: noon.Add(17*time.Second + span), x0: 0, x1: width}
			ticks, s := k.ticks(func(s string) float64 { return 6 * float64(len(s)) })
			if len(ticks) < 1 || len(ticks) > 40 {
				t.Errorf("%s on %g: %d ticks, every %+v", span, width, len(ticks), s)
			}
			for i := range ticks {
				if !k.holds(ticks[i]) {
					t.Errorf("%s on %g: a tick at %s", span, width, ticks[i])
				}
				if i > 0 && k.at(ticks[i])-k.at(ticks[i-1]) < 6*float64(len(s.label)) {
					t.Errorf("%s on %g: ticks at %s and %s", span, width, ticks[i-1], ticks[i])
				}
			}
		}
	}
	for _, c := range []struct {
		span time.Duration
		want string
	}{
		{time.Minute, "2024-02-28 12:00:00"}, {24 * time.Hour, "2024-02-28 12:00:00"}, {30 * 24 * time.Hour, "2024-03-04 00:00:00"}, {366 * 24 * time.Hour, "2024-03-01 00:00:00"}, {3653 * 24 * time.Hour, "2025-01-01 00:00:00"},
	} {
		k := &clock{from: noon, to: noon.Add(c.span), x0: 0, x1: 568}
		ticks, _ := k.ticks(func(s string) float64 { return 6 * float64(len(s)) })
		if got := ticks[0].Format(time.DateTime); got != c.want {
			t.Errorf("%s: first tick at %s, want %s", c.span, got, c.want)
		}
	}
}

// Where nobody was there to see, no area is drawn, whatever the values say.
func TestNothingIsInvented(t *testing.T) {
	blindLane := []timeline.Lane{{Family: 4, ASN: 64500, Role: "own", Points: []timeline.Point{hour(0, 1, 0), hour(50, 0.5, 0)}}}
	tl := &timeline.Timeline{Title: "x", From: noon, To: noon.Add(100 * time.Hour), Visibility: blindLane, Upstreams: blindLane, Origins: blindLane}
	areas := func() (found []string) {
		var b bytes.Buffer
		if err := SVG(&b, tl, Options{Theme: Light}); err != nil {
			t.Fatal(err)
		}
		for _, r := range []role{seen, seenPale, seenEdge, up, upPale, upEdge, own, ownPale, ownEdge} {
			if strings.Contains(b.String(), palettes[Light].hex(r)) {
				found = append(found, palettes[Light].hex(r))
			}
		}
		return found
	}
	if got := areas(); len(got) > 0 {
		t.Errorf("areas of %v", got)
	}
	blindLane[0].Points[1].Eligible = 1
	if got := areas(); len(got) != 6 {
		t.Errorf("with a peer that saw it: areas of %v", got)
	}
}

func TestImportant(t *testing.T) {
	var events []*watch.Event
	add := func(k watch.EventKind, h float64, upstream uint32) {
		at := noon.Add(time.Duration(h * float64(time.Hour)))
		events = append(events, &watch.Event{ID: fmt.Sprint(len(events)), Kind: k, At: at, FirstSeen: at, Upstream: upstream})
	}
	for i := range 50 {
		add(watch.UpstreamLost, float64(i), 1)
	}
	add(watch.HosterDark, 55, 0)
	for range 30 {
		add(watch.RouteWithdrawn, 55.01, 0)
	}
	all := deeds(events)
	if len(all) != 52 {
		t.Fatalf("%d deeds", len(all))
	}
	var got []string
	for _, d := range important(all, 10) {
		got = append(got, fmt.Sprintf("%d %s", d.number, naming{}.say(d)))
	}
	want := []string{"1 upstream lost: AS1, 0 → 0, first of 50 times", "2 upstream lost: AS1, 0 → 0, last of 50 times", "3 dark: all prefixes withdrawn", "4 withdrawn: 30 prefixes"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPercent(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.004: "under 1 %", 0.015: "2 %", 0.62: "62 %", 0.995: "over 99 %", 1: "100 %", 7: "100 %", -1: "0"} {
		if got := percent(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{time.Minute: "60 seconds", time.Hour: "60 minutes", 6 * time.Hour: "6 hours", 25*time.Hour + time.Minute: "about 25 hours", 30 * 24 * time.Hour: "30 days", 1000 * 24 * time.Hour: "about 2.7 years"} {
		if got := span(noon, noon.Add(d)); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}
