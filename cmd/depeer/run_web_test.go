package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"depeer/bgp/bgptest"
	"depeer/watch"
	"depeer/web"
	"depeer/web/access"
	"depeer/web/client"
)

// cli runs a command within the test, and gives what it prints.
func cli(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// A depeer that asks for tokens, asked from outside: board, past, stream; a hoster goes dark, and all of them tell it.
func TestRunAsksForTokens(t *testing.T) {
	t.Parallel()
	r := newBare(t)
	r.sources = r.speaker(3)
	r.more = "policy: {hold: 2s}\ntimeline: {sqlite: {path: " + filepath.Join(r.dir, "timeline.db") + "}}\n" +
		"notify: {receivers: [{name: page, type: webhook, url: \"http://127.0.0.1:1/\"}]}"
	file := filepath.Join(r.dir, "depeer.yaml")
	r.configure(strings.Replace(r.text(), "web: {listen: \""+r.web+"\"}", "web: {listen: \""+r.web+"\", auth: {tokens: true}}", 1))
	tokens := map[string]string{}
	for _, scope := range []string{"viewer", "operator"} {
		code, out, errOut := cli(t, "tokens", "create", "the "+scope, "--scope", scope, "-c", file)
		if code != 0 || !strings.Contains(errOut, "the "+scope) {
			t.Fatalf("%d %s %s", code, out, errOut)
		}
		tokens[scope] = filepath.Join(r.dir, scope+".token")
		if err := os.WriteFile(tokens[scope], []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	self, err := exec.LookPath("depeer")
	if err != nil {
		t.Fatal(err)
	}
	r.cmd = exec.Command(self, "run", "--config", file)
	r.cmd.Stderr, r.cmd.Stdout = &r.log, &r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.ended = make(chan error, 1)
	go func() { r.ended <- r.cmd.Wait() }()
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	r.await("it answers", func() bool { code, _ := r.get("/healthz"); return code == http.StatusOK })
	if code, _ := r.get("/api/v1/status"); code != http.StatusUnauthorized {
		t.Errorf("a stranger gets %d", code)
	}
	if code, _, errOut := cli(t, "status", "-c", file); code != exitFailed || !strings.Contains(errOut, "depeer tokens create") {
		t.Errorf("without a token: %d %s", code, errOut)
	}

	secret, err := tokenGiven(tokens["viewer"])
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{Server: r.web, Token: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var sessions []*bgptest.Session
	for i := 1; i <= 3; i++ {
		sessions = append(sessions, r.connect(i, upstreamOf(i), mccolo1))
	}
	r.await("all three are heard", func() bool {
		x, err := c.Status(t.Context())
		return err == nil && len(x.Hosters) == 1 && x.Hosters[0].Eligible == 3 && x.Hosters[0].Prefixes == 1
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var told []string
	enough := errors.New("enough")
	err = c.Stream(ctx, "", nil, func(x client.Told) error {
		switch x.Type {
		case "hello":
			for _, s := range sessions {
				if err := s.Withdraw(mccolo1); err != nil {
					return err
				}
			}
		case "event":
			var e watch.Event
			if err := json.Unmarshal(x.Data, &e); err != nil {
				return err
			}
			if told = append(told, string(e.Kind)); e.Kind == watch.HosterDark {
				return enough
			}
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("%v, told %v\n%s", err, told, r.log.String())
	}
	r.await("it is in the memory", func() bool {
		list, err := c.Events(t.Context(), client.Filter{Words: []string{"hoster.dark"}})
		return err == nil && len(list.Items) == 1
	})

	server := []string{"--server", "http://" + r.web, "--token-file", tokens["viewer"]}
	for _, x := range []struct {
		args []string
		want string
	}{
		{[]string{"status"}, "McColo Corp."}, {[]string{"explain", "mccolo"}, "208.66.192.0/22"}, {[]string{"events", "--kind", "hoster.dark"}, "dark"},
		{[]string{"incidents", "--json"}, `"hoster":"mccolo"`}, {[]string{"timeline", "mccolo", "--json"}, `"208.66.192.0/22"`},
	} {
		if code, out, errOut := cli(t, append(x.args, server...)...); code != 0 || !strings.Contains(out, x.want) {
			t.Errorf("%s: %d %s %s", x.args, code, out, errOut)
		}
	}
	operator := []string{"--server", "http://" + r.web, "--token-file", tokens["operator"]}
	seen := filepath.Join(r.dir, "seen.ndjson")
	if err := os.WriteFile(seen, []byte(`{"at":"2008-11-01T00:00:00Z","family":"Rustock","addr":"208.66.195.15","source":"tracker"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	incidents, err := c.Incidents(t.Context(), client.Filter{})
	if err != nil || len(incidents.Items) != 1 {
		t.Fatal(incidents, err)
	}
	id := incidents.Items[0].ID
	for _, x := range []struct {
		args []string
		want string
	}{
		{[]string{"subscriptions", "add", "night", "--to", "page", "--hoster", "mccolo"}, ""}, {[]string{"subscriptions", "list"}, "night"}, {[]string{"silences", "add", "--hoster", "mccolo", "--for", "4h", "--reason", "planned"}, ""},
		{[]string{"silences", "list"}, "planned"}, {[]string{"incidents", "ack", id, "on it"}, ""}, {[]string{"incidents", "comment", id, "called them"}, ""},
		{[]string{"sightings", "import", "--format", "sighting", seen}, "1 handed to http://"}, {[]string{"migrations"}, "No family was seen to move"},
		{[]string{"subscriptions", "test", "night"}, "revision"}, {[]string{"subscriptions", "deliveries", id}, ""}, {[]string{"explain", "mccolo", "--at", time.Now().UTC().Format(time.RFC3339)}, "208.66.192.0/22"},
	} {
		if code, out, errOut := cli(t, append(x.args, operator...)...); code != 0 || !strings.Contains(out, x.want) {
			t.Errorf("%s: %d %s %s", x.args, code, out, errOut)
		}
	}
	story, err := c.Incident(t.Context(), id)
	if err != nil || len(story.Notes) != 2 || !story.Notes[0].Ack || story.Notes[0].Who != "the operator" || story.Notes[1].Text != "called them" {
		t.Errorf("%+v %v", story, err)
	}
	if code, _, errOut := cli(t, append([]string{"silences", "add", "--for", "4h", "--reason", "planned"}, server...)...); code != exitFailed || !strings.Contains(errOut, "operator") {
		t.Errorf("a viewer silences: %d %s", code, errOut)
	}
	_, err = c.Subscribe(t.Context(), web.Subscription{Name: "x", To: []string{"y"}})
	var p *client.Problem
	if !errors.As(err, &p) || p.Status != http.StatusForbidden {
		t.Errorf("a viewer subscribes: %v", err)
	}

	// Revoked while it runs.
	list, err := access.NewTokens(filepath.Join(r.dir, "state", access.TokenFile)).List()
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	for _, k := range list {
		if code, out, _ := cli(t, "tokens", "revoke", k.ID, "-c", file); code != 0 || !strings.Contains(out, k.Name) {
			t.Errorf("%d %s", code, out)
		}
	}
	if _, err := c.Status(t.Context()); !errors.As(err, &p) || p.Status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %v", err)
	}
	if strings.Contains(r.log.String(), strings.TrimPrefix(string(secret), "depeer_")) {
		t.Error("a token is in the log")
	}
	r.stop()
}
