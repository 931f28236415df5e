package main

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/bus"
	"depeer/watch"
)

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:                   "check --config FILE",
		DisableFlagsInUseLine: true,
		Short:                 "Validate a configuration, printing every problem",
		Long: `Validate a configuration. Every problem is printed with its line, its path and its
value, and the exit code is 2. A configuration without problems is summed up, with
notes about what is allowed and perhaps not meant.`,
		GroupID: groupConfig,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			return writeSummary(cmd.OutOrStdout(), configFile(cmd), c, time.Now())
		},
	}
}

// writeSummary says what the configuration amounts to as of now.
func writeSummary(w io.Writer, name string, c *Config, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: no problems\n\n", name)
	asns, prefixes := 0, 0
	for i := range c.Hosters {
		asns += len(c.Hosters[i].ASNs)
		prefixes += len(c.Hosters[i].Prefixes)
	}
	fmt.Fprintf(&b, "  hosters  %d: %s, %s\n", len(c.Hosters), plural(asns, "AS number"), plural(prefixes, "prefix"))
	types := "none"
	if len(c.Sources) > 0 {
		all := make([]string, len(c.Sources))
		for i := range c.Sources {
			all[i] = c.Sources[i].Type
		}
		types = fmt.Sprintf("%d: %s", len(all), strings.Join(all, ", "))
	}
	fmt.Fprintf(&b, "  sources  %s\n", types)
	changed := policyChanges(c.Policy)
	if len(changed) == 0 {
		changed = []string{"as shipped"}
	}
	fmt.Fprintf(&b, "  policy   %s\n", strings.Join(changed, ", "))
	where := "embedded, in " + cmp.Or(c.Bus.Embedded.Dir, bus.DefaultDir)
	if len(c.Bus.URLs) > 0 {
		where = plural(len(c.Bus.URLs), "server") // an address may hold a password
	}
	fmt.Fprintf(&b, "  bus      %s\n", where)
	notes := slices.Concat(c.Notes, validityNotes(c.Hosters, now), overlapNotes(c.Hosters))
	if len(notes) > 0 {
		b.WriteString("\n")
	}
	for _, n := range notes {
		fmt.Fprintf(&b, "  note: %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// plural writes "1 prefix" and "2 prefixes".
func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "x"):
		what += "e"
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// policyChanges lists the keys that are not as shipped.
func policyChanges(p watch.Policy) []string {
	var out []string
	have, want := reflect.ValueOf(p), reflect.ValueOf(watch.DefaultPolicy())
	for i, name := range fieldNames(have.Type()) {
		if h, w := have.Field(i).Interface(), want.Field(i).Interface(); h != w {
			out = append(out, fmt.Sprintf("%s %v (shipped: %v)", name, h, w))
		}
	}
	return out
}

// validityNotes says whose resources are somebody else's by now, or may be.
func validityNotes(hosters []watch.Hoster, now time.Time) []string {
	var out []string
	unbounded := 0
	for i := range hosters {
		h := &hosters[i]
		if h.Valid.To.IsZero() {
			unbounded++
		}
		switch {
		case !h.Valid.To.IsZero() && !now.Before(h.Valid.To):
			out = append(out, fmt.Sprintf("%s ended on %s: routes after that day raise nothing, its AS numbers and prefixes may be somebody else's by now",
				h.ID, h.Valid.LastDay().Format(time.DateOnly)))
		case now.Before(h.Valid.From):
			out = append(out, fmt.Sprintf("%s begins on %s: routes before that day raise nothing", h.ID, h.Valid.From.Format(time.DateOnly)))
		}
	}
	if unbounded > 0 {
		out = append(out, plural(unbounded, "hoster")+" without valid.to: AS numbers and prefixes are given to others in time, and no file can tell; end the entry when that happens")
	}
	return shorten(out)
}

// overlapNotes names the prefixes of one hoster that cover those of another one at
// the same time: what happens there is told of both.
func overlapNotes(hosters []watch.Hoster) []string {
	type owned struct {
		prefix netip.Prefix
		hoster *watch.Hoster
	}
	var all []owned
	for i := range hosters {
		for _, p := range hosters[i].Prefixes {
			all = append(all, owned{p, &hosters[i]})
		}
	}
	// Covering prefixes come first, so the stack holds those around the present one.
	slices.SortStableFunc(all, func(a, b owned) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), cmp.Compare(a.prefix.Bits(), b.prefix.Bits()))
	})
	var out []string
	var around []owned
	for _, o := range all {
		for len(around) > 0 && !around[len(around)-1].prefix.Overlaps(o.prefix) {
			around = around[:len(around)-1]
		}
		for _, a := range around {
			if a.hoster == o.hoster || !a.hoster.Valid.Overlaps(o.hoster.Valid) {
				continue
			}
			if a.prefix == o.prefix {
				out = append(out, fmt.Sprintf("%s belongs to both %s and %s", o.prefix, a.hoster.ID, o.hoster.ID))
			} else {
				out = append(out, fmt.Sprintf("%s of %s lies within %s of %s", o.prefix, o.hoster.ID, a.prefix, a.hoster.ID))
			}
		}
		around = append(around, o)
	}
	return shorten(out)
}

const maxNotes = 10 // of one kind

func shorten(notes []string) []string {
	if more := len(notes) - maxNotes; more > 0 {
		return append(notes[:maxNotes:maxNotes], fmt.Sprintf("... and %d more like these", more))
	}
	return notes
}
