package bzip2

import "encoding/binary"

// overlap is how many bytes a magic number may reach back from the last byte
// scanned, and more than enough for the test of one.
const overlap = 16

// pairs marks the two-byte values that can stand at the second to fifth byte
// that a magic number touches, at any shift. A magic number covers five bytes
// whole at least, so one of every four places is enough to look at.
var pairs = func() (set [1 << 16 / 64]uint64) {
	for _, magic := range []uint64{blockMagic, streamMagic} {
		for shift := range 8 {
			for at := 1; at <= 4; at++ {
				v := uint16(magic << (16 - shift) >> (64 - 8*at - 16))
				set[v>>6] |= 1 << (v & 63)
			}
		}
	}
	return set
}()

// find appends the bits at which a magic number stands in data, which begins at
// the byte base of the input, in order and only from the bit from on. Those that
// begin in the last 16 bytes may be missing; see overlap.
func find(found []int64, data []byte, base, from int64) []int64 {
	for i := 4; i+overlap <= len(data)+8; i += 4 {
		v := binary.BigEndian.Uint16(data[i:])
		if pairs[v>>6]>>(v&63)&1 == 0 {
			continue
		}
		for at := i - 4; at < i; at++ {
			for shift := range 8 {
				if at+8 > len(data) {
					break
				}
				w := binary.BigEndian.Uint64(data[at:]) << shift >> 16
				if w != blockMagic && w != streamMagic {
					continue
				}
				bit := (base+int64(at))<<3 + int64(shift)
				if bit >= from && (len(found) == 0 || bit > found[len(found)-1]) {
					found = append(found, bit)
				}
			}
		}
	}
	return found
}
