package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bus"
)

// act is what the world does in one round of chaos.
type act struct {
	kind   string // "withdraw", "announce", "reset" or "none"
	prefix int
	peer   int
	wait   time.Duration // from the act to the kill
	save   bool          // the state is being saved just then
}

// acts draws a story from a seed: withdrawals by everybody, and routes that come back.
func acts(seed uint64, rounds int) (out []act) {
	r := rand.New(rand.NewPCG(seed, 3))
	held := []bool{true, true}
	for range rounds {
		a := act{kind: "none", prefix: r.IntN(2), peer: r.IntN(4), wait: time.Duration(r.IntN(1800)) * time.Millisecond, save: r.IntN(3) == 0}
		switch n := r.IntN(10); {
		case n < 7 && held[a.prefix]:
			a.kind = "withdraw"
		case n < 7:
			a.kind = "announce"
		case n < 9:
			a.kind = "reset"
		}
		if a.kind == "withdraw" || a.kind == "announce" {
			held[a.prefix] = a.kind == "announce"
		}
		out = append(out, a)
	}
	return out
}

// scene is four neighbours, and what they hold.
type scene struct {
	r        *running
	held     [2]bool
	sessions [4]*bgptest.Session
}

func (s *scene) prefixes() (out []netip.Prefix) {
	for i, q := range []netip.Prefix{mccolo1, mccolo2} {
		if s.held[i] {
			out = append(out, q)
		}
	}
	return out
}

func (s *scene) connect(i int) { s.sessions[i] = s.r.connect(i+1, upstreamOf(i), s.prefixes()...) }

func (s *scene) do(a act) {
	q := []netip.Prefix{mccolo1, mccolo2}[a.prefix]
	switch a.kind {
	case "reset":
		_ = s.sessions[a.peer].Reset()
		s.connect(a.peer)
	case "withdraw", "announce":
		s.held[a.prefix] = a.kind == "announce"
		for i, x := range s.sessions {
			var err error
			if a.kind == "withdraw" {
				err = x.Withdraw(q)
			} else {
				err = x.Announce(bgp.PathOf(uint32(64601+i), upstreamOf(i), 26780), q)
			}
			if err != nil {
				s.r.t.Fatal(err)
			}
		}
	}
}

// settled waits until the board shows what the neighbours hold.
func (s *scene) settled() {
	s.r.t.Helper()
	holds := len(s.prefixes())
	s.r.await(fmt.Sprintf("the board shows %d prefixes", holds), func() bool {
		h, st := s.r.hoster(), s.r.status()
		up := 0
		for _, p := range st.Peers {
			if p.State == "up" {
				up++
			}
		}
		return up == 4 && h.Prefixes == 2 && h.Withdrawn == 2-holds && (holds == 0) == (h.State == "dark")
	})
	s.r.judged(2500 * time.Millisecond)
}

// play plays the acts and gives what was told of hosters: kind and prefix, counted.
func play(t *testing.T, all []act, kill bool) map[string]int {
	r := newRunning(t, 4, "").start()
	s := &scene{r: r, held: [2]bool{true, true}}
	for i := range s.sessions {
		s.connect(i)
	}
	r.awaitTables(4, 2)
	r.judged(2500 * time.Millisecond)
	for _, a := range all {
		s.do(a)
		if kill {
			// The moment is drawn, and is the point of it: nothing is waited for.
			timer := time.NewTimer(a.wait)
			<-timer.C
			if a.save {
				_ = r.cmd.Process.Signal(syscall.SIGHUP)
				timer.Reset(a.wait / 40)
				<-timer.C
			}
			r.kill()
			for _, x := range s.sessions {
				_ = x.Reset()
			}
			r.start()
			for i := range s.sessions {
				s.connect(i)
			}
		}
		s.settled()
	}
	out := r.audit()
	r.stopped()
	return out
}

// audit reads all that was published: no id twice, no revision missing.
func (r *running) audit() map[string]int {
	r.t.Helper()
	cfg := bus.DefaultConfig()
	cfg.URLs = []string{"nats://" + r.nats}
	b, err := bus.Open(r.t.Context(), cfg, bus.Deps{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer b.Close()
	told, ids := map[string]int{}, map[string]int{}
	r.readAll(b, bus.Events, func(m bus.Message) {
		e, err := m.Event()
		if err != nil {
			r.t.Error(err)
		}
		ids[e.ID]++
		if e.Hoster == nil {
			return
		}
		about := ""
		if e.Prefix != nil {
			about = " " + e.Prefix.String()
		}
		if e.Upstream != 0 {
			about = " AS" + strconv.Itoa(int(e.Upstream))
		}
		told[string(e.Kind)+" "+*e.Hoster+about]++
	})
	revisions := map[string][]int{}
	r.readAll(b, bus.Incidents, func(m bus.Message) {
		i, err := m.Incident()
		if err != nil {
			r.t.Error(err)
		}
		ids[m.ID]++
		revisions[i.ID] = append(revisions[i.ID], i.Revision)
	})
	r.readAll(b, bus.Gaps, func(m bus.Message) {
		ids[m.ID]++
		g, err := m.Gap()
		if err != nil {
			r.t.Error(err)
		}
		revisions[g.ID] = append(revisions[g.ID], g.Revision)
	})
	for id, n := range ids {
		if n > 1 {
			r.t.Errorf("%s was published %d times", id, n)
		}
	}
	for id, list := range revisions {
		for i, v := range list {
			if v != i+1 {
				r.t.Errorf("%s: revisions %v", id, list)
				break
			}
		}
	}
	return told
}

func (r *running) readAll(b *bus.Bus, stream bus.Stream, handle func(bus.Message)) {
	r.t.Helper()
	where, err := b.Position(r.t.Context(), stream)
	if err != nil {
		r.t.Fatal(err)
	}
	if where.Last < where.First {
		return
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	done := false
	if err := b.Consume(ctx, stream, bus.Consumer{}, func(_ context.Context, m bus.Message) error {
		handle(m)
		if m.Sequence >= where.Last {
			done = true
			cancel()
		}
		return nil
	}); err != nil || !done {
		r.t.Fatalf("read %s: %v", stream, err)
	}
}

// Whoever kills it, at whatever moment, changes nothing of what is told of hosters.
// DEPEER_CHAOS is the number of rounds, and optionally the seed: "30,7".
func TestRunKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	rounds, seed := 5, uint64(1)
	if v := os.Getenv("DEPEER_CHAOS"); v != "" {
		n, s, _ := strings.Cut(v, ",")
		var err error
		if rounds, err = strconv.Atoi(n); err != nil {
			t.Fatalf("DEPEER_CHAOS: %v", err)
		}
		if s != "" {
			if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
				t.Fatalf("DEPEER_CHAOS: %v", err)
			}
		}
	}
	all := acts(seed, rounds)
	var calm, wild map[string]int
	t.Run("play", func(t *testing.T) {
		t.Run("undisturbed", func(t *testing.T) { t.Parallel(); calm = play(t, all, false) })
		t.Run("killed", func(t *testing.T) { t.Parallel(); wild = play(t, all, true) })
	})
	if t.Failed() {
		return
	}
	t.Logf("seed %d: %+v", seed, all)
	if len(calm) == 0 {
		t.Fatal("nothing happened")
	}
	for _, k := range slices.Sorted(maps.Keys(calm)) {
		t.Logf("%s: %d", k, calm[k])
	}
	if !maps.Equal(calm, wild) {
		t.Errorf("undisturbed it told\n%v\nkilled it told\n%v", calm, wild)
	}
}
