// Package webhook posts each message as a CloudEvent 1.0, signed by the Standard Webhooks
// scheme: for the operator's own programs.
//
// The event's id, and webhook-id, is Message.ID: the same message has the same id however
// often it comes, so whoever keeps the ids sees it once. Its subject is Message.Key: what
// belongs to one incident at one receiver has the same, and a later event replaces an
// earlier one. Every revision is an event; nothing is kept here between two of them.
//
//	webhook-id: m-...
//	webhook-timestamp: 1226439247
//	webhook-signature: v1,BASE64(HMAC-SHA256(secret, "m-... . 1226439247 . BODY"))    without the spaces
//
// Whoever receives it checks one of the signatures, and that the time is recent. In
// structured mode the body is the whole event as JSON; in binary mode the body is the
// data, and the event's attributes are ce-* headers.
//
// Answers of 2xx mean delivered; 408, 425, 429 and 5xx (save 501 and 505) are tried again.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"depeer/notify"
	"depeer/notify/plain"
	"depeer/notify/post"
	"depeer/watch"
)

// Type is the type of every event.
const Type = "net.depeer.notification.v1"

// Config is one webhook.
type Config struct {
	URL     notify.Secret   `yaml:"url"`     // may hold a token, so it is shown nowhere
	Secrets []notify.Secret `yaml:"secrets"` // whsec_BASE64, or any text of 24 bytes or more; each signs, so that one can be replaced
	Headers []Header        `yaml:"headers"`
	Mode    string          `yaml:"mode"`     // structured or binary
	Picture bool            `yaml:"picture"`  // include the picture, base64
	MaxSize int             `yaml:"max_size"` // bytes of a body; texts, then evidence, then the picture give way
	Source  string          `yaml:"source"`   // of the events: a URI reference
}

// Header is added to each request.
type Header struct {
	Name  string        `yaml:"name"`
	Value notify.Secret `yaml:"value"`
}

// DefaultConfig is a webhook without its URL.
func DefaultConfig() Config {
	return Config{Mode: "structured", MaxSize: 256 << 10, Source: "/depeer"}
}

var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// Validate joins what is wrong; it shows no secret.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if u, err := url.Parse(string(c.URL)); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		fault("url: is no http or https URL")
	}
	for i, s := range c.Secrets {
		if _, err := key(string(s)); err != nil {
			fault("secrets[%d]: %v", i, err)
		}
	}
	for i, h := range c.Headers {
		low := strings.ToLower(h.Name)
		if !headerName.MatchString(h.Name) {
			fault("headers[%d].name: %q is no header", i, h.Name)
		} else if strings.HasPrefix(low, "webhook-") || strings.HasPrefix(low, "ce-") || slices.Contains([]string{"content-type", "content-length", "host", "transfer-encoding"}, low) {
			fault("headers[%d].name: %q is set by depeer", i, h.Name)
		}
		if strings.ContainsAny(string(h.Value), "\r\n\x00") {
			fault("headers[%d].value: has a line break", i)
		}
	}
	if c.Mode != "structured" && c.Mode != "binary" {
		fault("mode: %q is neither structured nor binary", c.Mode)
	}
	if c.MaxSize < 8<<10 || c.MaxSize > 16<<20 {
		fault("max_size: %d is not between 8192 and 16777216", c.MaxSize)
	}
	if _, err := url.Parse(c.Source); err != nil || c.Source == "" {
		fault("source: %q is no URI reference", c.Source)
	}
	return errors.Join(faults...)
}

// key is the HMAC key of a configured secret.
func key(s string) ([]byte, error) {
	raw := []byte(s)
	if text, ok := strings.CutPrefix(s, "whsec_"); ok {
		var err error
		if raw, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, errors.New("what follows whsec_ is no base64")
		}
	}
	if len(raw) < 16 {
		return nil, errors.New("is shorter than 16 bytes")
	}
	return raw, nil
}

// Deps are what a receiver works with.
type Deps struct {
	HTTP *http.Client
	Now  func() time.Time // time.Now where nil
}

// Receiver posts to one URL. It may be used by many goroutines.
type Receiver struct {
	plain.Sealed
	config  Config
	keys    [][]byte
	courier *post.Courier
	now     func() time.Time
}

var _ notify.Receiver = (*Receiver)(nil)

// New gives a receiver.
func New(config Config, deps Deps) (*Receiver, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	r := &Receiver{Sealed: plain.Seal("webhook receiver"), config: config, now: deps.Now}
	if r.now == nil {
		r.now = time.Now
	}
	var secrets []string
	for _, s := range config.Secrets {
		k, err := key(string(s))
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, k)
		secrets = append(secrets, string(s))
	}
	for _, h := range config.Headers {
		secrets = append(secrets, string(h.Value))
		if _, token, ok := strings.Cut(string(h.Value), " "); ok {
			secrets = append(secrets, token) // Bearer TOKEN
		}
	}
	r.courier = post.NewCourier(deps.HTTP, post.NewSecrets(secrets...).URL(string(config.URL)))
	return r, nil
}

// Data is what an event says.
type Data struct {
	Key       string          `json:"key"`
	Receiver  string          `json:"receiver"`
	Reason    notify.Reason   `json:"reason"`
	Severity  watch.Severity  `json:"severity"`
	Resolved  bool            `json:"resolved"`
	Loud      bool            `json:"loud"`
	Title     string          `json:"title"`
	Text      string          `json:"text"`
	Facts     []Fact          `json:"facts"`
	Changes   []string        `json:"changes"`
	Next      string          `json:"next,omitempty"`
	Link      string          `json:"link,omitempty"`
	Incident  *watch.Incident `json:"incident"` // as in CONTRACT section 3
	Events    []watch.Event   `json:"events,omitempty"`
	Picture   *Picture        `json:"picture,omitempty"`
	Shortened bool            `json:"shortened,omitempty"` // something gave way to max_size
}

// Fact is a line of a table.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Picture is a PNG, in base64.
type Picture struct {
	PNG []byte `json:"png"`
	Alt string `json:"alt"`
}

type event struct {
	SpecVersion string    `json:"specversion"`
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	Type        string    `json:"type"`
	Subject     string    `json:"subject"`
	Time        time.Time `json:"time"`
	ContentType string    `json:"datacontenttype"`
	Data        Data      `json:"data"`
}

// Send posts the event.
func (r *Receiver) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	m = plain.Copy(m)
	e := event{"1.0", m.ID, r.config.Source, Type, m.Key, m.At.UTC(), "application/json", r.data(m)}
	body, err := r.fit(&e)
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	kind := "application/cloudevents+json; charset=UTF-8"
	if r.config.Mode == "binary" {
		kind = "application/json"
		for name, value := range map[string]string{"specversion": e.SpecVersion, "id": e.ID, "source": e.Source, "type": e.Type,
			"subject": e.Subject, "time": e.Time.Format(time.RFC3339Nano)} {
			h.Set("ce-"+name, percent(value))
		}
	}
	r.sign(h, m.ID, body)
	for _, c := range r.config.Headers {
		h.Add(c.Name, string(c.Value))
	}
	if err := r.courier.Do(ctx, post.Call{Act: "post to the webhook", URL: string(r.config.URL), Header: h, Type: kind, Body: body}); err != nil {
		return nil, err
	}
	return notify.Receipt{"id": m.ID}, nil
}

func (r *Receiver) data(m *notify.Message) Data {
	d := Data{Key: m.Key, Receiver: m.Receiver, Reason: m.Reason, Severity: m.Severity, Resolved: m.Resolved, Loud: m.Loud,
		Title: m.Title, Text: m.Text, Changes: m.Changes, Next: m.Next, Link: m.Link, Incident: m.Incident, Events: m.Events}
	for _, f := range m.Facts {
		d.Facts = append(d.Facts, Fact(f))
	}
	if r.config.Picture && m.Picture != nil {
		d.Picture = &Picture{m.Picture.PNG, m.Picture.Alt}
	}
	return d
}

// sign sets the headers of the Standard Webhooks scheme.
func (r *Receiver) sign(h http.Header, id string, body []byte) {
	id = percent(id)
	stamp := strconv.FormatInt(r.now().Unix(), 10)
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", stamp)
	var signatures []string
	for _, k := range r.keys {
		mac := hmac.New(sha256.New, k)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if len(signatures) > 0 {
		h.Set("webhook-signature", strings.Join(signatures, " "))
	}
}

// percent encodes what a header cannot hold, as the HTTP binding of CloudEvents says
// (section 3.1.3.2): spaces, quotes, percent signs and all outside printable ASCII.
func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c == '"' || c == '%' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// fit encodes the event within max_size. First long texts give way, then events, the
// picture, and the incident's own lists; the title stays.
func (r *Receiver) fit(e *event) ([]byte, error) {
	d := &e.Data
	d.Title = plain.Cut(d.Title, 500)
	for _, shorten := range []func(){
		func() {},
		func() { cut(d, 1000) },
		func() { d.Events = nil; cut(d, 300) },
		func() { d.Picture = nil },
		func() { cut(d, 60); d.Link = plain.Cut(d.Link, 1000) },
		func() {
			if d.Incident != nil {
				i := *d.Incident
				i.Prefixes, i.Events = i.Prefixes[:min(len(i.Prefixes), 20)], i.Events[:min(len(i.Events), 20)]
				i.Summary = plain.Cut(i.Summary, 300)
				d.Incident = &i
			}
		},
	} {
		shorten()
		var v any = e
		if r.config.Mode == "binary" {
			v = d
		}
		body, err := json.Marshal(v)
		if err != nil {
			return nil, notify.Permanent("post to the webhook: write the event: %v", err)
		}
		if len(body) <= r.config.MaxSize {
			return body, nil
		}
		d.Shortened = true
	}
	return nil, notify.Permanent("post to the webhook: the message does not fit in max_size: %d bytes", r.config.MaxSize)
}

func cut(d *Data, n int) {
	d.Text, d.Next = plain.Cut(d.Text, n), plain.Cut(d.Next, n)
	d.Facts, d.Changes = d.Facts[:min(len(d.Facts), 10)], d.Changes[:min(len(d.Changes), 20)]
	for i := range d.Facts {
		d.Facts[i] = Fact{plain.Cut(d.Facts[i].Name, n), plain.Cut(d.Facts[i].Value, n)}
	}
	for i := range d.Changes {
		d.Changes[i] = plain.Cut(d.Changes[i], n)
	}
	if d.Picture != nil {
		d.Picture = &Picture{d.Picture.PNG, plain.Cut(d.Picture.Alt, n)}
	}
}
