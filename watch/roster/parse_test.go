package roster

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"depeer/bgp/bgptest/realdata"
	"depeer/watch"
)

// cncData finds the recorded lists, which are not part of the repository.
func cncData(t *testing.T) string {
	t.Helper()
	dir, err := realdata.Find("cnc")
	if err != nil {
		t.Skip(err)
	}
	return dir
}

func config(name, format string) Config {
	c := DefaultConfig()
	c.Name, c.Format, c.URL = name, format, "http://192.0.2.1/list"
	return c
}

func comparePrefix(a, b netip.Prefix) bool { return a == b }

// What real lists hold: the figures are counted with grep, sort and uniq.
func TestRealLists(t *testing.T) {
	dir := cncData(t)
	columns := Columns{Name: "provider_name", ASN: "primary_asn", Prefix: "known_prefixes", From: "first_observed"}
	for _, c := range []struct {
		file, format     string
		hosters, refused int
		first            string
	}{
		{"spamhaus/2024-03/asn_drop.json", ASNDrop, 201, 0, "spamhaus-as932 XNNET"},
		{"spamhaus/2021-10/asn_drop.txt", ASNDrop, 517, 0, "spamhaus-as612 "},
		{"spamhaus/2019-06/asn_drop.txt", ASNDrop, 444, 0, "spamhaus-as612 "},
		{"intelmq-samples/spamhaus_asndrop.txt", ASNDrop, 2, 0, "spamhaus-as260 XCONNECT24 - Xconnect24 Inc., US"},
		{"spamhaus/2024-03/drop.txt", Drop, 989, 0, "spamhaus-1-10-16-0-20 "},
		{"spamhaus/2024-03/drop_ipv6.txt", Drop, 51, 0, "spamhaus-2a12-2640-29 "},
		{"spamhaus/2021-10/edrop.txt", Drop, 66, 0, ""},
		{"intelmq-samples/spamhaus_drop.txt", Drop, 2, 0, "spamhaus-1-4-0-0-17 SBL256893"},
		{"spamhaus/2024-03/drop.txt", Plain, 989, 0, ""},
		{"watchlists/BPH_Master.csv", CSV, 41, 19, "real-as200593 PROSPERO OOO / Proton66"},
	} {
		t.Run(c.file, func(t *testing.T) {
			f, err := os.Open(filepath.Join(dir, filepath.FromSlash(c.file)))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			cfg := config(c.format, c.format)
			if c.format == CSV {
				cfg.Name, cfg.Columns = "real", columns
			}
			hosters, report, err := Parse(f, cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d hosters of %d lines, refused %v, dated %q", len(hosters), report.Lines, report.Faults, report.Dated)
			if c.hosters >= 0 && (len(hosters) != c.hosters || report.Refused != c.refused) {
				t.Errorf("%d hosters and %d refused, want %d and %d", len(hosters), report.Refused, c.hosters, c.refused)
			}
			if len(hosters)+report.Refused != report.Lines {
				t.Errorf("%d hosters and %d refused of %d lines", len(hosters), report.Refused, report.Lines)
			}
			if got := hosters[0].ID + " " + hosters[0].Name; c.first != "" && got != c.first {
				t.Errorf("the first is %q, want %q", got, c.first)
			}
			if err := (&watch.Watchlist{Hosters: hosters}).Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFormats(t *testing.T) {
	day := func(s string) time.Time { d, _ := time.Parse(time.DateOnly, s); return d }
	prefixes := func(s ...string) (out []netip.Prefix) {
		for _, x := range s {
			out = append(out, netip.MustParsePrefix(x))
		}
		return out
	}
	table := config("bph", CSV)
	table.Columns, table.Tags = Columns{ID: "1", Name: "who", ASN: "asns", Prefix: "nets", From: "from", To: "to"}, []string{"bulletproof"}
	for _, c := range []struct {
		name, text string
		cfg        Config
		want       []watch.Hoster
		faults     []string
	}{
		{"ASN-DROP", `{"asn":26780,"rir":"arin","domain":"mccolo.example","cc":"US","asname":"MCCOLO"}
{"asn":0,"asname":"NOBODY"}
{"asn":"x"}
{"asn":64500,"domain":"a.example","asname":""}
{"asn":26780,"asname":"AGAIN"}
{"asn":64501}
{"type":"metadata","timestamp":1709006105,"records":6}
`, config(ASNDrop, ASNDrop), []watch.Hoster{
			{ID: "spamhaus-as26780", Name: "MCCOLO", ASNs: []uint32{26780}, Tags: []string{ASNDrop}},
			{ID: "spamhaus-as64500", Name: "a.example", ASNs: []uint32{64500}, Tags: []string{ASNDrop}},
			{ID: "spamhaus-as64501", ASNs: []uint32{64501}, Tags: []string{ASNDrop}},
		}, []string{"line 2: AS0 can be nobody's (RFC 7607, RFC 6793)", "line 3: is no JSON object of the list", "line 5: AS26780 is listed twice"}},
		{"DROP as JSON", `{"cidr":"208.66.192.0/22","sblid":"SBL1","rir":"arin"}
{"cidr":"2001:db8::/32","sblid":"SBL2"}
{"type":"metadata","records":2}`, config("drop", Drop), []watch.Hoster{
			{ID: "drop-208-66-192-0-22", Name: "SBL1", Prefixes: prefixes("208.66.192.0/22"), Tags: []string{"drop"}},
			{ID: "drop-2001-db8-32", Name: "SBL2", Prefixes: prefixes("2001:db8::/32"), Tags: []string{"drop"}},
		}, nil},
		{"plain", "\xef\xbb\xbf# mine\r\nAS64500 # one\r\n\r\n64501\r\n208.66.192.0/22 ; net\r\n192.0.2.7\r\n0.0.0.0/0\n10.0.0.1/8\n::ffff:10.0.0.0/104\nhello\n2001:db8:1234:5678:9abc:def0:1234:5678/128\n",
			config("mine", Plain), []watch.Hoster{
				{ID: "mine-as64500", Name: "one", ASNs: []uint32{64500}, Tags: []string{"mine"}},
				{ID: "mine-as64501", ASNs: []uint32{64501}, Tags: []string{"mine"}},
				{ID: "mine-208-66-192-0-22", Name: "net", Prefixes: prefixes("208.66.192.0/22"), Tags: []string{"mine"}},
				{ID: "mine-192-0-2-7-32", Prefixes: prefixes("192.0.2.7/32"), Tags: []string{"mine"}},
				{ID: "mine-2001-db8-1234-5678-9-0ed78b", Prefixes: prefixes("2001:db8:1234:5678:9abc:def0:1234:5678/128"), Tags: []string{"mine"}},
			}, []string{"line 7: 0.0.0.0/0 is too much of the Internet to be one hoster's", "line 8: 10.0.0.1/8 has bits beyond its length (did you mean 10.0.0.0/8?)",
				`line 9: "::ffff:10.0.0.0/104" is an IPv4 prefix written as IPv6`, `line 10: "hello" is no AS number and no prefix`}},
		{"CSV", `id,who,asns,nets,from,to
Mc Colo,"McColo, Corp.",AS26780,208.66.192.0/22; 208.72.168.0/21,2006-11-17,2008-12-31
,Aeza,"AS210644, AS216246",,,
x,Stark,AS44477 (transferred),,~2022,2025-05
w,Hidden,AS (unknown),,,
y,Nobody,,,,
,Net,,192.0.2.0/24,2025-01-01T12:00:00Z,
mc-colo,Same id,64500,,,
z,Backwards,64501,,2020-01-02,2019-01-01
short
`, table, []watch.Hoster{
			{ID: "mc-colo", Name: "McColo, Corp.", ASNs: []uint32{26780}, Prefixes: prefixes("208.66.192.0/22", "208.72.168.0/21"),
				Valid: watch.Validity{From: day("2006-11-17"), To: day("2009-01-01")}, Tags: []string{"bph", "bulletproof"}},
			{ID: "bph-as210644", Name: "Aeza", ASNs: []uint32{210644, 216246}, Tags: []string{"bph", "bulletproof"}},
			{ID: "x", Name: "Stark", ASNs: []uint32{44477}, Valid: watch.Validity{From: day("2022-01-01"), To: day("2025-06-01")}, Tags: []string{"bph", "bulletproof"}},
			{ID: "bph-192-0-2-0-24", Name: "Net", Prefixes: prefixes("192.0.2.0/24"), Valid: watch.Validity{From: day("2025-01-01").Add(12 * time.Hour)}, Tags: []string{"bph", "bulletproof"}},
			{ID: "mc-colo-2", Name: "Same id", ASNs: []uint32{64500}, Tags: []string{"bph", "bulletproof"}},
		}, []string{`line 5: "AS" is no AS number (0 to 4294967295)`, "line 6: names no AS number and no prefix", "line 9: ends (2019-01-01) before it begins (2020-01-02)", "line 10: has 1 columns, needs 6"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // the same text gives the same
				hosters, report, err := Parse(strings.NewReader(c.text), c.cfg)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(c.want, hosters, cmp.Comparer(comparePrefix)); d != "" {
					t.Error("want (-), got (+):\n" + d)
				}
				var faults []string
				for _, f := range report.Faults {
					faults = append(faults, f.String())
				}
				if d := cmp.Diff(c.faults, faults); d != "" {
					t.Error("refused, want (-), got (+):\n" + d)
				}
				if err := (&watch.Watchlist{Hosters: hosters}).Validate(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// What is no list, or half of one, is a doubt of its own type.
func TestDoubts(t *testing.T) {
	table := config("x", CSV)
	table.Columns = Columns{ASN: "asn", Name: "who"}
	for want, c := range map[string]struct {
		cfg  Config
		text string
	}{
		"watchlist x: is empty; the last good one stays in force":                                                                         {config("x", Plain), " \n"},
		"watchlist x: is a web page, no list; the last good one stays in force":                                                           {config("x", ASNDrop), "\n<!DOCTYPE html><p>sorry"},
		"watchlist x: is no text; the last good one stays in force":                                                                       {config("x", Plain), "AS1\x00"},
		"watchlist x: holds nobody; the last good one stays in force":                                                                     {config("x", Plain), "# nothing\n"},
		"watchlist x: is cut: the metadata that ends it is not there; the last good one stays in force":                                   {config("x", ASNDrop), "{\"asn\":1}\n{\"asn\":2}\n{\"as"},
		"watchlist x: is cut: it holds 2 records, and says 3; the last good one stays in force":                                           {config("x", ASNDrop), "{\"asn\":1}\n{\"asn\":2}\n{\"type\":\"metadata\",\"records\":3}"},
		"watchlist x: none of its 2 lines can be read (line 1: \"rate\" is no AS number and no prefix); the last good one stays in force": {config("x", Plain), "rate\nlimited"},
		"watchlist x: 2 of its 3 lines cannot be read (line 1: \"a\" is no AS number and no prefix); the last good one stays in force":    {config("x", Plain), "a\nb\nAS1"},
		"watchlist x: has no column \"who\", \"asn\"; the last good one stays in force":                                                   {table, "as,name\n1,x\n"},
	} {
		hosters, _, err := Parse(strings.NewReader(c.text), c.cfg)
		if d, ok := errors.AsType[*Doubt](err); !ok || d.Error() != want || hosters != nil {
			t.Errorf("%q: got %v with %d hosters,\nwant %s", c.text, err, len(hosters), want)
		}
	}
}

func TestConfigFaults(t *testing.T) {
	good := config("spamhaus", ASNDrop)
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	bad := Config{Name: "A b", Format: "xml", URL: "gopher://hunter2/", Path: "x", Every: time.Second, MinKeep: 2, Columns: Columns{ASN: "1"}, Tags: []string{" "}}
	want := `name: "A b" must match [a-z0-9-]{1,32}
format: "xml" is none of spamhaus-asndrop, spamhaus-drop, csv, plain
path: "x" has no use beside url: give one of them
every: 1s is less than 1m: the lists are other people's servers
min_keep: 2 is not between 0 and 1
columns: only a csv has columns
tags[0]: is empty`
	if err := bad.Validate(); err == nil || err.Error() != want {
		t.Errorf("got:\n%v", err)
	}
	table := Config{Name: "a", Format: CSV, URL: "ftp://me:hunter2@x/", Every: time.Hour, Columns: Columns{Comma: "ab"}}
	want = `url: "ftp:..." is no http, https or file address
columns: a csv needs columns.asn or columns.prefix
columns.comma: "ab" is no single character that can part columns`
	if err := table.Validate(); err == nil || err.Error() != want {
		t.Errorf("got:\n%v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"asn":932,"asname":"XNNET"}`+"\n"+`{"type":"metadata","records":1}`, uint8(0))
	f.Add("1.10.16.0/20 ; SBL1\n2a12:2640::/29", uint8(1))
	f.Add("id,who,asn,prefix,from,to\nx,\"a\nb\",AS1;2,10.0.0.0/8,2008-11-11,\n", uint8(2))
	f.Add("AS1 # x\n1.2.3.4\n2001:db8:1234:5678:9abc:def0:1234:5678/128\n2001:db8:1234:5678:9abc:def0:1234:5679/128", uint8(3))
	f.Add("<html>", uint8(3))
	f.Fuzz(func(t *testing.T, text string, format uint8) {
		cfg := config("some-very-long-name-of-a-list-32", Formats[int(format)%len(Formats)])
		if cfg.Format == CSV {
			cfg.Columns = Columns{ID: "1", Name: "2", ASN: "3", Prefix: "4", From: "5", To: "6"}
		}
		hosters, report, err := Parse(strings.NewReader(text), cfg)
		if err != nil {
			if hosters != nil {
				t.Fatal("hosters beside an error")
			}
			return
		}
		if len(hosters) != report.Hosters || len(hosters) == 0 {
			t.Fatalf("%d hosters, reported %d", len(hosters), report.Hosters)
		}
		if err := (&watch.Watchlist{Hosters: hosters}).Validate(); err != nil {
			t.Fatal(err)
		}
		configured := []watch.Hoster{{ID: "mccolo", ASNs: []uint32{1, 26780}}}
		half := len(hosters) / 2
		merged, _ := Merge(configured, hosters[:half], hosters[half:], hosters)
		if err := (&watch.Watchlist{Hosters: merged}).Validate(); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(merged[0]) != fmt.Sprint(configured[0]) {
			t.Fatal("a configured hoster was changed")
		}
		again, _, _ := Parse(bytes.NewReader([]byte(text)), cfg)
		if d := cmp.Diff(hosters, again, cmp.Comparer(comparePrefix)); d != "" {
			t.Fatal(d)
		}
	})
}
