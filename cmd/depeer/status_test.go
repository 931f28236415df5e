package main

import (
	"bytes"
	"testing"
	"time"

	"depeer/watch"
	"depeer/web"
)

var night = time.Date(2008, 11, 11, 21, 30, 0, 0, time.UTC)

func gapAt(collector string, from, to time.Duration, peers int) watch.Gap {
	g := watch.Gap{Collector: collector, Reason: "session lost", Cause: "hold timer expired", From: night.Add(from), Peers: peers, Away: peers}
	if to != 0 {
		end := night.Add(to)
		g.To, g.Away = &end, 0
	}
	return g
}

func TestHoles(t *testing.T) {
	short, long := gapAt("rrc00", -time.Hour, -59*time.Minute, 40), gapAt("rrc01", -26*time.Hour, 0, 1)
	for _, x := range []struct {
		gaps []watch.Gap
		want string
	}{
		{[]watch.Gap{short}, "Holes in it: 1; the longest: rrc00  20:30:00 to 20:31:00  40 peers, session lost: hold timer expired. What happened there is not known."},
		{[]watch.Gap{short, long}, "Holes in it: 2; the longest: rrc01  2008-11-10 19:30:00 to now  1 peer, session lost: hold timer expired; " +
			"that of most peers: rrc00  20:30:00 to 20:31:00  40 peers, session lost: hold timer expired. What happened there is not known."},
	} {
		if got := holes(x.gaps, night); got != x.want {
			t.Errorf("have %s\nwant %s", got, x.want)
		}
	}
}

// The board as a person reads it at night.
func TestBoard(t *testing.T) {
	filled := gapAt("rrc00", -time.Hour, -59*time.Minute, 40)
	filled.Filled = &night
	some := gapAt("noc", -time.Minute, 0, 3)
	some.Away = 2
	s := web.Status{Version: "v0.3", Started: night.Add(-50 * time.Hour), Now: night, Judged: night.Add(-2 * time.Second),
		Reasons: []string{"feed noc: 1 of 3 neighbours is not established"},
		Hosters: []watch.Standing{
			{Name: "McColo Corp.", State: "partly", Prefixes: 3, Withdrawn: 1, Visibility: 0.66, Eligible: 40, Upstreams: []watch.UpstreamShare{
				{ASN: 6939, Lost: true, Since: night.Add(-26 * time.Minute)}, {ASN: 3549, Share: 0.95}, {ASN: 226, Family: 6, Share: 0.05, HoldEnds: night}}},
			{Name: "InterCage", State: "unknown"}},
		Incidents: []watch.Incident{{Opened: night.Add(-26 * time.Minute), Severity: watch.Critical, Summary: "McColo Corp.: AS6939 dropped it"}},
		Feeds: []web.Feed{{Name: "rislive", Type: "rislive", Ready: true, Collectors: []string{"rrc00", "rrc01"}, Peers: 40, Up: 40, Lag: 1.25},
			{Name: "noc", Type: "speaker", Reason: "1 of 3", Since: night.Add(-time.Minute), Collectors: []string{"noc"}, Peers: 3, Up: 1}},
		Gaps: []watch.Gap{some, filled},
	}
	var b bytes.Buffer
	writeBoard(&b, "127.0.0.1:8080", &s)
	const want = `depeer v0.3 at 127.0.0.1:8080 since 2008-11-09 19:30:00 UTC; all up to 21:29:58 is judged

  HOSTER        STATE    SEEN                                         UPSTREAMS
  McColo Corp.  partly   66 % by 40 peers, 1 of 3 prefixes withdrawn  AS6939 lost 21:04:00, AS3549 95 %, AS226 5 % falling (IPv6)
  InterCage     unknown  no route seen yet

Open incidents
  21:04:00  critical  McColo Corp.: AS6939 dropped it

Our own eyes
  rislive  rislive  ready      40 of 40 peers up at 2 collectors, 1.2 s behind
  noc      speaker  NOT READY  1 of 3 peers up at 1 collector, since 21:29:00

Not seen within the day before: 2 gaps
  noc  21:29:00 to now  2 of 3 peers still away, session lost: hold timer expired
  rrc00  20:30:00 to 20:31:00  40 peers, session lost: hold timer expired (filled from the archive)

not ready: feed noc: 1 of 3 neighbours is not established
`
	if b.String() != want {
		t.Errorf("have\n%s\nwant\n%s", b.String(), want)
	}
}
