package main

import (
	"errors"
	"fmt"
	"time"
)

// RunConfig is the part `run` of the configuration: how the monitor itself runs.
type RunConfig struct {
	State  string        `yaml:"state"`  // folder for what is fetched: archives, watchlists
	Save   time.Duration `yaml:"save"`   // between two savings of what the judgement knows
	Reload time.Duration `yaml:"reload"` // between two looks at the configuration file; 0: only on SIGHUP
	Stop   time.Duration `yaml:"stop"`   // on SIGTERM, everything has ended after this long
	Fill   time.Duration `yaml:"fill"`   // between two attempts to fill gaps from the archives; 0: never
	Log    string        `yaml:"log"`    // debug, info, warn or error
	JSON   bool          `yaml:"json"`   // log lines as JSON
}

// DefaultRunConfig is what holds for every key that a file does not mention.
func DefaultRunConfig() RunConfig {
	return RunConfig{State: "depeer-data", Save: 5 * time.Minute, Reload: 10 * time.Second, Stop: 10 * time.Second, Fill: 5 * time.Minute, Log: "info"}
}

// Validate reports every fault, each with its key and value.
func (c *RunConfig) Validate() error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("run.%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if c.State == "" {
		fault("state", "names no folder")
	}
	if c.Save < 10*time.Second {
		fault("save", "%s is less than 10s", c.Save)
	}
	if c.Reload != 0 && c.Reload < time.Second {
		fault("reload", "%s is less than 1s (0 looks only on SIGHUP)", c.Reload)
	}
	if c.Stop < time.Second || c.Stop > 5*time.Minute {
		fault("stop", "%s is not between 1s and 5m", c.Stop)
	}
	if c.Fill != 0 && c.Fill < time.Minute {
		fault("fill", "%s is less than 1m (0 never fills)", c.Fill)
	}
	switch c.Log {
	case "debug", "info", "warn", "error":
	default:
		fault("log", "%q is none of debug, info, warn, error", c.Log)
	}
	return errors.Join(errs...)
}
