package speaker

import (
	"context"
	"net"
	"net/netip"
	"time"

	"depeer/bgp"
)

// Why a connection is refused: the words of the counter "refused".
const (
	refusedUnknown   = "unknown-source"
	refusedIdle      = "idle-hold"
	refusedConnected = "already-connected"
	refusedFull      = "range-full"
	refusedSocket    = "socket-option"
	refusedSilent    = "no-open"
	refusedOpen      = "bad-open"
	refusedASN       = "asn"
	refusedHold      = "hold-time"
	refusedSession   = "not-established"
)

// neighbour finds who may connect from an address, or nil.
func (s *Speaker) neighbour(a netip.Addr) *neighbour {
	for _, n := range s.neighbours {
		if n.prefix.Contains(a) {
			return n
		}
	}
	return nil
}

// admit decides about a new connection. It gives nil where it is refused, which
// a stranger is without a word.
func (s *Speaker) admit(ctx context.Context, c net.Conn) *session {
	addr := addrOf(c)
	n := s.neighbour(addr)
	if n == nil {
		s.refuse(c, addr, refusedUnknown, nil)
		return nil
	}
	if n.hops > 0 {
		raw, err := rawOf(c)
		if err == nil {
			err = setHops(raw, addr.Is6(), n.hops)
		}
		if err != nil {
			s.log.Error("a connection cannot be protected", "from", addr, "error", err)
			s.refuse(c, addr, refusedSocket, nil)
			return nil
		}
	}
	for {
		x, old, reason := s.register(c, addr, n)
		if x != nil {
			return x
		}
		if old == nil {
			s.refuse(c, addr, reason, notification(bgp.Cause{Code: cease, Subcode: ceaseRejected}))
			return nil
		}
		// The neighbour has come back before its old session was found dead: that
		// one ends first, so that its PeerDown comes before the PeerUp.
		old.end(bgp.Cause{Code: cease, Subcode: ceaseCollision, Text: "the neighbour opened a new connection"}, true)
		select {
		case <-old.done:
		case <-ctx.Done():
			c.Close()
			return nil
		}
	}
}

// register makes the session of a connection, or gives the one that has to end
// first, or the reason of a refusal.
func (s *Speaker) register(c net.Conn, addr netip.Addr, n *neighbour) (x, old *session, reason string) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if until, ok := s.idle[addr]; ok {
		if now.Before(until) {
			return nil, nil, refusedIdle
		}
		delete(s.idle, addr)
	}
	if old := s.sessions[addr]; old != nil {
		// RFC 4271 section 6.8: an established session wins, unless the neighbour
		// can restart gracefully, and then it has (RFC 4724 section 4.2).
		if old.replaced || old.up && !(old.theirs.graceful && n.graceful) {
			return nil, nil, refusedConnected
		}
		old.replaced = true
		return nil, old, ""
	}
	if n.dynamic {
		have := 0
		for _, y := range s.sessions {
			if y.n == n {
				have++
			}
		}
		if have >= n.maxPeers {
			return nil, nil, refusedFull
		}
	}
	x = newSession(s, n, addr, c, now)
	s.sessions[addr] = x
	return x, nil, ""
}

// refuse closes a connection, with a last word where there is one.
func (s *Speaker) refuse(c net.Conn, addr netip.Addr, reason string, word []byte) {
	s.count.add(&s.count.refused, reason)
	s.rare.refused.warn(s.log, time.Now(), "refused a connection", "from", addr.String(), "reason", reason)
	if word != nil {
		_ = c.SetWriteDeadline(time.Now().Add(lastWord))
		_, _ = c.Write(word)
	}
	c.Close()
}
