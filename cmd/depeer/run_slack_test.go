package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"depeer/notify/slack/slacktest"
)

// The whole way: a hoster is cut off in BGP, its story is one message in Slack with the
// picture of its routes, somebody acknowledges it there by a button, and it is edited as the story ends.
func TestRunTellsSlack(t *testing.T) {
	t.Parallel()
	workspace := slacktest.New("xoxb-bot", "xapp-app", "C0123456789")
	server := httptest.NewServer(workspace)
	defer server.Close()
	r := newBare(t)
	r.hosters = "  - {id: mccolo, name: McColo Corp., asns: [26780], tags: [bulletproof]}"
	r.sources = r.speaker(3)
	r.more = fmt.Sprintf(`
notify:
  every: 1s
  http: {allow: [127.0.0.0/8]}
  receivers:
    - {name: noc, type: slack, token: xoxb-bot, signing_secret: "8f742231b10e8888abcd99yyyzzz85a5", channel: C0123456789, pace: 0s, url: "%s/api/"}
  subscriptions:
    - {name: noc, match: {tags: [bulletproof]}, to: [noc]}
`, server.URL)
	r.configure(r.text())
	r.start()
	for i := 1; i <= 3; i++ {
		r.connect(i, []uint32{6939, 3549}[i%2], mccolo1, mccolo2)
	}
	r.await("all is heard", func() bool { h := r.hoster(); return h.Prefixes == 2 && h.Eligible == 3 && h.Visibility == 1 })
	r.judged(2 * time.Second)
	r.stop()

	// While it is away everybody withdraws it.
	r.start()
	for i := 1; i <= 3; i++ {
		r.connect(i, []uint32{6939, 3549}[i%2])
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	said := func(word string) func() bool {
		return func() bool {
			m := workspace.Messages("C0123456789")
			return len(m) == 1 && strings.Contains(m[0].Text+fmt.Sprintf("%s", m[0].Blocks)+fmt.Sprint(workspace.Thread("C0123456789", m[0].TS)), word)
		}
	}
	if err := workspace.Await(ctx, said("dark")); err != nil {
		t.Fatalf("%v; in Slack %+v\n%s", err, workspace.Messages(""), r.log.String())
	}
	if err := workspace.Await(ctx, func() bool { return len(workspace.Files()) > 0 && len(workspace.Files()[0].Content) > 0 }); err != nil {
		t.Fatalf("no picture came: %v\n%s", err, r.log.String())
	}
	if f := workspace.Files()[0]; !strings.HasPrefix(string(f.Content), "\x89PNG") || !strings.Contains(f.Alt, "McColo") || strings.Contains(f.Alt, "0 events") {
		t.Errorf("the picture is %q, %q, %d octets", f.Title, f.Alt, len(f.Content))
	}

	// Anna presses the button: the request comes to the listener, signed.
	incident := r.status().Incidents[0].ID
	press := slacktest.Form(slacktest.Press("depeer_ack", incident, "", server.URL+"/response/1"))
	req, err := slacktest.Request(ctx, "http://"+r.web+"/hooks/noc", "8f742231b10e8888abcd99yyyzzz85a5", time.Now(), press)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the button's request is answered with %s", resp.Status)
	}
	if err := workspace.Await(ctx, said("anna")); err != nil {
		t.Errorf("that Anna took it is not said: %v; %+v\n%s", err, workspace.Messages(""), r.log.String())
	}
	for _, name := range []string{`depeer_migrations_read_total{what="incidents"}`, "depeer_timeline_changes_total", "depeer_timeline_records_total"} {
		r.await(name, func() bool { v, _ := r.metric(name); return v >= 1 })
	}
	if v, ok := r.metric("depeer_sightings_total"); !ok || v != 0 {
		t.Errorf("sightings: %v, %v", v, ok)
	}
	if f := workspace.Faults(); len(f) > 0 {
		t.Errorf("rules of Slack that were broken: %q", f)
	}
	r.stop()
	if log := r.log.String(); strings.Contains(log, "xoxb-bot") || strings.Contains(log, "8f742231b10e") {
		t.Error("a secret is in the log")
	}
}
