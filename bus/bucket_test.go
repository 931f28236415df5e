package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"depeer/bus"
)

func bucket(t *testing.T, b *bus.Bus, name string, keep time.Duration) *bus.Bucket {
	t.Helper()
	k, err := b.Bucket(t.Context(), name, "of a test", keep)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Of two writers that know the same revision one wins.
func TestBucketComparesBeforeItSets(t *testing.T) {
	b := open(t, config(t))
	k := bucket(t, b, "test-cas", 0)
	ctx := t.Context()
	if e, err := k.Get(ctx, "a.b"); err != nil || e.Value != nil || e.Revision != 0 {
		t.Fatalf("an unknown key: %+v, %v", e, err)
	}
	first, err := k.Put(ctx, "a.b", []byte("1"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Put(ctx, "a.b", []byte("2"), 0); !errors.Is(err, bus.ErrChanged) {
		t.Errorf("create what is there: %v", err)
	}
	won := make([]bool, 8)
	var all sync.WaitGroup
	for i := range won {
		all.Go(func() {
			_, err := k.Put(ctx, "a.b", []byte{byte('0' + i)}, first)
			won[i] = err == nil
			if err != nil && !errors.Is(err, bus.ErrChanged) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	winner := slices.Index(won, true)
	if winner < 0 || slices.Contains(won[winner+1:], true) {
		t.Fatalf("who won: %v, want one", won)
	}
	e, err := k.Get(ctx, "a.b")
	if err != nil || string(e.Value) != string(rune('0'+winner)) {
		t.Errorf("%q, %v, want what %d wrote", e.Value, err, winner)
	}
	if _, err := k.Put(ctx, "a.b", nil, first); !errors.Is(err, bus.ErrChanged) {
		t.Errorf("delete with an old revision: %v", err)
	}
	if _, err := k.Put(ctx, "a.b", nil, e.Revision); err != nil {
		t.Error(err)
	}
	if e, err := k.Get(ctx, "a.b"); err != nil || e.Value != nil {
		t.Errorf("after deleting: %+v, %v", e, err)
	}
	if _, err := k.Put(ctx, "a.b", []byte("new"), 0); err != nil {
		t.Errorf("create after deleting: %v", err)
	}
	// Another handle of the same bucket sees it.
	if e, err := bucket(t, b, "test-cas", 0).Get(ctx, "a.b"); err != nil || string(e.Value) != "new" {
		t.Errorf("%q, %v", e.Value, err)
	}
}

func TestBucketWatch(t *testing.T) {
	b := open(t, config(t))
	k := bucket(t, b, "test-watch", 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	put := func(key, value string, revision uint64) uint64 {
		n, err := k.Put(ctx, key, []byte(value), revision)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	put("x.1", "one", 0)
	put("y.1", "other", 0)
	two := put("x.2", "", 0)
	var seen []string
	err := k.Watch(ctx, "x.>", func(e bus.Entry) error {
		switch {
		case e.Key == "":
			seen = append(seen, "all")
			put("x.3", "three", 0)
			if _, err := k.Put(ctx, "x.2", nil, two); err != nil {
				t.Error(err)
			}
		case e.Value == nil:
			seen = append(seen, e.Key+" gone")
			cancel()
		default:
			seen = append(seen, e.Key+"="+string(e.Value))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, []string{"x.1=one", "x.2=", "all", "x.3=three", "x.2 gone"}, seen)

	stop := errors.New("stop")
	if err := k.Watch(t.Context(), ">", func(bus.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("watch: %v", err)
	}
}

// A key that nobody writes goes by itself, and is there to be taken.
func TestBucketForgets(t *testing.T) {
	b := open(t, config(t))
	k := bucket(t, b, "test-lease", 200*time.Millisecond)
	if _, err := k.Put(t.Context(), "lease", []byte("mine"), 0); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(40 * time.Second)
	for {
		_, err := k.Put(t.Context(), "lease", []byte("yours"), 0)
		if err == nil {
			return
		}
		if !errors.Is(err, bus.ErrChanged) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func TestBucketOfAClosedBus(t *testing.T) {
	b := open(t, config(t))
	k := bucket(t, b, "test-closed", 0)
	ended := make(chan error, 1)
	go func() {
		ended <- k.Watch(context.Background(), ">", func(bus.Entry) error { return nil })
	}()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, bus.ErrClosed) {
		t.Errorf("watch of a closed bus: %v", err)
	}
	if _, err := k.Put(t.Context(), "a", []byte("x"), 0); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("write to a closed bus: %v", err)
	}
	if _, err := b.Bucket(t.Context(), "test-closed", "", 0); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("bucket of a closed bus: %v", err)
	}
}

func TestDeliveryIsPublishedOnce(t *testing.T) {
	b := open(t, config(t))
	for range 2 {
		if err := b.PublishDelivery(t.Context(), "noc slack", "id1", "mccolo-1", at, json.RawMessage(`{"outcome":"sent"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.PublishDelivery(t.Context(), "pager", "id2", "mccolo-1", at, json.RawMessage(`{"outcome":"dead"}`)); err != nil {
		t.Fatal(err)
	}
	flush(t, b)
	got := take(t, b, bus.Deliveries, 2)
	if got[0].Subject != "depeer.delivery.noc-slack" || got[0].About != "mccolo-1" || got[0].ID != "id1" || !got[0].At.Equal(at) ||
		got[0].Pending != 1 || got[1].Subject != "depeer.delivery.pager" || got[1].Pending != 0 {
		t.Errorf("%+v", got)
	}
	if b.PublishDelivery(t.Context(), "", "id", "", at, json.RawMessage(`{}`)) == nil || b.PublishDelivery(t.Context(), "a", "id", "", at, json.RawMessage(`{`)) == nil {
		t.Error("a delivery to nobody, or one that is no JSON, is published")
	}
}
