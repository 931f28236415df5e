package watch

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
)

// stable are five networks that have nothing to do with the hoster.
var stable = []string{"203.0.113.0/26", "203.0.113.64/26", "203.0.113.128/26", "203.0.113.192/26", "2001:db8:ffff::/48"}

// canaryStudio has eight peers carry the hoster and the canaries, for an hour.
func canaryStudio(t *testing.T, watched bool) (*studio, *liveFeed) {
	list := Watchlist{Hosters: []Hoster{example()}}
	if watched {
		for _, q := range stable {
			list.Canaries = append(list.Canaries, netip.MustParsePrefix(q))
		}
	}
	f := liveFeedOf("rislive", "unheard", 8)
	s := newStudio(t, f)
	s.in = NewIntake(NewDetector(list, DefaultPolicy()))
	s.after(time.Second)
	s.table(f, append([]string{one, two}, stable...)...)
	s.after(time.Hour).wants()
	return s, f
}

func (s *studio) announce(f *liveFeed, prefixes ...string) {
	for _, q := range prefixes {
		s.tell(f, bgp.Announce, func(u *bgp.Update, i int) {
			u.Prefix, u.Path = netip.MustParsePrefix(q), bgp.PathOf(u.Peer.ASN, []uint32{6939, 3549}[i%2], originOf(q))
		})
	}
}

func TestCanaries(t *testing.T) {
	about := func(s *studio) (hoster []string) {
		for _, l := range s.said {
			if strings.Contains(l, "example") {
				hoster = append(hoster, l)
			}
		}
		return hoster
	}
	t.Run("all peers lose their tables: it is our eyes, not the hoster", func(t *testing.T) {
		s, f := canaryStudio(t, true)
		for _, q := range stable {
			s.withdraw(f, q)
			s.after(time.Second)
		}
		s.withdraw(f, one, two)
		s.after(10 * time.Minute)
		if got := about(s); len(got) > 0 {
			t.Errorf("it said %q", got)
		}
		if !slices.ContainsFunc(s.said, func(l string) bool { return strings.Contains(l, "feed.lost") }) {
			t.Errorf("it said %q", s.said)
		}
		s.said = nil
		s.announce(f, append([]string{one, two}, stable...)...)
		s.after(time.Hour)
		if got := about(s); len(got) > 0 {
			t.Errorf("when they came back it said %q", got)
		}
		want := "gap rislive-c 01:00:03 to 01:10:06: 8 peers, table lost: most canaries are gone from it, filled false"
		if !slices.Contains(s.said, want) || !slices.ContainsFunc(s.said, func(l string) bool { return strings.Contains(l, "feed.restored") }) {
			t.Errorf("it said %q", s.said)
		}
	})
	t.Run("without canaries that is a hoster gone dark", func(t *testing.T) {
		s, f := canaryStudio(t, false)
		s.withdraw(f, append([]string{one, two}, stable...)...)
		s.after(time.Minute)
		if got := about(s); !slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, "hoster.dark") }) {
			t.Errorf("it said %q", got)
		}
	})
	t.Run("the canaries stay: it is the hoster", func(t *testing.T) {
		s, f := canaryStudio(t, true)
		s.withdraw(f, one, two, stable[0], stable[1])
		s.after(time.Minute)
		if got := about(s); !slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, "hoster.dark") }) {
			t.Errorf("it said %q", got)
		}
	})
	t.Run("what they hold when they are back is judged", func(t *testing.T) {
		s, f := canaryStudio(t, true)
		s.withdraw(f, append([]string{one, two}, stable...)...)
		s.after(time.Minute)
		s.announce(f, append([]string{one}, stable...)...)
		s.after(5 * time.Minute)
		if got := about(s); fmt.Sprint(got) != "[01:01:02 route.withdrawn example]" {
			t.Errorf("it said %q", got)
		}
	})
	t.Run("another list, and a new session", func(t *testing.T) {
		s, f := canaryStudio(t, true)
		s.withdraw(f, stable...)
		s.after(10 * time.Second)
		d := s.in.Detector()
		up := func() (n int) {
			for _, p := range d.Peers() {
				if p.State == "up" {
					n++
				}
			}
			return n
		}
		if up() != 0 {
			t.Errorf("%d peers count", up())
		}
		d.Rewatch(Watchlist{Hosters: []Hoster{example()}}, DefaultPolicy())
		if up() != 8 {
			t.Errorf("%d peers count without canaries", up())
		}
		s, f = canaryStudio(t, true)
		d = s.in.Detector()
		s.withdraw(f, stable...)
		s.after(10 * time.Second)
		s.tell(f, bgp.PeerDown, nil)
		s.after(time.Second)
		s.table(f, one, two)
		s.after(time.Minute)
		if got := about(s); up() != 8 || len(got) > 0 {
			t.Errorf("%d peers count after a session without canaries; it said %q", up(), got)
		}
	})
}
