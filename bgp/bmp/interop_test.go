package bmp

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/bgptest"
)

// A daemon is somebody else's BGP router that sends BMP.
type daemon struct {
	name    string
	program string
	policy  string // how its configuration names the view
	config  func(d daemon, station netip.AddrPort, port int) string
	args    func(dir string, port int) []string
}

var gobgpd = daemon{
	name: "GoBGP", program: "gobgpd", policy: "pre-policy",
	config: func(d daemon, station netip.AddrPort, port int) string {
		return fmt.Sprintf(`[global.config]
as = 64999
router-id = "192.0.2.99"
port = %d
local-address-list = ["127.0.0.1"]
[[neighbors]]
[neighbors.config]
neighbor-address = "127.0.0.1"
peer-as = 64500
[neighbors.transport.config]
passive-mode = true
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv4-unicast"
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = "ipv6-unicast"
[[bmp-servers]]
[bmp-servers.config]
address = "%s"
port = %d
route-monitoring-policy = "%s"
statistics-timeout = 15
sys-name = "gobgp1"
sys-descr = "GoBGP in a test"
`, port, station.Addr(), station.Port(), d.policy)
	},
	args: func(dir string, _ int) []string {
		return []string{"-f", filepath.Join(dir, "conf"), "--api-hosts", fmt.Sprintf("127.0.0.1:%d", freePort()), "--pprof-disable", "-l", "debug", "-p"}
	},
}

var frr = daemon{
	name: "FRR", program: "/usr/lib/frr/bgpd", policy: "pre-policy",
	config: func(d daemon, station netip.AddrPort, _ int) string {
		var monitor strings.Builder
		for p := range strings.SplitSeq(d.policy, " ") {
			fmt.Fprintf(&monitor, "  bmp monitor ipv4 unicast %s\n  bmp monitor ipv6 unicast %s\n", p, p)
		}
		return fmt.Sprintf(`hostname frr1
no bgp send-extra-data zebra
router bgp 64999
 bgp router-id 192.0.2.99
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor 127.0.0.1 remote-as 64500
 neighbor 127.0.0.1 passive
 neighbor 127.0.0.1 disable-connected-check
 address-family ipv4 unicast
  neighbor 127.0.0.1 activate
  neighbor 127.0.0.1 soft-reconfiguration inbound
 exit-address-family
 address-family ipv6 unicast
  neighbor 127.0.0.1 activate
  neighbor 127.0.0.1 soft-reconfiguration inbound
 exit-address-family
 bmp targets depeer
  bmp stats interval 500
%s  bmp connect %s port %d min-retry 100 max-retry 500
 exit
`, monitor.String(), station.Addr(), station.Port())
	},
	args: func(dir string, port int) []string {
		return []string{"-f", filepath.Join(dir, "conf"), "-Z", "-n", "-S", "-M", "bmp", "-p", fmt.Sprint(port), "-l", "127.0.0.1",
			"-P", "0", "-i", filepath.Join(dir, "pid"), "--vty_socket", dir, "--log", "stdout", "--log-level", "debugging"}
	},
}

// freePort is a port of loopback that nobody listened on just now.
func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// run starts the daemon, which ends with the test, and waits until it takes
// sessions. It gives the address for them.
func (d daemon) run(t *testing.T, station netip.AddrPort) string {
	t.Helper()
	program, err := exec.LookPath(d.program)
	if err != nil {
		if os.Getenv("DEPEER_INTEROP") == "1" {
			t.Fatalf("%s is not installed", d.program)
		}
		t.Skipf("%s is not installed", d.program)
	}
	dir, port := t.TempDir(), freePort()
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(d.config(d, station, port)), 0o600); err != nil {
		t.Fatal(err)
	}
	var out syncBuffer
	cmd := exec.Command(program, d.args(dir, port)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			log := []byte(out.String())
			t.Logf("%s said:\n%s", d.name, log[max(0, len(log)-6000):])
		}
	})
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	for late := time.Now().Add(patience); ; {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			conn.Close()
			return addr
		}
		if time.Now().After(late) {
			t.Fatalf("%s takes no session: %v", d.name, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// session opens the session of AS64500, whose routes the daemon reports. It tries
// again while the daemon is not ready for it.
func session(t *testing.T, ctx context.Context, addr string) *bgptest.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		s, err := bgptest.Dial(ctx, addr, bgptest.Speaker{ASN: 64500, RouterID: netip.MustParseAddr("192.0.2.7")})
		if err == nil {
			t.Cleanup(func() { _ = s.Close(bgp.Cause{}) })
			return s
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("no session with %s: %v", addr, err)
		}
	}
}

func (r *running) listening() netip.AddrPort { return netip.MustParseAddrPort(r.addr) }

// The whole life of a real router's peer, and a station that is started again.
func TestRealRouters(t *testing.T) {
	if testing.Short() {
		t.Skip("starts daemons")
	}
	for _, d := range []daemon{gobgpd, frr} {
		t.Run(d.name, func(t *testing.T) { realRouter(t, d) })
	}
}

func realRouter(t *testing.T, d daemon) {
	r := start(t, nil)
	at := r.listening()
	addr := d.run(t, at)
	h := r.health("router", func(h bgp.Health) bool { return h.Ready })
	collector, _, _ := strings.Cut(h.Sessions[0].Name, " ")
	t.Logf("%s is %s", d.name, h.Sessions[0].Name)
	peer := collector + "/127.0.0.1 AS64500 "

	s := session(t, r.ctx, addr)
	must(t, s.Announce(bgp.PathOf(64500, 3549, 26780), mccolo, other, six), s.EndOfRIB(false), s.EndOfRIB(true))
	r.saw(peer + "announce 208.66.192.0/22 64500 3549 26780")
	r.saw(peer + "announce 198.51.100.0/24 64500 3549 26780")
	u := r.saw(peer + "announce 2001:db8:7::/48 64500 3549 26780")
	if age := time.Since(u.At); age < 0 || age > patience {
		t.Errorf("announced at %s, which is %s ago", u.At, age)
	}
	first := lines(r.wait("peer", func(all []bgp.Update) bool { return len(lines(all)) > 0 }))[0]
	if first != peer+"peer-up" {
		t.Errorf("first came %q", first)
	}
	must(t, s.Withdraw(mccolo))
	r.saw(peer + "withdraw 208.66.192.0/22")
	r.health("statistics", func(h bgp.Health) bool { return count(h, "messages", "statistics") >= 1 || d.name == "GoBGP" })

	must(t, s.Close(bgp.Cause{Code: 6, Subcode: 2, Text: "goodbye, McColo"}))
	down := r.wait("peer-down", func(all []bgp.Update) bool {
		return slices.ContainsFunc(all, func(u bgp.Update) bool { return u.Kind == bgp.PeerDown })
	})
	i := slices.IndexFunc(down, func(u bgp.Update) bool { return u.Kind == bgp.PeerDown })
	t.Logf("%s says of the end: %+v", d.name, down[i].Cause)
	if c := down[i].Cause; c.Code != 6 || c.Subcode != 2 || c.Text != "goodbye, McColo" {
		t.Errorf("cause %+v, want 6/2 goodbye, McColo", c)
	}
	for _, u := range down[i:] {
		if u.Kind == bgp.Withdraw {
			t.Errorf("the end of a session withdrew %s", u.Prefix)
		}
	}

	s = session(t, r.ctx, addr)
	must(t, s.Announce(bgp.PathOf(64500, 3549, 26780), other), s.EndOfRIB(false), s.EndOfRIB(true))
	r.wait("second peer-up and its route", func(all []bgp.Update) bool {
		l := lines(all)
		up := slices.Index(l, line(down[i])) + 1
		return slices.Index(l[up:], peer+"peer-up") >= 0 && slices.Contains(l[up:], peer+"announce 198.51.100.0/24 64500 3549 26780")
	})
	if c := count(r.station.Health(time.Now()), "malformed", ""); c > 0 {
		t.Errorf("%v messages malformed", c)
	}
	for _, c := range r.station.Health(time.Now()).Counts {
		if c.Name == "malformed" && c.Value > 0 {
			t.Errorf("malformed %s: %v", c.Reason, c.Value)
		}
		if c.Value > 0 {
			t.Logf("%s %s = %v", c.Name, c.Reason, c.Value)
		}
	}

	// Another station, in the place of the first.
	must(t, ignoreCanceled(r.stop()))
	for range 2 {
		// GoBGP finds out that a station is gone when it writes to it the second time.
		must(t, s.Announce(bgp.PathOf(64500, 3549, 26780), mccolo), s.Withdraw(mccolo))
	}
	again := start(t, func(c *Config) { c.Listen = []string{at.String()} })
	again.saw(peer + "peer-up")
	again.saw(peer + "announce 198.51.100.0/24 64500 3549 26780")
	must(t, s.Withdraw(other))
	again.saw(peer + "withdraw 198.51.100.0/24")
}

func ignoreCanceled(err error) error {
	if err != nil && bytes.Contains([]byte(err.Error()), []byte("context canceled")) {
		return nil
	}
	return err
}

// FRR sends each peer before and after its policy: one vantage point, each route once,
// in whichever order the two come.
func TestFRRSendsBothPolicies(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a daemon")
	}
	both := frr
	both.policy = "pre-policy post-policy"
	r := start(t, nil)
	addr := both.run(t, r.listening())
	r.health("router", func(h bgp.Health) bool { return h.Ready })
	s := session(t, r.ctx, addr)
	var many []netip.Prefix
	for i := range 10_000 {
		many = append(many, netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 0}), 24))
	}
	must(t, s.Announce(one, many...), s.EndOfRIB(false), s.EndOfRIB(true), s.Announce(one, mccolo), s.Withdraw(mccolo))
	r.saw("frr1/127.0.0.1 AS64500 withdraw 208.66.192.0/22")
	r.health("both views", func(h bgp.Health) bool { return count(h, "ignored", "same-peer-other-policy") > 0 })
	n, other := 0, 0
	for _, u := range r.heard() {
		switch {
		case u.Kind == bgp.Announce && u.Prefix != mccolo && u.Path.Equal(one):
			n++
		case u.Kind == bgp.PeerDown || u.Kind == bgp.Withdraw && u.Prefix != mccolo:
			other++
		}
	}
	if n < len(many) || other != 0 {
		t.Errorf("%d announcements of %d routes, %d losses", n, len(many), other)
	}
	for _, p := range []netip.Prefix{many[0], many[len(many)-1]} {
		if got := holds(r.heard(), 5*time.Minute, p); len(got) != 1 || got[0] != "AS64500 64500 3549 26780" {
			t.Errorf("%s: %v", p, got)
		}
	}
}

// GoBGP's Loc-RIB comes without a Peer Up: the router is the vantage point.
func TestGoBGPLocRIB(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a daemon")
	}
	local := gobgpd
	local.policy = "local-rib"
	r := start(t, func(c *Config) { c.Views = []string{"loc-rib"} })
	addr := local.run(t, r.listening())
	s := session(t, r.ctx, addr)
	must(t, s.Announce(one, mccolo))
	r.saw("gobgp1/127.0.0.1 AS64999 announce 208.66.192.0/22 64500 3549 26780")
	must(t, s.Withdraw(mccolo))
	r.saw("gobgp1/127.0.0.1 AS64999 withdraw 208.66.192.0/22")
}
