package speaker

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
)

// feed opens a session to a router, behind which we are: it is tried until the
// router listens.
func (l *lab) feed(addr string, s bgptest.Speaker) *bgptest.Session {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), routerPatience)
	defer cancel()
	for {
		x, err := bgptest.Dial(ctx, addr, s)
		if err == nil {
			l.t.Cleanup(func() { x.Close(bgp.Cause{}) })
			return x
		}
		select {
		case <-ctx.Done():
			l.t.Fatalf("feed the router: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (l *lab) upstream(x *bgptest.Session) {
	var list []netip.Prefix
	for i := range upstream {
		list = append(list, routeUp(i))
	}
	must(l.t, x.Announce(bgp.PathOf(via, 64510), list...))
}

// gobgpd is GoBGP's own daemon, fed by two speakers of ours: the upstream, and the rest.
func gobgpd(l *lab) *router {
	r := &router{name: "gobgpd", programs: []string{"gobgpd", "gobgp"}, addr: netip.MustParseAddr("127.0.0.5"), asn: 65005, text: true}
	ctl := func(args ...string) string {
		return l.run("gobgp", append([]string{"-u", r.addr.String(), "-p", fmt.Sprint(l.ctl)}, args...)...)
	}
	var rest, behind *bgptest.Session
	r.start = func(password string, restart bool) {
		families := ""
		for _, f := range []string{"ipv4-unicast", "ipv6-unicast"} {
			families += fmt.Sprintf("  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = %q\n    [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n", f)
		}
		conf := fmt.Sprintf("[global.config]\n  as = %d\n  router-id = %q\n  port = %d\n  local-address-list = [%[2]q]\n", r.asn, r.addr.String(), l.own)
		conf += fmt.Sprintf(`[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = %d
    auth-password = %q
  [neighbors.transport.config]
    remote-port = %d
    local-address = %q
  [neighbors.timers.config]
    connect-retry = 1
    idle-hold-time-after-reset = 1
  [neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 5
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 20
%s`, l.to.Addr().String(), ourASN, password, l.to.Port(), r.addr.String(), families)
		for i, asn := range []int{64998, via} {
			conf += fmt.Sprintf(`[[neighbors]]
  [neighbors.config]
    neighbor-address = "127.0.0.%d"
    peer-as = %d
  [neighbors.transport.config]
    passive-mode = true
  [neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 5
%s`, 15+i, asn, families)
		}
		l.spawn(nil, "gobgpd", "-f", l.write("gobgpd.toml", conf), "--api-hosts", fmt.Sprintf("%v:%d", r.addr, l.ctl), "--pprof-disable")
		if password != right(r) {
			return
		}
		at := fmt.Sprintf("%v:%d", r.addr, l.own)
		rest = l.feed(at, bgptest.Speaker{ASN: 64998, Local: netip.MustParseAddr("127.0.0.15"), RouterID: netip.MustParseAddr("192.0.2.15")})
		var list []netip.Prefix
		for i := range routes4 {
			list = append(list, route4(i))
		}
		for i := range routes6 {
			list = append(list, route6(i))
		}
		must(l.t, rest.Announce(bgp.PathOf(64998, 64510), list...))
		if !restart {
			must(l.t, rest.Announce(bgp.PathOf(64998, 64510), routeOne))
			behind = l.feed(at, bgptest.Speaker{ASN: via, Local: netip.MustParseAddr("127.0.0.16"), RouterID: netip.MustParseAddr("192.0.2.16")})
			l.upstream(behind)
		}
	}
	r.one = func() { must(l.t, rest.Withdraw(routeOne)) }
	r.up = func() { _ = behind.Close(bgp.Cause{Code: 6, Subcode: 2}) }
	to := func() string { return l.to.Addr().String() }
	r.reset = func() { ctl("neighbor", to(), "reset") }
	r.shutdown = func(text string) { ctl("neighbor", to(), "shutdown", "--reason", text) }
	r.enable = func() { ctl("neighbor", to(), "enable") }
	r.accepted = func() string {
		out := ctl("neighbor", to(), "adj-in") + ctl("neighbor", to(), "adj-in", "-a", "ipv6")
		var got []string
		for _, line := range strings.Split(out, "\n") {
			if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, "not in table") && !strings.HasPrefix(line, "ID") && !strings.HasPrefix(line, "Neighbor") {
				got = append(got, line)
			}
		}
		return strings.Join(got, "\n")
	}
	return r
}
