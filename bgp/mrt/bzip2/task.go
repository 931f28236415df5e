package bzip2

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
)

// workers bounds the blocks that are decoded at the same time in the process.
// Four give more bytes than one reader of routes takes; more would only take memory.
var workers = min(runtime.GOMAXPROCS(0), 4)

// slots holds one token per worker; scratches the memory they work in.
var (
	slots     = make(chan struct{}, workers)
	scratches = sync.Pool{New: func() any { return new(scratch) }}
	outputs   = sync.Pool{New: func() any { return new([outputSize]byte) }}
)

const (
	outputSize   = 256 << 10 // bytes that Next hands out at a time
	eagerOutputs = 8         // of these are made before a block is asked for
	readSize     = 256 << 10
)

// task is a piece of the input, from one magic number (or the beginning) to the
// next. If it is a block, it is being decoded.
type task struct {
	data       []byte        // from the byte of its first bit; padding follows
	start, end int64         // bits of the input
	done       chan struct{} // of a block: closed when block and err are set
	block      *block
	err        error
}

// feed cuts the input into tasks, until it ends or the reader is closed.
func (r *Reader) feed() {
	defer close(r.tasks)
	var found []int64
	var buf []byte    // input from the byte of start on
	start := int64(0) // bit at which the next task begins
	scanned := 0      // how much of buf was looked through
	for empty := 0; ; {
		buf = slices.Grow(buf, readSize)
		n, err := r.src.Read(buf[len(buf):cap(buf)])
		if empty++; n > 0 {
			empty = 0
		} else if err == nil && empty == 100 {
			err = io.ErrNoProgress
		}
		buf = buf[:len(buf)+n]
		base := start >> 3
		found = find(found[:0], buf[scanned:], base+int64(scanned), start+1)
		if err != nil {
			found = append(found, (base+int64(len(buf)))<<3)
		} else if rest := len(buf) - int(last(found, start)>>3-base); rest > maxStored+overlap {
			// No block is as long: what is wrong here will be found by whoever decodes it.
			found = append(found, (base+int64(len(buf)-overlap))<<3)
		}
		for _, bit := range found {
			if !r.send(buf[start>>3-base:(bit+7)>>3-base], start, bit) {
				r.readErr = os.ErrClosed
				return
			}
			start = bit
		}
		if err != nil {
			r.readErr = err
			return
		}
		if used := start>>3 - base; used > 0 {
			buf = buf[:copy(buf, buf[used:])]
		}
		scanned = max(len(buf)-overlap, 0)
	}
}

func last(found []int64, otherwise int64) int64 {
	if len(found) > 0 {
		return found[len(found)-1]
	}
	return otherwise
}

// send makes a task of the stored bytes from the bit start to the bit end, and
// begins to decode it if it is a block. It waits while enough tasks are under way.
func (r *Reader) send(stored []byte, start, end int64) bool {
	t := &task{data: make([]byte, len(stored)+padding), start: start, end: end}
	copy(t.data, stored)
	if binary.BigEndian.Uint64(t.data)<<(start&7)>>16 == blockMagic {
		t.done = make(chan struct{})
	}
	select {
	case r.tasks <- t:
	case <-r.done:
		return false
	}
	if t.done != nil {
		r.running.Go(func() {
			defer close(t.done)
			t.block, t.err = decode(t.data, t.start&^7, t.start, t.end, r.done)
		})
	}
	return true
}

// window is the stretch of input from which the reader takes its next piece:
// one task as a rule, several where a false magic number had cut a block.
type window struct {
	data    []byte // padding follows
	base    int64  // bit of the input at which data begins, a multiple of 8
	at      int64  // bit to read next
	end     int64
	decoded *task // a block decoded ahead, at the bit at
}

// append adds a task. What was decoded ahead of it counts only if it stands at
// the beginning of the window: elsewhere its magic number may be a false one.
func (w *window) append(t *task) {
	if w.at == w.end { // as a rule
		w.data, w.base, w.at, w.end = t.data, t.start&^7, t.start, t.end
		if w.decoded = nil; t.done != nil {
			w.decoded = t
		}
		return
	}
	if t.done != nil {
		<-t.done
		t.block.release()
	}
	kept := w.data[(w.at-w.base)>>3 : (t.start-w.base)>>3]
	w.data = append(append(make([]byte, 0, len(kept)+len(t.data)), kept...), t.data...)
	w.base = w.at &^ 7
	w.end = t.end
	w.decoded = nil
}

// bits gives the next n bits, at most 48, without taking them.
func (w *window) bits(n int) uint64 {
	at := w.at - w.base
	return binary.BigEndian.Uint64(w.data[at>>3:]) << (at & 7) >> (64 - n)
}

// takeDecoded gives the block that was decoded ahead; nil if there is none.
func (w *window) takeDecoded() (*block, error) {
	t := w.decoded
	if t == nil || t.start != w.at {
		return nil, nil
	}
	w.decoded = nil
	<-t.done
	return t.block, t.err
}

// block is a decoded block on its way to the reader.
type block struct {
	size    int   // before expansion
	end     int64 // bit of the input
	start   int64
	wantCRC uint32
	crc     uint32 // mirrored, of what was made so far
	outputs []output
	given   int
	text    []byte // what is not expanded yet, of a block that expands to much
}

type output struct {
	buf *[outputSize]byte
	n   int
}

// decode decodes the block at the bit start of the input; data begins at the
// bit base. It waits for one of the process's slots.
func decode(data []byte, base, start, end int64, done <-chan struct{}) (*block, error) {
	select {
	case slots <- struct{}{}:
	case <-done:
		return nil, os.ErrClosed
	}
	defer func() { <-slots }()
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	if err := s.parse(data, int(start-base), int(end-base)); err != nil {
		return nil, err
	}
	if s.origin >= s.size {
		return nil, errors.New("a block begins beyond its end")
	}
	b := &block{size: s.size, start: start, end: base + int64(s.end), wantCRC: s.crc}
	b.text = s.restore()
	for range eagerOutputs {
		b.outputs = append(b.outputs, b.expand())
		if len(b.text) == 0 {
			b.text = nil
			if err := b.check(); err != nil {
				b.release()
				return nil, err
			}
			return b, nil
		}
	}
	b.text = append([]byte(nil), b.text...) // the scratch goes on to the next block
	return b, nil
}

// expand makes the next output.
func (b *block) expand() output {
	o := output{buf: outputs.Get().(*[outputSize]byte)}
	i, n := expand(b.text, o.buf[:])
	o.n = n
	b.text = b.text[i:]
	b.crc = checksum(b.crc, o.buf[:n])
	return o
}

func (b *block) check() error {
	if mirrored(b.crc) != b.wantCRC {
		return errors.New("the checksum of a block does not match its bytes")
	}
	return nil
}

// next gives the bytes that follow, and takes back those that it gave before.
// At the end it gives nothing, and an error if the block proves to be wrong.
func (b *block) next() ([]byte, error) {
	if b.given > 0 {
		outputs.Put(b.outputs[b.given-1].buf)
		b.outputs[b.given-1].buf = nil
	}
	if b.given == len(b.outputs) {
		if len(b.text) == 0 {
			return nil, nil
		}
		b.outputs = append(b.outputs, b.expand())
		if len(b.text) == 0 {
			if err := b.check(); err != nil {
				return nil, fault(b.start, err)
			}
		}
	}
	o := b.outputs[b.given]
	b.given++
	return o.buf[:o.n], nil
}

// release gives back what was not delivered.
func (b *block) release() {
	if b == nil {
		return
	}
	for _, o := range b.outputs[b.given:] {
		outputs.Put(o.buf)
	}
	b.outputs = nil
}
