package picture

import (
	"fmt"
	"slices"
	"time"

	"depeer/watch"
	"depeer/watch/timeline"
)

// Sizes in logical pixels.
const (
	margin    = 16.0
	sizeTitle = 18.0
	sizeText  = 12.0
	sizeSmall = 11.0
	rowText   = 16.0
	rowSmall  = 14.0
	narrow    = 560.0 // a picture under this width gives less room to names

	everyGap   = 8.0 // between the lines of hatchings, along the axes: where both lie, the lines of one lie on those of the other
	everyBlind = 4.0
)

// drawing is a scene that is being laid out.
type drawing struct {
	clock
	scene       *scene
	t           *timeline.Timeline
	o           Options
	names       naming
	left, right float64 // edges within the margins
	events      []*watch.Event
	deeds       []*deed // all of them
	told        []*deed // those of the legend
	gridlines   []time.Time
	lanes       []stretch // from top to bottom, what the hatching of gaps lies over
	guides      []float64 // where lines go from the event marks down
	used        map[key]bool
	pales       int // columns in which a lane changed
}

// key is what the line of signs at the bottom explains.
type key uint8

const (
	keyLost key = iota
	keyGained
	keyOrigin
	keyDark
	keyReturned
	keyPlain
	keyMany
	keyGap
	keyBlind
	keyFilled
)

// compose lays out a timeline.
func compose(t *timeline.Timeline, o Options) (*scene, Options, error) {
	d, err := begin(t, &o)
	if err != nil {
		return nil, o, err
	}
	s := d.scene
	y := d.head(margin)
	if d.empty() {
		y = d.nothing(y)
		y = d.axis(y)
	} else {
		y = d.incidents(y)
		y = d.marks(y)
		y = d.visibility(y)
		y = d.upstreams(y)
		y = d.origins(y)
		y = d.families(y)
		y = d.gaps(y)
		y = d.axis(y + 4)
		d.uprights()
		y = d.legend(y + 8)
	}
	s.finish(float64(int(y+margin/2) + 1))
	return s, o, nil
}

// begin checks what is asked for and readies a drawing.
func begin(t *timeline.Timeline, o *Options) (*drawing, error) {
	checked, err := o.checked()
	if err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	*o = checked
	if err := checkPeriod(t); err != nil {
		return nil, err
	}
	r, err := newRuler()
	if err != nil {
		return nil, err
	}
	d := newDrawing(&scene{width: float64(o.Width), ruler: r}, t, *o)
	d.scene.title, d.scene.about = heading(t), d.alt()
	return d, nil
}

// finish gives a scene its height and lays it on paper.
func (s *scene) finish(height float64) {
	s.height = height
	s.items[back] = slices.Insert(s.items[back], 0, item{shape: &shape{kind: polygons, rings: [][]point{box(0, 0, s.width, height)}, ink: paper}})
}

func newDrawing(s *scene, t *timeline.Timeline, o Options) *drawing {
	d := &drawing{scene: s, t: t, o: o, names: newNaming(t), left: margin, right: s.width - margin, used: map[key]bool{}}
	d.from, d.to = t.From.UTC(), t.To.UTC()
	d.end = d.to
	if !o.Now.IsZero() && o.Now.Before(d.to) {
		d.end = o.Now.UTC()
	}
	column := min(max(s.width*0.25, 110), 230)
	if s.width < narrow {
		column = 104
	}
	d.x0, d.x1 = float64(int(margin+column)), d.right
	d.events = order(t, &d.clock)
	d.deeds = deeds(d.events)
	most := 10
	if s.width < narrow {
		most = 6
	}
	d.told = important(d.deeds, most)
	return d
}

// heading is the title of the picture.
func heading(t *timeline.Timeline) string {
	title := clean(t.Title)
	if title == "" {
		title = clean(t.Subject)
	}
	if title == "" {
		return "timeline"
	}
	return title
}

// head writes the title with the period.
func (d *drawing) head(y float64) float64 {
	big := style{size: sizeTitle, bold: true, ink: ink, on: paper}
	small := style{size: sizeText, ink: muted, on: paper}
	title := d.scene.fit(heading(d.t), big, d.right-d.left)
	end := d.scene.write(d.left, y+sizeTitle, big, title)
	if s := clean(d.t.Subject); s != "" && s != clean(d.t.Title) {
		d.scene.write(end+10, y+sizeTitle, small, d.scene.fit(s, small, d.right-end-10))
	}
	y += sizeTitle + 6
	period := minute(d.from) + " – " + minute(d.to) + " UTC"
	rest := span(d.from, d.to)
	if n := len(d.t.Prefixes); n > 0 {
		rest += " · " + count(n, "prefix", "prefixes")
	}
	if p := d.t.Longest; p.IsValid() && p.String() != d.t.Title {
		rest += " · longest prefix " + p.String()
	}
	if !d.t.Believed.IsZero() {
		rest += " · as known on " + minute(d.t.Believed) + " UTC"
	}
	line := period + " · " + rest
	if d.scene.measure(line, small) <= d.right-d.left {
		d.scene.write(d.left, y+rowText-3, small, line)
		return y + rowText + 6
	}
	d.scene.write(d.left, y+rowText-3, small, d.scene.fit(period, small, d.right-d.left))
	y += rowText
	d.scene.write(d.left, y+rowText-3, small, d.scene.fit(rest, small, d.right-d.left))
	return y + rowText + 6
}

// empty reports whether there is nothing to draw but the axis.
func (d *drawing) empty() bool {
	t := d.t
	return len(t.Visibility)+len(t.Upstreams)+len(t.Origins)+len(t.Sightings)+len(t.Gaps)+len(t.Incidents)+len(t.Missing)+len(d.events) == 0
}

const nothingKnown = "Nothing is stored about it in this period."

func (d *drawing) nothing(y float64) float64 {
	st := style{size: sizeText, ink: muted, on: stripe}
	d.scene.rect(back, stripe, d.left, y, d.right-d.left, 64)
	words := d.scene.fit(nothingKnown, st, d.right-d.left-16)
	d.scene.write((d.left+d.right-d.scene.measure(words, st))/2, y+36, st, words)
	d.x0 = d.left
	return y + 68
}

// uprights draws what runs through all lanes: the grid of time, the hatching of what was not heard, the lines from the events, Now and Mark.
func (d *drawing) uprights() {
	if len(d.lanes) == 0 {
		return
	}
	var places []float64
	for _, t := range d.gridlines {
		places = append(places, d.at(t))
	}
	d.scene.posts(back, grid, places, d.lanes, 1, false)
	for _, g := range d.unheard() {
		d.used[keyGap] = true
		for _, l := range d.lanes {
			d.scene.hatch(over, hatching, g.x0, l.x0, g.x1-g.x0, l.x1-l.x0, everyGap, 0.8)
		}
	}
	blocks := d.blocks()
	d.scene.posts(line, guide, d.guides, blocks, 0.8, true)
	if d.end.Before(d.to) && !d.end.Before(d.from) {
		d.scene.posts(line, mark, []float64{d.at(d.end)}, blocks, 1, false)
	}
	if m := d.o.Mark; m != nil && d.holds(m.UTC()) {
		x := d.at(m.UTC())
		for _, b := range blocks {
			d.scene.segment(line, mark, x, b.x0, x, b.x1, 1.6, false)
			d.scene.poly(front, mark, point{x - 4, b.x0 - 3}, point{x + 4, b.x0 - 3}, point{x, b.x0 + 3})
		}
	}
}

// blocks joins the lanes that have nothing written between them: lines through lanes leave the headings alone.
func (d *drawing) blocks() []stretch {
	var out []stretch
	for _, l := range d.lanes {
		if n := len(out); n > 0 && l.x0-out[n-1].x1 <= 2*between {
			out[n-1].x1 = l.x1
			continue
		}
		out = append(out, l)
	}
	return out
}

// unheard is when peers were not heard, and the archives have not told since what they said. What is narrower than a pixel is
// left to the row of gaps: widened to be seen, a minute a month would hatch ten years.
func (d *drawing) unheard() []stretch {
	var out []stretch
	for i := range d.t.Gaps {
		if g := &d.t.Gaps[i]; g.Filled == nil {
			if s, ok := d.stretch(g, 0); ok {
				out = append(out, s)
			}
		}
	}
	return slices.DeleteFunc(union(out), func(s stretch) bool { return s.x1-s.x0 < 1 })
}

// stretch is where a gap lies, at least so many pixels wide; false where it is outside the period.
func (d *drawing) stretch(g *watch.Gap, least float64) (stretch, bool) {
	to := d.end
	if g.To != nil && g.To.Before(to) {
		to = *g.To
	}
	if to.Before(d.from) || g.From.After(d.end) || to.Before(g.From) {
		return stretch{}, false
	}
	return d.wide(g.From, to, least), true
}
