package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/watch"
)

// metric is the value of a line of /metrics; false where there is none.
func (r *running) metric(line string) (float64, bool) {
	_, body := r.get("/metrics")
	for l := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(l), line+" "); ok {
			v, err := strconv.ParseFloat(rest, 64)
			return v, err == nil
		}
	}
	return 0, false
}

func (r *running) wantMetric(line string, want func(float64) bool) {
	r.t.Helper()
	if v, ok := r.metric(line); !ok || !want(v) {
		r.t.Errorf("/metrics: %s is %v (there: %t)", line, v, ok)
	}
}

func is(want float64) func(float64) bool    { return func(v float64) bool { return v == want } }
func least(want float64) func(float64) bool { return func(v float64) bool { return v >= want } }

// cutOff is what everybody must be told once the hoster has been cut off by all.
func (r *running) cutOff(source string) {
	r.t.Helper()
	events := r.events(func(got []watch.Event) bool {
		lost := 0
		for _, e := range got {
			if e.Kind == watch.UpstreamLost && *e.Hoster == "mccolo" {
				lost++
			}
		}
		return lost == 2 && untilKind(watch.HosterDark)(got)
	})
	r.await("the board shows it", func() bool { return r.hoster().State == "dark" })
	if code, body := r.get("/readyz"); code != http.StatusOK {
		r.t.Errorf("/readyz: %d %s", code, body)
	}
	s := r.status()
	if len(s.Incidents) != 1 || s.Incidents[0].Hoster != "mccolo" || s.Incidents[0].Class != watch.Blackout {
		r.t.Errorf("incidents of the status: %+v", s.Incidents)
	}
	found := false
	for _, f := range s.Feeds {
		if f.Name == source {
			found = f.Ready && f.Up >= 3 && f.Peers >= f.Up && !f.Heard.IsZero()
		}
	}
	if !found {
		r.t.Errorf("feeds of the status: %+v", s.Feeds)
	}
	r.wantMetric("depeer_events_total", least(float64(len(events))))
	r.wantMetric("depeer_incidents_open", is(1))
	r.wantMetric(fmt.Sprintf("depeer_source_ready{source=%q}", source), is(1))
	r.wantMetric(fmt.Sprintf("depeer_source_heard{source=%q}", source), is(1))
	r.wantMetric(fmt.Sprintf("depeer_source_updates_total{source=%q}", source), least(6))
	r.wantMetric(`depeer_hoster_withdrawn_prefixes{hoster="mccolo"}`, is(2))
	r.wantMetric("depeer_log_bad_total", is(0))
	r.wantMetric("depeer_bus_failed_total", is(0))
	for _, want := range []string{"kind=hoster.dark", "kind=upstream.lost", "class=blackout", "hoster=mccolo"} {
		if !strings.Contains(r.log.String(), want) {
			r.t.Errorf("the log does not say %s:\n%s", want, r.log.String())
		}
	}
}

// risPeer is a peer of a collector of RIS, in the words of RIS Live.
type risPeer struct {
	t    *testing.T
	live *bgptest.RISLive
	host string
	addr netip.Addr
	asn  uint32
}

func (p *risPeer) send(at time.Time, m bgptest.UpdateMessage) {
	p.t.Helper()
	raw, err := bgptest.AppendUpdate(nil, m, bgptest.Encoding{})
	if err != nil {
		p.t.Fatal(err)
	}
	ris := bgptest.RISMessage{At: at, Host: p.host + ".ripe.net", Peer: p.addr, ASN: p.asn, Type: "UPDATE", Raw: raw, Path: m.Path}
	for _, n := range m.Withdraw {
		ris.Withdraw = append(ris.Withdraw, n.Prefix)
	}
	if len(m.Announce) > 0 {
		ris.Announce = []bgptest.RISAnnouncement{{NextHop: m.NextHop4.String()}}
		for _, n := range m.Announce {
			ris.Announce[0].Prefixes = append(ris.Announce[0].Prefixes, n.Prefix)
		}
	}
	if err := p.live.Send(ris); err != nil {
		p.t.Fatal(err)
	}
}

// alive sends what shows that the session lives.
func (p *risPeer) alive(at time.Time) {
	p.t.Helper()
	if err := p.live.Send(bgptest.RISMessage{At: at, Host: p.host + ".ripe.net", Peer: p.addr, ASN: p.asn, Type: "KEEPALIVE", Raw: bgptest.RawMessage(4, nil)}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *risPeer) announce(at time.Time, upstream uint32, prefixes ...netip.Prefix) {
	p.send(at, bgptest.UpdateMessage{Announce: nlri(prefixes), Path: bgp.PathOf(p.asn, upstream, 26780), NextHop4: netip.MustParseAddr("192.0.2.9")})
}

func (p *risPeer) withdraw(at time.Time, prefixes ...netip.Prefix) {
	p.send(at, bgptest.UpdateMessage{Withdraw: nlri(prefixes)})
}

func nlri(prefixes []netip.Prefix) (out []bgptest.NLRI) {
	for _, q := range prefixes {
		out = append(out, bgptest.NLRI{Prefix: q})
	}
	return out
}

func newRISLive(t *testing.T, peers int) (*bgptest.RISLive, []*risPeer) {
	live, err := bgptest.NewRISLive()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(live.Close)
	var all []*risPeer
	for i := range peers {
		all = append(all, &risPeer{t, live, "rrc21", netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)}), uint32(64601 + i)})
	}
	return live, all
}

func upstreamOf(i int) uint32 { return []uint32{6939, 3549}[i%2] }

// awaitRISLive waits until it is subscribed to all of these.
func (r *running) awaitRISLive(live *bgptest.RISLive, to ...string) {
	r.t.Helper()
	r.await("it subscribes", func() bool {
		all := strings.Join(live.Subscriptions(), "\n")
		for _, x := range append(to, "26780", "RIS_PEER_STATE") {
			if !strings.Contains(all, x) {
				return false
			}
		}
		return true
	})
}

func (r *running) awaitTables(peers, prefixes int) {
	r.t.Helper()
	r.await(fmt.Sprint(peers, " peers are heard"), func() bool {
		h := r.hoster()
		return h.Prefixes == prefixes && h.Eligible == peers && h.Visibility == 1
	})
}

func TestRunHearsRISLive(t *testing.T) {
	t.Parallel()
	live, peers := newRISLive(t, 4)
	r := newBare(t)
	r.sources = fmt.Sprintf("  - {type: rislive, url: %q}", live.URL())
	r.more = "policy: {settle: 1s}" // nobody sent a table
	r.configure(r.text())
	r.start()
	r.awaitRISLive(live)
	for i, p := range peers {
		p.announce(time.Now(), upstreamOf(i), mccolo1, mccolo2)
	}
	r.awaitTables(4, 2)
	r.awaitRISLive(live, mccolo1.String(), mccolo2.String())
	r.judged(3 * time.Second)
	for _, p := range peers {
		p.withdraw(time.Now(), mccolo1, mccolo2)
	}
	r.cutOff("rislive")
	r.stopped()
}

// stopped: asked to end it does, in time.
func (r *running) stopped() {
	r.t.Helper()
	if took := r.stop(); took > 10*time.Second {
		r.t.Errorf("it took %s to stop", took)
	}
}

// bmpPeers are peers of a router that speaks BMP.
func bmpPeers(n int) (out []bgptest.BMPPeer) {
	for i := range n {
		out = append(out, bgptest.BMPPeer{Addr: netip.AddrFrom4([4]byte{198, 51, byte(100 + i/200), byte(i%200 + 1)}), ASN: uint32(64601 + i), ID: [4]byte{10, 0, byte(i / 200), byte(i % 200)}})
	}
	return out
}

// bmpTable brings the sessions up with routes to the hoster.
func bmpTable(t *testing.T, router *bgptest.BMPRouter, peers []bgptest.BMPPeer, prefixes ...netip.Prefix) {
	t.Helper()
	for i, p := range peers {
		m := bgptest.UpdateMessage{Announce: nlri(prefixes), Path: bgp.PathOf(p.ASN, upstreamOf(i), 26780), NextHop4: netip.MustParseAddr("192.0.2.9")}
		for _, f := range []func() error{
			func() error { return router.Up(p) }, func() error { return router.Update(p, m) },
			func() error { return router.EndOfRIB(p, false) }, func() error { return router.EndOfRIB(p, true) },
		} {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// hearsBMP is a depeer that hears so many peers of a router, each with its table.
func hearsBMP(t *testing.T, n int) (*running, *bgptest.BMPRouter, []bgptest.BMPPeer) {
	t.Helper()
	r := newBare(t)
	station := freePort(t)
	r.sources = fmt.Sprintf("  - {type: bmp, listen: [%q]}", station)
	r.configure(r.text())
	r.start()
	var router *bgptest.BMPRouter
	r.await("the station listens", func() bool {
		var err error
		router, err = bgptest.DialBMP(t.Context(), station, "edge1", nil)
		return err == nil
	})
	t.Cleanup(func() { router.Close() })
	peers := bmpPeers(n)
	bmpTable(t, router, peers, mccolo1, mccolo2)
	r.awaitTables(n, 2)
	return r, router, peers
}

func TestRunHearsBMP(t *testing.T) {
	t.Parallel()
	r, router, peers := hearsBMP(t, 4)
	for _, p := range peers {
		if err := router.Update(p, bgptest.UpdateMessage{Withdraw: nlri([]netip.Prefix{mccolo1, mccolo2})}); err != nil {
			t.Fatal(err)
		}
	}
	r.cutOff("bmp")
	r.stopped()
}

// A collector whose fifty sessions are reset and come back says nothing of a hoster.
func TestRunFiftySessionsReset(t *testing.T) {
	t.Parallel()
	r, router, peers := hearsBMP(t, 50)
	for _, p := range peers {
		if err := router.Down(p, 1, bgptest.AppendBMPNotification(nil, 6, 4, nil)); err != nil {
			t.Fatal(err)
		}
	}
	r.await("all are away", func() bool { return r.hoster().Eligible == 0 })
	r.judged(3 * time.Second)
	bmpTable(t, router, peers, mccolo1, mccolo2)
	r.awaitTables(50, 2)
	r.judged(5 * time.Second)
	events := r.events(nil)
	lost := 0
	for _, e := range events {
		if e.Hoster != nil {
			t.Errorf("%s of %s", e.Kind, *e.Hoster)
		}
		if e.Kind == watch.FeedLost {
			if lost++; e.PeersLost != 50 || e.Collector != "edge1" {
				t.Errorf("feed.lost: %+v", e)
			}
		}
	}
	if lost != 1 || len(events) > 2 {
		t.Errorf("events: %s", kindsOf(events))
	}
	if gaps := r.status().Gaps; len(gaps) != 1 || gaps[0].Peers != 50 || gaps[0].Away != 0 || gaps[0].To == nil || gaps[0].Collector != "edge1" {
		t.Errorf("gaps: %+v", gaps)
	}
	r.stopped()
}

// story is a recording in which McColo is cut off by all.
const story = `
start 2008-11-11T18:00:00Z
end +2h
collector rrc00 peers 6 as 64600+
transit 3356 174
table 60 prefixes
churn 30 per minute
network 26780 208.66.192.0/22 208.72.168.0/21
route 26780 via 6939 at 60%
route 26780 via 3549 at 40%
at +0s rib
at 18:40 drop 6939-26780 over 60s
at 19:00 drop 3549-26780 over 60s
`

func TestRunReadsARecording(t *testing.T) {
	t.Parallel()
	scenario, err := bgptest.Parse("story", story)
	if err != nil {
		t.Fatal(err)
	}
	recorded := t.TempDir()
	if _, err := scenario.WriteDir(recorded); err != nil {
		t.Fatal(err)
	}
	r := newBare(t)
	r.sources = fmt.Sprintf("  - {type: mrt, path: %s}", recorded)
	r.configure(r.text())
	r.start()
	r.cutOff("mrt")
	r.stopped()
}

// risMirror is a mirror of the archive of RIS: a folder that a web server shows.
type risMirror struct {
	t   *testing.T
	dir string
	url string
}

func newRISMirror(t *testing.T) *risMirror {
	m := &risMirror{t: t, dir: t.TempDir()}
	server := httptest.NewServer(http.FileServer(http.Dir(m.dir)))
	t.Cleanup(server.Close)
	m.url = server.URL
	return m
}

// put writes one file, whose name is that of its first minute.
func (m *risMirror) put(collector, kind string, at time.Time, fill func(*bgptest.Writer) error) {
	m.t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if err := fill(bgptest.NewWriter(z, bgptest.Format{Microseconds: true})); err != nil {
		m.t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		m.t.Fatal(err)
	}
	dir := filepath.Join(m.dir, collector, at.UTC().Format("2006.01"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		m.t.Fatal(err)
	}
	name := filepath.Join(dir, kind+"."+at.UTC().Format("20060102.1504")+".gz")
	if err := os.WriteFile(name, out.Bytes(), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

var collectorSide = bgptest.Local{Addr: netip.MustParseAddr("193.0.4.28"), ASN: 12654}

func keepalive(at time.Time, p bgp.Peer) func(*bgptest.Writer) error {
	return func(w *bgptest.Writer) error { return w.Message(at, p, collectorSide, bgptest.RawMessage(4, nil)) }
}

// table puts a dump in which all peers carry the hoster.
func (m *risMirror) table(at time.Time, peers []bgp.Peer, prefixes ...netip.Prefix) {
	m.put(peers[0].Collector, "bview", at, func(w *bgptest.Writer) error {
		if err := w.PeerIndex(at, netip.MustParseAddr("193.0.4.28"), "", peers); err != nil {
			return err
		}
		for n, q := range prefixes {
			var entries []bgptest.RIBEntry
			for i, p := range peers {
				entries = append(entries, bgptest.RIBEntry{Peer: i, Learned: at.Add(-time.Hour), Path: bgp.PathOf(p.ASN, upstreamOf(i), 26780), NextHop: netip.MustParseAddr("192.0.2.9")})
			}
			if err := w.RIB(at, uint32(n), q, entries); err != nil {
				return err
			}
		}
		return nil
	})
}

// withdrawn writes what all peers said at a moment.
func withdrawn(at time.Time, peers []bgp.Peer, prefixes ...netip.Prefix) func(*bgptest.Writer) error {
	return func(w *bgptest.Writer) error {
		for _, p := range peers {
			raw, err := bgptest.AppendUpdate(nil, bgptest.UpdateMessage{Withdraw: nlri(prefixes)}, bgptest.Encoding{})
			if err != nil {
				return err
			}
			if err := w.Message(at, p, collectorSide, raw); err != nil {
				return err
			}
		}
		return nil
	}
}

func archivePeers(collector string, n int) (out []bgp.Peer) {
	for i := range n {
		out = append(out, bgp.Peer{Collector: collector, Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)}), ASN: uint32(64601 + i)})
	}
	return out
}

func TestRunFollowsAnArchive(t *testing.T) {
	t.Parallel()
	m := newRISMirror(t)
	peers := archivePeers("rrc21", 4)
	// The newest file is over; half an hour ago everybody still carried it.
	last := time.Now().UTC().Truncate(5 * time.Minute).Add(-10 * time.Minute)
	first := last.Add(-30 * time.Minute)
	m.table(first, peers, mccolo1, mccolo2)
	for at := first; !at.After(last); at = at.Add(5 * time.Minute) {
		fill := keepalive(at.Add(time.Minute), peers[0])
		if at.Equal(first.Add(10 * time.Minute)) {
			fill = withdrawn(at.Add(time.Minute), peers, mccolo1, mccolo2)
		}
		m.put("rrc21", "updates", at, fill)
	}
	r := newBare(t)
	r.sources = fmt.Sprintf("  - {type: mrt, archive: ris, collectors: [rrc21], url: %q}", m.url)
	r.configure(r.text())
	r.start()
	r.cutOff("ris")
	for _, e := range r.events(nil) {
		if e.Kind == watch.HosterDark && e.FirstSeen.Sub(first) > 12*time.Minute {
			t.Errorf("hoster.dark first seen %s, it was withdrawn at %s", e.FirstSeen, first.Add(11*time.Minute))
		}
	}
	r.stopped()
}

// A peer that is heard twice counts once.
func TestRunCountsAPeerOnce(t *testing.T) {
	t.Parallel()
	live, peers := newRISLive(t, 4)
	m := newRISMirror(t)
	recorded := archivePeers("rrc21", 4)
	last := time.Now().UTC().Truncate(5 * time.Minute).Add(-10 * time.Minute)
	m.table(last.Add(-10*time.Minute), recorded, mccolo1, mccolo2)
	for at := last.Add(-10 * time.Minute); !at.After(last); at = at.Add(5 * time.Minute) {
		m.put("rrc21", "updates", at, keepalive(at.Add(time.Minute), recorded[0]))
	}
	r := newBare(t)
	r.sources = fmt.Sprintf("  - {type: rislive, url: %q}\n  - {type: mrt, archive: ris, collectors: [rrc21], url: %q}", live.URL(), m.url)
	r.configure(r.text())
	r.start()
	r.awaitRISLive(live)
	r.awaitTables(4, 2) // from the archive alone: nothing was said live
	for i, p := range peers {
		p.announce(time.Now(), upstreamOf(i), mccolo1, mccolo2)
	}
	r.judged(2 * time.Second)
	if h := r.hoster(); h.Eligible != 4 || h.Visibility != 1 || len(r.status().Peers) != 4 {
		t.Errorf("%+v, %d peers", h, len(r.status().Peers))
	}
	r.awaitRISLive(live, mccolo1.String(), mccolo2.String())
	for _, p := range peers {
		p.withdraw(time.Now(), mccolo1, mccolo2)
	}
	r.cutOff("rislive")
	for _, e := range r.events(nil) {
		if e.Hoster != nil && (e.Eligible != 4 || slices.Compact(slices.Clone(e.Sources)) == nil) {
			t.Errorf("%s: %d eligible, sources %q", e.Kind, e.Eligible, e.Sources)
		}
	}
	r.stopped()
}
