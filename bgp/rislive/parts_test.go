package rislive

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

func TestDefaultConfigIsValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	if _, err := New(DefaultConfig(), Deps{}); err == nil {
		t.Error("a feed without a watchlist")
	}
}

func TestConfigFaultsAreToldTogether(t *testing.T) {
	c := Config{Name: "RIS Live", URL: "ftp://user:secret@ris.example/", Client: "a b", Subscribe: "some", Hosts: []string{"rrc00", "-"},
		Ping: time.Minute, ReadTimeout: time.Minute, BackOffMin: time.Millisecond, BackOffMax: 25 * time.Hour, FutureTolerance: -1}
	want := strings.Join([]string{
		`name: "RIS Live" is no name (1 to 32 of a-z, 0-9 and -)`,
		`url: "ftp://user:xxxxx@ris.example/" is no address of a stream (ws, wss, http or https)`,
		`client: "a b" is no name (1 to 64 visible ASCII characters)`,
		`subscribe: "some" is neither auto, list nor all`,
		`hosts[1]: "-" is no collector`,
		`read_timeout: 1m0s is not longer than ping, 1m0s: a quiet connection would be taken for a lost one`,
		`backoff_min: 1ms is not between 10ms and 1h0m0s`,
		`backoff_max: 25h0m0s is not between 1ms and 24h0m0s`,
		`future_tolerance: -1ns is not between 0s and 1h0m0s`,
		`queue: 0 is not between 1 and 10000000 messages`,
		`subscriptions: 0 is not between 1 and 100000`}, "\n")
	_, err := New(c, Deps{Watch: wire.NewShared(wire.List{})})
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant\n%s", err, want)
	}
	c = DefaultConfig()
	c.URL, c.Subscribe = "https://ris-live.ripe.net/v1/stream/?format=json", SubscribeList
	if err := c.Validate(); err == nil || err.Error() != `subscribe: "list" needs a WebSocket (ws or wss), and url is "https://ris-live.ripe.net/v1/stream/?format=json"` {
		t.Error(err)
	}
}

func TestBackOff(t *testing.T) {
	chance := 0.0
	b := backOff{min: time.Second, max: 10 * time.Second, random: func() float64 { return chance }}
	var got []time.Duration
	for _, x := range []struct {
		lasted time.Duration
		chance float64
	}{{0, 0}, {0, 0}, {0, 0.5}, {9 * time.Second, 0}, {0, 0.999}, {0, 0}, {10 * time.Second, 0}, {0, 0}} {
		chance = x.chance
		got = append(got, b.next(x.lasted).Round(10*time.Millisecond))
	}
	want := []time.Duration{500 * time.Millisecond, time.Second, 3 * time.Second, 4 * time.Second, 10 * time.Second, 5 * time.Second, 500 * time.Millisecond, time.Second}
	if !slices.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
	r := rand.New(rand.NewPCG(1, 2))
	b = backOff{min: time.Second, max: time.Minute, random: r.Float64}
	for range 1000 {
		if d := b.next(0); d < time.Second/2 || d > time.Minute {
			t.Fatalf("%v", d)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "-1": 0, "soon": 0, "99999999999": maxRetryAfter,
		"Sun, 22 Nov 2026 00:00:30 GMT": 30 * time.Second, "Sat, 21 Nov 2026 00:00:00 GMT": 0, "Wed, 22 Nov 2028 00:00:00 GMT": maxRetryAfter,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// refuser is a server that cannot be reached, or says no.
type refuser struct {
	answer func() (*http.Response, error)
	at     []time.Time
}

func (r *refuser) RoundTrip(*http.Request) (*http.Response, error) {
	r.at = append(r.at, time.Now())
	return r.answer()
}

// Attempts to connect are made at growing intervals, and not before the server wants them.
func TestAttempts(t *testing.T) {
	for name, x := range map[string]struct {
		answer func() (*http.Response, error)
		want   []time.Duration // after the first
		reason string
	}{
		"unreachable": {func() (*http.Response, error) { return nil, errors.New("no route") },
			[]time.Duration{750 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second, 6 * time.Second, 7500 * time.Millisecond}, "connect: no route; the next attempt is 7.5s later"},
		"overloaded": {func() (*http.Response, error) {
			return &http.Response{Status: "503 Service Unavailable", StatusCode: 503, Header: http.Header{"Retry-After": {"5"}}, Body: http.NoBody}, nil
		}, []time.Duration{5 * time.Second, 5 * time.Second, 5 * time.Second, 6 * time.Second, 7500 * time.Millisecond}, "connect: the server answers 503 Service Unavailable; the next attempt is 7.5s later"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := DefaultConfig()
				cfg.URL, cfg.BackOffMax = "http://ris.example/v1/stream/", 10*time.Second
				server := &refuser{answer: x.answer}
				f, err := New(cfg, Deps{Watch: wire.NewShared(everything), HTTP: &http.Client{Transport: server}, Random: func() float64 { return 0.5 }})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- f.Run(ctx, func([]bgp.Update) error { return nil }) }()
				time.Sleep(29 * time.Second) // of the bubble's clock
				synctest.Wait()
				var got []time.Duration
				for i := range x.want {
					got = append(got, server.at[i+1].Sub(server.at[i]))
				}
				if !slices.Equal(got, x.want) {
					t.Errorf("%v\nwant %v", got, x.want)
				}
				if h := f.Health(time.Now()); h.Ready || h.Reason != x.reason {
					t.Errorf("%+v", h)
				}
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		})
	}
}

func TestQueue(t *testing.T) {
	q := newQueue(3)
	for _, s := range []string{"a", "bb", "", "dropped", "too"} {
		q.put([]byte(s), int64(len(s)))
	}
	b := q.take(nil)
	if len(b.ends) != 3 || string(b.line(0)) != "a" || string(b.line(1)) != "bb" || len(b.line(2)) != 0 || b.arrived[1] != 2 {
		t.Errorf("%+v", b)
	}
	if b.gap.messages != 2 || string(b.gap.first) != "dropped" || b.gap.arrived != 7 {
		t.Errorf("%+v", b.gap)
	}
	q.put([]byte("after"), 9)
	q.close()
	b = q.take(b)
	if len(b.ends) != 1 || string(b.line(0)) != "after" || b.gap.messages != 0 {
		t.Errorf("%+v", b)
	}
	if b = q.take(b); b != nil {
		t.Errorf("after the end: %+v", b)
	}
	q = newQueue(1 << 20) // and what is large is bounded by its size
	large := make([]byte, 1<<20)
	for range 100 {
		q.put(large, 1)
	}
	if b := q.take(nil); len(b.ends) != queueBytes>>20 || b.gap.messages != 100-queueBytes>>20 {
		t.Errorf("%d kept, %d dropped", len(b.ends), b.gap.messages)
	}
}

// When messages were dropped, each peer is unheard from where its collector was, or
// from the first missing message if that is known to be later.
func TestMissedIsToldByCollector(t *testing.T) {
	in, c := testIntake(t, everything, nil)
	of := func(host, peer, stamp string) []byte {
		return []byte(`{"type":"ris_message","data":{"timestamp":` + stamp + `,"peer":"` + peer + `","peer_asn":"1","host":"` + host + `","type":"KEEPALIVE"}}`)
	}
	take(in, of("rrc00", "192.0.2.1", "1699999990"), of("rrc00", "192.0.2.2", "1699999991"), of("rrc01", "192.0.2.3", "1699999930"), of("rrc03", "192.0.2.4", "1699999999"))
	in.out = nil
	in.missed(gap{messages: 12345, first: of("rrc00", "192.0.2.9", "1699999995"), arrived: 1_700_000_000_000_000})
	got := map[string]int64{}
	for _, u := range in.out {
		if u.Kind != bgp.Unheard || u.Cause.Text != "12,345 messages dropped: depeer is too slow" {
			t.Errorf("%+v", u)
		}
		got[u.Peer.Addr.String()] = u.At.Unix()
	}
	// rrc00 had come to the missing message; rrc01 is behind it; of rrc03's peer a later word is known.
	want := map[string]int64{"192.0.2.1": 1699999995, "192.0.2.2": 1699999995, "192.0.2.3": 1699999930, "192.0.2.4": 1699999999}
	if len(got) != len(want) || c.dropped.Load() != 12345 {
		t.Errorf("%v, dropped %d", got, c.dropped.Load())
	}
	for p, at := range want {
		if got[p] != at {
			t.Errorf("%s: %d, want %d", p, got[p], at)
		}
	}
	in.out = nil
	in.missed(gap{messages: 1, first: []byte("garbage"), arrived: 1})
	if len(in.out) != 0 {
		t.Errorf("told twice: %v", words(in.out))
	}
}

// A subscription is written as the manual has it.
func TestSubscriptionIsWritten(t *testing.T) {
	f, err := New(DefaultConfig(), Deps{Watch: wire.NewShared(wire.List{})})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		s    subscription
		want string
	}{
		{subscription{typ: "UPDATE", asn: 26780}, `{"type":"UPDATE","path":"26780","socketOptions":{"includeRaw":true,"acknowledge":true}}`},
		{subscription{typ: "UPDATE", prefix: netip.MustParsePrefix("208.66.192.0/22"), more: true}, `{"type":"UPDATE","prefix":"208.66.192.0/22","moreSpecific":true,"lessSpecific":false,"socketOptions":{"includeRaw":true,"acknowledge":true}}`},
		{subscription{host: "rrc21"}, `{"host":"rrc21","socketOptions":{"includeRaw":true,"acknowledge":true}}`},
	} {
		var q struct {
			Type string
			Data json.RawMessage
		}
		if err := json.Unmarshal(f.line("ris_subscribe", x.s), &q); err != nil || q.Type != "ris_subscribe" || string(q.Data) != x.want {
			t.Errorf("%v: %s %s", err, q.Type, q.Data)
		}
	}
}

// What lies in a prefix that is subscribed to with its more specifics is not asked
// for once more.
func TestCoveredPrefixes(t *testing.T) {
	s := subscriber{want: map[subscription]struct{}{}}
	for _, p := range []struct {
		text string
		more bool
	}{{"208.66.192.0/22", true}, {"208.66.193.0/24", false}, {"208.66.192.0/22", false}, {"208.66.194.0/24", true}, {"208.66.192.0/21", false},
		{"2001:db8::/32", false}, {"2001:db8:1::/48", false}, {"2001:db8::/32", true}} {
		s.add(netip.MustParsePrefix(p.text), p.more)
	}
	var got []string
	for x := range s.want {
		got = append(got, x.prefix.String())
	}
	slices.Sort(got)
	if want := []string{"2001:db8:1::/48", "2001:db8::/32", "2001:db8::/32", "208.66.192.0/21", "208.66.192.0/22"}; !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// Both spellings of a host are asked for.
func TestHostsAreAskedForInBothSpellings(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Hosts = []string{"rrc21", "rrc03.ripe.net", "own.example"}
	f, err := New(cfg, Deps{Watch: wire.NewShared(wire.List{})})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.hosts(), []string{"rrc21", "rrc21.ripe.net", "rrc03.ripe.net", "rrc03", "own.example"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	h := f.Health(time.Now())
	if h.Ready || h.Reason != "not started" || len(h.Sessions) != 3 || h.Sessions[2].Name != "rrc21" || h.Sessions[2].Up {
		t.Errorf("%+v", h)
	}
}
