// Package teams posts to a channel of Microsoft Teams through a Workflows webhook ("Post
// to a channel when a webhook request is received"), as an Adaptive Card.
//
// A workflow gives back no id: a card can be neither changed nor recognised. So only what
// people must see is sent: the first message, loud changes and reminders, the end. A quiet
// change and an acknowledgement are left out, and a process that is killed between sending
// and recording posts the same card again.
//
// Texts from outside are in text runs, which know no markup; nobody is mentioned by them,
// but only by a subscription, which names the addresses of people's accounts.
// A card holds at most 28 KB with everything in it, so there is no picture: the link leads
// to it. Texts give way until it fits.
package teams

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"depeer/notify"
	"depeer/notify/plain"
	"depeer/notify/post"
)

// Config is one workflow.
type Config struct {
	URL notify.Secret `yaml:"url"` // of the workflow; who knows it can post
}

// DefaultConfig is a workflow without its URL.
func DefaultConfig() Config { return Config{} }

// Validate says what is wrong; it shows no secret.
func (c Config) Validate() error {
	if u, err := url.Parse(string(c.URL)); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.New("url: is no http or https URL")
	}
	return nil
}

// Deps are what a receiver works with.
type Deps struct{ HTTP *http.Client }

// Receiver posts cards. It may be used by many goroutines.
type Receiver struct {
	plain.Sealed
	config  Config
	courier *post.Courier
}

var _ notify.Receiver = (*Receiver)(nil)

// New gives a receiver.
func New(config Config, deps Deps) (*Receiver, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	return &Receiver{plain.Seal("teams receiver"), config, post.NewCourier(deps.HTTP, (*post.Secrets)(nil).URL(string(config.URL)))}, nil
}

// maxCard is below the 28 KB of Teams, which counts more than our bytes.
const maxCard = 24 << 10

// Send posts a card where people must see one.
func (r *Receiver) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	if m.Reason == notify.Changed && !m.Loud || m.Reason == notify.Acked || m.Before["id"] == m.ID && m.ID != "" {
		return m.Before, nil
	}
	m = plain.Copy(m)
	for _, n := range []int{4000, 1500, 500, 100} {
		body, err := json.Marshal(message(m, n))
		if err != nil {
			return nil, notify.Permanent("post to teams: write the card: %v", err)
		}
		if len(body) > maxCard {
			continue
		}
		if err := r.courier.Do(ctx, post.Call{Act: "post to teams", URL: string(r.config.URL), Type: "application/json", Body: body}); err != nil {
			return nil, err
		}
		return notify.Receipt{"id": m.ID}, nil
	}
	return nil, notify.Permanent("post to teams: the card does not fit in %d bytes", maxCard)
}

type object map[string]any

func run(text string, more object) object {
	r := object{"type": "TextRun", "text": text}
	for k, v := range more {
		r[k] = v
	}
	return r
}

func rich(runs ...object) object { return object{"type": "RichTextBlock", "inlines": runs} }

// upn is how a subscription names a person: by the address of his account.
var upn = regexp.MustCompile(`^[A-Za-z0-9.+-]{1,64}@[A-Za-z0-9.-]{3,100}$`)

// mentions are the people whom a loud message wakes: what is to be read, and who is meant.
func mentions(m *notify.Message) (string, []object) {
	var names []string
	var people []object
	for _, who := range m.Mention {
		if m.Loud && upn.MatchString(who) && len(names) < 10 {
			at := "<at>" + who + "</at>"
			names = append(names, at)
			people = append(people, object{"type": "mention", "text": at, "mentioned": object{"id": who, "name": who}})
		}
	}
	return strings.Join(names, " "), people
}

// message is the body of the request, no text in it longer than n.
func message(m *notify.Message, n int) object {
	sign, word := plain.Mark(m)
	color := map[string]string{"CRITICAL": "Attention", "WARNING": "Warning", "RESOLVED": "Good"}[word]
	if color == "" {
		color = "Accent"
	}
	body := []object{rich(run(sign+" "+word+": "+plain.Cut(m.Title, min(n, 300)), object{"weight": "Bolder", "size": "Large", "color": color}))}
	if m.Text != "" {
		body = append(body, rich(run(plain.Cut(m.Text, n), nil)))
	}
	for i, c := range m.Changes {
		if i == 10 {
			break
		}
		body = append(body, rich(run("New: ", object{"weight": "Bolder"}), run(plain.Cut(c, min(n, 300)), nil)))
	}
	for i, f := range m.Facts {
		if i == 10 {
			break
		}
		body = append(body, rich(run(plain.Cut(f.Name, 100)+": ", object{"weight": "Bolder"}), run(plain.Cut(f.Value, min(n, 500)), nil)))
	}
	if m.Next != "" {
		body = append(body, rich(run("Next: ", object{"weight": "Bolder"}), run(plain.Cut(m.Next, n), nil)))
	}
	body = append(body, rich(run(plain.When(m.At), object{"isSubtle": true, "size": "Small"})))
	teams := object{"width": "Full"}
	if text, people := mentions(m); text != "" {
		body = append(body[:1:1], append([]object{{"type": "TextBlock", "text": text, "wrap": true}}, body[1:]...)...)
		teams["entities"] = people
	}
	card := object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
		"body": body, "msteams": teams, "fallbackText": plain.Cut(m.Title, 300)}
	if m.Link != "" && len(m.Link) < 2000 {
		card["actions"] = []object{{"type": "Action.OpenUrl", "title": "Open in depeer", "url": m.Link}}
	}
	return object{"type": "message", "attachments": []object{{
		"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card,
	}}}
}
