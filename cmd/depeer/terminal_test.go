package main

import "testing"

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text          string
		indent, width int
		want          string
	}{
		{"BLACKOUT  it is dark", 13, 0, "BLACKOUT  it is dark"}, // no terminal: never cut
		{"BLACKOUT  it is dark", 13, 80, "BLACKOUT  it is dark"},
		{"aaaa bbbb cccc dddd eeee ffff gggg hhhh", 2, 34, "aaaa bbbb cccc dddd eeee ffff\n  gggg hhhh"},
		{"\x1b[1maaaa\x1b[0m bbbb cccc dddd eeee ffff gggg", 2, 34, "\x1b[1maaaa\x1b[0m bbbb cccc dddd eeee ffff\n  gggg"},
	} {
		if got := wrap(c.text, c.indent, c.width); got != c.want {
			t.Errorf("wrap(%q, %d, %d) = %q, want %q", c.text, c.indent, c.width, got, c.want)
		}
	}
}

func TestBar(t *testing.T) {
	for part, want := range map[float64]string{0: "····", 0.001: "█···", 0.5: "██··", 1: "████"} {
		if got := bar(part, 4); got != want {
			t.Errorf("bar(%v) = %s, want %s", part, got, want)
		}
	}
}
