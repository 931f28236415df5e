package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/bgp"
	"depeer/bgp/mrt"
	"depeer/bgp/wire"
)

func watchlistGenerateCommand() *cobra.Command {
	var asns []string
	var id, name string
	c := &cobra.Command{
		Use:                   "generate --asn AS [--asn AS...] FILE|DIR|URL...",
		DisableFlagsInUseLine: true,
		Short:                 "Write an entry for an AS number from recorded routes",
		Long: `generate reads MRT recordings (tables or updates, in any order) and writes what they
say about the AS numbers as an entry for the list of hosters: the prefixes that they
originate and the upstreams that carry them, those that at least two peers saw. The
last path that each peer gave for each prefix counts; withdrawals are not looked at,
so that a hoster that is down can be described too. What fewer peers saw, the shares
of the upstreams, the customers and the times are comments.`,
		Example: `  depeer watchlist generate --asn AS26780 --id mccolo --name "McColo Corp." rib.20081101.0000.bz2 > mccolo.yaml
  depeer watchlist check --config mccolo.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := newLearner(asns)
			if err != nil {
				return err
			}
			if id == "" {
				id = fmt.Sprintf("as%d", l.asns[0])
			}
			if !regexp.MustCompile(`^[a-z0-9-]{1,32}$`).MatchString(id) {
				return usagef("--id: %q must match [a-z0-9-]{1,32}", id)
			}
			names, err := mrt.Expand(args)
			if err != nil {
				return usageError{err}
			}
			return generate(cmd, l, id, name, names)
		},
	}
	c.Flags().StringSliceVar(&asns, "asn", nil, "`AS` number of the hoster; may be given again")
	c.Flags().StringVar(&id, "id", "", "`ID` of the entry (as26780 where it is not given)")
	c.Flags().StringVar(&name, "name", "", "`NAME` of the hoster")
	if err := c.MarkFlagRequired("asn"); err != nil {
		panic(err) // the flag is two lines above
	}
	return c
}

// generate reads the recordings and prints the entry. What a torn archive held
// before the tear is in it; the error comes after.
func generate(cmd *cobra.Command, l *learner, id, name string, files []string) error {
	var failed []error
	for _, file := range files {
		if err := l.read(cmd.Context(), file); err != nil {
			if cmd.Context().Err() != nil {
				return cmd.Context().Err()
			}
			failed = append(failed, err)
		}
	}
	(&scanner{errOut: cmd.ErrOrStderr(), skipped: l.skipped}).reportSkipped()
	if len(l.routes) == 0 {
		return errors.Join(append(failed, fmt.Errorf("no route of %s in %s", joined(l.asns), plural(len(files), "file")))...)
	}
	l.files = len(files)
	if _, err := io.WriteString(cmd.OutOrStdout(), l.entry(id, name)); err != nil {
		return err
	}
	return errors.Join(failed...)
}

// learner collects what recordings say about a few AS numbers.
type learner struct {
	asns  []uint32
	watch *wire.Watch
	files int

	skipped     mrt.Counts
	routes      map[vantage]route // the last path of each peer to each prefix
	first, last map[netip.Prefix]uint32
	peers       map[bgp.Peer]bool // everyone who spoke, of whatever
	scratch     wire.PathScratch
	hops        []bgp.Hop
}

type vantage struct {
	peer   bgp.Peer
	prefix netip.Prefix
}

// route is where a path meets the hoster.
type route struct {
	sec, micro uint32
	update     bool   // told by an update, not by a table
	own        bool   // one of the AS numbers originates the prefix
	upstream   uint32 // directly left of it; 0 where the peer is the hoster itself, or an AS_SET
	customer   uint32 // directly right of it, where it is on the way to somebody else
}

// before orders the routes of one peer to one prefix, whatever the order of the
// files: within a second a table is older than an update, as collectors dump first.
func (r route) before(s route) bool {
	if r.sec != s.sec || r.update == s.update {
		return r.sec < s.sec || r.sec == s.sec && r.micro < s.micro
	}
	return s.update
}

func newLearner(words []string) (*learner, error) {
	l := &learner{watch: wire.NewWatch(), routes: map[vantage]route{}, first: map[netip.Prefix]uint32{}, last: map[netip.Prefix]uint32{}, peers: map[bgp.Peer]bool{}}
	for _, w := range words {
		a, err := bgp.ParseASN(w)
		if err != nil {
			return nil, usagef("--asn: %v", err)
		}
		if a == 0 || a == 23456 {
			return nil, usagef("--asn: %d can be nobody's (RFC 7607, RFC 6793)", a)
		}
		if !slices.Contains(l.asns, a) {
			l.asns = append(l.asns, a)
			l.watch.AddASN(a)
		}
	}
	if len(l.asns) == 0 {
		return nil, usagef("--asn is empty")
	}
	return l, nil
}

// read learns from one recording.
func (l *learner) read(ctx context.Context, file string) error {
	in, err := mrt.OpenInput(ctx, file)
	if err != nil {
		return err
	}
	defer in.Close()
	d := mrt.NewDecoder(file, in)
	defer func() { l.skipped.Add(&d.Skipped) }()
	collector := mrt.Collector(file)
	var e mrt.Event
	var speaker bgp.Peer // the last one noted: most records are of the same peer as the one before
	for {
		if err := d.Next(&e); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		if e.Kind != mrt.Message && e.Kind != mrt.Route {
			continue
		}
		if p := (bgp.Peer{Collector: collector, Addr: e.Peer().Unmap(), ASN: e.PeerAS}); p != speaker {
			speaker = p
			l.peers[p] = true
		}
		if l.watch.MatchPath(e.Update) {
			l.learn(&e, speaker)
		}
	}
}

// learn notes the routes of an event whose path holds one of the AS numbers.
func (l *learner) learn(e *mrt.Event, peer bgp.Peer) {
	path := e.Update.PathInto(&l.scratch)
	l.hops = path.Hops(l.hops[:0])
	r, ok := l.meet(l.hops)
	if !ok {
		return
	}
	r.sec, r.micro, r.update = e.Sec, e.Micro, e.Kind == mrt.Message
	for el := range e.Elements {
		if el.Type == 'W' || el.Family.SAFI != wire.Unicast {
			continue
		}
		p := el.Prefix.Netip()
		v := vantage{peer, p}
		if old, seen := l.routes[v]; !seen || !r.before(old) {
			l.routes[v] = r
		}
		if first, seen := l.first[p]; !seen || e.Sec < first {
			l.first[p] = e.Sec
		}
		l.last[p] = max(l.last[p], e.Sec)
	}
}

// meet finds the hoster on a path: where it is there twice, the leftmost counts.
func (l *learner) meet(hops []bgp.Hop) (r route, ok bool) {
	ours := func(h bgp.Hop) bool { return h.Set == nil && slices.Contains(l.asns, h.ASN) }
	i := slices.IndexFunc(hops, ours)
	if i < 0 {
		return r, false // within a set: it makes no edge
	}
	if i > 0 {
		r.upstream = hops[i-1].ASN
	}
	r.own = ours(hops[len(hops)-1])
	if !r.own {
		for i < len(hops) && ours(hops[i]) {
			i++
		}
		r.customer = hops[i].ASN
	}
	return r, true
}

// tally counts the routes and peers of something.
type tally struct {
	routes   [2]int // IPv4, IPv6
	peers    map[bgp.Peer]bool
	prefixes map[netip.Prefix]bool
}

func (t *tally) add(v vantage) *tally {
	if t == nil {
		t = &tally{peers: map[bgp.Peer]bool{}, prefixes: map[netip.Prefix]bool{}}
	}
	t.routes[family6(v.prefix)]++
	t.peers[v.peer] = true
	t.prefixes[v.prefix] = true
	return t
}

func family6(p netip.Prefix) int {
	if p.Addr().Is4() {
		return 0
	}
	return 1
}

// entry writes what was learned as YAML, with the reasons as comments.
func (l *learner) entry(id, name string) string {
	prefixes, upstreams, customers := map[netip.Prefix]*tally{}, map[uint32]*tally{}, map[uint32]*tally{}
	var all [2]int
	for v, r := range l.routes {
		all[family6(v.prefix)]++
		if r.own {
			prefixes[v.prefix] = prefixes[v.prefix].add(v)
		}
		if r.upstream != 0 {
			upstreams[r.upstream] = upstreams[r.upstream].add(v)
		}
		if r.customer != 0 {
			customers[r.customer] = customers[r.customer].add(v)
		}
	}
	enough := min(2, len(l.peers)) // as Policy.MinPeers: what one of several peers sees alone proves nothing
	first, last := slices.Min(slices.Collect(maps.Values(l.first))), slices.Max(slices.Collect(maps.Values(l.last)))

	var b strings.Builder
	fmt.Fprintf(&b, "# From %s and %s. Routes seen %s to %s UTC.\n", plural(l.files, "file"), plural(len(l.peers), "peer"), stamp(first), stamp(last))
	fmt.Fprintf(&b, "# Lines that begin with #- were seen by fewer than %s and are left out.\n", plural(enough, "peer"))
	fmt.Fprintf(&b, "hosters:\n  - id: %s\n", id)
	if name != "" {
		fmt.Fprintf(&b, "    name: %s\n", quote(name))
	}
	fmt.Fprintf(&b, "    asns: [%s]\n", numbers(l.asns))
	l.writePrefixes(&b, prefixes, enough)
	writeUpstreams(&b, upstreams, all, enough)
	fmt.Fprintf(&b, "    # valid: {from: ..., to: ...}    # AS numbers and prefixes are given to others in time: bound the entry\n")
	writeCustomers(&b, customers)
	return b.String()
}

func (l *learner) writePrefixes(b *strings.Builder, prefixes map[netip.Prefix]*tally, enough int) {
	if len(prefixes) == 0 {
		b.WriteString("    # It originates no prefix here.\n")
		return
	}
	sorted := slices.SortedFunc(maps.Keys(prefixes), func(p, q netip.Prefix) int {
		return cmp.Or(p.Addr().Compare(q.Addr()), cmp.Compare(p.Bits(), q.Bits()))
	})
	b.WriteString("    prefixes:\n")
	for _, p := range sorted {
		mark := "- "
		if len(prefixes[p].peers) < enough {
			mark = "#- "
		}
		fmt.Fprintf(b, "      %-24s # %s, %s to %s\n", mark+p.String(), plural(len(prefixes[p].peers), "peer"), stamp(l.first[p]), stamp(l.last[p]))
	}
}

func writeUpstreams(b *strings.Builder, upstreams map[uint32]*tally, all [2]int, enough int) {
	if len(upstreams) == 0 {
		b.WriteString("    # No upstream: every peer is the hoster itself.\n")
		return
	}
	b.WriteString("    upstreams:\n")
	for _, a := range byRoutes(upstreams) {
		t := upstreams[a]
		mark := "- "
		if len(t.peers) < enough {
			mark = "#- "
		}
		var shares []string
		for f, family := range [...]string{"IPv4", "IPv6"} {
			if t.routes[f] > 0 {
				shares = append(shares, fmt.Sprintf("%.1f %% of %s", 100*float64(t.routes[f])/float64(all[f]), family))
			}
		}
		fmt.Fprintf(b, "      %-24s # %s, %s, %s\n", mark+fmt.Sprint(a), strings.Join(shares, ", "), plural(len(t.peers), "peer"), plural(len(t.prefixes), "prefix"))
	}
}

func writeCustomers(b *strings.Builder, customers map[uint32]*tally) {
	if len(customers) == 0 {
		return
	}
	b.WriteString("    # Customers, which are followed through its AS number without being listed:\n")
	for i, a := range byRoutes(customers) {
		if i == 20 {
			fmt.Fprintf(b, "    #   and %d more\n", len(customers)-i)
			break
		}
		fmt.Fprintf(b, "    #   %s: %s, %s\n", bgp.ASN(a), plural(len(customers[a].prefixes), "prefix"), plural(len(customers[a].peers), "peer"))
	}
}

// byRoutes orders AS numbers by their routes, most first.
func byRoutes(m map[uint32]*tally) []uint32 {
	sum := func(a uint32) int { return m[a].routes[0] + m[a].routes[1] }
	return slices.SortedFunc(maps.Keys(m), func(a, b uint32) int { return cmp.Or(cmp.Compare(sum(b), sum(a)), cmp.Compare(a, b)) })
}

func stamp(sec uint32) string { return time.Unix(int64(sec), 0).UTC().Format("2006-01-02 15:04:05") }

func numbers(asns []uint32) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(asns), "[]"), " ", ", ")
}

func joined(asns []uint32) string {
	words := make([]string, len(asns))
	for i, a := range asns {
		words[i] = bgp.ASN(a)
	}
	return strings.Join(words, ", ")
}

// quote writes a name so that YAML and the environment leave it as it is.
func quote(s string) string {
	q, err := json.Marshal(strings.ReplaceAll(s, "$", "$$")) // a JSON string is a YAML string
	if err != nil {
		return fmt.Sprintf("%q", s)
	}
	return string(q)
}
