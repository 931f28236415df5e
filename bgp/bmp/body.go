package bmp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// up is a Peer Up Notification (RFC 7854 section 4.10).
type up struct {
	local                 netip.Addr // not valid where it is zero
	localPort, remotePort uint16
	sent, received        open
	table                 string // VRF/Table Name (RFC 9069 section 5.3)
	label                 string // Admin Label (RFC 9736)
	text                  string
}

func (m *message) peerUp() (u up, f counter) {
	if len(m.body) < 20 {
		return u, badPeerUp
	}
	if m.header[0] != locRIBPeer {
		if m.key[1] != 0 {
			u.local = netip.AddrFrom16([16]byte(m.body[:16])).Unmap()
		} else {
			u.local = netip.AddrFrom4([4]byte(m.body[12:16]))
		}
	}
	if u.local.IsUnspecified() {
		u.local = netip.Addr{}
	}
	u.localPort, u.remotePort = binary.BigEndian.Uint16(m.body[16:]), binary.BigEndian.Uint16(m.body[18:])
	rest, ok := m.body[20:], false
	if u.sent, rest, ok = takeOpen(rest); !ok {
		return u, badPeerUp
	}
	if u.received, rest, ok = takeOpen(rest); !ok {
		return u, badPeerUp
	}
	ok = eachTLV(rest, func(typ uint16, value []byte) bool {
		switch typ {
		case 0:
			u.text = plain(value)
		case 3:
			u.table = plain(value)
		case 4:
			u.label = plain(value)
		}
		return true
	})
	if !ok {
		return u, badTLV
	}
	return u, 0
}

// The code points of version 4, as routers that send it number them
// (draft-ietf-grow-bmp-tlv before its 17th version). The draft is none of our
// promises; such a message is read where it is what it seems, and counted where not.
const (
	v4Stateless = 1 // a BGP capability without which the UPDATE cannot be read
	v4Update    = 4
)

// update gives the body of the UPDATE in a Route Monitoring message. Version 4
// may say by itself that ADD-PATH is used: with what the router offers, to receive
// or to send.
func (m *message) update(s *wire.Session) ([]byte, counter) {
	pdu := m.body
	if m.version == 4 {
		var o open
		pdu = nil
		if !eachIndexed(m.body, func(typ uint16, v []byte) {
			switch typ {
			case v4Stateless:
				o.capabilities(v)
			case v4Update:
				pdu = v
			}
		}) {
			return nil, badTLV
		}
		used := [groups]func(wire.Family) bool{groupIn: o.receives, groupOut: o.sends, groupLoc: o.names}[m.view().group()]
		s.AddPath4 = s.AddPath4 || used(wire.Family{AFI: wire.AFI4, SAFI: wire.Unicast})
		s.AddPath6 = s.AddPath6 || used(wire.Family{AFI: wire.AFI6, SAFI: wire.Unicast})
	}
	typ, body, f := wire.Header(pdu)
	switch {
	case f != wire.None:
		return nil, badUpdate
	case typ != wire.TypeUpdate:
		return nil, notUpdate
	}
	// RFC 7854 section 4.6 knows one UPDATE and nothing else. Huawei adds TLVs, as
	// drafts of version 4 had it before there was a version 4.
	if !eachTLV(pdu[wire.HeaderLen+len(body):], func(uint16, []byte) bool { return true }) {
		return nil, badUpdate
	}
	return body, 0
}

// withNextHop appends an UPDATE to dst that has a next hop of zero, for one that has
// none. FRR leaves out NEXT_HOP of an IPv4 route whose next hop is IPv6 (RFC 8950).
func withNextHop(dst, body []byte) []byte {
	w := 2 + int(binary.BigEndian.Uint16(body))
	a := w + 2 + int(binary.BigEndian.Uint16(body[w:]))
	dst = append(dst, body[:w]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(a-w-2+7))
	dst = append(dst, body[w+2:a]...)
	dst = append(dst, 0x40, wire.AttrNextHop, 4, 0, 0, 0, 0)
	return append(dst, body[a:]...)
}

// Reasons of a Peer Down (RFC 7854 section 4.9, RFC 9069 section 5.4).
const (
	downLocalNotification  = 1
	downLocalSilent        = 2
	downRemoteNotification = 3
	downRemoteSilent       = 4
	downUnmonitored        = 5
	downLocal              = 6
)

// fsmEvents are those of RFC 4271 section 8.1.
var fsmEvents = [...]string{"", "ManualStart", "ManualStop", "AutomaticStart", "ManualStart_with_PassiveTcpEstablishment",
	"AutomaticStart_with_PassiveTcpEstablishment", "AutomaticStart_with_DampPeerOscillations",
	"AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment", "AutomaticStop", "ConnectRetryTimer_Expires",
	"HoldTimer_Expires", "KeepaliveTimer_Expires", "DelayOpenTimer_Expires", "IdleHoldTimer_Expires", "TcpConnection_Valid",
	"Tcp_CR_Invalid", "Tcp_CR_Acked", "TcpConnectionConfirmed", "TcpConnectionFails", "BGPOpen",
	"BGPOpen with DelayOpenTimer running", "BGPHeaderErr", "BGPOpenMsgErr", "OpenCollisionDump", "NotifMsgVerErr", "NotifMsg",
	"KeepAliveMsg", "UpdateMsg", "UpdateMsgErr"}

// down is a Peer Down Notification: why the session ended, or is not told of any more.
type down struct {
	reason uint8
	cause  bgp.Cause
}

func (m *message) peerDown() (d down, f counter) {
	if len(m.body) == 0 {
		return d, badPeerDown
	}
	data := m.body[1:]
	d.reason = m.body[0]
	switch d.reason {
	case downLocalNotification, downRemoteNotification:
		var ok bool
		d.cause, ok = notification(data)
		if d.cause.Code == 0 && d.cause.Text == "" {
			d.cause.Text = "closed by the peer with a notification"
			if d.reason == downLocalNotification {
				d.cause.Text = "closed by the router with a notification"
			}
		}
		if !ok {
			return d, badPeerDown // that it is down is said all the same
		}
	case downLocalSilent:
		d.cause.Text = "closed by the router"
		if len(data) < 2 {
			return d, badPeerDown
		}
		switch event := binary.BigEndian.Uint16(data); {
		case event == 0:
		case int(event) < len(fsmEvents):
			d.cause.Text += fmt.Sprintf(", event %d (%s)", event, fsmEvents[event])
		default:
			d.cause.Text += fmt.Sprintf(", event %d", event)
		}
	case downRemoteSilent:
		d.cause.Text = "closed by the peer without a notification"
	case downUnmonitored:
		d.cause.Text = "the router no longer reports this peer"
	case downLocal:
		d.cause.Text = "closed by the router"
		eachTLV(data, func(typ uint16, value []byte) bool {
			if typ == 3 {
				d.cause.Text += ", table " + plain(value)
			}
			return true
		})
	default:
		d.cause.Text = fmt.Sprintf("reason %d", d.reason)
	}
	return d, 0
}

// notification reads a NOTIFICATION (RFC 4271 section 4.5): code, subcode and,
// of an administrative shutdown or reset, the text (RFC 8203 section 2, RFC 9003).
// A hard reset carries another one (RFC 8538 section 3), whose text is taken.
func notification(b []byte) (bgp.Cause, bool) {
	typ, body, f := wire.Header(b)
	if f != wire.None || typ != wire.TypeNotification || len(body) < 2 {
		return bgp.Cause{}, false
	}
	c := bgp.Cause{Code: body[0], Subcode: body[1]}
	inner := body
	if c.Code == 6 && c.Subcode == 9 && len(body) >= 4 {
		inner = body[2:]
	}
	if inner[0] == 6 && (inner[1] == 2 || inner[1] == 4) && len(inner) > 3 {
		if n := int(inner[2]); n <= len(inner)-3 {
			c.Text = plain(inner[3 : 3+n])
		}
	}
	return c, true
}

// plain makes a router's words fit for one line: valid UTF-8 without control
// characters, of at most 255 octets, as RFC 9003 section 2 bounds them.
func plain(b []byte) string {
	s := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(b[:min(len(b), 4096)]), " "))
	s = strings.Join(strings.Fields(s), " ")
	for len(s) > 255 {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// hello is an Initiation (RFC 7854 section 4.3).
type hello struct{ name, description string }

func (m *message) hello() (h hello, f counter) {
	if !eachTLV(m.body, func(typ uint16, value []byte) bool {
		switch typ {
		case 1:
			h.description = plain(value)
		case 2:
			h.name = plain(value)
		}
		return true
	}) {
		return h, badTLV
	}
	return h, 0
}

var terminationReasons = [...]string{"administratively closed", "unspecified reason", "out of resources",
	"redundant connection", "permanently administratively closed"}

// goodbye is what a Termination says (RFC 7854 section 4.5).
func (m *message) goodbye() (string, counter) {
	var parts []string
	ok := eachTLV(m.body, func(typ uint16, value []byte) bool {
		switch {
		case typ == 0:
			parts = append(parts, plain(value))
		case typ == 1 && len(value) == 2:
			if r := int(binary.BigEndian.Uint16(value)); r < len(terminationReasons) {
				parts = append(parts, terminationReasons[r])
			} else {
				parts = append(parts, fmt.Sprintf("reason %d", r))
			}
		}
		return len(parts) < 8
	})
	if !ok {
		return strings.Join(parts, ": "), badTLV
	}
	return strings.Join(parts, ": "), 0
}

// lost reports whether a Route Mirroring message says that messages were lost
// (RFC 7854 section 4.7: information code 1).
func (m *message) lost() (lost bool, f counter) {
	if !eachTLV(m.body, func(typ uint16, value []byte) bool {
		lost = lost || typ == 1 && bytes.Equal(value, []byte{0, 1})
		return true
	}) {
		return lost, badTLV
	}
	return lost, 0
}

// eachStat walks the statistics of a report (RFC 7854 section 4.8): counters of
// four octets, gauges of eight, gauges of one family with AFI and SAFI before them.
func (m *message) eachStat(f func(typ uint16, family wire.Family, value uint64)) counter {
	if len(m.body) < 4 {
		return badStats
	}
	n := binary.BigEndian.Uint32(m.body)
	if !eachTLV(m.body[4:], func(typ uint16, v []byte) bool {
		n--
		switch len(v) {
		case 4:
			f(typ, wire.Family{}, uint64(binary.BigEndian.Uint32(v)))
		case 8:
			f(typ, wire.Family{}, binary.BigEndian.Uint64(v))
		case 11:
			f(typ, wire.Family{AFI: binary.BigEndian.Uint16(v), SAFI: v[2]}, binary.BigEndian.Uint64(v[3:]))
		}
		return true
	}) || n != 0 {
		return badStats
	}
	return 0
}
