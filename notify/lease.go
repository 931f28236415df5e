package notify

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// leaseKey is under which the process that tells is noted. The store forgets it when
// nobody renews it for Config.Lease.
const leaseKey = "notify"

// lease is the right to tell, of which one process has it. It is an economy, not
// the guarantee: should two believe that they have it, the one whose writes fail
// stops, for nothing is sent before it is noted (see leader.dispatch).
type lease struct {
	store    Store
	owner    string
	revision uint64
}

type leaseValue struct {
	Owner string    `json:"owner"`
	At    time.Time `json:"at"`
}

// take tries to get the lease. One of the same owner is taken over: its process is dead.
func (l *lease) take(ctx context.Context, now time.Time) (bool, error) {
	e, err := l.store.Get(ctx, leaseKey)
	if err != nil {
		return false, err
	}
	var v leaseValue
	if e.Value != nil {
		if err := json.Unmarshal(e.Value, &v); err == nil && v.Owner != l.owner {
			return false, nil
		}
	}
	l.revision = e.Revision
	switch err := l.renew(ctx, now); {
	case errors.Is(err, ErrChanged):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, nil
}

func (l *lease) renew(ctx context.Context, now time.Time) error {
	text, err := json.Marshal(leaseValue{Owner: l.owner, At: now.UTC()})
	if err != nil {
		return err
	}
	revision, err := l.store.Put(ctx, leaseKey, text, l.revision)
	if err == nil {
		l.revision = revision
	}
	return err
}

// hold renews the lease until ctx ends, and returns when it is lost: when somebody else has
// it, or when it could not be renewed for three quarters of its time.
func (l *lease) hold(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every / 4)
	defer ticker.Stop()
	good := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		attempt, cancel := context.WithTimeout(ctx, every/4)
		err := l.renew(attempt, time.Now())
		cancel()
		switch {
		case err == nil:
			good = time.Now()
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrChanged), time.Since(good) > every*3/4:
			return
		}
	}
}

// release gives the lease back, so that another takes over at once.
func (l *lease) release(ctx context.Context) {
	_, _ = l.store.Put(ctx, leaseKey, nil, l.revision) // else it ends by itself
}
