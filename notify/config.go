package notify

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// Config is the part `notify` of the configuration, less the receivers, which are
// read by their types.
type Config struct {
	Subscriptions []Subscription `yaml:"subscriptions"`
	Silences      []Silence      `yaml:"silences"`
	Templates     []Template     `yaml:"templates"`
	Zone          string         `yaml:"zone"`     // of the clock of hours, quiet hours and digests, where they name none
	Link          string         `yaml:"link"`     // the page of an incident, {id} stands for it; "": messages have no link
	Every         time.Duration  `yaml:"every"`    // at most one change of an incident in this time; the last state is always told
	Settle        time.Duration  `yaml:"settle"`   // what comes back within this time after its end goes on in the same message
	Picture       time.Duration  `yaml:"picture"`  // a picture that takes longer is left out
	Timeout       time.Duration  `yaml:"timeout"`  // of one attempt to send
	Parallel      int            `yaml:"parallel"` // messages on their way to one receiver
	Waiting       int            `yaml:"waiting"`  // messages that wait for one receiver; beyond, the oldest is a dead letter
	Retry         Retry          `yaml:"retry"`
	Breaker       Breaker        `yaml:"breaker"`
	Lease         time.Duration  `yaml:"lease"` // of several processes one tells; when it is gone, another takes over after this long
	HTTP          HTTPConfig     `yaml:"http"`
}

// Retry is how a message is sent again.
type Retry struct {
	First  time.Duration `yaml:"first"`   // pause after the first failure; it doubles with each
	Most   time.Duration `yaml:"most"`    // and never is longer than this; a third of it more or less, by chance
	GiveUp time.Duration `yaml:"give_up"` // what has not arrived after this long is a dead letter
}

// Breaker is when a receiver is left alone.
type Breaker struct {
	Failures int           `yaml:"failures"` // in a row
	Pause    time.Duration `yaml:"pause"`    // then one message is tried; the pause doubles up to retry.most
}

// DefaultConfig tells nobody, for there is no subscription.
func DefaultConfig() Config {
	return Config{
		Zone: "UTC", Every: 30 * time.Second, Settle: 30 * time.Minute, Picture: 3 * time.Second, Timeout: 30 * time.Second, Parallel: 4, Waiting: 10_000,
		Retry:   Retry{First: 2 * time.Second, Most: 5 * time.Minute, GiveUp: 24 * time.Hour},
		Breaker: Breaker{Failures: 5, Pause: 30 * time.Second},
		Lease:   10 * time.Second,
		HTTP:    DefaultHTTPConfig(),
	}
}

// Validate reports every fault, each with its key and value. receivers are the names there are.
func (c *Config) Validate(receivers []string) error {
	f := &faultList{}
	names := map[string]int{}
	if _, err := location(c.Zone); err != nil {
		f.add("zone", "%w", err)
	}
	for i := range c.Subscriptions {
		s := &c.Subscriptions[i]
		f.join(fmt.Sprintf("subscriptions[%d].", i), s.Validate(receivers, ""))
		if j, ok := names[s.Name]; ok {
			f.add(fmt.Sprintf("subscriptions[%d].name", i), "%q is the name of subscriptions[%d] too", s.Name, j)
		}
		names[s.Name] = i
	}
	ids := map[string]int{}
	for i := range c.Silences {
		s := &c.Silences[i]
		f.join(fmt.Sprintf("silences[%d].", i), s.Validate())
		if j, ok := ids[s.ID]; ok {
			f.add(fmt.Sprintf("silences[%d].id", i), "%q is the id of silences[%d] too", s.ID, j)
		}
		ids[s.ID] = i
	}
	for i := range c.Templates {
		f.join(fmt.Sprintf("templates[%d].", i), c.Templates[i].Validate())
	}
	if c.Link != "" {
		if u, err := url.Parse(c.Link); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			f.add("link", "%q is no http or https address", c.Link)
		}
	}
	least := func(key string, v, least time.Duration) {
		if v < least {
			f.add(key, "%s is less than %s", v, least)
		}
	}
	least("every", c.Every, 0)
	least("settle", c.Settle, 0)
	least("picture", c.Picture, 0)
	least("timeout", c.Timeout, time.Second)
	least("retry.first", c.Retry.First, 10*time.Millisecond)
	least("retry.most", c.Retry.Most, c.Retry.First)
	least("retry.give_up", c.Retry.GiveUp, time.Minute)
	least("breaker.pause", c.Breaker.Pause, 10*time.Millisecond)
	least("lease", c.Lease, time.Second)
	if c.Picture > 10*time.Second {
		f.add("picture", "%s is more than 10s: no message waits so long for a picture", c.Picture)
	}
	for key, n := range map[string]int{"breaker.failures": c.Breaker.Failures, "parallel": c.Parallel, "waiting": c.Waiting} {
		if n < 1 {
			f.add(key, "%d is less than 1", n)
		}
	}
	f.join("http.", c.HTTP.Validate())
	slices.SortStableFunc(f.all, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(f.all...)
}

// join adds faults that have keys of their own.
func (f *faultList) join(path string, err error) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			f.join(path, e)
		}
	} else if err != nil {
		f.all = append(f.all, fmt.Errorf("%s%w", path, err))
	}
}
