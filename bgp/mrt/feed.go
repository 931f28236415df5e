package mrt

import (
	"context"
	"io"
	"os"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// feed turns the events of a chain of archives into updates.
type feed struct {
	s         *Source
	c         *chain
	suspended bool // the archive is not open
	peers     *peerTable
	dump      dump
	lastSec   uint32
	last      time.Time // of lastSec
}

// start opens the archive that is next in the chain and reads its first event.
// It is false when there is none left.
func (f *feed) start(ctx context.Context) bool {
	f.suspended = false
	for len(f.c.archives) > 0 && ctx.Err() == nil {
		if f.open(ctx) && f.fetch() {
			return true
		}
	}
	return false
}

func (f *feed) open(ctx context.Context) bool {
	c := f.c
	c.current = c.archives[0]
	c.archives = c.archives[1:]
	if c.next == nil {
		c.next = openAhead(ctx, c.current.name)
	}
	in, err := c.next.wait()
	c.next = nil
	if len(c.archives) > 0 {
		c.next = openAhead(ctx, c.archives[0].name)
	}
	if err != nil {
		f.s.fault(err)
		return false
	}
	c.in, c.decoder = in, NewDecoder(c.current.name, in)
	if !c.current.seed {
		c.decoder.Between(f.s.cfg.bounds())
	}
	c.decoder.Expect(f.s.cfg.Watch)
	f.peers = nil
	f.s.stats.Files++
	return true
}

// suspend closes an archive that is not due for long; it will be read anew.
func (f *feed) suspend() {
	f.c.archives = append([]archive{f.c.current}, f.c.archives...)
	f.c.in.Close()
	f.c.next.close()
	f.c.in, f.c.decoder, f.c.next, f.c.ready = nil, nil, nil, false
	f.s.stats.Files--
	f.suspended = true
}

func (f *feed) close() {
	if f.c.in != nil {
		f.c.in.Close()
		f.c.in = nil
	}
	f.c.next.close()
	f.c.next = nil
}

// fetch reads the next event. It is false at the end of the archive, whole or not.
func (f *feed) fetch() bool {
	c := f.c
	err := c.decoder.Next(&c.event)
	if err == nil {
		c.at, c.ready = c.event.Sec, true
		return true
	}
	c.ready = false
	f.dump.end(f, err != io.EOF)
	if err != io.EOF {
		f.s.fault(err)
	}
	f.s.stats.Skipped.Add(&c.decoder.Skipped)
	f.s.stats.Messages += c.decoder.Messages
	f.s.finished += c.in.Consumed()
	c.in.Close()
	c.in = nil
	return false
}

// run handles events until the chain ends or stands later than limit.
func (f *feed) run(ctx context.Context, limit uint32) (more bool, err error) {
	c, s := f.c, f.s
	for n := 0; ; n++ {
		if n&8191 == 8191 {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			s.progress(f)
		}
		before := len(s.out.updates)
		f.handle(&c.event)
		if !f.fetch() && !f.start(ctx) {
			more = false
		} else {
			more = true
		}
		if len(s.out.updates) != before {
			if err := s.out.grown(before, s.settle); err != nil {
				return false, err
			}
		}
		if !more {
			return false, ctx.Err()
		}
		if c.at > limit {
			return true, nil
		}
	}
}

// session finds the peer of an event.
func (f *feed) session(addr []byte, asn uint32) *peerState {
	if f.peers == nil {
		f.peers = f.s.table(f.c.current.collector)
	}
	return f.peers.of(addr, asn)
}

// at gives the time of an event. Most records share their second with the one before.
func (f *feed) at(e *Event) time.Time {
	if e.Micro != 0 {
		return time.Unix(int64(e.Sec), int64(e.Micro)*1000).UTC()
	}
	if e.Sec != f.lastSec || f.last.IsZero() {
		f.lastSec, f.last = e.Sec, time.Unix(int64(e.Sec), 0).UTC()
	}
	return f.last
}

func (f *feed) handle(e *Event) {
	s := f.s
	switch e.Kind {
	case Message:
		if e.Format&formatLocal == 0 {
			f.message(e)
		}
	case State:
		f.state(e)
	case Index:
		f.dump.end(f, false)
	case Route:
		f.dump.route(f, e)
	}
	s.firstSec, s.lastSec = min(s.firstSec, e.Sec), max(s.lastSec, e.Sec)
}

// hear notes that the peer spoke, and adds the Heard of an earlier minute if one is owed.
func (f *feed) hear(p *peerState, e *Event) {
	if p.pending && e.Sec/60 != p.heard/60 {
		f.s.out.updates = append(f.s.out.updates, p.owed())
	}
	p.heard, p.pending = e.Sec, true
}

func (f *feed) message(e *Event) {
	s, u := f.s, e.Update
	p := f.session(e.addr, e.PeerAS)
	f.hear(p, e)
	announced, withdrawn := u.Counts()
	p.traffic.Announced += uint64(announced)
	p.traffic.Withdrawn += uint64(withdrawn)
	s.stats.Elements += uint64(announced + withdrawn)
	if announced+withdrawn == 0 {
		if family, ok := u.EndOfRIB(); ok && family.SAFI == wire.Unicast {
			s.out.updates = append(s.out.updates, bgp.Update{At: f.at(e), Peer: p.peer, Kind: bgp.EndOfRIB, V6: family.V6()})
		}
		return
	}
	switch {
	case s.cfg.Shared != nil:
		s.cfg.Shared.Do(func(w *wire.Watch) { f.wanted(w, e, p) })
	case s.cfg.Watch != nil:
		f.wanted(s.cfg.Watch, e, p)
	default:
		n := len(s.out.updates)
		s.out.updates = u.Append(s.out.updates, f.at(e), p.peer)
		s.stats.Matched += uint64(len(s.out.updates) - n)
	}
}

// wanted adds what the watchlist wants of a message.
func (f *feed) wanted(w *wire.Watch, e *Event, p *peerState) {
	s := f.s
	h := w.Match(e.Update)
	if h == 0 {
		return
	}
	n := len(s.out.updates)
	s.out.updates = w.Append(s.out.updates, e.Update, h, f.at(e), p.peer)
	s.stats.Matched += uint64(len(s.out.updates) - n)
}

// state turns a change of state into the rise or fall of a session. Records that
// do not name the peer's address cannot be told from one another.
func (f *feed) state(e *Event) {
	if e.addr == nil {
		f.s.stats.Skipped[NoPeerAddress]++
		return
	}
	up, down := e.New == established && e.Old != established, e.Old == established && e.New != established
	if !up && !down {
		return
	}
	p := f.session(e.addr, e.PeerAS)
	u := bgp.Update{At: f.at(e), Peer: p.peer, Kind: bgp.PeerUp}
	if down {
		u.Kind = bgp.PeerDown
	}
	f.s.out.updates = append(f.s.out.updates, u)
}

// totalSize sums the sizes of the inputs as stored, -1 where one is not known.
func totalSize(names []string) (n int64) {
	for _, name := range names {
		st, err := os.Stat(name)
		if err != nil || !st.Mode().IsRegular() {
			return -1
		}
		n += st.Size()
	}
	return n
}
