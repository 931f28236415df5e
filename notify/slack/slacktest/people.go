package slacktest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Request is a request as Slack signs it, for the handler of the app.
func Request(ctx context.Context, to, secret string, at time.Time, form url.Values) (*http.Request, error) {
	body := form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Slack-Request-Timestamp", stamp)
	req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return req, nil
}

// Command is the form of a slash command of user Anna.
func Command(text, responseURL, trigger string) url.Values {
	return url.Values{"command": {"/depeer"}, "text": {text}, "user_id": {"U0ANNA"}, "user_name": {"anna"}, "channel_id": {"C0NOC"},
		"response_url": {responseURL}, "trigger_id": {trigger}, "team_id": {"T0TEAM"}, "api_app_id": {"A0APP"}}
}

// Press is the payload of a button of user Anna; an option is chosen from a menu.
func Press(action, value, option, responseURL string) json.RawMessage {
	a := map[string]any{"type": "button", "action_id": action, "block_id": "b", "value": value, "action_ts": "1"}
	if option != "" {
		a = map[string]any{"type": "static_select", "action_id": action, "block_id": "b", "action_ts": "1",
			"selected_option": map[string]any{"value": option, "text": map[string]any{"type": "plain_text", "text": "x"}}}
	}
	body, err := json.Marshal(map[string]any{
		"type": "block_actions", "user": map[string]any{"id": "U0ANNA", "name": "anna", "username": "anna", "team_id": "T0TEAM"},
		"api_app_id": "A0APP", "trigger_id": "1.2.3", "response_url": responseURL, "actions": []any{a},
		"channel": map[string]any{"id": "C0NOC", "name": "noc"}, "container": map[string]any{"type": "message"},
	})
	if err != nil {
		panic(err)
	}
	return body
}

// Form is an interaction as it comes over HTTP.
func Form(payload json.RawMessage) url.Values { return url.Values{"payload": {string(payload)}} }

func (s *Server) socket(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("ticket") != "sockettickettttt" {
		http.Error(w, "no ticket", http.StatusForbidden)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	ctx := r.Context()
	if conn.Write(ctx, websocket.MessageText, []byte(`{"type":"hello","num_connections":1}`)) != nil {
		return
	}
	s.mu.Lock()
	s.sockets = append(s.sockets, conn)
	close(s.arrived)
	s.arrived = make(chan struct{})
	s.mu.Unlock()
	for {
		_, body, err := conn.Read(ctx)
		if err != nil {
			s.mu.Lock()
			for i, c := range s.sockets {
				if c == conn {
					s.sockets = append(s.sockets[:i:i], s.sockets[i+1:]...)
					break
				}
			}
			s.mu.Unlock()
			return
		}
		var ack struct {
			ID string `json:"envelope_id"`
		}
		_ = json.Unmarshal(body, &ack)
		s.mu.Lock()
		if c := s.acks[ack.ID]; c != nil {
			c <- body
			delete(s.acks, ack.ID)
		}
		s.mu.Unlock()
	}
}

// connection waits for one that was opened.
func (s *Server) connection(ctx context.Context) (*websocket.Conn, error) {
	for {
		s.mu.Lock()
		n, arrived := len(s.sockets), s.arrived
		if n > 0 {
			conn := s.sockets[n-1]
			s.mu.Unlock()
			return conn, nil
		}
		s.mu.Unlock()
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Tell sends an envelope over the newest Socket Mode connection, waiting for one, and
// gives the acknowledgement.
func (s *Server) Tell(ctx context.Context, kind, id string, payload json.RawMessage) (json.RawMessage, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return nil, err
	}
	ack := make(chan json.RawMessage, 1)
	s.mu.Lock()
	s.acks[id] = ack
	s.mu.Unlock()
	body, err := json.Marshal(map[string]any{"type": kind, "envelope_id": id, "payload": payload, "accepts_response_payload": kind == "slash_commands"})
	if err != nil {
		return nil, err
	}
	if err := conn.Write(ctx, websocket.MessageText, body); err != nil {
		return nil, err
	}
	select {
	case a := <-ack:
		return a, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Raw sends bytes as they are over the newest Socket Mode connection.
func (s *Server) Raw(ctx context.Context, body string) error {
	conn, err := s.connection(ctx)
	if err != nil {
		return err
	}
	return conn.Write(ctx, websocket.MessageText, []byte(body))
}

// Disconnect asks for a new connection and closes this one, as Slack does.
func (s *Server) Disconnect(ctx context.Context) error {
	conn, err := s.connection(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	for i, c := range s.sockets {
		if c == conn {
			s.sockets = append(s.sockets[:i:i], s.sockets[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	return conn.Write(ctx, websocket.MessageText, []byte(`{"type":"disconnect","reason":"refresh_requested"}`))
}
