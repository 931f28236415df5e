package bgptest

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// BMP message types (RFC 7854 section 4.1).
const (
	BMPRouteMonitoring = 0
	BMPStatistics      = 1
	BMPPeerDown        = 2
	BMPPeerUp          = 3
	BMPInitiation      = 4
	BMPTermination     = 5
	BMPRouteMirroring  = 6
)

// Flags of the per-peer header (RFC 7854 section 4.2, RFC 8671 section 4).
const (
	BMPFlagV6   = 0x80 // set by itself for an IPv6 peer
	BMPFlagPost = 0x40 // after the policy
	BMPFlagAS2  = 0x20 // AS_PATH of two octets
	BMPFlagOut  = 0x10 // Adj-RIB-Out
)

// Peer types (RFC 7854 section 4.2, RFC 9069 section 4.1).
const (
	BMPGlobal = 0
	BMPVRF    = 1
	BMPLocal  = 2
	BMPLocRIB = 3
)

// BMPPeer is the per-peer header of BMP (RFC 7854 section 4.2).
type BMPPeer struct {
	Type          uint8
	Flags         uint8
	Distinguisher uint64
	Addr          netip.Addr // not valid: zero, as for the Loc-RIB
	ASN           uint32
	ID            [4]byte
	At            time.Time // the zero time is written as 0, "not available"
}

// BMPCapabilities is what an OPEN of BMP offers.
type BMPCapabilities struct {
	ASN      uint32
	AS2      bool // without four-octet AS numbers (RFC 6793)
	AddPath4 byte // RFC 7911 section 4: 1 receive, 2 send, 3 both, 0 none
	AddPath6 byte
	Extended bool // messages of more than 4,096 octets (RFC 8654)
}

// BMPStat is a statistic (RFC 7854 section 4.8) of 4 octets, or of 8 where Gauge is set.
type BMPStat struct {
	Type  uint16
	Value uint64
	Gauge bool
}

// AppendBMP appends a message of any type with its common header.
func AppendBMP(dst []byte, typ uint8, body []byte) []byte {
	dst = append(dst, 3)
	dst = binary.BigEndian.AppendUint32(dst, uint32(6+len(body)))
	dst = append(dst, typ)
	return append(dst, body...)
}

// AppendBMPPeer appends a per-peer header.
func AppendBMPPeer(dst []byte, p BMPPeer) []byte {
	flags := p.Flags
	if p.Addr.Is6() && p.Type != BMPLocRIB {
		flags |= BMPFlagV6
	}
	dst = append(dst, p.Type, flags)
	dst = binary.BigEndian.AppendUint64(dst, p.Distinguisher)
	dst = appendBMPAddr(dst, p.Addr)
	dst = binary.BigEndian.AppendUint32(dst, p.ASN)
	dst = append(dst, p.ID[:]...)
	var sec, micro uint32
	if !p.At.IsZero() {
		sec, micro = uint32(p.At.Unix()), uint32(p.At.Nanosecond()/1000)
	}
	dst = binary.BigEndian.AppendUint32(dst, sec)
	return binary.BigEndian.AppendUint32(dst, micro)
}

// appendBMPAddr writes 16 octets, an IPv4 address in the last four.
func appendBMPAddr(dst []byte, a netip.Addr) []byte {
	var b [16]byte
	switch {
	case a.Is4():
		v := a.As4()
		copy(b[12:], v[:])
	case a.Is6():
		b = a.As16()
	}
	return append(dst, b[:]...)
}

func appendBMPTLV(dst []byte, typ uint16, value []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, typ)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(value)))
	return append(dst, value...)
}

// AppendBMPInitiation appends an Initiation message with sysDescr and sysName.
func AppendBMPInitiation(dst []byte, name, description string) []byte {
	body := appendBMPTLV(nil, 1, []byte(description))
	return AppendBMP(dst, BMPInitiation, appendBMPTLV(body, 2, []byte(name)))
}

// AppendBMPTermination appends a Termination message with a reason (RFC 7854
// section 4.5) and, where it is not empty, a text.
func AppendBMPTermination(dst []byte, reason uint16, text string) []byte {
	var body []byte
	if text != "" {
		body = appendBMPTLV(body, 0, []byte(text))
	}
	return AppendBMP(dst, BMPTermination, appendBMPTLV(body, 1, binary.BigEndian.AppendUint16(nil, reason)))
}

// AppendBMPOpen appends a BGP OPEN (RFC 4271 section 4.2).
func AppendBMPOpen(dst []byte, c BMPCapabilities) []byte {
	caps := []byte{1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1}
	my := c.ASN
	if !c.AS2 {
		caps = binary.BigEndian.AppendUint32(append(caps, 65, 4), c.ASN)
		if my > 0xffff {
			my = ASTrans
		}
	}
	var paths []byte
	if c.AddPath4 != 0 {
		paths = append(paths, 0, 1, 1, c.AddPath4)
	}
	if c.AddPath6 != 0 {
		paths = append(paths, 0, 2, 1, c.AddPath6)
	}
	if len(paths) > 0 {
		caps = append(append(caps, 69, byte(len(paths))), paths...)
	}
	if c.Extended {
		caps = append(caps, 6, 0)
	}
	body := binary.BigEndian.AppendUint16([]byte{4}, uint16(my))
	body = append(body, 0, 180, 192, 0, 2, 1, byte(2+len(caps)), 2, byte(len(caps)))
	return appendMessage(dst, 1, append(body, caps...))
}

// AppendBMPNotification appends a BGP NOTIFICATION (RFC 4271 section 4.5).
func AppendBMPNotification(dst []byte, code, subcode uint8, data []byte) []byte {
	return appendMessage(dst, 3, append([]byte{code, subcode}, data...))
}

// ShutdownText makes the data of a NOTIFICATION that carries a shutdown
// communication (RFC 8203 section 2).
func ShutdownText(text string) []byte { return append([]byte{byte(len(text))}, text...) }

func appendMessage(dst []byte, typ byte, body []byte) []byte {
	for range 16 {
		dst = append(dst, 0xff)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(19+len(body)))
	return append(append(dst, typ), body...)
}

// AppendBMPPeerUp appends a Peer Up Notification (RFC 7854 section 4.10): what
// the router sent to the peer and what it received from it.
func AppendBMPPeerUp(dst []byte, p BMPPeer, local netip.Addr, sent, received BMPCapabilities) []byte {
	body := appendBMPAddr(AppendBMPPeer(nil, p), local)
	body = binary.BigEndian.AppendUint16(body, 179)
	body = binary.BigEndian.AppendUint16(body, 41000)
	return AppendBMP(dst, BMPPeerUp, AppendBMPOpen(AppendBMPOpen(body, sent), received))
}

// AppendBMPPeerDown appends a Peer Down Notification (RFC 7854 section 4.9): data is
// the NOTIFICATION (reasons 1 and 3) or the FSM event (2).
func AppendBMPPeerDown(dst []byte, p BMPPeer, reason uint8, data []byte) []byte {
	return AppendBMP(dst, BMPPeerDown, append(append(AppendBMPPeer(nil, p), reason), data...))
}

// AppendBMPRoute appends a Route Monitoring message around a whole UPDATE.
func AppendBMPRoute(dst []byte, p BMPPeer, update []byte) []byte {
	return AppendBMP(dst, BMPRouteMonitoring, append(AppendBMPPeer(nil, p), update...))
}

// AppendBMPStats appends a Statistics Report (RFC 7854 section 4.8).
func AppendBMPStats(dst []byte, p BMPPeer, stats ...BMPStat) []byte {
	body := binary.BigEndian.AppendUint32(AppendBMPPeer(nil, p), uint32(len(stats)))
	for _, s := range stats {
		value := binary.BigEndian.AppendUint64(nil, s.Value)
		if !s.Gauge {
			value = value[4:]
		}
		body = appendBMPTLV(body, s.Type, value)
	}
	return AppendBMP(dst, BMPStatistics, body)
}

// AppendBMPLost appends a Route Mirroring message which says that messages were
// lost (RFC 7854 section 4.7).
func AppendBMPLost(dst []byte, p BMPPeer) []byte {
	return AppendBMP(dst, BMPRouteMirroring, appendBMPTLV(AppendBMPPeer(nil, p), 1, []byte{0, 1}))
}

// BMPRouter is a router that sends BMP to a station. Messages whose peer has no
// time are stamped with the present. Not safe for concurrent use.
type BMPRouter struct {
	Conn  net.Conn
	Local uint32 // the router's AS number, in its OPEN messages
}

// DialBMP connects to a station, over TLS where a configuration is given, and
// sends the Initiation with this name.
func DialBMP(ctx context.Context, address, name string, secure *tls.Config) (*BMPRouter, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("BMP station: %w", err)
	}
	if secure != nil {
		over := tls.Client(conn, secure)
		if err := over.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, fmt.Errorf("BMP station: %w", err)
		}
		conn = over
	}
	r := &BMPRouter{Conn: conn, Local: 64999}
	return r, r.Send(AppendBMPInitiation(nil, name, "bgptest"))
}

// Send writes octets as they are.
func (r *BMPRouter) Send(b []byte) error {
	_, err := r.Conn.Write(b)
	return err
}

func (r *BMPRouter) stamp(p BMPPeer) BMPPeer {
	if p.At.IsZero() {
		p.At = time.Now()
	}
	return p
}

// Up sends a Peer Up for a session without ADD-PATH.
func (r *BMPRouter) Up(p BMPPeer) error {
	local := netip.IPv4Unspecified()
	return r.Send(AppendBMPPeerUp(nil, r.stamp(p), local, BMPCapabilities{ASN: r.Local}, BMPCapabilities{ASN: p.ASN}))
}

// Update sends one Route Monitoring message.
func (r *BMPRouter) Update(p BMPPeer, m UpdateMessage) error {
	update, err := AppendUpdate(nil, m, Encoding{AS2: p.Flags&BMPFlagAS2 != 0 && p.Type != BMPLocRIB})
	if err != nil {
		return err
	}
	return r.Send(AppendBMPRoute(nil, r.stamp(p), update))
}

// EndOfRIB sends the End-of-RIB of a family.
func (r *BMPRouter) EndOfRIB(p BMPPeer, v6 bool) error {
	return r.Send(AppendBMPRoute(nil, r.stamp(p), AppendEndOfRIB(nil, v6)))
}

// Down sends a Peer Down.
func (r *BMPRouter) Down(p BMPPeer, reason uint8, data []byte) error {
	return r.Send(AppendBMPPeerDown(nil, r.stamp(p), reason, data))
}

// Close sends a Termination (RFC 7854 section 4.5, reason 0) and closes.
func (r *BMPRouter) Close() error {
	if err := r.Send(AppendBMPTermination(nil, 0, "")); err != nil {
		r.Conn.Close()
		return err
	}
	return r.Conn.Close()
}
