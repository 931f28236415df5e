package rib

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets random tests draw the same in every run; -rapid.seed and
// -rapid.checks look further.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.seed"); f != nil && f.Value.String() == f.DefValue {
		_ = f.Value.Set("20081111")
		_ = flag.Set("rapid.nofailfile", "true")
	}
	os.Exit(m.Run())
}
