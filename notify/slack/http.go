package slack

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/slack-go/slack"
)

const maxRequest = 1 << 20

// ServeHTTP takes Slack's signed requests: the interactivity request URL and that of the
// command may both point here. It answers at once; what was asked is done by Run.
// Requests that are not signed with the signing secret, are more than 5 minutes old, or
// were seen before are refused.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.deps.Desk == nil || r.config.SigningSecret == "" {
		http.NotFound(w, req)
		return
	}
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxRequest))
	if err != nil {
		r.refuse(w, http.StatusRequestEntityTooLarge, "the request cannot be read")
		return
	}
	now := r.deps.Now()
	if !signed(string(r.config.SigningSecret), req.Header, body, now) {
		r.refuse(w, http.StatusUnauthorized, "not signed by Slack, or too old")
		return
	}
	j, command, ok := r.parse(req.Header.Get("Content-Type"), body)
	if !ok {
		r.refuse(w, http.StatusBadRequest, "neither a command nor an interaction")
		return
	}
	if !r.counsel.first(req.Header.Get("X-Slack-Signature"), now) {
		http.Error(w, "seen before", http.StatusConflict)
		return
	}
	text := ""
	if command {
		text = "One moment …"
	}
	if err := r.counsel.offer(j); err != nil {
		text = err.Error()
	}
	if !command || text == "" {
		// An interaction has no place for a text in its acknowledgement.
		w.WriteHeader(http.StatusOK)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"response_type": "ephemeral", "text": text})
}

func (r *Receiver) refuse(w http.ResponseWriter, status int, why string) {
	r.counsel.refused.Add(1)
	http.Error(w, why, status)
}

// signed checks X-Slack-Signature: v0= and the hex of HMAC-SHA256 over
// v0:timestamp:body, in constant time.
func signed(secret string, h http.Header, body []byte, now time.Time) bool {
	stamp := h.Get("X-Slack-Request-Timestamp")
	at, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(at, 0)).Abs() > window {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	want := "v0=" + hex.EncodeToString(mac.Sum(nil))
	return hmac.Equal([]byte(want), []byte(h.Get("X-Slack-Signature")))
}

// parse reads a form that is a command, or holds an interaction as JSON in "payload".
func (r *Receiver) parse(contentType string, body []byte) (j job, command, ok bool) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return job{}, false, false
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return job{}, false, false
	}
	if payload := form.Get("payload"); payload != "" {
		var i slack.InteractionCallback
		if json.Unmarshal([]byte(payload), &i) != nil || i.Type == "" {
			return job{}, false, false
		}
		return r.interaction(i), false, true
	}
	if form.Get("ssl_check") == "1" {
		return job{}, false, true
	}
	if form.Get("command") == "" {
		return job{}, false, false
	}
	return r.command(slack.SlashCommand{
		Command: form.Get("command"), Text: form.Get("text"), UserID: form.Get("user_id"), UserName: form.Get("user_name"),
		ChannelID: form.Get("channel_id"), ResponseURL: form.Get("response_url"),
	}), true, true
}

// decode reads the payload of a Socket Mode envelope.
func decode[T any](payload json.RawMessage) (T, bool) {
	var v T
	err := json.NewDecoder(bytes.NewReader(payload)).Decode(&v)
	return v, err == nil
}
