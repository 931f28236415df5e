package alertmanager

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"depeer/notify"
	"depeer/notify/notifytest"
)

const password = "planted-alertmanager-password"

var now = time.Date(2026, 4, 5, 6, 7, 8, 0, time.UTC)

// service is the v2 API: alerts with the same labels are one alert.
type service struct{ notifytest.Board }

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, pass, _ := r.BasicAuth()
	s.Want(user == "depeer" && pass == password, "authorization %q", user)
	s.Want(r.Method == "POST" && r.URL.Path == "/api/v2/alerts" && r.Header.Get("Content-Type") == "application/json", "%s %s", r.Method, r.URL)
	var alerts []struct {
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
		GeneratorURL        string
	}
	body, _ := io.ReadAll(r.Body)
	s.Want(json.Unmarshal(body, &alerts) == nil && len(alerts) > 0, "%.100s", body)
	for _, a := range alerts {
		for name, value := range a.Labels {
			s.Want(labelName.MatchString(name) && value != "", "label %q=%q", name, value)
		}
		s.Want(a.Labels["alertname"] != "" && !a.StartsAt.IsZero() && !a.EndsAt.Before(a.StartsAt), "alert %+v", a)
		s.Want(!a.StartsAt.After(now.Add(time.Hour)), "starts %v", a.StartsAt)
		shown := notifytest.Shown{Title: a.Annotations["summary"], Closed: !a.EndsAt.After(now), Active: []string{a.GeneratorURL}}
		if a.GeneratorURL == "" {
			shown.Active = nil
		}
		for _, v := range a.Labels {
			shown.Text += v + "\n"
		}
		for _, v := range a.Annotations {
			shown.Text += v + "\n"
		}
		s.Put(fmt.Sprint(a.Labels), shown) // maps print sorted
	}
}

func receiver(t *testing.T, at notifytest.Place) notify.Receiver {
	c := DefaultConfig()
	c.URLs, c.User, c.Password = []string{at.URL}, "depeer", password
	c.Labels = []Label{{"team", "noc"}}
	r, err := New(c, Deps{HTTP: at.HTTP, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReceiver(t *testing.T) {
	notifytest.Run(t, notifytest.HTTP{
		Subject: notifytest.Subject{Secrets: []string{password}},
		Start:   func(*testing.T) notifytest.Service { return &service{} },
		New:     receiver,
	})
}

// A change of the severity changes the labels: the alert of the old one ends.
func TestSeverityMovesTheAlert(t *testing.T) {
	s := &service{}
	r := notifytest.Open(t, s, receiver)
	m := notifytest.Blackout()
	m.Severity = "warning"
	before, err := r.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Severity, m.Before = "critical", before
	if _, err := r.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := s.Shown(); len(got) != 2 || !got[0].Closed || got[1].Closed {
		t.Errorf("%+v", got)
	}
}

func TestValidate(t *testing.T) {
	c := Config{URLs: []string{"x", "http://a:b@c"}, Token: "t", User: "u", Labels: []Label{{"severity", ""}, {"a-b", ""}}}
	want := `urls[0]: is no URL
urls[1]: has a password in it; give user and password
token: give a token or a password, not both
alertname: is missing
labels[0].name: "severity" is no label, or depeer's own
labels[1].name: "a-b" is no label, or depeer's own
hold: 0s is less than 1m`
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}
