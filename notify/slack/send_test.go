package slack

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"depeer/notify"
	"depeer/notify/notifytest"
	"depeer/notify/slack/slacktest"
)

// open gives a receiver for the workspace; change may change its configuration.
func open(t *testing.T, w workspace, change func(*Config)) *Receiver {
	t.Helper()
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	c := testConfig(server.URL)
	if change != nil {
		change(&c)
	}
	r, err := New(c, Deps{HTTP: server.Client(), Desk: &desk{}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func send(t *testing.T, r *Receiver, m *notify.Message) notify.Receipt {
	t.Helper()
	receipt, err := r.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func check(t *testing.T, w workspace) {
	t.Helper()
	for _, f := range w.Faults() {
		t.Errorf("Slack forbids: %s", f)
	}
}

func TestSlackErrors(t *testing.T) {
	s := notifytest.Subject{Secrets: []string{token}}
	for answer, again := range map[string]bool{
		"channel_not_found": false, "not_in_channel": false, "is_archived": false, "msg_too_long": false, "no_text": false,
		"invalid_auth": false, "account_inactive": false, "token_revoked": false, "token_expired": false, "missing_scope": false,
		"restricted_action": false, "invalid_blocks": false, "something_new": false,
		"ratelimited": true, "rate_limited": true, "fatal_error": true, "internal_error": true, "service_unavailable": true, "request_timeout": true,
	} {
		w := newWorkspace()
		r := open(t, w, nil)
		w.Fail("chat.postMessage", slacktest.Fault{Error: answer})
		_, err := r.Send(t.Context(), notifytest.Blackout())
		s.CheckError(t, err, again)
		if err == nil || !strings.Contains(err.Error(), answer) || !strings.Contains(err.Error(), "chat.postMessage") {
			t.Errorf("%s: %v names neither the act nor the answer", answer, err)
		}
	}
	w := newWorkspace()
	r := open(t, w, nil)
	w.Fail("chat.postMessage", slacktest.Fault{Status: 429, RetryAfter: "12"})
	_, err := r.Send(t.Context(), notifytest.Blackout())
	var e *notify.Error
	if !errors.As(err, &e) || !e.Retry || e.After != 12*time.Second {
		t.Errorf("429: %#v", err)
	}
	w.Archive("C0NOC")
	_, err = r.Send(t.Context(), notifytest.Blackout())
	s.CheckError(t, err, false)
	w = newWorkspace()
	w.Leave("C0NOC")
	_, err = open(t, w, nil).Send(t.Context(), notifytest.Blackout())
	s.CheckError(t, err, false)
}

func TestDeletedMessageIsPostedAnew(t *testing.T) {
	w := newWorkspace()
	r := open(t, w, nil)
	before := send(t, r, notifytest.Blackout())
	w.Delete("C0NOC", before["ts"])
	next := notifytest.Revise(notifytest.Blackout(), 4, before)
	next.Thread = []string{"AS6939 dropped it", "AS3549 dropped it"}
	after := send(t, r, next)
	shown := w.Shown()
	if len(shown) != 1 || after["ts"] == before["ts"] || len(shown[0].Replies) != 1 || !strings.Contains(shown[0].Replies[0], "AS6939 dropped it") {
		t.Errorf("%v then %v: %+v", before, after, shown)
	}
	next.Unsure = true
	send(t, r, next) // with the receipt of the deleted one again: found, not doubled
	if got := w.Shown(); len(got) != 1 || len(got[0].Replies) != 1 {
		t.Errorf("%+v", got)
	}
	check(t, w)
}

// Where the workspace lets nobody edit old messages, the thread tells on.
func TestFrozenMessage(t *testing.T) {
	w := newWorkspace()
	r := open(t, w, nil)
	before := send(t, r, notifytest.Blackout())
	w.Fail("chat.update", slacktest.Fault{Error: "edit_window_closed"})
	send(t, r, notifytest.Revise(notifytest.Blackout(), 4, before))
	if got := w.Shown(); len(got) != 1 || len(got[0].Replies) != 1 {
		t.Errorf("%+v", got)
	}
}

// A long thread is looked through to its end.
func TestReplyIsFoundFarBack(t *testing.T) {
	w := newWorkspace()
	r := open(t, w, nil)
	m := notifytest.Blackout()
	before := send(t, r, m)
	for n := 4; n < 220; n++ {
		before = send(t, r, notifytest.Revise(m, n, before))
	}
	last := notifytest.Revise(m, 219, before)
	last.Unsure = true
	send(t, r, last)
	if n := len(w.Thread("C0NOC", before["ts"])); n != 216 {
		t.Errorf("%d replies, want 216", n)
	}
	if n := w.Calls("conversations.replies"); n != 2 {
		t.Errorf("%d pages were read, want 2", n)
	}
	check(t, w)
}

// The process dies after each Send, before anything of it is recorded.
func TestNothingIsRecorded(t *testing.T) {
	w := newWorkspace()
	m := notifytest.Blackout()
	for _, step := range []*notify.Message{m, m, notifytest.Revise(m, 4, nil), notifytest.Revise(m, 4, nil), notifytest.Resolve(m, 5, nil), notifytest.Resolve(m, 5, nil)} {
		again := *step
		again.Unsure = true
		send(t, open(t, w, nil), &again)
	}
	shown := w.Shown()
	if len(shown) != 1 || len(shown[0].Replies) != 2 || !shown[0].Closed {
		t.Errorf("%+v", shown)
	}
	check(t, w)
}

// Without the right to read the channel it still tells, and says what that costs.
func TestBlindBot(t *testing.T) {
	w := newWorkspace()
	r := open(t, w, nil)
	m := notifytest.Blackout()
	m.Unsure = true
	w.Fail("conversations.history", slacktest.Fault{Error: "missing_scope"})
	w.Fail("conversations.replies", slacktest.Fault{Error: "missing_scope"})
	before := send(t, r, m)
	send(t, r, notifytest.Revise(m, 4, before))
	if got := w.Shown(); len(got) != 1 || len(got[0].Replies) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestChannelAndMentionBySeverity(t *testing.T) {
	w := newWorkspace()
	r := open(t, w, func(c *Config) {
		c.Channels = []Channel{{"critical", "C0CRIT"}}
		c.Mentions = []Mention{{"critical", []string{"here", "S0NOC"}}, {"warning", []string{"U0ANNA"}}}
	})
	m := notifytest.Blackout()
	m.Severity = "warning"
	m.Mention = []string{"U0BERT", "rubbish <!everyone>"}
	before := send(t, r, m)
	noc := w.Messages("C0NOC")
	if got := slacktest.Read(noc[0]).Active; len(noc) != 1 || len(got) != 5 || got[0] != "<@U0BERT>" || got[1] != "<@U0ANNA>" {
		t.Errorf("%q", got)
	}
	// It gets worse: those who watch the other channel hear of it there, and buttons are there alone.
	next := notifytest.Revise(m, 4, before)
	next.Severity, next.Loud = "critical", true
	after := send(t, r, next)
	noc, crit := w.Messages("C0NOC"), w.Messages("C0CRIT")
	if len(noc) != 1 || len(crit) != 1 || after["channel"] != "C0CRIT" {
		t.Fatalf("%d and %d messages, %v", len(noc), len(crit), after)
	}
	old, new := slacktest.Read(noc[0]), slacktest.Read(crit[0])
	if !strings.Contains(old.Text, "Goes on in #C0CRIT") || len(old.Buttons) > 0 || len(new.Buttons) != 3 {
		t.Errorf("%+v\n%+v", old, new)
	}
	if got := strings.Join(new.Active, " "); !strings.Contains(got, "<!here> <!subteam^S0NOC>") && !strings.Contains(got, "<!subteam^S0NOC>") {
		t.Errorf("%q", got)
	}
	// It gets better: the story stays where it is.
	end := notifytest.Resolve(m, 5, after)
	end.Severity = "warning"
	if got := send(t, r, end); got["channel"] != "C0CRIT" || got["ts"] != after["ts"] {
		t.Errorf("%v", got)
	}
	check(t, w)
}

func TestBroadcastWhenLoud(t *testing.T) {
	w := newWorkspace()
	r := open(t, w, func(c *Config) { c.Mentions = []Mention{{"info", []string{"here"}}} })
	m := notifytest.Blackout()
	before := send(t, r, m)
	send(t, r, notifytest.Revise(m, 4, before))
	loud := notifytest.Revise(m, 5, before)
	loud.Loud, loud.Reason, loud.Changes = true, notify.Escalation, nil
	send(t, r, loud)
	replies := w.Thread("C0NOC", before["ts"])
	if len(replies) != 2 || replies[0].Broadcast || !replies[1].Broadcast {
		t.Fatalf("%+v", replies)
	}
	if a := slacktest.Read(replies[0]).Active; len(a) > 0 {
		t.Errorf("a quiet reply has %q", a)
	}
	if a := slacktest.Read(replies[1]); len(a.Active) == 0 || a.Active[0] != "<!here>" || !strings.Contains(a.Text, "escalation: McColo Corp. is dark") {
		t.Errorf("%+v", a)
	}
	check(t, w)
}

func TestPictureIsReplacedInPlace(t *testing.T) {
	w := newWorkspace()
	w.SlowFiles(1)
	r := open(t, w, nil)
	m := notifytest.Blackout()
	m.Picture = &notify.Picture{PNG: notifytest.PNG(1), Alt: "one"}
	before := send(t, r, m)
	same := notifytest.Revise(m, 4, before)
	before = send(t, r, same)
	if n := len(w.Files()); n != 1 {
		t.Errorf("%d files for one picture", n)
	}
	other := notifytest.Revise(m, 5, before)
	other.Picture = &notify.Picture{PNG: notifytest.PNG(2), Alt: "two"}
	before = send(t, r, other)
	files := w.Files()
	if len(files) != 2 || !files[0].Deleted || files[1].Deleted || len(files[1].Shared) > 0 || files[1].Alt != "two" {
		t.Errorf("%+v", files)
	}
	none := notifytest.Revise(m, 6, before)
	none.Picture = nil
	send(t, r, none)
	if got := w.Shown(); len(got) != 1 || got[0].Picture != nil || !w.Files()[1].Deleted {
		t.Errorf("%+v", got)
	}
	check(t, w)
}

func TestWordsComeBeforeThePicture(t *testing.T) {
	w := newWorkspace()
	m := notifytest.Blackout()
	m.Picture = &notify.Picture{PNG: notifytest.PNG(1), Alt: "one"}
	send(t, open(t, w, nil), m)
	want := "chat.postMessage files.getUploadURLExternal files.completeUploadExternal files.info chat.update"
	if got := strings.Join(w.Log(), " "); got != want {
		t.Errorf("%s", got)
	}
}

func TestPictureGoesIntoTheThreadWhereTheBlockIsRefused(t *testing.T) {
	w := newWorkspace()
	w.RefuseFileBlocks()
	r := open(t, w, nil)
	m := notifytest.Blackout()
	m.Picture = &notify.Picture{PNG: notifytest.PNG(1), Alt: "one"}
	receipt := send(t, r, m)
	shared := ""
	for _, f := range w.Files() {
		shared += strings.Join(f.Shared, ",")
	}
	if got := w.Shown(); len(got) != 1 || shared != "C0NOC/"+receipt["ts"] {
		t.Errorf("%+v, shared %q", got, shared)
	}
	check(t, w)
}

func TestPictureNeverHoldsUpTheMessage(t *testing.T) {
	w := newWorkspace()
	r := open(t, w, nil)
	m := notifytest.Blackout()
	m.Picture = &notify.Picture{PNG: notifytest.PNG(1), Alt: "one"}
	w.Fail("files.getUploadURLExternal", slacktest.Fault{Error: "missing_scope"})
	before := send(t, r, m)
	w.Fail("upload", slacktest.Fault{Status: 503})
	before = send(t, r, notifytest.Revise(m, 4, before))
	w.Fail("files.completeUploadExternal", slacktest.Fault{Error: "fatal_error"})
	before = send(t, r, notifytest.Revise(m, 5, before))
	if got := w.Shown(); len(got) != 1 || got[0].Picture != nil || got[0].Edits != 2 {
		t.Errorf("%+v", got)
	}
	send(t, r, notifytest.Revise(m, 6, before))
	if got := w.Shown(); len(got) != 1 || got[0].Picture == nil {
		t.Errorf("%+v", got)
	}
	check(t, w)
}

func TestPace(t *testing.T) {
	now := time.Unix(1000, 0)
	p := pace{every: time.Second}
	for i, want := range []time.Duration{0, time.Second, 2 * time.Second} {
		if got := p.take("C1", now, time.Hour); got != want {
			t.Errorf("message %d waits %v, want %v", i, got, want)
		}
	}
	if got := p.take("C2", now, time.Hour); got != 0 {
		t.Errorf("another channel waits %v", got)
	}
	if got := p.take("C1", now.Add(10*time.Second), time.Hour); got != 0 {
		t.Errorf("later: %v", got)
	}
	synctest.Test(t, func(t *testing.T) {
		p := pace{every: time.Second}
		begin := time.Now()
		for range 4 {
			if err := p.wait(t.Context(), "C1", time.Now); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("four messages take %v", took)
		}
		// Who cannot wait so long hears when to come again, and takes no place.
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var e *notify.Error
		if err := p.wait(ctx, "C1", time.Now); !errors.As(err, &e) || !e.Retry || e.After != time.Second {
			t.Errorf("%v", err)
		}
		begin = time.Now()
		if err := p.wait(t.Context(), "C1", time.Now); err != nil || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	var m memory
	for i := range 3 * remembered {
		m.put(strings.Repeat("k", i%7)+time.Duration(i).String(), nil)
	}
	if len(m.by) != remembered || len(m.order) != remembered {
		t.Errorf("%d, %d", len(m.by), len(m.order))
	}
}

func TestValidate(t *testing.T) {
	c := Config{Token: "xapp-1", AppToken: "xoxb-1", Channel: "#noc", Channels: []Channel{{"bad", "x"}, {"info", "C1AB"}, {"info", "C1AB"}},
		Mentions: []Mention{{"fatal", []string{"@anna"}}}, Pace: -1, URL: "slack"}
	want := `channel: "#noc" is no channel id (C0123456789: it stands below the channel's details)
channels[0].severity: "bad" is none of info, warning, critical
channels[0].channel: "x" is no channel id (C0123456789)
channels[2].severity: "info" is there twice
token: is an app token; the bot's begins with xoxb-
app_token: is a bot's token; the app's begins with xapp-
mentions[0].severity: "fatal" is none of info, warning, critical
mentions[0].who[0]: "@anna" is none of here, channel, everyone, a user id (U...) or a user group id (S...)
pace: -1ns is not between 0s and 1m
url: "slack" is no URL`
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	for _, c := range []Config{{URL: "https://x"}, {URL: "https://x", Token: "t", Webhook: "https://x", Channel: "C123"}, {URL: "https://x", Webhook: "x"}, {URL: "https://x", Webhook: "https://x", AppToken: "y"}} {
		if c.Validate() == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestRenderedBlackout(t *testing.T) {
	w := newWorkspace()
	send(t, open(t, w, nil), notifytest.Blackout())
	got := slacktest.Read(w.Messages("C0NOC")[0])
	want := `🔴 CRITICAL: McColo Corp. is dark: AS6939 and AS3549 dropped it within 30 minutes
Hurricane Electric and Global Crossing no longer carry AS26780. One of 40 peers still has a path, through AS226.
Lost
AS6939 (was 62 %), AS3549 (was 38 %)
Still carries it
AS226, at 1 of 40 peers
Prefixes
208.66.192.0/22, 208.72.168.0/21
C&C families
Srizbi, Rustock, Mega-D, Pushdo, Warezov
First reported
27 days ago
➡ Next: Watch for a new upstream: AS1299 carried 208.72.173.0/24 in February.
CRITICAL · 2008-11-11 21:34:07 UTC · your time 2008-11-11 21:34:07 UTC
McColo Corp. · incident 0b6f2d6a1c, revision 3`
	if got.Text != want || strings.Join(got.Buttons, " ") != "depeer_ack depeer_silence depeer_open" {
		t.Errorf("%s\n%q", got.Text, got.Buttons)
	}
}

// Whatever a text holds, nothing in it acts.
func FuzzField(f *testing.F) {
	for _, e := range notifytest.Evil {
		f.Add(e, e)
	}
	f.Add("C&C families", "Srizbi & Rustock")
	f.Fuzz(func(t *testing.T, name, value string) {
		m := notifytest.Blackout()
		m.Facts = []notify.Fact{{Name: name, Value: value}}
		m.Title, m.Text, m.Next, m.Hoster, m.Loud = name, value, value, name, false
		clean := copyOf(m)
		var raw []json.RawMessage
		for _, b := range blocks(clean, layout{hears: true}) {
			body, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			raw = append(raw, body)
		}
		v := slacktest.Read(slacktest.Message{Text: summary(clean, nil), Blocks: raw})
		for _, a := range v.Active {
			if a != m.Link {
				t.Errorf("%q acts, from %q and %q", a, name, value)
			}
		}
	})
}
