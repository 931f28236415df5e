// Package realdata finds what other people recorded: archives, captures and lists
// that are no part of the repository. A test that needs them skips where they are
// absent, saying so.
package realdata

import (
	"fmt"
	"os"
	"path/filepath"
)

// Find gives the path of a part of the data: below the folder that DEPEER_DATA names,
// or else below shared/data beside the repository. The error says where it was
// looked for.
func Find(elem ...string) (string, error) {
	dir := os.Getenv("DEPEER_DATA")
	if dir == "" {
		root, err := repository()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(filepath.Dir(root), "shared", "data")
	}
	name := filepath.Join(append([]string{dir}, elem...)...)
	if _, err := os.Stat(name); err != nil {
		return "", fmt.Errorf("no recorded data (set DEPEER_DATA): %w", err)
	}
	return name, nil
}

// repository is the folder of go.mod, from where a test runs upwards.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no recorded data (set DEPEER_DATA): not within the repository")
		}
		dir = up
	}
}
