package feed

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"depeer/bgp/bgptest/realdata"
	"depeer/watch/cnc"
)

func recorded(t testing.TB, elem ...string) string {
	t.Helper()
	dir, err := realdata.Find(append([]string{"cnc"}, elem...)...)
	if err != nil {
		t.Skip(err)
	}
	return dir
}

// read parses a file as it would be imported.
func read(t testing.TB, file, format string, o Options) ([]cnc.Sighting, Stats, error) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if format == "" {
		if format = Guess(f, file); format == "" {
			return nil, Stats{}, fmt.Errorf("no format")
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
	}
	if o.Source == "" {
		o.Source = "test"
	}
	if o.Name == "" {
		o.Name = file
	}
	var out []cnc.Sighting
	stats, err := Parse(format, f, o, func(s cnc.Sighting) { out = append(out, s) })
	if stats.Accepted != len(out) || stats.Entries != stats.Accepted+stats.RefusedInAll() {
		t.Errorf("%s: %d entries, %d accepted, %d given out, %d refused", file, stats.Entries, stats.Accepted, len(out), stats.RefusedInAll())
	}
	return out, stats, err
}

// text is the file as lines, unpacked.
func text(t testing.TB, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Split(strings.ReplaceAll(string(b), "\r", ""), "\n")
}

func grep(lines []string, pattern string) (n int) {
	re := regexp.MustCompile(pattern)
	for _, l := range lines {
		if re.MatchString(l) {
			n++
		}
	}
	return n
}

func TestFeodoRecorded(t *testing.T) {
	dir := recorded(t, "feodo")
	files, _ := filepath.Glob(filepath.Join(dir, "*.csv"))
	if len(files) < 3 {
		t.Fatal(files)
	}
	for _, file := range files {
		got, stats, err := read(t, file, "", Options{})
		if err != nil {
			t.Fatal(file, err)
		}
		lines := text(t, file)
		if want := grep(lines, `^"\d{4}-`); stats.Entries != want || stats.Accepted != want {
			t.Errorf("%s: %d entries, %d accepted, grep finds %d: %s", file, stats.Entries, stats.Accepted, want, stats.Reasons())
		}
		for label, family := range map[string]string{"Dridex": "Dridex", "Emotet": "Emotet", "TrickBot": "TrickBot", "QakBot": "QakBot", "BazarLoader": "BazarLoader"} {
			if want := grep(lines, `,"`+label+`"$`); stats.Families[family] != want {
				t.Errorf("%s: %d of %s, grep finds %d", file, stats.Families[family], family, want)
			}
		}
		for i, s := range got {
			var cells []string
			row := lines[indexOfRow(lines)+i]
			for _, c := range strings.Split(row, ",") {
				cells = append(cells, strings.Trim(c, `"`))
			}
			if s.Addr.String() != cells[1] || fmt.Sprint(s.Port) != cells[2] || s.Online == nil || (*s.Online != (cells[3] == "online")) {
				t.Fatalf("%s: %s is %+v", file, row, s)
			}
			begin := s.First
			if begin.IsZero() {
				begin = s.At
			}
			if begin.Format(time.DateTime) != cells[0] || s.At.Format(time.DateOnly) != cells[4] && s.At.Format(time.DateTime) != cells[0] {
				t.Fatalf("%s: %s is %+v", file, row, s)
			}
		}
	}
}

func indexOfRow(lines []string) int {
	for i, l := range lines {
		if len(l) > 5 && l[0] == '"' && l[1] >= '0' && l[1] <= '9' {
			return i
		}
	}
	return 0
}

func TestThreatFoxRecorded(t *testing.T) {
	file := recorded(t, "threatfox-json", "threatfox_union.ndjson")
	got, stats, err := read(t, file, "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	hosts, hashes, cobalt := 0, 0, 0
	for _, l := range text(t, file) {
		var e struct{ Type, Malware string }
		if json.Unmarshal([]byte(l), &e) == nil && strings.HasSuffix(e.Type, "_hash") {
			hashes++
		} else if e.Type != "" {
			hosts++
			if e.Malware == "Cobalt Strike" {
				cobalt++
			}
		}
	}
	bad := 0
	for why, n := range stats.Refused {
		if why != cnc.NotASource && why != cnc.Repeated {
			bad += n
		}
	}
	if stats.Refused[cnc.NotASource] != hashes || stats.Entries != hosts+hashes || stats.Accepted+bad+stats.Refused[cnc.Repeated] != hosts || bad > 60 {
		t.Errorf("%d hosts, %d hashes; %d accepted; %s %v", hosts, hashes, stats.Accepted, stats.Reasons(), stats.Faults)
	}
	if n := stats.Families["Cobalt Strike"]; n > cobalt || n < cobalt-20 {
		t.Errorf("%d of Cobalt Strike, want %d less what is said twice", n, cobalt)
	}
	dual := 0
	for _, s := range got {
		if s.DualUse {
			dual++
		}
		if strings.Contains(s.Name+s.URL, "[") || strings.Contains(s.URL, "hxxp") {
			t.Fatalf("%+v is still defanged", s)
		}
	}
	if dual < 100 {
		t.Errorf("%d on platforms that serve anybody", dual)
	}
	_, stats, err = read(t, recorded(t, "threatfox-json", "threatfox_latest.json"), "", Options{})
	if err != nil || stats.Entries != 40 || stats.Dated.Unix() != 1787433918 {
		t.Errorf("%v %+v", err, stats)
	}
}

func TestC2TrackerRecorded(t *testing.T) {
	if raceEnabled {
		t.Skip("one goroutine over many files: the race detector has nothing to find, and takes long")
	}
	file := recorded(t, "c2-tracker", "weekly_to_2025-05.tsv.gz")
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// Of nearly a million rows the first part, which is enough of every kind: the rest costs a loaded machine too long.
	const most = 150_000
	sliver, rows := map[string]int{}, 0
	stats, err := Parse("c2-tracker", f, Options{Source: "c2-tracker", Name: file, MaxEntries: most}, func(s cnc.Sighting) {
		rows++
		if s.Family == "Sliver" {
			sliver[s.At.Format(time.RFC3339)]++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	z, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	g, err := gzip.NewReader(z)
	if err != nil {
		t.Fatal(err)
	}
	lines, special, want := 0, 0, map[string]int{}
	for s := bufio.NewScanner(g); s.Scan() && lines < most; {
		cells := strings.Split(s.Text(), "\t")
		if cells[0][0] == '#' {
			continue
		}
		lines++
		a, err := netip.ParseAddr(cells[3])
		if err != nil || cnc.Special(a) != "" {
			special++
		} else if cells[2] == "Sliver C2" {
			want[cells[0]]++
		}
	}
	if stats.Entries != lines+1 || stats.Refused[cnc.Excess] != 1 || stats.Accepted+special+stats.Refused[cnc.Repeated] != lines || rows != stats.Accepted {
		t.Errorf("%d lines, %d of them no host's address; %d entries, %d accepted: %s %v", lines, special, stats.Entries, stats.Accepted, stats.Reasons(), stats.Faults)
	}
	if len(want) < 20 || fmt.Sprint(want) != fmt.Sprint(sliver) {
		t.Errorf("Sliver by week: %v, want %v", sliver, want)
	}
	t.Logf("%d rows: %s", lines, stats.Reasons())
}

func TestCarbonBlackRecorded(t *testing.T) {
	dir := recorded(t, "carbonblack-active-c2")
	files, _ := filepath.Glob(filepath.Join(dir, "*.[ct]sv"))
	total := 0
	for _, file := range files {
		_, stats, err := read(t, file, "", Options{})
		if err != nil {
			t.Fatal(file, err)
		}
		want := grep(text(t, file), `^\d+\.\d+\.\d+\.\d+\t`)
		if stats.Accepted+stats.Refused[cnc.Repeated] != want || stats.Entries-want > 2 { // one row is broken over two lines
			t.Errorf("%s: %d entries, %d accepted, grep finds %d: %s %v", filepath.Base(file), stats.Entries, stats.Accepted, want, stats.Reasons(), stats.Faults)
		}
		if len(stats.Families) != 1 || stats.Families[cnc.UnknownFamily] > 0 {
			t.Errorf("%s: %v", filepath.Base(file), stats.Families)
		}
		total += want
	}
	if len(files) < 10 || total < 3900 {
		t.Errorf("%d files, %d rows", len(files), total)
	}
}

var (
	lonePort     = regexp.MustCompile(`^\s*(\d+\.\d+\.\d+\.\d+:\d+)\s*$`)
	plainHeading = regexp.MustCompile(`^[A-Z ]+ C2s?$`)
	loneAddress  = regexp.MustCompile(`^(https?://)?\d+\.\d+\.\d+\.\d+(:\d+)?(/\S*)?$`)
	quad         = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+`)
)

func TestNotesRecorded(t *testing.T) {
	if raceEnabled {
		t.Skip("one goroutine over many files: the race detector has nothing to find, and takes long")
	}
	for folder, least := range map[string]int{"pr0xylife-qakbot": 5000, "pr0xylife-emotet": 250} {
		files, _ := filepath.Glob(filepath.Join(recorded(t, folder), "*"))
		distinct, found := map[string]bool{}, map[string]bool{}
		for _, file := range files {
			lines := text(t, file)
			for _, l := range lines {
				if m := lonePort.FindStringSubmatch(l); m != nil {
					if a, err := netip.ParseAddrPort(m[1]); err == nil && cnc.Special(a.Addr()) == "" {
						distinct[m[1]] = true
					}
				}
			}
			got, _, err := read(t, file, "notes", Options{})
			if err != nil {
				if d := err.Error(); d != "is empty" && d != "holds no entry" {
					t.Errorf("%s: %v", file, err)
				}
				continue
			}
			for _, s := range got {
				if s.Addr.IsValid() && s.URL == "" && s.Kind == cnc.CNC {
					found[netip.AddrPortFrom(s.Addr, s.Port).String()] = true
				}
				if s.Family == cnc.UnknownFamily || s.Precision != "day" {
					t.Errorf("%s: %+v", file, s)
					break
				}
			}
		}
		missing := 0
		for a := range distinct {
			if !found[a] {
				missing++
			}
		}
		if len(distinct) < least || missing > 0 || len(found) < len(distinct) {
			t.Errorf("%s: grep finds %d distinct address:port, %d of them are missing, found %d", folder, len(distinct), missing, len(found))
		}
	}
}

func TestExecuteMalwareRecorded(t *testing.T) {
	if raceEnabled {
		t.Skip("one goroutine over many files: the race detector has nothing to find, and takes long")
	}
	files, _ := filepath.Glob(filepath.Join(recorded(t, "executemalware"), "*"))
	if len(files) < 380 {
		t.Fatal(len(files))
	}
	c2, want, doubts := 0, 0, 0
	for _, file := range files {
		day := time.Time{}
		if d, err := time.Parse(time.DateOnly, filepath.Base(file)[:10]); err == nil {
			day = d
		}
		got, _, err := read(t, file, "notes", Options{})
		if err != nil {
			doubts++
			continue
		}
		direct := map[string]bool{}
		// By hand: the lines right under a heading "X C2" or "X C2s", up to the next empty line.
		in := false
		for _, l := range text(t, file) {
			l = strings.TrimSpace(l)
			switch {
			case plainHeading.MatchString(l):
				in = true
			case l == "":
				in = false
			case in && loneAddress.MatchString(l):
				direct[quad.FindString(l)] = true
			}
		}
		found := map[string]bool{}
		for _, s := range got {
			if s.Kind == cnc.CNC && s.Addr.IsValid() {
				found[s.Addr.String()] = true
				c2++
			}
			if s.At != day {
				t.Errorf("%s: %s", file, s.At)
				break
			}
		}
		for a := range direct {
			want++
			if x := netip.MustParseAddr(a); !found[a] && cnc.Special(x) == "" {
				t.Errorf("%s: %s is missing", filepath.Base(file), a)
			}
		}
	}
	t.Logf("%d files, %d C&C sightings, %d under plain headings, %d files without an entry", len(files), c2, want, doubts)
	if c2 < want || want < 5000 || doubts > 3 {
		t.Errorf("%d, %d, %d", c2, want, doubts)
	}
}

func TestMISPRecorded(t *testing.T) {
	_, stats, err := read(t, recorded(t, "misp-stix", "eset_glupteba.misp-event.json"), "", Options{})
	if err != nil || stats.Entries != 321 || stats.Accepted != 270+40+4 || stats.Families["Glupteba"] != 314 || stats.Refused[cnc.NotASource] != 7 {
		t.Errorf("%v %+v", err, stats)
	}
	got, stats, err := read(t, recorded(t, "misp-stix", "eset_mozi.misp-event.json"), "", Options{})
	if err != nil || stats.Families["Mozi"] != stats.Accepted || stats.Accepted+stats.Refused[cnc.Repeated]+stats.Refused[cnc.BadPort] < 15 {
		t.Errorf("%v %+v", err, stats)
	}
	for _, s := range got {
		// The event's day, or what its objects say of their own.
		if at := s.At.Format(time.DateOnly); at != "2023-11-01" && at != "2023-09-29" {
			t.Errorf("%+v", s)
		}
	}
	_, stats, err = read(t, recorded(t, "intelmq-samples", "misp_misp_event.json"), "", Options{})
	if err != nil || stats.Entries != 2 {
		t.Errorf("%v %+v", err, stats)
	}
}

func TestSTIXRecorded(t *testing.T) {
	for name, want := range map[string]struct {
		n      int
		family string
	}{"amnesty_cytrox": {343, "Predator"}, "amnesty_novispy": {18, "NoviSpy"}, "amnesty_wintego_helios": {175, "wintego helios"}} {
		file := recorded(t, "misp-stix", name+".stix2")
		got, stats, err := read(t, file, "", Options{})
		if err != nil {
			t.Fatal(name, err)
		}
		hosts := grep(text(t, file), `"pattern": "\[(domain-name|url|ipv4-addr|ipv6-addr):value`)
		if stats.Entries != want.n || stats.Accepted+stats.Refused[cnc.Repeated] != hosts || stats.Families[want.family] != stats.Accepted {
			t.Errorf("%s: %d patterns with hosts; %+v", name, hosts, stats)
		}
		if name == "amnesty_novispy" {
			for _, s := range got {
				if s.Name == "" && !s.Addr.IsValid() {
					t.Errorf("%+v", s)
				}
			}
		}
	}
}

func TestOthersRecorded(t *testing.T) {
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	dir := recorded(t, "maltrail")
	files, _ := filepath.Glob(filepath.Join(dir, "*.txt"))
	for _, file := range files {
		_, stats, err := read(t, file, "plain", Options{At: day, Precision: "day"})
		if err != nil {
			t.Fatal(err)
		}
		lines := text(t, file)
		entries, paths := grep(lines, `^\s*[^#\s]`), grep(lines, `^/`)
		if stats.Entries != entries || stats.Refused[cnc.Unmatched] < paths || stats.Accepted+stats.Refused[cnc.Repeated] < (entries-paths)*99/100 || len(stats.Families) != 1 {
			t.Errorf("%s: grep finds %d, %d of them paths; %d accepted, %s, %v %v", filepath.Base(file), entries, paths, stats.Accepted, stats.Reasons(), stats.Families, stats.Faults)
		}
		// Undated: without a time that somebody gives, nothing of it is believed.
		if _, stats, _ := read(t, file, "plain", Options{}); stats.Accepted != 0 || stats.Refused[cnc.NoTime] == 0 {
			t.Errorf("%s without a time: %+v", file, stats)
		}
	}
	samples := recorded(t, "intelmq-samples")
	got, stats, err := read(t, filepath.Join(samples, "bambenek_c2-ipmasterlist.txt"), "csv", Options{Mapping: Mapping{Host: "1", Family: "2", Last: "3", Header: "no"}})
	if err != nil || stats.Accepted != 1 || got[0].Family != "URLZone" || got[0].At.Format(time.RFC3339) != "2016-11-12T18:02:00Z" {
		t.Errorf("%v %+v %+v", err, stats, got)
	}
	_, stats, err = read(t, filepath.Join(samples, "cymru_infected_20171031.txt"), "csv", Options{Mapping: Mapping{Host: "2", Last: "4", ASN: "3", Comma: "|"}})
	if err != nil || stats.Accepted != 0 || stats.Refused[cnc.Bogon] != 9 {
		t.Errorf("%v %+v", err, stats)
	}
	for _, no := range []string{"html_table_feodotracker.html", "spamhaus_drop.txt", "spamhaus_asndrop.txt"} {
		if _, stats, err := read(t, filepath.Join(samples, no), "", Options{At: day}); err == nil {
			t.Errorf("%s was taken for a feed: %+v", no, stats)
		}
	}
	if _, _, err := read(t, recorded(t, "watchlists", "BPH_Master.csv"), "", Options{}); err == nil {
		t.Error("a list of hosters was taken for sightings")
	}
}
