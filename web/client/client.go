package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"depeer/web/access"
)

// Config says whom to ask, and as whom.
type Config struct {
	Server string        // https://depeer.example.net, http://127.0.0.1:8080, or host:port on this machine
	Token  access.Secret // of `depeer tokens create`; "" where nobody is asked
	CA     string        // file with who signs the server's certificate, in PEM; the system's list where empty
}

// Client asks one depeer.
type Client struct {
	base  url.URL
	token access.Secret
	http  *http.Client
}

const maxAnswer = 64 << 20

// New makes a client; it asks nothing yet. A token is sent over TLS, or to this machine, only.
func New(cfg Config) (*Client, error) {
	server := cfg.Server
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("server: %q is no address (want https://depeer.example.net)", cfg.Server)
	}
	if cfg.Token != "" && u.Scheme == "http" && !access.Loopback(u.Hostname()) {
		return nil, fmt.Errorf("server: %q would be told the token in the clear: want https", cfg.Server)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if cfg.CA != "" {
		pem, err := os.ReadFile(cfg.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca: %s holds no certificate in PEM", cfg.CA)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	if access.Loopback(u.Hostname()) {
		transport.Proxy = nil
	}
	return &Client{base: *u, token: cfg.Token, http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// Server is the address that is asked.
func (c *Client) Server() string { return c.base.String() }

// Close lets idle connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Problem is what the server says when it cannot answer (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return fmt.Sprintf("%d %s", p.Status, p.Title)
}

// ErrNobody says that nothing listens there.
var ErrNobody = errors.New("nobody answers")

// Get asks for a path of the API (/api/v1/status) and reads the JSON of the answer.
func (c *Client) Get(ctx context.Context, path string, query url.Values, into any) error {
	return c.do(ctx, http.MethodGet, path, query, nil, into)
}

func (c *Client) do(ctx context.Context, method, path string, query url.Values, body, into any) error {
	resp, err := c.send(ctx, method, path, query, body, "application/json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	limited := &io.LimitedReader{R: resp.Body, N: maxAnswer + 1}
	if err := json.NewDecoder(limited).Decode(into); err != nil {
		if limited.N <= 0 {
			err = fmt.Errorf("more than %d bytes", maxAnswer)
		}
		return fmt.Errorf("ask %s: %w", c.base.Host, err)
	}
	return nil
}

// send gives an answer of status 2xx, or an error.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any, accept string) (*http.Response, error) {
	u := c.base
	raw := u.EscapedPath() + path
	var err error
	if u.Path, err = url.PathUnescape(raw); err != nil {
		return nil, err
	}
	u.RawPath, u.RawQuery = raw, query.Encode()
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), reader)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", accept)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+string(c.token))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.fault(err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, c.problem(resp)
}

func (c *Client) fault(err error) error {
	var refused *net.OpError
	if errors.As(err, &refused) && errors.Is(refused.Err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s: %w", c.base.Host, ErrNobody)
	}
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err // the address is said once
	}
	return fmt.Errorf("ask %s: %w", c.base.Host, err)
}

func (c *Client) problem(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	p := &Problem{}
	if kind == "application/problem+json" && json.Unmarshal(body, p) == nil && p.Detail != "" {
		p.Status = resp.StatusCode
		return p
	}
	if resp.StatusCode/100 == 3 {
		return fmt.Errorf("ask %s: it sends us to %q; ask there, if that is right", c.base.Host, resp.Header.Get("Location"))
	}
	return fmt.Errorf("ask %s: %w", c.base.Host, &Problem{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode)})
}

// Filter says which records are wanted: those that satisfy everything that is set.
type Filter struct {
	From, To time.Time
	Believed time.Time
	Hosters  []string
	Words    []string // kinds of events, classes of incidents, families of sightings and migrations
	Phases   []string // of incidents
	Upstream uint32
	ASN      uint32
	Prefix   string
	Incident string
	Severity string // at least
	Oldest   bool   // first; otherwise the newest
	Limit    int
	Cursor   string
}

// values are the filter as a query; word is what Words are called there.
func (f *Filter) values(word string) url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("from", stamp(f.From))
	set("to", stamp(f.To))
	set("believed", stamp(f.Believed))
	set("hoster", strings.Join(f.Hosters, ","))
	set(word, strings.Join(f.Words, ","))
	set("phase", strings.Join(f.Phases, ","))
	set("prefix", f.Prefix)
	set("incident", f.Incident)
	set("severity", f.Severity)
	set("cursor", f.Cursor)
	for name, n := range map[string]int{"upstream": int(f.Upstream), "asn": int(f.ASN), "limit": f.Limit} {
		if n != 0 {
			v.Set(name, fmt.Sprint(n))
		}
	}
	if f.Oldest {
		v.Set("order", "oldest")
	}
	return v
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
