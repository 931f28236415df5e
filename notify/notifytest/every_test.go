package notifytest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A receiver that is not proved by the suite promises what nobody has seen.
func TestEveryReceiverRunsTheSuite(t *testing.T) {
	files, err := filepath.Glob("../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	receivers, proved := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Base(filepath.Dir(f))
		test := strings.HasSuffix(f, "_test.go")
		if !test && strings.Contains(string(text), "_ notify.Receiver = ") {
			receivers[dir] = true
		}
		if test && (strings.Contains(string(text), "notifytest.Run(t") || strings.Contains(string(text), "notifytest.Contents(t")) {
			proved[dir] = true
		}
	}
	if len(receivers) < 11 {
		t.Errorf("only %v are receivers", receivers)
	}
	for name := range receivers {
		if !proved[name] {
			t.Errorf("notify/%s does not run the suite", name)
		}
	}
}

// A check that finds nothing finds nothing wrong either.
func TestSecretsAreFound(t *testing.T) {
	type config struct{ token string }
	for _, thing := range []any{
		config{"planted-secret"}, &config{"planted-secret"}, map[string]string{"a": "planted-secret"}, "x planted-secret y",
		"cGxhbnRlZC1zZWNyZXQ=", struct{ A string }{"planted-secret"},
	} {
		var inner testing.T
		NoSecrets(&inner, []string{"planted-secret"}, thing)
		if !inner.Failed() {
			t.Errorf("%T hides it from the check", thing)
		}
	}
}
