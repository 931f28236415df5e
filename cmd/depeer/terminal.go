package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"depeer/watch"
)

// ink colours text on a terminal, and leaves it alone elsewhere.
type ink struct{ on bool }

// inkFor decides whether w shows colours: only a terminal does, and nobody who
// has set NO_COLOR (no-color.org).
func inkFor(w io.Writer) ink {
	f, ok := w.(*os.File)
	return ink{ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (k ink) paint(code, s string) string {
	if !k.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (k ink) bold(s string) string  { return k.paint("1", s) }
func (k ink) faint(s string) string { return k.paint("2", s) }

// severity gives a text the colour of its severity.
func (k ink) severity(v watch.Severity, s string) string {
	switch v {
	case watch.Critical:
		return k.paint("1;31", s)
	case watch.Warning:
		return k.paint("33", s)
	}
	return k.paint("36", s)
}

// width is how many columns w shows; 0 where it is no terminal, and nothing is cut.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// wrap breaks a text at spaces so that, indented, it fits the width.
func wrap(s string, indent, width int) string {
	if width < indent+30 {
		return s
	}
	var b strings.Builder
	column := indent
	for i, word := range strings.Split(s, " ") {
		n := columns(word)
		if i > 0 {
			if column+1+n > width {
				b.WriteString("\n" + strings.Repeat(" ", indent))
				column = indent
			} else {
				b.WriteByte(' ')
				column++
			}
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// columns counts what a word takes of a line: its runes, but not its colours.
func columns(s string) (n int) {
	escape := false
	for _, r := range s {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			n++
		}
	}
	return n
}

// bar draws a part of one in n cells.
func bar(part float64, n int) string {
	full := int(part*float64(n) + 0.5)
	if part > 0 && full == 0 {
		full = 1
	}
	return strings.Repeat("█", full) + strings.Repeat("·", n-full)
}

func percent(part float64) string {
	if part > 0 && part < 0.01 {
		return "<1 %"
	}
	return fmt.Sprintf("%.0f %%", part*100)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }
