package watch

import (
	"slices"
	"time"

	"depeer/bgp"
)

// Intake puts what live feeds tell into the order in which a [Detector] judges:
// by second, each second whole. It is pure as the detector is. Its clock is the
// pulses of the feeds, which stand in the same log as the updates, so that reading
// the log again gives the same events, byte for byte. Where the feeds are in other
// processes a [Pulse.Clock] lets time pass after all of them have gone.
//
// A second is judged when every live feed has told all of it. Feeds that are always
// behind (archives) are not waited for as long as a live one runs: what they tell
// later still corrects the table. A peer that is heard through several feeds counts
// once: its words are taken from all of them, what is known of its session and its
// silence from one, a live one where there is one. A feed whose pulses stop for
// [pulseLost] is not waited for either, and its peers are not heard any more.
type Intake struct {
	d       *Detector
	sources map[string]*eyes
	owners  map[bgp.Peer]*eyes // the feed by which a peer's session is judged
	waiting []bgp.Update       // of seconds that are not over
	clock   int64              // Unix nanoseconds: all before has been judged
	newest  int64              // the latest Until of any live pulse, Unix nanoseconds
	late    uint64             // updates of seconds that were over
	events  []Event
	other   Listener `snapshot:"-"` // see Divert
}

// Listener is told what feeds tell in the order in which a detector is, and the time.
type Listener interface {
	Observe(u bgp.Update)
	Advance(now time.Time)
}

// pulseLost is how far a feed's pulses may be behind the newest one.
const pulseLost = 30 * time.Second

// NewIntake makes an intake for a detector, which from then on is its own.
func NewIntake(d *Detector) *Intake {
	return &Intake{d: d, sources: map[string]*eyes{}, owners: map[bgp.Peer]*eyes{}}
}

// Detector gives the detector, to be asked and not to be fed.
func (i *Intake) Detector() *Detector { return i.d }

// Divert lets l hear what the feeds tell, in place of the detector, which learns of
// sessions and tables alone and not of a single route: whoever remembers routes needs
// the order of an intake, and who speaks for which peer, and no judgement. It is not
// saved.
func (i *Intake) Divert(l Listener) { i.other = l }

// Late counts the updates that came after their second had been judged.
func (i *Intake) Late() uint64 { return i.late }

// Take gives the events since it was last asked, the incidents and the gaps that
// changed.
func (i *Intake) Take() ([]Event, []Incident, []Gap) {
	events := i.events
	i.events = nil
	return events, i.d.Revisions(), i.d.Gaps()
}

// Updates takes in what a feed told, in its order.
func (i *Intake) Updates(source string, updates []bgp.Update) {
	e := i.eyes(source)
	for _, u := range updates {
		e.speaks(i.d, u.Peer)
		if !i.owns(e, u.Peer) && (u.Kind == bgp.Heard || u.Kind == bgp.Unheard || u.Kind == bgp.PeerUp || u.Kind == bgp.PeerDown || u.Kind == bgp.EndOfRIB) {
			continue
		}
		if u.At.UnixNano() < i.clock {
			i.late++
			i.observe(u)
			continue
		}
		i.waiting = append(i.waiting, u)
	}
}

// owns reports whether the peer's session is judged by what this feed says.
func (i *Intake) owns(e *eyes, p bgp.Peer) bool {
	o := i.owners[p]
	switch {
	case o == e:
		return true
	case o == nil, !o.hears() && e.hears(), o.delay > 0 && e.delay == 0 && e.hears():
		i.owners[p] = e
		return true
	}
	return false
}

// Pulse takes in a feed's pulse: time passes.
func (i *Intake) Pulse(p Pulse) {
	if p.Clock {
		i.newest = max(i.newest, p.Until.UnixNano())
		i.pass()
		return
	}
	e := i.eyes(p.Source)
	if !e.run.IsZero() && !e.run.Equal(p.Run) {
		i.restarted(e, p)
	}
	e.run, e.ends, e.until, e.delay = p.Run, p.ends(), p.Until.UnixNano(), p.Delay
	e.ended = false
	if p.Delay == 0 {
		e.set(i.d, p.Ready, p.Busy, p.Reason, p.Until.Unix())
	}
	for _, id := range p.Filled {
		i.d.ledger.fill(id, p.Until)
	}
	if p.Delay == 0 {
		i.newest = max(i.newest, e.until)
	}
	i.pass()
	if p.Delay > 0 && i.clock > 0 {
		// It has told all up to some moment of the past, none where it never began: that it
		// hears no more is so since now.
		e.set(i.d, p.Ready, p.Busy, p.Reason, i.Now().Unix())
	}
}

// restarted: the feed's process ended without a word, some time after its last pulse.
func (i *Intake) restarted(e *eyes, p Pulse) {
	if !e.ended {
		i.end(e, "depeer was not running")
	}
}

// end tells that a feed ended with its last pulse.
func (i *Intake) end(e *eyes, why string) {
	e.ended = true
	if e.ends == 0 {
		return
	}
	for _, p := range e.list() {
		i.Updates(e.name, []bgp.Update{{At: time.Unix(0, e.until).UTC(), Peer: p, Kind: e.ends, Cause: bgp.Cause{Text: why}}})
	}
}

// pass moves the clock to where every feed that is waited for has told all.
func (i *Intake) pass() {
	clock, live, ended := int64(0), false, false
	for _, e := range i.all() {
		if e.delay > 0 || e.ended || e.run.IsZero() {
			ended = ended || e.ended && e.delay == 0
			continue
		}
		if i.newest-e.until > int64(pulseLost) {
			i.end(e, "no word from the process that hears it")
			e.set(i.d, false, false, "no word from the process that hears it", i.newest/int64(time.Second))
			ended = true
			continue
		}
		if !live || e.until < clock {
			clock, live = e.until, true
		}
	}
	switch {
	case live:
	case ended:
		clock = i.newest // nobody is left to wait for
	default:
		for _, e := range i.sources {
			if !e.ended {
				clock = max(clock, e.until)
			}
		}
	}
	if clock <= i.clock {
		return
	}
	i.clock = clock
	i.release()
	now := time.Unix(0, clock).UTC()
	if i.other != nil {
		i.other.Advance(now)
	}
	i.events = append(i.events, i.d.Advance(now)...)
}

// release hands over what belongs to the seconds that are over.
func (i *Intake) release() {
	slices.SortStableFunc(i.waiting, func(a, b bgp.Update) int {
		return int(a.At.Unix() - b.At.Unix())
	})
	n := 0
	for n < len(i.waiting) && i.waiting[n].At.UnixNano() < i.clock {
		i.observe(i.waiting[n])
		n++
	}
	rest := copy(i.waiting, i.waiting[n:])
	clear(i.waiting[rest:])
	i.waiting = i.waiting[:rest]
}

func (i *Intake) observe(u bgp.Update) {
	if i.other != nil {
		i.other.Observe(u)
		if u.Prefix.IsValid() {
			return
		}
	}
	i.events = append(i.events, i.d.Observe(u)...)
}

func (i *Intake) eyes(name string) *eyes {
	e := i.sources[name]
	if e == nil {
		e = &eyes{name: name, index: len(i.sources), peers: map[bgp.Peer]struct{}{}, collectors: map[string]struct{}{}}
		i.sources[name] = e
	}
	return e
}

// all lists the feeds in the order in which they were met.
func (i *Intake) all() []*eyes {
	out := make([]*eyes, 0, len(i.sources))
	for _, e := range i.sources {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *eyes) int { return a.index - b.index })
	return out
}

// Now is the moment up to which all has been judged; the zero time before the first pulse.
func (i *Intake) Now() time.Time {
	if i.clock == 0 {
		return time.Time{}
	}
	return time.Unix(0, i.clock).UTC()
}
