package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

// maxTagged is how much of an answer is held back to see whether the client has it already.
const maxTagged = 4 << 20

// answers gives answers a weak ETag (RFC 9110 8.8.3), says 304 to who has them already,
// and packs them. The stream goes by: it must not wait for anything.
func answers(next http.Handler) http.Handler {
	pack, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.CompressionLevel(5), gzhttp.ExceptContentTypes([]string{"text/event-stream", "image/png"}))
	if err != nil {
		panic(err) // of options that are fixed
	}
	packed := pack(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		t := &tagger{w: w, r: r}
		next.ServeHTTP(t, r)
		t.finish()
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == base+"/stream" {
			next.ServeHTTP(w, r)
			return
		}
		packed.ServeHTTP(w, r)
	})
}

// tagger holds an answer back until it is whole, or too large.
type tagger struct {
	w      http.ResponseWriter
	r      *http.Request
	status int
	held   bytes.Buffer
	passed bool // nothing is held back any more
}

func (t *tagger) Header() http.Header { return t.w.Header() }

func (t *tagger) WriteHeader(status int) {
	if t.status != 0 {
		return
	}
	t.status = status
	// What is not whole, or has its tag already, is not looked at.
	if status != http.StatusOK || t.Header().Get("ETag") != "" {
		t.pass()
	}
}

func (t *tagger) Write(p []byte) (int, error) {
	if t.status == 0 {
		t.WriteHeader(http.StatusOK)
	}
	if !t.passed && t.held.Len()+len(p) > maxTagged {
		t.pass()
	}
	if t.passed {
		return t.w.Write(p)
	}
	return t.held.Write(p)
}

// Flush is asked for by what gives a little at a time.
func (t *tagger) Flush() {
	if t.status == 0 {
		t.WriteHeader(http.StatusOK)
	}
	t.pass()
	_ = http.NewResponseController(t.w).Flush()
}

// Unwrap is for http.ResponseController.
func (t *tagger) Unwrap() http.ResponseWriter { return t.w }

func (t *tagger) pass() {
	if t.passed {
		return
	}
	t.passed = true
	t.w.WriteHeader(t.status)
	if t.held.Len() > 0 {
		_, _ = t.w.Write(t.held.Bytes())
		t.held = bytes.Buffer{}
	}
}

func (t *tagger) finish() {
	if t.passed || t.status == 0 {
		return
	}
	sum := sha256.Sum256(t.held.Bytes())
	tag := `W/"` + hex.EncodeToString(sum[:12]) + `"`
	if tagged(t.w, t.r, tag) {
		t.passed = true
		return
	}
	t.pass()
}

// tagged sets the tag, and answers 304 where the client has that already.
func tagged(w http.ResponseWriter, r *http.Request, tag string) bool {
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache") // may be kept, and is to be asked about
	for _, have := range strings.Split(r.Header.Get("If-None-Match"), ",") {
		have = strings.TrimSpace(have)
		if have == "*" || strings.TrimPrefix(have, "W/") == strings.TrimPrefix(tag, "W/") {
			h.Del("Content-Type")
			h.Del("Content-Length")
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}
