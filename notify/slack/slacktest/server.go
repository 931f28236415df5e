// Package slacktest is a Slack workspace in process, for tests: the parts of the Web API
// that depeer uses, Socket Mode, response_url and incoming webhooks. It holds to Slack's
// rules (tokens, channels, Block Kit's limits, files that exist), remembers what people
// see, and fails when it is told to.
//
// A [Server] is an http.Handler: the Web API is at /api/, an incoming webhook at
// /services/ANYTHING. All its methods may be called at any time, by anybody.
package slacktest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/coder/websocket"
)

// Server is a workspace.
type Server struct {
	token, appToken string

	mu        sync.Mutex // guards all below
	channels  map[string]*channel
	order     []*Message // all messages, oldest first
	files     map[string]*File
	fileOrder []string
	calls     map[string]int
	log       []string // methods of the Web API in the order of their calls
	fails     map[string][]Fault
	faults    []string
	responses []Response
	clock     int
	sockets   []*websocket.Conn
	acks      map[string]chan json.RawMessage
	arrived   chan struct{} // closed and made anew whenever a socket comes
	slow      int           // files.info calls before a file is processed
	changed   chan struct{} // closed and made anew after each request
	noBlocks  bool          // image blocks with files are refused
}

type channel struct {
	archived, outside bool
}

// Message is one that people see.
type Message struct {
	Channel   string
	TS        string
	Thread    string // ts of the message it replies to; "" for one in the channel
	Broadcast bool   // a reply that is shown in the channel too
	Text      string
	Blocks    []json.RawMessage
	Edits     int
	Webhook   bool
}

// File is a file of the app.
type File struct {
	ID, Name, Title, Alt string
	Content              []byte
	Shared               []string // "channel/thread"
	Deleted              bool
	complete             bool
	asked                int
}

// Response is what came to a response_url.
type Response struct {
	ID     string // the end of the URL
	Type   string // ephemeral, in_channel
	Text   string
	Blocks []json.RawMessage
}

// Fault is how a call fails.
type Fault struct {
	Error      string // Slack's word, answered with status 200
	Status     int    // another status, instead
	RetryAfter string
	Lost       bool // the call is done, its answer is lost
}

// New gives a workspace whose bot has the token, in the given channels.
func New(token, appToken string, channels ...string) *Server {
	s := &Server{token: token, appToken: appToken, channels: map[string]*channel{}, files: map[string]*File{},
		calls: map[string]int{}, fails: map[string][]Fault{}, acks: map[string]chan json.RawMessage{}, arrived: make(chan struct{}), changed: make(chan struct{}), clock: 1700000000}
	for _, c := range channels {
		s.channels[c] = &channel{}
	}
	return s
}

// Fail makes the next calls of a method fail, one fault each.
func (s *Server) Fail(method string, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails[method] = append(s.fails[method], faults...)
}

// SlowFiles makes files.info tell of a file only when it has been asked n times.
func (s *Server) SlowFiles(n int) { s.mu.Lock(); s.slow = n; s.mu.Unlock() }

// RefuseFileBlocks makes each image block with a file invalid.
func (s *Server) RefuseFileBlocks() { s.mu.Lock(); s.noBlocks = true; s.mu.Unlock() }

// Archive archives a channel.
func (s *Server) Archive(id string) { s.mu.Lock(); s.channels[id].archived = true; s.mu.Unlock() }

// Leave takes the bot out of a channel.
func (s *Server) Leave(id string) { s.mu.Lock(); s.channels[id].outside = true; s.mu.Unlock() }

// Delete deletes a message, as a person does.
func (s *Server) Delete(channel, ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = slices.DeleteFunc(s.order, func(m *Message) bool { return m.Channel == channel && m.TS == ts })
}

// Messages are those in a channel, oldest first, replies left out. "": in all channels.
func (s *Server) Messages(channel string) []Message {
	return s.pick(func(m *Message) bool { return (channel == "" || m.Channel == channel) && m.Thread == "" })
}

// Thread are the replies to a message, oldest first.
func (s *Server) Thread(channel, ts string) []Message {
	return s.pick(func(m *Message) bool { return m.Channel == channel && m.Thread == ts })
}

func (s *Server) pick(want func(*Message) bool) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	for _, m := range s.order {
		if want(m) {
			out = append(out, *m)
		}
	}
	return out
}

// Files are all files that were ever uploaded.
func (s *Server) Files() []File {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []File
	for _, id := range s.fileOrder {
		out = append(out, *s.files[id])
	}
	return out
}

// Calls is how often a method was called.
func (s *Server) Calls(method string) int { s.mu.Lock(); defer s.mu.Unlock(); return s.calls[method] }

// Log is every method of the Web API that was called, in order.
func (s *Server) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Faults are the rules of Slack that requests broke.
func (s *Server) Faults() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

// Responses are what was answered to people.
func (s *Server) Responses() []Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.responses)
}

// Await waits until ok, which it asks again after each request that the workspace served,
// or until ctx ends.
func (s *Server) Await(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ServeHTTP serves the workspace.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		s.mu.Lock()
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
	}()
	switch part, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); part {
	case "api":
		s.api(w, r, rest)
	case "upload":
		s.upload(w, r, rest)
	case "services":
		s.webhook(w, r)
	case "response":
		s.response(w, r, rest)
	case "socket":
		s.socket(w, r)
	default:
		http.NotFound(w, r)
	}
}

type answer map[string]any

func (s *Server) api(w http.ResponseWriter, r *http.Request, method string) {
	if err := r.ParseForm(); err != nil {
		reply(w, answer{"ok": false, "error": "invalid_form_data"})
		return
	}
	token := r.Form.Get("token")
	if h, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		token = h
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[method]++
	s.log = append(s.log, method)
	fault, failing := s.nextFault(method)
	if failing && !fault.Lost {
		fault.write(w)
		return
	}
	want := s.token
	if method == "apps.connections.open" {
		want = s.appToken
	}
	var a answer
	switch {
	case token == "":
		a = no("not_authed")
	case token != want:
		a = no("invalid_auth")
	default:
		a = s.call(method, r)
	}
	if failing {
		fault.write(w)
		return
	}
	reply(w, a)
}

func (s *Server) nextFault(method string) (Fault, bool) {
	queue := s.fails[method]
	if len(queue) == 0 {
		return Fault{}, false
	}
	s.fails[method] = queue[1:]
	return queue[0], true
}

func (f Fault) write(w http.ResponseWriter) {
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Lost && f.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	if f.Status != 0 {
		w.WriteHeader(f.Status)
		return
	}
	reply(w, no(f.Error))
}

func no(code string, messages ...string) answer {
	a := answer{"ok": false, "error": code}
	if len(messages) > 0 {
		a["response_metadata"] = answer{"messages": messages}
	}
	return a
}

func reply(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(a)
}

func (s *Server) call(method string, r *http.Request) answer {
	switch method {
	case "auth.test":
		return answer{"ok": true, "user_id": "U0BOT", "team_id": "T0TEAM", "bot_id": "B0BOT"}
	case "chat.postMessage":
		return s.post(r)
	case "chat.update":
		return s.update(r)
	case "conversations.history", "conversations.replies":
		return s.history(r, method == "conversations.replies")
	case "files.getUploadURLExternal":
		return s.uploadURL(r)
	case "files.completeUploadExternal":
		return s.completeUpload(r)
	case "files.info":
		return s.fileInfo(r)
	case "files.delete":
		return s.fileDelete(r)
	case "apps.connections.open":
		return answer{"ok": true, "url": "ws" + strings.TrimPrefix(base(r), "http") + "/socket/?ticket=sockettickettttt"}
	}
	s.faults = append(s.faults, "unknown method "+method)
	return no("unknown_method")
}

func base(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (s *Server) reach(id string) (answer, bool) {
	c, ok := s.channels[id]
	switch {
	case !ok:
		return no("channel_not_found"), false
	case c.archived:
		return no("is_archived"), false
	case c.outside:
		return no("not_in_channel"), false
	}
	return nil, true
}

// content reads and checks text and blocks.
func (s *Server) content(r *http.Request) (string, []json.RawMessage, answer) {
	text := r.Form.Get("text")
	if n := len([]rune(text)); n > 40000 {
		return "", nil, no("msg_too_long")
	}
	if r.Form.Get("link_names") != "" || r.Form.Get("parse") == "full" {
		s.faults = append(s.faults, "names in texts are made mentions (link_names, parse)")
	}
	var blocks []json.RawMessage
	if b := r.Form.Get("blocks"); b != "" {
		if err := json.Unmarshal([]byte(b), &blocks); err != nil {
			return "", nil, no("invalid_blocks_format")
		}
	}
	if text == "" && len(blocks) == 0 {
		return "", nil, no("no_text")
	}
	if broken := s.check(blocks); len(broken) > 0 {
		return "", nil, no("invalid_blocks", broken...)
	}
	return text, blocks, nil
}

func (s *Server) post(r *http.Request) answer {
	id := r.Form.Get("channel")
	if a, ok := s.reach(id); !ok {
		return a
	}
	text, blocks, a := s.content(r)
	if a != nil {
		return a
	}
	thread := r.Form.Get("thread_ts")
	if thread != "" && s.find(id, thread) == nil {
		return no("thread_not_found")
	}
	s.clock++
	m := &Message{Channel: id, TS: strconv.Itoa(s.clock) + ".000100", Thread: thread, Text: text, Blocks: blocks,
		Broadcast: r.Form.Get("reply_broadcast") == "true"}
	s.order = append(s.order, m)
	return answer{"ok": true, "channel": id, "ts": m.TS, "message": m.json()}
}

func (s *Server) update(r *http.Request) answer {
	id := r.Form.Get("channel")
	if a, ok := s.reach(id); !ok {
		return a
	}
	m := s.find(id, r.Form.Get("ts"))
	if m == nil {
		return no("message_not_found")
	}
	text, blocks, a := s.content(r)
	if a != nil {
		return a
	}
	m.Text, m.Blocks = text, blocks
	m.Edits++
	return answer{"ok": true, "channel": id, "ts": m.TS, "text": text}
}

func (s *Server) find(channel, ts string) *Message {
	for _, m := range s.order {
		if m.Channel == channel && m.TS == ts {
			return m
		}
	}
	return nil
}

func (m *Message) json() answer {
	a := answer{"type": "message", "ts": m.TS, "text": m.Text, "blocks": m.Blocks, "bot_id": "B0BOT"}
	if m.Thread != "" {
		a["thread_ts"] = m.Thread
	}
	return a
}

// history lists newest first; replies oldest first, the message itself at the beginning.
func (s *Server) history(r *http.Request, replies bool) answer {
	id := r.Form.Get("channel")
	if a, ok := s.reach(id); !ok {
		return a
	}
	limit, err := strconv.Atoi(r.Form.Get("limit"))
	if err != nil || limit < 1 || limit > 999 {
		return no("invalid_limit")
	}
	thread := r.Form.Get("ts")
	if replies && s.find(id, thread) == nil {
		return no("thread_not_found")
	}
	out := []answer{}
	for _, m := range s.order {
		if m.Channel != id || m.Webhook {
			continue
		}
		if replies && (m.TS == thread || m.Thread == thread) || !replies && (m.Thread == "" || m.Broadcast) {
			out = append(out, m.json())
		}
	}
	if !replies {
		slices.Reverse(out)
	}
	from := 0
	if cursor := r.Form.Get("cursor"); cursor != "" {
		if from, err = strconv.Atoi(cursor); err != nil || from > len(out) {
			return no("invalid_cursor")
		}
	}
	out = out[from:]
	a := answer{"ok": true, "messages": out[:min(limit, len(out))], "has_more": len(out) > limit}
	if len(out) > limit {
		a["response_metadata"] = answer{"next_cursor": strconv.Itoa(from + limit)}
	}
	return a
}
