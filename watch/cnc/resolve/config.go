package resolve

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Config says how names are resolved.
type Config struct {
	Servers  []string      `yaml:"servers"`   // "192.0.2.53:53", tried in order; those of /etc/resolv.conf where empty
	Every    time.Duration `yaml:"every"`     // each name is asked for again after this; 0: none ever is
	Repeat   time.Duration `yaml:"repeat"`    // an answer that stays is told again after this
	Forget   time.Duration `yaml:"forget"`    // a name that no source named for so long is asked for no more
	Timeout  time.Duration `yaml:"timeout"`   // of one question
	Rate     float64       `yaml:"rate"`      // questions a second, at most
	Parallel int           `yaml:"parallel"`  // questions at a time
	MaxNames int           `yaml:"max_names"` // the names sighted last are kept
	Shared   int           `yaml:"shared"`    // an address to which so many of the names resolve is dual_use; 0: none is
}

// DefaultConfig asks for each name every six hours.
func DefaultConfig() Config {
	return Config{Every: 6 * time.Hour, Repeat: 24 * time.Hour, Forget: 60 * 24 * time.Hour, Timeout: 3 * time.Second, Rate: 20, Parallel: 4, MaxNames: 50_000, Shared: 50}
}

// Validate reports every fault, each as "key: text".
func (c *Config) Validate() error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	for i, s := range c.Servers {
		if host, port, err := net.SplitHostPort(s); err != nil || host == "" || port == "" {
			fault(fmt.Sprintf("servers[%d]", i), "%q is no address:port", s)
		}
	}
	if c.Every != 0 && c.Every < time.Minute {
		fault("every", "%s is less than 1m", c.Every)
	}
	for _, x := range []struct {
		key string
		d   time.Duration
	}{{"repeat", c.Repeat}, {"forget", c.Forget}, {"timeout", c.Timeout}} {
		if x.d <= 0 {
			fault(x.key, "%s is not above 0", x.d)
		}
	}
	if !(c.Rate > 0 && c.Rate <= 10_000) {
		fault("rate", "%v is not between 0 and 10000", c.Rate)
	}
	if c.Parallel < 1 || c.Parallel > 256 {
		fault("parallel", "%d is not between 1 and 256", c.Parallel)
	}
	if c.MaxNames < 1 {
		fault("max_names", "%d is less than 1", c.MaxNames)
	}
	if c.Shared < 0 {
		fault("shared", "%d is negative", c.Shared)
	}
	return errors.Join(errs...)
}
