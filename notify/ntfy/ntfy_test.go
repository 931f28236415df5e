package ntfy

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"depeer/notify"
	"depeer/notify/notifytest"
)

const (
	secretTopic = "planted-secret-topic"
	token       = "tk_planted0token"
)

// service is an ntfy server of 2.16 or later.
type service struct {
	notifytest.Board
	noPictures bool
	priority   atomic.Int64
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Want(r.Header.Get("Authorization") == "Bearer "+token, "authorization")
	body, _ := io.ReadAll(r.Body)
	var p publication
	shown := notifytest.Shown{}
	if r.URL.Path == "/" {
		s.Want(r.Method == "POST" && json.Unmarshal(body, &p) == nil, "%.100s", body)
		s.Want(p.Topic == secretTopic, "topic %q", p.Topic)
	} else {
		s.Want(r.Method == "PUT" && r.URL.Path == "/"+secretTopic, "%s %s", r.Method, r.URL)
		if s.noPictures {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"code":40014,"http":400,"error":"invalid request: attachments not allowed"}`)
			return
		}
		get := func(name string) string {
			raw := r.Header.Get(name)
			for _, c := range []byte(raw) {
				s.Want(c >= ' ' && c < 0x7f, "%s: %q", name, raw)
			}
			text, err := new(mime.WordDecoder).DecodeHeader(raw)
			s.Want(err == nil, "%s: %v", name, err)
			return text
		}
		p = publication{Sequence: get("X-Sequence-ID"), Title: get("X-Title"), Message: get("X-Message"), Click: get("X-Click"), Tags: strings.Split(get("X-Tags"), ",")}
		p.Priority, _ = strconv.Atoi(get("X-Priority"))
		if a := get("X-Actions"); a != "" {
			s.Want(json.Unmarshal([]byte(a), &p.Actions) == nil, "actions %q", a)
		}
		s.Want(get("X-Filename") != "", "no file name")
		shown.Picture = body
	}
	s.Want(topic.MatchString(p.Sequence), "sequence id %q", p.Sequence)
	s.Want(len(p.Message) <= 4096 && p.Priority >= 1 && p.Priority <= 5 && len(p.Actions) <= 3, "message of %d bytes, priority %d", len(p.Message), p.Priority)
	s.priority.Store(int64(p.Priority))
	shown.Title, shown.Text = p.Title, p.Title+"\n"+p.Message
	shown.Closed = strings.Contains(p.Title, "RESOLVED")
	if p.Click != "" {
		shown.Active = append(shown.Active, p.Click)
	}
	for _, a := range p.Actions {
		s.Want(a.Action == "view" && a.Label != "", "action %+v", a)
		shown.Active = append(shown.Active, a.URL)
	}
	s.Put(p.Sequence, shown)
	_, _ = io.WriteString(w, `{"id":"abc","time":1,"event":"message"}`)
}

func receiver(t *testing.T, at notifytest.Place) notify.Receiver {
	c := DefaultConfig()
	c.URL, c.Topic, c.Token = at.URL, secretTopic, token
	r, err := New(c, Deps{HTTP: at.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReceiver(t *testing.T) {
	notifytest.Run(t, notifytest.HTTP{
		Subject: notifytest.Subject{Secrets: []string{secretTopic, token}, Pictures: true},
		Start:   func(*testing.T) notifytest.Service { return &service{} },
		New:     receiver,
	})
}

func TestServerWithoutAttachments(t *testing.T) {
	s := &service{noPictures: true}
	r := notifytest.Open(t, s, receiver)
	m := notifytest.Blackout()
	m.Picture = &notify.Picture{PNG: notifytest.PNG(1), Alt: "x"}
	if _, err := r.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := s.Shown(); len(got) != 1 || got[0].Picture != nil || !strings.Contains(got[0].Text, m.Next) {
		t.Errorf("%+v", got)
	}
}

func TestPriority(t *testing.T) {
	s := &service{}
	r := notifytest.Open(t, s, receiver)
	for _, c := range []struct {
		m    notify.Message
		want int64
	}{
		{notify.Message{Severity: "critical", Loud: true}, 5}, {notify.Message{Severity: "warning", Loud: true}, 4},
		{notify.Message{Severity: "info", Loud: true}, 3}, {notify.Message{Severity: "critical"}, 2},
	} {
		if _, err := r.Send(t.Context(), &c.m); err != nil {
			t.Fatal(err)
		}
		if got := s.priority.Load(); got != c.want {
			t.Errorf("%+v: priority %d, want %d", c.m, got, c.want)
		}
	}
}

func TestValidate(t *testing.T) {
	want := "url: is no URL without a password in it\ntopic: is not 1 to 64 letters, digits, - and _\ntoken: give a token or a password, not both"
	if err := (Config{URL: "https://a:b@c", Topic: "a b", Token: "x", User: "u"}).Validate(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}
