package bgptest

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func (p *parser) readSeed(w *words) {
	t := w.take("a number")
	n, err := strconv.ParseUint(t, 10, 64)
	if w.err == nil && err != nil {
		w.fail("%q is no seed (a whole number, not negative)", t)
	}
	p.seed = n
}

func (p *parser) readStart(w *words) {
	if t := w.peek(); t != "" && !strings.Contains(t, "T") {
		w.fail("the start needs a date: 2008-11-11T18:00:00Z")
	}
	p.start = w.moment(0, 0)
	if w.err == nil && p.start%second != 0 {
		w.fail("the start is a whole second")
	}
	p.day = p.start
}

func (p *parser) readEnd(w *words) {
	p.end = w.moment(p.start, p.start)
	if w.err == nil && p.end <= p.start {
		w.fail("the end is not after the start")
	}
}

func (p *parser) readFiles(w *words) {
	w.expect("every")
	p.fileEvery = w.duration("time per file", time.Minute)
	if w.err == nil && p.fileEvery%(60*second) != 0 {
		w.fail("files cover whole minutes")
	}
	p.plain = w.accept("plain")
}

func (p *parser) readChurn(w *words) {
	n := int64(w.number("number of updates", 1, 1000000))
	w.expect("per")
	var span int64
	switch {
	case w.accept("second"):
		span = second
	case w.accept("minute"):
		span = 60 * second
	case w.accept("hour"):
		span = 3600 * second
	case w.accept("day"):
		span = 86400 * second
	default:
		w.fail("after \"per\" comes second, minute, hour or day")
		return
	}
	if w.err == nil {
		p.churnGap = max(1, span/n)
	}
}

func (p *parser) readRIB(w *words) {
	w.expect("every")
	p.ribEvery = w.duration("time between table dumps", time.Minute)
}

var collectorName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,31}$`)

func (p *parser) readCollector(w *words) {
	c := &collector{name: w.take("a name"), number: len(p.collectors), families: families{true, true}}
	if w.err == nil && !collectorName.MatchString(c.name) {
		w.fail("%q is no name of a collector (a-z, 0-9, dot, dash; at most 32)", c.name)
	}
	for _, other := range p.collectors {
		if other.name == c.name {
			w.fail("collector %s is there already", c.name)
		}
	}
	if len(p.collectors) == 100 {
		w.fail("at most 100 collectors")
	}
	w.expect("peers")
	count := w.number("number of peers", 1, maxPeers)
	w.expect("as")
	t := w.take("the first AS number, such as 64600+,")
	if w.err == nil && !strings.HasSuffix(t, "+") {
		w.fail("%q stands where the first AS number should, such as 64600+", t)
	} else if w.err == nil {
		c.firstAS = w.asASN(strings.TrimSuffix(t, "+"))
	}
	p.collectorOptions(w, c)
	last := uint64(c.firstAS) + uint64(count) - 1
	if w.err == nil && (last > 1<<32-2 || c.format.AS2 && last > 0xffff) {
		w.fail("the last AS number would be %d: too large", last)
	}
	if w.err == nil {
		p.collectors = append(p.collectors, c)
		c.makePeers(p.Scenario, count)
	}
}

func (p *parser) collectorOptions(w *words, c *collector) {
	for w.err == nil {
		switch {
		case w.accept("over"):
			w.expect("ipv6")
			c.v6 = true
		case w.accept("carrying"):
			switch {
			case w.accept("ipv4"):
				c.families = families{v4: true}
			case w.accept("ipv6"):
				c.families = families{v6: true}
			default:
				w.fail("after \"carrying\" comes ipv4 or ipv6")
			}
		case w.accept("writing"):
			switch {
			case w.accept("as2"):
				c.format.AS2 = true
			case w.accept("microseconds"):
				c.format.Microseconds = true
			case w.accept("add-path"):
				c.format.AddPath = true
			default:
				w.fail("after \"writing\" comes as2, microseconds or add-path")
			}
		default:
			return
		}
	}
}

func (p *parser) readPeer(w *words) {
	c := p.findCollector(w)
	if c == nil {
		return
	}
	n := w.number("peer of "+c.name, 1, len(c.peers))
	if w.err != nil {
		return
	}
	q := c.peers[n-1]
	for w.err == nil {
		switch {
		case w.accept("asn"):
			q.ASN = w.asn()
			if w.err == nil && c.format.AS2 && q.ASN > 0xffff {
				w.fail("AS%d does not fit in two octets, as %s writes them", q.ASN, c.name)
			}
		case w.accept("address"):
			t := w.take("an address")
			a, err := netip.ParseAddr(t)
			if w.err == nil && (err != nil || a.Zone() != "" || a.Is4In6() || a.Is6() != q.Addr.Is6()) {
				w.fail("%q is no address for a session of %s", t, c.name)
				return
			}
			for _, other := range c.peers {
				if other != q && other.Addr == a {
					w.fail("%s is the address of peer %d", a, other.number)
				}
			}
			q.Addr = a
		case w.accept("partial"):
			q.partial = w.share()
		case w.peek() == "":
			return
		default:
			w.fail("%q stands where asn, address or partial should", w.peek())
		}
	}
}

func (p *parser) readNetwork(w *words) {
	asn := w.asn()
	if w.err == nil && p.byASN[asn] != nil {
		w.fail("network %d is there already", asn)
	}
	if w.err == nil && asn >= firstTransientAS && asn < endOfInvented {
		w.fail("AS%d is one of the invented ones", asn)
	}
	list := w.listed()
	if w.err != nil {
		return
	}
	n := p.addNetwork(asn)
	n.prefixes = p.ownPrefixes(w, n, list, true)
}

// readCount takes "60 prefixes" or "60 ipv6 prefixes".
func (p *parser) readCount(w *words) (int, bool) {
	n := w.number("number of prefixes", 1, maxInvented)
	v6 := w.accept("ipv6")
	w.expect("prefixes")
	return n, v6
}

func (p *parser) readTable(w *words) {
	n, v6 := p.readCount(w)
	if w.err == nil && !p.inventTable(n, v6) {
		w.fail("no space is left for so many invented prefixes")
	}
}

func (p *parser) readReference(w *words) {
	w.expect("behind")
	var hops []uint32
	// The last number is the count: what precedes it are hops.
	for w.err == nil && w.next+1 < len(w.list) && isASN(w.list[w.next+1]) {
		hops = append(hops, w.asn())
	}
	if len(hops) == 0 {
		w.fail("write \"reference behind 6939 60 prefixes\"")
	}
	n, v6 := p.readCount(w)
	multihomed := 0
	if w.accept("multihomed") {
		multihomed = w.share()
	}
	if w.err == nil && !p.inventReference(hops, n, multihomed, v6) {
		w.fail("no space is left for so many invented prefixes")
	}
}

func (p *parser) readRoute(w *words) {
	if y := p.readWay(w, nil); w.err == nil {
		y.net.ways = append(y.net.ways, y)
	}
}

// readWay takes what follows "route". over is where a duration goes, nil where
// none may be said.
func (p *parser) readWay(w *words, over *int64) *way {
	n := p.findNetwork(w)
	w.expect("via")
	hops := w.asns()
	if w.err != nil {
		return nil
	}
	y := p.newWay(n, hops...)
	for i, a := range y.asns {
		for _, b := range y.asns[:i] {
			if a == b {
				w.fail("AS%d is twice on this route; for prepending say \"prepend 2\"", a)
			}
		}
	}
	for w.err == nil {
		switch t := w.peek(); {
		case t == "at":
			w.next++
			y.share = w.share()
		case t == "prepend":
			w.next++
			y.prepend = w.number("number of repetitions", 1, 20)
		case t == "for":
			w.next++
			y.scope = p.readScope(w)
		case t == "seen":
			w.next++
			w.expect("by")
			y.seenBy = p.readAudience(w)
		case t == "over" && over != nil:
			w.next++
			*over = w.duration("time", leastOver)
		default:
			return y
		}
	}
	return y
}

func (p *parser) readAudience(w *words) audience {
	if strings.HasSuffix(w.peek(), "%") {
		a := audience{share: w.share()}
		if w.err == nil && a.share == 0 {
			w.fail("a route that 0%% can see is none")
		}
		return a
	}
	return audience{peers: p.readSome(w)}
}
