package snapshot

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// Writer and Reader are those of package io, for packages that do no I/O and let
// others hand them what they write to.
type (
	Writer = io.Writer
	Reader = io.Reader
)

// Schema says how a T, and all that it reaches, is written. It is safe for
// concurrent use.
type Schema[T any] struct{ types *types }

// Of makes the schema of T. meaning is a number that the caller raises when a
// field keeps its name and type but not its meaning. concrete are the types that
// interfaces hold, as nil pointers: (*edge)(nil). Every type that cannot be
// written is named in the error.
func Of[T any](meaning int, concrete ...any) (*Schema[T], error) {
	s := &types{codecs: map[reflect.Type]*codec{}, targets: map[reflect.Type]*target{}, names: map[reflect.Type]string{}}
	for _, x := range concrete {
		t := reflect.TypeOf(x)
		if t == nil || t.Kind() != reflect.Pointer {
			s.fault(t, "an interface may hold pointers only")
			continue
		}
		s.concrete = append(s.concrete, t)
	}
	slices.SortFunc(s.concrete, func(a, b reflect.Type) int { return strings.Compare(a.String(), b.String()) })
	s.root = s.target(reflect.TypeFor[T]())
	for _, t := range s.concrete {
		s.target(t.Elem())
	}
	for i := 0; i < len(s.order); i++ { // it grows
		s.order[i].codec = s.codec(s.order[i].t)
	}
	for t, c := range s.codecs {
		if s.targets[t] != nil && t.Kind() == reflect.Struct {
			c.pointed = true
		}
	}
	if len(s.faults) > 0 {
		return nil, errors.Join(s.faults...)
	}
	s.seal(meaning)
	return &Schema[T]{s}, nil
}

// MustOf is [Of] for types that a test has seen to be fit: it panics where they are not.
func MustOf[T any](meaning int, concrete ...any) *Schema[T] {
	s, err := Of[T](meaning, concrete...)
	if err != nil {
		panic("snapshot: " + err.Error())
	}
	return s
}

// Restorer is implemented by types that make what their snapshot leaves out.
// Restored is called of each such value behind a pointer once all of the graph was
// read; false refuses the snapshot, because it holds what no program wrote.
type Restorer interface{ Restored() bool }

// Fingerprint is the same for two programs that can read each other's snapshots.
func (s *Schema[T]) Fingerprint() [fingerprintSize]byte { return s.types.fingerprint }

// Write writes the graph that root reaches. An error is the writer's, or says what
// in the graph cannot be written.
func (s *Schema[T]) Write(w io.Writer, root *T) error {
	return write(w, s.types, unsafe.Pointer(root))
}

// Read reads to the end of r. The error is a [*SchemaError], one that wraps
// [ErrDamaged], or the reader's.
func (s *Schema[T]) Read(r io.Reader) (*T, error) {
	p, err := read(r, s.types)
	if err != nil {
		return nil, err
	}
	return (*T)(p), nil
}

// types is every type of a schema.
type types struct {
	root        *target
	codecs      map[reflect.Type]*codec
	targets     map[reflect.Type]*target
	order       []*target
	concrete    []reflect.Type // in order of name
	names       map[reflect.Type]string
	structs     int
	fingerprint [fingerprintSize]byte
	faults      []error
}

// codec is how a type is written where it stands.
type codec struct {
	t       reflect.Type
	enc     func(*encoder, unsafe.Pointer)
	dec     func(*decoder, unsafe.Pointer)
	zero    func(unsafe.Pointer) bool // it is written as nothing in a struct
	op      op
	empty   bool // it is written as nothing at all
	plain   bool // it reaches no pointer: it can be the key of a map
	pointed bool // something points to such a struct: it must not be a part of another value too
}

// op names what a struct does by itself, for speed.
type op uint8

const (
	opCall  op = iota
	opBool     // one octet: that it is written says all
	opInt64    // eight octets: the difference to the last one
	opWord     // zero where its first word is: pointers, slices, maps, interfaces
	op1        // zero where so many octets are
	op2
	op4
	op8
)

// target is a type that something points to.
type target struct {
	t        reflect.Type
	index    int32
	codec    *codec
	restores bool // see Restorer
}

func (s *types) target(t reflect.Type) *target {
	x := s.targets[t]
	if x == nil {
		x = &target{t: t, index: int32(len(s.order)), restores: reflect.PointerTo(t).Implements(reflect.TypeFor[Restorer]())}
		s.targets[t] = x
		s.order = append(s.order, x)
	}
	return x
}

func (s *types) fault(t reflect.Type, why string) *codec {
	s.faults = append(s.faults, fmt.Errorf("%v: %s", t, why))
	return &codec{t: t, zero: func(unsafe.Pointer) bool { return true }}
}

// codec makes the codec of a type, once.
func (s *types) codec(t reflect.Type) *codec {
	if c, ok := s.codecs[t]; ok {
		if c == nil {
			return s.fault(t, "holds itself without a pointer between")
		}
		return c
	}
	s.codecs[t] = nil
	name := t.String()
	if t.Name() != "" {
		name = t.PkgPath() + "." + t.Name()
	}
	s.names[t] = name + " " + t.Kind().String()
	c := s.make(t)
	c.t = t
	s.codecs[t] = c
	return c
}

func (s *types) make(t reflect.Type) *codec {
	if c := ofStandard(t); c != nil {
		return c
	}
	switch t.Kind() {
	case reflect.Struct:
		return s.ofStruct(t)
	case reflect.Pointer:
		return ofPointer(s.target(t.Elem()))
	case reflect.Slice:
		return s.ofSlice(t)
	case reflect.Array:
		s.names[t] += " of " + strconv.Itoa(t.Len()) + " " + t.Elem().String()
		return ofArray(t, s.codec(t.Elem()))
	case reflect.Map:
		return s.ofMap(t)
	case reflect.Interface:
		return s.ofInterface(t)
	}
	if c := ofBasic(t); c != nil {
		return c
	}
	return s.fault(t, "cannot be written")
}

func (s *types) ofSlice(t reflect.Type) *codec {
	c := s.codec(t.Elem())
	switch {
	case t.Elem().Kind() == reflect.Bool:
		return ofBools()
	case c.empty:
		return s.fault(t, "its elements are written as nothing")
	}
	return ofSlice(t, c)
}

func (s *types) ofMap(t reflect.Type) *codec {
	k := s.codec(t.Key())
	s.names[t] += " from " + t.Key().String() + " to " + t.Elem().String()
	late := t.Key().Kind() == reflect.Pointer || t.Key().Kind() == reflect.Interface
	if !k.plain && !late {
		return s.fault(t, "a key that holds pointers has no order")
	}
	return ofMap(t, k, s.codec(t.Elem()), late)
}

func (s *types) ofInterface(t reflect.Type) *codec {
	index := map[reflect.Type]int{}
	var targets []*target
	for _, x := range s.concrete {
		if x.Implements(t) {
			targets = append(targets, s.target(x.Elem()))
			index[x] = len(targets)
			s.names[t] += " " + x.String()
		}
	}
	if len(targets) == 0 {
		return s.fault(t, "none of the types that it may hold was named")
	}
	return ofInterface(t, index, targets)
}

// ofStruct refuses the structs of the standard library (a mutex, a timer): only
// those that are known can be written.
func (s *types) ofStruct(t reflect.Type) *codec {
	first, _, _ := strings.Cut(t.PkgPath(), "/")
	if own, _, _ := strings.Cut(reflect.TypeFor[codec]().PkgPath(), "/"); t.PkgPath() != "" && first != own {
		return s.fault(t, "is somebody else's")
	}
	x := &structCodec{index: s.structs}
	s.structs++
	plain := true
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("snapshot") == "-" || f.Name == "_" {
			s.names[t] += "; " + f.Name + " left out"
			continue
		}
		s.names[t] += "; " + f.Name + " " + f.Type.String()
		c := s.codec(f.Type)
		plain = plain && c.plain
		x.fields = append(x.fields, field{f.Offset, c.op, c})
	}
	if len(x.fields) > 64 {
		return s.fault(t, "has more than 64 fields")
	}
	return &codec{enc: x.encode, dec: x.decode, zero: x.zero, plain: plain, empty: len(x.fields) == 0}
}

// seal makes the fingerprint: what every type is made of.
func (s *types) seal(meaning int) {
	lines := make([]string, 0, len(s.names))
	for _, n := range s.names {
		lines = append(lines, n)
	}
	slices.Sort(lines)
	s.fingerprint = sha256.Sum256([]byte(strconv.Itoa(meaning) + "\n" + s.names[s.root.t] + "\n" + strings.Join(lines, "\n")))
}
