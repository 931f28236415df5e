package access

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Change is one thing that somebody did: what the audit log holds.
type Change struct {
	Type   string     `json:"type"` // "change"
	At     time.Time  `json:"at"`
	Who    string     `json:"who"`
	Scope  Scope      `json:"scope,omitempty"`
	Via    string     `json:"via"`
	Client netip.Addr `json:"client,omitzero"`
	What   string     `json:"what"` // method and path, "login", "logout"
	Status int        `json:"status"`
}

// Settings are those of the listener that a guard stands before.
type Settings struct {
	Auth    Config
	URL     string         // as browsers see it; "" where that is not said
	Hosts   []string       // names it may be asked for, beside that of URL, addresses and localhost
	Proxies []netip.Prefix // whose X-Forwarded-For is believed
	Plain   bool           // no TLS here: where there are proxies, only they may come
	Rate    float64        // requests a second of one client; 0: no limit
	Burst   int
}

// Deps is what a guard needs from its surroundings.
type Deps struct {
	Tokens  Finder
	Names   func(host string) bool // names of the certificate; nil: none
	Logger  *slog.Logger
	Changed func(Change) // is told every change, and must not block
	Now     func() time.Time
}

// Finder looks a token up: [Tokens] does. An error says that tokens cannot be read.
type Finder interface {
	Find(secret string, now time.Time) (Token, bool, error)
	FindHash(hash string, now time.Time) (Token, bool, error)
}

var _ Finder = (*Tokens)(nil)

// Guard stands before all handlers.
type Guard struct {
	set      Settings
	deps     Deps
	limit    *limiter
	guesses  *limiter // of tokens, at where one signs in
	login    *login   // nil without a provider
	sessions *sessions
	origin   *http.CrossOriginProtection
	counts   [len(Refusals)]atomic.Uint64
}

// Refusal says why a request was refused. The same word stands in logs and metrics.
type Refusal int

// The refusals.
const (
	Around    Refusal = iota // it came around the proxy
	WrongHost                // it asked for a name that is not ours
	TooMany                  // a client's requests in a second
	CrossSite                // another site's page made the browser send it
	Stranger                 // nobody knows who it is
	TooSmall                 // the scope does not hold what is needed
)

// Refusals are the words.
var Refusals = [...]string{"around-proxy", "wrong-host", "too-many", "cross-site", "stranger", "scope"}

// NewGuard makes a guard. It asks nobody anything yet.
func NewGuard(set Settings, deps Deps) (*Guard, error) {
	g := &Guard{set: set, deps: deps, limit: newLimiter(set.Rate, set.Burst), guesses: newLimiter(signInRate, signInBurst),
		sessions: newSessions(&set, deps.Tokens, deps.Now), origin: http.NewCrossOriginProtection()}
	if set.URL != "" {
		u, err := url.Parse(set.URL)
		if err != nil {
			return nil, fmt.Errorf("web.url: %w", err)
		}
		// Behind a proxy Host may be another name than the one that browsers see.
		if err := g.origin.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, fmt.Errorf("web.url: %w", err)
		}
		g.set.Hosts = append(slices.Clone(set.Hosts), strings.ToLower(u.Hostname()))
	}
	if set.Auth.OIDC.Issuer != "" {
		l, err := newLogin(set.Auth, set.URL, g.sessions, deps.Now)
		if err != nil {
			return nil, err
		}
		g.login = l
	}
	return g, nil
}

// Refused counts what was refused, by [Refusals].
func (g *Guard) Refused(r Refusal) uint64 { return g.counts[r].Load() }

// Open reports whether nobody is asked who they are.
func (g *Guard) Open() bool { return !g.set.Auth.Required() }

// Login reports whether people can log in.
func (g *Guard) Login() bool { return g.login != nil }

// Handler puts the guard before next. needs says what a request needs; None is for everybody.
func (g *Guard) Handler(next http.Handler, needs func(*http.Request) Scope) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, proxied := client(r, g.set.Proxies)
		r = r.WithContext(context.WithValue(r.Context(), clientKeyed, from))
		g.headers(w, r, proxied)
		need := needs(r)
		if !g.address(w, r, proxied) {
			return
		}
		who, known, fault := g.identify(r)
		if !g.pace(w, r, from, who, known) {
			return
		}
		if err := g.origin.Check(r); err != nil {
			g.refuse(w, r, CrossSite, http.StatusForbidden, "another site's page made this browser ask: that is refused")
			return
		}
		if fault != nil { // a broken file lets nobody in, and says so where operators read
			g.deps.Logger.Error("tokens cannot be read: nobody gets in with one", "err", fault)
		}
		if g.enter(w, r, who) {
			return
		}
		if need != None && !known {
			g.stranger(w, r)
			return
		}
		if !who.Scope.Holds(need) {
			g.refuse(w, r, TooSmall, http.StatusForbidden, fmt.Sprintf("%s may do what a %s may; this needs %s", who.Name, who.Scope, need))
			return
		}
		if known {
			ctx := context.WithValue(r.Context(), whoKey, who)
			r = r.WithContext(context.WithValue(ctx, againKey, func() bool { _, known, _ := g.identify(r); return known }))
		}
		g.serve(w, r, next, who)
	})
}

// address refuses who came around the proxy, or asks for a name that is not ours.
func (g *Guard) address(w http.ResponseWriter, r *http.Request, proxied bool) bool {
	if r.URL.Path == "/healthz" { // asked by what starts and stops processes, by address
		return true
	}
	if g.set.Plain && len(g.set.Proxies) > 0 && !proxied {
		g.refuse(w, r, Around, http.StatusForbidden, "come through the proxy (web.behind_proxy)")
		return false
	}
	host := hostOf(r)
	_, err := netip.ParseAddr(host)
	switch {
	case Loopback(host):
	case g.Open():
		g.refuse(w, r, WrongHost, http.StatusForbidden, "ask for localhost, not for "+r.Host)
		return false
	case err == nil: // a page of somebody else has a name
	case slices.Contains(g.set.Hosts, host), g.deps.Names != nil && g.deps.Names(host):
	default:
		g.refuse(w, r, WrongHost, http.StatusMisdirectedRequest, r.Host+" is not a name of this depeer (web.url, web.hosts)")
		return false
	}
	return true
}

// identify finds out who asks. An error says that tokens cannot be read.
func (g *Guard) identify(r *http.Request) (Who, bool, error) {
	if g.Open() {
		return Who{Name: "local", Scope: Admin, Via: "local"}, true, nil
	}
	if scheme, secret, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		if !g.set.Auth.Tokens || g.deps.Tokens == nil {
			return Who{}, false, nil
		}
		token, ok, err := g.deps.Tokens.Find(strings.TrimSpace(secret), g.deps.Now())
		return whoOf(&token), ok, err
	}
	return g.sessions.of(r)
}

func whoOf(t *Token) Who {
	return Who{Name: t.Name, Scope: t.Scope, Via: "token", ID: t.ID, Until: t.Expires}
}

// strangersPay is what a request with a wrong token or none takes out of an address's
// bucket: guessing is slow, whoever pays for the CPU.
const strangersPay = 5

func (g *Guard) pace(w http.ResponseWriter, r *http.Request, from netip.Addr, who Who, known bool) bool {
	key, price := "a "+clientKey(from), 1
	if known && who.ID != "" {
		key = who.Via + " " + who.ID
	} else if !known && r.Header.Get("Authorization") != "" {
		price = strangersPay
	}
	wait, ok := g.limit.allow(key, g.deps.Now(), price)
	if ok {
		return true
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	g.refuse(w, r, TooMany, http.StatusTooManyRequests, "too many requests: ask again in a while (Retry-After), or for more at once")
	return false
}

func (g *Guard) stranger(w http.ResponseWriter, r *http.Request) {
	// A browser is led to the login; a program gets an answer.
	if g.login != nil && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, LoginPath+"?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusFound)
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="depeer"`)
	how := "with a token: Authorization: Bearer depeer_... (`depeer tokens create`)"
	if g.login != nil {
		how += ", or log in at " + LoginPath
	}
	if r.Header.Get("Authorization") != "" {
		how = "the token is not known, or has ended; come " + how
	} else {
		how = "come " + how
	}
	g.refuse(w, r, Stranger, http.StatusUnauthorized, how)
}

// serve hands on, and notes what was changed.
func (g *Guard) serve(w http.ResponseWriter, r *http.Request, next http.Handler, who Who) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
		next.ServeHTTP(w, r)
		return
	}
	seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	next.ServeHTTP(seen, r)
	g.changed(r, Change{What: r.Method + " " + r.URL.Path, Who: who.Name, Scope: who.Scope, Via: who.Via, Status: seen.status})
}

func (g *Guard) changed(r *http.Request, c Change) {
	c.Type, c.At, c.Client = "change", g.deps.Now().UTC(), ClientOf(r.Context())
	g.deps.Logger.Info("change", "who", c.Who, "scope", c.Scope, "via", c.Via, "client", c.Client, "what", c.What, "status", c.Status)
	if g.deps.Changed != nil {
		g.deps.Changed(c)
	}
}

// headers are on every answer.
func (g *Guard) headers(w http.ResponseWriter, r *http.Request, proxied bool) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	if r.TLS != nil || proxied && r.Header.Get("X-Forwarded-Proto") == "https" {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, why Refusal, status int, detail string) {
	g.counts[why].Add(1)
	g.deps.Logger.Debug("refused", "reason", Refusals[why], "client", ClientOf(r.Context()), "method", r.Method, "path", r.URL.Path)
	Problem(w, status, detail)
}

// Problem writes an RFC 9457 document.
func Problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, detail})
}

// statusWriter sees the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
