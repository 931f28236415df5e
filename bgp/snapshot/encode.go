package snapshot

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"unsafe"
)

// The root is the first object. What a pointer points to is not written where the
// pointer stands: an object gets the next number when it is met first, and is
// written in order of numbers, so that no chain of pointers is too deep. Maps with
// pointers as keys are written last, when the keys have their numbers, in order of
// these.
type encoder struct {
	s      *types
	out    *frameWriter
	buf    []byte
	err    error
	flat   bool    // in the key of a map: nothing depends on what was written before
	last   []int64 // by struct: the last int64 that was written of one
	ids    numbers
	queue  []object
	late   []lateMap
	inline []object // structs that are a part of another value
}

type object struct {
	p unsafe.Pointer
	t *target
}

type lateMap struct {
	m reflect.Value
	c *mapCodec
}

func write(w io.Writer, s *types, root unsafe.Pointer) error {
	out, err := newFrameWriter(w, s.fingerprint)
	if err != nil {
		return err
	}
	e := &encoder{s: s, out: out, buf: make([]byte, 0, frameSize+frameSize/4), last: make([]int64, s.structs)}
	e.ids.init()
	e.number(root, s.root)
	for done, late := 0, 0; e.err == nil; {
		if done < len(e.queue) {
			x := e.queue[done]
			done++
			x.t.codec.enc(e, x.p)
			e.spill()
			continue
		}
		if late == len(e.late) {
			break
		}
		x := e.late[late]
		late++
		x.c.encode(e, x.m)
	}
	e.refuseParts()
	if e.err == nil && len(e.buf) > 0 {
		e.err = out.write(e.buf)
	}
	if e.err == nil {
		e.err = out.end()
	}
	runtime.KeepAlive(root)
	return e.err
}

func (e *encoder) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("snapshot: "+format, args...)
	}
}

// refuseParts finds pointers to what was written as a part of something else: they
// would come back as pointers to a copy.
func (e *encoder) refuseParts() {
	for _, x := range e.inline {
		if e.ids.get(x.p, x.t.index) != 0 {
			e.fail("a pointer to a %s that is a part of another value", x.t.t)
		}
	}
}

// spill writes out what has gathered, in whole frames.
func (e *encoder) spill() {
	if n := len(e.buf) / frameSize * frameSize; n > 0 && e.err == nil {
		e.err = e.out.write(e.buf[:n])
		e.buf = append(e.buf[:0], e.buf[n:]...)
	}
}

func (e *encoder) uvarint(x uint64) { e.buf = binary.AppendUvarint(e.buf, x) }
func (e *encoder) varint(x int64)   { e.buf = binary.AppendVarint(e.buf, x) }

func (e *encoder) string(x string) {
	e.uvarint(uint64(len(x)))
	e.buf = append(e.buf, x...)
}

// number gives the number of an object, and queues it when it is new.
func (e *encoder) number(p unsafe.Pointer, t *target) uint64 {
	id, isNew := e.ids.of(p, t.index)
	if isNew {
		e.queue = append(e.queue, object{p, t})
	}
	return id
}

func (e *encoder) pointer(p unsafe.Pointer, t *target) {
	if p == nil {
		e.buf = append(e.buf, 0)
		return
	}
	e.uvarint(e.number(p, t))
}

type structCodec struct {
	index  int
	fields []field
}

type field struct {
	offset uintptr
	op     op
	c      *codec
}

func (f *field) set(p unsafe.Pointer) bool {
	switch f.op {
	case opBool, op1:
		return *(*uint8)(p) != 0
	case opInt64, op8:
		return *(*uint64)(p) != 0
	case opWord:
		return *(*uintptr)(p) != 0
	case op2:
		return *(*uint16)(p) != 0
	case op4:
		return *(*uint32)(p) != 0
	}
	return !f.c.zero(p)
}

func (s *structCodec) zero(p unsafe.Pointer) bool {
	for i := range s.fields {
		if s.fields[i].set(unsafe.Add(p, s.fields[i].offset)) {
			return false
		}
	}
	return true
}

// encode writes which fields are not zero, and these. Each int64 is written as the
// difference to the one before it in structs of the type: times are near each other.
func (s *structCodec) encode(e *encoder, p unsafe.Pointer) {
	var mask uint64
	for i := range s.fields {
		f := &s.fields[i]
		if f.set(unsafe.Add(p, f.offset)) {
			mask |= 1 << i
		}
	}
	if len(s.fields) == 0 {
		return
	}
	e.uvarint(mask)
	for i := range s.fields {
		if mask>>i&1 == 0 {
			continue
		}
		f := &s.fields[i]
		q := unsafe.Add(p, f.offset)
		switch {
		case f.op == opBool:
		case f.op == opInt64 && !e.flat:
			x := *(*int64)(q)
			e.varint(x - e.last[s.index])
			e.last[s.index] = x
		default:
			if f.c.pointed {
				e.inline = append(e.inline, object{q, e.s.targets[f.c.t]})
			}
			f.c.enc(e, q)
		}
	}
}

// elements writes n values that lie one after the other.
func (e *encoder) elements(base unsafe.Pointer, n int, c *codec) {
	size := c.t.Size()
	for i := range n {
		q := unsafe.Add(base, uintptr(i)*size)
		if c.pointed {
			e.inline = append(e.inline, object{q, e.s.targets[c.t]})
		}
		c.enc(e, q)
		if len(e.buf) >= frameSize && !e.flat {
			e.spill()
		}
	}
}

// encode writes the entries in order of their keys: of the octets that these are
// written as, or of their numbers.
func (m *mapCodec) encode(e *encoder, v reflect.Value) {
	n := v.Len()
	e.uvarint(uint64(n) + 1)
	keys, values := reflect.MakeSlice(reflect.SliceOf(m.key.t), n, n), reflect.MakeSlice(reflect.SliceOf(m.value.t), n, n)
	order := make([]mapKey, n)
	start := len(e.buf)
	i := 0
	for r := v.MapRange(); r.Next(); i++ {
		keys.Index(i).SetIterKey(r)
		values.Index(i).SetIterValue(r)
		order[i] = mapKey{i: i, from: len(e.buf)}
		if m.late {
			order[i].id = e.known(keys.Index(i))
		} else {
			e.flat = true
			m.key.enc(e, keys.Index(i).Addr().UnsafePointer())
			e.flat = false
		}
		order[i].to = len(e.buf)
	}
	written := bytes.Clone(e.buf[start:])
	e.buf = e.buf[:start]
	slices.SortFunc(order, func(a, b mapKey) int {
		if m.late {
			return a.id - b.id
		}
		return bytes.Compare(written[a.from-start:a.to-start], written[b.from-start:b.to-start])
	})
	for _, k := range order {
		if m.late {
			m.key.enc(e, keys.Index(k.i).Addr().UnsafePointer())
		} else {
			e.buf = append(e.buf, written[k.from-start:k.to-start]...)
		}
		m.value.enc(e, values.Index(k.i).Addr().UnsafePointer())
		e.spill()
	}
}

type mapKey struct{ i, from, to, id int }

// known is the number of what a key points to; those without one come last.
func (e *encoder) known(k reflect.Value) int {
	if k.Kind() == reflect.Interface {
		k = k.Elem()
	}
	if !k.IsValid() || k.IsNil() {
		return 0
	}
	t := e.s.targets[k.Type().Elem()]
	if t == nil {
		return 0 // refused when it is written
	}
	if id := e.ids.get(k.UnsafePointer(), t.index); id != 0 {
		return int(id)
	}
	return 1 << 62
}

// numbers gives numbers to objects, from 1 on: a hash table with open addressing.
type numbers struct {
	slots []numbered
	n     int
}

type numbered struct {
	p  uintptr // the graph is held by its root, and objects on the heap do not move
	t  int32
	id uint64
}

func (n *numbers) init() { n.slots = make([]numbered, 1<<10) }

func (n *numbers) find(p uintptr, t int32) *numbered {
	mask := uint64(len(n.slots) - 1)
	i := (uint64(p) ^ uint64(t)<<1) * 0x9E3779B97F4A7C15 >> 20 & mask
	for {
		if s := &n.slots[i]; s.id == 0 || s.p == p && s.t == t {
			return s
		}
		i = (i + 1) & mask
	}
}

// get gives the number of an object, 0 where it has none.
func (n *numbers) get(p unsafe.Pointer, t int32) uint64 { return n.find(uintptr(p), t).id }

func (n *numbers) of(p unsafe.Pointer, t int32) (id uint64, isNew bool) {
	s := n.find(uintptr(p), t)
	if s.id != 0 {
		return s.id, false
	}
	n.n++
	*s = numbered{uintptr(p), t, uint64(n.n)}
	id = s.id
	if 2*n.n > len(n.slots) {
		old := n.slots
		n.slots = make([]numbered, 2*len(old))
		for _, x := range old {
			if x.id != 0 {
				*n.find(x.p, x.t) = x
			}
		}
	}
	return id, true
}
