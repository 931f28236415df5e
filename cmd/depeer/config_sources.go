package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"strings"

	"depeer/bgp/bmp"
	"depeer/bgp/mrt/archive"
	"depeer/bgp/rislive"
	"depeer/bgp/speaker"
	"depeer/watch/roster"
)

// SourceConfig is one feed: of the configurations below, the one of its type.
type SourceConfig struct {
	Type    string // see sourceTypes
	Speaker speaker.Config
	RISLive rislive.Config
	BMP     bmp.Config
	MRT     MRTSource      // type mrt with a path or an url
	Archive archive.Config // type mrt with an archive
}

// MRTSource names a recording: one of Path and URL.
type MRTSource struct {
	Name string `yaml:"name"`
	Path string `yaml:"path"` // a file or a folder
	URL  string `yaml:"url"`  // http or https
}

// isArchive tells the two kinds of the type mrt apart.
func (s *SourceConfig) isArchive() bool { return s.Type == "mrt" && s.Archive.Archive != "" }

// sourceTypes are the types of sources.
var sourceTypes = []string{"speaker", "rislive", "bmp", "mrt"}

// part is the configuration of the source's type, with its defaults. An archive is
// told from a recording by its key.
func (s *SourceConfig) part(n *node) any {
	switch s.Type {
	case "speaker":
		s.Speaker = speaker.DefaultConfig()
		return &s.Speaker
	case "rislive":
		s.RISLive = rislive.DefaultConfig()
		return &s.RISLive
	case "bmp":
		s.BMP = bmp.DefaultConfig()
		return &s.BMP
	case "mrt":
		if n.get("archive") != nil {
			s.Archive = archive.DefaultConfig()
			return &s.Archive
		}
		return &s.MRT
	}
	return nil
}

// name is what the feed is called in subjects, events and metrics.
func (s *SourceConfig) name() *string {
	switch {
	case s.Type == "speaker":
		return &s.Speaker.Name
	case s.Type == "rislive":
		return &s.RISLive.Name
	case s.Type == "bmp":
		return &s.BMP.Name
	case s.isArchive():
		return &s.Archive.Name
	}
	return &s.MRT.Name
}

// nameSources gives a name to those that the text gives none: their type, or the
// archive, and a number where that is taken.
func (c *Config) nameSources(named []bool) {
	taken := map[string]bool{}
	for i := range c.Sources {
		if named[i] {
			taken[*c.Sources[i].name()] = true
		}
	}
	for i := range c.Sources {
		s := &c.Sources[i]
		if named[i] {
			continue
		}
		base := cmp.Or(s.Archive.Archive, s.Type)
		name := base
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		taken[name] = true
		*s.name() = name
	}
}

// decodeSources reads the list of feeds, each by its type.
func (c *Config) decodeSources(n *node, d *decoder) {
	if n.kind == nothing || n.kind == unread {
		return
	}
	if n.kind != list {
		d.fault(n, "must be a list, is %s", n.shown())
		return
	}
	c.Sources = make([]SourceConfig, len(n.items))
	named := make([]bool, len(n.items))
	for i := range n.items {
		named[i] = n.items[i].kind == mapping && n.items[i].get("name") != nil
		d.in(step{index: i}, func() { c.decodeSource(i, &n.items[i], d) })
	}
	c.nameSources(named)
}

func (c *Config) decodeSource(i int, n *node, d *decoder) {
	if n.kind == unread {
		return
	}
	if n.kind != mapping {
		d.fault(n, "must be a mapping, is %s", n.shown())
		return
	}
	s := &c.Sources[i]
	t := n.get("type")
	if t == nil || t.kind == nothing {
		d.fault(n, "has no type (%s)", strings.Join(sourceTypes, ", "))
		return
	}
	d.in(step{key: "type"}, func() { d.decode(t, reflect.ValueOf(&s.Type).Elem()) })
	if part := s.part(n); part != nil {
		d.fields(n.without("type"), reflect.ValueOf(part).Elem())
	} else if s.Type != "" {
		d.in(step{key: "type"}, func() {
			d.fault(t, "%q is none of %s%s", s.Type, strings.Join(sourceTypes, ", "), didYouMean(s.Type, sourceTypes))
		})
	}
}

// without is a mapping less one key.
func (n *node) without(key string) *node {
	c := *n
	c.keys, c.items = nil, nil
	for i, k := range n.keys {
		if k.name != key {
			c.keys, c.items = append(c.keys, k), append(c.items, n.items[i])
		}
	}
	return &c
}

// validateSources reports every fault of the sources, each with its path and value.
func (c *Config) validateSources() error {
	var errs []error
	names := map[string]int{}
	for i := range c.Sources {
		s := &c.Sources[i]
		for _, err := range leaves(s.validate()) {
			errs = append(errs, fmt.Errorf("sources[%d]%w", i, err))
		}
		if s.Type == "" {
			continue
		}
		name := *s.name()
		if first, ok := names[name]; ok {
			errs = append(errs, fmt.Errorf("sources[%d].name: %q is the name of sources[%d] too: give one of them another name", i, name, first))
		} else {
			names[name] = i
		}
	}
	return errors.Join(errs...)
}

// validate gives faults whose text begins with ".key: " or ": ".
func (s *SourceConfig) validate() error {
	var err error
	switch s.Type {
	case "speaker":
		err = s.Speaker.Validate()
	case "rislive":
		err = s.RISLive.Validate()
	case "bmp":
		err = s.BMP.Validate()
	case "mrt":
		if !s.isArchive() {
			return s.MRT.validate()
		}
		err = s.Archive.Validate()
	}
	var errs []error
	for _, e := range leaves(err) {
		errs = append(errs, fmt.Errorf(".%w", e))
	}
	return errors.Join(errs...)
}

var feedName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func (m *MRTSource) validate() error {
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if (m.Path == "") == (m.URL == "") {
		fault("", "needs one of path, url and archive")
	}
	if m.URL != "" {
		u, err := url.Parse(m.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			fault(".url", "%q is no http or https address", m.URL)
		}
	}
	if m.Name != "" && !feedName.MatchString(m.Name) {
		fault(".name", "%q is no name (small letters, digits and dashes, at most 32)", m.Name)
	}
	return errors.Join(errs...)
}

// decodeWatchlists reads the list of watchlists, each over the defaults.
func (c *Config) decodeWatchlists(n *node, d *decoder) {
	if n.kind == nothing || n.kind == unread {
		return
	}
	if n.kind != list {
		d.fault(n, "must be a list, is %s", n.shown())
		return
	}
	c.Watchlists = make([]roster.Config, len(n.items))
	for i := range n.items {
		c.Watchlists[i] = roster.DefaultConfig()
		d.in(step{index: i}, func() { d.decode(&n.items[i], reflect.ValueOf(&c.Watchlists[i]).Elem()) })
	}
}

// validateWatchlists reports every fault of the watchlists, each with its path and value.
func (c *Config) validateWatchlists() error {
	var errs []error
	names := map[string]int{}
	for i := range c.Watchlists {
		l := &c.Watchlists[i]
		for _, err := range leaves(l.Validate()) {
			errs = append(errs, fmt.Errorf("watchlists[%d].%w", i, err))
		}
		if first, ok := names[l.Name]; ok {
			errs = append(errs, fmt.Errorf("watchlists[%d].name: %q is the name of watchlists[%d] too", i, l.Name, first))
		} else {
			names[l.Name] = i
		}
	}
	return errors.Join(errs...)
}
