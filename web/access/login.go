package access

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// loginCookie ties a login that has begun to the browser that began it.
const loginCookie = "__Host-depeer-login"

// Where a login begins at the provider, comes back to, and ends.
const (
	LoginPath    = "/login"
	CallbackPath = "/login/callback"
	LogoutPath   = "/logout"
)

const (
	loginTime   = 10 * time.Minute // to type a password, and find the second factor
	maxLogins   = 1000             // that have begun
	askProvider = 10 * time.Second
)

// login is the code flow of OpenID Connect with PKCE (RFC 7636), state and nonce.
type login struct {
	cfg      OIDC
	redirect string
	client   *http.Client
	now      func() time.Time

	begun    *remembered[begunLogin]
	sessions *sessions

	mu       sync.Mutex
	provider *oidc.Provider // guarded by mu; nil until it has answered once
}

type begunLogin struct{ browser, nonce, verifier, next string }

func newLogin(cfg Config, base string, kept *sessions, now func() time.Time) (*login, error) {
	client := &http.Client{Timeout: askProvider}
	if cfg.OIDC.CA != "" {
		pem, err := os.ReadFile(cfg.OIDC.CA)
		if err != nil {
			return nil, fmt.Errorf("web.auth.oidc.ca: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("web.auth.oidc.ca: %s holds no certificate in PEM", cfg.OIDC.CA)
		}
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		client.Transport = t
	}
	return &login{cfg: cfg.OIDC, redirect: strings.TrimSuffix(base, "/") + CallbackPath, client: client, now: now,
		begun: newRemembered[begunLogin](maxLogins), sessions: kept}, nil
}

// ask gives the provider. It is asked for its document when somebody logs in first, not at the
// start: depeer must watch while the provider is away.
func (l *login) ask() (*oidc.Provider, *oauth2.Config, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.provider == nil {
		// The provider keeps the context, to fetch keys later: it must not end with the request.
		p, err := oidc.NewProvider(oidc.ClientContext(context.Background(), l.client), l.cfg.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("the login provider %s does not answer as it should: %w", l.cfg.Issuer, err)
		}
		l.provider = p
	}
	return l.provider, &oauth2.Config{ClientID: l.cfg.ClientID, ClientSecret: string(l.cfg.ClientSecret), Endpoint: l.provider.Endpoint(),
		RedirectURL: l.redirect, Scopes: append([]string{oidc.ScopeOpenID}, l.cfg.Scopes...)}, nil
}

// begin sends the browser to the provider.
func (l *login) begin(w http.ResponseWriter, r *http.Request) error {
	_, flow, err := l.ask()
	if err != nil {
		return err
	}
	b := begunLogin{browser: randomName(), nonce: randomName(), verifier: oauth2.GenerateVerifier(), next: localPath(r.URL.Query().Get("next"))}
	state := l.begun.put(b, l.now().Add(loginTime))
	setCookie(w, loginCookie, b.browser, loginTime, true)
	http.Redirect(w, r, flow.AuthCodeURL(state, oidc.Nonce(b.nonce), oauth2.S256ChallengeOption(b.verifier)), http.StatusFound)
	return nil
}

// errLogin is what a person may do something about.
type errLogin struct{ text string }

func (e errLogin) Error() string { return e.text }

// finish takes the provider's answer, makes a session and gives who it is, and where to go.
func (l *login) finish(w http.ResponseWriter, r *http.Request) (Who, string, error) {
	q := r.URL.Query()
	cookie, err := r.Cookie(loginCookie)
	b, known := l.begun.take(q.Get("state"), l.now())
	if err != nil || !known || subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(b.browser)) != 1 {
		return Who{}, "", errLogin{"this login was not begun in this browser, or too long ago: log in again at " + LoginPath}
	}
	setCookie(w, loginCookie, "", -1, true)
	if code := q.Get("error"); code != "" {
		return Who{}, "", errLogin{fmt.Sprintf("the login provider says no: %.100q", code)}
	}
	claims, err := l.redeem(r.Context(), q.Get("code"), b)
	if err != nil {
		return Who{}, "", err
	}
	who := l.who(claims)
	if who.Scope == None {
		return who, "", errLogin{fmt.Sprintf("you are known as %.100s, and nothing in your %s allows anything here: ask who runs this depeer (web.auth.oidc)", who.Name, l.cfg.Claim)}
	}
	return l.sessions.begin(w, r, who, "", time.Time{}), b.next, nil
}

// redeem gets the identity for the code, and checks it: signature, issuer, audience, end,
// nonce.
func (l *login) redeem(ctx context.Context, code string, b begunLogin) (map[string]any, error) {
	provider, flow, err := l.ask()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, l.client), askProvider)
	defer cancel()
	token, err := flow.Exchange(ctx, code, oauth2.VerifierOption(b.verifier))
	if err != nil {
		var said *oauth2.RetrieveError
		if errors.As(err, &said) { // its body is nobody's business
			return nil, fmt.Errorf("the login provider does not take the code: %s %s", said.Response.Status, said.ErrorCode)
		}
		return nil, fmt.Errorf("the login provider does not answer: %w", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, errors.New("the login provider gave no identity")
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: l.cfg.ClientID, Now: l.now}).Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("the identity is not valid: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(b.nonce)) != 1 {
		return nil, errors.New("the identity is not valid: it is of another login (nonce)")
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return nil, fmt.Errorf("the identity is not valid: %w", err)
	}
	if _, ok := claims[l.cfg.Claim]; !ok && provider.UserInfoEndpoint() != "" {
		info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return nil, fmt.Errorf("the login provider does not say what %q is: %w", l.cfg.Claim, err)
		}
		more := map[string]any{}
		if err := info.Claims(&more); err != nil || info.Subject != id.Subject {
			return nil, errors.New("the login provider speaks of somebody else (sub)")
		}
		for k, v := range more {
			if _, ok := claims[k]; !ok {
				claims[k] = v
			}
		}
	}
	return claims, nil
}

// who reads the claims.
func (l *login) who(claims map[string]any) Who {
	who := Who{Via: "login"}
	who.ID, _ = claims["sub"].(string)
	// An address that nobody has verified is anybody's.
	verified, said := claims["email_verified"].(bool)
	trusted := func(claim string) bool { return claim != "email" || verified || !said }
	if name, _ := claims[l.cfg.Name].(string); name != "" && trusted(l.cfg.Name) {
		who.Name = name
	} else {
		who.Name = who.ID
	}
	var values []string
	switch v := claims[l.cfg.Claim].(type) {
	case string:
		values = []string{v}
	case []any:
		for _, x := range v {
			if s, ok := x.(string); ok {
				values = append(values, s)
			}
		}
	}
	if l.cfg.Claim == "email" && !verified {
		values = nil
	}
	who.Scope = l.cfg.scope(values)
	return who
}

// localPath is the page to go to after a login: one of ours, whatever was asked for.
func localPath(s string) string {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t") || len(s) > 1000 ||
		strings.HasPrefix(s, LoginPath) || strings.HasPrefix(s, LogoutPath) {
		return "/"
	}
	return s
}
