package archive

import (
	"bytes"
	"compress/gzip"
	"net/netip"
	"os"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
)

func nothing() *wire.Shared { return wire.NewShared(wire.List{}) }

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dumpAt makes a table of rrc00 in which one peer holds one route.
func dumpAt(t *testing.T, at time.Time) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := bgptest.NewWriter(z, bgptest.Format{})
	peers := []bgp.Peer{{Addr: netip.MustParseAddr("198.18.0.1"), ASN: 64600}}
	if err := w.PeerIndex(at, netip.MustParseAddr("192.0.2.254"), "", peers); err != nil {
		t.Fatal(err)
	}
	path := bgp.Path{{Type: bgp.ASSequence, ASNs: []uint32{64600, 3549, 26780}}}
	if err := w.RIB(at, 0, netip.MustParsePrefix("208.72.168.0/21"), []bgptest.RIBEntry{{Learned: at, Path: path, NextHop: netip.MustParseAddr("192.0.2.1")}}); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// hoster is a watchlist that knows an AS number and no prefix.
func hoster() *wire.Shared { return wire.NewShared(wire.List{ASNs: []uint32{26780}}) }
