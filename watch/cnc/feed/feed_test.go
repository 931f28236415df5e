package feed

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"depeer/bgp/fetch"
	"depeer/watch/cnc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a publisher whose pages change.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	pages map[string]string // guarded by mu
	asked []*http.Request   // guarded by mu
	also  func(w http.ResponseWriter, r *http.Request) bool
}

func newSite(t *testing.T) *site {
	s := &site{pages: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, r)
		if s.also != nil && s.also(w, r) {
			return
		}
		text, ok := s.pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		tag := fmt.Sprintf(`"%d-%x"`, len(text), len(text)*7+strings.Count(text, "1"))
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Write([]byte(text))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) put(path, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[path] = text
}

func (s *site) last() *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[len(s.asked)-1]
}

// open makes a feed over a folder, as a new process would.
func open(t *testing.T, dir string, edit func(*Config)) *Feed {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Name, cfg.Format = "tracker", "plain"
	edit(&cfg)
	fc := fetch.DefaultConfig()
	fc.Dir, fc.Tries, fc.Pause, fc.MaxPause = filepath.Join(dir, "fetched"), 1, time.Millisecond, time.Millisecond
	transport := Keys(nil, []Config{cfg})
	fetcher, err := fetch.New(fc, fetch.Deps{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: transport, CheckRedirect: noRedirect}
	t.Cleanup(client.CloseIdleConnections)
	f, err := New(cfg, Deps{Fetch: fetcher, Client: client, Dir: filepath.Join(dir, "feeds"), ASN: func(a netip.Addr) uint32 { return uint32(a.As4()[0]) }})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// addresses are n of them, in as many networks.
func addresses(n, first int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d.%d.%d.7\n", first+i%50, i%200, i/50)
	}
	return b.String()
}

func refresh(t *testing.T, f *Feed, at time.Time) ([]cnc.Sighting, Report, error) {
	t.Helper()
	var out []cnc.Sighting
	r, err := f.Refresh(t.Context(), at, func(s cnc.Sighting) error { out = append(out, s); return nil })
	if r.Given != len(out) {
		t.Errorf("given %d, says %d", len(out), r.Given)
	}
	return out, r, err
}

// TestNothingKnownIsLost: whatever comes in place of a list, the last good copy and what it said stay, and the reason is told.
func TestNothingKnownIsLost(t *testing.T) {
	s, dir := newSite(t), t.TempDir()
	use := func(c *Config) { c.URL, c.Family = s.URL+"/list", "Rustock" }
	f := open(t, dir, use)
	s.put("/list", addresses(100, 20))
	got, r, err := refresh(t, f, now)
	if err != nil || len(got) != 100 || !r.New || got[0].Family != "Rustock" || got[0].At != now.Truncate(24*time.Hour) || got[0].Precision != "day" {
		t.Fatalf("%v %+v", err, r)
	}
	if got, _, err := refresh(t, f, now.Add(time.Hour)); err != nil || len(got) != 0 {
		t.Errorf("the same list again: %v, %d", err, len(got))
	}
	near := addresses(100, 20) + strings.Repeat("10.0.0.1\n", 20)
	one := ""
	for i := range 60 {
		one += fmt.Sprintf("99.1.2.%d\n", i+1)
	}
	as := ""
	for i := range 60 {
		as += fmt.Sprintf("99.1.%d.1\n", i+1)
	}
	for _, c := range []struct {
		text, why string
		action    Action
	}{
		{"", "it is empty", Refuse},
		{"<html>Sorry</html>", "it is a web page, no list", Refuse},
		{"# all gone\n", "it holds no entry", Refuse},
		{"1.2.3\nwhat\nis\nthis\n", "4 of its 4 entries cannot be read (max_unread 0.5)", Refuse},
		{"10.0.0.1\n192.168.0.1\n", "it is poisoned: all of its 2 hosts are private, reserved or well-known addresses", Refuse},
		{near, "it is poisoned: 20 of its 120 entries are private, reserved or well-known addresses (max_poison 0.05)", Quarantine},
		{addresses(100, 20) + "8.8.8.8\n1.1.1.1\n198.41.0.4\n9.9.9.9\n8.8.4.4\n1.0.0.1\n", "it is poisoned: 6 of its 106 entries", Quarantine},
		{one, "60 of its 60 addresses are in 99.1.2.0/24 (one_network 0.5)", Quarantine},
		{as, "60 of its 60 addresses are in AS99 (one_as 0.95)", Quarantine},
		{addresses(5, 20), "it has 5 sightings, the last good one 100: less than min_keep (0.2)", Quarantine},
		{addresses(3000, 20), "it is oversized: 2001 entries, at most 2000 (max_entries)", Refuse},
		{strings.Repeat("# x\n", 60_000), "it is larger than 200000 bytes", Refuse},
	} {
		small := func(c *Config) { use(c); c.Limits.MaxEntries, c.Limits.MaxBytes = 2000, 200_000 }
		f := open(t, dir, small) // also: what was known before is known after a restart
		s.put("/list", c.text)
		got, r, err := refresh(t, f, now.Add(2*time.Hour))
		u, ok := errors.AsType[*Unbelieved](err)
		if !ok || u.Verdict.Action != c.action || !strings.Contains(err.Error(), c.why) || len(got) != 0 || !r.New {
			t.Errorf("%.40q: %v, %d given", c.text, err, len(got))
			continue
		}
		if st := f.Status(); st.Failed != 1 || st.Err == nil || st.Last.Verdict.Action != c.action {
			t.Errorf("%+v", st)
		}
		kept, err := os.ReadFile(filepath.Join(dir, "feeds", "quarantine", "tracker"))
		if (c.action == Quarantine) != (err == nil && string(kept) == c.text) && c.action == Quarantine {
			t.Errorf("%.40q is not kept aside: %v", c.text, err)
		}
	}
	// A single odd entry is dropped and counted, and costs nobody else.
	s.put("/list", addresses(100, 20)+"10.0.0.1\nnonsense here\n")
	got, r, err = refresh(t, open(t, dir, use), now.Add(3*time.Hour))
	if err != nil || len(got) != 100 || r.Stats.Refused[cnc.Bogon] != 1 || r.Stats.Refused[cnc.Unmatched] != 1 {
		t.Errorf("%v %d %+v", err, len(got), r.Stats)
	}
}

// TestWhatStaysSoIsSo: a list that shrank for good is believed after a while.
func TestWhatStaysSoIsSo(t *testing.T) {
	s, dir := newSite(t), t.TempDir()
	use := func(c *Config) { c.URL = s.URL + "/list" }
	s.put("/list", addresses(100, 20))
	if _, _, err := refresh(t, open(t, dir, use), now); err != nil {
		t.Fatal(err)
	}
	s.put("/list", addresses(3, 20))
	for _, h := range []int{1, 40, 72} {
		if got, _, err := refresh(t, open(t, dir, use), now.Add(time.Duration(h)*time.Hour)); err == nil || len(got) > 0 {
			t.Errorf("believed after %d h: %v", h, err)
		}
	}
	got, _, err := refresh(t, open(t, dir, use), now.Add(74*time.Hour))
	if err != nil || len(got) != 3 {
		t.Errorf("%v %d", err, len(got))
	}
}

// TestEmitFails: what was not taken whole is handed out again, also by the next process.
func TestEmitFails(t *testing.T) {
	s, dir := newSite(t), t.TempDir()
	use := func(c *Config) { c.URL = s.URL + "/list" }
	s.put("/list", addresses(30, 20))
	n := 0
	away := errors.New("away")
	_, err := open(t, dir, use).Refresh(t.Context(), now, func(cnc.Sighting) error {
		if n++; n > 10 {
			return away
		}
		return nil
	})
	if !errors.Is(err, away) || n != 11 {
		t.Fatal(err, n)
	}
	got, _, err := refresh(t, open(t, dir, use), now)
	if err != nil || len(got) != 30 {
		t.Errorf("%v %d", err, len(got))
	}
}

// TestFamiliesAtOnce: a family that rises everywhere at once is kept aside, one that falls is told; both at the tracker.
func TestFamiliesAtOnce(t *testing.T) {
	table := func(families map[string]int) string {
		var b strings.Builder
		b.WriteString("ip,family,last_seen\n")
		i := 0
		for _, name := range []string{"Sliver", "Havoc", "Mythic"} {
			for range families[name] {
				fmt.Fprintf(&b, "%d.%d.%d.9,%s,2026-05-01\n", 20+i%50, i%200, i/200, name)
				i++
			}
		}
		return b.String()
	}
	s, dir := newSite(t), t.TempDir()
	use := func(c *Config) { c.URL, c.Format = s.URL+"/list", "csv" }
	s.put("/list", table(map[string]int{"Sliver": 100, "Havoc": 100}))
	if _, _, err := refresh(t, open(t, dir, use), now); err != nil {
		t.Fatal(err)
	}
	s.put("/list", table(map[string]int{"Sliver": 4, "Havoc": 100, "Mythic": 900}))
	got, r, err := refresh(t, open(t, dir, use), now)
	if err != nil || len(got) != 104 || r.Aside != 900 || fmt.Sprint(r.Verdict.Fallen, r.Verdict.Risen) != "[Sliver] [Mythic]" || len(r.Verdict.Why) != 2 {
		t.Errorf("%v %d %+v", err, len(got), r.Verdict)
	}
}

// TestKeys: a key goes to the server that it is for, and nowhere else.
func TestKeys(t *testing.T) {
	other := newSite(t)
	other.put("/there", addresses(30, 20))
	s := newSite(t)
	s.put("/list", addresses(30, 20))
	s.also = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, other.URL+"/there", http.StatusFound)
			return true
		}
		return false
	}
	var log bytes.Buffer
	use := func(path, format string) func(*Config) {
		return func(c *Config) { c.URL, c.Key, c.Format = s.URL+path, "hush", format }
	}
	f := open(t, t.TempDir(), use("/list", "feodo-csv"))
	f.log = slog.New(slog.NewTextHandler(&log, nil))
	_, _, err := refresh(t, f, now) // it is no Feodo list; it was asked for with the key
	if got := s.last().Header.Get("Auth-Key"); got != "hush" {
		t.Errorf("Auth-Key %q", got)
	}
	if err == nil || strings.Contains(err.Error()+log.String()+fmt.Sprintf("%+v %#v", f.cfg, f.cfg), "hush") {
		t.Errorf("%v %s %+v", err, log.String(), f.cfg)
	}
	if _, _, err := refresh(t, open(t, t.TempDir(), use("/moved", "plain")), now); err != nil {
		t.Error(err)
	}
	if got := s.last().Header.Get("Authorization"); got != "Bearer hush" {
		t.Errorf("Authorization %q", got)
	}
	for name, values := range other.last().Header {
		if strings.Contains(fmt.Sprint(values), "hush") {
			t.Errorf("another server was told %s", name)
		}
	}
}

func stixPage(more bool, next string, addrs ...string) string {
	var objects []string
	for i, a := range addrs {
		objects = append(objects, fmt.Sprintf(`{"type":"indicator","id":"indicator--%s-%d","pattern_type":"stix","pattern":"[ipv4-addr:value = '%s']","valid_from":"2026-05-01T00:00:00Z","modified":"2026-05-01T00:00:00Z"}`, a, i, a),
			fmt.Sprintf(`{"type":"relationship","id":"relationship--%s","relationship_type":"indicates","source_ref":"indicator--%s-%d","target_ref":"malware--1"}`, a, a, i))
	}
	if !more {
		objects = append(objects, `{"type":"malware","id":"malware--1","name":"Emotet"}`) // on another page than what it names
	}
	return fmt.Sprintf(`{"more":%t,"next":%q,"objects":[%s]}`, more, next, strings.Join(objects, ","))
}

func TestTAXII(t *testing.T) {
	s, dir := newSite(t), t.TempDir()
	broken := false
	s.also = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/api/collections/1/objects/" {
			return false
		}
		user, password, _ := r.BasicAuth()
		if user != "me" || password != "hush" || r.Header.Get("Accept") != taxiiType {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		w.Header().Set("Content-Type", taxiiType)
		switch q := r.URL.Query(); {
		case q.Get("added_after") == "2026-05-02T00:00:00.000000Z":
			fmt.Fprint(w, `{}`)
		case q.Get("next") == "":
			w.Header().Set("X-TAXII-Date-Added-Last", "2026-05-01T00:00:00.000000Z")
			fmt.Fprint(w, stixPage(true, "p2", "20.1.1.1", "21.1.1.1"))
		case broken:
			w.WriteHeader(http.StatusServiceUnavailable)
		case q.Get("next") == "p2":
			w.Header().Set("X-TAXII-Date-Added-Last", "2026-05-02T00:00:00.000000Z")
			fmt.Fprint(w, stixPage(false, "", "22.1.1.1"))
		}
		return true
	}
	use := func(c *Config) {
		c.URL, c.Format, c.User, c.Password = s.URL+"/api/collections/1/", "taxii", "me", "hush"
	}
	s.mu.Lock()
	broken = true
	s.mu.Unlock()
	if got, _, err := refresh(t, open(t, dir, use), now); err == nil || len(got) > 0 || !strings.Contains(err.Error(), "503") {
		t.Errorf("half of it: %v %d", err, len(got))
	}
	s.mu.Lock()
	broken = false
	s.mu.Unlock()
	got, _, err := refresh(t, open(t, dir, use), now)
	if err != nil || len(got) != 3 || got[2].Family != "Emotet" || got[0].Family != "Emotet" {
		t.Errorf("%v %+v", err, got)
	}
	if got, _, err := refresh(t, open(t, dir, use), now); err != nil || len(got) != 0 {
		t.Errorf("again: %v %d", err, len(got))
	}
	wrong := func(c *Config) { use(c); c.Password = "wrong" }
	if _, _, err := refresh(t, open(t, t.TempDir(), wrong), now); err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "wrong") {
		t.Error(err)
	}
}

func TestMISPFeed(t *testing.T) {
	const one, two = "15ebb496-c51c-4f88-b60b-aba5f806db5f", "25ebb496-c51c-4f88-b60b-aba5f806db5f"
	event := func(addr string) string {
		return `{"Event":{"info":"Emotet","date":"2026-05-01","Attribute":[{"type":"ip-dst","category":"Network activity","value":"` + addr + `"}]}}`
	}
	s, dir := newSite(t), t.TempDir()
	s.put("/feed/manifest.json", `{"`+one+`":{"timestamp":"1","info":"x"},"`+two+`":{"timestamp":"2"}}`)
	s.put("/feed/"+one+".json", event("20.1.1.1"))
	s.put("/feed/"+two+".json", `{"Event":{"info":"nothing","date":"2026-05-01","Attribute":[]}}`)
	use := func(c *Config) { c.URL, c.Format, c.Key = s.URL+"/feed/", "misp-feed", "hush" }
	got, _, err := refresh(t, open(t, dir, use), now)
	if err != nil || len(got) != 1 || got[0].Family != "Emotet" {
		t.Fatalf("%v %+v", err, got)
	}
	if h := s.last().Header.Get("Authorization"); h != "hush" {
		t.Errorf("an event was asked for with %q", h)
	}
	if got, _, err := refresh(t, open(t, dir, use), now); err != nil || len(got) != 0 {
		t.Errorf("again: %v %d", err, len(got))
	}
	s.put("/feed/manifest.json", `{"`+one+`":{"timestamp":"1"},"`+two+`":{"timestamp":"31"}}`)
	s.put("/feed/"+two+".json", event("21.1.1.1"))
	if got, _, err := refresh(t, open(t, dir, use), now); err != nil || len(got) != 1 || got[0].Addr.String() != "21.1.1.1" {
		t.Errorf("changed: %v %+v", err, got)
	}
	s.put("/feed/manifest.json", `{"../../x":{"timestamp":"1"}}`)
	if _, _, err := refresh(t, open(t, dir, use), now); err == nil {
		t.Error("a manifest that leads elsewhere was followed")
	}
}

func TestConfigFaults(t *testing.T) {
	c := DefaultConfig()
	c.Name, c.Format, c.URL, c.Path, c.Every, c.Kind, c.Confidence, c.User, c.Mapping.Header = "A b", "rss", "ftp://x", "y", time.Second, "nice", 101, "me", "maybe"
	c.Limits.MinKeep, c.Limits.FamilyRise = 2, 1
	const want = `name: "A b" must match [a-z0-9-]{1,32}
format: "rss" is none of ` + "c2-tracker, csv, feodo-csv, feodo-json, misp, misp-feed, notes, plain, sighting, sslbl-csv, stix, taxii, threatfox-csv, threatfox-json, urlhaus-csv, urlhaus-json" + `
path: "y" has no use beside url: give one of them
kind: "nice" is none of [cnc malware rogue exploit spam-test phishing spam proxy]
confidence: 101 is not between 0 and 100
user: user and password belong together
mapping: only a csv has one
mapping.header: "maybe" is neither yes nor no
limits.min_keep: 2 is not between 0 and 1
limits.family_rise: 1 is not above 1`
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("%v\nwant\n%s", err, want)
	}
	c = DefaultConfig()
	c.Name, c.Format, c.URL, c.Key, c.Every = "x", "feodo-csv", "http://example.org/", "k", time.Minute
	const clear = `url: a key would travel in the clear: http://example.org is no https address
every: 1m0s is less than 5m0s, which the publishers of feodo-csv ask for`
	if err := c.Validate(); err == nil || err.Error() != clear {
		t.Errorf("%v", err)
	}
}
