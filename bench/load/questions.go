package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// questions asks what the pages ask, one question at a time, while the ingest runs.
func questions(ctx context.Context, o *options, p *process) error {
	in, err := connect(ctx, p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.rate > 0 {
		go func() { _ = in.run(ctx, o.rate) }()
	}
	fmt.Printf("%d hosters, %d days, %d changes; %d updates a second meanwhile; each question %d times\n", o.size.Hosters, o.size.Days, o.size.Changes, o.rate, o.asks)
	fmt.Printf("%-44s %9s %9s %9s %9s %10s\n", "", "first ms", "p50 ms", "p99 ms", "worst ms", "octets")
	random := rand.New(rand.NewPCG(5, 5))
	some := func() string { return p.world.Hosters[random.IntN(len(p.world.Hosters))].ID }
	from := func(days int) string { return "?from=" + p.world.To.AddDate(0, 0, -days).Format(time.RFC3339) }
	for _, q := range []struct {
		name string
		path func() string
	}{
		{"the page", func() string { return "/" }},
		{"board", func() string { return "/api/v1/status" }},
		{"by whom still routed", func() string { return "/api/v1/still" }},
		{"families", func() string { return "/api/v1/families" }},
		{"open incidents", func() string { return "/api/v1/incidents?phase=open" }},
		{"incidents, newest", func() string { return "/api/v1/incidents?limit=50" }},
		{"events, newest", func() string { return "/api/v1/events?limit=50" }},
		{"migrations", func() string { return "/api/v1/migrations?limit=50" }},
		{"gaps", func() string { return "/api/v1/gaps" + from(30) }},
		{"a hoster: how it stands", func() string { return "/api/v1/hosters/" + some() }},
		{"a hoster: timeline of 7 days", func() string { return "/api/v1/hosters/" + some() + "/timeline" + from(7) }},
		{"a hoster: timeline of a year", func() string { return "/api/v1/hosters/" + some() + "/timeline" + from(365) }},
		{"the busiest hoster: timeline of a year", func() string { return "/api/v1/hosters/h0000/timeline" + from(365) }},
		{"the busiest hoster: all there is", func() string { return "/api/v1/hosters/h0000/timeline" }},
		{"a hoster: dossier", func() string { return "/api/v1/hosters/" + some() + "/dossier" }},
		{"a hoster: incidents", func() string { return "/api/v1/incidents?hoster=" + some() }},
		{"an incident", func() string {
			return fmt.Sprintf("/api/v1/incidents/i%04d-%03d", random.IntN(len(p.world.Hosters)), random.IntN(3))
		}},
		{"a prefix: routes now", func() string {
			return "/api/v1/prefixes/" + p.world.Hosters[random.IntN(len(p.world.Hosters))].Prefixes[0].String() + "/routes"
		}},
		{"an upstream", func() string { return fmt.Sprintf("/api/v1/upstreams/%d%s", 3000+random.IntN(40), from(30)) }},
		{"search: a name", func() string { return "/api/v1/search?q=harbour" }},
		{"search: an address", func() string {
			return "/api/v1/search?q=" + p.world.Hosters[random.IntN(len(p.world.Hosters))].Prefixes[0].Addr().Next().String()
		}},
	} {
		if err := o.question(ctx, p, q.name, q.path); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) question(ctx context.Context, p *process, name string, path func() string) error {
	var took []float64
	size, status := 0, 0
	began := time.Now()
	for len(took) < o.asks && (len(took) < 10 || time.Since(began) < 20*time.Second) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url(path()), nil)
		if err != nil {
			return err
		}
		r.Header.Set("Accept-Encoding", "gzip") // as a browser; what comes is not unpacked
		begin := time.Now()
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		took = append(took, float64(time.Since(begin).Microseconds())/1000)
		size, status = max(size, int(n)), max(status, resp.StatusCode)
	}
	first := took[0]
	slices.Sort(took)
	note := ""
	switch {
	case status >= 500 && status != http.StatusNotImplemented:
		return fmt.Errorf("%s: %s answers %d", name, path(), status)
	case status >= 400:
		note = fmt.Sprintf("  (%d)", status)
	}
	fmt.Printf("%-44s %9.1f %9.1f %9.1f %9.1f %10d%s\n", name, first, took[len(took)/2], took[(len(took)-1)*99/100], took[len(took)-1], size, note)
	return nil
}

// serve runs until it is interrupted.
func serve(ctx context.Context, o *options, p *process) error {
	in, err := connect(ctx, p)
	if err != nil {
		return err
	}
	fmt.Println("ready:", p.url("/"), "pid", p.cmd.Process.Pid, "config", p.dir+"/depeer.yaml")
	if o.rate > 0 {
		return in.run(ctx, o.rate)
	}
	<-ctx.Done()
	return nil
}
