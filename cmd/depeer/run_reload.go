package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"
)

// fileState remembers the configuration file as it was last read and last looked at.
type fileState struct {
	turn sync.Mutex // held by who puts lists in force: the last one to begin is the last to end

	mu     sync.Mutex
	read   [sha256.Size]byte // guarded by mu; as it was last read, with or without fault
	looked [sha256.Size]byte // guarded by mu
	gone   string            // guarded by mu; why it cannot be looked at, as it was last told
}

// loaded notes that the file was read just now.
func (f *fileState) loaded(name string) {
	if text, err := os.ReadFile(name); err == nil {
		f.mu.Lock()
		f.read = sha256.Sum256(text)
		f.mu.Unlock()
	}
}

// changed reports whether the file is another one than was last read, and has been
// the same at two looks: who writes it may not be done. It is looked at whole: a
// file that was replaced may have any time. An error is told once.
func (f *fileState) changed(name string) (bool, error) {
	text, err := os.ReadFile(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if f.gone == err.Error() {
			return false, nil
		}
		f.gone = err.Error()
		return false, err
	}
	f.gone = ""
	sum := sha256.Sum256(text)
	steady := sum == f.looked
	f.looked = sum
	return steady && sum != f.read, nil
}

// lookForChange reloads the configuration when its file has changed.
func (m *monitor) lookForChange(ctx context.Context) error {
	changed, err := m.reloading.changed(m.file)
	if err != nil {
		return fmt.Errorf("the configuration cannot be read, the old one stays: %w", err)
	}
	if changed {
		m.reload(ctx, "the file changed")
	}
	return nil
}

// reload puts the file's watchlist and policy in force. A file with a fault changes
// nothing. What cannot be changed in a running process is named.
func (m *monitor) reload(ctx context.Context, why string) {
	m.reloading.loaded(m.file)
	cfg, err := LoadConfig(m.file)
	if err == nil && len(cfg.Hosters)+len(cfg.Watchlists) == 0 && len(m.lists.hosters()) > 0 {
		// A file that is being written is empty for a moment, and that is no fault of its
		// form. Who wants to watch nobody can stop.
		err = errors.New("it names neither hosters nor watchlists")
	}
	if err != nil {
		var many Faults
		if errors.As(err, &many) {
			for _, f := range many {
				m.log.Error("the configuration has a fault, the old one stays", "fault", f.String())
			}
		} else {
			m.log.Error("the configuration cannot be used, the old one stays", "file", m.file, "err", err)
		}
		return
	}
	for name, same := range map[string]bool{
		"sources": reflect.DeepEqual(cfg.Sources, m.cfg.Sources), "bus": reflect.DeepEqual(cfg.Bus, m.cfg.Bus),
		"watchlists": reflect.DeepEqual(cfg.Watchlists, m.cfg.Watchlists), "web": reflect.DeepEqual(cfg.Web, m.cfg.Web), "run": cfg.Run == m.cfg.Run,
	} {
		if !same {
			m.log.Warn("a changed section has an effect only after a restart", "section", name)
		}
	}
	if m.herald != nil && !reflect.DeepEqual(cfg.Notify, *m.herald.configured()) {
		if err := m.herald.configure(cfg.Notify); err != nil {
			m.log.Error("the section notify cannot be used, the old one stays", "err", err)
		} else {
			m.log.Info("another section notify is in force", "receivers", len(cfg.Notify.Receivers), "subscriptions", len(cfg.Notify.Subscriptions))
		}
	}
	m.lists.configure(cfg)
	m.applyLists(ctx, why)
}

// applyLists puts the lists as they are now in force everywhere.
func (m *monitor) applyLists(ctx context.Context, why string) {
	m.reloading.turn.Lock()
	defer m.reloading.turn.Unlock()
	watched, policy := m.lists.watchlist()
	if m.judge != nil {
		m.judge.rewatch(watched, policy)
		m.moves.rewatch(watched)
	}
	if x := m.memory.Load(); x != nil {
		x.rewatch(watched.Hosters)
	}
	if m.collect.Load() != nil {
		m.collect.Load().roll.replace(watched.Hosters)
		list, err := m.followed(ctx, m.collect.Load().roll)
		if err != nil {
			m.log.Error("reload", "err", err)
			return
		}
		m.collect.Load().shared.Replace(list)
	}
	m.log.Info("watchlist in force", "why", why, "hosters", len(watched.Hosters))
	if m.judge != nil {
		if err := m.saveAll(ctx); err != nil {
			m.log.Error("save after a reload", "err", err)
		}
	}
}
