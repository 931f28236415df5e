package bgptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// RISLive is a server that speaks as RIPE RIS Live does, on loopback: WebSocket with
// subscriptions at URL, the stream of JSON lines at StreamURL. What it sends is
// given to it by Send and Replay; what reaches a client is decided by what that
// client subscribed to, and comes once however many subscriptions ask for it (unless
// Twice is set). A client that does not read is waited for: nothing is dropped here.
//
// Its methods may be called from any goroutine; Send and Replay keep their order.
type RISLive struct {
	Twice bool // send once for each subscription that matches; set before the first client

	server   http.Server
	listener net.Listener
	done     chan struct{}
	wg       sync.WaitGroup

	mu      sync.Mutex
	clients []*risClient  // guarded by mu
	change  chan struct{} // guarded by mu; closed at every change of clients and subscriptions
	refuse  int           // guarded by mu; HTTP status, 0 to accept
	after   time.Duration // guarded by mu
	object  string        // guarded by mu; a type of message that is not known
	deaf    bool          // guarded by mu; pings are not answered
	sent    atomic.Uint64
	total   atomic.Uint64 // connections that came up
}

// NewRISLive starts a server.
func NewRISLive() (*RISLive, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &RISLive{listener: l, done: make(chan struct{}), change: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/ws/", s.socket)
	mux.HandleFunc("/v1/stream/", s.stream)
	s.server.Handler = mux
	s.wg.Go(func() { _ = s.server.Serve(l) })
	return s, nil
}

// URL is the address for WebSocket clients.
func (s *RISLive) URL() string { return "ws://" + s.listener.Addr().String() + "/v1/ws/" }

// StreamURL is the address of the HTTP stream.
func (s *RISLive) StreamURL() string {
	return "http://" + s.listener.Addr().String() + "/v1/stream/?format=json"
}

// Close ends the server and all connections.
func (s *RISLive) Close() {
	close(s.done)
	s.Drop()
	_ = s.server.Close()
	s.wg.Wait()
}

// Refuse answers further clients with an HTTP status, 429 for instance, and asks them
// to stay away for so long; 0 lets them in again.
func (s *RISLive) Refuse(status int, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse, s.after = status, after
}

// Object answers subscriptions to a type of messages with ris_error.
func (s *RISLive) Object(typ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.object = typ
}

// Deafen leaves "ping" without its "pong", or not any more. Pings of the WebSocket
// are answered all the same.
func (s *RISLive) Deafen(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = on
}

// Drop ends all connections without a word, as a network does.
func (s *RISLive) Drop() {
	s.mu.Lock()
	clients := slices.Clone(s.clients)
	s.mu.Unlock()
	for _, c := range clients {
		c.cancel()
	}
}

// Stall keeps connections open and sends nothing, until release is called. It holds
// up Send and Replay too.
func (s *RISLive) Stall() (release func()) {
	s.mu.Lock()
	clients := slices.Clone(s.clients)
	s.mu.Unlock()
	for _, c := range clients {
		c.writing.Lock()
	}
	return func() {
		for _, c := range clients {
			c.writing.Unlock()
		}
	}
}

// Connections is how many clients there are, and how many there have ever been.
func (s *RISLive) Connections() (now, ever int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients), int(s.total.Load())
}

// Subscriptions lists what clients asked for: host, type, required key, peer, path,
// prefix, moreSpecific and lessSpecific with "|" between them, in order.
func (s *RISLive) Subscriptions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, c := range s.clients {
		for _, f := range c.filters {
			out = append(out, f.text)
		}
	}
	slices.Sort(out)
	return out
}

// Sent counts the lines that went out, to all clients together.
func (s *RISLive) Sent() uint64 { return s.sent.Load() }

// Await waits until the condition, which is asked whenever a client comes, goes or
// subscribes, is true.
func (s *RISLive) Await(ctx context.Context, condition func(s *RISLive) bool) error {
	for {
		s.mu.Lock()
		change := s.change
		s.mu.Unlock()
		if condition(s) {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return fmt.Errorf("RIS Live: waited in vain: subscriptions %q: %w", s.Subscriptions(), ctx.Err())
		}
	}
}

// Send sends messages to all who want them.
func (s *RISLive) Send(messages ...RISMessage) error {
	for i := range messages {
		if err := s.send(&messages[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *RISLive) send(m *RISMessage) error {
	s.mu.Lock()
	clients := s.clients // replaced, never changed
	s.mu.Unlock()
	var lines [2][]byte
	for _, c := range clients {
		n, raw := c.wants(m, s.Twice)
		if n == 0 {
			continue
		}
		i := 0
		if raw {
			i = 1
		}
		if lines[i] == nil {
			var err error
			if lines[i], err = m.AppendJSON(nil, raw); err != nil {
				return err
			}
		}
		for range n {
			c.write(lines[i])
		}
	}
	return nil
}

// SendLine sends a line as it is to all clients, whatever they want: garbage, for
// instance.
func (s *RISLive) SendLine(line []byte) {
	s.mu.Lock()
	clients := s.clients
	s.mu.Unlock()
	for _, c := range clients {
		c.write(line)
	}
}

// Replay sends messages at a multiple of the speed at which they were said, 0 for as
// fast as clients take them. Change, where it is not nil, may alter a message before
// it goes, to give it a present stamp for instance, and leave it out. Late is the most
// that any message went later than it was due.
func (s *RISLive) Replay(ctx context.Context, messages iter.Seq2[RISMessage, error], speed float64, change func(*RISMessage) bool) (n int, late time.Duration, err error) {
	var first time.Time
	begin := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for m, err := range messages {
		if err != nil {
			return n, late, err
		}
		if first.IsZero() {
			first = m.At
		}
		if speed > 0 {
			due := begin.Add(time.Duration(float64(m.At.Sub(first)) / speed))
			if wait := time.Until(due); wait > 0 {
				timer.Reset(wait)
				select {
				case <-timer.C:
				case <-ctx.Done():
					return n, late, ctx.Err()
				}
			} else {
				late = max(late, -wait)
			}
		}
		if n%256 == 0 && ctx.Err() != nil {
			return n, late, ctx.Err()
		}
		if change != nil && !change(&m) {
			continue
		}
		if err := s.send(&m); err != nil {
			return n, late, err
		}
		n++
	}
	return n, late, nil
}

// risClient is a connection.
type risClient struct {
	s       *RISLive
	cancel  context.CancelFunc
	ctx     context.Context
	writing sync.Mutex
	line    func(line []byte) error

	mu      *sync.Mutex  // that of the server
	filters []*risFilter // guarded by mu
}

func (c *risClient) wants(m *RISMessage, twice bool) (n int, raw bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.filters {
		if f.wants(m) {
			raw = raw || f.Options.IncludeRaw
			if n++; !twice {
				break
			}
		}
	}
	return n, raw
}

func (c *risClient) write(line []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	if err := c.line(line); err != nil {
		c.cancel()
		return
	}
	c.s.sent.Add(1)
}

func (s *RISLive) changed() {
	close(s.change)
	s.change = make(chan struct{})
}

// admit decides whether a client may come in.
func (s *RISLive) admit(w http.ResponseWriter) bool {
	s.mu.Lock()
	status, after := s.refuse, s.after
	s.mu.Unlock()
	if status == 0 {
		return true
	}
	if after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	}
	http.Error(w, http.StatusText(status), status)
	return false
}

func (s *RISLive) add(c *risClient) {
	s.total.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(slices.Clone(s.clients), c)
	s.changed()
	select {
	case <-s.done:
		c.cancel() // it came in while the others were sent away
	default:
	}
}

func (s *RISLive) remove(c *risClient) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = slices.DeleteFunc(slices.Clone(s.clients), func(x *risClient) bool { return x == c })
	s.changed()
}

// socket serves a WebSocket client.
func (s *RISLive) socket(w http.ResponseWriter, r *http.Request) {
	if !s.admit(w) {
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	s.wg.Add(1)
	defer s.wg.Done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.CloseNow() })()
	defer func() { _ = conn.CloseNow() }()
	c := &risClient{s: s, ctx: ctx, cancel: cancel, mu: &s.mu}
	c.line = func(line []byte) error { return conn.Write(ctx, websocket.MessageText, line) }
	s.add(c)
	defer s.remove(c)
	for {
		_, line, err := conn.Read(ctx)
		if err != nil {
			return
		}
		s.request(c, line)
	}
}

// request answers what a client asks.
func (s *RISLive) request(c *risClient, line []byte) {
	var q struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	answer := func(typ string, data any) {
		line, err := json.Marshal(map[string]any{"type": typ, "data": data})
		if err == nil {
			c.write(line)
		}
	}
	if err := json.Unmarshal(line, &q); err != nil {
		answer("ris_error", map[string]string{"message": "invalid JSON: " + err.Error()})
		return
	}
	switch q.Type {
	case "ping":
		s.mu.Lock()
		deaf := s.deaf
		s.mu.Unlock()
		if !deaf {
			answer("pong", nil)
		}
	case "request_rrc_list":
		answer("ris_rrc_list", []string{"rrc00.ripe.net", "rrc21.ripe.net"})
	case "ris_subscribe", "ris_unsubscribe":
		f, err := parseRISFilter(q.Data)
		s.mu.Lock()
		if err == nil && s.object != "" && f.Type != nil && *f.Type == s.object {
			err = errors.New("type " + s.object + " is not known")
		}
		if err == nil {
			c.filters = slices.DeleteFunc(slices.Clone(c.filters), func(x *risFilter) bool { return x.text == f.text })
			if q.Type == "ris_subscribe" {
				c.filters = append(c.filters, f)
			}
			s.changed()
		}
		s.mu.Unlock()
		switch {
		case err != nil:
			answer("ris_error", map[string]string{"message": err.Error()})
		case q.Type == "ris_subscribe" && f.Options.Acknowledge:
			answer("ris_subscribe_ok", map[string]json.RawMessage{"subscription": q.Data})
		}
	default:
		answer("ris_error", map[string]string{"message": "unknown request " + q.Type})
	}
}

// stream serves a client of JSON lines, with the subscription of its header.
func (s *RISLive) stream(w http.ResponseWriter, r *http.Request) {
	if !s.admit(w) {
		return
	}
	f, err := parseRISFilter([]byte(r.Header.Get("X-RIS-Subscribe")))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.wg.Add(1)
	defer s.wg.Done()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_ = out.Flush()
	c := &risClient{s: s, ctx: ctx, cancel: cancel, mu: &s.mu, filters: []*risFilter{f}}
	c.line = func(line []byte) error {
		if _, err := io.Copy(w, io.MultiReader(bytes.NewReader(line), bytes.NewReader([]byte("\n")))); err != nil {
			return err
		}
		return out.Flush()
	}
	s.add(c)
	defer s.remove(c)
	select {
	case <-ctx.Done():
	case <-s.done:
	}
	cancel()
	c.writing.Lock() // nobody may write once the handler has returned
	c.line = nil
	c.writing.Unlock()
	panic(http.ErrAbortHandler) // the connection breaks off, as a network does
}
