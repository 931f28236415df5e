package bmp

import (
	"net/netip"
	"testing"

	"depeer/bgp"
	"depeer/bgp/bgptest"
)

var (
	peerOne = bgptest.BMPPeer{Addr: netip.MustParseAddr("192.0.2.7"), ASN: 64500, ID: [4]byte{192, 0, 2, 7}}
	peerSix = bgptest.BMPPeer{Addr: netip.MustParseAddr("2001:db8::7"), ASN: 4200000007, ID: [4]byte{192, 0, 2, 7}}

	mccolo = netip.MustParsePrefix("208.66.192.0/22")
	other  = netip.MustParsePrefix("198.51.100.0/24")
	six    = netip.MustParsePrefix("2001:db8:7::/48")
)

func announce(path bgp.Path, prefixes ...netip.Prefix) bgptest.UpdateMessage {
	m := bgptest.UpdateMessage{Path: path, NextHop4: netip.MustParseAddr("192.0.2.7"), NextHop6: netip.MustParseAddr("2001:db8::7")}
	for _, p := range prefixes {
		m.Announce = append(m.Announce, bgptest.NLRI{Prefix: p})
	}
	return m
}

func withdraw(prefixes ...netip.Prefix) (m bgptest.UpdateMessage) {
	for _, p := range prefixes {
		m.Withdraw = append(m.Withdraw, bgptest.NLRI{Prefix: p})
	}
	return m
}

// A router, its peers, their tables, and every way to end.
func TestRouterFromUpToDown(t *testing.T) {
	r := start(t, nil)
	x := r.dial("core1")
	must(t, x.Up(peerOne), x.Up(peerSix),
		x.Update(peerOne, announce(bgp.PathOf(64500, 3549, 26780), mccolo)),
		x.EndOfRIB(peerOne, false),
		x.Update(peerSix, announce(bgp.PathOf(4200000007, 64510), six)),
		x.EndOfRIB(peerSix, true),
		x.Update(peerOne, withdraw(mccolo)),
		x.Down(peerOne, 3, bgptest.AppendBMPNotification(nil, 6, 2, bgptest.ShutdownText("goodbye, McColo"))),
		x.Up(peerOne),
		x.Close())
	r.expect(
		"core1/192.0.2.7 AS64500 peer-up",
		"core1/192.0.2.7 AS64500 announce 208.66.192.0/22 64500 3549 26780",
		"core1/192.0.2.7 AS64500 end-of-rib",
		"core1/2001:db8::7 AS4200000007 peer-up",
		"core1/2001:db8::7 AS4200000007 announce 2001:db8:7::/48 4200000007 64510",
		"core1/2001:db8::7 AS4200000007 end-of-rib IPv6",
		"core1/192.0.2.7 AS64500 withdraw 208.66.192.0/22",
		"core1/192.0.2.7 AS64500 peer-down: cease, administrative shutdown: goodbye, McColo",
		"core1/192.0.2.7 AS64500 peer-up",
		"core1/192.0.2.7 AS64500 unheard: terminated by the router: administratively closed",
		"core1/2001:db8::7 AS4200000007 unheard: terminated by the router: administratively closed",
	)
	h := r.health("end of the session", func(h bgp.Health) bool { return !h.Ready && len(h.Sessions) == 1 })
	if s := h.Sessions[0]; s.Up || s.State != "closed" || s.Reason != "terminated by the router: administratively closed" {
		t.Errorf("session %+v", s)
	}
}
