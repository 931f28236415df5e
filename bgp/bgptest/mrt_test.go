package bgptest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
)

// formats is a world with a collector for each way to write.
const formats = `
start 2008-11-11T18:00:00Z
end +4h
collector rrc00 peers 8 as 64600+
collector rrc01 peers 4 as 64620+ over ipv6 writing microseconds
collector rrc03 peers 4 as 4200900000+ writing add-path
collector rrc04 peers 3 as 64630+ carrying ipv6
collector route-views2 peers 8 as 64640+ writing as2
collector route-views3 peers 3 as 64660+ writing as2 writing add-path writing microseconds
transit 3356 174 701 2914
table 200 prefixes
table 40 ipv6 prefixes
network 26780 208.66.192.0/22 208.72.168.0/21 2001:db8:26::/48 0.0.0.0/0 ::/0 192.0.2.1/32 2001:db8::1/128
route 26780 via 6939 at 62%
route 26780 via 3549 at 38% prepend 3
reference behind 6939 20 prefixes multihomed 50%
`

// noisy adds to it what should be visible in the files.
func noisy() string {
	text := strings.ReplaceAll(everything, "rrc00 peers 2,5-6", "rrc00 peers 2,5-6\nat 20:12 reset rrc01 peer 1\nat 20:13 reset rrc03 peer 2")
	text = strings.ReplaceAll(text, "at 20:40 malformed rrc00 peer 2 6 messages\n", "at 20:35 rib\n")
	return formats + text
}

// What is written is what the reference tool reads, element for element and in
// the same order for each collector.
func TestReferenceToolReadsTheSame(t *testing.T) {
	tool, err := exec.LookPath("bgpdump")
	if err != nil {
		t.Skip("bgpdump is not installed (Debian package bgpdump)")
	}
	s := parse(t, noisy())
	dir := t.TempDir()
	files, err := s.WriteDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	updates, tables := map[string][]string{}, map[string][]string{}
	for u := range s.Updates() {
		c := u.Peer.Collector
		switch u.Kind {
		case bgp.TableRoute:
			tables[c] = append(tables[c], line(u))
		case bgp.Announce, bgp.Withdraw, bgp.PeerUp, bgp.PeerDown:
			updates[c] = append(updates[c], line(u))
		}
	}
	for _, c := range s.collectors {
		var gotUpdates, gotTables []string
		for _, f := range files {
			if filepath.Base(filepath.Dir(f)) != c.name {
				continue
			}
			if lines := reference(t, tool, f, c.format.AddPath); strings.Contains(f, "updates.") {
				gotUpdates = append(gotUpdates, lines...)
			} else {
				gotTables = append(gotTables, lines...)
			}
		}
		compare(t, c.name+" updates", gotUpdates, updates[c.name])
		compare(t, c.name+" tables", gotTables, tables[c.name])
	}
}

func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if len(want) < 100 {
		t.Errorf("%s: only %d elements to compare", what, len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("%s: element %d is\n%s, want\n%s", what, i, got[i], want[i])
			return
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d elements, want %d", what, len(got), len(want))
	}
}

// reference gives the elements as bgpdump prints them, without what an update
// does not hold: next hop, communities and the rest. The steps between Idle and
// Established are left out.
func reference(t *testing.T, tool, file string, addPath bool) []string {
	t.Helper()
	out, err := exec.Command(tool, "-m", file).Output()
	if err != nil {
		t.Fatalf("bgpdump %s: %v", file, err)
	}
	var lines []string
	for l := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(l), "|")
		if f[2] == "STATE" && f[5] != "6" && f[6] != "6" {
			continue
		}
		fields := 7
		if addPath {
			fields = 8
		}
		lines = append(lines, strings.Join(f[1:min(len(f), fields)], "|"))
	}
	return lines
}

// line is how bgpdump -m prints an update: time, kind, peer, its AS, prefix, path
// identifier where there is one, path.
func line(u bgp.Update) string {
	at := fmt.Sprint(u.At.Unix())
	if u.Peer.Collector == "rrc01" || u.Peer.Collector == "route-views3" {
		if u.Kind != bgp.TableRoute {
			at += fmt.Sprintf(".%06d", u.At.Nanosecond()/1000)
		}
	}
	head := func(kind string) string {
		return fmt.Sprintf("%s|%s|%s|%d", at, kind, u.Peer.Addr, u.Peer.ASN)
	}
	prefix := u.Prefix.String()
	if u.PathID > 0 {
		prefix += fmt.Sprintf("|%d", u.PathID)
	}
	switch u.Kind {
	case bgp.Announce:
		return head("A") + "|" + prefix + "|" + u.Path.String()
	case bgp.TableRoute:
		return head("B") + "|" + prefix + "|" + u.Path.String()
	case bgp.Withdraw:
		return head("W") + "|" + prefix
	case bgp.PeerUp:
		return head("STATE") + "|5|6"
	default:
		return head("STATE") + "|6|1"
	}
}

// plain is all files of a scenario in one, without compression.
func plain(t *testing.T, s *Scenario) []byte {
	t.Helper()
	files, err := s.WriteDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f, ".gz") {
			z, err := gzip.NewReader(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			if raw, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, raw...)
	}
	return all
}

// The records are the same in every run, on every machine: the sum is that of the
// machine where this was written.
func TestSameBytes(t *testing.T) {
	a := plain(t, parse(t, noisy()))
	if b := plain(t, parse(t, noisy()+"files every 5m plain\n")); !bytes.Equal(a, b) {
		t.Errorf("two runs wrote %d and %d different octets", len(a), len(b))
	}
	sum := sha256.Sum256(a)
	const want = "c476dc5577f7c578e65343c9026a4906248907d22ff7fe0edc9dd3575b518702"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("SHA-256 of the %d octets is %s, was %s: what is drawn has changed", len(a), got, want)
	}
}

// Files are named and cut as the archives do it; a time without updates gives an
// empty file.
func TestFileNames(t *testing.T) {
	dir := t.TempDir()
	files, err := parse(t, "files every 15m plain\nstart 2008-11-11T18:05:00Z\nend +40m\ncollector rrc00 peers 2 as 1+\ncollector route-views2 peers 2 as 11+\n"+
		"network 9 192.0.2.0/24\nroute 9 via 8\nat 18:10 rib\nat 18:10:05 rib\nat 18:35 withdraw 9").WriteDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		rel, _ := filepath.Rel(dir, f)
		got = append(got, fmt.Sprintf("%s %t", filepath.ToSlash(rel), info.Size() > 0))
	}
	want := []string{
		"route-views2/rib.20081111.1810 true",
		"route-views2/updates.20081111.1800 false", "route-views2/updates.20081111.1815 false", "route-views2/updates.20081111.1830 true",
		"rrc00/bview.20081111.1810 true",
		"rrc00/updates.20081111.1800 false", "rrc00/updates.20081111.1815 false", "rrc00/updates.20081111.1830 true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := parse(t, world).WriteDir(filepath.Join(files[0], "below")); err == nil {
		t.Error("a folder below a file was no error")
	}
}

// Malformed messages are broken inside; the records around them are whole.
func TestMalformedRecordsKeepTheirFrame(t *testing.T) {
	all := plain(t, parse(t, "start 2008-11-11T18:00:00Z\nend +30m\nfiles every 30m\ncollector rrc00 peers 2 as 1+\n"+
		"network 9 192.0.2.0/24\nroute 9 via 8\nat 18:10 malformed rrc00 peer 2 12 messages"))
	kinds := map[string]int{}
	for len(all) > 0 {
		n := 12 + int(binary.BigEndian.Uint32(all[8:]))
		if n > len(all) {
			t.Fatalf("a record of %d octets, %d are left", n, len(all))
		}
		kinds[string(all[12+20:n])]++ // after the session's two ends
		all = all[n:]
	}
	if len(kinds) != 6 {
		t.Errorf("%d different messages, want six", len(kinds))
	}
	for k, n := range kinds {
		if n != 2 {
			t.Errorf("%x is there %d times, want twice", k, n)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	w := NewWriter(io.Discard, Format{Encoding: Encoding{AS2: true}})
	at := time.Unix(1226437200, 0)
	errs := []error{
		w.Message(at, bgp.Peer{Addr: v4, ASN: 1}, Local{v6, 2}, nil),
		w.State(at, bgp.Peer{Addr: v4, ASN: 70000}, Local{v4, 2}, 1, 2),
		w.PeerIndex(at, v6, "", nil),
	}
	_, err := AppendUpdate(nil, UpdateMessage{Announce: []NLRI{{Prefix: netip.MustParsePrefix("192.0.2.0/24")}}, NextHop6: v6}, Encoding{})
	errs = append(errs, err)
	many := make([]NLRI, 1100)
	for i := range many {
		many[i].Prefix = netip.PrefixFrom(v4, 24)
	}
	_, err = AppendUpdate(nil, UpdateMessage{Announce: many, NextHop4: v4}, Encoding{})
	errs = append(errs, err)
	want := []string{
		"write message: peer 192.0.2.1 and collector 2001:db8::1 are of different families",
		"write state change: AS70000 and AS2 do not both fit in two octets",
		"write peer index: collector 2001:db8::1, view name of 0 octets, 0 peers",
		"encode UPDATE: an IPv4 prefix needs an IPv4 next hop",
		"encode UPDATE: 4437 octets, at most 4096 fit",
	}
	for i, err := range errs {
		if err == nil || err.Error() != want[i] {
			t.Errorf("got %v, want %s", err, want[i])
		}
	}
}

// The octets of one UPDATE, written out by hand from RFC 4271 section 4.3.
func TestAppendUpdateOctets(t *testing.T) {
	got, err := AppendUpdate(nil, UpdateMessage{
		Withdraw: []NLRI{{Prefix: netip.MustParsePrefix("198.51.100.0/23"), PathID: 7}},
		Announce: []NLRI{{Prefix: netip.MustParsePrefix("192.0.2.128/25"), PathID: 9}},
		Path:     bgp.Path{{Type: bgp.ASSequence, ASNs: []uint32{1, 70000}}, {Type: bgp.ASSet, ASNs: []uint32{3}}},
		NextHop4: netip.MustParseAddr("192.0.2.1"), MED: 5, Communities: []uint32{1<<16 | 2},
	}, Encoding{AS2: true, AddPath: true})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"ffffffffffffffffffffffffffffffff", "0061", "02",
		"0008", "00000007", "17c63364",
		"0039", "40010100", "40020a" + "020200015ba0" + "01010003", "400304c0000201", "80040400000005", "c0080400010002",
		"c01110" + "02020000000100011170" + "010100000003",
		"00000009", "19c0000280",
	}, "")
	if hex.EncodeToString(got) != want {
		t.Errorf("got\n%x, want\n%s", got, want)
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txtar")
	text := "Something happens.\n\n-- config.yaml --\nhosters: []\n-- timeline --\nstart 2008-11-11T18:00:00Z\nend -1\n-- expected --\nsilent\n"
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if f.Comment != "Something happens." || f.Config != "hosters: []\n" || f.Expected != "silent\n" {
		t.Errorf("%+v", f)
	}
	// The line is that of the file, so that an editor finds it.
	if _, err := Parse("a.txtar", f.Timeline); err == nil || !strings.HasPrefix(err.Error(), `a.txtar:7: "end -1": `) {
		t.Errorf("%v", err)
	}
	for text, want := range map[string]string{
		"-- config.yaml --\n":                    `section "timeline" is missing`,
		"-- timeline --\n-- timeline --\n":       `section "timeline" is there twice`,
		"-- timeline --\n-- expecting --\nwow\n": `section "expecting" is not known: config.yaml, timeline, expected, sightings`,
	} {
		if _, err := parseFile([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
