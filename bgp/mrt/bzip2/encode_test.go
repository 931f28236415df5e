package bzip2

import (
	"bytes"
	"hash/crc32"
	"math/bits"
	"sort"
)

// encoder writes streams with the oddities that no present-day encoder makes.
// It is slow and compresses badly.
type encoder struct {
	level      int
	randomised bool
	rubbish    []uint64 // 48-bit values written as selectors that no symbol needs
	bits       []byte   // one bit each
	crc        uint32
}

func (e *encoder) write(n int, v uint64) {
	for n--; n >= 0; n-- {
		e.bits = append(e.bits, byte(v>>n&1))
	}
}

// encode makes one stream of the given blocks.
func (e encoder) encode(blocks ...[]byte) []byte {
	e.bits, e.crc = nil, 0
	e.write(24, 0x425a68)
	e.write(8, uint64('0'+e.level))
	for _, b := range blocks {
		e.block(b)
	}
	e.write(48, streamMagic)
	e.write(32, uint64(e.crc))
	out := make([]byte, (len(e.bits)+7)/8)
	for i, b := range e.bits {
		out[i/8] |= b << (7 - i%8)
	}
	return out
}

func slowChecksum(data []byte) uint32 {
	mirror := make([]byte, len(data))
	for i, b := range data {
		mirror[i] = bits.Reverse8(b)
	}
	return bits.Reverse32(crc32.ChecksumIEEE(mirror))
}

func (e *encoder) block(data []byte) {
	sum := slowChecksum(data)
	e.crc = (e.crc<<1 | e.crc>>31) ^ sum
	text := collapse(data)
	if e.randomised {
		for i, at := 0, int(randomSteps[0])-2; at < len(text); at += int(randomSteps[i]) {
			text[at] ^= 1
			i = (i + 1) % 512
		}
	}
	column, origin := transform(text)
	e.write(48, blockMagic)
	e.write(32, uint64(sum))
	if e.write(1, 0); e.randomised {
		e.bits[len(e.bits)-1] = 1
	}
	e.write(24, uint64(origin))
	symbols, used := moveToFront(column)
	e.usedMap(used)
	alphabet := bits.OnesCount64(used[0]) + bits.OnesCount64(used[1]) + bits.OnesCount64(used[2]) + bits.OnesCount64(used[3]) + 2
	groups := (len(symbols) + groupSize - 1) / groupSize
	selectors := make([]byte, 0, 1000)
	for i := range groups {
		for range i % 3 {
			selectors = append(selectors, 1)
		}
		selectors = append(selectors, 0)
	}
	count := groups
	for _, r := range e.rubbish {
		for i := 47; i >= 0; i-- {
			selectors = append(selectors, byte(r>>i&1))
		}
		selectors = append(selectors, 0)
	}
	for _, b := range selectors[len(selectors)-49*len(e.rubbish):] {
		count += 1 - int(b)
	}
	e.write(3, 6)
	e.write(15, uint64(count))
	e.bits = append(e.bits, selectors...)
	code := completeCode(alphabet)
	for range 6 {
		e.lengths(code)
	}
	for _, s := range symbols {
		e.write(code[s].length, code[s].bits)
	}
}

func (e *encoder) usedMap(used [4]uint64) {
	ranges := uint64(0)
	for i := range 16 {
		if used[i/4]>>(i%4*16)&0xffff != 0 {
			ranges |= 1 << (15 - i)
		}
	}
	e.write(16, ranges)
	for i := range 256 {
		if ranges>>(15-i/16)&1 == 1 {
			e.write(1, used[i/64]>>(i%64)&1)
		}
	}
}

// collapse is the first run-length coding.
func collapse(data []byte) (text []byte) {
	for i := 0; i < len(data); {
		n := 1
		for n < 4+255 && i+n < len(data) && data[i+n] == data[i] {
			n++
		}
		text = append(text, data[i:i+min(n, 4)]...)
		if n >= 4 {
			text = append(text, byte(n-4))
		}
		i += n
	}
	return text
}

// transform is the Burrows-Wheeler transform.
func transform(text []byte) (column []byte, origin int) {
	twice := append(bytes.Clone(text), text...)
	rows := make([]int, len(text))
	for i := range rows {
		rows[i] = i
	}
	sort.SliceStable(rows, func(i, j int) bool {
		return bytes.Compare(twice[rows[i]:rows[i]+len(text)], twice[rows[j]:rows[j]+len(text)]) < 0
	})
	for i, r := range rows {
		if r == 0 {
			origin = i
		}
		column = append(column, twice[r+len(text)-1])
	}
	return column, origin
}

func moveToFront(column []byte) (symbols []int, used [4]uint64) {
	for _, c := range column {
		used[c/64] |= 1 << (c % 64)
	}
	var list []byte
	for c := range 256 {
		if used[c/64]>>(c%64)&1 == 1 {
			list = append(list, byte(c))
		}
	}
	run := 0
	flush := func() {
		for ; run > 0; run = (run - 1) / 2 {
			symbols = append(symbols, (run-1)%2)
		}
	}
	for _, c := range column {
		at := bytes.IndexByte(list, c)
		if at == 0 {
			run++
			continue
		}
		flush()
		symbols = append(symbols, at+1)
		copy(list[1:], list[:at])
		list[0] = c
	}
	flush()
	return append(symbols, len(list)+1), used
}

type code struct {
	length int
	bits   uint64
}

// completeCode has codes of two lengths at most, with no bit pattern left over.
func completeCode(symbols int) []code {
	short := bits.Len(uint(symbols)) - 1
	codes := make([]code, symbols)
	next := uint64(0)
	for i := range codes {
		length := short
		if i >= 2<<short-symbols {
			length = short + 1
		}
		if i > 0 && length > codes[i-1].length {
			next <<= 1
		}
		codes[i] = code{length, next}
		next++
	}
	return codes
}

func (e *encoder) lengths(codes []code) {
	at := codes[0].length
	e.write(5, uint64(at))
	for _, c := range codes {
		for ; at < c.length; at++ {
			e.write(2, 2)
		}
		e.write(1, 0)
	}
}
