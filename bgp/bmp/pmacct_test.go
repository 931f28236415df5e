package bmp

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/bgp/wire"
)

// pmacctLine is a line of pmacct's BMP log, as far as it can be compared.
type pmacctLine struct {
	Type      string   `json:"bmp_msg_type"`
	Log       string   `json:"log_type"`
	Timestamp string   `json:"timestamp"`
	PeerIP    string   `json:"peer_ip"`
	PeerASN   uint32   `json:"peer_asn"`
	ID        string   `json:"bgp_id"`
	RIB       string   `json:"bmp_rib_type"`
	RD        string   `json:"rd"`
	RDOrigin  string   `json:"rd_origin"`
	Path      asPath   `json:"as_path"`
	PathID    any      `json:"as_path_id"`
	Prefix    string   `json:"ip_prefix"`
	AFI       uint16   `json:"afi"`
	SAFI      uint8    `json:"safi"`
	Reason    int      `json:"reason_type"`
	Counter   int      `json:"counter_type"`
	Value     uint64   `json:"counter_value"`
	LocalAS   uint32   `json:"local_as"`
	LocalPort int      `json:"local_port"`
	Remote    int      `json:"remote_port"`
	LocalIP   string   `json:"local_ip"`
	Name      string   `json:"bmp_init_info_sysname"`
	Descr     string   `json:"bmp_init_info_sysdescr"`
	Table     string   `json:"bmp_peer_up_info_vrf_table_name"`
	Event     *float64 `json:"reason_loc_code"`
}

// asPath is a list of strings in newer versions, one string in older ones.
type asPath string

func (p *asPath) UnmarshalJSON(b []byte) error {
	var l []string
	if err := json.Unmarshal(b, &l); err == nil {
		*p = asPath(strings.Join(l, " "))
		return nil
	}
	var s *string
	err := json.Unmarshal(b, &s)
	if s != nil {
		*p = asPath(*s)
	}
	return err
}

// words writes a line as inPmacctWords does; "" for what is not compared: routes
// of families that are not the Internet's, and what pmacct concluded by itself.
func (l *pmacctLine) words() string {
	rd := ""
	if l.RDOrigin == "bmp" || l.Type != "route_monitor" {
		rd = l.RD
	}
	head := fmt.Sprintf("%s AS%d %s %s rd %q", l.PeerIP, l.PeerASN, l.ID, l.RIB, rd)
	switch l.Type {
	case "init":
		return fmt.Sprintf("init %q %q", l.Name, strings.TrimSpace(l.Descr))
	case "peer_up":
		return fmt.Sprintf("up %s %s local AS%d %s %d %d %q", l.Timestamp, head, l.LocalAS, l.LocalIP, l.LocalPort, l.Remote, l.Table)
	case "peer_down":
		return fmt.Sprintf("down %s %s reason %d", l.Timestamp, head, l.Reason)
	case "stats":
		return fmt.Sprintf("stats %s %s type %d family %d %d is %d", l.Timestamp, head, l.Counter, l.AFI, l.SAFI, l.Value)
	case "route_monitor":
		if l.SAFI != wire.Unicast {
			return ""
		}
		id := 0
		if n, ok := l.PathID.(float64); ok {
			id = int(n)
		}
		switch l.Log {
		case "update":
			return fmt.Sprintf("announce %s %s %s %d path %s", l.Timestamp, head, l.Prefix, id, l.Path)
		case "withdraw": // its path is that of the route which went
			return fmt.Sprintf("withdraw %s %s %s %d", l.Timestamp, head, l.Prefix, id)
		}
		return fmt.Sprintf("end %s %s family %d", l.Timestamp, head, l.AFI)
	}
	return ""
}

var ribNames = map[view]string{inPre: "Adj-Rib-In Pre-Policy", inPost: "Adj-Rib-In Post-Policy", locRIB: "Loc-Rib",
	outPre: "Adj-Rib-Out Pre-Policy", outPost: "Adj-Rib-Out Post-Policy"}

// inPmacctWords writes a message as pmacct logs it: a line for each route and each statistic.
func inPmacctWords(d *decoded) (out []string) {
	m := &d.m
	if m.typ == initiation {
		h, _ := m.hello()
		return []string{fmt.Sprintf("init %q %q", h.name, h.description)}
	}
	if m.header == nil || d.fault != 0 {
		return nil
	}
	h := m.peer()
	addr := "0.0.0.0"
	if h.addr.IsValid() {
		addr = h.addr.String()
	}
	rd := ""
	if b := m.header[2:10]; h.distinguisher != 0 {
		switch binary.BigEndian.Uint16(b) {
		case 0:
			rd = fmt.Sprintf("0:%d:%d", binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:]))
		case 2:
			rd = fmt.Sprintf("2:%d:%d", binary.BigEndian.Uint32(b[2:]), binary.BigEndian.Uint16(b[6:]))
		}
	}
	at := fmt.Sprintf("%d.%06d", h.sec, h.micro)
	head := fmt.Sprintf("%s AS%d %d.%d.%d.%d %s rd %q", addr, h.asn, h.id[0], h.id[1], h.id[2], h.id[3], ribNames[m.view()], rd)
	switch m.typ {
	case peerUp:
		local := "0.0.0.0"
		if d.up.local.IsValid() {
			local = d.up.local.String()
		}
		out = append(out, fmt.Sprintf("up %s %s local AS%d %s %d %d %q", at, head, d.up.sent.asn, local, d.up.localPort, d.up.remotePort, d.up.table))
	case peerDown:
		down, _ := m.peerDown()
		out = append(out, fmt.Sprintf("down %s %s reason %d", at, head, down.reason))
	case statisticsReport:
		m.eachStat(func(typ uint16, f wire.Family, value uint64) {
			out = append(out, fmt.Sprintf("stats %s %s type %d family %d %d is %d", at, head, typ, f.AFI, f.SAFI, value))
		})
	case routeMonitoring:
		for _, u := range d.update.Append(nil, time.Time{}, bgp.Peer{}) {
			if u.Kind == bgp.Announce {
				out = append(out, fmt.Sprintf("announce %s %s %s %d path %s", at, head, u.Prefix, u.PathID, u.Path))
			} else {
				out = append(out, fmt.Sprintf("withdraw %s %s %s %d", at, head, u.Prefix, u.PathID))
			}
		}
		if f, ok := d.update.EndOfRIB(); ok && f.SAFI == wire.Unicast {
			out = append(out, fmt.Sprintf("end %s %s family %d", at, head, f.AFI))
		}
	}
	return out
}

// A pmacctDifference explains lines that differ: as rewrites one of ours as theirs,
// or as nothing where they have none.
type pmacctDifference struct {
	reason string
	lines  int
	as     func(line string, theirs []string) string
}

var pmacctDiffers = map[string][]pmacctDifference{
	"204-BMP-CISCO-peer_down": {{
		reason: "pmacct logs a withdrawal only of a route that it holds; these two were never announced", lines: 2,
		as: func(l string, _ []string) string {
			const head = "withdraw 1705334748.822581 0.0.0.0 AS4226809946 203.0.113.90 Loc-Rib rd \"2:4226809946:12\" "
			if l == head+"192.0.2.73/32 0" || l == head+"192.0.2.11/32 0" {
				return ""
			}
			return l
		},
	}},
	"205-BMP-6wind-FRR-peer_down": {{
		reason: "pmacct takes the AS number from its list of peers, where this FRR's Loc-RIB came up as a global peer of AS0; the messages say AS4226809914", lines: 48,
		as: func(l string, theirs []string) string {
			if x := strings.Replace(l, " 0.0.0.0 AS4226809914 203.0.113.58 Loc-Rib ", " 0.0.0.0 AS0 203.0.113.58 Loc-Rib ", 1); slices.Contains(theirs, x) {
				return x
			}
			return l
		},
	}},
}

// What pmacct logs of a capture, the station reads. Differences are listed with their reason.
func TestCapturesAsPmacctReadsThem(t *testing.T) {
	dir := openCaptures(t)
	files, _ := filepath.Glob(filepath.Join(dir, "pmacct", "expect", "*_output-bmp-00.json"))
	if len(files) == 0 {
		t.Fatal("no decode to compare with")
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), "_output-bmp-00.json")
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, s := range capture(t, filepath.Join(dir, "pmacct", name+"_traffic-00.pcap")) {
				eachMessage(t, s.octets, func(d *decoded) { got = append(got, inPmacctWords(d)...) })
			}
			want := pmacctLines(t, file)
			n := len(want)
			got, want = without(got, want), without(want, got)
			for _, d := range pmacctDiffers[name] {
				differs := 0
				for i, l := range got {
					if x := d.as(l, want); x != l {
						got[i] = x
						differs++
					}
				}
				t.Logf("%d lines differ: %s", differs, d.reason)
				if differs != d.lines {
					t.Errorf("%d lines differ, want %d: %s", differs, d.lines, d.reason)
				}
			}
			got, want = without(got, append(want, "")), without(want, got)
			got = slices.DeleteFunc(got, func(l string) bool { return l == "" })
			for i := range max(len(got), len(want)) {
				if i >= 6 {
					break
				}
				t.Errorf("theirs %s\n  ours %s", get(want, i), get(got, i))
			}
			t.Logf("%d lines, %d only theirs, %d only ours", n, len(want), len(got))
		})
	}
}

func pmacctLines(t *testing.T, file string) (out []string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var l pmacctLine
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", sc.Text(), err)
		}
		if w := l.words(); w != "" {
			out = append(out, w)
		}
	}
	return out
}
