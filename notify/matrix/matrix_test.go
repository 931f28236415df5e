package matrix

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"depeer/notify"
	"depeer/notify/notifytest"
)

const (
	token = "planted_matrix_access_token"
	room  = "!noc:example.org"
)

// service is a homeserver with one room.
type service struct {
	notifytest.Board
	mu     sync.Mutex
	txns   map[string]string // transaction -> event; guarded by mu
	media  map[string][]byte
	images map[string]string // event of an image -> event of its message
	pings  []string
}

type content struct {
	MsgType   string                  `json:"msgtype"`
	Body      string                  `json:"body"`
	Format    string                  `json:"format"`
	Formatted string                  `json:"formatted_body"`
	URL       string                  `json:"url"`
	Mentions  *map[string]interface{} `json:"m.mentions"`
	New       *content                `json:"m.new_content"`
	Relates   *struct {
		Type    string            `json:"rel_type"`
		Event   string            `json:"event_id"`
		InReply map[string]string `json:"m.in_reply_to"`
	} `json:"m.relates_to"`
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+token {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"errcode":"M_UNKNOWN_TOKEN","error":"Unknown token"}`)
		return
	}
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.txns == nil {
		s.txns, s.media, s.images = map[string]string{}, map[string][]byte{}, map[string]string{}
	}
	if r.URL.Path == "/_matrix/media/v3/upload" {
		s.Want(r.Method == "POST" && r.Header.Get("Content-Type") == "image/png", "upload of %q", r.Header.Get("Content-Type"))
		uri := fmt.Sprintf("mxc://example.org/m%d", len(s.media))
		s.media[uri] = body
		fmt.Fprintf(w, `{"content_uri":%q}`, uri)
		return
	}
	txn, ok := strings.CutPrefix(r.URL.Path, "/_matrix/client/v3/rooms/"+room+"/send/m.room.message/")
	if !ok || r.Method != "PUT" {
		s.Fault("%s %s", r.Method, r.URL)
		w.WriteHeader(http.StatusNotFound)
		return
	}
	event, seen := s.txns[txn]
	if !seen {
		event = fmt.Sprintf("$e%d", len(s.txns))
		s.txns[txn] = event
		s.accept(event, body)
	}
	fmt.Fprintf(w, `{"event_id":%q}`, event)
}

func (s *service) accept(event string, body []byte) {
	s.Want(len(body) < 64000, "an event of %d bytes", len(body))
	var c content
	s.Want(json.Unmarshal(body, &c) == nil && c.Body != "", "%.100s", body)
	s.Want(c.Mentions != nil, "no m.mentions: words may mention people")
	for k, v := range *c.Mentions {
		s.pings = append(s.pings, fmt.Sprint(k, v))
	}
	switch {
	case c.Relates == nil:
		s.Put(event, s.show(c))
	case c.Relates.Type == "m.replace" && c.New != nil:
		s.Want(c.New.Relates == nil, "m.new_content relates to something")
		if message := s.images[c.Relates.Event]; message != "" {
			s.Change(message, func(m *notifytest.Shown) { m.Picture = s.media[c.New.URL] })
			return
		}
		shown := s.show(*c.New)
		s.Want(s.Change(c.Relates.Event, func(m *notifytest.Shown) {
			m.Title, m.Text, m.Active, m.Closed = shown.Title, shown.Text, shown.Active, shown.Closed
			m.Edits++
		}), "an edit of nothing")
	case c.Relates.Type == "m.thread":
		s.Want(c.Relates.InReply["event_id"] != "", "a thread without fallback")
		if c.MsgType == "m.image" {
			s.images[event] = c.Relates.Event
		}
		shown := s.show(c)
		s.Want(s.Change(c.Relates.Event, func(m *notifytest.Shown) {
			if c.MsgType == "m.image" {
				m.Picture = s.media[c.URL]
				return
			}
			m.Replies = append(m.Replies, shown.Text)
			m.Active = append(m.Active, shown.Active...)
		}), "a reply to nothing")
	default:
		s.Fault("relation %+v", c.Relates)
	}
}

// show renders formatted_body and checks its tags.
func (s *service) show(c content) notifytest.Shown {
	var shown notifytest.Shown
	if c.MsgType == "m.image" {
		return shown
	}
	s.Want(c.Format == "org.matrix.custom.html", "format %q", c.Format)
	var text strings.Builder
	for z := html.NewTokenizer(strings.NewReader(c.Formatted)); z.Next() != html.ErrorToken; {
		t := z.Token()
		switch t.Type {
		case html.TextToken:
			text.WriteString(t.Data)
		case html.StartTagToken, html.SelfClosingTagToken:
			text.WriteString("\n")
			switch t.Data {
			case "strong", "br", "ul", "li", "p":
				s.Want(len(t.Attr) == 0, "<%s> has attributes", t.Data)
			case "a":
				for _, a := range t.Attr {
					shown.Active = append(shown.Active, a.Val)
				}
			default:
				s.Fault("the tag %s", t.Data)
			}
		}
	}
	shown.Text = strings.ReplaceAll(text.String(), ":\n", ": ")
	shown.Title, _, _ = strings.Cut(c.Body, "\n")
	shown.Closed = strings.Contains(shown.Title, "RESOLVED")
	return shown
}

func receiver(t *testing.T, at notifytest.Place) notify.Receiver {
	c := DefaultConfig()
	c.URL, c.Token, c.Room = at.URL, token, room
	r, err := New(c, Deps{HTTP: at.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReceiver(t *testing.T) {
	notifytest.Run(t, notifytest.HTTP{
		Subject: notifytest.Subject{Secrets: []string{token}, Pictures: true},
		Start:   func(*testing.T) notifytest.Service { return &service{} },
		New:     receiver,
	})
}

func TestMentions(t *testing.T) {
	s := &service{}
	r := notifytest.Open(t, s, receiver)
	m := notifytest.Blackout()
	m.Mention = []string{"@anna:example.org", "@room", "rubbish"}
	before, err := r.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	quiet := notifytest.Revise(m, 4, before)
	if _, err := r.Send(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pings) != 2 {
		t.Errorf("%q", s.pings)
	}
}

func TestRetryAfterInTheBody(t *testing.T) {
	r := notifytest.Open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests","retry_after_ms":2500}`)
	}), receiver)
	_, err := r.Send(t.Context(), notifytest.Blackout())
	if e, ok := err.(*notify.Error); !ok || !e.Retry || e.After != 2500*time.Millisecond {
		t.Errorf("%#v", err)
	}
}

func TestValidate(t *testing.T) {
	want := "url: is no URL without a password in it\ntoken: is missing\nroom: \"#noc:example.org\" is no room id (!abc:example.org)"
	if err := (Config{Room: "#noc:example.org"}).Validate(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}
