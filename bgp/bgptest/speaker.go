package bgptest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"depeer/bgp"
)

// Speaker is a BGP speaker that dials, announces what it is told to, and keeps
// what it is sent. The zero value of every field but ASN has a meaning.
type Speaker struct {
	ASN      uint32
	RouterID netip.Addr // 192.0.2.1 where it is not valid
	Local    netip.Addr // source address; the system's choice where it is not valid
	MD5      string     // TCP MD5 key (RFC 2385), Linux only
	TTL      int        // of the packets sent, 0 for the system's
	Hold     int        // hold time offered, seconds; 90 where 0, none where negative
	AS2      bool       // speaks AS numbers of two octets only (no RFC 6793)
	AddPath  bool       // offers to send several paths for both families (RFC 7911)
	OnlyIPv4 bool       // offers no IPv6 unicast
	OnlyIPv6 bool       // offers no IPv4 unicast
	Graceful bool       // offers graceful restart (RFC 4724) for its families
	Restart  bool       // with the Restart State bit set
	Extended bool       // offers messages of up to 65,535 octets (RFC 8654)
	NoRoute  bool       // does not offer ROUTE-REFRESH (RFC 2918)
	Mute     bool       // sends no KEEPALIVE once it is established
}

// Message is a BGP message as it was received: its type and what follows the
// header.
type Message struct {
	Type byte
	Body []byte
}

// Session is an established session of a [Speaker]. Its methods may be called
// from any goroutine.
type Session struct {
	// Encoding is how the UPDATEs of this session are to be written.
	Encoding Encoding

	conn  net.Conn
	wmu   sync.Mutex // one message at a time
	mu    sync.Mutex
	got   []Message     // guarded by mu
	more  chan struct{} // guarded by mu; closed when got grew or the session ended
	ended bool          // guarded by mu
	err   error         // guarded by mu: why it ended
	stop  chan struct{}
	once  sync.Once
	wait  sync.WaitGroup
}

// Dial opens a session with the speaker at addr (host:port) and returns when it
// is established. A NOTIFICATION in place of an OPEN is an error that [Refused]
// understands. The caller ends the session with Close or Reset.
func Dial(ctx context.Context, addr string, s Speaker) (*Session, error) {
	d := net.Dialer{Control: func(network, address string, c syscall.RawConn) error {
		return s.control(address, c)
	}}
	d.SetMultipathTCP(false) // which knows no MD5
	if s.Local.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: s.Local.AsSlice()}
	}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	t := &Session{conn: conn, more: make(chan struct{}), stop: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	hold, err := t.open(s)
	if !stop() || err != nil {
		conn.Close()
		return nil, errors.Join(err, context.Cause(ctx))
	}
	t.wait.Add(1)
	go t.read()
	if hold > 0 && !s.Mute {
		t.wait.Add(1)
		go t.keep(time.Duration(hold) * time.Second / 3)
	}
	return t, nil
}

// Refused is the answer to an OPEN that was no OPEN.
type Refused bgp.Cause

func (r Refused) Error() string {
	return fmt.Sprintf("NOTIFICATION %d/%d %q", r.Code, r.Subcode, r.Text)
}

// open exchanges OPEN and KEEPALIVE, and gives the hold time agreed upon.
func (t *Session) open(s Speaker) (hold int, err error) {
	if err := t.Send(s.Open()); err != nil {
		return 0, err
	}
	for _, want := range []byte{1, 4} {
		m, err := readMessage(t.conn)
		if err != nil {
			return 0, fmt.Errorf("open the session: %w", err)
		}
		if m.Type == 3 {
			return 0, Refused(m.Cause())
		}
		if m.Type != want || want == 1 && len(m.Body) < 10 {
			return 0, fmt.Errorf("open the session: message of type %d instead of %d", m.Type, want)
		}
		t.got = append(t.got, m)
		if want == 1 {
			hold = min(s.hold(), int(binary.BigEndian.Uint16(m.Body[3:])))
			t.Encoding = Encoding{AS2: s.AS2 || !hasCapability(m.Body, 65), AddPath: s.AddPath && hasCapability(m.Body, 69)}
			if err := t.Send(keepalive); err != nil {
				return 0, err
			}
		}
	}
	return hold, nil
}

var keepalive = func() []byte { return message(4, nil) }()

// message makes a message of a body of at most 65,516 octets.
func message(typ byte, body []byte) []byte {
	b := appendHeader(make([]byte, 0, 19+len(body)))
	b[18] = typ
	b = append(b, body...)
	binary.BigEndian.PutUint16(b[16:], uint16(len(b)))
	return b
}

// RawMessage makes a message of any type: marker, length, type, body.
func RawMessage(typ byte, body []byte) []byte { return message(typ, body) }

func (s Speaker) hold() int {
	if s.Hold == 0 {
		return 90
	}
	return max(s.Hold, 0)
}

// Open is the speaker's OPEN message (RFC 4271 section 4.2, RFC 5492).
func (s Speaker) Open() []byte {
	id := s.RouterID
	if !id.Is4() {
		id = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	}
	as := uint16(ASTrans)
	if s.ASN <= 0xffff {
		as = uint16(s.ASN)
	}
	body := []byte{4}
	body = binary.BigEndian.AppendUint16(body, as)
	body = binary.BigEndian.AppendUint16(body, uint16(s.hold()))
	body = append(body, id.AsSlice()...)
	caps := s.capabilities()
	body = append(body, byte(len(caps)+2), 2, byte(len(caps)))
	return message(1, append(body, caps...))
}

func (s Speaker) capabilities() (caps []byte) {
	add := func(code byte, value ...byte) { caps = append(append(caps, code, byte(len(value))), value...) }
	var afis []byte
	if !s.OnlyIPv6 {
		afis = append(afis, 1)
	}
	if !s.OnlyIPv4 {
		afis = append(afis, 2)
	}
	var paths []byte
	graceful := []byte{0, 120}
	if s.Restart {
		graceful[0] |= 0x80
	}
	for _, afi := range afis {
		add(1, 0, afi, 0, 1)
		paths = append(paths, 0, afi, 1, 2)
		graceful = append(graceful, 0, afi, 1, 0x80)
	}
	if !s.NoRoute {
		add(2)
	}
	if s.Extended {
		add(6)
	}
	if s.Graceful {
		add(64, graceful...)
	}
	if !s.AS2 {
		add(65, binary.BigEndian.AppendUint32(nil, s.ASN)...)
	}
	if s.AddPath {
		add(69, paths...)
	}
	return caps
}

// hasCapability looks for a capability in the body of an OPEN.
func hasCapability(body []byte, code byte) bool {
	for p := body[10:]; len(p) >= 2 && len(p) >= 2+int(p[1]); p = p[2+int(p[1]):] {
		if p[0] != 2 {
			continue
		}
		for c := p[2 : 2+int(p[1])]; len(c) >= 2 && len(c) >= 2+int(c[1]); c = c[2+int(c[1]):] {
			if c[0] == code {
				return true
			}
		}
	}
	return false
}

func readMessage(r io.Reader) (Message, error) {
	var h [19]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return Message{}, err
	}
	n := int(binary.BigEndian.Uint16(h[16:]))
	if n < 19 {
		return Message{}, fmt.Errorf("message length %d", n)
	}
	m := Message{Type: h[18], Body: make([]byte, n-19)}
	_, err := io.ReadFull(r, m.Body)
	return m, err
}

// Cause is what a NOTIFICATION says (RFC 4271 section 4.5, RFC 9003).
func (m Message) Cause() bgp.Cause {
	if m.Type != 3 || len(m.Body) < 2 {
		return bgp.Cause{}
	}
	c := bgp.Cause{Code: m.Body[0], Subcode: m.Body[1]}
	if d := m.Body[2:]; c.Code == 6 && (c.Subcode == 2 || c.Subcode == 4) && len(d) > 0 && len(d) > int(d[0]) {
		c.Text = string(d[1 : 1+int(d[0])])
	}
	return c
}

func (t *Session) read() {
	defer t.wait.Done()
	for {
		m, err := readMessage(t.conn)
		t.mu.Lock()
		if err == nil {
			t.got = append(t.got, m)
		} else {
			t.ended, t.err = true, err
		}
		close(t.more)
		t.more = make(chan struct{})
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (t *Session) keep(every time.Duration) {
	defer t.wait.Done()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if t.Send(keepalive) != nil {
				return
			}
		case <-t.stop:
			return
		}
	}
}

// Send writes bytes as they are. It blocks while the other side does not read.
func (t *Session) Send(raw []byte) error {
	t.wmu.Lock()
	defer t.wmu.Unlock()
	_, err := t.conn.Write(raw)
	return err
}

// Announce sends routes along a path, as many UPDATEs as it takes.
func (t *Session) Announce(path bgp.Path, prefixes ...netip.Prefix) error {
	routes := make([]NLRI, len(prefixes))
	for i, p := range prefixes {
		routes[i].Prefix = p
		if t.Encoding.AddPath {
			routes[i].PathID = 1
		}
	}
	return t.AnnounceRoutes(path, routes...)
}

// AnnounceRoutes is Announce with path identifiers.
func (t *Session) AnnounceRoutes(path bgp.Path, routes ...NLRI) error {
	return t.update(routes, func(part []NLRI) UpdateMessage {
		return UpdateMessage{Announce: part, Path: path, NextHop4: netip.AddrFrom4([4]byte{192, 0, 2, 1}),
			NextHop6: netip.MustParseAddr("2001:db8::1")}
	})
}

// Withdraw takes routes back, as many UPDATEs as it takes.
func (t *Session) Withdraw(prefixes ...netip.Prefix) error {
	routes := make([]NLRI, len(prefixes))
	for i, p := range prefixes {
		routes[i].Prefix = p
		if t.Encoding.AddPath {
			routes[i].PathID = 1
		}
	}
	return t.update(routes, func(part []NLRI) UpdateMessage { return UpdateMessage{Withdraw: part} })
}

// update sends messages of at most 150 prefixes of one family.
func (t *Session) update(routes []NLRI, make func([]NLRI) UpdateMessage) error {
	var out []byte
	for len(routes) > 0 {
		n := 1
		for n < len(routes) && n < 150 && routes[n].Prefix.Addr().Is4() == routes[0].Prefix.Addr().Is4() {
			n++
		}
		var err error
		if out, err = AppendUpdate(out, make(routes[:n]), t.Encoding); err != nil {
			return err
		}
		routes = routes[n:]
	}
	return t.Send(out)
}

// EndOfRIB sends the marker of one address family.
func (t *Session) EndOfRIB(v6 bool) error { return t.Send(AppendEndOfRIB(nil, v6)) }

// Received is all that came, the other side's OPEN first.
func (t *Session) Received() []Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.got[:len(t.got):len(t.got)]
}

// WaitFor waits until some received message is wanted, and gives it. It ends
// with the session's error, or with that of the context.
func (t *Session) WaitFor(ctx context.Context, want func(Message) bool) (Message, error) {
	for i := 0; ; {
		t.mu.Lock()
		got, more, ended, err := t.got, t.more, t.ended, t.err
		t.mu.Unlock()
		for ; i < len(got); i++ {
			if want(got[i]) {
				return got[i], nil
			}
		}
		if ended {
			return Message{}, fmt.Errorf("session ended: %w", err)
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// Close ends the session: with a NOTIFICATION where the cause has a code (RFC
// 9003 text included), else with the end of the TCP connection alone.
func (t *Session) Close(cause bgp.Cause) error {
	var err error
	if cause.Code != 0 {
		body := []byte{cause.Code, cause.Subcode}
		if cause.Text != "" {
			body = append(append(body, byte(len(cause.Text))), cause.Text...)
		}
		err = t.Send(message(3, body))
	}
	return errors.Join(err, t.end())
}

// Reset breaks the TCP connection off, as a router that lost its power and came
// back does (RST).
func (t *Session) Reset() error {
	if c, ok := t.conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	return t.end()
}

func (t *Session) end() (err error) {
	t.once.Do(func() {
		close(t.stop)
		err = t.conn.Close()
	})
	t.wait.Wait()
	return err
}
