package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// transfer is one Get.
type transfer struct {
	f     *Fetcher
	req   Request
	url   *url.URL
	shown string
	key   key
}

// progress is how much a broken transfer must have brought not to count as a failure.
const progress = 64 << 10

func (t *transfer) fault(status int, err error) *Error {
	// net/http names the address, password masked and query not: we name it ourselves.
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	return &Error{URL: t.shown, Status: status, Err: err}
}

// run asks until there is a file, an answer that is final, or enough.
func (t *transfer) run(ctx context.Context, h *host) (*File, error) {
	f := t.f
	defer f.use(t.key.hash + ".part")()
	if d := time.Until(h.after); d > 0 {
		if d > f.cfg.MaxPause {
			f.n.failed.Add(1)
			e := t.fault(0, fmt.Errorf("the server asked to be left alone until %s", h.after.UTC().Format(time.RFC3339)))
			e.Retry = h.after
			return nil, e
		}
		if err := sleep(ctx, d); err != nil {
			return nil, t.fault(0, err)
		}
	}
	for failed := 0; ; {
		before := t.partSize()
		file, err := t.once(ctx)
		if err == nil {
			return file, nil
		}
		e, ok := errors.AsType[*Error](err)
		if !ok {
			e = t.fault(0, err)
		}
		if ctx.Err() != nil {
			return nil, t.fault(0, ctx.Err())
		}
		if _, over := errors.AsType[final](e.Err); over {
			f.n.failed.Add(1)
			return nil, e
		}
		if t.partSize()-before >= progress {
			failed = 0
		}
		if failed++; failed >= f.cfg.Tries {
			f.n.failed.Add(1)
			e.Err = fmt.Errorf("%w (tried %d times)", e.Err, failed)
			return nil, e
		}
		if err := t.pause(ctx, h, failed-1, e); err != nil {
			f.n.failed.Add(1)
			if err == ctx.Err() {
				return nil, t.fault(0, err)
			}
			return nil, err
		}
	}
}

// once sends one request and takes in the answer.
func (t *transfer) once(ctx context.Context) (*File, error) {
	f := t.f
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url.String(), nil)
	if err != nil {
		return nil, t.fault(0, final{err})
	}
	req.Header.Set("User-Agent", f.cfg.UserAgent)
	req.Header.Set("Accept-Encoding", "identity")
	have := f.load(t.key)
	part := f.loadPart(t.key)
	switch {
	case part != nil:
		req.Header.Set("Range", "bytes="+strconv.FormatInt(part.size, 10)+"-")
		req.Header.Set("If-Range", part.meta.validator())
	case have != nil:
		if have.meta.ETag != "" {
			req.Header.Set("If-None-Match", have.meta.ETag)
		}
		if have.meta.LastModified != "" {
			req.Header.Set("If-Modified-Since", have.meta.LastModified)
		}
	}
	f.n.requests.Add(1)
	res, err := f.client.Do(req)
	if err != nil {
		return nil, t.fault(0, err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && have != nil && part == nil:
		f.n.notModified.Add(1)
		have.meta.Checked, have.meta.Keep = time.Now(), have.meta.Keep || t.req.Keep
		if err := f.saveMeta(t.key, have.meta); err != nil {
			return nil, t.fault(0, final{err})
		}
		return f.hold(t.key, have, true), nil
	case res.StatusCode == http.StatusOK:
		return t.take(res, 0, metaOf(res), cancel)
	case res.StatusCode == http.StatusPartialContent && part != nil:
		want := "bytes " + strconv.FormatInt(part.size, 10) + "-"
		if got := res.Header.Get("Content-Range"); !strings.HasPrefix(got, want) {
			f.dropPart(t.key)
			return nil, t.fault(res.StatusCode, fmt.Errorf("asked for byte %d, got %q", part.size, got))
		}
		f.n.resumed.Add(1)
		return t.take(res, part.size, part.meta, cancel)
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && part != nil:
		f.dropPart(t.key) // the file is another one, or was whole already
		return nil, t.fault(res.StatusCode, errors.New("the server has no such range"))
	}
	return nil, t.refusal(res)
}

// refusal is the error of an answer that brings nothing.
func (t *transfer) refusal(res *http.Response) error {
	err := fmt.Errorf("the server answers %s", res.Status)
	switch {
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusRequestTimeout, res.StatusCode >= 500:
	default:
		err = final{err}
	}
	e := t.fault(res.StatusCode, err)
	e.Retry = retryAfter(res.Header.Get("Retry-After"), time.Now())
	return e
}

// longestRetry bounds what a server may ask for.
const longestRetry = 24 * time.Hour

// retryAfter reads the header (RFC 9110 section 10.2.3): seconds, or a date.
func retryAfter(v string, now time.Time) time.Time {
	if n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 32); err == nil {
		return now.Add(min(time.Duration(n)*time.Second, longestRetry))
	}
	at, err := http.ParseTime(v)
	if err != nil || at.Before(now) {
		return time.Time{}
	}
	if at.After(now.Add(longestRetry)) {
		return now.Add(longestRetry)
	}
	return at
}

// take reads the body into the part from byte off on, and puts it in place when it
// is whole and accepted.
func (t *transfer) take(res *http.Response, off int64, m meta, cancel context.CancelCauseFunc) (*File, error) {
	f := t.f
	total := int64(-1)
	if res.ContentLength >= 0 {
		total = off + res.ContentLength
	}
	if total > f.cfg.MaxFile {
		return nil, t.fault(res.StatusCode, final{fmt.Errorf("is of %d bytes, more than max_file (%d)", total, f.cfg.MaxFile)})
	}
	w, err := f.openPart(t.key, off, m)
	if err != nil {
		return nil, t.fault(0, final{err})
	}
	defer w.Close()
	idle := time.AfterFunc(f.cfg.Idle, func() { cancel(fmt.Errorf("the connection gave nothing for %s", f.cfg.Idle)) })
	defer idle.Stop()
	n, readErr, writeErr := t.copy(w, res.Body, f.cfg.MaxFile-off, idle)
	f.n.bytes.Add(uint64(n))
	switch {
	case writeErr != nil:
		f.dropPart(t.key)
		return nil, t.fault(0, final{writeErr})
	case readErr == nil && total >= 0 && off+n != total:
		readErr = io.ErrUnexpectedEOF
	}
	if readErr != nil {
		if cause := context.Cause(res.Request.Context()); cause != nil {
			readErr = cause
		}
		return nil, t.fault(res.StatusCode, fmt.Errorf("the transfer broke off at byte %d: %w", off+n, readErr))
	}
	if err := w.Sync(); err != nil {
		f.dropPart(t.key)
		return nil, t.fault(0, final{err})
	}
	return t.store(m, off+n, res.StatusCode)
}

// copy copies at most limit bytes.
func (t *transfer) copy(w io.Writer, r io.Reader, limit int64, idle *time.Timer) (n int64, readErr, writeErr error) {
	b := make([]byte, 128<<10)
	for {
		k, err := r.Read(b)
		idle.Reset(t.f.cfg.Idle)
		if n += int64(k); n > limit {
			return n, nil, fmt.Errorf("is larger than max_file (%d bytes)", t.f.cfg.MaxFile)
		}
		if _, err := w.Write(b[:k]); err != nil {
			return n, nil, err
		}
		switch {
		case err == io.EOF:
			return n, nil, nil
		case err != nil:
			return n, err, nil
		}
	}
}

// store puts the part in the file's place.
func (t *transfer) store(m meta, size int64, status int) (*File, error) {
	f := t.f
	part := f.path(t.key.hash + ".part")
	if t.req.Accept != nil {
		if err := t.req.Accept(part); err != nil {
			f.n.refused.Add(1)
			f.dropPart(t.key)
			return nil, t.fault(status, final{err})
		}
	}
	if err := f.place(t.key); err != nil {
		return nil, t.fault(0, final{err})
	}
	now := time.Now()
	m.Fetched, m.Checked, m.Keep = now, now, t.req.Keep
	if err := f.saveMeta(t.key, m); err != nil {
		return nil, t.fault(0, final{err})
	}
	f.n.fetched.Add(1)
	c := f.load(t.key)
	if c == nil {
		return nil, t.fault(0, final{errors.New("the file has left the cache")})
	}
	file := f.hold(t.key, c, false)
	f.evict()
	return file, nil
}

// local gives a file of this machine: as it is, or copied where it is to be judged.
func (t *transfer) local(ctx context.Context) (*File, error) {
	f := t.f
	path := filepath.FromSlash(t.url.Path)
	st, err := os.Stat(path)
	if err != nil {
		return nil, t.fault(0, err)
	}
	if !st.Mode().IsRegular() {
		return nil, t.fault(0, errors.New("is no file"))
	}
	if t.req.Accept == nil {
		return &File{Path: path, Size: st.Size(), Modified: st.ModTime(), Fetched: time.Now()}, nil
	}
	if st.Size() > f.cfg.MaxFile {
		return nil, t.fault(0, fmt.Errorf("is of %d bytes, more than max_file (%d)", st.Size(), f.cfg.MaxFile))
	}
	h := f.host("file://")
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, t.fault(0, ctx.Err())
	}
	defer func() { <-h.turn }()
	defer f.use(t.key.hash + ".part")()
	m := meta{LastModified: st.ModTime().UTC().Format(time.RFC3339Nano), Length: st.Size()}
	if c := f.load(t.key); c != nil && c.meta.LastModified == m.LastModified && c.meta.Length == m.Length {
		f.n.notModified.Add(1)
		return f.hold(t.key, c, true), nil
	}
	if err := os.MkdirAll(f.cfg.Dir, 0o777); err != nil {
		return nil, t.fault(0, err)
	}
	src, err := os.Open(path)
	if err != nil {
		return nil, t.fault(0, err)
	}
	defer src.Close()
	w, err := f.openPart(t.key, 0, m)
	if err != nil {
		return nil, t.fault(0, err)
	}
	defer w.Close()
	n, err := io.Copy(w, io.LimitReader(src, f.cfg.MaxFile))
	if err == nil {
		err = w.Sync()
	}
	if err != nil {
		f.dropPart(t.key)
		return nil, t.fault(0, err)
	}
	return t.store(m, n, 0)
}
