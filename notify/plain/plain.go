// Package plain makes texts fit: free of characters that act rather than read, cut at a
// rune to what a service takes, and whole messages as plain text.
//
// What a message says comes from routers, registries and people whom nobody checked.
// A receiver takes [Copy] of its message first, and then escapes what its own markup
// gives a meaning to.
package plain

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"depeer/notify"
	"depeer/watch"
)

// Copy is the message with clean texts: one line where one line is meant. Slices are
// copied; Incident, Events and Picture are shared and not to be changed.
func Copy(m *notify.Message) *notify.Message {
	c := *m
	c.Title, c.Text, c.Next = Line(m.Title), strings.TrimSpace(Clean(m.Text)), Line(m.Next)
	c.Hoster = Line(m.Hoster)
	if c.Title == "" {
		c.Title = "depeer"
	}
	c.Facts = make([]notify.Fact, len(m.Facts))
	for i, f := range m.Facts {
		c.Facts[i] = notify.Fact{Name: Line(f.Name), Value: Line(f.Value)}
	}
	c.Changes = lines(m.Changes)
	c.Thread = make([]string, len(m.Thread))
	for i, s := range m.Thread {
		c.Thread[i] = strings.TrimSpace(Clean(s))
	}
	c.Link = link(m.Link)
	if m.Picture != nil && len(m.Picture.PNG) == 0 {
		c.Picture = nil
	} else if m.Picture != nil {
		c.Picture = &notify.Picture{PNG: m.Picture.PNG, Alt: Line(m.Picture.Alt)}
		if c.Picture.Alt == "" {
			c.Picture.Alt = "Timeline of " + c.Title
		}
	}
	return &c
}

func lines(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = Line(s)
	}
	return out
}

// link keeps only what opens a page.
func link(s string) string {
	s = strings.TrimSpace(s)
	if s != Line(s) || !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "https://") || strings.ContainsAny(s, "<>|\"'` \\") {
		return ""
	}
	return s
}

// Clean takes out what does not read: invalid UTF-8, control characters other than a line
// break or a tab, and those that turn the direction of the text around them, with which a
// name can be made to look like another. Letters that are written from right to left stay.
func Clean(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r' || r == 0x2028 || r == 0x2029 || r == 0x85 || r == '\v' || r == '\f':
			return '\n'
		case r == utf8.RuneError, r < 0x20, r >= 0x7f && r < 0xa0, r == 0xfeff,
			r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f,
			r >= 0xe0000 && r <= 0xe007f, r == 0xfffe, r == 0xffff:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// Line is [Clean] in one line, runs of white space made one space.
func Line(s string) string { return strings.Join(strings.Fields(Clean(s)), " ") }

const ellipsis = "…"

// Cut shortens s to at most n characters, which ends in … where something is missing.
// A character outside the BMP counts as two, as in UTF-16: nobody counts it as more.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	count, keep := 0, 0
	for i, r := range s {
		w := 1
		if r > 0xffff {
			w = 2
		}
		if count+w > n {
			return whole(s[:keep]) + ellipsis[:ellipsisLen(n)]
		}
		count += w
		if count < n {
			keep = i + utf8.RuneLen(r)
		}
	}
	return s
}

func ellipsisLen(n int) int {
	if n < 1 {
		return 0
	}
	return len(ellipsis)
}

// CutBytes shortens s to at most n bytes of UTF-8, at a rune.
func CutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if n < len(ellipsis) {
		return ""
	}
	end := n - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return whole(s[:end]) + ellipsis
}

// whole drops a joiner at the end: what it joined is gone.
func whole(s string) string { return strings.TrimRight(s, "\u200d ") }

// Mark is the severity as a sign and a word: never by colour alone.
func Mark(m *notify.Message) (sign, word string) {
	switch {
	case m.Reason == notify.Test:
		return "🔔", "TEST"
	case m.Reason == notify.Digest:
		return "📋", "DIGEST"
	case m.Resolved:
		return "✅", "RESOLVED"
	case m.Severity == watch.Critical:
		return "🔴", "CRITICAL"
	case m.Severity == watch.Warning:
		return "🟠", "WARNING"
	}
	return "🔵", "INFO"
}

// When is a moment as people of any country read it.
func When(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Body is the message as plain text, without its title: what happened, the facts, what is
// new, what to do, where to read on.
func Body(m *notify.Message) string {
	var b strings.Builder
	if m.Text != "" {
		fmt.Fprintf(&b, "%s\n", m.Text)
	}
	if len(m.Changes) > 0 {
		b.WriteString("\nNew:\n")
		for _, c := range m.Changes {
			fmt.Fprintf(&b, "- %s\n", c)
		}
	}
	if len(m.Facts) > 0 {
		b.WriteString("\n")
		for _, f := range m.Facts {
			fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
		}
	}
	if m.Next != "" {
		fmt.Fprintf(&b, "\nNext: %s\n", m.Next)
	}
	b.WriteString("\n")
	if m.Link != "" {
		fmt.Fprintf(&b, "%s\n", m.Link)
	}
	fmt.Fprintf(&b, "%s", When(m.At))
	return b.String()
}

// Sealed keeps fmt from walking through a struct that embeds it, and from printing the
// secrets in its unexported fields, where no Stringer is asked. It says the name instead.
type Sealed struct{ name string }

// Seal gives a Sealed that prints as name.
func Seal(name string) Sealed { return Sealed{name} }

// Format prints the name, whatever the verb.
func (s Sealed) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.name)) }
