package web

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"depeer/watch"
	"depeer/web/access"
)

const (
	tagBoard   = "board"
	tagHistory = "history"
	tagDesk    = "desk"
	tagStream  = "stream"
)

// list is the answer of a list that was a plain array before it had pages.
type list[T any] struct {
	NextPage
	Body []T
}

type pageInput struct {
	Page
	where
}

// where is the address that was asked, for the link to the next page.
type where struct{ url url.URL }

func (w *where) Resolve(ctx huma.Context) []error { w.url = ctx.URL(); return nil }

func listed[T any](in *pageInput, name string, all []T) (*list[T], error) {
	part, next, err := pageOf(&in.Page, name, all)
	if err != nil {
		return nil, err
	}
	return &list[T]{NextPage{link(&in.url, next)}, part}, nil
}

// board adds what the monitor answers by itself.
func (s *Server) board() {
	get := func(path, id, summary string) operation {
		return operation{method: http.MethodGet, path: path, id: id, summary: summary, tag: tagBoard, needs: access.Viewer}
	}
	type nothing struct{}
	register(s, get("/status", "status", "The whole board at one moment"), func(context.Context, *nothing) (*struct{ Body Status }, error) {
		return &struct{ Body Status }{s.deps.Monitor.Status()}, nil
	})
	register(s, get("/hosters", "hosters", "How every hoster stands"), func(_ context.Context, in *pageInput) (*list[watch.Standing], error) {
		return listed(in, "hosters", s.deps.Monitor.Status().Hosters)
	})
	register(s, get("/feeds", "feeds", "How our eyes are"), func(_ context.Context, in *pageInput) (*list[Feed], error) {
		return listed(in, "feeds", s.deps.Monitor.Status().Feeds)
	})
	register(s, get("/peers", "peers", "Every peer, and whether it counts"), func(_ context.Context, in *pageInput) (*list[Peer], error) {
		return listed(in, "peers", s.deps.Monitor.Status().Peers)
	})
	register(s, get("/gaps", "gaps", "Holes in what was seen"), func(_ context.Context, in *struct {
		Period
		pageInput
	}) (*list[watch.Gap], error) {
		from, to, err := in.span()
		if err != nil {
			return nil, err
		}
		return listed(&in.pageInput, "gaps", s.deps.Monitor.Gaps(from, to))
	})
	register(s, get("/explain", "explain", "Why there was an alarm, or none"), func(_ context.Context, in *struct {
		Hoster string `query:"hoster" doc:"id of a hoster; this or prefix" example:"mccolo"`
		Prefix string `query:"prefix" doc:"a prefix or an address" example:"208.66.192.0/22"`
	}) (*struct{ Body Explanations }, error) {
		if (in.Hoster == "") == (in.Prefix == "") {
			return nil, bad("ask for one of hoster and prefix")
		}
		x, err := s.deps.Monitor.Explain(in.Hoster + in.Prefix)
		if err != nil {
			return nil, missing("%s", err)
		}
		return &struct{ Body Explanations }{Explanations{x, s.deps.Monitor.Gaps(s.now().Add(-24*time.Hour), time.Time{})}}, nil
	})
	register(s, get("/hosters/{id}", "hoster", "How one hoster stands"), func(_ context.Context, in *struct {
		ID string `path:"id" doc:"of the hoster" example:"mccolo"`
	}) (*struct{ Body watch.Standing }, error) {
		for _, h := range s.deps.Monitor.Status().Hosters {
			if h.Hoster == in.ID {
				return &struct{ Body watch.Standing }{h}, nil
			}
		}
		return nil, missing("no hoster has the id %s", in.ID)
	})
}
