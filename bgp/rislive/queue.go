package rislive

import "sync"

// queueBytes bounds what waits in the queue, whatever the number of messages. As
// much again may be in the hands of the consumer.
const queueBytes = 64 << 20

// queue lies between the reader, who never waits, and the consumer, who may.
type queue struct {
	limit int
	ready chan struct{} // one token where there is something to take

	mu     sync.Mutex
	open   *block // guarded by mu; what is being filled
	spare  *block // guarded by mu; what the consumer gave back
	closed bool   // guarded by mu
}

// block is a run of messages, and what was dropped after the last of them.
type block struct {
	data    []byte
	ends    []int   // where each message ends in data
	arrived []int64 // Unix microseconds
	gap     gap
}

// gap is what was dropped.
type gap struct {
	messages int
	first    []byte // the first of them
	arrived  int64  // when it did, Unix microseconds
}

func (b *block) reset() {
	b.data, b.ends, b.arrived = b.data[:0], b.ends[:0], b.arrived[:0]
	b.gap = gap{first: b.gap.first[:0]}
}

// line gives a message of the block.
func (b *block) line(i int) []byte {
	from := 0
	if i > 0 {
		from = b.ends[i-1]
	}
	return b.data[from:b.ends[i]]
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, ready: make(chan struct{}, 1), open: &block{}, spare: &block{}}
}

// put copies a message into the queue, or drops it.
func (q *queue) put(line []byte, arrived int64) {
	q.mu.Lock()
	b := q.open
	// While the consumer has not taken note of a gap, what follows is part of it.
	if b.gap.messages > 0 || len(b.ends) >= q.limit || len(b.data)+len(line) > queueBytes {
		if b.gap.messages == 0 {
			b.gap.first, b.gap.arrived = append(b.gap.first[:0], line...), arrived
		}
		b.gap.messages++
	} else {
		b.data = append(b.data, line...)
		b.ends = append(b.ends, len(b.data))
		b.arrived = append(b.arrived, arrived)
	}
	q.mu.Unlock()
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// close lets the consumer take what there is, and then come to an end.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
}

// take gives all that waits, or waits for some. The block that was taken before is
// given back with it. It is nil at the end.
func (q *queue) take(back *block) *block {
	if back != nil {
		back.reset()
		q.mu.Lock()
		q.spare = back
		q.mu.Unlock()
	}
	for {
		q.mu.Lock()
		b := q.open
		if len(b.ends) > 0 || b.gap.messages > 0 {
			q.open, q.spare = q.spare, nil
			q.mu.Unlock()
			return b
		}
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return nil
		}
		<-q.ready
	}
}

// len gives how many messages wait.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.open.ends)
}
