package wire

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"depeer/bgp"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func randomPrefix(rng *rand.Rand) netip.Prefix {
	if rng.IntN(3) > 0 {
		// Few first octets, so that prefixes contain one another.
		a := netip.AddrFrom4([4]byte{byte(10 + rng.IntN(3)), byte(rng.IntN(4)), byte(rng.IntN(4)), byte(rng.IntN(256))})
		return netip.PrefixFrom(a, rng.IntN(33)).Masked()
	}
	a := netip.AddrFrom16([16]byte{0x20, 0x01, byte(rng.IntN(4)), byte(rng.IntN(4)), byte(rng.IntN(2)), 15: byte(rng.IntN(4))})
	return netip.PrefixFrom(a, rng.IntN(129)).Masked()
}

// The set answers as a list would that is searched from end to end.
func TestPrefixSetIsAList(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		w := NewWatch()
		var subtrees, exacts []netip.Prefix
		for range 1 + rng.IntN(12) {
			p := randomPrefix(rng)
			if rng.IntN(2) == 0 {
				w.AddPrefix(p)
				subtrees = append(subtrees, p)
			} else {
				w.AddExact(p)
				exacts = append(exacts, p)
			}
		}
		for range 500 {
			p := randomPrefix(rng)
			want := slices.Contains(exacts, p) || slices.ContainsFunc(subtrees, func(q netip.Prefix) bool {
				return q.Bits() <= p.Bits() && q.Contains(p.Addr())
			})
			if got := w.WatchesPrefix(PrefixOf(p)); got != want {
				t.Fatalf("round %d: %v: %v, want %v\nsubtrees %v\nalone %v", round, p, got, want, subtrees, exacts)
			}
		}
	}
}

func TestASNSet(t *testing.T) {
	var s asnSet
	in := []uint32{0, 1, 63, 64, 65535, 65536, 4200000000, 1<<32 - 1}
	for _, a := range in {
		s.add(a)
		s.add(a)
	}
	if s.n != len(in) {
		t.Errorf("%d members, want %d", s.n, len(in))
	}
	for _, a := range in {
		if !s.has(a) || s.has(a^2) {
			t.Errorf("AS%d: in %v, its neighbour %v", a, s.has(a), s.has(a^2))
		}
	}
	s.remove(65536)
	s.remove(5)
	if s.has(65536) || s.n != len(in)-1 {
		t.Error("remove did not remove one")
	}
}

func announce(t *testing.T, s Session, nlri []byte, path []byte) *Update {
	t.Helper()
	var u Update
	if f := u.Split(body(nil, join(origin, attr(0x40, AttrPath, path...), nextHop), nlri), s); f != None {
		t.Fatal(f)
	}
	return &u
}

func TestMatch(t *testing.T) {
	w := NewWatch()
	w.AddASN(26780)
	w.AddASN(400000)
	w.AddPrefix(prefix("208.66.192.0/22"))
	w.AddPrefix(prefix("2001:db8::/32"))
	other := []byte{24, 192, 0, 2}
	inside := []byte{24, 208, 66, 193}
	around := []byte{21, 208, 66, 192}
	var u Update
	tests := []struct {
		name  string
		body  []byte
		as4   bool
		want  Hit
		kinds []string
	}{
		{"watched AS", body(nil, usual, other), false, ByPath, []string{"announce 192.0.2.0/24"}},
		{"watched AS of 4 octets", body(nil, join(origin, attr(0x40, AttrPath, sequence4(1, 400000, 2)...), nextHop), other), true, ByPath, []string{"announce 192.0.2.0/24"}},
		{"watched AS in AS4_PATH", body(nil, join(origin, attr(0x40, AttrPath, sequence2(1, 23456)...), nextHop, attr(0xC0, AttrAS4Path, sequence4(400000)...)), other), false, ByPath, []string{"announce 192.0.2.0/24"}},
		{"watched AS in an AS4_PATH that does not hold", body(nil, join(origin, attr(0x40, AttrPath, sequence2(1)...), nextHop, attr(0xC0, AttrAS4Path, sequence4(2, 400000)...)), other), false, 0, nil},
		{"more specific", body(nil, join(origin, attr(0x40, AttrPath, sequence2(1, 2)...), nextHop), join(other, inside)), false, ByPrefix, []string{"announce 208.66.193.0/24"}},
		{"less specific", body(nil, join(origin, attr(0x40, AttrPath, sequence2(1, 2)...), nextHop), around), false, 0, nil},
		{"withdrawn", body(join(other, mccolo), nil, nil), false, ByPrefix, []string{"withdraw 208.66.192.0/22"}},
		{"withdrawn beside an announcement by path", body(join(other, mccolo), usual, other), false, ByPath | ByPrefix,
			[]string{"withdraw 208.66.192.0/22", "announce 192.0.2.0/24"}},
		{"IPv6", body(nil, join(origin, attr(0x40, AttrPath, sequence2(1, 2)...), attr(0x80, AttrReach, mp(16, 48, 0x20, 1, 0xd, 0xb8, 0, 7)...)), nil), false, ByPrefix, []string{"announce 2001:db8:7::/48"}},
		{"IPv6 withdrawn", body(nil, attr(0x80, AttrUnreach, 0, 2, 1, 32, 0x20, 1, 0xd, 0xb8), nil), false, ByPrefix, []string{"withdraw 2001:db8::/32"}},
		{"IPv6 multicast", body(nil, attr(0x80, AttrUnreach, 0, 2, 2, 32, 0x20, 1, 0xd, 0xb8), nil), false, 0, nil},
		{"nothing", body(other, join(origin, attr(0x40, AttrPath, sequence2(1, 2)...), nextHop), other), false, 0, nil},
	}
	for _, expect := range []*Watch{nil, w} {
		u.Expect(expect)
		for _, tt := range tests {
			if f := u.Split(tt.body, Session{AS4: tt.as4}); f != None {
				t.Fatal(tt.name, f)
			}
			h := w.Match(&u)
			if h != tt.want {
				t.Errorf("%s: %b, want %b", tt.name, h, tt.want)
			}
			var kinds []string
			if h != 0 {
				for _, x := range w.Append(nil, &u, h, time.Time{}, bgp.Peer{}) {
					kinds = append(kinds, x.Kind.String()+" "+x.Prefix.String())
				}
			}
			if !slices.Equal(kinds, tt.kinds) {
				t.Errorf("%s: %v, want %v", tt.name, kinds, tt.kinds)
			}
		}
	}
}

func TestLearn(t *testing.T) {
	w := NewWatch()
	w.Learn = true
	w.AddASN(26780)
	match := func(nlri []byte, asns ...uint16) Hit {
		return w.Match(announce(t, Session{}, nlri, sequence2(asns...)))
	}
	withdraw := func(p ...byte) Hit {
		var u Update
		if f := u.Split(body(p, nil, nil), Session{}); f != None {
			t.Fatal(f)
		}
		return w.Match(&u)
	}
	if withdraw(mccolo...) != 0 {
		t.Error("a prefix is watched before anybody announced it")
	}
	match(mccolo, 701, 3549, 26780)
	if withdraw(24, 208, 66, 193) != ByPrefix {
		t.Error("a more specific of what the hoster originates is not followed")
	}
	match([]byte{16, 10, 1}, 701, 3549, 26780, 64500)
	if withdraw(16, 10, 1) != ByPrefix || withdraw(24, 10, 1, 1) != 0 {
		t.Error("what the hoster carries is not followed alone")
	}
	match([]byte{0}, 701, 26780)
	if withdraw(0) != ByPrefix || withdraw(24, 99, 1, 1) != 0 {
		t.Error("a default route of the hoster is not followed alone")
	}
	// 3549 is an upstream now: references behind it, two for each neighbour.
	for i := range byte(5) {
		match([]byte{24, 11, 0, i}, 701, 3549, 64501)
	}
	match([]byte{24, 11, 9, 9}, 701, 3549)
	got := w.Learned()
	if got.References != 2 || withdraw(24, 11, 0, 1) != ByPrefix || withdraw(24, 11, 0, 2) != 0 || withdraw(24, 11, 9, 9) != 0 {
		t.Errorf("references %+v, want the first two behind AS64501", got)
	}
	for i := range uint16(200) {
		match([]byte{24, 12, byte(i), 0}, 701, 3549, 1000+i)
		match([]byte{24, 13, byte(i), 0}, 702, 701, 1000+i) // 701 is an upstream, too: of the default route
	}
	got = w.Learned()
	if got.References != 2*maxReferences-2 || got.Upstreams != 2 || got.Originated != 2 || got.Carried != 1 {
		t.Errorf("learned %+v, want 50 references for each of 2 upstreams, of which two serve both", got)
	}
	if w.seen.has(3549) {
		t.Error("an upstream with its references still costs a closer look")
	}
}

// A message may be split long before it is matched, and what it holds be learned
// from another one meanwhile.
func TestLearnBetweenSplitAndMatch(t *testing.T) {
	for name, nlri := range map[string][]byte{"withdrawn": mccolo, "a more specific withdrawn": {24, 208, 66, 193}} {
		w := NewWatch()
		w.Learn = true
		w.AddASN(26780)
		var u Update
		u.Expect(w)
		if f := u.Split(body(nlri, nil, nil), Session{}); f != None {
			t.Fatal(f)
		}
		w.Match(announce(t, Session{}, mccolo, sequence2(701, 3549, 26780)))
		if h := w.Match(&u); h != ByPrefix {
			t.Errorf("%s: %b", name, h)
		}
	}
}

func TestLearnIsBounded(t *testing.T) {
	w := NewWatch()
	w.Learn = true
	w.AddASN(26780)
	w.learnt.Carried = maxLearned
	if h := w.Match(announce(t, Session{}, mccolo, sequence2(3549, 26780))); h != ByPath {
		t.Errorf("hit %b: a full list no longer matches paths", h)
	}
	if w.Learned().Refused != 1 || w.WatchesPrefix(PrefixOf(prefix("208.66.192.0/22"))) {
		t.Errorf("%+v", w.Learned())
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	w := NewWatch()
	w.AddASN(26780)
	w.AddPrefix(prefix("208.66.192.0/22"))
	miss := body([]byte{24, 1, 2, 3}, join(origin, attr(0x40, AttrPath, sequence2(1, 2, 3)...), nextHop), []byte{24, 7, 8, 9})
	hit := body(nil, usual, mccolo)
	var u Update
	for name, b := range map[string][]byte{"unmatched": miss, "matched": hit} {
		if n := testing.AllocsPerRun(100, func() { u.Split(b, Session{}); w.Match(&u) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkSplitMatch(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 4))
	w := NewWatch()
	for range 1000 {
		w.AddASN(100000 + rng.Uint32N(100000))
	}
	for range 10000 {
		w.AddPrefix(netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(1 + rng.IntN(223)), byte(rng.IntN(256)), byte(rng.IntN(256))}), 24))
	}
	msgs := make([][]byte, 1024)
	for i := range msgs {
		var nlri []byte
		for range 1 + rng.IntN(4) {
			nlri = append(nlri, 24, byte(1+rng.IntN(223)), byte(rng.IntN(256)), byte(rng.IntN(256)))
		}
		asns := make([]uint16, 3+rng.IntN(4))
		for j := range asns {
			asns[j] = uint16(1 + rng.IntN(60000))
		}
		msgs[i] = body(nil, join(origin, attr(0x40, AttrPath, sequence2(asns...)...), nextHop, attr(0xC0, AttrCommunities, 1, 2, 3, 4)), nlri)
	}
	var u Update
	u.Expect(w)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		u.Split(msgs[i&1023], Session{})
		w.Match(&u)
	}
}
