package bgptest

import (
	"slices"
	"time"
)

// usual is how long it takes until everybody has heard, where nothing is said.
const usual = 60 * second

// verbs lists what may follow "at TIME".
var verbs = map[string]func(*parser, *words, *event){
	"drop":      (*parser).readDrop,
	"restore":   (*parser).readDrop,
	"fail":      (*parser).readFail,
	"recover":   (*parser).readFail,
	"flap":      (*parser).readFlap,
	"route":     func(p *parser, w *words, e *event) { e.way = p.readWay(w, &e.over) },
	"announce":  (*parser).readAnnounce,
	"withdraw":  (*parser).readWithdraw,
	"move":      (*parser).readMove,
	"hunt":      (*parser).readHunt,
	"noise":     (*parser).readNoise,
	"reset":     (*parser).readReset,
	"silence":   (*parser).readSilence,
	"malformed": (*parser).readMalformed,
	"rib":       func(*parser, *words, *event) {},
}

func (p *parser) readAt(w *words) {
	e := &event{over: usual}
	e.at = w.moment(p.start, p.day)
	if w.err == nil {
		p.checkMoment(w, e.at)
	}
	e.verb = w.take("what happens")
	if w.err != nil {
		return
	}
	read := verbs[e.verb]
	if read == nil {
		w.fail("nothing is known that would be called %q", e.verb)
		return
	}
	read(p, w, e)
	w.end()
	if w.err == nil {
		p.events = append(p.events, e)
	}
}

func (p *parser) checkMoment(w *words, at int64) {
	switch {
	case p.start == 0:
		w.fail("the timeline has no valid start")
	case at < p.start:
		w.fail("%s is before the start", instant(at).Format(time.RFC3339))
	case p.end != 0 && at >= p.end:
		w.fail("%s is not before the end", instant(at).Format(time.RFC3339))
	case at < p.day:
		w.fail("%s is before the sentence above it: write the timeline in order of time", instant(at).Format(time.RFC3339))
	default:
		p.day = at
	}
}

// clauses takes those of over, for, except that are allowed, in any order.
func (p *parser) clauses(w *words, e *event, allowed ...string) {
	for w.err == nil && slices.Contains(allowed, w.peek()) {
		switch w.take("a clause") {
		case "over":
			e.over = w.duration("time", leastOver)
		case "for":
			e.scope = p.readScope(w)
		case "except":
			e.except = p.readSome(w)
		case "at":
			e.share = w.share()
		case "every":
			e.every = w.duration("interval", time.Second)
		}
	}
}

func (p *parser) readDrop(w *words, e *event) {
	e.edges = w.edges()
	p.clauses(w, e, "over", "for", "except")
	if e.verb == "restore" && e.except != nil {
		w.fail("restore has no \"except\"")
	}
	p.checkEdges(w, e)
}

func (p *parser) checkEdges(w *words, e *event) {
	for _, x := range e.edges {
		switch {
		case w.err != nil:
		case e.verb == "restore" && !p.dropped[x]:
			w.fail("%d-%d was not dropped before", x.left, x.right)
		case e.verb != "restore" && !p.usedEdge(x):
			w.fail("no route runs over %d-%d so far", x.left, x.right)
		}
		p.dropped[x] = true
	}
}

// usedEdge reports whether a route described so far runs over the edge, or a
// peer's transit meets it there.
func (p *parser) usedEdge(x edge) bool {
	transit := slices.Contains(p.transits, x.left)
	return p.anyWay(func(y *way) bool { return y.has(x) || transit && y.hops[0] == x.right })
}

func (p *parser) usedAS(asn uint32) bool {
	return slices.Contains(p.transits, asn) || p.anyWay(func(y *way) bool { return slices.Contains(y.asns, asn) })
}

func (p *parser) anyWay(test func(*way) bool) bool {
	for _, n := range p.networks {
		if slices.ContainsFunc(n.ways, test) {
			return true
		}
	}
	return slices.ContainsFunc(p.events, func(e *event) bool { return e.way != nil && test(e.way) })
}

func (y *way) has(x edge) bool {
	for i := range y.hops {
		if y.asns[i] == x.left && y.asns[i+1] == x.right {
			return true
		}
	}
	return false
}

func (p *parser) readFail(w *words, e *event) {
	e.asns = w.asns()
	p.clauses(w, e, "over", "for", "except")
	if e.verb == "recover" && e.except != nil {
		w.fail("recover has no \"except\"")
	}
	for _, a := range e.asns {
		switch {
		case w.err != nil:
		case e.verb == "recover" && !p.failed[a]:
			w.fail("AS%d did not fail before", a)
		case e.verb == "fail" && !p.usedAS(a):
			w.fail("no route runs through AS%d so far", a)
		}
		p.failed[a] = true
	}
}

// readTimes takes "6 times".
func readTimes(w *words) int {
	n := w.number("number of times", 1, maxTimes)
	w.expect("times")
	return n
}

func (p *parser) readFlap(w *words, e *event) {
	e.edges = w.edges()
	e.over = 0
	w.expect("every")
	e.every = w.duration("interval", time.Second)
	e.count = readTimes(w)
	p.clauses(w, e, "over", "for")
	if e.over == 0 {
		e.over = e.every / 4
	}
	if w.err == nil && e.over > e.every/2 {
		w.fail("a flap every %s leaves at most %s for everybody to hear", micros(e.every), micros(e.every/2))
	}
	p.checkEdges(w, e)
}

func micros(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

func (p *parser) readAnnounce(w *words, e *event) {
	e.net, e.prefixes = p.readOrigin(w, true)
	e.share = 5000
	p.clauses(w, e, "at", "over")
}

func (p *parser) readWithdraw(w *words, e *event) {
	e.net, e.prefixes = p.readOrigin(w, false)
	p.clauses(w, e, "over", "except")
}

func (p *parser) readMove(w *words, e *event) {
	list := w.listed()
	if len(list) == 0 {
		w.fail("write \"move PREFIX... from NETWORK to NETWORK\"")
	}
	w.expect("from")
	e.net = p.findNetwork(w)
	w.expect("to")
	e.to = p.findNetwork(w)
	p.clauses(w, e, "over")
	if w.err != nil {
		return
	}
	if e.net == e.to {
		w.fail("that is no move")
		return
	}
	e.prefixes = p.ownPrefixes(w, e.net, list, false)
	p.ownPrefixes(w, e.to, list, true)
}

func (p *parser) readHunt(w *words, e *event) {
	e.net, e.prefixes = p.readOrigin(w, false)
	p.clauses(w, e, "over")
	if w.accept("with") {
		w.expect("withdrawals")
		e.gaps = true
	}
	if least := int64(2*len(p.peers)) * second; w.err == nil && e.gaps && e.over < least {
		w.fail("one peer after the other, %d peers need %s at least", len(p.peers), micros(least))
	}
}

func (p *parser) readNoise(w *words, e *event) {
	e.peers, _ = p.readPeers(w)
	w.expect("about")
	e.net, e.prefixes = p.readOrigin(w, false)
	e.count = readTimes(w)
	e.every = 30 * second
	p.clauses(w, e, "every")
}

func (p *parser) readReset(w *words, e *event) {
	e.peers, e.whole = p.readPeers(w)
	e.down = 5 * second
	if w.accept("down") {
		e.down = w.duration("time", time.Second)
	}
}

func (p *parser) readSilence(w *words, e *event) {
	e.col = p.findCollector(w)
	w.expect("for")
	e.down = w.duration("time", time.Second)
}

func (p *parser) readMalformed(w *words, e *event) {
	e.peers, _ = p.readPeers(w)
	e.count = w.number("number of messages", 1, maxMalformed)
	if !w.accept("message") {
		w.expect("messages")
	}
}
