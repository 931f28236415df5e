package bmp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

const (
	// firstMessage is how long a new connection may say nothing.
	firstMessage = 30 * time.Second
	readBuffer   = 64 << 10
	// batchSize is how many updates are gathered, where so many are there.
	batchSize = 1024
)

var seed = maphash.MakeSeed()

// conn is one connection of a router.
type conn struct {
	s      *Station
	net    net.Conn
	addr   netip.Addr
	br     *bufio.Reader
	router *router // nil until it is named
	offset int64   // octets read, up to the present message
	since  time.Time
	last   time.Time   // of the last message
	gave   atomic.Bool // way to a newer connection

	peers map[peerKey]*monitored
	batch []bgp.Update

	scratch wire.Update
	patched []byte // see examine

	// The last peer: messages come in runs.
	lastKey  peerKey
	lastPeer *monitored
}

// errEnd is an end of a connection that the router meant.
type errEnd string

func (e errEnd) Error() string { return string(e) }

// serve reads a connection to its end. It gives an error only where emit did or
// ctx ended; all else is the router's affair, and told by Unheard.
func (s *Station) serve(ctx context.Context, c *conn) error {
	defer context.AfterFunc(ctx, func() { c.net.Close() })()
	defer c.net.Close()
	err := c.read(ctx)
	if stop := (*stopError)(nil); errors.As(err, &stop) {
		return stop.err
	}
	if c.router == nil {
		s.log.Warn("BMP connection ended before the router was known", "router", c.addr, "reason", reasonOf(err))
		return nil
	}
	defer s.release(c)
	if ctx.Err() != nil {
		return nil
	}
	reason := c.reason(err)
	s.log.Warn("router lost", "router", c.router.name, "address", c.addr, "reason", reason)
	s.lost(c, reason)
	c.unhear(reason)
	return c.flush(ctx)
}

// stopError is what ends Run.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }

func (c *conn) reason(err error) string {
	if c.gave.Load() {
		return "replaced by a newer connection of the same router"
	}
	return reasonOf(err)
}

func reasonOf(err error) string {
	switch end := errEnd(""); {
	case errors.As(err, &end):
		return string(end)
	case errors.Is(err, io.EOF):
		return "the router closed the connection"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the router closed the connection within a message"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "the router was silent for too long"
	}
	return err.Error()
}

// read takes in messages until the connection ends.
func (c *conn) read(ctx context.Context) error {
	var big []byte
	for {
		head, err := c.peek(ctx, headerLen)
		if err != nil {
			return err
		}
		n, err := frame(head, c.s.cfg.MaxMessage)
		if err != nil {
			c.s.counts.add(badFrame)
			return fmt.Errorf("router %s: octet %d: %w", c.name(), c.offset, err)
		}
		var b []byte
		if n <= readBuffer {
			if b, err = c.peek(ctx, n); err != nil {
				return midway(err)
			}
		} else {
			if cap(big) < n {
				big = make([]byte, n)
			}
			b = big[:n]
			if err := c.flush(ctx); err != nil {
				return err
			}
			c.deadline()
			if _, err := io.ReadFull(c.br, b); err != nil {
				return midway(err)
			}
		}
		c.last = c.s.now()
		if err := c.take(ctx, b); err != nil {
			return err
		}
		if n <= readBuffer {
			c.br.Discard(n) // there, and so never an error
		} else {
			big = nil // large ones are rare: not kept
		}
		c.offset += int64(n)
		if len(c.batch) >= batchSize {
			if err := c.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// midway tells a connection that ended within a message.
func midway(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// peek waits for n octets. What was gathered goes out before it waits.
func (c *conn) peek(ctx context.Context, n int) ([]byte, error) {
	if c.br.Buffered() < n {
		if err := c.flush(ctx); err != nil {
			return nil, err
		}
		c.deadline()
	}
	b, err := c.br.Peek(n)
	if err == io.EOF && len(b) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

func (c *conn) deadline() {
	switch d := c.s.cfg.ReadTimeout; {
	case c.router == nil:
		c.net.SetReadDeadline(c.since.Add(firstMessage))
	case d > 0:
		c.net.SetReadDeadline(c.s.now().Add(d))
	}
}

// flush hands on what was gathered. It waits for its turn.
func (c *conn) flush(ctx context.Context) error {
	if len(c.batch) == 0 {
		return nil
	}
	select {
	case c.s.turn <- struct{}{}:
	case <-ctx.Done():
		return &stopError{ctx.Err()}
	}
	err := c.s.emit(c.batch)
	<-c.s.turn
	clear(c.batch) // the paths are emit's
	if c.batch = c.batch[:0]; cap(c.batch) > 8*batchSize {
		c.batch = nil
	}
	if err != nil {
		return &stopError{err}
	}
	return nil
}

func (c *conn) name() string {
	if c.router != nil {
		return c.router.name
	}
	return c.addr.String()
}

// take takes in one message.
func (c *conn) take(ctx context.Context, b []byte) error {
	m, f := parse(b)
	c.s.counts.add(min(counter(m.typ), otherType))
	if c.router == nil {
		if err := c.introduce(ctx, &m); err != nil {
			return err
		}
	}
	atomic.StoreInt64(&c.router.heard, c.last.UnixNano())
	if f != 0 {
		c.s.counts.add(f)
		return nil
	}
	switch m.typ {
	case routeMonitoring:
		f = c.route(&m)
		if f == ignoredHeld {
			return c.heldTooLong(&m)
		}
	case statisticsReport:
		f = c.stats(&m)
	case peerDown:
		f = c.peerDown(&m)
	case peerUp:
		f = c.peerUp(&m)
	case termination:
		text, f := m.goodbye()
		if f != 0 {
			c.s.counts.add(f)
		}
		return errEnd("terminated by the router: " + text)
	case routeMirroring:
		f = c.mirror(&m)
	}
	if f != 0 {
		c.s.counts.add(f)
	}
	return nil
}

// introduce names the router: from the first message, an Initiation unless the
// router breaks RFC 7854 section 4.3.
func (c *conn) introduce(ctx context.Context, m *message) error {
	var h hello
	if m.typ == initiation {
		var f counter
		if h, f = m.hello(); f != 0 {
			c.s.counts.add(f)
		}
	} else {
		c.s.counts.add(noInitiation)
	}
	if err := c.s.claim(ctx, c, h); err != nil {
		return &stopError{err}
	}
	c.net.SetReadDeadline(time.Time{})
	c.router.forget(c.s.cfg.MaxPeers)
	for _, v := range c.router.peers {
		v.view, v.held = noView, time.Time{}
	}
	c.s.log.Info("router connected", "router", c.router.name, "address", c.addr, "description", h.description)
	return nil
}
