package access

import (
	"container/list"
	"crypto/rand"
	"encoding/base64"
	"sync"
	"time"
)

// remembered keeps values under random names, so many at most and each for a while. Only
// the hashes of the names are kept: what is in memory opens nothing.
type remembered[T any] struct {
	most int

	mu    sync.Mutex
	of    map[string]*list.Element // guarded by mu
	order list.List                // guarded by mu; the oldest is in front
}

type memory[T any] struct {
	key   string
	value T
	until time.Time
}

func newRemembered[T any](most int) *remembered[T] {
	return &remembered[T]{most: most, of: map[string]*list.Element{}}
}

// put gives the value a new name.
func (r *remembered[T]) put(value T, until time.Time) string {
	name := randomName()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.order.Len() >= r.most {
		r.drop(r.order.Front())
	}
	key := hashOf(name)
	r.of[key] = r.order.PushBack(&memory[T]{key, value, until})
	return name
}

// get gives the value of a name, while it lasts.
func (r *remembered[T]) get(name string, now time.Time) (value T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.of[hashOf(name)]
	if e == nil {
		return value, false
	}
	m := e.Value.(*memory[T])
	if !now.Before(m.until) {
		r.drop(e)
		return value, false
	}
	return m.value, true
}

// take gives it and forgets it.
func (r *remembered[T]) take(name string, now time.Time) (T, bool) {
	value, ok := r.get(name, now)
	if ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		if e := r.of[hashOf(name)]; e != nil {
			r.drop(e)
			return value, true
		}
		ok = false // somebody else took it
	}
	return value, ok
}

// drop forgets an element; mu is held.
func (r *remembered[T]) drop(e *list.Element) {
	delete(r.of, r.order.Remove(e).(*memory[T]).key)
}

func randomName() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails, or ends the program
	return base64.RawURLEncoding.EncodeToString(raw)
}
