package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"depeer/bgp/fetch"
)

// state is what a feed knows beside its last good copy.
type state struct {
	Done    string            `json:"done"`             // which copy was handed out whole
	Profile *Profile          `json:"profile"`          // of the last download that was believed
	Since   time.Time         `json:"since,omitzero"`   // when what is in quarantine was first seen so
	After   string            `json:"after,omitempty"`  // of taxii: added_after
	Events  map[string]string `json:"events,omitempty"` // of misp-feed: the timestamp of each event that was read
}

func (f *Feed) statePath() string { return filepath.Join(f.dir, f.cfg.Name+".state") }

func (f *Feed) loadState() error {
	text, err := os.ReadFile(f.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		// It is made anew: then the last download is handed out again, and judged by itself.
		f.log.Warn("the state of a feed cannot be read", "feed", f.cfg.Name, "err", err)
		return nil
	}
	f.state = s
	return nil
}

func (f *Feed) saveState() error {
	text, err := json.Marshal(f.state)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	if err := fetch.Replace(f.statePath(), text); err != nil {
		return fmt.Errorf("keep the state of feed %s: %w", f.cfg.Name, err)
	}
	return nil
}
