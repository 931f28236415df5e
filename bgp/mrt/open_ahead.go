package mrt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"depeer/bgp/mrt/bzip2"
)

// pump runs a decompressor in a goroutine of its own, ahead of the reader by at
// most aheadLimit buffers, which go round between the two.
type pump struct {
	format string
	src    io.Reader
	offset func() int64 // stored bytes that the decompressor has taken
	full   chan chunk
	free   chan []byte
	done   chan struct{} // closed by Close: nobody reads any more
	stop   sync.Once
	ended  sync.WaitGroup
	last   []byte // lent to the reader
}

type chunk struct {
	data []byte
	err  error // without data
}

func (in *Input) newPump(format string, src io.Reader, release func()) *pump {
	p := &pump{format: format, src: src, full: make(chan chunk, aheadLimit+1), free: make(chan []byte, aheadLimit), done: make(chan struct{})}
	p.offset = func() int64 { return in.Consumed() - int64(in.buffered.Buffered()) }
	for range aheadLimit {
		p.free <- nil // made when first needed: a small file needs one
	}
	p.ended.Go(func() {
		defer release()
		p.run()
	})
	return p
}

func (p *pump) run() {
	defer close(p.full)
	for {
		var buf []byte
		select {
		case buf = <-p.free:
		case <-p.done:
			return
		}
		if buf == nil {
			buf = make([]byte, readSize)
		}
		n, err := fill(p.src, buf[:readSize])
		if n > 0 {
			p.full <- chunk{data: buf[:n]} // never blocks: a place for each buffer, and one for the error
		}
		if err == nil {
			continue
		}
		if err != io.EOF {
			err = &decodeError{p.offset(), fmt.Errorf("%s: %w", p.format, err)}
		}
		p.full <- chunk{err: err}
		return
	}
}

// fill is io.ReadFull without its io.ErrUnexpectedEOF for a short read, which
// could not be told from that of a cut stream.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}

func (p *pump) Next() ([]byte, error) {
	if p.last != nil {
		p.free <- p.last
		p.last = nil
	}
	c, ok := <-p.full
	if !ok {
		return nil, os.ErrClosed
	}
	p.last = c.data
	return c.data, c.err
}

func (p *pump) Close() {
	p.stop.Do(func() { close(p.done) })
	p.ended.Wait()
}

// blocks is the decoder of bzip2, which runs ahead by itself.
type blocks struct{ reader *bzip2.Reader }

func newBlocks(src io.Reader) blocks {
	b := blocks{bzip2.NewReader(src)}
	b.reader.Start()
	return b
}

func (b blocks) Next() ([]byte, error) {
	p, err := b.reader.Next()
	if at, ok := errors.AsType[*bzip2.FormatError](err); ok {
		err = &decodeError{at.Offset, fmt.Errorf("bzip2: %w", at.Err)}
	}
	return p, err
}

func (b blocks) Close() { b.reader.Close() }

// detached reads a source whose reads cannot be ended, as those of standard
// input: Close ends the wait of the reader, while the read itself stays behind.
type detached struct {
	asked chan []byte
	got   chan readResult
	done  chan struct{}
	stop  sync.Once
	buf   []byte // filled by the goroutine between asked and got
	rest  []byte
	err   error
}

type readResult struct {
	n   int
	err error
}

func detach(src io.Reader) *detached {
	d := &detached{asked: make(chan []byte), got: make(chan readResult, 1), done: make(chan struct{}), buf: make([]byte, readSize)}
	go func() {
		for {
			select {
			case p := <-d.asked:
				n, err := src.Read(p)
				d.got <- readResult{n, err}
			case <-d.done:
				return
			}
		}
	}()
	return d
}

func (d *detached) Read(p []byte) (int, error) {
	if len(d.rest) == 0 && d.err == nil {
		select {
		case d.asked <- d.buf:
		case <-d.done:
			return 0, os.ErrClosed
		}
		select {
		case r := <-d.got:
			d.rest, d.err = d.buf[:r.n], r.err
		case <-d.done:
			return 0, os.ErrClosed
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	if len(d.rest) == 0 {
		return n, d.err
	}
	return n, nil
}

func (d *detached) Close() error {
	d.stop.Do(func() { close(d.done) })
	return nil
}

// Queue opens inputs one after the other, the next ones early: their first
// bytes are fetched and decompressed while the present one is read. See
// [Prefetch].
type Queue struct {
	ctx     context.Context
	cancel  context.CancelFunc
	names   []string
	ahead   int
	pending []chan opened
}

type opened struct {
	in  *Input
	err error
}

// Prefetch opens the named inputs in their order, up to ahead of them before
// they are asked for (at least 0). Each open input holds at most about 8 MiB of
// decompressed bytes, so that a small number keeps every core busy over many
// small files without holding many files in memory.
func Prefetch(ctx context.Context, names []string, ahead int) *Queue {
	q := &Queue{names: names, ahead: max(ahead, 0)}
	q.ctx, q.cancel = context.WithCancel(ctx)
	return q
}

// Next gives the next input, which the caller closes. An error is about one
// name; the following call goes on with the next name. At the end of the list
// it gives io.EOF.
func (q *Queue) Next() (*Input, error) {
	for len(q.names) > 0 && len(q.pending) <= q.ahead {
		name := q.names[0]
		q.names = q.names[1:]
		c := make(chan opened, 1)
		q.pending = append(q.pending, c)
		go func() {
			in, err := OpenInput(q.ctx, name)
			c <- opened{in, err}
		}()
	}
	if len(q.pending) == 0 {
		return nil, io.EOF
	}
	o := <-q.pending[0]
	q.pending = q.pending[1:]
	return o.in, o.err
}

// Close closes the inputs that were opened early and not asked for, and fails
// those that were with the context's error.
func (q *Queue) Close() {
	q.cancel()
	for _, c := range q.pending {
		if o := <-c; o.in != nil {
			o.in.Close()
		}
	}
	q.pending, q.names = nil, nil
}
