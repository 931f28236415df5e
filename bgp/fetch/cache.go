package fetch

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// key names an address in the cache: HASH-NAME is the file, HASH.meta what is
// known of it, HASH.part and HASH.partmeta a transfer that is not whole.
type key struct {
	hash string
	name string
}

func keyOf(u *url.URL) key {
	sum := sha256.Sum256([]byte(u.String()))
	h := hex.EncodeToString(sum[:10])
	base := []byte(path.Base(u.Path))
	for i, c := range base {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.' || c == '_' || c == '-') {
			base[i] = '_'
		}
	}
	if len(base) > 80 {
		base = base[len(base)-80:]
	}
	return key{hash: h, name: h + "-" + string(base)}
}

// meta is what is known of a file beside its content. The address is not: it may
// hold a key.
type meta struct {
	ETag         string    `json:"etag,omitempty"`
	LastModified string    `json:"last_modified,omitempty"`
	Date         string    `json:"date,omitempty"`   // of the answer
	Length       int64     `json:"length,omitempty"` // whole, as the server said
	ContentType  string    `json:"content_type,omitempty"`
	Fetched      time.Time `json:"fetched"`
	Checked      time.Time `json:"checked"` // when the server last said that it is current
	Keep         bool      `json:"keep,omitempty"`
	// The file that this was written for: a process that was killed between the
	// file and its meta must not match one's ETag with the other's content.
	Size  int64 `json:"size"`
	MTime int64 `json:"mtime"` // Unix nanoseconds
}

func metaOf(res *http.Response) meta {
	h := res.Header
	return meta{ETag: h.Get("ETag"), LastModified: h.Get("Last-Modified"), Date: h.Get("Date"), ContentType: h.Get("Content-Type"), Length: res.ContentLength}
}

// validator is what If-Range takes (RFC 9110 section 13.1.5): a strong ETag, or a
// Last-Modified that is at least a second older than the answer (section 8.8.2.2).
// It is empty where there is none: such a transfer begins anew.
func (m *meta) validator() string {
	if m.ETag != "" && !strings.HasPrefix(m.ETag, "W/") {
		return m.ETag
	}
	if m.ETag != "" || m.LastModified == "" {
		return ""
	}
	changed, err1 := http.ParseTime(m.LastModified)
	answered, err2 := http.ParseTime(m.Date)
	if err1 != nil || err2 != nil || answered.Sub(changed) < time.Second {
		return ""
	}
	return m.LastModified
}

func (f *Fetcher) path(name string) string { return filepath.Join(f.cfg.Dir, name) }

// cached is a whole file in the cache.
type cached struct {
	path string
	size int64
	meta meta
}

// load finds a file in the cache, nil where there is none. It is whole: only whole
// files get their name.
func (f *Fetcher) load(k key) *cached {
	st, err := os.Stat(f.path(k.name))
	if err != nil || !st.Mode().IsRegular() {
		return nil
	}
	c := &cached{path: f.path(k.name), size: st.Size()}
	b, err := os.ReadFile(f.path(k.hash + ".meta"))
	if err != nil || json.Unmarshal(b, &c.meta) != nil || c.meta.Size != st.Size() || c.meta.MTime != st.ModTime().UnixNano() {
		c.meta = meta{Fetched: st.ModTime(), Keep: c.meta.Keep}
	}
	return c
}

// hold gives out a file that is not evicted until it is closed.
func (f *Fetcher) hold(k key, c *cached, same bool) *File {
	modified, _ := http.ParseTime(c.meta.LastModified)
	return &File{Path: c.path, Size: c.size, NotModified: same, Modified: modified, Fetched: c.meta.Fetched,
		ContentType: c.meta.ContentType, release: f.use(k.name)}
}

// use keeps a file of the cache from being evicted until what it returns is called.
func (f *Fetcher) use(name string) (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used[name]++
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.used[name]--; f.used[name] == 0 {
			delete(f.used, name)
		}
	})
}

// saveMeta writes what is known of the file that is in place.
func (f *Fetcher) saveMeta(k key, m meta) error {
	st, err := os.Stat(f.path(k.name))
	if err != nil {
		return err
	}
	m.Size, m.MTime = st.Size(), st.ModTime().UnixNano()
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return Replace(f.path(k.hash+".meta"), b)
}

// part is the beginning of a file.
type part struct {
	size int64
	meta meta
}

// loadPart finds a transfer that can go on, nil where there is none.
func (f *Fetcher) loadPart(k key) *part {
	b, err := os.ReadFile(f.path(k.hash + ".partmeta"))
	if err != nil {
		return nil
	}
	st, err := os.Stat(f.path(k.hash + ".part"))
	p := &part{}
	if err != nil || json.Unmarshal(b, &p.meta) != nil || p.meta.validator() == "" || st.Size() == 0 {
		return nil
	}
	p.size = st.Size()
	return p
}

func (t *transfer) partSize() int64 {
	if p := t.f.loadPart(t.key); p != nil {
		return p.size
	}
	return 0
}

// openPart opens the part for writing at off. What it is a part of is written down
// before the first byte of it.
func (f *Fetcher) openPart(k key, off int64, m meta) (*os.File, error) {
	if off == 0 {
		f.dropPart(k)
		b, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		if err := Replace(f.path(k.hash+".partmeta"), b); err != nil {
			return nil, err
		}
	}
	w, err := os.OpenFile(f.path(k.hash+".part"), os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	if _, err := w.Seek(off, 0); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (f *Fetcher) dropPart(k key) {
	os.Remove(f.path(k.hash + ".part"))
	os.Remove(f.path(k.hash + ".partmeta"))
}

// place gives the part, which is whole and synced, the name of the file.
func (f *Fetcher) place(k key) error {
	if err := os.Rename(f.path(k.hash+".part"), f.path(k.name)); err != nil {
		return err
	}
	os.Remove(f.path(k.hash + ".partmeta"))
	return syncDir(f.cfg.Dir)
}

// Replace writes a small file so that whoever reads it, also after a power cut,
// finds the old content or the new one, whole.
func Replace(name string, content []byte) error {
	w, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(w.Name())
	_, err = w.Write(content)
	if err == nil {
		err = w.Chmod(0o644)
	}
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	if err := os.Rename(w.Name(), name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// stored is a file that may be evicted.
type stored struct {
	name string
	size int64
	at   time.Time
}

// evict makes room: what was fetched, or found to be current, longest ago goes first.
func (f *Fetcher) evict() {
	var total int64
	var all []stored
	entries, err := os.ReadDir(f.cfg.Dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		st, err := e.Info()
		if err != nil || !st.Mode().IsRegular() {
			continue
		}
		total += st.Size()
		if len(e.Name()) > 21 && e.Name()[20] == '-' || strings.HasSuffix(e.Name(), ".part") {
			all = append(all, stored{e.Name(), st.Size(), st.ModTime()})
		}
	}
	if total <= f.cfg.MaxBytes {
		return
	}
	keep := map[string]bool{}
	for i := range all {
		m, err := f.readMeta(all[i].name[:20])
		if err == nil && m.Checked.After(all[i].at) {
			all[i].at = m.Checked
		}
		keep[all[i].name] = m.Keep
	}
	slices.SortFunc(all, func(a, b stored) int { return cmp.Or(a.at.Compare(b.at), strings.Compare(a.name, b.name)) })
	for _, x := range all {
		if total <= f.cfg.MaxBytes {
			return
		}
		if keep[x.name] || !f.remove(x.name) {
			continue
		}
		f.n.evicted.Add(1)
		total -= x.size
	}
	if total <= f.cfg.MaxBytes {
		return
	}
	f.log.Warn("the cache holds more than it should", "dir", f.cfg.Dir, "bytes", total, "max_bytes", f.cfg.MaxBytes)
}

// remove takes a file out of the cache unless it is in use.
func (f *Fetcher) remove(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.used[name] > 0 {
		return false
	}
	if err := os.Remove(f.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if strings.HasSuffix(name, ".part") {
		os.Remove(f.path(name + "meta"))
	} else {
		os.Remove(f.path(name[:20] + ".meta"))
	}
	return true
}

func (f *Fetcher) readMeta(hash string) (m meta, err error) {
	b, err := os.ReadFile(f.path(hash + ".meta"))
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	return m, err
}
