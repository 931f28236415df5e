package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"reflect"
	"sync"
)

// fileState remembers the configuration file as it was last looked at.
type fileState struct {
	mu   sync.Mutex
	seen [sha256.Size]byte // guarded by mu
}

var reloading fileState

// lookForChange reloads the configuration when its file has changed. It is looked at
// whole: a file that was replaced may have any time.
func (m *monitor) lookForChange(ctx context.Context) error {
	text, err := os.ReadFile(m.file)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	reloading.mu.Lock()
	first, changed := reloading.seen == [sha256.Size]byte{}, reloading.seen != sum
	reloading.seen = sum
	reloading.mu.Unlock()
	if changed && !first {
		m.reload(ctx, "the file changed")
	}
	return nil
}

// reload puts the file's watchlist and policy in force. A file with a fault changes
// nothing. What cannot be changed in a running process is named.
func (m *monitor) reload(ctx context.Context, why string) {
	cfg, err := LoadConfig(m.file)
	if err != nil {
		var many Faults
		if errors.As(err, &many) {
			for _, f := range many {
				m.log.Error("the configuration has a fault, the old one stays", "fault", f.String())
			}
		} else {
			m.log.Error("the configuration cannot be read, the old one stays", "err", err)
		}
		return
	}
	for name, same := range map[string]bool{
		"sources": reflect.DeepEqual(cfg.Sources, m.cfg.Sources), "bus": reflect.DeepEqual(cfg.Bus, m.cfg.Bus),
		"web": cfg.Web == m.cfg.Web, "run": cfg.Run == m.cfg.Run,
	} {
		if !same {
			m.log.Warn("a changed section has an effect only after a restart", "section", name)
		}
	}
	m.lists.configure(cfg)
	m.applyLists(ctx, why)
}

// applyLists puts the lists as they are now in force everywhere.
func (m *monitor) applyLists(ctx context.Context, why string) {
	watched, policy := m.lists.watchlist()
	if m.judge != nil {
		m.judge.rewatch(watched, policy)
	}
	if m.collect != nil {
		m.collect.roll.replace(watched.Hosters)
		list, err := m.followed(ctx, m.collect.roll)
		if err != nil {
			m.log.Error("reload", "err", err)
			return
		}
		m.collect.shared.Replace(list)
	}
	m.log.Info("watchlist in force", "why", why, "hosters", len(watched.Hosters))
	if m.judge != nil {
		if err := m.saveAll(ctx); err != nil {
			m.log.Error("save after a reload", "err", err)
		}
	}
}
