package pagerduty

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"depeer/notify"
	"depeer/notify/notifytest"
)

const routing = "planted0routing0key0of0pagerduty"

// service is the Events API v2.
type service struct{ notifytest.Board }

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var e struct {
		RoutingKey  string `json:"routing_key"`
		EventAction string `json:"event_action"`
		DedupKey    string `json:"dedup_key"`
		Payload     struct {
			Summary, Source, Severity, Timestamp, Component, Group, Class string
			CustomDetails                                                 map[string]any `json:"custom_details"`
		}
		Links []struct{ Href, Text string }
	}
	err := json.Unmarshal(body, &e)
	s.Want(err == nil && len(body) <= 512<<10, "%d bytes: %v", len(body), err)
	s.Want(e.RoutingKey == routing, "routing_key %q", e.RoutingKey)
	s.Want(e.Payload.Summary != "" && len(utf16.Encode([]rune(e.Payload.Summary))) <= 1024 && e.Payload.Source != "", "payload %.100s", body)
	_, err = time.Parse(time.RFC3339Nano, e.Payload.Timestamp)
	s.Want(err == nil, "timestamp: %v", err)
	shown := notifytest.Shown{Title: e.Payload.Summary}
	var all any
	_ = json.Unmarshal(body, &all)
	delete(all.(map[string]any), "routing_key")
	shown.Text = notifytest.Flat(all)
	for _, l := range e.Links {
		shown.Active = append(shown.Active, l.Href)
	}
	switch r.URL.Path {
	case "/v2/enqueue":
		s.Want(e.DedupKey != "" && len(e.DedupKey) <= 255, "dedup_key %q", e.DedupKey)
		s.Want(slices.Contains([]string{"critical", "error", "warning", "info"}, e.Payload.Severity), "severity %q", e.Payload.Severity)
		switch e.EventAction {
		case "trigger":
			s.Put(e.DedupKey, shown)
		case "acknowledge":
			s.Change(e.DedupKey, func(a *notifytest.Shown) { a.Replies = append(a.Replies, "acknowledged") })
		case "resolve":
			s.Change(e.DedupKey, func(a *notifytest.Shown) { a.Closed, a.Text, a.Title = true, shown.Text, shown.Title })
		default:
			s.Fault("event_action %q", e.EventAction)
		}
	case "/v2/change/enqueue":
		s.Put("change "+e.Payload.Summary, shown)
	default:
		s.Fault("path %s", r.URL.Path)
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"success","message":"Event processed","dedup_key":"x"}`)
}

func receiver(t *testing.T, at notifytest.Place) notify.Receiver {
	c := DefaultConfig()
	c.URL, c.Key = at.URL, routing
	r, err := New(c, Deps{HTTP: at.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReceiver(t *testing.T) {
	notifytest.Run(t, notifytest.HTTP{
		Subject: notifytest.Subject{Secrets: []string{routing}},
		Start:   func(*testing.T) notifytest.Service { return &service{} },
		New:     receiver,
	})
}

func TestAcknowledge(t *testing.T) {
	s := &service{}
	r := notifytest.Open(t, s, receiver)
	m := notifytest.Blackout()
	if _, err := r.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	m.Reason = notify.Acked
	if _, err := r.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := s.Shown(); len(got) != 1 || len(got[0].Replies) != 1 || got[0].Closed {
		t.Errorf("%+v", got)
	}
}

func TestLongKey(t *testing.T) {
	a, b := key(strings.Repeat("a", 300)+"1"), key(strings.Repeat("a", 300)+"2")
	if a == b || len(a) > maxKey {
		t.Errorf("%q, %q", a, b)
	}
}

func TestValidate(t *testing.T) {
	want := "key: is missing\nurl: \"x\" is no URL\nsource: is missing"
	if err := (Config{URL: "x"}).Validate(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}
