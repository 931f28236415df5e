package bus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bus"
	"depeer/watch"
)

// What a feed tells and its pulses come out of the log in the order in which they
// went in, and a reader may begin behind any of them.
func TestTheLogOfALiveFeed(t *testing.T) {
	b, ctx := open(t, config(t)), context.Background()
	began := time.Date(2008, 11, 11, 21, 0, 0, 0, time.UTC)
	pulse := watch.Pulse{Source: "rislive", Run: began, Until: began.Add(time.Second), Ends: "unheard", Ready: true, Filled: []string{"1"}}
	unheard := bgp.Update{At: began, Peer: updates()[0].Peer, Kind: bgp.Unheard, Cause: bgp.Cause{Text: "connection lost"}}
	gap := watch.Gap{Type: "gap", ID: "f00", Revision: 2, Collector: "rrc00", Reason: "feed lost", From: began, Peers: 3, Listed: []string{}}
	must(t, b.PublishRoutes(ctx, "rislive", "mccolo", updates()[:1]), b.PublishPulse(ctx, pulse),
		b.PublishRoutes(ctx, "rislive", bus.Everyone, []bgp.Update{unheard}), b.PublishGap(ctx, gap), b.Flush(ctx))

	read := func(after uint64, want ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		var got []string
		err := b.Consume(ctx, bus.Routes, bus.Consumer{After: after}, func(_ context.Context, m bus.Message) error {
			p, isPulse, err := m.Pulse()
			switch {
			case err != nil:
				t.Error(err)
			case isPulse:
				if !reflect.DeepEqual(p, pulse) {
					t.Errorf("pulse %+v, was %+v", p, pulse)
				}
				got = append(got, "pulse")
			default:
				us, err := m.Routes()
				if err != nil {
					t.Error(err)
				}
				for _, u := range us {
					got = append(got, fmt.Sprintf("%s %s %s %s", m.Feed, m.Subject, u.Kind, u.Cause))
				}
			}
			if len(got) == len(want) {
				cancel()
			}
			return nil
		})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("after %d: %q, %v; want %q", after, got, err, want)
		}
	}
	first := fmt.Sprintf("rislive depeer.route.mccolo.%s %s ", "announce", updates()[0].Kind)
	last := "rislive depeer.route._.state unheard connection lost"
	read(0, first, "pulse", last)
	read(1, "pulse", last)

	where, err := b.Position(ctx, bus.Routes)
	if err != nil || where.First != 1 || where.Last != 3 {
		t.Errorf("the log stands at %+v, %v", where, err)
	}
	ids, err := b.IDs(ctx, bus.Gaps, began)
	if _, ok := ids["f00.2"]; !ok || err != nil || len(ids) != 1 {
		t.Errorf("ids %v, %v", ids, err)
	}
	if where, err := b.Position(ctx, bus.Events); err != nil || where.First != 1 || where.Last != 0 {
		t.Errorf("an empty stream stands at %+v, %v", where, err)
	}
	if ids, err := b.IDs(ctx, bus.Events, time.Time{}); err != nil || len(ids) != 0 {
		t.Errorf("ids of an empty stream: %v, %v", ids, err)
	}
	if ids, err := b.IDs(ctx, bus.Events, began); err != nil || len(ids) != 0 {
		t.Errorf("ids of nothing: %v, %v", ids, err)
	}
	if ids, err := b.IDs(ctx, bus.Gaps, time.Now().Add(time.Hour)); err != nil || len(ids) != 0 {
		t.Errorf("ids of the future: %v, %v", ids, err)
	}
}

func TestState(t *testing.T) {
	cfg := config(t)
	b, ctx := open(t, cfg), context.Background()
	if _, _, err := b.LoadState(ctx, "detector"); !errors.Is(err, bus.ErrNoState) {
		t.Errorf("loading nothing: %v", err)
	}
	text := strings.Repeat("what was known ", 50_000)
	write := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	must(t, b.SaveState(ctx, "detector", map[string]string{"sequence": "1"}, write("old")),
		b.SaveState(ctx, "detector", map[string]string{"sequence": "26780"}, write(text)))
	broken := errors.New("no more")
	if err := b.SaveState(ctx, "detector", nil, func(w io.Writer) error { _, _ = io.WriteString(w, "half"); return broken }); !errors.Is(err, broken) {
		t.Errorf("a state that could not be written: %v", err)
	}
	must(t, b.Close())
	b = open(t, cfg)
	r, notes, err := b.LoadState(ctx, "detector")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || string(got) != text || notes["sequence"] != "26780" {
		t.Errorf("%d bytes, %v, %v", len(got), notes, err)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// A process killed while it saved leaves pieces that nothing refers to.
func TestHalfSavedStateIsSwept(t *testing.T) {
	cfg := config(t)
	cfg.Embedded.Listen = "127.0.0.1:0"
	b, ctx := open(t, cfg), context.Background()
	must(t, b.SaveState(ctx, "detector", nil, func(w io.Writer) error { _, err := io.WriteString(w, "whole"); return err }))
	_, js := connect(t, "nats://"+b.Addr())
	if _, err := js.Publish(ctx, "$O.depeer-state.C.killed", make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	size := func() uint64 {
		s, err := js.Stream(ctx, "OBJ_depeer-state")
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().State.Bytes
	}
	before := size()
	r, _, err := b.LoadState(ctx, "detector")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "whole" {
		t.Errorf("%q, %v", got, err)
	}
	if after := size(); after+100_000 > before {
		t.Errorf("%d octets before, %d after", before, after)
	}
}
