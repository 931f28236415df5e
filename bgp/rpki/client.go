package rpki

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync/atomic"
	"time"
)

// ClientConfig is one cache.
type ClientConfig struct {
	Address string        // host:port
	Timeout time.Duration // for connecting, and between two PDUs of an answer; 30 s where zero
	Pause   time.Duration // before a lost cache is connected to again; doubles, up to its retry interval; 1 s where zero
}

// ClientDeps are what a Client works with.
type ClientDeps struct {
	Validator *Validator   // is kept current
	Logger    *slog.Logger // nil: silent
	Dial      func(ctx context.Context, address string) (net.Conn, error)
}

// Client keeps a Validator current from one cache.
type Client struct {
	cfg  ClientConfig
	deps ClientDeps
	log  *slog.Logger

	// Of the goroutine that runs.
	version uint8
	session uint16
	serial  uint32
	known   bool // session and serial are those of vrps
	vrps    map[VRP]struct{}
	timers  timers

	syncs, errors atomic.Uint64
}

// NewClient readies a client; nothing is connected.
func NewClient(cfg ClientConfig, deps ClientDeps) (*Client, error) {
	if _, _, err := net.SplitHostPort(cfg.Address); err != nil {
		return nil, fmt.Errorf("rtr: %q is no host:port", cfg.Address)
	}
	if deps.Validator == nil {
		return nil, errors.New("an RTR client needs a validator")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Pause == 0 {
		cfg.Pause = time.Second
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Dial == nil {
		d := &net.Dialer{Timeout: cfg.Timeout}
		deps.Dial = func(ctx context.Context, address string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
	}
	return &Client{cfg: cfg, deps: deps, log: deps.Logger, version: 1, vrps: map[VRP]struct{}{}, timers: defaultTimers}, nil
}

// Counts is how often the data were brought up to date, and how often that failed.
func (c *Client) Counts() (syncs, failed uint64) { return c.syncs.Load(), c.errors.Load() }

// Run keeps the validator current until ctx ends, and returns nil then. A cache that is away is asked again after the retry interval.
func (c *Client) Run(ctx context.Context) error {
	pause := c.cfg.Pause
	for {
		before := c.syncs.Load()
		err := c.connection(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var refused *refusal
		if errors.As(err, &refused) && refused.code == errVersion && c.version > 0 {
			c.version = 0 // RFC 8210 section 7: the cache speaks RFC 6810
			c.known = false
			continue
		}
		c.errors.Add(1)
		c.log.Warn("rpki: a cache is lost", "cache", c.cfg.Address, "err", err)
		if c.syncs.Load() > before {
			pause = c.cfg.Pause
		}
		t := time.NewTimer(min(pause, c.timers.retry))
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		pause *= 2
	}
}

// connection speaks with the cache until either ends it.
func (c *Client) connection(ctx context.Context) error {
	conn, err := c.deps.Dial(ctx, c.cfg.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	s := &rtrSession{c: c, conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
	for {
		err := s.sync()
		var fault *rtrError
		if errors.As(err, &fault) {
			s.report(fault)
		}
		if err != nil {
			return err
		}
		if err := s.wait(); err != nil {
			return err
		}
	}
}

// rtrSession is one connection.
type rtrSession struct {
	c    *Client
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
}

func (s *rtrSession) next(within time.Duration) (pdu, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return pdu{}, err
	}
	p, buf, err := readPDU(s.r, s.buf)
	s.buf = buf
	if err != nil {
		return p, err
	}
	if p.kind == pduErrorReport {
		return p, readRefusal(p)
	}
	if p.version != s.c.version {
		return p, &rtrError{errWrongNumber, fmt.Sprintf("version %d within version %d", p.version, s.c.version)}
	}
	return p, nil
}

func (s *rtrSession) report(e *rtrError) {
	body := make([]byte, 8, 8+len(e.text))
	binary.BigEndian.PutUint32(body[4:], uint32(len(e.text)))
	s.conn.SetWriteDeadline(time.Now().Add(s.c.cfg.Timeout))
	if err := writePDU(s.conn, s.c.version, pduErrorReport, e.code, append(body, e.text...)); err != nil {
		s.c.log.Debug("rpki: report an error", "err", err)
	}
}

// sync brings the data up to date: by an increment where there are data of this session, else whole.
func (s *rtrSession) sync() error {
	c := s.c
	if c.known {
		err := s.query(true)
		if !errors.Is(err, errReset) {
			return err
		}
		c.known = false
	}
	return s.query(false)
}

// query asks, and takes the answer in whole.
func (s *rtrSession) query(increment bool) error {
	c := s.c
	s.conn.SetWriteDeadline(time.Now().Add(c.cfg.Timeout))
	var err error
	if increment {
		err = writePDU(s.conn, c.version, pduSerialQuery, c.session, binary.BigEndian.AppendUint32(nil, c.serial))
	} else {
		err = writePDU(s.conn, c.version, pduResetQuery, 0, nil)
	}
	if err != nil {
		return err
	}
	begun := false
	next := map[VRP]struct{}{}
	for {
		p, err := s.next(c.cfg.Timeout)
		if err != nil {
			var r *refusal
			if errors.As(err, &r) && r.code == errNoData {
				return fmt.Errorf("%w: it has no data yet", err)
			}
			return err
		}
		switch p.kind {
		case pduSerialNotify: // it may come at any time
		case pduCacheReset:
			if !increment {
				return &rtrError{errCorrupt, "a Cache Reset to a Reset Query"}
			}
			return errReset
		case pduCacheResponse:
			if increment && p.field != c.session {
				// RFC 8210 section 5.5: the cache began anew; what it said before is another story.
				return errReset
			}
			if increment {
				next = maps.Clone(c.vrps)
			}
			c.session, begun = p.field, true
		case pduIPv4, pduIPv6:
			if err := change(next, p, begun); err != nil {
				return err
			}
		case pduRouterKey: // BGPsec, which says nothing of origins
		case pduEndOfData:
			if !begun || p.field != c.session {
				return &rtrError{errCorrupt, "an End of Data without its beginning"}
			}
			return s.end(p, next)
		default:
			return &rtrError{errUnknownPDU, fmt.Sprintf("a PDU of type %d", p.kind)}
		}
	}
}

// change takes one prefix in, or out.
func change(set map[VRP]struct{}, p pdu, begun bool) error {
	v, announce, err := readVRP(p)
	if err != nil {
		return err
	}
	_, have := set[v]
	switch {
	case !begun:
		return &rtrError{errCorrupt, "a prefix before the Cache Response"}
	case announce && have:
		return &rtrError{errDuplicate, fmt.Sprintf("%s AS%d is announced twice", v.Prefix, v.ASN)}
	case announce && len(set) >= maxVRPs:
		return &rtrError{errCorrupt, fmt.Sprintf("more than %d prefixes", maxVRPs)}
	case announce:
		set[v] = struct{}{}
	case !have:
		return &rtrError{errWithdrawal, fmt.Sprintf("%s AS%d is withdrawn, and was not announced", v.Prefix, v.ASN)}
	default:
		delete(set, v)
	}
	return nil
}

// end puts what was told in force.
func (s *rtrSession) end(p pdu, next map[VRP]struct{}) error {
	c := s.c
	serial, t, err := readEnd(p)
	if err != nil {
		return err
	}
	c.serial, c.timers, c.vrps, c.known = serial, t, next, true
	now := time.Now().UTC()
	c.deps.Validator.Use(NewSet(slices.Collect(maps.Keys(next))), c.cfg.Address, now, now.Add(t.expire))
	c.syncs.Add(1)
	c.log.Info("rpki", "cache", c.cfg.Address, "serial", serial, "vrps", len(next))
	return nil
}

// wait returns when it is time to ask again: the cache said so, or the refresh interval is over.
func (s *rtrSession) wait() error {
	p, err := s.next(s.c.timers.refresh)
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil
	case errors.Is(err, io.EOF):
		return errors.New("the cache closed the connection")
	case err != nil:
		return err
	case p.kind == pduSerialNotify:
		return nil
	}
	// Anything else is out of place between two answers.
	fault := &rtrError{errCorrupt, fmt.Sprintf("a PDU of type %d between two answers", p.kind)}
	s.report(fault)
	return fault
}
