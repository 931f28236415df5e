package mrt

import (
	"os"
	"path/filepath"
	"testing"
)

// A table in one folder and updates in another are of one collector, unless the
// paths say otherwise: else the table would say nothing about the updates' peers.
func TestNameArchives(t *testing.T) {
	dir := t.TempDir()
	table := []byte{0, 0, 0, 1, 0, 13, 0, 1, 0, 0, 0, 0}
	update := []byte{0, 0, 0, 1, 0, 16, 0, 1, 0, 0, 0, 0}
	put := func(name string, text []byte) string {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, c := range []struct {
		what       string
		names      []string
		configured string
		want       []string
	}{
		{"one folder", []string{put("a/seed", table), put("a/day", update)}, "", []string{"a", "a"}},
		{"tables apart, told by their names", []string{put("ribs/rib.20081110.2200", table), put("one/updates.20081111.0000", update)}, "", []string{"one", "one"}},
		{"tables apart, told by what is in them", []string{put("x/seed", table), put("y/day", update)}, "", []string{"y", "y"}},
		{"a table whose path names the collector", []string{put("rrc00/bview.20081110.2200", table), put("y/day", update)}, "", []string{"rrc00", "rrc00"}},
		{"a table whose path names the collector and not what it is, and standard input", []string{put("rrc01/seed", table), "-"}, "", []string{"rrc01", "rrc01"}},
		{"two collectors, tables and updates apart", []string{put("p/RIBS/1", table), put("p/UPDATES/1", update), put("q/RIBS/1", table), put("q/UPDATES/1", update)}, "",
			[]string{"p", "p", "q", "q"}},
		{"two folders of updates", []string{put("y/day", update), put("z/day", update)}, "", []string{"y", "z"}},
		{"as configured", []string{put("x/seed", table), put("y/day", update)}, "own", []string{"own", "own"}},
		{"as the paths say", []string{"rrc00/updates.20081111.0000.gz", "route-views2/rib.20081111.0000.bz2"}, "own", []string{"rrc00", "route-views2"}},
		{"standard input", []string{"-"}, "", []string{"mrt"}},
	} {
		var list []archive
		for _, n := range c.names {
			a := describe(n)
			if filepath.IsAbs(n) { // the folder that the test runs in has a name too
				rel, _ := filepath.Rel(dir, n)
				a.collector = Collector(rel)
			}
			list = append(list, a)
		}
		nameArchives(t.Context(), list, c.configured)
		for i := range list {
			if list[i].collector != c.want[i] {
				t.Errorf("%s: %s is of %q, want %q", c.what, list[i].name, list[i].collector, c.want[i])
			}
		}
	}
}
