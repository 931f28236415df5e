package feed

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"depeer/watch/cnc"
)

// Secret is a string that no log, error or dump shows.
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

// Config is one feed.
type Config struct {
	Name       string        `yaml:"name"`       // [a-z0-9-]{1,32}: the source of its sightings
	Format     string        `yaml:"format"`     // see Formats
	URL        string        `yaml:"url"`        // http, https or file; of taxii the collection; or Path
	Path       string        `yaml:"path"`       // a file of this machine
	Every      time.Duration `yaml:"every"`      // how often to look for a new one
	Key        Secret        `yaml:"key"`        // of abuse.ch (Auth-Key), MISP (Authorization), or a bearer token
	User       string        `yaml:"user"`       // of TAXII: HTTP basic, with Password
	Password   Secret        `yaml:"password"`   //
	Family     string        `yaml:"family"`     // of entries that name none
	Kind       string        `yaml:"kind"`       // of entries that say none; see cnc.Kind
	Confidence int           `yaml:"confidence"` // of entries that say none, 1 to 100
	DualUse    bool          `yaml:"dual_use"`   // its hosts serve many ordinary names too
	Mapping    Mapping       `yaml:"mapping"`    // of csv
	Limits     Limits        `yaml:"limits"`
}

// DefaultConfig looks once an hour.
func DefaultConfig() Config { return Config{Every: time.Hour, Limits: DefaultLimits()} }

var feedName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Validate reports every fault, each as "key: text".
func (c *Config) Validate() error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if !feedName.MatchString(c.Name) {
		fault("name", "%q must match [a-z0-9-]{1,32}", c.Name)
	}
	f, ok := Formats[c.Format]
	if !ok {
		fault("format", "%q is none of %s", c.Format, strings.Join(Names(), ", "))
	}
	c.validatePlace(fault)
	if least := max(time.Minute, f.Every); c.Every < least && (c.Path == "" || c.Every < time.Second) {
		fault("every", "%s is less than %s, which the publishers of %s ask for", c.Every, least, c.Format)
	}
	if c.Kind != "" && !slices.Contains(cnc.Kinds(), cnc.Kind(c.Kind)) {
		fault("kind", "%q is none of %v", c.Kind, cnc.Kinds())
	}
	if c.Confidence < 0 || c.Confidence > 100 {
		fault("confidence", "%d is not between 0 and 100", c.Confidence)
	}
	if (c.User == "") != (c.Password == "") {
		fault("user", "user and password belong together")
	}
	if c.Key != "" && c.User != "" {
		fault("key", "has no use beside user and password: give one of them")
	}
	if c.Format != "csv" && c.Mapping != (Mapping{}) {
		fault("mapping", "only a csv has one")
	}
	if n := len([]rune(c.Mapping.Comma)); n > 1 && c.Mapping.Comma != "tab" || slices.Contains([]string{"\"", "\n", "\r"}, c.Mapping.Comma) {
		fault("mapping.comma", "%q is no single character that can part columns", c.Mapping.Comma)
	}
	if h := c.Mapping.Header; h != "" && h != "yes" && h != "no" {
		fault("mapping.header", "%q is neither yes nor no", h)
	}
	if err := c.Limits.Validate(); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			errs = append(errs, errors.New("limits."+line))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validatePlace(fault func(key, format string, args ...any)) {
	remote := c.Format == "taxii"
	switch {
	case c.URL == "" && c.Path == "":
		fault("url", "is empty: name an address, or a path")
	case c.URL != "" && c.Path != "":
		fault("path", "%q has no use beside url: give one of them", c.Path)
	case c.URL != "":
		u, err := url.Parse(c.URL)
		switch {
		case err != nil:
			fault("url", "is no http, https or file address")
		case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
			if (c.Key != "" || c.User != "") && u.Scheme != "https" && !loopback(u.Hostname()) {
				fault("url", "a key would travel in the clear: %s is no https address", u.Scheme+"://"+u.Host)
			}
		case u.Scheme == "file" && u.Path != "" && !remote:
		default:
			fault("url", "%q is no http, https or file address", u.Scheme+":...")
		}
	case remote:
		fault("path", "%q: taxii needs the url of a collection; a file of its objects is stix", c.Path)
	}
}
