package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Where a browser asks how one can log in, and shows a token.
const (
	WaysPath       = "/login/ways"
	TokenLoginPath = "/login/token"
)

// Who tries tokens at where one signs in may do so as often as people mistype: nobody guesses
// 256 bits, but the audit log holds every try.
const (
	signInRate  = 1 // a second, of one address
	signInBurst = 20
	maxSignIn   = 4 << 10 // octets of a request
)

// Ways are the ways to log in, for everybody to see: no more than that.
type Ways struct {
	OIDC   bool `json:"oidc"`   // at LoginPath
	Tokens bool `json:"tokens"` // with a token, at TokenLoginPath
}

// Ways gives them; where there is none, nobody is asked who they are.
func (g *Guard) Ways() Ways {
	return Ways{OIDC: g.login != nil, Tokens: g.set.Auth.Tokens && g.deps.Tokens != nil}
}

// enter serves what belongs to logging in and out.
func (g *Guard) enter(w http.ResponseWriter, r *http.Request, who Who) bool {
	ways := g.Ways()
	switch line := r.Method + " " + r.URL.Path; {
	case line == "GET "+WaysPath:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(ways) // the client went
	case ways == Ways{}:
		return false
	case line == "POST "+LogoutPath:
		g.sessions.end(w, r)
		g.logged(r, "logout", who, http.StatusNoContent)
		w.WriteHeader(http.StatusNoContent)
	case line == "POST "+TokenLoginPath && ways.Tokens:
		g.signIn(w, r)
	case line == "GET "+LoginPath && ways.OIDC:
		if err := g.login.begin(w, r); err != nil {
			g.deps.Logger.Error("login", "err", err)
			Problem(w, http.StatusBadGateway, err.Error())
		}
	case line == "GET "+CallbackPath && ways.OIDC:
		g.comeBack(w, r)
	default:
		return false
	}
	return true
}

func (g *Guard) logged(r *http.Request, what string, who Who, status int) {
	via := who.Via
	if via == "" {
		via = "login"
	}
	g.changed(r, Change{What: what, Who: who.Name, Scope: who.Scope, Via: via, Status: status})
}

// comeBack lets in who comes back from the provider.
func (g *Guard) comeBack(w http.ResponseWriter, r *http.Request) {
	who, next, err := g.login.finish(w, r)
	var person errLogin
	switch {
	case errors.As(err, &person):
		g.logged(r, "login", who, http.StatusForbidden)
		Problem(w, http.StatusForbidden, err.Error())
	case err != nil:
		g.deps.Logger.Error("login", "err", err)
		g.logged(r, "login", who, http.StatusBadGateway)
		Problem(w, http.StatusBadGateway, err.Error())
	default:
		g.logged(r, "login", who, http.StatusOK)
		// From the provider's page a redirect would come without the new cookie where SameSite is
		// strict; it is lax, and the browser follows.
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
}

// signIn makes a session for who shows a token: a browser cannot send Authorization with
// everything that it loads. Programs send the token with each request instead.
func (g *Guard) signIn(w http.ResponseWriter, r *http.Request) {
	if wait, ok := g.guesses.allow(clientKey(ClientOf(r.Context())), g.deps.Now(), 1); !ok {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		g.refuse(w, r, TooMany, http.StatusTooManyRequests, "too many logins from here: try again in a while (Retry-After)")
		return
	}
	secret, to, form, err := readSignIn(w, r)
	if err != nil {
		Problem(w, http.StatusBadRequest, err.Error())
		return
	}
	token, ok, err := g.deps.Tokens.Find(secret, g.deps.Now())
	if err != nil {
		g.deps.Logger.Error("tokens cannot be read: nobody gets in with one", "err", err)
		Problem(w, http.StatusServiceUnavailable, "the tokens cannot be read: the log of this depeer says why")
		return
	}
	if !ok {
		g.logged(r, "login", Who{Via: "token"}, http.StatusUnauthorized)
		g.refuse(w, r, Stranger, http.StatusUnauthorized, "the token is not known, or has ended: `depeer tokens list` shows those that hold, `depeer tokens create` makes one")
		return
	}
	// Whoever had a session in this browser gives it up.
	if value, ok := g.sessions.read(r); ok {
		g.sessions.kept.take(value, g.deps.Now())
	}
	who := g.sessions.begin(w, r, whoOf(&token), token.Hash, token.Expires)
	g.logged(r, "login", who, http.StatusOK)
	if form {
		http.Redirect(w, r, localPath(to), http.StatusSeeOther)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(who) // the client went
}

// readSignIn reads a form, which says where to go afterwards, or JSON. What stands in it is
// repeated in no error.
func readSignIn(w http.ResponseWriter, r *http.Request) (secret, to string, form bool, err error) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSignIn))
	if err != nil {
		return "", "", false, fmt.Errorf("the request cannot be read, or has more than %d octets", maxSignIn)
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		var in struct {
			Token string `json:"token"`
		}
		if json.Unmarshal(text, &in) != nil {
			return "", "", false, errors.New(`the request is no JSON of the shape {"token": "depeer_..."}`)
		}
		secret = in.Token
	case "application/x-www-form-urlencoded":
		v, err := url.ParseQuery(string(text))
		if err != nil {
			return "", "", false, errors.New("the form cannot be read")
		}
		secret, to, form = v.Get("token"), v.Get("to"), true
	default:
		return "", "", false, errors.New("want a form or JSON (Content-Type) with the field token")
	}
	if secret = strings.TrimSpace(secret); secret == "" {
		return "", "", false, errors.New("token: is missing")
	}
	return secret, to, form, nil
}
