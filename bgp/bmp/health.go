package bmp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"depeer/bgp"
)

// Health says how the station is: ready while it hears one router at least. A
// session is a router; those that are configured with a name are there from the
// start, also before they connect. The values of "router_stats" are what the routers last reported of
// their peers, added up by router and type.
func (s *Station) Health(now time.Time) bgp.Health {
	h := bgp.Health{Lag: time.Duration(s.lag.Load())}
	s.mu.Lock()
	var up, peers int
	for _, r := range s.routers {
		session, heard := s.session(r, now)
		if session.Up {
			up++
		}
		if heard.After(h.Heard) {
			h.Heard = heard
		}
		h.Sessions = append(h.Sessions, session)
		h.Counts = r.appendStats(h.Counts)
		r.mu.Lock()
		peers += r.up
		r.mu.Unlock()
	}
	if ready := up > 0; ready != s.ready || s.since.IsZero() {
		s.ready, s.since = ready, now
	}
	h.Ready, h.Since = s.ready, s.since
	s.mu.Unlock()
	slices.SortFunc(h.Sessions, func(a, b bgp.Session) int { return strings.Compare(a.Name, b.Name) })
	if !h.Ready {
		h.Reason = notReady(h.Sessions)
	}
	h.Counts = s.counts.append(h.Counts)
	h.Counts = append(h.Counts,
		bgp.Count{Name: "routers", Help: "routers that are connected and not stale", Gauge: true, Value: float64(up)},
		bgp.Count{Name: "peers", Help: "peers that connected routers report as up", Gauge: true, Value: float64(peers)})
	sortCounts(h.Counts)
	return h
}

func notReady(sessions []bgp.Session) string {
	if len(sessions) == 0 {
		return "no router has connected yet"
	}
	x := sessions[0]
	for _, y := range sessions {
		if y.Since.After(x.Since) {
			x = y
		}
	}
	return fmt.Sprintf("none of %d routers is heard: %s %s", len(sessions), x.Name, x.Reason)
}

// session is how a router is. s.mu is held.
func (s *Station) session(r *router, now time.Time) (bgp.Session, time.Time) {
	x := bgp.Session{Name: r.name, State: "connected", Up: true, Since: r.since, Reason: r.reason}
	if a := r.addr.String(); a != r.name {
		x.Name += " " + a
	}
	var heard time.Time
	if n := atomic.LoadInt64(&r.heard); n != 0 {
		heard = time.Unix(0, n).UTC()
	}
	switch {
	case r.current == nil:
		x.State, x.Up = "closed", false
		x.Reason = cmp.Or(x.Reason, "not connected")
	case r.reason != "":
		x.Up = false // the former connection has not ended yet
	case now.Sub(heard) >= s.cfg.StaleAfter:
		x.State, x.Up, x.Since = "stale", false, heard.Add(s.cfg.StaleAfter)
		x.Reason = "has said nothing since " + heard.Format(time.RFC3339)
	}
	return x, heard
}

func (r *router) appendStats(dst []bgp.Count) []bgp.Count {
	var sum statistics
	r.mu.Lock()
	for _, x := range r.stats {
		sum.has |= x.has
		for typ := range x.value {
			sum.value[typ] += x.value[typ]
		}
	}
	r.mu.Unlock()
	for typ, v := range sum.value {
		if sum.has>>typ&1 != 0 {
			dst = append(dst, bgp.Count{Name: "router_stats", Reason: r.name + " " + statName(uint16(typ)),
				Help: "what routers report of their peers (RFC 7854 section 4.8), by router and statistic", Gauge: true, Value: float64(v)})
		}
	}
	return dst
}

// sortedVantages lists them in order of their peers, so that what is said of all is said in one order.
func sortedVantages(m map[vantageKey]*vantage) []*vantage {
	out := make([]*vantage, 0, len(m))
	for _, v := range m {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *vantage) int { return a.peer.Compare(b.peer) })
	return out
}
