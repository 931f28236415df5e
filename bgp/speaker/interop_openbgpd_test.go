package speaker

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"depeer/bgp"
	"depeer/bgp/bgptest"
)

// openbgpd is OpenBSD's bgpd, portable. The upstream is a speaker of ours behind it.
func openbgpd(l *lab) *router {
	r := &router{name: "openbgpd", programs: []string{"/usr/sbin/bgpd", "bgpctl"}, addr: netip.MustParseAddr("127.0.0.7"), asn: 65007, text: true}
	socket := filepath.Join(l.dir, "s")
	ctl := func(args ...string) string { return l.run("bgpctl", append([]string{"-s", socket}, args...)...) }
	var behind *bgptest.Session
	r.start = func(password string, restart bool) {
		var b strings.Builder
		fmt.Fprintf(&b, `AS %d
router-id %v
fib-update no
listen on %[2]v port %d
socket "%s"
nexthop qualify via default
`, r.asn, r.addr, l.own, socket)
		for i := range routes4 {
			fmt.Fprintf(&b, "network %v set nexthop 192.0.2.7\n", route4(i))
		}
		for i := range routes6 {
			fmt.Fprintf(&b, "network %v set nexthop 2001:db8::7\n", route6(i))
		}
		if !restart {
			fmt.Fprintf(&b, "network %v set nexthop 192.0.2.7\n", routeOne)
		}
		fmt.Fprintf(&b, `neighbor %v {
 remote-as %d
 local-address %v
 port %d
 multihop 5
 tcp md5sig password "%s"
 announce IPv4 unicast
 announce IPv6 unicast
}
neighbor 127.0.0.17 {
 remote-as %d
 local-address %[3]v
 multihop 5
 passive
 announce IPv4 unicast
}
allow to any
allow from any set nexthop %[3]v
`, l.to.Addr(), ourASN, r.addr, l.to.Port(), password, via)
		must(l.t, os.MkdirAll("/run/openbgpd", 0o755))
		l.spawn(nil, "/usr/sbin/bgpd", "-d", "-f", l.write("bgpd.conf", b.String()))
		if password == right(r) && !restart {
			behind = l.feed(fmt.Sprintf("%v:%d", r.addr, l.own), bgptest.Speaker{ASN: via, Local: netip.MustParseAddr("127.0.0.17"), OnlyIPv4: true})
			l.upstream(behind)
		}
	}
	r.one = func() { ctl("network", "delete", routeOne.String()) }
	r.up = func() { _ = behind.Close(bgp.Cause{Code: 6, Subcode: 2}) }
	to := func() string { return l.to.Addr().String() }
	r.reset = func() { ctl("neighbor", to(), "clear") }
	r.shutdown = func(text string) { ctl("neighbor", to(), "down", text) }
	r.enable = func() { ctl("neighbor", to(), "up") }
	r.accepted = func() string {
		var got []string
		for _, line := range strings.Split(ctl("show", "rib", "neighbor", to()), "\n") {
			if strings.Contains(line, "/") && !strings.HasPrefix(line, "flags") && !strings.Contains(line, "=") {
				got = append(got, line)
			}
		}
		return strings.Join(got, "\n")
	}
	return r
}
