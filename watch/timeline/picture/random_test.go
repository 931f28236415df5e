package picture_test

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/picture"
)

// chance makes timelines of all shapes, also of shapes that no store gives.
type chance struct {
	*rand.Rand
	from, to time.Time
	word     string
}

func (c chance) moment() time.Time {
	length := float64(c.to.Unix() - c.from.Unix())
	return c.from.Add(time.Duration((c.Float64()*1.4 - 0.2) * min(length, 9e9) * 1e9 / 1.4))
}

func (c chance) after(t time.Time) *time.Time {
	if c.IntN(4) == 0 {
		return nil
	}
	x := t.Add(time.Duration(c.ExpFloat64() * float64(c.to.Sub(c.from)) / 20))
	return &x
}

func (c chance) name() string {
	switch c.IntN(6) {
	case 0:
		return ""
	case 1:
		return c.word
	case 2:
		return "Ein sehr langer Name mit Umläuten, 漢字 & <Klammern> der nirgends in eine Zeile passt GmbH & Co. KG"
	}
	return fmt.Sprintf("Network %d", c.IntN(1000))
}

func (c chance) asn() uint32 { return []uint32{0, 1, 174, 64500, 4294967295, c.Uint32()}[c.IntN(6)] }

func (c chance) value() float64 {
	return []float64{0, 1, c.Float64(), c.Float64() / 1000, math.NaN(), -1, 7, math.Inf(1)}[min(c.IntN(16), 7)]
}

func (c chance) lanes(most int, role bool) []timeline.Lane {
	var out []timeline.Lane
	for range c.IntN(most + 1) {
		l := timeline.Lane{Family: []int{4, 4, 4, 6, 6, 0}[c.IntN(6)], ASN: c.asn(), Name: c.name(), Peak: c.value()}
		if role {
			l.Role = []string{"own", "allowed", "other", ""}[c.IntN(4)]
		}
		when := c.from
		if c.IntN(3) == 0 {
			when = c.moment()
		}
		n := []int{0, 1, 3, 40, 2000}[c.IntN(5)]
		for range n {
			l.Points = append(l.Points, timeline.Point{At: when, Value: c.value(), Eligible: max(0, c.IntN(20)-3)})
			when = when.Add(time.Duration(c.ExpFloat64() * float64(c.to.Sub(c.from)) / float64(n)))
		}
		for range c.IntN(4) {
			l.Events = append(l.Events, fmt.Sprint("e", c.IntN(50)))
		}
		out = append(out, l)
	}
	return out
}

func (c chance) event(i int) watch.Event {
	kinds := []watch.EventKind{watch.RouteWithdrawn, watch.RouteRestored, watch.UpstreamLost, watch.UpstreamRestored, watch.UpstreamGained, watch.TransitLost, watch.OriginNew, watch.OriginGone,
		watch.PrefixNew, watch.HosterDark, watch.HosterReturned, watch.FeedLost, watch.FeedStale, watch.FeedRestored, watch.EventKind(c.word)}
	e := watch.Event{ID: fmt.Sprint("e", i), Kind: kinds[c.IntN(len(kinds))], FirstSeen: c.moment(), Upstream: c.asn(), Via: c.asn(), Origin: c.asn(), Before: c.value(), After: c.value(),
		Severity: []watch.Severity{watch.Info, watch.Warning, watch.Critical}[c.IntN(3)], Family: []int{0, 4, 6}[c.IntN(3)], Collector: c.word, PeersLost: c.IntN(3)}
	e.At = e.FirstSeen.Add(time.Duration(c.IntN(300)-30) * time.Second)
	if c.IntN(2) == 0 {
		q := netip.MustParsePrefix("2001:db8::/32")
		e.Prefix = &q
	}
	return e
}

func (c chance) timeline() *timeline.Timeline {
	t := &timeline.Timeline{Title: c.name(), Subject: c.word, From: c.from, To: c.to}
	t.Visibility, t.Upstreams, t.Origins = c.lanes(2, false), c.lanes(40, false), c.lanes(20, true)
	for i := range []int{0, 1, 7, 500}[c.IntN(4)] {
		t.Events = append(t.Events, c.event(i))
	}
	for range c.IntN(3) * c.IntN(30) {
		when := c.moment()
		t.Incidents = append(t.Incidents, watch.Incident{Class: []watch.Class{watch.Blackout, watch.UpstreamFailure, watch.HijackSuspect, watch.Class(c.word)}[c.IntN(4)], Opened: when, Resolved: c.after(when)})
	}
	for range c.IntN(3) * c.IntN(60) {
		s := timeline.Sight{At: c.moment(), Family: []string{"", "Rustock", c.word, fmt.Sprint("Family ", c.IntN(15))}[c.IntN(4)], ASN: c.asn()}
		if u := c.after(s.At); u != nil {
			s.Until = *u
		}
		t.Sightings = append(t.Sightings, s)
	}
	for range c.IntN(3) * c.IntN(60) {
		when := c.moment()
		g := watch.Gap{From: when, To: c.after(when), Peers: c.IntN(30)}
		if c.IntN(4) == 0 {
			g.Filled = &when
		}
		t.Gaps = append(t.Gaps, g)
	}
	for range c.IntN(5) {
		t.Missing = append(t.Missing, c.name())
	}
	return t
}

func (c chance) options() picture.Options {
	o := picture.Options{Width: 320 + c.IntN(900)}
	if c.IntN(3) == 0 {
		o.Now = c.moment()
	}
	if c.IntN(3) == 0 {
		m := c.moment()
		o.Mark = &m
	}
	return o
}

var lengths = []time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour, 24 * time.Hour, 30 * 24 * time.Hour, 366 * 24 * time.Hour, 3653 * 24 * time.Hour, 100 * 366 * 24 * time.Hour}

// tryRandom draws a timeline made from a seed, and looks at the layout.
func tryRandom(t *testing.T, seed uint64, word string) {
	t.Helper()
	c := chance{Rand: rand.New(rand.NewPCG(seed, 1)), word: word}
	c.from = time.Date(1990+c.IntN(50), time.Month(1+c.IntN(12)), 1+c.IntN(28), c.IntN(24), c.IntN(60), c.IntN(60), c.IntN(1e9), time.UTC)
	c.to = c.from.Add(lengths[c.IntN(len(lengths))] * time.Duration(1+c.IntN(3)))
	if c.to.Before(c.from) {
		c.to = c.from.Add(time.Hour)
	}
	tl, o := c.timeline(), c.options()
	for _, fault := range append(picture.Check(tl, o), picture.CheckStrip(tl, o)...) {
		t.Errorf("seed %d: %s", seed, fault)
	}
	if _, err := wellFormed(drawSVG(t, tl, o)); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	if seed%10 == 0 {
		var b bytes.Buffer
		if err := picture.PNG(&b, tl, o); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if _, err := png.DecodeConfig(&b); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	if picture.Alt(tl) == "" {
		t.Errorf("seed %d: nothing is said", seed)
	}
}

func TestRandomTimelines(t *testing.T) {
	for seed := range uint64(15) {
		tryRandom(t, seed, "Würger & Söhne <b>")
		if t.Failed() {
			return
		}
	}
}

func FuzzPicture(f *testing.F) {
	for seed := range uint64(5) {
		f.Add(seed, "McColo")
	}
	f.Add(uint64(7), "]]>\x00\u202e\xff&amp;<svg>")
	f.Fuzz(tryRandom)
}
