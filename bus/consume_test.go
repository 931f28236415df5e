package bus_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"depeer/bus"
)

// consume runs until handle has been called n times, and gives the ids it was called with.
func consume(t *testing.T, b *bus.Bus, c bus.Consumer, n int, handle func(bus.Message) error) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ids []string
	err := b.Consume(ctx, bus.Events, c, func(_ context.Context, m bus.Message) error {
		ids = append(ids, m.ID)
		if len(ids) == n {
			cancel()
		}
		return handle(m)
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func done(bus.Message) error { return nil }

func publishEvents(t *testing.T, b *bus.Bus, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := b.PublishEvent(t.Context(), event(id)); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, b)
}

func TestDurableRemembers(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	b, err := bus.Open(t.Context(), cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	publishEvents(t, b, "a", "b", "c")
	same(t, []string{"a", "b"}, consume(t, b, bus.Consumer{Durable: "notify"}, 2, done))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, cfg)
	publishEvents(t, b, "d")
	same(t, []string{"c", "d"}, consume(t, b, bus.Consumer{Durable: "notify"}, 2, done))
	same(t, []string{"a", "b", "c", "d"}, consume(t, b, bus.Consumer{Durable: "other"}, 4, done))
}

func TestFailedMessageComesAgain(t *testing.T) {
	t.Parallel()
	b := open(t, config(t))
	publishEvents(t, b, "a", "b")
	var deliveries []string
	consume(t, b, bus.Consumer{Durable: "notify"}, 3, func(m bus.Message) error {
		deliveries = append(deliveries, fmt.Sprint(m.ID, m.Delivery))
		if m.ID == "a" && m.Delivery == 1 {
			return errors.New("not now")
		}
		return nil
	})
	same(t, []string{"a1", "b1", "a2"}, deliveries)
}

func TestDroppedMessageDoesNotComeAgain(t *testing.T) {
	t.Parallel()
	b := open(t, config(t))
	publishEvents(t, b, "a", "b")
	consume(t, b, bus.Consumer{Durable: "notify"}, 2, func(m bus.Message) error {
		if m.ID == "a" {
			return fmt.Errorf("%w: never", bus.ErrDrop)
		}
		return nil
	})
	publishEvents(t, b, "c")
	same(t, []string{"c"}, consume(t, b, bus.Consumer{Durable: "notify"}, 1, done))
}

func TestErrorEndsPlainConsume(t *testing.T) {
	t.Parallel()
	b := open(t, config(t))
	publishEvents(t, b, "a", "b")
	full := errors.New("full")
	var ids []string
	err := b.Consume(t.Context(), bus.Events, bus.Consumer{}, func(_ context.Context, m bus.Message) error {
		ids = append(ids, m.ID)
		return full
	})
	if !errors.Is(err, full) || len(ids) != 1 {
		t.Errorf("%v after %v", err, ids)
	}
}

func TestNewBeginsNow(t *testing.T) {
	t.Parallel()
	b := open(t, config(t))
	publishEvents(t, b, "a")
	// A durable consumer exists once it has been asked for, so that "now" is certain.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Consume(ctx, bus.Events, bus.Consumer{Durable: "live", New: true}, nil); err != nil {
		t.Fatal(err)
	}
	ids := make(chan []string)
	go func() {
		ids <- consume(t, b, bus.Consumer{Durable: "x", New: true, Filters: []string{"depeer.event.*.upstream-lost"}}, 1, done)
	}()
	for i := 0; ; i++ {
		publishEvents(t, b, fmt.Sprint("n", i))
		select {
		case got := <-ids:
			if got[0] == "a" {
				t.Error("what was published before was delivered")
			}
			return
		default:
		}
	}
}

func TestForeignMessagesAreReadable(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Embedded.Listen = "127.0.0.1:0"
	b := open(t, cfg)
	_, js := connect(t, "nats://"+b.Addr())
	if _, err := js.Publish(t.Context(), "depeer.sighting.sensor1", []byte(`{"ip":"192.0.2.1"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "depeer.event.mccolo.upstream-lost", []byte(`not JSON`)); err != nil {
		t.Fatal(err)
	}
	m := take(t, b, bus.Sightings, 1)[0]
	if m.ID != "" || m.At.IsZero() || string(m.Body) != `{"ip":"192.0.2.1"}` {
		t.Errorf("%+v", m)
	}
	if _, err := take(t, b, bus.Events, 1)[0].Event(); err == nil {
		t.Error("text that is no JSON was read as an event")
	}
}

// What is published between Remember and the first Consume is not missed, and what was
// published before is.
func TestRememberedFromThenOn(t *testing.T) {
	b := open(t, config(t))
	c := bus.Consumer{Durable: "later", New: true}
	publish := func(id string) {
		t.Helper()
		if err := b.PublishEvent(t.Context(), event(id)); err != nil {
			t.Fatal(err)
		}
		flush(t, b)
	}
	publish("before")
	for range 2 { // a second time changes nothing
		if err := b.Remember(t.Context(), bus.Events, c); err != nil {
			t.Fatal(err)
		}
		publish("between")
	}
	same(t, []string{"between"}, consume(t, b, c, 1, func(bus.Message) error { return nil }))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Remember(t.Context(), bus.Events, c); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("remember by a closed bus: %v", err)
	}
}
