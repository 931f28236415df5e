package mrt

import "depeer/bgp/wire"

// Format is what bgpdump calls a record: the word that begins its lines.
type Format uint8

// The formats. BGP4MP is combined with the bits below it.
const (
	FormatBGP Format = iota << 4
	FormatBGP4MP
	FormatTableDump
	FormatTableDumpV2

	formatET      Format = 1
	formatLocal   Format = 2
	formatAddPath Format = 4
)

// ET reports whether the time has microseconds.
func (f Format) ET() bool { return f&formatET != 0 }

// AddPath reports whether prefixes have path identifiers (RFC 8050).
func (f Format) AddPath() bool { return f&formatAddPath != 0 }

var formatNames = func() (names [64]string) {
	for f := range names {
		s := [...]string{"BGP", "BGP4MP", "TABLE_DUMP", "TABLE_DUMP2"}[f>>4]
		if Format(f).ET() {
			s += "_ET"
		}
		if Format(f)&formatLocal != 0 {
			s += "_LOCAL"
		}
		if Format(f).AddPath() {
			s += "_AP"
		}
		names[f] = s
	}
	return names
}()

func (f Format) String() string { return formatNames[f&63] }

// Element is one line of bgpdump's: one prefix announced, withdrawn or held, or
// one change of a session's state.
type Element struct {
	Type    byte        // A, W, B as bgpdump has them; S for a state change
	Prefix  wire.Prefix // not for S
	Family  wire.Family // not for S
	NextHop []byte      // A and B: 4, 16 or 32 octets; nil where there is none
	group   uint8       // elements of a group share all but their prefix
}

// Groups of elements within a message, in bgpdump's order.
const (
	groupWithdrawn = iota
	groupUnreach
	groupAnnounced
	groupReach
	groupRoute
	groupState
)

// Elements gives the elements of an event, in bgpdump's order. The element is
// valid until the next one.
func (e *Event) Elements(yield func(*Element) bool) {
	el := &e.element // not of this frame, or each event would allocate one
	switch e.Kind {
	case State:
		*el = Element{Type: 'S', group: groupState}
		yield(el)
	case Route:
		*el = Element{Type: 'B', Prefix: e.Prefix, Family: e.Family, NextHop: nextHop(e.Update), group: groupRoute}
		yield(el)
	case Message:
		e.updateElements(el, yield)
	}
}

func nextHop(u *wire.Update) []byte {
	if v, ok := u.Attr(wire.AttrReach); ok && len(v) >= 4 {
		return v
	}
	v, _ := u.Attr(wire.AttrNextHop)
	return v
}

func (e *Event) updateElements(el *Element, yield func(*Element) bool) {
	u := e.Update
	all := func(x wire.Prefixes) bool {
		for {
			var ok bool
			if el.Prefix, ok = x.Next(); !ok {
				return true
			}
			if !yield(el) {
				return false
			}
		}
	}
	ipv4 := wire.Family{AFI: wire.AFI4, SAFI: wire.Unicast}
	el.Type, el.Family, el.group = 'W', ipv4, groupWithdrawn
	if !all(u.Withdrawn()) {
		return
	}
	if f, x, ok := u.Unreach(); ok {
		el.Family, el.group = f, groupUnreach
		if !all(x) {
			return
		}
	}
	el.Type, el.Family, el.group = 'A', ipv4, groupAnnounced
	el.NextHop, _ = u.Attr(wire.AttrNextHop)
	if !all(u.Announced()) {
		return
	}
	if f, nh, x, ok := u.Reach(); ok {
		el.Family, el.group, el.NextHop = f, groupReach, nh
		all(x)
	}
}
