package wire

// Session gives what the update was split with.
func (u *Update) Session() Session { return u.s }

// Counts gives how many unicast prefixes, of either family, the message
// announces and withdraws.
func (u *Update) Counts() (announced, withdrawn int) { return u.nAnn, u.nWdr }

// Withdrawn walks the IPv4 unicast prefixes of the withdrawn routes field.
func (u *Update) Withdrawn() Prefixes {
	return Prefixes{b: u.b[u.withdrawn.off:u.withdrawn.end], addPath: u.s.AddPath4}
}

// Announced walks the IPv4 unicast prefixes of the NLRI field.
func (u *Update) Announced() Prefixes {
	return Prefixes{b: u.b[u.nlri.off:u.nlri.end], addPath: u.s.AddPath4}
}

// Reach gives MP_REACH_NLRI: family, next hop (4, 16 or 32 octets) and routes.
// The routes of a family other than IPv4 and IPv6 unicast or multicast are not
// walked. In a table dump the family may be zero: there is only a next hop.
func (u *Update) Reach() (f Family, nextHop []byte, x Prefixes, ok bool) {
	if u.seen&bitReach == 0 {
		return f, nil, x, false
	}
	x.b, x.v6 = u.b[u.reachNLRI.off:u.reachNLRI.end], u.reach.V6()
	x.addPath = u.addPath(u.reach)
	return u.reach, u.value(AttrReach), x, true
}

// Unreach gives MP_UNREACH_NLRI: family and routes, which are walked as those of [Update.Reach].
func (u *Update) Unreach() (f Family, x Prefixes, ok bool) {
	if u.seen&bitUnreach == 0 {
		return f, x, false
	}
	if u.unreach.known() {
		x.b, x.v6 = u.value(AttrUnreach), u.unreach.V6()
		x.addPath = u.addPath(u.unreach)
	}
	return u.unreach, x, true
}

func (u *Update) addPath(f Family) bool {
	if f.V6() {
		return u.s.AddPath6
	}
	return u.s.AddPath4
}

// Plain reports whether the message speaks of IPv4 unicast alone, in the fields
// of RFC 4271, and all its attributes are believed.
func (u *Update) Plain() bool { return u.seen&(bitReach|bitUnreach)|u.discarded == 0 }

// OtherFamily reports whether the message speaks of a family that is not read
// (VPN, labels, EVPN, flow specification, ...).
func (u *Update) OtherFamily() bool {
	return u.seen&bitReach != 0 && !u.table && !u.reach.known() || u.seen&bitUnreach != 0 && !u.unreach.known()
}

// EndOfRIB reports whether the message is the End-of-RIB marker of a family
// (RFC 4724 section 2): an UPDATE with nothing in it, or with nothing but an
// empty MP_UNREACH_NLRI.
func (u *Update) EndOfRIB() (Family, bool) {
	if u.nAnn != 0 || u.nWdr != 0 {
		return Family{}, false
	}
	if len(u.b) == 4 {
		return Family{AFI4, Unicast}, true
	}
	if u.seen == bitUnreach && u.discarded == 0 && u.attr[AttrUnreach].off == u.attr[AttrUnreach].end {
		return u.unreach, true
	}
	return Family{}, false
}

// Attr gives the value of an attribute of a type below 64, if it is there and
// well formed. That of MP_REACH_NLRI is the next hop, that of MP_UNREACH_NLRI the routes.
func (u *Update) Attr(typ uint8) ([]byte, bool) {
	if typ >= attrEnd || u.seen>>typ&1 == 0 {
		return nil, false
	}
	return u.value(typ), true
}

func (u *Update) value(typ uint8) []byte {
	s := u.attr[typ]
	return u.b[s.off:s.end]
}

// Discarded gives the attributes that were malformed in a way that costs only
// themselves (RFC 7606 section 2, "attribute discard"): bit n for type n.
func (u *Update) Discarded() uint64 { return u.discarded }
