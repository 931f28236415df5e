package main

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"depeer/bgp/bgptest"
	"depeer/watch"
)

// natsServer is a server of the operator's.
type natsServer struct {
	t    *testing.T
	addr string
	dir  string
	cmd  *exec.Cmd
}

func newNATS(t *testing.T, addr string) *natsServer {
	t.Helper()
	if _, err := exec.LookPath("nats-server"); err != nil {
		if os.Getenv("DEPEER_INTEROP") == "1" {
			t.Fatal(err)
		}
		t.Skip("nats-server is not installed")
	}
	n := &natsServer{t: t, addr: addr, dir: t.TempDir()}
	t.Cleanup(func() { n.kill() })
	n.start()
	return n
}

func (n *natsServer) start() {
	n.t.Helper()
	host, port, _ := strings.Cut(n.addr, ":")
	n.cmd = exec.Command("nats-server", "-js", "-sd", n.dir, "-a", host, "-p", port)
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *natsServer) kill() {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait()
		n.cmd = nil
	}
}

// over gives the monitor a NATS that is not its own.
func (r *running) over(n *natsServer, more string) {
	r.bus = "{urls: [\"nats://" + n.addr + "\"]" + more + "}"
}

// dials reports whether somebody listens there.
func dials(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// pick gives the prefixes of McColo by number.
func pick(numbers []int) (out []netip.Prefix) {
	for _, n := range numbers {
		out = append(out, []netip.Prefix{mccolo1, mccolo2}[n-1])
	}
	return out
}

// The operator's NATS is away for longer than messages wait. What was withdrawn
// meanwhile is told when it is back, and until then the pages answer.
func TestRunOutlivesAnOutageOfNATS(t *testing.T) {
	t.Parallel()
	r := newBare(t)
	n := newNATS(t, r.nats)
	r.over(n, ", timeout: 1s, patience: 2s")
	r.sources = r.speaker(3)
	r.configure(r.text())
	r.await("NATS is up", func() bool { return dials(n.addr) })
	r.start()
	var all []*bgptest.Session
	for i := 1; i <= 3; i++ {
		all = append(all, r.connect(i, upstreamOf(i), mccolo1, mccolo2))
	}
	r.awaitTables(3, 2)
	r.judged(2 * time.Second)
	n.kill()
	for _, s := range all {
		if err := s.Withdraw(mccolo1, mccolo2); err != nil {
			t.Fatal(err)
		}
	}
	// It ends, and says why: what it heard and could not write it would never tell.
	client := &http.Client{Timeout: 3 * time.Second}
	ended := false
	for end := time.Now().Add(patience); !ended && time.Now().Before(end); {
		began := time.Now()
		resp, err := client.Get("http://" + r.web + "/readyz")
		if err == nil {
			resp.Body.Close()
		} else if time.Since(began) > 2*time.Second {
			t.Errorf("/readyz did not answer while NATS was away: %v", err)
		}
		select {
		case err := <-r.ended:
			ended = true
			if err == nil || !strings.Contains(r.log.String(), "could not be written") {
				t.Errorf("it ended with %v\n%s", err, r.log.String())
			}
		case <-time.After(100 * time.Millisecond):
		}
	}
	if !ended {
		t.Error("messages were given up, and it went on as if nothing had happened")
	}
	n.start()
	r.await("NATS is back", func() bool { return dials(n.addr) })
	if ended {
		r.start()
		for i := 1; i <= 3; i++ {
			r.connect(i, upstreamOf(i))
		}
	}
	r.events(untilKind(watch.HosterDark))
	r.stopped()
}

// Collecting and judging in two processes, over one NATS: either may die.
func TestRunInTwoProcesses(t *testing.T) {
	t.Parallel()
	judge := newBare(t)
	n := newNATS(t, judge.nats)
	judge.over(n, "")
	judge.sources = judge.speaker(3)
	judge.more = "policy: {hold: 2s}"
	judge.args = []string{"--roles", "detect,web"}
	judge.configure(judge.text())
	judge.await("NATS is up", func() bool { return dials(n.addr) })
	collect := newBare(t)
	collect.nats, collect.bgp = judge.nats, judge.bgp
	collect.over(n, "")
	collect.sources = judge.sources
	collect.more = judge.more
	collect.args = []string{"--roles", "collect,web"}
	collect.configure(collect.text())
	judge.start()
	collect.start()

	var sessions [4]*bgptest.Session
	connect := func(prefixes ...int) {
		for i := 1; i <= 3; i++ {
			if sessions[i] != nil {
				_ = sessions[i].Reset()
			}
			sessions[i] = collect.connect(i, upstreamOf(i), pick(prefixes)...)
		}
	}
	connect(1, 2)
	judge.awaitTables(3, 2)
	if code, body := judge.get("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz of the judge: %d %s", code, body)
	}
	if code, body := collect.get("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz of the collector: %d %s", code, body)
	}

	// The judge dies; what is withdrawn meanwhile it tells afterwards.
	judge.judged(2 * time.Second)
	judge.kill()
	collect.kill()
	judge.start()
	// The collector is dead: that is told as our own eyes.
	judge.events(untilKind(watch.FeedLost))
	if code, body := judge.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(string(body), "speaker") {
		t.Errorf("/readyz of the judge, without a collector: %d %s", code, body)
	}
	collect.start()
	connect(1)
	judge.events(untilKind(watch.RouteWithdrawn))
	judge.kill()
	connect(1) // sessions that are replaced while nobody judges
	judge.start()
	judge.await("all are back", func() bool { h := judge.hoster(); return h.Eligible == 3 && h.Withdrawn == 1 })
	judge.judged(3 * time.Second)
	told := collect.audit()
	if len(told) != 1 || told["route.withdrawn mccolo "+mccolo2.String()] != 1 {
		t.Errorf("told of hosters: %v", told)
	}
	judge.stopped()
	collect.stopped()
}
