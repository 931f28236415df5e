// Package telegram sends to a chat by Telegram's Bot API.
//
// An incident is one message, edited as the story moves: a photo with a caption (1024
// characters) where its first message had a picture, a text (4096) otherwise. A loud change
// is a reply to it as well, since an edit wakes nobody. A message that is gone is sent anew.
//
// The Bot API has no key against doubles: a process that is killed between sending and
// recording sends the first message a second time.
//
// Texts are HTML with everything from outside escaped. Telegram makes links and mentions
// of plain words by itself; addresses, @names, /commands and #tags from outside are broken
// by an invisible character. A bare domain name may still become a link. A subscription
// mentions members of the chat by their @names.
package telegram

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"depeer/notify"
	"depeer/notify/plain"
	"depeer/notify/post"
)

// Config is one chat.
type Config struct {
	Token  notify.Secret `yaml:"token"`  // of the bot
	Chat   string        `yaml:"chat"`   // id, or @name of a public channel
	Thread int           `yaml:"thread"` // topic of a forum; 0: none
	URL    string        `yaml:"url"`    // of the Bot API
}

// DefaultConfig is a chat without its id and token.
func DefaultConfig() Config { return Config{URL: "https://api.telegram.org"} }

var (
	chatID   = regexp.MustCompile(`^(-?[0-9]{1,20}|@[A-Za-z0-9_]{4,64})$`)
	botToken = regexp.MustCompile(`^[0-9]{3,20}:[A-Za-z0-9_-]{10,100}$`)
)

// Validate joins what is wrong; it shows no secret.
func (c Config) Validate() error {
	var faults []error
	if !botToken.MatchString(string(c.Token)) {
		faults = append(faults, errors.New("token: is no bot's token (123456:ABC...)"))
	}
	if !chatID.MatchString(c.Chat) {
		faults = append(faults, fmt.Errorf("chat: %q is neither the id of a chat nor the @name of a channel", c.Chat))
	}
	if c.Thread < 0 {
		faults = append(faults, fmt.Errorf("thread: %d is negative", c.Thread))
	}
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		faults = append(faults, errors.New("url: is no URL"))
	}
	return errors.Join(faults...)
}

// Deps are what a receiver works with.
type Deps struct{ HTTP *http.Client }

// Receiver sends to one chat. It may be used by many goroutines.
type Receiver struct {
	plain.Sealed
	config  Config
	courier *post.Courier
}

var _ notify.Receiver = (*Receiver)(nil)

// New gives a receiver.
func New(config Config, deps Deps) (*Receiver, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	return &Receiver{plain.Seal("telegram receiver"), config, post.NewCourier(deps.HTTP, post.NewSecrets(string(config.Token)))}, nil
}

// The limits of the Bot API, after entities are parsed.
const (
	maxText    = 4096
	maxCaption = 1024
)

// params are the fields of a call.
type params map[string]any

// Send sends the message, or edits it.
func (r *Receiver) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	m = plain.Copy(m)
	if id := m.Before["message"]; id != "" {
		receipt, err := r.edit(ctx, m, id)
		if err == nil {
			return receipt, r.shout(ctx, m, id)
		}
		if !gone(err) {
			return nil, err
		}
	}
	p := params{"chat_id": r.config.Chat, "disable_notification": !m.Loud, "reply_markup": buttons(m)}
	if r.config.Thread > 0 {
		p["message_thread_id"] = r.config.Thread
	}
	receipt := notify.Receipt{"id": m.ID}
	method, picture := "sendMessage", m.Picture
	if picture != nil {
		method, p["photo"], p["caption"], p["parse_mode"] = "sendPhoto", "attach://picture", text(m, maxCaption), "HTML"
		receipt["photo"] = "yes"
	} else {
		p["text"], p["parse_mode"], p["link_preview_options"] = text(m, maxText), "HTML", params{"is_disabled": true}
	}
	id, err := r.call(ctx, method, p, picture)
	if err != nil {
		return nil, err
	}
	if id == 0 {
		return nil, notify.Temporary(0, "telegram %s: answered without the id of a message", method)
	}
	receipt["message"] = strconv.FormatInt(id, 10)
	return receipt, nil
}

func (r *Receiver) edit(ctx context.Context, m *notify.Message, id string) (notify.Receipt, error) {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, &notify.Error{Err: &post.Refused{Act: "telegram: edit a message without a number"}}
	}
	p := params{"chat_id": r.config.Chat, "message_id": number, "reply_markup": buttons(m)}
	method, picture := "editMessageText", (*notify.Picture)(nil)
	switch {
	case m.Before["photo"] == "":
		p["text"], p["parse_mode"], p["link_preview_options"] = text(m, maxText), "HTML", params{"is_disabled": true}
	case m.Picture == nil:
		method, p["caption"], p["parse_mode"] = "editMessageCaption", text(m, maxCaption), "HTML"
	default:
		method, picture = "editMessageMedia", m.Picture
		p["media"] = params{"type": "photo", "media": "attach://picture", "caption": text(m, maxCaption), "parse_mode": "HTML"}
	}
	if _, err := r.call(ctx, method, p, picture); err != nil && !says(err, "message is not modified") {
		return nil, err
	}
	return m.Before, nil
}

// shout replies what is new to the message, where people are to be woken.
func (r *Receiver) shout(ctx context.Context, m *notify.Message, id string) error {
	number, err := strconv.ParseInt(id, 10, 64)
	if !m.Loud || err != nil || m.Before["id"] == m.ID && m.ID != "" {
		return nil
	}
	short := *m
	short.Facts, short.Text = nil, ""
	_, err = r.call(ctx, "sendMessage", params{"chat_id": r.config.Chat, "text": text(&short, maxText), "parse_mode": "HTML",
		"link_preview_options": params{"is_disabled": true}, "reply_parameters": params{"message_id": number, "allow_sending_without_reply": true}}, nil)
	return err
}

func buttons(m *notify.Message) params {
	rows := [][]params{}
	if m.Link != "" && len(m.Link) < 2000 {
		rows = append(rows, []params{{"text": "Open", "url": m.Link}})
	}
	return params{"inline_keyboard": rows}
}

// answer is what the Bot API says.
type answer struct {
	OK          bool            `json:"ok"`
	Description string          `json:"description"`
	Result      json.RawMessage `json:"result"`
	Parameters  struct {
		RetryAfter int `json:"retry_after"`
	} `json:"parameters"`
}

// call gives the id of the message that it ended with, where it did.
func (r *Receiver) call(ctx context.Context, method string, p params, picture *notify.Picture) (int64, error) {
	act := "telegram " + method
	body, kind, err := encode(p, picture)
	if err != nil {
		return 0, notify.Permanent("%s: write the request: %v", act, err)
	}
	var a answer
	err = r.courier.Do(ctx, post.Call{Act: act, URL: strings.TrimSuffix(r.config.URL, "/") + "/bot" + string(r.config.Token) + "/" + method,
		Type: kind, Body: body, Answer: &a})
	if err != nil {
		return 0, patient(err)
	}
	if !a.OK {
		return 0, notify.Temporary(0, "%s: answered neither success nor an error", act)
	}
	var result struct {
		ID int64 `json:"message_id"`
	}
	_ = json.Unmarshal(a.Result, &result) // "true" for some edits
	return result.ID, nil
}

// patient takes the time to wait from the answer, where Telegram writes it.
func patient(err error) error {
	var e *notify.Error
	var refused *post.Refused
	var a answer
	if errors.As(err, &e) && errors.As(err, &refused) && json.Unmarshal(refused.Body(), &a) == nil && a.Parameters.RetryAfter > 0 && e.After == 0 {
		return &notify.Error{Retry: e.Retry, After: time.Duration(min(a.Parameters.RetryAfter, 3600)) * time.Second, Err: e.Err}
	}
	return err
}

func says(err error, text string) bool {
	var refused *post.Refused
	return errors.As(err, &refused) && strings.Contains(string(refused.Body()), text)
}

func gone(err error) bool {
	return says(err, "message to edit not found") || says(err, "message can't be edited") || says(err, "MESSAGE_ID_INVALID")
}

// encode writes JSON, or a form with the picture.
func encode(p params, picture *notify.Picture) ([]byte, string, error) {
	if picture == nil {
		body, err := json.Marshal(p)
		return body, "application/json", err
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range p {
		s, ok := value.(string)
		if !ok {
			body, err := json.Marshal(value)
			if err != nil {
				return nil, "", err
			}
			s = string(body)
		}
		if err := w.WriteField(name, s); err != nil {
			return nil, "", err
		}
	}
	part, err := w.CreateFormFile("picture", "timeline.png")
	if err != nil {
		return nil, "", err
	}
	if _, err := part.Write(picture.PNG); err != nil {
		return nil, "", err
	}
	err = w.Close()
	return b.Bytes(), w.FormDataContentType(), err
}

var breaks = strings.NewReplacer("@", "@\u2060", "://", ":\u2060//", "#", "#\u2060", "www.", "www\u2060.", "/", "/\u2060")

// foreign is text from outside: escaped, and with nothing in it that Telegram makes active.
// A slash is only broken where it begins a word.
func foreign(s string) string {
	words := strings.Split(s, " ")
	for i, w := range words {
		if strings.ContainsAny(w, "@#") || strings.Contains(w, "://") || strings.Contains(w, "www.") || strings.HasPrefix(w, "/") {
			words[i] = breaks.Replace(w)
		}
	}
	return html.EscapeString(strings.Join(words, " "))
}

// text is the message within limit characters: parts that do not fit are left out, the
// least important first.
func text(m *notify.Message, limit int) string {
	sign, word := plain.Mark(m)
	type part struct{ shown, html string }
	title := plain.Cut(m.Title, 300)
	parts := []part{{sign + " " + word + ": " + title, "<b>" + sign + " " + word + ": " + foreign(title) + "</b>"}}
	add := func(label, value string) {
		shown := value
		out := foreign(value)
		if label != "" {
			shown, out = label+": "+value, "<b>"+foreign(label)+":</b> "+out
		}
		parts = append(parts, part{shown, out})
	}
	when := plain.When(m.At)
	if whom := whom(m); whom != "" {
		parts = append(parts, part{whom, whom})
	}
	third := limit / 3
	if m.Text != "" {
		add("", plain.Cut(m.Text, third))
	}
	for i, c := range m.Changes {
		if i < 5 {
			add("New", plain.Cut(c, third/5))
		}
	}
	if m.Next != "" {
		add("Next", plain.Cut(m.Next, third/2))
	}
	for i, f := range m.Facts {
		if i < 10 {
			add(plain.Cut(f.Name, 60), plain.Cut(f.Value, 300))
		}
	}
	left := limit - size(when) - 1
	var out []string
	for _, p := range parts {
		// What breaks a word counts too.
		need := size(p.shown) + strings.Count(p.html, "\u2060") + 1
		if need > left {
			continue
		}
		left -= need
		out = append(out, p.html)
	}
	return strings.Join(append(out, when), "\n")
}

var userName = regexp.MustCompile(`^@[A-Za-z0-9_]{4,32}$`)

// whom is who is to be woken: @names of members of the chat.
func whom(m *notify.Message) string {
	var out []string
	for _, who := range m.Mention {
		if m.Loud && userName.MatchString(who) && len(out) < 10 {
			out = append(out, who)
		}
	}
	return strings.Join(out, " ")
}

func size(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}
