package origins

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp/bgptest/realdata"
	"depeer/watch/cnc"
)

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func table(t *testing.T, at, text string) *Table {
	t.Helper()
	x, stats, err := ReadText(strings.NewReader(text), "table-"+at, day(at))
	if err != nil || stats.Bad > 0 {
		t.Fatal(err, stats)
	}
	return x
}

// TestShapes: the same knowledge in each of its forms gives the same answers.
func TestShapes(t *testing.T) {
	for name, text := range map[string]string{
		"prefix and origin": "; comment\n5.6.0.0/16\t174\n5.6.7.0/24\t3356\n5.6.7.0/24\t1299\n2a00::/16\t6939\n",
		"pfx2as":            "5.6.0.0\t16\t174\n5.6.7.0\t24\t1299_3356\n2a00::\t16\t6939\n5.7.0.0\t16\t1,2\n",
		"ranges":            "5.6.0.0,5.6.6.255,174,\"A, Inc.\"\n5.6.7.0,5.6.7.255,1299,B\n5.6.7.0,5.6.7.255,3356,C\n5.6.8.0,5.6.255.255,174,A\n2a00::,2a00:ffff:ffff:ffff:ffff:ffff:ffff:ffff,6939,H\n",
		"iptoasn":           "5.6.0.0\t5.6.6.255\t174\tUS\tA, Inc.\n5.6.7.0\t5.6.7.255\t1299\tSE\tB\n5.6.7.0\t5.6.7.255\t3356\tUS\tC\n5.6.8.0\t5.6.255.255\t174\tUS\tA\n5.7.0.0\t5.7.0.255\t0\tNone\tNot routed\n2a00::\t2a00:ffff:ffff:ffff:ffff:ffff:ffff:ffff\t6939\tUS\tH\n",
	} {
		x := table(t, "2024-01-01", text)
		for a, want := range map[string]string{"5.6.1.2": "[174]", "5.6.7.8": "[1299 3356]", "5.6.200.1": "[174]", "2a00:1::1": "[6939]", "::ffff:5.6.7.8": "[1299 3356]", "5.7.0.1": "", "9.9.9.9": ""} {
			p, got, ok := x.Origins(addr(a))
			if ok != (want != "") || ok && fmt.Sprint(got) != want || ok && !p.Contains(addr(a).Unmap()) {
				t.Errorf("%s: %s in %s by %v, want %s", name, a, p, got, want)
			}
		}
		if strings.Contains(text, "A, Inc.") && x.name[174] != "A, Inc." {
			t.Errorf("%s: 174 is %q", name, x.name[174])
		}
	}
	x, stats, err := ReadText(strings.NewReader("10.0.0.0/8\t5\n0.0.0.0/0\t5\n5.6.0.0/16\t64512\n5.6.0.0/16\t4294967295\nwhat\n5.8.0.0/33\t7\n"), "x", day("2024-01-01"))
	if err != nil || x.Len() != 0 || stats.Bogon != 1 || stats.Default != 1 || stats.NoOrigin != 2 || stats.Bad != 2 || stats.Entries != 6 {
		t.Errorf("%v %+v", err, stats)
	}
}

func TestWidest(t *testing.T) {
	x := table(t, "2024-01-01", "5.0.0.3,5.0.2.0,7,x\n")
	for a, in := range map[string]bool{"5.0.0.2": false, "5.0.0.3": true, "5.0.0.4": true, "5.0.1.255": true, "5.0.2.0": true, "5.0.2.1": false} {
		if _, _, ok := x.Origins(addr(a)); ok != in {
			t.Errorf("%s: %t", a, ok)
		}
	}
	if y := table(t, "2024-01-01", "5.0.0.0,255.255.255.255,7,x\n"); y.Len() == 0 {
		t.Error("the end of the address space")
	}
}

// TestNearestBefore: the table that was made last before the moment answers, never a later one.
func TestNearestBefore(t *testing.T) {
	x := Of(table(t, "2024-03-01", "5.6.7.0/24 300\n"), table(t, "2024-01-01", "5.6.7.0/24 100\n5.9.0.0/16 100\n"), table(t, "2024-02-01", "5.6.7.0/24 200\n"))
	for at, want := range map[string]string{"2023-12-31": "100", "2023-12-30": "", "2024-01-01": "100", "2024-01-31": "100", "2024-02-01": "200", "2024-02-29": "200", "2024-03-01": "300", "2026-01-01": "300"} {
		p, ok := x.Place(addr("5.6.7.8"), day(at))
		if !ok && want == "" {
			continue
		}
		if !ok || fmt.Sprint(p.Origins) != "["+want+"]" || p.Prefix.String() != "5.6.7.0/24" || p.From != "table-"+p.At.Format(time.DateOnly) {
			t.Errorf("%s: %+v, want %s", at, p, want)
		}
	}
	if _, ok := x.Place(addr("5.9.1.1"), day("2024-02-02")); ok {
		t.Error("what the nearest table does not have is not known")
	}
	if at, older, ok := x.FirstSeen(200); !ok || older || at != day("2024-02-01") {
		t.Error(at, older, ok)
	}
	if age, atLeast, ok := x.Age(100, day("2024-01-11")); !ok || !atLeast || age != 240*time.Hour {
		t.Error(age, atLeast, ok)
	}
	if age, atLeast, ok := x.Age(300, day("2024-03-31")); !ok || atLeast || age != 720*time.Hour {
		t.Error(age, atLeast, ok)
	}
	if _, _, ok := x.Age(300, day("2024-02-15")); ok {
		t.Error("it was not yet")
	}
	x.cfg.MaxAge = 24 * time.Hour
	if _, ok := x.Place(addr("5.6.7.8"), day("2024-01-20")); ok {
		t.Error("a table that is too old answers")
	}
}

// TestLoad: files that appear are taken in, one that breaks leaves what it gave.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cfg := DefaultConfig()
	cfg.Tables = []Source{{Path: filepath.Join(dir, "pfx-*.txt")}}
	cfg.Names = []string{filepath.Join(dir, "names.tsv")}
	cfg.Organisations = []string{filepath.Join(dir, "orgs.jsonl")}
	cfg.Relationships = []Source{{Path: filepath.Join(dir, "20240101.as-rel.txt")}}
	cfg.Keep = 2
	write("pfx-2024-01-01.txt", "5.6.7.0/24 100\n5.7.0.0/24 100\n5.8.0.0/24 100\n5.9.0.0/24 100\n5.10.0.0/24 100\n")
	write("names.tsv", "100\tHundred Ltd.\nAS200\tTwo\n")
	write("orgs.jsonl", `{"organizationId":"O1","changed":"x","name":"Big Org","country":"US","source":"ARIN","type":"Organization"}`+"\n"+`{"asn":"100","changed":"x","name":"N","opaqueId":"x","organizationId":"O1","source":"ARIN","type":"ASN"}`+"\n")
	write("20240101.as-rel.txt", "# comment\n174|100|-1\n100|300|0\n100|400|-1\n500|100|1\n")
	x, err := New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := x.Load(t.Context()); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if changed, err := x.Load(t.Context()); err != nil || changed {
		t.Fatal("again:", changed, err)
	}
	if x.Name(100) != "Hundred Ltd." || x.Name(200) != "Two" || x.Organisation(100) != "Big Org" || x.Origin(addr("5.6.7.8")) != 100 {
		t.Errorf("%q %q %q", x.Name(100), x.Name(200), x.Organisation(100))
	}
	r, at, ok := x.Relations(100, day("2024-06-01"))
	if !ok || at != day("2024-01-01") || fmt.Sprint(r) != "{[174] [400 500] [300]}" {
		t.Error(r, at, ok)
	}
	write("pfx-2024-02-01.txt", "5.6.7.0/24 200\n")
	write("pfx-2024-03-01.txt", "5.6.7.0/24 300\n")
	if changed, err := x.Load(t.Context()); err != nil || !changed || len(x.Tables()) != 2 || x.Tables()[1].At != day("2024-03-01") {
		t.Error(changed, err, x.Tables())
	}
	for _, broken := range []string{"", "<html>", "nothing of\nall this\n", "5.6.7.0/24 x\n"} {
		write("pfx-2024-03-01.txt", broken)
		if _, err := x.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "pfx-2024-03-01.txt") {
			t.Errorf("%q: %v", broken, err)
		}
		if p, ok := x.Place(addr("5.6.7.8"), day("2024-04-01")); !ok || p.Origins[0] != 300 {
			t.Errorf("%q: %+v", broken, p)
		}
	}
	write("pfx-2024-03-01.txt", "5.6.7.0/24 301\n5.1.0.0/16 301\n")
	write("names.tsv", "gone")
	if changed, err := x.Load(t.Context()); !changed || err == nil || x.Name(100) != "Hundred Ltd." || x.Origin(addr("5.6.7.8")) != 301 {
		t.Error(changed, err, x.Name(100))
	}
	cfg.Tables = append(cfg.Tables, Source{}, Source{Path: "*", At: day("2024-01-01")})
	cfg.Keep = 0
	const want = "tables[1].path: is empty\ntables[2].at: many files cannot be of one day\nkeep: 0 is less than 1"
	if err := cfg.Validate(); err == nil || err.Error() != want {
		t.Error(err)
	}
}

func TestTimeOfName(t *testing.T) {
	for name, want := range map[string]string{"rib.20080501.0644.bz2": "2008-05-01 06:44", "routeviews-rv2-20080501-1200.pfx2as.gz": "2008-05-01 12:00", "ipasn_20080501_v12.dat.gz": "2008-05-01 00:00",
		"as-prefix-2026-06.tsv": "2026-06-01 00:00", "20240101.as-rel2.txt.bz2": "2024-01-01 00:00", "asn-ipv4.csv.gz": "0001-01-01 00:00", "bview.20140112.1600.gz": "2014-01-12 16:00"} {
		if got := timeOfName(name).Format("2006-01-02 15:04"); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// mmdb writes a database of MaxMind's format (version 2.0) with IPv4 networks, each with its AS.
func mmdb(networks map[string]uint32) []byte {
	type node [2]uint32
	const empty, data = 0xffffffff, 0x80000000
	nodes := []node{{empty, empty}}
	var section bytes.Buffer
	text := func(w *bytes.Buffer, s string) {
		if len(s) < 29 {
			w.WriteByte(0x40 | byte(len(s)))
		} else {
			w.Write([]byte{0x40 | 29, byte(len(s) - 29)})
		}
		w.WriteString(s)
	}
	number := func(w *bytes.Buffer, n uint32) {
		w.WriteByte(0xc0 | 4)
		binary.Write(w, binary.BigEndian, n)
	}
	keys := make([]string, 0, len(networks))
	for k := range networks {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		at := uint32(section.Len())
		section.WriteByte(0xe0 | 2)
		text(&section, "autonomous_system_number")
		number(&section, networks[k])
		text(&section, "autonomous_system_organization")
		text(&section, fmt.Sprintf("Org %d", networks[k]))
		p := netip.MustParsePrefix(k)
		b, i := p.Addr().As4(), uint32(0)
		for bit := range p.Bits() {
			side := b[bit/8] >> (7 - bit%8) & 1
			if bit == p.Bits()-1 {
				nodes[i][side] = data | at
				break
			}
			if nodes[i][side] == empty {
				nodes = append(nodes, node{empty, empty})
				nodes[i][side] = uint32(len(nodes) - 1)
			}
			i = nodes[i][side]
		}
	}
	var out bytes.Buffer
	count := uint32(len(nodes))
	for _, n := range nodes {
		for _, v := range n {
			switch {
			case v == empty:
				v = count
			case v&data != 0:
				v = count + 16 + v&^data
			}
			binary.Write(&out, binary.BigEndian, v)
		}
	}
	out.Write(make([]byte, 16))
	out.Write(section.Bytes())
	out.Write(mmdbMark)
	var meta bytes.Buffer
	meta.WriteByte(0xe0 | 9)
	field := func(name string, write func()) { text(&meta, name); write() }
	short := func(n uint16) { meta.WriteByte(0xa0 | 2); binary.Write(&meta, binary.BigEndian, n) }
	field("binary_format_major_version", func() { short(2) })
	field("binary_format_minor_version", func() { short(0) })
	field("build_epoch", func() { meta.Write([]byte{8, 2}); binary.Write(&meta, binary.BigEndian, uint64(1704067200)) })
	field("database_type", func() { text(&meta, "GeoLite2-ASN") })
	field("description", func() { meta.WriteByte(0xe0) })
	field("ip_version", func() { short(4) })
	field("languages", func() { meta.Write([]byte{0, 4}) })
	field("node_count", func() { number(&meta, count) })
	field("record_size", func() { short(32) })
	out.Write(meta.Bytes())
	return out.Bytes()
}

func TestMMDB(t *testing.T) {
	file := filepath.Join(t.TempDir(), "asn.mmdb")
	if err := os.WriteFile(file, mmdb(map[string]uint32{"5.6.0.0/16": 174, "9.1.2.0/24": 3356}), 0o644); err != nil {
		t.Fatal(err)
	}
	x, stats, err := Load(t.Context(), file, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	p, asns, ok := x.Origins(addr("9.1.2.200"))
	if !ok || p.String() != "9.1.2.0/24" || asns[0] != 3356 || x.Len() != 2 || x.name[174] != "Org 174" || x.At != day("2024-01-01") {
		t.Errorf("%s %v %+v %s", p, asns, stats, x.At)
	}
	text, _ := os.ReadFile(file)
	copy(text[len(text)-200:], bytes.Repeat([]byte{0xff}, 60))
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if x, _, err := Load(t.Context(), file, day("2024-01-01")); err == nil {
		t.Errorf("a broken database gave %d prefixes", x.Len())
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("5.6.7.0/24\t1\n5.6.7.0\t24\t1_2\n5.6.7.0,5.6.7.9,1,\"a\"\n"))
	f.Add([]byte("::,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,3,x\n0.0.0.0 255.255.255.255 5\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		x, stats, _ := ReadText(bytes.NewReader(text), "fuzz", day("2024-01-01"))
		if x.Len() != stats.Prefixes {
			t.Fatal(stats)
		}
		x.Origins(addr("5.6.7.8"))
		readRelations(bytes.NewReader(text), day("2024-01-01"))
		readNames(bytes.NewReader(text), map[uint32]string{})
		readOrganisations(bytes.NewReader(text), map[uint32]string{})
	})
}

func recorded(t testing.TB, elem ...string) string {
	t.Helper()
	path, err := realdata.Find(append([]string{"rib"}, elem...)...)
	if err != nil {
		t.Skip(err)
	}
	return path
}

// lines counts what grep would find.
func lines(t testing.TB, path string, want func(string) bool) (n int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	for l := range strings.SplitSeq(b.String(), "\n") {
		if want(l) {
			n++
		}
	}
	return n
}

// TestMcColoRecorded: in May 2008 the whole Internet is known, and McColo's servers in it.
func TestMcColoRecorded(t *testing.T) {
	path := recorded(t, "pyasn", "ipasn_20080501_v12.dat.gz")
	x, stats, err := Load(t.Context(), path, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if n := lines(t, path, func(l string) bool { return l != "" && l[0] != ';' }); stats.Entries != n || n != 270849 || stats.Prefixes+stats.Bogon+stats.Default+stats.NoOrigin < n {
		t.Errorf("%d lines, %+v", n, stats)
	}
	all := Of(x)
	for a, want := range map[string]uint32{"208.66.194.22": 26780, "208.72.169.1": 26780, "8.8.8.8": 3356, "193.0.6.139": 3333} {
		if p, ok := all.Place(addr(a), day("2008-11-11")); !ok || p.Origins[0] != want || p.At != day("2008-05-01") {
			t.Errorf("%s: %+v", a, p)
		}
	}
	if _, ok := all.Place(addr("208.66.194.22"), day("2007-11-11")); ok {
		t.Error("a table of 2008 knows 2007")
	}
}

func TestRangesRecorded(t *testing.T) {
	path := recorded(t, "ip-location-db-asn", "asn-ipv4.csv.gz")
	if raceEnabled {
		t.Skip("400,000 ranges take the race detector too long; TestShapes has a few")
	}
	x, stats, err := Load(t.Context(), path, day("2025-04-02"))
	if err != nil {
		t.Fatal(err)
	}
	if n := lines(t, path, func(l string) bool { return l != "" }); stats.Entries != n || stats.Bad != 0 {
		t.Errorf("%d lines, %+v", n, stats)
	}
	if p, asns, _ := x.Origins(addr("1.1.1.1")); asns[0] != 13335 || x.name[13335] != "Cloudflare, Inc." {
		t.Error(p, asns, x.name[13335])
	}
	if _, _, err := Load(t.Context(), path, time.Time{}); err == nil || !strings.Contains(err.Error(), "of which day") {
		t.Error(err)
	}
}

func TestAboutRecorded(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Names = []string{recorded(t, "as-prefix-2026-06", "as_names.tsv.gz")}
	cfg.Relationships = []Source{{Path: recorded(t, "as-rel", "thunderwolf_full-internet-rel.txt.gz"), At: day("2011-01-01")}, {Path: recorded(t, "as-rel", "thunderwolf_whole-internet-rel.txt.gz"), At: day("2013-01-01")}}
	x, err := New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if x.Name(3) != "Massachusetts Institute of Technology" || len(x.now.Load().names) < 85_940 {
		t.Errorf("%q, %d names", x.Name(3), len(x.now.Load().names))
	}
	r, at, ok := x.Relations(174, day("2012-06-01"))
	if !ok || at != day("2011-01-01") || len(r.Customers) < 2900 || len(r.Providers) > 3 {
		t.Errorf("%d customers, %d providers, %s", len(r.Customers), len(r.Providers), at)
	}
	// The same pairs in both directions are no more pairs.
	if r, _, _ := x.Relations(174, day("2014-01-01")); len(r.Customers) != 3343 {
		t.Errorf("%d customers in 2013", len(r.Customers))
	}
	names := map[uint32]string{}
	if err := openText(recorded(t, "pyasn", "asnames.json.gz"), func(r io.Reader) error { return readNames(r, names) }); err != nil || len(names) < 77_580 {
		t.Error(err, len(names))
	}
}

// TestRIBRecorded: the dump itself and the list that others made of it agree on its first megabyte.
func TestRIBRecorded(t *testing.T) {
	list, _, err := Load(t.Context(), recorded(t, "pyasn", "ipasn_20080501_v12.dat.gz"), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	path, err := realdata.Find("mrt", "mrtparse-samples")
	if err != nil {
		t.Skip(err)
	}
	b := newBuilder("rib", 0)
	first, err := realdata.Find("mrt", "pyasn", "rib.20080501.0644_firstMB.bz2")
	if err != nil {
		t.Skip(err)
	}
	if err := b.mrt(t.Context(), first, true); err == nil {
		t.Error("a dump that is cut was taken for whole")
	}
	same, other := 0, 0
	for p, v := range b.t.All() {
		q, asns, ok := list.Origins(p.Addr())
		if !ok || q != p {
			continue
		}
		if slices.Contains(b.origins(v), asns[0]) {
			same++
		} else {
			other++
		}
	}
	if same < 1000 || other*50 > same || b.At.Format(time.DateOnly) != "2008-05-01" {
		t.Errorf("%d agree, %d do not, at %s", same, other, b.At)
	}
	for _, name := range []string{"bird-mrtdump_rib", "openbgpd_rib_table-v2", "quagga_rib"} {
		x, stats, err := Load(t.Context(), filepath.Join(path, name), time.Time{})
		if err != nil && !strings.Contains(err.Error(), "no prefix") {
			t.Errorf("%s: %v", name, err)
		} else if err == nil && (x.At.IsZero() || stats.Entries == 0) {
			t.Errorf("%s: %s %+v", name, x.At, stats)
		}
	}
}

var _ cnc.Where = (*Tables)(nil)
