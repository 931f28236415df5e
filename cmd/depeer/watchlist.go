package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"depeer/bgp"
	"depeer/watch"
)

func watchlistCommand() *cobra.Command {
	return family(&cobra.Command{
		Use:     "watchlist",
		Short:   "Validate the list of hosters, or write an entry for it",
		GroupID: groupConfig,
	}, watchlistCheckCommand(), watchlistGenerateCommand(), watchlistSuggestCommand())
}

func watchlistCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:                   "check --config FILE",
		DisableFlagsInUseLine: true,
		Short:                 "Validate the hosters of a configuration and show them as a table",
		Long: `Validate the hosters of a configuration, and nothing else of it, and show them as a
table. The file may hold just the list. Every problem is printed with its line, its
path and its value, and the exit code is 2.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file := configFile(cmd)
			if file == "" {
				return usagef("%s needs a watchlist: --config FILE", cmd.CommandPath())
			}
			c, err := configReader{env: os.LookupEnv, readFile: os.ReadFile, only: "hosters"}.load(file)
			if err != nil {
				return err
			}
			return writeHosters(cmd.OutOrStdout(), c.Hosters, time.Now())
		},
	}
}

// writeHosters prints one line a hoster, then what check would note about them.
func writeHosters(w io.Writer, hosters []watch.Hoster, now time.Time) error {
	var table, b strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tNAME\tAS NUMBERS\tPREFIXES\tUPSTREAMS\tVALID\tTAGS")
	for i := range hosters {
		h := &hosters[i]
		prefixes := "learned"
		if len(h.Prefixes) > 0 {
			prefixes = few(h.Prefixes, netip.Prefix.String)
		}
		upstreams := "learned"
		if len(h.Upstreams) > 0 {
			upstreams = few(h.Upstreams, bgp.ASN)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.ID, h.Title(), few(h.ASNs, bgp.ASN), prefixes, upstreams, days(h.Valid), strings.Join(h.Tags, " "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(table.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	for _, n := range append(validityNotes(hosters, now), overlapNotes(hosters)...) {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// few shows the first two of a list and how many more there are.
func few[T any](list []T, show func(T) string) string {
	var parts []string
	for i, v := range list {
		if i == 2 && len(list) > 3 {
			parts = append(parts, fmt.Sprintf("+%d", len(list)-2))
			break
		}
		parts = append(parts, show(v))
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, " ")
}

// days shows a validity with its last day, as it was written.
func days(v watch.Validity) string {
	from, to := "...", "..."
	if !v.From.IsZero() {
		from = v.From.Format(time.DateOnly)
	}
	if !v.To.IsZero() {
		to = v.LastDay().Format(time.DateOnly)
	}
	if v.From.IsZero() && v.To.IsZero() {
		return "always"
	}
	return from + " to " + to
}
