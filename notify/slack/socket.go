package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/slack-go/slack"

	"depeer/notify"
)

// Socket Mode is spoken here, not by slack-go's socketmode: that leaves a goroutine behind
// when it ends, and dials past the HTTP client with its guard.

const (
	minBack   = time.Second
	maxBack   = 2 * time.Minute
	heartbeat = 30 * time.Second // a connection that answers no ping for so long is dead
)

// envelope is what comes over the socket.
type envelope struct {
	Type     string          `json:"type"` // hello, disconnect, slash_commands, interactive
	ID       string          `json:"envelope_id"`
	Payload  json.RawMessage `json:"payload"`
	Reason   string          `json:"reason"`
	Response bool            `json:"accepts_response_payload"`
}

// listen holds one Socket Mode connection after the other until ctx ends.
func (r *Receiver) listen(ctx context.Context) {
	for back := minBack; ctx.Err() == nil; {
		greeted, err := r.connection(ctx)
		if ctx.Err() != nil {
			return
		}
		if greeted {
			back = minBack
		}
		wait := back/2 + rand.N(back)
		var e *notify.Error
		if errors.As(err, &e) {
			wait = max(wait, e.After)
			if !e.Retry {
				wait = maxBack // a token that is wrong stays so until somebody acts
			}
		}
		if err == nil {
			wait = 0 // Slack asked for a new connection, as it does every few hours
		} else {
			r.deps.Log.Warn("slack: socket mode", "error", err, "again_in", wait)
			back = min(2*back, maxBack)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// connection opens one and reads it to its end; nil where Slack asked for another.
func (r *Receiver) connection(ctx context.Context) (greeted bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, address, err := r.api.StartSocketModeContext(ctx)
	if err != nil {
		return false, r.judge("slack apps.connections.open", err)
	}
	if address == "" {
		return false, notify.Temporary(0, "slack apps.connections.open: answered without an address")
	}
	client := http.Client{}
	if r.deps.HTTP != nil {
		client = *r.deps.HTTP
	}
	client.Timeout = 0 // it would end the connection, not the opening
	dialing, stop := context.WithTimeout(ctx, heartbeat)
	defer stop()
	conn, _, err := websocket.Dial(dialing, address, &websocket.DialOptions{HTTPClient: &client})
	if err != nil {
		// The address holds a ticket.
		return false, notify.Temporary(0, "slack socket: connect: %v", r.secretAddress(address).Hide(err.Error()))
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxRequest)
	beat := make(chan struct{})
	go func() {
		defer close(beat)
		defer cancel()
		keep(ctx, conn)
	}()
	defer func() {
		cancel()
		<-beat
	}()
	for {
		var e envelope
		kind, body, err := conn.Read(ctx)
		if err != nil {
			return greeted, notify.Temporary(0, "slack socket: read: %v", err)
		}
		if kind != websocket.MessageText || json.Unmarshal(body, &e) != nil {
			r.counsel.refused.Add(1)
			continue
		}
		switch e.Type {
		case "hello":
			greeted = true
		case "disconnect":
			return greeted, nil
		default:
			if err := r.envelope(ctx, conn, e); err != nil {
				return greeted, err
			}
		}
	}
}

// keep pings until one is not answered.
func keep(ctx context.Context, conn *websocket.Conn) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			pinging, cancel := context.WithTimeout(ctx, heartbeat)
			err := conn.Ping(pinging)
			cancel()
			if err != nil {
				return
			}
		}
	}
}

// envelope acknowledges, then queues what was asked.
func (r *Receiver) envelope(ctx context.Context, conn *websocket.Conn, e envelope) error {
	var j job
	ok, command := false, false
	switch e.Type {
	case "slash_commands":
		var c slack.SlashCommand
		if c, ok = decode[slack.SlashCommand](e.Payload); ok {
			j, command = r.command(c), true
		}
	case "interactive":
		var i slack.InteractionCallback
		if i, ok = decode[slack.InteractionCallback](e.Payload); ok {
			j = r.interaction(i)
		}
	}
	if !ok || e.ID == "" {
		r.counsel.refused.Add(1)
		if e.ID == "" {
			return nil
		}
		j = job{}
	}
	ack := map[string]any{"envelope_id": e.ID}
	if r.counsel.first(e.ID, r.deps.Now()) {
		text := "One moment …"
		if err := r.counsel.offer(j); err != nil {
			text = err.Error()
		}
		if command && e.Response {
			ack["payload"] = map[string]string{"response_type": "ephemeral", "text": text}
		}
	}
	body, err := json.Marshal(ack)
	if err != nil {
		return fmt.Errorf("slack socket: acknowledge: %w", err)
	}
	writing, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	if err := conn.Write(writing, websocket.MessageText, body); err != nil {
		return notify.Temporary(0, "slack socket: acknowledge: %v", err)
	}
	return nil
}
