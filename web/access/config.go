package access

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// Config is the part `web.auth` of the configuration.
type Config struct {
	Tokens  bool          `yaml:"tokens"`  // API tokens are accepted
	OIDC    OIDC          `yaml:"oidc"`    // and logins
	Session time.Duration `yaml:"session"` // how long a login lasts; 0: 12 hours
}

// OIDC is a provider of logins.
type OIDC struct {
	Issuer       string   `yaml:"issuer"` // its discovery document lies below; "" is no login
	ClientID     string   `yaml:"client_id"`
	ClientSecret Secret   `yaml:"client_secret"`
	CA           string   `yaml:"ca"`     // file with who signs its certificate; the system's list where empty
	Scopes       []string `yaml:"scopes"` // asked for beside openid
	Name         string   `yaml:"name"`   // claim that names a person
	Claim        string   `yaml:"claim"`  // claim that says what they may do: a word, or a list
	Viewer       []string `yaml:"viewer"` // its values that make a viewer, ...
	Operator     []string `yaml:"operator"`
	Admin        []string `yaml:"admin"`
}

// DefaultConfig asks nobody who they are.
func DefaultConfig() Config {
	return Config{OIDC: OIDC{Scopes: []string{"profile", "email"}, Name: "email", Claim: "groups"}, Session: defaultSession}
}

const defaultSession = 12 * time.Hour

// Required reports whether anybody has to say who they are.
func (c *Config) Required() bool { return c.Tokens || c.OIDC.Issuer != "" }

// Validate reports every fault, each with its key and value.
func (c *Config) Validate() error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("web.auth.%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if c.Session != 0 && c.Session < 5*time.Minute || c.Session > 31*24*time.Hour {
		fault("session", "%s is not between 5m and 31d", c.Session)
	}
	o := &c.OIDC
	if o.Issuer == "" {
		if o.ClientID != "" || o.ClientSecret != "" {
			fault("oidc.issuer", "is missing, and client_id or client_secret is set: nobody could log in")
		}
		return errors.Join(errs...)
	}
	if err := SafeURL(o.Issuer); err != nil {
		fault("oidc.issuer", "%v", err)
	}
	if o.ClientID == "" {
		fault("oidc.client_id", "is missing: the provider gives it")
	}
	if o.Claim == "" {
		fault("oidc.claim", "is empty: nobody could be let in")
	}
	if len(o.Viewer)+len(o.Operator)+len(o.Admin) == 0 {
		fault("oidc.viewer", "is empty, as operator and admin are: nobody could be let in")
	}
	return errors.Join(errs...)
}

// SafeURL takes https anywhere and http on this machine.
func SafeURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is no address (want https://name)", s)
	}
	if u.Scheme == "https" || u.Scheme == "http" && Loopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%q: want https; http is for this machine alone", s)
}

// Loopback reports whether a host, without port, is this machine.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// LoopbackListener reports whether host:port can be reached from this machine only.
func LoopbackListener(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && Loopback(host)
}

// scope is what the values of the claim allow: the largest of them.
func (o *OIDC) scope(values []string) Scope {
	for _, x := range []struct {
		scope Scope
		list  []string
	}{{Admin, o.Admin}, {Operator, o.Operator}, {Viewer, o.Viewer}} {
		if slices.ContainsFunc(values, func(v string) bool { return slices.Contains(x.list, v) }) {
			return x.scope
		}
	}
	return None
}

// Secret is a string that no log, error, message or page shows.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "<secret>"
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
