package archive

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"time"

	"depeer/bgp/fetch"
	"depeer/bgp/wire"
)

// Config is one archive and the collectors of it that are followed.
type Config struct {
	Name       string        `yaml:"name"`
	Archive    string        `yaml:"archive"`    // ris or routeviews: who lays out the folders
	Collectors []string      `yaml:"collectors"` // rrc00, ...; route-views2, route-views.linx, ...
	URL        string        `yaml:"url"`        // of a mirror: http, https or file; the project's own where empty
	Every      time.Duration `yaml:"every"`      // how often to look for what is late; 1m where zero
	Seed       bool          `yaml:"seed"`       // begin with the latest table dump
	Patience   time.Duration `yaml:"patience"`   // how late a file may be until it is missing
	CatchUp    time.Duration `yaml:"catch_up"`   // further behind than this a restart begins with a table instead
}

// The archives.
const (
	RIS        = "ris"
	RouteViews = "routeviews"
)

// DefaultConfig names no archive and no collector.
func DefaultConfig() Config {
	return Config{Name: "mrt", Seed: true, Patience: 30 * time.Minute, CatchUp: 24 * time.Hour}
}

var (
	feedName       = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	risName        = regexp.MustCompile(`^rrc[0-9]{2}$`)
	routeViewsName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)*$`)
)

// Validate reports every fault, each as "key: text".
func (c *Config) Validate() error {
	errs := c.place()
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if !feedName.MatchString(c.Name) {
		fault("name", "%q must match [a-z0-9-]{1,32}", c.Name)
	}
	if len(c.Collectors) == 0 {
		fault("collectors", "is empty: name the collectors to follow (%s)", map[bool]string{true: "route-views2, ...", false: "rrc00, ..."}[c.Archive == RouteViews])
	}
	for i, name := range c.Collectors {
		if err := c.collector(name); err != nil {
			fault(fmt.Sprintf("collectors[%d]", i), "%v", err)
		} else if slices.Contains(c.Collectors[:i], name) {
			fault(fmt.Sprintf("collectors[%d]", i), "%q is listed twice", name)
		}
	}
	if c.Every != 0 && c.Every < 10*time.Second {
		fault("every", "%s is less than 10s: the archives are other people's servers", c.Every)
	}
	if c.Patience < time.Minute {
		fault("patience", "%s is less than 1m: files are minutes late every day", c.Patience)
	}
	if c.CatchUp < time.Hour {
		fault("catch_up", "%s is less than 1h", c.CatchUp)
	}
	return errors.Join(errs...)
}

// place reports the faults of where the archive is.
func (c *Config) place() (errs []error) {
	if c.Archive != RIS && c.Archive != RouteViews {
		errs = append(errs, fmt.Errorf("archive: %q is neither %s nor %s", c.Archive, RIS, RouteViews))
	}
	if c.URL == "" {
		return errs
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		errs = append(errs, errors.New("url: is no http, https or file address"))
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", u.Scheme == "file" && u.Host == "" && u.Path != "":
		if u.RawQuery != "" || u.Fragment != "" {
			errs = append(errs, errors.New("url: has a query: names of folders are put behind it"))
		}
	default:
		errs = append(errs, fmt.Errorf("url: %q is no http, https or file address", u.Redacted()))
	}
	return errs
}

// collector judges a name, which becomes part of addresses and file names.
func (c *Config) collector(name string) error {
	switch {
	case c.Archive == RIS && !risName.MatchString(name):
		return fmt.Errorf("%q is no collector of RIPE RIS (rrc00, ...)", name)
	case len(name) > 64 || !routeViewsName.MatchString(name):
		return fmt.Errorf("%q is no collector of RouteViews (route-views2, route-views.linx, ...)", name)
	}
	return nil
}

// Deps are what a [Feed] works with. Watch and Fetch are needed; Dir too, by a Feed.
type Deps struct {
	Watch     *wire.Shared
	Fetch     *fetch.Fetcher
	Dir       string // where the cursors are kept; made where missing
	Logger    *slog.Logger
	Now       func() time.Time // nil: time.Now
	Fresh     bool             // the cursors are not used: who is told lost its memory
	Scheduled bool             // Feed.Kick is called on a schedule: Run does not wake by itself
}

func (d *Deps) ready() error {
	if d.Watch == nil || d.Fetch == nil {
		return errors.New("an archive needs a watchlist and a fetcher")
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	return nil
}
