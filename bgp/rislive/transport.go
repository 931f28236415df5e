package rislive

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"
)

const (
	maxLine      = 1 << 20          // octets of one message; the largest UPDATE (RFC 8654) makes half of that
	dialTimeout  = 30 * time.Second // until the server has answered
	writeTimeout = 10 * time.Second
	userAgent    = "depeer"
)

// transport is a connection to RIS Live.
type transport interface {
	read() ([]byte, error) // the next message, valid until the next call; what is longer than maxLine is an error or passed over
	write(line []byte) error
	ping(ctx context.Context) error // an error where the server does not answer
	close()                         // ends read and write
}

// statusError is a server that answers and says no.
type statusError struct {
	status string
	after  time.Duration // how long it wants to be left alone
}

func (e *statusError) Error() string { return "the server answers " + e.status }

// dial connects to the server.
func (f *Feed) dial(ctx context.Context) (transport, error) {
	u, err := url.Parse(f.cfg.URL)
	if err != nil {
		return nil, errors.New("unreadable url")
	}
	q := u.Query()
	if !q.Has("client") {
		q.Set("client", f.cfg.Client)
		u.RawQuery = q.Encode()
	}
	if u.Scheme == "http" || u.Scheme == "https" {
		return f.dialStream(ctx, u)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{HTTPClient: f.http, HTTPHeader: http.Header{"User-Agent": {userAgent}}})
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, &statusError{resp.Status, retryAfter(resp.Header, f.now())}
		}
		return nil, plain(err)
	}
	c.SetReadLimit(maxLine)
	return &socket{c: c}, nil
}

// plain leaves out of an error the address, which may hold a secret and is known
// to whoever reads it.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// socket is RIS Live over WebSocket.
type socket struct {
	c    *websocket.Conn
	line []byte
}

func (s *socket) read() ([]byte, error) {
	// A context that can end would cost an allocation for each message; close ends the read too.
	_, r, err := s.c.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	line := s.line[:0]
	for {
		if len(line) == cap(line) {
			line = append(line, make([]byte, max(len(line), 4096))...)[:len(line)]
		}
		n, err := r.Read(line[len(line):cap(line)])
		line = line[:len(line)+n]
		if err != nil {
			s.line = line
			if errors.Is(err, io.EOF) {
				return line, nil
			}
			return nil, err
		}
	}
}

func (s *socket) write(line []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return s.c.Write(ctx, websocket.MessageText, line)
}

// ping asks twice: the WebSocket, and RIS Live behind it, whose answer comes as a
// message and keeps a quiet stream from looking dead.
func (s *socket) ping(ctx context.Context) error {
	if err := s.write([]byte(`{"type":"ping"}`)); err != nil {
		return err
	}
	return s.c.Ping(ctx)
}

func (s *socket) close() { s.c.CloseNow() }

// dialStream asks for the HTTP stream: one JSON object a line.
func (f *Feed) dialStream(ctx context.Context, u *url.URL) (transport, error) {
	if q := u.Query(); !q.Has("format") {
		q.Set("format", "json")
		u.RawQuery = q.Encode()
	}
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(dialTimeout, cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel()
		return nil, plain(err)
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("X-RIS-Subscribe", string(f.everything()))
	resp, err := f.http.Do(req)
	if !late.Stop() && err == nil {
		resp.Body.Close()
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel()
		return nil, plain(err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		cancel()
		return nil, &statusError{resp.Status, retryAfter(resp.Header, f.now())}
	}
	return &stream{body: resp.Body, cancel: cancel, r: bufio.NewReaderSize(resp.Body, maxLine), long: &f.counts.longLines}, nil
}

// stream is the HTTP stream.
type stream struct {
	body   io.ReadCloser
	cancel context.CancelFunc
	r      *bufio.Reader
	long   interface{ Add(uint64) uint64 }
}

func (s *stream) read() ([]byte, error) {
	for {
		line, err := s.r.ReadSlice('\n')
		for skipped := false; errors.Is(err, bufio.ErrBufferFull) || skipped; {
			if !skipped {
				s.long.Add(1)
				skipped = true
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				_, err = s.r.ReadSlice('\n')
				continue
			}
			line = nil // the rest of the long line
			break
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("the server ended the stream")
			}
			return nil, plain(err)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
	}
}

func (s *stream) write([]byte) error         { return nil }
func (s *stream) ping(context.Context) error { return nil }

func (s *stream) close() {
	s.cancel()
	s.body.Close()
}
