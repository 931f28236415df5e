package realdata

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "mrt", "day"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DEPEER_DATA", dir)
	if got, err := Find("mrt", "day"); err != nil || got != filepath.Join(dir, "mrt", "day") {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := Find("bmp"); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "bmp")) {
		t.Errorf("what is absent: %v", err)
	}
	t.Setenv("DEPEER_DATA", "")
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "bgp", "bgptest", "realdata")); err != nil {
		t.Errorf("%s is not the repository: %v", root, err)
	}
	t.Chdir(dir)
	if _, err := Find("mrt"); err == nil {
		t.Error("found outside of the repository")
	}
}
