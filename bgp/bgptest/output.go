package bgptest

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"depeer/bgp"
)

var _ bgp.Source = (*Scenario)(nil)

// Start and End are the first moment of the scenario and the one after the last.
func (s *Scenario) Start() time.Time { return instant(s.start) }

// End is the moment after the last.
func (s *Scenario) End() time.Time { return instant(s.end) }

// Peers lists the peers of all collectors, in the order of the timeline.
func (s *Scenario) Peers() []bgp.Peer {
	list := make([]bgp.Peer, len(s.peers))
	for i, q := range s.peers {
		list[i] = q.Peer
	}
	return list
}

// Updates plays the scenario: the facts that the files of [Scenario.WriteDir]
// hold, in the order of time, but for the parts of a second that some collectors
// write and others do not. A table dump is told family by family: TableStart
// for each peer that has routes, the routes prefix by prefix, TableEnd. Malformed messages
// and the states between Idle and Established are in the files alone.
func (s *Scenario) Updates() iter.Seq[bgp.Update] {
	return func(yield func(bgp.Update) bool) {
		y := &yielder{yield: yield}
		y.sim = s.run(y)
		y.sim.play()
	}
}

// Run emits the updates of [Scenario.Updates] in batches of at most 1,000.
func (s *Scenario) Run(ctx context.Context, emit func([]bgp.Update) error) error {
	batch := make([]bgp.Update, 0, 1000)
	for u := range s.Updates() {
		if batch = append(batch, u); len(batch) < cap(batch) {
			continue
		}
		if err := errors.Join(ctx.Err(), emit(batch)); err != nil {
			return err
		}
		batch = batch[:0]
	}
	if len(batch) > 0 && ctx.Err() == nil {
		return emit(batch)
	}
	return ctx.Err()
}

// yielder is the sink of Updates.
type yielder struct {
	yield func(bgp.Update) bool
	sim   *sim
}

func (y *yielder) update(u bgp.Update, _ *peer, _ uint16) {
	if !y.sim.stopped && !y.yield(u) {
		y.sim.stopped = true
	}
}

func (y *yielder) malformed(time.Time, *peer, []byte) {}

func (y *yielder) table(at int64, s *sim) {
	for _, c := range s.collectors {
		if at < s.silent[c] {
			continue
		}
		for _, v6 := range []bool{false, true} {
			y.family(at, s, c, v6)
		}
	}
}

func (y *yielder) family(at int64, s *sim, c *collector, v6 bool) {
	count := map[*peer]int{}
	var routes []bgp.Update
	for _, id := range s.sorted {
		if s.prefixes[id].Addr().Is6() != v6 {
			continue
		}
		s.toldOf(c, id, func(q *peer, slot int, r *route) {
			count[q]++
			routes = append(routes, bgp.Update{At: instant(at), Peer: q.Peer, Kind: bgp.TableRoute,
				Prefix: s.prefixes[id], PathID: q.pathID(slot), Path: r.told.Path})
		})
	}
	bounds := func(kind bgp.Kind) {
		for _, q := range c.peers {
			if n := count[q]; n > 0 {
				y.update(bgp.Update{At: instant(at), Peer: q.Peer, Kind: kind, V6: v6, Heard: bgp.Traffic{Routes: n}}, q, 0)
			}
		}
	}
	bounds(bgp.TableStart)
	for _, u := range routes {
		y.update(u, nil, 0)
	}
	bounds(bgp.TableEnd)
}

// toldOf visits what the collector holds of a prefix, peer by peer.
func (s *sim) toldOf(c *collector, id int, visit func(*peer, int, *route)) {
	for _, q := range c.peers {
		for slot := range q.slots {
			if r := s.route(q, slot, id); r.told != nil {
				visit(q, slot, r)
			}
		}
	}
}

// WriteDir writes the MRT files of all collectors below dir, a folder for each,
// named as RIPE RIS and RouteViews name them: rrc00/updates.20081111.1800.gz and
// rrc00/bview.20081111.1800.gz, route-views2/rib.20081111.1800.gz. Times with no
// update give an empty file, as they do in the archives. It gives the paths in
// the order of writing, sorted. Existing files of those names are replaced.
func (s *Scenario) WriteDir(dir string) ([]string, error) {
	w := &filer{dir: dir, outputs: map[*collector]*output{}}
	for _, c := range s.collectors {
		if err := os.MkdirAll(filepath.Join(dir, c.name), 0o777); err != nil {
			return nil, fmt.Errorf("write scenario %s: %w", s.name, err)
		}
		w.outputs[c] = &output{col: c, due: s.start - s.start%s.fileEvery}
	}
	w.sim = s.run(w)
	w.sim.play()
	for _, c := range s.collectors {
		w.fail(w.advance(w.outputs[c], s.end-1))
		w.fail(w.outputs[c].flush())
		w.fail(w.outputs[c].file.close())
	}
	if w.err != nil {
		return nil, fmt.Errorf("write scenario %s: %w", s.name, w.err)
	}
	slices.Sort(w.paths)
	return w.paths, nil
}

// filer is the sink of WriteDir.
type filer struct {
	dir     string
	sim     *sim
	outputs map[*collector]*output
	paths   []string
	err     error
}

// output is the current update file of a collector.
type output struct {
	col     *collector
	file    *file
	due     int64 // when the next file begins
	pending pending
}

// pending is what fits into one message: the same peer, moment, kind and path.
type pending struct {
	kind bgp.Kind
	at   time.Time
	q    *peer
	path bgp.Path
	tag  uint16
	v6   bool
	nlri []NLRI
}

// mostNLRI keeps a message below its largest size: 100 IPv6 prefixes with path
// identifiers are 2,100 octets.
const mostNLRI = 100

func (w *filer) fail(err error) {
	if err != nil && w.err == nil {
		w.err = err
		w.sim.stopped = true
	}
}

func (w *filer) update(u bgp.Update, q *peer, tag uint16) {
	o := w.outputs[q.col]
	w.fail(w.advance(o, micro(u.At)))
	if w.err != nil {
		return
	}
	switch u.Kind {
	case bgp.Announce, bgp.Withdraw:
		p := &o.pending
		v6 := u.Prefix.Addr().Is6()
		if len(p.nlri) == mostNLRI || p.kind != u.Kind || p.q != q || p.v6 != v6 || p.tag != tag || !p.at.Equal(u.At) || !p.path.Equal(u.Path) {
			w.fail(o.flush())
			*p = pending{kind: u.Kind, at: u.At, q: q, path: u.Path, tag: tag, v6: v6, nlri: p.nlri[:0]}
		}
		p.nlri = append(p.nlri, NLRI{u.Prefix, u.PathID})
	case bgp.EndOfRIB:
		w.fail(o.flush())
		w.fail(o.file.mrt.Message(u.At, q.Peer, q.col.local(q), AppendEndOfRIB(nil, u.V6)))
	case bgp.PeerDown:
		w.fail(o.flush())
		w.fail(o.file.mrt.State(u.At, q.Peer, q.col.local(q), StateEstablished, StateIdle))
	case bgp.PeerUp:
		w.fail(o.flush())
		for state := uint16(StateIdle); state < StateEstablished; state++ {
			w.fail(o.file.mrt.State(u.At, q.Peer, q.col.local(q), state, state+1))
		}
	}
}

func (w *filer) malformed(at time.Time, q *peer, msg []byte) {
	o := w.outputs[q.col]
	w.fail(w.advance(o, micro(at)))
	if w.err == nil {
		w.fail(o.flush())
		w.fail(o.file.mrt.Message(at, q.Peer, q.col.local(q), msg))
	}
}

// flush writes the pending message.
func (o *output) flush() error {
	p := &o.pending
	if len(p.nlri) == 0 {
		return nil
	}
	m := UpdateMessage{Path: p.path, NextHop4: p.q.hop4(), NextHop6: p.q.hop6(), Communities: communities(p.path, p.tag)}
	if p.kind == bgp.Announce {
		m.Announce = p.nlri
	} else {
		m = UpdateMessage{Withdraw: p.nlri}
	}
	msg, err := AppendUpdate(nil, m, o.col.format.Encoding)
	if err != nil {
		return err
	}
	p.nlri = p.nlri[:0]
	return o.file.mrt.Message(p.at, p.q.Peer, o.col.local(p.q), msg)
}

// communities gives a route one community, of its first transit where that fits
// (RFC 1997).
func communities(p bgp.Path, tag uint16) []uint32 {
	as := uint32(65535 - 1)
	if len(p) > 0 && len(p[0].ASNs) > 1 && p[0].ASNs[1] < 65535 {
		as = p[0].ASNs[1]
	}
	return []uint32{as<<16 | uint32(tag)}
}

// hop4 is the next hop that the peer gives for IPv4 routes; IPv6 sessions have
// an invented one.
func (q *peer) hop4() netip.Addr {
	if q.Addr.Is4() {
		return q.Addr
	}
	return netip.AddrFrom4([4]byte{198, 19, byte(q.col.number), byte(q.number)})
}

func (q *peer) hop6() netip.Addr {
	if q.Addr.Is6() {
		return q.Addr
	}
	a := sessionsV6.Addr().As16()
	a[7], a[14], a[15] = byte(q.col.number), byte(q.number>>8), byte(q.number)
	return netip.AddrFrom16(a)
}

// advance opens the update files that have begun by the moment at.
func (w *filer) advance(o *output, at int64) error {
	for at >= o.due {
		if err := o.flush(); err != nil {
			return err
		}
		if err := o.file.close(); err != nil {
			return err
		}
		var err error
		if o.file, err = w.create(o.col, "updates", o.due); err != nil {
			return err
		}
		o.due += w.sim.fileEvery
	}
	return nil
}

// table writes one dump for each collector. All its peers are in the index, those
// without a session too, as in real dumps: they have no routes there.
func (w *filer) table(at int64, s *sim) {
	for _, c := range s.collectors {
		if at >= s.silent[c] {
			w.fail(w.dump(at, s, c))
		}
	}
}

func (w *filer) dump(at int64, s *sim, c *collector) error {
	kind := "rib"
	if strings.HasPrefix(c.name, "rrc") {
		kind = "bview"
	}
	f, err := w.create(c, kind, at)
	if err != nil {
		return err
	}
	peers := make([]bgp.Peer, len(c.peers))
	for i, q := range c.peers {
		peers[i] = q.Peer
	}
	err = f.mrt.PeerIndex(instant(at), netip.AddrFrom4([4]byte{198, 19, 255, byte(c.number)}), "", peers)
	seq := uint32(0)
	for _, id := range s.sorted {
		var entries []RIBEntry
		s.toldOf(c, id, func(q *peer, slot int, r *route) {
			e := RIBEntry{Peer: q.number - 1, Learned: instant(r.since), PathID: q.pathID(slot), Path: r.told.Path,
				NextHop: q.hop4(), Communities: communities(r.told.Path, 0)}
			if s.prefixes[id].Addr().Is6() {
				e.NextHop = q.hop6()
			}
			entries = append(entries, e)
		})
		if len(entries) > 0 && err == nil {
			err = f.mrt.RIB(instant(at), seq, s.prefixes[id], entries)
			seq++
		}
	}
	return errors.Join(err, f.close())
}

// file is an MRT file being written.
type file struct {
	disk *os.File
	gz   *gzip.Writer
	buf  *bufio.Writer
	mrt  *Writer
}

func (w *filer) create(c *collector, kind string, at int64) (*file, error) {
	name := kind + "." + instant(at).Format("20060102.1504")
	if !w.sim.plain {
		name += ".gz"
	}
	path := filepath.Join(w.dir, c.name, name)
	disk, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w.paths = append(w.paths, path)
	f := &file{disk: disk}
	var below io.Writer = disk
	if !w.sim.plain {
		f.gz = gzip.NewWriter(disk)
		below = f.gz
	}
	f.buf = bufio.NewWriterSize(below, 1<<16)
	f.mrt = NewWriter(f.buf, c.format)
	return f, nil
}

func (f *file) close() error {
	if f == nil {
		return nil
	}
	err := f.buf.Flush()
	if f.gz != nil {
		err = errors.Join(err, f.gz.Close())
	}
	return errors.Join(err, f.disk.Close())
}
