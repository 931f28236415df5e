package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"time"

	"depeer/watch/cnc"
	"depeer/watch/cnc/feed"
	"depeer/watch/cnc/origins"
	"depeer/watch/cnc/resolve"
)

// SightingsConfig is the part `sightings`: where sightings of C&C servers come from, and what
// is known of the whole Internet to join them with. A list there is the list of feeds.
type SightingsConfig struct {
	Feeds    []feed.Config  `yaml:"feeds"`
	Families []cnc.Family   `yaml:"families"` // names and aliases beside those that depeer knows
	Resolver resolve.Config `yaml:"resolver"`
	Origins  origins.Config `yaml:"origins"`
	VRPs     VRPConfig      `yaml:"vrps"`
}

// VRPConfig says where validated ROA payloads come from: one of the three, or none.
type VRPConfig struct {
	Path  string        `yaml:"path"`
	URL   string        `yaml:"url"`
	RTR   string        `yaml:"rtr"`   // host:port of a cache (RFC 8210)
	Every time.Duration `yaml:"every"` // how often path or url is looked at
}

// DefaultSightingsConfig has no feeds and knows nothing of the Internet.
func DefaultSightingsConfig() SightingsConfig {
	return SightingsConfig{Resolver: resolve.DefaultConfig(), Origins: origins.DefaultConfig(), VRPs: VRPConfig{Every: 10 * time.Minute}}
}

// decodeSightings reads the section: a mapping, or the list of feeds alone. Each feed is read over the defaults.
func (c *Config) decodeSightings(n *node, d *decoder) {
	switch n.kind {
	case nothing, unread:
	case list:
		c.decodeFeeds(n, d)
	case mapping:
		v := reflect.ValueOf(&c.Sightings).Elem()
		names := fieldNames(v.Type())
		for i, k := range n.keys {
			d.in(step{key: k.name}, func() {
				for f, name := range names {
					switch {
					case name != k.name || name == "":
						continue
					case name == "feeds":
						c.decodeFeeds(&n.items[i], d)
					default:
						d.decode(&n.items[i], v.Field(f))
					}
					return
				}
				d.unknownKey(k, names)
			})
		}
	default:
		d.fault(n, "must be a list or a mapping, is %s", n.shown())
	}
}

func (c *Config) decodeFeeds(n *node, d *decoder) {
	if n.kind == nothing || n.kind == unread {
		return
	}
	if n.kind != list {
		d.fault(n, "must be a list, is %s", n.shown())
		return
	}
	c.Sightings.Feeds = make([]feed.Config, len(n.items))
	for i := range n.items {
		c.Sightings.Feeds[i] = feed.DefaultConfig()
		d.in(step{index: i}, func() { d.decode(&n.items[i], reflect.ValueOf(&c.Sightings.Feeds[i]).Elem()) })
	}
}

// Validate reports every fault, each with its path and value.
func (c *SightingsConfig) Validate() error {
	var errs []error
	add := func(prefix string, err error) {
		for _, e := range leaves(err) {
			for _, line := range leaves(e) {
				errs = append(errs, fmt.Errorf("sightings.%s%w", prefix, line))
			}
		}
	}
	names := map[string]int{}
	for i := range c.Feeds {
		add(fmt.Sprintf("feeds[%d].", i), c.Feeds[i].Validate())
		if j, ok := names[c.Feeds[i].Name]; ok {
			add(fmt.Sprintf("feeds[%d].", i), fmt.Errorf("name: %q is the name of feeds[%d] too", c.Feeds[i].Name, j))
		}
		names[c.Feeds[i].Name] = i
	}
	_, err := cnc.NewFamilies(c.Families)
	add("", err)
	add("resolver.", c.Resolver.Validate())
	add("origins.", c.Origins.Validate())
	add("vrps.", c.VRPs.validate())
	return errors.Join(errs...)
}

func (c *VRPConfig) validate() error {
	var errs []error
	given := 0
	for _, s := range []string{c.Path, c.URL, c.RTR} {
		if s != "" {
			given++
		}
	}
	if given > 1 {
		errs = append(errs, errors.New("path: path, url and rtr exclude each other"))
	}
	if u, err := url.Parse(c.URL); c.URL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "file") {
		errs = append(errs, errors.New("url: is no http, https or file address"))
	}
	if _, _, err := net.SplitHostPort(c.RTR); c.RTR != "" && err != nil {
		errs = append(errs, fmt.Errorf("rtr: %q is no host:port", c.RTR))
	}
	if c.Every < time.Minute {
		errs = append(errs, fmt.Errorf("every: %s is less than 1m", c.Every))
	}
	return errors.Join(errs...)
}
