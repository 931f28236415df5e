package feed

import (
	"context"
	"encoding/json"
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

	"depeer/bgp/fetch"
	"depeer/watch/cnc"
)

const (
	taxiiType   = "application/taxii+json;version=2.1"
	taxiiPages  = 1000 // of one look; what is left comes with the next
	taxiiLimit  = 1000 // objects of a page
	maxEnvelope = 64 << 20
)

// refreshTAXII is Refresh of a TAXII 2.1 collection (OASIS TAXII 2.1 section 5.4): what was added since the last
// look, page by page. The pages are one download. Where any of them fails, all are fetched again
// the next time.
func (f *Feed) refreshTAXII(ctx context.Context, now time.Time, emit func(cnc.Sighting) error) (r Report, err error) {
	dir := filepath.Join(f.dir, f.cfg.Name+".pages")
	if err := os.RemoveAll(dir); err != nil {
		return r, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	var paths []string
	after, next, objects := f.state.After, "", 0
	for page := 0; page < taxiiPages; page++ {
		e, last, err := f.page(ctx, f.state.After, next)
		if err != nil {
			return r, err
		}
		if last != "" {
			after = last
		}
		if len(e.Objects) > 0 {
			objects += len(e.Objects)
			path := filepath.Join(dir, strconv.Itoa(page)+".json")
			text, err := json.Marshal(e)
			if err != nil {
				return r, err
			}
			if err := fetch.Replace(path, text); err != nil {
				return r, err
			}
			paths = append(paths, path)
		}
		if !e.More || e.Next == "" {
			break
		}
		if objects+taxiiLimit > f.cfg.Limits.MaxEntries {
			break // the rest with the next look, from where this one ends
		}
		next = e.Next
	}
	if len(paths) == 0 {
		return r, nil
	}
	whole := filepath.Join(dir, "all.json")
	if err := joinPages(whole, paths); err != nil {
		return r, err
	}
	profile, stats := f.survey([]string{whole}, now, now)
	r.Stats = stats
	// An increment has no size of its own: it is judged by itself.
	r.Verdict = Inspect(profile, nil, f.cfg.Limits)
	if r.Verdict.Action != Believe {
		r.New = true
		return r, errors.Join(f.keepAside([]string{whole}), &Unbelieved{f.cfg.Name, r.Verdict})
	}
	if err := f.hand(ctx, &r, []string{whole}, now.UTC().Truncate(24*time.Hour), now, emit); err != nil {
		return r, err
	}
	f.state.After, f.state.Profile = after, &profile
	return r, f.saveState()
}

type envelope struct {
	More    bool              `json:"more,omitempty"`
	Next    string            `json:"next,omitempty"`
	Objects []json.RawMessage `json:"objects"`
}

// page asks for one page. last is when the last of its objects was added.
func (f *Feed) page(ctx context.Context, after, next string) (e envelope, last string, err error) {
	u, err := url.Parse(f.cfg.URL)
	if err != nil {
		return e, "", errors.New("the address cannot be parsed")
	}
	if !strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/objects") {
		u.Path = strings.TrimSuffix(u.Path, "/") + "/objects/"
	}
	q := u.Query()
	q.Set("limit", strconv.Itoa(taxiiLimit))
	if after != "" {
		q.Set("added_after", after)
	}
	if next != "" {
		q.Set("next", next)
	}
	where := u.Scheme + "://" + u.Host + u.Path
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return e, "", errors.New("the address cannot be asked")
	}
	req.Header.Set("Accept", taxiiType)
	resp, err := f.deps.Client.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // its text has the query
		}
		return e, "", fmt.Errorf("%s: %w", where, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		retry := ""
		if s := resp.Header.Get("Retry-After"); s != "" {
			retry = ", ask again after " + s
		}
		return e, "", fmt.Errorf("%s: %s%s", where, resp.Status, retry)
	}
	if kind := resp.Header.Get("Content-Type"); !strings.Contains(kind, "json") {
		return e, "", fmt.Errorf("%s: the answer is %.60q, no TAXII", where, kind)
	}
	if err := json.NewDecoder(&bounded{r: resp.Body, left: maxEnvelope, most: maxEnvelope}).Decode(&e); err != nil {
		return e, "", fmt.Errorf("%s: %w", where, err)
	}
	return e, resp.Header.Get("X-TAXII-Date-Added-Last"), nil
}

// joinPages makes one bundle of the pages: a relationship may be on another page than what it relates.
func joinPages(to string, paths []string) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.WriteString(out, `{"objects":[`); err != nil {
		return err
	}
	first := true
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		var e envelope
		if err := json.Unmarshal(text, &e); err != nil {
			return err
		}
		for _, o := range e.Objects {
			if !first {
				out.WriteString(",\n")
			}
			first = false
			if _, err := out.Write(o); err != nil {
				return err
			}
		}
	}
	if _, err := io.WriteString(out, "]}"); err != nil {
		return err
	}
	return out.Close()
}
