package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"depeer/bgp"
	"depeer/bus"
	"depeer/watch"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		os.Exit(victim(dir))
	}
	goleak.VerifyTestMain(m)
}

var quiet = bus.Deps{Logger: slog.New(slog.DiscardHandler)}

// config is that of an embedded server in a directory of the test.
func config(t *testing.T) bus.Config {
	cfg := bus.DefaultConfig()
	cfg.Embedded.Dir = t.TempDir()
	return cfg
}

// open gives a bus that is closed with the test.
func open(t *testing.T, cfg bus.Config) *bus.Bus {
	t.Helper()
	b, err := bus.Open(t.Context(), cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func flush(t *testing.T, b *bus.Bus) {
	t.Helper()
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// take consumes n messages from the beginning of a stream.
func take(t *testing.T, b *bus.Bus, stream bus.Stream, n int, filters ...string) []bus.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out []bus.Message
	err := b.Consume(ctx, stream, bus.Consumer{Filters: filters}, func(_ context.Context, m bus.Message) error {
		out = append(out, m)
		if len(out) == n {
			cancel()
		}
		return nil
	})
	if err != nil || len(out) != n {
		t.Fatalf("%d of %d messages from %s, %v", len(out), n, stream, err)
	}
	return out
}

var (
	at     = time.Date(2008, 11, 11, 21, 4, 7, 5e8, time.UTC)
	mccolo = "mccolo"
	v4     = netip.MustParsePrefix("208.66.192.0/22")
)

func event(id string) watch.Event {
	incident := "mccolo-1"
	return watch.Event{
		Type: "event", ID: id, Kind: watch.UpstreamLost, At: at, FirstSeen: at.Add(-time.Minute), Hoster: &mccolo, ASN: 26780,
		Upstream: 6939, Family: 4, Prefixes: []netip.Prefix{v4}, Before: 0.62, Eligible: 40, Severity: watch.Critical, Incident: &incident,
		Sources: []string{"rrc00"}, Evidence: []watch.Evidence{{
			At: at, Collector: "rrc00", Peer: netip.MustParseAddr("192.0.2.7"), PeerASN: 64500, Type: "A", Prefix: v4, Path: bgp.PathOf(3549, 26780),
		}},
	}
}

func feedEvent(id string) watch.Event {
	return watch.Event{
		Type: "event", ID: id, Kind: watch.FeedLost, At: at, FirstSeen: at, Source: "ris", Collector: "route-views2.saopaulo", PeersLost: 9,
		Prefixes: []netip.Prefix{}, Severity: watch.Warning, Sources: []string{}, Evidence: []watch.Evidence{},
	}
}

func incident(revision int) watch.Incident {
	return watch.Incident{
		Type: "incident", ID: "mccolo-1", Revision: revision, At: at, Hoster: mccolo, Phase: watch.Open, Class: watch.Blackout,
		Severity: watch.Critical, Opened: at, Confirmed: at, Lost: []uint32{6939, 3549}, Remaining: []uint32{226}, Gained: []uint32{},
		Prefixes: []netip.Prefix{v4}, Events: []string{"e1"}, Summary: "McColo Corp. is dark",
	}
}

func updates() []bgp.Update {
	p := bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.7"), ASN: 64500}
	return []bgp.Update{
		{At: at, Peer: p, Kind: bgp.Announce, Prefix: v4, Path: bgp.PathOf(64500, 6939, 26780)},
		{At: at, Peer: p, Kind: bgp.Announce, Prefix: v4, Path: bgp.PathOf(64500, 3549, 26780)},
		{At: at.Add(time.Second), Peer: p, Kind: bgp.Withdraw, Prefix: v4},
		{At: at.Add(2 * time.Second), Peer: p, Kind: bgp.PeerDown, Cause: bgp.Cause{Code: 4}},
		{At: at.Add(3 * time.Second), Peer: p, Kind: bgp.Announce, Prefix: v4, Path: bgp.PathOf(64500, 1299, 26780)},
	}
}

// publishAll publishes one of each kind; nine messages.
func publishAll(t *testing.T, b *bus.Bus) {
	t.Helper()
	ctx := t.Context()
	for _, err := range []error{
		b.PublishEvent(ctx, event("e1")),
		b.PublishEvent(ctx, feedEvent("e2")),
		b.PublishIncident(ctx, incident(1)),
		b.PublishIncident(ctx, incident(2)),
		b.PublishRoutes(ctx, "rislive", mccolo, updates()),
		b.PublishSighting(ctx, "abuse.ch/feodo", "s1", at, json.RawMessage(`{"family":"Rustock","ip":"208.66.194.1"}`)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	flush(t, b)
}

var compareAddrs = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func same(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, compareAddrs); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestEachKindArrives(t *testing.T) {
	t.Parallel()
	b := open(t, config(t))
	publishAll(t, b)

	events := take(t, b, bus.Events, 2)
	e, err := events[0].Event()
	if err != nil {
		t.Fatal(err)
	}
	same(t, event("e1"), e)
	same(t, "depeer.event.mccolo.upstream-lost", events[0].Subject)
	if e, err = events[1].Event(); err != nil {
		t.Fatal(err)
	}
	same(t, feedEvent("e2"), e)
	same(t, "depeer.feed.ris.lost", events[1].Subject)

	for n, m := range take(t, b, bus.Incidents, 2) {
		i, err := m.Incident()
		if err != nil {
			t.Fatal(err)
		}
		same(t, incident(n+1), i)
		same(t, "depeer.incident.mccolo", m.Subject)
		if _, err := m.Event(); err == nil {
			t.Error("an incident was read as an event")
		}
	}

	var routes []bgp.Update
	var subjects []string
	for _, m := range take(t, b, bus.Routes, 4) {
		us, err := m.Routes()
		if err != nil {
			t.Fatal(err)
		}
		routes, subjects = append(routes, us...), append(subjects, m.Subject)
	}
	same(t, updates(), routes)
	same(t, []string{
		"depeer.route.mccolo.announce", "depeer.route.mccolo.withdraw", "depeer.route.mccolo.state", "depeer.route.mccolo.announce",
	}, subjects)

	s := take(t, b, bus.Sightings, 1)[0]
	same(t, "depeer.sighting.abuse-ch-feodo", s.Subject)
	same(t, `{"family":"Rustock","ip":"208.66.194.1"}`, string(s.Body))
	same(t, bus.Message{
		Subject: s.Subject, Sequence: 1, Delivery: 1, ID: "s1", Source: "/depeer/sightings/abuse.ch%2Ffeodo", Type: "depeer.sighting",
		About: "abuse.ch/feodo", At: at, Body: s.Body,
	}, s)

	filtered := take(t, b, bus.Events, 1, "depeer.feed.>")
	same(t, "e2", filtered[0].ID)
}

// Another client sees these headers, and no others.
func TestHeaders(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Embedded.Listen = "127.0.0.1:0"
	b := open(t, cfg)
	e := event("id with a space")
	e.Kind, e.Prefix = watch.OriginNew, &v4
	for _, err := range []error{b.PublishEvent(t.Context(), e), b.PublishIncident(t.Context(), incident(7)), b.PublishEvent(t.Context(), feedEvent("e2"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	flush(t, b)

	_, js := connect(t, "nats://"+b.Addr())
	for _, c := range []struct {
		stream  bus.Stream
		seq     uint64
		subject string
		headers map[string]string
	}{
		{bus.Events, 1, "depeer.event.mccolo.origin-new", map[string]string{
			"ce-specversion": "1.0", "ce-id": "id%20with%20a%20space", "ce-source": "/depeer/hosters/mccolo", "ce-type": "depeer.origin.new",
			"ce-time": "2008-11-11T21:04:07.5Z", "ce-subject": "208.66.192.0/22", "ce-datacontenttype": "application/json",
			"content-type": "application/json", "Nats-Msg-Id": "id%20with%20a%20space",
		}},
		{bus.Events, 2, "depeer.feed.ris.lost", map[string]string{
			"ce-specversion": "1.0", "ce-id": "e2", "ce-source": "/depeer/feeds/ris", "ce-type": "depeer.feed.lost",
			"ce-time": "2008-11-11T21:04:07.5Z", "ce-subject": "route-views2.saopaulo", "ce-datacontenttype": "application/json",
			"content-type": "application/json", "Nats-Msg-Id": "e2",
		}},
		{bus.Incidents, 1, "depeer.incident.mccolo", map[string]string{
			"ce-specversion": "1.0", "ce-id": "mccolo-1.7", "ce-source": "/depeer/hosters/mccolo", "ce-type": "depeer.incident",
			"ce-time": "2008-11-11T21:04:07.5Z", "ce-subject": "mccolo-1", "ce-datacontenttype": "application/json",
			"content-type": "application/json", "Nats-Msg-Id": "mccolo-1.7",
		}},
	} {
		s, err := js.Stream(t.Context(), string(c.stream))
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.GetMsg(t.Context(), c.seq)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for k, v := range m.Header {
			got[k] = fmt.Sprint(v)[1 : len(fmt.Sprint(v))-1]
		}
		same(t, c.headers, got)
		same(t, c.subject, m.Subject)
		if !json.Valid(m.Data) {
			t.Errorf("%s is no JSON", m.Data)
		}
	}
}

// connect is how another tool gets at the streams.
func connect(t *testing.T, url string, opts ...nats.Option) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	conn, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn, js
}

func TestRepeatsAreDropped(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	b, err := bus.Open(t.Context(), cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	publishAll(t, b)
	publishAll(t, b)
	same(t, bus.Stats{Published: 18, Acked: 18, Duplicates: 9}, b.Stats())
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	// The streams remember the ids, not the process.
	b = open(t, cfg)
	publishAll(t, b)
	same(t, bus.Stats{Published: 9, Acked: 9, Duplicates: 9}, b.Stats())
	take(t, b, bus.Routes, 4)
	events := take(t, b, bus.Events, 2)
	same(t, []uint64{1, 2}, []uint64{events[0].Sequence, events[1].Sequence})
}

func TestNewRevisionIsNoRepeat(t *testing.T) {
	t.Parallel()
	b := open(t, config(t))
	for r := range 3 {
		if err := b.PublishIncident(t.Context(), incident(r)); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, b)
	take(t, b, bus.Incidents, 3)
}

func TestIncompleteFactsAreRefused(t *testing.T) {
	t.Parallel()
	b := open(t, config(t))
	noHoster, noID := event("e1"), event("")
	noHoster.Hoster = nil
	for want, err := range map[string]error{
		"publish event e1: upstream.lost names no hoster":                              b.PublishEvent(t.Context(), noHoster),
		"publish event upstream.lost of 2008-11-11 21:04:07.5 +0000 UTC: it has no id": b.PublishEvent(t.Context(), noID),
		`publish incident "" of hoster "": it needs both`:                              b.PublishIncident(t.Context(), watch.Incident{}),
		"publish sighting s1 of x: the body is no JSON":                                b.PublishSighting(t.Context(), "x", "s1", at, json.RawMessage("{")),
		"publish sighting of x: it has no id":                                          b.PublishSighting(t.Context(), "x", "", at, json.RawMessage("{}")),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	same(t, bus.Stats{}, b.Stats())
}

func TestClosedBus(t *testing.T) {
	t.Parallel()
	b, err := bus.Open(t.Context(), config(t), quiet)
	if err != nil {
		t.Fatal(err)
	}
	consumed := make(chan error, 1)
	began := make(chan struct{})
	go func() {
		consumed <- b.Consume(context.Background(), bus.Events, bus.Consumer{}, func(context.Context, bus.Message) error { close(began); return nil })
	}()
	if err := b.PublishEvent(t.Context(), event("e1")); err != nil {
		t.Fatal(err)
	}
	<-began
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	if err := <-consumed; !errors.Is(err, bus.ErrClosed) {
		t.Errorf("consume: %v", err)
	}
	if err := b.PublishEvent(t.Context(), event("e2")); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("publish: %v", err)
	}
	if err := b.Consume(t.Context(), bus.Events, bus.Consumer{}, nil); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("consume: %v", err)
	}
	// What was published and not flushed is stored all the same.
	same(t, uint64(1), b.Stats().Acked)
}
