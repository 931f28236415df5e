package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"depeer/bgp/bgptest/realdata"
)

// scanTestData finds the recorded archives, which are not part of the repository.
func scanTestData(t testing.TB, elem ...string) string {
	t.Helper()
	dir, err := realdata.Find(append([]string{"mrt"}, elem...)...)
	if err != nil {
		t.Skip(err)
	}
	return dir
}

func runScan(t testing.TB, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), append([]string{"scan"}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// choose filters bgpdump lines as scan should: a second, slow reading of the conditions.
func choose(lines []string, keep func(typ string, cols []string, path []string) bool) (n int) {
	for _, l := range lines {
		c := strings.Split(l, "|")
		var path []string
		if len(c) > 6 && (c[2] == "A" || c[2] == "B") {
			for _, w := range strings.Fields(c[6]) {
				if len(path) == 0 || path[len(path)-1] != w {
					path = append(path, w)
				}
			}
		}
		if keep(c[2], c, path) {
			n++
		}
	}
	return n
}

func TestScanConditions(t *testing.T) {
	file := scanTestData(t, "bgpdump-tests", "data", "updates.20160811.1600.gz")
	code, all, errOut := runScan(t, file)
	if code != exitDone || errOut != "" {
		t.Fatalf("code %d: %s", code, errOut)
	}
	lines := strings.Split(strings.TrimSpace(all), "\n")
	has := func(path []string, as string) bool {
		for _, a := range path {
			if a == as {
				return true
			}
		}
		return false
	}
	last := func(path []string) string {
		if len(path) == 0 {
			return ""
		}
		return path[len(path)-1]
	}
	tests := []struct {
		args []string
		keep func(typ string, cols, path []string) bool
	}{
		{[]string{"--asn", "AS6939"}, func(_ string, _, p []string) bool { return has(p, "6939") }},
		{[]string{"--asn", "6939,1299"}, func(_ string, _, p []string) bool { return has(p, "6939") || has(p, "1299") }},
		{[]string{"--origin", "28573"}, func(_ string, _, p []string) bool { return last(p) == "28573" }},
		{[]string{"--upstream", "4230"}, func(_ string, _, p []string) bool { return len(p) > 1 && p[len(p)-2] == "4230" }},
		{[]string{"--upstream", "6939", "--asn", "3356"}, func(_ string, _, p []string) bool {
			return strings.Contains(" "+strings.Join(p, " ")+" ", " 6939 3356 ")
		}},
		{[]string{"--type", "W"}, func(typ string, _, _ []string) bool { return typ == "W" }},
		{[]string{"--type", "S"}, func(typ string, _, _ []string) bool { return typ == "STATE" }},
		{[]string{"--peer", "37.49.236.123"}, func(_ string, c, _ []string) bool { return c[3] == "37.49.236.123" }},
		{[]string{"--peer", "AS59689", "--type", "A,W"}, func(typ string, c, _ []string) bool { return c[4] == "59689" && typ != "STATE" }},
		{[]string{"--prefix", "103.0.0.0/8"}, func(_ string, c, _ []string) bool { return len(c) > 5 && strings.HasPrefix(c[5], "103.") }},
		{[]string{"--prefix", "192.140.252.0/22", "--exact"}, func(_ string, c, _ []string) bool { return c[5] == "192.140.252.0/22" }},
		{[]string{"--prefix", "2804:14d::1", "--less-specific"}, func(_ string, c, _ []string) bool { return c[5] == "2804:14d::/40" || c[5] == "2804:14d::/32" }},
		{[]string{"--from", "1470931200", "--to", "2016-08-11T16:00:09"}, func(_ string, c, _ []string) bool { return c[1] <= "1470931209" }},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			want := choose(lines, tt.keep)
			if want == 0 {
				t.Fatal("the condition chooses nothing: it proves nothing")
			}
			_, out, _ := runScan(t, append(tt.args, file)...)
			if n := strings.Count(out, "\n"); n != want {
				t.Errorf("%d lines, want %d", n, want)
			}
			if _, out, _ = runScan(t, append(tt.args, "--count", file)...); strings.TrimSpace(out) != itoa(want) {
				t.Errorf("--count %s, want %d", strings.TrimSpace(out), want)
			}
		})
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestScanWatchlist(t *testing.T) {
	file := scanTestData(t, "bgpdump-tests", "data", "updates.20160811.1600.gz")
	config := filepath.Join(t.TempDir(), "depeer.yaml")
	text := "hosters:\n  - {id: a, asns: [28573], prefixes: [103.0.0.0/8]}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, all, _ := runScan(t, file)
	want := choose(strings.Split(strings.TrimSpace(all), "\n"), func(_ string, c, p []string) bool {
		return strings.Contains(" "+strings.Join(p, " ")+" ", " 28573 ") || len(c) > 5 && strings.HasPrefix(c[5], "103.")
	})
	code, out, errOut := runScan(t, "--watchlist", "-c", config, "--count", file)
	if code != exitDone || strings.TrimSpace(out) != itoa(want) || want == 0 {
		t.Errorf("code %d, %s elements, want %d: %s", code, strings.TrimSpace(out), want, errOut)
	}
	if code, _, errOut := runScan(t, "--watchlist", file); code != exitUsage || !strings.Contains(errOut, "--config") {
		t.Errorf("without a configuration: code %d: %s", code, errOut)
	}
}

func TestScanJSON(t *testing.T) {
	file := scanTestData(t, "mrtparse-samples", "quagga_rib")
	_, out, _ := runScan(t, "--json", file)
	n := 0
	for line := range strings.Lines(out) {
		var e struct {
			Type, Peer, Prefix string
			PeerASN            uint32 `json:"peer_asn"`
			Path               []any
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if e.Type != "B" || e.Peer == "" || e.Prefix == "" {
			t.Errorf("%+v", e)
		}
		n++
	}
	if n != 9 {
		t.Errorf("%d objects, want 9", n)
	}
}

func TestScanCut(t *testing.T) {
	file := scanTestData(t, "pyasn", "rib.20080501.0644_firstMB.bz2")
	code, out, errOut := runScan(t, "--count", file)
	if code != exitFailed || strings.TrimSpace(out) != "139291" || !strings.Contains(errOut, "record 139292 at byte 9876131") {
		t.Errorf("code %d, %s elements, error %s", code, strings.TrimSpace(out), errOut)
	}
}

func TestScanUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"--asn", "x", "f"}, {"--prefix", "10.0.0.1/8", "f"}, {"--type", "Q", "f"}, {"--peer", "x", "f"},
		{"--exact", "f"}, {"--from", "2009", "--to", "x", "f"}, {"--from", "2009-01-02", "--to", "2009-01-01", "f"}, {"--json", "--count", "f"},
		{filepath.Join(t.TempDir(), "missing")}} {
		if code, _, errOut := runScan(t, args...); code != exitUsage || errOut == "" {
			t.Errorf("scan %v: code %d: %q", args, code, errOut)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	file := scanTestData(b, "bgpdump-tests", "data", "updates.et-header.2015.gz")
	for name, args := range map[string][]string{"print": {file}, "count": {"--count", "--asn", "26780", file}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				runScan(b, args...)
			}
		})
	}
}
