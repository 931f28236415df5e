package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"depeer/watch/cnc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// zone is a name server in this process, over UDP and TCP on one port.
type zone struct {
	addr string

	mu      sync.Mutex
	records map[string][]string // guarded by mu; by name: lines of a zone file, "SERVFAIL" or "SILENT"
	asked   []string            // guarded by mu
	tcp     int                 // guarded by mu; questions over TCP
}

func newZone(t *testing.T) *zone {
	z := &zone{records: map[string][]string{}}
	var l net.Listener
	var p net.PacketConn
	for range 20 { // a port that is free for both
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if p, err = net.ListenPacket("udp", l.Addr().String()); err == nil {
			break
		}
		l.Close()
	}
	z.addr = l.Addr().String()
	var up, all sync.WaitGroup
	t.Cleanup(all.Wait) // after both were shut down: the last one to be registered goes first
	for _, s := range []*dns.Server{{Listener: l}, {PacketConn: p}} {
		up.Add(1)
		s.Handler, s.NotifyStartedFunc = dns.HandlerFunc(z.serve), up.Done
		all.Go(func() { s.ActivateAndServe() })
		t.Cleanup(func() { s.Shutdown() })
	}
	up.Wait()
	return z
}

func (z *zone) put(name string, lines ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[name+"."] = lines
}

func (z *zone) serve(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	name := strings.ToLower(q.Question[0].Name)
	z.asked = append(z.asked, name+dns.TypeToString[q.Question[0].Qtype])
	_, udp := w.RemoteAddr().(*net.UDPAddr)
	if !udp {
		z.tcp++
	}
	m := new(dns.Msg)
	m.SetReply(q)
	lines, ok := z.records[name]
	if !ok {
		m.Rcode = dns.RcodeNameError
		soa, _ := dns.NewRR("example. 900 IN SOA a. b. 1 2 3 4 300")
		m.Ns = append(m.Ns, soa)
	}
	for _, line := range lines {
		switch line {
		case "SERVFAIL":
			m.Rcode = dns.RcodeServerFailure
			continue
		case "SILENT":
			return
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		if rr.Header().Rrtype == q.Question[0].Qtype || rr.Header().Rrtype == dns.TypeCNAME {
			m.Answer = append(m.Answer, rr)
		}
	}
	if udp && len(m.Answer) > 20 {
		m.Answer, m.Truncated = nil, true
	}
	w.WriteMsg(m)
}

func config(z *zone) Config {
	c := DefaultConfig()
	c.Servers, c.Rate, c.Timeout = []string{z.addr}, 10_000, 40*time.Second
	return c
}

func TestLookup(t *testing.T) {
	z := newZone(t)
	z.put("plain.example", "plain.example. 300 IN A 5.6.7.8", "plain.example. 60 IN A 5.6.7.9", "plain.example. 900 IN AAAA 2a00::1", "other.example. 1 IN A 9.9.9.1")
	z.put("chain.example", "chain.example. 900 IN CNAME mid.example.", "mid.example. 30 IN CNAME end.example.", "end.example. 60 IN A 5.6.7.8")
	z.put("loop.example", "loop.example. 60 IN CNAME loop.example.")
	z.put("mail.example", "mail.example. 60 IN MX 1 a.example.")
	z.put("broken.example", "SERVFAIL")
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprintf("flux.example. 5 IN A 5.6.%d.8", i))
	}
	z.put("flux.example", many...)
	r, err := NewResolver(config(z))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"plain.example": "[5.6.7.8 5.6.7.9 2a00::1]  60 ", "PLAIN.example": "[5.6.7.8 5.6.7.9 2a00::1]  60 ", "chain.example": "[5.6.7.8] end.example 30 ", "loop.example": "[]  0 NODATA", "mail.example": "[]  0 NODATA", "gone.example": "[]  300 NXDOMAIN",
	} {
		a, err := r.Lookup(t.Context(), name, now)
		if got := fmt.Sprintf("%v %s %d %s", a.Addrs, a.CNAME, a.TTL, a.Code); err != nil || got != want || a.At != now {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if a, err := r.Lookup(t.Context(), "flux.example", now); err != nil || len(a.Addrs) != 40 || a.TTL != 5 {
		t.Errorf("%v %+v", err, a)
	}
	z.mu.Lock()
	if z.tcp == 0 {
		t.Error("a truncated answer was not asked for over TCP")
	}
	z.mu.Unlock()
	if _, err := r.Lookup(t.Context(), "broken.example", now); err == nil || !strings.Contains(err.Error(), "SERVFAIL") {
		t.Error(err)
	}
	// The next server answers where the first does not.
	two := config(z)
	two.Servers = []string{"127.0.0.1:1", z.addr}
	if r, err = NewResolver(two); err != nil {
		t.Fatal(err)
	}
	if a, err := r.Lookup(t.Context(), "chain.example", now); err != nil || len(a.Addrs) != 1 {
		t.Error(err, a)
	}
	slow := config(z)
	z.put("silent.example", "SILENT")
	slow.Timeout = 10 * time.Millisecond
	if r, err = NewResolver(slow); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Lookup(t.Context(), "silent.example", now); err == nil {
		t.Error("no answer is no error")
	}
}

func sighted(name, family string, at time.Time) *cnc.Sighting {
	s := &cnc.Sighting{Source: "feed", At: at, Family: family, Name: name}
	if err := s.Accept(cnc.DefaultFamilies(), time.Time{}); err != nil {
		panic(err)
	}
	return s
}

// ask asks at a time and gives what is told, in order.
func ask(t *testing.T, b *Book, r Lookuper, at time.Time) []string {
	t.Helper()
	var out []string
	err := b.Ask(t.Context(), r, func() time.Time { return at }, func(s cnc.Sighting) error {
		if s.ID == "" || !s.Resolved || s.Source != Source || s.At != at {
			t.Errorf("%+v", s)
		}
		out = append(out, fmt.Sprintf("%s %s %s %s answers=%d ttl=%d dual=%t", s.Name, s.Family, s.Addr, s.Answer, s.Answers, s.TTL, s.DualUse))
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	slices.Sort(out)
	return out
}

// TestBook tells the story of a name: it points here, then there, then nowhere.
func TestBook(t *testing.T) {
	z := newZone(t)
	cfg := config(z)
	r, err := NewResolver(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := NewBook(cfg, cnc.DefaultFamilies())
	b.Add(sighted("c2.example", "Rustock", now))
	b.Add(sighted("c2.example", "Costrat", now.Add(-time.Hour)))
	expect := func(at time.Duration, want ...string) {
		t.Helper()
		if got := ask(t, b, r, now.Add(at)); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("after %s:\n%s\nwant\n%s", at, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	z.put("c2.example", "c2.example. 300 IN A 5.6.7.8", "c2.example. 300 IN AAAA 2a00::8")
	expect(0, "c2.example Rustock 2a00::8 AAAA answers=2 ttl=300 dual=false", "c2.example Rustock 5.6.7.8 A answers=2 ttl=300 dual=false")
	expect(time.Hour)     // it is not due
	expect(7 * time.Hour) // and has not changed
	z.put("c2.example", "c2.example. 60 IN A 6.6.7.8")
	expect(14*time.Hour, "c2.example Rustock 6.6.7.8 A answers=1 ttl=60 dual=false")
	z.put("c2.example", "SERVFAIL")
	expect(21 * time.Hour) // nothing was learned
	z.put("c2.example", "c2.example. 60 IN A 127.0.0.1")
	expect(28*time.Hour, "c2.example Rustock invalid IP BOGON answers=1 ttl=60 dual=false")
	z.mu.Lock()
	delete(z.records, "c2.example.")
	z.mu.Unlock()
	expect(35*time.Hour, "c2.example Rustock invalid IP NXDOMAIN answers=0 ttl=300 dual=false")
	expect(60*time.Hour, "c2.example Rustock invalid IP NXDOMAIN answers=0 ttl=300 dual=false") // still so, after a day
	expect(61 * 24 * time.Hour)                                                                 // nobody names it any more
	if c := b.Counts(); c.Names != 0 || c.Forgotten != 1 || c.Failed != 1 || c.Unchanged != 1 || c.Asked != 7 || c.Given != 6 {
		t.Errorf("%+v", c)
	}
}

// TestShared: an address to which many of the names resolve serves many.
func TestShared(t *testing.T) {
	z := newZone(t)
	cfg := config(z)
	cfg.Shared, cfg.Parallel = 3, 1
	b := NewBook(cfg, cnc.DefaultFamilies())
	r, err := NewResolver(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		name := fmt.Sprintf("n%d.example", i)
		z.put(name, name+". 60 IN A 5.6.7.8")
		b.Add(sighted(name, "Emotet", now))
	}
	dual := 0
	for _, line := range ask(t, b, r, now) {
		if strings.Contains(line, "dual=true") {
			dual++
		}
	}
	if dual != 2 { // the third and the fourth: before, nobody knew
		t.Errorf("%d are dual use", dual)
	}
}

func TestBookIsBounded(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxNames = 20
	b := NewBook(cfg, cnc.DefaultFamilies())
	for i := range 100 {
		b.Add(sighted(fmt.Sprintf("n%d.example", i), "Emotet", now.Add(time.Duration(i)*time.Minute)))
	}
	if n := b.Counts(); n.Names > 20 || n.Overflow != uint64(100-n.Names) {
		t.Errorf("%+v", n)
	}
	if _, ok := b.names["n99.example"]; !ok {
		t.Error("the youngest was dropped")
	}
	b.Add(sighted("old.example", "Emotet", now.Add(-time.Hour)))
	for range 30 {
		b.Add(sighted("n1.example", "Emotet", now.Add(-time.Hour)))
	}
	if n := b.Counts(); n.Names > 20 {
		t.Errorf("%+v", n)
	}
}

// TestEmitFails: what could not be told is told the next time; Ask ends with the error.
func TestEmitFails(t *testing.T) {
	z := newZone(t)
	cfg := config(z)
	z.put("c2.example", "c2.example. 60 IN A 5.6.7.8")
	b := NewBook(cfg, cnc.DefaultFamilies())
	b.Add(sighted("c2.example", "Emotet", now))
	r, err := NewResolver(cfg)
	if err != nil {
		t.Fatal(err)
	}
	away := errors.New("away")
	if err := b.Ask(t.Context(), r, func() time.Time { return now }, func(cnc.Sighting) error { return away }); !errors.Is(err, away) {
		t.Error(err)
	}
	if got := ask(t, b, r, now); len(got) != 1 {
		t.Error(got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Ask(ctx, r, func() time.Time { return now.Add(time.Hour * 24) }, func(cnc.Sighting) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestConfigFaults(t *testing.T) {
	c := DefaultConfig()
	c.Servers, c.Every, c.Timeout, c.Rate, c.Parallel, c.MaxNames, c.Shared = []string{"x"}, time.Second, 0, 0, 0, 0, -1
	const want = "servers[0]: \"x\" is no address:port\nevery: 1s is less than 1m\ntimeout: 0s is not above 0\nrate: 0 is not between 0 and 10000\nparallel: 0 is not between 1 and 256\nmax_names: 0 is less than 1\nshared: -1 is negative"
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	m := new(dns.Msg)
	m.SetQuestion("a.example.", dns.TypeA)
	for _, line := range []string{"a.example. 5 IN CNAME b.example.", "b.example. 5 IN A 5.6.7.8"} {
		rr, _ := dns.NewRR(line)
		m.Answer = append(m.Answer, rr)
	}
	packed, _ := m.Pack()
	f.Add(packed)
	f.Fuzz(func(t *testing.T, packed []byte) {
		m := new(dns.Msg)
		if m.Unpack(packed) != nil {
			return
		}
		a := Answer{Name: "a.example"}
		a.take(m, dns.TypeA)
		a.take(m, dns.TypeAAAA)
		for _, x := range a.Addrs {
			if !x.IsValid() {
				t.Fatal(a)
			}
		}
	})
}

var _ Lookuper = (*Resolver)(nil)
