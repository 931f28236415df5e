package notify

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"depeer/watch"
	"depeer/watch/cnc"
)

func sampleStory() Story {
	prefix := netip.MustParsePrefix("208.66.192.0/22")
	i := watch.Incident{ID: "i1", Revision: 1, Hoster: "mccolo", Class: watch.Depeered, Severity: watch.Critical, Lost: []uint32{6939}, Remaining: []uint32{3549}, Gained: []uint32{226}, Prefixes: []netip.Prefix{prefix}}
	events := []watch.Event{{ID: "e1", Kind: watch.UpstreamLost, Upstream: 6939, Sources: []string{"rrc00"}, Source: "rislive"}, {ID: "e2", Kind: watch.TransitLost, Upstream: 3549, Via: 1239}}
	return OfIncident(i, events, &watch.Hoster{ID: "mccolo", Name: "McColo Corp.", ASNs: []uint32{26780}, Tags: []string{"bulletproof"}})
}

func TestMatch(t *testing.T) {
	s := sampleStory()
	p := netip.MustParsePrefix
	for name, c := range map[string]struct {
		m    Match
		want bool
	}{
		"nothing":                {Match{}, true},
		"incident":               {Match{Incidents: []string{"i1"}}, true},
		"another incident":       {Match{Incidents: []string{"i2"}}, false},
		"hoster":                 {Match{Hosters: []string{"x", "mccolo"}}, true},
		"another hoster":         {Match{Hosters: []string{"x"}}, false},
		"tag":                    {Match{Tags: []string{"bulletproof"}}, true},
		"asn of the hoster":      {Match{ASNs: []uint32{26780}}, true},
		"lost upstream":          {Match{Upstreams: []uint32{6939}}, true},
		"gained upstream":        {Match{Upstreams: []uint32{226}}, true},
		"named by an event":      {Match{Upstreams: []uint32{1239}}, true},
		"no part in it":          {Match{Upstreams: []uint32{701}}, false},
		"covering prefix":        {Match{Prefixes: []netip.Prefix{p("208.0.0.0/8")}}, true},
		"covered prefix":         {Match{Prefixes: []netip.Prefix{p("208.66.193.0/24")}}, true},
		"prefix beside it":       {Match{Prefixes: []netip.Prefix{p("208.66.196.0/22")}}, false},
		"kind":                   {Match{Kinds: []string{"upstream.lost"}}, true},
		"family of kinds":        {Match{Kinds: []string{"transit.*"}}, true},
		"another kind":           {Match{Kinds: []string{"feed.*"}}, false},
		"class":                  {Match{Classes: []watch.Class{watch.Blackout, watch.Depeered}}, true},
		"another class":          {Match{Classes: []watch.Class{watch.Blackout}}, false},
		"severity":               {Match{Severity: watch.Critical}, true},
		"source":                 {Match{Sources: []string{"rrc00"}}, true},
		"another source":         {Match{Sources: []string{"rrc01"}}, false},
		"score of what has none": {Match{Score: 1}, false},
		"all must hold":          {Match{Tags: []string{"bulletproof"}, Upstreams: []uint32{701}}, false},
	} {
		if m := c.m.wanted(); m.matches(&s) != c.want {
			t.Errorf("%s: matches %t", name, !c.want)
		}
	}
	quiet := s
	quiet.Severity = watch.Info
	for m, want := range map[*Match]bool{{}: false, {Severity: watch.Info}: true, {Classes: []watch.Class{watch.Depeered}}: true, {Kinds: []string{"upstream.*"}}: true, {Severity: watch.Warning, Classes: []watch.Class{watch.Depeered}}: false} {
		if x := m.wanted(); x.matches(&quiet) != want {
			t.Errorf("%+v matches information: %t", m, !want)
		}
	}
}

// A migration is told to whoever watches the hoster; one below the threshold only on request.
func TestMatchMigrations(t *testing.T) {
	m := cnc.Migration{ID: "m1", Revision: 1, Kind: "cnc.moved", Hoster: "mccolo", ASN: 26780, Family: "Srizbi", To: cnc.End{ASN: 3249, Name: "Starline"}, Score: 7.5, Severity: "critical", Summary: "x"}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	_, read, err := ReadEvent(text)
	if err != nil || read == nil || read.Family != "Srizbi" {
		t.Fatalf("%+v, %v", read, err)
	}
	moved := OfMigration(*read, nil)
	read.Kind = "cnc.watch"
	watched := OfMigration(*read, nil)
	for c, want := range map[*Match][2]bool{{}: {true, false}, {Score: 7}: {true, false}, {Score: 8}: {false, false}, {Kinds: []string{"cnc.*"}, Score: 3}: {true, true},
		{ASNs: []uint32{3249}}: {true, false}, {Hosters: []string{"other"}}: {false, false}} {
		if x := c.wanted(); x.matches(&moved) != want[0] || x.matches(&watched) != want[1] {
			t.Errorf("%+v: %t, %t", c, x.matches(&moved), x.matches(&watched))
		}
	}
	th := &Thread{Receiver: "slack", Stories: []Story{moved}}
	if h := headline(th); h != "Srizbi of mccolo seen at AS3249 (Starline)" {
		t.Error(h)
	}
	for _, bad := range []string{"", "{", `{"id":"x"}`, `{"id":"x","kind":"cnc.moved","score":"high"}`, `{"id":"x","kind":"upstream.lost","at":5}`} {
		if _, _, err := ReadEvent([]byte(bad)); err == nil {
			t.Errorf("%q is an event", bad)
		}
	}
}

// Every fault is told, with its key and value.
func TestConfigFaults(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(nil); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	c.Zone, c.Link, c.Parallel, c.Picture, c.Retry.Most = "Nowhere", "ftp://x", 0, time.Minute, time.Millisecond
	c.HTTP.Allow = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}
	c.Subscriptions = []Subscription{
		{Name: "NOC", To: []string{"slack", "nobody"}, Match: Match{Severity: "loud", Kinds: []string{"upstream.found"}, Classes: []watch.Class{"gone"}, Upstreams: []uint32{0}, Score: -1}, Updates: "some"},
		{Name: "noc", Quiet: Quiet{Windows: []Window{{Hours: []string{"25:00-26:00"}}}, Unless: "x"}, Group: Group{By: "moon"}, Repeat: Span(time.Second),
			Escalate: []Step{{To: []string{"slack"}}, {After: Span(time.Minute)}, {After: Span(time.Second), To: []string{"slack"}}}, Digest: DigestTimes{At: "8"}},
		{Name: "noc", To: []string{"slack"}, Digest: DigestTimes{Every: "monthly", Day: "mon", Zone: "x"}},
	}
	c.Silences = []Silence{{ID: "a", Reason: "x"}, {ID: "a", Until: time.Unix(1, 0), From: time.Unix(2, 0)}}
	c.Templates = []Template{{Title: "{{.Titel}}", Text: "one\n{{if}}", Next: "{{.Incident.Revision.Foo}}"}}
	err := c.Validate([]string{"slack"})
	for _, want := range []string{
		`zone: "Nowhere" is no time zone`, `link: "ftp://x" is no http`, `parallel: 0 is less than 1`, `picture: 1m0s is more than 10s`, `retry.most: 1ms is less than 2s`, `http.allow[0]: 10.0.0.1/8 has bits`,
		`subscriptions[0].name: "NOC" is no name`, `subscriptions[0].to[1]: "nobody" is no receiver (slack)`, `subscriptions[0].match.severity: "loud" is none of`, `subscriptions[0].match.kinds[0]: "upstream.found" is none of`,
		`subscriptions[0].match.classes[0]: "gone" is none of`, `subscriptions[0].match.upstreams[0]: 0 is nobody's`, `subscriptions[0].match.score: -1 is negative`, `subscriptions[0].updates: "some" is none of`,
		`subscriptions[1].to: names no receiver`, `subscriptions[1].quiet.windows[0].hours[0]: "25:00-26:00" is no span`, `subscriptions[1].quiet.unless: "x" is none of`, `subscriptions[1].group.by: "moon" is none of`,
		`subscriptions[1].repeat: 1s is less than 1m`, `subscriptions[1].escalate[0].after: 0s is not positive`, `subscriptions[1].escalate[1].to: names no receiver`, `subscriptions[1].escalate[2].after: 1s is not after`,
		`subscriptions[1].digest.every: is missing`, `subscriptions[2].name: "noc" is the name of subscriptions[1] too`, `subscriptions[2].digest.every: "monthly" is neither`, `subscriptions[2].digest.zone: "x" is no time zone`,
		`silences[0].until: is missing`, `silences[1].until: 1970-01-01T00:00:01Z is not after from`, `silences[1].reason: is missing`, `silences[1].id: "a" is the id of silences[0] too`,
		`templates[0].title: title:1:2: executing "title" at <.Titel>`, `templates[0].text: text:2: missing value for if`, `templates[0].next: next:1:`,
	} {
		if !strings.Contains("\n"+err.Error(), "\n"+want) {
			t.Errorf("not told: %s", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestSpan(t *testing.T) {
	for in, want := range map[string]string{"90s": "1m30s", "15m": "15m", "36h": "36h", "24h": "1d", "7d": "7d", "1d12h": "36h", "0s": "0s"} {
		var s Span
		if err := s.UnmarshalText([]byte(in)); err != nil || s.String() != want {
			t.Errorf("%s: %s, %v", in, s, err)
		}
	}
	for _, bad := range []string{"", "5", "-1h", "1.5.d", "d", "99999999d", "1d-1h", "soon"} {
		var s Span
		if err := s.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is %s", bad, s)
		}
	}
}

// What is kept in JSON comes back as it was.
func TestSubscriptionInJSON(t *testing.T) {
	s := Subscription{Name: "noc", To: []string{"slack"}, Match: Match{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Severity: watch.Critical}, Repeat: Span(4 * time.Hour),
		Quiet: Quiet{Windows: []Window{{Hours: []string{"22:00-07:00"}}}}, Escalate: []Step{{After: Span(15 * time.Minute), To: []string{"slack"}}}, Except: []Match{{Tags: []string{"x"}}}}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Subscription
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
	if strings.Contains(string(text), "digest") || strings.Contains(string(text), "group") {
		t.Errorf("what is empty is written: %s", text)
	}
}

// At run time a template that fails is named, and the plain text goes out.
func TestTemplates(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Templates = []Template{
		{Title: "[{{.Severity | printf \"%s\" | upper}}] {{.Title}}", Next: "{{with .Incident}}Call {{asns .Lost}}{{end}}"},
		{For: []string{"email"}, Text: "{{range .Stories}}{{.Name}} {{end}}"},
		{For: []string{"pager"}, Text: `{{if eq .Hoster "mccolo"}}{{index .Changes 5}}{{end}}`},
	}
	if err := cfg.Validate(nil); err != nil {
		t.Fatal(err)
	}
	r, err := newRenderer(&cfg, map[string]string{"mail": "email"})
	if err != nil {
		t.Fatal(err)
	}
	message := func(receiver string) *Message {
		th := &Thread{Key: "k", Receiver: receiver, Stories: []Story{sampleStory()}}
		th.Stories[0].Summary = "McColo Corp.: AS6939 dropped it"
		th.claim(Decision{Reason: Opened}, time.Unix(0, 0))
		return r.message(th)
	}
	if m := message("slack"); m.Title != "[CRITICAL] McColo Corp. dropped by AS6939" || m.Next != "Call AS6939" || m.Text != "McColo Corp.: AS6939 dropped it." {
		t.Errorf("%q %q %q", m.Title, m.Next, m.Text)
	}
	if m := message("mail"); m.Text != "McColo Corp." {
		t.Errorf("by its type: %q", m.Text)
	}
	m := message("pager")
	if !strings.HasPrefix(m.Text, "McColo Corp.: AS6939 dropped it.\n(a template failed, this is the plain text: text:1:") || !strings.Contains(m.Text, "index out of range") {
		t.Errorf("broken: %q", m.Text)
	}
}

// Whatever is heard, texts stay within their bounds.
func TestTextsAreBounded(t *testing.T) {
	s := sampleStory()
	s.Name, s.Summary = strings.Repeat("é", 100), strings.Repeat("long \n", 70)
	s.Incident.Summary = s.Summary
	for i := range 300 {
		s.Incident.Lost = append(s.Incident.Lost, uint32(i+1))
		s.Incident.Prefixes = append(s.Incident.Prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
	}
	cfg := DefaultConfig()
	cfg.Templates = []Template{{For: []string{"x"}, Title: "{{range .Stories}}{{.Name}}{{end}}"}}
	r, err := newRenderer(&cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, receiver := range []string{"x", "y"} {
		th := &Thread{Key: "k", Receiver: receiver, Group: "all"}
		for i := range 250 {
			one := s
			one.ID = strings.Repeat("i", i+1)
			th.take(one, time.Unix(int64(i), 0))
		}
		th.claim(Decision{Reason: Opened}, time.Unix(0, 0))
		th.arrived(nil, time.Unix(0, 0))
		for i := range th.Stories {
			one := th.Stories[i]
			one.Revision, one.Incident = 2, &watch.Incident{Summary: s.Summary, Hoster: "mccolo", Class: watch.Blackout, Lost: s.Incident.Lost}
			th.take(one, time.Unix(1000, 0))
		}
		th.claim(Decision{Reason: Changed}, time.Unix(0, 0))
		m := r.message(th)
		for what, c := range map[string][2]int{"title": {len([]rune(m.Title)), maxTitle}, "text": {len([]rune(m.Text)), maxText}, "next": {len([]rune(m.Next)), maxNext},
			"facts": {len(m.Facts), maxFacts}, "changes": {len(m.Changes), maxChanges}, "thread": {len(m.Thread), maxNews}} {
			if c[0] > c[1] || c[0] == 0 {
				t.Errorf("%s: %s has %d of at most %d", receiver, what, c[0], c[1])
			}
		}
		text, err := json.Marshal(th)
		if err != nil || len(text) > 900_000 {
			t.Errorf("a thread of %d stories takes %d bytes, %v", len(th.Stories), len(text), err)
		}
	}
}

func FuzzReadEvent(f *testing.F) {
	f.Add([]byte(`{"type":"event","id":"x","kind":"upstream.lost","at":"2008-11-11T21:04:07Z","hoster":"mccolo","prefix":"208.66.192.0/22"}`))
	f.Add([]byte(`{"type":"event","id":"x","kind":"cnc.moved","family":"Srizbi","hoster":"mccolo","lag":60,"score":3}`))
	f.Add([]byte(`{"type":"event","id":"x","kind":"feed.lost","source":"rislive","collector":"rrc00"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, m, err := ReadEvent(body)
		if err != nil {
			return
		}
		s := OfEvent(e, nil)
		if m != nil {
			s = OfMigration(*m, nil)
		}
		th := &Thread{Key: "k", Receiver: "r"}
		th.take(s, time.Unix(0, 0))
		th.claim(Decision{Reason: Opened}, time.Unix(0, 0))
		cfg := DefaultConfig()
		r, err := newRenderer(&cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if msg := r.message(th); len([]rune(msg.Title)) > maxTitle || len([]rune(msg.Text)) > maxText {
			t.Errorf("%d, %d", len(msg.Title), len(msg.Text))
		}
	})
}
