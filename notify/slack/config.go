package slack

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"depeer/notify"
	"depeer/watch"
)

// Config is one Slack receiver: a bot (Token) or an incoming webhook (Webhook).
type Config struct {
	Token         notify.Secret `yaml:"token"`          // of the bot, xoxb-...
	AppToken      notify.Secret `yaml:"app_token"`      // xapp-...: buttons and commands by Socket Mode
	SigningSecret notify.Secret `yaml:"signing_secret"` // buttons and commands by signed HTTP requests
	Webhook       notify.Secret `yaml:"webhook"`        // incoming webhook, instead of a bot
	Channel       string        `yaml:"channel"`        // id: C0123456789
	Channels      []Channel     `yaml:"channels"`       // another channel for a severity
	Mentions      []Mention     `yaml:"mentions"`       // whom a loud message of a severity mentions
	Broadcast     bool          `yaml:"broadcast"`      // loud replies are shown in the channel too
	Pace          time.Duration `yaml:"pace"`           // between two messages in one channel
	URL           string        `yaml:"url"`            // of the Web API; GovSlack has another
}

// Channel is where messages of a severity go.
type Channel struct {
	Severity watch.Severity `yaml:"severity"`
	Channel  string         `yaml:"channel"`
}

// Mention is who is mentioned from a severity on.
type Mention struct {
	Severity watch.Severity `yaml:"severity"`
	Who      []string       `yaml:"who"` // here, channel, everyone, U0123456789 (user), S0123456789 (user group)
}

// DefaultConfig is a receiver without its token and channel.
func DefaultConfig() Config {
	return Config{Broadcast: true, Pace: time.Second, URL: "https://slack.com/api/"}
}

var channelID = regexp.MustCompile(`^[CGD][A-Z0-9]{2,30}$`)

// Validate joins what is wrong; it shows no secret.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch {
	case c.Webhook == "" && c.Token == "":
		fault("token: is missing (or give webhook)")
	case c.Webhook != "" && c.Token != "":
		fault("webhook: give a token or a webhook, not both")
	case c.Webhook != "" && (c.AppToken != "" || c.SigningSecret != ""):
		fault("webhook: cannot hear: app_token and signing_secret need a token")
	}
	if c.Webhook != "" && !isURL(string(c.Webhook)) {
		fault("webhook: is no URL")
	}
	if c.Webhook == "" {
		c.checkChannels(fault)
	}
	if strings.HasPrefix(string(c.Token), "xapp-") {
		fault("token: is an app token; the bot's begins with xoxb-")
	}
	if strings.HasPrefix(string(c.AppToken), "xox") {
		fault("app_token: is a bot's token; the app's begins with xapp-")
	}
	for i, m := range c.Mentions {
		if !known(m.Severity) {
			fault("mentions[%d].severity: %q is none of info, warning, critical", i, m.Severity)
		}
		for j, w := range m.Who {
			if mention(w) == "" {
				fault("mentions[%d].who[%d]: %q is none of here, channel, everyone, a user id (U...) or a user group id (S...)", i, j, w)
			}
		}
	}
	if c.Pace < 0 || c.Pace > time.Minute {
		fault("pace: %v is not between 0s and 1m", c.Pace)
	}
	if !isURL(c.URL) {
		fault("url: %q is no URL", c.URL)
	}
	return errors.Join(faults...)
}

func (c Config) checkChannels(fault func(string, ...any)) {
	if !channelID.MatchString(c.Channel) {
		fault("channel: %q is no channel id (C0123456789: it stands below the channel's details)", c.Channel)
	}
	seen := map[watch.Severity]bool{}
	for i, ch := range c.Channels {
		if !known(ch.Severity) {
			fault("channels[%d].severity: %q is none of info, warning, critical", i, ch.Severity)
		} else if seen[ch.Severity] {
			fault("channels[%d].severity: %q is there twice", i, ch.Severity)
		}
		seen[ch.Severity] = true
		if !channelID.MatchString(ch.Channel) {
			fault("channels[%d].channel: %q is no channel id (C0123456789)", i, ch.Channel)
		}
	}
}

func known(s watch.Severity) bool {
	return s == watch.Info || s == watch.Warning || s == watch.Critical
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// where is the channel of a severity.
func (c Config) where(s watch.Severity) string {
	for _, ch := range c.Channels {
		if ch.Severity == s {
			return ch.Channel
		}
	}
	return c.Channel
}

func rank(s watch.Severity) int {
	switch s {
	case watch.Critical:
		return 2
	case watch.Warning:
		return 1
	}
	return 0
}

// whom is who a loud message mentions, in Slack's syntax, each once.
func (c Config) whom(m *notify.Message) []string {
	if !m.Loud {
		return nil
	}
	var out []string
	seen := map[string]bool{"": true}
	add := func(who string) {
		if text := mention(who); !seen[text] && len(out) < 20 {
			seen[text] = true
			out = append(out, text)
		}
	}
	for _, who := range m.Mention {
		add(who)
	}
	for _, by := range c.Mentions {
		if rank(m.Severity) >= rank(by.Severity) {
			for _, who := range by.Who {
				add(who)
			}
		}
	}
	return out
}

var (
	userID  = regexp.MustCompile(`^<?@?([UW][A-Z0-9]{2,30})>?$`)
	groupID = regexp.MustCompile(`^(?:<!subteam\^)?(S[A-Z0-9]{2,30})>?$`)
	special = regexp.MustCompile(`^(?:<!|@)?(here|channel|everyone)>?$`)
)

// mention is who in Slack's syntax; "" for what is no mention.
func mention(who string) string {
	who = strings.TrimSpace(who)
	if m := special.FindStringSubmatch(who); m != nil {
		return "<!" + m[1] + ">"
	}
	if m := groupID.FindStringSubmatch(who); m != nil {
		return "<!subteam^" + m[1] + ">"
	}
	if m := userID.FindStringSubmatch(who); m != nil {
		return "<@" + m[1] + ">"
	}
	return ""
}
