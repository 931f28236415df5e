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

// word is something said at a moment, in milliseconds after the hour.
type word struct {
	ms   int
	peer int
	back bool // announced again
}

// earlyStory has four peers hold a prefix for an hour, lets them speak, and gives
// what was told, and how many milliseconds after the hour it was; -1 in a replay,
// where nobody asks before the next update.
func earlyStory(t *testing.T, live bool, words ...word) (told []string) {
	f := liveFeedOf("speaker", "peer-down", 4)
	s := newStudio(t, f)
	s.after(time.Second)
	s.table(f, one)
	s.after(time.Hour)
	d := s.in.Detector()
	hour := s.at
	note := func(ms int, events []Event) {
		if !live {
			ms = -1
		}
		for _, e := range events {
			told = append(told, fmt.Sprintf("%d %s at %s", ms, e.Kind, e.At.Format(time.TimeOnly)))
		}
	}
	for ms := 0; ms <= 4000; ms++ {
		at := hour.Add(time.Duration(ms) * time.Millisecond)
		for _, w := range words {
			if w.ms != ms {
				continue
			}
			u := bgp.Update{At: at, Peer: f.peers[w.peer], Kind: bgp.Withdraw, Prefix: netip.MustParsePrefix(one)}
			if w.back {
				u.Kind, u.Path = bgp.Announce, bgp.PathOf(u.Peer.ASN, 6939, 64510)
			}
			note(ms, d.Observe(u))
		}
		if live && ms%10 == 0 || ms == 4000 {
			note(ms, d.Advance(at))
		}
	}
	return told
}

func allGone(ms int) []word {
	return []word{{ms, 0, false}, {ms, 1, false}, {ms, 2, false}, {ms, 3, false}}
}

func TestEarly(t *testing.T) {
	for _, x := range []struct {
		name  string
		words []word
		want  int // milliseconds after which the withdrawal was told, -1 for never
	}{
		{"nobody is left: told after 0.7 seconds", allGone(300), 1000},
		{"early in the second: told when that has ended", allGone(50), 1000},
		{"in the middle of the next second", allGone(600), 1300},
		{"the last one goes later", append(allGone(200)[:3], word{650, 3, false}), 1350},
		{"taken back within the second", append(allGone(200), word{700, 1, true}), -1},
		{"taken back in the next second", append(allGone(800), word{1400, 1, true}), -1},
		{"stamped with whole seconds: it may have been said at their end", allGone(1000), 3000},
	} {
		t.Run(x.name, func(t *testing.T) {
			got := earlyStory(t, true, x.words...)
			want := fmt.Sprintf("%d route.withdrawn at", x.want)
			if said := slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "route.withdrawn") }); said != (x.want >= 0) ||
				said && !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, want) }) {
				t.Errorf("told %q", got)
			}
			// Who reads it later finds the same, whenever he asks.
			strip := func(list []string) (out []string) {
				for _, s := range list {
					out = append(out, s[strings.Index(s, " ")+1:])
				}
				return out
			}
			if again := earlyStory(t, false, x.words...); !slices.Equal(strip(again), strip(got)) {
				t.Errorf("live %q, in a replay %q", got, again)
			}
		})
	}
}
