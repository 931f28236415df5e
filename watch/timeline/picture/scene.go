package picture

import "math"

// layer says what lies over what.
type layer uint8

const (
	back  layer = iota // bands behind the lanes
	area               // what was so
	over               // hatching
	line               // outlines, guides
	front              // marks and texts
	layers
)

// shapeKind says how the points of a shape are meant.
type shapeKind uint8

const (
	polygons shapeKind = iota // filled; each ring apart, none over another
	lines                     // stroked, each run apart, ends cut
	circle                    // filled; ring[0][0] is its centre, width its radius
)

type point struct{ x, y float64 }

// shape is something without letters.
type shape struct {
	kind  shapeKind
	rings [][]point
	width float64
	ink   role
	dash  bool // of lines: short dashes
}

// text is one line of letters.
type text struct {
	x, y  float64 // of its beginning, on the baseline
	width float64 // measured
	size  float64
	bold  bool
	s     string
	ink   role
	on    role // what is behind it
}

func (t *text) top() float64    { return t.y - ascent*t.size }
func (t *text) bottom() float64 { return t.y + descent*t.size }

// item is a shape or a text.
type item struct {
	shape *shape
	text  *text
}

// scene is a drawing in logical pixels, with the origin at the top left.
type scene struct {
	width, height float64
	title, about  string // for screen readers
	items         [layers][]item
	ruler         ruler
}

func (s *scene) add(l layer, x shape) {
	for _, r := range x.rings {
		for i := range r {
			r[i] = point{tidy(r[i].x), tidy(r[i].y)}
		}
	}
	s.items[l] = append(s.items[l], item{shape: &x})
}

// each visits all items from the lowest to the topmost.
func (s *scene) each(f func(item)) {
	for l := range s.items {
		for _, x := range s.items[l] {
			f(x)
		}
	}
}

// tidy rounds to a hundredth, so that no arithmetic of a machine shows in the bytes.
func tidy(v float64) float64 {
	v = math.Round(v*100) / 100
	if v == 0 {
		return 0 // no -0
	}
	return v
}

func box(x, y, w, h float64) []point {
	return []point{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}
}

func (s *scene) rect(l layer, ink role, x, y, w, h float64) {
	if w > 0 && h > 0 {
		s.add(l, shape{kind: polygons, rings: [][]point{box(x, y, w, h)}, ink: ink})
	}
}

func (s *scene) frame(l layer, ink role, x, y, w, h, width float64) {
	i := width / 2
	r := box(x+i, y+i, w-width, h-width)
	// The run begins in the middle of a side: cut ends at a corner would leave a notch.
	mid := point{x + w/2, y + i}
	s.add(l, shape{kind: lines, rings: [][]point{{mid, r[1], r[2], r[3], r[0], mid}}, ink: ink, width: width})
}

func (s *scene) segment(l layer, ink role, x0, y0, x1, y1, width float64, dash bool) {
	s.add(l, shape{kind: lines, rings: [][]point{{{x0, y0}, {x1, y1}}}, ink: ink, width: width, dash: dash})
}

// posts draws upright lines at the same places through several heights.
func (s *scene) posts(l layer, ink role, places []float64, heights []stretch, width float64, dash bool) {
	var runs [][]point
	for _, x := range places {
		for _, h := range heights {
			runs = append(runs, []point{{x, h.x0}, {x, h.x1}})
		}
	}
	if len(runs) > 0 {
		s.add(l, shape{kind: lines, rings: runs, ink: ink, width: width, dash: dash})
	}
}

func (s *scene) poly(l layer, ink role, pts ...point) {
	s.add(l, shape{kind: polygons, rings: [][]point{pts}, ink: ink})
}

func (s *scene) disc(l layer, ink role, x, y, r float64) {
	s.add(l, shape{kind: circle, rings: [][]point{{{x, y}}}, ink: ink, width: r})
}

// hatch draws slanted lines in a box. They lie on one grid for the whole scene, so that neighbours join.
func (s *scene) hatch(l layer, ink role, x, y, w, h, every, width float64) {
	if w <= 0 || h <= 0 {
		return
	}
	var runs [][]point
	for k := math.Ceil((x + y) / every); k*every <= x+w+y+h; k++ {
		c := k * every // the line x + y = c
		x0, x1 := max(x, c-y-h), min(x+w, c-y)
		if x1-x0 > 0.2 {
			runs = append(runs, []point{{x0, c - x0}, {x1, c - x1}})
		}
	}
	if len(runs) > 0 {
		s.add(l, shape{kind: lines, rings: runs, ink: ink, width: width})
	}
}

// style is how letters look.
type style struct {
	size float64
	bold bool
	ink  role
	on   role
}

// write puts a text with its beginning at x and gives its end.
func (s *scene) write(x, y float64, st style, words string) float64 {
	words = clean(words)
	if words == "" {
		return x
	}
	t := &text{x: tidy(x), y: tidy(y), size: st.size, bold: st.bold, s: words, ink: st.ink, on: st.on}
	t.width = tidy(s.ruler.width(words, st.size, st.bold))
	s.items[front] = append(s.items[front], item{text: t})
	return x + t.width
}

// fit cuts a text to a width with an ellipsis; "" where not even one letter and the ellipsis fit.
func (s *scene) fit(words string, st style, width float64) string {
	words = clean(words)
	if s.ruler.width(words, st.size, st.bold) <= width {
		return words
	}
	r := []rune(words)
	low, high := 0, len(r)
	for low < high {
		mid := (low + high + 1) / 2
		if s.ruler.width(cut(r[:mid]), st.size, st.bold) <= width {
			low = mid
		} else {
			high = mid - 1
		}
	}
	if low == 0 {
		return ""
	}
	return cut(r[:low])
}

// measure is the width of a text.
func (s *scene) measure(words string, st style) float64 {
	return s.ruler.width(clean(words), st.size, st.bold)
}
