package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// HTTPConfig says which addresses a receiver may talk to, and for how long.
type HTTPConfig struct {
	Allow   []netip.Prefix `yaml:"allow"`   // addresses that are not the Internet's and may be reached nevertheless
	Timeout time.Duration  `yaml:"timeout"` // of one request, its answer included
}

// DefaultHTTPConfig allows the public Internet only, and ten seconds for a request.
func DefaultHTTPConfig() HTTPConfig { return HTTPConfig{Timeout: 10 * time.Second} }

// Validate reports every fault, each with its key and value.
func (c *HTTPConfig) Validate() error {
	var errs []error
	for i, p := range c.Allow {
		if !p.IsValid() {
			errs = append(errs, fmt.Errorf("allow[%d]: no prefix", i))
		} else if p != p.Masked() {
			errs = append(errs, fmt.Errorf("allow[%d]: %s has bits beyond its length (did you mean %s?)", i, p, p.Masked()))
		}
	}
	if c.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout: %s is not positive", c.Timeout))
	}
	return errors.Join(errs...)
}

// ErrRefused is what a request fails with whose target is an address that
// configuration does not allow.
var ErrRefused = errors.New("the address is not on the public Internet, and notify.allow does not name it")

// inside are the addresses that belong to machines near us, not to the Internet: a
// URL that a stranger gave, or a name that he controls, must not lead there. They are
// what the IANA special-purpose registries (RFC 6890) call not globally reachable,
// and the translations that lead back to IPv4. 168.63.129.16 is Azure's own
// service in every virtual network, on a public address.
var inside = func() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range strings.Fields(`
		0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12
		192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
		224.0.0.0/4 240.0.0.0/4
		::/96 ::ffff:0:0:0/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20
		5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8`) {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}()

// permits reports whether a may be reached.
func (c *HTTPConfig) permits(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range c.Allow {
		if p.Contains(a) {
			return true
		}
	}
	for _, p := range inside {
		if p.Contains(a) {
			return false
		}
	}
	if nat64.Contains(a) { // where there is no IPv4, it is reached through these
		b := a.As16()
		return c.permits(netip.AddrFrom4([4]byte(b[12:])))
	}
	return a.IsValid()
}

// nat64 holds all of IPv4 (RFC 6052 section 2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// Control refuses a connection to an address that is not allowed. It is for
// net.Dialer.Control, which is asked after the name was resolved, once for each
// address that is tried: a name that resolves differently the second time gains nothing.
func (c HTTPConfig) Control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("connect to %q: %w", address, ErrRefused)
	}
	if !c.permits(at.Addr()) {
		return fmt.Errorf("connect to %s: %w", at.Addr(), ErrRefused)
	}
	return nil
}

const (
	maxRedirects  = 3
	idleKeepAlive = 90 * time.Second
)

// HTTPClient makes the client of a receiver: it connects only to addresses that are
// allowed, redirects included, does not follow from https to http, uses no
// proxy (behind one nobody could know where a request ends), and gives up after Timeout.
func HTTPClient(c HTTPConfig) *http.Client {
	d := &net.Dialer{Timeout: c.Timeout, KeepAlive: 30 * time.Second, Control: c.Control}
	return &http.Client{
		Timeout: c.Timeout,
		Transport: &http.Transport{
			DialContext:           d.DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   4,
			IdleConnTimeout:       idleKeepAlive,
			TLSHandshakeTimeout:   c.Timeout,
			ResponseHeaderTimeout: c.Timeout,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
				return fmt.Errorf("redirected from https to %s", req.URL.Scheme)
			}
			return nil
		},
	}
}

// Do sends a request. Its error is an [Error] that names the host and never the rest
// of the URL, which for many services is a secret: Permanent where the address is
// refused, else Temporary. A status is no error here; see [CheckStatus].
func Do(client *http.Client, req *http.Request) (*http.Response, error) {
	resp, err := client.Do(req)
	if err == nil {
		return resp, nil
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the text around it has the whole URL
	}
	if errors.Is(err, ErrRefused) {
		return nil, Permanent("%s %s: %w", req.Method, req.URL.Host, err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("no answer in time")
	}
	return nil, Temporary(0, "%s %s: %w", req.Method, req.URL.Host, err)
}

// CheckStatus makes an [Error] of an answer that is no 2xx: Temporary for 408, 425,
// 429 and 5xx, with what Retry-After asks for (RFC 9110 section 10.2.3), else
// Permanent. The text has the host, the status and detail, which must hold no secret.
func CheckStatus(resp *http.Response, now time.Time, detail string) error {
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	host := ""
	if resp.Request != nil {
		host = resp.Request.URL.Host + ": "
	}
	if detail != "" {
		detail = ": " + detail
	}
	switch code := resp.StatusCode; {
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		return Temporary(RetryAfter(resp.Header, now), "%s%s%s", host, resp.Status, detail)
	}
	return Permanent("%s%s%s", host, resp.Status, detail)
}

// maxRetryAfter bounds what a server may ask for: a broken one must not mute a receiver for ever.
const maxRetryAfter = time.Hour

// RetryAfter reads the header of that name: seconds or a date; 0 where there is none.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	s := strings.TrimSpace(h.Get("Retry-After"))
	if s == "" {
		return 0
	}
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, min(at.Sub(now), maxRetryAfter))
	}
	return 0
}
