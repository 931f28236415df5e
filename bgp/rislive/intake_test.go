package rislive

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/mrt"
	"depeer/bgp/wire"
)

// A line of a message of rrc00's peer 192.0.2.1 AS64500; % is what else is in data.
func line(stamp, more string) []byte {
	return []byte(`{"type":"ris_message","data":{"timestamp":` + stamp + `,"peer":"192.0.2.1","peer_asn":"64500","id":"x","host":"rrc00.ripe.net",` + more + `}}`)
}

func take(in *intake, lines ...[]byte) []bgp.Update {
	in.out = in.out[:0]
	for _, l := range lines {
		in.take(l, 1_700_000_000_000_000)
	}
	return in.out
}

const now = "1700000000.0"

// Every type of message, in both spellings, as recorded; one line is broken.
func TestEveryRecordedType(t *testing.T) {
	in, c := testIntake(t, everything, nil)
	var got []string
	for _, l := range testLines(t, "libbgpstream/ris-live-stream.json") {
		got = append(got, words(take(in, l))...)
	}
	want := []string{
		"2019-03-26T19:19:47.89Z rrc00/72.22.223.9 AS11708 announce 45.161.192.0/23 false 11708 32097 1299 52320 263009 263009 263009 263009 263009 52993 268481 268481 ",
		"2019-03-26T18:31:21.88Z rrc01/195.66.224.59 AS24931 peer-down invalid Prefix false  the collector says that the session is down",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	for _, x := range []struct {
		name, reason string
		want         float64
	}{{"malformed", "json", 1}, {"control", "ris_error", 1}, {"ignored", "sent-by-collector", 1}, {"messages", "OPEN", 1}, {"messages", "NOTIFICATION", 1}, {"messages", "KEEPALIVE", 1}, {"stale", "", 4}} {
		if n := c.get(x.name, x.reason); n != x.want {
			t.Errorf("%s %s: %v, want %v", x.name, x.reason, n, x.want)
		}
	}
}

func TestEndOfRIB(t *testing.T) {
	in, _ := testIntake(t, everything, nil)
	var got []string
	for _, l := range testLines(t, "libbgpstream/eor-stream.json") {
		kinds := []string{}
		for _, u := range take(in, l) {
			switch u.Kind {
			case bgp.Heard:
			case bgp.EndOfRIB:
				kinds = append(kinds, fmt.Sprintf("end-of-rib v6=%v", u.V6))
			default:
				kinds = append(kinds, u.Kind.String()+" "+u.Prefix.String())
			}
		}
		got = append(got, strings.Join(kinds, ","))
	}
	// By the ids: empty IPv4, empty MP_UNREACH of IPv6 and of IPv4, withdrawals, a
	// multicast one, one with another attribute, an announcement.
	want := []string{"end-of-rib v6=false", "end-of-rib v6=true", "end-of-rib v6=false", "withdraw 10.0.0.0/8",
		"withdraw 2001:db8::/32", "", "", "announce 192.0.2.0/24"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	// Without octets an empty UPDATE may be anything.
	in, c := testIntake(t, everything, nil)
	if got := take(in, line(now, `"type":"UPDATE"`)); count(got, bgp.EndOfRIB) != 0 || count(got, bgp.Heard) != 1 || c.get("ignored", "no-prefixes") != 1 {
		t.Errorf("empty UPDATE without octets: %v", words(got))
	}
}

func TestPeerStates(t *testing.T) {
	in, c := testIntake(t, everything, nil)
	at := func(second int, more string) []byte { return line(fmt.Sprintf("16999999%02d.5", second), more) }
	got := take(in,
		at(1, `"type":"RIS_PEER_STATE","state":"connected"`),
		at(2, `"type":"STATE","state":"up"`), // the same session
		at(3, `"type":"KEEPALIVE"`),
		at(4, `"type":"NOTIFICATION","raw":"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF001A030602`+`0462796521"`),
		at(5, `"type":"STATE","state":"down"`),
		at(6, `"type":"OPEN"`),
		at(10, `"type":"STATE","state":"down"`),
		at(11, `"type":"RIS_PEER_STATE","state":"connected"`),
		at(12, `"type":"RIS_PEER_STATE","state":"asleep"`),
	)
	var kinds []string
	for _, u := range got {
		kinds = append(kinds, fmt.Sprint(u.At.Second(), " ", u.Kind, " ", u.Cause))
	}
	want := []string{"41 peer-up ", "43 heard ", "45 peer-down cease, administrative shutdown: bye!",
		"50 peer-down the collector says that the session is down", "51 peer-up "}
	if !slices.Equal(kinds, want) {
		t.Errorf("%q\nwant %q", kinds, want)
	}
	if n := c.get("ignored", "unknown-state"); n != 1 {
		t.Errorf("%v unknown states", n)
	}
}

// A peer has one name, whoever tells of it.
func TestCollectorIsNamedAsTheArchivesDo(t *testing.T) {
	for host, archive := range map[string]string{
		"rrc21": "https://data.ris.ripe.net/rrc21/2026.11/updates.20261101.0000.gz", "rrc21.ripe.net": "/archive/rrc21/updates.20261101.0000.gz",
		"RRC03.ripe.net": "ris.rrc03.updates.gz", "route-views2.routeviews.org": "routeviews2-2008-02/updates.20080223.0000.bz2",
	} {
		if got, want := collectorOf(host), mrt.Collector(archive); got != want || want == "" {
			t.Errorf("%s: %q, the archive's is %q", host, got, want)
		}
	}
	if got := collectorOf("My-Own.example"); got != "my-own.example" {
		t.Errorf("a collector of another name: %q", got)
	}
	in, c := testIntake(t, everything, nil)
	short := strings.Replace(string(line(now, `"type":"KEEPALIVE"`)), "rrc00.ripe.net", "rrc00", 1)
	number := strings.Replace(strings.Replace(short, `"64500"`, `64500`, 1), "192.0.2.1", "::ffff:192.0.2.1", 1)
	take(in, line(now, `"type":"KEEPALIVE"`), []byte(short), []byte(number))
	if len(in.order) != 1 || c.get("ignored", "duplicate") != 0 {
		t.Errorf("%d peers", len(in.order))
	}
	if got := in.order[0].Peer; got != (bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64500}) {
		t.Errorf("peer %v", got)
	}
}

func TestStamps(t *testing.T) {
	for text, want := range map[string]int64{
		"1558620047.08": 1558620047080000, "1558620047": 1558620047000000, "1558620047.0000019": 1558620047000001,
		"1740561857.910": 1740561857910000, "1553627987.899999": 1553627987899999, "1.5586200470812e9": 1558620047081200,
		"0": -1, "-5": -1, "99999999999": -1, "1e300": -1, "": -1, "999999999.9": -1,
	} {
		got, ok := microseconds([]byte(text))
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
	in, c := testIntake(t, everything, nil)
	const up = `"type":"UPDATE","path":[64500,7],"announcements":[{"next_hop":"x","prefixes":["192.0.2.0/24"]}]`
	var ats []time.Time
	for _, stamp := range []string{"1700000009.9", "1700000010.000001", "1700003600", "1699996400.000001", "1699996400", "1600000000.25"} {
		for _, u := range take(in, line(stamp, up)) {
			if u.Kind == bgp.Announce {
				ats = append(ats, u.At)
			}
		}
	}
	micro := func(n int64) time.Time { return time.UnixMicro(n).UTC() }
	want := []time.Time{micro(1700000009900000), micro(1700000000000000), micro(1700000000000000), micro(1699996400000001), micro(1699996400000000), micro(1600000000250000)}
	if !slices.Equal(ats, want) || c.get("future", "") != 2 || c.get("stale", "") != 2 {
		t.Errorf("%v; future %v, stale %v\nwant %v, 2, 2", ats, c.get("future", ""), c.get("stale", ""), want)
	}
}

// What is built from JSON: sets, next hops, families, both ways.
func TestWhatJSONSays(t *testing.T) {
	const announce = `"type":"UPDATE","path":[64500,3549,[64500,64501]],"origin":"incomplete","announcements":[`
	for _, x := range []struct{ name, more, want string }{
		{"nested AS_SET", announce + `{"next_hop":"192.0.2.1","prefixes":["198.51.100.0/24"]}]`, "announce 198.51.100.0/24 64500 3549 {64500,64501}"},
		{"two next hops", announce + `{"next_hop":"2001:db8::1","prefixes":["3fff::/32","3fff:1::/32"]},{"next_hop":"fe80::1","prefixes":["3fff::/32","3fff:1::/32"]}]`,
			"announce 3fff::/32 64500 3549 {64500,64501};announce 3fff:1::/32 64500 3549 {64500,64501}"},
		{"two next hops in one", announce + `{"next_hop":"2001:db8::1,fe80::1","prefixes":["3FFF:0000:0000:0000::/32"]}]`, "announce 3fff::/32 64500 3549 {64500,64501}"},
		{"the same in another order, and one more", announce + `{"next_hop":"2001:db8::1","prefixes":["3fff::/32"]},{"prefixes":["3fff:1::/32","3fff::/32"],"next_hop":"fe80::1"}]`,
			"announce 3fff::/32 64500 3549 {64500,64501};announce 3fff:1::/32 64500 3549 {64500,64501}"},
		{"all at once", `"withdrawals":["203.0.113.0/24","3fff:2::/33"],` + announce + `{"next_hop":"x","prefixes":["10.1.2.3/8"]},{"next_hop":"y","prefixes":["::/0"]}]`,
			"withdraw 203.0.113.0/24;withdraw 3fff:2::/33;announce 10.0.0.0/8 64500 3549 {64500,64501};announce ::/0 64500 3549 {64500,64501}"},
		{"empty path", `"type":"UPDATE","path":[],"announcements":[{"prefixes":["10.0.0.0/8"]}]`, "announce 10.0.0.0/8 "},
		{"nulls", `"type":"UPDATE","path":null,"withdrawals":["10.0.0.0/8"],"announcements":null`, "withdraw 10.0.0.0/8"},
		{"escaped", `"type":"UPDATE","withdrawals":["10.0.0.0\/8"]`, "withdraw 10.0.0.0/8"},
		{"no path", `"type":"UPDATE","announcements":[{"prefixes":["10.0.0.0/8"]}]`, "malformed missing-attribute"},
		{"no such prefix", `"type":"UPDATE","withdrawals":["10.0.0.0/8","10.0.0.0/33"]`, "malformed prefix"},
		{"no such path", announce[:len(announce)-1] + `[{"prefixes":["10.0.0.0/8"]}],"path":[64500,"x"]`, "malformed path"},
		{"too large an AS", announce[:len(announce)-1] + `[{"prefixes":["10.0.0.0/8"]}],"path":[4294967296]`, "malformed path"},
		{"an empty set", announce[:len(announce)-1] + `[{"prefixes":["10.0.0.0/8"]}],"path":[1,[]]`, "malformed path"},
		{"another shape", `"type":"UPDATE","withdrawals":"10.0.0.0/8"`, "malformed shape"},
		{"raw that is none", `"type":"UPDATE","withdrawals":["10.0.0.0/8"],"raw":"xyz"`, "malformed raw-hex"},
		{"raw that ends early", `"type":"UPDATE","withdrawals":["10.0.0.0/8"],"raw":"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00190200020800"`, "malformed bad-message-length"},
		{"raw of another type", `"type":"UPDATE","withdrawals":["10.0.0.0/8"],"raw":"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF001304"`, "malformed raw-message"},
		{"malformed raw beside sound JSON", `"type":"UPDATE","withdrawals":["10.0.0.0/8"],"raw":"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF0019020002210A0000"`, "malformed bad-prefix"},
	} {
		in, c := testIntake(t, everything, nil)
		var got []string
		for _, u := range take(in, line(now, x.more)) {
			switch u.Kind {
			case bgp.Announce:
				got = append(got, "announce "+u.Prefix.String()+" "+u.Path.String())
			case bgp.Withdraw:
				got = append(got, "withdraw "+u.Prefix.String())
			}
		}
		for _, n := range c.list(0) {
			if n.Name == "malformed" && n.Value > 0 {
				got = append(got, "malformed "+n.Reason)
			}
		}
		if s := strings.Join(got, ";"); s != x.want {
			t.Errorf("%s: %s\nwant %s", x.name, s, x.want)
		}
	}
}

// Some peers of RIS know no AS numbers of 4 octets. Their messages are read so only
// where the path is then the one that RIS shows beside the octets.
func TestTwoOctets(t *testing.T) {
	const head = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
	// ORIGIN, AS_PATH of 2 octets each (64500 7), NEXT_HOP, 10.0.0.0/8.
	const attrs = "40010100" + "4002060202" + "FBF40007" + "400304C0000201"
	raw := head + fmt.Sprintf("%04X", 19+4+len(attrs)/2+2) + "02" + "0000" + fmt.Sprintf("%04X", len(attrs)/2) + attrs + "080A"
	for path, want := range map[string]string{"[64500,7]": "64500 7", "[64500,8]": "", "null": ""} {
		in, c := testIntake(t, everything, nil)
		got := ""
		for _, u := range take(in, line(now, `"type":"UPDATE","path":`+path+`,"raw":"`+raw+`"`)) {
			if u.Kind == bgp.Announce {
				got = u.Path.String()
			}
		}
		if got != want || want == "" && c.get("malformed", "bad-as-path") != 1 || want != "" && c.get("two_octets", "") != 1 {
			t.Errorf("path %s: read %q, want %q; %v", path, got, want, c.named)
		}
	}
}

// A server that invents peers, hosts and types grows nothing without bound.
func TestHostileServer(t *testing.T) {
	in, c := testIntake(t, everything, nil)
	for i := range maxPeers + 500 {
		in.take(fmt.Appendf(nil, `{"type":"ris_message","data":{"timestamp":1700000000,"peer":"10.%d.%d.%d","peer_asn":"1","host":"rrc00","type":"KEEPALIVE"}}`, i>>16, i>>8&255, i&255), 1_700_000_000_000_000)
	}
	for i := range 3 * maxCollectors {
		in.take(fmt.Appendf(nil, `{"type":"ris_message","data":{"timestamp":1700000000,"peer":"10.0.0.1","peer_asn":"1","host":"h%d","type":"KEEPALIVE"}}`, i), 1_700_000_000_000_000)
	}
	for i := range 1000 {
		in.take(fmt.Appendf(nil, `{"type":"t%d","data":{"timestamp":1700000000,"peer":"10.0.0.1","peer_asn":"1","host":"rrc00","type":"T%d"}}`, i, i), 1_700_000_000_000_000)
		in.take(fmt.Appendf(nil, `{"type":"ris_message","data":{"timestamp":1700000000.%d,"peer":"10.0.0.1","peer_asn":"1","host":"rrc00","type":"T%d"}}`, i, i), 1_700_000_000_000_000)
	}
	if len(in.order) != maxPeers || len(in.named) != maxCollectors || len(in.spellings) > maxSpellings {
		t.Errorf("%d peers, %d collectors, %d spellings", len(in.order), len(in.named), len(in.spellings))
	}
	// The collectors that fit are refused for their peers.
	for reason, want := range map[string]float64{"too-many-peers": 500 + maxCollectors - 1, "too-many-collectors": 2*maxCollectors + 1, "unknown-type": 1000} {
		if n := c.get("ignored", reason); n != want {
			t.Errorf("%s: %v, want %v", reason, n, want)
		}
	}
	if n := c.get("control", "other"); n != 1000 {
		t.Errorf("%v other control messages", n)
	}
	if n := len(c.list(0)); n > 60 {
		t.Errorf("%d counters", n)
	}
}

func TestHosts(t *testing.T) {
	in, c := testIntake(t, everything, func(c *Config) { c.Hosts = []string{"RRC00.ripe.net"} })
	other := strings.Replace(string(line(now, `"type":"KEEPALIVE"`)), "rrc00", "rrc01", 1)
	got := take(in, line(now, `"type":"KEEPALIVE"`), []byte(other))
	if len(got) != 1 || got[0].Peer.Collector != "rrc00" || c.get("ignored", "other-host") != 1 {
		t.Errorf("%v", got)
	}
}

func TestTwice(t *testing.T) {
	in, c := testIntake(t, everything, nil)
	a := line(now, `"type":"UPDATE","withdrawals":["10.0.0.0/8"]`)
	b := line("1700000000.1", `"type":"UPDATE","withdrawals":["10.0.0.0/8"]`)
	if got := take(in, a, a, b, b); count(got, bgp.Withdraw) != 2 || c.get("ignored", "duplicate") != 2 {
		t.Errorf("%v", words(got))
	}
	if got := in.order[0].Traffic; got != (bgp.Traffic{Withdrawn: 2}) {
		t.Errorf("%+v", got)
	}
}

// Whatever is not wanted costs no memory.
func TestNoAllocations(t *testing.T) {
	lines := testLines(t, "morrowc-rislive/1k-msgs.ndjson")
	for name, cut := range map[string]bool{"raw": false, "json": true} {
		in, _ := testIntake(t, wire.List{ASNs: []uint32{26780}, Prefixes: []netip.Prefix{netip.MustParsePrefix("208.66.192.0/22")}}, nil)
		var list [][]byte
		for _, l := range lines {
			if cut {
				l = without(t, l)
			}
			list = append(list, l)
		}
		pass := func() {
			in.out = in.out[:0]
			for _, l := range list {
				in.take(l, 1_700_000_000_000_000)
			}
		}
		pass()
		if n := testing.AllocsPerRun(5, pass); n > 10 {
			t.Errorf("%s: %v allocations for %d messages", name, n, len(list))
		}
	}
}
