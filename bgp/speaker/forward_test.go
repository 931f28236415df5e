package speaker

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
)

// adjIn is GoBGP's table of the one session: prefixes with their path identifiers.
func adjIn(r *rig) []string {
	r.s.engine.mu.Lock()
	addrs := slices.Collect(maps.Keys(r.s.engine.slots))
	r.s.engine.mu.Unlock()
	var out []string
	for _, a := range addrs {
		for _, afi := range []api.Family_Afi{api.Family_AFI_IP, api.Family_AFI_IP6} {
			r.s.engine.issued.Add(1)
			_ = r.s.engine.server.ListPath(r.ctx, &api.ListPathRequest{TableType: api.TableType_ADJ_IN, Name: a.String(),
				Family: &api.Family{Afi: afi, Safi: api.Family_SAFI_UNICAST}}, func(d *api.Destination) {
				for _, p := range d.Paths {
					out = append(out, fmt.Sprint(d.Prefix, " ", p.Identifier))
				}
			})
		}
	}
	slices.Sort(out)
	return out
}

// TestForward: GoBGP holds the watched routes of a session, those alone, and none
// that was withdrawn; whatever the session's way of writing them.
func TestForward(t *testing.T) {
	for name, s := range map[string]bgptest.Speaker{"plain": {}, "two octets": {AS2: true}, "add-path": {AddPath: true}, "extended": {Extended: true}} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(here)
			cfg.Peers[0].AddPath = s.AddPath
			r := start(t, cfg, nil)
			x := r.dial(s)
			want := map[string]bool{}
			id := 0
			if s.AddPath {
				id = 1
			}
			var gone []netip.Prefix
			for i := range 1500 {
				p := route4(i)
				if i%3 == 0 {
					p = route6(i)
				}
				must(t, x.Announce(bgp.PathOf(theirASN, 3356, 4_200_000_000+uint32(i%7)), p, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}), 32)))
				if i%10 == 0 {
					gone = append(gone, p)
				} else {
					want[fmt.Sprint(p, " ", id)] = true
				}
			}
			must(t, x.Withdraw(gone...), x.Withdraw(prefixes("10.250.0.0/16", "2001:db8:ffff::/48")...), x.EndOfRIB(false))
			list := slices.Sorted(maps.Keys(want))
			eventually(t, "GoBGP's table", func() bool { return slices.Equal(adjIn(r), list) })
			if n := r.count("gobgp_refused", ""); n != 0 {
				t.Errorf("GoBGP refused %v UPDATEs", n)
			}
			must(t, x.Close(bgp.Cause{Code: 6, Subcode: 2}))
			r.until("PeerDown", 0, kind(bgp.PeerDown))
			eventually(t, "the end of GoBGP's table", func() bool { return len(adjIn(r)) == 0 })
		})
	}
}

// TestForwardBound: what a hostile peer announces below a watched prefix does not
// fill GoBGP's memory, and is told all the same.
func TestForwardBound(t *testing.T) {
	f := forwarder{known: newHeld()}
	u := &wire.Update{}
	raw, err := bgptest.AppendUpdate(nil, bgptest.UpdateMessage{Announce: []bgptest.NLRI{{Prefix: route4(1)}}, Path: bgp.PathOf(theirASN),
		NextHop4: netip.MustParseAddr("192.0.2.1")}, bgptest.Encoding{})
	must(t, err)
	if f := u.Split(raw[wire.HeaderLen:], wire.Session{AS4: true}); f != wire.None {
		t.Fatal(f)
	}
	f.s = wire.Session{AS4: true}
	for i := range maxTable + 1000 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		b := f.write([]bgp.Update{{Kind: bgp.Announce, Prefix: p, Path: bgp.PathOf(theirASN)}}, u)
		if (len(b) == 0) != (i >= maxTable) {
			t.Fatalf("route %d: %d octets", i, len(b))
		}
	}
	if f.beyond != 1000 || f.known.n != maxTable {
		t.Errorf("%d beyond, %d given", f.beyond, f.known.n)
	}
}
