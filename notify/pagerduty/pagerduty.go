// Package pagerduty opens, acknowledges and resolves alerts by PagerDuty's Events API v2.
//
// An incident is one alert: Message.Key is its dedup_key, so whatever is sent again
// changes the same alert and pages nobody twice. A revision triggers it again with its new
// words; an acknowledgement acknowledges it, the end resolves it. A digest is a change
// event, which pages nobody. Pictures are left out: the API takes only addresses that the
// public can fetch.
package pagerduty

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"depeer/notify"
	"depeer/notify/plain"
	"depeer/notify/post"
	"depeer/watch"
)

// Config is one integration.
type Config struct {
	Key    notify.Secret `yaml:"key"`    // integration (routing) key
	URL    string        `yaml:"url"`    // https://events.eu.pagerduty.com in the EU
	Source string        `yaml:"source"` // what the alerts are said to come from
}

// DefaultConfig is an integration without its key.
func DefaultConfig() Config { return Config{URL: "https://events.pagerduty.com", Source: "depeer"} }

// Validate joins what is wrong; it shows no secret.
func (c Config) Validate() error {
	var faults []error
	if c.Key == "" {
		faults = append(faults, errors.New("key: is missing"))
	}
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		faults = append(faults, fmt.Errorf("url: %q is no URL", c.URL))
	}
	if c.Source == "" {
		faults = append(faults, errors.New("source: is missing"))
	}
	return errors.Join(faults...)
}

// Deps are what a receiver works with.
type Deps struct{ HTTP *http.Client }

// Receiver sends events. It may be used by many goroutines.
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
	return &Receiver{plain.Seal("pagerduty receiver"), config, post.NewCourier(deps.HTTP, post.NewSecrets(string(config.Key)))}, nil
}

// The limits of the Events API v2.
const (
	maxSummary = 1024
	maxKey     = 255
	maxEvent   = 512 << 10
)

type event struct {
	RoutingKey string   `json:"routing_key"`
	Action     string   `json:"event_action,omitempty"`
	DedupKey   string   `json:"dedup_key,omitempty"`
	Payload    *payload `json:"payload,omitempty"`
	Links      []link   `json:"links,omitempty"`
	Client     string   `json:"client,omitempty"`
	ClientURL  string   `json:"client_url,omitempty"`
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

type payload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Severity  string         `json:"severity,omitempty"`
	Timestamp string         `json:"timestamp"`
	Component string         `json:"component,omitempty"`
	Group     string         `json:"group,omitempty"`
	Class     string         `json:"class,omitempty"`
	Details   map[string]any `json:"custom_details,omitempty"`
}

// Send sends one event.
func (r *Receiver) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	m = plain.Copy(m)
	e := event{RoutingKey: string(r.config.Key), Payload: r.payload(m)}
	path := "/v2/enqueue"
	if m.Link != "" {
		e.Links = []link{{m.Link, "The incident in depeer"}}
	}
	if m.Reason == notify.Digest {
		path, e.Payload.Severity = "/v2/change/enqueue", ""
	} else {
		e.Action, e.DedupKey, e.Client, e.ClientURL = action(m), key(m.Key), "depeer", m.Link
	}
	body, err := json.Marshal(e)
	if err != nil || len(body) > maxEvent {
		return nil, notify.Permanent("pagerduty %s: the event cannot be written (%d bytes)", e.Action, len(body))
	}
	act := strings.TrimSpace("pagerduty " + e.Action)
	err = r.courier.Do(ctx, post.Call{Act: act, URL: strings.TrimSuffix(r.config.URL, "/") + path, Type: "application/json", Body: body})
	if err != nil {
		return nil, err
	}
	return notify.Receipt{"dedup_key": e.DedupKey}, nil
}

func action(m *notify.Message) string {
	switch {
	case m.Resolved:
		return "resolve"
	case m.Reason == notify.Acked:
		return "acknowledge"
	}
	return "trigger"
}

// key is a dedup_key: what is too long is hashed.
func key(s string) string {
	if len(s) <= maxKey {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func severity(s watch.Severity) string {
	switch s {
	case watch.Critical:
		return "critical"
	case watch.Warning:
		return "warning"
	}
	return "info"
}

func (r *Receiver) payload(m *notify.Message) *payload {
	p := &payload{Summary: plain.Cut(m.Title, maxSummary), Source: plain.Cut(r.config.Source, 250), Severity: severity(m.Severity),
		Timestamp: m.At.UTC().Format(time.RFC3339Nano), Component: plain.Cut(m.Hoster, 250), Group: "routing", Details: map[string]any{}}
	if m.Incident != nil {
		p.Class = string(m.Incident.Class)
	}
	for i, f := range m.Facts {
		if i == 10 {
			break
		}
		p.Details[plain.Cut(f.Name, 100)] = plain.Cut(f.Value, 1000)
	}
	p.Details["What happened"] = plain.Cut(m.Text, 4000)
	if m.Next != "" {
		p.Details["Next"] = plain.Cut(m.Next, 1000)
	}
	if len(m.Changes) > 0 {
		p.Details["New"] = plain.Cut(strings.Join(m.Changes, "\n"), 4000)
	}
	return p
}
