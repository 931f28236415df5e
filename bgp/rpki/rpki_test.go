package rpki

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"depeer/bgp/bgptest/realdata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func vrp(prefix string, most uint8, asn uint32) VRP {
	return VRP{netip.MustParsePrefix(prefix), most, asn}
}

// TestValidate is the table of RFC 6811 section 2.1.
func TestValidate(t *testing.T) {
	s := NewSet([]VRP{vrp("10.0.0.0/16", 20, 64500), vrp("10.0.0.0/16", 20, 64500), vrp("10.0.0.0/16", 16, 64501), vrp("10.9.0.0/16", 24, 0), vrp("2001:db8::/32", 48, 64500)})
	if s.Len() != 4 {
		t.Error(s.Len())
	}
	for _, c := range []struct {
		prefix string
		asn    uint32
		want   State
	}{
		{"10.0.0.0/16", 64500, Valid}, {"10.0.16.0/20", 64500, Valid}, {"10.0.16.0/21", 64500, Invalid}, {"10.0.0.0/16", 64501, Valid}, {"10.0.0.0/17", 64501, Invalid},
		{"10.0.0.0/16", 64502, Invalid}, {"10.0.0.0/15", 64500, NotFound}, {"10.1.0.0/16", 64500, NotFound}, {"10.9.1.0/24", 64500, Invalid}, {"10.9.1.0/24", 0, Invalid},
		{"2001:db8:1::/48", 64500, Valid}, {"2001:db8:1::/49", 64500, Invalid}, {"2001:db9::/48", 64500, NotFound},
	} {
		if got := s.Validate(netip.MustParsePrefix(c.prefix), c.asn); got != c.want {
			t.Errorf("%s by %d: %s, want %s", c.prefix, c.asn, got, c.want)
		}
	}
	var v Validator
	p := netip.MustParsePrefix("10.0.0.0/16")
	now := time.Now()
	if got := v.Validate(p, 64500, now); got != Unknown {
		t.Error(got)
	}
	v.Use(s, "x", now, now.Add(time.Hour))
	if v.Validate(p, 64500, now) != Valid || v.Validate(p, 64500, now.Add(2*time.Hour)) != Unknown {
		t.Error("expiry")
	}
	if from, n, _, _ := v.Status(); from != "x" || n != 4 {
		t.Error(from, n)
	}
}

func TestFiles(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for name, text := range map[string]string{
		"rpki-client": `{"metadata":{"buildtime":"2023-07-27T18:56:02Z"},"roas":[{"asn":64500,"prefix":"10.0.0.0/16","maxLength":20,"ta":"x","expires":1800000000},{"asn":1,"prefix":"10.1.0.0/16","maxLength":16,"expires":1600000000}],"bgpsec_keys":[{}]}`,
		"routinator":  `{"metadata":{"generated":1690484162,"generatedTime":"2023-07-27T18:56:02Z"},"roas":[{"asn":"AS64500","prefix":"10.0.0.0/16","maxLength":20,"ta":"ripe"}]}`,
		"csv":         "ASN,IP Prefix,Max Length,Trust Anchor\nAS64500,10.0.0.0/16,20,ripe\n",
		"validator":   "URI,ASN,IP Prefix,Max Length,Not Before,Not After\nrsync://x,AS64500,10.0.0.0/16,20,2020-01-01 00:00:00,2030-01-01 00:00:00\nrsync://x,AS64500,10.2.0.0/16,,2020-01-01 00:00:00,2021-01-01 00:00:00\n",
		"bare":        "64500,10.0.0.0/16,20,True\n",
	} {
		f, err := Read(strings.NewReader(text), now)
		if err != nil || len(f.VRPs) != 1 || f.VRPs[0] != vrp("10.0.0.0/16", 20, 64500) || strings.Contains(text, "metadata") && f.Made.Format(time.RFC3339) != "2023-07-27T18:56:02Z" {
			t.Errorf("%s: %v %+v", name, err, f)
		}
	}
	for _, text := range []string{"", "<html>", `{"roas":[{"asn":1,"prefix":"10.0.0.0/16"`, `{"x":1}`, `{"roas":[]}`, `{"roas":[{"asn":1,"prefix":"10.0.0.1/16"}]}`, `{"roas":[{"asn":1,"prefix":"10.0.0.0/16","maxLength":8}]}`, "a,b\n"} {
		if f, err := Read(strings.NewReader(text), now); err == nil {
			t.Errorf("%q: %+v", text, f)
		}
	}
}

func TestFilesRecorded(t *testing.T) {
	for name, want := range map[string]int{"stayrtr_test.rpki.json": 19, "tabi_roa.csv": 15968, "afrinic_roas.csv": 4371} {
		path, err := realdata.Find("rib", "rpki", name)
		if err != nil {
			t.Skip(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Read(bytes.NewReader(b), time.Time{})
		if err != nil {
			t.Fatal(name, err)
		}
		if n := len(f.VRPs) + f.Bad; n != want && n != want+1 {
			t.Errorf("%s: %d VRPs, %d bad (%s), want %d", name, len(f.VRPs), f.Bad, f.First, want)
		}
		if name == "stayrtr_test.rpki.json" {
			s := NewSet(f.VRPs)
			if s.Validate(netip.MustParsePrefix("1.0.0.0/24"), 13335) != Valid || s.Validate(netip.MustParsePrefix("1.0.0.0/24"), 174) != Invalid || s.Validate(netip.MustParsePrefix("9.9.9.0/24"), 174) != NotFound {
				t.Error("a recorded ROA is judged wrongly")
			}
		}
	}
}

// cache is the other side of RFC 8210.
type cache struct {
	net.Listener
	t *testing.T

	mu      sync.Mutex
	version uint8             // guarded by mu; the highest it speaks
	session uint16            // guarded by mu
	serial  uint32            // guarded by mu
	history map[uint32][]step // guarded by mu; what led to each serial
	asked   []string          // guarded by mu
	reports []uint16          // guarded by mu; error codes that it was told
	conns   []net.Conn        // guarded by mu
	inject  func(io.Writer)   // guarded by mu; said in place of the prefixes, once
}

type step struct {
	VRP
	gone bool
}

func newCache(t *testing.T) *cache {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cache{Listener: l, t: t, version: 1, session: 7, history: map[uint32][]step{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.conns = append(c.conns, conn)
			c.mu.Unlock()
			all.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		c.drop()
		all.Wait()
	})
	return c
}

func (c *cache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

func (c *cache) step(steps ...step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	c.history[c.serial] = steps
	for _, conn := range c.conns {
		writePDU(conn, c.version, pduSerialNotify, c.session, binary.BigEndian.AppendUint32(nil, c.serial))
	}
}

func (c *cache) serve(conn net.Conn) {
	defer conn.Close()
	for {
		p, _, err := readPDU(conn, nil)
		if err != nil {
			return
		}
		c.answer(conn, p)
	}
}

func (c *cache) answer(w io.Writer, p pdu) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.version > c.version {
		text := "version"
		body := make([]byte, 8)
		body[7] = byte(len(text))
		writePDU(w, c.version, pduErrorReport, errVersion, append(body, text...))
		return
	}
	from := uint32(0)
	switch p.kind {
	case pduErrorReport:
		c.reports = append(c.reports, p.field)
		return
	case pduSerialQuery:
		from = binary.BigEndian.Uint32(p.body)
		c.asked = append(c.asked, fmt.Sprint("serial ", from))
		if _, ok := c.history[from]; !ok || p.field != c.session {
			writePDU(w, c.version, pduCacheReset, 0, nil)
			return
		}
	case pduResetQuery:
		c.asked = append(c.asked, "reset")
	}
	writePDU(w, c.version, pduCacheResponse, c.session, nil)
	if f := c.inject; f != nil {
		c.inject = nil
		f(w)
		return
	}
	now := map[VRP]bool{}
	for s := from + 1; s <= c.serial; s++ {
		for _, x := range c.history[s] {
			if from > 0 {
				sendVRP(w, c.version, x)
				continue
			}
			now[x.VRP] = !x.gone
		}
	}
	for v, there := range now {
		if there {
			sendVRP(w, c.version, step{VRP: v})
		}
	}
	end := binary.BigEndian.AppendUint32(nil, c.serial)
	if c.version > 0 {
		for _, n := range []uint32{3600, 600, 7200} {
			end = binary.BigEndian.AppendUint32(end, n)
		}
		writePDU(w, c.version, pduRouterKey, 0, make([]byte, 40))
	}
	writePDU(w, c.version, pduEndOfData, c.session, end)
}

func sendVRP(w io.Writer, version uint8, x step) {
	kind, flags := uint8(pduIPv4), byte(1)
	if x.Prefix.Addr().Is6() {
		kind = pduIPv6
	}
	if x.gone {
		flags = 0
	}
	body := append([]byte{flags, byte(x.Prefix.Bits()), x.MaxLen, 0}, x.Prefix.Addr().AsSlice()...)
	writePDU(w, version, kind, 0, binary.BigEndian.AppendUint32(body, x.ASN))
}

// follow runs a client against the cache until the test ends.
func follow(t *testing.T, c *cache) (*Validator, *Client) {
	v := &Validator{}
	client, err := NewClient(ClientConfig{Address: c.Addr().String(), Pause: time.Millisecond}, ClientDeps{Validator: v})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx := t.Context()
	go func() { done <- client.Run(ctx) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return v, client
}

// await waits until what is asked for is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for !so() {
		if time.Now().After(deadline) {
			t.Fatal("it never came: ", what)
		}
		time.Sleep(time.Millisecond)
	}
}

var (
	one   = vrp("10.0.0.0/16", 20, 64500)
	two   = vrp("2001:db8::/32", 48, 64501)
	three = vrp("10.5.0.0/16", 16, 64502)
)

func TestClient(t *testing.T) {
	c := newCache(t)
	c.step(step{VRP: one}, step{VRP: two})
	v, client := follow(t, c)
	holds := func(want map[VRP]State) func() bool {
		return func() bool {
			for x, s := range want {
				if v.Validate(x.Prefix, x.ASN, time.Now()) != s {
					return false
				}
			}
			return true
		}
	}
	await(t, "the whole", holds(map[VRP]State{one: Valid, two: Valid, three: NotFound}))
	c.step(step{VRP: three}, step{VRP: two, gone: true})
	await(t, "the increment", holds(map[VRP]State{one: Valid, two: NotFound, three: Valid}))
	c.mu.Lock()
	if got := strings.Join(c.asked, ", "); got != "reset, serial 1" {
		t.Error(got)
	}
	c.session, c.history = 8, map[uint32][]step{1: {{VRP: two}}} // it begins anew
	c.serial = 1
	c.mu.Unlock()
	c.drop()
	await(t, "another session", holds(map[VRP]State{one: NotFound, two: Valid, three: NotFound}))
	if syncs, failed := client.Counts(); syncs < 3 || failed < 1 {
		t.Error(syncs, failed)
	}
	if from, n, at, until := v.Status(); from != c.Addr().String() || n != 1 || until.Sub(at) != 2*time.Hour {
		t.Error(from, n, at, until)
	}
}

// TestOlderCache: a cache of RFC 6810 is spoken to in its version.
func TestOlderCache(t *testing.T) {
	c := newCache(t)
	c.version = 0
	c.step(step{VRP: one})
	v, _ := follow(t, c)
	await(t, "version 0", func() bool { return v.Validate(one.Prefix, one.ASN, time.Now()) == Valid })
}

// TestBrokenCache: what breaks the protocol is reported by its code, and changes nothing that was known.
func TestBrokenCache(t *testing.T) {
	for name, x := range map[string]struct {
		code uint16
		say  func(io.Writer)
	}{
		"twice":           {errDuplicate, func(w io.Writer) { sendVRP(w, 1, step{VRP: three}); sendVRP(w, 1, step{VRP: three}) }},
		"never announced": {errWithdrawal, func(w io.Writer) { sendVRP(w, 1, step{VRP: three, gone: true}) }},
		"bits":            {errCorrupt, func(w io.Writer) { sendVRP(w, 1, step{VRP: VRP{netip.MustParsePrefix("10.0.0.1/16"), 20, 1}}) }},
		"unknown type":    {errUnknownPDU, func(w io.Writer) { writePDU(w, 1, 99, 0, nil) }},
		"another version": {errWrongNumber, func(w io.Writer) { writePDU(w, 2, pduIPv4, 0, make([]byte, 12)) }},
		"length":          {errCorrupt, func(w io.Writer) { w.Write([]byte{1, 4, 0, 0, 0, 0, 0, 3}) }},
		"huge":            {errCorrupt, func(w io.Writer) { w.Write([]byte{1, 4, 0, 0, 0xff, 0, 0, 0}) }},
		"short end":       {errCorrupt, func(w io.Writer) { writePDU(w, 1, pduEndOfData, 7, []byte{0, 0, 0, 1}) }},
		"another session": {errCorrupt, func(w io.Writer) { writePDU(w, 1, pduEndOfData, 9, make([]byte, 16)) }},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(t)
			c.step(step{VRP: one})
			v, _ := follow(t, c)
			await(t, "the whole", func() bool { return v.Validate(one.Prefix, one.ASN, time.Now()) == Valid })
			c.mu.Lock()
			c.inject = x.say
			c.mu.Unlock()
			c.step(step{VRP: two})
			await(t, "its report", func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return len(c.reports) > 0
			})
			c.mu.Lock()
			if c.reports[0] != x.code {
				t.Errorf("reported as %d, want %d", c.reports[0], x.code)
			}
			c.mu.Unlock()
			if v.Validate(one.Prefix, one.ASN, time.Now()) != Valid || v.Validate(three.Prefix, three.ASN, time.Now()) != NotFound {
				t.Error("what was known was lost, or half an answer was believed")
			}
			await(t, "the next answer", func() bool { return v.Validate(two.Prefix, two.ASN, time.Now()) == Valid })
		})
	}
}

func TestNewClientFaults(t *testing.T) {
	if _, err := NewClient(ClientConfig{Address: "nowhere"}, ClientDeps{Validator: &Validator{}}); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Error(err)
	}
	if _, err := NewClient(ClientConfig{Address: "127.0.0.1:1"}, ClientDeps{}); err == nil {
		t.Error("without a validator")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"roas":[{"asn":"AS1","prefix":"10.0.0.0/8","maxLength":8}]}`))
	f.Add([]byte("ASN,IP Prefix\nAS1,10.0.0.0/8\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		x, err := Read(bytes.NewReader(text), time.Unix(1_700_000_000, 0))
		if err == nil && len(x.VRPs) == 0 {
			t.Fatal("nothing, and no error")
		}
	})
}

func FuzzPDU(f *testing.F) {
	var b bytes.Buffer
	sendVRP(&b, 1, step{VRP: one})
	sendVRP(&b, 1, step{VRP: two, gone: true})
	writePDU(&b, 1, pduEndOfData, 7, make([]byte, 16))
	writePDU(&b, 1, pduErrorReport, 2, []byte{0, 0, 0, 1, 9, 0, 0, 0, 1, 'x'})
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		r, set := bytes.NewReader(text), map[VRP]struct{}{}
		var buf []byte
		for {
			p, next, err := readPDU(r, buf)
			if buf = next; err != nil {
				return
			}
			switch p.kind {
			case pduIPv4, pduIPv6:
				if change(set, p, true) != nil {
					return
				}
			case pduEndOfData:
				if _, x, err := readEnd(p); err == nil && (x.expire < x.refresh || x.retry <= 0) {
					t.Fatal(x)
				}
			case pduErrorReport:
				var x *refusal
				if !errors.As(readRefusal(p), &x) {
					t.Fatal("no refusal")
				}
			}
		}
	})
}
