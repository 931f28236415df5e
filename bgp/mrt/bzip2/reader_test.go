package bzip2

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recordings finds the recorded archives, which are not part of the repository.
func recordings(t testing.TB) (names []string) {
	t.Helper()
	dir := os.Getenv("DEPEER_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	err := filepath.WalkDir(filepath.Join(dir, "mrt"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".bz2") {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Skipf("no recorded data (set DEPEER_DATA): %v", err)
	}
	return names
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ours decompresses and closes.
func ours(stored []byte) ([]byte, error) {
	r := NewReader(bytes.NewReader(stored))
	defer r.Close()
	return io.ReadAll(r)
}

func TestRecordings(t *testing.T) {
	names := recordings(t)
	if testing.Short() {
		names = names[len(names)-8:]
	}
	cut := 0
	for _, name := range names {
		stored := readFile(t, name)
		want, wantErr := io.ReadAll(stdbzip2.NewReader(bytes.NewReader(stored)))
		got, err := ours(stored)
		if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) || errors.Is(err, io.ErrUnexpectedEOF) != (wantErr == io.ErrUnexpectedEOF) {
			t.Errorf("%s: %d bytes, %v; want %d bytes, %v", filepath.Base(name), len(got), err, len(want), wantErr)
		}
		if wantErr != nil {
			cut++
		}
	}
	t.Logf("%d archives, %d of them cut", len(names), cut)
}
