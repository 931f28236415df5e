package web_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/csv"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/watch"
	"depeer/web"
	"depeer/web/access"
	"depeer/web/ui"
)

// Every operation of the document, asked by every scope: what it says it needs is what it asks for.
func TestEveryOperationAsksForItsScope(t *testing.T) {
	w := newWorld(t)
	deps := w.deps()
	tokens := access.NewTokens(filepath.Join(t.TempDir(), access.TokenFile))
	deps.Tokens = tokens
	cfg := web.DefaultConfig()
	cfg.Listen, cfg.Auth.Tokens, cfg.Limits.Rate = "127.0.0.1:0", true, 0
	s := start(t, cfg, deps)
	c := newCaller(t, s)
	secrets := map[access.Scope]string{}
	for _, scope := range access.Scopes() {
		secret, _, err := tokens.Create(string(scope), scope, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		secrets[scope] = secret
	}
	if a := c.get("/openapi.json"); a.status != http.StatusUnauthorized {
		t.Errorf("the document is for strangers too: %d", a.status)
	}
	a := c.get("/openapi.json", "Authorization", "Bearer "+secrets[access.Viewer])
	var d described
	if err := json.Unmarshal([]byte(a.body), &d); err != nil {
		t.Fatal(err)
	}
	param := regexp.MustCompile(`\{[a-z]+\}`)
	type question struct{ method, path string }
	// The pages hold no answers: strangers load them, and are asked who they are by what they ask. The
	// bare page of a build without them says how things stand.
	front := access.Viewer
	if _, built := ui.Files(); built {
		front = access.None
	}
	questions := map[question]access.Scope{{"GET", "/"}: front, {"GET", "/metrics"}: access.Viewer, {"GET", "/openapi.json"}: access.Viewer, {"GET", "/nothing"}: access.Viewer,
		{"POST", "/nothing"}: access.Viewer, {"GET", "/healthz"}: access.None, {"GET", "/readyz"}: access.None}
	for path, methods := range d.Paths {
		for method, o := range methods {
			need := access.Scope(o.Scope)
			if want := map[bool]access.Scope{true: access.Viewer, false: access.Operator}[method == "get"]; need != want && !(method == "delete" && need == access.Admin) {
				t.Errorf("%s %s needs %s", method, path, need)
			}
			if path != "/api/v1/stream" {
				questions[question{strings.ToUpper(method), param.ReplaceAllString(path, "x")}] = need
			}
		}
	}
	if len(questions) < 45 {
		t.Errorf("%d operations", len(questions))
	}
	for q, need := range questions {
		for _, scope := range append([]access.Scope{access.None}, access.Scopes()...) {
			headers := []string{"Content-Type", "application/json"}
			if scope != access.None {
				headers = append(headers, "Authorization", "Bearer "+secrets[scope])
			}
			a := c.ask(q.method, q.path, strings.NewReader("{}"), headers...)
			allowed := a.status != http.StatusUnauthorized && a.status != http.StatusForbidden
			if allowed != scope.Holds(need) || !allowed && (a.status == http.StatusUnauthorized) != (scope == access.None) {
				t.Errorf("%s %s, which needs %q, asked by %q: %d %s", q.method, q.path, need, scope, a.status, a.body)
			}
		}
	}
	w.change(func(s *web.Status) { s.Ready, s.Reasons = false, []string{"feed secret-name: away"} })
	if a := c.get("/readyz"); a.status != http.StatusServiceUnavailable || strings.Contains(a.body, "secret-name") {
		t.Errorf("strangers read %d %s", a.status, a.body)
	}
	if a := c.get("/readyz", "Authorization", "Bearer "+secrets[access.Viewer]); !strings.Contains(a.body, "secret-name") {
		t.Errorf("a viewer reads %s", a.body)
	}
	if n := s.Counts(); n.Refused["stranger"] < 40 || n.Refused["scope"] < 5 || n.Answers["4xx"] < 50 || n.Answers["5xx"] < 1 {
		t.Errorf("counts %+v", n)
	}
}

// What would let strangers in does not start.
func TestItRefusesToStart(t *testing.T) {
	withTokens := func(f func(*web.Config)) web.Config {
		c := web.DefaultConfig()
		c.Auth.Tokens = true
		f(&c)
		return c
	}
	w := newWorld(t)
	for name, cfg := range map[string]web.Config{
		"open to everybody":           {Listen: "0.0.0.0:0"},
		"open on an address":          {Listen: "192.0.2.1:0"},
		"metrics open to everybody":   {Listen: "127.0.0.1:0", Metrics: "0.0.0.0:0"},
		"tokens in the clear":         withTokens(func(c *web.Config) { c.Listen = ":0" }),
		"metrics in the clear":        withTokens(func(c *web.Config) { c.Listen, c.Metrics = "127.0.0.1:0", ":0" }),
		"a proxy and nobody is asked": {Listen: "127.0.0.1:0", BehindProxy: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
		"everybody is a proxy":        withTokens(func(c *web.Config) { c.Listen, c.BehindProxy = ":0", []netip.Prefix{netip.MustParsePrefix("::/0")} }),
		"TLS but nobody is asked":     {Listen: "0.0.0.0:0", TLS: web.TLS{Cert: "cert.pem", Key: "key.pem"}},
		"no certificate": withTokens(func(c *web.Config) {
			c.Listen, c.TLS = ":0", web.TLS{Cert: "/nowhere/cert.pem", Key: "/nowhere/key.pem"}
		}),
		"no file of tokens": withTokens(func(c *web.Config) { c.Listen = "127.0.0.1:0" }),
	} {
		s, err := web.Listen(cfg, w.deps())
		if err == nil {
			t.Errorf("%s: it listens at %s", name, s.Addr())
		} else if !strings.HasPrefix(err.Error(), "web.") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// certificate writes a pair for names and gives what it is signed with: itself.
func certificate(t *testing.T, dir string, names ...string) (web.TLS, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: names, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pair := web.TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	for name, block := range map[string]*pem.Block{pair.Key: {Type: "PRIVATE KEY", Bytes: secret}, pair.Cert: {Type: "CERTIFICATE", Bytes: der}} {
		if err := os.WriteFile(name+".new", pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pair, leaf
}

func TestOffLoopback(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t)
	cfg := web.DefaultConfig()
	cfg.Listen, cfg.Metrics, cfg.Auth.Tokens = ":0", "127.0.0.1:0", true
	var trusted *x509.Certificate
	cfg.TLS, trusted = certificate(t, dir, "depeer.example.net")
	deps := w.deps()
	tokens := access.NewTokens(filepath.Join(dir, access.TokenFile))
	deps.Tokens = tokens
	secret, _, err := tokens.Create("a", access.Viewer, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, cfg, deps)
	_, port, _ := strings.Cut(strings.TrimPrefix(s.Addr().String(), "[::]"), ":")
	ask := func(trusted *x509.Certificate, host, path, token string) (int, http.Header, error) {
		pool := x509.NewCertPool()
		pool.AddCert(trusted)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "depeer.example.net"}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		req, err := http.NewRequest(http.MethodGet, "https://127.0.0.1:"+port+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			return 0, nil, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, resp.Header, err
	}
	for _, x := range []struct {
		host, path, token string
		status            int
	}{
		{"depeer.example.net:" + port, "/api/v1/status", secret, 200},
		{"depeer.example.net", "/api/v1/status", "", 401},
		{"evil.example", "/api/v1/status", secret, 421}, // somebody's page, whose name was made to point here
		{"127.0.0.1:" + port, "/api/v1/status", secret, 200},
		{"depeer.example.net", "/metrics", secret, 404}, // it has a listener of its own
		{"depeer.example.net", "/healthz", "", 200},
	} {
		status, h, err := ask(trusted, x.host, x.path, x.token)
		if err != nil || status != x.status || h.Get("Strict-Transport-Security") == "" {
			t.Errorf("%+v: %d %v %v", x, status, h, err)
		}
	}
	if resp, err := http.Get("http://127.0.0.1:" + port + "/healthz"); err == nil {
		if resp.Body.Close(); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("in the clear: %d", resp.StatusCode)
		}
	}
	if s.MetricsAddr().String() == s.Addr().String() {
		t.Error("one listener")
	}
	// The certificate is renewed while it runs.
	old := trusted
	_, trusted = certificate(t, dir, "depeer.example.net")
	if status, _, err := ask(trusted, "depeer.example.net", "/api/v1/status", secret); err != nil || status != 200 {
		t.Errorf("the new certificate is not served: %d %v", status, err)
	}
	if _, _, err := ask(old, "depeer.example.net", "/healthz", ""); err == nil {
		t.Error("the old certificate is served")
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestMetricsOnTheirOwn(t *testing.T) {
	w := newWorld(t)
	cfg := web.DefaultConfig()
	cfg.Listen, cfg.Metrics = "127.0.0.1:0", "127.0.0.1:0"
	s := start(t, cfg, w.deps())
	c := newCaller(t, s)
	if a := c.get("/metrics"); a.status != http.StatusNotFound {
		t.Errorf("%d", a.status)
	}
	c.base = "http://" + s.MetricsAddr().String()
	for path, status := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 200, "/api/v1/status": 404} {
		if a := c.get(path); a.status != status {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestTagsAndPacking(t *testing.T) {
	w := newWorld(t)
	w.change(func(s *web.Status) {
		for i := range 50 {
			s.Hosters = append(s.Hosters, watch.Standing{Hoster: fmt.Sprint("h", i), ASNs: []uint32{uint32(i)}, Upstreams: []watch.UpstreamShare{}})
		}
	})
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	for _, path := range []string{"/api/v1/hosters", "/api/v1/status", "/openapi.json", "/api/v1/events", "/api/v1/hosters/mccolo/timeline"} {
		plain := c.get(path, "Accept-Encoding", "identity")
		tag := plain.header.Get("ETag")
		if plain.status != 200 || !strings.HasPrefix(tag, `W/"`) || plain.header.Get("Content-Encoding") != "" || plain.header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%s: %d %v", path, plain.status, plain.header)
		}
		for _, have := range []string{tag, `"x", ` + tag, strings.TrimPrefix(tag, "W/"), "*"} {
			if a := c.get(path, "If-None-Match", have); a.status != http.StatusNotModified || a.body != "" || a.header.Get("ETag") != tag {
				t.Errorf("%s, have %s: %d %q", path, have, a.status, a.body)
			}
		}
		if a := c.get(path, "If-None-Match", `W/"x"`); a.status != 200 {
			t.Errorf("%s: another tag: %d", path, a.status)
		}
		packed := c.get(path, "Accept-Encoding", "gzip")
		if packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("ETag") != tag || !strings.Contains(packed.header.Get("Vary"), "Accept-Encoding") {
			t.Errorf("%s: %v", path, packed.header)
			continue
		}
		z, err := gzip.NewReader(strings.NewReader(packed.body))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(z); err != nil || string(text) != plain.body {
			t.Errorf("%s: unpacked it is something else: %v", path, err)
		}
		if a := c.get(path, "Accept-Encoding", "gzip;q=0"); a.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: packed for who does not want it", path)
		}
	}
	before := c.get("/api/v1/hosters").header.Get("ETag")
	w.change(func(s *web.Status) { s.Hosters = slices.Clone(s.Hosters); s.Hosters[0].State = "dark" })
	if after := c.get("/api/v1/hosters").header.Get("ETag"); after == before {
		t.Error("another answer has the same tag")
	}
	if a := c.get("/api/v1/hosters/none"); a.header.Get("ETag") != "" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("a problem can be kept: %v", a.header)
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	w.change(func(s *web.Status) {
		s.Hosters = nil
		for i := range 25 {
			s.Hosters = append(s.Hosters, watch.Standing{Hoster: fmt.Sprint("h", i), ASNs: []uint32{1}, Upstreams: []watch.UpstreamShare{}})
		}
	})
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	next := regexp.MustCompile(`^<([^>]+)>; rel="next"$`)
	var got []string
	for path := "/api/v1/hosters?limit=10"; path != ""; {
		a := c.get(path)
		var part []watch.Standing
		if err := json.Unmarshal([]byte(a.body), &part); err != nil || len(part) > 10 {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		for _, h := range part {
			got = append(got, h.Hoster)
		}
		path = ""
		if m := next.FindStringSubmatch(a.header.Get("Link")); m != nil {
			path = m[1]
		}
	}
	if len(got) != 25 || got[24] != "h24" {
		t.Errorf("%v", got)
	}
	var kinds []string
	for cursor, n := "", 0; n < 5; n++ {
		a := c.get("/api/v1/events?order=oldest&limit=1&cursor=" + cursor)
		var list web.List[watch.Event]
		if err := json.Unmarshal([]byte(a.body), &list); err != nil || len(list.Items) != 1 || len(list.Gaps) != 0 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		kinds = append(kinds, string(list.Items[0].Kind))
		if cursor = list.Next; cursor == "" {
			break
		}
	}
	if !slices.Equal(kinds, []string{"upstream.lost", "feed.stale"}) {
		t.Errorf("%v", kinds)
	}
}

func TestExports(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	for _, kind := range []string{"events", "incidents", "migrations", "sightings"} {
		for format, mime := range map[string]string{"csv": "text/csv; charset=utf-8; header=present", "ndjson": "application/x-ndjson", "stix": "application/stix+json;version=2.1", "misp": "application/json"} {
			a := c.get("/api/v1/" + kind + "?hoster=mccolo&format=" + format)
			if a.status != 200 || a.header.Get("Content-Type") != mime || !strings.HasPrefix(a.header.Get("Content-Disposition"), `attachment; filename="depeer-`+kind+".") {
				t.Errorf("%s as %s: %d %v %s", kind, format, a.status, a.header, a.body)
			}
			switch format {
			case "csv":
				rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
				if err != nil || len(rows) != 2 {
					t.Errorf("%s: %v %q", kind, err, rows)
				}
			case "ndjson":
				if n := strings.Count(a.body, "\n"); n != 1 || !json.Valid([]byte(a.body)) {
					t.Errorf("%s: %s", kind, a.body)
				}
			default:
				if !json.Valid([]byte(a.body)) {
					t.Errorf("%s as %s: %s", kind, format, a.body)
				}
			}
		}
	}
	if a := c.get("/api/v1/events?format=csv&hoster=none"); a.status != 200 || strings.Count(a.body, "\n") != 1 {
		t.Errorf("nothing as CSV: %d %q", a.status, a.body)
	}
}

func TestEvidence(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	const path = "/api/v1/incidents/i1/evidence"
	a := c.get(path + "?format=csv")
	want := "event,kind,at,collector,peer,peer_asn,type,prefix,path\ne1,upstream.lost,2008-11-11T12:30:00Z,rrc00,192.0.2.1,64501,A,208.66.192.0/22,64501 3549 26780\n"
	if a.status != 200 || a.body != want || !strings.Contains(a.header.Get("Content-Disposition"), "depeer-evidence.csv") {
		t.Errorf("%d %q", a.status, a.body)
	}
	a = c.get(path)
	var list []map[string]any
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || len(list) != 1 || list[0]["event"] != "e1" || list[0]["type"] != "A" || list[0]["at"] != "2008-11-11T12:30:00Z" {
		t.Errorf("%q %v", a.body, err)
	}
	if a := c.get(path + "?format=ndjson"); strings.Count(a.body, "\n") != 1 || a.header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%q", a.body)
	}
	for path, status := range map[string]int{path + "?format=stix": 400, "/api/v1/incidents/none/evidence": 404} {
		if a := c.get(path); a.status != status {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	deps := w.deps()
	deps.Records = nil
	if a := newCaller(t, start(t, web.Config{}, deps)).get(path); a.status != 501 || !strings.Contains(a.body, "timeline") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestDesk(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	post(t, c, "/api/v1/incidents/i1/ack", `{"text":"on it"}`, 200)
	post(t, c, "/api/v1/incidents/i1/comments", `{"text":"called AS6939"}`, 200)
	post(t, c, "/api/v1/incidents/i1/comments", `{"text":" "}`, 400)
	post(t, c, "/api/v1/incidents/i1/comments", `{"words":"x"}`, 400)
	post(t, c, "/api/v1/incidents/none/ack", ``, 404)
	var story web.Story
	if err := json.Unmarshal([]byte(c.get("/api/v1/incidents/i1").body), &story); err != nil || len(story.Notes) != 2 || !story.Notes[0].Ack || story.Notes[1].Text != "called AS6939" || story.Notes[0].Who != "local" {
		t.Errorf("%+v %v", story.Notes, err)
	}
	if len(story.Revisions) != 2 || story.Incident.Revision != 2 || len(story.Events) != 1 || len(story.Migrations) != 1 || len(story.Deliveries) != 1 || len(story.Missing) != 0 {
		t.Errorf("%+v", story)
	}
	if d := story.Deliveries[0]; d.Receiver != "slack" || d.Outcome != "failed" || d.Attempt != 2 || d.Why != "503" || !slices.Equal(d.For, []string{"noc"}) || !d.At.Equal(at(33)) {
		t.Errorf("%+v", d)
	}
	if story.Next != "Check your own routes to 208.66.192.0/22" || len(story.Silences) != 0 {
		t.Errorf("%q %+v", story.Next, story.Silences)
	}
	post(t, c, "/api/v1/silences", `{"match":{"incidents":["i1"]},"until":"2199-01-01T00:00:00Z","reason":"known"}`, 201)
	if err := json.Unmarshal([]byte(c.get("/api/v1/incidents/i1").body), &story); err != nil || len(story.Silences) != 1 || story.Silences[0].Reason != "known" {
		t.Errorf("%+v %v", story.Silences, err)
	}
	if a := c.ask(http.MethodDelete, "/api/v1/silences/q1", nil); a.status != 204 {
		t.Errorf("%d %s", a.status, a.body)
	}
	post(t, c, "/api/v1/subscriptions", `{"name":"noc","to":["slack"],"wait":"5m"}`, 201)
	post(t, c, "/api/v1/subscriptions", `{"name":"noc","to":["pager"]}`, 400)
	post(t, c, "/api/v1/subscriptions", `{"name":"NOC!","to":["slack"]}`, 400)
	post(t, c, "/api/v1/subscriptions", `{"name":"noc","to":["slack"],"hosters":["mccolo"]}`, 400) // it belongs into match
	for _, status := range []int{204, 404} {
		if a := c.ask(http.MethodDelete, "/api/v1/subscriptions/noc", nil); a.status != status {
			t.Errorf("delete: %d %s", a.status, a.body)
		}
	}
	a := post(t, c, "/api/v1/silences", `{"until":"2199-01-01T00:00:00Z","reason":"x","by":"somebody else"}`, 201)
	if !strings.Contains(a.body, `"id": "q2"`) || !strings.Contains(a.body, `"by": "local"`) {
		t.Errorf("%s", a.body)
	}
	post(t, c, "/api/v1/silences", `{"until":"2009-01-01T00:00:00Z","reason":"x"}`, 400)
	for _, status := range []int{204, 404} {
		if a := c.ask(http.MethodDelete, "/api/v1/silences/q2", nil); a.status != status {
			t.Errorf("delete: %d %s", a.status, a.body)
		}
	}
	const good, private = `{"family":"rustock","at":"2008-11-15T00:00:00Z","addr":"198.51.100.9","kind":"cnc"}`, `{"family":"rustock","at":"2008-11-15T00:00:00Z","addr":"10.0.0.1"}`
	post(t, c, "/api/v1/sightings", good, 200)
	a = post(t, c, "/api/v1/sightings", `[`+good+`,`+private+`,{"family":"x"},{"familly":"x"}]`, 200)
	var taken web.Taken
	if err := json.Unmarshal([]byte(a.body), &taken); err != nil || taken.Accepted != 1 || len(taken.Refused) != 3 || !slices.ContainsFunc(taken.Refused, func(r web.Reason) bool { return r.Index == 1 && strings.Contains(r.Reason, "private") }) {
		t.Errorf("%s", a.body)
	}
	for _, bad := range []string{private, `[]`, `{`, `{"family":"x","at":"2008-11-15T00:00:00Z"}`, `7`} {
		post(t, c, "/api/v1/sightings", bad, 400)
	}
	if len(w.desk.taken) != 2 || w.desk.taken[0].Source != "local" {
		t.Errorf("%+v", w.desk.taken)
	}
	if a := c.ask(http.MethodPost, "/api/v1/sightings", bytes.NewReader(bytes.Repeat([]byte(" "), 9<<20)), "Content-Type", "application/json"); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("nine megabytes: %d", a.status)
	}
	if a := c.ask(http.MethodPost, "/api/v1/incidents/i1/comments", strings.NewReader(`{"text":"`+strings.Repeat("x", 2<<20)+`"}`), "Content-Type", "application/json"); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("two megabytes: %d", a.status)
	}
	// A form of another site's page.
	if a := c.ask(http.MethodPost, "/api/v1/incidents/i1/ack", nil, "Sec-Fetch-Site", "cross-site"); a.status != http.StatusForbidden {
		t.Errorf("cross-site: %d", a.status)
	}
}

// A handler that panics is an answer and a line in the log, and the process goes on.
func TestPanic(t *testing.T) {
	w := newWorld(t)
	deps := w.deps()
	var log bytes.Buffer
	deps.Logger = slog.New(slog.NewTextHandler(&log, nil))
	deps.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("hm") })
	s := start(t, web.Config{}, deps)
	c := newCaller(t, s)
	if a := c.get("/metrics"); a.status != http.StatusInternalServerError || strings.Contains(a.body, "hm") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := c.get("/healthz"); a.status != 200 {
		t.Errorf("%d", a.status)
	}
	if !strings.Contains(log.String(), "panic=hm") {
		t.Errorf("log %s", log.String())
	}
}

// crowd is a board of so many hosters.
func crowd(n int) web.Status {
	s := web.Status{Version: "x", Ready: true, Reasons: []string{}, Feeds: []web.Feed{}, Peers: []web.Peer{}, Incidents: []watch.Incident{}, Gaps: []watch.Gap{}}
	for i := range n {
		h := watch.Standing{Hoster: fmt.Sprint("hoster-", i), Name: fmt.Sprint("Hoster ", i), ASNs: []uint32{uint32(64500 + i)}, State: "visible", Prefixes: 20, Visibility: 0.99, Eligible: 300}
		for j := range 8 {
			h.Upstreams = append(h.Upstreams, watch.UpstreamShare{ASN: uint32(1000 + j), Family: cmp.Or(4*(j%2), 6), Share: 0.125, Baseline: 0.12, Peers: 40, LostAt: 0.006})
		}
		s.Hosters = append(s.Hosters, h)
	}
	for i := range 300 {
		s.Peers = append(s.Peers, web.Peer{Collector: "rrc00", Address: netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), ASN: uint32(i), State: "up"})
	}
	return s
}

// BenchmarkBoard is the board of 1,000 hosters with 8 upstreams each as one client gets it, packed. The goal is
// under 200 ms.
func BenchmarkBoard(b *testing.B) {
	w := newWorld(b)
	w.change(func(s *web.Status) { *s = crowd(1000) })
	cfg := web.DefaultConfig()
	cfg.Listen, cfg.Limits.Rate = "127.0.0.1:0", 0
	c := newCaller(b, start(b, cfg, w.deps()))
	var worst time.Duration
	for b.Loop() {
		began := time.Now()
		if a := c.get("/api/v1/status", "Accept-Encoding", "gzip"); a.status != 200 {
			b.Fatal(a.status)
		}
		worst = max(worst, time.Since(began))
	}
	b.ReportMetric(float64(worst.Milliseconds()), "worst-ms")
}
