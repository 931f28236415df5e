package access_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"depeer/web/access"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var day = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func TestTokenLife(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", access.TokenFile)
	mine, running := access.NewTokens(path), access.NewTokens(path) // the command line, and a depeer that runs
	if _, ok, err := running.Find("depeer_x", day); ok || err != nil {
		t.Errorf("without a file: %t %v", ok, err)
	}
	secret, token, err := mine.Create("grafana", access.Viewer, day, 30*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(secret, "depeer_") || len(secret) != len("depeer_")+43 {
		t.Errorf("token %q", secret)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), strings.TrimPrefix(secret, "depeer_")) {
		t.Errorf("the token is in the file: %s %v", text, err)
	}
	for _, x := range []struct {
		secret string
		at     time.Time
		ok     bool
	}{{secret, day, true}, {secret, day.Add(30*24*time.Hour - time.Second), true}, {secret, day.Add(30 * 24 * time.Hour), false},
		{secret + "x", day, false}, {secret[:len(secret)-1], day, false}, {"", day, false}, {token.Hash, day, false}} {
		if got, ok, err := running.Find(x.secret, x.at); ok != x.ok || err != nil || ok && (got.ID != token.ID || got.Scope != access.Viewer) {
			t.Errorf("%q at %s: %t %v", x.secret, x.at, ok, err)
		}
	}
	other, second, err := mine.Create("alice", access.Operator, day.Add(time.Hour), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := running.Find(other, day); !ok {
		t.Error("a new token is not known")
	}
	list, err := mine.List()
	if err != nil || len(list) != 2 || list[0].ID != token.ID || list[1].ID != second.ID {
		t.Errorf("%v %v", list, err)
	}
	if gone, err := mine.Revoke(token.ID); err != nil || gone.Name != "grafana" {
		t.Errorf("%v %v", gone, err)
	}
	if _, ok, _ := running.Find(secret, day); ok {
		t.Error("a revoked token opens something")
	}
	if _, err := mine.Revoke(token.ID); !errors.Is(err, access.ErrNoToken) {
		t.Errorf("revoked twice: %v", err)
	}
}

func TestTokenRefused(t *testing.T) {
	mine := access.NewTokens(filepath.Join(t.TempDir(), access.TokenFile))
	for _, x := range []struct {
		name  string
		scope access.Scope
		life  time.Duration
	}{{"", access.Viewer, time.Hour}, {"a\nb", access.Viewer, time.Hour}, {"a", "root", time.Hour}, {"a", access.None, time.Hour}, {"a", access.Viewer, 0}, {"a", access.Viewer, 11 * 366 * 24 * time.Hour}} {
		if _, _, err := mine.Create(x.name, x.scope, day, x.life); err == nil {
			t.Errorf("%+v is accepted", x)
		}
	}
}

// What cannot be read, or could have been written by others, lets nobody in, and is not overwritten.
func TestTokenFileThatIsWrong(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"torn":    func(path string) error { return os.Truncate(path, 20) },
		"open":    func(path string) error { return os.Chmod(path, 0o644) },
		"version": func(path string) error { return os.WriteFile(path, []byte(`{"version":2,"tokens":[]}`), 0o600) },
		"no hash": func(path string) error {
			return os.WriteFile(path, []byte(`{"version":1,"tokens":[{"id":"x","scope":"admin","expires":"2099-01-01T00:00:00Z"}]}`), 0o600)
		},
	} {
		path := filepath.Join(t.TempDir(), access.TokenFile)
		mine := access.NewTokens(path)
		secret, _, err := mine.Create("a", access.Admin, day, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok, _ := mine.Find(secret, day); !ok {
			t.Fatal("not known")
		}
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(path)
		if _, ok, err := mine.Find(secret, day); ok || err == nil {
			t.Errorf("%s: %t %v", name, ok, err)
		}
		if _, _, err := mine.Create("b", access.Admin, day, time.Hour); err == nil {
			t.Errorf("%s: it is written over", name)
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s: it was changed", name)
		}
	}
}

func TestTokensFromManyProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), access.TokenFile)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, _, err := access.NewTokens(path).Create("x", access.Viewer, day, time.Hour); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list, err := access.NewTokens(path).List(); err != nil || len(list) != 20 {
		t.Errorf("%d tokens, %v", len(list), err)
	}
}

func TestScopes(t *testing.T) {
	for _, x := range []struct {
		have, need access.Scope
		ok         bool
	}{{access.None, access.None, true}, {access.None, access.Viewer, false}, {access.Viewer, access.Viewer, true}, {access.Viewer, access.Operator, false}, {access.Operator, access.Viewer, true},
		{access.Admin, access.Operator, true}, {"root", access.Viewer, false}} {
		if x.have.Holds(x.need) != x.ok {
			t.Errorf("%q holds %q: %t", x.have, x.need, !x.ok)
		}
	}
}
