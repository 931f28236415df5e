package timeline

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// counts makes the steps of the series of a sweep.
type counts struct {
	from   time.Time
	exact  bool // no series is thinned
	began  bool
	at     time.Time // of the changes that are being gathered
	family [2]familyCounts
}

// familyCounts are the pairs of one address family.
type familyCounts struct {
	any       bool
	eligible  int
	stepped   int // eligible at the last step
	first     int // eligible at the beginning
	sight     *track
	all       []*track
	upstreams map[uint32]*track
	origins   map[uint32]*track
	dirty     []*track
}

// track is one series in the making.
type track struct {
	n      int
	byPeer []int32
	peers  int // that have part in n
	most   int
	marked bool
	behind bool // of an origin: seen behind the hoster's own AS
	peak   float64
	points []Point
}

func newCounts(s *sweep) *counts {
	c := &counts{from: s.target.q.From, exact: s.target.q.Exact}
	for f := range c.family {
		x := &c.family[f]
		x.upstreams, x.origins, x.sight = map[uint32]*track{}, map[uint32]*track{}, &track{}
		x.all = []*track{x.sight}
	}
	for _, x := range s.subjects {
		c.family[x.v6].any = true
	}
	return c
}

// pair adds what a pair counts, or takes it away.
func (c *counts) pair(p *pair, n int) {
	if p.v.away || !p.ever {
		return
	}
	f := &c.family[p.s.v6]
	f.eligible += n
	if len(p.routes) == 0 {
		return
	}
	f.add(f.sight, p.v, n)
	for i := range p.routes {
		w := p.routes[i].way
		if w.passes && w.upstream != 0 && !sameBefore(p.routes[:i], func(x *way) bool { return x.passes && x.upstream == w.upstream }) {
			f.add(f.track(f.upstreams, w.upstream), p.v, n)
		}
		if w.origin != 0 && !sameBefore(p.routes[:i], func(x *way) bool { return x.origin == w.origin }) {
			t := f.track(f.origins, w.origin)
			t.behind = t.behind || w.passes
			f.add(t, p.v, n)
		}
	}
}

// sameBefore: of a peer with ADD-PATH each upstream and origin counts once.
func sameBefore(routes []held, same func(*way) bool) bool {
	return slices.ContainsFunc(routes, func(r held) bool { return same(r.way) })
}

func (f *familyCounts) track(tracks map[uint32]*track, asn uint32) *track {
	t := tracks[asn]
	if t == nil {
		t = &track{}
		tracks[asn] = t
		f.all = append(f.all, t)
	}
	return t
}

func (f *familyCounts) add(t *track, v *vantage, n int) {
	for len(t.byPeer) <= v.index {
		t.byPeer = append(t.byPeer, 0)
	}
	had := t.byPeer[v.index] > 0
	t.byPeer[v.index] += int32(n)
	if has := t.byPeer[v.index] > 0; has != had {
		if has {
			t.peers++
		} else {
			t.peers--
		}
	}
	t.n += n
	if !t.marked {
		t.marked = true
		f.dirty = append(f.dirty, t)
	}
}

// reach ends the moment that was gathered, where at is a later one.
func (c *counts) reach(at time.Time) {
	if !c.began {
		if !at.After(c.from) {
			return
		}
		c.begin()
	} else if at.After(c.at) {
		c.step()
	}
	c.at = at
}

// begin makes the first points.
func (c *counts) begin() {
	c.began, c.at = true, c.from
	for i := range c.family {
		f := &c.family[i]
		f.first, f.stepped = f.eligible, f.eligible
		for _, t := range f.all {
			if t.n > 0 || t == f.sight {
				f.point(t, c.from, c.from)
			}
			t.marked = false
		}
		f.dirty = f.dirty[:0]
	}
}

// step makes the points of a moment. Where other pairs are eligible, whoever has a part
// has it of another whole.
func (c *counts) step() {
	for i := range c.family {
		f := &c.family[i]
		list := f.dirty
		if f.eligible != f.stepped {
			list, f.stepped = f.all, f.eligible
		}
		for _, t := range list {
			f.point(t, c.at, c.from)
			t.marked = false
		}
		f.dirty = f.dirty[:0]
	}
}

// point makes a step where the value is another one, or is that of another whole.
func (f *familyCounts) point(t *track, at, from time.Time) {
	p := Point{At: at, Eligible: f.eligible}
	if f.eligible > 0 {
		p.Value = float64(t.n) / float64(f.eligible)
	}
	t.peak, t.most = max(t.peak, p.Value), max(t.most, t.peers)
	if t.most == 0 && t != f.sight {
		return // nothing runs along it yet
	}
	if len(t.points) == 0 && at.After(from) {
		t.points = append(t.points, Point{At: from, Eligible: f.first})
	}
	if n := len(t.points); n > 0 {
		last := &t.points[n-1]
		if last.Value == p.Value && (last.Eligible == p.Eligible || p.Value == 0 && t != f.sight && last.Eligible > 0 && p.Eligible > 0) {
			return // an upstream that carries nothing carries nothing of more, too
		}
	}
	t.points = append(t.points, p)
}

// end makes the last points.
func (c *counts) end() {
	if !c.began {
		c.begin()
		return
	}
	c.step()
}

// visibility gives one lane a family.
func (c *counts) visibility(to time.Time) []Lane {
	out := []Lane{}
	for i := range c.family {
		if f := &c.family[i]; f.any {
			out = append(out, f.sight.lane(4+2*i, c, to))
		}
	}
	return out
}

// lanes gives the tracks that ever had a part, the largest first.
func (c *counts) lanes(of func(*familyCounts) map[uint32]*track, to time.Time, name func(*Lane, *track)) []Lane {
	out := []Lane{}
	for i := range c.family {
		tracks := of(&c.family[i])
		for _, asn := range slices.Sorted(maps.Keys(tracks)) {
			if t := tracks[asn]; t.peak > 0 {
				l := t.lane(4+2*i, c, to)
				l.ASN = asn
				name(&l, t)
				out = append(out, l)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Lane) int { return cmp.Or(cmp.Compare(b.Peak, a.Peak), cmp.Compare(b.Peers, a.Peers)) })
	return out
}

func (t *track) lane(family int, c *counts, to time.Time) Lane {
	l := Lane{Family: family, Points: t.points, Peak: t.peak, Peers: t.most}
	if !c.exact {
		l.Points = thin(t.points, c.from, to)
	}
	return l
}

// A series is drawn on some thousand columns of pixels: beyond that, of each column only
// what a drawing shows of it is kept: its first, least, greatest and last value.
const (
	maxPoints = 4000
	columns   = 1000
)

// thin bounds a series. What is left is true: every point is one that was there.
func thin(points []Point, from, to time.Time) []Point {
	if len(points) <= maxPoints {
		return points
	}
	width := to.Sub(from)/columns + 1
	out := make([]Point, 0, maxPoints)
	for i := 0; i < len(points); {
		column := points[i].At.Sub(from) / width
		j, least, most := i, i, i
		for ; j < len(points) && points[j].At.Sub(from)/width == column; j++ {
			if points[j].Value < points[least].Value {
				least = j
			}
			if points[j].Value > points[most].Value {
				most = j
			}
		}
		keep := []int{i, least, most, j - 1}
		slices.Sort(keep)
		for _, k := range slices.Compact(keep) {
			out = append(out, points[k])
		}
		i = j
	}
	return out
}
