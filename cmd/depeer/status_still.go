package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/watch/timeline"
)

// writeStill prints by whom hosters are still routed, and for how many days it has been
// known what they are. list is nil where there is no memory.
func writeStill(w io.Writer, list []timeline.Still, minPeers int) {
	var rows [][]string
	for i := range list {
		if x := &list[i]; x.Routed || x.Reported != nil {
			rows = append(rows, []string{x.Name, stillBy(x, minPeers), stillSince(x)})
		}
	}
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", inkFor(w).bold("Still routed"))
	writeTable(w, rows)
}

// stillBy names the upstreams: those of single peers only where there are no others.
func stillBy(x *timeline.Still, minPeers int) string {
	if !x.Routed {
		return "no more, as far as is heard"
	}
	by := slices.DeleteFunc(slices.Clone(x.By), func(u timeline.StillBy) bool { return u.Peers < minPeers })
	if len(by) == 0 {
		by = x.By
	}
	if len(by) == 0 {
		return "without an upstream that can be named"
	}
	var parts []string
	for i, u := range by {
		if i == 6 {
			parts = append(parts, fmt.Sprintf("and %d more", len(by)-i))
			break
		}
		text := bgp.ASN(u.ASN) + " " + percent(u.Share)
		if u.Family == 6 {
			text += " (IPv6)"
		}
		parts = append(parts, text)
	}
	return "by " + strings.Join(parts, ", ")
}

func stillSince(x *timeline.Still) string {
	if x.Reported == nil {
		return "nothing was reported of it"
	}
	what := map[string]string{"given": "first reported", string(timeline.Sighting): "its first C&C server was seen"}[x.ReportedBy]
	if what == "" {
		what = "depeer first knew of it"
	}
	return fmt.Sprintf("%s since %s (%s)", plural(x.Days, "day"), what, x.Reported.UTC().Format(time.DateOnly))
}
