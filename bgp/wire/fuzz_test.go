package wire

import (
	"testing"
	"time"

	"depeer/bgp"
)

// FuzzSplit: no message panics; a refused one says nothing; one that is believed
// counts what it walks, matches alike with and without Expect, and a prefix that
// was decoded is watched afterwards if it is put on the list.
func FuzzSplit(f *testing.F) {
	f.Add(body(nil, usual, mccolo), byte(0))
	f.Add(body(mccolo, join(origin, attr(0x40, AttrPath, sequence4(1, 400000)...), nextHop), mccolo), byte(1))
	f.Add(body(nil, join(origin, path, attr(0x80, AttrReach, mp(16, 32, 0x20, 1, 0xd, 0xb8)...)), nil), byte(0))
	f.Add(body([]byte{0, 0, 0, 9, 8, 10}, usual, []byte{0, 0, 0, 7, 22, 208, 66, 192}), byte(2))
	f.Add(body(nil, attr(0x80, AttrUnreach, 0, 2, 1, 8, 0x20), nil), byte(4))
	f.Fuzz(func(t *testing.T, b []byte, flags byte) {
		s := Session{AS4: flags&1 != 0, AddPath4: flags&2 != 0, AddPath6: flags&4 != 0}
		w := NewWatch()
		w.AddASN(26780)
		w.AddPrefix(prefix("208.66.0.0/16"))
		w.AddPrefix(prefix("2001:db8::/29"))
		var u, v Update
		u.Expect(w)
		fault := u.Split(b, s)
		if v.Split(b, s) != fault {
			t.Fatal("Expect changes what is refused")
		}
		a, wd := u.Counts()
		if fault != None && (a != 0 || wd != 0 || u.Path() != nil) {
			t.Fatalf("refused (%v), and yet %d announced, %d withdrawn", fault, a, wd)
		}
		all := u.Append(nil, time.Time{}, bgp.Peer{})
		if len(all) != a+wd {
			t.Fatalf("%d prefixes walked, %d announced and %d withdrawn counted", len(all), a, wd)
		}
		h := w.Match(&u)
		if h != w.Match(&v) {
			t.Fatal("Expect changes what is matched")
		}
		want := Hit(0)
		for _, x := range all {
			if x.Prefix != x.Prefix.Masked() {
				t.Fatalf("%v is not masked", x.Prefix)
			}
			if w.WatchesPrefix(PrefixOf(x.Prefix)) {
				want |= ByPrefix
			}
			for _, seg := range x.Path {
				for _, n := range seg.ASNs {
					if n == 26780 {
						want |= ByPath
					}
				}
			}
		}
		if h != want {
			t.Fatalf("hit %b, and a search from end to end gives %b", h, want)
		}
		w.Learn = true
		w.Match(&u)
		u.SplitCut(b, s)
		u.SplitAttributes(b, s)
		u.Path()
		u.Aggregator()
	})
}
