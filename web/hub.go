package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"depeer/watch"
	"depeer/web/access"
)

// Entry is one thing that the stream tells.
type Entry struct {
	Kind   string          // "event", "incident", "gap", ...: small letters
	Number uint64          // in the order of its kind, growing, from 1
	Body   json.RawMessage // one JSON object
}

// Log is what was told, from some point in the past on. Its methods are called from
// several goroutines.
type Log interface {
	// Follow tells every entry behind a position, each kind in its order, until ctx ends (nil) or
	// tell fails. Kinds that the position has not begin with what comes from now on.
	Follow(ctx context.Context, after Position, tell func(Entry) error) error
	// Ends gives the number of the last entry of each kind there is.
	Ends(ctx context.Context) (Position, error)
}

const (
	ringItems = 4096     // what readers may be behind, before they are cut off
	ringBytes = 16 << 20 // likewise
	recent    = 500      // of each kind, read at the start: those who come again after a restart of ours find them
	catchUps  = 8        // readers who read the log at a time, because they were away for longer
	retryLog  = time.Second
	lookEvery = time.Second // at the board, for changes, while there are readers
)

// hub gives every reader of the stream what there is, from one place. A reader has a number into
// it and no buffer of its own: a slow one holds up nobody, and costs nothing.
type hub struct {
	log      Log // nil: only the status is told
	monitor  Monitor
	said     func(context.Context, func(Said)) error // nil: notes are not told
	logger   *slog.Logger
	most     int // readers
	room     int // bytes in the ring
	catching chan struct{}
	begun    chan struct{} // closed when all is read that was there at the start

	mu      sync.Mutex
	ring    []item        // guarded by mu; the newest is last
	first   uint64        // guarded by mu; the number of ring[0] among all items
	bytes   int           // guarded by mu
	end     Position      // guarded by mu; how far the log was read
	floor   Position      // guarded by mu; everything behind it, up to end, is in the ring
	news    chan struct{} // guarded by mu; closed when there is something new
	closed  bool          // guarded by mu
	readers int           // guarded by mu
	cut     uint64        // guarded by mu

	looking sync.Mutex
	last    *memo // guarded by looking; of the board, nil while nobody reads
}

// item is one server-sent event, ready to be written.
type item struct {
	kind     string
	number   uint64 // in the log; 0: it is in none, and is not told again
	frame    []byte
	hoster   string
	word     string // kind of an event, class of an incident
	severity watch.Severity
	scope    access.Scope // that a reader needs to have
}

func newHub(log Log, m Monitor, most int, logger *slog.Logger) *hub {
	h := &hub{log: log, monitor: m, logger: logger, most: most, room: ringBytes, catching: make(chan struct{}, catchUps), begun: make(chan struct{}),
		news: make(chan struct{}), end: Position{}, floor: Position{}}
	return h
}

// run reads the log and looks at the board until ctx ends; then readers are sent away.
func (h *hub) run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { h.look(ctx) })
	if h.said != nil {
		all.Go(func() { h.notes(ctx) })
	}
	if h.log == nil {
		close(h.begun)
	} else {
		h.follow(ctx)
	}
	<-ctx.Done()
	all.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.wake()
}

func (h *hub) follow(ctx context.Context) {
	start, ok := h.start(ctx)
	if !ok {
		return
	}
	if h.reached(start) {
		close(h.begun)
		start = nil
	}
	for ctx.Err() == nil {
		h.mu.Lock()
		from := maps.Clone(h.end)
		h.mu.Unlock()
		err := h.log.Follow(ctx, from, func(e Entry) error {
			h.entry(e)
			if start != nil && h.reached(start) {
				close(h.begun)
				start = nil
			}
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		h.logger.Warn("the log cannot be followed, the stream waits", "err", err)
		wait(ctx, retryLog)
	}
}

// start finds out where the log ends, and begins a little before.
func (h *hub) start(ctx context.Context) (ends Position, ok bool) {
	for {
		ends, err := h.log.Ends(ctx)
		if err == nil {
			h.mu.Lock()
			for kind, n := range ends {
				h.end[kind] = n - min(n, recent)
			}
			h.floor = maps.Clone(h.end)
			h.mu.Unlock()
			return ends, true
		}
		if ctx.Err() != nil {
			return nil, false
		}
		h.logger.Warn("the log cannot be read, the stream waits", "err", err)
		wait(ctx, retryLog)
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (h *hub) reached(p Position) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.end.reaches(p)
}

// entry puts an entry of the log where readers find it.
func (h *hub) entry(e Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Number <= h.end[e.Kind] {
		return // told again
	}
	h.end[e.Kind] = e.Number
	h.add(itemOf(e, h.end))
}

// add puts an item into the ring, and takes out what is too old; mu is held.
func (h *hub) add(x item) {
	h.ring = append(h.ring, x)
	h.bytes += len(x.frame)
	for len(h.ring) > ringItems || h.bytes > h.room && len(h.ring) > 1 {
		old := h.ring[0]
		h.bytes -= len(old.frame)
		if old.number > 0 {
			h.floor[old.kind] = old.number
		}
		h.ring[0] = item{}
		h.ring = h.ring[1:]
		h.first++
	}
	h.wake()
}

// wake tells all who wait; mu is held.
func (h *hub) wake() {
	close(h.news)
	h.news = make(chan struct{})
}

// itemOf makes an entry ready; at is the position behind it.
func itemOf(e Entry, at Position) item {
	var about struct {
		Kind     string         `json:"kind"`
		Class    string         `json:"class"`
		Hoster   *string        `json:"hoster"`
		Severity watch.Severity `json:"severity"`
	}
	_ = json.Unmarshal(e.Body, &about) // what cannot be read has no hoster, and no filter finds it
	x := item{kind: e.Kind, number: e.Number, word: about.Kind + about.Class, severity: about.Severity, frame: frame(e.Kind, at.String(), e.Body)}
	if about.Hoster != nil {
		x.hoster = *about.Hoster
	}
	return x
}

// frame writes a server-sent event (WHATWG HTML, section 9.2).
func frame(kind, id string, body []byte) []byte {
	var b bytes.Buffer
	b.WriteString("event: " + kind + "\n")
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	b.WriteString("data: ")
	if json.Compact(&b, body) != nil { // one line, whatever was published
		b.WriteString("null")
	}
	b.WriteString("\n\n")
	return b.Bytes()
}

// change tells who did what, to those who may know.
func (h *hub) change(c access.Change) {
	body, err := json.Marshal(c)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(item{kind: "change", scope: access.Admin, frame: frame("change", "", body)})
}

// notes tells what people say about incidents. They stand in no log: whoever was away
// asks for the incident.
func (h *hub) notes(ctx context.Context) {
	for ctx.Err() == nil {
		err := h.said(ctx, func(n Said) {
			n.Type = "note"
			body, err := json.Marshal(n)
			if err != nil {
				return
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			h.add(item{kind: "note", frame: frame("note", "", body)})
		})
		if ctx.Err() != nil {
			return
		}
		h.logger.Warn("what people say about incidents cannot be followed, the stream waits", "err", err)
		wait(ctx, retryLog)
	}
}

var errFull = errors.New("the stream has as many readers as it may have (web.limits.readers)")

// join counts a reader in.
func (h *hub) join() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readers >= h.most {
		return errFull
	}
	h.readers++
	return nil
}

// leave counts it out; cut says that it was too slow.
func (h *hub) leave(cut bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readers--
	if cut {
		h.cut++
	}
}

func (h *hub) counts() (readers int, cut uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.readers, h.cut
}

// seat is where a reader begins.
type seat struct {
	cursor uint64   // number of the next item
	have   Position // of what it has already; items up to it are passed over
	end    Position // how far the hub was
	behind bool     // the ring does not reach back to it: the log has to be read, up to end
	anew   bool     // it knows numbers that there are not: the log is another one
}

// sit finds the place of a reader that has read up to a position; nil: what comes from now on.
func (h *hub) sit(have Position) seat {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := seat{cursor: h.first + uint64(len(h.ring)), have: maps.Clone(h.end), end: maps.Clone(h.end)}
	if have == nil {
		return s
	}
	for kind, n := range have {
		if n > h.end[kind] {
			s.anew = true
			return s
		}
		s.have[kind] = n
	}
	s.behind = !s.have.reaches(h.floor)
	s.cursor = h.first
	return s
}

// waiting gives what is closed when there is something new, and whether all is over.
func (h *hub) waiting() (news <-chan struct{}, closed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.news, h.closed
}

// after gives what a reader has not seen, at most so many; where there is nothing, news is
// closed when there is. lost: what it would have to see next is gone.
func (h *hub) after(cursor uint64, most int) (items []item, news <-chan struct{}, lost, closed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if cursor < h.first {
		return nil, nil, true, h.closed
	}
	from := int(cursor - h.first)
	to := min(len(h.ring), from+most)
	return slices.Clone(h.ring[from:to]), h.news, false, h.closed // the ring clears what it drops
}
