package picture_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/picture"
)

var update = flag.Bool("update", false, "write the pictures of testdata anew")

var themes = []picture.Theme{picture.Auto, picture.Light, picture.Dark, picture.Print}

func (s *story) options(theme picture.Theme) picture.Options {
	o := picture.Options{Width: s.wide, Theme: theme}
	if s.now != "" {
		o.Now = at(s.now)
	}
	if s.mark != "" {
		m := at(s.mark)
		o.Mark = &m
	}
	return o
}

func drawSVG(t *testing.T, tl *timeline.Timeline, o picture.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := picture.SVG(&b, tl, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestStories(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			compare(t, s.name+".svg", drawSVG(t, s.t, s.options(picture.Auto)))
		})
	}
	for _, s := range stories()[:4] {
		t.Run(s.name+" as a strip", func(t *testing.T) {
			o := s.options(picture.Auto)
			o.Width = 0
			var b bytes.Buffer
			if err := picture.StripSVG(&b, s.t, o); err != nil {
				t.Fatal(err)
			}
			compare(t, s.name+"-strip.svg", b.Bytes())
		})
	}
}

func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what is drawn now; look at both, and run the test with -update if the new one is right", file)
	}
}

func TestStripPNG(t *testing.T) {
	var b bytes.Buffer
	if err := picture.StripPNG(&b, mccolo(), picture.Options{Scale: 2, Theme: picture.Dark}); err != nil {
		t.Fatal(err)
	}
	size := b.Len()
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds().Dx() != 1200 || img.Bounds().Dy() != 160 || size > 40_000 {
		t.Errorf("%v in %d bytes", img.Bounds(), size)
	}
}

// No letters over letters, nothing outside, every letter readable on what is behind it, at any width.
func TestLayout(t *testing.T) {
	for _, s := range stories() {
		for _, width := range []int{320, 400, 800, 1300} {
			o := s.options(picture.Auto)
			o.Width = width
			for _, fault := range append(picture.Check(s.t, o), picture.CheckStrip(s.t, o)...) {
				t.Errorf("%s at %d: %s", s.name, width, fault)
			}
		}
	}
}

// wellFormed reads an SVG to its end and gives its texts.
func wellFormed(svg []byte) (texts []string, err error) {
	d := xml.NewDecoder(bytes.NewReader(svg))
	depth, inText := 0, false
	for {
		x, err := d.Token()
		if errors.Is(err, io.EOF) {
			if depth != 0 {
				return texts, io.ErrUnexpectedEOF
			}
			return texts, nil
		}
		if err != nil {
			return texts, err
		}
		switch x := x.(type) {
		case xml.StartElement:
			depth++
			inText = x.Name.Local == "text"
		case xml.EndElement:
			depth--
			inText = false
		case xml.CharData:
			if inText {
				texts = append(texts, string(x))
			}
		}
	}
}

func TestSVGIsWellFormed(t *testing.T) {
	for _, s := range stories() {
		for _, theme := range themes {
			svg := drawSVG(t, s.t, s.options(theme))
			if _, err := wellFormed(svg); err != nil {
				t.Errorf("%s, %s: %v", s.name, theme, err)
			}
			for _, want := range []string{"<title>", "<desc>", `role="img"`} {
				if !bytes.Contains(svg, []byte(want)) {
					t.Errorf("%s, %s: no %s", s.name, theme, want)
				}
			}
			if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
				t.Errorf("%s, %s: a number that is none", s.name, theme)
			}
			if got := bytes.Contains(svg, []byte("prefers-color-scheme")); got != (theme == picture.Auto) {
				t.Errorf("%s, %s: follows the reader's scheme: %t", s.name, theme, got)
			}
		}
	}
}

// Names come from outside.
func TestNamesDoNoHarm(t *testing.T) {
	tl := hijack()
	evil := "</text><script>alert('x')</script>]]>&amp;\x00\x01\u202egnp.exe\u200b\xff\ufffe \"q\""
	tl.Title, tl.Subject = evil, evil
	tl.Upstreams[0].Name, tl.Origins[0].Name = evil, evil
	tl.Sightings = []timeline.Sight{{Family: evil, At: tl.From.Add(time.Hour), ASN: 1}}
	tl.Missing = []string{evil}
	tl.Incidents[0].Class = watch.Class(evil)
	tl.Events[0].Kind = watch.EventKind(evil)
	svg := drawSVG(t, tl, picture.Options{})
	texts, err := wellFormed(svg)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(svg, []byte("<script")) {
		t.Error("a name became an element")
	}
	if all := strings.Join(texts, "\n"); !strings.Contains(all, "<script>alert") || strings.ContainsAny(all, "\u202e\u200b\x00\x01\ufffe") {
		t.Errorf("%q", all)
	}
	for _, fault := range picture.Check(tl, picture.Options{}) {
		t.Error(fault)
	}
}

func TestPNG(t *testing.T) {
	for _, s := range stories() {
		switch s.name {
		case "mccolo", "many", "decade", "flapping", "empty": // the largest, and the smallest
		default:
			continue
		}
		o := s.options(picture.Light)
		o.Scale = 2
		var b bytes.Buffer
		if err := picture.PNG(&b, s.t, o); err != nil {
			t.Fatal(err)
		}
		if b.Len() > 300_000 {
			t.Errorf("%s: %d bytes", s.name, b.Len())
		}
		if s.name == "decade" || s.name == "flapping" { // their sizes are what matters
			continue
		}
		img, err := png.Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		width := s.wide
		if width == 0 {
			width = 800
		}
		if img.Bounds().Dx() != 2*width {
			t.Errorf("%s: %v", s.name, img.Bounds())
		}
		if r, g, blue, a := img.At(1, 1).RGBA(); r != 0xFFFF || g != 0xFFFF || blue != 0xFFFF || a != 0xFFFF {
			t.Errorf("%s: the corner is not paper", s.name)
		}
	}
}

// What the SVG calls an area of one colour is that colour in the PNG.
func TestPNGShowsWhatSVGShows(t *testing.T) {
	var b bytes.Buffer
	if err := picture.PNG(&b, mccolo(), picture.Options{Theme: picture.Light}); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	found := map[[3]uint8]int{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			found[[3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}]++
		}
	}
	for name, want := range map[string]struct {
		c     [3]uint8
		least int
	}{
		// In a picture 800 wide: 54 high for 9 of 120 hours and again for 12, of 568 pixels.
		"visibility": {[3]uint8{0x9C, 0xC7, 0xE6}, 54 * (40 + 50)},
		"upstreams":  {[3]uint8{0x8E, 0xCB, 0xF0}, 18 * 50},
		"own origin": {[3]uint8{0x7F, 0xCD, 0xB5}, 18 * (40 + 50)},
		"lost":       {[3]uint8{0xD5, 0x5E, 0x00}, 4 * 20},
	} {
		if found[want.c] < want.least {
			t.Errorf("%s: %d pixels, want at least %d", name, found[want.c], want.least)
		}
	}
}

func TestSameInputSameBytes(t *testing.T) {
	more := stories()
	for i, s := range stories()[:2] {
		again := more[i]
		if !bytes.Equal(drawSVG(t, s.t, s.options(picture.Auto)), drawSVG(t, again.t, again.options(picture.Auto))) {
			t.Errorf("%s: the SVG differs", s.name)
		}
		var a, b bytes.Buffer
		if err := errors.Join(picture.PNG(&a, s.t, s.options(picture.Auto)), picture.PNG(&b, again.t, again.options(picture.Auto))); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: the PNG differs", s.name)
		}
	}
}

func TestWhatIsSaid(t *testing.T) {
	for _, c := range []struct {
		story    string
		has, not []string
	}{
		{"mccolo", []string{"McColo Corp.", "2008-11-11 12:00 – 2008-11-16 12:00 UTC · 5 days · 2 prefixes", "blackout", "repeered", "AS6939 Hurricane Electric", "62 %", "2008-11-11 21:00:01",
			"upstream lost: AS6939 Hurricane Electric, 62 % → 0", "upstream gained: AS1299 TeliaSonera, 0 → 100 %", "dark: all prefixes withdrawn", "feed lost: rrc00, 20 peers", "own 100 %",
			"Rustock", "AS42570", "AS12695", "1 gap", "some peers not heard", "13 Nov 2008"}, []string{"nobody there to see", "IPv6"}},
		{"mccolo-now", []string{"now, 2008-11-15 16:00", "marked: 2008-11-12 00:00:00"}, []string{"AS42570", "upstream lost: AS1299 TeliaSonera, 100 % → 0"}},
		{"flapping", []string{"Upstreams IPv6", "and 496 more events: 248 upstream lost, 248 upstream restored", "500"}, []string{"Origins"}},
		{"hijack", []string{"other 48 %", "allowed 20 %", "hijack suspect", "2024-06-03 08:00 – 2024-06-03 14:00 UTC · 6 hours · as known on 2024-06-04 09:30 UTC"}, nil},
		{"many", []string{"and 20 more", "and 13 more", "and 6 more", "21 %", "and 20 more events: 20 upstream lost"}, nil},
		{"decade", []string{"2016-11-01 00:00 – 2026-11-01 00:00 UTC · 10 years", "2017", "2026", "123 gaps", "nobody there to see"}, nil},
		{"minute", []string{"2025-11-30 23:59:30 – 2025-12-01 00:00:30 UTC · 60 seconds", "2025-11-30 23:59:41.412", "withdrawn: 2001:db8:1::/48, 100 % → 4 % (IPv6)", "1 Dec 2025"}, []string{"Upstreams IPv4"}},
		{"blinded", []string{"nobody there to see", "IPv6 was seen by no peer.", "4 gaps, 1 filled", "filled from archives"}, nil},
		{"empty", []string{"Nothing is stored about it in this period.", "McColo Corp."}, []string{"Visibility", "100 %"}},
	} {
		for _, s := range stories() {
			if s.name != c.story {
				continue
			}
			texts, err := wellFormed(drawSVG(t, s.t, s.options(picture.Auto)))
			if err != nil {
				t.Fatal(err)
			}
			all := "\n" + strings.Join(texts, "\n") + "\n"
			for _, want := range c.has {
				if !strings.Contains(all, "\n"+want+"\n") {
					t.Errorf("%s does not say %q:%s", c.story, want, all)
				}
			}
			for _, not := range c.not {
				if strings.Contains(all, "\n"+not+"\n") {
					t.Errorf("%s says %q", c.story, not)
				}
			}
		}
	}
}

func TestAlt(t *testing.T) {
	for name, want := range map[string]string{
		"mccolo":  "Timeline of McColo Corp. from 2008-11-11 12:00 to 2008-11-16 12:00 UTC: IPv4 held by 100 % of the peers first and 0 last, at least 0, at most 100 %; 10 events; 2 incidents; 1 gap in what was heard. Most important: 2008-11-11 21:30:02 dark: all prefixes withdrawn; 2008-11-16 00:00:03 upstream lost: AS1299 TeliaSonera, 100 % → 0; 2008-11-16 00:00:03 dark: all prefixes withdrawn.",
		"blinded": "Timeline of Blind Spot GmbH from 2024-02-28 12:00 to 2024-03-01 12:00 UTC: IPv4 held by 100 % of the peers first and 90 % last, at least 90 %, at most 100 %; IPv6: nobody was there to see; 0 events; 4 gaps in what was heard.",
		"empty":   "Timeline of McColo Corp. from 2008-11-01 00:00 to 2008-12-01 00:00 UTC: nothing is stored about it in this period.",
	} {
		for _, s := range stories() {
			if s.name == name {
				if got := picture.Alt(s.t); got != want {
					t.Errorf("%s:\n got %s\nwant %s", name, got, want)
				}
			}
		}
	}
	for _, s := range stories() {
		if got := picture.Alt(s.t); len(got) > 600 || strings.Contains(got, "\n") {
			t.Errorf("%s: %d letters: %s", s.name, len(got), got)
		}
	}
	if got := picture.Alt(nil); got != "No picture: there is no timeline." {
		t.Error(got)
	}
}

func TestRefusals(t *testing.T) {
	good := mccolo()
	turned := &timeline.Timeline{From: at("2008-11-16 00:00:00"), To: at("2008-11-11 00:00:00")}
	for _, c := range []struct {
		t    *timeline.Timeline
		o    picture.Options
		want string
	}{
		{nil, picture.Options{}, "there is no timeline"},
		{turned, picture.Options{}, "the period ends at 2008-11-11T00:00:00Z, which is not after its beginning 2008-11-16T00:00:00Z"},
		{&timeline.Timeline{}, picture.Options{}, "is not after its beginning"},
		{&timeline.Timeline{To: at("2008-11-16 00:00:00")}, picture.Options{}, "cannot be drawn"},
		{good, picture.Options{Width: 10}, "width: 10 is not from 320 to 4000"},
		{good, picture.Options{Scale: 100}, "scale: 100 is not from 0.5 to 4"},
		{good, picture.Options{Theme: "pink"}, `theme: "pink" is none of auto, light, dark, print`},
	} {
		for _, draw := range []func(io.Writer, *timeline.Timeline, picture.Options) error{picture.SVG, picture.PNG} {
			var b bytes.Buffer
			if err := draw(&b, c.t, c.o); err == nil || !strings.Contains(err.Error(), c.want) || b.Len() > 0 {
				t.Errorf("%v with %d bytes written, want %q", err, b.Len(), c.want)
			}
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestWriteErrorIsTold(t *testing.T) {
	for _, err := range []error{picture.SVG(fullDisk{}, mccolo(), picture.Options{}), picture.PNG(fullDisk{}, mccolo(), picture.Options{})} {
		if err == nil || !strings.Contains(err.Error(), "no space left on device") {
			t.Error(err)
		}
	}
}

func BenchmarkPNG(b *testing.B) {
	for _, s := range stories() {
		b.Run(s.name, func(b *testing.B) {
			o := s.options(picture.Light)
			o.Scale = 2
			size := 0
			for b.Loop() {
				var w bytes.Buffer
				if err := picture.PNG(&w, s.t, o); err != nil {
					b.Fatal(err)
				}
				size = w.Len()
			}
			b.ReportMetric(float64(size), "B/file")
		})
	}
}
