package bmp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"depeer/bgp/wire"
)

// bgpMessages walks the BGP messages of a stream, from its first marker on.
func bgpMessages(octets []byte, f func(typ uint8, body []byte)) {
	if i := strings.Index(string(octets), strings.Repeat("\xff", 16)); i > 0 {
		octets = octets[i:]
	}
	for len(octets) >= wire.HeaderLen {
		typ, body, fault := wire.Header(octets)
		if fault != wire.None {
			return
		}
		f(typ, body)
		octets = octets[wire.HeaderLen+len(body):]
	}
}

// What two routers said to each other is what a router would report of them: their
// OPEN messages decide how their UPDATEs are read, and their NOTIFICATIONs are causes.
func TestBGPSessionsAsNetGauzeReadsThem(t *testing.T) {
	dir := filepath.Join(filepath.Dir(openCaptures(t)), "mrt", "bgp-session-pcaps", "netgauze")
	streams := capture(t, filepath.Join(dir, "bgp_multiple-sessions_traffic.pcap"))
	opens := map[[2]netip.Addr]open{}
	for _, s := range streams {
		bgpMessages(s.octets, func(typ uint8, body []byte) {
			if typ == wire.TypeOpen {
				o := open{}
				if ok := o.read(body); ok {
					opens[[2]netip.Addr{s.src.Addr(), s.dst.Addr()}] = o
				}
			}
		})
	}
	var got []string
	others := 0
	for _, s := range streams {
		sent, known := opens[[2]netip.Addr{s.src.Addr(), s.dst.Addr()}]
		received, too := opens[[2]netip.Addr{s.dst.Addr(), s.src.Addr()}]
		session := sessions(&received, &sent)[groupIn]
		session.AS4 = sent.as4 && received.as4 || !known || !too
		// Theirs is of one direction, and leaves out the two sessions with this address.
		// What those hold is read all the same.
		compared := s.dst.Port() == 179 && s.dst.Addr() != netip.MustParseAddr("192.168.255.1")
		if !compared {
			others++
		}
		bgpMessages(s.octets, func(typ uint8, body []byte) {
			switch typ {
			case wire.TypeOpen:
				o := open{}
				if !o.read(body) {
					t.Errorf("%s: an OPEN is refused: %x", s.src, body)
				}
				if compared {
					got = append(got, "open "+ourOpen(&o))
				}
			case wire.TypeUpdate:
				d := &decoded{}
				if d.wire = d.update.Split(body, session); d.wire != wire.None {
					t.Errorf("%s to %s: %v", s.src, s.dst, d.wire)
				}
				if compared {
					got = append(got, "update "+ourUpdate(d))
				}
			case wire.TypeNotification:
				got = append(got, fmt.Sprintf("notification %d", body[0]))
			}
		})
	}
	f, err := os.Open(filepath.Join(dir, "bgp_multiple-sessions_traffic-bgp.json"))
	must(t, err)
	defer f.Close()
	codes := map[string]int{"MessageHeaderError": 1, "OpenMessageError": 2, "UpdateMessageError": 3, "HoldTimerExpiredError": 4,
		"FiniteStateMachineError": 5, "CeaseError": 6}
	var want []string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		dec := json.NewDecoder(strings.NewReader(sc.Text()))
		dec.UseNumber()
		var v any
		must(t, dec.Decode(&v))
		switch kind, body := variant(v); kind {
		case "Open":
			want = append(want, "open "+theirOpen(body))
		case "Update":
			want = append(want, "update "+theirUpdate(body))
		case "Notification":
			class, _ := variant(body)
			want = append(want, fmt.Sprintf("notification %d", codes[class]))
		}
	}
	n := len(want)
	got, want = without(got, want), without(want, got)
	for i := range min(max(len(got), len(want)), 8) {
		t.Errorf("theirs %s\n  ours %s", get(want, i), get(got, i))
	}
	t.Logf("%d messages, %d only theirs, %d only ours; %d streams without a decode", n, len(want), len(got), others)
	if n < 40 {
		t.Errorf("only %d messages to compare", n)
	}
}

// The OPEN messages of other people's captures are read.
func TestOpensOfCaptures(t *testing.T) {
	dir := filepath.Join(filepath.Dir(openCaptures(t)), "mrt", "bgp-session-pcaps", "bgp-rs")
	files, _ := filepath.Glob(filepath.Join(dir, "*.cap"))
	n := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		must(t, err)
		if _, err := byteOrder(b); err != nil {
			t.Logf("%s: %v", filepath.Base(file), err)
			continue
		}
		for _, s := range capture(t, file) {
			bgpMessages(s.octets, func(typ uint8, body []byte) {
				if typ == wire.TypeOpen {
					o := open{}
					if !o.read(body) {
						t.Errorf("%s: an OPEN is refused: %x", filepath.Base(file), body)
					}
					n++
					t.Logf("%s: %s", filepath.Base(file), ourOpen(&o))
				}
			})
		}
	}
	if n < 10 {
		t.Errorf("%d OPEN messages", n)
	}
}
