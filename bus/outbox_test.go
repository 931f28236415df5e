package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A server that does as the test says: no real one loses an acknowledgement on demand.
func faultyOutbox(pending int) (*outbox, *sentMessages) {
	cfg := DefaultConfig()
	cfg.Pending = pending
	sent := &sentMessages{}
	o := newOutbox(cfg, "test", slog.New(slog.DiscardHandler))
	o.send = sent.add
	return o, sent
}

type sentMessages struct {
	mu  sync.Mutex
	all []*nats.Msg // guarded by mu: retries are sent from timers
}

func (s *sentMessages) add(m *nats.Msg) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, m)
	return nil
}

func (s *sentMessages) at(i int) *nats.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[i]
}

func (s *sentMessages) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

func testMessage(id string) *nats.Msg {
	return cloudEvent{id: id, source: "/test", kind: "test"}.message("depeer.event.test.test", nil)
}

func TestOutboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, sent := faultyOutbox(2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for i := range 2 {
			if err := o.publish(ctx, testMessage(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		err := o.publish(ctx, testMessage("2"))
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "2 messages wait for test to acknowledge") {
			t.Fatalf("a third message: %v", err)
		}
		o.acked(nil, sent.at(0), &jetstream.PubAck{Stream: "S"})
		if err := o.publish(t.Context(), testMessage("2")); err != nil {
			t.Fatalf("with a free slot: %v", err)
		}
		if s := o.snapshot(); s.Published != 3 || s.Acked != 1 || s.Pending != 2 {
			t.Errorf("%+v", s)
		}
		if err := o.close(); !errors.Is(err, ErrClosed) {
			t.Errorf("close with two on their way: %v", err)
		}
	})
}

func TestFlushWaitsForWhatWasBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, sent := faultyOutbox(10)
		for i := range 3 {
			if err := o.publish(t.Context(), testMessage(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		flushed := make(chan error, 1)
		go func() { flushed <- o.flush(t.Context()) }()
		synctest.Wait()
		if err := o.publish(t.Context(), testMessage("later")); err != nil {
			t.Fatal(err)
		}
		for _, i := range []int{2, 0} { // acknowledged in any order
			o.acked(nil, sent.at(i), &jetstream.PubAck{Stream: "S"})
			synctest.Wait()
			select {
			case err := <-flushed:
				t.Fatalf("flushed with message 1 on its way: %v", err)
			default:
			}
		}
		o.acked(nil, sent.at(1), &jetstream.PubAck{Stream: "S", Duplicate: true})
		if err := <-flushed; err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := o.flush(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 messages wait") {
			t.Errorf("flush with one on its way: %v", err)
		}
		o.acked(nil, sent.at(3), &jetstream.PubAck{Stream: "S"})
		if s := o.snapshot(); s.Acked != 4 || s.Duplicates != 1 || s.Pending != 0 {
			t.Errorf("%+v", s)
		}
		if err := o.flush(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLostMessagesAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, sent := faultyOutbox(10)
		m := testMessage("a")
		if err := o.publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for sent.len() < 4 {
			o.refused(nil, m, nats.ErrDisconnected)
			n := sent.len()
			time.Sleep(lastRetry) // of the bubble's clock
			synctest.Wait()
			if sent.len() != n+1 {
				t.Fatalf("not sent again within %s", lastRetry)
			}
		}
		o.acked(nil, m, &jetstream.PubAck{Stream: "S"})
		if err := o.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := o.snapshot(); s.Retried != 3 || s.Acked != 1 || s.Failed != 0 {
			t.Errorf("%+v after %s", s, time.Since(began))
		}
	})
}

func TestGivenUpMessagesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, sent := faultyOutbox(20)
		for i := range 13 {
			if err := o.publish(t.Context(), testMessage(fmt.Sprintf("id%02d", i))); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(o.patience)
		for i := range sent.len() {
			o.refused(nil, sent.at(i), nats.ErrDisconnected)
		}
		err := o.flush(t.Context())
		if !errors.Is(err, nats.ErrDisconnected) {
			t.Fatal(err)
		}
		if text := err.Error(); !strings.Contains(text, "publish depeer.event.test.test (id id09) to test: ") ||
			strings.Contains(text, "id10") || !strings.Contains(text, "and 3 more messages were not published") {
			t.Errorf("told: %s", text)
		}
		if err := o.flush(t.Context()); err != nil {
			t.Errorf("told twice: %v", err)
		}
	})
}

func TestRefusedMessagesAreNotRepeated(t *testing.T) {
	o, sent := faultyOutbox(2)
	m := testMessage("a")
	if err := o.publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	o.refused(nil, m, &jetstream.APIError{ErrorCode: 10077, Description: "maximum bytes exceeded"})
	if err := o.flush(t.Context()); err == nil || !strings.Contains(err.Error(), "maximum bytes exceeded") {
		t.Errorf("flush: %v", err)
	}
	o.send = func(*nats.Msg) error { return nats.ErrMaxPayload }
	if err := o.publish(t.Context(), testMessage("b")); !errors.Is(err, nats.ErrMaxPayload) {
		t.Errorf("too large: %v", err)
	}
	if s := o.snapshot(); s.Failed != 2 || s.Pending != 0 || sent.len() != 1 {
		t.Errorf("%+v, %d sent", s, sent.len())
	}
}
