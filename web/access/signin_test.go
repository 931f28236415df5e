package access_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/web/access"
)

// desk is a guard that takes tokens, with some of them, at a time that the test sets.
type desk struct {
	*guarded
	file   string
	tokens *access.Tokens
	secret map[access.Scope]string
	token  map[access.Scope]access.Token
	now    time.Time
}

func newDesk(t *testing.T, tls bool, set access.Settings) *desk {
	t.Helper()
	d := &desk{file: filepath.Join(t.TempDir(), access.TokenFile), secret: map[access.Scope]string{}, token: map[access.Scope]access.Token{}, now: day}
	d.tokens = access.NewTokens(d.file)
	for i, scope := range access.Scopes() {
		secret, token, err := d.tokens.Create("the "+string(scope), scope, day, time.Duration(i+1)*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		d.secret[scope], d.token[scope] = secret, token
	}
	set.Auth.Tokens = true
	d.guarded = newGuarded(t, set, access.Deps{Tokens: d.tokens, Now: func() time.Time { return d.now }}, tls)
	return d
}

// show shows a token as the page does.
func (d *desk) show(c *http.Client, token string, headers ...string) (int, http.Header, string) {
	d.t.Helper()
	text, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		d.t.Fatal(err)
	}
	return d.send(c, "application/json", string(text), headers...)
}

func (d *desk) send(c *http.Client, kind, text string, headers ...string) (int, http.Header, string) {
	d.t.Helper()
	req, err := http.NewRequest(http.MethodPost, d.URL+access.TokenLoginPath, strings.NewReader(text))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

func (d *desk) status(c *http.Client, path string) int {
	d.t.Helper()
	got, _, _ := d.ask(c, "GET", path)
	return got
}

func TestSignInWithToken(t *testing.T) {
	for name, tls := range map[string]bool{"with TLS": true, "on this machine": false} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, tls, access.Settings{})
			ann := browser(t, d.guarded)
			if got := d.status(ann, "/viewer"); got != http.StatusUnauthorized {
				t.Fatalf("a stranger gets %d", got)
			}
			got, h, body := d.show(ann, " "+d.secret[access.Operator]+"\n", "Sec-Fetch-Site", "same-origin")
			var who access.Who
			if err := json.Unmarshal([]byte(body), &who); err != nil || got != http.StatusOK || who.Name != "the operator" || who.Scope != access.Operator || who.Via != "token" || !who.Until.Equal(day.Add(2*time.Hour)) {
				t.Fatalf("%d %s", got, body)
			}
			cookie := h.Get("Set-Cookie")
			want := []string{"; Path=/", "; HttpOnly", "; SameSite=Lax", "; Max-Age=7200"}
			here, _ := url.Parse(d.URL)
			if tls {
				want = append(want, access.SessionCookie+"=", "; Secure")
			} else {
				want = append(want, "depeer-"+here.Port()+"=")
			}
			for _, x := range want {
				if !strings.Contains(cookie, x) || strings.Contains(cookie, "Domain") {
					t.Errorf("cookie %q has no %q, or a domain", cookie, x)
				}
			}
			for path, want := range map[string]int{"/viewer": 200, "/operator": 200, "/admin": 403} {
				if got := d.status(ann, path); got != want {
					t.Errorf("%s: %d", path, got)
				}
			}
			// Another site's page has the browser, not the right: neither to change something, nor to log in.
			if got, _, _ := d.ask(ann, "POST", "/operator", "Sec-Fetch-Site", "cross-site"); got != http.StatusForbidden {
				t.Errorf("cross-site: %d", got)
			}
			if got, h, _ := d.show(ann, d.secret[access.Viewer], "Origin", "https://evil.example"); got != http.StatusForbidden || h.Get("Set-Cookie") != "" {
				t.Errorf("a login from elsewhere: %d", got)
			}
			value := ann.Jar.Cookies(here)[0].Value
			if got, _, _ := d.ask(ann, "POST", "/logout", "Sec-Fetch-Site", "same-origin"); got != http.StatusNoContent {
				t.Errorf("logout: %d", got)
			}
			if got, _, _ := d.ask(d.Client(), "GET", "/viewer", "Cookie", strings.SplitN(cookie, "=", 2)[0]+"="+value); got != http.StatusUnauthorized {
				t.Errorf("the session outlives the logout: %d", got)
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			for _, secret := range []string{strings.TrimPrefix(d.secret[access.Operator], "depeer_"), strings.TrimPrefix(d.secret[access.Viewer], "depeer_"), value, d.token[access.Operator].Hash} {
				if strings.Contains(d.log.String(), secret) {
					t.Errorf("a secret is in the log:\n%s", d.log.String())
				}
			}
			for _, want := range []access.Change{{What: "login", Who: "the operator", Scope: access.Operator, Via: "token", Status: 200}, {What: "logout", Who: "the operator", Scope: access.Operator, Via: "token", Status: 204}} {
				if !slices.ContainsFunc(d.changes, func(c access.Change) bool {
					return c.What == want.What && c.Who == want.Who && c.Scope == want.Scope && c.Via == want.Via && c.Status == want.Status
				}) {
					t.Errorf("no %s in the audit: %+v", want.What, d.changes)
				}
			}
		})
	}
}

// A session ends with its token: at once where that is revoked, at its end, or when nobody can read the file.
func TestSessionEndsWithToken(t *testing.T) {
	d := newDesk(t, true, access.Settings{})
	people := map[access.Scope]*http.Client{}
	for scope, secret := range d.secret {
		people[scope] = browser(t, d.guarded)
		if got, _, body := d.show(people[scope], secret); got != http.StatusOK {
			t.Fatalf("%s: %d %s", scope, got, body)
		}
	}
	if _, err := d.tokens.Revoke(d.token[access.Operator].ID); err != nil {
		t.Fatal(err)
	}
	if got := d.status(people[access.Operator], "/viewer"); got != http.StatusUnauthorized {
		t.Errorf("revoked: %d", got)
	}
	if got := d.status(people[access.Viewer], "/viewer"); got != http.StatusOK {
		t.Errorf("another's: %d", got)
	}
	d.now = day.Add(time.Hour)
	if got := d.status(people[access.Viewer], "/viewer"); got != http.StatusUnauthorized {
		t.Errorf("at its end: %d", got)
	}
	if got := d.status(people[access.Admin], "/admin"); got != http.StatusOK {
		t.Errorf("before its end: %d", got)
	}
	if err := os.Chmod(d.file, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := d.status(people[access.Admin], "/admin"); got != http.StatusUnauthorized {
		t.Errorf("with a file that others can write: %d", got)
	}
	if got, _, body := d.show(people[access.Admin], d.secret[access.Admin]); got != http.StatusServiceUnavailable || strings.Contains(body, d.file) {
		t.Errorf("a login then: %d %s", got, body)
	}
	if err := os.Chmod(d.file, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := d.status(people[access.Admin], "/admin"); got != http.StatusOK {
		t.Errorf("when it can be read again: %d", got)
	}
}

// A session also ends by itself, however long the token holds.
func TestSessionEndsByItself(t *testing.T) {
	d := newDesk(t, true, access.Settings{Auth: access.Config{Session: 30 * time.Minute}})
	ann := browser(t, d.guarded)
	if got, h, body := d.show(ann, d.secret[access.Admin]); got != http.StatusOK || !strings.Contains(h.Get("Set-Cookie"), "Max-Age=1800") {
		t.Fatalf("%d %s", got, body)
	}
	d.now = day.Add(30*time.Minute - time.Second)
	if got := d.status(ann, "/admin"); got != http.StatusOK {
		t.Errorf("before: %d", got)
	}
	d.now = day.Add(30 * time.Minute)
	if got := d.status(ann, "/admin"); got != http.StatusUnauthorized {
		t.Errorf("after: %d", got)
	}
}

func TestSignInRefused(t *testing.T) {
	d := newDesk(t, true, access.Settings{Auth: access.Config{}})
	good := d.secret[access.Viewer]
	for _, x := range []struct {
		kind, text string
		status     int
		words      string
	}{
		{"application/json", `{"token":"depeer_guess"}`, 401, "depeer tokens create"},
		{"application/json", `{"token":"` + d.token[access.Viewer].Hash + `"}`, 401, "not known"},
		{"application/json", `{"token":"` + good, 400, "shape"},
		{"application/json", `{"token":["` + good + `"]}`, 400, "shape"},
		{"application/json", `{}`, 400, "missing"},
		{"application/json", `{"token":"` + strings.Repeat("x", 5000) + `"}`, 400, "4096"},
		{"text/plain", good, 400, "Content-Type"},
		{"application/x-www-form-urlencoded", "token=%zz", 400, "form"},
		{"application/x-www-form-urlencoded", "", 400, "missing"},
	} {
		got, h, body := d.send(d.Client(), x.kind, x.text)
		if got != x.status || !strings.Contains(body, x.words) || strings.Contains(body, good) || h.Get("Set-Cookie") != "" || h.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %.60s: %d %s %v", x.kind, x.text, got, body, h)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	failed := 0
	for _, c := range d.changes {
		if c.What == "login" && c.Status == 401 && c.Via == "token" && c.Who == "" {
			failed++
		}
	}
	if failed != 2 || !strings.Contains(d.log.String(), "reason=stranger") {
		t.Errorf("%d wrong tokens are in the audit: %+v", failed, d.changes)
	}
}

func TestGuessingIsSlow(t *testing.T) {
	d := newDesk(t, true, access.Settings{}) // no limit of requests
	for i := range 20 {
		if got, _, _ := d.show(d.Client(), "depeer_guess"); got != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i, got)
		}
	}
	got, h, _ := d.show(d.Client(), d.secret[access.Viewer])
	if got != http.StatusTooManyRequests || h.Get("Retry-After") != "1" {
		t.Errorf("the next one: %d, Retry-After %q", got, h.Get("Retry-After"))
	}
	d.now = d.now.Add(time.Second)
	if got, _, body := d.show(d.Client(), d.secret[access.Viewer]); got != http.StatusOK {
		t.Errorf("a second later: %d %s", got, body)
	}
}

// A form goes on to a page of ours, whatever it asks for.
func TestSignInByForm(t *testing.T) {
	d := newDesk(t, true, access.Settings{})
	for to, want := range map[string]string{"/hosters/mccolo?from=2008-11-11": "/hosters/mccolo?from=2008-11-11", "//evil.example": "/", "https://evil.example": "/", `/\evil.example`: "/", "/logout": "/", "": "/"} {
		c := browser(t, d.guarded)
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		got, h, _ := d.send(c, "application/x-www-form-urlencoded", url.Values{"token": {d.secret[access.Viewer]}, "to": {to}}.Encode())
		if got != http.StatusSeeOther || h.Get("Location") != want || d.status(c, "/viewer") != http.StatusOK {
			t.Errorf("%q: %d %q", to, got, h.Get("Location"))
		}
	}
}

func TestWaysToLogIn(t *testing.T) {
	p := newProvider(t)
	both := loginSettings(t, p)
	both.Auth.Tokens = true
	for _, x := range []struct {
		set  access.Settings
		ways string
		show int
	}{
		{access.Settings{Auth: access.Config{Tokens: true}}, `{"oidc":false,"tokens":true}`, 401},
		{loginSettings(t, p), `{"oidc":true,"tokens":false}`, 401},
		{both, `{"oidc":true,"tokens":true}`, 401},
		{access.Settings{Auth: access.DefaultConfig()}, `{"oidc":false,"tokens":false}`, 200}, // as any other request: nobody is asked
	} {
		g := newGuarded(t, x.set, access.Deps{Tokens: access.NewTokens(filepath.Join(t.TempDir(), access.TokenFile))}, true)
		got, h, body := g.ask(g.Client(), "GET", "/login/ways")
		if got != 200 || strings.TrimSpace(body) != x.ways || h.Get("Content-Type") != "application/json" {
			t.Errorf("%d %s, want %s", got, body, x.ways)
		}
		d := &desk{guarded: g}
		if got, h, body := d.show(g.Client(), "depeer_x"); got != x.show || h.Get("Set-Cookie") != "" {
			t.Errorf("%s: a token is shown: %d %s", x.ways, got, body)
		}
	}
}

// Both ways at once: each session is its own.
func TestSignInBesideProvider(t *testing.T) {
	p := newProvider(t)
	p.claims = map[string]any{"email": "ann@example.net", "email_verified": true, "groups": []string{"noc"}}
	d := newDesk(t, true, loginSettings(t, p))
	ann, ben := browser(t, d.guarded), browser(t, d.guarded)
	d.now = time.Now() // the identity has the time of today
	secret, _, err := d.tokens.Create("ben", access.Viewer, d.now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, body := d.ask(ann, "GET", "/viewer", "Accept", "text/html"); got != 200 || !strings.HasPrefix(body, "ann@example.net operator") {
		t.Fatalf("%d %s", got, body)
	}
	if got, _, body := d.show(ben, secret); got != 200 {
		t.Fatalf("%d %s", got, body)
	}
	if got, _, body := d.ask(ben, "GET", "/viewer"); got != 200 || !strings.HasPrefix(body, "ben viewer") {
		t.Errorf("%d %s", got, body)
	}
	// Who shows a token where somebody else was logged in takes the place over.
	here, _ := url.Parse(d.URL)
	before := ann.Jar.Cookies(here)[0].Value
	if got, _, _ := d.show(ann, secret); got != 200 {
		t.Errorf("%d", got)
	}
	if got, _, _ := d.ask(d.Client(), "GET", "/viewer", "Cookie", access.SessionCookie+"="+before); got != http.StatusUnauthorized {
		t.Errorf("the session before goes on: %d", got)
	}
}

// Through a proxy that does TLS the cookie is for TLS alone, although the proxy asks without.
func TestSignInBehindProxy(t *testing.T) {
	d := newDesk(t, false, access.Settings{URL: "https://depeer.example.net", Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Plain: true})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := *d.Client()
	c.Jar = jar
	for _, host := range []string{"depeer.example.net", "localhost"} {
		req, err := http.NewRequest("POST", d.URL+access.TokenLoginPath, strings.NewReader("token="+d.secret[access.Viewer]))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("X-Forwarded-For", "203.0.113.9")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if cookie := resp.Header.Get("Set-Cookie"); resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(cookie, access.SessionCookie+"=") || !strings.Contains(cookie, "; Secure") {
			t.Errorf("%s: %d %q", host, resp.StatusCode, cookie)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// What goes on for long can ask whether it still may.
func TestStill(t *testing.T) {
	tokens := access.NewTokens(filepath.Join(t.TempDir(), access.TokenFile))
	secret, token, err := tokens.Create("a", access.Viewer, day, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := access.NewGuard(access.Settings{Auth: access.Config{Tokens: true}}, access.Deps{Tokens: tokens, Now: func() time.Time { return day }})
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	h := guard.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked++
		if !access.Still(r.Context()) {
			t.Error("it may not while the token holds")
		}
		if _, err := tokens.Revoke(token.ID); err != nil {
			t.Error(err)
		}
		if access.Still(r.Context()) {
			t.Error("it may when the token is revoked")
		}
	}), func(*http.Request) access.Scope { return access.Viewer })
	r := httptest.NewRequest("GET", "http://127.0.0.1/viewer", nil)
	r.Header.Set("Authorization", "Bearer "+secret)
	h.ServeHTTP(httptest.NewRecorder(), r)
	if asked != 1 {
		t.Errorf("it was asked %d times", asked)
	}
}
