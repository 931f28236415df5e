package web

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"depeer/watch"
	"depeer/watch/timeline"
)

// History answers questions about the past: timeline.Asker does. Its methods are called
// from many goroutines, a few at a time.
type History interface {
	Timeline(ctx context.Context, q timeline.Asking) (*timeline.Timeline, error)
	RoutesAt(ctx context.Context, q timeline.Asking) (*timeline.Routes, error)
	Carried(ctx context.Context, q timeline.Asking) (*timeline.Carried, error)
}

// Pictures draws a timeline.
type Pictures func(w io.Writer, t *timeline.Timeline, p Picture) error

// Picture says how to draw.
type Picture struct {
	PNG   bool
	Theme string  // "": light or dark, as whoever looks prefers; "light", "dark", "print"
	Width int     // pixels; 0: as the drawing likes
	Scale float64 // of PNG: pixels of the picture to one of Width; 0: 1
	Now   time.Time
}

const (
	noTimeline = "no timeline is configured: nothing of the past is remembered (configuration: timeline)"
	noPictures = "this depeer draws no pictures"
)

// Believing is the other time of a question: what was known by then.
type Believing struct {
	Believed string `query:"believed" doc:"answer with what was known by this moment, not with what is known now"`
}

// Spanned is a question about a period.
type Spanned struct {
	Period
	Believing
}

func (in *Spanned) asking() (q timeline.Asking, err error) {
	if q.From, q.To, err = in.span(); err != nil {
		return
	}
	q.Believed, err = parseTime("believed", in.Believed, true)
	return
}

// Storied is a question for the story of a period.
type Storied struct {
	Spanned
	Since string `query:"since" doc:"peers count that held a prefix from then on: whoever looks closer at a part of a period gives the beginning of all of it, so that who counts stays the same; by default a week before from" example:"2008-11-01"`
}

func (in *Storied) asking() (timeline.Asking, error) {
	q, err := in.Spanned.asking()
	if err == nil {
		q.Since, err = parseTime("since", in.Since, false)
	}
	return q, err
}

// Moment is a question about one moment.
type Moment struct {
	At string `query:"at" doc:"the moment; the last one that is known where it is missing" example:"2008-11-11T21:00:00Z"`
	Believing
}

func (in *Moment) asking() (q timeline.Asking, err error) {
	if q.To, err = parseTime("at", in.At, true); err != nil {
		return
	}
	q.Believed, err = parseTime("believed", in.Believed, true)
	return
}

// Drawing says what a picture is to look like.
type Drawing struct {
	Theme string  `query:"theme" enum:"light,dark,print" doc:"as whoever looks prefers, where it is missing"`
	Width int     `query:"width" minimum:"320" maximum:"4000" doc:"in pixels" example:"1200"`
	Scale float64 `query:"scale" minimum:"0.5" maximum:"4" doc:"of a PNG: pixels of the picture to one of width"`
}

func (d *Drawing) drawing() *Drawing { return d }

// HosterPath names a hoster.
type HosterPath struct {
	ID string `path:"id" maxLength:"64" doc:"of the hoster" example:"mccolo"`
}

// PrefixPath names a prefix.
type PrefixPath struct {
	CIDR string `path:"cidr" maxLength:"64" doc:"prefix, as it is or with / as %2F; or an address, for its longest prefix" example:"208.66.192.0/22"`
}

// ASNPath names an AS.
type ASNPath struct {
	ASN string `path:"asn" maxLength:"32" doc:"AS number" example:"26780"`
}

// about puts into a question what it is about.
type about interface {
	about(q *timeline.Asking) error
}

func (h *HosterPath) about(q *timeline.Asking) error { q.Hoster = h.ID; return nil }

func (p *PrefixPath) about(q *timeline.Asking) (err error) {
	x, err := parsePrefix("cidr", p.CIDR)
	if err != nil {
		return err
	}
	if x.IsSingleIP() { // nobody announces one: who asks means what it lies in
		q.Addr = x.Addr()
		return nil
	}
	q.Prefix = x
	return nil
}

func (a *ASNPath) about(q *timeline.Asking) (err error) {
	q.ASN, err = parseASN("asn", a.ASN)
	return err
}

func (s *Server) addHistory() {
	s.addAbout()
	s.addHoster()
	addTimeline[struct {
		HosterPath
		Storied
	}](s, "/hosters/{id}", "hoster", "a hoster")
	addPictures[struct {
		HosterPath
		Storied
		Drawing
	}](s, "/hosters/{id}", "hoster", "a hoster")
	addTimeline[struct {
		PrefixPath
		Storied
	}](s, "/prefixes/{cidr}", "prefix", "a prefix")
	addPictures[struct {
		PrefixPath
		Storied
		Drawing
	}](s, "/prefixes/{cidr}", "prefix", "a prefix")
	addTimeline[struct {
		ASNPath
		Storied
	}](s, "/asns/{asn}", "asn", "an AS")
	addPictures[struct {
		ASNPath
		Storied
		Drawing
	}](s, "/asns/{asn}", "asn", "an AS")
	addMoments[struct {
		HosterPath
		Moment
	}, struct {
		HosterPath
		Spanned
	}](s, "/hosters/{id}", "hoster", "a hoster")
	addMoments[struct {
		PrefixPath
		Moment
	}, struct {
		PrefixPath
		Spanned
	}](s, "/prefixes/{cidr}", "prefix", "a prefix")
	addMoments[struct {
		ASNPath
		Moment
	}, struct {
		ASNPath
		Spanned
	}](s, "/asns/{asn}", "asn", "an AS")
	register(s, reading("/upstreams/{asn}", "upstream", tagHistory, "Whom an AS carries, and whom it carried, gained and dropped", ""), s.upstream)
	s.addStill()
	register(s, reading("/bgplay", "bgplay", tagHistory, "The routes of a prefix, AS or hoster as BGPlay reads them", "The JSON of RIPEstat's data call bgplay."), s.bgplay)
}

// past asks the history, a few questions at a time.
func past[T any](ctx context.Context, s *Server, ask func(History) (*T, error)) (*body[T], error) {
	if s.deps.History == nil {
		return nil, absent(noTimeline)
	}
	out, err := busy(ctx, s, func() (*T, error) { return ask(s.deps.History) })
	if err != nil {
		return nil, err
	}
	return &body[T]{*out}, nil
}

// busy does heavy work when it is its turn.
func busy[T any](ctx context.Context, s *Server, work func() (*T, error)) (*T, error) {
	select {
	case s.heavy <- struct{}{}:
		defer func() { <-s.heavy }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return work()
}

// asked is a question about something, in a period.
type asked[T any] interface {
	*T
	about
	questioner
}

type questioner interface {
	asking() (timeline.Asking, error)
}

type drawer interface{ drawing() *Drawing }

var (
	_ questioner = (*Moment)(nil)
	_ questioner = (*Spanned)(nil)
	_ questioner = (*Storied)(nil)
	_ drawer     = (*Drawing)(nil)
)

// addTimeline adds the timeline of one kind of thing.
func addTimeline[T any, P asked[T]](s *Server, path, id, what string) {
	o := reading(path+"/timeline", id+"-timeline", tagHistory, "The story of "+what+" between two moments", "With the gaps that touch it: what happened there is not known.")
	register(s, o, func(ctx context.Context, in *T) (*body[timeline.Timeline], error) { return story(ctx, s, P(in)) })
}

// addMoments adds the routes at a moment, and what is different at another.
func addMoments[T, U any, P asked[T], Q asked[U]](s *Server, path, id, what string) {
	o := reading(path+"/routes", id+"-routes", tagHistory, "What every peer said of "+what+" at a moment", "")
	register(s, o, func(ctx context.Context, in *T) (*body[timeline.Routes], error) {
		q, err := questionOf(P(in))
		if err != nil {
			return nil, err
		}
		return past(ctx, s, func(h History) (*timeline.Routes, error) { return h.RoutesAt(ctx, q) })
	})
	o = reading(path+"/difference", id+"-difference", tagHistory, "What is different of "+what+" at one moment from another", "Ask for both, `from` and `to`.")
	register(s, o, func(ctx context.Context, in *U) (*body[timeline.Difference], error) {
		q, err := questionOf(Q(in))
		if err != nil {
			return nil, err
		}
		if q.From.IsZero() || q.To.IsZero() {
			return nil, bad("from, to: two moments are compared: say both")
		}
		if s.deps.Difference == nil {
			return nil, absent(noTimeline)
		}
		out, err := busy(ctx, s, func() (*timeline.Difference, error) { return s.deps.Difference(ctx, q) })
		if err != nil {
			return nil, err
		}
		return &body[timeline.Difference]{*out}, nil
	})
}

// questionOf reads the input.
func questionOf[T any, P asked[T]](in P) (timeline.Asking, error) {
	q, err := in.asking()
	if err == nil {
		err = in.about(&q)
	}
	return q, err
}

func story[T any, P asked[T]](ctx context.Context, s *Server, in P) (*body[timeline.Timeline], error) {
	q, err := questionOf(in)
	if err != nil {
		return nil, err
	}
	s.untilNow(&q)
	return past(ctx, s, func(h History) (*timeline.Timeline, error) { return h.Timeline(ctx, q) })
}

// drawn is a question that is answered with a picture.
type drawn[T any] interface {
	asked[T]
	drawer
}

// addPictures adds the same timeline, drawn.
func addPictures[T any, P drawn[T]](s *Server, path, id, what string) {
	for kind, mime := range map[string]string{"svg": "image/svg+xml", "png": "image/png"} {
		o := reading(path+"/timeline."+kind, id+"-timeline-"+kind, tagHistory, "The same story of "+what+", drawn", "")
		o.others = map[string]*huma.Schema{mime: {Type: huma.TypeString}}
		streamed(s, o, nil, func(ctx context.Context, in *T) (func(http.ResponseWriter, *http.Request), error) {
			if s.deps.Pictures == nil {
				return nil, absent(noPictures)
			}
			t, err := story(ctx, s, P(in))
			if err != nil {
				return nil, err
			}
			if !t.Body.To.After(t.Body.From) {
				return nil, bad("from, to: nothing happens in no time: there is nothing to draw")
			}
			d := P(in).drawing()
			if math.IsNaN(d.Scale) { // which no bound holds
				return nil, bad("scale: is no number")
			}
			var out bytes.Buffer
			if err := s.deps.Pictures(&out, &t.Body, Picture{PNG: kind == "png", Theme: d.Theme, Width: d.Width, Scale: d.Scale, Now: s.world().UTC()}); err != nil {
				return nil, err
			}
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", mime)
				// A picture may be opened as a page of its own: it runs nothing.
				w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox")
				_, _ = w.Write(out.Bytes())
			}, nil
		})
	}
}

// Upstream is an AS that carries hosters.
type Upstream struct {
	ASN     uint32            `json:"asn"`
	Carries []Carried         `json:"carries"` // now, and whom it has lost within the baseline
	History *timeline.Carried `json:"history"` // whom it carried, gained and dropped in the period; null where nothing is remembered
	Gaps    []watch.Gap       `json:"gaps"`    // that touch the answer
	Missing []string          `json:"missing"` // what could not be said, in sentences
}

// Carried is one hoster behind an upstream.
type Carried struct {
	Hoster string `json:"hoster"`
	Name   string `json:"name"`
	watch.UpstreamShare
}

func (s *Server) upstream(ctx context.Context, in *struct {
	ASNPath
	Spanned
}) (*body[Upstream], error) {
	q, err := in.asking()
	if err == nil {
		err = in.about(&q)
	}
	if err != nil {
		return nil, err
	}
	out := Upstream{ASN: q.ASN, Carries: s.carries(q.ASN), Missing: []string{}, Gaps: s.deps.Monitor.Gaps(s.world().Add(-24*time.Hour), time.Time{})}
	if s.deps.History == nil {
		out.Missing = append(out.Missing, noTimeline)
		return &body[Upstream]{out}, nil
	}
	past, err := past(ctx, s, func(h History) (*timeline.Carried, error) { return h.Carried(ctx, q) })
	if err != nil {
		if known := trouble(err); !isMissing(known) || len(out.Carries) == 0 {
			return nil, known
		}
		return &body[Upstream]{out}, nil // it is new: nothing has been written yet
	}
	out.History, out.Gaps, out.Missing = &past.Body, past.Body.Gaps, past.Body.Missing
	return &body[Upstream]{out}, nil
}

func isMissing(err error) bool {
	known, ok := err.(huma.StatusError)
	return ok && known.GetStatus() == http.StatusNotFound
}

func (s *Server) bgplay(ctx context.Context, in *struct {
	Spanned
	Resource string `query:"resource" required:"true" maxLength:"64" doc:"a prefix, an address, an AS number or the id of a hoster" example:"208.66.192.0/22"`
}) (*body[timeline.BGPlay], error) {
	q, err := in.asking()
	if err != nil {
		return nil, err
	}
	if in.Resource == "" {
		return nil, bad("resource: say what to play: a prefix, an address, an AS number or the id of a hoster")
	}
	if (&PrefixPath{in.Resource}).about(&q) != nil && (&ASNPath{in.Resource}).about(&q) != nil {
		q.Hoster = in.Resource
	}
	if s.deps.BGPlay == nil {
		return nil, absent(noTimeline)
	}
	out, err := busy(ctx, s, func() (*timeline.BGPlay, error) { return s.deps.BGPlay(ctx, q) })
	if err != nil {
		return nil, err
	}
	return &body[timeline.BGPlay]{*out}, nil
}
