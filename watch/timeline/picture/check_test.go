package picture

import (
	"fmt"
	"image/color"
	"math"
	"testing"
	"unicode/utf8"

	"depeer/watch/timeline"
)

// Check reports what is wrong with the layout of a timeline: letters over letters, anything outside, letters that are hard to read.
// It is for the tests that have the stories.
func Check(t *timeline.Timeline, o Options) []string { return check(compose, t, o) }

// CheckStrip does the same for the small picture.
func CheckStrip(t *timeline.Timeline, o Options) []string { return check(composeStrip, t, o) }

func check(k kind, t *timeline.Timeline, o Options) []string {
	s, _, err := k(t, o)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	var texts []*text
	var below []*shape
	s.each(func(x item) {
		if x.text == nil {
			below = append(below, x.shape)
			x0, y0, x1, y1 := x.shape.bounds()
			if !(x0 >= -0.01 && y0 >= -0.01 && x1 <= s.width+0.01 && y1 <= s.height+0.01) {
				say("a shape of colour %d from %.1f,%.1f to %.1f,%.1f is outside %gx%g", x.shape.ink, x0, y0, x1, y1, s.width, s.height)
			}
			return
		}
		a := x.text
		if a.x < 0 || a.top() < 0 || a.x+a.width > s.width || a.bottom() > s.height {
			say("%q at %.1f,%.1f is outside %gx%g", a.s, a.x, a.y, s.width, s.height)
		}
		for _, b := range texts {
			if a.x < b.x+b.width && b.x < a.x+a.width && a.top() < b.bottom()-0.5 && b.top() < a.bottom()-0.5 {
				say("%q at %.1f,%.1f lies over %q at %.1f,%.1f", a.s, a.x, a.y, b.s, b.x, b.y)
			}
		}
		texts = append(texts, a)
		for _, at := range []point{{a.x, a.y - a.size/3}, {a.x + a.width/2, a.y - a.size/3}, {a.x + a.width, a.y - a.size/3}} {
			if got := ground(below, at); got != a.on {
				say("%q at %.1f,%.1f lies on colour %d and believes to lie on %d", a.s, a.x, a.y, got, a.on)
			}
		}
		for theme, p := range palettes {
			if c := contrast(p.rgb(a.ink), p.rgb(a.on)); c < 4.5 {
				say("%q in %s has a contrast of %.2f", a.s, theme, c)
			}
		}
		if !utf8.ValidString(a.s) {
			say("%q is not UTF-8", a.s)
		}
	})
	return out
}

// ground is the colour of the topmost filled shape at a point. Lines are thin, and letters over them can be read.
func ground(shapes []*shape, at point) role {
	for i := len(shapes) - 1; i >= 0; i-- {
		s := shapes[i]
		switch s.kind {
		case circle:
			if c := s.rings[0][0]; math.Hypot(c.x-at.x, c.y-at.y) < s.width {
				return s.ink
			}
		case polygons:
			for _, r := range s.rings {
				if inside(r, at) {
					return s.ink
				}
			}
		}
	}
	return roles
}

func inside(r []point, at point) bool {
	in := false
	for i, j := 0, len(r)-1; i < len(r); j, i = i, i+1 {
		if (r[i].y > at.y) != (r[j].y > at.y) && at.x < (r[j].x-r[i].x)*(at.y-r[i].y)/(r[j].y-r[i].y)+r[i].x {
			in = !in
		}
	}
	return in
}

// contrast is that of WCAG 2.1, "contrast ratio".
func contrast(a, b color.RGBA) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(c color.RGBA) float64 {
	f := func(v uint8) float64 {
		x := float64(v) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*f(c.R) + 0.7152*f(c.G) + 0.0722*f(c.B)
}

// What says something without letters must be seen too: WCAG 2.1 asks for 3:1 (1.4.11).
func TestSignsStandOut(t *testing.T) {
	for theme, p := range palettes {
		for name, r := range map[string]role{"loss": loss, "gain": gain, "strange": strange, "plain": plain, "cnc": cnc, "seenEdge": seenEdge, "upEdge": upEdge, "ownEdge": ownEdge,
			"otherEdge": otherEdge, "allyEdge": allyEdge, "hatching": hatching, "blind": blind, "mark": mark, "storyEnd": storyEnd} {
			for _, behind := range []role{paper, stripe} {
				if c := contrast(p.rgb(r), p.rgb(behind)); c < 3 {
					t.Errorf("%s in %s: contrast of %.2f with %d", name, theme, c, behind)
				}
			}
		}
	}
}

func TestContrastIsThatOfTheStandard(t *testing.T) {
	// Known values: black on white, and the grey that just passes.
	if c := contrast(color.RGBA{255, 255, 255, 255}, color.RGBA{0, 0, 0, 255}); math.Abs(c-21) > 1e-9 {
		t.Error(c)
	}
	if c := contrast(color.RGBA{255, 255, 255, 255}, color.RGBA{0x76, 0x76, 0x76, 255}); c < 4.5 || c > 4.6 {
		t.Error(c)
	}
}

// A check that finds nothing would pass for ever.
func TestCheckFinds(t *testing.T) {
	if !inside(box(0, 0, 10, 10), point{5, 5}) || inside(box(0, 0, 10, 10), point{15, 5}) {
		t.Error("inside")
	}
	r, err := newRuler()
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{width: 100, height: 20, ruler: r}
	st := style{size: 12, ink: muted, on: paper}
	if end := s.write(0, 12, st, "Wide letters"); end < 60 || end > 80 {
		t.Errorf("12 letters of 12 pixels are %v wide", end)
	}
	if got := s.fit("Wide letters", st, 40); s.measure(got, st) > 40 || len(got) < 6 {
		t.Errorf("%q", got)
	}
	if got := s.fit("Wide", st, 3); got != "" {
		t.Errorf("%q", got)
	}
}
