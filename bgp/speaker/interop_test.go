package speaker

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"depeer/bgp"
)

// Every router announces these: so many routes of each family, one that it
// withdraws, and those of an upstream that it loses.
const (
	routes4  = 10_000
	routes6  = 500
	upstream = 100
	via      = 64999 // the upstream
)

func route4(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
}

func route6(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 8), byte(i)}), 48)
}

func routeUp(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 200, byte(i), 0}), 24)
}

var routeBad = netip.MustParsePrefix("10.202.1.0/24")

var routeOne = netip.MustParsePrefix("10.201.1.0/24")

// router is a BGP implementation that depeer meets. A nil act is one that this
// router cannot do.
type router struct {
	name     string
	programs []string
	addr     netip.Addr
	asn      uint32
	no6      bool
	text     bool // sends the shutdown text of RFC 9003

	start     func(password string, restart bool) // returns at once
	one       func()                              // withdraws routeOne
	up        func()                              // withdraws the upstream's
	reset     func()
	shutdown  func(text string)
	enable    func()        // after shutdown
	malformed func()        // sends an UPDATE that is to be treated as a withdrawal
	accepted  func() string // what it received from us, as it says; "" is nothing
}

// lab is what a router's functions need.
type lab struct {
	t    *testing.T
	dir  string
	to   netip.AddrPort // the speaker
	proc *exec.Cmd
	ctl  int // a free port, for control
	own  int // a free port, to listen on
}

func (l *lab) write(name, text string) string {
	l.t.Helper()
	p := filepath.Join(l.dir, name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return p
}

// spawn starts the router; what it prints goes to a file that a failed test shows.
func (l *lab) spawn(env []string, name string, args ...string) {
	l.t.Helper()
	log, err := os.OpenFile(filepath.Join(l.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	defer log.Close()
	c := exec.Command(name, args...)
	c.Dir, c.Env = l.dir, append(os.Environ(), env...)
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.proc = c
}

// kill ends the router and all that it started, as a power cut would.
func (l *lab) kill() {
	if l.proc == nil {
		return
	}
	_ = syscall.Kill(-l.proc.Process.Pid, syscall.SIGKILL)
	_ = l.proc.Wait()
	l.proc = nil
}

// run is a control command; it is tried until the router's control socket is there.
func (l *lab) run(name string, args ...string) string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		c := exec.CommandContext(ctx, name, args...)
		c.Dir = l.dir
		out, err := c.CombinedOutput()
		if err == nil {
			return string(out)
		}
		select {
		case <-ctx.Done():
			l.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func port(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return int(portOf(l.Addr()))
}

// TestInterop lets five routers connect to one speaker at the same time.
func TestInterop(t *testing.T) {
	if os.Getenv("DEPEER_INTEROP") != "1" && testing.Short() {
		t.Skip("not in a short run")
	}
	at := netip.MustParseAddr("127.0.0.2")
	cfg := testConfig(at)
	cfg.Peers = nil
	makers := []func(*lab) *router{bird, frr, openbgpd, exabgp, gobgpd}
	var list []*router
	var labs []*lab
	for _, m := range makers {
		l := &lab{t: t, dir: t.TempDir(), ctl: port(t), own: port(t)}
		r := m(l)
		missing := ""
		for _, p := range r.programs {
			if _, err := exec.LookPath(p); err != nil {
				missing = p
			}
		}
		if missing != "" {
			if os.Getenv("DEPEER_INTEROP") == "1" {
				t.Errorf("%s: %s is not installed", r.name, missing)
			} else {
				t.Logf("%s is left out: %s is not installed", r.name, missing)
			}
			continue
		}
		list, labs = append(list, r), append(labs, l)
		cfg.Peers = append(cfg.Peers, Peer{Address: r.addr, ASN: r.asn, Password: Secret(right(r))})
	}
	if len(list) == 0 {
		t.Skip("no router is installed")
	}
	rig := start(t, cfg, nil)
	to := netip.MustParseAddrPort(rig.addr)
	t.Run("routers", func(t *testing.T) {
		for i, r := range list {
			l := labs[i]
			l.to = to
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				l.t = t
				defer func() {
					l.kill()
					if t.Failed() {
						b, _ := os.ReadFile(filepath.Join(l.dir, "log"))
						t.Logf("log of %s:\n%s", r.name, b[max(0, len(b)-4000):])
					}
				}()
				meet(t, rig, r, l)
			})
		}
	})
	if n := rig.count("suppressed", ""); n != 0 {
		t.Errorf("GoBGP tried to announce %v times", n)
	}
	if n := rig.count("gobgp_refused", ""); n != 0 {
		t.Errorf("GoBGP refused %v UPDATEs that the front took", n)
	}
}

func right(r *router) string { return "key-of-" + r.name }

// story is what one router's peer said.
type story struct {
	t    *testing.T
	rig  *rig
	peer bgp.Peer
	at   int // the next update to look at
	held map[netip.Prefix]bgp.Path
	gone []netip.Prefix // withdrawn
}

// until reads on to an update that is wanted.
func (s *story) until(what string, within time.Duration, want func(bgp.Update) bool) bgp.Update {
	s.t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		s.rig.mu.Lock()
		got, more := s.rig.got, s.rig.more
		s.rig.mu.Unlock()
		for s.at < len(got) {
			u := got[s.at]
			s.at++
			if u.Peer != s.peer {
				continue
			}
			switch u.Kind {
			case bgp.Announce:
				s.held[u.Prefix] = u.Path
			case bgp.Withdraw:
				delete(s.held, u.Prefix)
				s.gone = append(s.gone, u.Prefix)
			}
			if want(u) {
				return u
			}
		}
		select {
		case <-more:
		case <-deadline.C:
			s.t.Fatalf("%s: not within %v; %d routes held, %d withdrawn", what, within, len(s.held), len(s.gone))
		}
	}
}

const routerPatience = 40 * time.Second

// meet is what every router goes through.
func meet(t *testing.T, rig *rig, r *router, l *lab) {
	s := &story{t: t, rig: rig, peer: bgp.Peer{Collector: "speaker", Addr: r.addr, ASN: r.asn}, held: map[netip.Prefix]bgp.Path{}}
	want := routes4 + upstream + 1 + routes6
	if r.no6 {
		want -= routes6
	}
	full := func(u bgp.Update) bool { return len(s.held) == want }

	before := rig.count("md5_dropped", "wrong")
	r.start("not-the-key", false)
	eventually(t, "segments with a wrong signature", func() bool { return rig.count("md5_dropped", "wrong") > before })
	l.kill()

	began := time.Now()
	r.start(right(r), false)
	if up := s.until("session", routerPatience, func(u bgp.Update) bool { return u.Kind == bgp.PeerUp }); up.At.Before(began) {
		t.Fatal("a session came up with the wrong key")
	}
	s.until("all routes", routerPatience, full)
	if p := s.held[routeUp(1)]; !strings.Contains(" "+p.String()+" ", fmt.Sprintf(" %d ", via)) {
		t.Errorf("the upstream's route has path %q", p)
	}
	t.Logf("up with %d routes after %v", want, time.Since(began).Round(time.Millisecond))
	if len(s.gone) != 0 {
		t.Fatalf("withdrawn during the transfer: %v", s.gone)
	}
	r.one()
	s.until("one withdrawal", routerPatience, func(u bgp.Update) bool { return u.Kind == bgp.Withdraw })
	r.up()
	s.until("upstream withdrawn", routerPatience, func(u bgp.Update) bool { return len(s.gone) == 1+upstream })
	if s.gone[0] != routeOne || len(s.held) != want-1-upstream {
		t.Errorf("withdrawn %v first; %d held, want %d", s.gone[0], len(s.held), want-1-upstream)
	}
	want = len(s.held)
	s.gone = nil
	if r.malformed != nil {
		before := rig.count("malformed", "attribute-length")
		r.malformed()
		eventually(t, "malformed UPDATE", func() bool { return rig.count("malformed", "attribute-length") > before })
	}

	if r.reset != nil {
		r.reset()
		down := s.until("reset", routerPatience, func(u bgp.Update) bool { return u.Kind == bgp.PeerDown })
		t.Logf("reset: %v", down.Cause)
		if down.Cause == (bgp.Cause{}) {
			t.Error("the reset has no cause")
		}
		clear(s.held)
		s.until("session after the reset", routerPatience, func(u bgp.Update) bool { return u.Kind == bgp.PeerUp })
		s.until("all routes after the reset", routerPatience, full)
	}
	if r.shutdown != nil {
		const text = "maintenance, back at 04:00"
		r.shutdown(text)
		down := s.until("shutdown", routerPatience, func(u bgp.Update) bool { return u.Kind == bgp.PeerDown })
		if down.Cause.Code != 6 || r.text && down.Cause.Text != text {
			t.Errorf("shutdown: cause %+v, want a cease with %q", down.Cause, text)
		}
		t.Logf("shutdown: %v", down.Cause)
		clear(s.held)
		r.enable()
		s.until("session after the shutdown", routerPatience, func(u bgp.Update) bool { return u.Kind == bgp.PeerUp })
		s.until("all routes after the shutdown", routerPatience, full)
	}
	if got := r.accepted(); got != "" {
		t.Errorf("it says that it received routes:\n%s", got)
	}
	// A crash, and a start with graceful restart where the router can.
	l.kill()
	s.until("crash", routerPatience, func(u bgp.Update) bool { return u.Kind == bgp.PeerDown })
	clear(s.held)
	r.start(right(r), true)
	s.until("session after the crash", routerPatience, func(u bgp.Update) bool { return u.Kind == bgp.PeerUp })
	s.until("the table after the crash", routerPatience, func(u bgp.Update) bool { return len(s.held) >= routes4 })
	if s.held[routeBad] != nil {
		t.Error("a malformed UPDATE was believed")
	}
	if len(s.gone) != 0 {
		t.Errorf("lost sessions withdrew %d routes", len(s.gone))
	}
}
