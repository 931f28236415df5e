package cnc_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"depeer/bgp/bgptest/realdata"
	"depeer/watch"
	"depeer/watch/cnc"
)

// span is a range of addresses of one AS.
type span struct {
	first, last netip.Addr
	asn         uint32
	name        string
}

// ranges is a table of address ranges.
type ranges []span

func (r ranges) Place(a netip.Addr, _ time.Time) (cnc.Place, bool) {
	i, found := slices.BinarySearchFunc(r, a, func(s span, a netip.Addr) int { return s.first.Compare(a) })
	if !found {
		i--
	}
	if i < 0 || r[i].last.Less(a) {
		return cnc.Place{}, false
	}
	return cnc.Place{Origins: []uint32{r[i].asn}, Name: r[i].name, From: "ranges"}, true
}

func gunzip(t testing.TB, elem ...string) io.Reader {
	t.Helper()
	path, err := realdata.Find(elem...)
	if err != nil {
		t.Skip(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// snapshot is one week of the tracker.
type snapshot struct {
	at   time.Time
	seen []cnc.Sighting
}

var tracker struct {
	once  sync.Once
	weeks []snapshot
}

// trackerWeeks reads the weekly series of C2-Tracker from 2023-11 on (before, its
// scans changed every few months), joined with the ranges of 2025-04.
func trackerWeeks(t testing.TB) []snapshot {
	z := gunzip(t, "cnc", "c2-tracker", "weekly_to_2025-05.tsv.gz")
	rows := gunzip(t, "rib", "ip-location-db-asn", "asn-ipv4.csv.gz")
	tracker.once.Do(func() {
		var table ranges
		r := csv.NewReader(rows)
		r.ReuseRecord = true
		for {
			row, err := r.Read()
			if err != nil {
				break
			}
			asn, _ := strconv.ParseUint(row[2], 10, 32)
			table = append(table, span{netip.MustParseAddr(row[0]), netip.MustParseAddr(row[1]), uint32(asn), strings.Clone(row[3])})
		}
		slices.SortFunc(table, func(a, b span) int { return cmp.Or(a.first.Compare(b.first), a.last.Compare(b.last)) })
		places := map[netip.Addr]*cnc.Place{}
		names := map[string]string{}
		s := bufio.NewScanner(z)
		for s.Scan() {
			w := strings.Split(s.Text(), "\t")
			if len(w) != 4 || strings.HasPrefix(w[0], "#") {
				continue
			}
			at, err := time.Parse(time.RFC3339, w[0])
			addr, err2 := netip.ParseAddr(w[3])
			if err != nil || err2 != nil {
				continue
			}
			p, ok := places[addr]
			if !ok {
				if x, found := table.Place(addr, at); found {
					p = &x
				}
				places[addr] = p
			}
			if w[2] == "7777 Botnet" {
				continue // routers of private people: four of ten lines, and nobody's C&C
			}
			family, ok := names[w[2]]
			if !ok {
				family = cnc.DefaultFamilies().Canonical(w[2])
				names[strings.Clone(w[2])] = family
			}
			if n := len(tracker.weeks); n == 0 || !tracker.weeks[n-1].at.Equal(at) {
				tracker.weeks = append(tracker.weeks, snapshot{at: at})
			}
			week := &tracker.weeks[len(tracker.weeks)-1]
			week.seen = append(week.seen, cnc.Sighting{Type: "sighting", ID: w[0][:10] + " " + family + " " + addr.String(), Source: "c2-tracker", At: at,
				Family: family, Kind: cnc.CNC, Addr: addr, Place: p})
		}
	})
	if len(tracker.weeks) < 50 {
		t.Fatalf("%d weeks of the tracker were read", len(tracker.weeks))
	}
	return tracker.weeks
}

func hosterOf(asn uint32) watch.Hoster {
	return watch.Hoster{ID: "as" + strconv.Itoa(int(asn)), Name: "AS" + strconv.Itoa(int(asn)), ASNs: []uint32{asn}}
}

// hear tells weeks to a judge, the events in between, and gives what it says.
func hear(j *cnc.Judge, weeks []snapshot, events []watch.Event) []cnc.Migration {
	var out []cnc.Migration
	for _, w := range weeks {
		for len(events) > 0 && !events[0].At.After(w.at) {
			out = append(out, j.Advance(events[0].At)...)
			j.Event(events[0])
			events = events[1:]
		}
		out = append(out, j.Advance(w.at)...)
		for _, s := range w.seen {
			j.Observe(s)
		}
		out = append(out, j.Advance(w.at.Add(time.Minute))...)
	}
	return out
}

// since gives the weeks from a day on.
func since(weeks []snapshot, day string) []snapshot {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	return slices.DeleteFunc(slices.Clone(weeks), func(w snapshot) bool { return w.at.Before(at) })
}

// TestSliverLeavesStark: 33 addresses of Sliver at AS44477 until 2025-02-10, none on
// 2025-02-17, while elsewhere nine of ten go on. No route changed: it is gone, and
// where it went is not proven.
func TestSliverLeavesStark(t *testing.T) {
	weeks := since(trackerWeeks(t), "2024-06-01")
	j := cnc.NewJudge(cnc.DefaultConfig(), watch.Watchlist{Hosters: []watch.Hoster{hosterOf(44477)}}, nil)
	var gone []cnc.Migration
	for _, m := range hear(j, weeks, nil) {
		if m.Kind != cnc.KindGone {
			t.Errorf("%s: %s", m.Kind, m.Summary)
		} else if m.Family != "Sliver" {
			t.Errorf("%s is not gone", m.Family)
		}
		gone = append(gone, m)
	}
	if len(gone) == 0 {
		t.Fatal("nothing was said")
	}
	m := gone[0]
	t.Log(m.Summary, m.Evidence[0].Text, m.Caveats)
	if m.At.Format(time.DateOnly) != "2025-02-17" || !strings.Contains(m.Summary, "33 hosts until 2025-02-10, 0 on 2025-02-17") || !strings.Contains(m.Summary, "not proven") {
		t.Errorf("%s: %s", m.At, m.Summary)
	}
	if m.Routing != 0 || m.To.ASN != 0 || m.Incident != "" || len(m.Evidence[0].Records) != 20 {
		t.Errorf("%+v", m)
	}
	if text := strings.Join(m.Caveats, "\n"); !strings.Contains(text, "expected") || !strings.Contains(text, "tool of many owners") {
		t.Errorf("what grew elsewhere is not told with its base rate: %s", text)
	}
}

// TestTrackerChangesAreNoMoves: what the tracker did to itself (families dropped in
// October 2024, when it fell to a third; a list that came and went) is nobody's move. Some networks with a few hosts are watched.
func TestTrackerChangesAreNoMoves(t *testing.T) {
	weeks := since(trackerWeeks(t), "2024-07-01")
	var list []cnc.Sighting
	for _, w := range weeks {
		list = append(list, w.seen...)
	}
	cfg := cnc.DefaultConfig()
	hosters := cnc.ControlHosters(cfg, list, 8, 15, 7)
	j := cnc.NewJudge(cfg, watch.Watchlist{Hosters: hosters}, nil)
	gone := 0
	for _, m := range hear(j, weeks, nil) {
		if m.Kind == cnc.KindGone {
			t.Log(m.At.Format(time.DateOnly), m.Summary, m.Evidence[0].Text)
			gone++
			continue
		}
		t.Errorf("%s without any change of routes: %s", m.Kind, m.Summary)
	}
	years := float64(len(hosters)) * weeks[len(weeks)-1].at.Sub(weeks[0].at).Hours() / 24 / 365
	if perYear := float64(gone) / years; perYear > 0.2 {
		t.Errorf("%d departures in %.0f hoster-years", gone, years)
	}
}
