package speaker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"depeer/bgp"
)

// Health tells how the sessions are. The speaker is ready when it listens and
// anybody is established: a neighbour that is down for a week must not make all of it
// count as blind. Who is missing stands in the sessions.
func (s *Speaker) Health(now time.Time) bgp.Health {
	counts := s.counts()
	s.mu.Lock()
	defer s.mu.Unlock()
	h := bgp.Health{Counts: counts, Heard: s.heard}
	var missing []string
	configured, up := 0, 0
	seen := map[*neighbour]bool{}
	for _, x := range s.sessions {
		seen[x.n] = true
		v := bgp.Session{Name: x.n.name(), State: x.state, Up: x.up, Since: x.since}
		if x.n.dynamic {
			v.Name = x.addr.String()
			if x.peer.ASN != 0 {
				v.Name += " " + bgp.ASN(x.peer.ASN)
			}
		}
		if x.up {
			up++
		} else {
			v.Reason = "the session is not established yet"
			if !x.n.dynamic {
				missing = append(missing, v.Name)
			}
		}
		h.Sessions = append(h.Sessions, v)
	}
	for _, n := range s.neighbours {
		if n.dynamic {
			continue
		}
		configured++
		if seen[n] {
			continue
		}
		h.Sessions = append(h.Sessions, s.absent(n, now))
		missing = append(missing, n.name())
	}
	slices.SortFunc(h.Sessions, func(a, b bgp.Session) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(missing)
	switch {
	case s.listening.IsZero():
		h.Reason = "it does not listen yet"
	case up == 0 && len(missing) > 0:
		h.Reason = fmt.Sprintf("%d of %d neighbours are not established: %s", len(missing), configured, strings.Join(missing, ", "))
	case up == 0:
		h.Reason = "no neighbour has connected"
	default:
		h.Ready = true
	}
	if h.Ready != s.ready || s.since.IsZero() {
		s.ready, s.since = h.Ready, now
	}
	h.Since = s.since
	return h
}

// absent is a configured peer without a session.
func (s *Speaker) absent(n *neighbour, now time.Time) bgp.Session {
	v := bgp.Session{Name: n.name(), State: "idle", Since: s.listening, Reason: "it has not connected"}
	if st, ok := s.last[n]; ok {
		v.Since, v.Reason = st.since, st.reason
	}
	if until, ok := s.idle[n.prefix.Addr()]; ok && now.Before(until) {
		v.Reason += "; it is refused until " + until.UTC().Format(time.RFC3339)
	}
	if n.password == "" {
		return v
	}
	// A wrong key shows nowhere else: the kernel drops the first packet.
	dropped := uint64(0)
	for k, m := range readMD5() {
		dropped += m - s.md5[k]
	}
	if dropped > 0 && !s.listening.IsZero() {
		v.Reason += fmt.Sprintf("; since the start %d segments came to this system with a wrong TCP MD5 signature, or without one: check the password", dropped)
	}
	return v
}
