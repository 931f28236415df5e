package bmp

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

func variant(v any) (string, any) {
	switch v := v.(type) {
	case string:
		return v, nil
	case map[string]any:
		for k, x := range v {
			return k, x
		}
	}
	return "", nil
}

func at(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func list(v any) []any { l, _ := v.([]any); return l }

// number writes a JSON number as an integer; nothing as 0.
func number(v any) uint64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return uint64(i)
}

var netgauzeFamilies = map[string]wire.Family{
	"Ipv4Unicast": {AFI: 1, SAFI: 1}, "Ipv4Multicast": {AFI: 1, SAFI: 2}, "Ipv4NlriMplsLabels": {AFI: 1, SAFI: 4},
	"Ipv4MplsLabeledVpn": {AFI: 1, SAFI: 128}, "Ipv4MplsVpnUnicast": {AFI: 1, SAFI: 128},
	"Ipv6Unicast": {AFI: 2, SAFI: 1}, "Ipv6Multicast": {AFI: 2, SAFI: 2}, "Ipv6NlriMplsLabels": {AFI: 2, SAFI: 4},
	"Ipv6MplsLabeledVpn": {AFI: 2, SAFI: 128}, "Ipv6MplsVpnUnicast": {AFI: 2, SAFI: 128},
	"L2VpnBgpEvpn": {AFI: 25, SAFI: 70}, "L2Evpn": {AFI: 25, SAFI: 70},
}

func familyOf(name string) wire.Family {
	f, ok := netgauzeFamilies[name]
	if !ok {
		panic("family " + name + " is not in the test's table")
	}
	return f
}

// theirs writes one message of NetGauze's decode in the words of ours.
func theirs(t *testing.T, line []byte) string {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(line)))
	dec.UseNumber()
	var o map[string]any
	if err := dec.Decode(&o); err != nil {
		t.Fatal(err)
	}
	version, v := variant(o)
	if version == "BmpMessageParsingError" {
		return "refused"
	}
	kind, body := variant(v)
	head := ""
	if h := at(body, "peer_header"); h != nil {
		head = theirHeader(t, h)
	}
	switch kind {
	case "Initiation":
		return kind + " " + theirTLVs(at(body, "information"))
	case "PeerUpNotification":
		open := func(k string) string { return theirOpen(at(body, k, "Open")) }
		return fmt.Sprintf("%s %s local %v %d %d sent %s received %s %s", kind, head, orNone(at(body, "local_address")),
			number(at(body, "local_port")), number(at(body, "remote_port")), open("sent_message"), open("received_message"),
			theirTLVs(at(body, "information")))
	case "PeerDownNotification":
		reason, what := variant(at(body, "reason"))
		_, n := variant(what)
		class, n := variant(n)
		sub, _ := variant(n)
		if class == "" {
			class, sub = fmt.Sprint(at(what, "VrfTableName")), ""
		}
		return fmt.Sprintf("%s %s %s %s %s", kind, head, reason, class, sub)
	case "StatisticsReport":
		var stats []string
		for _, c := range list(at(body, "counters")) {
			name, n := variant(c)
			stats = append(stats, fmt.Sprintf("%s %d", name, number(n)))
		}
		return kind + " " + head + " " + strings.Join(stats, ", ")
	case "RouteMonitoring":
		u := at(body, "update_message", "Update")
		if u == nil {
			u = at(body, "update_pdu", "value", "BgpUpdate", "Update")
		}
		return kind + " " + head + " " + theirUpdate(u)
	}
	t.Fatalf("message %s is not in the test's table", kind)
	return ""
}

func orNone(v any) string {
	if s, ok := v.(string); ok {
		return netip.MustParseAddr(s).Unmap().String()
	}
	return "none"
}

func theirHeader(t *testing.T, h any) string {
	t.Helper()
	typ, f := variant(at(h, "peer_type"))
	flags := 0
	for k, bit := range map[string]int{"ipv6": flagV6, "post_policy": flagPost, "asn2": flagAS2, "adj_rib_out": flagOut, "filtered": flagV6} {
		if on, _ := at(f, k).(bool); on {
			flags |= bit
		}
	}
	var when time.Time
	if s, ok := at(h, "timestamp").(string); ok {
		var err error
		if when, err = time.Parse(time.RFC3339Nano, s); err != nil {
			t.Fatal(err)
		}
	}
	var rd [8]byte
	switch name, v := variant(at(h, "rd")); name {
	case "As2Administrator":
		binary.BigEndian.PutUint16(rd[2:], uint16(number(at(v, "asn2"))))
		binary.BigEndian.PutUint32(rd[4:], uint32(number(at(v, "number"))))
	case "As4Administrator":
		rd[1] = 2
		binary.BigEndian.PutUint32(rd[2:], uint32(number(at(v, "asn4"))))
		binary.BigEndian.PutUint16(rd[6:], uint16(number(at(v, "number"))))
	}
	return fmt.Sprintf("%s %#x %x %s AS%d %v %s", typ, flags, rd, orNone(at(h, "address")), number(at(h, "peer_as")), at(h, "bgp_id"),
		when.UTC().Format("2006-01-02T15:04:05.000000Z"))
}

func theirTLVs(v any) string {
	var name, description, table, text string
	for _, x := range list(v) {
		switch k, s := variant(x); k {
		case "SystemName":
			name = fmt.Sprint(s)
		case "SystemDescription":
			description = plain([]byte(fmt.Sprint(s)))
		case "VrfTableName":
			table = fmt.Sprint(s)
		case "String":
			text = fmt.Sprint(s)
		}
	}
	return fmt.Sprintf("%q %q %q %q", name, description, table, text)
}

func theirOpen(o any) string {
	var families, paths []string
	asn, as4, extended := number(at(o, "my_as")), false, false
	for _, p := range list(at(o, "params")) {
		for _, c := range list(at(p, "Capabilities")) {
			switch name, v := variant(c); name {
			case "MultiProtocolExtensions":
				families = append(families, fmt.Sprint(familyOf(fmt.Sprint(at(v, "address_type")))))
			case "FourOctetAs":
				asn, as4 = number(at(v, "asn4")), true
			case "ExtendedMessage":
				extended = true
			case "AddPath":
				for _, f := range list(at(v, "address_families")) {
					paths = append(paths, fmt.Sprint(familyOf(fmt.Sprint(at(f, "address_type"))), at(f, "receive"), at(f, "send")))
				}
			}
		}
	}
	return fmt.Sprint("AS", asn, as4, extended, " hold ", number(at(o, "hold_time")), " ", fmt.Sprint(at(o, "bgp_id")), " ", families, paths)
}

// theirUpdate lists unicast routes; of other families it only says that there are some.
func theirUpdate(u any) string {
	var out []string
	var path bgp.Path
	hasPath, other, mp := false, false, false
	routes := func(word string, v any) {
		for _, n := range list(v) {
			out = append(out, fmt.Sprintf("%s %v %d", word, at(n, "network"), number(at(n, "path_id"))))
		}
	}
	routes("W", at(u, "withdrawn_routes"))
	routes("A", at(u, "nlri"))
	attributes := list(at(u, "path_attributes"))
	for _, a := range attributes {
		switch name, v := variant(at(a, "value")); name {
		case "AsPath":
			hasPath = true
			_, segments := variant(v)
			for _, s := range list(segments) {
				seg := bgp.Segment{Type: bgp.ASSequence}
				if at(s, "segment_type") == "AsSet" {
					seg.Type = bgp.ASSet
				}
				for _, n := range list(at(s, "as_numbers")) {
					seg.ASNs = append(seg.ASNs, uint32(number(n)))
				}
				path = append(path, seg)
			}
		case "MpReach", "MpUnreach":
			mp = true
			family, v := variant(v)
			f := familyOf(family)
			if f.SAFI != wire.Unicast {
				other = true
				if name == "MpUnreach" && len(attributes) == 1 && len(list(at(v, "nlri"))) == 0 {
					out = append(out, fmt.Sprint("end of ", f))
				}
				continue
			}
			word := map[string]string{"MpReach": "A", "MpUnreach": "W"}[name]
			routes(word, at(v, "nlri"))
			if word == "W" && len(list(at(v, "nlri"))) == 0 && len(attributes) == 1 {
				out = append(out, fmt.Sprint("end of ", f))
			}
		}
	}
	if len(out) == 0 && len(attributes) == 0 && !mp {
		out = append(out, fmt.Sprint("end of ", wire.Family{AFI: 1, SAFI: 1}))
	}
	slices.Sort(out)
	return fmt.Sprint(out, " path ", hasPath, " ", path, " other ", other)
}

var (
	typeNames   = map[uint8]string{globalPeer: "GlobalInstancePeer", vrfPeer: "RdInstancePeer", localPeer: "LocalInstancePeer", locRIBPeer: "LocRibInstancePeer"}
	reasonNames = map[uint8]string{1: "LocalSystemClosedNotificationPduFollows", 2: "LocalSystemClosedFsmEventFollows",
		3: "RemoteSystemClosedNotificationPduFollows", 4: "RemoteSystemClosedNoData", 5: "PeerDeConfigured", 6: "LocalSystemClosedTlvDataFollows"}
	ceaseNames = map[uint8]string{2: "AdministrativeShutdown", 4: "AdministrativeReset"}
	statWords  = map[uint16]string{0: "NumberOfPrefixesRejectedByInboundPolicy", 1: "NumberOfDuplicatePrefixAdvertisements",
		2: "NumberOfDuplicateWithdraws", 4: "NumberOfUpdatesInvalidatedDueToAsPathLoop", 7: "NumberOfRoutesInAdjRibIn", 8: "NumberOfRoutesInLocRib"}
)

// ours writes one message as theirs does.
func ours(d *decoded) string {
	if d.fault != 0 {
		return "refused"
	}
	m := &d.m
	head := ""
	if m.header != nil {
		h := m.peer()
		addr := "none"
		if h.addr.IsValid() {
			addr = h.addr.String()
		}
		if h.typ == locRIBPeer {
			h.flags &= flagV6 // "filtered", the only one of RFC 9069 section 4.2; FRR sets others
		}
		head = fmt.Sprintf("%s %#x %x %s AS%d %v %s", typeNames[h.typ], h.flags, m.header[2:10], addr, h.asn,
			netip.AddrFrom4(h.id), m.stamp().Format("2006-01-02T15:04:05.000000Z"))
	}
	switch m.typ {
	case initiation:
		h, _ := m.hello()
		return fmt.Sprintf("Initiation %q %q %q %q", h.name, h.description, "", "")
	case peerUp:
		local := "none"
		if d.up.local.IsValid() {
			local = d.up.local.String()
		}
		return fmt.Sprintf("PeerUpNotification %s local %v %d %d sent %s received %s %q %q %q %q", head, local, d.up.localPort, d.up.remotePort,
			ourOpen(&d.up.sent), ourOpen(&d.up.received), "", "", d.up.table, d.up.text)
	case peerDown:
		down, _ := m.peerDown()
		class, sub := "", ""
		switch {
		case down.cause.Code == 6:
			class, sub = "CeaseError", ceaseNames[down.cause.Subcode]
		case down.reason == downLocal:
			class = strings.TrimPrefix(down.cause.Text, "closed by the router, table ")
		}
		return fmt.Sprintf("PeerDownNotification %s %s %s %s", head, reasonNames[down.reason], class, sub)
	case statisticsReport:
		var stats []string
		if m.eachStat(func(typ uint16, _ wire.Family, value uint64) {
			stats = append(stats, fmt.Sprintf("%s %d", statWords[typ], value))
		}) != 0 {
			return "refused"
		}
		return "StatisticsReport " + head + " " + strings.Join(stats, ", ")
	case routeMonitoring:
		return "RouteMonitoring " + head + " " + ourUpdate(d)
	}
	return fmt.Sprint("type ", m.typ)
}

func ourOpen(o *open) string {
	var families, paths []string
	for _, f := range o.families {
		families = append(families, fmt.Sprint(f))
	}
	for _, p := range o.addPath {
		paths = append(paths, fmt.Sprint(p.family, p.receive, p.send))
	}
	return fmt.Sprint("AS", o.asn, o.as4, o.extended, " hold ", o.hold, " ", netip.AddrFrom4(o.id), " ", families, paths)
}

func ourUpdate(d *decoded) string {
	if d.wire != wire.None {
		return "refused: " + d.wire.String()
	}
	var out []string
	for _, u := range d.update.Append(nil, time.Time{}, bgp.Peer{}) {
		word := "A"
		if u.Kind == bgp.Withdraw {
			word = "W"
		}
		out = append(out, fmt.Sprintf("%s %v %d", word, u.Prefix, u.PathID))
	}
	if f, ok := d.update.EndOfRIB(); ok {
		out = append(out, fmt.Sprint("end of ", f))
	}
	slices.Sort(out)
	_, hasPath := d.update.Attr(wire.AttrPath)
	return fmt.Sprint(out, " path ", hasPath, " ", d.update.Path(), " other ", d.update.OtherFamily())
}

// What NetGauze reads in a capture, the station reads: every field that both know,
// of every message. Differences are listed with their reason.
func TestCapturesAsNetGauzeReadsThem(t *testing.T) {
	dir := openCaptures(t)
	type difference struct{ theirs, ours, reason string }
	nobody := `PeerUpNotification GlobalInstancePeer 0x0 0000000000000000 none AS0 0.0.0.0 2024-11-14T09:00:09.462637Z local none 0 0 ` +
		`sent AS0 true true hold 180 0.0.0.0 [] [] received AS0 true true hold 180 0.0.0.0 [] [] "" "" "global" ""`
	why := "an OPEN with BGP identifier 0 is refused by theirs; ours reads it, and ignores its peer for having no address"
	known := map[string][]difference{
		"netgauze_pmacct-tests_208-BMP-mem-leak-test_bmp-multi-sources-peer-up": {{"refused", nobody, why}, {"refused", nobody, why}},
	}
	files, _ := filepath.Glob(filepath.Join(dir, "netgauze", "*-bmp.json"))
	more, _ := filepath.Glob(filepath.Join(dir, "pmacct", "expect", "netgauze_pmacct-tests_*-bmp.json"))
	if len(files) == 0 || len(more) == 0 {
		t.Fatal("no decode to compare with")
	}
	for _, file := range append(files, more...) {
		name := strings.TrimSuffix(filepath.Base(file), "-bmp.json")
		pcap := filepath.Join(dir, "netgauze", name+".pcap")
		if n, ok := strings.CutPrefix(name, "netgauze_pmacct-tests_"); ok {
			pcap = filepath.Join(dir, "pmacct", n+".pcap")
		}
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, s := range capture(t, pcap) {
				eachMessage(t, s.octets, func(d *decoded) { got = append(got, ours(d)) })
			}
			want := readLines(t, file)
			n := len(want)
			got, want = without(got, want), without(want, got)
			for _, d := range known[name] {
				t.Logf("differs: %s: theirs %q, ours %q", d.reason, d.theirs, d.ours)
				if !slices.Contains(got, d.ours) || !slices.Contains(want, d.theirs) {
					t.Errorf("does not differ any more: theirs %s, ours %s", d.theirs, d.ours)
				}
				got, want = without(got, []string{d.ours}), without(want, []string{d.theirs})
			}
			for i := range max(len(got), len(want)) {
				if i >= 5 {
					break
				}
				t.Errorf("theirs %s\n  ours %s", get(want, i), get(got, i))
			}
			t.Logf("%d messages, %d only theirs, %d only ours", n, len(want), len(got))
		})
	}
}

func get(s []string, i int) string {
	if i < len(s) {
		return s[i]
	}
	return "nothing"
}

func readLines(t *testing.T, file string) (out []string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		out = append(out, theirs(t, sc.Bytes()))
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// without gives the members of a that are not in b, as multisets, in order.
func without(a, b []string) (out []string) {
	n := map[string]int{}
	for _, s := range b {
		n[s]++
	}
	for _, s := range a {
		if n[s] > 0 {
			n[s]--
			continue
		}
		out = append(out, s)
	}
	return out
}
