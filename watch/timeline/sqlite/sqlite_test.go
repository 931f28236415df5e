package sqlite

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"depeer/watch/timeline"
	"depeer/watch/timeline/table"
	"depeer/watch/timeline/timelinetest"
)

// opener opens stores in files of the test's own.
func opener(options ...table.Option) timelinetest.Opener {
	var mu sync.Mutex
	folders := map[*testing.T]string{}
	return func(t *testing.T, name string) timeline.Store {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if folders[t] == "" {
			folders[t] = t.TempDir()
		}
		s, err := Open(context.Background(), filepath.Join(folders[t], name+".db"), options...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestStore(t *testing.T) { timelinetest.Run(t, opener()) }

// TestSmallStore: the borders that a store of many changes meets.
func TestSmallStore(t *testing.T) { timelinetest.Run(t, opener(table.Small(100, 16, 32, 300))) }
