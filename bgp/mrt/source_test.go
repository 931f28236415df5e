package mrt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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

// t0 is when the records of these tests begin.
const t0 = 1226437200 // 2008-11-11 21:00 UTC

func record(sec uint32, typ, sub uint16, body ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, sec)
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, sub)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

// session makes what precedes the message in a BGP4MP record: peer 192.0.2.n, AS 64500+n.
func session(n byte) []byte {
	return []byte{0xFB, 0xF4 + n, 0xFC, 0, 0, 0, 0, 1, 192, 0, 2, n, 192, 0, 2, 254}
}

func bgpMessage(typ byte, body ...byte) []byte {
	b := slices.Repeat([]byte{0xFF}, 16)
	b = binary.BigEndian.AppendUint16(b, uint16(19+len(body)))
	return append(append(b, typ), body...)
}

func update(sec uint32, peer byte, withdrawn, attrs, nlri []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(withdrawn)))
	b = append(b, withdrawn...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(attrs)))
	b = append(append(b, attrs...), nlri...)
	return record(sec, typeBGP4MP, mpMessage, append(session(peer), bgpMessage(wire.TypeUpdate, b...)...)...)
}

// attrs2 makes ORIGIN, AS_PATH of 2 octets and NEXT_HOP.
func attrs2(asns ...uint16) []byte {
	b := []byte{0x40, 1, 1, 0, 0x40, 2, byte(2 + 2*len(asns)), 2, byte(len(asns))}
	for _, a := range asns {
		b = binary.BigEndian.AppendUint16(b, a)
	}
	return append(b, 0x40, 3, 4, 192, 0, 2, 1)
}

var mccolo = []byte{22, 208, 66, 192}

func announced(sec uint32, peer byte, asns ...uint16) []byte {
	return update(sec, peer, nil, attrs2(asns...), mccolo)
}

func withdrawn(sec uint32, peer byte) []byte { return update(sec, peer, mccolo, nil, nil) }

func stateChange(sec uint32, peer, from, to byte) []byte {
	return record(sec, typeBGP4MP, mpStateChange, append(session(peer), 0, from, 0, to)...)
}

func archiveFile(t *testing.T, dir, name string, records ...[]byte) string {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, slices.Concat(records...), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func watchlist() *wire.Watch {
	w := wire.NewWatch()
	w.Learn = true
	w.AddASN(26780)
	w.AddPrefix(netip.MustParsePrefix("208.66.192.0/22"))
	return w
}

// said runs a source and writes down what it says, a line for each update.
func said(t *testing.T, c Config) ([]string, Stats, error) {
	t.Helper()
	s := NewSource(c)
	var out []string
	err := s.Run(context.Background(), func(us []bgp.Update) error {
		for _, u := range us {
			line := fmt.Sprintf("%d %s/%d %s", u.At.Unix()-t0, u.Peer.Collector, u.Peer.ASN-64500, u.Kind)
			switch u.Kind {
			case bgp.Announce, bgp.TableRoute:
				line += " " + u.Prefix.String() + " " + u.Path.String()
			case bgp.Withdraw:
				line += " " + u.Prefix.String()
			case bgp.Heard:
				line += fmt.Sprintf(" %d %d", u.Heard.Announced, u.Heard.Withdrawn)
			case bgp.TableStart, bgp.TableEnd, bgp.TableCut:
				line += fmt.Sprintf(" v6=%v %d", u.V6, u.Heard.Routes)
			}
			out = append(out, line)
		}
		return nil
	})
	return out, s.Stats(), err
}

func check(t *testing.T, got []string, want string) {
	t.Helper()
	w := strings.Split(strings.TrimSpace(want), "\n")
	for i := range w {
		w[i] = strings.TrimSpace(w[i])
	}
	if !slices.Equal(got, w) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(w, "\n\t"))
	}
}

// The first record of an archive is read to know where the archive belongs, and
// its prefixes may be learned from others before it is due.
func TestSourceLearnsBeforeItIsDue(t *testing.T) {
	dir := t.TempDir()
	archiveFile(t, dir, "rrc00/a", announced(t0, 1, 3549, 26780))
	archiveFile(t, dir, "rrc00/b", withdrawn(t0+50, 1), withdrawn(t0+60, 2))
	archiveFile(t, dir, "rrc01/c", withdrawn(t0+70, 3))
	w := wire.NewWatch()
	w.Learn = true
	w.AddASN(26780)
	got, stats, err := said(t, Config{Inputs: []string{dir}, Watch: w})
	if err != nil || stats.Matched != 4 {
		t.Error(stats, err)
	}
	check(t, got, `
		0 rrc00/1 announce 208.66.192.0/22 3549 26780
		50 rrc00/1 withdraw 208.66.192.0/22
		50 rrc00/1 heard 1 1
		60 rrc00/2 withdraw 208.66.192.0/22
		60 rrc00/2 heard 0 1
		70 rrc01/3 withdraw 208.66.192.0/22
		70 rrc01/3 heard 0 1`)
}

func TestSourceMergesByTime(t *testing.T) {
	dir := t.TempDir()
	a1 := archiveFile(t, dir, "rrc00/updates.20081111.2100", announced(t0, 1, 3549, 26780), withdrawn(t0+50, 1))
	a2 := archiveFile(t, dir, "rrc00/updates.20081111.2105", announced(t0+300, 1, 6939, 26780))
	b := archiveFile(t, dir, "rrc01/updates.20081111.2100", announced(t0+20, 2, 6939, 26780), withdrawn(t0+400, 2))
	want := `
		0 rrc00/1 announce 208.66.192.0/22 3549 26780
		20 rrc01/2 announce 208.66.192.0/22 6939 26780
		20 rrc01/2 heard 1 0
		50 rrc00/1 withdraw 208.66.192.0/22
		50 rrc00/1 heard 1 1
		300 rrc00/1 announce 208.66.192.0/22 6939 26780
		300 rrc00/1 heard 2 1
		400 rrc01/2 withdraw 208.66.192.0/22
		400 rrc01/2 heard 1 1`
	for _, inputs := range [][]string{{a1, a2, b}, {b, a2, a1}, {dir}} {
		got, stats, err := said(t, Config{Inputs: inputs, Watch: watchlist()})
		if err != nil {
			t.Fatal(err)
		}
		check(t, got, want)
		if stats.Files != 3 || stats.Messages != 5 || stats.Elements != 5 || stats.Matched != 5 || stats.Late != 0 ||
			stats.First.Unix() != t0 || stats.Last.Unix() != t0+400 {
			t.Errorf("%+v", stats)
		}
	}
	got, _, err := said(t, Config{Inputs: []string{dir}, Watch: watchlist(), From: time.Unix(t0+50, 0), To: time.Unix(t0+300, 0)})
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, `
		50 rrc00/1 withdraw 208.66.192.0/22
		50 rrc00/1 heard 0 1
		300 rrc00/1 announce 208.66.192.0/22 6939 26780
		300 rrc00/1 heard 1 1`)
}

func TestSourceSessions(t *testing.T) {
	file := archiveFile(t, t.TempDir(), "rrc00/updates.20081111.2100",
		stateChange(t0, 1, 5, 6), update(t0+1, 1, nil, nil, nil), stateChange(t0+2, 1, 6, 1), stateChange(t0+3, 1, 1, 2),
		record(t0+4, typeBGP4MP, mpStateChange, 0xFB, 0xF5, 0xFC, 0, 0, 6, 0, 1),
		record(t0+5, typeBGP4MP, mpMessageLocal, append(session(1), bgpMessage(wire.TypeUpdate, 0, 0, 0, 0)...)...))
	got, stats, err := said(t, Config{Inputs: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, `
		0 rrc00/1 peer-up
		1 rrc00/1 end-of-rib
		1 rrc00/1 heard 0 0
		2 rrc00/1 peer-down`)
	if stats.Skipped[NoPeerAddress] != 1 {
		t.Errorf("skipped %v, want one state change that does not say whose", stats.Skipped.Map())
	}
}

// A session of an AS with a 4-octet number is AS23456 in records of 2 octets.
func TestSessionsOfASTrans(t *testing.T) {
	table := newPeerTable("rrc00")
	four, six := []byte{192, 0, 2, 1}, append([]byte{0x20, 1, 0xd, 0xb8}, make([]byte, 12)...)
	for _, addr := range [][]byte{four, six} {
		p := table.of(addr, 400000)
		if table.of(addr, asTrans) != p {
			t.Errorf("%v: AS23456 is another session", addr)
		}
		if table.of(addr, 64501) == p {
			t.Errorf("%v: another AS is the same session", addr)
		}
		addr[3] = 9
		if p := table.of(addr, asTrans); table.of(addr, 400000) != p {
			t.Errorf("%v: what was AS23456 is another session", addr)
		}
	}
	if len(table.all) != 6 {
		t.Errorf("%d sessions, want 6", len(table.all))
	}
}

// dumpV2 makes a table of two peers, of which the first holds one route.
func dumpV2(sec uint32) [][]byte {
	index := []byte{1, 2, 3, 4, 0, 0, 0, 2}
	for n := range byte(2) {
		index = append(index, 0, 1, 1, 1, 1, 192, 0, 2, n+1, 0xFB, 0xF5+n)
	}
	attrs := []byte{0x40, 1, 1, 0, 0x40, 2, 10, 2, 2, 0, 0, 0x0D, 0xDD, 0, 0, 0x68, 0x9C, 0x40, 3, 4, 192, 0, 2, 1}
	rib := append([]byte{0, 0, 0, 0, 22, 208, 66, 192, 0, 1, 0, 0, 0, 0, 0, 9, 0, byte(len(attrs))}, attrs...)
	return [][]byte{record(sec, typeTableDumpV2, v2PeerIndex, index...), record(sec, typeTableDumpV2, v2IPv4Unicast, rib...)}
}

func TestSourceTable(t *testing.T) {
	dir := t.TempDir()
	rib := archiveFile(t, dir, "rrc00/bview.20081111.2100", dumpV2(t0)...)
	updates := archiveFile(t, dir, "rrc00/updates.20081111.2100", withdrawn(t0+1, 1))
	got, stats, err := said(t, Config{Inputs: []string{updates, rib}, Watch: watchlist()})
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, `
		0 rrc00/1 table-start v6=false 0
		0 rrc00/1 table-route 208.66.192.0/22 3549 26780
		0 rrc00/1 table-end v6=false 1
		0 rrc00/2 table-start v6=false 0
		0 rrc00/2 table-end v6=false 0
		1 rrc00/1 withdraw 208.66.192.0/22
		1 rrc00/1 heard 0 1`)
	if stats.Elements != 2 || stats.Matched != 2 {
		t.Errorf("%+v", stats)
	}
	whole := slices.Concat(dumpV2(t0)...)
	cut := archiveFile(t, dir, "cut/bview.20081111.2100", append(whole, dumpV2(t0)[1][:30]...))
	got, _, err = said(t, Config{Inputs: []string{cut}, Watch: watchlist()})
	check(t, got, `
		0 cut/1 table-start v6=false 0
		0 cut/1 table-route 208.66.192.0/22 3549 26780
		0 cut/1 table-cut v6=false 1
		0 cut/2 table-start v6=false 0
		0 cut/2 table-cut v6=false 0`)
	var at *CutError
	if !errors.As(err, &at) || at.Record != 3 || at.Offset != int64(len(whole)) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v, want the third record at byte %d", err, len(whole))
	}
}

// However the records of the peers are interleaved, the source says the same.
func TestSourceInterleaving(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var peers [5][][]byte
	for n := range peers {
		for i := range 40 {
			sec := uint32(t0 + 30*i + n/2) // two peers share a second
			if rng.IntN(2) == 0 {
				peers[n] = append(peers[n], withdrawn(sec, byte(n+1)))
			} else {
				peers[n] = append(peers[n], announced(sec, byte(n+1), 3549, 26780))
			}
		}
	}
	var want []string
	for round := range 20 {
		left := peers
		var mixed [][]byte
		for {
			var rest []int
			for n := range left {
				if len(left[n]) > 0 {
					rest = append(rest, n)
				}
			}
			if len(rest) == 0 {
				break
			}
			n := rest[rng.IntN(len(rest))]
			mixed = append(mixed, left[n][0])
			left[n] = left[n][1:]
		}
		got, _, err := said(t, Config{Inputs: []string{archiveFile(t, t.TempDir(), "rrc00/updates.20081111.2100", mixed...)}, Watch: watchlist()})
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Fatalf("round %d differs", round)
		}
	}
	if len(want) < 200+5*19 {
		t.Errorf("%d updates, want at least the 200 of the peers and 19 minutes of each", len(want))
	}
}

// A buffer that is too small gives out the older part: what comes later than
// that is late, and nothing is lost.
func TestSourceSmallBuffer(t *testing.T) {
	var records [][]byte
	for i := range uint32(1000) {
		records = append(records, announced(t0+i, 1, 3549, 26780))
	}
	records = append(records, withdrawn(t0+5, 2))
	file := archiveFile(t, t.TempDir(), "rrc00/updates.20081111.2100", records...)
	got, stats, err := said(t, Config{Inputs: []string{file}, Watch: watchlist(), Buffer: 50_000})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range got {
		if !strings.Contains(l, "heard") {
			n++
		}
	}
	if n != 1001 || stats.Late == 0 {
		t.Errorf("%d updates, %d late; want 1001, and the last one late", n, stats.Late)
	}
	if !slices.Contains(got, "5 rrc00/2 withdraw 208.66.192.0/22") {
		t.Error("the late one is lost")
	}
}

func TestCollector(t *testing.T) {
	for name, want := range map[string]string{
		"/data/rrc00/updates.20081111.2100.gz":                                                          "rrc00",
		"ris.rrc06.updates.1427846400.gz":                                                               "rrc06",
		"https://data.ris.ripe.net/rrc21/2024.09/bview.20240914.0000.gz":                                "rrc21",
		"routeviews.route-views.jinx.updates.1427846400.bz2":                                            "route-views.jinx",
		"https://archive.routeviews.org/route-views.sg/bgpdata/2024.09/RIBS/rib.20240914.0000.bz2":      "route-views.sg",
		"https://archive.routeviews.org/bgpdata/2008.02/UPDATES/updates.20080223.0003.bz2":              "route-views2",
		"routeviews2-2008-02/updates.20080223.0003.bz2":                                                 "route-views2",
		"/srv/route-views2/updates.20080223.0003.bz2":                                                   "route-views2",
		"https://archive.routeviews.org/route-views3/bgpdata/2024.09/UPDATES/updates.20240914.0000.bz2": "route-views3",
		"/data/updates.20080223.0003.bz2":                                                               "",
		"/data/rrc001/updates.20080223.0003.bz2":                                                        "",
	} {
		if got := Collector(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
