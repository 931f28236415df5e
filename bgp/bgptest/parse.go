package bgptest

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"depeer/bgp"
)

// Limits on what one timeline may ask for. They keep a slip of the pen, or a
// fuzzer, from filling the disk.
const (
	maxPeers     = 1000     // of one collector
	maxRoutes    = 10000000 // peers times prefixes
	maxInvented  = 15000    // prefixes of one sentence
	maxFiles     = 100000
	maxChurn     = 20000000
	maxRIBs      = 2000
	maxTimes     = 1000 // repetitions
	maxMalformed = 10000
	leastOver    = time.Millisecond // in which everybody settles
)

// Error is one fault of a timeline.
type Error struct {
	Name     string // of the timeline
	Line     int    // from 1; 0 for the timeline as a whole
	Sentence string // as written, without its comment
	Reason   string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Name + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d: %q: %s", e.Name, e.Line, e.Sentence, e.Reason)
}

// parser holds what reading a timeline needs beyond the scenario itself.
type parser struct {
	*Scenario
	errs    []*Error
	day     int64              // time of the last sentence of the timeline: its day is the current one
	dropped map[edge]bool      // edges that were dropped, for restore
	failed  map[uint32]bool    // ASes that failed, for recover
	origins map[*network][]int // prefixes that a network has originated so far
}

// sentence is one line of a timeline.
type sentence struct {
	line int
	text string
	words
}

// setup lists the sentences that describe the world. Those of a lower phase are
// read first, whatever their order in the text.
var setup = map[string]struct {
	phase int
	once  bool
	read  func(*parser, *words)
}{
	"seed":       {0, true, (*parser).readSeed},
	"start":      {0, true, (*parser).readStart},
	"end":        {1, true, (*parser).readEnd},
	"files":      {1, true, (*parser).readFiles},
	"hunting":    {1, true, func(p *parser, w *words) { p.hunting = w.share() }},
	"duplicates": {1, true, func(p *parser, w *words) { p.duplicates = w.share() }},
	"churn":      {1, true, (*parser).readChurn},
	"rib":        {1, true, (*parser).readRIB},
	"collector":  {1, false, (*parser).readCollector},
	"transit":    {1, true, func(p *parser, w *words) { p.transits = w.asns() }},
	"peer":       {2, false, (*parser).readPeer},
	"network":    {2, false, (*parser).readNetwork},
	"table":      {3, false, (*parser).readTable},
	"reference":  {3, false, (*parser).readReference},
	"route":      {4, false, (*parser).readRoute},
	"at":         {5, false, (*parser).readAt},
}

const lastPhase = 5

// Parse reads a timeline; the package documentation has the grammar. name is
// how errors call it. All faults are told together, in the order of their
// lines, each as an [*Error] (joined by [errors.Join]).
func Parse(name, text string) (*Scenario, error) {
	p := &parser{
		Scenario: &Scenario{name: name, seed: 1, fileEvery: 300 * second, hunting: 6000, duplicates: 200,
			byASN: map[uint32]*network{}, prefixIDs: map[netip.Prefix]int{}},
		dropped: map[edge]bool{}, failed: map[uint32]bool{}, origins: map[*network][]int{},
	}
	list := p.sentences(text)
	for phase := range lastPhase + 1 {
		seen := map[string]int{}
		for i := range list {
			s := &list[i]
			kind := setup[s.list[0]]
			if kind.phase != phase || s.err != nil {
				continue
			}
			if first := seen[s.list[0]]; first > 0 && kind.once {
				s.fail("%s was already said in line %d", s.list[0], first)
			} else {
				seen[s.list[0]] = s.line
				s.next = 1
				kind.read(p, &s.words)
				s.end()
			}
			if s.err != nil {
				p.errs = append(p.errs, &Error{name, s.line, s.text, s.err.Error()})
			}
		}
	}
	if len(p.errs) == 0 {
		p.checkWhole()
	}
	if len(p.errs) > 0 {
		slices.SortStableFunc(p.errs, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
		all := make([]error, len(p.errs))
		for i, e := range p.errs {
			all[i] = e
		}
		return nil, errors.Join(all...)
	}
	return p.Scenario, nil
}

// sentences cuts the text into lines and lines into words; comments run from #
// to the end of the line.
func (p *parser) sentences(text string) []sentence {
	var list []sentence
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		s := sentence{line: i + 1, text: strings.TrimSpace(line)}
		s.list = strings.Fields(line)
		if len(s.list) == 0 {
			continue
		}
		if _, ok := setup[s.list[0]]; !ok {
			p.errs = append(p.errs, &Error{p.name, s.line, s.text, fmt.Sprintf("no sentence begins with %q", s.list[0])})
			continue
		}
		list = append(list, s)
	}
	return list
}

// checkWhole tells what no single sentence shows.
func (p *parser) checkWhole() {
	whole := func(format string, args ...any) {
		p.errs = append(p.errs, &Error{Name: p.name, Reason: fmt.Sprintf(format, args...)})
	}
	if p.end == 0 || len(p.peers) == 0 {
		whole("a timeline needs start, end and at least one collector")
		return
	}
	for _, n := range p.networks {
		if len(n.ways) == 0 && !p.routedLater(n) {
			whole("no route leads to network %d", n.asn)
		}
		p.checkShares(n, whole)
	}
	for _, q := range p.peers {
		if p.byASN[q.ASN] != nil {
			whole("AS%d is a peer (%s peer %d) and a network", q.ASN, q.Collector, q.number)
		}
	}
	slots := 0
	for _, q := range p.peers {
		slots += q.slots
	}
	if n := slots * len(p.prefixes); n > maxRoutes {
		whole("%d peers times %d prefixes is too much: at most %d routes", slots, len(p.prefixes), maxRoutes)
	}
	span := p.end - p.start
	if n := (span/p.fileEvery + 1) * int64(len(p.collectors)); n > maxFiles {
		whole("this makes %d files, at most %d: say \"files every 1d\"", n, maxFiles)
	}
	if p.churnGap > 0 && span/p.churnGap > maxChurn {
		whole("this makes %d background updates, at most %d: say fewer per minute", span/p.churnGap, maxChurn)
	}
	if p.churnGap > 0 && len(p.small) == 0 {
		whole("churn needs a background table: say \"table 1000 prefixes\"")
	}
	if p.ribEvery > 0 && span/p.ribEvery > maxRIBs {
		whole("this makes %d table dumps, at most %d", span/p.ribEvery, maxRIBs)
	}
}

func (p *parser) routedLater(n *network) bool {
	return slices.ContainsFunc(p.events, func(e *event) bool { return e.way != nil && e.way.net == n })
}

// checkShares refuses shares that add up to more than everybody. Routes that
// only some can see are left out: their shares are of another whole.
func (p *parser) checkShares(n *network, whole func(string, ...any)) {
	for _, id := range n.prefixes {
		sum := 0
		for _, y := range n.ways {
			if y.seenBy.peers == nil && y.seenBy.share == 0 && y.scope.match(n.asn, p.prefixes[id]) {
				sum += y.share
			}
		}
		if sum > 10000 {
			whole("the routes to %s of network %d add up to %s", p.prefixes[id], n.asn, percent(sum))
			return
		}
	}
}

func percent(share int) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%d.%02d", share/100, share%100), "0"), ".") + "%"
}

// findNetwork takes the AS number of a network that the timeline described.
func (p *parser) findNetwork(w *words) *network {
	asn := w.asn()
	if w.err != nil {
		return nil
	}
	n := p.byASN[asn]
	if n == nil || n.background {
		w.fail("%d is no network of this timeline: say \"network %d PREFIX...\"", asn, asn)
		return nil
	}
	return n
}

func (p *parser) findCollector(w *words) *collector {
	name := w.take("a collector")
	if w.err != nil {
		return nil
	}
	for _, c := range p.collectors {
		if c.name == name {
			return c
		}
	}
	w.fail("%q is no collector of this timeline", name)
	return nil
}

// readPeers takes "rrc00", "rrc00 peer 3" or "rrc00 peers 2-4,7". whole says
// that all peers of the collector are meant.
func (p *parser) readPeers(w *words) (list []*peer, whole bool) {
	c := p.findCollector(w)
	if c == nil {
		return nil, false
	}
	if w.accept("peer") {
		if n := w.number("peer of "+c.name, 1, len(c.peers)); w.err == nil {
			list = append(list, c.peers[n-1])
		}
		return list, false
	}
	if !w.accept("peers") {
		return c.peers, true
	}
	for part := range strings.SplitSeq(w.take("peer numbers, such as 2-4,7,"), ",") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		a := (&words{list: []string{first, last}})
		from, to := a.number("peer of "+c.name, 1, len(c.peers)), a.number("peer of "+c.name, 1, len(c.peers))
		if w.err == nil && a.err != nil {
			w.err = a.err
		}
		if w.err != nil {
			return nil, false
		}
		for n := from; n <= to; n++ {
			list = append(list, c.peers[n-1])
		}
	}
	return list, false
}

// readSome takes peers joined by "and".
func (p *parser) readSome(w *words) map[int]bool {
	some := map[int]bool{}
	for {
		list, _ := p.readPeers(w)
		for _, q := range list {
			some[q.index] = true
		}
		if w.err != nil || !w.accept("and") {
			return some
		}
	}
}

// readScope takes families, networks and prefixes for as long as there are any.
func (p *parser) readScope(w *words) scope {
	s := scope{networks: map[uint32]bool{}, prefixes: map[netip.Prefix]bool{}}
	for w.err == nil {
		switch t := w.peek(); {
		case t == "ipv4":
			s.v4 = w.accept(t)
		case t == "ipv6":
			s.v6 = w.accept(t)
		case t == "references":
			s.references = w.accept(t)
		case strings.Contains(t, "/"):
			s.prefixes[w.prefix()] = true
		case isASN(t):
			if n := p.findNetwork(w); n != nil {
				s.networks[n.asn] = true
			}
		default:
			if s.empty() {
				w.fail("after \"for\" come ipv4, ipv6, references, networks or prefixes")
			}
			return s
		}
	}
	return s
}

// readOrigin takes a network and, where they are named, prefixes: otherwise all
// that it has originated so far.
func (p *parser) readOrigin(w *words, fresh bool) (*network, []int) {
	n := p.findNetwork(w)
	list := w.listed()
	if w.err != nil {
		return nil, nil
	}
	if len(list) == 0 {
		if len(p.origins[n]) == 0 {
			w.fail("network %d has no prefixes yet: name them", n.asn)
		}
		return n, slices.Clone(p.origins[n])
	}
	return n, p.ownPrefixes(w, n, list, fresh)
}

// ownPrefixes turns prefixes into ids; those that are not fresh must have been
// the network's own before.
func (p *parser) ownPrefixes(w *words, n *network, list []netip.Prefix, fresh bool) []int {
	var ids []int
	for _, x := range list {
		id, known := p.prefixIDs[x]
		if !fresh && (!known || !slices.Contains(p.origins[n], id)) {
			w.fail("%s was not announced by network %d before", x, n.asn)
			return nil
		}
		if !known {
			id = p.addPrefix(x)
		}
		if !slices.Contains(p.origins[n], id) {
			p.origins[n] = append(p.origins[n], id)
		}
		ids = append(ids, id)
	}
	return ids
}

// makePeers makes the peers of a collector; their addresses are invented.
func (c *collector) makePeers(s *Scenario, count int) {
	for n := 1; n <= count; n++ {
		offset := c.number*1024 + n
		addr := netip.AddrFrom4([4]byte{198, 18 + byte(offset>>16), byte(offset >> 8), byte(offset)})
		if c.v6 {
			a := sessionsV6.Addr().As16()
			a[7], a[14], a[15] = byte(c.number), byte(n>>8), byte(n)
			addr = netip.AddrFrom16(a)
		}
		q := &peer{Peer: bgp.Peer{Collector: c.name, Addr: addr, ASN: c.firstAS + uint32(n-1)},
			col: c, index: len(s.peers), number: n, partial: 10000, slots: 1}
		if c.format.AddPath {
			q.slots = 2
		}
		c.peers = append(c.peers, q)
		s.peers = append(s.peers, q)
	}
}

// local is the collector's end of a session with the peer.
func (c *collector) local(q *peer) Local {
	l := Local{Addr: netip.AddrFrom4([4]byte{198, 18 + byte(c.number>>6), byte(c.number << 2), 0}), ASN: 65534}
	switch {
	case strings.HasPrefix(c.name, "rrc"):
		l.ASN = 12654 // as RIS collectors have
	case strings.HasPrefix(c.name, "route-views"):
		l.ASN = 6447 // as RouteViews collectors have
	}
	if q.Addr.Is6() {
		a := sessionsV6.Addr().As16()
		a[7] = byte(c.number)
		l.Addr = netip.AddrFrom16(a)
	}
	return l
}
