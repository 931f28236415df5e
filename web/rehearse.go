package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"depeer/watch/timeline"
	"depeer/web/access"
)

// Receiver is where messages can go, without what it is reached by.
type Receiver struct {
	Name string `json:"name"`
	Type string `json:"type" example:"slack"`
}

// Rehearse is what is to be tried: what happened in a time is told again, to nobody.
type Rehearse struct {
	Subscription *Subscription `json:"subscription,omitempty" doc:"one that is not made yet, or is to be changed: it is tried alone"`
	Names        []string      `json:"names,omitempty" maxItems:"100" doc:"of subscriptions: these are tried; all of them where there is neither"`
	From         time.Time     `json:"from,omitzero" doc:"a week before to where it is missing"`
	To           time.Time     `json:"to,omitzero" doc:"now where it is missing"`
}

// mostRehearsed is the longest time that is told again at once.
const mostRehearsed = 366 * 24 * time.Hour

// Rehearsed is what would have been told, to whom and when, and what not, and why: as if every
// message had arrived at once.
type Rehearsed struct {
	From     time.Time   `json:"from"`
	To       time.Time   `json:"to"`
	Heard    int         `json:"heard"`    // revisions of what happened in that time
	Unwanted int         `json:"unwanted"` // of the incidents among them, those that no subscription is about
	Lines    []Rehearsal `json:"lines"`    // in order of time, the first 500
	More     int         `json:"more"`     // lines that are not here
	Sums     []Sum       `json:"sums"`     // by receiver, of all lines
}

// Rehearsal is one message that would have been sent, or the reason why one would not.
type Rehearsal struct {
	At       time.Time `json:"at"`
	Receiver string    `json:"receiver,omitempty"` // missing: no subscription matches
	Sent     bool      `json:"sent"`
	Title    string    `json:"title"`
	Text     string    `json:"text,omitempty"`
	Changes  []string  `json:"changes,omitempty"`
	Next     string    `json:"next,omitempty"`   // what to do
	Reason   string    `json:"reason,omitempty"` // why it is sent
	Loud     bool      `json:"loud,omitempty"`   // wakes people
	For      []string  `json:"for,omitempty"`    // subscriptions
	Why      string    `json:"why,omitempty"`    // not
}

// Sum is how many messages a receiver would have had.
type Sum struct {
	Receiver string `json:"receiver"`
	New      int    `json:"new"`     // about what it had not heard of
	Changes  int    `json:"changes"` // that follow those
}

// MostLines of a rehearsal are told.
const MostLines = 500

func (s *Server) addRehearsal() {
	get := reading("/receivers", "receivers", tagDesk, "Where messages can go", "Names and types; what they are reached by is nobody's business.")
	register(s, get, func(_ context.Context, in *PageInput) (*list[Receiver], error) {
		if s.deps.Receivers == nil {
			return nil, absent(noNotify)
		}
		return listed(in, "receivers", s.deps.Receivers())
	})
	post := changing(http.MethodPost, "/subscriptions/test", "rehearse", "Say what would have been told to whom", access.Operator)
	post.about = "What happened in a time, the last week unless told otherwise, goes through the subscriptions again. Nothing is sent, and nothing is changed."
	register(s, post, s.rehearse)
	register(s, reading("/deliveries", "deliveries", tagDesk, "What came of telling people, newest first", "Also what was held back, and why. Lists of words are separated by commas."), s.deliveries)
}

func (s *Server) rehearse(ctx context.Context, in *struct{ Body Rehearse }) (*body[Rehearsed], error) {
	if s.deps.Rehearse == nil {
		return nil, absent(noNotify)
	}
	q := in.Body
	q.To = cmp.Or(q.To, s.world().UTC().Truncate(time.Second))
	q.From = cmp.Or(q.From, q.To.Add(-7*24*time.Hour))
	switch {
	case q.To.Before(q.From):
		return nil, bad("to: %s is before from, %s", q.To.Format(time.RFC3339), q.From.Format(time.RFC3339))
	case q.To.Sub(q.From) > mostRehearsed:
		return nil, bad("from: more than %d days are not told again at once", mostRehearsed/(24*time.Hour))
	case q.Subscription != nil && len(q.Names) > 0:
		return nil, bad("names: give them or a subscription, not both")
	}
	x, err := busy(ctx, s, func() (*Rehearsed, error) { return s.deps.Rehearse(ctx, q) })
	if err != nil {
		return nil, err
	}
	return &body[Rehearsed]{*x}, nil
}

// deliveriesInput is what the list of deliveries can be asked for.
type deliveriesInput struct {
	Period
	Page
	Address
	Hoster   []string `query:"hoster" doc:"ids of hosters" example:"mccolo"`
	Receiver []string `query:"receiver" doc:"names of receivers; nobody: no subscription matches" example:"slack"`
	Outcome  []string `query:"outcome" doc:"sent, failed, dead, held, unwanted" example:"sent"`
	Incident string   `query:"incident" maxLength:"100" doc:"id"`
}

// deliveryPage is an answer with its link.
type deliveryPage struct {
	NextPage
	Body List[Told]
}

func (s *Server) deliveries(ctx context.Context, in *deliveriesInput) (*deliveryPage, error) {
	q := timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Delivery}, Hosters: in.Hoster, Incident: in.Incident, Words: in.Receiver, Newest: true}
	var err error
	if q.From, q.To, err = in.span(); err != nil {
		return nil, err
	}
	if q.After, err = in.at(string(timeline.Delivery)); err != nil {
		return nil, err
	}
	if s.deps.Records == nil {
		return nil, absent(noTimeline)
	}
	items, next, err := findRecords(ctx, s.deps.Records, q, cmp.Or(in.Limit, defaultPage), func(x *Told) bool {
		return len(in.Outcome) == 0 || slices.Contains(in.Outcome, x.Outcome)
	})
	if err != nil {
		return nil, err
	}
	out := List[Told]{Items: items, Next: cursorOf(string(timeline.Delivery), next), Gaps: s.gapsTouching(q.From, q.To)}
	return &deliveryPage{NextPage{link(&in.url, out.Next)}, out}, nil
}
