package slack

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"depeer/notify"
	"depeer/notify/notifytest"
	"depeer/notify/plain"
	"depeer/notify/slack/slacktest"
)

func copyOf(m *notify.Message) *notify.Message { return plain.Copy(m) }

// office is a workspace with an app that runs, and its desk.
type office struct {
	workspace
	*Receiver
	desk *desk
	url  string // of the workspace
	app  string // where the app takes signed requests
}

var now = time.Unix(1750000000, 0)

// inOffice runs an app until the test ends, and then looks for what it left behind.
func inOffice(t *testing.T, d *desk, socket bool) *office {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	w := newWorkspace()
	server := httptest.NewServer(w)
	c := testConfig(server.URL)
	if !socket {
		c.AppToken = ""
	}
	client := &http.Client{Transport: &http.Transport{}}
	r, err := New(c, Deps{HTTP: client, Desk: d, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	app := httptest.NewServer(r)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		app.Close()
		server.CloseClientConnections()
		server.Close()
		client.CloseIdleConnections()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		for deadline := time.Now().Add(time.Minute); ; {
			err := goleak.Find(ignore) // tries for a while
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Error(err)
				return
			}
		}
	})
	<-r.counsel.began
	return &office{w, r, d, server.URL, app.URL}
}

// request sends a signed request, and gives status and body.
func (o *office) request(t *testing.T, form url.Values, at time.Time, change func(*http.Request)) (int, string) {
	t.Helper()
	req, err := slacktest.Request(t.Context(), o.app, signing, at, form)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

// answered waits for n answers to people.
func (o *office) answered(t *testing.T, n int) []slacktest.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := o.Await(ctx, func() bool { return len(o.Responses()) >= n }); err != nil {
		t.Fatalf("%d answers, want %d", len(o.Responses()), n)
	}
	return o.Responses()
}

func TestButtonsAndCommandsOverHTTP(t *testing.T) {
	o := inOffice(t, &desk{text: "McColo: dark, 27 days", image: &notify.Picture{PNG: notifytest.PNG(1), Alt: "line"}}, false)
	at := o.url + "/response/"
	for i, form := range []url.Values{
		slacktest.Form(slacktest.Press(actionAck, "inc1", "", at+"1")),
		slacktest.Form(slacktest.Press(actionSilence, "", "8h inc1", at+"2")),
		slacktest.Command("status", at+"3", "3"),
		slacktest.Command("timeline mccolo", at+"4", "4"),
		slacktest.Command("explain 208.66.192.0/22", at+"5", "5"),
		slacktest.Command("ack inc1 we look into it", at+"6", "6"),
		slacktest.Command("dance", at+"7", "7"),
		slacktest.Form(slacktest.Press(actionSilence, "", "999h inc1", at+"8")),
	} {
		status, body := o.request(t, form, now, nil)
		if status != 200 || form.Get("command") != "" && !strings.Contains(body, "One moment") {
			t.Fatalf("%d: %d %q", i, status, body)
		}
		o.answered(t, i+1)
	}
	// A link that was opened is acknowledged, and nothing else.
	if status, body := o.request(t, slacktest.Form(slacktest.Press(actionOpen, "", "", at+"9")), now, nil); status != 200 || body != "" {
		t.Errorf("%d %q", status, body)
	}
	want := []string{"ack inc1 by anna (U0ANNA): ", "silence inc1 by anna (U0ANNA) for 8h0m0s", "ask status", "ask timeline mccolo",
		"ask explain 208.66.192.0/22", "ack inc1 by anna (U0ANNA): we look into it"}
	if got := o.desk.notes(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q", got)
	}
	answers := o.answered(t, 8)
	text := func(i int) string { return slacktest.Read(slacktest.Message{Blocks: answers[i].Blocks}).Text }
	for i, want := range map[int]string{0: "Acknowledged.", 1: "Silenced for 8 h.", 3: "McColo: dark, 27 days", 6: "/depeer status", 7: "is no length of a silence"} {
		if got := text(i); !strings.Contains(got, want) || answers[i].Type != "ephemeral" {
			t.Errorf("answer %d is %q, want %q", i, got, want)
		}
	}
	if v := slacktest.Read(slacktest.Message{Blocks: answers[3].Blocks}); v.File == "" {
		t.Error("the timeline has no picture")
	}
	check(t, o.workspace)
}

func TestWhatIsNotSignedIsRefused(t *testing.T) {
	o := inOffice(t, &desk{text: "x"}, false)
	form := func(trigger string) url.Values { return slacktest.Command("status", o.url+"/response/1", trigger) }
	for name, c := range map[string]struct {
		at     time.Time
		change func(*http.Request)
		want   int
	}{
		"good":          {now, nil, 200},
		"4 minutes old": {now.Add(-4 * time.Minute), nil, 200},
		"6 minutes old": {now.Add(-6 * time.Minute), nil, 401},
		"of the future": {now.Add(6 * time.Minute), nil, 401},
		"unsigned":      {now, func(r *http.Request) { r.Header.Del("X-Slack-Signature") }, 401},
		"no time":       {now, func(r *http.Request) { r.Header.Del("X-Slack-Request-Timestamp") }, 401},
		"other time":    {now, func(r *http.Request) { r.Header.Set("X-Slack-Request-Timestamp", "1750000001") }, 401},
		"other body": {now, func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("command=x")), 9
		}, 401},
		"short":   {now, func(r *http.Request) { r.Header.Set("X-Slack-Signature", "v0=ab") }, 401},
		"a GET":   {now, func(r *http.Request) { r.Method = "GET" }, 405},
		"no form": {now, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 400},
	} {
		if status, _ := o.request(t, form(name), c.at, c.change); status != c.want {
			t.Errorf("%s: %d, want %d", name, status, c.want)
		}
	}
	// The same request again does nothing.
	if status, _ := o.request(t, form("good"), now, nil); status != 409 {
		t.Errorf("a replay: %d", status)
	}
	if status, _ := o.request(t, url.Values{"payload": {"{"}}, now, nil); status != 400 {
		t.Errorf("broken JSON: %d", status)
	}
	o.answered(t, 2)
	if c := o.Counts(); c.Taken != 2 || c.Repeated != 1 || c.Refused != 9 {
		t.Errorf("%+v", c)
	}
	// Without a signing secret there is nothing to talk to.
	r, err := New(Config{Token: "xoxb-x", Channel: "C123", URL: "https://slack.com/api/"}, Deps{Desk: &desk{}})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, httptest.NewRequest("POST", "/", nil))
	if rec.Code != 404 || r.Hears() {
		t.Errorf("%d", rec.Code)
	}
}

// A desk that thinks holds up no acknowledgement; more than fits is told to come again.
func TestAcknowledgedBeforeTheDeskAnswers(t *testing.T) {
	d := &desk{text: "x", hold: make(chan struct{})}
	o := inOffice(t, d, false)
	busy := 0
	for i := range workers + waiting + 10 {
		status, body := o.request(t, slacktest.Command("status", o.url+"/response/1", string(rune('a'+i))), now, nil)
		if status != 200 {
			t.Fatalf("%d: %d", i, status)
		}
		if strings.Contains(body, errBusy.Error()) {
			busy++
		}
	}
	if busy < 10 || int64(busy) != o.Counts().Busy {
		t.Errorf("%d were told to come again, %+v", busy, o.Counts())
	}
	close(d.hold)
	o.answered(t, workers+waiting+10-busy)
}

func TestDeskThatFails(t *testing.T) {
	d := &desk{fail: errors.New("no such incident; " + token)}
	o := inOffice(t, d, false)
	o.request(t, slacktest.Form(slacktest.Press(actionAck, "inc1", "", o.url+"/response/1")), now, nil)
	got := slacktest.Read(slacktest.Message{Blocks: o.answered(t, 1)[0].Blocks}).Text
	if !strings.Contains(got, "That did not work: no such incident") || strings.Contains(got, token) {
		t.Errorf("%q", got)
	}
}

func TestAnswersGoToSlackAlone(t *testing.T) {
	r := open(t, newWorkspace(), nil)
	for address, want := range map[string]bool{
		"https://hooks.slack.com/commands/T1/2/x": true, "https://hooks.slack-gov.com/x": true, r.config.URL: true,
		"http://hooks.slack.com/x": false, "https://hooks.slack.com.evil.example/x": false, "http://169.254.169.254/": false, "": false, "::": false,
	} {
		if r.ours(address) != want {
			t.Errorf("%q: %t", address, !want)
		}
	}
}

func TestSocketMode(t *testing.T) {
	o := inOffice(t, &desk{text: "all is well"}, true)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	at := o.url + "/response/"
	tell := func(kind, id string, payload []byte) string {
		t.Helper()
		ack, err := o.Tell(ctx, kind, id, payload)
		if err != nil {
			t.Fatal(err)
		}
		return string(ack)
	}
	command := func(text string) []byte {
		return []byte(`{"command":"/depeer","text":"` + text + `","user_id":"U0ANNA","user_name":"anna","response_url":"` + at + `2"}`)
	}
	if ack := tell("interactive", "e1", slacktest.Press(actionAck, "inc1", "", at+"1")); !strings.Contains(ack, `"envelope_id":"e1"`) {
		t.Errorf("%s", ack)
	}
	o.answered(t, 1)
	if ack := tell("slash_commands", "e2", command("status")); !strings.Contains(ack, "One moment") {
		t.Errorf("%s", ack)
	}
	o.answered(t, 2)
	// Rubbish changes nothing; what Slack sends again is acknowledged, and done once.
	for _, raw := range []string{"rubbish", `{"type":"interactive"}`, `{"type":"new_thing","envelope_id":"e0","payload":{}}`, `[]`} {
		if err := o.Raw(ctx, raw); err != nil {
			t.Fatal(err)
		}
	}
	tell("slash_commands", "e2", command("status"))
	// Slack asks for another connection now and then.
	if err := o.Disconnect(ctx); err != nil {
		t.Fatal(err)
	}
	tell("slash_commands", "e3", command("explain mccolo"))
	o.answered(t, 3)
	if got := strings.Join(o.desk.notes(), "; "); got != "ack inc1 by anna (U0ANNA): ; ask status; ask explain mccolo" {
		t.Errorf("%s", got)
	}
	if n := o.Calls("apps.connections.open"); n != 2 {
		t.Errorf("%d connections were opened", n)
	}
	if c := o.Counts(); c.Taken != 3 || c.Repeated != 1 || c.Refused != 4 {
		t.Errorf("%+v", c)
	}
}

func TestLongAnswer(t *testing.T) {
	var b strings.Builder
	for range 4000 {
		b.WriteString("208.66.192.0/22 through AS6939 😀\n")
	}
	set := answerBlocks(b.String())
	if len(set) != 10 {
		t.Errorf("%d blocks", len(set))
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", []byte(slacktest.Form(slacktest.Press(actionSilence, "", "8h inc1", "https://hooks.slack.com/x")).Encode()))
	f.Add("application/x-www-form-urlencoded", []byte(slacktest.Command("timeline mccolo", "https://hooks.slack.com/x", "1").Encode()))
	f.Add("application/x-www-form-urlencoded", []byte("payload=%7B%22type%22%3A%22block_actions%22%2C%22actions%22%3A%5Bnull%5D%7D"))
	c := DefaultConfig()
	c.Token, c.Channel, c.SigningSecret = "xoxb-x", "C123", "secret"
	r, err := New(c, Deps{Desk: &desk{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		j, _, ok := r.parse(kind, body)
		if ok && j.act != nil {
			if _, _, err := j.act(t.Context()); err != nil && strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("%q", err)
			}
		}
	})
}

func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(slacktest.Press(actionAck, "inc1", "", "https://hooks.slack.com/x")))
	f.Add([]byte(`{"type":"block_actions","actions":[{"action_id":"depeer_silence","selected_option":null}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := &Receiver{deps: Deps{Desk: &desk{}}, counsel: newCounsel()}
		if i, ok := decodeInteraction(body); ok {
			if j := r.interaction(i); j.act != nil {
				_, _, _ = j.act(t.Context())
			}
		}
	})
}
