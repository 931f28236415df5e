package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

func (s *Server) webhook(w http.ResponseWriter, r *http.Request) {
	var m struct {
		Text   string            `json:"text"`
		Blocks []json.RawMessage `json:"blocks"`
	}
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["webhook"]++
	if f, ok := s.nextFault("webhook"); ok {
		f.write(w)
		return
	}
	if err := json.Unmarshal(body, &m); err != nil {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	if broken := s.check(m.Blocks); len(broken) > 0 {
		http.Error(w, "invalid_blocks", http.StatusBadRequest)
		return
	}
	s.clock++
	s.order = append(s.order, &Message{Channel: "webhook", TS: fmt.Sprint(s.clock), Text: m.Text, Blocks: m.Blocks, Webhook: true})
	_, _ = io.WriteString(w, "ok")
}

func (s *Server) response(w http.ResponseWriter, r *http.Request, id string) {
	var m struct {
		Type   string            `json:"response_type"`
		Text   string            `json:"text"`
		Blocks []json.RawMessage `json:"blocks"`
	}
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls["response_url"]++
	if f, ok := s.nextFault("response_url"); ok {
		f.write(w)
		return
	}
	if err := json.Unmarshal(body, &m); err != nil || len(s.check(m.Blocks)) > 0 {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	s.responses = append(s.responses, Response{id, m.Type, m.Text, m.Blocks})
	_, _ = io.WriteString(w, "ok")
}
