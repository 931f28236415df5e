package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"
)

// graph has a field of every kind that can be written.
type graph struct {
	name    string
	numbers [3]int
	small   []int32
	Texts   []string
	on      []bool
	when    time.Time
	addr    netip.Addr
	prefix  netip.Prefix
	f32     float32
	f64     float64
	octets  []byte
	i8      int8
	i16     int16
	i64     [2]int64
	u16     uint16
	u64     uint64
	yes     bool
	first   *node
	all     []*node
	byName  map[string]*node
	by      map[key]int
	marks   map[*node]bool
	due     map[walker]int64
	next    walker
	texts   map[string][]string
	nested  map[string]map[*node]int
	self    *graph
	times   []stamp
	text    *string
	cache   map[string]int `snapshot:"-"`
}

type key struct {
	a uint32
	b int64
	p netip.Prefix
}

type stamp struct {
	at, changed int64
	n           *node
	known       bool
}

type node struct {
	name string
	next *node
	back *graph
	more []stamp
	n    int
	seen int `snapshot:"-"` // 1 and n, once it was read
}

func (n *node) Restored() bool { n.seen = 1 + n.n; return n.n >= 0 }

type other struct{ n int }

type walker interface{ walk() int }

func (n *node) walk() int  { return len(n.name) }
func (o *other) walk() int { return o.n }

func graphSchema(t testing.TB) *Schema[graph] {
	s, err := Of[graph](1, (*node)(nil), (*other)(nil))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sample() *graph {
	a, b := &node{name: "a", more: []stamp{{at: 1, known: true}}}, &node{name: "b", n: 41}
	a.next, b.next = b, a
	text := "pointed at"
	g := &graph{name: "g", numbers: [3]int{-1, 0, math.MaxInt}, small: []int32{}, Texts: []string{"", "x", strings.Repeat("long", 1000)},
		on: []bool{true, false, true, true, true, true, true, true, true}, when: time.Date(2008, 11, 11, 21, 4, 7, 5, time.FixedZone("PST", -8*3600)),
		addr: netip.MustParseAddr("fe80::1%eth0"), prefix: netip.MustParsePrefix("208.66.192.0/22"),
		f32: float32(math.Inf(-1)), f64: math.Copysign(0, -1), octets: []byte{0, 255}, i8: -128, i16: math.MinInt16, i64: [2]int64{math.MinInt64, math.MaxInt64},
		u16: 65535, u64: math.MaxUint64, yes: true, first: a, all: []*node{b, nil, a, b},
		byName: map[string]*node{"b": b, "a": a, "": nil}, by: map[key]int{{1, -2, netip.MustParsePrefix("2001:db8::/32")}: 3, {}: 4, {1, 9, netip.Prefix{}}: 0},
		marks: map[*node]bool{a: true, b: false}, due: map[walker]int64{a: 1, b: 2, nil: 3}, next: &other{n: 7},
		texts: map[string][]string{"none": nil, "empty": {}, "two": {"1", "2"}}, text: &text, cache: map[string]int{"left out": 1}}
	g.nested = map[string]map[*node]int{"x": {a: 1}, "y": nil, "z": {}}
	g.self, a.back = g, g
	for i := range 3000 {
		n := &node{name: fmt.Sprint(i), next: g.all[len(g.all)-1]}
		g.all = append(g.all, n)
		g.times = append(g.times, stamp{at: int64(i) * 1e9, changed: int64(i%7) * 1e9, n: n, known: i%3 > 0}, stamp{})
	}
	return g
}

func written(t testing.TB, s *Schema[graph], g *graph) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Write(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestGraph: what is read is what was written, down to nil and empty, with all
// pointers as they were.
func TestGraph(t *testing.T) {
	s, g := graphSchema(t), sample()
	text := written(t, s, g)
	for name, r := range map[string]io.Reader{"whole": bytes.NewReader(text), "by octet": iotest.OneByteReader(bytes.NewReader(text))} {
		got, err := s.Read(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := sample()
		want.cache = nil
		if got.all[0].seen != 42 {
			t.Error("it was not restored")
		}
		for _, n := range got.all {
			if n != nil {
				n.seen = 0
			}
		}
		if name, _ := got.when.Zone(); name != "PST" || !got.when.Equal(want.when) {
			t.Errorf("%s", got.when)
		}
		got.when, want.when = time.Time{}, time.Time{}
		if math.Float64bits(got.f64) != 1<<63 {
			t.Error("-0 became 0")
		}
		// Keys that are pointers are other pointers: these are looked at below.
		gm, gd, gn := got.marks, got.due, got.nested
		got.marks, got.due, got.nested, want.marks, want.due, want.nested = nil, nil, nil, nil, nil, nil
		if !reflect.DeepEqual(got, want) {
			t.Error("it is not the same")
		}
		a := got.first
		b := a.next
		switch {
		case got.self != got || a.back != got || b.next != a || got.byName["a"] != a || got.all[2] != a || got.all[4].next != b:
			t.Error("pointers lead elsewhere")
		case len(gm) != 2 || !gm[a] || len(gd) != 3 || gd[a] != 1 || gd[b] != 2 || gd[nil] != 3 || gn["x"][a] != 1 || gn["y"] != nil || gn["z"] == nil:
			t.Errorf("maps with pointers as keys: %v %v %v", gm, gd, gn)
		}
		got.when, got.marks, got.due, got.nested = sample().when, gm, gd, gn
		if !bytes.Equal(written(t, s, got), text) {
			t.Error("written again, it is other octets")
		}
	}
	for range 20 {
		if !bytes.Equal(written(t, s, sample()), text) {
			t.Fatal("the same graph gives other octets")
		}
	}
}

// TestTimes: a time comes back with its zone, and what it shows.
func TestTimes(t *testing.T) {
	type times struct{ T []time.Time }
	s, err := Of[times](1)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64().Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		want := []time.Time{{}, at.UTC(), at, at.In(time.FixedZone("X", rapid.IntRange(-50000, 50000).Draw(t, "zone")))}
		var b bytes.Buffer
		if err := s.Write(&b, &times{want}); err != nil {
			t.Fatal(err)
		}
		got, err := s.Read(&b)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if !got.T[i].Equal(want[i]) || got.T[i].String() != want[i].String() {
				t.Fatalf("%s came back as %s", want[i], got.T[i])
			}
		}
	})
}

type (
	withFunc    struct{ F func() }
	withChan    struct{ In struct{ C chan int } }
	withMutex   struct{ M sync.Mutex }
	withAny     struct{ A any }
	withPointer struct{ P map[struct{ p *int }]int }
	withItself  struct{ S []withItself }
	withNothing struct{ S []struct{} }
	withUnsafe  struct{ U uintptr }
	withComplex struct{ C complex128 }
)

// TestRefusedTypes: what cannot be written is told when the schema is made.
func TestRefusedTypes(t *testing.T) {
	of := func(_ any, err error) error { return err }
	for want, err := range map[string]error{
		"func(): cannot be written":                                         of(Of[withFunc](1)),
		"chan int: cannot be written":                                       of(Of[withChan](1)),
		"sync.Mutex: is somebody else's":                                    of(Of[withMutex](1)),
		"interface {}: none of the types that it may hold was named":        of(Of[withAny](1)),
		"map[struct { p *int }]int: a key that holds pointers has no order": of(Of[withPointer](1)),
		"snapshot.withItself: holds itself without a pointer between":       of(Of[withItself](1)),
		"[]struct {}: its elements are written as nothing":                  of(Of[withNothing](1)),
		"uintptr: cannot be written":                                        of(Of[withUnsafe](1)),
		"complex128: cannot be written":                                     of(Of[withComplex](1)),
		"snapshot.other: an interface may hold pointers only":               of(Of[graph](1, other{}, (*node)(nil))),
		"snapshot.walker: none of the types that it may hold was named":     of(Of[graph](1)),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("%v\nshould be\n%s", err, want)
		}
	}
}

// TestRefusedValues: what the types allow and cannot be kept is told when it is met.
func TestRefusedValues(t *testing.T) {
	type part struct {
		Inside node
		P      *node
	}
	s, err := Of[part](1, (*node)(nil), (*other)(nil))
	if err != nil {
		t.Fatal(err)
	}
	x := part{}
	x.P = &x.Inside
	if err := s.Write(io.Discard, &x); err != nil {
		t.Errorf("nothing is written of a part that is zero: %v", err)
	}
	x.Inside.name = "inside"
	if err := s.Write(io.Discard, &x); err == nil || err.Error() != "snapshot: a pointer to a snapshot.node that is a part of another value" {
		t.Errorf("%v", err)
	}
	g, err := Of[graph](1, (*node)(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Write(io.Discard, &graph{next: &other{}}); err == nil || err.Error() != "snapshot: snapshot.walker holds a *snapshot.other, which was not named" {
		t.Errorf("%v", err)
	}
	full := errors.New("full")
	if err := graphSchema(t).Write(failing{full}, sample()); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestFingerprint: any change of any type makes another schema.
func TestFingerprint(t *testing.T) {
	type a struct{ N int }
	type inner struct{ X uint8 }
	type b struct{ In []inner }
	seen := map[[fingerprintSize]byte]string{}
	add := func(name string, f [fingerprintSize]byte) {
		if was, ok := seen[f]; ok {
			t.Errorf("%s is as %s", name, was)
		}
		seen[f] = name
	}
	one, _ := Of[a](1)
	two, _ := Of[a](2)
	three, _ := Of[b](1)
	add("a", one.Fingerprint())
	add("a, of another meaning", two.Fingerprint())
	add("b", three.Fingerprint())
	{
		type inner struct{ X uint16 }
		type b struct{ In []inner }
		s, _ := Of[b](1)
		add("b, with another field", s.Fingerprint())
	}
	{
		type inner struct {
			X uint8 `snapshot:"-"`
			Y uint8
		}
		type b struct{ In []inner }
		s, _ := Of[b](1)
		add("b, with a field left out", s.Fingerprint())
	}
	var schema *SchemaError
	var buf bytes.Buffer
	if err := one.Write(&buf, &a{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Read(&buf); !errors.As(err, &schema) || schema.Found != one.Fingerprint() || schema.Wanted != two.Fingerprint() || errors.Is(err, ErrDamaged) {
		t.Errorf("%v", err)
	}
}

// TestDamaged: cut anywhere, or with any octet changed, it is refused.
func TestDamaged(t *testing.T) {
	s := graphSchema(t)
	g := sample()
	g.all, g.times, g.Texts = g.all[:10], g.times[:10], nil
	text := written(t, s, g)
	for i := range text {
		if _, err := s.Read(bytes.NewReader(text[:i])); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut after %d octets: %v", i, err)
		}
		x := bytes.Clone(text)
		x[i] ^= 1 << (i % 8)
		var schema *SchemaError
		if _, err := s.Read(bytes.NewReader(x)); !errors.Is(err, ErrDamaged) && !errors.As(err, &schema) {
			t.Fatalf("octet %d changed: %v", i, err)
		}
	}
	if _, err := s.Read(bytes.NewReader(append(text, 0))); !errors.Is(err, ErrDamaged) {
		t.Errorf("something follows: %v", err)
	}
	g.first.n = -1
	if _, err := s.Read(bytes.NewReader(written(t, s, g))); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "a snapshot.node that is not whole") {
		t.Errorf("refused by its type: %v", err)
	}
	broken := errors.New("broken")
	if _, err := s.Read(io.MultiReader(bytes.NewReader(text[:100]), iotest.ErrReader(broken))); !errors.Is(err, broken) || errors.Is(err, ErrDamaged) {
		t.Errorf("%v", err)
	}
}

// framed makes a snapshot of a payload, with all checksums right: what only somebody
// who means harm would write.
func framed(s *Schema[graph], payload []byte) []byte {
	var b bytes.Buffer
	f, _ := newFrameWriter(&b, s.Fingerprint())
	_ = f.write(payload)
	_ = f.end()
	return b.Bytes()
}

// payload is what the frames of a snapshot hold.
func payload(t testing.TB, text []byte) (out []byte) {
	sum := crc32.Checksum(text[:len(magic)+fingerprintSize], castagnoli)
	for text = text[len(magic)+fingerprintSize:]; ; {
		n := binary.LittleEndian.Uint32(text)
		if n == 0 {
			return out
		}
		sum = crc32.Update(crc32.Update(sum, castagnoli, text[:4]), castagnoli, text[8:8+n])
		if sum != binary.LittleEndian.Uint32(text[4:]) {
			t.Fatal("another checksum than is documented")
		}
		out, text = append(out, text[8:8+n]...), text[8+n:]
	}
}

// TestPromises: a list is not given room before its elements come.
func TestPromises(t *testing.T) {
	s := graphSchema(t)
	for i := range 40 {
		x := binary.AppendUvarint(nil, 1<<i)
		x = binary.AppendUvarint(x, 1<<39)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := s.Read(bytes.NewReader(framed(s, append(x, make([]byte, 100)...)))); err == nil {
			t.Errorf("field %d of 2^39 was read", i)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
			t.Errorf("field %d took %d octets", i, n)
		}
	}
}

// FuzzRead: whatever octets say, with checksums that are right, nothing panics, and
// what is read can be written and read again.
func FuzzRead(f *testing.F) {
	s := graphSchema(f)
	g := sample()
	g.all, g.times, g.Texts = g.all[:6], g.times[:4], g.Texts[:2]
	text := written(f, s, g)
	f.Add(payload(f, text))
	f.Add(payload(f, written(f, s, &graph{})))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := s.Read(bytes.NewReader(framed(s, data)))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		first := written(t, s, got)
		again, err := s.Read(bytes.NewReader(first))
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		_ = written(t, s, again)
	})
}
