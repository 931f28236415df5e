package web_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"testing"

	"depeer/web"
)

func TestAboutAPrefix(t *testing.T) {
	w := newWorld(t)
	d := w.deps()
	d.RPKI = func(p netip.Prefix, origin uint32) string {
		if p == mccolo && origin == 26780 {
			return "valid"
		}
		return ""
	}
	c := newCaller(t, start(t, web.Config{}, d))
	for _, path := range []string{"/prefixes/208.66.192.0/22", "/prefixes/208.66.192.0%2F22", "/prefixes/208.66.195.15", "/prefixes/208.66.192.0/22?at=2008-11-11T12:40:00Z"} {
		a := c.get("/api/v1" + path)
		var x web.AboutPrefix
		if err := json.Unmarshal([]byte(a.body), &x); a.status != http.StatusOK || err != nil {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		if x.Prefix != mccolo || len(x.Hosters) != 1 || x.Hosters[0].Name != "McColo Corp." || x.Hosters[0].State != "partly" ||
			len(x.Origins) != 1 || x.Origins[0] != (web.KnownOrigin{ASN: 26780, Hoster: "mccolo", RPKI: "valid"}) || len(x.Memory.Prefixes) != 1 || x.Memory.Prefixes[0].Peers != 3 {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	// What nobody remembers is no error.
	a := c.get("/api/v1/prefixes/198.51.100.0/24")
	var x web.AboutPrefix
	if err := json.Unmarshal([]byte(a.body), &x); a.status != http.StatusOK || err != nil || len(x.Missing) != 1 || len(x.Origins) != 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	// A path that looks like a prefix and is none is refused, not another question.
	for path, want := range map[string]int{"/prefixes/208.66.192.0/99": http.StatusBadRequest, "/prefixes/208.66.192.0/22/nothing": http.StatusNotFound, "/prefixes/a/b/c/d": http.StatusNotFound, "/prefixes/2001:db8::/32/routes": http.StatusNotFound} {
		if a := c.get("/api/v1" + path); a.status != want {
			t.Errorf("%s: %d %s, want %d", path, a.status, a.body, want)
		}
	}
}

func TestAboutAnAS(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	ask := func(path string) (x web.AboutAS) {
		t.Helper()
		a := c.get("/api/v1" + path)
		if err := json.Unmarshal([]byte(a.body), &x); a.status != http.StatusOK || err != nil {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		return x
	}
	if x := ask("/asns/AS26780"); len(x.Hosters) != 1 || len(x.Carries) != 0 || len(x.Memory.Prefixes) != 1 || len(x.Missing) != 0 {
		t.Errorf("%+v", x)
	}
	if x := ask("/asns/6939"); len(x.Hosters) != 0 || len(x.Carries) != 1 || x.Carries[0].Name != "McColo Corp." || x.Memory.Through != 1 || len(x.Missing) != 1 {
		t.Errorf("%+v", x)
	}
	if x := ask("/asns/64999"); len(x.Memory.Prefixes) != 0 || len(x.Missing) != 1 {
		t.Errorf("%+v", x)
	}
	d := w.deps()
	d.About = nil
	c = newCaller(t, start(t, web.Config{}, d))
	if x := ask("/asns/64999"); x.Memory != nil || len(x.Missing) != 1 {
		t.Errorf("without a memory: %+v", x)
	}
}
