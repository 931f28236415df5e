package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"depeer/bgp/bgptest"
	"depeer/watch"
)

// here runs the program within the test, with what a file may not say.
func (r *running) here(change func(*Config), roles ...string) *monitor {
	r.t.Helper()
	file := filepath.Join(r.dir, "depeer.yaml")
	cfg, err := LoadConfig(file)
	if err != nil {
		r.t.Fatal(err)
	}
	cfg.Run.Reload = 0
	if change != nil {
		change(cfg)
	}
	if len(roles) == 0 {
		roles = allRoles
	}
	m := &monitor{cfg: cfg, file: file, roles: roles, began: time.Now().UTC(), out: &r.log}
	ctx, cancel := context.WithCancel(context.Background())
	r.ended = make(chan error, 1)
	go func() { r.ended <- m.run(ctx) }()
	r.end = func() {
		cancel()
		if err := <-r.ended; err != nil {
			r.t.Errorf("it ended with %v", err)
		}
		r.end = func() {}
	}
	r.t.Cleanup(func() { r.end() })
	r.await("it answers", func() bool { return strings.Contains(r.log.String(), "depeer runs") })
	return m
}

func (r *running) gaps() (out []watch.Gap) {
	_, body := r.get("/api/v1/gaps")
	_ = json.Unmarshal(body, &out)
	return out
}

// RIS Live breaks off; the hole is written down, filled from the archive, and what
// happened in it is told, by one process or by one that hears and one that judges.
func TestRunFillsAGap(t *testing.T) {
	for name, split := range map[string]bool{"one process": false, "two processes": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fillsAGap(t, split)
		})
	}
}

func fillsAGap(t *testing.T, split bool) {
	live, peers := newRISLive(t, 4)
	m := newRISMirror(t)
	recorded := archivePeers("rrc21", 4)
	// The stream is 25 minutes old: so the archive has had time to write it all.
	was := time.Now().UTC().Truncate(5 * time.Minute).Add(-25 * time.Minute)
	for at := was.Add(-10 * time.Minute); time.Since(at) > 5*time.Minute; at = at.Add(5 * time.Minute) {
		fill := keepalive(at.Add(time.Minute), recorded[0])
		if at.Equal(was.Add(5 * time.Minute)) {
			fill = withdrawn(at.Add(time.Minute), recorded, mccolo1, mccolo2)
		}
		m.put("rrc21", "updates", at, fill)
	}
	m.table(was.Add(-10*time.Minute), recorded, mccolo1, mccolo2)
	r := newBare(t)
	r.sources = fmt.Sprintf("  - {type: rislive, url: %q, backoff_min: 100ms, backoff_max: 1s}\n  - {type: mrt, archive: ris, collectors: [rrc00], url: %q, seed: false}", live.URL(), m.url)
	r.more = "policy: {settle: 1s, hold: 2s}"
	filling := func(c *Config) { c.Run.Fill = time.Second }
	hears := r // the process that hears and fills
	if split {
		n := newNATS(t, r.nats)
		r.over(n, "")
		hears = newBare(t)
		hears.nats, hears.sources, hears.more = r.nats, r.sources, r.more
		hears.over(n, "")
		r.configure(r.text())
		hears.configure(hears.text())
		r.await("NATS is up", func() bool { return dials(n.addr) })
		r.here(nil, roleDetect, roleWeb)
		hears.here(filling, roleCollect, roleWeb)
	} else {
		r.configure(r.text())
		r.here(filling)
	}
	hears.awaitRISLive(live)
	for i, p := range peers {
		p.announce(was.Add(time.Duration(i)*time.Second), upstreamOf(i), mccolo1, mccolo2)
	}
	r.awaitTables(4, 2)
	r.judged(3 * time.Second)
	live.Refuse(http.StatusServiceUnavailable, time.Second)
	live.Drop()
	r.await("all peers are away", func() bool { return r.hoster().Eligible == 0 })
	// The archive is of another collector, which the mirror does not have.
	ours := func(k watch.EventKind) func(e watch.Event) bool {
		return func(e watch.Event) bool { return e.Kind == k && e.Source == "rislive" }
	}
	for _, e := range r.events(func(got []watch.Event) bool { return slices.ContainsFunc(got, ours(watch.FeedLost)) }) {
		if ours(watch.FeedLost)(e) && e.PeersLost != 4 {
			t.Errorf("feed.lost of %q: %d peers, since %s: %s", e.Source, e.PeersLost, e.FirstSeen, e.Reason)
		}
	}
	if g := r.gaps(); len(g) != 1 || g[0].To != nil || g[0].Peers != 4 || g[0].Reason != "feed lost" || g[0].Source != "rislive" {
		t.Errorf("open gaps: %+v", g)
	}
	if code, body := r.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(string(body), "feed rislive") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	live.Refuse(0, 0)
	hears.awaitRISLive(live, mccolo1.String())
	for _, p := range peers {
		p.alive(was.Add(12 * time.Minute))
	}
	r.await("all peers are back", func() bool { return r.hoster().Eligible == 4 })
	r.cutOffWithin("rislive", was)
	r.await("the gap is filled", func() bool { g := r.gaps(); return len(g) == 1 && g[0].Filled != nil && g[0].To != nil })
	hears.wantMetric(`depeer_source_updates_total{source="backfill"}`, is(8))
	r.wantMetric(`depeer_gap_revisions_total`, least(3))
	restored := 0
	for _, e := range r.events(func(got []watch.Event) bool { return slices.ContainsFunc(got, ours(watch.FeedRestored)) }) {
		if ours(watch.FeedRestored)(e) {
			restored++
		}
	}
	if restored != 1 {
		t.Errorf("feed.restored: %d times", restored)
	}
	if split {
		hears.end()
	}
	r.end()
	if !strings.Contains(hears.log.String(), "a gap was filled from the archive") {
		t.Error("the log does not say that the gap was filled")
	}
}

// cutOffWithin: it was told, as of when it happened.
func (r *running) cutOffWithin(source string, since time.Time) {
	r.t.Helper()
	for _, e := range r.events(untilKind(watch.HosterDark)) {
		if e.Hoster != nil && e.FirstSeen.Before(since) {
			r.t.Errorf("%s of %s is told as of %s", source, e.Kind, e.FirstSeen)
		}
	}
}

// A connection that is back at once is a gap and no event.
func TestRunSaysNothingOfAShortBreak(t *testing.T) {
	t.Parallel()
	live, peers := newRISLive(t, 4)
	r := newBare(t)
	r.sources = fmt.Sprintf("  - {type: rislive, url: %q, backoff_min: 100ms, backoff_max: 1s}", live.URL())
	r.more = "policy: {settle: 1s}"
	r.configure(r.text())
	r.start()
	r.awaitRISLive(live)
	for i, p := range peers {
		p.announce(time.Now(), upstreamOf(i), mccolo1, mccolo2)
	}
	r.awaitTables(4, 2)
	live.Drop()
	r.await("it is back", func() bool { _, ever := live.Connections(); return ever == 2 })
	r.awaitRISLive(live, mccolo1.String())
	r.await("all peers are away", func() bool { return r.hoster().Eligible == 0 })
	for _, p := range peers {
		p.alive(time.Now())
	}
	r.awaitTables(4, 2)
	r.judged(3 * time.Second)
	if events := r.events(nil); len(events) != 0 {
		t.Errorf("told: %s", kindsOf(events))
	}
	if g := r.gaps(); len(g) != 1 || g[0].To == nil || g[0].Peers != 4 {
		t.Errorf("gaps: %+v", g)
	}
	r.stopped()
}

// An archive that cannot be reached from the start is lost as of now, and said so once.
func TestRunCannotReachAnArchive(t *testing.T) {
	t.Parallel()
	r := newBare(t)
	r.sources = r.speaker(1) + fmt.Sprintf("\n  - {type: mrt, archive: ris, collectors: [rrc00], url: %q}", "http://"+freePort(t))
	r.more = "policy: {hold: 2s}"
	r.configure(r.text())
	began := time.Now()
	r.start()
	r.connect(1, 6939, mccolo1)
	r.judged(8 * time.Second)
	n := 0
	for _, e := range r.events(nil) {
		if e.Source != "ris" {
			continue
		}
		if n++; e.Kind != watch.FeedLost || e.FirstSeen.Before(began.Add(-time.Minute)) {
			t.Errorf("%s of %s, first seen %s", e.Kind, e.Source, e.FirstSeen)
		}
	}
	if n != 1 {
		t.Errorf("told %d times", n)
	}
	for _, f := range r.status().Feeds {
		if f.Name == "ris" && (f.Ready || f.Reason == "" || f.Since.Before(began.Add(-time.Minute))) {
			t.Errorf("%+v", f)
		}
	}
	if code, body := r.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(string(body), "feed ris:") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	r.stopped()
}

// A watchlist that is fetched: an empty one changes nothing, and a restart needs no network.
func TestRunKeepsTheLastGoodWatchlist(t *testing.T) {
	t.Parallel()
	var body atomic.Value
	body.Store(`{"asn":26780,"rir":"arin","domain":"mccolo.com","cc":"US","asname":"MCCOLO"}
{"asn":27595,"rir":"arin","domain":"atrivo.com","cc":"US","asname":"ATRIVO-AS"}
{"type":"metadata","timestamp":1226440000,"size":150,"records":2,"copyright":"(c) nobody"}
`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body.Load()) }))
	defer server.Close()
	r := newBare(t)
	r.hosters = "  - {id: someone, name: Someone, asns: [64999]}"
	r.sources = r.speaker(2)
	r.more = fmt.Sprintf("watchlists: [{name: asndrop, format: spamhaus-asndrop, url: %q, every: 1h}]", server.URL)
	r.configure(r.text())
	m := r.here(nil)
	if n := len(r.status().Hosters); n != 3 {
		t.Fatalf("%d hosters: %+v", n, r.status().Hosters)
	}
	for _, empty := range []string{"", `{"type":"metadata","timestamp":1226440000,"size":0,"records":0}` + "\n", "<html>maintenance</html>"} {
		body.Store(empty)
		if err := m.refresh(t.Context(), m.lists.fetched[0]); err == nil {
			t.Errorf("%q was taken", empty)
		}
		if n := len(r.status().Hosters); n != 3 {
			t.Errorf("%d hosters after %q", n, empty)
		}
	}
	r.end()
	server.Close()
	r.start()
	if n := len(r.status().Hosters); n != 3 {
		t.Errorf("%d hosters after a restart without a network\n%s", n, r.log.String())
	}
	var sessions []*bgptest.Session
	for i := 1; i <= 2; i++ {
		sessions = append(sessions, r.connect(i, upstreamOf(i), mccolo1))
	}
	r.await("it is heard", func() bool { h, _ := r.hosterOf("asndrop-as26780"); return h.Eligible == 2 && h.Visibility == 1 })
	for _, s := range sessions {
		if err := s.Withdraw(mccolo1); err != nil {
			t.Fatal(err)
		}
	}
	r.events(untilKind(watch.HosterDark))
	r.stopped()
}
