package access

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Who is somebody that has been let in.
type Who struct {
	Name  string `json:"name"`
	Scope Scope  `json:"scope"`
	Via   string `json:"via"` // "token", "login"; "local" where nobody is asked
	ID    string `json:"id,omitempty"`

	Until time.Time `json:"until,omitzero"` // the token or the session ends; of a browser the earlier of both
}

type contextKey int

const (
	whoKey contextKey = iota
	clientKeyed
	againKey
)

// From gives who is asking; false outside a request that was let in.
func From(ctx context.Context) (Who, bool) {
	w, ok := ctx.Value(whoKey).(Who)
	return w, ok
}

// Still reports whether who was let in with the request may still come in: a token can be revoked
// and a session can end while a long answer goes on.
func Still(ctx context.Context) bool {
	again, ok := ctx.Value(againKey).(func() bool)
	return !ok || again()
}

// ClientOf gives the address that a request came from.
func ClientOf(ctx context.Context) netip.Addr {
	a, _ := ctx.Value(clientKeyed).(netip.Addr)
	return a
}

// client finds the address of who asks: of the connection, or, where that is one of the proxies, what
// the last proxy that is not ours saw (X-Forwarded-For is read from its end: what stands
// before may be made up). The second value says whether the connection is of a proxy.
func client(r *http.Request, proxies []netip.Prefix) (netip.Addr, bool) {
	remote := remoteAddr(r.RemoteAddr)
	trusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	if !trusted(remote) {
		return remote, false
	}
	at := remote
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		a, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		at = a.Unmap().WithZone("")
		if !trusted(at) {
			break
		}
	}
	return at, true
}

func remoteAddr(s string) netip.Addr {
	host, _, err := net.SplitHostPort(s)
	if err != nil {
		return netip.Addr{}
	}
	a, _ := netip.ParseAddr(host)
	return a.Unmap().WithZone("")
}

// hostOf is the host that a request asks for, without the port, in small letters.
func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}
