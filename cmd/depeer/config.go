package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"

	"depeer/bus"
	"depeer/notify"
	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/roster"
	"depeer/web"
)

// Config is a whole configuration file. configs/depeer.yaml explains every key.
type Config struct {
	Hosters    []watch.Hoster  `yaml:"hosters"`
	Watchlists []roster.Config `yaml:"watchlists"`
	Canaries   []netip.Prefix  `yaml:"canaries"`
	Policy     watch.Policy    `yaml:"policy"`
	Migration  cnc.Config      `yaml:"migration"`
	Sources    []SourceConfig  `yaml:"sources"`
	Sightings  SightingsConfig `yaml:"sightings"`
	Bus        bus.Config      `yaml:"bus"`
	Timeline   TimelineConfig  `yaml:"timeline"`
	Notify     NotifyConfig    `yaml:"notify"`
	Web        web.Config      `yaml:"web"`
	Run        RunConfig       `yaml:"run"`

	// Notes say which parts of the text have no effect in this version.
	Notes []string `yaml:"-"`
}

// DefaultConfig is what holds for every key that a file does not mention.
func DefaultConfig() *Config {
	return &Config{Policy: watch.DefaultPolicy(), Migration: cnc.DefaultConfig(), Sightings: DefaultSightingsConfig(), Bus: bus.DefaultConfig(), Timeline: DefaultTimelineConfig(), Notify: NotifyConfig{Config: notify.DefaultConfig()}, Web: web.DefaultConfig(), Run: DefaultRunConfig()}
}

// Watchlist is what the configuration watches.
func (c *Config) Watchlist() *watch.Watchlist {
	return &watch.Watchlist{Hosters: c.Hosters, Canaries: c.Canaries}
}

// later names the sections of the configuration that this version accepts and
// does not act upon, so that one file serves it and its successors.
var later = []string{}

// LoadConfig reads and validates a configuration file. What is wrong with it
// comes back as [Faults], all together, by line. Relative paths within the file
// are relative to the working directory.
func LoadConfig(path string) (*Config, error) {
	return newConfigReader().load(path)
}

func newConfigReader() configReader { return configReader{env: os.LookupEnv, readFile: os.ReadFile} }

// configReader is what a configuration is read with.
type configReader struct {
	env      func(name string) (string, bool)  // for ${NAME}
	readFile func(path string) ([]byte, error) // for file:/path
	only     string                            // the one section to read; all where empty
}

func (r configReader) load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usageError{err}
	}
	return r.parse(path, text)
}

// parse reads the text of the file called name.
func (r configReader) parse(name string, text []byte) (*Config, error) {
	f := &faults{file: name}
	root := parseTree(text, f)
	if root == nil {
		return nil, f.all
	}
	if root.kind == list { // a file may hold nothing but the list of hosters
		for i := range f.all {
			f.all[i].Path = "hosters" + f.all[i].Path
		}
		root = &node{kind: mapping, line: root.line, keys: []key{{name: "hosters", line: root.line}}, items: []node{*root}}
	}
	c := DefaultConfig()
	d := &decoder{faults: f, configReader: r}
	c.decode(root, d)
	if !d.blind {
		c.validate(root, f)
	}
	if len(f.all) > 0 {
		slices.SortStableFunc(f.all, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
		return nil, f.all
	}
	return c, nil
}

// decode reads the sections of the file.
func (c *Config) decode(root *node, d *decoder) {
	if root.kind == nothing || root.kind == unread {
		return
	}
	if root.kind != mapping {
		d.fault(root, "must be a mapping of hosters, policy, ...; is %s", root.shown())
		d.blind = true
		return
	}
	v := reflect.ValueOf(c).Elem()
	names := fieldNames(v.Type())
	for i, k := range root.keys {
		value := &root.items[i]
		if d.only != "" && k.name != d.only {
			continue
		}
		d.in(step{key: k.name}, func() {
			switch field := slices.Index(names, k.name); {
			case k.name == "":
				d.add(k.line, "", "a key is empty")
			case k.name == "sources":
				c.decodeSources(value, d)
			case k.name == "watchlists":
				c.decodeWatchlists(value, d)
			case k.name == "sightings":
				c.decodeSightings(value, d)
			case k.name == "notify":
				c.decodeNotify(value, d)
			case field >= 0:
				d.decode(value, v.Field(field))
			case slices.Contains(later, k.name):
				if value.kind == scalar {
					d.fault(value, "must be a list or a mapping, is %s", value.shown())
				}
				c.Notes = append(c.Notes, k.name+": not part of this version, has no effect")
			default:
				d.unknownKey(k, append(slices.Clone(later), names...))
			}
		})
	}
}

// validate lets each part judge its own values, and finds the lines of what it says.
func (c *Config) validate(root *node, f *faults) {
	broken := f.broken()
	judged := []error{c.Watchlist().Validate(), c.Policy.Validate(), c.Migration.Validate(), c.Bus.Validate(), c.Timeline.Validate(), c.Web.Validate(), c.Run.Validate(), c.validateSources(), c.validateWatchlists(), c.Sightings.Validate(), c.validateNotify()}
	for _, err := range leaves(judged...) {
		path, text, ok := strings.Cut(err.Error(), ": ")
		if !ok {
			path, text = "", err.Error()
		}
		// What could not be read is zero, and a zero has faults of its own.
		follows := func(b string) bool { return within(path, b) || within(b, path) }
		if path != "" && slices.ContainsFunc(broken, follows) {
			continue
		}
		f.add(root.find(path), path, "%s", text)
	}
}

// within reports whether path a is b or lies below it.
func within(a, b string) bool {
	return strings.HasPrefix(a, b) && (len(a) == len(b) || a[len(b)] == '.' || a[len(b)] == '[')
}

// leaves are the single errors that errors.Join has put together.
func leaves(errs ...error) []error {
	var out []error
	for _, err := range errs {
		if err == nil {
			continue
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			out = append(out, leaves(many.Unwrap()...)...)
			continue
		}
		out = append(out, err)
	}
	return out
}

// find gives the line of the deepest part of the path that the text has.
func (n *node) find(path string) int {
	line := n.line
	for path != "" {
		var part string
		path = strings.TrimPrefix(path, ".")
		if strings.HasPrefix(path, "[") {
			end := strings.IndexByte(path, ']')
			index := 0
			if _, err := fmt.Sscanf(path[:end+1], "[%d]", &index); err != nil || n.kind != list || index >= len(n.items) {
				return line
			}
			n, path = &n.items[index], path[end+1:]
			line = n.line
			continue
		}
		part, path = path, ""
		if end := strings.IndexAny(part, ".["); end >= 0 {
			part, path = part[:end], part[end:]
		}
		k := slices.IndexFunc(n.keys, func(k key) bool { return k.name == part })
		if k < 0 {
			return line
		}
		line = n.keys[k].line
		n = &n.items[k]
	}
	return line
}
