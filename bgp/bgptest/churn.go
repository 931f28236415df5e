package bgptest

import "math/rand/v2"

// churner makes background updates: the small talk of a real feed.
type churner struct {
	*sim
	r *rand.Rand
}

func (s *sim) startChurn() {
	c := &churner{s, s.rng("churn")}
	c.again(1)
}

// again queues the next bit of churn. Whatever made many updates is followed by
// a longer pause, so that the mean holds.
func (c *churner) again(updates int) {
	gap := c.r.Int64N(2*c.churnGap*int64(updates) + 1)
	c.later(c.now+gap, func() { c.again(c.once()) })
}

// once changes something in the background and gives the number of updates.
func (c *churner) once() int {
	q := c.peers[c.r.IntN(len(c.peers))]
	id := c.small[c.r.IntN(len(c.small))]
	kind := c.r.IntN(1000)
	if kind < 3 {
		return c.everybody(id)
	}
	r := c.route(q, 0, id)
	if r.held == nil || !c.open(r.held.way, q, id) {
		return 1
	}
	ids := []int{id}
	switch {
	case kind < 600: // another transit, for this one peer
		if p := c.pathOf(q, r.held.way, c.r.IntN(4)); p != nil {
			c.step(q, 0, ids, c.turned(q, 0, ids), p)
		}
		return 1
	case kind < 750: // away, and back after up to a minute
		turns := c.turned(q, 0, ids)
		c.step(q, 0, ids, turns, nil)
		c.later(c.now+second+c.r.Int64N(60*second), func() { c.settleDown(q, 0, ids, turns) })
		return 2
	case kind < 850 && r.held != r.wanted: // back to the usual path
		c.settleDown(q, 0, ids, c.turned(q, 0, ids))
		return 1
	default: // the same path again, with another community
		tag := uint16(1000 + c.r.IntN(1000))
		if x := c.sessions[q.index]; !x.down && c.now >= x.busy && r.told == r.held {
			c.tell(q, 0, id, r.held, tag)
		}
		return 1
	}
}

// everybody moves a background prefix to another path at all peers.
func (c *churner) everybody(id int) int {
	variant := c.r.IntN(4)
	for _, q := range c.peers {
		c.later(c.now+c.r.Int64N(30*second), func() {
			r := c.route(q, 0, id)
			if r.held == nil || !c.open(r.held.way, q, id) {
				return
			}
			if p := c.pathOf(q, r.held.way, variant); p != nil {
				ids := []int{id}
				c.step(q, 0, ids, c.turned(q, 0, ids), p)
			}
		})
	}
	return len(c.peers)
}
