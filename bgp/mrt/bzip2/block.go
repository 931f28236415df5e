package bzip2

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Bounds of the format. A block holds at most level*100,000 bytes after its
// first run-length coding, so that its Huffman stage has at most one symbol
// more, in groups of 50, each symbol with a code of at most 20 bits.
const (
	maxBlock     = 900_000
	groupSize    = 50
	maxSelectors = maxBlock/groupSize + 2
	maxCode      = 20
	maxSymbols   = 258 // RUNA, RUNB, 255 places of the move-to-front list, end of block
	maxTables    = 6

	// maxStored is more than the stored bytes of any block can be.
	maxStored = (maxBlock+1)*maxCode/8 + maxSelectors + 1<<14

	blockMagic  = 0x314159265359 // the digits of pi
	streamMagic = 0x177245385090 // the digits of its square root: the end of a stream
)

// errShort says that a block needs bits beyond those it was given.
var errShort = errors.New("the block is cut")

// padding is how many bytes must follow the last bit that a decoder may use, so
// that the limit needs to be looked at once per group only.
const padding = groupSize*maxCode/8 + 24

// fastBits is how many bits one table lookup decodes. 10 bits cover nearly all
// symbols while the six tables stay in 12 KiB of the first-level cache.
const fastBits = 10

// table decodes one Huffman code.
type table struct {
	fast   [1 << fastBits]uint16 // by the next bits: symbol<<5 | length; 0: a longer code, or none
	limit  [maxCode + 2]uint32   // by length: the first 20-bit value that is beyond its codes
	offset [maxCode + 2]int32    // by length: what to add to a code for its index in perm
	perm   [maxSymbols]uint16    // symbols by code
}

// endSymbol stands in tables for the end of the block, whatever its number.
const endSymbol = 511

// build makes the canonical code: by rising length, and by symbol within one.
func (t *table) build(lengths []uint8) error {
	var count [maxCode + 2]uint32
	for _, l := range lengths {
		count[l]++
	}
	var next [maxCode + 2]int32 // index in perm
	code, index := uint32(0), int32(0)
	var first [maxCode + 2]uint32
	for l := 1; l <= maxCode; l++ {
		next[l] = index
		first[l] = code
		t.offset[l] = index - int32(code)
		code += count[l]
		index += int32(count[l])
		if code > 1<<l {
			return errors.New("a Huffman code is oversubscribed")
		}
		t.limit[l] = code << (maxCode - l)
		code <<= 1
	}
	clear(t.fast[:])
	for symbol, l := range lengths {
		s := uint16(symbol)
		if symbol == len(lengths)-1 {
			s = endSymbol
		}
		at := next[l]
		next[l]++
		t.perm[at] = s
		if l <= fastBits {
			span := 1 << (fastBits - l)
			from := int(at-t.offset[l]) * span
			entries := t.fast[from : from+span]
			for i := range entries {
				entries[i] = s<<5 | uint16(l)
			}
		}
	}
	return nil
}

// long decodes a code of more than fastBits bits; no code gives length 0.
func (t *table) long(acc uint64) (symbol, length uint) {
	v := uint32(acc >> (64 - maxCode))
	for l := uint(fastBits + 1); l <= maxCode; l++ {
		if v < t.limit[l] {
			return uint(t.perm[int32(v>>(maxCode-l))+t.offset[l]]), l
		}
	}
	return 0, 0
}

// bitReader reads from the most significant bit on. acc holds n bits, left-aligned.
type bitReader struct {
	data []byte
	pos  int // of the next byte to load
	acc  uint64
	n    uint
}

func bitsAt(data []byte, bit int) bitReader {
	b := bitReader{data: data, pos: bit >> 3}
	b.refill()
	b.take(uint(bit & 7))
	return b
}

// refill leaves at least 56 bits. Bytes that are only half taken are loaded
// again by the next refill, onto the same place.
func (b *bitReader) refill() {
	b.acc |= binary.BigEndian.Uint64(b.data[b.pos:]) >> b.n
	b.pos += int(63-b.n) >> 3
	b.n |= 56
}

func (b *bitReader) take(k uint) uint64 {
	v := b.acc >> 1 >> (63 - k)
	b.acc <<= k
	b.n -= k
	return v
}

func (b *bitReader) offset() int { return b.pos<<3 - int(b.n) }

// decoded is a block after its Huffman stage: what the inverse transform needs.
type decoded struct {
	crc        uint32
	randomised bool
	origin     int         // row of the original text in the sorted matrix
	size       int         // bytes in the block
	count      [256]uint32 // by byte
	runs       []uint32    // the last column in order: length<<8 | byte
	end        int         // bit after the block
}

// scratch is the working memory of one decoder, about 9 MiB where all of it is
// touched. It goes from block to block.
type scratch struct {
	decoded
	tables    [maxTables]table
	selectors [maxSelectors]uint8
	used      [256]uint8 // byte values in use, in order
	lengths   [maxSymbols]uint8
	runBuf    []uint32
	inverse
}

// parse reads the block whose magic stands at the given bit of data. It uses no
// bit at or beyond limit, and says errShort where it would need one; padding
// bytes must follow in data all the same.
func (s *scratch) parse(data []byte, bit, limit int) error {
	b := bitsAt(data, bit)
	err := s.parseBlock(&b, limit)
	if b.offset() > limit {
		return errShort
	}
	s.end = b.offset()
	return err
}

func (s *scratch) parseBlock(b *bitReader, limit int) error {
	if b.take(48) != blockMagic {
		return errors.New("no block begins here")
	}
	b.refill()
	s.crc = uint32(b.take(32))
	b.refill()
	s.randomised = b.take(1) == 1
	s.origin = int(b.take(24))
	symbols := s.parseUsed(b)
	if symbols == 0 {
		return errors.New("a block uses no byte values")
	}
	tables := int(b.take(3))
	if tables < 2 || tables > maxTables {
		return fmt.Errorf("a block has %d Huffman tables instead of 2 to 6", tables)
	}
	selectors, err := s.parseSelectors(b, tables, limit)
	if err != nil {
		return err
	}
	for i := range tables {
		if err := s.parseTable(b, &s.tables[i], symbols+2, limit); err != nil {
			return err
		}
	}
	return s.parseSymbols(b, selectors, limit)
}

// parseUsed reads the map of byte values in use, 16 by 16, and leaves room in b for what follows.
func (s *scratch) parseUsed(b *bitReader) int {
	n := 0
	b.refill()
	ranges := b.take(16)
	for i := range 16 {
		if ranges>>(15-i)&1 == 0 {
			continue
		}
		b.refill()
		used := b.take(16)
		for j := range 16 {
			if used>>(15-j)&1 == 1 {
				s.used[n] = uint8(i<<4 | j)
				n++
			}
		}
	}
	b.refill()
	return n
}

// parseSelectors reads which table each group of symbols uses. Selectors
// beyond those that the largest block can need are read and ignored, as
// encoders exist that write them.
func (s *scratch) parseSelectors(b *bitReader, tables, limit int) ([]uint8, error) {
	n := int(b.take(15))
	if n == 0 {
		return nil, errors.New("a block has no table selectors")
	}
	order := [maxTables]uint8{0, 1, 2, 3, 4, 5}
	for i := range n {
		b.refill()
		k := 0
		for b.take(1) == 1 {
			k++
			if k >= tables {
				return nil, errors.New("a table selector is out of range")
			}
		}
		chosen := order[k]
		copy(order[1:k+1], order[:k])
		order[0] = chosen
		if i < maxSelectors {
			s.selectors[i] = chosen
		}
		if b.offset() > limit {
			return nil, errShort
		}
	}
	return s.selectors[:min(n, maxSelectors)], nil
}

// parseTable reads code lengths, each as the difference from the one before.
func (s *scratch) parseTable(b *bitReader, t *table, symbols, limit int) error {
	b.refill()
	length := int(b.take(5))
	for i := range symbols {
		for {
			if length < 1 || length > maxCode {
				return fmt.Errorf("a Huffman code has a length of %d bits", length)
			}
			b.refill()
			if b.take(1) == 0 {
				break
			}
			length += 1 - 2*int(b.take(1))
			if b.offset() > limit {
				return errShort
			}
		}
		s.lengths[i] = uint8(length)
		if b.offset() > limit {
			return errShort
		}
	}
	return t.build(s.lengths[:symbols])
}

// parseSymbols decodes the Huffman codes, the move-to-front list and the runs
// into s.runs and s.count.
//
// The first 16 places of the list are kept in two words, w0 and w1, the lowest
// byte first: nearly all symbols fall there, and are moved by a few shifts
// without touching memory.
func (s *scratch) parseSymbols(b *bitReader, selectors []uint8, limit int) error {
	if s.runBuf == nil {
		s.runBuf = make([]uint32, maxBlock+groupSize+2)
	}
	runs := s.runBuf
	clear(s.count[:])
	list := &s.list
	copy(list[:], s.used[:])
	w0, w1 := binary.LittleEndian.Uint64(list[0:]), binary.LittleEndian.Uint64(list[8:])
	data, pos, acc, n := b.data, b.pos, b.acc, b.n
	written, total := 0, uint64(0)
	length, shift := uint64(0), uint(0) // of the run at hand, whose byte is the first of the list
	for _, selector := range selectors {
		t := &s.tables[selector%maxTables]
		for range groupSize {
			acc |= binary.BigEndian.Uint64(data[pos:]) >> (n & 63)
			pos += int(63-n) >> 3
			n |= 56
			e := uint(t.fast[acc>>(64-fastBits)])
			symbol, used := e>>5, e&31
			if e == 0 {
				if symbol, used = t.long(acc); used == 0 {
					b.pos, b.n = pos, n
					return errors.New("a Huffman code stands for nothing")
				}
			}
			acc <<= used & 63
			n -= used
			if symbol < 2 {
				length += uint64(symbol+1) << (shift & 63)
				shift++
				continue
			}
			c := uint8(w0)
			runs[written] = uint32(length)<<8 | uint32(c)
			written++
			s.count[c] += uint32(length)
			total += length
			length, shift = 1, 0
			switch at := symbol - 1; {
			case at < 8:
				k := at * 8 & 63
				v := w0 >> k & 0xff
				w0 = w0&(^uint64(0xff)<<k) | w0&(1<<k-1)<<8 | v
			case at < 16:
				k := (at - 8) * 8 & 63
				v := w1 >> k & 0xff
				w1 = w1&(^uint64(0xff)<<k) | w1&(1<<k-1)<<8 | w0>>56
				w0 = w0<<8 | v
			case at < 256:
				v := list[at]
				copy(list[17:at+1], list[16:at])
				list[16] = uint8(w1 >> 56)
				w1 = w1<<8 | w0>>56
				w0 = w0<<8 | uint64(v)
			default: // the end
				b.pos, b.n = pos, n
				s.runs, s.size = runs[:written], int(total)
				if total > maxBlock {
					return errors.New("a block is larger than any level allows")
				}
				return nil
			}
		}
		if total > maxBlock || shift > 20 {
			b.pos, b.n = pos, n
			return errors.New("a block is larger than any level allows")
		}
		if pos<<3-int(n) > limit {
			b.pos, b.n = pos, n
			return errShort
		}
	}
	b.pos, b.n = pos, n
	return errors.New("a block has more symbols than its selectors")
}
