// Package opsgenie opens, changes and closes alerts by Opsgenie's Alert API.
//
// An incident is one alert: Message.Key is its alias, and Opsgenie makes one open alert of
// what has the same alias. A change rewrites message, description and priority of the
// alert; an acknowledgement acknowledges it, the end closes it. A loud change creates it
// again, which Opsgenie counts on the same alert. The API has no pictures in alerts without
// an upload for each, so they are left out. (Atlassian ends Opsgenie in April 2027.)
package opsgenie

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

	"depeer/notify"
	"depeer/notify/plain"
	"depeer/notify/post"
	"depeer/watch"
)

// Config is one API integration.
type Config struct {
	Key    notify.Secret `yaml:"key"`    // of an API integration
	URL    string        `yaml:"url"`    // https://api.eu.opsgenie.com in the EU
	Tags   []string      `yaml:"tags"`   // added to each alert
	Source string        `yaml:"source"` //
}

// DefaultConfig is an integration without its key.
func DefaultConfig() Config { return Config{URL: "https://api.opsgenie.com", Source: "depeer"} }

// The limits of the Alert API.
const (
	maxMessage     = 130
	maxAlias       = 512
	maxDescription = 15000
	maxTags        = 20
	maxTag         = 50
	maxDetails     = 8000
	maxEntity      = 512
	maxSource      = 100
)

// Validate joins what is wrong; it shows no secret.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Key == "" {
		fault("key: is missing")
	}
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		fault("url: %q is no URL", c.URL)
	}
	if len(c.Tags) > maxTags-2 {
		fault("tags: %d are more than %d", len(c.Tags), maxTags-2)
	}
	for i, t := range c.Tags {
		if t == "" || len([]rune(t)) > maxTag {
			fault("tags[%d]: %q is empty or longer than %d", i, t, maxTag)
		}
	}
	if c.Source == "" || len([]rune(c.Source)) > maxSource {
		fault("source: %q is empty or longer than %d", c.Source, maxSource)
	}
	return errors.Join(faults...)
}

// Deps are what a receiver works with.
type Deps struct{ HTTP *http.Client }

// Receiver opens and closes alerts. It may be used by many goroutines.
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
	return &Receiver{plain.Seal("opsgenie receiver"), config, post.NewCourier(deps.HTTP, post.NewSecrets(string(config.Key)))}, nil
}

// Send makes the alert what the message says.
func (r *Receiver) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	m = plain.Copy(m)
	a := alias(m.Key)
	one := "/v2/alerts/" + url.PathEscape(a)
	type call struct {
		act, method, path string
		body              any
	}
	var calls []call
	change := len(m.Before) > 0 || m.Reason == notify.Changed || m.Reason == notify.Acked || m.Resolved || m.Unsure
	if !m.Resolved && (!change || m.Loud || len(m.Before) == 0) {
		calls = append(calls, call{"create the alert", http.MethodPost, "/v2/alerts", r.alert(m, a)})
	}
	if change {
		calls = append(calls,
			call{"change the alert's message", http.MethodPut, one + "/message", map[string]string{"message": plain.Cut(m.Title, maxMessage)}},
			call{"change the alert's description", http.MethodPut, one + "/description", map[string]string{"description": description(m)}},
			call{"change the alert's priority", http.MethodPut, one + "/priority", map[string]string{"priority": priority(m.Severity)}})
	}
	by := map[string]string{"source": r.config.Source, "user": "depeer"}
	if m.Resolved {
		calls = append(calls, call{"close the alert", http.MethodPost, one + "/close", by})
	} else if m.Reason == notify.Acked {
		calls = append(calls, call{"acknowledge the alert", http.MethodPost, one + "/acknowledge", by})
	}
	for _, c := range calls {
		body, err := json.Marshal(c.body)
		if err != nil {
			return nil, notify.Permanent("opsgenie %s: %v", c.act, err)
		}
		address := strings.TrimSuffix(r.config.URL, "/") + c.path
		if c.path != "/v2/alerts" {
			address += "?identifierType=alias"
		}
		err = r.courier.Do(ctx, post.Call{Act: "opsgenie " + c.act, Method: c.method, URL: address, Type: "application/json", Body: body,
			Header: http.Header{"Authorization": {"GenieKey " + string(r.config.Key)}}})
		if err != nil {
			return nil, err
		}
	}
	return notify.Receipt{"alias": a}, nil
}

func alias(key string) string {
	if len(key) <= maxAlias {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

func priority(s watch.Severity) string {
	switch s {
	case watch.Critical:
		return "P1"
	case watch.Warning:
		return "P3"
	}
	return "P5"
}

func description(m *notify.Message) string {
	_, word := plain.Mark(m)
	return plain.Cut(word+"\n"+plain.Body(m), maxDescription)
}

type alert struct {
	Message     string            `json:"message"`
	Alias       string            `json:"alias"`
	Description string            `json:"description"`
	Tags        []string          `json:"tags"`
	Details     map[string]string `json:"details"`
	Entity      string            `json:"entity,omitempty"`
	Source      string            `json:"source"`
	Priority    string            `json:"priority"`
}

func (r *Receiver) alert(m *notify.Message, a string) alert {
	out := alert{Message: plain.Cut(m.Title, maxMessage), Alias: a, Description: description(m), Source: r.config.Source,
		Entity: plain.Cut(m.Hoster, maxEntity), Priority: priority(m.Severity), Tags: append([]string{"depeer"}, r.config.Tags...), Details: map[string]string{}}
	if m.Incident != nil {
		out.Tags = append(out.Tags, plain.Cut(string(m.Incident.Class), maxTag))
		out.Details["incident"] = plain.Cut(plain.Line(m.Incident.ID), 200)
	}
	if m.Link != "" {
		out.Details["link"] = plain.Cut(m.Link, 1000)
	}
	left := maxDetails - 1500
	for _, f := range m.Facts {
		name, value := plain.Cut(f.Name, 100), plain.Cut(f.Value, 600)
		if left -= len(name) + len(value); left < 0 {
			break
		}
		out.Details[name] = value
	}
	return out
}
