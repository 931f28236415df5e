package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"depeer/watch"
	"depeer/watch/timeline"
)

// Explanations is the answer to explain.
type Explanations struct {
	At           time.Time           `json:"at"`     // what counted at this moment
	Memory       bool                `json:"memory"` // put together from what is remembered, not asked of the judgement
	Explanations []watch.Explanation `json:"explanations"`
	Events       []watch.Event       `json:"events"`    // of its hosters, concluded within the day before, the newest twenty, newest first
	Incidents    []watch.Incident    `json:"incidents"` // of its hosters, open at that moment
	Gaps         []watch.Gap         `json:"gaps"`      // that touch the day before
	Told         []Told              `json:"told"`      // whom the last messages about it went to, or did not, newest first, at most 20
}

// explainedBefore is how far back one looks for what was concluded.
const explainedBefore = 24 * time.Hour

// MostConcluded events are told with an explanation.
const MostConcluded = 20

func (s *Server) addExplain() {
	o := reading("/explain", "explain", tagBoard, "Why there was an alarm, or none",
		"Ask for one of hoster and prefix. With a moment, what counted then is put together from what is remembered. A hoster has as many answers as prefixes: ask briefly for it, and then for one of them.")
	register(s, o, func(ctx context.Context, in *struct {
		Hoster string `query:"hoster" doc:"id of a hoster" example:"mccolo"`
		Prefix string `query:"prefix" doc:"a prefix or an address"`
		At     string `query:"at" doc:"a moment, RFC 3339 or a day, whose end is meant; where it is missing, now" example:"2008-11-11T21:25:00Z"`
		Brief  bool   `query:"brief" doc:"without what each peer says"`
	}) (*body[Explanations], error) {
		if (in.Hoster == "") == (in.Prefix == "") {
			return nil, bad("ask for one of hoster and prefix")
		}
		at, err := parseTime("at", in.At, true)
		if err != nil {
			return nil, err
		}
		var x *Explanations
		if at.IsZero() {
			x, err = s.explainNow(ctx, in.Hoster+in.Prefix)
		} else {
			x, err = s.explainAt(ctx, in.Hoster+in.Prefix, at)
		}
		if err != nil {
			return nil, err
		}
		if in.Brief {
			x.Explanations = slices.Clone(x.Explanations)
			for i := range x.Explanations {
				x.Explanations[i].Peers = nil
			}
		}
		return &body[Explanations]{*x}, nil
	})
}

func (s *Server) explainAt(ctx context.Context, word string, at time.Time) (*Explanations, error) {
	switch {
	case s.deps.ExplainAt == nil:
		return nil, absent(noTimeline)
	case at.After(s.world()):
		return nil, bad("at: %s has not come yet", at.Format(time.RFC3339))
	}
	return busy(ctx, s, func() (*Explanations, error) { return s.deps.ExplainAt(ctx, word, at) })
}

// explainNow asks the judgement. What is remembered beside it may be missing: the explanation
// does not wait for the memory.
func (s *Server) explainNow(ctx context.Context, word string) (*Explanations, error) {
	list, err := s.deps.Monitor.Explain(word)
	if err != nil {
		return nil, missing("%s", err)
	}
	now := s.world().UTC()
	x := &Explanations{At: now, Explanations: list, Events: []watch.Event{}, Incidents: []watch.Incident{}, Told: []Told{}, Gaps: s.deps.Monitor.Gaps(now.Add(-explainedBefore), time.Time{})}
	var hosters []string
	for i := range list {
		x.At = cmp.Or(list[i].At, now)
		if h := list[i].Hoster; !slices.Contains(hosters, h) {
			hosters = append(hosters, h)
		}
	}
	for _, i := range s.board.now().Incidents {
		if slices.Contains(hosters, i.Hoster) {
			x.Incidents = append(x.Incidents, i)
		}
	}
	if s.deps.Records == nil || len(hosters) == 0 {
		return x, nil
	}
	q := timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Delivery}, Hosters: hosters, Newest: true}
	if told, _, err := findRecords(ctx, s.deps.Records, q, 20, all[Told]); err == nil {
		x.Told = told
	}
	q.Kinds, q.From = []timeline.RecordKind{timeline.Event}, x.At.Add(-explainedBefore)
	if events, _, err := findRecords(ctx, s.deps.Records, q, MostConcluded, all[watch.Event]); err == nil {
		x.Events = events
	}
	return x, nil
}
