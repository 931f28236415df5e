package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"depeer/bus"
	"depeer/watch/timeline"
)

// TimelineConfig is the part `timeline` of the configuration: the memory.
type TimelineConfig struct {
	SQLite    TimelineSQLite     `yaml:"sqlite"`    // a file; what holds where nothing else is given
	Postgres  TimelinePostgres   `yaml:"postgres"`  // a server
	Retention timeline.Retention `yaml:"retention"` // how long what is kept; 0: for ever
	Maintain  time.Duration      `yaml:"maintain"`  // between two rounds of packing, merging and dropping
	Off       bool               `yaml:"off"`       // nothing is remembered
}

// TimelineSQLite is the embedded store.
type TimelineSQLite struct {
	Path string `yaml:"path"` // of the file; timeline.db in the folder run.state where empty
}

// TimelinePostgres is a server.
type TimelinePostgres struct {
	DSN bus.Secret `yaml:"dsn"` // postgres://user:password@host/database
}

// DefaultTimelineConfig is what holds for every key that a file does not mention.
func DefaultTimelineConfig() TimelineConfig {
	return TimelineConfig{Maintain: time.Minute}
}

// timelineFile is the file of the embedded store.
func (c *Config) timelineFile() string {
	return cmp.Or(c.Timeline.SQLite.Path, filepath.Join(c.Run.State, "timeline.db"))
}

// Validate reports every fault, each with its key and value.
func (c *TimelineConfig) Validate() error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("timeline.%s: %s", key, fmt.Sprintf(format, args...)))
	}
	dsn := string(c.Postgres.DSN)
	if dsn != "" && !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		fault("postgres.dsn", "must begin with postgres:// or postgresql://")
	}
	if c.Maintain < time.Second {
		fault("maintain", "%s is less than 1s", c.Maintain)
	}
	for _, r := range []struct {
		key string
		d   time.Duration
	}{{"changes", c.Retention.Changes}, {"records", c.Retention.Records}} {
		if r.d != 0 && r.d < 24*time.Hour {
			fault("retention."+r.key, "%s is less than a day (0 is for ever)", r.d)
		}
	}
	return errors.Join(errs...)
}
