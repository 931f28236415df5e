// Package matrix sends to a room by Matrix' client-server API.
//
// An incident is one m.room.message, edited by m.replace events; what is new is a message
// in its thread, which mentions people where it is loud; the picture is an image in the
// thread, replaced by edits too. Transaction ids are derived from Message.Key and
// Message.ID: what is sent again is, for the homeserver, the same event. It keeps them for
// a while (Synapse: a day) per access token: a new token between two tries may double a message.
//
// The room is not encrypted by this receiver: in an encrypted room its messages are readable
// and marked as not encrypted. Texts from outside are escaped, and m.mentions names whoever
// is mentioned, so that words mention nobody.
package matrix

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"depeer/notify"
	"depeer/notify/plain"
	"depeer/notify/post"
)

// Config is one room.
type Config struct {
	URL     string        `yaml:"url"`   // of the homeserver
	Token   notify.Secret `yaml:"token"` // access token of the bot
	Room    string        `yaml:"room"`  // id: !abc:example.org
	Picture bool          `yaml:"picture"`
}

// DefaultConfig is a room without its homeserver, id and token.
func DefaultConfig() Config { return Config{Picture: true} }

var (
	roomID = regexp.MustCompile(`^![^\s/?#]{1,250}$`)
	userID = regexp.MustCompile(`^@[^\s:]{1,200}:[^\s]{1,200}$`)
)

// Validate joins what is wrong; it shows no secret.
func (c Config) Validate() error {
	var faults []error
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		faults = append(faults, errors.New("url: is no URL without a password in it"))
	}
	if c.Token == "" {
		faults = append(faults, errors.New("token: is missing"))
	}
	if !roomID.MatchString(c.Room) {
		faults = append(faults, fmt.Errorf("room: %q is no room id (!abc:example.org)", c.Room))
	}
	return errors.Join(faults...)
}

// Deps are what a receiver works with.
type Deps struct{ HTTP *http.Client }

// Receiver sends to one room. It may be used by many goroutines.
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
	return &Receiver{plain.Seal("matrix receiver"), config, post.NewCourier(deps.HTTP, post.NewSecrets(string(config.Token)))}, nil
}

// maxPart bounds each form of a text: an event has at most 65,536 bytes, and an edit holds
// two forms twice.
const maxPart = 9000

type object map[string]any

// Send sends the message or its edit, what is new, and the picture.
func (r *Receiver) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	m = plain.Copy(m)
	receipt := notify.Receipt{}
	for k, v := range m.Before {
		receipt[k] = v
	}
	content := r.content(m, body(m))
	stale := receipt["event"] != ""
	if !stale {
		event, err := r.event(ctx, "send "+m.Key, content)
		if err != nil {
			return nil, err
		}
		receipt["event"], receipt["first"] = event, m.ID
		stale = m.Unsure // it may be the event of an earlier revision
	}
	if stale {
		content["m.mentions"] = object{} // an edit wakes nobody
		// What people see changes; those without edits see it with a star.
		outer := object{"msgtype": "m.text", "body": "* " + content["body"].(string), "m.new_content": content, "m.mentions": object{},
			"m.relates_to": object{"rel_type": "m.replace", "event_id": receipt["event"]}}
		if _, err := r.event(ctx, "edit "+m.ID, outer); err != nil {
			return nil, err
		}
		if receipt["first"] != m.ID { // it says itself what was new then
			if err := r.news(ctx, m, receipt["event"]); err != nil {
				return nil, err
			}
		}
	}
	if m.Picture != nil && r.config.Picture {
		if err := r.picture(ctx, m, receipt); err != nil {
			return nil, err
		}
	}
	return receipt, nil
}

// news tells what is new in the thread of the message.
func (r *Receiver) news(ctx context.Context, m *notify.Message, event string) error {
	lines := m.Thread // what each revision said since the last message
	if len(lines) == 0 {
		lines = m.Changes
	}
	if len(lines) == 0 && !m.Loud {
		return nil
	}
	text := strings.Join(lines, "\n")
	if text == "" {
		text = string(m.Reason) + ": " + m.Title
	}
	sign, _ := plain.Mark(m)
	text = plain.CutBytes(sign+" "+text, maxPart)
	content := r.content(m, [2]string{text, strings.ReplaceAll(html.EscapeString(text), "\n", "<br>")})
	content["m.relates_to"] = thread(event)
	_, err := r.event(ctx, "news "+m.ID, content)
	return err
}

func thread(event string) object {
	return object{"rel_type": "m.thread", "event_id": event, "is_falling_back": true, "m.in_reply_to": object{"event_id": event}}
}

// picture uploads the picture and shows it in the thread, or instead of the one before.
func (r *Receiver) picture(ctx context.Context, m *notify.Message, receipt notify.Receipt) error {
	sum := sha256.Sum256(m.Picture.PNG)
	name := hex.EncodeToString(sum[:8])
	if receipt["picture"] == name {
		return nil
	}
	var a struct {
		URI string `json:"content_uri"`
	}
	err := r.do(ctx, post.Call{Act: "matrix upload the picture", Method: http.MethodPost, URL: r.address("/_matrix/media/v3/upload?filename=timeline.png"),
		Type: "image/png", Body: m.Picture.PNG, Answer: &a})
	if err != nil {
		return err
	}
	if !strings.HasPrefix(a.URI, "mxc://") {
		return notify.Temporary(0, "matrix upload the picture: answered without an mxc:// address")
	}
	content := object{"msgtype": "m.image", "body": plain.CutBytes(m.Picture.Alt, maxPart), "filename": "timeline.png", "url": a.URI,
		"info": object{"mimetype": "image/png", "size": len(m.Picture.PNG)}, "m.mentions": object{}}
	if image := receipt["image"]; image != "" {
		content = object{"msgtype": "m.image", "body": "* timeline.png", "url": a.URI, "m.new_content": content, "m.mentions": object{},
			"m.relates_to": object{"rel_type": "m.replace", "event_id": image}}
	} else {
		content["m.relates_to"] = thread(receipt["event"])
	}
	event, err := r.event(ctx, "picture "+m.ID+" "+name, content)
	if err != nil {
		return err
	}
	if receipt["image"] == "" {
		receipt["image"] = event
	}
	receipt["picture"] = name
	return nil
}

// content is a text in both forms, and whom it mentions.
func (r *Receiver) content(m *notify.Message, forms [2]string) object {
	mentions := object{}
	text, formatted := forms[0], forms[1]
	if m.Loud {
		var users []string
		for _, who := range m.Mention {
			switch who = strings.TrimSpace(who); {
			case who == "@room":
				mentions["room"] = true
			case userID.MatchString(who) && len(users) < 20:
				users = append(users, who)
				text += "\n" + who
				formatted += `<br><a href="https://matrix.to/#/` + html.EscapeString(url.PathEscape(who)) + `">` + html.EscapeString(who) + `</a>`
			}
		}
		if len(users) > 0 {
			mentions["user_ids"] = users
		}
	}
	return object{"msgtype": "m.text", "body": text, "format": "org.matrix.custom.html", "formatted_body": formatted, "m.mentions": mentions}
}

// body is the message as plain text and as HTML.
func body(m *notify.Message) [2]string {
	sign, word := plain.Mark(m)
	head := sign + " " + word + ": " + plain.CutBytes(m.Title, 1000)
	short := *m
	cut := func(s string, n int) string { return plain.CutBytes(s, n) }
	short.Text, short.Next = cut(m.Text, 2000), cut(m.Next, 800)
	short.Facts, short.Changes = nil, nil
	var b strings.Builder
	esc := html.EscapeString
	fmt.Fprintf(&b, "<strong>%s</strong><br>%s", esc(head), strings.ReplaceAll(esc(short.Text), "\n", "<br>"))
	if len(m.Facts) > 0 {
		b.WriteString("<ul>")
		for i, f := range m.Facts {
			if i == 10 {
				break
			}
			f = notify.Fact{Name: cut(f.Name, 80), Value: cut(f.Value, 250)}
			short.Facts = append(short.Facts, f)
			fmt.Fprintf(&b, "<li><strong>%s:</strong> %s</li>", esc(f.Name), esc(f.Value))
		}
		b.WriteString("</ul>")
	}
	if short.Next != "" {
		fmt.Fprintf(&b, "<p><strong>Next:</strong> %s</p>", esc(short.Next))
	}
	if m.Link != "" && len(m.Link) < 500 {
		fmt.Fprintf(&b, `<p><a href="%s">Open in depeer</a></p>`, esc(m.Link))
	} else {
		short.Link = ""
	}
	fmt.Fprintf(&b, "<p>%s</p>", plain.When(m.At))
	return [2]string{plain.CutBytes(head+"\n"+plain.Body(&short), maxPart), b.String()}
}

func (r *Receiver) address(path string) string { return strings.TrimSuffix(r.config.URL, "/") + path }

// event sends one under a transaction id derived from name, and gives its event id.
func (r *Receiver) event(ctx context.Context, name string, content object) (string, error) {
	act := "matrix send to the room"
	encoded, err := json.Marshal(content)
	if err != nil {
		return "", notify.Permanent("%s: write the event: %v", act, err)
	}
	sum := sha256.Sum256([]byte(name))
	var a struct {
		ID string `json:"event_id"`
	}
	err = r.do(ctx, post.Call{Act: act, Method: http.MethodPut, Type: "application/json", Body: encoded, Answer: &a,
		URL: r.address("/_matrix/client/v3/rooms/" + url.PathEscape(r.config.Room) + "/send/m.room.message/depeer-" + hex.EncodeToString(sum[:16]))})
	if err != nil {
		return "", err
	}
	if a.ID == "" {
		return "", notify.Temporary(0, "%s: answered without an event id", act)
	}
	return a.ID, nil
}

// do calls with the token, and takes the time to wait from the answer.
func (r *Receiver) do(ctx context.Context, c post.Call) error {
	c.Header = http.Header{"Authorization": {"Bearer " + string(r.config.Token)}}
	err := r.courier.Do(ctx, c)
	var e *notify.Error
	var refused *post.Refused
	var said struct {
		After int64 `json:"retry_after_ms"`
	}
	if errors.As(err, &e) && errors.As(err, &refused) && e.After == 0 && json.Unmarshal(refused.Body(), &said) == nil && said.After > 0 {
		return &notify.Error{Retry: e.Retry, After: time.Duration(min(said.After, 3600_000)) * time.Millisecond, Err: e.Err}
	}
	return err
}
