// Package alertmanager posts incidents as alerts to the v2 API of Prometheus Alertmanager.
//
// An incident is one alert, known by its labels: alertname, hoster, incident, severity and
// those of the configuration. What is sent again is the same alert with new annotations.
// Where the severity changes, the alert of the old one is ended in the same request. An
// open alert ends by itself after Config.Hold, unless another message renews it; the end
// of the incident ends it at once. To a cluster, give every member: Alertmanagers must all
// be told.
package alertmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"depeer/notify"
	"depeer/notify/plain"
	"depeer/notify/post"
)

// Config is an Alertmanager, or the members of its cluster.
type Config struct {
	URLs     []string      `yaml:"urls"` // without /api/v2
	User     string        `yaml:"user"`
	Password notify.Secret `yaml:"password"`
	Token    notify.Secret `yaml:"token"`     // Bearer, instead of user and password
	Name     string        `yaml:"alertname"` // the label
	Labels   []Label       `yaml:"labels"`
	Hold     time.Duration `yaml:"hold"` // an open alert that nobody renews ends after this
}

// Label is added to each alert.
type Label struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

// DefaultConfig is an Alertmanager without its address.
func DefaultConfig() Config { return Config{Name: "DepeerIncident", Hold: 48 * time.Hour} }

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// Validate joins what is wrong; it shows no secret.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if len(c.URLs) == 0 {
		fault("urls: is empty")
	}
	for i, s := range c.URLs {
		if u, err := url.Parse(s); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			fault("urls[%d]: is no URL", i)
		} else if u.User != nil {
			fault("urls[%d]: has a password in it; give user and password", i)
		}
	}
	if c.Token != "" && c.User+string(c.Password) != "" {
		fault("token: give a token or a password, not both")
	}
	if c.Name == "" {
		fault("alertname: is missing")
	}
	for i, l := range c.Labels {
		if !labelName.MatchString(l.Name) || slices.Contains([]string{"alertname", "hoster", "incident", "severity"}, l.Name) {
			fault("labels[%d].name: %q is no label, or depeer's own", i, l.Name)
		}
	}
	if c.Hold < time.Minute {
		fault("hold: %v is less than 1m", c.Hold)
	}
	return errors.Join(faults...)
}

// Deps are what a receiver works with.
type Deps struct {
	HTTP *http.Client
	Now  func() time.Time // time.Now where nil
}

// Receiver posts alerts. It may be used by many goroutines.
type Receiver struct {
	plain.Sealed
	config  Config
	courier *post.Courier
	now     func() time.Time
}

var _ notify.Receiver = (*Receiver)(nil)

// New gives a receiver.
func New(config Config, deps Deps) (*Receiver, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	secrets := post.NewSecrets(string(config.Password), string(config.Token), config.User+":"+string(config.Password))
	return &Receiver{plain.Seal("alertmanager receiver"), config, post.NewCourier(deps.HTTP, secrets), deps.Now}, nil
}

// alert is a postableAlert of the v2 API.
type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// Send posts the alert to every member; one that has it is enough where others fail for a
// while, but then the message is sent again to all.
func (r *Receiver) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	m = plain.Copy(m)
	a := r.alert(m)
	alerts := []alert{a}
	if old := m.Before["severity"]; old != "" && old != string(m.Severity) {
		ended := a
		ended.Labels = map[string]string{}
		for k, v := range a.Labels {
			ended.Labels[k] = v
		}
		ended.Labels["severity"] = old
		ended.EndsAt = r.end(ended.StartsAt)
		alerts = append(alerts, ended)
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		return nil, notify.Permanent("alertmanager: write the alert: %v", err)
	}
	h := http.Header{}
	if r.config.Token != "" {
		h.Set("Authorization", "Bearer "+string(r.config.Token))
	} else if r.config.User != "" {
		req := http.Request{Header: h}
		req.SetBasicAuth(r.config.User, string(r.config.Password))
	}
	var worst error
	for _, u := range r.config.URLs {
		err := r.courier.Do(ctx, post.Call{Act: "post to alertmanager", URL: strings.TrimSuffix(u, "/") + "/api/v2/alerts", Header: h.Clone(),
			Type: "application/json", Body: body})
		var e *notify.Error
		if err != nil && (worst == nil || errors.As(err, &e) && e.Retry) {
			worst = err
		}
	}
	if worst != nil {
		return nil, worst
	}
	return notify.Receipt{"severity": string(m.Severity)}, nil
}

// end is a moment that has passed, and is not before the start.
func (r *Receiver) end(start time.Time) time.Time {
	now := r.now().UTC().Add(-time.Second)
	if now.Before(start) {
		return start
	}
	return now
}

func (r *Receiver) alert(m *notify.Message) alert {
	start := m.At.UTC()
	a := alert{Labels: map[string]string{"alertname": r.config.Name, "severity": string(m.Severity)}, GeneratorURL: m.Link}
	for _, l := range r.config.Labels {
		a.Labels[l.Name] = l.Value
	}
	if m.Incident != nil {
		a.Labels["hoster"], a.Labels["incident"] = plain.Line(m.Incident.Hoster), plain.Line(m.Incident.ID)
		start = m.Incident.Opened.UTC()
	} else {
		a.Labels["message"] = plain.Line(m.Key)
	}
	a.StartsAt, a.EndsAt = start, r.now().UTC().Add(r.config.Hold)
	if a.EndsAt.Before(start) {
		a.EndsAt = start.Add(r.config.Hold)
	}
	if m.Resolved {
		a.EndsAt = r.end(start)
	}
	a.Annotations = map[string]string{"summary": plain.Cut(m.Title, 500)}
	put := func(name, text string, limit int) {
		if text != "" {
			a.Annotations[name] = plain.Cut(text, limit)
		}
	}
	var facts []string
	for _, f := range m.Facts {
		facts = append(facts, f.Name+": "+plain.Cut(f.Value, 1000))
	}
	put("description", m.Text, 4000)
	put("facts", strings.Join(facts, "\n"), 10000)
	put("changes", strings.Join(m.Changes, "\n"), 4000)
	put("next", m.Next, 2000)
	put("link", m.Link, 2000)
	return a
}
