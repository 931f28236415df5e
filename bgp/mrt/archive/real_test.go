package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
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
	"depeer/bgp/bgptest/realdata"
	"depeer/bgp/fetch"
	"depeer/bgp/mrt"
	"depeer/bgp/wire"
)

// recorded finds the recorded data, which are not part of the repository.
func recorded(t *testing.T) string {
	t.Helper()
	dir, err := realdata.Find()
	if err != nil {
		t.Skip(err)
	}
	return dir
}

// Part of a real day of route-views2, over a real connection: its names are uneven
// (0131, 0146, ... 0347, 0402), one transfer breaks, one file is missing for good.
func TestRealDay(t *testing.T) {
	dir := filepath.Join(recorded(t), "mrt", "routeviews2-2008-02")
	day := time.Date(2008, 2, 23, 0, 0, 0, 0, time.UTC)
	to := day.Add(5*time.Hour + 10*time.Minute)
	m := newMirror(func() time.Time { return day.AddDate(0, 0, 1) })
	all, _ := filepath.Glob(filepath.Join(dir, "updates.20080223.0[0-4]*.bz2"))
	if len(all) < 18 {
		t.Fatalf("%d files", len(all))
	}
	var have []string
	for _, f := range all {
		name := filepath.Base(f)
		if name != "updates.20080223.0301.bz2" {
			have = append(have, f)
			m.put("/bgpdata/2008.02/UPDATES/"+name, content{file: f})
		}
	}
	m.fault = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n > 1 || !strings.HasSuffix(r.URL.Path, "0216.bz2") {
			return false
		}
		b := readFile(t, filepath.Join(dir, "updates.20080223.0216.bz2"))
		w.Header().Set("ETag", `"`+strconv.Itoa(len(b))+`-`+strconv.FormatInt(time.Time{}.Unix(), 10)+`"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		w.Write(b[:len(b)/2])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	server := httptest.NewServer(m)
	defer server.Close()
	transport := &http.Transport{MaxConnsPerHost: 1, DisableCompression: true}
	defer transport.CloseIdleConnections()
	c := fetch.DefaultConfig()
	c.Dir, c.Pause = t.TempDir(), time.Millisecond
	get, err := fetch.New(c, fetch.Deps{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	list := wire.List{ASNs: []uint32{26780, 27595}, Prefixes: []netip.Prefix{netip.MustParsePrefix("208.66.192.0/22")}}
	x, err := NewReader(Config{Archive: RouteViews, URL: server.URL}, Deps{Watch: wire.NewShared(list), Fetch: get})
	if err != nil {
		t.Fatal(err)
	}
	got := newHeard()
	err = x.Backfill(context.Background(), "route-views2", day.Add(14*time.Minute), to, got.emit)
	holes := Holes(err)
	if len(holes) != 2 || holes[0].File != "updates.20080223.0301.bz2" || holes[0].Coming || holes[1].Coming {
		t.Errorf("holes: %v", err)
	}
	want := newHeard()
	s := mrt.NewSource(mrt.Config{Inputs: have, Of: "route-views2", Watch: list.Watch(), To: to})
	if err := s.Run(context.Background(), want.emit); err != nil {
		t.Fatal(err)
	}
	a, b := told(got.all), told(want.all)
	if len(b) < 10 || strings.Join(a, "\n") != strings.Join(b, "\n") {
		t.Errorf("%d updates over the mirror, %d in the files", len(a), len(b))
	}
	for _, u := range got.all {
		if u.Peer.Collector != "route-views2" {
			t.Fatalf("a peer of %q", u.Peer.Collector)
		}
	}
	if r := m.requests("?range"); len(r) != 1 || !strings.Contains(r[0], "0216") {
		t.Errorf("resumed %q", r)
	}
	t.Logf("%d files, %d updates, %d requests", len(have), len(b), len(m.requests("")))
}

// fits reports whether the message has AS numbers of four octets: its path is then
// as long as the JSON says.
func fits(body []byte, hops int) bool {
	var u wire.Update
	if u.Split(body, wire.Session{AS4: true}) != wire.None {
		return false
	}
	n, sets := 0, 0
	for _, s := range u.Path() {
		if s.Type == bgp.ASSet {
			sets++ // the JSON of 2019 sometimes left it out
		} else {
			n += len(s.ASNs)
		}
	}
	return n == hops || n+sets == hops
}

// The archive of RIS and RIS Live speak of the same peers: recorded messages of RIS
// Live, written as the collectors write them, give the peers and routes of the JSON.
func TestPeersOfRISLive(t *testing.T) {
	in, err := os.Open(filepath.Join(recorded(t), "rislive", "morrowc-rislive", "1k-msgs.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	at := time.Date(2019, 5, 23, 14, 0, 0, 0, time.UTC)
	files := map[string]*bytes.Buffer{}
	packed := map[string]*gzip.Writer{}
	peers := map[bgp.Peer]bool{}
	var routes []string
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var msg struct {
			Data struct {
				Timestamp     float64
				Peer          netip.Addr
				ASN           string `json:"peer_asn"`
				Raw           string
				Host, Type    string
				Path          []any
				Announcements []struct{ Prefixes []netip.Prefix }
			}
		}
		if json.Unmarshal(lines.Bytes(), &msg) != nil || msg.Data.Type != "UPDATE" {
			continue
		}
		d := msg.Data
		asn, err1 := bgp.ParseASN(d.ASN)
		raw, err2 := hex.DecodeString(d.Raw)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		host := strings.TrimSuffix(d.Host, ".ripe.net")
		peer := bgp.Peer{Collector: host, Addr: d.Peer.Unmap(), ASN: asn}
		if files[host] == nil {
			files[host] = &bytes.Buffer{}
			packed[host] = gzip.NewWriter(files[host])
		}
		local := bgptest.Local{Addr: netip.MustParseAddr("193.0.4.28"), ASN: 12654}
		if peer.Addr.Is6() {
			local.Addr = netip.MustParseAddr("2001:7f8::1")
		}
		// What the session agreed on is not in the JSON; the path tells.
		f := bgptest.Format{Microseconds: true, Encoding: bgptest.Encoding{AS2: !fits(raw[19:], len(d.Path))}}
		w := bgptest.NewWriter(packed[host], f)
		if err := w.Message(time.UnixMicro(int64(d.Timestamp*1e6)), peer, local, raw); err != nil {
			t.Fatal(err)
		}
		peers[peer] = true
		once := map[netip.Prefix]bool{} // told again for each of two next hops (RFC 2545)
		for _, a := range d.Announcements {
			for _, q := range a.Prefixes {
				if once[q] {
					continue
				}
				once[q] = true
				routes = append(routes, peer.String()+" "+q.Masked().String())
			}
		}
	}
	m := newMirror(func() time.Time { return at.Add(time.Hour) })
	for host, z := range packed {
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		m.put("/"+host+"/2019.05/updates.20190523.1400.gz", content{body: files[host].Bytes()})
	}
	x, err := NewReader(Config{Archive: RIS, URL: "http://192.0.2.1"}, Deps{Watch: everything(), Fetch: newFetch(t, t.TempDir(), m)})
	if err != nil {
		t.Fatal(err)
	}
	h := newHeard()
	for host := range files {
		if err := x.Backfill(context.Background(), host, at, at.Add(4*time.Minute+59*time.Second), h.emit); err != nil {
			t.Error(err)
		}
	}
	var got []string
	found := map[bgp.Peer]bool{}
	for _, u := range h.all {
		found[u.Peer] = true
		if u.Kind == bgp.Announce {
			got = append(got, u.Peer.String()+" "+u.Prefix.String())
		}
	}
	for p := range peers {
		if !found[p] {
			t.Errorf("RIS Live has %s, the archive not", p)
		}
	}
	for p := range found {
		if !peers[p] {
			t.Errorf("the archive has %s, RIS Live not", p)
		}
	}
	slices.Sort(got)
	slices.Sort(routes)
	if len(peers) < 50 || !slices.Equal(got, routes) {
		for _, r := range routes {
			if _, ok := slices.BinarySearch(got, r); !ok {
				t.Errorf("not in the archive: %s", r)
			}
		}
		t.Errorf("%d peers; %d routes in the archive, %d in RIS Live", len(peers), len(got), len(routes))
	}
	t.Logf("%d collectors, %d peers, %d routes", len(files), len(peers), len(routes))
}
