package archive

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"depeer/bgp"
)

// rig is a feed in a world whose clock is the test's.
type rig struct {
	t     *testing.T
	m     *mirror
	h     *heard
	deps  Deps
	cfg   Config
	cache string
	base  time.Duration
}

// newRig begins at a moment of the scenario. It is for the inside of a synctest bubble.
func newRig(t *testing.T, at time.Time) *rig {
	r := &rig{t: t, h: newHeard(), cache: t.TempDir(), base: time.Until(at)}
	r.m = worldMirror(t, r.now)
	r.cfg = DefaultConfig()
	r.cfg.Archive, r.cfg.Collectors, r.cfg.URL = RIS, []string{"rrc00", "rrc21"}, "http://192.0.2.1"
	r.deps = Deps{Watch: everything(), Fetch: newFetch(t, r.cache, r.m), Dir: t.TempDir(), Now: r.now}
	return r
}

func (r *rig) now() time.Time { return time.Now().Add(r.base) }

// sleepTo lets time pass until a moment of the scenario, and all that is due then be done.
func (r *rig) sleepTo(at time.Time) {
	time.Sleep(at.Sub(r.now()))
	synctest.Wait()
}

// run starts the feed; stop ends it and gives Run's error.
func (r *rig) run() (f *Feed, stop func() error) {
	r.t.Helper()
	f, err := New(r.cfg, r.deps)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx, r.h.emit) }()
	return f, func() error { cancel(); return <-done }
}

func count(f *Feed, name string) (n float64) {
	for _, c := range f.Health(time.Now()).Counts {
		if c.Name == name {
			n += c.Value
		}
	}
	return n
}

func wantCount(t *testing.T, f *Feed, name string, want float64) {
	t.Helper()
	if got := count(f, name); got != want {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
}

// Begun in the middle, the table is the one that reading everything gives: seeded
// from the dump and the updates since, then file by file as they appear.
func TestFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := start.Add(47 * time.Minute)
		r := newRig(t, at)
		f, stop := r.run()
		synctest.Wait()
		compare(t, "seeded", r.h.routes(), truth(t, start.Add(45*time.Minute-time.Second)))
		if h := f.Health(r.now()); !h.Ready || len(h.Sessions) != 2 || h.Sessions[0].Name != "rrc00" || !h.Sessions[0].Up || h.Sessions[0].State != "following" {
			t.Errorf("health %+v", h)
		}
		if got, want := f.Until(), start.Add(45*time.Minute); !got.Equal(want) {
			t.Errorf("until %s, want %s", got, want)
		}
		before := len(r.m.requests(""))
		r.sleepTo(start.Add(90*time.Minute + time.Minute))
		compare(t, "followed", r.h.routes(), truth(t, start.Add(90*time.Minute-time.Second)))
		wantCount(t, f, "files", 36)
		wantCount(t, f, "seeds", 2)
		wantCount(t, f, "files_missing", 0)
		if h := f.Health(r.now()); h.Heard.IsZero() || h.Lag <= 0 || h.Lag > 5*time.Minute+2*soon {
			t.Errorf("heard %s with a lag of %s", h.Heard, h.Lag)
		}
		// The index is read once; after that each file costs one request.
		if n := len(r.m.requests("/2008.11/")) - len(r.m.requests(".gz")); n != 2 {
			t.Errorf("the index of %d folders was read %d times", 2, n)
		}
		if n := len(r.m.requests("")) - before; n != 18 {
			t.Errorf("18 files took %d requests", n)
		}
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
		if h := f.Health(r.now()); h.Ready || h.Reason != "stopped" {
			t.Errorf("after Run: %+v", h)
		}
		if got := r.h.of(bgp.Unheard); len(got) != 0 {
			t.Errorf("%d were lost sight of", len(got))
		}
	})
}

// A server without an index: names are derived by the step.
func TestFollowsWithoutIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, start.Add(47*time.Minute))
		r.m.noIndex = true
		f, stop := r.run()
		defer stop()
		r.sleepTo(start.Add(91 * time.Minute))
		compare(t, "followed", r.h.routes(), truth(t, start.Add(90*time.Minute-time.Second)))
		wantCount(t, f, "files_missing", 0)
	})
}

// Begun at a moment, stopped between what was emitted and its cursor, and begun
// again: nothing is missing, and at most one file is read twice.
func TestRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, start.Add(47*time.Minute))
		killed := errors.New("killed")
		n := 0
		r.h.fail = func(batch []bgp.Update) error {
			if batch[0].At.After(start.Add(35 * time.Minute)) {
				if n++; n == 2 { // part of a file was accepted
					return killed
				}
			}
			return nil
		}
		f, err := New(r.cfg, r.deps)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Run(t.Context(), r.h.emit); !errors.Is(err, killed) {
			t.Fatalf("Run ended with %v", err)
		}
		r.h.fail = nil
		seen := len(r.h.of(bgp.TableRoute))
		r.m.mu.Lock()
		r.m.asked = nil
		r.m.mu.Unlock()
		r.deps.Fetch = newFetch(t, r.cache, r.m) // another process
		_, stop := r.run()
		r.sleepTo(start.Add(91 * time.Minute))
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		compare(t, "after a restart", r.h.routes(), truth(t, start.Add(90*time.Minute-time.Second)))
		if again := len(r.h.of(bgp.TableRoute)) - seen; again != 0 {
			t.Errorf("%d routes of tables were told again", again)
		}
		twice := r.m.requests(".gz?if") // what was in the cache
		files := 0
		for _, p := range twice {
			if strings.Contains(p, "updates.") {
				files++
			}
		}
		if files > 1 {
			t.Errorf("asked again for %q", twice)
		}
	})
}

// Far behind, a restart begins with a table, and says that it did not hear.
func TestRestartsFarBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, start.Add(20*time.Minute))
		_, stop := r.run()
		synctest.Wait()
		stop()
		r.cfg.CatchUp = time.Hour
		time.Sleep(71 * time.Minute)
		_, stop = r.run()
		defer stop()
		synctest.Wait()
		lost := r.h.of(bgp.Unheard)
		if len(lost) != 10 || !lost[0].At.Equal(start.Add(20*time.Minute)) || !strings.Contains(lost[0].Cause.Text, "1h11m0s behind") {
			t.Errorf("lost sight of %d, the first %+v", len(lost), lost[:min(1, len(lost))])
		}
		compare(t, "anew", r.h.routes(), truth(t, start.Add(90*time.Minute-time.Second)))
	})
}

// A file that is late is waited for; one that does not come is a gap, from its
// beginning; with the next one the peers are heard again.
func TestLateAndMissing(t *testing.T) {
	const path = "/rrc00/2008.11/updates.20081111.1645.gz"
	for name, index := range map[string]bool{"with an index": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, start.Add(30*time.Minute))
				r.m.noIndex = !index
				late := r.m.files[path]
				late.at = start.Add(70 * time.Minute) // 20 minutes late: within Patience
				r.m.put(path, late)
				f, stop := r.run()
				r.sleepTo(start.Add(65 * time.Minute))
				if h := f.Health(r.now()); !h.Ready || h.Sessions[0].State != "late" || !strings.Contains(h.Sessions[0].Reason, "updates.20081111.1645.gz is not there yet") {
					t.Errorf("health %+v", h)
				}
				r.sleepTo(start.Add(72 * time.Minute))
				wantCount(t, f, "gaps", 0)
				compare(t, "after a late file", r.h.routes(), truth(t, start.Add(70*time.Minute-time.Second)))
				stop()
			})
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, start.Add(30*time.Minute))
				r.m.noIndex = !index
				r.m.remove(path)
				f, stop := r.run()
				defer stop()
				r.sleepTo(start.Add(79 * time.Minute))
				wantCount(t, f, "gaps", 0)
				r.sleepTo(start.Add(83 * time.Minute))
				wantCount(t, f, "gaps", 1)
				wantCount(t, f, "files_missing", 1)
				lost := r.h.of(bgp.Unheard)
				if len(lost) != 6 {
					t.Fatalf("lost sight of %d peers, want the 6 of rrc00", len(lost))
				}
				for _, u := range lost {
					if u.Peer.Collector != "rrc00" || !u.At.Equal(start.Add(45*time.Minute)) || !strings.Contains(u.Cause.Text, "updates.20081111.1645.gz is missing") {
						t.Errorf("%+v", u)
					}
				}
				up := 0
				for k, v := range r.h.routes() {
					if !strings.Contains(k, "/32 ") && strings.HasPrefix(k, "rrc00") && v == "up" {
						up++
					}
				}
				if up != 6 {
					t.Errorf("%d of the peers are up again, want 6", up)
				}
				if h := f.Health(r.now()); !h.Ready {
					t.Errorf("health %+v", h)
				}
			})
		})
	}
}

// What is not an archive is counted, is a gap, and reading goes on.
func TestGarbage(t *testing.T) {
	for name, body := range map[string]string{
		"a web page":  "<html>we are sorry</html>",
		"zero length": "",
		"a cut file":  "cut",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const path = "/rrc00/2008.11/updates.20081111.1630.gz"
				r := newRig(t, start.Add(30*time.Minute))
				c := r.m.files[path]
				if body == "cut" {
					body = string(readFile(t, c.file))
					body = body[:len(body)/2]
				}
				r.m.put(path, content{at: c.at, body: []byte(body)})
				f, stop := r.run()
				defer stop()
				r.sleepTo(start.Add(64 * time.Minute))
				wantCount(t, f, "gaps", 0) // it may still be written
				r.sleepTo(start.Add(91 * time.Minute))
				wantCount(t, f, "files_broken", 1)
				wantCount(t, f, "gaps", 1)
				lost := r.h.of(bgp.Unheard)
				from, to := start.Add(30*time.Minute), start.Add(30*time.Minute)
				if name == "a cut file" {
					to = to.Add(5 * time.Minute)
				}
				if len(lost) != 6 || lost[0].At.Before(from) || lost[0].At.After(to) || !strings.Contains(lost[0].Cause.Text, "rrc00 updates.20081111.1630.gz is broken") {
					t.Errorf("lost sight of %d: %+v", len(lost), lost[:min(1, len(lost))])
				}
				if h := f.Health(r.now()); !h.Ready || !f.Until().Equal(start.Add(90*time.Minute)) {
					t.Errorf("until %s, %+v", f.Until(), h)
				}
			})
		})
	}
}

// After a gap the next table tells what was missed.
func TestTableAfterGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, start.Add(30*time.Minute))
		for _, name := range []string{"1640", "1645", "1650"} { // in which AS6939 drops the hoster
			r.m.remove("/rrc00/2008.11/updates.20081111." + name + ".gz")
		}
		f, stop := r.run()
		defer stop()
		r.sleepTo(start.Add(100 * time.Minute))
		wantCount(t, f, "files_missing", 3)
		wantCount(t, f, "gaps", 1)
		// The collector dumps its table at 17:35: what rrc00 really held, as RIS would.
		r.m.put("/rrc00/2008.11/bview.20081111.1735.gz", content{at: start.Add(96 * time.Minute), body: dumpAt(t, start.Add(95*time.Minute))})
		r.sleepTo(start.Add(119 * time.Minute))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		wantCount(t, f, "seeds", 3)
		if d := r.h.of(bgp.TableEnd); len(d) == 0 || !d[len(d)-1].At.Equal(start.Add(95*time.Minute)) {
			t.Errorf("the last table is not the one of 17:35")
		}
	})
}

// The archive is not there: said once, and gone on where it stopped.
func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, start.Add(30*time.Minute))
		var down atomic.Bool
		r.m.fault = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			if down.Load() {
				w.Header().Set("Retry-After", "30")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return down.Load()
		}
		f, stop := r.run()
		defer stop()
		r.sleepTo(start.Add(32 * time.Minute))
		down.Store(true)
		r.sleepTo(start.Add(60 * time.Minute))
		if h := f.Health(r.now()); h.Sessions[0].State != "unreachable" || !strings.Contains(h.Sessions[0].Reason, "503 Service Unavailable") {
			t.Errorf("health %+v", h)
		}
		r.sleepTo(start.Add(85 * time.Minute))
		if lost := r.h.of(bgp.Unheard); len(lost) != 10 || !lost[0].At.Equal(start.Add(30*time.Minute)) {
			t.Errorf("lost sight of %d peers, want all 10 from 16:30 on", len(lost))
		}
		if h := f.Health(r.now()); h.Ready {
			t.Error("ready without hearing anything")
		}
		down.Store(false)
		r.sleepTo(start.Add(110 * time.Minute))
		compare(t, "after it came back", r.h.routes(), truth(t, start.Add(105*time.Minute-time.Second)))
		wantCount(t, f, "files_missing", 0)
		wantCount(t, f, "gaps", 2)
	})
}

// Another watchlist is told its routes from the table on.
func TestOtherWatchlist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, start.Add(30*time.Minute))
		list, _ := everything().List()
		r.deps.Watch = nothing()
		_, stop := r.run()
		defer stop()
		synctest.Wait()
		if got := r.h.of(bgp.TableRoute); len(got) != 0 {
			t.Fatalf("%d routes for an empty list", len(got))
		}
		r.deps.Watch.Replace(list)
		synctest.Wait()
		compare(t, "another list", r.h.routes(), truth(t, start.Add(30*time.Minute-time.Second)))
	})
}

// Whoever schedules jobs wakes the feed; by itself it sleeps.
func TestScheduled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, start.Add(30*time.Minute))
		r.deps.Scheduled = true
		f, stop := r.run()
		defer stop()
		r.sleepTo(start.Add(61 * time.Minute))
		if !f.Until().Equal(start.Add(30 * time.Minute)) {
			t.Errorf("unasked, it went on to %s", f.Until())
		}
		f.Kick()
		f.Kick()
		synctest.Wait()
		if !f.Until().Equal(start.Add(60 * time.Minute)) {
			t.Errorf("kicked, it is at %s", f.Until())
		}
	})
}
