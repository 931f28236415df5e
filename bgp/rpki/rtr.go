package rpki

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// The PDU types of RFC 8210 section 5.
const (
	pduSerialNotify  = 0
	pduSerialQuery   = 1
	pduResetQuery    = 2
	pduCacheResponse = 3
	pduIPv4          = 4
	pduIPv6          = 6
	pduEndOfData     = 7
	pduCacheReset    = 8
	pduRouterKey     = 9
	pduErrorReport   = 10
)

// Error codes of RFC 8210 section 12.
const (
	errCorrupt     = 0
	errNoData      = 2
	errVersion     = 4
	errUnknownPDU  = 5
	errWithdrawal  = 6
	errDuplicate   = 7
	errWrongNumber = 8
)

// maxPDU is far more than any PDU needs; error reports carry a PDU and a text.
const maxPDU = 64 << 10

// pdu is one PDU. Field is the session id, the error code, or zero, by type.
type pdu struct {
	version, kind uint8
	field         uint16
	body          []byte // behind the header of eight octets
}

// readPDU reads one PDU. The body is valid until the next one.
func readPDU(r io.Reader, buf []byte) (pdu, []byte, error) {
	var h [8]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return pdu{}, buf, err
	}
	p := pdu{version: h[0], kind: h[1], field: binary.BigEndian.Uint16(h[2:])}
	n := binary.BigEndian.Uint32(h[4:])
	if n < 8 || n > maxPDU {
		return p, buf, &rtrError{errCorrupt, fmt.Sprintf("a PDU of %d octets", n)}
	}
	if cap(buf) < int(n-8) {
		buf = make([]byte, n-8)
	}
	p.body = buf[:n-8]
	if _, err := io.ReadFull(r, p.body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return p, buf, err
	}
	return p, buf, nil
}

func writePDU(w io.Writer, version, kind uint8, field uint16, body []byte) error {
	b := make([]byte, 8, 8+len(body))
	b[0], b[1] = version, kind
	binary.BigEndian.PutUint16(b[2:], field)
	binary.BigEndian.PutUint32(b[4:], uint32(8+len(body)))
	_, err := w.Write(append(b, body...))
	return err
}

// rtrError is a fault of the protocol; the other side is told its code.
type rtrError struct {
	code uint16
	text string
}

func (e *rtrError) Error() string { return e.text }

// refusal is an Error Report of the cache.
type refusal struct {
	code uint16
	text string
}

func (e *refusal) Error() string {
	return fmt.Sprintf("the cache reports error %d: %.200s", e.code, e.text)
}

// readRefusal reads an Error Report (section 5.11): the PDU that was wrong, and a text.
func readRefusal(p pdu) error {
	b := p.body
	r := &refusal{code: p.field}
	if len(b) >= 4 {
		n := binary.BigEndian.Uint32(b)
		if rest := b[4:]; uint64(n)+4 <= uint64(len(rest)) {
			rest = rest[n:]
			if k := binary.BigEndian.Uint32(rest); uint64(k) <= uint64(len(rest)-4) {
				r.text = string(rest[4 : 4+k])
			}
		}
	}
	return r
}

// readVRP reads an IPv4 or IPv6 Prefix PDU (sections 5.6, 5.7).
func readVRP(p pdu) (v VRP, announce bool, err error) {
	size := 12
	if p.kind == pduIPv6 {
		size = 24
	}
	if len(p.body) != size {
		return v, false, &rtrError{errCorrupt, fmt.Sprintf("a prefix PDU of %d octets", len(p.body)+8)}
	}
	b := p.body
	var addr netip.Addr
	if p.kind == pduIPv4 {
		addr = netip.AddrFrom4([4]byte(b[4:8]))
	} else {
		addr = netip.AddrFrom16([16]byte(b[4:20]))
	}
	v = VRP{Prefix: netip.PrefixFrom(addr, int(b[1])), MaxLen: b[2], ASN: binary.BigEndian.Uint32(b[size-4:])}
	if err := v.check(); err != nil {
		return v, false, &rtrError{errCorrupt, err.Error()}
	}
	return v, b[0]&1 != 0, nil
}

// timers are the intervals of an End of Data (section 6): when to ask again, after an error, and when to believe no longer.
type timers struct{ refresh, retry, expire time.Duration }

// The values of section 6 where a cache gives none (version 0).
var defaultTimers = timers{time.Hour, 10 * time.Minute, 2 * time.Hour}

// readEnd reads an End of Data (section 5.8). Intervals out of their bounds are brought into them.
func readEnd(p pdu) (serial uint32, t timers, err error) {
	t = defaultTimers
	switch {
	case p.version == 0 && len(p.body) == 4:
	case p.version >= 1 && len(p.body) == 16:
		bound := func(b []byte, least, most uint32) time.Duration {
			return time.Duration(max(least, min(most, binary.BigEndian.Uint32(b)))) * time.Second
		}
		t = timers{bound(p.body[4:], 1, 86400), bound(p.body[8:], 1, 7200), bound(p.body[12:], 600, 172800)}
		t.expire = max(t.expire, t.refresh, t.retry)
	default:
		return 0, t, &rtrError{errCorrupt, fmt.Sprintf("an End of Data of %d octets", len(p.body)+8)}
	}
	return binary.BigEndian.Uint32(p.body), t, nil
}

var errReset = errors.New("the cache has no increment from there")
