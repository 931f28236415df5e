package picture

import (
	"fmt"
	"strings"
	"sync"
	"unicode"

	"github.com/go-fonts/liberation/liberationsansbold"
	"github.com/go-fonts/liberation/liberationsansregular"
	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// Of a line of text, in parts of its size: what letters need above and below the baseline.
const (
	ascent  = 0.76
	descent = 0.22
)

// families are those of one width, then whatever there is: each text carries its length.
const families = `'Liberation Sans', Arial, Helvetica, Arimo, sans-serif`

// letters are the two fonts, regular and bold. A Font may be used by many at once.
var letters = sync.OnceValues(func() ([2]*sfnt.Font, error) {
	var out [2]*sfnt.Font
	for i, data := range [][]byte{liberationsansregular.TTF, liberationsansbold.TTF} {
		f, err := sfnt.Parse(data)
		if err != nil {
			return out, fmt.Errorf("picture: read the embedded font: %w", err)
		}
		out[i] = f
	}
	return out, nil
})

// ruler measures letters. It belongs to one drawing: it is not safe for many at once.
type ruler struct {
	fonts [2]*sfnt.Font
	buf   sfnt.Buffer
	known [2]map[[2]rune]float64 // by letter and the one before it: the advance and the kerning, in parts of the size
}

func newRuler() (ruler, error) {
	f, err := letters()
	return ruler{fonts: f, known: [2]map[[2]rune]float64{{}, {}}}, err
}

func face(bold bool) int {
	if bold {
		return 1
	}
	return 0
}

// advance is how far a letter moves the pen, and how far it is drawn to the one before it, in parts of the size.
func (r *ruler) advance(before, letter rune, bold bool) float64 {
	i := face(bold)
	if v, ok := r.known[i][[2]rune{before, letter}]; ok {
		return v
	}
	f := r.fonts[i]
	em := fixed.Int26_6(f.UnitsPerEm()) << 6
	v := 0.0
	if g, err := f.GlyphIndex(&r.buf, letter); err == nil {
		if a, err := f.GlyphAdvance(&r.buf, g, em, font.HintingNone); err == nil {
			v = float64(a) / float64(em)
		}
		if before != 0 {
			if b, err := f.GlyphIndex(&r.buf, before); err == nil {
				if k, err := f.Kern(&r.buf, b, g, em, font.HintingNone); err == nil {
					v += float64(k) / float64(em)
				}
			}
		}
	}
	r.known[i][[2]rune{before, letter}] = v
	return v
}

func (r *ruler) width(s string, size float64, bold bool) float64 {
	var before rune
	sum := 0.0
	for _, c := range s {
		sum += r.advance(before, c, bold)
		before = c
	}
	return sum * size
}

// clean makes one line of visible letters of what may come from anywhere. Letters that change the direction or
// stand nowhere would let a name write over its neighbours, or read as another.
func clean(s string) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case c == '\uFFFD' || c == '\uFFFE' || c == '\uFFFF':
			return '?'
		case unicode.IsSpace(c), unicode.IsControl(c):
			return ' '
		case unicode.In(c, unicode.Cf, unicode.Co, unicode.Cs, unicode.Mn, unicode.Me):
			return -1
		}
		return c
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

func cut(r []rune) string { return strings.TrimRight(string(r), " ,.;:") + "…" }
