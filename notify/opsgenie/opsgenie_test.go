package opsgenie

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"

	"depeer/notify"
	"depeer/notify/notifytest"
)

const key = "planted-genie-key"

// service is the Alert API: what has the alias of an open alert is that alert.
type service struct{ notifytest.Board }

func size(s string) int { return len(utf16.Encode([]rune(s))) }

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Want(r.Header.Get("Authorization") == "GenieKey "+key, "authorization")
	var b struct {
		Message, Alias, Description, Entity, Source, Priority, User string
		Tags                                                        []string
		Details                                                     map[string]string
	}
	body, _ := io.ReadAll(r.Body)
	s.Want(json.Unmarshal(body, &b) == nil, "%.100s", body)
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"result":"Request will be processed","took":0.1,"requestId":"x"}`)
	s.Want(size(b.Message) <= 130 && size(b.Alias) <= 512 && size(b.Description) <= 15000 && size(b.Entity) <= 512 && size(b.Source) <= 100 && len(b.Tags) <= 20,
		"too long: %d %d %d", size(b.Message), size(b.Alias), size(b.Description))
	details := 0
	for k, v := range b.Details {
		details += size(k) + size(v)
	}
	s.Want(details <= 8000, "details of %d", details)
	if r.URL.Path == "/v2/alerts" {
		s.Want(b.Message != "" && b.Alias != "", "no message or alias")
		if s.Change(b.Alias, func(a *notifytest.Shown) { a.Edits++ }) {
			return // counted, and nothing else
		}
		s.Put(b.Alias, notifytest.Shown{Title: b.Message, Text: b.Message + "\n" + b.Description + "\n" + b.Priority + "\n"})
		return
	}
	s.Want(r.URL.Query().Get("identifierType") == "alias", "%s", r.URL)
	rest, _ := strings.CutPrefix(r.URL.EscapedPath(), "/v2/alerts/")
	escaped, verb, _ := strings.Cut(rest, "/")
	alias, err := url.PathUnescape(escaped)
	s.Want(err == nil, "%v", err)
	method := "PUT"
	s.Change(alias, func(a *notifytest.Shown) {
		switch verb {
		case "message":
			a.Title = b.Message
		case "description":
			a.Text = a.Title + "\n" + b.Description
		case "priority":
			s.Want(strings.HasPrefix(b.Priority, "P"), "priority %q", b.Priority)
		case "close":
			method, a.Closed = "POST", true
		case "acknowledge":
			method = "POST"
			a.Replies = append(a.Replies, "acknowledged")
		default:
			s.Fault("%s", r.URL)
		}
	})
	s.Want(r.Method == method, "%s %s", r.Method, r.URL)
}

func receiver(t *testing.T, at notifytest.Place) notify.Receiver {
	c := DefaultConfig()
	c.URL, c.Key, c.Tags = at.URL, key, []string{"noc"}
	r, err := New(c, Deps{HTTP: at.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReceiver(t *testing.T) {
	notifytest.Run(t, notifytest.HTTP{
		Subject: notifytest.Subject{Secrets: []string{key}},
		Start:   func(*testing.T) notifytest.Service { return &service{} },
		New:     receiver,
	})
}

func TestAcknowledge(t *testing.T) {
	s := &service{}
	r := notifytest.Open(t, s, receiver)
	m := notifytest.Blackout()
	m.Key = "k/with slash"
	before, err := r.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Reason, m.Before = notify.Acked, before
	if _, err := r.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := s.Shown(); len(got) != 1 || len(got[0].Replies) != 1 || got[0].Closed || len(s.Faults()) > 0 {
		t.Errorf("%+v %q", got, s.Faults())
	}
}

func TestValidate(t *testing.T) {
	want := "key: is missing\nurl: \"x\" is no URL\ntags[0]: \"\" is empty or longer than 50\nsource: \"\" is empty or longer than 100"
	if err := (Config{URL: "x", Tags: []string{""}}).Validate(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}
