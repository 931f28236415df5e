package bus

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"depeer/bgp"
)

var peer = bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.7"), ASN: 64500}

// everyKind has one update of each kind, with all that such an update may hold.
func everyKind() []bgp.Update {
	at := time.Date(2008, 11, 11, 21, 4, 7, 123456000, time.UTC)
	v4, v6 := netip.MustParsePrefix("208.66.192.0/22"), netip.MustParsePrefix("2001:db8::/32")
	set := bgp.Path{{Type: bgp.ASSequence, ASNs: []uint32{3549, 3549, 26780}}, {Type: bgp.ASSet, ASNs: []uint32{64500, 64501}}}
	confed := bgp.Path{
		{Type: bgp.ASConfedSequence, ASNs: []uint32{65001, 65002}}, {Type: bgp.ASConfedSet, ASNs: []uint32{65003}},
		{Type: bgp.ASSequence, ASNs: []uint32{6939, 26780}},
	}
	return []bgp.Update{
		{At: at, Peer: peer, Kind: bgp.Announce, Prefix: v4, PathID: 7, Path: set},
		{At: at, Peer: peer, Kind: bgp.Announce, Prefix: v6, Path: confed},
		{At: at, Peer: peer, Kind: bgp.Announce, Prefix: v4},
		{At: at, Peer: peer, Kind: bgp.TableRoute, Prefix: v6, Path: bgp.PathOf(6939, 26780)},
		{At: at, Peer: peer, Kind: bgp.Withdraw, Prefix: v4, PathID: 7},
		{At: at, Peer: peer, Kind: bgp.PeerUp},
		{At: at, Peer: peer, Kind: bgp.PeerDown, Cause: bgp.Cause{Code: 6, Subcode: 2, Text: "maintenance"}},
		{At: at, Peer: peer, Kind: bgp.EndOfRIB, V6: true},
		{At: at, Peer: peer, Kind: bgp.TableStart, Heard: bgp.Traffic{Announced: 1, Withdrawn: 2, Routes: 250_000}},
		{At: at, Peer: peer, Kind: bgp.TableEnd, V6: true},
		{At: at, Peer: peer, Kind: bgp.TableCut},
		{At: at, Peer: peer, Kind: bgp.Heard, Heard: bgp.Traffic{Announced: 12, Withdrawn: 3}},
	}
}

var compareUpdates = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func TestRoutesComeBack(t *testing.T) {
	for _, u := range everyKind() {
		body, n, err := encodeRun([]bgp.Update{u}, routeToken(u.Kind))
		if err != nil || n != 1 {
			t.Fatalf("%s: %d encoded, %v", u.Kind, n, err)
		}
		back, err := decodeRoutes(body)
		if err != nil {
			t.Fatalf("%s: %v", u.Kind, err)
		}
		if d := cmp.Diff([]bgp.Update{u}, back, compareUpdates); d != "" {
			t.Errorf("%s (-sent +received):\n%s", u.Kind, d)
		}
	}
}

// The body is a contract: others read it.
func TestRouteJSON(t *testing.T) {
	body, _, err := encodeRun(everyKind()[:1], "announce")
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"kind":"announce","at":"2008-11-11T21:04:07.123456Z","collector":"rrc00","peer":"192.0.2.7","peer_asn":64500,` +
		`"prefix":"208.66.192.0/22","path_id":7,"path":[3549,3549,26780,[64500,64501]]}]`
	if got := string(body); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRouteFaults(t *testing.T) {
	for body, want := range map[string]string{
		`[{"kind":"guess"}]`:                       `route 1 of 1: "guess" is no kind of update`,
		`[{"kind":"announce"}]`:                    `route 1 of 1: announce without a prefix`,
		`[{"kind":"peer-up"},{"kind":"withdraw"}]`: `route 2 of 2: withdraw without a prefix`,
	} {
		if _, err := decodeRoutes([]byte(body)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}

func TestRunsAreBounded(t *testing.T) {
	long := make([]uint32, 3000)
	for i := range long {
		long[i] = 4200000000
	}
	var updates []bgp.Update
	for range 3 * maxBatch {
		updates = append(updates, everyKind()[0])
	}
	for i := range 40 {
		u := everyKind()[0]
		u.PathID, u.Path = uint32(i), bgp.PathOf(long...)
		updates = append(updates, u)
	}
	total, messages := 0, 0
	for rest := updates; len(rest) > 0; messages++ {
		body, n, err := encodeRun(rest, "announce")
		if err != nil || n == 0 || n > maxBatch || len(body) > maxBatchBytes+2 {
			t.Fatalf("message %d: %d routes, %d bytes, %v", messages, n, len(body), err)
		}
		back, err := decodeRoutes(body)
		if err != nil || len(back) != n {
			t.Fatalf("message %d: %d of %d routes came back, %v", messages, len(back), n, err)
		}
		total, rest = total+n, rest[n:]
	}
	if total != len(updates) || messages < 8 {
		t.Errorf("%d routes in %d messages, want %d in at least 8", total, messages, len(updates))
	}
}

func FuzzRoutes(f *testing.F) {
	for _, u := range everyKind() {
		body, _, err := encodeRun([]bgp.Update{u}, routeToken(u.Kind))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`[{"kind":"announce","peer":"fe80::1%eth0","prefix":"::/0","path":[[]]}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		updates, err := decodeRoutes(body)
		if err != nil {
			return
		}
		for _, u := range updates {
			again, err := json.Marshal([]Route{RouteOf(u)})
			if err != nil {
				continue // a time beyond the year 9999
			}
			back, err := decodeRoutes(again)
			if err != nil {
				t.Fatalf("%s is not read back: %v", again, err)
			}
			twice, err := json.Marshal([]Route{RouteOf(back[0])})
			if err != nil || string(again) != string(twice) {
				t.Fatalf("%s became %s (%v)", again, twice, err)
			}
		}
	})
}
