package sqlite

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/watch/timeline"
	"depeer/watch/timeline/table"
	"depeer/watch/timeline/timelinetest"
)

// TestWhatMaintenanceLeaves: when every month is over, chunks are full and do not overlap,
// nothing is left to do, and between two checkpoints of a prefix, and so before any moment, lie
// a bounded number of changes.
func TestWhatMaintenanceLeaves(t *testing.T) {
	const size, stride = 16, 32
	ctx := context.Background()
	s, err := Open(ctx, filepath.Join(t.TempDir(), "timeline.db"), table.Small(100, size, stride, 1000))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	story := timelinetest.Story(6, 150)
	changes := 0
	for i, b := range story {
		mustWrite(t, s, story[i:i+1])
		changes += len(b.Changes)
		if i%4 == 0 {
			if _, err := s.Maintain(ctx, b.Recorded, timeline.Retention{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	end := story[len(story)-1].Recorded.AddDate(0, 3, 0)
	done, err := s.Maintain(ctx, end, timeline.Retention{})
	if err != nil || done.Merged == 0 || done.Bytes == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	again, err := s.Maintain(ctx, end, timeline.Retention{})
	if want := (timeline.Maintenance{Bytes: again.Bytes}); err != nil || again != want {
		t.Errorf("there was more to do: %+v, %v", again, err)
	}
	for query, want := range map[string]int{
		"SELECT SUM(n) FROM chunk":  changes,
		"SELECT SUM(n) FROM prefix": changes,
		"SELECT COUNT(*) FROM tail": 0,
		"SELECT COUNT(*) FROM todo": 0,
		"SELECT COUNT(*) FROM chunk a JOIN chunk b ON a.prefix = b.prefix AND a.month = b.month AND a.seq < b.seq AND a.last_at > b.first_at": 0,
	} {
		var got int
		if err := s.write.QueryRow(query).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %d, %v; not %d", query, got, err, want)
		}
	}
	var full int
	if err := s.write.QueryRow(`SELECT COUNT(*) FROM chunk a WHERE n < ? AND EXISTS (SELECT 1 FROM chunk b WHERE b.prefix = a.prefix AND b.month = a.month
		AND b.seq > a.seq)`, size).Scan(&full); err != nil || full != 0 {
		t.Errorf("%d chunks before the last of their month are not full: %v", full, err)
	}
	var checkpoints, worst int
	if err := s.write.QueryRow(`SELECT COUNT(*) FROM checkpoint`).Scan(&checkpoints); err != nil || checkpoints < changes/stride/4 {
		t.Errorf("%d checkpoints of %d changes: %v", checkpoints, changes, err)
	}
	if err := s.write.QueryRow("SELECT MAX(since) FROM prefix").Scan(&worst); err != nil || worst >= 4*stride {
		t.Errorf("%d changes lie behind the last checkpoint: %v", worst, err)
	}
}

// TestSmallFile: sixty thousand changes of 60 prefixes of 20 origins at 40 peers, with nothing in them
// that repeats but paths, cost less than 20 octets each, dictionaries, indexes and all.
func TestSmallFile(t *testing.T) {
	ctx := context.Background()
	s := mustOpen(t, filepath.Join(t.TempDir(), "timeline.db"))
	random := rand.New(rand.NewPCG(1, 1))
	at := time.Date(2008, 2, 1, 0, 0, 0, 0, time.UTC)
	const each, batches = 10_000, 6
	for range batches {
		b := timeline.Batch{}
		for range each {
			at = at.Add(time.Duration(random.IntN(20_000)) * time.Millisecond)
			peer, prefix := uint32(random.IntN(40)), random.IntN(60)
			c := timeline.Change{At: at, What: timeline.Announced, Hosters: []string{"mccolo"}, Peer: bgp.Peer{Collector: "rrc00", ASN: 64500 + peer},
				Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(prefix >> 8), byte(prefix), 0}), 24)}
			if random.IntN(4) == 0 {
				c.What = timeline.Withdrawn
			} else {
				c.Path = bgp.PathOf(c.Peer.ASN, uint32(3000+random.IntN(3)), uint32(26780+prefix%20))
			}
			b.Changes = append(b.Changes, c)
		}
		b.Recorded = at
		if err := s.Write(ctx, &b); err != nil {
			t.Fatal(err)
		}
	}
	done, err := s.Maintain(ctx, at.AddDate(0, 2, 0), timeline.Retention{})
	if per := float64(done.Bytes) / (each * batches); err != nil || per >= 20 || per < 2 {
		t.Errorf("%.1f octets a change: %v", per, err)
	} else {
		t.Logf("%.1f octets a change", per)
	}
}
