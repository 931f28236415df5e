package timeline

import (
	"net/netip"
	"time"

	"depeer/bgp"
)

// What says what a Change is.
type What uint8

// The kinds of changes.
const (
	Announced What = iota + 1 // the peer holds a route to Prefix, along Path; it held none, or another
	Withdrawn                 // it said that it holds none any more
	Missing                   // it sent its whole table again, and the route was not in it
	Known                     // a dump, or what was stored, says that it had been holding it all along: knowledge, no change in the world
	Left                      // the peer's routes are not known from now on, for Cause: no withdrawal
	Joined                    // they are known (again), as the changes before say
)

// Change is one change of one peer's table.
type Change struct {
	At       time.Time // in the world; microseconds
	Recorded time.Time // in the store; zero until it is stored; microseconds
	What     What
	Peer     bgp.Peer
	Prefix   netip.Prefix // masked; the zero prefix for Left and Joined
	PathID   uint32       // ADD-PATH identifier (RFC 7911)
	Path     bgp.Path     // Announced, Known; shared, never changed
	Cause    string       // Left: why, in the words of bgp.Cause
	Hosters  []string     // ids of the hosters whose story the prefix belongs to, when it was observed; none for Left, Joined and reference prefixes
}

// Held reports whether the peer holds a route after the change.
func (c *Change) Held() bool { return c.What == Announced || c.What == Known }
