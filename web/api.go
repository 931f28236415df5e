package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"depeer/bgp"
	"depeer/watch/cnc"
	"depeer/watch/timeline"
	"depeer/web/access"
)

// base is where the API lies. What answers there tomorrow as today has this number.
const base = "/api/v1"

func init() {
	// The library's own words for a bad request are 422 and a list; ours is one sentence.
	huma.NewError = newProblem
}

// newProblem is an RFC 9457 problem document. What is wrong with the request is told in
// its detail, which is all that most programs show.
func newProblem(status int, detail string, errs ...error) huma.StatusError {
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest
	}
	p := &huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail}
	var said []string
	for _, err := range errs {
		if err == nil {
			continue
		}
		p.Add(err)
		var d *huma.ErrorDetail
		if errors.As(err, &d) && d.Location != "" {
			said = append(said, fmt.Sprintf("%s: %s", d.Location, d.Message))
		} else {
			said = append(said, err.Error())
		}
	}
	if len(said) > 0 {
		p.Detail += ": " + strings.Join(said, "; ")
	}
	return p
}

// bad is an answer to a request that cannot be understood.
func bad(format string, args ...any) error {
	return newProblem(http.StatusBadRequest, fmt.Sprintf(format, args...))
}

// missing is an answer about something that there is not.
func missing(format string, args ...any) error {
	return newProblem(http.StatusNotFound, fmt.Sprintf(format, args...))
}

// absent is an answer of a part that this depeer does not have: detail says what to configure.
func absent(format string, args ...any) error {
	return newProblem(http.StatusNotImplemented, fmt.Sprintf(format, args...))
}

// trouble turns what a backend says into an answer: its own problem documents as they
// are, ErrUnknown as 404, the end of the request or of the process as 503.
func trouble(err error) error {
	var known huma.StatusError
	var headed huma.HeadersError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &headed): // it is a problem document too
		return err
	case errors.As(err, &known):
		return known
	case errors.Is(err, ErrUnknown):
		return missing("%s", strings.TrimSuffix(strings.TrimSuffix(err.Error(), ErrUnknown.Error()), ": "))
	case errors.Is(err, timeline.ErrCursor):
		return bad("cursor: %s", err)
	case errors.Is(err, timeline.ErrNothing):
		return missing("%s", err)
	case errors.Is(err, ErrLater):
		return newProblem(http.StatusServiceUnavailable, err.Error())
	case errors.Is(err, ErrRefused):
		return bad("%s", strings.TrimSuffix(strings.TrimSuffix(err.Error(), ErrRefused.Error()), ": "))
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return newProblem(http.StatusServiceUnavailable, "the answer took too long, or depeer is stopping: ask for less, or again")
	}
	return newProblem(http.StatusInternalServerError, err.Error())
}

// What a backend says with its error: wrap one of these.
var (
	ErrUnknown = errors.New("not known")    // there is no such thing: 404
	ErrRefused = errors.New("not accepted") // it cannot be done as asked: 400
	ErrLater   = errors.New("not now")      // it is away, or not there yet: 503
)

// operation is one line of the API.
type operation struct {
	method, path string
	id           string
	summary      string
	about        string
	tag          string
	needs        access.Scope
	body         int64                   // octets of the request at most; a megabyte where 0
	status       int                     // of success; 200 where 0, or 204 without an answer
	others       map[string]*huma.Schema // what it gives beside JSON, by type
}

// newAPI makes the description and the routes.
func newAPI(m *http.ServeMux, version string) huma.API {
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	registry.RegisterTypeAlias(reflect.TypeFor[bgp.Path](), reflect.TypeFor[pathSchema]())
	registry.RegisterTypeAlias(reflect.TypeFor[cnc.Lag](), reflect.TypeFor[lagSchema]())
	// An AS number has 32 bits and no sign; int32 would be too small.
	registry.RegisterTypeAlias(reflect.TypeFor[uint32](), reflect.TypeFor[uint64]())
	indented := huma.Format{Marshal: writeJSON, Unmarshal: json.Unmarshal}
	cfg := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "depeer", Version: version, Description: "Who routes a hoster, who dropped it, who took it in again, and where its command-and-control servers went. " +
				"Times are UTC (RFC 3339); errors are problem documents (RFC 9457); a list says in `next`, and in the header Link, where its next page is."},
			Components: &huma.Components{Schemas: registry, SecuritySchemes: map[string]*huma.SecurityScheme{
				"token":   {Type: "http", Scheme: "bearer", Description: "made by `depeer tokens create`"},
				"session": {Type: "apiKey", In: "cookie", Name: access.SessionCookie, Description: "of a login at /login"},
			}},
		},
		Formats:                      map[string]huma.Format{"application/json": indented, "json": indented},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true, // a filter that is misspelt and passed over gives a wrong answer
	}
	return humago.New(m, cfg)
}

// schemaName keeps the same words of different packages apart.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if p := t.PkgPath(); path.Base(p) != "web" && path.Base(p) != "watch" && p != "" && strings.HasPrefix(p, "depeer/") {
		return strings.ToUpper(path.Base(p)[:1]) + path.Base(p)[1:] + name
	}
	return name
}

// pathSchema is an AS path in JSON: AS numbers, and lists of them for sets.
type pathSchema []any

// Schema describes it.
func (pathSchema) Schema(huma.Registry) *huma.Schema {
	zero := 0.0
	asn := &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: &zero}
	return &huma.Schema{Type: huma.TypeArray, Nullable: true, Description: "AS numbers from the peer to the origin; an AS_SET is a list of them",
		Items: &huma.Schema{OneOf: []*huma.Schema{asn, {Type: huma.TypeArray, Items: asn}}}}
}

// lagSchema is a lag in JSON.
type lagSchema float64

// Schema describes it.
func (lagSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Nullable: true, Description: "in seconds"}
}

// writeJSON writes what people read too.
func writeJSON(w io.Writer, x any) error {
	body, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(body, '\n'))
	return err
}

// register adds a line to the API.
func register[I, O any](s *Server, o operation, work func(context.Context, *I) (*O, error)) {
	huma.Register(s.api, s.describe(o), func(ctx context.Context, in *I) (*O, error) {
		out, err := work(ctx, in)
		if err != nil {
			return nil, trouble(err)
		}
		return out, nil
	})
}

func (s *Server) describe(o operation) huma.Operation {
	h := huma.Operation{Method: o.method, Path: base + o.path, OperationID: o.id, Summary: o.summary, Description: o.about, Tags: []string{o.tag},
		MaxBodyBytes: o.body, DefaultStatus: o.status, Security: []map[string][]string{{}, {"token": {}}, {"session": {}}},
		Extensions: map[string]any{"x-scope": string(o.needs)}}
	s.scopes[o.method+" "+h.Path] = o.needs
	return h
}

// schema describes what x looks like as JSON.
func (s *Server) schema(x any) *huma.Schema {
	t := reflect.TypeOf(x)
	return s.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
}

// problem writes an RFC 9457 document where the API has no hand in it.
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(newProblem(status, detail))
}
