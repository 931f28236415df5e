package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"depeer/bus"
	"depeer/notify"
	"depeer/watch"
)

// The buckets in which what is told is kept.
const (
	bucketThreads = "depeer-notify-threads" // what was said to whom
	bucketLedger  = "depeer-notify-ledger"  // subscriptions, silences, notes
	bucketLease   = "depeer-notify-lease"   // who tells

	keepThreads = 400 * 24 * time.Hour // longer than the streams keep incidents
)

// bucketStore is a bucket as notify wants it.
type bucketStore struct{ *bus.Bucket }

var _ notify.Store = bucketStore{}

func (s bucketStore) Get(ctx context.Context, key string) (notify.Entry, error) {
	e, err := s.Bucket.Get(ctx, key)
	return notify.Entry(e), err
}

func (s bucketStore) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	n, err := s.Bucket.Put(ctx, key, value, revision)
	if errors.Is(err, bus.ErrChanged) {
		err = fmt.Errorf("%w (%w)", notify.ErrChanged, err)
	}
	return n, err
}

func (s bucketStore) Watch(ctx context.Context, filter string, each func(notify.Entry) error) error {
	return s.Bucket.Watch(ctx, filter, func(e bus.Entry) error { return each(notify.Entry(e)) })
}

// openStore opens one of the buckets.
func openStore(ctx context.Context, b *bus.Bus, name string, keep time.Duration) (notify.Store, error) {
	about := map[string]string{bucketThreads: "what was said to whom", bucketLedger: "subscriptions, silences, acknowledgements", bucketLease: "who tells"}
	k, err := b.Bucket(ctx, name, about[name], keep)
	if err != nil {
		return nil, err
	}
	return bucketStore{k}, nil
}

// openLedger opens what people said and asked for at run time.
func openLedger(ctx context.Context, b *bus.Bus) (*notify.Ledger, error) {
	s, err := openStore(ctx, b, bucketLedger, 0)
	if err != nil {
		return nil, err
	}
	return notify.NewLedger(s), nil
}

// notifyLog is the streams as notify hears them. They remember under its names what
// it heard.
type notifyLog struct {
	bus *bus.Bus
	log *slog.Logger
}

var _ notify.Log = notifyLog{}

// What the streams remember of what notify heard. It begins, the first time ever, with
// what is published from then on: nobody wants to be told of last year.
var (
	hearIncidents = bus.Consumer{Durable: "notify-incidents", New: true}
	hearEvents    = bus.Consumer{Durable: "notify-events", New: true}
)

// rememberNotify begins to remember: what is published from now on will be heard.
func rememberNotify(ctx context.Context, b *bus.Bus) error {
	return errors.Join(b.Remember(ctx, bus.Incidents, hearIncidents), b.Remember(ctx, bus.Events, hearEvents))
}

// Incidents hands over what was not handled yet.
func (l notifyLog) Incidents(ctx context.Context, handle func(context.Context, watch.Incident, uint64) error) error {
	return l.bus.Consume(ctx, bus.Incidents, hearIncidents, func(ctx context.Context, m bus.Message) error {
		i, err := m.Incident()
		if err == nil && (i.ID == "" || i.Revision < 1) {
			err = fmt.Errorf("message %d on %s is no incident", m.Sequence, m.Subject)
		}
		if err != nil {
			return errors.Join(bus.ErrDrop, err)
		}
		return handle(ctx, i, m.Pending)
	})
}

// Events hands over what was not handled yet.
func (l notifyLog) Events(ctx context.Context, handle func(context.Context, []byte) error) error {
	return l.bus.Consume(ctx, bus.Events, hearEvents, func(ctx context.Context, m bus.Message) error {
		return handle(ctx, m.Body)
	})
}

// Delivered publishes what came of telling somebody something.
func (l notifyLog) Delivered(ctx context.Context, d notify.Delivery) error {
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return l.bus.PublishDelivery(ctx, d.Receiver, d.ID, d.Incident, d.At, body)
}

// recallEvents reads the events of an incident from the stream. What cannot be read is
// left out: a message with fewer facts is better than none.
func recallEvents(ctx context.Context, b *bus.Bus, log *slog.Logger, i watch.Incident) []watch.Event {
	wanted := slices.Clone(i.Events)
	var out []watch.Event
	err := b.Read(ctx, bus.Events, []string{bus.EventSubject(i.Hoster)}, func(m bus.Message) error {
		if k := slices.Index(wanted, m.ID); k >= 0 {
			e, err := m.Event()
			if err != nil {
				return nil
			}
			out, wanted = append(out, e), slices.Delete(wanted, k, k+1)
		}
		if len(wanted) == 0 {
			return bus.ErrEnough
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		log.Warn("the events of an incident cannot be read", "incident", i.ID, "err", err)
	}
	return out
}

// deliveriesOf reads what became of telling people of incidents, oldest first; of all
// where no id is given.
func deliveriesOf(ctx context.Context, b *bus.Bus, incidents ...string) ([]notify.Delivery, error) {
	var out []notify.Delivery
	err := b.Read(ctx, bus.Deliveries, nil, func(m bus.Message) error {
		var d notify.Delivery
		if err := json.Unmarshal(m.Body, &d); err != nil {
			return fmt.Errorf("message %d on %s: %w", m.Sequence, m.Subject, err)
		}
		if len(incidents) == 0 || slices.ContainsFunc(incidents, d.About) {
			out = append(out, d)
		}
		return nil
	})
	return out, err
}
