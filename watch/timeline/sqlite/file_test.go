package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"depeer/watch/timeline"
	"depeer/watch/timeline/table"
	"depeer/watch/timeline/timelinetest"
)

func mustOpen(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustWrite(t *testing.T, s *Store, batches []*timeline.Batch) {
	t.Helper()
	for _, b := range batches {
		if err := s.Write(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// refused checks that an error names the file and says the sentence.
func refused(t *testing.T, err error, path, sentence string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), sentence) {
		t.Errorf("got %v, and it should name %s and say %q", err, path, sentence)
	}
}

func TestLaterVersionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "timeline.db")
	s := mustOpen(t, path)
	if _, err := s.write.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const sentence = "the store is of version 99, and this program knows versions up to 1: it was written by a later depeer, use that one"
	_, err = Open(context.Background(), path)
	refused(t, err, path, sentence)
	var later *table.LaterError
	if !errors.As(err, &later) {
		t.Errorf("%v is no LaterError", err)
	}
	_, err = OpenReader(context.Background(), path)
	refused(t, err, path, sentence)
	after, err := os.ReadFile(path)
	if err != nil || len(after) != len(before) {
		t.Fatalf("%d octets are %d: %v", len(before), len(after), err)
	}
	for i := range after {
		// SQLite counts in its header how often a file was opened for writing.
		if after[i] != before[i] && i/4 != 24/4 && i/4 != 92/4 {
			t.Fatalf("octet %d was altered", i)
		}
	}
}

func TestReader(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "timeline.db")
	_, err := OpenReader(ctx, path)
	refused(t, err, path, "there is none")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("asking made a file")
	}
	story := timelinetest.Story(1, 30)
	w := mustOpen(t, path)
	r, err := OpenReader(ctx, path) // as another process does, while this one writes
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for i, b := range story {
		if err := w.Write(ctx, b); err != nil {
			t.Fatal(err)
		}
		if i%10 == 9 {
			if _, err := w.Maintain(ctx, b.Recorded, timeline.Retention{}); err != nil {
				t.Fatal(err)
			}
		}
		if i%5 == 4 {
			timelinetest.Equal(t, r, story[:i+1])
		}
	}
	for _, err := range []error{r.Write(ctx, story[0]), func() error { _, err := r.Maintain(ctx, story[0].Recorded, timeline.Retention{}); return err }(), r.Settle(ctx)} {
		if !errors.Is(err, table.ErrReadOnly) {
			t.Errorf("writing to a reader: %v", err)
		}
	}
}

// TestTwoWriters: two processes that write and maintain by turns, as run and backfill do,
// make one store.
func TestTwoWriters(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "timeline.db")
	stores := []*Store{mustOpen(t, path), mustOpen(t, path)}
	story := timelinetest.Story(2, 40)
	for i, b := range story {
		s := stores[i%2]
		if err := s.Write(ctx, b); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			if _, err := s.Maintain(ctx, b.Recorded, timeline.Retention{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range stores {
		timelinetest.Equal(t, s, story)
	}
}

func TestDamagedFile(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	path := filepath.Join(dir, "text.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(ctx, path)
	refused(t, err, path, "the file is damaged")
	_, err = OpenReader(ctx, path)
	refused(t, err, path, "the file is damaged")

	// Octets of chunks that were altered on the disk are noticed when they are read, and named.
	path = filepath.Join(dir, "timeline.db")
	story := timelinetest.Story(3, 30)
	s := mustOpen(t, path)
	mustWrite(t, s, story)
	if _, err := s.Maintain(ctx, story[29].Recorded, timeline.Retention{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.Exec("UPDATE chunk SET body = substr(body, 1, length(body) - 1) || x'00' WHERE seq = (SELECT MAX(seq) FROM chunk)"); err != nil {
		t.Fatal(err)
	}
	err = s.Changes(ctx, timeline.Span{}, func(*timeline.Change) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "the packed changes are damaged: wrong checksum") || !strings.HasPrefix(err.Error(), "chunk ") {
		t.Errorf("a damaged chunk: %v", err)
	}
	if _, _, err := s.Records(ctx, timeline.RecordQuery{}); err != nil {
		t.Errorf("what is not damaged: %v", err)
	}
}

// TestFullDisk: a batch that does not fit is not stored at all; what was there stays; once
// there is room it is stored.
func TestFullDisk(t *testing.T) {
	ctx := context.Background()
	s := mustOpen(t, filepath.Join(t.TempDir(), "timeline.db"))
	story := timelinetest.Story(4, 60)
	mustWrite(t, s, story[:20])
	if _, err := s.write.Exec("PRAGMA max_page_count = 1"); err != nil { // SQLite makes it as many as there are
		t.Fatal(err)
	}
	stored := 20
	var err error
	for ; stored < len(story) && err == nil; stored++ {
		err = s.Write(ctx, story[stored])
	}
	stored--
	if err == nil || !strings.Contains(err.Error(), "the disk is full, nothing of this was stored") {
		t.Fatalf("after %d batches: %v", stored, err)
	}
	timelinetest.Equal(t, s, story[:stored])
	if _, err := s.Maintain(ctx, story[stored].Recorded, timeline.Retention{}); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("packing on a full disk: %v", err)
	}
	timelinetest.Equal(t, s, story[:stored])
	if _, err := s.write.Exec("PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, story[stored:])
	timelinetest.Equal(t, s, story)
}

func TestFolderThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(file, "timeline.db") // below a file: for root too
	_, err := Open(context.Background(), path)
	refused(t, err, path, "not a directory")
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err = Open(context.Background(), filepath.Join(dir, "timeline.db"))
	refused(t, err, dir, "permission denied")
}

func TestNothingStaysBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := mustOpen(t, filepath.Join(t.TempDir(), "a name with spaces and 100% ?&#.db"))
	mustWrite(t, s, timelinetest.Story(5, 3))
	if _, err := s.Maintain(context.Background(), time.Now(), timeline.Retention{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(context.Background(), timelinetest.Story(5, 4)[3]); err == nil {
		t.Error("a closed store took something in")
	}
}
