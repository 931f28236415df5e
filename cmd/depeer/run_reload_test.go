package main

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/watch"
)

var atrivo = netip.MustParsePrefix("85.255.112.0/20")

// hosterOf is a hoster's line of the board.
func (r *running) hosterOf(id string) (watch.Standing, bool) {
	for _, h := range r.status().Hosters {
		if h.Hoster == id {
			return h, true
		}
	}
	return watch.Standing{}, false
}

// refreshed answers each ROUTE-REFRESH with the whole table, as a router does.
func refreshed(ctx context.Context, s *bgptest.Session, table func() error) {
	seen := 0
	for {
		_, err := s.WaitFor(ctx, func(bgptest.Message) bool {
			n := 0
			for _, m := range s.Received() {
				if m.Type == 5 {
					n++
				}
			}
			return n > seen
		})
		if err != nil || table() != nil {
			return
		}
		seen++
	}
}

// A hoster that is added is learned from the sessions that are up; one that is taken
// off is silent; a broken file changes nothing.
func TestRunReloads(t *testing.T) {
	t.Parallel()
	r := newRunning(t, 3, "")
	r.start()
	var all []*bgptest.Session
	for i := 1; i <= 3; i++ {
		s := r.connect(i, upstreamOf(i), mccolo1, mccolo2)
		path := bgp.PathOf(uint32(64600+i), upstreamOf(i), 27595)
		if err := s.Announce(path, atrivo); err != nil {
			t.Fatal(err)
		}
		go refreshed(t.Context(), s, func() error {
			for _, err := range []error{s.Announce(bgp.PathOf(uint32(64600+i), upstreamOf(i), 26780), mccolo1, mccolo2), s.Announce(path, atrivo)} {
				if err != nil {
					return err
				}
			}
			return nil
		})
		all = append(all, s)
	}
	r.awaitTables(3, 2)
	mccolo := r.hosters

	r.hosters = mccolo + "\n  - {id: atrivo, name: Atrivo, asns: [27595]}"
	r.configure(r.text())
	r.await("the new hoster is learned", func() bool {
		h, _ := r.hosterOf("atrivo")
		return h.Prefixes == 1 && h.Eligible == 3 && h.Visibility == 1
	})
	r.await("the log says so", func() bool {
		return strings.Contains(r.log.String(), `msg="watchlist in force" why="the file changed" hosters=2`)
	})
	if h := r.hoster(); h.Prefixes != 2 || h.Eligible != 3 || h.Visibility != 1 {
		t.Errorf("what was known is lost: %+v", h)
	}

	broken := strings.Replace(r.text(), "asns: [27595]", "asns: [no]", 1)
	r.configure(broken)
	r.await("the fault is named", func() bool { return strings.Contains(r.log.String(), "hosters[1].asns[0]") })
	r.configure("hosters: [")
	r.await("the broken file is named", func() bool { return strings.Count(r.log.String(), "the old one stays") >= 2 })
	if n := len(r.status().Hosters); n != 2 {
		t.Errorf("%d hosters after a broken file", n)
	}
	if err := os.Remove(filepath.Join(r.dir, "depeer.yaml")); err != nil {
		t.Fatal(err)
	}
	r.judged(3 * time.Second)
	if n := strings.Count(r.log.String(), "no such file"); n != 1 {
		t.Errorf("that the file is gone is told %d times", n)
	}

	r.hosters = mccolo
	r.run = "save: 10s, reload: 0s" // which has an effect after a restart only
	r.configure(r.text())
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	r.await("it is taken off", func() bool { _, there := r.hosterOf("atrivo"); return !there })
	r.await("that a section needs a restart is told", func() bool { return strings.Contains(r.log.String(), "section=run") })
	for _, s := range all {
		if err := s.Withdraw(atrivo, mccolo1); err != nil {
			t.Fatal(err)
		}
	}
	r.events(untilKind(watch.RouteWithdrawn))
	r.judged(3 * time.Second)
	for _, e := range r.events(nil) {
		if e.Hoster != nil && (*e.Hoster != "mccolo" || e.Kind != watch.RouteWithdrawn) {
			t.Errorf("%s of %s", e.Kind, *e.Hoster)
		}
	}
	r.stopped()
}

// What changes before the file is first looked at is seen too, and a hang-up of the
// terminal in the first moments ends nothing.
func TestRunReloadsFromTheFirstMoment(t *testing.T) {
	t.Parallel()
	r := newRunning(t, 1, "")
	r.start()
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	r.hosters += "\n  - {id: atrivo, name: Atrivo, asns: [27595]}"
	r.configure(r.text())
	r.await("the new hoster is there", func() bool { _, there := r.hosterOf("atrivo"); return there })
	r.stopped()
}
