package rislive

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
)

var (
	peerA = netip.MustParseAddr("192.0.2.1")
	peerB = netip.MustParseAddr("192.0.2.2")
)

// said is a message of a peer of rrc21, a moment ago.
func said(peer netip.Addr, change func(*bgptest.RISMessage)) bgptest.RISMessage {
	m := bgptest.RISMessage{At: time.Now().Truncate(time.Microsecond), Host: "rrc21.ripe.net", Peer: peer, ASN: 64500, Type: "UPDATE"}
	change(&m)
	return m
}

func announce(peer netip.Addr, prefix string, path ...uint32) bgptest.RISMessage {
	return said(peer, func(m *bgptest.RISMessage) {
		m.Path = bgp.PathOf(path...)
		m.Announce = []bgptest.RISAnnouncement{{NextHop: peer.String(), Prefixes: []netip.Prefix{netip.MustParsePrefix(prefix)}}}
	})
}

func withdraw(peer netip.Addr, prefix string) bgptest.RISMessage {
	return said(peer, func(m *bgptest.RISMessage) { m.Withdraw = []netip.Prefix{netip.MustParsePrefix(prefix)} })
}

// Who subscribes by AS alone hears routes come and never go: the withdrawal names
// no AS. What was announced is subscribed to before that.
func TestWithdrawalOfALearnedPrefix(t *testing.T) {
	s := testServer(t)
	r := run(t, s, testConfig(s.URL()), wire.NewShared(wire.List{ASNs: []uint32{26780}}), nil)
	r.subscribed("|UPDATE|||\"26780\"||true|false", "|KEEPALIVE|||||true|false", "|STATE|||||true|false")
	// The other route does not run through the upstream that the first one teaches: behind
	// that it would be wanted, if it came a moment later.
	if err := s.Send(announce(peerA, "208.66.192.0/22", 64500, 3549, 26780), announce(peerA, "198.51.100.0/24", 64500, 174, 7)); err != nil {
		t.Fatal(err)
	}
	r.subscribed("|UPDATE||||\"208.66.192.0/22\"|true|false")
	if err := s.Send(withdraw(peerA, "208.66.192.0/22"), withdraw(peerA, "198.51.100.0/24"), withdraw(peerB, "208.66.193.0/24")); err != nil {
		t.Fatal(err)
	}
	got := brief(r.await("withdrawals", func(l []bgp.Update) bool { return count(l, bgp.Withdraw) == 2 }))
	want := []string{"192.0.2.1 announce 208.66.192.0/22 64500 3549 26780", "192.0.2.1 withdraw 208.66.192.0/22", "192.0.2.2 withdraw 208.66.193.0/24"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if h := r.feed.Health(time.Now()); !h.Ready || len(h.Sessions) != 1 || h.Sessions[0].Name != "rrc21" || !h.Sessions[0].Up {
		t.Errorf("health %+v", h)
	}
}

// What another feed learned, from a table of an archive for instance, is subscribed
// to as well.
func TestSubscribesToWhatOthersLearn(t *testing.T) {
	s := testServer(t)
	watch := wire.NewShared(wire.List{ASNs: []uint32{26780}})
	r := run(t, s, testConfig(s.URL()), watch, nil)
	r.subscribed("|UPDATE|||\"26780\"||true|false")
	m := announce(peerA, "208.72.168.0/21", 64500, 3549, 26780)
	other, _ := testIntake(t, wire.List{}, nil)
	other.watch = watch
	text, err := m.AppendJSON(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	other.take(text, time.Now().UnixMicro())
	r.subscribed("|UPDATE||||\"208.72.168.0/21\"|true|false", "|UPDATE|||\"3549\"||true|false") // and the upstream, for references
}

func TestConnectionLost(t *testing.T) {
	s := testServer(t)
	r := run(t, s, testConfig(s.URL()), wire.NewShared(wire.List{ASNs: []uint32{26780}}), nil)
	r.subscribed("|STATE|||||true|false")
	last := announce(peerB, "208.66.192.0/22", 64501, 6939, 26780)
	last.At = last.At.Add(time.Millisecond)
	if err := s.Send(announce(peerA, "208.66.192.0/22", 64500, 3549, 26780), last); err != nil {
		t.Fatal(err)
	}
	r.await("routes", func(l []bgp.Update) bool { return count(l, bgp.Announce) == 2 })
	s.Refuse(429, 0)
	s.Drop()
	list := r.await("unheard", func(l []bgp.Update) bool { return count(l, bgp.Unheard) == 2 })
	for _, u := range list[len(list)-2:] {
		if u.Kind != bgp.Unheard || !u.At.Equal(last.At) || !strings.HasPrefix(u.Cause.Text, "RIS Live: connection lost: ") {
			t.Errorf("%v at %v, want %v: %q", u.Kind, u.At, last.At, u.Cause.Text)
		}
	}
	until(t, r.ctx, "a refused attempt", func() bool {
		h := r.feed.Health(time.Now())
		if h.Ready || h.Sessions[0].Up {
			t.Fatalf("ready without a connection: %+v", h)
		}
		return strings.HasPrefix(h.Reason, "connect: the server answers 429 Too Many Requests; the next attempt is ")
	})
	s.Refuse(0, 0)
	r.subscribed("|UPDATE|||\"26780\"||true|false", "|UPDATE||||\"208.66.192.0/22\"|true|false", "|STATE|||||true|false")
	if err := s.Send(said(peerA, func(m *bgptest.RISMessage) { m.Type = "KEEPALIVE" })); err != nil {
		t.Fatal(err)
	}
	list = r.await("heard again", func(l []bgp.Update) bool { return count(l, bgp.Heard) == 3 })
	if u := list[len(list)-1]; u.Kind != bgp.Heard || u.Peer.Addr != peerA {
		t.Errorf("%+v", u)
	}
	if h := r.feed.Health(time.Now()); !h.Ready || h.Reason != "" {
		t.Errorf("%+v", h)
	}
	if c := r.feed.counts; c.lost.Load() != 1 || c.connections.Load() != 2 || c.refused.Load() == 0 {
		t.Errorf("lost %d, connections %d, refused %d", c.lost.Load(), c.connections.Load(), c.refused.Load())
	}
	if err := r.stop(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := count(r.updates, bgp.Unheard); n != 2 {
		t.Errorf("%d Unheard: a stop is not a loss", n)
	}
}

// While emit waits the socket is read, what does not fit is counted, and every peer
// that was heard is told Unheard from the first message on that is missing.
func TestSlowConsumer(t *testing.T) {
	s := testServer(t)
	cfg := testConfig(s.URL())
	cfg.Queue, cfg.Subscribe = 10, SubscribeAll
	gate := make(chan struct{})
	r := run(t, s, cfg, wire.NewShared(everything), gate)
	r.subscribed("||||||true|false")
	// Its answer would wait in the queue too, and be dropped with the messages.
	until(t, r.ctx, "the answer to the subscription", func() bool { return r.feed.counts.get("control", "ris_subscribe_ok") >= 1 })
	base := time.Now().Add(-time.Minute).Truncate(time.Second)
	at := func(i int, p netip.Addr) bgptest.RISMessage {
		m := withdraw(p, "10.0.0.0/8")
		m.At = base.Add(time.Duration(i) * time.Millisecond)
		return m
	}
	// The first two are taken, and emit waits with them.
	if err := s.Send(at(0, peerA), at(1, peerB)); err != nil {
		t.Fatal(err)
	}
	until(t, r.ctx, "the first message", func() bool { return r.feed.counts.types[0].Load() >= 1 })
	const more = 2000
	for i := range more {
		if err := s.Send(at(2+i, peerA)); err != nil {
			t.Fatal(err)
		}
	}
	// All of them were read, though nobody takes them: a Drop would lose them else.
	sent := s.Sent()
	until(t, r.ctx, "the last message", func() bool { return r.feed.counts.read.Load() >= sent })
	close(gate)
	list := r.await("unheard", func(l []bgp.Update) bool { return count(l, bgp.Unheard) >= 2 })
	got := count(list, bgp.Withdraw)
	i := slices.IndexFunc(list, func(u bgp.Update) bool { return u.Kind == bgp.Unheard })
	firstMissing := base.Add(time.Duration(count(list[:i], bgp.Withdraw)) * time.Millisecond)
	for _, u := range list[i : i+2] {
		if u.Kind != bgp.Unheard || !u.At.Equal(firstMissing) || !strings.HasSuffix(u.Cause.Text, " messages dropped: depeer is too slow") {
			t.Errorf("%v %v, want %v: %q", u.Kind, u.At, firstMissing, u.Cause.Text)
		}
	}
	if err := s.Send(at(5000, peerA)); err != nil {
		t.Fatal(err)
	}
	list = r.await("a withdrawal after the gap", func(l []bgp.Update) bool { return count(l, bgp.Withdraw) > got })
	if k := list[len(list)-2].Kind; k != bgp.Heard {
		t.Errorf("the first word after a gap is preceded by %v", k)
	}
	// Nothing is lost that is not named.
	dropped := int(r.feed.counts.dropped.Load())
	if n := count(list, bgp.Withdraw) + dropped; n != more+3 || dropped < more-100 {
		t.Errorf("%d withdrawals and %d dropped of %d messages", count(list, bgp.Withdraw), dropped, more+3)
	}
}

// Another watchlist is subscribed to on the connection that is there.
func TestWatchlistReplaced(t *testing.T) {
	s := testServer(t)
	watch := wire.NewShared(wire.List{ASNs: []uint32{26780}, Prefixes: []netip.Prefix{netip.MustParsePrefix("208.66.192.0/22")}})
	cfg := testConfig(s.URL())
	cfg.Subscriptions = 10
	r := run(t, s, cfg, watch, nil)
	r.subscribed("|UPDATE|||\"26780\"||true|false", "|STATE|||||true|false")
	watch.Replace(wire.List{ASNs: []uint32{27595}, Exact: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	session := []string{"|KEEPALIVE|||||true|false", "|NOTIFICATION|||||true|false", "|RIS_PEER_STATE|||||true|false", "|STATE|||||true|false"}
	want := append(session, "|UPDATE||||\"192.0.2.0/24\"|false|false", "|UPDATE|||\"27595\"||true|false")
	await := func(want []string) {
		t.Helper()
		slices.Sort(want)
		if err := s.Await(r.ctx, func(s *bgptest.RISLive) bool { return slices.Equal(s.Subscriptions(), want) }); err != nil {
			t.Fatal(err)
		}
	}
	await(want)
	// One that is too long is filtered here; and a short one is subscribed to again.
	long := wire.List{}
	for i := range 11 {
		long.ASNs = append(long.ASNs, uint32(i+1))
	}
	watch.Replace(long)
	await([]string{"||||||true|false"})
	if err := s.Send(announce(peerA, "10.0.0.0/8", 64500, 11), announce(peerA, "172.16.0.0/12", 64999, 12)); err != nil {
		t.Fatal(err)
	}
	r.await("the filtered route", func(l []bgp.Update) bool { return count(l, bgp.Announce) == 1 })
	watch.Replace(wire.List{ASNs: []uint32{27595}, Exact: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	await(want)
	if now, ever := s.Connections(); now != 1 || ever != 1 {
		t.Errorf("%d connections, %d ever", now, ever)
	}
}

func TestFirehose(t *testing.T) {
	s := testServer(t)
	cfg := testConfig(s.StreamURL())
	cfg.Hosts = []string{"rrc21"}
	r := run(t, s, cfg, wire.NewShared(wire.List{ASNs: []uint32{26780}}), nil)
	r.subscribed("rrc21||||||true|false")
	s.SendLine(nil)
	s.SendLine([]byte("no JSON"))
	s.SendLine([]byte(`{"a":"` + strings.Repeat("x", maxLine+10) + `"}`))
	if err := s.Send(announce(peerA, "208.66.192.0/22", 64500, 3549, 26780), withdraw(peerA, "208.66.192.0/22")); err != nil {
		t.Fatal(err)
	}
	r.await("the withdrawal", func(l []bgp.Update) bool { return count(l, bgp.Withdraw) == 1 })
	if c := r.feed.counts; c.get("malformed", "json") != 1 || c.get("malformed", "too-long") != 1 {
		t.Errorf("%v, too long %d", c.named, c.longLines.Load())
	}
	if h := r.feed.Health(time.Now()); !h.Ready {
		t.Errorf("%+v", h)
	}
	s.Drop()
	list := r.await("unheard", func(l []bgp.Update) bool { return count(l, bgp.Unheard) == 1 })
	if u := list[len(list)-1]; !strings.HasPrefix(u.Cause.Text, "RIS Live: connection lost: ") {
		t.Errorf("%+v", u)
	}
	r.subscribed("rrc21||||||true|false")
}

// A connection on which nothing comes, not even a pong, is lost. One on which only
// pongs come is not.
func TestSilence(t *testing.T) {
	s := testServer(t)
	f, err := New(testConfig(s.URL()), Deps{Watch: wire.NewShared(wire.List{ASNs: []uint32{26780}})})
	if err != nil {
		t.Fatal(err)
	}
	f.cfg.Ping, f.cfg.ReadTimeout = 100*time.Millisecond, 1500*time.Millisecond // shorter than a configuration may be
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	done := make(chan error)
	go func() { done <- f.Run(ctx, func([]bgp.Update) error { return nil }) }()
	defer func() { cancel(); <-done }()
	until(t, ctx, "pongs", func() bool { return f.counts.get("control", "pong") >= 30 }) // twice the time-out
	if n := f.counts.connections.Load(); n != 1 || !f.Health(time.Now()).Ready {
		t.Errorf("%d connections; %+v", n, f.Health(time.Now()).Reason)
	}
	s.Deafen(true)
	until(t, ctx, "a loss", func() bool { return f.counts.lost.Load() == 1 })
	s.Deafen(false)
	until(t, ctx, "another connection", func() bool { return f.Health(time.Now()).Ready })
}

// A server that does not know one of the spellings of the peer states says so, and
// is not asked for it again.
func TestServerObjects(t *testing.T) {
	s := testServer(t)
	s.Object("STATE")
	r := run(t, s, testConfig(s.URL()), wire.NewShared(wire.List{ASNs: []uint32{26780}}), nil)
	r.subscribed("|RIS_PEER_STATE|||||true|false")
	until(t, r.ctx, "an objection", func() bool { return r.feed.counts.get("control", "ris_error") == 1 })
	if h := r.feed.Health(time.Now()); !h.Ready {
		t.Errorf("%+v", h)
	}
	s.Object("KEEPALIVE")
	s.Drop()
	until(t, r.ctx, "a refusal", func() bool {
		return r.feed.Health(time.Now()).Reason == "RIS Live refuses: type KEEPALIVE is not known"
	})
	if slices.Contains(s.Subscriptions(), "|STATE|||||true|false") {
		t.Error("asked again")
	}
	s.Drop()
	list := func() (l []bgp.Update) { r.mu.Lock(); defer r.mu.Unlock(); return r.updates }
	if n := count(list(), bgp.Unheard); n != 0 {
		t.Errorf("%d peers unheard that never were heard", n)
	}
}

// An error of emit is that of Run.
func TestEmitFails(t *testing.T) {
	s := testServer(t)
	cfg := testConfig(s.URL())
	f, err := New(cfg, Deps{Watch: wire.NewShared(everything)})
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk is full")
	done := make(chan error, 1)
	go func() { done <- f.Run(t.Context(), func([]bgp.Update) error { return full }) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Await(ctx, func(s *bgptest.RISLive) bool { return slices.Contains(s.Subscriptions(), "|STATE|||||true|false") }); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(withdraw(peerA, "10.0.0.0/8")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != full {
		t.Errorf("%v, want %v itself", err, full)
	}
	if h := f.Health(time.Now()); h.Ready || h.Reason != "stopped" {
		t.Errorf("%+v", h)
	}
}
