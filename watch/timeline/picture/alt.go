package picture

import (
	"fmt"
	"strings"

	"depeer/watch/timeline"
)

// Alt says what the picture shows, in a sentence or two for those who cannot see it: at most about 500 letters, on one line, not escaped.
func Alt(t *timeline.Timeline) string {
	if err := checkPeriod(t); err != nil {
		return "No picture: " + strings.TrimPrefix(err.Error(), "picture: ") + "."
	}
	r, err := newRuler()
	if err != nil {
		return heading(t)
	}
	d := newDrawing(&scene{width: 800, ruler: r}, t, Options{Width: 800})
	return d.alt()
}

func (d *drawing) alt() string {
	t := d.t
	var b strings.Builder
	fmt.Fprintf(&b, "Timeline of %s from %s to %s UTC: ", brief(heading(t), 80), minute(d.from), minute(d.to))
	if d.empty() {
		return b.String() + "nothing is stored about it in this period."
	}
	var parts []string
	for i := range t.Visibility {
		if s := d.sayVisibility(&t.Visibility[i]); s != "" && len(parts) < 2 {
			parts = append(parts, s)
		}
	}
	parts = append(parts, count(len(d.events), "event", "events"))
	if n := len(t.Incidents); n > 0 {
		parts = append(parts, count(n, "incident", "incidents"))
	}
	if n := len(t.Gaps); n > 0 {
		parts = append(parts, count(n, "gap", "gaps")+" in what was heard")
	}
	b.WriteString(strings.Join(parts, ", ") + ".")
	var told []string
	for _, x := range important(deeds(d.events), 3) {
		told = append(told, minute(x.at)+" "+brief(d.names.say(x), 80))
	}
	if len(told) > 0 {
		b.WriteString(" Most important: " + strings.Join(told, "; ") + ".")
	}
	return b.String()
}

// brief cuts a text to so many letters.
func brief(s string, n int) string {
	r := []rune(clean(s))
	if len(r) <= n {
		return string(r)
	}
	return cut(r[:n-1])
}

// sayVisibility says how a family was seen at the beginning and at the end of what is known.
func (d *drawing) sayVisibility(l *timeline.Lane) string {
	columns := d.columns(l.Points, 1)
	var first, last *column
	for i := range columns {
		if columns[i].seen {
			if first == nil {
				first = &columns[i]
			}
			last = &columns[i]
		}
	}
	name := familyOf(l.Family)
	switch {
	case first == nil:
		return strings.TrimSpace(name + " seen by nobody who could tell")
	case first == last:
		return strings.TrimSpace(fmt.Sprintf("%s held by %s of the peers throughout", name, percent(first.high)))
	}
	return strings.TrimSpace(fmt.Sprintf("%s held by %s of the peers first, %s last", name, percent(first.high), percent(last.low)))
}
