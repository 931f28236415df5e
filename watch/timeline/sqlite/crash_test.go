package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"depeer/watch/timeline"
	"depeer/watch/timeline/table"
	"depeer/watch/timeline/timelinetest"
)

const (
	crashSeed    = 11
	crashBatches = 60
)

// TestMain is also the process that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("DEPEER_CRASH_STORE"); path != "" {
		if err := ingest(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// ingest stores the story from where the store ends, and maintains it all the time. It says
// what it is about to do, a line each.
func ingest(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, path, table.Small(60, 16, 32, 1000))
	if err != nil {
		return err
	}
	at, err := s.Cursors(ctx)
	if err != nil {
		return err
	}
	for _, b := range timelinetest.Story(crashSeed, crashBatches)[at["log"]:] {
		fmt.Println("write", b.Cursors["log"])
		if err := s.Write(ctx, b); err != nil {
			return err
		}
		if b.Cursors["log"]%3 == 0 {
			fmt.Println("maintain", b.Cursors["log"])
			if _, err := s.Maintain(ctx, b.Recorded.AddDate(0, 1, 0), timeline.Retention{}); err != nil {
				return err
			}
		}
	}
	return s.Close()
}

// TestKill: a process that stores and maintains is killed with -9 again and again, anywhere;
// what it leaves at the end is what an undisturbed one does. DEPEER_KILLS says how often it is
// killed (5).
func TestKill(t *testing.T) {
	kills := 5
	if n, err := strconv.Atoi(os.Getenv("DEPEER_KILLS")); err == nil {
		kills = n
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(uint64(kills), 9))
	path := filepath.Join(t.TempDir(), "crash.db")
	killed := 0
	for {
		lines := -1 // to the end
		if killed < kills {
			lines = 1 + random.IntN(2*4*crashBatches/3/(kills+1))
		}
		done, err := runUntil(t, program, path, lines)
		if err != nil {
			t.Fatal(err)
		}
		if done {
			break
		}
		killed++
	}
	if killed == 0 {
		t.Error("it was never killed")
	}
	s, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	t.Logf("killed %d times", killed)
	timelinetest.Equal(t, s, timelinetest.Story(crashSeed, crashBatches))
	var sound string
	if err := s.write.QueryRow("PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("the file: %s, %v", sound, err)
	}
}

// runUntil starts the process and kills it when it has said so many lines; true where it
// came to its end before.
func runUntil(t *testing.T, program, path string, lines int) (bool, error) {
	t.Helper()
	c := exec.Command(program)
	c.Env = append(os.Environ(), "DEPEER_CRASH_STORE="+path)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := c.Start(); err != nil {
		return false, err
	}
	killed := false
	for in := bufio.NewScanner(out); in.Scan(); {
		if lines--; lines == 0 {
			killed = true
			if err := c.Process.Kill(); err != nil {
				return false, err
			}
		}
	}
	if err := c.Wait(); err != nil && !killed {
		return false, err
	}
	return !killed, nil
}
