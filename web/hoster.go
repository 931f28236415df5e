package web

import (
	"context"
	"slices"
	"time"

	"depeer/watch"
	"depeer/watch/timeline"
)

// addHoster adds what a hoster's page asks beside its timeline.
func (s *Server) addHoster() {
	register(s, reading("/hosters/{id}/prefixes", "hoster-prefixes", tagHistory, "The prefixes of a hoster, and how each stood at a moment", "Now, where no moment is given and the hoster is watched."), func(ctx context.Context, in *struct {
		HosterPath
		Moment
	}) (*body[timeline.About], error) {
		q, err := questionOf(in)
		if err != nil {
			return nil, err
		}
		if s.deps.About == nil {
			return nil, absent(noTimeline)
		}
		s.untilNow(&q)
		out, err := busy(ctx, s, func() (*timeline.About, error) { return s.deps.About(ctx, q) })
		if err != nil {
			return nil, err
		}
		if len(out.Prefixes) == 0 && s.standing(in.ID) == nil {
			return nil, missing("no hoster has the id %s", in.ID)
		}
		return &body[timeline.About]{*out}, nil
	})
	register(s, reading("/hosters/{id}/still", "hoster-still", tagHistory, "By whom a hoster is still routed, and for how many days it has been known", ""), func(ctx context.Context, in *struct {
		HosterPath
		Moment
	}) (*body[timeline.Still], error) {
		q, err := questionOf(in)
		if err != nil {
			return nil, err
		}
		if s.deps.StillOf == nil {
			return nil, absent(noTimeline)
		}
		if q.To.IsZero() {
			q.To = s.world().UTC()
		}
		out, err := busy(ctx, s, func() (*timeline.Still, error) { return s.deps.StillOf(ctx, in.ID, q.To, q.Believed) })
		if err != nil {
			return nil, err
		}
		return &body[timeline.Still]{*out}, nil
	})
}

// standing is how a hoster stands now; nil where it is not watched.
func (s *Server) standing(id string) *watch.Standing {
	all := s.board.now().Hosters
	i := slices.IndexFunc(all, func(h watch.Standing) bool { return h.Hoster == id })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// untilNow ends a question about a hoster that is seen now with this moment, where it has no end:
// that nothing changed since the last change is part of its story. Of one that nobody
// sees, what came after is not known.
func (s *Server) untilNow(q *timeline.Asking) {
	if q.Hoster == "" || !q.To.IsZero() {
		return
	}
	h := s.standing(q.Hoster)
	if h == nil || h.State != "visible" && h.State != "partly" && h.State != "dark" {
		return
	}
	if now := s.world().UTC(); now.After(q.From) {
		q.To = now.Truncate(time.Second).Add(time.Second)
	}
}
