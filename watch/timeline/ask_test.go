package timeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/bgp"
	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/watch/timeline/timelinetest"
)

var (
	day   = time.Date(2008, 11, 11, 0, 0, 0, 0, time.UTC)
	peerA = bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.1"), ASN: 64501}
	peerB = bgp.Peer{Collector: "rrc00", Addr: netip.MustParseAddr("192.0.2.2"), ASN: 64502}
	peerC = bgp.Peer{Collector: "rrc01", Addr: netip.MustParseAddr("192.0.2.3"), ASN: 64503}

	net22 = netip.MustParsePrefix("208.66.192.0/22")
	net24 = netip.MustParsePrefix("208.66.192.0/24")
	net6  = netip.MustParsePrefix("2001:db8::/32")

	mccolo = watch.Hoster{ID: "mccolo", Name: "McColo Corp.", ASNs: []uint32{26780}, AllowedOrigins: []uint32{64700}}
)

func minute(n int) time.Time { return day.Add(time.Duration(n) * time.Minute) }

// tell makes a change of a watched prefix at a minute of the day.
func tell(at int, what timeline.What, p bgp.Peer, q netip.Prefix, path ...uint32) timeline.Change {
	c := timeline.Change{At: minute(at), What: what, Peer: p, Prefix: q, Path: bgp.PathOf(path...)}
	if q.IsValid() {
		c.Hosters = []string{"mccolo"}
	}
	return c
}

func store(t *testing.T, changes ...timeline.Change) *timelinetest.Memory {
	t.Helper()
	m := &timelinetest.Memory{}
	keep(t, m, timeline.Batch{Recorded: minute(0), Changes: changes})
	return m
}

func keep(t *testing.T, m *timelinetest.Memory, b timeline.Batch) {
	t.Helper()
	if err := m.Write(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
}

func asker(m *timelinetest.Memory) *timeline.Asker {
	return &timeline.Asker{Reader: m, Hosters: []watch.Hoster{mccolo}}
}

var none netip.Prefix

// mccoloDay: two peers behind 6939, one behind 3549; 6939 drops it at minute 20, peer B
// finds 1299 at 30, peer C is not heard from 25 to 40.
func mccoloDay() []timeline.Change {
	return []timeline.Change{
		tell(1, timeline.Joined, peerA, none), tell(1, timeline.Joined, peerB, none), tell(1, timeline.Joined, peerC, none),
		tell(2, timeline.Announced, peerA, net22, 64501, 6939, 26780), tell(2, timeline.Announced, peerB, net22, 64502, 6939, 26780, 26780),
		tell(3, timeline.Announced, peerC, net22, 64503, 3549, 26780),
		tell(20, timeline.Withdrawn, peerA, net22), tell(20, timeline.Withdrawn, peerB, net22),
		{At: minute(25), What: timeline.Left, Peer: peerC, Cause: "hold timer expired"},
		tell(30, timeline.Announced, peerB, net22, 64502, 1299, 26780),
		tell(40, timeline.Joined, peerC, none),
		tell(50, timeline.Announced, peerA, net22, 64501, 174, 64666),
	}
}

// steps writes a series: minute, value, eligible.
func steps(l *timeline.Lane) string {
	var out []string
	for _, p := range l.Points {
		out = append(out, fmt.Sprintf("%d %.2f/%d", int(p.At.Sub(day)/time.Minute), p.Value, p.Eligible))
	}
	return strings.Join(out, ", ")
}

func TestTimelineOfAHoster(t *testing.T) {
	m := store(t, mccoloDay()...)
	x, err := asker(m).Timeline(context.Background(), timeline.Asking{Hoster: "mccolo", From: minute(10), To: minute(60)})
	if err != nil {
		t.Fatal(err)
	}
	if x.Title != "McColo Corp." || x.Subject != "mccolo" || x.Hoster != "mccolo" || len(x.Prefixes) != 1 {
		t.Errorf("%+v", x)
	}
	if got, want := steps(&x.Visibility[0]), "10 1.00/3, 20 0.33/3, 25 0.00/2, 30 0.50/2, 40 0.67/3, 50 1.00/3"; len(x.Visibility) != 1 || got != want {
		t.Errorf("visibility\n got %s\nwant %s", got, want)
	}
	want := map[uint32]string{
		6939: "10 0.67/3, 20 0.00/3",
		3549: "10 0.33/3, 25 0.00/2, 40 0.33/3",
		1299: "10 0.00/3, 30 0.50/2, 40 0.33/3", // and 174 is the upstream of somebody else
	}
	if len(x.Upstreams) != len(want) || x.Upstreams[0].ASN != 6939 || x.Upstreams[0].Peers != 2 {
		t.Errorf("upstreams %+v", x.Upstreams)
	}
	for i := range x.Upstreams {
		if l := &x.Upstreams[i]; steps(l) != want[l.ASN] {
			t.Errorf("AS%d: %s, want %s", l.ASN, steps(l), want[l.ASN])
		}
	}
	if len(x.Origins) != 2 || x.Origins[0].ASN != 26780 || x.Origins[0].Role != "own" || x.Origins[0].Name != "McColo Corp." ||
		x.Origins[1].Role != "other" || steps(&x.Origins[1]) != "10 0.00/3, 50 0.33/3" {
		t.Errorf("origins %+v", x.Origins)
	}
	if got := x.Missing; len(got) != 1 || !strings.Contains(got[0], "No table (RIB)") {
		t.Errorf("missing %q", got)
	}
}

func intervalLines(list []timeline.Interval) (out []string) {
	for _, i := range list {
		to := "-"
		if i.To != nil {
			to = fmt.Sprint(int(i.To.Sub(day) / time.Minute))
		}
		line := fmt.Sprintf("%d<%d %d..%s", i.Upstream, i.Origin, int(i.From.Sub(day)/time.Minute), to)
		if i.Peer != nil {
			line = fmt.Sprintf("%s [%s] %d..%s", i.Peer.Addr, i.Path, int(i.From.Sub(day)/time.Minute), to)
		} else {
			line += fmt.Sprintf(" by %d", i.Peers)
		}
		if i.Open {
			line += " open"
		}
		out = append(out, line)
	}
	return out
}

// Whoever looks closer at a month in which a hoster was dark sees that it was dark, not that
// nobody was there to see.
func TestCloserLooksCountTheSamePeers(t *testing.T) {
	m := store(t, mccoloDay()...)
	keep(t, m, timeline.Batch{Recorded: minute(55), Changes: []timeline.Change{
		tell(52, timeline.Withdrawn, peerA, net22), tell(52, timeline.Withdrawn, peerB, net22), tell(52, timeline.Withdrawn, peerC, net22)}})
	a := asker(m)
	a.Baseline = 5 * time.Minute
	for since, want := range map[time.Time]string{{}: "70 0.00/0", minute(68): "70 0.00/0", minute(1): "70 0.00/3"} {
		x, err := a.Timeline(context.Background(), timeline.Asking{Hoster: "mccolo", From: minute(70), To: minute(80), Since: since})
		if err != nil {
			t.Fatal(err)
		}
		if got := steps(&x.Visibility[0]); got != want {
			t.Errorf("since %v: %s, want %s", since, got, want)
		}
	}
}

func TestIntervals(t *testing.T) {
	m := store(t, append(mccoloDay(), // at once withdrawn and announced by another is no end; what lasts no moment was not
		tell(55, timeline.Withdrawn, peerB, net22), tell(55, timeline.Announced, peerC, net22, 64503, 1299, 26780),
		tell(56, timeline.Announced, peerB, net22, 64502, 9002, 26780), tell(56, timeline.Withdrawn, peerB, net22))...)
	a := asker(m)
	x, err := a.Timeline(context.Background(), timeline.Asking{Prefix: net22, From: minute(10)})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"6939<26780 2..20 by 2 open", "3549<26780 3..55 by 1 open", "1299<26780 30..- by 1", "174<64666 50..- by 1"}
	if got := intervalLines(x.Intervals); !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	list, err := a.Intervals(context.Background(), timeline.Asking{Prefix: net22, From: minute(20), To: minute(54)})
	if err != nil {
		t.Fatal(err)
	}
	want = []string{"192.0.2.3 [64503 3549 26780] 3..- open", "192.0.2.2 [64502 1299 26780] 30..-", "192.0.2.1 [64501 174 64666] 50..-"}
	if got := intervalLines(list); !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

func TestRoutesAt(t *testing.T) {
	m := store(t, mccoloDay()...)
	x, err := asker(m).RoutesAt(context.Background(), timeline.Asking{Prefix: net22, To: minute(30)})
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Routes) != 2 || x.Peers != 2 {
		t.Fatalf("%+v", x)
	}
	b, c := x.Routes[0], x.Routes[1]
	if b.Peer != peerB || !b.Known || b.Upstream != 1299 || b.Origin != 26780 || !b.Since.Equal(minute(30)) {
		t.Errorf("%+v", b)
	}
	if c.Peer != peerC || c.Known || !c.Since.Equal(minute(3)) || c.Reason != "not heard since 2008-11-11 00:25:00 UTC: hold timer expired" {
		t.Errorf("%+v", c)
	}
	if got := strings.Join(x.Missing, "\n"); !strings.Contains(got, "192.0.2.3") || !strings.Contains(got, "Of 2 peers that were heard, 1 are known") {
		t.Error(got)
	}
}

func TestDifference(t *testing.T) {
	m := store(t, append(mccoloDay(), tell(28, timeline.Announced, peerA, net24, 64501, 3549, 26780), tell(4, timeline.Announced, peerC, net24, 64503, 3549, 26780))...)
	x, err := asker(m).Difference(context.Background(), timeline.Asking{Hoster: "mccolo", From: minute(10), To: minute(30)})
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Went) != 1 || x.Went[0].Peer != peerA || len(x.Came) != 1 || x.Came[0].Prefix != net24 || x.Same != 0 ||
		len(x.Changed) != 1 || x.Changed[0].Before.Upstream != 6939 || x.Changed[0].After.Upstream != 1299 ||
		len(x.Unknown) != 2 || x.Unknown[0].Peer != peerC {
		t.Errorf("%+v", x)
	}
}

func TestCarried(t *testing.T) {
	m := store(t, append(mccoloDay(), tell(4, timeline.Announced, peerC, net24, 6939, 3549, 26780), tell(35, timeline.Announced, peerA, net24, 64501, 6939, 26780),
		tell(36, timeline.Withdrawn, peerA, net24), tell(37, timeline.Announced, peerA, net24, 64501, 6939, 26780))...)
	x, err := asker(m).Carried(context.Background(), timeline.Asking{ASN: 6939, From: minute(10), To: minute(60)})
	if err != nil {
		t.Fatal(err)
	}
	if x.Through != 2 || len(x.Prefixes) != 2 {
		t.Fatalf("%+v", x)
	}
	c24, c22 := x.Prefixes[1], x.Prefixes[0]
	if c22.Prefix != net22 {
		c22, c24 = c24, c22
	}
	if c22.Hoster != "mccolo" || c22.Origin != 26780 || c22.Before != 2 || c22.After != 0 || c22.Most != 2 || c22.Gained != nil || c22.Dropped == nil || !c22.Dropped.Equal(minute(20)) {
		t.Errorf("%+v", c22)
	}
	if c24.Before != 0 || c24.After != 1 || c24.Most != 1 || c24.Gained == nil || !c24.Gained.Equal(minute(35)) || c24.Dropped != nil {
		t.Errorf("%+v", c24)
	}
	late, err := asker(m).Carried(context.Background(), timeline.Asking{ASN: 6939, From: minute(21), To: minute(30)})
	if err != nil || len(late.Prefixes) != 0 || late.Through != 1 {
		t.Errorf("%+v, %v", late, err)
	}
}

func TestStillRouted(t *testing.T) {
	m := store(t, mccoloDay()...)
	keep(t, m, timeline.Batch{Recorded: minute(60), Records: []timeline.Record{
		{Kind: timeline.Event, ID: "e", At: day.Add(-20 * 24 * time.Hour), Hoster: "mccolo", Body: json.RawMessage(`{}`)},
		{Kind: timeline.Sighting, ID: "s", At: day.Add(-10*24*time.Hour - time.Hour), Hoster: "mccolo", Body: json.RawMessage(`{}`)}}})
	a := asker(m)
	one := func(at time.Time) timeline.Still {
		t.Helper()
		list, err := a.StillRouted(context.Background(), at, time.Time{})
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		return list[0]
	}
	x := one(minute(45))
	if !x.Routed || len(x.By) != 2 || x.By[0].ASN != 1299 || x.By[1].ASN != 3549 || math.Abs(x.By[0].Share-1.0/3) > 1e-9 || x.By[0].Peers != 1 ||
		!x.By[1].Since.Equal(minute(3)) || x.Days != 11 || x.ReportedBy != "sighting" {
		t.Errorf("%+v", x)
	}
	if x := one(minute(26)); x.Routed || len(x.By) != 0 {
		t.Errorf("nobody who is heard has it: %+v", x)
	}
	if x := one(day.Add(-15 * 24 * time.Hour)); x.Reported != nil || x.Days != 0 {
		t.Errorf("it was not known then: %+v", x)
	}
	a.Hosters = []watch.Hoster{mccolo}
	a.Hosters[0].Reported = day.Add(-27 * 24 * time.Hour)
	if x := one(minute(45)); x.Days != 27 || x.ReportedBy != "given" {
		t.Errorf("%+v", x)
	}
}

func TestLongestPrefixOfAnAddress(t *testing.T) {
	m := store(t, append(mccoloDay(), tell(5, timeline.Announced, peerA, net24, 64501, 3549, 26780), tell(15, timeline.Withdrawn, peerA, net24))...)
	a := asker(m)
	for at, want := range map[int]netip.Prefix{10: net24, 16: net22, 22: net22} {
		x, err := a.RoutesAt(context.Background(), timeline.Asking{Addr: netip.MustParseAddr("208.66.192.9"), To: minute(at)})
		if err != nil || x.Longest != want {
			t.Errorf("minute %d: %+v, %v", at, x, err)
		}
	}
	list, err := a.Covering(context.Background(), netip.MustParsePrefix("208.66.192.9/32"), minute(16), time.Time{})
	if err != nil || len(list) != 2 || list[0].Prefix != net24 || list[0].Peers != 0 || list[1].Peers != 3 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := a.RoutesAt(context.Background(), timeline.Asking{Addr: netip.MustParseAddr("203.0.113.1")}); !errors.Is(err, timeline.ErrNothing) {
		t.Error(err)
	}
}

func TestWhatWasBelieved(t *testing.T) {
	m := store(t, mccoloDay()...)
	keep(t, m, timeline.Batch{Recorded: minute(600), Changes: []timeline.Change{tell(22, timeline.Announced, peerA, net22, 64501, 3356, 26780)}})
	a := asker(m)
	now, err := a.RoutesAt(context.Background(), timeline.Asking{Prefix: net22, To: minute(23)})
	if err != nil {
		t.Fatal(err)
	}
	then, err := a.RoutesAt(context.Background(), timeline.Asking{Prefix: net22, To: minute(23), Believed: minute(599)})
	if err != nil {
		t.Fatal(err)
	}
	if len(now.Routes) != 2 || now.Routes[0].Upstream != 3356 || len(then.Routes) != 1 || then.Routes[0].Upstream != 3549 {
		t.Errorf("now %+v\nthen %+v", now.Routes, then.Routes)
	}
	if !strings.Contains(strings.Join(then.Missing, "\n"), "had been recorded by 2008-11-11 09:59:00 UTC") {
		t.Error(then.Missing)
	}
}

func TestRecordsOfATimeline(t *testing.T) {
	m := store(t, mccoloDay()...)
	body := func(x any) json.RawMessage {
		b, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	id, end := "mccolo", minute(40)
	gap := watch.Gap{Type: "gap", ID: "g", Revision: 1, Collector: "rrc01", Reason: "session lost", From: minute(25), To: &end, Peers: 1}
	sight := func(n int, at int) timeline.Record {
		return timeline.Record{Kind: timeline.Sighting, ID: fmt.Sprint("s", n), At: minute(at), Hoster: id, Prefixes: []netip.Prefix{netip.MustParsePrefix("208.66.192.9/32")},
			Body: json.RawMessage(fmt.Sprintf(`{"id":"s%d","source":"x","at":%q,"family":"rustock","kind":"cnc","addr":"208.66.192.9","place":{"prefix":"208.66.192.0/22","origins":[26780]}}`, n, minute(at).Format(time.RFC3339)))}
	}
	keep(t, m, timeline.Batch{Recorded: minute(60), Records: []timeline.Record{
		{Kind: timeline.Event, ID: "lost", At: minute(21), Hoster: id, Upstream: 6939, Prefixes: []netip.Prefix{net22},
			Body: body(watch.Event{ID: "lost", Kind: watch.UpstreamLost, At: minute(21), Hoster: &id, Upstream: 6939, Family: 4})},
		{Kind: timeline.Event, ID: "early", At: minute(5), Hoster: id, Body: body(watch.Event{ID: "early", Kind: watch.PrefixNew})},
		{Kind: timeline.Event, ID: "dark", At: minute(22), Hoster: id, Body: body(watch.Event{ID: "dark", Kind: watch.HosterDark, Hoster: &id})},
		{Kind: timeline.Incident, ID: "i", Revision: 1, At: minute(21), Hoster: id, Body: body(watch.Incident{ID: "i", Revision: 1})},
		{Kind: timeline.Incident, ID: "i", Revision: 2, At: minute(21), Hoster: id, Until: minute(50), Body: body(watch.Incident{ID: "i", Revision: 2})},
		{Kind: timeline.Gap, ID: "g", Revision: 1, At: minute(25), Until: end, Collector: "rrc01", Word: "session lost", Body: body(gap)},
		sight(1, 15), sight(2, 17)}})
	x, err := asker(m).Timeline(context.Background(), timeline.Asking{Hoster: id, From: minute(10), To: minute(60)})
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Events) != 2 || x.Events[0].ID != "lost" || len(x.Incidents) != 1 || x.Incidents[0].Revision != 2 || len(x.Gaps) != 1 || x.Gaps[0].ID != "g" {
		t.Errorf("%+v", x)
	}
	if len(x.Sightings) != 1 || x.Sightings[0].Family != "rustock" || !x.Sightings[0].Until.Equal(minute(17)) || x.Sightings[0].ASN != 26780 || x.Sightings[0].Prefix != net22 {
		t.Errorf("%+v", x.Sightings)
	}
	if got := x.Upstreams[0].Events; !slices.Equal(got, []string{"lost"}) {
		t.Errorf("marks of AS6939: %v", got)
	}
	if got := x.Visibility[0].Events; !slices.Equal(got, []string{"dark"}) {
		t.Errorf("marks of the visibility: %v", got)
	}
	if !strings.Contains(strings.Join(x.Missing, "\n"), "1 gap in what was seen touches it") {
		t.Error(x.Missing)
	}
	early, err := asker(m).Timeline(context.Background(), timeline.Asking{Prefix: net22, From: minute(10), To: minute(18)})
	if err != nil || len(early.Gaps) != 0 || len(early.Events) != 0 || len(early.Sightings) != 1 {
		t.Errorf("%+v, %v", early, err)
	}
}

// A share of all of more is not the share of all that there was before.
func TestASeriesTellsOfHowManyItIsAShare(t *testing.T) {
	m := store(t, tell(1, timeline.Announced, peerA, net22, 64501, 6939, 26780), tell(3, timeline.Announced, peerB, net22, 64502, 6939, 26780),
		tell(4, timeline.Announced, peerC, net22, 64503, 6939, 26780))
	x, err := asker(m).Timeline(context.Background(), timeline.Asking{Prefix: net22})
	if err != nil {
		t.Fatal(err)
	}
	if got := steps(&x.Visibility[0]); got != "1 1.00/1, 3 1.00/2, 4 1.00/3" {
		t.Error(got)
	}
}

// A memory that nobody fed after February says so when it is asked about November.
func TestWhatWasNotRecordedIsNotSaidToHold(t *testing.T) {
	m := store(t, tell(1, timeline.Announced, peerA, net22, 64501, 6939, 26780), tell(2, timeline.Announced, peerB, net22, 64502, 6939, 26780))
	want := "Nothing was recorded of it after 2008-11-11 00:02:00 UTC"
	later := timeline.Asking{Hoster: "mccolo", From: day.AddDate(0, 1, 0), To: day.AddDate(0, 2, 0)}
	story, err := asker(m).Timeline(context.Background(), later)
	if err != nil || !strings.Contains(strings.Join(story.Missing, "\n"), want) {
		t.Errorf("%v, %v", story, err)
	}
	then, err := asker(m).RoutesAt(context.Background(), later)
	if err != nil || !strings.Contains(strings.Join(then.Missing, "\n"), want) {
		t.Errorf("%v, %v", then, err)
	}
	diff, err := asker(m).Difference(context.Background(), later)
	if err != nil || !strings.Contains(strings.Join(diff.Missing, "\n"), want) {
		t.Errorf("%v, %v", diff, err)
	}
	now, err := asker(m).RoutesAt(context.Background(), timeline.Asking{Hoster: "mccolo", To: minute(10)})
	if err != nil || strings.Contains(strings.Join(now.Missing, "\n"), "Nothing was recorded") {
		t.Errorf("%v, %v", now, err)
	}
}

func TestAddPathsCountOnceEach(t *testing.T) {
	second := func(c timeline.Change) timeline.Change { c.PathID = 2; return c }
	m := store(t, tell(1, timeline.Announced, peerA, net22, 64501, 6939, 26780), second(tell(2, timeline.Announced, peerA, net22, 64999, 6939, 26780)),
		tell(3, timeline.Announced, peerB, net22, 64502, 6939, 26780), tell(4, timeline.Withdrawn, peerA, net22), second(tell(5, timeline.Announced, peerA, net22, 64501, 3549, 26780)))
	x, err := asker(m).Timeline(context.Background(), timeline.Asking{Prefix: net22})
	if err != nil {
		t.Fatal(err)
	}
	if got := steps(&x.Upstreams[0]); got != "1 1.00/1, 3 1.00/2, 5 0.50/2" {
		t.Error(got)
	}
	want := []string{"6939<26780 1..- by 2 open", "3549<26780 5..- by 1"}
	if got := intervalLines(x.Intervals); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestFamiliesApart(t *testing.T) {
	m := store(t, append(mccoloDay(), tell(2, timeline.Announced, peerA, net6, 64501, 6939, 26780))...)
	x, err := asker(m).Timeline(context.Background(), timeline.Asking{ASN: 26780, From: minute(10), To: minute(60)})
	if err != nil {
		t.Fatal(err)
	}
	if x.Title != "AS26780 McColo Corp." || len(x.Visibility) != 2 || x.Visibility[1].Family != 6 || steps(&x.Visibility[1]) != "10 1.00/1" {
		t.Errorf("%+v", x)
	}
	if u := x.Upstreams[0]; u.Family != 6 || steps(&u) != "10 1.00/1" {
		t.Errorf("%+v", u)
	}
}

// A series of very many steps is bounded, and keeps its extremes and its end.
func TestLongSeriesAreThinned(t *testing.T) {
	var changes []timeline.Change
	for i := range 30_000 {
		c := tell(0, timeline.Announced, peerA, net22, 64501, 6939, 26780)
		if c.At = day.Add(time.Duration(i) * time.Second); i%2 == 1 {
			c.What, c.Path = timeline.Withdrawn, nil
		}
		changes = append(changes, c)
	}
	x, err := asker(store(t, changes...)).Timeline(context.Background(), timeline.Asking{Prefix: net22})
	if err != nil {
		t.Fatal(err)
	}
	points := x.Visibility[0].Points
	if n := len(points); n > 4004 || n < 2000 || !points[0].At.Equal(day) || !points[n-1].At.Equal(day.Add(29_999*time.Second)) {
		t.Errorf("%d points, the last %+v", n, points[n-1])
	}
	least, most := 1.0, 0.0
	for i, p := range points {
		least, most = min(least, p.Value), max(most, p.Value)
		if i > 0 && !p.At.After(points[i-1].At) {
			t.Fatal("points out of order")
		}
	}
	if least != 0 || most != 1 {
		t.Errorf("between %v and %v", least, most)
	}
	if x, err = asker(store(t, changes...)).Timeline(context.Background(), timeline.Asking{Prefix: net22, Exact: true}); err != nil || len(x.Visibility[0].Points) != 30_000 {
		t.Errorf("%d exact points, %v", len(x.Visibility[0].Points), err)
	}
}

func TestAskedWrongly(t *testing.T) {
	a := asker(store(t, mccoloDay()...))
	ctx := context.Background()
	if _, err := a.Timeline(ctx, timeline.Asking{}); err == nil || !strings.Contains(err.Error(), "names no hoster") {
		t.Error(err)
	}
	if _, err := a.Timeline(ctx, timeline.Asking{Hoster: "nobody"}); !errors.Is(err, timeline.ErrNothing) {
		t.Error(err)
	}
	if _, err := a.Timeline(ctx, timeline.Asking{Hoster: "mccolo", From: minute(2), To: minute(1)}); err == nil || !strings.Contains(err.Error(), "ends (2008-11-11 00:01:00 UTC) before it begins") {
		t.Error(err)
	}
	if _, err := a.Carried(ctx, timeline.Asking{ASN: 65000}); !errors.Is(err, timeline.ErrNothing) {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := a.Timeline(ended, timeline.Asking{Hoster: "mccolo"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
