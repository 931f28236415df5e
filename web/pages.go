package web

import (
	"html/template"
	"net/http"
)

// frontPage is what / is until there are pages: true, small, and without a script.
var frontPage = template.Must(template.New("front").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>depeer</title>
<h1>depeer {{.Version}}</h1>
<p>{{if .Ready}}It sees what it should.{{else}}It does not see all that it should:{{end}}</p>
<ul>{{range .Reasons}}<li>{{.}}</li>{{end}}</ul>
<p>{{len .Hosters}} hosters are watched, {{len .Incidents}} incidents are open. There are no pages here yet; everything can be asked:
<a href="/openapi.json">the API</a>, <a href="/api/v1/status">the board</a>, <a href="/api/v1/hosters">the hosters</a>, <a href="/api/v1/stream">what happens</a>.
On a terminal: <code>depeer status</code>.</p>
`))

func (s *Server) front(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = frontPage.Execute(w, s.board.now()) // the client went
}
