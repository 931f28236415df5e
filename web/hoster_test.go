package web_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"depeer/watch/timeline"
	"depeer/web"
)

// answerOf asks, and reads what is answered.
func answerOf[T any](c *caller, path string) (x T) {
	c.t.Helper()
	a := c.get("/api/v1" + path)
	if err := json.Unmarshal([]byte(a.body), &x); a.status != http.StatusOK || err != nil {
		c.t.Fatalf("%s: %d %s", path, a.status, a.body)
	}
	return x
}

// A hoster that is seen now has a story up to now, although nothing changed since; of one
// that nobody sees, nothing is said of what came after.
func TestAStoryEndsNow(t *testing.T) {
	w := newWorld(t)
	deps := w.deps()
	now := at(300)
	deps.Now = func() time.Time { return now }
	c := newCaller(t, start(t, web.Config{}, deps))
	x := answerOf[timeline.Timeline](c, "/hosters/mccolo/timeline")
	if !x.From.Equal(at(0)) || x.To.Before(now) || x.To.After(now.Add(time.Second)) {
		t.Errorf("watched: %s to %s, want %s to %s", x.From, x.To, at(0), now)
	}
	if x := answerOf[timeline.Timeline](c, "/hosters/mccolo/timeline?to=2008-11-11T12:45:00Z"); !x.To.Equal(at(45)) {
		t.Errorf("with an end of its own: to %s", x.To)
	}
	if x := answerOf[timeline.Timeline](c, "/prefixes/208.66.192.0/22/timeline"); !x.To.Equal(at(30)) {
		t.Errorf("a prefix: to %s", x.To)
	}
	w = newWorld(t)
	w.status.Hosters[0].State = "not valid now"
	deps = w.deps()
	deps.Now = func() time.Time { return now }
	c = newCaller(t, start(t, web.Config{}, deps))
	if x := answerOf[timeline.Timeline](c, "/hosters/mccolo/timeline"); !x.To.Equal(at(30)) {
		t.Errorf("not watched: to %s", x.To)
	}
}

func TestWhoLooksCloserCountsTheSamePeers(t *testing.T) {
	c := newCaller(t, start(t, web.Config{}, newWorld(t).deps()))
	const month = "/hosters/mccolo/timeline?from=2008-12-11&to=2008-12-12"
	for path, want := range map[string]int{month: 3, month + "&since=2008-11-11": 3} { // all hold it, then as now
		if x := answerOf[timeline.Timeline](c, path); len(x.Visibility) != 1 || x.Visibility[0].Points[0].Eligible != want {
			t.Errorf("%s: %+v", path, x.Visibility)
		}
	}
	if a := c.get("/api/v1" + month + "&since=never"); a.status != http.StatusBadRequest {
		t.Errorf("since=never: %d %s", a.status, a.body)
	}
}

func TestPrefixesOfAHoster(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	for path, upstream := range map[string]uint32{"/hosters/mccolo/prefixes?at=2008-11-11T12:10:00Z": 6939, "/hosters/mccolo/prefixes": 3549} {
		x := answerOf[timeline.About](c, path)
		if x.Subject != "mccolo" || len(x.Prefixes) != 1 || x.Prefixes[0].Prefix != mccolo || x.Prefixes[0].Peers != 3 || x.Prefixes[0].Eligible != 3 ||
			len(x.Prefixes[0].Upstreams) != 1 || x.Prefixes[0].Upstreams[0] != upstream {
			t.Errorf("%s: %+v", path, x)
		}
	}
	w.status.Hosters[0].Hoster = "quiet" // watched, but nothing was seen of it yet
	c = newCaller(t, start(t, web.Config{}, w.deps()))
	if x := answerOf[timeline.About](c, "/hosters/quiet/prefixes"); len(x.Prefixes) != 0 || len(x.Missing) != 1 {
		t.Errorf("%+v", x)
	}
	if a := c.get("/api/v1/hosters/none/prefixes"); a.status != http.StatusNotFound {
		t.Errorf("none: %d %s", a.status, a.body)
	}
	deps := w.deps()
	deps.About, deps.StillOf = nil, nil
	c = newCaller(t, start(t, web.Config{}, deps))
	for _, path := range []string{"/hosters/mccolo/prefixes", "/hosters/mccolo/still"} {
		if a := c.get("/api/v1" + path); a.status != http.StatusNotImplemented {
			t.Errorf("%s without a memory: %d %s", path, a.status, a.body)
		}
	}
}

func TestStillOfAHoster(t *testing.T) {
	c := newCaller(t, start(t, web.Config{}, newWorld(t).deps()))
	x := answerOf[timeline.Still](c, "/hosters/mccolo/still?at=2008-11-13T12:00:00Z")
	if x.Hoster != "mccolo" || !x.Routed || len(x.By) != 1 || x.By[0].ASN != 3549 || x.Days != 2 || x.ReportedBy != "sighting" {
		t.Errorf("%+v", x)
	}
	if a := c.get("/api/v1/hosters/none/still"); a.status != http.StatusNotFound {
		t.Errorf("none: %d %s", a.status, a.body)
	}
}
