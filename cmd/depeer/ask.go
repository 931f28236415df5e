package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"depeer/watch/timeline"
	"depeer/web"
	"depeer/web/access"
	"depeer/web/client"
)

// askTimeout bounds a question to a running depeer: the judgement may be busy saving.
const askTimeout = 30 * time.Second

// tokenVariable is the environment variable with the token of who asks.
const tokenVariable = "DEPEER_TOKEN"

// asksServer gives a command the flags that say which depeer is asked.
func asksServer(c *cobra.Command) *cobra.Command {
	l := c.Flags()
	l.String("server", "", "ask the depeer at this `URL` (https://depeer.example.net), not the one of the configuration")
	l.String("token-file", "", "`FILE` with the token to show (depeer tokens create); otherwise the environment's "+tokenVariable)
	l.String("ca", "", "`FILE` with who signs the server's certificate, in PEM")
	return c
}

// serverGiven reports whether another depeer is to be asked than that of the configuration.
func serverGiven(cmd *cobra.Command) bool {
	f := cmd.Flag("server")
	return f != nil && f.Value.String() != ""
}

// newClient makes the client of who asks: for --server, or for the depeer that runs with the
// same configuration. name is what to call it.
func newClient(cmd *cobra.Command) (c *client.Client, name string, err error) {
	flag := func(name string) string {
		if f := cmd.Flag(name); f != nil {
			return f.Value.String()
		}
		return ""
	}
	ask := client.Config{Server: flag("server"), CA: flag("ca")}
	if ask.Token, err = tokenGiven(flag("token-file")); err != nil {
		return nil, "", err
	}
	if name = ask.Server; name == "" {
		cfg, err := loadConfig(cmd)
		if err != nil {
			return nil, "", err
		}
		if cfg.Web.Listen == "" {
			return nil, "", usagef("%s: web.listen is empty: a running depeer cannot be asked", configFile(cmd))
		}
		name = cfg.Web.Listen
		ask.Server = serverOf(cfg)
	}
	if c, err = client.New(ask); err != nil {
		return nil, "", usageError{err}
	}
	return c, name, nil
}

// serverOf is where the depeer of a configuration is asked from its own machine: by the
// name that its certificate has, where that is said.
func serverOf(cfg *Config) string {
	if cfg.Web.URL != "" && cfg.Web.Auth.Required() {
		return cfg.Web.URL
	}
	host, port, _ := net.SplitHostPort(cfg.Web.Listen)
	if a := net.ParseIP(host); host == "" || a != nil && a.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http://"
	if cfg.Web.TLS.Cert != "" {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port)
}

// tokenGiven reads the token of who asks; "" where there is none.
func tokenGiven(file string) (access.Secret, error) {
	if file == "" {
		return access.Secret(strings.TrimSpace(os.Getenv(tokenVariable))), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", usagef("--token-file: %v", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", usagef("--token-file: %s holds no token: one line, as depeer tokens create prints it", file)
	}
	return access.Secret(token), nil
}

// ask puts a question to a running depeer.
func ask(ctx context.Context, cmd *cobra.Command, path string, query url.Values, into any) (where string, err error) {
	return asking(ctx, cmd, func(ctx context.Context, c *client.Client) error { return c.Get(ctx, path, query, into) })
}

// asking lets f ask a running depeer, and turns what goes wrong into what to do.
func asking(ctx context.Context, cmd *cobra.Command, f func(context.Context, *client.Client) error) (where string, err error) {
	c, where, err := newClient(cmd)
	if err != nil {
		return where, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err = f(ctx, c)
	switch {
	case errors.Is(err, client.ErrNobody) && serverGiven(cmd):
		return where, fmt.Errorf("nobody answers at %s (--server)", where)
	case errors.Is(err, client.ErrNobody):
		return where, fmt.Errorf("nobody answers at %s (web.listen): is `depeer run` running with this configuration?", where)
	}
	return where, err
}

// historian answers questions about the past: the memory of this machine, or a server.
type historian interface {
	Timeline(ctx context.Context, q timeline.Asking) (*timeline.Timeline, error)
	RoutesAt(ctx context.Context, q timeline.Asking) (*timeline.Routes, error)
	pairHistorian
}

// pairHistorian compares, and gives what BGPlay draws.
type pairHistorian interface {
	Difference(ctx context.Context, q timeline.Asking) (*timeline.Difference, error)
	BGPlay(ctx context.Context, q timeline.Asking) (*timeline.BGPlay, error)
}

var (
	_ historian = (*timeline.Asker)(nil)
	_ historian = (*client.Client)(nil)
)

// configOrServer is the configuration of a command that may ask a server instead: then there
// need be none, and nothing is known of hosters but what the server says.
func configOrServer(cmd *cobra.Command) (*Config, error) {
	if serverGiven(cmd) && configFile(cmd) == "" {
		return DefaultConfig(), nil
	}
	return loadConfig(cmd)
}

// serverRecords gives the events and incidents of a server.
type serverRecords struct {
	timeline.Reader // of what a list needs, Records alone is there
	c               *client.Client
}

// Records asks for one page, or where no limit is given for all of them.
func (s serverRecords) Records(ctx context.Context, q timeline.RecordQuery) (out []timeline.Record, next string, err error) {
	if q.Limit > 0 {
		return s.page(ctx, q)
	}
	for q.Limit = 1000; ; q.After = next {
		var list []timeline.Record
		if list, next, err = s.page(ctx, q); err != nil || next == "" {
			return append(out, list...), "", err
		}
		out = append(out, list...)
	}
}

func (s serverRecords) page(ctx context.Context, q timeline.RecordQuery) ([]timeline.Record, string, error) {
	f := client.Filter{From: q.From, To: q.To, Believed: q.Believed, Hosters: q.Hosters, Words: q.Words, Upstream: q.Upstream, ASN: q.ASN, Incident: q.Incident, Oldest: !q.Newest, Limit: min(q.Limit, 1000), Cursor: q.After}
	if q.Prefix.IsValid() {
		f.Prefix = q.Prefix.String()
	}
	if len(q.Kinds) != 1 || len(q.IDs) > 0 {
		return nil, "", fmt.Errorf("a server cannot be asked for %v %v", q.Kinds, q.IDs)
	}
	switch q.Kinds[0] {
	case timeline.Event:
		list, err := s.c.Events(ctx, f)
		return recordsOf(list, err, timeline.OfEvent)
	case timeline.Incident:
		list, err := s.c.Incidents(ctx, f)
		return recordsOf(list, err, timeline.OfIncident)
	}
	return nil, "", fmt.Errorf("a server cannot be asked for %v", q.Kinds)
}

func recordsOf[T any](list *web.List[T], err error, of func(*T) (timeline.Record, error)) (out []timeline.Record, next string, _ error) {
	if err != nil {
		return nil, "", err
	}
	for i := range list.Items {
		r, err := of(&list.Items[i])
		if err != nil {
			return nil, "", err
		}
		out = append(out, r)
	}
	return out, list.Next, nil
}
