package bzip2

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// The inverse Burrows-Wheeler transform follows a chain through all rows of the
// sorted matrix: a load per byte, each of which waits for the one before, in a
// table too large for the near caches. To wait for eight at a time, the chain
// is cut: every row whose number is a multiple of stride begins a fragment,
// which ends where the chain meets another such row. Eight lanes follow eight
// fragments in step, and the fragments are joined in the order of the chain.
const (
	lanes     = 8
	stride    = 1 << strideLog
	strideLog = 10

	tableSize = 1 << 20
	rowMask   = tableSize - 1
	idleRow   = rowMask // points to itself and is no start: for lanes without work

	// laneSize keeps the lanes' outputs from falling onto the same cache sets.
	laneSize = tableSize + 5*64
)

type inverse struct {
	list      [256]uint8
	rows      *[tableSize]uint32 // by row: first byte<<20 | next row
	out       *[lanes * laneSize]byte
	fragments [maxBlock/stride + 2]fragment // by number of start; the last one begins at the origin
	text      []byte
}

// fragment is where a piece of the text lies in out, and which one follows.
type fragment struct {
	from, to int
	next     int
}

// restore turns the runs of the last column into the text of the block. It
// needs an origin below size, and gives a slice that is valid until the next call.
func (s *scratch) restore() []byte {
	s.init()
	s.scatter()
	s.follow()
	text := s.join()
	if s.randomised {
		derandomise(text)
	}
	return text
}

func (s *inverse) init() {
	if s.rows == nil {
		s.rows = new([tableSize]uint32)
		s.out = new([lanes * laneSize]byte)
		s.text = make([]byte, maxBlock)
	}
}

// scatter sorts the last column: row r begins with the byte whose turn it is,
// and its successor in the text is the row at which that byte stood last.
func (s *scratch) scatter() {
	var next [256]uint32
	sum := uint32(0)
	for c, n := range s.count {
		next[c] = sum
		sum += n
	}
	rows := s.rows
	row := uint32(0)
	for _, run := range s.runs {
		c, n := uint8(run), run>>8
		at := next[c]
		next[c] = at + n
		v := uint32(c)<<20 | row
		row += n
		for end := at + n; at < end; at++ {
			rows[at&rowMask] = v
			v++
		}
	}
	rows[idleRow] = idleRow
}

// follow fills s.fragments.
func (s *scratch) follow() {
	rows, out := s.rows, s.out
	starts := (s.size + stride - 1) / stride
	s.fragments[starts] = fragment{}
	todo := starts // goes down: the one from the origin is first
	var lane [lanes]int
	var row [lanes]uint32
	active := 0
	k := uint32(0)
	begin := func(l int) {
		lane[l], row[l] = -1, idleRow
		if todo < 0 {
			return
		}
		lane[l], row[l] = todo, uint32(todo)<<strideLog
		if todo == starts {
			row[l] = uint32(s.origin)
		}
		s.fragments[todo].from = l*laneSize + int(k)
		active++
		todo--
	}
	for l := range lanes {
		begin(l)
	}
	last := uint32(s.size)
	for active > 0 && k < last {
		r0, r1, r2, r3, r4, r5, r6, r7 := row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]
		for k < last {
			r0, r1, r2, r3 = rows[r0&rowMask], rows[r1&rowMask], rows[r2&rowMask], rows[r3&rowMask]
			r4, r5, r6, r7 = rows[r4&rowMask], rows[r5&rowMask], rows[r6&rowMask], rows[r7&rowMask]
			i := k & rowMask
			out[i] = byte(r0 >> 20)
			out[i+laneSize] = byte(r1 >> 20)
			out[i+2*laneSize] = byte(r2 >> 20)
			out[i+3*laneSize] = byte(r3 >> 20)
			out[i+4*laneSize] = byte(r4 >> 20)
			out[i+5*laneSize] = byte(r5 >> 20)
			out[i+6*laneSize] = byte(r6 >> 20)
			out[i+7*laneSize] = byte(r7 >> 20)
			k++
			if r0&(stride-1) == 0 || r1&(stride-1) == 0 || r2&(stride-1) == 0 || r3&(stride-1) == 0 ||
				r4&(stride-1) == 0 || r5&(stride-1) == 0 || r6&(stride-1) == 0 || r7&(stride-1) == 0 {
				break
			}
		}
		row = [lanes]uint32{r0, r1, r2, r3, r4, r5, r6, r7}
		for l := range lanes {
			row[l] &= rowMask
			if row[l]&(stride-1) == 0 {
				f := &s.fragments[lane[l]]
				f.to, f.next = l*laneSize+int(k), int(row[l]>>strideLog)
				active--
				begin(l)
			}
		}
	}
	for l := range lanes { // only a chain that meets no start at all gets here
		if lane[l] >= 0 {
			s.fragments[lane[l]].to = l*laneSize + int(k)
		}
	}
}

// join puts the fragments in the order of the chain, which begins at the
// origin and comes back to it, once or (in a block that repeats itself) more often.
func (s *scratch) join() []byte {
	text := s.text[:0]
	f := &s.fragments[(s.size+stride-1)/stride]
	for len(text) < s.size {
		piece := s.out[f.from:f.to]
		text = append(text, piece[:min(len(piece), s.size-len(text))]...)
		f = &s.fragments[f.next]
	}
	return text
}

// expand undoes the first run-length coding (four equal bytes are followed by
// the number of those that follow) from text into out, as far as both reach. It
// gives how much of each was used. out needs room for 263 bytes to get on.
func expand(text, out []byte) (read, written int) {
	const most = 4 + 255
	i, o := 0, 0
	for i < len(text) {
		for i+11 <= len(text) && o+most+8 <= len(out) {
			w := binary.LittleEndian.Uint64(text[i:])
			x := (w ^ binary.LittleEndian.Uint64(text[i+1:])) | (w ^ binary.LittleEndian.Uint64(text[i+2:])) | (w ^ binary.LittleEndian.Uint64(text[i+3:]))
			binary.LittleEndian.PutUint64(out[o:], w)
			// The lowest bit set is exact: it marks the first byte that equals the three after it.
			zero := (x - 0x0101010101010101) & ^x & 0x8080808080808080
			if zero == 0 {
				i += 8
				o += 8
				continue
			}
			k := bits.TrailingZeros64(zero) >> 3
			i, o = i+k, o+k
			if i+4 == len(text) {
				break
			}
			n := 4 + int(text[i+4])
			c := uint64(text[i]) * 0x0101010101010101
			for j := 0; j < n; j += 8 { // in words: there is room for some bytes too many
				binary.LittleEndian.PutUint64(out[o+j:], c)
			}
			i += 5
			o += n
		}
		if o+most+8 > len(out) {
			return i, o
		}
		if i+11 > len(text) || i+4 >= len(text) {
			return expandTail(text, out, i, o)
		}
	}
	return i, o
}

// expandTail is expand byte by byte, for the last few.
func expandTail(text, out []byte, i, o int) (read, written int) {
	for i < len(text) {
		if o+4+255 > len(out) {
			return i, o
		}
		c := text[i]
		n := 1
		for n < 4 && i+n < len(text) && text[i+n] == c {
			n++
		}
		i += n
		if n == 4 && i < len(text) {
			n += int(text[i])
			i++
		}
		for ; n > 0; n-- {
			out[o] = c
			o++
		}
	}
	return i, o
}

// checksum continues the CRC of the format, which is that of IEEE 802.3 with
// the bits of each byte taken in the other direction. The standard library
// computes the mirrored one many bytes at a time, so the bytes are mirrored
// for it: crc is kept mirrored too, 0 at first; see mirrored.
func checksum(crc uint32, p []byte) uint32 {
	var block [1024]byte
	for len(p) > 0 {
		n := min(len(p), len(block))
		i := 0
		for ; i+8 <= n; i += 8 {
			w := binary.LittleEndian.Uint64(p[i:])
			w = w>>1&0x5555555555555555 | w&0x5555555555555555<<1
			w = w>>2&0x3333333333333333 | w&0x3333333333333333<<2
			w = w>>4&0x0f0f0f0f0f0f0f0f | w&0x0f0f0f0f0f0f0f0f<<4
			binary.LittleEndian.PutUint64(block[i:], w)
		}
		for ; i < n; i++ {
			block[i] = bits.Reverse8(p[i])
		}
		crc = crc32.Update(crc, crc32.IEEETable, block[:n])
		p = p[n:]
	}
	return crc
}

// mirrored turns a finished checksum into the one that a stream holds.
func mirrored(crc uint32) uint32 { return bits.Reverse32(crc) }
