package speaker

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// bird is BIRD 2.
func bird(l *lab) *router {
	r := &router{name: "bird", programs: []string{"bird", "birdc"}, addr: netip.MustParseAddr("127.0.0.3"), asn: 65003, text: true}
	ctl := func(args ...string) string { return l.run("birdc", append([]string{"-s", "b.ctl"}, args...)...) }
	r.start = func(password string, restart bool) {
		var b strings.Builder
		fmt.Fprintf(&b, "log stderr all;\nrouter id %v;\ngraceful restart wait 5;\nprotocol device { scan time 600; }\n", r.addr)
		static := func(name, family string, n int, route func(int) netip.Prefix) {
			fmt.Fprintf(&b, "protocol static %s { %s;\n", name, family)
			for i := range n {
				fmt.Fprintf(&b, "route %v blackhole;\n", route(i))
			}
			b.WriteString("}\n")
		}
		static("s4", "ipv4", routes4, route4)
		static("s6", "ipv6", routes6, route6)
		if !restart {
			static("one", "ipv4", 1, func(int) netip.Prefix { return routeOne })
			static("up", "ipv4", upstream, routeUp)
		}
		fmt.Fprintf(&b, `protocol bgp c1 {
 local %v port %d as %d; neighbor %v port %d as %d; multihop; strict bind yes; graceful restart on; password "%s";
 connect retry time 1; connect delay time 1; error wait time 1,2;
 ipv4 { import all; export filter { if proto = "up" then bgp_path.prepend(%d); accept; }; next hop address 192.0.2.3; };
 ipv6 { import all; export all; next hop address 2001:db8::3; };
}
`, r.addr, l.own, r.asn, l.to.Addr(), l.to.Port(), ourASN, password, via)
		args := []string{"-f", "-c", l.write("bird.conf", b.String()), "-s", "b.ctl"}
		if restart {
			args = append(args, "-R")
		}
		l.spawn(nil, "bird", args...)
	}
	r.one = func() { ctl("disable", "one") }
	r.up = func() { ctl("disable", "up") }
	r.reset = func() { ctl("restart", "c1") }
	r.shutdown = func(text string) { ctl("disable", "c1", `"`+text+`"`) }
	r.enable = func() { ctl("enable", "c1") }
	updates := regexp.MustCompile(`Import updates: +([1-9].*)`)
	r.accepted = func() string {
		return strings.Join(updates.FindAllString(ctl("show", "protocols", "all", "c1"), -1), "\n")
	}
	return r
}
