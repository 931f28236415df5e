package access_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"depeer/web/access"
)

// guarded is a guard before a handler that says who came, with its log and its audit.
type guarded struct {
	*httptest.Server
	t       *testing.T
	mu      sync.Mutex
	log     bytes.Buffer
	changes []access.Change
}

func (g *guarded) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.log.Write(p)
}

// needs is by the first part of the path: /viewer/..., /operator/..., /open.
func needs(r *http.Request) access.Scope {
	switch part, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); part {
	case "open", "healthz":
		return access.None
	case "operator", "admin":
		return access.Scope(part)
	}
	return access.Viewer
}

func newGuarded(t *testing.T, set access.Settings, deps access.Deps, tls bool) *guarded {
	t.Helper()
	g := &guarded{t: t}
	var guard *access.Guard
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who, _ := access.From(r.Context())
			fmt.Fprintf(w, "%s %s %s", who.Name, who.Scope, access.ClientOf(r.Context()))
		}), needs).ServeHTTP(w, r)
	})
	if tls {
		g.Server = httptest.NewTLSServer(handler)
	} else {
		g.Server = httptest.NewServer(handler)
	}
	t.Cleanup(g.Close)
	if set.URL == "self" {
		set.URL = g.URL
	}
	deps.Logger = slog.New(slog.NewTextHandler(g, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if deps.Now == nil {
		deps.Now = time.Now
	}
	deps.Changed = func(c access.Change) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.changes = append(g.changes, c)
	}
	var err error
	if guard, err = access.NewGuard(set, deps); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *guarded) ask(client *http.Client, method, path string, headers ...string) (int, http.Header, string) {
	g.t.Helper()
	req, err := http.NewRequest(method, g.URL+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

// Who may do what: every scope, every kind of operation, every way to come.
func TestWhoMayDoWhat(t *testing.T) {
	tokens := access.NewTokens(filepath.Join(t.TempDir(), access.TokenFile))
	secrets := map[access.Scope]string{access.None: ""}
	for _, scope := range access.Scopes() {
		secret, _, err := tokens.Create(string(scope), scope, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		secrets[scope] = secret
	}
	g := newGuarded(t, access.Settings{Auth: access.Config{Tokens: true}}, access.Deps{Tokens: tokens}, false)
	for have, secret := range secrets {
		for _, need := range []access.Scope{access.None, access.Viewer, access.Operator, access.Admin} {
			path := "/" + string(need) + "/x"
			if need == access.None {
				path = "/open"
			}
			for _, method := range []string{"GET", "POST", "DELETE"} {
				var headers []string
				if secret != "" {
					headers = []string{"Authorization", "Bearer " + secret}
				}
				want := http.StatusForbidden
				switch {
				case have.Holds(need):
					want = http.StatusOK
				case have == access.None:
					want = http.StatusUnauthorized
				}
				if got, h, body := g.ask(g.Client(), method, path, headers...); got != want || want != 200 && h.Get("Content-Type") != "application/problem+json" || want == 401 && h.Get("WWW-Authenticate") == "" {
					t.Errorf("%q, %s %s: %d, want %d: %s", have, method, path, got, want, body)
				}
			}
		}
	}
	for _, wrong := range []string{"Bearer x", "Bearer ", "Basic " + secrets[access.Admin], secrets[access.Admin], "Bearer " + secrets[access.Admin] + " x"} {
		if got, _, _ := g.ask(g.Client(), "GET", "/viewer", "Authorization", wrong); got != http.StatusUnauthorized {
			t.Errorf("%q: %d", wrong, got)
		}
	}
	// A browser could be made to send a cookie, but nobody has one here.
	if got, _, _ := g.ask(g.Client(), "GET", "/viewer", "Cookie", access.SessionCookie+"=x"); got != http.StatusUnauthorized {
		t.Errorf("with a cookie: %d", got)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for scope, secret := range secrets {
		if secret != "" && strings.Contains(g.log.String(), strings.TrimPrefix(secret, "depeer_")) {
			t.Errorf("the token of %s is in the log", scope)
		}
	}
	changed := slices.IndexFunc(g.changes, func(c access.Change) bool {
		return c.Who == "operator" && c.What == "POST /operator/x" && c.Status == 200 && c.Via == "token" && c.Client.IsLoopback()
	})
	if changed < 0 || slices.ContainsFunc(g.changes, func(c access.Change) bool { return strings.HasPrefix(c.What, "GET") }) {
		t.Errorf("audit: %+v", g.changes)
	}
	if !strings.Contains(g.log.String(), `msg=change who=operator scope=operator`) {
		t.Errorf("no change in the log:\n%s", g.log.String())
	}
}

func TestNobodyIsAskedOnLoopback(t *testing.T) {
	g := newGuarded(t, access.Settings{Auth: access.DefaultConfig()}, access.Deps{}, false)
	for _, x := range []struct {
		method, path string
		headers      []string
		status       int
	}{
		{"GET", "/admin", nil, 200},
		{"POST", "/admin", nil, 200},
		{"GET", "/viewer", []string{"Host", "evil.example"}, 403},
		{"GET", "/viewer", []string{"Host", "192.0.2.1"}, 403},
		{"GET", "/healthz", []string{"Host", "evil.example"}, 200},
		{"POST", "/operator", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"POST", "/operator", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"POST", "/operator", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"POST", "/operator", []string{"Origin", "https://evil.example"}, 403},
		{"GET", "/viewer", []string{"Sec-Fetch-Site", "cross-site"}, 200}, // a link
	} {
		got, h, body := g.ask(g.Client(), x.method, x.path, x.headers...)
		if got != x.status {
			t.Errorf("%s %s %q: %d, want %d: %s", x.method, x.path, x.headers, got, x.status, body)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"} {
			if h.Get(name) != want {
				t.Errorf("%s: %q", name, h.Get(name))
			}
		}
	}
}

func TestRate(t *testing.T) {
	now := time.Now()
	tokens := access.NewTokens(filepath.Join(t.TempDir(), access.TokenFile))
	secret, _, err := tokens.Create("a", access.Viewer, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	g := newGuarded(t, access.Settings{Auth: access.Config{Tokens: true}, Rate: 10, Burst: 20}, access.Deps{Tokens: tokens, Now: func() time.Time { return now }}, false)
	// Who guesses tokens has a fifth of the requests.
	for i := range 4 {
		if got, _, _ := g.ask(g.Client(), "GET", "/viewer", "Authorization", "Bearer depeer_guess"); got != http.StatusUnauthorized {
			t.Errorf("guess %d: %d", i, got)
		}
	}
	got, h, _ := g.ask(g.Client(), "GET", "/viewer", "Authorization", "Bearer depeer_guess")
	if got != http.StatusTooManyRequests || h.Get("Retry-After") != "1" {
		t.Errorf("the fifth guess: %d, Retry-After %q", got, h.Get("Retry-After"))
	}
	// The owner of a token does not pay for it.
	for i := range 20 {
		if got, _, _ := g.ask(g.Client(), "GET", "/viewer", "Authorization", "Bearer "+secret); got != http.StatusOK {
			t.Errorf("request %d: %d", i, got)
		}
	}
	if got, _, _ := g.ask(g.Client(), "GET", "/viewer", "Authorization", "Bearer "+secret); got != http.StatusTooManyRequests {
		t.Errorf("after the burst: %d", got)
	}
}

func TestBehindProxy(t *testing.T) {
	set := access.Settings{Auth: access.Config{Tokens: true}, URL: "https://depeer.example.net", Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Plain: true}
	tokens := access.NewTokens(filepath.Join(t.TempDir(), access.TokenFile))
	secret, _, err := tokens.Create("a", access.Operator, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	g := newGuarded(t, set, access.Deps{Tokens: tokens}, false)
	auth := []string{"Authorization", "Bearer " + secret, "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https"}
	got, h, body := g.ask(g.Client(), "GET", "/viewer", append(auth, "Host", "depeer.example.net")...)
	if got != 200 || !strings.HasSuffix(body, " 203.0.113.9") || h.Get("Strict-Transport-Security") == "" {
		t.Errorf("%d %s %v", got, body, h)
	}
	if got, _, _ := g.ask(g.Client(), "GET", "/viewer", append(auth, "Host", "other.example.net")...); got != http.StatusMisdirectedRequest {
		t.Errorf("another name: %d", got)
	}
	// The proxy talks to an address; the browser sees the name.
	if got, _, body := g.ask(g.Client(), "POST", "/operator", append(auth, "Origin", "https://depeer.example.net")...); got != 200 {
		t.Errorf("from the page itself: %d %s", got, body)
	}
	set.Proxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32")}
	g = newGuarded(t, set, access.Deps{Tokens: tokens}, false)
	if got, _, _ := g.ask(g.Client(), "GET", "/viewer", auth...); got != http.StatusForbidden {
		t.Errorf("around the proxy: %d", got)
	}
	if got, _, _ := g.ask(g.Client(), "GET", "/healthz"); got != http.StatusOK {
		t.Errorf("/healthz: %d", got)
	}
}

// people are the pieces of a login.
func loginSettings(t *testing.T, p *provider) access.Settings {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := access.DefaultConfig()
	cfg.OIDC.Issuer, cfg.OIDC.ClientID, cfg.OIDC.ClientSecret, cfg.OIDC.CA = p.URL, "depeer", "hush", ca
	cfg.OIDC.Viewer, cfg.OIDC.Operator = []string{"research"}, []string{"noc"}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return access.Settings{Auth: cfg, URL: "self"}
}

// browser keeps cookies, trusts the tests' certificates, and follows where it is sent.
func browser(t *testing.T, g *guarded) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := *g.Client()
	c.Jar = jar
	return &c
}

func TestLogin(t *testing.T) {
	p := newProvider(t)
	p.claims = map[string]any{"email": "ann@example.net", "email_verified": true, "groups": []string{"staff", "noc"}}
	g := newGuarded(t, loginSettings(t, p), access.Deps{}, true)
	ann := browser(t, g)
	// A page leads to the login and back to itself.
	got, _, body := g.ask(ann, "GET", "/viewer/page?x=1", "Accept", "text/html")
	if got != 200 || !strings.HasPrefix(body, "ann@example.net operator") {
		t.Fatalf("%d %s\n%s", got, body, g.log.String())
	}
	here, _ := url.Parse(g.URL)
	cookies := ann.Jar.Cookies(here)
	if len(cookies) != 1 || cookies[0].Name != access.SessionCookie {
		t.Errorf("cookies %v", cookies)
	}
	for path, want := range map[string]int{"/viewer": 200, "/operator": 200, "/admin": 403} {
		if got, _, _ := g.ask(ann, "GET", path); got != want {
			t.Errorf("%s: %d", path, got)
		}
	}
	// Another site's page has the browser, not the right.
	if got, _, _ := g.ask(ann, "POST", "/operator", "Sec-Fetch-Site", "cross-site"); got != http.StatusForbidden {
		t.Errorf("cross-site: %d", got)
	}
	if got, _, _ := g.ask(ann, "POST", "/operator", "Sec-Fetch-Site", "same-origin"); got != http.StatusOK {
		t.Errorf("same-origin: %d", got)
	}
	if got, _, _ := g.ask(ann, "POST", "/logout", "Sec-Fetch-Site", "same-origin"); got != http.StatusNoContent {
		t.Errorf("logout: %d", got)
	}
	if got, _, _ := g.ask(ann, "GET", "/viewer", "Cookie", access.SessionCookie+"="+cookies[0].Value); got != http.StatusUnauthorized {
		t.Errorf("the session outlives the logout: %d", got)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if strings.Contains(g.log.String(), "hush") || strings.Contains(g.log.String(), cookies[0].Value) {
		t.Errorf("a secret is in the log:\n%s", g.log.String())
	}
	if len(g.changes) < 3 || g.changes[0].What != "login" || g.changes[0].Who != "ann@example.net" || g.changes[0].Status != 200 {
		t.Errorf("audit %+v", g.changes)
	}
}

func TestLoginAttributesOfTheCookie(t *testing.T) {
	p := newProvider(t)
	p.claims = map[string]any{"groups": "research"}
	g := newGuarded(t, loginSettings(t, p), access.Deps{}, true)
	ann := browser(t, g)
	ann.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	_, h, _ := g.ask(ann, "GET", "/login?next=//evil.example")
	begun := h.Get("Set-Cookie")
	_, h, _ = g.follow(ann, h.Get("Location"))
	_, h, _ = g.follow(ann, h.Get("Location"))
	if h.Get("Location") != "/" {
		t.Errorf("it sends the browser to %q", h.Get("Location"))
	}
	set := h.Values("Set-Cookie")
	session := set[len(set)-1]
	for _, cookie := range []string{begun, session} {
		for _, want := range []string{"__Host-depeer", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax", "; Max-Age="} {
			if !strings.Contains(cookie, want) || strings.Contains(cookie, "Domain") {
				t.Errorf("cookie %q has no %q, or a domain", cookie, want)
			}
		}
	}
	if got, _, body := g.ask(ann, "GET", "/viewer"); got != 200 || !strings.HasPrefix(body, "u1 viewer") {
		t.Errorf("%d %s", got, body)
	}
}

// follow asks for an address anywhere.
func (g *guarded) follow(c *http.Client, address string) (int, http.Header, string) {
	g.t.Helper()
	resp, err := c.Get(address)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(body)
}

func TestLoginsThatAreRefused(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	none := func(claims []byte) string {
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims) + "."
	}
	for name, x := range map[string]struct {
		claims map[string]any
		spoil  func(map[string]any)
		sign   func([]byte) string
		info   map[string]any
		status int
		words  string
	}{
		"no group":         {claims: map[string]any{"groups": []string{"staff"}}, status: 403, words: "nothing in your groups"},
		"no claim":         {info: map[string]any{"sub": "u1"}, status: 403, words: "nothing in your groups"},
		"other person":     {info: map[string]any{"sub": "u2", "groups": []string{"noc"}}, status: 502, words: "somebody else"},
		"from userinfo":    {info: map[string]any{"sub": "u1", "groups": []string{"noc"}}, status: 200},
		"group as a word":  {claims: map[string]any{"groups": "noc"}, status: 200},
		"other nonce":      {spoil: func(c map[string]any) { c["nonce"] = "x" }, status: 502, words: "nonce"},
		"other audience":   {spoil: func(c map[string]any) { c["aud"] = "x" }, status: 502, words: "not valid"},
		"other issuer":     {spoil: func(c map[string]any) { c["iss"] = "https://evil.example" }, status: 502, words: "not valid"},
		"over":             {spoil: func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }, status: 502, words: "not valid"},
		"not signed":       {sign: none, status: 502, words: "not valid"},
		"other key":        {sign: func(c []byte) string { return signed(t, other, c) }, status: 502, words: "not valid"},
		"shared secret":    {sign: func(c []byte) string { return signed(t, bytes.Repeat([]byte("k"), 32), c) }, status: 502, words: "not valid"},
		"no identity":      {sign: func([]byte) string { return "" }, status: 502, words: "not valid"},
		"identity is text": {sign: func([]byte) string { return "hello" }, status: 502, words: "not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.claims, p.spoil, p.sign, p.info = x.claims, x.spoil, x.sign, x.info
			if p.claims == nil && p.info == nil {
				p.claims = map[string]any{"groups": []string{"noc"}}
			}
			g := newGuarded(t, loginSettings(t, p), access.Deps{}, true)
			ann := browser(t, g)
			status, _, body := g.ask(ann, "GET", "/viewer", "Accept", "text/html")
			if status != x.status || !strings.Contains(body, x.words) || strings.Contains(body+g.log.String(), "hush") {
				t.Errorf("%d %s\n%s", status, body, g.log.String())
			}
			here, _ := url.Parse(g.URL)
			if x.status != 200 && slices.ContainsFunc(ann.Jar.Cookies(here), func(c *http.Cookie) bool { return c.Name == access.SessionCookie }) {
				t.Error("it has a session")
			}
		})
	}
}

// What comes back from the provider must be of a login that this browser began.
func TestForgedCallback(t *testing.T) {
	p := newProvider(t)
	p.claims = map[string]any{"groups": []string{"noc"}}
	g := newGuarded(t, loginSettings(t, p), access.Deps{}, true)
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	mallory, ann := browser(t, g), browser(t, g)
	mallory.CheckRedirect, ann.CheckRedirect = stay, stay
	_, h, _ := g.ask(mallory, "GET", "/login")
	_, h, _ = g.follow(mallory, h.Get("Location"))
	callback := h.Get("Location") // with Mallory's code and state
	if got, _, body := g.follow(ann, callback); got != http.StatusForbidden || !strings.Contains(body, "not begun in this browser") {
		t.Errorf("in another browser: %d %s", got, body)
	}
	_, _, _ = g.ask(ann, "GET", "/login") // now she has a login of her own
	if got, _, _ := g.follow(ann, callback); got != http.StatusForbidden {
		t.Errorf("with another login: %d", got)
	}
	for _, query := range []string{"", "?state=x&code=y", "?error=access_denied&state=x"} {
		if got, _, _ := g.ask(ann, "GET", "/login/callback"+query); got != http.StatusForbidden {
			t.Errorf("%q: %d", query, got)
		}
	}
	// A code is good once.
	_, h, _ = g.ask(ann, "GET", "/login")
	_, h, _ = g.follow(ann, h.Get("Location"))
	mine := h.Get("Location")
	if got, _, body := g.follow(ann, mine); got != http.StatusSeeOther {
		t.Errorf("%d %s", got, body)
	}
	if got, _, _ := g.follow(ann, mine); got != http.StatusForbidden {
		t.Errorf("again: %d", got)
	}
}

// The provider is away: depeer runs, says so to who wants to log in, and lets nobody in.
func TestProviderAway(t *testing.T) {
	p := newProvider(t)
	set := loginSettings(t, p)
	p.Close()
	g := newGuarded(t, set, access.Deps{}, true)
	c := browser(t, g)
	if got, _, body := g.ask(c, "GET", "/login"); got != http.StatusBadGateway || !strings.Contains(body, "does not answer") {
		t.Errorf("%d %s", got, body)
	}
	if got, _, _ := g.ask(c, "GET", "/viewer"); got != http.StatusUnauthorized {
		t.Errorf("%d", got)
	}
	if got, _, _ := g.ask(c, "GET", "/open"); got != http.StatusOK {
		t.Errorf("%d", got)
	}
}

func TestSecretIsNotShown(t *testing.T) {
	cfg := access.Config{OIDC: access.OIDC{ClientSecret: "hush"}}
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", cfg.OIDC.ClientSecret, "all", cfg)
	for _, shown := range []string{string(text), fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg.OIDC.ClientSecret), log.String()} {
		if strings.Contains(shown, "hush") {
			t.Error(shown)
		}
	}
}
