package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/web"
)

// What covers a prefix comes first, the nearest before the others; then what it covers.
func TestSpaceAroundAPrefix(t *testing.T) {
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	m := &monitor{lists: &lists{joined: []watch.Hoster{
		{ID: "a", Prefixes: prefixes("192.0.2.0/24", "192.0.2.128/25", "2001:db8::/32")},
		{ID: "b", Prefixes: prefixes("192.0.0.0/16", "192.0.2.0/24", "198.51.100.0/24")},
	}}}
	for of, want := range map[string]string{
		"192.0.2.129/32":   "192.0.2.128/25[a] 192.0.2.0/24[a b] 192.0.0.0/16[b]",
		"192.0.2.0/24":     "192.0.2.0/24[a b] 192.0.0.0/16[b] 192.0.2.128/25[a]",
		"192.0.0.0/8":      "192.0.0.0/16[b] 192.0.2.0/24[a b] 192.0.2.128/25[a]",
		"203.0.113.1/32":   "",
		"2001:db8::1/128":  "2001:db8::/32[a]",
		"198.51.100.0/24":  "198.51.100.0/24[b]",
		"::ffff:0:0/96":    "",
		"198.51.100.77/32": "198.51.100.0/24[b]",
	} {
		list, err := m.space(context.Background(), nil, netip.MustParsePrefix(of))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for i, x := range list {
			if i > 0 {
				got += " "
			}
			got += fmt.Sprintf("%s%v", x.Prefix, x.Hosters)
			if !x.Listed {
				t.Errorf("%s: %s is on the watchlist", of, x.Prefix)
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", of, got, want)
		}
	}
}

func TestFamiliesOfTheJudge(t *testing.T) {
	list := watch.Watchlist{Hosters: []watch.Hoster{{ID: "a", Name: "A", ASNs: []uint32{64500}, Prefixes: []netip.Prefix{netip.MustParsePrefix("9.0.0.0/20")}}}}
	at := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	j := cnc.NewJudge(cnc.DefaultConfig(), list, nil)
	j.Observe(cnc.Sighting{Type: "sighting", ID: "s", Source: "tracker", Family: "Rustock", Kind: cnc.CNC, At: at, Addr: netip.MustParseAddr("9.0.0.1"), ASN: 64500})
	f := familiesOf{&migrator{judge: j}, cnc.DefaultFamilies(), func() time.Time { return at.Add(time.Hour) }}
	housed, err := f.Housed(context.Background())
	if err != nil || len(housed) != 1 || housed[0].Family != "Rustock" || housed[0].Hoster != "a" || housed[0].Fate != cnc.There {
		t.Errorf("%+v, %v", housed, err)
	}
	places, err := f.Residences(context.Background(), "Rustock")
	if err != nil || len(places) != 1 || places[0].Hoster != "a" || !places[0].Alive {
		t.Errorf("%+v, %v", places, err)
	}
	if _, err := f.Residences(context.Background(), "Nobody"); !errors.Is(err, web.ErrUnknown) {
		t.Errorf("a family that nobody saw: %v", err)
	}
}
