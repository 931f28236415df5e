package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/web/access"
)

// Desk is what people do about incidents. Errors wrap ErrUnknown and ErrRefused.
type Desk interface {
	Ack(ctx context.Context, incident, who, comment string) error
	Comment(ctx context.Context, incident, who, text string) error
	Notes(ctx context.Context, incident string) ([]Note, error) // oldest first
}

// Subscriptions keeps who wants to hear about what.
type Subscriptions interface {
	Subscriptions(ctx context.Context) ([]Subscription, error) // in order of their names
	Subscribe(ctx context.Context, who string, s Subscription) (Subscription, error)
	Unsubscribe(ctx context.Context, who, name string) error
}

// Silences keeps what nobody is to be told for a while.
type Silences interface {
	Silences(ctx context.Context) ([]Silence, error)                     // in order of their ends
	Silence(ctx context.Context, who string, s Silence) (Silence, error) // gives it its id
	Unsilence(ctx context.Context, who, id string) error
}

// Sightings takes in what somebody saw.
type Sightings interface {
	// Take gives an answer to each sighting: nil, or why it is refused. The second error says that none could be kept.
	Take(ctx context.Context, who string, list []cnc.Sighting) ([]error, error)
}

// Note is what somebody said about an incident.
type Note struct {
	At   time.Time `json:"at"`
	Who  string    `json:"who"`
	Ack  bool      `json:"ack"` // takes care of it; else it is only a comment
	Text string    `json:"text"`
}

// Said is a note as the stream tells it.
type Said struct {
	Type     string `json:"type"` // "note"
	Incident string `json:"incident"`
	Note
}

// Subscription says who wants to hear of what, where, and when not. Durations are texts: 15m, 36h, 7d.
type Subscription struct {
	Name        string       `json:"name" pattern:"^[a-z0-9-]{1,64}$" doc:"small letters, digits, dashes" example:"noc"`
	Match       Match        `json:"match,omitzero" doc:"what it is about; without, every incident from severity warning on"`
	Except      []Match      `json:"except,omitempty" doc:"and what not"`
	To          []string     `json:"to" doc:"names of receivers of the configuration"`
	Mention     []string     `json:"mention,omitempty" doc:"in the receiver's own syntax, where people are to be woken"`
	Updates     string       `json:"updates,omitempty" enum:"all,important,none" doc:"what follows the first message"`
	Hours       []Window     `json:"hours,omitempty" doc:"it holds in these alone"`
	Quiet       Quiet        `json:"quiet,omitzero" doc:"what falls into these is told when they end"`
	Maintenance []Window     `json:"maintenance,omitempty" doc:"what falls into these is told when they end, if it still lasts"`
	Wait        string       `json:"wait,omitempty" doc:"before the first message"`
	Every       string       `json:"every,omitempty" doc:"at most one change in this time"`
	Group       Group        `json:"group,omitzero" doc:"several incidents in one message"`
	Repeat      string       `json:"repeat,omitempty" doc:"remind this often of what is open and not acknowledged"`
	Escalate    []Escalation `json:"escalate,omitempty" doc:"who is told when nobody acknowledges"`
	Digest      DigestTimes  `json:"digest,omitzero" doc:"a summary of a day or a week, instead of single messages"`
	By          string       `json:"by,omitempty" doc:"who made it; empty for those of the configuration"`
}

// Match is a set of conditions. Each that is given must hold; of a list one suffices.
type Match struct {
	Incidents []string       `json:"incidents,omitempty" doc:"ids"`
	Hosters   []string       `json:"hosters,omitempty" doc:"ids"`
	Tags      []string       `json:"tags,omitempty" doc:"of the hoster"`
	ASNs      []uint32       `json:"asns,omitempty" doc:"of the hoster, or a new origin of its prefixes"`
	Upstreams []uint32       `json:"upstreams,omitempty" doc:"that were lost or gained, or that an event names"`
	Prefixes  []netip.Prefix `json:"prefixes,omitempty" doc:"covering one that is concerned, or covered by it"`
	Kinds     []string       `json:"kinds,omitempty" doc:"of an event: upstream.lost, feed.*"`
	Classes   []string       `json:"classes,omitempty" doc:"of the incident"`
	Severity  watch.Severity `json:"severity,omitempty" enum:"info,warning,critical" doc:"at least"`
	Score     float64        `json:"score,omitempty" doc:"at least; of migrations"`
	Sources   []string       `json:"sources,omitempty" doc:"feeds or collectors that saw it"`
}

// Window is a time that comes again, by the clock of a zone.
type Window struct {
	Days      []string `json:"days,omitempty" doc:"mon ... sun, or mon-fri; every day where empty"`
	Hours     []string `json:"hours,omitempty" doc:"22:00-07:00 ends on the next day; the whole day where empty"`
	MonthDays []string `json:"month_days,omitempty" doc:"1, 8-14, -1 (the last); every day where empty"`
	Zone      string   `json:"zone,omitempty" doc:"Europe/Paris"`
}

// Quiet is when people sleep.
type Quiet struct {
	Windows []Window       `json:"windows,omitempty"`
	Unless  watch.Severity `json:"unless,omitempty" enum:"info,warning,critical" doc:"from this severity on they are woken"`
}

// Group puts several incidents into one message.
type Group struct {
	By   string `json:"by,omitempty" enum:"upstream,class,all"`
	Wait string `json:"wait,omitempty" doc:"for more, before the first message"`
}

// Escalation is who is told next.
type Escalation struct {
	After   string   `json:"after" doc:"the moment from which the first message was due" example:"15m"`
	To      []string `json:"to"`
	Mention []string `json:"mention,omitempty"`
}

// DigestTimes is when a digest is sent.
type DigestTimes struct {
	Every string `json:"every,omitempty" enum:"daily,weekly"`
	At    string `json:"at,omitempty" doc:"time of day" example:"08:00"`
	Day   string `json:"day,omitempty" doc:"of a weekly one" example:"mon"`
	Zone  string `json:"zone,omitempty"`
}

// Silence keeps what it matches from being told, until it ends.
type Silence struct {
	ID     string    `json:"id,omitempty" doc:"the server gives it"`
	Match  Match     `json:"match,omitzero" doc:"empty: everything"`
	From   time.Time `json:"from,omitzero" doc:"from now on where it is missing"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason" minLength:"1" maxLength:"500"`
	By     string    `json:"by,omitempty" doc:"who made it; the server says so"`
}

const (
	noDesk   = "nobody is told anything here, so nothing can be acknowledged (configuration: notify)"
	noNotify = "no receivers are configured (configuration: notify)"
)

// changing is an operation that changes something.
func changing(method, path, id, summary string, needs access.Scope) operation {
	return operation{method: method, path: path, id: id, summary: summary, tag: tagDesk, needs: needs}
}

// comment is what somebody says.
type comment struct {
	ID   string `path:"id" maxLength:"100" doc:"of the incident"`
	Body struct {
		Text string `json:"text,omitempty" maxLength:"4000" doc:"plain text"`
	}
}

// optionalComment may have no body at all.
type optionalComment struct {
	ID   string `path:"id" maxLength:"100" doc:"of the incident"`
	Body *struct {
		Text string `json:"text,omitempty" maxLength:"4000" doc:"plain text"`
	}
}

func (s *Server) addDesk() {
	register(s, changing(http.MethodPost, "/incidents/{id}/ack", "ack", "Take care of an incident", access.Operator), func(ctx context.Context, in *optionalComment) (*body[Note], error) {
		text := ""
		if in.Body != nil {
			text = in.Body.Text
		}
		return s.note(ctx, in.ID, text, true)
	})
	register(s, changing(http.MethodPost, "/incidents/{id}/comments", "comment", "Say something about an incident", access.Operator), func(ctx context.Context, in *comment) (*body[Note], error) {
		if strings.TrimSpace(in.Body.Text) == "" {
			return nil, bad("text: is empty")
		}
		return s.note(ctx, in.ID, in.Body.Text, false)
	})
	s.addSubscriptions()
	s.addSilences()
	s.addRehearsal()
	o := changing(http.MethodPost, "/sightings", "report-sightings", "Report C&C servers that were seen", access.Operator)
	o.about = "A sighting, or a list of them. Each needs family, at, and one of addr, name and url; id is made from them."
	o.body = 8 << 20
	register(s, o, s.takeSightings)
}

func (s *Server) note(ctx context.Context, incident, text string, ack bool) (*body[Note], error) {
	if s.deps.Desk == nil {
		return nil, absent(noDesk)
	}
	who, _ := access.From(ctx)
	n := Note{At: s.world().UTC(), Who: who.Name, Ack: ack, Text: strings.TrimSpace(text)}
	do := s.deps.Desk.Comment
	if ack {
		do = s.deps.Desk.Ack
	}
	if err := do(ctx, incident, n.Who, n.Text); err != nil {
		return nil, err
	}
	return &body[Note]{n}, nil
}

type named struct {
	Name string `path:"name" maxLength:"64" doc:"of the subscription"`
}

func (s *Server) addSubscriptions() {
	get := reading("/subscriptions", "subscriptions", tagDesk, "Who wants to hear about what", "")
	register(s, get, func(ctx context.Context, in *PageInput) (*list[Subscription], error) {
		if s.deps.Subscribe == nil {
			return nil, absent(noNotify)
		}
		all, err := s.deps.Subscribe.Subscriptions(ctx)
		if err != nil {
			return nil, err
		}
		return listed(in, "subscriptions", all)
	})
	post := changing(http.MethodPost, "/subscriptions", "subscribe", "Make a subscription, or another of the same name", access.Operator)
	post.status = http.StatusCreated
	register(s, post, func(ctx context.Context, in *struct{ Body Subscription }) (*body[Subscription], error) {
		if s.deps.Subscribe == nil {
			return nil, absent(noNotify)
		}
		who, _ := access.From(ctx)
		made, err := s.deps.Subscribe.Subscribe(ctx, who.Name, in.Body)
		return &body[Subscription]{made}, err
	})
	// Who is told no more does not notice: that is for who may undo anything.
	register(s, changing(http.MethodDelete, "/subscriptions/{name}", "unsubscribe", "Take a subscription away", access.Admin), func(ctx context.Context, in *named) (*struct{}, error) {
		if s.deps.Subscribe == nil {
			return nil, absent(noNotify)
		}
		who, _ := access.From(ctx)
		return nil, s.deps.Subscribe.Unsubscribe(ctx, who.Name, in.Name)
	})
}

func (s *Server) addSilences() {
	register(s, reading("/silences", "silences", tagDesk, "What nobody is told at the moment", ""), func(ctx context.Context, in *PageInput) (*list[Silence], error) {
		if s.deps.Silence == nil {
			return nil, absent(noNotify)
		}
		all, err := s.deps.Silence.Silences(ctx)
		if err != nil {
			return nil, err
		}
		return listed(in, "silences", all)
	})
	post := changing(http.MethodPost, "/silences", "silence", "Tell nobody for a while", access.Operator)
	post.status = http.StatusCreated
	register(s, post, func(ctx context.Context, in *struct{ Body Silence }) (*body[Silence], error) {
		if s.deps.Silence == nil {
			return nil, absent(noNotify)
		}
		if !in.Body.Until.After(s.world()) {
			return nil, bad("until: %s is over already", in.Body.Until.Format(time.RFC3339))
		}
		who, _ := access.From(ctx)
		in.Body.ID, in.Body.By = "", who.Name
		made, err := s.deps.Silence.Silence(ctx, who.Name, in.Body)
		return &body[Silence]{made}, err
	})
	register(s, changing(http.MethodDelete, "/silences/{id}", "unsilence", "End a silence", access.Operator), func(ctx context.Context, in *struct {
		ID string `path:"id" maxLength:"100" doc:"of the silence"`
	}) (*struct{}, error) {
		if s.deps.Silence == nil {
			return nil, absent(noNotify)
		}
		who, _ := access.From(ctx)
		return nil, s.deps.Silence.Unsilence(ctx, who.Name, in.ID)
	})
}

// Taken is what became of sightings.
type Taken struct {
	Accepted int      `json:"accepted"`
	Refused  []Reason `json:"refused"`
}

// Reason is why one was refused.
type Reason struct {
	Index  int    `json:"index"` // in the list, from 0
	Reason string `json:"reason"`
}

// sightingsBody is one sighting or a list.
type sightingsBody struct{ json.RawMessage }

// Schema describes it. What a sighting needs is checked one by one, so that one that is wrong spoils no others.
func (sightingsBody) Schema(r huma.Registry) *huma.Schema {
	one := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "as GET gives it; type, id and place are ours"}
	return &huma.Schema{OneOf: []*huma.Schema{one, {Type: huma.TypeArray, Items: one}}}
}

const mostSightings = 10_000

func (s *Server) takeSightings(ctx context.Context, in *struct{ Body sightingsBody }) (*body[Taken], error) {
	if s.deps.Sightings == nil {
		return nil, absent("nothing takes sightings in (configuration: sightings, timeline)")
	}
	raw := []json.RawMessage{in.Body.RawMessage}
	if t := strings.TrimSpace(string(in.Body.RawMessage)); strings.HasPrefix(t, "[") {
		if err := json.Unmarshal([]byte(t), &raw); err != nil {
			return nil, bad("%v", err)
		}
	}
	if len(raw) == 0 || len(raw) > mostSightings {
		return nil, bad("%d sightings: want 1 to %d", len(raw), mostSightings)
	}
	who, _ := access.From(ctx)
	out := Taken{Refused: []Reason{}}
	var list []cnc.Sighting
	var index []int
	for i, one := range raw {
		x, err := readSighting(one, who.Name)
		if err != nil {
			out.Refused = append(out.Refused, Reason{i, err.Error()})
			continue
		}
		list, index = append(list, x), append(index, i)
	}
	if len(list) > 0 {
		said, err := s.deps.Sightings.Take(ctx, who.Name, list)
		if err != nil {
			return nil, err
		}
		for i, err := range said {
			if err != nil {
				out.Refused = append(out.Refused, Reason{index[i], err.Error()})
			} else {
				out.Accepted++
			}
		}
	}
	if out.Accepted == 0 {
		return nil, bad("sighting %d: %s", out.Refused[0].Index, out.Refused[0].Reason)
	}
	return &body[Taken]{out}, nil
}

// readSighting reads one, and refuses what nobody could do anything with.
func readSighting(text []byte, who string) (x cnc.Sighting, err error) {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields() // addres: would be a sighting of nothing
	if err := d.Decode(&x); err != nil {
		return x, fmt.Errorf("cannot be read: %w", err)
	}
	x.Type, x.ID, x.Place = "sighting", "", nil
	if x.Source == "" {
		x.Source = who
	}
	switch {
	case x.Family == "" && x.Label == "":
		return x, errors.New("family: is missing")
	case x.At.IsZero():
		return x, errors.New("at: is missing")
	case !x.Addr.IsValid() && x.Name == "" && x.URL == "":
		return x, errors.New("one of addr, name and url is needed")
	}
	return x, nil
}
