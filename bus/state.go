package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoState is what LoadState answers where nothing was saved under the name.
var ErrNoState = errors.New("nothing is saved under this name")

// stateBucket is the object store in which a process keeps what it would need
// after a restart. It is no contract: only depeer reads it.
const stateBucket = "depeer-state"

// SaveState keeps what write writes under a name, in place of what was there: a
// reader finds the one or the other, whole. The notes come back with it.
func (b *Bus) SaveState(ctx context.Context, name string, notes map[string]string, write func(io.Writer) error) error {
	store, err := b.state(ctx)
	if err != nil {
		return err
	}
	in, out := io.Pipe()
	go func() { out.CloseWithError(write(out)) }()
	meta := jetstream.ObjectMeta{Name: name, Metadata: notes, Headers: nats.Header{}}
	_, err = store.Put(ctx, meta, in)
	in.Close()
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	return nil
}

// LoadState gives what was saved last under a name, and the notes with it. The
// caller closes the reader.
func (b *Bus) LoadState(ctx context.Context, name string) (io.ReadCloser, map[string]string, error) {
	store, err := b.state(ctx)
	if err != nil {
		return nil, nil, err
	}
	if b.embedded != nil { // nobody else is writing there
		if err := b.sweep(ctx, store); err != nil {
			b.log.Warn("what a killed process had half saved stays", "err", err)
		}
	}
	object, err := store.Get(ctx, name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, nil, ErrNoState
	}
	if err != nil {
		return nil, nil, fmt.Errorf("load %s: %w", name, err)
	}
	info, err := object.Info()
	if err != nil {
		object.Close()
		return nil, nil, fmt.Errorf("load %s: %w", name, err)
	}
	return object, info.Metadata, nil
}

// sweep drops the pieces of objects that were never finished: who wrote them was
// killed, and nothing refers to them.
func (b *Bus) sweep(ctx context.Context, store jetstream.ObjectStore) error {
	const pieces = "$O." + stateBucket + ".C."
	stream, err := b.js.Stream(ctx, "OBJ_"+stateBucket)
	if err != nil {
		return err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(pieces+">"))
	if err != nil {
		return err
	}
	list, err := store.List(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return err
	}
	for _, object := range list {
		delete(info.State.Subjects, pieces+object.NUID)
	}
	for subject := range info.State.Subjects {
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bus) state(ctx context.Context) (jetstream.ObjectStore, error) {
	store, err := b.js.ObjectStore(ctx, stateBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		store, err = b.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
			Bucket: stateBucket, Description: "what depeer knows, for its next start", Replicas: max(b.cfg.Replicas, 1), Compression: true,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("object store %s: %w", stateBucket, b.orClosed(err))
	}
	return store, nil
}

// Position is where a stream stands.
type Position struct {
	First, Last uint64    // sequence numbers of the oldest and the newest message; Last is First-1 where it is empty
	At          time.Time // of the newest message
	Made        time.Time // when the stream was made: numbers of another one mean other messages
}

// Position asks where a stream stands.
func (b *Bus) Position(ctx context.Context, stream Stream) (Position, error) {
	s, err := b.js.Stream(ctx, string(stream))
	if err != nil {
		return Position{}, fmt.Errorf("stream %s: %w", stream, b.orClosed(err))
	}
	info := s.CachedInfo()
	x := info.State
	if x.Msgs == 0 {
		x.FirstSeq = x.LastSeq + 1 // an empty stream says 0
	}
	return Position{First: x.FirstSeq, Last: x.LastSeq, At: x.LastTime, Made: info.Created.UTC()}, nil
}

// IDs lists the ids of the messages that a stream stored since a moment.
func (b *Bus) IDs(ctx context.Context, stream Stream, since time.Time) (map[string]struct{}, error) {
	out := map[string]struct{}{}
	where, err := b.Position(ctx, stream)
	if err != nil || where.Last < where.First || where.At.Before(since) {
		return out, err
	}
	s, err := b.js.OrderedConsumer(ctx, string(stream), jetstream.OrderedConsumerConfig{
		HeadersOnly: true, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since,
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", stream, b.orClosed(err))
	}
	it, err := s.Messages()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", stream, b.orClosed(err))
	}
	defer it.Stop()
	for {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", stream, b.orClosed(err))
		}
		m, err := messageOf(msg)
		if err != nil {
			return nil, err
		}
		out[m.ID] = struct{}{}
		if m.Sequence >= where.Last {
			return out, nil
		}
	}
}
