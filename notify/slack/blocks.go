package slack

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/slack-go/slack"

	"depeer/notify"
	"depeer/notify/plain"
)

// The limits of Block Kit and chat.postMessage.
const (
	maxHeader  = 150
	maxSection = 3000
	maxField   = 2000
	maxFields  = 10
	maxAlt     = 2000
	maxText    = 4000 // of the text beside the blocks; Slack cuts at 40000, and advises this
	maxValue   = 2000 // of a button
	maxURL     = 3000
	maxOption  = 150 // value of an option of a menu
)

// What the buttons are called in what Slack sends back.
const (
	actionAck     = "depeer_ack"
	actionSilence = "depeer_silence"
	actionOpen    = "depeer_open"
)

// mark is the block_id by which a message of ours is found again.
func mark(kind, id string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + id))
	return "depeer-" + kind + "-" + hex.EncodeToString(sum[:16])
}

func plainText(s string, limit int) *slack.TextBlockObject {
	// Without emoji codes: ":fire:" in the name of a hoster stays as it is.
	no := false
	return &slack.TextBlockObject{Type: slack.PlainTextType, Text: plain.Cut(s, limit), Emoji: &no}
}

// markdown is text that we wrote; what it holds of others went through escape.
func markdown(s string, limit int) *slack.TextBlockObject {
	return &slack.TextBlockObject{Type: slack.MarkdownType, Text: plain.Cut(s, limit), Verbatim: true}
}

var escapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// escape is for fallback texts, in which Slack knows no plain text.
func escape(s string) string { return escapes.Replace(s) }

// cutEscaped escapes s and keeps it within limit without cutting an escape in two.
func cutEscaped(s string, limit int) string {
	for n := limit; n > 0; n = n * 3 / 4 {
		if e := escape(plain.Cut(s, n)); len(plain.Cut(e, limit)) == len(e) {
			return e
		}
	}
	return ""
}

// harmless is text that means the same in mrkdwn.
var harmless = regexp.MustCompile(`^[\pL\pN\pM\pS .,;:()%+=/'"?!#…–—-]*[\pL\pN\pM\pS.,;()%+=/'"?!#…–—-]$`)

func safe(s string) bool {
	return harmless.MatchString(s) && !strings.ContainsAny(s, "<>&*_~`@|") && !strings.Contains(s, "://") && !strings.Contains(s, "www.")
}

// field shows the name bold where that needs no markup from others.
func field(f notify.Fact) *slack.TextBlockObject {
	// The name may be all of a field where the value is too long for the rest.
	name := plain.Cut(f.Name, 200)
	value := plain.Cut(f.Value, maxField-220)
	if name != "" && safe(strings.ReplaceAll(name, "&", "")) && safe(strings.ReplaceAll(value, "&", "")) {
		return markdown("*"+escape(name)+"*\n"+cutEscaped(value, maxField-2*200-10), maxField)
	}
	return plainText(name+"\n"+value, maxField)
}

// head is the line that names the severity by sign and word.
func head(m *notify.Message) string {
	sign, word := plain.Mark(m)
	return sign + " " + word + ": " + m.Title
}

// summary is what a phone shows, and what readers without blocks get.
func summary(m *notify.Message, whom []string) string {
	text := cutEscaped(head(m), 400)
	if m.Text != "" {
		text += "\n" + cutEscaped(m.Text, maxText-1500)
	}
	if len(whom) > 0 {
		text = strings.Join(whom, " ") + " " + text
	}
	return text
}

// layout is what a message is made of beside its Message.
type layout struct {
	first  string   // mark of the header
	whom   []string // mentions
	file   string   // id of the picture
	hears  bool     // buttons work
	goesOn string   // the channel where the story goes on; the message is closed by it
}

// blocks arranges the message: at most 9 blocks.
func blocks(m *notify.Message, l layout) []slack.Block {
	out := []slack.Block{slack.NewHeaderBlock(plainText(head(m), maxHeader), slack.HeaderBlockOptionBlockID(l.first))}
	if len(l.whom) > 0 {
		out = append(out, slack.NewSectionBlock(markdown(strings.Join(l.whom, " "), maxSection), nil, nil))
	}
	if m.Text != "" {
		out = append(out, slack.NewSectionBlock(plainText(m.Text, maxSection), nil, nil))
	}
	var fields []*slack.TextBlockObject
	for _, f := range m.Facts {
		if len(fields) < maxFields && f.Name+f.Value != "" {
			fields = append(fields, field(f))
		}
	}
	if len(fields) > 0 {
		out = append(out, slack.NewSectionBlock(nil, fields, nil))
	}
	if m.Next != "" {
		out = append(out, slack.NewSectionBlock(plainText("➡ Next: "+m.Next, maxSection), nil, nil))
	}
	if l.file != "" {
		out = append(out, slack.NewImageBlockSlackFile(&slack.SlackFileObject{ID: l.file}, plain.Cut(m.Picture.Alt, maxAlt), "", nil))
	}
	if l.goesOn == "" {
		if a := actions(m, l.hears); a != nil {
			out = append(out, a)
		}
	}
	return append(out, foot(m, l))
}

// foot says when, in UTC and in the reader's own time, and carries the mark.
func foot(m *notify.Message, l layout) slack.Block {
	_, word := plain.Mark(m)
	when := fmt.Sprintf("%s · %s · your time <!date^%d^{date_short_pretty} {time_secs}|%s>",
		word, plain.When(m.At), m.At.Unix(), plain.When(m.At))
	if l.goesOn != "" {
		when = "Goes on in <#" + l.goesOn + "> · " + when
	}
	elements := []slack.MixedElement{markdown(when, maxSection)}
	about := m.Hoster
	if m.Incident != nil {
		about += fmt.Sprintf(" · incident %s, revision %d", plain.Line(m.Incident.ID), m.Incident.Revision)
	}
	if about = strings.TrimPrefix(about, " · "); about != "" {
		elements = append(elements, plainText(about, 300))
	}
	return slack.NewContextBlock(mark("key", m.Key), elements...)
}

// actions are the buttons: nil where there is nothing to press.
func actions(m *notify.Message, hears bool) slack.Block {
	var elements []slack.BlockElement
	if hears && m.Incident != nil && !m.Resolved && len(m.Incident.ID) < maxOption-10 {
		id := m.Incident.ID
		if m.Reason != notify.Acked {
			elements = append(elements, slack.NewButtonBlockElement(actionAck, id, plainText("Acknowledge", 75)).WithStyle(slack.StylePrimary))
		}
		var options []*slack.OptionBlockObject
		for _, o := range [][2]string{{"1h", "for 1 hour"}, {"8h", "for 8 hours"}, {"24h", "for 24 hours"}} {
			options = append(options, slack.NewOptionBlockObject(o[0]+" "+id, plainText(o[1], 75), nil))
		}
		elements = append(elements, slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plainText("Silence", 150), actionSilence, options...))
	}
	if m.Link != "" && len(m.Link) <= maxURL {
		elements = append(elements, slack.NewButtonBlockElement(actionOpen, "", plainText("Open", 75)).WithURL(m.Link))
	}
	if len(elements) == 0 {
		return nil
	}
	return slack.NewActionBlock(mark("act", m.Key), elements...)
}

// reply is what is new, for the thread: its fallback text and its blocks; nil where
// there is nothing.
func reply(m *notify.Message, whom []string) (string, []slack.Block) {
	news := news(m)
	if news == "" && !m.Loud {
		return "", nil
	}
	if news == "" {
		news = string(m.Reason) + ": " + m.Title
	}
	var out []slack.Block
	if len(whom) > 0 {
		out = append(out, slack.NewSectionBlock(markdown(strings.Join(whom, " "), maxSection), nil, nil))
	}
	sign, word := plain.Mark(m)
	out = append(out, slack.NewSectionBlock(plainText(sign+" "+news, maxSection), nil, nil),
		slack.NewContextBlock(mark("id", m.ID), markdown(word+" · "+plain.When(m.At), maxSection)))
	text := sign + " " + cutEscaped(news, maxText-1000)
	if len(whom) > 0 {
		text = strings.Join(whom, " ") + " " + text
	}
	return text, out
}

// news is what each revision said since the last message, or else what has changed.
func news(m *notify.Message) string {
	lines := m.Thread
	if len(lines) == 0 {
		lines = m.Changes
	}
	switch len(lines) {
	case 0:
		return ""
	case 1:
		return lines[0]
	}
	return "What is new:\n• " + strings.Join(lines, "\n• ")
}
