package bmp

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
)

// FuzzConnection feeds a whole connection to the station. Nothing panics, time never goes
// back for a peer, each peer is up before it is spoken of, and lost in the end.
func FuzzConnection(f *testing.F) {
	local := netip.MustParseAddr("192.0.2.99")
	caps := bgptest.BMPCapabilities{ASN: 64999, AddPath4: 3, Extended: true}
	hello := bgptest.AppendBMPInitiation(nil, "core1", "x")
	up := bgptest.AppendBMPPeerUp(nil, peerOne, local, bgptest.BMPCapabilities{ASN: 64999}, bgptest.BMPCapabilities{ASN: 64500})
	route, err := bgptest.AppendUpdate(nil, announce(one, mccolo, six), bgptest.Encoding{})
	if err != nil {
		f.Fatal(err)
	}
	monitoring := bgptest.AppendBMPRoute(nil, peerOne, route)
	post := peerOne
	post.Flags = bgptest.BMPFlagPost
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	f.Add(join(hello, up, monitoring, bgptest.AppendBMPRoute(nil, peerOne, bgptest.AppendEndOfRIB(nil, false))))
	f.Add(join(hello, up, bgptest.AppendBMPRoute(nil, post, route), monitoring, bgptest.AppendBMPLost(nil, peerOne), monitoring))
	f.Add(join(up, monitoring, bgptest.AppendBMPPeerDown(nil, peerOne, 3, bgptest.AppendBMPNotification(nil, 6, 9, []byte{6, 2, 3, 'b', 'y', 'e'})), up,
		bgptest.AppendBMPStats(nil, peerOne, bgptest.BMPStat{Type: 7, Value: 9, Gauge: true}), bgptest.AppendBMPTermination(nil, 0, "bye")))
	f.Add(join(hello, bgptest.AppendBMPPeerUp(nil, bgptest.BMPPeer{Type: 3, ASN: 64999}, local, caps, caps), bgptest.AppendBMPRoute(nil, bgptest.BMPPeer{Type: 3, ASN: 64999}, route)))
	v4 := bytes.Clone(monitoring)
	v4[0] = 4
	f.Add(join(hello, up, v4))
	watch := everything()
	f.Fuzz(func(t *testing.T, b []byte) {
		cfg := DefaultConfig()
		cfg.Views = []string{"adj-rib-in-pre", "loc-rib"}
		cfg.MaxPeers = 4
		s, err := New(cfg, Deps{Watch: watch, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		state := map[bgp.Peer]bgp.Update{}
		s.emit = func(batch []bgp.Update) error {
			for _, u := range batch {
				last := state[u.Peer]
				if u.At.Before(last.At) {
					t.Fatalf("%s at %s, after %s at %s", line(u), u.At, line(last), last.At)
				}
				if session := u.Kind == bgp.PeerUp || u.Kind == bgp.PeerDown || u.Kind == bgp.Unheard; !session &&
					(last.Kind == 0 || last.Kind == bgp.PeerDown) {
					t.Fatalf("%s after %s", line(u), last.Kind)
				}
				state[u.Peer] = u
			}
			return nil
		}
		c := &conn{s: s, net: &deadEnd{}, addr: netip.MustParseAddr("127.0.0.1"), since: s.now(), peers: map[peerKey]*monitored{},
			br: bufio.NewReaderSize(bytes.NewReader(b), readBuffer)}
		c.last = c.since
		if err := s.serve(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		for p, u := range state {
			if u.Kind != bgp.Unheard {
				t.Fatalf("the last word of %s is %s", p, u.Kind)
			}
		}
		if len(state) > 4*2*int(groups) {
			t.Fatalf("%d vantage points", len(state))
		}
		s.Health(time.Now())
	})
}

// deadEnd is a connection of which nothing but its end matters.
type deadEnd struct{ net.Conn }

func (*deadEnd) Close() error                    { return nil }
func (*deadEnd) Read([]byte) (int, error)        { return 0, io.EOF }
func (*deadEnd) SetReadDeadline(time.Time) error { return nil }

// FuzzOpen: an OPEN that is read is read to its end.
func FuzzOpen(f *testing.F) {
	f.Add(bgptest.AppendBMPOpen(nil, bgptest.BMPCapabilities{ASN: 4200000001, AddPath4: 1, AddPath6: 2, Extended: true}))
	f.Add(append(append(bytes.Repeat([]byte{255}, 16), 0, 37, 1), 4, 1, 2, 0, 180, 192, 0, 2, 1, 255, 255, 0, 5, 2, 0, 2, 6, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, rest, ok := takeOpen(b)
		if ok && (len(rest) > len(b)-29 || wire.HeaderLen+10 > len(b)) {
			t.Fatalf("%d octets after an OPEN in %d: %+v", len(rest), len(b), o)
		}
	})
}
