package bgptest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"depeer/bgp"
)

// words is one sentence, read word by word. The first fault stays in err, and
// everything read after it is empty: a sentence function checks once, at its end.
type words struct {
	list []string
	next int
	err  error
}

func (w *words) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

func (w *words) peek() string {
	if w.err != nil || w.next >= len(w.list) {
		return ""
	}
	return w.list[w.next]
}

// take gives the next word; what names the thing expected, for the error.
func (w *words) take(what string) string {
	t := w.peek()
	if t == "" {
		w.fail("%s is missing at the end", what)
		return ""
	}
	w.next++
	return t
}

// accept takes the next word where it is this one.
func (w *words) accept(word string) bool {
	if w.peek() != word {
		return false
	}
	w.next++
	return true
}

func (w *words) expect(word string) {
	switch t := w.peek(); {
	case t == "":
		w.fail("%q is missing at the end", word)
	case t != word:
		w.fail("%q stands where %q should", t, word)
	default:
		w.next++
	}
}

// end refuses what is left over.
func (w *words) end() {
	if t := w.peek(); t != "" {
		w.fail("%q is not understood here", t)
	}
}

func (w *words) number(what string, least, most int) int {
	t := w.take(what)
	n, err := strconv.Atoi(t)
	if w.err == nil && (err != nil || n < least || n > most) {
		w.fail("%q is no %s (%d to %d)", t, what, least, most)
		return 0
	}
	return n
}

func isASN(t string) bool {
	_, err := bgp.ParseASN(t)
	return err == nil
}

func (w *words) asn() uint32 {
	t := w.take("an AS number")
	if w.err != nil {
		return 0
	}
	return w.asASN(t)
}

func (w *words) asASN(t string) uint32 {
	n, err := bgp.ParseASN(t)
	if err != nil {
		w.fail("%v", err)
	} else if n == 0 {
		w.fail("AS0 is reserved (RFC 7607)")
	}
	return n
}

// asns takes AS numbers for as long as there are any, at least one.
func (w *words) asns() []uint32 {
	list := []uint32{w.asn()}
	for w.err == nil && isASN(w.peek()) {
		list = append(list, w.asn())
	}
	return list
}

// edges takes at least one "6939-26780".
func (w *words) edges() []edge {
	var list []edge
	for len(list) == 0 || strings.Contains(w.peek(), "-") {
		t := w.take("an edge, such as 6939-26780,")
		if w.err != nil {
			return nil
		}
		left, right, ok := strings.Cut(t, "-")
		if !ok {
			w.fail("%q is no edge: write the upstream first, 6939-26780", t)
			return nil
		}
		list = append(list, edge{w.asASN(left), w.asASN(right)})
	}
	return list
}

func (w *words) prefix() netip.Prefix {
	t := w.take("a prefix")
	if w.err != nil {
		return netip.Prefix{}
	}
	p, err := netip.ParsePrefix(t)
	switch {
	case err != nil:
		w.fail("%q is no prefix", t)
	case p.Addr().Is4In6():
		w.fail("%q: write an IPv4 prefix as such", t)
	case p != p.Masked():
		w.fail("%q has bits set behind its length; %s is meant?", t, p.Masked())
	case inside(p, inventedV4) || inside(p, inventedV6):
		w.fail("%s lies in the space of invented prefixes (%s, %s)", p, inventedV4, inventedV6)
	case inside(p, sessionsV4) || inside(p, sessionsV6):
		w.fail("%s lies in the space of invented sessions (%s, %s)", p, sessionsV4, sessionsV6)
	}
	return p
}

func inside(p, space netip.Prefix) bool { return p.Bits() >= space.Bits() && space.Contains(p.Addr()) }

// listed takes prefixes for as long as there are any.
func (w *words) listed() []netip.Prefix {
	var list []netip.Prefix
	for strings.Contains(w.peek(), "/") {
		p := w.prefix()
		if w.err != nil {
			return nil
		}
		if slices.Contains(list, p) {
			w.fail("%s is said twice", p)
		}
		list = append(list, p)
	}
	return list
}

// share takes "62%" or "0.5%" and gives it of 10,000.
func (w *words) share() int {
	t := w.take("a share, such as 62%,")
	if w.err != nil {
		return 0
	}
	whole, fraction, _ := strings.Cut(strings.TrimSuffix(t, "%"), ".")
	fraction = (fraction + "00")[:max(2, len(fraction))]
	n, err := strconv.ParseUint(whole+fraction, 10, 32)
	if err != nil || len(fraction) > 2 || !strings.HasSuffix(t, "%") || n > 10000 {
		w.fail("%q is no share (0%% to 100%%, at most two decimals)", t)
		return 0
	}
	return int(n)
}

// duration takes "90s", "1h30m", "2d" or "500ms" and gives microseconds.
func (w *words) duration(what string, least time.Duration) int64 {
	t := w.take(what)
	if w.err != nil {
		return 0
	}
	us, err := parseDuration(t)
	if err != nil {
		w.fail("%q is no %s: %v", t, what, err)
	} else if us < least.Microseconds() {
		w.fail("%q is too short for %s: at least %s", t, what, least)
	}
	return us
}

const longest = 10 * 366 * 24 * time.Hour

// parseDuration is time.ParseDuration with days: "3d12h".
func parseDuration(t string) (int64, error) {
	var days uint64
	rest := t
	if d, r, ok := strings.Cut(t, "d"); ok {
		n, err := strconv.ParseUint(d, 10, 12)
		if err != nil {
			return 0, fmt.Errorf("%q is no number of days (0 to 4095)", d)
		}
		days, rest = n, r
	}
	var clock time.Duration
	if rest != "" || days == 0 {
		var err error
		if clock, err = time.ParseDuration(rest); err != nil {
			return 0, fmt.Errorf("write it as 90s, 1h30m, 2d or 500ms")
		}
	}
	if clock < 0 || clock > longest {
		return 0, fmt.Errorf("0 to ten years")
	}
	return int64(days)*86400*second + clock.Microseconds(), nil
}

// moment takes a time: "2008-11-11T21:00:00Z"; "21:00", "21:00:00" or
// "21:00:00.5" on the day of reference; "+1h30m" from start.
func (w *words) moment(start, reference int64) int64 {
	t := w.take("a time")
	if w.err != nil {
		return 0
	}
	if rest, ok := strings.CutPrefix(t, "+"); ok {
		us, err := parseDuration(rest)
		if err != nil {
			w.fail("%q is no time after the start: %v", t, err)
		}
		return start + us
	}
	if strings.Contains(t, "T") {
		at, err := time.Parse(time.RFC3339Nano, t)
		if err != nil || at.Year() < 1970 || at.Year() > 2105 {
			w.fail("%q is no time (RFC 3339, such as 2008-11-11T21:00:00Z, from 1970 to 2105)", t)
			return 0
		}
		return micro(at)
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if at, err := time.Parse(layout, t); err == nil {
			day := reference - reference%(86400*second)
			seconds := int64(at.Hour()*3600 + at.Minute()*60 + at.Second())
			return day + seconds*second + int64(at.Nanosecond()/1000)
		}
	}
	w.fail("%q is no time: write 2008-11-11T21:00:00Z, 21:00, 21:00:00 or +1h30m", t)
	return 0
}
