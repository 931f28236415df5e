package web_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"depeer/web"
)

// words are what a parameter may be filled with: good, nearly good, and hostile.
var fuzzWords = []string{"", "0", "1", "-1", "1000", "1001", "99999999999999999999", "1e9", "NaN", "true", "mccolo", "MCCOLO", "i1", "none", "AS26780", "26780", "6939", "AS4294967295", "AS4294967296", "0.0",
	"208.66.192.0/22", "208.66.195.15", "2001:db8::/32", "2001:db8::1%25eth0", "::ffff:192.0.2.0/120", "0.0.0.0/0", "::/0", "208.66.192.1/22", "1.2.3.4/33", "2008-11-11", "2008-11-11T12:10:00Z",
	"2008-11-11T12:10:00+23:59", "0000-01-01", "9999-12-31T23:59:59.999999999Z", "2262-04-12", "1969-12-31", "tomorrow", "upstream.lost", "critical", "loud", "newest", "csv", "stix", "misp", "ndjson", "json", "xml",
	"event.1", "event.1-gap.2", "event.18446744073709551615", "event.9223372036854775807", "-", "event.", "ZXZlbnQ6MQ", "ZXZlbnQ6", "aG9zdGVyczoxZTk", "Z2FwczotMQ", "Z2FwczoxMDAwMDAw",
	"../../etc/passwd", "%00", "a\x00b", "\xff\xfe", "'; DROP TABLE x; --", "<script>", strings.Repeat("a", 600), strings.Repeat("9", 400), "é", "a,b,,c", ",", " ", "+", "{id}"}

// TestNothingMakesItFail puts every word, and random ones, into every parameter of every operation of
// the document: whatever is asked, the answer is one, and no fault of ours.
func TestNothingMakesItFail(t *testing.T) {
	w := newWorld(t)
	cfg := web.DefaultConfig()
	cfg.Listen, cfg.Limits.Rate = "127.0.0.1:0", 0
	c := newCaller(t, start(t, cfg, w.deps()))
	d, compiler := document(t, c)
	r := rand.New(rand.NewPCG(7, 11))
	n, seen := 0, map[string]bool{}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		if path == "/api/v1/stream" {
			continue // its answer does not end: below
		}
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			o := d.Paths[path][method]
			ask := func(values map[string]string) {
				n++
				at, query := path, url.Values{}
				for _, p := range o.Parameters {
					v, ok := values[p.Name]
					switch {
					case p.In == "path":
						if v == "" || v == "." || v == ".." {
							v = "mccolo" // another path
						}
						at = strings.ReplaceAll(at, "{"+p.Name+"}", url.PathEscape(v))
					case ok && p.In == "query":
						query.Set(p.Name, v)
					}
				}
				body := ""
				if o.RequestBody != nil {
					body = fuzzBody(r)
				}
				a := c.ask(strings.ToUpper(method), at+"?"+query.Encode(), strings.NewReader(body), "Content-Type", "application/json")
				checkAnswer(t, compiler, path, method, at+"?"+query.Encode()+" "+body, a)
			}
			for _, p := range o.Parameters {
				step := 1 // every word for the first of each name; some for the others, which are read by the same code
				if seen[p.Name] || strings.Contains(path, "/timeline.") && p.Name != "width" && p.Name != "scale" && p.Name != "theme" {
					step = 9
				}
				seen[p.Name] = true
				for i := r.IntN(step); i < len(fuzzWords); i += step {
					word := fuzzWords[i]
					ask(map[string]string{p.Name: word})
				}
			}
			rounds := 8
			if o.RequestBody != nil {
				rounds = 60
			}
			for range rounds {
				values := map[string]string{}
				for _, p := range o.Parameters {
					if r.IntN(3) > 0 {
						values[p.Name] = fuzzWords[r.IntN(len(fuzzWords))]
					}
				}
				ask(values)
			}
		}
	}
	if n < 1500 {
		t.Errorf("only %d questions", n)
	}
	for _, word := range fuzzWords {
		for _, name := range []string{"after", "type", "severity"} {
			if word == "" || strings.HasPrefix(word, "event.1") && name == "after" || word == "critical" && name == "severity" || strings.HasPrefix(word, "event.9") && name == "after" {
				continue // a good one: the stream would begin
			}
			a := c.get("/api/v1/stream?" + url.Values{name: {word}}.Encode())
			checkAnswer(t, compiler, "/api/v1/stream", "get", name+"="+word, a)
		}
	}
}

func checkAnswer(t *testing.T, compiler *schemas, path, method, question string, a answered) {
	t.Helper()
	switch {
	case a.status >= 500 && a.status != http.StatusNotImplemented:
		t.Errorf("%s %.300s: %d %s", method, question, a.status, a.body)
	case a.status >= 400 && strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json"):
		var p struct{ Detail string }
		if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Detail == "" {
			t.Errorf("%s %.300s: a problem without words: %s", method, question, a.body)
		}
	case a.status >= 400:
		t.Errorf("%s %.300s: %d is no problem document: %s", method, question, a.status, a.body)
	case a.status == http.StatusOK && a.header.Get("Content-Type") == "application/json" && !strings.Contains(question, "format="):
		valid(t, compiler, path, method, "200", "application/json", a.body)
	}
}

// fuzzBody is JSON of the shapes that operations take, with words in it, or torn.
func fuzzBody(r *rand.Rand) string {
	word := func() string {
		b, _ := json.Marshal(fuzzWords[r.IntN(len(fuzzWords))])
		return string(b)
	}
	var fields []string
	for _, name := range []string{"text", "name", "to", "match", "until", "reason", "family", "at", "addr", "url", "kind", "port", "quiet", "digest", "escalate", "place", "online", "subscription", "names", "from", "nonsense"} {
		switch r.IntN(6) {
		case 0:
			fields = append(fields, fmt.Sprintf("%q:%s", name, word()))
		case 1:
			fields = append(fields, fmt.Sprintf("%q:[%s]", name, word()))
		case 2:
			fields = append(fields, fmt.Sprintf("%q:%s", name, []string{"null", "1", "-1.5", "true", "{}", "[]", `{"hosters":["x"],"prefixes":["x"]}`}[r.IntN(7)]))
		}
	}
	text := "{" + strings.Join(fields, ",") + "}"
	switch r.IntN(8) {
	case 0:
		return text[:r.IntN(len(text))]
	case 1:
		return "[" + text + "," + text + "]"
	case 2:
		return strings.Repeat("[", 20_000)
	case 3:
		return ""
	}
	return text
}

func FuzzPosition(f *testing.F) {
	for _, s := range []string{"event.1", "event.120-incident.7", "", "-", "event.-1", "event.99999999999999999999", "event.1-event.2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := web.ParsePosition(s)
		if err != nil {
			return
		}
		q, err := web.ParsePosition(p.String())
		if err != nil || !maps.Equal(p, q) {
			t.Errorf("%q: %v, %v %v", s, p, q, err)
		}
	})
}
