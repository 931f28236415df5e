// Package bzip2 decompresses bzip2 streams on several cores.
//
// The standard library's decoder uses one core, and a third of what that core
// can do. This one looks for the magic numbers at which blocks begin, at every
// bit, and decodes the blocks apart from each other, as many at a time as there
// are cores (at most 4 in the process, whatever the number of readers). A magic
// number that stands in a block by chance costs time, and changes nothing: the
// block before it says where it really ends.
//
// Bytes come out in order. Every block's checksum is compared before the first
// byte of the block is delivered (of a block that expands to more than 2 MiB,
// before its last), and the stream's at its end. Streams may follow each other
// without a gap, levels 1 to 9 and the randomised blocks of old encoders are
// read. All blocks before a fault are delivered before the fault is reported.
//
// A reader holds at most a few blocks (about 2 MiB each), and each core at work
// about 9 MiB more.
package bzip2

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// FormatError says what is wrong with a stream, and where: the offset in bytes
// into the compressed input of the place (block, header) that is at fault.
// Input that ends within a stream gives one that wraps [io.ErrUnexpectedEOF].
type FormatError struct {
	Offset int64
	Err    error
}

func (e *FormatError) Error() string { return fmt.Sprintf("bzip2: at byte %d: %v", e.Offset, e.Err) }

func (e *FormatError) Unwrap() error { return e.Err }

// Reader decompresses one input. Its methods are for one goroutine, except
// Close.
type Reader struct {
	src     io.Reader
	start   sync.Once
	stop    sync.Once
	done    chan struct{}
	tasks   chan *task // in the order of the input
	readErr error      // why tasks was closed; set before
	running sync.WaitGroup

	window  window
	header  bool   // a stream header is due, not a block
	first   bool   // of the first stream, which must be there
	level   int    // of the stream
	crc     uint32 // of the stream so far
	current *block // being delivered
	rest    []byte // lent by Next to Read
	err     error  // sticky
}

// NewReader decompresses src. Nothing is read before Start, Next or Read.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: src, done: make(chan struct{}), tasks: make(chan *task, workers+1), header: true, first: true}
}

// Start begins to read and decode ahead.
func (r *Reader) Start() {
	r.start.Do(func() { r.running.Go(r.feed) })
}

// Close ends everything that the reader started and waits for it. Where a Read
// of the source may block, close the source first.
func (r *Reader) Close() error {
	r.start.Do(func() { // none after this
		r.readErr = os.ErrClosed
		close(r.tasks)
	})
	r.stop.Do(func() { close(r.done) })
	r.running.Wait()
	return nil
}

// Next gives the bytes that follow, up to 256 KiB, without copying them. They
// are valid until the next call of Next, Read or Close. At the end it gives
// io.EOF, and no bytes.
func (r *Reader) Next() ([]byte, error) {
	if len(r.rest) > 0 {
		p := r.rest
		r.rest = nil
		return p, nil
	}
	r.Start()
	for r.err == nil {
		if r.current != nil {
			p, err := r.current.next()
			if len(p) > 0 {
				return p, nil
			}
			r.err = err
			r.current = nil
			continue
		}
		r.err = r.step()
	}
	return nil, r.err
}

// Read is io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.rest) == 0 {
		b, err := r.Next()
		if err != nil {
			return 0, err
		}
		r.rest = b
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// step reads one header, block or end of stream.
func (r *Reader) step() error {
	if r.header {
		return r.stepHeader()
	}
	if err := r.need(48); err != nil {
		return err
	}
	switch at := r.window.at; r.window.bits(48) {
	case blockMagic:
		return r.stepBlock()
	case streamMagic:
		if err := r.need(80); err != nil {
			return err
		}
		r.window.at += 48
		if sum := uint32(r.window.bits(32)); sum != r.crc {
			return fault(at, errors.New("the checksum of the stream does not match its blocks"))
		}
		r.window.at = (r.window.at + 32 + 7) &^ 7
		r.header, r.crc = true, 0
		return nil
	default:
		return fault(at, errors.New("neither a block nor the end of the stream"))
	}
}

func (r *Reader) stepHeader() error {
	err := r.need(32)
	if left := r.window.end - r.window.at; err != nil {
		switch {
		case r.readErr != io.EOF:
			return err
		case left == 0 && !r.first:
			return io.EOF
		case r.window.bits(int(left)) == 0x425a68<<8>>(32-left) || left == 0:
			return err // cut
		}
		return fault(r.window.at, errNoStream)
	}
	h := r.window.bits(32)
	if h>>8 != 0x425a68 || h&0xff < '1' || h&0xff > '9' {
		return fault(r.window.at, errNoStream)
	}
	r.level = int(h&0xff - '0')
	r.window.at += 32
	r.header, r.first = false, false
	return nil
}

// stepBlock takes the block at the beginning of the window if it was decoded
// ahead from there; else, or where a false magic number had cut it, it decodes
// it itself.
func (r *Reader) stepBlock() error {
	w := &r.window
	b, err := w.takeDecoded()
	if b == nil && err == nil {
		b, err = decode(w.data, w.base, w.at, w.end, r.done)
	}
	switch {
	case err == errShort:
		return r.join() // and again from the same place
	case err == os.ErrClosed:
		return err
	case err != nil:
		return fault(w.at, err)
	case b.size > r.level*100_000:
		return fault(w.at, fmt.Errorf("a block of %d bytes in a stream of level %d", b.size, r.level))
	}
	r.crc = (r.crc<<1 | r.crc>>31) ^ b.wantCRC
	w.at = b.end
	r.current = b
	return nil
}

// need makes sure that the window holds n more bits.
func (r *Reader) need(n int64) error {
	for r.window.end-r.window.at < n {
		if err := r.join(); err != nil {
			return err
		}
	}
	return nil
}

// join appends at least as many further bytes to the window as it holds, so
// that a block with many false magic numbers is decoded again only a few times.
func (r *Reader) join() error {
	want := r.window.end + (r.window.end - r.window.at)
	for joined := 0; ; joined++ {
		t, ok := <-r.tasks
		if !ok && joined > 0 {
			return nil
		} else if !ok {
			if r.readErr == io.EOF {
				return fault(r.window.end, fmt.Errorf("the stream is cut: %w", io.ErrUnexpectedEOF))
			}
			return r.readErr
		}
		r.window.append(t)
		if r.window.end >= want {
			return nil
		}
	}
}

var errNoStream = errors.New("no bzip2 stream begins here")

// fault gives the place of a bit.
func fault(bit int64, err error) error {
	return &FormatError{Offset: bit >> 3, Err: err}
}
