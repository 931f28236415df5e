package notify

import (
	"context"
	"errors"
)

// ErrChanged is what a Store answers when a key is not at the revision that the writer knows.
var ErrChanged = errors.New("changed by somebody else")

// Entry is a key of a Store at one moment.
type Entry struct {
	Key      string
	Value    []byte // nil: there is no such key, or no more
	Revision uint64 // 0: there never was such a key
}

// Store keeps values under keys, the same for every process.
type Store interface {
	Get(ctx context.Context, key string) (Entry, error)
	// Put writes a key that is at the revision, and says its new one; 0: the key must not
	// be there. A nil value deletes it. ErrChanged: it is at another.
	Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Watch hands over every key that matches the filter (a NATS subject), then an entry
	// without a key, then each change. It returns nil when ctx ends.
	Watch(ctx context.Context, filter string, each func(Entry) error) error
}

// everything gives all keys that match the filter.
func everything(ctx context.Context, s Store, filter string) (out []Entry, err error) {
	all := errors.New("that was all")
	err = s.Watch(ctx, filter, func(e Entry) error {
		if e.Key == "" {
			return all
		}
		if e.Value != nil {
			out = append(out, e)
		}
		return nil
	})
	switch {
	case errors.Is(err, all):
		return out, nil
	case err == nil:
		err = ctx.Err()
	}
	return nil, err
}
