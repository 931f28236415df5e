// Package post carries one request of a receiver to its service and judges the answer:
// delivered, to be tried again (and not before when), or not to be tried again.
//
// A call is one HTTP request. Nothing is retried here, no redirect is followed (a secret
// in a header or path goes to the host of the configuration and to no other), and at most
// 1 MB of the answer is read. Every error is a *notify.Error; it names the act and the
// answer, and shows neither the URL nor any of the [Secrets], also where the answer
// repeats them.
//
// depeer speaks to each service itself, rather than through a multiplexer such as
// shoutrrr: those take a text and give back an error, and with that alone a message can
// be neither edited, nor closed, nor recognised when it is sent again.
package post

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"depeer/notify"
	"depeer/notify/plain"
)

// Courier carries the requests of one receiver. It may be used by many goroutines.
type Courier struct {
	http    *http.Client
	secrets *Secrets
	now     func() time.Time
}

// NewCourier gives a courier over client, or over http.DefaultClient where that is nil.
func NewCourier(client *http.Client, secrets *Secrets) *Courier {
	if client == nil {
		client = http.DefaultClient
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Courier{http: &own, secrets: secrets, now: time.Now}
}

// Call is one request.
type Call struct {
	Act    string // what it does, for the error: "publish to ntfy"
	Method string // POST where empty
	URL    string
	Header http.Header
	Type   string // Content-Type
	Body   []byte
	Answer any // filled from the JSON of the answer; nil: the status says all
}

// Refused is an answer that is no success.
type Refused struct {
	Act    string
	Status int
	body   []byte // the beginning of it, secrets taken out
}

// Body is the beginning of the answer, secrets taken out, for those who look for a
// service's own word in it.
func (r *Refused) Body() []byte { return r.body }

func (r *Refused) Error() string {
	text := plain.Cut(plain.Line(string(r.body)), 200)
	if text == "" {
		text = http.StatusText(r.Status)
	}
	return fmt.Sprintf("%s: answered %d: %s", r.Act, r.Status, text)
}

const (
	maxAnswer = 1 << 20
	maxShown  = 4096
	maxAfter  = time.Hour // a service that wants more than this is asked again anyway
)

// Do performs the call. The error is a *notify.Error, around a *Refused where there was
// an answer.
func (c *Courier) Do(ctx context.Context, call Call) error {
	if call.Method == "" {
		call.Method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, call.URL, bytes.NewReader(call.Body))
	if err != nil {
		return notify.Permanent("%s: the URL cannot be used", call.Act)
	}
	for name, values := range call.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if call.Type != "" {
		req.Header.Set("Content-Type", call.Type)
	}
	req.Header.Set("User-Agent", "depeer")
	res, err := c.http.Do(req)
	if err != nil {
		return c.Unsent(call.Act, err)
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return c.refused(call.Act, req, res)
	}
	if call.Answer == nil {
		// Reading it to its end lets the connection be used again; what it says, and
		// whether it ends well, changes nothing: it was accepted.
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return c.Unsent(call.Act+": read the answer", err)
	}
	if err := json.Unmarshal(body, call.Answer); err != nil {
		return notify.Temporary(0, "%s: answered %d with what is not the JSON it should be: %s", call.Act, res.StatusCode, c.excerpt(req, body))
	}
	return nil
}

func (c *Courier) excerpt(req *http.Request, body []byte) string {
	return plain.Cut(plain.Line(c.hide(req).Hide(string(body[:min(len(body), maxShown)]))), 200)
}

// hide are the secrets, and what the request's own address may hold of others.
func (c *Courier) hide(req *http.Request) *Secrets { return c.secrets.URL(req.URL.String()) }

func (c *Courier) refused(act string, req *http.Request, res *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxShown))
	r := &Refused{Act: act, Status: res.StatusCode, body: []byte(c.hide(req).Hide(string(body)))}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		r.body = []byte("a redirect, which is not followed")
	}
	return &notify.Error{Retry: Again(res.StatusCode), After: After(res.Header, c.now()), Err: r}
}

// Unsent judges an error of the way there or back: it may be better later, except where
// the client itself refused to go.
func (c *Courier) Unsent(act string, err error) error {
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err // without the URL, which may hold a token
	}
	var judged *notify.Error
	retry, after := !errors.Is(err, notify.ErrRefused), time.Duration(0)
	if errors.As(err, &judged) {
		retry, after = judged.Retry, judged.After
	}
	return &notify.Error{Retry: retry, After: after, Err: &hidden{act + ": " + c.secrets.Hide(err.Error()), err}}
}

// hidden says text, and is err to those who ask what it is. It does not unwrap to err,
// whose text may show more.
type hidden struct {
	text string
	err  error
}

func (h *hidden) Error() string        { return h.text }
func (h *hidden) Is(target error) bool { return errors.Is(h.err, target) }
func (h *hidden) GoString() string     { return h.text }
func (h *hidden) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, h.text)
}

// Again reports whether a request that was answered with status may succeed later as it is.
func Again(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// After reads Retry-After (RFC 9110 section 10.2.3): seconds, or a date, which is taken
// against the answer's own Date where it has one, for clocks differ. At most an hour.
func After(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	var after time.Duration
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		if !(n > 0) {
			return 0
		}
		after = time.Duration(min(n, maxAfter.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(text); err == nil {
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		after = at.Sub(now)
	}
	return min(max(after, 0), maxAfter)
}

// Secrets are the texts that no error shows.
type Secrets struct {
	texts []string // longest first, so that one which holds another goes whole
}

// NewSecrets takes the secrets of one receiver. Their usual disguises (in a URL, in JSON,
// in base64) are hidden too. What is shorter than 4 bytes hides nothing.
func NewSecrets(secrets ...string) *Secrets {
	s := &Secrets{}
	for _, text := range secrets {
		if len(text) < 4 {
			continue
		}
		quoted, _ := json.Marshal(text)
		s.texts = append(s.texts, text, url.QueryEscape(text), url.PathEscape(text), string(quoted[1:len(quoted)-1]),
			strconv.Quote(text)[1:len(strconv.Quote(text))-1],
			base64.StdEncoding.EncodeToString([]byte(text)), base64.URLEncoding.EncodeToString([]byte(text)))
	}
	slices.SortFunc(s.texts, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	s.texts = slices.Compact(s.texts)
	return s
}

// URL adds what is secret in an address that is a secret by itself (an incoming webhook):
// the whole, its user, each long part of its path, and its query.
func (s *Secrets) URL(addresses ...string) *Secrets {
	var all []string
	if s != nil {
		all = slices.Clone(s.texts)
	}
	for _, address := range addresses {
		all = append(all, address)
		u, err := url.Parse(address)
		if err != nil {
			continue
		}
		if u.User != nil {
			password, _ := u.User.Password()
			all = append(all, u.User.String(), u.User.Username(), password)
		}
		if len(u.Path) > 1 {
			all = append(all, u.RequestURI(), u.Path)
		}
		for part := range strings.SplitSeq(u.Path, "/") {
			if len(part) >= 8 {
				all = append(all, part)
			}
		}
		for _, values := range u.Query() {
			all = append(all, values...)
		}
	}
	return NewSecrets(all...)
}

// Hide replaces each secret in text.
func (s *Secrets) Hide(text string) string {
	if s == nil {
		return text
	}
	for _, secret := range s.texts {
		text = strings.ReplaceAll(text, secret, "<secret>")
	}
	return text
}

// String shows none of them.
func (s *Secrets) String() string { return "<secrets>" }

// GoString shows none of them.
func (s *Secrets) GoString() string { return "<secrets>" }

// Format shows none of them.
func (s *Secrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "<secrets>") }

// Fetch performs a request that somebody else made (a client library) and judges it like
// [Courier.Do]: an answer that is no success is an error. The caller closes the body.
func (c *Courier) Fetch(act string, req *http.Request) (*http.Response, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.Unsent(act, err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		defer res.Body.Close()
		return nil, c.refused(act, req, res)
	}
	res.Body = http.MaxBytesReader(nil, res.Body, maxAnswer)
	return res, nil
}
