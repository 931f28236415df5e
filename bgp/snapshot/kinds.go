package snapshot

import (
	"math"
	"math/bits"
	"net/netip"
	"reflect"
	"time"
	"unsafe"
)

// ofStandard writes the few types of the standard library that facts are made of.
func ofStandard(t reflect.Type) *codec {
	switch t {
	case reflect.TypeFor[netip.Addr]():
		return &codec{plain: true,
			enc:  func(e *encoder, p unsafe.Pointer) { e.addr(*(*netip.Addr)(p)) },
			dec:  func(d *decoder, p unsafe.Pointer) { *(*netip.Addr)(p) = d.addr() },
			zero: func(p unsafe.Pointer) bool { return *(*netip.Addr)(p) == netip.Addr{} }}
	case reflect.TypeFor[netip.Prefix]():
		return &codec{plain: true,
			enc: func(e *encoder, p unsafe.Pointer) {
				x := *(*netip.Prefix)(p)
				e.buf = append(e.buf, byte(x.Bits()+1))
				e.addr(x.Addr())
			},
			dec: func(d *decoder, p unsafe.Pointer) {
				n := int(d.octet()) - 1
				*(*netip.Prefix)(p) = netip.PrefixFrom(d.addr(), n)
			},
			zero: func(p unsafe.Pointer) bool { return *(*netip.Prefix)(p) == netip.Prefix{} }}
	case reflect.TypeFor[time.Time]():
		return &codec{plain: true,
			enc: func(e *encoder, p unsafe.Pointer) { e.time(*(*time.Time)(p)) },
			dec: func(d *decoder, p unsafe.Pointer) { *(*time.Time)(p) = d.time() },
			zero: func(p unsafe.Pointer) bool {
				x := (*time.Time)(p)
				return x.IsZero() && x.Location() == time.UTC
			}}
	}
	return nil
}

// Kinds of addresses.
const (
	noAddr = iota
	addr4
	addr6
	addr6Zone
)

func (e *encoder) addr(a netip.Addr) {
	switch {
	case !a.IsValid():
		e.buf = append(e.buf, noAddr)
	case a.Is4():
		x := a.As4()
		e.buf = append(append(e.buf, addr4), x[:]...)
	default:
		x := a.As16()
		kind := byte(addr6)
		if a.Zone() != "" {
			kind = addr6Zone
		}
		e.buf = append(append(e.buf, kind), x[:]...)
		if kind == addr6Zone {
			e.string(a.Zone())
		}
	}
}

func (d *decoder) addr() netip.Addr {
	switch kind := d.octet(); kind {
	case noAddr:
	case addr4:
		var x [4]byte
		d.into(x[:])
		return netip.AddrFrom4(x)
	case addr6, addr6Zone:
		var x [16]byte
		d.into(x[:])
		a := netip.AddrFrom16(x)
		if kind == addr6Zone {
			a = a.WithZone(d.string())
		}
		return a
	default:
		d.damaged("an address of kind %d", kind)
	}
	return netip.Addr{}
}

// Kinds of zones of times.
const (
	zoneUTC = iota
	zoneLocal
	zoneOther
)

func (e *encoder) time(t time.Time) {
	switch t.Location() {
	case time.UTC:
		e.buf = append(e.buf, zoneUTC)
	case time.Local:
		e.buf = append(e.buf, zoneLocal)
	default:
		name, offset := t.Zone()
		e.buf = append(e.buf, zoneOther)
		e.string(name)
		e.varint(int64(offset))
	}
	e.varint(t.Unix())
	e.uvarint(uint64(t.Nanosecond()))
}

func (d *decoder) time() time.Time {
	zone := time.UTC
	switch kind := d.octet(); kind {
	case zoneUTC:
	case zoneLocal:
		zone = time.Local
	case zoneOther:
		name := d.string()
		offset := d.varint()
		if offset < -1<<20 || offset > 1<<20 {
			d.damaged("a zone %d seconds away", offset)
		}
		zone = time.FixedZone(name, int(offset))
	default:
		d.damaged("a zone of kind %d", kind)
	}
	sec, nsec := d.varint(), d.uvarint()
	if nsec >= uint64(time.Second) {
		d.damaged("%d nanoseconds", nsec)
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).In(zone)
}

// ofBasic writes numbers, truths and texts.
func ofBasic(t reflect.Type) *codec {
	switch t.Kind() {
	case reflect.Bool:
		return &codec{plain: true, op: opBool,
			enc: func(e *encoder, p unsafe.Pointer) { e.buf = append(e.buf, *(*byte)(p)) },
			dec: func(d *decoder, p unsafe.Pointer) { *(*bool)(p) = d.octet() != 0 }}
	case reflect.String:
		return &codec{plain: true,
			enc:  func(e *encoder, p unsafe.Pointer) { e.string(*(*string)(p)) },
			dec:  func(d *decoder, p unsafe.Pointer) { *(*string)(p) = d.string() },
			zero: func(p unsafe.Pointer) bool { return *(*string)(p) == "" }}
	case reflect.Int:
		return signed[int](opOf(t))
	case reflect.Int8:
		return signed[int8](op1)
	case reflect.Int16:
		return signed[int16](op2)
	case reflect.Int32:
		return signed[int32](op4)
	case reflect.Int64:
		return signed[int64](opInt64)
	case reflect.Uint:
		return unsigned[uint](opOf(t))
	case reflect.Uint8:
		return unsigned[uint8](op1)
	case reflect.Uint16:
		return unsigned[uint16](op2)
	case reflect.Uint32:
		return unsigned[uint32](op4)
	case reflect.Uint64:
		return unsigned[uint64](op8)
	case reflect.Float32:
		return &codec{plain: true, op: op4,
			enc: func(e *encoder, p unsafe.Pointer) { e.uvarint(uint64(bits.ReverseBytes32(*(*uint32)(p)))) },
			dec: func(d *decoder, p unsafe.Pointer) {
				*(*float32)(p) = math.Float32frombits(bits.ReverseBytes32(uint32(d.uvarint())))
			}}
	case reflect.Float64:
		return &codec{plain: true, op: op8,
			enc: func(e *encoder, p unsafe.Pointer) { e.uvarint(bits.ReverseBytes64(*(*uint64)(p))) },
			dec: func(d *decoder, p unsafe.Pointer) {
				*(*float64)(p) = math.Float64frombits(bits.ReverseBytes64(d.uvarint()))
			}}
	}
	return nil
}

func opOf(t reflect.Type) op {
	if t.Size() == 4 {
		return op4
	}
	return op8
}

func signed[T int | int8 | int16 | int32 | int64](o op) *codec {
	return &codec{plain: true, op: o,
		enc: func(e *encoder, p unsafe.Pointer) { e.varint(int64(*(*T)(p))) },
		dec: func(d *decoder, p unsafe.Pointer) {
			x := d.varint()
			if int64(T(x)) != x {
				d.damaged("%d is too large", x)
			}
			*(*T)(p) = T(x)
		}}
}

func unsigned[T uint | uint8 | uint16 | uint32 | uint64](o op) *codec {
	return &codec{plain: true, op: o,
		enc: func(e *encoder, p unsafe.Pointer) { e.uvarint(uint64(*(*T)(p))) },
		dec: func(d *decoder, p unsafe.Pointer) {
			x := d.uvarint()
			if uint64(T(x)) != x {
				d.damaged("%d is too large", x)
			}
			*(*T)(p) = T(x)
		}}
}

func ofPointer(t *target) *codec {
	return &codec{op: opWord,
		enc: func(e *encoder, p unsafe.Pointer) { e.pointer(*(*unsafe.Pointer)(p), t) },
		dec: func(d *decoder, p unsafe.Pointer) { *(*unsafe.Pointer)(p) = d.pointer(t) }}
}

func ofArray(t reflect.Type, c *codec) *codec {
	size, n := t.Elem().Size(), t.Len()
	one := field{op: c.op, c: c}
	return &codec{plain: c.plain, empty: n == 0 || c.empty,
		enc: func(e *encoder, p unsafe.Pointer) { e.elements(p, n, c) },
		dec: func(d *decoder, p unsafe.Pointer) {
			for i := range n {
				c.dec(d, unsafe.Add(p, uintptr(i)*size))
			}
		},
		zero: func(p unsafe.Pointer) bool {
			for i := range n {
				if one.set(unsafe.Add(p, uintptr(i)*size)) {
					return false
				}
			}
			return true
		}}
}

// sliceHead is a slice of whatever type.
func sliceHead(p unsafe.Pointer) (base unsafe.Pointer, n int) {
	x := *(*[]byte)(p) // the type of the elements is in neither word that is used
	return unsafe.Pointer(unsafe.SliceData(x)), len(x)
}

// slices are written as their length and one more, 0 for nil.
func ofSlice(t reflect.Type, c *codec) *codec {
	return &codec{op: opWord,
		enc: func(e *encoder, p unsafe.Pointer) {
			base, n := sliceHead(p)
			if base == nil {
				e.buf = append(e.buf, 0)
				return
			}
			e.uvarint(uint64(n) + 1)
			e.elements(base, n, c)
		},
		dec: func(d *decoder, p unsafe.Pointer) {
			if n := d.length(); n >= 0 && d.err == nil {
				reflect.NewAt(t, p).Elem().Set(d.slice(t, n, c))
			}
		}}
}

// ofBools writes eight in an octet.
func ofBools() *codec {
	return &codec{op: opWord,
		enc: func(e *encoder, p unsafe.Pointer) {
			x := *(*[]bool)(p)
			if x == nil {
				e.buf = append(e.buf, 0)
				return
			}
			e.uvarint(uint64(len(x)) + 1)
			for len(x) > 0 {
				var b byte
				for i, on := range x[:min(8, len(x))] {
					if on {
						b |= 1 << i
					}
				}
				e.buf = append(e.buf, b)
				x = x[min(8, len(x)):]
			}
		},
		dec: func(d *decoder, p unsafe.Pointer) {
			n := d.length()
			if n < 0 || d.err != nil {
				return
			}
			x := make([]bool, 0, min(n, 1<<16))
			for len(x) < n && d.err == nil {
				b := d.octet()
				for i := 0; i < 8 && len(x) < n; i++ {
					x = append(x, b>>i&1 != 0)
				}
			}
			*(*[]bool)(p) = x
		}}
}

type mapCodec struct {
	key, value *codec
	late       bool
}

func ofMap(t reflect.Type, key, value *codec, late bool) *codec {
	m := &mapCodec{key, value, late}
	return &codec{op: opWord,
		enc: func(e *encoder, p unsafe.Pointer) {
			v := reflect.NewAt(t, p).Elem()
			switch {
			case v.IsNil():
				e.buf = append(e.buf, 0)
			case late:
				e.buf = append(e.buf, 1)
				e.late = append(e.late, lateMap{v, m})
			default:
				e.buf = append(e.buf, 1)
				m.encode(e, v)
			}
		},
		dec: func(d *decoder, p unsafe.Pointer) {
			if d.octet() == 0 {
				return
			}
			v := reflect.MakeMap(t)
			reflect.NewAt(t, p).Elem().Set(v)
			if late {
				d.late = append(d.late, lateMap{v, m})
				return
			}
			m.decode(d, v)
		}}
}

// ofInterface writes which of the types that were named it holds, and the pointer.
func ofInterface(t reflect.Type, index map[reflect.Type]int, targets []*target) *codec {
	return &codec{op: opWord,
		enc: func(e *encoder, p unsafe.Pointer) {
			v := reflect.NewAt(t, p).Elem()
			if v.IsNil() {
				e.buf = append(e.buf, 0)
				return
			}
			i := index[v.Elem().Type()]
			if i == 0 {
				e.fail("%s holds a %s, which was not named", t, v.Elem().Type())
				return
			}
			e.uvarint(uint64(i))
			e.pointer(v.Elem().UnsafePointer(), targets[i-1])
		},
		dec: func(d *decoder, p unsafe.Pointer) {
			i := d.uvarint()
			if i == 0 || d.err != nil {
				return
			}
			if i > uint64(len(targets)) {
				d.damaged("type %d of %d in an interface", i, len(targets))
				return
			}
			x := targets[i-1]
			if q := d.pointer(x); d.err == nil {
				reflect.NewAt(t, p).Elem().Set(reflect.NewAt(x.t, q))
			}
		}}
}
