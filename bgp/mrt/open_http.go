package mrt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// fetcher opens inputs; its fields are what a test changes.
type fetcher struct {
	client *http.Client
	idle   time.Duration // a body that gives nothing for so long is broken
	tries  int           // resumptions in a row that bring less than progress bytes
	pause  time.Duration // before the first of them; doubles
}

const progress = 1 << 20

var defaultFetcher = &fetcher{
	client: &http.Client{Transport: func() http.RoundTripper {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = 30 * time.Second
		t.DisableCompression = true // archives are compressed already, and offsets must be those of the file
		return t
	}()},
	idle:  60 * time.Second,
	tries: 5,
	pause: 500 * time.Millisecond,
}

// download is the body of one address, resumed with range requests (RFC 9110
// section 14) where the connection breaks. A server whose file changed
// meanwhile, or that cannot tell, gives an error, never a mixture.
type download struct {
	*fetcher
	ctx       context.Context
	cancel    context.CancelFunc
	url       string
	shown     string // url without its password
	body      io.ReadCloser
	alive     *time.Timer // cancels the request in flight
	abort     context.CancelFunc
	size      int64 // -1: unknown
	off       int64
	validator string // what If-Range takes: a strong ETag, or the modification time
	failed    int
	since     int64 // off at the last counted failure
}

func (f *fetcher) get(ctx context.Context, address string) (*download, error) {
	d := &download{fetcher: f, url: address, shown: redacted(address), size: -1}
	d.ctx, d.cancel = context.WithCancel(ctx)
	res, err := d.request()
	if err != nil {
		d.Close()
		return nil, err
	}
	d.body, d.size = res.Body, res.ContentLength
	d.validator = res.Header.Get("ETag")
	if d.validator == "" || strings.HasPrefix(d.validator, "W/") {
		d.validator = res.Header.Get("Last-Modified")
	}
	return d, nil
}

func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(an address that cannot be parsed)"
	}
	return u.Redacted()
}

// request asks for what follows d.off.
func (d *download) request() (*http.Response, error) {
	ctx, abort := context.WithCancel(d.ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		abort()
		return nil, err
	}
	want := http.StatusOK
	if d.off > 0 {
		want = http.StatusPartialContent
		req.Header.Set("Range", "bytes="+strconv.FormatInt(d.off, 10)+"-")
		req.Header.Set("If-Range", d.validator)
	}
	res, err := d.client.Do(req)
	if err != nil {
		abort()
		return nil, err // net/http names the address itself
	}
	if err := d.acceptable(res, want); err != nil {
		res.Body.Close()
		abort()
		return nil, err
	}
	d.abort = abort
	d.alive = time.AfterFunc(d.idle, abort)
	d.alive.Stop()
	return res, nil
}

// refusal is an answer that asking again would not change.
type refusal struct{ error }

func (d *download) acceptable(res *http.Response, want int) error {
	if res.StatusCode != want {
		err := fmt.Errorf("%s: the server answers %s", d.shown, res.Status)
		if want == http.StatusPartialContent && res.StatusCode == http.StatusOK {
			err = fmt.Errorf("%s: cannot resume at byte %d: the file changed, or the server knows no ranges", d.shown, d.off)
		}
		if res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests {
			return refusal{err}
		}
		return err
	}
	if want == http.StatusPartialContent && !strings.HasPrefix(res.Header.Get("Content-Range"), "bytes "+strconv.FormatInt(d.off, 10)+"-") {
		return refusal{fmt.Errorf("%s: asked for byte %d, got %q", d.shown, d.off, res.Header.Get("Content-Range"))}
	}
	return nil
}

func (d *download) Read(p []byte) (int, error) {
	for {
		d.alive.Reset(d.idle) // runs only while we wait: a slow reader of ours is no fault of the server
		n, err := d.body.Read(p)
		d.alive.Stop()
		d.off += int64(n)
		if n > 0 || err == nil {
			return n, nil // a fault comes again with the next call
		}
		if err == io.EOF && (d.size < 0 || d.off >= d.size) {
			return 0, io.EOF
		}
		if d.ctx.Err() != nil {
			return 0, d.ctx.Err()
		}
		if err := d.resume(unexpected(err)); err != nil {
			return 0, err
		}
	}
}

// resume opens the rest of the body after the connection broke for cause.
func (d *download) resume(cause error) error {
	if d.off-d.since >= progress {
		d.failed = 0
	}
	d.since = d.off
	if d.validator == "" {
		return fmt.Errorf("the connection broke, and the server gives nothing to resume by: %w", cause)
	}
	for ; d.failed < d.tries; d.failed++ {
		d.hangUp()
		if err := d.wait(d.pause << d.failed); err != nil {
			return err
		}
		res, err := d.request()
		if err == nil {
			d.body = res.Body
			d.failed++
			return nil
		}
		if _, final := errors.AsType[refusal](err); final {
			return err
		}
		cause = err
	}
	return fmt.Errorf("the connection broke, and %d tries to resume failed: %w", d.tries, cause)
}

func (d *download) wait(pause time.Duration) error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-d.ctx.Done():
		return d.ctx.Err()
	}
}

func (d *download) hangUp() {
	if d.body != nil {
		d.alive.Stop()
		d.abort()
		d.body.Close()
	}
}

// Close ends a read that waits, from any goroutine.
func (d *download) Close() error {
	d.cancel()
	return nil
}
