package picture_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"depeer/watch/timeline/picture"
)

var update = flag.Bool("update", false, "write the pictures of testdata anew")

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

func drawSVG(t *testing.T, s story, theme picture.Theme) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := picture.SVG(&b, s.t, s.options(theme)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestStories(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			got := drawSVG(t, s, picture.Auto)
			file := filepath.Join("testdata", s.name+".svg")
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
		})
	}
}
