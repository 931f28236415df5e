package speaker

import (
	"sync"

	"depeer/bgp"
)

// maxBatch is how many updates may wait for emit before the sessions wait. The
// message that goes beyond is taken as a whole.
const maxBatch = 4096

// outlet gathers the updates of all sessions for the one caller of emit. Each
// session's stay in their order.
type outlet struct {
	mu    sync.Mutex
	batch []bgp.Update  // guarded by mu
	room  chan struct{} // guarded by mu; closed when there is room again
	ready chan struct{} // holds one where there is something to emit
	dead  chan struct{} // closed when nothing is emitted any more
}

func newOutlet() *outlet {
	return &outlet{room: make(chan struct{}), ready: make(chan struct{}, 1), dead: make(chan struct{})}
}

// push hands updates over. Where there is no room it calls wait, as often as it
// takes, with a channel that is closed when there is. It is false when
// nothing is emitted any more.
func (o *outlet) push(us []bgp.Update, wait func(room <-chan struct{})) bool {
	for {
		select {
		case <-o.dead:
			return false
		default:
		}
		o.mu.Lock()
		if len(o.batch) < maxBatch {
			o.batch = append(o.batch, us...)
			o.mu.Unlock()
			select {
			case o.ready <- struct{}{}:
			default:
			}
			return true
		}
		room := o.room
		o.mu.Unlock()
		wait(room)
	}
}

// take gives what has gathered, and buf's memory for what comes.
func (o *outlet) take(buf []bgp.Update) []bgp.Update {
	clear(buf) // the paths in it
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.batch
	o.batch = buf[:0]
	close(o.room)
	o.room = make(chan struct{})
	return out
}
