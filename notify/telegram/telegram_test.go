package telegram

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"depeer/notify"
	"depeer/notify/notifytest"
)

const token = "123456:planted-telegram-bot-token"

// service is the Bot API.
type service struct {
	notifytest.Board
	next atomic.Int64
}

type call struct {
	ChatID    json.RawMessage `json:"chat_id"`
	MessageID int64           `json:"message_id"`
	Text      string          `json:"text"`
	Caption   string          `json:"caption"`
	ParseMode string          `json:"parse_mode"`
	Media     *struct {
		Type, Media, Caption string
		ParseMode            string `json:"parse_mode"`
	} `json:"media"`
	Markup struct {
		Keyboard [][]struct{ Text, URL string } `json:"inline_keyboard"`
	} `json:"reply_markup"`
	Reply *struct {
		MessageID int64 `json:"message_id"`
	} `json:"reply_parameters"`
}

func (s *service) read(r *http.Request) (c call, picture []byte) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		body, _ := io.ReadAll(r.Body)
		s.Want(json.Unmarshal(body, &c) == nil, "%.200s", body)
		return c, nil
	}
	s.Want(r.ParseMultipartForm(1<<20) == nil, "no form")
	fields := map[string]json.RawMessage{}
	for name, v := range r.MultipartForm.Value {
		raw := json.RawMessage(v[0])
		if !json.Valid(raw) || name == "caption" || name == "parse_mode" || name == "photo" {
			raw, _ = json.Marshal(v[0])
		}
		fields[name] = raw
	}
	body, _ := json.Marshal(fields)
	s.Want(json.Unmarshal(body, &c) == nil, "%.200s", body)
	f, _, err := r.FormFile("picture")
	s.Want(err == nil, "no picture: %v", err)
	if err == nil {
		picture, _ = io.ReadAll(f)
	}
	return c, picture
}

var (
	tag    = regexp.MustCompile(`<[^>]*>`)
	active = regexp.MustCompile(`(https?://\S+)|(?:^|\s)([@#/][A-Za-z]\w*)`)
)

// render reads Telegram's HTML and gives what is shown, and what acts.
func (s *service) render(text string, limit int) (string, []string) {
	for _, t := range tag.FindAllString(text, -1) {
		s.Want(t == "<b>" || t == "</b>", "the tag %s", t)
	}
	shown := html.UnescapeString(tag.ReplaceAllString(text, ""))
	s.Want(shown != "" && size(shown) <= limit, "%d characters, %d are allowed", size(shown), limit)
	var acts []string
	for _, a := range active.FindAllStringSubmatch(shown, -1) {
		acts = append(acts, a[1]+a[2])
	}
	return strings.ReplaceAll(shown, "\u2060", ""), acts
}

func fail(w http.ResponseWriter, status int, description, more string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"ok":false,"error_code":%d,"description":%q%s}`, status, description, more)
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method, ok := strings.CutPrefix(r.URL.Path, "/bot"+token+"/")
	if !ok {
		fail(w, 401, "Unauthorized", "")
		return
	}
	c, picture := s.read(r)
	s.Want(strings.Trim(string(c.ChatID), `"`) == "-100200", "chat_id %s", c.ChatID)
	text, limit, mode := c.Text, 4096, c.ParseMode
	if c.Caption != "" {
		text, limit = c.Caption, 1024
	}
	if c.Media != nil {
		text, limit, mode = c.Media.Caption, 1024, c.Media.ParseMode
	}
	s.Want(mode == "HTML", "parse_mode %q", mode)
	shown := notifytest.Shown{Picture: picture}
	shown.Text, shown.Active = s.render(text, limit)
	shown.Title, _, _ = strings.Cut(shown.Text, "\n")
	shown.Closed = strings.Contains(shown.Title, "RESOLVED")
	for _, row := range c.Markup.Keyboard {
		for _, b := range row {
			shown.Active = append(shown.Active, b.URL)
		}
	}
	id := c.MessageID
	switch method {
	case "sendMessage", "sendPhoto":
		s.Want((method == "sendPhoto") == (picture != nil), "%s, picture of %d bytes", method, len(picture))
		id = s.next.Add(1)
		if c.Reply != nil {
			s.Want(s.Change(fmt.Sprint(c.Reply.MessageID), func(m *notifytest.Shown) { m.Replies = append(m.Replies, shown.Text) }), "a reply to nothing")
			break
		}
		s.Put(fmt.Sprint(id), shown)
	case "editMessageText", "editMessageCaption", "editMessageMedia":
		same, photo := false, false
		if !s.Change(fmt.Sprint(id), func(m *notifytest.Shown) {
			photo = m.Picture != nil
			if picture == nil {
				shown.Picture = m.Picture
			}
			same = m.Text == shown.Text && string(m.Picture) == string(shown.Picture)
		}) {
			fail(w, 400, "Bad Request: message to edit not found", "")
			return
		}
		s.Want(photo == (method != "editMessageText"), "%s of a photo: %t", method, photo)
		if same {
			fail(w, 400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same", "")
			return
		}
		s.Put(fmt.Sprint(id), shown)
	default:
		fail(w, 404, "Not Found", "")
		return
	}
	fmt.Fprintf(w, `{"ok":true,"result":{"message_id":%d}}`, id)
}

func receiver(t *testing.T, at notifytest.Place) notify.Receiver {
	c := DefaultConfig()
	c.URL, c.Token, c.Chat = at.URL, token, "-100200"
	r, err := New(c, Deps{HTTP: at.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReceiver(t *testing.T) {
	notifytest.Run(t, notifytest.HTTP{
		Subject: notifytest.Subject{Secrets: []string{token, "planted-telegram-bot-token"}, Pictures: true, Doubles: "the Bot API has no key against doubles"},
		Start:   func(*testing.T) notifytest.Service { return &service{} },
		New:     receiver,
	})
}

func TestLoudChangeIsAReply(t *testing.T) {
	s := &service{}
	r := notifytest.Open(t, s, receiver)
	m := notifytest.Blackout()
	before, err := r.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	next := notifytest.Revise(m, 4, before)
	next.Loud = true
	if _, err := r.Send(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if got := s.Shown(); len(got) != 1 || len(got[0].Replies) != 1 || !strings.Contains(got[0].Replies[0], "AS1299 took it in at revision 4") {
		t.Errorf("%+v", got)
	}
}

func TestMentionsAreOfTheSubscriptionAlone(t *testing.T) {
	s := &service{}
	r := notifytest.Open(t, s, receiver)
	m := notifytest.Blackout()
	m.Text, m.Mention = "ask @mallory", []string{"@noc_anna", "<b>", "@x y"}
	if _, err := r.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := s.Shown()[0].Active; len(got) != 2 || got[0] != "@noc_anna" || len(s.Faults()) > 0 {
		t.Errorf("%q, %q", got, s.Faults())
	}
}

func TestGoneMessageIsSentAnew(t *testing.T) {
	s := &service{}
	r := notifytest.Open(t, s, receiver)
	m := notifytest.Blackout()
	m.Before = notify.Receipt{"message": "4711"}
	receipt, err := r.Send(t.Context(), m)
	if err != nil || receipt["message"] != "1" || len(s.Shown()) != 1 {
		t.Errorf("%v, %v, %+v", receipt, err, s.Shown())
	}
}

func TestRetryAfterInTheBody(t *testing.T) {
	r := notifytest.Open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(w, 429, "Too Many Requests: retry after 17", `,"parameters":{"retry_after":17}`)
	}), receiver)
	_, err := r.Send(t.Context(), notifytest.Blackout())
	if e, ok := err.(*notify.Error); !ok || !e.Retry || e.After != 17*time.Second {
		t.Errorf("%#v", err)
	}
}

func TestValidate(t *testing.T) {
	want := "token: is no bot's token (123456:ABC...)\nchat: \"noc\" is neither the id of a chat nor the @name of a channel\nthread: -1 is negative\nurl: is no URL"
	if err := (Config{Token: "x", Chat: "noc", Thread: -1}).Validate(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}
