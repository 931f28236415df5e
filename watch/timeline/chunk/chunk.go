package chunk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// Row is one change; what it names is numbered.
type Row struct {
	At, Recorded int64  // Unix microseconds
	Prefix       uint32 // batches: place in Batch.Prefixes; chunks: not stored
	Peer         uint32
	Path         uint32 // 0: none
	PathID       uint32 // RFC 7911
	Word         uint32 // the set of hosters, or the cause; 0: none
	What         uint8  // timeline.What
}

// What of timeline that follows from there being a path.
const announced, withdrawn = 1, 2

// ErrDamaged is wrapped by every error about bytes that no program of this version wrote.
var ErrDamaged = errors.New("the packed changes are damaged")

func damaged(what string) error { return fmt.Errorf("%w: %s", ErrDamaged, what) }

const (
	version = 1
	plain   = 0 // the columns follow
	packed  = 1 // they follow as one zstd frame (RFC 8878)

	header     = 6       // version, form, CRC-32C of what follows
	worthwhile = 48      // octets below which zstd does not help
	maxRaw     = 1 << 26 // octets of columns
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	encoder, _ = zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(4), zstd.WithWindowSize(1<<20),
		zstd.WithLowerEncoderMem(true))
	decoder, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(4), zstd.WithDecoderMaxMemory(maxRaw))
)

// seal appends the columns with their header, compressed where that is shorter.
func seal(dst, raw []byte) []byte {
	start := len(dst)
	dst = append(dst, version, plain, 0, 0, 0, 0)
	if len(raw) >= worthwhile {
		dst = encoder.EncodeAll(raw, dst)
		dst[start+1] = packed
	}
	if n := len(dst) - start - header; n == 0 || n >= len(raw) {
		dst = append(dst[:start+header], raw...)
		dst[start+1] = plain
	}
	binary.BigEndian.PutUint32(dst[start+2:], crc32.Checksum(dst[start+header:], castagnoli))
	return dst
}

// open checks the header and gives the columns.
func open(body []byte) ([]byte, error) {
	if len(body) < header {
		return nil, damaged("cut short")
	}
	if body[0] != version {
		return nil, fmt.Errorf("packed changes of version %d, and this program reads version %d", body[0], version)
	}
	rest := body[header:]
	if crc32.Checksum(rest, castagnoli) != binary.BigEndian.Uint32(body[2:]) {
		return nil, damaged("wrong checksum")
	}
	switch body[1] {
	case plain:
		return rest, nil
	case packed:
		raw, err := decoder.DecodeAll(rest, nil)
		if err != nil {
			return nil, damaged(err.Error())
		}
		return raw, nil
	}
	return nil, damaged("an unknown form")
}

// Append appends a chunk of rows, which are in order of At. Row.Prefix is not stored.
func Append(dst []byte, rows []Row) []byte {
	raw := make([]byte, 0, 64+8*len(rows))
	raw = appendColumns(raw, rows, true)
	return seal(dst, raw)
}

// Decode appends the rows of a chunk to dst.
func Decode(dst []Row, body []byte) ([]Row, error) {
	raw, err := open(body)
	if err != nil {
		return dst, err
	}
	r := reader{rest: raw}
	out := r.columns(dst, true)
	if r.err == nil && len(r.rest) > 0 {
		r.err = damaged("more than was promised")
	}
	if r.err != nil {
		return dst, r.err
	}
	return out, nil
}
