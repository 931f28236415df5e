package origins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"depeer/watch/cnc"
)

// Config is what is known of the whole Internet, and from which files. A path may hold wildcards (*): each file that
// matches is one table; what appears there later is taken in while depeer runs.
type Config struct {
	Tables        []Source      `yaml:"tables"`        // prefix to origin
	Names         []string      `yaml:"names"`         // of ASes: JSON by number, or lines of number and name
	Organisations []string      `yaml:"organisations"` // CAIDA AS-to-organisation
	Relationships []Source      `yaml:"relationships"` // CAIDA AS relationships
	MaxAge        time.Duration `yaml:"max_age"`       // a table that is older than this at the asked time says nothing; 0: however old
	Ahead         time.Duration `yaml:"ahead"`         // before the first table, that one is asked for a time at most this far ahead of it
	Keep          int           `yaml:"keep"`          // tables in memory, the latest ones
}

// Source is a file with a date.
type Source struct {
	Path string    `yaml:"path"`
	At   time.Time `yaml:"at"` // when it was so; from the file, or its name, where missing
}

// DefaultConfig knows nothing, and keeps a year of monthly tables.
func DefaultConfig() Config { return Config{Ahead: 24 * time.Hour, Keep: 12} }

// Validate reports every fault, each as "key: text".
func (c *Config) Validate() error {
	var errs []error
	check := func(key, path string) {
		if path == "" {
			errs = append(errs, fmt.Errorf("%s: is empty", key))
		} else if _, err := filepath.Match(path, ""); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is no pattern", key, path))
		}
	}
	for i, s := range c.Tables {
		check(fmt.Sprintf("tables[%d].path", i), s.Path)
		if !s.At.IsZero() && strings.ContainsAny(s.Path, "*?[") {
			errs = append(errs, fmt.Errorf("tables[%d].at: many files cannot be of one day", i))
		}
	}
	for i, s := range c.Relationships {
		check(fmt.Sprintf("relationships[%d].path", i), s.Path)
	}
	for i, s := range c.Names {
		check(fmt.Sprintf("names[%d]", i), s)
	}
	for i, s := range c.Organisations {
		check(fmt.Sprintf("organisations[%d]", i), s)
	}
	if c.MaxAge < 0 {
		errs = append(errs, fmt.Errorf("max_age: %s is negative", c.MaxAge))
	}
	if c.Ahead < 0 {
		errs = append(errs, fmt.Errorf("ahead: %s is negative", c.Ahead))
	}
	if c.Keep < 1 {
		errs = append(errs, fmt.Errorf("keep: %d is less than 1", c.Keep))
	}
	return errors.Join(errs...)
}

// Tables is what is known of the whole Internet. Its methods may be called from any goroutine.
type Tables struct {
	cfg  Config
	log  *slog.Logger
	turn sync.Mutex // held by who loads
	now  atomic.Pointer[view]
}

var _ cnc.Where = (*Tables)(nil)

// view is one state of the tables. It is never changed.
type view struct {
	tables []*Table // oldest first
	files  map[string]*loaded
	names  map[uint32]string
	orgs   map[uint32]string
	rels   []*relations // oldest first
	stamp  string       // of the small files
}

type loaded struct {
	stamp string
	table *Table
}

// New readies the tables; nothing is read.
func New(cfg Config, log *slog.Logger) (*Tables, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	t := &Tables{cfg: cfg, log: log}
	t.now.Store(&view{})
	return t, nil
}

// Of makes tables of what is in memory already.
func Of(list ...*Table) *Tables {
	t := &Tables{cfg: DefaultConfig(), log: slog.New(slog.DiscardHandler)}
	v := &view{tables: slices.Clone(list), names: map[uint32]string{}}
	v.sort()
	t.now.Store(v)
	return t
}

func (v *view) sort() {
	slices.SortStableFunc(v.tables, func(a, b *Table) int { return a.At.Compare(b.At) })
	slices.SortStableFunc(v.rels, func(a, b *relations) int { return a.at.Compare(b.at) })
}

// Load reads what is new or changed on disk, and reports whether anything was. A file that cannot be read leaves what it gave before;
// the error tells of all of them.
func (t *Tables) Load(ctx context.Context) (changed bool, err error) {
	t.turn.Lock()
	defer t.turn.Unlock()
	old := t.now.Load()
	next := &view{files: map[string]*loaded{}, names: old.names, orgs: old.orgs, rels: old.rels, stamp: old.stamp}
	var errs []error
	for _, s := range t.cfg.Tables {
		for _, path := range expand(s.Path) {
			stamp, err := stampOf(path)
			have := old.files[path]
			switch {
			case err == nil && have != nil && have.stamp == stamp:
				next.files[path] = have
				continue
			case err == nil:
				var table *Table
				if table, err = t.load(ctx, path, s.At, have); err == nil {
					next.files[path] = &loaded{stamp, table}
					changed = true
					continue
				}
			}
			errs = append(errs, err)
			if have != nil {
				next.files[path] = have
			}
		}
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	changed = changed || len(next.files) != len(old.files)
	for _, l := range next.files {
		next.tables = append(next.tables, l.table)
	}
	next.sort()
	if n := len(next.tables) - t.cfg.Keep; n > 0 {
		next.tables = next.tables[n:]
	}
	also, err := t.loadAbout(next)
	errs = append(errs, err)
	if changed || also {
		t.now.Store(next)
	}
	return changed || also, errors.Join(errs...)
}

// load reads one table. A file that lost most of its prefixes since it was last read is not believed.
func (t *Tables) load(ctx context.Context, path string, at time.Time, have *loaded) (*Table, error) {
	table, stats, err := Load(ctx, path, at)
	if err != nil {
		return nil, err
	}
	if have != nil && table.Len()*2 < have.table.Len() {
		return nil, fmt.Errorf("%s: it has %d prefixes, before %d: the one before stays", filepath.Base(path), table.Len(), have.table.Len())
	}
	t.log.Info("origins", "table", table.Name, "at", table.At, "prefixes", table.Len(), "ases", table.ASes(), "bogon", stats.Bogon, "no_origin", stats.NoOrigin, "unreadable", stats.Bad)
	return table, nil
}

// loadAbout reads names, organisations and relationships again when any of their files changed.
func (t *Tables) loadAbout(v *view) (bool, error) {
	var errs []error
	stamp := ""
	note := func(pattern string) []string {
		paths := expand(pattern)
		for _, p := range paths {
			s, err := stampOf(p)
			errs = append(errs, err)
			stamp += p + s + "\n"
		}
		return paths
	}
	var names, orgs []string
	for _, p := range t.cfg.Names {
		names = append(names, note(p)...)
	}
	for _, p := range t.cfg.Organisations {
		orgs = append(orgs, note(p)...)
	}
	type dated struct {
		path string
		at   time.Time
	}
	var rels []dated
	for _, s := range t.cfg.Relationships {
		for _, p := range note(s.Path) {
			rels = append(rels, dated{p, s.At})
		}
	}
	if stamp == v.stamp || errors.Join(errs...) != nil {
		return false, errors.Join(errs...)
	}
	next := view{names: map[uint32]string{}, orgs: map[uint32]string{}}
	for _, p := range names {
		errs = append(errs, openText(p, func(r io.Reader) error { return readNames(r, next.names) }))
	}
	for _, p := range orgs {
		errs = append(errs, openText(p, func(r io.Reader) error { return readOrganisations(r, next.orgs) }))
	}
	for _, d := range rels {
		errs = append(errs, openText(d.path, func(r io.Reader) error {
			at := d.at
			if at.IsZero() {
				at = timeOfName(filepath.Base(d.path))
			}
			x, err := readRelations(r, at)
			if err == nil {
				next.rels = append(next.rels, x)
			}
			return err
		}))
	}
	if err := errors.Join(errs...); err != nil {
		return false, err // all of it, or what was there
	}
	v.names, v.orgs, v.rels, v.stamp = next.names, next.orgs, next.rels, stamp
	v.sort()
	return true, nil
}

func expand(pattern string) []string {
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}
	}
	paths, _ := filepath.Glob(pattern)
	return paths
}

func stampOf(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %d", st.Size(), st.ModTime().UnixNano()), nil
}

// table is the nearest at or before a time.
func (t *Tables) table(at time.Time) *Table {
	list := t.now.Load().tables
	i, ok := slices.BinarySearchFunc(list, at, func(x *Table, at time.Time) int { return x.At.Compare(at) })
	for ok && i+1 < len(list) && list[i+1].At.Equal(at) {
		i++
	}
	if !ok {
		i--
	}
	switch {
	case i >= 0:
		if t.cfg.MaxAge > 0 && at.Sub(list[i].At) > t.cfg.MaxAge {
			return nil
		}
		return list[i]
	case len(list) > 0 && list[0].At.Sub(at) <= t.cfg.Ahead:
		return list[0]
	}
	return nil
}

// Place says which prefix and origins an address belonged to, by the nearest table at or before the
// time; Place.At is the table's own time. False where no table is near, or it does not have the address.
func (t *Tables) Place(addr netip.Addr, at time.Time) (cnc.Place, bool) {
	table := t.table(at)
	if table == nil {
		return cnc.Place{}, false
	}
	p, asns, ok := table.Origins(addr)
	if !ok {
		return cnc.Place{}, false
	}
	out := cnc.Place{Prefix: p, Origins: slices.Clone(asns), From: table.Name, At: table.At}
	out.Name = t.name(table, asns[0])
	return out, true
}

func (t *Tables) name(table *Table, asn uint32) string {
	if name := t.now.Load().names[asn]; name != "" {
		return name
	}
	if table != nil {
		return table.name[asn]
	}
	return ""
}

// Name is what an AS is called; "" where nobody says.
func (t *Tables) Name(asn uint32) string {
	if name := t.name(nil, asn); name != "" {
		return name
	}
	for _, x := range slices.Backward(t.now.Load().tables) {
		if name := x.name[asn]; name != "" {
			return name
		}
	}
	return ""
}

// Organisation is who an AS belongs to; "" where nobody says.
func (t *Tables) Organisation(asn uint32) string { return t.now.Load().orgs[asn] }

// Relations gives the relationships of an AS, of the nearest date at or before a time, and else of the first; false where
// nothing is known. The slices are shared and must not be changed.
func (t *Tables) Relations(asn uint32, at time.Time) (r Relations, dated time.Time, ok bool) {
	list := t.now.Load().rels
	if len(list) == 0 {
		return r, dated, false
	}
	best := list[0]
	for _, x := range list {
		if !x.at.After(at) {
			best = x
		}
	}
	x := best.of[asn]
	if x == nil {
		return r, best.at, false
	}
	return *x, best.at, true
}

// FirstSeen is the date of the first table in which an AS originates anything. Older is set where that is the first
// table there is: then it may be any older. False where no table has it.
func (t *Tables) FirstSeen(asn uint32) (at time.Time, older, ok bool) {
	for i, x := range t.now.Load().tables {
		if x.Has(asn) {
			return x.At, i == 0, true
		}
	}
	return time.Time{}, false, false
}

// Age is how long before a time an AS was first seen originating; atLeast is set where it may be older. False where no table up
// to then has it, as that of an AS which is newer than the last table.
func (t *Tables) Age(asn uint32, at time.Time) (age time.Duration, atLeast, ok bool) {
	first, older, ok := t.FirstSeen(asn)
	if !ok || first.After(at) {
		return 0, false, false
	}
	return at.Sub(first), older, true
}

// Origin is the origin of an address now; 0 where it is not known, or there are several.
func (t *Tables) Origin(addr netip.Addr) uint32 {
	list := t.now.Load().tables
	if len(list) == 0 {
		return 0
	}
	_, asns, ok := list[len(list)-1].Origins(addr)
	if !ok || len(asns) != 1 {
		return 0
	}
	return asns[0]
}

// Info describes a table.
type Info struct {
	Name     string
	At       time.Time
	Prefixes int
	ASes     int
}

// Tables lists the tables, oldest first.
func (t *Tables) Tables() []Info {
	var out []Info
	for _, x := range t.now.Load().tables {
		out = append(out, Info{x.Name, x.At, x.Len(), x.ASes()})
	}
	return out
}
