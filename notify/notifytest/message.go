// Package notifytest is the suite that every receiver passes. A receiver comes with a
// service in process that speaks its protocol, holds to that protocol's rules and
// remembers what people see; [Run] sends it stories, hostile and huge texts and the same
// message twice, breaks the way there in every manner, and looks for the planted secrets
// in all that comes back.
package notifytest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/netip"
	"strings"
	"time"

	"depeer/notify"
	"depeer/watch"
)

// Blackout is the first message of McColo's de-peering, without a picture.
func Blackout() *notify.Message {
	at := time.Date(2008, 11, 11, 21, 34, 7, 0, time.UTC)
	i := &watch.Incident{
		Type: "incident", ID: "0b6f2d6a1c", Revision: 3, At: at, Hoster: "mccolo", Phase: watch.Open, Class: watch.Blackout,
		Severity: watch.Critical, Opened: at.Add(-32 * time.Minute), Confirmed: at.Add(-30 * time.Minute),
		Lost: []uint32{6939, 3549}, Remaining: []uint32{}, Gained: []uint32{226},
		Prefixes: []netip.Prefix{netip.MustParsePrefix("208.66.192.0/22"), netip.MustParsePrefix("208.72.168.0/21")},
		Events:   []string{"e1", "e2", "e3"}, Summary: "McColo Corp. is dark: AS6939 and AS3549 dropped it within 30 minutes",
	}
	return &notify.Message{
		ID: "m-0b6f2d6a1c-3", Key: "k-0b6f2d6a1c", Receiver: "noc", Reason: notify.Opened, At: at,
		Severity: watch.Critical, Loud: true,
		Title: "McColo Corp. is dark: AS6939 and AS3549 dropped it within 30 minutes",
		Text: "Hurricane Electric and Global Crossing no longer carry AS26780. " +
			"One of 40 peers still has a path, through AS226.",
		Facts: []notify.Fact{
			{Name: "Lost", Value: "AS6939 (was 62 %), AS3549 (was 38 %)"},
			{Name: "Still carries it", Value: "AS226, at 1 of 40 peers"},
			{Name: "Prefixes", Value: "208.66.192.0/22, 208.72.168.0/21"},
			{Name: "C&C families", Value: "Srizbi, Rustock, Mega-D, Pushdo, Warezov"},
			{Name: "First reported", Value: "27 days ago"},
		},
		Changes: []string{"AS3549 dropped it at 21:34:07 UTC"},
		Next:    "Watch for a new upstream: AS1299 carried 208.72.173.0/24 in February.",
		Link:    "https://depeer.example/incidents/0b6f2d6a1c",
		Hoster:  "McColo Corp.", Incident: i,
		Events: []watch.Event{{
			Type: "event", ID: "e1", Kind: watch.UpstreamLost, At: at, FirstSeen: at.Add(-time.Minute), Hoster: &i.Hoster,
			ASN: 26780, Upstream: 6939, Prefixes: i.Prefixes, Before: 0.62, Eligible: 40, Severity: watch.Critical,
			Incident: &i.ID, Sources: []string{"rrc00"},
		}},
	}
}

// Revise is m as its story has moved on to revision n.
func Revise(m *notify.Message, n int, before notify.Receipt) *notify.Message {
	c := *m
	i := *m.Incident
	i.Revision, i.At = n, m.At.Add(time.Duration(n)*time.Hour)
	c.Incident, c.At, c.Reason, c.Before = &i, i.At, notify.Changed, before
	c.ID = fmt.Sprintf("m-%s-%d", i.ID, n)
	c.Changes = []string{fmt.Sprintf("AS1299 took it in at revision %d", n)}
	c.Text = fmt.Sprintf("McColo is back behind AS1299, revision %d.", n)
	c.Loud = false
	return &c
}

// Resolve is m as its story has ended.
func Resolve(m *notify.Message, n int, before notify.Receipt) *notify.Message {
	c := Revise(m, n, before)
	i := *c.Incident
	at, how := i.At, watch.Recovered
	i.Phase, i.Resolved, i.Resolution = watch.Resolved, &at, &how
	c.Incident, c.Reason, c.Resolved = &i, notify.Resolved, true
	c.Title = "McColo Corp. is back at its baseline"
	c.Changes = []string{"back at the baseline for 10 minutes"}
	return c
}

// Evil are texts that act, where a receiver takes them for markup.
var Evil = []string{
	"<!channel> <!here> <!everyone> <@U0123456> <#C0123456> <!subteam^S0123456>",
	"@channel @here @everyone @room",
	"<https://evil.example/a|click me>",
	"[click me](https://evil.example/b) ![x](https://evil.example/c.png)",
	"<a href=\"https://evil.example/d\">x</a><script>alert(1)</script><img src=https://evil.example/e.png onerror=alert(1)>",
	"*bold* _italic_ ~strike~ `code` ```block``` > quote",
	"a\r\nBcc: victim@evil.example\r\n\r\nbody",
	"a\nb\r.\r\nQUIT\r\n",
	"nul\x00bell\x07escape\x1b[31m",
	"\u202egpj.exe \u2066x\u2069 שלום مرحبا 😀👨\u200d👩\u200d👧",
	"&lt;!channel&gt; &amp; &#60;b&#62; %3Cscript%3E",
	"{{.Secrets}} ${TOKEN} \\\"]}, <at>everyone</at> \"] x=\"y",
	"bad utf8 \xff\xfe end",
}

// Hostile is a message whose every text is from somebody who means harm.
func Hostile() *notify.Message {
	m := Blackout()
	m.ID, m.Key = "m-hostile", "k-hostile"
	all := strings.Join(Evil, " ")
	m.Title = "Evil " + Evil[6] + Evil[0]
	m.Text = all
	m.Hoster = Evil[6]
	m.Facts, m.Changes, m.Thread = nil, nil, nil
	for _, e := range Evil[:10] {
		m.Facts = append(m.Facts, notify.Fact{Name: e, Value: e})
	}
	m.Changes = append(m.Changes, Evil...)
	m.Thread = append(m.Thread, Evil...)
	m.Next = all
	m.Picture = &notify.Picture{PNG: PNG(1), Alt: all}
	return m
}

// Huge is a message with more in it than any service takes.
func Huge() *notify.Message {
	m := Blackout()
	m.ID, m.Key = "m-huge", "k-huge"
	long := strings.Repeat("ä😀&<x>\"\\ ", 4000)
	m.Title = "Huge story " + long
	m.Text, m.Next = "Long text "+long, "Long next "+long
	m.Facts = nil
	for i := range 12 {
		m.Facts = append(m.Facts, notify.Fact{Name: fmt.Sprintf("Fact %d %s", i, long[:3000]), Value: long})
	}
	for i := range 60 {
		m.Changes = append(m.Changes, fmt.Sprintf("Change %d %s", i, long[:2000]))
		m.Thread = append(m.Thread, fmt.Sprintf("Revision %d %s", i, long[:2000]))
	}
	m.Picture = &notify.Picture{PNG: PNG(1), Alt: "Alt " + long}
	return m
}

// PNG is a small picture; another n, another picture.
func PNG(n int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 8, 4))
	for x := range 8 {
		img.Set(x, n%4, color.RGBA{R: uint8(40 * n), G: uint8(30 * x), B: 90, A: 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}
