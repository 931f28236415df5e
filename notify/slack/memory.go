package slack

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"depeer/notify"
)

// remembered is how many messages a process knows without being told their receipts.
const remembered = 1024

// memory keeps what a Send had reached when a later step of it failed, so that the next
// try goes on there. It forgets the oldest.
type memory struct {
	mu    sync.Mutex
	by    map[string]notify.Receipt // guarded by mu
	order []string                  // keys, oldest first; guarded by mu
}

func (m *memory) get(key string) (notify.Receipt, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.by[key]
	return r, ok
}

func (m *memory) put(key string, r notify.Receipt) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		m.by = map[string]notify.Receipt{}
	}
	if _, ok := m.by[key]; !ok {
		m.order = append(m.order, key)
	}
	m.by[key] = r
	for len(m.order) > remembered {
		delete(m.by, m.order[0])
		m.order = m.order[1:]
	}
}

func (m *memory) drop(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.by, key)
	for i, k := range m.order {
		if k == key {
			m.order = append(m.order[:i:i], m.order[i+1:]...)
			return
		}
	}
}

// pace spaces the messages of each channel.
type pace struct {
	every time.Duration
	mu    sync.Mutex
	next  map[string]time.Time // when a channel may have its next message; guarded by mu
}

// take reserves the next place in a channel and gives how long it is until then. Where
// that is longer than most, nothing is reserved.
func (p *pace) take(channel string, now time.Time, most time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next = map[string]time.Time{}
	}
	at := p.next[channel]
	if at.Before(now) {
		at = now
	}
	if at.Sub(now) <= most {
		p.next[channel] = at.Add(p.every)
	}
	return at.Sub(now)
}

// wait waits for the channel's next place. One that ctx does not live to see is not waited for.
func (p *pace) wait(ctx context.Context, channel string, now func() time.Time) error {
	if p.every <= 0 {
		return nil
	}
	most := time.Duration(math.MaxInt64)
	if deadline, ok := ctx.Deadline(); ok {
		most = time.Until(deadline)
	}
	delay := p.take(channel, now(), most)
	if delay > most {
		return notify.Temporary(delay, "slack: wait for the channel's next second: %d messages are before this one", delay/p.every)
	}
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &notify.Error{Retry: true, After: delay, Err: fmt.Errorf("slack: wait for the channel's next second: %w", ctx.Err())}
	}
}
