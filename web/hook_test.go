package web_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"depeer/web"
	"depeer/web/access"
)

// A service that answers has no token of ours: the receiver behind the hook checks it. All
// else asks for one.
func TestHooks(t *testing.T) {
	w := newWorld(t)
	deps := w.deps()
	deps.Tokens = access.NewTokens(filepath.Join(t.TempDir(), access.TokenFile))
	var heard string
	deps.Hook = func(name string) http.Handler {
		if name != "noc-slack" {
			return nil
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			heard = string(body)
			w.WriteHeader(http.StatusAccepted)
		})
	}
	cfg := web.DefaultConfig()
	cfg.Listen, cfg.Auth.Tokens = "127.0.0.1:0", true
	s := start(t, cfg, deps)
	post := func(path string) int {
		resp, err := http.Post("http://"+s.Addr().String()+path, "application/x-www-form-urlencoded", strings.NewReader("payload=1"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if code := post("/hooks/noc-slack"); code != http.StatusAccepted || heard != "payload=1" {
		t.Errorf("the receiver's hook: %d, it heard %q", code, heard)
	}
	if code := post("/hooks/other"); code != http.StatusNotFound {
		t.Errorf("a hook that is none: %d", code)
	}
	if code := post("/api/v1/incidents/x/ack"); code != http.StatusUnauthorized {
		t.Errorf("without a token an incident is acknowledged: %d", code)
	}
}
