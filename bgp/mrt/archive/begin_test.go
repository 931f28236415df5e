package archive

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// Without any table the updates are told all the same, and the first table that
// appears is read.
func TestNoTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, start.Add(30*time.Minute))
		r.cfg.Collectors = []string{"rrc00"}
		r.m.remove("/rrc00/2008.11/bview.20081111.1600.gz")
		f, stop := r.run()
		defer stop()
		r.sleepTo(start.Add(61 * time.Minute))
		wantCount(t, f, "seeds_missing", 1)
		wantCount(t, f, "seeds", 0)
		if h := f.Health(r.now()); !h.Ready || len(r.h.of(bgp.Announce)) < 100 {
			t.Errorf("%d announcements, health %+v", len(r.h.of(bgp.Announce)), h)
		}
		r.m.put("/rrc00/2008.11/bview.20081111.1700.gz", content{at: start.Add(62 * time.Minute), body: dumpAt(t, start.Add(time.Hour))})
		time.Sleep(2 * time.Hour) // a dump is looked for once an hour
		synctest.Wait()
		wantCount(t, f, "seeds", 1)
		if got := r.h.of(bgp.TableRoute); len(got) != 1 || !got[0].At.Equal(start.Add(time.Hour)) {
			t.Errorf("table %v", got)
		}
	})
}

// A restart reads the table to learn from it which routes are wanted, and tells
// nothing of it: a withdrawal names no AS, so it is only wanted for its prefix.
func TestRestartLearns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, start.Add(47*time.Minute))
		r.deps.Watch = hoster()
		_, stop := r.run()
		synctest.Wait()
		stop()
		n := len(r.h.all)
		r.deps.Watch = hoster() // of another process, which has learned nothing
		_, stop = r.run()
		defer stop()
		synctest.Wait()
		if len(r.h.all) != n {
			t.Errorf("%d updates were told again", len(r.h.all)-n)
		}
		r.deps.Watch.Do(func(w *wire.Watch) {
			for _, q := range []string{"208.66.192.0/22", "208.72.168.0/21"} {
				if !w.WatchesPrefix(wire.PrefixOf(netip.MustParsePrefix(q))) {
					t.Errorf("%s is not followed after a restart", q)
				}
			}
		})
	})
}

// Who was told lost its memory, or the cursor is no cursor: all is told from the
// table on.
func TestBeginsAnew(t *testing.T) {
	for name, spoil := range map[string]func(r *rig){
		"fresh": func(r *rig) { r.deps.Fresh = true },
		"broken cursor": func(r *rig) {
			for _, c := range r.cfg.Collectors {
				if err := os.WriteFile(filepath.Join(r.deps.Dir, "mrt-"+c+".json"), []byte(`{"version":1,"peers":[{`), 0o644); err != nil {
					r.t.Fatal(err)
				}
			}
		},
		"other collector's cursor": func(r *rig) {
			b := readFile(r.t, filepath.Join(r.deps.Dir, "mrt-rrc00.json"))
			for _, c := range r.cfg.Collectors {
				other := strings.ReplaceAll(string(b), `"rrc00"`, `"rrc77"`)
				if err := os.WriteFile(filepath.Join(r.deps.Dir, "mrt-"+c+".json"), []byte(other), 0o644); err != nil {
					r.t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, start.Add(47*time.Minute))
				_, stop := r.run()
				synctest.Wait()
				stop()
				spoil(r)
				r.h = newHeard()
				_, stop = r.run()
				defer stop()
				synctest.Wait()
				compare(t, "anew", r.h.routes(), truth(t, start.Add(45*time.Minute-time.Second)))
			})
		})
	}
}

// A mirror on this machine needs no server.
func TestFileMirror(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, start.Add(2*time.Hour+10*time.Minute))
		dir := t.TempDir()
		for p, c := range r.m.files {
			name := filepath.Join(dir, filepath.FromSlash(p))
			if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, readFile(t, c.file), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		r.cfg.URL = "file://" + dir
		f, stop := r.run()
		defer stop()
		synctest.Wait()
		compare(t, "from files", r.h.routes(), truth(t, start.Add(2*time.Hour)))
		if !f.Until().Equal(start.Add(2*time.Hour)) || len(r.m.requests("")) != 0 {
			t.Errorf("until %s, %d requests", f.Until(), len(r.m.requests("")))
		}
	})
}
