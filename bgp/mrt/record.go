package mrt

import (
	"encoding/binary"
	"fmt"
	"io"
)

// headerLen is the size of the common header (RFC 6396 section 2).
const headerLen = 12

// maxRecord is the longest record that is believed. The longest that any
// collector writes is a RIB record: 65,535 entries would have to carry 256
// octets each to reach it. A longer one is a torn archive.
const maxRecord = 16 << 20

// Record is one MRT record (RFC 6396 section 2).
type Record struct {
	Sec     uint32 // seconds since 1970-01-01 UTC
	Micro   uint32 // microseconds, from the extended header (RFC 6396 section 3)
	Type    uint16
	Subtype uint16
	Body    []byte // without the extended header; valid until the next call of Next
}

// A blockSource gives its bytes in blocks that it owns, as [Input] does.
type blockSource interface {
	Next() ([]byte, error)
}

// readerBlocks makes blocks of any reader.
type readerBlocks struct {
	r   io.Reader
	buf []byte
}

func (b *readerBlocks) Next() ([]byte, error) {
	if b.buf == nil {
		b.buf = make([]byte, 256<<10)
	}
	for range 100 {
		n, err := b.r.Read(b.buf)
		if n > 0 {
			return b.buf[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, io.ErrNoProgress
}

// Reader cuts an archive into records. Records that lie within a block of the
// source are not copied.
type Reader struct {
	name   string
	src    blockSource
	block  []byte // what is left of the source's block
	spill  []byte // a record that lies across blocks
	err    error
	offset int64 // where the next record begins
	count  int   // records read
}

// NewReader reads records from r. The name is for errors.
func NewReader(name string, r io.Reader) *Reader {
	src, ok := r.(blockSource)
	if !ok {
		src = &readerBlocks{r: r}
	}
	return &Reader{name: name, src: src}
}

// Records gives how many records were read.
func (r *Reader) Records() int { return r.count }

// Offset gives where the next record begins, in bytes of the decompressed archive.
func (r *Reader) Offset() int64 { return r.offset }

// CutError says where an archive broke off, or stopped to make sense. Everything
// before it was delivered.
type CutError struct {
	Name   string
	Record int   // the record that is not whole, counted from 1
	Offset int64 // where it begins, in bytes of the decompressed archive
	Err    error // why
}

func (e *CutError) Error() string {
	return fmt.Sprintf("%s: record %d at byte %d: %v", e.Name, e.Record, e.Offset, e.Err)
}

// Unwrap gives the reason.
func (e *CutError) Unwrap() error { return e.Err }

func (r *Reader) cut(err error) error {
	r.err = &CutError{Name: r.name, Record: r.count + 1, Offset: r.offset, Err: err}
	r.block = nil
	return r.err
}

// Next reads a record. At the end of the archive it gives io.EOF, anywhere else
// a [*CutError]; both for ever.
func (r *Reader) Next(rec *Record) error {
	b := r.block
	if len(b) < headerLen {
		return r.across(rec)
	}
	n := int64(binary.BigEndian.Uint32(b[8:])) + headerLen
	if n > int64(len(b)) {
		return r.across(rec)
	}
	r.block = b[n:]
	r.offset += n
	r.count++
	return r.header(rec, b[:n])
}

// header takes a whole record apart.
func (r *Reader) header(rec *Record, b []byte) error {
	rec.Sec = binary.BigEndian.Uint32(b)
	rec.Type = binary.BigEndian.Uint16(b[4:])
	rec.Subtype = binary.BigEndian.Uint16(b[6:])
	rec.Micro = 0
	rec.Body = b[headerLen:]
	if extended(rec.Type) && len(rec.Body) >= 4 {
		rec.Micro = binary.BigEndian.Uint32(rec.Body)
		rec.Body = rec.Body[4:]
	}
	return nil
}

// extended: the types with a microsecond field behind the common header (RFC
// 6396 sections 3 and 4; the _ET variants of ISIS and OSPFv3 as well).
func extended(t uint16) bool { return t == typeBGP4MPET || t == typeISISET || t == typeOSPFv3ET }

// across reads a record that does not lie in the block as a whole.
func (r *Reader) across(rec *Record) error {
	if r.err != nil {
		return r.err
	}
	r.spill = r.spill[:0]
	if err := r.more(headerLen); err != nil {
		if err == io.EOF && len(r.spill) == 0 {
			r.err = io.EOF
			return io.EOF
		}
		return r.cut(r.shortage(err, headerLen))
	}
	n := int64(binary.BigEndian.Uint32(r.spill[8:])) + headerLen
	if n > maxRecord {
		return r.cut(fmt.Errorf("impossible length %d (type %d, subtype %d): the archive is torn",
			n-headerLen, binary.BigEndian.Uint16(r.spill[4:]), binary.BigEndian.Uint16(r.spill[6:])))
	}
	if err := r.more(int(n)); err != nil {
		return r.cut(r.shortage(err, int(n)))
	}
	r.offset += n
	r.count++
	return r.header(rec, r.spill)
}

func (r *Reader) shortage(err error, want int) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("cut after %d of %d bytes: %w", len(r.spill), want, err)
}

// more fills the spill up to n bytes.
func (r *Reader) more(n int) error {
	for len(r.spill) < n {
		if len(r.block) == 0 {
			b, err := r.src.Next()
			if err != nil {
				return err
			}
			r.block = b
			continue
		}
		k := min(n-len(r.spill), len(r.block))
		r.spill = append(r.spill, r.block[:k]...)
		r.block = r.block[k:]
	}
	return nil
}

// extend adds the n bytes that follow to the record just read, unless what
// comes after them is neither the end nor a record of the same type.
func (r *Reader) extend(rec *Record, n int) bool {
	if r.err != nil {
		return false
	}
	body := append([]byte(nil), rec.Body...)
	if len(r.block) < n+headerLen {
		r.spill = r.spill[:0]
		err := r.more(n + headerLen)
		// Put back what was only looked at; the block it came from may be gone.
		r.block = append(append([]byte(nil), r.spill...), r.block...)
		if err == io.EOF && len(r.block) != n || err != nil && err != io.EOF {
			return false // Next will meet it again
		}
	}
	if len(r.block) > n && binary.BigEndian.Uint16(r.block[n+4:]) != rec.Type {
		return false
	}
	rec.Body = append(body, r.block[:n]...)
	r.block = r.block[n:]
	r.offset += int64(n)
	return true
}
