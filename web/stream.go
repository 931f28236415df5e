package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"depeer/watch"
	"depeer/web/access"
)

const (
	heartbeat    = 15 * time.Second // a comment, so that proxies and clients know that the line is alive
	writeTime    = 20 * time.Second // for one write: who does not take it is cut off
	streamTime   = 30 * time.Minute // then a reader has to come again, and to show who it is
	comeAgain    = 2 * time.Second  // after which a client does
	atATime      = 64               // items in one write, and not many more bytes than
	bytesAtATime = 32 << 10
)

type streamInput struct {
	Type     []string `query:"type" doc:"what is told: event, incident, gap, note, status, change; everything where it is missing" example:"incident"`
	Hoster   []string `query:"hoster" doc:"ids of hosters; what concerns none is told too"`
	Kind     []string `query:"kind" doc:"kinds of events, classes of incidents"`
	Severity string   `query:"severity" enum:"info,warning,critical" doc:"at least; what has none is told too"`
	After    string   `query:"after" maxLength:"400" doc:"begin behind this id, as Last-Event-ID does"`
	LastID   string   `header:"Last-Event-ID" maxLength:"400" doc:"id of the last event that was read: it goes on behind it"`
}

// passes reports whether a reader wants an item, and may have it.
func (in *streamInput) passes(x *item, scope access.Scope) bool {
	order := []watch.Severity{"", watch.Info, watch.Warning, watch.Critical}
	return scope.Holds(x.scope) &&
		(len(in.Type) == 0 || slices.Contains(in.Type, x.kind)) &&
		(len(in.Hoster) == 0 || x.hoster == "" || slices.Contains(in.Hoster, x.hoster)) &&
		(len(in.Kind) == 0 || x.word == "" || slices.Contains(in.Kind, x.word)) &&
		(in.Severity == "" || x.severity == "" || slices.Index(order, x.severity) >= slices.Index(order, watch.Severity(in.Severity)))
}

const streamAbout = `Server-sent events. Each has a type (event, incident, gap, note, status, change), JSON as its data, and an id: who comes again with it as Last-Event-ID misses nothing.

The first, hello, says where one stands; status tells hosters and feeds that have changed; note, what somebody said about an incident; change, for admins, who did what. cut: the reader was too slow, and comes again.
reset: the id is of another log, and everything is to be loaded anew. again: half an hour is over, come again. Lines that begin with a colon only show that the line is alive.`

func (s *Server) addStream() {
	o := reading("/stream", "stream", tagStream, "What happens, as it happens", streamAbout)
	o.others = map[string]*huma.Schema{"text/event-stream": {Type: huma.TypeString}}
	streamed(s, o, nil, func(_ context.Context, in *streamInput) (func(http.ResponseWriter, *http.Request), error) {
		for _, t := range in.Type {
			if known := []string{"event", "incident", "gap", "note", "status", "change"}; !slices.Contains(known, t) {
				return nil, bad("type: %q is none of %s", t, words(known))
			}
		}
		var have Position
		for _, id := range []string{in.LastID, in.After} {
			if id == "" || have != nil {
				continue
			}
			var err error
			if have, err = ParsePosition(id); err != nil {
				return nil, bad("%v", err)
			}
		}
		if err := s.hub.join(); err != nil {
			return nil, huma.ErrorWithHeaders(newProblem(http.StatusServiceUnavailable, err.Error()), http.Header{"Retry-After": {"5"}})
		}
		return func(w http.ResponseWriter, r *http.Request) {
			who, _ := access.From(r.Context())
			x := &reader{hub: s.hub, in: in, scope: who.Scope, w: w, control: http.NewResponseController(w)}
			defer func() { s.hub.leave(x.cut) }()
			x.serve(r.Context(), have, s.deps.Version)
		}, nil
	})
}

// reader is one client of the stream.
type reader struct {
	hub     *hub
	in      *streamInput
	scope   access.Scope
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  []byte
	cut     bool
}

// serve writes until the client goes, or is sent away.
func (x *reader) serve(ctx context.Context, have Position, version string) {
	x.w.Header().Set("Content-Type", "text/event-stream")
	x.w.Header().Set("X-Accel-Buffering", "no") // nginx would hold it back
	ctx, cancel := context.WithTimeout(ctx, streamTime)
	defer cancel()
	if !x.write(fmt.Appendf(nil, "retry: %d\n\n", comeAgain.Milliseconds())) {
		return
	}
	if !x.begun(ctx) {
		return
	}
	x.hub.remember()
	place := x.hub.sit(have)
	if place.anew && !x.write(frame("reset", place.end.String(), []byte(`{"type":"reset","reason":"the id is of another log: load everything anew"}`))) {
		return
	}
	hello, _ := json.Marshal(map[string]string{"type": "hello", "version": version})
	if !x.write(frame("hello", place.have.String(), hello)) {
		return
	}
	for tries := 0; ; tries++ {
		if place.behind {
			if place = x.catchUp(ctx, place); place.behind {
				return
			}
		}
		if !x.follow(ctx, place, tries < maxTries) {
			return
		}
		place = x.hub.sit(place.have)
	}
}

// maxTries is how often a reader may find its place gone before it has read anything from
// it: so much happens then that it is too slow in any case.
const maxTries = 10

// begun waits until the hub has read what was there at its start.
func (x *reader) begun(ctx context.Context) bool {
	select {
	case <-x.hub.begun:
		return true
	default:
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		news, closed := x.hub.waiting()
		if closed {
			return false
		}
		select {
		case <-x.hub.begun:
			return true
		case <-news:
		case <-beat.C:
			if !x.write([]byte(": still here\n\n")) {
				return false
			}
		case <-ctx.Done():
			return false
		}
	}
}

// catchUp reads the log for who was away for longer, up to where the hub is.
func (x *reader) catchUp(ctx context.Context, place seat) seat {
	select {
	case x.hub.catching <- struct{}{}:
		defer func() { <-x.hub.catching }()
	case <-ctx.Done():
		return place
	}
	for place.behind {
		reading, stop := context.WithCancel(ctx)
		have := place.have
		err := x.hub.log.Follow(reading, have, func(e Entry) error {
			if e.Number > have[e.Kind] {
				have[e.Kind] = e.Number
				if it := itemOf(e, have); x.in.passes(&it, x.scope) && !x.write(it.frame) {
					return errGone
				}
			}
			if have.reaches(place.end) {
				stop()
			}
			return nil
		})
		stop()
		if err != nil || ctx.Err() != nil {
			return seat{behind: true}
		}
		if place = x.hub.sit(have); place.anew {
			return seat{behind: true}
		}
	}
	return place
}

var errGone = errors.New("the reader is gone")

// follow writes what the hub has. True: the place that the reader was given is gone already, and
// it needs another.
func (x *reader) follow(ctx context.Context, place seat, again bool) bool {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for cursor := place.cursor; ; {
		items, news, lost, closed := x.hub.after(cursor, atATime)
		switch {
		case lost && cursor == place.cursor && again:
			return true
		case lost:
			x.cut = true
			x.write(frame("cut", "", []byte(`{"type":"cut","reason":"too slow: come again, and nothing is missed"}`)))
			return false
		case closed:
			return false
		case len(items) == 0:
			select {
			case <-news:
			case <-beat.C:
				// Who is not let in any more is not told any more, either.
				if !access.Still(ctx) || !x.write([]byte(": still here\n\n")) {
					return false
				}
			case <-ctx.Done():
				if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
					return false // it went
				}
				x.write(frame("again", "", []byte(`{"type":"again","reason":"come again"}`)))
				return false
			}
			continue
		}
		cursor += uint64(len(items))
		x.buffer = x.buffer[:0]
		for i := range items {
			it := &items[i]
			if it.number > 0 && it.number <= place.have[it.kind] {
				continue // it has it from before
			}
			if x.in.passes(it, x.scope) {
				x.buffer = append(x.buffer, it.frame...)
			}
			if len(x.buffer) >= bytesAtATime { // each reader has a buffer: what it holds is bounded
				if !x.write(x.buffer) {
					return false
				}
				x.buffer = x.buffer[:0]
			}
		}
		if len(x.buffer) > 0 && !x.write(x.buffer) {
			return false
		}
	}
}

// write writes now, or finds that the client does not take it.
func (x *reader) write(p []byte) bool {
	_ = x.control.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := x.w.Write(p)
	if err == nil {
		err = x.control.Flush()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		x.cut = true
	}
	return err == nil
}
