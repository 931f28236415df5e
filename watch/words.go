package watch

import (
	"fmt"
	"strings"
	"time"

	"depeer/bgp"
)

func cond(is bool, then, otherwise string) string {
	if is {
		return then
	}
	return otherwise
}

func asns(ns []uint32) string {
	var out []string
	for i, n := range ns {
		if i == 5 && len(ns) > 6 {
			out = append(out, fmt.Sprintf("%d more", len(ns)-i))
			break
		}
		out = append(out, bgp.ASN(n))
	}
	return list(out)
}

func list(s []string) string {
	switch len(s) {
	case 0:
		return "nobody"
	case 1:
		return s[0]
	}
	return strings.Join(s[:len(s)-1], ", ") + " and " + s[len(s)-1]
}

func percent(f float64) string {
	switch p := f * 100; {
	case p > 0 && p < 1:
		return "under 1 %"
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// span says a duration as people do.
func span(x time.Duration) string {
	x = x.Round(time.Second)
	switch {
	case x < 0:
		return "0 seconds"
	case x == time.Second:
		return "a second"
	case x < 2*time.Minute:
		return fmt.Sprintf("%d seconds", int(x.Seconds()))
	case x < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(x.Round(time.Minute).Minutes()))
	case x < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(x.Round(time.Hour).Hours()))
	}
	return fmt.Sprintf("%d days", int(x.Round(24*time.Hour).Hours()/24))
}

func clock(x, since time.Time) string {
	if x.Sub(since) < 12*time.Hour && x.Day() == since.Day() {
		return x.Format("15:04:05")
	}
	return x.Format("2006-01-02 15:04")
}
