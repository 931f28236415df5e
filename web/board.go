package web

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"depeer/watch"
	"depeer/web/access"
)

const (
	tagBoard   = "board"
	tagHistory = "history"
	tagDesk    = "desk"
	tagStream  = "stream"
)

// board is how everything stands. While one looks, nothing is judged: with many hosters
// all readers of a moment share one look.
type board struct {
	monitor Monitor

	mu     sync.Mutex
	status Status    // guarded by mu
	until  time.Time // guarded by mu; it may be shown up to then
	page   *page     // guarded by mu; its JSON; nil until it is asked for
}

const (
	smallBoard = 100                    // hosters and peers: this many cost nothing
	boardLife  = 250 * time.Microsecond // for each hoster and peer, a look lasts; looking takes a hundredth of it
	boardMost  = time.Second
)

// fresh looks now.
func (b *board) fresh() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.look()
}

// look looks; mu is held.
func (b *board) look() Status {
	b.status, b.page, b.until = b.monitor.Status(), nil, time.Time{}
	if n := len(b.status.Hosters) + len(b.status.Peers); n > smallBoard {
		b.until = time.Now().Add(min(time.Duration(n)*boardLife, boardMost))
	}
	return b.status
}

// now is at most a second old.
func (b *board) now() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Now().Before(b.until) {
		return b.status
	}
	return b.look()
}

// json is the same as JSON.
func (b *board) json() (*page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !time.Now().Before(b.until) {
		b.look()
	}
	var err error
	if b.page == nil {
		b.page, err = pageOfJSON(b.status)
	}
	return b.page, err
}

// list is the answer of a list that was a plain array before it had pages.
type list[T any] struct {
	NextPage
	Body []T
}

// PageInput is the input of a list.
type PageInput struct {
	Page
	Address
}

// Address is what was asked for: the link to the next page needs it.
type Address struct{ url url.URL }

// Resolve notes it.
func (w *Address) Resolve(ctx huma.Context) []error {
	w.url = ctx.URL()
	return nil
}

func listed[T any](in *PageInput, name string, all []T) (*list[T], error) {
	part, next, err := pageOf(&in.Page, name, all)
	if err != nil {
		return nil, err
	}
	return &list[T]{NextPage{link(&in.url, next)}, part}, nil
}

func reading(path, id, tag, summary, about string) operation {
	return operation{method: http.MethodGet, path: path, id: id, summary: summary, about: about, tag: tag, needs: access.Viewer}
}

// body is an answer of JSON.
type body[T any] struct{ Body T }

// addBoard adds what the monitor answers by itself.
func (s *Server) addBoard() {
	type nothing struct{}
	streamed(s, reading("/status", "status", tagBoard, "The whole board at one moment", "With many hosters it may be up to a second old."), Status{},
		func(_ context.Context, _ *nothing) (func(http.ResponseWriter, *http.Request), error) {
			return s.writeBoard, nil
		})
	register(s, reading("/hosters", "hosters", tagBoard, "How every hoster stands", ""), func(_ context.Context, in *PageInput) (*list[watch.Standing], error) {
		return listed(in, "hosters", s.board.now().Hosters)
	})
	register(s, reading("/feeds", "feeds", tagBoard, "How our eyes are", ""), func(_ context.Context, in *PageInput) (*list[Feed], error) {
		return listed(in, "feeds", s.board.now().Feeds)
	})
	register(s, reading("/peers", "peers", tagBoard, "Every peer, and whether it counts", ""), func(_ context.Context, in *PageInput) (*list[Peer], error) {
		return listed(in, "peers", s.board.now().Peers)
	})
	register(s, reading("/gaps", "gaps", tagBoard, "Holes in what was seen, newest first", ""), func(_ context.Context, in *struct {
		Period
		PageInput
	}) (*list[watch.Gap], error) {
		from, to, err := in.span()
		if err != nil {
			return nil, err
		}
		return listed(&in.PageInput, "gaps", s.deps.Monitor.Gaps(from, to))
	})
	s.addExplain()
	register(s, reading("/hosters/{id}", "hoster", tagBoard, "How one hoster stands", ""), func(_ context.Context, in *struct {
		ID string `path:"id" doc:"of the hoster" example:"mccolo"`
	}) (*body[watch.Standing], error) {
		for _, h := range s.board.now().Hosters {
			if h.Hoster == in.ID {
				return &body[watch.Standing]{h}, nil
			}
		}
		return nil, missing("no hoster has the id %s", in.ID)
	})
	register(s, reading("/whoami", "whoami", tagBoard, "Who asks, and what they may do", ""), func(ctx context.Context, _ *nothing) (*body[access.Who], error) {
		who, _ := access.From(ctx)
		return &body[access.Who]{who}, nil
	})
}

// writeBoard writes the board as it was made for all who ask at this moment.
func (s *Server) writeBoard(w http.ResponseWriter, r *http.Request) {
	p, err := s.board.json()
	if err != nil {
		problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	p.write(w, r)
}

// streamed adds an operation that writes its answer itself; like is what it looks like
// as JSON, nil where it is none.
func streamed[I any](s *Server, o operation, like any, work func(context.Context, *I) (func(http.ResponseWriter, *http.Request), error)) {
	h := s.describe(o)
	if like != nil {
		h.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: s.schema(like)}}}}
	}
	for kind, schema := range o.others {
		if h.Responses == nil {
			h.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{}}}
		}
		h.Responses["200"].Content[kind] = &huma.MediaType{Schema: schema}
	}
	huma.Register(s.api, h, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		write, err := work(ctx, in)
		if err != nil {
			return nil, trouble(err)
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			r, w := humago.Unwrap(c)
			write(w, r)
		}}, nil
	})
}
