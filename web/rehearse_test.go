package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"depeer/watch"
	"depeer/web"
)

func (d *desk) Receivers() []web.Receiver {
	return []web.Receiver{{Name: "pager", Type: "pagerduty"}, {Name: "slack", Type: "slack"}}
}

// Rehearse tells what it was asked for.
func (d *desk) Rehearse(_ context.Context, q web.Rehearse) (*web.Rehearsed, error) {
	if q.Subscription != nil && len(q.Subscription.To) == 0 {
		return nil, fmt.Errorf("to: names no receiver: %w", web.ErrRefused)
	}
	return &web.Rehearsed{From: q.From, To: q.To, Heard: 2, Unwanted: 1, Sums: []web.Sum{{Receiver: "slack", New: 1}},
		Lines: []web.Rehearsal{{At: at(31), Receiver: "slack", Sent: true, Title: strings.Join(q.Names, " ")}, {At: at(40), Title: "x", Why: "no subscription matches"}}}, nil
}

func (w *world) explainAt(_ context.Context, word string, at time.Time) (*web.Explanations, error) {
	if word == "none" {
		return nil, fmt.Errorf("%s is nobody: %w", word, web.ErrUnknown)
	}
	return &web.Explanations{At: at, Memory: true, Explanations: []watch.Explanation{{Prefix: mccolo, Hoster: "mccolo", At: at, Verdict: "withdrawn", Peers: []watch.PeerView{{Peer: "AS64501 192.0.2.1 at rrc00"}}}},
		Events: []watch.Event{event()}, Incidents: []watch.Incident{incident(2)}, Gaps: []watch.Gap{gap()}, Told: []web.Told{}}, nil
}

func answer[T any](t *testing.T, a answered, status int) (out T) {
	t.Helper()
	if a.status != status {
		t.Fatalf("%d, want %d: %s", a.status, status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return out
}

func TestRehearse(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	d, compiler := document(t, c)
	a := post(t, c, "/api/v1/subscriptions/test", `{"names":["noc"],"from":"2008-11-11T00:00:00Z","to":"2008-11-12T00:00:00Z"}`, http.StatusOK)
	valid(t, compiler, "/api/v1/subscriptions/test", "post", "200", "application/json", a.body)
	x := answer[web.Rehearsed](t, a, http.StatusOK)
	if x.From.Day() != 11 || x.To.Day() != 12 || len(x.Lines) != 2 || x.Lines[0].Title != "noc" || x.Heard != 2 {
		t.Errorf("%+v", x)
	}
	if o := d.Paths["/api/v1/subscriptions/test"]["post"]; o.Scope != "operator" {
		t.Errorf("scope %q", o.Scope)
	}
	// Without a time, the last week of what is watched.
	x = answer[web.Rehearsed](t, post(t, c, "/api/v1/subscriptions/test", `{}`, http.StatusOK), http.StatusOK)
	if x.To.Sub(x.From) != 7*24*time.Hour || time.Since(x.To) > time.Hour {
		t.Errorf("from %s to %s", x.From, x.To)
	}
	for body, word := range map[string]string{
		`{"from":"2008-11-12T00:00:00Z","to":"2008-11-11T00:00:00Z"}`:                "before from",
		`{"from":"2000-01-01T00:00:00Z","to":"2008-11-11T00:00:00Z"}`:                "366 days",
		`{"names":["noc"],"subscription":{"name":"x","to":["slack"]}}`:               "not both",
		`{"subscription":{"name":"x","to":[]}}`:                                      "to: names no receiver",
		`{"subscription":{"name":"X Y","to":["slack"]}}`:                             "body.subscription.name",
		`{"subscription":{"name":"x","to":["slack"],"match":{"severity":"loud"}}}`:   "body.subscription.match.severity",
		`{"subscription":{"name":"x","to":["slack"],"match":{"prefixes":["oops"]}}}`: "prefixes",
		`{"name":["noc"]}`: "name",
	} {
		if a := post(t, c, "/api/v1/subscriptions/test", body, http.StatusBadRequest); !strings.Contains(a.body, word) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
}

func TestReceiversHaveNoSecrets(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	list := answer[[]map[string]any](t, c.get("/api/v1/receivers"), http.StatusOK)
	if len(list) != 2 || len(list[0]) != 2 || list[0]["name"] != "pager" || list[0]["type"] != "pagerduty" {
		t.Errorf("%v", list)
	}
}

func TestDeliveries(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	for query, want := range map[string]int{"": 1, "?hoster=mccolo": 1, "?hoster=other": 0, "?receiver=slack,pager": 1, "?receiver=pager": 0, "?outcome=failed": 1, "?outcome=sent,held": 0, "?incident=i1": 1, "?incident=i2": 0,
		"?from=2008-11-11&to=2008-11-11": 1, "?from=2008-11-12": 0} {
		x := answer[web.List[web.Told]](t, c.get("/api/v1/deliveries"+query), http.StatusOK)
		if len(x.Items) != want || want == 1 && (x.Items[0].Receiver != "slack" || x.Items[0].Outcome != "failed" || x.Items[0].Why != "503" || x.Items[0].For[0] != "noc") {
			t.Errorf("%q: %+v", query, x.Items)
		}
	}
}

func TestExplainAt(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	x := answer[web.Explanations](t, c.get("/api/v1/explain?hoster=mccolo&at=2008-11-11T12:40:00Z"), http.StatusOK)
	if !x.Memory || !x.At.Equal(at(40)) || len(x.Explanations[0].Peers) != 1 || len(x.Events) != 1 || len(x.Incidents) != 1 {
		t.Errorf("%+v", x)
	}
	x = answer[web.Explanations](t, c.get("/api/v1/explain?hoster=mccolo&at=2008-11-11T12:40:00Z&brief=true"), http.StatusOK)
	if len(x.Explanations[0].Peers) != 0 {
		t.Errorf("briefly: %+v", x)
	}
	// Now: what is open, and whom the messages of the memory went to.
	x = answer[web.Explanations](t, c.get("/api/v1/explain?hoster=mccolo"), http.StatusOK)
	if x.Memory || x.At.IsZero() || len(x.Incidents) != 1 || x.Incidents[0].ID != "i1" || len(x.Told) != 1 || x.Told[0].Receiver != "slack" {
		t.Errorf("%+v", x)
	}
	for query, status := range map[string]int{"hoster=none&at=2008-11-11": 404, "hoster=mccolo&at=2199-01-01": 400, "hoster=mccolo&at=soon": 400, "at=2008-11-11": 400} {
		if a := c.get("/api/v1/explain?" + query); a.status != status {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
}
