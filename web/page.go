package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// page is an answer that is made once, for all who ask at a moment.
type page struct {
	body []byte // JSON
	tag  string

	once   sync.Once
	packed []byte // guarded by once; with gzip; nil where that is no gain
}

func pageOfJSON(x any) (*page, error) {
	var out bytes.Buffer
	if err := writeJSON(&out, x); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(out.Bytes())
	return &page{body: out.Bytes(), tag: `W/"` + hex.EncodeToString(sum[:12]) + `"`}, nil
}

// pack gives it with gzip.
func (p *page) pack() []byte {
	p.once.Do(func() {
		if len(p.body) < 1024 {
			return
		}
		var out bytes.Buffer
		z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		if err != nil {
			panic(err) // of a level that is fixed
		}
		if _, err := z.Write(p.body); err == nil && z.Close() == nil { // into memory: it cannot fail
			p.packed = out.Bytes()
		}
	})
	return p.packed
}

// write answers with it.
func (p *page) write(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Add("Vary", "Accept-Encoding")
	if tagged(w, r, p.tag) {
		return
	}
	if acceptsGzip(r) {
		if packed := p.pack(); packed != nil {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed)
			return
		}
	}
	_, _ = w.Write(p.body)
}

// acceptsGzip reads Accept-Encoding (RFC 9110 12.5.3) as far as it concerns gzip.
func acceptsGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) == "gzip" {
			q = strings.ReplaceAll(q, " ", "")
			return !strings.HasPrefix(q, "q=0") || strings.Trim(strings.TrimPrefix(q, "q="), "0.") != ""
		}
	}
	return false
}
