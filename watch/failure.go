package watch

import "time"

// secondLook is how many hold times after an upstream was lost its other customers
// are looked at once more: they may be slower to lose it than the hoster was.
const secondLook = 5

// doubt looks once more whether the upstreams that were lost are failing, and says
// when to do so again (0: no more).
func (inc *incident) doubt(d *Detector, t int64) (again int64) {
	for e := range inc.lost {
		end := e.lostOnset + secondLook*max(d.edges.hold, 1)
		if inc.failed[e] || e.pairs.mode != lost || t > end {
			continue
		}
		if r := d.upstreams[e.asn]; r != nil && r.failing(d, e, t) {
			inc.failed[e], inc.dirty = true, true
			continue
		}
		if t < end {
			again = soonest(again, min(end, t+max(d.edges.hold, 1)))
		}
	}
	return again
}

// upstreamFailed reports whether nothing was lost but with upstreams that failed
// for their other customers too.
func (inc *incident) upstreamFailed(d *Detector) bool {
	if len(inc.failed) == 0 {
		return false
	}
	for _, failed := range inc.failed {
		if !failed {
			return false
		}
	}
	for p := range inc.prefixes {
		if !inc.fellWith(d, p) {
			return false
		}
	}
	return true
}

// fellWith reports whether the prefix was withdrawn when a failing upstream was lost.
func (inc *incident) fellWith(d *Detector, p *prefix) bool {
	for e := range inc.lost {
		apart := time.Duration(p.sight.onset-e.lostOnset) * time.Second
		if e.f.v6 == p.v6 && apart.Abs() <= secondLook*d.policy.Hold {
			return true
		}
	}
	return false
}
