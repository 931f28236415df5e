package snapshot

import (
	"fmt"
	"io"
	"math/bits"
	"reflect"
	"unsafe"
)

// decoder reads what encoder wrote. After its first error everything that it reads
// is zero.
type decoder struct {
	s    *types
	in   *frameReader
	buf  []byte // of the present frame, what is not read yet
	err  error
	flat bool
	last []int64
	objs []object
	late []lateMap
}

func read(r io.Reader, s *types) (unsafe.Pointer, error) {
	in, err := newFrameReader(r, s.fingerprint)
	if err != nil {
		return nil, err
	}
	d := &decoder{s: s, in: in, last: make([]int64, s.structs)}
	d.object(s.root)
	for done, late := 0, 0; d.err == nil; {
		if done < len(d.objs) {
			x := d.objs[done]
			done++
			x.t.codec.dec(d, x.p)
			continue
		}
		if late == len(d.late) {
			break
		}
		x := d.late[late]
		late++
		x.c.decode(d, x.m)
	}
	if d.err == nil && len(d.buf) > 0 {
		d.damaged("%d octets too many", len(d.buf))
	}
	if d.err == nil {
		switch rest, err := in.next(); {
		case err != nil:
			d.err = err
		case rest != nil:
			d.damaged("a frame too many")
		}
	}
	for i := 0; i < len(d.objs) && d.err == nil; i++ {
		if x := d.objs[i]; x.t.restores && !reflect.NewAt(x.t.t, x.p).Interface().(Restorer).Restored() {
			d.damaged("a %s that is not whole", x.t.t)
		}
	}
	if d.err != nil {
		return nil, d.err
	}
	return d.objs[0].p, nil
}

func (d *decoder) damaged(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
	}
}

// fill fetches the next frame.
func (d *decoder) fill() bool {
	if d.err == nil && len(d.buf) == 0 {
		d.buf, d.err = d.in.next()
		if d.err == nil && d.buf == nil {
			d.damaged("its end is too early")
		}
	}
	return d.err == nil
}

func (d *decoder) octet() byte {
	if len(d.buf) == 0 && !d.fill() {
		return 0
	}
	b := d.buf[0]
	d.buf = d.buf[1:]
	return b
}

func (d *decoder) uvarint() (x uint64) {
	for i, b := range d.buf {
		if i == 9 {
			break
		}
		x |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			d.buf = d.buf[i+1:]
			return x
		}
	}
	return d.longUvarint()
}

// longUvarint reads one that is long, or goes on in the next frame.
func (d *decoder) longUvarint() (x uint64) {
	for s := uint(0); s < 70; s += 7 {
		b := d.octet()
		if d.err != nil {
			return 0
		}
		if s == 63 && b > 1 {
			break
		}
		x |= uint64(b&0x7f) << s
		if b < 0x80 {
			return x
		}
	}
	d.damaged("a number that is too long")
	return 0
}

func (d *decoder) varint() int64 {
	x := d.uvarint()
	return int64(x>>1) ^ -int64(x&1)
}

// length reads the length of a list; -1 for nil.
func (d *decoder) length() int {
	n := d.uvarint()
	if n > 1<<40 {
		d.damaged("a list of %d", n)
		return -1
	}
	return int(n) - 1
}

// octets reads n octets, however many were promised, in small steps.
func (d *decoder) octets(n int) []byte {
	out := make([]byte, 0, min(n, frameSize))
	for len(out) < n && d.fill() {
		k := min(n-len(out), len(d.buf))
		out = append(out, d.buf[:k]...)
		d.buf = d.buf[k:]
	}
	return out
}

func (d *decoder) string() string {
	n := d.uvarint()
	if n > 1<<40 {
		d.damaged("a text of %d octets", n)
		return ""
	}
	if int(n) <= len(d.buf) {
		x := string(d.buf[:n])
		d.buf = d.buf[n:]
		return x
	}
	return string(d.octets(int(n)))
}

// into fills a few octets.
func (d *decoder) into(x []byte) {
	if len(x) <= len(d.buf) {
		d.buf = d.buf[copy(x, d.buf):]
		return
	}
	copy(x, d.octets(len(x)))
}

// object makes the next object.
func (d *decoder) object(t *target) unsafe.Pointer {
	p := reflect.New(t.t).UnsafePointer()
	d.objs = append(d.objs, object{p, t})
	return p
}

func (d *decoder) pointer(t *target) unsafe.Pointer {
	id := d.uvarint()
	switch {
	case id == 0:
		return nil
	case id <= uint64(len(d.objs)):
		if x := d.objs[id-1]; x.t == t {
			return x.p
		}
		d.damaged("a pointer to a %s, where one to a %s should be", d.objs[id-1].t.t, t.t)
	case id == uint64(len(d.objs))+1:
		return d.object(t)
	default:
		d.damaged("a pointer to nothing")
	}
	return nil
}

func (s *structCodec) decode(d *decoder, p unsafe.Pointer) {
	if len(s.fields) == 0 {
		return
	}
	mask := d.uvarint()
	if len(s.fields) < 64 && mask>>len(s.fields) != 0 {
		d.damaged("a field that is not there")
		return
	}
	for ; mask != 0 && d.err == nil; mask &= mask - 1 {
		f := &s.fields[bits.TrailingZeros64(mask)]
		q := unsafe.Add(p, f.offset)
		switch {
		case f.op == opBool:
			*(*bool)(q) = true
		case f.op == opInt64 && !d.flat:
			d.last[s.index] += d.varint()
			*(*int64)(q) = d.last[s.index]
		default:
			f.c.dec(d, q)
		}
	}
}

// slice reads n elements. It takes memory as they come, not as they were promised.
func (d *decoder) slice(t reflect.Type, n int, c *codec) reflect.Value {
	size := c.t.Size()
	room := min(n, max(8, int(64<<10/size)))
	v := reflect.MakeSlice(t, room, room)
	base := v.UnsafePointer()
	for i := 0; i < n && d.err == nil; i++ {
		if i == room {
			room = min(n, 2*room)
			w := reflect.MakeSlice(t, room, room)
			reflect.Copy(w, v)
			v, base = w, w.UnsafePointer()
		}
		c.dec(d, unsafe.Add(base, uintptr(i)*size))
	}
	return v
}

func (m *mapCodec) decode(d *decoder, v reflect.Value) {
	n := d.length()
	if n < 0 {
		d.damaged("a map of no length")
	}
	k, x := reflect.New(m.key.t), reflect.New(m.value.t)
	for i := 0; i < n; i++ {
		k.Elem().SetZero()
		x.Elem().SetZero()
		d.flat = true
		m.key.dec(d, k.UnsafePointer())
		d.flat = false
		m.value.dec(d, x.UnsafePointer())
		if d.err != nil {
			return
		}
		v.SetMapIndex(k.Elem(), x.Elem())
		if v.Len() != i+1 {
			d.damaged("a key that is there twice")
			return
		}
	}
}
