package watch

import (
	"slices"
	"time"

	"depeer/bgp"
)

// When the last route is gone there is nothing left to hunt for, and the loss is told
// as soon as that has lasted for calm: a withdrawal that is taken back at once is
// none. Where updates carry fractions of a second (live feeds, BGP4MP_ET) this need
// not wait for the next second to end. Where they do not, it does: what is stamped
// with a second may have been said at its end.
const calm = 700 * time.Millisecond

// early is what waits for that.
type early struct {
	at   int64 // Unix nanoseconds: when it will have been calm for long enough
	what []judged
}

// emptied reports whether the count fell to nothing in second t, and no more than
// time is wanting.
func (l *level) emptied(t int64) bool { return l.mode == falling && l.n == 0 && l.zero == t }

// lastWord is when the last route was announced or withdrawn in the second, Unix
// nanoseconds; 0 where none was, or where the time has no fraction.
func lastWord(second []bgp.Update) (last int64) {
	for i := range second {
		u := &second[i]
		if u.Kind != bgp.Announce && u.Kind != bgp.Withdraw {
			continue
		}
		at := u.At.UnixNano()
		if at%int64(time.Second) == 0 {
			return 0
		}
		last = max(last, at)
	}
	return last
}

// await notes what the second t left empty.
func (d *Detector) await(j judged, t int64) {
	var l *level
	switch x := j.(type) {
	case *edge:
		l = &x.pairs
	case *prefix:
		l = &x.sight
	default:
		return
	}
	if l.emptied(t) {
		d.early.what = append(d.early.what, j)
	}
}

// settle judges what has been empty for long enough within the second t, before the
// rest of that second is known.
func (d *Detector) settle(t int64) {
	e := d.early
	d.early = early{}
	if e.at/int64(time.Second) != t {
		return
	}
	for _, j := range e.what {
		if !gone(j) && !d.spokenOf(j, e.at) {
			d.mark(j)
		}
	}
	if len(d.dirty) > 0 {
		d.judgeAll(t)
		d.story.tell(d, t)
	}
}

// spokenOf reports whether anybody has announced something of the same hoster
// since, up to the moment given.
func (d *Detector) spokenOf(j judged, until int64) bool {
	h := hosterOf(j)
	return slices.ContainsFunc(d.second, func(u bgp.Update) bool {
		if u.Kind != bgp.Announce || u.At.UnixNano() > until {
			return false
		}
		return slices.ContainsFunc(d.prefixes[u.Prefix], func(p *prefix) bool { return p.h == h })
	})
}

func hosterOf(j judged) *hoster {
	switch x := j.(type) {
	case *edge:
		return x.f.h
	case *prefix:
		return x.h
	}
	return nil
}

// judgeAll judges what is marked, and what that marks.
func (d *Detector) judgeAll(t int64) {
	for round := 0; len(d.dirty) > 0 && round < 4; round++ {
		d.todo = d.todo[:0]
		for j := range d.dirty {
			d.todo = append(d.todo, ranked{j.rank(), j})
		}
		clear(d.dirty)
		slices.SortFunc(d.todo, func(a, b ranked) int { return a.rank.compare(b.rank) })
		for _, x := range d.todo {
			if again := x.judge(d, t); again > 0 {
				d.later(again, x.judged)
			}
			d.await(x.judged, t)
		}
	}
}
