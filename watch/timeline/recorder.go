package timeline

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/bgp/rib"
	"depeer/bgp/snapshot"
)

// Recorder turns what peers said into changes of their tables. It is pure: time comes with
// the updates, and with Advance. The changes of a peer depend on what that peer said, in its
// order, and on nothing else: not on how peers are mixed, nor on batches.
//
// A peer that falls silent is no update: gaps (watch.Gap) tell of it. A word that comes after
// a newer one of the same peer and prefix is a change at its own time; where it would hide
// what the newer one confirmed, that is said again (Known).
//
// A Recorder is not safe for concurrent use.
type Recorder struct {
	calm    time.Duration
	tables  map[bgp.Peer]*rib.Table // one for each: how peers are mixed must not matter
	order   []bgp.Peer              // of first appearance
	hosters map[netip.Prefix][]string
	out     []Change
	late    uint64

	sets map[string][]string `snapshot:"-"` // of hosters, shared between changes
}

// coarse is by how much the clocks of two feeds differ that tell the same word: archives
// tell whole seconds.
const coarse = 2 * time.Second

// NewRecorder makes a recorder. calm ends a table transfer without End-of-RIB: the peer has
// said nothing for so long (Policy.SyncQuiet).
func NewRecorder(calm time.Duration) *Recorder {
	return &Recorder{calm: calm, tables: map[bgp.Peer]*rib.Table{}, hosters: map[netip.Prefix][]string{}}
}

const recorderMeaning = 1

var savedRecorder = snapshot.MustOf[Recorder](recorderMeaning)

// Save writes all that the recorder knows, changes that nobody has taken among it. What
// LoadRecorder makes of it goes on as this one does.
func (r *Recorder) Save(w snapshot.Writer) error { return savedRecorder.Write(w, r) }

// LoadRecorder reads what Save wrote. The error is a [*snapshot.SchemaError] where another
// version of the program wrote it, and wraps [snapshot.ErrDamaged] where it is damaged.
func LoadRecorder(r snapshot.Reader) (*Recorder, error) { return savedRecorder.Read(r) }

// Restored refuses a recorder without what no recorder is without.
func (r *Recorder) Restored() bool {
	if r.tables == nil || r.hosters == nil {
		return false
	}
	for _, p := range r.order {
		if r.tables[p] == nil {
			return false
		}
	}
	return len(r.order) == len(r.tables)
}

// Late counts the words that came after newer ones.
func (r *Recorder) Late() uint64 { return r.late }

// Take gives the changes since it was last asked, in the order in which they were observed.
// They are the caller's.
func (r *Recorder) Take() []Change {
	out := r.out
	r.out = nil
	return out
}

// Observe takes in one update. hosters are those in whose story its prefix belongs; they
// are added to those that were named of it before.
func (r *Recorder) Observe(hosters []string, u bgp.Update) {
	if u.Prefix.IsValid() && len(hosters) > 0 {
		r.belongs(u.Prefix, hosters)
	}
	t := r.tables[u.Peer]
	if t == nil {
		t = rib.New(r.calm)
		r.tables[u.Peer] = t
		r.order = append(r.order, u.Peer)
	}
	r.pass(t, u.At)
	if (u.Kind == bgp.Announce || u.Kind == bgp.Withdraw) && r.overtaken(t, &u) {
		return
	}
	var wiped []heldRoute
	if p := t.Peer(u.Peer); p != nil && u.Kind == bgp.Unheard && (p.State == rib.Down || p.State == rib.Syncing) {
		wiped = heldBy(t, p)
	}
	t.Apply(u, func(c rib.Change) {
		if c.What == rib.Left && u.Kind == bgp.Heard {
			wiped = heldBy(t, c.Peer) // an unrecorded transfer ends: what was not sent again is dropped without a word
		}
		r.see(&u, c)
	})
	for _, x := range wiped {
		if x.entry.Slot(t.Peer(u.Peer)) == nil {
			r.add(Change{At: u.At, What: Missing, Peer: u.Peer, Prefix: x.entry.Prefix, PathID: x.id})
		}
	}
}

// Forget drops a prefix that is not watched any more. Nothing is said of it: that peers are
// silent about it from now on means nothing.
func (r *Recorder) Forget(p netip.Prefix) {
	for _, t := range r.tables {
		t.Forget(p)
	}
	delete(r.hosters, p)
}

// Prefixes lists what was spoken of and not forgotten, in order.
func (r *Recorder) Prefixes() []netip.Prefix {
	seen := map[netip.Prefix]bool{}
	for _, t := range r.tables {
		t.Entries(func(e *rib.Entry) { seen[e.Prefix] = true })
	}
	return slices.SortedFunc(maps.Keys(seen), netip.Prefix.Compare)
}

// Advance tells that it is now: table transfers that have grown calm end.
func (r *Recorder) Advance(now time.Time) {
	for _, p := range r.order {
		r.pass(r.tables[p], now)
	}
}

// pass ends the transfers that end by then, each at its own time.
func (r *Recorder) pass(t *rib.Table, until time.Time) {
	for next := t.Next(); !next.IsZero() && !next.After(until); next = t.Next() {
		t.Advance(next, func(c rib.Change) { r.see(nil, c) })
	}
}

// belongs adds hosters to those of a prefix.
func (r *Recorder) belongs(p netip.Prefix, hosters []string) {
	have := r.hosters[p]
	fresh := func(h string) bool { return !slices.Contains(have, h) }
	if !slices.ContainsFunc(hosters, fresh) {
		return
	}
	all := slices.Concat(have, hosters)
	slices.Sort(all)
	all = slices.Compact(all)
	if r.sets == nil {
		r.sets = map[string][]string{}
	}
	key := strings.Join(all, "\x00")
	if shared := r.sets[key]; shared != nil {
		all = shared
	}
	r.sets[key] = all
	r.hosters[p] = all
}

// see tells a change of a table. u is nil where time alone made it.
func (r *Recorder) see(u *bgp.Update, c rib.Change) {
	switch c.What {
	case rib.Left:
		out := Change{At: c.At, What: Left, Peer: c.Peer.Peer}
		if u != nil && (u.Kind == bgp.PeerDown || u.Kind == bgp.Unheard) {
			out.Cause = u.Cause.String()
		}
		r.add(out)
		return
	case rib.Joined:
		r.add(Change{At: c.At, What: Joined, Peer: c.Peer.Peer})
		return
	}
	held, gone := Announced, Missing
	if c.What == rib.Learned {
		held = Known
	}
	if u != nil && u.Kind == bgp.Withdraw {
		gone = Withdrawn
	}
	before, after := routesOf(&c.Old), routesOf(c.Entry.Slot(c.Peer))
	for _, x := range before {
		if !slices.ContainsFunc(after, func(y route) bool { return y.id == x.id }) {
			r.add(Change{At: c.At, What: gone, Peer: c.Peer.Peer, Prefix: c.Entry.Prefix, PathID: x.id})
		}
	}
	for _, y := range after {
		if !slices.Contains(before, y) {
			r.add(Change{At: c.At, What: held, Peer: c.Peer.Peer, Prefix: c.Entry.Prefix, PathID: y.id, Path: y.node.Path})
		}
	}
}

func (r *Recorder) add(c Change) {
	c.At = c.At.UTC().Truncate(time.Microsecond)
	c.Hosters = r.hosters[c.Prefix]
	r.out = append(r.out, c)
}

// route is one of a slot.
type route struct {
	id   uint32
	node *rib.Node
}

func routesOf(s *rib.Slot) []route {
	if s == nil || s.Node == nil {
		return nil
	}
	out := make([]route, 1, 1+len(s.More))
	out[0] = route{s.PathID(), s.Node}
	for _, x := range s.More {
		out = append(out, route{x.ID, x.Node})
	}
	slices.SortFunc(out, func(a, b route) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return out
}

// heldRoute is one that a peer holds.
type heldRoute struct {
	entry *rib.Entry
	id    uint32
}

// heldBy lists what a peer holds, in order.
func heldBy(t *rib.Table, p *rib.Peer) []heldRoute {
	var out []heldRoute
	t.Entries(func(e *rib.Entry) {
		for _, x := range routesOf(e.Slot(p)) {
			out = append(out, heldRoute{e, x.id})
		}
	})
	slices.SortStableFunc(out, func(a, b heldRoute) int {
		if c := a.entry.Prefix.Addr().Compare(b.entry.Prefix.Addr()); c != 0 {
			return c
		}
		return a.entry.Prefix.Bits() - b.entry.Prefix.Bits()
	})
	return out
}

// overtaken takes in a word that is older than one that is known of the same prefix: filled
// in from an archive, or told by a slower feed. It is no word for the table.
func (r *Recorder) overtaken(t *rib.Table, u *bgp.Update) bool {
	p, e := t.Peer(u.Peer), t.Entry(u.Prefix)
	if p == nil || e == nil {
		return false
	}
	s := e.Slot(p)
	at := u.At.UnixNano()
	if s == nil || at >= s.At {
		return false
	}
	r.late++
	now := heldPath(s, u.PathID)
	same := (now == nil) == (u.Kind == bgp.Withdraw) && (now == nil || now.Path.Equal(u.Path))
	if same && (s.Changed-at < int64(coarse) && s.Changed >= at || s.At-at < int64(coarse)) {
		return true // the same word by another clock
	}
	c := Change{At: u.At, What: Announced, Peer: u.Peer, Prefix: u.Prefix, PathID: u.PathID, Path: u.Path}
	if u.Kind == bgp.Withdraw {
		c.What, c.Path = Withdrawn, nil
	}
	r.add(c)
	if same || s.Changed > at {
		return true
	}
	c.At, c.What, c.Path = time.Unix(0, s.At), Withdrawn, nil
	if now != nil {
		c.What, c.Path = Known, now.Path
	}
	r.add(c)
	s.Changed = s.At // it was said again at that time
	return true
}

// heldPath is what the slot holds under a path id.
func heldPath(s *rib.Slot, id uint32) *rib.Node {
	for _, x := range routesOf(s) {
		if x.id == id {
			return x.node
		}
	}
	return nil
}
