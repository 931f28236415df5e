package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"depeer/web"
)

// contract is what other tools rely on: its lines must always be there.
var contract = []string{
	"GET hosters", "GET hosters/{id}", "GET hosters/{id}/timeline", "GET prefixes/{cidr}/timeline", "GET prefixes/{cidr}/routes", "GET asns/{asn}/timeline",
	"GET upstreams/{asn}", "GET events", "GET incidents", "GET incidents/{id}", "POST incidents/{id}/ack", "POST incidents/{id}/comments",
	"GET sightings", "POST sightings", "GET migrations", "GET subscriptions", "POST subscriptions", "DELETE subscriptions/{name}", "GET silences", "POST silences", "DELETE silences/{id}",
	"GET explain", "GET receivers", "POST subscriptions/test", "GET deliveries", "GET bgplay", "GET stream", "GET peers", "GET gaps", "GET status", "GET feeds",
}

// described is the parts of the document that the tests look at.
type described struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		ID         string `json:"operationId"`
		Summary    string `json:"summary"`
		Scope      string `json:"x-scope"`
		Parameters []struct {
			Name     string         `json:"name"`
			In       string         `json:"in"`
			Required bool           `json:"required"`
			Schema   map[string]any `json:"schema"`
		} `json:"parameters"`
		RequestBody *struct {
			Content map[string]any `json:"content"`
		} `json:"requestBody"`
		Responses map[string]struct {
			Content map[string]struct {
				Schema map[string]any `json:"schema"`
			} `json:"content"`
		} `json:"responses"`
	} `json:"paths"`
}

// document reads the description, and gives a compiler of the schemas in it.
func document(t testing.TB, c *caller) (described, *schemas) {
	t.Helper()
	a := c.get("/openapi.json")
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/openapi+json" {
		t.Fatalf("/openapi.json: %d %s", a.status, a.body)
	}
	var d described
	if err := json.Unmarshal([]byte(a.body), &d); err != nil {
		t.Fatal(err)
	}
	whole, err := jsonschema.UnmarshalJSON(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020) // the dialect of OpenAPI 3.1
	compiler.AssertFormat()
	if err := compiler.AddResource("openapi.json", whole); err != nil {
		t.Fatal(err)
	}
	return d, &schemas{compiler, map[string]*jsonschema.Schema{}}
}

// schemas are those of the document, compiled when they are asked for first.
type schemas struct {
	compiler *jsonschema.Compiler
	ready    map[string]*jsonschema.Schema
}

func TestContractIsDescribed(t *testing.T) {
	w := newWorld(t)
	d, _ := document(t, newCaller(t, start(t, web.Config{}, w.deps())))
	if d.OpenAPI != "3.1.0" {
		t.Errorf("openapi %s", d.OpenAPI)
	}
	for _, line := range contract {
		method, path, _ := strings.Cut(line, " ")
		o, ok := d.Paths["/api/v1/"+path][strings.ToLower(method)]
		if !ok {
			t.Errorf("%s is not described", line)
			continue
		}
		if o.ID == "" || o.Summary == "" || o.Scope == "" {
			t.Errorf("%s: id %q, summary %q, scope %q", line, o.ID, o.Summary, o.Scope)
		}
	}
	for path, methods := range d.Paths {
		for method, o := range methods {
			for _, part := range strings.Split(path, "/") {
				if name, ok := strings.CutPrefix(part, "{"); ok && !slices.ContainsFunc(o.Parameters, func(p struct {
					Name     string         `json:"name"`
					In       string         `json:"in"`
					Required bool           `json:"required"`
					Schema   map[string]any `json:"schema"`
				}) bool {
					return p.In == "path" && p.Name == strings.TrimSuffix(name, "}")
				}) {
					t.Errorf("%s %s: %s is not described", method, path, part)
				}
			}
		}
	}
}

// examples are questions of every kind that have an answer.
var examples = []string{
	"/status", "/hosters", "/hosters?limit=1", "/hosters/mccolo", "/feeds", "/peers", "/gaps", "/gaps?from=2008-11-11", "/explain?hoster=mccolo", "/explain?hoster=mccolo&brief=true", "/explain?prefix=208.66.192.0/22&at=2008-11-11T12:40:00Z", "/whoami", "/playback", "/receivers", "/deliveries", "/deliveries?hoster=mccolo&receiver=slack&outcome=sent,held&from=2008-11-11",
	"/hosters/mccolo/timeline", "/hosters/mccolo/timeline?from=2008-11-11T12:00:00Z&to=2008-11-11T13:00:00Z", "/prefixes/208.66.192.0%2F22/timeline", "/prefixes/208.66.192.0/22/timeline",
	"/prefixes/208.66.195.15/timeline", "/asns/26780/timeline", "/asns/AS26780/timeline?believed=2008-11-12",
	"/prefixes/208.66.192.0/22/routes?at=2008-11-11T12:10:00Z", "/prefixes/208.66.192.0%2F22/routes", "/hosters/mccolo/routes?at=2008-11-11T12:10:00Z", "/asns/26780/routes",
	"/prefixes/208.66.192.0%2F22/difference?from=2008-11-11T12:10:00Z&to=2008-11-11T12:40:00Z", "/hosters/mccolo/difference?from=2008-11-11&to=2008-11-12", "/asns/26780/difference?from=2008-11-11&to=2008-11-12",
	"/prefixes/208.66.192.0/22", "/prefixes/208.66.195.15?at=2008-11-11T12:40:00Z", "/prefixes/198.51.100.0%2F24", "/asns/26780", "/asns/6939?at=2008-11-11", "/asns/64999",
	"/hosters/mccolo/prefixes", "/hosters/mccolo/prefixes?at=2008-11-11T12:40:00Z", "/hosters/mccolo/still", "/hosters/mccolo/timeline?from=2008-11-11T12:40:00Z&since=2008-11-11",
	"/upstreams/6939", "/upstreams/AS3549?from=2008-11-11", "/still?at=2008-11-11T12:40:00Z",
	"/events", "/events?kind=upstream.lost,route.withdrawn&hoster=mccolo&severity=critical&order=oldest", "/events?upstream=6939&prefix=208.66.0.0/16", "/incidents", "/incidents?phase=open&class=depeered",
	"/incidents/i1", "/incidents/i1/evidence", "/migrations", "/migrations?family=rustock&score=3", "/sightings", "/sightings?source=tracker", "/hosters/mccolo/dossier",
	"/bgplay?resource=208.66.192.0/22", "/bgplay?resource=AS26780", "/bgplay?resource=mccolo&from=2008-11-11", "/subscriptions", "/silences",
	"/families", "/families?hoster=mccolo&family=costrat&limit=1", "/families/rustock", "/search?q=mccolo", "/search?q=AS26780", "/search?q=nothing+of+the+kind",
}

// operationOf finds the path of the document that an address is of.
func (d *described) operationOf(path string) string {
	path, _, _ = strings.Cut(path, "?")
	path = "/api/v1" + strings.Replace(path, "192.0/22", "192.0%2F22", 1)
	have := strings.Split(path, "/")
	best, fixed := "", -1
	for p := range d.Paths {
		want, n := strings.Split(p, "/"), 0
		if len(want) != len(have) || slices.ContainsFunc(indexes(want), func(i int) bool { return !strings.HasPrefix(want[i], "{") && want[i] != have[i] }) {
			continue
		}
		for _, part := range want {
			if !strings.HasPrefix(part, "{") {
				n++
			}
		}
		if n > fixed {
			best, fixed = p, n
		}
	}
	return best
}

func indexes(list []string) []int {
	out := make([]int, len(list))
	for i := range out {
		out[i] = i
	}
	return out
}

// valid checks JSON against the schema of an answer in the document.
func valid(t testing.TB, all *schemas, path, method, status, kind, text string) {
	t.Helper()
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", "%", "%25")
	where := fmt.Sprintf("openapi.json#/paths/%s/%s/responses/%s/content/%s/schema", escape.Replace(path), method, status, escape.Replace(kind))
	schema := all.ready[where]
	if schema == nil {
		var err error
		if schema, err = all.compiler.Compile(where); err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		all.ready[where] = schema
	}
	x, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, text)
	}
	if err := schema.Validate(x); err != nil {
		t.Errorf("%s %s: %v\n%s", method, path, err, text)
	}
}

func TestAnswersAreAsDescribed(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	d, compiler := document(t, c)
	if a := c.ask(http.MethodPost, "/api/v1/incidents/i1/ack", nil); a.status != http.StatusOK {
		t.Fatalf("ack: %d %s", a.status, a.body)
	}
	post(t, c, "/api/v1/subscriptions", `{"name":"noc","to":["slack"],"match":{"hosters":["mccolo"],"severity":"critical"},"quiet":{"windows":[{"days":["sat","sun"],"hours":["22:00-07:00"],"zone":"Europe/Paris"}],"unless":"critical"},"escalate":[{"after":"15m","to":["slack"]}]}`, http.StatusCreated)
	post(t, c, "/api/v1/silences", `{"match":{"upstreams":[6939]},"until":"2199-01-01T00:00:00Z","reason":"planned work"}`, http.StatusCreated)
	seen := map[string]bool{}
	for _, example := range examples {
		a := c.get("/api/v1" + example)
		if a.status != http.StatusOK {
			t.Errorf("%s: %d %s", example, a.status, a.body)
			continue
		}
		path := d.operationOf(example)
		seen[path] = true
		valid(t, compiler, path, "get", "200", "application/json", a.body)
	}
	for path, methods := range d.Paths {
		if _, ok := methods["get"]; ok && !seen[path] && !strings.HasSuffix(path, ".svg") && !strings.HasSuffix(path, ".png") && path != "/api/v1/stream" {
			t.Errorf("%s has no example", path)
		}
	}
	for _, wrong := range []string{"/hosters/none", "/hosters/none/timeline", "/prefixes/192.0.2.0%2F24/timeline", "/asns/no/timeline", "/events?limit=-1", "/events?limit=x", "/events?cursor=AA", "/events?kinds=x",
		"/events?severity=loud", "/incidents/none", "/bgplay", "/bgplay?resource=nobody", "/gaps?from=2008-11-12&to=2008-11-11", "/explain?hoster=none&at=2008-11-11", "/explain?hoster=mccolo&at=yesterday", "/explain?hoster=mccolo&at=2199-01-01", "/deliveries?cursor=AA", "/deliveries?from=x", "/stream?after=x", "/stream?type=all", "/hosters/none/dossier", "/families/none", "/families?cursor=AA", "/search?q=" + strings.Repeat("x", 201)} {
		a := c.get("/api/v1" + wrong)
		if a.status != http.StatusNotFound && a.status != http.StatusBadRequest || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s %s", wrong, a.status, a.header.Get("Content-Type"), a.body)
			continue
		}
		valid(t, compiler, d.operationOf(wrong), "get", "default", "application/problem+json", a.body)
	}
}

// post sends JSON and wants a status.
func post(t testing.TB, c *caller, path, body string, status int) answered {
	t.Helper()
	a := c.ask(http.MethodPost, path, strings.NewReader(body), "Content-Type", "application/json")
	if a.status != status {
		t.Errorf("POST %s %s: %d, want %d: %s", path, body, a.status, status, a.body)
	}
	return a
}

// What is not configured is said, with what to configure; nothing is made up.
func TestAbsentParts(t *testing.T) {
	w := newWorld(t)
	deps := w.deps()
	deps = web.Deps{Monitor: w, Metrics: deps.Metrics, Logger: deps.Logger}
	c := newCaller(t, start(t, web.Config{}, deps))
	for path, word := range map[string]string{"/hosters/mccolo/timeline": "timeline", "/asns/26780/timeline.svg": "picture", "/events": "timeline", "/incidents/i1": "timeline", "/events?format=csv": "timeline",
		"/subscriptions": "notify", "/silences": "notify", "/receivers": "notify", "/deliveries": "timeline", "/explain?hoster=mccolo&at=2008-11-11": "timeline", "/bgplay?resource=AS26780": "timeline", "/still": "timeline", "/hosters/mccolo/dossier": "sightings", "/families": "sightings", "/families/rustock": "sightings", "/prefixes/192.0.2.0/24/routes": "timeline"} {
		if a := c.get("/api/v1" + path); a.status != http.StatusNotImplemented || !strings.Contains(a.body, word) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for path, body := range map[string]string{"/incidents/i1/ack": "", "/incidents/i1/comments": `{"text":"x"}`, "/subscriptions": `{"name":"x","to":["y"]}`, "/subscriptions/test": `{}`, "/silences": `{"until":"2199-01-01T00:00:00Z","reason":"x"}`, "/sightings": `{"family":"x"}`} {
		post(t, c, "/api/v1"+path, body, http.StatusNotImplemented)
	}
	a := c.get("/api/v1/upstreams/6939")
	var up web.Upstream
	if err := json.Unmarshal([]byte(a.body), &up); err != nil || a.status != http.StatusOK || len(up.Carries) != 1 || up.History != nil || len(up.Missing) != 1 {
		t.Errorf("upstreams: %d %s", a.status, a.body)
	}
}
