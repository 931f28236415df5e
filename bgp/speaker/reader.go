package speaker

import (
	"encoding/binary"
	"io"
	"time"

	"depeer/bgp/wire"
)

// readSize is the memory of a session for what it reads at once. It holds a
// message of any length.
const readSize = 1 << 16

// reader takes messages off a stream. They are valid until the next call.
type reader struct {
	from  io.Reader
	buf   []byte
	start int
	end   int
	long  bool      // messages of more than 4,096 octets were agreed upon (RFC 8654)
	at    time.Time // of the last read, to the microsecond
	bytes uint64    // read so far
}

func newReader(from io.Reader, size int) *reader { return &reader{from: from, buf: make([]byte, size)} }

// message is one BGP message.
type message struct {
	typ  byte
	body []byte
	raw  []byte
}

// next gives the next message, and reads where there is none yet. A fault means
// that nothing behind it can be read either.
func (r *reader) next() (m message, f wire.Fault, err error) {
	for {
		have, f := r.length()
		if f != wire.None {
			return m, f, nil
		}
		if have != 0 && r.end-r.start >= have {
			raw := r.buf[r.start : r.start+have : r.start+have]
			r.start += have
			return message{typ: raw[18], body: raw[wire.HeaderLen:], raw: raw}, wire.None, nil
		}
		if r.start > 0 {
			r.end = copy(r.buf, r.buf[r.start:r.end])
			r.start = 0
		}
		n, err := r.from.Read(r.buf[r.end:])
		r.end += n
		r.bytes += uint64(n)
		r.at = time.Now().Truncate(time.Microsecond)
		if err != nil && n == 0 {
			return m, wire.None, err
		}
	}
}

// more reports whether next would give something without reading.
func (r *reader) more() bool {
	n, f := r.length()
	return f != wire.None || n != 0 && r.end-r.start >= n
}

// length of the message at hand, 0 where its header is not there yet (RFC 4271
// section 6.1).
func (r *reader) length() (int, wire.Fault) {
	b := r.buf[r.start:r.end]
	if len(b) < wire.HeaderLen {
		return 0, wire.None
	}
	if binary.LittleEndian.Uint64(b)&binary.LittleEndian.Uint64(b[8:]) != ^uint64(0) {
		return 0, wire.BadMarker
	}
	n, typ := int(binary.BigEndian.Uint16(b[16:])), b[18]
	most := maxMessage
	if r.long && typ != wire.TypeOpen && typ != wire.TypeKeepalive {
		most = maxLong
	}
	least := wire.HeaderLen
	switch typ {
	case wire.TypeOpen:
		least += 10
	case wire.TypeUpdate:
		least += 4
	case wire.TypeNotification:
		least += 2
	case wire.TypeKeepalive:
		most = wire.HeaderLen
	case wire.TypeRouteRefresh:
		least += 4
	}
	if n < least || n > most {
		return 0, wire.BadLength
	}
	return n, wire.None
}
