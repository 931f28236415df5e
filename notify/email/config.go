package email

import (
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"strings"

	"depeer/notify"
)

// Config is a mail server and who gets mail.
type Config struct {
	Host     string        `yaml:"host"`
	Port     int           `yaml:"port"` // 0: 587, or 465 where tls is tls, or 25 where it is none
	TLS      string        `yaml:"tls"`  // starttls (and nothing without), tls, none
	User     string        `yaml:"user"`
	Password notify.Secret `yaml:"password"`
	From     string        `yaml:"from"` // depeer <depeer@example.org>
	To       []string      `yaml:"to"`
	ReplyTo  string        `yaml:"reply_to"`
	ListID   string        `yaml:"list_id"` // depeer.example.org; from the address in From where empty
	Changes  string        `yaml:"changes"` // loud: only what people must see; all: each revision
}

// DefaultConfig is without its server and addresses.
func DefaultConfig() Config { return Config{TLS: "starttls", Changes: "loud"} }

var listID = regexp.MustCompile(`^[A-Za-z0-9.-]{1,200}$`)

// Validate joins what is wrong; it shows no secret.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Host == "" || strings.ContainsAny(c.Host, " /:@\r\n") && !strings.Contains(c.Host, "::") {
		fault("host: %q is no name of a server", c.Host)
	}
	if c.Port < 0 || c.Port > 65535 {
		fault("port: %d is no port", c.Port)
	}
	if c.TLS != "starttls" && c.TLS != "tls" && c.TLS != "none" {
		fault("tls: %q is none of starttls, tls, none", c.TLS)
	}
	if (c.User == "") != (c.Password == "") {
		fault("password: user and password go together")
	}
	if c.TLS == "none" && c.Password != "" && !loopback(c.Host) {
		fault("tls: none would send the password in the clear to %s", c.Host)
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		fault("from: %q is no address", c.From)
	}
	if len(c.To) == 0 {
		fault("to: is empty")
	}
	for i, to := range c.To {
		if _, err := mail.ParseAddress(to); err != nil {
			fault("to[%d]: %q is no address", i, to)
		}
	}
	if c.ReplyTo != "" {
		if _, err := mail.ParseAddress(c.ReplyTo); err != nil {
			fault("reply_to: %q is no address", c.ReplyTo)
		}
	}
	if c.ListID != "" && !listID.MatchString(c.ListID) {
		fault("list_id: %q has more than letters, digits, dots and -", c.ListID)
	}
	if c.Changes != "loud" && c.Changes != "all" {
		fault("changes: %q is neither loud nor all", c.Changes)
	}
	return errors.Join(faults...)
}

func loopback(host string) bool {
	return host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1"
}

func (c Config) port() int {
	switch {
	case c.Port != 0:
		return c.Port
	case c.TLS == "tls":
		return 465
	case c.TLS == "none":
		return 25
	}
	return 587
}
