package rislive

import (
	"context"
	"encoding/json"
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

// asked is a server that only listens.
type asked struct {
	lines []string
	fail  error
}

func (a *asked) read() ([]byte, error)      { return nil, errors.New("nothing to read") }
func (a *asked) ping(context.Context) error { return nil }
func (a *asked) close()                     {}

func (a *asked) write(line []byte) error {
	var q struct {
		Type string
		Data struct{ Type, Path, Prefix, Host string }
	}
	if err := json.Unmarshal(line, &q); err != nil {
		return err
	}
	sign := "+"
	if q.Type == "ris_unsubscribe" {
		sign = "-"
	}
	if q.Data.Type != "UPDATE" && q.Data.Type != "" {
		return a.fail // session messages
	}
	a.lines = append(a.lines, sign+q.Data.Path+q.Data.Prefix+q.Data.Host)
	return a.fail
}

func (a *asked) take() string {
	slices.Sort(a.lines)
	s := strings.Join(a.lines, " ")
	a.lines = nil
	return s
}

// testSubscriber has a clock of its own.
func testSubscriber(t *testing.T, watch *wire.Shared, change func(*Config)) (s *subscriber, server *asked, clock *time.Time) {
	t.Helper()
	at := time.Unix(1_700_000_000, 0)
	cfg := DefaultConfig()
	change(&cfg)
	f, err := New(cfg, Deps{Watch: watch, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	server = &asked{}
	return &subscriber{f: f, t: server}, server, &at
}

func (s *subscriber) step(t *testing.T) {
	t.Helper()
	list, _ := s.f.deps.Watch.List()
	if err := s.update(list); err != nil {
		t.Fatal(err)
	}
}

// learn has a door of the watchlist hear an announcement.
func learn(t *testing.T, watch *wire.Shared, prefix string, path ...uint32) {
	t.Helper()
	raw, err := bgptest.AppendUpdate(nil, bgptest.UpdateMessage{Announce: []bgptest.NLRI{{Prefix: netip.MustParsePrefix(prefix)}},
		Path: bgp.PathOf(path...), NextHop4: peerA}, bgptest.Encoding{})
	if err != nil {
		t.Fatal(err)
	}
	door := watch.Door(bgp.Peer{Collector: "other", Addr: peerA, ASN: path[0]})
	if _, fault := door.Update(nil, raw[wire.HeaderLen:], wire.Session{AS4: true}, time.Unix(1_700_000_000, 0)); fault != wire.None {
		t.Fatal(fault)
	}
}

// Routes through an upstream are asked for until it has its references, or for ten
// minutes; the references that were found, for good.
func TestReferencesAreAskedFor(t *testing.T) {
	watch := wire.NewShared(wire.List{ASNs: []uint32{26780}})
	s, server, clock := testSubscriber(t, watch, func(*Config) {})
	s.step(t)
	if got := server.take(); got != "+26780" {
		t.Errorf("at first: %s", got)
	}
	learn(t, watch, "208.66.192.0/22", 64500, 3549, 26780)
	s.step(t)
	if got := server.take(); got != "+208.66.192.0/22 +3549" {
		t.Errorf("an upstream is known: %s", got)
	}
	learn(t, watch, "192.0.2.0/24", 64500, 3549, 7)
	s.step(t)
	if got := server.take(); got != "+192.0.2.0/24" {
		t.Errorf("a reference was found: %s", got)
	}
	*clock = clock.Add(referencePatience)
	s.step(t)
	s.step(t)
	if got := server.take(); got != "-3549" {
		t.Errorf("ten minutes later: %s", got)
	}
	for i := range 2 * maxReferred {
		learn(t, watch, "208.66.192.0/22", 64500, uint32(100+i), 26780)
	}
	s.step(t)
	if n := strings.Count(server.take(), "+"); n != maxReferred {
		t.Errorf("%d upstreams at a time, want %d", n, maxReferred)
	}
}

// Beyond the limit of "auto" everything is asked for, and stays so until there is
// another list; "list" goes on.
func TestTooMuchForAList(t *testing.T) {
	for _, way := range []string{SubscribeAuto, SubscribeList} {
		watch := wire.NewShared(wire.List{ASNs: []uint32{26780}})
		s, server, _ := testSubscriber(t, watch, func(c *Config) {
			c.Subscriptions, c.Subscribe, c.Hosts = len(sessionTypes)+2, way, []string{"rrc00"}
		})
		s.step(t)
		server.take()
		learn(t, watch, "208.66.192.0/22", 26780)
		s.step(t)
		if got := server.take(); got != "+208.66.192.0/22" {
			t.Errorf("%s, at the limit: %s", way, got)
		}
		learn(t, watch, "208.72.168.0/21", 26780)
		s.step(t)
		want := map[string]string{SubscribeAuto: "+rrc00 +rrc00.ripe.net -208.66.192.0/22 -26780", SubscribeList: "+208.72.168.0/21"}[way]
		if got := server.take(); got != want {
			t.Errorf("%s, beyond it: %s, want %s", way, got, want)
		}
		learn(t, watch, "198.51.100.0/24", 26780)
		s.step(t)
		want = map[string]string{SubscribeAuto: "", SubscribeList: "+198.51.100.0/24"}[way]
		if got := server.take(); got != want {
			t.Errorf("%s, and more: %s, want %s", way, got, want)
		}
	}
}

// What cannot be subscribed to is told: a feed that does not hear all that is watched
// is not ready.
func TestListThatIsTooLong(t *testing.T) {
	var l wire.List
	for i := range maxSubscriptions + 5 {
		l.Exact = append(l.Exact, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32))
	}
	watch := wire.NewShared(l)
	s, server, _ := testSubscriber(t, watch, func(c *Config) { c.Subscribe = SubscribeList })
	s.f.board.open(nil, true, false)
	s.step(t)
	if n := len(server.lines); n != maxSubscriptions {
		t.Errorf("%d subscriptions", n)
	}
	const want = "5 of the watched AS numbers and prefixes are more than can be subscribed to (100,000): set subscribe to all"
	if h := s.f.Health(time.Now()); h.Ready || h.Reason != want {
		t.Errorf("%+v", h.Reason)
	}
	watch.Replace(wire.List{ASNs: []uint32{1}})
	s.step(t)
	if h := s.f.Health(time.Now()); !h.Ready {
		t.Errorf("%+v", h.Reason)
	}
	server.fail = errors.New("broken pipe")
	watch.Replace(wire.List{ASNs: []uint32{2}})
	list, _ := watch.List()
	if err := s.update(list); err != server.fail {
		t.Errorf("%v", err)
	}
}
