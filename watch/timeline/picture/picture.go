package picture

import (
	"errors"
	"fmt"
	"io"
	"time"

	"depeer/watch/timeline"
)

// Options say how a timeline is drawn.
type Options struct {
	Width int        // logical pixels, 320 to 4000; 0: 800. The height follows from what there is to draw
	Scale float64    // PNG: pixels per logical pixel, 0.5 to 4; 0: 1. 2 for displays of high density
	Theme Theme      // "": Auto
	Now   time.Time  // nothing is drawn after it; zero: the end of the period
	Mark  *time.Time // a moment to point out: an upright line with its time
}

// checked fills in what is not set.
func (o Options) checked() (Options, error) {
	if o.Width == 0 {
		o.Width = 800
	}
	if o.Scale == 0 {
		o.Scale = 1
	}
	if o.Theme == "" {
		o.Theme = Auto
	}
	var faults []error
	if o.Width < 320 || o.Width > 4000 {
		faults = append(faults, fmt.Errorf("width: %d is not from 320 to 4000", o.Width))
	}
	if !(o.Scale >= 0.5 && o.Scale <= 4) {
		faults = append(faults, fmt.Errorf("scale: %v is not from 0.5 to 4", o.Scale))
	}
	if o.Theme != Auto && palettes[o.Theme] == nil {
		faults = append(faults, fmt.Errorf("theme: %q is none of auto, light, dark, print", o.Theme))
	}
	return o, errors.Join(faults...)
}

// kind is one of the drawings of a timeline.
type kind func(*timeline.Timeline, Options) (*scene, Options, error)

func (k kind) svg(w io.Writer, t *timeline.Timeline, o Options) error {
	s, o, err := k(t, o)
	if err != nil {
		return err
	}
	if err := s.svg(w, o.Theme); err != nil {
		return fmt.Errorf("picture: write the SVG: %w", err)
	}
	return nil
}

func (k kind) png(w io.Writer, t *timeline.Timeline, o Options) error {
	s, o, err := k(t, o)
	if err != nil {
		return err
	}
	if err := s.png(w, o.Theme, o.Scale); err != nil {
		return fmt.Errorf("picture: write the PNG: %w", err)
	}
	return nil
}

// SVG writes the picture of a timeline as SVG 1.1. It refuses options out of their bounds, and a period that is empty, longer than
// 500 years or not within the years 1 to 9999.
func SVG(w io.Writer, t *timeline.Timeline, o Options) error { return kind(compose).svg(w, t, o) }

// PNG writes the same picture as PNG, Scale pixels to a logical one; it refuses what SVG does.
func PNG(w io.Writer, t *timeline.Timeline, o Options) error { return kind(compose).png(w, t, o) }

// StripSVG writes a small picture, for lists and mails: the title with the period, the visibility, the two largest upstreams and the sum of the rest. It is
// 80 logical pixels high and, where Options has no Width, 600 wide.
func StripSVG(w io.Writer, t *timeline.Timeline, o Options) error {
	return kind(composeStrip).svg(w, t, o)
}

// StripPNG writes the small picture as PNG.
func StripPNG(w io.Writer, t *timeline.Timeline, o Options) error {
	return kind(composeStrip).png(w, t, o)
}

// checkPeriod refuses a period that cannot be drawn.
func checkPeriod(t *timeline.Timeline) error {
	switch {
	case t == nil:
		return errors.New("picture: there is no timeline")
	case !t.From.Before(t.To):
		return fmt.Errorf("picture: the period ends at %s, which is not after its beginning %s", t.To.UTC().Format(time.RFC3339), t.From.UTC().Format(time.RFC3339))
	case t.From.UTC().Year() < 1 || t.To.UTC().Year() > 9999 || t.To.Unix()-t.From.Unix() > 500*366*86400:
		return fmt.Errorf("picture: the period from %s to %s cannot be drawn", t.From.UTC().Format(time.RFC3339), t.To.UTC().Format(time.RFC3339))
	}
	return nil
}
