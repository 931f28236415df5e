package feed

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
)

// Keys gives requests the keys of the feeds, each to its own server alone: a redirect to another one does not take
// the key along. base nil is net/http's transport, one connection a host.
func Keys(base http.RoundTripper, feeds []Config) http.RoundTripper {
	if base == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxConnsPerHost = 1
		base = t
	}
	k := &keys{base: base}
	for _, c := range feeds {
		u, err := url.Parse(c.URL)
		if err != nil || u.Host == "" || c.Key == "" && c.User == "" || u.Scheme != "https" && !loopback(u.Hostname()) {
			continue
		}
		k.list = append(k.list, keyed{scheme: u.Scheme, host: u.Host, path: u.Path, cfg: c})
	}
	return k
}

type keys struct {
	base http.RoundTripper
	list []keyed
}

type keyed struct {
	scheme, host, path string
	cfg                Config
}

// RoundTrip adds the key of the feed whose address the request's is, or else begins with: the events of a MISP feed lie
// beside its manifest.
func (k *keys) RoundTrip(req *http.Request) (*http.Response, error) {
	var best *keyed
	for i := range k.list {
		x := &k.list[i]
		if x.scheme != req.URL.Scheme || x.host != req.URL.Host {
			continue
		}
		if x.path == req.URL.Path {
			best = x
			break
		}
		if best == nil || common(x.path, req.URL.Path) > common(best.path, req.URL.Path) {
			best = x
		}
	}
	if best == nil {
		return k.base.RoundTrip(req)
	}
	req = req.Clone(req.Context())
	switch header := Formats[best.cfg.Format].Header; {
	case best.cfg.User != "":
		req.SetBasicAuth(best.cfg.User, string(best.cfg.Password))
	case header == "" || best.cfg.Format == "taxii":
		req.Header.Set("Authorization", "Bearer "+string(best.cfg.Key))
	default:
		req.Header.Set(header, string(best.cfg.Key))
	}
	return k.base.RoundTrip(req)
}

// CloseIdleConnections lets an http.Client end what it left open.
func (k *keys) CloseIdleConnections() {
	if c, ok := k.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// noRedirect: an API that sends its clients elsewhere is not the one that was configured.
func noRedirect(*http.Request, []*http.Request) error {
	return errors.New("it was redirected, which no collection does")
}
