package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"depeer/bus"
	"depeer/notify"
	"depeer/watch"
)

// clockedReceiver sends each message as a request, as a chat's receiver does.
type clockedReceiver struct{ url string }

func (c clockedReceiver) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/"+m.Incident.ID, strings.NewReader(m.Title))
	if err != nil {
		return nil, err
	}
	resp, err := notify.Do(http.DefaultClient, req)
	if err != nil {
		return nil, err
	}
	return notify.Receipt{"id": "1"}, resp.Body.Close()
}

// BenchmarkIncidentToRequest measures the time from the publication of a confirmed incident on
// the bus to the request at the receiver, with 1,000 subscriptions, of which a hundred
// match; one incident after the other.
func BenchmarkIncidentToRequest(b *testing.B) {
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	log := slog.New(slog.DiscardHandler)
	cfg := bus.DefaultConfig()
	cfg.Embedded.Dir = b.TempDir()
	nats, err := bus.Open(ctx, cfg, bus.Deps{Logger: log})
	if err != nil {
		b.Fatal(err)
	}
	defer nats.Close()
	var mu sync.Mutex
	arrived := map[string]chan time.Time{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if c := arrived[strings.TrimPrefix(r.URL.Path, "/")]; c != nil {
			c <- time.Now()
		}
	}))
	defer server.Close()
	nc := notify.DefaultConfig()
	hosters := make([][]string, 10) // a tenth of the subscriptions is about each hoster
	for i := range 10_000 {
		hosters[i%10] = append(hosters[i%10], fmt.Sprintf("hoster-%d", i-1))
	}
	for i := range hosters {
		hosters[i] = hosters[i][:500]
	}
	for i := range 1000 {
		nc.Subscriptions = append(nc.Subscriptions, notify.Subscription{Name: fmt.Sprintf("noc-%d", i), To: []string{"chat"},
			Match: notify.Match{Hosters: hosters[i%10], Severity: watch.Warning, Upstreams: []uint32{174, uint32(i + 1000)}},
			Quiet: notify.Quiet{Windows: []notify.Window{{Days: []string{"sat"}, Hours: []string{"22:00-07:00"}, Zone: "Europe/Paris"}}, Unless: watch.Critical}})
	}
	n, err := newTestNotifier(ctx, nats, nc, map[string]notify.Receiver{"chat": clockedReceiver{server.URL}}, "bench", log)
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	var took []time.Duration
	tell := func(i int) time.Duration {
		x := watch.Incident{Type: "incident", ID: fmt.Sprintf("bench-%d", i), Hoster: fmt.Sprintf("hoster-%d", i%4000), Revision: 1, At: time.Now(), Phase: watch.Open, Class: watch.Depeered,
			Severity: watch.Critical, Opened: time.Now(), Lost: []uint32{174}, Summary: "AS174 dropped it"}
		c := make(chan time.Time, 10)
		mu.Lock()
		arrived[x.ID] = c
		mu.Unlock()
		began := time.Now()
		if err := nats.PublishIncident(ctx, x); err != nil {
			b.Fatal(err)
		}
		select {
		case at := <-c:
			return at.Sub(began)
		case <-time.After(patience):
			b.Fatal("nothing arrived")
			return 0
		}
	}
	tell(-1) // the first waits until the log is read
	for i := 0; b.Loop(); i++ {
		took = append(took, tell(i))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	stop()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}
