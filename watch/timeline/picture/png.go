package picture

import (
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"slices"

	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// Of dashed lines, in logical pixels.
const (
	dashOn  = 4
	dashOff = 3
)

// raster draws a scene on pixels.
type raster struct {
	img     *image.RGBA
	scale   float64
	colours *palette
	fonts   [2]*sfnt.Font
	ruler   *ruler
	z       vector.Rasterizer
	ox, oy  float64 // of the rasterizer's window, in pixels
}

func (s *scene) png(w io.Writer, theme Theme, scale float64) error {
	p := palettes[theme]
	if theme == Auto {
		p = palettes[Light]
	}
	r := raster{img: image.NewRGBA(image.Rect(0, 0, int(math.Round(s.width*scale)), int(math.Round(s.height*scale)))), scale: scale, colours: p, ruler: &s.ruler}
	r.fonts = s.ruler.fonts
	s.each(func(x item) {
		switch {
		case x.text != nil:
			r.text(x.text)
		case x.shape.kind == polygons && len(x.shape.rings) == 1 && rectangular(x.shape.rings[0]) && r.even(x.shape.rings[0]):
			a, b := x.shape.rings[0][0], x.shape.rings[0][2]
			at := image.Rect(int(math.Round(a.x*scale)), int(math.Round(a.y*scale)), int(math.Round(b.x*scale)), int(math.Round(b.y*scale)))
			draw.Draw(r.img, at, image.NewUniform(p.rgb(x.shape.ink)), image.Point{}, draw.Src)
		default:
			r.shape(x.shape)
		}
	})
	e := png.Encoder{CompressionLevel: png.DefaultCompression}
	return e.Encode(w, indexed(r.img))
}

// indexed gives the image a palette of 256 colours, which makes the file three times smaller: those that are found most
// often, and for the rest, the rarer mixtures at edges, the nearest of them.
func indexed(img *image.RGBA) *image.Paletted {
	n := len(img.Pix) / 4
	found := map[[3]uint8]int{}
	runs := func(f func(c [3]uint8, from, to int)) {
		for i := 0; i < n; {
			c := [3]uint8(img.Pix[4*i : 4*i+3])
			j := i + 1
			for j < n && [3]uint8(img.Pix[4*j:4*j+3]) == c {
				j++
			}
			f(c, i, j)
			i = j
		}
	}
	runs(func(c [3]uint8, from, to int) { found[c] += to - from })
	colours := make([][3]uint8, 0, len(found))
	for c := range found {
		colours = append(colours, c)
	}
	slices.SortFunc(colours, func(a, b [3]uint8) int {
		return cmp.Or(cmp.Compare(found[b], found[a]), slices.Compare(a[:], b[:]))
	})
	kept := colours[:min(256, len(colours))]
	place := make(map[[3]uint8]uint8, len(colours))
	p := make(color.Palette, len(kept))
	for i, c := range kept {
		p[i] = color.RGBA{c[0], c[1], c[2], 255}
		place[c] = uint8(i)
	}
	for _, c := range colours[len(kept):] {
		place[c] = nearest(kept, c)
	}
	out := image.NewPaletted(img.Rect, p)
	runs(func(c [3]uint8, from, to int) {
		i := place[c]
		for at := from; at < to; at++ {
			out.Pix[at] = i
		}
	})
	return out
}

func nearest(kept [][3]uint8, c [3]uint8) uint8 {
	best, least := 0, math.MaxInt
	for i, k := range kept {
		far := 0
		for j := range c {
			x := int(c[j]) - int(k[j])
			far += x * x
		}
		if far < least {
			best, least = i, far
		}
	}
	return uint8(best)
}

// even reports whether a box begins and ends on whole pixels.
func (r *raster) even(b []point) bool {
	for _, v := range []float64{b[0].x, b[0].y, b[2].x, b[2].y} {
		if v *= r.scale; v != math.Round(v) {
			return false
		}
	}
	return true
}

// window readies the rasterizer for what lies within a box of logical pixels; false where that is outside.
func (r *raster) window(x0, y0, x1, y1 float64) bool {
	at := image.Rect(int(math.Floor(x0*r.scale))-1, int(math.Floor(y0*r.scale))-1, int(math.Ceil(x1*r.scale))+1, int(math.Ceil(y1*r.scale))+1).Intersect(r.img.Bounds())
	if at.Empty() {
		return false
	}
	r.ox, r.oy = float64(at.Min.X), float64(at.Min.Y)
	r.z.Reset(at.Dx(), at.Dy())
	return true
}

// pour draws what the rasterizer holds.
func (r *raster) pour(c role) {
	size := r.z.Size()
	at := image.Rect(0, 0, size.X, size.Y).Add(image.Pt(int(r.ox), int(r.oy)))
	r.z.Draw(r.img, at, image.NewUniform(r.colours.rgb(c)), image.Point{})
}

func (r *raster) place(x, y float64) (float32, float32) {
	return float32(x*r.scale - r.ox), float32(y*r.scale - r.oy)
}

func (r *raster) shape(x *shape) {
	x0, y0, x1, y1 := x.bounds()
	if !r.window(x0, y0, x1, y1) {
		return
	}
	switch x.kind {
	case circle:
		r.circle(x.rings[0][0], x.width)
	case polygons:
		for _, ring := range x.rings {
			r.ring(ring)
		}
	case lines:
		for _, run := range x.rings {
			r.stroke(run, x.width, x.dash)
		}
	}
	r.pour(x.ink)
}

// bounds is the box of what a shape covers.
func (x *shape) bounds() (x0, y0, x1, y1 float64) {
	x0, y0, x1, y1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	grow := 0.0
	switch x.kind {
	case circle:
		grow = x.width
	case lines:
		grow = x.width / 2
	}
	for _, r := range x.rings {
		for _, p := range r {
			x0, y0, x1, y1 = min(x0, p.x-grow), min(y0, p.y-grow), max(x1, p.x+grow), max(y1, p.y+grow)
		}
	}
	return x0, y0, x1, y1
}

func (r *raster) ring(pts []point) {
	for i, p := range pts {
		x, y := r.place(p.x, p.y)
		if i == 0 {
			r.z.MoveTo(x, y)
		} else {
			r.z.LineTo(x, y)
		}
	}
	r.z.ClosePath()
}

// stroke draws a run as one box per piece. Boxes all turn the same way: where they meet they add up and do not cancel out.
func (r *raster) stroke(run []point, width float64, dash bool) {
	for i := 1; i < len(run); i++ {
		a, b := run[i-1], run[i]
		length := math.Hypot(b.x-a.x, b.y-a.y)
		if length == 0 {
			continue
		}
		dx, dy := (b.x-a.x)/length, (b.y-a.y)/length
		nx, ny := -dy*width/2, dx*width/2
		piece := func(from, to float64) {
			p, q := point{a.x + dx*from, a.y + dy*from}, point{a.x + dx*to, a.y + dy*to}
			r.ring([]point{{p.x + nx, p.y + ny}, {p.x - nx, p.y - ny}, {q.x - nx, q.y - ny}, {q.x + nx, q.y + ny}})
		}
		if !dash {
			from, to := 0.0, length // a corner is filled by drawing over it
			if i > 1 {
				from = -width / 2
			}
			if i < len(run)-1 {
				to += width / 2
			}
			piece(from, to)
			continue
		}
		for at := 0.0; at < length; at += dashOn + dashOff {
			piece(at, min(at+dashOn, length))
		}
	}
}

func (r *raster) circle(c point, radius float64) {
	const k = 0.5522847498 // a quarter of a circle as a cubic curve
	x, y := r.place(c.x, c.y)
	q := float32(radius * r.scale)
	h := q * k
	r.z.MoveTo(x+q, y)
	r.z.CubeTo(x+q, y+h, x+h, y+q, x, y+q)
	r.z.CubeTo(x-h, y+q, x-q, y+h, x-q, y)
	r.z.CubeTo(x-q, y-h, x-h, y-q, x, y-q)
	r.z.CubeTo(x+h, y-q, x+q, y-h, x+q, y)
	r.z.ClosePath()
}

// text draws the outlines of the letters where the layout measured them.
func (r *raster) text(t *text) {
	if !r.window(t.x-t.size/2, t.y-1.3*t.size, t.x+t.width+t.size/2, t.y+0.5*t.size) {
		return
	}
	f := r.fonts[face(t.bold)]
	em := fixed.Int26_6(math.Round(t.size * r.scale * 64))
	var before rune
	pen := t.x
	for _, c := range t.s {
		g, err := f.GlyphIndex(&r.ruler.buf, c)
		if err != nil {
			continue
		}
		// The advance of a letter holds the kerning to the one before it, which moves this letter, not the next.
		step := r.ruler.advance(before, c, t.bold) * t.size
		alone := r.ruler.advance(0, c, t.bold) * t.size
		outline, err := f.LoadGlyph(&r.ruler.buf, g, em, &sfnt.LoadGlyphOptions{})
		if err == nil {
			x, y := r.place(pen+step-alone, t.y)
			r.glyph(outline, x, y)
		}
		pen += step
		before = c
	}
	r.pour(t.ink)
}

func (r *raster) glyph(outline sfnt.Segments, x, y float32) {
	at := func(p fixed.Point26_6) (float32, float32) {
		return x + float32(p.X)/64, y + float32(p.Y)/64
	}
	for i, s := range outline {
		ax, ay := at(s.Args[0])
		switch s.Op {
		case sfnt.SegmentOpMoveTo:
			if i > 0 {
				r.z.ClosePath()
			}
			r.z.MoveTo(ax, ay)
		case sfnt.SegmentOpLineTo:
			r.z.LineTo(ax, ay)
		case sfnt.SegmentOpQuadTo:
			bx, by := at(s.Args[1])
			r.z.QuadTo(ax, ay, bx, by)
		case sfnt.SegmentOpCubeTo:
			bx, by := at(s.Args[1])
			cx, cy := at(s.Args[2])
			r.z.CubeTo(ax, ay, bx, by, cx, cy)
		}
	}
	if len(outline) > 0 {
		r.z.ClosePath()
	}
}
