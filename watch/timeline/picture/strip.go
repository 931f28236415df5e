package picture

import (
	"cmp"
	"slices"

	"depeer/bgp"
	"depeer/watch/timeline"
)

const (
	stripHeight = 80.0
	stripLane   = 11.0
)

// composeStrip lays out the small picture.
func composeStrip(t *timeline.Timeline, o Options) (*scene, Options, error) {
	if o.Width == 0 {
		o.Width = 600
	}
	d, err := begin(t, &o)
	if err != nil {
		return nil, o, err
	}
	bold := style{size: sizeText, bold: true, ink: ink, on: paper}
	small := style{size: sizeSmall, ink: muted, on: paper}
	d.left, d.right = 8, d.scene.width-8
	d.x0 = float64(int(d.left + max(d.scene.width*0.24, 118)))
	d.x1 = d.right - 82
	room := d.x0 - 10 - d.left
	d.scene.write(d.left, 20, bold, d.scene.fit(heading(t), bold, room))
	d.scene.write(d.left, 40, small, d.scene.fit(minute(d.from)+" –", small, room))
	d.scene.write(d.left, 54, small, d.scene.fit(minute(d.to)+" UTC", small, room))
	if len(t.Visibility)+len(t.Upstreams) == 0 {
		st := style{size: sizeSmall, ink: muted, on: stripe}
		d.scene.rect(back, stripe, d.x0, 6, d.right-d.x0, stripHeight-12)
		d.scene.write(d.x0+12, 44, st, d.scene.fit(nothingKnown, st, d.right-d.x0-24))
		d.scene.finish(stripHeight)
		return d.scene, o, nil
	}
	lanes, rest := d.stripLanes()
	h := stripHeight - 12 - float64(len(lanes))*stripLane
	d.stripSeen(6, h-2)
	d.stripUpstreams(6+h+1, lanes, rest)
	d.uprights()
	d.scene.finish(stripHeight)
	return d.scene, o, nil
}

// stripSeen draws the visibility of at most two address families, with what it was last.
func (d *drawing) stripSeen(y, h float64) {
	lanes := slices.Concat(split(d.t.Visibility)...)
	lanes = lanes[:min(2, len(lanes))]
	if len(lanes) == 2 {
		h = (h - 3) / 2
	}
	st := style{size: sizeSmall, ink: ink, on: paper}
	for i := range lanes {
		d.ground(y, h)
		d.course(lanes[i].Points, 1, y, h, seenTints)
		words := cmp.Or(familyOf(lanes[i].Family), "seen")
		columns := d.columns(lanes[i].Points, 1)
		if n := len(columns); n > 0 && columns[n-1].seen {
			words += " " + percent(d.lastly(lanes[i].Points))
		} else {
			words += " ?"
		}
		d.scene.write(d.x1+6, y+h/2+4, st, d.scene.fit(words, st, d.right-d.x1-6))
		y += h + 3
	}
}

// lastly is the value at the end of what is known.
func (d *drawing) lastly(points []timeline.Point) float64 {
	v := 0.0
	for _, p := range points {
		if p.At.Before(d.end) {
			v, _ = part(p.Value)
		}
	}
	return v
}

// stripLanes gives the two largest upstreams of the first address family that has any, and, where there are more than three, the sum of the rest.
func (d *drawing) stripLanes() (lanes []timeline.Lane, rest int) {
	families := split(d.t.Upstreams)
	if len(families) == 0 {
		return nil, 0
	}
	lanes = slices.Clone(families[0])
	slices.SortStableFunc(lanes, func(a, b timeline.Lane) int { return cmp.Compare(peak(&b), peak(&a)) })
	if len(lanes) > 3 {
		rest = len(lanes) - 2
		lanes = append(lanes[:2:2], sum(lanes[2:]))
	}
	return lanes, rest
}

func (d *drawing) stripUpstreams(y float64, lanes []timeline.Lane, rest int) {
	st := style{size: 10, ink: muted, on: paper}
	full := fullHeight(lanes)
	for i := range lanes {
		l := &lanes[i]
		d.ground(y, stripLane-2)
		d.course(l.Points, full, y, stripLane-2, upTints)
		words := bgp.ASN(l.ASN)
		if rest > 0 && i == len(lanes)-1 {
			words = count(rest, "more", "more")
		}
		d.scene.write(d.x1+6, y+stripLane-3, st, d.scene.fit(words, st, d.right-d.x1-6))
		d.onLane(l, y, stripLane-2)
		y += stripLane
	}
}
