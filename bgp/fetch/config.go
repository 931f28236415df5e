package fetch

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Config says how to fetch, and where to keep it.
type Config struct {
	Dir       string        `yaml:"dir"`        // the cache; made where missing
	MaxBytes  int64         `yaml:"max_bytes"`  // of all files in it
	MaxFile   int64         `yaml:"max_file"`   // of one file
	Timeout   time.Duration `yaml:"timeout"`    // until the header of an answer has come
	Idle      time.Duration `yaml:"idle"`       // a body that gives nothing for so long is broken
	Tries     int           `yaml:"tries"`      // requests for one file that bring nothing, in a row
	Pause     time.Duration `yaml:"pause"`      // after the first of them; doubles
	MaxPause  time.Duration `yaml:"max_pause"`  // longest pause within one Get
	UserAgent string        `yaml:"user_agent"` // says who asks, and how to reach them
}

// DefaultConfig keeps 20 GB: two days of a large collector with its tables. Dir is
// the caller's to choose.
func DefaultConfig() Config {
	return Config{
		MaxBytes: 20 << 30, MaxFile: 4 << 30,
		Timeout: 30 * time.Second, Idle: 60 * time.Second,
		Tries: 5, Pause: time.Second, MaxPause: time.Minute,
		UserAgent: "depeer (BGP route monitor)",
	}
}

// Validate reports every fault, each as "key: text".
func (c *Config) Validate() error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if c.Dir == "" {
		fault("dir", "is empty: name a folder for what is downloaded")
	}
	if c.MaxFile < 1 {
		fault("max_file", "%d is less than 1", c.MaxFile)
	}
	if c.MaxBytes < c.MaxFile {
		fault("max_bytes", "%d is less than max_file (%d)", c.MaxBytes, c.MaxFile)
	}
	for _, d := range []struct {
		key string
		d   time.Duration
	}{{"timeout", c.Timeout}, {"idle", c.Idle}, {"pause", c.Pause}} {
		if d.d <= 0 {
			fault(d.key, "%s is not positive", d.d)
		}
	}
	if c.MaxPause < c.Pause {
		fault("max_pause", "%s is less than pause (%s)", c.MaxPause, c.Pause)
	}
	if c.Tries < 1 {
		fault("tries", "%d is less than 1", c.Tries)
	}
	if c.UserAgent == "" {
		fault("user_agent", "is empty: a server's operator must be able to see who asks")
	}
	return errors.Join(errs...)
}

// Deps are what a [Fetcher] works with.
type Deps struct {
	Transport http.RoundTripper // nil: net/http's, one connection to a host
	Logger    *slog.Logger      // nil: silent
}

func transport(c Config) http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = c.Timeout
	t.MaxConnsPerHost, t.MaxIdleConnsPerHost = 1, 1
	t.DisableCompression = true // offsets must be those of the file
	return t
}
