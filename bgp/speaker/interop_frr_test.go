package speaker

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// frr is FRRouting's bgpd, without zebra.
func frr(l *lab) *router {
	r := &router{name: "frr", programs: []string{"/usr/lib/frr/bgpd", "vtysh"}, addr: netip.MustParseAddr("127.0.0.4"), asn: 65004, text: true}
	ctl := func(lines ...string) string {
		args := []string{"--vty_socket", l.dir}
		for _, c := range lines {
			args = append(args, "-c", c)
		}
		return l.run("vtysh", args...)
	}
	router := func(lines ...string) string {
		return ctl(append([]string{"configure terminal", fmt.Sprintf("router bgp %d", r.asn)}, lines...)...)
	}
	r.start = func(password string, restart bool) {
		var b strings.Builder
		to := l.to.Addr()
		fmt.Fprintf(&b, `hostname frr
log stdout
router bgp %d
 bgp router-id %v
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 bgp graceful-restart
 neighbor %[3]v remote-as %[4]d
 neighbor %[3]v port %[5]d
 neighbor %[3]v password %[6]s
 neighbor %[3]v ebgp-multihop 5
 neighbor %[3]v disable-connected-check
 neighbor %[3]v update-source %[2]v
 neighbor %[3]v timers connect 1
 neighbor %[3]v advertisement-interval 0
 address-family ipv4 unicast
  neighbor %[3]v activate
  neighbor %[3]v route-map out4 out
`, r.asn, r.addr, to, ourASN, l.to.Port(), password)
		for i := range routes4 {
			fmt.Fprintf(&b, "  network %v\n", route4(i))
		}
		if !restart {
			fmt.Fprintf(&b, "  network %v\n", routeOne)
			for i := range upstream {
				fmt.Fprintf(&b, "  network %v route-map up\n", routeUp(i))
			}
		}
		fmt.Fprintf(&b, " exit-address-family\n address-family ipv6 unicast\n  neighbor %[1]v activate\n  neighbor %[1]v route-map out6 out\n", to)
		for i := range routes6 {
			fmt.Fprintf(&b, "  network %v\n", route6(i))
		}
		fmt.Fprintf(&b, ` exit-address-family
exit
route-map out4 permit 10
 set ip next-hop 192.0.2.4
exit
route-map out6 permit 10
 set ipv6 next-hop global 2001:db8::4
exit
route-map up permit 10
 set as-path prepend %d
exit
`, via)
		l.spawn(nil, "/usr/lib/frr/bgpd", "-f", l.write("frr.conf", b.String()), "-p", fmt.Sprint(l.own), "-l", r.addr.String(),
			"-n", "-Z", "-S", "-A", r.addr.String(), "-P", fmt.Sprint(l.ctl), "--vty_socket", l.dir, "-i", l.dir+"/pid")
	}
	r.one = func() { router("address-family ipv4 unicast", "no network "+routeOne.String()) }
	r.up = func() {
		lines := []string{"address-family ipv4 unicast"}
		for i := range upstream {
			lines = append(lines, "no network "+routeUp(i).String())
		}
		router(lines...)
	}
	r.reset = func() { ctl("clear bgp " + l.to.Addr().String()) }
	r.shutdown = func(text string) { router("neighbor " + l.to.Addr().String() + " shutdown message " + text) }
	r.enable = func() { router("no neighbor " + l.to.Addr().String() + " shutdown") }
	received := regexp.MustCompile(`"(acceptedPrefixCounter|receivedPrefixCounter)": ?[1-9].*`)
	r.accepted = func() string {
		return strings.Join(received.FindAllString(ctl("show bgp neighbors "+l.to.Addr().String()+" json"), -1), "\n")
	}
	return r
}
