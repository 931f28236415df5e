package speaker

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// exabgp is ExaBGP 4, which has no table: it says what its script says.
func exabgp(l *lab) *router {
	r := &router{name: "exabgp", programs: []string{"exabgp"}, addr: netip.MustParseAddr("127.0.0.6"), asn: 65006}
	var pipe *os.File
	starts := 0
	say := func(lines ...string) {
		_, err := pipe.WriteString(strings.Join(lines, "\n") + "\n")
		must(l.t, err)
	}
	r.start = func(password string, restart bool) {
		// A pipe for each start: the script of one that was killed lives until its
		// pipe is closed, and would take the commands.
		starts++
		fifo := filepath.Join(l.dir, fmt.Sprint("fifo", starts))
		must(l.t, syscall.Mkfifo(fifo, 0o600))
		if pipe != nil {
			pipe.Close()
		}
		var err error
		pipe, err = os.OpenFile(fifo, os.O_RDWR, 0) // both ends, so that nothing ends with a reader
		must(l.t, err)
		l.t.Cleanup(func() { pipe.Close() })
		var b strings.Builder
		fmt.Fprintf(&b, `process say { run /bin/cat %s; encoder text; }
neighbor %v {
 router-id %v; local-address %[3]v; local-as %d; peer-as %d; connect %d; hold-time 180; md5-password '%s';
 capability { graceful-restart 60; }
 family { ipv4 unicast; ipv6 unicast; }
 api { processes [ say ]; }
 static {
`, fifo, l.to.Addr(), r.addr, r.asn, ourASN, l.to.Port(), password)
		for i := range routes4 {
			fmt.Fprintf(&b, "route %v next-hop 192.0.2.6;\n", route4(i))
		}
		for i := range routes6 {
			fmt.Fprintf(&b, "route %v next-hop 2001:db8::6;\n", route6(i))
		}
		if !restart {
			fmt.Fprintf(&b, "route %v next-hop 192.0.2.6;\n", routeOne)
			for i := range upstream {
				fmt.Fprintf(&b, "route %v next-hop 192.0.2.6 as-path [ %d %d 64510 ];\n", routeUp(i), r.asn, via)
			}
		}
		b.WriteString("}\n}\n")
		l.spawn([]string{"exabgp.daemon.user=root", "exabgp.tcp.bind=", "exabgp.api.cli=false"}, "exabgp", l.write("exabgp.conf", b.String()))
	}
	r.one = func() { say(fmt.Sprintf("withdraw route %v next-hop 192.0.2.6", routeOne)) }
	r.up = func() {
		for i := range upstream {
			say(fmt.Sprintf("withdraw route %v next-hop 192.0.2.6", routeUp(i)))
		}
	}
	// COMMUNITIES of two octets (RFC 7606 section 7.8).
	r.malformed = func() {
		say(fmt.Sprintf("announce route %v next-hop 192.0.2.6 attribute [ 0x08 0xC0 0x0000 ]", routeBad))
	}
	r.reset = func() { say(fmt.Sprintf("neighbor %v teardown 4", l.to.Addr())) }
	r.accepted = func() string { return "" } // it keeps no table; the front's own count is all there is
	return r
}
