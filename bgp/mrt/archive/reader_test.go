package archive

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"depeer/bgp"
	"depeer/bgp/mrt"
)

func (r *rig) reader() *Reader {
	r.t.Helper()
	x, err := NewReader(r.cfg, r.deps)
	if err != nil {
		r.t.Fatal(err)
	}
	return x
}

// told gives the announcements, withdrawals and changes of session, as text.
func told(list []bgp.Update) (out []string) {
	for _, u := range list {
		switch u.Kind {
		case bgp.Announce, bgp.Withdraw, bgp.PeerUp, bgp.PeerDown, bgp.EndOfRIB:
			out = append(out, u.At.Format(time.RFC3339Nano)+" "+u.Peer.String()+" "+u.Kind.String()+" "+u.Prefix.String())
		}
	}
	return out
}

// What is filled in is what the collector recorded between both moments: neither
// more nor less, in its order.
func TestBackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, start.Add(3*time.Hour))
		from, to := start.Add(37*time.Minute+30*time.Second), start.Add(58*time.Minute)
		if err := r.reader().Backfill(t.Context(), "rrc00", from, to, r.h.emit); err != nil {
			t.Fatal(err)
		}
		dir, _ := worldDir()
		want := newHeard()
		s := mrt.NewSource(mrt.Config{Inputs: []string{dir + "/rrc00"}, From: from, To: to})
		if err := s.Run(t.Context(), want.emit); err != nil {
			t.Fatal(err)
		}
		a, b := told(r.h.all), told(want.all)
		if len(b) < 100 || strings.Join(a, "\n") != strings.Join(b, "\n") {
			t.Errorf("%d updates filled in, %d recorded", len(a), len(b))
		}
		if got := r.m.requests(".gz"); len(got) != 5 { // 16:35 to 16:55
			t.Errorf("asked for %q", got)
		}
	})
}

func TestBackfillTellsHoles(t *testing.T) {
	for name, index := range map[string]bool{"with an index": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, start.Add(63*time.Minute))
				r.m.noIndex = !index
				r.m.remove("/rrc00/2008.11/updates.20081111.1620.gz")
				broken := "/rrc00/2008.11/updates.20081111.1630.gz"
				r.m.put(broken, content{at: r.m.files[broken].at, body: []byte("<html>")})
				r.cfg.Patience = 10 * time.Minute
				err := r.reader().Backfill(t.Context(), "rrc00", start.Add(12*time.Minute), start.Add(62*time.Minute), r.h.emit)
				holes := Holes(err)
				type want struct {
					file     string
					from, to time.Duration
					coming   bool
				}
				for i, w := range []want{{"updates.20081111.1620.gz", 20, 25, false}, {"updates.20081111.1630.gz", 30, 35, false}, {"updates.20081111.1700.gz", 60, 62, true}} {
					if len(holes) != 3 {
						t.Fatalf("%d holes: %v", len(holes), err)
					}
					h := holes[i]
					if h.Collector != "rrc00" || h.File != w.file || !h.From.Equal(start.Add(w.from*time.Minute)) || !h.To.Equal(start.Add(w.to*time.Minute)) || h.Coming != w.coming {
						t.Errorf("hole %d is %+v", i, h)
					}
				}
				minutes := map[int]bool{}
				for _, u := range r.h.of(bgp.Announce) {
					minutes[int(u.At.Sub(start).Minutes())/5*5] = true
				}
				for _, m := range []int{15, 25, 35, 50, 55} {
					if !minutes[m] {
						t.Errorf("nothing from minute %d on", m)
					}
				}
			})
		})
	}
}

func TestBackfillStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, start.Add(3*time.Hour))
		full := errors.New("full")
		r.h.fail = func([]bgp.Update) error { return full }
		if err := r.reader().Backfill(t.Context(), "rrc00", start, start.Add(time.Hour), r.h.emit); err != full {
			t.Errorf("emit failed, Backfill says %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.reader().Backfill(ctx, "rrc00", start, start.Add(time.Hour), r.h.emit); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled, Backfill says %v", err)
		}
		if err := r.reader().Backfill(t.Context(), "../etc", start, start, r.h.emit); err == nil || err.Error() != `"../etc" is no collector of RIPE RIS (rrc00, ...)` {
			t.Error(err)
		}
	})
}

// A live feed is seeded with what every peer held at its start; the last minutes
// are said to be coming, and are filled in when they are there. A dump that is
// broken gives way to the one before.
func TestSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := start.Add(47 * time.Minute)
		r := newRig(t, at)
		for _, c := range []string{"rrc00", "rrc21"} {
			r.m.put("/"+c+"/2008.11/bview.20081111.1640.gz", content{at: at.Add(-time.Minute), body: []byte("\x1f\x8bnothing")})
		}
		x := r.reader()
		err := x.Seed(t.Context(), []string{"rrc00", "rrc21", "rrc99"}, at, r.h.emit)
		compare(t, "seeded", r.h.routes(), truth(t, start.Add(45*time.Minute-time.Second)))
		holes := Holes(err)
		if len(holes) != 3 || !holes[0].Coming || !holes[0].From.Equal(start.Add(45*time.Minute)) || holes[2].File != "table dump" {
			t.Fatalf("holes: %v", err)
		}
		time.Sleep(10 * time.Minute)
		for _, h := range holes[:2] {
			if err := x.Backfill(t.Context(), h.Collector, h.From, h.To, r.h.emit); err != nil {
				t.Error(err)
			}
		}
		compare(t, "filled in", r.h.routes(), truth(t, at))
	})
}

// A transfer that breaks goes on where it stopped; a server that is overloaded is
// asked again when it wants to be.
func TestPolite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, start.Add(3*time.Hour))
		var refused, asked time.Time
		r.m.fault = func(w http.ResponseWriter, req *http.Request, n int) bool {
			if !strings.HasSuffix(req.URL.Path, "updates.20081111.1640.gz") {
				return false
			}
			if n == 1 {
				refused = r.now()
				w.Header().Set("Retry-After", "45")
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			asked = r.now()
			return false
		}
		if err := r.reader().Backfill(t.Context(), "rrc00", start.Add(40*time.Minute), start.Add(44*time.Minute), r.h.emit); err != nil {
			t.Fatal(err)
		}
		if d := asked.Sub(refused); d != 45*time.Second {
			t.Errorf("asked again after %s", d)
		}
	})
}

func TestConfigFaults(t *testing.T) {
	good := DefaultConfig()
	good.Archive, good.Collectors = RouteViews, []string{"route-views2", "route-views.linx", "amsix.ams"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	bad := Config{Name: "A", Archive: "caida", URL: "ftp://me:hunter2@x/", Every: time.Second, Collectors: []string{"../x", "rrc00", "rrc00"}}
	want := `archive: "caida" is neither ris nor routeviews
url: "ftp://me:xxxxx@x/" is no http, https or file address
name: "A" must match [a-z0-9-]{1,32}
collectors[0]: "../x" is no collector of RouteViews (route-views2, route-views.linx, ...)
collectors[2]: "rrc00" is listed twice
every: 1s is less than 10s: the archives are other people's servers
patience: 0s is less than 1m: files are minutes late every day
catch_up: 0s is less than 1h`
	if err := bad.Validate(); err == nil || err.Error() != want {
		t.Errorf("got:\n%v", err)
	}
	ris := DefaultConfig()
	ris.Archive, ris.URL = RIS, "https://x/?key=1"
	want = "url: has a query: names of folders are put behind it\ncollectors: is empty: name the collectors to follow (rrc00, ...)"
	if err := ris.Validate(); err == nil || err.Error() != want {
		t.Errorf("got:\n%v", err)
	}
}

// The addresses are those of both projects.
func TestLayout(t *testing.T) {
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	ris, rv := layoutOf(RIS, ""), layoutOf(RouteViews, "")
	for got, want := range map[string]string{
		ris.derived("rrc21", updates, at.Add(5*time.Minute)).url: "https://data.ris.ripe.net/rrc21/2026.11/updates.20261122.0805.gz",
		ris.derived("rrc00", dumps, at).url:                      "https://data.ris.ripe.net/rrc00/2026.11/bview.20261122.0800.gz",
		rv.derived("route-views2", updates, at).url:              "https://archive.routeviews.org/bgpdata/2026.11/UPDATES/updates.20261122.0800.bz2",
		rv.derived("route-views.linx", dumps, at).url:            "https://archive.routeviews.org/route-views.linx/bgpdata/2026.11/RIBS/rib.20261122.0800.bz2",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`<a href="updates.20261122.0805.gz">updates.20261122.0805.gz</a>`))
	f.Add([]byte("rib.20080223.0200.bz2\nbview.20100701.0759.gz\nupdates.99999999.9999.gz"))
	f.Fuzz(func(t *testing.T, page []byte) {
		for _, list := range parseIndex(page, "http://192.0.2.1/x/") {
			for i, x := range list {
				if i > 0 && !list[i-1].at.Before(x.at) {
					t.Fatal("out of order, or twice")
				}
				if !strings.HasPrefix(x.url, "http://192.0.2.1/x/") || strings.ContainsAny(x.name, "/\\ ") {
					t.Fatalf("%q", x.url)
				}
			}
		}
	})
}
