package chunk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"depeer/bgp"
)

// randomRows makes rows of every shape: one or many, whole seconds or not, with and without
// what can be left out.
func randomRows(w *rand.Rand, sorted bool) []Row {
	n := []int{0, 1, 2, 7, 300}[w.IntN(5)]
	step := []int64{1, 1_000, 1_000_000}[w.IntN(3)]
	most := []int64{1, 200, math.MaxUint32}[w.IntN(3)]
	number := func() uint32 { return uint32(1 + w.Int64N(most)) }
	rows := make([]Row, n)
	at := (w.Int64N(4e9) - 1e9) * 1_000_000
	for i := range rows {
		at += w.Int64N(90) * step
		r := &rows[i]
		*r = Row{At: at, Recorded: at, Peer: number(), What: withdrawn}
		if !sorted {
			r.At, r.Prefix = at-w.Int64N(1000)*step, uint32(w.IntN(5))
		}
		if w.IntN(3) > 0 {
			r.Path, r.What = number(), announced
		}
		switch w.IntN(4 + n) {
		case 0:
			r.Recorded += w.Int64N(1e12)
		case 1:
			r.PathID = number()
		case 2:
			r.What = uint8(w.IntN(256))
		case 3:
			r.Word = number()
		}
	}
	return rows
}

func TestRoundTrip(t *testing.T) {
	for seed := range uint64(500) {
		w := rand.New(rand.NewPCG(seed, 1))
		rows := randomRows(w, true)
		body := Append([]byte("before"), rows)
		got, err := Decode(slices.Clone(rows[:min(1, len(rows))]), body[6:])
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if want := slices.Concat(rows[:min(1, len(rows))], rows); !slices.Equal(got, want) {
			t.Fatalf("seed %d:\n got %v\nwant %v", seed, got, want)
		}
		if again := Append([]byte("before"), rows); !bytes.Equal(again, body) {
			t.Fatalf("seed %d: the same rows, other bytes", seed)
		}
	}
}

func testBatch(w *rand.Rand) *Batch {
	b := &Batch{
		Peers:    []bgp.Peer{{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64501}, {Addr: netip.MustParseAddr("2001:db8::1"), ASN: math.MaxUint32}, {Collector: "x"}},
		Prefixes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::/0"), netip.MustParsePrefix("192.0.2.1/32")},
		Paths: []bgp.Path{{}, bgp.PathOf(1, 2, math.MaxUint32), {{Type: bgp.ASConfedSet, ASNs: []uint32{7}}, {Type: bgp.ASSet, ASNs: []uint32{1, 2}}},
			{{Type: bgp.ASSequence, ASNs: []uint32{}}}},
		Words: []string{"", "a\x00b", "cease"},
		Rows:  randomRows(w, false),
	}
	for i := range b.Rows {
		r := &b.Rows[i]
		r.Peer, r.Path, r.Word = 1+r.Peer%3, r.Path%5, r.Word%4
	}
	if len(b.Rows) == 0 {
		b.Rows = nil
	}
	return b
}

func TestBatchRoundTrip(t *testing.T) {
	for seed := range uint64(200) {
		b := testBatch(rand.New(rand.NewPCG(seed, 2)))
		got, err := DecodeBatch(AppendBatch(nil, b))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !reflect.DeepEqual(got, b) {
			t.Fatalf("seed %d:\n got %+v\nwant %+v", seed, got, b)
		}
	}
}

// TestDamage: whatever is cut off or altered is refused, and leaves alone what was there.
func TestDamage(t *testing.T) {
	w := rand.New(rand.NewPCG(3, 3))
	rows := randomRows(w, true)
	for len(rows) < 300 {
		rows = randomRows(w, true)
	}
	have := []Row{{At: 7}}
	for _, body := range [][]byte{Append(nil, rows), Append(nil, rows[:2]), AppendBatch(nil, testBatch(w))} {
		for i := range body {
			bad := slices.Clone(body)
			bad[i] ^= 1 << w.IntN(8)
			if got, err := Decode(have, bad); err == nil || len(got) != 1 {
				t.Fatalf("octet %d of %d: %v", i, len(body), err)
			}
			if _, err := Decode(nil, body[:i]); !errors.Is(err, ErrDamaged) {
				t.Fatalf("cut at %d: %v", i, err)
			}
			if _, err := DecodeBatch(bad); err == nil {
				t.Fatalf("octet %d of the batch was not missed", i)
			}
		}
	}
	later := Append(nil, rows)
	later[0] = version + 1
	if _, err := Decode(nil, later); err == nil || errors.Is(err, ErrDamaged) || err.Error() != "packed changes of version 2, and this program reads version 1" {
		t.Errorf("a later version: %v", err)
	}
}

// forge seals columns that no writer wrote, with the checksum that they should have.
func forge(form byte, raw []byte) []byte {
	b := append([]byte{version, form, 0, 0, 0, 0}, raw...)
	binary.BigEndian.PutUint32(b[2:], crc32.Checksum(raw, castagnoli))
	return b
}

func TestForged(t *testing.T) {
	for name, raw := range map[string][]byte{
		"more rows than octets":    {0xff, 0xff, 0xff, 0xff, 0x0f},
		"an unknown step of time":  {1, 0xff, 0x33, 0, 0, 1, 0, 0},
		"a path that nobody named": {1, oneRecorded | oneWord | noPathIDs | plainWhat, 0, 0, 0, 1, 2, 2, 0},
		"a path number of 0":       {1, oneRecorded | oneWord | noPathIDs | plainWhat, 0, 0, 0, 1, 1, 0, 0},
		"something behind":         {1, oneRecorded | oneWord | noPathIDs | plainWhat, 0, 0, 0, 1, 0, 0, 9},
		"a number of 70 bits":      {1, oneRecorded | oneWord | noPathIDs | plainWhat, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		if _, err := Decode(nil, forge(plain, raw)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := []byte{1, oneRecorded | oneWord | noPathIDs | plainWhat, 0, 0, 0, 1, 0, 0}
	if rows, err := Decode(nil, forge(plain, good)); err != nil || len(rows) != 1 {
		t.Errorf("%v, %v", rows, err)
	}
	if _, err := Decode(nil, forge(7, good)); !errors.Is(err, ErrDamaged) {
		t.Errorf("an unknown form: %v", err)
	}
	// A frame that promises far more than anybody packs.
	bomb := encoder.EncodeAll(make([]byte, maxRaw+1), nil)
	if _, err := Decode(nil, forge(packed, bomb)); !errors.Is(err, ErrDamaged) {
		t.Errorf("%d octets of zeros: %v", maxRaw, err)
	}
}

func TestPrefixOrder(t *testing.T) {
	list := []netip.Prefix{}
	for _, s := range []string{"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "255.255.255.255/32", "::/0", "::/1", "2001:db8::/32", "2001:db8::/33"} {
		list = append(list, netip.MustParsePrefix(s))
	}
	for i := range list[1:] {
		if bytes.Compare(AppendPrefix(nil, list[i]), AppendPrefix(nil, list[i+1])) >= 0 {
			t.Errorf("%s does not come before %s", list[i], list[i+1])
		}
	}
	for _, b := range [][]byte{nil, {4}, {4, 10, 0, 0, 1, 8}, {4, 10, 0, 0, 0, 33}, {5, 10, 0, 0, 0, 8}, {6, 10, 0, 0, 0, 8}} {
		if _, err := ParsePrefix(b); !errors.Is(err, ErrDamaged) {
			t.Errorf("%v: %v", b, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for seed := range uint64(8) {
		w := rand.New(rand.NewPCG(seed, 4))
		f.Add(appendColumns(nil, randomRows(w, true), true))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		rows, err := Decode(nil, forge(plain, raw))
		if err != nil {
			return
		}
		again, err := Decode(nil, Append(nil, rows))
		if err != nil || !slices.Equal(rows, again) {
			t.Fatalf("%v\n%v\n%v", rows, again, err)
		}
		_, _ = Decode(nil, raw)
		_, _ = Decode(nil, forge(packed, raw))
	})
}

func FuzzDecodeBatch(f *testing.F) {
	for seed := range uint64(8) {
		b := AppendBatch(nil, testBatch(rand.New(rand.NewPCG(seed, 5))))
		raw, _ := open(b)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := DecodeBatch(forge(plain, raw))
		if err != nil {
			return
		}
		again, err := DecodeBatch(AppendBatch(nil, b))
		if err != nil || !reflect.DeepEqual(b.Rows, again.Rows) || !reflect.DeepEqual(b.Paths, again.Paths) {
			t.Fatalf("%+v\n%+v\n%v", b, again, err)
		}
	})
}
