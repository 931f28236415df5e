package picture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"depeer/watch"
)

// gaps draws the row of what was not heard. What the archives filled is a frame.
func (d *drawing) gaps(y float64) float64 {
	var open, filled []stretch
	n := 0
	for i := range d.t.Gaps {
		g := &d.t.Gaps[i]
		s, ok := d.stretch(g, 1.5)
		if !ok {
			continue
		}
		n++
		if g.Filled != nil {
			filled = append(filled, s)
		} else {
			open = append(open, s)
		}
	}
	if n == 0 {
		return y
	}
	const h = 14.0
	y += 4
	d.ground(y, h)
	for _, s := range union(filled) {
		d.used[keyFilled] = true
		d.scene.frame(line, hatching, s.x0, y, s.x1-s.x0, h, 1)
	}
	for _, s := range union(open) {
		d.scene.rect(back, shade, s.x0, y, s.x1-s.x0, h)
		d.scene.hatch(over, blind, s.x0, y, s.x1-s.x0, h, everyBlind, 0.9)
		if s.x1-s.x0 > 3 {
			d.scene.frame(line, blind, s.x0, y, s.x1-s.x0, h, 1)
		} else {
			d.scene.rect(line, blind, s.x0, y, s.x1-s.x0, h)
		}
	}
	words := count(n, "gap", "gaps")
	if len(filled) > 0 && d.scene.width >= narrow {
		words += fmt.Sprintf(", %d filled", len(filled))
	}
	d.caption(y, h, "Not heard", style{size: sizeText, bold: true, ink: ink, on: paper}, words)
	return y + h + between
}

// legend writes the most important events, how many more there are, what could not be seen, and what the signs mean.
func (d *drawing) legend(y float64) float64 {
	st := style{size: sizeText, ink: ink, on: paper}
	bold := style{size: sizeText, bold: true, ink: ink, on: paper}
	small := style{size: sizeText, ink: muted, on: paper}
	const text = 24.0
	room := 0.0
	for _, n := range d.told {
		room = max(room, d.scene.measure(d.moment(n.at), small))
	}
	for _, n := range d.told {
		number := fmt.Sprint(n.number)
		base := y + rowText - 4
		d.scene.write(d.left+17-d.scene.measure(number, bold), base, bold, number)
		x := d.left + text
		when := d.moment(n.at)
		d.draw(signOf(n.event.Kind), x+6, base-4, 4.5)
		d.scene.write(x+17, base, small, when)
		x += 27 + room
		words := d.names.say(n)
		if d.scene.measure(words, st) > d.right-x && d.scene.width < narrow {
			y += rowText // the words go under their time
			x = d.left + text + 17
			base += rowText
		}
		d.scene.write(x, base, st, d.scene.fit(words, st, d.right-x))
		y += rowText
	}
	if rest := d.rest(); rest != "" {
		y = d.paragraph(y, d.left+text+17, rest, small, 2)
	}
	if len(d.t.Missing) > 0 {
		y += 2
		for i, m := range d.t.Missing {
			if i == 2 && len(d.t.Missing) > 3 {
				y = d.paragraph(y, d.left, count(len(d.t.Missing)-i, "more thing", "more things")+" could not be seen", small, 1)
				break
			}
			y = d.paragraph(y, d.left, m, small, 2)
		}
	}
	return d.key(y + 4)
}

// rest counts the events that the legend does not name, by kind.
func (d *drawing) rest() string {
	by := map[watch.EventKind]int{}
	n := 0
	for _, x := range d.deeds {
		if x.number == 0 {
			by[x.event.Kind] += x.n
			n += x.n
		}
	}
	if n == 0 {
		return ""
	}
	kinds := make([]watch.EventKind, 0, len(by))
	for k := range by {
		kinds = append(kinds, k)
	}
	slices.SortFunc(kinds, func(a, b watch.EventKind) int { return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b)) })
	var parts []string
	for _, k := range kinds {
		parts = append(parts, fmt.Sprintf("%d %s", by[k], strings.ReplaceAll(string(k), ".", " ")))
	}
	return fmt.Sprintf("and %s: %s", count(n, "more event", "more events"), strings.Join(parts, ", "))
}

// paragraph writes words over at most so many lines, the last cut with an ellipsis.
func (d *drawing) paragraph(y, x float64, words string, st style, most int) float64 {
	left := strings.Fields(clean(words))
	for n := 1; len(left) > 0; n++ {
		line, i := "", 0
		for i < len(left) {
			next := strings.TrimSpace(line + " " + left[i])
			if d.scene.measure(next, st) > d.right-x {
				break
			}
			line = next
			i++
		}
		if n == most || i == 0 {
			line, i = d.scene.fit(strings.Join(left, " "), st, d.right-x), len(left)
		}
		d.scene.write(x, y+rowText-4, st, line)
		y += rowText
		left = left[i:]
	}
	return y
}

// key says what the signs and hatchings that were used mean.
func (d *drawing) key(y float64) float64 {
	small := style{size: sizeSmall, ink: muted, on: paper}
	x := d.left
	put := func(words string, draw func(x, y float64)) {
		w := 18 + d.scene.measure(words, small)
		if x > d.left && x+w > d.right {
			x = d.left
			y += rowText
		}
		draw(x, y+rowText/2)
		d.scene.write(x+18, y+rowText/2+4, small, d.scene.fit(words, small, d.right-x-18))
		x += w + 16
	}
	used := d.used
	for _, k := range []struct {
		key   key
		words string
	}{{keyLost, "lost"}, {keyGained, "gained or back"}, {keyOrigin, "origin"}, {keyDark, "dark"}, {keyReturned, "returned"}, {keyPlain, "other event"}} {
		if used[k.key] {
			put(k.words, func(x, y float64) { d.draw(k.key, x+6, y, 4.5) })
		}
	}
	if used[keyGap] {
		put("some peers not heard", func(x, y float64) {
			d.scene.rect(back, stripe, x, y-5, 13, 10)
			d.scene.hatch(over, hatching, x, y-5, 13, 10, everyGap, 0.8)
		})
	}
	if used[keyBlind] {
		put("nobody there to see", func(x, y float64) {
			d.scene.rect(back, shade, x, y-5, 13, 10)
			d.scene.hatch(over, blind, x, y-5, 13, 10, everyBlind, 0.9)
		})
	}
	if used[keyFilled] {
		put("filled from archives", func(x, y float64) { d.scene.frame(line, hatching, x, y-5, 13, 10, 1) })
	}
	if d.pales > 10 { // of a pixel or two nobody asks
		put("changed within a pixel: from least (solid) to most (pale)", func(x, y float64) {
			d.scene.rect(area, upPale, x, y-5, 13, 5)
			d.scene.rect(area, up, x, y, 13, 5)
		})
	}
	if d.end.Before(d.to) && !d.end.Before(d.from) {
		put("now, "+minute(d.end), func(x, y float64) { d.scene.segment(line, mark, x+6, y-6, x+6, y+6, 1, false) })
	}
	if m := d.o.Mark; m != nil && d.holds(m.UTC()) {
		put("marked: "+d.moment(*m), func(x, y float64) {
			d.scene.segment(line, mark, x+6, y-6, x+6, y+6, 1.6, false)
			d.scene.poly(front, mark, point{x + 2, y - 6}, point{x + 10, y - 6}, point{x + 6, y})
		})
	}
	if x == d.left {
		return y
	}
	return y + rowText
}
