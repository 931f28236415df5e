package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// EventSubject is where the events of a hoster are published, for Filters.
func EventSubject(hoster string) string { return "depeer.event." + token(hoster) + ".*" }

// ErrEnough is what a reader returns to end Read early.
var ErrEnough = errors.New("enough")

// Read hands over what a stream holds at the moment, in its order, and returns at its
// end, or when each returns ErrEnough: both nil. filters are as those of a Consumer.
func (b *Bus) Read(ctx context.Context, stream Stream, filters []string, each func(Message) error) error {
	n, err := b.holds(ctx, stream, filters)
	if err != nil || n == 0 {
		return err
	}
	err = b.Consume(ctx, stream, Consumer{Filters: filters}, func(_ context.Context, m Message) error {
		if err := each(m); err != nil {
			return err
		}
		if m.Pending == 0 {
			return ErrEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, ErrEnough):
		return nil
	case err == nil:
		return ctx.Err()
	}
	return err
}

// holds counts the messages that a reader would get.
func (b *Bus) holds(ctx context.Context, stream Stream, filters []string) (uint64, error) {
	s, err := b.js.Stream(ctx, string(stream))
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", stream, b.orClosedBy(err))
	}
	if len(filters) == 0 {
		return s.CachedInfo().State.Msgs, nil
	}
	var n uint64
	for _, f := range filters {
		info, err := s.Info(ctx, jetstream.WithSubjectFilter(f))
		if err != nil {
			return 0, fmt.Errorf("stream %s: %w", stream, b.orClosedBy(err))
		}
		for _, have := range info.State.Subjects {
			n += have
		}
	}
	return n, nil
}
