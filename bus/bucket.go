package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrChanged is what a write answers when the key is not at the revision that the
// writer knows: somebody else wrote it.
var ErrChanged = errors.New("the key was changed by somebody else")

// Entry is a key of a bucket at one moment.
type Entry struct {
	Key      string
	Value    []byte // nil: there is no such key, or no more
	Revision uint64 // of the bucket; 0: there never was such a key
}

// Bucket keeps small values under keys, the same for every process (a NATS
// key-value store). A key is made of letters, digits and - / _ = . and a value has
// at most a megabyte. Its methods may be called from any goroutine.
type Bucket struct {
	bus  *Bus
	name string
	kv   jetstream.KeyValue
}

// Bucket opens a bucket, and creates it where there is none. A key that nobody writes
// for so long as keep goes by itself; 0: it stays.
func (b *Bus) Bucket(ctx context.Context, name, about string, keep time.Duration) (*Bucket, error) {
	kv, err := b.js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = b.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: name, Description: about, TTL: keep, Replicas: max(b.cfg.Replicas, 1), History: 1, Storage: jetstream.FileStorage,
		})
		if errors.Is(err, jetstream.ErrBucketExists) { // another depeer created it since we looked
			kv, err = b.js.KeyValue(ctx, name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", name, b.orClosedBy(err))
	}
	return &Bucket{bus: b, name: name, kv: kv}, nil
}

// Get reads a key. A key that is not there is no error: Value is nil, and Revision
// is what Put wants to create it.
func (k *Bucket) Get(ctx context.Context, key string) (Entry, error) {
	e, err := k.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) { // or deleted
		return Entry{Key: key}, nil
	}
	if err != nil {
		return Entry{}, k.fail("read", key, err)
	}
	return Entry{Key: key, Value: e.Value(), Revision: e.Revision()}, nil
}

// Put writes a key whose revision is the given one, and says its new revision; 0: the
// key must not be there. ErrChanged: it is at another. A nil value deletes the key.
// When it returns, the value is written as an acknowledged message is (see above).
func (k *Bucket) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	var err error
	switch {
	case value == nil:
		if err = k.kv.Delete(ctx, key, jetstream.LastRevision(revision)); err == nil {
			return 0, nil
		}
	case revision == 0:
		revision, err = k.kv.Create(ctx, key, value)
	default:
		revision, err = k.kv.Update(ctx, key, value, revision)
	}
	if err != nil {
		return 0, k.fail("write", key, err)
	}
	return revision, nil
}

// Watch hands over every key that matches the filter (* and > as in subjects), then
// an entry without a key, which says that those were all, and then each change as it
// happens. It returns nil when ctx ends, ErrClosed when the bus is closed, or the
// error of each.
func (k *Bucket) Watch(ctx context.Context, filter string, each func(Entry) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(k.bus.life, cancel)()
	w, err := k.kv.Watch(ctx, filter)
	if err != nil {
		if ctx.Err() != nil {
			return k.bus.orClosed(nil)
		}
		return k.fail("watch", filter, err)
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return k.bus.orClosed(nil)
		case e, ok := <-w.Updates():
			if !ok {
				if ctx.Err() != nil || k.bus.isClosed() {
					return k.bus.orClosed(nil)
				}
				return k.fail("watch", filter, errors.New("the watch has ended"))
			}
			if err := each(entryOf(e)); err != nil {
				return err
			}
		}
	}
}

func entryOf(e jetstream.KeyValueEntry) Entry {
	switch {
	case e == nil:
		return Entry{}
	case e.Operation() != jetstream.KeyValuePut:
		return Entry{Key: e.Key(), Revision: e.Revision()}
	}
	v := e.Value()
	if v == nil {
		v = []byte{}
	}
	return Entry{Key: e.Key(), Value: v, Revision: e.Revision()}
}

func (k *Bucket) fail(act, key string, err error) error {
	var api *jetstream.APIError
	if errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		err = ErrChanged
	}
	return fmt.Errorf("%s %s in bucket %s: %w", act, key, k.name, k.bus.orClosedBy(err))
}

// orClosedBy says that the bus is closed where that is why.
func (b *Bus) orClosedBy(err error) error {
	if b.isClosed() {
		return fmt.Errorf("%w (%w)", ErrClosed, err)
	}
	return err
}
