package watch

import "math"

// A level follows one count through time (the routes of an edge, the peers that
// see a prefix) and judges whether it has fallen and come back.
//
// Its baseline is the highest count that it held for a whole settle time within
// the last day: what path hunting lights up for a minute is no baseline, what a
// dormant back-up carried for an hour is. While it is fallen the baseline stands
// still.
//
// Times are seconds of event time.
type level struct {
	n     int         // now, in the middle of a second
	done  int         // at the end of the last second that changed it
	was   float64     // the steady count before that change
	wasAt int64       // and when it was made
	ring  [24]float32 // highest steady count, by hour
	hour  int64       // of the newest entry of ring
	low   []levelSpan // counts that may be the minimum of the settle window, rising
	mode  levelMode
	ref   float64 // the baseline when it began to fall

	onset  int64 // began to fall (below hi)
	back   int64 // falling: is above hi again since
	rise   int64 // lost: is above lo again since
	since  int64 // of the mode
	zero   int64 // falling: the count is 0 since
	bottom int   // lost: where it last stood below lo
	moved  int64 // when it was last a twentieth of the baseline away from anchor
	anchor int   // where it stood then

	missing float64 // of the baseline: what those took along who left and are not back
	away    int     // and how many pairs they were
	awayAt  int64   // when the last of them left
}

type levelSpan struct {
	n    float64
	from int64 // it was at n from then on
	end  int64 // until then; 0: still
}

type levelMode uint8

const (
	steady levelMode = iota
	falling
	lost
)

type verdict uint8

const (
	nothing  verdict = iota
	fell             // confirmed lost
	cameBack         // confirmed back
)

// bounds are the thresholds of a judgement. lo and hi are parts of the baseline;
// the rest are seconds.
type bounds struct {
	lo, hi       float64
	hold, settle int64
	newNormal    int64
	reonset      int64 // a fall that pauses so long has its onset where it goes on
}

const never = -1 << 62

// commit ends a second that changed n.
func (l *level) commit(t int64, b bounds) {
	if l.n == l.done {
		return
	}
	l.note(t, b)
	l.was, l.wasAt = l.least(t, b), t
	if d := float64(l.n - l.anchor); d*d*400 >= l.ref*l.ref {
		l.moved, l.anchor = t, l.n
	}
	l.done = l.n
	l.push(float64(l.n), t)
}

func (l *level) push(v float64, t int64) {
	if len(l.low) == 0 {
		l.low = append(l.low, levelSpan{n: 0, from: never})
	}
	if k := len(l.low) - 1; l.low[k].end == 0 {
		l.low[k].end = t
	}
	for len(l.low) > 0 && l.low[len(l.low)-1].n >= v {
		l.low = l.low[:len(l.low)-1]
	}
	l.low = append(l.low, levelSpan{n: v, from: t})
}

// least is the smallest count of the last settle time.
func (l *level) least(t int64, b bounds) float64 {
	if len(l.low) == 0 {
		return 0
	}
	for len(l.low) > 1 && l.low[0].end <= t-b.settle && l.low[0].end != 0 {
		l.low = append(l.low[:0], l.low[1:]...)
	}
	return l.low[0].n
}

// note remembers the steady count up to t.
func (l *level) note(t int64, b bounds) {
	if l.mode != steady {
		return
	}
	h := t / 3600
	if d := h - l.hour; d > 0 {
		for i := range min(d, int64(len(l.ring))) {
			l.ring[(l.hour+1+i)%int64(len(l.ring))] = 0
		}
		l.hour = h
	}
	i := h % int64(len(l.ring))
	l.ring[i] = max(l.ring[i], float32(l.least(t, b)))
}

// base is the baseline.
func (l *level) base(t int64, b bounds) float64 {
	if l.mode != steady {
		return l.ref
	}
	l.note(t, b)
	var m float32
	for _, v := range l.ring {
		m = max(m, v)
	}
	return float64(m)
}

// seed makes the present count the baseline.
func (l *level) seed(t int64) {
	l.ring = [24]float32{}
	l.hour = t / 3600
	l.ring[l.hour%int64(len(l.ring))] = float32(l.n)
	l.low = append(l.low[:0], levelSpan{n: float64(l.n), from: never})
	l.mode, l.ref, l.back, l.rise, l.done = steady, 0, 0, 0, l.n
}

// compose changes the count by d because peers joined or left, not because routes
// changed: the baseline goes with it. eligible is what could be counted before
// and after.
func (l *level) compose(d int, t int64, b bounds, before, after int) {
	l.commit(t, b)
	old, base := l.n, l.base(t, b)
	l.n += d
	l.done = l.n
	if joined := max(after-before, d); joined > 0 {
		if back, who := l.returning(joined, t, b); who > 0 {
			l.restore(base, back, t)
			base, old = base+back, old+d*who/joined
			before, d = before+who, d-d*who/joined
		}
	}
	switch {
	case l.mode != steady || (old == 0 && d == 0):
		if before > 0 && after != before {
			l.scale(float64(after) / float64(before))
		}
	case d > 0 && base > 0:
		// What those who joined before have lost since is missed of this one too.
		l.scale((base + float64(d)) / base)
	case d > 0 && old > 0:
		l.scale(float64(l.n) / float64(old))
	case d > 0:
		l.seed(t)
		return
	case d < 0:
		l.scale(float64(l.n) / float64(old))
	}
	if left := max(before-after, -d); left > 0 {
		l.missing += max(0, base-l.base(t, b))
		l.away, l.awayAt = l.away+left, t
	}
	if d != 0 {
		if l.mode != steady || len(l.low) == 0 {
			l.push(float64(l.n), t)
		}
	}
}

// returning is the part of the baseline that comes back with so many pairs (of a
// prefix and a peer that could see it), and how many of them had left before. Their
// leaving kept the ratio of the count to the baseline, so that lost eyes are no loss
// of routes; their return must not make what was lost meanwhile, at one peer after
// the other, the baseline.
func (l *level) returning(joined int, t int64, b bounds) (back float64, who int) {
	if l.away > 0 && t-l.awayAt > b.newNormal {
		l.missing, l.away = 0, 0
	}
	if l.away == 0 {
		return 0, 0
	}
	who = min(joined, l.away)
	back = l.missing * float64(who) / float64(l.away)
	l.missing -= back
	l.away -= who
	return back, who
}

// restore adds to the baseline.
func (l *level) restore(base, more float64, t int64) {
	switch {
	case more == 0:
	case base > 0:
		l.scale((base + more) / base)
	case l.mode != steady:
		l.ref = more
	default:
		l.ring, l.hour = [24]float32{}, t/3600
		l.ring[l.hour%int64(len(l.ring))] = float32(more)
		l.low = append(l.low[:0], levelSpan{n: more, from: never})
		l.push(float64(l.n), t)
	}
}

// scale multiplies what is remembered. Counts are whole: rounding keeps a peer
// after the other from adding up to a little less than they are, and a fall to
// exactly a threshold from missing it.
func (l *level) scale(f float64) {
	const grain = 64
	times := func(v float64) float64 { return math.Round(v*f*grain) / grain }
	for i, v := range l.ring {
		l.ring[i] = float32(times(float64(v)))
	}
	for i := range l.low {
		l.low[i].n = times(l.low[i].n)
	}
	l.ref = times(l.ref)
}

// judge says what the count amounts to at t, and when to ask again (0: not
// before the count changes). armed is whether a fall would mean anything.
func (l *level) judge(t int64, b bounds, armed bool) (v verdict, again int64) {
	if l.mode == steady {
		base := l.base(t, b)
		if !armed || base <= 0 || float64(l.n) >= b.hi*base {
			return nothing, 0
		}
		l.mode, l.ref, l.onset, l.since, l.back = falling, base, t, t, 0
	}
	if l.mode == falling {
		return l.judgeFalling(t, b)
	}
	n := float64(l.n)
	if n <= b.lo*l.ref {
		l.rise, l.bottom = 0, l.n
		return nothing, 0
	}
	if l.rise == 0 {
		l.rise = t
	}
	if n < b.hi*l.ref {
		return nothing, 0
	}
	if n >= l.ref*0.99 || t >= l.rise+b.hold {
		ref := l.ref
		l.mode, l.since = steady, t
		l.note(t, b)
		i := l.hour % int64(len(l.ring))
		l.ring[i] = max(l.ring[i], float32(min(ref, n)))
		return cameBack, 0
	}
	return nothing, l.rise + b.hold
}

func (l *level) judgeFalling(t int64, b bounds) (verdict, int64) {
	n := float64(l.n)
	if n >= b.hi*l.ref {
		if l.back == 0 {
			l.back = t
		}
		if t >= l.back+b.settle {
			l.mode, l.since = steady, t
			l.note(t, b)
			return nothing, 0
		}
		return nothing, l.back + b.settle
	}
	l.back = 0
	if l.n > 0 {
		l.zero = 0
	}
	if t >= l.since+b.newNormal {
		l.mode, l.since = steady, t
		l.ring = [24]float32{}
		l.note(t, b)
		return nothing, 0
	}
	if t >= l.onset+b.reonset {
		// It fell some way and stayed there: the rest of the fall begins now.
		if l.wasAt == t && l.was > 0 && n < b.hi*l.was {
			l.onset = t
		}
	}
	if n <= b.lo*l.ref {
		if l.n == 0 && l.zero == 0 {
			l.zero = t
		}
		// Nothing is left to hunt for paths with nobody, once that was so for a
		// whole second: a withdrawal that is taken back at once is none.
		if l.n == 0 && t > l.zero || t >= l.onset+b.hold {
			l.mode, l.since, l.rise, l.zero, l.bottom = lost, t, 0, 0, l.n
			return fell, 0
		}
		if l.n == 0 {
			return nothing, t + 1
		}
		return nothing, l.onset + b.hold
	}
	return nothing, l.since + b.newNormal
}
