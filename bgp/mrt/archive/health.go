package archive

import (
	"time"

	"depeer/bgp"
	"depeer/bgp/mrt"
)

// countHelp says what is counted, in order of name.
var countHelp = []struct{ name, help string }{
	{"cursor_errors", "times that a cursor could not be read or kept"},
	{"elements", "prefixes announced, withdrawn, or listed in tables"},
	{"errors", "times that an archive could not be asked"},
	{"files", "files of updates read whole"},
	{"files_broken", "files of updates that stayed broken and were passed over"},
	{"files_missing", "files of updates that never appeared"},
	{"gaps", "times that a collector was not heard"},
	{"matched", "elements that the watchlist wants"},
	{"messages", "BGP messages read"},
	{"seeds", "table dumps told"},
	{"seeds_missing", "times that no table dump could be read to begin with"},
}

func (f *Feed) count(name string, n float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[name] += n
}

func (f *Feed) add(s mrt.Stats) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts["messages"] += float64(s.Messages)
	f.counts["elements"] += float64(s.Elements)
	f.counts["matched"] += float64(s.Matched)
	f.skipped.Add(&s.Skipped)
}

// Health says how the feed is. It is ready when every collector has told all up to
// its last file. Counts hold "behind_seconds" per collector (Reason): how long ago
// that was which has last been told of it.
func (f *Feed) Health(now time.Time) bgp.Health {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := bgp.Health{Ready: f.ready, Busy: f.busy, Reason: f.reason, Since: f.since}
	behind := make([]bgp.Count, 0, len(f.shown))
	peers := make([]bgp.Count, 0, len(f.shown))
	for _, s := range f.shown {
		h.Sessions = append(h.Sessions, bgp.Session{Name: s.name, State: s.state, Up: s.up(), Since: s.since, Reason: s.reason})
		if s.heard.After(h.Heard) {
			h.Heard, h.Lag = s.heard, s.lag
		}
		if !s.until.IsZero() {
			behind = append(behind, bgp.Count{Name: "behind_seconds", Reason: s.name, Gauge: true, Value: max(now.Sub(s.until).Seconds(), 0),
				Help: "how long ago that was which a collector has last told"})
		}
		peers = append(peers, bgp.Count{Name: "peers", Reason: s.name, Gauge: true, Value: float64(s.peers), Help: "peers met at a collector"})
	}
	h.Counts = behind
	for _, c := range countHelp {
		h.Counts = append(h.Counts, bgp.Count{Name: c.name, Help: c.help, Value: f.counts[c.name]})
	}
	h.Counts = append(h.Counts, peers...)
	for r, n := range f.skipped {
		if n > 0 {
			h.Counts = append(h.Counts, bgp.Count{Name: "skipped", Reason: mrt.Reason(r).String(), Value: float64(n),
				Help: "records, or parts of one, that were passed over"})
		}
	}
	return h
}
