package web

import (
	"bytes"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"depeer/web/access"
	"depeer/web/ui"
)

// barePage is what / is where the program was built without the pages: true, small, and without a script.
var barePage = template.Must(template.New("bare").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>depeer</title>
<h1>depeer {{.Version}}</h1>
<p>{{if .Ready}}It sees what it should.{{else}}It does not see all that it should:{{end}}</p>
<ul>{{range .Reasons}}<li>{{.}}</li>{{end}}</ul>
<p>{{len .Hosters}} hosters are watched, {{len .Incidents}} incidents are open. This depeer was built without its pages (<code>make build</code> with npm makes them); everything can be asked:
<a href="/openapi.json">the API</a>, <a href="/api/v1/status">the board</a>, <a href="/api/v1/hosters">the hosters</a>, <a href="/api/v1/stream">what happens</a>.
On a terminal: <code>depeer status</code>.</p>
`))

// builtPages gives the pages, or says that there are none.
var builtPages = ui.Files

func (s *Server) bare(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = barePage.Execute(w, s.board.now()) // the client went
}

// pagesPolicy lets the pages run their own scripts and styles, and talk to their own server:
// nothing inline, nothing from elsewhere.
const pagesPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// places are the views that have a URL: each is the same page, which asks for what it shows.
var places = []string{"/{$}", "/hosters/{id}", "/incidents", "/incidents/{id}", "/events", "/prefixes/{address}", "/prefixes/{address}/{bits}", "/asns/{asn}", "/upstreams/{asn}",
	"/families/{family}", "/migrations", "/explain", "/subscriptions", "/feeds", "/search", "/sign-in"}

// addPages serves the pages. They are the same for everybody and hold no answers: strangers
// may load them, and are then asked who they are by what they ask.
func (s *Server) addPages(m *http.ServeMux) {
	files, built := builtPages()
	if !built {
		m.HandleFunc("GET /{$}", s.bare)
		return
	}
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		panic(err) // it was there a moment ago, in this program
	}
	open := func(pattern string, h http.HandlerFunc) {
		s.scopes[pattern] = access.None
		m.HandleFunc(pattern, h)
	}
	page := func(w http.ResponseWriter, status int) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", pagesPolicy)
		w.WriteHeader(status)
		_, _ = w.Write(index) // the client went
	}
	for _, place := range places {
		open("GET "+place, func(w http.ResponseWriter, _ *http.Request) { page(w, http.StatusOK) })
	}
	// Whoever mistypes a place in a browser is told so by a page, which leads on.
	m.HandleFunc("GET /{nowhere...}", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") || !strings.Contains(r.Header.Get("Accept"), "text/html") {
			problem(w, http.StatusNotFound, "nothing is served at "+r.URL.Path)
			return
		}
		page(w, http.StatusNotFound)
	})
	for _, name := range assets(files) {
		open("GET /"+name, func(w http.ResponseWriter, r *http.Request) { asset(w, r, files, name) })
	}
}

// assets are the names of all files but the page itself.
func assets(files fs.FS) (out []string) {
	_ = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && name != "index.html" && !strings.HasPrefix(d.Name(), ".") {
			out = append(out, name)
		}
		return nil
	})
	return out
}

func asset(w http.ResponseWriter, r *http.Request, files fs.FS, name string) {
	body, err := fs.ReadFile(files, name)
	if err != nil {
		problem(w, http.StatusNotFound, "nothing is served at "+r.URL.Path)
		return
	}
	if strings.HasPrefix(name, "assets/") { // its name changes with its content
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("ETag", `"`+name+`"`) // looked at by nobody, and keeps it from being hashed
	}
	info, err := fs.Stat(files, name)
	if err != nil {
		problem(w, http.StatusNotFound, "nothing is served at "+r.URL.Path)
		return
	}
	http.ServeContent(w, r, name, info.ModTime(), bytes.NewReader(body))
}
