package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"depeer/notify"
	"depeer/notify/plain"
	"depeer/notify/post"
)

const (
	workers  = 4
	waiting  = 64              // requests of people that wait for a worker
	patience = 2 * time.Minute // for the Desk to answer one
	window   = 5 * time.Minute // how old a signed request may be
)

// Counts is what became of people's requests since the start.
type Counts struct {
	Taken    int64 // buttons and commands that were acknowledged
	Busy     int64 // turned away because too many waited
	Refused  int64 // unsigned, wrongly signed, old, or unreadable
	Repeated int64 // seen before
}

// counsel is the queue between those who hear people and those who ask the Desk.
type counsel struct {
	jobs                           chan job
	running                        atomic.Bool
	began                          chan struct{} // closed when Run has begun
	once                           sync.Once
	taken, busy, refused, repeated atomic.Int64

	mu   sync.Mutex
	seen map[string]time.Time // requests by their signature or envelope, until they are too old; guarded by mu
}

func newCounsel() *counsel {
	return &counsel{jobs: make(chan job, waiting), began: make(chan struct{}), seen: map[string]time.Time{}}
}

// job is one thing a person asked.
type job struct {
	act   func(ctx context.Context) (string, *notify.Picture, error)
	reply string // response_url
}

// Counts gives the counters.
func (r *Receiver) Counts() Counts {
	c := r.counsel
	return Counts{c.taken.Load(), c.busy.Load(), c.refused.Load(), c.repeated.Load()}
}

// maxSeen bounds what is remembered against repeats. When it is full, requests are refused
// rather than let in twice: so many in 5 minutes are no people.
const maxSeen = 10000

// first reports whether a request is seen for the first time.
func (c *counsel) first(id string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, again := c.seen[id]; again {
		c.repeated.Add(1)
		return false
	}
	if len(c.seen) >= maxSeen {
		for k, at := range c.seen {
			if now.Sub(at) > 2*window {
				delete(c.seen, k)
			}
		}
		if len(c.seen) >= maxSeen {
			c.busy.Add(1)
			return false
		}
	}
	c.seen[id] = now
	return true
}

var errBusy = errors.New("depeer is busy, please try again in a moment")

// offer queues a job, or says that there is no room.
func (c *counsel) offer(j job) error {
	if j.act == nil {
		return nil // nothing to do: a link was opened
	}
	if !c.running.Load() {
		c.busy.Add(1)
		return errBusy
	}
	select {
	case c.jobs <- j:
		c.taken.Add(1)
		return nil
	default:
		c.busy.Add(1)
		return errBusy
	}
}

// Run answers people until ctx ends: it works off what they asked, and holds the Socket
// Mode connection where there is an app token. Without a Desk it only waits.
func (r *Receiver) Run(ctx context.Context) error {
	if !r.Hears() {
		<-ctx.Done()
		return nil
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	r.counsel.running.Store(true)
	r.counsel.once.Do(func() { close(r.counsel.began) })
	defer r.counsel.running.Store(false)
	for range workers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case j := <-r.counsel.jobs:
					r.work(ctx, j)
				}
			}
		})
	}
	if r.config.AppToken != "" {
		r.listen(ctx)
	}
	<-ctx.Done()
	return nil
}

// work asks the Desk and answers the person.
func (r *Receiver) work(ctx context.Context, j job) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	text, picture, err := j.act(ctx)
	if err != nil {
		text, picture = "That did not work: "+plain.Line(r.secrets.Hide(err.Error())), nil
	}
	if err := r.respond(ctx, j.reply, text, picture); err != nil {
		r.deps.Log.Warn("slack: a person got no answer", "error", err)
	}
}

// respond shows text to the person who asked, and to nobody else.
func (r *Receiver) respond(ctx context.Context, to, text string, picture *notify.Picture) error {
	text = strings.TrimSpace(plain.Clean(text))
	if text == "" {
		text = "Nothing to tell."
	}
	set := answerBlocks(text)
	if picture != nil && len(picture.PNG) > 0 {
		d := &delivery{Receiver: r, ctx: ctx, m: &notify.Message{Title: "Timeline", Picture: picture}}
		if file, err := d.upload("", ""); err == nil {
			d.settle(file)
			alt := plain.Line(picture.Alt)
			if alt == "" {
				alt = "Timeline"
			}
			with := append(set[:len(set):len(set)], slack.NewImageBlockSlackFile(&slack.SlackFileObject{ID: file}, plain.Cut(alt, maxAlt), "", nil))
			if err = r.postResponse(ctx, to, text, with); err == nil {
				return nil
			}
		} else {
			r.deps.Log.Warn("slack: an answer goes without its picture", "error", d.judge("slack upload of the picture", err))
		}
	}
	return r.postResponse(ctx, to, text, set)
}

// answerBlocks shows a text of any length, monospaced as it may be a table, in at most 10 blocks.
func answerBlocks(text string) []slack.Block {
	var out []slack.Block
	for text != "" && len(out) < 10 {
		part := plain.Cut(text, maxSection)
		if part != text {
			part = strings.TrimSuffix(part, "…")
			if i := strings.LastIndexByte(part, '\n'); i > 0 {
				part = part[:i+1]
			}
		}
		text = text[len(part):]
		if shown := strings.Trim(part, "\n"); shown != "" {
			pre := slack.RichTextPreformatted{Type: slack.RTEPreformatted, Elements: []slack.RichTextSectionElement{slack.NewRichTextSectionTextElement(shown, nil)}}
			out = append(out, slack.NewRichTextBlock("", &pre))
		}
	}
	return out
}

func (r *Receiver) postResponse(ctx context.Context, to, text string, set []slack.Block) error {
	if !r.ours(to) {
		return notify.Permanent("slack response_url: refused: it is none of Slack's")
	}
	body, err := json.Marshal(map[string]any{
		"response_type": "ephemeral", "replace_original": false, "text": cutEscaped(text, maxText), "blocks": slack.Blocks{BlockSet: set},
	})
	if err != nil {
		return notify.Permanent("slack response_url: write the answer: %v", err)
	}
	courier := post.NewCourier(r.deps.HTTP, post.NewSecrets(string(r.config.Token)).URL(to))
	return courier.Do(ctx, post.Call{Act: "slack response_url", URL: to, Type: "application/json", Body: body})
}

// ours reports whether an address is Slack's: a signed request tells where to answer, and
// that must not become a way into our network.
func (r *Receiver) ours(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	base, err := url.Parse(r.config.URL)
	if err != nil {
		return false
	}
	if u.Scheme == base.Scheme && u.Host == base.Host {
		return true
	}
	return u.Scheme == "https" && (u.Host == "hooks.slack.com" || u.Host == "hooks.slack-gov.com")
}

const usage = "/depeer status\n/depeer timeline HOSTER|PREFIX|ASN|IP\n/depeer explain PREFIX|HOSTER\n/depeer ack INCIDENT [COMMENT]"

// command is what a slash command asks for.
func (r *Receiver) command(c slack.SlashCommand) job {
	words := strings.Fields(plain.Line(c.Text))
	who := person(c.UserName, c.UserID)
	j := job{reply: c.ResponseURL}
	switch {
	case len(words) > 1 && words[0] == "ack":
		j.act = func(ctx context.Context) (string, *notify.Picture, error) {
			if err := r.deps.Desk.Ack(ctx, words[1], who, strings.Join(words[2:], " ")); err != nil {
				return "", nil, err
			}
			return "Acknowledged: " + words[1], nil, nil
		}
	case len(words) == 1 && words[0] == "status", len(words) > 1 && (words[0] == "timeline" || words[0] == "explain" || words[0] == "status"):
		j.act = func(ctx context.Context) (string, *notify.Picture, error) { return r.deps.Desk.Ask(ctx, words) }
	default:
		j.act = func(context.Context) (string, *notify.Picture, error) { return usage, nil, nil }
	}
	return j
}

// interaction is what a button or menu asks for; the job of a link is nil.
func (r *Receiver) interaction(i slack.InteractionCallback) job {
	j := job{reply: i.ResponseURL}
	if i.Type != slack.InteractionTypeBlockActions || len(i.ActionCallback.BlockActions) == 0 || i.ActionCallback.BlockActions[0] == nil {
		return j
	}
	who := person(i.User.Name, i.User.ID)
	switch a := i.ActionCallback.BlockActions[0]; a.ActionID {
	case actionAck:
		j.act = func(ctx context.Context) (string, *notify.Picture, error) {
			return "Acknowledged.", nil, r.deps.Desk.Ack(ctx, a.Value, who, "")
		}
	case actionSilence:
		length, incident, _ := strings.Cut(a.SelectedOption.Value, " ")
		d, err := time.ParseDuration(length)
		j.act = func(ctx context.Context) (string, *notify.Picture, error) {
			if err != nil || d <= 0 || d > 24*time.Hour || incident == "" {
				return "", nil, fmt.Errorf("%q is no length of a silence", plain.Cut(plain.Line(length), 20))
			}
			text := fmt.Sprintf("Silenced for %d h.", int(d.Hours()))
			return text, nil, r.deps.Desk.Silence(ctx, incident, who, d, "silenced in Slack by "+who)
		}
	}
	return j
}

// person names who acted: the name may change, the id does not.
func person(name, id string) string {
	name, id = plain.Cut(plain.Line(name), 80), plain.Cut(plain.Line(id), 40)
	if name == "" {
		return id
	}
	return name + " (" + id + ")"
}
