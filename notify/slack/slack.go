package slack

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"depeer/notify"
	"depeer/notify/plain"
	"depeer/notify/post"
)

// Deps are what a receiver works with.
type Deps struct {
	HTTP *http.Client     // http.DefaultClient where nil
	Desk notify.Desk      // who answers people; nil: no buttons, no command
	Log  *slog.Logger     // discards where nil
	Now  func() time.Time // time.Now where nil
}

// Receiver delivers to Slack, and hears people's answers. It may be used by many goroutines.
type Receiver struct {
	plain.Sealed
	config  Config
	deps    Deps
	secrets *post.Secrets
	courier *post.Courier
	api     *slack.Client
	pace    pace
	memory  memory
	counsel *counsel
	blind   sync.Once // the log has said that history cannot be read
}

var _ notify.Receiver = (*Receiver)(nil)

// New gives a receiver. It does nothing until it is used.
func New(config Config, deps Deps) (*Receiver, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	secrets := post.NewSecrets(string(config.Token), string(config.AppToken), string(config.SigningSecret)).URL(string(config.Webhook))
	r := &Receiver{
		Sealed: plain.Seal("slack receiver"), config: config, deps: deps, secrets: secrets,
		courier: post.NewCourier(deps.HTTP, secrets), pace: pace{every: config.Pace}, counsel: newCounsel(),
	}
	r.api = slack.New(string(config.Token), slack.OptionAPIURL(strings.TrimSuffix(config.URL, "/")+"/"),
		slack.OptionHTTPClient(carrier{r.courier, config.URL}), slack.OptionAppLevelToken(string(config.AppToken)),
		slack.OptionLog(quiet{}))
	return r, nil
}

// quiet keeps slack-go, which logs to the standard error, from doing so.
type quiet struct{}

func (quiet) Output(int, string) error { return nil }

// carrier lets slack-go send through the courier, which judges answers and hides secrets.
type carrier struct {
	courier *post.Courier
	base    string
}

func (c carrier) Do(req *http.Request) (*http.Response, error) {
	act := "slack upload"
	if base, err := url.Parse(c.base); err == nil && base.Host == req.URL.Host && strings.HasPrefix(req.URL.Path, strings.TrimSuffix(base.Path, "/")+"/") && len(path.Base(req.URL.Path)) < 40 {
		act = "slack " + path.Base(req.URL.Path)
	}
	return c.courier.Fetch(act, req)
}

// Hears reports whether people can answer: whether the messages have buttons.
func (r *Receiver) Hears() bool {
	return r.deps.Desk != nil && (r.config.AppToken != "" || r.config.SigningSecret != "")
}

// Send posts the message, or edits the one that m.Before or a search finds, and replies
// what is new.
func (r *Receiver) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	if r.config.Webhook != "" {
		return r.sendWebhook(ctx, plain.Copy(m))
	}
	d := &delivery{Receiver: r, ctx: ctx, m: plain.Copy(m), whom: r.config.whom(m)}
	_, again := r.memory.get("tried " + m.ID)
	d.look = m.Unsure || again
	d.known(m.Before)
	receipt, err := d.run()
	if err != nil {
		r.memory.put("tried "+m.ID, nil)
	}
	return receipt, err
}

// delivery is one Send.
type delivery struct {
	*Receiver
	ctx  context.Context
	m    *notify.Message
	whom []string
	look bool // an earlier try may have got further than anybody knows

	channel, ts string // of the message; ts "" while there is none
	file, sum   string // picture in it: file id, and what it was made from
	old         string // file that is to be deleted
	first       string // mark of the Message that it was posted for, kept over edits
	apart       bool   // the picture goes into the thread
}

// known takes what is recorded of the message, or what this process had reached when it
// failed to deliver the very same one.
func (d *delivery) known(before notify.Receipt) {
	if mine, ok := d.memory.get(d.m.ID); ok {
		before = mine
	}
	d.channel, d.ts, d.file, d.sum, d.first = before["channel"], before["ts"], before["file"], before["picture"], before["first"]
}

func (d *delivery) receipt() notify.Receipt {
	r := notify.Receipt{"channel": d.channel, "ts": d.ts, "first": d.first}
	if d.sum != "" {
		r["file"], r["picture"] = d.file, d.sum
	}
	return r
}

func (d *delivery) run() (notify.Receipt, error) {
	want := d.config.where(d.m.Severity)
	if d.ts != "" && d.channel != want && d.m.Incident != nil && !d.m.Resolved && d.rises(want) {
		if err := d.moveTo(want); err != nil {
			return nil, err
		}
	}
	if d.ts == "" {
		d.channel = want
		if d.look {
			if err := d.find(); err != nil {
				return nil, err
			}
		}
	}
	later := d.ts == "" && d.m.Picture != nil // people wait for the words, not for the picture
	if !later {
		if err := d.picture(); err != nil {
			return nil, err
		}
	}
	fresh, err := d.place()
	if err != nil {
		return nil, err
	}
	d.memory.put(d.m.ID, d.receipt())
	if later {
		if err := d.illustrate(); err != nil {
			return nil, err
		}
	}
	if err := d.reply(fresh); err != nil {
		return nil, err
	}
	d.tidy()
	d.memory.drop(d.m.ID)
	d.memory.drop("tried " + d.m.ID)
	return d.receipt(), nil
}

// place edits the message, or posts it; it tells whether it was posted.
func (d *delivery) place() (fresh bool, err error) {
	if d.ts != "" {
		err := d.write()
		if err == nil {
			return false, nil
		}
		if frozen(err) {
			// The thread tells what is new; another message would not.
			d.deps.Log.Warn("slack: a message cannot be edited any more", "key", d.m.Key, "answer", code(err))
			return false, nil
		}
		if !gone(err) {
			return false, d.judge("slack chat.update", err)
		}
		d.deps.Log.Info("slack: the message is gone, posting it anew", "key", d.m.Key, "answer", code(err))
		d.memory.drop(d.m.ID)
		d.ts, d.first = "", ""
		// Somebody, or this process before it was killed, may have done so already.
		if err := d.find(); err != nil {
			return false, err
		}
		if d.ts != "" {
			if err := d.write(); err != nil {
				return false, d.judge("slack chat.update", err)
			}
			return false, nil
		}
	}
	if err := d.pace.wait(d.ctx, d.channel, d.deps.Now); err != nil {
		return false, err
	}
	if err := d.write(); err != nil {
		return false, d.judge("slack chat.postMessage", err)
	}
	return true, nil
}

// write updates or posts, without the picture where Slack refuses it.
func (d *delivery) write() error {
	err := d.writeOnce()
	if err != nil && d.file != "" && badPicture(err) {
		d.apart = true
		err = d.writeOnce()
	}
	return err
}

func (d *delivery) writeOnce() error {
	if d.ts == "" || d.first == "" {
		d.first = mark("first", d.m.ID)
	}
	l := layout{first: d.first, whom: d.whom, hears: d.Hears(), file: d.file}
	if d.apart || d.m.Picture == nil {
		l.file = ""
	}
	options := []slack.MsgOption{
		slack.MsgOptionText(summary(d.m, d.whom), false), slack.MsgOptionBlocks(blocks(d.m, l)...),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(),
	}
	if d.ts != "" {
		_, _, _, err := d.api.UpdateMessageContext(d.ctx, d.channel, d.ts, options...)
		return err
	}
	channel, ts, err := d.api.PostMessageContext(d.ctx, d.channel, options...)
	if err != nil {
		return err
	}
	if ts == "" {
		return notify.Temporary(0, "slack chat.postMessage: answered without the ts of a message")
	}
	d.ts = ts
	if channel != "" {
		d.channel = channel
	}
	return nil
}

// reply puts what is new into the thread. A message that was posted just now says it
// itself; only what came before is told below it.
func (d *delivery) reply(fresh bool) error {
	if fresh || d.first == mark("first", d.m.ID) {
		// It was posted for this very message, in this try or in an earlier one.
		if len(d.m.Thread) < 2 {
			return d.share()
		}
		quiet := *d.m
		quiet.Loud = false
		text, content := reply(&quiet, nil)
		there, err := d.replied(mark("id", d.m.ID))
		if err == nil && !there {
			err = d.answer(text, content, false)
		}
		if err != nil {
			return err
		}
		return d.share()
	}
	text, content := reply(d.m, d.whom)
	if content == nil {
		return d.share()
	}
	there, err := d.replied(mark("id", d.m.ID))
	if err != nil {
		return err
	}
	if !there {
		if err := d.answer(text, content, d.m.Loud && d.config.Broadcast); err != nil {
			return err
		}
	}
	return d.share()
}

func (d *delivery) answer(text string, content []slack.Block, broadcast bool) error {
	if err := d.pace.wait(d.ctx, d.channel, d.deps.Now); err != nil {
		return err
	}
	options := []slack.MsgOption{
		slack.MsgOptionText(text, false), slack.MsgOptionBlocks(content...), slack.MsgOptionTS(d.ts),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(),
	}
	if broadcast {
		options = append(options, slack.MsgOptionBroadcast())
	}
	_, ts, err := d.api.PostMessageContext(d.ctx, d.channel, options...)
	if err != nil {
		return d.judge("slack chat.postMessage in the thread", err)
	}
	if ts == "" {
		return notify.Temporary(0, "slack chat.postMessage in the thread: answered without the ts of a message")
	}
	return nil
}

func (d *delivery) rises(want string) bool {
	if want == d.config.Channel {
		return false
	}
	for _, c := range d.config.Channels {
		if c.Channel == d.channel && rank(c.Severity) >= rank(d.m.Severity) {
			return false
		}
	}
	return true
}

// moveTo closes the message where it is, and lets the next step post in the other channel.
func (d *delivery) moveTo(channel string) error {
	l := layout{goesOn: channel}
	_, _, _, err := d.api.UpdateMessageContext(d.ctx, d.channel, d.ts, slack.MsgOptionText(summary(d.m, nil), false),
		slack.MsgOptionBlocks(blocks(d.m, l)...))
	if err != nil && !gone(err) {
		return d.judge("slack chat.update", err)
	}
	d.channel, d.ts, d.old, d.file, d.sum = channel, "", d.file, "", ""
	return nil
}

// maxPages of 200 replies are looked through; no story is so long.
const maxPages = 10

// find looks for the message in the channel: another process, or this one before it was
// killed, may have posted it and not recorded that.
func (d *delivery) find() error {
	history, err := d.api.GetConversationHistoryContext(d.ctx, &slack.GetConversationHistoryParameters{ChannelID: d.channel, Limit: 200})
	if err != nil {
		return d.unseen("conversations.history", err)
	}
	for _, message := range history.Messages {
		if marked(message, mark("key", d.m.Key)) {
			d.ts, d.first = message.Timestamp, born(message)
			return nil
		}
	}
	return nil
}

func (d *delivery) replied(id string) (bool, error) {
	if !d.look {
		return false, nil
	}
	p := &slack.GetConversationRepliesParameters{ChannelID: d.channel, Timestamp: d.ts, Limit: 200}
	for range maxPages {
		replies, more, cursor, err := d.api.GetConversationRepliesContext(d.ctx, p)
		if err != nil {
			return false, d.unseen("conversations.replies", err)
		}
		for _, message := range replies {
			if marked(message, id) {
				return true, nil
			}
		}
		if p.Cursor = cursor; !more || cursor == "" {
			break
		}
	}
	return false, nil
}

// unseen lets a message go out where the app may not read the channel.
func (d *delivery) unseen(method string, err error) error {
	switch code(err) {
	case "missing_scope", "no_permission", "not_allowed_token_type", "method_not_supported_for_channel_type", "thread_not_found":
		d.blind.Do(func() {
			d.deps.Log.Warn("slack: history cannot be read, a message may be doubled after a crash", "method", method, "answer", code(err))
		})
		return nil
	}
	return d.judge("slack "+method, err)
}

// born is the mark of the Message that it was posted for.
func born(m slack.Message) string {
	for _, b := range m.Blocks.BlockSet {
		if strings.HasPrefix(b.ID(), "depeer-first-") {
			return b.ID()
		}
	}
	return ""
}

func marked(m slack.Message, id string) bool {
	for _, b := range m.Blocks.BlockSet {
		if b.ID() == id {
			return true
		}
	}
	return false
}

// secretAddress hides an address that Slack gave us.
func (r *Receiver) secretAddress(address string) *post.Secrets {
	return post.NewSecrets(string(r.config.Token), string(r.config.AppToken)).URL(address)
}
