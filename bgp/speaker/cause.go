package speaker

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// NOTIFICATION codes and subcodes that the front sends (RFC 4271 section 4.5, RFC 4486).
const (
	headerError     = 1
	openError       = 2
	updateError     = 3
	stateError      = 5
	cease           = 6
	badAS           = 2 // of openError
	badHoldTime     = 6
	ceasePrefixes   = 1
	ceaseShutdown   = 2
	ceaseReset      = 4
	ceaseRejected   = 5
	ceaseCollision  = 7
	ceaseResources  = 8
	ceaseHardReset  = 9
	maxCommunicated = 255 // octets (RFC 9003 section 2)
)

// notification makes the message. Text goes out with a Cease of the two
// administrative subcodes only (RFC 9003); data otherwise.
func notification(c bgp.Cause, data ...byte) []byte {
	b := header(wire.TypeNotification)
	b = append(b, c.Code, c.Subcode)
	if c.Code == cease && (c.Subcode == ceaseShutdown || c.Subcode == ceaseReset) {
		text := c.Text
		for len(text) > maxCommunicated {
			_, n := utf8.DecodeLastRuneInString(text)
			text = text[:len(text)-n]
		}
		data = append([]byte{byte(len(text))}, text...)
	}
	return finish(append(b, data...))
}

// causeOf reads the body of a NOTIFICATION.
func causeOf(body []byte) bgp.Cause {
	if len(body) < 2 {
		return bgp.Cause{Text: "NOTIFICATION without a code"}
	}
	c := bgp.Cause{Code: body[0], Subcode: body[1]}
	data := body[2:]
	if c.Code == cease && c.Subcode == ceaseHardReset && len(data) >= 2 {
		// RFC 8538 section 3.1: it carries the NOTIFICATION that is meant.
		c.Code, c.Subcode, data = data[0], data[1], data[2:]
	}
	if c.Code == cease && (c.Subcode == ceaseShutdown || c.Subcode == ceaseReset) && len(data) > 0 && int(data[0]) < len(data) {
		c.Text = printable(data[1 : 1+int(data[0])])
	}
	return c
}

// printable makes one line of what a stranger wrote: it goes to logs, pages and
// messages.
func printable(b []byte) string {
	s := strings.ToValidUTF8(string(b), "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	return strings.TrimSpace(s)
}

// causeOfRead is why a read from a router's socket ended.
func causeOfRead(err error) bgp.Cause {
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return bgp.Cause{Text: "connection closed by the neighbour without a NOTIFICATION"}
	case errors.Is(err, syscall.ECONNRESET):
		return bgp.Cause{Text: "connection reset by the neighbour"}
	case errors.Is(err, syscall.ETIMEDOUT):
		return bgp.Cause{Text: "connection timed out"}
	}
	return bgp.Cause{Text: "connection lost: " + err.Error()}
}

// causeOfFault is the NOTIFICATION for a message after which the session cannot
// go on (RFC 4271 sections 6.1 and 6.3).
func causeOfFault(f wire.Fault) bgp.Cause {
	c := bgp.Cause{Code: updateError, Subcode: 1, Text: "sent by us: malformed UPDATE: " + f.String()}
	switch f {
	case wire.BadMarker:
		c.Code, c.Subcode = headerError, 1
	case wire.BadLength, wire.TooShort:
		c.Code, c.Subcode = headerError, 2
	case wire.BadMP:
		c.Subcode = 9
	case wire.BadPrefix:
		c.Subcode = 10
	}
	return c
}

// header begins a message; finish sets its length.
func header(typ byte) []byte {
	b := make([]byte, 0, 64)
	for range 16 {
		b = append(b, 0xff)
	}
	return append(b, 0, 0, typ)
}

func finish(b []byte) []byte {
	binary.BigEndian.PutUint16(b[16:], uint16(len(b)))
	return b
}

var keepalive = finish(header(wire.TypeKeepalive))

// refresh asks for the routes of a family again (RFC 2918 section 3).
func refresh(afi byte) []byte {
	return finish(append(header(wire.TypeRouteRefresh), 0, afi, 0, wire.Unicast))
}
