package access

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// SessionCookie is the name of the cookie of a session. The prefix makes browsers refuse
// it without Secure, with a Domain, or for a part of the paths (RFC 6265bis 4.1.3.2).
const SessionCookie = "__Host-depeer"

const maxSessions = 10_000

// sessions are the browsers that have logged in.
type sessions struct {
	life    time.Duration
	tokens  Finder // of those that came with a token; may be nil
	proxies []netip.Prefix
	now     func() time.Time
	kept    *remembered[session]
}

// session is who logged in, and with which token.
type session struct {
	who  Who
	hash string // of the token; "" of a login at the provider
}

func newSessions(set *Settings, tokens Finder, now func() time.Time) *sessions {
	return &sessions{life: cmp.Or(set.Auth.Session, defaultSession), tokens: tokens, proxies: set.Proxies, now: now, kept: newRemembered[session](maxSessions)}
}

// cookie is the name of the cookie that a request has its session in, and whether it needs TLS. A
// browser on this machine may come without: not every one takes Secure from it then. It keeps
// one jar for all ports, so that the name says which depeer it is.
func (s *sessions) cookie(r *http.Request) (name string, secure bool) {
	if r.TLS != nil || !Loopback(hostOf(r)) {
		return SessionCookie, true
	}
	if _, proxied := client(r, s.proxies); proxied {
		return SessionCookie, true
	}
	_, port, _ := net.SplitHostPort(r.Host)
	return "depeer-" + cmp.Or(port, "80"), false
}

func (s *sessions) read(r *http.Request) (string, bool) {
	name, _ := s.cookie(r)
	c, err := r.Cookie(name)
	if err != nil {
		return "", false
	}
	return c.Value, true
}

// begin leaves the cookie of a new session, which ends after the configured time, or at the
// moment given where that is earlier and not zero.
func (s *sessions) begin(w http.ResponseWriter, r *http.Request, who Who, hash string, last time.Time) Who {
	now := s.now()
	who.Until = now.Add(s.life).UTC().Truncate(time.Second)
	if !last.IsZero() && last.Before(who.Until) {
		who.Until = last
	}
	name, secure := s.cookie(r)
	setCookie(w, name, s.kept.put(session{who, hash}, who.Until), who.Until.Sub(now), secure)
	return who
}

// of gives whose session this browser has. A token that was revoked, or has ended, ends its
// sessions with their next request; where tokens cannot be read nobody has one.
func (s *sessions) of(r *http.Request) (Who, bool, error) {
	value, ok := s.read(r)
	if !ok {
		return Who{}, false, nil
	}
	x, ok := s.kept.get(value, s.now())
	if !ok || x.hash == "" {
		return x.who, ok, nil
	}
	token, ok, err := s.tokens.FindHash(x.hash, s.now())
	if !ok {
		if err == nil {
			s.kept.take(value, s.now())
		}
		return Who{}, false, err
	}
	x.who.Scope = token.Scope
	return x.who, true, err
}

// end ends the session of this browser.
func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	if value, ok := s.read(r); ok {
		s.kept.take(value, s.now())
	}
	name, secure := s.cookie(r)
	setCookie(w, name, "", -1, secure)
}

// setCookie sets a cookie that scripts cannot read; a negative life takes it away.
func setCookie(w http.ResponseWriter, name, value string, life time.Duration, secure bool) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: max(int(life/time.Second), 1)}
	if life < 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
