package email

import (
	_ "embed"
	"html/template"
	"strings"

	"depeer/notify"
	"depeer/notify/plain"
)

const pictureID = "timeline"

//go:embed mail.html
var page string

var tmpl = template.Must(template.New("mail").Parse(page))

// The longest that a mail shows of each: a mail is read, not searched.
const (
	maxText   = 4000
	maxFact   = 1000
	maxChange = 500
	maxList   = 30
)

type view struct {
	M       *notify.Message
	Word    string
	Kind    string // class of the style sheet
	When    string
	Facts   []notify.Fact
	Changes []string
	Picture bool
	Alt     string
}

// render gives the mail as text and as HTML.
func render(m *notify.Message) (text, html string, err error) {
	short := *m
	short.Title, short.Text, short.Next = plain.Cut(m.Title, 300), plain.Cut(m.Text, maxText), plain.Cut(m.Next, 1000)
	short.Facts, short.Changes = nil, nil
	for _, f := range m.Facts[:min(len(m.Facts), maxList)] {
		short.Facts = append(short.Facts, notify.Fact{Name: plain.Cut(f.Name, 200), Value: plain.Cut(f.Value, maxFact)})
	}
	for _, c := range m.Changes[:min(len(m.Changes), maxList)] {
		short.Changes = append(short.Changes, plain.Cut(c, maxChange))
	}
	sign, word := plain.Mark(m)
	v := view{M: &short, Word: word, Kind: strings.ToLower(word), When: plain.When(m.At), Facts: short.Facts, Changes: short.Changes}
	text = sign + " " + word + ": " + short.Title + "\n\n" + plain.Body(&short) + "\n"
	if m.Picture != nil {
		v.Picture, v.Alt = true, plain.Cut(m.Picture.Alt, 500)
	}
	var b strings.Builder
	if err := tmpl.Execute(&b, v); err != nil {
		return "", "", err
	}
	return text, b.String(), nil
}
