package wire

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"depeer/bgp"
)

// body makes the body of an UPDATE.
func body(withdrawn, attrs, nlri []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(withdrawn)))
	b = append(b, withdrawn...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(attrs)))
	b = append(b, attrs...)
	return append(b, nlri...)
}

// attr makes a path attribute; a long value gets a long length.
func attr(flags, typ byte, value ...byte) []byte {
	if len(value) > 255 {
		b := []byte{flags | 0x10, typ}
		return append(binary.BigEndian.AppendUint16(b, uint16(len(value))), value...)
	}
	return append([]byte{flags, typ, byte(len(value))}, value...)
}

func sequence2(asns ...uint16) []byte {
	b := []byte{2, byte(len(asns))}
	for _, a := range asns {
		b = binary.BigEndian.AppendUint16(b, a)
	}
	return b
}

func sequence4(asns ...uint32) []byte {
	b := []byte{2, byte(len(asns))}
	for _, a := range asns {
		b = binary.BigEndian.AppendUint32(b, a)
	}
	return b
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

var (
	origin  = attr(0x40, AttrOrigin, 0)
	path    = attr(0x40, AttrPath, sequence2(3549, 26780)...)
	nextHop = attr(0x40, AttrNextHop, 192, 0, 2, 1)
	usual   = join(origin, path, nextHop)
	mccolo  = []byte{22, 208, 66, 192}
)

// mp makes the value of MP_REACH_NLRI for IPv6 unicast.
func mp(nh int, routes ...byte) []byte {
	b := []byte{0, 2, 1, byte(nh)}
	b = append(b, make([]byte, nh)...)
	return append(append(b, 0), routes...)
}

func TestSplitFaults(t *testing.T) {
	v6 := []byte{32, 0x20, 0x01, 0x0d, 0xb8}
	tests := []struct {
		name string
		body []byte
		want Fault
	}{
		{"announcement", body(nil, usual, mccolo), None},
		{"withdrawal", body(mccolo, nil, nil), None},
		{"end of RIB", body(nil, nil, nil), None},
		{"three octets", []byte{0, 0, 0}, TooShort},
		{"withdrawn beyond the message", []byte{0, 9, 0, 0}, BadLengths},
		{"attributes beyond the message", []byte{0, 0, 0, 9}, BadLengths},
		{"attribute header cut", body(nil, join(usual, []byte{0x80, 4}), mccolo), AttrOverrun},
		{"attribute beyond the attributes", body(nil, join(usual, []byte{0x80, 4, 4, 0}), mccolo), AttrOverrun},
		{"extended length cut", body(nil, join(usual, []byte{0x90, 4, 0}), mccolo), AttrOverrun},
		{"ORIGIN optional", body(nil, join(attr(0xC0, AttrOrigin, 0), path, nextHop), mccolo), AttrFlags},
		{"COMMUNITIES well-known", body(nil, join(usual, attr(0x40, AttrCommunities, 1, 2, 3, 4)), mccolo), AttrFlags},
		{"partial bit is no fault", body(nil, join(usual, attr(0xE0, AttrCommunities, 1, 2, 3, 4)), mccolo), None},
		{"ORIGIN of 3", body(nil, join(attr(0x40, AttrOrigin, 3), path, nextHop), mccolo), BadOrigin},
		{"ORIGIN of two octets", body(nil, join(attr(0x40, AttrOrigin, 0, 0), path, nextHop), mccolo), AttrLength},
		{"NEXT_HOP of three octets", body(nil, join(origin, path, attr(0x40, AttrNextHop, 1, 2, 3)), mccolo), AttrLength},
		{"MED of three octets", body(nil, join(usual, attr(0x80, AttrMED, 1, 2, 3)), mccolo), AttrLength},
		{"COMMUNITIES empty", body(nil, join(usual, attr(0xC0, AttrCommunities)), mccolo), AttrLength},
		{"COMMUNITIES of six octets", body(nil, join(usual, attr(0xC0, AttrCommunities, 1, 2, 3, 4, 5, 6)), mccolo), AttrLength},
		{"large communities of eight octets", body(nil, join(usual, attr(0xC0, AttrLargeComm, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)), mccolo), AttrLength},
		{"segment of type 5", body(nil, join(origin, attr(0x40, AttrPath, 5, 1, 0, 1), nextHop), mccolo), BadPath},
		{"segment without an AS", body(nil, join(origin, attr(0x40, AttrPath, 2, 0), nextHop), mccolo), BadPath},
		{"segment overrun", body(nil, join(origin, attr(0x40, AttrPath, 2, 2, 0, 1), nextHop), mccolo), BadPath},
		{"segment underrun", body(nil, join(origin, attr(0x40, AttrPath, 2, 1, 0, 1, 2), nextHop), mccolo), BadPath},
		{"empty path (iBGP)", body(nil, join(origin, attr(0x40, AttrPath), nextHop), mccolo), None},
		{"no ORIGIN", body(nil, join(path, nextHop), mccolo), MissingAttr},
		{"no AS_PATH", body(nil, join(origin, nextHop), mccolo), MissingAttr},
		{"no NEXT_HOP", body(nil, join(origin, path), mccolo), MissingAttr},
		{"MP_REACH_NLRI needs no NEXT_HOP", body(nil, join(origin, path, attr(0x80, AttrReach, mp(16, v6...)...)), nil), None},
		{"MP_REACH_NLRI needs AS_PATH", body(nil, join(origin, attr(0x80, AttrReach, mp(16, v6...)...)), nil), MissingAttr},
		{"next hop of 15", body(nil, join(origin, path, attr(0x80, AttrReach, mp(15, v6...)...)), nil), BadMP},
		{"next hop beyond the attribute", body(nil, join(origin, path, attr(0x80, AttrReach, 0, 2, 1, 200, 1)), nil), BadMP},
		{"MP_REACH_NLRI of four octets", body(nil, join(origin, path, attr(0x80, AttrReach, 0, 2, 1, 0)), nil), BadMP},
		{"two MP_REACH_NLRI", body(nil, join(origin, path, attr(0x80, AttrReach, mp(16)...), attr(0x80, AttrReach, mp(16)...)), nil), DuplicateMP},
		{"MP_UNREACH_NLRI of two octets", body(nil, attr(0x80, AttrUnreach, 0, 2), nil), BadMP},
		{"IPv6 prefix of 129", body(nil, attr(0x80, AttrUnreach, append([]byte{0, 2, 1, 129}, make([]byte, 17)...)...), nil), BadPrefix},
		{"IPv4 prefix of 33", body(nil, usual, []byte{33, 1, 2, 3, 4, 5}), BadPrefix},
		{"IPv4 prefix cut", body(nil, usual, []byte{24, 1, 2}), BadPrefix},
		{"withdrawn prefix cut", body([]byte{24, 1, 2}, nil, nil), BadPrefix},
		{"unknown well-known", body(nil, join(usual, attr(0x40, 60, 1)), mccolo), UnknownAttr},
		{"unknown optional", body(nil, join(usual, attr(0xC0, 60, 1), attr(0xC0, 200, 1)), mccolo), None},
		{"second ORIGIN is discarded", body(nil, join(usual, attr(0x40, AttrOrigin, 9)), mccolo), None},
		{"AGGREGATOR of five octets is discarded", body(nil, join(usual, attr(0xC0, AttrAggregator, 1, 2, 3, 4, 5)), mccolo), None},
		{"the stronger of two faults", body(nil, join(attr(0x40, AttrOrigin, 3), path, nextHop, attr(0x80, AttrReach, 0, 2, 1, 0)), mccolo), BadMP},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var u Update
			if got := u.Split(tt.body, Session{}); got != tt.want {
				t.Fatalf("Split: %v, want %v", got, tt.want)
			}
			if a, w := u.Counts(); tt.want != None && (a != 0 || w != 0 || u.Path() != nil) {
				t.Errorf("a refused message still says something: %d announced, %d withdrawn, path %v", a, w, u.Path())
			}
		})
	}
}

func TestFaultClasses(t *testing.T) {
	for f, want := range map[Fault]Class{None: NoFault, BadPath: TreatAsWithdraw, AttrFlags: TreatAsWithdraw, MissingAttr: TreatAsWithdraw,
		BadPrefix: SessionReset, BadMP: SessionReset, DuplicateMP: SessionReset, BadMarker: SessionReset} {
		if got := f.Class(); got != want {
			t.Errorf("%v: %v, want %v", f, got, want)
		}
	}
	if None.Err() != nil || BadPath.Err() == nil {
		t.Error("Err of None is not nil, or that of a fault is")
	}
}

func TestDiscarded(t *testing.T) {
	var u Update
	b := body(nil, join(usual, attr(0xC0, AttrAggregator, 1, 2, 3, 4, 5)), mccolo)
	if f := u.Split(b, Session{}); f != None || u.Discarded() != 1<<AttrAggregator {
		t.Errorf("fault %v, discarded %b, want AGGREGATOR alone", f, u.Discarded())
	}
	if _, _, ok := u.Aggregator(); ok || u.Plain() {
		t.Error("the discarded attribute is still believed")
	}
}

// RFC 6793 section 4.2.3.
func TestAS4Path(t *testing.T) {
	as4 := func(v []byte) []byte { return attr(0xC0, AttrAS4Path, v...) }
	set2 := func(asns ...uint16) []byte { v := sequence2(asns...); v[0] = 1; return v }
	confed4 := func(asns ...uint32) []byte { v := sequence4(asns...); v[0] = 3; return v }
	tests := []struct {
		name  string
		attrs []byte
		want  string
	}{
		{"merged", join(attr(0x40, AttrPath, sequence2(64500, 23456, 23456)...), as4(sequence4(200000, 300000))), "64500 200000 300000"},
		{"the same length", join(attr(0x40, AttrPath, sequence2(23456, 23456)...), as4(sequence4(200000, 300000))), "200000 300000"},
		{"longer than AS_PATH", join(attr(0x40, AttrPath, sequence2(23456)...), as4(sequence4(200000, 300000))), "23456"},
		{"an AS_SET counts one", join(attr(0x40, AttrPath, join(sequence2(64500, 23456), set2(1, 2, 3))...), as4(sequence4(200000, 300000))), "64500 200000 300000"},
		{"confederation segments of AS4_PATH are dropped", join(attr(0x40, AttrPath, sequence2(64500, 23456)...), as4(join(confed4(65001), sequence4(200000)))), "64500 200000"},
		{"AGGREGATOR is not AS_TRANS", join(attr(0x40, AttrPath, sequence2(64500, 23456)...), attr(0xC0, AttrAggregator, 0xFB, 0xF4, 1, 2, 3, 4),
			attr(0xC0, AttrAS4Aggregator, 0, 3, 0x0D, 0x40, 1, 2, 3, 4), as4(sequence4(200000))), "64500 23456"},
		{"AGGREGATOR is AS_TRANS", join(attr(0x40, AttrPath, sequence2(64500, 23456)...), attr(0xC0, AttrAggregator, 0x5B, 0xA0, 1, 2, 3, 4),
			attr(0xC0, AttrAS4Aggregator, 0, 3, 0x0D, 0x40, 1, 2, 3, 4), as4(sequence4(200000))), "64500 200000"},
		{"malformed AS4_PATH is discarded", join(attr(0x40, AttrPath, sequence2(64500, 23456)...), as4([]byte{2, 9, 0, 0, 0, 1})), "64500 23456"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var u Update
			if f := u.Split(body(nil, join(origin, tt.attrs, nextHop), mccolo), Session{}); f != None {
				t.Fatal(f)
			}
			if got := u.Path().String(); got != tt.want {
				t.Errorf("path %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("means nothing between speakers of 4 octets", func(t *testing.T) {
		var u Update
		b := body(nil, join(origin, attr(0x40, AttrPath, sequence4(64500, 400000)...), nextHop, as4(sequence4(1, 2))), mccolo)
		if f := u.Split(b, Session{AS4: true}); f != None || u.Path().String() != "64500 400000" {
			t.Errorf("fault %v, path %q", f, u.Path())
		}
	})
}

func TestRoutes(t *testing.T) {
	v6 := []byte{32, 0x20, 0x01, 0x0d, 0xb8, 13, 0x20, 0x07} // the second has bits behind its length
	b := body([]byte{0, 24, 192, 0, 2}, join(usual, attr(0x80, AttrReach, mp(32, v6...)...), attr(0x80, AttrUnreach, 0, 2, 1, 128,
		0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)), []byte{13, 11, 13, 32, 1, 2, 3, 4})
	var u Update
	if f := u.Split(b, Session{}); f != None {
		t.Fatal(f)
	}
	if a, w := u.Counts(); a != 4 || w != 3 {
		t.Errorf("%d announced, %d withdrawn, want 4 and 3", a, w)
	}
	got := u.Append(nil, bgp.Update{}.At, bgp.Peer{})
	want := []string{"withdraw 0.0.0.0/0", "withdraw 192.0.2.0/24", "withdraw 2001:db8::1/128",
		"announce 11.8.0.0/13", "announce 1.2.3.4/32", "announce 2001:db8::/32", "announce 2000::/13"}
	if len(got) != len(want) {
		t.Fatalf("%d updates, want %d", len(got), len(want))
	}
	for i, g := range got {
		if s := g.Kind.String() + " " + g.Prefix.String(); s != want[i] {
			t.Errorf("update %d: %s, want %s", i, s, want[i])
		}
	}
}

func TestAddPath(t *testing.T) {
	b := body([]byte{0, 0, 0, 9, 8, 10}, usual, []byte{0, 0, 0, 7, 22, 208, 66, 192})
	var u Update
	if f := u.Split(b, Session{AddPath4: true}); f != None {
		t.Fatal(f)
	}
	x, y := u.Announced(), u.Withdrawn()
	p, _ := x.Next()
	q, _ := y.Next()
	if p.ID != 7 || p.Netip() != netip.MustParsePrefix("208.66.192.0/22") || q.ID != 9 || q.Netip() != netip.MustParsePrefix("10.0.0.0/8") {
		t.Errorf("announced %v id %d, withdrawn %v id %d", p.Netip(), p.ID, q.Netip(), q.ID)
	}
}

// RFC 8654: a message of up to 65,535 octets.
func TestExtendedMessage(t *testing.T) {
	var nlri []byte
	for i := range 16000 {
		nlri = append(nlri, 24, 10, byte(i>>8), byte(i))
	}
	msg := append(bytes.Repeat([]byte{0xFF}, 16), 0, 0, TypeUpdate)
	msg = append(msg, body(nil, usual, nlri)...)
	binary.BigEndian.PutUint16(msg[16:], uint16(len(msg)))
	typ, b, f := Header(msg)
	var u Update
	if typ != TypeUpdate || f != None || u.Split(b, Session{}) != None {
		t.Fatalf("type %d, fault %v", typ, f)
	}
	if a, _ := u.Counts(); a != 16000 {
		t.Errorf("%d prefixes, want 16000", a)
	}
}

func TestHeader(t *testing.T) {
	msg := append(bytes.Repeat([]byte{0xFF}, 16), 0, 23, TypeUpdate, 0, 0, 0, 0)
	if typ, b, f := Header(msg); typ != TypeUpdate || len(b) != 4 || f != None {
		t.Errorf("type %d, %d octets, %v", typ, len(b), f)
	}
	if _, b, f := Header(msg[:20]); f != BadLength || len(b) != 1 {
		t.Errorf("cut: %v with %d octets of body, want what there is", f, len(b))
	}
	msg[16], msg[17] = 0, 18
	if _, b, f := Header(msg); f != BadLength || b != nil {
		t.Errorf("length 18: %v", f)
	}
	msg[3] = 0
	if _, _, f := Header(msg); f != BadMarker {
		t.Errorf("marker: %v", f)
	}
}

func TestEndOfRIB(t *testing.T) {
	for name, tt := range map[string]struct {
		body []byte
		want Family
		ok   bool
	}{
		"IPv4":          {body(nil, nil, nil), Family{AFI4, Unicast}, true},
		"IPv6":          {body(nil, attr(0x80, AttrUnreach, 0, 2, 1), nil), Family{AFI6, Unicast}, true},
		"a withdrawal":  {body(mccolo, nil, nil), Family{}, false},
		"an IPv6 route": {body(nil, attr(0x80, AttrUnreach, 0, 2, 1, 8, 0x20), nil), Family{}, false},
	} {
		var u Update
		if f := u.Split(tt.body, Session{}); f != None {
			t.Fatal(name, f)
		}
		if f, ok := u.EndOfRIB(); f != tt.want || ok != tt.ok {
			t.Errorf("%s: %v %v, want %v %v", name, f, ok, tt.want, tt.ok)
		}
	}
}

// A collector kept the beginning of a message.
func TestSplitCut(t *testing.T) {
	whole := body([]byte{24, 1, 2, 3, 24, 4, 5, 6}, usual, []byte{24, 7, 8, 9, 24, 10, 11, 12})
	for name, tt := range map[string]struct {
		keep int
		a, w int
		want Fault
	}{
		"within the second withdrawn prefix": {2 + 6, 0, 1, None},
		"within the attributes":              {2 + 8 + 2 + 5, 0, 0, BadLengths},
		"within the second prefix":           {len(whole) - 1, 1, 2, None},
		"behind the attributes":              {len(whole) - 8, 0, 2, None},
	} {
		var u Update
		f := u.SplitCut(whole[:tt.keep], Session{})
		if a, w := u.Counts(); f != tt.want || a != tt.a || w != tt.w {
			t.Errorf("cut %s: %v, %d announced, %d withdrawn, want %v, %d and %d", name, f, a, w, tt.want, tt.a, tt.w)
		}
	}
}
