package picture

import (
	"cmp"
	"fmt"
	"strings"
	"time"

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
		if len(parts) < 2 {
			parts = append(parts, d.sayVisibility(&t.Visibility[i]))
		}
	}
	parts = append(parts, count(len(d.events), "event", "events"))
	if n := len(d.stories()); n > 0 {
		parts = append(parts, count(n, "incident", "incidents"))
	}
	gaps := 0
	for i := range t.Gaps {
		if _, ok := d.stretch(&t.Gaps[i], 0); ok {
			gaps++
		}
	}
	if gaps > 0 {
		parts = append(parts, count(gaps, "gap", "gaps")+" in what was heard")
	}
	b.WriteString(strings.Join(parts, "; ") + ".")
	var told []string
	for _, x := range important(deeds(d.events), 3) {
		told = append(told, minute(x.at.Truncate(time.Second))+" "+brief(d.names.say(x), 80))
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
	var first, last, least, most float64
	known, blind := false, false
	for i, p := range l.Points {
		until := d.end
		if i+1 < len(l.Points) && l.Points[i+1].At.Before(until) {
			until = l.Points[i+1].At
		}
		if !until.After(p.At) || !until.After(d.from) {
			continue
		}
		v, ok := part(p.Value)
		if !ok || p.Eligible <= 0 {
			blind = true
			continue
		}
		if !known {
			first, least, most = v, v, v
			blind = blind || p.At.After(d.from)
		}
		known = true
		last, least, most = v, min(least, v), max(most, v)
	}
	name := cmp.Or(familyOf(l.Family), "routes")
	switch {
	case !known:
		return name + ": nobody was there to see"
	case least == most && blind:
		return fmt.Sprintf("%s held by %s of the peers wherever it was seen", name, percent(first))
	case least == most:
		return fmt.Sprintf("%s held by %s of the peers throughout", name, percent(first))
	}
	return fmt.Sprintf("%s held by %s of the peers first and %s last, at least %s, at most %s", name, percent(first), percent(last), percent(least), percent(most))
}
