package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"depeer/bgp"
	"depeer/bgp/bgptest"
	"depeer/bgp/wire"
	"depeer/watch"
)

// dumped writes the tables of a world and gives its files.
func dumped(t *testing.T, world string) []string {
	t.Helper()
	s, err := bgptest.Parse("world", world)
	if err != nil {
		t.Fatal(err)
	}
	files, err := s.WriteDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

const world = `
start 2008-11-11T18:00:00Z
end +1h
collector rrc00 peers 10 as 64600+
collector rrc01 peers 10 as 64700+
transit 3356 174 701
table 200 prefixes
network 26780 208.66.192.0/22 2001:db8:40::/48
network 64500 192.0.2.0/24
route 26780 via 6939 at 75%
route 26780 via 3549 at 25%
route 64500 via 6939 26780
network 26781 208.72.168.0/21
route 26781 via 3549
route 26781 via 226 seen by rrc00 peer 3
at +0s rib
at +10m withdraw 26780
`

// TestGenerate: the entry holds what the tables say, is a watchlist as it stands,
// and does not depend on the order of the files.
func TestGenerate(t *testing.T) {
	files := dumped(t, world)
	args := append([]string{"watchlist", "generate", "--asn", "AS26780,26781", "--id", "mccolo", "--name", `McColo "$5" Corp.`}, files...)
	text := depeer(t, exitDone, args...)
	c, err := testReader.parse("entry.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := []watch.Hoster{{
		ID: "mccolo", Name: `McColo "$5" Corp.`, ASNs: []uint32{26780, 26781}, Upstreams: []uint32{6939, 3549},
		Prefixes: prefixes("208.66.192.0/22", "208.72.168.0/21", "2001:db8:40::/48"),
	}}
	if diff := cmp.Diff(want, c.Hosters, cmpopts.EquateComparable(want[0].Prefixes[0])); diff != "" {
		t.Errorf("want (-), have (+):\n%s\n%s", diff, text)
	}
	// Of the (prefix, peer) pairs of IPv4: 15 and 5 of 20, customer 20, AS26781 20.
	for _, line := range []string{
		"- 208.66.192.0/22 # 20 peers, 2008-11-11 18:00:00 to 2008-11-11 18:",
		"- 6939 # 58.3 % of IPv4, 75.0 % of IPv6, 20 peers, 3 prefixes",
		"- 3549 # 40.0 % of IPv4, 25.0 % of IPv6, 20 peers, 3 prefixes",
		"#- 226 # 1.7 % of IPv4, 1 peer, 1 prefix",
		"# AS64500: 1 prefix, 20 peers",
	} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), line) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	slices.Reverse(files)
	if again := depeer(t, exitDone, append(args[:8:8], files...)...); again != text {
		t.Errorf("files in another order (+):\n%s", cmp.Diff(text, again))
	}
}

// TestGenerateFromWhatIsTorn: what precedes the tear is used, and it is a failure.
func TestGenerateFromWhatIsTorn(t *testing.T) {
	files := dumped(t, strings.Replace(world, "end +1h", "end +1h\nfiles every 1h plain", 1))
	var torn string
	for _, f := range files {
		if strings.Contains(f, "bview") {
			torn = f
		}
	}
	text, err := os.ReadFile(torn)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(torn, text[:len(text)-7], 0o600); err != nil {
		t.Fatal(err)
	}
	if text := depeer(t, exitFailed, "watchlist", "generate", "--asn", "26780", torn); !strings.Contains(text, "- 208.66.192.0/22") {
		t.Errorf("nothing of what precedes the tear:\n%s", text)
	}
	if text := depeer(t, exitFailed, "watchlist", "generate", "--asn", "64499", files[0]); text != "" {
		t.Errorf("an entry about nobody:\n%s", text)
	}
}

// TestGenerateFromRecordedDay reads real updates: six files of 2008-02-20, in which
// one peer of 45 speaks of McColo all the time and a second one once.
func TestGenerateFromRecordedDay(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(scanTestData(t, "routeviews2-2008-02"), "updates.20080220.*.bz2"))
	if len(files) == 0 {
		t.Fatal("nothing of the day 2008-02-20 is there")
	}
	text := depeer(t, exitDone, append([]string{"watchlist", "generate", "--asn", "26780"}, files...)...)
	c, err := testReader.parse("entry.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, alone := range []string{"#- 208.72.168.0/21 ", "#- 208.72.173.0/24 ", "#- 1299 "} {
		if !strings.Contains(text, alone) {
			t.Errorf("what a single peer saw is missing: %s\n%s", alone, text)
		}
	}
	h := c.Hosters[0]
	if !slices.Equal(h.Prefixes, prefixes("208.66.192.0/22")) || !slices.Equal(h.Upstreams, []uint32{3549}) {
		t.Errorf("have %v behind %v", h.Prefixes, h.Upstreams)
	}
}

func TestMeet(t *testing.T) {
	l := &learner{asns: []uint32{10, 11}, watch: wire.NewWatch()}
	set := bgp.Segment{Type: bgp.ASSet, ASNs: []uint32{10, 20}}
	for _, c := range []struct {
		path bgp.Path
		want route
		ok   bool
	}{
		{bgp.PathOf(1, 2, 10), route{own: true, upstream: 2}, true},
		{bgp.PathOf(10), route{own: true}, true},
		{bgp.PathOf(1, 10, 10, 10), route{own: true, upstream: 1}, true},
		{bgp.PathOf(1, 10, 11), route{own: true, upstream: 1}, true},
		{bgp.PathOf(1, 10, 11, 5, 6), route{upstream: 1, customer: 5}, true},
		{bgp.PathOf(1, 10, 5, 11), route{own: true, upstream: 1}, true}, // twice: the leftmost
		{bgp.PathOf(1, 2, 3), route{}, false},
		{append(bgp.PathOf(1), set), route{}, false},                       // a set makes no edge
		{append(bgp.PathOf(1, 10), set), route{upstream: 1}, true},         // nor a customer
		{append(bgp.Path{set}, bgp.PathOf(10)...), route{own: true}, true}, // nor an upstream
		{nil, route{}, false},
	} {
		if r, ok := l.meet(c.path.Hops(nil)); r != c.want || ok != c.ok {
			t.Errorf("%v: have %+v %v, want %+v %v", c.path, r, ok, c.want, c.ok)
		}
	}
}

// TestValidityNotes: now is an argument.
func TestValidityNotes(t *testing.T) {
	end := time.Date(2009, 1, 1, 0, 0, 0, 0, time.UTC)
	hosters := []watch.Hoster{{ID: "mccolo", Valid: watch.Validity{To: end}}}
	if n := validityNotes(hosters, end.Add(-time.Second)); len(n) != 0 {
		t.Errorf("in its last second: %q", n)
	}
	if n := validityNotes(hosters, end); len(n) != 1 || !strings.HasPrefix(n[0], "mccolo ended on 2008-12-31: ") {
		t.Errorf("a second later: %q", n)
	}
}

// depeer runs the program in process and gives what it printed.
func depeer(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	if have := run(t.Context(), args, strings.NewReader(""), &out, &errOut); have != code {
		t.Fatalf("depeer %v: exit code %d, want %d\n%s", args, have, code, errOut.String())
	}
	if (errOut.Len() > 0) != (code != exitDone) && !strings.HasPrefix(errOut.String(), "depeer: skipped: ") {
		t.Errorf("depeer %v says %q", args, errOut.String())
	}
	return out.String()
}

func prefixes(words ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(words))
	for i, w := range words {
		out[i] = netip.MustParsePrefix(w)
	}
	return out
}
