package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// ErrDamaged is wrapped by every error about bytes that are cut, damaged, or say
// what no snapshot says.
var ErrDamaged = errors.New("the snapshot is damaged")

// SchemaError says that a snapshot was written by a program with other types.
// What it held must be learned anew, from the log of what was observed.
type SchemaError struct {
	Found, Wanted [fingerprintSize]byte
}

func (e *SchemaError) Error() string {
	return fmt.Sprintf("the snapshot is of another version of the program (schema %x, wanted %x)", e.Found[:4], e.Wanted[:4])
}

// The layout: magic, fingerprint; frames, each with the length of its payload, a
// checksum and the payload; a frame of length 0, whose payload is the total of
// all others. All numbers of fixed size are little-endian. Each checksum covers
// all that came before it as well, so that frames can neither be lost nor change
// places.
const (
	magic           = "depeer\x00\x01"
	fingerprintSize = 32
	frameSize       = 256 << 10 // of a payload, at most
	frameHead       = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameWriter writes payloads as frames.
type frameWriter struct {
	w     io.Writer
	sum   uint32
	total uint64
}

func newFrameWriter(w io.Writer, fingerprint [fingerprintSize]byte) (*frameWriter, error) {
	head := append([]byte(magic), fingerprint[:]...)
	_, err := w.Write(head)
	return &frameWriter{w: w, sum: crc32.Checksum(head, castagnoli)}, err
}

// write writes a payload of any length but 0.
func (f *frameWriter) write(payload []byte) error {
	for len(payload) > 0 {
		part := payload[:min(len(payload), frameSize)]
		payload = payload[len(part):]
		f.total += uint64(len(part))
		if err := f.frame(part, len(part)); err != nil {
			return err
		}
	}
	return nil
}

func (f *frameWriter) end() error {
	return f.frame(binary.LittleEndian.AppendUint64(nil, f.total), 0)
}

func (f *frameWriter) frame(payload []byte, length int) error {
	var head [frameHead]byte
	binary.LittleEndian.PutUint32(head[:], uint32(length))
	f.sum = crc32.Update(crc32.Update(f.sum, castagnoli, head[:4]), castagnoli, payload)
	binary.LittleEndian.PutUint32(head[4:], f.sum)
	if _, err := f.w.Write(head[:]); err != nil {
		return err
	}
	_, err := f.w.Write(payload)
	return err
}

// frameReader gives out the payloads of frames, each after its checksum was found right.
type frameReader struct {
	r     io.Reader
	sum   uint32
	total uint64
	buf   []byte
}

func newFrameReader(r io.Reader, want [fingerprintSize]byte) (*frameReader, error) {
	var head [len(magic) + fingerprintSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, cut(err)
	}
	if string(head[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrDamaged)
	}
	if found := [fingerprintSize]byte(head[len(magic):]); found != want {
		return nil, &SchemaError{Found: found, Wanted: want}
	}
	return &frameReader{r: r, sum: crc32.Checksum(head[:], castagnoli), buf: make([]byte, frameSize)}, nil
}

// next gives the next payload, which is overwritten by the one after it; nil at
// the end.
func (f *frameReader) next() ([]byte, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return nil, cut(err)
	}
	length := binary.LittleEndian.Uint32(head[:])
	if length > frameSize {
		return nil, fmt.Errorf("%w: a frame of %d octets", ErrDamaged, length)
	}
	payload := f.buf[:length]
	if length == 0 {
		payload = f.buf[:8]
	}
	if _, err := io.ReadFull(f.r, payload); err != nil {
		return nil, cut(err)
	}
	f.sum = crc32.Update(crc32.Update(f.sum, castagnoli, head[:4]), castagnoli, payload)
	if f.sum != binary.LittleEndian.Uint32(head[4:]) {
		return nil, fmt.Errorf("%w: the checksum is wrong after %d octets", ErrDamaged, f.total)
	}
	if length > 0 {
		f.total += uint64(length)
		return payload, nil
	}
	if n := binary.LittleEndian.Uint64(payload); n != f.total {
		return nil, fmt.Errorf("%w: %d octets of %d", ErrDamaged, f.total, n)
	}
	switch n, err := io.ReadFull(f.r, head[:1]); {
	case n > 0:
		return nil, fmt.Errorf("%w: something follows its end", ErrDamaged)
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return nil, nil
}

// cut says of an end that came too early what it means.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut short", ErrDamaged)
	}
	return err
}
