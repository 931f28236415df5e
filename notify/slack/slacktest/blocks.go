package slacktest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
)

// object is a text object of Block Kit.
type object struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Verbatim bool   `json:"verbatim"`
}

type element struct {
	object
	TextObject  json.RawMessage   `json:"text"`
	ActionID    string            `json:"action_id"`
	Value       string            `json:"value"`
	URL         string            `json:"url"`
	Placeholder *object           `json:"placeholder"`
	Options     []option          `json:"options"`
	Elements    []json.RawMessage `json:"elements"`
}

type option struct {
	Text  object `json:"text"`
	Value string `json:"value"`
}

type block struct {
	Type      string            `json:"type"`
	ID        string            `json:"block_id"`
	Text      *object           `json:"text"`
	Fields    []object          `json:"fields"`
	Elements  []json.RawMessage `json:"elements"`
	Alt       string            `json:"alt_text"`
	ImageURL  string            `json:"image_url"`
	SlackFile *struct {
		ID string `json:"id"`
	} `json:"slack_file"`
}

func size(s string) int { return len(utf16.Encode([]rune(s))) }

// checker collects what Block Kit forbids.
type checker struct {
	s      *Server
	broken []string
}

func (c *checker) want(ok bool, format string, args ...any) {
	if !ok {
		c.broken = append(c.broken, fmt.Sprintf(format, args...))
	}
}

func (c *checker) text(o *object, where string, limit int, markdown bool) {
	if o == nil {
		c.want(false, "%s has no text", where)
		return
	}
	c.want(o.Type == "plain_text" || markdown && o.Type == "mrkdwn", "%s is %q", where, o.Type)
	c.want(o.Text != "" && size(o.Text) <= limit, "%s has %d characters of 1 to %d", where, size(o.Text), limit)
}

// check gives the rules that the blocks break. What a receiver did wrong is a fault too;
// only refused files are not.
func (s *Server) check(raw []json.RawMessage) []string {
	c := &checker{s: s}
	c.want(len(raw) <= 50, "%d blocks", len(raw))
	ids := map[string]bool{}
	files := []string{}
	for i, r := range raw {
		var b block
		if err := json.Unmarshal(r, &b); err != nil {
			c.want(false, "block %d: %v", i, err)
			continue
		}
		c.want(len(b.ID) <= 255 && (b.ID == "" || !ids[b.ID]), "block %d: block_id %q is too long or twice", i, b.ID)
		ids[b.ID] = true
		if problem := c.block(fmt.Sprintf("block %d (%s)", i, b.Type), b); problem != "" {
			files = append(files, problem)
		}
	}
	s.faults = append(s.faults, c.broken...)
	return append(c.broken, files...)
}

func (c *checker) block(where string, b block) (badFile string) {
	switch b.Type {
	case "header":
		c.text(b.Text, where, 150, false)
	case "section":
		c.want(b.Text != nil || len(b.Fields) > 0, "%s is empty", where)
		if b.Text != nil {
			c.text(b.Text, where, 3000, true)
		}
		c.want(len(b.Fields) <= 10, "%s has %d fields", where, len(b.Fields))
		for _, f := range b.Fields {
			c.text(&f, where+" field", 2000, true)
		}
	case "context":
		c.want(len(b.Elements) >= 1 && len(b.Elements) <= 10, "%s has %d elements", where, len(b.Elements))
		for _, raw := range b.Elements {
			var o object
			c.want(json.Unmarshal(raw, &o) == nil, "%s element", where)
			c.text(&o, where+" element", 3000, true)
		}
	case "actions":
		c.actions(where, b)
	case "image":
		c.want(b.Alt != "" && size(b.Alt) <= 2000, "%s has %d characters of alt text", where, size(b.Alt))
		c.want((b.ImageURL != "") != (b.SlackFile != nil), "%s wants one of image_url and slack_file", where)
		if b.SlackFile != nil {
			f := c.s.files[b.SlackFile.ID]
			if f == nil || f.Deleted || !f.complete || f.asked <= c.s.slow || c.s.noBlocks {
				return where + ": invalid slack file"
			}
		}
	case "rich_text":
		c.want(len(b.Elements) > 0, "%s is empty", where)
	case "divider":
	default:
		c.want(false, "%s is unknown", where)
	}
	return ""
}

func (c *checker) actions(where string, b block) {
	c.want(len(b.Elements) >= 1 && len(b.Elements) <= 25, "%s has %d elements", where, len(b.Elements))
	ids := map[string]bool{}
	for _, raw := range b.Elements {
		var e element
		c.want(json.Unmarshal(raw, &e) == nil, "%s element", where)
		c.want(e.ActionID != "" && len(e.ActionID) <= 255 && !ids[e.ActionID], "%s: action_id %q", where, e.ActionID)
		ids[e.ActionID] = true
		switch e.Type {
		case "button":
			var o object
			c.want(json.Unmarshal(e.TextObject, &o) == nil, "%s button text", where)
			c.text(&o, where+" button", 75, false)
			c.want(size(e.Value) <= 2000 && size(e.URL) <= 3000, "%s: button value or URL too long", where)
		case "static_select":
			c.text(e.Placeholder, where+" placeholder", 150, false)
			c.want(len(e.Options) >= 1 && len(e.Options) <= 100, "%s: %d options", where, len(e.Options))
			for _, o := range e.Options {
				c.text(&o.Text, where+" option", 75, true)
				c.want(o.Value != "" && size(o.Value) <= 150, "%s: option value %q", where, o.Value)
			}
		default:
			c.want(false, "%s: a %q", where, e.Type)
		}
	}
}

// View is a message as a person reads it.
type View struct {
	Title   string
	Text    string   // all of it, a line per block and field
	Active  []string // links, mentions, formatting within texts
	Buttons []string // action ids
	File    string   // of the picture
	Alt     string
}

// Read renders a message as Slack's client does.
func Read(m Message) View {
	var v View
	var lines []string
	add := func(o *object) string {
		if o == nil {
			return ""
		}
		text := o.Text
		if o.Type == "mrkdwn" {
			var active []string
			text, active = markdown(o.Text, o.Verbatim)
			v.Active = append(v.Active, active...)
		}
		lines = append(lines, text)
		return text
	}
	for _, raw := range m.Blocks {
		var b block
		if json.Unmarshal(raw, &b) != nil {
			continue
		}
		if text := add(b.Text); b.Type == "header" {
			v.Title = text
		}
		for _, f := range b.Fields {
			add(&f)
		}
		if b.SlackFile != nil {
			v.File, v.Alt = b.SlackFile.ID, b.Alt
		}
		for _, raw := range b.Elements {
			var e element
			if json.Unmarshal(raw, &e) != nil {
				continue
			}
			switch b.Type {
			case "context":
				var o object
				_ = json.Unmarshal(raw, &o)
				add(&o)
			case "actions":
				v.Buttons = append(v.Buttons, e.ActionID)
				if e.URL != "" {
					v.Active = append(v.Active, e.URL)
				}
			case "rich_text":
				for _, part := range e.Elements {
					var o object
					_ = json.Unmarshal(part, &o)
					lines = append(lines, o.Text)
				}
			}
		}
	}
	v.Text = strings.Join(lines, "\n")
	_, active := markdown(m.Text, true) // the text beside the blocks mentions people as well
	for _, a := range active {
		if strings.HasPrefix(a, "<") {
			v.Active = append(v.Active, a)
		}
	}
	return v
}

var (
	control  = regexp.MustCompile(`<([^<>]*)>`)
	name     = regexp.MustCompile(`^\*([^*\n]+)\*\n`)
	bare     = regexp.MustCompile(`(https?://|www\.|mailto:)\S+`)
	unescape = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
)

// markdown renders mrkdwn and gives what acts in it. A bold first line is the layout's own.
func markdown(s string, verbatim bool) (string, []string) {
	var active []string
	s = name.ReplaceAllString(s, "$1\n")
	s = control.ReplaceAllStringFunc(s, func(tag string) string {
		inner := tag[1 : len(tag)-1]
		if rest, ok := strings.CutPrefix(inner, "!date^"); ok {
			_, fallback, _ := strings.Cut(rest, "|")
			return fallback
		}
		active = append(active, tag)
		return inner
	})
	if strings.ContainsAny(s, "*_~`") {
		active = append(active, "formatting in "+s)
	}
	if !verbatim {
		active = append(active, bare.FindAllString(s, -1)...)
	}
	return unescape.Replace(s), active
}
