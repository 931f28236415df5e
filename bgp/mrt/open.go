package mrt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	readSize   = 256 << 10 // one read(2) of the source, and one buffer of decompressed bytes
	aheadLimit = 6         // buffers that a decompressor may fill before the reader takes one
	zstdWindow = 64 << 20  // largest window a zstd frame may ask for: what bounds its memory
)

// Expand turns command line arguments into the names that [OpenInput] takes.
// A folder stands for the files below it, in name order; names that begin with
// a dot are skipped there, and so are links to folders. Files, http and https
// addresses and "-" (standard input, at most once) pass as they are. Every
// argument that names nothing readable is reported, all of them together.
func Expand(args []string) ([]string, error) {
	var names []string
	var faults []error
	stdin := false
	for _, arg := range args {
		switch {
		case arg == "-" && stdin:
			faults = append(faults, errors.New("-: standard input can be read only once"))
		case arg == "-":
			stdin = true
			names = append(names, arg)
		case isURL(arg):
			names = append(names, arg)
		default:
			found, err := expandPath(arg)
			if err != nil {
				faults = append(faults, err)
			}
			names = append(names, found...)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return names, nil
}

func isURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

func expandPath(arg string) ([]string, error) {
	if arg == "" {
		return nil, errors.New("an input name is empty")
	}
	st, err := os.Stat(arg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", arg, bareReason(err))
	}
	if !st.IsDir() {
		return []string{arg}, nil
	}
	root := arg
	if link, err := filepath.EvalSymlinks(arg); err == nil && link != filepath.Clean(arg) {
		root = link // WalkDir does not enter a root that is a link
	}
	var names []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", path, bareReason(err))
		case path == root:
			return nil
		case strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() {
				return nil
			}
		case !d.Type().IsRegular():
			return nil
		}
		names = append(names, path)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: the folder holds no files", arg)
	}
	return names, nil
}

// bareReason drops the act and path that the os package puts before a reason:
// our own sentence begins with the name as the user wrote it.
func bareReason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// InputError says where in an input reading failed. Compressed is the offset in
// bytes into the input as stored, up to which the decoder had read;
// Decompressed counts the bytes that came out before.
type InputError struct {
	Name         string
	Compressed   int64
	Decompressed int64
	Err          error
}

func (e *InputError) Error() string {
	return fmt.Sprintf("%s: at byte %d (byte %d decompressed): %v", e.Name, e.Compressed, e.Decompressed, e.Err)
}

func (e *InputError) Unwrap() error { return e.Err }

// Input is one open archive, decompressed. Its format (plain, gzip with any
// number of members, bzip2 with any number of streams, zstd) is told by its
// first bytes, not by its name. Compressed formats are decompressed ahead of
// the reader by goroutines that start with OpenInput and are bounded in memory;
// plain input is read when asked for.
//
// What was decoded before a fault is delivered before the fault is reported, as
// an [*InputError]. An input of zero bytes is an archive of no records and
// reads as such, unless its name ends in .gz, .bz2 or .zst: then it is a cut
// file and gives an error that wraps [io.ErrUnexpectedEOF].
//
// Read and Next are for one goroutine. Close, Consumed and Size may be called
// from any.
type Input struct {
	Name string // as given to OpenInput, an address without its password

	ctx      context.Context
	size     int64
	consumed *counter
	buffered *bufio.Reader
	decoder  decoder // nil: plain
	plain    []byte  // plain: the buffer that Next hands out
	rest     []byte  // handed out by the decoder, not yet taken by Read
	out      int64   // decompressed bytes delivered or waiting in rest
	err      error   // sticky
	unwatch  func() bool
}

// A decoder runs ahead of its reader. Next gives the bytes that follow; they
// are the caller's until it calls Next or Close. An error comes alone, after
// all the bytes. Close ends every goroutine of the decoder and waits for them.
type decoder interface {
	Next() ([]byte, error)
	Close()
}

// counter counts what is read from a source; it also makes Close idempotent,
// because a cancelled context and the owner may both call it.
type counter struct {
	src    io.ReadCloser
	n      atomic.Int64
	closed sync.Once
	err    error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func (c *counter) Close() error {
	c.closed.Do(func() { c.err = c.src.Close() })
	return c.err
}

// OpenInput opens a file, an http or https address, or standard input ("-").
// An address is fetched while it is read, and resumed where its connection
// breaks. Ending ctx fails what is being read with the context's error; Close
// is needed all the same.
func OpenInput(ctx context.Context, name string) (*Input, error) {
	return defaultFetcher.open(ctx, name)
}

func (f *fetcher) open(ctx context.Context, name string) (*Input, error) {
	var src io.ReadCloser
	size := int64(-1)
	switch {
	case name == "-":
		src = detach(os.Stdin)
	case isURL(name):
		d, err := f.get(ctx, name)
		if err != nil {
			return nil, err
		}
		src, size, name = d, d.size, d.shown
	default:
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, bareReason(err))
		}
		if st, err := file.Stat(); err == nil && st.Mode().IsRegular() {
			size = st.Size()
		} else if err == nil && st.IsDir() {
			file.Close()
			return nil, fmt.Errorf("%s: is a folder", name)
		}
		src = file
	}
	return newInput(ctx, name, size, src)
}

func newInput(ctx context.Context, name string, size int64, src io.ReadCloser) (*Input, error) {
	in := &Input{Name: name, ctx: ctx, size: size, consumed: &counter{src: src}}
	in.buffered = bufio.NewReaderSize(in.consumed, readSize)
	in.unwatch = context.AfterFunc(ctx, func() { in.consumed.Close() })
	head, err := in.buffered.Peek(headLen)
	if err == nil || err == io.EOF {
		in.decoder, err = in.newDecoder(head)
	}
	if err != nil {
		in.Close()
		return nil, in.fault(err)
	}
	return in, nil
}

// headLen is how many bytes tell one format from another.
const headLen = 10

// newDecoder chooses by magic bytes. Each is checked so far that no MRT record
// is mistaken for it: a plain archive begins with the time of its first record
// (RFC 6396 section 2), and "BZh9" is 12:06:17 on 2005-04-11.
func (in *Input) newDecoder(head []byte) (decoder, error) {
	r := in.buffered
	has := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case len(head) == 0:
		for _, suffix := range []string{".gz", ".bz2", ".zst"} {
			if strings.HasSuffix(in.Name, suffix) {
				return nil, fmt.Errorf("the file is empty: %w", io.ErrUnexpectedEOF)
			}
		}
		return nil, nil
	case has("\x1f\x8b"):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", unexpected(err))
		}
		return in.newPump("gzip", z, func() { z.Close() }), nil
	case has("BZh") && (len(head) < headLen || has(string(head[:4])+"1AY&SY") || has(string(head[:4])+"\x17\x72\x45\x38\x50\x90")):
		return newBlocks(r), nil
	case has("\x28\xb5\x2f\xfd"), isSkippable(head):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", unexpected(err))
		}
		return in.newPump("zstd", z, z.Close), nil
	case has("\xfd7zXZ\x00"):
		return nil, errors.New("xz is not read: decompress it first")
	case has("PK\x03\x04") && len(head) > 4 && head[4] != 0:
		return nil, errors.New("a zip folder is not read: unpack it first")
	}
	return nil, nil
}

// isSkippable finds the frame that pzstd puts before each of its frames (RFC
// 8878 section 3.1.2). As a time it is 2012-08-14, but then the byte after it
// is the high byte of a record type, which is always 0.
func isSkippable(head []byte) bool {
	return len(head) > 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte("\x2a\x4d\x18")) && head[4] != 0
}

// unexpected makes an end in mid-stream tell itself from a proper end.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Size is the number of bytes of the input as stored, -1 where it is not known
// (standard input, a server that does not tell).
func (in *Input) Size() int64 { return in.size }

// Consumed is the number of stored bytes that have been read so far. It runs
// ahead of what was delivered by no more than the decoder's buffers.
func (in *Input) Consumed() int64 { return in.consumed.n.Load() }

// Next gives the decompressed bytes that follow, some hundred KiB at a time,
// without copying them. They are valid until the next call of Next, Read or
// Close. At the end it gives no bytes and io.EOF.
func (in *Input) Next() ([]byte, error) {
	if len(in.rest) > 0 {
		b := in.rest
		in.rest = nil
		return b, nil
	}
	if in.err != nil {
		return nil, in.err
	}
	if err := in.ctx.Err(); err != nil {
		in.err = in.fault(err)
		return nil, in.err
	}
	var b []byte
	var err error
	if in.decoder != nil {
		b, err = in.decoder.Next()
	} else {
		if in.plain == nil {
			in.plain = make([]byte, readSize)
		}
		b, err = in.readPlain(in.plain)
	}
	in.out += int64(len(b))
	if err != nil {
		in.err = in.fault(err)
	}
	if len(b) > 0 {
		return b, nil
	}
	return nil, in.err
}

// readPlain reads until there is at least one byte or an error.
func (in *Input) readPlain(p []byte) ([]byte, error) {
	for range 100 {
		if n, err := in.buffered.Read(p); n > 0 || err != nil {
			return p[:n], err
		}
	}
	return nil, io.ErrNoProgress
}

// Read is io.Reader.
func (in *Input) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(in.rest) == 0 && in.err == nil && in.decoder == nil && len(p) >= readSize && in.ctx.Err() == nil {
		b, err := in.readPlain(p) // straight into the caller's large buffer
		in.out += int64(len(b))
		if err != nil {
			in.err = in.fault(err)
		}
		if len(b) > 0 {
			return len(b), nil
		}
		return 0, in.err
	}
	if len(in.rest) == 0 {
		b, err := in.Next()
		if err != nil {
			return 0, err
		}
		in.rest = b
	}
	n := copy(p, in.rest)
	in.rest = in.rest[n:]
	return n, nil
}

// fault gives io.EOF as it is, and anything else with its place.
func (in *Input) fault(err error) error {
	if err == io.EOF {
		return io.EOF
	}
	if in.ctx.Err() != nil { // what failed is then only that we closed the source
		err = in.ctx.Err()
	}
	e := &InputError{Name: in.Name, Compressed: in.Consumed(), Decompressed: in.out, Err: err}
	if at, ok := errors.AsType[*decodeError](err); ok {
		e.Compressed, e.Err = at.offset, at.err
	} else if in.decoder == nil { // else the buffer belongs to the decoder's goroutine
		e.Compressed -= int64(in.buffered.Buffered())
	}
	return e
}

// decodeError carries the compressed offset at which a decoder failed out of
// its goroutine.
type decodeError struct {
	offset int64
	err    error
}

func (e *decodeError) Error() string { return e.err.Error() }

// Close ends the decompression and closes the source. It returns when every
// goroutine of this input has ended; only a read of standard input that waits
// for its writer cannot be ended, and is left to end with the process.
func (in *Input) Close() error {
	in.unwatch()
	err := in.consumed.Close()
	if in.decoder != nil {
		in.decoder.Close()
	}
	return err
}
