package chunk

import "encoding/binary"

// Columns that say the same of every row, or nothing, are left out.
const (
	oneRecorded = 1 << iota // all were recorded at the time of the first
	oneWord                 // all have the word of the first
	noPathIDs               // no row has a path id
	plainWhat               // what follows from the path: announced with one, withdrawn without
)

// scales are the steps of time that are tried: archives tell whole seconds.
var scales = [...]int64{1_000_000, 1_000, 1}

func scaleOf(rows []Row, at func(*Row) int64) byte {
	for i, s := range scales {
		fits := true
		for j := range rows {
			if at(&rows[j])%s != 0 {
				fits = false
				break
			}
		}
		if fits {
			return byte(i)
		}
	}
	return byte(len(scales) - 1)
}

func atOf(r *Row) int64       { return r.At }
func recordedOf(r *Row) int64 { return r.Recorded }

// appendColumns writes the rows, column by column. sorted: they are in order of At.
func appendColumns(b []byte, rows []Row, sorted bool) []byte {
	b = binary.AppendUvarint(b, uint64(len(rows)))
	if len(rows) == 0 {
		return b
	}
	flags := flagsOf(rows)
	atScale, recScale := scaleOf(rows, atOf), scaleOf(rows, recordedOf)
	b = append(b, flags, atScale<<4|recScale)
	s := scales[atScale]
	last := rows[0].At / s
	b = binary.AppendVarint(b, last)
	for i := range rows[1:] {
		at := rows[i+1].At / s
		if sorted {
			b = binary.AppendUvarint(b, uint64(at-last))
		} else {
			b = binary.AppendVarint(b, at-last)
		}
		last = at
	}
	s = scales[recScale]
	last = rows[0].Recorded / s
	b = binary.AppendVarint(b, last)
	if flags&oneRecorded == 0 {
		for i := range rows[1:] {
			at := rows[i+1].Recorded / s
			b = binary.AppendVarint(b, at-last)
			last = at
		}
	}
	if !sorted {
		for i := range rows {
			b = binary.AppendUvarint(b, uint64(rows[i].Prefix))
		}
	}
	for i := range rows {
		b = binary.AppendUvarint(b, uint64(rows[i].Peer))
	}
	b = appendPaths(b, rows)
	if flags&noPathIDs == 0 {
		for i := range rows {
			b = binary.AppendUvarint(b, uint64(rows[i].PathID))
		}
	}
	b = binary.AppendUvarint(b, uint64(rows[0].Word))
	if flags&oneWord == 0 {
		for i := range rows[1:] {
			b = binary.AppendUvarint(b, uint64(rows[i+1].Word))
		}
	}
	if flags&plainWhat == 0 {
		for i := range rows {
			b = append(b, rows[i].What)
		}
	}
	return b
}

func flagsOf(rows []Row) byte {
	flags := byte(oneRecorded | oneWord | noPathIDs | plainWhat)
	for i := range rows {
		r := &rows[i]
		if r.Recorded != rows[0].Recorded {
			flags &^= oneRecorded
		}
		if r.Word != rows[0].Word {
			flags &^= oneWord
		}
		if r.PathID != 0 {
			flags &^= noPathIDs
		}
		if r.What != usual(r.Path) {
			flags &^= plainWhat
		}
	}
	return flags
}

func usual(path uint32) uint8 {
	if path == 0 {
		return withdrawn
	}
	return announced
}

// appendPaths writes for every row 0 for no path, the place of a path that was met before
// (from 1), or the next free place for a new one; and then the new ones.
func appendPaths(b []byte, rows []Row) []byte {
	places := make(map[uint32]uint64, 16)
	fresh := make([]uint32, 0, 16)
	for i := range rows {
		p := rows[i].Path
		if p == 0 {
			b = append(b, 0)
			continue
		}
		n, ok := places[p]
		if !ok {
			fresh = append(fresh, p)
			n = uint64(len(fresh))
			places[p] = n
		}
		b = binary.AppendUvarint(b, n)
	}
	last := int64(0)
	for _, p := range fresh {
		b = binary.AppendVarint(b, int64(p)-last)
		last = int64(p)
	}
	return b
}

// reader reads columns. After an error it gives zeros.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = damaged(what)
	}
	r.rest = nil
}

func (r *reader) octet() byte {
	if len(r.rest) == 0 {
		r.fail("cut short")
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) uvarint() uint64 {
	if len(r.rest) > 0 && r.rest[0] < 0x80 {
		v := r.rest[0]
		r.rest = r.rest[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail("a number is cut or too large")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	v := int64(u >> 1)
	if u&1 != 0 {
		v = ^v
	}
	return v
}

func (r *reader) number() uint32 {
	v := r.uvarint()
	if v > 1<<32-1 {
		r.fail("a number is too large")
		return 0
	}
	return uint32(v)
}

// octets takes n octets.
func (r *reader) octets(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail("cut short")
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// count reads how many things follow, of which each takes at least one octet.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail("cut short")
		return 0
	}
	return int(n)
}

func (r *reader) scale(i byte) int64 {
	if int(i) >= len(scales) {
		r.fail("an unknown step of time")
		return 1
	}
	return scales[i]
}

// columns appends the rows that appendColumns wrote.
func (r *reader) columns(dst []Row, sorted bool) []Row {
	n := r.count()
	if n == 0 {
		return dst
	}
	start := len(dst)
	dst = append(dst, make([]Row, n)...)
	rows := dst[start:]
	flags, steps := r.octet(), r.octet()
	r.times(rows, r.scale(steps>>4), sorted)
	r.recorded(rows, r.scale(steps&15), flags&oneRecorded != 0)
	if !sorted {
		for i := range rows {
			rows[i].Prefix = r.number()
		}
	}
	for i := range rows {
		rows[i].Peer = r.number()
	}
	r.paths(rows)
	if flags&noPathIDs == 0 {
		for i := range rows {
			rows[i].PathID = r.number()
		}
	}
	word := r.number()
	for i := range rows {
		if i > 0 && flags&oneWord == 0 {
			word = r.number()
		}
		rows[i].Word = word
	}
	if flags&plainWhat != 0 {
		for i := range rows {
			rows[i].What = usual(rows[i].Path)
		}
	} else if whats := r.octets(uint64(n)); r.err == nil {
		for i := range rows {
			rows[i].What = whats[i]
		}
	}
	return dst
}

func (r *reader) times(rows []Row, step int64, sorted bool) {
	at := r.varint()
	rows[0].At = at * step
	for i := range rows[1:] {
		if sorted {
			at += int64(r.uvarint())
		} else {
			at += r.varint()
		}
		rows[i+1].At = at * step
		if sorted && rows[i+1].At < rows[i].At {
			r.fail("times run backwards")
		}
	}
}

func (r *reader) recorded(rows []Row, step int64, one bool) {
	at := r.varint()
	for i := range rows {
		if i > 0 && !one {
			at += r.varint()
		}
		rows[i].Recorded = at * step
	}
}

func (r *reader) paths(rows []Row) {
	places := uint32(0)
	for i := range rows {
		n := r.number()
		if n > places+1 {
			r.fail("a path that nobody named")
			return
		}
		places = max(places, n)
		rows[i].Path = n
	}
	if uint64(places) > uint64(len(r.rest)) {
		r.fail("cut short")
		return
	}
	fresh := make([]uint32, places+1)
	last := int64(0)
	for i := range fresh[1:] {
		last += r.varint()
		if last <= 0 || last > 1<<32-1 {
			r.fail("a path's number is out of bounds")
			return
		}
		fresh[i+1] = uint32(last)
	}
	for i := range rows {
		rows[i].Path = fresh[rows[i].Path]
	}
}
