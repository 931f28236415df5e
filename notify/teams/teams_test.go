package teams

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"depeer/notify"
	"depeer/notify/notifytest"
)

const (
	sig      = "planted-workflow-sig"
	workflow = "planted0workflow0id"
)

// flow is a workflow that posts the card of a request.
type flow struct{ notifytest.Board }

func (f *flow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if len(body) > 28<<10 {
		f.Fault("%d bytes", len(body))
		http.Error(w, "RequestEntityTooLarge", http.StatusRequestEntityTooLarge)
		return
	}
	f.Want(r.URL.Query().Get("sig") == sig, "no sig")
	var m struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     struct {
				Type, Version string
				Body          []struct {
					Type    string
					Text    string
					Inlines []struct{ Type, Text string }
				}
				Actions []struct{ Type, Title, URL string }
				MSTeams struct{ Entities []struct{ Type, Text string } }
			}
		}
	}
	if err := json.Unmarshal(body, &m); err != nil || m.Type != "message" || len(m.Attachments) != 1 {
		f.Fault("no message: %v", err)
		return
	}
	a := m.Attachments[0]
	f.Want(a.ContentType == "application/vnd.microsoft.card.adaptive" && a.Content.Type == "AdaptiveCard" && a.Content.Version != "", "no card")
	var shown notifytest.Shown
	named := ""
	for _, e := range a.Content.MSTeams.Entities {
		f.Want(e.Type == "mention", "an entity %+v", e)
		shown.Active = append(shown.Active, e.Text)
		named += " " + e.Text
	}
	for i, b := range a.Content.Body {
		if named != "" && b.Type == "TextBlock" {
			f.Want(" "+b.Text == named, "mentions %q without the people: %q", b.Text, named)
			continue
		}
		f.Want(b.Type == "RichTextBlock" && len(b.Inlines) > 0, "a %s, which knows markup", b.Type)
		line := ""
		for _, run := range b.Inlines {
			f.Want(run.Type == "TextRun" && run.Text != "", "an empty run")
			line += run.Text
		}
		if i == 0 {
			shown.Title = line
		}
		shown.Text += line + "\n"
	}
	for _, act := range a.Content.Actions {
		f.Want(act.Type == "Action.OpenUrl", "%s", act.Type)
		shown.Active = append(shown.Active, act.URL)
	}
	f.Put(fmt.Sprint(len(f.Board.Shown()), r.RemoteAddr, shown.Title), shown)
	w.WriteHeader(http.StatusAccepted)
}

func receiver(t *testing.T, at notifytest.Place) notify.Receiver {
	r, err := New(Config{URL: notify.Secret(at.URL + "/workflows/" + workflow + "/triggers/manual/paths/invoke?api-version=2016-06-01&sig=" + sig)}, Deps{HTTP: at.HTTP})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReceiver(t *testing.T) {
	notifytest.Run(t, notifytest.HTTP{
		Subject: notifytest.Subject{Secrets: []string{sig, workflow}, Appends: true, Quiet: true, NoClose: true, Doubles: "a workflow gives no id, and takes none"},
		Start:   func(*testing.T) notifytest.Service { return &flow{} },
		New:     receiver,
	})
}

func TestQuietChangesAreLeftOut(t *testing.T) {
	f := &flow{}
	r := notifytest.Open(t, f, receiver)
	m := notifytest.Blackout()
	before, err := r.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Before = before
	for _, again := range []*notify.Message{m, notifytest.Revise(m, 4, before)} {
		if _, err := r.Send(t.Context(), again); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.Shown(); len(got) != 1 {
		t.Errorf("%d cards", len(got))
	}
}

func TestMentions(t *testing.T) {
	f := &flow{}
	r := notifytest.Open(t, f, receiver)
	m := notifytest.Blackout()
	m.Mention = []string{"anna@example.org", "<at>everyone</at>", "x"}
	if _, err := r.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := f.Shown()[0].Active; len(got) != 2 || got[0] != "<at>anna@example.org</at>" || len(f.Faults()) > 0 {
		t.Errorf("%q, %q", got, f.Faults())
	}
}

func TestValidate(t *testing.T) {
	if err := (Config{URL: "planted"}).Validate(); err == nil || err.Error() != "url: is no http or https URL" {
		t.Errorf("%v", err)
	}
}
