// Package ntfy publishes to a topic of an ntfy server.
//
// An incident is one notification: its sequence id is derived from Message.Key, and what
// is published again under it replaces what phones show (ntfy 2.16; older servers show each
// as its own). A picture is published as the attachment of the notification; where the
// server takes none, the text goes without it. Loud messages have the priority of their
// severity (critical 5, warning 4, info 3); quiet ones have 2, which makes no sound.
//
// On a public server whoever knows a topic can read it: it is treated as a secret.
package ntfy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"depeer/notify"
	"depeer/notify/plain"
	"depeer/notify/post"
	"depeer/watch"
)

// Config is one topic.
type Config struct {
	URL      string        `yaml:"url"`
	Topic    notify.Secret `yaml:"topic"`
	Token    notify.Secret `yaml:"token"` // tk_...
	User     string        `yaml:"user"`  // with a password, instead of a token
	Password notify.Secret `yaml:"password"`
	Picture  bool          `yaml:"picture"` // attach it
}

// DefaultConfig is the public server without a topic.
func DefaultConfig() Config { return Config{URL: "https://ntfy.sh", Picture: true} }

var topic = regexp.MustCompile(`^[-_A-Za-z0-9]{1,64}$`)

// Validate joins what is wrong; it shows no secret.
func (c Config) Validate() error {
	var faults []error
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		faults = append(faults, errors.New("url: is no URL without a password in it"))
	}
	if !topic.MatchString(string(c.Topic)) {
		faults = append(faults, errors.New("topic: is not 1 to 64 letters, digits, - and _"))
	}
	if c.Token != "" && c.User+string(c.Password) != "" {
		faults = append(faults, errors.New("token: give a token or a password, not both"))
	}
	return errors.Join(faults...)
}

// Deps are what a receiver works with.
type Deps struct{ HTTP *http.Client }

// Receiver publishes. It may be used by many goroutines.
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
	secrets := post.NewSecrets(string(config.Topic), string(config.Token), string(config.Password), config.User+":"+string(config.Password))
	return &Receiver{plain.Seal("ntfy receiver"), config, post.NewCourier(deps.HTTP, secrets)}, nil
}

// The server's limits, in bytes.
const (
	maxMessage = 4096
	maxTitle   = 250
	maxBeside  = 2000 // of a text beside a picture: it travels in a header
)

type publication struct {
	Topic    string   `json:"topic"`
	Sequence string   `json:"sequence_id"`
	Title    string   `json:"title"`
	Message  string   `json:"message"`
	Priority int      `json:"priority"`
	Tags     []string `json:"tags"`
	Click    string   `json:"click,omitempty"`
	Actions  []action `json:"actions,omitempty"`
}

type action struct {
	Action string `json:"action"`
	Label  string `json:"label"`
	URL    string `json:"url"`
}

// Send publishes the notification, or what replaces it.
func (r *Receiver) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	m = plain.Copy(m)
	p := r.publication(m)
	receipt := notify.Receipt{"sequence": p.Sequence}
	if m.Picture != nil && r.config.Picture {
		err := r.attach(ctx, p, m.Picture)
		if err == nil {
			return receipt, nil
		}
		if !refusesPicture(err) {
			return nil, err
		}
	}
	body, err := json.Marshal(p)
	if err != nil {
		return nil, notify.Permanent("publish to ntfy: write the message: %v", err)
	}
	err = r.courier.Do(ctx, post.Call{Act: "publish to ntfy", URL: strings.TrimSuffix(r.config.URL, "/") + "/", Header: r.auth(), Type: "application/json", Body: body})
	if err != nil {
		return nil, err
	}
	return receipt, nil
}

// Sequence is the sequence id of a key: topic letters, at most 64.
func Sequence(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "depeer-" + hex.EncodeToString(sum[:12])
}

func (r *Receiver) publication(m *notify.Message) publication {
	sign, word := plain.Mark(m)
	p := publication{Topic: string(r.config.Topic), Sequence: Sequence(m.Key), Title: plain.CutBytes(sign+" "+word+": "+m.Title, maxTitle),
		Message: plain.CutBytes(plain.Body(m), maxMessage), Priority: 2, Tags: []string{"depeer"}}
	if m.Hoster != "" && m.Incident != nil {
		p.Tags = append(p.Tags, plain.Cut(strings.ReplaceAll(plain.Line(m.Incident.Hoster), ",", " "), 40))
	}
	if m.Loud || m.Reason == notify.Test {
		p.Priority = map[watch.Severity]int{watch.Critical: 5, watch.Warning: 4}[m.Severity]
		if p.Priority == 0 {
			p.Priority = 3
		}
	}
	if m.Link != "" && len(m.Link) < 1000 {
		p.Click, p.Actions = m.Link, []action{{"view", "Open", m.Link}}
	}
	return p
}

func (r *Receiver) auth() http.Header {
	h := http.Header{}
	if r.config.Token != "" {
		h.Set("Authorization", "Bearer "+string(r.config.Token))
	} else if r.config.User != "" {
		req := http.Request{Header: h}
		req.SetBasicAuth(r.config.User, string(r.config.Password))
	}
	return h
}

// attach publishes with the picture as the body, and the rest in headers.
func (r *Receiver) attach(ctx context.Context, p publication, picture *notify.Picture) error {
	h := r.auth()
	word := func(s string) string { return mime.BEncoding.Encode("utf-8", s) }
	h.Set("X-Title", word(p.Title))
	h.Set("X-Message", word(plain.CutBytes(p.Message, maxBeside)))
	h.Set("X-Priority", strconv.Itoa(p.Priority))
	h.Set("X-Tags", word(strings.Join(p.Tags, ",")))
	h.Set("X-Filename", "timeline.png")
	h.Set("X-Sequence-ID", p.Sequence)
	if p.Click != "" {
		actions, err := json.Marshal(p.Actions)
		if err != nil {
			return err
		}
		h.Set("X-Click", p.Click)
		h.Set("X-Actions", word(string(actions)))
	}
	return r.courier.Do(ctx, post.Call{Act: "publish to ntfy with a picture", Method: http.MethodPut,
		URL: fmt.Sprintf("%s/%s", strings.TrimSuffix(r.config.URL, "/"), string(r.config.Topic)), Header: h, Type: "image/png", Body: picture.PNG})
}

// refusesPicture tells a server that takes no attachments, or not of this size, by the
// code in its answer.
func refusesPicture(err error) bool {
	var refused *post.Refused
	if !errors.As(err, &refused) {
		return false
	}
	var said struct {
		Code int `json:"code"`
	}
	if json.Unmarshal(refused.Body(), &said) != nil {
		return false
	}
	// Attachments disallowed; larger than the server takes (413).
	return said.Code == 40014 || said.Code/100 == 413
}
