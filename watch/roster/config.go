package roster

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Config is one list.
type Config struct {
	Name    string        `yaml:"name"`     // [a-z0-9-]{1,32}: begins the ids of its hosters, and is their tag
	Format  string        `yaml:"format"`   // see Formats
	URL     string        `yaml:"url"`      // http, https or file; or Path
	Path    string        `yaml:"path"`     // a file of this machine
	Every   time.Duration `yaml:"every"`    // how often to look for a new one
	MinKeep float64       `yaml:"min_keep"` // a list with less than this part of the last good one's hosters is not believed
	Columns Columns       `yaml:"columns"`  // of a CSV
	Tags    []string      `yaml:"tags"`     // of its hosters, beside its name
}

// Columns says which column of a CSV holds what: the name in its header, or a
// number from 1. A cell of asn or prefix may hold several, parted by semicolon,
// comma or space.
type Columns struct {
	ID     string `yaml:"id"`
	Name   string `yaml:"name"`
	ASN    string `yaml:"asn"`
	Prefix string `yaml:"prefix"`
	From   string `yaml:"from"` // the resource is the hoster's since then: 2008-11-11, 2008-11, 2008, or RFC 3339
	To     string `yaml:"to"`   // to the end of that day, month or year
	Comma  string `yaml:"comma"`
}

// The formats.
const (
	ASNDrop = "spamhaus-asndrop" // JSON, one object a line, metadata at the end; or the older text
	Drop    = "spamhaus-drop"    // prefixes, with "; SBL..." behind them; or JSON lines
	CSV     = "csv"
	Plain   = "plain" // an AS number or prefix a line; # and ; begin a comment
)

// Formats lists the formats.
var Formats = []string{ASNDrop, Drop, CSV, Plain}

// DefaultConfig believes a list that has at least half of what it had.
func DefaultConfig() Config { return Config{Every: 24 * time.Hour, MinKeep: 0.5} }

var listName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Validate reports every fault, each as "key: text".
func (c *Config) Validate() error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if !listName.MatchString(c.Name) {
		fault("name", "%q must match [a-z0-9-]{1,32}", c.Name)
	}
	if !slices.Contains(Formats, c.Format) {
		fault("format", "%q is none of %s", c.Format, strings.Join(Formats, ", "))
	}
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
		case (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") && (u.Scheme != "file" || u.Path == ""):
			fault("url", "%q is no http, https or file address", u.Scheme+":...")
		}
	}
	if c.Every < time.Minute {
		fault("every", "%s is less than 1m: the lists are other people's servers", c.Every)
	}
	if !(c.MinKeep >= 0 && c.MinKeep <= 1) {
		fault("min_keep", "%v is not between 0 and 1", c.MinKeep)
	}
	if c.Format == CSV {
		if c.Columns.ASN == "" && c.Columns.Prefix == "" {
			fault("columns", "a csv needs columns.asn or columns.prefix")
		}
		if n := len([]rune(c.Columns.Comma)); n > 1 || c.Columns.Comma == "\"" || c.Columns.Comma == "\n" || c.Columns.Comma == "\r" {
			fault("columns.comma", "%q is no single character that can part columns", c.Columns.Comma)
		}
	} else if c.Columns != (Columns{}) {
		fault("columns", "only a csv has columns")
	}
	for i, tag := range c.Tags {
		if strings.TrimSpace(tag) == "" {
			fault(fmt.Sprintf("tags[%d]", i), "is empty")
		}
	}
	return errors.Join(errs...)
}
