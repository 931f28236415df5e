package notify

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"text/template"
	"time"

	"depeer/bgp"
	"depeer/watch"
)

// Template replaces texts of messages. Each text is one of Go's text/template over a
// [View]; an empty one leaves what is there.
type Template struct {
	For   []string `yaml:"for"`   // receivers, or types of receivers; all where empty. The last that fits holds
	Title string   `yaml:"title"` // one line: who, what
	Text  string   `yaml:"text"`  // one to three sentences
	Next  string   `yaml:"next"`  // what to do next
}

// View is what a template sees.
type View struct {
	Title, Text, Next string // as they are without the template

	Receiver string
	Reason   Reason
	Severity watch.Severity
	Class    watch.Class
	Resolved bool
	Loud     bool
	Name     string // of the hoster, on screen
	Hoster   string // its id
	Summary  string // one sentence
	Flaps    int    // how often something was lost again
	Again    int    // how often it went on after its end
	Ack      *Note
	Link     string
	At       time.Time
	Opened   time.Time
	Facts    []Fact
	Changes  []string
	Story    *Story          // that the message is about
	Stories  []Story         // all of them, where there are several
	Incident *watch.Incident // of Story; nil where it is none
}

// The bounds of texts, in characters. A receiver may have narrower ones.
const (
	maxTitle   = 150
	maxText    = 2000
	maxNext    = 300
	maxLine    = 300
	maxFacts   = 10
	maxChanges = 10
	maxOutput  = 16 << 10 // bytes of what a template writes
)

var functions = template.FuncMap{
	"asn":      bgp.ASN,
	"asns":     asns,
	"prefixes": func(ps []netip.Prefix) string { return prefixes(ps, 5) },
	"span":     span,
	"clock":    clock,
	"join":     func(sep string, all []string) string { return strings.Join(all, sep) },
	"upper":    strings.ToUpper,
}

// texts are templates made ready.
type texts struct{ title, text, next *template.Template }

// Validate reports every fault, each with its key; that of a text with its line and column.
func (t *Template) Validate() error {
	_, err := t.compile()
	return err
}

func (t *Template) compile() (texts, error) {
	var errs []error
	one := func(key, text string) *template.Template {
		if text == "" {
			return nil
		}
		x, err := template.New(key).Option("missingkey=error").Funcs(functions).Parse(text)
		if err == nil {
			for _, v := range samples() { // what cannot be evaluated is found here, not at night
				if _, err = execute(x, v); err != nil {
					break
				}
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s", key, strings.TrimPrefix(err.Error(), "template: ")))
		}
		return x
	}
	out := texts{one("title", t.Title), one("text", t.Text), one("next", t.Next)}
	return out, errors.Join(errs...)
}

// samples are views of every shape.
func samples() []*View {
	incident := &watch.Incident{ID: "sample", Hoster: "example", Phase: watch.Open, Class: watch.Depeered, Severity: watch.Critical, Lost: []uint32{64500}, Remaining: []uint32{64501}}
	story := Story{Kind: IncidentStory, ID: "sample", Revision: 1, Severity: watch.Critical, Class: watch.Depeered, Hoster: "example", Name: "Example", Incident: incident}
	full := &View{Story: &story, Stories: []Story{story, story}, Incident: incident, Ack: &Note{Who: "somebody"}, Facts: []Fact{{"Lost", "AS64500"}}, Changes: []string{"AS64500 dropped it"}, Name: "Example"}
	return []*View{full, {Story: &Story{Kind: FeedStory, Event: &watch.Event{}}}}
}

var errTooLong = errors.New("writes more than 16 KiB")

// bounded refuses what is too long.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxOutput {
		return 0, errTooLong
	}
	return b.Buffer.Write(p)
}

func execute(t *template.Template, v *View) (string, error) {
	var b bounded
	if err := t.Execute(&b, v); err != nil {
		return "", err
	}
	return strings.TrimSpace(b.String()), nil
}

// renderer makes messages of threads.
type renderer struct {
	link  string
	types map[string]string // of receivers, by name
	texts []struct {
		Template
		texts
	}
}

func newRenderer(cfg *Config, types map[string]string) (*renderer, error) {
	r := &renderer{link: cfg.Link, types: types}
	for i, t := range cfg.Templates {
		x, err := t.compile()
		if err != nil {
			return nil, fmt.Errorf("templates[%d]: %w", i, err)
		}
		r.texts = append(r.texts, struct {
			Template
			texts
		}{t, x})
	}
	return r, nil
}

// message renders the claim of a thread. It always gives a message: where a template
// fails, its text is the plain one, with the error named.
func (r *renderer) message(t *Thread) *Message {
	c, lead := t.Claim, t.lead()
	m := &Message{
		ID: c.ID, Key: t.Key, Receiver: t.Receiver, Reason: c.Reason, At: lead.At, Severity: lead.Severity, Resolved: c.Over, Loud: c.Wakes,
		Facts: facts(t), Changes: changes(t), Mention: c.Pings, Incident: lead.Incident, Hoster: hosterNames(t), Thread: slices.Clone(t.News[:min(c.News, len(t.News))]),
		Before: t.Receipt, Unsure: t.Unsure,
	}
	if r.link != "" && lead.Incident != nil {
		m.Link = strings.ReplaceAll(r.link, "{id}", url.PathEscape(lead.ID))
	}
	if lead.Digest != nil {
		m.Facts = lead.Digest.Facts
	}
	v := &View{
		Title: headline(t), Text: plainText(t), Next: next(t), Receiver: t.Receiver, Reason: c.Reason, Severity: lead.Severity, Class: lead.Class, Resolved: c.Over, Loud: c.Wakes,
		Name: m.Hoster, Hoster: lead.Hoster, Summary: lead.Summary, Flaps: t.flaps(), Again: t.Again, Ack: t.Ack, Link: m.Link, At: lead.At, Opened: lead.opened(),
		Facts: m.Facts, Changes: m.Changes, Story: lead, Stories: t.Stories, Incident: lead.Incident,
	}
	var broken []string
	for _, x := range r.texts {
		if len(x.For) > 0 && !slices.Contains(x.For, t.Receiver) && !slices.Contains(x.For, r.types[t.Receiver]) {
			continue
		}
		for _, one := range []struct {
			t    *template.Template
			into *string
		}{{x.title, &v.Title}, {x.text, &v.Text}, {x.next, &v.Next}} {
			if one.t == nil {
				continue
			}
			s, err := execute(one.t, v)
			if err != nil {
				broken = append(broken, line(strings.TrimPrefix(err.Error(), "template: "), maxLine))
				continue
			}
			*one.into = s
		}
	}
	m.Title, m.Text, m.Next = line(cmp.Or(v.Title, headline(t)), maxTitle), clip(v.Text, maxText), line(v.Next, maxNext)
	if len(broken) > 0 {
		m.Text = clip(m.Text, maxText-maxLine-40) + "\n(a template failed, this is the plain text: " + strings.Join(broken[:1], "") + ")"
	}
	return m
}

// clip cuts a text of several lines.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// hosterNames is who a message is about.
func hosterNames(t *Thread) string {
	var names []string
	for i := range t.Stories {
		if n := t.Stories[i].Name; n != "" {
			names = union(names, n)
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1, 2, 3:
		return words(names)
	}
	return fmt.Sprintf("%d hosters", len(names))
}

// headline is a title: who, what.
func headline(t *Thread) string {
	s := t.lead()
	over := !t.Ended.IsZero()
	if t.Claim != nil {
		over = t.Claim.Over
	}
	text := sayStory(t, s, over)
	switch {
	case over:
		return sayEnd(s) + text
	case t.Again > 0:
		return fmt.Sprintf("Flapping: %s, for the %s time", text, ordinal(t.Again+1))
	case t.flaps() > 0:
		return fmt.Sprintf("Flapping: %s (lost again %s)", text, times(t.flaps()))
	case s.Incident != nil && s.Incident.Phase == watch.Recovering && s.Class == watch.Repeered:
		return "Gone again: " + sayStory(t, s, true)
	case s.Incident != nil && s.Incident.Phase == watch.Recovering:
		return "Recovering: " + text
	}
	return text
}

// sayEnd is how it ended.
func sayEnd(s *Story) string {
	switch {
	case s.Kind != IncidentStory:
		return ""
	case settled(s.Incident):
		return "Closed, unchanged: "
	case s.Incident.Resolution != nil && *s.Incident.Resolution == watch.Unwatched:
		return "No longer watched: "
	}
	return "Over: "
}

// settled reports whether an incident ended because nothing changed any more.
func settled(i *watch.Incident) bool {
	return i != nil && i.Resolution != nil && *i.Resolution == watch.NewNormal
}

func sayStory(t *Thread, s *Story, over bool) string {
	if len(t.Stories) > 1 && t.Group != "" {
		return fmt.Sprintf("%s: %s", sayGroup(t), hosterNames(t))
	}
	switch {
	case s.Incident != nil:
		return sayIncident(s.Incident, s.Name, over && !settled(s.Incident))
	case s.Migration != nil:
		return fmt.Sprintf("%s of %s seen at %s", s.Migration.Family, s.Name, endName(s.Migration.To.ASN, s.Migration.To.Name))
	}
	text, _, _ := strings.Cut(s.Summary, ";")
	return upperFirst(text)
}

func sayGroup(t *Thread) string {
	kind, what, _ := strings.Cut(t.Group, ":")
	switch kind {
	case "upstream":
		lost := 0
		asn, err := bgp.ParseASN(what)
		for i := range t.Stories {
			if x := t.Stories[i].Incident; err == nil && x != nil && slices.Contains(x.Lost, asn) {
				lost++
			}
		}
		if lost*2 >= len(t.Stories) {
			return "Dropped by AS" + what
		}
		return "Taken in by AS" + what
	case "class":
		return upperFirst(className(watch.Class(what)))
	}
	return fmt.Sprintf("%d incidents", len(t.Stories))
}

// sayIncident is what happened, or had happened.
func sayIncident(i *watch.Incident, name string, was bool) string {
	is := func(now, then string) string {
		if was {
			return then
		}
		return now
	}
	switch {
	case i.Class == watch.Blackout:
		return name + is(" is dark", " was dark")
	case i.Class == watch.Depeered && len(i.Lost) > 0:
		return fmt.Sprintf("%s dropped by %s", name, asns(i.Lost))
	case i.Class == watch.Repeered && len(i.Gained) > 0:
		return fmt.Sprintf("%s %s back behind %s", name, is("is", "was"), asns(i.Gained))
	case i.Class == watch.Repeered:
		return name + is(" is back", " was back")
	case i.Class == watch.Rewired && len(i.Gained) > 0:
		return fmt.Sprintf("%s %s a new upstream, %s", name, is("has", "had"), asns(i.Gained))
	case i.Class == watch.Moved && len(i.Origins) > 0:
		return fmt.Sprintf("%s moved to %s", name, asns(i.Origins))
	case i.Class == watch.HijackSuspect && len(i.Origins) > 0:
		return fmt.Sprintf("Prefixes of %s announced by %s", name, asns(i.Origins))
	case i.Class == watch.UpstreamFailure && len(i.Lost) > 0:
		return fmt.Sprintf("%s %s, %s with it", asns(i.Lost), is("fails", "failed"), name)
	}
	return name + ": " + className(i.Class)
}

// className is a class as people say it.
func className(c watch.Class) string { return strings.ReplaceAll(string(c), "-", " ") }

// plainText is the text without a template.
func plainText(t *Thread) string {
	s := t.lead()
	if s.Digest != nil {
		return s.Digest.Text
	}
	if len(t.Stories) == 1 || t.Group == "" {
		text := upperFirst(s.Summary) + "."
		if t.Again > 0 {
			text += fmt.Sprintf(" It came back %s since %s.", times(t.Again), clock(t.Stories[0].opened()))
		}
		return text
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s within %s:", counted(len(t.Stories), "incident"), span(t.Joined.Sub(t.Since)))
	for i := range first(t.Stories, 15) {
		b.WriteString("\n- " + line(t.Stories[i].Summary, 110))
	}
	if n := len(t.Stories) - 15; n > 0 {
		fmt.Fprintf(&b, "\n- and %d more", n)
	}
	return b.String()
}

// facts are the table of a message, the most important first.
func facts(t *Thread) []Fact {
	s := t.lead()
	var out []Fact
	add := func(name, format string, args ...any) {
		out = append(out, Fact{name, line(fmt.Sprintf(format, args...), maxLine)})
	}
	switch {
	case s.Incident != nil:
		i := s.Incident
		if len(i.Lost) > 0 {
			add("Lost", "%s", asns(i.Lost))
		}
		if len(i.Gained) > 0 {
			add("New upstream", "%s", asns(i.Gained))
		}
		if len(i.Origins) > 0 {
			add("Announced by", "%s", asns(i.Origins))
		}
		if i.Phase != watch.Resolved {
			add("Still carried by", "%s", asns(union(slices.Clone(i.Remaining), i.Gained...)))
		}
		if len(i.Prefixes) > 0 && len(t.Stories) == 1 {
			add("Prefixes", "%s", prefixes(i.Prefixes, 5))
		}
		add("Class", "%s, %s", className(i.Class), i.Severity)
		add("Began", "%s", clock(i.Opened))
		if i.Resolved != nil {
			add("Lasted", "%s", span(i.Resolved.Sub(i.Opened)))
		}
	case s.Migration != nil:
		m := s.Migration
		add("From", "%s", endName(m.From.ASN, m.From.Name))
		add("To", "%s", endName(m.To.ASN, m.To.Name))
		add("Score", "%.1f (routing %.1f, C&C %.1f)", m.Score, m.Routing, m.CNC)
		for _, e := range first(m.Evidence, 4) {
			add("Evidence", "%s", e.Text)
		}
	case s.Event != nil:
		if s.Event.Source != "" {
			add("Source", "%s", s.Event.Source)
		}
		if s.Event.Collector != "" {
			add("Collector", "%s", s.Event.Collector)
		}
		if s.Event.PeersLost > 0 {
			add("Peers lost", "%d", s.Event.PeersLost)
		}
		if s.Event.Reason != "" {
			add("Reason", "%s", s.Event.Reason)
		}
		add("Began", "%s", clock(s.opened()))
	}
	if n := t.flaps(); n > 0 {
		add("Flapped", "lost again %s", times(n))
	}
	if t.acked() {
		add("Taken care of by", "%s", noteText(t.Ack))
	}
	return first(out, maxFacts)
}

func noteText(n *Note) string {
	if n.Comment != "" {
		return n.Who + ": " + n.Comment
	}
	return n.Who
}

// changes say what is new since the last message.
func changes(t *Thread) []string {
	if t.Told.Number == 0 {
		return nil
	}
	var out []string
	if t.Said != nil && !t.Said.At.Equal(t.Told.Said) {
		how := "comment by "
		if t.Said.Ack {
			how = "acknowledged by "
		}
		out = append(out, line(how+noteText(t.Said), maxLine))
	}
	for i := range t.Stories {
		s := &t.Stories[i]
		who := ""
		if len(t.Stories) > 1 {
			who = s.Name + ": "
		}
		k := slices.IndexFunc(t.Told.Was, func(b brief) bool { return b.ID == s.ID })
		if k < 0 {
			out = append(out, line(who+"new: "+s.Summary, maxLine))
			continue
		}
		if b := t.Told.Was[k]; b.Revision != s.Revision {
			for _, c := range compare(b, s) {
				out = append(out, line(who+c, maxLine))
			}
		}
	}
	if n := len(out) - maxChanges; n > 0 {
		out = append(out[:maxChanges-1], fmt.Sprintf("and %d more", n+1))
	}
	return out
}

// compare says how a story differs from what was told of it.
func compare(b brief, s *Story) (out []string) {
	i := s.Incident
	if i == nil {
		return []string{s.Summary}
	}
	if d := lacks(i.Lost, b.Lost); len(d) > 0 {
		too := ""
		if len(b.Lost) > 0 {
			too = " too"
		}
		out = append(out, asns(d)+" dropped it"+too)
	}
	if d := lacks(i.Gained, b.Gained); len(d) > 0 {
		out = append(out, asns(d)+" took it in")
	}
	if d := lacks(b.Remaining, i.Remaining); len(d) > 0 && len(lacks(d, i.Lost)) > 0 {
		out = append(out, asns(lacks(d, i.Lost))+" carries it no more")
	}
	if d := lacks(i.Remaining, b.Remaining); len(d) > 0 {
		out = append(out, asns(d)+" carries it")
	}
	if i.Class != b.Class {
		out = append(out, fmt.Sprintf("%s, before: %s", className(i.Class), className(b.Class)))
	}
	if i.Severity != b.Severity {
		out = append(out, fmt.Sprintf("severity %s, before: %s", i.Severity, b.Severity))
	}
	switch {
	case i.Phase == b.Phase:
	case i.Phase == watch.Resolved && i.Resolution != nil && *i.Resolution == watch.NewNormal:
		out = append(out, "unchanged for so long that it counts as normal now")
	case i.Phase == watch.Resolved:
		out = append(out, "over")
	case i.Phase == watch.Recovering && i.Class == watch.Repeered:
		out = append(out, "gone again; over if it stays so")
	case i.Phase == watch.Recovering:
		out = append(out, "as it was before; over if it stays so")
	default:
		out = append(out, "not over yet")
	}
	if len(out) == 0 {
		out = append(out, s.Summary)
	}
	return out
}

func lacks(all, without []uint32) (out []uint32) {
	for _, a := range all {
		if !slices.Contains(without, a) {
			out = append(out, a)
		}
	}
	return out
}

// next is what to do.
func next(t *Thread) string {
	s := t.lead()
	if s.Kind == FeedStory {
		if s.Over {
			return "Nothing to do: what was missed is filled in from the archives where they have it."
		}
		return "Look at that feed: depeer status. Until it is back nothing is concluded from its silence."
	}
	if s.Incident == nil {
		if s.Migration != nil {
			return fmt.Sprintf("Check the evidence: depeer migrations --json; watch %s too if it holds.", bgp.ASN(s.Migration.To.ASN))
		}
		return ""
	}
	return nextOf(s.Incident, !t.Ended.IsZero())
}

// Next is what to do next about an incident, in one sentence: what messages say, too.
func Next(i *watch.Incident) string { return nextOf(i, i.Phase == watch.Resolved) }

func nextOf(i *watch.Incident, over bool) string {
	story := fmt.Sprintf("depeer timeline %s --from %s", i.Hoster, i.Opened.Add(-time.Hour).UTC().Format("2006-01-02T15:04"))
	where := "its prefixes"
	if len(i.Prefixes) > 0 {
		where = i.Prefixes[0].String()
	}
	switch {
	case over:
		return "The whole story: " + story
	case i.Class == watch.HijackSuspect:
		return fmt.Sprintf("Ask the holder whether %s may announce it; depeer explain %s", asns(i.Origins), where)
	case i.Class == watch.Moved:
		return fmt.Sprintf("Watch %s too: depeer watchlist suggest; %s", asns(i.Origins), story)
	case i.Class == watch.UpstreamFailure:
		return fmt.Sprintf("Nothing to do about the hoster: other networks behind %s are gone too; %s", asns(i.Lost), story)
	case i.Class == watch.Repeered, i.Class == watch.Rewired:
		return fmt.Sprintf("Watch what its servers do while it is up; check your own routes to %s; %s", where, story)
	}
	return fmt.Sprintf("Check your own routes to %s; %s", where, story)
}
