package main

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// SourceConfig is one feed. Which keys it may have depends on its type.
type SourceConfig struct {
	Type string `yaml:"type"` // see sourceTypes
	MRT  MRTSource
}

// MRTSource names recordings: exactly one of Path, URL and Archive.
type MRTSource struct {
	Type       string   `yaml:"type"`
	Path       string   `yaml:"path"`       // a file or a folder
	URL        string   `yaml:"url"`        // http or https
	Archive    string   `yaml:"archive"`    // ris or routeviews
	Collectors []string `yaml:"collectors"` // of the archive; all where empty
}

// The types of sources. This version knows the keys of mrt, and runs none.
var sourceTypes = []string{"speaker", "rislive", "bmp", "mrt"}

var archives = []string{"ris", "routeviews"}

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
	for i := range n.items {
		d.in(step{index: i}, func() { c.decodeSource(i, &n.items[i], d) })
	}
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
	switch {
	case s.Type == "mrt":
		d.fields(n, reflect.ValueOf(&s.MRT).Elem())
		c.Notes = append(c.Notes, fmt.Sprintf("sources[%d]: checked, but replay and scan take their recordings from the command line", i))
	case slices.Contains(sourceTypes, s.Type):
		// Its keys are settled with the code that reads it.
		c.Notes = append(c.Notes, fmt.Sprintf("sources[%d]: type %s is not part of this version, has no effect", i, s.Type))
	case s.Type != "":
		d.in(step{key: "type"}, func() {
			d.fault(t, "%q is none of %s%s", s.Type, strings.Join(sourceTypes, ", "), didYouMean(s.Type, sourceTypes))
		})
	}
}

// validate reports every fault of source i, each with its path and value.
func (s *SourceConfig) validate(i int) error {
	if s.Type != "mrt" {
		return nil
	}
	var errs []error
	fault := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("sources[%d]%s: %s", i, key, fmt.Sprintf(format, args...)))
	}
	m := &s.MRT
	given := 0
	for _, v := range []string{m.Path, m.URL, m.Archive} {
		if v != "" {
			given++
		}
	}
	if given != 1 {
		fault("", "needs one of path, url and archive, has %d", given)
	}
	if m.URL != "" {
		u, err := url.Parse(m.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			fault(".url", "%q is no http or https address", m.URL)
		}
	}
	if m.Archive != "" && !slices.Contains(archives, m.Archive) {
		fault(".archive", "%q is neither %s%s", m.Archive, strings.Join(archives, " nor "), didYouMean(m.Archive, archives))
	}
	if len(m.Collectors) > 0 && m.Archive == "" {
		fault(".collectors", "only an archive has collectors")
	}
	for k, name := range m.Collectors {
		if name == "" || strings.ContainsAny(name, "/\\? \t\r\n") {
			fault(fmt.Sprintf(".collectors[%d]", k), "%q is no collector", name)
		}
	}
	return errors.Join(errs...)
}
