package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"depeer/notify"
	"depeer/notify/alertmanager"
	"depeer/notify/email"
	"depeer/notify/matrix"
	"depeer/notify/ntfy"
	"depeer/notify/opsgenie"
	"depeer/notify/pagerduty"
	"depeer/notify/slack"
	"depeer/notify/syslog"
	"depeer/notify/teams"
	"depeer/notify/telegram"
	"depeer/notify/webhook"
)

// NotifyConfig is the section notify: who is told, how, and of what.
type NotifyConfig struct {
	Receivers []ReceiverConfig `yaml:"receivers"`
	notify.Config
}

// ReceiverConfig is one place to which messages go: Part is the configuration of its
// type, a pointer to the Config of its package.
type ReceiverConfig struct {
	Name string       `yaml:"name"` // [a-z0-9-]{1,32}; in subscriptions, subjects and metrics
	Type string       `yaml:"type"` // see receiverTypes
	Part receiverPart `yaml:"-"`
}

// receiverPart is the configuration of a type of receivers, whose errors begin with a key.
type receiverPart interface{ Validate() error }

// receiverDeps is what receivers are made with.
type receiverDeps struct {
	HTTP *http.Client
	Desk notify.Desk // nil: nobody can answer
	Log  *slog.Logger
}

// receiverType is a type of receivers: its defaults, and how one is made.
type receiverType struct {
	name string
	part func() receiverPart
	make func(receiverPart, receiverDeps) (notify.Receiver, error)
}

// typeOf joins the two halves of a package of notify.
func typeOf[C any, R notify.Receiver](name string, defaults func() C, make func(C, receiverDeps) (R, error)) receiverType {
	return receiverType{
		name: name,
		part: func() receiverPart {
			c := defaults()
			return any(&c).(receiverPart)
		},
		make: func(p receiverPart, d receiverDeps) (notify.Receiver, error) { return make(*any(p).(*C), d) },
	}
}

var receiverTypes = []receiverType{
	typeOf("slack", slack.DefaultConfig, func(c slack.Config, d receiverDeps) (*slack.Receiver, error) {
		return slack.New(c, slack.Deps{HTTP: d.HTTP, Desk: d.Desk, Log: d.Log})
	}),
	typeOf("email", email.DefaultConfig, func(c email.Config, d receiverDeps) (*email.Receiver, error) {
		return email.New(c, email.Deps{})
	}),
	typeOf("webhook", webhook.DefaultConfig, func(c webhook.Config, d receiverDeps) (*webhook.Receiver, error) {
		return webhook.New(c, webhook.Deps{HTTP: d.HTTP})
	}),
	typeOf("pagerduty", pagerduty.DefaultConfig, func(c pagerduty.Config, d receiverDeps) (*pagerduty.Receiver, error) {
		return pagerduty.New(c, pagerduty.Deps{HTTP: d.HTTP})
	}),
	typeOf("opsgenie", opsgenie.DefaultConfig, func(c opsgenie.Config, d receiverDeps) (*opsgenie.Receiver, error) {
		return opsgenie.New(c, opsgenie.Deps{HTTP: d.HTTP})
	}),
	typeOf("alertmanager", alertmanager.DefaultConfig, func(c alertmanager.Config, d receiverDeps) (*alertmanager.Receiver, error) {
		return alertmanager.New(c, alertmanager.Deps{HTTP: d.HTTP})
	}),
	typeOf("teams", teams.DefaultConfig, func(c teams.Config, d receiverDeps) (*teams.Receiver, error) {
		return teams.New(c, teams.Deps{HTTP: d.HTTP})
	}),
	typeOf("telegram", telegram.DefaultConfig, func(c telegram.Config, d receiverDeps) (*telegram.Receiver, error) {
		return telegram.New(c, telegram.Deps{HTTP: d.HTTP})
	}),
	typeOf("matrix", matrix.DefaultConfig, func(c matrix.Config, d receiverDeps) (*matrix.Receiver, error) {
		return matrix.New(c, matrix.Deps{HTTP: d.HTTP})
	}),
	typeOf("ntfy", ntfy.DefaultConfig, func(c ntfy.Config, d receiverDeps) (*ntfy.Receiver, error) {
		return ntfy.New(c, ntfy.Deps{HTTP: d.HTTP})
	}),
	typeOf("syslog", syslog.DefaultConfig, func(c syslog.Config, _ receiverDeps) (*syslog.Receiver, error) {
		return syslog.New(c, syslog.Deps{})
	}),
}

func receiverTypeNames() (out []string) {
	for _, t := range receiverTypes {
		out = append(out, t.name)
	}
	return out
}

// names are those of the receivers, in their order.
func (c *NotifyConfig) names() (out []string) {
	for i := range c.Receivers {
		if c.Receivers[i].Name != "" {
			out = append(out, c.Receivers[i].Name)
		}
	}
	return out
}

// types are those of the receivers, by name.
func (c *NotifyConfig) types() map[string]string {
	out := map[string]string{}
	for i := range c.Receivers {
		out[c.Receivers[i].Name] = c.Receivers[i].Type
	}
	return out
}

// decodeNotify reads the receivers, each by its type, and the rest as it is.
func (c *Config) decodeNotify(n *node, d *decoder) {
	if n.kind == nothing || n.kind == unread {
		return
	}
	if n.kind != mapping {
		d.fault(n, "must be a mapping of receivers, subscriptions, ...; is %s", n.shown())
		return
	}
	names := append([]string{"receivers"}, fieldNames(reflect.TypeFor[notify.Config]())...)
	v := reflect.ValueOf(&c.Notify.Config).Elem()
	for i, k := range n.keys {
		value := &n.items[i]
		d.in(step{key: k.name}, func() {
			switch field := slices.Index(names, k.name); {
			case field < 0 || k.name == "":
				d.unknownKey(k, names)
			case field == 0:
				c.decodeReceivers(value, d)
			default:
				d.decode(value, v.Field(field-1))
			}
		})
	}
}

func (c *Config) decodeReceivers(n *node, d *decoder) {
	if n.kind == nothing || n.kind == unread {
		return
	}
	if n.kind != list {
		d.fault(n, "must be a list, is %s", n.shown())
		return
	}
	if len(n.items) > 0 {
		c.Notify.Receivers = make([]ReceiverConfig, len(n.items))
	}
	for i := range n.items {
		d.in(step{index: i}, func() { c.Notify.Receivers[i].decode(&n.items[i], d) })
	}
}

func (r *ReceiverConfig) decode(n *node, d *decoder) {
	if n.kind == unread {
		return
	}
	if n.kind != mapping {
		d.fault(n, "must be a mapping, is %s", n.shown())
		return
	}
	if name := n.get("name"); name != nil {
		d.in(step{key: "name"}, func() { d.decode(name, reflect.ValueOf(&r.Name).Elem()) })
	}
	t := n.get("type")
	if t == nil || t.kind == nothing {
		d.fault(n, "has no type (%s)", strings.Join(receiverTypeNames(), ", "))
		return
	}
	d.in(step{key: "type"}, func() { d.decode(t, reflect.ValueOf(&r.Type).Elem()) })
	i := slices.IndexFunc(receiverTypes, func(x receiverType) bool { return x.name == r.Type })
	if i < 0 {
		if r.Type != "" {
			d.in(step{key: "type"}, func() {
				d.fault(t, "%q is none of %s%s", r.Type, strings.Join(receiverTypeNames(), ", "), didYouMean(r.Type, receiverTypeNames()))
			})
		}
		return
	}
	r.Part = receiverTypes[i].part()
	d.fields(n.without("type").without("name"), reflect.ValueOf(r.Part).Elem())
}

// validateNotify reports every fault of the section, each with its path and value.
func (c *Config) validateNotify() error {
	var errs []error
	names := map[string]int{}
	for i := range c.Notify.Receivers {
		r := &c.Notify.Receivers[i]
		at := fmt.Sprintf("notify.receivers[%d]", i)
		if !feedName.MatchString(r.Name) {
			errs = append(errs, fmt.Errorf("%s.name: %q is no name (small letters, digits and dashes, at most 32)", at, r.Name))
		} else if j, ok := names[r.Name]; ok {
			errs = append(errs, fmt.Errorf("%s.name: %q is the name of notify.receivers[%d] too", at, r.Name, j))
		} else {
			names[r.Name] = i
		}
		if r.Part == nil {
			continue
		}
		for _, err := range leaves(r.Part.Validate()) {
			errs = append(errs, fmt.Errorf("%s.%w", at, err))
		}
	}
	for _, err := range leaves(c.Notify.Validate(c.Notify.names())) {
		errs = append(errs, fmt.Errorf("notify.%w", err))
	}
	return errors.Join(errs...)
}

// receivers makes all of them.
func (c *NotifyConfig) receivers(desk notify.Desk, log *slog.Logger) (map[string]notify.Receiver, error) {
	deps := receiverDeps{HTTP: notify.HTTPClient(c.HTTP), Desk: desk, Log: log}
	out := map[string]notify.Receiver{}
	var errs []error
	for i := range c.Receivers {
		r := &c.Receivers[i]
		t := slices.IndexFunc(receiverTypes, func(x receiverType) bool { return x.name == r.Type })
		if t < 0 {
			continue // refused when it was read
		}
		one, err := receiverTypes[t].make(r.Part, deps)
		if err != nil {
			errs = append(errs, fmt.Errorf("receiver %s: %w", r.Name, err))
			continue
		}
		out[r.Name] = one
	}
	return out, errors.Join(errs...)
}
