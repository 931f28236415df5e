package web

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"depeer/watch"
	"depeer/web/access"
)

// Change is what the stream tells of the board: hosters and feeds that stand otherwise than
// before. What only goes on (a moment, a lag) is no change.
type Change struct {
	Type    string           `json:"type"` // "status"
	Now     time.Time        `json:"now"`
	Judged  time.Time        `json:"judged"`
	Ready   bool             `json:"ready"`
	Reasons []string         `json:"reasons"`
	Hosters []watch.Standing `json:"hosters"` // those that have changed, or are new
	Gone    []string         `json:"gone"`    // ids of those that are watched no more
	Feeds   []Feed           `json:"feeds"`   // those that have changed
}

// look tells changes of the board while there is somebody to tell.
func (h *hub) look(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		h.compare()
	}
}

// compare looks at the board, and tells how it differs from before.
func (h *hub) compare() {
	h.looking.Lock()
	defer h.looking.Unlock()
	if readers, _ := h.counts(); readers == 0 {
		h.last = nil
		return
	}
	now := h.monitor.Status()
	next := memoOf(&now)
	if c := next.since(h.last, &now); c != nil {
		h.status(c)
	}
	h.last = next
}

// remember looks at the board for the first reader: what changes from here on is told.
func (h *hub) remember() {
	h.looking.Lock()
	defer h.looking.Unlock()
	if h.last == nil {
		now := h.monitor.Status()
		h.last = memoOf(&now)
	}
}

func (h *hub) status(c *Change) {
	body, err := json.Marshal(c)
	if err != nil {
		h.logger.Error("a change of the board cannot be told", "err", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(item{kind: "status", scope: access.None, frame: frame("status", "", body)})
}

// memo is what matters of a board.
type memo struct {
	ready   bool
	reasons []string
	hosters map[string]string
	feeds   map[string]string
}

func memoOf(s *Status) *memo {
	m := &memo{s.Ready, s.Reasons, make(map[string]string, len(s.Hosters)), make(map[string]string, len(s.Feeds))}
	for i := range s.Hosters {
		x := &s.Hosters[i]
		text := fmt.Sprint(x.State, x.Prefixes, x.Withdrawn, x.Incident, x.Eligible > 0, rounded(x.Visibility))
		for _, u := range x.Upstreams {
			text += fmt.Sprint(";", u.ASN, u.Family, u.Lost, !u.HoldEnds.IsZero(), rounded(u.Share))
		}
		m.hosters[x.Hoster] = text
	}
	for i := range s.Feeds {
		f := &s.Feeds[i]
		m.feeds[f.Name] = fmt.Sprint(f.Ready, f.Reason, f.Peers, f.Up)
	}
	return m
}

// rounded is a share in percent: less is noise.
func rounded(share float64) int { return int(math.Round(100 * share)) }

// since is what has changed, nil where nothing has. Without a board before, nothing has.
func (m *memo) since(last *memo, s *Status) *Change {
	if last == nil {
		return nil
	}
	c := &Change{Type: "status", Now: s.Now, Judged: s.Judged, Ready: s.Ready, Reasons: s.Reasons, Hosters: []watch.Standing{}, Gone: []string{}, Feeds: []Feed{}}
	for _, x := range s.Hosters {
		if last.hosters[x.Hoster] != m.hosters[x.Hoster] {
			c.Hosters = append(c.Hosters, x)
		}
	}
	for id := range last.hosters {
		if _, ok := m.hosters[id]; !ok {
			c.Gone = append(c.Gone, id)
		}
	}
	slices.Sort(c.Gone)
	for _, f := range s.Feeds {
		if last.feeds[f.Name] != m.feeds[f.Name] {
			c.Feeds = append(c.Feeds, f)
		}
	}
	if len(c.Hosters)+len(c.Gone)+len(c.Feeds) == 0 && last.ready == m.ready && slices.Equal(last.reasons, m.reasons) {
		return nil
	}
	return c
}
