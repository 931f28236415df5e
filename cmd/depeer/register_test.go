package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"depeer/watch"
)

// Without a running depeer an address has the place that the watchlist gives it while the
// hoster held it, and else that of the tables; an AS that a later table has first is young.
func TestOfflinePlaces(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cfg := DefaultConfig()
	cfg.Hosters = []watch.Hoster{{ID: "mccolo", Name: "McColo Corp.", ASNs: []uint32{26780}, Prefixes: []netip.Prefix{mccolo1},
		Valid: watch.Validity{To: time.Date(2009, 1, 1, 0, 0, 0, 0, time.UTC)}}}
	first := write("pfx2as-20081001.txt", "208.66.192.0\t22\t26780\n92.62.96.0\t20\t39823\n")
	second := write("pfx2as-20081101.txt", "208.66.192.0\t22\t26780\n92.62.96.0\t20\t39823\n78.108.176.0\t20\t42570\n")
	yaml := write("c.yaml", "sightings:\n  origins:\n    tables:\n      - {path: "+first+", at: 2008-10-01}\n      - {path: "+second+", at: 2008-11-01}\n")
	read, err := LoadConfig(yaml)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Sightings = read.Sightings
	where, register, err := offline(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	cut := time.Date(2008, 11, 15, 0, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		addr   string
		at     time.Time
		asn    uint32
		hoster string
		from   bool
	}{
		{"208.66.194.23", cut, 26780, "mccolo", true},
		{"208.66.194.23", cut.AddDate(1, 0, 0), 26780, "", false},
		{"78.108.177.1", cut, 42570, "", false},
	} {
		p, ok := where.Place(netip.MustParseAddr(x.addr), x.at)
		if !ok || len(p.Origins) != 1 || p.Origins[0] != x.asn || p.Hoster != x.hoster || (p.From == "watchlist") != x.from {
			t.Errorf("%s at %s: %+v, %v", x.addr, x.at, p, ok)
		}
	}
	if f, ok := register.AS(42570, cut); !ok || f.First != time.Date(2008, 11, 1, 0, 0, 0, 0, time.UTC) || f.Customers != -1 {
		t.Errorf("the young AS: %+v, %v", f, ok)
	}
	if f, ok := register.AS(39823, cut); !ok || !f.First.IsZero() {
		t.Errorf("an AS of any age: %+v, %v", f, ok)
	}
	if _, ok := register.AS(64999, cut); ok {
		t.Error("an AS that no table has is known")
	}
}
