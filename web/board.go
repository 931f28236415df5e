package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/klauspost/compress/gzip"

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
	body   []byte    // guarded by mu; its JSON; nil until it is asked for
	packed []byte    // guarded by mu; the same, with gzip
	tag    string    // guarded by mu
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
	b.status, b.body, b.packed, b.until = b.monitor.Status(), nil, nil, time.Time{}
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

// json is the same as JSON, its tag, and whether it is packed, which it is where that is wanted.
func (b *board) json(pack bool) (body []byte, tag string, packed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !time.Now().Before(b.until) {
		b.look()
	}
	if b.body == nil {
		var out bytes.Buffer
		if err := writeJSON(&out, b.status); err != nil {
			return nil, "", false, err
		}
		b.body = out.Bytes()
		sum := sha256.Sum256(b.body)
		b.tag = `W/"` + hex.EncodeToString(sum[:12]) + `"`
	}
	if !pack || len(b.body) < 1024 {
		return b.body, b.tag, false, nil
	}
	if b.packed == nil {
		var out bytes.Buffer
		z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		if err != nil {
			return nil, "", false, err
		}
		if _, err := z.Write(b.body); err != nil {
			return nil, "", false, err
		}
		if err := z.Close(); err != nil {
			return nil, "", false, err
		}
		b.packed = out.Bytes()
	}
	return b.packed, b.tag, true, nil
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
	out, tag, packed, err := s.board.json(acceptsGzip(r))
	if err != nil {
		problem(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Add("Vary", "Accept-Encoding")
	if tagged(w, r, tag) {
		return
	}
	if packed {
		w.Header().Set("Content-Encoding", "gzip")
	}
	_, _ = w.Write(out)
}

// acceptsGzip reads Accept-Encoding (RFC 9110 12.5.3) as far as it concerns gzip.
func acceptsGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(part, ";")
		if strings.TrimSpace(name) == "gzip" {
			q = strings.ReplaceAll(q, " ", "")
			return !strings.HasPrefix(q, "q=0") || strings.Trim(strings.TrimPrefix(q, "q="), "0.") != ""
		}
	}
	return false
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
