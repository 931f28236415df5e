package rib

import (
	"net/netip"
	"testing"
	"time"

	"depeer/bgp"
)

// FuzzTable: no sequence of updates, in any order of time, makes the table panic,
// lose track of who joined, or tell a change that does not follow on the one before.
func FuzzTable(f *testing.F) {
	f.Add([]byte{0x01, 0x00, 0x10, 0x03, 0x10, 0x20, 0x02, 0x00, 0x10, 0x04, 0x30, 0x00, 0x01, 0x01, 0x10, 0x05, 0x00, 0x00})
	f.Add([]byte{0x06, 0x00, 0x00, 0x07, 0x00, 0x11, 0x08, 0x00, 0x00, 0x04, 0x00, 0x00, 0x06, 0x10, 0x00, 0x03, 0x21, 0x00, 0x07, 0x00, 0x33, 0x09, 0xf0, 0x00})
	f.Add([]byte{0x0a, 0x10, 0xff, 0x0a, 0x30, 0x0f, 0x0a, 0x50, 0xf0, 0x0a, 0x70, 0x01, 0x0b, 0x70, 0x00, 0x0c, 0xf0, 0x00})
	prefixes := append(append([]netip.Prefix{{}}, modelPrefixes[0]...), modelPrefixes[1]...)
	pauses := []time.Duration{0, time.Second, 30 * time.Second, 61 * time.Second, -20 * time.Second, 10 * time.Minute, 2 * time.Hour, 100 * 24 * time.Hour}
	f.Fuzz(func(t *testing.T, data []byte) {
		table := New(time.Minute)
		w := &changeWatcher{t: t, shadow: map[*Peer]map[netip.Prefix]string{}, joined: map[*Peer]bool{}}
		now := day
		for ; len(data) >= 3; data = data[3:] {
			a, b, c := data[0], data[1], data[2]
			now = now.Add(pauses[b>>4&7])
			u := bgp.Update{At: now, Peer: modelPeers()[int(b&15)%3], Kind: bgp.Kind(a & 15), V6: c&1 == 1,
				Prefix: prefixes[int(c>>1)%len(prefixes)], PathID: uint32(a >> 6), Heard: bgp.Traffic{Announced: uint64(c) << 12, Withdrawn: uint64(a >> 4), Routes: int(c)}}
			if c&0x80 == 0 {
				u.Path = bgp.PathOf(u.Peer.ASN, uint32(c>>5), 26780)
			}
			switch {
			case a&15 == 11:
				table.Advance(now, w.see)
			case a&15 == 12:
				table.Silence(now, w.see)
			default:
				table.Apply(u, w.see)
			}
			w.consistent(table)
		}
	})
}

// consistent checks what holds at any time. What a peer left unsaid in an
// unrecorded transfer is forgotten without a change, between Left and Joined.
func (w *changeWatcher) consistent(table *Table) {
	for _, p := range table.Peers() {
		if w.joined[p] != p.Eligible() {
			w.t.Fatalf("%s is %s, and joined: %t", p, p.State, w.joined[p])
		}
		table.Entries(func(e *Entry) {
			s := e.Slot(p)
			switch got := set(s); {
			case s == nil:
				delete(w.shadow[p], e.Prefix)
			case s.Node == nil && len(s.More) > 0:
				w.t.Fatalf("%s, %s: further routes beside none", p, e.Prefix)
			case got != w.shadow[p][e.Prefix]:
				w.t.Fatalf("%s holds for %s: %s, but the changes told %s", p, e.Prefix, got, w.shadow[p][e.Prefix])
			case s.Changed > 0 && s.Node == s.Prev:
				w.t.Fatalf("%s, %s: changed from what it is", p, e.Prefix)
			}
		})
	}
	if next := table.Next(); next.IsZero() != (len(table.syncing) == 0) {
		w.t.Fatalf("%d transfers, and the next one ends %s", len(table.syncing), next)
	}
}
