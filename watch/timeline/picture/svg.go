package picture

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// svgScene writes a scene as SVG 1.1. Colours are attributes, which every program reads; where there
// is more than one palette, classes on top of them choose.
type svgScene struct {
	b     strings.Builder
	first *palette
	auto  bool
}

func (s *scene) svg(w io.Writer, theme Theme) error {
	v := svgScene{auto: theme == Auto, first: palettes[theme]}
	if v.auto {
		v.first = palettes[Light]
	}
	fmt.Fprintf(&v.b, `<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %[1]s %[2]s" role="img" aria-label="%s" font-family="%s">`+"\n",
		number(s.width), number(s.height), escape(s.title), escape(families))
	fmt.Fprintf(&v.b, "<title>%s</title>\n<desc>%s</desc>\n", escape(s.title), escape(s.about))
	if v.auto {
		v.styles(s)
	}
	s.each(func(x item) {
		if x.text != nil {
			v.text(x.text)
		} else {
			v.shape(x.shape)
		}
	})
	v.b.WriteString("</svg>\n")
	_, err := io.WriteString(w, v.b.String())
	return err
}

// styles gives the colours of the other palettes. The names are ours alone: the picture may stand inside a page.
func (v *svgScene) styles(s *scene) {
	var fills, strokes [roles]bool
	s.each(func(x item) {
		switch {
		case x.text != nil:
			fills[x.text.ink] = true
		case x.shape.kind == lines:
			strokes[x.shape.ink] = true
		default:
			fills[x.shape.ink] = true
		}
	})
	v.b.WriteString("<style>\n")
	for _, m := range []struct {
		media string
		theme Theme
	}{{"screen and (prefers-color-scheme: dark)", Dark}, {"print", Print}} {
		fmt.Fprintf(&v.b, "@media %s {\n", m.media)
		p := palettes[m.theme]
		for r := range roles {
			if fills[r] {
				fmt.Fprintf(&v.b, ".depeer-f%d{fill:%s}", r, p.hex(r))
			}
			if strokes[r] {
				fmt.Fprintf(&v.b, ".depeer-s%d{stroke:%s}", r, p.hex(r))
			}
		}
		v.b.WriteString("\n}\n")
	}
	v.b.WriteString("</style>\n")
}

func (v *svgScene) colour(attribute string, r role) string {
	if !v.auto {
		return fmt.Sprintf(`%s="%s"`, attribute, v.first.hex(r))
	}
	return fmt.Sprintf(`class="depeer-%c%d" %s="%s"`, attribute[0], r, attribute, v.first.hex(r))
}

func (v *svgScene) shape(x *shape) {
	switch x.kind {
	case circle:
		c := x.rings[0][0]
		fmt.Fprintf(&v.b, `<circle cx="%s" cy="%s" r="%s" %s/>`+"\n", number(c.x), number(c.y), number(x.width), v.colour("fill", x.ink))
	case polygons:
		if len(x.rings) == 1 && rectangular(x.rings[0]) {
			r := x.rings[0]
			fmt.Fprintf(&v.b, `<rect x="%s" y="%s" width="%s" height="%s" %s/>`+"\n",
				number(r[0].x), number(r[0].y), number(r[2].x-r[0].x), number(r[2].y-r[0].y), v.colour("fill", x.ink))
			return
		}
		fmt.Fprintf(&v.b, `<path d="%s" %s/>`+"\n", path(x.rings, true), v.colour("fill", x.ink))
	case lines:
		dash := ""
		if x.dash {
			dash = fmt.Sprintf(` stroke-dasharray="%d %d"`, dashOn, dashOff)
		}
		fmt.Fprintf(&v.b, `<path d="%s" fill="none" stroke-width="%s"%s %s/>`+"\n", path(x.rings, false), number(x.width), dash, v.colour("stroke", x.ink))
	}
}

func (v *svgScene) text(t *text) {
	weight := ""
	if t.bold {
		weight = ` font-weight="bold"`
	}
	fmt.Fprintf(&v.b, `<text x="%s" y="%s" font-size="%s"%s textLength="%s" lengthAdjust="spacingAndGlyphs" %s>%s</text>`+"\n",
		number(t.x), number(t.y), number(t.size), weight, number(t.width), v.colour("fill", t.ink), escape(t.s))
}

func rectangular(r []point) bool {
	return len(r) == 4 && r[0].y == r[1].y && r[1].x == r[2].x && r[2].y == r[3].y && r[3].x == r[0].x && r[2].x > r[0].x && r[2].y > r[0].y
}

// path writes runs of points; steps along an axis are H and V, which halves the size.
func path(rings [][]point, closed bool) string {
	var b strings.Builder
	for _, r := range rings {
		for i, p := range r {
			switch {
			case i == 0:
				b.WriteString("M" + number(p.x) + " " + number(p.y))
			case p.y == r[i-1].y:
				b.WriteString("H" + number(p.x))
			case p.x == r[i-1].x:
				b.WriteString("V" + number(p.y))
			default:
				b.WriteString("L" + number(p.x) + " " + number(p.y))
			}
		}
		if closed {
			b.WriteByte('Z')
		}
	}
	return b.String()
}

func number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	return strconv.FormatFloat(tidy(v), 'f', -1, 64)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

func escape(s string) string { return escaper.Replace(clean(s)) }
