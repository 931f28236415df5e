package slack

import (
	"testing"

	"depeer/notify"
	"depeer/notify/notifytest"
	"depeer/notify/slack/slacktest"
)

const (
	token    = "xoxb-planted-bot-secret"
	appToken = "xapp-planted-app-secret"
	signing  = "planted-signing-secret"
	hookPart = "planted-webhook-secret"
)

// workspace shows a slacktest.Server to the suite.
type workspace struct{ *slacktest.Server }

func newWorkspace() workspace { return workspace{slacktest.New(token, appToken, "C0NOC", "C0CRIT")} }

func (w workspace) Shown() []notifytest.Shown {
	var out []notifytest.Shown
	for _, m := range w.Messages("") {
		v := slacktest.Read(m)
		shown := notifytest.Shown{Title: v.Title, Text: v.Text, Edits: m.Edits, Active: v.Active}
		shown.Closed = len(v.Title) > 0 && contains(v.Title, "RESOLVED")
		for _, f := range w.Files() {
			if f.ID == v.File && !f.Deleted {
				shown.Picture = f.Content
			}
		}
		for _, r := range w.Thread(m.Channel, m.TS) {
			rv := slacktest.Read(r)
			shown.Replies = append(shown.Replies, rv.Text)
			shown.Active = append(shown.Active, rv.Active...)
		}
		out = append(out, shown)
	}
	return out
}

func testConfig(url string) Config {
	c := DefaultConfig()
	c.URL, c.Token, c.AppToken, c.SigningSecret = url+"/api/", token, appToken, signing
	c.Channel, c.Pace = "C0NOC", 0
	return c
}

func TestReceiver(t *testing.T) {
	notifytest.Run(t, notifytest.HTTP{
		Subject: notifytest.Subject{Secrets: []string{token, appToken, signing, "uploadtokennnnn", "sockettickettttt"}, Pictures: true},
		Start:   func(*testing.T) notifytest.Service { return newWorkspace() },
		New: func(t *testing.T, at notifytest.Place) notify.Receiver {
			r, err := New(testConfig(at.URL), Deps{HTTP: at.HTTP, Log: at.Log, Desk: &desk{}})
			if err != nil {
				t.Fatal(err)
			}
			return r
		},
	})
}

func TestWebhookReceiver(t *testing.T) {
	notifytest.Run(t, notifytest.HTTP{
		Subject: notifytest.Subject{
			Secrets: []string{hookPart}, NoClose: true, Appends: true, Quiet: true,
			Doubles: "an incoming webhook gives no id, and takes none",
		},
		Start: func(*testing.T) notifytest.Service { return newWorkspace() },
		New: func(t *testing.T, at notifytest.Place) notify.Receiver {
			c := DefaultConfig()
			c.Webhook, c.Pace = notify.Secret(at.URL+"/services/T0/B0/"+hookPart), 0
			r, err := New(c, Deps{HTTP: at.HTTP, Log: at.Log})
			if err != nil {
				t.Fatal(err)
			}
			return r
		},
	})
}
