package notify

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"golang.org/x/tools/txtar"

	"depeer/bgp"
	"depeer/watch"
)

var update = flag.Bool("update", false, "write what is told into the scenarios")

// TestScenarios plays every story of testdata and compares what is told with what the
// file says. A story is lines of what happened; see the files.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var told *txtar.File
			p := &play{t: t, incidents: map[string]*watch.Incident{}}
			for i := range a.Files {
				switch f := &a.Files[i]; f.Name {
				case "config.yaml":
					p.configure(string(f.Data))
				case "story":
					p.run(string(f.Data))
				case "told":
					told = f
				default:
					t.Fatalf("what is %s?", f.Name)
				}
			}
			if *update {
				told.Data = []byte(p.out.String())
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got, want := p.out.String(), string(told.Data); got != want {
				t.Errorf("told:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// play is a scenario in progress.
type play struct {
	t         *testing.T
	r         *Rehearsal
	now       time.Time
	incidents map[string]*watch.Incident
	events    int
	stories   []Story
	out       strings.Builder
	short     bool // titles alone
}

func (p *play) configure(text string) {
	p.t.Helper()
	cfg := DefaultConfig()
	if err := yaml.UnmarshalWithOptions([]byte(text), &cfg, yaml.Strict()); err != nil {
		p.t.Fatal(err)
	}
	var receivers []string
	for _, s := range cfg.Subscriptions {
		receivers = union(receivers, s.To...)
		for _, e := range s.Escalate {
			receivers = union(receivers, e.To...)
		}
	}
	if err := cfg.Validate(receivers); err != nil {
		p.t.Fatal(err)
	}
	rules, err := NewRules(cfg, receivers, nil, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.r, err = NewRehearsal(rules, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.r.Told = func(now time.Time, m *Message, subs []string) {
		loud := ""
		if m.Loud {
			loud = ", loud"
		}
		fmt.Fprintf(&p.out, "%s %s: %s%s: %s\n", now.UTC().Format("2006-01-02 15:04:05"), m.Receiver, m.Reason, loud, m.Title)
		if len(m.Mention) > 0 {
			fmt.Fprintf(&p.out, "\t%s\n", strings.Join(m.Mention, " "))
		}
		if p.short {
			return
		}
		for _, l := range strings.Split(m.Text, "\n") {
			fmt.Fprintf(&p.out, "\t%s\n", l)
		}
		if m.Reason == Digest {
			for _, f := range m.Facts {
				fmt.Fprintf(&p.out, "\t%s: %s\n", f.Name, f.Value)
			}
		}
		for _, c := range m.Changes {
			fmt.Fprintf(&p.out, "\t* %s\n", c)
		}
		if m.Next != "" {
			fmt.Fprintf(&p.out, "\t> %s\n", m.Next)
		}
	}
	p.r.Held = func(now time.Time, t *Thread, why string) {
		if why != "nothing new" {
			fmt.Fprintf(&p.out, "%s %s: not now: %s\n", now.UTC().Format("2006-01-02 15:04:05"), t.Receiver, why)
		}
	}
}

func (p *play) run(text string) {
	p.t.Helper()
	for n, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if err := p.step(l); err != nil {
			p.t.Fatalf("line %d: %s: %v", n+1, l, err)
		}
	}
}

// step plays one line: when, what, about whom, key=value..., ": words".
func (p *play) step(l string) error {
	head, say, _ := strings.Cut(l, " : ")
	f := strings.Fields(head)
	if f[0] == "short" {
		p.short = true
		return nil
	}
	if f[0] == "many" {
		return p.many(f[1:], say)
	}
	if err := p.at(f[0]); err != nil {
		return err
	}
	args := map[string]string{}
	for _, x := range f[2:] {
		if k, v, ok := strings.Cut(x, "="); ok {
			args[k] = v
		}
	}
	switch f[1] {
	case "incident":
		return p.incident(f[2], args, say)
	case "event":
		return p.event(watch.EventKind(f[2]), args)
	case "ack", "comment":
		p.r.Note(f[2], Note{Who: f[3], At: p.now, Comment: say, Ack: f[1] == "ack"})
	case "silence":
		until, err := time.ParseDuration(args["for"])
		if err != nil {
			return err
		}
		s := Silence{ID: "s", Until: p.now.Add(until), Reason: say, By: args["by"]}
		if args["hoster"] != "" {
			s.Match.Hosters = []string{args["hoster"]}
		}
		p.r.Silence(s, p.now)
	case "digest":
		sub := p.r.rules.subs[slices.IndexFunc(p.r.rules.subs, func(s *subscription) bool { return s.Name == f[2] })]
		from, to, err := sub.Digest.Period(p.r.rules.cfg.Zone, p.now)
		if err != nil {
			return err
		}
		s, ok := p.r.rules.Digest(f[2], from, to, p.stories, []Routed{{Hoster: "calm", Name: "Calm Ltd", By: []uint32{64900}}})
		if !ok {
			return fmt.Errorf("no digest")
		}
		p.r.Hear(s, p.now)
	case "quiet":
		p.r.Advance(p.now)
	default:
		return fmt.Errorf("what is %q?", f[1])
	}
	return nil
}

func (p *play) at(s string) error {
	if d, ok := strings.CutPrefix(s, "+"); ok {
		x, err := time.ParseDuration(d)
		p.now = p.now.Add(x)
		return err
	}
	var err error
	p.now, err = time.Parse(time.RFC3339, s)
	return err
}

func asnList(s string) (out []uint32, err error) {
	for _, x := range strings.Split(s, ",") {
		if x == "" {
			continue
		}
		a, err := bgp.ParseASN(x)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func (p *play) incident(id string, args map[string]string, say string) (err error) {
	i := p.incidents[id]
	if i == nil {
		hoster, _, _ := strings.Cut(id, ".")
		i = &watch.Incident{Type: "incident", ID: id, Hoster: hoster, Phase: watch.Open, Opened: p.now.Add(-time.Minute), Confirmed: p.now, Severity: watch.Critical, Class: watch.Depeered}
		p.incidents[id] = i
	}
	next := *i
	next.Revision++
	next.At, next.Summary = p.now, say
	for k, v := range args {
		switch k {
		case "phase":
			next.Phase = watch.Phase(v)
		case "class":
			next.Class = watch.Class(v)
		case "severity":
			next.Severity = watch.Severity(v)
		case "lost":
			next.Lost, err = asnList(v)
		case "gained":
			next.Gained, err = asnList(v)
		case "remaining":
			next.Remaining, err = asnList(v)
		case "flaps":
			next.Flaps, err = strconv.Atoi(v)
		case "prefixes":
			var n int
			if n, err = strconv.Atoi(v); err == nil {
				next.Prefixes = nil
				for k := range n {
					next.Prefixes = append(next.Prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(k >> 8), byte(k), 0}), 24))
				}
			}
		case "prefix":
			var q netip.Prefix
			q, err = netip.ParsePrefix(v)
			next.Prefixes = []netip.Prefix{q}
		default:
			return fmt.Errorf("what is %s=?", k)
		}
		if err != nil {
			return err
		}
	}
	if next.Phase == watch.Resolved {
		at, how := p.now, watch.Recovered
		next.Resolved, next.Resolution = &at, &how
	}
	*i = next
	s := OfIncident(next, nil, &watch.Hoster{ID: next.Hoster, Name: upperFirst(next.Hoster) + " Ltd", ASNs: []uint32{64500}, Tags: []string{"bulletproof"}})
	p.stories = append(p.stories, s)
	p.r.Hear(s, p.now)
	return nil
}

// many opens incidents of many hosters, one after the other.
func (p *play) many(f []string, say string) error {
	n, err := strconv.Atoi(f[0])
	if err != nil {
		return err
	}
	every := f[1]
	args := map[string]string{}
	for _, x := range f[2:] {
		k, v, _ := strings.Cut(x, "=")
		args[k] = v
	}
	for i := range n {
		if err := p.at(every); err != nil {
			return err
		}
		if err := p.incident(fmt.Sprintf("hoster%d", i+1), args, strings.ReplaceAll(say, "%", strconv.Itoa(i+1))); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) event(kind watch.EventKind, args map[string]string) (err error) {
	p.events++
	e := watch.Event{Type: "event", ID: fmt.Sprintf("event-%d", p.events), Kind: kind, At: p.now, FirstSeen: p.now, Source: args["source"], Collector: args["collector"],
		Reason: args["reason"], Severity: watch.Warning}
	if args["severity"] != "" {
		e.Severity = watch.Severity(args["severity"])
	}
	if h := args["hoster"]; h != "" {
		e.Hoster = &h
	}
	if args["peers"] != "" {
		e.PeersLost, err = strconv.Atoi(args["peers"])
	}
	if args["upstream"] != "" {
		e.Upstream, err = bgp.ParseASN(args["upstream"])
	}
	p.r.Hear(OfEvent(e, nil), p.now)
	return err
}
