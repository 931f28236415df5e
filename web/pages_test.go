package web_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"depeer/web"
	"depeer/web/access"
	"depeer/web/ui"
)

// somePages stands in for what Vite makes.
var somePages = fstest.MapFS{
	"index.html":           {Data: []byte(`<!doctype html><title>depeer</title><script type="module" src="/assets/index-abc.js"></script>`)},
	"icon.svg":             {Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)},
	".gitkeep":             {},
	"assets/index-abc.js":  {Data: []byte("console.log(1);" + strings.Repeat("// a line that packs well\n", 200))},
	"assets/index-abc.css": {Data: []byte("body{margin:0}")},
}

// placeOf fills in the names of a pattern.
func placeOf(pattern string) string {
	return strings.NewReplacer("{$}", "", "{id}", "mccolo", "{address}", "208.66.192.0", "{bits}", "22", "{asn}", "26780", "{family}", "rustock").Replace(pattern)
}

func TestEveryPlaceIsThePage(t *testing.T) {
	web.SetPages(t, somePages)
	c := newCaller(t, start(t, web.Config{}, newWorld(t).deps()))
	index := string(somePages["index.html"].Data)
	for _, pattern := range web.Places {
		a := c.get(placeOf(pattern) + "?from=2008-11-11T00:00:00Z")
		if a.status != http.StatusOK || a.body != index || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %v %s", pattern, a.status, a.header, a.body)
		}
		for _, rule := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !slices.Contains(strings.Split(a.header.Get("Content-Security-Policy"), "; "), rule) {
				t.Errorf("%s: the policy lacks %s: %s", pattern, rule, a.header.Get("Content-Security-Policy"))
			}
		}
		if p := a.header.Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || strings.Contains(p, "*") || len(a.header.Values("Content-Security-Policy")) != 1 {
			t.Errorf("%s: the policy is loose: %v", pattern, a.header.Values("Content-Security-Policy"))
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", pattern, a.header)
		}
		// The page names what it loads by its content: an old one would ask for what is gone.
		if kept := a.header.Get("Cache-Control"); !strings.Contains(kept, "no-cache") && !strings.Contains(kept, "no-store") {
			t.Errorf("%s: may be kept unasked: %q", pattern, kept)
		}
		if again := c.get(placeOf(pattern), "If-None-Match", a.header.Get("ETag")); again.status != http.StatusNotModified || again.body != "" {
			t.Errorf("%s: who has it gets %d %q", pattern, again.status, again.body)
		}
		if head := c.ask(http.MethodHead, placeOf(pattern), nil); head.status != http.StatusOK || head.body != "" {
			t.Errorf("HEAD %s: %d %q", pattern, head.status, head.body)
		}
		if post := c.ask(http.MethodPost, placeOf(pattern), nil); post.status < 400 || post.status >= 500 {
			t.Errorf("POST %s: %d", pattern, post.status)
		}
	}
}

func TestFilesOfThePages(t *testing.T) {
	web.SetPages(t, somePages)
	c := newCaller(t, start(t, web.Config{}, newWorld(t).deps()))
	for name, want := range map[string]struct{ kind, kept string }{
		"/assets/index-abc.js":  {"text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		"/assets/index-abc.css": {"text/css; charset=utf-8", "public, max-age=31536000, immutable"},
		"/icon.svg":             {"image/svg+xml", "private, no-cache"},
	} {
		body := string(somePages[name[1:]].Data)
		a := c.get(name)
		if a.status != http.StatusOK || a.body != body || a.header.Get("Content-Type") != want.kind || a.header.Get("Cache-Control") != want.kept {
			t.Errorf("%s: %d %v", name, a.status, a.header)
		}
		if again := c.get(name, "If-None-Match", a.header.Get("ETag")); again.status != http.StatusNotModified {
			t.Errorf("%s: who has it gets %d", name, again.status)
		}
		if head := c.ask(http.MethodHead, name, nil); head.status != http.StatusOK || head.body != "" {
			t.Errorf("HEAD %s: %d %q", name, head.status, head.body)
		}
	}
	script := somePages["assets/index-abc.js"].Data
	packed := c.get("/assets/index-abc.js", "Accept-Encoding", "gzip")
	if packed.header.Get("Content-Encoding") != "gzip" || len(packed.body) >= len(script) || packed.header.Get("Vary") != "Accept-Encoding" {
		t.Fatalf("a script goes unpacked: %v, %d of %d bytes", packed.header, len(packed.body), len(script))
	}
	z, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(z); err != nil || !bytes.Equal(plain, script) {
		t.Errorf("%v: it is another one after unpacking", err)
	}
}

func TestNowhere(t *testing.T) {
	web.SetPages(t, somePages)
	c := newCaller(t, start(t, web.Config{}, newWorld(t).deps()))
	for _, path := range []string{"/nothing", "/hosters", "/hosters/mccolo/more", "/prefixes/208.66.192.0/22/24", "/index.html", "/.gitkeep", "/assets/", "/assets/index-old.js", "/assets/../index.html"} {
		// A browser shows a page, whose script knows that this is no place.
		a := c.get(path, "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		if path == "/assets/../index.html" && a.status/100 == 3 { // the mux cleans it, and asks to come again
			continue
		}
		if a.status != http.StatusNotFound || a.body != string(somePages["index.html"].Data) || !strings.Contains(a.header.Get("Content-Security-Policy"), "script-src 'self'") {
			t.Errorf("%s in a browser: %d %s", path, a.status, a.body)
		}
		if a := c.get(path, "Accept", "*/*"); a.status != http.StatusNotFound || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s as a script or by a program: %d %v %s", path, a.status, a.header, a.body)
		}
	}
	if a := c.get("/api/v1/nothing", "Accept", "text/html"); a.status != http.StatusNotFound || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("the API answers with a page: %d %s", a.status, a.body)
	}
}

// Strangers get the page, which holds nothing, and none of the answers.
func TestStrangersGetThePageAlone(t *testing.T) {
	web.SetPages(t, somePages)
	cfg := web.DefaultConfig()
	cfg.Listen, cfg.Auth.Tokens = "127.0.0.1:0", true
	deps := newWorld(t).deps()
	tokens := access.NewTokens(filepath.Join(t.TempDir(), access.TokenFile))
	deps.Tokens = tokens
	secret, _, err := tokens.Create("a", access.Viewer, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c := newCaller(t, start(t, cfg, deps))
	for _, pattern := range web.Places {
		if a := c.get(placeOf(pattern)); a.status != http.StatusOK || strings.Contains(a.body, "McColo") {
			t.Errorf("%s: %d %s", pattern, a.status, a.body)
		}
	}
	if a := c.get("/assets/index-abc.js"); a.status != http.StatusOK {
		t.Errorf("the script: %d", a.status)
	}
	for _, path := range []string{"/api/v1/status", "/api/v1/hosters/mccolo", "/api/v1/stream", "/api/v1/incidents/i1", "/openapi.json"} {
		a := c.get(path)
		if a.status != http.StatusUnauthorized || strings.Contains(a.body, "McColo") {
			t.Errorf("%s for a stranger: %d %s", path, a.status, a.body)
		}
		if path == "/api/v1/stream" {
			continue // it has no end
		}
		if a := c.get(path, "Authorization", "Bearer "+secret); a.status != http.StatusOK {
			t.Errorf("%s with a token: %d %s", path, a.status, a.body)
		}
	}
}

func TestBarePage(t *testing.T) {
	web.SetPages(t, nil)
	w := newWorld(t)
	w.change(func(s *web.Status) { s.Ready, s.Reasons = false, []string{"feed <rislive>: connecting"} })
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	a := c.get("/")
	for _, text := range []string{"depeer test", "feed &lt;rislive&gt;: connecting", "1 hosters are watched, 1 incidents are open", "built without its pages", "make build", `href="/api/v1/status"`} {
		if !strings.Contains(a.body, text) {
			t.Errorf("it does not say %q:\n%s", text, a.body)
		}
	}
	if a.status != http.StatusOK || strings.Contains(a.body, "<script") || !strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%d %v", a.status, a.header)
	}
	if a := c.get("/hosters/mccolo"); a.status != http.StatusNotFound {
		t.Errorf("a page that was not built: %d", a.status)
	}
}

// What the server calls a place, the pages show; and what they show can be opened by its URL.
func TestPlacesAreRoutes(t *testing.T) {
	text, err := os.ReadFile("ui/src/main.tsx")
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, m := range regexp.MustCompile(`<Route path="([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		route := regexp.MustCompile(`:(\w+)`).ReplaceAllString(m[1], "{$1}")
		if route == "/" {
			route = "/{$}"
		}
		if short, optional := strings.CutSuffix(route, "?"); optional {
			routes, route = append(routes, path.Dir(short)), short
		}
		routes = append(routes, route)
	}
	places := slices.Sorted(slices.Values(web.Places))
	if slices.Sort(routes); !slices.Equal(routes, places) {
		t.Errorf("the pages show\n%q\nthe server knows\n%q", routes, places)
	}
}

const mostScript = 300_000 // bytes, packed

func TestSizeOfTheScripts(t *testing.T) {
	files, built := ui.Files()
	if !built {
		if os.Getenv("DEPEER_INTEROP") == "1" {
			t.Fatal("the pages are not built: make pages")
		}
		t.Skip("the pages are not built: make pages")
	}
	total, scripts := 0, 0
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".js" {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(body); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		if scripts++; b.Len() > 10_000 {
			t.Logf("%s: %d bytes", name, b.Len())
		}
		total += b.Len()
		return nil
	})
	if err != nil || scripts == 0 || total > mostScript {
		t.Errorf("%v: %d scripts of %d bytes packed; %d are allowed", err, scripts, total, mostScript)
	}
	t.Logf("%d scripts, %d bytes packed", scripts, total)
}

// What is built now asks for nothing of somebody else, and has nothing that the policy forbids.
func TestBuiltPageKeepsThePolicy(t *testing.T) {
	files, built := ui.Files()
	if !built {
		t.Skip("the pages are not built: make pages")
	}
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, forbidden := range []string{`<script(?:\s[^>]*)?>[^<]`, `<style`, `\sstyle=`, `\son[a-z]+=`, `(?:src|href)="(?:https?:)?//`} {
		if m := regexp.MustCompile(forbidden).Find(index); m != nil {
			t.Errorf("index.html holds %s:\n%s", m, index)
		}
	}
	if !regexp.MustCompile(`<script type="module"[^>]* src="/assets/[^"]+\.js"></script>`).Match(index) {
		t.Errorf("index.html loads no script:\n%s", index)
	}
}
