package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"depeer/bgp/bgptest"
	"depeer/watch"
)

const interleavedConfig = `
hosters:
  - {id: example, name: Example Hosting, asns: [64510], prefixes: [192.0.2.0/24], upstreams: [6939, 3549]}
  - {id: other, asns: [64505]}
`

// interleavedWorld has what a collector may write in one second or in one file:
// floods of withdrawals, hunting, resets, table transfers, prefixes and upstreams
// that nobody had heard of before.
const interleavedWorld = `
seed 5
start 2024-05-01T00:00:00Z
end +3h
files every 30m plain
collector rrc00 peers 6 as 64600+
collector route-views2 peers 5 as 64700+ writing microseconds
transit 3356 174 701
table 40 prefixes
table 10 ipv6 prefixes
churn 10 per minute
network 64510 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8:10::/48
route 64510 via 6939 at 60%
route 64510 via 3549 at 40%
network 64505
route 64505 via 174 at 100%
reference behind 6939 12 prefixes multihomed 30%
reference behind 3549 12 prefixes multihomed 30%
at +0s rib
at 00:20 drop 6939-64510 over 20s
at 00:40 restore 6939-64510 over 5s
at 00:50 reset rrc00 peers 2-4 down 20s
at 01:00 announce 64505 198.51.100.0/25 at 100% over 5s
at 01:10 withdraw 64505 over 5s
at 01:20 announce 64505 192.0.2.0/24 at 40% over 10s
at 01:35 route 64510 via 1299 at 40% over 10s
at 01:50 fail 3549 over 5s
at 02:05 withdraw 64510 over 3s
at 02:30 announce 64510 over 5s
`

// TestInterleaving: in which order a collector wrote its peers' records into a file
// changes nothing that is said, so long as each peer's own order stands.
func TestInterleaving(t *testing.T) {
	worlds := map[string]string{
		"from a table":  interleavedWorld,
		"from the cold": strings.Replace(interleavedWorld, "at +0s rib\n", "at 00:05 hunt 64510 over 10m\n", 1),
	}
	for name, world := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := bgptest.Parse(name, world)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			files, err := s.WriteDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			whole := map[string][]byte{}
			for _, f := range files {
				if whole[f], err = os.ReadFile(f); err != nil {
					t.Fatal(err)
				}
			}
			want := replayLines(t, dir)
			if len(want) < 10 {
				t.Fatalf("only %d lines: nothing to compare", len(want))
			}
			for seed := range uint64(6) {
				r := rand.New(rand.NewPCG(26780, seed))
				for f, data := range whole {
					if strings.HasPrefix(filepath.Base(f), "updates.") {
						data = interleaved(t, data, r, seed%2 == 0)
					}
					if err := os.WriteFile(f, data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				compareLines(t, fmt.Sprintf("order %d", seed), replayLines(t, dir), want)
			}
		})
	}
}

// replayLines replays a folder, and gives events and revisions as JSON.
func replayLines(t *testing.T, dir string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(interleavedConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	r := newReplayer(cfg)
	got := &jsonLines{}
	r.sinks = append(r.sinks, got)
	if err := r.run(context.Background(), []string{dir}, nil, time.Time{}, time.Time{}, &progress{}); err != nil {
		t.Fatal(err)
	}
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	return append(got.events, got.incidents...)
}

type jsonLines struct{ events, incidents []string }

func (s *jsonLines) found(events []watch.Event, revisions []watch.Incident) error {
	for i := range events {
		line, err := json.Marshal(&events[i])
		if err != nil {
			return err
		}
		s.events = append(s.events, string(line))
	}
	for i := range revisions {
		line, err := json.Marshal(&revisions[i])
		if err != nil {
			return err
		}
		s.incidents = append(s.incidents, string(line))
	}
	return nil
}

func (s *jsonLines) end(*replayer) error { return nil }

func compareLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	line := func(s []string, i int) string {
		if i < len(s) {
			return s[i]
		}
		return "nothing"
	}
	for i := range max(len(got), len(want)) {
		if line(got, i) != line(want, i) {
			t.Fatalf("%s: line %d is\n%s\nand was\n%s", what, i+1, line(got, i), line(want, i))
		}
	}
}

// record is one MRT record (RFC 6396 section 2), header and all.
type record struct {
	second uint32
	peer   string // its AS number and address, as they stand in the record
	bytes  []byte
}

// interleaved deals the records of an update file out anew: those of one second
// among themselves, or all of the file.
func interleaved(t *testing.T, data []byte, r *rand.Rand, wholeFile bool) []byte {
	t.Helper()
	var records []record
	for len(data) > 0 {
		n := 12 + int(binary.BigEndian.Uint32(data[8:]))
		records = append(records, record{binary.BigEndian.Uint32(data), peerOf(t, data[:n]), data[:n]})
		data = data[n:]
	}
	var out []byte
	for len(records) > 0 {
		n := len(records)
		for i := 0; !wholeFile && i < n; i++ {
			if records[i].second != records[0].second {
				n = i
			}
		}
		own := map[string][]record{}
		order := make([]string, n)
		for i, x := range records[:n] {
			own[x.peer] = append(own[x.peer], x)
			order[i] = x.peer
		}
		r.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, p := range order {
			out = append(out, own[p][0].bytes...)
			own[p] = own[p][1:]
		}
		records = records[n:]
	}
	return out
}

// peerOf is whose record it is: BGP4MP and BGP4MP_ET (RFC 6396 sections 4.4 and 3,
// RFC 8050 section 4).
func peerOf(t *testing.T, b []byte) string {
	t.Helper()
	kind, subtype, body := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]), b[12:]
	switch kind {
	case 16:
	case 17:
		body = body[4:]
	default:
		t.Fatalf("a record of type %d among updates", kind)
	}
	as := 2
	switch subtype {
	case 4, 5, 7, 9, 11:
		as = 4
	}
	at := 2*as + 2
	length := 4
	if binary.BigEndian.Uint16(body[at:]) == 2 {
		length = 16
	}
	return string(body[:as]) + string(body[at+2:at+2+length])
}
