package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/timeline"
	"depeer/web"
	"depeer/web/access"
)

const base = "/api/v1"

// get asks for what has a type.
func get[T any](ctx context.Context, c *Client, path string, query url.Values) (*T, error) {
	var out T
	if err := c.Get(ctx, base+path, query, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

func send[T any](ctx context.Context, c *Client, method, path string, body any) (*T, error) {
	var out T
	if err := c.do(ctx, method, base+path, nil, body, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Status is the whole board.
func (c *Client) Status(ctx context.Context) (*web.Status, error) {
	return get[web.Status](ctx, c, "/status", nil)
}

// Hoster is how one stands.
func (c *Client) Hoster(ctx context.Context, id string) (*watch.Standing, error) {
	return get[watch.Standing](ctx, c, "/hosters/"+url.PathEscape(id), nil)
}

// Explain says why there was an alarm of a hoster or (hoster is "") a prefix, or none.
func (c *Client) Explain(ctx context.Context, hoster, prefix string) (*web.Explanations, error) {
	v := url.Values{}
	if hoster != "" {
		v.Set("hoster", hoster)
	}
	if prefix != "" {
		v.Set("prefix", prefix)
	}
	return get[web.Explanations](ctx, c, "/explain", v)
}

// ExplainAt says the same of a moment of the past.
func (c *Client) ExplainAt(ctx context.Context, hoster, prefix string, at time.Time) (*web.Explanations, error) {
	v := url.Values{"at": {stamp(at)}}
	if hoster != "" {
		v.Set("hoster", hoster)
	}
	if prefix != "" {
		v.Set("prefix", prefix)
	}
	return get[web.Explanations](ctx, c, "/explain", v)
}

// Search leads from a word to what it may mean.
func (c *Client) Search(ctx context.Context, word string) (*web.Search, error) {
	return get[web.Search](ctx, c, "/search", url.Values{"q": {word}})
}

// Gaps lists holes in what was seen, newest first; zero times are no bounds.
func (c *Client) Gaps(ctx context.Context, from, to time.Time) ([]watch.Gap, error) {
	out, err := get[[]watch.Gap](ctx, c, "/gaps", period(from, to, time.Time{}))
	if err != nil {
		return nil, err
	}
	return *out, nil
}

// WhoAmI is who the server takes us for.
func (c *Client) WhoAmI(ctx context.Context) (*access.Who, error) {
	return get[access.Who](ctx, c, "/whoami", nil)
}

func period(from, to, believed time.Time) url.Values {
	v := url.Values{}
	for name, t := range map[string]time.Time{"from": from, "to": to, "believed": believed} {
		if !t.IsZero() {
			v.Set(name, stamp(t))
		}
	}
	return v
}

// about is the path of what a question is about.
func about(q *timeline.Asking) string {
	switch {
	case q.Hoster != "":
		return "/hosters/" + url.PathEscape(q.Hoster)
	case q.Prefix.IsValid():
		return "/prefixes/" + url.PathEscape(q.Prefix.String())
	case q.Addr.IsValid():
		return "/prefixes/" + url.PathEscape(q.Addr.String())
	}
	return "/asns/" + number(q.ASN)
}

// Timeline is the story of a hoster, a prefix, an address or an AS.
func (c *Client) Timeline(ctx context.Context, q timeline.Asking) (*timeline.Timeline, error) {
	return get[timeline.Timeline](ctx, c, about(&q)+"/timeline", period(q.From, q.To, q.Believed))
}

// RoutesAt is what every peer said of a prefix or an address at q.To.
func (c *Client) RoutesAt(ctx context.Context, q timeline.Asking) (*timeline.Routes, error) {
	v := period(time.Time{}, time.Time{}, q.Believed)
	if !q.To.IsZero() {
		v.Set("at", stamp(q.To))
	}
	return get[timeline.Routes](ctx, c, about(&q)+"/routes", v)
}

// Difference is what is otherwise at q.To than at q.From.
func (c *Client) Difference(ctx context.Context, q timeline.Asking) (*timeline.Difference, error) {
	return get[timeline.Difference](ctx, c, about(&q)+"/difference", period(q.From, q.To, q.Believed))
}

// BGPlay is the routes as BGPlay reads them.
func (c *Client) BGPlay(ctx context.Context, q timeline.Asking) (*timeline.BGPlay, error) {
	v := period(q.From, q.To, q.Believed)
	switch {
	case q.Hoster != "":
		v.Set("resource", q.Hoster)
	case q.Prefix.IsValid():
		v.Set("resource", q.Prefix.String())
	case q.Addr.IsValid():
		v.Set("resource", q.Addr.String())
	default:
		v.Set("resource", "AS"+number(q.ASN))
	}
	return get[timeline.BGPlay](ctx, c, "/bgplay", v)
}

// Upstream is whom an AS carries, and whom it carried, gained and dropped.
func (c *Client) Upstream(ctx context.Context, asn uint32, from, to, believed time.Time) (*web.Upstream, error) {
	return get[web.Upstream](ctx, c, "/upstreams/"+number(asn), period(from, to, believed))
}

// Still is by whom every hoster is still routed; a zero time is now.
func (c *Client) Still(ctx context.Context, at, believed time.Time) ([]timeline.Still, error) {
	v := period(time.Time{}, time.Time{}, believed)
	if !at.IsZero() {
		v.Set("at", stamp(at))
	}
	out, err := get[[]timeline.Still](ctx, c, "/still", v)
	if err != nil {
		return nil, err
	}
	return *out, nil
}

// Events lists judged facts.
func (c *Client) Events(ctx context.Context, f Filter) (*web.List[watch.Event], error) {
	return get[web.List[watch.Event]](ctx, c, "/events", f.values("kind"))
}

// Incidents lists incidents in their latest revisions.
func (c *Client) Incidents(ctx context.Context, f Filter) (*web.List[watch.Incident], error) {
	return get[web.List[watch.Incident]](ctx, c, "/incidents", f.values("class"))
}

// Incident is the story of one.
func (c *Client) Incident(ctx context.Context, id string) (*web.Story, error) {
	return get[web.Story](ctx, c, "/incidents/"+url.PathEscape(id), nil)
}

// Migrations lists families that were seen leaving a hoster.
func (c *Client) Migrations(ctx context.Context, f Filter) (*web.List[cnc.Migration], error) {
	return get[web.List[cnc.Migration]](ctx, c, "/migrations", f.values("family"))
}

// Dossier is what is known of a hoster's C&C servers.
func (c *Client) Dossier(ctx context.Context, hoster string) (*cnc.Dossier, error) {
	return get[cnc.Dossier](ctx, c, "/hosters/"+url.PathEscape(hoster)+"/dossier", nil)
}

// Sightings lists observations of C&C servers.
func (c *Client) Sightings(ctx context.Context, f Filter) (*web.List[cnc.Sighting], error) {
	return get[web.List[cnc.Sighting]](ctx, c, "/sightings", f.values("family"))
}

// Report tells what was seen.
func (c *Client) Report(ctx context.Context, list []cnc.Sighting) (*web.Taken, error) {
	return send[web.Taken](ctx, c, http.MethodPost, "/sightings", list)
}

type text struct {
	Text string `json:"text,omitempty"`
}

// Ack takes care of an incident; the comment may be empty.
func (c *Client) Ack(ctx context.Context, incident, comment string) (*web.Note, error) {
	return send[web.Note](ctx, c, http.MethodPost, "/incidents/"+url.PathEscape(incident)+"/ack", text{comment})
}

// Comment says something about an incident.
func (c *Client) Comment(ctx context.Context, incident, comment string) (*web.Note, error) {
	return send[web.Note](ctx, c, http.MethodPost, "/incidents/"+url.PathEscape(incident)+"/comments", text{comment})
}

// Subscriptions lists who wants to hear about what.
func (c *Client) Subscriptions(ctx context.Context) ([]web.Subscription, error) {
	out, err := get[[]web.Subscription](ctx, c, "/subscriptions", nil)
	if err != nil {
		return nil, err
	}
	return *out, nil
}

// Subscribe makes a subscription, or replaces that of the same name.
func (c *Client) Subscribe(ctx context.Context, s web.Subscription) (*web.Subscription, error) {
	return send[web.Subscription](ctx, c, http.MethodPost, "/subscriptions", s)
}

// Unsubscribe takes one away.
func (c *Client) Unsubscribe(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, base+"/subscriptions/"+url.PathEscape(name), nil, nil, nil)
}

// Rehearse says what would have been told to whom.
func (c *Client) Rehearse(ctx context.Context, r web.Rehearse) (*web.Rehearsed, error) {
	return send[web.Rehearsed](ctx, c, http.MethodPost, "/subscriptions/test", r)
}

// Deliveries lists what came of telling people; of an incident where it is not "".
func (c *Client) Deliveries(ctx context.Context, incident, cursor string) (*web.List[web.Told], error) {
	v := url.Values{"limit": {"1000"}}
	for name, value := range map[string]string{"incident": incident, "cursor": cursor} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return get[web.List[web.Told]](ctx, c, "/deliveries", v)
}

// Silences lists what nobody is told.
func (c *Client) Silences(ctx context.Context) ([]web.Silence, error) {
	out, err := get[[]web.Silence](ctx, c, "/silences", nil)
	if err != nil {
		return nil, err
	}
	return *out, nil
}

// Silence keeps something from being told for a while.
func (c *Client) Silence(ctx context.Context, s web.Silence) (*web.Silence, error) {
	return send[web.Silence](ctx, c, http.MethodPost, "/silences", s)
}

// Unsilence ends a silence.
func (c *Client) Unsilence(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, base+"/silences/"+url.PathEscape(id), nil, nil, nil)
}

func number(asn uint32) string { return strconv.FormatUint(uint64(asn), 10) }
