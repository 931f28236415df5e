package notify

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"depeer/bgp"
	"depeer/watch"
)

func asns(list []uint32) string {
	var out []string
	for i, a := range list {
		if i == 5 && len(list) > 6 {
			out = append(out, fmt.Sprintf("%d more", len(list)-i))
			break
		}
		out = append(out, bgp.ASN(a))
	}
	if len(out) == 0 {
		return "nobody"
	}
	return words(out)
}

func prefixes(list []netip.Prefix, n int) string {
	var out []string
	for i, p := range list {
		if i == n && len(list) > n+1 {
			out = append(out, fmt.Sprintf("%d more", len(list)-i))
			break
		}
		out = append(out, p.String())
	}
	return words(out)
}

// words is a list as people say it.
func words(s []string) string {
	if len(s) < 2 {
		return strings.Join(s, "")
	}
	return strings.Join(s[:len(s)-1], ", ") + " and " + s[len(s)-1]
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// span says a duration as people do.
func span(d time.Duration) string {
	d = max(0, d.Round(time.Second))
	switch {
	case d < 2*time.Minute:
		return counted(int(d.Seconds()), "second")
	case d < 2*time.Hour:
		return counted(int(d.Round(time.Minute).Minutes()), "minute")
	case d < 48*time.Hour:
		return counted(int(d.Round(time.Hour).Hours()), "hour")
	}
	return counted(int(d.Round(24*time.Hour).Hours()/24), "day")
}

func upperFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

func endName(asn uint32, name string) string {
	if name == "" {
		return bgp.ASN(asn)
	}
	return bgp.ASN(asn) + " (" + name + ")"
}

// sayEvent is an event in a sentence.
func sayEvent(e *watch.Event, name string) string {
	where := e.Source
	if e.Collector != "" && e.Collector != where {
		where = strings.TrimPrefix(where+" "+e.Collector, " ")
	}
	why := ""
	if e.Reason != "" {
		why = ": " + e.Reason
	}
	switch e.Kind {
	case watch.FeedLost:
		if e.PeersLost > 0 {
			return fmt.Sprintf("our feed %s lost %s at once%s; nothing is concluded from their silence", where, counted(e.PeersLost, "peer"), why)
		}
		return fmt.Sprintf("our feed %s is lost%s; nothing is concluded from its silence", where, why)
	case watch.FeedStale:
		return fmt.Sprintf("our feed %s says nothing any more%s; nothing is concluded from its silence", where, why)
	case watch.FeedRestored:
		return fmt.Sprintf("our feed %s is back", where)
	}
	what := ""
	switch {
	case e.Prefix != nil:
		what = " " + e.Prefix.String()
	case e.Upstream != 0:
		what = " " + bgp.ASN(e.Upstream)
	}
	return fmt.Sprintf("%s: %s%s (%.0f %% before, %.0f %% now, %s could see it)", name, strings.ReplaceAll(string(e.Kind), ".", " "), what,
		e.Before*100, e.After*100, counted(e.Eligible, "peer"))
}
