package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/web"
)

func statusCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:                   "status --config FILE|--server URL [--json]",
		DisableFlagsInUseLine: true,
		Short:                 "Show the board: how every hoster stands, and how our own eyes are",
		Long: `Show the board of the depeer that runs with the same configuration: every hoster with
its upstreams and their shares, open incidents, by whom each is still routed and for
how many days it has been known what it is, the feeds, and the holes in what was seen
within the last day. With --server it is that of another machine.`,
		GroupID: groupWatch,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s web.Status
			where, err := ask(cmd.Context(), cmd, "/api/v1/status", nil, &s)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(s)
			}
			writeBoard(cmd.OutOrStdout(), where, &s)
			var still []timeline.Still // without a memory the board is all there is
			if _, err := ask(cmd.Context(), cmd, "/api/v1/still", nil, &still); err == nil {
				writeStill(cmd.OutOrStdout(), still, watch.DefaultPolicy().MinPeers)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "the whole answer as JSON")
	return asksServer(c)
}

// writeBoard prints what a person wants to know first: the hosters, then what is
// wrong, then whether it can be believed.
func writeBoard(w io.Writer, where string, s *web.Status) {
	k := inkFor(w)
	fmt.Fprintf(w, "%s at %s since %s UTC", k.bold("depeer "+s.Version), where, moment(s.Started, s.Now))
	if !s.Judged.IsZero() {
		fmt.Fprintf(w, "; all up to %s is judged", moment(s.Judged, s.Now))
	}
	fmt.Fprint(w, "\n\n")
	rows := [][]string{{"HOSTER", "STATE", "SEEN", "UPSTREAMS"}}
	for i := range s.Hosters {
		rows = append(rows, boardRow(&s.Hosters[i], s.Now))
	}
	writeTable(w, rows)
	if len(s.Incidents) > 0 {
		fmt.Fprintf(w, "\n%s\n", k.bold("Open incidents"))
		for _, i := range s.Incidents {
			fmt.Fprintf(w, "  %s  %s  %s\n", moment(i.Opened, s.Now), i.Severity, i.Summary)
		}
	}
	fmt.Fprintf(w, "\n%s\n", k.bold("Our own eyes"))
	rows = nil
	for i := range s.Feeds {
		rows = append(rows, feedRow(&s.Feeds[i], s.Now))
	}
	writeTable(w, rows)
	if len(s.Feeds) == 0 {
		fmt.Fprintln(w, "  no feed has been heard")
	}
	writeGaps(w, s.Gaps, s.Now)
	for _, r := range s.Reasons {
		fmt.Fprintf(w, "\n%s %s", k.bold("not ready:"), r)
	}
	if len(s.Reasons) > 0 {
		fmt.Fprintln(w)
	}
}

func boardRow(h *watch.Standing, now time.Time) []string {
	seen := "nobody is there to see it"
	if h.Eligible > 0 {
		seen = fmt.Sprintf("%s by %s", percent(h.Visibility), plural(h.Eligible, "peer"))
	}
	if h.Withdrawn > 0 {
		seen += fmt.Sprintf(", %d of %s withdrawn", h.Withdrawn, plural(h.Prefixes, "prefix"))
	}
	if h.Prefixes == 0 {
		seen = "no route seen yet"
	}
	var ups []string
	for _, u := range h.Upstreams {
		text := bgp.ASN(u.ASN) + " " + percent(u.Share)
		switch {
		case u.Lost:
			text = bgp.ASN(u.ASN) + " lost " + moment(u.Since, now)
		case !u.HoldEnds.IsZero():
			text += " falling"
		}
		if u.Family == 6 {
			text += " (IPv6)"
		}
		ups = append(ups, text)
	}
	const most = 6
	if len(ups) > most {
		ups = append(ups[:most], fmt.Sprintf("and %d more", len(ups)-most))
	}
	return []string{h.Name, h.State, seen, strings.Join(ups, ", ")}
}

func feedRow(f *web.Feed, now time.Time) []string {
	state := "ready"
	if !f.Ready {
		state = "NOT READY"
	}
	what := fmt.Sprintf("%d of %s up at %s", f.Up, plural(f.Peers, "peer"), plural(len(f.Collectors), "collector"))
	if f.Lag > 0 {
		what += fmt.Sprintf(", %.1f s behind", f.Lag)
	}
	if !f.Ready && !f.Since.IsZero() {
		what += ", since " + moment(f.Since, now)
	}
	return []string{f.Name, f.Type, state, what}
}

// writeGaps prints the newest holes.
func writeGaps(w io.Writer, gaps []watch.Gap, now time.Time) {
	if len(gaps) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", inkFor(w).bold(fmt.Sprintf("Not seen within the day before: %s", plural(len(gaps), "gap"))))
	const most = 10
	for i, g := range gaps {
		if i == most {
			fmt.Fprintf(w, "  and %d more\n", len(gaps)-most)
			break
		}
		fmt.Fprintf(w, "  %s\n", gapLine(&g, now))
	}
}

// gapLine is a hole in one line.
func gapLine(g *watch.Gap, now time.Time) string {
	to, peers := "now", plural(g.Peers, "peer")+", "
	if g.To != nil {
		to = moment(*g.To, g.From) // a day that begins with it need not be said twice
	} else if g.Away < g.Peers {
		peers = fmt.Sprintf("%d of %s still away, ", g.Away, plural(g.Peers, "peer"))
	}
	if g.Peers == 0 {
		peers = "" // between recordings nobody counted them
	}
	line := fmt.Sprintf("%s  %s to %s  %s%s", g.Collector, moment(g.From, now), to, peers, g.Reason)
	if g.Cause != "" {
		line += ": " + g.Cause
	}
	if g.Filled != nil {
		line += " (filled from the archive)"
	}
	return line
}

// moment is a time as short as it is clear.
func moment(t, now time.Time) string {
	if t.UTC().Format(time.DateOnly) == now.UTC().Format(time.DateOnly) {
		return t.UTC().Format(time.TimeOnly)
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// writeTable prints rows in columns.
func writeTable(w io.Writer, rows [][]string) {
	var width []int
	for _, r := range rows {
		for i, c := range r {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	for _, r := range rows {
		var b strings.Builder
		for i, c := range r {
			b.WriteString("  " + c)
			if i < len(r)-1 {
				b.WriteString(strings.Repeat(" ", width[i]-len([]rune(c))))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
